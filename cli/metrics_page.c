#include "cli/metrics_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "cli/sample.h"
#include "core/clock.h"

#define LN_10 2.302585092994046 /* natural logarithm of 10 */
#define NONE  ((double)NAN)

/* Where a sample is taken; what is below its family's level is NULL. */
struct spot {
    const struct metrics_in *in;
    const struct metrics_fleet *fleet;
    enum metrics_source source;
    const struct link_view *link;
    const struct rollout_view *rollout;
    enum trial_state state;
    const struct wave_view *wave;
    const struct figure *figure;
    const struct limit_view *limit;
    const struct evidence *test;
};

/* ---- values ---- */

static double ten(double natural)
{
    return natural / LN_10;
}

static double seconds(int64_t us)
{
    return (double)us / (double)US_PER_S;
}

static double one(const struct spot *s)
{
    (void)s;
    return 1;
}
static double started(const struct spot *s)
{
    return seconds(s->in->started);
}

static double guarded(const struct spot *s)
{
    return s->fleet->snap != NULL;
}
static double escalations(const struct spot *s)
{
    return s->fleet->escalations;
}
static double halts(const struct spot *s)
{
    return (double)s->fleet->counts.halts;
}
static double escalated(const struct spot *s)
{
    return (double)s->fleet->counts.escalated;
}
static double snapshot_age(const struct spot *s)
{
    return s->fleet->snap ? seconds(s->in->now - s->fleet->snap->taken_at) : NONE;
}
static double log_writable(const struct spot *s)
{
    return s->fleet->snap ? s->fleet->snap->audit.writable : NONE;
}
static double log_verified(const struct spot *s)
{
    return s->fleet->snap ? s->fleet->snap->audit.verified : NONE;
}
static double log_backlog(const struct spot *s)
{
    return s->fleet->snap ? (double)s->fleet->snap->audit.backlog : NONE;
}
static double log_entries(const struct spot *s)
{
    return s->fleet->snap ? (double)s->fleet->snap->audit.size : NONE;
}

static double log_witnessed(const struct spot *s)
{
    const struct snapshot *p = s->fleet->snap;
    return p && p->audit.witnesses > 0 ? (double)p->audit.witnessed : NONE;
}
static double log_contradicted(const struct spot *s)
{
    const struct snapshot *p = s->fleet->snap;
    return p && p->audit.witnesses > 0 ? p->audit.doubt && *p->audit.doubt : NONE;
}

static double source_up(const struct spot *s)
{
    return s->link->state == LINK_LIVE || s->link->state == LINK_SLOW;
}
static double source_age(const struct spot *s)
{
    return s->link->last_ok > 0 ? seconds(s->in->now - s->link->last_ok) : NONE;
}
static double source_rtt(const struct spot *s)
{
    return s->link->last_ok > 0 ? seconds(s->link->rtt_us) : NONE;
}
static double source_row(const struct spot *s)
{
    return s->link->retries;
}
static double source_failures(const struct spot *s)
{
    return (double)s->fleet->counts.failures[s->source];
}

static double reaction(const struct spot *s)
{
    return s->rollout->verdict;
}
static double latched(const struct spot *s)
{
    return s->rollout->latched;
}
static double halt_phase(const struct spot *s)
{
    static const double number[STOP_PHASES] = {
        [STOP_ASKED] = 1,  [STOP_LIFTING] = 1,   [STOP_HALTED] = 2,  [STOP_STANDBY] = 2,
        [STOP_OVER] = 2,   [STOP_ESCALATED] = 3, [STOP_DOUBT] = 4,   [STOP_RUNS] = 4,
        [STOP_UNSEEN] = 5, [STOP_RECALLED] = 5,  [STOP_CLAIMED] = 6, [STOP_CLAIM_RUN] = 6,
    };
    return number[s->rollout->stop];
}
static double held(const struct spot *s)
{
    return s->rollout->held;
}
static double gate(const struct spot *s)
{
    return s->rollout->gate_waits;
}
static double rolling_back(const struct spot *s)
{
    return s->rollout->rollback.step != RB_NONE && s->rollout->rollback.step != RB_DONE;
}
static double current_wave(const struct spot *s)
{
    return s->rollout->current >= 0 ? s->rollout->current : NONE;
}

