/* The stack of screens, and who gets a key: paste marks, then a prompt, a dialog, the screen, and the keys that work
 * everywhere. The only place where a screen's wishes become actions. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "views/app.h"

struct app *app_new(bool ascii)
{
    struct app *a = xcalloc(1, sizeof *a);
    a->ascii = ascii;
    a->depth = 1;
    a->stack[0] = (struct frame){.kind = VIEW_BOARD, .wave = -1};
    a->focus_sent.wave = -1;
    return a;
}

void app_free(struct app *a)
{
    if (!a)
        return;
    order_release(&a->board);
    groups_release(&a->groups);
    order_release(&a->devices);
    order_release(&a->audit);
    free(a->marks);
    free(a->copy);
    free(a);
}

enum view_kind app_view(const struct app *a)
{
    return a->stack[a->depth - 1].kind;
}

struct frame *app_push(struct app *a, enum view_kind kind, const char *fleet, const char *rollout, int wave,
                       const char *device)
{
    if (a->depth == STACK_MAX) { /* forget the oldest but the board */
        memmove(&a->stack[1], &a->stack[2], (STACK_MAX - 2) * sizeof a->stack[0]);
        a->depth--;
    }
    struct frame *f = &a->stack[a->depth++];
    *f = (struct frame){.kind = kind, .wave = wave};
    snprintf(f->fleet, sizeof f->fleet, "%s", fleet);
    snprintf(f->rollout, sizeof f->rollout, "%s", rollout);
    snprintf(f->device, sizeof f->device, "%s", device);
    a->banner_at = 0;
    return f;
}

void app_pop(struct app *a)
{
    if (a->depth > 1)
        a->depth--;
    a->banner_at = 0;
}

void app_go(struct app *a, const struct view_data *d, const char *fleet, const char *rollout)
{
    const struct rollout_view *r = find_rollout(d, fleet, rollout, NULL);
    if (app_top(a)->kind == VIEW_BOARD)
        board_select(a, d, fleet, rollout);
    else if (r)
        app_push(a, VIEW_ROLLOUT, fleet, rollout, r->current, "");
}

const struct screen *screen_of(enum view_kind kind)
{
    static const struct screen *const screens[VIEW_COUNT] = {
#define SCREEN(kind, name) [kind] = &name##_screen,
        VIEWS(SCREEN)
#undef SCREEN
    };
    return screens[kind];
}

void app_say(struct app *a, bool bad, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a->msg, sizeof a->msg, fmt, ap);
    va_end(ap);
    a->msg_bad = bad;
    a->awaited = 0;
}

void app_message(struct app *a, bool bad, const char *text)
{
    app_say(a, bad, "%.500s", text);
}

void app_awaits(struct app *a, const char *fleet, uint64_t ticket)
{
    if (a->n_taken < a->n_answers) { /* one of several: its screen follows it */
        a->answers[a->n_taken++].ticket = ticket;
        return;
    }
    a->awaited = ticket;
    snprintf(a->awaited_fleet, sizeof a->awaited_fleet, "%s", fleet);
}

/* What was on its way has ended: no line says any more that it is. */
static void follow_awaited(struct app *a, const struct view_data *d)
{
    const struct snapshot *s = a->awaited && a->msg[0] ? find_snap(d, a->awaited_fleet) : NULL;
    for (size_t i = 0; s && i < s->n_ops; i++) {
        const struct op_view *o = &s->ops[i];
        if (o->ticket != a->awaited || o->ended == 0)
            continue;
        app_say(a, o->phase != OP_DONE, "%s %s%s%s: %s: %.300s", verb_word(o->verb), str(s->fleet),
                *str(o->rollout) ? "/" : "", str(o->rollout), op_phase_word(o->phase), str(o->text));
        return;
    }
}

