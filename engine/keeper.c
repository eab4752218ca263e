#include "engine/keeper.h"

#include <stdlib.h>
#include <string.h>
#include "audit/history.h"

#define WISHES_MAX 256 /* that wait: a state for each rollout under way, and few questions */

/* What is asked for: a state to be kept, one to be dropped, or (neither) one to be read. The answer is its beginning.
 */
struct wish {
    struct kept kept;
    char *fleet, *id, *name, *release, *digest, *bytes;
    struct rollout_identity who; /* its strings are those */
    char key[IDENTITY_KEY_BYTES];
    size_t n;
    int64_t tick;
    bool drop;
};

struct keeper {
    struct aside *aside;
    int64_t sweep_before;
    char *path;
    /* the thread's */
    struct history *h;
    bool said;
};

void kept_free(struct kept *a)
{
    struct wish *w = (struct wish *)a;
    if (!w)
        return;
    free(w->kept.bytes);
    free(w->fleet);
    free(w->id);
    free(w->name);
    free(w->release);
    free(w->digest);
    free(w->bytes);
    free(w);
}

/* ---- the thread ---- */

/* True when the file can be used; an error or a warning goes into *e. */
static bool ensure_open(struct keeper *k, struct err *e)
{
    struct err swept = {0};
    if (k->h)
        return true;
    k->h = history_open(k->path, e);
    if (!k->h)
        return false;
    bool clean = history_sweep(k->h, k->sweep_before, &swept);
    (void)clean; /* what is too old stays a little longer then */
    return true;
}

static void grant(struct keeper *k, struct wish *w)
{
    struct kept *a = &w->kept;
    struct err e = {0};
    if (!ensure_open(k, &a->err))
        return;
    if (w->bytes || w->drop) {
        bool ok = w->drop ? history_forget(k->h, &w->who, &e)
                          : history_keep(k->h, &w->who, w->digest, w->tick, w->bytes, w->n, &e);
        if (!ok)
            a->err = e;
        return;
    }
    struct buf b;
    buf_init(&b, HISTORY_BYTES_MAX);
    a->found = history_find(k->h, &w->who, w->digest, &a->tick, &b, &e);
    if (a->found) {
        a->n = b.len;
        a->bytes = buf_take(&b);
    } else if (e.code != ERR_NOT_FOUND) {
        a->err = e;
    }
    buf_release(&b);
}

static bool carry_out(void *ctx, struct aside_job *j)
{
    struct keeper *k = ctx;
    struct wish *w = (struct wish *)j;
    grant(k, w);
    /* Puts say only when it begins to fail, and when it works again. */
    bool bad = w->kept.err.code != ERR_NONE, is_put = w->kept.id == 0;
    if (is_put && bad == k->said)
        return false;
    if (is_put || bad)
        k->said = bad;
    return true;
}

static void close_history(void *ctx)
{
    struct keeper *k = ctx;
    history_close(k->h);
}

static void drop(void *ctx, struct aside_job *j)
{
    (void)ctx;
    kept_free((struct kept *)j);
}

static void keeper_free(void *ctx)
{
    struct keeper *k = ctx;
    free(k->path);
    free(k);
}

/* ---- for the worker ---- */

struct keeper *keeper_new(const char *path, int64_t sweep_before, int wake_fd, struct err *e)
{
    struct keeper *k = xcalloc(1, sizeof *k);
    struct aside_spec as = {.what = "the thread that keeps evidence",
                            .max = WISHES_MAX,
                            .wake_fd = wake_fd,
                            .poke_fd = -1,
                            .ctx = k,
                            .work = carry_out,
                            .end = close_history,
                            .drop = drop,
                            .gone = keeper_free};
    k->path = xstrdup(path);
    k->sweep_before = sweep_before;
    k->aside = aside_new(&as, e);
    if (k->aside)
        return k;
    keeper_free(k);
    return NULL;
}

bool keeper_stop(struct keeper *k, int64_t timeout_us)
{
    if (!k)
        return true;
    struct aside *a = k->aside;
    if (!aside_stop(a, timeout_us, true))
        return false;
    aside_free(a);
    return true;
}

/* A newer state of the same rollout takes the place of one that still waits. */
static bool replaces(const struct aside_job *newer, const struct aside_job *older)
{
    const struct wish *n = (const struct wish *)newer, *o = (const struct wish *)older;
    return (n->bytes || n->drop) && o->bytes && strcmp(o->key, n->key) == 0;
}

static void wish(struct keeper *k, struct wish *w, const struct rollout_identity *who, const char *digest)
{
    w->fleet = xstrdup(who->fleet);
    w->id = xstrdup(who->id);
    w->name = xstrdup(who->name);
    w->release = xstrdup(who->release);
    w->who = (struct rollout_identity){w->fleet, w->id, who->created_at, w->name, w->release};
    identity_key(who, w->key);
    w->digest = xstrdup(digest);
    if (aside_put(k->aside, &w->kept.job, replaces))
        return;
    err_set(&w->kept.err, ERR_LIMIT, "Look at the disk that holds the evidence: it does not answer.",
            "%d requests wait for the evidence's file", WISHES_MAX);
    aside_give(k->aside, &w->kept.job);
}

void keeper_put(struct keeper *k, const struct rollout_identity *who, const char *digest, int64_t tick, char *bytes,
                size_t n)
{
    struct wish *w = xcalloc(1, sizeof *w);
    w->bytes = bytes;
    w->n = n;
    w->tick = tick;
    wish(k, w, who, digest);
}

void keeper_drop(struct keeper *k, const struct rollout_identity *who)
{
    struct wish *w = xcalloc(1, sizeof *w);
    w->drop = true;
    wish(k, w, who, "");
}

void keeper_get(struct keeper *k, const struct rollout_identity *who, const char *digest, uint64_t id)
{
    struct wish *w = xcalloc(1, sizeof *w);
    w->kept.id = id;
    wish(k, w, who, digest);
}

struct kept *keeper_done(struct keeper *k)
{
    return (struct kept *)aside_done(k->aside);
}
