#include "engine/policy.h"

#include "engine/worker.h"

static bool matches(const char *glob, const char *text)
{
    struct limit l = {.device_class = glob};
    return limit_names(&l, text);
}

/* Every device of wave 0, as listed. */
static bool all_match(const struct ro *ro, const char *glob)
{
    const struct wv *v = &ro->wv[0];
    for (size_t i = 0; i < v->watch.n_members; i++)
        if (!matches(glob, ro->en->watch.devs[v->watch.members[i]].raw_id))
            return false;
    return v->watch.n_members > 0;
}

static void use(struct ro *ro, const struct policy *p)
{
    ro->policy.final = true;
    if (p == ro->policy.ruled)
        return;
    ro->policy.ruled = ro->policy.applies = p;
    ANNOUNCE(ro->en, ruled, ro);
}

static void choose(struct ro *ro)
{
    const struct fleet_spec *f = ro->en->spec.fleet;
    bool listed = ro->facts.waves_known && ro->facts.n_waves > 0 && ro->wv[0].watch.listed;
    if (ro->policy.final || !ro->facts.known)
        return;
    for (size_t i = 0; i < f->n_rules; i++) {
        const struct policy_rule *r = &f->rules[i];
        if (!matches(r->rollout, ro->facts.r.name))
            continue;
        if (r->device_class && *r->device_class) {
            if (!listed)
                return;
            if (!all_match(ro, r->device_class))
                continue;
        }
        use(ro, r->policy);
        return;
    }
    use(ro, ro->en->policy);
}

void policy_fix(struct ro *ro, const struct policy *p)
{
    ro->policy.ruled = ro->policy.applies = p;
    ro->policy.final = true;
}

void policy_hold(struct ro *ro, const struct policy *p)
{
    ro->policy.applies = p ? p : ro->policy.ruled;
    mark(ro->en);
}

static void ro_init(struct ro *ro)
{
    ro->policy.ruled = ro->policy.applies = ro->en->policy;
}

static void seen(struct ro *ro, enum rollout_state was)
{
    (void)was;
    choose(ro);
}

const struct part part_policy = {.name = "policy", .ro_init = ro_init, .seen = seen, .devices = choose};