void app_copy(struct app *a, struct action *out, enum action_kind kind, const char *text, const char *whole)
{
    out->kind = kind;
    snprintf(out->text, sizeof out->text, "%.500s", text);
    free(a->copy);
    a->copy = whole ? xstrdup(whole) : NULL;
    out->copy = a->copy;
}

void app_sync(struct app *a, const struct view_data *d)
{
    board_sync(a, d);
    if (app_top(a)->kind == VIEW_DEVICES || app_top(a)->kind == VIEW_DEVICE)
        devices_sync(a, d);
}

/* --- what the engine should read for us ---------------------------------------------------------------------- */

static void wanted_focus(struct app *a, const struct view_data *d, struct focus *f, char fleet[64])
{
    *f = (struct focus){.wave = -1};
    const struct frame *top = app_top(a);
    for (int i = a->depth - 1; i > 0 && !top->fleet[0]; i--)
        top = &a->stack[i - 1]; /* help and audit keep what was open below them */
    if (top->kind == VIEW_BOARD) {
        const struct snapshot *s;
        const struct rollout_view *r;
        fleet[0] = '\0';
        if (board_selected(a, d, &s, &r)) {
            snprintf(fleet, 64, "%s", str(s->fleet));
            snprintf(f->rollout, sizeof f->rollout, "%s", str(r->rollout.id));
        }
        return;
    }
    snprintf(fleet, 64, "%s", top->fleet);
    snprintf(f->rollout, sizeof f->rollout, "%s", top->rollout);
    f->wave = top->wave;
    f->outlook = top->kind == VIEW_QUEUE || top->kind == VIEW_VULNERABILITY || top->kind == VIEW_PATCH;
    f->inventory = top->kind == VIEW_INVENTORY || f->outlook;
    f->inventory_names = top->kind == VIEW_INVENTORY && top->all;
    if (top->kind == VIEW_DEVICE)
        snprintf(f->device, sizeof f->device, "%s", top->device);
}

/* What a roll back's dialog is about, and the release that is typed in it. */
static void dialog_focus(const struct dialog *g, struct focus *f, char fleet[64])
{
    if (verb_row(g->verb)->confirm != CONFIRM_PHRASE)
        return;
    if (strcmp(fleet, g->in.fleet) != 0 || strcmp(f->rollout, g->in.rollout) != 0) {
        *f = (struct focus){.wave = -1};
        snprintf(fleet, 64, "%s", g->in.fleet);
        snprintf(f->rollout, sizeof f->rollout, "%s", g->in.rollout);
    }
    snprintf(f->to, sizeof f->to, "%s", g->preview.to);
}

static void follow_focus(struct app *a, const struct view_data *d, struct action *out)
{
    if (out->kind != ACT_NONE && out->kind != ACT_REDRAW)
        return; /* the next call sends it */
    struct focus want;
    char fleet[64];
    wanted_focus(a, d, &want, fleet);
    dialog_focus(&a->dlg, &want, fleet);
    bool same_fleet = !strcmp(fleet, a->focus_fleet);
    if (same_fleet && !strcmp(want.rollout, a->focus_sent.rollout) && want.wave == a->focus_sent.wave &&
        !strcmp(want.device, a->focus_sent.device) && !strcmp(want.to, a->focus_sent.to) &&
        want.inventory == a->focus_sent.inventory && want.inventory_names == a->focus_sent.inventory_names &&
        want.outlook == a->focus_sent.outlook) {
        if (!a->focus_clear[0])
            return;
        out->kind = ACT_FOCUS; /* another fleet need not go on reading what nobody looks at */
        out->focus = (struct focus){.wave = -1};
        snprintf(out->fleet, sizeof out->fleet, "%s", a->focus_clear);
        a->focus_clear[0] = '\0';
        return;
    }
    if (!same_fleet)
        memcpy(a->focus_clear, a->focus_fleet, sizeof a->focus_clear);
    a->focus_sent = want;
    memcpy(a->focus_fleet, fleet, sizeof a->focus_fleet);
    if (!fleet[0])
        return;
    out->kind = ACT_FOCUS;
    out->focus = want;
    snprintf(out->fleet, sizeof out->fleet, "%s", fleet);
}

