/* Trial: facts and the time line. Ticks are in core/trial_tick.c, results in core/trial_view.c. */
#include "core/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/detmath.h"
#include "core/trial_state.h"

_Static_assert((int)TEST_SILENT == (int)PASSAGE_SILENT && (int)TEST_STUCK == (int)PASSAGE_STUCK &&
                   (int)TEST_CPU == (int)PASSAGE_COUNT && (int)TEST_VARIANCE == (int)TEST_CPU + BULK_VARIANCE,
               "tests and passages have the same numbers");
_Static_assert(TRIAL_STRATA == PASSAGE_STRATA && TRIAL_WAVES == LEDGER_WAVES, "limits agree");

static const struct {
    const char *word, *plain;
} tests[TEST_COUNT] = {
    {"crash-loop", "have rebooted in a loop"},
    {"reboot-1", "have rebooted unexpectedly"},
    {"reboot-2", "have rebooted unexpectedly twice or more"},
    {"reboot-4", "have rebooted unexpectedly 4 times or more"},
    {"reboot-8", "have rebooted unexpectedly 8 times or more"},
    {"silence", "have gone silent"},
    {"cpu-1.25", "have used 1.25 times their own CPU or more"},
    {"cpu-1.5", "have used 1.5 times their own CPU or more"},
    {"cpu-2", "have used twice their own CPU or more"},
    {"cpu-3", "have used 3 times their own CPU or more"},
    {"variance-4", "have measured with 4 times their own variance or more"},
    {"variance-8", "have measured with 8 times their own variance or more"},
    {"variance-16", "have measured with 16 times their own variance or more"},
    {"stuck-sensor", "have had a stuck sensor"},
    {"cpu", "use more CPU than before"},
    {"variance", "measure with more variance than before"},
    {"install", "failed to install"},
};

const char *trial_test_word(enum trial_test t)
{
    return (unsigned)t < TEST_COUNT ? tests[t].word : "?";
}

const char *trial_test_plain(enum trial_test t)
{
    return (unsigned)t < TEST_COUNT ? tests[t].plain : "?";
}

bool trial_test_find(const char *word, enum trial_test *out)
{
    for (int k = 0; word && k < TEST_COUNT; k++) {
        if (!strcmp(word, tests[k].word)) {
            *out = (enum trial_test)k;
            return true;
        }
    }
    return false;
}

double trial_ten(void)
{
    return det_log(10);
}

bool trial_ledger(const struct evidence_policy *p, int waves, struct ledger *l)
{
    const double share[LEDGER_METRICS] = {p->share_reboot, p->share_silence, p->share_cpu, p->share_variance};
    return ledger_init(l, p->alpha, p->reserve, waves, share, p->share_install);
}

double trial_alpha(const struct ledger *l, int s, enum trial_test test)
{
    if (test == TEST_INSTALL)
        return ledger_install(l);
    if (test <= TEST_BOOT8)
        return ledger_alpha(l, s, LEDGER_REBOOT) / (test == TEST_LOOP ? 2 : 8);
    if (test == TEST_SILENT)
        return ledger_alpha(l, s, LEDGER_SILENCE);
    if (test <= TEST_CPU300 || test == TEST_CPU)
        return ledger_alpha(l, s, LEDGER_CPU) / (test == TEST_CPU ? 2 : 8);
    return ledger_alpha(l, s, LEDGER_VARIANCE) / (test == TEST_VARIANCE ? 2 : 8);
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
    if (!trial_ledger(p, s->waves, &l))
        return err_set(e, ERR_RANGE, "shares of alpha must not be negative and sum to at most 1",
                       "this policy gives no alpha ledger");
    if (!ratio_ok(p->ratio) || !ratio_ok(p->cpu_ratio) || !ratio_ok(p->variance_ratio) ||
        !(p->install_share >= 0 && p->install_share < 1) || p->min_devices < 1)
        return err_set(e, ERR_RANGE, "", "a tolerance of this policy is out of range");
    return true;
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
        bulk_release(&t->stage[s]->bulk[BULK_CPU]);
        bulk_release(&t->stage[s]->bulk[BULK_VARIANCE]);
        free(t->stage[s]);
    }
    free(t->install.v);
    free(t->w);
    free(t);
}

static void set_needs(const struct trial *t, int s, struct stage *g)
{
    for (int k = 0; k < TEST_COUNT; k++) {
        double alpha = trial_alpha(&t->ledger, s, (enum trial_test)k);
        g->need[k] = alpha > 0 ? eprocess_needed(alpha) : INFINITY;
    }
}

bool trial_add_shares(struct trial *t, const double added[LEDGER_METRICS], int from)
{
    if (t->ledger.drawn > 0)
        return t->ledger.added_from == from && memcmp(t->ledger.added, added, sizeof t->ledger.added) == 0;
    if (!ledger_add(&t->ledger, added, from))
        return false;
    for (int s = from; s < t->n_stages; s++)
        set_needs(t, s, t->stage[s]);
    return true;
}

