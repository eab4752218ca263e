/* A trial's terms and claims: before it begins, and before each further stage, the log is read (what has its firmware
 * spent, on which terms did it begin?), a claim is written, and the log read again: what stands there first holds for
 * every session of it. A log that does not answer is waited for LATE_US; then the tests go on by what is known, since
 * a halt must go out without a log too, and what it says is heeded when it is back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/explain.h"
#include "core/fmt.h"
#include "core/json.h"
#include "engine/trial_run.h"

#define LATE_US    (3 * US_PER_S)
#define AGAIN_US   (1 * US_PER_S) /* between two tries to read a log */
#define CLAIMS_MAX 3              /* tries to have a claim: each is read back */
#define ENTRIES    1000000        /* about settings, that are looked through */

static void ask(struct ro *ro);

/* ---- reading: on the log's thread ---- */

struct lookup {       /* in the job's arena */
    int64_t from, to; /* read from here to there */
    struct stored *v;
    size_t n;
};

static bool look_up(struct job *j, struct audit_log *l)
{
    struct lookup *f = j->result;
    struct audit_query q = {.from_seq = f->from, .fleet = j->fleet, .kind = "config", .limit = ENTRIES};
    struct audit_head head;
    if (!audit_head(l, &head, &j->err))
        return false;
    f->to = head.newest; /* what comes meanwhile may be read twice */
    return audit_query(l, &q, &j->arena, &f->v, &f->n, &j->err);
}

/* ---- what was read ---- */

static struct rollout_identity who_of(struct arena *a, const struct rollout_identity *who)
{
    return (struct rollout_identity){arena_strdup(a, who->fleet), arena_strdup(a, who->id), who->created_at,
                                     arena_strdup(a, who->name), arena_strdup(a, who->release)};
}

/* A rollout's terms stand in each of its claims: kept once. */
static const char *terms_kept(struct ledger_log *k, const char *terms)
{
    for (size_t i = k->n; i > 0; i--)
        if (!k->v[i - 1].refused && strcmp(k->v[i - 1].claim.terms, terms) == 0)
            return k->v[i - 1].claim.terms;
    return arena_strdup(&k->arena, terms);
}

static void keep_entry(struct ledger_log *k, const struct stored *s)
{
    struct arena *a = &k->arena;
    struct rollout_identity who = stored_identity(s);
    bool claim = strcmp(s->result, "ledger") == 0;
    const char *terms = stored_field(s, "terms");
    if (s->seq <= k->seq || (!claim && strcmp(s->result, "policy-refused") != 0))
        return;
    if ((k->n & (k->n - 1)) == 0) {
        struct ledger_entry *v = ARENA_ARRAY(a, struct ledger_entry, k->n ? 2 * k->n : 1);
        if (k->n)
            memcpy(v, k->v, k->n * sizeof *v);
        k->v = v;
    }
    struct ledger_entry x = {.claim = {.who = who_of(a, &who), .terms = "", .ledger = "", .strata = ""}};
    if (!claim) {
        x.refused = arena_strdup(a, stored_field(s, "policy"));
    } else {
        x.claim.terms = terms_kept(k, terms);
        x.claim.ledger = *terms ? "" : arena_strdup(a, stored_field(s, "ledger"));
        x.claim.strata = *terms ? "" : arena_strdup(a, stored_field(s, "strata"));
        x.claim.begun = strtoll(stored_field(s, "begun"), NULL, 10);
        x.claim.acts = strcmp(stored_field(s, "tests"), "on") == 0;
    }
    k->v[k->n++] = x;
}

static void keep_log(struct engine *en, const struct lookup *f)
{
    struct ledger_log *k = en->trials.ledgers;
    for (size_t i = 0; i < f->n; i++)
        keep_entry(k, &f->v[i]);
    if (f->n > 0 && f->v[f->n - 1].seq > k->seq)
        k->seq = f->v[f->n - 1].seq;
    if (f->to > k->seq)
        k->seq = f->to;
}

