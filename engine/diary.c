/* The diary: the audit log as the worker sees it. Nothing here waits for the disk.
 *
 * An intent is DIARY_CLOSED: its callback says whether it is durable, and nothing is sent before. Everything else is
 * kept until the log has taken it: what fails comes back into the backlog and is handed in again, marked late. While
 * there is a backlog, or the log hangs, only halts are allowed (snapshot.audit, verb_check). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/fmt.h"
#include "core/text.h"
#include "engine/worker.h"

#define HANG_US     (250 * US_PER_MS) /* without an answer for so long the log counts as hanging */
#define RETRY_US    (1 * US_PER_S)
#define BACKLOG_MAX (sizeof((struct engine *)0)->backlog / sizeof(struct job *))

int64_t process_start(int64_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return -1;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *p = strrchr(text, ')'); /* the name in brackets may hold anything */
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoll(p + 1, NULL, 10) : -1;
}

uint64_t corr_new(struct engine *en)
{
    uint64_t n = en->corr_base ^ (++en->corr_n * UINT64_C(0x9e3779b97f4a7c15));
    return (n >> 11) | 1; /* at most 53 bits: exact in every reader of JSON */
}

bool diary_ok(const struct engine *en)
{
    return en->scribe && en->log_open && en->log_writable && !en->log_degraded && en->log_verified;
}

void diary_entry(struct engine *en, struct entry *e, enum entry_kind kind, const struct op *op, const struct ro *ro)
{
    entry_init(e, kind);
    e->t = clock_wall(en->clock);
    e->mono = now_of(en);
    e->fleet = en->spec.fleet->name;
    e->rollout = ro ? ro->id : "";
    e->actor = op ? op->in.actor : en->spec.actor;
    if (op) {
        e->corr = op->corr;
        e->verb = op->in.verb;
        e->reason = op->in.reason;
    }
}

static void cry(struct engine *en, struct job *j)
{
    const struct entry *e = &j->entry;
    char line[900], at[FMT_MAX], safe[900];
    if (j->cried)
        return;
    j->cried = true;
    snprintf(line, sizeof line, "%s %s fleet=%s rollout=%s actor=%s corr=%" PRIu64 " at=%s %s",
             entry_kind_word(e->kind), verb_word(e->verb), e->fleet, e->rollout, e->actor.name, e->corr,
             fmt_iso(at, e->t), e->reason);
    safe_text_into(safe, sizeof safe, line, strlen(line));
    crier_cry(en->crier, safe);
}

static void degrade(struct engine *en, const struct err *why)
{
    if (!en->log_degraded)
        en->log_degraded_since = now_of(en);
    en->log_degraded = true;
    en->log_writable = false;
    en->log_err = *why;
    mark(en);
}

/* Jobs that the scribe has and has not answered are found again through this: a job is in the list while it is out. */
static void watchdog(struct engine *en, void *arg)
{
    struct job *j = arg;
    struct err hung = {0};
    if (j->flags & DIARY_HALT)
        cry(en, j);
    err_set(&hung, ERR_TIMEOUT, "Look at the disk that holds the log; halts are still possible.",
            "the audit log has not answered for a quarter of a second");
    degrade(en, &hung);
}

static void send_job(struct engine *en, struct job *j)
{
    j->put_at = now_of(en);
    en->log_outstanding++;
    if (j->kind == JOB_APPEND)
        timer_set(en, j->put_at + HANG_US, watchdog, j);
    scribe_put(en->scribe, j);
}

static void retry(struct engine *en, void *arg);

static void into_backlog(struct engine *en, struct job *j)
{
    cry(en, j);
    if (en->n_backlog == BACKLOG_MAX) {
        en->log_lost++;
        job_free(j);
        return;
    }
    j->entry.late = true;
    j->ok = false;
    err_clear(&j->err);
    en->backlog[en->n_backlog++] = j;
    timer_set(en, now_of(en) + RETRY_US, retry, NULL);
}

/* One at a time: the oldest shows whether the log is back. */
static void retry(struct engine *en, void *arg)
{
    (void)arg;
    if (en->n_backlog == 0 || en->log_outstanding > 0) {
        if (en->n_backlog > 0)
            timer_set(en, now_of(en) + RETRY_US, retry, NULL);
        return;
    }
    struct job *j = en->backlog[0];
    memmove(en->backlog, en->backlog + 1, --en->n_backlog * sizeof(struct job *));
    send_job(en, j);
}

