#include "cli/explain.h"
#include "cli/get.h"
#include "cli/halts.h"

#include <math.h>
#include <string.h>
#include "core/clock.h"
#include "core/column.h"
#include "core/explain.h"
#include "core/fmt.h"
#include "core/harm.h"

static const struct {
    uint32_t bit;
    const char *word;
} caps[] = {{CAP_WAVES, "waves"},
            {CAP_PAUSE, "pause"},
            {CAP_TRIGGER_NEXT, "trigger-next"},
            {CAP_STOP, "stop"},
            {CAP_RETRY, "retry"},
            {CAP_APPROVE, "approve"},
            {CAP_ACTION_LIST, "action-list"},
            {CAP_WAVE_COUNTS, "wave-counts"},
            {CAP_INVALIDATE, "invalidate"},
            {CAP_CANCEL, "cancel"},
            {CAP_NOTES, "notes"},
            {CAP_NOTES_PUT, "notes-put"},
            {CAP_ROLLOUTS, "rollouts"},
            {CAP_TELL, "tell"},
            {CAP_RECALL, "recall"},
            {CAP_DOWNGRADE, "downgrade"},
            {CAP_OWN_WAVES, "own-waves"},
            {CAP_OFFLINE, "offline"},
            {CAP_AUTO_ASSIGN, "auto-assign"},
            {CAP_FORCE, "force"}};

static void num(struct table *t, double v, bool percent)
{
    char b[FMT_MAX];

    table_add(t, percent ? fmt_percent(b, v) : fmt_num(b, v));
}

static void link_json(struct json_w *w, const struct link_view *l)
{
    json_w_kstr(w, "state", link_state_word(l->state));
    json_w_ktime(w, "last_ok", l->last_ok);
    json_w_kstr(w, "url", l->url);
    json_w_kstr(w, "error", l->error && *l->error ? l->error : NULL);
    json_w_kstr(w, "next", l->next && *l->next ? l->next : NULL);
}

void get_fleet(struct get *g, const struct fleet_run *r)
{
    const struct snapshot *s = r->snap;
    struct json_w *w = &g->json.w;
    struct buf list;

    buf_init(&list, 400);
    json_w_obj(w);
    json_w_kstr(w, "name", r->spec->name);
    json_w_kstr(w, "kind", r->spec->kind);
    json_w_kstr(w, "environment", r->spec->environment);
    json_w_kbool(w, "production", r->spec->production);
    json_w_kbool(w, "read_only", r->spec->read_only || g->args->val[OPT_READ_ONLY]);
    json_w_kstr(w, "policy", r->spec->policy ? r->spec->policy->name : NULL);
    if (s) {
        link_json(w, &s->link);
        json_w_kstr(w, "user", s->info.user);
        json_w_kstr(w, "version", s->info.version);
        json_w_kint(w, "rollouts", s->rollouts_known ? (int64_t)s->n_rollouts : -1);
    } else {
        json_w_kstr(w, "state", "failed");
        json_w_kstr(w, "error", r->err.what);
    }
    json_w_key(w, "capabilities");
    json_w_arr(w);
    for (size_t i = 0; s && i < sizeof caps / sizeof caps[0]; i++)
        if (s->info.caps & caps[i].bit) {
            json_w_str(w, caps[i].word);
            buf_printf(&list, "%s%s", list.len ? " " : "", caps[i].word);
        }
    json_w_arr_end(w);
    json_w_obj_end(w);
    table_add(&g->table, r->spec->name);
    table_add(&g->table, r->spec->environment);
    table_addf(&g->table, "%s %s", r->spec->kind, s && s->info.version ? s->info.version : "");
    table_add(&g->table, s ? link_state_word(s->link.state) : "failed");
    table_addf(&g->table, "%lld", s && s->rollouts_known ? (long long)s->n_rollouts : -1LL);
    table_add(&g->table, list.data);
    buf_release(&list);
}

static void counts_json(struct json_w *w, const struct counts *c)
{
    json_w_key(w, "counts");
    if (!c->known) {
        json_w_null(w);
        return;
    }
    json_w_obj(w);
    json_w_kint(w, "notstarted", c->notstarted);
    json_w_kint(w, "scheduled", c->scheduled);
    json_w_kint(w, "running", c->running);
    json_w_kint(w, "finished", c->finished);
    json_w_kint(w, "error", c->error);
    json_w_kint(w, "cancelled", c->cancelled);
    json_w_obj_end(w);
}

