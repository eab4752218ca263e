/* Roll back: a saga over minutes to days, step by step as hawkBit's facts ask for it. Each step that is done is in the
 * log before the next one begins; while the log cannot be written the saga waits. Every step may be begun again after
 * a crash: a pause and a stop may be repeated, a roll-back rollout is found again by its name. */
#include "engine/rollback_saga.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AGAIN_US US_PER_S
#define ASK_US   (5 * US_PER_S) /* between two pauses or stops */

static void simple_step_done(struct rollback *rb, enum rollback_step next)
{
    struct entry e;
    rb_entry(rb, &e);
    rb_logged(rb, &e, NULL, next);
}

/* A step that this server cannot do. The preview has said so. */
static void left_out(struct rollback *rb, const char *why, enum rollback_step next)
{
    struct entry e;
    rb_entry(rb, &e);
    entry_str(&e, "skipped", why);
    rb_logged(rb, &e, NULL, next);
}

/* ---- pause, auto-assign, stop, drain ---- */

static void reread(struct req *q, const struct reply *r)
{
    if (!r->err)
        ro_take(q->ro, &q->out.rollout, q->n);
}

static void read_state(struct rollback *rb)
{
    struct req *q = req_new(rb->en, reread);
    q->ro = rb->ro;
    q->n = now_of(rb->en);
    rb->en->be->ops->rollout(rb->en->be, rb->ro->id, &q->arena, &q->out.rollout, req_done, q);
}

static void sent(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    rb->busy = false;
    op_sent(rb->op, r);
    if (r->err && r->err->code != ERR_STATE)
        rb_text(rb, "%s", r->err->what);
    read_state(rb);
    rb_again(rb, AGAIN_US);
}

/* A pause and a stop may be repeated; between two of them the state is read. */
static void ask(struct rollback *rb, enum backend_verb v)
{
    if (rb->asked_at > 0 && now_of(rb->en) - rb->asked_at < ASK_US) {
        read_state(rb);
        rb_again(rb, AGAIN_US);
        return;
    }
    rb->asked_at = now_of(rb->en);
    struct req *q = rb_req(rb, sent);
    rb->en->be->ops->verb(rb->en->be, rb->ro->id, v, "", req_done, q);
}

static bool quiet(enum rollout_state s)
{
    return s == ROLLOUT_PAUSED || s == ROLLOUT_STOPPING || rollout_state_ended(s);
}

static void do_pause(struct rollback *rb)
{
    if (quiet(rb->ro->facts.r.state)) {
        simple_step_done(rb, RB_SNAPSHOT);
        return;
    }
    rb_text(rb, "waits for the server to show it paused");
    ask(rb, BV_PAUSE);
}

static void auto_off_done(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    rb->busy = false;
    op_sent(rb->op, r);
    if (r->err && r->err->code != ERR_NOT_FOUND && r->err->code != ERR_UNSUPPORTED) {
        rb_text(rb, "auto-assignment is not off yet: %s", r->err->what);
        rb_again(rb, 2 * AGAIN_US);
        return;
    }
    rb->auto_at++;
    rb_again(rb, 0);
}

static void autos_done(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    rb->busy = false;
    if (r->err && r->err->code != ERR_UNSUPPORTED && r->err->code != ERR_NOT_FOUND) {
        rb_text(rb, "auto-assignments cannot be read yet: %s", r->err->what);
        rb_again(rb, 2 * AGAIN_US);
        return;
    }
    rb->autos.n = r->err ? 0 : q->out.autos.n;
    rb->autos.v = ARENA_ARRAY(&rb->arena, struct auto_assign, rb->autos.n + 1);
    for (size_t i = 0; i < rb->autos.n; i++) {
        rb->autos.v[i].id = arena_strdup(&rb->arena, q->out.autos.v[i].id);
        rb->autos.v[i].name = arena_strdup(&rb->arena, q->out.autos.v[i].name);
        rb->autos.v[i].filter = "";
    }
    rb->told_auto = true;
    rb->auto_at = 0;
    rb_again(rb, 0);
}

