/* The rank test where values tie: the permutation law by other routes, and bounds that are never below it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/ranktest.h"
#include "core/ranktie.h"
#include "core/rng.h"
#include "core/trial.h"

/* Devices of the small tables; all of them in one array, the canaries first. */
#define SMALL 11

struct table {
    double v[SMALL];
    uint8_t s[SMALL];
    size_t n, all;
};

/* P(U >= u) by trying every choice of as many canaries in each stratum, pair by pair. */
static double by_force(const struct table *t, double u)
{
    size_t want[2] = {0, 0};
    double hit = 0, ways = 0;

    for (size_t i = 0; i < t->n; i++)
        want[t->s[i]]++;
    for (unsigned mask = 0; mask < 1U << t->all; mask++) {
        size_t n[2] = {0, 0};
        double mine = 0;
        for (size_t i = 0; i < t->all; i++)
            n[t->s[i]] += mask >> i & 1;
        if (n[0] != want[0] || n[1] != want[1])
            continue;
        for (size_t i = 0; i < t->all; i++)
            for (size_t j = 0; j < t->all; j++)
                if ((mask >> i & 1) && !(mask >> j & 1) && t->s[i] == t->s[j])
                    mine += t->v[i] > t->v[j] ? 1 : t->v[i] == t->v[j] ? 0.5 : 0;
        hit += mine >= u;
        ways++;
    }
    return hit / ways;
}

static void tied_tables_are_exact(void **state)
{
    struct rng r;
    int tied = 0, seen = 0;

    (void)state;
    rng_init(&r, 11);
    while (tied < 1200) {
        struct table t = {.all = 4 + (size_t)rng_below(&r, SMALL - 3)};
        struct ranktest out;
        uint64_t values = 1 + rng_below(&r, 5);
        bool strata = rng_below(&r, 3) == 0;

        t.n = 1 + (size_t)rng_below(&r, t.all - 1);
        for (size_t i = 0; i < t.all; i++) {
            t.v[i] = (double)rng_below(&r, values) + (i < t.n && rng_below(&r, 2) ? 1 : 0);
            t.s[i] = strata && rng_below(&r, 2);
        }
        if (!ranktest_strata(t.v, t.s, t.n, t.v + t.n, t.s + t.n, t.all - t.n, TIES_PERMUTATION, &out))
            continue;
        double truth = by_force(&t, out.u);
        seen++;
        if (!(fabs(out.p - truth) < 1e-12 * truth + 1e-15) || out.p != out.p_exact)
            fail_msg("table %d: %zu of %zu, p %.17g, truth %.17g", seen, t.n, t.all, out.p, truth);
        assert_true(fabs(out.log_p - log(out.p)) < 1e-12);
        for (size_t i = 0; i < t.all; i++)
            for (size_t j = 0; j < i; j++)
                if (t.v[i] == t.v[j] && t.s[i] == t.s[j]) {
                    tied++;
                    i = t.all - 1;
                    break;
                }
    }
}

/* P(U >= u) of one stratum, device by device: ways[k][w] of them with k canaries whose doubled mean ranks sum to w,
 * in units of `unit`. Numbers of ways, up to C(500, 250). */
static double by_devices(const struct tie_group *g, size_t n_groups, size_t unit)
{
    size_t n = 0, sum = 0, most = 0, before = 0;
    double hit = 0, ways = 0;

    for (size_t i = 0; i < n_groups; i++) {
        size_t t = g[i].x + g[i].y, rank = (2 * before + t) / unit;
        assert_int_equal((2 * before + t) % unit, 0);
        n += g[i].x;
        sum += g[i].x * rank;
        before += t;
        most = rank;
    }
    size_t width = n * most + 1, done = 0;
    double *w = calloc((n + 1) * width, sizeof *w);
    w[0] = 1;
    before = 0;
    for (size_t i = 0; i < n_groups; i++) {
        size_t t = g[i].x + g[i].y, rank = (2 * before + t) / unit;
        for (size_t d = 0; d < t; d++) {
            done++;
            for (size_t k = done < n ? done : n; k > 0; k--)
                for (size_t at = k * most + 1; at-- > rank;)
                    w[k * width + at] = (w[k * width + at] + w[(k - 1) * width + at - rank]);
        }
        before += t;
    }
    for (size_t at = 0; at < width; at++) {
        ways += w[n * width + at];
        hit += at >= sum ? w[n * width + at] : 0;
    }
    free(w);
    return hit / ways;
}

