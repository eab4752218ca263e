/* Panels below the board's list: connection (when data is old), peek at the selected rollout, pulse of the fleets. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/explain.h"
#include "core/text.h"
#include "views/app.h"

enum { SHOW_LINK = 1, SHOW_PEEK = 2, SHOW_PULSE = 4, SHOW_MORE = 8 };
enum { PEEK_ROWS = 5, PEEK_MORE = 2, PULSE_ROWS = 4, LINK_ROWS = 3 };

static const struct snapshot *worst_link(const struct view_data *d)
{
    for (size_t i = 0; i < d->n_snaps; i++) {
        if (d->snaps[i] && state_stale(d->snaps[i], d->now))
            return d->snaps[i];
    }
    return NULL;
}

int panels_rows(const struct view_data *d, int rows, size_t want, int *set)
{
    /* The list keeps the rows that it needs first. */
    int list = want < 6 ? 6 : want > 14 ? 14 : (int)want, used = 0;
    *set = 0;
    if (worst_link(d) && rows - LINK_ROWS >= 5)
        *set |= SHOW_LINK, used += LINK_ROWS;
    if (want > 0 && rows - used - PEEK_ROWS >= (list < 8 ? list : 8))
        *set |= SHOW_PEEK, used += PEEK_ROWS;
    if (rows - used - PULSE_ROWS >= list)
        *set |= SHOW_PULSE, used += PULSE_ROWS;
    if ((*set & SHOW_PEEK) && rows - used - PEEK_MORE >= list) /* room for sentences in full */
        *set |= SHOW_MORE, used += PEEK_MORE;
    return used;
}

static void connection(const struct snapshot *s, const struct app *a, const struct view_data *d, struct canvas *c,
                       int row)
{
    char age[FMT_MAX], t[FMT_MAX], line[400];
    parts_rule(c, row, "connection", str(s->fleet));
    const char *url = str(s->link.url), *host = strstr(url, "://");
    bool named = host && strstr(str(s->link.error), host + 3);
    snprintf(line, sizeof line, "%.160s%s%.200s", named ? "" : url, named ? "" : ": ",
             *str(s->link.error) ? s->link.error : "does not answer");
    canvas_text(c, row + 1, 2, c->cols - 3, ROLE_LOST, line);
    if (s->link.last_ok > 0)
        canvas_printf(c, row + 2, 2, c->cols - 3, ROLE_TEXT,
                      "Rows show the last good answer, %s old (%s). Halt (H) is always allowed.",
                      fmt_dur(age, d->now - s->link.last_ok), parts_time(a, d, t, s->link.last_ok));
    else
        canvas_printf(c, row + 2, 2, c->cols - 3, ROLE_TEXT, "%s", *str(s->link.next) ? s->link.next : "trying again");
}

static int metric(struct canvas *c, int row, int col, const struct wave_view *w, const struct figure *m,
                  const char *name, struct look l, bool stale)
{
    char a[FMT_MAX], b[FMT_MAX], line[160];
    snprintf(line, sizeof line, "%s %s vs %s  ", name, harm_value(a, m, w->health.value[m->number]),
             harm_value(b, m, w->health.against[m->number]));
    int x = col + canvas_text(c, row, col, -1, stale ? ROLE_STALE : ROLE_TEXT, line);
    x += canvas_text(c, row, x, -1, l.role, l.glyph);
    if (l.role != ROLE_GOOD)
        x += canvas_printf(c, row, x, -1, l.role, "%s%s", *l.glyph ? " " : "", l.word);
    return x + (c->cols >= 100 ? 4 : 2);
}

/* Without seconds: "09:41Z". */
static const char *short_when(const struct app *a, const struct view_data *d, char out[FMT_MAX], int64_t t)
{
    parts_when(a, d, out, t);
    size_t n = strlen(out);
    bool z = n > 0 && out[n - 1] == 'Z';
    if (n >= (z ? 9u : 8u))
        snprintf(out + n - (z ? 4 : 3), 3, "%s", z ? "Z" : "");
    return out;
}

