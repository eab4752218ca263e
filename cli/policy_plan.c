#include "cli/policy_plan.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/fleets.h"
#include "cli/ledger.h"
#include "core/clock.h"
#include "core/explain.h"
#include "core/fmt.h"
#include "core/text.h"

#define DEVICES_MAX   INT64_C(100000000)
#define HOURS         24
#define STRATA_VALUES 100000

/* ---- the waves ---- */

static bool read_sizes(const char *text, struct policy_plan *out, struct err *e)
{
    const char *s = text;
    char *end;

    do {
        if (s != text)
            s++;
        errno = 0;
        long long v = strtoll(s, &end, 10);

        if (!isdigit((unsigned char)*s) || errno || v < 1 || v > DEVICES_MAX || (*end && *end != ','))
            return err_set(e, ERR_SYNTAX, "", "--wave-sizes: expected numbers of devices like 20,100,500, found %.40s",
                           text);
        if (out->n == LEDGER_WAVES)
            return err_set(e, ERR_SYNTAX, "", "--wave-sizes: at most %d waves", LEDGER_WAVES);
        out->size[out->n++] = v;
        s = end;
    } while (*s);
    snprintf(out->from, sizeof out->from, "%zu wave%s as given", out->n, out->n == 1 ? "" : "s");
    return true;
}

/* Waves beyond what a ledger holds share the last one's alpha: they are left out. */
static bool take_waves(const struct rollout_view *v, struct policy_plan *out, struct err *e)
{
    char safe[80];

    for (size_t i = 0; i < v->n_waves && out->n < LEDGER_WAVES; i++)
        out->size[out->n++] = v->waves[i].wave.total;
    safe_text_into(safe, sizeof safe, v->rollout.name, strlen(v->rollout.name));
    snprintf(out->from, sizeof out->from, "the waves of rollout %.40s (%s)", v->rollout.id, safe);
    return out->n > 0 || err_set(e, ERR_NOT_FOUND, "", "rollout %.40s has no waves", v->rollout.id);
}

static void compare_ledger(const struct session *s, const char *fleet, const struct rollout_view *v,
                           const struct policy *p, struct policy_plan *out)
{
    char release[IDENTITY_RELEASE_BYTES], text[ACCOUNT_TEXT];
    struct rollout_identity who = identity_of(fleet, &v->rollout, release);

    ledger_differs(&s->audit, &who, p, text);
    if (*text && !rollout_state_ended(v->rollout.state))
        snprintf(out->runs, sizeof out->runs, "the tests of rollout %.40s go on as they began: %s", v->rollout.id,
                 text);
}

/* Only looks: nothing is judged, nothing is logged. */
static bool ask_fleet(const struct args *a, const struct session *s, const struct policy *p, int64_t timeout,
                      struct policy_plan *out, struct err *e)
{
    const struct fleet_spec *spec = session_fleet(s, a, e);
    struct fleet_run run = {.spec = spec};
    struct focus focus = {.wave = -1};
    const struct rollout_view *v;
    bool ok = false;

    if (!spec)
        return false;
    snprintf(focus.rollout, sizeof focus.rollout, "%s", a->val[OPT_ROLLOUT]);
    run.en = session_engine(s, a, spec, false, true, e);
    if (!run.en)
        return false;
    engine_focus(run.en, &focus);
    if (!engine_wait_ready(run.en, timeout, &run.snap) || !run.snap->rollouts_known)
        fleet_error(&run, e);
    else if (!snapshot_rollout(run.snap, focus.rollout))
        err_set(e, ERR_NOT_FOUND, "`andon get rollouts` lists them.", "there is no rollout %.60s", focus.rollout);
    else if (!fleet_until(&run, timeout, fleet_has_waves, focus.rollout) ||
             !(v = snapshot_rollout(run.snap, focus.rollout)))
        err_set(e, ERR_TIMEOUT, "`andon doctor` tests the connection.", "the waves of %s could not be read",
                focus.rollout);
    else
        ok = take_waves(v, out, e);
    if (ok)
        compare_ledger(s, spec->name, v, p, out);
    snapshot_unref(run.snap);
    engine_stop(run.en);
    engine_free(run.en);
    return ok;
}

