/* Trial: where each test stands, for verdicts and screens. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/design.h"
#include "core/detmath.h"
#include "core/err.h"
#include "core/trial_state.h"

#define AFTER_DEVICES 3                 /* reboots of fewer are alike by chance */
#define AFTER_NEAR    (10 * US_PER_MIN) /* or a tenth of the time since the install */

double trial_log(const struct trial *t, int s, enum trial_test test)
{
    if (test == TEST_INSTALL)
        return t->install.now.log_e;
    if (t->rank[test] >= 0)
        return t->stage[s]->bulk[t->rank[test]].most;
    return t->stage[s]->tail.most[test];
}

static double trial_log_now(const struct trial *t, int s, enum trial_test test)
{
    if (test == TEST_INSTALL)
        return t->install.now.log_e; /* of the present counts already */
    if (t->rank[test] >= 0)
        return t->stage[s]->bulk[t->rank[test]].now;
    return tail_log(&t->stage[s]->tail, (int)test);
}

void trial_epoch(const struct trial *t, int s, enum trial_test test, int *e, int32_t *from, int32_t *to, double *share)
{
    const struct stage *g = t->stage[s];
    *e = 0;
    *from = 0;
    *to = INT32_MAX;
    *share = 1;
    if (!(g->tail.renewing & PASSAGE_BIT(test)))
        return;
    int64_t step = t->spec.step_us, begin = g->begin - t->zero;
    *e = tail_is_past(&g->tail, (int)test) ? g->tail.most_epoch[test] : g->tail.epoch;
    *share = design_epoch_share(t->spec.policy.design, metric_test(&t->spec.policy, (int)test), *e);
    if (*e > 0)
        *from = (int32_t)((begin + design_epoch_begin(*e)) / step) + 1;
    int64_t end = *e < DESIGN_EPOCHS ? (begin + design_epoch_begin(*e + 1)) / step : INT32_MAX;
    *to = end < INT32_MAX ? (int32_t)end : INT32_MAX;
}

/* A rank test compares all canaries at once, so all that were compared carry it. */
int64_t trial_devices(const struct trial *t, int s, enum trial_test test)
{
    if (test == TEST_INSTALL)
        return t->install.now.failed;
    if (t->rank[test] >= 0)
        return t->stage[s]->bulk[t->rank[test]].best.n;
    return tail_counts(&t->stage[s]->tail, (int)test)->carried;
}

double trial_need(const struct trial *t, int s, enum trial_test test)
{
    if (test != TEST_INSTALL)
        return t->stage[s]->need[test];
    double alpha = trial_alpha(&t->spec.policy, &t->ledger, 0, TEST_INSTALL);
    return alpha > 0 ? eprocess_needed(alpha) : INFINITY;
}

const struct standing *trial_standing(const struct trial *t, int s, enum trial_test test)
{
    return test == TEST_INSTALL ? &t->install.standing : &t->stage[s]->standing[test];
}

static bool dismissed(const struct trial *t, int s, enum trial_test test)
{
    const struct standing *d = trial_standing(t, s, test);
    /* An acknowledgement is newer than the telemetry that is read so far: it holds at once. */
    if (d->crossed != 0 && t->n_acks > 0)
        return true;
    return d->ack > 0 && trial_log(t, s, test) < d->ack + trial_ten();
}

void trial_cross(struct trial *t, int s, enum trial_test test, int64_t tick)
{
    struct standing *d = test == TEST_INSTALL ? &t->install.standing : &t->stage[s]->standing[test];
    double log_e = trial_log(t, s, test);
    if (d->crossed == 0 && log_e >= trial_need(t, s, test) && trial_devices(t, s, test) >= t->spec.policy.min_devices &&
        !(d->ack > 0 && log_e < d->ack + trial_ten()))
        d->crossed = tick;
}

int trial_stage(const struct trial *t)
{
    return t->n_stages - 1;
}

int trial_stages(const struct trial *t)
{
    return t->n_stages;
}

static int clamp_int(int64_t v)
{
    return v > INT32_MAX ? INT32_MAX : (int)v;
}

