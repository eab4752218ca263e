/* Steps many engines on one world: see many.h.
 *
 * An engine's worker runs only while it has the turn, from one entry into the seam's run() to the next; meanwhile all
 * others are parked there. A log's thread that has work is waited for in real time before anybody has the next turn,
 * unless the log hangs by the plan. So every play of a seed is the same. */
#include "tests/engine/many.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/spool.h"
#include "tests/engine/world_impl.h"

#define TURNS_MAX    50000 /* of one play */
#define NOTE_US      (2 * US_PER_S)
#define COMMAND_US   (15 * US_PER_S) /* its time-out is a minute; a person has less patience */
#define ABOUT_NOW_US (3 * US_PER_S)  /* a command's halt does not wait longer for the rollouts */
#define SOON_US      (20 * US_PER_S)

static const int waves[] = {3, 4, 5, 6};

double many_s(const struct many *m, int64_t t)
{
    return (double)(t - m->t0) / 1e6;
}

void many_trace(struct many *m, const char *fmt, ...)
{
    char line[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (m->verbose)
        printf("%9.3f  %s\n", many_s(m, m->w.now), line);
    else
        buf_printf(&m->trace, "%9.3f  %s\n", many_s(m, m->w.now), line);
}

struct w_rollout *many_rollout(struct many *m)
{
    return world_rollout(&m->w, M_ID);
}

/* ---- a process that stands for a watcher: by its pid other watchers of the log tell whether it lives ---- */

static int64_t start_of(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    return p ? strtoll(p + 1, NULL, 10) : -1;
}

static void stand_in_start(struct watcher *x)
{
    static char name[] = "cat";
    char *argv[] = {name, NULL};
    char *none[] = {NULL};
    int fds[2];
    posix_spawn_file_actions_t fa;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_adddup2(&fa, fds[0], 0);
    assert_int_equal(posix_spawnp(&x->stand_in, name, &fa, NULL, argv, none), 0);
    posix_spawn_file_actions_destroy(&fa);
    close(fds[0]);
    x->stand_in_fd = fds[1]; /* it ends when this is closed, also when we are killed */
    x->stand_in_start = start_of(x->stand_in);
}

static void stand_in_end(struct watcher *x)
{
    kill(x->stand_in, SIGKILL);
    close(x->stand_in_fd);
    waitpid(x->stand_in, NULL, 0);
}

/* ---- the seam, on the worker's thread ---- */

static bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) > 0;
}

static void give(struct many *m, const struct w_call *c, const struct err *cancelled)
{
    struct reply r = {.err = cancelled, .sent_at = c->sent, .answered_at = m->w.now, .maybe_sent = c->maybe};
    if (!cancelled && c->failed)
        r.err = &c->err;
    r.status = r.err ? 0 : 200;
    w_facts(c, &r);
    c->done(c->ctx, &r);
}

static void run(void *ctx, int wake_fd, int64_t deadline, unsigned extra)
{
    struct watcher *x = ctx;
    x->wake_fd = wake_fd;
    x->deadline = deadline;
    x->extra = extra;
    if (x->free_run) {
        (void)readable(wake_fd, 20);
        return;
    }
    sem_post(&x->back);
    while (sem_wait(&x->go) != 0)
        ;
    if (x->free_run || !x->has_give)
        return;
    x->has_give = false;
    struct w_call c = x->give;
    give(x->m, &c, NULL);
}

static unsigned in_flight(void *ctx)
{
    struct watcher *x = ctx;
    return (unsigned)(x->n_calls + (x->m->turn == x ? x->m->w.n_calls : 0));
}

static struct backend *open_backend(void *ctx, struct http *h, const struct fleet_spec *f, struct err *e)
{
    struct watcher *x = ctx;
    (void)f;
    (void)e;
    x->m->w.backend = (struct backend){&w_backend_ops, h};
    return &x->m->w.backend; /* one for all: whose turn it is says who asks */
}

static struct telemetry *open_telemetry(void *ctx, struct http *h, const struct telemetry_spec *t, struct err *e)
{
    struct watcher *x = ctx;
    (void)t;
    (void)e;
    x->m->w.telemetry = (struct telemetry){&w_telemetry_ops, h};
    return &x->m->w.telemetry;
}