/* --- keys ------------------------------------------------------------------------------------------------------ */

static int active_ops(const struct view_data *d)
{
    int n = 0;
    for (size_t i = 0; i < d->n_snaps; i++) {
        for (size_t k = 0; d->snaps[i] && k < d->snaps[i]->n_ops; k++)
            n += d->snaps[i]->ops[k].phase < OP_DONE && d->snaps[i]->ops[k].phase != OP_RUNNING;
    }
    return n;
}

static void quit_key(struct app *a, const struct view_data *d, struct action *out)
{
    int busy = active_ops(d);
    if (busy > 0 && !a->quit_asked) {
        a->quit_asked = true;
        app_say(a, true, "%d command%s under way; q again leaves (the log knows what is open)", busy,
                busy > 1 ? "s are" : " is");
        return;
    }
    out->kind = ACT_QUIT;
}

static bool global_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    switch (key) {
    case 0x0C: /* Ctrl-L */
        out->kind = ACT_REPAINT;
        return true;
    case 0x12: /* Ctrl-R */
        out->kind = ACT_REFRESH;
        return true;
    case 0x1A: /* Ctrl-Z */
        out->kind = ACT_SUSPEND;
        return true;
    case 0x03: /* Ctrl-C cancels; it never quits */
        app_say(a, false, "q quits");
        return true;
    case KEY_ESC_:
    case 'q':
        if (a->depth > 1)
            app_pop(a);
        else if (key == 'q')
            quit_key(a, d, out);
        else if (a->board_filter[0])
            a->board_filter[0] = '\0';
        return true;
    case '?':
    case KEY_F1_:
        if (app_top(a)->kind != VIEW_HELP)
            app_push(a, VIEW_HELP, "", "", -1, "");
        return true;
    case 'l':
        if (app_top(a)->kind != VIEW_AUDIT) {
            app_push(a, VIEW_AUDIT, "", "", -1, "");
            a->audit_asked = false;
        }
        return true;
    case 'n':
        a->banner_at++;
        return true;
    case 'z':
        a->silenced_until = d->now + 10 * US_PER_MIN;
        out->kind = ACT_SILENCE;
        app_say(a, false, "bell is silent for 10 min");
        return true;
    case 't':
        a->utc_toggle = !a->utc_toggle;
        return true;
    case ':':
        command_open(a, PROMPT_COMMAND, "");
        return true;
    case '/':
        if (app_filter(a))
            command_open(a, PROMPT_FILTER, app_filter(a));
        return true;
    default:
        return false;
    }
}

/* Pasted text goes into a field as text or nowhere; the dialog refuses it where a phrase must be typed. */
static bool paste_key(struct app *a, uint32_t key, int64_t now)
{
    if (key == KEY_PASTE_START_) {
        a->pasting = true;
        a->pasted_at = now;
        return true;
    }
    /* An end mark that got lost must not take the keyboard away. */
    if (a->pasting && now - a->pasted_at > 5 * US_PER_S)
        a->pasting = false;
    a->pasted_at = now;
    if (key == KEY_PASTE_END_) {
        a->pasting = false;
        return true;
    }
    if (!a->pasting)
        return false;
    if (key >= 0x110000 || key < 0x20)
        key = ' '; /* a line end in pasted text is a blank, never Enter */
    if (a->prompt != PROMPT_NONE)
        edit_key(&a->line, key);
    else if (a->plan.open)
        plan_paste(a, key);
    else if (a->dlg.verb != VERB_NONE && a->dlg.field == FIELD_REASON)
        edit_key(&a->dlg.reason, key);
    else if (a->dlg.verb != VERB_NONE)
        snprintf(a->dlg.note, sizeof a->dlg.note, "pasted text is not taken here: type it");
    else
        app_say(a, true, "pasted text is not taken as keys");
    return true;
}

