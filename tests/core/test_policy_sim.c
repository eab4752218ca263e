/* The built-in policy on simulated fleets: it must hardly ever halt a rollout that changes nothing, and must halt a
 * bad one within minutes. Seeded, through the same code path as the engine's. ANDON_SIM_RUNS=n measures longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/health.h"
#include "core/policy.h"
#include "core/rng.h"
#include "core/verdict.h"

#define T0 (20000 * US_PER_DAY)

struct world {
    int canaries, control;
    double reboots_per_day; /* background mean; device rates are gamma(0.5) */
    int64_t hours;
    int64_t step;
    int bad;         /* canaries that misbehave */
    double loop_us;  /* a bad device reboots about this often; 0 = not */
    double cpu, var; /* factor on the bad devices' CPU and variance */
};

struct dev {
    struct track t;
    double rate, boots, cpu, var, next;
};

static double draw_next(struct rng *r, double now, double per_day)
{
    return per_day > 0 ? now + rng_exp(r, (double)US_PER_DAY / per_day) : INFINITY;
}

/* Runs one rollout; returns minutes until the halt, -1 when there was none. *rule is who halted. */
static double run(const struct world *w, uint64_t seed, const char **rule)
{
    const struct policy *p = policy_default();
    int n = w->canaries + w->control;
    struct dev *d = calloc((size_t)n, sizeof *d);
    const struct track **ptr = calloc((size_t)n, sizeof *ptr);
    struct verdict_state st;
    struct verdict out;
    struct wave_health h;
    struct track_shape shape;
    struct rng r;
    double halted = -1;

    memset(&st, 0, sizeof st);
    health_init(&h);
    track_shape_init(&shape);
    rng_init(&r, seed);
    for (int i = 0; i < n; i++) {
        track_init(&d[i].t, &shape, NULL);
        ptr[i] = &d[i].t;
        d[i].rate = w->reboots_per_day * 2 * rng_gamma(&r, 0.5);
        d[i].cpu = 0.1 + 0.3 * rng_unit(&r);
        d[i].var = exp(rng_normal(&r));
        d[i].boots = (double)rng_below(&r, 100);
        d[i].next = draw_next(&r, (double)(T0 - US_PER_HOUR), d[i].rate);
    }
    for (int64_t t = T0 - US_PER_HOUR; t < T0 + w->hours * US_PER_HOUR && halted < 0; t += w->step) {
        for (int i = 0; i < n; i++) {
            bool bad = i < w->bad && t >= T0;
            int64_t at = t - (int64_t)rng_below(&r, 5 * US_PER_S);
            double row[COL_BUILTIN];

            if (t == T0) {
                track_enrol(&d[i].t, T0 + p->grace_us);
                if (bad && w->loop_us > 0)
                    d[i].next = (double)t + rng_exp(&r, w->loop_us);
            }
            while (d[i].next <= (double)at) {
                d[i].boots++;
                d[i].next =
                    bad && w->loop_us > 0 ? d[i].next + rng_exp(&r, w->loop_us) : draw_next(&r, d[i].next, d[i].rate);
            }
            row[COL_REBOOTS] = d[i].boots;
            row[COL_CPU] = d[i].cpu * (bad && w->cpu > 0 ? w->cpu : 1) * exp(0.3 * rng_normal(&r));
            row[COL_VARIANCE] = d[i].var * (bad && w->var > 0 ? w->var : 1) * exp(0.4 * rng_normal(&r));
            track_feed(&d[i].t, &shape, at, row, p->window_us);
        }
        if (t < T0)
            continue;
        health_group(ptr, (size_t)w->canaries, &shape, NULL, t, p->window_us, w->step, &h.canary);
        health_group(ptr + w->canaries, (size_t)w->control, &shape, NULL, t, p->window_us, w->step, &h.control);
        health_compare(&h, &p->evidence, NULL, t);
        verdict_step(&(struct verdict_input){.policy = p,
                                             .health = &h,
                                             .device_class = "",
                                             .telemetry_expected = true,
                                             .telemetry_ok = true,
                                             .now = t,
                                             .interval_us = w->step},
                     &st, &out);
        if (out.react >= REACT_PAUSE) {
            halted = (double)(t - T0) / (double)US_PER_MIN;
            *rule = out.rule;
        }
    }
    free(d);
    free(ptr);
    return halted;
}

static int runs(int normal)
{
    const char *s = getenv("ANDON_SIM_RUNS");

    return s ? (int)strtol(s, NULL, 10) : normal;
}

/* Halts of `n` good rollouts; 24 h each. */
static void good(const char *what, struct world w, int n, int allowed)
{
    int halts = 0;
    const char *rule = "";

    for (int i = 0; i < n; i++) {
        double m = run(&w, (uint64_t)(1000 + i), &rule);

        if (m >= 0) {
            print_message("%s: seed %d halted by %s after %.0f min\n", what, 1000 + i, rule, m);
            halts++;
        }
    }
    print_message("%s: %d of %d good rollouts halted\n", what, halts, n);
    assert_true(halts <= allowed);
}

/* A rollout that changes nothing, on a fleet with heavy-tailed background reboots. */
static void hardly_ever_halts_a_good_one(void **state)
{
    int64_t step = 30 * US_PER_S;

    (void)state;
    good("20 v 180", (struct world){.canaries = 20, .control = 180, .reboots_per_day = 0.5, .hours = 24, .step = step},
         runs(10), 1);
    good("5 v 195", (struct world){.canaries = 5, .control = 195, .reboots_per_day = 0.5, .hours = 24, .step = step},
         runs(10), 1);
    good("100 v 900",
         (struct world){.canaries = 100, .control = 900, .reboots_per_day = 0.5, .hours = 12, .step = step}, runs(2),
         1);
    good("20 v 180, busy",
         (struct world){.canaries = 20, .control = 180, .reboots_per_day = 5, .hours = 12, .step = step}, runs(10), 1);
}

static void bad(const char *what, struct world w, double within_min, const char *by)
{
    const char *rule = "";
    double worst = 0;

    w.hours = 2;
    w.step = 15 * US_PER_S;
    w.reboots_per_day = 0.5;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        double m = run(&w, seed, &rule);

        if (m < 0)
            print_message("%s: seed %d was not halted\n", what, (int)seed);
        assert_true(m >= 0);
        assert_string_equal(rule, by);
        worst = m > worst ? m : worst;
    }
    print_message("%s: halted within %.1f min\n", what, worst);
    assert_true(worst <= within_min);
}

static void halts_a_bad_one_within_minutes(void **state)
{
    const double loop = 4.0 * (double)US_PER_MIN;

    (void)state;
    bad("20 of 20 in a loop", (struct world){.canaries = 20, .control = 180, .bad = 20, .loop_us = loop}, 12,
        "R-REBOOT");
    bad("6 of 20 in a loop", (struct world){.canaries = 20, .control = 180, .bad = 6, .loop_us = loop}, 25, "R-REBOOT");
    bad("4 of 5 in a loop", (struct world){.canaries = 5, .control = 195, .bad = 4, .loop_us = loop}, 25, "R-REBOOT");
    bad("cpu x1.5", (struct world){.canaries = 20, .control = 180, .bad = 20, .cpu = 1.5}, 25, "R-CPU");
    bad("variance x4", (struct world){.canaries = 20, .control = 180, .bad = 20, .var = 4}, 25, "R-VARIANCE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hardly_ever_halts_a_good_one),
        cmocka_unit_test(halts_a_bad_one_within_minutes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
