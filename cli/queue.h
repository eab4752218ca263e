/* What `andon queue` works with: inventory, releases, findings and what people have accepted, put together. */
#ifndef ANDON_CLI_QUEUE_H
#define ANDON_CLI_QUEUE_H

#include "cli/cli.h"
#include "cli/fleets.h"
#include "cli/risk_log.h"
#include "core/queue.h"
#include "intel/match.h"

struct queue_world {
    struct arena mem;
    struct session session;
    struct risk_log log;
    struct fleets fleets; /* none with --csv */
    struct intel_store *store;
    struct intel_matcher *matcher;
    const struct intel_source *sources;
    size_t n_sources;
    struct queue_input in;
    struct queue q;
    struct match_gaps gaps;        /* of all releases on devices together; no_sbom is not used */
    size_t releases, without_sbom; /* on devices */
    bool cut;                      /* a release has more than can be looked at */
    const struct inv_rules *rules;
    const char *of; /* where devices were counted, for people */
};

/* Gathers everything and computes the queue. False with *e; queue_world_free in any case. Exit code in *rc when the
 * session could not be opened (it has been said). */
bool queue_world_open(const struct args *a, struct queue_world *w, int *rc, struct err *e) ANDON_MUST_USE;
void queue_world_free(struct queue_world *w);

/* queue_print.c */
void queue_text(const struct queue_world *w, bool ascii, struct buf *out);
/* The block about one row, number from 1. */
void queue_why_text(const struct queue_world *w, size_t number, struct buf *out);
void queue_json(const struct queue_world *w, size_t only, struct json_w *j); /* only: 0 = all */

#endif
