/* How a drill went, for a person and for a script. */
#include "cli/drill_report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "core/clock.h"
#include "core/explain.h"
#include "core/fmt.h"

#define LN_10 2.302585092994046

static void ktime(struct json_w *w, const char *key, int64_t us)
{
    json_w_key(w, key);
    if (us < 0 || us == TIME_NEVER)
        json_w_null(w);
    else
        json_w_num(w, (double)us / (double)US_PER_S);
}

static void knum_or_null(struct json_w *w, const char *key, double v)
{
    json_w_key(w, key);
    if (isfinite(v))
        json_w_num(w, v);
    else
        json_w_null(w);
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
    json_w_obj(w);
    json_w_kstr(w, "test", e->test);
    json_w_kint(w, "wave", d->wave);
    knum_or_null(w, "log10_evidence", e->log_e / LN_10);
    knum_or_null(w, "log10_needed", e->log_pause / LN_10);
    json_w_kint(w, "devices", e->devices);
    json_w_kint(w, "canary", e->canary);
    json_w_kint(w, "canary_of", e->canary_of);
    json_w_kint(w, "control", e->control);
    json_w_kint(w, "control_of", e->control_of);
    knum_or_null(w, "ratio", e->ratio);
    knum_or_null(w, "ratio_low", e->ratio_low);
    knum_or_null(w, "ratio_high", e->ratio_high);
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
    evidence_json(&o.w, d->evidence);
    shares_json(&o.w, d);
    json_w_key(&o.w, "devices");
    json_w_obj(&o.w);
    json_w_kint(&o.w, "total", d->devices_total);
    json_w_kint(&o.w, "new_at_halt", d->devices_bad_at_halt);
    json_w_kint(&o.w, "broken_at_halt", d->devices_broken_at_halt);
    json_w_kint(&o.w, "on_old", d->devices_on_old);
    json_w_kint(&o.w, "on_new", d->devices_on_new);
    json_w_kint(&o.w, "broken", d->devices_broken);
    json_w_obj_end(&o.w);
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
        printf("  shared       %s %s: %s of %s bad devices, ", s->key, s->value, fmt_count(a, s->bad),
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
        snprintf(more, sizeof more, "%s after the injection; %s devices had the new firmware, %s misbehaved",
                 fmt_dur(c, d->halted_at - (d->injected_at > 0 ? d->injected_at : 0)),
                 fmt_count(a, d->devices_bad_at_halt), fmt_count(b, d->devices_broken_at_halt));
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