/* A group of `t` devices of which each is a canary with a chance that grows with the value. */
static void draw(struct rng *r, struct tie_group *g, size_t n_groups, uint32_t t, double base, double slope)
{
    for (size_t i = 0; i < n_groups; i++) {
        g[i] = (struct tie_group){0, 0};
        for (uint32_t d = 0; d < t; d++)
            *(rng_unit(r) < base + slope * (double)i / (double)n_groups ? &g[i].x : &g[i].y) += 1;
    }
}

/* Where the exact law costs too much: never below it, and not far above. `worst`: ln of how much may be given away. */
static void bounded(const struct tie_group *g, size_t n_groups, size_t unit, double worst, bool exact_wanted)
{
    const struct tie_stratum s = {g, n_groups};
    bool exact;
    double truth = log(by_devices(g, n_groups, unit)), p = ranktie_log_p(&s, 1, 0, false, &exact);

    assert_int_equal(exact, exact_wanted);
    if (!(p > truth - 1e-9 * fabs(truth) - 1e-12) || !(p < truth + worst || truth > -1))
        fail_msg("ln p %.6f, truth %.6f", p, truth);
}

static void large_tables_are_bounded(void **state)
{
    struct rng r;
    struct tie_group g[400];

    (void)state;
    rng_init(&r, 12);
    for (int run = 0; run < 12; run++) {
        /* 10 values of 50 devices each, about 245 v 255: an exponential bound */
        draw(&r, g, 10, 50, 0.40, 0.02 * run);
        bounded(g, 10, 50, 3.2, false);
        /* 400 pairs of devices, 30 to 60 canaries: the coarse grid, or an exponential bound */
        draw(&r, g, 400, 2, 0.04, 0.02 * run);
        if (run < 3)
            bounded(g, 400, 2, 2.8, false);
        /* 3 values, few canaries: exact */
        draw(&r, g, 3, 200, 0.02, 0.02 * (run % 4));
        bounded(g, 3, 200, 1e-9, true);
    }
}

static void heavy_ties_are_no_evidence(void **state)
{
    static const int cases[][3] = {{5, 45, 1}, {20, 180, 1}, {20, 180, 2}, {20, 1980, 1}, {20, 1980, 2}, {100, 900, 3}};
    static double x[100], y[1980];
    struct ranktest out;

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int n = cases[c][0], m = cases[c][1], k = cases[c][2];
        double truth = 1;
        for (int i = 0; i < n; i++)
            x[i] = i < k;
        for (int i = 0; i < k; i++)
            truth *= (double)(n - i) / (n + m - i);
        ranktest(x, (size_t)n, y, (size_t)m, &out);
        assert_true(fabs(out.p / truth - 1) < 1e-12);
        ranktest_strata(x, NULL, (size_t)n, y, NULL, (size_t)m, TIES_NORMAL, &out); /* as it was */
        assert_true(out.p < truth / 5);
    }
}

/* Without ties the normal tail, at .02 and less, is never below the exact one: what a bound for few ties rests on. */
static void the_normal_tail_is_careful_without_ties(void **state)
{
    static const long ns[] = {1, 2, 3, 5, 10, 20}, ms[] = {1, 2, 5, 12, 40, 200, 1000};
    double x[20], y[1000];
    int compared = 0;

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        y[i] = (double)i;
    for (size_t a = 0; a < 6; a++)
        for (size_t b = 0; b < 7; b++)
            for (long d = 0; d < ns[a] * ms[b]; d += 1 + ns[a] * ms[b] / 60) {
                struct ranktest out;
                long left = d;
                for (long i = 0; i < ns[a]; i++) {
                    long k = left < ms[b] ? left : ms[b];
                    left -= k;
                    x[i] = (double)(ms[b] - k) - 0.5 + (double)(i + 1) / 1000;
                }
                ranktest(x, (size_t)ns[a], y, (size_t)ms[b], &out);
                if (out.p_asymptotic > 0.02)
                    break;
                assert_true(out.p_exact <= out.p_asymptotic);
                compared++;
            }
    assert_true(compared > 200);
}

