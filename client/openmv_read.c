/* What an OpenMV server can do, its releases, its devices, and its own rollouts that hand a release out. */
#include <string.h>
#include <strings.h>
#include "client/openmv_impl.h"
#include "core/text.h"

/* --- what it can do --- */

static void nothing(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    (void)j;
    (void)i;
    (void)a;
    (void)doc;
}

/* Asked about no rollout: 403 without the scope, else 404. */
static void on_manage(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct backend_info *out = j->out;
    struct err e = {0};
    (void)i;
    (void)doc;
    if (a->status == 404) {
        out->caps = CAP_TELL | CAP_RECALL | CAP_AUTO_ASSIGN;
    } else if (a->status != 403) {
        om_error(a, http_peer_name(j->home->peer), "PATCH " OM_BASE "/rollouts/ro_0", false, &e);
        job_fail(j, &e);
    }
}

static void on_openapi(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct backend_info *out = j->out;
    const struct json_t *info = json_get(doc, "info");
    const char *title = json_str(info, "title", NULL);
    size_t n;
    const char *version = json_str(info, "version", &n);
    (void)i;
    (void)a;
    if (!title || strncmp(title, "OpenMV OTA", 10) != 0) {
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "%s answers, but not as an OpenMV OTA server does",
                  http_peer_name(j->home->peer));
        return;
    }
    out->version = version ? safe_text(j->arena, version, n, 40) : "?";
    job_get(j, OM_BASE "/devices?limit=1", nothing, 0);
    job_send(j, "PATCH", OM_BASE "/rollouts/ro_0", "{}", HTTP_SAFE, PART_ANY_STATUS, on_manage, 0);
}

void om_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    struct job *j = om_job(b, a, out, done, ctx);
    *out = (struct backend_info){
        .kind = "openmv",
        .version = "?",
        .user = "", /* the server does not say whose token it is */
        .says = {[SAY_PAUSE] = "a pause tells no more devices; those told keep what they were told",
                 [SAY_STOP] = "a device that was offered the release may install it all the same",
                 [SAY_ROLLBACK] = "this server takes no older release; choose one whose payload is higher",
                 [SAY_RECALL] =
                     "the pin is taken off; a device that was offered the release may install it all the same",
                 [SAY_COUNTS] = "counted by the payloads that devices report; the server's own counters are not used"}};
    job_get(j, "/openapi.json", on_openapi, 0);
}

/* --- releases --- */

static bool take_release(struct job *j, const struct json_t *o, const char *where)
{
    struct om_work *w = om_work(j);
    struct err e = {0};
    if (w->n_releases == w->cap_releases) {
        size_t cap = w->cap_releases ? 2 * w->cap_releases : 64;
        struct om_release *v = ARENA_ARRAY(&j->scratch, struct om_release, cap);
        if (w->n_releases)
            memcpy(v, w->releases, w->n_releases * sizeof *v);
        w->releases = v;
        w->cap_releases = cap;
    }
    if (om_decode_release(o, &j->scratch, &w->releases[w->n_releases], where, &e)) {
        w->n_releases++;
        return true;
    }
    job_fail(j, &e);
    return false;
}

static void need_releases(struct job *j, void (*end)(struct job *j))
{
    om_pages(j, OM_BASE "/releases?", "releases", OM_ROWS_MAX, take_release, end);
}

static struct release copy_of(const struct release *r, struct arena *a)
{
    return (struct release){.id = arena_strdup(a, r->id),
                            .name = arena_strdup(a, r->name),
                            .version = arena_strdup(a, r->version),
                            .order = r->order};
}

static void releases_end(struct job *j)
{
    const struct om_work *w = om_work(j);
    struct release_list *out = j->out;
    size_t n = w->n_releases < w->limit ? w->n_releases : w->limit;
    out->v = ARENA_ARRAY(j->arena, struct release, n + 1);
    for (size_t i = 0; i < n; i++) /* in the server's order: the highest payload first */
        out->v[i] = copy_of(&w->releases[i].release, j->arena);
    out->n = n;
}

void om_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                 void *ctx)
{
    struct job *j = om_job(b, a, out, done, ctx);
    *out = (struct release_list){0};
    om_work(j)->limit = limit;
    need_releases(j, releases_end);
}

static void release_end(struct job *j)
{
    const struct om_work *w = om_work(j);
    const struct release *want = &w->want, *found = NULL;
    for (size_t i = 0; i < w->n_releases; i++) {
        const struct release *r = &w->releases[i].release;
        if (strcmp(r->name, want->name) != 0 || strcmp(r->version, want->version) != 0)
            continue;
        if (found) {
            job_failf(j, ERR_RANGE, "name it by its id", "two releases are shown as %.100s:%.100s", r->name,
                      r->version);
            return;
        }
        found = r;
    }
    if (found)
        *(struct release *)j->out = copy_of(found, j->arena);
    else
        job_failf(j, ERR_NOT_FOUND, "check name and version, as in \"product:version\"",
                  "the release %.100s:%.100s is not on the server", want->name, want->version);
}

