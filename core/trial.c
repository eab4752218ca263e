/* Trial: facts and the time line. Ticks are in core/trial_tick.c, results in core/trial_view.c. */
#include "core/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/design.h"
#include "core/detmath.h"
#include "core/trial_state.h"

_Static_assert((int)TEST_SILENT == (int)PASSAGE_SILENT && (int)TEST_STUCK == (int)PASSAGE_STUCK &&
                   (int)TEST_CPU == (int)PASSAGE_COUNT && (int)TEST_VARIANCE == (int)TEST_CPU + BULK_VARIANCE,
               "tests and passages have the same numbers");
_Static_assert(TRIAL_STRATA == PASSAGE_STRATA && TRIAL_WAVES == LEDGER_WAVES, "limits agree");
_Static_assert((int)ROW_REBOOTS == (int)LEDGER_REBOOT && (int)ROW_VARIANCE == (int)LEDGER_VARIANCE,
               "rows have the ledger's order");

const char *trial_test_plain(enum trial_test t)
{
    return (unsigned)t < TEST_COUNT ? metric_test(&policy_default()->evidence, (int)t)->plain : "?";
}

bool trial_test_find(const char *word, enum trial_test *out)
{
    int i = metric_test_find(&policy_default()->evidence, word);
    if (i >= 0)
        *out = (enum trial_test)i;
    return i >= 0;
}

double trial_ten(void)
{
    return det_log(10);
}

bool trial_ledger(const struct evidence_policy *p, int waves, struct ledger *l)
{
    double sum = p->share[ROW_INSTALL];
    if (p->n_own > METRICS_OWN || !ledger_init(l, p->alpha, p->reserve, waves, p->share, p->share[ROW_INSTALL]))
        return false;
    for (int m = 0; m < LEDGER_METRICS; m++)
        sum += p->share[m];
    for (size_t i = 0; i < p->n_own; i++) {
        if (!(p->own[i].share >= 0))
            return false;
        sum += l->share[l->metrics++] = p->own[i].share;
    }
    return sum <= 1 + 1e-12;
}

double trial_alpha(const struct evidence_policy *p, const struct ledger *l, int s, int test)
{
    const struct metric_test *t = metric_test(p, test);
    int row = ledger_row(t->metric);
    return design_alpha(p->design, t, row < 0 ? ledger_install(l) : ledger_alpha(l, s, row));
}

static bool ratio_ok(double r)
{
    return r >= 1 && r <= 1e6;
}

bool trial_spec_ok(const struct trial_spec *s, struct err *e)
{
    const struct evidence_policy *p = &s->policy;
    struct ledger l;
    if (s->waves < 1 || s->waves > TRIAL_WAVES)
        return err_set(e, ERR_RANGE, "", "a trial has 1 to %d waves, not %d", TRIAL_WAVES, s->waves);
    if (s->step_us < US_PER_S || s->step_us > US_PER_HOUR || s->start < s->step_us || s->start > INT64_MAX / 8)
        return err_set(e, ERR_RANGE, "", "a trial's start and step must be sane times");
    if (s->grace_us < 0 || s->grace_us > 30 * US_PER_DAY || s->silence_us < s->step_us ||
        s->silence_us > 30 * US_PER_DAY)
        return err_set(e, ERR_RANGE, "",
                       "a trial's grace and silence must be at most 30 days, silence at least a step");
    if (!trial_ledger(p, s->waves, &l) || metric_tests(p) > TESTS_MAX)
        return err_set(e, ERR_RANGE, "shares of alpha must not be negative and sum to at most 1",
                       "this policy gives no alpha ledger");
    if (!ratio_ok(p->tolerance[ROW_REBOOTS]) || !ratio_ok(p->tolerance[ROW_CPU]) ||
        !ratio_ok(p->tolerance[ROW_VARIANCE]) || !(p->tolerance[ROW_INSTALL] >= 0 && p->tolerance[ROW_INSTALL] < 1) ||
        p->min_devices < 1)
        return err_set(e, ERR_RANGE, "", "a tolerance of this policy is out of range");
    if (p->design < 0 || p->design > DESIGN_NOW)
        return err_set(e, ERR_UNSUPPORTED, "a newer andon knows them", "tests of a design that is not known");
    for (size_t i = 0; i < p->n_own; i++)
        if (p->own[i].kind <= KIND_SPREAD && p->own[i].kind != KIND_COUNTER &&
            (!(p->own[i].diff ? p->own[i].tolerance >= 0 && p->own[i].tolerance <= 1e6
                              : ratio_ok(p->own[i].tolerance)) ||
             p->own[i].window_us < US_PER_MIN || p->own[i].window_us > US_PER_DAY))
            return err_set(e, ERR_RANGE, "", "tolerance or window of the metric %s are out of range", p->own[i].id);
    return true;
}

