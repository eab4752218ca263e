/* Roll back, steps "follow", "verify" and "repair": the truth is the installed release of every device of the
 * snapshot, read from the server's lists, never a rollout's `finished` or a device's `in_sync`.
 *
 * A device whose late success for the recalled release came in after the old one was installed is shown with the old
 * release assigned, so that a plain assignment is skipped: it is first recorded as having the recalled release
 * (offline), then assigned the old one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/rollback_saga.h"

#define SENT_A_STEP 200
#define LOOK_US     (15 * US_PER_S) /* between two looks; doubles while nothing moves */
#define LOOK_MAX_US (5 * US_PER_MIN)

/* ---- reading ---- */

static void note(struct rb_dev *d, const struct device *from)
{
    d->status = from->status;
    d->overdue = from->overdue;
    d->seen = true;
}

static void sum_up(struct rollback *rb)
{
    struct rollback_view *v = &rb->view;
    v->verified = v->never_had = v->failed = v->offline = v->unknown = 0;
    for (size_t i = 0; i < rb->n; i++) {
        struct rb_dev *d = &rb->v[i];
        /* A device with an action alive may have installed anything since it last called in. */
        d->verified = d->installed_to && !d->involved && d->status != DEVICE_ERROR && d->status != DEVICE_PENDING;
        v->verified += d->verified;
        v->never_had += d->verified && d->never_had;
        if (d->verified)
            continue;
        if (d->overdue)
            v->offline++;
        else if (d->status == DEVICE_ERROR)
            v->failed++;
        else if (!d->involved && !d->installed_to)
            v->unknown++;
    }
    mark(rb->en);
}

static void installed_done(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    struct err cut = {0};
    rb->busy = false;
    if (!r->err && rb_list_cut(&q->out.devices, &cut)) {
        rb->then(rb, &cut);
        return;
    }
    if (!r->err) {
        rb->looked_at = q->n;
        for (size_t i = 0; i < rb->n; i++)
            rb->v[i].installed_to = false;
        for (size_t i = 0; i < q->out.devices.n; i++) {
            struct rb_dev *d = rb_find(rb, q->out.devices.v[i].raw_id);
            if (!d)
                continue;
            d->installed_to = true;
            note(d, &q->out.devices.v[i]);
        }
        sum_up(rb);
    }
    rb->then(rb, r->err);
}

static void involved_done(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    struct err cut = {0};
    rb->busy = false;
    if (r->err || rb_list_cut(&q->out.devices, &cut)) {
        rb->then(rb, r->err ? r->err : &cut);
        return;
    }
    for (size_t i = 0; i < rb->n; i++)
        rb->v[i].involved = false;
    for (size_t i = 0; i < q->out.devices.n; i++) {
        struct rb_dev *d = rb_find(rb, q->out.devices.v[i].raw_id);
        if (!d)
            continue;
        d->involved = true;
        note(d, &q->out.devices.v[i]);
    }
    struct req *next = rb_req(rb, installed_done);
    next->n = now_of(rb->en);
    rb->en->be->ops->devices(rb->en->be, &(struct device_filter){.installed = &rb->to}, RB_LIST_MAX, &next->arena,
                             &next->out.devices, req_done, next);
}

void rb_involved(struct rollback *rb, struct req *q)
{
    struct device_filter involved = {.installed = &rb->bad, .assigned = &rb->bad};
    rb->en->be->ops->devices(rb->en->be, &involved, RB_LIST_MAX, &q->arena, &q->out.devices, req_done, q);
}

void rb_look(struct rollback *rb, void (*then)(struct rollback *rb, const struct err *e))
{
    rb->then = then;
    rb_involved(rb, rb_req(rb, involved_done));
}

/* ---- following ---- */

struct standing {
    bool ended;       /* nothing of them is under way on any device */
    bool all_over;    /* every roll-back rollout is finished, or has told its last wave */
    bool paused;      /* one is paused, by its threshold or by a person */
    const char *dead; /* name of one that was halted for good, NULL */
    int64_t failed;
};

static bool part_over(const struct ro *p)
{
    return p->facts.r.state == ROLLOUT_FINISHED ||
           (p->facts.waves_known && p->facts.n_waves > 0 && p->facts.current == (int)p->facts.n_waves - 1 &&
            p->facts.r.state == ROLLOUT_RUNNING);
}

