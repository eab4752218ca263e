/* Verdict: limits with `for:`, evidence, lost telemetry (core/verdict_data.c); the most severe decides. */
#include "core/verdict.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/clock.h"
#include "core/detmath.h"
#include "core/fmt.h"
#include "core/harm.h"
#include "core/text.h"

#define EVALUATIONS_MIN 3
#define MISSING_MAX     2
/* Per look. A window of ten minutes gives some 150 independent looks a day, and looks between them count for about as
 * much again: a rollout in which nothing changes is halted by chance in well under one of a hundred days. */
#define CHANCE_RELATIVE 2e-5
#define CHANCE_MOST     1e-6
#define CHANCE_ABSOLUTE 1e-3

/* P(X >= k) for a Poisson variable of mean m, summed from the k-th term on; 1 when k <= m (no need to know). */
static double poisson_tail(int64_t k, double m)
{
    double term, sum, kd = (double)k;
    int sign;

    if (k <= 0 || kd <= m)
        return 1;
    if (!(m > 0))
        return 0;
    term = exp(kd * log(m) - m - lgamma_r(kd + 1, &sign));
    sum = term;
    for (int i = 1; i < 100000 && term > sum * 1e-17; i++) {
        term *= m / (kd + i);
        sum += term;
    }
    return sum;
}

/* Are the canary's events more than chance, given control? Counts devices, since one device's events come in
 * clusters: those that had one, those that had two (background reboots hardly ever do), or, when half of the canaries
 * are in it, the events themselves. */
static bool beyond_chance(const struct wave_health *h, int column)
{
    const struct count_health *c = &h->canary.column[column].count, *k = &h->control.column[column].count;
    double share;

    if (!(c->days > 0) || !(k->days > 0))
        return false;
    share = c->days / k->days;
    return poisson_tail(c->had, share * ((double)k->had + 1)) < CHANCE_RELATIVE ||
           (c->twice >= 2 && poisson_tail(c->twice, share * ((double)k->twice + 0.1)) < CHANCE_RELATIVE) ||
           (c->had * 2 >= h->canary.reporting &&
            poisson_tail(c->events, share * ((double)k->events + 1)) < CHANCE_MOST);
}

/* Devices that carry a change: at the highest level that the limit includes; all measured ones where there are no
 * baselines to tell. */
static int64_t over_level(const int32_t over[HEALTH_LEVELS], const double level[HEALTH_LEVELS], double limit,
                          int64_t measured)
{
    int64_t n = over[0];

    for (int l = 1; l < HEALTH_LEVELS && level[l] <= limit; l++)
        n = over[l];
    return n < 0 ? measured : n;
}

/* One limit and what it judges. */
struct judged {
    const struct limit *l;
    const struct wave_health *h;
    const struct figure *f;
    int8_t column; /* that it is of, -1: none */
};

static int64_t carriers(const struct judged *j)
{
    const struct group_health *c = &j->h->canary;
    const struct limit *l = j->l;

    if (j->f->kind == FIGURE_SHARE)
        return j->h->failed;
    if (j->column < 0)
        return 0;
    if (j->f->kind == FIGURE_RATE)
        return c->column[j->column].count.had;
    if (j->f->kind == FIGURE_P95 || (j->f->kind == FIGURE_MEAN && l->basis != BASIS_RELATIVE))
        return c->measured;
    const struct gauge_health *g = &c->column[j->column].gauge;
    if (j->f->diff)
        return c->measured;
    return over_level(l->under ? g->under : g->over, health_level[j->f->kind == FIGURE_OWN],
                      l->under ? 1 / l->value : l->value, c->measured);
}

/* Devices that could carry it. */
static int64_t limit_of(const struct judged *j)
{
    return j->f->kind == FIGURE_SHARE ? j->h->told : j->h->canary.expected;
}

