/* Trial: which boot of a staged update is the update's own, by a fact: a number of the device's that goes up with it.
 *
 * A boot is named by a rise in the sample that shows it, or in the device's sample before or after that one: agent and
 * kernel are two, and either may be scraped first. So all boots count one sample later than they are seen, those of
 * control too, which has no update: when an event is counted must not depend on the side. Of each device at most one
 * boot is named, whatever it reports; all others count. Only a canary's is left out. That takes events away from its
 * side alone, which can only lower the evidence of the tick (docs/statistics.md, "A second boot").
 *
 * A number that goes up with any boot would excuse the canaries' next one, whoever made it. Control shows that: devices
 * there were not told anything. While it names boots of more than half of the devices that booted as control, and of
 * two at least, nothing is named. */
#include <math.h>
#include "core/trial_state.h"

bool trial_names(const struct trial *t)
{
    return t->others[1] < 2 || t->others[1] * 2 <= t->others[0];
}

void trial_activation_seen(struct trial *t, size_t i, double value)
{
    struct activated *a = &t->activated[i];
    unsigned f = a->flags & ~(ACTIVATED_ROSE | ACTIVATED_BEFORE);
    if (a->flags & ACTIVATED_ROSE)
        f |= ACTIVATED_BEFORE;
    if (value > a->value)
        f |= ACTIVATED_ROSE;
    a->flags = (uint8_t)f;
    if (isfinite(value))
        a->value = value;
}

/* Its boots are known; is one of them named? */
static bool name_one(struct trial *t, size_t i, bool names, int32_t at_s)
{
    struct activated *a = &t->activated[i];
    if (!(t->w[i].flags & WATCHED_CANARY)) {
        t->others[1] += !(a->flags & ACTIVATED_OTHER);
        a->flags |= ACTIVATED_OTHER;
        return false;
    }
    if (!names || a->flags & ACTIVATED_NAMED)
        return false;
    a->flags |= ACTIVATED_NAMED;
    a->boot_s = at_s;
    return true;
}

int trial_activation_boots(struct trial *t, size_t i, int boots, bool named, int32_t *from_s, int32_t *at_s)
{
    if (!t->activation)
        return boots;
    struct activated *a = &t->activated[i];
    bool rose = a->flags & ACTIVATED_ROSE;
    int due = a->waiting;
    int32_t due_from = a->from_s, due_at = a->at_s;
    if (boots > 0 && !(t->w[i].flags & WATCHED_CANARY)) {
        t->others[0] += !(a->flags & ACTIVATED_BOOTED);
        a->flags |= ACTIVATED_BOOTED;
    }
    if (boots > 0 && (rose || a->flags & ACTIVATED_BEFORE))
        boots -= name_one(t, i, named, *at_s);
    else if (due > 0 && rose)
        due -= name_one(t, i, named, due_at);
    a->waiting = (uint8_t)boots;
    a->from_s = *from_s;
    a->at_s = *at_s;
    *from_s = due_from;
    *at_s = due_at;
    return due;
}

void trial_activation_add(struct trial *t, size_t i)
{
    if (t->activation)
        t->activated[i] = (struct activated){.value = NAN};
}

void trial_activation_restart(struct trial *t, size_t i)
{
    if (t->activation)
        t->activated[i].waiting = 0;
}

void trial_activation_loaded(struct trial *t)
{
    for (size_t i = 0; t->activation && i < t->n; i++) {
        t->others[0] += t->activated[i].flags & ACTIVATED_BOOTED ? 1 : 0;
        t->others[1] += t->activated[i].flags & ACTIVATED_OTHER ? 1 : 0;
    }
}
