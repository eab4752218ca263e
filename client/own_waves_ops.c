/* The rollout part, made from plans; what is not about a plan goes to the server. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/own_waves_impl.h"
#include "core/rng.h"
#include "core/text.h"

/* What a plan can do, whatever the server has. */
#define PLAN_CAPS                                                                                                      \
    (CAP_WAVES | CAP_PAUSE | CAP_TRIGGER_NEXT | CAP_STOP | CAP_RETRY | CAP_ACTION_LIST | CAP_WAVE_COUNTS |             \
     CAP_OWN_WAVES)

/* The server has rollouts of its own. */
static bool has_rollouts(const struct own_waves *own)
{
    return own->info_known ? (own->info.caps & CAP_ROLLOUTS) && own->inner->ops->rollouts
                           : own->inner->ops->rollouts != NULL;
}

static void refuse(struct own_call *c, enum err_code code, const char *next, const char *what)
{
    (void)err_set(&c->err, code, next, "%s", what);
    own_call_later(c);
}

static void not_there(struct own_waves *own, struct arena *a, void *out, backend_done done, void *ctx)
{
    struct own_call *c = own_call_new(own, NULL, a, out, done, ctx);
    refuse(c, ERR_NOT_FOUND, "Look for its id on the board.", "there is no such rollout");
}

/* The end of a call that the server has answered. */
static void passed_on(void *ctx, const struct reply *r)
{
    struct own_call *c = ctx;
    own_heard(c->own, r);
    own_call_end(c, r);
}

/* ---- who the server is ---- */

/* How many were told stands beside it in a preview; here would be how many were when the server was last asked. */
static const char *pause_words(const struct own_waves *own)
{
    return own->inner->ops->recall && (own->info.caps & CAP_RECALL)
               ? "no pause on this server: it tells no more; what was told goes on, and only a stop takes it back"
               : "no pause on this server: it tells no more; what was told goes on and can't be recalled";
}

static void probed(void *ctx, const struct reply *r)
{
    struct own_call *c = ctx;
    struct own_waves *own = c->own;
    struct backend_info *out = c->out;
    if (!r->err && !own->ending) {
        own->info = (struct backend_info){.kind = "", .version = "", .user = "", .caps = out->caps};
        own->info_known = true;
        bool server = has_rollouts(own);
        out->caps |= server ? CAP_OWN_WAVES : PLAN_CAPS;
        if (!server && (!out->says[SAY_PAUSE] || !*out->says[SAY_PAUSE]))
            out->says[SAY_PAUSE] = pause_words(own);
    }
    passed_on(c, r);
}

static void o_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    struct own_waves *own = own_of(b);
    struct own_call *c = own_call_new(own, NULL, a, out, done, ctx);
    own->inner->ops->probe(own->inner, a, out, probed, c);
}

/* ---- rollouts ---- */

static enum rollout_state state_of(struct own_plan *p)
{
    switch (p->s.phase) {
    case PLAN_IS_READY:
        return p->stop.on ? ROLLOUT_STOPPING : ROLLOUT_READY;
    case PLAN_IS_RUNNING:
    case PLAN_IS_PAUSED:
        if (p->stop.on)
            return ROLLOUT_STOPPING;
        if (own_done(p))
            return ROLLOUT_FINISHED;
        return p->hold.on || p->s.phase == PLAN_IS_PAUSED ? ROLLOUT_PAUSED : ROLLOUT_RUNNING;
    case PLAN_IS_STOPPED:
        return p->recall_step != OWN_IDLE || own_recalls(p) ? ROLLOUT_STOPPING : ROLLOUT_STOPPED;
    case PLAN_IS_FINISHED:
        break;
    }
    return ROLLOUT_FINISHED;
}

static void fill_rollout(struct own_plan *p, struct arena *a, struct rollout *o)
{
    const struct wave_plan *w = &p->plan;
    const struct counts *c = own_counts(p);
    const char *why = p->hold.on ? p->reason : p->s.reason;
    *o = (struct rollout){.id = arena_strdup(a, w->id),
                          .name = arena_strdup(a, w->name),
                          .description = arena_strdup(a, w->description),
                          .state = state_of(p),
                          .release = {arena_strdup(a, w->release.id), arena_strdup(a, w->release.name),
                                      arena_strdup(a, w->release.version), w->release.order},
                          .filter = arena_strdup(a, w->target),
                          .total = (int64_t)w->n,
                          .counts = {.known = true},
                          .created_at = p->s.created_at,
                          .last_modified = p->modified,
                          .created_by = "",
                          .approval_by = "",
                          .approval_remark = "",
                          .caps = PLAN_CAPS};
    o->state_word = rollout_state_word(o->state);
    if (o->state == ROLLOUT_PAUSED && *why)
        o->state_word = arena_printf(a, "%s (%s)", o->state_word, why);
    for (size_t i = 0; i < w->n_waves; i++) {
        o->counts.notstarted += c[i].notstarted;
        o->counts.scheduled += c[i].scheduled;
        o->counts.running += c[i].running;
        o->counts.finished += c[i].finished;
        o->counts.error += c[i].error;
        o->counts.cancelled += c[i].cancelled;
    }
}

