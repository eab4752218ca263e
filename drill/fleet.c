/* The devices: they poll, download, install, fail, restart, loop and fall silent. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "drill/world.h"

#define AGAIN     (5 * US_PER_S) /* a client asks again this long after it has finished something */
#define LATE      (40 * US_PER_S)
#define DEV_AGE   (9 * US_PER_DAY)
#define AGE_RANGE (20 * US_PER_HOUR)

static bool of_device(enum fault_kind k)
{
    return k <= FAULT_SILENCE;
}

static bool fault_fits(const struct world *w, const struct fault *f, int ds)
{
    return (f->on_new && ds == w->ds_new) || (f->on_old && ds == w->ds_old);
}

static uint32_t pick_faults(const struct world *w, int dev)
{
    const struct w_dev *d = &w->devs[dev];
    uint32_t bits = 0;
    for (size_t i = 0; i < w->sc->n_faults; i++) {
        const struct fault *f = &w->sc->faults[i];
        char name[40];
        snprintf(name, sizeof name, "fault %zu", i);
        const struct scenario_model *m = &w->sc->devices.models[d->model];
        if (of_device(f->kind) && (f->device < 0 || f->device == dev) && (!*f->model || !strcmp(f->model, m->name)) &&
            (!*f->hw_revision || !strcmp(f->hw_revision, m->hw_revision)) &&
            (!*f->site || !strcmp(f->site, w->sc->devices.sites[d->site])) &&
            world_chance(w, name, (uint64_t)dev) < f->share)
            bits |= 1U << i;
    }
    return bits;
}

static uint16_t pick_model(const struct scenario_devices *s, double u)
{
    double sum = 0;
    for (size_t i = 0; i + 1 < s->n_models; i++) {
        sum += s->models[i].share;
        if (u < sum)
            return (uint16_t)i;
    }
    return (uint16_t)(s->n_models - 1);
}

static void init_one(struct world *w, int i, int width)
{
    const struct scenario_devices *s = &w->sc->devices;
    struct w_dev *d = &w->devs[i];
    struct rng *r = &d->rng;
    rng_init_named(r, w->seed ^ ((uint64_t)i * UINT64_C(0x9e3779b97f4a7c15)), "device");
    snprintf(d->id, sizeof d->id, "%s%0*d", s->prefix, width, i);
    d->model = pick_model(s, rng_unit(r));
    d->site = (uint16_t)rng_below(r, s->n_sites);
    d->poll_phase = (int64_t)(rng_unit(r) * (double)s->poll_us);
    d->status = W_IN_SYNC;
    d->installed = d->assigned = d->truth = w->ds_old;
    d->installed_at = d->truth_since = -DEV_AGE + (int64_t)(rng_unit(r) * (double)AGE_RANGE);
    d->modified = d->installed_at;
    d->modified_by_system = true;
    d->poll_due = d->dead_at = d->first_new = TIME_NEVER;
    d->late_action = d->working = W_NONE;
    d->away_from = d->away_to = TIME_NEVER;
    d->dark_from = d->dark_to = -TIME_NEVER;
    double rate = rng_gamma(r, s->reboot_shape) / s->reboot_shape * s->reboots_per_day;
    d->boot_every = rate > 0 ? (double)US_PER_DAY / rate : 0;
    d->boots = (int64_t)rng_below(r, 40);
    d->cpu = (float)(s->cpu_mean * exp(s->cpu_spread * rng_normal(r)));
    d->sensor = (float)(s->sensor_mean + 1.5 * rng_normal(r));
    d->sensor_sd = (float)(s->sensor_spread > 0 ? s->sensor_sd * exp(s->sensor_spread * rng_normal(r)) : s->sensor_sd);
    double u = rng_unit(r), where = rng_unit(r);
    if (u < s->offline) {
        d->away_from = (int64_t)(where * (double)w->sc->ends.after / 2) - s->offline_us / 2;
        d->away_to = d->away_from + s->offline_us;
    }
    d->quirk_late = world_chance(w, "late report", (uint64_t)i) < s->late_report;
    d->faults = pick_faults(w, i);
}

