/* andon explain: why a rollout is judged as it is, for a person and for a script. */
#include "cli/explain.h"
#include "cli/halts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/clock.h"
#include "core/explain.h"

/* How long to wait for the evidence when nothing else is said: history of days is read in chunks. */
#define EXPLAIN_WAIT (2 * US_PER_MIN)

static void indent(struct buf *out, const char *text)
{
    buf_printf(out, "  %s\n", text);
}

static void tests_text(struct buf *out, const struct policy *p, const struct stage_view *s, bool over)
{
    struct table t;
    char n[FMT_MAX], m[FMT_MAX], text[EXPLAIN_TEXT];
    size_t quiet = 0;

    table_init(&t, 9, 1U << 2 | 1U << 3 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 7);
    for (size_t c = 0; c < 9; c++) {
        static const char *const heads[] = {"  ",           "TEST",     "MOST",   "NOW",         "TO PAUSE",
                                            "TO ROLL BACK", "CANARIES", "OTHERS", "SIZE (RANGE)"};
        table_add(&t, heads[c]);
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct evidence *e = &s->v[i];
        struct harm harm = harm_of_evidence(e);

        if (!explain_speaks(e)) {
            quiet++;
            continue;
        }
        table_addf(&t, "  %s",
                   e->dismissed ? "acknowledged" : explain_reaction_word(explain_reaction(&p->evidence, e)));
        table_add(&t, e->test);
        table_add(&t, explain_evidence(n, e->log_e, e->log_pause));
        table_add(&t, explain_evidence(n, e->log_now, INFINITY));
        table_add(&t, explain_need(n, e->log_pause));
        table_add(&t, e->log_rollback > 0 ? explain_need(n, e->log_rollback) : "never");
        table_addf(&t, "%s/%s", fmt_count(n, e->canary), fmt_count(m, e->canary_of));
        table_addf(&t, s->which[i] == TEST_INSTALL ? "-" : "%s/%s", fmt_count(n, e->control),
                   fmt_count(m, e->control_of));
        table_addf(&t, "%s%s", harm_text(n, &harm), isnan(harm.ratio) && isnan(harm.low) ? "" : harm.than);
    }
    if (quiet < s->n) {
        table_print(&t, out);
    } else {
        struct buf none;

        buf_init(&none, 4096); /* a table is freed by printing it */
        table_print(&t, &none);
        buf_release(&none);
    }
    for (int compares = 1; compares >= 0; compares--)
        if (explain_silent(s, compares, over, compares ? "-o json lists all" : "", false, text, sizeof text) > 0)
            indent(out, text);
}

static void carriers_text(struct buf *out, const struct trial_view *t)
{
    char n[FMT_MAX], m[FMT_MAX], o[FMT_MAX], lift[FMT_MAX];

    if (t->carriers && t->n_carriers > 0) {
        buf_printf(out, "  Carried by %s:", fmt_count(n, (int64_t)t->carriers_total));
        for (size_t i = 0; i < t->n_carriers; i++)
            buf_printf(out, " %s", t->carriers[i]);
        buf_adds(out, t->carriers_total > t->n_carriers ? " ...\n" : "\n");
    }
    for (size_t i = 0; t->shares && i < t->n_shares; i++) {
        const struct share *x = &t->shares[i];

        buf_printf(out, "  They share %s %s: %s of %s of them, %s of all devices, %s as common\n", x->key, x->value,
                   fmt_count(n, x->bad), fmt_count(m, x->of_bad),
                   explain_percent(o, x->of_all > 0 ? (double)x->all / (double)x->of_all : 0),
                   fmt_ratio(lift, x->lift));
    }
}

static void limits_text(struct buf *out, const struct wave_view *x)
{
    char what[160], limit[40];

    for (size_t i = 0; i < x->verdict.n_limits; i++) {
        const struct limit_view *l = &x->verdict.limits[i];

        if (!l->limit || l->status == LIMIT_OK)
            continue;
        struct harm h = harm_of(l->figure, l->value, l->against, l->ratio);
        snprintf(limit, sizeof limit, ", limit %gx", l->limit->value);
        if (l->limit->basis == BASIS_RELATIVE)
            harm_figures(l->figure, &h, limit, what, sizeof what);
        else
            harm_absolute(l->figure, l->value, l->limit->value, l->limit->under, what, sizeof what);
        buf_printf(out, "  limit %s %s: now %s (limits are not covered by the promise)\n", l->limit->id,
                   limit_status_word(l->status), what);
    }
}

