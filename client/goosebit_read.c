/* What gooseBit can do, its releases and its devices. */
#include "client/goosebit_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "core/text.h"

/* --- what it can do --- */

/* Asked about nobody: an empty list of devices, a rollout 0. Both are answered well and change nothing. */
static const struct {
    const char *method, *path, *body;
    uint32_t caps;
} questions[] = {
    {"PATCH", "/api/v1/devices", "{\"devices\":[]}", CAP_TELL | CAP_RECALL | CAP_DOWNGRADE},
    {"PATCH", "/api/v1/rollouts", "{\"ids\":[0],\"paused\":true}", CAP_AUTO_ASSIGN},
};
#define N_QUESTIONS (sizeof questions / sizeof *questions)

static void on_question(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct backend_info *out = j->out;
    (void)doc;
    if (a->status == 200)
        out->caps |= questions[i].caps;
    else if (a->status != 403) {
        struct err e = {0};
        gb_error(a, http_peer_name(j->home->peer), questions[i].path, false, &e);
        job_fail(j, &e);
    }
}

static void nothing(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    (void)j;
    (void)i;
    (void)a;
    (void)doc;
}

static void ask_user(struct job *j)
{
    struct backend_info *out = j->out;
    const struct gb *gb = (const struct gb *)j->home;
    out->user = safe_text(j->arena, gb->user, strlen(gb->user), 128);
    j->next = NULL;
    job_get(j, "/api/v1/software", nothing, 0);
    for (size_t i = 0; i < N_QUESTIONS; i++)
        job_send(j, questions[i].method, questions[i].path, questions[i].body, HTTP_SAFE, PART_ANY_STATUS, on_question,
                 i);
}

/* Before the password goes out: is it gooseBit at all? */
static void on_openapi(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct backend_info *out = j->out;
    const struct json_t *info = json_get(doc, "info");
    const char *title = json_str(info, "title", NULL);
    size_t n;
    const char *version = json_str(info, "version", &n);
    (void)i;
    (void)a;
    if (!title || strcmp(title, "gooseBit") != 0) {
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "%s answers, but not as gooseBit does",
                  http_peer_name(j->home->peer));
        return;
    }
    out->version = version ? safe_text(j->arena, version, n, 40) : "?";
    j->next = ask_user;
}

void gb_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    struct job *j = gb_job(b, a, out, done, ctx);
    *out = (struct backend_info){
        .kind = "goosebit",
        .version = "?",
        .user = "",
        .says = {[SAY_PAUSE] = "a pause tells no more devices; those told keep what they were told",
                 [SAY_STOP] = "a device that has downloaded the release installs it all the same",
                 [SAY_ROLLBACK] = "a device in the middle of an install ends it first, and takes the old release then",
                 [SAY_RECALL] = "devices go back to the feed that they had; what has been downloaded is installed",
                 [SAY_COUNTS] = "counted by what devices report; a failed one does not say which release failed"}};
    job_get(j, "/openapi.json", on_openapi, 0);
}

/* --- releases --- */

static void releases_there(struct job *j)
{
    const struct gb *gb = (const struct gb *)j->home;
    struct release_list *out = j->out;
    size_t n = gb->n_software < gb_work(j)->limit ? gb->n_software : gb_work(j)->limit;
    out->v = ARENA_ARRAY(j->arena, struct release, n ? n : 1);
    for (size_t i = 0; i < n; i++) { /* newest first */
        const struct release *r = &gb->software[gb->n_software - 1 - i].release;
        out->v[i] = (struct release){.id = arena_strdup(j->arena, r->id),
                                     .name = arena_strdup(j->arena, r->name),
                                     .version = arena_strdup(j->arena, r->version)};
    }
    out->n = n;
}

void gb_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                 void *ctx)
{
    struct job *j = gb_job(b, a, out, done, ctx);
    *out = (struct release_list){0};
    gb_work(j)->limit = limit;
    j->next = releases_there;
    gb_need_software(j, true);
}

static void release_there(struct job *j)
{
    const struct gb *gb = (const struct gb *)j->home;
    const struct gb_work *w = gb_work(j);
    struct release *out = j->out;
    const struct release *found = NULL;
    for (size_t i = 0; i < gb->n_software; i++) {
        const struct release *r = &gb->software[i].release;
        bool same = w->text ? strcmp(r->id, w->text) == 0
                            : strcmp(r->name, w->release.name) == 0 && strcmp(r->version, w->release.version) == 0;
        if (!same)
            continue;
        if (found) {
            job_failf(j, ERR_RANGE, "rename one of them on the server", "two releases are shown as %.100s:%.100s",
                      r->name, r->version);
            return;
        }
        found = r;
    }
    if (!found)
        job_failf(j, ERR_NOT_FOUND, "check name and version, as in \"board:version\"",
                  "the release %.100s%s%.100s is not on the server", w->text ? w->text : w->release.name,
                  w->text ? "" : ":", w->text ? "" : w->release.version);
    else
        *out = (struct release){.id = arena_strdup(j->arena, found->id),
                                .name = arena_strdup(j->arena, found->name),
                                .version = arena_strdup(j->arena, found->version)};
}

