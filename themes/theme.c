/* Reading themes: a chain of files by `inherits`, one palette over the next, roles by the longest dotted prefix. */
#include "themes/theme.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/yaml.h"
#include "core/arena.h"
#include "themes/shipped.h"

enum { CHAIN_MAX = 8 };

static const struct yfield SCHEMA[] = {
    {.key = "inherits", .type = YT_STR, .doc = "theme that this one changes"},
    {.key = "palette", .type = YT_DICT, .item = YT_STR, .doc = "name: \"#rrggbb / 0..255 / ansi name\""},
    {.key = "roles", .type = YT_DICT, .item = YT_STR, .doc = "role or prefix: \"colour [on colour] [bold] ...\""},
    {.key = NULL},
};

static const char *const ANSI[16] = {"black",        "red",           "green",       "yellow",         "blue",
                                     "magenta",      "cyan",          "white",       "bright-black",   "bright-red",
                                     "bright-green", "bright-yellow", "bright-blue", "bright-magenta", "bright-cyan",
                                     "bright-white"};

struct colour {
    int rgb, index, ansi; /* -1 = the terminal's own */
};

/* The themes that make one, the asked one first. */
struct chain {
    const struct ynode *v[CHAIN_MAX];
    size_t n;
};

static bool plain_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
    return n > 0 && n < 60 && !name[n];
}

static const struct ynode *load_one(const char *name, const char *user_dir, bool shipped_only, struct arena *a,
                                    struct err *e)
{
    char path[4096];
    size_t len;
    if (!plain_name(name)) {
        err_set(e, ERR_NOT_FOUND, "Names of themes have letters, digits, - and _.", "not the name of a theme");
        return NULL;
    }
    if (user_dir && *user_dir && !shipped_only &&
        snprintf(path, sizeof path, "%s/%s.yaml", user_dir, name) < (int)sizeof path) {
        struct err why = {0};
        const struct ynode *n = yaml_load(path, SCHEMA, a, &why);
        if (n)
            return n;
        if (why.code != ERR_NOT_FOUND) {
            if (e)
                *e = why;
            return NULL;
        }
    }
    const char *bytes = theme_shipped(name, &len);
    if (!bytes) {
        err_set(e, ERR_NOT_FOUND, "Shipped are default, dark, light, terminal16, high-contrast, deuter, tritan, mono.",
                "there is no theme \"%s\"", name);
        return NULL;
    }
    snprintf(path, sizeof path, "themes/%s.yaml", name);
    return yaml_parse(path, bytes, len, SCHEMA, a, e);
}

static bool load_chain(const char *name, const char *user_dir, struct arena *a, struct chain *c, struct err *e)
{
    char before[64] = "";
    c->n = 0;
    do {
        if (c->n == CHAIN_MAX)
            return err_set(e, ERR_LIMIT, "Does one inherit from itself?", "more than %d themes inherit from each other",
                           CHAIN_MAX);
        /* A user's "dark" that inherits dark means the shipped one. */
        const struct ynode *n = load_one(name, user_dir, !strcmp(name, before), a, e);
        if (!n)
            return false;
        snprintf(before, sizeof before, "%s", name);
        c->v[c->n++] = n;
        name = y_str(n, "inherits", "");
    } while (*name);
    return true;
}

/* --- colours ----------------------------------------------------------------------------------------------------- */

static char *trim(char *s)
{
    while (*s == ' ')
        s++;
    for (size_t n = strlen(s); n > 0 && s[n - 1] == ' '; n--)
        s[n - 1] = '\0';
    return s;
}

static int ansi_index(const char *s)
{
    for (int i = 0; i < 16; i++) {
        if (!strcmp(ANSI[i], s))
            return i;
    }
    return -1;
}

