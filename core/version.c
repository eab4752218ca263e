#include "core/version.h"

#include "core/version_inner.h"

#define N(a) (sizeof(a) / sizeof *(a))

struct slice version_take_digits(struct slice *s)
{
    struct slice r = {s->p, 0};
    while (r.n < s->n && version_digit(s->p[r.n]))
        r.n++;
    *s = (struct slice){s->p + r.n, s->n - r.n};
    return r;
}

struct slice version_take_letters(struct slice *s)
{
    struct slice r = {s->p, 0};
    while (r.n < s->n && version_letter(s->p[r.n]))
        r.n++;
    *s = (struct slice){s->p + r.n, s->n - r.n};
    return r;
}

bool version_take_of(struct slice *s, const char *set)
{
    if (s->n == 0 || !byte_in(*s->p, set))
        return false;
    *s = (struct slice){s->p + 1, s->n - 1};
    return true;
}

bool version_take_word(struct slice *s, const char *word)
{
    struct slice w = slice_of(word);
    if (s->n < w.n || slice_cmp_nocase((struct slice){s->p, w.n}, w) != 0)
        return false;
    *s = (struct slice){s->p + w.n, s->n - w.n};
    return true;
}

static struct slice without_zeros(struct slice s)
{
    while (s.n > 0 && *s.p == '0')
        s = (struct slice){s.p + 1, s.n - 1};
    return s;
}

int version_numbers(struct slice a, struct slice b)
{
    a = without_zeros(a);
    b = without_zeros(b);
    return a.n != b.n ? (a.n < b.n ? -1 : 1) : version_sign(slice_cmp(a, b));
}

/* --- semver ------------------------------------------------------------------------------------------------------ */

struct semver {
    struct slice number[3];
    struct slice pre; /* absent: a release */
};

static bool is_number(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!version_digit(s.p[i]))
            return false;
    return s.n > 0;
}

/* Takes what stands before the next dot off *s, the dot too. False: there is nothing any more. */
static bool next_identifier(struct slice *s, struct slice *id)
{
    if (!s->p)
        return false;
    const char *dot = s->n ? memchr(s->p, '.', s->n) : NULL;
    *id = (struct slice){s->p, dot ? (size_t)(dot - s->p) : s->n};
    *s = dot ? (struct slice){dot + 1, s->n - id->n - 1} : (struct slice){NULL, 0};
    return true;
}

static bool identifiers_good(struct slice s, bool numbers_plain)
{
    struct slice id;
    while (next_identifier(&s, &id)) {
        if (id.n == 0 || (numbers_plain && id.n > 1 && *id.p == '0' && is_number(id)))
            return false;
        for (size_t i = 0; i < id.n; i++)
            if (!version_digit(id.p[i]) && !version_letter(id.p[i]) && id.p[i] != '-')
                return false;
    }
    return true;
}

/* 1 and 1.2 are 1.0.0 and 1.2.0: Go's own library was numbered so, and events of ranges are. */
static bool semver_read(struct slice s, struct semver *v)
{
    *v = (struct semver){0};
    if (s.n > 1 && *s.p == 'v')
        version_take_of(&s, "v");
    for (int i = 0; i < 3; i++) {
        if (i > 0 && !version_take_of(&s, "."))
            break;
        v->number[i] = version_take_digits(&s);
        if (v->number[i].n == 0 || (v->number[i].n > 1 && *v->number[i].p == '0'))
            return false;
    }
    if (version_take_of(&s, "-")) {
        const char *plus = s.n ? memchr(s.p, '+', s.n) : NULL;
        v->pre = (struct slice){s.p, plus ? (size_t)(plus - s.p) : s.n};
        if (!identifiers_good(v->pre, true))
            return false;
        s = (struct slice){s.p + v->pre.n, s.n - v->pre.n};
    }
    return s.n == 0 || (version_take_of(&s, "+") && identifiers_good(s, false));
}

static int compare_pre(struct slice a, struct slice b)
{
    struct slice x, y;
    if (!a.p || !b.p)
        return (a.p == NULL) - (b.p == NULL);
    for (;;) {
        bool more_a = next_identifier(&a, &x), more_b = next_identifier(&b, &y);
        if (!more_a || !more_b)
            return more_a - more_b;
        bool nx = is_number(x), ny = is_number(y);
        int c = nx && ny ? version_numbers(x, y) : nx != ny ? ny - nx : version_sign(slice_cmp(x, y));
        if (c != 0)
            return c;
    }
}

static bool version_semver(struct slice a, struct slice b, int *order)
{
    struct semver x, y;
    if (!semver_read(a, &x) || !semver_read(b, &y))
        return false;
    *order = 0;
    for (int i = 0; i < 3 && *order == 0; i++)
        *order = version_numbers(x.number[i], y.number[i]);
    if (*order == 0)
        *order = compare_pre(x.pre, y.pre);
    return true;
}

/* --- generic ----------------------------------------------------------------------------------------------------- */

/* A version is a list of these, and the list ends with T_END: so what comes before the release is less than its end,
 * and everything else is more. */
enum kind { T_BEFORE = 0, T_END, T_WORD, T_NUMBER };

struct token {
    enum kind kind;
    int rank; /* of T_BEFORE */
    struct slice text;
};

