/* What a finding asks for: both public tables row by row, the two rules, due dates, and the order, on an invented world
 * whose answers were worked out by hand from the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/risk.h"

/* Data of github.com/CERTCC/SSVC, as core/ssvc.h says. */
static const char *const deployer[] = {
    "none,small,no,low,defer",
    "none,small,no,medium,defer",
    "none,small,no,high,scheduled",
    "none,small,no,very high,scheduled",
    "none,small,yes,low,defer",
    "none,small,yes,medium,scheduled",
    "none,small,yes,high,scheduled",
    "none,small,yes,very high,scheduled",
    "none,controlled,no,low,defer",
    "none,controlled,no,medium,scheduled",
    "none,controlled,no,high,scheduled",
    "none,controlled,no,very high,scheduled",
    "none,controlled,yes,low,scheduled",
    "none,controlled,yes,medium,scheduled",
    "none,controlled,yes,high,scheduled",
    "none,controlled,yes,very high,scheduled",
    "none,open,no,low,defer",
    "none,open,no,medium,scheduled",
    "none,open,no,high,scheduled",
    "none,open,no,very high,scheduled",
    "none,open,yes,low,scheduled",
    "none,open,yes,medium,scheduled",
    "none,open,yes,high,scheduled",
    "none,open,yes,very high,out-of-cycle",
    "public poc,small,no,low,defer",
    "public poc,small,no,medium,scheduled",
    "public poc,small,no,high,scheduled",
    "public poc,small,no,very high,scheduled",
    "public poc,small,yes,low,scheduled",
    "public poc,small,yes,medium,scheduled",
    "public poc,small,yes,high,scheduled",
    "public poc,small,yes,very high,scheduled",
    "public poc,controlled,no,low,defer",
    "public poc,controlled,no,medium,scheduled",
    "public poc,controlled,no,high,scheduled",
    "public poc,controlled,no,very high,scheduled",
    "public poc,controlled,yes,low,scheduled",
    "public poc,controlled,yes,medium,scheduled",
    "public poc,controlled,yes,high,scheduled",
    "public poc,controlled,yes,very high,out-of-cycle",
    "public poc,open,no,low,scheduled",
    "public poc,open,no,medium,scheduled",
    "public poc,open,no,high,scheduled",
    "public poc,open,no,very high,out-of-cycle",
    "public poc,open,yes,low,scheduled",
    "public poc,open,yes,medium,scheduled",
    "public poc,open,yes,high,out-of-cycle",
    "public poc,open,yes,very high,out-of-cycle",
    "active,small,no,low,scheduled",
    "active,small,no,medium,scheduled",
    "active,small,no,high,out-of-cycle",
    "active,small,no,very high,out-of-cycle",
    "active,small,yes,low,scheduled",
    "active,small,yes,medium,out-of-cycle",
    "active,small,yes,high,out-of-cycle",
    "active,small,yes,very high,out-of-cycle",
    "active,controlled,no,low,scheduled",
    "active,controlled,no,medium,scheduled",
    "active,controlled,no,high,out-of-cycle",
    "active,controlled,no,very high,out-of-cycle",
    "active,controlled,yes,low,out-of-cycle",
    "active,controlled,yes,medium,out-of-cycle",
    "active,controlled,yes,high,out-of-cycle",
    "active,controlled,yes,very high,out-of-cycle",
    "active,open,no,low,scheduled",
    "active,open,no,medium,out-of-cycle",
    "active,open,no,high,out-of-cycle",
    "active,open,no,very high,immediate",
    "active,open,yes,low,out-of-cycle",
    "active,open,yes,medium,out-of-cycle",
    "active,open,yes,high,immediate",
    "active,open,yes,very high,immediate",
};
static const char *const bod[] = {
    "no,no,no,partial,fix on system upgrade",
    "yes,no,no,partial,14 days",
    "no,yes,no,partial,60 days",
    "no,no,yes,partial,60 days",
    "no,no,no,total,fix on system upgrade",
    "yes,yes,no,partial,14 days",
    "yes,no,yes,partial,14 days",
    "no,yes,yes,partial,14 days",
    "yes,no,no,total,14 days",
    "no,yes,no,total,14 days",
    "no,no,yes,total,60 days",
    "yes,yes,yes,partial,3 days",
    "yes,yes,no,total,3 days & forensic investigation",
    "yes,no,yes,total,3 days & forensic investigation",
    "no,yes,yes,total,3 days",
    "yes,yes,yes,total,3 days & forensic investigation",
};

