/* Drawing of a confirmation: what will happen, what will not, then the fields and the button, which always stay in
 * sight; what does not fit above them scrolls. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "views/app.h"

enum { LINES_MAX = 64, LINE_TEXT = 220 };
struct line {
    enum role role;
    char text[LINE_TEXT];
    char count[FMT_MAX];
    enum role tail_role;
    char tail[40]; /* drawn behind the text */
};
struct body {
    struct line v[LINES_MAX];
    size_t n;
    int cols;
};

static struct line *add(struct body *b, enum role role, const char *text)
{
    struct line *l = &b->v[b->n < LINES_MAX ? b->n++ : LINES_MAX - 1];
    *l = (struct line){.role = role};
    size_t n = text_fit(text, b->cols);
    n = n < LINE_TEXT ? n : 0;
    memcpy(l->text, text, n);
    l->text[n] = '\0';
    return l;
}

/* Adds text broken at blanks, later lines indented; the count stands on the first. */
static void add_wrapped(struct body *b, enum role role, const char *text, int indent, int cols, const char *count)
{
    bool first = true;
    char part[LINE_TEXT];
    cols = cols < 8 ? 8 : cols;
    while (*text) {
        size_t n = text_fit(text, cols);
        if (n == 0 || n > LINE_TEXT - 40)
            n = n == 0 ? strlen(text) : LINE_TEXT - 40;
        if (text[n]) {
            size_t cut = n;
            while (cut > 0 && text[cut] != ' ')
                cut--;
            n = cut > 0 ? cut : n;
        }
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
            n--;
        if (n == 0)
            break;
        snprintf(part, sizeof part, "%*s%.*s", first ? 0 : indent, "", (int)n, text);
        struct line *l = add(b, role, part);
        if (first && count)
            snprintf(l->count, sizeof l->count, "%.38s", count);
        if (first)
            cols = cols > indent + 8 ? cols - indent : cols;
        first = false;
        text += n;
        text += strspn(text, " ");
    }
}

static const char *mark_glyph(const char *mark, enum verb v)
{
    if (!strcmp(mark, "go"))
        return v == VERB_ROLLBACK ? "↶" : v == VERB_HALT || v == VERB_PAUSE ? "‖" : "●";
    if (!strcmp(mark, "wait"))
        return "◐";
    if (!strcmp(mark, "refuse"))
        return "✖";
    if (!strcmp(mark, "offline"))
        return "?";
    if (!strcmp(mark, "stay"))
        return "○";
    return "·";
}

/* Lines under their heading, where there are any: all of them, or those that are advice or are not. */
static void add_lines(struct body *b, const char *heading, const struct preview_line *v, size_t n, bool advice,
                      const struct dialog *g, bool stale)
{
    char text[180], count[FMT_MAX];
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        const char *mark = v[i].mark ? v[i].mark : "note";
        if (v != g->preview.will && preview_advice(&v[i]) != advice)
            continue;
        if (!any) {
            struct line *l = add(b, ROLE_STRONG, heading);
            snprintf(l->count, sizeof l->count, "%s", v == g->preview.will ? "devices" : "");
        }
        any = true;
        snprintf(text, sizeof text, "  %s %.120s", mark_glyph(mark, g->verb), v[i].text);
        add_wrapped(b, stale ? ROLE_STALE : ROLE_DIALOG, text, 4, b->cols - 12,
                    v[i].devices >= 0 ? fmt_count(count, v[i].devices) : NULL);
    }
    if (any && v == g->preview.will && n > 1)
        snprintf(add(b, ROLE_STRONG, "                          total")->count, FMT_MAX, "%s",
                 fmt_count(count, g->preview.devices));
    if (any)
        add(b, ROLE_DIALOG, "");
}

