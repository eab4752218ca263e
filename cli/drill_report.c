/* How a drill went, for a person and for a script. */
#include "cli/drill_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "core/clock.h"
#include "core/explain.h"
#include "core/fmt.h"
#include "core/harm.h"

#define LN_10 2.302585092994046

/* Which entries have to do with halts: they come in the order of the log. */
static bool halts_of_log(struct audit_log *l, struct arena *a, const char *kind, struct stored **out, size_t *n,
                         struct err *e)
{
    struct audit_query q = {.kind = kind};

    return audit_query(l, &q, a, out, n, e);
}

bool drill_report_halts(struct drill *d, const struct audit_spec *log, struct err *e)
{
    struct audit_spec spec = *log;
    struct stored *halt, *ack, *outcome;
    size_t n = 0, n_acks = 0, n_outcomes = 0;
    struct audit_log *l;
    struct drill_halt *v;
    struct arena a;
    bool ok;

    spec.read_only = true;
    l = audit_open(&spec, e);
    if (!l)
        return false;
    arena_init(&a);
    ok = halts_of_log(l, &a, "halt", &halt, &n, e) && halts_of_log(l, &a, "ack", &ack, &n_acks, e) &&
         halts_of_log(l, &a, "outcome", &outcome, &n_outcomes, e);
    v = ARENA_ARRAY(&a, struct drill_halt, n + 1);
    for (size_t i = 0; ok && i < n; i++) {
        v[i] = (struct drill_halt){.rollout = halt[i].rollout,
                                   .by = halt[i].actor,
                                   .rule = strcmp(halt[i].actor_kind, "rule") == 0,
                                   .t = halt[i].t};
        for (size_t k = 0; k < n_outcomes && v[i].shown_at == 0; k++)
            if (outcome[k].corr == halt[i].corr && strcmp(outcome[k].result, "ok") == 0)
                v[i].shown_at = outcome[k].t;
        for (size_t k = 0; k < n_acks && v[i].lifted_at == 0; k++)
            if (ack[k].seq > halt[i].seq && stored_ack_lifts(&ack[k], &halt[i]))
                v[i].lifted_at = ack[k].t;
    }
    if (ok)
        drill_halts(d, v, n);
    arena_release(&a);
    audit_close(l);
    return ok;
}

static void ktime(struct json_w *w, const char *key, int64_t us)
{
    json_w_key(w, key);
    if (us < 0 || us == TIME_NEVER)
        json_w_null(w);
    else
        json_w_num(w, (double)us / (double)US_PER_S);
}

/* The test's standing at the halt; logarithms to base ten, as evidence may be larger than any number. */
static void evidence_json(struct json_w *w, const struct drill_evidence *d)
{
    const struct evidence *e;

    json_w_key(w, "evidence");
    if (!d) {
        json_w_null(w);
        return;
    }
    e = &d->e;
    struct harm harm = harm_of_evidence(e);

    json_w_obj(w);
    json_w_kstr(w, "test", e->test);
    json_w_kint(w, "wave", d->wave);
    json_w_knum(w, "log10_evidence", e->log_e / LN_10);
    json_w_knum(w, "log10_needed", e->log_pause / LN_10);
    json_w_kint(w, "devices", e->devices);
    json_w_kint(w, "canary", e->canary);
    json_w_kint(w, "canary_of", e->canary_of);
    json_w_kint(w, "control", e->control);
    json_w_kint(w, "control_of", e->control_of);
    json_w_knum(w, "ratio", harm.ratio);
    json_w_knum(w, "ratio_low", harm.low);
    json_w_knum(w, "ratio_high", harm.high);
    json_w_kbool(w, "unbounded", harm.unbounded);
    json_w_obj_end(w);
}

