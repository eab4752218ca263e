/* Inside of back ends that speak HTTP. One asynchronous call of backend_ops is a job; the requests that it needs are
 * its parts. A job ends once, when no part is pending: its first failure wins and the other parts are given up. */
#ifndef ANDON_CLIENT_JOB_H
#define ANDON_CLIENT_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/backend.h"
#include "core/json.h"

#define JOB_BODY_MAX ((size_t)8 << 20) /* of an answer that is held as a whole */
#define JOB_PATH_MAX 4096

struct job;
struct part;
/* An answer of a part. `doc` is NULL when there was no body or none is looked at. Failures: job_fail(). */
typedef void (*part_fn)(struct job *j, size_t index, const struct http_answer *a, const struct json_t *doc);

/* What the jobs of one back end share: the first member of its own struct. */
struct job_home {
    struct backend base;
    struct http_peer *peer;
    /* A status that is no success, in words. `state_op`: the request was about an object's state. */
    void (*error)(const struct http_answer *a, const char *peer, const char *what, bool state_op, struct err *e);
    const char *wrong_server; /* what to do when an answer is no JSON */
    /* Both may be NULL. The first puts into the request what its server wants in each (a token, a signature), from
     * memory that lives until it returns or in the job's scratch; false: not now, and the part is held until
     * job_resend() or job_wake(). The second is asked about each answer first; true: it holds the part likewise, and
     * the answer is not looked at. */
    bool (*dress)(struct job_home *h, struct part *p, struct http_request *q);
    bool (*refused)(struct job_home *h, struct part *p, const struct http_answer *a);
};

enum part_flags {
    PART_ANY_STATUS = 1, /* the function wants every status, not only 2xx; no doc */
    PART_NO_BODY = 2,    /* the body is of no interest */
    PART_VERB = 4,       /* may change something: request and answer go into the reply (struct request_facts) */
    PART_CREATE = 8,     /* with PART_VERB: a refusal is not about the state of something that is there */
    PART_ANY_END = 16    /* the function wants the end of its request whatever it was, also when the job has failed */
};

struct part {
    struct part *prev, *next;
    struct part *held; /* of whoever holds it: the next one */
    struct job *job;
    size_t index;
    unsigned flags;
    part_fn fn;
    uint64_t id;
    unsigned dressed, refused;  /* home's own: what it was dressed with, how often it was refused */
    char what[96];              /* "GET /rest/v1/rollouts/7", for errors; safe */
    struct http_request q;      /* as it is sent, before it is dressed; in scratch */
    struct request_facts facts; /* PART_VERB: as it is sent */
};

struct job {
    struct job_home *home;
    backend_done done;
    void *ctx;
    struct arena *arena;  /* the caller's: results */
    struct arena scratch; /* lives as long as the job */
    struct reply reply;
    struct err err;
    struct part *parts;
    void (*next)(struct job *j); /* when all parts have been answered well; may add parts */
    /* Tried on each answer before it is parsed; true: that was all. May be NULL. */
    bool (*scan)(struct job *j, size_t index, const struct http_answer *a);
    /* Asked about a status that is no success; true: it is none of a failure either, and its part has no answer. May be
     * NULL. */
    bool (*forgive)(struct job *j, int status);
    void (*drop)(struct job *j); /* frees what is not in scratch, at the end; may be NULL */
    void *out;                   /* the caller's */
    void *state;                 /* the operation's own, in scratch */
    void **kept;                 /* job_keep() */
    size_t n_kept, cap_kept;
    const char *subject; /* id that the operation is about, in scratch */
};

/* A job of the back end, which is a struct job_home; its results go to *out and `a`. */
struct job *job_begin(struct backend *b, struct arena *a, void *out, backend_done done, void *ctx);
/* Adds a part. Path and body are copied; a body of a verb is noted by its digest. */
void job_send(struct job *j, const char *method, const char *path, const char *body, unsigned http_flags,
              unsigned part_flags, part_fn fn, size_t index);
/* A safe GET whose 2xx answer is parsed. */
void job_get(struct job *j, const char *path, part_fn fn, size_t index);
/* A safe GET whose 2xx answer goes into the sink; `max` bounds it. */
void job_stream(struct job *j, const char *path, struct http_sink sink, size_t max, unsigned http_flags, part_fn fn);
void job_fail(struct job *j, const struct err *e);
void job_failf(struct job *j, enum err_code code, const char *next, const char *fmt, ...) ANDON_PRINTF(4, 5);
/* A job that has failed before anything was sent still answers asynchronously. */
void job_refuse(struct job *j, const struct err *e);
/* And so does one that finds that there is nothing to ask. */
void job_idle(struct job *j);
/* Sends (again) what was held, and ends it with an answer (or an error) that came otherwise. */
void job_resend(struct part *p);
void job_wake(struct part *p, const struct http_answer *a);
/* printf into scratch memory. */
char *job_path(struct job *j, const char *fmt, ...) ANDON_PRINTF(2, 3);
/* Percent-encoded copy in scratch memory. */
const char *job_escape(struct job *j, const char *s);

/* Something in scratch memory that a part's answer needs, and the index for that part; job_kept() gives it back. */
size_t job_keep(struct job *j, void *what);
void *job_kept(const struct job *j, size_t index);
/* Copies in scratch memory. */
const char *const *job_strings(struct job *j, const char *const *v, size_t n);
struct release job_release(struct job *j, const struct release *r); /* NULL members become "" */
/* The end of tell() or recall(): each device has its own outcome. `err`: the first that did not stop the rest
 * (ERR_NONE: none has), with its status, 0 = none. */
void job_told(struct job *j, const struct tell_result *told, size_t n, const struct err *err, int status);
/* Begins the results of attributes(): nothing is known. */
void job_attributes(struct job *j, size_t n, size_t n_keys);
/* What a refusal says of itself, as safe text: "detail" (a text, or the first "msg" of a list) or "error"; "". */
void job_detail(const struct http_answer *a, char *out, size_t size);

/* A copy in scratch memory; of NULL: all devices. */
const struct device_filter *job_filter_copy(struct job *j, const struct device_filter *f);

/* The number of a value among the table's names, which are made safe text; *cap begins with 0. */
int32_t job_attribute_name(struct attribute_table *t, struct arena *a, size_t *cap, const char *value, bool exact);

/* What is read once for all calls that need it at the time: a list of the whole fleet. Its owner keeps what was read,
 * whole, until something newer is there. Start with {.home, .begin}. */
struct job_share {
    struct job_home *home;
    void (*begin)(struct job_share *s); /* starts to read; in job_share_end() it ends, whatever becomes of it */
    uint64_t changes;                   /* counted up by the owner when something was sent that changes it, and when
                                         * that was answered */
    /* its own */
    struct part *waiting;
    bool reading, there;
    struct {
        uint64_t changes;
        int64_t at;
    } read, under_way; /* of what is there, and of what is being read: when it was asked for */
};
/* When the job's parts are done, it is there: asked for no longer than `age` ago, or not yet answered, and after the
 * last change, unless `before_changes` will do. */
void job_share_want(struct job *j, struct job_share *s, int64_t age, bool before_changes);
void job_share_end(struct job_share *s, const struct reply *r);

#endif