static void do_autoassign(struct rollback *rb)
{
    struct backend *be = rb->en->be;
    if (!rb_can(rb, CAP_AUTO_ASSIGN) || !be->ops->auto_assigns || !be->ops->auto_assign_off) {
        left_out(rb, "the server has no call that switches auto-assignments off", RB_STOP);
    } else if (!rb->told_auto) {
        rb_text(rb, "looks for auto-assignments of %s:%s", rb->bad.name, rb->bad.version);
        struct req *q = rb_req(rb, autos_done);
        be->ops->auto_assigns(be, rb->bad.id, &q->arena, &q->out.autos, req_done, q);
    } else if (rb->auto_at < rb->autos.n) {
        rb_text(rb, "switches auto-assignment %s off", rb->autos.v[rb->auto_at].name);
        struct req *q = rb_req(rb, auto_off_done);
        be->ops->auto_assign_off(be, rb->autos.v[rb->auto_at].id, req_done, q);
    } else {
        struct entry e;
        static const char *const keys[] = {"auto.0", "auto.1", "auto.2", "auto.3", "auto.4", "auto.5"};
        rb_entry(rb, &e);
        entry_int(&e, "auto.off", (int64_t)rb->autos.n);
        for (size_t i = 0; i < rb->autos.n && i < sizeof keys / sizeof *keys; i++)
            entry_str(&e, keys[i], rb->autos.v[i].name);
        rb_logged(rb, &e, NULL, RB_STOP);
    }
}

static void do_stop(struct rollback *rb)
{
    enum rollout_state s = rb->ro->facts.r.state;
    /* A server that cannot stop keeps the old rollout paused: the roll-back rollout overrides its actions. A finished
     * one has nothing left to stop. */
    if (!rb_can(rb, CAP_STOP) && !rollout_state_ended(s)) {
        left_out(rb, "the server cannot stop a rollout for good: it stays paused", RB_DRAIN);
        return;
    }
    if (rollout_state_ended(s) || s == ROLLOUT_DELETING) {
        simple_step_done(rb, RB_DRAIN);
        return;
    }
    rb_text(rb, "waits for the server to show it stopped");
    if (s == ROLLOUT_STOPPING) {
        read_state(rb);
        rb_again(rb, AGAIN_US);
    } else {
        ask(rb, BV_STOP);
    }
}

static void do_drain(struct rollback *rb)
{
    struct ro *ro = rb->ro;
    bool can = rb_can(rb, CAP_ACTION_LIST) && rb->en->be->ops->inflight;
    /* What was asked for before, or at the very moment, may not know of the stop yet. */
    bool known = ro->facts.inflight.known && ro->facts.inflight_at > rb->step_at;
    bool late = now_of(rb->en) - rb->step_at >= rb->ro->policy.applies->drain_us;
    if (!can || late || (known && ro->facts.inflight.canceling == 0)) {
        struct entry e;
        rb->view.draining = known ? ro->facts.inflight.canceling : 0;
        rb_entry(rb, &e);
        if (can)
            entry_int(&e, "draining", rb->view.draining);
        else
            entry_str(&e, "skipped", "the server does not say which recalled devices have answered");
        if (known && ro->facts.inflight.lost > 0)
            entry_int(&e, "lost", ro->facts.inflight.lost);
        rb_logged(rb, &e, NULL, RB_CREATE);
        return;
    }
    rb->view.draining = known ? ro->facts.inflight.canceling : -1;
    if (known)
        rb_text(rb, "waits for %lld recalled devices to answer", (long long)ro->facts.inflight.canceling);
    else
        rb_text(rb, "asks which recalled devices have answered");
    inflight_read(ro);
    rb_again(rb, 2 * AGAIN_US);
}

/* ---- the machine ---- */

static void step(struct engine *en, void *arg)
{
    struct rollback *rb = arg;
    if (rb->busy)
        return;
    if (!en->facts.info_known) {
        rb_text(rb, "finds out what the server can do");
        rb_again(rb, AGAIN_US);
        return;
    }
    switch (rb->ro->rollback.step) {
    case RB_TARGET:
        rb_target(rb);
        break;
    case RB_PAUSE:
        rb->acted = true;
        do_pause(rb);
        break;
    case RB_SNAPSHOT:
        rb_snapshot(rb);
        break;
    case RB_AUTOASSIGN:
        do_autoassign(rb);
        break;
    case RB_STOP:
        do_stop(rb);
        break;
    case RB_DRAIN:
        do_drain(rb);
        break;
    case RB_CREATE:
        rb_create(rb);
        break;
    case RB_START:
        rb_start(rb);
        break;
    case RB_FOLLOW:
        rb_follow(rb);
        break;
    case RB_VERIFY:
        rb_verify(rb);
        break;
    case RB_REPAIR:
        rb_repair(rb);
        break;
    case RB_NONE:
    case RB_DONE:
        break;
    }
}

