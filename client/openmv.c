#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/openmv_impl.h"
#include "core/fmt.h"
#include "core/text.h"

#define PARALLEL 4

static void read_list(struct job_share *s);

static void om_free(struct backend *b)
{
    struct om *om = (struct om *)b;
    http_peer_free(om->home.peer);
    om_list_free(om->list);
    free(om);
}

static const struct backend_ops ops = {
    .kind = "openmv",
    .free = om_free,
    .probe = om_probe,
    .devices = om_devices,
    .release = om_release,
    .releases = om_releases,
    .device = om_device,
    .auto_assigns = om_auto_assigns,
    .auto_assign_off = om_auto_assign_off,
    .standing = om_standing,
    .tell = om_tell,
    .recall = om_recall,
    .tell_most = OM_TELL_MOST,
    .attributes = om_attributes,
};

struct backend *openmv_open(struct http *h, const struct fleet_spec *spec, struct err *e)
{
    struct endpoint ep = spec->endpoint;
    struct om *om = xcalloc(1, sizeof *om);
    ep.bearer = true; /* it knows no other secret than a token */
    ep.user = "";
    om->home = (struct job_home){.base = {.ops = &ops, .http = h},
                                 .peer = http_peer_new(h, &ep, PARALLEL, e),
                                 .error = om_error,
                                 .wrong_server = "check that the fleet's url names an OpenMV OTA server, without "
                                                 "/api/v1 at its end"};
    om->share = (struct job_share){.home = &om->home, .begin = read_list};
    if (!om->home.peer) {
        om_free(&om->home.base);
        return NULL;
    }
    return &om->home.base;
}

struct job *om_job(struct backend *b, struct arena *a, void *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    j->state = ARENA_NEW(&j->scratch, struct om_work);
    return j;
}

struct om_work *om_work(struct job *j)
{
    return j->state;
}

void om_keep_ids(struct job *j, const char *const *ids, size_t n)
{
    om_work(j)->ids = job_strings(j, ids, n);
    om_work(j)->n = n;
}

/* --- a list in pages --- */

static void next_page(struct job *j);

static void on_page(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct om_work *w = om_work(j);
    const struct json_t *list = json_get(doc, w->key);
    size_t n = json_len(list);
    (void)i;
    (void)a;
    if (!json_is_arr(list) || !json_int(doc, "total", &w->total)) {
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "the answer about %s is not a list with a total", w->key);
        return;
    }
    for (size_t k = 0; k < n; k++) {
        char where[80];
        snprintf(where, sizeof where, "answer of GET %s: [%zu]", w->key, w->offset + k);
        if (!w->take(j, json_at(list, k), where))
            return;
    }
    w->offset += n;
    if (n == 0 || (int64_t)w->offset >= w->total)
        w->end(j);
    else if (w->offset >= w->most)
        job_failf(j, ERR_LIMIT, "", "the server lists more than %zu %s", w->most, w->key);
    else
        next_page(j);
}

static void next_page(struct job *j)
{
    const struct om_work *w = om_work(j);
    job_get(j, job_path(j, "%slimit=%d&offset=%zu", w->path, OM_PAGE, w->offset), on_page, 0);
}

void om_pages(struct job *j, const char *path, const char *key, size_t most,
              bool (*take)(struct job *j, const struct json_t *o, const char *where), void (*end)(struct job *j))
{
    struct om_work *w = om_work(j);
    w->path = path;
    w->key = key;
    w->most = most;
    w->take = take;
    w->end = end;
    next_page(j);
}

/* --- the list of devices, shared by the calls of a tick --- */

static bool take_device(struct job *j, const struct json_t *o, const char *where)
{
    struct om_list *l = *(struct om_list **)j->out;
    struct om_device d;
    struct err e = {0};
    if (!om_decode_device(o, l, &d, where, &e)) {
        job_fail(j, &e);
        return false;
    }
    om_list_add(l, &d);
    return true;
}

