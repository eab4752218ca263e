#include "engine/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/fmt.h"
#include "core/json.h"
#include "engine/worker.h"

#define TREND_US US_PER_MIN

/* One poll that fails loses nothing: what was heard before it is as good as it was. */
static bool telemetry_ok(struct engine *en)
{
    return en->telemetry.link.last_ok > 0 &&
           now_of(en) - en->telemetry.link.last_ok <= VERDICT_COVERAGE * beat_interval(en);
}

/* The tracks of a wave's enrolled devices, without those that are installing: how many, `v` has room for all. */
static size_t canary_tracks(const struct ro *ro, size_t wave, const struct track **v)
{
    size_t n = 0;
    const struct wv *w = &ro->wv[wave];
    int64_t now = now_of(ro->en), every = beat_interval(ro->en);
    for (size_t i = 0; i < w->watch.n_members; i++) {
        const struct dev *d = &ro->en->watch.devs[w->watch.members[i]];
        if (d->enrolled && d->canary_of == ro && d->wave == (int)wave && !track_excused(&d->track, now, every))
            v[n++] = &d->track;
    }
    return n;
}

/* When time alone moves the sums over the rollout's devices. */
static int64_t sums_turn(const struct ro *ro)
{
    int64_t now = now_of(ro->en), every = beat_interval(ro->en), next = TIME_NEVER;
    for (size_t w = 0; w < ro->facts.n_waves; w++)
        for (size_t i = 0; ro->wv[w].facts.told && i < ro->wv[w].watch.n_members; i++) {
            const struct dev *d = &ro->en->watch.devs[ro->wv[w].watch.members[i]];
            int64_t report = health_turns(&d->track, now, every), install = watch_install_turns(ro, w, d, now);
            report = install < report ? install : report;
            next = report < next ? report : next;
        }
    for (size_t i = 0; i < ro->watch.n_control; i++) {
        int64_t at = health_turns(&ro->en->watch.devs[ro->watch.control[i]].track, now, every);
        next = at < next ? at : next;
    }
    return next;
}

/* The server is asked each second or two, and a fleet's devices are many: what is summed over them is summed anew only
 * when something of them has changed. */
static bool sums_due(struct ro *ro)
{
    struct ro_judge *j = &ro->judge;
    size_t told = 0;
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        told += ro->wv[i].facts.told;
    if (j->sums_of == ro->en->watch.changes && j->sums_told == told && now_of(ro->en) < j->sums_until)
        return false;
    j->sums_of = ro->en->watch.changes;
    j->sums_told = told;
    j->sums_until = sums_turn(ro);
    return true;
}

/* Reported by the counts, which are newer than the list of devices; overdue are what is left of them at most. */
static void put_installs(const struct ro *ro, size_t i, struct wave_health *h)
{
    const struct counts *c = &ro->facts.waves[i].counts;
    const struct install_counts by = ro->wv[i].judge.installs;
    int64_t reported = c->known ? c->error : by.failed, left = h->told - h->installed - reported;
    h->overdue = by.overdue < left ? by.overdue : left > 0 ? left : 0;
    h->unreached = by.unreached < left - h->overdue ? by.unreached : left > h->overdue ? left - h->overdue : 0;
    h->failed = reported + h->overdue;
}

static void sum_wave(struct ro *ro, size_t i, const struct track **buf, bool anew)
{
    struct engine *en = ro->en;
    struct wv *v = &ro->wv[i];
    const struct wave *w = &ro->facts.waves[i];
    int64_t now = now_of(en);
    struct wave_health *h = &v->judge.health;
    if (anew) {
        size_t n = canary_tracks(ro, i, buf);
        struct health_excuse x;
        watch_excuse(en, ro, true, &x);
        health_group(buf, n, &en->watch.shape, &x, now, en->policy->window_us, beat_interval(en), &h->canary);
        watch_installs(ro, i, now, &v->judge.installs);
    }
    h->control = ro->judge.control_now;
    h->control_frozen_at = ro->judge.control_frozen_at;
    h->told = wave_told(w);
    h->installed = w->counts.known ? w->counts.finished : 0;
    put_installs(ro, i, h);
    judge_compare(ro, h);
    if (now - v->judge.trend_at < TREND_US)
        return;
    v->judge.trend_at = now;
    for (int m = 0; m < FIGURES_MAX; m++) {
        memmove(v->judge.trend[m], v->judge.trend[m] + 1, (TREND_N - 1) * sizeof(float));
        memmove(v->judge.trend_control[m], v->judge.trend_control[m] + 1, (TREND_N - 1) * sizeof(float));
        v->judge.trend[m][TREND_N - 1] = (float)h->value[m];
        v->judge.trend_control[m][TREND_N - 1] = (float)h->against[m];
    }
}

