/* The inside of a log's file, for store.c (opening it, transactions) and store_rows.c (what it holds). */
#ifndef ANDON_AUDIT_STORE_INNER_H
#define ANDON_AUDIT_STORE_INNER_H

#include <sys/stat.h>
#include "db/db.h"
#include "audit/place.h"
#include "audit/store.h"

/* Openings of committed values (audit/opening.h), under the number of their entry; made with the first of them, and the
 * file's format is 2 then: nothing else may be in a file of format 1. They may be changed, and are when they are
 * erased.
 */
#define OPENING_TABLE "CREATE TABLE opening(seq INTEGER PRIMARY KEY, lines BLOB NOT NULL)"

/* Its statements; audit/schema.h has the texts. */
enum query {
    Q_SCHEMA,
    Q_HEAD,
    Q_COUNT_UP,
    Q_SET_HEAD,
    Q_LAST,
    Q_PUT,
    Q_ROWS,
    Q_ROWS_DOWN,
    Q_PUT_BLOB,
    Q_GET_BLOB,
    Q_BLOBS,
    Q_BLOB_NAMES,
    Q_OPENINGS,
    Q_STRAY,
    Q_OPEN_ROWS,
    Q_OPEN_ROWS_DOWN,
    Q_OPEN,
    Q_REOPEN,
    Q_COUNT
};

struct store {
    struct db *db;
    unsigned faults;
    char *path, *wal_path;
    struct place_id file, wal;
    struct stat seen; /* of the file when it was opened without locks */
    bool unlocked;    /* opened as immutable: nobody had it open */
    bool read_only;
    bool alone;      /* a copy: no -wal, nobody else has it */
    bool moved;      /* found removed or replaced */
    bool unsigned_;  /* entries were put since the checkpoint was stored */
    struct far *far; /* in place of all that: the guard's */
};

#endif