/* ---- metrics ---- */

/* Gauges, counters and rank tests of the policy. */
static void lay_out(struct trial *t)
{
    const struct evidence_policy *p = &t->spec.policy;
    t->n_tests = metric_tests(p);
    gauge_init(&t->gauge[BULK_CPU], p, ROW_CPU);
    gauge_init(&t->gauge[BULK_VARIANCE], p, ROW_VARIANCE);
    t->n_gauges = BULK_BUILTIN;
    for (size_t row = METRICS_BUILTIN; row < metric_count(p); row++) {
        enum metric_kind k = p->own[row - METRICS_BUILTIN].kind;
        if (k == KIND_ACTIVATION)
            t->activation = t->activation ? t->activation : (size_t)metric_column(p, row);
        else if (k == KIND_GAUGE || k == KIND_SPREAD)
            gauge_init(&t->gauge[t->n_gauges++], p, row);
        else
            tally_init(&t->tally[t->n_tallies++], p, row);
    }
    for (int i = 0; i < t->n_tests; i++) {
        const struct metric_test *test = metric_test(p, i);
        t->rank[i] = -1;
        if (test->rule != RULE_SHIFT)
            continue;
        t->rank[i] = (int8_t)t->n_ranks;
        for (size_t g = 0; g < t->n_gauges; g++)
            if (t->gauge[g].row == test->metric)
                *(test->down ? &t->gauge[g].down : &t->gauge[g].up) = (int8_t)t->n_ranks;
        t->n_ranks++;
    }
    for (size_t g = 0; g < t->n_gauges; g++)
        t->windowed |= t->gauge[g].levels;
    t->passages = PASSAGE_BUILTIN | t->windowed;
    for (size_t c = 0; c < t->n_tallies; c++)
        t->passages |= t->tally[c].tests;
    t->risk.kinds = t->n_tests;
    for (int i = 0; i < t->n_tests; i++)
        trial_wait_for(t, i);
}

uint64_t trial_shows(const struct trial *t, size_t i)
{
    uint64_t bits = watched_shows(&t->w[i]);
    if (!t->marks)
        return bits;
    for (size_t g = 0; g < t->n_gauges; g++)
        bits |= gauge_based(&t->gauge[g], (double)trial_series(t, g, i)->base) ? t->gauge[g].levels : 0;
    for (size_t c = 0; c < t->n_tallies; c++)
        bits |= !isnan(t->tally[c].own[i].value) ? t->tally[c].tests : 0;
    return bits;
}

void trial_grow(struct trial *t, size_t cap)
{
    t->cap = cap;
    t->w = xreallocarray(t->w, cap, sizeof *t->w);
    if (t->past) {
        t->past = xreallocarray(t->past, cap, sizeof *t->past);
        memset(t->past + t->n, 0, (cap - t->n) * sizeof *t->past);
    }
    if (t->n_tests > TEST_COUNT)
        t->marks = xreallocarray(t->marks, cap, sizeof *t->marks);
    for (size_t g = BULK_BUILTIN; g < t->n_gauges; g++)
        t->gauge[g].own = xreallocarray(t->gauge[g].own, cap, sizeof(struct series));
    for (size_t c = 0; c < t->n_tallies; c++)
        t->tally[c].own = xreallocarray(t->tally[c].own, cap, sizeof(struct counted));
    if (t->activation)
        t->activated = xreallocarray(t->activated, cap, sizeof *t->activated);
}

void trial_begin_past(struct trial *t)
{
    if (!t->past)
        t->past = xcalloc(t->cap ? t->cap : 1, sizeof *t->past);
}

struct trial *trial_new(const struct trial_spec *spec, struct err *e)
{
    if (!trial_spec_ok(spec, e))
        return NULL;
    struct trial *t = xcalloc(1, sizeof *t);
    t->spec = *spec;
    for (int i = 0; i < STRATA_KEYS_MAX; i++)
        t->spec.policy.strata[i] = NULL;
    t->spec.policy.control = NULL;
    trial_ledger(&spec->policy, spec->waves, &t->ledger);
    lay_out(t);
    t->told[0] = spec->start;
    t->n_told = 1;
    t->zero = spec->start / spec->step_us * spec->step_us;
    t->next = t->zero < spec->start ? t->zero + spec->step_us : t->zero;
    t->fresh = spec->start;
    t->due = t->join = t->next;
    t->room = JOURNAL_MAX;
    return t;
}

