/* Which verbs would pass now. What a screen advertises is asked of the same check that the engine makes. */
#include <stdio.h>
#include <string.h>

#include "views/app.h"

bool offer_passes(const struct intent *in, const struct verb_facts *f, struct err *why)
{
    struct intent filled = *in;
    if (!filled.reason[0])
        snprintf(filled.reason, sizeof filled.reason, "-");
    filled.expect_devices = -1;
    if (in->verb == VERB_ACK && !in->rollout[0] && !f->latched)
        return err_set(why, ERR_STATE, "", "nothing in %s is halted: there is nothing to acknowledge", in->fleet);
    return verb_check(&filled, f, why);
}

bool offer_verb(const struct view_data *d, const char *fleet, const char *rollout, enum verb v, struct err *why)
{
    const struct snapshot *s = find_snap(d, fleet);
    struct intent in = {.verb = v, .all_waves = true, .expect_devices = -1, .to_release = "-"};
    struct verb_facts f;
    if (!s)
        return err_set(why, ERR_NOT_FOUND, "", "the fleet %.60s is not there any more", fleet);
    snprintf(in.fleet, sizeof in.fleet, "%s", fleet);
    snprintf(in.rollout, sizeof in.rollout, "%s", rollout);
    snapshot_facts(s, rollout, d->now, &f);
    f.target = NULL; /* asked for when the dialog is open */
    return offer_passes(&in, &f, why);
}

bool offer_ack(struct app *a, const struct view_data *d, char fleet[64], char rollout[ID_MAX], struct err *why)
{
    const struct rollout_view *r = NULL;
    if (find_target(a, d, fleet, rollout, why))
        r = find_rollout(d, fleet, rollout, NULL);
    if (!r || !r->latched) {
        char f[64], id[ID_MAX];
        if (banner_shown(a, d, f, id)) {
            memcpy(fleet, f, sizeof f);
            memcpy(rollout, id, sizeof id);
        }
    }
    if (!rollout[0])
        return err_set(why, ERR_STATE, "", "no rollout is highlighted, and the banner shows none that is halted");
    return offer_verb(d, fleet, rollout, VERB_ACK, why);
}

enum verb offer_nth(int i)
{
    return i == 0 ? VERB_HALT : i < VERB_HALT ? (enum verb)i : (enum verb)(i + 1);
}

void offer_hints(struct app *a, const struct view_data *d, const char *const *hints, const char *out[HINTS_MAX])
{
    char fleet[64], rollout[ID_MAX];
    size_t n = 0;
    bool any = find_target(a, d, fleet, rollout, NULL);
    for (; hints[0] && n + 3 < HINTS_MAX; hints += 2) {
        if (hints[0][0]) {
            out[n++] = hints[0];
            out[n++] = hints[1];
            continue;
        }
        for (int i = 0; any && i < VERB_COUNT - 1 && n + 3 < HINTS_MAX; i++) {
            const struct verb_row *row = verb_row(offer_nth(i));
            if (row->key[0] && offer_verb(d, fleet, rollout, offer_nth(i), NULL)) {
                out[n++] = row->key;
                out[n++] = row->label;
            }
        }
    }
    out[n] = NULL;
}
