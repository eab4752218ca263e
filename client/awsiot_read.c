/* What AWS IoT can do, the releases of the configuration, and things. */
#include "client/awsiot_impl.h"

#include <string.h>
#include "core/text.h"

struct aw_work *aw_work(struct job *j)
{
    return j->state;
}

struct job *aw_job_begin(struct backend *b, struct arena *a, void *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    j->state = ARENA_NEW(&j->scratch, struct aw_work);
    return j;
}

void aw_keep_ids(struct job *j, const char *const *ids, size_t n)
{
    aw_work(j)->ids = job_strings(j, ids, n);
    aw_work(j)->n = n;
}

static const struct aw_release *find_release(const struct aw *aw, const char *id)
{
    for (size_t i = 0; id && i < aw->n_releases; i++)
        if (strcmp(aw->releases[i].release.id, id) == 0)
            return &aw->releases[i];
    return NULL;
}

const struct aw_release *aw_release_of(struct job *j, const struct release *r)
{
    const struct aw_release *found = find_release((struct aw *)j->home, r->id);
    struct err e = {0};
    if (found)
        return aw_work(j)->release = found;
    err_set(&e, ERR_NOT_FOUND, "AWS IoT keeps none: they are listed under `releases` of the fleet",
            "the release %.100s:%.100s is not in the configuration", r->name, r->version);
    job_refuse(j, &e);
    return NULL;
}

/* --- what it can do --- */

/* Asked about what is not there, so that nothing changes: a job without targets is refused, and so is the cancel of an
 * execution that nobody has; unless the keys may not. */
static const struct {
    const char *path, *body;
    int status; /* of a yes */
    uint32_t caps;
} questions[] = {
    {"/jobs/andon-may-i", "{\"targets\":[],\"document\":\"{}\"}", 400, CAP_TELL | CAP_DOWNGRADE},
    {"/things/andon-may-i/jobs/andon-may-i/cancel", "{}", 404, CAP_RECALL | CAP_FORCE},
};

static void on_question(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct backend_info *out = j->out;
    struct err e = {0};
    (void)doc;
    if (a->status == questions[i].status && strncmp(a->error_type, "Throttling", 10) != 0)
        out->caps |= questions[i].caps;
    else if (a->status != 403) {
        aw_error(a, http_peer_name(j->home->peer), questions[i].path, false, &e);
        job_fail(j, &e);
    }
}

static void on_first_things(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct aw *aw = (struct aw *)j->home;
    const struct json_t *list = json_get(doc, "things");
    struct aw_thing t;
    (void)i;
    (void)a;
    if (!json_is_arr(list)) {
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "%s answers, but not as AWS IoT does",
                  http_peer_name(j->home->peer));
        return;
    }
    aw->small = !json_str(doc, "nextToken", NULL);
    if (json_len(list))
        aw_thing_take(aw, json_at(list, 0), &j->scratch, &t);
}

static void on_first_jobs(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    (void)i;
    (void)a;
    if (!json_is_arr(json_get(doc, "jobs")))
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "%s answers, but not as AWS IoT does",
                  http_peer_name(j->home->peer));
}

static void probed(struct job *j)
{
    struct backend_info *out = j->out;
    const struct aw *aw = (const struct aw *)j->home;
    out->user = safe_text(j->arena, aw->key_id, strlen(aw->key_id), 128);
}

void aw_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    struct job *j = aw_job_begin(b, a, out, done, ctx);
    const struct aw *aw = (const struct aw *)b;
    *out = (struct backend_info){
        .kind = "awsiot",
        .version = "Jobs",
        .user = "",
        .says = {[SAY_PAUSE] = "a pause tells no more things; AWS can't hold back those that were told",
                 [SAY_STOP] = "what waits is cancelled for good; what a thing has begun goes on",
                 [SAY_ROLLBACK] = "a thing may refuse an older release; what it has begun it ends first",
                 [SAY_RECALL] = "with force, a thing may install what it has begun, and its report is refused",
                 [SAY_COUNTS] = aw->version_attribute[0]
                                    ? "installed is what the thing's attribute says, and where it says nothing, what "
                                      "its job has reported"
                                    : "installed is what a job has reported, not what the thing says that it runs: "
                                      "set `version_attribute` for that"}};
    j->next = probed;
    job_get(j, "/jobs?maxResults=1", on_first_jobs, 0);
    job_get(j, job_path(j, "/things?maxResults=%d", AW_PAGE), on_first_things, 0);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        job_send(j, "PUT", questions[i].path, questions[i].body, HTTP_SAFE, PART_ANY_STATUS, on_question, i);
}

