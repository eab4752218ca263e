/* What to roll out next.
 *
 * The unit is a step, from one release to another, because that is what can be rolled out. What has no fix is a row of
 * its own (isolate, replace, accept), and so is what cannot be judged: nothing disappears. Computed by what devices
 * have in common (struct fleet_cell), never device by device. Pure: the same input gives the same rows, so that a queue
 * can be computed again from the log. docs/intel.md, "What first". */
#ifndef ANDON_CORE_QUEUE_H
#define ANDON_CORE_QUEUE_H

#include "core/arena.h"
#include "core/finding.h"
#include "core/json.h"
#include "core/risk.h"

/* How the release stands on the board. */
enum fix_state { FIX_NONE = 0, FIX_WAITING, FIX_RUNNING, FIX_PAUSED, FIX_HALTED, FIX_FINISHED, FIX_STATES };

struct queue_release {
    const char *name;  /* "NAME:VERSION" */
    const char *line;  /* which releases it can follow, and be followed by: usually NAME */
    int64_t order;     /* in its line; a newer one is larger */
    bool judged;       /* false: it cannot be, and `blind` says why ("no SBOM") */
    const char *blind; /* "" when judged */
    bool offered;      /* the server has it to roll out; else it is never a target */
    bool barred;       /* devices refuse it: anti-rollback */
    enum fix_state state;
    const char *rollout; /* the newest of it, "" = none */
};

/* A risk that somebody has accepted (`andon accept`). */
struct risk_accept {
    const char *id;
    const char *release; /* "" = in every release */
    int64_t until;       /* from then on it counts no more */
    const char *by, *reason, *control;
    int64_t seq; /* of its entry in the log */
};

struct queue_input {
    int64_t now;
    const struct risk_policy *policy;
    const struct queue_release *releases;
    size_t n_releases;
    const struct finding
        *findings; /* one for each release and vulnerability; what is fixed or not affected may be left out */
    size_t n_findings;
    const struct vuln_facts
        *facts; /* one for each vulnerability; one without counts as the worse in all that is unknown */
    size_t n_facts;
    const struct fleet_cell *cells;
    size_t n_cells;
    const struct risk_accept *accepts;
    size_t n_accepts;
    int64_t source_at[RISK_SOURCES]; /* how new each source's newest record is; 0 = not known */
};

enum queue_kind {
    QUEUE_STEP = 0,
    QUEUE_NOFIX, /* no release that may be rolled out closes it */
    QUEUE_BLIND, /* cannot be judged; never counted as clean */
    QUEUE_KINDS
};

struct queue_row {
    enum queue_kind kind;
    const char *from;               /* release; "" = devices that do not say which they run */
    const struct queue_release *to; /* NULL but for a step; never an older one with what is exploited */
    int64_t devices;                /* that run `from` */
    int64_t exposed[EXPOSURES];
    /* Not of a BLIND row: */
    struct risk_item worst; /* the finding whose place the step takes, on the devices where it is worst */
    const struct finding *finding;
    const struct risk_accept *accepted;       /* every finding of the row is; this is the worst one's; NULL = not */
    const char *const *closes, *const *opens; /* ids: what devices of `from` lose and get by the step */
    size_t n_closes, n_opens;
    const char *exploited_there; /* the target has this vulnerability, which is exploited; NULL = none is known */
    const char *halted_fix;      /* NOFIX and steps: a release that closes it too, but is halted; NULL */
    int64_t past_life;           /* devices past their end of life */
    int64_t end_of_life;         /* the earliest last day of them; 0 */
    /* Of a BLIND row: */
    const char *blind;
    size_t n_unknown; /* vulnerabilities of `from` that cannot be judged; 0: nothing of it can */
};

struct queue {
    const struct queue_row *rows; /* steps, then NOFIX, then BLIND; each by risk_order, accepted ones last */
    size_t n;
    int64_t exploited_devices; /* whose release has an exploited vulnerability that nobody has accepted */
    int64_t exploited_due;     /* the earliest; 0 */
    int64_t blind_devices;     /* of releases of which nothing is judged, or that say no release */
    size_t n_unknown;          /* release and vulnerability that cannot be judged, where devices run it */
    size_t n_accepted;         /* findings */
};

/* Borrows from *in; what is new lives in the arena. */
void queue_make(const struct queue_input *in, struct arena *a, struct queue *out);

/* Every finding on every kind of device, in risk_order: what a report lists. */
struct queue_item {
    struct risk_item item;
    const struct finding *finding;
    const struct risk_accept *accepted; /* NULL = not */
};
size_t queue_items(const struct queue_input *in, struct arena *a, const struct queue_item **out);

/* One row as a JSON object, or all (number from 1): the same bytes for -o json and for the log. */
void queue_row_json(const struct queue_input *in, const struct queue_row *r, size_t number, struct json_w *w);

const char *fix_state_word(enum fix_state s); /* "halted"; "" for none */

#endif
