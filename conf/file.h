/* Reading a small file whole, with the checks that a file which steers andon needs. */
#ifndef ANDON_CONF_FILE_H
#define ANDON_CONF_FILE_H

#include <stdbool.h>
#include "core/buf.h"
#include "core/err.h"

enum file_trust {
    FILE_ANY,    /* any regular file that can be read */
    FILE_OWNED,  /* belongs to the user or root, and nobody else can write it */
    FILE_PRIVATE /* FILE_OWNED, and nobody else can read it: secrets, keys */
};

/* Appends the file's bytes to *out, whose limit bounds them. The checks are made on the open descriptor, so that the
 * file that was checked is the file that is read. Never blocks on a FIFO, never reads a device. ERR_NOT_FOUND,
 * ERR_IO, ERR_LIMIT, ERR_REFUSED (ownership or permissions) with what to do in e->next. */
bool file_read(const char *path, enum file_trust trust, struct buf *out, struct err *e) ANDON_MUST_USE;

#endif