/* ---- the log, on its own thread ---- */

static struct audit_log *log_open(void *ctx, const struct audit_spec *spec, struct err *e)
{
    (void)ctx;
    return audit_open(spec, e);
}

static void log_close(void *ctx, struct audit_log *l)
{
    (void)ctx;
    audit_close(l);
}

/* Of a killed process nothing reaches the disk any more; it is told that it has, for it would do something about it. */
static bool swallow(struct receipt *out)
{
    memset(out, 0, sizeof *out);
    return true;
}

static bool log_append(void *ctx, struct audit_log *l, const struct entry *en, struct receipt *out, struct err *e)
{
    struct watcher *x = ctx;
    struct many *m = x->m;
    uint64_t one = 1;
    pthread_mutex_lock(&m->w.lock);
    while (x->log_hangs && !x->log_dead) {
        if (!x->blocked && write(x->blocked_fd, &one, sizeof one) < 0)
            abort();
        x->blocked = true;
        pthread_cond_wait(&m->w.cond, &m->w.lock);
    }
    x->blocked = false;
    /* Nothing is done while the worker is at it: neither is the faster one, and whether it dies in this turn is known.
     */
    while (m->turn == x && !x->free_run && !x->log_dead)
        pthread_cond_wait(&m->w.cond, &m->w.lock);
    bool dead = x->log_dead, full = x->log_full, hung = x->log_hangs;
    pthread_mutex_unlock(&m->w.lock);
    if (dead && hung) /* told that it has, it would take in what waits in the spool for it */
        return err_set(e, ERR_IO, "", "the log's thread has ended");
    if (dead)
        return swallow(out);
    if (full)
        return err_set(e, ERR_IO, "Look at the disk.", "the disk is full");
    struct entry mine = *en;
    for (size_t i = 0; i < en->n_fields; i++) {
        if (strcmp(en->fields[i].key, "pid") == 0)
            entry_int(&mine, "pid", x->stand_in);
        if (strcmp(en->fields[i].key, "pid_start") == 0)
            entry_int(&mine, "pid_start", x->stand_in_start);
    }
    return audit_append(l, &mine, out, e);
}

static enum trail spool(void *ctx, const struct spool *s, const struct entry *en, const struct spool_blob *blob,
                        bool at_once)
{
    struct watcher *x = ctx;
    struct many *m = x->m;
    struct err e;
    pthread_mutex_lock(&m->w.lock);
    while (m->turn == x && !x->free_run && !x->log_dead)
        pthread_cond_wait(&m->w.cond, &m->w.lock);
    bool dead = x->log_dead;
    pthread_mutex_unlock(&m->w.lock);
    if (dead)
        return TRAIL_SPOOL;
    return spool_put(s, en, blob, NULL, &e) ? TRAIL_SPOOL : at_once ? TRAIL_NONE : TRAIL_NOWHERE;
}

static void spooling(void *ctx, unsigned n)
{
    struct watcher *x = ctx;
    x->spooling = n;
}

static void set_flag(struct many *m, bool *flag, bool to)
{
    if (*flag == to)
        return;
    pthread_mutex_lock(&m->w.lock);
    *flag = to;
    pthread_cond_broadcast(&m->w.cond);
    pthread_mutex_unlock(&m->w.lock);
}

/* ---- the scheduler ---- */

static void take_snapshot(struct many *m, struct watcher *x)
{
    struct snapshot *s = engine_snapshot(x->en);
    if (x->snap && s->generation == x->snap->generation) {
        snapshot_unref(s);
        return;
    }
    snapshot_unref(x->snap);
    x->snap = s;
    rules_seen(m, x);
}

static void set_turn(struct many *m, struct watcher *x)
{
    pthread_mutex_lock(&m->w.lock);
    m->turn = x;
    pthread_cond_broadcast(&m->w.cond);
    pthread_mutex_unlock(&m->w.lock);
}

/* The calls that it made in its turn are its own now. */
static void take_calls(struct many *m, struct watcher *x)
{
    struct world *w = &m->w;
    for (size_t i = 0; i < w->n_calls; i++) {
        assert_true(x->n_calls < M_CALLS);
        x->calls[x->n_calls] = w->calls[i];
        if (w->now < x->slow_to)
            x->calls[x->n_calls].due += x->slow_us;
        x->n_calls++;
    }
    w->n_calls = 0;
}