#define DAY(n) ((n)*US_PER_DAY)
#define NOW    DAY(22350)

static void test_deployer(void **state)
{
    (void)state;
    int n = 0, row;
    char line[120];
    for (int e = 0; e < EXPLOITS; e++) {
        for (int x = 0; x < SYSTEM_EXPOSURES; x++) {
            for (int a = 0; a < 2; a++) {
                for (int i = 0; i < IMPACTS; i++, n++) {
                    struct ssvc_case c = {(enum ssvc_exploitation)e, (enum ssvc_exposure)x, a, (enum ssvc_impact)i};
                    enum ssvc_tier t = ssvc_tier(&c, &row);
                    snprintf(line, sizeof line, "%s,%s,%s,%s,%s", ssvc_exploitation_word(c.exploitation),
                             ssvc_exposure_word(c.exposure), a ? "yes" : "no", ssvc_impact_word(c.impact),
                             ssvc_tier_word(t));
                    assert_string_equal(line, deployer[n]);
                    assert_int_equal(row, n);
                }
            }
        }
    }
    assert_int_equal(n, 72);
}

static void test_bod(void **state)
{
    (void)state;
    char line[120];
    bool seen[16] = {0};
    for (int n = 0; n < 16; n++) {
        struct bod_case c = {n & 8, n & 4, n & 2, n & 1};
        int row;
        enum bod_days d = bod_days(&c, &row);
        snprintf(line, sizeof line, "%s,%s,%s,%s,%s", c.listed ? "yes" : "no", c.exposed ? "yes" : "no",
                 c.automatable ? "yes" : "no", c.total ? "total" : "partial", bod_word(d));
        assert_in_range(row, 0, 15);
        assert_false(seen[row]);
        seen[row] = true;
        assert_string_equal(line, bod[row]);
    }
}

/* Nothing known but what the fields say. */
static struct vuln_facts vuln(const char *id)
{
    return (struct vuln_facts){
        .id = id, .summary = "", .vector = "", .tenths = -1, .scored_by = "", .published = NOW - DAY(10)};
}

static struct fleet_cell cell(enum device_class c, enum exposure x)
{
    return (struct fleet_cell){.release = "r:1", .model = "r", .cls = c, .exposure = x, .devices = 1};
}

static struct risk decide(const struct vuln_facts *f, enum device_class c, enum exposure x)
{
    struct fleet_cell k = cell(c, x);
    struct risk r;
    risk_decide(risk_policy_default(), f, &k, NOW, &r);
    return r;
}

static void test_points(void **state)
{
    (void)state;
    struct vuln_facts f = vuln("CVE-2031-1");
    struct risk r = decide(&f, CLASS_UNKNOWN, EXPOSURE_UNKNOWN);
    /* what nobody says: no exploit is known, everything else is the worse and says so */
    assert_int_equal(r.why[POINT_EXPLOITED].value, EXPLOIT_NONE);
    assert_int_equal(r.why[POINT_EXPLOITED].source, FROM_NOTHING);
    assert_false(r.why[POINT_EXPLOITED].assumed);
    assert_int_equal(r.why[POINT_EXPOSURE].value, SYSTEM_OPEN);
    assert_int_equal(r.why[POINT_IMPACT].value, IMPACT_HIGH);
    for (int p = POINT_EXPOSURE; p < POINTS; p++)
        assert_true(r.why[p].assumed);
    assert_int_equal(r.why[POINT_AUTOMATABLE].value, 1);
    assert_int_equal(r.why[POINT_TECHNICAL].value, 1);
    /* and each thing that becomes known is not assumed any more */
    f.vector = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H";
    r = decide(&f, CLASS_SAFETY, EXPOSURE_ISOLATED);
    assert_int_equal(r.why[POINT_AUTOMATABLE].value, 0);
    assert_int_equal(r.why[POINT_AUTOMATABLE].source, FROM_VECTOR);
    assert_int_equal(r.why[POINT_TECHNICAL].value, 1);
    assert_int_equal(r.why[POINT_EXPOSURE].value, SYSTEM_SMALL);
    assert_int_equal(r.why[POINT_IMPACT].value, IMPACT_VERY_HIGH);
    for (int p = 0; p < POINTS; p++)
        assert_false(r.why[p].assumed);
    /* CISA's word counts before the vector */
    f.automatable = ADV_YES;
    f.total_impact = ADV_NO;
    r = decide(&f, CLASS_NON_CRITICAL, EXPOSURE_SITE);
    assert_int_equal(r.why[POINT_AUTOMATABLE].value, 1);
    assert_int_equal(r.why[POINT_AUTOMATABLE].source, FROM_CVE_RECORD);
    assert_int_equal(r.why[POINT_TECHNICAL].value, 0);
    assert_int_equal(r.why[POINT_IMPACT].value, IMPACT_LOW);
    assert_int_equal(r.why[POINT_EXPOSURE].value, SYSTEM_CONTROLLED);
    struct fleet_cell k = cell(CLASS_NON_CRITICAL, EXPOSURE_SITE);
    k.essential = true;
    risk_decide(risk_policy_default(), &f, &k, NOW, &r);
    assert_int_equal(r.why[POINT_IMPACT].value, IMPACT_MEDIUM);
}

