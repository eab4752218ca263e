/* Verbs: everything that andon can be asked to do, one row each.
 *
 * The checks (core/intent.c), previews, dialogs, keys, the help, the commands' usage, the engine and docs/verbs.md all
 * read this table and keep no list of their own; a new verb is a new row. What is not in the table is VERB_NONE, whose
 * row has no key, no request and no state: it can neither be asked for nor sent. */
#ifndef ANDON_CORE_VERB_H
#define ANDON_CORE_VERB_H

#include <stdbool.h>
#include <stdint.h>
#include "core/model.h"

enum verb {
    VERB_NONE = 0,
    VERB_START,
    VERB_ADVANCE, /* start the next wave (trigger; or resume of andon's own hold where there is no trigger) */
    VERB_PAUSE,   /* hold: the next wave waits; devices already told go on */
    VERB_RESUME,
    VERB_HALT,     /* a latched pause (or stop, by policy) that must be acknowledged */
    VERB_ROLLBACK, /* a saga over minutes to days */
    VERB_APPROVE,
    VERB_DENY,
    VERB_RETRY,
    VERB_ACK, /* lifts the latch of a halt; changes no device */
    VERB_COUNT
};

/* What a person must do before a verb goes out: in the console's dialog, and of a command. */
enum verb_confirm {
    CONFIRM_NONE,  /* console: Enter; a command asks nothing */
    CONFIRM_ENTER, /* console: Enter; a command asks y, or is given --yes */
    CONFIRM_YES,   /* y in both */
    CONFIRM_PHRASE /* a typed phrase that names the object, the scope and the count of devices */
};

enum verb_reason { REASON_NONE, REASON_TAKEN, REASON_NEEDED };

/* How hard a verb stops a rollout. Nothing but a person's own word makes it harder than the policy does. */
enum strength {
    STRENGTH_POLICY = 0, /* as the policy says: paused, or stopped softly */
    STRENGTH_SOFT,       /* for good: what was told is recalled from devices that have not begun */
    STRENGTH_FORCE,      /* and cut off where they have begun: they may install it all the same, and are lost then */
    STRENGTH_COUNT
};

/* What is asked of the back end. A back end maps each of these to one request of its own, and REQUEST_NONE to none. */
enum verb_request {
    REQUEST_NONE = 0, /* nothing is sent: not a verb, an acknowledgement, or a saga that makes its own requests */
    REQUEST_START,
    REQUEST_PAUSE,
    REQUEST_RESUME,
    REQUEST_NEXT, /* start the next wave */
    REQUEST_STOP, /* for good, recalling what was told */
    REQUEST_APPROVE,
    REQUEST_DENY,
    REQUEST_RETRY
};

/* A set of states of a rollout. */
#define STATE(s) (UINT32_C(1) << (s))

struct verb_row {
    const char *word;  /* "rollback": command, log, JSON */
    const char *title; /* "Roll back": before the name of the rollout */
    const char *label; /* "roll back": beside its key */
    const char *help;  /* one line, for the help, the usage and the documentation */
    const char *key;   /* in the console: one character; "" = none */
    enum verb_confirm confirm;
    enum verb_reason reason;
    bool changes_devices; /* may change what devices are told */
    bool whole_fleet;     /* may be asked for every rollout of a fleet at once */
    bool all_fleets;      /* may be asked for every rollout of a release, in all fleets at once */
    bool strengths;       /* may be asked to stop it for good, softly or by force (enum strength) */
    bool past_latch;      /* goes ahead on a rollout that is halted and not acknowledged */
    bool by_rule;         /* a rule may do it */
    bool looks_at_health; /* is refused by what telemetry says, or while it is missing */
    uint32_t cap;         /* enum cap that the server must have; 0 = none */
    const char *cannot;   /* "this server cannot ...", with `cap` */
    const char *instead;  /* what helps then, "" */
    uint32_t from;        /* set of states in which it may be asked */
    const char *needs;    /* "only a rollout that is ready can be started": in any other state */
    enum verb_request request;
    enum verb_request paused_request; /* what is asked first of a paused rollout; REQUEST_NONE = the same */
    enum rollout_state brings; /* the state that it brings about; ROLLOUT_UNKNOWN = none that can be told beforehand */
    uint32_t shown;            /* set of states that show that it has come about; 0 = states do not tell */
};

/* The row of a verb; of VERB_NONE for whatever is not in the table. */
const struct verb_row *verb_row(enum verb v);
const char *verb_word(enum verb v);      /* "rollback"; "none" for what is no verb */
enum verb verb_from_word(const char *s); /* VERB_NONE when unknown */
enum verb verb_from_key(uint32_t key);   /* of the console; VERB_NONE when the key is no verb's */
/* Does the verb change what devices will be told? (all but ack) */
bool verb_changes_devices(enum verb v);
/* The request for a verb on a rollout that the server shows in state `s`. REQUEST_NONE: send nothing. */
enum verb_request verb_request_of(enum verb v, enum rollout_state s);
/* "", "soft", "force"; STRENGTH_COUNT for a word that is none. */
const char *strength_word(enum strength s);
enum strength strength_from(const char *word);
/* The hardest that a rollout with these capabilities (enum cap) can be stopped, up to `wanted`. Force is of the waves
 * that andon keeps, whose devices it knows by name: no server that keeps rollouts itself has it for a whole one. */
enum strength strength_can(enum strength wanted, uint32_t caps);
/* "Enter", "y", "a typed phrase, a reason and y": what confirms it in the console. */
const char *verb_confirm_words(enum verb v);
static inline bool state_in(uint32_t set, enum rollout_state s)
{
    return (set & STATE(s)) != 0;
}

#endif
