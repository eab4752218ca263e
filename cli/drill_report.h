/* How a drill went: one object of JSON, or lines for a person, on standard output. */
#ifndef ANDON_CLI_DRILL_REPORT_H
#define ANDON_CLI_DRILL_REPORT_H

#include "audit/log.h"
#include "drill/drill.h"

struct drill_report {
    const struct drill_result *result;
    const char *scenario;
    uint64_t seed;
    const struct audit_report *log;
    const char *log_error;          /* the log could not be verified; NULL */
    const char *kept_dir, *kept_db; /* NULL: the log is not kept */
    double wall;                    /* seconds of real time */
};

/* Hands the drill the halts that its log holds (read-only), to be scored by. False with *e when it cannot be read. */
bool drill_report_halts(struct drill *d, const struct audit_spec *log, struct err *e) ANDON_MUST_USE;

/* One object with every figure; times in seconds, null for never. */
void drill_report_json(const struct drill_report *r);
/* A line for each thing that happened, and PASSED or FAILED with the reason. */
void drill_report_text(const struct drill_report *r);

#endif
