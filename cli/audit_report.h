/* andon audit report and andon audit step: what an auditor of a standard asks, and what only people can say. */
#ifndef ANDON_CLI_AUDIT_REPORT_H
#define ANDON_CLI_AUDIT_REPORT_H

#include "cli/cli.h"

#define AUDIT_REPORT_OPTS                                                                                              \
    (OPT(OPT_ROLLOUT) | OPT(OPT_FLEET) | OPT(OPT_FOR) | OPT(OPT_MAPPING) | OPT(OPT_FORMAT) | OPT(OPT_DB))
#define AUDIT_STEP_OPTS                                                                                                \
    (OPT(OPT_ROLLOUT) | OPT(OPT_FLEET) | OPT(OPT_EXPECTED) | OPT(OPT_OBSERVED) | OPT(OPT_SKIPPED) | OPT(OPT_DB))

/* A report on one rollout, by a shipped mapping or one of somebody's own. False with *e. */
bool audit_report(const struct args *a, struct audit_log *l, struct err *e) ANDON_MUST_USE;
/* Writes an entry. Returns an exit code. */
int audit_step(const struct args *a, const struct session *s);

#endif
