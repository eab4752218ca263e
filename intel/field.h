/* Members of a record from outside, made safe: what all readers of intel/ share.
 *
 * Strings come back NUL-terminated from the arena, have passed safe_text(), are never NULL ("" = not there or of
 * another type) and are clipped to the length that is given. Times are microseconds since the epoch, 0 = not said or no
 * time. */
#ifndef ANDON_INTEL_FIELD_H
#define ANDON_INTEL_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/advisory.h"
#include "core/arena.h"
#include "core/err.h"
#include "core/json.h"
#include "core/slice.h"

#define FIELD_ELEMENT_MAX ((size_t)4 << 20) /* bytes of one record */
#define FIELD_DEPTH       200               /* of its JSON */
#define FIELD_SUMMARY     160               /* bytes that are kept of a text for people */
#define FIELD_NAME        512               /* of a name, a purl, a CPE */
#define FIELD_MANY        ((size_t)100000)  /* elements of one list in one record */
/* Of a version: what is clipped is still longer than VERSION_MAX, and has no order. */
#define FIELD_VERSION (VERSION_MAX + 8)

/* The record as JSON: an object. NULL with *e; json_free(). */
struct json_t *field_doc(const char *bytes, size_t n, const char *what, struct err *e);
/* The same without what is in no use: texts, addresses and what databases add of their own are most of a record. */
struct json_t *field_record(const char *bytes, size_t n, const char *what, struct err *e);
const char *field_text(struct arena *a, const struct json_t *obj, const char *key, size_t max);
const char *field_value(struct arena *a, const struct json_t *v, size_t max);
const char *field_bytes(struct arena *a, struct slice s, size_t max);
/* RFC 3339, also without a zone (UTC), without a time (midnight), with an offset or any number of digits after the
 * point. */
int64_t field_time(const struct json_t *obj, const char *key);
int64_t field_time_of(struct slice s);
/* An id of a vulnerability: printable ASCII without blanks, shorter than ADV_ID_MAX; else "". */
const char *field_id(struct arena *a, const struct json_t *obj, const char *key);
const char *field_id_of(struct arena *a, struct slice s);
/* The list of this name, and its length, at most FIELD_MANY; 0 when there is none. */
size_t field_list(const struct json_t *obj, const char *key, const struct json_t **list);
/* Is the member this word, without regard to case? */
bool field_is(const struct json_t *obj, const char *key, const char *word);
/* A score of 0 to 10 as tenths; -1: there is none. */
int field_tenths(const struct json_t *obj, const char *key);

#endif