/* As many as there is room for. */
static void peek_health(struct canvas *c, int row, const struct snapshot *s, const struct rollout_view *r,
                        const struct wave_view *w, bool blind)
{
    static const char *const wide[FIGURES_BUILTIN] = {"reboots/dev-day", "cpu mean", "cpu p95", "variance", "installs"};
    static const char *const brief[FIGURES_BUILTIN] = {"reboots", "cpu", "cpu", "var", "inst"};
    const struct figure *v[METRICS_MAX];
    size_t n = plots_order(s, r, w, "", v);
    int col = 2;
    for (size_t i = 0; i < n && i < PLOTS; i++) {
        const char *name = v[i]->number >= FIGURES_BUILTIN ? v[i]->phrase
                           : c->cols >= 100                ? wide[v[i]->number]
                                                           : brief[v[i]->number];
        col = metric(c, row, col, w, v[i], name, plots_look(s, r, w, v[i]), blind);
    }
}

/* Who reports, and where the evidence stands. */
static void peek_last(struct canvas *c, int row, const struct wave_view *w, const struct rollout_view *r,
                      const struct snapshot *s, bool missing, bool stale)
{
    char x[FMT_MAX], y[FMT_MAX], t[FMT_MAX], text[EXPLAIN_TEXT];
    int at = 2 + canvas_printf(c, row, 2, c->cols - 3, missing ? ROLE_LOST : ROLE_DIM,
                               "%s %s of %s report, newest %s old   ", missing ? "! telemetry missing:" : "telemetry",
                               fmt_count(x, w->health.canary.reporting), fmt_count(y, w->health.canary.expected),
                               fmt_dur(t, w->health.data_age));
    const struct stage_view *g = explain_stage(&r->trial, w->wave.index);
    state_evidence(r, w->wave.index, false, text, sizeof text);
    if (!*text)
        return;
    bool named = g && g->leading >= 0 && (size_t)g->leading < g->n && r->trial.state == TRIAL_LIVE;
    canvas_printf(c, row, at, c->cols - at - 1, stale ? ROLE_STALE : state_evidence_role(s, r, w->wave.index),
                  "%.200s  %.40s", text, named ? str(g->v[g->leading].test) : "");
}

/* Who is compared with whom, while that is done; after it what came of the installs. */
static int peek_groups(char *out, size_t size, const struct wave_view *w, const struct app *a,
                       const struct view_data *d)
{
    const struct wave_health *h = &w->health;
    char x[FMT_MAX], y[FMT_MAX], z[FMT_MAX], t[FMT_MAX];
    fmt_count(y, w->wave.total);
    if (!w->watched)
        return snprintf(out, size, "%s of %s installed", w->wave.counts.known ? fmt_count(x, h->installed) : "?", y);
    fmt_count(x, h->canary.expected);
    fmt_count(z, h->control.expected);
    if (h->control_frozen_at > 0)
        return snprintf(out, size, "canary %s of %s   control %s as of %s", x, y, z,
                        short_when(a, d, t, h->control_frozen_at));
    return snprintf(out, size, "canary %s of %s   control %s", x, y, h->control.expected > 0 ? z : "none");
}

/* A group's rollouts, a line each, as many as there is room for. */
static void peek_group(struct app *a, const struct view_data *d, struct canvas *c, int row, int rows, size_t g)
{
    char title[400], x[FMT_MAX], y[FMT_MAX], age[FMT_MAX];
    const struct rollout_view *r;
    const struct snapshot *s = NULL;
    size_t n = a->groups.v[g].n, shown = n <= (size_t)rows - 1 ? n : (size_t)rows - 2;
    group_title(a, d, g, title, sizeof title);
    size_t open = 0;
    for (size_t k = 0; (r = group_nth(a, d, g, k, &s)) != NULL; k++)
        open += !rollout_state_ended(r->rollout.state) && !r->rollout.deleted;
    parts_rule(c, row, title, open ? "↵ opens, H halts all" : "↵ opens");
    for (size_t k = 0; k < shown && (r = group_nth(a, d, g, k, &s)) != NULL; k++) {
        bool stale = state_stale(s, d->now);
        struct look l = state_rollout(r);
        int at = row + 1 + (int)k;
        canvas_printf(c, at, 2, 8, l.role, "%s %s", l.glyph, l.word);
        int col = 11 + canvas_printf(c, at, 11, c->cols / 2 - 12, ROLE_STRONG, "%.60s/%.60s", str(s->fleet),
                                     str(r->rollout.id));
        col = col < 34 ? 34 : col + 2;
        col += canvas_printf(c, at, col, -1, stale ? ROLE_STALE : ROLE_TEXT, "%s of %s   ",
                             r->rollout.counts.known ? fmt_count(x, r->rollout.counts.finished) : "?",
                             fmt_count(y, r->rollout.total));
        if (stale)
            canvas_printf(c, at, col, -1, ROLE_LOST, "! answered last %s",
                          s->link.last_ok > 0 ? parts_ago(age, d->now, s->link.last_ok) : "never");
        else
            canvas_text(c, at, col, -1, ROLE_TEXT, state_next(r));
    }
    if (shown < n)
        canvas_printf(c, row + rows - 1, 2, -1, ROLE_DIM, "and %zu more", n - shown);
}

