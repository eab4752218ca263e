/* Verbs on a plan, new plans, and the table: what is not ours goes to the server as it came. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/own_waves_impl.h"

static void refuse(struct own_call *c, enum err_code code, const char *next, const char *what)
{
    (void)err_set(&c->err, code, next, "%s", what);
    own_call_later(c);
}

/* ---- what must be in the log before it is so ---- */

static bool came_about(const struct own_call *c, struct err *e)
{
    const struct own_plan *p = c->plan;
    bool so = false;
    if (c->event == PLAN_CREATED)
        so = own_find(c->own, c->ids[0]) != NULL;
    else if (c->event == PLAN_OPENED)
        so = p->s.opened > c->wave;
    else
        so = p->s.phase == PLAN_IS_RUNNING || p->s.phase == PLAN_IS_FINISHED;
    return so || err_set(e, ERR_STATE, "Look at it on the board.",
                         "somebody else has paused or stopped it in the same moment");
}

void own_verbs(struct own_waves *own)
{
    for (struct own_call *c = own->calls, *next; c; c = next) {
        next = c->next;
        if (c->seq == 0 || c->seq > own->read_upto || c->ready)
            continue;
        if (came_about(c, &c->err) && c->event == PLAN_CREATED && c->out)
            *(const char **)c->out = arena_strdup(c->arena, c->ids[0]);
        own_call_later(c);
    }
}

static void logged(void *arg, int64_t seq, const struct err *err)
{
    struct own_call *c = arg;
    if (err) { /* it may turn up in the log all the same */
        c->err = *err;
        c->maybe = true;
        own_call_later(c);
        return;
    }
    c->seq = seq;
    own_read(c->own);
}

static void write_verb(struct own_call *c, enum plan_event event, const char *reason)
{
    struct plan_entry e = own_entry(c->plan, event);
    e.wave = c->wave = c->plan->s.opened;
    e.reason = reason;
    c->event = event;
    c->plan->here = true;
    c->own->log.append(c->own->log.ctx, &e, false, NULL, logged, c);
}

/* ---- new plans ---- */

static void write_plan(struct own_call *c, struct wave_plan *w)
{
    struct plan_entry e = {.event = PLAN_CREATED, .by = c->own->log.me, .wave = -1, .key = "", .outcomes = ""};
    struct buf b;
    buf_init(&b, PLAN_BYTES_MAX);
    if (!plan_write(w, &b, &c->err)) {
        own_call_later(c);
    } else {
        c->event = PLAN_CREATED;
        c->ids = ARENA_ARRAY(&c->memory, const char *, 1);
        c->ids[0] = e.plan = arena_strdup(&c->memory, w->id);
        e.t = w->created_at;
        e.blob = b.data;
        e.blob_n = b.len;
        e.reason = w->description;
        c->own->log.append(c->own->log.ctx, &e, false, NULL, logged, c);
    }
    buf_release(&b);
}

/* ---- a rollout that somebody else wants: members by name ---- */

static bool named_waves(struct own_call *c, const struct rollout_spec *spec, struct wave_plan *w)
{
    struct arena *a = &c->memory;
    if (spec->n_waves < 1 || spec->n_waves > PLAN_WAVES_MAX)
        return err_set(&c->err, ERR_LIMIT, "", "%d waves; a plan has 1 to %d", spec->n_waves, PLAN_WAVES_MAX);
    w->n_waves = (size_t)spec->n_waves;
    for (size_t i = 0; i < w->n_waves; i++) {
        const struct wave_members *m = &spec->members[i];
        if (m->n == 0 || m->n > PLAN_DEVICES_MAX - w->n)
            return err_set(&c->err, ERR_LIMIT, "", "a wave without devices, or more than %d in all", PLAN_DEVICES_MAX);
        w->waves[i] = (struct plan_wave){w->n, m->n};
        w->sizes[i] = (struct plan_size){.measure = PLAN_COUNT, .devices = (int64_t)m->n};
        w->n += m->n;
    }
    w->raw_ids = ARENA_ARRAY(a, const char *, w->n + 1);
    size_t at = 0;
    for (size_t i = 0; i < w->n_waves; i++)
        for (size_t k = 0; k < spec->members[i].n; k++)
            w->raw_ids[at++] = arena_strdup(a, spec->members[i].raw_ids[k]);
    return true;
}

