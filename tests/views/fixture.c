#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"

static const struct limit LIMITS[] = {
    {.id = "R-REBOOT",
     .metric = "reboots",
     .basis = BASIS_RELATIVE,
     .value = 1.5,
     .for_us = 120 * US_PER_S,
     .min_devices = 3,
     .wave = -1,
     .device_class = "",
     .react = REACT_PAUSE},
    {.id = "R-CPU",
     .metric = "cpu-p95",
     .basis = BASIS_ABSOLUTE,
     .value = 0.55,
     .for_us = 300 * US_PER_S,
     .min_devices = 1,
     .wave = -1,
     .device_class = "",
     .react = REACT_PAUSE},
    {.id = "R-VAR",
     .metric = "variance",
     .basis = BASIS_ABSOLUTE,
     .value = 1.3,
     .for_us = 300 * US_PER_S,
     .min_devices = 1,
     .wave = -1,
     .device_class = "",
     .react = REACT_HOLD},
    {.id = "R-BRICK",
     .metric = "install-failed",
     .basis = BASIS_ABSOLUTE,
     .value = 0.02,
     .for_us = 60 * US_PER_S,
     .min_devices = 2,
     .wave = -1,
     .device_class = "",
     .react = REACT_ROLLBACK,
     .dry_run = true},
};
static const struct policy POLICY = {
    .name = "standard",
    .digest = "",
    .limits = LIMITS,
    .n_limits = 4,
    .window_us = 600 * US_PER_S,
    .bake_us = 24 * US_PER_HOUR,
    .promotion = PROMOTE_HOLD,
    .rollback_to = "previous",
    .lost_react = REACT_PAUSE,
    .min_coverage = 0.8,
};

struct row_spec {
    const char *id, *name, *version, *title;
    enum rollout_state state;
    int64_t total;
    int waves, current; /* waves before `current` are done */
    double part;        /* of the current one */
    enum reaction verdict;
    double ratio;
    const char *next;
};

static const struct row_spec ROWS[] = {
    {"4472", "gate", "2.9.0-rc5", "gate-q1-second", ROLLOUT_READY, 8240, 4, -1, 0, REACT_NONE, NAN, "start: you"},
    {"4471", "hearth", "4.12.1", "hearth-spring", ROLLOUT_PAUSED, 41208, 5, 2, 0.94, REACT_PAUSE, 3.12, "you: decide"},
    {"4470", "hearth", "4.12.1", "hearth-amer", ROLLOUT_RUNNING, 36550, 5, 2, 1, REACT_NONE, 1.02, "you: advance"},
    {"4468", "gate", "2.9.0-rc4", "gate-q1", ROLLOUT_RUNNING, 8240, 4, 1, 0.7, REACT_WATCH, 1.38, "W1 soak 3h10m"},
    {"4466", "cam", "7.1.0", "cam-emea", ROLLOUT_RUNNING, 12004, 4, 2, 0.82, REACT_NONE, 1.01, "W2 82% · 14m"},
    {"4461", "hub", "5.0.4", "hub-emea", ROLLOUT_RUNNING, 18340, 4, 1, 1, REACT_NONE, 1.03, "soak 17h02m"},
    {"4459", "meter", "1.30.2", "meter-ask", ROLLOUT_WAITING_APPROVAL, 99120, 5, -1, 0, REACT_NONE, NAN,
     "k.osei: approve"},
    {"4457", "valve", "0.9.7", "valve-lab", ROLLOUT_PAUSED, 400, 3, 0, 0.5, REACT_NONE, NAN, "d.ruiz · 2d"},
    {"4455", "probe", "2.0.0", "probe-stopped", ROLLOUT_STOPPED, 900, 3, 1, 0.4, REACT_NONE, NAN, ""},
    {"4452", "probe", "1.9.9", "probe-odd", ROLLOUT_UNKNOWN, 900, 3, 0, 0.1, REACT_NONE, NAN, "state \"frobbing\""},
    {"4450", "vent", "3.1.0", "vent-errors", ROLLOUT_FINISHED, 2000, 2, 2, 0, REACT_NONE, NAN, "14 failed"},
    {"4449", "meter", "1.30.1", "meter-amer", ROLLOUT_FINISHED, 88004, 5, 5, 0, REACT_NONE, 0.99, "closed 3h ago"},
    {"4446", "lock", "3.3.6", "lock-denied", ROLLOUT_DENIED, 300, 1, -1, 0, REACT_NONE, NAN, "denied"},
    {"4444", "hearth", "4.12.0", "hearth-old", ROLLOUT_STOPPED, 41208, 5, 1, 1, REACT_NONE, 1.04, "rolled back 2d"},
};
enum { N_ROWS = sizeof ROWS / sizeof ROWS[0] };

