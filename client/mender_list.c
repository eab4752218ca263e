/* Lists in pages: the deployments with their devices, and the inventory, read once for all calls of a tick. A
 * deployment that has finished changes no more and is not read again. */
#include "client/mender_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 3 /* of a list that moves while it is read */

/* --- pages --- */

struct pager {
    const char *path;
    md_item item;
    void *ctx;
    md_end end;
    size_t page, seen;
    int64_t total;
    bool moved;
};

struct job *md_job(struct backend *b, struct arena *a, void *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    j->state = ARENA_NEW(&j->scratch, struct md_work);
    return j;
}

struct md_work *md_work(struct job *j)
{
    return j->state;
}

static void ask_page(struct job *j, size_t i);

static void on_page(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct pager *g = job_kept(j, i);
    size_t n = json_len(doc);
    if (!json_is_arr(doc) || g->page >= MD_PAGES_MAX) {
        job_failf(j, json_is_arr(doc) ? ERR_LIMIT : ERR_PROTOCOL, j->home->wrong_server,
                  "answer of GET %.100s: not a list that andon reads", g->path);
        return;
    }
    for (size_t k = 0; k < n && j->err.code == ERR_NONE; k++)
        g->item(j, json_at(doc, k), g->ctx);
    if (j->err.code != ERR_NONE)
        return;
    g->moved = g->moved || (g->page > 1 && a->total != g->total);
    g->total = a->total;
    g->seen += n;
    if (a->next_page || (n > 0 && a->total > (int64_t)g->seen)) {
        ask_page(j, i);
        return;
    }
    bool all = g->total < 0 || g->total == (int64_t)g->seen;
    if (g->end)
        g->end(j, g->ctx, all && !g->moved);
}

static void ask_page(struct job *j, size_t i)
{
    struct pager *g = job_kept(j, i);
    job_get(j, job_path(j, "%spage=%zu&per_page=%d", g->path, ++g->page, MD_PAGE), on_page, i);
}

void md_pages(struct job *j, const char *path, md_item item, void *ctx, md_end end)
{
    struct pager *g = ARENA_NEW(&j->scratch, struct pager);
    *g = (struct pager){.path = path, .item = item, .ctx = ctx, .end = end, .total = -1};
    ask_page(j, job_keep(j, g));
}

/* --- deployments --- */

static void deployment_free(struct md_deployment *d)
{
    arena_release(&d->arena);
    arena_release(&d->rows_arena);
    free(d);
}

void md_lists_free(struct md *md)
{
    for (size_t i = 0; i < md->n_deployments; i++)
        deployment_free(md->deployments[i]);
    free(md->deployments);
    arena_release(&md->devices_arena);
}

static bool plain_id(const char *s)
{
    size_t n = s ? strspn(s, "0123456789abcdefABCDEF-") : 0;
    return n > 0 && n < MD_ID && s[n] == '\0';
}

static void take_deployment(struct job *j, const struct json_t *o, void *ctx)
{
    struct md *md = ctx;
    const char *id = json_str(o, "id", NULL), *status = json_str(o, "status", NULL);
    const char *name = json_str(o, "name", NULL), *artifact = json_str(o, "artifact_name", NULL);
    struct md_deployment *d = NULL;
    if (!plain_id(id) || !status) {
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "answer of GET " MD_V2 ": id, status: expected texts");
        return;
    }
    bool finished = strcmp(status, "finished") == 0;
    if (!name || !artifact || (finished && strncmp(name, MD_NAME, strlen(MD_NAME)) != 0))
        return; /* a configuration, or another's that is over: inventories tell what came of it */
    for (size_t i = 0; i < md->n_deployments && !d; i++)
        if (strcmp(md->deployments[i]->id, id) == 0)
            d = md->deployments[i];
    if (!d) {
        d = xcalloc(1, sizeof *d);
        arena_init(&d->arena);
        arena_init(&d->rows_arena);
        snprintf(d->id, sizeof d->id, "%s", id);
        d->name = arena_strdup(&d->arena, name);
        d->artifact = arena_strdup(&d->arena, artifact);
        md->deployments = xreallocarray(md->deployments, md->n_deployments + 1, sizeof(struct md_deployment *));
        md->deployments[md->n_deployments++] = d;
    }
    d->listed = true;
    d->created_at = md_time(o, "created");
    d->finished_at = md_time(o, "finished");
    d->finished = finished;
}

static int newest_first(const void *pa, const void *pb)
{
    const struct md_deployment *const *a = pa, *const *b = pb;
    if ((*a)->created_at != (*b)->created_at)
        return (*a)->created_at < (*b)->created_at ? 1 : -1;
    return strcmp((*b)->id, (*a)->id);
}

static int by_text(const void *pa, const void *pb)
{
    const char *const *a = pa, *const *b = pb;
    return strcmp(*a, *b);
}