static struct ledger_log *log_kept(struct engine *en)
{
    if (!en->trials.ledgers) {
        en->trials.ledgers = xcalloc(1, sizeof *en->trials.ledgers);
        arena_init(&en->trials.ledgers->arena);
    }
    return en->trials.ledgers;
}

void run_free_ledgers(struct engine *en)
{
    if (!en->trials.ledgers)
        return;
    arena_release(&en->trials.ledgers->arena);
    free(en->trials.ledgers);
    en->trials.ledgers = NULL;
}

/* The account of its firmware, anew: claims are settled in the order of the log. */
static void settle(struct ro *ro)
{
    struct ro_ledger *g = ro->trials.ledger;
    const struct ledger_log *k = log_kept(ro->en);
    const struct rollout_identity *own = &ro->facts.mark.who;
    memset(&g->account, 0, sizeof g->account);
    for (size_t i = 0; i < k->n; i++) {
        const struct ledger_entry *x = &k->v[i];
        bool same = identity_same(&x->claim.who, own) == IDENTITY_SAME;
        if (x->refused)
            g->said = g->said || (same && strcmp(x->refused, ro->policy.ruled->digest) == 0);
        else if (same || (*own->release && strcmp(x->claim.who.release, own->release) == 0))
            account_take(&g->account, &g->arena, &x->claim);
    }
}

/* ---- what it says ---- */

static bool acts(const struct ro *ro)
{
    return ro->en->spec.judge && ro->policy.ruled->evidence.tests == TESTS_ON;
}

static void plan_again(struct ro *ro, bool as_policy)
{
    struct ro_ledger *g = ro->trials.ledger;
    struct trial_spec by_rules = run_spec_by_rules(ro->trials.run);
    struct trial_terms t = terms_of(&by_rules, ro->policy.ruled, ro->en->policy->window_us);
    account_plan(&g->account, &ro->facts.mark.who, &t, ro->en->spec.judge ? (int)g->wave + 1 : 0,
                 acts(ro) && !as_policy, beat_history(ro->en) ? &g->arena : NULL, &g->plan);
}

static const char *firmware(const struct ro *ro)
{
    return *ro->facts.mark.who.release ? ro->facts.mark.who.release : "this firmware";
}

static void say_others(const struct ro_ledger *g, const struct ro *ro, struct buf *b)
{
    const struct rollout_identity *one = NULL;
    char f[FMT_MAX];
    size_t n = 0;
    for (size_t i = 0; i < g->account.n; i++) {
        const struct account_trial *t = &g->account.v[i];
        if (!(t->spent > 0) || identity_same(&t->who, &ro->facts.mark.who) == IDENTITY_SAME)
            continue;
        one = &t->who;
        n++;
    }
    if (n == 1)
        buf_printf(b, ", %s by rollout %s", explain_percent(f, g->others), one->id);
    else if (n > 1)
        buf_printf(b, ", %s by %zu other trials", explain_percent(f, g->others), n);
}

/* The words of it, from one set of figures. */
static void say(struct ro *ro)
{
    struct ro_ledger *g = ro->trials.ledger;
    const struct account_plan *p = &g->plan;
    char f[FMT_MAX];
    struct buf b, c;
    g->alpha = g->account.alpha > 0 ? g->account.alpha : p->terms.asked;
    account_spent(&g->account, &ro->facts.mark.who, &g->own, &g->others);
    buf_init(&b, 1024);
    buf_init(&c, 1024);
    buf_printf(&b, "Of alpha %s for %s, ", explain_percent(f, g->alpha), firmware(ro));
    buf_printf(&b, "%s is spent by this rollout", explain_percent(f, g->own));
    say_others(g, ro, &b);
    buf_printf(&b, "; %s is left.", explain_percent(f, p->left));
    if (!g->known)
        buf_printf(&c, "What %s has spent is not known: the log cannot be read. ", firmware(ro));
    if (p->dry)
        buf_printf(&c, "Not enough is left for %s: the tests run dry and halt nothing. ",
                   g->own == 0 ? "another rollout of this firmware" : "a further wave");
    if (*p->differs)
        buf_printf(&c, "The tests go on as they began: %s. ", p->differs);
    if (g->account.unread > 0)
        buf_printf(&c, "%zu entries about it cannot be read. ", g->account.unread);
    if (p->terms.added_from > 0)
        buf_printf(&c, "Tests were added out of the reserve, from W%d on. ", p->terms.added_from);
    if (c.len > 0)
        c.data[c.len - 1] = '\0';
    g->text = g->known ? arena_strdup(&g->arena, b.data) : "";
    g->note = arena_strdup(&g->arena, c.len > 0 ? c.data : "");
    buf_release(&b);
    buf_release(&c);
    if (ro->trials.run)
        ro->trials.run->changed = true;
    mark(ro->en);
}

