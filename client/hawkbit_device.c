/* Releases, and one device with its history. */
#include "client/hawkbit_impl.h"

#include <stdlib.h>
#include <string.h>
#include "core/text.h"

#define ALIKE_MAX ((size_t)10 * HB_PAGE) /* releases that a filter with wildcards finds */

/* --- releases --- */

static bool release_item(struct job *j, const struct json_t *o, void *element, const char *where, struct err *e)
{
    return hb_decode_release(o, j->arena, element, where, e);
}

static void releases_end(struct job *j, void *elements, size_t n, int64_t total)
{
    struct release_list *out = j->out;
    (void)total;
    *out = (struct release_list){.v = elements, .n = n};
}

void hb_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                 void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    *out = (struct release_list){0};
    job_pages(j, "/rest/v1/distributionsets?sort=id:DESC", limit, sizeof(struct release), release_item, releases_end);
}

static void on_release(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct err e = {0};
    (void)i;
    (void)a;
    if (!hb_decode_release(doc, j->arena, j->out, "answer of GET distributionset", &e))
        job_fail(j, &e);
}

/* One that is like the wanted one. */
struct alike {
    struct release r;
    bool usable;
};

static bool alike_item(struct job *j, const struct json_t *o, void *element, const char *where, struct err *e)
{
    struct alike *x = element;
    bool complete = true, valid = true;
    json_bool(o, "complete", &complete);
    json_bool(o, "valid", &valid);
    x->usable = complete && valid;
    return hb_decode_release(o, j->arena, &x->r, where, e);
}

/* The server compares without case and with wildcards; the caller means exactly this release. "Not there" is said only
 * when all that could be it were seen. */
static void release_found(struct job *j, void *elements, size_t n, int64_t total)
{
    struct alike *v = elements, *found = NULL;
    struct release *wanted = j->out;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].r.name, wanted->name) != 0 || strcmp(v[i].r.version, wanted->version) != 0)
            continue;
        if (found && strcmp(found->r.id, v[i].r.id) != 0) { /* two that differ in what safe text does not show */
            job_failf(j, ERR_RANGE, "rename one of them on the server", "two releases are shown as %.100s:%.100s",
                      wanted->name, wanted->version);
            return;
        }
        found = &v[i];
    }
    if (!found && total > (int64_t)n)
        job_failf(j, ERR_LIMIT, "rename the release on the server, without *, \\ and invisible characters",
                  "too many releases are like %.100s:%.100s to look through all", wanted->name, wanted->version);
    else if (!found)
        job_failf(j, ERR_NOT_FOUND, "check name and version, as in \"name:version\"",
                  "the release %.100s:%.100s is not on the server", wanted->name, wanted->version);
    else if (!found->usable)
        job_failf(j, ERR_STATE, "choose a release that is complete and not invalidated",
                  "the release %.100s:%.100s is incomplete or invalidated: no device can be given it", wanted->name,
                  wanted->version);
    else
        *wanted = found->r;
}

void hb_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                struct release *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct err e = {0};
    struct buf q;
    *out = (struct release){.id = "", .name = "", .version = ""};
    if (id) {
        if (hb_id_ok(id, "release", &e))
            job_get(j, job_path(j, "/rest/v1/distributionsets/%s", id), on_release, 0);
        else
            job_refuse(j, &e);
        return;
    }
    out->name = arena_strdup(a, name);
    out->version = arena_strdup(a, version);
    buf_init(&q, 1200);
    buf_adds(&q, "name==");
    bool ok = hb_rsql_pattern(&q, name, &e);
    buf_adds(&q, ";version==");
    ok = ok && hb_rsql_pattern(&q, version, &e);
    if (ok)
        job_pages(j, job_path(j, "/rest/v1/distributionsets?sort=id:DESC&q=%s", job_escape(j, q.data)), ALIKE_MAX,
                  sizeof(struct alike), alike_item, release_found);
    else
        job_refuse(j, &e);
    buf_release(&q);
}

/* --- one device --- */

#define ACTIONS_MAX    20
#define HISTORY_OF     3  /* of so many of the newest actions */
#define HISTORY_MAX    50 /* entries of each */
#define ATTRIBUTES_MAX 200

struct history_entry {
    int64_t t;
    const char *type, *text;
    int64_t id;
};

struct device_state {
    struct history_entry history[HISTORY_OF * HISTORY_MAX];
    size_t n_history;
};

enum device_part { DP_TARGET, DP_ASSIGNED, DP_INSTALLED, DP_ATTRIBUTES, DP_ACTIONS };

static void read_attributes(struct job *j, struct device_info *out, const struct json_t *doc)
{
    size_t n = 0;
    void *it = NULL;
    const char *key;
    const struct json_t *val;
    out->attributes = arena_array(j->arena, ATTRIBUTES_MAX, sizeof *out->attributes);
    while (n < ATTRIBUTES_MAX && json_each(doc, &it, &key, &val)) {
        size_t len;
        const char *s = json_str_value(val, &len);
        if (!s)
            continue;
        out->attributes[n][0] = safe_text(j->arena, key, strlen(key), 128);
        out->attributes[n][1] = safe_text(j->arena, s, len, NAME_MAX_BYTES);
        n++;
    }
    out->n_attributes = n;
}

