/* Reading rollouts, waves and what is in flight. */
#include "client/hawkbit_impl.h"

#include <stdio.h>
#include <string.h>

/* --- what the server can do --- */

/* Every line is asked about an object that does not exist: hawkBit answers with one of its error codes when it knows
 * the call, and its web framework with a bare 404 when it does not. Nothing is changed by asking. */
static const struct {
    const char *method, *path, *body;
    uint32_t caps;
    bool must_be_allowed; /* a 403 is a no */
} questions[] = {
    {"POST", "/rest/v1/rollouts/0/pause", NULL, CAP_PAUSE, false},
    {"POST", "/rest/v1/rollouts/0/approve", NULL, CAP_APPROVE, false},
    {"POST", "/rest/v1/rollouts/0/triggerNextGroup", NULL, CAP_TRIGGER_NEXT, false},
    {"POST", "/rest/v1/rollouts/0/stop", NULL, CAP_STOP, false},
    {"POST", "/rest/v1/rollouts/0/retry", NULL, CAP_RETRY, false},
    {"POST", "/rest/v1/distributionsets/0/invalidate", "{\"actionCancelationType\":\"none\"}", CAP_INVALIDATE, false},
    {"DELETE", "/rest/v1/targets/andon-no-such-device/actions/0", NULL, CAP_CANCEL | CAP_RECALL | CAP_FORCE, false},
    {"POST", "/rest/v1/distributionsets/0/assignedTargets", "[]", CAP_TELL | CAP_OFFLINE, true},
    {"DELETE", "/rest/v1/targetfilters/0/autoAssignDS", NULL, CAP_AUTO_ASSIGN, true},
    {"GET", "/rest/v1/distributionsets/0/metadata", NULL, CAP_NOTES, true},
    {"PUT", "/rest/v1/distributionsets/0/metadata/andon", "{\"value\":\"\"}", CAP_NOTES_PUT, true},
};
#define N_QUESTIONS (sizeof questions / sizeof *questions)

static bool known_call(const struct http_answer *a)
{
    if (a->status < 400 || a->status == 401 || a->status >= 500 || a->body.len == 0)
        return a->status >= 200 && a->status < 300;
    struct json_t *doc = json_parse(a->body.data, a->body.len, 65536, "error", NULL);
    bool known = json_str(doc, "errorCode", NULL) != NULL;
    json_free(doc);
    return known;
}

static void on_question(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct backend_info *out = j->out;
    (void)doc;
    if (known_call(a) && !(a->status == 403 && questions[i].must_be_allowed))
        out->caps |= questions[i].caps;
}

static void on_actions(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct backend_info *out = j->out;
    (void)i;
    (void)doc;
    if (a->status == 200)
        out->caps |= CAP_ACTION_LIST;
}

static void on_userinfo(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct backend_info *out = j->out;
    (void)i;
    (void)doc;
    if (a->status != 200)
        return;
    struct json_t *d = json_parse(a->body.data, a->body.len, 65536, "userinfo", NULL);
    out->user = hb_text(d, "username", j->arena, 128);
    json_free(d);
}

static void on_one_wave(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct backend_info *out = j->out;
    (void)i;
    (void)a;
    const struct json_t *wave = json_at(json_get(doc, "content"), 0);
    if (json_is_obj(json_get(wave, "totalTargetsPerStatus")))
        out->caps |= CAP_WAVE_COUNTS;
}

static void on_one_rollout(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct backend_info *out = j->out;
    int64_t id;
    (void)i;
    (void)a;
    if (!json_is_arr(json_get(doc, "content"))) {
        job_failf(j, ERR_PROTOCOL, "check that the fleet's url names a hawkBit server, without /rest/v1 at its end",
                  "%s answers, but not as hawkBit does", http_peer_name(j->home->peer));
        return;
    }
    out->caps |= CAP_WAVES | CAP_ROLLOUTS | CAP_DOWNGRADE;
    if (json_int(json_at(json_get(doc, "content"), 0), "id", &id) && id > 0)
        job_get(j, job_path(j, "/rest/v1/rollouts/%lld/deploygroups?representation=full&limit=1", (long long)id),
                on_one_wave, 0);
}

static void probe_done(struct job *j)
{
    struct backend_info *out = j->out;
    /* Tags 0.3.0 to 0.9.0 have trigger and retry, 1.0.0 and later stop as well, the milestones before none. */
    if (out->caps & CAP_STOP)
        out->version = "1.x";
    else if (out->caps & CAP_TRIGGER_NEXT)
        out->version = "0.3-0.9";
    else
        out->version = "0.3";
}

