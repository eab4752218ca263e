/* The log's upkeep, by the guard: lets it go on in a new file when it has grown (`audit: rotate:`), on a thread of its
 * own, for that takes a while and nobody is to wait for it. */
#ifndef ANDON_CLI_UPKEEP_H
#define ANDON_CLI_UPKEEP_H

#include "cli/cli.h"

struct upkeep;
/* As in cli/writer.h. */
typedef void upkeep_line(const char *level, const char *fleet, const char *event, const char *fmt, ...)
    ANDON_PRINTF(4, 5);
/* Begins, when the configuration asks for anything, unless it has begun; what is done or cannot be done is a line of
 * the guard's. */
void upkeep_tend(struct upkeep **u, const struct session *s, upkeep_line *line);
/* Waits for what the thread is at, at most 10 s. NULL is fine. */
void upkeep_free(struct upkeep *u);

#endif
