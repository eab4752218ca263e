/* One rollout: its waves, the health of one of them beside control, the verdict, what holds it, what is under way. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/explain.h"
#include "core/text.h"
#include "views/app.h"

static const struct wave_view *shown_wave(const struct frame *f, const struct rollout_view *r)
{
    for (size_t i = 0; i < r->n_waves; i++) {
        if (r->waves[i].wave.index == f->wave)
            return &r->waves[i];
    }
    return r->n_waves ? &r->waves[0] : NULL;
}

enum { COL_DECIDED = 104 };

static void waves_header(struct canvas *c, int row, bool wide)
{
    canvas_fill(c, row, 0, -1, ROLE_HEADER, ' ');
    canvas_text(c, row, 2, -1, ROLE_HEADER, "STATE    WAVE");
    canvas_right(c, row, 28, 6, ROLE_HEADER, "SHARE");
    canvas_right(c, row, 35, 9, ROLE_HEADER, "TARGET");
    canvas_right(c, row, 45, 9, ROLE_HEADER, "DONE");
    canvas_right(c, row, 55, 7, ROLE_HEADER, "FAILED");
    canvas_text(c, row, 64, -1, ROLE_HEADER, "VERDICT");
    if (wide) {
        canvas_text(c, row, 76, -1, ROLE_HEADER, "RUN/BAKE");
        canvas_text(c, row, 88, -1, ROLE_HEADER, "EVIDENCE");
        canvas_text(c, row, COL_DECIDED, -1, ROLE_HEADER, "DECIDED BY");
    }
}

static void soak_text(const struct snapshot *s, const struct wave_view *w, int64_t now, char *out, size_t size)
{
    char a[FMT_MAX], b[FMT_MAX];
    if (w->running_since <= 0) {
        snprintf(out, size, "-");
        return;
    }
    int64_t ran = (w->ended_at > 0 ? w->ended_at : now) - w->running_since;
    fmt_dur(a, ran);
    if (s->policy && s->policy->bake_us > 0)
        snprintf(out, size, "%s/%s", a, fmt_dur(b, s->policy->bake_us));
    else
        snprintf(out, size, "%s", a);
}

static void wave_row(struct canvas *c, int row, const struct snapshot *s, const struct rollout_view *r,
                     const struct wave_view *w, double before, int64_t now, bool wide)
{
    char n[FMT_MAX], line[160];
    enum role num = state_stale(s, now) ? ROLE_STALE : ROLE_TEXT;
    struct look l = state_wave(r, w);
    const struct counts *k = &w->wave.counts;
    canvas_printf(c, row, 2, 8, l.role, "%s %s", l.glyph, l.word);
    canvas_printf(c, row, 11, 16, ROLE_TEXT, "W%d %.200s", w->wave.index, str(w->wave.name));
    double share = r->rollout.total > 0 ? (before + (double)w->wave.total) / (double)r->rollout.total : NAN;
    canvas_right(c, row, 28, 6, num, fmt_percent(n, share));
    canvas_right(c, row, 35, 9, num, fmt_count(n, w->wave.total));
    canvas_right(c, row, 45, 9, num, k->known ? fmt_count(n, k->finished) : "?");
    canvas_right(c, row, 55, 7, k->known && k->error > 0 ? ROLE_BAD : num, k->known ? fmt_count(n, k->error) : "?");
    if (w->watched) {
        /* What its tests reached stands when the wave is over and has no verdict any more. */
        const struct policy *p = snapshot_policy(s, r);
        enum reaction reached =
            r->trial.dry_run ? REACT_NONE : explain_wave_reaction(&p->evidence, &r->trial, w->wave.index);
        const char *text;
        struct look v = reached > w->verdict.react ? state_reaction(reached) : state_verdict(s, w, &text);
        canvas_printf(c, row, 64, wide ? 11 : -1, v.role, "%s %s", v.glyph,
                      w->verdict.data_missing ? "no data" : v.word);
    } else {
        canvas_text(c, row, 64, -1, ROLE_DIM, "-");
    }
    if (wide) {
        soak_text(s, w, now, line, sizeof line);
        canvas_text(c, row, 76, 11, num, line);
        state_evidence(r, w->wave.index, true, line, sizeof line);
        canvas_text(c, row, 88, COL_DECIDED - 89, num == ROLE_STALE ? num : state_evidence_role(s, r, w->wave.index),
                    *line ? line : "-");
        canvas_text(c, row, COL_DECIDED, -1, ROLE_TEXT, *str(w->decided_by) ? w->decided_by : "-");
    }
}