void hb_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    *out = (struct backend_info){.kind = "hawkbit", .version = "?", .user = ""};
    j->next = probe_done;
    job_get(j, "/rest/v1/rollouts?limit=1&sort=id:DESC", on_one_rollout, 0);
    job_send(j, "GET", "/rest/v1/userinfo", NULL, HTTP_SAFE, PART_ANY_STATUS, on_userinfo, 0);
    job_send(j, "GET", "/rest/v1/actions?limit=1", NULL, HTTP_SAFE, PART_ANY_STATUS, on_actions, 0);
    for (size_t i = 0; i < N_QUESTIONS; i++)
        job_send(j, questions[i].method, questions[i].path, questions[i].body, HTTP_SAFE, PART_ANY_STATUS, on_question,
                 i);
}

/* --- rollouts --- */

static bool rollout_item(struct job *j, const struct json_t *o, void *element, const char *where, struct err *e)
{
    return hb_decode_rollout(o, j->arena, element, where, e);
}

static void remember_ended(struct hb *hb, const struct rollout *r)
{
    if (!rollout_state_ended(r->state) || !r->counts.known)
        return;
    struct hb_ended *slot = &hb->ended[hb->next_ended++ % HB_ENDED_MAX];
    snprintf(slot->id, sizeof slot->id, "%s", r->id);
    slot->last_modified = r->last_modified;
    slot->counts = r->counts;
}

static bool recall_ended(const struct hb *hb, struct rollout *r)
{
    for (size_t i = 0; i < HB_ENDED_MAX; i++)
        if (strcmp(hb->ended[i].id, r->id) == 0 && hb->ended[i].last_modified == r->last_modified) {
            r->counts = hb->ended[i].counts;
            return true;
        }
    return false;
}

static void on_rollout_detail(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct rollout_list *out = j->out;
    struct rollout r;
    struct err e = {0};
    (void)a;
    if (!hb_decode_rollout(doc, j->arena, &r, "answer of GET rollout", &e)) {
        job_fail(j, &e);
        return;
    }
    remember_ended((struct hb *)j->home, &r);
    out->v[i] = r;
}

/* A list without counts (0.3): those that still move are read one by one, those that have ended once. */
static void fill_counts(struct job *j, struct rollout_list *out)
{
    size_t asked = 0;
    for (size_t i = 0; i < out->n && asked < HB_ENDED_MAX; i++) {
        struct rollout *r = &out->v[i];
        if (r->counts.known || (rollout_state_ended(r->state) && recall_ended((struct hb *)j->home, r)))
            continue;
        job_get(j, job_path(j, "/rest/v1/rollouts/%s", r->id), on_rollout_detail, i);
        asked++;
    }
}

static void rollouts_end(struct job *j, void *elements, size_t n, int64_t total)
{
    struct rollout_list *out = j->out;
    struct rollout *v = elements;
    size_t kept = 0;
    /* Newest first: a rollout created between two pages shifts the rest, and the last of a page comes twice. */
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(v[kept - 1].id, v[i].id) != 0)
            v[kept++] = v[i];
    *out = (struct rollout_list){.v = v, .n = kept, .clipped = (uint64_t)total > n};
    fill_counts(j, out);
}

void hb_rollouts(struct backend *b, size_t limit, struct arena *a, struct rollout_list *out, backend_done done,
                 void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    *out = (struct rollout_list){0};
    job_pages(j, "/rest/v1/rollouts?representation=full&sort=id:DESC", limit, sizeof(struct rollout), rollout_item,
              rollouts_end);
}

static void on_rollout(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct err e = {0};
    (void)i;
    (void)a;
    if (!hb_decode_rollout(doc, j->arena, j->out, "answer of GET rollout", &e))
        job_fail(j, &e);
}

void hb_rollout(struct backend *b, const char *id, struct arena *a, struct rollout *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct err e = {0};
    if (!hb_id_ok(id, "rollout", &e)) {
        job_refuse(j, &e);
        return;
    }
    job_get(j, job_path(j, "/rest/v1/rollouts/%s", id), on_rollout, 0);
}

/* --- waves --- */

static bool wave_item(struct job *j, const struct json_t *o, void *element, const char *where, struct err *e)
{
    return hb_decode_wave(o, j->arena, element, where, e);
}

static void on_wave_detail(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct wave_list *out = j->out;
    struct wave w;
    struct err e = {0};
    (void)a;
    if (!hb_decode_wave(doc, j->arena, &w, "answer of GET deploygroup", &e)) {
        job_fail(j, &e);
        return;
    }
    w.index = (int)i;
    out->v[i] = w;
}

static void waves_end(struct job *j, void *elements, size_t n, int64_t total)
{
    struct wave_list *out = j->out;
    (void)total;
    *out = (struct wave_list){.v = elements, .n = n};
    for (size_t i = 0; i < n; i++) {
        out->v[i].index = (int)i;
        if (!out->v[i].counts.known)
            job_get(j, job_path(j, "/rest/v1/rollouts/%s/deploygroups/%s", j->subject, out->v[i].id), on_wave_detail,
                    i);
    }
}

