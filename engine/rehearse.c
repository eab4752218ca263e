/* The replay runs on an engine without a thread: the facts are read as for a live trial, the trial is fed from history
 * by the same driver, and after each tick the limits are judged as a live watcher would have judged them then. */
#include "engine/rehearse.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/fmt.h"
#include "core/preset.h"
#include "engine/trial_run.h"

#define LINES_MAX    2000
#define FAILURES_MAX 5
#define ASKED_MAX    300 /* devices that are asked when they installed */
#define PROGRESS     40  /* ticks */

struct rehearser {
    const struct rehearsal_spec *spec;
    struct rehearsal *out;
    struct engine *en;
    struct ro *ro;
    int64_t end; /* last tick */
    size_t waiting;
    struct err err;
    struct verdict_state state[TRIAL_WAVES];
    struct wave_health health[TRIAL_WAVES];
    int64_t covered[TRIAL_WAVES]; /* until when enough devices had reported */
    struct {
        enum reaction react, would;
        const char *rule;
    } wave[TRIAL_WAVES];
    struct rehearsal_line *lines;
    size_t cap;
    const struct track **buf;
    size_t room;
};

static void fed(void *ctx, const struct tick *k);

/* ---- reading what there is ---- */

/* One turn without anything but timers and requests. */
static void turn_once(struct engine *en)
{
    turn_due(&en->turn);
    int64_t deadline = turn_deadline(&en->turn);
    turn_wait(&en->turn, deadline < TIME_NEVER ? deadline : now_of(en) + US_PER_S, 0);
}

static bool wait_for(struct rehearser *h, struct err *e)
{
    while (h->waiting > 0 && h->err.code == ERR_NONE)
        turn_once(h->en);
    if (h->err.code == ERR_NONE)
        return true;
    if (e)
        *e = h->err;
    return false;
}

static struct req *ask(struct rehearser *h, void (*then)(struct req *q, const struct reply *r))
{
    struct req *q = req_new(h->en, then);
    q->x = h;
    h->waiting++;
    return q;
}

/* False: the answer is an error, which ends the rehearsal. */
static bool good(struct req *q, const struct reply *r)
{
    struct rehearser *h = q->x;
    h->waiting--;
    if (r->err && h->err.code == ERR_NONE)
        h->err = *r->err;
    return !r->err;
}

static void rollout_done(struct req *q, const struct reply *r)
{
    struct rehearser *h = q->x;
    if (!good(q, r))
        return;
    h->ro = ro_get(h->en, q->out.rollout.id);
    ro_put(h->ro, &q->out.rollout);
    policy_fix(h->ro, h->spec->policy);
    trial_rehearse(h->ro, 0, fed, h);
}

static void waves_done(struct req *q, const struct reply *r)
{
    struct rehearser *h = q->x;
    if (good(q, r))
        waves_take(h->ro, &q->out.waves);
}

static void members_done(struct req *q, const struct reply *r)
{
    struct rehearser *h = q->x;
    if (good(q, r))
        watch_whole(h->ro, (size_t)q->n, &q->out.devices);
}

static bool read_rollout(struct rehearser *h, struct err *e)
{
    struct engine *en = h->en;
    struct req *q = ask(h, rollout_done);
    en->be->ops->rollout(en->be, arena_strdup(&q->arena, h->spec->rollout), &q->arena, &q->out.rollout, req_done, q);
    if (!wait_for(h, e))
        return false;
    q = ask(h, waves_done);
    en->be->ops->waves(en->be, h->ro->id, &q->arena, &q->out.waves, req_done, q);
    if (!wait_for(h, e))
        return false;
    if (h->ro->facts.n_waves == 0 || !h->ro->wv[0].facts.told)
        return err_set(e, ERR_STATE, "", "rollout %s has told no device: there is nothing to replay", h->ro->id);
    for (size_t i = 0; i < h->ro->facts.n_waves; i++) {
        if (!h->ro->wv[i].facts.told)
            continue;
        q = ask(h, members_done);
        q->n = (int64_t)i;
        en->be->ops->wave_devices(en->be, h->ro->id, arena_strdup(&q->arena, h->ro->facts.waves[i].id),
                                  WAVE_DEVICES_MAX, &q->arena, &q->out.devices, req_done, q);
    }
    if (!wait_for(h, e))
        return false;
    waves_as_of(h->ro, TIME_NEVER / 2);
    return true;
}

