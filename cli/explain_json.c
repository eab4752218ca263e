/* What the evidence says, as JSON. */
#include "cli/explain.h"
#include "cli/policy_plan.h"

#include <math.h>
#include "core/detmath.h"
#include "core/explain.h"
#include "core/planner.h"

/* Too large for a number of JSON: null; its logarithm stands beside it. */
static double number(double log_e)
{
    return log_e < 700 ? det_exp(log_e) : INFINITY;
}

/* One test as an object. */
static void explain_test_json(struct json_w *w, const struct policy *p, const struct evidence *e, enum trial_test which)
{
    struct harm harm = harm_of_evidence(e);
    bool rolls = e->log_rollback > 0;

    json_w_obj(w);
    json_w_kstr(w, "test", e->test);
    json_w_kstr(w, "plain", e->plain ? e->plain : trial_test_plain(which));
    json_w_knum(w, "evidence", number(e->log_e));
    json_w_knum(w, "evidence_now", number(e->log_now));
    json_w_knum(w, "to_pause", number(e->log_pause));
    json_w_knum(w, "to_rollback", rolls ? number(e->log_rollback) : NAN);
    json_w_knum(w, "log_evidence", e->log_e);
    json_w_knum(w, "log_to_pause", e->log_pause);
    json_w_kstr(w, "reaction", reaction_word(explain_reaction(&p->evidence, e)));
    json_w_kint(w, "canaries", e->canary);
    json_w_kint(w, "canaries_of", e->canary_of);
    json_w_kint(w, "others", e->control);
    json_w_kint(w, "others_of", e->control_of);
    json_w_kint(w, "devices", e->devices);
    json_w_kint(w, "min_devices", e->min_devices);
    json_w_knum(w, "ratio", harm.ratio);
    json_w_knum(w, "ratio_low", harm.low);
    json_w_knum(w, "ratio_high", harm.high);
    json_w_kbool(w, "unbounded", harm.unbounded);
    json_w_ktime(w, "crossed_at", e->crossed_at);
    json_w_kbool(w, "acknowledged", e->dismissed);
    json_w_obj_end(w);
}

void explain_leading_json(struct json_w *w, const struct policy *p, const struct trial_view *t, int wave)
{
    const struct stage_view *s = t->state == TRIAL_OFF && !t->ended ? NULL : explain_stage(t, wave);

    json_w_key(w, "evidence");
    if (!s || s->leading < 0 || (size_t)s->leading >= s->n)
        json_w_null(w);
    else
        explain_test_json(w, p, &s->v[s->leading], s->which[s->leading]);
}

/* Members of the object that is open: "trial" (an object) with the state of the evidence about the rollout. */
static void explain_trial_json(struct json_w *w, const struct trial_view *t)
{
    json_w_key(w, "trial");
    json_w_obj(w);
    json_w_kstr(w, "state", trial_state_word(t->state));
    json_w_kbool(w, "ended", t->ended);
    json_w_kstr(w, "text", t->text && *t->text ? t->text : NULL);
    json_w_knum(w, "progress", t->state == TRIAL_CATCHING ? t->progress : t->state == TRIAL_LIVE ? 1 : NAN);
    json_w_ktime(w, "start", t->start);
    json_w_ktime(w, "tick", t->tick);
    json_w_kint(w, "wave", t->n_stages > 0 ? t->stage : -1);
    json_w_kbool(w, "dry_run", t->dry_run);
    json_w_obj_end(w);
}

bool explain_settled(const struct snapshot *s, void *id)
{
    const struct rollout_view *v = snapshot_rollout(s, id);

    return v && v->waves_known && (v->trial.state == TRIAL_LIVE || v->trial.state == TRIAL_OFF);
}

static void strings(struct json_w *w, const char *key, const char *const *v, size_t n)
{
    json_w_key(w, key);
    json_w_arr(w);
    for (size_t i = 0; i < n; i++)
        json_w_str(w, v[i]);
    json_w_arr_end(w);
}