static double trial_is(const struct spot *s)
{
    return s->rollout->trial.state == s->state;
}
static double trial_dry(const struct spot *s)
{
    return s->rollout->trial.state == TRIAL_OFF ? NONE : s->rollout->trial.dry_run;
}
static double trial_progress(const struct spot *s)
{
    return s->rollout->trial.state == TRIAL_CATCHING ? s->rollout->trial.progress : NONE;
}
/* Telemetry's time of the newest tick that was judged, against the wall clock. */
static double tick_age(const struct spot *s)
{
    const struct trial_view *t = &s->rollout->trial;
    return t->state != TRIAL_OFF && t->tick > 0 ? seconds(s->in->wall - t->tick) : NONE;
}
static double ticks_behind(const struct spot *s)
{
    int64_t step = s->fleet->spec->telemetry.interval_us;
    double age = tick_age(s);
    return isnan(age) || step <= 0 ? NONE : age > 0 ? floor(age / seconds(step)) : 0;
}

static double wave_reaction(const struct spot *s)
{
    return s->wave->watched ? (double)s->wave->verdict.react : NONE;
}
static double wave_would(const struct spot *s)
{
    return s->wave->watched ? (double)s->wave->verdict.would : NONE;
}
static double data_missing(const struct spot *s)
{
    return s->wave->watched ? s->wave->verdict.data_missing : NONE;
}
static double expected(const struct spot *s)
{
    return s->wave->watched ? (double)s->wave->health.canary.expected : NONE;
}
static double reporting(const struct spot *s)
{
    return s->wave->watched ? (double)s->wave->health.canary.reporting : NONE;
}

static double canary_figure(const struct spot *s)
{
    return s->wave->health.value[s->figure->number];
}
static double control_figure(const struct spot *s)
{
    return s->wave->health.against[s->figure->number];
}
static double figure_ratio(const struct spot *s)
{
    return s->figure->diff ? NONE : s->wave->health.ratio[s->figure->number];
}
static double figure_difference(const struct spot *s)
{
    return s->figure->diff ? s->wave->health.ratio[s->figure->number] : NONE;
}

static double limit_state(const struct spot *s)
{
    return s->limit->status;
}

static double log_evidence(const struct spot *s)
{
    return ten(s->test->log_e);
}
static double log_now(const struct spot *s)
{
    return ten(s->test->log_now);
}
static double log_pause(const struct spot *s)
{
    return ten(s->test->log_pause);
}
static double log_rollback(const struct spot *s)
{
    return s->test->log_rollback > 0 ? ten(s->test->log_rollback) : NONE;
}
static double test_devices(const struct spot *s)
{
    return s->test->devices;
}
static double test_least(const struct spot *s)
{
    return s->test->min_devices;
}

/* Under way, or nobody has looked at its halt yet. */
static bool shown(const struct rollout_view *v)
{
    return !rollout_state_ended(v->rollout.state) || *halt_said(v->stop, false).word;
}

static double left_out(const struct spot *s)
{
    size_t n = 0;
    for (size_t i = 0; s->fleet->snap && i < s->fleet->snap->n_rollouts; i++)
        n += shown(&s->fleet->snap->rollouts[i]);
    return s->fleet->snap ? (double)(n > METRICS_ROLLOUTS_MAX ? n - METRICS_ROLLOUTS_MAX : 0) : NONE;
}

/* ---- the families ---- */

