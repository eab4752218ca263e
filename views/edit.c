/* One line of typed text. Only whole, harmless code points enter, so it is always valid UTF-8 and safe to draw. */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "views/app.h"

void edit_set(struct edit *e, const char *s)
{
    size_t n = strlen(s);
    while (n >= sizeof e->text || (n > 0 && !text_valid(s, n)))
        n--;
    memcpy(e->text, s, n);
    e->text[n] = '\0';
    e->len = e->at = n;
}

static size_t back(const struct edit *e)
{
    size_t p = e->at;
    if (p > 0)
        p--;
    while (p > 0 && ((unsigned char)e->text[p] & 0xC0) == 0x80)
        p--;
    return p;
}

static size_t forth(const struct edit *e)
{
    size_t p = e->at;
    if (p < e->len)
        p++;
    while (p < e->len && ((unsigned char)e->text[p] & 0xC0) == 0x80)
        p++;
    return p;
}

static void cut(struct edit *e, size_t from, size_t to)
{
    memmove(e->text + from, e->text + to, e->len - to + 1);
    e->len -= to - from;
    e->at = from;
}

static void insert(struct edit *e, uint32_t cp)
{
    char u[8], safe[32];
    size_t n;
    if (cp < 0x80)
        u[0] = (char)cp, n = 1;
    else if (cp < 0x800)
        u[0] = (char)(0xC0 | (cp >> 6)), u[1] = (char)(0x80 | (cp & 0x3F)), n = 2;
    else if (cp < 0x10000)
        u[0] = (char)(0xE0 | (cp >> 12)), u[1] = (char)(0x80 | ((cp >> 6) & 0x3F)), u[2] = (char)(0x80 | (cp & 0x3F)),
        n = 3;
    else
        u[0] = (char)(0xF0 | (cp >> 18)), u[1] = (char)(0x80 | ((cp >> 12) & 0x3F)),
        u[2] = (char)(0x80 | ((cp >> 6) & 0x3F)), u[3] = (char)(0x80 | (cp & 0x3F)), n = 4;
    safe_text_into(safe, sizeof safe, u, n);
    if (strlen(safe) != n || memcmp(safe, u, n) != 0 || text_cp_width(cp) < 1)
        return; /* what would have to be escaped is not typed */
    if (e->len + n >= sizeof e->text)
        return;
    memmove(e->text + e->at + n, e->text + e->at, e->len - e->at + 1);
    memcpy(e->text + e->at, u, n);
    e->len += n;
    e->at += n;
}

bool edit_key(struct edit *e, uint32_t key)
{
    switch (key) {
    case KEY_LEFT_:
        e->at = back(e);
        return true;
    case KEY_RIGHT_:
        e->at = forth(e);
        return true;
    case KEY_HOME_:
    case 0x01: /* Ctrl-A */
        e->at = 0;
        return true;
    case KEY_END_:
    case 0x05: /* Ctrl-E */
        e->at = e->len;
        return true;
    case KEY_BACKSPACE_:
    case 0x08:
    case 0x7F:
        cut(e, back(e), e->at);
        return true;
    case KEY_DELETE_:
        cut(e, e->at, forth(e));
        return true;
    case 0x15: /* Ctrl-U */
        cut(e, 0, e->at);
        return true;
    case 0x17: { /* Ctrl-W */
        size_t p = e->at;
        while (p > 0 && e->text[p - 1] == ' ')
            p--;
        while (p > 0 && e->text[p - 1] != ' ')
            p--;
        cut(e, p, e->at);
        return true;
    }
    default:
        if (key < 0x20 || key >= 0x110000)
            return false;
        insert(e, key);
        return true;
    }
}

void edit_draw(const struct edit *e, struct canvas *c, int row, int col, int cols, enum role role, bool active)
{
    if (cols < 1)
        return;
    canvas_fill(c, row, col, cols, role, ' ');
    /* From which byte on: so that the cursor's column is inside. */
    size_t from = 0;
    char head[sizeof e->text];
    memcpy(head, e->text, e->at);
    head[e->at] = '\0';
    while (from < e->at && text_width(head + from) >= cols) {
        from++;
        while (from < e->at && ((unsigned char)head[from] & 0xC0) == 0x80)
            from++;
    }
    canvas_text(c, row, col, cols, role, e->text + from);
    if (active && row >= 0 && row < c->rows) {
        c->cursor_row = row;
        c->cursor_col = col + text_width(head + from);
        if (c->cursor_col >= c->cols)
            c->cursor_col = c->cols - 1;
    }
}
