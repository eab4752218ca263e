/* The planner: what a wave can see. Held to the design's simulated tables: G (fewest devices) exactly; E (reboot power)
 * so that it claims nothing that is seen in under half of the runs, and all that is nearly always seen in a fleet of
 * uneven devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>
#include "core/arena.h"
#include "core/metric.h"
#include "core/planner.h"
#include "core/rng.h"
#include "tests/core/trial_kit.h"

static const struct evidence_policy defaults = {.tests = TESTS_ON,
                                                .alpha = 0.05,
                                                .tolerance[ROW_REBOOTS] = 1.25,
                                                .tolerance[ROW_CPU] = 1.05,
                                                .tolerance[ROW_VARIANCE] = 1.25,
                                                .tolerance[ROW_INSTALL] = 0.02,
                                                .min_devices = 2,
                                                .share[ROW_REBOOTS] = 0.30,
                                                .share[ROW_SILENCE] = 0.20,
                                                .share[ROW_CPU] = 0.15,
                                                .share[ROW_VARIANCE] = 0.15,
                                                .share[ROW_INSTALL] = 0.20};

/* Table G: alpha of the metric, one of five equal levels. */
static void fewest_devices(void **state)
{
    (void)state;
    static const int canary[7] = {2, 3, 5, 10, 20, 50, 100}, control[6] = {45, 195, 495, 995, 1995, 9995};
    static const struct {
        double alpha;
        int least[6][7];
    } table[3] = {
        {0.0125,
         {{0, 3, 4, 5, 6, 12, 20},
          {2, 2, 3, 3, 4, 5, 7},
          {2, 2, 2, 2, 3, 4, 5},
          {2, 2, 2, 2, 3, 3, 4},
          {2, 2, 2, 2, 2, 3, 3},
          {2, 2, 2, 2, 2, 2, 2}}},
        {0.0025,
         {{0, 3, 4, 5, 8, 14, 25},
          {0, 3, 3, 4, 4, 6, 9},
          {2, 3, 3, 3, 3, 4, 6},
          {2, 2, 2, 3, 3, 4, 4},
          {2, 2, 2, 3, 3, 3, 4},
          {2, 2, 2, 2, 2, 3, 3}}},
        {0.0005,
         {{0, 0, 5, 6, 9, 17, 29},
          {0, 3, 3, 4, 5, 7, 11},
          {0, 3, 3, 3, 4, 5, 7},
          {0, 3, 3, 3, 3, 4, 5},
          {0, 3, 3, 3, 3, 4, 4},
          {0, 3, 3, 3, 3, 3, 3}}},
    };
    for (size_t a = 0; a < 3; a++)
        for (size_t k = 0; k < 6; k++)
            for (size_t n = 0; n < 7; n++)
                assert_int_equal(planner_least(canary[n], control[k], table[a].alpha / 5, 1.25, 2),
                                 table[a].least[k][n]);
}

static void nothing_to_compare(void **state)
{
    (void)state;
    assert_int_equal(planner_least(0, 100, 0.01, 1, 1), 0);
    assert_int_equal(planner_least(5, 0, 0.01, 1, 1), 0);
    assert_int_equal(planner_least(5, 100, 0, 1, 1), 0);
    assert_int_equal(planner_least(5, 100, 1, 1, 1), 0);
    /* min_devices only ever asks for more */
    assert_int_equal(planner_least(20, 10000, 0.05, 1, 1), 1);
    assert_int_equal(planner_least(20, 10000, 0.05, 1, 3), 3);
}

