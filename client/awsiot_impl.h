/* Inside of the AWS IoT Jobs back end: a device part. A tell() is a job over named things, whose id holds the key and
 * the release, so that what andon told is found again from the list of jobs alone, by any console. */
#ifndef ANDON_CLIENT_AWSIOT_IMPL_H
#define ANDON_CLIENT_AWSIOT_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/job.h"
#include "client/sigv4.h"

#define AW_PAGE       250
#define AW_TELL_MOST  100 /* targets of a job */
#define AW_PAGES_MAX  2000
#define AW_JOBS_MAX   1200            /* of ours that are looked at, newest first: a plan has at most 1,000 */
#define AW_TICK_US    (US_PER_S / 4)  /* what was read that long ago still serves */
#define AW_THINGS_US  (10 * US_PER_S) /* who is there, and its attribute */
#define AW_ASK_MOST   20              /* things that are asked for one by one; for more, the list is read */
#define AW_JOB_PREFIX "andon-"
#define AW_JOB_ID     72
#define AW_HASH       8 /* hexadecimal digits of a release in a job's id */

enum aw_status {
    AW_OTHER,
    AW_QUEUED,
    AW_IN_PROGRESS,
    AW_SUCCEEDED,
    AW_FAILED,
    AW_REJECTED,
    AW_TIMED_OUT,
    AW_CANCELED,
    AW_REMOVED
};

struct aw_execution {
    const char *thing; /* as it came */
    enum aw_status status;
    int64_t queued_at, started_at, updated_at; /* the server's, 0 = it says none */
};

/* One of our jobs. */
struct aw_job {
    char id[AW_JOB_ID];
    char hash[AW_HASH + 1]; /* of its release */
    int64_t created_at;
    bool open;   /* it may still tell things */
    bool listed; /* by the reading under way */
    bool whole;  /* read with targets, and nothing of it can change any more */
    struct arena arena;
    const char **targets; /* names of things, sorted; NULL = not read yet */
    size_t n_targets;
    struct arena x_arena;
    struct aw_execution *x; /* sorted by thing */
    size_t n;
};

struct aw_thing {
    const char *name;
    const char *version; /* its attribute that says what it runs, "" */
};

struct aw_release {
    struct release release;
    const char *document; /* of its jobs */
    char hash[AW_HASH + 1];
};

struct aw {
    struct job_home home; /* first */
    struct arena arena;
    const char *host, *region, *profile;
    const char *version_attribute; /* "" = things do not say what they run */
    struct aw_release *releases;
    size_t n_releases;
    const char *arn; /* "arn:aws:iot:eu-west-1:123456789012:thing/"; NULL until a thing was seen */
    char *key_id;    /* that was signed with last */

    struct job_share jobs_share;
    struct aw_job **jobs; /* newest first */
    size_t n_jobs;

    struct job_share things_share;
    struct arena things_arena;
    struct aw_thing *things; /* sorted by name */
    size_t n_things;
    bool small; /* all things stand in one page: a list costs no more than one thing */
};

/* What a call works with. */
struct aw_work {
    const struct aw_release *release;
    const char *const *ids;
    size_t n, limit, room;
    const char *job;        /* id */
    struct aw_thing *found; /* of each id: name NULL = not there; absent when `asked` is false */
    bool asked;
    bool force;
    struct tell_result *told;
    const struct device_filter *filter;
    struct err err;
};

/* --- awsiot.c --- */
void aw_error(const struct http_answer *a, const char *peer, const char *what, bool state_op, struct err *e);

/* --- awsiot_decode.c: pure --- */
enum aw_status aw_status_of(const struct json_t *o);
int64_t aw_time(const struct json_t *o, const char *key); /* seconds with a fraction -> us, 0 */
/* "arn:…:thing/NAME" -> where NAME begins; NULL: no such. */
const char *aw_thing_in(const char *arn);
void aw_release_hash(const struct release *r, char out[AW_HASH + 1]);
/* The id of the job of a tell(): the same key and release, the same id. */
void aw_job_id(const struct aw_release *r, const char *key, char out[AW_JOB_ID]);
/* Is it the id of one of our jobs? Its release's hash into `hash`. */
bool aw_job_ours(const char *id, char hash[AW_HASH + 1]);
/* Where the thing stands with the release, by our jobs (newest first) and what it says that it runs ("" = nothing). */
struct device_standing aw_standing_of(struct aw_job *const *jobs, size_t n, const char *thing, const char *runs,
                                      const struct aw_release *r);

/* The job's execution for the thing; NULL: none. */
const struct aw_execution *aw_execution_of(const struct aw_job *job, const char *thing);

/* --- awsiot_jobs.c --- */
void aw_read_jobs(struct job_share *s);
void aw_read_things(struct job_share *s);
void aw_jobs_free(struct aw *aw);
/* Which of the ids are there, and what they run: into struct aw_work's `found`. */
void aw_need_things(struct job *j);
void aw_found(struct job *j); /* when the parts are done: from the list, where that was read */
/* A list in pages, one after the other: `item` is called for each element of the array `key`, then `end`. */
typedef void (*aw_item)(struct job *j, const struct json_t *o, void *ctx);
void aw_pages(struct job *j, const char *path, const char *key, aw_item item, void *ctx,
              void (*end)(struct job *j, void *ctx));
/* A thing as the server describes it, and where its name begins in an ARN. False: no thing. */
bool aw_thing_take(struct aw *aw, const struct json_t *o, struct arena *a, struct aw_thing *out);

/* --- awsiot_read.c, awsiot_tell.c: the calls --- */
struct job *aw_job_begin(struct backend *b, struct arena *a, void *out, backend_done done, void *ctx);
struct aw_work *aw_work(struct job *j);
void aw_keep_ids(struct job *j, const char *const *ids, size_t n);
/* The release of the table; NULL after job_refuse(). */
const struct aw_release *aw_release_of(struct job *j, const struct release *r);
void aw_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx);
void aw_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                struct device_list *out, backend_done done, void *ctx);
void aw_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                struct release *out, backend_done done, void *ctx);
void aw_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                 void *ctx);
void aw_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
               void *ctx);
void aw_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                 struct device_standing *out, backend_done done, void *ctx);
void aw_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
             struct arena *a, struct tell_result *out, backend_done done, void *ctx);
void aw_recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
               const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
               void *ctx);

/* The back end of kind "awsiot"; see backend_open. */
struct backend *awsiot_open(struct http *h, const struct fleet_spec *spec, struct err *e);

#endif