static void limit_figures(const struct ro *ro, size_t i, struct json_w *w)
{
    const struct wv *v = &ro->wv[i];
    const struct wave_health *h = &v->judge.health;
    const struct limit_view *l = NULL;
    char f[FMT_MAX];
    for (size_t k = 0; k < v->judge.verdict.n_limits; k++)
        if (strcmp(v->judge.verdict.limits[k].limit->id, v->judge.verdict.rule) == 0)
            l = &v->judge.verdict.limits[k];
    json_w_kint(w, "canary.expected", h->canary.expected);
    json_w_kint(w, "canary.reporting", h->canary.reporting);
    json_w_kint(w, "canary.rebooted", h->canary.column[COL_REBOOTS].count.had);
    json_w_kint(w, "canary.reboots", h->canary.column[COL_REBOOTS].count.events);
    json_w_kint(w, "control.expected", h->control.expected);
    json_w_kint(w, "control.frozen_at", h->control_frozen_at);
    json_w_kint(w, "control.rebooted", h->control.column[COL_REBOOTS].count.had);
    json_w_kint(w, "control.reboots", h->control.column[COL_REBOOTS].count.events);
    json_w_kint(w, "control.reporting", h->control.reporting);
    json_w_kint(w, "failed", h->failed);
    if (l) {
        json_w_kstr(w, "limit.against", fmt_hexfloat(f, l->against));
        json_w_kstr(w, "limit.basis", l->limit->basis == BASIS_RELATIVE ? "relative" : "absolute");
        json_w_kint(w, "limit.devices", l->devices);
        json_w_kint(w, "limit.for_us", l->limit->for_us);
        json_w_kstr(w, "limit.metric", l->limit->metric);
        json_w_kstr(w, "limit.ratio", fmt_hexfloat(f, l->ratio));
        json_w_kint(w, "limit.since", l->since);
        json_w_kstr(w, "limit.threshold", fmt_hexfloat(f, l->limit->value));
        json_w_kstr(w, "limit.value", fmt_hexfloat(f, l->value));
    }
    json_w_kint(w, "overdue", h->overdue);
    json_w_kstr(w, "policy", ro->policy.applies->digest);
    json_w_kint(w, "told", h->told);
    json_w_kint(w, "unknown_since", v->judge.verdict.unknown_since);
    json_w_kint(w, "wave", (int64_t)i);
}

/* The figures that the rule acted on: exact, keys in order (RFC 8785). */
static void evidence(const struct ro *ro, size_t i, char *out, size_t size)
{
    struct buf b;
    struct json_w w;
    buf_init(&b, size - 1);
    json_w_init(&w, &b, 0);
    json_w_obj(&w);
    if (!trial_figures(ro, ro->wv[i].judge.verdict.rule, ro->wv[i].judge.verdict.react, &w))
        limit_figures(ro, i, &w);
    json_w_obj_end(&w);
    out[0] = '\0';
    if (json_w_ok(&w))
        memcpy(out, b.data, b.len + 1);
    buf_release(&b);
}

void judge_intent(const struct ro *ro, size_t i, enum verb verb, const char *rule, struct intent *in)
{
    memset(in, 0, sizeof *in);
    in->verb = verb;
    in->expect_devices = -1;
    in->all_waves = true;
    in->actor.kind = ACTOR_RULE;
    snprintf(in->fleet, sizeof in->fleet, "%s", ro->en->spec.fleet->name);
    snprintf(in->rollout, sizeof in->rollout, "%s", ro->id);
    snprintf(in->actor.name, sizeof in->actor.name, "%s", rule);
    snprintf(in->rule, sizeof in->rule, "%s", rule);
    in->decided_at = now_of(ro->en);
    if (i < ro->facts.n_waves) {
        snprintf(in->reason, sizeof in->reason, "W%zu: %s", i, ro->wv[i].judge.verdict.text);
        evidence(ro, i, in->evidence, sizeof in->evidence);
    }
}

