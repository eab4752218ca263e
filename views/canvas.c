/* The grid of cells. Everything that is drawn ends here, so this is also the last guard against control characters:
 * whatever is not harmless is drawn as '?', also when a caller forgot safe_text(). */
#include "views/canvas.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

/* What a glyph of ours becomes on a terminal without Unicode. One to five ASCII characters. */
static const struct {
    uint32_t cp;
    char ascii[6];
} ASCII[] = {
    {0x2716, "X"},  /* halt */
    {0x25B2, "!"},  /* watch */
    {0x25C6, "?"},  /* gate */
    {0x25CF, "*"},  /* running, live */
    {0x25D0, "~"},  /* soaking */
    {0x2016, "="},  /* paused */
    {0x203C, "##"}, /* nothing to roll out */
    {0x25CB, "o"},  /* pending */
    {0x2713, "+"},  /* done */
    {0x21B6, "<"},  /* rolled back */
    {0x25CC, "o"},  /* slow link */
    {0x21BB, "@"},  /* updating */
    {0x25F7, "o"},  /* waits for its window */
    {0x25B8, ">"},  /* cursor */
    {0x25BE, "v"},  /* sort direction */
    {0x203A, ">"},  /* crumb */
    {0x2192, "->"}, {0x2190, "<-"}, {0x2191, "^"},  {0x2193, "v"},  {0x21B5, "enter"}, {0x2026, "~"},
    {0x00D7, "x"},  {0x0394, "d"},  {0x2265, ">="}, {0x2264, "<="}, {0x2013, "-"},     {0x2014, "-"},
    {0x2588, "#"},  {0x2593, "+"},  {0x2592, "="},  {0x2591, "-"},  {0x00B7, "."},     {0x2581, "."},
    {0x2582, ":"},  {0x2583, "-"},  {0x2584, "="},  {0x2585, "+"},  {0x2586, "*"},     {0x2587, "%"},
    {0x2500, "-"},  {0x2502, "|"},  {0x2514, "+"},  {0x2524, "+"},  {0x2550, "="},     {0x2551, "|"},
    {0x2554, "+"},  {0x2557, "+"},  {0x255A, "+"},  {0x255D, "+"},  {0x258F, "["},     {0x2595, "]"},
};

static const char *ascii_of(uint32_t cp)
{
    for (size_t i = 0; i < sizeof ASCII / sizeof ASCII[0]; i++) {
        if (ASCII[i].cp == cp)
            return ASCII[i].ascii;
    }
    return NULL;
}

/* The second look at text: control characters, bidi controls, zero-width and tag characters never reach a cell. */
static bool harmless(uint32_t cp)
{
    if (cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || cp == 0xAD || cp > 0x10FFFF)
        return false;
    if (cp == 0x061C || cp == 0x180E || (cp >= 0x200B && cp <= 0x200F) || (cp >= 0x2028 && cp <= 0x202E))
        return false;
    if ((cp >= 0x2060 && cp <= 0x206F) || cp == 0x3164 || cp == 0xFFA0 || cp == 0x115F || cp == 0x1160)
        return false;
    if ((cp >= 0xD800 && cp <= 0xF8FF) || (cp >= 0xFE00 && cp <= 0xFE0F) || cp == 0xFEFF)
        return false;
    return !(cp >= 0xFFF0 && cp <= 0xFFFB) && (cp & 0xFFFE) != 0xFFFE && cp < 0xE0000;
}

void canvas_init(struct canvas *c, int rows, int cols)
{
    *c = (struct canvas){.cursor_row = -1, .cursor_col = -1};
    canvas_resize(c, rows, cols);
}

void canvas_release(struct canvas *c)
{
    free(c->cells);
    c->cells = NULL;
    c->rows = c->cols = 0;
}

void canvas_resize(struct canvas *c, int rows, int cols)
{
    rows = rows < 1 ? 1 : rows > 10000 ? 10000 : rows;
    cols = cols < 1 ? 1 : cols > 10000 ? 10000 : cols;
    if (!c->cells || rows != c->rows || cols != c->cols)
        c->cells = xreallocarray(c->cells, (size_t)rows * (size_t)cols, sizeof *c->cells);
    c->rows = rows;
    c->cols = cols;
    canvas_clear(c);
}

void canvas_clear(struct canvas *c)
{
    size_t n = (size_t)c->rows * (size_t)c->cols;
    for (size_t i = 0; i < n; i++)
        c->cells[i] = (struct cell){.glyph = ' ', .role = ROLE_TEXT};
    c->cursor_row = c->cursor_col = -1;
}

static struct cell *cell_at(struct canvas *c, int row, int col)
{
    return &c->cells[(size_t)row * (size_t)c->cols + (size_t)col];
}

