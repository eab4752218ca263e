/* Inside of andon doctor: doctor.c tells, and looks at this host; doctor_fleet.c asks the servers. */
#ifndef ANDON_CLI_DOCTOR_H
#define ANDON_CLI_DOCTOR_H

#include "cli/cli.h"

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

#endif
