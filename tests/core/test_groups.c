/* One vulnerability, many ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/groups.h"
#include "core/rng.h"

static void add(struct groups *g, const char *id, enum adv_ref_kind kind, size_t n, ...)
{
    struct adv_ref refs[8];
    va_list ap;
    va_start(ap, n);
    for (size_t i = 0; i < n; i++)
        refs[i] = (struct adv_ref){kind, va_arg(ap, const char *)};
    va_end(ap);
    groups_add(g, id, refs, n);
}

static void test_aliases_both_ways_and_onwards(void **state)
{
    (void)state;
    struct groups *g = groups_new();
    add(g, "GHSA-b", ADV_ALIAS, 2, "CVE-2031-0002", "RUSTSEC-1");
    add(g, "PYSEC-9", ADV_ALIAS, 1, "GHSA-b");
    add(g, "GHSA-z", ADV_RELATED, 1, "GHSA-b");
    add(g, "GO-2", ADV_ALIAS, 1, "GO-1");
    groups_close(g);
    assert_string_equal(groups_name(g, "RUSTSEC-1"), "CVE-2031-0002");
    assert_string_equal(groups_name(g, "PYSEC-9"), "CVE-2031-0002");
    assert_string_equal(groups_name(g, "GHSA-z"), "GHSA-z");
    assert_string_equal(groups_name(g, "GO-2"), "GO-1");
    assert_string_equal(groups_name(g, "never seen"), "never seen");
    size_t n;
    const char *const *m = groups_members(g, "CVE-2031-0002", &n);
    assert_int_equal(n, 4);
    assert_string_equal(m[0], "CVE-2031-0002");
    assert_string_equal(m[1], "GHSA-b");
    assert_string_equal(m[2], "PYSEC-9");
    assert_string_equal(m[3], "RUSTSEC-1");
    assert_null(groups_members(g, "never seen", &n));
    assert_int_equal(n, 0);
    groups_free(g);
}

static void test_upstreams(void **state)
{
    (void)state;
    struct groups *g = groups_new();
    const char *about[4];
    add(g, "DEBIAN-CVE-2031-1000", ADV_UPSTREAM, 1, "CVE-2031-1000");
    add(g, "DSA-7", ADV_UPSTREAM, 3, "CVE-2031-1000", "CVE-2031-2000", "CVE-2031-1000");
    /* its two upstreams are one vulnerability, because another advisory joins its own */
    add(g, "USN-1", ADV_UPSTREAM, 2, "UBUNTU-CVE-2031-3000", "CVE-2031-3000");
    add(g, "UBUNTU-CVE-2031-3000", ADV_UPSTREAM, 1, "CVE-2031-3000");
    groups_close(g);
    assert_string_equal(groups_name(g, "DEBIAN-CVE-2031-1000"), "CVE-2031-1000");
    assert_string_not_equal(groups_name(g, "CVE-2031-2000"), groups_name(g, "CVE-2031-1000"));
    assert_int_equal(groups_about(g, "DSA-7", about, 4), 2);
    assert_true(strcmp(about[0], about[1]) != 0);
    assert_int_equal(groups_about(g, "DSA-7", about, 1), 2); /* says how many although only one fits */
    assert_string_equal(groups_name(g, "USN-1"), "CVE-2031-3000");
    assert_int_equal(groups_about(g, "USN-1", about, 4), 1);
    assert_int_equal(groups_about(g, "CVE-2031-2000", about, 4), 1);
    assert_string_equal(about[0], "CVE-2031-2000");
    groups_free(g);
}

static void test_which_name(void **state)
{
    (void)state;
    assert_true(id_is_cve("CVE-2031-0001"));
    assert_true(id_is_cve("CVE-2031-1234567"));
    assert_false(id_is_cve("CVE-2031-001"));
    assert_false(id_is_cve("CVE-20311-0001"));
    assert_false(id_is_cve("DEBIAN-CVE-2031-0001"));
    assert_false(id_is_cve("CVE-2031"));
    assert_false(id_is_cve("CVE-"));
    assert_true(id_cmp("CVE-2031-9999", "CVE-2031-10000") < 0);
    assert_true(id_cmp("CVE-2030-10000", "CVE-2031-9999") < 0);
    assert_true(id_cmp("CVE-2031-0001", "AAA") < 0);
    assert_true(id_cmp("GHSA-a", "GHSA-b") < 0);
}