static void trend(float out[TREND_N], double from, double to, double wobble)
{
    for (int i = 0; i < TREND_N; i++) {
        double t = (double)i / (TREND_N - 1);
        out[i] = (float)(from + (to - from) * t * t + wobble * ((i * 7) % 5 - 2) / 10.0);
        if (out[i] < 0)
            out[i] = 0;
    }
}

static struct limit_view limit_at(int i, double value, double against)
{
    const struct limit *l = &LIMITS[i];
    double judged = l->basis == BASIS_RELATIVE ? value / against : value;
    bool over = judged > l->value;
    const struct evidence_policy *p = &policy_default()->evidence;
    return (struct limit_view){.limit = l,
                               .figure = figure_of(p, (size_t)figure_find(p, l->metric)),
                               .status = over ? LIMIT_BREACH : LIMIT_OK,
                               .value = value,
                               .against = against,
                               .ratio = value / against,
                               .since = over ? NOW - 6 * US_PER_MIN : 0,
                               .devices = over ? 118 : 0};
}

static void health_of(struct wave_view *w, const struct row_spec *r)
{
    struct wave_health *h = &w->health;
    double base = 0.10;
    h->canary = (struct group_health){.expected = w->wave.counts.finished,
                                      .reporting = w->wave.counts.finished * 99 / 100,
                                      .column[COL_REBOOTS].count = {.events = 131, .had = 118, .days = 42},
                                      .newest = NOW - 12 * US_PER_S};
    h->control = (struct group_health){.expected = 1940, .reporting = 1931, .newest = NOW - 11 * US_PER_S};
    h->value[FIGURE_REBOOTS] = base * r->ratio, h->against[FIGURE_REBOOTS] = base;
    h->value[FIGURE_CPU_P95] = 0.41, h->against[FIGURE_CPU_P95] = 0.40;
    h->value[FIGURE_CPU_MEAN] = 0.22, h->against[FIGURE_CPU_MEAN] = 0.22;
    h->value[FIGURE_SPREAD] = 1.04, h->against[FIGURE_SPREAD] = 1.0;
    h->value[FIGURE_INSTALL] = 0.003, h->against[FIGURE_INSTALL] = 0;
    for (int m = 0; m < FIGURES_MAX; m++)
        h->ratio[m] = h->against[m] > 0 ? h->value[m] / h->against[m] : NAN;
    h->told = w->wave.total, h->installed = w->wave.counts.finished, h->failed = w->wave.counts.error;
    h->data_age = 12 * US_PER_S;
    struct verdict *v = &w->verdict;
    v->react = r->verdict, v->rule = "", v->n_limits = 4;
    v->limits[0] = limit_at(0, h->value[FIGURE_REBOOTS], base);
    v->limits[1] = limit_at(1, 0.41, 0.40);
    v->limits[2] = limit_at(2, 1.04, 1.0);
    v->limits[3] = limit_at(3, 0.003, NAN);
    if (r->verdict == REACT_WATCH)
        v->limits[0].status = LIMIT_PENDING, v->limits[0].since = NOW - 40 * US_PER_S;
    snprintf(v->text, sizeof v->text, "%s",
             r->verdict == REACT_PAUSE
                 ? "reboots 0.312 vs 0.1 per device-day, 3.12x (limit 1.5x) for 6m00s, 118 devices"
             : r->verdict == REACT_WATCH ? "reboots 1.38x control, over 1.25x for 40s"
                                         : "no limit is reached");
    trend(w->trend[FIGURE_REBOOTS], base, base * r->ratio, 0.02);
    trend(w->trend_control[FIGURE_REBOOTS], base, base, 0.02);
    trend(w->trend[FIGURE_CPU_P95], 0.39, 0.41, 0.05);
    trend(w->trend_control[FIGURE_CPU_P95], 0.40, 0.40, 0.04);
    trend(w->trend[FIGURE_SPREAD], 1.0, 1.04, 0.2);
    trend(w->trend_control[FIGURE_SPREAD], 1.0, 1.0, 0.1);
    for (int m = 0; m < FIGURES_MAX; m++)
        w->trend[m][0] = w->trend[m][1] = w->trend_control[m][0] = NAN;
}

