#include "engine/diary.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/fmt.h"
#include "core/text.h"
#include "engine/worker.h"

#define HANG_US  (250 * US_PER_MS) /* without an answer for so long the log counts as hanging */
#define RETRY_US (1 * US_PER_S)
#define STOP_US  (2 * US_PER_S)

bool process_lives(int64_t pid, int64_t start)
{
    return pid > 0 && pid != (int64_t)getpid() && start > 0 && process_start(pid) == start;
}

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
    uint64_t n = en->diary.corr_base ^ (++en->diary.corr_n * UINT64_C(0x9e3779b97f4a7c15));
    return (n >> 11) | 1; /* at most 53 bits: exact in every reader of JSON */
}

bool diary_ok(const struct engine *en)
{
    return en->diary.scribe && en->diary.open && en->diary.writable && !en->diary.degraded && en->diary.verified;
}

void diary_entry(struct engine *en, struct entry *e, enum entry_kind kind, const struct op *op, const struct ro *ro)
{
    entry_init(e, kind);
    e->t = clock_wall(en->clock);
    e->mono = clock_boot(en->clock);
    e->fleet = en->spec.fleet->name;
    if (ro)
        entry_identity(e, &ro->facts.mark.who);
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
    crier_cry(en->diary.crier, safe,
              entry_of_halt(e)); /* of a halt syslog is told by the trail, if by nothing better */
}

static void degrade(struct engine *en, const struct err *why)
{
    if (!en->diary.degraded)
        en->diary.degraded_since = now_of(en);
    en->diary.degraded = true;
    en->diary.writable = false;
    en->diary.err = *why;
    mark(en);
}

/* Jobs that the scribe has and has not answered are found again through this: a job is in the list while it is out. */
static void watchdog(struct engine *en, void *arg)
{
    struct job *j = arg;
    struct err hung = {0};
    if (j->flags & DIARY_HALT)
        cry(en, j);
    trail_late(en, j);
    err_set(&hung, ERR_TIMEOUT, "Look at the disk that holds the log; halts are still possible.",
            "the audit log has not answered for a quarter of a second");
    degrade(en, &hung);
}

static void send_job(struct engine *en, struct job *j)
{
    const struct skew *server = &en->facts.link.skew;
    j->put_at = now_of(en);
    j->server = (struct audit_server_clock){server->known, server->low / 2 + server->high / 2,
                                            (server->high - server->low) / 2};
    en->diary.outstanding++;
    if (j->kind == JOB_APPEND)
        timer_set(en, j->put_at + HANG_US, watchdog, j);
    scribe_put(en->diary.scribe, j);
}

static void retry(struct engine *en, void *arg);

static void into_backlog(struct engine *en, struct job *j)
{
    cry(en, j);
    trail_late(en, j);
    if (en->diary.n_backlog == DIARY_BACKLOG) {
        en->diary.lost++;
        trail_given_up(en, j);
        job_free(j);
        return;
    }
    j->entry.late = true;
    j->ok = false;
    err_clear(&j->err);
    en->diary.backlog[en->diary.n_backlog++] = j;
    timer_set(en, now_of(en) + RETRY_US, retry, NULL);
}

/* One at a time: the oldest shows whether the log is back. */
static void retry(struct engine *en, void *arg)
{
    (void)arg;
    if (en->diary.n_backlog == 0 || en->diary.outstanding > 0) {
        if (en->diary.n_backlog > 0)
            timer_set(en, now_of(en) + RETRY_US, retry, NULL);
        return;
    }
    struct job *j = en->diary.backlog[0];
    memmove(en->diary.backlog, en->diary.backlog + 1, --en->diary.n_backlog * sizeof(struct job *));
    send_job(en, j);
}

