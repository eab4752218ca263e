/* Roll backs: every device told comes back and is verified, whatever the server claims; judged rollouts halt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/world.h"
#include "tests/engine/world_impl.h"

static const int three[] = {8, 6, 10};

static bool ready(const struct snapshot *s)
{
    return s->rollouts_known && s->n_rollouts > 0 && s->audit.writable && s->info.caps;
}

/* A roll back once the first wave has (partly) installed. */
static bool back(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && ready(s) && v->waves_known &&
        p->w->now - p->limit > -(int64_t)3600 * US_PER_S + 30 * US_PER_S) {
        struct intent in = world_intent(VERB_ROLLBACK, "10");
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

static void everyone_on(const struct world *w, int release)
{
    for (int i = 0; i < w->n_devices; i++)
        if (w->devices[i].installed != release)
            fail_msg("%s has %d", w->devices[i].id, w->devices[i].installed);
}

static void every_device_told_comes_back(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.auto_on = true;
    w.devices[1].fails = true;
    w.devices[2].late = true; /* its late success leaves it on 2.0, assigned 1.0 and in sync */
    world_play(&w, &p, back, 3600);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    everyone_on(&w, 0);
    assert_int_equal(v->rollback.outcome, RB_COMPLETE);
    assert_int_equal(v->rollback.verified, v->rollback.devices);
    assert_string_equal(v->rollback.to, "hearth:1.0");
    assert_string_equal(v->rollback.name, "andon-rb-10-1");
    assert_int_equal(world_asked(&w, "auto-off"), 1);
    assert_int_equal(world_asked(&w, "stop 10"), 1);
    assert_int_equal(world_asked(&w, "create"), 1);
    assert_int_equal(world_asked(&w, "assign dev-02 2 offline"), 1);
    assert_int_equal(world_asked(&w, "assign dev-02 1"), 1);
    assert_true(world_asked_at(&w, "auto-off") < world_asked_at(&w, "stop 10"));
    assert_true(world_asked_at(&w, "stop 10") < world_asked_at(&w, "create"));
    char *log = world_entries(&w, "");
    assert_non_null(strstr(log, "intent rollback 10"));
    assert_non_null(strstr(log, "outcome rollback 10 ok"));
    free(log);
    play_release(&p);
    world_release(&w);
}

/* A wave of 40,000, as a plan of andon's may have: its devices are all read, and come back. */
static void a_wave_beyond_the_servers_own_limit_comes_back(void **state)
{
    static const int two[] = {40, 4};
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, two, 2);
    w.stands_for = 1000;
    p.judge = true;
    world_play(&w, &p, back, 3600);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    everyone_on(&w, 0);
    char *log = world_field(&w, "watch", "devices.watched"); /* said once, of it and of its roll back */
    assert_string_equal(log, "20\n20\n");
    free(log);
    play_release(&p);
    world_release(&w);
}

static void a_server_without_stop_is_overridden(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.caps = CAP_WAVES | CAP_PAUSE | CAP_APPROVE | CAP_ROLLOUTS | CAP_DOWNGRADE | CAP_AUTO_ASSIGN | CAP_OFFLINE;
    world_play(&w, &p, back, 3600);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    everyone_on(&w, 0);
    assert_int_equal(world_asked(&w, "stop"), 0);
    assert_int_equal(w.rollouts[0].state, ROLLOUT_PAUSED);
    play_release(&p);
    world_release(&w);
}

static bool back_offline(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && ready(s) && v->waves_known && p->w->rollouts[0].waves[1].state == WAVE_RUNNING) {
        struct intent in = world_intent(VERB_ROLLBACK, "10");
        p->w->devices[3].offline = true;
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    if (p->stage == 1 && v->rollback.step == RB_FOLLOW && v->rollback.offline == 1 &&
        v->rollback.verified == v->rollback.devices - 1) {
        assert_int_equal(op_of(s, p->ticket)->phase, OP_RUNNING); /* it waits, for days if need be */
        p->w->devices[3].offline = false;
        p->stage = 2;
    }
    p->done = p->stage == 2 && op_over(s, p->ticket);
    return false;
}

