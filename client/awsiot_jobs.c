/* Our jobs with their executions, and the things: lists in pages, one after the other, read once for all calls of a
 * tick. A job that has ended changes no more and is not read again. */
#include "client/awsiot_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- pages --- */

struct aw_pager {
    const char *path, *key; /* path: with a '?' and all but the token */
    aw_item item;
    void *ctx;
    void (*end)(struct job *j, void *ctx);
    size_t pages;
};

static void on_page(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct aw_pager *g = job_kept(j, i);
    const struct json_t *list = json_get(doc, g->key);
    const char *token = json_str(doc, "nextToken", NULL);
    bool more = token && token[0]; /* also behind a page without an element */
    (void)a;
    if (!json_is_arr(list) || ++g->pages > AW_PAGES_MAX) {
        job_failf(j, json_is_arr(list) ? ERR_LIMIT : ERR_PROTOCOL, j->home->wrong_server,
                  "answer of GET %.80s: not a list that andon reads", g->path);
        return;
    }
    for (size_t k = 0; k < json_len(list) && j->err.code == ERR_NONE; k++)
        g->item(j, json_at(list, k), g->ctx);
    if (j->err.code != ERR_NONE)
        return;
    if (more)
        job_get(j, job_path(j, "%s&nextToken=%s", g->path, job_escape(j, token)), on_page, i);
    else if (g->end)
        g->end(j, g->ctx);
}

void aw_pages(struct job *j, const char *path, const char *key, aw_item item, void *ctx,
              void (*end)(struct job *j, void *ctx))
{
    struct aw_pager *g = ARENA_NEW(&j->scratch, struct aw_pager);
    *g = (struct aw_pager){.path = path, .key = key, .item = item, .ctx = ctx, .end = end};
    job_get(j, path, on_page, job_keep(j, g));
}

/* --- our jobs --- */

static void job_free(struct aw_job *k)
{
    arena_release(&k->arena);
    arena_release(&k->x_arena);
    free(k);
}

void aw_jobs_free(struct aw *aw)
{
    for (size_t i = 0; i < aw->n_jobs; i++)
        job_free(aw->jobs[i]);
    free(aw->jobs);
}

static void take_job(struct job *j, const struct json_t *o, void *ctx)
{
    struct aw *aw = ctx;
    const char *id = json_str(o, "jobId", NULL), *status = json_str(o, "status", NULL);
    char hash[AW_HASH + 1];
    struct aw_job *k = NULL;
    (void)j;
    if (!id || !status || !aw_job_ours(id, hash) || strcmp(status, "DELETION_IN_PROGRESS") == 0)
        return;
    for (size_t i = 0; i < aw->n_jobs && !k; i++)
        if (strcmp(aw->jobs[i]->id, id) == 0)
            k = aw->jobs[i];
    if (!k) {
        k = xcalloc(1, sizeof *k);
        arena_init(&k->arena);
        arena_init(&k->x_arena);
        snprintf(k->id, sizeof k->id, "%s", id);
        memcpy(k->hash, hash, sizeof k->hash);
        aw->jobs = xreallocarray(aw->jobs, aw->n_jobs + 1, sizeof(struct aw_job *));
        aw->jobs[aw->n_jobs++] = k;
    }
    k->listed = true;
    k->created_at = aw_time(o, "createdAt");
    k->open = strcmp(status, "IN_PROGRESS") == 0 || strcmp(status, "SCHEDULED") == 0;
}

static int newest_first(const void *pa, const void *pb)
{
    const struct aw_job *const *a = pa, *const *b = pb;
    if ((*a)->created_at != (*b)->created_at)
        return (*a)->created_at < (*b)->created_at ? 1 : -1;
    return strcmp((*b)->id, (*a)->id);
}

static int by_text(const void *pa, const void *pb)
{
    const char *const *a = pa, *const *b = pb;
    return strcmp(*a, *b);
}

static int by_thing(const void *pa, const void *pb)
{
    const struct aw_execution *a = pa, *b = pb;
    return strcmp(a->thing, b->thing);
}

/* The executions of a job, while they are read. */
struct executions {
    struct aw_job *k;
    struct arena arena;
    struct aw_execution *x;
    size_t n, cap;
};

