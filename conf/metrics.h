/* A policy's own metrics: the key `metrics` of a policy file (core/metric.h). Read by conf/policy.c after the evidence,
 * whose shares are among the built-in metrics. */
#ifndef ANDON_CONF_METRICS_H
#define ANDON_CONF_METRICS_H

#include "conf/yaml.h"
#include "core/config.h"
#include "core/policy.h"

extern const struct yfield metrics_fields[]; /* of each metric, by its id */

/* Into *p, with the tests that follow. Shares of the built-in metrics that the file does not name are cut in proportion
 * to what the policy's own leave; `shares` is the map of those it names. False with *e at the node that is wrong. */
bool metrics_read(const struct ynode *map, const struct ynode *shares, struct evidence_policy *p, struct arena *a,
                  struct err *e);
/* `telemetry: metrics: {id: query}`. */
bool metrics_queries(const struct ynode *map, struct telemetry_spec *t, struct arena *a, struct err *e);
/* Has each metric of the fleet's policies a query? And says of the queries which are of counters. */
bool metrics_match(const struct ynode *fleet, struct fleet_spec *f, struct err *e);

#endif
