/* What each fleet answers to something that was asked of several: a line each, none waits for another. */
#include <stdio.h>
#include <string.h>

#include "views/app.h"

#define SHOWN_US (10 * US_PER_S) /* by then a fleet's snapshot shows what was handed in */

void answers_open(struct app *a, const struct view_data *d, const struct action *out, const char *what)
{
    size_t dark = 0, cut = 0;
    a->asked_at = out->intent.decided_at;
    a->n_answers = out->n_others + 1;
    a->n_taken = 0;
    for (size_t i = 0; i < a->n_answers; i++) {
        const struct intent *in = i ? &out->others[i - 1] : &out->intent;
        struct answer *to = &a->answers[i];
        *to = (struct answer){0};
        snprintf(to->fleet, sizeof to->fleet, "%s", in->fleet);
        snprintf(to->rollout, sizeof to->rollout, "%s", in->rollout);
    }
    for (size_t i = 0; i < d->n_snaps; i++) {
        dark += !d->snaps[i] || !d->snaps[i]->rollouts_known;
        cut += d->snaps[i] && d->snaps[i]->rollouts_known && d->snaps[i]->rollouts_clipped;
    }
    int at = snprintf(a->answers_of, sizeof a->answers_of, "%.380s", what);
    if (dark > 0)
        at += snprintf(a->answers_of + at, sizeof a->answers_of - (size_t)at, " (%zu fleet%s not known)", dark,
                       dark > 1 ? "s" : "");
    if (cut > 0)
        snprintf(a->answers_of + at, sizeof a->answers_of - (size_t)at, " (older rollouts of %zu fleet%s not known)",
                 cut, cut > 1 ? "s" : "");
    if (app_top(a)->kind != VIEW_ANSWERS)
        app_push(a, VIEW_ANSWERS, "", "", -1, "");
}

static const struct op_view *op_of(const struct snapshot *s, uint64_t ticket)
{
    for (size_t i = 0; s && ticket && i < s->n_ops; i++) {
        if (s->ops[i].ticket == ticket)
            return &s->ops[i];
    }
    return NULL;
}

void answers_follow(struct app *a, const struct view_data *d)
{
    for (size_t i = 0; i < a->n_taken; i++) {
        struct answer *k = &a->answers[i];
        const struct op_view *o = op_of(find_snap(d, k->fleet), k->ticket);
        if (!o)
            continue;
        k->seen = true;
        k->phase = o->phase;
        snprintf(k->text, sizeof k->text, "%.199s", str(o->text));
    }
}

/* The words of an answer, and how they look. What has ended stays so when the fleet shows it no more; what was seen
 * under way and is not there any more, or never was, nobody here knows. */
static const char *said(const struct snapshot *s, const struct answer *k, bool taken, bool late, enum role *role,
                        const char **text)
{
    bool there = op_of(s, k->ticket) != NULL;
    *role = ROLE_BAD;
    *text = "";
    if (taken && !k->ticket) {
        *text = "it was not taken: try it on that fleet alone";
        return "not taken";
    }
    if (taken && k->seen && (there || k->phase >= OP_DONE)) {
        *text = k->text;
        *role = k->phase == OP_DONE ? ROLE_GOOD : k->phase < OP_DONE ? ROLE_RUN : ROLE_BAD;
        return op_phase_word(k->phase);
    }
    if (!taken || (!k->seen && !late)) {
        *role = ROLE_DIM;
        *text = s ? "" : "the fleet is not there any more";
        return "handed in";
    }
    *role = ROLE_LOST;
    *text = s ? "what became of it is not shown any more: the log has it (l)" : "the fleet is not there any more";
    return "not known";
}

static void draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct list *l = &app_top(a)->list;
    char title[480], age[FMT_MAX];
    size_t done = 0;
    int row = at.row;
    answers_follow(a, d);
    for (size_t i = 0; i < a->n_answers; i++)
        done += a->answers[i].seen && a->answers[i].phase == OP_DONE;
    snprintf(title, sizeof title, "%.400s: %zu of %zu done", a->answers_of, done, a->n_answers);
    parts_rule(c, row++, title, NULL);
    int each = at.rows - 1 >= 2 * (int)a->n_answers ? 2 : 1;
    list_clip(l, a->n_answers, (at.rows - 1) / each);
    for (int i = 0; i < l->page && l->top + (size_t)i < a->n_answers; i++, row += each) {
        size_t k = l->top + (size_t)i;
        const struct answer *of = &a->answers[k];
        const struct snapshot *s = find_snap(d, of->fleet);
        const struct rollout_view *r = find_rollout(d, of->fleet, of->rollout, NULL);
        enum role role;
        const char *text, *word = said(s, of, k < a->n_taken, s && s->taken_at - a->asked_at > SHOWN_US, &role, &text);
        if (k == l->cursor)
            canvas_text(c, row, 0, 1, ROLE_STRONG, "▸");
        int col = 2 + canvas_printf(c, row, 2, c->cols / 3, ROLE_STRONG, "%s/%s", of->fleet, of->rollout);
        col = col < 24 ? 24 : col + 2;
        col += canvas_printf(c, row, col, -1, role, "%s", word) + 2;
        if (r) { /* what the fleet shows of it now */
            struct look look = state_rollout(r);
            col += canvas_printf(c, row, col, -1, look.role, "%s %s", look.glyph, look.word) + 2;
        }
        if (s && state_stale(s, d->now))
            col += canvas_printf(c, row, col, -1, ROLE_LOST, "! its server answered last %s",
                                 s->link.last_ok > 0 ? parts_ago(age, d->now, s->link.last_ok) : "never") +
                   2;
        if (each == 2)
            canvas_text(c, row + 1, 4, -1, ROLE_TEXT, text);
        else
            canvas_text(c, row, col, -1, ROLE_TEXT, text);
    }
}

static bool on_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    struct list *l = &app_top(a)->list;
    (void)out;
    if (list_key(l, a->n_answers, key))
        return true;
    if (key != KEY_ENTER_ && key != KEY_RIGHT_)
        return false;
    if (l->cursor < a->n_answers) {
        const struct answer *k = &a->answers[l->cursor];
        const struct rollout_view *r = find_rollout(d, k->fleet, k->rollout, NULL);
        if (r)
            app_push(a, VIEW_ROLLOUT, k->fleet, k->rollout, r->current, "");
        else
            app_say(a, true, "%s has no rollout %s", k->fleet, k->rollout);
    }
    return true;
}

static bool target(struct app *a, const struct view_data *d, const struct frame *f, char fleet[64],
                   char rollout[ID_MAX], struct err *why)
{
    (void)d;
    if (f->list.cursor >= a->n_answers)
        return err_set(why, ERR_NOT_FOUND, "", "nothing was asked of several fleets");
    const struct answer *k = &a->answers[f->list.cursor];
    snprintf(fleet, 64, "%s", k->fleet);
    snprintf(rollout, ID_MAX, "%s", k->rollout);
    return true;
}

static void crumb(const struct frame *f, const struct view_data *d, char *out, size_t size)
{
    (void)f;
    (void)d;
    snprintf(out, size, "board › answers");
}

static const char *const HINTS[] = {"↵", "open", "esc", "back", OFFERS, "?", "help", NULL};
const struct screen answers_screen = {draw, on_key, crumb, HINTS, NULL, target, false};