struct stage *trial_stage_new(const struct trial *t, int s, int64_t begin)
{
    const struct evidence_policy *p = &t->spec.policy;
    struct stage *g = xcalloc(1, sizeof *g);
    int64_t step = t->spec.step_us;
    int32_t number = (int32_t)((begin - t->zero) / step);
    g->begin = begin;
    set_needs(t, s, g);
    tail_init(&g->tail, p->ratio);
    int64_t cpu = (CPU_WINDOW + step - 1) / step, variance = (VAR_WINDOW + step - 1) / step;
    int64_t lag = (VAR_WINDOW - US_PER_MIN + step - 1) / step;
    bulk_init(&g->bulk[BULK_CPU], cpu, p->cpu_ratio, number, 0);
    bulk_init(&g->bulk[BULK_VARIANCE], variance, p->variance_ratio, number,
              (int32_t)(lag < variance ? lag : variance - 1));
    return g;
}

/* ---- facts ---- */

/* Who is at risk is decided by the hour before the rollout, in either group. */
static uint16_t not_eligible(const struct trial *t, const struct trial_past *p)
{
    unsigned bits = 0;
    if (p->hour[COL_REBOOTS] >= 3)
        bits |= PASSAGE_BIT(PASSAGE_LOOP);
    if (p->last_t <= 0 || t->spec.start - p->last_t > t->spec.silence_us)
        bits |= PASSAGE_BIT(PASSAGE_SILENT);
    if (p->base[COL_CPU] > 0)
        bits |= passage_cpu_levels(p->hour[COL_CPU] / p->base[COL_CPU]);
    if (p->base[COL_VARIANCE] > 0)
        bits |= passage_var_levels(p->hour[COL_VARIANCE] / p->base[COL_VARIANCE]);
    return (uint16_t)bits;
}

static float baseline(double v)
{
    return v > 0 && v < 1e30 ? (float)v : NAN;
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
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->w = xreallocarray(t->w, t->cap, sizeof *t->w);
    }
    struct watched *w = &t->w[t->n];
    memset(w, 0, sizeof *w);
    watched_restart(w);
    w->counter = NAN;
    w->from = INT32_MAX;
    w->cpu_base = w->var_base = NAN;
    w->stratum = stratum < TRIAL_STRATA ? stratum : TRIAL_STRATA - 1;
    w->wave = (int8_t)(wave < 0 ? -1 : wave);
    w->last_t = t->spec.start;
    if (past && past->known) {
        w->cpu_base = baseline(past->base[COL_CPU]);
        w->var_base = baseline(past->base[COL_VARIANCE]);
        w->excluded = not_eligible(t, past);
        w->last_t = past->last_t < 0 ? 0 : past->last_t < t->spec.start ? past->last_t : t->spec.start;
    }
    w->flags = control ? WATCHED_MAY : 0;
    /* Added in the middle of a stage it counts from the next tick on. */
    if (t->n_stages > 0 && control && (wave < 0 || wave >= t->n_told || t->told[wave] > fed(t)))
        w->flags |= WATCHED_CONTROL;
    t->join = t->next;
    if (t->n_stages > 0 && wave >= 0 && wave < t->n_stages)
        t->expected[w->stratum]++;
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

void trial_count_joined(struct trial *t)
{
    memset(t->expected, 0, sizeof t->expected);
    memset(t->joined, 0, sizeof t->joined);
    for (size_t i = 0; i < t->n; i++) {
        const struct watched *w = &t->w[i];
        if (w->flags & WATCHED_LEFT || w->wave < 0 || w->wave >= t->n_stages)
            continue;
        t->expected[w->stratum]++;
        t->joined[w->stratum] += w->flags & WATCHED_CANARY ? 1 : 0;
    }
}

/* Scatters device numbers evenly over 32 bits (finalizer of MurmurHash3, Appleby 2011). */
static uint32_t scatter(uint32_t h)
{
    h = (h ^ h >> 16) * UINT32_C(0x85ebca6b);
    h = (h ^ h >> 13) * UINT32_C(0xc2b2ae35);
    return h ^ h >> 16;
}

bool trial_open(const struct trial *t, size_t i)
{
    uint8_t s = t->w[i].stratum;
    return (uint64_t)scatter((uint32_t)i + 1) * (uint64_t)t->expected[s] < (uint64_t)t->joined[s] << 32;
}

void trial_leave(struct trial *t, struct trial_ix device)
{
    if (device.i >= t->n)
        return;
    struct watched *w = &t->w[device.i];
    for (int k = 0; w->risk >> k; k++)
        t->risk.y[w->stratum][k][w->flags & WATCHED_CANARY ? SIDE_CANARY : SIDE_CONTROL] -= w->risk >> k & 1;
    w->risk = 0;
    trial_active(t, w, false);
    if (!(w->flags & WATCHED_LEFT) && w->wave >= 0 && w->wave < t->n_stages) {
        t->expected[w->stratum]--;
        t->joined[w->stratum] -= w->flags & WATCHED_CANARY ? 1 : 0;
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
        for (int k = 0; k < TEST_INSTALL; k++)
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
    install_evidence(s->v, s->n, t->spec.waves, t->spec.policy.install_share, &s->now);
    if (s->now.log_e < trial_need(t, 0, TEST_INSTALL)) /* who was overdue has installed meanwhile */
        s->standing.crossed = 0;
    trial_cross(t, t->n_stages - 1, TEST_INSTALL, t->newest ? t->newest : t->spec.start);
}

void trial_outcomes(struct trial *t, int64_t failed, int64_t started)
{
    if (failed >= 0 && failed <= started && started <= INT32_MAX)
        trial_installs(t, &(struct install_tally){.failed = (int32_t)failed, .started = (int32_t)started, .times = 1},
                       1, 0);
}
