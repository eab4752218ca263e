/* Random plays of a trial with graces, epochs, gaps, metrics of the policy's own: one watcher is stopped and started
 * again now and then and must keep the same bytes as one that never was, and each of its decisions must replay to the
 * same bits.
 *
 * ANDON_PLAYS=N plays so many (12), ANDON_FIRST=N from that seed on. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/clock.h"
#include "core/rng.h"
#include "core/policy.h"
#include "core/trial.h"

#define DEVICES  120
#define CANARIES 60 /* of three waves */
#define COLUMNS  (COL_BUILTIN + 3)
#define START    (INT64_C(1790000000) * US_PER_S)
#define BYTES    (SIZE_MAX / 4)

struct dev {
    double value[COLUMNS], base;
    bool dead;
    int64_t installed;
};

struct play {
    uint64_t seed;
    struct rng rng;
    struct arena arena;
    struct metric_def own[3];
    struct trial_spec spec;
    struct trial *steady, *again; /* never stopped, and stopped now and then */
    struct dev v[DEVICES];
    int64_t told[3], end;
    int waves, gap;
    double harm; /* of the new firmware: so many times as often */
};

static int64_t one_of(struct play *p, int64_t n)
{
    return (int64_t)rng_below(&p->rng, (uint64_t)n);
}

static bool happens(struct play *p, double chance)
{
    return rng_unit(&p->rng) < chance;
}

static int64_t some_grace(struct play *p)
{
    return happens(p, 0.5) ? (1 + one_of(p, 300)) * US_PER_MIN : 0;
}

static int wave_of(int i)
{
    return i < 20 ? 0 : i < 50 ? 1 : i < CANARIES ? 2 : -1;
}

static void set_up(struct play *p, uint64_t seed)
{
    static const int64_t steps[] = {60, 300, 420, 900, 2700};
    struct err e;
    *p = (struct play){.seed = seed, .waves = 1};
    rng_init(&p->rng, seed);
    arena_init(&p->arena);
    struct evidence_policy *q = &p->spec.policy;
    *q = policy_default()->evidence;
    p->own[0] = (struct metric_def){.id = "temp",
                                    .title = "temp",
                                    .unit = "C",
                                    .kind = KIND_GAUGE,
                                    .worse = WORSE_BOTH,
                                    .own = true,
                                    .diff = true,
                                    .share = 0.1,
                                    .level = {1, 2, 4},
                                    .n_levels = 3,
                                    .window_us = (5 + 2 * one_of(p, 2)) * US_PER_MIN};
    p->own[1] = (struct metric_def){.id = "radio",
                                    .title = "radio",
                                    .unit = "",
                                    .kind = KIND_COUNTER,
                                    .share = 0.1,
                                    .level = {1, 2, 4, 8},
                                    .n_levels = 4};
    p->own[2] = (struct metric_def){.id = "errors", .title = "errors", .unit = "", .kind = KIND_EVENT, .share = 0.05};
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        q->share[i] *= 0.75;
    q->grace_us[ROW_REBOOTS] = some_grace(p);
    q->grace_us[ROW_SILENCE] = some_grace(p);
    q->grace_us[ROW_CPU] = some_grace(p);
    p->own[0].grace_us = some_grace(p);
    p->own[1].grace_us = some_grace(p);
    q->own = p->own;
    q->n_own = 3;
    assert_true(metric_make_tests(q, &p->arena));
    int64_t step = steps[one_of(p, 5)] * US_PER_S;
    p->spec.waves = 3;
    p->spec.start = START + one_of(p, 1000) * US_PER_S;
    p->spec.step_us = step;
    p->spec.grace_us = 3 * US_PER_MIN;
    p->spec.silence_us = 5 * step > 5 * US_PER_MIN ? 5 * step : 5 * US_PER_MIN;
    p->told[0] = p->spec.start;
    p->told[1] = p->told[0] + (20 + one_of(p, 30)) * US_PER_HOUR;
    p->told[2] = p->told[1] + (20 + one_of(p, 40)) * US_PER_HOUR;
    p->end = p->spec.start + (100 + one_of(p, 60)) * US_PER_HOUR;
    p->harm = happens(p, 0.5) ? 8 : 1;
    p->steady = trial_new(&p->spec, &e);
    assert_non_null(p->steady);
    for (int i = 0; i < DEVICES; i++) {
        struct trial_past past = {.last_t = p->spec.start - 1, .known = true};
        for (size_t c = 0; c < TICK_COLUMNS_MAX; c++)
            past.base[c] = past.hour[c] = NAN;
        p->v[i].base = 10 * rng_unit(&p->rng) - 5;
        past.base[COL_REBOOTS] = (double)one_of(p, 5);
        past.hour[COL_REBOOTS] = 0;
        past.base[COL_CPU] = past.hour[COL_CPU] = 0.1;
        past.base[COL_VARIANCE] = past.hour[COL_VARIANCE] = 1;
        past.base[COL_BUILTIN] = past.hour[COL_BUILTIN] = p->v[i].base;
        (void)trial_add(p->steady, wave_of(i), wave_of(i) != 0, (uint8_t)one_of(p, 3), &past);
    }
}

static struct buf saved(const struct trial *t)
{
    struct buf b;
    buf_init(&b, BYTES);
    trial_save(t, &b);
    return b;
}

