/* See row.h. */
#include "tui/row.h"

#include "tui/glyph.h"

#define GAP_MOST 8 /* about what it costs to switch a look off and on */

static int role_of(const struct cell *x)
{
    return x->role < ROLE_COUNT ? x->role : ROLE_TEXT;
}

static bool is_blank(const struct cell *x, const struct ground *g)
{
    return x->glyph == ' ' && x->comb[0] == 0 && !(x->flags & CELL_SELECTED) && !g->shows[role_of(x)];
}

/* The look of the n blanks before cells[end], behind a word of role `before`. */
static int role_of_gap(const struct cell *cells, int end, int cols, int n, int before, const struct ground *g)
{
    if (end == cols || n > GAP_MOST || before == ROLE_COUNT || g->shows[before])
        return ROLE_COUNT;
    return !(cells[end].flags & CELL_SELECTED) && g->special[role_of(&cells[end])] ? before : ROLE_COUNT;
}

int row_plan(const struct cell *cells, int cols, const struct ground *g, bool utf8, struct brush *out)
{
    int n = 0, before = ROLE_COUNT;
    for (int col = 0; col < cols;) {
        const struct cell *x = &cells[col];
        if (is_blank(x, g)) {
            int end = col;
            while (end < cols && is_blank(&cells[end], g))
                end++;
            int role = role_of_gap(cells, end, cols, end - col, before, g);
            for (; col < end; col++)
                out[n++] = (struct brush){.w = L" ", .role = role};
            continue;
        }
        int width = col + 1 < cols && cells[col + 1].glyph == 0 && x->glyph != 0 ? 2 : 1;
        struct brush *b = &out[n++];
        *b = (struct brush){.role = role_of(x), .selected = (x->flags & CELL_SELECTED) != 0};
        glyph_of(x, width, utf8, b->w);
        before = b->selected ? ROLE_COUNT : b->role;
        if (width == 2 && b->w[0] == L'?') {
            out[n] = *b;
            out[n++].w[0] = L' ';
        }
        col += width;
    }
    return n;
}
