/* Making a plan: its words, a preview of who is in which wave, and then the key that keeps it. Nothing is written
 * before that key, and what is kept is what was shown: when a word changes, the preview must be made anew. */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "views/app.h"

enum { BUTTON = PLAN_FIELDS };

static const struct {
    const char *name, *empty;
} FIELDS[PLAN_FIELDS] = {
    [PLAN_F_RELEASE] = {"Release", "NAME:VERSION, as the server has it"},
    [PLAN_F_TARGET] = {"Target", "all, release:NAME:VERSION, or ATTRIBUTE=VALUE"},
    [PLAN_F_WAVES] = {"Waves", "sizes or shares of all: 1%,10%,rest or 5,50,rest"},
    [PLAN_F_STRATA] = {"Strata", "an attribute: each wave has its share of each value; or nothing"},
    [PLAN_F_ORDER] = {"Order", "net:isolated,lan: the least exposed first; or nothing"},
    [PLAN_F_NAME] = {"Name", "the release's"},
};

void plan_open(struct app *a, const struct snapshot *s, const char *release)
{
    struct plan_dialog *p = &a->plan;
    uint64_t number = p->number;
    *p = (struct plan_dialog){.open = true, .number = number};
    snprintf(p->fleet, sizeof p->fleet, "%.63s", str(s->fleet));
    edit_set(&p->word[PLAN_F_RELEASE], release);
    p->field = *release ? PLAN_F_TARGET : PLAN_F_RELEASE;
}

/* What the engine shows of it: NULL before it was asked, or when it shows another's. */
static const struct draft_view *draft(const struct plan_dialog *p, const struct snapshot *s)
{
    return s && p->asked && s->draft.stage != DRAFT_NONE && s->draft.number == p->number ? &s->draft : NULL;
}

static bool ready(const struct plan_dialog *p, const struct snapshot *s)
{
    const struct draft_view *v = draft(p, s);
    return v && v->stage == DRAFT_READY && !p->changed && p->fits;
}

void plan_refresh(struct app *a, const struct view_data *d)
{
    struct plan_dialog *p = &a->plan;
    const struct snapshot *s = find_snap(d, p->fleet);
    const struct draft_view *v = draft(p, s);
    if (!p->open || !v || v->stage != DRAFT_KEPT || !find_rollout(d, p->fleet, v->id, NULL))
        return;
    p->open = false;
    app_go(a, d, p->fleet, v->id);
    app_say(a, false, "%s is kept; nobody is told before it is started (S)", v->id);
}

/* --- keys ------------------------------------------------------------------------------------------------------ */

static void ask(struct app *a, const struct snapshot *s, struct action *out)
{
    struct plan_dialog *p = &a->plan;
    const struct draft_view *v = draft(p, s);
    if (v && v->stage == DRAFT_KEEPING)
        return;
    memset(&a->wish, 0, sizeof a->wish);
    for (int i = 0; i < PLAN_FIELDS; i++)
        snprintf(a->wish.word[i], sizeof a->wish.word[i], "%s", p->word[i].text);
    a->wish.number = ++p->number;
    p->asked = true;
    p->changed = false;
    p->scroll = 0;
    p->field = BUTTON;
    out->kind = ACT_PLAN;
    out->plan = &a->wish;
    snprintf(out->fleet, sizeof out->fleet, "%s", p->fleet);
}

static void keep(struct app *a, const struct snapshot *s, struct action *out)
{
    struct plan_dialog *p = &a->plan;
    if (!ready(p, s)) {
        snprintf(p->note, sizeof p->note, "%s",
                 !p->fits ? "the dialog does not fit: enlarge the terminal"
                          : "there is no preview of this: Enter makes one");
        return;
    }
    a->wish.number = p->number;
    out->kind = ACT_PLAN_KEEP;
    out->plan = &a->wish;
    snprintf(out->fleet, sizeof out->fleet, "%s", p->fleet);
}

void plan_paste(struct app *a, uint32_t key)
{
    struct plan_dialog *p = &a->plan;
    if (p->field < PLAN_FIELDS && edit_key(&p->word[p->field], key))
        p->changed = true;
}

