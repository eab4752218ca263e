/* The seam: one engine's loop on the world, its calls answered when their time has come, its log with faults. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/worker.h"
#include "tests/engine/world_impl.h"

/* ---- calls ---- */

static struct w_call *call(struct world *w, backend_done done, void *ctx)
{
    assert_true(w->n_calls < sizeof w->calls / sizeof *w->calls);
    struct w_call *c = &w->calls[w->n_calls++];
    memset(c, 0, sizeof *c);
    c->due = w->now + w->answer_us;
    c->seq = w->seq++;
    c->done = done;
    c->ctx = ctx;
    c->sent = w->now;
    memcpy(c->path, w->changing, sizeof c->path);
    w->changing[0] = '\0';
    if (w->down) {
        c->failed = true;
        (void)err_set(&c->err, ERR_NETWORK, "Look at the network.", "the server does not answer");
    }
    return c;
}

void w_answer(struct world *w, backend_done done, void *ctx)
{
    call(w, done, ctx);
}

void w_answer_later(struct world *w, backend_done done, void *ctx, int64_t later, int64_t ahead)
{
    struct w_call *c = call(w, done, ctx);
    c->due += later;
    c->ahead = ahead;
}

void w_answer_err(struct world *w, backend_done done, void *ctx, enum err_code code, bool maybe, const char *what)
{
    struct w_call *c = call(w, done, ctx);
    c->failed = true;
    c->maybe = maybe;
    (void)err_set(&c->err, code, "", "%s", what);
}

static struct w_call *first(struct world *w)
{
    struct w_call *best = NULL;
    for (size_t i = 0; i < w->n_calls; i++)
        if (!best || w->calls[i].due < best->due || (w->calls[i].due == best->due && w->calls[i].seq < best->seq))
            best = &w->calls[i];
    return best;
}

void w_facts(const struct w_call *c, struct reply *r)
{
    if (!c->path[0] || (r->err && !r->maybe_sent && r->status == 0 && r->err->code != ERR_STATE))
        return;
    struct request_facts *f = &r->requests[r->n_requests++];
    *f = (struct request_facts){.method = "POST",
                                .path = c->path,
                                .error = r->err && r->err->code != ERR_STATE ? err_word(r->err->code) : "",
                                .status = !r->err                     ? 200
                                          : r->err->code == ERR_STATE ? 409
                                                                      : 0,
                                .sent_at = r->sent_at,
                                .answered_at = r->answered_at,
                                .server_date = r->server_date};
    if (f->status)
        sha256_hex("{}", 2, f->answer_sha256);
}

static void give(struct world *w, struct w_call *c, const struct err *err)
{
    struct w_call copy = *c;
    struct reply r = {.err = err           ? err
                             : copy.failed ? &copy.err
                                           : NULL,
                      .status = copy.failed ? 0 : 200,
                      .sent_at = copy.sent,
                      .answered_at = w->now,
                      .maybe_sent = copy.maybe};
    if (w->dated)
        reply_date(&r, &(struct http_answer){.server_date = (copy.sent + copy.ahead) / US_PER_S * US_PER_S,
                                             .sent_at = copy.sent,
                                             .answered_at = w->now});
    w_facts(&copy, &r);
    *c = w->calls[--w->n_calls];
    copy.done(copy.ctx, &r);
}

/* ---- the loop's turn ---- */

static bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) > 0;
}

static bool log_answers(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    bool ok = !w->log_hangs;
    pthread_mutex_unlock(&w->lock);
    return ok;
}

static bool on_idle(void *ctx, struct engine *en, const struct snapshot *s);

/* While the log hangs something is always outstanding, and the engine never calls itself idle: the script looks here.
 */
static void look(struct play *p)
{
    struct snapshot *s = engine_snapshot(p->en);
    (void)on_idle(p, p->en, s);
    snapshot_unref(s);
}

static void run(void *ctx, int wake_fd, int64_t deadline, unsigned extra)
{
    struct play *p = ctx;
    struct world *w = p->w;
    if (extra > 0 && !log_answers(w))
        look(p);
    if (w->each_turn)
        w->each_turn(w, w->each_turn_arg);
    struct w_call *c = first(w);
    if (p->done || w->dead) {
        pthread_mutex_lock(&w->lock);
        p->over = true;
        pthread_cond_broadcast(&w->cond);
        pthread_mutex_unlock(&w->lock);
        readable(wake_fd, 60000);
        return;
    }
    if (c && c->due <= w->now) {
        give(w, c, NULL);
        return;
    }
    if (readable(wake_fd, 0))
        return;
    if (extra > 0 && log_answers(w)) { /* the log's thread is at work: time stands still for it */
        readable(wake_fd, 60000);
        return;
    }
    int64_t to = deadline;
    if (c && c->due < to)
        to = c->due;
    if (to > w->now + US_PER_S)
        to = w->now + US_PER_S; /* the world moves each second */
    if (to > w->now)
        w->now = to;
    w_tick(w);
}

static unsigned in_flight(void *ctx)
{
    return (unsigned)((struct play *)ctx)->w->n_calls;
}