/* Puts a glyph of width w that is known to fit. A wide glyph that is cut in half by it becomes a blank. */
static void put(struct canvas *c, int row, int col, int w, enum role role, uint32_t cp)
{
    struct cell *at = cell_at(c, row, col);
    if (at->glyph == 0 && col > 0)
        cell_at(c, row, col - 1)->glyph = ' ';
    if (col + w < c->cols && at[w].glyph == 0)
        at[w].glyph = ' ';
    at[0] = (struct cell){.glyph = cp, .role = (uint8_t)role, .flags = at[0].flags};
    if (w == 2)
        at[1] = (struct cell){.glyph = 0, .role = (uint8_t)role, .flags = at[1].flags};
}

static void combine(struct canvas *c, int row, int col, uint32_t cp)
{
    struct cell *at = cell_at(c, row, col);
    if (at->glyph == 0 && col > 0)
        at--;
    if (!at->comb[0])
        at->comb[0] = cp;
    else if (!at->comb[1])
        at->comb[1] = cp;
}

static int span(const struct canvas *c, int row, int col, int cols)
{
    if (row < 0 || row >= c->rows || col < 0 || col >= c->cols)
        return 0;
    return cols < 0 || cols > c->cols - col ? c->cols - col : cols;
}

/* Draws one code point at column col + used; 0 when it does not fit in `max`, -1 for a mark that takes none. */
static int draw_cp(struct canvas *c, int row, int col, int used, int max, enum role role, uint32_t cp)
{
    if (!harmless(cp))
        cp = '?';
    if (c->ascii && cp >= 0x80) {
        const char *a = ascii_of(cp);
        int w = a ? (int)strlen(a) : text_cp_width(cp);
        if (!a && w < 1)
            return -1;
        if (used + w > max)
            return 0;
        for (int i = 0; i < w; i++)
            put(c, row, col + used + i, 1, role, a ? (uint32_t)(unsigned char)a[i] : '?');
        return w;
    }
    int w = text_cp_width(cp);
    if (w < 1) {
        if (used > 0)
            combine(c, row, col + used - 1, cp);
        return -1;
    }
    if (used + w > max)
        return 0;
    put(c, row, col + used, w, role, cp);
    return w;
}

int canvas_text(struct canvas *c, int row, int col, int cols, enum role role, const char *s)
{
    int max = span(c, row, col, cols), used = 0;
    if (max <= 0 || !s)
        return 0;
    while (*s) {
        size_t len = 1;
        uint32_t cp = text_next(s, &len);
        int w = draw_cp(c, row, col, used, max, role, cp);
        if (w == 0) { /* clipped: say so in the last column */
            put(c, row, col + (used < max ? used : max - 1), 1, role, c->ascii ? '~' : 0x2026);
            return max;
        }
        used += w > 0 ? w : 0;
        s += len;
    }
    return used;
}

int canvas_printf(struct canvas *c, int row, int col, int cols, enum role role, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof line) { /* never inside a character */
        size_t end = sizeof line - 1;
        while (end > 0 && ((unsigned char)line[end - 1] & 0xC0) == 0x80)
            end--;
        if (end > 0)
            end--;
        line[end] = '\0';
    }
    return canvas_text(c, row, col, cols, role, line);
}

/* Columns that a string takes on this canvas (ASCII stand-ins can be longer). */
static int drawn_width(const struct canvas *c, const char *s, int enough)
{
    int w = 0;
    while (*s && w <= enough) {
        size_t len = 1;
        uint32_t cp = text_next(s, &len);
        if (!harmless(cp))
            cp = '?';
        const char *a = c->ascii && cp >= 0x80 ? ascii_of(cp) : NULL;
        int cw = a ? (int)strlen(a) : text_cp_width(cp);
        w += cw > 0 ? cw : 0;
        s += len;
    }
    return w;
}

void canvas_right(struct canvas *c, int row, int col, int cols, enum role role, const char *s)
{
    int max = span(c, row, col, cols);
    if (max <= 0 || !s)
        return;
    int w = drawn_width(c, s, max);
    canvas_text(c, row, col + (w < max ? max - w : 0), w < max ? w : max, role, s);
}

void canvas_fill(struct canvas *c, int row, int col, int cols, enum role role, uint32_t glyph)
{
    int max = span(c, row, col, cols);
    if (!harmless(glyph))
        glyph = '?';
    if (c->ascii && glyph >= 0x80) {
        const char *a = ascii_of(glyph);
        glyph = a ? (uint32_t)(unsigned char)a[0] : '?';
    }
    if (text_cp_width(glyph) != 1)
        glyph = '?';
    for (int i = 0; i < max; i++)
        put(c, row, col + i, 1, role, glyph);
}

void canvas_rule(struct canvas *c, int row, int col, int cols, enum role role, const char *title)
{
    int max = span(c, row, col, cols);
    canvas_fill(c, row, col, max, role, 0x2500);
    if (!title || !*title || max < 6)
        return;
    int w = canvas_text(c, row, col + 3, max - 5, role, title);
    canvas_fill(c, row, col + 2, 1, role, ' ');
    canvas_fill(c, row, col + 3 + w, 1, role, ' ');
}

