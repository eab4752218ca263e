/* What a trial leaves in the log of its decisions: their figures and inputs. Its ledger: trial_ledger.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/fmt.h"
#include "core/json.h"
#include "core/ledger.h"
#include "engine/trial_run.h"

#define PLACEBO_MAX ((size_t)8 << 20) /* bytes of its inputs */

void run_change(struct run *r, const char *what)
{
    struct entry e;
    if (!r->ro->en->spec.judge)
        return;
    diary_entry(r->ro->en, &e, ENTRY_CONFIG, NULL, r->ro);
    e.result = "evidence";
    e.reason = what;
    entry_str(&e, "spec", r->digest);
    entry_int(&e, "rebuilds", r->rebuilds);
    diary_write(r->ro->en, &e, 0, NULL, NULL);
}

/* ---- the placebo test ---- */

void run_before(struct run *r)
{
    const struct run_wave *rw = &r->wave[0];
    placebo_release(&r->placebo);
    placebo_init(&r->placebo, &r->spec.policy);
    for (size_t i = 0; i < rw->n; i++)
        placebo_add(&r->placebo, &r->spec.policy, rw->v[i].wave, rw->v[i].stratum, &rw->v[i].past);
    placebo_close(&r->placebo);
}

/* With its inputs, so that it can be computed again; once for each wave. */
static void say_placebo(struct run *r, int w)
{
    struct engine *en = r->ro->en;
    const struct placebo_result *p = &r->placebo_of[w];
    char text[PLACEBO_TEXT], wave[FMT_MAX], hex[FMT_MAX];
    struct entry e;
    struct buf b;
    if (!en->spec.judge || r->placebo_said >> w & 1)
        return;
    r->placebo_said |= UINT64_C(1) << w;
    placebo_text(p, &r->spec.policy, text);
    snprintf(wave, sizeof wave, "%d", w);
    diary_entry(en, &e, ENTRY_CONFIG, NULL, r->ro);
    e.result = "placebo";
    e.reason = text;
    e.wave = wave;
    entry_str(&e, "log_p", fmt_hexfloat(hex, p->log_p));
    entry_str(&e, "placebo", placebo_word(p->word));
    entry_str(&e, "spec", r->digest);
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, &e);
    buf_init(&b, PLACEBO_MAX);
    placebo_write(&r->placebo, &r->spec.policy, w, p, &b);
    if (!b.over)
        job_blob(j, "inputs.blob", b.data, b.len);
    buf_release(&b);
    diary_put(en, j, 0, NULL, NULL);
}

void run_placebo(struct run *r, int w)
{
    placebo_test(&r->placebo, w, &r->placebo_of[w]);
    r->changed = true;
    if (!ro_replayed(r->ro))
        say_placebo(r, w);
}

/* ---- a decision ---- */

static int find_test(const struct ro *ro, const char *rule)
{
    const struct run *r = ro->trials.run;
    for (size_t i = 0; r && r->trial && i < r->n_ev; i++)
        if (strcmp(r->ev[i].test, rule) == 0)
            return (int)i;
    return -1;
}

/* How many times the evidence for a pause the policy asks for before it reacts so; NaN when no level does. */
static double level_times(const struct evidence_policy *p, enum reaction react)
{
    for (size_t i = 0; i < p->n_levels; i++)
        if (p->level[i].react == react)
            return p->level[i].times;
    return NAN;
}

bool trial_figures(const struct ro *ro, const char *rule, enum reaction react, struct json_w *w)
{
    int i = find_test(ro, rule);
    struct ledger l;
    char f[FMT_MAX];
    if (i < 0)
        return false;
    const struct run *r = ro->trials.run;
    const struct evidence *v = &r->ev[i];
    json_w_kint(w, "canary", v->canary);
    json_w_kint(w, "canary_of", v->canary_of);
    json_w_kint(w, "control", v->control);
    json_w_kint(w, "control_of", v->control_of);
    json_w_kint(w, "devices", v->devices);
    json_w_kstr(w, "ledger.total", fmt_hexfloat(f, run_ledger(r, &l) ? ledger_total(&l) : NAN));
    double times = level_times(&ro->policy.applies->evidence, react);
    if (!isnan(times))
        json_w_kstr(w, "level.times", fmt_hexfloat(f, times));
    json_w_kstr(w, "log_e", fmt_hexfloat(f, v->log_e));
    json_w_kstr(w, "log_pause", fmt_hexfloat(f, v->log_pause));
    json_w_kstr(w, "log_rollback", fmt_hexfloat(f, v->log_rollback));
    json_w_kint(w, "min_devices", v->min_devices);
    const struct placebo_result *before = &r->placebo_of[r->ev_stage];
    json_w_kstr(w, "placebo", placebo_word(before->word));
    json_w_kstr(w, "placebo.log_p", fmt_hexfloat(f, before->log_p));
    json_w_kstr(w, "policy", ro->policy.applies->digest);
    json_w_kstr(w, "ratio", fmt_hexfloat(f, v->ratio));
    json_w_kint(w, "stage", r->ev_stage);
    json_w_kstr(w, "test", v->test);
    json_w_kint(w, "tick", trial_next_tick(r->trial) - r->spec.step_us);
    return true;
}

bool trial_blob(const struct ro *ro, const char *rule, struct buf *out)
{
    int i = find_test(ro, rule);
    if (i < 0)
        return false;
    trial_inputs(ro->trials.run->trial, ro->trials.run->ev_stage, ro->trials.run->ev_which[i], out);
    return !out->over && out->len > 0;
}