static void peek(struct app *a, const struct view_data *d, struct canvas *c, int row, int rows)
{
    const struct snapshot *s;
    const struct rollout_view *r;
    char title[400], line[400], x[FMT_MAX], y[FMT_MAX], t[FMT_MAX], u[FMT_MAX];
    size_t g;
    if (group_selected(a, &g)) {
        peek_group(a, d, c, row, rows, g);
        return;
    }
    if (!board_selected(a, d, &s, &r)) {
        parts_rule(c, row, "peek", NULL);
        return;
    }
    snprintf(title, sizeof title, "peek %s %.60s %.40s → %.60s", str(r->rollout.id), str(r->rollout.release.name),
             str(r->rollout.release.version), str(s->fleet));
    parts_rule(c, row, title, NULL);
    bool stale = state_stale(s, d->now);
    enum role num = stale ? ROLE_STALE : ROLE_TEXT;
    const struct wave_view *w = r->current >= 0 && (size_t)r->current < r->n_waves ? &r->waves[r->current] : NULL;
    if (!w) {
        canvas_printf(c, row + 1, 2, -1, num, "%s   %s devices   no wave was told yet", str(r->rollout.name),
                      fmt_count(x, r->rollout.total));
    } else {
        int n = snprintf(line, sizeof line, "W%d of W0–W%zu   ", r->current, r->n_waves ? r->n_waves - 1 : 0);
        if (r->halted_at > 0 && n > 0 && (size_t)n < sizeof line)
            n += snprintf(line + n, sizeof line - (size_t)n, "%s %s by %.60s   ",
                          state_halt(r).true_now ? "halted" : "halt asked", short_when(a, d, u, r->halted_at),
                          str(r->halted_by));
        if (n > 0 && (size_t)n < sizeof line)
            n += peek_groups(line + n, sizeof line - (size_t)n, w, a, d);
        if (w->running_since > 0 && n > 0 && (size_t)n < sizeof line)
            n += snprintf(line + n, sizeof line - (size_t)n, "   started %s", short_when(a, d, t, w->running_since));
        if (w->running_since > 0 && w->ended_at > 0 && n > 0 && (size_t)n < sizeof line)
            snprintf(line + n, sizeof line - (size_t)n, "   ended %s", short_when(a, d, t, w->ended_at));
        canvas_text(c, row + 1, 2, c->cols - 3, num, line);
    }
    const struct rollback_view *b = &r->rollback;
    int at = row + 2, end = row + rows;
    if (b->step != RB_NONE) {
        canvas_printf(c, at++, 2, c->cols - 3, ROLE_BACK, "↶ roll back to %.80s: %s   %s of %s verified back",
                      str(b->to), rollback_word(b), fmt_count(x, b->verified), fmt_count(y, b->devices));
        at += parts_wrap(c, at, 2, c->cols - 3, end - at - 1, *str(b->left) ? ROLE_WARN : ROLE_TEXT,
                         *str(b->left) ? b->left : str(b->text));
    } else if (w && w->watched) {
        char text[EXPLAIN_TEXT];
        struct look l = state_sentence(s, r, w, text);
        peek_health(c, at++, s, r, w, stale || w->verdict.data_missing);
        snprintf(line, sizeof line, "%s %s  %.300s", l.glyph, l.word, text);
        at += parts_wrap(c, at, 2, c->cols - 3, rows > PEEK_ROWS ? 2 : 1, l.role, line);
    } else if (w) {
        char why[EXPLAIN_TEXT];
        state_unjudged(s, r, w, why);
        at += parts_wrap(c, at, 2, c->cols - 3, rows > PEEK_ROWS ? 3 : 2, ROLE_DIM, why);
    }
    bool seen = w && w->watched && b->step == RB_NONE, missing = seen && w->verdict.data_missing;
    if (r->n_warnings > 0 && !missing && at < end) {
        snprintf(line, sizeof line, "! %.300s", str(r->warnings[0]));
        at += parts_wrap(c, at, 2, c->cols - 3, rows > PEEK_ROWS ? 2 : 1, ROLE_WARN, line);
    }
    if (seen && w->health.canary.expected > 0 && at < end)
        peek_last(c, at, w, r, s, missing, stale);
}