static bool beyond(const struct judged *j, const struct limit_view *v)
{
    const struct limit *l = j->l;
    double x = l->basis == BASIS_RELATIVE ? v->ratio : v->value;

    if (!(l->under ? x < l->value : x > l->value) || v->devices < l->min_devices)
        return false;
    if (j->f->kind != FIGURE_RATE)
        return true;
    if (l->basis == BASIS_RELATIVE)
        return beyond_chance(j->h, j->column);
    const struct count_health *c = &j->h->canary.column[j->column].count;
    return poisson_tail(c->events, l->value * c->days) < CHANCE_ABSOLUTE;
}

bool limit_names(const struct limit *l, const char *device_id)
{
    return !l->device_class || !*l->device_class || glob_match(l->device_class, device_id);
}

/* The figures that limit i judges. */
static const struct wave_health *figures_of(const struct verdict_input *in, size_t i)
{
    return in->class_health && in->class_health[i] ? in->class_health[i] : in->health;
}

static bool applies(const struct limit *l, size_t i, const struct verdict_input *in)
{
    if (l->wave >= 0 && l->wave != in->wave_index)
        return false;
    if (in->class_health && in->class_health[i])
        return true;
    return limit_names(l, in->device_class ? in->device_class : "");
}

static void step_missing(const struct verdict_input *in, struct limit_state *st, struct limit_view *v)
{
    if (st->last_missing == 0 || in->interval_us <= 0 || in->now - st->last_missing >= in->interval_us) {
        st->last_missing = in->now;
        if (st->missing <= MISSING_MAX)
            st->missing++;
    }
    if (st->missing > MISSING_MAX) {
        st->since = 0;
        st->evaluations = 0;
    }
    v->status = st->since != 0 ? LIMIT_PENDING : LIMIT_UNKNOWN;
}

/* One limit, one evaluation. */
static void step_limit(const struct verdict_input *in, const struct judged *j, struct limit_state *st,
                       struct limit_view *v)
{
    const struct limit *l = j->l;
    const struct wave_health *h = j->h;
    bool install = j->f->kind == FIGURE_SHARE, latches = l->react > REACT_WATCH;
    int64_t newest = h->canary.newest > h->control.newest ? h->canary.newest : h->control.newest;
    int64_t t = install ? in->now : newest;
    double x;

    v->limit = l;
    v->figure = j->f;
    v->value = v->against = v->ratio = NAN;
    if (j->f != &figure_unknown) {
        v->value = h->value[j->f->number];
        v->against = h->against[j->f->number];
        v->ratio = h->ratio[j->f->number];
    }
    v->devices = carriers(j);
    x = l->basis == BASIS_RELATIVE ? v->ratio : v->value;
    if (isnan(x) || (!install && in->telemetry_expected && !in->telemetry_ok)) {
        step_missing(in, st, v);
    } else {
        bool over = beyond(j, v);

        st->missing = 0;
        st->last_missing = 0;
        if (t > st->last) {
            st->last = t;
            if (!over) {
                st->since = 0;
                st->evaluations = 0;
                st->tripped = st->tripped && latches;
            } else if (st->evaluations++ == 0) {
                st->since = t;
            }
        }
        v->status = st->since != 0 ? LIMIT_PENDING : LIMIT_OK;
        if (st->since != 0 && !st->tripped && st->evaluations >= EVALUATIONS_MIN && t - st->since >= l->for_us) {
            st->tripped = true;
            st->value = v->value;
            st->against = v->against;
            st->ratio = v->ratio;
            st->devices = v->devices;
            st->of = limit_of(j);
            st->tripped_at = t;
        }
    }
    if (st->tripped)
        v->status = LIMIT_BREACH;
    v->since = st->since;
}

/* snprintf that may clip: a sentence that is a little too long loses its end, not its sense. */
static void ANDON_PRINTF(3, 4) say(char *out, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(out, size, fmt, ap);
    va_end(ap);
}

/* "reboots 6.1 per device-day against 0.4 (15.2x, limit 3x) for 2m; 4 of 20 canaries". What has tripped says when: its
 * figures are of then. */
