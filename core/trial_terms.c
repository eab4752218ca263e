/* The terms of a trial: as JSON and back, and into a policy. */
#include <string.h>
#include "core/fmt.h"
#include "core/text.h"
#include "core/trial_account.h"
#include "core/trial_state.h"

#define TERMS_MAX 16384

struct trial_terms terms_of(const struct trial_spec *spec, const struct policy *p, int64_t window_us)
{
    struct trial_terms t = {.spec = *spec, .asked = p->evidence.alpha, .control_max = p->control_max};
    t.window_us = window_us;
    return t;
}

bool terms_ledger(const struct trial_terms *t, struct ledger *out)
{
    bool any = false;
    if (!trial_ledger(&t->spec.policy, t->spec.waves, out))
        return false;
    for (int m = 0; m < LEDGER_ALL; m++)
        any = any || t->added[m] > 0;
    return !any || ledger_add(out, t->added, t->added_from);
}

void terms_write(const struct trial_terms *t, struct buf *out)
{
    struct json_w w;
    struct ledger l;
    char f[FMT_MAX];
    json_w_init(&w, out, 0);
    json_w_obj(&w);
    if (terms_ledger(t, &l))
        trial_write_added(&w, &l);
    json_w_kstr(&w, "asked", fmt_hexfloat(f, t->asked));
    json_w_kstr(&w, "control", t->spec.policy.control ? t->spec.policy.control : "");
    json_w_kint(&w, "control_max", t->control_max);
    trial_write_spec(&w, &t->spec);
    json_w_key(&w, "strata");
    json_w_arr(&w);
    for (size_t i = 0; i < t->spec.policy.n_strata; i++)
        json_w_str(&w, t->spec.policy.strata[i]);
    json_w_arr_end(&w);
    json_w_kint(&w, "window_us", t->window_us);
    json_w_obj_end(&w);
}

static const char *text_of(const struct json_t *v, struct arena *a)
{
    size_t n;
    char safe[256];
    const char *s = v ? json_str_value(v, &n) : NULL;
    if (!s)
        return NULL;
    safe_text_into(safe, sizeof safe, s, n);
    return arena_strdup(a, safe);
}

static bool read_strata(const struct json_t *list, struct arena *a, struct evidence_policy *p)
{
    p->n_strata = json_is_arr(list) ? json_len(list) : STRATA_KEYS_MAX + 1;
    for (size_t i = 0; i < p->n_strata && p->n_strata <= STRATA_KEYS_MAX; i++)
        if (!(p->strata[i] = text_of(json_at(list, i), a)))
            return false;
    return p->n_strata <= STRATA_KEYS_MAX;
}

static bool read_terms(const struct json_t *o, struct arena *a, struct trial_terms *t, struct err *e)
{
    struct ledger l;
    if (!json_is_obj(o) || !trial_read_spec(json_get(o, "spec"), &t->spec, a, e))
        return false;
    struct evidence_policy *p = &t->spec.policy;
    if (!trial_hex(json_get(o, "asked"), &t->asked) || !(p->control = text_of(json_get(o, "control"), a)) ||
        !json_int(o, "control_max", &t->control_max) || !json_int(o, "window_us", &t->window_us) ||
        !(t->asked > 0 && t->asked < 1) || t->control_max < 0 || !read_strata(json_get(o, "strata"), a, p) ||
        !trial_ledger(p, t->spec.waves, &l) || !trial_read_added(o, &l))
        return false;
    memcpy(t->added, l.added, sizeof t->added);
    t->added_from = l.added_from;
    return true;
}

bool terms_read(const char *json, size_t n, struct arena *a, struct trial_terms *out, struct err *e)
{
    memset(out, 0, sizeof *out);
    err_clear(e);
    struct json_t *doc = json_parse(json, n, TERMS_MAX, "terms of a trial", e);
    bool ok = doc && read_terms(doc, a, out, e);
    json_free(doc);
    if (!ok && e->code == ERR_NONE)
        err_set(e, ERR_SYNTAX, "", "terms of a trial: they are not whole");
    return ok;
}

const struct metric_def *terms_row(const struct evidence_policy *p, const char *id)
{
    for (size_t i = 0; i < p->n_own; i++)
        if (strcmp(p->own[i].id, id) == 0)
            return &p->own[i];
    return NULL;
}

void terms_append(struct evidence_policy *p, const struct evidence_policy *policy, struct arena *a)
{
    struct evidence_policy with = *p;
    struct metric_def *row = ARENA_ARRAY(a, struct metric_def, METRICS_OWN);
    for (size_t i = 0; i < p->n_own; i++)
        row[i] = p->own[i];
    for (size_t i = 0; i < policy->n_own && with.n_own < METRICS_OWN; i++)
        /* Which boots count is fixed when the rollout starts. */
        if (!terms_row(p, policy->own[i].id) && policy->own[i].kind != KIND_ACTIVATION) {
            row[with.n_own] = policy->own[i];
            row[with.n_own++].share = 0;
        }
    with.own = row;
    if (with.n_own > p->n_own && metric_make_tests(&with, a))
        *p = with;
}

void terms_bind(const struct trial_terms *t, struct policy *p, struct arena *a)
{
    const struct evidence_policy was = p->evidence;
    p->evidence = t->spec.policy;
    p->evidence.tests = was.tests;
    memcpy(p->evidence.level, was.level, sizeof was.level);
    p->evidence.n_levels = was.n_levels;
    terms_append(&p->evidence, &was, a);
    p->grace_us = t->spec.grace_us;
    p->control_max = t->control_max;
}