static float newest(const float *v)
{
    for (int i = TREND_N - 1; i >= 0; i--) {
        if (isfinite(v[i]))
            return v[i];
    }
    return NAN;
}

static void sum_trend(const struct view_data *d, float out[TREND_N], bool failed)
{
    for (int k = 0; k < TREND_N; k++) {
        out[k] = NAN;
        for (size_t i = 0; i < d->n_snaps; i++) {
            const struct snapshot *s = d->snaps[i];
            float v = !s ? NAN : failed ? s->failed_trend[k] : s->updating_trend[k];
            if (isfinite(v))
                out[k] = isfinite(out[k]) ? out[k] + v : v;
        }
    }
}

static void pulse(const struct app *a, const struct view_data *d, struct canvas *c, int row)
{
    float up[TREND_N], bad[TREND_N];
    char n[FMT_MAX], m[FMT_MAX], x[FMT_MAX], t[FMT_MAX], line[300];
    sum_trend(d, up, false);
    sum_trend(d, bad, true);
    parts_rule(c, row, "pulse", NULL);
    int spark = c->cols >= 110 ? TREND_N : c->cols >= 94 ? 18 : c->cols >= 70 ? 8 : 4;
    int col = 2 + canvas_text(c, row + 1, 2, -1, ROLE_TEXT, "devices updating  ");
    canvas_spark(c, row + 1, col, spark, ROLE_CANARY, up, TREND_N, 0);
    col += spark + 2;
    col += canvas_printf(c, row + 1, col, -1, ROLE_TEXT, "%s/min   ", fmt_num(n, (double)newest(up)));
    col += canvas_text(c, row + 1, col, -1, ROLE_TEXT, "failed installs  ");
    canvas_spark(c, row + 1, col, spark, ROLE_CANARY, bad, TREND_N, 0);
    col += spark + 2;
    canvas_printf(c, row + 1, col, -1, ROLE_TEXT, "%s/min", fmt_num(m, (double)newest(bad)));

    int64_t commands = 0, refused = 0, pending = 0;
    const struct audit_view *au = NULL;
    for (size_t i = 0; i < d->n_snaps; i++) {
        const struct snapshot *s = d->snaps[i];
        if (!s)
            continue;
        commands += s->audit.commands, refused += s->audit.refused, pending += s->audit.pending;
        if (!au || s->audit.degraded || !s->audit.open)
            au = &s->audit;
    }
    snprintf(line, sizeof line, "commands sent %s  refused %s  pending %s   ", fmt_count(n, commands),
             fmt_count(m, refused), fmt_count(x, pending));
    col = 2 + canvas_text(c, row + 2, 2, -1, ROLE_TEXT, line);
    if (!au || (!au->open && !*str(au->error)))
        canvas_text(c, row + 2, col, -1, ROLE_DIM, "audit ○ not open yet");
    else if (!au->open)
        canvas_printf(c, row + 2, col, -1, ROLE_WARN, "▲ audit: no log (%s): only halts", au->error);
    else if (au->degraded && au->backlog == 0)
        canvas_text(c, row + 2, col, -1, ROLE_BAD, "▲ audit: reading or writing it failed");
    else if (au->degraded)
        canvas_printf(c, row + 2, col, -1, ROLE_BAD, "▲ audit: %s entries wait to be logged late",
                      fmt_count(n, au->backlog));
    else if (*str(au->doubt))
        canvas_text(c, row + 2, col, -1, ROLE_BAD, "▲ audit: a witness contradicts it");
    else
        canvas_printf(c, row + 2, col, -1, au->verified ? ROLE_GOOD : ROLE_DIM, "audit %s #%s (%s)",
                      au->verified ? "✓ end verified," : "○ not verified yet,", fmt_count(n, au->size),
                      parts_time(a, d, t, au->checkpoint_t));
}

void panels_draw(struct app *a, const struct view_data *d, struct canvas *c, int row, int set)
{
    const struct snapshot *s = worst_link(d);
    if (set & SHOW_LINK)
        connection(s, a, d, c, row), row += LINK_ROWS;
    if (set & SHOW_PEEK)
        peek(a, d, c, row, set & SHOW_MORE ? PEEK_ROWS + PEEK_MORE : PEEK_ROWS),
            row += set & SHOW_MORE ? PEEK_ROWS + PEEK_MORE : PEEK_ROWS;
    if (set & SHOW_PULSE)
        pulse(a, d, c, row);
}