static void look(struct ro *ro)
{
    if (!rollback_running(ro) || ro->rollback.saga->busy)
        return;
    /* Only what the step waits for: one that reads at each answer would never end where answers take no time. */
    if ((ro->rollback.step == RB_DRAIN && ro->facts.inflight.known &&
         ro->facts.inflight_at > ro->rollback.saga->step_at && ro->facts.inflight.canceling == 0) ||
        (ro->rollback.step == RB_PAUSE && quiet(ro->facts.r.state)) ||
        (ro->rollback.step == RB_STOP && rollout_state_ended(ro->facts.r.state)))
        rb_again(ro->rollback.saga, 0);
}

static void saga_free(struct rollback *rb)
{
    if (!rb)
        return;
    timer_cancel(rb->en, step, rb);
    census_forget(rb->en, rb);
    for (size_t i = 0; i < rb->n_parts; i++)
        free(rb->parts[i].filter);
    free(rb->parts);
    rb_forget_log(rb);
    free(rb->index);
    arena_release(&rb->ask.arena);
    arena_release(&rb->arena);
    free(rb);
}

static struct rollback *rb_new(struct engine *en, struct op *op)
{
    struct rollback *rb = xcalloc(1, sizeof *rb);
    struct ro *ro = op->ro;
    arena_init(&rb->arena);
    arena_init(&rb->ask.arena);
    rb->en = en;
    rb->ro = ro;
    rb->op = op;
    rb->started = now_of(en);
    rb->bad.id = arena_strdup(&rb->arena, ro->facts.r.release.id);
    rb->bad.name = arena_strdup(&rb->arena, ro->facts.r.release.name);
    rb->bad.version = arena_strdup(&rb->arena, ro->facts.r.release.version);
    rb->to = (struct release){.id = "", .name = "", .version = ""};
    rb->attempt = 1;
    saga_free(ro->rollback.saga);
    ro->rollback.saga = rb;
    ro->rollback.step = RB_NONE;
    rb->next = step;
    op_hold(op); /* the saga's op stays as long as the saga */
    return rb;
}

static void begin(struct engine *en, struct op *op)
{
    if (witness_hold(en, op, begin))
        return;
    struct rollback *rb = rb_new(en, op);
    op_say(en, op, OP_RUNNING, "", "roll back begins");
    rb_go(rb, RB_TARGET);
}

static void begun(struct engine *en, struct job *j)
{
    struct op *op = j->ctx;
    op_release(op);
    if (!j->ok) {
        op_say(en, op, OP_FAILED, j->err.next, "nothing was done: the audit log could not be written: %s", j->err.what);
        return;
    }
    op_logged(op, j->receipt.seq);
    if (op_ended(op)) {
        op_outcome(en, op, OP_FAILED, "not-applied", op->before, op->then, "%s", op->text);
        return;
    }
    begin(en, op);
}

void rollback_begin(struct engine *en, struct op *op)
{
    struct entry e;
    char mask[WAVES_MAX / 64][20]; /* until the entry is copied */
    op_intent(en, op, ENTRY_INTENT, op->ro, op->corr, &e);
    entry_str(&e, "to", *op->in.to_release ? op->in.to_release : op->ro->policy.applies->rollback_to);
    entry_int(&e, "expect_devices", op->in.expect_devices);
    entry_str(&e, "all_waves", op->in.all_waves ? "true" : "false");
    if (!op->in.all_waves) {
        static const char *const keys[] = {"waves.0", "waves.1", "waves.2", "waves.3",
                                           "waves.4", "waves.5", "waves.6", "waves.7"};
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) { /* halves: JSON integers are exact to 53 bits */
            snprintf(mask[i], sizeof mask[i], "%016llx", (unsigned long long)op->in.wave_mask[i]);
            if (op->in.wave_mask[i])
                entry_str(&e, keys[i], mask[i]);
        }
    }
    op_hold(op);
    diary_write(en, &e, DIARY_CLOSED, begun, op);
}

/* ---- after a crash ---- */