/* ---- a claim ---- */

static void write_ledger(const struct trial_terms *t, struct buf *b)
{
    struct json_w w;
    struct ledger l;
    char f[FMT_MAX], digest[SHA256_HEX];
    if (!terms_ledger(t, &l))
        return;
    json_w_init(&w, b, 0);
    json_w_obj(&w);
    json_w_kstr(&w, "alpha", fmt_hexfloat(f, l.alpha));
    json_w_kstr(&w, "install", fmt_hexfloat(f, ledger_install(&l)));
    metric_digest(&t->spec.policy, digest);
    json_w_kstr(&w, "metrics", digest);
    json_w_kstr(&w, "reserve", fmt_hexfloat(f, l.reserve));
    json_w_key(&w, "stages"); /* of each: by row of the metrics, without the installs' */
    json_w_arr(&w);
    for (int s = 0; s < l.waves; s++) {
        json_w_arr(&w);
        for (int m = 0; m < l.metrics; m++)
            json_w_str(&w, fmt_hexfloat(f, ledger_alpha(&l, s, m)));
        json_w_arr_end(&w);
    }
    json_w_arr_end(&w);
    json_w_kstr(&w, "total", fmt_hexfloat(f, ledger_total(&l)));
    json_w_obj_end(&w);
}

static void claimed(struct engine *en, struct job *j)
{
    struct ro *ro = j->ctx;
    (void)en;
    ro->trials.ledger->claiming = false;
    ask(ro);
}

static const char *reason(const struct ro_ledger *g)
{
    if (g->plan.kind == PLAN_ADDS)
        return "tests that the policy has added are paid from the reserve";
    if (g->plan.kind == PLAN_NEW && g->plan.dry)
        return "too little of the firmware's alpha is left: the tests run dry";
    if (g->plan.kind == PLAN_NEW && g->account.n > 0)
        return "the firmware has spent some of its alpha: what is left is shared out over waves and tests";
    return g->plan.kind == PLAN_NEW ? "the chance of a false halt is shared out over waves and tests"
                                    : "a further stage spends its share of the chance of a false halt";
}

static void claim(struct ro *ro)
{
    struct run *r = ro->trials.run;
    struct ro_ledger *g = ro->trials.ledger;
    const struct evidence_policy *p = &g->plan.terms.spec.policy;
    struct entry e;
    struct buf b, terms, keys;
    int begun = (int)g->wave + 1 > g->plan.begun ? (int)g->wave + 1 : g->plan.begun;
    if (g->wave == 0)
        run_bind(r, &g->plan.terms);
    buf_init(&b, ENTRY_MAX);
    buf_init(&terms, ENTRY_MAX);
    buf_init(&keys, 512);
    write_ledger(&g->plan.terms, &b);
    terms_write(&g->plan.terms, &terms);
    for (size_t i = 0; i < p->n_strata; i++)
        buf_printf(&keys, "%s%s", i ? "," : "", p->strata[i]);
    diary_entry(ro->en, &e, ENTRY_CONFIG, NULL, ro);
    e.result = "ledger";
    e.reason = reason(g);
    entry_int(&e, "begun", g->plan.kind == PLAN_ADDS ? g->plan.begun : begun);
    /* The terms say it all: an entry that is too long would stand in the log's way for ever. */
    entry_str(&e, "ledger", b.over || b.len + terms.len > ENTRY_MAX / 2 ? "" : b.data);
    entry_str(&e, "policy", ro->policy.ruled->digest);
    entry_str(&e, "spec", r->digest);
    entry_str(&e, "strata", keys.data);
    entry_str(&e, "terms", terms.data);
    entry_str(&e, "tests", acts(ro) ? "on" : "dry-run");
    entry_int(&e, "start", r->spec.start);
    entry_int(&e, "step_us", r->spec.step_us);
    g->claiming = true;
    g->tries++;
    diary_policy(ro->en, &e, ro->policy.ruled, claimed, ro);
    buf_release(&b);
    buf_release(&terms);
    buf_release(&keys);
}