static void next_boot(struct world *w, int dev)
{
    struct w_dev *d = &w->devs[dev];
    double gap = d->boot_every > 0 ? rng_exp(&d->rng, d->boot_every) : INFINITY;
    if (gap < 1e15) /* thirty years */
        world_push(w, w->now + (int64_t)gap, EV_BOOT, dev, 0, 0);
}

/* Mean time between the extra reboots of a fault, 0 = there are none. */
static double crash_every(const struct w_dev *d, const struct fault *f)
{
    if (f->kind == FAULT_CRASH_LOOP)
        return (double)US_PER_HOUR / f->per_hour;
    return f->kind == FAULT_REBOOTS && f->factor > 1 ? d->boot_every / (f->factor - 1) : 0;
}

static void next_crash(struct world *w, int dev, int64_t from, size_t fault)
{
    struct w_dev *d = &w->devs[dev];
    double every = crash_every(d, &w->sc->faults[fault]), gap = every > 0 ? rng_exp(&d->rng, every) : INFINITY;
    if (gap < 1e15)
        world_push(w, from + (int64_t)gap, EV_CRASH, dev, d->truth_gen, (int)fault);
}

/* What the firmware it now runs will do to it. */
static void plan_faults(struct world *w, int dev)
{
    struct w_dev *d = &w->devs[dev];
    for (size_t i = 0; i < w->sc->n_faults; i++) {
        const struct fault *f = &w->sc->faults[i];
        if (!(d->faults & (1U << i)) || !fault_fits(w, f, d->truth) || f->kind == FAULT_INSTALL ||
            f->kind == FAULT_HANG)
            continue;
        int64_t onset = d->truth_since + f->after;
        onset = onset > f->at ? onset : f->at;
        if (onset < w->now)
            onset = w->now;
        if (onset >= f->until)
            continue;
        /* What the old firmware does too, and always did, is the fleet as it is. */
        if (!(f->on_old && f->at < 0) && onset < w->first_injected)
            w->first_injected = onset;
        if (f->kind == FAULT_CRASH_LOOP || f->kind == FAULT_REBOOTS)
            next_crash(w, dev, onset, i);
        else if (f->kind == FAULT_SILENCE)
            world_push(w, onset, EV_DIE, dev, d->truth_gen, (int)i);
    }
}

void fleet_init(struct world *w)
{
    int width = 4;
    for (size_t n = 10000; n < w->n_devs; n *= 10)
        width++;
    for (size_t i = 0; i < w->n_devs; i++) {
        init_one(w, (int)i, width);
        next_boot(w, (int)i);
        plan_faults(w, (int)i);
    }
}

static void fleet_runs(struct world *w, int dev, int ds)
{
    struct w_dev *d = &w->devs[dev];
    d->truth = ds;
    d->truth_since = w->now;
    d->truth_gen++;
    if (ds == w->ds_new && d->first_new == TIME_NEVER)
        d->first_new = w->now;
    free(d->label); /* its firmware is one of the page's labels */
    d->label = NULL;
    plan_faults(w, dev);
    double after = (double)w->sc->rollout.activation_us * (0.9 + 0.2 * world_chance(w, "activation", (uint64_t)dev));
    if (ds == w->ds_new && after > 0)
        world_push(w, w->now + (int64_t)after, EV_ACTIVATE, dev, d->truth_gen, 0);
}

bool fleet_hit(const struct world *w, int dev, size_t fault)
{
    const struct w_dev *d = &w->devs[dev];
    const struct fault *f = &w->sc->faults[fault];
    return (d->faults & (1U << fault)) && fault_fits(w, f, d->truth) && w->now >= f->at && w->now < f->until &&
           w->now >= d->truth_since + f->after;
}

int64_t fleet_onset(const struct world *w, int dev, size_t fault)
{
    const struct fault *f = &w->sc->faults[fault];
    int64_t t = w->devs[dev].truth_since + f->after;
    return t > f->at ? t : f->at;
}

static bool away(const struct w_dev *d, int64_t t)
{
    return t >= d->away_from && t < d->away_to;
}

/* --- polling: the times are arithmetic, and an event is made only when there is something to see */

static int64_t floor_poll(const struct world *w, const struct w_dev *d, int64_t t)
{
    int64_t every = w->sc->devices.poll_us, k = (t - d->poll_phase) / every;
    if (t < d->poll_phase)
        k--;
    return d->poll_phase + k * every;
}

