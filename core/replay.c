/* Recomputes a decision from its logged inputs, with the functions that made it. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/detmath.h"
#include "core/explain.h"
#include "core/fmt.h"
#include "core/text.h"
#include "core/trial_state.h"

#define INPUTS_MAX (64U << 20)

static bool bad(struct err *e, const char *what)
{
    return err_set(e, ERR_SYNTAX, "", "inputs of a decision: %s", what);
}

/* Only what fmt_hexfloat writes: hexadecimal, or one of its words. */
bool trial_hex(const struct json_t *v, double *out)
{
    size_t n;
    const char *s = v ? json_str_value(v, &n) : NULL;
    char *end;
    if (!s || n == 0 || n >= FMT_MAX || strlen(s) != n)
        return false;
    if (!strcmp(s, "nan") || !strcmp(s, "inf") || !strcmp(s, "-inf")) {
        *out = s[0] == 'n' ? NAN : s[0] == 'i' ? INFINITY : -INFINITY;
        return true;
    }
    if (strncmp(s + (s[0] == '-'), "0x", 2) != 0)
        return false;
    *out = strtod(s, &end);
    return *end == '\0' && isfinite(*out);
}

static bool get_hex(const struct json_t *o, const char *key, double *out)
{
    return trial_hex(json_get(o, key), out);
}

struct work {
    const struct json_t *doc;
    struct trial_spec spec;
    struct arena arena; /* the rows of its metrics */
    int test;
    struct replay *out;
};

bool trial_read_added(const struct json_t *o, struct ledger *l)
{
    const struct json_t *a = json_get(o, "added");
    double added[LEDGER_METRICS];
    int64_t from;
    if (!a)
        return true;
    if (!json_is_arr(a) || json_len(a) != LEDGER_METRICS || !json_int(o, "added_from", &from) || from < 0 ||
        from >= l->waves)
        return false;
    for (int m = 0; m < LEDGER_METRICS; m++)
        if (!trial_hex(json_at(a, (size_t)m), &added[m]))
            return false;
    return ledger_add(l, added, (int)from);
}

static int word_of(const char *s, const char *(*word)(int), int n)
{
    for (int i = 0; s && i < n; i++)
        if (strcmp(s, word(i)) == 0)
            return i;
    return -1;
}

static const char *kind_word(int i)
{
    return metric_kind_word((enum metric_kind)i);
}

static const char *worse_word(int i)
{
    return metric_worse_word((enum metric_worse)i);
}

static bool read_row(const struct json_t *o, struct arena *a, struct metric_def *d)
{
    const char *id = json_str(o, "id", NULL), *title = json_str(o, "title", NULL), *unit = json_str(o, "unit", NULL);
    char safe[METRIC_TITLE_MAX + 1];
    const struct json_t *levels = json_get(o, "levels");
    int kind = word_of(json_str(o, "kind", NULL), kind_word, KIND_PRESENCE),
        worse = word_of(json_str(o, "worse", NULL), worse_word, WORSE_BOTH + 1);
    if (!id || !title || !unit || !metric_id_ok(id) || kind < 0 || worse < 0 || !json_is_arr(levels) ||
        json_len(levels) > METRIC_LEVELS || !json_bool(o, "own", &d->own) || !get_hex(o, "share", &d->share) ||
        !get_hex(o, "tolerance", &d->tolerance) || !json_int(o, "window_us", &d->window_us))
        return false;
    d->id = arena_strdup(a, id);
    safe_text_into(safe, sizeof safe, title, strlen(title));
    d->title = arena_strdup(a, safe);
    safe_text_into(safe, sizeof safe, unit, strlen(unit));
    d->unit = arena_strdup(a, safe);
    if (json_get(o, "grace_us") &&
        !(json_int(o, "grace_us", &d->grace_us) && d->grace_us >= 0 && d->grace_us <= METRIC_GRACE_MAX))
        return false;
    d->kind = (enum metric_kind)kind;
    d->worse = (enum metric_worse)worse;
    d->n_levels = json_len(levels);
    for (size_t i = 0; i < d->n_levels; i++)
        if (!trial_hex(json_at(levels, i), &d->level[i]) || !(d->level[i] >= 1 && d->level[i] <= 1e6))
            return false;
    return true;
}