static int draw_waves(struct app *a, const struct view_data *d, struct canvas *c, int row, int max,
                      const struct snapshot *s, const struct rollout_view *r)
{
    struct frame *f = app_top(a);
    char title[80];
    snprintf(title, sizeof title, "waves %zu%s", r->n_waves, r->rollout.caps & CAP_OWN_WAVES ? ", kept by andon" : "");
    parts_rule(c, row, title, str(r->rollout.name));
    if (!r->waves_known) {
        canvas_text(c, row + 1, 2, -1, ROLE_DIM, "the waves are being read");
        return row + 2;
    }
    bool wide = c->cols >= 100;
    waves_header(c, row + 1, wide);
    int page = (int)r->n_waves < max ? (int)r->n_waves : max;
    for (size_t i = 0; i < r->n_waves; i++) {
        if (r->waves[i].wave.index == f->wave)
            f->list.cursor = i;
    }
    list_clip(&f->list, r->n_waves, page);
    double before = 0;
    for (size_t i = 0; i < f->list.top; i++)
        before += (double)r->waves[i].wave.total;
    for (int i = 0; i < page; i++) {
        const struct wave_view *w = &r->waves[f->list.top + (size_t)i];
        wave_row(c, row + 2 + i, s, r, w, before, d->now, wide);
        before += (double)w->wave.total;
        if (f->list.top + (size_t)i == f->list.cursor) {
            canvas_text(c, row + 2 + i, 0, 1, ROLE_STRONG, "▸");
            canvas_select(c, row + 2 + i, 0, -1);
        }
    }
    return row + 2 + page;
}

/* --- verdict and limits ------------------------------------------------------------------------------------------ */

void rollout_limit(struct canvas *c, int row, const struct limit_view *v, int64_t now, bool stale)
{
    char x[FMT_MAX], y[FMT_MAX], z[FMT_MAX];
    const struct limit *m = v->limit;
    if (!m)
        return;
    struct look l = state_limit(v->status);
    struct harm harm = harm_of(v->figure, v->value, v->against, v->ratio);
    int col = 2 + canvas_printf(c, row, 2, -1, l.role, "%s %-7s ", l.glyph, l.word);
    canvas_printf(c, row, col, 16, ROLE_STRONG, "%.60s", str(m->id));
    col += 17;
    enum role num = stale || v->status == LIMIT_UNKNOWN ? ROLE_STALE : ROLE_TEXT;
    if (m->basis == BASIS_RELATIVE)
        col += canvas_printf(c, row, col, -1, num,
                             v->figure->diff ? "%s %s vs %s, %s (limit %+g)" : "%s %s vs %s, %s (limit %gx)",
                             str(m->metric), harm_value(x, v->figure, v->value), harm_value(y, v->figure, v->against),
                             harm_brief(z, &harm), m->value);
    else
        col += canvas_printf(c, row, col, -1, num, "%s %s (limit %s)", str(m->metric),
                             harm_value(x, v->figure, v->value), harm_value(y, v->figure, m->value));
    if (v->since > 0 && v->status == LIMIT_PENDING)
        col += canvas_printf(c, row, col, -1, num, ", for %s of %s", fmt_dur(x, now - v->since), fmt_dur(y, m->for_us));
    else if (v->since > 0 && v->status == LIMIT_BREACH)
        col += canvas_printf(c, row, col, -1, num, ", for %s", fmt_dur(x, now - v->since));
    /* What it does is the last to be cut: the count of devices gives way. */
    char does[64];
    snprintf(does, sizeof does, "→ %s%s", reaction_word(m->react), m->dry_run ? " (dry run)" : "");
    int need = text_width(does) + 1;
    if (v->devices > 0) {
        char many[FMT_MAX + 16];
        snprintf(many, sizeof many, ", %s device%s", fmt_count(x, v->devices), v->devices == 1 ? "" : "s");
        if (col + text_width(many) + need <= c->cols)
            col += canvas_text(c, row, col, -1, num, many);
    }
    canvas_text(c, row, col + 1, -1, ROLE_DIM, does);
}