static void say_refused(struct ro *ro)
{
    struct ro_ledger *g = ro->trials.ledger;
    struct entry e;
    if (g->said || !*g->plan.differs || !ro->en->spec.judge)
        return;
    g->said = true;
    diary_entry(ro->en, &e, ENTRY_CONFIG, NULL, ro);
    e.result = "policy-refused";
    e.reason = "the tests go on as they began, not as the policy would have them now";
    entry_str(&e, "differs", g->plan.differs);
    entry_str(&e, "policy", ro->policy.ruled->digest);
    diary_policy(ro->en, &e, ro->policy.ruled, NULL, NULL);
}

/* ---- one after the other ---- */

static struct ro_ledger *ledger_of(struct ro *ro)
{
    if (!ro->trials.ledger) {
        ro->trials.ledger = xcalloc(1, sizeof *ro->trials.ledger);
        arena_init(&ro->trials.ledger->arena);
        ro->trials.ledger->text = ro->trials.ledger->note = "";
    }
    return ro->trials.ledger;
}

void run_free_ledger(struct ro *ro)
{
    if (!ro->trials.ledger)
        return;
    arena_release(&ro->trials.ledger->arena);
    free(ro->trials.ledger);
    ro->trials.ledger = NULL;
}

bool run_ledger(const struct run *r, struct ledger *out)
{
    const struct ro_ledger *g = r->ro->trials.ledger;
    struct trial_terms t = {.spec = r->spec};
    if (g && g->bound)
        t = g->plan.terms;
    return terms_ledger(&t, out);
}

void run_add_shares(struct run *r)
{
    const struct ro_ledger *g = r->ro->trials.ledger;
    if (r->trial && g && g->plan.terms.added_from > 0)
        (void)!trial_add_shares(r->trial, g->plan.terms.added, g->plan.terms.added_from);
}

/* What the rollout is judged by: the policy with what the terms bind. */
static void hold(struct ro *ro)
{
    struct ro_ledger *g = ro->trials.ledger;
    const struct account_plan *p = &g->plan;
    bool as_ruled = !p->dry && !*p->differs && p->terms.added_from == 0 &&
                    p->terms.spec.policy.alpha == ro->policy.ruled->evidence.alpha;
    const struct evidence_policy *bound = &p->terms.spec.policy, *ruled = &ro->policy.ruled->evidence;
    for (size_t i = 0; i < bound->n_own && as_ruled; i++) /* in the same order: tests and rows go by number */
        as_ruled = i < ruled->n_own && strcmp(bound->own[i].id, ruled->own[i].id) == 0;
    g->held = *ro->policy.ruled;
    terms_bind(&p->terms, &g->held, &g->arena);
    if (p->dry && g->held.evidence.tests == TESTS_ON)
        g->held.evidence.tests = TESTS_DRY_RUN;
    g->bound = true;
    policy_hold(ro, as_ruled ? NULL : &g->held);
}

/* The run that waits for an answer, NULL: it is gone, or does not wait any more. */
static struct run *waiting(const struct ro *ro)
{
    const struct ro_ledger *g = ro->trials.ledger;
    struct run *r = ro->trials.run;
    return r && r->serial == g->serial && r->wave[g->wave].step == RUN_LEDGER ? r : NULL;
}

static void advance(struct ro *ro)
{
    ANNOUNCE(ro->en, learned, ro);
    mark(ro->en);
}

