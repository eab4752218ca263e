#include "engine/scribe.h"

#include <stdlib.h>
#include <string.h>

#define RECENT_MAX   400  /* outcomes read back at start to find out what andon holds */
#define JOBS_MAX     1024 /* that wait for the disk; the diary's backlog is smaller */
#define TOGETHER_MAX 64   /* entries of one transaction */
#define SMALL_BLOBS  ((size_t)64 << 10)

struct scribe {
    struct aside *aside;
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
    free(j->taken);
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

void job_blob(struct job *j, const char *key, const char *bytes, size_t n)
{
    if (j->n_blobs == JOB_BLOBS)
        return;
    j->blobs[j->n_blobs++] =
        (struct audit_blob){.key = keep(&j->arena, key), .bytes = arena_strndup(&j->arena, bytes, n), .n = n};
}

void job_blob_take(struct job *j, const char *key, struct buf *bytes)
{
    size_t n = bytes->len;
    if (j->n_blobs == JOB_BLOBS || j->taken)
        return;
    j->taken = buf_take(bytes);
    j->blobs[j->n_blobs++] = (struct audit_blob){.key = keep(&j->arena, key), .bytes = j->taken, .n = n};
}

struct job *job_copy(const struct job *j)
{
    struct job *c = job_new(JOB_APPEND);
    job_entry(c, &j->entry);
    for (size_t i = 0; i < j->n_blobs; i++)
        job_blob(c, j->blobs[i].key, j->blobs[i].bytes, j->blobs[i].n);
    return c;
}

static bool ensure_open(struct scribe *s, struct err *e)
{
    if (!s->log)
        s->log = s->ops.open(s->ops.ctx, &s->spec, e);
    s->spec.there = s->spec.there || s->log;
    return s->log != NULL;
}

static void close_broken(struct scribe *s)
{
    s->ops.close(s->ops.ctx, s->log);
    s->log = NULL;
}

static struct job *next_of(const struct job *j)
{
    return (struct job *)j->aside.next;
}

static bool is_small(const struct job *j)
{
    size_t n = 0;
    for (size_t i = 0; i < j->n_blobs; i++)
        n += j->blobs[i].n;
    return j->kind == JOB_APPEND && n <= SMALL_BLOBS;
}

/* No entry is to wait for the bytes of another's large blob. */
static bool joins(const struct aside_job *first, size_t n, const struct aside_job *next)
{
    return n < TOGETHER_MAX && is_small((const struct job *)first) && is_small((const struct job *)next);
}

/* By the seam of a test. */
static void append_by(struct scribe *s, struct job *j)
{
    j->ok = true;
    for (size_t i = 0; j->ok && i < j->n_blobs; i++) {
        struct audit_blob *b = &j->blobs[i];
        j->ok = audit_put_blob(s->log, b->bytes, b->n, b->digest, &j->err);
        entry_str(&j->entry, b->key, b->digest);
    }
    j->ok = j->ok && s->ops.append(s->ops.ctx, s->log, &j->entry, &j->receipt, &j->err);
}

/* `j` and the n - 1 behind it. False: one of them was refused, and nothing is written. */
static bool append_together(struct scribe *s, struct job *j, size_t n)
{
    struct audit_item it[TOGETHER_MAX];
    struct err e = {0};
    struct job *k = j;
    size_t refused = n;
    for (size_t i = 0; i < n; i++, k = next_of(k))
        it[i] = (struct audit_item){.entry = &k->entry, .blobs = k->blobs, .n_blobs = k->n_blobs, .again = k->again};
    bool ok = audit_append_all(s->log, it, n, &refused, &e);
    k = j;
    for (size_t i = 0; i < n; i++, k = next_of(k)) {
        k->ok = ok;
        k->again = !ok; /* what came of it may not be known */
        k->err = e;
        k->receipt = it[i].receipt;
    }
    return ok || refused == n;
}

static void do_append_one(struct scribe *s, struct job *j)
{
    if (!ensure_open(s, &j->err))
        return;
    audit_server_time(s->log, &j->server);
    if (s->ops.append)
        append_by(s, j);
    else
        (void)append_together(s, j, 1);
    if (!j->ok)
        close_broken(s);
}

static void do_append(struct scribe *s, struct job *j)
{
    size_t n = 1;
    struct job *last = j;
    for (; last->aside.next; last = next_of(last))
        n++;
    if (n > 1 && !s->ops.append && ensure_open(s, &j->err)) {
        audit_server_time(s->log, &last->server);
        if (append_together(s, j, n)) {
            if (!j->ok)
                close_broken(s);
            return;
        }
    }
    for (; j; j = next_of(j))
        do_append_one(s, j);
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

static bool read_newest(struct scribe *s, struct job *j, const char *kind, struct stored **out, size_t *n)
{
    struct audit_query q = {.fleet = j->fleet, .kind = kind, .newest_first = true, .limit = RECENT_MAX};
    return audit_query(s->log, &q, &j->arena, out, n, &j->err);
}

/* What other sessions may have written. The size is taken first: what comes while it is being read is read again. */
static bool read_others(struct scribe *s, struct job *j)
{
    struct leftovers *l = &j->left;
    struct audit_head head;
    j->looked = audit_head(s->log, &head, &j->err) &&
                audit_open_intents(s->log, j->fleet, &j->arena, &l->open, &l->n_open, &j->err) &&
                audit_latched(s->log, j->fleet, &j->arena, &l->latched, &l->n_latched, &j->err) &&
                read_newest(s, j, "outcome", &l->recent, &l->n_recent) &&
                read_newest(s, j, "recovered", &l->recovered, &l->n_recovered) &&
                read_newest(s, j, "ack", &l->acks, &l->n_acks);
    j->read_size = head.newest;
    return j->looked;
}

/* Whether it was said already that a latched halt is another rollout's. */
static bool read_watches(struct scribe *s, struct job *j)
{
    struct leftovers *l = &j->left;
    struct audit_query q = {.fleet = j->fleet, .kind = "watch", .newest_first = true, .limit = RECENT_MAX};
    return l->n_latched == 0 || audit_query(s->log, &q, &j->arena, &l->watches, &l->n_watches, &j->err);
}

static void do_recover(struct scribe *s, struct job *j)
{
    struct leftovers *l = &j->left;
    struct audit_report rep;
    if (!ensure_open(s, &j->err) || !audit_head(s->log, &j->head, &j->err))
        return;
    j->head_known = true; /* what comes after it is looked at later */
    if (!audit_verify_tail(s->log, 200, &rep, &j->err))
        return;
    l->verified = rep.ok;
    if (!rep.ok)
        memcpy(l->problem, rep.text, sizeof l->problem);
    j->ok = read_others(s, j) && read_steps(s, j) && read_watches(s, j);
}

static void do_look(struct scribe *s, struct job *j)
{
    struct audit_intake spool = {0};
    if (!ensure_open(s, &j->err))
        return;
    audit_server_time(s->log, &j->server);
    (void)!audit_clock_look(s->log, NULL); /* what cannot be written now is written before the next entry */
    audit_waiting(s->log, &spool);
    if (spool.waiting > 0) /* what cannot be taken in waits, and latches all the same */
        (void)audit_take_in(s->log, &spool);
    if (!audit_head(s->log, &j->head, &j->err))
        return;
    j->ok = (j->head.newest == j->seen_size && spool.waiting == 0) || read_others(s, j);
}

static void do_take_in(struct scribe *s, struct job *j)
{
    struct audit_intake spool;
    j->ok = ensure_open(s, &j->err);
    if (j->ok)
        (void)audit_take_in(s->log, &spool); /* what stays is looked at again: do_look, and whoever opens it next */
}

/* How far the log is now, for all that were carried out together. */
static void know_head(struct scribe *s, struct job *j)
{
    struct audit_head head;
    struct err e;
    if (j->kind == JOB_LOOK || j->kind == JOB_RECOVER) {
        j->head_known = j->head_known || (j->ok && s->log);
        return;
    }
    bool known = s->log && audit_head(s->log, &head, &e);
    for (; j; j = next_of(j)) {
        if (!j->ok || !known)
            continue;
        j->head = head;
        j->head_known = true;
    }
}

static bool carry_out(void *ctx, struct aside_job *aj)
{
    struct scribe *s = ctx;
    struct job *j = (struct job *)aj;
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
    case JOB_TAKE_IN:
        do_take_in(s, j);
        break;
    case JOB_GLANCE:
        j->ok = ensure_open(s, &j->err) && audit_glance(s->log, &j->err);
        break;
    case JOB_READ:
        j->ok = ensure_open(s, &j->err) && j->read(j, s->log);
        break;
    }
    know_head(s, j);
    return true;
}

static void close_log(void *ctx)
{
    struct scribe *s = ctx;
    if (s->log)
        s->ops.close(s->ops.ctx, s->log);
}

static void drop(void *ctx, struct aside_job *j)
{
    (void)ctx;
    job_free((struct job *)j);
}

static void scribe_free(void *ctx)
{
    struct scribe *s = ctx;
    free((char *)(uintptr_t)s->spec.db_path);
    free((char *)(uintptr_t)s->spec.key_path);
    free((char *)(uintptr_t)s->spec.origin);
    free((char *)(uintptr_t)s->spec.socket);
    for (size_t i = 0; i < SPOOL_DIRS; i++)
        free((char *)(uintptr_t)s->spec.spool[i]);
    free(s);
}

struct scribe *scribe_new(const struct audit_spec *spec, const struct log_ops *ops, int wake_fd, struct err *e)
{
    struct scribe *s = xcalloc(1, sizeof *s);
    struct aside_spec as = {.what = "the log's thread",
                            .max = JOBS_MAX,
                            .wake_fd = wake_fd,
                            .poke_fd = -1,
                            .ctx = s,
                            .work = carry_out,
                            .joins = joins,
                            .end = close_log,
                            .drop = drop,
                            .gone = scribe_free};
    s->spec = *spec;
    s->spec.db_path = spec->db_path ? xstrdup(spec->db_path) : NULL;
    s->spec.key_path = spec->key_path ? xstrdup(spec->key_path) : NULL;
    s->spec.origin = spec->origin ? xstrdup(spec->origin) : NULL;
    s->spec.socket = spec->socket ? xstrdup(spec->socket) : NULL;
    for (size_t i = 0; i < SPOOL_DIRS; i++)
        s->spec.spool[i] = spec->spool[i] ? xstrdup(spec->spool[i]) : NULL;
    s->ops = (struct log_ops){NULL, real_open, real_close, NULL, NULL, NULL};
    if (ops) {
        s->ops.ctx = ops->ctx;
        s->ops.open = ops->open ? ops->open : real_open;
        s->ops.close = ops->close ? ops->close : real_close;
        s->ops.append = ops->append;
    }
    s->aside = aside_new(&as, e);
    if (s->aside)
        return s;
    scribe_free(s);
    return NULL;
}

bool scribe_stop(struct scribe *s, int64_t timeout_us)
{
    if (!s)
        return true;
    struct aside *a = s->aside;
    if (!aside_stop(a, timeout_us, true))
        return false;
    aside_free(a);
    return true;
}

void scribe_put(struct scribe *s, struct job *j)
{
    if (aside_put(s->aside, &j->aside, NULL))
        return;
    err_set(&j->err, ERR_LIMIT, "Look at the log's disk: it does not answer.", "%d entries wait for the audit log",
            JOBS_MAX);
    aside_give(s->aside, &j->aside);
}

struct job *scribe_done(struct scribe *s)
{
    return (struct job *)aside_done(s->aside);
}