/* A rule has crossed into or out of watch or hold, or a dry-run limit would have acted. */
static void say_watch(struct ro *ro, size_t i)
{
    struct engine *en = ro->en;
    struct wv *v = &ro->wv[i];
    struct entry e;
    char wave[24];
    enum reaction worst =
        v->judge.verdict.react > v->judge.verdict.would ? v->judge.verdict.react : v->judge.verdict.would;
    if (strcmp(v->judge.verdict.rule, VERDICT_RULE_CATCHING) == 0 && !trial_waits_long(ro))
        return; /* as at every start, for a moment */
    if (worst == v->judge.said || !en->spec.judge)
        return;
    diary_entry(en, &e, ENTRY_WATCH, NULL, ro);
    snprintf(wave, sizeof wave, "%zu", i);
    e.wave = wave;
    e.actor.kind = ACTOR_RULE;
    snprintf(e.actor.name, sizeof e.actor.name, "%s", *v->judge.verdict.rule ? v->judge.verdict.rule : "verdict");
    e.before = reaction_word(v->judge.said);
    e.after = reaction_word(worst);
    e.reason = v->judge.verdict.text;
    if (v->judge.verdict.would > v->judge.verdict.react)
        entry_str(&e, "dry_run", reaction_word(v->judge.verdict.would));
    diary_write(en, &e, 0, NULL, NULL);
    v->judge.said = worst;
}

static void halt_by_rule(struct ro *ro, size_t i)
{
    struct wv *v = &ro->wv[i];
    struct intent in;
    if (v->judge.watch_said || !stop_rule_may_halt(&ro->stop.m))
        return;
    judge_intent(ro, i, VERB_HALT, v->judge.verdict.rule, &in);
    v->judge.watch_said = ro->en->spec.fleet->read_only || ro->en->spec.observe_only; /* there it only says so, once */
    verbs_by_rule(ro->en, &in);
}

static void hold_by_rule(struct ro *ro, size_t i, const char *rule)
{
    struct intent in;
    struct engine *en = ro->en;
    bool passes = verdict_rule_passes(rule);
    /* Who resumes it by hand is not fought: it is placed once for each wave, or while its cause lasts. */
    if (ro->facts.r.state != ROLLOUT_RUNNING || stop_latched(&ro->stop.m) || stop_held(&ro->stop.m) ||
        (passes ? ro->judge.passing_held : ro->stop.hold_wave == ro->facts.current) || !diary_ok(en))
        return;
    if (en->spec.fleet->read_only || en->spec.observe_only || verbs_busy(en, ro))
        return; /* what is under way on it ends first; the next verdict comes soon */
    if (passes)
        ro->judge.passing_held = true;
    else
        ro_stop_hold_placed(ro, ro->facts.current);
    judge_intent(ro, i, VERB_PAUSE, rule, &in);
    if (strcmp(rule, "PROMOTE-HOLD") == 0) {
        snprintf(in.reason, sizeof in.reason, "the policy lets a person start each wave");
        in.evidence[0] = '\0';
    }
    verbs_by_rule(en, &in);
}

static bool more_waves(const struct ro *ro)
{
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        if (ro->facts.waves[i].state == WAVE_SCHEDULED)
            return true;
    return false;
}

/* For something that mostly comes by itself. */
static bool waits(const struct verdict *v)
{
    return strcmp(v->rule, VERDICT_RULE_CATCHING) == 0 || strcmp(v->rule, VERDICT_RULE_CLOCKS) == 0;
}

static void act_on(struct ro *ro, size_t i)
{
    struct engine *en = ro->en;
    struct wv *v = &ro->wv[i];
    say_watch(ro, i);
    if (!en->spec.judge)
        return;
    if (v->judge.verdict.react >= REACT_PAUSE) {
        halt_by_rule(ro, i);
        if (v->judge.verdict.react == REACT_ROLLBACK && !rollback_running(ro) && !ro->judge.rollback_due &&
            !ro->rollback.saga) {
            ro->judge.rollback_due = true;
            snprintf(ro->judge.rollback_rule, sizeof ro->judge.rollback_rule, "%s", v->judge.verdict.rule);
        }
    } else if (v->judge.verdict.react == REACT_HOLD && more_waves(ro) &&
               (!waits(&v->judge.verdict) || trial_waits_long(ro))) {
        hold_by_rule(ro, i, v->judge.verdict.rule);
    } else {
        v->judge.watch_said = false;
    }
}

