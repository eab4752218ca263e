/* A back end that misbehaves by a seed, around one that does not: answers come late, requests and answers are lost, a
 * yes has done nothing. For rehearsals and tests: never around a fleet in production (conf/ refuses it). */
#ifndef ANDON_CLIENT_FAULT_H
#define ANDON_CLIENT_FAULT_H

#include "client/backend.h"

/* Around `inner`, which it takes over. */
struct backend *fault_open(struct backend *inner, const struct fault_spec *spec);

#endif
