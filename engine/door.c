/* What other threads may call, and what the worker does at the door. */
#include "engine/door.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "engine/worker.h"

bool door_init(struct engine *en, struct err *e)
{
    struct en_door *d = &en->door;
    d->next_ticket = 1;
    d->handed_tail = &d->handed;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->published, NULL);
    d->made = true;
    d->seen_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->seen_fd < 0)
        return err_errno(e, ERR_IO, "Raise the limit of open files (ulimit -n).", "no event descriptor can be opened");
    return true;
}

void door_free(struct engine *en)
{
    struct en_door *d = &en->door;
    if (!d->made)
        return;
    snapshot_unref(d->snap);
    while (d->handed) {
        struct handed_in *h = d->handed;
        d->handed = h->next;
        free(h);
    }
    free(d->wish);
    if (d->seen_fd >= 0)
        close(d->seen_fd);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->published);
}

/* ---- the worker's side ---- */

void door_take(struct engine *en, struct door_in *out)
{
    struct en_door *d = &en->door;
    pthread_mutex_lock(&d->lock);
    *out = (struct door_in){.handed = d->handed,
                            .stop = d->stop,
                            .refresh = d->refresh,
                            .focus_set = d->focus_set,
                            .focus = d->new_focus,
                            .wish = d->wish,
                            .keep = d->keep};
    d->wish = NULL;
    d->keep = 0;
    d->handed = NULL;
    d->handed_tail = &d->handed;
    d->refresh = d->focus_set = false;
    pthread_mutex_unlock(&d->lock);
}

bool door_waiting(struct engine *en)
{
    struct en_door *d = &en->door;
    pthread_mutex_lock(&d->lock);
    bool any = d->handed || d->stop || d->refresh || d->focus_set || d->wish || d->keep;
    pthread_mutex_unlock(&d->lock);
    return any;
}

uint64_t door_ticket(struct engine *en)
{
    pthread_mutex_lock(&en->door.lock);
    uint64_t ticket = en->door.next_ticket++;
    pthread_mutex_unlock(&en->door.lock);
    return ticket;
}

void door_stop(struct engine *en)
{
    pthread_mutex_lock(&en->door.lock);
    en->door.stop = true;
    pthread_mutex_unlock(&en->door.lock);
    turn_wake(&en->turn);
}

void door_show(struct engine *en, struct snapshot *s)
{
    struct en_door *d = &en->door;
    uint64_t one = 1;
    pthread_mutex_lock(&d->lock);
    struct snapshot *old = d->snap;
    d->snap = s;
    pthread_cond_broadcast(&d->published);
    pthread_mutex_unlock(&d->lock);
    snapshot_unref(old);
    ssize_t n = write(d->seen_fd, &one, sizeof one);
    (void)n; /* it only refuses when it is readable already */
}

/* ---- the others' side ---- */

struct snapshot *engine_snapshot(struct engine *en)
{
    pthread_mutex_lock(&en->door.lock);
    struct snapshot *s = snapshot_ref(en->door.snap);
    pthread_mutex_unlock(&en->door.lock);
    return s;
}

int engine_fd(const struct engine *en)
{
    return en->door.seen_fd;
}

uint64_t engine_submit(struct engine *en, const struct intent *in)
{
    struct handed_in *h = xcalloc(1, sizeof *h);
    h->in = *in;
    pthread_mutex_lock(&en->door.lock);
    uint64_t ticket = h->ticket = en->door.next_ticket++;
    *en->door.handed_tail = h;
    en->door.handed_tail = &h->next;
    pthread_mutex_unlock(&en->door.lock);
    turn_wake(&en->turn);
    return ticket;
}

void engine_refresh(struct engine *en)
{
    pthread_mutex_lock(&en->door.lock);
    en->door.refresh = true;
    pthread_mutex_unlock(&en->door.lock);
    turn_wake(&en->turn);
}

void engine_focus(struct engine *en, const struct focus *f)
{
    pthread_mutex_lock(&en->door.lock);
    en->door.new_focus = *f;
    en->door.focus_set = true;
    pthread_mutex_unlock(&en->door.lock);
    turn_wake(&en->turn);
}

void engine_plan(struct engine *en, const struct plan_wish *w)
{
    struct plan_wish *copy = xcalloc(1, sizeof *copy);
    *copy = *w;
    pthread_mutex_lock(&en->door.lock);
    free(en->door.wish);
    en->door.wish = copy;
    pthread_mutex_unlock(&en->door.lock);
    turn_wake(&en->turn);
}

void engine_plan_keep(struct engine *en, uint64_t number)
{
    pthread_mutex_lock(&en->door.lock);
    en->door.keep = number;
    pthread_mutex_unlock(&en->door.lock);
    turn_wake(&en->turn);
}

/* Waits for snapshots until `enough` likes one. */
static bool wait_for(struct engine *en, int64_t timeout_us, bool (*enough)(const struct snapshot *s, void *arg),
                     void *arg, struct snapshot **out)
{
    int64_t until = clock_wall(clock_real()) + timeout_us;
    struct timespec ts = {.tv_sec = until / US_PER_S, .tv_nsec = (until % US_PER_S) * 1000};
    bool ok;
    pthread_mutex_lock(&en->door.lock);
    int rc = 0;
    while (!(ok = enough(en->door.snap, arg)) && rc == 0)
        rc = pthread_cond_timedwait(&en->door.published, &en->door.lock, &ts);
    if (out)
        *out = snapshot_ref(en->door.snap);
    pthread_mutex_unlock(&en->door.lock);
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
