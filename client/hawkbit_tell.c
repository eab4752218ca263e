/* Devices by name: where they stand with a release, telling them, taking it back.
 *
 * A list of devices shows neither release, but can be asked for by either: so where devices stand takes two lists of
 * the named ones (installed, assigned), and a third of those that are in neither. An update that failed leaves nothing
 * assigned; whose it was stands in the device's newest action only. */
#include "client/hawkbit_impl.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 250                   /* names in one list: as many again may differ from them in capitals only */
#define NAMES_MAX (JOB_PATH_MAX - 1200) /* bytes of them, percent-encoded */
#define ACTIONS   10                    /* newest actions of a device in which the one to take back is looked for */

/* --- standing --- */

enum list { INSTALLED, ASSIGNED, THERE };

struct standing {
    const char **ids;
    size_t *order; /* places in ids, by id */
    size_t n;
    struct release r;
    struct device_standing *out;
    bool *shown; /* some list has shown the device */
};

static int by_id(const void *a, const void *b, void *arg)
{
    const struct standing *s = arg;
    return strcmp(s->ids[*(const size_t *)a], s->ids[*(const size_t *)b]);
}

/* The first place in `order` that is not before the id: the same one may be asked for twice. */
static size_t first_of(const struct standing *s, const char *id)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(s->ids[s->order[mid]], id) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void take(struct device_standing *o, enum list list, const struct device *d)
{
    o->last_seen = d->last_seen;
    if (list == INSTALLED) {
        o->at = AT_INSTALLED;
        o->ended_at = d->installed_at;
    } else if (list == ASSIGNED && o->at != AT_INSTALLED) {
        o->at = d->status == DEVICE_ERROR ? AT_FAILED : AT_TOLD;
    } else if (list == THERE) {
        o->at = d->status == DEVICE_ERROR ? AT_UNKNOWN : AT_OTHER; /* whose error it was is asked for yet */
    }
}

static void on_list(struct job *j, size_t list, const struct http_answer *a, const struct json_t *doc)
{
    struct standing *s = j->state;
    const struct json_t *content = json_get(doc, "content");
    int64_t total = 0;
    struct err e = {0};
    (void)a;
    if (!json_is_arr(content) || !json_int(doc, "total", &total) || total > (int64_t)json_len(content)) {
        job_failf(j, ERR_PROTOCOL, "", "answer of GET /rest/v1/targets: not the whole list of the named devices");
        return;
    }
    for (size_t i = 0; i < json_len(content); i++) {
        struct device d;
        if (!hb_decode_device(json_at(content, i), &j->scratch, &d, "answer of GET /rest/v1/targets", &e)) {
            job_fail(j, &e);
            return;
        }
        for (size_t k = first_of(s, d.raw_id); k < s->n && strcmp(s->ids[s->order[k]], d.raw_id) == 0; k++) {
            take(&s->out[s->order[k]], (enum list)list, &d);
            s->shown[s->order[k]] = true;
        }
    }
}

static void ask_list(struct job *j, const struct standing *s, const char *const *ids, size_t n, enum list list)
{
    struct buf text, all;
    struct err e = {0};
    const struct device_filter by = {.installed = list == INSTALLED ? &s->r : NULL,
                                     .assigned = list == ASSIGNED ? &s->r : NULL};
    buf_init(&text, JOB_PATH_MAX);
    buf_init(&all, 2 * JOB_PATH_MAX);
    if (hb_rsql_filter(&text, &by, &e)) {
        buf_printf(&all, "%s%s", text.data, text.len ? ";" : "");
        hb_rsql_ids(&all, "=in=", ids, n);
        job_get(j, job_path(j, "/rest/v1/targets?sort=id:ASC&limit=%d&q=%s", HB_PAGE, job_escape(j, all.data)), on_list,
                list);
    } else {
        job_fail(j, &e);
    }
    buf_release(&text);
    buf_release(&all);
}