static bool ask_server(const struct args *a, const struct policy *p, struct policy_plan *out, int *rc, struct err *e)
{
    struct session s;
    int64_t timeout;
    bool ok;

    if (!a->val[OPT_ROLLOUT])
        return err_set(e, ERR_SYNTAX, "`andon get rollouts` lists them.",
                       "--fleet needs --rollout ID: whose waves are meant");
    if (!args_dur(a, OPT_TIMEOUT, 30 * US_PER_S, &timeout, e))
        return false;
    *rc = session_need(a, &s);
    if (*rc != EXIT_OK)
        return false;
    ok = ask_fleet(a, &s, p, timeout, out, e);
    session_close(&s);
    return ok;
}

/* In wave s the devices of all waves so far are canaries, and what no wave has been told of is control: the clocks of
 * all start anew with each wave (core/trial.h). */
static void look(const struct policy *p, struct policy_plan *v)
{
    int64_t told = 0;

    v->blind = v->n > 0 && p->evidence.tests != TESTS_OFF;
    for (size_t i = 0; i < v->n; i++) {
        int64_t control;

        told += v->size[i];
        control = v->devices > told ? v->devices - told : 0;
        if (control > p->control_max)
            control = p->control_max;
        planner_wave(&p->evidence, (int)i, (int)v->n, told, control, v->hours, POLICY_PLAN_REBOOTS, &v->plan[i]);
        planner_strata(&p->evidence, (int)i, (int)v->n, &(struct plan_spread){.values = (int)v->strata},
                       POLICY_PLAN_REBOOTS, &v->plan[i]);
        v->blind = v->blind && v->plan[i].blind;
    }
}

bool policy_plan_read(const struct args *a, const struct policy *p, struct policy_plan *out, int *rc, struct err *e)
{
    int64_t sum = 0, bake = (p->bake_us + US_PER_HOUR - 1) / US_PER_HOUR;

    *out = (struct policy_plan){0};
    *rc = EXIT_OK;
    if (a->val[OPT_WAVE_SIZES] && (a->val[OPT_FLEET] || a->val[OPT_ROLLOUT]))
        return err_set(e, ERR_SYNTAX, "", "--wave-sizes and the waves of a rollout: give one of them");
    if (a->val[OPT_WAVE_SIZES] ? !read_sizes(a->val[OPT_WAVE_SIZES], out, e)
                               : (a->val[OPT_FLEET] || a->val[OPT_ROLLOUT]) && !ask_server(a, p, out, rc, e))
        return false;
    for (size_t i = 0; i < out->n; i++)
        sum += out->size[i];
    if (out->n == 0 && (a->val[OPT_DEVICES] || a->val[OPT_HOURS] || a->val[OPT_STRATA]))
        return err_set(e, ERR_SYNTAX, "andon policy check FILE --wave-sizes 20,100,500",
                       "--devices, --strata and --hours go with --wave-sizes or --rollout");
    if (a->val[OPT_STRATA] && p->evidence.n_strata == 0)
        return err_set(e, ERR_SYNTAX, "say evidence: strata: [site] in the policy",
                       "--strata is of the attributes within which devices are compared, and this policy has none");
    if (!args_int(a, OPT_DEVICES, sum, DEVICES_MAX, sum, &out->devices, e) ||
        !args_int(a, OPT_STRATA, 1, STRATA_VALUES, 1, &out->strata, e) ||
        !args_int(a, OPT_HOURS, 1, 24 * 365, bake > 0 ? bake : HOURS, &out->hours, e))
        return false;
    look(p, out);
    return true;
}

/* ---- text ---- */

