/* What AWS IoT says, and what it means. Pure. */
#include "client/awsiot_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/digest.h"

enum aw_status aw_status_of(const struct json_t *o)
{
    static const char *const words[] = {"",         "QUEUED",    "IN_PROGRESS", "SUCCEEDED", "FAILED",
                                        "REJECTED", "TIMED_OUT", "CANCELED",    "REMOVED"};
    const char *s = json_str(o, "status", NULL);
    for (size_t i = 1; s && i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], s) == 0)
            return (enum aw_status)i;
    return AW_OTHER;
}

int64_t aw_time(const struct json_t *o, const char *key)
{
    double s;
    return json_num(o, key, &s) && s > 0 && s < 253402300800.0 ? (int64_t)(s * 1e6) : 0;
}

const char *aw_thing_in(const char *arn)
{
    const char *at = arn ? strstr(arn, ":thing/") : NULL;
    return at && at[7] ? at + 7 : NULL;
}

void aw_release_hash(const struct release *r, char out[AW_HASH + 1])
{
    char hex[SHA256_HEX];
    sha256_hex(r->id, strlen(r->id), hex);
    snprintf(out, AW_HASH + 1, "%.8s", hex);
}

void aw_job_id(const struct aw_release *r, const char *key, char out[AW_JOB_ID])
{
    enum { MOST = 64 - sizeof AW_JOB_PREFIX + 1 - AW_HASH - 1 }; /* AWS takes 64 characters */
    char hex[SHA256_HEX];
    if (strlen(key) > MOST || strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(key)) {
        sha256_hex(key, strlen(key), hex);
        hex[40] = '\0';
        key = hex;
    }
    snprintf(out, AW_JOB_ID, AW_JOB_PREFIX "%s-%.*s", r->hash, (int)MOST, key);
}

bool aw_job_ours(const char *id, char hash[AW_HASH + 1])
{
    size_t n = strlen(AW_JOB_PREFIX);
    if (strncmp(id, AW_JOB_PREFIX, n) != 0 || strspn(id + n, "0123456789abcdef") != AW_HASH || id[n + AW_HASH] != '-' ||
        strlen(id) >= AW_JOB_ID)
        return false;
    snprintf(hash, AW_HASH + 1, "%.8s", id + n);
    return true;
}

static int thing_is(const void *key, const void *element)
{
    const struct aw_execution *x = element;
    return strcmp(key, x->thing);
}

const struct aw_execution *aw_execution_of(const struct aw_job *job, const char *thing)
{
    return job->n ? bsearch(thing, job->x, job->n, sizeof *job->x, thing_is) : NULL;
}

static int text_is(const void *key, const void *element)
{
    const char *const *s = element;
    return strcmp(key, *s);
}

static bool is_target(const struct aw_job *job, const char *thing)
{
    return job->n_targets && bsearch(thing, job->targets, job->n_targets, sizeof *job->targets, text_is);
}

/* A cancelled execution that had begun is lost: the thing may install it, and its report is refused. So is one that ran
 * out of its time. */
static enum standing_at ended_at(const struct aw_execution *x)
{
    switch (x->status) {
    case AW_QUEUED:
        return AT_TOLD;
    case AW_IN_PROGRESS:
        return AT_BUSY;
    case AW_FAILED:
    case AW_REJECTED:
        return AT_FAILED;
    case AW_TIMED_OUT:
        return AT_LOST;
    case AW_CANCELED:
    case AW_REMOVED:
        return x->started_at ? AT_LOST : AT_RECALLED;
    case AW_OTHER:
    case AW_SUCCEEDED:
        break;
    }
    return AT_UNKNOWN;
}

struct device_standing aw_standing_of(struct aw_job *const *jobs, size_t n, const char *thing, const char *runs,
                                      const struct aw_release *r)
{
    const struct aw_execution *newest = NULL, *done = NULL; /* of this release; the last success of any */
    const struct aw_job *told = NULL, *done_by = NULL;
    struct device_standing s = {.at = AT_OTHER};
    for (size_t i = 0; i < n; i++) {
        const struct aw_execution *x = aw_execution_of(jobs[i], thing);
        bool ours = strcmp(jobs[i]->hash, r->hash) == 0;
        if (x && x->status == AW_SUCCEEDED && (!done || x->updated_at > done->updated_at)) {
            done = x;
            done_by = jobs[i];
        }
        if (ours && x && !newest && !told)
            newest = x;
        if (ours && !x && !newest && !told && is_target(jobs[i], thing))
            told = jobs[i]; /* an execution is made only when the thing's turn has come */
    }
    if (newest) {
        s.told_at = newest->queued_at;
        s.at = newest->status == AW_SUCCEEDED ? AT_OTHER : ended_at(newest);
        s.ended_at = newest->status == AW_QUEUED || newest->status == AW_IN_PROGRESS ? 0 : newest->updated_at;
    } else if (told) {
        s.told_at = told->created_at;
        s.at = told->open ? AT_TOLD : AT_RECALLED;
    }
    /* What it says that it runs goes before what a job says that it has done. */
    bool has = runs[0] ? strcmp(runs, r->release.version) == 0
                       : done && strcmp(done_by->hash, r->hash) == 0 && (!newest || newest->status == AW_SUCCEEDED);
    if (has)
        s.at = AT_INSTALLED;
    return s;
}
