/* The page on which a guard is watched itself: cli/metrics_page.h behind web/web.h.
 *
 * The page is made on the web server's thread from the newest snapshots; the guard's own thread only tells what changed
 * and never waits for a reader. */
#ifndef ANDON_CLI_EXPORTER_H
#define ANDON_CLI_EXPORTER_H

#include "cli/fleets.h"
#include "cli/metrics_page.h"

struct exporter;

/* Serves /metrics and /healthz of these fleets at `at` (web/web.h). NULL with *e: ERR_SYNTAX, ERR_NETWORK. */
struct exporter *exporter_open(const char *at, const struct fleets *f, struct err *e);
/* Before the engines are freed. NULL is fine. */
void exporter_close(struct exporter *x);
/* What there is of fleet i now: its engine, or why it has none. The spec and the engine outlive the exporter, the error
 * is copied. */
void exporter_fleet(struct exporter *x, size_t i, const struct fleet_run *r);
void exporter_count(struct exporter *x, size_t i, const struct metrics_counts *c); /* what was counted so far */
/* Where it listens ("127.0.0.1:9464"), and whether others than this machine can reach that. */
const char *exporter_address(const struct exporter *x);
bool exporter_is_local(const struct exporter *x);

#endif
