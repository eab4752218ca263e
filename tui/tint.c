/* See tint.h. */
#include "tui/tint.h"

/* Eight-colour terminals show 8..15 as 0..7, made bold in the foreground. */
static int colour(int v, enum depth depth, int n_colors, bool *bright)
{
    if (v < 0 || depth == DEPTH_MONO)
        return -1;
    if (depth == DEPTH_TRUE)
        return v < 8 ? 8 : v; /* "-direct" descriptions keep 0..7 for the ANSI colours */
    if (v >= n_colors && v < 16 && n_colors >= 8) {
        *bright = true;
        return v - 8;
    }
    return v < n_colors ? v : -1;
}

struct tint tint_of(const struct style *s, enum depth depth, int n_colors)
{
    bool bright = false, unused = false;
    struct tint t = {.attrs = s->attrs};
    t.fg = colour(s->fg, depth, n_colors, &bright);
    t.bg = colour(s->bg, depth, n_colors, &unused);
    if (bright)
        t.attrs |= STYLE_BOLD;
    t.ground = t.bg >= 0 || (t.attrs & (STYLE_REVERSE | STYLE_UNDERLINE)) != 0;
    return t;
}
