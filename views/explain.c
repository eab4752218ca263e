/* Why: the verdict about one wave of a rollout, and what it rests on, for an operator at 3 a.m. A page that scrolls. */
#include "views/explain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

static const struct wave_view *wave_of(const struct rollout_view *r, int wave)
{
    for (size_t i = 0; i < r->n_waves; i++) {
        if (r->waves[i].wave.index == wave)
            return &r->waves[i];
    }
    return NULL;
}

/* Figures stand still: the trial is late, or telemetry or the whole snapshot is old. */
static bool stands_still(const struct explain_view *v)
{
    enum link_state st = state_link(v->s, &v->s->telemetry, v->now);
    return v->t->state == TRIAL_BEHIND || st == LINK_STALE || st == LINK_FAILED || state_stale(v->s, v->now);
}

/* --- sections ---------------------------------------------------------------------------------------------------- */

static void progress(struct explain_page *p, const struct explain_view *v)
{
    char text[80];
    int row = explain_row(p, 0, ""), cols = p->c.cols >= 80 ? 40 : 20;
    if (row < 0)
        return;
    double part = v->t->progress >= 0 && v->t->progress <= 1 ? v->t->progress : 0;
    for (int i = 0; i < cols; i++)
        canvas_fill(&p->c, row, 2 + i, 1, part * cols >= i + 0.5 ? ROLE_SLOW : ROLE_DIM,
                    part * cols >= i + 0.5 ? 0x2588 : 0xB7);
    snprintf(text, sizeof text, "catching up %d%%", (int)(part * 100));
    canvas_text(&p->c, row, 2 + cols + 2, -1, ROLE_SLOW, text);
    explain_text(p, ROLE_TEXT, "Until that is done no wave is let go on; limits act as always.");
}

/* Does the verdict rest on something else than the tests: a limit, missing data? */
static bool other_reason(const struct explain_view *v)
{
    const struct verdict *d = &v->w->verdict;
    if (!d->text[0] || d->react == REACT_NONE)
        return false;
    for (size_t i = 0; v->stage && i < v->stage->n; i++) {
        if (!strcmp(str(d->rule), str(v->stage->v[i].test)))
            return false;
    }
    return true;
}