/* --- releases: of the configuration --- */

static struct release release_copy(const struct release *r, struct arena *a)
{
    return (struct release){.id = arena_strdup(a, r->id),
                            .name = safe_text(a, r->name, strlen(r->name), NAME_MAX_BYTES),
                            .version = safe_text(a, r->version, strlen(r->version), NAME_MAX_BYTES)};
}

void aw_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                 void *ctx)
{
    struct job *j = aw_job_begin(b, a, out, done, ctx);
    const struct aw *aw = (const struct aw *)b;
    *out = (struct release_list){.v = ARENA_ARRAY(a, struct release, aw->n_releases + 1)};
    for (size_t i = 0; i < aw->n_releases && i < limit; i++)
        out->v[out->n++] = release_copy(&aw->releases[i].release, a);
    job_idle(j);
}

void aw_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                struct release *out, backend_done done, void *ctx)
{
    struct job *j = aw_job_begin(b, a, out, done, ctx);
    struct release wanted = {.id = id ? id : arena_printf(&j->scratch, "%s:%s", name, version),
                             .name = id ? id : name,
                             .version = id ? "" : version};
    *out = (struct release){.id = "", .name = "", .version = ""};
    const struct aw_release *found = aw_release_of(j, &wanted);
    if (!found)
        return;
    *out = release_copy(&found->release, a);
    job_idle(j);
}

/* --- things --- */

static bool named(const char *const *ids, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(ids[i], name) == 0)
            return true;
    return false;
}

/* The newest success of any of our jobs is one of this release, or there is none. */
static bool newest_success(const struct aw *aw, const struct aw_release *of, const char *name)
{
    for (size_t i = 0; i < aw->n_jobs; i++) {
        const struct aw_execution *x = aw_execution_of(aw->jobs[i], name);
        if (x && x->status == AW_SUCCEEDED)
            return strcmp(aw->jobs[i]->hash, of->hash) == 0;
        if (x && strcmp(aw->jobs[i]->hash, of->hash) == 0)
            return true; /* nothing has succeeded since */
    }
    return true;
}

/* By what the thing says that it runs, and what our jobs have told it. A failure or a cut is over when another of our
 * jobs has succeeded after it. */
static bool stands(const struct aw *aw, const struct release *r, const char *name, const char *runs, bool assigned)
{
    const struct aw_release *of = r ? find_release(aw, r->id) : NULL;
    enum standing_at at = of ? aw_standing_of(aw->jobs, aw->n_jobs, name, runs, of).at : AT_OTHER;
    if (at == AT_FAILED || at == AT_LOST)
        return assigned && newest_success(aw, of, name);
    return at == AT_INSTALLED || (assigned && (at == AT_TOLD || at == AT_BUSY));
}

static bool wanted(const struct aw *aw, const struct device_filter *f, const struct json_t *o, const char *name)
{
    const struct json_t *attributes = json_get(o, "attributes");
    const char *runs = json_str(attributes, aw->version_attribute, NULL);
    bool all = !f->only_include || f->installed || f->assigned || f->n_equals;
    if (f->installed || f->assigned)
        all = stands(aw, f->installed, name, runs ? runs : "", false) ||
              stands(aw, f->assigned, name, runs ? runs : "", true);
    for (size_t i = 0; all && i < f->n_equals; i++) {
        const char *v = json_str(attributes, f->equals[i][0], NULL);
        all = v && strcmp(v, f->equals[i][1]) == 0;
    }
    return (all && !named(f->exclude, f->n_exclude, name)) || named(f->include, f->n_include, name);
}

static void model_device(const char *name, struct arena *a, struct device *out)
{
    *out = (struct device){.id = safe_text(a, name, strlen(name), NAME_MAX_BYTES),
                           .raw_id = arena_strdup(a, name),
                           .name = safe_text(a, name, strlen(name), NAME_MAX_BYTES),
                           .status = DEVICE_REGISTERED,
                           .address = ""};
}

