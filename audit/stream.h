/* Entries as other programs take them, one after the other: JSON lines, CSV, CEF (ArcSight's common event format), OCSF
 * (class 6003, API Activity). Each format is a row of one table. Every string is safe text, and each entry carries its
 * leaf hash, by which it is found in an export. docs/audit.md says what stands where. */
#ifndef ANDON_AUDIT_STREAM_H
#define ANDON_AUDIT_STREAM_H

#include "audit/log.h"
#include "core/json.h"

struct stream_format {
    const char *word;
    void (*head)(struct buf *out); /* NULL: none */
    /* Appends the entry, its line end included. */
    void (*entry)(const struct stored *s, struct buf *out);
};

/* The i-th format, NULL behind the last; the one of that name, NULL. */
const struct stream_format *stream_format_at(size_t i);
const struct stream_format *stream_format_find(const char *word);

/* The entry as an object of JSON: a line of the first format, an item of `-o json`. */
void stream_json(struct json_w *w, const struct stored *s);

#endif
