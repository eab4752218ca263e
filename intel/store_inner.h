/* What store.c (importing) and look.c (finding) share. */
#ifndef ANDON_INTEL_STORE_INNER_H
#define ANDON_INTEL_STORE_INNER_H

#include "core/buf.h"
#include "db/db.h"
#include "intel/store.h"

/* Rows of a source are numbered from 1 below its generation, which is new with every import. */
#define ROW_BITS 24
#define ROW_MASK ((int64_t)0xffffff)

enum intel_statement {
    SQL_SOURCES,
    SQL_OLD_KEYS,
    SQL_OLD_ROWS,
    SQL_OLD_SOURCE,
    SQL_GENERATION,
    SQL_SOURCE,
    SQL_CHECKED,
    SQL_ROW,
    SQL_KEY,
    SQL_LEARNED,
    SQL_KEV_GONE,
    SQL_KEV,
    SQL_EPSS_GONE,
    SQL_EPSS,
    SQL_FIND,
    SQL_IDS,
    SQL_WHEN,
    SQL_LISTED_KEV,
    SQL_LISTED_EPSS,
    SQL_COUNT
};
extern const char *const intel_sql[SQL_COUNT];

/* What a row is found by: the first byte of what is hashed. */
enum intel_key {
    KEY_ID = 'i',
    KEY_ALIAS = 'a',
    KEY_PACKAGE = 'p',
    KEY_PRODUCT = 'c',
    KEY_ECOSYSTEM = 'e',
    KEY_SBOM = 's',
    KEY_VEX = 'v',
    KEY_LIFE = 'l',
    KEY_OTHER = 'o'
};

struct intel_pending; /* store.c: keys that wait to be written in their order */
struct intel_store {
    struct db *db;
    unsigned faults;
    char *path;
    struct buf row;
    /* while importing */
    int64_t gen, n_rows, now;
    bool broken; /* something went wrong: nothing is committed */
    struct intel_pending *pending;
};

/* 48 bits; two of them may be the same: whoever finds a row compares. */
uint64_t intel_hash(enum intel_key kind, struct slice a, struct slice b);
/* A CVE's id as a number, 0 = it is none. */
int64_t intel_cve_number(const char *id);

#endif
