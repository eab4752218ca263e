/* Roll back, steps "create" and "start": which roll-back rollouts are needed so that every device of the snapshot that
 * has, may get, or failed on the release is told, and none outside it.
 *
 * The broad filter (installed or assigned) finds all but two kinds: devices that failed (a server may show nothing as
 * assigned then) and devices whose state nobody knows; those are named. When the broad filter would also tell devices
 * that this rollout never told, they are excluded by name; when that does not fit, every device is named instead, in as
 * many rollouts as it takes. Where the server takes no filters, the waves' members are named. A device that cannot be
 * named is brought back by itself (repair). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/rollback_saga.h"

#define CANARY_PERCENT 10.0
#define SMALL_PART     10 /* a part with fewer devices has no canary wave of its own */

/* ---- which devices ---- */

static struct rb_part *add_part(struct rollback *rb, const char *filter, int64_t devices)
{
    rb->parts = xreallocarray(rb->parts, rb->n_parts + 1, sizeof *rb->parts);
    struct rb_part *p = &rb->parts[rb->n_parts++];
    memset(p, 0, sizeof *p);
    p->filter = xstrdup(filter);
    p->devices = devices;
    return p;
}

static bool needs(const struct rb_dev *d)
{
    return d->involved || d->status == DEVICE_ERROR || !d->installed_to;
}

static bool needs_name(const struct rb_dev *d)
{
    return needs(d) && !d->involved;
}

static size_t chosen(const struct rollback *rb, bool (*want)(const struct rb_dev *d), struct arena *a,
                     const char *const **out)
{
    const char **v = ARENA_ARRAY(a, const char *, rb->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < rb->n; i++)
        if (want(&rb->v[i]))
            v[n++] = rb->v[i].raw_id;
    *out = v;
    return n;
}

/* Devices with the release that this roll back must not touch. */
static size_t outside(struct rollback *rb, const struct device_list *involved, struct arena *a, const char *const **out)
{
    const char **v = ARENA_ARRAY(a, const char *, involved->n + 1);
    size_t n = 0;
    for (size_t i = 0; i < involved->n; i++)
        if (!rb_find(rb, involved->v[i].raw_id))
            v[n++] = involved->v[i].raw_id;
    *out = v;
    return n;
}

/* `broad`: devices that the filter finds without naming them. */
static bool take_filter(struct rollback *rb, const struct device_filter *f, int64_t broad, struct arena *a)
{
    struct filter_parts parts;
    if (!rb->en->be->ops->filter_parts(rb->en->be, f, a, &parts, NULL))
        return false;
    for (size_t i = 0; i < parts.n; i++)
        add_part(rb, parts.v[i].text, (int64_t)parts.v[i].named + (parts.v[i].broad ? broad : 0));
    return true;
}

static void plan(struct rollback *rb, const struct device_list *involved, struct arena *a)
{
    struct device_filter some = {.installed = &rb->bad, .assigned = &rb->bad}, all = {.only_include = true};
    int64_t broad = 0;
    for (size_t i = 0; i < rb->n; i++)
        broad += rb->v[i].involved;
    all.n_include = chosen(rb, needs, &rb->arena, &all.include);
    if (all.n_include == 0)
        return;
    if (!rb->en->be->ops->filter_parts) {
        size_t most = rb->en->be->ops->create_most ? rb->en->be->ops->create_most : all.n_include;
        for (size_t i = 0, n; i < all.n_include; i += n) {
            n = all.n_include - i < most ? all.n_include - i : most;
            add_part(rb, "", (int64_t)n)->raw_ids = all.include + i;
        }
        return;
    }
    some.n_include = chosen(rb, needs_name, a, &some.include);
    some.n_exclude = outside(rb, involved, a, &some.exclude);
    if (broad == 0 || !take_filter(rb, &some, broad, a))
        (void)take_filter(rb, &all, 0, a); /* names only: what it cannot say is left to the repair */
}

/* ---- creating ---- */

static void part_description(const struct rollback *rb, char *out, size_t size)
{
    snprintf(out, size, "andon roll back of %s, %llu", rb->ro->id, (unsigned long long)rb->op->corr);
}