static const struct family families[] = {
    {"andon_build", INFO, "", OF_PROCESS, one, "The program."},
    {"andon_start_time_seconds", GAUGE, "seconds", OF_PROCESS, started,
     "When this guard was started, since the epoch."},
    {"andon_fleet", INFO, "", OF_FLEET, one, "A configured fleet."},
    {"andon_fleet_guarded", GAUGE, "", OF_FLEET, guarded,
     "1 when an engine watches the fleet, 0 when it could not be opened."},
    {"andon_snapshot_age_seconds", GAUGE, "seconds", OF_FLEET, snapshot_age,
     "Since the engine last moved; one that is silent for a minute hangs."},
    {"andon_source_up", GAUGE, "", OF_SOURCE, source_up, "1 when the newest answer is fresh."},
    {"andon_source_age_seconds", GAUGE, "seconds", OF_SOURCE, source_age, "Since the newest good answer."},
    {"andon_source_rtt_seconds", GAUGE, "seconds", OF_SOURCE, source_rtt, "How long the newest answer took."},
    {"andon_source_failures_in_a_row", GAUGE, "", OF_SOURCE, source_row,
     "Polls that failed since the newest good answer."},
    {"andon_source_failures", COUNTER, "", OF_SOURCE, source_failures,
     "Polls that failed since the guard was started."},
    {"andon_log_writable", GAUGE, "", OF_FLEET, log_writable, "1 when the audit log takes entries."},
    {"andon_log_verified", GAUGE, "", OF_FLEET, log_verified, "1 when the end of the audit log was verified at start."},
    {"andon_log_backlog_entries", GAUGE, "entries", OF_FLEET, log_backlog, "Entries that wait to be logged."},
    {"andon_log_size_entries", GAUGE, "entries", OF_FLEET, log_entries, "Entries in the audit log."},
    {"andon_log_witnessed_entries", GAUGE, "entries", OF_FLEET, log_witnessed,
     "Entries of it that a witness has signed for."},
    {"andon_log_contradicted", GAUGE, "", OF_FLEET, log_contradicted,
     "1 when a witness contradicts the audit log: it was put back or rewritten."},
    {"andon_halts", COUNTER, "", OF_FLEET, halts, "Halts that this guard has seen begin."},
    {"andon_halts_escalated", COUNTER, "", OF_FLEET, escalated, "Of those, halts that could not be had at first."},
    {"andon_escalations", GAUGE, "", OF_FLEET, escalations, "Halts that cannot be had right now: a person must act."},
    {"andon_rollout", INFO, "", OF_ROLLOUT, one, "A rollout that has not ended, or is halted."},
    {"andon_rollout_reaction", GAUGE, "", OF_ROLLOUT, reaction,
     "The verdict: 0 none, 1 watch, 2 hold, 3 pause, 4 rollback."},
    {"andon_rollout_latched", GAUGE, "", OF_ROLLOUT, latched, "1 when it is halted and nobody has acknowledged it."},
    {"andon_rollout_halt", GAUGE, "", OF_ROLLOUT, halt_phase,
     "0 no halt, 1 being sent, 2 shown by the server, 3 escalated, 4 halted but running, 5 not confirmed, 6 claimed."},
    {"andon_rollout_held", GAUGE, "", OF_ROLLOUT, held, "1 when andon has paused it between waves."},
    {"andon_rollout_gate_waits", GAUGE, "", OF_ROLLOUT, gate, "1 when it waits for a person."},
    {"andon_rollout_rolling_back", GAUGE, "", OF_ROLLOUT, rolling_back, "1 while it is rolled back."},
    {"andon_rollout_wave", GAUGE, "", OF_ROLLOUT, current_wave, "The newest wave that was told, 0 is the canary."},
    {"andon_trial_state", GAUGE, "", OF_STATE, trial_is, "1 for the state that the evidence is in, 0 for the others."},
    {"andon_trial_dry_run", GAUGE, "", OF_ROLLOUT, trial_dry, "1 when the tests never act."},
    {"andon_trial_progress_ratio", GAUGE, "ratio", OF_ROLLOUT, trial_progress,
     "How much of the history has been read."},
    {"andon_trial_tick_age_seconds", GAUGE, "seconds", OF_ROLLOUT, tick_age,
     "Age of the newest telemetry that was judged."},
    {"andon_trial_ticks_behind", GAUGE, "", OF_ROLLOUT, ticks_behind, "The same in polls of telemetry."},
    {"andon_wave_reaction", GAUGE, "", OF_WAVE, wave_reaction,
     "The wave's verdict: 0 none, 1 watch, 2 hold, 3 pause, 4 rollback."},
    {"andon_wave_dry_run_reaction", GAUGE, "", OF_WAVE, wave_would, "What dry-run rules would have added."},
    {"andon_wave_data_missing", GAUGE, "", OF_WAVE, data_missing, "1 when too little telemetry is there to judge."},
    {"andon_wave_expected_devices", GAUGE, "devices", OF_WAVE, expected, "Devices of the wave that should report."},
    {"andon_wave_reporting_devices", GAUGE, "devices", OF_WAVE, reporting, "Devices of the wave that do."},
    {"andon_wave_canary_figure", GAUGE, "", OF_FIGURE, canary_figure,
     "What the canary measures, in the figure's own unit; shares and CPU are fractions of 1."},
    {"andon_wave_control_figure", GAUGE, "", OF_FIGURE, control_figure, "The same of control."},
    {"andon_wave_figure_ratio", GAUGE, "ratio", OF_FIGURE, figure_ratio, "Canary to control, as the limits judge it."},
    {"andon_wave_figure_difference", GAUGE, "", OF_FIGURE, figure_difference,
     "Canary less control, in the figure's own unit, of a metric that is compared by difference."},
    {"andon_limit_state", GAUGE, "", OF_LIMIT, limit_state,
     "A limit of the policy: 0 ok, 1 pending, 2 breach, 3 unknown."},
    {"andon_evidence_log10", GAUGE, "", OF_TEST, log_evidence,
     "Most evidence so far that the new firmware is worse, log10."},
    {"andon_evidence_now_log10", GAUGE, "", OF_TEST, log_now, "Evidence at the newest tick, log10."},
    {"andon_evidence_pause_log10", GAUGE, "", OF_TEST, log_pause, "Evidence that a pause needs, log10."},
    {"andon_evidence_rollback_log10", GAUGE, "", OF_TEST, log_rollback, "Evidence that a roll back needs, log10."},
    {"andon_evidence_devices", GAUGE, "devices", OF_TEST, test_devices, "Canary devices that carry the test."},
    {"andon_evidence_least_devices", GAUGE, "devices", OF_TEST, test_least, "Canary devices that must carry it."},
    {"andon_rollouts_left_out", GAUGE, "", OF_FLEET, left_out,
     "Rollouts under way that are not on this page: it has a limit."},
};