/* The server's are left out that are called as a plan is. */
static bool fill_rollouts(struct own_call *c, struct err *e)
{
    struct own_waves *own = c->own;
    struct rollout_list *out = c->out, in = c->rollouts;
    size_t n = in.n;
    if (!own->known && !has_rollouts(own))
        return err_set(e, own->read_err.code == ERR_NONE ? ERR_TIMEOUT : own->read_err.code, own->read_err.next,
                       "andon keeps this fleet's waves in its log, and that cannot be read: %s",
                       *own->read_err.what ? own->read_err.what : "it has not answered yet");
    for (const struct own_plan *p = own->plans; p; p = p->next)
        n++;
    *out = (struct rollout_list){.v = ARENA_ARRAY(c->arena, struct rollout, n + 1), .clipped = in.clipped};
    struct own_plan *p = own->plans;
    for (size_t i = 0; i < in.n || p;) {
        bool ours = p && (i == in.n || p->s.created_at >= in.v[i].created_at);
        if (out->n == c->limit) {
            out->clipped = true;
            break;
        }
        if (ours)
            fill_rollout(p, c->arena, &out->v[out->n++]);
        else if (plan_is_id(in.v[i].id))
            out->clipped = true;
        else
            out->v[out->n++] = in.v[i];
        if (ours)
            p = p->next;
        else
            i++;
    }
    return true;
}

static void listed(void *ctx, const struct reply *r)
{
    struct own_call *c = ctx;
    struct err e = {0};
    struct reply mine = *r;
    if (!r->err && !c->own->ending && !own_settled(c->own) && c->own->read_err.code == ERR_NONE) {
        own_heard(c->own, r); /* not to be called gone, or not begun, meanwhile */
        c->reply = *r;
        c->fill = fill_rollouts;
        c->wait_until = own_now(c->own) + (has_rollouts(c->own) ? OWN_FIRST_US : OWN_KNOWN_US);
        own_wake(c->own);
        return;
    }
    if (!r->err && !c->own->ending && !fill_rollouts(c, &e))
        mine.err = &e;
    passed_on(c, &mine);
}

static void o_rollouts(struct backend *b, size_t limit, struct arena *a, struct rollout_list *out, backend_done done,
                       void *ctx)
{
    struct own_waves *own = own_of(b);
    struct own_call *c = own_call_new(own, NULL, a, out, done, ctx);
    c->limit = limit;
    if (has_rollouts(own)) {
        own->inner->ops->rollouts(own->inner, limit, a, &c->rollouts, listed, c);
    } else if (own->heard_at != 0 && own_now(own) - own->heard_at < OWN_FRESH_US && own->known) {
        c->fill = fill_rollouts;
        own_call_later(c);
    } else { /* is it there? A plan is no sign of that */
        struct backend_info *info = ARENA_NEW(&c->memory, struct backend_info);
        own->inner->ops->probe(own->inner, &c->memory, info, listed, c);
    }
}

static bool fill_one(struct own_call *c, struct err *e)
{
    (void)e;
    fill_rollout(c->plan, c->arena, c->out);
    return true;
}

static void o_rollout(struct backend *b, const char *id, struct arena *a, struct rollout *out, backend_done done,
                      void *ctx)
{
    struct own_waves *own = own_of(b);
    struct own_plan *p = own_find(own, id);
    if (!p && has_rollouts(own) && !plan_is_id(id)) {
        own->inner->ops->rollout(own->inner, id, a, out, done, ctx);
        return;
    }
    if (!p) {
        not_there(own, a, out, done, ctx);
        return;
    }
    struct own_call *c = own_call_new(own, p, a, out, done, ctx);
    c->fill = fill_one;
    own_call_later(c);
}

/* ---- waves ---- */

static struct condition condition_of(struct arena *a, int bp)
{
    return (struct condition){.present = bp > 0,
                              .can_fire = bp > 0,
                              .percent = bp / 100.0,
                              .text = bp > 0 ? arena_printf(a, "%d.%02d", bp / 100, bp % 100) : ""};
}

static enum wave_state wave_state_of(const struct own_plan *p, size_t w, const struct counts *c)
{
    bool ended = p->s.phase == PLAN_IS_STOPPED || p->s.phase == PLAN_IS_FINISHED;
    if ((int)w >= p->s.opened)
        return p->s.phase == PLAN_IS_READY ? WAVE_READY : WAVE_SCHEDULED;
    return ended || c->scheduled + c->running == 0 ? WAVE_FINISHED : WAVE_RUNNING;
}