static void take_execution(struct job *j, const struct json_t *o, void *ctx)
{
    struct executions *s = ctx;
    const char *thing = aw_thing_in(json_str(o, "thingArn", NULL));
    const struct json_t *sum = json_get(o, "jobExecutionSummary");
    if (!thing) {
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server,
                  "answer of GET /jobs/%.72s/things: thingArn: expected a thing", s->k->id);
        return;
    }
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        struct aw_execution *v = ARENA_ARRAY(&s->arena, struct aw_execution, cap);
        if (s->n)
            memcpy(v, s->x, s->n * sizeof *v);
        s->x = v;
        s->cap = cap;
    }
    s->x[s->n++] = (struct aw_execution){.thing = arena_strdup(&s->arena, thing),
                                         .status = aw_status_of(sum),
                                         .queued_at = aw_time(sum, "queuedAt"),
                                         .started_at = aw_time(sum, "startedAt"),
                                         .updated_at = aw_time(sum, "lastUpdatedAt")};
}

static void executions_end(struct job *j, void *ctx)
{
    struct executions *s = ctx;
    struct aw_job *k = s->k;
    bool moving = k->open;
    (void)j;
    qsort(s->x, s->n, s->n ? sizeof *s->x : 1, by_thing);
    for (size_t i = 0; i < s->n; i++)
        moving = moving || s->x[i].status == AW_QUEUED || s->x[i].status == AW_IN_PROGRESS;
    arena_release(&k->x_arena);
    k->x_arena = s->arena;
    k->x = s->x;
    k->n = s->n;
    arena_init(&s->arena);
    k->whole = !moving && k->targets;
}

static void on_job(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct aw *aw = (struct aw *)j->home;
    struct aw_job *k = aw->jobs[i];
    const struct json_t *targets = json_get(json_get(doc, "job"), "targets");
    size_t n = json_len(targets);
    (void)a;
    k->targets = ARENA_ARRAY(&k->arena, const char *, n + 1);
    for (size_t t = 0; t < n; t++) {
        const char *name = aw_thing_in(json_str_value(json_at(targets, t), NULL));
        if (name)
            k->targets[k->n_targets++] = arena_strdup(&k->arena, name);
    }
    qsort(k->targets, k->n_targets, sizeof *k->targets, by_text);
}

static void ask_executions(struct job *j)
{
    struct aw *aw = (struct aw *)j->home;
    struct executions *all = j->out = ARENA_ARRAY(&j->scratch, struct executions, aw->n_jobs + 1);
    j->next = NULL;
    for (size_t i = 0; i < aw->n_jobs; i++) {
        all[i].k = aw->jobs[i];
        arena_init(&all[i].arena);
        if (!aw->jobs[i]->whole)
            aw_pages(j, job_path(j, "/jobs/%s/things?maxResults=%d", aw->jobs[i]->id, AW_PAGE), "executionSummaries",
                     take_execution, &all[i], executions_end);
    }
}

/* All jobs have been listed: what is not there any more goes. */
static void jobs_listed(struct job *j, void *ctx)
{
    struct aw *aw = ctx;
    size_t n = 0;
    if (aw->n_jobs)
        qsort(aw->jobs, aw->n_jobs, sizeof(struct aw_job *), newest_first);
    for (size_t i = 0; i < aw->n_jobs; i++) {
        struct aw_job *k = aw->jobs[i];
        if (k->listed && n < AW_JOBS_MAX)
            aw->jobs[n++] = k;
        else
            job_free(k);
    }
    aw->n_jobs = n;
    j->next = ask_executions;
    for (size_t i = 0; i < n; i++)
        if (!aw->jobs[i]->targets)
            job_get(j, job_path(j, "/jobs/%s", aw->jobs[i]->id), on_job, i);
}

/* Deleted between two requests. */
static bool gone(struct job *j, int status)
{
    (void)j;
    return status == 404;
}

static void drop_executions(struct job *j)
{
    struct aw *aw = (struct aw *)j->home;
    struct executions *all = j->out;
    for (size_t i = 0; all && i < aw->n_jobs; i++)
        arena_release(&all[i].arena);
}

static void jobs_read(void *ctx, const struct reply *r)
{
    job_share_end(ctx, r);
}

void aw_read_jobs(struct job_share *s)
{
    struct aw *aw = (struct aw *)s->home;
    struct job *j = aw_job_begin(&s->home->base, NULL, NULL, jobs_read, s);
    for (size_t i = 0; i < aw->n_jobs; i++)
        aw->jobs[i]->listed = false;
    j->forgive = gone;
    j->drop = drop_executions;
    aw_pages(j, job_path(j, "/jobs?maxResults=%d", AW_PAGE), "jobs", take_job, aw, jobs_listed);
}

/* --- things --- */