/* ---- walking ---- */

static const char *const source_words[] = {"backend", "telemetry"};
static const char *const trial_words[] = {"off", "waiting", "catching-up", "live", "behind"};

/* The name of the policy's metric that it is about. */
static const char *metric_label(const struct spot *s)
{
    const struct evidence_policy *p = &snapshot_policy(s->fleet->snap, s->rollout)->evidence;
    size_t row = s->test            ? s->test->metric
                 : s->figure        ? s->figure->row
                 : s->limit->figure ? s->limit->figure->row
                                    : METRICS_MAX;
    return row < metric_count(p) ? metric_id(p, row) : "";
}

static void sample(struct page *p, const struct spot *s)
{
    const struct family *f = p->family;
    double v = f->value(s);
    char wave[16];
    if (isnan(v))
        return;
    sample_begin(p);
    if (s->fleet)
        sample_label(p, "fleet", s->fleet->spec->name);
    if (f->level == OF_SOURCE)
        sample_label(p, "source", source_words[s->source]);
    if (s->rollout)
        sample_label(p, "rollout", s->rollout->rollout.id);
    if (f->level == OF_STATE)
        sample_label(p, "state", trial_words[s->state]);
    if (s->wave) {
        snprintf(wave, sizeof wave, "%d", s->wave->wave.index);
        sample_label(p, "wave", wave);
    }
    if (s->figure)
        sample_label(p, "figure", s->figure->word);
    if (s->limit)
        sample_label(p, "limit", s->limit->limit->id);
    if (s->test)
        sample_label(p, "test", s->test->test);
    if (s->fleet && (s->figure || s->limit || s->test))
        sample_label(p, "metric", metric_label(s));
    if (f->type == INFO && f->level == OF_PROCESS)
        sample_label(p, "version", ANDON_VERSION);
    if (f->type == INFO && f->level == OF_FLEET && s->fleet) {
        sample_label(p, "environment", s->fleet->spec->environment);
        sample_label(p, "kind", s->fleet->spec->kind);
        sample_label(p, "production", s->fleet->spec->production ? "true" : "false");
    }
    if (f->type == INFO && f->level == OF_ROLLOUT && s->rollout) {
        sample_label(p, "name", s->rollout->rollout.name);
        sample_label(p, "state", rollout_state_word(s->rollout->rollout.state));
        sample_label(p, "policy", s->rollout->policy ? s->rollout->policy->name : "");
    }
    sample_end(p, v);
}