/* ---- devices that were updated again since ---- */

static void device_done(struct req *q, const struct reply *r)
{
    struct rehearser *h = q->x;
    h->waiting--;
    for (size_t i = 0; !r->err && i < q->out.device.n_actions; i++) {
        const struct device_action *a = &q->out.device.actions[i];
        if (strcmp(a->rollout, h->ro->id) == 0 && !a->active && strcmp(a->status, "finished") == 0 &&
            a->at >= h->ro->facts.r.created_at) { /* an older one is of another rollout that had its number */
            watch_installed(h->en, (size_t)q->n, a->at);
            return;
        }
    }
    watch_installed(h->en, (size_t)q->n, 0);
    h->out->unknown++;
}

/* The list tells only the newest install: of an older rollout the devices' own histories are read, of so many. */
static bool read_installs(struct rehearser *h, struct err *e)
{
    struct engine *en = h->en;
    size_t asked = 0;
    for (size_t w = 0; ro_ended(h->ro) && w < h->ro->facts.n_waves; w++)
        for (size_t i = 0; i < h->ro->wv[w].watch.n_members; i++) {
            uint32_t k = h->ro->wv[w].watch.members[i];
            if (en->watch.devs[k].installed_at <= h->ro->facts.r.last_modified || h->ro->facts.r.last_modified <= 0)
                continue;
            if (asked++ >= ASKED_MAX || !en->be->ops->device) {
                watch_installed(en, k, 0);
                h->out->unknown++;
                continue;
            }
            struct req *q = ask(h, device_done);
            q->n = k;
            en->be->ops->device(en->be, arena_strdup(&q->arena, en->watch.devs[k].raw_id), &q->arena, &q->out.device,
                                req_done, q);
        }
    return wait_for(h, e);
}

/* ---- the limits, after each tick ---- */

static void feed_tracks(struct rehearser *h, const struct tick *k)
{
    const struct run *r = h->ro->trials.run;
    size_t column[TICK_COLUMNS_MAX];
    run_columns(r, column);
    for (size_t i = 0; i < r->n; i++) {
        double row[TRACK_COLUMNS];
        if (k->at[i] <= 0)
            continue;
        for (size_t c = 0; c < TRACK_COLUMNS; c++)
            row[c] = NAN;
        for (size_t c = 0; c < TICK_COLUMNS_MAX; c++)
            if (column[c] < TRACK_COLUMNS)
                row[column[c]] = tick_value(k, i, c);
        watch_sample(h->en, r->v[i].dev, k->at[i], row, TRACK_COLUMNS);
    }
}

/* As watch.c does it live, with what was known at t. */
static void enrol(struct rehearser *h, int64_t t)
{
    const struct run *r = h->ro->trials.run;
    const struct policy *p = h->ro->policy.applies;
    int64_t first = TIME_NEVER;
    for (size_t i = 0; i < r->n; i++) {
        const struct run_dev *d = &r->v[i];
        if (d->wave < 0 || !r->wave[d->wave].applied)
            continue;
        int64_t told = r->wave[d->wave].told_at, from = TIME_NEVER;
        if (d->installed > 0 && d->installed <= t)
            from = d->installed + p->grace_us;
        else if (t - told > p->install_us)
            watch_counts(h->en, d->dev, TIME_NEVER, true); /* it should report all the same */
        if (from == TIME_NEVER)
            continue;
        if (from < first)
            first = from;
        watch_counts(h->en, d->dev, from, true);
    }
    for (size_t i = 0; first < TIME_NEVER && i < r->n; i++)
        if (r->v[i].control && (r->v[i].wave < 0 || !r->wave[r->v[i].wave].applied))
            watch_counts(h->en, r->v[i].dev, first, false);
}