static bool parse_colour(const struct ynode *node, struct colour *out, struct err *e)
{
    char text[96], *part[3], *end, *save = NULL;
    if (snprintf(text, sizeof text, "%s", y_text(node)) >= (int)sizeof text)
        return y_err(node, e, "expected \"#rrggbb / 0..255 / ansi name\"");
    for (int i = 0; i < 3; i++) {
        part[i] = strtok_r(i == 0 ? text : NULL, "/", &save);
        if (!part[i])
            return y_err(node, e, "expected three values: \"#rrggbb / 0..255 / ansi name\"");
        part[i] = trim(part[i]);
    }
    if (strtok_r(NULL, "/", &save))
        return y_err(node, e, "expected three values: \"#rrggbb / 0..255 / ansi name\"");
    *out = (struct colour){-1, -1, -1};
    if (strcmp(part[0], "default") != 0) {
        if (part[0][0] != '#' || strlen(part[0]) != 7 || strspn(part[0] + 1, "0123456789abcdefABCDEF") != 6)
            return y_err(node, e, "expected #rrggbb or default, found '%.20s'", part[0]);
        out->rgb = (int)strtol(part[0] + 1, NULL, 16);
    }
    if (strcmp(part[1], "default") != 0) {
        if (!*part[1] || strlen(part[1]) > 3 || strspn(part[1], "0123456789") != strlen(part[1]))
            return y_err(node, e, "expected 0..255 or default, found '%.20s'", part[1]);
        out->index = (int)strtol(part[1], &end, 10);
        if (out->index > 255)
            return y_err(node, e, "expected 0..255, found %d", out->index);
    }
    if (strcmp(part[2], "default") != 0) {
        out->ansi = ansi_index(part[2]);
        if (out->ansi < 0)
            return y_err(node, e, "expected the name of one of the 16 colours or default, found '%.20s'", part[2]);
    }
    return true;
}

static bool find_colour(const struct chain *c, const struct ynode *at, const char *name, struct colour *out,
                        struct err *e)
{
    *out = (struct colour){-1, -1, -1};
    if (!strcmp(name, "default"))
        return true;
    for (size_t i = 0; i < c->n; i++) {
        const struct ynode *palette = y_get(c->v[i], "palette");
        for (size_t k = 0; k < y_len(palette); k++) {
            if (!strcmp(y_key_at(palette, k), name))
                return parse_colour(y_at(palette, k), out, e);
        }
    }
    return y_err(at, e, "no colour '%.40s' in the palette", name);
}

static int at_depth(const struct colour *c, enum depth depth)
{
    switch (depth) {
    case DEPTH_TRUE:
        return c->rgb;
    case DEPTH_256:
        return c->index;
    case DEPTH_16:
        return c->ansi;
    case DEPTH_MONO:
        break;
    }
    return -1;
}

/* --- roles ------------------------------------------------------------------------------------------------------- */

static unsigned attribute(const char *word)
{
    static const struct {
        const char *word;
        unsigned bit;
    } ALL[] = {{"bold", STYLE_BOLD},
               {"dim", STYLE_DIM},
               {"italic", STYLE_ITALIC},
               {"underline", STYLE_UNDERLINE},
               {"reverse", STYLE_REVERSE}};
    for (size_t i = 0; i < sizeof ALL / sizeof ALL[0]; i++) {
        if (!strcmp(ALL[i].word, word))
            return ALL[i].bit;
    }
    return 0;
}

static bool parse_style(const struct chain *c, const struct ynode *node, enum depth depth, struct style *out,
                        struct err *e)
{
    char text[160], *save = NULL;
    struct colour fg = {-1, -1, -1}, bg = fg;
    *out = (struct style){-1, -1, 0};
    if (snprintf(text, sizeof text, "%s", y_text(node)) >= (int)sizeof text)
        return y_err(node, e, "expected \"colour [on colour] [bold] [dim] [italic] [underline] [reverse]\"");
    int n = 0;
    bool on = false;
    for (char *w = strtok_r(text, " ", &save); w; w = strtok_r(NULL, " ", &save), n++) {
        unsigned bit = attribute(w);
        if (on) {
            if (!find_colour(c, node, w, &bg, e))
                return false;
            on = false;
        } else if (bit && n > 0) {
            out->attrs |= bit;
        } else if (!strcmp(w, "on") && n == 1) {
            on = true;
        } else if (n == 0) {
            if (!find_colour(c, node, w, &fg, e))
                return false;
        } else {
            return y_err(node, e, "expected bold, dim, italic, underline or reverse, found '%.40s'", w);
        }
    }
    if (n == 0 || on)
        return y_err(node, e, "expected \"colour [on colour] [bold] [dim] [italic] [underline] [reverse]\"");
    out->fg = at_depth(&fg, depth);
    out->bg = at_depth(&bg, depth);
    /* What stands out by its background must also stand out where there are no colours. */
    if (depth == DEPTH_MONO && bg.rgb >= 0)
        out->attrs |= STYLE_REVERSE;
    return true;
}

