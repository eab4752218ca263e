/* Tables as text (RFC 4180): reading them strictly, and writing a cell that no spreadsheet takes for a formula. */
#ifndef ANDON_CORE_CSV_H
#define ANDON_CORE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/slice.h"

/* A file that is read row by row. Lines end with LF or CRLF, the last one may lack it; a cell in quotes may hold commas
 * and line ends, and quotes twice. Anything else is an error that names the line: a quote inside a plain cell, text
 * behind a closing quote, one that never closes, a NUL, bytes that are no UTF-8. A byte order mark at the beginning is
 * passed over. */
struct csv {
    const char *name; /* for errors */
    const char *at, *end;
    int line;  /* of the row that was read last, from 1 */
    int lines; /* read so far */
};
void csv_open(struct csv *c, const char *name, const char *bytes, size_t n);
/* The next row: its cells (at most `max`; more are an error) into out, borrowed from the bytes, or from the arena where
 * quotes had to be undone. False at the end, with e->code ERR_NONE, or with *e. A line without any text is no row. */
bool csv_next(struct csv *c, struct arena *a, struct slice *out, size_t max, size_t *n, struct err *e) ANDON_MUST_USE;

/* One cell, quoted, without the comma. It has no control character, and can not be taken for a formula: what begins
 * like one (= + - @, their full-width forms, tab, return) gets an apostrophe in front. */
void csv_cell(struct buf *out, const char *text);

#endif