/* A device that came while it was read moves the pages: then it is not whole, and what is not in it is not known. */
static void list_end(struct job *j)
{
    struct om_list *l = *(struct om_list **)j->out;
    om_list_sort(l);
    l->whole = om_work(j)->total >= 0 && (uint64_t)om_work(j)->total == l->n;
}

struct reading {
    struct om_list *list; /* first */
    struct om *om;
};

static void list_read(void *ctx, const struct reply *reply)
{
    struct reading *r = ctx;
    if (!reply->err) {
        om_list_free(r->om->list);
        r->om->list = r->list;
        r->list = NULL;
    }
    job_share_end(&r->om->share, reply);
    om_list_free(r->list);
    free(r);
}

static void read_list(struct job_share *s)
{
    struct reading *r = xcalloc(1, sizeof *r);
    *r = (struct reading){om_list_new(), (struct om *)s->home};
    struct job *j = om_job(&s->home->base, NULL, &r->list, list_read, r);
    om_pages(j, OM_BASE "/devices?sort=device&dir=asc&", "devices", OM_DEVICES_MAX, take_device, list_end);
}

struct om_list *om_list_of(const struct job *j)
{
    return ((const struct om *)j->home)->list;
}

void om_need_list(struct job *j)
{
    job_share_want(j, &((struct om *)j->home)->share, OM_TICK_US, false);
}

/* --- a release --- */

static void on_release(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct err e = {0};
    (void)a;
    if (!om_decode_release(doc, &j->scratch, &om_work(j)->rel[i], "answer of GET releases", &e))
        job_fail(j, &e);
}

void om_need_release(struct job *j, const struct release *r, size_t i)
{
    if (om_id_ok(r->id))
        job_get(j, job_path(j, OM_BASE "/releases/%s", r->id), on_release, i);
    else {
        struct err e = {0};
        err_set(&e, ERR_NOT_FOUND, "see `andon get releases`", "this is no id of an OpenMV release");
        job_refuse(j, &e);
    }
}

/* --- refusals --- */

void om_error(const struct http_answer *a, const char *peer, const char *what, bool state_op, struct err *e)
{
    char detail[180], wait[FMT_MAX], next[120];
    job_detail(a, detail, sizeof detail);
    (void)state_op;
    if (a->status == 401)
        err_set(e, ERR_AUTH, "check the secret of this fleet, a token; then `andon doctor`",
                "%s refuses the token of this fleet (401)", peer);
    else if (a->status == 403)
        err_set(e, ERR_FORBIDDEN, "ask for a token with the scope that the cause names",
                "%s: the server does not permit this to the token of this fleet (403)", what);
    else if (a->status == 404)
        err_set(e, ERR_NOT_FOUND, "it may be another account's, or have been deleted meanwhile",
                "%s: not there, or not shown to this token", what);
    else if (a->status == 400 || a->status == 422)
        err_set(e, ERR_RANGE, "see the cause", "%s: the server refuses a value", what);
    else if (a->status == 409)
        err_set(e, ERR_STATE, "look at its state again", "%s: its state does not allow it", what);
    else if (a->status == 429) {
        snprintf(next, sizeof next, "try again in %s; poll less often",
                 fmt_dur(wait, a->retry_after_us > 0 ? a->retry_after_us : US_PER_MIN));
        err_set(e, ERR_THROTTLED, next, "%s: %s has had too many requests from this address", what, peer);
    } else if (a->status >= 500)
        err_set(e, ERR_PROTOCOL, "look at the server's log", "%s: %s failed inside (%d)", what, peer, a->status);
    else
        err_set(e, ERR_PROTOCOL, "check that the fleet's url names an OpenMV OTA server",
                "%s: %s answers %d, unexpectedly", what, peer, a->status);
    if (detail[0])
        err_cause(e, "%s", detail);
    http_secret_cause(a, e);
}
