/* Where things stand, telling them (a job over named things) and taking it back (a cancel for each). */
#include "client/awsiot_impl.h"

#include <string.h>

/* --- standing --- */

static void standing_there(struct job *j)
{
    const struct aw *aw = (const struct aw *)j->home;
    const struct aw_work *w = aw_work(j);
    struct device_standing *out = j->out;
    aw_found(j);
    for (size_t i = 0; i < w->n; i++) {
        const char *runs = w->found[i].name ? w->found[i].version : "";
        out[i] = aw_standing_of(aw->jobs, aw->n_jobs, w->ids[i], runs, w->release);
        if (!w->found[i].name)
            out[i].at = AT_ABSENT;
    }
}

void aw_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                 struct device_standing *out, backend_done done, void *ctx)
{
    struct job *j = aw_job_begin(b, a, out, done, ctx);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct device_standing){.at = AT_UNKNOWN};
    aw_keep_ids(j, raw_ids, n);
    if (!aw_release_of(j, r))
        return;
    j->next = standing_there;
    aw_need_things(j);
    job_share_want(j, &((struct aw *)b)->jobs_share, AW_TICK_US, false);
}

/* --- telling --- */

static void set_all(const struct aw_work *w, enum tell_outcome outcome, const char *why)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->found[i].name) {
            w->told[i].outcome = outcome;
            w->told[i].why = why;
        }
}

static bool has_target(const struct json_t *targets, const char *thing)
{
    for (size_t i = 0; i < json_len(targets); i++) {
        const char *name = aw_thing_in(json_str_value(json_at(targets, i), NULL));
        if (name && strcmp(name, thing) == 0)
            return true;
    }
    return false;
}

/* The id is taken. By ourselves, when it is a job over the same things. */
static void on_taken(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    const struct aw_work *w = aw_work(j);
    const struct json_t *targets = json_get(json_get(doc, "job"), "targets");
    size_t there = 0, n = 0;
    (void)i;
    (void)a;
    for (size_t k = 0; k < w->n; k++)
        if (w->found[k].name) {
            n++;
            there += has_target(targets, w->ids[k]);
        }
    if (there == n && json_len(targets) == n) {
        set_all(w, TELL_DONE, "");
        return;
    }
    set_all(w, TELL_REFUSED, "a job with this key is there, over other things");
    job_failf(j, ERR_CONFLICT, "look at the job on AWS", "the job %.72s is there already, over other things", w->job);
}

static void on_created(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    const struct aw_work *w = aw_work(j);
    struct err e = {0};
    (void)i;
    (void)doc;
    ((struct aw *)j->home)->jobs_share.changes++;
    if (!a->err && a->status == 200) {
        set_all(w, TELL_DONE, "");
        return;
    }
    if (!a->err && a->status == 409 && strstr(a->error_type, "AlreadyExists")) {
        j->reply.maybe_sent = true; /* until it is known whose it is */
        job_get(j, job_path(j, "/jobs/%s", w->job), on_taken, 0);
        return;
    }
    if (a->err)
        e = *a->err;
    else
        aw_error(a, http_peer_name(j->home->peer), "PUT /jobs", false, &e);
    bool unclear = a->err ? a->maybe_sent : a->status >= 500;
    j->reply.maybe_sent = unclear;
    set_all(w, unclear ? TELL_NOT_KNOWN : a->err ? TELL_NOT_SENT : TELL_REFUSED, arena_strdup(j->arena, e.what));
    job_fail(j, &e);
}

