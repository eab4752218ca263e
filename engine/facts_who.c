/* Which rollout stands under a number. */
#include "engine/worker.h"

enum identity_answer ro_about(const struct ro *ro, const struct identity_mark *m)
{
    const struct identity_mark *own = &ro->facts.mark;
    return ro->facts.known ? identity_about(m, &own->who) : identity_same(&m->who, &own->who);
}

void ro_named(struct ro *ro, const struct identity_mark *m)
{
    struct rollout_identity *who = &ro->facts.mark.who;
    if (ro->facts.known || ro->facts.by_number || who->created_at > 0 ||
        (m->who.created_at <= 0 && ro->facts.mark.t > 0))
        return;
    who->created_at = m->who.created_at;
    who->name = arena_strdup(&ro->facts.arena, m->who.name);
    who->release = arena_strdup(&ro->facts.arena, m->who.release);
    ro->facts.mark.t = m->t;
}

void ro_by_number(struct ro *ro)
{
    struct rollout_identity *who = &ro->facts.mark.who;
    if (ro->facts.known)
        return;
    ro->facts.by_number = true;
    ro->facts.mark = (struct identity_mark){{who->fleet, who->id, 0, "", ""}, 0};
}

void ro_identify(struct ro *ro)
{
    ro->facts.mark.who = identity_of(ro->en->spec.fleet->name, &ro->facts.r, ro->facts.release);
    ro->facts.mark.who.id = ro->id;
}

bool ro_is_other(const struct ro *ro, const struct rollout *r)
{
    char release[IDENTITY_RELEASE_BYTES];
    struct rollout_identity now = identity_of(ro->en->spec.fleet->name, r, release);
    now.id = ro->id;
    if (ro->facts.known)
        return identity_same(&ro->facts.mark.who, &now) == IDENTITY_OTHER;
    return ro->facts.mark.t > 0 && identity_about(&ro->facts.mark, &now) == IDENTITY_OTHER;
}

void ro_had_other(struct ro *ro)
{
    if (ro->facts.other_at == 0)
        ro->facts.other_at = now_of(ro->en);
    mark(ro->en);
}
