#include "core/trial_account.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/explain.h"
#include "core/fmt.h"
#include "core/text.h"
#include "core/trial_state.h"

#define TERMS_MAX 16384
#define SLACK     (1 + 1e-12) /* sums of shares are not exact to the bit */

/* ---- what a policy says otherwise ---- */

struct differ {
    char *out;
    size_t used;
};

static void ANDON_PRINTF(2, 3) say(struct differ *d, const char *fmt, ...)
{
    va_list ap;
    size_t left = ACCOUNT_TEXT - d->used;
    int n = snprintf(d->out + d->used, left, "%s", d->used ? ", " : "");
    if (n < 0 || (size_t)n >= left)
        return;
    va_start(ap, fmt);
    int m = vsnprintf(d->out + d->used + n, left - (size_t)n, fmt, ap);
    va_end(ap);
    if (m > 0)
        d->used = d->used + (size_t)n + (size_t)m < ACCOUNT_TEXT ? d->used + (size_t)n + (size_t)m : ACCOUNT_TEXT - 1;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-12;
}

static void differ_num(struct differ *d, const char *what, double bound, double now)
{
    char f[FMT_MAX], g[FMT_MAX];
    if (!near(bound, now))
        say(d, "%s %s (policy: %s)", what, fmt_num(f, bound), fmt_num(g, now));
}

static void differ_share(struct differ *d, const char *what, double bound, double now)
{
    char f[FMT_MAX], g[FMT_MAX];
    if (!near(bound, now))
        say(d, "%s %s (policy: %s)", what, explain_percent(f, bound), explain_percent(g, now));
}

