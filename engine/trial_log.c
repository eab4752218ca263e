/* What a trial leaves in the log: the shares of its ledger when it begins, the figures and inputs of a decision. */
#include <math.h>
#include <string.h>
#include "core/fmt.h"
#include "core/json.h"
#include "core/ledger.h"
#include "engine/trial_run.h"

/* ---- the ledger ---- */

static void write_ledger(const struct run *r, const struct ledger *l, struct buf *b)
{
    struct json_w w;
    char f[FMT_MAX];
    json_w_init(&w, b, 0);
    json_w_obj(&w);
    json_w_kstr(&w, "alpha", fmt_hexfloat(f, l->alpha));
    json_w_kstr(&w, "install", fmt_hexfloat(f, ledger_install(l)));
    char digest[SHA256_HEX];
    metric_digest(&r->spec.policy, digest);
    json_w_kstr(&w, "metrics", digest);
    json_w_kstr(&w, "reserve", fmt_hexfloat(f, l->reserve));
    json_w_key(&w, "stages"); /* reboots, silence, CPU, variance, the policy's own, of each */
    json_w_arr(&w);
    for (int s = 0; s < r->spec.waves; s++) {
        json_w_arr(&w);
        for (int m = 0; m < l->metrics; m++)
            json_w_str(&w, fmt_hexfloat(f, ledger_alpha(l, s, m)));
        json_w_arr_end(&w);
    }
    json_w_arr_end(&w);
    json_w_kstr(&w, "total", fmt_hexfloat(f, ledger_total(l)));
    json_w_obj_end(&w);
}

void run_say_ledger(struct run *r)
{
    struct ro *ro = r->ro;
    const struct evidence_policy *p = &r->spec.policy;
    struct ledger l;
    struct entry e;
    struct buf b, keys;
    if (ro->trials.ledger_said || !ro->en->spec.judge || !ledger_of(p, r->spec.waves, &l))
        return;
    ro->trials.ledger_said = true;
    buf_init(&b, ENTRY_MAX);
    buf_init(&keys, 512);
    write_ledger(r, &l, &b);
    for (size_t i = 0; i < p->n_strata; i++)
        buf_printf(&keys, "%s%s", i ? "," : "", p->strata[i]);
    diary_entry(ro->en, &e, ENTRY_CONFIG, NULL, ro);
    e.result = "ledger";
    e.reason = "the chance of a false halt is shared out over waves and tests";
    entry_str(&e, "ledger", b.data);
    entry_str(&e, "policy", ro->policy.applies->digest);
    entry_str(&e, "spec", r->digest);
    entry_str(&e, "strata", keys.data);
    entry_str(&e, "tests", p->tests == TESTS_ON ? "on" : "dry-run");
    entry_int(&e, "start", r->spec.start);
    entry_int(&e, "step_us", r->spec.step_us);
    diary_write(ro->en, &e, 0, NULL, NULL);
    buf_release(&b);
    buf_release(&keys);
}

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
    json_w_kstr(w, "ledger.total",
                fmt_hexfloat(f, ledger_of(&r->spec.policy, r->spec.waves, &l) ? ledger_total(&l) : NAN));
    double times = level_times(&ro->policy.applies->evidence, react);
    if (!isnan(times))
        json_w_kstr(w, "level.times", fmt_hexfloat(f, times));
    json_w_kstr(w, "log_e", fmt_hexfloat(f, v->log_e));
    json_w_kstr(w, "log_pause", fmt_hexfloat(f, v->log_pause));
    json_w_kstr(w, "log_rollback", fmt_hexfloat(f, v->log_rollback));
    json_w_kint(w, "min_devices", v->min_devices);
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
