/* Runs every case of a file in the format of the design's statistics-cases.json (ANDON_CASES, else the copy beside this
 * test). An unknown kind of case fails: a case that is skipped proves nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/eprocess.h"
#include "core/json.h"
#include "core/ledger.h"
#include "core/ranktest.h"

struct suite {
    struct json_t *doc;
    double rel, abs;
    int checks;
};
struct job {
    struct suite *s;
    const struct json_t *in, *want;
};

static double num(const struct json_t *obj, const char *key)
{
    double v = NAN;
    if (!json_num(obj, key, &v))
        fail_msg("the case has no number '%s'", key);
    return v;
}

static int64_t whole(const struct json_t *obj, const char *key)
{
    return (int64_t)llrint(num(obj, key));
}

static double at(const struct json_t *arr, size_t i)
{
    double v = NAN;
    assert_true(json_num_value(json_at(arr, i), &v));
    return v;
}

static void near_to(struct suite *s, const char *what, double got, double want, double rel)
{
    s->checks++;
    if (got == want || fabs(got - want) <= s->abs + rel * fabs(want))
        return;
    fail_msg("%s: got %.17g, want %.17g", what, got, want);
}

static void same(struct suite *s, const struct json_t *want, const char *key, double got)
{
    double v;
    const char *word = json_str(want, key, NULL);
    if (word && strcmp(word, "inf") == 0)
        assert_true(isinf(got));
    else if (json_num(want, key, &v))
        near_to(s, key, got, v, s->rel);
}

static void decides(struct job *j, double log_e)
{
    const struct json_t *halt = json_get(j->want, "halt_at_alpha"), *v;
    const char *alpha;
    void *it = NULL;
    while (halt && json_each(halt, &it, &alpha, &v)) {
        bool want;
        assert_true(json_bool(halt, alpha, &want));
        assert_int_equal(log_e >= eprocess_needed(strtod(alpha, NULL)), want);
        j->s->checks++;
    }
}

/* A process stepped through the case's "steps", compared after each. */
static void steps(struct job *j, void (*step)(struct eprocess *, const struct json_t *, const struct json_t *))
{
    struct eprocess e;
    eprocess_init(&e, num(j->in, "theta0"));
    const struct json_t *list = json_get(j->in, "steps"), *want = json_get(j->want, "log_e_after_each_step");
    assert_int_equal(json_len(list), json_len(want));
    for (size_t i = 0; i < json_len(list); i++) {
        step(&e, j->in, json_at(list, i));
        near_to(j->s, "log_e_after_each_step", eprocess_log(&e), at(want, i), j->s->rel);
    }
    const struct json_t *grid = json_get(j->want, "grid_log_e_final");
    for (size_t i = 0; i < json_len(grid); i++)
        near_to(j->s, "grid_log_e_final", e.log_e[i], at(grid, i), j->s->rel);
    decides(j, eprocess_log(&e));
}

static void step_logrank(struct eprocess *e, const struct json_t *in, const struct json_t *s)
{
    (void)in;
    assert_true(eprocess_logrank(e, (int64_t)at(s, 0), (int64_t)at(s, 1), (int64_t)at(s, 2), (int64_t)at(s, 3)));
}

static void logrank_av(struct job *j)
{
    steps(j, step_logrank);
}

static void logrank_single_theta(struct job *j)
{
    same(j->s, j->want, "log_lr",
         logrank_log_lr(whole(j->in, "yc"), whole(j->in, "yk"), whole(j->in, "dc"), whole(j->in, "dk"),
                        num(j->in, "theta"), 1));
}

static void logrank_published(struct job *j)
{
    const struct json_t *list = json_get(j->in, "steps"), *pub = json_get(j->want, "published");
    double less = 0, greater = 0;
    for (size_t i = 0; i < json_len(list); i++) {
        const struct json_t *s = json_at(list, i);
        int64_t v[4];
        for (size_t k = 0; k < 4; k++)
            v[k] = (int64_t)at(s, k);
        less += logrank_log_lr(v[0], v[1], v[2], v[3], num(j->in, "theta_less"), 1);
        greater += logrank_log_lr(v[0], v[1], v[2], v[3], num(j->in, "theta_greater"), 1);
    }
    same(j->s, j->want, "log_e_less", less);
    same(j->s, j->want, "log_e_greater", greater);
    near_to(j->s, "eValueLess", exp(less), num(pub, "eValueLess"), 1e-6);
    near_to(j->s, "eValueGreater", exp(greater), num(pub, "eValueGreater"), 1e-6);
}

static void bernoulli_limit(struct job *j)
{
    double e = bernoulli_limit_log(whole(j->in, "x"), whole(j->in, "n"), num(j->in, "p0"));
    same(j->s, j->want, "log_e", e);
    decides(j, e);
}

static double *numbers(const struct json_t *arr, size_t *n)
{
    *n = json_len(arr);
    double *v = xreallocarray(NULL, *n, sizeof *v);
    for (size_t i = 0; i < *n; i++)
        v[i] = at(arr, i);
    return v;
}

static void mann_whitney(struct job *j)
{
    size_t n, m;
    double *x = numbers(json_get(j->in, "x"), &n), *y = numbers(json_get(j->in, "y"), &m);
    struct ranktest r;
    ranktest(x, n, y, m, &r);
    same(j->s, j->want, "U", r.u);
    same(j->s, j->want, "p_greater_asymptotic", r.p_asymptotic);
    same(j->s, j->want, "p_greater_exact", r.p_exact);
    free(x);
    free(y);
}