static void waves_of(struct arena *a, struct rollout_view *r, const struct row_spec *spec)
{
    static const double SHARE[] = {0.001, 0.01, 0.05, 0.25, 1};
    r->n_waves = (size_t)spec->waves;
    r->waves = ARENA_ARRAY(a, struct wave_view, r->n_waves);
    r->waves_known = true;
    int64_t before = 0, done = 0, errors = 0;
    for (int i = 0; i < spec->waves; i++) {
        struct wave_view *w = &r->waves[i];
        int64_t upto = i == spec->waves - 1 ? spec->total : (int64_t)((double)spec->total * SHARE[i]);
        w->wave = (struct wave){.id = arena_printf(a, "g%d", i),
                                .name = i == 0 ? "canary" : arena_printf(a, "group-%d", i + 1),
                                .index = i,
                                .state_word = "",
                                .total = upto - before,
                                .success_action = "NEXTGROUP",
                                .state = i < spec->current    ? WAVE_FINISHED
                                         : i == spec->current ? WAVE_RUNNING
                                                              : WAVE_SCHEDULED};
        before = upto;
        double part = i < spec->current ? 1 : i == spec->current ? spec->part : 0;
        struct counts *k = &w->wave.counts;
        k->known = true;
        k->finished = (int64_t)((double)w->wave.total * part);
        if (i == 1 && part >= 1)
            k->finished--, k->error = 1;
        if (i == spec->current)
            k->running = w->wave.total - k->finished;
        else
            k->scheduled = w->wave.total - k->finished - k->error;
        done += k->finished, errors += k->error;
        w->decided_by = i < spec->current ? i == 0 ? "auto" : "k.osei" : "";
        if (i <= spec->current) {
            w->running_since = NOW - (spec->current - i) * 24 * US_PER_HOUR - 3 * US_PER_HOUR;
            w->ended_at = i < spec->current ? w->running_since + 24 * US_PER_HOUR : 0;
        }
        if (!isnan(spec->ratio) && i == spec->current) {
            w->watched = true;
            health_of(w, spec);
        }
    }
    r->rollout.counts =
        (struct counts){.known = true, .finished = done, .error = errors, .notstarted = spec->total - done - errors};
    if (spec->state == ROLLOUT_FINISHED) {
        int64_t bad = !strcmp(spec->id, "4450") ? 14 : 0;
        r->rollout.counts = (struct counts){.known = true, .finished = spec->total - bad, .error = bad};
    }
    struct wave *list = ARENA_ARRAY(a, struct wave, r->n_waves);
    for (size_t i = 0; i < r->n_waves; i++)
        list[i] = r->waves[i].wave;
    r->wave_list = list;
    r->current = spec->current < spec->waves ? spec->current : spec->waves - 1;
}

