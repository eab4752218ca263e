/* What a queue costs: 100,000 devices of 12 kinds on each of 100 releases in 10 lines, with 400 open vulnerabilities on
 * each: 480,000 pairs of kind of device and vulnerability, 40 million of device and vulnerability, which nobody looks
 * at one by one. CPU ms for the rows, and for the list of all findings in their order. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/clock.h"
#include "core/queue.h"
#include "core/rng.h"

#define LIMIT_MS 200.0
enum { LINES = 10, EACH = 10, RELEASES = LINES * EACH, VULNS = 2000, OPEN = 400, KINDS = 12, DEVICES = 100000 };

static double cpu_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec * 1e-6;
}

int main(void)
{
    struct arena a;
    struct rng r;
    arena_init(&a);
    rng_init(&r, 7);
    struct vuln_facts *facts = ARENA_ARRAY(&a, struct vuln_facts, VULNS);
    struct queue_release *releases = ARENA_ARRAY(&a, struct queue_release, RELEASES);
    struct finding *findings = ARENA_ARRAY(&a, struct finding, (size_t)RELEASES * OPEN);
    struct fleet_cell *cells = ARENA_ARRAY(&a, struct fleet_cell, (size_t)RELEASES * KINDS);
    struct queue_input in = {.now = 22000 * US_PER_DAY,
                             .policy = risk_policy_default(),
                             .releases = releases,
                             .n_releases = RELEASES,
                             .findings = findings,
                             .facts = facts,
                             .n_facts = VULNS,
                             .cells = cells};
    for (int i = 0; i < VULNS; i++)
        facts[i] = (struct vuln_facts){.id = arena_printf(&a, "CVE-2031-%d", 10000 + i),
                                       .summary = "",
                                       .vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:L/A:H",
                                       .tenths = (int)rng_below(&r, 101),
                                       .scored_by = "",
                                       .scored = true,
                                       .epss = rng_unit(&r),
                                       .published = in.now - (int64_t)rng_below(&r, 90) * US_PER_DAY};
    for (int i = 0; i < RELEASES; i++) {
        const char *line = arena_printf(&a, "model-%d", i / EACH);
        releases[i] = (struct queue_release){.name = arena_printf(&a, "%s:1.%d", line, i % EACH),
                                             .line = line,
                                             .order = i % EACH,
                                             .judged = true,
                                             .blind = "",
                                             .offered = true,
                                             .rollout = ""};
        for (int k = 0; k < OPEN; k++)
            findings[in.n_findings++] = (struct finding){
                .release = releases[i].name, .id = facts[(i * 37 + k * 5) % VULNS].id, .status = FINDING_AFFECTED};
        for (int k = 0; k < KINDS; k++)
            cells[in.n_cells++] = (struct fleet_cell){.release = releases[i].name,
                                                      .model = line,
                                                      .cls = (enum device_class)(1 + k / 4),
                                                      .exposure = (enum exposure)(k % 4),
                                                      .devices = DEVICES / RELEASES / KINDS + 1};
    }
    struct queue q;
    const struct queue_item *items;
    double t0 = cpu_ms();
    queue_make(&in, &a, &q);
    double t1 = cpu_ms();
    size_t n = queue_items(&in, &a, &items);
    double t2 = cpu_ms();
    printf("%zu findings in %zu rows: %.0f ms (at most %.0f)\n", in.n_findings, q.n, t1 - t0, LIMIT_MS);
    printf("%zu pairs of kind of device and vulnerability in their order: %.0f ms\n", n, t2 - t1);
    arena_release(&a);
    return t1 - t0 > LIMIT_MS;
}
