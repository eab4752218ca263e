/* The log's only writer on a host that several people share: a guard that listens on a Unix socket, appends for others
 * what they may write, with the kernel's word on who they are (audit/peer.h), and reads the log to them (audit/wire.h).
 *
 * Whoever connects may be hostile: nobody gets more than a share of connections, bytes and appends, and no client can
 * make another, or the guard's own engines, wait for it. It has a log handle of its own and runs on a thread of its own
 * (cli/desk.c): the disk may hold it up. */
#ifndef ANDON_AUDIT_SERVE_H
#define ANDON_AUDIT_SERVE_H

#include <sys/types.h>
#include "audit/log.h"
#include "audit/peer.h"

#define SERVE_CLIENTS  256
#define SERVE_EACH     64                 /* of one uid */
#define SERVE_IDLE_US  (10 * US_PER_S)    /* without a byte in the middle of a question or an answer */
#define SERVE_WHOLE_US (30 * US_PER_S)    /* for all of it */
#define SERVE_HELD     ((size_t)64 << 20) /* bytes of unfinished questions, of all clients */
#define SERVE_BURST    500                /* appends of a uid at once; after that so many a second: */
#define SERVE_RATE     100                /* who asks for more is answered later */
#define SERVE_BYTES    ((size_t)16 << 10) /* of a blob count as one append */
#define SERVE_LATE_US  (60 * US_PER_S)    /* an older entry is a late one */
#define SERVE_AHEAD_US (5 * US_PER_S)     /* one from later than this is refused */
#define SERVE_TAKE_US  (5 * US_PER_S)     /* how often the shared folder is looked at */

struct serve_spec {
    const struct audit_spec *audit; /* the guard's own, for writing */
    const char *path;     /* of the socket; its folder must be ours or root's, and nobody else's to write to */
    const char *drop;     /* the shared folder for what the socket cannot take; made when missing */
    gid_t group;          /* (gid_t)-1: none */
    struct peer_rule who; /* of those that the socket's mode lets in; borrowed */
};

struct serve;
/* The socket gets mode 0600; 0660 with a group; 0666 with users alone. ERR_CONFLICT: another guard has it. NULL. */
struct serve *serve_open(const struct serve_spec *spec, struct err *e);
void serve_close(struct serve *s); /* removes the socket; NULL is fine */
/* Waits until something comes, or wake_fd can be read, or `most_us` have passed, and does what there is to do. */
void serve_turn(struct serve *s, int wake_fd, int64_t most_us);

struct serve_counts {
    uint64_t connections, refused,
        dropped;              /* refused: not allowed or too many; dropped: broke a rule or were too slow */
    uint64_t appended, taken; /* taken: out of the shared folder */
};
/* By the thread that calls serve_turn. */
const struct serve_counts *serve_counts(const struct serve *s);

#endif