/* Table E: percent of runs halted within 1, 6, 24 h for ratios 2, 5, 20; first wave of four. */
struct power {
    int uneven; /* gamma(0.5) */
    double per_hour;
    int canary, control, seen[3][3];
};
static const struct power table_e[] = {
    {0, 0.005, 5, 195, {{0, 0, 0}, {0, 0, 3}, {0, 16, 82}}},
    {0, 0.005, 5, 1995, {{0, 0, 0}, {0, 1, 6}, {2, 23, 91}}},
    {0, 0.005, 20, 180, {{0, 0, 0}, {0, 4, 29}, {6, 81, 100}}},
    {0, 0.005, 20, 1980, {{0, 0, 1}, {0, 4, 39}, {16, 94, 100}}},
    {0, 0.005, 100, 900, {{0, 1, 3}, {1, 41, 100}, {83, 100, 100}}},
    {0, 0.005, 1000, 4000, {{1, 11, 91}, {67, 100, 100}, {100, 100, 100}}},
    {0, 0.02, 5, 195, {{0, 0, 0}, {0, 1, 25}, {8, 84, 100}}},
    {0, 0.02, 5, 1995, {{0, 0, 1}, {0, 4, 40}, {13, 91, 100}}},
    {0, 0.02, 20, 180, {{0, 1, 3}, {1, 24, 97}, {61, 100, 100}}},
    {0, 0.02, 20, 1980, {{0, 0, 4}, {3, 39, 100}, {76, 100, 100}}},
    {0, 0.02, 100, 900, {{0, 3, 54}, {24, 100, 100}, {100, 100, 100}}},
    {0, 0.02, 1000, 4000, {{7, 91, 100}, {100, 100, 100}, {100, 100, 100}}},
    {0, 0.1, 5, 195, {{0, 1, 6}, {3, 47, 100}, {75, 100, 100}}},
    {0, 0.1, 5, 1995, {{0, 1, 10}, {2, 48, 100}, {85, 100, 100}}},
    {0, 0.1, 20, 180, {{0, 5, 63}, {19, 99, 100}, {100, 100, 100}}},
    {0, 0.1, 20, 1980, {{1, 8, 76}, {34, 100, 100}, {100, 100, 100}}},
    {0, 0.1, 100, 900, {{3, 61, 100}, {99, 100, 100}, {100, 100, 100}}},
    {0, 0.1, 1000, 4000, {{80, 100, 100}, {100, 100, 100}, {100, 100, 100}}},
    {1, 0.005, 5, 195, {{0, 0, 0}, {0, 0, 2}, {0, 7, 26}}},
    {1, 0.005, 5, 1995, {{0, 0, 0}, {1, 2, 5}, {1, 19, 50}}},
    {1, 0.005, 20, 180, {{0, 0, 0}, {0, 2, 16}, {4, 55, 95}}},
    {1, 0.005, 20, 1980, {{0, 0, 0}, {0, 4, 23}, {15, 74, 98}}},
    {1, 0.005, 100, 900, {{0, 0, 2}, {2, 28, 94}, {73, 100, 100}}},
    {1, 0.005, 1000, 4000, {{0, 7, 73}, {61, 100, 100}, {100, 100, 100}}},
    {1, 0.02, 5, 195, {{0, 0, 0}, {0, 2, 4}, {6, 33, 60}}},
    {1, 0.02, 5, 1995, {{0, 1, 1}, {0, 4, 11}, {14, 50, 71}}},
    {1, 0.02, 20, 180, {{0, 0, 2}, {1, 16, 50}, {42, 96, 100}}},
    {1, 0.02, 20, 1980, {{0, 0, 3}, {2, 23, 64}, {60, 99, 100}}},
    {1, 0.02, 100, 900, {{0, 3, 18}, {22, 94, 100}, {100, 100, 100}}},
    {1, 0.02, 1000, 4000, {{5, 75, 100}, {100, 100, 100}, {100, 100, 100}}},
    {1, 0.1, 5, 195, {{0, 1, 2}, {5, 13, 20}, {42, 71, 79}}},
    {1, 0.1, 5, 1995, {{1, 2, 3}, {4, 18, 24}, {47, 77, 82}}},
    {1, 0.1, 20, 180, {{1, 4, 6}, {13, 59, 79}, {99, 100, 100}}},
    {1, 0.1, 20, 1980, {{2, 4, 8}, {25, 73, 86}, {100, 100, 100}}},
    {1, 0.1, 100, 900, {{4, 28, 53}, {93, 100, 100}, {100, 100, 100}}},
    {1, 0.1, 1000, 4000, {{68, 100, 100}, {100, 100, 100}, {100, 100, 100}}},
};