static void part_made(struct rollback *rb, const char *id, const char *how)
{
    struct rb_part *p = &rb->parts[rb->part];
    struct entry e;
    snprintf(p->id, sizeof p->id, "%s", id);
    rb_mark(rb, id);
    rb->attempt++;
    rb->adopting = false;
    rb_entry(rb, &e);
    entry_str(&e, "rollback.name", p->name);
    entry_str(&e, "rollback.id", p->id);
    entry_str(&e, "rollback.how", how);
    entry_str(&e, "rollback.filter", p->filter);
    entry_int(&e, "rollback.devices", p->devices);
    entry_int(&e, "parts", (int64_t)rb->n_parts);
    rb_logged(rb, &e, NULL, RB_START);
}

/* The name is taken: by an earlier try of this roll back, by another andon at the same moment, or by an old one. */
static void looked_for(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    struct rb_part *p = &rb->parts[rb->part];
    char mine[160], ours[120];
    rb->busy = false;
    if (r->err) {
        rb_again(rb, US_PER_S);
        return;
    }
    part_description(rb, mine, sizeof mine);
    snprintf(ours, sizeof ours, "andon roll back of %s,", rb->ro->id);
    for (size_t i = 0; i < q->out.rollouts.n; i++) {
        const struct rollout *o = &q->out.rollouts.v[i];
        if (strcmp(o->name, p->name) != 0)
            continue;
        bool same = strcmp(o->description, mine) == 0;
        bool alive = !rollout_state_ended(o->state) && !o->deleted;
        bool for_it = strncmp(o->description, ours, strlen(ours)) == 0 && strcmp(o->release.id, rb->to.id) == 0;
        if (same || (alive && for_it)) {
            part_made(rb, o->id, same ? "found again" : "adopted");
            return;
        }
    }
    rb->attempt++; /* an old one, or a deleted one that keeps its name taken */
    rb->adopting = false;
    rb_again(rb, 0);
}

static void look_for(struct rollback *rb)
{
    struct req *q = rb_req(rb, looked_for);
    rb->en->be->ops->rollouts(rb->en->be, ROLLOUTS_MAX, &q->arena, &q->out.rollouts, req_done, q);
}

static void created(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    rb->busy = false;
    op_sent(rb->op, r);
    if (!r->err) {
        part_made(rb, q->out.id, "created");
        return;
    }
    rb_text(rb, "%s", r->err->what);
    if (r->err->code == ERR_CONFLICT || r->maybe_sent) {
        rb->adopting = true; /* never created a second time without looking */
        rb_again(rb, r->err->code == ERR_CONFLICT ? 0 : US_PER_S);
    } else if (r->status == 0 && (r->err->code == ERR_LIMIT || r->err->code == ERR_RANGE ||
                                  r->err->code == ERR_SYNTAX || r->err->code == ERR_UNSUPPORTED)) {
        /* No server has said so: it would be the same each time. */
        rb_fail(rb, "Bring the devices back on the server, or roll back one wave at a time.",
                "the roll-back rollout %s cannot be made: %s", rb->parts[rb->part].name, r->err->what);
    } else {
        rb_again(rb, 5 * US_PER_S);
    }
}

static void create_part(struct rollback *rb)
{
    struct rb_part *p = &rb->parts[rb->part];
    struct req *q = rb_req(rb, created);
    char about[160];
    double *percent = ARENA_ARRAY(&q->arena, double, 2);
    bool small = p->devices < SMALL_PART;
    snprintf(p->name, sizeof p->name, "andon-rb-%s-%d", rb->ro->id, rb->attempt);
    part_description(rb, about, sizeof about);
    percent[0] = small ? 100 : CANARY_PERCENT;
    percent[1] = 100 - CANARY_PERCENT;
    struct rollout_spec *spec = ARENA_NEW(&q->arena, struct rollout_spec);
    size_t n = (size_t)p->devices, first = small ? n : (n + 9) / 10;
    struct wave_members *members = ARENA_ARRAY(&q->arena, struct wave_members, 2);
    members[0] = (struct wave_members){p->raw_ids, first};
    members[1] = (struct wave_members){p->raw_ids ? p->raw_ids + first : NULL, n - first};
    *spec = (struct rollout_spec){.name = arena_strdup(&q->arena, p->name),
                                  .description = arena_strdup(&q->arena, about),
                                  .release_id = rb->to.id,
                                  .filter = p->raw_ids ? NULL : p->filter,
                                  .n_waves = small ? 1 : 2,
                                  .percent = p->raw_ids ? NULL : percent,
                                  .members = p->raw_ids ? members : NULL,
                                  .error_percent = 50,
                                  .success_percent = 50};
    rb_text(rb, "creates %s for %lld devices", p->name, (long long)p->devices);
    rb->en->be->ops->create_rollout(rb->en->be, spec, &q->arena, &q->out.id, req_done, q);
}