static void build(const struct app *a, const struct view_data *d, struct body *b)
{
    const struct dialog *g = &a->dlg;
    const struct preview *p = &g->preview;
    const struct snapshot *s = find_snap(d, g->in.fleet);
    char text[800], t[FMT_MAX];
    bool stale = s && state_stale(s, d->now);
    bool refused = g->why.code != ERR_NONE && g->verb != VERB_HALT;
    if (g->why.code != ERR_NONE) {
        snprintf(text, sizeof text, "✖ %s%s%s%s", g->verb == VERB_HALT ? "" : "REFUSED: ", g->why.what,
                 g->why.next[0] ? ". " : "", g->why.next);
        add_wrapped(b, ROLE_BAD, text, 2, b->cols, NULL);
        if (g->verb == VERB_HALT)
            add(b, ROLE_DIALOG, "Enter sends it all the same.");
        add(b, ROLE_DIALOG, "");
    }
    if (g->everywhere)
        snprintf(text, sizeof text, "every rollout of %.160s in all fleets ", g->release);
    else if (g->whole_fleet)
        snprintf(text, sizeof text, "every rollout of fleet %.60s ", g->in.fleet);
    else
        snprintf(text, sizeof text, "%s%s%.80s   fleet %.60s ", g->release, p->to[0] ? "  →  " : "", p->to,
                 g->in.fleet);
    struct line *l = add(b, ROLE_STRONG, text);
    if (s && !g->everywhere && (*str(s->environment) || s->production)) {
        snprintf(l->tail, sizeof l->tail, " %.30s ", *str(s->environment) ? s->environment : "prod");
        l->tail_role = s->production ? ROLE_BAR_PROD : ROLE_DIALOG;
        for (char *c = l->tail; s->production && *c; c++)
            *c = (char)toupper((unsigned char)*c);
    }
    bool named = g->name[0] && !g->whole_fleet && !g->everywhere && strcmp(g->name, g->release) != 0;
    snprintf(text, sizeof text, "%.*s%spreview taken %s%s", named ? (int)text_fit(g->name, 40) : 0, g->name,
             named ? "   " : "", parts_time(a, d, t, p->taken_at), stale ? "  ! from STALE data" : "");
    add(b, stale ? ROLE_LOST : ROLE_DIM, text);
    add(b, ROLE_DIALOG, "");
    if (refused) { /* what it would do does not happen */
        add(b, ROLE_DIALOG, "Nothing is sent.");
        return;
    }
    add_lines(b, "WHAT WILL HAPPEN", p->will, p->n_will, false, g, stale);
    add_lines(b, "WHAT WILL NOT HAPPEN", p->wont, p->n_wont, false, g, stale);
    add_lines(b, "TO BE KNOWN", p->wont, p->n_wont, true, g, stale);
    if (verb_row(g->verb)->confirm == CONFIRM_PHRASE) {
        const bool mine = s && s->told_known && !strcmp(s->focus.rollout, g->in.rollout);
        if (s && s->told_error && !mine) {
            snprintf(text, sizeof text, "▲ the devices cannot be listed, counts are the server's: %.300s",
                     s->told_error->what);
            add_wrapped(b, ROLE_WARN, text, 2, b->cols, NULL);
        } else if (!mine) {
            add(b, ROLE_WARN, "▲ the list of devices is still being read: counts are the server's");
        }
        add(b, ROLE_DIALOG, "UNDO   H halts it at any moment; devices already back stay back");
    }
    if (verb_changes_devices(g->verb)) {
        snprintf(text, sizeof text, "AUDIT  logged before it is sent, as %.60s%s", str(d->user),
                 g->verb == VERB_HALT ? "; a halt does not wait for the log" : "");
        add_wrapped(b, ROLE_DIALOG, text, 7, b->cols, NULL);
    }
}

struct pinned {
    struct canvas *c;
    int row, col, cols;
};

static void field(struct pinned *p, const char *name, const struct edit *e, bool active, const char *empty)
{
    canvas_text(p->c, p->row, p->col, 7, active ? ROLE_KEY : ROLE_DIALOG, name);
    int x = p->col + 7, w = p->cols - 7;
    canvas_text(p->c, p->row, x, 1, ROLE_DIALOG, "▏");
    canvas_text(p->c, p->row, x + w - 1, 1, ROLE_DIALOG, "▕");
    edit_draw(e, p->c, p->row, x + 1, w - 2, ROLE_INPUT, active);
    if (e->len == 0 && empty)
        canvas_text(p->c, p->row, x + 2, w - 4, ROLE_DIM, empty);
    p->row++;
}