static void die(struct many *m, struct watcher *x);
static void log_settles(struct many *m, struct watcher *x);

/* One turn: it may get one answer; what it asks for meets the faults of the moment. */
static void turn(struct many *m, struct watcher *x, size_t answer)
{
    struct world *w = &m->w;
    bool dies_first = x->death_armed && x->death == DEATH_BEFORE_SENT;
    if (m->turns++ > TURNS_MAX)
        fail_msg("seed %llu: the engines do not come to rest", (unsigned long long)m->seed);
    w->down = w->now < x->down_to;
    w->verbs_dropped = w->now < x->drop_to || dies_first;
    w->verbs_lost = w->now < x->lose_to;
    w->telemetry_down = w->now < m->blind_to;
    w->n_log = 0;
    x->has_give = answer < x->n_calls;
    if (x->has_give) {
        x->give = x->calls[answer];
        x->calls[answer] = x->calls[--x->n_calls];
    }
    x->handed_in = 0;
    set_turn(m, x);
    sem_post(&x->go);
    while (sem_wait(&x->back) != 0)
        ;
    bool dies = x->death_armed && w->n_log > 0;
    if (dies && x->death != DEATH_AFTER_LOGGED)
        set_flag(m, &x->log_dead, true); /* before the log's thread hears that the turn is over */
    set_turn(m, NULL);
    take_calls(m, x);
    for (size_t i = 0; i < w->n_log && !dies_first; i++) {
        many_trace(m, "%s sends %s%s (now %s)", x->name, w->log[i].what,
                   w->down || w->verbs_dropped ? ", lost on the way"
                   : w->verbs_lost             ? ", its answer lost"
                                               : "",
                   many_rollout(m) ? rollout_state_word(many_rollout(m)->state) : "gone");
        rules_sent(m, x, w->log[i].what);
    }
    if (!dies) {
        take_snapshot(m, x);
        return;
    }
    x->death_armed = false;
    if (x->death == DEATH_AFTER_LOGGED)
        log_settles(m, x);
    many_trace(m, "%s is killed at its verb", x->name);
    die(m, x);
}

static bool blocked(struct many *m, struct watcher *x)
{
    pthread_mutex_lock(&m->w.lock);
    bool yes = x->blocked;
    pthread_mutex_unlock(&m->w.lock);
    return yes;
}

/* Jobs that the log's thread has done since the last turn, one for each time that it has woken the worker; what a
 * person handed in has woken it too. */
static uint64_t woken(const struct watcher *x)
{
    uint64_t n = 0;
    if (read(x->wake_fd, &n, sizeof n) == (ssize_t)sizeof n && write(x->wake_fd, &n, sizeof n) < 0)
        abort();
    return n;
}

/* Waits in real time until the log's thread has nothing more to do, or hangs by the plan. What it has done by then is
 * taken in one turn, so that it does not matter how fast it is. */
static void log_settles(struct many *m, struct watcher *x)
{
    static const struct timespec moment = {.tv_nsec = 100000};
    while (x->alive && x->extra > 0) {
        uint64_t want = x->extra + x->handed_in, got = woken(x), n;
        for (int tries = 0; got < want && (got < x->spooling || !blocked(m, x)); got = woken(x)) {
            struct pollfd p[2] = {{.fd = x->blocked_fd, .events = POLLIN}, {.fd = x->wake_fd, .events = POLLIN}};
            if (got == 0 ? poll(p, 2, 60000) <= 0 : ppoll(p, 1, &moment, NULL) == 0 && ++tries > 50000)
                fail_msg("seed %llu: the log of %s does not answer", (unsigned long long)m->seed, x->name);
            if (p[0].revents && read(x->blocked_fd, &n, sizeof n) < 0)
                abort();
        }
        if (got == 0)
            return; /* it hangs */
        turn(m, x, SIZE_MAX);
    }
}

static size_t first_due(const struct watcher *x)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < x->n_calls; i++)
        if (best == SIZE_MAX || x->calls[i].due < x->calls[best].due ||
            (x->calls[i].due == x->calls[best].due && x->calls[i].seq < x->calls[best].seq))
            best = i;
    return best;
}