static void shares(struct json_w *w, const struct trial_view *t)
{
    json_w_key(w, "shared");
    json_w_arr(w);
    for (size_t i = 0; t->shares && i < t->n_shares; i++) {
        const struct share *x = &t->shares[i];

        json_w_obj(w);
        json_w_kstr(w, "key", x->key);
        json_w_kstr(w, "value", x->value);
        json_w_kint(w, "bad", x->bad);
        json_w_kint(w, "bad_of", x->of_bad);
        json_w_kint(w, "all", x->all);
        json_w_kint(w, "all_of", x->of_all);
        json_w_knum(w, "lift", x->lift);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}

static void ledger(struct json_w *w, const struct policy *p, const struct rollout_view *r, int wave)
{
    struct explain_ledger l;

    json_w_key(w, "alpha");
    if (!explain_ledger(p, &r->trial, wave, r->n_waves, &l)) {
        json_w_null(w);
        return;
    }
    json_w_obj(w);
    json_w_knum(w, "rollout", l.rollout);
    json_w_knum(w, "wave", l.wave);
    for (int m = 0; m < l.metrics; m++)
        json_w_knum(w, l.id[m], l.metric[m]);
    json_w_knum(w, "install", l.install);
    json_w_obj_end(w);
}

static void firmware(struct json_w *w, const struct ledger_view *l)
{
    json_w_key(w, "ledger");
    if (!l->text || !l->note || (!*l->text && !*l->note)) {
        json_w_null(w);
        return;
    }
    json_w_obj(w);
    json_w_kbool(w, "known", l->known);
    json_w_knum(w, "alpha", l->alpha);
    json_w_knum(w, "spent", l->own);
    json_w_knum(w, "spent_by_others", l->others);
    json_w_knum(w, "left", l->left);
    json_w_kbool(w, "dry", l->dry);
    json_w_kstr(w, "text", l->text);
    json_w_kstr(w, "note", l->note);
    json_w_obj_end(w);
}

static void plan(struct json_w *w, const struct policy *p, const struct stage_view *s)
{
    json_w_key(w, "sees");
    if (!s || !s->plan_text || !*s->plan_text) {
        json_w_null(w);
        return;
    }
    json_w_obj(w);
    json_w_kstr(w, "text", s->plan_text);
    json_w_kint(w, "canaries", s->plan.canary);
    json_w_kint(w, "others", s->plan.control);
    json_w_kint(w, "hours", s->plan.hours);
    json_w_kint(w, "least_crash_loop", s->plan.metric[ROW_REBOOTS].least);
    json_w_kint(w, "least_silent", s->plan.metric[ROW_SILENCE].least);
    json_w_kint(w, "least_cpu", s->plan.metric[ROW_CPU].least);
    json_w_kint(w, "least_install", s->plan.metric[ROW_INSTALL].least);
    json_w_knum(w, "reboot_ratio", s->plan.sees_reboot_ratio);
    plan_metrics_json(&p->evidence, &s->plan, w);
    json_w_kbool(w, "blind", s->plan.blind);
    if (s->plan.strata > 1) {
        json_w_kint(w, "strata", s->plan.strata);
        json_w_knum(w, "compared", s->plan.compared);
        json_w_knum(w, "loops_seen", s->plan.loops_seen);
        json_w_knum(w, "loops_seen_whole", s->plan.loops_seen_whole);
    }
    json_w_obj_end(w);
}

static void limits(struct json_w *w, const struct wave_view *x)
{
    json_w_key(w, "limits");
    json_w_arr(w);
    for (size_t i = 0; i < x->verdict.n_limits; i++) {
        const struct limit_view *l = &x->verdict.limits[i];

        if (!l->limit)
            continue;
        json_w_obj(w);
        json_w_kstr(w, "id", l->limit->id);
        json_w_kstr(w, "metric", l->limit->metric);
        json_w_kstr(w, "status", limit_status_word(l->status));
        json_w_knum(w, "value", l->value);
        json_w_knum(w, "limit", l->limit->value);
        json_w_kbool(w, "below", l->limit->under);
        json_w_kbool(w, "relative", l->limit->basis == BASIS_RELATIVE);
        json_w_kstr(w, "reaction", reaction_word(l->limit->react));
        json_w_kint(w, "devices", l->devices);
        json_w_kbool(w, "dry_run", l->limit->dry_run);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}

static void placebo(struct json_w *w, const struct stage_view *s)
{
    json_w_key(w, "placebo");
    if (!s) {
        json_w_null(w);
        return;
    }
    const struct placebo_result *p = s->placebo;
    json_w_obj(w);
    json_w_kstr(w, "word", placebo_word(p->word));
    json_w_knum(w, "p", p->compared > 0 ? det_exp(p->log_p) : NAN);
    json_w_knum(w, "level", PLACEBO_LEVEL);
    json_w_kint(w, "metrics", p->compared);
    json_w_kstr(w, "metric", p->word == PLACEBO_UNLIKE ? s->placebo_metric : NULL);
    json_w_kstr(w, "direction", p->word != PLACEBO_UNLIKE ? NULL : p->more ? "more" : "less");
    json_w_kint(w, "canaries", p->canary);
    json_w_kint(w, "others", p->control);
    json_w_kstr(w, "text", s->placebo_text);
    json_w_obj_end(w);
}

static void wave(struct json_w *w, const struct policy *p, const struct rollout_view *r, const struct wave_view *x)
{
    const struct trial_view *t = &r->trial;
    const struct stage_view *s = explain_stage(t, x->wave.index);
    bool here = x->wave.index == t->stage;
    char text[EXPLAIN_TEXT];

    json_w_obj(w);
    json_w_kint(w, "wave", x->wave.index);
    json_w_kstr(w, "name", x->wave.name);
    json_w_kstr(w, "state", wave_state_word(x->wave.state));
    json_w_kbool(w, "watched", x->watched);
    json_w_kstr(w, "verdict", reaction_word(x->verdict.react));
    json_w_kstr(w, "would", reaction_word(x->verdict.would));
    json_w_kstr(w, "evidence_reached", reaction_word(explain_wave_reaction(&p->evidence, t, x->wave.index)));
    json_w_kstr(w, "rule", x->verdict.rule && *x->verdict.rule ? x->verdict.rule : NULL);
    json_w_kstr(w, "text", x->verdict.text);
    json_w_kbool(w, "data_missing", x->verdict.data_missing);
    explain_wave(t, x->wave.index, text, sizeof text);
    json_w_kstr(w, "sentence", text);
    placebo(w, explain_told(t, x->wave.index));
    json_w_kint(w, "had_release", x->had_release);
    json_w_kint(w, "canaries", s ? s->canary : 0);
    json_w_kint(w, "others", s ? s->control : 0);
    json_w_knum(w, "canary_hours", s ? s->canary_hours : 0);
    json_w_kstr(w, "leading", s && s->leading >= 0 && (size_t)s->leading < s->n ? s->v[s->leading].test : NULL);
    json_w_key(w, "tests");
    json_w_arr(w);
    for (size_t i = 0; s && i < s->n; i++)
        explain_test_json(w, p, &s->v[i], s->which[i]);
    json_w_arr_end(w);
    limits(w, x);
    strings(w, "carriers", t->carriers, here && t->carriers ? t->n_carriers : 0);
    json_w_kint(w, "carriers_total", here ? (int64_t)t->carriers_total : 0);
    if (here) {
        shares(w, t);
    } else {
        json_w_key(w, "shared");
        json_w_arr(w);
        json_w_arr_end(w);
    }
    strings(w, "missing", t->missing, x->wave.index == r->current ? t->n_missing : 0);
    plan(w, p, s);
    ledger(w, p, r, x->wave.index);
    json_w_obj_end(w);
}

void explain_json(struct json_w *w, const char *fleet, const struct snapshot *s, const struct rollout_view *r,
                  int64_t only)
{
    const struct policy *p = snapshot_policy(s, r);
    char text[EXPLAIN_TEXT];

    json_w_kstr(w, "fleet", fleet);
    json_w_kstr(w, "rollout", r->rollout.id);
    json_w_kstr(w, "name", r->rollout.name);
    json_w_kstr(w, "release", r->rollout.release.name);
    json_w_kstr(w, "version", r->rollout.release.version);
    json_w_kstr(w, "state", rollout_state_word(r->rollout.state));
    json_w_kint(w, "wave", r->current);
    json_w_kstr(w, "verdict", reaction_word(r->verdict));
    json_w_kstr(w, "policy", p->name);
    explain_trial_json(w, &r->trial);
    explain_promise(p, text, sizeof text);
    json_w_kstr(w, "promise", text);
    explain_not_covered(p, &r->trial, text, sizeof text);
    json_w_kstr(w, "not_covered", text);
    firmware(w, &r->trial.ledger);
    json_w_key(w, "waves");
    json_w_arr(w);
    for (size_t i = 0; i < r->n_waves; i++)
        if (only >= 0 ? r->waves[i].wave.index == only : r->waves[i].wave.index <= r->current || i == 0)
            wave(w, p, r, &r->waves[i]);
    json_w_arr_end(w);
}