void gb_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                struct release *out, backend_done done, void *ctx)
{
    struct job *j = gb_job(b, a, out, done, ctx);
    *out = (struct release){.id = "", .name = "", .version = ""};
    gb_work(j)->text = arena_strdup(&j->scratch, id);
    gb_keep_release(j, &(struct release){.id = "", .name = name ? name : "", .version = version ? version : ""});
    j->next = release_there;
    gb_need_software(j, true);
}

/* --- devices --- */

static const char *attribute_of(const struct gb_device *d, const char *key)
{
    static const char *const modes[] = {"", "Rollout", "Assigned", "Latest", "Pinned"};
    const struct {
        const char *key, *value;
    } all[] = {{"hardware.model", d->model},
               {"hardware.revision", d->revision},
               {"feed", d->feed},
               {"update_mode", modes[d->mode]}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcasecmp(all[i].key, key) == 0)
            return all[i].value;
    return "";
}

/* A filter with what its releases are here; both NULL without one. */
struct wanted {
    const struct device_filter *f; /* a copy */
    const struct gb_software *installed, *assigned;
};

static bool is_wanted(const struct gb_device *d, const struct wanted *w)
{
    const struct device_filter *f = w->f;
    bool all = !f->only_include || f->installed || f->assigned || f->n_equals;
    if (w->installed || w->assigned)
        all = (w->installed && gb_standing_of(d, w->installed) == AT_INSTALLED) ||
              (w->assigned && d->offered == w->assigned->id);
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
    const struct gb_work *k = gb_work(j);
    struct device_list *out = j->out;
    const struct gb_list *l = gb_list_of(j);
    struct wanted w = {.f = k->filter};
    size_t most = l->n < k->limit ? l->n : k->limit, n = 0;
    int64_t total = 0;
    if ((w.f->installed && !(w.installed = gb_software_of(j, w.f->installed))) ||
        (w.f->assigned && !(w.assigned = gb_software_of(j, w.f->assigned))))
        return;
    out->v = ARENA_ARRAY(j->arena, struct device, most + 1);
    for (size_t i = 0; i < l->n; i++) {
        if (!is_wanted(&l->v[i], &w))
            continue;
        total++;
        if (n < most)
            gb_model_device(l, &l->v[i], j->arena, &out->v[n++]);
    }
    out->n = n;
    out->total = total;
}

void gb_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                struct device_list *out, backend_done done, void *ctx)
{
    struct job *j = gb_job(b, a, out, done, ctx);
    *out = (struct device_list){0};
    gb_work(j)->limit = limit;
    gb_work(j)->filter = job_filter_copy(j, f);
    j->next = devices_there;
    if (f && (f->installed || f->assigned))
        gb_need_software(j, false);
    gb_need_list(j, GB_TICK_US, false);
}

/* --- one device --- */

static struct release release_copy(const struct gb_software *s, struct arena *a)
{
    if (!s)
        return (struct release){.id = "", .name = "", .version = ""};
    return (struct release){.id = arena_strdup(a, s->release.id),
                            .name = arena_strdup(a, s->release.name),
                            .version = arena_strdup(a, s->release.version)};
}

/* From the list, never by asking for it: a GET of a device that is not there makes it. */
static void device_there(struct job *j)
{
    static const char *const keys[] = {"hardware.model", "hardware.revision", "feed", "update_mode"};
    const struct gb *gb = (const struct gb *)j->home;
    const struct gb_work *w = gb_work(j);
    struct device_info *out = j->out;
    const struct gb_device *d = gb_list_find(gb_list_of(j), w->text);
    if (!d) {
        job_failf(j, ERR_NOT_FOUND, "see `andon get devices`", "the server has no such device");
        return;
    }
    gb_model_device(gb_list_of(j), d, j->arena, &out->device);
    for (size_t i = 0; i < gb->n_software; i++)
        if (strcmp(gb->software[i].version, d->version) == 0 && gb_fits(d, &gb->software[i]))
            out->installed = release_copy(&gb->software[i], j->arena);
    out->assigned = release_copy(d->offered ? gb_software_by_id(gb, d->offered) : NULL, j->arena);
    out->attributes = arena_array(j->arena, sizeof keys / sizeof *keys, sizeof *out->attributes);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *v = attribute_of(d, keys[i]);
        if (!v[0])
            continue;
        out->attributes[out->n_attributes][0] = keys[i];
        out->attributes[out->n_attributes++][1] = safe_text(j->arena, v, strlen(v), NAME_MAX_BYTES);
    }
}

void gb_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
               void *ctx)
{
    struct job *j = gb_job(b, a, out, done, ctx);
    *out = (struct device_info){.device = {.id = "", .raw_id = "", .name = "", .address = ""},
                                .installed = {.id = "", .name = "", .version = ""},
                                .assigned = {.id = "", .name = "", .version = ""}};
    gb_work(j)->text = arena_strdup(&j->scratch, raw_id);
    j->next = device_there;
    gb_need_software(j, false);
    gb_need_list(j, GB_TICK_US, false);
}

