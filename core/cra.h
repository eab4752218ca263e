/* Clocks of article 14 of the Cyber Resilience Act, Regulation (EU) 2024/2847, for who makes the devices: of an
 * actively exploited vulnerability an early warning within 24 hours and a notification within 72 hours of becoming
 * aware, a final report within 14 days of when a corrective or mitigating measure is available. A clock, no legal
 * advice: the text was not read in the original (docs/intel.md).
 *
 * andon proposes, a person declares. What the log has once said stays: the earliest declared awareness and the first
 * sending count, a later entry changes neither, and what was late is shown as late for ever. */
#ifndef ANDON_CORE_CRA_H
#define ANDON_CORE_CRA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/risk.h"

enum cra_stage { CRA_EARLY_WARNING = 0, CRA_NOTIFICATION, CRA_FINAL, CRA_STAGES };
enum cra_state {
    CRA_NOT_BEGUN = 0, /* nothing is declared from which it counts */
    CRA_RUNNING,
    CRA_LATE, /* due, and not sent */
    CRA_SENT,
    CRA_SENT_LATE,
    CRA_STATES
};

struct cra_sent {
    int64_t at; /* 0 = not sent */
    int64_t seq;
    const char *reference, *sha256; /* "" */
};

/* One vulnerability, from the entries of kind `cra`. Times in microseconds, 0 = nobody has said so. */
struct cra_case {
    const char *id;
    int64_t proposed_at; /* by andon, the first time */
    int64_t aware_at, aware_seq;
    const char *aware_by; /* "" */
    int64_t measure_at, measure_seq;
    struct cra_sent sent[CRA_STAGES];
};

/* One entry, as the log has it. */
struct cra_said {
    const char *what; /* its result: "proposed", "aware", "measure", "sent" */
    const char *id, *by, *stage, *reference, *sha256;
    int64_t at; /* what it says; of a proposal its own time */
    int64_t seq;
};
/* Takes it into the cases, which the arena holds; what it cannot read is left alone. Oldest first. */
struct cra_cases {
    struct cra_case *v;
    size_t n, room;
};
void cra_take(struct cra_cases *c, struct arena *a, const struct cra_said *said);
/* NULL: nothing was ever said of it. */
const struct cra_case *cra_find(const struct cra_cases *c, const char *id);

struct cra_clock {
    enum cra_state state;
    int64_t from, due; /* 0 = not begun */
    int64_t late_us;   /* when it is late, or was */
};
void cra_clocks(const struct cra_case *c, int64_t now, struct cra_clock out[CRA_STAGES]);

/* Is there reason to propose it: exploited, and affected on devices of the maker's own? */
bool cra_proposes(const struct cra_cases *c, const struct vuln_facts *f, int64_t devices);

const char *cra_stage_word(enum cra_stage s);      /* "early-warning", "notification", "final-report" */
enum cra_stage cra_stage_from_word(const char *s); /* CRA_STAGES: none */
const char *cra_state_word(enum cra_state s);      /* "not begun", "running", "LATE", "sent", "sent late" */

#endif
