/* Inside of the hawkBit back end. */
#ifndef ANDON_CLIENT_HAWKBIT_IMPL_H
#define ANDON_CLIENT_HAWKBIT_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/job.h"

#define HB_PAGE      500          /* hawkBit clamps larger pages to this without a word */
#define HB_BODY_MAX  JOB_BODY_MAX /* a page of 500 devices is about 170 kB */
#define HB_PAGES_MAX 4096
#define HB_ENDED_MAX 64

/* Counts of ended rollouts on a server whose list has none: they change no more. */
struct hb_ended {
    char id[ID_MAX];
    int64_t last_modified;
    struct counts counts;
};

struct hb {
    struct job_home home; /* first */
    struct hb_ended ended[HB_ENDED_MAX];
    size_t next_ended;
};

/* Answer to error. `state_op`: a verb or an action, where a constraint violation speaks about the state. */
void hb_error(const struct http_answer *a, const char *peer, const char *what, bool state_op, struct err *e);

/* hawkbit_page.c: all pages of a list, in parallel after the first.
 * Elements of `size` bytes are decoded by `item` into an array in the job's arena; then `end` is called with it. */
typedef bool (*page_item)(struct job *j, const struct json_t *obj, void *element, const char *where, struct err *e);
typedef void (*page_end)(struct job *j, void *elements, size_t n, int64_t total);
/* `path` holds everything but offset and limit, and already has a '?'. */
void job_pages(struct job *j, const char *path, size_t limit, size_t size, page_item item, page_end end);
/* The same for devices (struct device), of which there are many. */
void job_device_pages(struct job *j, const char *path, size_t limit, page_item item, page_end end);

/* hawkbit_decode.c: pure decoders. `where` names the place in errors. */
bool hb_decode_rollout(const struct json_t *o, struct arena *a, struct rollout *out, const char *where, struct err *e);
bool hb_decode_wave(const struct json_t *o, struct arena *a, struct wave *out, const char *where, struct err *e);
bool hb_decode_device(const struct json_t *o, struct arena *a, struct device *out, const char *where, struct err *e);
bool hb_decode_release(const struct json_t *o, struct arena *a, struct release *out, const char *where, struct err *e);
bool hb_decode_action(const struct json_t *o, struct arena *a, struct device_action *out, const char *where,
                      struct err *e);
/* hawkBit's THRESHOLD conditions: `o` is {condition, expression} or NULL. */
void hb_decode_condition(const struct json_t *o, struct arena *a, bool failure, struct condition *out);
/* Safe text of a string member, "" when absent. */
const char *hb_text(const struct json_t *o, const char *key, struct arena *a, size_t max);
int64_t hb_time(const struct json_t *o, const char *key); /* epoch ms -> us, 0 */
int64_t hb_time_of(int64_t ms);
/* A device's members as they stand in an answer ("" and 0 when absent), whoever has read it: hb_decode_device from a
 * parsed page, hawkbit_scan.c from a plain one. */
struct hb_device_text {
    const char *id, *name, *status, *address;
    size_t n_id, n_name, n_status, n_address;
    int64_t installed_at, last_seen, last_poll, next_poll;
    bool overdue;
};
void hb_take_device(const struct hb_device_text *t, struct arena *a, struct device *out);

/* Ids that andon puts into paths are decimal. */
bool hb_id_ok(const char *id, const char *what, struct err *e) ANDON_MUST_USE;
/* A device's id that may stand in a path: not empty, not "." or "..", at most 512 bytes. */
bool hb_device_ok(const char *raw, struct err *e) ANDON_MUST_USE;

/* hawkbit_rsql.c: a value in double quotes. false when it can't be written so that it means itself (wildcards,
 * characters that safe_text replaced). */
bool hb_rsql_value(struct buf *out, const char *s, struct err *e) ANDON_MUST_USE;
/* A value that the given text matches, and maybe others: for a look-up whose results are compared again, exactly. What
 * can't be written, or may stand for other bytes than itself, is a '*'. */