static bool fill_waves(struct own_call *c, struct err *e)
{
    struct own_plan *p = c->plan;
    struct wave_list *out = c->out;
    (void)e;
    out->n = p->plan.n_waves;
    out->v = ARENA_ARRAY(c->arena, struct wave, out->n);
    for (size_t i = 0; i < out->n; i++) {
        struct wave *w = &out->v[i];
        w->id = arena_printf(c->arena, "%zu", i);
        w->name = p->plan.sizes[i].measure == PLAN_REST ? "rest" : i == 0 && out->n > 1 ? "canary" : "wave";
        w->index = (int)i;
        w->counts = own_counts(p)[i];
        w->state = wave_state_of(p, i, &w->counts);
        w->state_word = wave_state_word(w->state);
        w->total = (int64_t)p->plan.waves[i].n;
        w->success = condition_of(c->arena, p->plan.success_bp);
        w->failure = condition_of(c->arena, p->plan.failure_bp);
        w->success_action = p->plan.success_bp > 0 ? "NEXTGROUP" : "";
        w->last_modified = p->modified;
    }
    return true;
}

static void o_waves(struct backend *b, const char *rollout, struct arena *a, struct wave_list *out, backend_done done,
                    void *ctx)
{
    struct own_waves *own = own_of(b);
    struct own_plan *p = own_find(own, rollout);
    if (!p && has_rollouts(own) && !plan_is_id(rollout)) {
        own->inner->ops->waves(own->inner, rollout, a, out, done, ctx);
        return;
    }
    if (!p) {
        not_there(own, a, out, done, ctx);
        return;
    }
    struct own_call *c = own_call_new(own, p, a, out, done, ctx);
    c->fill = fill_waves;
    own_call_later(c);
}

/* ---- devices of a wave ---- */

/* Some of a wave are a random sample of it, the same for everybody who asks, and more of them hold the fewer: the
 * plan's own order begins with the least exposed, which would not speak for the others. */
static const uint32_t *picks_of(struct own_plan *p)
{
    if (p->picks)
        return p->picks;
    p->picks = xcalloc(p->plan.n + 1, sizeof *p->picks);
    for (size_t w = 0; w < p->plan.n_waves; w++) {
        uint32_t *v = p->picks + p->plan.waves[w].first;
        size_t n = p->plan.waves[w].n;
        char name[PLAN_ID_BYTES + 24];
        struct rng r;
        snprintf(name, sizeof name, "%s/%zu", p->plan.id, w);
        rng_init_named(&r, p->plan.salt, name);
        for (size_t i = 0; i < n; i++) {
            size_t k = (size_t)rng_below(&r, i + 1); /* Fisher and Yates, inside out */
            v[i] = v[k];
            v[k] = (uint32_t)(p->plan.waves[w].first + i);
        }
    }
    return p->picks;
}

static bool fill_devices(struct own_call *c, struct err *e)
{
    struct own_plan *p = c->plan;
    struct device_list *out = c->out;
    (void)e;
    out->v = ARENA_ARRAY(c->arena, struct device, c->n + 1);
    out->n = c->n;
    for (size_t i = 0; i < c->n; i++) {
        const char *raw = p->plan.raw_ids[c->index[i]];
        const struct device_standing *s = c->standing ? &c->standing[i] : NULL;
        struct device *d = &out->v[i];
        *d = (struct device){.raw_id = arena_strdup(c->arena, raw), .address = ""};
        d->id = d->name = safe_text(c->arena, raw, strlen(raw), NAME_MAX_BYTES);
        d->status = plan_device_status(&p->s, c->index[i], (enum standing_at)p->at[c->index[i]]);
        d->installed_at = s && s->at == AT_INSTALLED ? s->ended_at : 0;
        d->last_seen = s ? s->last_seen : 0;
    }
    return true;
}

static void devices_stand(void *ctx, const struct reply *r)
{
    struct own_call *c = ctx;
    for (size_t i = 0; !c->own->ending && i < c->n; i++)
        own_stands(c->plan, c->index[i], c->standing[i].at);
    if (!r->err && !c->own->ending)
        (void)fill_devices(c, NULL);
    struct own_waves *own = c->own;
    passed_on(c, r);
    if (!own->ending)
        own->log.wake(own->log.ctx, own_now(own)); /* a condition may be met now */
}