/* Is there anything to say about the evidence for this wave? */
static bool has_evidence(const struct rollout_view *r, const struct wave_view *w)
{
    char text[EXPLAIN_TEXT];
    state_evidence(r, w->wave.index, false, text, sizeof text);
    return text[0] || (r->trial.state == TRIAL_WAITING && r->current == w->wave.index);
}

/* The leading test in one line; `e` says all. */
static void draw_evidence(struct canvas *c, int row, const struct snapshot *s, const struct rollout_view *r,
                          const struct wave_view *w, bool stale)
{
    char text[EXPLAIN_TEXT], who[EXPLAIN_TEXT] = "";
    const struct stage_view *g = explain_stage(&r->trial, w->wave.index);
    state_evidence(r, w->wave.index, false, text, sizeof text);
    if (!text[0])
        explain_state(&r->trial, text, sizeof text);
    else if (g && g->leading >= 0 && (size_t)g->leading < g->n && r->trial.state == TRIAL_LIVE)
        explain_who(&g->v[g->leading], g->which[g->leading], who, sizeof who);
    enum role role = stale ? ROLE_STALE : state_evidence_role(s, r, w->wave.index);
    int x = 2 + canvas_printf(c, row, 2, c->cols - 12, role, "%.120s%s%.200s", text, *who ? ": " : "", who);
    canvas_text(c, row, x + 2, -1, ROLE_DIM, "e why");
}

static int draw_verdict(const struct app *a, const struct view_data *d, struct canvas *c, int row, int end,
                        const struct snapshot *s, const struct rollout_view *r, const struct wave_view *w)
{
    char title[32], seen[FMT_MAX], of[FMT_MAX], age[FMT_MAX], right[160];
    bool stale = state_stale(s, d->now);
    snprintf(title, sizeof title, "verdict W%d", w->wave.index);
    snprintf(right, sizeof right, "%s of %s report, newest %s old", fmt_count(seen, w->health.canary.reporting),
             fmt_count(of, w->health.canary.expected), fmt_dur(age, w->health.data_age));
    parts_rule(c, row++, title, w->watched && w->health.canary.expected > 0 ? right : NULL);
    if (!w->watched) {
        char why[EXPLAIN_TEXT];
        state_unjudged(s, r, w, why);
        return row + parts_wrap(c, row, 2, c->cols - 3, end - row < 3 ? end - row : 3, ROLE_DIM, why);
    }
    char text[EXPLAIN_TEXT];
    struct look l = state_sentence(s, r, w, text);
    /* A verdict that halted keeps the words of that moment: say of which, for the limits below go on. */
    char then[FMT_MAX] = "";
    bool kept = r->halted_at > 0 && state_halting(r, w);
    if (kept)
        parts_when(a, d, then, r->halted_at);
    int used = canvas_printf(c, row, 2, -1, l.role, "%s %s  %s%s", l.glyph, l.word, then, kept ? ": " : "");
    int most = row + 2 + (int)w->verdict.n_limits > end ? 1 : 2;
    int lines = parts_wrap(c, row, 2 + used, c->cols - used - 3, most, l.role, text);
    row += lines > 0 ? lines : 1;
    const struct stage_view *told = explain_told(&r->trial, w->wave.index);
    if (told && told->placebo->word == PLACEBO_UNLIKE && row < end)
        canvas_printf(c, row++, 2, c->cols - 3, ROLE_WARN, "! placebo test: %s; e why", told->placebo_brief);
    if (w->verdict.data_missing && row < end)
        canvas_printf(c, row++, 2, c->cols - 3, ROLE_LOST, "! data missing for %s: unknown is not healthy",
                      fmt_dur(age, w->verdict.unknown_since > 0 ? d->now - w->verdict.unknown_since : 0));
    if (w->health.control_frozen_at > 0 && row < end)
        canvas_printf(c, row++, 2, c->cols - 3, ROLE_DIM, "control: as last measured %s, %s devices; too few are left",
                      parts_when(a, d, age, w->health.control_frozen_at), fmt_count(of, w->health.control.expected));
    if (row < end && has_evidence(r, w))
        draw_evidence(c, row++, s, r, w, stale);
    size_t n = w->verdict.n_limits;
    for (size_t i = 0; i < n && row < end; i++, row++) {
        if (row == end - 1 && i + 1 < n)
            canvas_printf(c, row, 2, -1, ROLE_DIM, "… %zu more limits", n - i);
        else
            rollout_limit(c, row, &w->verdict.limits[i], d->now, stale);
    }
    return row;
}

