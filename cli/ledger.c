#include "cli/ledger.h"

#include <string.h>
#include <unistd.h>

#define ENTRIES 1000000

/* The terms are those of the rollout's first entry that has some. */
static bool find_terms(struct audit_log *l, const struct rollout_identity *who, struct arena *a,
                       struct trial_terms *out)
{
    struct audit_query q = {.fleet = who->fleet, .rollout = who->id, .kind = "config", .limit = ENTRIES};
    struct stored *v;
    struct err e = {0};
    size_t n;

    if (!audit_query(l, &q, a, &v, &n, &e))
        return false;
    for (size_t i = 0; i < n; i++) {
        const char *terms = stored_field(&v[i], "terms");
        struct rollout_identity of = stored_identity(&v[i]);

        if (strcmp(v[i].result, "ledger") == 0 && *terms && identity_same(&of, who) == IDENTITY_SAME &&
            terms_read(terms, strlen(terms), a, out, &e))
            return true;
    }
    return false;
}

void ledger_differs(const struct audit_spec *spec, const struct rollout_identity *who, const struct policy *p,
                    char out[ACCOUNT_TEXT])
{
    struct audit_spec looks = *spec;
    struct trial_terms bound;
    struct err e = {0};
    struct arena a;

    out[0] = '\0';
    looks.read_only = true;
    struct audit_log *l = spec->socket || access(spec->db_path, F_OK) == 0 ? audit_open(&looks, &e) : NULL;
    if (!l)
        return;
    arena_init(&a);
    if (find_terms(l, who, &a, &bound)) {
        struct trial_spec now = bound.spec;
        now.policy = p->evidence;
        now.grace_us = p->grace_us;
        struct trial_terms policy = terms_of(&now, p, bound.window_us);
        terms_differ(&bound, &policy, out);
    }
    arena_release(&a);
    audit_close(l);
}
