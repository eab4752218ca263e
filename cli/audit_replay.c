#include "cli/audit_replay.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/detmath.h"
#include "core/explain.h"
#include "core/fmt.h"
#include "core/placebo.h"
#include "core/text.h"
#include "core/trial.h"

#define INPUTS_MAX ((size_t)64 << 20)

/* What can be said about a limit: from the figures that stand in the entry. */
struct limit_check {
    const char *metric, *basis; /* basis "" = not logged */
    double value, threshold, ratio;
    int64_t devices, since, for_us, decided_at;
    bool absolute, relative; /* over the limit as such a one */
};

/* A decision as it stands in the log, and what came out when it was recomputed. */
struct review {
    struct arena arena;
    struct stored entry;
    struct json_t *evidence; /* NULL = none */
    struct audit_report log;
    const char *where;
    const char *rule;
    enum { BY_TEST, BY_LIMIT, BY_LOSS, BY_PLACEBO } by;
    const char *digest; /* of the inputs, BY_TEST */
    size_t input_bytes;
    struct replay replay;
    struct placebo_replay placebo;
    struct limit_check limit;
    bool agrees;
    char why[400]; /* why not, or what could not be looked at */
};

static void disagree(struct review *r, const char *why)
{
    r->agrees = false;
    if (!*r->why)
        snprintf(r->why, sizeof r->why, "%s", why);
}

/* ---- reading ---- */

static bool read_seq(const char *text, int64_t *seq, struct err *e)
{
    char *end, safe[60];
    errno = 0;
    *seq = strtoll(text, &end, 10);
    if (!errno && *text && !*end && *seq > 0)
        return true;
    safe_text_into(safe, sizeof safe, text, strlen(text));
    return err_set(e, ERR_SYNTAX, "`andon audit show --kind halt` lists them.", "\"%s\" is no number of an entry",
                   safe);
}

static bool from_export(const struct args *a, const char *dir, int64_t seq, struct review *r, struct buf *inputs,
                        struct err *e)
{
    r->where = dir;
    if (!audit_verify_export(dir, a->val[OPT_VKEY], NULL, 0, NULL, &r->log, e))
        return false;
    if (!r->log.ok)
        return true;
    if (!audit_export_entry(dir, seq, &r->arena, &r->entry, e))
        return false;
    r->digest = stored_field(&r->entry, "inputs.blob");
    return !*r->digest || audit_export_blob(dir, r->digest, inputs, e);
}

static bool from_log(const struct args *a, const struct session *s, int64_t seq, struct review *r, struct buf *inputs,
                     struct err *e)
{
    struct audit_spec spec = s->audit;
    struct audit_query q = {.from_seq = seq, .to_seq = seq};
    struct stored *v = NULL;
    size_t n = 0;

    spec.read_only = true;
    r->where = s->db;
    if (!audit_verify(&spec, a->val[OPT_VKEY], &r->log, e))
        return false;
    if (!r->log.ok)
        return true;
    struct audit_log *l = audit_open(&spec, e);
    if (!l)
        return false;
    bool ok = audit_query(l, &q, &r->arena, &v, &n, e);
    if (ok && n == 0)
        ok = err_set(e, ERR_NOT_FOUND, "", "the log has no entry %lld", (long long)seq);
    if (ok) {
        r->entry = v[0];
        r->digest = stored_field(&r->entry, "inputs.blob");
        ok = !*r->digest || audit_get_blob(l, r->digest, inputs, e);
    }
    audit_close(l);
    return ok;
}

static double number(const struct json_t *o, const char *key)
{
    const char *s = o ? json_str(o, key, NULL) : NULL;
    char *end;
    double v = s ? strtod(s, &end) : NAN; /* "nan", "inf" and hexadecimal: as fmt_hexfloat writes them */
    return s && *s && !*end ? v : NAN;
}

static int64_t integer(const struct json_t *o, const char *key, int64_t dflt)
{
    int64_t v;
    return o && json_int(o, key, &v) ? v : dflt;
}

/* ---- recomputing ---- */

/* Is a figure of the entry, where it has it, the one that came out? */
static bool same_figure(const struct json_t *ev, const char *key, double want)
{
    double have = number(ev, key);
    return !ev || !json_get(ev, key) || det_same(have, want);
}

static bool same_count(const struct json_t *ev, const char *key, int64_t want)
{
    return !ev || !json_get(ev, key) || integer(ev, key, -1) == want;
}