static void no_log(struct engine *en, void *arg)
{
    struct job *j = arg;
    (void)err_set(&j->err, ERR_REFUSED, "Name an audit log in the configuration.", "there is no audit log");
    en->log_outstanding--;
    if (j->done)
        j->done(en, j);
    job_free(j);
}

void diary_put(struct engine *en, struct job *j, unsigned flags, void (*done)(struct engine *en, struct job *j),
               void *ctx)
{
    j->flags = flags;
    j->done = done;
    j->ctx = ctx;
    if (!en->scribe) { /* `done` never comes from inside */
        en->log_outstanding++;
        timer_set(en, now_of(en), no_log, j);
        return;
    }
    if (en->n_backlog > 0 && !(flags & DIARY_CLOSED) && j->kind == JOB_APPEND) {
        into_backlog(en, j); /* after those that wait already */
        return;
    }
    send_job(en, j);
}

void diary_write(struct engine *en, const struct entry *e, unsigned flags,
                 void (*done)(struct engine *en, struct job *j), void *ctx)
{
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, e);
    diary_put(en, j, flags, done, ctx);
}

static void healed(struct engine *en)
{
    struct entry e;
    if (!en->log_degraded)
        return;
    en->log_degraded = false;
    diary_entry(en, &e, ENTRY_DEGRADED, NULL, NULL);
    e.late = true;
    entry_int(&e, "degraded.us", now_of(en) - en->log_degraded_since);
    entry_int(&e, "lost", en->log_lost);
    entry_str(&e, "cause", en->log_err.what);
    err_clear(&en->log_err);
    diary_write(en, &e, 0, NULL, NULL);
    mark(en);
}

/* A job has come back. */
static void settle(struct engine *en, struct job *j)
{
    en->log_outstanding--;
    timer_cancel(en, watchdog, j);
    if (j->ok) {
        en->log_open = true;
        if (j->kind == JOB_APPEND)
            en->log_writable = true;
        if (j->head_known) {
            en->log_size = j->head.size;
            en->log_newest = j->head.newest_t;
        }
        if (en->n_backlog == 0 && (j->kind == JOB_APPEND || !en->log_outstanding))
            healed(en);                  /* after a look: its own entry proves that the log can be written */
    } else if (j->kind != JOB_RECOVER) { /* that one says it itself, and is asked for again */
        degrade(en, &j->err);
    }
    mark(en);
}

void diary_drain(struct engine *en)
{
    if (!en->scribe)
        return;
    for (struct job *j; (j = scribe_done(en->scribe));) {
        settle(en, j);
        bool again = !j->ok && j->kind == JOB_APPEND && !(j->flags & DIARY_CLOSED);
        if (j->done && !again)
            j->done(en, j);
        if (again)
            into_backlog(en, j);
        else if (j != en->leftovers)
            job_free(j);
        if (en->n_backlog > 0 && en->log_writable)
            retry(en, NULL);
    }
}

void diary_begin(struct engine *en)
{
    char name[256];
    int64_t pid = (int64_t)getpid();
    snprintf(name, sizeof name, "%" PRId64 "/%" PRIu64 "/%" PRId64 "/%p", clock_wall(en->clock), en->spec.seed, pid,
             (void *)en);
    en->corr_base = hash_bytes(name, strlen(name));
    en->instance = (en->corr_base >> 12) | 1;
}

static void close_session(struct engine *en)
{
    struct entry e;
    diary_entry(en, &e, ENTRY_SESSION, NULL, NULL);
    e.result = "ended";
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, &e);
    scribe_put(en->scribe, j);
}

/* The last that is done about the log: what waits is handed in once more, and the session ends. */
void diary_end(struct engine *en)
{
    for (size_t i = 0; i < en->n_timers; i++)
        if (en->timers[i].fn == no_log)
            job_free(en->timers[i].arg);
    if (!en->scribe)
        return;
    for (size_t i = 0; i < en->n_backlog; i++)
        scribe_put(en->scribe, en->backlog[i]);
    en->n_backlog = 0;
    if (en->log_open)
        close_session(en);
}