/* What every part will need is known from lists that were read after the drain. */
static void planned(struct rollback *rb, const struct err *e)
{
    if (e) {
        rb_text(rb, "the devices' releases cannot be read yet: %s", e->what);
        rb_again(rb, 2 * US_PER_S);
        return;
    }
    rb_go(rb, rb->n_parts == 0 ? RB_VERIFY : RB_CREATE);
}

static void plan_lists(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    rb->busy = false;
    struct err cut = {0};
    if (r->err || rb_list_cut(&q->out.devices, &cut)) {
        planned(rb, r->err ? r->err : &cut);
        return;
    }
    for (size_t i = 0; i < rb->n; i++)
        if (!rb->v[i].involved && rb->v[i].installed_to && rb->v[i].status != DEVICE_ERROR)
            rb->v[i].never_had = true;
    plan(rb, &q->out.devices, &q->arena);
    rb->part = 0;
    planned(rb, NULL);
}

static void looked(struct rollback *rb, const struct err *e)
{
    if (e) {
        planned(rb, e);
        return;
    }
    rb_involved(rb, rb_req(rb, plan_lists));
}

void rb_create(struct rollback *rb)
{
    if (rb->n_parts == 0) {
        rb_text(rb, "finds out which devices have %s:%s", rb->bad.name, rb->bad.version);
        rb_look(rb, looked);
    } else if (rb->adopting) {
        look_for(rb);
    } else {
        create_part(rb);
    }
}

/* ---- starting ---- */

static void start_sent(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    rb->busy = false;
    op_sent(rb->op, r);
    if (r->err && r->err->code != ERR_STATE)
        rb_text(rb, "%s", r->err->what);
    rb_again(rb, US_PER_S);
}

static void state_read(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    struct rb_part *p = &rb->parts[rb->part];
    struct ro *part = ro_get(rb->en, p->id);
    rb->busy = false;
    if (r->err) {
        rb_text(rb, "%s", r->err->what);
        rb_again(rb, US_PER_S);
        return;
    }
    ro_take(part, &q->out.rollout, q->n);
    enum rollout_state s = part->facts.r.state;
    if (s == ROLLOUT_READY) {
        struct req *go = rb_req(rb, start_sent);
        rb_text(rb, "starts %s", p->name);
        rb->en->be->ops->verb(rb->en->be, p->id, BV_START, "", req_done, go);
    } else if (s == ROLLOUT_CREATING || s == ROLLOUT_UNKNOWN) {
        rb_text(rb, "waits until the server has made %s", p->name);
        rb_again(rb, US_PER_S);
    } else if (s == ROLLOUT_WAITING_APPROVAL) {
        rb_text(rb, "%s waits for its approval", p->name);
        rb_again(rb, 5 * US_PER_S);
    } else {
        struct entry e;
        p->started = true;
        rb_entry(rb, &e);
        entry_str(&e, "rollback.name", p->name);
        entry_str(&e, "rollback.state", part->facts.r.state_word);
        rb_logged(rb, &e, NULL, RB_FOLLOW);
    }
}

void rb_start(struct rollback *rb)
{
    struct rb_part *p = &rb->parts[rb->part];
    struct req *q = rb_req(rb, state_read);
    q->n = now_of(rb->en);
    rb->en->be->ops->rollout(rb->en->be, p->id, &q->arena, &q->out.rollout, req_done, q);
}