static void test_vectors(void **state)
{
    (void)state;
    static const struct {
        const char *vector;
        int automatable, total;
    } rows[] = {
        {"AV:N/AC:L/Au:N/C:P/I:P/A:P", 1, 0},
        {"AV:N/AC:L/Au:N/C:C/I:C/A:C", 1, 1},
        {"AV:N/AC:L/Au:S/C:C/I:C/A:C", 0, 1},
        {"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 1, 1},
        {"CVSS:3.0/AV:A/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:L", 0, 0},
        {"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:C/C:H/I:H/A:H", 0, 1},
        {"CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:H/I:N/A:H", 0, 0},
        {"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 1, 1},
        {"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:P/VC:N/VI:H/VA:H/SC:H/SI:H/SA:H", 0, 0},
        {"AV:N/AC:L", 0, 0},
        {"/////AV", 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vuln_facts f = vuln("CVE-2031-1");
        f.vector = rows[i].vector;
        struct risk r = decide(&f, CLASS_SAFETY, EXPOSURE_SITE);
        assert_int_equal(r.why[POINT_AUTOMATABLE].value, rows[i].automatable);
        assert_int_equal(r.why[POINT_TECHNICAL].value, rows[i].total);
    }
}

static void test_exploitation(void **state)
{
    (void)state;
    struct vuln_facts f = vuln("CVE-2031-1");
    f.scored = true;
    f.epss = 0.0999;
    assert_int_equal(decide(&f, CLASS_SAFETY, EXPOSURE_SITE).why[POINT_EXPLOITED].value, EXPLOIT_NONE);
    f.epss = 0.10;
    assert_int_equal(decide(&f, CLASS_SAFETY, EXPOSURE_SITE).why[POINT_EXPLOITED].value, EXPLOIT_POC);
    /* CISA's "none" does not undo what EPSS says */
    f.exploitation = ADV_EXPLOIT_NONE;
    assert_int_equal(decide(&f, CLASS_SAFETY, EXPOSURE_SITE).why[POINT_EXPLOITED].source, FROM_EPSS);
    f.exploitation = ADV_EXPLOIT_POC;
    assert_int_equal(decide(&f, CLASS_SAFETY, EXPOSURE_SITE).why[POINT_EXPLOITED].source, FROM_CVE_RECORD);
    assert_false(risk_exploited(&f));
    f.kev = true;
    f.kev_added = NOW - DAY(2);
    struct risk r = decide(&f, CLASS_SAFETY, EXPOSURE_SITE);
    assert_int_equal(r.why[POINT_EXPLOITED].value, EXPLOIT_ACTIVE);
    assert_int_equal(r.why[POINT_EXPLOITED].source, FROM_KEV);
    assert_int_equal(r.why[POINT_EXPLOITED].at, NOW - DAY(2));
    assert_true(risk_exploited(&f));
    assert_int_equal(r.bod, BOD_3_FORENSIC);
    /* taken off the list: the others decide again, and the directive is asked as not listed */
    f.kev = false;
    f.kev_until = NOW - DAY(1);
    r = decide(&f, CLASS_SAFETY, EXPOSURE_SITE);
    assert_int_equal(r.why[POINT_EXPLOITED].value, EXPLOIT_POC);
    assert_int_equal(r.bod, BOD_60);
    f.sighted = NOW - DAY(3);
    assert_int_equal(decide(&f, CLASS_SAFETY, EXPOSURE_SITE).why[POINT_EXPLOITED].source, FROM_SIGHTING);
    struct risk_policy p = *risk_policy_default();
    struct fleet_cell k = cell(CLASS_SAFETY, EXPOSURE_SITE);
    p.clock = CLOCK_EXPLOITED;
    risk_decide(&p, &f, &k, NOW, &r);
    assert_int_equal(r.from, NOW - DAY(3));
}

static void test_rules(void **state)
{
    (void)state;
    static const struct {
        const char *vector;
        int tenths;
        enum exposure x;
        unsigned rules;
        enum ssvc_tier tier;
    } rows[] = {
        {"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:N", 74, EXPOSURE_INTERNET, RISK_R1, TIER_OUT_OF_CYCLE},
        {"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:N", 74, EXPOSURE_UNKNOWN, RISK_R1, TIER_OUT_OF_CYCLE},
        {"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:N", 74, EXPOSURE_SITE, 0, TIER_DEFER},
        {"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:N", 69, EXPOSURE_INTERNET, 0, TIER_DEFER},
        {"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:N", 70, EXPOSURE_INTERNET, RISK_R1, TIER_OUT_OF_CYCLE},
        /* local: as bad as it is, nobody reaches it from the internet */
        {"CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 93, EXPOSURE_INTERNET, 0, TIER_DEFER},
        {"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 98, EXPOSURE_INTERNET, RISK_R1 | RISK_R2, TIER_IMMEDIATE},
        {"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 90, EXPOSURE_INTERNET, RISK_R1 | RISK_R2, TIER_IMMEDIATE},
        {"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 89, EXPOSURE_INTERNET, RISK_R1, TIER_OUT_OF_CYCLE},
        {"CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 95, EXPOSURE_INTERNET, RISK_R1, TIER_OUT_OF_CYCLE},
        {"", -1, EXPOSURE_UNKNOWN, RISK_R1 | RISK_R2, TIER_IMMEDIATE}, /* nothing is known: all of it counts */
        {"", -1, EXPOSURE_ISOLATED, 0, TIER_DEFER},
        {"", 50, EXPOSURE_INTERNET, 0, TIER_SCHEDULED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vuln_facts f = vuln("CVE-2031-1");
        f.vector = rows[i].vector;
        f.tenths = rows[i].tenths;
        struct risk r = decide(&f, CLASS_NON_CRITICAL, rows[i].x);
        assert_int_equal(r.rules, rows[i].rules);
        assert_int_equal(r.tier, rows[i].tier);
    }
    /* R2 is said only where it raised: here the table says so itself */
    struct vuln_facts f = vuln("CVE-2031-1");
    f.vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    f.tenths = 98;
    f.kev = true;
    f.kev_added = NOW;
    struct risk r = decide(&f, CLASS_CONFIDENTIAL, EXPOSURE_INTERNET);
    assert_int_equal(r.rules, RISK_R1);
    assert_int_equal(r.row, 70);
    /* switched off */
    struct risk_policy p = *risk_policy_default();
    struct fleet_cell k = cell(CLASS_NON_CRITICAL, EXPOSURE_INTERNET);
    p.high_internet = p.critical_automatable = false;
    f.kev = false;
    risk_decide(&p, &f, &k, NOW, &r);
    assert_int_equal(r.rules, 0);
    assert_int_equal(r.tier, TIER_SCHEDULED);
}

static void test_due(void **state)
{
    (void)state;
    struct vuln_facts f = vuln("CVE-2031-1");
    f.vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H";
    f.tenths = 88;
    /* scheduled: 30 days, but the target of safety-critical devices is 7 */
    struct risk r = decide(&f, CLASS_SAFETY, EXPOSURE_SITE);
    assert_int_equal(r.tier, TIER_SCHEDULED);
    assert_int_equal(r.due, f.published + DAY(7));
    assert_int_equal(decide(&f, CLASS_CONFIDENTIAL, EXPOSURE_SITE).due, f.published + DAY(30));
    assert_int_equal(decide(&f, CLASS_NON_CRITICAL, EXPOSURE_SITE).tier, TIER_DEFER);
    assert_int_equal(decide(&f, CLASS_NON_CRITICAL, EXPOSURE_SITE).due, f.published + DAY(30));
    /* the directive binds safety-critical devices, and is only shown for others */
    f.kev = true;
    f.kev_added = NOW - DAY(1);
    r = decide(&f, CLASS_SAFETY, EXPOSURE_ISOLATED);
    assert_int_equal(r.bod, BOD_14);
    assert_int_equal(r.due, f.published + DAY(7));
    f.automatable = ADV_YES;
    r = decide(&f, CLASS_SAFETY, EXPOSURE_ISOLATED);
    assert_int_equal(r.tier, TIER_OUT_OF_CYCLE);
    assert_int_equal(r.bod, BOD_3_FORENSIC);
    assert_int_equal(r.due, f.published + DAY(3));
    r = decide(&f, CLASS_CONFIDENTIAL, EXPOSURE_ISOLATED);
    assert_int_equal(r.bod, BOD_3_FORENSIC);
    assert_int_equal(r.bod_us, 0);
    assert_int_equal(r.due, f.published + DAY(7));
    /* clocks; what is not known is counted from publication, then from what was learned, and else is due now */
    struct risk_policy p = *risk_policy_default();
    struct fleet_cell k = cell(CLASS_CONFIDENTIAL, EXPOSURE_ISOLATED);
    p.clock = CLOCK_FIX;
    risk_decide(&p, &f, &k, NOW, &r);
    assert_int_equal(r.clock, CLOCK_PUBLISHED);
    f.fix = NOW - DAY(4);
    risk_decide(&p, &f, &k, NOW, &r);
    assert_int_equal(r.due, f.fix + DAY(7));
    p.clock = CLOCK_EXPLOITED;
    risk_decide(&p, &f, &k, NOW, &r);
    assert_int_equal(r.due, f.kev_added + DAY(7));
    f.published = 0;
    f.learned = NOW - DAY(5);
    assert_int_equal(decide(&f, CLASS_CONFIDENTIAL, EXPOSURE_ISOLATED).due, f.learned + DAY(7));
    f.learned = 0;
    r = decide(&f, CLASS_CONFIDENTIAL, EXPOSURE_ISOLATED);
    assert_int_equal(r.from, 0);
    assert_int_equal(r.due, NOW);
}

static int by(const void *a, const void *b)
{
    return risk_order(a, b);
}

/* Each differs from the one before in what the order looks at next. */
static void test_order(void **state)
{
    (void)state;
    enum { N = 12 };
    struct vuln_facts f[N];
    struct fleet_cell k[N];
    struct risk r[N];
    struct risk_item it[N];
    for (int i = 0; i < N; i++) {
        f[i] = vuln("CVE-2031-5");
        f[i].scored = true;
        f[i].epss = 0.5;
        f[i].tenths = 50;
        k[i] = cell(CLASS_CONFIDENTIAL, EXPOSURE_SITE);
        k[i].devices = 9;
        r[i] = (struct risk){.tier = TIER_SCHEDULED, .due = NOW};
        it[i] = (struct risk_item){&f[i], &k[i], 9, &r[i]};
    }
    r[0].tier = TIER_IMMEDIATE;
    r[0].due = NOW + DAY(9);
    r[1].why[POINT_EXPLOITED].value = EXPLOIT_ACTIVE;
    r[1].due = NOW + DAY(5);
    r[2].why[POINT_EXPLOITED].value = EXPLOIT_POC;
    r[2].rules = RISK_R1;
    r[2].due = NOW + DAY(4);
    r[3].why[POINT_EXPLOITED].value = EXPLOIT_POC; /* long overdue, and still behind one that is worse */
    r[3].due = NOW - DAY(400);
    r[4].due = NOW - DAY(1);
    f[5].scored = false; /* not scored: counts as 1 */
    f[6].tenths = -1;    /* no score: counts as 10 */
    f[7].tenths = 51;
    it[8].devices = 10;
    k[9].release = "q:1";
    f[10].id = "CVE-2031-4";
    for (int i = N - 1; i > 0; i--) {
        struct risk_item t = it[i];
        int j = (i * 7) % (i + 1);
        it[i] = it[j];
        it[j] = t;
    }
    qsort(it, N, sizeof *it, by);
    for (int i = 0; i < N; i++)
        assert_ptr_equal(it[i].risk, &r[i]);
    /* what is left is by exposure, so that the order is one */
    struct fleet_cell x = k[11], y = k[11];
    struct risk_item a = it[11], b = it[11];
    a.cell = &x;
    b.cell = &y;
    x.exposure = EXPOSURE_INTERNET;
    y.exposure = EXPOSURE_UNKNOWN;
    assert_true(risk_order(&a, &b) < 0);
    assert_int_equal(risk_order(&a, &a), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deployer),     cmocka_unit_test(test_bod),   cmocka_unit_test(test_points),
        cmocka_unit_test(test_vectors),      cmocka_unit_test(test_rules), cmocka_unit_test(test_due),
        cmocka_unit_test(test_exploitation), cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