static void check_test(struct review *r, const struct buf *inputs)
{
    struct err e = {0};
    const struct json_t *ev = r->evidence;
    double times = number(ev, "level.times");
    const struct replay *p = &r->replay;

    r->by = BY_TEST;
    r->input_bytes = inputs->len;
    if (!trial_replay(inputs->data, inputs->len, &r->replay, &e)) {
        char why[sizeof e.what + 40];
        snprintf(why, sizeof why, "the inputs cannot be recomputed: %s", e.what);
        disagree(r, why);
        return;
    }
    if (!p->same)
        disagree(r, "the evidence that comes out is not the evidence that was logged");
    if (strcmp(p->test, r->rule) != 0)
        disagree(r, "the inputs are those of another test than the entry's rule");
    if (!same_count(ev, "stage", p->stage))
        disagree(r, "the inputs are those of another wave");
    if (!same_figure(ev, "log_e", p->log_e) || !same_figure(ev, "log_pause", p->log_pause) ||
        !same_figure(ev, "log_rollback", p->log_rollback) || !same_count(ev, "devices", p->devices) ||
        !same_count(ev, "min_devices", p->min_devices))
        disagree(r, "the entry's own figures are others");
    bool enough = !isnan(times)                            ? p->log_e >= p->log_pause + det_log(times)
                  : strcmp(r->entry.verb, "rollback") == 0 ? p->rolls_back
                                                           : p->pauses;
    if (!enough)
        disagree(r, "the evidence is less than was needed for what was done");
}

static void check_placebo(struct review *r, const struct buf *inputs)
{
    struct err e = {0};
    struct placebo_replay *p = &r->placebo;
    double entry = strtod(stored_field(&r->entry, "log_p"), NULL);

    r->by = BY_PLACEBO;
    r->input_bytes = inputs->len;
    if (!placebo_replay(inputs->data, inputs->len, p, NULL, &e)) {
        char why[sizeof e.what + 40];
        snprintf(why, sizeof why, "the inputs cannot be recomputed: %s", e.what);
        disagree(r, why);
        return;
    }
    if (!p->same || !det_same(entry, p->now.log_p))
        disagree(r, "the p-value that comes out is not the one that was logged");
    if (strcmp(stored_field(&r->entry, "placebo"), placebo_word(p->now.word)) != 0)
        disagree(r, "what was said of the canaries does not follow from it");
}

static void check_limit(struct review *r)
{
    const struct json_t *ev = r->evidence;
    const char *metric = json_str(ev, "limit.metric", NULL), *basis = json_str(ev, "limit.basis", NULL);
    struct limit_check *l = &r->limit;

    r->by = BY_LIMIT;
    *l = (struct limit_check){.metric = safe_text(&r->arena, metric, metric ? strlen(metric) : 0, 40),
                              .basis = safe_text(&r->arena, basis, basis ? strlen(basis) : 0, 20),
                              .value = number(ev, "limit.value"),
                              .threshold = number(ev, "limit.threshold"),
                              .ratio = number(ev, "limit.ratio"),
                              .devices = integer(ev, "limit.devices", -1),
                              .since = integer(ev, "limit.since", 0),
                              .for_us = integer(ev, "limit.for_us", 0),
                              .decided_at = (int64_t)strtoll(stored_field(&r->entry, "decided_at"), NULL, 10)};
    l->absolute = l->value > l->threshold && strcmp(l->basis, "relative") != 0;
    l->relative = l->ratio > l->threshold && strcmp(l->basis, "absolute") != 0;
    if (!l->absolute && !l->relative)
        disagree(r, "the logged figures are not over the logged limit");
}

static bool review(struct review *r, const struct buf *inputs, struct err *e)
{
    const struct stored *s = &r->entry;
    const char *text = stored_field(s, "evidence");

    r->agrees = true;
    r->rule = stored_field(s, "rule");
    if (*text)
        r->evidence = json_parse(text, strlen(text), ENTRY_MAX, "evidence of the entry", NULL);
    if (*r->digest && placebo_is(inputs->data, inputs->len)) {
        check_placebo(r, inputs);
    } else if (*r->digest) {
        check_test(r, inputs);
    } else if (r->evidence && json_get(r->evidence, "limit.threshold")) {
        check_limit(r);
    } else if (*r->rule && r->evidence && integer(r->evidence, "unknown_since", 0) > 0) {
        r->by = BY_LOSS;
    } else {
        return err_set(e, ERR_NOT_FOUND, "`andon audit show --kind halt` lists the halts.",
                       "entry %lld (%s by %.60s) holds no decision that could be recomputed", (long long)s->seq,
                       s->kind, *s->actor ? s->actor : "andon");
    }
    return true;
}

/* ---- saying it ---- */

static const char *result_word(const struct review *r)
{
    if (!r->agrees)
        return "DOES NOT AGREE";
    return r->by == BY_TEST || r->by == BY_PLACEBO ? "AGREES"
           : r->by == BY_LIMIT                     ? "AGREES as far as the entry tells"
                                                   : "NOT RECOMPUTED";
}

