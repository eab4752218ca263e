/* One SQLite database: what the log, the evidence file and the store of intelligence have in common. db.c is the only
 * user of SQLite.
 *
 * The rules that keep a half-done change from ever being committed live here: every result code is looked at; once
 * anything has failed inside a transaction, or SQLite has rolled it back by itself (it does on NOMEM, IOERR and FULL),
 * db_commit refuses and rolls back. What a failure means is its owner's to say, in a table. */
#ifndef ANDON_DB_DB_H
#define ANDON_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/err.h"
#include "core/slice.h"

struct db;

/* Kinds of failure: SQLite's result codes, as far as they differ for who has to go on after them. */
enum db_fault {
    DB_OTHER,   /* no memory, interrupted, … */
    DB_BUSY,    /* another process holds it */
    DB_FULL,    /* the disk is */
    DB_IO,      /* reading, writing or syncing failed */
    DB_PLACE,   /* it cannot be opened, or not for writing */
    DB_DAMAGED, /* the file, or a value that a constraint forbids */
    DB_ALIEN,   /* no database of SQLite's */
    DB_ERROR,   /* a statement that does not fit: the tables are others */
    DB_FAULTS
};
#define DB_BIT(fault) (1U << (fault))

struct db_spec {
    const char *path; /* with its folder resolved */
    const char *what; /* begins each sentence: "audit log" */
    struct {
        enum err_code code; /* ERR_NONE: ERR_IO */
        const char *next;   /* NULL: "" */
    } means[DB_FAULTS];
    unsigned *faults;       /* bits of those that were met; cleared by their owner alone */
    const char *const *sql; /* statements, asked for by their number; prepared once */
    size_t n_sql;
    bool read_only, immutable; /* immutable: without locks, nobody has it open */
    bool every_power_cut;      /* synchronous FULL; else NORMAL */
    bool guarded;              /* its triggers run, db_run wants a transaction, what is deleted is overwritten */
    int busy_ms;
};

/* The strings are borrowed until db_free. Nothing is opened yet. */
struct db *db_new(const struct db_spec *spec);
void db_free(struct db *d); /* db_disconnect(d, false) and its memory; NULL is fine */
/* Opens an existing file. False: not connected, unless it is alien or damaged, which shows now or later. */
bool db_connect(struct db *d, struct err *e) ANDON_MUST_USE;
/* The last user's closing moves the -wal into the file; with `keep_wal` it stays beside it as it is. */
void db_disconnect(struct db *d, bool keep_wal);
/* Has the file been removed or moved since it was opened? SQLite goes on writing happily. */
bool db_moved(struct db *d);
/* The file's first n bytes as they are, whatever it is, through SQLite's own descriptor: closing another one of the
 * same file gives back all locks that this process has on it. False: not connected, or it is shorter. */
bool db_peek(struct db *d, void *out, size_t n);

/* `doing` says in a sentence what failed: "making its tables". Statements without values or rows, one or more. */
bool db_exec(struct db *d, const char *sql, const char *doing, struct err *e) ANDON_MUST_USE;
/* The first column of the first row as text, clipped; "" when there is no row. */
bool db_text(struct db *d, const char *sql, char *out, size_t size, const char *doing, struct err *e) ANDON_MUST_USE;

/* The same as a number; 0. */
bool db_number(struct db *d, const char *sql, int64_t *out, const char *doing, struct err *e) ANDON_MUST_USE;

/* A value for ?1, ?2, … */
struct db_value {
    enum { DB_INT, DB_TEXT, DB_BYTES } kind;
    int64_t i;
    struct slice s; /* borrowed during the call */
};
struct db_value db_int(int64_t i);
struct db_value db_str(const char *s);
struct db_value db_bytes(const void *p, size_t n);

/* A row while a callback has it. Bytes are borrowed until that returns, and never NULL. */
struct db_row;
int64_t db_row_int(struct db_row *r, int column);
struct slice db_row_bytes(struct db_row *r, int column);
typedef bool db_row_fn(void *ctx, struct db_row *r); /* false: enough */
/* False only when the database fails. */
bool db_rows(struct db *d, size_t statement, const struct db_value *v, size_t n, db_row_fn *fn, void *ctx,
             const char *doing, struct err *e) ANDON_MUST_USE;
/* A statement that yields no row and changes exactly `changes` rows (-1: does not matter). */
bool db_run(struct db *d, size_t statement, const struct db_value *v, size_t n, int changes, const char *doing,
            struct err *e) ANDON_MUST_USE;

/* A transaction. Writing takes the lock at once (BEGIN IMMEDIATE; DB_BUSY after busy_ms). */
bool db_begin(struct db *d, bool write, struct err *e) ANDON_MUST_USE;
/* True: durable. False: rolled back, or (I/O error in the commit) not known. */
bool db_commit(struct db *d, struct err *e) ANDON_MUST_USE;
void db_rollback(struct db *d);
/* Its owner has found something wrong: this transaction is not to be committed. */
void db_spoil(struct db *d);
/* Moves all that the -wal holds into the file, durably. Nobody else may have it open. */
bool db_flush(struct db *d, struct err *e) ANDON_MUST_USE;

#endif