static void limit_text(char *out, size_t size, const struct judged *j, const struct limit_view *v,
                       const struct limit_state *st)
{
    const struct limit *l = v->limit;
    bool live = !st->tripped;
    struct harm harm =
        live ? harm_of(j->f, v->value, v->against, v->ratio) : harm_of(j->f, st->value, st->against, st->ratio);
    int64_t of = live ? limit_of(j) : st->of;
    char e[FMT_MAX], f[FMT_MAX], g[FMT_MAX], t[FMT_MAX], what[160], lim[40], time[80];

    if (l->basis == BASIS_RELATIVE) {
        say(lim, sizeof lim, j->f->diff ? ", limit %+g" : ", limit %gx", l->value);
        harm_figures(j->f, &harm, lim, what, sizeof what);
    } else {
        harm_absolute(j->f, harm.to, l->value, l->under, what, sizeof what);
    }
    if (live)
        snprintf(time, sizeof time, "for %.30s so far", fmt_dur(e, st->since > 0 ? st->last - st->since : 0));
    else if (l->for_us > 0)
        snprintf(time, sizeof time, "for %.30s, at %.30s", fmt_dur(e, l->for_us), fmt_hms(t, st->tripped_at));
    else
        snprintf(time, sizeof time, "at %.30s", fmt_hms(t, st->tripped_at));
    say(out, size, "%s %s; %s of %s %s", what, time, fmt_count(f, live ? v->devices : st->devices), fmt_count(g, of),
        j->f->kind == FIGURE_SHARE ? "devices told" : "canaries");
}

static void ANDON_PRINTF(4, 5) decide(struct verdict *out, enum reaction react, const char *rule, const char *fmt, ...)
{
    va_list ap;

    if (react <= out->react)
        return;
    out->react = react;
    out->rule = rule;
    va_start(ap, fmt);
    vsnprintf(out->text, sizeof out->text, fmt, ap);
    va_end(ap);
}

static void step_limits(const struct verdict_input *in, struct verdict_state *st, struct verdict *out)
{
    size_t n = in->policy->n_limits;
    enum reaction dry = REACT_NONE;

    if (n > VERDICT_LIMITS_MAX)
        n = VERDICT_LIMITS_MAX;
    for (size_t i = 0; i < n; i++) {
        const struct limit *l = &in->policy->limits[i];
        struct limit_view *v = &out->limits[out->n_limits];
        char text[200];
        enum reaction r;

        if (!applies(l, i, in))
            continue;
        int number = figure_find(&in->policy->evidence, l->metric);
        struct judged j = {.l = l, .h = figures_of(in, i), .f = &figure_unknown, .column = -1};
        if (number >= 0) {
            j.f = figure_of(&in->policy->evidence, (size_t)number);
            j.column = j.h->column[number];
        }
        step_limit(in, &j, &st->limit[i], v);
        out->n_limits++;
        if (v->status != LIMIT_BREACH && v->status != LIMIT_PENDING)
            continue;
        r = v->status == LIMIT_BREACH ? l->react : l->react > REACT_WATCH ? REACT_WATCH : l->react;
        if (l->dry_run) {
            dry = v->status == LIMIT_BREACH && r > dry ? r : dry;
            continue;
        }
        limit_text(text, sizeof text, &j, v, &st->limit[i]);
        decide(out, r, l->id, "%s", text);
    }
    out->would = dry; /* compared with react once that is known */
}

/* What the levels of evidence that a test has reached do. A watch needs no second device. Evidence that would pause and
 * was acknowledged acts no more, but it is still true: nobody is told that all is well. */
static enum reaction evidence_reacts(const struct evidence_policy *p, const struct evidence *v)
{
    enum reaction r = REACT_NONE;

    if (!(v->log_pause > 0))
        return r;
    if (v->dismissed)
        return v->log_e >= v->log_pause && v->devices >= v->min_devices ? REACT_WATCH : r;
    for (size_t i = 0; i < p->n_levels; i++) {
        const struct evidence_level *l = &p->level[i];

        if (v->log_e >= v->log_pause + det_log(l->times) && l->react > r &&
            (l->react <= REACT_WATCH || v->devices >= v->min_devices))
            r = l->react;
    }
    return r;
}

