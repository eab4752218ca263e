/* Between the files of core/version: one order each. All take versions of 1 to VERSION_MAX bytes and give what
 * version_compare() gives. */
#ifndef ANDON_CORE_VERSION_INNER_H
#define ANDON_CORE_VERSION_INNER_H

#include <stdbool.h>
#include "core/slice.h"

/* Debian policy 5.6.12 and what dpkg refuses: an empty part, an epoch over INT_MAX, a character it does not know. */
bool version_deb(struct slice a, struct slice b, int *order);
/* [epoch:]version[-release] with rpm's own comparison of each; no epoch is 0, no release is before any. */
bool version_rpm(struct slice a, struct slice b, int *order);
/* apk-tools 3. */
bool version_apk(struct slice a, struct slice b, int *order);
/* PEP 440, in any of the spellings it allows, except for white space around it. */
bool version_pep440(struct slice a, struct slice b, int *order);

static inline bool version_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool version_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline char version_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 32) : c;
}
/* -1, 0, 1. */
static inline int version_sign(long d)
{
    return (d > 0) - (d < 0);
}
/* Takes the digits, or the letters, that it begins with off *s. */
struct slice version_take_digits(struct slice *s);
struct slice version_take_letters(struct slice *s);
/* Takes one byte off *s when it is one of these. */
bool version_take_of(struct slice *s, const char *set);
/* Takes the word off *s when it begins with it, whatever the case. */
bool version_take_word(struct slice *s, const char *word);
/* Numbers of any length as digits; none at all is 0. */
int version_numbers(struct slice a, struct slice b);

#endif