void trial_free(struct trial *t)
{
    if (!t)
        return;
    for (int s = 0; s < t->n_stages; s++) {
        free(t->stage[s]->journal.v);
        for (int k = 0; k < t->n_ranks; k++)
            bulk_release(&t->stage[s]->bulk[k]);
        free(t->stage[s]);
    }
    for (size_t g = BULK_BUILTIN; g < t->n_gauges; g++)
        free(t->gauge[g].own);
    for (size_t c = 0; c < t->n_tallies; c++)
        free(t->tally[c].own);
    free(t->install.v);
    free(t->activated);
    free(t->marks);
    free(t->past);
    free(t->w);
    free(t);
}

static void set_needs(const struct trial *t, int s, struct stage *g)
{
    for (int k = 0; k < t->n_tests; k++) {
        double alpha = trial_alpha(&t->spec.policy, &t->ledger, s, k);
        g->need[k] = alpha > 0 ? eprocess_needed(alpha) : INFINITY;
    }
}

bool trial_add_shares(struct trial *t, const double added[LEDGER_ALL], int from)
{
    if (t->ledger.drawn > 0)
        return ledger_has(&t->ledger, added, from);
    if (!ledger_add(&t->ledger, added, from))
        return false;
    for (int s = from; s < t->n_stages; s++)
        set_needs(t, s, t->stage[s]);
    return true;
}

/* The rank tests of a gauge: each at looks of the whole policy's grid of steps. */
static void start_ranks(const struct trial *t, struct stage *g, int32_t number)
{
    const struct evidence_policy *p = &t->spec.policy;
    int64_t step = t->spec.step_us;
    for (int i = 0; i < t->n_tests; i++) {
        const struct metric_test *test = metric_test(p, i);
        struct metric_def d;
        if (t->rank[i] < 0)
            continue;
        metric_get(p, test->metric, &d);
        int64_t first = (d.window_us + step - 1) / step, lag = (d.window_us - US_PER_MIN + step - 1) / step;
        if (d.kind != KIND_SPREAD)
            lag = 0;
        lag = (lag < first ? lag : first - 1) + trial_waits(t, test->metric);
        bulk_init(&g->bulk[t->rank[i]], i, test->down, d.diff, first, d.tolerance, number, (int32_t)lag);
    }
}

struct stage *trial_stage_new(const struct trial *t, int s, int64_t begin)
{
    struct stage *g = xcalloc(1, sizeof *g);
    g->begin = begin;
    set_needs(t, s, g);
    tail_init(&g->tail, &t->spec.policy);
    start_ranks(t, g, (int32_t)((begin - t->zero) / t->spec.step_us));
    return g;
}

/* ---- facts ---- */

static float baseline(const struct gauge *g, double v)
{
    return gauge_based(g, v) && fabs(v) < 1e30 ? (float)v : NAN;
}

/* Who is at risk is decided by the hour before the rollout, and of crash loops by the day, in either group. */
static uint64_t not_eligible(const struct trial *t, const struct trial_past *p)
{
    uint64_t bits = 0;
    if (p->hour[COL_REBOOTS] >= 3 || p->base[COL_REBOOTS] >= STRATA_BOOTS_LOOP)
        bits |= PASSAGE_BIT(PASSAGE_LOOP);
    if (p->last_t <= 0 || t->spec.start - p->last_t > t->spec.silence_us)
        bits |= PASSAGE_BIT(PASSAGE_SILENT) | PASSAGE_AWAYS;
    for (size_t g = 0; g < t->n_gauges; g++) {
        size_t c = t->gauge[g].column;
        if (gauge_based(&t->gauge[g], p->base[c]))
            bits |= gauge_levels(&t->gauge[g], gauge_change(&t->gauge[g], p->hour[c], p->base[c]));
    }
    for (size_t k = 0; k < t->n_tallies; k++)
        if (t->tally[k].loop >= 0 && p->hour[t->tally[k].column] >= 3)
            bits |= PASSAGE_BIT(t->tally[k].loop);
    return bits;
}