/* The rules said again, slowly: joins to a fixed point by repeated passes. */
#define N 24
static void slow(const uint32_t (*alias)[2], size_t na, const uint32_t (*up)[2], size_t nu, uint32_t set[N])
{
    for (uint32_t i = 0; i < N; i++)
        set[i] = i;
    for (bool changed = true; changed;) {
        changed = false;
        uint32_t join[2 * N][2];
        size_t n = 0;
        for (size_t i = 0; i < na; i++) {
            join[n][0] = alias[i][0];
            join[n++][1] = alias[i][1];
        }
        for (uint32_t f = 0; f < N; f++) {
            uint32_t to = N;
            bool one = true;
            for (size_t i = 0; i < nu; i++) {
                if (up[i][0] != f)
                    continue;
                if (to == N)
                    to = up[i][1];
                one &= set[to] == set[up[i][1]];
            }
            if (to < N && one) {
                join[n][0] = f;
                join[n++][1] = to;
            }
        }
        for (size_t i = 0; i < n; i++) {
            uint32_t a = set[join[i][0]], b = set[join[i][1]];
            if (a == b)
                continue;
            changed = true;
            for (uint32_t k = 0; k < N; k++)
                if (set[k] == a)
                    set[k] = b;
        }
    }
}

static void test_against_the_slow_way(void **state)
{
    (void)state;
    struct rng r;
    rng_init(&r, 12);
    for (int round = 0; round < 4000; round++) {
        uint32_t alias[N][2], up[N][2], set[N];
        size_t na = rng_below(&r, 9), nu = rng_below(&r, 22);
        struct joins *j = joins_new(N);
        for (size_t i = 0; i < na; i++)
            joins_alias(j, alias[i][0] = (uint32_t)rng_below(&r, N), alias[i][1] = (uint32_t)rng_below(&r, N));
        for (size_t i = 0; i < nu; i++)
            joins_upstream(j, up[i][0] = (uint32_t)rng_below(&r, N), up[i][1] = (uint32_t)rng_below(&r, N));
        joins_close(j);
        slow((const uint32_t(*)[2])alias, na, (const uint32_t(*)[2])up, nu, set);
        for (uint32_t a = 0; a < N; a++)
            for (uint32_t b = 0; b < N; b++)
                assert_int_equal(joins_root(j, a) == joins_root(j, b), set[a] == set[b]);
        joins_free(j);
    }
}

/* 10^6 ids in a ring, and 10^6 in a chain where each advisory's two upstreams are one only when the next has joined:
 * neither recursion nor quadratic time (which would not end). */
static void test_a_million(void **state)
{
    (void)state;
    const uint32_t n = 1000000;
    struct joins *j = joins_new(n);
    for (uint32_t i = 0; i < n; i++)
        joins_alias(j, i, (i + 1) % n);
    joins_close(j);
    assert_int_equal(joins_root(j, 0), joins_root(j, n - 1));
    joins_free(j);
    j = joins_new(n);
    for (uint32_t i = 0; i + 2 < n; i++) {
        joins_upstream(j, i, i + 1);
        joins_upstream(j, i, i + 2);
    }
    joins_alias(j, n - 2, n - 1);
    joins_close(j);
    assert_int_equal(joins_root(j, 0), joins_root(j, n - 1));
    joins_free(j);

    struct groups *g = groups_new();
    for (uint32_t i = 0; i < n; i++) {
        char a[32], b[32];
        snprintf(a, sizeof a, "RING-%u", i);
        snprintf(b, sizeof b, "RING-%u", (i + 1) % n);
        groups_add(g, a, &(struct adv_ref){ADV_ALIAS, b}, 1);
    }
    groups_close(g);
    assert_string_equal(groups_name(g, "RING-777777"), "RING-0");
    size_t members;
    groups_members(g, "RING-5", &members);
    assert_int_equal(members, n);
    groups_free(g);
}

static void test_what_is_left_of_a_group(void **state)
{
    (void)state;
    struct advisory osv = {.id = "GHSA-1", .source = ADV_OSV}, record = {.id = "CVE-2031-0001", .source = ADV_CVE5},
                    nvd = {.id = "CVE-2031-0001", .source = ADV_NVD};
    const struct advisory *all[] = {&osv, &record, &nvd};
    assert_int_equal(group_life(all, 3), GROUP_LIVE);
    assert_int_equal(group_life(all, 0), GROUP_LIVE);
    /* NVD is late: its copy of a rejected record is no life of its own */
    record.state = ADV_REJECTED;
    assert_int_equal(group_life(all + 1, 2), GROUP_REJECTED);
    assert_int_equal(group_life(all, 3), GROUP_DOUBTFUL);
    assert_false(group_speaks(all, 3, &nvd));
    assert_true(group_speaks(all, 3, &osv));
    osv.state = ADV_WITHDRAWN;
    assert_int_equal(group_life(all, 3), GROUP_REJECTED);
    assert_int_equal(group_life(all, 1), GROUP_WITHDRAWN);
    /* the record lives: NVD's rejection of it counts for nothing */
    osv.state = record.state = ADV_LIVE;
    nvd.state = ADV_REJECTED;
    assert_int_equal(group_life(all, 3), GROUP_LIVE);
    /* only NVD knows it */
    assert_int_equal(group_life(all + 2, 1), GROUP_REJECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aliases_both_ways_and_onwards),
        cmocka_unit_test(test_upstreams),
        cmocka_unit_test(test_which_name),
        cmocka_unit_test(test_against_the_slow_way),
        cmocka_unit_test(test_a_million),
        cmocka_unit_test(test_what_is_left_of_a_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
