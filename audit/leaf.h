/* Reading a leaf: the canonical line as core/entry.h writes it, straight from the stored bytes.
 *
 * The scanner takes the canonical form and nothing else (no blanks, keys in byte order and therefore once each,
 * integers, strings, objects), allocates nothing and copies nothing: verification runs it on every entry. What it
 * yields are slices of the line, still escaped. */
#ifndef ANDON_AUDIT_LEAF_H
#define ANDON_AUDIT_LEAF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "audit/log.h"
#include "core/arena.h"
#include "core/slice.h"

struct leaf {
    struct slice kind, actor, actor_kind, fleet, rollout, wave, verb, result, reason, before, after;
    struct slice fields, host; /* objects, with their braces */
    struct slice committed;    /* the same: paths and commitments (audit/opening.h) */
    uint64_t corr;
    int64_t seq, t, mono, version;
    bool late;
};

/* False when the line is not canonical (as core/json.h would write it again, to the byte; keys in printable ASCII), or
 * lacks seq, kind or t. */
bool leaf_scan(const char *line, size_t n, struct leaf *out);
/* By which start of which host its clocks are (host.kernel.boot); {NULL, 0}: it does not say, `mono` is no boot
 * clock (before version 3), or they are a client's word (host.writer). */
struct slice leaf_boot(const struct leaf *l);
/* The same for one line after the other: the objects of a line that are those of the line before, to the byte, are not
 * looked at again. Zeroed before the first. */
#define LEAF_MEMO 12 /* objects of one line */
struct leaf_memo {
    struct leaf_object {
        size_t n, inner; /* bytes, 0 = none; objects in it */
        int depth;
        char bytes[488];
    } object[LEAF_MEMO];
};
bool leaf_scan_next(const char *line, size_t n, struct leaf_memo *memo, struct leaf *out);
/* The same for an entry that has no number yet (seq is 0): a record of a spool. */
bool leaf_scan_record(const char *line, size_t n, struct leaf *out);
/* Is the (unescaped) slice this string? An absent slice is "". */
bool leaf_is(struct slice s, const char *text);

/* A member of a flat canonical object. */
struct member {
    struct slice key, value; /* a string's value without its quotes */
    bool is_string, is_object;
};
/* Walks an object: start with *at = 0; false at its end. */
bool leaf_member(struct slice object, size_t *at, struct member *out);

/* Does this member of `fields` name a blob? Keys "blob", "blob.*" and "*.blob" do, with 64 hex digits. */
bool leaf_names_blob(const struct member *m);

/* Unescaped and through safe_text into the arena; "" when absent. */
const char *leaf_text(struct arena *a, struct slice s);
/* The whole entry for screens. False when the line is not canonical. */
bool leaf_decode(const char *line, size_t n, const uint8_t *hash, struct arena *a, struct stored *out);
/* The same of a line that was scanned already, without the line: "". */
void leaf_stored(const struct leaf *l, const uint8_t *hash, struct arena *a, struct stored *out);
/* The same for a record, which has no leaf hash: "". */
bool leaf_decode_record(const char *line, size_t n, struct arena *a, struct stored *out);

#endif
