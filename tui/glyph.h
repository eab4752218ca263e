/* The last guard before the terminal: what a cell's code points become as wide characters. Pure but for the locale.
 *
 * The canvas has already refused control characters. This looks once more, because what goes wrong here acts on the
 * operator's terminal: a glyph that is not printable in this locale, or whose width the C library sees otherwise than
 * the canvas (columns would shift), becomes '?'. */
#ifndef ANDON_TUI_GLYPH_H
#define ANDON_TUI_GLYPH_H

#include <stdbool.h>
#include <stdint.h>
#include <wchar.h>
#include "views/canvas.h"

/* Fills w with the cell's character and its combining marks, 0-terminated. width: the columns that the canvas gave
 * it (1 or 2). A '?' for a wide cell takes one column; the caller adds a blank. */
void glyph_of(const struct cell *cell, int width, bool utf8, wchar_t w[4]);

#endif
