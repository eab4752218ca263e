/* Who is at the other end of a socket, or owns a file: the kernel's word, and what only the process itself says.
 *
 * The kernel notes uid, gid and pid of whoever connects when it does (unix(7), SO_PEERCRED); nothing that is sent can
 * change them. The login uid (proc(5): it outlives sudo and su) is looked up under the pid, and is the kernel's word
 * about this process only where the kernel also hands out the process itself (SO_PEERPIDFD, Linux 6.5): else another
 * one may have got the number meanwhile, and it is told apart. */
#ifndef ANDON_AUDIT_PEER_H
#define ANDON_AUDIT_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "core/buf.h"
#include "core/entry.h"
#include "core/err.h"
#include "core/slice.h"

struct peer {
    uid_t uid;
    gid_t gid;
    pid_t pid;
    int64_t loginuid; /* -1: none, or not known */
    bool login_sure;  /* of this very process */
    char user[64];    /* the user database's name of the uid, else "uid-N": as a command calls its operator */
};
bool peer_of(int fd, struct peer *out, struct err *e) ANDON_MUST_USE;
void peer_name(uid_t uid, char out[64]);

/* Who may write: root and the process's own user always; of others those listed, or all that the socket's mode lets
 * in. */
struct peer_rule {
    const uid_t *users; /* NULL: whoever could connect */
    size_t n;
};
bool peer_may(const struct peer_rule *r, uid_t uid);

/* Appends the facts of an entry's `host` as a canonical object: `kernel` and `names` as above, `writer` (who took it
 * in), `claimed` (what the process says of itself: the members of `said`, which is its own idea of `host`, or none). */
void peer_facts(const struct peer *p, struct slice said, struct buf *out);

/* May a client of this name write the entry? Kinds that make or mend the log itself are its writer's alone. The actor
 * of a person's or script's entry is the client; in another's name only what follows an intent or halt of the same
 * corr may be written, and *follows says that this has to be looked at. ERR_STATE: never, by this client. */
bool peer_entry(const char *user, const struct entry *en, bool *follows, struct err *e) ANDON_MUST_USE;

#endif