bool hb_rsql_pattern(struct buf *out, const char *s, struct err *e) ANDON_MUST_USE;
/* The filter; "" = all devices. ERR_RANGE: it can't be written so that it finds these and no others. */
bool hb_rsql_filter(struct buf *out, const struct device_filter *f, struct err *e) ANDON_MUST_USE;
bool hb_rsql_find(struct buf *out, const struct find_filter *f, struct err *e) ANDON_MUST_USE;
/* FIELD=in=("ID",...), or `op` in the place of =in=; ids that cannot be named are left out. Returns how many are in. */
bool hb_rsql_nameable(const char *raw_id);
size_t hb_rsql_ids(struct buf *out, const char *op, const char *const *raw_ids, size_t n);
bool hb_filter_parts(struct backend *b, const struct device_filter *f, struct arena *a, struct filter_parts *out,
                     struct err *e) ANDON_MUST_USE;

/* The operations. */
void hb_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx);
void hb_rollouts(struct backend *b, size_t limit, struct arena *a, struct rollout_list *out, backend_done done,
                 void *ctx);
void hb_rollout(struct backend *b, const char *id, struct arena *a, struct rollout *out, backend_done done, void *ctx);
void hb_waves(struct backend *b, const char *rollout, struct arena *a, struct wave_list *out, backend_done done,
              void *ctx);
void hb_wave_devices(struct backend *b, const char *rollout, const char *wave, size_t limit, struct arena *a,
                     struct device_list *out, backend_done done, void *ctx);
void hb_find(struct backend *b, const struct find_filter *f, size_t limit, struct arena *a, struct device_list *out,
             backend_done done, void *ctx);
void hb_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                struct device_list *out, backend_done done, void *ctx);
void hb_inflight(struct backend *b, const char *rollout, struct arena *a, struct inflight *out, backend_done done,
                 void *ctx);
void hb_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                struct release *out, backend_done done, void *ctx);
void hb_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                 void *ctx);
void hb_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
               void *ctx);
void hb_verb(struct backend *b, const char *rollout, enum backend_verb v, const char *remark, backend_done done,
             void *ctx);
void hb_create_rollout(struct backend *b, const struct rollout_spec *spec, struct arena *a, const char **id_out,
                       backend_done done, void *ctx);
void hb_cancel_action(struct backend *b, const char *raw_device, const char *action, bool force, backend_done done,
                      void *ctx);
void hb_assign(struct backend *b, const char *raw_device, const char *release_id, bool offline, backend_done done,
               void *ctx);
void hb_auto_assigns(struct backend *b, const char *release_id, struct arena *a, struct auto_assign_list *out,
                     backend_done done, void *ctx);
void hb_auto_assign_off(struct backend *b, const char *filter_id, backend_done done, void *ctx);
void hb_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                 struct device_standing *out, backend_done done, void *ctx);
void hb_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
             struct arena *a, struct tell_result *out, backend_done done, void *ctx);
void hb_recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
               const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
               void *ctx);
void hb_told_at(struct backend *b, const char *rollout, const char *raw_device, struct arena *a, int64_t *out,
                backend_done done, void *ctx);
void hb_attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys,
                   size_t limit, bool exact, struct arena *a, struct attribute_table *out, backend_done done,
                   void *ctx);
void hb_notes(struct backend *b, const char *const *release_ids, size_t n, const char *prefix, struct arena *a,
              struct note_list *out, backend_done done, void *ctx);
void hb_note_put(struct backend *b, const char *release_id, const char *key, const char *value, size_t n,
                 backend_done done, void *ctx);
void hb_note_delete(struct backend *b, const char *release_id, const char *key, backend_done done, void *ctx);

/* The back end of kind "hawkbit"; see backend_open. */
struct backend *hawkbit_open(struct http *h, const struct fleet_spec *spec, struct err *e);

#endif
