/* Taking the spool (audit/spool.h) into the log: the inside of audit_take_in, audit_waiting and audit_latched. */
#ifndef ANDON_AUDIT_INTAKE_H
#define ANDON_AUDIT_INTAKE_H

#include <sys/stat.h>
#include <time.h>
#include "audit/record.h"
#include "audit/spool.h"

#define INTAKE_FILES   64  /* looked at in one go; the others at the next */
#define INTAKE_EACH    16  /* of them of one user, in a shared folder */
#define INTAKE_NAME    160 /* bytes of a file's name */
#define INTAKE_CLAIMED ".taking"
#define INTAKE_BAD     ".bad"

struct intake_file {
    char name[INTAKE_NAME];
    struct timespec at; /* last written */
    uid_t uid;
};

/* A folder of the spool and what waits in it, in the order in which it was last written. */
struct intake_folder {
    int fd;
    const char *path, *key;
    bool shared;
    const struct peer_rule *who; /* of a shared one, as in struct spool_place */
    struct intake_file file[INTAKE_FILES];
    size_t n;
};

/* Opens and lists it; counts set_aside and others. False when there is no folder; out->err says more when it is there
 * and cannot be used. The caller closes fd. */
bool intake_look(struct intake_folder *f, const struct spool_place *p, size_t i, struct audit_intake *out);
/* The whole file, at most `most` bytes; of ours, or of one of those that `who` (NULL: nobody) admits. False when it is
 * none that a spool is made of; ERR_NOT_FOUND: it has gone. */
bool intake_read(int dir, const char *name, const struct peer_rule *who, size_t most, struct buf *out, struct stat *st,
                 struct err *e);
/* The next line of a text without its end; empty ones are passed over. Start with *at = text. */
bool intake_line(const char **at, const char *end, const char **line, size_t *n);
/* Does the name end with this? */
bool intake_ends(const char *name, const char *tail);

/* Each record that waits, oldest file first, without touching anything; what is no record is passed over. The record
 * lives until fn returns, or as long as the arena. */
typedef void intake_fn(void *ctx, const struct record *r);
void intake_each(const struct spool_place *p, struct arena *a, intake_fn *fn, void *ctx, struct audit_intake *out);
/* The same, only counted (audit_waiting); also where there is no log to open. */
void intake_waiting(const struct spool_place *p, struct audit_intake *out);

#endif