static int by_device(const void *pa, const void *pb)
{
    const struct md_row *a = pa, *b = pb;
    return strcmp(a->device, b->device);
}

/* The devices of a deployment, while they are read. */
struct reading {
    struct md_deployment *d;
    const char **targets; /* in the scratch, but for the texts */
    size_t n_targets, cap_targets;
    struct arena arena;
    struct md_row *rows;
    size_t n_rows, cap_rows;
    bool still;
};

static void *grown(struct arena *a, const void *v, size_t n, size_t *cap, size_t size)
{
    *cap = *cap ? 2 * *cap : 64;
    void *more = arena_array(a, *cap, size);
    if (n)
        memcpy(more, v, n * size);
    return more;
}

static void take_target(struct job *j, const struct json_t *o, void *ctx)
{
    struct reading *s = ctx;
    const char *id = json_str_value(o, NULL);
    if (!id) {
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "answer of GET .../device_list: expected ids");
        return;
    }
    if (s->n_targets == s->cap_targets)
        s->targets = grown(&j->scratch, s->targets, s->n_targets, &s->cap_targets, sizeof *s->targets);
    s->targets[s->n_targets++] = arena_strdup(&s->d->arena, id);
}

/* The list of a deployment is made with it, and never changes. */
static void targets_end(struct job *j, void *ctx, bool still)
{
    struct reading *s = ctx;
    (void)j;
    if (!still)
        return;
    s->d->targets = ARENA_ARRAY(&s->d->arena, const char *, s->n_targets + 1);
    if (s->n_targets)
        memcpy(s->d->targets, s->targets, s->n_targets * sizeof *s->targets);
    qsort(s->d->targets, s->n_targets, sizeof *s->d->targets, by_text);
    s->d->n_targets = s->n_targets;
}

static void take_row(struct job *j, const struct json_t *o, void *ctx)
{
    struct reading *s = ctx;
    const char *id = json_str(o, "id", NULL);
    if (!id) {
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "answer of GET .../devices/list: id: expected a text");
        return;
    }
    if (s->n_rows == s->cap_rows)
        s->rows = grown(&s->arena, s->rows, s->n_rows, &s->cap_rows, sizeof *s->rows);
    s->rows[s->n_rows++] = (struct md_row){
        .device = arena_strdup(&s->arena, id), .status = md_status_of(o), .finished_at = md_time(o, "finished")};
}

/* Rows come into being while a deployment goes on: one that is there twice has moved to the next page, and one that was
 * missed is seen with the next reading. */
static void rows_end(struct job *j, void *ctx, bool still)
{
    struct reading *s = ctx;
    size_t n = 0;
    (void)j;
    s->still = still;
    if (s->n_rows)
        qsort(s->rows, s->n_rows, sizeof *s->rows, by_device);
    for (size_t i = 0; i < s->n_rows; i++)
        if (n == 0 || strcmp(s->rows[n - 1].device, s->rows[i].device) != 0)
            s->rows[n++] = s->rows[i];
    arena_release(&s->d->rows_arena);
    s->d->rows_arena = s->arena;
    s->d->rows = s->rows;
    s->d->n_rows = n;
    arena_init(&s->arena);
}

static void deployments_there(struct job *j)
{
    const struct md *md = (const struct md *)j->home;
    struct reading *all = j->out;
    for (size_t i = 0; i < md->n_deployments; i++) {
        struct md_deployment *d = md->deployments[i];
        if (!d->targets || (d->finished && !d->whole && !all[i].still)) {
            job_failf(j, ERR_PROTOCOL, "ask again", "the devices of a deployment changed while they were listed");
            return;
        }
        d->whole = d->finished;
    }
}

static void deployments_listed(struct job *j, void *ctx, bool still)
{
    struct md *md = ctx;
    size_t n = 0;
    (void)still; /* newest first, and none goes: one that comes meanwhile moves others, which are then seen twice */
    if (md->n_deployments)
        qsort(md->deployments, md->n_deployments, sizeof(struct md_deployment *), newest_first);
    for (size_t i = 0; i < md->n_deployments; i++) {
        struct md_deployment *d = md->deployments[i];
        if (d->listed && n < MD_DEPLOYMENTS_MAX)
            md->deployments[n++] = d;
        else
            deployment_free(d);
    }
    md->n_deployments = n;
    struct reading *all = j->out = ARENA_ARRAY(&j->scratch, struct reading, n + 1);
    j->next = deployments_there;
    for (size_t i = 0; i < n; i++) {
        struct md_deployment *d = md->deployments[i];
        all[i].d = d;
        arena_init(&all[i].arena);
        if (!d->targets)
            md_pages(j, job_path(j, MD_V1 "/%s/device_list?", d->id), take_target, &all[i], targets_end);
        if (!d->whole)
            md_pages(j, job_path(j, MD_V1 "/%s/devices/list?", d->id), take_row, &all[i], rows_end);
    }
}

