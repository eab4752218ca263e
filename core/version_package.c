/* The orders of the package managers of distributions: dpkg, rpm, apk. */
#include "core/version_inner.h"

#define N(a) (sizeof(a) / sizeof *(a))

static bool all_of(struct slice s, const char *more)
{
    for (size_t i = 0; i < s.n; i++)
        if (!version_digit(s.p[i]) && !version_letter(s.p[i]) && !byte_in(s.p[i], more))
            return false;
    return true;
}

static const char *last_dash(struct slice s)
{
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == '-')
            return s.p + i - 1;
    return NULL;
}

/* [epoch:]version[-release] of deb and of rpm. */
struct evr {
    struct slice epoch, version, release;
    bool has_epoch, has_release;
};

static struct evr evr_split(struct slice s)
{
    struct evr v = {.epoch = {"", 0}, .version = s, .release = {"", 0}};
    struct slice rest = s, epoch = version_take_digits(&rest);
    if (version_take_of(&rest, ":")) {
        v.has_epoch = true;
        v.epoch = epoch;
        v.version = rest;
    }
    const char *dash = last_dash(v.version);
    if (dash) {
        v.has_release = true;
        v.release = (struct slice){dash + 1, v.version.n - (size_t)(dash - v.version.p) - 1};
        v.version.n = (size_t)(dash - v.version.p);
    }
    return v;
}

static int evr_compare(const struct evr *a, const struct evr *b, int (*part)(struct slice, struct slice))
{
    int c = version_numbers(a->epoch, b->epoch);
    if (c == 0)
        c = part(a->version, b->version);
    return c != 0 ? c : part(a->release, b->release);
}

/* --- deb --------------------------------------------------------------------------------------------------------- */

static int deb_weight(struct slice s, size_t i)
{
    if (i >= s.n || version_digit(s.p[i]))
        return 0;
    if (s.p[i] == '~')
        return -1;
    return version_letter(s.p[i]) ? s.p[i] : s.p[i] + 256;
}

static int deb_part(struct slice a, struct slice b)
{
    while (a.n > 0 || b.n > 0) {
        size_t i = 0;
        for (;; i++) {
            int x = deb_weight(a, i), y = deb_weight(b, i);
            if (x != y)
                return x < y ? -1 : 1;
            if (x == 0)
                break;
        }
        a = (struct slice){a.p + i, a.n - i};
        b = (struct slice){b.p + i, b.n - i};
        struct slice x = version_take_digits(&a), y = version_take_digits(&b);
        int c = version_numbers(x, y);
        if (c != 0)
            return c;
    }
    return 0;
}

static bool deb_good(const struct evr *v)
{
    return (!v->has_epoch || (v->epoch.n > 0 && version_numbers(v->epoch, slice_of("2147483647")) <= 0)) &&
           v->version.n > 0 && all_of(v->version, v->has_epoch ? ".+-~:" : ".+-~") &&
           (!v->has_release || v->release.n > 0) && all_of(v->release, ".+~");
}

bool version_deb(struct slice a, struct slice b, int *order)
{
    struct evr x = evr_split(a), y = evr_split(b);
    if (!deb_good(&x) || !deb_good(&y))
        return false;
    *order = evr_compare(&x, &y, deb_part);
    return true;
}

/* --- rpm --------------------------------------------------------------------------------------------------------- */

static void rpm_skip(struct slice *s)
{
    while (s->n > 0 && !version_digit(*s->p) && !version_letter(*s->p) && *s->p != '~' && *s->p != '^')
        *s = (struct slice){s->p + 1, s->n - 1};
}

/* Of '~' (before everything, the end too) and '^' (after the end, before everything else). *met: both or one had it. */
static int rpm_marks(struct slice *a, struct slice *b, bool *met)
{
    bool ta = version_take_of(a, "~"), tb = version_take_of(b, "~");
    *met = true;
    if (ta || tb)
        return tb - ta;
    bool end_a = a->n == 0, end_b = b->n == 0;
    bool ca = version_take_of(a, "^"), cb = version_take_of(b, "^");
    if (ca && cb)
        return 0;
    if (ca)
        return end_b ? 1 : -1;
    if (cb)
        return end_a ? -1 : 1;
    *met = false;
    return 0;
}

static int rpm_part(struct slice a, struct slice b)
{
    for (;;) {
        bool marks;
        rpm_skip(&a);
        rpm_skip(&b);
        int c = rpm_marks(&a, &b, &marks);
        if (c != 0)
            return c;
        if (marks)
            continue;
        if (a.n == 0 || b.n == 0)
            return (a.n > 0) - (b.n > 0);
        struct slice x = version_take_digits(&a), y = version_take_digits(&b);
        if ((x.n > 0) != (y.n > 0))
            return x.n > 0 ? 1 : -1;
        if (x.n > 0) {
            c = version_numbers(x, y);
        } else {
            x = version_take_letters(&a);
            y = version_take_letters(&b);
            c = version_sign(slice_cmp(x, y));
        }
        if (c != 0)
            return c;
    }
}

static bool rpm_good(const struct evr *v)
{
    return v->version.n > 0 && (!v->has_release || v->release.n > 0) && all_of(v->version, "._+~^-%") &&
           all_of(v->release, "._+~^%");
}

