/* The trace's file: the only one that writes it.
 *
 * Lines go to a thread of their own (engine/aside.h), which opens and appends; a disk that is full or hangs costs the
 * trace and nothing else. What has no room is counted, and the file says where how many lines are missing. */
#ifndef ANDON_CLI_TRACE_H
#define ANDON_CLI_TRACE_H

#include "cli/cli.h"
#include "core/trace.h"

#define TRACE_WAITING_MAX ((size_t)64 << 20) /* bytes of lines that wait for the disk; more are lost, and counted */

/* What --trace, ANDON_TRACE_FILE and ANDON_TRACE ask for. NULL: no trace. What is wrong with them is said on standard
 * error and costs the trace only. `screen`: nothing may be written to the terminal before trace_close(). */
struct trace *trace_open(const struct args *a, bool screen);
/* Waits at most half a second for what is not written yet; says what went wrong if that was not said yet. NULL is
 * fine. What comes later, from a thread that was left behind, is dropped. */
void trace_close(struct trace *t);
/* Names the endpoints of a fleet, or of notices, for the trace; nothing with t == NULL. */
void trace_fleet(struct trace *t, struct fleet_spec *f);
void trace_notify(struct trace *t, struct notify_spec *n, struct arena *arena);

#endif
