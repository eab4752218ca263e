/* Text from outside, made safe, and the width of text on a terminal.
 *
 * Every byte from outside (names, messages, headers, files, environment) passes safe_text() before it can reach a
 * screen, a file, a log line or a title. See docs/text.md for the list of what is replaced. The only user of
 * utf8proc. */
#ifndef ANDON_CORE_TEXT_H
#define ANDON_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/buf.h"

/* Appends a visible, harmless rendering of n bytes to *out: valid printable UTF-8 is kept; C0, DEL, C1, bidi
 * controls (U+202A-E, 2066-9, 200E/F, 061C), zero-width, BOM, tags, fillers, line and paragraph separators, private
 * use, unassigned, non-characters and more than two combining marks become "<U+XXXX>"; bad bytes become "\xNN".
 * Idempotent on its own output. Returns false when the buffer's limit was met. */
bool safe_text_append(struct buf *out, const char *bytes, size_t n);
/* The same into an arena, clipped to at most max_bytes with a final "…" (never inside a character).
 * NULL gives "". Never NULL. */
const char *safe_text(struct arena *a, const char *bytes, size_t n, size_t max_bytes);
/* The same into a fixed array of `size` bytes, clipped with "…". */
void safe_text_into(char *dst, size_t size, const char *bytes, size_t n);

/* The code point at s, of which n bytes are there: its length (1..4), 0 when they are not strict UTF-8. */
size_t text_decode(const char *s, size_t n, uint32_t *cp);
/* Next code point of valid UTF-8 at s (s[0] != 0); sets *len (1..4). A bad byte gives U+FFFD and length 1. */
uint32_t text_next(const char *s, size_t *len);
/* Columns of a code point: 0 combining, 1, or 2 wide. East-Asian ambiguous is 1. */
int text_cp_width(uint32_t cp);
/* Columns of a string that has passed safe_text. */
int text_width(const char *s);
/* Length in bytes of the longest prefix of at most `cols` columns. */
size_t text_fit(const char *s, int cols);
/* True for a valid UTF-8 sequence of n bytes. */
bool text_valid(const char *s, size_t n);

/* Does a shell pattern with * and ? (no sets) match all of s? Iterative: a hostile pattern costs at most |p| * |s|. */
bool glob_match(const char *pattern, const char *s);

#endif
