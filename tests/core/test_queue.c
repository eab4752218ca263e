/* What to roll out next, on an invented fleet: steps, what has no fix, what cannot be judged, halts, accepted risks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/queue.h"

#define DAY(n) ((n)*US_PER_DAY)
#define NOW    DAY(22350)
#define ROOM   24

/* Releases oven 1..5, in one line, and lamp 1. Built up by each test. */
struct world {
    struct arena a;
    struct queue_release releases[ROOM];
    struct finding findings[ROOM * 4];
    struct vuln_facts facts[ROOM];
    struct fleet_cell cells[ROOM];
    struct risk_accept accepts[ROOM];
    struct queue_input in;
    struct queue q;
};

static void release(struct world *w, const char *name, const char *line, int64_t order)
{
    w->releases[w->in.n_releases++] = (struct queue_release){
        .name = name, .line = line, .order = order, .judged = true, .blind = "", .offered = true, .rollout = ""};
}

static void says(struct world *w, const char *rel, const char *id, enum finding_status s)
{
    w->findings[w->in.n_findings++] = (struct finding){
        .release = rel, .id = id, .status = s, .by = "", .component = "", .version = "", .fixed_in = ""};
}

static struct vuln_facts *facts(struct world *w, const char *id, int tenths)
{
    struct vuln_facts *f = &w->facts[w->in.n_facts++];
    *f = (struct vuln_facts){.id = id,
                             .summary = "",
                             .vector = "CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:L",
                             .tenths = tenths,
                             .scored_by = "",
                             .published = NOW - DAY(3),
                             .scored = true,
                             .epss = 0.001};
    return f;
}

static struct fleet_cell *devices(struct world *w, const char *rel, enum exposure x, int64_t n)
{
    struct fleet_cell *c = &w->cells[w->in.n_cells++];
    *c = (struct fleet_cell){.release = rel, .model = "", .cls = CLASS_CONFIDENTIAL, .exposure = x, .devices = n};
    return c;
}

static void start(struct world *w)
{
    memset(w, 0, sizeof *w);
    arena_init(&w->a);
    w->in = (struct queue_input){.now = NOW,
                                 .policy = risk_policy_default(),
                                 .releases = w->releases,
                                 .findings = w->findings,
                                 .facts = w->facts,
                                 .cells = w->cells,
                                 .accepts = w->accepts};
    for (int i = 1; i <= 5; i++)
        release(w, i == 1 ? "oven:1" : i == 2 ? "oven:2" : i == 3 ? "oven:3" : i == 4 ? "oven:4" : "oven:5", "oven", i);
    release(w, "lamp:1", "lamp", 1);
}

static void make(struct world *w)
{
    queue_make(&w->in, &w->a, &w->q);
}

static void end(struct world *w)
{
    arena_release(&w->a);
}

static const char *row_text(const struct queue_row *r)
{
    static char out[200];
    snprintf(out, sizeof out, "%d %s>%s %s%s c%zu o%zu n%lld", (int)r->kind, r->from, r->to ? r->to->name : "-",
             r->kind == QUEUE_BLIND ? r->blind : r->worst.facts->id, r->accepted ? " accepted" : "", r->n_closes,
             r->n_opens, (long long)r->devices);
    return out;
}

static void test_nearest(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    facts(&w, "CVE-2031-1", 50);
    facts(&w, "CVE-2031-2", 88);
    facts(&w, "CVE-2031-3", 40);
    devices(&w, "oven:1", EXPOSURE_SITE, 7);
    devices(&w, "oven:1", EXPOSURE_INTERNET, 3);
    devices(&w, "oven:3", EXPOSURE_SITE, 100);
    says(&w, "oven:1", "CVE-2031-1", FINDING_AFFECTED);
    says(&w, "oven:1", "CVE-2031-2", FINDING_AFFECTED);
    says(&w, "oven:2", "CVE-2031-2", FINDING_AFFECTED);
    says(&w, "oven:3", "CVE-2031-3", FINDING_DOUBTFUL);
    says(&w, "oven:3", "CVE-2031-2", FINDING_FIXED);
    make(&w);
    /* the worst one needs oven:3, which opens another; the lesser one is closed by oven:2 already */
    assert_int_equal(w.q.n, 3);
    assert_string_equal(row_text(&w.q.rows[0]), "0 oven:1>oven:3 CVE-2031-2 c2 o1 n10");
    assert_int_equal(w.q.rows[0].worst.cell->exposure, EXPOSURE_INTERNET);
    assert_int_equal(w.q.rows[0].worst.devices, 3);
    assert_int_equal(w.q.rows[0].exposed[EXPOSURE_INTERNET], 3);
    assert_int_equal(w.q.rows[0].exposed[EXPOSURE_SITE], 7);
    assert_string_equal(w.q.rows[0].opens[0], "CVE-2031-3");
    assert_int_equal(w.q.rows[0].worst.risk->rules, RISK_R1);
    assert_string_equal(row_text(&w.q.rows[1]), "0 oven:1>oven:2 CVE-2031-1 c1 o0 n10");
    assert_string_equal(row_text(&w.q.rows[2]), "0 oven:3>oven:4 CVE-2031-3 c1 o0 n100");
    assert_int_equal(w.q.exploited_devices, 0);
    /* single findings: each on each kind of device */
    const struct queue_item *items;
    assert_int_equal(queue_items(&w.in, &w.a, &items), 5);
    assert_string_equal(items[0].finding->id, "CVE-2031-2");
    for (size_t i = 1; i < 5; i++)
        assert_true(risk_order(&items[i - 1].item, &items[i].item) < 0);
    end(&w);
}