static int rank_of(struct slice word)
{
    static const struct {
        const char *word;
        int rank;
    } ranks[] = {{"dev", 1},  {"snapshot", 1}, {"nightly", 1}, {"alpha", 2},
                 {"beta", 3}, {"pre", 4},      {"preview", 4}, {"rc", 5}};
    for (size_t i = 0; i < N(ranks); i++)
        if (slice_is_nocase(word, ranks[i].word))
            return ranks[i].rank;
    return 0;
}

/* Separators are all alike, but for a "~" before what is not yet a word for "before the release". */
static struct token read_token(struct slice *s)
{
    bool tilde = false;
    while (s->n > 0 && !version_digit(*s->p) && !version_letter(*s->p)) {
        tilde = tilde || *s->p == '~';
        *s = (struct slice){s->p + 1, s->n - 1};
    }
    struct slice from = *s;
    struct token t = {.kind = T_NUMBER, .text = version_take_digits(s)};
    if (t.text.n == 0) {
        t.text = version_take_letters(s);
        t.rank = rank_of(t.text);
        t.kind = t.rank ? T_BEFORE : t.text.n ? T_WORD : T_END;
    }
    if (tilde && t.kind != T_BEFORE) {
        *s = from;
        t = (struct token){.kind = T_BEFORE};
    }
    return t;
}

/* Zeros that no other number follows say nothing: 1.4 is 1.4.0, and 1.4-rc1 is 1.4.0-rc1. */
static struct token next_token(struct slice *s)
{
    struct token t = read_token(s);
    struct slice ahead = *s;
    struct token u = t;
    while (u.kind == T_NUMBER && without_zeros(u.text).n == 0)
        u = read_token(&ahead);
    if (u.kind == T_NUMBER)
        return t;
    *s = ahead;
    return u;
}

static int compare_tokens(struct token a, struct token b)
{
    if (a.kind != b.kind)
        return a.kind < b.kind ? -1 : 1;
    switch (a.kind) {
    case T_BEFORE:
        return version_sign(a.rank - b.rank);
    case T_WORD:
        return version_sign(slice_cmp_nocase(a.text, b.text));
    case T_NUMBER:
        return version_numbers(a.text, b.text);
    case T_END:
        break;
    }
    return 0;
}

/* Without a number there is nothing to go by ("latest"). */
static bool generic_good(struct slice s)
{
    bool number = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
        number = number || version_digit(s.p[i]);
    }
    return number;
}

static bool generic_start(struct slice *s)
{
    if (s->n > 1 && version_digit(s->p[1]))
        version_take_of(s, "vV");
    return generic_good(*s);
}

static bool version_generic(struct slice a, struct slice b, int *order)
{
    if (!generic_start(&a) || !generic_start(&b))
        return false;
    for (;;) {
        struct token x = next_token(&a), y = next_token(&b);
        *order = compare_tokens(x, y);
        if (*order != 0 || x.kind == T_END)
            return true;
    }
}

/* ----------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *word;
    bool (*compare)(struct slice, struct slice, int *);
} schemes[VERSION_SCHEMES] = {
    {"none", NULL},       {"semver", version_semver}, {"deb", version_deb},         {"apk", version_apk},
    {"rpm", version_rpm}, {"pep440", version_pep440}, {"generic", version_generic},
};

const char *version_scheme_word(enum version_scheme s)
{
    return schemes[(unsigned)s < VERSION_SCHEMES ? s : VERSION_NONE].word;
}

enum version_scheme version_scheme_of(struct slice ecosystem)
{
    static const struct {
        const char *name;
        enum version_scheme scheme;
    } known[] = {
        {"npm", VERSION_SEMVER},      {"crates.io", VERSION_SEMVER}, {"Go", VERSION_SEMVER},
        {"Hex", VERSION_SEMVER},      {"Pub", VERSION_SEMVER},       {"SwiftURL", VERSION_SEMVER},
        {"Julia", VERSION_SEMVER},    {"Bitnami", VERSION_SEMVER},   {"GitHub Actions", VERSION_SEMVER},
        {"Debian", VERSION_DEB},      {"Ubuntu", VERSION_DEB},       {"Echo", VERSION_DEB},
        {"Alpine", VERSION_APK},      {"Wolfi", VERSION_APK},        {"Chainguard", VERSION_APK},
        {"Alpaquita", VERSION_APK},   {"MinimOS", VERSION_APK},      {"Red Hat", VERSION_RPM},
        {"Rocky Linux", VERSION_RPM}, {"AlmaLinux", VERSION_RPM},    {"SUSE", VERSION_RPM},
        {"openSUSE", VERSION_RPM},    {"openEuler", VERSION_RPM},    {"Mageia", VERSION_RPM},
        {"Photon OS", VERSION_RPM},   {"Azure Linux", VERSION_RPM},  {"PyPI", VERSION_PEP440},
    };
    const char *colon = ecosystem.n ? memchr(ecosystem.p, ':', ecosystem.n) : NULL;
    if (colon)
        ecosystem.n = (size_t)(colon - ecosystem.p);
    for (size_t i = 0; i < N(known); i++)
        if (slice_is_nocase(ecosystem, known[i].name))
            return known[i].scheme;
    return VERSION_NONE;
}

bool version_compare(enum version_scheme s, struct slice a, struct slice b, int *order)
{
    *order = 0;
    if ((unsigned)s >= VERSION_SCHEMES || !schemes[s].compare || a.n == 0 || b.n == 0 || a.n > VERSION_MAX ||
        b.n > VERSION_MAX)
        return false;
    if (schemes[s].compare(a, b, order))
        return true;
    *order = 0;
    return false;
}
