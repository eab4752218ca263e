/* Where devices stand, telling them and taking it back: PATCH of named devices. A refusal may come after half of them
 * (a 500 always, a 422 when a device's own rules refuse it), so what would be refused is kept out beforehand. */
#include "client/goosebit_impl.h"

#include <string.h>
#include "core/text.h"

enum { GROUP_NONE = 255 };

/* --- standing --- */

static void standing_there(struct job *j)
{
    const struct gb_work *w = gb_work(j);
    struct device_standing *out = j->out;
    const struct gb_software *s = gb_software_of(j, &w->release);
    for (size_t i = 0; s && i < w->n; i++) {
        const struct gb_device *d = gb_list_find(gb_list_of(j), w->ids[i]);
        out[i].at = d ? gb_standing_of(d, s) : AT_ABSENT;
        out[i].last_seen = d && d->age_s >= 0 ? gb_list_of(j)->made_at - d->age_s * US_PER_S : 0;
    }
}

void gb_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                 struct device_standing *out, backend_done done, void *ctx)
{
    struct job *j = gb_job(b, a, out, done, ctx);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct device_standing){.at = AT_UNKNOWN};
    gb_keep_release(j, r);
    gb_keep_ids(j, raw_ids, n);
    j->next = standing_there;
    gb_need_software(j, false);
    gb_need_list(j, GB_TICK_US, false);
}

/* --- what is common to telling and taking back --- */

static struct job *tell_job(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n,
                            struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct job *j = gb_job(b, a, out, done, ctx);
    struct gb_work *w = gb_work(j);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct tell_result){.outcome = TELL_NOT_SENT, .why = "", .undo = ""};
    gb_keep_release(j, r);
    gb_keep_ids(j, raw_ids, n);
    w->told = out;
    w->group = ARENA_ARRAY(&j->scratch, unsigned char, n ? n : 1);
    memset(w->group, GROUP_NONE, n);
    return j;
}

/* Nothing was changed by it: refused before the server looked at any device. */
static bool refused_whole(const struct http_answer *a)
{
    if (a->status == 401 || a->status == 403 || a->status == 404 || a->status == 405 || a->status == 429)
        return true;
    if (a->status != 422 || a->body.len == 0)
        return false;
    struct json_t *doc = json_parse(a->body.data, a->body.len, 65536, "error", NULL);
    bool list = json_is_arr(json_get(doc, "detail")); /* about the request; a text is about a device */
    json_free(doc);
    return list;
}

static void on_patched(struct job *j, size_t group, const struct http_answer *a, const struct json_t *doc)
{
    struct gb_work *w = gb_work(j);
    struct err e = {0};
    bool done = !a->err && a->status >= 200 && a->status <= 299;
    enum tell_outcome outcome = TELL_NOT_KNOWN;
    (void)doc;
    gb_changed((struct gb *)j->home);
    if (done)
        outcome = TELL_DONE;
    else if (a->err && a->status == 0)
        outcome = a->maybe_sent ? TELL_NOT_KNOWN : TELL_NOT_SENT;
    else if (!a->err && refused_whole(a))
        outcome = TELL_REFUSED;
    if (a->err)
        e = *a->err;
    else if (!done)
        gb_error(a, http_peer_name(j->home->peer), "PATCH /api/v1/devices", false, &e);
    const char *why = done ? "" : arena_strdup(j->arena, e.what);
    for (size_t i = 0; i < w->n; i++)
        if (w->group[i] == group) {
            w->told[i].outcome = outcome;
            w->told[i].why = why;
        }
    if (!done && w->err.code == ERR_NONE) {
        w->err = e;
        w->status = a->status;
    }
}

/* All requests have ended, each with its own outcome. */
static void all_patched(struct job *j)
{
    const struct gb_work *w = gb_work(j);
    job_told(j, w->told, w->n, &w->err, w->status);
}

