/* A record: an entry that the log could not take, as one line of a spool.
 *
 *   andon-spool 1 SHA256 JSON
 *
 * JSON is the entry's canonical line (core/entry.h) with seq 0, late, its id in the field "event.blob", and the host
 * facts of the process that wrote it; SHA256 is of its bytes, in 64 hexadecimal digits. A line that was not written to
 * its end, or was changed by accident, does not have its digest. Against somebody who may write the file a digest is
 * no help: the folder and the file are only their owner's, and a record can add a halt, nothing else. */
#ifndef ANDON_AUDIT_RECORD_H
#define ANDON_AUDIT_RECORD_H

#include "audit/leaf.h"
#include "core/arena.h"
#include "core/buf.h"
#include "core/entry.h"

#define RECORD_MAX (ENTRY_MAX + 96) /* of a line, with its end */

struct record {
    struct entry en;
    char id[SHA256_HEX];
    const char *host; /* facts about who wrote it, canonical JSON; "" */
    const char *json; /* the whole, for leaf_decode_record */
    size_t json_n;
};

/* Appends the line. ERR_REFUSED for an entry that no halt leaves (entry_of_halt), ERR_LIMIT for one that is too long.
 */
bool record_write(const struct entry *en, const char *host_json, struct buf *out, struct err *e) ANDON_MUST_USE;
/* Reads a line without its end. Strings go into the arena, safe. ERR_SYNTAX: not a whole record; ERR_REFUSED: a record
 * of what no halt leaves. */
bool record_read(const char *line, size_t n, struct arena *a, struct record *out, struct err *e) ANDON_MUST_USE;
/* The same from an entry's line alone (seq 0), of any kind, late or not; its id is not looked at. */
bool record_entry(const char *json, size_t n, struct arena *a, struct record *out) ANDON_MUST_USE;

#endif