/* And for how long data had been missing then: a watcher that has always been there. */
static void sum(struct rehearser *h, int wave, int64_t t, struct wave_health *out)
{
    const struct run *r = h->ro->trials.run;
    const struct policy *p = h->ro->policy.applies;
    int64_t every = beat_interval(h->en), window = h->en->policy->window_us;
    int8_t own[METRICS_OWN];
    size_t n = 0, m = 0;
    bool late = t - r->wave[wave].told_at > p->install_us;
    health_init(out);
    for (size_t i = 0; i < r->n; i++) {
        const struct run_dev *d = &r->v[i];
        const struct dev *v = &h->en->watch.devs[d->dev];
        if (d->wave == wave) {
            bool done = d->installed > 0 && d->installed <= t;
            out->told++;
            out->installed += done;
            out->failed += !done && v->status == DEVICE_ERROR && late; /* the server does not say when */
            if (v->enrolled && !track_excused(&v->track, t, every))
                h->buf[n++] = &v->track;
        } else if (d->control && (d->wave < 0 || !r->wave[d->wave].applied)) {
            h->buf[h->room - ++m] = &v->track;
        }
    }
    struct health_excuse x;
    watch_excuse(h->en, h->ro, true, &x);
    health_group(h->buf, n, &h->en->watch.shape, &x, t, window, every, &out->canary);
    watch_excuse(h->en, h->ro, false, &x);
    health_group(h->buf + h->room - m, m, &h->en->watch.shape, &x, t, window, every, &out->control);
    watch_columns(h->en, &p->evidence, own);
    health_compare(out, &p->evidence, own, t);
    int64_t control = health_covered_until(h->buf + h->room - m, m, 1, every, false);
    h->covered[wave] = health_covered_until(h->buf, n, policy_report_needed(p, (int64_t)n), every, true);
    if (control < h->covered[wave])
        h->covered[wave] = control;
}

static void add_line(struct rehearser *h, int64_t t, int wave, const struct verdict *d)
{
    struct rehearsal *out = h->out;
    if (out->n >= LINES_MAX) {
        out->clipped = true;
        return;
    }
    if (out->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 64;
        h->lines = xreallocarray(h->lines, h->cap, sizeof *h->lines);
    }
    h->lines[out->n++] = (struct rehearsal_line){
        t, wave, d->react, d->would, arena_strdup(&out->arena, d->rule), arena_strdup(&out->arena, d->text)};
}

static void note(struct rehearser *h, int64_t t, int wave, const struct verdict *d)
{
    struct rehearsal *out = h->out;
    const struct run *r = h->ro->trials.run;
    bool same = d->react == h->wave[wave].react && d->would == h->wave[wave].would &&
                strcmp(d->rule, h->wave[wave].rule ? h->wave[wave].rule : "") == 0;
    if (d->react > out->worst)
        out->worst = d->react;
    if (d->react >= REACT_PAUSE && out->halted_at == 0) {
        out->halted_at = t;
        out->halted_wave = wave;
        out->halted_by = arena_strdup(&out->arena, d->rule);
        for (size_t i = 0; i < r->n; i++)
            out->told_by_then += r->v[i].wave >= 0 && r->wave[r->v[i].wave].applied;
    }
    if (same)
        return;
    h->wave[wave].react = d->react;
    h->wave[wave].would = d->would;
    h->wave[wave].rule = arena_strdup(&out->arena, d->rule);
    add_line(h, t, wave, d);
}

