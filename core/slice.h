/* Bytes with a length: what comes from outside may hold any byte, a NUL too, and is never handed to a function that
 * stops at one.
 *
 * A slice is borrowed: it lives as long as what it points into. The files that read bytes from outside (the table
 * BYTES_FROM_OUTSIDE in scripts/lint-rules.py) use these and memchr and memcmp, and none of string.h's str*. */
#ifndef ANDON_CORE_SLICE_H
#define ANDON_CORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *p; /* NULL: absent */
    size_t n;
};

/* Of a string that is ours or has been checked (configuration, a literal); NULL gives an absent one. Inline, as the
 * next three: a literal's length is then known to the compiler, and verification compares a dozen words an entry. */
static inline struct slice slice_of(const char *s)
{
    return (struct slice){s, s ? strlen(s) : 0};
}
/* Byte for byte. An absent slice is an empty one (memcmp with a null pointer is undefined, also for no bytes). */
static inline bool slice_same(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
/* The same with a string of ours. */
static inline bool slice_is(struct slice s, const char *word)
{
    return slice_same(s, slice_of(word));
}
/* Does it begin with this string of ours? */
static inline bool slice_starts(struct slice s, const char *word)
{
    struct slice w = slice_of(word);
    return s.n >= w.n && slice_same((struct slice){s.p, w.n}, w);
}
/* Without regard to the case of ASCII letters; by bytes, then by length: <0, 0, >0. */
int slice_cmp_nocase(struct slice a, struct slice b);
bool slice_is_nocase(struct slice s, const char *word);
/* By bytes, then by length: <0, 0, >0. */
int slice_cmp(struct slice a, struct slice b);
/* Decimal digits with an optional '-', all of the slice; false: something else, or beyond int64. */
bool slice_int(struct slice s, int64_t *out);
/* Is the byte one of these? A NUL is one of none. */
bool byte_in(char c, const char *set);

#endif
