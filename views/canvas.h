/* Canvas: a grid of cells, each a glyph and a role. Views draw into it; tui/ paints it; tests compare it.
 *
 * No curses here. Coordinates are row, column from 0; drawing outside is clipped. A wide glyph takes two cells, the
 * second has glyph 0. Text must have passed safe_text(); anything unsafe that still arrives is drawn as '?'. */
#ifndef ANDON_VIEWS_CANVAS_H
#define ANDON_VIEWS_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/err.h"
#include "views/role.h"

struct cell {
    uint32_t glyph;   /* code point; 0 = right half of a wide one */
    uint32_t comb[2]; /* combining marks, 0 = none */
    uint8_t role;     /* enum role */
    uint8_t flags;    /* CELL_CURSOR_ROW: the selected row (drawn reversed or with the role's background) */
};
enum { CELL_SELECTED = 1 };

struct canvas {
    int rows, cols;
    struct cell *cells;
    bool ascii;                 /* draw marks, bars and boxes in ASCII */
    int cursor_row, cursor_col; /* where the terminal's cursor goes, -1 = hidden */
};

void canvas_init(struct canvas *c, int rows, int cols); /* rows, cols >= 1 */
void canvas_release(struct canvas *c);
void canvas_resize(struct canvas *c, int rows, int cols);
void canvas_clear(struct canvas *c);
/* Draws at most `cols` columns of s (-1: to the edge); returns columns drawn. Clips with "…" ("~" in ASCII). */
int canvas_text(struct canvas *c, int row, int col, int cols, enum role role, const char *s);
int canvas_printf(struct canvas *c, int row, int col, int cols, enum role role, const char *fmt, ...)
    ANDON_PRINTF(6, 7);
/* Right-aligned in `cols` columns. */
void canvas_right(struct canvas *c, int row, int col, int cols, enum role role, const char *s);
void canvas_fill(struct canvas *c, int row, int col, int cols, enum role role, uint32_t glyph);
void canvas_rule(struct canvas *c, int row, int col, int cols, enum role role, const char *title);
void canvas_box(struct canvas *c, int row, int col, int rows, int cols, enum role role, const char *title);
void canvas_select(struct canvas *c, int row, int col, int cols); /* marks cells as selected */
/* n cells for n_values (all of them: several in a cell show the largest); NaN stays blank. max <= 0: their own. */
void canvas_spark(struct canvas *c, int row, int col, int n, enum role role, const float *v, size_t n_values,
                  float max);
/* Dump: the text, then (roles) one letter per cell, for golden files. */
void canvas_dump(const struct canvas *c, bool roles, struct buf *out);

#endif
