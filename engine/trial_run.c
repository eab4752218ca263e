/* A rollout's trial from its first facts to its end: driven as far as facts and telemetry go, and put into the
 * verdict's input. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/explain.h"
#include "engine/trial_run.h"

/* The rollout has ended: what is shown stays, the rest goes. */
static void trial_close(struct ro *ro)
{
    struct run *r = ro->trials.run;
    if (!r || r->busy || r->fetching)
        return;
    run_render(r);
    run_keep(r, true);
    trial_end(ro);
}

static const char *why_off(const struct ro *ro)
{
    const struct engine *en = ro->en;
    if (!en->tm)
        return "no telemetry source is configured";
    if (!en->spec.judge && !en->spec.evidence_db)
        return "this session does not judge";
    if (*ro->rollback.of)
        return "a roll back is not tested";
    if (ro->policy.applies->evidence.tests == TESTS_OFF)
        return "the policy switches the tests off";
    if (!ro->facts.waves_known || ro->facts.n_waves == 0 || !ro->wv[0].facts.told)
        return "no wave was told yet";
    if (ro_ended(ro))
        return "the rollout has ended";
    if (ro->trials.no_past)
        return "no evidence of this rollout is kept here, and the telemetry source has no history";
    return NULL;
}

static struct run *run_of(struct ro *ro)
{
    const char *off = ro_replayed(ro) ? NULL : why_off(ro);
    if (off) {
        ro->trials.off = off;
        return NULL;
    }
    if (ro->trials.run)
        return ro->trials.run;
    struct run *r = ro->trials.run = xcalloc(1, sizeof *r);
    r->ro = ro;
    r->serial = ++ro->en->trials.run_serial;
    r->n_waves = ro->facts.n_waves < TRIAL_WAVES ? (int)ro->facts.n_waves : TRIAL_WAVES;
    r->control_wave = -1;
    r->ev_stage = -1;
    arena_init(&r->arena);
    return r;
}

/* ---- evidence ---- */

/* What a test's evidence calls for has changed. */
static void trace_levels(const struct run *r, const struct run_stage *now, int stage)
{
    const struct evidence_policy *p = &r->ro->policy.applies->evidence;
    for (size_t i = 0; i < now->n; i++) {
        enum reaction was = REACT_NONE, is = explain_reaction(p, &now->v[i]);
        struct trace_line t;
        for (size_t k = 0; k < r->n_ev && stage == r->ev_stage; k++)
            if (r->ev_which[k] == now->which[i])
                was = explain_reaction(p, &r->ev[k]);
        if (was == is || !traced(r->ro->en, &t, TRACE_TRIAL, "evidence"))
            continue;
        json_w_kstr(&t.w, "rollout", r->ro->id);
        json_w_kint(&t.w, "stage", stage);
        json_w_kstr(&t.w, "test", now->v[i].test);
        json_w_kint(&t.w, "tick_us", r->ev_tick);
        json_w_kstr(&t.w, "before", reaction_word(was));
        json_w_kstr(&t.w, "after", reaction_word(is));
        json_w_knum(&t.w, "log_e", now->v[i].log_e);
        json_w_knum(&t.w, "log_pause", now->v[i].log_pause);
        json_w_kint(&t.w, "devices", now->v[i].devices);
        trace_end(&t);
    }
}

static void look(struct run *r)
{
    int64_t tick = trial_next_tick(r->trial);
    run_give_acks(r);
    if (r->state != TRIAL_LIVE && !ro_blind(r->ro))
        return; /* what stands is shown, and judged, when it has come up to now */
    if (!(!ro_replayed(r->ro) && run_outcomes(r, tick - r->spec.step_us)) && tick == r->ev_tick && r->ack == r->ev_ack)
        return;
    r->ev_tick = tick;
    r->ev_ack = r->ack;
    int stage = trial_stage(r->trial);
    const struct run_stage *g = stage < 0 ? NULL : run_standing(r);
    if (g)
        trace_levels(r, g, stage);
    r->ev_stage = stage;
    r->n_ev = 0;
    r->changed = true;
    if (!g)
        return;
    r->n_ev = g->n;
    memcpy(r->ev, g->v, g->n * sizeof *g->v);
    memcpy(r->ev_which, g->which, g->n * sizeof *g->which);
}

static void again(struct engine *en, void *arg)
{
    (void)en;
    trial_advance(arg);
}

