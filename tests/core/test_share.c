/* What bad devices share: the attribute that sets them apart is named, chance is not, and lack of knowledge is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "core/rng.h"
#include "core/share.h"

#define N 2000
enum { REV_B, REV_C, SITE0, SITE1, SITE2, SITE3, PLANT, N_NAMES };
static const char *const keys[] = {"model", "site", "plant"};
static const char *const names[N_NAMES] = {"rev B", "rev C", "Bergen", "Lyon", "Turin", "Graz", "one"};

struct fleet {
    int32_t values[N * 3];
    bool bad[N];
};

static void setup(struct fleet *f, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed);
    memset(f, 0, sizeof *f);
    for (int i = 0; i < N; i++) {
        f->values[i * 3] = rng_unit(&r) < 0.3 ? REV_C : REV_B;
        f->values[i * 3 + 1] = SITE0 + (int32_t)rng_below(&r, 4);
        f->values[i * 3 + 2] = PLANT;
    }
}

static size_t find(const struct fleet *f, size_t n, struct share *out)
{
    return share_find(keys, 3, f->values, names, N_NAMES, f->bad, n, out);
}

static void names_the_model(void **state)
{
    (void)state;
    static struct fleet f;
    setup(&f, 1);
    int bad = 0, rev_c = 0;
    for (int i = 0; i < N; i++) {
        rev_c += f.values[i * 3] == REV_C;
        if (f.values[i * 3] == REV_C && bad < 9)
            f.bad[i] = ++bad > 0;
    }
    struct share out[SHARE_MAX];
    assert_int_equal(find(&f, N, out), 1);
    assert_string_equal(out[0].key, "model");
    assert_string_equal(out[0].value, "rev C");
    assert_int_equal(out[0].bad, 9);
    assert_int_equal(out[0].of_bad, 9);
    assert_int_equal(out[0].all, rev_c);
    assert_int_equal(out[0].of_all, N);
    double lift = 1.0 / ((double)rev_c / N);
    assert_true(out[0].lift > lift - 1e-12 && out[0].lift < lift + 1e-12);
}

/* Two causes: the one that chance explains least comes first. */
static void strongest_first(void **state)
{
    (void)state;
    static struct fleet f;
    setup(&f, 2);
    int n = 0;
    for (int i = 0; i < N && n < 30; i++)
        if (f.values[i * 3 + 1] == SITE1 && (f.values[i * 3] == REV_C || n % 3 == 0))
            f.bad[i] = ++n > 0;
    struct share out[SHARE_MAX];
    assert_int_equal(find(&f, N, out), 2);
    assert_string_equal(out[0].value, "Lyon");
    assert_string_equal(out[1].value, "rev C");
}

/* The tail itself, two pairs looked at: of 60 devices 5 have it. 3 of 3 bad ones: 10 / 34220 = 0.0003. 3 of 4:
 * (10 * 55 + 5) / 487635 = 0.0011; among 20: (10 * 15 + 5) / 4845 = 0.032. 3 of 7: 0.0092. */
static void by_the_hypergeometric_tail(void **state)
{
    (void)state;
    static struct fleet f;
    setup(&f, 3);
    for (int i = 0; i < 60; i++) {
        f.values[i * 3] = i < 5 ? REV_C : REV_B;
        f.values[i * 3 + 1] = SITE0;
    }
    f.bad[0] = f.bad[1] = f.bad[2] = true;
    struct share out[SHARE_MAX];
    assert_int_equal(find(&f, 60, out), 1);
    f.bad[19] = true;
    assert_int_equal(find(&f, 20, out), 0);
    assert_int_equal(find(&f, 60, out), 1);
    f.bad[30] = f.bad[31] = f.bad[32] = true;
    assert_int_equal(find(&f, 60, out), 0);
}

static void chance_names_nothing(void **state)
{
    (void)state;
    static struct fleet f;
    int named = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        setup(&f, 100 + seed);
        struct rng r;
        rng_init_named(&r, seed, "bad");
        for (int i = 0; i < 12; i++)
            f.bad[rng_below(&r, N)] = true;
        struct share out[SHARE_MAX];
        named += find(&f, N, out) > 0;
    }
    assert_true(named <= 8); /* 1 % of 300; 9 or more: 0.4 % */
}

static void what_is_unknown_is_no_difference(void **state)
{
    (void)state;
    static struct fleet f;
    setup(&f, 4);
    int bad = 0;
    for (int i = 0; i < N; i++) { /* the model is known of the bad ones only */
        if (f.values[i * 3] == REV_C && bad < 9)
            f.bad[i] = ++bad > 0;
        else
            f.values[i * 3] = i % 2 ? -1 : N_NAMES + 5; /* and an index out of range is unknown, too */
    }
    struct share out[SHARE_MAX];
    assert_int_equal(find(&f, N, out), 0);
}

static void edges(void **state)
{
    (void)state;
    static struct fleet f;
    setup(&f, 5);
    struct share out[SHARE_MAX];
    assert_int_equal(find(&f, 0, out), 0);
    assert_int_equal(find(&f, N, out), 0); /* none is bad */
    for (int i = 0; i < N; i++)
        f.bad[i] = true;
    assert_int_equal(find(&f, N, out), 0); /* all are */
    assert_int_equal(share_find(NULL, 0, NULL, NULL, 0, f.bad, N, out), 0);
}

/* More than SHARE_MAX findings: the strongest stay, in order. */
static void no_more_than_fit(void **state)
{
    (void)state;
    enum { K = 20, M = 400 };
    static const char *many[K];
    static int32_t values[M * K];
    static bool bad[M];
    static const char *const yes_no[] = {"yes", "no"};
    for (int a = 0; a < K; a++)
        many[a] = "key";
    for (int i = 0; i < M; i++) {
        bad[i] = i < 20;
        for (int a = 0; a < K; a++) /* key a: all the bad and 10 (K - a) others */
            values[i * K + a] = i < 20 + 10 * (K - a) ? 0 : 1;
    }
    struct share out[SHARE_MAX];
    assert_int_equal(share_find(many, K, values, yes_no, 2, bad, M, out), SHARE_MAX);
    for (int i = 0; i < SHARE_MAX; i++)
        assert_int_equal(out[i].all, 20 + 10 * (i + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_model),
        cmocka_unit_test(strongest_first),
        cmocka_unit_test(by_the_hypergeometric_tail),
        cmocka_unit_test(chance_names_nothing),
        cmocka_unit_test(what_is_unknown_is_no_difference),
        cmocka_unit_test(edges),
        cmocka_unit_test(no_more_than_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