static void tell_there(struct job *j)
{
    const struct aw *aw = (const struct aw *)j->home;
    const struct aw_work *w = aw_work(j);
    struct buf body;
    struct json_w out;
    size_t n = 0;
    aw_found(j);
    j->next = NULL;
    buf_init(&body, JOB_BODY_MAX);
    json_w_init(&out, &body, 0);
    json_w_obj(&out);
    json_w_key(&out, "targets");
    json_w_arr(&out);
    for (size_t i = 0; i < w->n; i++) {
        if (!w->found[i].name) {
            w->told[i] = (struct tell_result){TELL_REFUSED, "there is no such thing", ""};
            continue;
        }
        json_w_str(&out, arena_printf(&j->scratch, "%s%s", aw->arn ? aw->arn : "", w->ids[i]));
        w->told[i].outcome = TELL_NOT_KNOWN;
        n++;
    }
    json_w_arr_end(&out);
    json_w_kstr(&out, "targetSelection", "SNAPSHOT");
    json_w_kstr(&out, "document", w->release->document);
    json_w_kstr(&out, "description",
                arena_printf(&j->scratch, "andon %s %s", w->release->release.name, w->release->release.version));
    json_w_obj_end(&out);
    ((struct aw *)j->home)->jobs_share.changes++;
    if (n)
        job_send(j, "PUT", job_path(j, "/jobs/%s", w->job), body.data, 0, PART_VERB | PART_CREATE | PART_ANY_END,
                 on_created, 0);
    else
        job_idle(j);
    buf_release(&body);
}

static bool tell_begin(struct job *j, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                       size_t most, struct tell_result *out)
{
    struct err e = {0};
    char id[AW_JOB_ID];
    for (size_t i = 0; i < n; i++)
        out[i] = (struct tell_result){.outcome = TELL_NOT_SENT, .why = "", .undo = ""};
    aw_keep_ids(j, raw_ids, n);
    aw_work(j)->told = out;
    if (n > most) {
        err_set(&e, ERR_LIMIT, "", "AWS IoT is asked about %zu things at a time here", most);
        job_refuse(j, &e);
        return false;
    }
    if (!aw_release_of(j, r))
        return false;
    aw_job_id(aw_work(j)->release, key, id);
    aw_work(j)->job = arena_strdup(&j->scratch, id);
    return true;
}

void aw_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
             struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct job *j = aw_job_begin(b, a, out, done, ctx);
    if (!tell_begin(j, r, raw_ids, n, key, AW_TELL_MOST, out))
        return;
    j->next = tell_there;
    aw_need_things(j);
}

/* --- taking back --- */

static void on_cancelled(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct aw_work *w = aw_work(j);
    struct tell_result *t = &w->told[i];
    struct err e = {0};
    (void)doc;
    ((struct aw *)j->home)->jobs_share.changes++;
    if (!a->err && a->status == 200) {
        t->outcome = TELL_DONE;
        return;
    }
    if (!a->err && a->status == 409) {
        t->outcome = TELL_REFUSED;
        t->why = w->force ? "it has ended" : "it has begun, and goes on, or has ended";
        return;
    }
    if (!a->err && a->status == 404) { /* of a thing whose turn has not come there is no execution to cancel */
        t->outcome = TELL_NOT_KNOWN;
        t->why = "AWS has not handed it out yet, and may do so: ask again";
        return;
    }
    if (a->err)
        e = *a->err;
    else
        aw_error(a, http_peer_name(j->home->peer), "PUT /things/…/cancel", true, &e);
    bool unclear = a->err ? a->maybe_sent : a->status >= 500;
    t->outcome = unclear ? TELL_NOT_KNOWN : a->err ? TELL_NOT_SENT : TELL_REFUSED;
    t->why = arena_strdup(j->arena, e.what);
    if (w->err.code == ERR_NONE)
        w->err = e;
}

/* Each has its own answer; a refusal by a state is none of a failure. */
static void all_cancelled(struct job *j)
{
    const struct aw_work *w = aw_work(j);
    job_told(j, w->told, w->n, &w->err, 0);
}

void aw_recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
               const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
               void *ctx)
{
    struct job *j = aw_job_begin(b, a, out, done, ctx);
    (void)undo; /* the key says all */
    if (!tell_begin(j, r, raw_ids, n, key, REPLY_REQUESTS, out))
        return;
    aw_work(j)->force = force;
    j->next = all_cancelled;
    ((struct aw *)b)->jobs_share.changes++;
    for (size_t i = 0; i < n; i++) {
        out[i].outcome = TELL_NOT_KNOWN;
        job_send(j, "PUT",
                 job_path(j, "/things/%s/jobs/%s/cancel%s", job_escape(j, raw_ids[i]), aw_work(j)->job,
                          force ? "?force=true" : ""),
                 "{}", HTTP_URGENT, PART_VERB | PART_ANY_END, on_cancelled, i);
    }
    if (n == 0)
        job_idle(j);
}