/* Not every release is a target: barred, not on the server, not judged, not known to be without it. */
static void test_no_target(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    facts(&w, "CVE-2031-1", 50);
    devices(&w, "oven:3", EXPOSURE_SITE, 4);
    devices(&w, "lamp:1", EXPOSURE_SITE, 1)->end_of_life = NOW - DAY(2);
    says(&w, "oven:3", "CVE-2031-1", FINDING_AFFECTED);
    says(&w, "lamp:1", "CVE-2031-1", FINDING_AFFECTED);
    says(&w, "oven:5", "CVE-2031-1", FINDING_UNKNOWN);
    w.releases[3].judged = false; /* oven:4 */
    w.releases[3].blind = "no SBOM";
    make(&w);
    assert_string_equal(row_text(&w.q.rows[0]), "0 oven:3>oven:2 CVE-2031-1 c1 o0 n4"); /* only a way back is left */
    assert_string_equal(row_text(&w.q.rows[1]), "1 lamp:1>- CVE-2031-1 c0 o0 n1");
    assert_int_equal(w.q.rows[1].past_life, 1);
    assert_int_equal(w.q.rows[1].end_of_life, NOW - DAY(2));
    assert_int_equal(w.q.n, 2);
    facts(&w, "CVE-2031-6", 50)->kev = true;
    says(&w, "oven:2", "CVE-2031-6", FINDING_AFFECTED);
    make(&w);
    assert_string_equal(row_text(&w.q.rows[0]), "0 oven:3>oven:1 CVE-2031-1 c1 o0 n4"); /* not to what is exploited */
    w.in.n_findings--;
    w.releases[1].barred = true;   /* oven:2 */
    w.releases[0].offered = false; /* oven:1 */
    make(&w);
    assert_int_equal(w.q.n, 2);
    assert_int_equal(w.q.rows[0].kind, QUEUE_NOFIX);
    assert_int_equal(w.q.rows[1].kind, QUEUE_NOFIX);
    end(&w);
}

static void test_halted(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    facts(&w, "CVE-2031-1", 50);
    devices(&w, "oven:3", EXPOSURE_SITE, 4);
    says(&w, "oven:3", "CVE-2031-1", FINDING_AFFECTED);
    w.releases[3].state = FIX_HALTED;
    w.releases[3].rollout = "4471";
    make(&w);
    /* another one that closes it goes before one that is halted, and that it is halted is said */
    assert_string_equal(row_text(&w.q.rows[0]), "0 oven:3>oven:5 CVE-2031-1 c1 o0 n4");
    assert_string_equal(w.q.rows[0].halted_fix, "oven:4");
    says(&w, "oven:5", "CVE-2031-1", FINDING_AFFECTED);
    make(&w);
    /* none: the halted one keeps its place, and no way back is put in it */
    assert_string_equal(row_text(&w.q.rows[0]), "0 oven:3>oven:4 CVE-2031-1 c1 o0 n4");
    assert_int_equal(w.q.rows[0].to->state, FIX_HALTED);
    end(&w);
}

static void test_exploited(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    facts(&w, "CVE-2031-1", 50);
    struct vuln_facts *f = facts(&w, "CVE-2031-9", 60);
    f->kev = true;
    f->kev_added = NOW - DAY(1);
    devices(&w, "oven:1", EXPOSURE_SITE, 40);
    devices(&w, "lamp:1", EXPOSURE_UNKNOWN, 5);
    says(&w, "oven:1", "CVE-2031-1", FINDING_AFFECTED);
    says(&w, "oven:2", "CVE-2031-9", FINDING_AFFECTED);
    says(&w, "lamp:1", "CVE-2031-9", FINDING_AFFECTED);
    make(&w);
    /* the target brings it in: said, and counted as opened */
    assert_string_equal(row_text(&w.q.rows[0]), "0 oven:1>oven:2 CVE-2031-1 c1 o1 n40");
    assert_string_equal(w.q.rows[0].exploited_there, "CVE-2031-9");
    assert_int_equal(w.q.exploited_devices, 5);
    assert_int_equal(w.q.exploited_due, f->published + DAY(7));
    end(&w);
}