/* One request for the devices of a group; `rest` writes what they get. */
static void patch(struct job *j, unsigned char group, unsigned http_flags,
                  void (*rest)(struct json_w *w, const void *arg), const void *arg)
{
    struct gb_work *k = gb_work(j);
    struct buf body;
    struct json_w w;
    buf_init(&body, JOB_BODY_MAX);
    json_w_init(&w, &body, 0);
    json_w_obj(&w);
    json_w_key(&w, "devices");
    json_w_arr(&w);
    for (size_t i = 0; i < k->n; i++)
        if (k->group[i] == group) {
            json_w_str(&w, k->ids[i]);
            k->told[i].outcome = TELL_NOT_KNOWN;
        }
    json_w_arr_end(&w);
    rest(&w, arg);
    json_w_obj_end(&w);
    gb_changed((struct gb *)j->home);
    job_send(j, "PATCH", "/api/v1/devices", body.data, http_flags, PART_VERB | PART_ANY_END, on_patched, group);
    buf_release(&body);
}

/* --- telling --- */

struct given {
    const char *software;
    bool force;
};

static void write_given(struct json_w *w, const void *arg)
{
    const struct given *g = arg;
    json_w_kstr(w, "software", g->software);
    if (g->force)
        json_w_kbool(w, "force_update", true);
}

static void refuse(struct job *j, size_t i, const char *why)
{
    struct tell_result *t = &gb_work(j)->told[i];
    t->outcome = TELL_REFUSED;
    t->why = why;
}

static void tell_there(struct job *j)
{
    struct gb_work *w = gb_work(j);
    const struct gb_software *s = gb_software_of(j, &w->release);
    size_t in[2] = {0, 0};
    for (size_t i = 0; s && i < w->n; i++) {
        const struct gb_device *d = gb_list_find(gb_list_of(j), w->ids[i]);
        if (!d) {
            refuse(j, i, "the server has no such device");
        } else if (!gb_fits(d, s)) {
            refuse(j, i, "the release is made for other boards");
        } else { /* a device that failed is offered nothing until it is forced to try again */
            w->group[i] = d->state == GB_ERROR;
            w->told[i].undo = gb_undo_of(d, s->id, j->arena);
            in[w->group[i]]++;
        }
    }
    j->next = all_patched;
    for (unsigned char g = 0; s && g < 2; g++)
        if (in[g])
            patch(j, g, 0, write_given, &(struct given){s->release.id, g == 1});
    if (s && !in[0] && !in[1])
        job_idle(j);
}

void gb_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
             struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct job *j = tell_job(b, r, raw_ids, n, a, out, done, ctx);
    struct err e = {0};
    (void)key; /* there is no place for it; the same again has the same effect */
    if (n > GB_TELL_MOST) {
        err_set(&e, ERR_LIMIT, "", "gooseBit is told of %d devices at a time", GB_TELL_MOST);
        job_refuse(j, &e);
        return;
    }
    j->next = tell_there;
    gb_need_software(j, false);
    gb_need_list(j, GB_UNDO_US, true);
}

/* --- taking back --- */

static void write_undo(struct json_w *w, const void *arg)
{
    gb_undo_write(arg, w);
}

void gb_recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
               const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
               void *ctx)
{
    struct job *j = tell_job(b, r, raw_ids, n, a, out, done, ctx);
    struct gb_work *w = gb_work(j);
    const char *of[REPLY_REQUESTS];
    size_t groups = 0;
    struct err e = {0};
    (void)key;
    if (force || n > GB_TELL_MOST) {
        if (force)
            err_set(&e, ERR_UNSUPPORTED, "", "gooseBit can't cut off what devices have begun");
        else
            err_set(&e, ERR_LIMIT, "", "gooseBit is told of %d devices at a time", GB_TELL_MOST);
        job_refuse(j, &e);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const char *text = undo && undo[i] ? undo[i] : "";
        size_t g = 0;
        while (g < groups && strcmp(of[g], text) != 0)
            g++;
        if (g == REPLY_REQUESTS) {
            out[i].why = "too many feeds for one call: ask again for this device";
            continue;
        }
        if (g == groups)
            of[groups++] = text;
        w->group[i] = (unsigned char)g;
    }
    j->next = all_patched;
    for (size_t g = 0; g < groups; g++)
        patch(j, (unsigned char)g, HTTP_URGENT, write_undo, of[g]);
    if (!groups)
        job_idle(j);
}