static struct standing stand(const struct rollback *rb)
{
    struct standing s = {.all_over = true, .ended = true};
    for (size_t i = 0; i < rb->n_parts; i++) {
        const struct ro *p = ro_find(rb->en, rb->parts[i].id);
        if (!p || !p->facts.known) {
            s.all_over = s.ended = false;
            continue;
        }
        enum rollout_state st = p->facts.r.state;
        s.failed += p->facts.r.counts.known ? p->facts.r.counts.error : 0;
        s.paused = s.paused || st == ROLLOUT_PAUSED;
        s.all_over = s.all_over && part_over(p);
        s.ended = s.ended && rollout_state_ended(st);
        if (p->facts.gone || st == ROLLOUT_STOPPED || st == ROLLOUT_STOPPING || st == ROLLOUT_DELETED ||
            st == ROLLOUT_DELETING || st == ROLLOUT_DENIED)
            s.dead = rb->parts[i].name;
    }
    return s;
}

static bool first_wave_done(const struct rollback *rb)
{
    const struct ro *p = ro_find(rb->en, rb->parts[rb->part].id);
    return p && (part_over(p) || p->facts.current > 0);
}

static void later(struct rollback *rb)
{
    bool moved = rb->view.verified != rb->last_verified;
    rb->last_verified = rb->view.verified;
    rb->every = moved || rb->every == 0 ? LOOK_US : rb->every * 2;
    if (rb->every > LOOK_MAX_US)
        rb->every = LOOK_MAX_US;
    rb_again(rb, rb->every);
}

static void followed(struct rollback *rb, const struct err *e)
{
    struct standing s = stand(rb);
    if (e) {
        rb_text(rb, "the devices' releases cannot be read: %s", e->what);
        rb_again(rb, LOOK_US);
        return;
    }
    int64_t left = (int64_t)rb->n - rb->view.verified;
    if (left == 0 || (s.all_over && rb->part + 1 >= rb->n_parts)) {
        rb_go(rb, RB_VERIFY);
        return;
    }
    if (s.dead) {
        rb_fail(rb, "Look at the devices that are left; a new roll back may be started.",
                "%s was ended by somebody: %lld of %zu devices are not back", s.dead, (long long)left, rb->n);
        return;
    }
    if (rb->part + 1 < rb->n_parts && first_wave_done(rb)) {
        rb->part++;
        rb_go(rb, RB_CREATE);
        return;
    }
    if (s.paused)
        rb_text(rb, "%lld of %zu devices are back; the roll-back rollout is paused (%lld failed): resume it or look",
                (long long)rb->view.verified, rb->n, (long long)s.failed);
    else if (rb->view.offline == 0)
        rb_text(rb, "%lld of %zu devices are back", (long long)rb->view.verified, rb->n);
    else
        rb_text(rb, "%lld of %zu devices are back; %lld are offline and go back on their next contact",
                (long long)rb->view.verified, rb->n, (long long)rb->view.offline);
    later(rb);
}

void rb_follow(struct rollback *rb)
{
    /* Its own rollouts change at the poll; their waves are read with the others. */
    rb_look(rb, followed);
}

/* ---- what each device runs ---- */

/* By the two lists that were read last: one that is shown with the old release installed has it; one that has the
 * recalled one installed or assigned, and is in sync, has it installed. Of the others nobody knows. */
static bool census_device(const void *owner, size_t i, struct census_device *out)
{
    const struct rollback *rb = owner;
    if (i >= rb->n)
        return false;
    const struct rb_dev *d = &rb->v[i];
    *out = (struct census_device){.raw_id = d->raw_id,
                                  .wave = d->wave,
                                  .status = d->seen ? device_status_word(d->status) : NULL,
                                  .as_of = rb->looked_at};
    if (d->installed_to)
        out->installed = rb->to_text;
    else if (d->involved && d->status == DEVICE_IN_SYNC)
        out->installed = out->assigned = rb->bad_text;
    if (d->verified)
        out->assigned = rb->to_text;
    out->state = d->verified                 ? d->never_had ? "never-had-it" : "back"
                 : d->gone                   ? "gone"
                 : !d->seen                  ? "not-seen"
                 : d->status == DEVICE_ERROR ? "failed"
                 : d->overdue                ? "offline"
                                             : "not-back";
    return true;
}

void rb_census(struct rollback *rb)
{
    if (!rb->acted || rb->n == 0)
        return;
    rb->to_text = arena_printf(&rb->arena, "%s:%s", rb->to.name, rb->to.version);
    rb->bad_text = arena_printf(&rb->arena, "%s:%s", rb->bad.name, rb->bad.version);
    census_of(rb->ro, rb->op->corr, "rollback-ended", &(struct census_source){rb, census_device});
}

/* ---- verifying ---- */