static void test_blind(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    facts(&w, "CVE-2031-1", 50);
    devices(&w, "", EXPOSURE_SITE, 6);
    devices(&w, "oven:1", EXPOSURE_SITE, 8);
    devices(&w, "oven:9", EXPOSURE_INTERNET, 2);
    devices(&w, "lamp:1", EXPOSURE_INTERNET, 30);
    devices(&w, "oven:2", EXPOSURE_INTERNET, 0);
    says(&w, "lamp:1", "CVE-2031-1", FINDING_UNKNOWN);
    w.releases[0].judged = false;
    w.releases[0].blind = "no SBOM";
    make(&w);
    assert_int_equal(w.q.n, 4);
    assert_string_equal(row_text(&w.q.rows[0]), "2 oven:1>- no SBOM c0 o0 n8");
    assert_string_equal(row_text(&w.q.rows[1]), "2 >- release not told c0 o0 n6");
    assert_string_equal(row_text(&w.q.rows[2]), "2 oven:9>- not a release of the server c0 o0 n2");
    assert_string_equal(row_text(&w.q.rows[3]), "2 lamp:1>- vulnerabilities c0 o0 n30");
    assert_int_equal(w.q.rows[3].n_unknown, 1);
    assert_int_equal(w.q.blind_devices, 16);
    assert_int_equal(w.q.n_unknown, 1);
    end(&w);
}

static void test_accepted(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    facts(&w, "CVE-2031-1", 50);
    facts(&w, "CVE-2031-2", 98)->kev = true;
    devices(&w, "oven:1", EXPOSURE_SITE, 4);
    devices(&w, "lamp:1", EXPOSURE_SITE, 4);
    says(&w, "oven:1", "CVE-2031-1", FINDING_AFFECTED);
    says(&w, "oven:1", "CVE-2031-2", FINDING_AFFECTED);
    says(&w, "lamp:1", "CVE-2031-1", FINDING_AFFECTED);
    w.accepts[w.in.n_accepts++] = (struct risk_accept){.id = "CVE-2031-2",
                                                       .release = "oven:1",
                                                       .until = NOW + DAY(1),
                                                       .by = "m",
                                                       .reason = "r",
                                                       .control = "",
                                                       .seq = 3};
    make(&w);
    /* what is accepted gives no row its place, and is in it all the same */
    assert_string_equal(row_text(&w.q.rows[0]), "0 oven:1>oven:2 CVE-2031-1 c2 o0 n4");
    assert_int_equal(w.q.n_accepted, 1);
    assert_int_equal(w.q.exploited_devices, 0);
    w.accepts[w.in.n_accepts++] = (struct risk_accept){
        .id = "CVE-2031-1", .release = "", .until = NOW + DAY(9), .by = "m", .reason = "r", .control = "", .seq = 4};
    make(&w);
    assert_string_equal(row_text(&w.q.rows[0]), "0 oven:1>oven:2 CVE-2031-2 accepted c2 o0 n4");
    assert_string_equal(row_text(&w.q.rows[1]), "1 lamp:1>- CVE-2031-1 accepted c0 o0 n4");
    assert_int_equal(w.q.rows[1].accepted->seq, 4);
    /* one that is accepted and worse than all comes first by its id, and gives the row its place all the same not */
    facts(&w, "CVE-2031-0", 99)->kev = true;
    says(&w, "lamp:1", "CVE-2031-0", FINDING_AFFECTED);
    w.accepts[1].id = "CVE-2031-0";
    make(&w);
    assert_string_equal(row_text(&w.q.rows[1]), "1 lamp:1>- CVE-2031-1 c0 o0 n4");
    w.accepts[1].id = "CVE-2031-1";
    w.in.n_findings--;
    /* it has expired */
    w.in.now = NOW + DAY(1);
    make(&w);
    assert_string_equal(row_text(&w.q.rows[0]), "0 oven:1>oven:2 CVE-2031-2 c2 o0 n4");
    assert_int_equal(w.q.exploited_devices, 4);
    end(&w);
}

/* A vulnerability of which nothing is known is judged as the worse; what came twice counts once. */
static void test_no_facts(void **state)
{
    (void)state;
    struct world w;
    start(&w);
    devices(&w, "oven:1", EXPOSURE_UNKNOWN, 4);
    says(&w, "oven:1", "CVE-2031-7", FINDING_AFFECTED);
    says(&w, "oven:1", "CVE-2031-7", FINDING_AFFECTED);
    make(&w);
    assert_int_equal(w.q.n, 1);
    assert_string_equal(row_text(&w.q.rows[0]), "0 oven:1>oven:2 CVE-2031-7 c1 o0 n4");
    assert_int_equal(w.q.rows[0].worst.risk->tier, TIER_IMMEDIATE);
    assert_int_equal(w.q.rows[0].worst.risk->due, NOW);
    memset(&w.in, 0, sizeof w.in);
    w.in.policy = risk_policy_default();
    make(&w);
    assert_int_equal(w.q.n, 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest),   cmocka_unit_test(test_no_target), cmocka_unit_test(test_halted),
        cmocka_unit_test(test_exploited), cmocka_unit_test(test_blind),     cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_no_facts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