static void release_there(struct job *j)
{
    *(struct release *)j->out = copy_of(&om_work(j)->rel[0].release, j->arena);
}

void om_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                struct release *out, backend_done done, void *ctx)
{
    struct job *j = om_job(b, a, out, done, ctx);
    *out = (struct release){.id = "", .name = "", .version = ""};
    if (id) {
        j->next = release_there;
        om_need_release(j, &(struct release){.id = id}, 0);
        return;
    }
    om_work(j)->want = (struct release){.name = arena_strdup(&j->scratch, name ? name : ""),
                                        .version = arena_strdup(&j->scratch, version ? version : "")};
    need_releases(j, release_end);
}

/* --- devices --- */

static const char *const attribute_keys[] = {"board", "cohort", "product", "confirmed"};
#define N_ATTRIBUTES (sizeof attribute_keys / sizeof *attribute_keys)

static const char *attribute_of(const struct om_device *d, const char *key)
{
    const char *const values[N_ATTRIBUTES] = {d->board, d->cohort, d->product, d->confirmed ? "true" : "false"};
    for (size_t i = 0; i < N_ATTRIBUTES; i++)
        if (strcasecmp(attribute_keys[i], key) == 0)
            return values[i];
    return "";
}

static bool is_wanted(const struct om_device *d, const struct om_work *w)
{
    const struct device_filter *f = w->filter;
    bool fell, all = !f->only_include || f->installed || f->assigned || f->n_equals;
    if (f->installed || f->assigned)
        all = (f->installed && om_standing_of(d, &w->rel[0], &fell) == AT_INSTALLED) ||
              (f->assigned && strcmp(d->pinned, w->rel[1].release.id) == 0);
    for (size_t i = 0; all && i < f->n_equals; i++)
        all = strcasecmp(attribute_of(d, f->equals[i][0]), f->equals[i][1]) == 0;
    for (size_t i = 0; all && i < f->n_exclude; i++)
        all = strcmp(f->exclude[i], d->id) != 0;
    for (size_t i = 0; !all && i < f->n_include; i++)
        all = strcmp(f->include[i], d->id) == 0;
    return all;
}

static void devices_there(struct job *j)
{
    const struct om_work *w = om_work(j);
    const struct om_list *l = om_list_of(j);
    struct device_list *out = j->out;
    size_t most = l->n < w->limit ? l->n : w->limit;
    out->v = ARENA_ARRAY(j->arena, struct device, most + 1);
    for (size_t i = 0; i < l->n; i++) {
        if (!is_wanted(&l->v[i], w))
            continue;
        out->total++;
        if (out->n < most)
            om_model_device(&l->v[i], j->arena, &out->v[out->n++]);
    }
}

void om_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                struct device_list *out, backend_done done, void *ctx)
{
    struct job *j = om_job(b, a, out, done, ctx);
    const struct release *const of[] = {f ? f->installed : NULL, f ? f->assigned : NULL};
    *out = (struct device_list){0};
    om_work(j)->limit = limit;
    om_work(j)->filter = job_filter_copy(j, f);
    for (size_t i = 0; i < 2; i++)
        if (of[i] && !om_id_ok(of[i]->id)) {
            om_need_release(j, of[i], i); /* refuses */
            return;
        }
    j->next = devices_there;
    for (size_t i = 0; i < 2; i++)
        if (of[i])
            om_need_release(j, of[i], i);
    om_need_list(j);
}

/* --- one device --- */

static void device_end(struct job *j)
{
    const struct om_work *w = om_work(j);
    struct device_info *out = j->out;
    const struct om_device *d = w->found;
    for (size_t i = 0; i < w->n_releases; i++) {
        const struct om_release *r = &w->releases[i];
        if (strcmp(r->product, d->product) == 0 && r->payload == d->payload)
            out->installed = copy_of(&r->release, j->arena);
        if (strcmp(r->release.id, d->pinned) == 0)
            out->assigned = copy_of(&r->release, j->arena);
    }
}

static void on_device(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct om_work *w = om_work(j);
    struct device_info *out = j->out;
    struct om_list *l = om_list_new();
    struct om_device d;
    struct err e = {0};
    (void)i;
    (void)a;
    if (!om_decode_device(doc, l, &d, "answer of GET devices", &e)) {
        job_fail(j, &e);
        om_list_free(l);
        return;
    }
    om_model_device(&d, j->arena, &out->device);
    out->attributes = arena_array(j->arena, N_ATTRIBUTES, sizeof *out->attributes);
    for (size_t k = 0; k < N_ATTRIBUTES; k++) {
        const char *v = attribute_of(&d, attribute_keys[k]);
        if (!v[0])
            continue;
        out->attributes[out->n_attributes][0] = attribute_keys[k];
        out->attributes[out->n_attributes++][1] = safe_text(j->arena, v, strlen(v), NAME_MAX_BYTES);
    }
    w->found = ARENA_NEW(&j->scratch, struct om_device);
    w->found->product = arena_strdup(&j->scratch, d.product);
    w->found->pinned = arena_strdup(&j->scratch, d.pinned);
    w->found->payload = d.payload;
    om_list_free(l);
    need_releases(j, device_end);
}