/* All that this watcher has to do now; false when there was nothing. */
static bool step(struct many *m, struct watcher *x)
{
    bool any = false;
    for (;;) {
        log_settles(m, x);
        if (!x->alive)
            return any;
        size_t i = first_due(x);
        bool due = i != SIZE_MAX && x->calls[i].due <= m->w.now;
        if (!due && woken(x) == 0 && x->deadline > m->w.now)
            return any;
        turn(m, x, due ? i : SIZE_MAX);
        any = true;
    }
}

/* ---- the life of a watcher ---- */

static void start(struct many *m, struct watcher *x)
{
    struct err e = {0};
    struct world *w = &m->w;
    x->alive = true;
    x->handed_in = 0;
    x->free_run = x->log_dead = x->blocked = x->death_armed = x->has_give = false;
    x->n_calls = 0;
    x->restart_at = x->latched_at = 0;
    x->born_at = x->good_since = x->log_good_since = w->now;
    x->said[0] = '\0';
    x->fleet = w->fleet;
    x->fleet.read_only = x->read_only;
    x->audit = (struct audit_spec){
        .db_path = m->db[x->group], .key_path = m->key[x->group], .origin = "andon/test", .spool = {m->spool}};
    x->log_ops = (struct log_ops){x, log_open, log_close, log_append, spool, spooling};
    x->seam = (struct engine_seam){x, open_backend, open_telemetry, run, in_flight, &x->log_ops};
    sem_init(&x->go, 0, 0);
    sem_init(&x->back, 0, 0);
    x->blocked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    stand_in_start(x);
    struct engine_spec spec = {.fleet = &x->fleet,
                               .audit = &x->audit,
                               .clock = &w->clock,
                               .seed = m->seed + (uint64_t)x->index,
                               .actor = {.kind = x->index < 2 ? ACTOR_SCRIPT : ACTOR_PERSON, .name = "m.ito"},
                               .judge = !x->command,
                               .seam = &x->seam,
                               .known_keys = m->known,
                               .n_known_keys = M_LOGS};
    snprintf(spec.actor.name, sizeof spec.actor.name, "%s", x->name);
    many_trace(m, "%s starts, on log %d", x->name, x->group);
    x->en = engine_new(&spec, &e);
    if (!x->en)
        fail_msg("%s", e.what);
    w->n_log = 0;
    w->down = w->now < x->down_to;
    set_turn(m, x);
    if (!engine_start(x->en, &e))
        fail_msg("%s", e.what);
    while (sem_wait(&x->back) != 0)
        ;
    set_turn(m, NULL);
    take_calls(m, x);
    take_snapshot(m, x);
}

static void end(struct many *m, struct watcher *x)
{
    static const struct err cancelled = {.code = ERR_CANCELLED};
    x->alive = false;
    if (x->log_hangs) /* the process ends, and its log's thread with it */
        set_flag(m, &x->log_dead, true);
    set_flag(m, &x->free_run, true);
    set_turn(m, x);
    sem_post(&x->go);
    engine_stop(x->en);
    set_turn(m, NULL);
    take_calls(m, x);
    for (size_t i = 0; i < x->n_calls; i++)
        give(m, &x->calls[i], &cancelled);
    x->n_calls = 0;
    engine_free(x->en);
    x->en = NULL;
    snapshot_unref(x->snap);
    x->snap = NULL;
    stand_in_end(x);
    close(x->blocked_fd);
    sem_destroy(&x->go);
    sem_destroy(&x->back);
}

/* As by SIGKILL: nothing more reaches the server or the log. */
static void die(struct many *m, struct watcher *x)
{
    rules_died(m, x);
    set_flag(m, &x->log_dead, true);
    end(m, x);
}

static bool usable(const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, M_ID);
    return s->audit.open && s->rollouts_known && v && v->waves_known;
}

static uint64_t hand_in(struct many *m, struct watcher *x, enum verb v)
{
    struct intent in = world_intent(v, M_ID);
    snprintf(in.actor.name, sizeof in.actor.name, "person-%s", x->name);
    in.decided_at = m->w.now;
    uint64_t ticket = engine_submit(x->en, &in);
    x->handed_in++;
    many_trace(m, "%s is asked for: %s", x->name, verb_word(v));
    rules_asked(m, x, v, ticket);
    return ticket;
}