/* --- what is under way ------------------------------------------------------------------------------------------- */

static int draw_rollback(const struct view_data *d, struct canvas *c, int row, int end, const struct rollout_view *r)
{
    const struct rollback_view *b = &r->rollback;
    char n[6][FMT_MAX], title[120], ago[FMT_MAX];
    snprintf(title, sizeof title, "roll back to %.60s: %s", str(b->to), rollback_word(b));
    char since[64];
    snprintf(since, sizeof since, "started %s", parts_ago(ago, d->now, b->started));
    parts_rule(c, row++, title, b->started > 0 ? since : NULL);
    if (row < end)
        canvas_printf(c, row++, 2, c->cols - 3, ROLE_TEXT, "%s of %s verified back   never had it %s   draining %s",
                      fmt_count(n[0], b->verified), fmt_count(n[1], b->devices), fmt_count(n[2], b->never_had),
                      fmt_count(n[3], b->draining));
    if (row < end)
        canvas_printf(c, row++, 2, c->cols - 3, b->failed + b->unknown > 0 ? ROLE_WARN : ROLE_TEXT,
                      "failed %s   repairing %s   offline %s   unknown %s", fmt_count(n[0], b->failed),
                      fmt_count(n[1], b->repairing), fmt_count(n[2], b->offline), fmt_count(n[3], b->unknown));
    if (row < end && *str(b->text))
        row += parts_wrap(c, row, 2, c->cols - 3, 1, ROLE_TEXT, b->text);
    if (row < end && *str(b->left))
        canvas_printf(c, row++, 2, c->cols - 3, ROLE_WARN, "▲ left: %s", b->left);
    return row;
}

static enum role op_role(enum op_phase p)
{
    switch (p) {
    case OP_DONE:
        return ROLE_GOOD;
    case OP_REFUSED:
    case OP_FAILED:
        return ROLE_BAD;
    case OP_UNKNOWN:
        return ROLE_WARN;
    case OP_QUEUED:
    case OP_LOGGING:
    case OP_SENT:
    case OP_VERIFYING:
    case OP_RUNNING:
        return ROLE_TEXT;
    }
    return ROLE_TEXT;
}

/* Signed approvals: how many of how many, and the command by which one is given; the console does not sign. False: the
 * policy asks for none of what comes next, or the rollout has ended. */
static bool approval_line(const struct snapshot *s, const struct rollout_view *r, char out[500])
{
    const struct approval_state *a = r->approvals;
    enum verb v = approval_next(r->rollout.state, r->held);
    char names[200];
    if (!a || !r->policy || !approval_asked(r->policy, v) || rollout_state_ended(r->rollout.state))
        return false;
    int n = approval_people(a, v, NULL, names);
    if (!a->known)
        snprintf(out, 500, "signed approvals of %s: not known, %.200s", verb_word(v), str(a->problem));
    else
        snprintf(out, 500, "signed approvals of %s: %d of %d%s%s%s   andon approval %.60s/%.60s", verb_word(v), n,
                 r->policy->approval.require, n ? " (" : "", names, n ? ")" : "", str(s->fleet), str(r->rollout.id));
    return true;
}

/* Who starts the next wave. */
static const char *who_advances(const struct policy *p, const struct rollout_view *r, const struct wave_view *w)
{
    if (rollout_state_ended(r->rollout.state))
        return "the rollout has ended";
    if (p && p->promotion == PROMOTE_HOLD)
        return "a person advances";
    if (!(r->rollout.caps & CAP_OWN_WAVES))
        return "the server advances";
    return w && w->wave.success.present ? "andon advances" : "a person advances";
}