static void released(void *ctx, const struct reply *r)
{
    struct own_call *c = ctx;
    struct wave_plan *w = c->wanted;
    if (c->own->ending || r->err) {
        own_call_end(c, r);
        return;
    }
    own_heard(c->own, r);
    w->release = c->release;
    write_plan(c, w);
}

static void o_create(struct backend *b, const struct rollout_spec *spec, struct arena *a, const char **id_out,
                     backend_done done, void *ctx)
{
    struct own_waves *own = own_of(b);
    struct backend *in = own->inner;
    if (in->ops->create_rollout && (!spec->members || !in->ops->tell)) {
        in->ops->create_rollout(in, spec, a, id_out, done, ctx);
        return;
    }
    struct own_call *c = own_call_new(own, NULL, a, id_out, done, ctx);
    if (!spec->members) {
        refuse(c, ERR_UNSUPPORTED, "", "this server has no filters that make rollouts: devices are named");
        return;
    }
    for (const struct own_plan *p = own->plans; p; p = p->next)
        if (strcmp(p->plan.name, spec->name) == 0) {
            refuse(c, ERR_CONFLICT, "", "there is a plan of that name");
            return;
        }
    struct wave_plan *w = c->wanted = ARENA_NEW(&c->memory, struct wave_plan);
    *w = (struct wave_plan){.name = arena_strdup(&c->memory, spec->name),
                            .description = arena_strdup(&c->memory, spec->description ? spec->description : ""),
                            .target = "devices that were named",
                            .strata = "",
                            .order = "",
                            .created_at = clock_wall(own->log.clock),
                            .failure_bp = (int)(spec->error_percent * 100),
                            .success_bp = (int)(spec->success_percent * 100)};
    if (!named_waves(c, spec, w)) {
        own_call_later(c);
        return;
    }
    in->ops->release(in, spec->release_id, NULL, NULL, &c->memory, &c->release, released, c);
}

/* Those that failed, were refused, or may not have been told at all. */
static void retry(struct own_call *c)
{
    struct own_plan *p = c->plan;
    struct wave_plan w = p->plan;
    if (p->s.phase != PLAN_IS_FINISHED && !own_done(p)) {
        refuse(c, ERR_STATE, "Wait until it has ended.", "only a rollout that is finished can be retried");
        return;
    }
    w.name = arena_printf(&c->memory, "%.120s_retry", w.name);
    w.target = arena_printf(&c->memory, "devices that failed in %s", w.id);
    w.salt = c->own->log.unique(c->own->log.ctx);
    w.created_at = clock_wall(c->own->log.clock);
    w.strata = w.order = "";
    w.stratum = w.exposure = NULL;
    w.n_strata = w.n_order = 0;
    w.n_waves = 1;
    w.sizes[0] = (struct plan_size){.measure = PLAN_REST};
    w.raw_ids = ARENA_ARRAY(&c->memory, const char *, p->plan.n);
    w.n = 0;
    for (size_t i = 0; i < p->plan.n; i++)
        if (plan_device_status(&p->s, i, (enum standing_at)p->at[i]) == DEVICE_ERROR)
            w.raw_ids[w.n++] = p->plan.raw_ids[i];
    if (plan_pick(&w, &c->memory, &c->err))
        write_plan(c, &w);
    else
        own_call_later(c);
}

/* ---- verbs ---- */