static void verdict(struct explain_page *p, const struct explain_view *v, const struct app *a,
                    const struct view_data *d)
{
    char title[80], right[160], t[FMT_MAX], age[FMT_MAX], text[EXPLAIN_TEXT], line[2 * EXPLAIN_TEXT];
    int wave = v->w ? v->w->wave.index : -1;
    struct look st = state_trial(v->t);
    snprintf(title, sizeof title, "verdict W%d", wave);
    if (v->t->ended)
        snprintf(right, sizeof right, "%s %s  tests ran up to %s", st.glyph, st.word, parts_when(a, d, t, v->t->tick));
    else if (v->t->tick > 0)
        snprintf(right, sizeof right, "%s %s  evidence up to %s, %s old", st.glyph, st.word,
                 parts_time(a, d, t, v->t->tick), fmt_dur(age, v->now > v->t->tick ? v->now - v->t->tick : 0));
    else
        snprintf(right, sizeof right, "%s %s", st.glyph, st.word);
    explain_heading(p, title, right);
    explain_wave(v->t, wave, text, sizeof text);
    struct look l = v->w && v->w->watched ? state_reaction(v->w->verdict.react) : state_reaction(REACT_NONE);
    bool judged = v->w && v->w->watched;
    if (judged && v->w->verdict.data_missing)
        l = (struct look){.glyph = "!", .word = "no data", .role = ROLE_LOST};
    else if (!judged || (explain_blind(v->t, wave) && v->w->verdict.react == REACT_NONE))
        l = (struct look){.glyph = "○", .word = "not judged", .role = ROLE_DIM};
    if (l.role == ROLE_DIM && (judged || v->t->ended))
        l.word = "no verdict by evidence";
    if (v->t->ended && v->stage && !explain_blind(v->t, wave))
        l = (struct look){.glyph = "✓", .word = "over", .role = ROLE_DONE};
    /* A wave that is over has no verdict any more, and a dry run gives none; what the tests reached stands. */
    enum reaction reached = explain_wave_reaction(&v->policy->evidence, v->t, wave);
    if (reached > (judged ? v->w->verdict.react : REACT_NONE) && l.role != ROLE_LOST) {
        l = state_reaction(reached);
        if (v->t->dry_run && reached > REACT_WATCH)
            l = (struct look){.glyph = "▲", .word = "would act", .role = ROLE_WARN};
    }
    snprintf(line, sizeof line, "%s %s  %s", l.glyph, l.word, text);
    explain_text(p, l.role, line);
    const struct stage_view *told = explain_told(v->t, wave);
    if (told)
        explain_text(p, told->placebo->word == PLACEBO_UNLIKE ? ROLE_WARN : ROLE_DIM, told->placebo_text);
    if (v->w && explain_had_release(v->w, text, sizeof text))
        explain_text(p, ROLE_WARN, text);
    if (judged && other_reason(v)) {
        snprintf(line, sizeof line, "%.60s: %s", *str(v->w->verdict.rule) ? v->w->verdict.rule : "limit",
                 v->w->verdict.text);
        explain_text(p, l.role, line);
    }
    if (v->w && v->w->health.installed < v->w->health.told && explain_installs(&v->w->health, text, sizeof text))
        explain_text(p, v->old ? ROLE_STALE : ROLE_TEXT, text);
    if (v->t->dry_run && v->t->state != TRIAL_OFF) {
        snprintf(line, sizeof line, "dry run: evidence is shown and logged, it never acts%s%s",
                 judged && v->w->verdict.would != REACT_NONE ? "; it would " : "",
                 judged && v->w->verdict.would != REACT_NONE ? explain_reaction_word(v->w->verdict.would) : "");
        explain_text(p, ROLE_WARN, line);
    }
    if (v->t->state == TRIAL_CATCHING) {
        progress(p, v);
    } else if (v->t->state == TRIAL_BEHIND) {
        explain_state(v->t, text, sizeof text);
        snprintf(line, sizeof line, "! %s. Evidence stands still; nothing new speaks for or against this wave.", text);
        explain_text(p, ROLE_LOST, line);
    }
}

static void promotion(struct explain_page *p, const struct explain_view *v)
{
    if (!v->w || v->w->wave.index != v->r->current || rollout_state_ended(v->r->rollout.state))
        return;
    explain_heading(p, "missing before the next wave", NULL);
    for (size_t i = 0; i < v->t->n_missing && i < sizeof v->t->missing / sizeof v->t->missing[0]; i++) {
        char line[300];
        snprintf(line, sizeof line, "○ %.280s", str(v->t->missing[i]));
        explain_text(p, ROLE_TEXT, line);
    }
    if (v->t->n_missing == 0)
        explain_text(p, ROLE_DIM,
                     v->t->state != TRIAL_LIVE                           ? "not known while evidence is not live"
                     : v->policy && v->policy->promotion == PROMOTE_HOLD ? "nothing"
                     : v->w->wave.index + 1 < (int)v->r->n_waves
                         ? "nothing that andon waits for: the server starts it by itself"
                         : "nothing: this is the last wave");
}

static void sight(struct explain_page *p, const struct explain_view *v)
{
    if (!v->stage || !*str(v->stage->plan_text))
        return;
    explain_heading(p, "what this wave can see", NULL);
    explain_text(p, v->stage->plan.blind ? ROLE_WARN : ROLE_TEXT, v->stage->plan_text);
}