static void rollout_of(struct arena *a, struct rollout_view *r, const struct row_spec *spec)
{
    *r = (struct rollout_view){
        .halted_by = "", .halt_text = "", .paused_by = "", .rollback_of = "", .verdict = spec->verdict};
    r->rollout =
        (struct rollout){.id = spec->id,
                         .name = spec->title,
                         .description = "",
                         .state = spec->state,
                         .state_word = spec->state == ROLLOUT_UNKNOWN ? "frobbing" : rollout_state_word(spec->state),
                         .release = {.id = "7", .name = spec->name, .version = spec->version},
                         .filter = "",
                         .total = spec->total,
                         .created_by = "k.osei",
                         .approval_by = "",
                         .approval_remark = ""};
    r->next = spec->next;
    r->in_flight = 0;
    r->rollback.to = r->rollback.name = r->rollback.text = r->rollback.left = "";
    waves_of(a, r, spec);
}

static void incident(struct snapshot *s)
{
    struct rollout_view *r = &s->rollouts[1];
    r->latched = true, r->stop = STOP_HALTED, r->halted_at = NOW - 125 * US_PER_S, r->halted_by = "rule R-REBOOT";
    r->halt_text = "reboot rate 3.1x control (limit 1.5x)";
    r->in_flight = 126;
    r->paused_by = "andon";
    r->waves[2].verdict.rule = "R-REBOOT";
    s->rollouts[2].gate_waits = true;
    s->rollouts[7].paused_by = "d.ruiz";
    s->rollouts[7].warnings[0] = "error threshold 100 of W0 never fires: the server would not stop it";
    s->rollouts[7].n_warnings = 1;
    struct rollback_view *b = &s->rollouts[13].rollback;
    b->step = RB_DONE, b->to = "hearth:4.11.9", b->name = "andon-rb-4444-1", b->devices = 453, b->verified = 453;
    b->started = NOW - 2 * US_PER_DAY, b->ended = b->started + US_PER_HOUR, b->outcome = RB_COMPLETE;
    s->alerts = ARENA_ARRAY(&s->arena, struct alert, 1);
    s->n_alerts = 1;
    s->alerts[0] =
        (struct alert){ALERT_HALT, "4471", "reboot rate 3.1x control (limit 1.5x)", NOW - 125 * US_PER_S, false};
    s->ops = ARENA_ARRAY(&s->arena, struct op_view, 2);
    s->n_ops = 2;
    s->ops[0] = (struct op_view){.ticket = 2,
                                 .verb = VERB_HALT,
                                 .rollout = "4471",
                                 .actor = "R-REBOOT",
                                 .phase = OP_DONE,
                                 .text = "the server shows it paused",
                                 .next = "",
                                 .started = NOW - 126 * US_PER_S,
                                 .ended = NOW - 124 * US_PER_S,
                                 .log_seq = 10480};
    s->ops[1] = (struct op_view){.ticket = 1,
                                 .verb = VERB_ADVANCE,
                                 .rollout = "4471",
                                 .actor = "k.osei",
                                 .phase = OP_DONE,
                                 .text = "W2 runs",
                                 .next = "",
                                 .started = NOW - 3 * US_PER_HOUR};
}