static void waves_field(struct pinned *p, const struct dialog *g)
{
    bool active = g->field == FIELD_WAVES;
    canvas_text(p->c, p->row, p->col, 7, active ? ROLE_KEY : ROLE_DIALOG, "Waves");
    int x = p->col + 7, end = p->col + p->cols, first = g->wave_cursor > 4 ? g->wave_cursor - 4 : 0;
    for (int w = first; w < g->n_waves && x + 8 < end; w++) {
        if (!(g->told_mask[w / 64] >> (w % 64) & 1))
            continue;
        bool on = g->in.wave_mask[w / 64] >> (w % 64) & 1;
        x += canvas_printf(p->c, p->row, x, end - x, active && w == g->wave_cursor ? ROLE_INPUT : ROLE_DIALOG,
                           "[%s] W%d", on ? "x" : " ", w);
        x += 2;
    }
    if (g->in.all_waves && x < end)
        canvas_text(p->c, p->row, x, end - x, ROLE_DIM, "every wave that was told");
    p->row++;
}

static int phrase_rows(const struct dialog *g, int cols)
{
    return text_width(g->preview.phrase) > cols ? 2 : 1;
}

static int pinned_rows(const struct dialog *g, int cols)
{
    if (verb_row(g->verb)->confirm == CONFIRM_PHRASE)
        return 6 + phrase_rows(g, cols);
    return g->reason_is != REASON_NONE ? 3 : 2;
}

static void button_text(const struct dialog *g, char *out, size_t size)
{
    char n[FMT_MAX];
    fmt_count(n, g->preview.devices);
    static const char *const harder[STRENGTH_COUNT] = {"halt", "stop for good", "stop by force"};
    const char *label = verb_row(g->verb)->label, *halt = harder[g->in.strength];
    if (g->verb == VERB_HALT && g->everywhere)
        snprintf(out, size, "[ Enter: %s it in all fleets ]  R only %.60s/%.60s", halt, g->in.fleet, g->rollout);
    else if (g->verb == VERB_HALT && g->whole_fleet)
        snprintf(out, size, "[ Enter: %s the whole fleet %s ]  %s", halt, g->in.fleet,
                 g->rollout[0] ? "F only this rollout" : "");
    else if (g->verb == VERB_HALT)
        snprintf(out, size, "[ Enter: %s %s/%s ]  F the whole fleet%s", halt, g->in.fleet, g->in.rollout,
                 g->firmware.name[0] || g->firmware.version[0] ? "  R this release in all fleets" : "");
    else if (dialog_by_enter(g->verb))
        snprintf(out, size, "[ Enter: %s %s%s%s ]", label, g->in.fleet, g->whole_fleet ? ", all of it" : "/",
                 g->whole_fleet ? "" : g->in.rollout);
    else if (g->why.code != ERR_NONE)
        snprintf(out, size, "[ %c%s ]", toupper((unsigned char)label[0]), label + 1);
    else
        snprintf(out, size, "[ %c%s: %s devices ]", toupper((unsigned char)label[0]), label + 1, n);
}

static void button(struct pinned *p, const struct dialog *g)
{
    char text[240];
    bool ready = dialog_complete(g);
    button_text(g, text, sizeof text);
    bool danger = g->verb == VERB_ROLLBACK || g->verb == VERB_HALT;
    enum role role = !ready ? ROLE_BUTTON_OFF : danger ? ROLE_DIALOG_DANGER : ROLE_KEY;
    int x = p->col + canvas_text(p->c, p->row, p->col, p->cols, role, text) + 1;
    int room = p->col + p->cols - x;
    const char *say = "";
    if (g->why.code != ERR_NONE && g->verb != VERB_HALT)
        say = "refused";
    else if (!ready)
        say = dialog_missing(g);
    else if (!dialog_by_enter(g->verb))
        say = g->field == FIELD_BUTTON ? "y confirms" : "tab, then y";
    canvas_text(p->c, p->row, x, room, ready ? ROLE_KEY : ROLE_DIALOG, say);
    p->row++;
    static const char *const keys[STRENGTH_COUNT] = {"esc cancel  S only halt", "esc cancel  S stop for good, softly",
                                                     "esc cancel  S stop for good, by force"};
    enum strength next = dialog_harder(g);
    const char *hint = verb_row(g->verb)->confirm == CONFIRM_PHRASE
                           ? "esc cancel  tab next field  space toggle wave  enter: nothing"
                       : next != g->in.strength ? keys[next]
                                                : "esc cancel";
    canvas_text(p->c, p->row, p->col, p->cols, g->note[0] ? ROLE_WARN : ROLE_DIM, g->note[0] ? g->note : hint);
    p->row++;
}