static void tests_text(const struct evidence_policy *e, struct buf *out)
{
    char a[FMT_MAX], b[FMT_MAX];

    if (e->tests == TESTS_OFF) {
        buf_adds(out, "  tests off\n");
        return;
    }
    buf_printf(out, "  tests %s: at most %s chance that they ever halt a rollout which changes nothing\n",
               e->tests == TESTS_ON ? "on" : "in dry run (only said, never acting)", explain_percent(a, e->alpha));
    buf_printf(out,
               "    tolerated: events %gx control, CPU %gx and variance %gx own baseline, %s of the installs failed\n",
               e->tolerance[ROW_REBOOTS], e->tolerance[ROW_CPU], e->tolerance[ROW_VARIANCE],
               explain_percent(b, e->tolerance[ROW_INSTALL]));
    buf_printf(out, "    at least %d device%s must carry a test; ", e->min_devices, e->min_devices == 1 ? "" : "s");
    for (size_t i = 0; i < e->n_levels; i++)
        buf_printf(out, "%s%s at %g times", i ? ", " : "", reaction_word(e->level[i].react), e->level[i].times);
    buf_adds(out, " the evidence\n    compared ");
    for (size_t i = 0; i < e->n_strata; i++)
        buf_printf(out, "%s%s", i ? ", " : "within the same ", e->strata[i]);
    buf_printf(out, "%s with %s%s\n", e->n_strata ? "" : "all together",
               *e->control ? "the control devices " : "the rest of the fleet", e->control);
    if (*explain_one_sided(e))
        buf_printf(out, "   %s\n", explain_one_sided(e));
}

/* Metrics that count from later on than the policy's grace says. */
static void graces_text(const struct policy *p, struct buf *out)
{
    const char *before = "    grace of their own: ";
    char a[FMT_MAX];

    for (size_t i = 0; i < metric_count(&p->evidence); i++) {
        struct metric_def d;
        metric_get(&p->evidence, i, &d);
        if (d.grace_us <= p->grace_us)
            continue;
        buf_printf(out, "%s%s %s", before, d.title, fmt_dur(a, d.grace_us));
        before = ", ";
    }
    if (*before == ',')
        buf_adds(out, " after an install\n");
}

static bool ledger(const struct evidence_policy *e, size_t waves, struct ledger *l)
{
    return e->tests != TESTS_OFF && trial_ledger(e, (int)waves, l);
}

static void shares_text(const struct evidence_policy *e, struct buf *out)
{
    char a[FMT_MAX];

    buf_adds(out, "    shares of it:");
    for (size_t i = 0, n = 0; i < metric_count(e); i++) {
        struct metric_def d;
        metric_get(e, i, &d);
        if (i != ROW_INSTALL && d.kind != KIND_ACTIVATION)
            buf_printf(out, "%s %s %s", n++ ? "," : "", d.title, explain_percent(a, d.share));
    }
    buf_printf(out, " in the waves, half as much in each as in the one before;\n    installs %s\n",
               explain_percent(a, e->share[ROW_INSTALL]));
}

/* The policy's own metrics: what they are, and what of them is worse. */
static void own_text(const struct evidence_policy *e, struct buf *out)
{
    for (size_t i = 0; i < e->n_own; i++) {
        const struct metric_def *d = &e->own[i];
        bool gauge = d->kind == KIND_GAUGE || d->kind == KIND_SPREAD;
        if (d->kind == KIND_ACTIVATION) {
            buf_printf(out, "    %s: not tested; one boot of each canary that it goes up with does not count\n",
                       d->title);
            continue;
        }
        buf_printf(out, "    %s%s%s%s: %s %s, %s", d->title, *d->unit ? " (" : "", d->unit, *d->unit ? ")" : "",
                   d->kind == KIND_EVENT ? "an" : "a", metric_kind_word(d->kind),
                   d->worse == WORSE_UP     ? "more is worse"
                   : d->worse == WORSE_DOWN ? "less is worse"
                                            : "more and less are worse");
        if (d->diff)
            buf_printf(out, "; tolerated %g%s%s from %s", d->tolerance, *d->unit ? " " : "", d->unit,
                       d->own ? "own baseline" : "control");
        else if (gauge)
            buf_printf(out, "; tolerated %gx%s", d->tolerance, d->own ? " own baseline" : " control");
        for (size_t k = 0; k < d->n_levels; k++)
            buf_printf(out, "%s%g", k ? ", " : gauge ? "; levels " : "; counts ", d->level[k]);
        buf_addc(out, '\n');
    }
}

