/* The part "plans": the log as andon's own waves want it (struct own_log, client/own_waves.h).
 *
 * Where a server can be told devices by name and there is a log, the back end is wrapped: plans in the log are rollouts
 * then, beside the server's own. Nothing happens while there is no plan. */
#ifndef ANDON_ENGINE_PLANS_H
#define ANDON_ENGINE_PLANS_H

#include <stdbool.h>
#include <stdint.h>
#include "audit/log.h"
#include "client/own_waves.h"
#include "core/plan_wish.h"
#include "core/snapshot.h"
#include "engine/parts.h"

struct plan_draft {
    enum draft_stage stage;
    uint64_t number;
    struct arena arena; /* of the plan; also of questions that are under way */
    struct wave_plan plan;
    struct err err;
    bool under_way;
    struct plan_wish next; /* that was asked for meanwhile */
    bool has_next;
};

struct en_plans {
    struct plan_draft *draft; /* NULL until somebody makes one */

    struct backend *waves; /* the back end that is wrapped; NULL: it is not */
    char me[64];           /* this process and engine, in entries */
    int64_t upto;          /* entries that were read last */
    own_read_done idle;    /* a look into a log that has not grown: answered without reading it */
    void *idle_arg;
};

/* en->be, wrapped where that is of use; before the parts are started. */
struct backend *plans_wrap(struct engine *en, struct backend *be);
/* A log's entries about plans of the fleet (NULL: of any) after number `after`, in their order, into the arena, with
 * the blobs that they name. For commands; the engine reads on the scribe's thread. */
bool plans_read(struct audit_log *l, const char *fleet, int64_t after, struct arena *a, struct own_entries *out,
                struct err *e) ANDON_MUST_USE;
/* The entry of a new plan, but for who and when by the monotonic clock; its blob goes under PLAN_BLOB_KEY. The strings
 * are borrowed, one of them from `release`. */
#define PLAN_BLOB_KEY "plan.blob"
void plans_entry(const struct wave_plan *p, const char *fleet, char *release, size_t size, struct entry *out);
bool plans_wraps(const struct engine *en);

/* ---- plans_draft.c: one that somebody makes here ---- */
void plans_wish(struct engine *en, const struct plan_wish *w);
void plans_keep(struct engine *en, uint64_t number); /* the one of this number, if it is ready */
void plans_publish(struct engine *en, struct snapshot *s);
void plans_draft_free(struct engine *en);

extern const struct part part_plans;

#endif
