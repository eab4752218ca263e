/* andon get: one row of each kind, as a line of a table and as an object of JSON. */
#ifndef ANDON_CLI_GET_H
#define ANDON_CLI_GET_H

#include "cli/cli.h"
#include "cli/fleets.h"

struct get {
    const struct args *args;
    const struct session *session;
    struct fleets fleets;
    struct json_out json;
    struct table table;
    int rc;
    bool any;
};

void get_fleet(struct get *g, const struct fleet_run *r);
void get_rollout(struct get *g, const struct fleet_run *r, const struct rollout_view *v);
void get_wave(struct get *g, const struct fleet_run *r, const struct rollout_view *v, const struct wave_view *x);
void get_health(struct get *g, const struct fleet_run *r, const struct rollout_view *v, const struct wave_view *x);
void get_device(struct get *g, const struct fleet_run *r, const char *rollout, int wave, const struct device_row *d);

#endif