static void no_log(struct engine *en, void *arg)
{
    struct job *j = arg;
    (void)err_set(&j->err, ERR_REFUSED, "Name an audit log in the configuration.", "there is no audit log");
    en->diary.outstanding--;
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
    if (!en->diary.scribe) { /* `done` never comes from inside */
        en->diary.outstanding++;
        timer_set(en, now_of(en), no_log, j);
        return;
    }
    if (j->kind == JOB_APPEND && entry_of_halt(&j->entry))
        trail_begin(en, j, (flags & DIARY_HALT) != 0);
    if (en->diary.n_backlog > 0 && !(flags & DIARY_CLOSED) && j->kind == JOB_APPEND) {
        into_backlog(en, j); /* after those that wait already */
        return;
    }
    send_job(en, j);
}

bool diary_reads(const struct engine *en)
{
    return en->diary.scribe || en->diary.reader;
}

void diary_read(struct engine *en, struct job *j, void (*done)(struct engine *en, struct job *j), void *ctx)
{
    if (en->diary.scribe) {
        diary_put(en, j, 0, done, ctx);
        return;
    }
    j->done = done;
    j->ctx = ctx;
    en->diary.outstanding++;
    scribe_put(en->diary.reader, j);
}

static void drain_reader(struct engine *en)
{
    for (struct job *j; en->diary.reader && (j = scribe_done(en->diary.reader));) {
        en->diary.outstanding--;
        j->done(en, j);
        job_free(j);
    }
}

void diary_write(struct engine *en, const struct entry *e, unsigned flags,
                 void (*done)(struct engine *en, struct job *j), void *ctx)
{
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, e);
    diary_put(en, j, flags, done, ctx);
}

void diary_policy(struct engine *en, const struct entry *e, const struct policy *p,
                  void (*done)(struct engine *en, struct job *j), void *ctx)
{
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, e);
    if (p->text)
        job_blob(j, "policy.blob", p->text, strlen(p->text));
    diary_put(en, j, 0, done, ctx);
}

static void healed(struct engine *en)
{
    struct entry e;
    if (!en->diary.degraded)
        return;
    en->diary.degraded = false;
    mark(en);
    if (en->diary.lost == 0 && !*en->diary.err.what && now_of(en) - en->diary.degraded_since < US_PER_S)
        return; /* it was slow for a moment, and nothing is missing */
    diary_entry(en, &e, ENTRY_DEGRADED, NULL, NULL);
    e.late = true;
    entry_int(&e, "degraded.us", now_of(en) - en->diary.degraded_since);
    entry_int(&e, "lost", en->diary.lost);
    entry_str(&e, "cause", en->diary.err.what);
    err_clear(&en->diary.err);
    diary_write(en, &e, 0, NULL, NULL);
}

/* A job has come back. */
static void settle(struct engine *en, struct job *j)
{
    en->diary.outstanding--;
    timer_cancel(en, watchdog, j);
    if (j->ok) {
        en->diary.open = true;
        if (j->kind == JOB_APPEND)
            en->diary.writable = true;
        if (j->kind == JOB_APPEND)
            trail_logged(en, j);
        if (j->head_known) {
            en->diary.size = j->head.newest;
            en->diary.base = j->head.newest - j->head.size;
            en->diary.newest = j->head.newest_t;
        }
        if (en->diary.n_backlog == 0 && (j->kind == JOB_APPEND || !en->diary.outstanding))
            healed(en); /* after a look: its own entry proves that the log can be written */
    } else if (j->err.code == ERR_STATE && j->kind == JOB_APPEND) {
        cry(en, j); /* the guard does not take this one from us, and takes others: nothing is wrong with the log */
    } else if (j->kind != JOB_RECOVER && !(j->kind == JOB_READ && en->diary.degraded)) {
        degrade(en, &j->err); /* recovery says it itself, and is asked for again; what came first is told */
    }
    mark(en);
}

/* The log has it: it need not stay in the spool. */
static void take_in(struct engine *en)
{
    if (en->diary.scribe && trail_take_in(en))
        diary_put(en, job_new(JOB_TAKE_IN), 0, NULL, NULL);
}

