/* What Mender can do, its releases, its devices and their attributes. */
#include "client/mender_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "core/text.h"

#define HISTORY "20" /* of one device, the most that the server gives */

/* --- what it can do --- */

/* Asked for nothing at all, the server refuses the request itself: 400 to a user who may deploy, 403 to another. */
static void on_question(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct backend_info *out = j->out;
    struct err e = {0};
    (void)i;
    (void)doc;
    if (a->status == 400) {
        out->caps |= CAP_TELL | CAP_RECALL | CAP_DOWNGRADE;
    } else if (a->status != 403) {
        md_error(a, http_peer_name(j->home->peer), "POST " MD_V1, false, &e);
        job_fail(j, &e);
    }
}

static void on_list(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    (void)i;
    (void)a;
    if (!json_is_arr(doc))
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "%s answers, but not as Mender does",
                  http_peer_name(j->home->peer));
}

void md_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    struct job *j = md_job(b, a, out, done, ctx);
    const struct md *md = (const struct md *)b;
    *out = (struct backend_info){
        .kind = "mender",
        .version = "?",
        .user = safe_text(a, md->user, strlen(md->user), 128),
        .says = {
            [SAY_PAUSE] =
                "a pause tells no more devices; those told go on, and one that is off takes it when it comes back",
            [SAY_STOP] =
                "aborts for good: a device in the middle is cut off and goes back by itself, or stays past its commit",
            [SAY_ROLLBACK] =
                "a device works through what it was told, oldest first; old content under a new name is not seen",
            [SAY_RECALL] =
                "aborts deployments, with what is in flight; one device alone loses all that the server has for it",
            [SAY_COUNTS] =
                "counted by devices: an aborted deployment looks finished, and its statistics are not used"}};
    job_get(j, MD_V2 "?page=1&per_page=1", on_list, 0);
    job_get(j, MD_INVENTORY "?page=1&per_page=1", on_list, 0);
    job_send(j, "POST", MD_V1, "{}", HTTP_SAFE, PART_ANY_STATUS, on_question, 0);
}

/* --- releases --- */

static void take_release(struct job *j, const struct json_t *o, void *ctx)
{
    struct md_work *w = md_work(j);
    struct release_list *out = ctx;
    const char *name = json_str(o, "name", NULL);
    if (!name || !name[0]) {
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "answer of GET " MD_V2 "/releases: name: expected a text");
        return;
    }
    for (size_t i = 0; i < out->n; i++) /* seen on the page before */
        if (strcmp(out->v[i].id, name) == 0)
            return;
    if (out->n == w->limit)
        return;
    if (out->n == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 64;
        struct release *v = ARENA_ARRAY(j->arena, struct release, w->cap);
        if (out->n)
            memcpy(v, out->v, out->n * sizeof *v);
        out->v = v;
    }
    out->v[out->n++] = md_release_of(name, j->arena);
}

void md_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                 void *ctx)
{
    struct job *j = md_job(b, a, out, done, ctx);
    *out = (struct release_list){0};
    md_work(j)->limit = limit;
    md_pages(j, MD_V2 "/releases?", take_release, out, NULL);
}

static void take_one_release(struct job *j, const struct json_t *o, void *ctx)
{
    const struct md_work *w = md_work(j);
    struct release *out = ctx;
    const char *name = json_str(o, "name", NULL);
    if (!name || !name[0])
        return;
    struct release r = md_release_of(name, j->arena);
    bool same = w->text ? strcmp(name, w->text) == 0
                        : strcmp(r.name, w->release.name) == 0 &&
                              (!w->release.version[0] || strcmp(r.version, w->release.version) == 0);
    if (!same || strcmp(out->id, name) == 0)
        return;
    if (out->id[0])
        job_failf(j, ERR_RANGE, "rename one of them on the server", "two releases are shown as %.100s", r.name);
    else
        *out = r;
}

static void release_end(struct job *j, void *ctx, bool still)
{
    const struct md_work *w = md_work(j);
    const struct release *out = ctx;
    if (out->id[0])
        return;
    char shown[120];
    const char *wanted = w->text ? w->text : w->release.name;
    safe_text_into(shown, sizeof shown, wanted, strlen(wanted));
    if (still)
        job_failf(j, ERR_NOT_FOUND, "a release of Mender is the artifact's name; its version is the same word",
                  "the release %s is not on the server", shown);
    else
        job_failf(j, ERR_PROTOCOL, "ask again", "the list of releases changed while it was read");
}

void md_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                struct release *out, backend_done done, void *ctx)
{
    struct job *j = md_job(b, a, out, done, ctx);
    *out = (struct release){.id = "", .name = "", .version = ""};
    md_work(j)->text = arena_strdup(&j->scratch, id);
    md_keep(j, &(struct release){.name = name, .version = version}, NULL, 0);
    md_pages(j, MD_V2 "/releases?", take_one_release, out, release_end);
}