static void say_test(const struct review *r, struct buf *out)
{
    const struct replay *p = &r->replay;
    char n[FMT_MAX], m[FMT_MAX], h[FMT_MAX], c[FMT_MAX];

    buf_printf(out, "inputs     blob %s, %s bytes, its digest matches\n", r->digest,
               fmt_count(c, (int64_t)r->input_bytes));
    if (!*p->test)
        return;
    buf_printf(out, "test       %s, wave W%d, %zu records\n", p->test, p->stage, p->peeks);
    buf_printf(out, "evidence   recomputed %s (ln %s)\n", explain_evidence(n, p->log_e, p->log_pause),
               fmt_hexfloat(h, p->log_e));
    buf_printf(out, "           logged     %s (ln %s): %s\n", explain_evidence(m, p->logged_log_e, p->log_pause),
               fmt_hexfloat(h, p->logged_log_e), p->same ? "the same to the last bit" : "NOT the same");
    buf_printf(out, "needed     %s to pause", explain_need(n, p->log_pause));
    if (p->log_rollback > 0)
        buf_printf(out, ", %s by a policy that rolls back", explain_need(m, p->log_rollback));
    buf_printf(out, "\ndevices    %d carry it, %d needed\n", p->devices, p->min_devices);
}

static void say_placebo(const struct review *r, struct buf *out)
{
    const struct placebo_replay *p = &r->placebo;
    char n[FMT_MAX], m[FMT_MAX], h[FMT_MAX];

    buf_printf(out, "inputs     blob %s, %s bytes, its digest matches\n", r->digest,
               fmt_count(n, (int64_t)r->input_bytes));
    buf_printf(out, "test       placebo, wave W%d, %zu counts, %d metrics\n", p->wave, p->cells, p->now.compared);
    buf_printf(out, "result     recomputed %s, p=%.2g (ln %s): %s\n", placebo_word(p->now.word), det_exp(p->now.log_p),
               fmt_hexfloat(h, p->now.log_p), p->same ? "the same to the last bit" : "NOT the same");
    if (p->now.word == PLACEBO_UNLIKE)
        buf_printf(out, "           canaries had %s of metric %s\n", p->now.more ? "more" : "less", p->metric);
    buf_printf(out, "devices    %s canaries, %s others; level %g, which is no part of alpha\n",
               fmt_count(n, p->now.canary), fmt_count(m, p->now.control), PLACEBO_LEVEL);
}

static void say_limit(const struct review *r, struct buf *out)
{
    const struct limit_check *l = &r->limit;
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX];

    buf_printf(out, "limit      %s: %s %s, limit %s, against control %s\n", r->rule, l->metric, fmt_num(a, l->value),
               fmt_num(b, l->threshold), fmt_ratio(c, l->ratio));
    buf_printf(out, "over it    %s%s%s\n", l->absolute ? "as an absolute limit (value over limit)" : "",
               l->absolute && l->relative ? ", and " : "",
               l->relative   ? "as a relative limit (ratio over limit)"
               : l->absolute ? ""
                             : "NO");
    if (l->since > 0 && l->decided_at >= l->since)
        buf_printf(out, "held for   %s when it was decided; the policy asks for %s\n",
                   fmt_dur(a, l->decided_at - l->since), fmt_dur(b, l->for_us));
    if (l->devices >= 0)
        buf_printf(out, "devices    %lld carry it\n", (long long)l->devices);
    buf_adds(out, "note       a limit is recomputed from the logged figures (value, limit, ratio); what they were "
                  "measured\n           from is not in the log, and no share of alpha covers a limit\n");
}

static void say_text(const struct review *r)
{
    const struct stored *s = &r->entry;
    char t[FMT_MAX], d[FMT_MAX];
    struct buf out;

    buf_init(&out, 1 << 20);
    buf_printf(&out, "entry      %lld  %s  %s", (long long)s->seq, fmt_iso(t, s->t), s->kind);
    buf_printf(&out, " of %s by %s%s, fleet %s\n", *s->rollout ? s->rollout : "the fleet",
               strcmp(s->actor_kind, "rule") == 0 ? "rule " : "", *s->actor ? s->actor : "andon", s->fleet);
    buf_printf(&out, "leaf       %s\n", s->leaf_hash);
    buf_printf(&out, "log        %s: %s\n", r->where, r->log.text);
    buf_printf(&out, "reason     %s\n", s->reason);
    if (*stored_field(s, "policy"))
        buf_printf(&out, "policy     sha256 %s\n", stored_field(s, "policy"));
    if (r->by == BY_TEST)
        say_test(r, &out);
    else if (r->by == BY_PLACEBO)
        say_placebo(r, &out);
    else if (r->by == BY_LIMIT)
        say_limit(r, &out);
    else
        buf_printf(&out,
                   "lost       telemetry had been missing for %s: a rule about data that is not there has no figures\n",
                   fmt_dur(d, (int64_t)strtoll(stored_field(s, "decided_at"), NULL, 10) -
                                  integer(r->evidence, "unknown_since", 0)));
    buf_printf(&out, "%s", result_word(r));
    if (*r->why)
        buf_printf(&out, ": %s", r->why);
    buf_addc(&out, '\n');
    print_out(&out);
    buf_release(&out);
}