static void take_device(struct job *j, const struct json_t *o, void *ctx)
{
    struct device_list *out = j->out;
    struct aw_work *w = ctx;
    const char *name = json_str(o, "thingName", NULL);
    if (!name || !name[0] || !wanted((struct aw *)j->home, w->filter, o, name))
        return;
    out->total++;
    if (out->n == w->limit)
        return;
    if (out->n == w->room) {
        w->room = w->room ? 2 * w->room : 256;
        struct device *v = ARENA_ARRAY(j->arena, struct device, w->room);
        if (out->n)
            memcpy(v, out->v, out->n * sizeof *v);
        out->v = v;
    }
    model_device(name, j->arena, &out->v[out->n++]);
}

static void devices_there(struct job *j)
{
    j->next = NULL;
    aw_pages(j, job_path(j, "/things?maxResults=%d", AW_PAGE), "things", take_device, aw_work(j), NULL);
}

void aw_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                struct device_list *out, backend_done done, void *ctx)
{
    struct job *j = aw_job_begin(b, a, out, done, ctx);
    struct aw_work *w = aw_work(j);
    *out = (struct device_list){.v = ARENA_ARRAY(a, struct device, 1)};
    w->limit = limit;
    w->filter = job_filter_copy(j, f);
    j->next = devices_there;
    if (w->filter->installed || w->filter->assigned)
        job_share_want(j, &((struct aw *)b)->jobs_share, AW_TICK_US, false);
    else
        devices_there(j);
}

/* --- one thing --- */

static const struct aw_release *release_by_hash(const struct aw *aw, const char *hash)
{
    for (size_t i = 0; i < aw->n_releases; i++)
        if (strcmp(aw->releases[i].hash, hash) == 0)
            return &aw->releases[i];
    return NULL;
}

static void on_thing(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    const struct aw *aw = (const struct aw *)j->home;
    struct device_info *out = j->out;
    const struct json_t *attributes = json_get(doc, "attributes"), *v;
    const char *name = json_str(doc, "thingName", NULL), *key;
    void *it = NULL;
    (void)i;
    (void)a;
    model_device(name ? name : "", j->arena, &out->device);
    out->attributes = arena_array(j->arena, 64, sizeof *out->attributes);
    while (out->n_attributes < 64 && json_each(attributes, &it, &key, &v)) {
        size_t n;
        const char *s = json_str_value(v, &n);
        if (!s)
            continue;
        out->attributes[out->n_attributes][0] = safe_text(j->arena, key, strlen(key), 128);
        out->attributes[out->n_attributes++][1] = safe_text(j->arena, s, n, NAME_MAX_BYTES);
        if (aw->version_attribute[0] && strcmp(key, aw->version_attribute) == 0)
            for (size_t k = 0; k < aw->n_releases; k++)
                if (strcmp(aw->releases[k].release.version, s) == 0)
                    out->installed = release_copy(&aw->releases[k].release, j->arena);
    }
}

static void on_executions(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct device_info *out = j->out;
    const struct json_t *list = json_get(doc, "executionSummaries");
    size_t n = json_len(list);
    (void)i;
    (void)a;
    out->actions = ARENA_ARRAY(j->arena, struct device_action, n + 1);
    for (size_t k = 0; k < n; k++) {
        const struct json_t *o = json_at(list, k), *sum = json_get(o, "jobExecutionSummary");
        size_t len = 0;
        const char *id = json_str(o, "jobId", &len), *word = json_str(sum, "status", NULL);
        enum aw_status s = aw_status_of(sum);
        char hash[AW_HASH + 1];
        const struct aw_release *r =
            id && aw_job_ours(id, hash) ? release_by_hash((const struct aw *)j->home, hash) : NULL;
        out->actions[out->n_actions++] = (struct device_action){
            .id = safe_text(j->arena, id, len, 80),
            .release = r ? arena_printf(j->arena, "%s:%s", r->release.name, r->release.version) : "",
            .status = safe_text(j->arena, word, word ? strlen(word) : 0, 40),
            .type = "job",
            .at = aw_time(sum, "queuedAt"),
            .rollout = "",
            .active = s == AW_QUEUED || s == AW_IN_PROGRESS};
    }
}

void aw_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
               void *ctx)
{
    struct job *j = aw_job_begin(b, a, out, done, ctx);
    *out = (struct device_info){.device = {.id = "", .raw_id = "", .name = "", .address = ""},
                                .installed = {.id = "", .name = "", .version = ""},
                                .assigned = {.id = "", .name = "", .version = ""}};
    const char *id = job_escape(j, raw_id);
    job_get(j, job_path(j, "/things/%s", id), on_thing, 0);
    job_get(j, job_path(j, "/things/%s/jobs?maxResults=20", id), on_executions, 0);
}