/* --- devices --- */

static struct device model_of(const struct md_device *d, struct arena *a)
{
    const char *shown = safe_text(a, d->id, strlen(d->id), NAME_MAX_BYTES);
    return (struct device){.id = shown,
                           .raw_id = arena_strdup(a, d->id),
                           .name = shown,
                           .status = d->artifact[0] ? DEVICE_REGISTERED : DEVICE_UNKNOWN,
                           .address = "",
                           .last_seen = d->seen_at};
}

static bool is_assigned(const struct md *md, const char *device, const char *artifact)
{
    for (size_t i = 0; i < md->n_deployments; i++)
        if (strcmp(md->deployments[i]->artifact, artifact) == 0 && md_alive(md->deployments[i], device))
            return true;
    return false;
}

static bool is_wanted(const struct job *j, const struct device_filter *f, const struct json_t *o,
                      const struct md_device *d, struct arena *a)
{
    bool all = !f->only_include || f->installed || f->assigned || f->n_equals;
    if (f->installed || f->assigned)
        all = (f->installed && strcmp(d->artifact, f->installed->id) == 0) ||
              (f->assigned && is_assigned((const struct md *)j->home, d->id, f->assigned->id));
    for (size_t i = 0; all && i < f->n_equals; i++) {
        const char *v = md_attribute(o, f->equals[i][0], a);
        all = v && strcasecmp(v, f->equals[i][1]) == 0;
    }
    for (size_t i = 0; all && i < f->n_exclude; i++)
        all = strcmp(f->exclude[i], d->id) != 0;
    for (size_t i = 0; !all && i < f->n_include; i++)
        all = strcmp(f->include[i], d->id) == 0;
    return all;
}

/* As many as the caller takes; the list may move, so that one is seen twice. */
static void take_device(struct job *j, const struct json_t *o, void *ctx)
{
    struct md_work *w = md_work(j);
    struct device_list *out = ctx;
    struct arena once;
    struct md_device d;
    arena_init(&once);
    if (!md_decode_device(o, &once, &d))
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "answer of GET " MD_INVENTORY ": id: expected a text");
    else if (is_wanted(j, w->filter, o, &d, &once)) {
        out->total++;
        if (out->n == w->cap && out->n < w->limit) {
            w->cap = w->cap ? 2 * w->cap : 256;
            struct device *v = ARENA_ARRAY(j->arena, struct device, w->cap);
            if (out->n)
                memcpy(v, out->v, out->n * sizeof *v);
            out->v = v;
        }
        if (out->n < w->limit)
            out->v[out->n++] = model_of(&d, j->arena);
    }
    arena_release(&once);
}

static int by_raw_id(const void *pa, const void *pb)
{
    const struct device *const *a = pa, *const *b = pb;
    int c = strcmp((*a)->raw_id, (*b)->raw_id);
    return c ? c : ((*a) > (*b)) - ((*a) < (*b));
}

static void devices_end(struct job *j, void *ctx, bool still)
{
    struct device_list *out = ctx;
    const struct device **v = ARENA_ARRAY(&j->scratch, const struct device *, out->n + 1);
    size_t n = 0;
    if (still)
        return;
    for (size_t i = 0; i < out->n; i++)
        v[i] = &out->v[i];
    qsort(v, out->n, sizeof(struct device *), by_raw_id);
    for (size_t i = 1; i < out->n; i++)
        if (strcmp(v[i - 1]->raw_id, v[i]->raw_id) == 0)
            out->v[v[i] - out->v].name = NULL;
    for (size_t i = 0; i < out->n; i++)
        if (out->v[i].name)
            out->v[n++] = out->v[i];
    out->total -= (int64_t)(out->n - n);
    out->n = n;
}

static void ask_devices(struct job *j)
{
    j->next = NULL;
    md_pages(j, MD_INVENTORY "?", take_device, j->out, devices_end);
}

void md_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                struct device_list *out, backend_done done, void *ctx)
{
    struct job *j = md_job(b, a, out, done, ctx);
    *out = (struct device_list){.v = ARENA_ARRAY(a, struct device, 1)};
    md_work(j)->limit = limit;
    md_work(j)->filter = job_filter_copy(j, f);
    if (f && f->assigned) {
        j->next = ask_devices;
        job_share_want(j, &((struct md *)b)->deployments_share, MD_TICK_US, false);
    } else {
        ask_devices(j);
    }
}

/* --- one device --- */