static void an_offline_device_is_waited_for(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    world_play(&w, &p, back_offline, 3600);
    assert_int_equal(snapshot_rollout(p.last, "10")->rollback.outcome, RB_COMPLETE);
    everyone_on(&w, 0);
    play_release(&p);
    world_release(&w);
}

static void a_roll_back_made_by_another_is_adopted(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.name_taken = true;
    world_play(&w, &p, back, 3600);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    everyone_on(&w, 0);
    assert_int_equal(world_asked(&w, "create"), 1); /* tried once, refused by the name, adopted */
    assert_int_equal(w.n_rollouts, 2);
    play_release(&p);
    world_release(&w);
}

static void a_device_outside_the_rollout_is_left_alone(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.rollouts[0].waves[2].n = 9; /* the last device is in no wave, and has 2.0 on purpose */
    w.devices[w.n_devices - 1].installed = w.devices[w.n_devices - 1].assigned = 1;
    world_play(&w, &p, back, 3600);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    assert_int_equal(w.devices[w.n_devices - 1].installed, 1);
    w.devices[w.n_devices - 1].installed = 0;
    everyone_on(&w, 0);
    play_release(&p);
    world_release(&w);
}

/* ---- dying in the middle ---- */

static bool resume_until_done(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && v->rollback.step == RB_DONE && s->n_ops > 0 && s->ops[s->n_ops - 1].phase >= OP_DONE;
    return false;
}

static void dies_at(const char *at, const char *before)
{
    struct world w;
    struct play p = {0}, q = {0};
    world_init(&w, three, 3);
    w.auto_on = true;
    w.devices[2].late = true;
    snprintf(w.die_at, sizeof w.die_at, "%s", at);
    snprintf(w.die_before, sizeof w.die_before, "%s", before);
    world_play(&w, &p, back, 3600);
    assert_true(w.dead);
    w.die_at[0] = w.die_before[0] = '\0';
    world_play(&w, &q, resume_until_done, 7200);
    everyone_on(&w, 0);
    int rollbacks = 0;
    for (int i = 0; i < w.n_rollouts; i++)
        rollbacks += strncmp(w.rollouts[i].name, "andon-rb-", 9) == 0;
    assert_int_equal(rollbacks, 1); /* never made twice */
    assert_int_equal(snapshot_rollout(q.last, "10")->rollback.outcome, RB_COMPLETE);
    char *log = world_entries(&w, "");
    assert_non_null(strstr(log, "recovered rollback 10"));
    free(log);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

static void killed_anywhere_it_goes_on(void **state)
{
    (void)state;
    static const char *const points[] = {"pause 10", "auto-off",        "stop 10",        "create",
                                         "start",    "assign dev-02 2", "assign dev-02 1"};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        print_message("after %s\n", points[i]);
        dies_at(points[i], "");
    }
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        if (strncmp(points[i], "auto", 4) == 0 || strncmp(points[i], "assign", 6) == 0)
            continue;
        print_message("before %s\n", points[i]);
        dies_at("", points[i]);
    }
}

/* ---- the release to go back to ---- */

static const char *named; /* of the next roll back */

static bool back_to(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    if (p->stage == 0 && ready(s) && v->waves_known && p->w->now - p->limit > -(int64_t)3570 * US_PER_S) {
        struct intent in = world_intent(VERB_ROLLBACK, "10");
        snprintf(in.to_release, sizeof in.to_release, "%s", named);
        p->ticket = engine_submit(p->en, &in);
        p->stage = 1;
        return true;
    }
    p->done = p->stage == 1 && op_over(s, p->ticket);
    return false;
}

