/* One source while it is read: entries of its files (intel/unpack.h) become records, records go into the store. */
#ifndef ANDON_INTEL_INTAKE_H
#define ANDON_INTEL_INTAKE_H

#include <sys/stat.h>
#include "core/buf.h"
#include "core/elements.h"
#include "intel/import.h"
#include "intel/lists.h"
#include "intel/parts.h"

struct intake;

struct stamp {
    struct stat st;
    char sha256[SHA256_HEX];
};

/* How the entries of a kind are read. */
struct reader {
    enum { WHOLE, ARRAY, LINES, PARTS } way;
    const char *tail, *head; /* entries whose names do not end and begin so are left out */
    const char *key;         /* ARRAY: the member that holds the records */
    bool (*record)(struct intake *in, const char *bytes, size_t n, struct err *e);
    bool (*end)(struct intake *in, const char *around, size_t n, struct err *e); /* ARRAY: at the end of a file */
};

/* One source while it is read. */
struct intake {
    const struct intel_import *spec;
    struct intel_store *store; /* NULL: nothing is written */
    const struct reader *reader;
    struct intel_source src;
    struct arena a; /* of one record, of one document */
    struct buf whole;
    struct elements elements;
    struct parts parts;
    struct epss epss;
    struct stamp *stamps; /* of its files, while they are as they were digested */
    size_t at;            /* the file that is open */
    int64_t ahead;        /* records of a time to come */
    int64_t file_records; /* of the entry that is open */
    char file[200], entry[200], first_unread[200], note[300];
    struct err err; /* of a taker, which has no other way */
};

/* `src` is borrowed as it is; intake_free() also frees the stamps. */
struct intake *intake_new(const struct intel_import *spec, struct intel_store *store, const struct intel_source *src);
void intake_free(struct intake *in);
/* For unpack(): what becomes of the entries of a file. */
struct unpack_sink intake_sink(struct intake *in);
/* A file has ended, in whatever way. */
void intake_file_done(struct intake *in);

#endif