static void look_schedule(struct job *j)
{
    const struct json_t *looks = json_get(j->want, "looks"), *share = json_get(j->want, "alpha_share");
    for (size_t i = 0; i < json_len(looks); i++) {
        assert_int_equal(look_time(whole(j->in, "t1"), (int)i + 1), (int64_t)at(looks, i));
        near_to(j->s, "alpha_share", look_share((int)i + 1), at(share, i), j->s->rel);
    }
}

static void ledger_case(struct job *j)
{
    static const char *const names[LEDGER_METRICS] = {"reboot", "silence", "cpu", "variance"};
    const struct json_t *metrics = json_get(j->in, "metrics"), *reboot = json_get(j->want, "stage_reboot_alpha");
    double share[LEDGER_METRICS];
    for (int m = 0; m < LEDGER_METRICS; m++)
        share[m] = num(metrics, names[m]);
    struct ledger l;
    assert_true(ledger_init(&l, num(j->in, "alpha"), 0, (int)whole(j->in, "stages"), share,
                            num(j->in, "install_whole_rollout")));
    for (size_t s = 0; s < json_len(reboot); s++)
        near_to(j->s, "stage_reboot_alpha", ledger_alpha(&l, (int)s, LEDGER_REBOOT), at(reboot, s), j->s->rel);
    same(j->s, j->want, "install_alpha", ledger_install(&l));
    same(j->s, j->want, "total", ledger_total(&l));
}

/* A metric that was not tested at first is added from a stage on, out of the reserve. */
static void ledger_add_case(struct job *j)
{
    static const char *const names[LEDGER_METRICS] = {"reboot", "silence", "cpu", "variance"};
    const struct json_t *metrics = json_get(j->in, "metrics"), *more = json_get(j->in, "added");
    const struct json_t *stages = json_get(j->want, "stage_alpha");
    double share[LEDGER_METRICS], added[LEDGER_ALL] = {0};
    struct ledger l;
    for (int m = 0; m < LEDGER_METRICS; m++) {
        share[m] = num(metrics, names[m]);
        added[m] = num(more, names[m]);
    }
    assert_true(ledger_init(&l, num(j->in, "alpha"), num(j->in, "reserve"), (int)whole(j->in, "stages"), share,
                            num(j->in, "install_whole_rollout")));
    bool fits = false;
    assert_true(json_bool(j->want, "fits", &fits));
    assert_int_equal(ledger_add(&l, added, (int)whole(j->in, "from")), fits);
    for (size_t s = 0; s < json_len(stages); s++) {
        double sum = 0;
        for (int m = 0; m < LEDGER_METRICS; m++)
            sum += ledger_alpha(&l, (int)s, m);
        near_to(j->s, "stage_alpha", sum, at(stages, s), j->s->rel);
    }
    same(j->s, j->want, "drawn", l.drawn);
    same(j->s, j->want, "total", ledger_total(&l));
}

static const struct {
    const char *kind;
    void (*run)(struct job *);
} kinds[] = {
    {"logrank_av", logrank_av},
    {"logrank_single_theta", logrank_single_theta},
    {"logrank_published", logrank_published},
    {"bernoulli_limit", bernoulli_limit},
    {"mann_whitney", mann_whitney},
    {"look_schedule", look_schedule},
    {"ledger", ledger_case},
    {"ledger_add", ledger_add_case},
};

/* Kinds of the format that are about figures which andon does not have: they are reported as skipped. */
static const char *const not_computed[] = {
    "poisson_grid",   "poisson_limit", "beta_binomial_mixture", "poisson_conditional", "binomial_ci",
    "brown_forsythe", "welford"};

static struct suite suite;

static void run_case(void **state)
{
    const struct json_t *c = *state;
    const char *kind = json_str(c, "kind", NULL);
    struct job j = {&suite, json_get(c, "input"), json_get(c, "expected")};
    int before = suite.checks;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (kind && strcmp(kind, kinds[i].kind) == 0) {
            kinds[i].run(&j);
            assert_true(suite.checks > before);
            return;
        }
    }
    for (size_t i = 0; kind && i < sizeof not_computed / sizeof *not_computed; i++)
        if (strcmp(kind, not_computed[i]) == 0)
            skip();
    fail_msg("no code for cases of kind '%s'", kind ? kind : "(none)");
}

static char *read_file(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(2);
    }
    char *p = xmalloc(16 << 20);
    *n = fread(p, 1, (16 << 20) - 1, f);
    p[*n] = '\0';
    fclose(f);
    return p;
}

int main(void)
{
    const char *path = getenv("ANDON_CASES");
    struct err e = {0};
    size_t n;
    char *text = read_file(path ? path : "tests/core/statistics-cases.json", &n);
    suite.doc = json_parse(text, n, 16 << 20, path ? path : "statistics-cases.json", &e);
    free(text);
    if (!suite.doc) {
        fprintf(stderr, "%s\n", e.what);
        return 2;
    }
    const struct json_t *tol = json_get(suite.doc, "tolerance"), *cases = json_get(suite.doc, "cases");
    suite.rel = num(tol, "relative");
    suite.abs = num(tol, "absolute");
    size_t count = json_len(cases);
    struct CMUnitTest *tests = xcalloc(count, sizeof *tests);
    for (size_t i = 0; i < count; i++) {
        const char *id = json_str(json_at(cases, i), "id", NULL);
        union {
            const struct json_t *in;
            void *out;
        } u = {json_at(cases, i)};
        tests[i] = (struct CMUnitTest){id ? id : "?", run_case, NULL, NULL, u.out};
    }
    int rc = count ? _cmocka_run_group_tests("statistics", tests, count, NULL, NULL) : 2;
    free(tests);
    json_free(suite.doc);
    return rc;
}