/* A command: hands in its verb when it has what the verb looks at, ends with its op, or after a minute. */
static void commands(struct many *m, struct watcher *x)
{
    enum verb v = x->wants;
    int64_t age = m->w.now - x->born_at;
    if (x->ticket == 0) {
        bool ready = v == VERB_HALT ? x->snap->rollouts_known || age >= ABOUT_NOW_US : usable(x->snap);
        if (ready)
            x->ticket = hand_in(m, x, v), x->asked_at = m->w.now;
        else if (age >= SOON_US)
            end(m, x);
        return;
    }
    bool over = op_over(x->snap, x->ticket);
    if (over && x->over_at == 0)
        x->over_at = m->w.now;
    if (over && x->snap->notes_due > 0 && m->w.now - x->over_at < NOTE_US)
        return; /* as cli/verbs.c does */
    if (over || m->w.now - x->asked_at >= COMMAND_US) {
        const struct op_view *o = op_of(x->snap, x->ticket);
        many_trace(m, "%s ends: %s", x->name, o ? o->text : "?");
        end(m, x);
    }
}

static void command(struct many *m, const struct many_event *e)
{
    for (int i = M_LASTING; i < M_WATCHERS; i++) {
        struct watcher *x = &m->ws[i];
        const struct watcher *of = &m->ws[e->who];
        if (x->alive)
            continue;
        memset(x, 0, sizeof *x);
        x->m = m;
        x->index = i;
        x->group = of->group;
        x->command = true;
        x->down_to = of->down_to;
        x->drop_to = of->drop_to;
        x->lose_to = of->lose_to;
        x->log_full = of->log_full;
        x->log_hangs = of->log_hangs;
        x->full_to = of->full_to;
        x->hang_to = of->hang_to;
        snprintf(x->name, sizeof x->name, "cmd%d", i - M_LASTING + 1);
        x->wants = e->verb;
        start(m, x);
        x->death = e->how;
        x->death_armed = e->doomed;
        return;
    }
}

/* ---- the world's doings ---- */

static void foreign_done(void *ctx, const struct reply *r)
{
    (void)ctx;
    (void)r;
}

static void foreign(struct many *m, enum backend_verb v)
{
    struct world *w = &m->w;
    w->down = w->verbs_dropped = w->verbs_lost = false;
    w_backend_ops.verb(&w->backend, M_ID, v, "", foreign_done, NULL);
    bool done = w->n_calls > 0 && !w->calls[w->n_calls - 1].failed;
    w->n_calls = 0;
    w->n_log = 0;
    many_trace(m, "another client: %s%s", backend_verb_word(v), done ? "" : ", refused");
    rules_foreign(m, v, done);
}

static void breach(struct many *m)
{
    struct world *w = &m->w;
    struct w_rollout *r = many_rollout(m);
    for (int i = 0; r && i < r->n_waves; i++)
        for (int k = 0; k < r->waves[i].n; k++) {
            struct w_device *d = &w->devices[r->waves[i].members[k]];
            d->reboots_per_s_new = 0.2;
            d->reboots_from = w->now;
        }
    if (m->breach_at == 0)
        m->breach_at = w->now;
}

static void new_life(struct many *m, int64_t away)
{
    struct world *w = &m->w;
    struct w_rollout *r = &w->rollouts[0];
    int n = 0;
    memset(w->rollouts, 0, sizeof w->rollouts);
    w->n_notes = 0;
    w->n_rollouts = 1;
    snprintf(r->id, sizeof r->id, M_ID);
    snprintf(r->name, sizeof r->name, "life-%d", ++m->life);
    w->releases[1].name = "lamp";
    r->release = 1;
    r->error_percent = 80;
    r->changed_at = r->created_at = w->now;
    r->n_waves = (int)(sizeof waves / sizeof *waves);
    for (int i = 0; i < r->n_waves; i++) {
        r->waves[i].state = WAVE_SCHEDULED;
        for (int k = 0; k < waves[i]; k++, n++) {
            struct w_device *d = &w->devices[n];
            bool offline = d->offline;
            int64_t since = w->now - US_PER_DAY;
            char id[sizeof d->id];
            memcpy(id, d->id, sizeof id);
            *d = (struct w_device){.action = -1,
                                   .installed_at = since,
                                   .status = DEVICE_IN_SYNC,
                                   .cpu = 0.2,
                                   .variance = 1,
                                   .offline = offline};
            memcpy(d->id, id, sizeof id);
            r->waves[i].members[r->waves[i].n++] = n;
        }
    }
    r->state = ROLLOUT_RUNNING;
    w_tell(w, r, &r->waves[0]);
    for (int i = 0; i < M_WATCHERS; i++)
        if (m->ws[i].down_to < w->now + away)
            m->ws[i].down_to = w->now + away;
    m->life_at = w->now;
    m->breach_at = 0;
    m->blind_in_life = w->now < m->blind_to;
    m->person_halt_in_life = false;
}

