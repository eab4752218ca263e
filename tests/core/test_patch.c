/* Pairs of devices and vulnerabilities out of where devices stayed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/clock.h"
#include "core/patch.h"

#define DAY(n) ((n)*US_PER_DAY)
#define T0     DAY(22000)

/* oven:1 and oven:2 have CVE-1, oven:3 has it no more but opens CVE-2; oven:9 cannot be judged. */
static struct outlook *world(void)
{
    static const char *const names[] = {"oven:1", "oven:2", "oven:3", "oven:9"};
    struct outlook *o = outlook_new();
    struct queue_release *r = ARENA_ARRAY(&o->mem, struct queue_release, 4);
    struct finding *f = ARENA_ARRAY(&o->mem, struct finding, 4);
    struct vuln_facts *v = ARENA_ARRAY(&o->mem, struct vuln_facts, 2);
    struct fleet_cell *c = ARENA_ARRAY(&o->mem, struct fleet_cell, 1);
    for (int i = 0; i < 4; i++)
        r[i] = (struct queue_release){.name = names[i], .line = "oven", .judged = i < 3, .blind = "", .rollout = ""};
    for (int i = 0; i < 4; i++)
        f[i] = (struct finding){.release = names[i == 3 ? 2 : i],
                                .id = i == 3 ? "CVE-2" : "CVE-1",
                                .status = i == 2 ? FINDING_FIXED : FINDING_AFFECTED,
                                .why = WHY_IN_RANGE,
                                .by = "",
                                .component = "",
                                .version = "",
                                .fixed_in = ""};
    v[0] = (struct vuln_facts){.id = "CVE-1",
                               .summary = "",
                               .vector = "",
                               .tenths = 90,
                               .scored_by = "",
                               .published = T0,
                               .learned = T0 + DAY(1),
                               .kev = true,
                               .kev_added = T0 + DAY(2)};
    v[1] = (struct vuln_facts){.id = "CVE-2", .summary = "", .vector = "", .tenths = -1, .scored_by = ""};
    c[0] = (struct fleet_cell){.release = "oven:3",
                               .model = "",
                               .cls = CLASS_SAFETY,
                               .devices = 3,
                               .owner = "",
                               .function = "",
                               .mechanism = "",
                               .cpe_firmware = "",
                               .cpe_hardware = ""};
    o->in = (struct queue_input){.now = T0 + DAY(50),
                                 .policy = risk_policy_default(),
                                 .releases = r,
                                 .n_releases = 4,
                                 .findings = f,
                                 .n_findings = 4,
                                 .facts = v,
                                 .n_facts = 2,
                                 .cells = c,
                                 .n_cells = 1};
    return o;
}

static struct stay stay(const char *device, const char *release, int first, int ended, const char *next)
{
    return (struct stay){"emea",
                         device,
                         release,
                         T0 - DAY(100),
                         T0 + DAY(first),
                         T0 + DAY(ended ? ended : 20),
                         ended ? T0 + DAY(ended) : 0,
                         next};
}