static void ledger_text(const struct evidence_policy *e, const struct policy_plan *v, const struct ledger *l,
                        struct buf *out)
{
    struct table t;
    char a[FMT_MAX], b[FMT_MAX];

    buf_adds(out, "  chance of a false halt that each may spend:\n");
    table_init(&t, 3 + (size_t)l->metrics, ~0U << 1);
    table_add(&t, "    WAVE");
    table_add(&t, "DEVICES");
    table_add(&t, "CONTROL");
    for (int m = 0; m < l->metrics; m++)
        table_add(&t, metric_title(e, ledger_metric(m)));
    for (size_t i = 0; i < v->n; i++) {
        table_addf(&t, "    W%zu", i);
        table_add(&t, fmt_count(a, v->size[i]));
        table_add(&t, fmt_count(a, v->plan[i].control));
        for (int m = 0; m < l->metrics; m++)
            table_add(&t, explain_percent(a, ledger_alpha(l, (int)i, m)));
    }
    table_print(&t, out);
    buf_printf(out, "    installs %s over the whole rollout; kept in reserve %s\n",
               explain_percent(a, ledger_install(l)), explain_percent(b, e->alpha * e->reserve));
}

static void sees_text(const struct evidence_policy *e, const struct policy_plan *v, struct buf *out)
{
    char text[PLAN_TEXT];

    buf_printf(out, "  what each wave could see, with the canaries before it (%s; %g reboots per device-day taken):\n",
               v->from, POLICY_PLAN_REBOOTS);
    for (size_t i = 0; i < v->n; i++) {
        planner_text(e, &v->plan[i], text, sizeof text);
        buf_printf(out, "    W%zu: %s\n", i, text);
    }
    if (e->n_strata > 0 && v->strata < 2)
        buf_adds(out,
                 "    as if all were compared together; what its strata cost: give --strata N, the sites (or other "
                 "values) there are\n");
    if (v->blind)
        buf_adds(out,
                 "  THE TESTS OF THIS POLICY CANNOT SEE ANYTHING IN THESE WAVES, not even if every device goes bad:\n"
                 "  larger waves, more control devices, or a larger alpha\n");
}

void policy_plan_text(const struct policy *p, const struct policy_plan *v, struct buf *out)
{
    struct ledger l;

    tests_text(&p->evidence, out);
    if (p->evidence.tests == TESTS_OFF)
        return;
    own_text(&p->evidence, out);
    graces_text(p, out);
    if (v->n == 0 || !ledger(&p->evidence, v->n, &l)) {
        shares_text(&p->evidence, out);
        buf_adds(out, "    what a wave could see: give --wave-sizes 20,100,500 or --rollout ID\n");
        return;
    }
    ledger_text(&p->evidence, v, &l, out);
    sees_text(&p->evidence, v, out);
}

/* ---- JSON ---- */

