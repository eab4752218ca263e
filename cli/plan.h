/* andon plan: rollouts whose waves andon keeps (docs/plans.md). */
#ifndef ANDON_CLI_PLAN_H
#define ANDON_CLI_PLAN_H

#include "cli/cli.h"
#include "core/plan.h"

/* andon plan show ID */
int plan_show(const struct args *a, const struct session *s);
/* Its waves: how many of each stratum, and the first of their devices. */
void plan_waves_text(const struct wave_plan *p, struct buf *out);
/* The same as members of an object that is being written; `ids`: all of them (as they are told, safe text). */
void plan_waves_json(const struct wave_plan *p, bool ids, struct json_w *w);

/* andon plan step N (plan_step.c): the exit code. */
int plan_step(const struct args *a);

#endif