static void shares_json(struct json_w *w, const struct drill_result *d)
{
    json_w_key(w, "shares");
    json_w_arr(w);
    for (size_t i = 0; i < d->n_shares; i++) {
        const struct share *s = &d->shares[i].share;
        json_w_obj(w);
        json_w_kstr(w, "key", s->key);
        json_w_kstr(w, "value", s->value);
        json_w_kint(w, "bad", s->bad);
        json_w_kint(w, "of_bad", s->of_bad);
        json_w_kint(w, "all", s->all);
        json_w_kint(w, "of_all", s->of_all);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}

void drill_report_json(const struct drill_report *r)
{
    const struct drill_result *d = r->result;
    const struct audit_report *log = r->log;
    struct json_out o;

    json_begin(&o);
    json_w_kstr(&o.w, "scenario", r->scenario);
    json_w_kint(&o.w, "seed", (int64_t)r->seed);
    json_w_kbool(&o.w, "passed", d->passed && log->ok);
    json_w_kstr(&o.w, "why", d->why);
    ktime(&o.w, "injected_s", d->injected_at);
    ktime(&o.w, "detected_s", d->detected_at);
    ktime(&o.w, "halted_s", d->halted_at);
    ktime(&o.w, "rolled_back_s", d->rolled_back_at);
    ktime(&o.w, "ended_s", d->ended_at);
    json_w_kstr(&o.w, "halted_by", d->halted_at >= 0 && d->detected_by && *d->detected_by ? d->detected_by : NULL);
    ktime(&o.w, "delay_s", d->halted_at < 0 ? -1 : d->halted_at - (d->injected_at > 0 ? d->injected_at : 0));
    json_w_kint(&o.w, "halts", d->halts);
    json_w_kint(&o.w, "wrong_halts", d->wrong_halts);
    json_w_kint(&o.w, "lifted", d->lifted);
    evidence_json(&o.w, d->evidence);
    shares_json(&o.w, d);
    json_w_key(&o.w, "devices");
    json_w_obj(&o.w);
    json_w_kint(&o.w, "total", d->devices_total);
    json_w_kint(&o.w, "new_at_halt", d->devices_bad_at_halt);
    json_w_knum(&o.w, "broken_at_halt", d->devices_broken_at_halt < 0 ? NAN : (double)d->devices_broken_at_halt);
    json_w_kint(&o.w, "told_after_halt", d->told_after);
    json_w_kint(&o.w, "on_old", d->devices_on_old);
    json_w_kint(&o.w, "on_new", d->devices_on_new);
    json_w_kint(&o.w, "broken", d->devices_broken);
    json_w_obj_end(&o.w);
    ktime(&o.w, "queued_after_s", d->queued_after);
    ktime(&o.w, "patch_mean_s", d->patch_mean);
    json_w_knum(&o.w, "patched", d->patched < 0 ? NAN : d->patched);
    json_w_key(&o.w, "audit");
    json_w_obj(&o.w);
    json_w_kint(&o.w, "entries", log->entries);
    json_w_kbool(&o.w, "verified", log->ok);
    /* The text names the key, which is made for this drill: without it two runs of a seed print the same. */
    json_w_kstr(&o.w, "text", r->log_error ? r->log_error : log->ok && !r->kept_db ? "verified" : log->text);
    json_w_kstr(&o.w, "db", r->kept_db);
    json_w_obj_end(&o.w);
    json_w_kint(&o.w, "requests", d->requests);
    json_w_knum(&o.w, "wall_s", r->wall);
    json_end(&o);
}

static void event(const char *what, int64_t us, const char *more)
{
    char b[FMT_MAX];

    if (us >= 0 && us != TIME_NEVER)
        printf("  %-12s %8s%s%s\n", what, fmt_dur(b, us), *more ? "  " : "", more);
}

/* The test's standing at the halt, and what the bad devices share. */
static void evidence_text(const struct drill_result *d)
{
    char a[FMT_MAX], b[FMT_MAX], words[EXPLAIN_TEXT];

    if (d->evidence) {
        enum trial_test t = TEST_COUNT;
        trial_test_find(d->evidence->test, &t);
        explain_sentence(&d->evidence->e, t, words, sizeof words);
        printf("  evidence     %s, wave %d: %s\n", d->evidence->test, d->evidence->wave, words);
    }
    for (size_t i = 0; i < d->n_shares; i++) {
        const struct share *s = &d->shares[i].share;
        printf("  shared       at the end: %s %s: %s of %s bad devices, ", s->key, s->value, fmt_count(a, s->bad),
               fmt_count(b, s->of_bad));
        printf("%s of %s in all\n", fmt_count(a, s->all), fmt_count(b, s->of_all));
    }
}

void drill_report_text(const struct drill_report *r)
{
    const struct drill_result *d = r->result;
    const struct audit_report *log = r->log;
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX], more[160] = "";

    printf("%s, seed %llu\n", r->scenario, (unsigned long long)r->seed);
    event("injected", d->injected_at, "");
    event("detected", d->detected_at, d->detected_by ? d->detected_by : "");
    if (d->halted_at >= 0)
        snprintf(more, sizeof more, "%s after the injection; %s devices had the new firmware, %s misbehaved%s",
                 fmt_dur(c, d->halted_at - (d->injected_at > 0 ? d->injected_at : 0)),
                 fmt_count(a, d->devices_bad_at_halt),
                 d->devices_broken_at_halt < 0 ? "an unknown number" : fmt_count(b, d->devices_broken_at_halt),
                 d->lifted > 0 && d->lifted == d->halts ? "; acknowledged" : "");
    event("halted", d->halted_at, more);
    evidence_text(d);
    event("rolled back", d->rolled_back_at, "");
    event("ended", d->ended_at, "");
    printf("  devices      %s: %s on the old firmware, ", fmt_count(a, d->devices_total),
           fmt_count(b, d->devices_on_old));
    printf("%s on the new, ", fmt_count(a, d->devices_on_new));
    printf("%s broken\n", fmt_count(a, d->devices_broken));
    printf("  audit log    %s entries, %s\n", fmt_count(a, log->entries),
           r->log_error ? r->log_error
           : log->ok    ? "verified"
                        : log->text);
    if (r->kept_dir)
        printf("  kept in      %s\n", r->kept_dir);
    printf("%s: %s (%.1f s)\n", d->passed && log->ok ? "PASSED" : "FAILED", d->why, r->wall);
}
