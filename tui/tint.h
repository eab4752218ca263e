/* A theme's style as a terminal with n colours can show it. Pure. */
#ifndef ANDON_TUI_TINT_H
#define ANDON_TUI_TINT_H

#include <stdbool.h>
#include "themes/theme.h"

struct tint {
    int fg, bg;     /* -1 = the terminal's own */
    unsigned attrs; /* STYLE_* */
    bool ground;    /* a blank of this role shows something: it has a background, is reversed or underlined */
};

/* Colours that the terminal has not become its own (-1). n_colors as term_colors(). */
struct tint tint_of(const struct style *s, enum depth depth, int n_colors);

#endif