static void differ_count(struct differ *d, const char *what, int64_t bound, int64_t now)
{
    char f[FMT_MAX], g[FMT_MAX];
    if (bound != now)
        say(d, "%s %s (policy: %s)", what, fmt_count(f, bound), fmt_count(g, now));
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_strata(const struct evidence_policy *a, const struct evidence_policy *b)
{
    if (a->n_strata != b->n_strata)
        return false;
    for (size_t i = 0; i < a->n_strata; i++)
        if (!same_text(a->strata[i], b->strata[i]))
            return false;
    return true;
}

static bool same_row(const struct metric_def *a, const struct metric_def *b)
{
    bool same = strcmp(a->id, b->id) == 0 && a->kind == b->kind && a->worse == b->worse && a->own == b->own &&
                a->diff == b->diff && near(a->tolerance, b->tolerance) && a->n_levels == b->n_levels &&
                a->window_us == b->window_us && a->grace_us == b->grace_us;
    for (size_t i = 0; same && i < a->n_levels; i++)
        same = near(a->level[i], b->level[i]);
    return same;
}

/* What is tested is fixed when a rollout starts. */
static void differ_metrics(struct differ *d, const struct trial_terms *bound, const struct trial_terms *policy)
{
    const struct evidence_policy *b = &bound->spec.policy, *p = &policy->spec.policy;
    bool same =
        memcmp(b->worse, p->worse, sizeof b->worse) == 0 && memcmp(b->grace_us, p->grace_us, sizeof b->grace_us) == 0;
    for (size_t i = 0; same && i < b->n_own; i++) {
        const struct metric_def *row = terms_row(p, b->own[i].id);
        size_t k = row ? (size_t)(row - p->own) : 0;
        same = row && same_row(&b->own[i], row) &&
               near(b->own[i].share + bound->added[LEDGER_METRICS + i], row->share + policy->added[LEDGER_METRICS + k]);
    }
    if (!same)
        say(d, "other metrics");
}

static void differ_but_shares(const struct trial_terms *bound, const struct trial_terms *policy, struct differ *d)
{
    const struct evidence_policy *b = &bound->spec.policy, *p = &policy->spec.policy;
    char f[FMT_MAX], g[FMT_MAX];
    differ_share(d, "alpha", bound->asked, policy->asked);
    differ_share(d, "reserve", b->reserve, p->reserve);
    differ_num(d, "tolerance of reboots", b->tolerance[ROW_REBOOTS], p->tolerance[ROW_REBOOTS]);
    for (size_t i = ROW_REBOOTS + 1; i < ROW_INSTALL; i++) {
        char what[40];
        snprintf(what, sizeof what, "of %s", metric_title(b, i));
        differ_num(d, what, b->tolerance[i], p->tolerance[i]);
    }
    differ_share(d, "failed installs", b->tolerance[ROW_INSTALL], p->tolerance[ROW_INSTALL]);
    differ_count(d, "min_devices", b->min_devices, p->min_devices);
    differ_count(d, "control devices", bound->control_max, policy->control_max);
    if (bound->spec.grace_us != policy->spec.grace_us)
        say(d, "grace %s (policy: %s)", fmt_dur(f, bound->spec.grace_us), fmt_dur(g, policy->spec.grace_us));
    if (!same_text(b->control, p->control))
        say(d, "another control group");
    if (!same_strata(b, p))
        say(d, "other strata");
    if (b->design != p->design)
        say(d, "tests as an earlier andon laid them out");
    differ_metrics(d, bound, policy);
}

void terms_differ(const struct trial_terms *bound, const struct trial_terms *policy, char out[ACCOUNT_TEXT])
{
    struct differ d = {out, 0};
    out[0] = '\0';
    differ_but_shares(bound, policy, &d);
    differ_share(&d, "share of installs", bound->spec.policy.share[ROW_INSTALL],
                 policy->spec.policy.share[ROW_INSTALL]);
    for (int m = 0; m < LEDGER_METRICS; m++) {
        char what[40];
        snprintf(what, sizeof what, "share of %s", metric_title(&bound->spec.policy, (size_t)m));
        differ_share(&d, what, bound->spec.policy.share[m] + bound->added[m], policy->spec.policy.share[m]);
    }
    for (size_t i = 0; i < policy->spec.policy.n_own; i++) {
        const struct metric_def *row = &policy->spec.policy.own[i];
        if (row->share > 0 && !terms_row(&bound->spec.policy, row->id))
            say(&d, "%s is measured and not tested (policy: tested)", row->id);
        if (row->kind == KIND_ACTIVATION && !terms_row(&bound->spec.policy, row->id))
            say(&d, "boots that %s names count (policy: they do not)", row->id);
    }
}

/* The policy's further metrics, behind the bound ones, to be paid for. False when they do not fit. */
static bool add_rows(struct trial_terms *out, const struct evidence_policy *policy, struct arena *a)
{
    struct evidence_policy *p = &out->spec.policy;
    size_t had = p->n_own;
    terms_append(p, policy, a);
    for (size_t i = had; i < p->n_own; i++)
        out->added[LEDGER_METRICS + i] = terms_row(policy, p->own[i].id)->share;
    for (size_t i = 0; i < policy->n_own; i++)
        if (!terms_row(p, policy->own[i].id) && policy->own[i].kind != KIND_ACTIVATION)
            return false;
    return true;
}

/* Does the policy only test more than the terms? Then they with what it adds, from the first stage that has not begun
 * on; what it adds to the installs cannot wait for a stage. Shares that are smaller than the terms' stay. */
static bool only_adds(const struct trial_terms *bound, const struct trial_terms *policy, int begun, struct arena *a,
                      struct trial_terms *out)
{
    char text[ACCOUNT_TEXT] = "";
    struct differ d = {text, 0};
    struct ledger l;
    bool any = false;
    *out = *bound;
    differ_but_shares(bound, policy, &d);
    for (int m = 0; m < LEDGER_ALL; m++)
        if (bound->added[m] > 0)
            return false;
    for (int m = 0; m < LEDGER_METRICS; m++) {
        double more = policy->spec.policy.share[m] - bound->spec.policy.share[m];
        out->added[m] = more > 1e-12 ? more : 0;
    }
    if (policy->spec.policy.share[ROW_INSTALL] - bound->spec.policy.share[ROW_INSTALL] > 1e-12)
        return false;
    if (a && !add_rows(out, &policy->spec.policy, a))
        return false;
    for (int m = 0; m < LEDGER_ALL; m++)
        any = any || out->added[m] > 0;
    out->added_from = begun;
    return any && d.used == 0 && begun < bound->spec.waves && terms_ledger(out, &l);
}

/* ---- the account ---- */

static bool same_measure(const struct trial_terms *a, const struct trial_terms *b)
{
    return a->spec.step_us == b->spec.step_us && a->spec.silence_us == b->spec.silence_us &&
           a->spec.boot_time == b->spec.boot_time && a->window_us == b->window_us;
}

static struct account_trial *find(const struct account *c, const struct rollout_identity *who,
                                  const struct trial_terms *terms, bool old)
{
    for (size_t i = 0; i < c->n; i++)
        if (identity_same(&c->v[i].who, who) == IDENTITY_SAME &&
            (old || c->v[i].old || same_measure(&c->v[i].terms, terms)))
            return &c->v[i];
    return NULL;
}

static const char *dup(struct arena *a, const char *s)
{
    return arena_strdup(a, s ? s : "");
}

/* The shares of an entry that has no terms: those of each stage stand in it, the first gives them for all. */
static bool read_old(const struct account_claim *claim, struct trial_terms *t)
{
    struct err e;
    struct evidence_policy *p = &t->spec.policy;
    struct json_t *doc = json_parse(claim->ledger, strlen(claim->ledger), TERMS_MAX, "a ledger", &e);
    const struct json_t *stages = json_get(doc, "stages"), *first = json_is_arr(stages) ? json_at(stages, 0) : NULL;
    double install, weight, v = 0;
    struct ledger l;
    bool ok = first && json_len(stages) <= LEDGER_WAVES && trial_hex(json_get(doc, "alpha"), &p->alpha) &&
              trial_hex(json_get(doc, "reserve"), &p->reserve) && trial_hex(json_get(doc, "install"), &install) &&
              json_is_arr(first) && json_len(first) == LEDGER_METRICS && p->alpha > 0 && p->reserve >= 0 &&
              p->reserve < 1;
    t->spec.waves = ok ? (int)json_len(stages) : 0;
    weight = ok ? p->alpha * (1 - p->reserve) / (2 - ldexp(1, 1 - t->spec.waves)) : 1;
    for (int m = 0; m < LEDGER_METRICS && ok; m++) {
        ok = trial_hex(json_at(first, (size_t)m), &v);
        p->share[m] = v / weight;
    }
    p->share[ROW_INSTALL] = ok ? install / (p->alpha * (1 - p->reserve)) : 0;
    t->asked = p->alpha;
    json_free(doc);
    return ok && trial_ledger(p, t->spec.waves, &l);
}

/* "model,site" */
static void split_strata(const char *joined, struct arena *a, struct evidence_policy *p)
{
    for (const char *s = joined; s && *s && p->n_strata < STRATA_KEYS_MAX; s += *s == ',') {
        size_t n = strcspn(s, ",");
        p->strata[p->n_strata++] = arena_strndup(a, s, n);
        s += n;
    }
}

static struct account_trial *begin(struct account *c, struct arena *a, const struct account_claim *claim,
                                   const struct trial_terms *terms, bool old)
{
    if (c->n == ACCOUNT_TRIALS)
        return NULL;
    if ((c->n & (c->n - 1)) == 0) {
        struct account_trial *v = ARENA_ARRAY(a, struct account_trial, c->n ? 2 * c->n : 1);
        if (c->n)
            memcpy(v, c->v, c->n * sizeof *v);
        c->v = v;
    }
    struct account_trial *t = &c->v[c->n++];
    *t = (struct account_trial){.terms = *terms, .old = old};
    t->who = (struct rollout_identity){dup(a, claim->who.fleet), dup(a, claim->who.id), claim->who.created_at,
                                       dup(a, claim->who.name), dup(a, claim->who.release)};
    return t;
}

/* What does not fit is not given, and the trial runs dry. */
static void charge(struct account *c, struct account_trial *t)
{
    struct ledger l;
    double cost = terms_ledger(&t->terms, &l) ? ledger_begun(&l, t->begun) : 0, more = cost - t->spent;
    if (c->alpha == 0)
        c->alpha = t->terms.asked;
    if (!(more > 0) || t->dry)
        return;
    if (c->spent + more > c->alpha * SLACK) {
        t->dry = true;
        return;
    }
    c->spent += more;
    t->spent = cost;
}

/* What a claim adds to the terms of its trial: for stages that no claim before it has begun. */
static void add(struct account_trial *t, const struct trial_terms *claimed)
{
    struct trial_terms more = t->terms;
    char text[ACCOUNT_TEXT] = "";
    struct differ d = {text, 0};
    struct ledger l;
    bool any = false, base = near(t->terms.spec.policy.share[ROW_INSTALL], claimed->spec.policy.share[ROW_INSTALL]);
    differ_but_shares(&t->terms, claimed, &d);
    for (int m = 0; m < LEDGER_ALL; m++)
        any = any || claimed->added[m] > 0;
    for (int m = 0; m < LEDGER_METRICS; m++) {
        base = base && near(t->terms.spec.policy.share[m], claimed->spec.policy.share[m]) && !(t->terms.added[m] > 0);
    }
    for (size_t i = 0; i < t->terms.spec.policy.n_own; i++) /* tests go by number: the rows of before come first */
        base = base && i < claimed->spec.policy.n_own &&
               strcmp(t->terms.spec.policy.own[i].id, claimed->spec.policy.own[i].id) == 0;
    more.spec.policy.own = claimed->spec.policy.own;
    more.spec.policy.n_own = claimed->spec.policy.n_own;
    more.spec.policy.own_figure = claimed->spec.policy.own_figure;
    more.spec.policy.own_test = claimed->spec.policy.own_test;
    more.spec.policy.n_own_tests = claimed->spec.policy.n_own_tests;
    memcpy(more.added, claimed->added, sizeof more.added);
    more.added_from = claimed->added_from;
    if (any && base && d.used == 0 && claimed->added_from >= t->begun && terms_ledger(&more, &l))
        t->terms = more;
}

void account_take(struct account *c, struct arena *a, const struct account_claim *claim)
{
    struct trial_terms terms = {0};
    struct err e = {0};
    bool old = !*claim->terms;
    if (old)
        split_strata(claim->strata, a, &terms.spec.policy);
    if (old ? !read_old(claim, &terms) : !terms_read(claim->terms, strlen(claim->terms), a, &terms, &e)) {
        c->unread++;
        return;
    }
    struct account_trial *t = find(c, &claim->who, &terms, old);
    if (!t && !(t = begin(c, a, claim, &terms, old)))
        return;
    int begun = old ? terms.spec.waves : claim->begun > terms.spec.waves ? terms.spec.waves : (int)claim->begun;
    add(t, &terms);
    if (begun > t->begun)
        t->begun = begun;
    t->acts = t->acts || claim->acts;
    if (t->acts)
        charge(c, t);
}

/* ---- what follows for a trial ---- */

/* An old entry says the shares alone. They were divided and multiplied on the way: where the policy's are those, its
 * bits are. */
static void bind_old(const struct trial_terms *old, struct trial_terms *out)
{
    const struct evidence_policy *o = &old->spec.policy;
    struct evidence_policy *p = &out->spec.policy;
    if (!near(o->alpha, p->alpha))
        p->alpha = o->alpha;
    if (!near(o->reserve, p->reserve))
        p->reserve = o->reserve;
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        if (!near(o->share[i], p->share[i]))
            p->share[i] = o->share[i];
    memcpy(p->strata, o->strata, sizeof p->strata);
    p->n_strata = o->n_strata;
    p->own = NULL; /* such a rollout began with the five alone */
    p->own_test = NULL;
    p->n_own = p->n_own_tests = 0;
    memset(p->worse, 0, sizeof p->worse);
    memset(p->grace_us, 0, sizeof p->grace_us);
    p->design = 0;
    out->spec.waves = old->spec.waves;
    out->asked = p->alpha;
}

void account_plan(const struct account *c, const struct rollout_identity *who, const struct trial_terms *terms,
                  int begun, bool acts, struct arena *a, struct account_plan *out)
{
    const struct account_trial *t = find(c, who, terms, false);
    double left = c->alpha > 0 ? c->alpha - c->spent : terms->asked;
    *out = (struct account_plan){
        .kind = t ? PLAN_GOES_ON : PLAN_NEW, .terms = *terms, .left = left < ACCOUNT_LEAST ? 0 : left};
    if (!t) {
        out->dry = c->n == ACCOUNT_TRIALS || out->left == 0;
        if (!out->dry && out->left < terms->asked)
            out->terms.spec.policy.alpha = out->left;
        return;
    }
    if (t->old)
        bind_old(&t->terms, &out->terms);
    else
        out->terms = t->terms;
    out->terms.spec.start = terms->spec.start;
    out->dry = t->dry;
    out->begun = t->begun;
    struct trial_terms more;
    if (acts && !t->old && only_adds(&t->terms, terms, begun > t->begun ? begun : t->begun, a, &more)) {
        out->kind = PLAN_ADDS;
        out->terms = more;
        out->terms.spec.start = terms->spec.start;
        return;
    }
    out->claimed = t->begun >= (begun < t->terms.spec.waves ? begun : t->terms.spec.waves) && (t->acts || !acts);
    terms_differ(&out->terms, terms, out->differs);
}

void account_spent(const struct account *c, const struct rollout_identity *who, double *own, double *others)
{
    *own = 0;
    for (size_t i = 0; i < c->n; i++)
        if (identity_same(&c->v[i].who, who) == IDENTITY_SAME)
            *own += c->v[i].spent;
    *others = c->spent > *own ? c->spent - *own : 0;
}