/* Light ties in a large fleet cost a factor of two and the variance that they take, not more. */
static void light_ties_cost_little(void **state)
{
    static double x[300], y[2700];
    struct rng r;
    struct ranktest with, without;

    (void)state;
    rng_init(&r, 13);
    for (size_t i = 0; i < 300; i++)
        x[i] = rng_normal(&r) + 0.3;
    for (size_t i = 0; i < 2700; i++)
        y[i] = rng_normal(&r);
    ranktest(x, 300, y, 2700, &without);
    y[0] = y[1];
    ranktest(x, 300, y, 2700, &with);
    assert_true(without.log_p < -8 && isnan(with.p_exact));
    assert_true(with.log_p > without.log_p && with.log_p < without.log_p + 0.75);
}

/* Many strata, each of a size that alone would be exact: a bound in the end, and it does end. */
static void many_strata_of_many_values_end(void **state)
{
    enum { N = 64 * 40, M = 64 * 120 };
    static double x[N], y[M];
    static uint8_t xs[N], ys[M];
    struct rng r;
    struct ranktest out;

    (void)state;
    rng_init(&r, 15);
    for (size_t i = 0; i < N; i++) {
        x[i] = floor(rng_normal(&r) * 40 + 4);
        xs[i] = (uint8_t)(i % 64);
    }
    for (size_t i = 0; i < M; i++) {
        y[i] = floor(rng_normal(&r) * 40);
        ys[i] = (uint8_t)(i % 64);
    }
    assert_true(ranktest_strata(x, xs, N, y, ys, M, TIES_PERMUTATION, &out));
    assert_true(isnan(out.p_exact) && out.log_p <= 0 && out.p > out.p_asymptotic && out.p < out.p_asymptotic * 20);
}

/* By how much U is below its mean. */
static double below(const struct tie_group *g, size_t n)
{
    double x = 0, y = 0, u = 0;

    for (size_t i = 0; i < n; i++) {
        u += g[i].x * (y + g[i].y / 2.0);
        x += g[i].x;
        y += g[i].y;
    }
    return x * y / 2 - u;
}

/* Where U is below its mean the exponential bound tells nothing, and is left out: p is what it would be with it. */
static void without_evidence_no_bound_is_needed(void **state)
{
    enum { GROUPS = 1500 };
    static struct tie_group g[GROUPS];
    struct rng r;
    int left_out = 0;

    (void)state;
    rng_init(&r, 16);
    for (int k = 0; k < 60; k++) {
        const struct tie_stratum s = {g, GROUPS};
        bool exact, same;
        draw(&r, g, GROUPS, 1 + (uint32_t)k % 4, k % 2 ? 0.05 : 0.4, -0.001 * (k % 40));
        bool low = below(g, GROUPS) >= GROUPS * (1 + k % 4);
        double with = ranktie_log_p(&s, 1, 0, false, &exact);
        assert_true(fabs(ranktie_log_p(&s, 1, 0, low, &same) - with) < 1e-7);
        assert_int_equal(same, exact);
        left_out += low;
    }
    assert_true(left_out > 10 && left_out < 50);
}

/* A look of a sensor that hardly ever changes: how often p is at most .01, of 4,000 fleets in which nothing differs. */
static void a_quantised_sensor_halts_no_more_than_allowed(void **state)
{
    struct rng r;
    int halts[2] = {0, 0};

    (void)state;
    rng_init(&r, 14);
    for (int run = 0; run < 4000; run++) {
        double v[200];
        struct ranktest out;
        for (size_t i = 0; i < 200; i++)
            v[i] = rng_unit(&r) < 0.01 ? 1 + (double)rng_below(&r, 2) : 0;
        ranktest(v, 20, v + 20, 180, &out);
        halts[0] += out.p <= 0.01;
        ranktest_strata(v, NULL, 20, v + 20, NULL, 180, TIES_NORMAL, &out);
        halts[1] += out.p <= 0.01;
    }
    assert_true(halts[0] <= 40 + 3 * 6.3);
    assert_true(halts[1] > 100);
}

