#include "engine/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "audit/history.h"
#include "core/clock.h"

/* What is asked for: a state to be kept, one to be dropped, or (neither) one to be read. */
struct wish {
    struct wish *next;
    char *fleet, *rollout, *digest, *bytes;
    size_t n;
    int64_t tick;
    uint64_t id;
    bool drop;
};

struct keeper {
    pthread_mutex_t lock;
    pthread_cond_t work, ended_cond;
    struct wish *todo; /* under the lock, oldest first */
    struct kept *done;
    bool stop, ended, abandoned, said;
    pthread_t thread;
    int wake_fd;
    int64_t sweep_before;
    char *path;
    struct history *h; /* the thread's */
};

static void wish_free(struct wish *w)
{
    if (!w)
        return;
    free(w->fleet);
    free(w->rollout);
    free(w->digest);
    free(w->bytes);
    free(w);
}

void kept_free(struct kept *a)
{
    if (!a)
        return;
    free(a->bytes);
    free(a);
}

static void keeper_free(struct keeper *k)
{
    while (k->todo) {
        struct wish *w = k->todo;
        k->todo = w->next;
        wish_free(w);
    }
    while (k->done) {
        struct kept *a = k->done;
        k->done = a->next;
        kept_free(a);
    }
    if (k->wake_fd >= 0)
        close(k->wake_fd);
    pthread_mutex_destroy(&k->lock);
    pthread_cond_destroy(&k->work);
    pthread_cond_destroy(&k->ended_cond);
    free(k->path);
    free(k);
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

static struct kept *carry_out(struct keeper *k, const struct wish *w)
{
    struct kept *a = xcalloc(1, sizeof *a);
    struct err e = {0};
    a->id = w->id;
    if (!ensure_open(k, &a->err))
        return a;
    if (w->bytes) {
        if (!history_put(k->h, w->fleet, w->rollout, w->digest, w->tick, w->bytes, w->n, &e))
            a->err = e;
        return a;
    }
    if (w->drop) {
        if (!history_drop(k->h, w->fleet, w->rollout, &e))
            a->err = e;
        return a;
    }
    struct buf b;
    buf_init(&b, HISTORY_BYTES_MAX);
    a->found = history_get(k->h, w->fleet, w->rollout, w->digest, &a->tick, &b, &e);
    if (a->found) {
        a->n = b.len;
        a->bytes = buf_take(&b);
    } else if (e.code != ERR_NOT_FOUND) {
        a->err = e;
    }
    buf_release(&b);
    return a;
}

static void answer(struct keeper *k, struct kept *a)
{
    struct kept **p = &k->done;
    /* Puts say only when it begins to fail, and when it works again. */
    bool bad = a->err.code != ERR_NONE;
    if (a->id == 0 && bad == k->said) {
        kept_free(a);
        return;
    }
    if (a->id == 0 || bad)
        k->said = bad;
    while (*p)
        p = &(*p)->next;
    *p = a;
    uint64_t one = 1;
    ssize_t n = write(k->wake_fd, &one, sizeof one);
    (void)n; /* it only refuses when it is readable already */
}

static void *keeper_main(void *arg)
{
    struct keeper *k = arg;
    pthread_mutex_lock(&k->lock);
    for (;;) {
        while (!k->todo && !k->stop)
            pthread_cond_wait(&k->work, &k->lock);
        struct wish *w = k->todo;
        if (!w || k->abandoned)
            break;
        k->todo = w->next;
        pthread_mutex_unlock(&k->lock);
        struct kept *a = carry_out(k, w);
        wish_free(w);
        pthread_mutex_lock(&k->lock);
        answer(k, a);
    }
    pthread_mutex_unlock(&k->lock);
    history_close(k->h);
    pthread_mutex_lock(&k->lock);
    k->ended = true;
    bool mine = k->abandoned;
    pthread_cond_broadcast(&k->ended_cond);
    pthread_mutex_unlock(&k->lock);
    if (mine)
        keeper_free(k);
    return NULL;
}

/* ---- for the worker ---- */

struct keeper *keeper_new(const char *path, int64_t sweep_before, int wake_fd, struct err *e)
{
    struct keeper *k = xcalloc(1, sizeof *k);
    pthread_mutex_init(&k->lock, NULL);
    pthread_cond_init(&k->work, NULL);
    pthread_cond_init(&k->ended_cond, NULL);
    k->path = xstrdup(path);
    k->sweep_before = sweep_before;
    k->wake_fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 3);
    int rc = k->wake_fd < 0 ? errno : pthread_create(&k->thread, NULL, keeper_main, k);
    if (rc != 0) {
        errno = rc;
        err_errno(e, ERR_IO, "Look at the limits of this session (ulimit -a).",
                  "the thread that keeps evidence cannot be started");
        keeper_free(k);
        return NULL;
    }
    return k;
}

bool keeper_stop(struct keeper *k, int64_t timeout_us)
{
    if (!k)
        return true;
    int64_t until = clock_wall(clock_real()) + timeout_us;
    struct timespec ts = {.tv_sec = until / US_PER_S, .tv_nsec = (until % US_PER_S) * 1000};
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    pthread_cond_signal(&k->work);
    int rc = 0;
    while (!k->ended && rc == 0)
        rc = pthread_cond_timedwait(&k->ended_cond, &k->lock, &ts);
    bool ended = k->ended;
    if (!ended)
        k->abandoned = true;
    pthread_mutex_unlock(&k->lock);
    if (!ended) {
        pthread_detach(k->thread);
        return false;
    }
    pthread_join(k->thread, NULL);
    keeper_free(k);
    return true;
}

static void wish(struct keeper *k, struct wish *w, const char *fleet, const char *rollout, const char *digest)
{
    struct wish **p = &k->todo;
    w->fleet = xstrdup(fleet);
    w->rollout = xstrdup(rollout);
    w->digest = xstrdup(digest);
    pthread_mutex_lock(&k->lock);
    while (*p) {
        struct wish *old = *p;
        if ((w->bytes || w->drop) && old->bytes && strcmp(old->rollout, rollout) == 0 &&
            strcmp(old->fleet, fleet) == 0) {
            *p = old->next; /* a newer state of the same rollout takes its place */
            wish_free(old);
        } else {
            p = &old->next;
        }
    }
    *p = w;
    pthread_cond_signal(&k->work);
    pthread_mutex_unlock(&k->lock);
}

void keeper_put(struct keeper *k, const char *fleet, const char *rollout, const char *digest, int64_t tick, char *bytes,
                size_t n)
{
    struct wish *w = xcalloc(1, sizeof *w);
    w->bytes = bytes;
    w->n = n;
    w->tick = tick;
    wish(k, w, fleet, rollout, digest);
}

void keeper_drop(struct keeper *k, const char *fleet, const char *rollout)
{
    struct wish *w = xcalloc(1, sizeof *w);
    w->drop = true;
    wish(k, w, fleet, rollout, "");
}

void keeper_get(struct keeper *k, const char *fleet, const char *rollout, const char *digest, uint64_t id)
{
    struct wish *w = xcalloc(1, sizeof *w);
    w->id = id;
    wish(k, w, fleet, rollout, digest);
}

struct kept *keeper_done(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    struct kept *a = k->done;
    if (a)
        k->done = a->next;
    pthread_mutex_unlock(&k->lock);
    return a;
}