static void happens(struct many *m, const struct many_event *e)
{
    char text[200];
    int64_t to = m->w.now + e->lasts;
    many_trace(m, "* %s", many_event_text(m, e, text, sizeof text));
    for (int i = 0; i < M_WATCHERS; i++) {
        struct watcher *x = &m->ws[i];
        if (e->who >= 0 && e->who != i)
            continue;
        if (e->kind == EV_DOWN)
            x->down_to = to;
        else if (e->kind == EV_DROP)
            x->drop_to = to;
        else if (e->kind == EV_LOSE)
            x->lose_to = to;
        else if (e->kind == EV_SLOW)
            x->slow_to = to, x->slow_us = 1500 * US_PER_MS;
        else if (e->kind == EV_LOG_FULL)
            x->full_to = to;
        else if (e->kind == EV_LOG_HANGS)
            x->hang_to = to;
    }
    struct watcher *x = e->who >= 0 ? &m->ws[e->who] : NULL;
    if (e->kind == EV_PERSON && x->alive)
        (void)hand_in(m, x, e->verb);
    else if (e->kind == EV_COMMAND)
        command(m, e);
    else if (e->kind == EV_BREACH)
        breach(m);
    else if (e->kind == EV_FOREIGN)
        foreign(m, e->foreign);
    else if (e->kind == EV_NEW_LIFE)
        new_life(m, e->lasts / 4);
    else if (e->kind == EV_BLIND)
        m->blind_to = to, m->blind_in_life = true;
    if ((e->kind == EV_KILL || e->kind == EV_KILL_AT_VERB) && x->alive) {
        x->restart_at = to;
        if (e->kind == EV_KILL) {
            die(m, x);
        } else {
            x->death = e->how;
            x->death_armed = true;
        }
    }
}

/* ---- time ---- */

static void faults_end(struct many *m)
{
    struct world *w = &m->w;
    for (int i = 0; i < M_WATCHERS; i++) {
        struct watcher *x = &m->ws[i];
        set_flag(m, &x->log_full, w->now < x->full_to);
        set_flag(m, &x->log_hangs, w->now < x->hang_to);
        bool away = w->now < x->down_to || w->now < x->drop_to || w->now < x->slow_to;
        if (away)
            x->good_since = w->now;
        if (w->now < x->full_to || w->now < x->hang_to)
            x->log_good_since = w->now;
        if (!x->alive && x->restart_at > 0 && w->now >= x->restart_at && i < M_LASTING)
            start(m, x);
        if (x->alive && x->death_armed && w->now >= m->t0 + M_BUSY_S * US_PER_S)
            x->death_armed = false;
    }
}

static int64_t sooner(int64_t a, int64_t b)
{
    return b > 0 && b < a ? b : a;
}

static int64_t next_time(struct many *m, size_t next_event)
{
    int64_t now = m->w.now, to = (now / US_PER_S + 1) * US_PER_S;
    if (next_event < m->n_events)
        to = sooner(to, m->t0 + m->events[next_event].at);
    for (int i = 0; i < M_WATCHERS; i++) {
        const struct watcher *x = &m->ws[i];
        const int64_t ends[] = {x->full_to, x->hang_to, x->restart_at};
        for (size_t k = 0; k < sizeof ends / sizeof *ends; k++)
            if (ends[k] > now)
                to = sooner(to, ends[k]);
        if (!x->alive)
            continue;
        size_t c = first_due(x);
        to = sooner(to, x->deadline);
        if (c != SIZE_MAX)
            to = sooner(to, x->calls[c].due);
    }
    return to > now ? to : now;
}

