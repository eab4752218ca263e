/* Inside of the OpenMV back end: a device part. A device is told by a pin of its own, which goes before every rollout
 * of the server; where it stands is in the list of devices and, after a fall back, in the server's record of events. */
#ifndef ANDON_CLIENT_OPENMV_IMPL_H
#define ANDON_CLIENT_OPENMV_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/job.h"

#define OM_PAGE        1000 /* more is a 422 */
#define OM_DEVICES_MAX ((size_t)500000)
#define OM_ROWS_MAX    ((size_t)20000) /* of releases, of rollouts */
#define OM_TELL_MOST   REPLY_REQUESTS  /* one request for each device */
#define OM_FELL_MOST   200             /* devices whose fall back is looked up in one call; the rest is not known */
#define OM_TICK_US     (US_PER_S / 4)  /* a list that old still serves */
#define OM_ID_MAX      64              /* of releases and rollouts */
#define OM_BASE        "/api/v1/admin"

struct om_device {
    const char *id, *product, *board, *cohort, *name, *version; /* as they came; "" = none */
    const char *offered, *pinned;                               /* ids of releases, "" */
    int64_t payload;                                            /* that it runs, -1 = it did not say */
    int64_t last_seen;
    bool confirmed; /* false: in the trial of what it runs */
    bool fell;      /* its last boot went back to what it had before */
};

struct om_list {
    struct om_device *v; /* sorted by id */
    size_t n, cap;
    bool whole; /* as many as the server says it has */
    struct arena arena;
    const char *texts[64]; /* newest distinct values */
    size_t n_texts;
};

struct om_release {
    const char *product; /* 64 bits, as a text */
    int64_t payload;
    struct release release; /* id "" = none */
};

struct om {
    struct job_home home; /* first */
    struct job_share share;
    struct om_list *list; /* the newest, NULL */
};

/* What a call works with. */
struct om_work {
    struct release want; /* by id, or by name and version */
    struct om_release rel[2];
    const char *const *ids, *const *keys, *const *undo;
    size_t n, n_keys, limit;
    bool exact;
    const struct device_filter *filter;
    struct om_device *found; /* of each id; id NULL = not there */
    struct tell_result *told;
    struct err err; /* the first that did not stop the rest */
    int status;
    /* a list in pages */
    const char *path, *key;
    bool (*take)(struct job *j, const struct json_t *o, const char *where);
    void (*end)(struct job *j);
    size_t offset, most;
    int64_t total;
    struct om_release *releases;
    size_t n_releases, cap_releases;
};

/* --- openmv_decode.c: pure --- */
struct om_list *om_list_new(void);
void om_list_free(struct om_list *l); /* NULL is fine */
/* False with *e: not a device. Texts into the list's arena. */
bool om_decode_device(const struct json_t *o, struct om_list *l, struct om_device *out, const char *where,
                      struct err *e);
void om_list_add(struct om_list *l, const struct om_device *d);
void om_list_sort(struct om_list *l); /* and takes out what came twice */
const struct om_device *om_list_find(const struct om_list *l, const char *id);
bool om_decode_release(const struct json_t *o, struct arena *a, struct om_release *out, const char *where,
                       struct err *e);
/* *fell: it was offered the release and has fallen back, and only the record of events tells whether from this one:
 * AT_UNKNOWN until that is looked at. */
enum standing_at om_standing_of(const struct om_device *d, const struct om_release *r, bool *fell);
/* By the newest events of a device, newest first: did it fall back after it was pinned to the release? */
bool om_fell_after_pin(const struct json_t *events, const char *release_id);
void om_model_device(const struct om_device *d, struct arena *a, struct device *out);
bool om_id_ok(const char *id); /* of a release or rollout: goes into paths */

/* --- openmv.c --- */
struct job *om_job(struct backend *b, struct arena *a, void *out, backend_done done, void *ctx);
struct om_work *om_work(struct job *j);
void om_keep_ids(struct job *j, const char *const *ids, size_t n);
void om_error(const struct http_answer *a, const char *peer, const char *what, bool state_op, struct err *e);
/* All pages of `path` (with its "?"), one after the other; `take` of each element of `key`, then `end`. */
void om_pages(struct job *j, const char *path, const char *key, size_t most,
              bool (*take)(struct job *j, const struct json_t *o, const char *where), void (*end)(struct job *j));
struct om_list *om_list_of(const struct job *j);
void om_need_list(struct job *j);
/* The release, by its id, into struct om_work's rel[i]; 404 is a failure unless the job forgives it. */
void om_need_release(struct job *j, const struct release *r, size_t i);

/* --- openmv_read.c, openmv_tell.c: the calls --- */
void om_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx);
void om_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                struct device_list *out, backend_done done, void *ctx);
void om_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                struct release *out, backend_done done, void *ctx);
void om_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                 void *ctx);
void om_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
               void *ctx);
void om_attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys,
                   size_t limit, bool exact, struct arena *a, struct attribute_table *out, backend_done done,
                   void *ctx);
void om_auto_assigns(struct backend *b, const char *release_id, struct arena *a, struct auto_assign_list *out,
                     backend_done done, void *ctx);
void om_auto_assign_off(struct backend *b, const char *filter_id, backend_done done, void *ctx);
void om_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                 struct device_standing *out, backend_done done, void *ctx);
void om_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
             struct arena *a, struct tell_result *out, backend_done done, void *ctx);
void om_recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
               const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
               void *ctx);

/* The back end of kind "openmv"; see backend_open. */
struct backend *openmv_open(struct http *h, const struct fleet_spec *spec, struct err *e);

#endif
