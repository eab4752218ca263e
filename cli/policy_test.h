/* andon policy test: what a policy would have done about rollouts of the past, beside what happened. */
#ifndef ANDON_CLI_POLICY_TEST_H
#define ANDON_CLI_POLICY_TEST_H

#include "cli/cli.h"

/* Replays the rollouts that --rollout or --since names, of the fleet that --history names, and prints what came out. An
 * exit code: that of the first rollout that could not be replayed, else EXIT_OK. */
int policy_test(const struct args *a, const struct policy *p);

#endif