/* Nothing is paused, recalled or made, and the end is no success. */
static void refused(struct world *w, const char *to, const char *why)
{
    struct play p = {0};
    named = to;
    world_play(w, &p, back_to, 3600);
    const struct op_view *op = op_of(p.last, p.ticket);
    const struct rollback_view *b = &snapshot_rollout(p.last, "10")->rollback;
    assert_int_equal(op->phase, OP_REFUSED);
    if (!strstr(op->text, why))
        fail_msg("%s: %s", to, op->text);
    assert_non_null(strstr(op->text, "nothing was done"));
    assert_int_equal(b->step, RB_DONE);
    assert_int_equal(b->outcome, RB_FAILED);
    assert_string_equal(rollback_word(b), "failed");
    for (size_t i = 0; i < w->n_log; i++)
        fail_msg("%s: it did %s", to, w->log[i].what);
    assert_int_equal(w->rollouts[0].state, ROLLOUT_RUNNING);
    char *log = world_entries(w, "outcome");
    assert_non_null(strstr(log, "rollback 10 refused"));
    assert_null(strstr(log, "rollback 10 ok"));
    free(log);
    play_release(&p);
    world_release(w);
}

static void a_release_that_is_not_there_is_found_out_first(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, three, 3);
    refused(&w, "hearth:9.9.9", "there is no release hearth:9.9.9 on this server");
    world_init(&w, three, 3);
    refused(&w, "hearth:2.0", "is the release that is rolled back");
    world_init(&w, three, 3);
    refused(&w, "hearth", "it is written name:version");
    world_init(&w, three, 3);
    w.releases[w.n_releases++] = (struct release){.id = "3", .name = "hearth", .version = "1.*"};
    refused(&w, "hearth:1.*", "can't be written into a filter");
    world_init(&w, three, 3);
    w.releases[1].version = "2.*"; /* that devices have it can never be asked */
    refused(&w, "hearth:1.0", "can't be written into a filter");
}

/* A list that is cut says of the rest what is not so: then it does not begin. */
static void more_than_can_be_read_is_refused_first(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, three, 3);
    w.stands_for = 600000;
    refused(&w, "hearth:1.0", "devices have the release that is rolled back; a roll back reads at most 1000000");
}

static void a_release_with_colons_is_found(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.releases[0] = (struct release){.id = "1", .name = "hearth:eu", .version = "1:0"};
    named = "hearth:eu:1:0";
    world_play(&w, &p, back_to, 3600);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    everyone_on(&w, 0);
    play_release(&p);
    world_release(&w);
}

/* ---- servers that can do less ---- */

/* The server without some of its calls. */
static struct backend_ops less;

static void take_away(struct world *w, uint32_t caps)
{
    less = w_backend_ops;
    w->ops = &less;
    w->caps &= ~caps;
}

/* Waves by their members, no auto-assignment, no stop, no list of actions, no assignment of one device: devices still
 * come back, and each step that was left out is said in the log. */
static void what_a_server_cannot_do_is_left_out(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    take_away(&w, CAP_AUTO_ASSIGN | CAP_STOP | CAP_ACTION_LIST | CAP_OFFLINE);
    less.filter_parts = NULL;
    less.auto_assigns = NULL;
    less.auto_assign_off = NULL;
    less.inflight = NULL;
    less.assign = NULL;
    less.device = NULL;
    less.told_at = NULL;
    less.attributes = NULL;
    less.notes = NULL;
    less.note_put = NULL;
    less.note_delete = NULL;
    named = "hearth:1.0";
    world_play(&w, &p, back_to, 3600);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    everyone_on(&w, 0);
    assert_int_equal(world_asked(&w, "auto-off"), 0);
    assert_int_equal(world_asked(&w, "stop 10"), 0);
    const struct w_rollout *made = &w.rollouts[w.n_rollouts - 1];
    assert_string_equal(made->name, "andon-rb-10-1");
    assert_string_equal(made->filter, "");
    char *log = world_field(&w, "step", "skipped");
    assert_non_null(strstr(log, "switches auto-assignments off"));
    assert_non_null(strstr(log, "cannot stop a rollout for good"));
    assert_non_null(strstr(log, "which recalled devices have answered"));
    free(log);
    play_release(&p);
    world_release(&w);
}