static void finish(struct rollback *rb)
{
    const struct rollback_view *v = &rb->view;
    int64_t left = (int64_t)rb->n - v->verified;
    rb_ended(rb);
    rb_census(rb);
    if (left == 0) {
        rb_text(rb, "all %zu devices are shown with %s:%s installed", rb->n, rb->to.name, rb->to.version);
        op_outcome(rb->en, rb->op, OP_DONE, "ok", rb->ro->facts.r.state_word, "", "%s", rb->text);
        rb_close(rb);
        return;
    }
    snprintf(rb->left, sizeof rb->left,
             "%lld devices are not verified: %lld report an error (their real state is not known), %lld offline, "
             "%lld others",
             (long long)left, (long long)v->failed, (long long)v->offline, (long long)(left - v->failed - v->offline));
    rb_text(rb, "ended, %lld of %zu devices are back; %s", (long long)v->verified, rb->n, rb->left);
    op_outcome(rb->en, rb->op, OP_FAILED, "incomplete", rb->ro->facts.r.state_word,
               "Look at each device that is left; its history says why.", "%s", rb->text);
    rb_close(rb);
}

static bool can_try(const struct rb_dev *d)
{
    return !d->verified && !d->gone && d->tries < RB_TRIES;
}

static bool can_repair(const struct rollback *rb)
{
    const struct backend_ops *ops = rb->en->be->ops;
    return ops->device && (ops->assign || (ops->tell && rb_can(rb, CAP_TELL)));
}

static void verify_logged(struct engine *en, struct job *j)
{
    struct rollback *rb = j->ctx;
    (void)en;
    rb->busy = false;
    if (rb->op)
        finish(rb);
}

/* The result, device counts and the ids of those that are left. */
static void log_result(struct rollback *rb)
{
    struct entry e;
    struct buf b;
    rb->ro->rollback.step = RB_VERIFY;
    rb_entry(rb, &e);
    entry_int(&e, "devices", (int64_t)rb->n);
    entry_int(&e, "verified", rb->view.verified);
    entry_int(&e, "failed", rb->view.failed);
    entry_int(&e, "offline", rb->view.offline);
    buf_init(&b, 4000);
    for (size_t i = 0; i < rb->n; i++)
        if (!rb->v[i].verified)
            buf_printf(&b, "%s%.64s", b.len ? " " : "", rb->v[i].raw_id);
    char safe[4200];
    safe[0] = '\0';
    if (b.len > 0)
        snprintf(safe, sizeof safe, "%s", b.data);
    for (char *p = safe; *p; p++) /* ids may hold any byte; the log takes only text */
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            *p = '?';
    buf_release(&b);
    if (*safe)
        entry_str(&e, "left", safe);
    rb->busy = true;
    rb_told(rb, &e, verify_logged);
}

static void wait_on(struct rollback *rb, const char *why)
{
    rb->ro->rollback.step = RB_FOLLOW;
    rb->step_at = now_of(rb->en);
    rb_text(rb, "%lld of %zu devices are back; %s", (long long)rb->view.verified, rb->n, why);
    later(rb);
}

static void verified(struct rollback *rb, const struct err *e)
{
    bool more = false;
    if (e) {
        rb_text(rb, "the devices' releases cannot be read: %s", e->what);
        rb_again(rb, LOOK_US);
        return;
    }
    for (size_t i = 0; i < rb->n; i++)
        more = more || can_try(&rb->v[i]);
    if (more && can_repair(rb)) {
        rb->repair_at = 0;
        rb->repairing = rb->repaired_now = 0;
        rb->pass_logged = false;
        rb_go(rb, RB_REPAIR);
    } else if (more && !stand(rb).ended) {
        wait_on(rb, "nobody can be told once more"); /* those under way are waited for */
    } else {
        log_result(rb);
    }
}

void rb_verify(struct rollback *rb)
{
    rb_text(rb, "reads the installed release of each of %zu devices", rb->n);
    rb_look(rb, verified);
}

/* ---- repairing ---- */

static void log_repaired(struct rollback *rb)
{
    struct entry e;
    rb_entry(rb, &e);
    entry_int(&e, "repaired", rb->repaired_now);
    rb_told(rb, &e, NULL);
}

/* A pass may be long: what was sent is told as it goes. */
static void next_device(struct rollback *rb)
{
    if (rb->op && rb->op->sent.n >= SENT_A_STEP)
        log_repaired(rb);
    rb->repair_at++;
    rb_again(rb, 0);
}

static void assigned(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    struct rb_dev *d = &rb->v[rb->repair_at];
    rb->busy = false;
    op_sent(rb->op, r);
    if (r->err && r->err->code == ERR_NOT_FOUND)
        d->gone = true;
    next_device(rb);
}