static void hex(struct json_w *w, const char *key, double v)
{
    char t[FMT_MAX];
    json_w_kstr(w, key, fmt_hexfloat(t, v));
}

static void say_json(const struct review *r)
{
    static const char *const by[] = {"test", "limit", "lost-telemetry", "placebo"};
    const struct replay *p = &r->replay;
    const struct limit_check *l = &r->limit;
    struct json_out o;

    json_begin(&o);
    json_w_kbool(&o.w, "agrees", r->agrees);
    json_w_kstr(&o.w, "why", r->why);
    json_w_kstr(&o.w, "by", by[r->by]);
    json_w_kint(&o.w, "seq", r->entry.seq);
    json_w_ktime(&o.w, "time", r->entry.t);
    json_w_kstr(&o.w, "rule", r->rule);
    json_w_kstr(&o.w, "rollout", r->entry.rollout);
    json_w_kstr(&o.w, "leaf", r->entry.leaf_hash);
    json_w_kstr(&o.w, "log", r->where);
    json_w_kbool(&o.w, "verified", r->log.ok);
    if (r->by == BY_TEST) {
        json_w_kstr(&o.w, "inputs", r->digest);
        json_w_kstr(&o.w, "test", p->test);
        json_w_kint(&o.w, "wave", p->stage);
        json_w_kbool(&o.w, "same", p->same);
        hex(&o.w, "log_e", p->log_e);
        hex(&o.w, "logged_log_e", p->logged_log_e);
        hex(&o.w, "log_pause", p->log_pause);
        hex(&o.w, "log_rollback", p->log_rollback);
        json_w_kint(&o.w, "devices", p->devices);
        json_w_kint(&o.w, "min_devices", p->min_devices);
        json_w_kbool(&o.w, "pauses", p->pauses);
        json_w_kbool(&o.w, "rolls_back", p->rolls_back);
        json_w_kint(&o.w, "records", (int64_t)p->peeks);
        json_w_kstr(&o.w, "text", p->text);
    } else if (r->by == BY_PLACEBO) {
        json_w_kstr(&o.w, "inputs", r->digest);
        json_w_kint(&o.w, "wave", r->placebo.wave);
        json_w_kbool(&o.w, "same", r->placebo.same);
        json_w_kstr(&o.w, "word", placebo_word(r->placebo.now.word));
        hex(&o.w, "log_p", r->placebo.now.log_p);
        hex(&o.w, "logged_log_p", r->placebo.logged);
        json_w_kstr(&o.w, "metric", r->placebo.metric);
    } else if (r->by == BY_LIMIT) {
        json_w_kstr(&o.w, "metric", l->metric);
        hex(&o.w, "value", l->value);
        hex(&o.w, "threshold", l->threshold);
        hex(&o.w, "ratio", l->ratio);
        json_w_kbool(&o.w, "over_absolute", l->absolute);
        json_w_kbool(&o.w, "over_relative", l->relative);
    }
    json_end(&o);
}

int audit_replay(const struct args *a, const struct session *s, const char *seq_text)
{
    struct review r = {.digest = ""};
    struct err e = {0};
    struct buf inputs;
    int64_t seq;
    int rc;

    if (!read_seq(seq_text, &seq, &e)) {
        print_err(a, &e);
        return audit_exit(&e);
    }
    arena_init(&r.arena);
    buf_init(&inputs, INPUTS_MAX);
    bool ok = a->val[OPT_EXPORT] ? from_export(a, a->val[OPT_EXPORT], seq, &r, &inputs, &e)
                                 : from_log(a, s, seq, &r, &inputs, &e);
    if (ok && !r.log.ok)
        ok = err_set(&e, r.log.unsure ? ERR_UNSUPPORTED : ERR_TAMPERED, "`andon audit verify` says more.",
                     "%.200s does not verify: nothing in it can be relied on", r.where);
    if (ok && review(&r, &inputs, &e)) {
        if (a->json)
            say_json(&r);
        else
            say_text(&r);
        rc = r.agrees ? EXIT_OK : EXIT_FAILED;
    } else {
        print_err(a, &e);
        rc = audit_exit(&e);
    }
    json_free(r.evidence);
    buf_release(&inputs);
    arena_release(&r.arena);
    return rc;
}