void trial_advance(struct ro *ro)
{
    struct run *r = run_of(ro);
    if (!r) {
        trial_close(ro);
        return;
    }
    if (!run_prepare(r))
        timer_set(ro->en, r->again, again, ro);
    run_feed(r);
    if (!r->trial)
        return;
    look(r);
    run_keep(r, false);
}

static void advance_all(struct engine *en)
{
    for (size_t i = 0; i < en->facts.n_ros; i++)
        trial_advance(en->facts.ros[i]);
    run_trim_ticks(en);
}

/* ---- acknowledgements ---- */

void trial_acked(struct ro *ro, int64_t at)
{
    size_t i = ro->trials.n_acks;
    for (size_t k = 0; k < ro->trials.n_acks; k++)
        if (ro->trials.acks[k] == at)
            return;
    if (i == ACKS_MAX) { /* the oldest goes */
        memmove(ro->trials.acks, ro->trials.acks + 1, --i * sizeof *ro->trials.acks);
    }
    for (; i > 0 && ro->trials.acks[i - 1] > at; i--)
        ro->trials.acks[i] = ro->trials.acks[i - 1];
    ro->trials.acks[i] = at;
    ro->trials.n_acks = ro->trials.n_acks < ACKS_MAX ? ro->trials.n_acks + 1 : ACKS_MAX;
    if (ro->trials.run && ro->trials.run->trial)
        trial_advance(ro);
}

/* ---- the part ---- */

void trial_rehearse(struct ro *ro, int64_t newest, trial_tick_fn each, void *ctx)
{
    ro->trials.each_tick = each;
    ro->trials.each_ctx = ctx;
    ro->en->trials.newest = newest;
}

static bool start(struct engine *en, struct err *e)
{
    return !en->spec.evidence_db || run_open_kept(en, e);
}

static void drain(struct engine *en)
{
    run_drain_kept(en);
}

static void devices(struct ro *ro)
{
    if (ro->trials.run && ro->trials.run->trial)
        run_installs(ro->trials.run);
    trial_advance(ro);
}

/* With nothing under way nothing needs to be watched any more. */
static void asking(struct engine *en)
{
    bool idle = watch_idle(en);
    for (size_t i = 0; i < en->facts.n_all; i++)
        idle = idle && !trial_busy(en->facts.all[i]);
    if (!idle)
        return;
    watch_drop(en);
    for (size_t i = 0; i < en->facts.n_all; i++) {
        trial_advance(en->facts.all[i]); /* keeps what is shown of one that has just ended */
        trial_end(en->facts.all[i]);
    }
    run_free_ticks(en);
    watch_clear(en);
}

static void ticked(struct engine *en, const struct sample_list *l)
{
    for (size_t i = 0; l && i < en->facts.n_ros; i++) {
        struct ro *ro = en->facts.ros[i];
        bool was = ro->trials.clocks.shut;
        if (en->telemetry.compared)
            skew_gate_take(&ro->trials.clocks, &en->telemetry.skew, skew_tolerance(ro->policy.applies->grace_us),
                           now_of(en));
        if (ro->trials.clocks.shut && !was)
            ro->trials.blind_from = en->telemetry.tick;
        else if (!ro->trials.clocks.shut && was)
            ro->trials.blind_to = en->telemetry.tick;
    }
    if (l)
        run_take_tick(en, en->telemetry.tick, en->telemetry.watched, l);
    advance_all(en);
}

static void history(struct engine *en, struct ro *ro)
{
    (void)ro;
    advance_all(en);
}

static void replaced(struct ro *old, struct ro *fresh)
{
    (void)fresh;
    trial_end(old);
}

static void ro_free(struct ro *ro)
{
    trial_end(ro);
    run_free_shown(ro);
    run_free_ledger(ro);
}

static void end(struct engine *en)
{
    for (size_t i = 0; en->trials.keeper && i < en->facts.n_all; i++)
        if (en->facts.all[i]->trials.run)
            run_keep(en->facts.all[i]->trials.run, true);
    run_close_kept(en);
}

static void free_all(struct engine *en)
{
    run_close_kept(en);
    run_free_ticks(en);
    run_free_ledgers(en);
}

const struct part part_trials = {.name = "trials",
                                 .start = start,
                                 .end = end,
                                 .free = free_all,
                                 .ro_free = ro_free,
                                 .drain = drain,
                                 .replaced = replaced,
                                 .waves = trial_advance,
                                 .devices = devices,
                                 .asking = asking,
                                 .ticked = ticked,
                                 .learned = trial_advance,
                                 .history = history,
                                 .ruled = trial_end};