/* All of a new device that the metrics keep. */
static void begin_device(struct trial *t, size_t i, const struct trial_past *past)
{
    const struct evidence_policy *p = &t->spec.policy;
    uint64_t excluded = past ? not_eligible(t, past) : 0;
    if (t->marks)
        t->marks[i] = (struct marks){.excluded = excluded & ~PASSAGE_BUILTIN};
    t->w[i].excluded = (uint16_t)(excluded & PASSAGE_BUILTIN);
    for (size_t g = 0; g < t->n_gauges; g++) {
        struct series *s = trial_series(t, g, i);
        bool own = t->gauge[g].row < METRICS_BUILTIN || p->own[t->gauge[g].row - METRICS_BUILTIN].own;
        series_restart(s, t->gauge[g].spread);
        s->base = !own   ? (t->gauge[g].diff ? 0 : 1)
                  : past ? baseline(&t->gauge[g], past->base[t->gauge[g].column])
                         : NAN;
    }
    for (size_t c = 0; c < t->n_tallies; c++) {
        t->tally[c].own[i] = (struct counted){.value = NAN}; /* its bytes are kept */
        counted_restart(&t->tally[c].own[i]);
    }
}

/* The newest tick that was fed, or a time before the first. */
static int64_t fed(const struct trial *t)
{
    int64_t last = t->next - t->spec.step_us;
    return last < t->spec.start ? INT64_MIN : last;
}

struct trial_ix trial_add(struct trial *t, int wave, bool control, uint8_t stratum, const struct trial_past *past)
{
    if (t->n >= TRIAL_DEVICES || wave >= TRIAL_WAVES)
        return TRIAL_NONE;
    if (t->n == t->cap)
        trial_grow(t, t->cap ? t->cap * 2 : 64);
    struct watched *w = &t->w[t->n];
    memset(w, 0, sizeof *w);
    watched_restart(w);
    w->counter = NAN;
    w->from = INT32_MAX;
    w->cell =
        strata_find(&t->risk.strata, stratum, past && past->known ? strata_boots_class(past->base[COL_REBOOTS]) : 0,
                    past && past->known ? strata_contact_class(past->away) : 0);
    w->wave = (int8_t)(wave < 0 ? -1 : wave);
    watched_hear(w, t->spec.start);
    begin_device(t, t->n, past && past->known ? past : NULL);
    trial_activation_add(t, t->n);
    if (past && past->known) {
        watched_hear(w, past->last_t < t->spec.start ? past->last_t : t->spec.start);
    }
    w->flags = control ? WATCHED_MAY : 0;
    /* Added in the middle of a stage it counts from the next tick on. */
    if (t->n_stages > 0 && control && (wave < 0 || wave >= t->n_told || t->told[wave] > fed(t)))
        w->flags |= WATCHED_CONTROL;
    t->join = t->next;
    if (t->n_stages > 0 && wave >= 0 && wave < t->n_stages)
        t->expected[trial_stratum(t, w)]++;
    return TRIAL_IX(t->n++);
}

bool trial_told(struct trial *t, int wave, int64_t at)
{
    if (wave < 0 || wave >= TRIAL_WAVES || wave > t->n_told)
        return false;
    if (wave < t->n_told)
        return t->told[wave] == at;
    if (at < t->told[wave - 1] || at > INT64_MAX / 2 || fed(t) >= at)
        return false;
    t->told[t->n_told++] = at;
    return true;
}

bool trial_installed(struct trial *t, struct trial_ix device, int64_t at)
{
    if (device.i >= t->n || t->w[device.i].wave < 0)
        return true;
    struct watched *w = &t->w[device.i];
    int64_t from = (at < t->spec.start ? t->spec.start : at > INT64_MAX / 2 ? INT64_MAX / 2 : at) + t->spec.grace_us;
    int64_t number = (from - t->zero + t->spec.step_us - 1) / t->spec.step_us;
    if (number >= w->from) /* known from an earlier report: the first counts */
        return true;
    if (t->zero + number * t->spec.step_us <= fed(t))
        return false;
    w->from = number < INT32_MAX ? (int32_t)number : INT32_MAX - 1;
    if (t->zero + number * t->spec.step_us < t->join)
        t->join = t->zero + number * t->spec.step_us;
    return true;
}

void trial_active(struct trial *t, struct watched *w, bool active)
{
    if (active == !!(w->flags & WATCHED_ACTIVE))
        return;
    w->flags ^= WATCHED_ACTIVE;
    t->active[w->flags & WATCHED_CANARY ? SIDE_CANARY : SIDE_CONTROL] += active ? 1 : -1;
}

/* Clocks start by the strata in which reboots are compared: they are what makes devices poll, and install. */
uint8_t trial_stratum(const struct trial *t, const struct watched *w)
{
    return t->risk.strata.of[STRATA_BY_BOOTS][w->cell];
}

