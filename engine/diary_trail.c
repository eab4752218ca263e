/* Where an entry of a halt can be found afterwards: the log, else the spool, else the system log, else nowhere.
 *
 * Until the log has it a copy waits here. The halt's own entry goes to the spool (audit/spool.h) at once, on a thread
 * that may be left behind, while the request is on its way: so a kill between the request and the log's answer leaves
 * it there. Its outcome goes there when the log has failed or has not answered for a quarter of a second. Into the log
 * they go all the same, and out of the spool again: whichever way it comes, one event is one entry. */
#include <stdlib.h>
#include <string.h>
#include "audit/spool.h"
#include "engine/worker.h"

#define SPOOL_US   (1 * US_PER_S) /* the spool's disk hangs as well: then the system log has to do */
#define SPOOL_MOST 1024

enum { WHEN_LATE, AT_ONCE }; /* tag of a job of the spool */

struct trailing {
    struct trailing *next;
    const struct job *job; /* only compared: it is the scribe's, or in the backlog. NULL: given up */
    void (*trailed)(struct engine *en, struct op *op, enum trail t); /* NULL: nobody waits for it */
    struct op *op;
    struct job *own; /* the copy */
    bool handed, at_spool, logged, late;
    enum trail trail; /* what became of the copy */
};

/* ---- the thread ---- */

struct spooler {
    struct spool *spool;
    struct log_ops ops;
};

static enum trail to_disk(void *ctx, const struct spool *s, const struct entry *en, const struct spool_blob *blob,
                          bool at_once)
{
    struct err e;
    (void)ctx;
    if (at_once) /* the log may have it in a moment: no line to the system log */
        return spool_put(s, en, blob, NULL, &e) ? TRAIL_SPOOL : TRAIL_NONE;
    return spool_trace(s, en, blob, NULL, NULL, NULL, NULL);
}

static bool to_spool(void *ctx, struct aside_job *aj)
{
    const struct spooler *s = ctx;
    struct job *j = (struct job *)aj;
    const struct audit_blob *first = &j->blobs[0]; /* more than one has no room there; their entry can do without */
    struct spool_blob b = {first->key, first->bytes, first->n};
    j->trail = s->ops.spool(s->ops.ctx, s->spool, &j->entry, j->n_blobs > 0 ? &b : NULL, j->tag == AT_ONCE);
    return true;
}

static void drop(void *ctx, struct aside_job *j)
{
    (void)ctx;
    job_free((struct job *)j);
}

static void gone(void *ctx)
{
    struct spooler *s = ctx;
    if (s)
        spool_free(s->spool);
    free(s);
}

/* ---- the worker ---- */

static struct trailing *find(const struct engine *en, const struct job *j)
{
    struct trailing *t = en->diary.trails;
    while (t && t->job != j)
        t = t->next;
    return t;
}

static void last_resort(struct engine *en, void *arg);

static void drop_trail(struct engine *en, struct trailing *t)
{
    struct trailing **p = &en->diary.trails;
    while (*p && *p != t)
        p = &(*p)->next;
    if (*p)
        *p = t->next;
    timer_cancel(en, last_resort, t);
    job_free(t->own);
    free(t);
}

static void settle(struct engine *en, struct trailing *t)
{
    enum trail where = t->logged ? TRAIL_LOG : t->late ? t->trail : TRAIL_NONE;
    if (where != TRAIL_NONE && t->trailed) {
        t->trailed(en, t->op, where);
        t->trailed = NULL;
    }
    if (t->at_spool || (!t->logged && (t->job || where == TRAIL_NONE)))
        return;
    en->diary.take_in = en->diary.take_in || (t->logged && t->trail == TRAIL_SPOOL);
    drop_trail(en, t);
}

/* By a socket that never waits. */
static void last_resort(struct engine *en, void *arg)
{
    struct trailing *t = arg;
    if (t->trail == TRAIL_NONE && !t->logged)
        t->trail = spool_trace(NULL, &t->own->entry, NULL, NULL, NULL, NULL, NULL);
    settle(en, t);
}

static void outstanding(struct engine *en, int more)
{
    const struct log_ops *ops = en->spec.seam ? en->spec.seam->log : NULL;
    en->diary.at_spool += (unsigned)more;
    if (ops && ops->spooling)
        ops->spooling(ops->ctx, en->diary.at_spool);
}

