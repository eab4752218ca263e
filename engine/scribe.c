#include "engine/scribe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "core/clock.h"

#define RECENT_MAX 400 /* outcomes read back at start to find out what andon holds */

struct queue {
    struct job *head, **tail;
};

struct scribe {
    pthread_mutex_t lock;
    pthread_cond_t work, ended_cond;
    struct queue todo, done; /* under the lock */
    bool stop, ended, abandoned;
    pthread_t thread;
    int wake_fd;
    struct audit_spec spec;
    struct log_ops ops;
    struct audit_log *log; /* the thread's */
};

static struct audit_log *real_open(void *ctx, const struct audit_spec *spec, struct err *e)
{
    (void)ctx;
    return audit_open(spec, e);
}

static void real_close(void *ctx, struct audit_log *l)
{
    (void)ctx;
    audit_close(l);
}

static bool real_append(void *ctx, struct audit_log *l, const struct entry *en, struct receipt *out, struct err *e)
{
    (void)ctx;
    return audit_append(l, en, out, e);
}

static void queue_init(struct queue *q)
{
    q->head = NULL;
    q->tail = &q->head;
}

static void queue_push(struct queue *q, struct job *j)
{
    j->next = NULL;
    *q->tail = j;
    q->tail = &j->next;
}

static struct job *queue_pop(struct queue *q)
{
    struct job *j = q->head;
    if (j) {
        q->head = j->next;
        if (!q->head)
            q->tail = &q->head;
        j->next = NULL;
    }
    return j;
}

struct job *job_new(enum job_kind kind)
{
    struct job *j = xcalloc(1, sizeof *j);
    j->kind = kind;
    arena_init(&j->arena);
    return j;
}

void job_free(struct job *j)
{
    if (!j)
        return;
    arena_release(&j->arena);
    free(j);
}

static const char *keep(struct arena *a, const char *s)
{
    return arena_strdup(a, s ? s : "");
}

void job_entry(struct job *j, const struct entry *e)
{
    struct arena *a = &j->arena;
    j->entry = *e;
    j->entry.fleet = keep(a, e->fleet);
    j->entry.rollout = keep(a, e->rollout);
    j->entry.wave = keep(a, e->wave);
    j->entry.result = keep(a, e->result);
    j->entry.reason = keep(a, e->reason);
    j->entry.before = keep(a, e->before);
    j->entry.after = keep(a, e->after);
    for (size_t i = 0; i < e->n_fields; i++) {
        j->entry.fields[i].key = keep(a, e->fields[i].key);
        if (e->fields[i].str)
            j->entry.fields[i].str = keep(a, e->fields[i].str);
    }
}

static bool ensure_open(struct scribe *s, struct err *e)
{
    if (!s->log)
        s->log = s->ops.open(s->ops.ctx, &s->spec, e);
    return s->log != NULL;
}

static void do_append(struct scribe *s, struct job *j)
{
    if (!ensure_open(s, &j->err))
        return;
    if (j->blob) {
        if (!audit_put_blob(s->log, j->blob, strlen(j->blob), j->digest, &j->err))
            goto failed;
        entry_str(&j->entry, j->blob_key, j->digest);
    }
    if (!s->ops.append(s->ops.ctx, s->log, &j->entry, &j->receipt, &j->err))
        goto failed;
    j->ok = true;
    return;
failed:
    s->ops.close(s->ops.ctx, s->log);
    s->log = NULL;
}

/* The steps of every unfinished roll back, with the blobs that they name. */
static bool read_steps(struct scribe *s, struct job *j)
{
    struct leftovers *l = &j->left;
    for (size_t i = 0; i < l->n_open; i++) {
        if (strcmp(l->open[i].verb, "rollback") != 0 || l->open[i].corr == 0)
            continue;
        struct audit_query q = {.fleet = j->fleet, .kind = "step", .corr = l->open[i].corr, .limit = 2000};
        struct stored *more;
        size_t n;
        if (!audit_query(s->log, &q, &j->arena, &more, &n, &j->err))
            return false;
        struct stored *all = ARENA_ARRAY(&j->arena, struct stored, l->n_steps + n + 1);
        if (l->n_steps)
            memcpy(all, l->steps, l->n_steps * sizeof *all);
        if (n)
            memcpy(all + l->n_steps, more, n * sizeof *all);
        l->steps = all;
        l->n_steps += n;
    }
    l->blobs = ARENA_ARRAY(&j->arena, char *, l->n_steps + 1);
    for (size_t i = 0; i < l->n_steps; i++) {
        const char *digest = stored_field(&l->steps[i], "devices.blob");
        struct buf b;
        if (!*digest)
            continue;
        buf_init(&b, (size_t)64 << 20);
        if (!audit_get_blob(s->log, digest, &b, &j->err)) {
            buf_release(&b);
            return false;
        }
        l->blobs[i] = arena_strdup(&j->arena, b.data);
        buf_release(&b);
    }
    return true;
}

static bool read_acks(struct scribe *s, struct job *j, struct err *e)
{
    struct audit_query q = {.fleet = j->fleet, .kind = "ack", .newest_first = true, .limit = RECENT_MAX};
    return audit_query(s->log, &q, &j->arena, &j->left.acks, &j->left.n_acks, e);
}