static void tail_view(const struct trial *t, int s, enum trial_test test, struct evidence *v)
{
    const struct tail_count *c = tail_counts(&t->stage[s]->tail, (int)test);
    v->canary = c->had[SIDE_CANARY];
    v->control = c->had[SIDE_CONTROL];
    v->canary_of = c->of[SIDE_CANARY];
    v->control_of = c->of[SIDE_CONTROL];
}

static void bulk_view(const struct trial *t, int s, enum trial_test test, struct evidence *v)
{
    const struct bulk *b = &t->stage[s]->bulk[t->rank[test]];
    v->canary = b->canary;
    v->control = b->control;
    v->canary_of = b->canary_of;
    v->control_of = b->control_of;
    v->ratio = b->ratio;
    v->diff = b->diff;
}

/* Devices that the newest counts are of. */
static int64_t started(const struct installs *s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s->n && s->v[i].key == s->v[0].key; i++)
        n = (i > 0 && s->v[i].wave != s->v[i - 1].wave ? 0 : n) + (int64_t)s->v[i].started * s->v[i].times;
    return n;
}

static void install_view(const struct trial *t, struct evidence *v)
{
    const struct install_evidence *o = &t->install.now;
    bool fewer = o->started < started(&t->install); /* who is overdue may be another one then */
    v->overdue = fewer ? 0 : t->install.overdue < o->failed ? t->install.overdue : o->failed;
    v->canary = o->failed;
    v->canary_of = o->started;
    if (o->started > 0 && t->spec.policy.tolerance[ROW_INSTALL] > 0)
        v->ratio = (double)o->failed / (double)o->started / t->spec.policy.tolerance[ROW_INSTALL];
}

/* All but the ratio of a first passage, which costs time. */
static void fill(const struct trial *t, int s, enum trial_test test, struct evidence *v)
{
    const struct standing *d = trial_standing(t, s, test);
    const struct metric_test *what = metric_test(&t->spec.policy, (int)test);
    *v = (struct evidence){.test = what->word,
                           .plain = what->plain,
                           .form = metric_form(what),
                           .down = what->down,
                           .metric = what->metric,
                           .log_e = trial_log(t, s, test),
                           .log_now = trial_log_now(t, s, test),
                           .log_pause = trial_need(t, s, test),
                           .devices = clamp_int(trial_devices(t, s, test)),
                           .min_devices = t->spec.policy.min_devices,
                           .ratio = NAN,
                           .ratio_low = NAN,
                           .ratio_high = NAN,
                           .crossed_at = d->crossed,
                           .dismissed = dismissed(t, s, test)};
    v->log_rollback = v->log_pause + trial_ten();
    if (test == TEST_INSTALL)
        install_view(t, v);
    else if (t->rank[test] >= 0)
        bulk_view(t, s, test, v);
    else
        tail_view(t, s, test, v);
}

static void add_ratio(const struct trial *t, int s, enum trial_test test, struct evidence *v)
{
    int e;
    int32_t from, to;
    double share;
    if (test == TEST_INSTALL || t->rank[test] >= 0)
        return;
    trial_epoch(t, s, test, &e, &from, &to, &share);
    trial_ratio(&t->stage[s]->journal, (int)test, from, to,
                trial_alpha(&t->spec.policy, &t->ledger, s, (int)test) * share, &v->ratio, &v->ratio_low,
                &v->ratio_high);
}

static bool tested(const struct trial *t, int s, enum trial_test test)
{
    return (test != TEST_INSTALL || s == t->n_stages - 1) && !isinf(trial_need(t, s, test));
}

size_t trial_evidence(const struct trial *t, int s, struct evidence out[TESTS_MAX], enum trial_test which[TESTS_MAX])
{
    size_t n = 0;
    if (s < 0 || s >= t->n_stages)
        return 0;
    for (int k = 0; k < t->n_tests; k++) {
        enum trial_test test = (enum trial_test)k;
        if (!tested(t, s, test))
            continue;
        fill(t, s, test, &out[n]);
        add_ratio(t, s, test, &out[n]);
        which[n++] = test;
    }
    return n;
}

