/* Which policy applies to a rollout: the first of the fleet's rules that matches it, else the fleet's own. */
#include <string.h>
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
    for (size_t i = 0; i < v->n_members; i++)
        if (!matches(glob, ro->en->devs[v->members[i]].raw_id))
            return false;
    return v->n_members > 0;
}

static void use(struct ro *ro, const struct policy *p)
{
    ro->policy_final = true;
    if (p == ro->policy)
        return;
    ro->policy = p;
    trial_end(ro);
    for (size_t i = 0; i < ro->n_waves; i++) { /* what was judged by other limits says nothing about these */
        memset(&ro->wv[i].vstate, 0, sizeof ro->wv[i].vstate);
        memset(&ro->wv[i].verdict, 0, sizeof ro->wv[i].verdict);
        ro->wv[i].verdict.rule = "";
        ro->wv[i].judged = false;
    }
}

/* A rule with a device class waits for the list of wave 0; until then the fleet's policy is used. */
void rules_choose(struct ro *ro)
{
    const struct fleet_spec *f = ro->en->spec.fleet;
    bool listed = ro->waves_known && ro->n_waves > 0 && ro->wv[0].listed;
    if (ro->policy_final || !ro->known)
        return;
    for (size_t i = 0; i < f->n_rules; i++) {
        const struct policy_rule *r = &f->rules[i];
        if (!matches(r->rollout, ro->r.name))
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