/* The stage may begin: on the plan's terms. */
static void go_on(struct ro *ro)
{
    struct ro_ledger *g = ro->trials.ledger;
    struct run *r = ro->trials.run;
    if (g->plan.kind == PLAN_ADDS) /* nobody has been able to claim it */
        plan_again(ro, true);
    hold(ro);
    if (g->wave == 0)
        run_bind(r, &g->plan.terms);
    else
        run_add_shares(r);
    say(ro);
    say_refused(ro);
    r->busy = false;
    r->wave[g->wave].step = g->wave == 0 ? RUN_KEPT : RUN_ATTRS;
    r->waits[0] = '\0';
}

static void late(struct engine *en, void *arg)
{
    struct ro *ro = arg;
    struct ro_ledger *g = ro->trials.ledger;
    (void)en;
    if (!waiting(ro))
        return;
    if (!g->known)
        plan_again(ro, false);
    go_on(ro);
    advance(ro);
}

static void ask_again(struct engine *en, void *arg)
{
    (void)en;
    ask(arg);
}

/* Its trial was begun on other terms, for want of an answer. */
static bool other_terms(struct run *r)
{
    char was[SHA256_HEX];
    memcpy(was, r->digest, sizeof was);
    run_bind(r, &r->ro->trials.ledger->plan.terms);
    return strcmp(was, r->digest) != 0;
}

static void answered(struct engine *en, struct job *j)
{
    struct ro *ro = j->ctx;
    struct ro_ledger *g = ro->trials.ledger;
    const struct lookup *f = j->result;
    struct run *r = ro->trials.run;
    bool none = !j->ok && j->err.code == ERR_NOT_FOUND && !en->diary.scribe; /* who only looks finds no log */
    g->asking = false;
    if (!j->ok && !none) {
        if (en->diary.scribe)
            timer_set(en, now_of(en) + (waiting(ro) ? AGAIN_US : 10 * AGAIN_US), ask_again, ro);
        return;
    }
    g->known = true;
    keep_log(en, f);
    settle(ro);
    if (!r || r->wave[0].step < RUN_LEDGER)
        return;
    plan_again(ro, false);
    /* A stage that waits cannot begin with metrics that its trial does not have. */
    if ((!waiting(ro) || g->wave > 0) && g->bound && g->plan.kind == PLAN_GOES_ON && other_terms(r)) {
        trial_end(ro);
        advance(ro);
        return;
    }
    if (en->spec.judge && en->diary.scribe && !g->plan.claimed && !g->claiming && g->tries < CLAIMS_MAX) {
        claim(ro);
        return;
    }
    if (waiting(ro)) {
        timer_cancel(en, late, ro);
        go_on(ro);
        advance(ro);
    } else {
        hold(ro);
        say(ro);
    }
}

static void ask(struct ro *ro)
{
    struct ro_ledger *g = ro->trials.ledger;
    if (g->asking || g->claiming)
        return;
    struct job *j = job_new(JOB_READ);
    struct lookup *f = ARENA_NEW(&j->arena, struct lookup);
    f->from = log_kept(ro->en)->seq + 1;
    j->fleet = arena_strdup(&j->arena, ro->en->spec.fleet->name);
    j->read = look_up;
    j->result = f;
    g->asking = true;
    diary_read(ro->en, j, answered, ro);
}

void run_ask_ledger(struct run *r, size_t w)
{
    struct ro *ro = r->ro;
    if (ro_replayed(ro) || !diary_reads(ro->en)) {
        if (w == 0)
            run_bind(r, NULL);
        r->wave[w].step = w == 0 ? RUN_KEPT : RUN_ATTRS;
        return;
    }
    struct ro_ledger *g = ledger_of(ro);
    run_say(r, "the log: what this firmware has spent");
    r->busy = true;
    g->serial = r->serial;
    g->wave = w;
    g->tries = 0;
    g->claiming = false; /* one that the backlog had no room for never answers */
    timer_cancel(ro->en, late, ro);
    timer_set(ro->en, now_of(ro->en) + LATE_US, late, ro);
    ask(ro);
}
