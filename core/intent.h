/* Intent: the only way to change the world.
 *
 * A person's key, a command in a runbook and an automatic rule make the same struct and take the same path: checked
 * by verb_check(), written to the log, sent, confirmed by reading the state back. */
#ifndef ANDON_CORE_INTENT_H
#define ANDON_CORE_INTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/err.h"
#include "core/model.h"
#include "core/policy.h"
#include "core/stop.h"
#include "core/verb.h"

enum actor_kind { ACTOR_PERSON, ACTOR_SCRIPT, ACTOR_RULE };

struct actor {
    enum actor_kind kind;
    char name[64];          /* login name, or the rule's id */
    char operator_name[64]; /* who it is, where several share the account: as was claimed, "" = nothing was */
};

#define WAVES_MAX 512 /* hawkBit: 500 groups a rollout */

struct intent {
    enum verb verb;
    char fleet[64];
    char rollout[ID_MAX]; /* "" with VERB_HALT or VERB_ACK: every rollout of the fleet that is not ended */
    struct actor actor;
    char reason[256];       /* needed for roll back and deny; safe text */
    char remark[256];       /* approve/deny: sent to the server */
    enum strength strength; /* of a verb that takes one */
    /* roll back */
    bool all_waves;                     /* every wave that was told (default) */
    uint64_t wave_mask[WAVES_MAX / 64]; /* by wave index, when !all_waves */
    char to_release[200];               /* "name:version", or "" = policy */
    int64_t expect_devices; /* the count that the person confirmed; refused when it has changed. -1 = not checked */
    /* rule */
    char rule[64];
    char evidence[2048]; /* canonical JSON object with the figures that a rule acted on; "" */
    int64_t decided_at;  /* engine clock: when the breach was complete, or the key was pressed */
};

/* The release that a roll back would go back to, as the server was asked for it. */
enum target_state {
    TARGET_ASKING = 0, /* not known yet */
    TARGET_FOUND,
    TARGET_MISSING, /* the server was asked, and has none */
    TARGET_BARRED,  /* it cannot be gone back to: `why` */
    TARGET_UNKNOWN  /* it could not be asked for: `why` */
};
struct rollback_target {
    enum target_state state;
    const char *name; /* "name:version" that was asked for; "" or NULL = none was */
    const char *id;   /* TARGET_FOUND: as the server knows it */
    const char *why;  /* a sentence, "" */
};
const char *target_state_word(enum target_state s); /* "asking", "found", "missing", "barred", "unknown" */

/* What verb_check needs to know; filled by the engine from its newest state and by a screen from the snapshot. */
struct verb_facts {
    const struct rollout *rollout; /* NULL: not known */
    const struct wave *waves;
    size_t n_waves;
    uint32_t caps;
    bool read_only;
    bool log_ok;           /* the log can be written */
    bool log_tampered;     /* with !log_ok: because it does not verify, or is not the file that it was */
    const char *log_doubt; /* a witness contradicts it: why nothing is done by it; NULL or "": none does */
    bool log_backlog;      /* entries wait to be logged late: only halts */
    bool fresh;            /* rollout states are younger than fresh_us */
    int64_t data_age, fresh_us;
    bool latched;             /* halted and not acknowledged */
    enum stop_phase stop;     /* how far the halt has come */
    bool notes_unread;        /* what other consoles have noted on the server cannot be read */
    bool held_by_andon;       /* paused by an intent of andon that is in the log */
    bool rollback_running;    /* a roll back of this rollout is under way */
    int64_t wave_running_for; /* of the newest running wave, us */
    double hours_left;        /* device-hours of canary watch that the policy still asks for before the next wave */
    const struct policy *policy;
    const struct approval_state *approvals; /* core/approval.h, where the policy asks for them; NULL: not known */
    bool operator_named;                    /* whoever works here has said who it is (struct people_policy) */
    enum reaction verdict;                  /* of the running wave */
    enum reaction on_resume; /* what of it would act when the rollout is resumed now (verdict_on_resume) */
    bool data_missing;
    const char *const *says; /* of struct backend_info, by enum backend_say; NULL = nothing is known */
    const char *environment; /* of the fleet, for a preview's title; "" or NULL = not known */
    /* of a roll back; NULL = whoever carries it out looks it up first, as the engine does */
    const struct rollback_target *target;
    const struct outlook *outlook; /* what is known of the releases' vulnerabilities (core/outlook.h); NULL */
};

/* May this intent go ahead now? false with *why: a sentence that says what is in the way and what would lift it.
 * An acknowledgement needs only what is known of the latch, not fresh data: it changes no device, and what it makes
 * possible again is refused until data is fresh.
 * A halt by a person passes whenever there is a rollout to halt: also read-only, stale, log down. A halt by a rule
 * is refused in read-only (why->code == ERR_REFUSED): it then only says what it would have done. */
bool verb_check(const struct intent *in, const struct verb_facts *f, struct err *why) ANDON_MUST_USE;

/* Does the verb take, or need, a reason: by itself, or because the policy (NULL: none) asks for one? */
enum verb_reason verb_reason_by(enum verb v, const struct policy *p);

/* Devices of a wave that were told: those whose action was sent, whatever came of it. By the server's counts; by the
 * wave's state where it gives none. */
int64_t wave_told(const struct wave *w);
/* How hard the intent would stop the rollout, by what was asked for, the policy and what the server can;
 * STRENGTH_POLICY: not for good. */
enum strength intent_strength(const struct intent *in, const struct verb_facts *f);
bool intent_has_wave(const struct intent *in, int index);
/* Devices that a roll back would take: told devices of its waves. This is the number that a person confirms. */
int64_t rollback_scope(const struct intent *in, const struct verb_facts *f);
/* The wave that would start next, NULL = none is left. */
const struct wave *next_wave(const struct verb_facts *f);

/* What a verb would do, for the confirmation. Numbers add up: the lines of `will` are disjoint. */
struct preview_line {
    const char *mark; /* "go", "wait", "refuse", "offline", "stay", "note" */
    char text[120];
    int64_t devices; /* -1: no count */
};
/* Only to be known: it neither will happen nor will not. */
bool preview_advice(const struct preview_line *l);
#define PREVIEW_LINES 12
struct preview {
    enum verb verb;
    char title[256]; /* "HALT emea/4471 (prod) hearth 4.12.1" */
    struct preview_line will[PREVIEW_LINES];
    size_t n_will;
    struct preview_line wont[PREVIEW_LINES];
    size_t n_wont;
    int64_t devices;   /* total that the verb will touch */
    int64_t in_flight; /* already told and not yet done: they go on in spite of a halt */
    char phrase[256];  /* what must be typed, "" = nothing: "emea/4471 ALL 2387", "emea/4471 W2 1934" */
    char to[200];      /* roll back: the release to go back to; "" = what "previous" means is not known */
    int64_t taken_at;
};

/* A device as a roll back sees it. */
struct preview_device {
    const char *id;
    int wave;
    const char *from; /* "name:version" it came from, "" unknown */
    bool told;
    bool overdue; /* offline */
    enum device_status status;
    bool asked; /* `from` is out of its own history: one of a sample that was asked */
};
/* "name:version" of a release? Both may hold colons of their own. */
bool release_named(const struct release *r, const char *name_version);
/* Pure. `devices` may be NULL when the verb does not need them (then counts come from the waves). */
void preview_make(const struct intent *in, const struct verb_facts *f, const struct preview_device *devices,
                  size_t n_devices, int64_t now, struct preview *out);

#endif