static bool carries(const struct trial *t, size_t i, enum trial_test test)
{
    const struct watched *w = &t->w[i];
    const struct marks *m = t->marks ? &t->marks[i] : NULL;
    if (test < TEST_INSTALL && t->rank[test] >= 0)
        return w->ranks >> (test - TEST_CPU) & 1;
    bool past = t->rank[test] < 0 && tail_is_past(&t->stage[t->n_stages - 1]->tail, (int)test);
    return (past ? (t->past ? t->past[i].earlier : 0U) | (m ? m->earlier : 0) : w->carried | (m ? m->carried : 0)) &
           PASSAGE_BIT(test);
}

size_t trial_carriers(const struct trial *t, enum trial_test test, struct trial_ix *out, size_t max)
{
    size_t found = 0;
    if ((unsigned)test >= (unsigned)t->n_tests || test == TEST_INSTALL || t->n_stages == 0)
        return 0;
    for (size_t i = 0; i < t->n; i++) {
        if (!(t->w[i].flags & WATCHED_CANARY) || !carries(t, i, test))
            continue;
        if (found < max)
            out[found] = TRIAL_IX(i);
        found++;
    }
    return found;
}

uint64_t trial_reached(const struct trial *t, struct trial_ix device)
{
    return device.i < t->n ? t->w[device.i].happened | (t->marks ? t->marks[device.i].happened : 0) : 0;
}

void trial_watch(const struct trial *t, int64_t *canary, int64_t *control, double *canary_hours)
{
    *canary = t->active[SIDE_CANARY];
    *control = t->active[SIDE_CONTROL];
    *canary_hours = 0;
    if (t->n_stages > 0)
        *canary_hours = (double)t->stage[t->n_stages - 1]->canary_steps * ((double)t->spec.step_us / US_PER_HOUR);
}

void trial_after(const struct trial *t, struct trial_after *out)
{
    double *v = xreallocarray(NULL, t->n + 1, sizeof *v);
    size_t n = 0, again = 0;
    int64_t grace = t->spec.grace_us + trial_waits(t, ROW_REBOOTS) * t->spec.step_us;
    *out = (struct trial_after){.names = t->activation && trial_names(t)};
    for (size_t i = 0; i < t->n; i++) {
        const struct watched *w = &t->w[i];
        int64_t installed = t->zero + w->from * t->spec.step_us - t->spec.grace_us;
        if (!(w->flags & WATCHED_CANARY))
            continue;
        out->canaries++;
        again += watched_booted(w) && w->boots + (t->past ? t->past[i].boots : 0) > 1;
        if (t->activated && t->activated[i].flags & ACTIVATED_NAMED) {
            int64_t after = t->zero + t->activated[i].boot_s * US_PER_S - installed;
            out->named_first_us = out->named++ == 0 || after < out->named_first_us ? after : out->named_first_us;
            out->named_last_us = after > out->named_last_us ? after : out->named_last_us;
        }
        if (!watched_booted(w))
            continue;
        int64_t after = t->zero + w->boot_s * US_PER_S - installed;
        out->soon += after <= grace + US_PER_HOUR;
        v[n++] = (double)after;
    }
    if (n > 0) {
        sort_doubles(v, n);
        out->rebooted = (int64_t)n;
        out->most = (int64_t)(n - n / 10 * 2);
        out->first_us = (int64_t)v[n / 10];
        out->last_us = (int64_t)v[n - 1 - n / 10];
        out->excuse_us = (out->last_us / US_PER_MIN + 1) * US_PER_MIN;
        int64_t near = out->first_us / 10 > AFTER_NEAR ? out->first_us / 10 : AFTER_NEAR;
        out->alike = n >= AFTER_DEVICES && again * 2 <= n && /* the last of many reboots is always of just now */
                     out->last_us - out->first_us <= near;
    }
    free(v);
}

bool trial_is_canary(const struct trial *t, struct trial_ix device)
{
    if (device.i >= t->n || t->newest == 0)
        return false;
    const struct watched *w = &t->w[device.i];
    return !(w->flags & WATCHED_LEFT) && w->wave >= 0 && w->wave < t->n_told && t->told[w->wave] <= t->newest &&
           w->from <= (t->newest - t->zero) / t->spec.step_us;
}

int64_t trial_next_tick(const struct trial *t)
{
    return t->next;
}