int64_t fleet_last_poll(const struct world *w, int dev)
{
    const struct w_dev *d = &w->devs[dev];
    int64_t t = w->now < d->dead_at ? w->now : d->dead_at;
    int64_t p = floor_poll(w, d, t);
    return away(d, p) ? floor_poll(w, d, d->away_from - 1) : p;
}

static void poll_at(struct world *w, int dev, int64_t t)
{
    struct w_dev *d = &w->devs[dev];
    if (away(d, t))
        t = d->away_to + d->poll_phase % (30 * US_PER_S);
    if (t >= d->poll_due || t >= d->dead_at)
        return;
    d->poll_due = t;
    world_push(w, t, EV_POLL, dev, 0, 0);
}

void fleet_notify(struct world *w, int dev)
{
    poll_at(w, dev, floor_poll(w, &w->devs[dev], w->now) + w->sc->devices.poll_us);
}

/* --- what a device does about it */

static void begin_step(struct world *w, int dev, enum w_phase phase, int64_t median)
{
    struct w_dev *d = &w->devs[dev];
    d->phase = phase;
    double t = (double)median * exp(0.35 * rng_normal(&d->rng));
    world_push(w, w->now + (int64_t)t, EV_STEP, dev, ++d->step_gen, 0);
}

static bool install_fails(struct world *w, int dev, int ds)
{
    struct w_dev *d = &w->devs[dev];
    if (rng_unit(&d->rng) < w->sc->devices.install_failures)
        return true;
    for (size_t i = 0; i < w->sc->n_faults; i++) {
        const struct fault *f = &w->sc->faults[i];
        if (f->kind == FAULT_INSTALL && (d->faults & (1U << i)) && fault_fits(w, f, ds) && w->now >= f->at &&
            w->now < f->until)
            return true;
    }
    return false;
}

/* Does this install stand still? Then only a recall ends it. */
static bool install_hangs(const struct world *w, int dev, int action)
{
    const struct w_action *a = &w->actions[action];
    for (size_t i = 0; i < w->sc->n_faults; i++) {
        const struct fault *f = &w->sc->faults[i];
        if (f->kind != FAULT_HANG || !(w->devs[dev].faults & (1U << i)) || !fault_fits(w, f, a->ds) || w->now < f->at ||
            w->now >= f->until)
            continue;
        if (f->wave < 0 || (a->rollout != W_NONE && a->group == w->rollouts[a->rollout].first_group + f->wave))
            return true;
    }
    return false;
}

static int newer_task(const struct world *w, const struct w_dev *d, uint32_t from)
{
    for (uint32_t i = from; i < d->n_actions; i++) {
        const struct w_action *a = &w->actions[d->actions[i]];
        if (a->active && !a->cancel && a->status != WA_SCHEDULED)
            return d->actions[i];
    }
    return W_NONE;
}

static void begin_task(struct world *w, int dev, int action)
{
    struct w_dev *d = &w->devs[dev];
    if (d->phase != PHASE_IDLE)
        return;
    action_status(w, action, WA_RETRIEVED, "retrieved",
                  "Update Server: Target retrieved update action and should start now the download.");
    action_status(w, action, WA_DOWNLOAD, "download", "");
    d->working = action;
    d->will_fail = install_fails(w, dev, w->actions[action].ds);
    begin_step(w, dev, PHASE_DOWNLOAD, w->sc->devices.download_us);
}

static void answer_recall(struct world *w, int dev, int action)
{
    struct w_dev *d = &w->devs[dev];
    bool yes = world_chance(w, "cancel", (uint64_t)action) >= w->sc->devices.cancel_rejected;
    if (yes && d->working == action) {
        d->phase = PHASE_IDLE;
        d->working = W_NONE;
        d->step_gen++;
    }
    action_cancel_answer(w, action, yes);
    poll_at(w, dev, w->now + AGAIN);
}