static struct snapshot *base(void)
{
    struct snapshot *s = snapshot_new();
    s->generation = 1;
    s->taken_at = NOW - US_PER_S;
    s->fleet = "emea-home", s->environment = "prod", s->kind = "hawkbit", s->user = "m.ito", s->production = true;
    s->info = (struct backend_info){.kind = "hawkbit",
                                    .version = "1.x",
                                    .caps = 0x3FF | CAP_ROLLOUTS | CAP_TELL | CAP_RECALL | CAP_DOWNGRADE | CAP_OFFLINE |
                                            CAP_AUTO_ASSIGN,
                                    .user = "m.ito"};
    s->policy = &POLICY;
    s->link = (struct link_view){.state = LINK_LIVE,
                                 .last_ok = NOW - 2 * US_PER_S,
                                 .rtt_us = 42000,
                                 .error = "",
                                 .next = "",
                                 .url = "https://api.prod:8443"};
    s->telemetry = (struct link_view){.state = LINK_LIVE,
                                      .last_ok = NOW - 9 * US_PER_S,
                                      .rtt_us = 8000,
                                      .error = "",
                                      .next = "",
                                      .url = "https://prom.prod:9090"};
    s->rollouts = ARENA_ARRAY(&s->arena, struct rollout_view, N_ROWS);
    s->n_rollouts = N_ROWS;
    s->rollouts_known = true;
    for (size_t i = 0; i < N_ROWS; i++)
        rollout_of(&s->arena, &s->rollouts[i], &ROWS[i]);
    s->audit = (struct audit_view){.open = true,
                                   .writable = true,
                                   .size = 10482,
                                   .checkpoint_t = NOW - 16 * US_PER_S,
                                   .verified = true,
                                   .error = "",
                                   .commands = 41,
                                   .refused = 3};
    s->focus.wave = -1;
    trend(s->updating_trend, 120, 318, 200);
    trend(s->failed_trend, 0, 0.6, 1);
    return s;
}

static void audit_rows(struct fixture *f)
{
    static const struct {
        int64_t seq, ago_s;
        const char *who, *kind, *action, *object, *result, *because;
    } A[] = {
        {10482, 16, "m.ito", "session", "console", "started", "ok", ""},
        {10481, 96, "m.ito", "ack", "ack", "4466", "ok", ""},
        {10480, 125, "R-REBOOT", "halt", "halt", "4471 W2", "ok", "reboots 0.312 vs 0.1, 3.12x, limit 1.5x for 2m"},
        {10466, 2577, "R-REBOOT", "watch", "watch", "4471 W2", "ok", "reboots 1.4x"},
        {10402, 8423, "d.ruiz", "refused", "advance", "4471 W2", "refused",
         "W2 has run for 1h08m of 24h: 22h52m to go"},
        {10311, 12629, "k.osei", "intent", "advance", "4471 W1", "ok", ""},
        {10307, 13015, "k.osei", "approval", "approve", "4471", "ok", "looks good"},
        {10052, 189000, "k.osei", "intent", "start", "4471", "ok", ""},
    };
    size_t n = sizeof A / sizeof A[0];
    for (size_t i = 0; i < n; i++)
        f->rows[i] = (struct audit_row){.seq = A[i].seq,
                                        .t = NOW - A[i].ago_s * US_PER_S,
                                        .who = A[i].who,
                                        .kind = A[i].kind,
                                        .action = A[i].action,
                                        .object = A[i].object,
                                        .fleet = "emea-home",
                                        .rollout = !strncmp(A[i].object, "4466", 4)   ? "4466"
                                                   : !strncmp(A[i].object, "4471", 4) ? "4471"
                                                                                      : "",
                                        .result = A[i].result,
                                        .because = A[i].because,
                                        .line = "{\"actor\":\"m.ito\",\"kind\":\"ack\",\"seq\":10481}",
                                        .hash = "f09b2c146d05aa31f09b2c146d05aa31f09b2c146d05aa31f09b2c146d05aa31",
                                        .before = "running",
                                        .after = "paused",
                                        .host = "ops-3",
                                        .refused = !strcmp(A[i].kind, "refused"),
                                        .late = i == 3};
    f->page = (struct audit_page){.v = f->rows,
                                  .n = n,
                                  .total = 10482,
                                  .verified_known = true,
                                  .verified_ok = true,
                                  .verified_at = NOW - 9 * US_PER_S,
                                  .verified_text = "OK (unwitnessed)",
                                  .origin = "andon/ops-3",
                                  .root = "7be109c47be109c4"};
}