void get_rollout(struct get *g, const struct fleet_run *r, const struct rollout_view *v)
{
    const struct rollout *o = &v->rollout;
    struct json_w *w = &g->json.w;
    struct log_halt known;
    struct halt_said halt;

    halts_of(g->session, r->spec->name, v, &known);
    halt = halt_said(known.stop, v->stop_old);
    json_w_obj(w);
    json_w_kstr(w, "fleet", r->spec->name);
    json_w_kstr(w, "id", o->id);
    json_w_kstr(w, "name", o->name);
    json_w_kstr(w, "state", rollout_state_word(o->state));
    json_w_kstr(w, "server_state", o->state_word);
    json_w_kstr(w, "release", o->release.name);
    json_w_kstr(w, "version", o->release.version);
    json_w_kint(w, "devices", o->total);
    counts_json(w, &o->counts);
    json_w_kbool(w, "halted", halt.true_now);
    json_w_kbool(w, "latched", known.latched);
    json_w_kstr(w, "halt", *halt.word ? halt.word : NULL);
    json_w_kstr(w, "halted_by", known.latched && *known.by ? known.by : NULL);
    json_w_kbool(w, "held", v->held);
    json_w_kint(w, "wave", v->current);
    json_w_kstr(w, "verdict", reaction_word(v->verdict));
    json_w_kstr(w, "rollback_of", v->rollback_of && *v->rollback_of ? v->rollback_of : NULL);
    json_w_kstr(w, "rollback_by", v->rollback_by && *v->rollback_by ? v->rollback_by : NULL);
    json_w_kstr(w, "rollback_host", v->rollback_host && *v->rollback_host ? v->rollback_host : NULL);
    json_w_kbool(w, "rollback_claimed", v->rollback_claimed);
    json_w_ktime(w, "created", o->created_at);
    json_w_kstr(w, "created_by", o->created_by);
    json_w_key(w, "warnings");
    json_w_arr(w);
    for (size_t i = 0; i < v->n_warnings; i++)
        json_w_str(w, v->warnings[i]);
    json_w_arr_end(w);
    json_w_obj_end(w);
    table_add(&g->table, r->spec->name);
    table_add(&g->table, o->id);
    table_add(&g->table, *halt.word ? halt.title : rollout_state_word(o->state));
    table_addf(&g->table, "%s %s", o->release.name, o->release.version);
    table_addf(&g->table, "%lld", (long long)(o->counts.known ? o->counts.finished : 0));
    table_addf(&g->table, "%lld", (long long)(o->counts.known ? o->counts.error : 0));
    table_addf(&g->table, "%lld", (long long)o->total);
    table_add(&g->table, o->name);
}

/* Where the evidence stands, and the test that leads. */
static void evidence_members(struct json_w *w, const struct snapshot *s, const struct rollout_view *v, int wave)
{
    json_w_kstr(w, "evidence_state", trial_state_word(v->trial.state));
    /* The verdict of a wave that is over reads none; what its tests reached stands. */
    json_w_kstr(w, "evidence_reached",
                reaction_word(explain_wave_reaction(&snapshot_policy(s, v)->evidence, &v->trial, wave)));
    explain_leading_json(w, snapshot_policy(s, v), &v->trial, wave);
}

