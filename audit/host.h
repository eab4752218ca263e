/* Who and where: facts of this process for every entry that it writes, gathered once.
 *
 * Each fact stands under its source: "kernel" (uid, loginuid, pid, terminal, host name, boot: the kernel says so),
 * "names" (the user database's name for the uid), "claimed" (environment: whoever started the process may have set
 * it), "program" (compiled in). */
#ifndef ANDON_AUDIT_HOST_H
#define ANDON_AUDIT_HOST_H

#include "core/buf.h"

/* Appends a canonical JSON object. Linux: /proc/self/loginuid (survives sudo), /proc/sys/kernel/random/boot_id. */
void host_facts(struct buf *out);

#endif