static void do_recover(struct scribe *s, struct job *j)
{
    struct leftovers *l = &j->left;
    struct audit_report rep;
    if (!ensure_open(s, &j->err))
        return;
    if (!audit_verify_tail(s->log, 200, &rep, &j->err))
        return;
    l->verified = rep.ok;
    if (!rep.ok)
        memcpy(l->problem, rep.text, sizeof l->problem);
    struct audit_query q = {.fleet = j->fleet, .kind = "outcome", .newest_first = true, .limit = RECENT_MAX};
    j->ok = audit_open_intents(s->log, j->fleet, &j->arena, &l->open, &l->n_open, &j->err) &&
            audit_latched(s->log, j->fleet, &j->arena, &l->latched, &l->n_latched, &j->err) &&
            audit_query(s->log, &q, &j->arena, &l->recent, &l->n_recent, &j->err) && read_acks(s, j, &j->err) &&
            read_steps(s, j);
}

static void do_look(struct scribe *s, struct job *j)
{
    struct leftovers *l = &j->left;
    struct err e;
    if (!ensure_open(s, &j->err) || !audit_head(s->log, &j->head, &j->err))
        return;
    j->ok = true;
    if (j->head.size == j->seen_size)
        return;
    j->looked = audit_latched(s->log, j->fleet, &j->arena, &l->latched, &l->n_latched, &e) && read_acks(s, j, &e);
}

static void carry_out(struct scribe *s, struct job *j)
{
    struct err e;
    switch (j->kind) {
    case JOB_APPEND:
        do_append(s, j);
        break;
    case JOB_RECOVER:
        do_recover(s, j);
        break;
    case JOB_LOOK:
        do_look(s, j);
        break;
    case JOB_READ:
        j->ok = ensure_open(s, &j->err) && j->read(j, s->log);
        break;
    }
    if (j->ok && s->log)
        j->head_known = j->kind == JOB_LOOK || audit_head(s->log, &j->head, &e);
}

static void drop_all(struct queue *q)
{
    for (struct job *j; (j = queue_pop(q));)
        job_free(j);
}

static void scribe_free(struct scribe *s)
{
    drop_all(&s->todo);
    drop_all(&s->done);
    close(s->wake_fd);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->ended_cond);
    free((char *)(uintptr_t)s->spec.db_path);
    free((char *)(uintptr_t)s->spec.key_path);
    free((char *)(uintptr_t)s->spec.origin);
    free(s);
}

static void *scribe_main(void *arg)
{
    struct scribe *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->todo.head && !s->stop)
            pthread_cond_wait(&s->work, &s->lock);
        struct job *j = queue_pop(&s->todo);
        if (!j || s->abandoned) {
            job_free(j);
            break;
        }
        pthread_mutex_unlock(&s->lock);
        carry_out(s, j);
        pthread_mutex_lock(&s->lock);
        queue_push(&s->done, j);
        uint64_t one = 1;
        ssize_t n = write(s->wake_fd, &one, sizeof one);
        (void)n; /* an eventfd only refuses at 2^64 - 1: the reader is awake anyway */
    }
    pthread_mutex_unlock(&s->lock);
    if (s->log)
        s->ops.close(s->ops.ctx, s->log);
    pthread_mutex_lock(&s->lock);
    s->ended = true;
    bool mine = s->abandoned;
    pthread_cond_broadcast(&s->ended_cond);
    pthread_mutex_unlock(&s->lock);
    if (mine)
        scribe_free(s);
    return NULL;
}

struct scribe *scribe_new(const struct audit_spec *spec, const struct log_ops *ops, int wake_fd, struct err *e)
{
    struct scribe *s = xcalloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->ended_cond, NULL);
    queue_init(&s->todo);
    queue_init(&s->done);
    s->spec = *spec;
    s->spec.db_path = spec->db_path ? xstrdup(spec->db_path) : NULL;
    s->spec.key_path = spec->key_path ? xstrdup(spec->key_path) : NULL;
    s->spec.origin = spec->origin ? xstrdup(spec->origin) : NULL;
    s->ops = (struct log_ops){NULL, real_open, real_close, real_append};
    if (ops) {
        s->ops.ctx = ops->ctx;
        s->ops.open = ops->open ? ops->open : real_open;
        s->ops.close = ops->close ? ops->close : real_close;
        s->ops.append = ops->append ? ops->append : real_append;
    }
    s->wake_fd = fcntl(wake_fd, F_DUPFD_CLOEXEC, 3);
    int rc = s->wake_fd < 0 ? errno : pthread_create(&s->thread, NULL, scribe_main, s);
    if (rc != 0) {
        errno = rc;
        err_errno(e, ERR_IO, "Look at the limits of this session (ulimit -a).", "the log's thread cannot be started");
        scribe_free(s);
        return NULL;
    }
    return s;
}

bool scribe_stop(struct scribe *s, int64_t timeout_us)
{
    if (!s)
        return true;
    int64_t until = clock_wall(clock_real()) + timeout_us;
    struct timespec ts = {.tv_sec = until / US_PER_S, .tv_nsec = (until % US_PER_S) * 1000};
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->work);
    int rc = 0;
    while (!s->ended && rc == 0)
        rc = pthread_cond_timedwait(&s->ended_cond, &s->lock, &ts);
    bool ended = s->ended;
    if (!ended)
        s->abandoned = true;
    pthread_mutex_unlock(&s->lock);
    if (!ended) {
        pthread_detach(s->thread);
        return false;
    }
    pthread_join(s->thread, NULL);
    scribe_free(s);
    return true;
}

void scribe_put(struct scribe *s, struct job *j)
{
    pthread_mutex_lock(&s->lock);
    queue_push(&s->todo, j);
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
}

struct job *scribe_done(struct scribe *s)
{
    pthread_mutex_lock(&s->lock);
    struct job *j = queue_pop(&s->done);
    pthread_mutex_unlock(&s->lock);
    return j;
}