void om_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
               void *ctx)
{
    struct job *j = om_job(b, a, out, done, ctx);
    *out = (struct device_info){.device = {.id = "", .raw_id = "", .name = "", .address = ""},
                                .installed = {.id = "", .name = "", .version = ""},
                                .assigned = {.id = "", .name = "", .version = ""}};
    job_get(j, job_path(j, OM_BASE "/devices/%s", job_escape(j, raw_id)), on_device, 0);
}

/* --- attributes --- */

static void attributes_there(struct job *j)
{
    const struct om_work *w = om_work(j);
    struct attribute_table *t = j->out;
    size_t cap = 0;
    for (size_t i = 0; i < w->n; i++) {
        const struct om_device *d = om_list_find(om_list_of(j), w->ids[i]);
        for (size_t k = 0; d && k < w->n_keys; k++) {
            const char *v = attribute_of(d, w->keys[k]);
            if (v[0])
                t->v[i * w->n_keys + k] = job_attribute_name(t, j->arena, &cap, v, w->exact);
        }
    }
}

void om_attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys,
                   size_t limit, bool exact, struct arena *a, struct attribute_table *out, backend_done done, void *ctx)
{
    struct job *j = om_job(b, a, out, done, ctx);
    struct om_work *w = om_work(j);
    (void)limit; /* none is asked for by itself */
    om_keep_ids(j, raw_ids, n);
    w->keys = job_strings(j, keys, n_keys);
    w->n_keys = n_keys;
    w->exact = exact;
    job_attributes(j, n, n_keys);
    j->next = attributes_there;
    om_need_list(j);
}

/* --- who else is given it --- */

static bool take_rollout(struct job *j, const struct json_t *o, const char *where)
{
    struct auto_assign_list *out = j->out;
    struct om_work *w = om_work(j);
    const char *id = json_str(o, "rollout_id", NULL), *release = json_str(o, "release_id", NULL);
    const char *state = json_str(o, "state", NULL);
    size_t n_name = 0, n_cohort = 0;
    const char *name = json_str(o, "display_name", &n_name), *cohort = json_str(o, "cohort", &n_cohort);
    (void)where;
    if (!om_id_ok(id) || !release || strcmp(release, w->want.id) != 0 || !state || strcmp(state, "active") != 0)
        return true;
    if (out->n == w->n) {
        size_t more = w->n ? 2 * w->n : 16;
        struct auto_assign *v = ARENA_ARRAY(j->arena, struct auto_assign, more);
        if (out->n)
            memcpy(v, out->v, out->n * sizeof *v);
        out->v = v;
        w->n = more;
    }
    out->v[out->n++] = (struct auto_assign){
        .id = arena_strdup(j->arena, id),
        .name = name && n_name ? safe_text(j->arena, name, n_name, NAME_MAX_BYTES) : arena_strdup(j->arena, id),
        .filter = arena_printf(j->arena, "the cohort %s", cohort ? safe_text(j->arena, cohort, n_cohort, 80) : "?")};
    return true;
}

static void rollouts_end(struct job *j)
{
    (void)j;
}

void om_auto_assigns(struct backend *b, const char *release_id, struct arena *a, struct auto_assign_list *out,
                     backend_done done, void *ctx)
{
    struct job *j = om_job(b, a, out, done, ctx);
    *out = (struct auto_assign_list){0};
    om_work(j)->want.id = arena_strdup(&j->scratch, release_id);
    om_pages(j, OM_BASE "/rollouts?", "rollouts", OM_ROWS_MAX, take_rollout, rollouts_end);
}

/* A second pause would write over the reason of the first: one that the server paused itself stays as it is. */
static void on_status(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    const char *state = json_str(doc, "state", NULL);
    (void)i;
    (void)a;
    if (!state)
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "the status of a rollout has no state");
    else if (strcmp(state, "active") == 0)
        job_send(j, "PATCH", job_path(j, OM_BASE "/rollouts/%s", j->subject), "{\"state\":\"paused\"}", 0,
                 PART_VERB | PART_NO_BODY, NULL, 0);
}

void om_auto_assign_off(struct backend *b, const char *filter_id, backend_done done, void *ctx)
{
    struct job *j = om_job(b, NULL, NULL, done, ctx);
    struct err e = {0};
    if (!om_id_ok(filter_id)) {
        err_set(&e, ERR_RANGE, "", "this is no id of an OpenMV rollout");
        job_refuse(j, &e);
        return;
    }
    j->subject = arena_strdup(&j->scratch, filter_id);
    job_get(j, job_path(j, OM_BASE "/rollouts/%s/status", filter_id), on_status, 0);
}
