/* Where devices stand, telling them (a pin for each) and taking it back (the pin that it had before, or none). The
 * server answers 200 to a pin that it will never act on, of an older release, and of a device that is not there: so
 * each device is looked at before, and what could not work is never sent. */
#include <string.h>
#include "client/openmv_impl.h"
#include "core/text.h"

/* --- standing --- */

static void on_events(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct device_standing *out = j->out;
    (void)a;
    if (om_fell_after_pin(json_get(doc, "events"), om_work(j)->rel[0].release.id))
        out[i].at = AT_FAILED;
}

static void standing_there(struct job *j)
{
    const struct om_work *w = om_work(j);
    struct device_standing *out = j->out;
    size_t fallen = 0;
    j->next = NULL;
    for (size_t i = 0; i < w->n; i++) {
        const struct om_device *d = om_list_find(om_list_of(j), w->ids[i]);
        bool fell = false;
        if (!d) {
            out[i].at = om_list_of(j)->whole ? AT_ABSENT : AT_UNKNOWN;
            continue;
        }
        out[i].at = om_standing_of(d, &w->rel[0], &fell);
        out[i].last_seen = d->last_seen;
        if (fell && fallen++ < OM_FELL_MOST)
            job_get(j, job_path(j, OM_BASE "/audit?newest=true&limit=100&entity_id=%s", job_escape(j, d->id)),
                    on_events, i);
    }
}

void om_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                 struct device_standing *out, backend_done done, void *ctx)
{
    struct job *j = om_job(b, a, out, done, ctx);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct device_standing){.at = AT_UNKNOWN};
    om_keep_ids(j, raw_ids, n);
    if (!om_id_ok(r->id)) {
        om_need_release(j, r, 0); /* refuses */
        return;
    }
    j->next = standing_there;
    om_need_release(j, r, 0);
    om_need_list(j);
}

/* --- what is common to telling and taking back --- */

static bool not_there(struct job *j, int status)
{
    (void)j;
    return status == 404;
}

static void on_found(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct om_list *l = om_list_new();
    struct om_device d;
    struct err e = {0};
    struct om_device *out = &om_work(j)->found[i];
    (void)a;
    if (om_decode_device(doc, l, &d, "answer of GET devices", &e)) {
        *out = d;
        out->id = om_work(j)->ids[i];
        out->product = arena_strdup(&j->scratch, d.product);
        out->offered = arena_strdup(&j->scratch, d.offered);
        out->pinned = arena_strdup(&j->scratch, d.pinned);
    } else {
        job_fail(j, &e);
    }
    om_list_free(l);
}

/* Begins with a look at each of the devices. */
static struct job *look(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n,
                        unsigned http_flags, struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct job *j = om_job(b, a, out, done, ctx);
    struct om_work *w = om_work(j);
    struct err e = {0};
    for (size_t i = 0; i < n; i++)
        out[i] = (struct tell_result){.outcome = TELL_NOT_SENT, .why = "", .undo = ""};
    if (n > OM_TELL_MOST || !om_id_ok(r->id)) {
        if (n > OM_TELL_MOST)
            err_set(&e, ERR_LIMIT, "", "an OpenMV server is told of %d devices at a time", OM_TELL_MOST);
        else
            err_set(&e, ERR_NOT_FOUND, "see `andon get releases`", "this is no id of an OpenMV release");
        job_refuse(j, &e);
        return NULL;
    }
    om_keep_ids(j, raw_ids, n);
    w->want.id = arena_strdup(&j->scratch, r->id);
    w->told = out;
    w->found = ARENA_ARRAY(&j->scratch, struct om_device, n + 1);
    j->forgive = not_there;
    for (size_t i = 0; i < n; i++)
        job_send(j, "GET", job_path(j, OM_BASE "/devices/%s", job_escape(j, w->ids[i])), NULL, HTTP_SAFE | http_flags,
                 0, on_found, i);
    if (n == 0)
        job_idle(j);
    return j;
}

static void on_pinned(struct job *j, size_t i, const struct http_answer *a, const struct json_t *none)
{
    struct om_work *w = om_work(j);
    struct tell_result *t = &w->told[i];
    struct err e = {0};
    (void)none;
    ((struct om *)j->home)->share.changes++;
    if (!a->err && a->status == 200) {
        t->outcome = TELL_DONE;
        return;
    }
    if (a->err)
        e = *a->err;
    else
        om_error(a, http_peer_name(j->home->peer), "PATCH " OM_BASE "/devices/…/pin", false, &e);
    bool unclear = a->err && a->status == 0 ? a->maybe_sent : a->status >= 500 || a->status < 400;
    t->outcome = unclear ? TELL_NOT_KNOWN : a->err ? TELL_NOT_SENT : TELL_REFUSED;
    t->why = arena_strdup(j->arena, e.what);
    if (w->err.code == ERR_NONE) {
        w->err = e;
        w->status = a->status;
    }
}

