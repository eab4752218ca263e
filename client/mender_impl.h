/* Inside of the Mender back end (the open-source server): a device part. A tell() is a deployment over named devices,
 * whose name holds the key, so that a lost answer is found again by that name. Mender has no pause, an abort is final,
 * and an aborted deployment is "finished" like any other: where a device stands is told by its row in the deployments
 * and by the artifact that its inventory names, never by statistics. */
#ifndef ANDON_CLIENT_MENDER_IMPL_H
#define ANDON_CLIENT_MENDER_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/login.h"

#define MD_V1              "/api/management/v1/deployments/deployments"
#define MD_V2              "/api/management/v2/deployments/deployments"
#define MD_INVENTORY       "/api/management/v1/inventory/devices"
#define MD_PAGE            500
#define MD_PAGES_MAX       2000
#define MD_TELL_MOST       200
#define MD_DEPLOYMENTS_MAX 1000            /* that are looked at, newest first */
#define MD_TICK_US         (US_PER_S / 4)  /* what was read that long ago still serves */
#define MD_DEVICES_US      (10 * US_PER_S) /* the inventory, when it has more than a page */
#define MD_ASK_MOST        20              /* devices that are asked for one by one; for more, the list is read */
#define MD_NAME            "andon "        /* and the key: the name of our deployments */
#define MD_ID              64

enum md_status { /* of a device in a deployment */
                 MD_OTHER,
                 MD_PENDING,
                 MD_MOVING, /* downloading ... rebooting, and the pauses between */
                 MD_SUCCESS,
                 MD_ALREADY,
                 MD_FAILURE,
                 MD_NO_ARTIFACT, /* the release has no image for such a device */
                 MD_ABORTED,
                 MD_DECOMMISSIONED
};

struct md_row {
    const char *device; /* as it came */
    enum md_status status;
    int64_t finished_at; /* 0 = the server says none: aborted ones have no time */
};

struct md_deployment {
    char id[MD_ID];
    const char *name, *artifact; /* as they came, in `arena` */
    int64_t created_at, finished_at;
    bool finished; /* by itself or aborted: the server says the same for both */
    bool listed;   /* by the reading under way */
    bool whole;    /* read, and nothing of it can change any more */
    struct arena arena;
    const char **targets; /* ids, sorted; NULL = not read yet */
    size_t n_targets;
    struct arena rows_arena;
    struct md_row *rows; /* of devices that have asked, sorted */
    size_t n_rows;
};

struct md_device {
    const char *id;       /* NULL = not there */
    const char *artifact; /* that its inventory names, "" */
    int64_t reported_at;  /* when it did */
    int64_t seen_at;      /* last contact, as far as the server tells */
};

struct md {
    struct job_home home; /* first */
    struct login login;   /* all zero with a token of the operator's */
    char *user;

    struct job_share deployments_share;
    struct md_deployment **deployments; /* newest first */
    size_t n_deployments;

    struct job_share devices_share;
    struct arena devices_arena;
    struct md_device *devices; /* sorted by id */
    size_t n_devices;
    bool devices_whole; /* the list stood still while it was read: who is not in it is not there */
    bool small;         /* it has one page */
};

/* What a call works with. */
struct md_work {
    struct release release;
    const char *const *ids;
    size_t n, limit, cap;
    const char *const *keys;
    size_t n_keys;
    const char *text;
    struct md_device *found; /* of each id */
    bool asked;              /* one by one */
    bool exact, whole;
    const char *name; /* of the deployment */
    struct tell_result *told;
    const struct device_filter *filter;
    struct err err;
};

/* --- mender.c --- */
void md_error(const struct http_answer *a, const char *peer, const char *what, bool state_op, struct err *e);

/* --- mender_decode.c: pure --- */
int64_t md_time(const struct json_t *o, const char *key); /* us, 0 = none */
enum md_status md_status_of(const struct json_t *row);
bool md_ended(enum md_status s);
/* An inventory entry. False: no device. */
bool md_decode_device(const struct json_t *o, struct arena *a, struct md_device *out);
/* The value of an attribute (of the inventory's own scope first), as text; NULL = it has none. */
const char *md_attribute(const struct json_t *device, const char *key, struct arena *a);
bool md_has_target(const struct md_deployment *d, const char *device);
const struct md_row *md_row_of(const struct md_deployment *d, const char *device); /* NULL = it has not asked */
/* Can the device still be handed it, or report on it? */
bool md_alive(const struct md_deployment *d, const char *device);
/* Where the device stands with the artifact, by the deployments (newest first) and its inventory. */
struct device_standing md_standing_of(struct md_deployment *const *v, size_t n, const struct md_device *device,
                                      const char *artifact);
struct release md_release_of(const char *artifact, struct arena *a);

/* --- mender_list.c --- */
/* A list in pages of 500, one after the other: `item` for each element, then `end`; `still` says that its length did
 * not change meanwhile. `path` ends in '?' or '&'. */
typedef void (*md_item)(struct job *j, const struct json_t *o, void *ctx);
typedef void (*md_end)(struct job *j, void *ctx, bool still);
void md_pages(struct job *j, const char *path, md_item item, void *ctx, md_end end);
void md_read_deployments(struct job_share *s);
void md_read_devices(struct job_share *s);
void md_lists_free(struct md *md);
/* What the inventory has on the ids: into struct md_work's `found` and `whole`, in md_found(). */
void md_need_devices(struct job *j);
void md_found(struct job *j);

/* --- mender_read.c, mender_tell.c: the calls --- */
struct job *md_job(struct backend *b, struct arena *a, void *out, backend_done done, void *ctx);
struct md_work *md_work(struct job *j);
void md_keep(struct job *j, const struct release *r, const char *const *ids, size_t n);
void md_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx);
void md_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                struct device_list *out, backend_done done, void *ctx);
void md_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                struct release *out, backend_done done, void *ctx);
void md_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                 void *ctx);
void md_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
               void *ctx);
void md_attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys,
                   size_t limit, bool exact, struct arena *a, struct attribute_table *out, backend_done done,
                   void *ctx);
void md_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                 struct device_standing *out, backend_done done, void *ctx);
void md_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
             struct arena *a, struct tell_result *out, backend_done done, void *ctx);
void md_recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
               const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
               void *ctx);

/* The back end of kind "mender"; see backend_open. */
struct backend *mender_open(struct http *h, const struct fleet_spec *spec, struct err *e);

#endif