bool app_small(const struct app *a)
{
    return a->rows > 0 && (a->rows < MIN_ROWS || a->cols < MIN_COLS);
}

static void dispatch(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    if (a->prompt != PROMPT_NONE) {
        command_key(a, d, key, out);
        return;
    }
    if (a->dlg.verb != VERB_NONE) {
        dialog_key(a, d, key, out);
        return;
    }
    if (a->plan.open) {
        plan_key(a, d, key, out);
        return;
    }
    const struct screen *screen = screen_of(app_top(a)->kind);
    enum verb v = verb_from_key(key);
    if (v == VERB_HALT || (v != VERB_NONE && !screen->reads)) { /* a halt is offered everywhere */
        if (app_small(a) && v != VERB_HALT)
            app_say(a, true, "too small to confirm: enlarge the terminal");
        else
            dialog_open(a, d, v);
        return;
    }
    if (!screen->key(a, d, key, out))
        global_key(a, d, key, out);
}

void app_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    *out = (struct action){.kind = ACT_NONE};
    if (key == KEY_NONE_ || key == KEY_RESIZE_ || key == KEY_FOCUS_IN_ || key == KEY_FOCUS_OUT_)
        return;
    out->kind = ACT_REDRAW;
    a->last_key = d->now;
    app_sync(a, d);
    bool asked = a->quit_asked;
    if (!paste_key(a, key, d->now)) {
        a->msg[0] = '\0';
        dispatch(a, d, key, out);
        if (asked && key != 'q')
            a->quit_asked = false;
    }
    app_sync(a, d);
    if (out->kind == ACT_REDRAW && app_top(a)->kind == VIEW_AUDIT && auditlog_want(a, d, out))
        return;
    follow_focus(a, d, out);
}

void app_update(struct app *a, const struct view_data *d, struct action *out)
{
    *out = (struct action){.kind = ACT_REDRAW};
    app_sync(a, d);
    follow_awaited(a, d);
    answers_follow(a, d);
    if (a->dlg.verb != VERB_NONE)
        dialog_refresh(a, d);
    plan_refresh(a, d);
    if (app_top(a)->kind == VIEW_AUDIT && auditlog_want(a, d, out))
        return;
    follow_focus(a, d, out);
}

/* A halt is known by fleet, rollout and time. */
static bool counted(struct app *a, const struct snapshot *s, const struct alert *al)
{
    enum { RING = sizeof a->seen_halts / sizeof a->seen_halts[0] };
    uint64_t h = order_mix(1, str(s->fleet), strlen(str(s->fleet)));
    h = order_mix(h, str(al->rollout), strlen(str(al->rollout)));
    h = order_mix(h, &al->since, sizeof al->since);
    for (size_t i = 0; i < RING; i++) {
        if (a->seen_halts[i] == h)
            return true;
    }
    a->seen_halts[a->seen_next++ % RING] = h;
    return false;
}

bool app_silenced(const struct app *a, int64_t now)
{
    return now < a->silenced_until;
}

int app_alerts(struct app *a, const struct view_data *d, bool *new_halt)
{
    int n = 0;
    *new_halt = false;
    for (size_t i = 0; i < d->n_snaps; i++) {
        const struct snapshot *s = d->snaps[i];
        for (size_t k = 0; s && k < s->n_alerts; k++) {
            const struct alert *al = &s->alerts[k];
            if (al->acked)
                continue;
            n += al->kind != ALERT_WATCH;
            bool halt = al->kind == ALERT_HALT || al->kind == ALERT_ESCALATED;
            if (halt && !counted(a, s, al))
                *new_halt = true;
        }
    }
    if (*new_halt && app_silenced(a, d->now))
        *new_halt = false;
    return n;
}