void get_wave(struct get *g, const struct fleet_run *r, const struct rollout_view *v, const struct wave_view *x)
{
    const struct wave *o = &x->wave;
    struct json_w *w = &g->json.w;

    json_w_obj(w);
    json_w_kstr(w, "fleet", r->spec->name);
    json_w_kstr(w, "rollout", v->rollout.id);
    json_w_kint(w, "wave", o->index);
    json_w_kstr(w, "id", o->id);
    json_w_kstr(w, "name", o->name);
    json_w_kstr(w, "state", wave_state_word(o->state));
    json_w_kstr(w, "server_state", o->state_word);
    json_w_kint(w, "devices", o->total);
    json_w_kint(w, "told", wave_told(o));
    counts_json(w, &o->counts);
    json_w_kstr(w, "success", o->success.present ? o->success.text : NULL);
    json_w_kstr(w, "failure", o->failure.present ? o->failure.text : NULL);
    json_w_kbool(w, "failure_can_fire", o->failure.present && o->failure.can_fire);
    json_w_kstr(w, "verdict", x->watched ? reaction_word(x->verdict.react) : NULL);
    evidence_members(w, r->snap, v, o->index);
    json_w_obj_end(w);
    table_addf(&g->table, "W%d", o->index);
    table_add(&g->table, wave_state_word(o->state));
    table_addf(&g->table, "%lld", (long long)o->total);
    table_addf(&g->table, "%lld", (long long)wave_told(o));
    table_addf(&g->table, "%lld", (long long)o->counts.finished);
    table_addf(&g->table, "%lld", (long long)o->counts.error);
    table_addf(&g->table, "%s%s", o->failure.present ? o->failure.text : "-",
               o->failure.present && !o->failure.can_fire ? " never fires" : "");
    table_add(&g->table, o->name);
}

static void group_json(struct json_w *w, const char *key, const struct group_health *h)
{
    json_w_key(w, key);
    json_w_obj(w);
    json_w_kint(w, "expected", h->expected);
    json_w_kint(w, "reporting", h->reporting);
    json_w_kint(w, "reboots", h->column[COL_REBOOTS].count.events);
    json_w_kint(w, "rebooted", h->column[COL_REBOOTS].count.had);
    json_w_knum(w, "device_days", h->column[COL_REBOOTS].count.days);
    json_w_ktime(w, "newest", h->newest);
    json_w_obj_end(w);
}

static void size_cell(struct get *g, const struct wave_view *x, size_t figure)
{
    struct harm harm = harm_of_metric(wave_figure(x, figure), &x->health);
    char b[FMT_MAX];

    table_add(&g->table, harm_brief(b, &harm));
}

