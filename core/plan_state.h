/* How far a plan (core/plan.h) has come: folded from the log's entries about it, in their order.
 *
 * Several processes on one log come to the same state from the same entries, and that is how they agree who tells:
 * before a batch is told its claim (PLAN_TELLING) is durable in the log and read back; a claim is void when a device of
 * it was claimed by an earlier one, when its wave is not open, or when the plan was paused or stopped before it. Only
 * who reads that its own claim is good sends it, so no device is told twice, whoever was killed when. A claim without
 * an answer is never sent again: where its devices stand is read from the server. */
#ifndef ANDON_CORE_PLAN_STATE_H
#define ANDON_CORE_PLAN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/clock.h"
#include "core/model.h"
#include "core/plan.h"

#define PLAN_BATCH_MAX 200         /* devices of one claim: what a pause can still meet under way */
#define PLAN_AFTER_US  US_PER_HOUR /* so long devices that were taken back are looked at when the plan has ended */
#define PLAN_KEY_BYTES 40          /* with the NUL: lower-case letters, digits and '-' */

enum plan_event {
    PLAN_CREATED, /* with the plan as a blob */
    PLAN_OPENED,  /* wave `wave`; of wave 0: the plan is started */
    PLAN_PAUSED,
    PLAN_RESUMED,
    PLAN_STOPPED,  /* for good */
    PLAN_FINISHED, /* every device of every wave has answered */
    /* ---- about the devices first to first + n - 1 ---- */
    PLAN_TELLING, /* the claim: nothing was sent yet */
    PLAN_TOLD,    /* what the server answered; `outcomes` */
    PLAN_READ,    /* what the server shows of devices that were claimed and not answered for; `outcomes` */
    PLAN_RECALLING,
    PLAN_RECALLED, /* `outcomes` */
    PLAN_EVENT_COUNT
};
/* "created", "opened", ...; NULL for none. The first six are entries of the kind plan, the others of the kind tell. */
const char *plan_event_word(enum plan_event e);
enum plan_event plan_event_from(const char *word); /* PLAN_EVENT_COUNT for what is none */
static inline bool plan_event_tells(enum plan_event e)
{
    return e >= PLAN_TELLING && e < PLAN_EVENT_COUNT;
}

/* Outcomes, a letter for each device. */
#define OUTCOME_DONE    'd' /* the server said yes, or shows it */
#define OUTCOME_REFUSED 'r' /* the server said no, of this device */
#define OUTCOME_FREE    'n' /* not sent, or refused as a whole: it may be claimed again. Only by whose claim it is */
#define OUTCOME_UNKNOWN '?' /* the answer was lost */
#define OUTCOME_CUT     'f' /* recalled by force: whether it had begun is not said */
#define OUTCOME_MISSED  'm' /* claimed, and the server does not show it: a person may retry it */

struct plan_entry {
    enum plan_event event;
    int64_t seq, t;                                  /* of the entry; t is wall clock */
    const char *plan, *by, *key, *reason, *outcomes; /* "" */
    bool rule; /* by a condition of the plan, or as what follows; not by a person */
    /* PLAN_STOPPED: also what devices have begun is cut off. One by force may follow a soft one. PLAN_RECALLED: it was
     * asked for after that. */
    bool force;
    int wave; /* of PLAN_PAUSED: whose failures have paused it; -1 = none is meant */
    size_t first, n;
    const char *blob; /* PLAN_CREATED: the plan's JSON; PLAN_TOLD: plan_undo_write(), NULL = nothing to keep */
    size_t blob_n;
};

enum plan_phase { PLAN_IS_READY, PLAN_IS_RUNNING, PLAN_IS_PAUSED, PLAN_IS_STOPPED, PLAN_IS_FINISHED };
enum plan_told {
    PT_NOT = 0,
    PT_CLAIMED, /* no answer is known */
    PT_TOLD,
    PT_REFUSED,
    PT_NOT_KNOWN, /* the answer was lost */
    PT_MISSED,    /* claimed, and the server did not show it in time */
    PT_RECALLED,
    PT_CUT /* recalled by force: it may have begun */
};

struct plan_claim {
    size_t first, n;
    int64_t seq, t;
    char key[PLAN_KEY_BYTES];
    char by[64];
    bool answered, recalled;
    char *undo; /* plan_undo_write()'s bytes, NULL = none; owned */
};

struct plan_state {
    const struct wave_plan *plan; /* borrowed */
    enum plan_phase phase;
    int opened;  /* waves 0 to opened - 1 are open */
    int64_t seq; /* of the newest entry that was folded in */
    int64_t opened_at[PLAN_WAVES_MAX];
    int64_t created_at, changed_at; /* wall clock, of entries about the plan itself; changed: of a recall too */
    char by[64];                    /* who has changed it last, or has claimed last */
    bool force;                     /* it was stopped by force */
    bool failed[PLAN_WAVES_MAX];    /* its failures have paused the plan once: who resumes it means it */
    char reason[256];               /* of the newest pause or stop, "" */
    uint8_t *told;                  /* enum plan_told of each device; owned */
    struct plan_claim *claims;      /* that hold, oldest first; owned */
    size_t n_claims, cap_claims;
};

/* Ready, and nobody told. Takes memory that plan_state_free() gives back. */
void plan_state_init(struct plan_state *s, const struct wave_plan *p);
void plan_state_free(struct plan_state *s);
/* True: it counts; false: it is void, late, or about nothing that is there. Entries at or below s->seq are void. */
bool plan_fold(struct plan_state *s, const struct plan_entry *e);
/* The claim under the key, NULL: it does not hold. */
struct plan_claim *plan_claim_of(const struct plan_state *s, const char *key);
/* The next devices to claim: at most `most` of one open wave, in order. False: there are none. */
bool plan_next(const struct plan_state *s, size_t most, size_t *first, size_t *n);

/* How many of a wave's devices were told or may have been: not those that the server refused. */
size_t plan_told(const struct plan_state *s, size_t wave);
/* What is known of a wave's devices: `at` is enum standing_at by device of the plan. Every device is in one figure:
 * finished has it, error failed or was refused or missed, cancelled was recalled or cut off (plan_device_lost()),
 * running was told or may have been, scheduled waits to be told in an open wave, notstarted in one that is not. */
void plan_counts(const struct plan_state *s, const uint8_t *at, size_t wave, struct counts *out);
/* The same of one device, as the server's claim. */
enum device_status plan_device_status(const struct plan_state *s, size_t device, enum standing_at at);
/* It was recalled with a yes or cut off, or the server shows it so: it may install it all the same. */
bool plan_device_taken_back(const struct plan_state *s, size_t device, enum standing_at at);
/* Cut off, and not known to have been in time: it may install it, and nobody would hear of it. */
bool plan_device_lost(const struct plan_state *s, size_t device, enum standing_at at);
/* Is it to be asked where the device stands? `now` is wall clock. One that was taken back is asked about until
 * PLAN_AFTER_US after the plan's last change, and once by whoever does not know yet. */
bool plan_device_open(const struct plan_state *s, size_t device, enum standing_at at, int64_t now);
/* More of its devices have failed than its condition allows. */
bool plan_wave_failed(const struct wave_plan *p, size_t wave, const struct counts *c);

/* What recall() needs of each device of a claim (tell_result.undo), as a line each; false when all are empty. */
bool plan_undo_write(const char *const *undo, size_t n, struct buf *out);
/* Back into n strings of the arena; false: not of n devices. */
bool plan_undo_read(const char *bytes, size_t len, size_t n, struct arena *a, const char **undo);

#endif