static void everybody_steps(struct many *m)
{
    bool any = true;
    while (any) {
        any = false;
        int first = (int)rng_below(&m->rng, M_WATCHERS);
        for (int k = 0; k < M_WATCHERS; k++) {
            struct watcher *x = &m->ws[(first + k) % M_WATCHERS];
            if (x->alive)
                any |= step(m, x);
            if (x->alive && x->command)
                commands(m, x);
        }
    }
}

/* ---- beginning and end ---- */

static const struct limit limits[] = {{.id = "R-REBOOT",
                                       .metric = "reboots",
                                       .basis = BASIS_ABSOLUTE,
                                       .value = 20,
                                       .for_us = 5 * US_PER_S,
                                       .min_devices = 2,
                                       .wave = -1,
                                       .device_class = "",
                                       .react = REACT_PAUSE}};

static void set_up(struct many *m)
{
    struct world *w = &m->w;
    world_init(w, waves, sizeof waves / sizeof *waves);
    m->t0 = m->life_at = w->now;
    m->stopped_at = -1;
    w->policy.limits = limits;
    w->policy.grace_us = 2 * US_PER_S;
    w->fleet.telemetry.interval_us = 5 * US_PER_S;
    w->install_us = 25 * US_PER_S;
    w->devices[w->n_devices - 1].offline = true;                    /* the last wave never ends */
    w->devices[waves[0] + waves[1] - 1].offline = m->seed % 2 == 0; /* nor does the second */
    snprintf(m->dir, sizeof m->dir, "%s/andon-many-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(m->dir));
    setenv("XDG_STATE_HOME", m->dir, 1); /* whatever an engine keeps beside its log */
    setenv("HOME", m->dir, 1);
    snprintf(m->spool, sizeof m->spool, "%s/spool", m->dir);
    for (int i = 0; i < M_LOGS; i++) {
        snprintf(m->db[i], sizeof m->db[i], "%s/log%d/audit.db", m->dir, i);
        snprintf(m->key[i], sizeof m->key[i], "%s/key%d/audit.key", m->dir, i);
    }
    for (int i = 0; i < M_LOGS; i++) {
        struct err e = {0};
        struct audit_spec spec = {
            .db_path = m->db[i], .key_path = m->key[i], .origin = "andon/test", .clock = &m->w.clock};
        struct audit_log *l = audit_open(&spec, &e);
        if (!l)
            fail_msg("%s", e.what);
        snprintf(m->vkey[i], sizeof m->vkey[i], "%s", audit_vkey(l));
        m->known[i] = m->vkey[i];
        audit_close(l);
    }
    buf_init(&m->trace, (size_t)1 << 22);
    rng_init_named(&m->rng, m->seed, "steps");
    for (int i = 0; i < M_LASTING; i++) {
        struct watcher *x = &m->ws[i];
        x->m = m;
        x->index = i;
        x->group = m->group[i];
        x->read_only = m->read_only[i];
        snprintf(x->name, sizeof x->name, "%c%d", i < 2 ? 'g' : 'c', i % 2 + 1);
        start(m, x);
    }
    for (int i = M_LASTING; i < M_WATCHERS; i++)
        m->ws[i].m = m;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

void many_play(struct many *m)
{
    size_t next = 0;
    struct world *w = &m->w;
    set_up(m);
    int64_t until = m->t0 + (M_BUSY_S + M_CALM_S) * US_PER_S, second = w->now / US_PER_S;
    while (w->now < until) {
        faults_end(m);
        while (next < m->n_events && m->t0 + m->events[next].at <= w->now) {
            if (!m->events[next].left_out)
                happens(m, &m->events[next]);
            next++;
        }
        everybody_steps(m);
        rules_time(m);
        w->now = next_time(m, next);
        if (w->now / US_PER_S != second) {
            second = w->now / US_PER_S;
            w->n_log = 0;
            w_tick(w);
        }
    }
    rules_end(m);
    for (int i = 0; i < M_WATCHERS; i++)
        if (m->ws[i].alive)
            end(m, &m->ws[i]);
    rules_after(m);
    (void)nftw(m->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    world_release(w);
}