/* The roll back that a rule asked for waits until the halt shows and the log takes intents again. */
static void rollback_by_rule(struct ro *ro)
{
    struct engine *en = ro->en;
    struct intent in;
    if (!ro->judge.rollback_due || stop_driving(&ro->stop.m) || !diary_ok(en) || !link_fresh(en) ||
        en->diary.n_backlog > 0)
        return;
    ro->judge.rollback_due = false;
    size_t worst = 0;
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        if (ro->wv[i].judge.verdict.react == REACT_ROLLBACK)
            worst = i;
    judge_intent(ro, worst, VERB_ROLLBACK, ro->judge.rollback_rule, &in);
    verbs_by_rule(en, &in);
}

/* Has telemetry been asked about the wave's devices at all? Before that nothing is missing, and nothing is known. */
static bool was_asked(const struct engine *en, const struct wv *v)
{
    return !en->tm || (v->watch.listed &&
                       (en->telemetry.answered >= v->watch.first_listed || v->judge.health.canary.reporting > 0));
}

/* For how long data has been missing, by the telemetry's own times; a pass over all devices, only when it is. */
static void since_when(const struct ro *ro, size_t i, const struct track **buf, struct verdict_input *in)
{
    if (!verdict_thin(in))
        return;
    size_t n = canary_tracks(ro, i, buf);
    in->covered_until =
        health_covered_until(buf, n, policy_report_needed(in->policy, (int64_t)n), in->interval_us, true);
    int64_t control = control_covered_until(ro, buf, in->interval_us);
    if (control < in->covered_until)
        in->covered_until = control;
    in->watched_since = telemetry_since(ro, i);
    if (in->watched_since == 0)
        in->watched_since = in->now;
    in->resumed_at = ro->judge.resumed_at;
}

static void trace_verdict(const struct ro *ro, size_t i, enum reaction was)
{
    const struct verdict *v = &ro->wv[i].judge.verdict;
    struct trace_line t;
    if (!traced(ro->en, &t, TRACE_TRIAL, "verdict"))
        return;
    json_w_kstr(&t.w, "rollout", ro->id);
    json_w_kint(&t.w, "wave", (int64_t)i);
    json_w_kstr(&t.w, "before", reaction_word(was));
    json_w_kstr(&t.w, "after", reaction_word(v->react));
    traced_text(&t, "rule", v->rule);
    json_w_kbool(&t.w, "thin", v->thin);
    json_w_kbool(&t.w, "data_missing", v->data_missing);
    json_w_kbool(&t.w, "early", v->early);
    json_w_kint(&t.w, "missing_since_us", v->unknown_since);
    traced_text(&t, "text", v->text);
    trace_end(&t);
}

/* What nobody can say anything before. */
static void waits_for(const struct ro *ro, struct verdict_input *in, char *text, size_t size)
{
    if (trial_catching(ro)) {
        in->waits_rule = VERDICT_RULE_CATCHING;
        snprintf(text, size, "evidence is being read from history: until it is known no wave may start");
    } else if (trial_clocks(ro, text, size)) {
        size_t n = strlen(text);
        in->waits_rule = VERDICT_RULE_CLOCKS;
        snprintf(text + n, size - n, ": until they agree nothing that is measured counts, and no wave may start");
    }
    in->waits = text;
}

