/* Files that must appear whole or not at all, in folders that only their owner can write. */
#ifndef ANDON_AUDIT_PLACE_H
#define ANDON_AUDIT_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include "core/buf.h"
#include "core/err.h"

/* A file, whatever it is called. */
struct place_id {
    dev_t dev;
    ino_t ino;
};
bool place_is(const struct place_id *id, const char *path); /* is it what stands under this name? */
/* Has a file been replaced or written to between two looks? */
bool place_touched(const struct stat *before, const struct stat *after);
/* All bytes, over interrupted and short writes; false with errno set. */
bool place_write(int fd, const void *p, size_t n);
/* The folder of a path ("." when it names none); free(). */
char *place_folder(const char *path);
/* The path with its folder resolved and the file's own name kept (free()), for those who refuse any link in a path.
 * NULL with ERR_NOT_FOUND when there is no such folder. */
char *place_resolve(const char *path, struct err *e);
/* Is there a regular file, *st of it? For writing also: does it belong to us or root, in a folder of which that is
 * true, and can nobody else write to either (a sticky folder passes)? They could put another file in its place. */
bool place_file_ok(const char *path, bool read_only, struct stat *st, struct err *e) ANDON_MUST_USE;
/* Refuses network file systems: WAL needs memory shared between the writers. */
bool place_local(const char *path, struct err *e) ANDON_MUST_USE;
/* Creates the folder of `path` and its missing parents, 0700, and judges it as place_file_ok does. */
bool place_prepare(const char *path, struct err *e) ANDON_MUST_USE;
/* Opens a new file of another name beside `path`, after place_prepare; *temp is its name (free()). -1 on failure. */
int place_temp(const char *path, mode_t mode, char **temp, struct err *e);
/* Gives the file its name and makes that durable; never replaces a file (ERR_CONFLICT). The other name is gone after
 * it in any case. */
bool place_publish(const char *temp, const char *path, struct err *e) ANDON_MUST_USE;
/* The file has these bytes, whole and durable, or what it had before. Replaces one that is there. */
bool place_replace(const char *path, const void *bytes, size_t n, mode_t mode, struct err *e) ANDON_MUST_USE;
/* Appends the bytes of a regular file of at most `max`; ERR_NOT_FOUND, ERR_LIMIT, ERR_FORBIDDEN. */
bool place_read(const char *path, size_t max, struct buf *out, struct err *e) ANDON_MUST_USE;
/* Gives the file the name of another one, which it replaces, durably. */
bool place_rename(const char *from, const char *path, struct err *e) ANDON_MUST_USE;
bool place_sync_folder(const char *path, struct err *e) ANDON_MUST_USE;

#endif
