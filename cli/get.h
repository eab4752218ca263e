/* andon get: one row of each kind, as a line of a table and as an object of JSON. */
#ifndef ANDON_CLI_GET_H
#define ANDON_CLI_GET_H

#include "cli/cli.h"
#include "cli/fleets.h"

#define GET_METRICS 16 /* of the table of devices */

struct get {
    const struct args *args;
    const struct session *session;
    struct fleets fleets;
    struct json_out json;
    struct table table;
    char metric[GET_METRICS][METRIC_ID_MAX + 1]; /* that have a column there */
    size_t n_metrics;
    int rc;
    bool any;
};

/* Each adds one row to g->table and one object to the array that is open in g->json. */
/* A fleet, also one that could not be opened (its error instead). */
void get_fleet(struct get *g, const struct fleet_run *r);
/* A rollout of the newest snapshot. */
void get_rollout(struct get *g, const struct fleet_run *r, const struct rollout_view *v);
/* What the server says of a wave. */
void get_wave(struct get *g, const struct fleet_run *r, const struct rollout_view *v, const struct wave_view *x);
/* Figures and verdict of a wave. */
void get_health(struct get *g, const struct fleet_run *r, const struct rollout_view *v, const struct wave_view *x);
/* A device of the focused wave. */
void get_device(struct get *g, const struct fleet_run *r, const char *rollout, int wave, const struct device_row *d);

#endif
