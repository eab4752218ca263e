/* The engine's life and its public functions. */
#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "engine/notify.h"
#include "engine/keeper.h"
#include "engine/worker.h"

#define STOP_US (2 * US_PER_S)
#define KEPT_US (30 * US_PER_DAY) /* states of rollouts that were not looked at for so long go */

static bool open_fds(struct engine *en, struct err *e)
{
    en->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    en->seen_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (en->wake_fd < 0 || en->seen_fd < 0)
        return err_errno(e, ERR_IO, "Raise the limit of open files (ulimit -n).", "no event descriptor can be opened");
    return true;
}

static bool open_outside(struct engine *en, struct err *e)
{
    const struct engine_seam *s = en->spec.seam;
    const struct fleet_spec *f = en->spec.fleet;
    struct err te = {0};

    en->http = http_new(en->clock, en->spec.seed);
    en->be = s && s->open_backend ? s->open_backend(s->ctx, en->http, f, e) : backend_open(en->http, f, e);
    if (!en->be)
        return false;
    if (s && s->open_telemetry)
        en->tm = s->open_telemetry(s->ctx, en->http, &f->telemetry, &te);
    else
        en->tm = telemetry_open(en->http, en->clock, &f->telemetry, &te);
    if (!en->tm && te.code != ERR_NONE) {
        if (e)
            *e = te;
        return false;
    }
    return true;
}

struct engine *engine_new(const struct engine_spec *spec, struct err *e)
{
    struct engine *en = xcalloc(1, sizeof *en);

    en->spec = *spec;
    en->clock = spec->clock;
    en->policy = spec->fleet->policy ? spec->fleet->policy : policy_default();
    en->next_ticket = 1;
    en->handed_tail = &en->handed;
    en->focus.wave = -1;
    en->wake_fd = en->seen_fd = -1;
    rng_init_named(&en->rng, spec->seed, "engine");
    arena_init(&en->info_arena);
    arena_init(&en->dev_arena);
    pthread_mutex_init(&en->lock, NULL);
    pthread_cond_init(&en->published, NULL);
    for (int i = 0; i < TREND_N; i++)
        en->updating_trend[i] = en->failed_trend[i] = __builtin_nanf("");
    if (!open_fds(en, e) || !open_outside(en, e)) {
        engine_free(en);
        return NULL;
    }
    en->watch = watch_set_new();
    return en;
}

bool engine_start(struct engine *en, struct err *e)
{
    if (en->spec.audit && !en->spec.audit->read_only) {
        en->scribe = scribe_new(en->spec.audit, en->spec.seam ? en->spec.seam->log : NULL, en->wake_fd, e);
        if (!en->scribe)
            return false;
    }
    if (en->spec.evidence_db) {
        en->keeper = keeper_new(en->spec.evidence_db, now_of(en) - KEPT_US, en->wake_fd, e);
        if (!en->keeper)
            return false;
    }
    en->crier = crier_new();
    en->notifier = notifier_new(en);
    publish(en); /* so that there is a snapshot from the first moment */
    int rc = pthread_create(&en->thread, NULL, loop_main, en);
    if (rc != 0) {
        errno = rc;
        return err_errno(e, ERR_IO, "Look at the limits of this session (ulimit -a).",
                         "the engine's thread cannot be started");
    }
    en->started = true;
    return true;
}

static void wake(struct engine *en)
{
    uint64_t one = 1;
    ssize_t n = write(en->wake_fd, &one, sizeof one);
    (void)n; /* only refuses when it is readable anyway */
}

void engine_stop(struct engine *en)
{
    if (!en || !en->started)
        return;
    pthread_mutex_lock(&en->lock);
    en->stop = true;
    pthread_mutex_unlock(&en->lock);
    wake(en);
    pthread_join(en->thread, NULL);
    en->started = false;
    notifier_free(en->notifier);
    en->notifier = NULL;
    diary_end(en);
    trial_keep_all(en);
    scribe_stop(en->scribe, STOP_US);
    en->scribe = NULL;
    (void)keeper_stop(en->keeper, STOP_US);
    en->keeper = NULL;
}