static bool is_prefix(const char *key, const char *role)
{
    size_t n = strlen(key);
    return !strncmp(key, role, n) && (!role[n] || role[n] == '.');
}

static const struct ynode *role_node(const struct chain *c, const char *role)
{
    const struct ynode *best = NULL;
    size_t longest = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct ynode *roles = y_get(c->v[i], "roles");
        for (size_t k = 0; k < y_len(roles); k++) {
            const char *key = y_key_at(roles, k);
            if (is_prefix(key, role) && strlen(key) > longest) /* nearer themes come first and win ties */
                best = y_at(roles, k), longest = strlen(key);
        }
    }
    return best;
}

/* A key that is the prefix of no role is a mistake that would otherwise be found by nobody. */
static bool keys_known(const struct ynode *theme, struct err *e)
{
    const struct ynode *roles = y_get(theme, "roles");
    for (size_t k = 0; k < y_len(roles); k++) {
        bool known = false;
        for (int r = 0; r < ROLE_COUNT && !known; r++)
            known = is_prefix(y_key_at(roles, k), role_name((enum role)r));
        if (!known)
            return y_err(y_at(roles, k), e, "there is no role '%.60s'", y_key_at(roles, k));
    }
    return true;
}

static bool fill(const struct chain *c, enum depth depth, struct theme *out, struct err *e)
{
    for (size_t i = 0; i < c->n; i++) {
        const struct ynode *palette = y_get(c->v[i], "palette");
        struct colour unused;
        for (size_t k = 0; k < y_len(palette); k++) {
            if (!parse_colour(y_at(palette, k), &unused, e))
                return false;
        }
        if (!keys_known(c->v[i], e))
            return false;
    }
    for (int r = 0; r < ROLE_COUNT; r++) {
        const struct ynode *n = role_node(c, role_name((enum role)r));
        out->role[r] = (struct style){-1, -1, 0};
        if (n && !parse_style(c, n, depth, &out->role[r], e))
            return false;
    }
    return true;
}

bool theme_load(const char *name, const char *user_dir, enum depth depth, struct theme *out, struct err *e)
{
    struct arena a;
    struct chain c;
    arena_init(&a);
    memset(out, 0, sizeof *out);
    bool ok = load_chain(name, user_dir, &a, &c, e) && fill(&c, depth, out, e);
    if (ok)
        snprintf(out->name, sizeof out->name, "%s", name);
    arena_release(&a);
    return ok;
}

static bool depth_word(const char *s, enum depth *out)
{
    static const struct {
        const char *word;
        enum depth depth;
    } ALL[] = {{"never", DEPTH_MONO}, {"mono", DEPTH_MONO}, {"none", DEPTH_MONO},
               {"16", DEPTH_16},      {"256", DEPTH_256},   {"true", DEPTH_TRUE}};
    for (size_t i = 0; s && i < sizeof ALL / sizeof ALL[0]; i++) {
        if (!strcmp(ALL[i].word, s)) {
            *out = ALL[i].depth;
            return true;
        }
    }
    return false; /* "auto", "" and NULL leave it to what follows */
}

enum depth theme_depth(const char *cli_color, bool no_color, const char *config_color, const char *colorterm,
                       int term_colors)
{
    enum depth d;
    if (depth_word(cli_color, &d))
        return d;
    if (no_color)
        return DEPTH_MONO;
    if (depth_word(config_color, &d))
        return d;
    if (colorterm && (!strcmp(colorterm, "truecolor") || !strcmp(colorterm, "24bit")))
        return DEPTH_TRUE;
    return term_colors >= 1 << 24 ? DEPTH_TRUE
           : term_colors >= 256   ? DEPTH_256
           : term_colors >= 8     ? DEPTH_16
                                  : DEPTH_MONO;
}