static void judge_ro(struct ro *ro)
{
    struct engine *en = ro->en;
    if (ro_ended(ro) || !ro->facts.waves_known || ro_replayed(ro))
        return;
    size_t room = ro->watch.n_control + 1;
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        if (ro->wv[i].watch.n_members + 1 > room)
            room = ro->wv[i].watch.n_members + 1;
    const struct track **buf = xcalloc(room, sizeof(struct track *));
    bool anew = sums_due(ro);
    if (anew)
        control_sum(ro, buf, beat_interval(en));
    for (size_t i = 0; i < ro->facts.n_waves; i++) {
        struct wv *v = &ro->wv[i];
        if (!v->facts.told)
            continue;
        sum_wave(ro, i, buf, anew);
        bool asked = was_asked(en, v);
        char waits[200];
        struct wave_health *classes[VERDICT_LIMITS_MAX];
        bool by_class = class_figures(ro, i, buf, beat_interval(en), classes);
        struct verdict_input in = {.policy = ro->policy.applies,
                                   .health = &v->judge.health,
                                   .wave_index = (int)i,
                                   .device_class = "",
                                   .telemetry_source = en->tm,
                                   .lack = en->telemetry.lack,
                                   .telemetry_expected = en->tm && asked && v->judge.health.canary.expected > 0,
                                   .telemetry_ok = telemetry_ok(en),
                                   .interval_us = beat_interval(en),
                                   .tick = en->telemetry.judged,
                                   .now = now_of(en),
                                   .class_health = by_class ? (const struct wave_health *const *)classes : NULL};
        if ((int)i == ro->facts.current)
            waits_for(ro, &in, waits, sizeof waits);
        in.n_evidence = trial_judged(ro, i, &in.evidence);
        since_when(ro, i, buf, &in);
        enum reaction was = v->judge.verdict.react;
        bool thin = v->judge.verdict.thin, lost = v->judge.verdict.data_missing;
        verdict_step(&in, &v->judge.vstate, &v->judge.verdict);
        class_release(classes);
        if (was != v->judge.verdict.react || thin != v->judge.verdict.thin || lost != v->judge.verdict.data_missing)
            trace_verdict(ro, i, was);
        v->judge.judged = asked;
    }
    free(buf);
    /* A rollback that andon made is watched too, but no rule stops it: a person decides about it. */
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        if (ro->wv[i].facts.told && !*ro->rollback.of)
            act_on(ro, i);
    if (en->spec.judge && ro->policy.applies->promotion == PROMOTE_HOLD && !*ro->rollback.of &&
        ro->facts.current >= 0 && ro->facts.waves[ro->facts.current].state == WAVE_RUNNING && more_waves(ro))
        hold_by_rule(ro, (size_t)ro->facts.current, "PROMOTE-HOLD");
    rollback_by_rule(ro);
    judge_go_on(ro);
    mark(en);
}

void judge_resumed(struct ro *ro, int64_t at)
{
    if (at > ro->judge.resumed_at && at <= now_of(ro->en))
        ro->judge.resumed_at = at;
}

/* ---- the part ---- */

static void wave_init(struct ro *ro, size_t wave)
{
    struct wv_judge *v = &ro->wv[wave].judge;
    for (int m = 0; m < FIGURES_MAX; m++)
        for (int i = 0; i < TREND_N; i++)
            v->trend[m][i] = v->trend_control[m][i] = __builtin_nanf("");
    v->verdict.rule = "";
    health_init(&v->health);
}

/* A resume that was seen; of a rollout that is found running the server's own last change is the best there is. */
static void seen(struct ro *ro, enum rollout_state was)
{
    if (ro->facts.r.state != ROLLOUT_RUNNING && ro->facts.r.state != ROLLOUT_STARTING)
        return;
    if (was == ROLLOUT_PAUSED)
        judge_resumed(ro, now_of(ro->en));
    else if (was == ROLLOUT_UNKNOWN)
        judge_resumed(ro, ro->facts.r.last_modified);
}

static void ticked(struct engine *en, const struct sample_list *l)
{
    for (size_t i = 0; i < en->facts.n_ros; i++) {
        judge_ro(en->facts.ros[i]);
        judge_polled(en->facts.ros[i], l != NULL);
    }
}

static void history(struct engine *en, struct ro *ro)
{
    (void)en;
    if (ro)
        judge_ro(ro);
}

/* What was judged by other limits says nothing about these. */
static void ruled(struct ro *ro)
{
    ro->judge.sums_until = 0;
    for (size_t i = 0; i < ro->facts.n_waves; i++) {
        struct wv_judge *v = &ro->wv[i].judge;
        memset(&v->vstate, 0, sizeof v->vstate);
        memset(&v->verdict, 0, sizeof v->verdict);
        v->verdict.rule = "";
        v->judged = false;
    }
}

/* What the rule for lost telemetry has acknowledged goes on in the next turn, not at the next poll. */
static void acknowledged_by_rule(struct engine *en, void *arg)
{
    (void)en;
    judge_go_on(arg);
}

static void acknowledged(struct ro *ro)
{
    for (size_t i = 0; i < ro->facts.n_waves; i++) {
        verdict_reset(&ro->wv[i].judge.vstate);
        ro->wv[i].judge.watch_said = false;
    }
    timer_set(ro->en, now_of(ro->en), acknowledged_by_rule, ro);
}

const struct part part_judge = {.name = "judge",
                                .wave_init = wave_init,
                                .seen = seen,
                                .waves = judge_ro,
                                .devices = judge_ro,
                                .ticked = ticked,
                                .learned = judge_ro,
                                .history = history,
                                .ruled = ruled,
                                .acknowledged = acknowledged};
