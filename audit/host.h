/* Who and where: facts of this process for every entry that it writes, gathered once; and how the clock is held, for
 * each anew.
 *
 * Each fact stands under its source: "kernel" (uid, loginuid, pid, terminal, host name, boot: the kernel says so),
 * "clock" (also the kernel's word), "names" (the user database's name for the uid), "claimed" (environment: whoever
 * started the process may have set it), "program" (compiled in). */
#ifndef ANDON_AUDIT_HOST_H
#define ANDON_AUDIT_HOST_H

#include "core/buf.h"
#include "core/clock.h"

/* The environment's variable with the name of who works here, where several share the account: "claimed"."operator". */
#define HOST_OPERATOR "ANDON_OPERATOR"

/* Appends a canonical JSON object. Linux: /proc/self/loginuid (survives sudo), /proc/sys/kernel/random/boot_id. */
void host_facts(struct buf *out);
/* Appends these facts with the member "clock" of this moment: "sync" ("yes", "no", "unknown") and, when it is held to a
 * reference, "error_us", the estimated error as the kernel was told. False past the limit of *out. */
bool host_facts_now(const struct buf *facts, struct clock *c, struct buf *out) ANDON_MUST_USE;

#endif