static bool read_actions(struct job *j, struct device_info *out, const struct json_t *doc, struct err *e)
{
    const struct json_t *content = json_get(doc, "content");
    size_t n = json_len(content);
    n = n < ACTIONS_MAX ? n : ACTIONS_MAX;
    out->actions = ARENA_ARRAY(j->arena, struct device_action, n ? n : 1);
    for (size_t i = 0; i < n; i++)
        if (!hb_decode_action(json_at(content, i), j->arena, &out->actions[i], "answer of GET actions: content", e))
            return false;
    out->n_actions = n;
    return true;
}

static void on_device(struct job *j, size_t part, const struct http_answer *a, const struct json_t *doc)
{
    struct device_info *out = j->out;
    struct err e = {0};
    bool ok = true;
    (void)a;
    switch ((enum device_part)part) {
    case DP_TARGET:
        ok = hb_decode_device(doc, j->arena, &out->device, "answer of GET target", &e);
        break;
    case DP_ASSIGNED: /* no body: none assigned */
        ok = !doc || hb_decode_release(doc, j->arena, &out->assigned, "answer of GET assignedDS", &e);
        break;
    case DP_INSTALLED:
        ok = !doc || hb_decode_release(doc, j->arena, &out->installed, "answer of GET installedDS", &e);
        break;
    case DP_ATTRIBUTES:
        read_attributes(j, out, doc);
        break;
    case DP_ACTIONS:
        ok = read_actions(j, out, doc, &e);
        break;
    }
    if (!ok)
        job_fail(j, &e);
}

static void on_history(struct job *j, size_t action, const struct http_answer *a, const struct json_t *doc)
{
    struct device_state *st = j->state;
    const struct json_t *content = json_get(doc, "content");
    (void)a;
    (void)action;
    for (size_t i = 0; i < json_len(content) && i < HISTORY_MAX; i++) {
        const struct json_t *o = json_at(content, i);
        struct history_entry *h = &st->history[st->n_history];
        int64_t id = 0;
        size_t len;
        json_int(o, "id", &id);
        /* `timestamp` is the device's own (1.x), `reportedAt` the server's. */
        h->t = hb_time(o, "reportedAt");
        h->type = hb_text(o, "type", j->arena, 40);
        const char *s = json_str_value(json_at(json_get(o, "messages"), 0), &len);
        h->text = s ? safe_text(j->arena, s, len, NAME_MAX_BYTES) : "";
        h->id = id;
        st->n_history++;
    }
}

/* The release of an action is only in its detail. */
static void on_action(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct device_info *out = j->out;
    struct device_action d;
    (void)a;
    if (doc && hb_decode_action(doc, j->arena, &d, "answer of GET action", NULL) && d.release[0])
        out->actions[i].release = d.release;
}

static int newer_first(const void *pa, const void *pb)
{
    const struct history_entry *a = pa, *b = pb;
    if (a->t != b->t)
        return a->t < b->t ? 1 : -1;
    return a->id < b->id ? 1 : a->id > b->id ? -1 : 0;
}

static void device_done(struct job *j)
{
    struct device_info *out = j->out;
    struct device_state *st = j->state;
    qsort(st->history, st->n_history, sizeof *st->history, newer_first);
    out->history = arena_array(j->arena, st->n_history ? st->n_history : 1, sizeof *out->history);
    for (size_t i = 0; i < st->n_history; i++) {
        out->history[i].t = st->history[i].t;
        out->history[i].type = st->history[i].type;
        out->history[i].text = st->history[i].text;
    }
    out->n_history = st->n_history;
}

static void device_actions(struct job *j)
{
    struct device_info *out = j->out;
    j->next = device_done;
    for (size_t i = 0; i < out->n_actions && i < HISTORY_OF; i++) {
        const char *id = out->actions[i].id;
        job_get(j,
                job_path(j, "/rest/v1/targets/%s/actions/%s/status?sort=id:DESC&limit=%d", j->subject, id, HISTORY_MAX),
                on_history, i);
        job_get(j, job_path(j, "/rest/v1/targets/%s/actions/%s", j->subject, id), on_action, i);
    }
    if (!j->parts)
        device_done(j);
}

void hb_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
               void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct err e = {0};
    *out = (struct device_info){.installed = {.id = "", .name = "", .version = ""},
                                .assigned = {.id = "", .name = "", .version = ""}};
    if (!hb_device_ok(raw_id, &e)) {
        job_refuse(j, &e);
        return;
    }
    const char *id = j->subject = job_escape(j, raw_id);
    j->state = ARENA_NEW(&j->scratch, struct device_state);
    j->next = device_actions;
    job_get(j, job_path(j, "/rest/v1/targets/%s", id), on_device, DP_TARGET);
    job_get(j, job_path(j, "/rest/v1/targets/%s/assignedDS", id), on_device, DP_ASSIGNED);
    job_get(j, job_path(j, "/rest/v1/targets/%s/installedDS", id), on_device, DP_INSTALLED);
    job_get(j, job_path(j, "/rest/v1/targets/%s/attributes", id), on_device, DP_ATTRIBUTES);
    job_get(j, job_path(j, "/rest/v1/targets/%s/actions?limit=%d&sort=id:DESC", id, ACTIONS_MAX), on_device,
            DP_ACTIONS);
}
