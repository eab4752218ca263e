/* Where a plan's devices stand, and what follows from it: counts, conditions, and what became of claims that nobody has
 * answered for. Asked is about devices that were told and are not done, a piece at a time, and ever more seldom while
 * nothing moves. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/own_waves_impl.h"

static bool open_at(const struct own_plan *p, size_t device)
{
    return plan_device_open(&p->s, device, (enum standing_at)p->at[device], clock_wall(p->own->log.clock));
}

static bool anything_open(const struct own_plan *p)
{
    for (size_t i = 0; i < p->s.n_claims; i++) /* what was never claimed is not open */
        for (size_t k = p->s.claims[i].first; k < p->s.claims[i].first + p->s.claims[i].n; k++)
            if (open_at(p, k))
                return true;
    return false;
}

bool own_settled(const struct own_waves *own)
{
    for (const struct own_plan *p = own->plans; p; p = p->next)
        if (!p->looked && anything_open(p))
            return false;
    return own->known;
}

int64_t own_look_due(const struct own_plan *p)
{
    return p->looking || !anything_open(p) ? TIME_NEVER : p->look_at;
}

void own_stands(struct own_plan *p, size_t device, enum standing_at at)
{
    /* What nobody said changes nothing, and what was installed stays so: what comes after it is another rollout's. */
    if (at == AT_UNKNOWN || p->at[device] == AT_INSTALLED || p->at[device] == at)
        return;
    p->at[device] = (uint8_t)at;
    own_changed(p);
}

/* ---- claims that nobody has answered for ---- */

static char finding(const struct own_plan *p, size_t device, int64_t age)
{
    switch ((enum standing_at)p->at[device]) {
    case AT_TOLD:
    case AT_BUSY:
    case AT_INSTALLED:
    case AT_FAILED:
    case AT_RECALLED:
    case AT_LOST:
        return OUTCOME_DONE;
    case AT_ABSENT:
    case AT_OTHER:
        return age > OWN_MISS_US ? OUTCOME_MISSED : 0;
    case AT_UNKNOWN:
        break;
    }
    return 0;
}

/* False: not all of it is known yet, or there is nothing to say. */
static bool findings(const struct own_plan *p, const struct plan_claim *c, char *out)
{
    const struct own_log *l = &p->own->log;
    int64_t age = clock_wall(l->clock) - c->t;
    bool any = false;
    bool others = !c->answered && strcmp(c->by, l->me) != 0 && l->lives(l->ctx, c->by);
    if ((p->step != OWN_IDLE && strcmp(c->key, p->key) == 0) || (others && age < 2 * OWN_MISS_US))
        return false; /* the answer may still come */
    for (size_t i = 0; i < c->n; i++) {
        uint8_t told = p->s.told[c->first + i];
        out[i] = '-';
        if (told != PT_CLAIMED && told != PT_NOT_KNOWN)
            continue;
        out[i] = finding(p, c->first + i, age);
        any = true;
        if (!out[i])
            return false;
    }
    out[c->n] = '\0';
    return any;
}

static void said(void *arg, int64_t seq, const struct err *err)
{
    struct own_plan *p = arg;
    (void)seq;
    p->saying = false;
    if (!err)
        own_read(p->own);
}

/* Of the devices that were looked at just now. */
static void say_findings(struct own_plan *p, size_t from, size_t end)
{
    char out[PLAN_BATCH_MAX + 1];
    for (size_t i = 0; !p->saying && i < p->s.n_claims; i++) {
        const struct plan_claim *c = &p->s.claims[i];
        if (c->first < from || c->first + c->n > end || !findings(p, c, out))
            continue;
        struct plan_entry e = own_entry(p, PLAN_READ);
        e.key = c->key;
        e.wave = (int)plan_wave_of(&p->plan, c->first);
        e.first = c->first;
        e.n = c->n;
        e.outcomes = out;
        e.rule = true;
        p->saying = true;
        p->own->log.append(p->own->log.ctx, &e, false, NULL, said, p);
    }
}

/* ---- conditions ---- */