static void o_wave_devices(struct backend *b, const char *rollout, const char *wave, size_t limit, struct arena *a,
                           struct device_list *out, backend_done done, void *ctx)
{
    struct own_waves *own = own_of(b);
    struct own_plan *p = own_find(own, rollout);
    char *end;
    if (!p && has_rollouts(own) && !plan_is_id(rollout)) {
        own->inner->ops->wave_devices(own->inner, rollout, wave, limit, a, out, done, ctx);
        return;
    }
    unsigned long w = strtoul(wave, &end, 10);
    if (!p || *end || end == wave || w >= p->plan.n_waves) {
        not_there(own, a, out, done, ctx);
        return;
    }
    struct own_call *c = own_call_new(own, p, a, out, done, ctx);
    const struct plan_wave *v = &p->plan.waves[w];
    out->total = (int64_t)v->n;
    c->n = v->n < limit ? v->n : limit;
    c->index = ARENA_ARRAY(&c->memory, size_t, c->n + 1);
    c->ids = ARENA_ARRAY(&c->memory, const char *, c->n + 1);
    for (size_t i = 0; i < c->n; i++) {
        c->index[i] = c->n < v->n ? picks_of(p)[v->first + i] : v->first + i;
        c->ids[i] = p->plan.raw_ids[c->index[i]];
    }
    if ((int)w >= p->s.opened) { /* nobody has told them anything */
        c->fill = fill_devices;
        own_call_later(c);
        return;
    }
    c->standing = ARENA_ARRAY(&c->memory, struct device_standing, c->n + 1);
    own->inner->ops->standing(own->inner, &p->plan.release, c->ids, c->n, &c->memory, c->standing, devices_stand, c);
}

/* ---- what is alive ---- */

static bool fill_inflight(struct own_call *c, struct err *e)
{
    struct own_plan *p = c->plan;
    struct inflight *out = c->out;
    bool recalling = state_of(p) == ROLLOUT_STOPPING;
    (void)e;
    *out = (struct inflight){.known = true};
    for (size_t i = 0; i < p->plan.n; i++) {
        enum standing_at at = (enum standing_at)p->at[i];
        if (plan_device_lost(&p->s, i, at))
            out->lost++;
        else if (plan_device_status(&p->s, i, at) == DEVICE_PENDING)
            ++*(recalling ? &out->canceling : &out->running);
    }
    return true;
}

static void o_inflight(struct backend *b, const char *rollout, struct arena *a, struct inflight *out, backend_done done,
                       void *ctx)
{
    struct own_waves *own = own_of(b);
    struct own_plan *p = own_find(own, rollout);
    if (!p && has_rollouts(own) && own->inner->ops->inflight && !plan_is_id(rollout)) {
        own->inner->ops->inflight(own->inner, rollout, a, out, done, ctx);
        return;
    }
    if (!p) {
        not_there(own, a, out, done, ctx);
        return;
    }
    struct own_call *c = own_call_new(own, p, a, out, done, ctx);
    c->fill = fill_inflight;
    own_call_later(c);
}

/* By our own clock: when the first of its claims that hold was made. */
static bool fill_told_at(struct own_call *c, struct err *e)
{
    const struct own_plan *p = c->plan;
    int64_t *out = c->out;
    (void)e;
    *out = 0;
    for (size_t i = 0; i < p->s.n_claims; i++)
        if (p->s.claims[i].first >= c->first && p->s.claims[i].first < c->first + c->n &&
            (*out == 0 || p->s.claims[i].t < *out))
            *out = p->s.claims[i].t;
    return true;
}

static void o_told_at(struct backend *b, const char *rollout, const char *raw_device, struct arena *a, int64_t *out,
                      backend_done done, void *ctx)
{
    struct own_waves *own = own_of(b);
    struct own_plan *p = own_find(own, rollout);
    if (!p && has_rollouts(own) && own->inner->ops->told_at && !plan_is_id(rollout)) {
        own->inner->ops->told_at(own->inner, rollout, raw_device, a, out, done, ctx);
        return;
    }
    if (!p) {
        not_there(own, a, out, done, ctx);
        return;
    }
    struct own_call *c = own_call_new(own, p, a, out, done, ctx);
    for (size_t i = 0; i < p->plan.n; i++)
        if (strcmp(p->plan.raw_ids[i], raw_device) == 0) {
            const struct plan_wave *w = &p->plan.waves[plan_wave_of(&p->plan, i)];
            c->first = w->first;
            c->n = w->n;
        }
    c->fill = fill_told_at;
    own_call_later(c);
}

void own_ops(struct own_waves *own)
{
    struct backend_ops *o = &own->ops;
    own_pass(o);
    o->probe = o_probe;
    o->rollouts = o_rollouts;
    o->rollout = o_rollout;
    o->waves = o_waves;
    o->wave_devices = o_wave_devices;
    o->inflight = o_inflight;
    o->told_at = o_told_at;
}
