/* Themes: what a role looks like, and the mapping to what a terminal can show.
 *
 * Theme files are YAML (themes/<name>.yaml): `inherits`, `palette` (name: "#rrggbb / 0..255 / ansi name"), `roles`
 * (longest dotted prefix wins: "palette-name [on palette-name] [bold] [dim] [italic] [underline] [reverse]").
 * The shipped ones are compiled in (so the program runs from anywhere); users add theirs in
 * $XDG_CONFIG_HOME/andon/themes/. */
#ifndef ANDON_THEMES_THEME_H
#define ANDON_THEMES_THEME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/err.h"
#include "views/role.h"

enum depth { DEPTH_MONO, DEPTH_16, DEPTH_256, DEPTH_TRUE };
enum { STYLE_BOLD = 1, STYLE_DIM = 2, STYLE_ITALIC = 4, STYLE_UNDERLINE = 8, STYLE_REVERSE = 16 };

struct style {
    int fg, bg;     /* -1 = the terminal's own; else an index (16 or 256) or 0xRRGGBB by depth */
    unsigned attrs; /* STYLE_* */
};
struct theme {
    char name[64];
    struct style role[ROLE_COUNT];
};

/* Loads a theme by name for a depth: user folder first (dir may be NULL), then the shipped ones. */
bool theme_load(const char *name, const char *user_dir, enum depth depth, struct theme *out,
                struct err *e) ANDON_MUST_USE;
/* Names of the shipped themes, NULL-terminated. */
const char *const *theme_names(void);
/* Order: --color, NO_COLOR, config, COLORTERM, terminfo's number of colours. */
enum depth theme_depth(const char *cli_color, bool no_color, const char *config_color, const char *colorterm,
                       int term_colors);

#endif