static void wave_text(struct buf *out, const struct policy *p, const struct rollout_view *r, const struct wave_view *x)
{
    const struct trial_view *t = &r->trial;
    const struct stage_view *s = explain_stage(t, x->wave.index);
    char text[EXPLAIN_TEXT], a[FMT_MAX], b[FMT_MAX];
    struct explain_ledger l;
    enum reaction reached = explain_wave_reaction(&p->evidence, t, x->wave.index);

    buf_printf(out, "\nW%d %s: %s%s%s%s\n", x->wave.index, x->wave.name,
               x->verdict.data_missing ? "NO DATA"
               : x->watched            ? explain_reaction_word(x->verdict.react)
               : s && t->ended         ? "judged until the rollout ended"
                                       : "not judged",
               x->verdict.would > x->verdict.react ? ", would " : "",
               x->verdict.would > x->verdict.react ? explain_reaction_word(x->verdict.would) : "",
               /* A wave that is over has no verdict any more; what its tests reached stands. */
               reached < REACT_PAUSE || reached <= x->verdict.react || t->dry_run ? ""
               : reached == REACT_ROLLBACK                                        ? "; its evidence reached a roll back"
                                                                                  : "; its evidence reached a pause");
    explain_wave(t, x->wave.index, text, sizeof text);
    indent(out, text);
    const struct stage_view *told = explain_told(t, x->wave.index);
    if (told)
        indent(out, told->placebo_text);
    if (explain_had_release(x, text, sizeof text))
        indent(out, text);
    if (explain_installs(&x->health, text, sizeof text))
        indent(out, text);
    if (x->watched && *x->verdict.text && x->verdict.react != REACT_NONE)
        buf_printf(out, "  %s: %s\n", x->verdict.rule && *x->verdict.rule ? x->verdict.rule : "verdict",
                   x->verdict.text);
    if (s && s->n > 0)
        tests_text(out, p, s, t->ended || x->wave.index != t->stage);
    if (x->wave.index == t->stage)
        carriers_text(out, t);
    limits_text(out, x);
    if (x->wave.index == r->current)
        for (size_t i = 0; i < t->n_missing; i++)
            buf_printf(out, "  missing before the next wave: %s\n", t->missing[i]);
    if (s && s->plan_text && *s->plan_text)
        buf_printf(out, "  This wave: %s\n", s->plan_text);
    if ((t->state != TRIAL_OFF || t->ended) && explain_ledger(p, t, x->wave.index, r->n_waves, &l))
        buf_printf(out, "  Of alpha %s this wave may spend %s\n", explain_percent(a, l.rollout),
                   explain_percent(b, l.wave));
}

static void rollout_text(struct buf *out, const char *fleet, const struct snapshot *s, const struct rollout_view *r,
                         const struct log_halt *h, int64_t only)
{
    const struct policy *p = snapshot_policy(s, r);
    char text[EXPLAIN_TEXT], at[FMT_MAX];
    struct halt_said halt = halt_said(h->stop, r->stop_old);

    explain_state(&r->trial, text, sizeof text);
    buf_printf(out, "%s %s %s %s of %s: %s\n", r->rollout.id, r->rollout.name, r->rollout.release.name,
               r->rollout.release.version, fleet, *halt.word ? halt.title : rollout_state_word(r->rollout.state));
    if (*halt.word)
        buf_printf(out, "Halt: it %s. By %s%s%s\n", halt.text, h->by, *h->reason ? ": " : "", h->reason);
    buf_printf(out, "Evidence: %s", text);
    if (r->trial.tick > 0)
        buf_printf(out, ", up to %s", fmt_iso(at, r->trial.tick));
    buf_printf(out, "; policy %s\n", p->name);
    if (r->trial.ledger.text && *r->trial.ledger.text)
        buf_printf(out, "Ledger: %s\n", r->trial.ledger.text);
    if (r->trial.ledger.note && *r->trial.ledger.note)
        buf_printf(out, "Ledger: %s\n", r->trial.ledger.note);
    for (size_t i = 0; i < r->n_waves; i++)
        if (only >= 0 ? r->waves[i].wave.index == only : r->waves[i].wave.index <= r->current || i == 0)
            wave_text(out, p, r, &r->waves[i]);
    if (r->trial.state != TRIAL_OFF || r->trial.ended) {
        explain_promise(p, text, sizeof text);
        buf_printf(out, "\n%s\n", text);
        explain_not_covered(p, &r->trial, text, sizeof text);
        buf_printf(out, "%s\n", text);
    }
}