void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->s = base();
    incident(f->s);
    audit_rows(f);
    f->both[0] = f->s;
    f->d = (struct view_data){.snaps = f->both,
                              .n_snaps = 1,
                              .audit = &f->page,
                              .now = NOW,
                              .user = "m.ito",
                              .start_help = {"andon drill        starts a practice fleet on this machine",
                                             "andon doctor       tests a configuration and says what is missing",
                                             "andon help config  says how to connect a fleet"}};
}

void fixture_release(struct fixture *f)
{
    snapshot_unref(f->both[0]);
    snapshot_unref(f->both[1]);
}

struct rollout_view *fixture_rollout(struct fixture *f, const char *id)
{
    for (size_t i = 0; i < f->s->n_rollouts; i++) {
        if (!strcmp(f->s->rollouts[i].rollout.id, id))
            return &f->s->rollouts[i];
    }
    return NULL;
}

void fixture_second_fleet(struct fixture *f)
{
    struct snapshot *s = snapshot_new();
    *s = (struct snapshot){.refs = s->refs,
                           .fresh_us = s->fresh_us,
                           .arena = s->arena,
                           .generation = 1,
                           .taken_at = NOW,
                           .fleet = "apac-gw",
                           .environment = "staging",
                           .kind = "hawkbit",
                           .user = "m.ito",
                           .read_only = true,
                           .policy = &POLICY,
                           .rollouts_known = true,
                           .audit = f->s->audit};
    s->link = f->s->link, s->telemetry.state = LINK_NONE;
    s->telemetry.error = s->telemetry.next = s->telemetry.url = "";
    s->rollouts = ARENA_ARRAY(&s->arena, struct rollout_view, 2);
    s->n_rollouts = 2;
    rollout_of(&s->arena, &s->rollouts[0], &ROWS[4]);
    rollout_of(&s->arena, &s->rollouts[1], &ROWS[1]);
    s->focus.wave = -1;
    f->both[1] = s;
    f->d.n_snaps = 2;
}

void fixture_stale(struct fixture *f)
{
    f->s->link.state = LINK_STALE;
    f->s->link.last_ok = NOW - 34 * US_PER_S;
    f->s->link.retries = 5;
    f->s->link.error = "api.prod:8443 timed out";
    f->s->generation++;
}

/* By row of the rollout's metrics. */
static struct device_metric *metrics(struct arena *a, const struct rollout_view *r, int i)
{
    size_t n = r && r->policy ? r->policy->evidence.n_own : 0;
    struct device_metric *v = ARENA_ARRAY(a, struct device_metric, METRICS_BUILTIN + n);
    bool bad = i < 5, away = !bad && i % 7 == 5;
    for (size_t k = 0; k < METRICS_BUILTIN + n; k++)
        v[k].value = v[k].base = NAN;
    for (size_t k = 0; k < n; k++) {
        struct device_metric *m = &v[METRICS_BUILTIN + k];
        bool gauge = r->policy->evidence.own[k].kind == KIND_GAUGE;
        m->base = gauge ? 512 + (float)(i % 3) * 64 : NAN;
        m->value = away ? NAN : gauge ? m->base * (bad ? 0.41f + 0.02f * (float)i : 0.98f) : (float)(i % 4 * 37);
    }
    v[ROW_CPU].base = 0.37f, v[ROW_VARIANCE].base = 1;
    if (away)
        return v;
    v[ROW_REBOOTS].value = bad ? (float)(11 - i) : 0;
    v[ROW_CPU].value = bad ? 0.62f : 0.38f;
    v[ROW_VARIANCE].value = bad ? 1.31f - 0.05f * (float)i : 1;
    return v;
}

