/* Plain JSON read in one pass, without a tree: for the answers that are large (device pages, series of telemetry).
 *
 * Accepts only what is plain beyond doubt: well-formed, no escapes in strings, no member twice, depth, lengths and
 * numbers within narrow limits. About anything else it says nothing: the caller parses the whole answer with
 * core/json.h, and what that says holds. So the two can never disagree about an answer that is odd, and errors have one
 * source. Nothing is allocated. */
#ifndef ANDON_CLIENT_PLAIN_H
#define ANDON_CLIENT_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/slice.h"

#define PLAIN_MEMBERS_MAX 48 /* of one object */

/* Start with {bytes, bytes + n, .ascii = true}. Every function leaves `at` behind what it read; false: not plain, and
 * the rest is worth nothing. */
struct plain {
    const char *at, *end;
    int depth;
    bool ascii; /* no string so far had a byte above 0x7f: else the caller checks that all is UTF-8 */
};

/* The members of an object so far. Start with {.n = 0}, behind the '{'. */
struct plain_members {
    struct slice key[PLAIN_MEMBERS_MAX];
    size_t n;
};

/* Passes over blanks. The others do so too before what they read, plain_word excepted. */
void plain_blanks(struct plain *s);
/* Takes c when it is the next that counts. */
bool plain_take(struct plain *s, char c);
/* Exactly this word: true, false, null. */
bool plain_word(struct plain *s, const char *word);
/* The string's bytes as they stand, without its quotes. */
bool plain_string(struct plain *s, struct slice *out);
/* Whole numbers, and decimals without an exponent; *whole tells which, *out is the part before the point. */
bool plain_number(struct plain *s, int64_t *out, bool *whole);
/* The next member's key; *more false at the object's end. */
bool plain_member(struct plain *s, struct plain_members *m, struct slice *key, bool *more);
/* Any value. */
bool plain_skip(struct plain *s);

#endif
