/* Inside of the gooseBit back end (0.2): a device part only, since gooseBit's rollouts have no waves, no end and
 * counters that lie.
 *
 * There is one list of all devices and nothing else to ask: no pages, no filter, and a GET of one device creates it. So
 * one list, read as it comes, serves all calls of a tick. */
#ifndef ANDON_CLIENT_GOOSEBIT_IMPL_H
#define ANDON_CLIENT_GOOSEBIT_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/elements.h"
#include "client/login.h"

#define GB_DEVICES_MAX  ((size_t)500000)
#define GB_LIST_MAX     ((size_t)1 << 30) /* bytes of it, as they come */
#define GB_TICK_US      (US_PER_S / 4)    /* a list this old still serves a reader */
#define GB_UNDO_US      (10 * US_PER_S)   /* and one that only tells what a device had before */
#define GB_SOFTWARE_US  (30 * US_PER_S)
#define GB_SOFTWARE_MAX ((size_t)4096)
#define GB_TELL_MOST    200 /* the server takes about a millisecond for each */
/* Where a device goes whose feed is not known: no rollout is on it. */
#define GB_NO_FEED "andon-recalled"

enum gb_state { GB_UNKNOWN, GB_REGISTERED, GB_RUNNING, GB_FINISHED, GB_ERROR };
enum gb_mode { GB_OTHER_MODE, GB_ROLLOUT, GB_ASSIGNED, GB_LATEST, GB_PINNED };

/* A device as the list has it; strings as they came (no safe text), "" when absent. */
struct gb_device {
    const char *id, *name, *version, *model, *revision, *feed, *address;
    int64_t offered;     /* id of the software that it would be given now, 0 = none: also when it has that already */
    int32_t age_s;       /* since it was seen, when the answer was made; -1 = never */
    int32_t poll_s;      /* how often it is told to ask */
    unsigned char state; /* enum gb_state: of the last update, whichever that was */
    unsigned char mode;  /* enum gb_mode */
    bool force;          /* it is offered even so after an error, or when it has that version */
    bool overdue;
};

struct gb_list {
    int64_t made_at;     /* the server's time of it, else the clock's when it had come */
    struct gb_device *v; /* in the server's order */
    size_t n, cap;
    const struct gb_device **by_id; /* sorted, made when first needed */
    struct arena arena;
    const char *texts[64]; /* newest distinct values: fleets have few versions and boards */
    size_t n_texts;
};

struct gb_software {
    int64_t id;
    const char *version, *file; /* as they came */
    const char *(*boards)[2];   /* model, revision, as they came */
    size_t n_boards;
    struct release release; /* name: the boards */
};

struct gb {
    struct job_home home; /* first */
    struct login login;   /* its secret goes into a body */
    char *user;

    struct job_share share;
    struct gb_list *list; /* the newest, NULL */

    struct arena software_arena;
    struct gb_software *software;
    size_t n_software;
    int64_t software_at; /* clock; 0 = never */
};

/* What a call works with: the state of its job. */
struct gb_work {
    struct release release;
    const char *const *ids; /* copies */
    size_t n, limit;
    const char *const *keys;
    size_t n_keys;
    const char *text;
    unsigned char *group; /* of tell and recall: of each id */
    struct tell_result *told;
    bool exact;
    const struct device_filter *filter; /* a copy */
    struct err err;                     /* the first that did not stop the rest */
    int status;
};

/* --- goosebit_login.c --- */
void gb_log_in(struct login *l);
void gb_take_token(const struct http_answer *a, struct buf *out);
bool gb_dress(struct job_home *h, struct part *p, struct http_request *q);
bool gb_refused(struct job_home *h, struct part *p, const struct http_answer *a);
void gb_error(const struct http_answer *a, const char *peer, const char *what, bool state_op, struct err *e);

/* --- goosebit_decode.c: pure --- */
bool gb_decode_software(const struct json_t *o, struct arena *a, struct gb_software *out, const char *where,
                        struct err *e);
struct gb_list *gb_list_new(void);
void gb_list_free(struct gb_list *l); /* NULL is fine */
bool gb_list_add(struct gb_list *l, const char *bytes, size_t n, struct err *e);
const struct gb_device *gb_list_find(struct gb_list *l, const char *id);
bool gb_fits(const struct gb_device *d, const struct gb_software *s);
/* Where it stands with the software, by what it says itself. */
enum standing_at gb_standing_of(const struct gb_device *d, const struct gb_software *s);
/* For recall(): what the device has now; "" when it is at our software already. */
const char *gb_undo_of(const struct gb_device *d, int64_t software, struct arena *a);
/* The body of a PATCH that gives it back, without its devices. NULL, "" and what is none of ours: to GB_NO_FEED. */
void gb_undo_write(const char *undo, struct json_w *w);
void gb_model_device(const struct gb_list *l, const struct gb_device *d, struct arena *a, struct device *out);

/* --- goosebit_list.c --- */
struct job *gb_job(struct backend *b, struct arena *a, void *out, backend_done done, void *ctx);
/* The job's list will be there when its parts are done: asked for no more than `age` ago, and after the last change
 * unless `before_changes` will do. */
void gb_need_list(struct job *j, int64_t age, bool before_changes);
struct gb_list *gb_list_of(const struct job *j);
/* For struct job_share. */
void gb_read_list(struct job_share *s);
/* And so will the server's software. `fresh`: asked for now. */
void gb_need_software(struct job *j, bool fresh);
/* The software of a release; NULL after job_fail(). */
const struct gb_software *gb_software_of(struct job *j, const struct release *r);
const struct gb_software *gb_software_by_id(const struct gb *gb, int64_t id);
struct gb_work *gb_work(struct job *j);
/* Copies of what the caller gave. */
void gb_keep_ids(struct job *j, const char *const *ids, size_t n);
void gb_keep_release(struct job *j, const struct release *r);
/* Something is sent, or was answered, that changes devices. */
void gb_changed(struct gb *gb);

/* --- goosebit_read.c, goosebit_tell.c: the calls --- */
void gb_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx);
void gb_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                struct device_list *out, backend_done done, void *ctx);
void gb_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                struct release *out, backend_done done, void *ctx);
void gb_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                 void *ctx);
void gb_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
               void *ctx);
void gb_attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys,
                   size_t limit, bool exact, struct arena *a, struct attribute_table *out, backend_done done,
                   void *ctx);
void gb_auto_assigns(struct backend *b, const char *release_id, struct arena *a, struct auto_assign_list *out,
                     backend_done done, void *ctx);
void gb_auto_assign_off(struct backend *b, const char *filter_id, backend_done done, void *ctx);
void gb_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                 struct device_standing *out, backend_done done, void *ctx);
void gb_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
             struct arena *a, struct tell_result *out, backend_done done, void *ctx);
void gb_recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
               const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
               void *ctx);

/* The back end of kind "goosebit"; see backend_open. */
struct backend *goosebit_open(struct http *h, const struct fleet_spec *spec, struct err *e);

#endif