static void reboots_seen(void **state)
{
    (void)state;
    static const int hours[3] = {1, 6, 24}, ratios[3] = {2, 5, 20};
    size_t claims = 0;
    for (size_t i = 0; i < sizeof table_e / sizeof *table_e; i++)
        for (size_t h = 0; h < 3; h++) {
            const struct power *t = &table_e[i];
            struct plan p;
            planner_wave(&defaults, 0, 4, t->canary, t->control, hours[h], t->per_hour * 24, &p);
            assert_true(p.reboots_known);
            for (size_t r = 0; r < 3; r++) {
                bool claimed = p.sees_reboot_ratio > 0 && p.sees_reboot_ratio < ratios[r] + 0.5;
                claims += claimed;
                if (t->seen[r][h] < 50)
                    assert_false(claimed);
                if (t->uneven && t->seen[r][h] >= 90)
                    assert_true(claimed);
            }
        }
    assert_true(claims > 50);
}

static void rates_that_nobody_knows(void **state)
{
    (void)state;
    struct plan p;
    planner_wave(&defaults, 0, 4, 1000, 4000, 0, 2.4, &p);
    assert_false(p.reboots_known);
    planner_wave(&defaults, 0, 4, 1000, 4000, 24, 0, &p);
    assert_false(p.reboots_known);
    char text[PLAN_TEXT];
    planner_text(&defaults, &p, text, sizeof text);
    assert_null(strstr(text, "reboots"));
}

static void of_a_wave(void **state)
{
    (void)state;
    struct plan p;
    /* 2 of 5 beside 195 halt in every simulated run, 1 of 5 hardly ever; 3 of 20 beside 180, 2 of 20 hardly ever */
    planner_wave(&defaults, 0, 4, 5, 195, 6, 0.48, &p);
    assert_int_equal(p.metric[ROW_REBOOTS].least, 2);
    assert_int_equal(p.least_loop_beside, 3);
    assert_true(p.metric[ROW_CPU].shift && p.metric[ROW_VARIANCE].shift && !p.blind);
    planner_wave(&defaults, 0, 4, 20, 180, 6, 0.48, &p);
    assert_int_equal(p.metric[ROW_REBOOTS].least, 3);
    /* a fall shares the alpha of a rise: never fewer, and said so */
    struct evidence_policy both = defaults;
    struct arena a;
    struct plan two;
    char text[PLAN_TEXT];
    arena_init(&a);
    both.worse[ROW_CPU] = WORSE_BOTH;
    assert_true(metric_make_tests(&both, &a));
    planner_wave(&both, 0, 4, 20, 180, 6, 0.48, &two);
    assert_true(two.metric[ROW_CPU].least > p.metric[ROW_CPU].least);
    planner_text(&both, &two, text, sizeof text);
    assert_non_null(strstr(text, "with CPU far up or down"));
    arena_release(&a);
    planner_wave(&defaults, 0, 4, 20, 1980, 6, 0.48, &p);
    assert_int_equal(p.metric[ROW_REBOOTS].least, 2);
    /* a later wave has less alpha: never fewer */
    struct plan later;
    planner_wave(&defaults, 3, 4, 20, 180, 6, 0.48, &later);
    assert_true(later.metric[ROW_REBOOTS].least >= 3 && later.metric[ROW_SILENCE].least >= p.metric[ROW_SILENCE].least);
    /* installs: 16 alternatives, 2 % tolerated, .05 x .2: 3 of 5, 4 of 20 */
    planner_wave(&defaults, 0, 4, 5, 0, 6, 0, &p);
    assert_int_equal(p.metric[ROW_INSTALL].least, 3);
    assert_int_equal(p.metric[ROW_REBOOTS].least, 0);
    assert_false(p.metric[ROW_CPU].shift || p.blind);
    planner_wave(&defaults, 0, 4, 20, 0, 6, 0, &p);
    assert_int_equal(p.metric[ROW_INSTALL].least, 4);
}

static void falls_into_a_loop(struct kit *k, size_t i)
{
    for (int n = 0; n < 3; n++) {
        kit_boot(k, i);
        kit_tick(k);
    }
}

