/* Inside of andon doctor: doctor.c tells, and looks at this host; doctor_fleet.c asks the fleet's server,
 * doctor_telemetry.c the telemetry source. */
#ifndef ANDON_CLI_DOCTOR_H
#define ANDON_CLI_DOCTOR_H

#include "cli/ask.h"
#include "cli/cli.h"
#include "core/skew.h"

enum mark { MARK_OK, MARK_NOTE, MARK_FAIL };

struct doctor {
    const struct args *args;
    struct session session;
    struct json_out json;
    int64_t timeout; /* us, for one answer */
    int failed, notes, passed;
    bool unreachable;
};

/* One line: what was looked at, what was found, and what to do about it ("" = nothing; not shown when it is well). */
void doctor_tell(struct doctor *d, enum mark m, const char *subject, const char *next, const char *fmt, ...)
    ANDON_PRINTF(5, 6);
/* A failure in the words of its error. */
void doctor_err(struct doctor *d, const char *subject, const struct err *e);
/* The fleet server and the telemetry source of a fleet: not only whether they answer, but whether what they answer is
 * about this fleet, and whether all that the engine asks for may be read. */
void doctor_fleet(struct doctor *d, const struct fleet_spec *f);

/* Where the log's heads are noted besides witnesses (file, syslog, time stamps): each is done once. */
void doctor_copies(struct doctor *d, struct audit_log *l);

/* What is learned of a fleet's server, for the questions after it. */
struct look {
    struct doctor *d;
    const struct fleet_spec *f;
    struct http *http;
    struct backend *b;
    struct arena arena;
    struct backend_info info;
    struct rollout_list rollouts;
    struct skew skew;          /* of the fleet server's clock */
    struct device_list page;   /* the first devices of the fleet */
    struct watch_set *devices; /* that were looked at: those, and of a wave */
};
/* A question, and what it fills, live in the arena: one that was given up may still be answered. */
struct ask *look_question(struct look *l);
/* A question that failed: for want of a permission, which is said as such, or for another reason. */
void look_refused(struct look *l, const struct ask *q, const char *what, const char *needed_for);
void doctor_telemetry(struct look *l);

#endif