/* All requests have ended, each with its own outcome. */
static void all_pinned(struct job *j)
{
    const struct om_work *w = om_work(j);
    job_told(j, w->told, w->n, &w->err, w->status);
}

static void pin(struct job *j, size_t i, const char *release_id, unsigned http_flags)
{
    struct om_work *w = om_work(j);
    const char *body =
        om_id_ok(release_id) ? job_path(j, "{\"release_id\":\"%s\"}", release_id) : "{\"release_id\":null}";
    w->told[i].outcome = TELL_NOT_KNOWN;
    ((struct om *)j->home)->share.changes++;
    job_send(j, "PATCH", job_path(j, OM_BASE "/devices/%s/pin", job_escape(j, w->ids[i])), body, http_flags,
             PART_VERB | PART_ANY_END, on_pinned, i);
}

static void refuse(struct job *j, size_t i, const char *why)
{
    om_work(j)->told[i].outcome = TELL_REFUSED;
    om_work(j)->told[i].why = why;
}

/* --- telling --- */

static void tell_there(struct job *j)
{
    struct om_work *w = om_work(j);
    const struct om_release *r = &w->rel[0];
    size_t sent = 0;
    j->next = all_pinned;
    if (!r->product) {
        job_failf(j, ERR_NOT_FOUND, "see `andon get releases`", "the release %.64s is not on the server", w->want.id);
        return;
    }
    for (size_t i = 0; i < w->n; i++) {
        const struct om_device *d = &w->found[i];
        if (!d->id) {
            refuse(j, i, "the server has no such device, or does not show it to this token");
        } else if (strcmp(d->product, r->product) != 0) {
            refuse(j, i, "the release is made for another product");
        } else if (d->payload > r->payload) {
            refuse(j, i,
                   arena_printf(j->arena, "this server takes no older release; choose one whose payload is above %lld",
                                (long long)d->payload));
        } else {
            if (om_id_ok(d->pinned) && strcmp(d->pinned, r->release.id) != 0)
                w->told[i].undo = arena_printf(j->arena, "pin:%s", d->pinned);
            pin(j, i, r->release.id, 0);
            sent++;
        }
    }
    if (!sent)
        job_idle(j);
}

void om_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
             struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct job *j = look(b, r, raw_ids, n, 0, a, out, done, ctx);
    (void)key; /* there is no place for it; the same pin again has the same effect */
    if (!j)
        return;
    j->next = tell_there;
    om_need_release(j, r, 0);
}

/* --- taking back --- */

static void recall_there(struct job *j)
{
    struct om_work *w = om_work(j);
    size_t sent = 0;
    j->next = all_pinned;
    for (size_t i = 0; i < w->n; i++) {
        const char *undo = w->undo[i];
        if (!w->found[i].id) {
            refuse(j, i, "the server has no such device, or does not show it to this token");
        } else if (strcmp(w->found[i].pinned, w->want.id) != 0) {
            w->told[i].outcome = TELL_DONE; /* taken back already, or another release is its own now */
        } else {
            pin(j, i, strncmp(undo, "pin:", 4) == 0 ? undo + 4 : "", HTTP_URGENT);
            sent++;
        }
    }
    if (!sent)
        job_idle(j);
}

void om_recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
               const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
               void *ctx)
{
    (void)key;
    if (force) {
        struct err e = {0};
        struct job *no = om_job(b, a, out, done, ctx);
        for (size_t i = 0; i < n; i++)
            out[i] = (struct tell_result){.outcome = TELL_NOT_SENT, .why = "", .undo = ""};
        err_set(&e, ERR_UNSUPPORTED, "", "an OpenMV server can't cut off what devices have begun");
        job_refuse(no, &e);
        return;
    }
    struct job *j = look(b, r, raw_ids, n, HTTP_URGENT, a, out, done, ctx);
    if (!j)
        return;
    const char **copy = ARENA_ARRAY(&j->scratch, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = undo && undo[i] ? arena_strdup(&j->scratch, undo[i]) : "";
    om_work(j)->undo = copy;
    j->next = recall_there;
}
