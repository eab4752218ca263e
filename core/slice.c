#include "core/slice.h"

#include <string.h>

/* memcmp with a null pointer is undefined, also for no bytes. */
static int compare(const char *a, const char *b, size_t n)
{
    return n ? memcmp(a, b, n) : 0;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}

int slice_cmp_nocase(struct slice a, struct slice b)
{
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        unsigned char x = (unsigned char)lower(a.p[i]), y = (unsigned char)lower(b.p[i]);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a.n > b.n) - (a.n < b.n);
}

bool slice_is_nocase(struct slice s, const char *word)
{
    return slice_cmp_nocase(s, slice_of(word)) == 0;
}

int slice_cmp(struct slice a, struct slice b)
{
    int c = compare(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

bool slice_int(struct slice s, int64_t *out)
{
    bool minus = s.n > 0 && *s.p == '-';
    uint64_t v = 0, most = minus ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    size_t i = minus ? 1 : 0;
    if (i >= s.n)
        return false;
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        uint64_t d = (uint64_t)(s.p[i] - '0');
        if (v > (most - d) / 10)
            return false;
        v = v * 10 + d;
    }
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool byte_in(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}
