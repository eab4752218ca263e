/* A recorded trace of the wire (core/trace.h), served again on loopback as the servers that it was recorded from.
 *
 * Each server of the trace (a fleet's own, its telemetry) has a path of its own, /0, /1, ... A request is answered with
 * what was answered to the same request, method and path with its query, in the recorded order; the last one repeats.
 * Times in a query (time, start, end) do not count. What was never asked is a 404 that says so. Nothing is simulated: a
 * verb gets the answer that it got, and what comes after it is what came after it then. */
#ifndef ANDON_DRILL_REPLAY_H
#define ANDON_DRILL_REPLAY_H

#include <stddef.h>
#include <stdint.h>
#include "core/err.h"

#define REPLAY_BYTES_MAX   ((size_t)1 << 30) /* of all answers together */
#define REPLAY_SOURCES_MAX 64

struct replay;

struct replay_source {
    char fleet[128], role[24]; /* of the trace; safe text */
    size_t answers, keys;      /* recorded answers, different requests */
    size_t clipped;            /* answers that were too long for the trace: they are not served */
    int prometheus;            /* asked as Prometheus is, not as a page is */
};

/* Reads the trace and starts the server on 127.0.0.1:port, 0 = any. NULL with *e: the file cannot be read, a line is no
 * line of a trace, it has no answers, or the port is taken. */
struct replay *replay_start(const char *path, int port, struct err *e);
void replay_stop(struct replay *r); /* NULL is fine */
int replay_port(const struct replay *r);
/* The servers in the trace; source i answers below http://127.0.0.1:<port>/<i>. */
size_t replay_sources(const struct replay *r, const struct replay_source **out);
/* Lines that the trace says are missing: no room was left while it was written. */
int64_t replay_lost(const struct replay *r);

#endif
