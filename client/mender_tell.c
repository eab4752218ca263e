/* Where devices stand, telling them (a deployment over named devices) and taking it back (its abort, which is final).
 */
#include "client/mender_impl.h"

#include <string.h>

/* --- standing --- */

static void standing_there(struct job *j)
{
    const struct md *md = (const struct md *)j->home;
    const struct md_work *w = md_work(j);
    struct device_standing *out = j->out;
    md_found(j);
    for (size_t i = 0; i < w->n; i++) {
        if (w->found[i].id)
            out[i] = md_standing_of(md->deployments, md->n_deployments, &w->found[i], w->release.id);
        else
            out[i].at = w->whole ? AT_ABSENT : AT_UNKNOWN;
    }
}

void md_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                 struct device_standing *out, backend_done done, void *ctx)
{
    struct job *j = md_job(b, a, out, done, ctx);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct device_standing){.at = AT_UNKNOWN};
    md_keep(j, r, raw_ids, n);
    j->next = standing_there;
    md_need_devices(j);
    job_share_want(j, &((struct md *)b)->deployments_share, MD_TICK_US, false);
}

/* --- telling --- */

static void changed(struct job *j)
{
    ((struct md *)j->home)->deployments_share.changes++;
}

static bool is_open(const struct tell_result *t)
{
    return t->outcome == TELL_NOT_KNOWN;
}

static void set_open(const struct md_work *w, enum tell_outcome outcome, const char *why)
{
    for (size_t i = 0; i < w->n; i++)
        if (is_open(&w->told[i])) {
            w->told[i].outcome = outcome;
            w->told[i].why = why;
        }
}

/* The deployment of the key; among several of that name (somebody's own) the newest. */
static struct md_deployment *deployment_of(const struct job *j, const struct md_work *w)
{
    const struct md *md = (const struct md *)j->home;
    for (size_t i = 0; i < md->n_deployments; i++)
        if (strcmp(md->deployments[i]->name, w->name) == 0)
            return md->deployments[i];
    return NULL;
}

static void on_created(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    const struct md_work *w = md_work(j);
    struct err e = {0};
    (void)i;
    (void)doc;
    changed(j);
    if (!a->err && a->status == 201) {
        set_open(w, TELL_DONE, "");
        return;
    }
    if (a->err)
        e = *a->err;
    else
        md_error(a, http_peer_name(j->home->peer), "POST " MD_V1, false, &e);
    /* 409: one with the same name goes on, of which the list told nothing a moment ago. A 2xx that is no 201 is none
     * that the server is known to give. */
    bool unclear = a->err ? a->maybe_sent : a->status >= 500 || a->status == 409 || a->status < 400;
    j->reply.maybe_sent = unclear;
    if (!unclear)
        set_open(w, a->err ? TELL_NOT_SENT : TELL_REFUSED, arena_strdup(j->arena, e.what));
    else
        set_open(w, TELL_NOT_KNOWN, arena_strdup(j->arena, e.what));
    job_fail(j, &e);
}

static void write_deployment(const struct md_work *w, struct buf *body)
{
    struct json_w out;
    json_w_init(&out, body, 0);
    json_w_obj(&out);
    json_w_kstr(&out, "name", w->name);
    json_w_kstr(&out, "artifact_name", w->release.id);
    json_w_key(&out, "devices");
    json_w_arr(&out);
    for (size_t i = 0; i < w->n; i++)
        if (is_open(&w->told[i]))
            json_w_str(&out, w->ids[i]);
    json_w_arr_end(&out);
    json_w_obj_end(&out);
}

/* The same request makes another deployment once the first has finished: what has this key is looked for first. */
static void tell_there(struct job *j)
{
    const struct md_work *w = md_work(j);
    size_t n = 0;
    j->next = NULL;
    md_found(j);
    const struct md_deployment *d = deployment_of(j, w);
    bool same = d && strcmp(d->artifact, w->release.id) == 0;
    for (size_t i = 0; i < w->n; i++) {
        struct tell_result *t = &w->told[i];
        if (d) {
            bool held = same && md_has_target(d, w->ids[i]);
            t->outcome = held ? TELL_DONE : TELL_REFUSED;
            t->why = held ? "" : "a deployment with this key is there, over other devices";
        } else if (!w->found[i].id && w->whole) {
            *t = (struct tell_result){TELL_REFUSED, "the server has no such device", ""};
        } else {
            t->outcome = TELL_NOT_KNOWN;
            n++;
        }
    }
    if (n == 0) {
        job_idle(j);
        return;
    }
    struct buf body;
    buf_init(&body, JOB_BODY_MAX);
    write_deployment(w, &body);
    changed(j);
    job_send(j, "POST", MD_V1, body.data, 0, PART_VERB | PART_CREATE | PART_ANY_END, on_created, 0);
    buf_release(&body);
}

static bool tell_begin(struct job *j, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                       struct tell_result *out)
{
    struct err e = {0};
    struct md_work *w = md_work(j);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct tell_result){.outcome = TELL_NOT_SENT, .why = "", .undo = ""};
    if (n > MD_TELL_MOST) {
        err_set(&e, ERR_LIMIT, "", "Mender is told of %d devices at a time here", MD_TELL_MOST);
        job_refuse(j, &e);
        return false;
    }
    md_keep(j, r, raw_ids, n);
    w->told = out;
    w->name = arena_printf(&j->scratch, MD_NAME "%s", key);
    return true;
}