bool version_rpm(struct slice a, struct slice b, int *order)
{
    struct evr x = evr_split(a), y = evr_split(b);
    if (!rpm_good(&x) || !rpm_good(&y))
        return false;
    *order = evr_compare(&x, &y, rpm_part);
    return true;
}

/* --- apk --------------------------------------------------------------------------------------------------------- */

/* In the order in which they may follow each other; where two versions part, the one whose next piece stands later
 * here is the older. */
enum apk_kind {
    APK_FIRST = 0,
    APK_DIGIT,
    APK_LETTER,
    APK_SUFFIX,
    APK_SUFFIX_NUMBER,
    APK_COMMIT,
    APK_REVISION,
    APK_END
};

struct apk_piece {
    enum apk_kind kind;
    struct slice text;
    int suffix;
};

#define APK_RELEASE 5 /* suffixes below are before the release, those above after it */

static int apk_suffix(struct slice *s)
{
    /* No word is the beginning of a later one, but for "p". */
    static const struct {
        const char *word;
        int rank;
    } words[] = {{"alpha", 1}, {"beta", 2}, {"pre", 3}, {"rc", 4}, {"cvs", 6},
                 {"svn", 7},   {"git", 8},  {"hg", 9},  {"p", 10}};
    for (size_t i = 0; i < N(words); i++)
        if (slice_starts(*s, words[i].word)) {
            size_t n = slice_of(words[i].word).n;
            *s = (struct slice){s->p + n, s->n - n};
            return words[i].rank;
        }
    return 0;
}

/* The piece after one of kind `last`; false: what follows is none. */
static bool apk_next(struct slice *s, enum apk_kind last, struct apk_piece *piece)
{
    *piece = (struct apk_piece){.kind = APK_END, .text = *s};
    if (s->n == 0)
        return true;
    if (last == APK_SUFFIX && version_digit(*s->p)) {
        *piece = (struct apk_piece){.kind = APK_SUFFIX_NUMBER, .text = version_take_digits(s)};
        return true;
    }
    if (last <= APK_DIGIT && *s->p >= 'a' && *s->p <= 'z') {
        *piece = (struct apk_piece){.kind = APK_LETTER, .text = {s->p, 1}};
        *s = (struct slice){s->p + 1, s->n - 1};
        return true;
    }
    if (last <= APK_DIGIT && version_take_of(s, ".")) {
        *piece = (struct apk_piece){.kind = APK_DIGIT, .text = version_take_digits(s)};
        return piece->text.n > 0;
    }
    if (last <= APK_SUFFIX_NUMBER && version_take_of(s, "_")) {
        *piece = (struct apk_piece){.kind = APK_SUFFIX, .suffix = apk_suffix(s)};
        return piece->suffix > 0;
    }
    if (last < APK_COMMIT && version_take_of(s, "~")) {
        piece->kind = APK_COMMIT;
        piece->text = (struct slice){s->p, 0};
        while (piece->text.n < s->n &&
               (version_digit(s->p[piece->text.n]) || (s->p[piece->text.n] >= 'a' && s->p[piece->text.n] <= 'f')))
            piece->text.n++;
        *s = (struct slice){s->p + piece->text.n, s->n - piece->text.n};
        return piece->text.n > 0;
    }
    if (last < APK_REVISION && version_take_word(s, "-r")) {
        *piece = (struct apk_piece){.kind = APK_REVISION, .text = version_take_digits(s)};
        return piece->text.n > 0;
    }
    return false;
}

static bool apk_first(struct slice *s, struct apk_piece *piece)
{
    *piece = (struct apk_piece){.kind = APK_FIRST, .text = version_take_digits(s)};
    return piece->text.n > 0;
}

static bool apk_good(struct slice s)
{
    struct apk_piece p;
    bool good = apk_first(&s, &p);
    while (good && p.kind != APK_END)
        good = apk_next(&s, p.kind, &p);
    return good;
}

static int apk_pieces(const struct apk_piece *a, const struct apk_piece *b)
{
    if (a->kind == APK_SUFFIX)
        return version_sign(a->suffix - b->suffix);
    /* "1.05" is a fraction: with a leading zero, digits compare as text. */
    if (a->kind == APK_LETTER || a->kind == APK_COMMIT ||
        (a->kind == APK_DIGIT && (*a->text.p == '0' || *b->text.p == '0')))
        return version_sign(slice_cmp(a->text, b->text));
    return version_numbers(a->text, b->text);
}

bool version_apk(struct slice a, struct slice b, int *order)
{
    struct apk_piece x = {.kind = APK_END}, y = {.kind = APK_END};
    if (!apk_good(a) || !apk_good(b))
        return false;
    *order = 0;
    bool more = apk_first(&a, &x) && apk_first(&b, &y);
    while (more && x.kind == y.kind && x.kind != APK_END) {
        *order = apk_pieces(&x, &y);
        if (*order != 0)
            return true;
        more = apk_next(&a, x.kind, &x) && apk_next(&b, y.kind, &y);
    }
    if (x.kind == APK_SUFFIX && y.kind != APK_SUFFIX && x.suffix < APK_RELEASE)
        *order = -1;
    else if (y.kind == APK_SUFFIX && x.kind != APK_SUFFIX && y.suffix < APK_RELEASE)
        *order = 1;
    else
        *order = version_sign((long)y.kind - (long)x.kind);
    return true;
}