static void drop_readings(struct job *j)
{
    const struct md *md = (const struct md *)j->home;
    struct reading *all = j->out;
    for (size_t i = 0; all && i < md->n_deployments; i++)
        arena_release(&all[i].arena);
}

static void share_read(void *ctx, const struct reply *r)
{
    job_share_end(ctx, r);
}

void md_read_deployments(struct job_share *s)
{
    struct md *md = (struct md *)s->home;
    struct job *j = md_job(&s->home->base, NULL, NULL, share_read, s);
    for (size_t i = 0; i < md->n_deployments; i++)
        md->deployments[i]->listed = false;
    j->drop = drop_readings;
    md_pages(j, MD_V2 "?", take_deployment, md, deployments_listed);
}

/* --- the inventory --- */

static int by_id(const void *pa, const void *pb)
{
    const struct md_device *a = pa, *b = pb;
    return strcmp(a->id, b->id);
}

static int id_is(const void *key, const void *element)
{
    const struct md_device *d = element;
    return strcmp(key, d->id);
}

struct devices { /* while they are read */
    struct arena arena;
    struct md_device *v;
    size_t n, cap;
    int tries;
};

static void take_device(struct job *j, const struct json_t *o, void *ctx)
{
    struct devices *t = ctx;
    if (t->n == t->cap)
        t->v = grown(&t->arena, t->v, t->n, &t->cap, sizeof *t->v);
    if (md_decode_device(o, &t->arena, &t->v[t->n]))
        t->n++;
    else
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "answer of GET " MD_INVENTORY ": id: expected a text");
}

static void devices_end(struct job *j, void *ctx, bool still)
{
    struct md *md = (struct md *)j->home;
    struct devices *t = ctx;
    if (!still && ++t->tries < TRIES) {
        t->n = 0;
        md_pages(j, MD_INVENTORY "?", take_device, t, devices_end);
        return;
    }
    if (t->n)
        qsort(t->v, t->n, sizeof *t->v, by_id);
    arena_release(&md->devices_arena);
    md->devices_arena = t->arena;
    md->devices = t->v;
    md->n_devices = t->n;
    md->devices_whole = still;
    md->small = t->n <= MD_PAGE;
    arena_init(&t->arena);
}

static void drop_devices(struct job *j)
{
    arena_release(&((struct devices *)j->out)->arena);
}

void md_read_devices(struct job_share *s)
{
    struct job *j = md_job(&s->home->base, NULL, NULL, share_read, s);
    struct devices *t = ARENA_NEW(&j->scratch, struct devices);
    arena_init(&t->arena);
    j->out = t;
    j->drop = drop_devices;
    md_pages(j, MD_INVENTORY "?", take_device, t, devices_end);
}

static void on_device(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct err e = {0};
    (void)doc;
    if (a->status == 404)
        return;
    if (a->status != 200) {
        md_error(a, http_peer_name(j->home->peer), "GET " MD_INVENTORY, false, &e);
        job_fail(j, &e);
        return;
    }
    struct json_t *o = json_parse(a->body.data, a->body.len, JOB_BODY_MAX, "answer of GET " MD_INVENTORY, &e);
    if (!o || !md_decode_device(o, &j->scratch, &md_work(j)->found[i]))
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "answer of GET " MD_INVENTORY ": not a device");
    json_free(o);
}

void md_need_devices(struct job *j)
{
    struct md *md = (struct md *)j->home;
    struct md_work *w = md_work(j);
    w->found = ARENA_ARRAY(&j->scratch, struct md_device, w->n + 1);
    w->asked = w->n <= MD_ASK_MOST && !md->small;
    if (!w->asked)
        job_share_want(j, &md->devices_share, md->small ? MD_TICK_US : MD_DEVICES_US, true);
    for (size_t i = 0; w->asked && i < w->n; i++)
        job_send(j, "GET", job_path(j, MD_INVENTORY "/%s", job_escape(j, w->ids[i])), NULL, HTTP_SAFE, PART_ANY_STATUS,
                 on_device, i);
}

void md_found(struct job *j)
{
    const struct md *md = (const struct md *)j->home;
    struct md_work *w = md_work(j);
    w->whole = w->asked || md->devices_whole;
    for (size_t i = 0; !w->asked && i < w->n && md->n_devices; i++) {
        const struct md_device *d = bsearch(w->ids[i], md->devices, md->n_devices, sizeof *md->devices, id_is);
        if (d)
            w->found[i] = *d;
    }
}

void md_keep(struct job *j, const struct release *r, const char *const *ids, size_t n)
{
    struct md_work *w = md_work(j);
    w->ids = job_strings(j, ids, n);
    w->n = n;
    w->release = job_release(j, r);
}
