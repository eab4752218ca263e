/* Files that must appear whole or not at all, in folders that only their owner can write. */
#ifndef ANDON_AUDIT_PLACE_H
#define ANDON_AUDIT_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "core/err.h"

/* All bytes, over interrupted and short writes; false with errno set. */
bool place_write(int fd, const void *p, size_t n);
/* The folder of a path ("." when it names none); free(). */
char *place_folder(const char *path);
/* Creates the folder of `path` and its missing parents, 0700. Refuses a folder that group or others may write to
 * (unless sticky) or that belongs to somebody else but root: they could put another file in its place. */
bool place_prepare(const char *path, struct err *e) ANDON_MUST_USE;
/* Opens a new file of another name beside `path`, after place_prepare; *temp is its name (free()). -1 on failure. */
int place_temp(const char *path, mode_t mode, char **temp, struct err *e);
/* Gives the file its name and makes that durable; never replaces a file (ERR_CONFLICT). The other name is gone after
 * it in any case. */
bool place_publish(const char *temp, const char *path, struct err *e) ANDON_MUST_USE;
bool place_sync_folder(const char *path, struct err *e) ANDON_MUST_USE;

#endif
