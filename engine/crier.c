/* The crier: tells standard error and syslog what the log could not take.
 *
 * Both may block (a stopped terminal, a hung journal), so a thread of its own does it, started at the first cry; the
 * worker only puts a line into a bounded queue. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include "core/clock.h"
#include "engine/aside.h"
#include "engine/worker.h"

#define CRIES_MAX  64
#define LEAVE_US   (200 * US_PER_MS)
#define LINE_BYTES 900

struct cry {
    struct aside_job job;
    size_t lost; /* before this one */
    bool people_only;
    char line[LINE_BYTES + 1];
};

struct crier {
    struct aside *aside; /* NULL: not started yet */
    size_t lost;         /* since the last one that found room */
};

struct crier *crier_new(void)
{
    return xcalloc(1, sizeof(struct crier));
}

static bool say(void *ctx, struct aside_job *j)
{
    const struct cry *y = (const struct cry *)j;
    char more[60] = "";
    (void)ctx;
    if (y->lost)
        snprintf(more, sizeof more, "(%zu lines before this one were lost) ", y->lost);
    fprintf(stderr, "andon: not in the audit log yet: %s%s\n", more, y->line);
    if (!y->people_only)
        syslog(LOG_USER | LOG_ALERT, "andon: not in the audit log yet: %s%s", more, y->line);
    return false;
}

static void drop(void *ctx, struct aside_job *j)
{
    (void)ctx;
    free(j);
}

void crier_cry(struct crier *c, const char *line, bool people_only)
{
    struct aside_spec as = {.what = "", .max = CRIES_MAX, .wake_fd = -1, .poke_fd = -1, .work = say, .drop = drop};
    struct cry *y = xcalloc(1, sizeof *y);
    snprintf(y->line, sizeof y->line, "%s", line);
    y->lost = c->lost;
    y->people_only = people_only;
    if (!c->aside)
        c->aside = aside_new(&as, NULL);
    if (c->aside && aside_put(c->aside, &y->job, NULL)) {
        c->lost = 0;
        return;
    }
    free(y);
    c->lost++;
}

void crier_free(struct crier *c)
{
    if (c && c->aside && aside_stop(c->aside, LEAVE_US, true))
        aside_free(c->aside);
    free(c);
}