static struct device_row device(struct arena *a, const struct rollout_view *r_of, int i)
{
    static const char *const ID[] = {"em-7f3a-0091", "em-7f3a-01c4", "em-19ce-2210", "em-80aa-0333", "em-0c9d-7731"};
    struct device_row r = {.id = i < 5 ? ID[i] : arena_printf(a, "em-c0%02x-%04d", i, 100 + i),
                           .status = DEVICE_IN_SYNC,
                           .state = DEV_OK,
                           .installed_at = NOW - 3 * US_PER_HOUR,
                           .last_seen = NOW - (i % 9 + 1) * US_PER_S,
                           .last_sample = NOW - 10 * US_PER_S,
                           .metric = metrics(a, r_of, i),
                           .from = "4.11.9",
                           .now_release = "4.12.1",
                           .note = ""};
    if (i < 5) {
        r.state = i == 3 ? DEV_STALE : i == 4 ? DEV_ODD : DEV_BAD;
        r.note = i == 3 ? "no telemetry for 19m" : i == 4 ? "cpu above its own baseline" : "reboots in a loop";
        r.last_seen = i == 3 ? NOW - 19 * US_PER_MIN : r.last_seen;
        for (int k = 4; k < TRACK_BUCKETS; k++)
            r.boots[k] = (uint8_t)((k + i) % 4);
    } else if (i % 7 == 6) {
        r.state = DEV_FAILED, r.status = DEVICE_ERROR, r.now_release = "4.11.9", r.note = "install failed: no space";
    } else if (i % 7 == 5) {
        r.state = DEV_UPDATING, r.now_release = "";
    }
    return r;
}

static void detail(struct snapshot *s, const char *id)
{
    struct device_detail *v = ARENA_NEW(&s->arena, struct device_detail);
    *v = (struct device_detail){.id = arena_strdup(&s->arena, id),
                                .name = "hearth DE-0412",
                                .address = "10.4.12.9",
                                .installed = "hearth:4.12.1",
                                .assigned = "hearth:4.12.1",
                                .status = DEVICE_IN_SYNC,
                                .installed_at = NOW - 3 * US_PER_HOUR,
                                .last_seen = NOW - 4 * US_PER_S,
                                .fetched_at = NOW - 3 * US_PER_S,
                                .error = ""};
    v->events = ARENA_ARRAY(&s->arena, struct device_event, 4);
    v->n_events = 4;
    v->events[0] = (struct device_event){NOW - 3 * US_PER_HOUR, "ok", "installed hearth:4.12.1, action 9912 finished"};
    v->events[1] = (struct device_event){NOW - 3 * US_PER_HOUR - 60 * US_PER_S, "info", "download 100 %"};
    v->events[2] = (struct device_event){NOW - 3 * US_PER_HOUR - 90 * US_PER_S, "info", "action 9912 running"};
    v->events[3] = (struct device_event){NOW - 9 * US_PER_DAY, "bad", "action 8120 failed: hash mismatch"};
    v->attributes = arena_array(&s->arena, 3, sizeof *v->attributes);
    v->n_attributes = 3;
    v->attributes[0][0] = "board", v->attributes[0][1] = "rev C";
    v->attributes[1][0] = "site", v->attributes[1][1] = "DE-0412";
    v->attributes[2][0] = "bootloader", v->attributes[2][1] = "2.2";
    trend(v->boots, 0, 3, 3), trend(v->cpu, 0.36, 0.62, 0.3), trend(v->variance, 1, 1.31, 0.2);
    s->device = v;
}