static bool read_graces(const struct json_t *a, struct evidence_policy *p)
{
    double v;
    if (a && (!json_is_arr(a) || json_len(a) != METRICS_BUILTIN))
        return false;
    for (size_t i = 0; i < METRICS_BUILTIN && a; i++) {
        if (!json_num_value(json_at(a, i), &v) || !(v >= 0 && v <= METRIC_GRACE_MAX))
            return false;
        p->grace_us[i] = (int64_t)v;
    }
    return true;
}

/* Entries of before a metric was data know the five only. */
static bool read_metrics(const struct json_t *o, struct evidence_policy *p, struct arena *a, struct err *e)
{
    const struct json_t *own = json_get(o, "own");
    char digest[SHA256_HEX];
    if (!o)
        return true;
    const char *said = json_str(o, "digest", NULL);
    size_t n = json_is_arr(own) ? json_len(own) : METRICS_OWN + 1;
    bool whole = said && n <= METRICS_OWN;
    for (size_t i = 0; i < METRICS_BUILTIN && whole; i++) {
        const char *key = metric_key(i, FIELD_WORSE);
        int worse = key ? word_of(json_str(o, key, NULL), worse_word, WORSE_BOTH + 1) : WORSE_UP;
        whole = worse >= 0 && worse != WORSE_DOWN;
        p->worse[i] = whole ? (enum metric_worse)worse : WORSE_UP;
    }
    if (!whole || !read_graces(json_get(o, "grace_us"), p))
        return bad(e, "the metrics are not whole");
    struct metric_def *row = ARENA_ARRAY(a, struct metric_def, n + 1);
    for (size_t i = 0; i < n; i++)
        if (!read_row(json_at(own, i), a, &row[i]))
            return bad(e, "a metric is not whole");
    p->own = row;
    p->n_own = n;
    metric_digest(p, digest);
    if (!metric_make_tests(p, a) || strcmp(digest, said) != 0)
        return bad(e, "the metrics are others than their digest says");
    return true;
}

bool trial_read_spec(const struct json_t *o, struct trial_spec *s, struct arena *a, struct err *e)
{
    struct evidence_policy *p = &s->policy;
    int64_t min, waves;
    memset(s, 0, sizeof *s);
    bool whole = json_is_obj(o) && get_hex(o, "alpha", &p->alpha) && get_hex(o, "reserve", &p->reserve);
    for (size_t i = 0; i < METRICS_BUILTIN && whole; i++) {
        const char *key = metric_key(i, FIELD_TOLERANCE);
        whole = (!key || get_hex(o, key, &p->tolerance[i])) && get_hex(o, metric_key(i, FIELD_SHARE), &p->share[i]);
    }
    if (!whole || !json_int(o, "grace_us", &s->grace_us) || !json_int(o, "silence_us", &s->silence_us) ||
        !json_int(o, "start", &s->start) || !json_int(o, "step_us", &s->step_us) || !json_int(o, "min_devices", &min) ||
        !json_int(o, "waves", &waves) || !json_bool(o, "boot_time", &s->boot_time) || min < 1 || min > INT32_MAX ||
        waves < 1 || waves > TRIAL_WAVES)
        return bad(e, "the spec is not whole");
    p->min_devices = (int)min;
    s->waves = (int)waves;
    return read_metrics(json_get(o, "metrics"), p, a, e) && trial_spec_ok(s, e);
}

/* Integers of an array of `n` within 0..INT32_MAX. */
static bool whole_numbers(const struct json_t *a, size_t n, int32_t *out)
{
    if (!json_is_arr(a) || json_len(a) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        double v;
        if (!json_num_value(json_at(a, i), &v) || !(v >= 0 && v <= INT32_MAX) || floor(v) != v)
            return false;
        out[i] = (int32_t)v;
    }
    return true;
}

/* Peek by peek; the running maximum is taken at the end of each tick, as in risk_close(). */
static bool replay_journal(struct work *w, struct err *e)
{
    const struct json_t *j = json_get(w->doc, "journal");
    struct eprocess p;
    int64_t devices = 0;
    size_t n = json_is_arr(j) ? json_len(j) : 0;
    if (!json_is_arr(j))
        return bad(e, "there is no journal");
    eprocess_init(&p, passage_ratio(metric_test(&w->spec.policy, w->test), w->spec.policy.tolerance[ROW_REBOOTS]));
    for (size_t i = 0; i < n; i++) {
        int32_t v[6], next[6];
        if (!whole_numbers(json_at(j, i), 6, v) || !eprocess_logrank(&p, v[2], v[3], v[4], v[5]))
            return bad(e, "a peek of the journal is not possible");
        devices += v[4];
        bool more = i + 1 < n && whole_numbers(json_at(j, i + 1), 6, next);
        if (more && next[0] < v[0])
            return bad(e, "the journal's peeks are not in order");
        if (more && next[0] == v[0])
            continue;
        double now = eprocess_log(&p);
        if (now > w->out->log_e)
            w->out->log_e = now;
    }
    w->out->devices = devices > INT32_MAX ? INT32_MAX : (int)devices;
    w->out->peeks = n;
    return true;
}