static bool open_thread(struct engine *en)
{
    if (!en->diary.spooler)
        return false;
    struct aside_spec as = {.what = "the spool's thread",
                            .max = SPOOL_MOST,
                            .wake_fd = en->turn.wake_fd,
                            .poke_fd = -1,
                            .ctx = en->diary.spooler,
                            .work = to_spool,
                            .drop = drop,
                            .gone = gone};
    if (!en->diary.spool_thread)
        en->diary.spool_thread = aside_new(&as, NULL);
    return en->diary.spool_thread != NULL;
}

static void hand_over(struct engine *en, struct trailing *t, bool at_once)
{
    if (t->handed)
        return;
    t->handed = true;
    struct job *c = job_copy(t->own);
    c->ctx = t;
    c->tag = at_once ? AT_ONCE : WHEN_LATE;
    if (open_thread(en) && aside_put(en->diary.spool_thread, &c->aside, NULL)) {
        t->at_spool = true;
        outstanding(en, 1);
        return;
    }
    job_free(c);
}

void trail_begin(struct engine *en, const struct job *j, bool at_once)
{
    struct trailing *t = xcalloc(1, sizeof *t);
    t->job = j;
    t->op = j->op;
    t->own = job_copy(j);
    t->next = en->diary.trails;
    en->diary.trails = t;
    t->trailed = j->trailed;
    if (at_once)
        hand_over(en, t, true);
}

void trail_late(struct engine *en, const struct job *j)
{
    struct trailing *t = find(en, j);
    if (!t || t->late)
        return;
    t->late = true;
    hand_over(en, t, false);
    if (t->trail != TRAIL_NONE)
        settle(en, t);
    else
        timer_set(en, now_of(en) + (t->at_spool ? SPOOL_US : 0), last_resort, t);
}

void trail_logged(struct engine *en, const struct job *j)
{
    struct trailing *t = find(en, j);
    if (!t)
        return;
    t->logged = true;
    t->job = NULL;
    settle(en, t);
}

void trail_given_up(struct engine *en, const struct job *j)
{
    struct trailing *t = find(en, j);
    if (!t)
        return;
    t->job = NULL;
    settle(en, t);
}

void trail_drain(struct engine *en)
{
    struct aside_job *aj;
    while (en->diary.spool_thread && (aj = aside_done(en->diary.spool_thread))) {
        struct job *c = (struct job *)aj;
        struct trailing *t = c->ctx;
        outstanding(en, -1);
        t->at_spool = false;
        if (c->trail == TRAIL_NONE && !t->logged) {
            t->handed = false; /* once more, when the log is late as well */
            if (t->late)
                hand_over(en, t, false);
        }
        if (t->trail == TRAIL_NONE || c->trail == TRAIL_SPOOL)
            t->trail = c->trail;
        job_free(c);
        settle(en, t);
    }
}

void trail_open(struct engine *en)
{
    const struct log_ops *ops = en->spec.seam ? en->spec.seam->log : NULL;
    struct spool *spool = spool_new(en->spec.audit);
    if (!spool)
        return;
    struct spooler *s = en->diary.spooler = xcalloc(1, sizeof *s);
    s->spool = spool;
    if (ops && ops->spool)
        s->ops = *ops;
    else
        s->ops.spool = to_disk;
    (void)open_thread(en); /* it stands by when a halt comes */
}

bool trail_take_in(struct engine *en)
{
    bool wanted = en->diary.take_in && en->diary.at_spool == 0;
    if (wanted)
        en->diary.take_in = false;
    return wanted;
}

void trail_end(struct engine *en)
{
    for (struct trailing *t = en->diary.trails; t; t = t->next)
        if (!t->logged)
            hand_over(en, t, false);
    struct aside *a = en->diary.spool_thread;
    if (!a)
        gone(en->diary.spooler);
    if (a && aside_stop(a, SPOOL_US, true)) { /* else it is left behind, and what it has with it */
        trail_drain(en);
        aside_free(a);
    }
    en->diary.spooler = NULL;
    en->diary.spool_thread = NULL;
}

void trail_free(struct engine *en)
{
    trail_end(en);
    while (en->diary.trails)
        drop_trail(en, en->diary.trails);
}