static void pause(struct own_call *c, const char *remark)
{
    struct own_plan *p = c->plan;
    if (p->s.phase != PLAN_IS_RUNNING && p->s.phase != PLAN_IS_PAUSED) {
        refuse(c, ERR_STATE, "", "it does not run");
        return;
    }
    own_hold(p, remark, false, -1);
    own_call_later(c);
}

static void stop(struct own_call *c, const char *remark, bool force)
{
    struct own_plan *p = c->plan;
    bool harder = p->s.phase == PLAN_IS_STOPPED && force && !p->s.force;
    if (!harder && (p->s.phase == PLAN_IS_STOPPED || p->s.phase == PLAN_IS_FINISHED)) {
        refuse(c, ERR_STATE, "", "it has ended");
        return;
    }
    p->here = true; /* who stops it takes back what was told: there may be no guard */
    p->recall_tries = 0;
    own_stop(p, remark, force);
    own_call_later(c);
}

static void next_wave(struct own_call *c, enum plan_phase from, const char *needs)
{
    struct own_plan *p = c->plan;
    if (p->s.phase != from || p->hold.on || p->stop.on || p->s.opened >= (int)p->plan.n_waves) {
        refuse(c, ERR_STATE, "", needs);
        return;
    }
    write_verb(c, PLAN_OPENED, "");
}

static void resume(struct own_call *c)
{
    struct own_plan *p = c->plan;
    if (p->hold.on || p->stop.on) {
        refuse(c, ERR_STATE, "Make the log writable: andon doctor.",
               "its pause is not in the log yet, and a resume would come before it");
        return;
    }
    if (p->s.phase != PLAN_IS_PAUSED) {
        refuse(c, ERR_STATE, "", "it is not paused");
        return;
    }
    p->failures = 0;
    p->retry_at = 0;
    write_verb(c, PLAN_RESUMED, "");
}

static void o_verb(struct backend *b, const char *rollout, enum backend_verb v, const char *remark, backend_done done,
                   void *ctx)
{
    struct own_waves *own = own_of(b);
    struct own_plan *p = own_find(own, rollout);
    if (!p && own->inner->ops->verb && !plan_is_id(rollout)) {
        own->inner->ops->verb(own->inner, rollout, v, remark, done, ctx);
        return;
    }
    struct own_call *c = own_call_new(own, p, NULL, NULL, done, ctx);
    if (!p) {
        refuse(c, ERR_NOT_FOUND, "Look for its id on the board.", "there is no such rollout");
        return;
    }
    switch (v) {
    case BV_START:
        next_wave(c, PLAN_IS_READY, "only a rollout that is ready can be started");
        return;
    case BV_TRIGGER_NEXT:
        next_wave(c, PLAN_IS_RUNNING, "it does not run, or no wave is left");
        return;
    case BV_PAUSE:
        pause(c, remark ? remark : "");
        return;
    case BV_RESUME:
        resume(c);
        return;
    case BV_STOP:
    case BV_STOP_FORCE:
        stop(c, remark ? remark : "", v == BV_STOP_FORCE);
        return;
    case BV_RETRY:
        retry(c);
        return;
    case BV_APPROVE:
    case BV_DENY:
    case BV_DELETE:
        break;
    }
    refuse(c, ERR_UNSUPPORTED, "", "a plan is not approved, denied or deleted on any server");
}

/* ---- what passes through ---- */

#define INNER(b) (own_of(b)->inner)

static void o_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                      struct device_list *out, backend_done done, void *ctx)
{
    INNER(b)->ops->devices(INNER(b), f, limit, a, out, done, ctx);
}

static bool o_filter_parts(struct backend *b, const struct device_filter *f, struct arena *a, struct filter_parts *out,
                           struct err *e)
{
    return INNER(b)->ops->filter_parts(INNER(b), f, a, out, e);
}

static void o_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                      struct release *out, backend_done done, void *ctx)
{
    INNER(b)->ops->release(INNER(b), id, name, version, a, out, done, ctx);
}

