/* When telemetry is asked for, and what its answer sets off.
 *
 * A source that keeps history is asked on a grid of its own interval, for the values as of each tick, a little after
 * the tick so that the scrapes of it are in: two watchers of the same source then see the same values at the same
 * times. A source without history is asked at even intervals; its values belong to the tick before. */
#include <math.h>
#include <string.h>
#include "engine/worker.h"

#define FIRST_US  (100 * US_PER_MS)
#define SETTLE_US (5 * US_PER_S)

int64_t beat_interval(const struct engine *en)
{
    int64_t i = en->spec.fleet->telemetry.interval_us;
    return i > 0 ? i : 15 * US_PER_S;
}

int64_t beat_settle(const struct engine *en)
{
    int64_t third = beat_interval(en) / 3;
    return third < SETTLE_US ? third : SETTLE_US;
}

bool beat_history(const struct engine *en)
{
    return en->tm && en->tm->ops->range;
}

static int64_t tick_of(const struct engine *en, int64_t t)
{
    return t / beat_interval(en) * beat_interval(en);
}

/* When the next one is due, after the one that was asked for at `asked`. */
static int64_t next_beat(struct engine *en, int64_t asked)
{
    int64_t every = beat_interval(en), now = now_of(en);
    if (beat_history(en)) {
        int64_t settle = beat_settle(en), next = tick_of(en, asked - settle) + every + settle;
        return next > now ? next : tick_of(en, now - settle) + every + settle;
    }
    return asked + every > now ? asked + every : now + every / 2;
}

/* Some sources give the time of the last boot: here it becomes a count of boots. */
double beat_boots(const struct engine *en, struct dev *d, double boot_time)
{
    bool times = en->tm->ops->boot_time && en->tm->ops->boot_time(en->tm);
    if (!times)
        return boot_time;
    struct boot_counter c = {.boot_time = d->boot_time, .boots = d->boots, .known = !isnan(d->boot_time)};
    double count = boot_counter_feed(&c, boot_time);
    if (!c.known)
        return count;
    d->boot_time = c.boot_time;
    d->boots = c.boots;
    return count;
}

static void feed_tracks(struct engine *en, const struct sample_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct sample_row *s = &l->v[i];
        if (s->index >= en->n_devs)
            continue;
        struct dev *d = &en->devs[s->index];
        struct sample one = {"", s->t, beat_boots(en, d, s->reboots), s->cpu, s->variance};
        track_feed(&d->track, &one, en->policy->window_us);
    }
}

static void telemetry_done(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    en->tlink.busy = false;
    en->tm_answered = en->tlink.asked_at;
    if (r->err) {
        link_bad(en, &en->tlink, r->err);
    } else {
        link_ok(en, &en->tlink, r);
        feed_tracks(en, &q->out.samples);
        for (size_t i = 0; i < en->n_ros; i++)
            en->ros[i]->lost_good++;
        ticks_take(en, en->tm_tick, en->tm_watched, &q->out.samples);
    }
    for (size_t i = 0; i < en->n_ros; i++)
        watch_enrol(en->ros[i]);
    trial_advance_all(en);
    judge_all(en);
    int64_t next = next_beat(en, en->tlink.asked_at);
    if (en->tm_extra && en->tlink.next_try > now_of(en))
        next = en->tlink.next_try; /* the beat stays */
    en->tm_extra = false;
    en->tlink.next_try = next;
    timer_set(en, next, telemetry_poll, NULL);
    mark(en);
}

static void telemetry_ask(struct engine *en)
{
    watch_forget(en);
    en->tlink.busy = true;
    en->tlink.asked_at = now_of(en);
    en->tm_watched = watch_set_size(en->watch);
    en->tm_tick = tick_of(en, en->tlink.asked_at - (beat_history(en) ? beat_settle(en) : 0));
    struct req *q = req_new(en, telemetry_done);
    en->tm->ops->poll(en->tm, en->watch, beat_history(en) ? en->tm_tick : 0, en->policy->window_us, &q->arena,
                      &q->out.samples, req_done, q);
}

void telemetry_poll(struct engine *en, void *arg)
{
    (void)arg;
    if (!en->tm || en->tlink.busy)
        return;
    en->tm_polls++;
    telemetry_ask(en);
}

static void first_poll(struct engine *en, void *arg)
{
    (void)arg;
    if (en->tm_polls > 1)
        return;
    if (en->tlink.busy) {
        timer_set(en, now_of(en) + FIRST_US, first_poll, NULL);
        return;
    }
    en->tm_extra = true;
    telemetry_ask(en);
}

/* The first poll finds no device on the list, and the next one is a whole interval away: until then the first devices
 * are asked for as soon as they are known. */
void beat_soon(struct engine *en)
{
    if (en->tm && en->tm_polls <= 1)
        timer_set(en, now_of(en) + FIRST_US, first_poll, NULL);
}

void beat_begin(struct engine *en)
{
    telemetry_poll(en, NULL);
}