/* --- attributes --- */

static void attributes_there(struct job *j)
{
    const struct gb_work *w = gb_work(j);
    struct attribute_table *t = j->out;
    size_t cap = 0;
    for (size_t i = 0; i < w->n; i++) {
        const struct gb_device *d = gb_list_find(gb_list_of(j), w->ids[i]);
        for (size_t k = 0; d && k < w->n_keys; k++) {
            const char *v = attribute_of(d, w->keys[k]);
            if (v[0])
                t->v[i * w->n_keys + k] = job_attribute_name(t, j->arena, &cap, v, w->exact);
        }
    }
}

void gb_attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys,
                   size_t limit, bool exact, struct arena *a, struct attribute_table *out, backend_done done, void *ctx)
{
    struct job *j = gb_job(b, a, out, done, ctx);
    struct gb_work *w = gb_work(j);
    (void)limit; /* none is asked for by itself */
    gb_keep_ids(j, raw_ids, n);
    w->keys = job_strings(j, keys, n_keys);
    w->n_keys = n_keys;
    w->exact = exact;
    job_attributes(j, n, n_keys);
    j->next = attributes_there;
    gb_need_list(j, GB_TICK_US, false);
}

/* --- who else is given it --- */

#define LATEST_ID "latest"

static void on_rollouts(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    const struct gb_work *w = gb_work(j);
    struct auto_assign_list *out = j->out;
    const struct json_t *list = json_get(doc, "rollouts");
    (void)i;
    (void)a;
    out->v = ARENA_ARRAY(j->arena, struct auto_assign, json_len(list) + 1);
    for (size_t k = 0; k < json_len(list); k++) {
        const struct json_t *o = json_at(list, k);
        int64_t id, software;
        bool paused = true;
        size_t n_name = 0, n_feed = 0;
        const char *name = json_str(o, "name", &n_name), *feed = json_str(o, "feed", &n_feed);
        json_bool(o, "paused", &paused);
        if (paused || !json_int(o, "id", &id) || !json_int(json_get(o, "software"), "id", &software))
            continue;
        if (strcmp(w->text, arena_printf(&j->scratch, "%lld", (long long)software)) != 0)
            continue;
        out->v[out->n++] = (struct auto_assign){
            .id = arena_printf(j->arena, "%lld", (long long)id),
            .name = safe_text(j->arena, name, n_name, NAME_MAX_BYTES),
            .filter = arena_printf(j->arena, "the feed %s", safe_text(j->arena, feed, n_feed, NAME_MAX_BYTES))};
    }
}

/* Devices in the mode "latest" take what is newest for their board. */
static void latest_there(struct job *j)
{
    const struct gb_work *w = gb_work(j);
    struct auto_assign_list *out = j->out;
    size_t n = 0;
    for (size_t i = 0; i < gb_list_of(j)->n; i++) {
        const struct gb_device *d = &gb_list_of(j)->v[i];
        n += d->mode == GB_LATEST && strcmp(w->text, arena_printf(&j->scratch, "%lld", (long long)d->offered)) == 0;
    }
    if (n)
        out->v[out->n++] =
            (struct auto_assign){.id = LATEST_ID,
                                 .name = "devices in the mode Latest",
                                 .filter = arena_printf(j->arena, "%zu devices that take the newest", n)};
}

void gb_auto_assigns(struct backend *b, const char *release_id, struct arena *a, struct auto_assign_list *out,
                     backend_done done, void *ctx)
{
    struct job *j = gb_job(b, a, out, done, ctx);
    *out = (struct auto_assign_list){0};
    gb_work(j)->text = arena_strdup(&j->scratch, release_id);
    j->next = latest_there;
    job_get(j, "/api/v1/rollouts", on_rollouts, 0);
    gb_need_list(j, GB_TICK_US, false);
}

void gb_auto_assign_off(struct backend *b, const char *filter_id, backend_done done, void *ctx)
{
    struct job *j = gb_job(b, NULL, NULL, done, ctx);
    struct err e = {0};
    size_t n = strlen(filter_id);
    if (strcmp(filter_id, LATEST_ID) == 0)
        err_set(&e, ERR_UNSUPPORTED, "put these devices into another mode on the server",
                "gooseBit has no switch for all devices in the mode Latest");
    else if (n == 0 || n > 15 || strspn(filter_id, "0123456789") != n)
        err_set(&e, ERR_RANGE, "", "this is no id of a gooseBit rollout");
    if (e.code != ERR_NONE) {
        job_refuse(j, &e);
        return;
    }
    gb_changed((struct gb *)j->home);
    job_send(j, "PATCH", "/api/v1/rollouts", job_path(j, "{\"ids\":[%s],\"paused\":true}", filter_id), 0,
             PART_VERB | PART_NO_BODY, NULL, 0);
}