static void o_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                       void *ctx)
{
    INNER(b)->ops->releases(INNER(b), limit, a, out, done, ctx);
}

static void o_find(struct backend *b, const struct find_filter *f, size_t limit, struct arena *a,
                   struct device_list *out, backend_done done, void *ctx)
{
    INNER(b)->ops->find(INNER(b), f, limit, a, out, done, ctx);
}

static void o_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
                     void *ctx)
{
    INNER(b)->ops->device(INNER(b), raw_id, a, out, done, ctx);
}

static void o_cancel(struct backend *b, const char *raw_device, const char *action, bool force, backend_done done,
                     void *ctx)
{
    INNER(b)->ops->cancel_action(INNER(b), raw_device, action, force, done, ctx);
}

static void o_assign(struct backend *b, const char *raw_device, const char *release_id, bool offline, backend_done done,
                     void *ctx)
{
    INNER(b)->ops->assign(INNER(b), raw_device, release_id, offline, done, ctx);
}

static void o_auto_assigns(struct backend *b, const char *release_id, struct arena *a, struct auto_assign_list *out,
                           backend_done done, void *ctx)
{
    INNER(b)->ops->auto_assigns(INNER(b), release_id, a, out, done, ctx);
}

static void o_auto_assign_off(struct backend *b, const char *filter_id, backend_done done, void *ctx)
{
    INNER(b)->ops->auto_assign_off(INNER(b), filter_id, done, ctx);
}

static void o_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n,
                       struct arena *a, struct device_standing *out, backend_done done, void *ctx)
{
    INNER(b)->ops->standing(INNER(b), r, raw_ids, n, a, out, done, ctx);
}

static void o_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                   struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    INNER(b)->ops->tell(INNER(b), r, raw_ids, n, key, a, out, done, ctx);
}

static void o_recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                     const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
                     void *ctx)
{
    INNER(b)->ops->recall(INNER(b), r, raw_ids, n, key, undo, force, a, out, done, ctx);
}

static void o_attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys,
                         size_t n_keys, size_t limit, bool exact, struct arena *a, struct attribute_table *out,
                         backend_done done, void *ctx)
{
    INNER(b)->ops->attributes(INNER(b), raw_ids, n, keys, n_keys, limit, exact, a, out, done, ctx);
}

static void o_notes(struct backend *b, const char *const *release_ids, size_t n, const char *prefix, struct arena *a,
                    struct note_list *out, backend_done done, void *ctx)
{
    INNER(b)->ops->notes(INNER(b), release_ids, n, prefix, a, out, done, ctx);
}

static void o_note_put(struct backend *b, const char *release_id, const char *key, const char *value, size_t n,
                       backend_done done, void *ctx)
{
    INNER(b)->ops->note_put(INNER(b), release_id, key, value, n, done, ctx);
}

static void o_note_delete(struct backend *b, const char *release_id, const char *key, backend_done done, void *ctx)
{
    INNER(b)->ops->note_delete(INNER(b), release_id, key, done, ctx);
}

#define PASS(op)                                                                                                       \
    do {                                                                                                               \
        if (o->op)                                                                                                     \
            o->op = o_##op;                                                                                            \
    } while (0)
void own_pass(struct backend_ops *o)
{
    PASS(devices);
    PASS(release);
    PASS(releases);
    PASS(filter_parts);
    PASS(find);
    PASS(device);
    PASS(assign);
    PASS(auto_assigns);
    PASS(auto_assign_off);
    PASS(standing);
    PASS(tell);
    PASS(recall);
    PASS(attributes);
    PASS(notes);
    PASS(note_put);
    PASS(note_delete);
    if (o->cancel_action)
        o->cancel_action = o_cancel;
    o->create_rollout = o_create;
    o->create_most = PLAN_DEVICES_MAX;
    o->verb = o_verb;
}