static struct trial *loaded(const struct play *p, const struct buf *b)
{
    struct err e = {0};
    struct trial *t = trial_load(b->data, b->len, &p->spec, &e);
    if (!t)
        fail_msg("seed %llu: %s", (unsigned long long)p->seed, e.what);
    return t;
}

/* What the fleet server says: to both. */
static void news(struct play *p, int64_t t)
{
    for (struct trial *const *x = (struct trial *[]){p->steady, p->again, NULL}; *x; x++)
        if (p->waves < 3 && t >= p->told[p->waves])
            (void)!trial_told(*x, p->waves, p->told[p->waves]);
    p->waves += p->waves < 3 && t >= p->told[p->waves];
    for (int i = 0; i < CANARIES; i++) {
        struct dev *d = &p->v[i];
        if (wave_of(i) >= p->waves || d->installed ||
            !happens(p, (double)p->spec.step_us / (1.5 * (double)US_PER_HOUR)))
            continue;
        d->installed = t;
        (void)!trial_installed(p->steady, TRIAL_IX(i), t);
        (void)!trial_installed(p->again, TRIAL_IX(i), t);
    }
    if (happens(p, 1 / 3000.0)) {
        trial_ack(p->steady, t);
        trial_ack(p->again, t);
    }
}

static void measure(struct play *p, struct dev *d, size_t i, int64_t t, struct tick *k)
{
    double f = d->installed ? p->harm : 1;
    if (happens(p, f / 4000))
        d->dead = true;
    if (d->dead && happens(p, 0.02))
        d->dead = false;
    if (d->dead || happens(p, 0.1))
        return;
    d->value[COL_REBOOTS] += happens(p, f / 800);
    d->value[COL_BUILTIN + 1] += happens(p, f / 500) ? 1 + (double)one_of(p, 3) : 0;
    d->value[COL_BUILTIN + 2] += happens(p, f / 1500);
    if (happens(p, 1 / 4000.0))
        d->value[COL_BUILTIN + 1] = 0;
    double *row = tick_put(k, i, t - one_of(p, US_PER_S));
    memcpy(row, d->value, sizeof d->value);
    row[COL_CPU] = 0.1 * (1 + 0.05 * rng_unit(&p->rng) + (happens(p, f / 60) ? 2 * rng_unit(&p->rng) : 0));
    row[COL_VARIANCE] = exp(2 * rng_unit(&p->rng) - 1) * (happens(p, f / 60) ? 20 : 1);
    row[COL_BUILTIN] = d->base + rng_unit(&p->rng) - 0.5 + (happens(p, f / 60) ? 5 * rng_unit(&p->rng) : 0);
}

static void stop_and_start(struct play *p, int64_t t)
{
    struct buf a = saved(p->steady), b = saved(p->again);
    if (a.len != b.len || memcmp(a.data, b.data, a.len) != 0)
        fail_msg("seed %llu: after %.2f h, with a tick each %lld s, the states differ", (unsigned long long)p->seed,
                 (double)(t - p->spec.start) / (double)US_PER_HOUR, (long long)(p->spec.step_us / US_PER_S));
    trial_free(p->again);
    p->again = loaded(p, &b);
    buf_release(&a);
    buf_release(&b);
}

static void all_replay(struct play *p)
{
    for (int s = 0; s < trial_stages(p->again); s++)
        for (int i = 0; i < metric_tests(&p->spec.policy); i++) {
            struct replay r;
            struct buf b;
            struct err e = {0};
            buf_init(&b, BYTES);
            trial_inputs(p->again, s, (enum trial_test)i, &b);
            if (!trial_replay(b.data, b.len, &r, &e) || !r.same)
                fail_msg("seed %llu, wave %d, %s: %s", (unsigned long long)p->seed, s,
                         metric_test(&p->spec.policy, i)->word, *e.what ? e.what : r.text);
            buf_release(&b);
        }
}

static void one(uint64_t seed)
{
    struct play p;
    struct tick k;
    set_up(&p, seed);
    struct buf b = saved(p.steady);
    p.again = loaded(&p, &b);
    buf_release(&b);
    tick_init(&k, 0, DEVICES, COLUMNS);
    for (int64_t t = trial_next_tick(p.steady); t < p.end; t += p.spec.step_us) {
        news(&p, t);
        if (p.gap == 0 && happens(&p, 1 / 150.0))
            p.gap = 1 + (int)one_of(&p, 40);
        p.gap -= p.gap > 0;
        tick_clear(&k, t);
        for (size_t i = 0; p.gap == 0 && i < DEVICES; i++)
            measure(&p, &p.v[i], i, t, &k);
        if (p.gap == 0 || happens(&p, 1 / 3.0)) { /* in a gap a tick is left out, or empty */
            trial_tick(p.steady, &k);
            trial_tick(p.again, &k);
        }
        if (happens(&p, 1 / 17.0))
            stop_and_start(&p, t);
    }
    all_replay(&p);
    tick_release(&k);
    trial_free(p.steady);
    trial_free(p.again);
    arena_release(&p.arena);
}

static void a_watcher_that_starts_again_keeps_the_same_bits(void **state)
{
    const char *n = getenv("ANDON_PLAYS"), *first = getenv("ANDON_FIRST");
    uint64_t from = first ? strtoull(first, NULL, 10) : 1, plays = n ? strtoull(n, NULL, 10) : 12;
    (void)state;
    for (uint64_t s = from; s < from + plays; s++)
        one(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_watcher_that_starts_again_keeps_the_same_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