static enum rollback_step step_of(const char *word)
{
    for (int s = RB_TARGET; s < RB_DONE; s++)
        if (strcmp(word, rollback_step_word((enum rollback_step)s)) == 0)
            return (enum rollback_step)s;
    return RB_NONE;
}

static void take_part(struct rollback *rb, const struct stored *s)
{
    const char *name = stored_field(s, "rollback.name");
    if (!*name)
        return;
    rb->parts = xreallocarray(rb->parts, rb->n_parts + 1, sizeof *rb->parts);
    struct rb_part *p = &rb->parts[rb->n_parts++];
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "%s", name);
    snprintf(p->id, sizeof p->id, "%s", stored_field(s, "rollback.id"));
    p->filter = xstrdup("");
    rb->part = rb->n_parts - 1;
    rb->attempt++;
    rb_mark(rb, p->id);
}

void rollback_resume(struct engine *en, struct op *op, const struct stored *steps, size_t n, char **blobs)
{
    size_t mine = 0;
    for (size_t i = 0; i < n; i++)
        mine += steps[i].corr == op->corr;
    if (mine == 0 && witness_hold(en, op, begin))
        return; /* nothing was done: it waited for a witness when its session ended, or would have */
    struct rollback *rb = rb_new(en, op);
    enum rollback_step last = RB_NONE;
    for (size_t i = 0; i < n; i++) {
        enum rollback_step s = step_of(stored_field(&steps[i], "step"));
        if (steps[i].corr != op->corr || s == RB_NONE)
            continue;
        last = s;
        if (s == RB_TARGET || (s == RB_SNAPSHOT && blobs[i] && rb_load(rb, blobs[i]))) {
            rb->to.id = arena_strdup(&rb->arena, stored_field(&steps[i], "to.id"));
            rb->to.name = arena_strdup(&rb->arena, stored_field(&steps[i], "to.name"));
            rb->to.version = arena_strdup(&rb->arena, stored_field(&steps[i], "to.version"));
        }
        if (s == RB_CREATE)
            take_part(rb, &steps[i]);
    }
    op_say(en, op, OP_RUNNING, "", "taken up again after %s",
           last == RB_NONE ? "its intent" : rollback_step_word(last));
    rb->acted = last != RB_NONE;
    if (last >= RB_SNAPSHOT && rb->n == 0)
        last = RB_PAUSE; /* without the list it is made again: the groups still name their devices */
    /* Verify and repair are looked at anew: what they did shows in the devices. */
    if (!*rb->to.id)
        rb_go(rb, RB_TARGET);
    else if (last >= RB_START)
        rb_go(rb, RB_FOLLOW);
    else
        rb_go(rb, (enum rollback_step)(last + 1));
}

void rollback_view(const struct ro *ro, struct arena *a, struct rollback_view *out)
{
    const struct rollback *rb = ro->rollback.saga;
    memset(out, 0, sizeof *out);
    out->to = out->name = out->text = out->left = "";
    if (!rb)
        return;
    *out = rb->view;
    out->step = ro->rollback.step;
    out->to = *rb->to.name ? arena_printf(a, "%s:%s", rb->to.name, rb->to.version) : "";
    out->name = rb->n_parts > 0 ? arena_strdup(a, rb->parts[rb->part].name) : "";
    out->devices = (int64_t)rb->n;
    out->started = rb->started;
    out->ended = rb->ended;
    out->text = arena_strdup(a, rb->text);
    out->left = arena_strdup(a, rb->left);
}

/* ---- the part ---- */

static void replaced(struct ro *old, struct ro *fresh)
{
    (void)fresh;
    if (!rollback_running(old))
        return;
    rb_forget_log(old->rollback.saga);
    rb_fail(old->rollback.saga, "Look at the devices on the server.", "the server has another rollout %s by now",
            old->id);
}

bool rollback_acted(const struct ro *ro)
{
    const struct rollback *rb = ro->rollback.saga;
    return rb && (rb->acted || rollback_running(ro));
}

static void seen(struct ro *ro, enum rollout_state was)
{
    (void)was;
    look(ro);
}

static void ro_free(struct ro *ro)
{
    saga_free(ro->rollback.saga);
}

const struct part part_rollback = {
    .name = "rollback", .replaced = replaced, .seen = seen, .waves = look, .alive = look, .ro_free = ro_free};