void md_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
             struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct job *j = md_job(b, a, out, done, ctx);
    if (!tell_begin(j, r, raw_ids, n, key, out))
        return;
    j->next = tell_there;
    md_need_devices(j);
    job_share_want(j, &((struct md *)b)->deployments_share, 0, false);
}

/* --- taking back --- */

#define ALL ((size_t)-1) /* the deployment, and not one device */

static void on_aborted(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct md_work *w = md_work(j);
    struct err e = {0};
    (void)doc;
    changed(j);
    if (a->err)
        e = *a->err;
    else if (a->status != 204)
        md_error(a, http_peer_name(j->home->peer), i == ALL ? "PUT .../status" : "DELETE .../devices", true, &e);
    /* This server has answered 400 and aborted all the same. */
    bool unclear = a->err ? a->maybe_sent : a->status >= 500 || a->status == 400;
    enum tell_outcome outcome = e.code == ERR_NONE ? TELL_DONE
                                : unclear          ? TELL_NOT_KNOWN
                                : a->err           ? TELL_NOT_SENT
                                                   : TELL_REFUSED;
    const char *why = outcome == TELL_DONE ? "" : arena_strdup(j->arena, e.what);
    if (i == ALL)
        set_open(w, outcome, why);
    else
        w->told[i] = (struct tell_result){outcome, why, ""};
    if (w->err.code == ERR_NONE && !(e.code == ERR_STATE && outcome == TELL_REFUSED)) /* it has finished: no failure */
        w->err = e;
}

static void all_aborted(struct job *j)
{
    const struct md_work *w = md_work(j);
    job_told(j, w->told, w->n, &w->err, 0);
}

static bool is_named(const struct md_work *w, const char *device)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->ids[i], device) == 0)
            return true;
    return false;
}

/* Would its abort take it from nobody but the named? */
static bool holds_only_these(const struct md_deployment *d, const struct md_work *w)
{
    for (size_t i = 0; i < d->n_targets; i++)
        if (md_alive(d, d->targets[i]) && !is_named(w, d->targets[i]))
            return false;
    return true;
}

static bool has_another(const struct md *md, const struct md_deployment *d, const char *device)
{
    for (size_t i = 0; i < md->n_deployments; i++)
        if (md->deployments[i] != d && md_alive(md->deployments[i], device))
            return true;
    return false;
}

/* Those of whom nothing is left to take back have their answer; how many others? */
static size_t sort_out(const struct md_deployment *d, const struct md_work *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++) {
        struct tell_result *t = &w->told[i];
        const struct md_row *row = md_row_of(d, w->ids[i]);
        bool held = md_has_target(d, w->ids[i]);
        if (held && md_alive(d, w->ids[i])) {
            t->outcome = TELL_NOT_KNOWN;
            n++;
        } else if (held && (!row || row->status == MD_ABORTED)) {
            t->outcome = TELL_DONE; /* aborted before */
        } else {
            t->outcome = TELL_REFUSED;
            t->why = held ? "it has ended" : "it is not in the deployment of this key";
        }
    }
    return n;
}

/* One by one: the server then takes all that it has from the device, so only where that is nothing else. */
static void abort_each(struct job *j, const struct md_deployment *d)
{
    struct md_work *w = md_work(j);
    size_t sent = 0;
    for (size_t i = 0; i < w->n; i++) {
        struct tell_result *t = &w->told[i];
        if (!is_open(t))
            continue;
        if (has_another((const struct md *)j->home, d, w->ids[i])) {
            t->outcome = TELL_REFUSED;
            t->why = "the server would take another deployment from this device too";
        } else if (sent == REPLY_REQUESTS) {
            t->outcome = TELL_NOT_SENT;
            t->why = "too many for one call: ask again"; /* no error, which would hide one of the server's */
        } else {
            sent++;
            job_send(j, "DELETE", job_path(j, MD_V1 "/devices/%s", job_escape(j, w->ids[i])), NULL, HTTP_URGENT,
                     PART_VERB | PART_ANY_END, on_aborted, i);
        }
    }
    if (sent)
        changed(j);
    else
        job_idle(j);
}

static void recall_there(struct job *j)
{
    struct md_work *w = md_work(j);
    const struct md_deployment *d = deployment_of(j, w);
    j->next = all_aborted;
    if (!d || strcmp(d->artifact, w->release.id) != 0) { /* a request that was lost may still make it */
        for (size_t i = 0; i < w->n; i++)
            w->told[i] = (struct tell_result){TELL_NOT_KNOWN, "the server has no deployment of this key", ""};
        job_idle(j);
    } else if (sort_out(d, w) == 0) {
        job_idle(j);
    } else if (holds_only_these(d, w)) {
        changed(j);
        /* Never another word: the server refuses it, and aborts. */
        job_send(j, "PUT", job_path(j, MD_V1 "/%s/status", d->id), "{\"status\":\"aborted\"}", HTTP_URGENT,
                 PART_VERB | PART_ANY_END, on_aborted, ALL);
    } else {
        abort_each(j, d);
    }
}

void md_recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
               const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
               void *ctx)
{
    struct job *j = md_job(b, a, out, done, ctx);
    (void)undo;  /* the key says all */
    (void)force; /* an abort always cuts off what has begun */
    if (!tell_begin(j, r, raw_ids, n, key, out))
        return;
    j->next = recall_there;
    job_share_want(j, &((struct md *)b)->deployments_share, MD_TICK_US, false);
}