/* Said is what is done: a trial halts at just as many devices, with control clean and beside one that loops first. */
static void a_trial_halts_at_just_as_many(void **state)
{
    static const size_t size[][2] = {{3, 33}, {5, 28}, {5, 195}, {9, 34}, {20, 180}, {60, 140}};

    (void)state;
    for (size_t s = 0; s < sizeof size / sizeof *size; s++) {
        for (int beside = 0; beside < 2; beside++) {
            struct kit k;
            struct plan p;

            kit_init(&k, 4, size[s][0], size[s][1]);
            planner_wave(&k.spec.policy, 0, 4, (int64_t)size[s][0], (int64_t)size[s][1], 6, 0, &p);
            int64_t least = beside ? p.least_loop_beside : p.metric[ROW_REBOOTS].least;
            kit_until(&k, KIT_GRACE + US_PER_MIN);
            if (beside)
                falls_into_a_loop(&k, size[s][0]);
            for (size_t i = 0; i < size[s][0]; i++) {
                falls_into_a_loop(&k, i);
                bool seen = kit_evidence(&k, 0, TEST_LOOP).crossed_at > 0;
                if (seen != (least > 0 && (int64_t)i + 1 >= least))
                    fail_msg("%zu v %zu, beside %d: %zu devices, planned %lld", size[s][0], size[s][1], beside, i + 1,
                             (long long)least);
            }
            kit_free(&k);
        }
    }
}

/* What a trial sees of crash loops in a fifth of the canaries, over fleets whose devices are spread over 40 strata of
 * five, is what the planner says. */
static void strata_cost_what_is_said(void **state)
{
    (void)state;
    const int fleets = 600, canaries = 20, values = 40;
    struct rng r;
    struct plan p;
    int seen = 0;
    rng_init(&r, 5);
    planner_wave(&defaults, 0, 4, canaries, 180, 6, 0.48, &p);
    planner_strata(&defaults, 0, 4, &(struct plan_spread){.values = values}, 0.48, &p);
    for (int fleet = 0; fleet < fleets; fleet++) {
        struct kit k;
        struct trial_past past = kit_past();
        int left[40], rest = 200;
        for (int v = 0; v < values; v++)
            left[v] = 5;
        kit_empty(&k, 4);
        for (int i = 0; i < 200; i++, rest--) {
            int one = (int)rng_below(&r, (uint64_t)rest), v = 0;
            while (one >= left[v])
                one -= left[v++];
            left[v]--;
            size_t d = kit_add(&k, i < canaries ? 0 : -1, true, (uint8_t)v, &past);
            if (i < canaries)
                assert_true(trial_installed(k.t, TRIAL_IX(d), KIT_START));
        }
        kit_until(&k, KIT_GRACE + US_PER_MIN);
        for (size_t i = 0; i < (size_t)canaries; i++)
            if (rng_unit(&r) < PLAN_LOOPS)
                falls_into_a_loop(&k, i);
        seen += kit_evidence(&k, 0, TEST_LOOP).crossed_at > 0;
        kit_free(&k);
    }
    double rate = (double)seen / fleets;
    assert_true(fabs(rate - p.loops_seen) < 0.06);         /* three standard errors */
    assert_true(fabs(p.loops_seen_whole - 0.794) < 0.001); /* three or more of 20 */
    assert_true(p.metric[ROW_REBOOTS].least > 3 && p.least_loop_beside >= p.metric[ROW_REBOOTS].least &&
                p.compared > 0.99);
    char text[PLAN_TEXT];
    planner_text(&defaults, &p, text, sizeof text);
    assert_non_null(strstr(text, "; in 40 strata crash loops in 20% of the canaries are seen in about 38% (79% if all "
                                 "were compared together)"));
}

