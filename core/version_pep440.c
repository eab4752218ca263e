/* PEP 440, the order of Python's packages. */
#include "core/version_inner.h"

#define N(a) (sizeof(a) / sizeof *(a))

struct pep440 {
    struct slice epoch, release, pre_n, post_n, dev_n, local;
    int pre; /* 1 alpha, 2 beta, 3 release candidate */
    bool post, dev;
};

struct spelling {
    const char *word;
    int means;
};

/* One of the words, with or without a separator before it and after it, and a number that may be missing. Nothing is
 * taken off *s when there is none. */
static int take_mark(struct slice *s, const struct spelling *words, size_t n, struct slice *number)
{
    struct slice rest = *s;
    version_take_of(&rest, "-_.");
    for (size_t i = 0; i < n; i++)
        if (version_take_word(&rest, words[i].word)) {
            version_take_of(&rest, "-_.");
            *number = version_take_digits(&rest);
            *s = rest;
            return words[i].means;
        }
    return 0;
}

static bool take_local(struct slice *s, struct slice *local)
{
    *local = *s;
    bool wanted = true; /* a letter or a digit must be next */
    while (s->n > 0) {
        bool separator = byte_in(*s->p, "-_.");
        if ((!separator && !version_digit(*s->p) && !version_letter(*s->p)) || (separator && wanted))
            return false;
        wanted = separator;
        *s = (struct slice){s->p + 1, s->n - 1};
    }
    return !wanted;
}

static bool read_version(struct slice s, struct pep440 *v)
{
    /* The longer word first where one begins with another. */
    static const struct spelling pre[] = {{"alpha", 1},   {"a", 1},   {"beta", 2}, {"b", 2},
                                          {"preview", 3}, {"pre", 3}, {"c", 3},    {"rc", 3}};
    static const struct spelling post[] = {{"post", 1}, {"rev", 1}, {"r", 1}};
    static const struct spelling dev[] = {{"dev", 1}};
    *v = (struct pep440){0};
    version_take_of(&s, "vV");
    struct slice rest = s, number = version_take_digits(&rest);
    if (version_take_of(&rest, "!")) {
        if (number.n == 0)
            return false;
        v->epoch = number;
        s = rest;
    }
    v->release = (struct slice){s.p, 0};
    do {
        rest = s;
        if (v->release.n > 0)
            version_take_of(&rest, ".");
        number = version_take_digits(&rest);
        if (number.n > 0) {
            v->release.n = (size_t)(rest.p - v->release.p);
            s = rest;
        }
    } while (number.n > 0 && s.n > 0 && *s.p == '.');
    if (v->release.n == 0)
        return false;
    v->pre = take_mark(&s, pre, N(pre), &v->pre_n);
    rest = s;
    if (version_take_of(&rest, "-") && (v->post_n = version_take_digits(&rest)).n > 0) {
        v->post = true;
        s = rest;
    } else {
        v->post = take_mark(&s, post, N(post), &v->post_n) != 0;
    }
    v->dev = take_mark(&s, dev, N(dev), &v->dev_n) != 0;
    return s.n == 0 || (version_take_of(&s, "+") && take_local(&s, &v->local));
}

/* 1.0 is 1.0.0. */
static int compare_releases(struct slice a, struct slice b)
{
    while (a.n > 0 || b.n > 0) {
        struct slice x = version_take_digits(&a), y = version_take_digits(&b);
        int c = version_numbers(x, y);
        if (c != 0)
            return c;
        version_take_of(&a, ".");
        version_take_of(&b, ".");
    }
    return 0;
}

static struct slice next_segment(struct slice *s, bool *number)
{
    struct slice r = {s->p, 0};
    *number = true;
    for (; r.n < s->n && !byte_in(s->p[r.n], "-_."); r.n++)
        *number = *number && version_digit(s->p[r.n]);
    size_t used = r.n < s->n ? r.n + 1 : r.n;
    *s = (struct slice){s->p + used, s->n - used};
    return r;
}

static int compare_locals(struct slice a, struct slice b)
{
    while (a.n > 0 && b.n > 0) {
        bool nx, ny;
        struct slice x = next_segment(&a, &nx), y = next_segment(&b, &ny);
        int c = nx && ny ? version_numbers(x, y) : nx != ny ? nx - ny : version_sign(slice_cmp_nocase(x, y));
        if (c != 0)
            return c;
    }
    return (a.n > 0) - (b.n > 0);
}

/* A development release of the release itself is before its alphas; without any mark it is the release. */
static int pre_rank(const struct pep440 *v)
{
    return v->pre ? v->pre : v->dev && !v->post ? 0 : 4;
}

bool version_pep440(struct slice a, struct slice b, int *order)
{
    struct pep440 x, y;
    if (!read_version(a, &x) || !read_version(b, &y))
        return false;
    int c = version_numbers(x.epoch, y.epoch);
    if (c == 0)
        c = compare_releases(x.release, y.release);
    if (c == 0)
        c = version_sign(pre_rank(&x) - pre_rank(&y));
    if (c == 0)
        c = version_numbers(x.pre_n, y.pre_n);
    if (c == 0)
        c = x.post - y.post;
    if (c == 0)
        c = version_numbers(x.post_n, y.post_n);
    if (c == 0)
        c = y.dev - x.dev;
    if (c == 0)
        c = version_numbers(x.dev_n, y.dev_n);
    *order = c != 0 ? c : compare_locals(x.local, y.local);
    return true;
}