static void promise(struct explain_page *p, const struct explain_view *v)
{
    struct explain_ledger l;
    char text[EXPLAIN_TEXT], n[FMT_MAX], m[FMT_MAX];
    int wave = v->w ? v->w->wave.index : 0;
    explain_heading(p, "the promise", "chance of a false halt");
    if (v->t->state == TRIAL_OFF && !v->t->ended) {
        explain_text(p, ROLE_DIM, "none: no evidence is gathered");
        return;
    }
    if (!explain_ledger(v->policy, v->t, wave, v->r->n_waves, &l)) {
        explain_text(p, ROLE_DIM, "none: the policy tests nothing");
        return;
    }
    explain_promise(v->policy, text, sizeof text);
    explain_text(p, ROLE_TEXT, text);
    explain_not_covered(v->policy, v->t, text, sizeof text);
    explain_text(p, ROLE_DIM, text);
    int used = snprintf(text, sizeof text, "alpha %.10s: of it %.10s for W%d", explain_percent(n, l.rollout),
                        explain_percent(m, l.wave), wave);
    for (int i = 0; i < l.metrics && used > 0 && (size_t)used < sizeof text; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%s %s", i ? ", " : " (", l.name[i],
                         explain_percent(n, l.metric[i]));
    if (used > 0 && (size_t)used < sizeof text)
        snprintf(text + used, sizeof text - (size_t)used, "), %s for installs of all waves",
                 explain_percent(n, l.install));
    explain_text(p, ROLE_DIM, text);
    if (*str(v->t->ledger.text))
        explain_text(p, ROLE_DIM, v->t->ledger.text);
    if (*str(v->t->ledger.note))
        explain_text(p, ROLE_WARN, v->t->ledger.note);
}

/* --- the page ---------------------------------------------------------------------------------------------------- */

static bool explain_build(struct explain_page *p, const struct app *a, const struct view_data *d, const struct frame *f,
                          int cols)
{
    struct explain_view v = {.now = d->now};
    memset(p, 0, sizeof *p);
    canvas_init(&p->c, EXPLAIN_ROWS, cols > 0 ? cols : 1);
    p->c.ascii = a->ascii;
    v.r = find_rollout(d, f->fleet, f->rollout, &v.s);
    if (!v.r)
        return false;
    v.w = wave_of(v.r, f->wave);
    v.t = &v.r->trial;
    v.stage = explain_stage(v.t, f->wave);
    v.policy = snapshot_policy(v.s, v.r);
    v.all = f->all;
    v.old = stands_still(&v);
    verdict(p, &v, a, d);
    explain_tests(p, &v);
    explain_carriers(p, &v);
    explain_shares(p, &v);
    explain_limits(p, &v);
    promotion(p, &v);
    sight(p, &v);
    promise(p, &v);
    return true;
}

/* Draws everything there is to say about wave `wave`. False when the rollout is not there (an empty page then). */
static void explain_page_release(struct explain_page *p)
{
    canvas_release(&p->c);
}

/* --- cursor ------------------------------------------------------------------------------------------------------ */

/* The cursor follows a device, a test, a limit or a heading, not a row. */
static void follow(struct list *l, const struct explain_page *p)
{
    char key[KEY_TEXT];
    if (l->cursor >= (size_t)p->n)
        l->cursor = p->n > 0 ? (size_t)p->n - 1 : 0;
    if (!l->sel[0] || p->n == 0)
        return;
    for (int away = 0; away < p->n; away++) {
        for (int k = 0; k < 2; k++) {
            int i = (int)l->cursor + (k ? -away : away);
            if (i < 0 || i >= p->n || !p->row[i].kind)
                continue;
            snprintf(key, sizeof key, "%c:%s", p->row[i].kind, p->row[i].id);
            if (!strcmp(key, l->sel)) {
                l->cursor = (size_t)i;
                return;
            }
        }
    }
}

static void remember(struct list *l, const struct explain_page *p)
{
    l->sel[0] = '\0';
    if (l->cursor < (size_t)p->n && p->row[l->cursor].kind)
        snprintf(l->sel, sizeof l->sel, "%c:%s", p->row[l->cursor].kind, p->row[l->cursor].id);
}

static void draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct frame *f = app_top(a);
    struct explain_page *p = xmalloc(sizeof *p);
    if (!explain_build(p, a, d, f, c->cols)) {
        canvas_printf(c, at.row + 1, 2, -1, ROLE_WARN, "rollout %s is not there any more (esc goes back)", f->rollout);
    } else {
        follow(&f->list, p);
        bool over = p->n > at.rows && at.rows > 1;
        int page = at.rows - over;
        list_clip(&f->list, (size_t)p->n, page);
        for (int i = 0; i < page && (int)f->list.top + i < p->n; i++) {
            int from = (int)f->list.top + i;
            if (at.row + i >= c->rows)
                break;
            memcpy(&c->cells[(size_t)(at.row + i) * (size_t)c->cols], &p->c.cells[(size_t)from * (size_t)p->c.cols],
                   (size_t)c->cols * sizeof *c->cells);
            if (from == (int)f->list.cursor && p->row[from].kind != 's')
                canvas_text(c, at.row + i, 0, 1, ROLE_STRONG, "▸");
        }
        int below = p->n - (int)f->list.top - page;
        if (over)
            canvas_printf(c, at.row + page, 2, -1, ROLE_DIM, below > 0 ? "↓ %d more" : "the end", below);
    }
    explain_page_release(p);
    free(p);
}

