/* Reading an exported folder that strangers made: nothing in it is followed, waited for or trusted. */
#ifndef ANDON_AUDIT_FOLDER_H
#define ANDON_AUDIT_FOLDER_H

#include <sys/types.h>
#include "core/buf.h"
#include "core/err.h"

/* -1 with ERR_NOT_FOUND or ERR_IO. The folder's own name may be a link. */
int folder_open(const char *dir, struct err *e);
/* A regular file, "NAME" or "blobs/NAME" (or any path, when the folder is AT_FDCWD), for reading; never through a link,
 * and never waiting for a pipe's other end. -1: ERR_NOT_FOUND; ERR_TAMPERED where something else than a regular file
 * has the name; ERR_IO. */
int folder_file(int folder, const char *name, struct err *e);
/* All bytes of such a file, up to the buffer's limit: ERR_LIMIT past it. */
bool folder_read(int folder, const char *name, struct buf *out, struct err *e) ANDON_MUST_USE;
/* The next bytes of an open file over interrupted reads: 0 at the end, -1 with errno. */
ssize_t folder_next(int fd, void *p, size_t n);

/* Everything in the folder, "blobs/" entered where it is a folder and named with it. */
enum folder_kind { FOLDER_FILE, FOLDER_BLOBS, FOLDER_OTHER }; /* OTHER: link, pipe, device, any other folder */
typedef bool folder_fn(void *ctx, const char *name, enum folder_kind kind); /* false: enough */
bool folder_walk(int folder, folder_fn *fn, void *ctx, struct err *e) ANDON_MUST_USE;

/* For who writes one: takes away what was begun, the files, the blobs, the folder. */
void folder_remove(const char *dir);
/* Is there nothing under this name, or an empty folder? */
bool folder_free(const char *dir, struct err *e) ANDON_MUST_USE;

#endif
