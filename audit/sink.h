/* A file of an export while it is written: gathered into large writes, and hashed on the way, once. */
#ifndef ANDON_AUDIT_SINK_H
#define ANDON_AUDIT_SINK_H

#include <sys/types.h>
#include "audit/manifest.h"

struct sink {
    int fd;             /* -1: not open */
    struct buf pending; /* may be appended to, at most an entry's pages at a time; then sink_spill */
    struct sha256 hash;
    uint64_t size;
    bool failed;
    const char *name, *role;
};

/* Makes or empties the file `name` of the folder; both strings must outlive the sink. False with errno. */
bool sink_open(struct sink *s, int dirfd, const char *name, const char *role, mode_t mode);
void sink_add(struct sink *s, const void *p, size_t n);
/* Writes what is pending when it is much. */
void sink_spill(struct sink *s);
/* Writes what is left, makes it durable, and adds the file to the manifest (NULL: not there); hash may be NULL. False
 * with errno when anything failed since it was opened. One that is not open is left alone. */
bool sink_close(struct sink *s, struct manifest *m, uint8_t hash[HASH_LEN]);

#endif