/* A device that nothing brings back by itself is named, and the roll back does not claim it. */
/* One rollout cannot name them all: there are several. */
static void more_than_one_rollout_may_name_are_split(void **state)
{
    static const int two[] = {9, 4};
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, two, 2);
    take_away(&w, 0);
    less.filter_parts = NULL;
    less.assign = NULL;
    less.tell = NULL; /* none is brought back by itself */
    less.create_most = 4;
    named = "hearth:1.0";
    world_play(&w, &p, back_to, 3600);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    everyone_on(&w, 0);
    assert_true(world_asked(&w, "create") >= 3);
    play_release(&p);
    world_release(&w);
}

/* ---- told once more, by key ---- */

#define RB_TRIES_SEEN 3

static struct {
    char keys[16][80];
    size_t n;
    bool works;
} once_more;

/* A server that knows keys: the same once more does nothing. Three are told in vain, and then andon is killed. */
static void tell_by_key(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n,
                        const char *key, struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct world *w = (struct world *)(void *)b;
    (void)a;
    if (w->dead)
        return;
    assert_int_equal(n, 1);
    out[0].outcome = TELL_DONE;
    bool known = false;
    for (size_t i = 0; i < once_more.n; i++)
        known = known || strcmp(once_more.keys[i], key) == 0;
    if (!known) {
        assert_true(once_more.n < 16);
        snprintf(once_more.keys[once_more.n++], sizeof once_more.keys[0], "%s", key);
    }
    if (!known && once_more.works)
        w_backend_ops.assign(b, raw_ids[0], r->id, false, done, ctx);
    else
        w_answer(w, done, ctx);
    w->dead = w->dead || (!once_more.works && once_more.n == RB_TRIES_SEEN);
}

/* The server leaves one device out. */
static void create_less_one(struct backend *b, const struct rollout_spec *spec, struct arena *a, const char **id_out,
                            backend_done done, void *ctx)
{
    struct rollout_spec less_one = *spec;
    struct wave_members *m = ARENA_ARRAY(a, struct wave_members, (size_t)spec->n_waves);
    memcpy(m, spec->members, (size_t)spec->n_waves * sizeof *m);
    m[spec->n_waves - 1].n--;
    less_one.members = m;
    w_backend_ops.create_rollout(b, &less_one, a, id_out, done, ctx);
}

static void who_is_told_again_after_a_restart_has_a_key_of_its_own(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0}, q = {0};
    world_init(&w, three, 3);
    take_away(&w, 0);
    w.caps |= CAP_TELL;
    less.filter_parts = NULL;
    less.assign = NULL;
    less.tell = tell_by_key;
    less.create_rollout = create_less_one;
    named = "hearth:1.0";
    memset(&once_more, 0, sizeof once_more);
    world_play(&w, &p, back_to, 3600);
    assert_true(w.dead);
    once_more.works = true;
    world_play(&w, &q, resume_until_done, 7200);
    everyone_on(&w, 0);
    assert_int_equal(snapshot_rollout(q.last, "10")->rollback.outcome, RB_COMPLETE);
    play_release(&p);
    play_release(&q);
    world_release(&w);
}

static void too_many(struct backend *b, const struct rollout_spec *spec, struct arena *a, const char **id_out,
                     backend_done done, void *ctx)
{
    (void)spec;
    (void)a;
    (void)id_out;
    w_answer_err((struct world *)(void *)b, done, ctx, ERR_LIMIT, false, "more than 100000 in all");
}

/* What is refused here, by no server, would be refused each time: it ends, and says so. */
static void what_can_never_be_made_is_not_tried_for_ever(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    take_away(&w, 0);
    less.create_rollout = too_many;
    named = "hearth:1.0";
    world_play(&w, &p, back_to, 3600);
    const struct op_view *op = op_of(p.last, p.ticket);
    assert_int_equal(op->phase, OP_FAILED);
    assert_non_null(strstr(op->text, "andon-rb-10-1 cannot be made: more than 100000 in all"));
    play_release(&p);
    world_release(&w);
}