static void tests_json(const struct evidence_policy *e, struct json_w *w)
{
    static const char *const words[] = {"off", "dry-run", "on"};

    json_w_kstr(w, "tests", words[e->tests]);
    json_w_knum(w, "alpha", e->alpha);
    json_w_knum(w, "reserve", e->reserve);
    json_w_key(w, "tolerance");
    json_w_obj(w);
    json_w_knum(w, "reboots", e->tolerance[ROW_REBOOTS]);
    json_w_knum(w, "cpu", e->tolerance[ROW_CPU]);
    json_w_knum(w, "variance", e->tolerance[ROW_VARIANCE]);
    json_w_obj_end(w);
    json_w_knum(w, "install_failures", e->tolerance[ROW_INSTALL]);
    json_w_kint(w, "min_devices", e->min_devices);
    json_w_key(w, "shares");
    json_w_obj(w);
    for (size_t i = 0; i < metric_count(e); i++) {
        struct metric_def d;
        metric_get(e, i, &d);
        json_w_knum(w, d.id, d.share);
    }
    json_w_obj_end(w);
    json_w_key(w, "levels");
    json_w_arr(w);
    for (size_t i = 0; i < e->n_levels; i++) {
        json_w_obj(w);
        json_w_knum(w, "times", e->level[i].times);
        json_w_kstr(w, "do", reaction_word(e->level[i].react));
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
    json_w_key(w, "strata");
    json_w_arr(w);
    for (size_t i = 0; i < e->n_strata; i++)
        json_w_str(w, e->strata[i]);
    json_w_arr_end(w);
    json_w_kstr(w, "control", e->control);
}

void plan_metrics_json(const struct evidence_policy *e, const struct plan *p, struct json_w *w)
{
    json_w_key(w, "metrics");
    json_w_obj(w);
    for (size_t i = 0; i < metric_count(e); i++) {
        json_w_key(w, metric_id(e, i));
        json_w_obj(w);
        json_w_kint(w, "least", p->metric[i].least);
        json_w_kbool(w, "on_all", p->metric[i].shift);
        json_w_obj_end(w);
    }
    json_w_obj_end(w);
}

/* 0 = cannot be seen, as in core/planner.h. The names of before metrics were data stay. */
static void plan_json(const struct evidence_policy *e, const struct plan *p, struct json_w *w)
{
    json_w_key(w, "sees");
    json_w_obj(w);
    json_w_kint(w, "crash_loops", p->metric[ROW_REBOOTS].least);
    json_w_kint(w, "silent", p->metric[ROW_SILENCE].least);
    json_w_kint(w, "cpu_far_up", p->metric[ROW_CPU].least);
    json_w_kint(w, "failed_installs", p->metric[ROW_INSTALL].least);
    json_w_kbool(w, "cpu_up_on_all", p->metric[ROW_CPU].shift);
    json_w_kbool(w, "variance_up_on_all", p->metric[ROW_VARIANCE].shift);
    json_w_knum(w, "reboot_ratio", p->sees_reboot_ratio);
    plan_metrics_json(e, p, w);
    json_w_obj_end(w);
    json_w_kbool(w, "blind", p->blind);
    if (p->strata < 2)
        return;
    json_w_key(w, "strata");
    json_w_obj(w);
    json_w_kint(w, "n", p->strata);
    json_w_knum(w, "compared", p->compared);
    json_w_knum(w, "loops_share", PLAN_LOOPS);
    json_w_knum(w, "loops_seen", p->loops_seen);
    json_w_knum(w, "loops_seen_whole", p->loops_seen_whole);
    json_w_obj_end(w);
}

void policy_plan_json(const struct policy *p, const struct policy_plan *v, struct json_w *w)
{
    char text[PLAN_TEXT];
    struct ledger l;

    json_w_key(w, "evidence");
    json_w_obj(w);
    tests_json(&p->evidence, w);
    json_w_obj_end(w);
    if (v->n == 0 || !ledger(&p->evidence, v->n, &l))
        return;
    json_w_kbool(w, "blind", v->blind);
    json_w_kint(w, "hours", v->hours);
    json_w_knum(w, "alpha_install", ledger_install(&l));
    json_w_key(w, "waves");
    json_w_arr(w);
    for (size_t i = 0; i < v->n; i++) {
        json_w_obj(w);
        json_w_kint(w, "wave", (int64_t)i);
        json_w_kint(w, "devices", v->size[i]);
        json_w_kint(w, "canaries", v->plan[i].canary);
        json_w_kint(w, "control", v->plan[i].control);
        json_w_key(w, "alpha");
        json_w_obj(w);
        for (int m = 0; m < l.metrics; m++)
            json_w_knum(w, metric_id(&p->evidence, ledger_metric(m)), ledger_alpha(&l, (int)i, m));
        json_w_obj_end(w);
        plan_json(&p->evidence, &v->plan[i], w);
        planner_text(&p->evidence, &v->plan[i], text, sizeof text);
        json_w_kstr(w, "text", text);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}