/* Lists of those whose standing is not known yet, as many names in each as a path takes. */
static void ask_lists(struct job *j, enum list first, enum list last)
{
    struct standing *s = j->state;
    const char **batch = ARENA_ARRAY(&j->scratch, const char *, BATCH_MAX);
    size_t n = 0, bytes = 0;
    for (size_t i = 0; i <= s->n; i++) {
        bool named = i < s->n && s->out[i].at == AT_UNKNOWN && hb_rsql_nameable(s->ids[i]);
        size_t len = named ? 3 * strlen(s->ids[i]) + 9 : 0;
        if (n > 0 && (i == s->n || n == BATCH_MAX || bytes + len > NAMES_MAX)) {
            for (enum list l = first; l <= last; l++)
                ask_list(j, s, batch, n, l);
            n = bytes = 0;
        }
        if (named) {
            batch[n++] = s->ids[i];
            bytes += len;
        }
    }
}

static bool its_release(const struct json_t *action, const char *id)
{
    const char *href = json_str(json_get(json_get(action, "_links"), "distributionset"), "href", NULL);
    const char *at = href ? strstr(href, "/distributionsets/") : NULL;
    size_t n = strlen(id);
    return at && strncmp(at + 18, id, n) == 0 && (at[18 + n] == '\0' || strchr("/?", at[18 + n]));
}

static void on_newest(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct standing *s = j->state;
    (void)a;
    s->out[i].at = its_release(doc, s->r.id) ? AT_FAILED : AT_OTHER;
}

static void on_actions(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct standing *s = j->state;
    const struct json_t *newest = json_at(json_get(doc, "content"), 0);
    int64_t id;
    (void)a;
    if (json_int(newest, "id", &id) && id > 0)
        job_get(j, job_path(j, "/rest/v1/targets/%s/actions/%lld", job_escape(j, s->ids[i]), (long long)id), on_newest,
                i);
    else
        s->out[i].at = AT_OTHER;
}

static void there(struct job *j)
{
    struct standing *s = j->state;
    struct err e;
    for (size_t i = 0; i < s->n; i++) {
        struct device_standing *o = &s->out[i];
        if (o->at != AT_UNKNOWN || !hb_rsql_nameable(s->ids[i]))
            continue;
        if (!s->shown[i])
            o->at = AT_ABSENT;
        else if (hb_device_ok(s->ids[i], &e))
            job_get(j, job_path(j, "/rest/v1/targets/%s/actions?limit=1&sort=id:DESC", job_escape(j, s->ids[i])),
                    on_actions, i);
    }
}

static void in_neither(struct job *j)
{
    j->next = there;
    ask_lists(j, THERE, THERE);
}

void hb_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                 struct device_standing *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct standing *s = ARENA_NEW(&j->scratch, struct standing);
    memset(out, 0, n * sizeof *out);
    *s = (struct standing){.ids = ARENA_ARRAY(&j->scratch, const char *, n + 1),
                           .order = ARENA_ARRAY(&j->scratch, size_t, n + 1),
                           .n = n,
                           .out = out,
                           .shown = ARENA_ARRAY(&j->scratch, bool, n + 1)};
    s->r = (struct release){.id = arena_strdup(&j->scratch, r->id),
                            .name = arena_strdup(&j->scratch, r->name),
                            .version = arena_strdup(&j->scratch, r->version)};
    for (size_t i = 0; i < n; i++) {
        s->ids[i] = arena_strdup(&j->scratch, raw_ids[i]);
        s->order[i] = i;
    }
    qsort_r(s->order, n, sizeof *s->order, by_id, s);
    j->state = s;
    j->next = in_neither;
    ask_lists(j, INSTALLED, ASSIGNED);
    if (!j->parts)
        job_idle(j);
}

/* --- telling --- */

/* What became of each device of a call that changes something. */
struct telling {
    backend_done done; /* the caller's */
    void *ctx;
    struct arena *arena;
    const char **ids;
    size_t n;
    struct tell_result *out;
    char release[24];
    bool force;
};

/* The caller's *out holds the outcomes when the call as a whole has failed, too. */
static void told(void *ctx, const struct reply *r)
{
    struct telling *t = ctx;
    enum tell_outcome then = r->maybe_sent || (r->n_requests > 0 && (r->status < 400 || r->status > 499))
                                 ? TELL_NOT_KNOWN
                             : r->n_requests > 0 ? TELL_REFUSED
                                                 : TELL_NOT_SENT;
    for (size_t i = 0; i < t->n; i++) {
        if (r->err && t->out[i].outcome == TELL_NOT_KNOWN)
            t->out[i] = (struct tell_result){then, arena_strdup(t->arena, r->err->what), ""};
        if (!t->out[i].why)
            t->out[i].why = "";
        if (!t->out[i].undo)
            t->out[i].undo = "";
    }
    t->done(t->ctx, r);
}