void fixture_focus(struct fixture *f, const char *rollout, int wave, const char *dev)
{
    struct snapshot *s = f->s;
    s->generation++;
    snprintf(s->focus.rollout, sizeof s->focus.rollout, "%s", rollout);
    snprintf(s->focus.device, sizeof s->focus.device, "%s", dev);
    s->focus.wave = wave;
    enum { N = 60 };
    struct device_row *v = ARENA_ARRAY(&s->arena, struct device_row, N);
    for (int i = 0; i < N; i++)
        v[i] = device(&s->arena, fixture_rollout(f, rollout), i);
    s->devices = v, s->n_devices = N, s->devices_total = 1934, s->devices_at = NOW - 5 * US_PER_S;
    s->device = NULL;
    if (*dev)
        detail(s, dev);
    /* What was told in waves 0 to 2: 41, 371 (one failed), 1,648 (of them some still under way). */
    struct rollout_view *r = fixture_rollout(f, rollout);
    size_t n = 0, at = 0;
    for (int i = 0; r && i <= r->current; i++)
        n += (size_t)(r->waves[i].wave.total - r->waves[i].wave.counts.scheduled);
    struct preview_device *t = ARENA_ARRAY(&s->arena, struct preview_device, n + 1);
    for (int i = 0; r && i <= r->current; i++) {
        const struct counts *k = &r->waves[i].wave.counts;
        for (int64_t j = 0; j < r->waves[i].wave.total - k->scheduled; j++, at++)
            t[at] = (struct preview_device){.id = "x",
                                            .wave = i,
                                            .told = true,
                                            .overdue = j % 300 == 299,
                                            .from = j % 40 == 39 ? "hearth:4.11.8" : "hearth:4.11.9",
                                            .status = j < k->finished              ? DEVICE_IN_SYNC
                                                      : j < k->finished + k->error ? DEVICE_ERROR
                                                                                   : DEVICE_PENDING};
    }
    s->told = t, s->n_told = at, s->told_known = true;
}

void fixture_target(struct fixture *f, const char *to)
{
    struct snapshot *s = f->s;
    snprintf(s->focus.to, sizeof s->focus.to, "%s", to);
    s->target = (struct rollback_target){*to ? TARGET_FOUND : TARGET_ASKING, arena_strdup(&s->arena, to), "77", ""};
}

void fixture_hostile(struct fixture *f)
{
    struct arena *a = &f->s->arena;
    char *big = arena_alloc(a, 10241);
    memset(big, 'A', 10240);
    memcpy(big, "\x1b]0;owned\x07\x1b[2J", 14);
    static const char *const BAD[] = {
        "\x1b[31mred\x1b[0m",
        "\xE2\x80\xAEgnp.exe",
        "\xE6\xBC\xA2\xE5\xAD\x97\xE6\xBC\xA2\xE5\xAD\x97\xE6\xBC\xA2\xE5\xAD\x97",
        "a\r\nb\tc\bd",
        ("\xC2\x9B"
         "31m"),
        "e\xCC\x81\xCC\x82\xCC\x83\xCC\x84",
        "\xFF\xFE\x80 bad",
        "\xF3\xA0\x81\xA1tag",
        "\xE2\x80\x8Bzero",
        "\xF0\x9F\x94\xA5\xF0\x9F\x94\xA5",
    };
    size_t n = sizeof BAD / sizeof BAD[0];
    for (size_t i = 0; i < f->s->n_rollouts; i++) {
        struct rollout_view *r = &f->s->rollouts[i];
        const char *raw = i == 0 ? big : BAD[i % n];
        const char *name = i % 2 ? raw : safe_text(a, raw, strlen(raw), NAME_MAX_BYTES);
        r->rollout.name = name, r->next = name;
        r->rollout.release.name = name, r->rollout.release.version = name;
        r->halted_by = r->halt_text = name;
        for (size_t k = 0; k < r->n_waves; k++)
            r->waves[k].wave.name = name;
    }
    f->s->alerts[0].text = BAD[0];
    f->s->link.error = BAD[3];
    f->s->fleet = safe_text(a, BAD[2], strlen(BAD[2]), 60);
    struct device_row *v = (struct device_row *)(uintptr_t)f->s->devices;
    for (size_t i = 0; i < f->s->n_devices; i++)
        v[i].note = BAD[i % n], v[i].from = BAD[(i + 3) % n], v[i].raw_id = i == 7 ? big : v[i].id,
        v[i].id = BAD[i % n];
    for (size_t i = 0; i < f->page.n; i++)
        f->rows[i].object = f->rows[i].who = f->rows[i].because = BAD[i % n];
    f->d.user = "\x1b[5mroot";
    f->s->generation++;
}