void plan_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    struct plan_dialog *p = &a->plan;
    const struct snapshot *s = find_snap(d, p->fleet);
    p->note[0] = '\0';
    switch (key) {
    case KEY_ESC_:
    case 0x03: /* Ctrl-C cancels what is open */
        p->open = false;
        return;
    case 0x0C:
        out->kind = ACT_REPAINT;
        return;
    case 0x12:
        out->kind = ACT_REFRESH;
        return;
    case 0x1A:
        out->kind = ACT_SUSPEND;
        return;
    case KEY_PGDN_:
        p->scroll += 4;
        return;
    case KEY_PGUP_:
        p->scroll = p->scroll > 4 ? p->scroll - 4 : 0;
        return;
    case KEY_TAB_:
    case KEY_DOWN_:
        p->field = (p->field + 1) % (PLAN_FIELDS + 1);
        return;
    case KEY_BTAB_:
    case KEY_UP_:
        p->field = (p->field + PLAN_FIELDS) % (PLAN_FIELDS + 1);
        return;
    case KEY_ENTER_:
        if (p->field == BUTTON && ready(p, s))
            snprintf(p->note, sizeof p->note, "Enter does nothing here: y keeps it");
        else
            ask(a, s, out);
        return;
    default:
        break;
    }
    if (p->field == BUTTON && key == 'y') {
        keep(a, s, out);
    } else if (p->field < PLAN_FIELDS) {
        char before[sizeof p->word[0].text];
        memcpy(before, p->word[p->field].text, sizeof before);
        (void)edit_key(&p->word[p->field], key);
        p->changed = p->changed || strcmp(before, p->word[p->field].text) != 0;
    }
}

/* --- drawing ---------------------------------------------------------------------------------------------------- */

struct place {
    struct canvas *c;
    int row, col, cols;
};

static void field(struct place *at, const struct plan_dialog *p, int i)
{
    bool active = p->field == i;
    int x = at->col + 9, w = at->cols - 9;
    canvas_text(at->c, at->row, at->col, 9, active ? ROLE_KEY : ROLE_DIALOG, FIELDS[i].name);
    canvas_text(at->c, at->row, x, 1, ROLE_DIALOG, "▏");
    canvas_text(at->c, at->row, x + w - 1, 1, ROLE_DIALOG, "▕");
    edit_draw(&p->word[i], at->c, at->row, x + 1, w - 2, ROLE_INPUT, active);
    if (p->word[i].len == 0)
        canvas_text(at->c, at->row, x + 2, w - 4, ROLE_DIM, FIELDS[i].empty);
    at->row++;
}

/* Two rows for each wave: how many, of which strata; and the first of its devices. */
static void wave_row(const struct place *at, int row, const struct draft_view *v, int line, enum role role)
{
    const struct draft_wave *w = &v->waves[line / 2];
    char n[FMT_MAX];
    if (line % 2) {
        canvas_text(at->c, row, at->col + 15, at->cols - 15, ROLE_DIM, str(w->ids));
        return;
    }
    canvas_printf(at->c, row, at->col, 5, role, "W%d", line / 2);
    canvas_right(at->c, row, at->col + 4, 9, role, fmt_count(n, w->devices));
    canvas_text(at->c, row, at->col + 15, at->cols - 15, role, str(w->strata));
}

/* What is known of it, above its waves; rows used. */
static int head(const struct place *at, const struct plan_dialog *p, const struct snapshot *s, int rows)
{
    const struct draft_view *v = draft(p, s);
    char text[900], n[FMT_MAX];
    enum role role = ROLE_DIALOG;
    if (!s)
        snprintf(text, sizeof text, "the fleet %s is not there any more", p->fleet);
    else if (!p->asked)
        snprintf(text, sizeof text, "Enter asks the server and shows who would be in which wave. Nothing is written.");
    else if (!v || v->stage == DRAFT_ASKING)
        snprintf(text, sizeof text, "asks the server ...");
    else if (v->stage == DRAFT_FAILED)
        snprintf(text, sizeof text, "✖ %.400s%s%.400s", str(v->error), *str(v->next) ? ". " : "", str(v->next));
    else
        snprintf(text, sizeof text, "%s%.120s %.80s to %s devices (%.160s) in %zu waves%s",
                 p->changed ? "! changed since: Enter makes it anew.  " : "", str(v->release), str(v->version),
                 fmt_count(n, v->devices), str(v->target), v->n_waves,
                 v->stage == DRAFT_KEEPING ? ": being written"
                 : v->stage == DRAFT_KEPT  ? ": kept"
                                           : "");
    if (v && v->stage == DRAFT_FAILED)
        role = ROLE_BAD;
    else if (v && p->changed)
        role = ROLE_WARN;
    else if (v && v->stage >= DRAFT_READY)
        role = ROLE_STRONG;
    return parts_wrap(at->c, at->row, at->col, at->cols, rows, role, text);
}

