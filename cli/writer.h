/* The guard as the log's only writer (audit/serve.h), on a thread of its own, and the log's upkeep (cli/upkeep.h). */
#ifndef ANDON_CLI_WRITER_H
#define ANDON_CLI_WRITER_H

#include "cli/cli.h"

struct writer;
/* A line of the guard's: level, fleet, event, the rest. From any thread. */
typedef void writer_line(const char *level, const char *fleet, const char *event, const char *fmt, ...)
    ANDON_PRINTF(4, 5);
/* Listens as `audit: socket:` of the configuration says, unless it does, or has tried within half a minute; says so, or
 * why not. The upkeep is begun with it. *w: NULL at first. */
void writer_tend(struct writer **w, const struct session *s, writer_line *line);
/* Waits for what the thread is at, at most 2 s. NULL is fine. */
void writer_free(struct writer *w);

#endif