/* The server offers the oldest open action first; a recall goes before everything. */
static void on_poll(struct world *w, int dev)
{
    struct w_dev *d = &w->devs[dev];
    d->poll_due = TIME_NEVER;
    if (d->phase == PHASE_INSTALL) /* past the point of no return: it looks again when it is done */
        return;
    for (uint32_t i = 0; i < d->n_actions; i++) {
        int a = d->actions[i];
        if (!w->actions[a].active || w->actions[a].status == WA_SCHEDULED)
            continue;
        if (w->actions[a].cancel && d->quirk_late && newer_task(w, d, i + 1) != W_NONE) {
            d->late_action = a; /* leaves it unanswered, and reports it after the newer one */
            if (d->working == a) {
                d->phase = PHASE_IDLE;
                d->step_gen++;
            }
            continue;
        }
        if (w->actions[a].cancel)
            answer_recall(w, dev, a);
        else
            begin_task(w, dev, a);
        return;
    }
}

static void boot(struct world *w, int dev)
{
    struct w_dev *d = &w->devs[dev];
    d->boots++;
    d->dark_from = w->now;
    d->dark_to = w->now + w->sc->devices.restart_us;
}

static void on_step(struct world *w, int dev)
{
    struct w_dev *d = &w->devs[dev];
    if (w->now >= d->dead_at)
        return;
    if (away(d, w->now)) { /* cut off in the middle: it goes on when it is back */
        world_push(w, d->away_to, EV_STEP, dev, d->step_gen, 0);
        return;
    }
    int a = d->working;
    if (d->phase == PHASE_DOWNLOAD) {
        if (w->actions[a].active && !w->actions[a].cancel)
            action_status(w, a, WA_DOWNLOADED, "downloaded", "");
        if (install_hangs(w, dev, a)) {
            if (w->now < w->first_injected)
                w->first_injected = w->now;
            return;
        }
        begin_step(w, dev, PHASE_INSTALL, w->sc->devices.install_us);
        return;
    }
    d->phase = PHASE_IDLE;
    d->working = W_NONE;
    int ds = w->actions[a].ds;
    if (d->will_fail) {
        if (w->sc->n_faults > 0 && ds == w->ds_new && w->now < w->first_injected)
            w->first_injected = w->now;
    } else {
        boot(w, dev);
        fleet_runs(w, dev, ds);
    }
    action_done(w, a, !d->will_fail); /* the server may have closed it (410): then it believes something else */
    if (d->late_action != W_NONE && d->late_action != a)
        world_push(w, w->now + LATE, EV_LATE, dev, 0, 0);
    if (newer_task(w, d, 0) != W_NONE)
        poll_at(w, dev, w->now + AGAIN);
}

static void on_late(struct world *w, int dev)
{
    struct w_dev *d = &w->devs[dev];
    int a = d->late_action;
    d->late_action = W_NONE;
    d->quirk_late = false;
    if (a == W_NONE || !w->actions[a].active)
        return;
    boot(w, dev);
    fleet_runs(w, dev, w->actions[a].ds);
    action_done(w, a, true);
}

void fleet_event(struct world *w, const struct w_event *ev)
{
    int dev = ev->dev;
    struct w_dev *d = &w->devs[dev];
    switch ((enum w_event_kind)ev->kind) {
    case EV_POLL:
        if (ev->t == d->poll_due && ev->t < d->dead_at)
            on_poll(w, dev);
        break;
    case EV_STEP:
        if (ev->gen == d->step_gen && d->phase != PHASE_IDLE)
            on_step(w, dev);
        break;
    case EV_BOOT:
        if (ev->t < d->dead_at)
            boot(w, dev);
        next_boot(w, dev);
        break;
    case EV_CRASH:
        if (ev->gen != d->truth_gen || ev->t >= w->sc->faults[ev->arg].until || ev->t >= d->dead_at)
            break;
        boot(w, dev);
        next_crash(w, dev, ev->t, ev->arg);
        break;
    case EV_ACTIVATE:
        if (ev->gen != d->truth_gen || ev->t >= d->dead_at)
            break;
        boot(w, dev);
        d->activations++;
        break;
    case EV_LATE:
        on_late(w, dev);
        break;
    case EV_DIE:
        if (ev->gen == d->truth_gen)
            d->dead_at = ev->t;
        break;
    case EV_TICK:
    case EV_BEGIN:
        break;
    }
}
