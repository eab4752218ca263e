/* JSON in and out. The only user of jansson.
 *
 * Reading is strict and bounded: size, depth (32) and duplicate keys are refused with an error that names the place.
 * Getters name the path in their errors. Writing is into a buf: a small streaming writer, because the log's
 * canonical form (RFC 8785 key order, integers and strings only) must be exact and a large answer must not be built
 * in memory twice. Strings handed to the writer must be valid UTF-8 (safe_text makes them so); it escapes
 * C0, DEL and C1 (\b \t \n \f \r, else \u00xx) and writes \ufffd for a bad byte. */
#ifndef ANDON_CORE_JSON_H
#define ANDON_CORE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/arena.h"
#include "core/buf.h"
#include "core/err.h"

struct json_t; /* jansson's own value; borrowed from its document */

/* A parsed document (an object or an array); the caller frees it with json_free. NULL with *e filled when it is not
 * acceptable: ERR_LIMIT (too long, too deep), ERR_RANGE (an integer beyond int64), ERR_SYNTAX (all else).
 * `what` names the source in errors ("answer of GET /rollouts"). */
struct json_t *json_parse(const char *bytes, size_t n, size_t max_bytes, const char *what, struct err *e);
/* The same to another depth, 1000 at most: trees of products and parts are deeper than answers. */
struct json_t *json_parse_deep(const char *bytes, size_t n, size_t max_bytes, int depth, const char *what,
                               struct err *e);

/* A member that nobody will ask for: of a value that is a string about `keep` bytes are kept, in the place of any other
 * one stands 0. Only the ends of what is left out are looked for. */
struct json_skip {
    const char *key; /* wherever it stands; the last of a table has NULL */
    size_t keep;
};
/* json_parse_deep() of what is left without these: large records cost a fraction of the time. Places in errors are
 * those of what is left. */
struct json_t *json_parse_without(const char *bytes, size_t n, const struct json_skip *skip, int depth,
                                  const char *what, struct err *e);
void json_free(struct json_t *doc);

/* Getters: NULL, default or false when the member is absent or of another type. */
const struct json_t *json_get(const struct json_t *obj, const char *key);
bool json_is_obj(const struct json_t *v);
bool json_is_arr(const struct json_t *v);
size_t json_len(const struct json_t *arr);
const struct json_t *json_at(const struct json_t *arr, size_t i);
/* Raw bytes of a string member (not yet safe_text), NULL when absent; *n its length if n != NULL. */
const char *json_str(const struct json_t *obj, const char *key, size_t *n);
bool json_int(const struct json_t *obj, const char *key, int64_t *out); /* a number without fraction */
bool json_num(const struct json_t *obj, const char *key, double *out);  /* any number */
bool json_bool(const struct json_t *obj, const char *key, bool *out);
/* The value itself */
const char *json_str_value(const struct json_t *v, size_t *n);
bool json_num_value(const struct json_t *v, double *out);
/* Iterates an object: start with *it = NULL; false at the end. */
bool json_each(const struct json_t *obj, void **it, const char **key, const struct json_t **val);
/* A required member: fills *e ("answer of GET …: content[3].id: expected a number") and returns false if missing. */
bool json_need_int(const struct json_t *obj, const char *key, int64_t *out, const char *where, struct err *e);

/* Writer. Commas are its business; nesting is checked (a wrong close sets ->bad). indent > 0 pretty-prints. */
struct json_w {
    struct buf *out;
    int indent;
    int depth;
    bool bad;
    bool need_comma;
    bool after_key;
    char stack[32];
};
void json_w_init(struct json_w *w, struct buf *out, int indent);
void json_w_obj(struct json_w *w);
void json_w_obj_end(struct json_w *w);
void json_w_arr(struct json_w *w);
void json_w_arr_end(struct json_w *w);
void json_w_key(struct json_w *w, const char *key);
void json_w_str(struct json_w *w, const char *s); /* NULL writes null */
void json_w_int(struct json_w *w, int64_t v);
void json_w_num(struct json_w *w, double v); /* NaN and infinities write null; shortest that reads back the same */
void json_w_null(struct json_w *w);
/* A value that is JSON already. */
void json_w_raw(struct json_w *w, const char *json);
/* key + value in one */
void json_w_kstr(struct json_w *w, const char *key, const char *s);
void json_w_kint(struct json_w *w, const char *key, int64_t v);
void json_w_knum(struct json_w *w, const char *key, double v);
void json_w_kbool(struct json_w *w, const char *key, bool v);
/* An ISO time, null for 0 and TIME_NEVER. */
void json_w_ktime(struct json_w *w, const char *key, int64_t us);
bool json_w_ok(const struct json_w *w); /* all closed, nothing bad, buffer not over */

#endif