/* Any server that takes an assignment, or is told devices by name, may be asked for one device more. */
static void assign_old(struct rollback *rb)
{
    struct req *q = rb_req(rb, assigned);
    struct backend *be = rb->en->be;
    const struct rb_dev *d = &rb->v[rb->repair_at];
    if (be->ops->assign) {
        be->ops->assign(be, d->raw_id, rb->to.id, false, req_done, q);
        return;
    }
    const char **id = ARENA_NEW(&q->arena, const char *);
    *id = d->raw_id;
    /* A number of its own for each: tries are counted anew after a restart, and a server that knows keys would take the
     * same one again for what it has done already. */
    const char *key = arena_printf(&q->arena, "repair-%016llx-%016llx", (unsigned long long)rb->op->corr,
                                   (unsigned long long)corr_new(rb->en));
    be->ops->tell(be, &rb->to, id, 1, key, &q->arena, ARENA_NEW(&q->arena, struct tell_result), req_done, q);
}

static void recorded(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    rb->busy = false;
    op_sent(rb->op, r);
    if (r->err) /* the plain assignment would be skipped: tried again in the next pass */
        next_device(rb);
    else
        assign_old(rb);
}

static void examine(struct rollback *rb, const struct device_info *d)
{
    struct rb_dev *v = &rb->v[rb->repair_at];
    char to[NAME_MAX_BYTES * 2];
    bool alive = false;
    snprintf(to, sizeof to, "%s:%s", rb->to.name, rb->to.version);
    for (size_t i = 0; i < d->n_actions; i++)
        alive = alive || (d->actions[i].active && strcmp(d->actions[i].release, to) == 0);
    v->waits = alive;
    v->overdue = d->device.overdue;
    v->status = d->device.status;
    bool back = strcmp(d->installed.id, rb->to.id) == 0 && v->status != DEVICE_ERROR &&
                (!*d->assigned.id || strcmp(d->assigned.id, rb->to.id) == 0);
    if (alive || back) {
        next_device(rb);
        return;
    }
    if (!rb->pass_logged) { /* like every change: in the log before it is sent; then it is looked at anew */
        struct entry e;
        rb->pass_logged = true;
        rb_entry(rb, &e);
        entry_str(&e, "repair", "begins");
        rb_logged(rb, &e, NULL, RB_REPAIR);
        return;
    }
    v->tries++;
    rb->repairing++;
    rb->repaired_now++;
    rb->view.repairing = rb->repairing;
    rb_text(rb, "repairs device %zu of %zu", rb->repair_at + 1, rb->n);
    if (strcmp(d->assigned.id, rb->to.id) == 0 && rb->en->be->ops->assign && rb_can(rb, CAP_OFFLINE)) {
        struct req *q = rb_req(rb, recorded);
        rb->en->be->ops->assign(rb->en->be, v->raw_id, rb->bad.id, true, req_done, q);
    } else {
        assign_old(rb);
    }
}

static void examined(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    rb->busy = false;
    if (r->err && r->err->code == ERR_NOT_FOUND) {
        rb->v[rb->repair_at].gone = true;
        next_device(rb);
    } else if (r->err) {
        rb_text(rb, "%s", r->err->what);
        rb_again(rb, 2 * US_PER_S);
    } else {
        examine(rb, &q->out.device);
    }
}

static void repair_over(struct rollback *rb)
{
    bool waits = false;
    for (size_t i = 0; i < rb->n; i++)
        waits = waits || (rb->v[i].waits && !rb->v[i].verified);
    if (rb->repaired_now == 0 && !waits) {
        bool open = false;
        for (size_t i = 0; i < rb->n; i++)
            open = open || can_try(&rb->v[i]);
        if (!open) {
            log_result(rb);
            return;
        }
    }
    wait_on(rb, "waits for those that were told again");
}

void rb_repair(struct rollback *rb)
{
    if (!diary_ok(rb->en)) {
        rb_text(rb, "waits for the audit log, which cannot be written");
        rb_again(rb, US_PER_S);
        return;
    }
    while (rb->repair_at < rb->n && !can_try(&rb->v[rb->repair_at]))
        rb->repair_at++;
    if (rb->repair_at >= rb->n) {
        if (rb->repaired_now > 0)
            log_repaired(rb);
        repair_over(rb);
        return;
    }
    struct req *q = rb_req(rb, examined);
    rb->en->be->ops->device(rb->en->be, rb->v[rb->repair_at].raw_id, &q->arena, &q->out.device, req_done, q);
}
