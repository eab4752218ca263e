/* What `andon queue` works with: inventory, releases, findings and what people have accepted, put together. */
#ifndef ANDON_CLI_QUEUE_H
#define ANDON_CLI_QUEUE_H

#include "cli/cli.h"
#include "cli/fleets.h"
#include "cli/risk_log.h"
#include "core/outlook.h"
#include "intel/outlook.h"

struct queue_world {
    struct arena mem;
    struct session session;
    struct said said;
    struct fleets fleets; /* none with --csv */
    struct outlook_ask ask;
    struct outlook *o;
};

/* Gathers everything and computes the queue. False with *e; queue_world_free in any case. Exit code in *rc when the
 * session could not be opened (it has been said). */
bool queue_world_open(const struct args *a, struct queue_world *w, int *rc, struct err *e) ANDON_MUST_USE;
void queue_world_free(struct queue_world *w);

/* queue_print.c */
void queue_text(const struct outlook *o, bool ascii, struct buf *out);
/* The block about one row, number from 1. */
void queue_why_text(const struct outlook *o, size_t number, struct buf *out);
void queue_json(const struct outlook *o, size_t only, struct json_w *j); /* only: 0 = all */

#endif