static void without_repair_the_rest_is_named(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    take_away(&w, CAP_OFFLINE);
    less.assign = NULL;
    w.devices[2].late = true;
    world_play(&w, &p, back, 3600);
    const struct op_view *op = op_of(p.last, p.ticket);
    assert_int_equal(op->phase, OP_FAILED);
    if (!strstr(op->text, "1 devices are not verified"))
        fail_msg("%s", op->text);
    play_release(&p);
    world_release(&w);
}

static void an_older_release_is_refused_where_the_server_takes_none(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, three, 3);
    w.caps &= ~(uint32_t)CAP_DOWNGRADE;
    w.releases[0].order = 4;
    w.releases[1].order = 5;
    refused(&w, "hearth:1.0", "choose one with an order above 5 (there is none");
    world_init(&w, three, 3);
    w.caps &= ~(uint32_t)CAP_DOWNGRADE;
    w.releases[0].order = 4;
    w.releases[1].order = 5;
    w.releases[w.n_releases++] = (struct release){.id = "3", .name = "hearth", .version = "1.0-again", .order = 6};
    refused(&w, "hearth:1.0", "order above 5 (hearth:1.0-again)");
    world_init(&w, three, 3);
    w.caps &= ~(uint32_t)CAP_DOWNGRADE;
    refused(&w, "hearth:1.0", "does not say whether hearth:1.0 is one");
}

static void one_of_a_higher_order_goes(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.caps &= ~(uint32_t)CAP_DOWNGRADE;
    w.releases[1].order = 5;
    w.releases[w.n_releases++] = (struct release){.id = "3", .name = "hearth", .version = "1.0-again", .order = 6};
    named = "hearth:1.0-again";
    world_play(&w, &p, back_to, 3600);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    for (int i = 0; i < three[0]; i++) /* the others were never told */
        assert_int_equal(w.devices[i].installed, 2);
    play_release(&p);
    world_release(&w);
}

static bool back_later(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    bool done = back_to(p, s);
    if (p->stage == 1 && v->rollback.step == RB_TARGET && strstr(v->rollback.text, "cannot be looked up yet")) {
        assert_int_equal(p->w->n_log, 0); /* it waits, and has done nothing */
        p->w->releases_down = false;
    }
    return done;
}

static void it_waits_until_it_can_be_asked_for(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.releases_down = true;
    named = "hearth:1.0";
    world_play(&w, &p, back_later, 3600);
    assert_false(w.releases_down);
    assert_int_equal(op_of(p.last, p.ticket)->phase, OP_DONE);
    everyone_on(&w, 0);
    play_release(&p);
    world_release(&w);
}

/* What a dialog asks for before it lets anybody confirm. */
static bool looks(struct play *p, const struct snapshot *s)
{
    static const struct {
        const char *to;
        enum target_state state;
    } want[] = {{"hearth:9.9.9", TARGET_MISSING}, {"hearth:1.0", TARGET_FOUND},   {"hearth:2.0", TARGET_BARRED},
                {"hearth", TARGET_BARRED},        {"hearth:1.0", TARGET_UNKNOWN}, {"hearth:1.0", TARGET_FOUND}};
    struct focus f = {.wave = -1, .rollout = "10"};
    if (!ready(s))
        return false;
    if (p->stage > 0) {
        if (strcmp(s->target.name, want[p->stage - 1].to) != 0 || s->target.state == TARGET_ASKING)
            return false;
        if (p->stage == 6 && s->target.state == TARGET_UNKNOWN)
            return false; /* asked for again after a while */
        assert_int_equal(s->target.state, want[p->stage - 1].state);
        if (s->target.state == TARGET_FOUND)
            assert_string_equal(s->target.id, "1");
    }
    p->done = p->stage == 6;
    p->w->releases_down = p->stage == 4;
    if (p->done || p->stage == 5) {
        p->stage++;
        return false;
    }
    snprintf(f.to, sizeof f.to, "%s", want[p->stage].to);
    engine_focus(p->en, &f);
    p->stage++;
    return true;
}