/* Of the tests whose evidence does the same the one with the most is named. */
static void step_evidence(const struct verdict_input *in, struct verdict *out)
{
    const struct evidence_policy *p = &in->policy->evidence;
    const struct evidence *most = NULL;
    enum reaction react = REACT_NONE;
    char text[sizeof out->text];

    for (size_t i = 0; i < in->n_evidence && p->tests != TESTS_OFF; i++) {
        const struct evidence *v = &in->evidence[i];
        enum reaction r = evidence_reacts(p, v);

        if (r > react || (most && r == react && v->log_e - v->log_pause > most->log_e - most->log_pause)) {
            most = v;
            react = r;
        }
    }
    if (p->tests == TESTS_DRY_RUN) {
        out->would = react > out->would ? react : out->would;
    } else if (most) {
        evidence_sentence(p, most, text, sizeof text);
        decide(out, react, most->test, "%s", text);
    }
}

static void step_data(const struct verdict_input *in, struct verdict_state *st, struct verdict *out)
{
    char text[sizeof out->text];
    enum reaction r = verdict_data_step(in, st, out, text, sizeof text);

    if (r != REACT_NONE)
        decide(out, r, VERDICT_RULE_LOST, "%s", text);
    else if (out->thin && out->react == REACT_NONE)
        memcpy(out->text, text, sizeof out->text);
}

/* What is said when nothing is wrong: of the first figures that are known. */
static void calm_text(const struct verdict_input *in, struct verdict *out)
{
    const struct evidence_policy *p = &in->policy->evidence;
    const struct wave_health *h = in->health;
    char e[FMT_MAX], f[FMT_MAX], what[2][100];
    int n = 0;

    if (!in->telemetry_expected) {
        snprintf(out->text, sizeof out->text, "%s",
                 !in->telemetry_source    ? "no telemetry is expected: no source is configured"
                 : h->canary.expected > 0 ? "telemetry has not been asked about this wave yet"
                                          : "no device of this wave counts yet");
        return;
    }
    fmt_count(e, h->canary.reporting);
    fmt_count(f, h->canary.expected);
    for (size_t i = 0; i < figure_count(p) && n < 2; i++) {
        struct harm harm = harm_of_metric(figure_of(p, i), h);

        if (!isnan(h->value[i]) && h->column[i] >= 0)
            harm_figures(figure_of(p, i), &harm, "", what[n], sizeof what[n]), n++;
    }
    if (n == 0)
        snprintf(out->text, sizeof out->text, "%.30s of %.30s canaries report; too early to say how they do", e, f);
    else
        say(out->text, sizeof out->text, "%s%s%s; %s of %s canaries report, within every limit", what[0],
            n > 1 ? "; " : "", n > 1 ? what[1] : "", e, f);
}

void verdict_step(const struct verdict_input *in, struct verdict_state *st, struct verdict *out)
{
    memset(out, 0, sizeof *out);
    out->rule = "";
    step_limits(in, st, out);
    step_evidence(in, out);
    step_data(in, st, out);
    if (in->waits_rule)
        decide(out, REACT_HOLD, in->waits_rule, "%s", in->waits);
    if (out->would <= out->react)
        out->would = REACT_NONE;
    if (out->react == REACT_NONE && !out->thin)
        calm_text(in, out);
}

void verdict_reset(struct verdict_state *st)
{
    memset(st->limit, 0, sizeof st->limit);
}

const char *limit_status_word(enum limit_status s)
{
    switch (s) {
    case LIMIT_OK:
        return "ok";
    case LIMIT_PENDING:
        return "pending";
    case LIMIT_BREACH:
        return "breach";
    case LIMIT_UNKNOWN:
        return "unknown";
    }
    return "?";
}