static void preview(struct place *at, struct plan_dialog *p, const struct snapshot *s, int rows)
{
    const struct draft_view *v = draft(p, s);
    enum role role = p->changed ? ROLE_STALE : ROLE_DIALOG;
    int used = head(at, p, s, rows < 3 ? rows : 3);
    bool drawn = v && v->stage >= DRAFT_READY && v->stage <= DRAFT_KEPT;
    int room = rows - used, lines = drawn ? 2 * (int)v->n_waves : 0;
    if (room > lines && lines > 0)
        canvas_text(at->c, at->row + used + lines, at->col, at->cols, ROLE_DIM,
                    "nobody is told before it is started; each wave waits for an advance");
    if (room < lines)
        room--; /* one row says that there is more */
    int hidden = lines > room ? lines - room : 0;
    p->scroll = p->scroll > hidden ? hidden : p->scroll;
    for (int i = 0; i < room && p->scroll + i < lines; i++)
        wave_row(at, at->row + used + i, v, p->scroll + i, role);
    if (hidden > 0)
        canvas_printf(at->c, at->row + rows - 1, at->col, at->cols, ROLE_WARN,
                      hidden > p->scroll ? "… %d more lines: PgDn" : "… %d lines above: PgUp",
                      hidden > p->scroll ? hidden - p->scroll : p->scroll);
}

void plan_draw(struct app *a, const struct view_data *d, struct canvas *c)
{
    struct plan_dialog *p = &a->plan;
    const struct snapshot *s = find_snap(d, p->fleet);
    int cols = c->cols - 4 > 86 ? 86 : c->cols < 60 ? c->cols : c->cols - 4;
    int rows = c->rows - 2 > 26 ? 26 : c->rows - 2;
    int left = (c->cols - cols) / 2, top = 1 + (c->rows - 1 - rows) / 2;
    struct place at = {c, top + 1, left + 2, cols - 4};
    int room = rows - 2 - PLAN_FIELDS - 1 - 2; /* a blank, the button and the keys */
    char title[120];
    p->fits = room >= 4;
    bool ok = ready(p, s);
    snprintf(title, sizeof title, "New plan for %.60s%s%.30s%s", p->fleet, s && *str(s->environment) ? " (" : "",
             s ? str(s->environment) : "", s && *str(s->environment) ? ")" : "");
    canvas_box(c, top, left, rows, cols, ROLE_DIALOG, title);
    for (int r = 1; r < rows - 1; r++)
        canvas_fill(c, top + r, left + 1, cols - 2, ROLE_DIALOG, ' ');
    for (int i = 0; i < PLAN_FIELDS; i++)
        field(&at, p, i);
    at.row++;
    if (room > 0)
        preview(&at, p, s, room);
    at.row = top + rows - 3;
    int x = at.col + canvas_text(c, at.row, at.col, at.cols, ok ? ROLE_KEY : ROLE_BUTTON_OFF, "[ Keep this plan ]") + 1;
    canvas_text(c, at.row, x, at.col + at.cols - x, ok ? ROLE_KEY : ROLE_DIALOG,
                !ok                  ? "locked until it is previewed"
                : p->field == BUTTON ? "y keeps it: logged, and nobody is told"
                                     : "tab, then y");
    canvas_text(c, at.row + 1, at.col, at.cols, p->note[0] ? ROLE_WARN : ROLE_DIM,
                p->note[0] ? p->note : "enter preview  tab next field  pgup pgdn waves  esc cancel");
    if (c->cursor_row >= 0 && p->field == BUTTON)
        c->cursor_row = c->cursor_col = -1;
}