static void draw_pinned(struct canvas *c, const struct dialog *g, int row, int col, int cols)
{
    struct pinned p = {c, row, col, cols};
    char need[300];
    if (verb_row(g->verb)->confirm == CONFIRM_PHRASE) {
        field(&p, "To", &g->to, g->field == FIELD_TO, g->preview.to[0] ? g->preview.to : "name:version");
        waves_field(&p, g);
        field(&p, "Reason", &g->reason, g->field == FIELD_REASON, NULL);
        /* All of the phrase can be read: the words around it go first. */
        snprintf(need, sizeof need, "Type   %s  to confirm", g->preview.phrase);
        if (text_width(need) > cols)
            snprintf(need, sizeof need, "%s", g->preview.phrase);
        parts_wrap(c, p.row, col, cols, phrase_rows(g, cols), ROLE_STRONG, need);
        p.row += phrase_rows(g, cols);
        field(&p, "", &g->phrase, g->field == FIELD_PHRASE, NULL);
    } else if (g->reason_is != REASON_NONE) {
        field(&p, g->reason_is == REASON_NEEDED ? "Reason" : "Remark", &g->reason, g->field == FIELD_REASON, NULL);
    }
    button(&p, g);
}

void dialog_draw(struct app *a, const struct view_data *d, struct canvas *c)
{
    struct dialog *g = &a->dlg;
    struct body b = {.n = 0};
    int cols = c->cols - 4 > 86 ? 86 : c->cols < 60 ? c->cols : c->cols - 4;
    b.cols = cols - 4;
    int pin = pinned_rows(g, b.cols);
    g->fits = true;
    build(a, d, &b);
    /* Row 0 stays: the environment and the age of the data belong to the decision. */
    int room = c->rows - 1 - 2 - pin, body = (int)b.n < room ? (int)b.n : room;
    if (body < 1)
        body = 0;
    g->fits = c->rows - 1 >= pin + 2;
    int rows = body + pin + 2, top = 1 + (c->rows - 1 - rows) / 2;
    top = top < 1 ? 1 : top;
    int left = (c->cols - cols) / 2;
    bool danger = g->verb == VERB_ROLLBACK || g->verb == VERB_HALT;
    canvas_box(c, top, left, rows, cols, danger ? ROLE_DIALOG_DANGER : ROLE_DIALOG, g->preview.title);
    for (int r = 1; r < rows - 1; r++)
        canvas_fill(c, top + r, left + 1, cols - 2, ROLE_DIALOG, ' ');
    int hidden = (int)b.n - body;
    if (hidden > 0 && body > 1) /* one row says that there is more */
        body--, hidden++;
    if (g->scroll > hidden)
        g->scroll = hidden;
    for (int i = 0; i < body; i++) {
        const struct line *l = &b.v[(size_t)(g->scroll + i)];
        int at = top + 1 + i;
        int x = left + 2 + canvas_text(c, at, left + 2, cols - 4, l->role, l->text);
        if (l->tail[0])
            canvas_text(c, at, x, left + cols - 2 - x, l->tail_role, l->tail);
        if (l->count[0])
            canvas_right(c, at, left + cols - 13, 10, l->role, l->count);
    }
    if (hidden > 0 && body > 0)
        canvas_printf(c, rows + top - 2 - pin, left + 2, cols - 4, ROLE_WARN,
                      hidden > g->scroll ? "… %d more lines: PgDn" : "… %d lines above: PgUp",
                      hidden > g->scroll ? hidden - g->scroll : g->scroll);
    draw_pinned(c, g, rows + top - 1 - pin, left + 2, cols - 4);
    if (c->cursor_row >= 0 && g->field == FIELD_BUTTON)
        c->cursor_row = c->cursor_col = -1;
}