static struct change *read_changes(const struct json_t *a, size_t *n)
{
    *n = json_is_arr(a) ? json_len(a) : 0;
    if (*n == 0 || *n > LOOK_VALUES_MAX)
        return NULL;
    struct change *v = xcalloc(*n, sizeof *v);
    for (size_t i = 0; i < *n; i++) {
        const struct json_t *pair = json_at(a, i);
        double stratum;
        if (!json_is_arr(pair) || json_len(pair) != 2 || !json_num_value(json_at(pair, 0), &stratum) ||
            !(stratum >= 0 && stratum < PASSAGE_STRATA) || !trial_hex(json_at(pair, 1), &v[i].v) || !isfinite(v[i].v)) {
            free(v);
            return NULL;
        }
        v[i].stratum = (uint8_t)stratum;
    }
    return v;
}

/* How the look treated ties. */
static bool read_ties(const struct json_t *look, enum rank_ties *out)
{
    const struct json_t *v = json_get(look, "ties");
    const char *word = json_str(look, "ties", NULL);
    *out = v ? TIES_PERMUTATION : TIES_NORMAL;
    return !v || (word && !strcmp(word, LOOK_TIES));
}

static bool replay_look(struct work *w, struct err *e)
{
    const struct json_t *o = json_get(w->doc, "look");
    enum rank_ties by;
    int64_t k;
    size_t n, m;
    struct ranktest r;
    if (!json_is_obj(o) || !json_int(o, "k", &k) || k < 0 || k > 100000)
        return bad(e, "there is no look");
    if (!read_ties(o, &by))
        return err_set(e, ERR_UNSUPPORTED, "", "inputs of a decision: ties are treated in a way that is not known");
    if (k == 0) /* no look has given evidence */
        return true;
    struct change *canary = read_changes(json_get(o, "canary"), &n),
                  *control = read_changes(json_get(o, "control"), &m);
    bool ok = canary && control;
    if (ok) {
        double now = bulk_evidence(canary, n, control, m, (int)k, by, &r);
        w->out->log_e = now > 0 ? now : 0;
        w->out->devices = (int)n;
        w->out->peeks = 1;
    }
    free(canary);
    free(control);
    return ok || bad(e, "the values of the look are not whole");
}

static bool replay_installs(struct work *w, struct err *e)
{
    const struct json_t *j = json_get(w->doc, "installs");
    size_t n = json_is_arr(j) ? json_len(j) : 0;
    struct install_evidence now;
    if (!json_is_arr(j) || n > INSTALL_TALLIES_MAX)
        return bad(e, "the installs are not whole");
    struct install_tally *v = xcalloc(n + 1, sizeof *v);
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        int32_t x[5];
        ok = whole_numbers(json_at(j, i), 5, x);
        if (ok)
            v[i] = (struct install_tally){x[0], x[1], x[2], x[3], x[4]};
    }
    ok = ok && install_tallies_ok(v, n);
    if (ok) {
        install_evidence(v, n, w->spec.waves, w->spec.policy.tolerance[ROW_INSTALL], &now);
        w->out->log_e = now.log_e;
        w->out->devices = now.failed > INT32_MAX ? INT32_MAX : (int)now.failed;
        w->out->peeks = n;
    }
    free(v);
    return ok || bad(e, "an outcome of installs is not possible");
}

/* Of decisions that were made when evidence of installs was the most that there had been. */
static bool replay_outcomes(struct work *w, struct err *e)
{
    const struct json_t *j = json_get(w->doc, "outcomes");
    if (!json_is_arr(j))
        return bad(e, "there are no outcomes");
    for (size_t i = 0; i < json_len(j); i++) {
        int32_t v[2];
        if (!whole_numbers(json_at(j, i), 2, v) || v[0] > v[1])
            return bad(e, "an outcome is not possible");
        double now = bernoulli_limit_log(v[0], v[1], w->spec.policy.tolerance[ROW_INSTALL]);
        if (now > w->out->log_e)
            w->out->log_e = now;
        w->out->devices = v[0];
    }
    w->out->peeks = json_len(j);
    return true;
}