static void on_device(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct device_info *out = j->out;
    const struct json_t *list = json_get(doc, "attributes");
    struct md_device d;
    (void)i;
    (void)a;
    if (!md_decode_device(doc, &j->scratch, &d)) {
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "answer of GET " MD_INVENTORY ": not a device");
        return;
    }
    out->device = model_of(&d, j->arena);
    if (d.artifact[0])
        out->installed = md_release_of(d.artifact, j->arena);
    out->attributes = arena_array(j->arena, json_len(list) + 1, sizeof *out->attributes);
    for (size_t k = 0; k < json_len(list); k++) {
        size_t n;
        const char *key = json_str(json_at(list, k), "name", &n);
        const char *v = key ? md_attribute(doc, key, &j->scratch) : NULL;
        if (!v)
            continue;
        out->attributes[out->n_attributes][0] = safe_text(j->arena, key, n, NAME_MAX_BYTES);
        out->attributes[out->n_attributes++][1] = safe_text(j->arena, v, strlen(v), NAME_MAX_BYTES);
    }
}

/* Newest first. Of those that have not ended the device takes the oldest first: that is what it is assigned now. */
static void on_history(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct device_info *out = j->out;
    (void)i;
    (void)a;
    out->actions = ARENA_ARRAY(j->arena, struct device_action, json_len(doc) + 1);
    for (size_t k = 0; k < json_len(doc); k++) {
        const struct json_t *deployment = json_get(json_at(doc, k), "deployment");
        const struct json_t *row = json_get(json_at(doc, k), "device");
        const char *artifact = json_str(deployment, "artifact_name", NULL);
        size_t n_id = 0, n_name = 0, n_status = 0;
        const char *id = json_str(deployment, "id", &n_id), *name = json_str(deployment, "name", &n_name);
        const char *status = json_str(row, "status", &n_status);
        if (!artifact || !id || !status)
            continue;
        struct release r = md_release_of(artifact, j->arena);
        bool active = !md_ended(md_status_of(row));
        out->actions[out->n_actions++] =
            (struct device_action){.id = safe_text(j->arena, id, n_id, NAME_MAX_BYTES),
                                   .release = r.name,
                                   .status = safe_text(j->arena, status, n_status, 40),
                                   .type = "",
                                   .at = md_time(row, "created"),
                                   .rollout = name ? safe_text(j->arena, name, n_name, NAME_MAX_BYTES) : "",
                                   .active = active};
        if (active)
            out->assigned = r;
    }
}

void md_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
               void *ctx)
{
    struct job *j = md_job(b, a, out, done, ctx);
    *out = (struct device_info){.device = {.id = "", .raw_id = "", .name = "", .address = ""},
                                .installed = {.id = "", .name = "", .version = ""},
                                .assigned = {.id = "", .name = "", .version = ""}};
    job_get(j, job_path(j, MD_INVENTORY "/%s", job_escape(j, raw_id)), on_device, 0);
    job_get(j, job_path(j, MD_V1 "/devices/%s?page=1&per_page=" HISTORY, job_escape(j, raw_id)), on_history, 0);
}

/* --- attributes --- */

static int by_text(const void *pa, const void *pb)
{
    const char *const *const *a = pa, *const *const *b = pb;
    return strcmp(**a, **b);
}

static int text_is(const void *key, const void *element)
{
    const char *const *const *e = element;
    return strcmp(key, **e);
}

/* Pointers to the ids, sorted by what they point to. */
static const char *const **sorted(struct job *j)
{
    const struct md_work *w = md_work(j);
    const char *const **v = ARENA_ARRAY(&j->scratch, const char *const *, w->n + 1);
    for (size_t i = 0; i < w->n; i++)
        v[i] = &w->ids[i];
    qsort(v, w->n, sizeof *v, by_text);
    return v;
}

static void take_attributes(struct job *j, const struct json_t *o, void *ctx)
{
    struct md_work *w = md_work(j);
    struct attribute_table *t = j->out;
    const char *id = json_str(o, "id", NULL);
    const char *const **hit = id && w->n ? bsearch(id, ctx, w->n, sizeof(const char *const *), text_is) : NULL;
    for (size_t k = 0; hit && k < w->n_keys; k++) {
        const char *v = md_attribute(o, w->keys[k], &j->scratch);
        if (v && v[0])
            t->v[(size_t)(*hit - w->ids) * w->n_keys + k] = job_attribute_name(t, j->arena, &w->cap, v, w->exact);
    }
}

void md_attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys,
                   size_t limit, bool exact, struct arena *a, struct attribute_table *out, backend_done done, void *ctx)
{
    struct job *j = md_job(b, a, out, done, ctx);
    struct md_work *w = md_work(j);
    (void)limit; /* none is asked for by itself */
    md_keep(j, NULL, raw_ids, n);
    w->keys = job_strings(j, keys, n_keys);
    w->n_keys = n_keys;
    w->exact = exact;
    job_attributes(j, n, n_keys);
    md_pages(j, MD_INVENTORY "?", take_attributes, (void *)sorted(j), NULL);
}
