/* What people have said about vulnerabilities, as the log has it: accepted risks, statements of their own (VEX), and
 * the clocks of CRA article 14. */
#ifndef ANDON_AUDIT_SAID_H
#define ANDON_AUDIT_SAID_H

#include "audit/log.h"
#include "core/arena.h"
#include "core/cra.h"
#include "core/queue.h"
#include "core/sbom.h"

struct said {
    struct risk_accept *accepts; /* also expired ones; not those that somebody has ended */
    size_t n_accepts;
    struct vex *vex; /* those that nobody has taken back, oldest first; ->document is "log #SEQ" */
    size_t n_vex;
    struct cra_cases cra;
};
/* Opens the log to read. Without a log nothing was said. False with *e: it cannot be read, or an entry of it is
 * damaged. Lives in the arena. */
bool said_read(const struct audit_spec *spec, struct arena *a, struct said *out, struct err *e) ANDON_MUST_USE;

#endif