static struct backend *open_backend(void *ctx, struct http *h, const struct fleet_spec *f, struct err *e)
{
    struct world *w = ((struct play *)ctx)->w;
    (void)f;
    (void)e;
    w->backend = (struct backend){w->ops ? w->ops : &w_backend_ops, h};
    return &w->backend;
}

static struct telemetry *open_telemetry(void *ctx, struct http *h, const struct telemetry_spec *t, struct err *e)
{
    struct world *w = ((struct play *)ctx)->w;
    if (t->kind == TELEMETRY_NONE) {
        err_clear(e);
        return NULL;
    }
    w->telemetry = (struct telemetry){w->history ? &w_history_ops : &w_telemetry_ops, h};
    return &w->telemetry;
}

/* ---- the log with faults ---- */

static struct audit_log *log_open(void *ctx, const struct audit_spec *spec, struct err *e)
{
    struct world *w = ctx;
    pthread_mutex_lock(&w->lock);
    bool shut = w->log_shut;
    pthread_mutex_unlock(&w->lock);
    if (shut) {
        err_set(e, ERR_IO, "", "the log cannot be opened");
        return NULL;
    }
    return audit_open(spec, e);
}

static void log_close(void *ctx, struct audit_log *l)
{
    (void)ctx;
    audit_close(l);
}

static bool log_append(void *ctx, struct audit_log *l, const struct entry *en, struct receipt *out, struct err *e)
{
    struct world *w = ctx;
    pthread_mutex_lock(&w->lock);
    while (w->log_hangs && !w->dead)
        pthread_cond_wait(&w->cond, &w->lock);
    bool fails = w->log_fails || w->dead, refuses = w->log_refuses && en->kind == ENTRY_HALT;
    pthread_mutex_unlock(&w->lock);
    if (fails)
        return err_set(e, ERR_IO, "Look at the disk.", "the disk is full");
    if (refuses)
        return err_set(e, ERR_STATE, "", "that is not for you to write");
    return audit_append(l, en, out, e);
}

void world_unhang(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    w->log_hangs = false;
    pthread_cond_broadcast(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

void w_seam(struct world *w)
{
    w->log_ops = (struct log_ops){w, log_open, log_close, log_append, NULL, NULL};
    w->seam = (struct engine_seam){.open_backend = open_backend,
                                   .open_telemetry = open_telemetry,
                                   .run = run,
                                   .in_flight = in_flight,
                                   .log = &w->log_ops};
}

/* ---- a play ---- */

static bool on_idle(void *ctx, struct engine *en, const struct snapshot *s)
{
    struct play *p = ctx;
    (void)en;
    if (p->done)
        return false;
    if (p->w->now > p->limit) {
        p->t = -1;
        p->done = true;
        return false;
    }
    bool more = p->script(p, s);
    if (p->done) {
        snapshot_unref(p->last);
        p->last = snapshot_ref((struct snapshot *)(uintptr_t)s);
    }
    return more;
}

void world_play(struct world *w, struct play *p, script_fn script, int64_t limit_s)
{
    struct err e = {0};
    p->w = w;
    p->script = script;
    p->limit = w->now + limit_s * US_PER_S;
    p->done = p->over = false;
    w->dead = false;
    w->n_calls = 0;
    w->seam.ctx = p;
    w->fleet.read_only = p->read_only;
    struct audit_spec audit = w->audit;
    audit.read_only = p->looks;
    struct engine_spec spec = {.fleet = &w->fleet,
                               .audit = p->no_log ? NULL : &audit,
                               .clock = &w->clock,
                               .seed = 7,
                               .actor = {.kind = ACTOR_PERSON, .name = "m.ito"},
                               .judge = p->judge,
                               .observe_only = p->looks,
                               .seam = &w->seam,
                               .evidence_db = p->kept ? w->evidence : NULL,
                               .intel_db = p->intel_db,
                               .known_keys = w->known_keys,
                               .n_known_keys = w->n_known_keys};
    p->en = engine_new(&spec, &e);
    if (!p->en)
        fail_msg("%s", e.what);
    engine_on_idle(p->en, on_idle, p);
    if (!engine_start(p->en, &e))
        fail_msg("%s", e.what);
    pthread_mutex_lock(&w->lock);
    while (!p->over)
        pthread_cond_wait(&w->cond, &w->lock);
    pthread_mutex_unlock(&w->lock);
    p->escalations = engine_escalations(p->en);
    if (!p->last)
        p->last = engine_snapshot(p->en);
    engine_stop(p->en);
    struct buf b;
    buf_init(&b, (size_t)64 << 20);
    if (engine_trial_bytes(p->en, "10", &b, &p->tick)) {
        p->n_bytes = b.len;
        p->bytes = buf_take(&b);
    }
    buf_release(&b);
    while (w->n_calls > 0) {
        struct err cancelled = {.code = ERR_CANCELLED};
        /* the engine must be told, or its requests would never be freed */
        give(w, &w->calls[0], &cancelled);
    }
    engine_free(p->en);
    p->en = NULL;
    if (p->t == -1)
        fail_msg("the play was not over after %lld s; stage %d", (long long)limit_s, p->stage);
}

void play_release(struct play *p)
{
    snapshot_unref(p->last);
    p->last = NULL;
    free(p->bytes);
    p->bytes = NULL;
}
