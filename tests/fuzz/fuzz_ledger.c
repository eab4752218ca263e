/* What the log says of the tests: claims on a firmware's alpha, three lines each (terms, shares of an older entry,
 * strata), or, with another first byte, the inputs of a decision. Whatever it is, no more is spent than there is. */
#include "fuzz.h"

#include <math.h>
#include <string.h>
#include "core/trial_account.h"

/* The next line, as text of its own. */
static const char *line(const char **p, const char *end, struct arena *a)
{
    const char *from = *p, *nl = memchr(from, '\n', (size_t)(end - from));
    size_t n = (size_t)((nl ? nl : end) - from);
    *p = nl ? nl + 1 : end;
    return arena_strndup(a, from, n);
}

/* What is read is written as the same text, whichever was read. */
static void read_terms(const char *json, struct arena *a)
{
    struct trial_terms t, again;
    struct err e = {0};
    struct buf b, c;
    if (!terms_read(json, strlen(json), a, &t, &e)) {
        must(e.code != ERR_NONE && e.what[0] && fuzz_shown(e.what));
        return;
    }
    struct ledger l;
    char differs[ACCOUNT_TEXT];
    buf_init(&b, 1 << 16);
    buf_init(&c, 1 << 16);
    terms_write(&t, &b);
    must(terms_read(b.data, b.len, a, &again, &e));
    terms_write(&again, &c);
    must(b.len == c.len && memcmp(b.data, c.data, b.len) == 0);
    must(!terms_ledger(&t, &l) || ledger_total(&l) <= 1 + 1e-9);
    terms_differ(&t, &again, differs);
    must(fuzz_shown(differs));
    buf_release(&b);
    buf_release(&c);
}

static void take_claims(const char *p, const char *end, struct arena *a)
{
    static const char *const ids[] = {"10", "11", "12"};
    struct account c = {0};
    struct trial_spec spec = {.policy = policy_default()->evidence,
                              .waves = 2,
                              .start = 1000000,
                              .step_us = 15000000,
                              .grace_us = 0,
                              .silence_us = 300000000};
    for (size_t i = 0; p < end; i++) {
        struct account_claim k = {
            .who = {"f", ids[i % 3], 5, "n", "r:1"}, .begun = (int64_t)(i % 5), .acts = i % 4 != 3};
        k.terms = line(&p, end, a);
        k.ledger = line(&p, end, a);
        k.strata = line(&p, end, a);
        read_terms(k.terms, a);
        account_take(&c, a, &k);
        must(c.alpha >= 0 && c.alpha < 1 && c.spent >= 0 && c.spent <= c.alpha + 1e-9);
    }
    const struct trial_terms t = terms_of(&spec, policy_default(), 600000000);
    for (size_t i = 0; i < 3; i++) {
        struct rollout_identity who = {"f", ids[i], 5, "n", "r:1"};
        struct account_plan plan;
        double mine, others;
        account_plan(&c, &who, &t, 1, true, a, &plan);
        account_spent(&c, &who, &mine, &others);
        must(plan.left >= 0 && mine >= 0 && others >= 0 && fuzz_shown(plan.differs));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct err e = {0};
    struct replay r;
    if (n == 0)
        return 0;
    arena_init(&a);
    const char *p = (const char *)data + 1;
    if (data[0] & 1)
        must(trial_replay(p, n - 1, &r, &e) ? fuzz_shown(r.text) : e.what[0] && fuzz_shown(e.what));
    else
        take_claims(p, p + n - 1, &a);
    arena_release(&a);
    return 0;
}
