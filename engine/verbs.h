/* The part "verbs": intents on their way (ops): checked, logged, sent, confirmed by reading the state back. */
#ifndef ANDON_ENGINE_VERBS_H
#define ANDON_ENGINE_VERBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "audit/log.h"
#include "client/backend.h"
#include "core/intent.h"
#include "core/snapshot.h"
#include "engine/parts.h"
#include "engine/sent.h"
#include "engine/stop.h"

struct en_verbs {
    struct op *ops; /* newest first */
    int64_t commands, refused;
};

struct wv_verbs {
    char decided_by[64]; /* who let the wave after it start */
};

struct job;
struct op_act { /* of a verb that is sent and read back */
    int stage;
    int64_t verify_until;
    bool maybe;        /* the server may have got it; of acknowledgements: one of them could not be logged */
    struct err answer; /* of the newest request, for the text */
    int64_t delay;     /* between two readings */
};

/* An intent on its way. All but act and stop is written in verbs_ops.c alone. */
struct op {
    struct op *next;
    uint64_t ticket, corr;
    struct intent in;
    enum op_phase phase;
    char text[300], then[200];
    int64_t started, ended, log_seq;
    struct ro *ro;
    int target_wave; /* -1 */
    char before[32]; /* state word */
    bool recovered;  /* of an earlier session: it is in the log already */
    int status;
    char request_id[80];
    int pending;         /* halts that are not shown, acknowledgements that are not logged yet */
    int busy;            /* log appends and requests that point to it */
    int trails;          /* entries of its halt of which it is not settled where they can be found */
    enum trail trail;    /* the worst of those that are */
    enum op_phase final; /* how it ends once its outcome is in the log; OP_QUEUED = not decided */
    const char *result;
    struct sent sent; /* what the next entry about it tells of */
    struct op_act act;
    struct op_stop stop;
};

/* ---- verbs_ops.c ---- */
struct op *op_new(struct engine *en, uint64_t ticket, const struct intent *in);
struct op *op_from_log(struct engine *en, const struct stored *s); /* an intent of an earlier session */
void op_say(struct engine *en, struct op *op, enum op_phase phase, const char *next, const char *fmt, ...)
    ANDON_PRINTF(5, 6);
void op_refuse(struct engine *en, struct op *op, const struct err *why);
/* It ends in this phase once the entry of its outcome is in the log, or a little later. */
void op_outcome(struct engine *en, struct op *op, enum op_phase phase, const char *result, const char *after,
                const char *next, const char *fmt, ...) ANDON_PRINTF(7, 8);
bool op_ended(const struct op *op);
/* The entry of an intent or halt, with what a later reader and a recovery need. */
void op_intent(struct engine *en, struct op *op, enum entry_kind kind, const struct ro *ro, uint64_t corr,
               struct entry *e);
void op_hold(struct op *op); /* a request or an append points to it; op_release when it does no more */
void op_release(struct op *op);
int op_pending(struct op *op, int more);        /* adds to what it waits for; what is left */
void op_rollout(struct op *op, struct ro *ro);  /* what it is about; nothing changes when that is known */
void op_before(struct op *op, int target_wave); /* how the rollout is shown before it */
void op_logged(struct op *op, int64_t seq);     /* its entry is in the log */
void op_trailed(struct op *op, struct job *j);  /* it does not end before it is known where this entry can be found */
void op_answered(struct op *op, const struct reply *r); /* what its outcome's entry says of the answer */
/* What a request has sent for it, to be told by the next entry about it; and that entry (op NULL: nothing). */
void op_sent(struct op *op, const struct reply *r);
void op_tell(struct op *op, struct job *j);
void op_command(struct engine *en); /* one more was carried out */
void op_sweep(struct engine *en);
void op_free_all(struct engine *en);

/* ---- verbs.c ---- */
uint64_t verbs_by_rule(struct engine *en, const struct intent *in); /* an intent of a rule enters here */
void verbs_begin(struct engine *en, struct op *op);
void verbs_queued(struct engine *en);                    /* the log is open: what waited for it may begin */
bool verbs_busy(struct engine *en, const struct ro *ro); /* a verb on it is under way */

/* ---- verbs_facts.c: what a verb is checked against, and what became of it ---- */
void verbs_facts(struct engine *en, const struct ro *ro, struct verb_facts *out); /* ro may be NULL */
enum became {
    BECAME_APPLIED,     /* the server shows what it should bring about */
    BECAME_NOT_APPLIED, /* it shows what was before */
    BECAME_UNKNOWN,     /* it shows neither */
    BECAME_NOT_READ     /* what would tell has not been read yet */
};
/* By the state that the server shows, as the verb's row has it; where states do not tell, by the wave that it was to
 * start (-1: not known), or by the rollout that it was to make. */
enum became verbs_became(const struct engine *en, const struct ro *ro, enum verb v, int wave);

extern const struct part part_verbs;

#endif