static int draw_now(struct app *a, const struct view_data *d, struct canvas *c, int row, int end,
                    const struct snapshot *s, const struct rollout_view *r, const struct wave_view *w)
{
    char n[FMT_MAX], t[FMT_MAX], title[120];
    const struct policy *p = s->policy;
    snprintf(title, sizeof title, "gate   policy %.60s", p ? str(p->name) : "-");
    parts_rule(c, row++, title, who_advances(p, r, w));
    struct halt_said halt = state_halt(r);
    if (row < end && *halt.word) {
        const char *now = r->in_flight < 0    ? "in flight: not known"
                          : r->in_flight == 0 ? "nothing in flight"
                                              : fmt_count(n, r->in_flight);
        bool said = state_halting(r, w);
        canvas_printf(c, row++, 2, c->cols - 3, ROLE_HALT, "✖ %s%s %s by %.60s%s%.60s, %s%s%s%.200s",
                      r->stop == STOP_HALTED && !r->stop_old ? "halted" : halt.title,
                      r->stop == STOP_HALTED && !r->stop_old ? "" : ": asked", parts_when(a, d, t, r->halted_at),
                      str(r->halted_by), *str(r->halted_host) ? " on " : "", str(r->halted_host), now,
                      r->in_flight > 0 ? " in flight still get it" : "", said ? "" : ": ",
                      said ? "" : str(r->halt_text));
        if (r->latched && row < end)
            canvas_printf(c, row++, 2, c->cols - 3, ROLE_TEXT, "%s%s",
                          r->rollback.step != RB_NONE ? "the halt is not acknowledged yet"
                                                      : "advance and resume are locked until the halt is acknowledged",
                          offer_verb(d, str(s->fleet), str(r->rollout.id), VERB_ACK, NULL) ? " (a)" : "");
    }
    if (row < end && r->rollout.state == ROLLOUT_PAUSED && !r->latched)
        canvas_printf(c, row++, 2, c->cols - 3, ROLE_PAUSE, "‖ paused by %s%s",
                      *str(r->paused_by) ? r->paused_by : "somebody not known to andon",
                      r->held ? " (held by andon)" : "");
    if (row < end && *state_next(r) && (r->rollback.step == RB_NONE || r->rollback.step == RB_DONE))
        canvas_printf(c, row++, 2, c->cols - 3, ROLE_TEXT, "next   %s", state_next(r));
    char signed_by[500];
    if (row < end && approval_line(s, r, signed_by))
        canvas_printf(c, row++, 2, c->cols - 3, ROLE_TEXT, "%s", signed_by);
    if (row < end && *str(r->rollback_of))
        canvas_printf(c, row++, 2, c->cols - 3, r->rollback_claimed ? ROLE_WARN : ROLE_BACK, "↶ %s%s%s%s%s%s%s",
                      r->rollback_claimed ? "says that it is a roll back of " : "roll back of ", r->rollback_of,
                      *str(r->rollback_by) ? ", by " : "", str(r->rollback_by), *str(r->rollback_host) ? " on " : "",
                      str(r->rollback_host),
                      r->rollback_claimed ? "; no key known here has signed that: it is judged like any other" : "");
    for (size_t i = 0; i < r->n_warnings && row < end; i++)
        canvas_printf(c, row++, 2, c->cols - 3, ROLE_WARN, "! %s", str(r->warnings[i]));
    for (size_t i = 0; i < s->n_ops && row < end; i++) {
        const struct op_view *o = &s->ops[i];
        if (strcmp(str(o->rollout), str(r->rollout.id)) != 0)
            continue;
        canvas_printf(c, row++, 2, c->cols - 3, op_role(o->phase), "%s %s by %.40s: %s %.200s %.200s",
                      parts_time(a, d, t, o->started), verb_word(o->verb), str(o->actor), op_phase_word(o->phase),
                      str(o->text), str(o->next));
    }
    if (row < end && *str(r->rollout.approval_by))
        canvas_printf(c, row++, 2, c->cols - 3, ROLE_DIM, "approval: %.60s %.200s", r->rollout.approval_by,
                      str(r->rollout.approval_remark));
    return row;
}

static int now_lines(const struct snapshot *s, const struct rollout_view *r)
{
    char signed_by[500];
    int n = 1 + (*state_halt(r).word ? 1 + r->latched : 0) + (r->rollout.state == ROLLOUT_PAUSED && !r->latched) +
            (*state_next(r) != 0) + approval_line(s, r, signed_by) + (int)r->n_warnings;
    for (size_t i = 0; i < s->n_ops; i++)
        n += !strcmp(str(s->ops[i].rollout), str(r->rollout.id));
    return n > 6 ? 6 : n;
}

