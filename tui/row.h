/* One row of a canvas, made ready for curses: which wide characters, in whose look. Pure. */
#ifndef ANDON_TUI_ROW_H
#define ANDON_TUI_ROW_H

#include <stdbool.h>
#include <wchar.h>
#include "views/canvas.h"

struct brush {
    wchar_t w[4]; /* 0-terminated */
    int role;     /* ROLE_COUNT: the terminal's own look */
    bool selected;
};

/* What a role's look means for a blank. */
struct ground {
    bool shows[ROLE_COUNT];   /* a blank of it shows something: background, reverse, underline */
    bool special[ROLE_COUNT]; /* it is not the terminal's own look */
};

/* Fills out[] (room for cols + 1) and returns how many. A few blanks between two coloured words take the first word's
 * look, so that it need not be switched off and on for them; other blanks are plain, so that curses can erase or skip
 * them. They look the same either way. */
int row_plan(const struct cell *cells, int cols, const struct ground *g, bool utf8, struct brush *out);

#endif