static int by_name(const void *pa, const void *pb)
{
    const struct aw_thing *a = pa, *b = pb;
    return strcmp(a->name, b->name);
}

static int name_is(const void *key, const void *element)
{
    const struct aw_thing *t = element;
    return strcmp(key, t->name);
}

static const struct aw_thing *aw_thing_find(const struct aw *aw, const char *name)
{
    return aw->n_things ? bsearch(name, aw->things, aw->n_things, sizeof *aw->things, name_is) : NULL;
}

/* The things, while they are read. */
struct things {
    struct job_share *share;
    struct arena arena;
    struct aw_thing *v;
    size_t n, cap, pages;
};

bool aw_thing_take(struct aw *aw, const struct json_t *o, struct arena *a, struct aw_thing *out)
{
    const char *name = json_str(o, "thingName", NULL), *arn = json_str(o, "thingArn", NULL);
    const char *version = json_str(json_get(o, "attributes"), aw->version_attribute, NULL);
    if (!name || !name[0])
        return false;
    if (!aw->arn && aw_thing_in(arn))
        aw->arn = arena_strndup(&aw->arena, arn, (size_t)(aw_thing_in(arn) - arn));
    *out = (struct aw_thing){.name = arena_strdup(a, name), .version = version ? arena_strdup(a, version) : ""};
    return true;
}

static void take_thing(struct job *j, const struct json_t *o, void *ctx)
{
    struct things *t = ctx;
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 256;
        struct aw_thing *v = ARENA_ARRAY(&t->arena, struct aw_thing, cap);
        if (t->n)
            memcpy(v, t->v, t->n * sizeof *v);
        t->v = v;
        t->cap = cap;
    }
    if (aw_thing_take((struct aw *)j->home, o, &t->arena, &t->v[t->n]))
        t->n++;
    else
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "answer of GET /things: thingName: expected a text");
}

static void things_end(struct job *j, void *ctx)
{
    struct aw *aw = (struct aw *)j->home;
    struct things *t = ctx;
    if (t->n)
        qsort(t->v, t->n, sizeof *t->v, by_name);
    arena_release(&aw->things_arena);
    aw->things_arena = t->arena;
    aw->things = t->v;
    aw->n_things = t->n;
    aw->small = t->n <= AW_PAGE;
    arena_init(&t->arena);
}

static void drop_things(struct job *j)
{
    arena_release(&((struct things *)j->out)->arena);
}

void aw_read_things(struct job_share *s)
{
    struct job *j = aw_job_begin(&s->home->base, NULL, NULL, jobs_read, s);
    struct things *t = ARENA_NEW(&j->scratch, struct things);
    arena_init(&t->arena);
    j->out = t;
    j->drop = drop_things;
    aw_pages(j, job_path(j, "/things?maxResults=%d", AW_PAGE), "things", take_thing, t, things_end);
}

static void on_thing(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct aw_work *w = aw_work(j);
    struct err e = {0};
    (void)doc;
    if (a->status == 404)
        return;
    if (a->status != 200) {
        aw_error(a, http_peer_name(j->home->peer), "GET /things", false, &e);
        job_fail(j, &e);
        return;
    }
    struct json_t *o = json_parse(a->body.data, a->body.len, JOB_BODY_MAX, "answer of GET /things", &e);
    if (!o || !aw_thing_take((struct aw *)j->home, o, &j->scratch, &w->found[i]))
        job_failf(j, ERR_PROTOCOL, j->home->wrong_server, "answer of GET /things: not a thing");
    json_free(o);
}

void aw_need_things(struct job *j)
{
    struct aw *aw = (struct aw *)j->home;
    struct aw_work *w = aw_work(j);
    w->found = ARENA_ARRAY(&j->scratch, struct aw_thing, w->n + 1);
    w->asked = w->n <= AW_ASK_MOST && !aw->small;
    if (!w->asked)
        job_share_want(j, &aw->things_share, AW_THINGS_US, true);
    for (size_t i = 0; w->asked && i < w->n; i++)
        job_send(j, "GET", job_path(j, "/things/%s", job_escape(j, w->ids[i])), NULL, HTTP_SAFE, PART_ANY_STATUS,
                 on_thing, i);
}

void aw_found(struct job *j)
{
    struct aw_work *w = aw_work(j);
    for (size_t i = 0; !w->asked && i < w->n; i++) {
        const struct aw_thing *t = aw_thing_find((struct aw *)j->home, w->ids[i]);
        if (t)
            w->found[i] = *t;
    }
}