/* The fleet that has the rollout, its evidence as far as it came within the time; NULL with *e. */
static struct fleet_run *find(struct fleets *f, const char *id, int64_t timeout, struct err *e)
{
    struct fleet_run *found = NULL;
    bool silent = false;

    for (size_t i = 0; i < f->n; i++) {
        struct fleet_run *r = &f->v[i];

        if (r->snap && r->snap->rollouts_known && snapshot_rollout(r->snap, id)) {
            if (found) {
                err_set(e, ERR_SYNTAX, "Name the fleet with --fleet.", "rollout %.60s is in %s and in %s", id,
                        found->spec->name, r->spec->name);
                return NULL;
            }
            found = r;
        } else if (!r->snap || !r->snap->rollouts_known) {
            silent = true;
            fleet_error(r, e);
        }
    }
    if (!found && !silent)
        err_set(e, ERR_NOT_FOUND, "`andon get rollouts` lists them.", "there is no rollout %.60s", id);
    if (!found)
        return NULL;
    {
        struct focus focus = {.wave = -1};

        snprintf(focus.rollout, sizeof focus.rollout, "%s", id);
        engine_focus(found->en, &focus);
        if (!fleet_until(found, timeout, fleet_has_waves, focus.rollout)) {
            err_set(e, ERR_TIMEOUT, "`andon doctor` tests the connection.", "the waves of %.60s could not be read", id);
            return NULL;
        }
        fleet_until(found, timeout, explain_settled, focus.rollout);
    }
    if (!snapshot_rollout(found->snap, id)) {
        err_set(e, ERR_NOT_FOUND, "`andon get rollouts` lists them.", "rollout %.60s has gone meanwhile", id);
        return NULL;
    }
    return found;
}

static int answer(const struct args *a, const struct session *s, const struct fleet_run *run, const char *id,
                  int64_t only, struct err *e)
{
    const struct rollout_view *r = snapshot_rollout(run->snap, id);
    struct log_halt h;
    struct json_out o;
    struct buf out;

    if (only >= (int64_t)r->n_waves) {
        err_set(e, ERR_NOT_FOUND, "Waves are counted from 0.", "rollout %.60s has %zu waves", id, r->n_waves);
        print_err(a, e);
        return EXIT_FAILED;
    }
    if (a->json) {
        json_begin(&o);
        explain_json(&o.w, run->spec->name, run->snap, r, only);
        json_end(&o);
        return EXIT_OK;
    }
    buf_init(&out, (size_t)16 << 20);
    halts_of(s, run->spec->name, r, &h);
    rollout_text(&out, run->spec->name, run->snap, r, &h, only);
    print_out(&out);
    buf_release(&out);
    return EXIT_OK;
}

int cmd_explain(const struct args *a)
{
    struct session s;
    struct fleets f = {0};
    struct err e = {0};
    struct fleet_run *run;
    int64_t timeout, only;
    int rc;

    if (!args_int(a, OPT_WAVE, 0, WAVES_MAX - 1, -1, &only, &e) ||
        !args_dur(a, OPT_TIMEOUT, EXPLAIN_WAIT, &timeout, &e))
        return print_err(a, &e);
    rc = session_need(a, &s);
    if (rc != EXIT_OK)
        return rc;
    s.explain = true;
    if (!fleets_open(&s, a, false, true, &f, &e)) {
        session_close(&s);
        return print_err(a, &e);
    }
    fleets_wait(&f, timeout);
    run = find(&f, a->pos[1], timeout, &e);
    if (run)
        rc = answer(a, &s, run, a->pos[1], only, &e);
    else
        rc = e.code == ERR_NOT_FOUND ? (print_err(a, &e), EXIT_FAILED) : print_err(a, &e);
    fleets_close(&f);
    session_close(&s);
    return rc;
}