void canvas_box(struct canvas *c, int row, int col, int rows, int cols, enum role role, const char *title)
{
    if (rows < 2 || cols < 2)
        return;
    for (int r = 0; r < rows; r++)
        canvas_fill(c, row + r, col, cols, role, ' ');
    for (int r = 1; r < rows - 1; r++) {
        canvas_fill(c, row + r, col, 1, role, 0x2551);
        canvas_fill(c, row + r, col + cols - 1, 1, role, 0x2551);
    }
    canvas_fill(c, row, col, cols, role, 0x2550);
    canvas_fill(c, row + rows - 1, col, cols, role, 0x2550);
    canvas_fill(c, row, col, 1, role, 0x2554);
    canvas_fill(c, row, col + cols - 1, 1, role, 0x2557);
    canvas_fill(c, row + rows - 1, col, 1, role, 0x255A);
    canvas_fill(c, row + rows - 1, col + cols - 1, 1, role, 0x255D);
    if (!title || !*title || cols < 8)
        return;
    int w = drawn_width(c, title, cols - 6);
    w = w > cols - 6 ? cols - 6 : w;
    int at = col + (cols - w) / 2;
    canvas_text(c, row, at, w, role, title);
    canvas_fill(c, row, at - 1, 1, role, ' ');
    canvas_fill(c, row, at + w, 1, role, ' ');
}

void canvas_select(struct canvas *c, int row, int col, int cols)
{
    int max = span(c, row, col, cols);
    for (int i = 0; i < max; i++)
        cell_at(c, row, col + i)->flags |= CELL_SELECTED;
}

void canvas_spark(struct canvas *c, int row, int col, int n, enum role role, const float *v, size_t n_values, float max)
{
    size_t shown = n < 0 ? 0 : (size_t)n < n_values ? (size_t)n : n_values;
    float top = max;
    for (size_t i = 0; max <= 0 && i < n_values; i++)
        top = isfinite(v[i]) && v[i] > top ? v[i] : top;
    for (size_t i = 0; i < shown; i++) {
        /* Several values in one cell: the largest, so that a peak is never lost. */
        float here = NAN;
        for (size_t k = i * n_values / shown; k < (i + 1) * n_values / shown; k++)
            here = isfinite(v[k]) && !(v[k] <= here) ? v[k] : here;
        if (!isfinite(here)) /* no data is not a low value */
            continue;
        int level = top > 0 ? (int)lroundf(fminf(fmaxf(here / top, 0.0f), 1.0f) * 7.0f) : 0;
        canvas_fill(c, row, col + n - (int)shown + (int)i, 1, role, 0x2581 + (uint32_t)level);
    }
}

static void dump_cp(struct buf *out, uint32_t cp)
{
    char u[4];
    size_t n;
    if (cp < 0x80) {
        u[0] = (char)cp, n = 1;
    } else if (cp < 0x800) {
        u[0] = (char)(0xC0 | (cp >> 6)), u[1] = (char)(0x80 | (cp & 0x3F)), n = 2;
    } else if (cp < 0x10000) {
        u[0] = (char)(0xE0 | (cp >> 12)), u[1] = (char)(0x80 | ((cp >> 6) & 0x3F));
        u[2] = (char)(0x80 | (cp & 0x3F)), n = 3;
    } else {
        u[0] = (char)(0xF0 | (cp >> 18)), u[1] = (char)(0x80 | ((cp >> 12) & 0x3F));
        u[2] = (char)(0x80 | ((cp >> 6) & 0x3F)), u[3] = (char)(0x80 | (cp & 0x3F)), n = 4;
    }
    buf_add(out, u, n);
}

void canvas_dump(const struct canvas *c, bool roles, struct buf *out)
{
    for (int r = 0; r < c->rows; r++) {
        const struct cell *row = &c->cells[(size_t)r * (size_t)c->cols];
        int end = c->cols;
        while (end > 0 && (roles ? row[end - 1].role == ROLE_TEXT && !row[end - 1].flags
                                 : row[end - 1].glyph == ' ' && !row[end - 1].comb[0]))
            end--;
        for (int i = 0; i < end; i++) {
            if (roles) {
                buf_addc(out, role_letter((enum role)row[i].role));
            } else if (row[i].glyph) {
                dump_cp(out, row[i].glyph);
                for (int k = 0; k < 2 && row[i].comb[k]; k++)
                    dump_cp(out, row[i].comb[k]);
            }
        }
        if (roles) { /* the selected span, behind the letters */
            int a = 0, b = c->cols;
            while (a < c->cols && !(row[a].flags & CELL_SELECTED))
                a++;
            while (b > a && !(row[b - 1].flags & CELL_SELECTED))
                b--;
            if (b > a)
                buf_printf(out, " <%d-%d", a, b - 1);
        }
        buf_addc(out, '\n');
    }
}