static struct job *telling_new(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n,
                               struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, told, NULL);
    struct telling *t = ARENA_NEW(&j->scratch, struct telling);
    struct err e = {0};
    *t = (struct telling){
        .done = done, .ctx = ctx, .arena = a, .ids = ARENA_ARRAY(&j->scratch, const char *, n + 1), .n = n, .out = out};
    j->ctx = j->state = t;
    for (size_t i = 0; i < n; i++) {
        out[i] = (struct tell_result){TELL_NOT_KNOWN, "", ""};
        t->ids[i] = arena_strdup(&j->scratch, raw_ids[i]);
        if (!hb_device_ok(raw_ids[i], &e) || !hb_rsql_nameable(raw_ids[i]))
            out[i] = (struct tell_result){TELL_NOT_SENT, "its id cannot be written into a request", ""};
    }
    if (hb_id_ok(r->id, "release", &e))
        memcpy(t->release, r->id, strlen(r->id) + 1); /* at most 19 digits */
    else
        job_fail(j, &e);
    return j;
}

/* The device that a link names: ".../targets/ID/actions/N", percent-encoded or not. */
static bool link_names(const char *href, const char *raw_id, const char *escaped)
{
    const char *at = href ? strstr(href, "/targets/") : NULL, *end = at ? strstr(at, "/actions/") : NULL;
    if (!end)
        return false;
    at += 9;
    size_t n = (size_t)(end - at);
    return (strlen(raw_id) == n && memcmp(raw_id, at, n) == 0) || (strlen(escaped) == n && memcmp(escaped, at, n) == 0);
}

static void on_told(struct job *j, size_t index, const struct http_answer *a, const struct json_t *doc)
{
    struct telling *t = j->state;
    const struct json_t *actions = json_get(doc, "assignedActions");
    int64_t assigned = 0, already = 0, sent = 0;
    (void)index;
    (void)a;
    json_int(doc, "assigned", &assigned);
    json_int(doc, "alreadyAssigned", &already);
    for (size_t i = 0; i < t->n; i++)
        sent += t->out[i].outcome == TELL_NOT_KNOWN;
    bool all = assigned + already == sent;
    for (size_t k = 0, i = 0; k < json_len(actions); k++) { /* mostly in the order that was asked for */
        const struct json_t *o = json_at(actions, k);
        const char *href = json_str(json_get(json_get(o, "_links"), "self"), "href", NULL);
        int64_t id;
        if (!json_int(o, "id", &id) || id <= 0)
            continue;
        for (size_t tries = 0; tries < t->n; tries++, i = (i + 1) % t->n)
            if (t->out[i].outcome == TELL_NOT_KNOWN && link_names(href, t->ids[i], job_escape(j, t->ids[i]))) {
                t->out[i] = (struct tell_result){TELL_DONE, "", arena_printf(t->arena, "%lld", (long long)id)};
                break;
            }
    }
    for (size_t i = 0; i < t->n; i++)
        if (t->out[i].outcome == TELL_NOT_KNOWN)
            t->out[i] = all ? (struct tell_result){TELL_DONE, "it was told before", ""}
                            : (struct tell_result){TELL_NOT_KNOWN, "the server passed over some of the devices", ""};
}

void hb_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
             struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct job *j = telling_new(b, r, raw_ids, n, a, out, done, ctx);
    struct telling *t = j->state;
    struct buf body;
    struct json_w w;
    size_t sent = 0;
    (void)key; /* the server has no place for it: the same twice is found as already assigned */
    buf_init(&body, HB_BODY_MAX);
    json_w_init(&w, &body, 0);
    json_w_arr(&w);
    for (size_t i = 0; i < n; i++) {
        if (out[i].outcome == TELL_NOT_SENT)
            continue;
        json_w_obj(&w);
        json_w_kstr(&w, "id", t->ids[i]);
        json_w_kstr(&w, "type", "forced");
        json_w_obj_end(&w);
        sent++;
    }
    json_w_arr_end(&w);
    if (sent > 0)
        job_send(j, "POST", job_path(j, "/rest/v1/distributionsets/%s/assignedTargets", t->release), body.data, 0,
                 PART_VERB, on_told, 0);
    else
        job_idle(j);
    buf_release(&body);
}