void get_health(struct get *g, const struct fleet_run *r, const struct rollout_view *v, const struct wave_view *x)
{
    const struct wave_health *h = &x->health;
    struct json_w *w = &g->json.w;

    json_w_obj(w);
    json_w_kstr(w, "fleet", r->spec->name);
    json_w_kstr(w, "rollout", v->rollout.id);
    json_w_kint(w, "wave", x->wave.index);
    json_w_kbool(w, "watched", x->watched);
    json_w_kstr(w, "verdict", reaction_word(x->verdict.react));
    json_w_kstr(w, "would", reaction_word(x->verdict.would));
    json_w_kstr(w, "rule", x->verdict.rule && *x->verdict.rule ? x->verdict.rule : NULL);
    json_w_kstr(w, "text", x->verdict.text);
    json_w_kbool(w, "data_missing", x->verdict.data_missing);
    evidence_members(w, r->snap, v, x->wave.index);
    json_w_knum(w, "data_age_s", h->data_age == TIME_NEVER ? NAN : (double)h->data_age / 1e6);
    group_json(w, "canary", &h->canary);
    group_json(w, "control", &h->control);
    json_w_ktime(w, "control_frozen_at", h->control_frozen_at);
    json_w_key(w, "installs");
    json_w_obj(w);
    json_w_kint(w, "told", h->told);
    json_w_kint(w, "installed", h->installed);
    json_w_kint(w, "failed", h->failed);
    json_w_kint(w, "overdue", h->overdue);
    json_w_kint(w, "not_yet", h->told - h->installed - h->failed);
    json_w_kint(w, "not_reached", h->unreached);
    json_w_obj_end(w);
    json_w_key(w, "metrics");
    json_w_arr(w);
    for (size_t m = 0; m < FIGURES_BUILTIN || m < x->n_figures; m++) {
        struct harm harm = harm_of_metric(wave_figure(x, m), h);

        json_w_obj(w);
        json_w_kstr(w, "metric", wave_figure(x, m)->word);
        json_w_knum(w, "canary", h->value[m]);
        json_w_knum(w, "control", h->against[m]);
        json_w_knum(w, "ratio", harm.ratio);
        json_w_kbool(w, "unbounded", harm.unbounded);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
    json_w_key(w, "limits");
    json_w_arr(w);
    for (size_t i = 0; i < x->verdict.n_limits; i++) {
        const struct limit_view *l = &x->verdict.limits[i];

        json_w_obj(w);
        json_w_kstr(w, "id", l->limit->id);
        json_w_kstr(w, "metric", l->limit->metric);
        json_w_kstr(w, "status", limit_status_word(l->status));
        json_w_knum(w, "limit", l->limit->value);
        json_w_kbool(w, "relative", l->limit->basis == BASIS_RELATIVE);
        json_w_kint(w, "devices", l->devices);
        json_w_kbool(w, "dry_run", l->limit->dry_run);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
    json_w_obj_end(w);
    table_addf(&g->table, "%s W%d", v->rollout.id, x->wave.index);
    table_add(&g->table, x->verdict.data_missing ? "NO DATA" : reaction_word(x->verdict.react));
    num(&g->table, h->value[FIGURE_REBOOTS], false);
    num(&g->table, h->against[FIGURE_REBOOTS], false);
    size_cell(g, x, FIGURE_REBOOTS);
    num(&g->table, h->value[FIGURE_CPU_MEAN], true);
    size_cell(g, x, FIGURE_CPU_MEAN);
    size_cell(g, x, FIGURE_SPREAD);
    num(&g->table, h->value[FIGURE_INSTALL], true);
    table_addf(&g->table, "%lld/%lld", (long long)h->canary.reporting, (long long)h->canary.expected);
    table_add(&g->table, x->verdict.text);
}

/* Another fleet's policy need not have the metric. */
static void figure_cell(struct get *g, const struct evidence_policy *p, const char *id, const struct device_row *d)
{
    char b[FMT_MAX];
    int m = column_find(p, id, strlen(id));

    table_add(&g->table, m >= 0 ? column_text(b, (size_t)m, column_value(d, (size_t)m)) : "-");
}

/* Figures of the metrics by their names: {"reboots": 2, "cpu": 0.41, ...}. */
static void figures_json(struct json_w *w, const struct evidence_policy *p, const struct device_row *d)
{
    uint8_t rows[METRICS_MAX];
    size_t n = column_rows(p, rows);

    json_w_key(w, "metrics");
    json_w_obj(w);
    for (size_t i = 0; i < n; i++)
        json_w_knum(w, metric_id(p, rows[i]), column_value(d, rows[i]));
    json_w_obj_end(w);
}

void get_device(struct get *g, const struct fleet_run *r, const char *rollout, int wave, const struct device_row *d)
{
    const struct evidence_policy *p = &snapshot_policy(r->snap, snapshot_rollout(r->snap, rollout))->evidence;
    struct json_w *w = &g->json.w;
    char b[FMT_MAX];

    json_w_obj(w);
    json_w_kstr(w, "fleet", r->spec->name);
    json_w_kstr(w, "rollout", rollout);
    json_w_kint(w, "wave", wave);
    json_w_kstr(w, "id", d->id);
    json_w_kstr(w, "state", device_state_word(d->state));
    json_w_kstr(w, "status", device_status_word(d->status));
    json_w_ktime(w, "installed_at", d->installed_at);
    json_w_ktime(w, "last_seen", d->last_seen);
    json_w_ktime(w, "last_sample", d->last_sample);
    for (size_t i = 0; i < METRICS_BUILTIN; i++) /* the names of before metrics were data stay */
        if (column_head(p, i))
            json_w_knum(w, metric_id(p, i), column_value(d, i));
    figures_json(w, p, d);
    json_w_kstr(w, "from", d->from);
    json_w_kstr(w, "release", d->now_release);
    json_w_kstr(w, "note", d->note);
    json_w_obj_end(w);
    table_addf(&g->table, "W%d", wave);
    table_add(&g->table, d->id);
    table_add(&g->table, device_state_word(d->state));
    table_add(&g->table, device_status_word(d->status));
    for (size_t i = 0; i < g->n_metrics; i++)
        figure_cell(g, p, g->metric[i], d);
    table_add(&g->table, d->last_seen > 0 ? fmt_iso(b, d->last_seen) : "never");
    table_add(&g->table, d->note);
}
