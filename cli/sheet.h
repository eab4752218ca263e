/* A report as parts with notes and tables, filled once and written as text, CSV, JSON or one HTML page. */
#ifndef ANDON_CLI_SHEET_H
#define ANDON_CLI_SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/buf.h"

enum { SHEET_COLS = 14 };

/* For people the text; for machines the number, where it is one. */
struct sheet_cell {
    const char *text;
    bool is_number;
    double number; /* NaN: null */
};
struct sheet_part {
    const char *id, *title;        /* a word for machines; a heading */
    const char *heads[SHEET_COLS]; /* for people */
    const char *keys[SHEET_COLS];  /* for machines */
    size_t cols;
    struct sheet_cell *cells;
    size_t n, cap; /* cells */
    const char **notes;
    size_t n_notes, cap_notes;
    bool machines; /* only in CSV and JSON: too long for a page */
};
struct sheet {
    struct arena mem;
    const char *id, *title, *made; /* made: when, ISO 8601 */
    struct sheet_part *v;
    size_t n, cap;
};

/* `id` and `title` as in its head; made: wall clock, us. */
void sheet_init(struct sheet *s, const char *id, const char *title, int64_t made);
void sheet_release(struct sheet *s); /* and all that was copied into it */
/* `columns`: "key:HEAD key:HEAD ...", a head in which _ stands for a blank; "" = notes alone. It is the newest part
 * from then on; valid until the next one. */
struct sheet_part *sheet_part(struct sheet *s, const char *id, const char *title, const char *columns);
void sheet_note(struct sheet *s, const char *fmt, ...) ANDON_PRINTF(2, 3);
void sheet_text(struct sheet *s, const char *text); /* the next cell; copied */
void sheet_number(struct sheet *s, double number, const char *fmt, ...) ANDON_PRINTF(3, 4);

/* False: there is no such format (text, csv, json, html). */
bool sheet_write(const struct sheet *s, const char *format, struct buf *out) ANDON_MUST_USE;

#endif