static void a_dialog_is_told_what_the_server_has(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    world_play(&w, &p, looks, 120);
    play_release(&p);
    world_release(&w);
}

static bool denied(struct play *p, const struct snapshot *s)
{
    struct focus f = {.wave = 0, .rollout = "10"};
    if (p->stage == 0 && ready(s)) {
        engine_focus(p->en, &f);
        p->stage = 1;
        return true;
    }
    p->done = p->stage == 1 && s->devices_error && s->told_error && s->rollouts[0].unlisted && s->n_alerts > 0;
    return false;
}

static void what_may_not_be_read_is_said(void **state)
{
    (void)state;
    struct world w;
    struct play p = {0};
    world_init(&w, three, 3);
    w.devices_denied = true;
    world_play(&w, &p, denied, 120);
    assert_int_equal(p.last->told_error->code, ERR_FORBIDDEN);
    assert_non_null(strstr(p.last->devices_error->what, "(403)"));
    assert_non_null(strstr(p.last->alerts[0].text, "cannot be listed"));
    assert_int_equal(p.last->alerts[0].kind, ALERT_UNLISTED);
    play_release(&p);
    world_release(&w);
}

/* Devices fail on the way back: an end is no success. */
static void nothing_back_is_never_done(void **state)
{
    (void)state;
    for (int all = 0; all < 2; all++) {
        struct world w;
        struct play p = {0};
        world_init(&w, three, 3);
        for (int i = 0; i < (all ? w.n_devices : 3); i++)
            w.devices[i].fails = true;
        w.fails_back = true;
        world_play(&w, &p, back, 7200);
        const struct rollback_view *b = &snapshot_rollout(p.last, "10")->rollback;
        assert_int_equal(b->step, RB_DONE);
        assert_int_equal(op_of(p.last, p.ticket)->phase, OP_FAILED);
        assert_int_equal(b->outcome, all ? RB_FAILED : RB_PARTLY);
        assert_true(b->verified < b->devices && (b->verified == 0) == all);
        assert_string_equal(rollback_word(b), all ? "failed" : "incomplete");
        char *log = world_entries(&w, "outcome");
        assert_non_null(strstr(log, "rollback 10 incomplete"));
        assert_null(strstr(log, "rollback 10 ok"));
        free(log);
        play_release(&p);
        world_release(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_device_told_comes_back),
        cmocka_unit_test(a_wave_beyond_the_servers_own_limit_comes_back),
        cmocka_unit_test(a_server_without_stop_is_overridden),
        cmocka_unit_test(an_offline_device_is_waited_for),
        cmocka_unit_test(a_roll_back_made_by_another_is_adopted),
        cmocka_unit_test(a_device_outside_the_rollout_is_left_alone),
        cmocka_unit_test(killed_anywhere_it_goes_on),
        cmocka_unit_test(a_release_that_is_not_there_is_found_out_first),
        cmocka_unit_test(what_a_server_cannot_do_is_left_out),
        cmocka_unit_test(more_than_can_be_read_is_refused_first),
        cmocka_unit_test(more_than_one_rollout_may_name_are_split),
        cmocka_unit_test(who_is_told_again_after_a_restart_has_a_key_of_its_own),
        cmocka_unit_test(what_can_never_be_made_is_not_tried_for_ever),
        cmocka_unit_test(without_repair_the_rest_is_named),
        cmocka_unit_test(an_older_release_is_refused_where_the_server_takes_none),
        cmocka_unit_test(one_of_a_higher_order_goes),
        cmocka_unit_test(a_release_with_colons_is_found),
        cmocka_unit_test(it_waits_until_it_can_be_asked_for),
        cmocka_unit_test(a_dialog_is_told_what_the_server_has),
        cmocka_unit_test(what_may_not_be_read_is_said),
        cmocka_unit_test(nothing_back_is_never_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