static void say(struct own_plan *p, enum plan_event event, int wave, const char *reason)
{
    struct plan_entry e = own_entry(p, event);
    e.wave = wave;
    e.reason = reason;
    e.rule = true;
    p->saying = true;
    p->own->log.append(p->own->log.ctx, &e, false, NULL, said, p);
}

void own_conditions(struct own_plan *p)
{
    const struct counts *c = own_counts(p);
    char why[256];
    if (p->saying || p->s.phase != PLAN_IS_RUNNING || p->hold.on || p->stop.on || !own_may(p, false))
        return;
    for (int w = 0; w < p->s.opened; w++)
        if (!p->s.failed[w] && plan_wave_failed(&p->plan, (size_t)w, &c[w]) && !own_done(p)) {
            snprintf(why, sizeof why, "W%d: %" PRId64 " of %zu failed, more than %d.%02d%%", w, c[w].error,
                     p->plan.waves[w].n, p->plan.failure_bp / 100, p->plan.failure_bp % 100);
            own_hold(p, why, true, w);
            return;
        }
    if (p->s.opened == (int)p->plan.n_waves) {
        if (own_done(p))
            say(p, PLAN_FINISHED, 0, "");
        return;
    }
    int last = p->s.opened - 1;
    if (p->plan.success_bp > 0 && c[last].scheduled == 0 && own_may(p, true) &&
        c[last].finished * 10000 >= (int64_t)p->plan.success_bp * (int64_t)p->plan.waves[last].n) {
        snprintf(why, sizeof why, "W%d: %" PRId64 " of %zu have it", last, c[last].finished, p->plan.waves[last].n);
        say(p, PLAN_OPENED, p->s.opened, why);
    }
}

/* ---- asking ---- */

static void looked(void *ctx, const struct reply *r)
{
    struct own_call *c = ctx;
    struct own_plan *p = c->plan;
    struct own_waves *own = c->own;
    bool moved = false;
    if (own->ending)
        return;
    p->looking = false;
    own_heard(own, r);
    for (size_t i = 0; i < c->n; i++) {
        uint8_t was = p->at[c->index[i]];
        own_stands(p, c->index[i], c->standing[i].at);
        moved = moved || was != p->at[c->index[i]];
    }
    bool more = !r->err && p->cursor > 0; /* the rest of them, at once */
    p->looked = p->looked || !more;
    if (moved)
        p->look_delay = OWN_LOOK_MIN;
    else if (!more)
        p->look_delay = p->look_delay * 2 < OWN_LOOK_MAX ? p->look_delay * 2 : OWN_LOOK_MAX;
    p->look_at = own_now(own) + (more ? 0 : p->look_delay);
    size_t from = c->first, end = r->err ? c->first : c->end;
    own_call_end(c, r);
    if (own_may(p, false))
        say_findings(p, from, end);
    own_conditions(p);
    own_wake(own);
}

static void nobody(void *ctx, const struct reply *r)
{
    (void)ctx;
    (void)r;
}

void own_look(struct own_plan *p)
{
    struct own_waves *own = p->own;
    if (own_now(own) < own_look_due(p))
        return;
    struct own_call *c = own_call_new(own, p, NULL, NULL, nobody, NULL);
    c->index = ARENA_ARRAY(&c->memory, size_t, OWN_LOOK_MOST);
    size_t i = p->cursor;
    for (; i < p->plan.n && c->n < OWN_LOOK_MOST; i++)
        if (open_at(p, i))
            c->index[c->n++] = i;
    c->first = p->cursor;
    c->end = i;
    p->cursor = i < p->plan.n ? i : 0;
    if (c->n == 0) { /* what is open lies before the cursor */
        own_call_end(c, &(struct reply){0});
        return;
    }
    c->ids = ARENA_ARRAY(&c->memory, const char *, c->n);
    c->standing = ARENA_ARRAY(&c->memory, struct device_standing, c->n);
    for (size_t k = 0; k < c->n; k++)
        c->ids[k] = p->plan.raw_ids[c->index[k]];
    p->looking = true;
    own->inner->ops->standing(own->inner, &p->plan.release, c->ids, c->n, &c->memory, c->standing, looked, c);
}
