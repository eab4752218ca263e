/* The files of an import: found without following a link, in the order of their names, each with the source it is of.
 */
#ifndef ANDON_INTEL_DUMP_H
#define ANDON_INTEL_DUMP_H

#include <stdbool.h>
#include <stddef.h>
#include "core/arena.h"
#include "core/err.h"
#include "intel/source.h"

#define DUMP_FILES ((size_t)1000000)

struct dump_file {
    const char *path;   /* from the folder, as it is on the disk */
    const char *source; /* "osv/Debian"; NULL: of none, or a link */
    enum intel_kind kind;
};

struct dump {
    int fd;
    struct dump_file *v; /* by source, then by path; those of none last */
    size_t n, cap;
};

/* Reads what is in it; its strings live in `a`. */
bool dump_open(const char *path, struct arena *a, struct dump *out, struct err *e) ANDON_MUST_USE;
void dump_close(struct dump *f); /* its descriptor and its list */
/* Opens one of its files: a regular one, through no link. -1 with *e. */
int dump_file_open(const struct dump *f, const char *path, struct err *e);

#endif