static void draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct frame *f = app_top(a);
    const struct snapshot *s;
    const struct rollout_view *r = find_rollout(d, f->fleet, f->rollout, &s);
    int row = at.row, end = at.row + at.rows;
    if (!r) {
        canvas_printf(c, row + 1, 2, -1, ROLE_WARN, "rollout %s is not there any more (esc goes back)", f->rollout);
        return;
    }
    const struct wave_view *w = shown_wave(f, r);
    bool back = r->rollback.step != RB_NONE;
    /* Waves come first, then what holds the rollout, the verdict's limits, the charts. */
    int now = now_lines(s, r), least = r->n_waves > 6 ? 6 : (int)r->n_waves;
    int limits = w && w->watched ? (int)(w->verdict.n_limits > 5 ? 5 : w->verdict.n_limits) : 0;
    limits += w && w->watched && w->health.control_frozen_at > 0;
    limits += w && w->watched && has_evidence(r, w);
    int room = at.rows - 2 - least - (back ? 5 : 0);
    bool plots = w && w->watched && c->cols >= 96 && room - PLOT_ROWS >= 7;
    bool lines = !plots && w && w->watched && room - PLOT_LINES >= 6;
    room -= plots ? PLOT_ROWS : lines ? PLOT_LINES : 0;
    if (now + 2 + limits > room)
        now = room - 2 - limits < 3 ? 3 : room - 2 - limits;
    int waves = least + (room - now - 2 - limits > 0 ? room - now - 2 - limits : 0);
    row = draw_waves(a, d, c, row, waves < 2 ? 2 : waves, s, r);
    const struct figure *v[METRICS_MAX];
    size_t n = plots || lines ? plots_order(s, r, w, f->metric, v) : 0;
    if (plots)
        plots_draw(d, s, c, row, r, w, v, n), row += PLOT_ROWS;
    else if (lines)
        plots_lines(d, s, c, row, r, w, v, n), row += PLOT_LINES;
    if (back && row < end)
        row = draw_rollback(d, c, row, end, r);
    if (w && row < end)
        row = draw_verdict(a, d, c, row, end - now > row + 2 ? end - now : end, s, r, w);
    if (row < end)
        draw_now(a, d, c, row, end, s, r, w);
}

static bool on_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    struct frame *f = app_top(a);
    const struct snapshot *s;
    const struct rollout_view *r = find_rollout(d, f->fleet, f->rollout, &s);
    size_t n = r ? r->n_waves : 0;
    if (key == '[')
        key = KEY_UP_;
    else if (key == ']')
        key = KEY_DOWN_;
    if (list_key(&f->list, n, key)) {
        if (f->list.cursor < n)
            f->wave = r->waves[f->list.cursor].wave.index;
        return true;
    }
    switch (key) {
    case KEY_LEFT_:
        app_pop(a);
        return true;
    case KEY_ENTER_:
    case KEY_RIGHT_:
        if (r && n > 0)
            app_push(a, VIEW_DEVICES, f->fleet, f->rollout, shown_wave(f, r)->wave.index, "");
        return true;
    case 'o':
        if (r)
            plots_next(f->metric, &snapshot_policy(s, r)->evidence);
        return true;
    case 'e':
        if (r)
            explain_open(a, f->fleet, r, n > 0 ? shown_wave(f, r)->wave.index : -1);
        return true;
    case 'y':
        app_copy(a, out, ACT_COPY, f->rollout, f->rollout);
        app_say(a, false, "copied %s", f->rollout);
        return true;
    default:
        return false;
    }
}

static void crumb(const struct frame *f, const struct view_data *d, char *out, size_t size)
{
    const struct rollout_view *r = find_rollout(d, f->fleet, f->rollout, NULL);
    char at[PARTS_AT];
    parts_at(f, d, at);
    if (r && *str(r->rollout.release.name))
        snprintf(out, size, "%s %.60s %.40s", at, r->rollout.release.name, str(r->rollout.release.version));
    else
        snprintf(out, size, "%s %.80s", at, r ? str(r->rollout.name) : "");
}

static const char *const HINTS[] = {"esc",  "back", "↵",     "devices", "e",    "why", OFFERS, "?",
                                    "help", "l",    "audit", "[ ]",     "wave", "y",   "copy", NULL};
const struct screen rollout_screen = {draw, on_key, crumb, HINTS, NULL, find_own, false};