/* Known strata: canaries whose stratum has no control device are nobody's to compare with. */
static void strata_that_are_known(void **state)
{
    (void)state;
    struct plan p, whole;
    char text[PLAN_TEXT];
    const int64_t canary[3] = {10, 6, 4}, control[3] = {180, 0, 0}, none[3] = {0, 0, 180};
    planner_wave(&defaults, 0, 4, 20, 180, 6, 0.48, &whole);
    p = whole;
    planner_strata(&defaults, 0, 4, &(struct plan_spread){1, canary, control}, 0.48, &p);
    assert_memory_equal(&p, &whole, sizeof p); /* one is none */
    planner_strata(&defaults, 0, 4, &(struct plan_spread){3, canary, control}, 0.48, &p);
    assert_true(p.strata == 3 && fabs(p.compared - 0.5) < 1e-9 && p.loops_seen < 0.7 && !p.blind);
    planner_text(&defaults, &p, text, sizeof text);
    assert_non_null(strstr(text, ", about 10 of them have nobody to be compared with"));
    p = whole;
    planner_strata(&defaults, 0, 4, &(struct plan_spread){3, (const int64_t[]){20, 0, 0}, none}, 0.48, &p);
    assert_true(p.metric[ROW_REBOOTS].least == 0 && p.metric[ROW_SILENCE].least == 0 && p.loops_seen == 0 &&
                !p.metric[ROW_CPU].shift);
    assert_false(p.blind); /* installs are not compared */
    planner_text(&defaults, &p, text, sizeof text);
    assert_non_null(strstr(text, "cannot see a crash loop"));
}

static void blind(void **state)
{
    (void)state;
    struct plan p;
    planner_wave(&defaults, 0, 4, 1, 100, 6, 0.48, &p); /* one device never halts */
    assert_true(p.blind);
    struct evidence_policy off = defaults;
    off.tests = TESTS_OFF;
    planner_wave(&off, 0, 4, 1000, 4000, 6, 0.48, &p);
    assert_true(p.blind);
    planner_wave(&defaults, 4, 4, 1000, 4000, 6, 0.48, &p); /* an undeclared wave: only installs are tested */
    assert_int_equal(p.metric[ROW_REBOOTS].least, 0);
    assert_false(p.metric[ROW_CPU].shift);
    planner_wave(&defaults, 0, 4, 2, 3, 6, 0.48, &p);
    assert_int_equal(p.metric[ROW_REBOOTS].least, 0);
    assert_false(p.metric[ROW_CPU].shift);
    planner_wave(&defaults, 0, 4, 0, 0, 6, 0.48, &p);
    assert_true(p.blind);
}

static void in_words(void **state)
{
    (void)state;
    struct plan p;
    char text[PLAN_TEXT];
    planner_wave(&defaults, 0, 4, 5, 195, 6, 0.48, &p);
    planner_text(&defaults, &p, text, sizeof text);
    assert_string_equal(text,
                        "5 devices for 6 h: sees 2-3 devices in a crash loop, 2 silent, 3 failed installs, 3 with "
                        "CPU or variance far up, CPU or variance up on all; cannot see reboots x20");
    planner_wave(&defaults, 0, 4, 1000, 4000, 24, 2.4, &p);
    planner_text(&defaults, &p, text, sizeof text);
    assert_non_null(strstr(text, ", reboots x2"));
    assert_null(strstr(text, "cannot"));
    planner_wave(&defaults, 0, 4, 100, 900, 6, 0.48, &p);
    planner_text(&defaults, &p, text, sizeof text);
    assert_non_null(strstr(text, ", reboots x5; cannot see reboots x2"));
    planner_wave(&defaults, 0, 4, 1, 100, 0, 0, &p);
    planner_text(&defaults, &p, text, sizeof text);
    assert_string_equal(text, "1 device: cannot see anything, even if all go bad (100 to compare with)");
    planner_wave(&defaults, 0, 4, 5, 0, 0, 0, &p);
    planner_text(&defaults, &p, text, sizeof text);
    assert_string_equal(text, "5 devices: sees 3 failed installs; cannot see a crash loop, CPU or variance up");
    for (size_t size = 0; size < sizeof text; size++) { /* a short buffer ends at a part's end */
        memset(text, 'x', sizeof text);
        planner_text(&defaults, &p, text, size);
        assert_int_equal(text[size], 'x');
        if (size > 0)
            assert_true(memchr(text, 0, size) != NULL);
    }
}