static void pairs_end_as_devices_did(void **state)
{
    (void)state;
    struct outlook *o = world();
    struct arena a;
    struct patch_figures f;
    arena_init(&a);
    struct stay v[] = {
        stay("a", "oven:1", 0, 5, "oven:3"), /* patched on day 5 */
        stay("b", "oven:1", 0, 4, "oven:2"),
        stay("b", "oven:2", 4, 9, "oven:3"), /* one pair over two releases: day 9 */
        stay("c", "oven:1", 0, 0, ""),       /* open */
        stay("d", "oven:1", 0, 7, ""),       /* gone */
        stay("e", "oven:1", 0, 6, "oven:9"), /* what it has now cannot be judged: never taken for patched */
        stay("g", "oven:1", 0, 3, "oven:3"),
        stay("g", "oven:1", 10, 12, "oven:3"), /* back, and patched again */
    };
    v[7].installed = T0 + DAY(10);
    patch_figures(o, v, 8, CLOCK_PUBLISHED, DAY(30), &a, &f);
    assert_int_equal(f.devices, 6);
    assert_int_equal(f.n_vulns, 1); /* nobody had oven:3 for a while, as far as censuses say */
    assert_int_equal(f.vulns[0].pairs, 6);
    assert_int_equal(f.vulns[0].patched, 3);
    assert_int_equal(f.vulns[0].open, 2);
    assert_int_equal(f.vulns[0].gone, 1);
    assert_true(f.vulns[0].last == T0 + DAY(12));
    const struct patch_class *c = &f.of[CLASS_SAFETY];
    assert_int_equal(c->pairs, 6);
    assert_int_equal(c->unknown, 1);
    assert_true(c->under && c->target == DAY(7));
    /* at risk 6 on day 5, one patched (g's end is day 12 less the 7 days that it was away: also 5) */
    assert_true(fabs(c->within - 2.0 / 6) < 1e-9);
    assert_true(c->oldest == DAY(20));
    assert_int_equal(c->over, 3); /* b, c and d; e was seen for 6 days only */
    assert_true(fabs(c->patched_only - (double)DAY(5 + 9 + 5) / 3) < 1);
    assert_true(fabs(c->exposed_us - (double)DAY(5 + 9 + 20 + 7 + 6 + 5)) < 1);
    assert_true(fabs(c->exploited_us - c->exposed_us) < 1);
    assert_true(f.n_exploited == 1 && fabs(f.first_exploit_us - (double)DAY(2)) < 1);
    arena_release(&a);
    outlook_unref(o);
}

static void a_clock_without_a_moment_leaves_out_and_says_so(void **state)
{
    (void)state;
    struct outlook *o = world();
    struct arena a;
    struct patch_figures f;
    arena_init(&a);
    struct stay v[] = {stay("a", "oven:1", 0, 5, "oven:3"), stay("h", "oven:3", 0, 0, "")};
    patch_figures(o, v, 2, CLOCK_PUBLISHED, DAY(30), &a, &f);
    assert_int_equal(f.of[CLASS_SAFETY].pairs, 1);
    assert_int_equal(f.of[CLASS_SAFETY].left_out, 1); /* nobody knows when CVE-2 was published */
    assert_true(isnan(f.of[CLASS_SAFETY].within));    /* nobody was watched for seven days */
    patch_figures(o, v, 2, CLOCK_FIX, DAY(30), &a, &f);
    assert_int_equal(f.of[CLASS_SAFETY].pairs, 0);
    assert_int_equal(f.of[CLASS_SAFETY].left_out, 2);
    patch_figures(o, NULL, 0, CLOCK_PUBLISHED, DAY(30), &a, &f);
    assert_true(f.devices == 0 && f.since == 0 && f.n_vulns == 0);
    arena_release(&a);
    outlook_unref(o);
}

/* One that was seen from day 1 on and patched at once is not the whole fleet. */
static void the_curve_begins_where_enough_are_at_risk(void **state)
{
    (void)state;
    enum { N = 30 };
    static char names[N][16];
    struct outlook *o = world();
    struct arena a;
    struct patch_figures f;
    struct stay v[N];
    arena_init(&a);
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "n%02d", i);
        v[i] = stay(names[i], "oven:1", i == 0 ? 1 : 6, i == 0 ? 2 : i < 10 ? 8 : 0, i < 10 ? "oven:3" : "");
    }
    patch_figures(o, v, N, CLOCK_PUBLISHED, DAY(30), &a, &f);
    const struct patch_class *c = &f.of[CLASS_SAFETY];
    assert_true(c->begins == DAY(2));
    assert_true(fabs(survival_share(&c->curve, DAY(8), false) - 20.0 / 29) < 1e-9);
    assert_int_equal(c->patched, 10);
    arena_release(&a);
    outlook_unref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_end_as_devices_did),
        cmocka_unit_test(a_clock_without_a_moment_leaves_out_and_says_so),
        cmocka_unit_test(the_curve_begins_where_enough_are_at_risk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