static void walk_wave(struct page *p, struct spot *s, size_t i)
{
    const struct rollout_view *v = s->rollout;
    enum level level = p->family->level;
    s->wave = &v->waves[i];
    if (level == OF_WAVE)
        sample(p, s);
    for (size_t k = 0; level == OF_FIGURE && s->wave->watched && (k < FIGURES_BUILTIN || k < s->wave->n_figures); k++) {
        s->figure = wave_figure(s->wave, k);
        sample(p, s);
    }
    s->figure = NULL;
    for (size_t k = 0; level == OF_LIMIT && s->wave->watched && k < s->wave->verdict.n_limits; k++) {
        s->limit = &s->wave->verdict.limits[k];
        sample(p, s);
    }
    for (size_t k = 0; level == OF_TEST && i < v->trial.n_stages && k < v->trial.stages[i].n; k++) {
        s->test = &v->trial.stages[i].v[k];
        sample(p, s);
    }
    s->limit = NULL;
    s->test = NULL;
}

static void walk_rollouts(struct page *p, struct spot *s)
{
    const struct snapshot *snap = s->fleet->snap;
    size_t count = 0;
    for (size_t i = 0; i < snap->n_rollouts; i++) {
        s->rollout = &snap->rollouts[i];
        if (!shown(s->rollout) || ++count > METRICS_ROLLOUTS_MAX)
            continue;
        if (p->family->level == OF_ROLLOUT)
            sample(p, s);
        for (int k = TRIAL_OFF; p->family->level == OF_STATE && k <= TRIAL_BEHIND; k++) {
            s->state = (enum trial_state)k;
            sample(p, s);
        }
        for (size_t k = 0; p->family->level >= OF_WAVE && k < s->rollout->n_waves; k++)
            walk_wave(p, s, k);
        s->wave = NULL;
    }
    s->rollout = NULL;
}

static void walk_fleet(struct page *p, struct spot *s)
{
    const struct snapshot *snap = s->fleet->snap;
    if (p->family->level == OF_FLEET) {
        sample(p, s);
    } else if (snap && p->family->level == OF_SOURCE) {
        for (int k = 0; k < METRICS_SOURCES; k++) {
            s->source = (enum metrics_source)k;
            s->link = k == METRICS_BACKEND ? &snap->link : &snap->telemetry;
            if (s->link->state != LINK_NONE)
                sample(p, s);
        }
        s->link = NULL;
    } else if (snap && p->family->level >= OF_ROLLOUT) {
        walk_rollouts(p, s);
    }
}

static void one_family(const struct metrics_in *in, struct page *p, const struct family *f)
{
    struct spot s = {.in = in};
    p->family = f;
    p->begun = false;
    if (f->level == OF_PROCESS)
        sample(p, &s);
    for (size_t i = 0; f->level != OF_PROCESS && i < in->n; i++) {
        s.fleet = &in->v[i];
        walk_fleet(p, &s);
    }
}

void metrics_page(const struct metrics_in *in, bool openmetrics, struct buf *out)
{
    struct page p = {.out = out, .openmetrics = openmetrics};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        one_family(in, &p, &families[i]);
    if (openmetrics)
        buf_adds(out, "# EOF\n");
}