/* --- taking back --- */

static void send_cancel(struct job *j, size_t i, bool force);

static void recalled(struct job *j, size_t i, const struct http_answer *a, bool forced)
{
    struct telling *t = j->state;
    struct err e = {0};
    bool done = a->status >= 200 && a->status <= 299;
    if (!done)
        hb_error(a, http_peer_name(j->home->peer), "DELETE action", true, &e);
    if (!forced && (done || a->status == 405) && t->force) { /* 405: it is being recalled already */
        send_cancel(j, i, true);
        return;
    }
    if (done || (a->status == 405 && !forced))
        t->out[i].outcome = TELL_DONE;
    else if (a->status >= 500 || e.code == ERR_THROTTLED)
        job_fail(j, &e);
    else
        t->out[i] = (struct tell_result){TELL_REFUSED, arena_strdup(t->arena, e.what), ""};
}

static void on_cancel(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    (void)doc;
    recalled(j, i, a, false);
}

static void on_force(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    (void)doc;
    recalled(j, i, a, true);
}

static void send_cancel(struct job *j, size_t i, bool force)
{
    struct telling *t = j->state;
    job_send(j, "DELETE",
             job_path(j, "/rest/v1/targets/%s/actions/%s%s", job_escape(j, t->ids[i]), t->out[i].undo,
                      force ? "?force=true" : ""),
             NULL, HTTP_URGENT, PART_VERB | PART_ANY_STATUS, force ? on_force : on_cancel, i);
}

static void on_found(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct telling *t = j->state;
    int64_t id;
    (void)a;
    if (t->out[i].undo[0] || !its_release(doc, t->release) || !json_int(doc, "id", &id) || id <= 0)
        return;
    t->out[i].undo = arena_printf(t->arena, "%lld", (long long)id);
    send_cancel(j, i, false);
}

static void on_alive(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct telling *t = j->state;
    const struct json_t *content = json_get(doc, "content");
    struct device_action d;
    bool any = false;
    (void)a;
    for (size_t k = 0; k < json_len(content); k++) {
        if (!hb_decode_action(json_at(content, k), &j->scratch, &d, "answer of GET actions", NULL) || !d.active ||
            !hb_id_ok(d.id, "action", &(struct err){0}))
            continue;
        job_get(j, job_path(j, "/rest/v1/targets/%s/actions/%s", job_escape(j, t->ids[i]), d.id), on_found, i);
        any = true;
    }
    if (!any)
        t->out[i] = (struct tell_result){TELL_REFUSED, "nothing of this release is under way on it", ""};
}

static void none_found(struct job *j)
{
    struct telling *t = j->state;
    for (size_t i = 0; i < t->n; i++)
        if (t->out[i].outcome == TELL_NOT_KNOWN && !t->out[i].undo[0])
            t->out[i] = (struct tell_result){TELL_REFUSED, "nothing of this release is under way on it", ""};
}

void hb_recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
               const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
               void *ctx)
{
    struct job *j = telling_new(b, r, raw_ids, n, a, out, done, ctx);
    struct telling *t = j->state;
    (void)key;
    t->force = force;
    j->next = none_found;
    for (size_t i = 0; i < n; i++) {
        if (out[i].outcome == TELL_NOT_SENT)
            continue;
        if (undo && undo[i] && hb_id_ok(undo[i], "action", &(struct err){0})) {
            out[i].undo = arena_strdup(a, undo[i]);
            send_cancel(j, i, false);
        } else {
            job_send(
                j, "GET",
                job_path(j, "/rest/v1/targets/%s/actions?limit=%d&sort=id:DESC", job_escape(j, t->ids[i]), ACTIONS),
                NULL, HTTP_SAFE | HTTP_URGENT, 0, on_alive, i);
        }
    }
    if (!j->parts)
        job_idle(j);
}