/* As written by andon 0.1: no word about ties in the look, decided by the normal tail. */
static const char old_look[] =
    "{\"alpha\":\"0x1.eb851eb851eb8p-9\",\"clipped\":false,\"crossed_at\":1931257620000000,\"devices\":6,"
    "\"log_e\":\"0x1.8009f2755aef7p+2\",\"log_pause\":\"0x1.658103ca7ea0dp+2\",\"look\":{\"canary\":[[0,"
    "\"0x1.6d3c324e13f4ep-2\"],[1,\"0x1.6d3c324e13f4ep-2\"],[0,\"0x1.6d3c324e13f4ep-2\"],[1,\"0x1.6d3c324"
    "e13f4ep-2\"],[0,\"0x1.6d3c324e13f4ep-2\"],[1,\"-0x1.8fb063ef2c7efp-5\"]],\"control\":[[0,\"0x0p+0\"]"
    ",[1,\"0x0p+0\"],[0,\"0x0p+0\"],[1,\"0x0p+0\"],[0,\"0x0p+0\"],[1,\"0x0p+0\"],[0,\"0x0p+0\"],[1,\"0x0p"
    "+0\"],[0,\"0x0p+0\"],[1,\"0x0p+0\"],[0,\"0x0p+0\"],[1,\"0x0p+0\"],[0,\"0x0p+0\"],[1,\"0x0p+0\"],[0,"
    "\"0x0p+0\"],[1,\"0x0p+0\"],[0,\"0x0p+0\"],[1,\"0x0p+0\"]],\"k\":1,\"m\":18,\"n\":6,\"tick\":19312576"
    "20000000},\"spec\":{\"alpha\":\"0x1.999999999999ap-5\",\"boot_time\":false,\"cpu_ratio\":\"0x1.0cccc"
    "cccccccdp+0\",\"grace_us\":60000000,\"install_share\":\"0x1.47ae147ae147bp-6\",\"min_devices\":2,\"r"
    "atio\":\"0x1.4p+0\",\"reserve\":\"0x0p+0\",\"share_cpu\":\"0x1.3333333333333p-3\",\"share_install\":"
    "\"0x1.999999999999ap-3\",\"share_reboot\":\"0x1.3333333333333p-2\",\"share_silence\":\"0x1.999999999"
    "999ap-3\",\"share_variance\":\"0x1.3333333333333p-3\",\"silence_us\":300000000,\"start\":19312572000"
    "00000,\"step_us\":15000000,\"variance_ratio\":\"0x1.4p+0\",\"waves\":1},\"stage\":0,\"test\":\"cpu\""
    ",\"v\":1}";

static void old_looks_replay_as_they_were_decided(void **state)
{
    struct replay out;
    struct err e;
    char text[sizeof old_look + 40], *at;

    (void)state;
    if (!trial_replay(old_look, strlen(old_look), &out, &e))
        fail_msg("%s", e.what);
    assert_true(out.same && out.log_e > 0);
    at = strstr(strcpy(text, old_look), ",\"tick\":");
    at = strchr(at, '}');
    memmove(at + strlen(",\"ties\":\"permutation\""), at, strlen(at) + 1);
    memcpy(at, ",\"ties\":\"permutation\"", strlen(",\"ties\":\"permutation\""));
    assert_true(trial_replay(text, strlen(text), &out, &e));
    assert_false(out.same); /* by today's rule it is not the same evidence */
    memcpy(strstr(text, "permutation"), "permutatoin", 11);
    assert_false(trial_replay(text, strlen(text), &out, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tied_tables_are_exact),
        cmocka_unit_test(large_tables_are_bounded),
        cmocka_unit_test(heavy_ties_are_no_evidence),
        cmocka_unit_test(the_normal_tail_is_careful_without_ties),
        cmocka_unit_test(light_ties_cost_little),
        cmocka_unit_test(many_strata_of_many_values_end),
        cmocka_unit_test(without_evidence_no_bound_is_needed),
        cmocka_unit_test(a_quantised_sensor_halts_no_more_than_allowed),
        cmocka_unit_test(old_looks_replay_as_they_were_decided),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