/* A policy's own metrics are planned as the built-in ones are, and told by their titles. */
static void own_metrics(void **state)
{
    (void)state;
    static const struct metric_def own[] = {
        {.id = "free-memory",
         .title = "free memory",
         .unit = "",
         .kind = KIND_GAUGE,
         .worse = WORSE_DOWN,
         .own = true,
         .tolerance = 1.1,
         .share = 0.15,
         .level = {1.5, 2},
         .n_levels = 2},
        {.id = "offset",
         .title = "sensor offset",
         .unit = "",
         .kind = KIND_GAUGE,
         .worse = WORSE_BOTH,
         .tolerance = 1.1,
         .share = 0.05},
        {.id = "retries",
         .title = "radio retries",
         .unit = "",
         .kind = KIND_COUNTER,
         .share = 0.1,
         .level = {1, 10},
         .n_levels = 2},
        {.id = "errors", .title = "an error in the log", .unit = "", .kind = KIND_EVENT, .share = 0.1},
        {.id = "not-tested", .title = "not tested", .unit = "", .kind = KIND_EVENT}};
    struct evidence_policy e = defaults;
    struct arena a;
    struct plan p;
    char text[PLAN_TEXT];
    arena_init(&a);
    e.own = own;
    e.n_own = 5;
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        e.share[i] = 0.12;
    assert_true(metric_make_tests(&e, &a));
    planner_wave(&e, 0, 4, 20, 180, 0, 0, &p);
    /* The same alpha, levels and direction give the same numbers, built in or not. */
    assert_int_equal(p.metric[METRICS_BUILTIN].least, planner_least(20, 180, 0.05 * 8 / 15 * 0.15 / 4, 1.25, 2));
    assert_int_equal(p.metric[METRICS_BUILTIN + 1].least, 0); /* as it is: the rank test alone */
    assert_int_equal(p.metric[METRICS_BUILTIN + 2].least, planner_least(20, 180, 0.05 * 8 / 15 * 0.1 / 2, 1, 2));
    assert_int_equal(p.metric[METRICS_BUILTIN + 3].least, planner_least(20, 180, 0.05 * 8 / 15 * 0.1, 1.25, 2));
    assert_int_equal(p.metric[METRICS_BUILTIN + 4].least, 0);
    assert_true(p.metric[METRICS_BUILTIN].shift && p.metric[METRICS_BUILTIN + 1].shift);
    assert_false(p.metric[METRICS_BUILTIN + 2].shift);
    planner_text(&e, &p, text, sizeof text);
    assert_non_null(strstr(text, "with CPU or variance far up, "));
    assert_non_null(strstr(text, "with free memory far down, "));
    assert_non_null(strstr(text, "with radio retries 3 times within half an hour, "));
    assert_non_null(strstr(text, "with an error in the log, CPU or variance up on all, free memory down on all, "
                                 "sensor offset up or down on all"));
    assert_null(strstr(text, "cannot"));
    planner_wave(&e, 0, 4, 2, 12, 0, 0, &p);
    planner_text(&e, &p, text, sizeof text);
    assert_non_null(strstr(text, "; cannot see "));
    assert_non_null(strstr(text, "sensor offset up or down, radio retries 3 times within half an hour"));
    assert_null(strstr(text, "not tested"));
    /* Nothing but a metric of its own is tested: then that is what a wave can see. */
    memset(e.share, 0, sizeof e.share);
    planner_wave(&e, 0, 4, 20, 180, 0, 0, &p);
    assert_false(p.blind);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewest_devices),
        cmocka_unit_test(nothing_to_compare),
        cmocka_unit_test(reboots_seen),
        cmocka_unit_test(rates_that_nobody_knows),
        cmocka_unit_test(of_a_wave),
        cmocka_unit_test(a_trial_halts_at_just_as_many),
        cmocka_unit_test(strata_cost_what_is_said),
        cmocka_unit_test(strata_that_are_known),
        cmocka_unit_test(blind),
        cmocka_unit_test(in_words),
        cmocka_unit_test(own_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