/* As the engine tells them (trial_installs.c), of what was reported as failed. */
static void give_outcomes(struct rehearser *h)
{
    const struct run *r = h->ro->trials.run;
    struct install_tally v[TRIAL_WAVES];
    struct install_tally sum = {.times = 1};
    for (; sum.wave < r->n_waves && r->wave[sum.wave].applied; sum.wave++) {
        sum.failed += (int32_t)h->health[sum.wave].failed;
        sum.started += (int32_t)h->health[sum.wave].told;
        v[sum.wave] = sum;
    }
    trial_installs(r->trial, v, (size_t)sum.wave, 0);
}

static void fed(void *ctx, const struct tick *k)
{
    struct rehearser *h = ctx;
    int64_t t = k->t;
    struct run *r = h->ro->trials.run;
    struct evidence ev[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    if (r->n > h->room) {
        h->room = r->n + r->n / 4 + 16;
        h->buf = xreallocarray(h->buf, h->room, sizeof(struct track *));
    }
    feed_tracks(h, k);
    enrol(h, t);
    int stage = trial_stage(r->trial);
    for (int w = 0; w < r->n_waves && r->wave[w].applied; w++)
        sum(h, w, t, &h->health[w]);
    give_outcomes(h);
    for (int w = 0; w < r->n_waves && r->wave[w].applied; w++) {
        struct verdict d;
        struct verdict_input in = {.policy = h->ro->policy.applies,
                                   .health = &h->health[w],
                                   .wave_index = w,
                                   .device_class = "",
                                   .telemetry_source = true,
                                   .telemetry_expected = h->health[w].canary.expected > 0,
                                   .telemetry_ok =
                                       true, /* it answers for the past; whom it knows nothing of is silent */
                                   .interval_us = beat_interval(h->en),
                                   .tick = t,
                                   .covered_until = h->covered[w],
                                   .now = t};
        if (w == stage) {
            in.n_evidence = trial_evidence(r->trial, stage, ev, which);
            in.evidence = ev;
        }
        verdict_step(&in, &h->state[w], &d);
        note(h, t, w, &d);
    }
    if (h->spec->progress && h->out->ticks % PROGRESS == 0 && h->end > r->spec.start)
        h->spec->progress(h->spec->ctx, (double)(t - r->spec.start) / (double)(h->end - r->spec.start));
    h->out->ticks++;
}

/* ---- all of it ---- */

static bool replay(struct rehearser *h, struct err *e)
{
    struct ro *ro = h->ro;
    struct engine *en = h->en;
    trial_rehearse(ro, h->end, fed, h);
    for (;;) {
        trial_advance(ro);
        const struct run *r = ro->trials.run;
        if (r && r->failures >= FAILURES_MAX) {
            if (e)
                *e = r->err;
            return false;
        }
        if (r && r->wave[0].step == RUN_READY && !r->trial)
            return err_set(e, ERR_RANGE, "Look at the shares of alpha.", "%s", r->waits);
        if (r && r->trial && trial_next_tick(r->trial) > h->end)
            return true;
        if (r && r->wave[0].told_known && h->end < r->spec.start)
            return err_set(e, ERR_STATE, "", "rollout %s was told after the time at which the replay ends", ro->id);
        turn_once(en);
    }
}

static void describe(struct rehearser *h)
{
    struct rehearsal *out = h->out;
    const struct run *r = h->ro->trials.run;
    char a[FMT_MAX], b[FMT_MAX];
    out->rollout = arena_strdup(&out->arena, h->ro->id);
    out->name = arena_strdup(&out->arena, h->ro->facts.r.name);
    out->state = h->ro->facts.r.state;
    out->start = r->spec.start;
    out->end = trial_next_tick(r->trial) - r->spec.step_us;
    out->devices = (int64_t)r->n;
    out->v = arena_memdup(&out->arena, h->lines, out->n * sizeof *h->lines);
    if (out->halted_at > 0)
        out->text = arena_printf(&out->arena, "would have halted at %s, %s after the start, in W%d by %s",
                                 fmt_iso(a, out->halted_at), fmt_dur(b, out->halted_at - out->start), out->halted_wave,
                                 out->halted_by);
    else
        out->text = arena_printf(&out->arena, "would not have halted in %s; worst verdict: %s",
                                 fmt_dur(a, out->end - out->start), reaction_word(out->worst));
    trial_publish(h->ro, &out->arena, &out->trial);
}

static bool carry_out(struct rehearser *h, struct err *e)
{
    struct engine *en = h->en;
    int64_t now = now_of(en), every = beat_interval(en);
    if (!en->tm)
        return err_set(e, ERR_UNSUPPORTED, "Name a Prometheus in the fleet's configuration.",
                       "fleet %s has no telemetry source: nothing can be replayed", en->spec.fleet->name);
    if (!beat_history(en))
        return err_set(e, ERR_UNSUPPORTED, "Only a Prometheus keeps it.",
                       "the telemetry source of fleet %s keeps no history: nothing can be replayed",
                       en->spec.fleet->name);
    if (!read_rollout(h, e) || !read_installs(h, e))
        return false;
    h->end = h->spec->until > 0 ? h->spec->until : now;
    if (h->spec->until == 0 && ro_ended(h->ro) && h->ro->facts.r.last_modified > 0 &&
        h->ro->facts.r.last_modified < now)
        h->end = h->ro->facts.r.last_modified;
    if (h->end > now - beat_settle(en))
        h->end = now - beat_settle(en);
    h->end = h->end / every * every;
    if (!replay(h, e))
        return false;
    describe(h);
    return true;
}

/* What the policy measures beside the five is asked as the fleet's configuration says, or its preset, by this policy's
 * kinds; what else the fleet measures is not asked. */
static bool queries_of(const struct evidence_policy *p, const struct fleet_spec *fleet, struct telemetry_spec *t,
                       struct err *e)
{
    const struct telemetry_spec *from = &fleet->telemetry;
    for (t->n_own = 0; t->n_own < p->n_own; t->n_own++) {
        const struct metric_def *d = &p->own[t->n_own];
        const char *query = preset_query(from->preset, d->id, from->kind == TELEMETRY_OPENMETRICS);
        for (size_t k = 0; k < from->n_own; k++)
            if (strcmp(from->own[k].id, d->id) == 0)
                query = from->own[k].query;
        if (!query)
            return err_set(e, ERR_STATE, "Name it under metrics: of the fleet's telemetry.",
                           "the policy tests %s, and fleet %s has no query for it", d->id, fleet->name);
        t->own[t->n_own] = (struct telemetry_metric){
            .id = d->id, .query = query, .counter = metric_kind_counts(d->kind), .kind = d->kind, .below = d->diff};
    }
    return true;
}

bool rehearse(const struct rehearsal_spec *spec, struct rehearsal *out, struct err *e)
{
    struct fleet_spec fleet = *spec->fleet;
    fleet.policy = spec->policy; /* its window is the telemetry's too */
    fleet.n_rules = 0;
    struct engine_spec es = {.fleet = &fleet, .clock = spec->clock, .seed = spec->seed, .seam = spec->seam};
    memset(out, 0, sizeof *out);
    arena_init(&out->arena);
    out->rollout = out->name = out->halted_by = out->text = "";
    out->halted_wave = -1;
    if (!queries_of(&spec->policy->evidence, spec->fleet, &fleet.telemetry, e))
        return false;
    struct engine *en = engine_new(&es, e);
    if (!en)
        return false;
    struct rehearser *h = xcalloc(1, sizeof *h);
    h->spec = spec;
    h->out = out;
    h->en = en;
    bool ok = carry_out(h, e);
    engine_free(en);
    free(h->lines);
    free(h->buf);
    free(h);
    return ok;
}

void rehearsal_release(struct rehearsal *r)
{
    arena_release(&r->arena);
    memset(r, 0, sizeof *r);
}
