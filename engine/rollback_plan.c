/* Roll back, steps "create" and "start": which roll-back rollouts are needed so that every device of the snapshot that
 * has, may get, or failed on the release is told, and none outside it.
 *
 * The broad filter (installed or assigned) finds all but two kinds: devices that failed (hawkBit empties what is
 * assigned) and devices whose state nobody knows; those are named. When the broad filter would also tell devices that
 * this rollout never told, they are excluded by name; when that does not fit, every device is named instead, in as
 * many rollouts as it takes. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/rollback_saga.h"

#define CANARY_PERCENT 10.0
#define SMALL_PART     10 /* a part with fewer devices has no canary wave of its own */

/* ---- filters ---- */

/* An id that means only itself in a filter without quotes. Others are brought back one by one (repair). */
static bool plain_id(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > 128)
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && !strchr("._:-", *s))
            return false;
    return true;
}

static void add_value(struct buf *b, const char *s)
{
    if (plain_id(s)) {
        buf_adds(b, s);
        return;
    }
    buf_addc(b, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            buf_addc(b, '\\');
        buf_addc(b, *s);
    }
    buf_addc(b, '"');
}

static void add_release(struct buf *b, const char *field, const struct release *r)
{
    buf_printf(b, "%s.name==", field);
    add_value(b, r->name);
    buf_printf(b, ";%s.version==", field);
    add_value(b, r->version);
}

static void add_broad(struct buf *b, const struct release *bad)
{
    buf_addc(b, '(');
    add_release(b, "installedds", bad);
    buf_addc(b, ',');
    add_release(b, "assignedds", bad);
    buf_addc(b, ')');
}

static void add_part(struct rollback *rb, const char *filter, int64_t devices)
{
    rb->parts = xreallocarray(rb->parts, rb->n_parts + 1, sizeof *rb->parts);
    memset(&rb->parts[rb->n_parts], 0, sizeof *rb->parts);
    rb->parts[rb->n_parts].filter = xstrdup(filter);
    rb->parts[rb->n_parts].devices = devices;
    rb->n_parts++;
}

/* Names devices in filters of their own, as many as it takes. `head` begins the first one ("" = none). */
static void add_named(struct rollback *rb, const char *head, int64_t head_devices, bool (*want)(const struct rb_dev *d))
{
    struct buf b;
    int64_t n = 0;
    buf_init(&b, RB_FILTER_MAX + 200);
    buf_adds(&b, head);
    for (size_t i = 0; i < rb->n; i++) {
        const struct rb_dev *d = &rb->v[i];
        if (!want(d) || !plain_id(d->raw_id))
            continue;
        if (n > 0 && b.len + strlen(d->raw_id) + 2 > RB_FILTER_MAX) {
            buf_addc(&b, ')');
            add_part(rb, b.data, n + head_devices);
            buf_clear(&b);
            head_devices = n = 0;
        }
        if (n == 0)
            buf_printf(&b, "%scontrollerid=in=(%s", b.len ? "," : "", d->raw_id);
        else
            buf_printf(&b, ",%s", d->raw_id);
        n++;
    }
    if (n > 0)
        buf_addc(&b, ')');
    if (b.len > 0)
        add_part(rb, b.data, n + head_devices);
    buf_release(&b);
}

static bool needs(const struct rb_dev *d)
{
    return d->involved || d->status == DEVICE_ERROR || !d->installed_to;
}

static bool needs_name(const struct rb_dev *d)
{
    return needs(d) && !d->involved;
}

struct outside {
    char list[RB_FILTER_MAX];
    size_t n;
    bool fits;
};

/* Devices with the release that this roll back must not touch. */
static struct outside find_outside(struct rollback *rb, const struct device_list *involved)
{
    struct outside o = {.fits = true};
    size_t len = 0;
    for (size_t i = 0; i < involved->n; i++) {
        const char *id = involved->v[i].raw_id;
        if (rb_find(rb, id))
            continue;
        o.n++;
        size_t k = strlen(id);
        if (!plain_id(id) || len + k + 2 > sizeof o.list / 2) {
            o.fits = false;
            continue;
        }
        if (len)
            o.list[len++] = ',';
        memcpy(o.list + len, id, k + 1);
        len += k;
    }
    return o;
}

static void plan(struct rollback *rb, const struct device_list *involved)
{
    struct outside o = find_outside(rb, involved);
    int64_t broad = 0, all = 0;
    struct buf b;
    for (size_t i = 0; i < rb->n; i++) {
        broad += rb->v[i].involved;
        all += needs(&rb->v[i]);
    }
    if (all == 0)
        return;
    buf_init(&b, 4 * RB_FILTER_MAX);
    if (broad > 0) {
        add_broad(&b, &rb->bad);
        if (o.n > 0)
            buf_printf(&b, ";controllerid=out=(%s)", o.list);
    }
    if (broad > 0 && o.fits && b.len < RB_FILTER_MAX)
        add_named(rb, b.data, broad, needs_name);
    else
        add_named(rb, "", 0, needs);
    buf_release(&b);
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
    if (!r->err) {
        part_made(rb, q->out.id, "created");
        return;
    }
    rb_text(rb, "%s", r->err->what);
    if (r->err->code == ERR_CONFLICT || r->maybe_sent) {
        rb->adopting = true; /* never created a second time without looking */
        rb_again(rb, r->err->code == ERR_CONFLICT ? 0 : US_PER_S);
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
    *spec = (struct rollout_spec){.name = arena_strdup(&q->arena, p->name),
                                  .description = arena_strdup(&q->arena, about),
                                  .release_id = rb->to.id,
                                  .filter = p->filter,
                                  .n_waves = small ? 1 : 2,
                                  .percent = percent,
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
    if (r->err) {
        planned(rb, r->err);
        return;
    }
    for (size_t i = 0; i < rb->n; i++)
        if (!rb->v[i].involved && rb->v[i].installed_to && rb->v[i].status != DEVICE_ERROR)
            rb->v[i].never_had = true;
    plan(rb, &q->out.devices);
    rb->part = 0;
    planned(rb, NULL);
}

static void looked(struct rollback *rb, const struct err *e)
{
    if (e) {
        planned(rb, e);
        return;
    }
    struct req *q = rb_req(rb, plan_lists);
    rb->en->be->ops->devices_by_release(rb->en->be, &rb->bad, DQ_INVOLVED, FLEET_LIST_MAX, &q->arena, &q->out.devices,
                                        req_done, q);
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