void trial_make_strata(struct trial *t)
{
    int32_t side[2][STRATA_CELLS] = {{0}};
    for (size_t i = 0; i < t->n; i++) {
        const struct watched *w = &t->w[i];
        if (!(w->flags & WATCHED_LEFT) && w->wave >= 0 && w->wave < t->n_stages)
            side[SIDE_CANARY][w->cell]++;
        else if (w->flags & WATCHED_CONTROL)
            side[SIDE_CONTROL][w->cell]++;
    }
    strata_make(&t->risk.strata, side[SIDE_CANARY], side[SIDE_CONTROL]);
}

void trial_count_joined(struct trial *t)
{
    memset(t->expected, 0, sizeof t->expected);
    memset(t->joined, 0, sizeof t->joined);
    for (size_t i = 0; i < t->n; i++) {
        const struct watched *w = &t->w[i];
        if (w->flags & WATCHED_LEFT || w->wave < 0 || w->wave >= t->n_stages)
            continue;
        t->expected[trial_stratum(t, w)]++;
        t->joined[trial_stratum(t, w)] += w->flags & WATCHED_CANARY ? 1 : 0;
    }
}

void trial_leave(struct trial *t, struct trial_ix device)
{
    if (device.i >= t->n)
        return;
    struct watched *w = &t->w[device.i];
    struct marks *m = trial_marks(t, device.i);
    enum side g = w->flags & WATCHED_CANARY ? SIDE_CANARY : SIDE_CONTROL;
    for (uint64_t left = risk_of(w, m); left; left &= left - 1) {
        int k = __builtin_ctzll(left);
        t->risk.y[t->risk.strata.of[passage_by(k)][w->cell]][k][g]--;
    }
    w->risk = 0;
    if (m)
        m->risk = 0;
    trial_active(t, w, false);
    if (!(w->flags & WATCHED_LEFT) && w->wave >= 0 && w->wave < t->n_stages) {
        t->expected[trial_stratum(t, w)]--;
        t->joined[trial_stratum(t, w)] -= w->flags & WATCHED_CANARY ? 1 : 0;
    }
    w->flags = (uint8_t)(WATCHED_LEFT | (w->flags & WATCHED_MAY));
    t->join = t->next; /* the shares have changed */
}

/* ---- acknowledgements ---- */

static void acknowledge(struct standing *s, double log_e)
{
    if (s->crossed == 0)
        return;
    s->ack = log_e;
    s->crossed = 0;
}

static void acknowledge_all(struct trial *t)
{
    for (int s = 0; s < t->n_stages; s++)
        for (int k = 0; k < t->n_tests; k++)
            if (k != TEST_INSTALL)
                acknowledge(&t->stage[s]->standing[k], trial_log(t, s, (enum trial_test)k));
    acknowledge(&t->install.standing, t->install.now.log_e);
}

void trial_acks_before(struct trial *t, int64_t tick)
{
    int done = 0;
    while (done < t->n_acks && t->ack[done] < tick) {
        acknowledge_all(t);
        done++;
    }
    t->n_acks -= done;
    memmove(t->ack, t->ack + done, (size_t)t->n_acks * sizeof *t->ack);
}

void trial_ack(struct trial *t, int64_t at)
{
    if (at < t->next) {
        acknowledge_all(t);
        return;
    }
    int i = t->n_acks < TRIAL_ACKS ? t->n_acks++ : TRIAL_ACKS - 1;
    for (; i > 0 && t->ack[i - 1] > at; i--)
        t->ack[i] = t->ack[i - 1];
    t->ack[i] = at;
}

/* ---- installs ---- */

void trial_installs(struct trial *t, const struct install_tally *v, size_t n, int64_t overdue)
{
    struct installs *s = &t->install;
    if (n > INSTALL_TALLIES_MAX || !install_tallies_ok(v, n))
        return;
    if (n > s->n)
        s->v = xreallocarray(s->v, n, sizeof *s->v);
    if (n > 0)
        memcpy(s->v, v, n * sizeof *v);
    s->n = n;
    s->overdue = overdue;
    install_evidence(s->v, s->n, t->spec.waves, t->spec.policy.tolerance[ROW_INSTALL], &s->now);
    if (s->now.log_e < trial_need(t, 0, TEST_INSTALL)) /* who was overdue has installed meanwhile */
        s->standing.crossed = 0;
    trial_cross(t, t->n_stages - 1, TEST_INSTALL, t->newest ? t->newest : t->spec.start);
}