static void drain(struct engine *en)
{
    drain_reader(en);
    if (!en->diary.scribe)
        return;
    for (struct job *j; (j = scribe_done(en->diary.scribe));) {
        settle(en, j);
        bool again = !j->ok && j->kind == JOB_APPEND && !(j->flags & DIARY_CLOSED);
        if (again && j->err.code == ERR_STATE) { /* it never will be taken: what a halt leaves goes to the spool */
            trail_late(en, j);
            again = false;
        }
        if (!j->ok && j->kind == JOB_APPEND && !again)
            trail_given_up(en, j);
        if (j->done && !again)
            j->done(en, j);
        if (again)
            into_backlog(en, j);
        else if (!(j->flags & DIARY_KEPT))
            job_free(j);
        if (en->diary.n_backlog > 0 && en->diary.writable)
            retry(en, NULL);
    }
    trail_drain(en);
    take_in(en);
}

static void begin(struct engine *en)
{
    char name[256];
    int64_t pid = (int64_t)getpid();
    snprintf(name, sizeof name, "%" PRId64 "/%" PRIu64 "/%" PRId64 "/%p", clock_wall(en->clock), en->spec.seed, pid,
             (void *)en);
    en->diary.corr_base = hash_bytes(name, strlen(name));
    en->diary.instance = (en->diary.corr_base >> 12) | 1;
}

static void close_session(struct engine *en)
{
    struct entry e;
    diary_entry(en, &e, ENTRY_SESSION, NULL, NULL);
    e.result = "ended";
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, &e);
    scribe_put(en->diary.scribe, j);
}

static void close_log(struct engine *en)
{
    for (struct job *j; (j = turn_take(&en->turn, no_log));)
        job_free(j);
    scribe_stop(en->diary.scribe, STOP_US);
    scribe_stop(en->diary.reader, STOP_US);
    en->diary.scribe = en->diary.reader = NULL;
}

/* The last that is done about the log: what waits is handed in once more, and the session ends. */
static void end(struct engine *en)
{
    trail_end(en);
    take_in(en);
    for (size_t i = 0; en->diary.scribe && i < en->diary.n_backlog; i++)
        scribe_put(en->diary.scribe, en->diary.backlog[i]);
    if (en->diary.scribe)
        en->diary.n_backlog = 0;
    if (en->diary.scribe && en->diary.open)
        close_session(en);
    close_log(en);
}

/* ---- what recovery has read ---- */

void diary_past_read(struct engine *en, bool verified, const char *problem)
{
    err_clear(&en->diary.err);
    en->diary.verified = verified;
    if (!verified)
        (void)err_set(&en->diary.err, ERR_TAMPERED, "Verify it: andon audit verify.", "%s", problem);
    en->diary.writable = true; /* the session's entry shows whether that is so */
}

void diary_past_unread(struct engine *en, const struct err *why)
{
    en->diary.err = *why;
}

/* ---- the part ---- */

static bool start(struct engine *en, struct err *e)
{
    const struct audit_spec *a = en->spec.audit;
    if (a && !a->read_only) {
        en->diary.scribe = scribe_new(a, en->spec.seam ? en->spec.seam->log : NULL, en->turn.wake_fd, e);
        if (!en->diary.scribe)
            return false;
        trail_open(en);
    }
    bool reads = en->tm || plans_wraps(en) || approval_anywhere(en->spec.fleet);
    if (a && a->read_only && reads && !(en->diary.reader = scribe_new(a, NULL, en->turn.wake_fd, e)))
        return false;
    en->diary.crier = crier_new();
    return true;
}

static void free_all(struct engine *en)
{
    close_log(en);
    trail_free(en);
    for (size_t i = 0; i < en->diary.n_backlog; i++)
        job_free(en->diary.backlog[i]);
    crier_free(en->diary.crier);
}

const struct part part_diary = {
    .name = "diary", .start = start, .begin = begin, .drain = drain, .end = end, .free = free_all};