static void sentence(struct replay *r, bool same_rest)
{
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX];
    /* Whether the policy rolls back at all is not among the inputs. */
    const char *does = r->rolls_back ? "enough for both" : r->pauses ? "enough to pause" : "not enough to pause";
    if (r->same)
        snprintf(r->text, sizeof r->text,
                 "%s in W%d: recomputed from %zu records to the same bits: evidence %s; %s needed to pause, %s by a "
                 "policy that rolls back; %d devices, %d needed: %s",
                 r->test, r->stage, r->peeks, explain_evidence(a, r->log_e, r->log_pause),
                 explain_need(b, r->log_pause), explain_need(c, r->log_rollback), r->devices, r->min_devices, does);
    else
        snprintf(r->text, sizeof r->text, "%s in W%d: NOT the same: recomputed evidence %s (ln %s), logged %s%s",
                 r->test, r->stage, explain_evidence(a, r->log_e, r->log_pause), fmt_hexfloat(b, r->log_e),
                 fmt_hexfloat(c, r->logged_log_e), same_rest ? "" : "; alpha, need or devices differ too");
}

static bool replay_doc(struct work *w, struct err *e)
{
    struct replay *out = w->out;
    struct ledger l;
    int64_t stage, devices, v;
    double alpha, need;
    bool clipped;
    if (!json_int(w->doc, "v", &v) || (v != 1 && v != 2))
        return err_set(e, ERR_UNSUPPORTED, "", "inputs of a decision: not of a version that this andon knows");
    const char *test = json_str(w->doc, "test", NULL);
    if (!test || !json_int(w->doc, "stage", &stage) || stage < 0 || stage >= TRIAL_WAVES ||
        !get_hex(w->doc, "log_e", &out->logged_log_e) || !get_hex(w->doc, "alpha", &alpha) ||
        !get_hex(w->doc, "log_pause", &need) || !json_int(w->doc, "devices", &devices) ||
        !json_bool(w->doc, "clipped", &clipped))
        return bad(e, "test, stage or evidence are missing");
    if (!trial_read_spec(json_get(w->doc, "spec"), &w->spec, &w->arena, e))
        return false;
    w->test = metric_test_find(&w->spec.policy, test);
    if (w->test < 0)
        return bad(e, "there is no such test");
    const struct metric_test *what = metric_test(&w->spec.policy, w->test);
    snprintf(out->test, sizeof out->test, "%s", what->word);
    out->stage = (int)stage;
    if (clipped)
        return err_set(e, ERR_LIMIT, "the telemetry's own history may still hold it",
                       "inputs of a decision: the journal was too long to be kept");
    bool totals = json_get(w->doc, "outcomes") != NULL;
    if (what->rule == RULE_OUTCOME ? !(totals ? replay_outcomes(w, e) : replay_installs(w, e))
        : what->rule == RULE_SHIFT ? !replay_look(w, e)
                                   : !replay_journal(w, e))
        return false;
    trial_ledger(&w->spec.policy, w->spec.waves, &l);
    if (!trial_read_added(w->doc, &l))
        return bad(e, "what was added to the ledger is not possible");
    double mine = trial_alpha(&w->spec.policy, &l, out->stage, w->test);
    out->log_pause = mine > 0 ? eprocess_needed(mine) : INFINITY;
    out->log_rollback = out->log_pause + trial_ten();
    out->min_devices = w->spec.policy.min_devices;
    out->pauses = out->log_e >= out->log_pause && out->devices >= out->min_devices;
    out->rolls_back = out->log_e >= out->log_rollback && out->devices >= out->min_devices;
    bool rest = det_same(mine, alpha) && det_same(out->log_pause, need) && devices == out->devices;
    out->same = det_same(out->log_e, out->logged_log_e) && rest;
    sentence(out, rest);
    return true;
}

bool trial_replay(const void *json, size_t n, struct replay *out, struct err *e)
{
    memset(out, 0, sizeof *out);
    struct json_t *doc = json_parse(json, n, INPUTS_MAX, "inputs of a decision", e);
    if (!doc)
        return false;
    struct work w = {.doc = doc, .out = out};
    arena_init(&w.arena);
    bool ok = replay_doc(&w, e);
    arena_release(&w.arena);
    json_free(doc);
    return ok;
}