void engine_free(struct engine *en)
{
    if (!en)
        return;
    engine_stop(en);
    en->ending = true;
    notifier_free(en->notifier);
    scribe_stop(en->scribe, STOP_US);
    (void)keeper_stop(en->keeper, STOP_US);
    ticks_free(en);
    telemetry_free(en->tm);
    backend_free(en->be);
    if (en->http)
        http_free(en->http);
    ops_free(en);
    for (size_t i = 0; i < en->n_all; i++)
        ro_free(en->all[i]);
    free(en->all);
    free(en->ros);
    focus_free(en);
    job_free(en->leftovers);
    for (size_t i = 0; i < en->n_backlog; i++)
        job_free(en->backlog[i]);
    crier_free(en->crier);
    watch_set_free(en->watch);
    free(en->devs);
    free(en->timers);
    arena_release(&en->dev_arena);
    arena_release(&en->info_arena);
    snapshot_unref(en->snap);
    while (en->handed) {
        struct handed_in *h = en->handed;
        en->handed = h->next;
        free(h);
    }
    if (en->wake_fd >= 0)
        close(en->wake_fd);
    if (en->seen_fd >= 0)
        close(en->seen_fd);
    pthread_mutex_destroy(&en->lock);
    pthread_cond_destroy(&en->published);
    free(en);
}

struct snapshot *engine_snapshot(struct engine *en)
{
    pthread_mutex_lock(&en->lock);
    struct snapshot *s = snapshot_ref(en->snap);
    pthread_mutex_unlock(&en->lock);
    return s;
}

int engine_fd(const struct engine *en)
{
    return en->seen_fd;
}

uint64_t engine_submit(struct engine *en, const struct intent *in)
{
    struct handed_in *h = xcalloc(1, sizeof *h);
    h->in = *in;
    pthread_mutex_lock(&en->lock);
    uint64_t ticket = h->ticket = en->next_ticket++;
    *en->handed_tail = h;
    en->handed_tail = &h->next;
    pthread_mutex_unlock(&en->lock);
    wake(en);
    return ticket;
}

void engine_refresh(struct engine *en)
{
    pthread_mutex_lock(&en->lock);
    en->refresh = true;
    pthread_mutex_unlock(&en->lock);
    wake(en);
}

void engine_focus(struct engine *en, const struct focus *f)
{
    pthread_mutex_lock(&en->lock);
    en->new_focus = *f;
    en->focus_set = true;
    pthread_mutex_unlock(&en->lock);
    wake(en);
}

int engine_escalations(const struct engine *en)
{
    return __atomic_load_n(&en->escalations, __ATOMIC_RELAXED);
}

void engine_on_idle(struct engine *en, bool (*fn)(void *ctx, struct engine *en, const struct snapshot *s), void *ctx)
{
    en->on_idle = fn;
    en->on_idle_ctx = ctx;
}

/* Waits for snapshots until `enough` likes one. */
static bool wait_for(struct engine *en, int64_t timeout_us, bool (*enough)(const struct snapshot *s, void *arg),
                     void *arg, struct snapshot **out)
{
    int64_t until = clock_wall(clock_real()) + timeout_us;
    struct timespec ts = {.tv_sec = until / US_PER_S, .tv_nsec = (until % US_PER_S) * 1000};
    bool ok;
    pthread_mutex_lock(&en->lock);
    int rc = 0;
    while (!(ok = enough(en->snap, arg)) && rc == 0)
        rc = pthread_cond_timedwait(&en->published, &en->lock, &ts);
    if (out)
        *out = snapshot_ref(en->snap);
    pthread_mutex_unlock(&en->lock);
    return ok;
}

struct op_wait {
    uint64_t ticket;
    bool whole;
    struct op_view *out;
};

static bool op_enough(const struct snapshot *s, void *arg)
{
    struct op_wait *w = arg;
    for (size_t i = 0; i < s->n_ops; i++) {
        const struct op_view *o = &s->ops[i];
        if (o->ticket != w->ticket)
            continue;
        if (w->out)
            *w->out = *o;
        return o->phase >= OP_DONE || (!w->whole && o->phase == OP_RUNNING);
    }
    return false;
}

bool engine_wait(struct engine *en, uint64_t ticket, bool whole, int64_t timeout_us, struct op_view *out,
                 struct snapshot **snap)
{
    struct op_wait w = {ticket, whole, out};
    if (out)
        *out = (struct op_view){.ticket = ticket, .rollout = "", .actor = "", .text = "", .next = ""};
    return wait_for(en, timeout_us, op_enough, &w, snap);
}

static bool ready_enough(const struct snapshot *s, void *arg)
{
    (void)arg;
    if (!s->rollouts_known)
        return s->link.state == LINK_FAILED;
    for (size_t i = 0; i < s->n_rollouts; i++) {
        enum rollout_state st = s->rollouts[i].rollout.state;
        if (!s->rollouts[i].waves_known && (rollout_state_active(st) || st == ROLLOUT_PAUSED))
            return s->link.state == LINK_FAILED;
    }
    return true;
}

bool engine_wait_ready(struct engine *en, int64_t timeout_us, struct snapshot **snap)
{
    return wait_for(en, timeout_us, ready_enough, NULL, snap);
}