/* --- keys -------------------------------------------------------------------------------------------------------- */

static void other_wave(struct frame *f, const struct rollout_view *r, bool next)
{
    size_t i = 0;
    while (r && i < r->n_waves && r->waves[i].wave.index != f->wave)
        i++;
    if (!r || i >= r->n_waves || (next && i + 1 >= r->n_waves) || (!next && i == 0))
        return;
    f->wave = r->waves[next ? i + 1 : i - 1].wave.index;
    f->list = (struct list){0};
}

static void open_row(struct app *a, const struct rollout_view *r, const struct explain_page *p)
{
    struct frame *f = app_top(a);
    size_t i = f->list.cursor;
    if (i >= (size_t)p->n || p->row[i].kind != 'd' || !r) {
        app_say(a, false, "move to a device and press Enter to open it");
        return;
    }
    /* Rows hold ids as they may be shown, clipped; the engine wants them as the server has them. The carriers' rows
     * come in their order, whether or not their wave's list is the one that is read. */
    size_t nth = 0;
    for (size_t k = 0; k < i; k++)
        nth += p->row[k].kind == 'd';
    const struct trial_view *t = &r->trial;
    const char *raw = nth >= t->n_carriers ? p->row[i].id : str((t->carriers_raw ? t->carriers_raw : t->carriers)[nth]);
    char fleet[64], rollout[ID_MAX], device[256];
    snprintf(fleet, sizeof fleet, "%s", f->fleet);
    snprintf(rollout, sizeof rollout, "%s", f->rollout);
    snprintf(device, sizeof device, "%.255s", raw);
    app_push(a, VIEW_DEVICE, fleet, rollout, f->wave, device);
}

void explain_open(struct app *a, const char *fleet, const struct rollout_view *r, int wave)
{
    char of[64], id[ID_MAX];
    snprintf(of, sizeof of, "%s", fleet);
    snprintf(id, sizeof id, "%s", str(r->rollout.id));
    app_push(a, VIEW_EXPLAIN, of, id, wave >= 0 ? wave : r->current >= 0 ? r->current : 0, "");
}

static bool on_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    struct frame *f = app_top(a);
    const struct rollout_view *r = find_rollout(d, f->fleet, f->rollout, NULL);
    struct explain_page *p = xmalloc(sizeof *p);
    bool mine = true;
    explain_build(p, a, d, f, a->cols);
    follow(&f->list, p);
    if (list_key(&f->list, (size_t)p->n, key)) {
        remember(&f->list, p);
    } else if (key == '[' || key == ']') {
        other_wave(f, r, key == ']');
    } else if (key == KEY_LEFT_) {
        app_pop(a);
    } else if (key == KEY_ENTER_ || key == KEY_RIGHT_) {
        open_row(a, r, p);
    } else if (key == 'm') {
        f->all = !f->all;
    } else if (key == 'y') {
        char text[EXPLAIN_TEXT] = "";
        if (r)
            explain_wave(&r->trial, f->wave, text, sizeof text);
        app_copy(a, out, ACT_COPY, text, text);
        app_say(a, false, "copied the sentence");
    } else {
        mine = false;
    }
    explain_page_release(p);
    free(p);
    return mine;
}

static void crumb(const struct frame *f, const struct view_data *d, char *out, size_t size)
{
    char at[PARTS_AT];
    parts_at(f, d, at);
    snprintf(out, size, "%s › W%d why", at, f->wave);
}

static const char *const HINTS[] = {"esc",       "back", "↵", "device", "[ ]", "wave", "m",
                                    "all tests", OFFERS, "y", "copy",   "?",   "help", NULL};
const struct screen explain_screen = {draw, on_key, crumb, HINTS, NULL, find_own, false};
