/* The drill's clock: virtual (speed 0) or a multiple of real time.
 *
 * Virtual time stands still while the engine works and while the server answers, so an hour of a rollout costs only
 * the work in it, and two runs do the same things at the same times. It jumps when the engine's loop says that it has
 * nothing to do before a deadline, and nothing is under way: no request and no log entry, or only requests that the
 * server itself holds back (a slow server), which can't be answered before a known time anyway.
 *
 * A drill with a speed begins in virtual time too, when its scenario has a lead-in: until time 0 nobody is there to
 * watch, and an hour of history costs a second. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/err.h"
#include "drill/inner.h"

#define SHORT_WAIT US_PER_MS
#define STUCK      (2 * US_PER_S) /* real */
#define PACE_MS    5

static struct drill *of(struct clock *c)
{
    return (struct drill *)(void *)c;
}

static int64_t virtual_now(struct clock *c)
{
    return atomic_load(&of(c)->now);
}

/* The lead-in of a drill with a speed ends exactly at time 0, and from there time goes by itself. */
static void begin(struct drill *d)
{
    d->real0 = clock_now(clock_real());
    atomic_store(&d->live, true);
    pthread_cond_broadcast(&d->begun);
}

static void jump(struct drill *d, int64_t t)
{
    if (d->spec.speed > 0 && t >= d->epoch) {
        t = d->epoch;
        begin(d);
    }
    if (t > atomic_load(&d->now))
        atomic_store(&d->now, t);
}

/* Everything that is under way is held back until `until`. What the asker's own timers do at that very moment comes
 * first, and then the answers, one by one: whether an answer is back before the asker looks at its timers would depend
 * on the machine. */
static void pass(struct drill *d, int64_t deadline, int64_t until)
{
    if (until > atomic_load(&d->now))
        jump(d, deadline <= until ? deadline : until);
    if (until <= atomic_load(&d->now) && deadline > until)
        server_release(d->server, atomic_load(&d->now), true);
}

/* Some answers are held back, others seem to be under way, and yet nothing moves: the asker counts something that
 * never reaches this server. Time must not stand still for ever. */
static bool stuck(struct drill *d)
{
    int64_t real = clock_now(clock_real()), served = server_requests(d->server);
    if (d->stuck_since == 0 || served != d->stuck_served) {
        d->stuck_since = real;
        d->stuck_served = served;
        return false;
    }
    return real - d->stuck_since > STUCK;
}

static int64_t virtual_idle(struct clock *c, int64_t deadline, unsigned in_flight)
{
    struct drill *d = of(c);
    pthread_mutex_lock(&d->lock);
    int64_t now = atomic_load(&d->now), until = TIME_NEVER, next = play_next(d), wait = 0;
    unsigned held = in_flight > 0 ? server_held(d->server, &until) : 0;
    bool all_held = held > 0 && held >= in_flight;
    if (in_flight > 0 && !all_held) {
        if (held > 0 && stuck(d)) {
            pass(d, deadline, until);
            d->stuck_since = 0;
        }
        wait = SHORT_WAIT;
    } else {
        if (next > now && next < deadline)
            deadline = next;
        if (deadline == TIME_NEVER && until == TIME_NEVER)
            wait = SHORT_WAIT; /* nothing will ever happen by itself: work must be handed in */
        else
            pass(d, deadline, until);
        d->stuck_since = 0;
    }
    pthread_mutex_unlock(&d->lock);
    return wait;
}

static int64_t scaled_now(struct clock *c)
{
    struct drill *d = of(c);
    if (!atomic_load(&d->live))
        return atomic_load(&d->now);
    return d->epoch + (int64_t)((double)(clock_now(clock_real()) - d->real0) * d->spec.speed);
}

/* The drill's host was started with the drill. */
static int64_t virtual_boot(struct clock *c)
{
    return c->now(c) - of(c)->booted;
}

static int64_t scaled_idle(struct clock *c, int64_t deadline, unsigned in_flight)
{
    if (!atomic_load(&of(c)->live))
        return virtual_idle(c, deadline, in_flight);
    if (deadline == TIME_NEVER)
        return US_PER_HOUR;
    int64_t left = deadline - scaled_now(c);
    if (left <= 0)
        return 0;
    double real = (double)left / of(c)->spec.speed;
    return real > (double)US_PER_HOUR ? US_PER_HOUR : (int64_t)real + 1;
}

void drill_clock_init(struct drill *d)
{
    bool scaled = d->spec.speed > 0;
    int64_t lead_in = d->spec.no_lead_in ? 0 : d->spec.scenario->lead_in_us;
    d->real0 = clock_now(clock_real());
    d->clock = scaled ? (struct clock){scaled_now, scaled_idle, scaled_now, virtual_boot, NULL}
                      : (struct clock){virtual_now, virtual_idle, virtual_now, virtual_boot, NULL};
    d->booted = d->epoch - lead_in;
    atomic_store(&d->now, d->booted);
    atomic_store(&d->live, lead_in == 0);
}

bool drill_wait_begun(struct drill *d, int64_t timeout_us)
{
    int64_t until = clock_wall(clock_real()) + timeout_us; /* as pthread_cond_timedwait wants it */
    struct timespec ts = {.tv_sec = until / US_PER_S, .tv_nsec = until % US_PER_S * 1000};
    if (d->spec.speed <= 0)
        return true;
    pthread_mutex_lock(&d->lock);
    while (!atomic_load(&d->live) && pthread_cond_timedwait(&d->begun, &d->lock, &ts) == 0)
        ;
    bool live = atomic_load(&d->live);
    pthread_mutex_unlock(&d->lock);
    return live;
}

void drill_catch_up(struct drill *d)
{
    world_advance(d->world, clock_now(&d->clock) - d->epoch);
}

/* On a scaled clock nobody calls idle() at the right time: a thread looks every few milliseconds, only in drills
 * whose scenario makes the server slow. */
static void *pace(void *arg)
{
    struct drill *d = arg;
    struct pollfd p = {.fd = d->pacer_fd, .events = POLLIN};
    while (poll(&p, 1, PACE_MS) == 0) {
        pthread_mutex_lock(&d->lock);
        server_release(d->server, clock_now(&d->clock), false);
        pthread_mutex_unlock(&d->lock);
    }
    return NULL;
}

bool drill_pacer_start(struct drill *d, struct err *e)
{
    bool slow = false;
    for (size_t i = 0; i < d->spec.scenario->n_faults; i++)
        slow |= d->spec.scenario->faults[i].kind == FAULT_SLOW_SERVER;
    if (!slow || d->spec.speed <= 0)
        return true;
    d->pacer_fd = eventfd(0, EFD_CLOEXEC);
    if (d->pacer_fd < 0 || pthread_create(&d->pacer, NULL, pace, d) != 0)
        return err_errno(e, ERR_IO, "", "the drill cannot start a thread");
    d->pacing = true;
    return true;
}

void drill_pacer_stop(struct drill *d)
{
    if (d->pacing) {
        uint64_t one = 1;
        while (write(d->pacer_fd, &one, sizeof one) < 0)
            ;
        pthread_join(d->pacer, NULL);
    }
    if (d->pacer_fd >= 0)
        close(d->pacer_fd);
}