void hb_waves(struct backend *b, const char *rollout, struct arena *a, struct wave_list *out, backend_done done,
              void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct err e = {0};
    *out = (struct wave_list){0};
    if (!hb_id_ok(rollout, "rollout", &e)) {
        job_refuse(j, &e);
        return;
    }
    j->subject = arena_strdup(&j->scratch, rollout);
    job_pages(j, job_path(j, "/rest/v1/rollouts/%s/deploygroups?representation=full&sort=id:ASC", rollout), 1000,
              sizeof(struct wave), wave_item, waves_end);
}

static bool device_item(struct job *j, const struct json_t *o, void *element, const char *where, struct err *e)
{
    return hb_decode_device(o, j->arena, element, where, e);
}

static void devices_end(struct job *j, void *elements, size_t n, int64_t total)
{
    struct device_list *out = j->out;
    *out = (struct device_list){.v = elements, .n = n, .total = total};
}

void hb_wave_devices(struct backend *b, const char *rollout, const char *wave, size_t limit, struct arena *a,
                     struct device_list *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct err e = {0};
    *out = (struct device_list){0};
    if (!hb_id_ok(rollout, "rollout", &e) || !hb_id_ok(wave, "wave", &e)) {
        job_refuse(j, &e);
        return;
    }
    job_device_pages(j, job_path(j, "/rest/v1/rollouts/%s/deploygroups/%s/targets?sort=id:ASC", rollout, wave), limit,
                     device_item, devices_end);
}

void hb_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                struct device_list *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct err e = {0};
    struct buf filter;
    *out = (struct device_list){0};
    buf_init(&filter, JOB_PATH_MAX);
    if (f && !hb_rsql_filter(&filter, f, &e))
        job_refuse(j, &e);
    else if (f && f->only_include && f->n_include == 0)
        job_idle(j);
    else if (filter.len == 0)
        job_device_pages(j, "/rest/v1/targets?sort=id:ASC", limit, device_item, devices_end);
    else
        job_device_pages(j, job_path(j, "/rest/v1/targets?sort=id:ASC&q=%s", job_escape(j, filter.data)), limit,
                         device_item, devices_end);
    buf_release(&filter);
}

void hb_find(struct backend *b, const struct find_filter *f, size_t limit, struct arena *a, struct device_list *out,
             backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct err e = {0};
    struct buf filter;
    *out = (struct device_list){0};
    buf_init(&filter, JOB_PATH_MAX);
    if (!hb_rsql_find(&filter, f, &e))
        job_refuse(j, &e);
    else
        job_device_pages(
            j, job_path(j, "/rest/v1/targets?sort=id:ASC%s%s", filter.len ? "&q=" : "", job_escape(j, filter.data)),
            limit, device_item, devices_end);
    buf_release(&filter);
}

/* --- in flight --- */

/* The states in which an action is alive. The last ones are not known to every version: a 400 about them means that
 * no action is in them. */
static const struct {
    const char *status;
    bool always;
} alive[] = {
    {"canceling", true}, {"scheduled", true},   {"running", true},  {"retrieved", true},
    {"download", false}, {"downloaded", false}, {"warning", false}, {"wait_for_confirmation", false},
};
#define N_ALIVE (sizeof alive / sizeof *alive)

static void on_alive(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct inflight *out = j->out;
    struct err e = {0};
    int64_t total = 0;
    (void)doc;
    if (a->status == 400 && !alive[i].always)
        return;
    if (a->status != 200) {
        hb_error(a, http_peer_name(j->home->peer), "GET /rest/v1/actions", false, &e);
        if (e.code == ERR_UNSUPPORTED)
            out->known = false; /* 0.3: cannot be told */
        else
            job_fail(j, &e);
        return;
    }
    struct json_t *d = json_parse(a->body.data, a->body.len, HB_BODY_MAX, "answer of GET /rest/v1/actions", &e);
    if (d && (!json_int(d, "total", &total) || total < 0))
        err_set(&e, ERR_PROTOCOL, "", "answer of GET /rest/v1/actions.total: expected a count");
    if (e.code != ERR_NONE) {
        e.code = ERR_PROTOCOL;
        job_fail(j, &e);
    } else if (strcmp(alive[i].status, "canceling") == 0) {
        out->canceling = total;
    } else if (strcmp(alive[i].status, "scheduled") == 0) {
        out->scheduled = total;
    } else {
        out->running += total;
    }
    json_free(d);
}

void hb_inflight(struct backend *b, const char *rollout, struct arena *a, struct inflight *out, backend_done done,
                 void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct err e = {0};
    *out = (struct inflight){.known = true};
    if (!hb_id_ok(rollout, "rollout", &e)) {
        job_refuse(j, &e);
        return;
    }
    for (size_t i = 0; i < N_ALIVE; i++)
        job_send(j, "GET",
                 job_path(j, "/rest/v1/actions?limit=1&q=rollout.id%%3D%%3D%s%%3Bstatus%%3D%%3D%s", rollout,
                          alive[i].status),
                 NULL, HTTP_SAFE, PART_ANY_STATUS, on_alive, i);
}
