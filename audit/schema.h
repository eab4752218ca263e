/* The tables of a log file, format 1, and what is asked of them. For store.c only. */
#ifndef ANDON_AUDIT_SCHEMA_H
#define ANDON_AUDIT_SCHEMA_H

/* The tables. SQLite keeps these texts; opening compares them, so a trigger slipped in, or one of ours taken out, is
 * seen. The triggers stop accidents only: whoever can write the file can drop them. */
static const struct {
    const char *name, *sql;
} SCHEMA[] = {
    {"entry", "CREATE TABLE entry(seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, leaf BLOB NOT NULL)"},
    {"state", "CREATE TABLE state(id INTEGER PRIMARY KEY CHECK(id = 1), size INTEGER NOT NULL,"
              " frontier BLOB NOT NULL, checkpoint BLOB NOT NULL)"},
    {"blob", "CREATE TABLE blob(id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL)"},
    {"entry_next", "CREATE TRIGGER entry_next BEFORE INSERT ON entry"
                   " WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM entry)"
                   " BEGIN SELECT raise(ABORT, 'entries are only appended'); END"},
    {"entry_keep", "CREATE TRIGGER entry_keep BEFORE UPDATE ON entry"
                   " BEGIN SELECT raise(ABORT, 'entries are never changed'); END"},
    {"entry_stay", "CREATE TRIGGER entry_stay BEFORE DELETE ON entry"
                   " BEGIN SELECT raise(ABORT, 'entries are never deleted'); END"},
    {"state_next", "CREATE TRIGGER state_next BEFORE UPDATE ON state WHEN NEW.size <> OLD.size + 1"
                   " BEGIN SELECT raise(ABORT, 'the log only grows'); END"},
    {"state_stay", "CREATE TRIGGER state_stay BEFORE DELETE ON state"
                   " BEGIN SELECT raise(ABORT, 'the state is never deleted'); END"},
    {"blob_keep", "CREATE TRIGGER blob_keep BEFORE UPDATE ON blob"
                  " BEGIN SELECT raise(ABORT, 'blobs are never changed'); END"},
    {"blob_stay", "CREATE TRIGGER blob_stay BEFORE DELETE ON blob"
                  " BEGIN SELECT raise(ABORT, 'blobs are never deleted'); END"},
};
#define SCHEMA_N      (sizeof SCHEMA / sizeof *SCHEMA)
#define SCHEMA_TABLES 3 /* of them; behind them the triggers */

static const char *const QUERIES[Q_COUNT] = {
    [Q_SCHEMA] = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid",
    [Q_HEAD] = "SELECT size, frontier, checkpoint FROM state",
    [Q_COUNT_UP] = "UPDATE state SET size = size + 1 WHERE id = 1",
    [Q_SET_HEAD] = "UPDATE state SET size = ?1, frontier = ?2, checkpoint = ?3 WHERE id = 1",
    [Q_LAST] = "SELECT max(seq) FROM entry",
    [Q_PUT] = "INSERT INTO entry(seq, hash, leaf) VALUES(?1, ?2, ?3)",
    [Q_ROWS] = "SELECT seq, hash, leaf FROM entry WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
    [Q_ROWS_DOWN] = "SELECT seq, hash, leaf FROM entry WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq DESC",
    [Q_BLOBS] = "SELECT digest, bytes FROM blob ORDER BY id",
    [Q_BLOB_NAMES] = "SELECT id, digest FROM blob WHERE id >= ?1 ORDER BY id",
    [Q_PUT_BLOB] = "INSERT INTO blob(digest, bytes) VALUES(?1, ?2)",
    [Q_OPENINGS] = "SELECT count(*) FROM sqlite_master WHERE name = 'opening'",
    [Q_STRAY] = "SELECT count(*) FROM opening WHERE seq NOT BETWEEN 1 AND (SELECT max(seq) FROM entry)",
    [Q_OPEN_ROWS] = "SELECT e.seq, e.hash, e.leaf, o.lines FROM entry e LEFT JOIN opening o ON o.seq = e.seq"
                    " WHERE e.seq BETWEEN ?1 AND ?2 ORDER BY e.seq",
    [Q_OPEN_ROWS_DOWN] = "SELECT e.seq, e.hash, e.leaf, o.lines FROM entry e LEFT JOIN opening o ON o.seq = e.seq"
                         " WHERE e.seq BETWEEN ?1 AND ?2 ORDER BY e.seq DESC",
    [Q_OPEN] = "INSERT INTO opening(seq, lines) VALUES(?1, ?2)",
    [Q_REOPEN] = "UPDATE opening SET lines = ?2 WHERE seq = ?1",
    [Q_GET_BLOB] = "SELECT bytes FROM blob WHERE digest = ?1",
};

#endif
