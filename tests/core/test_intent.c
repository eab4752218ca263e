/* May this verb go ahead? States, capabilities, gates; and what a preview says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/intent.h"

#define ALL_CAPS 0xffffffffU

struct bench {
    struct rollout r;
    struct wave w[4];
    struct policy p;
    struct verb_facts f;
    struct intent in;
    struct err why;
    struct preview view;
};

static void set_wave(struct wave *w, int i, enum wave_state s, int64_t total, struct counts c)
{
    static const char *const names[] = {"canary", "early", "half", "rest"};

    c.known = true;
    *w = (struct wave){.id = names[i],
                       .name = names[i],
                       .index = i,
                       .state = s,
                       .state_word = wave_state_word(s),
                       .total = total,
                       .counts = c,
                       .success_action = "",
                       .success = {.text = ""},
                       .failure = {.present = true, .can_fire = true, .percent = 20, .text = "20"}};
}

/* 4471: canary done (20), early running (200: 150 done, 5 failed, 45 under way), half and rest wait (300 + 480). */
static void bench_init(struct bench *b, enum verb v)
{
    memset(b, 0, sizeof *b);
    b->r = (struct rollout){.id = "4471",
                            .name = "hearth 4.12.1",
                            .state = ROLLOUT_RUNNING,
                            .state_word = "running",
                            .release = {.id = "7", .name = "hearth", .version = "4.12.1"},
                            .total = 1000};
    set_wave(&b->w[0], 0, WAVE_FINISHED, 20, (struct counts){.finished = 20});
    set_wave(&b->w[1], 1, WAVE_RUNNING, 200, (struct counts){.finished = 150, .error = 5, .running = 45});
    set_wave(&b->w[2], 2, WAVE_SCHEDULED, 300, (struct counts){.scheduled = 300});
    set_wave(&b->w[3], 3, WAVE_SCHEDULED, 480, (struct counts){.notstarted = 480});
    b->r.counts =
        (struct counts){.finished = 170, .error = 5, .running = 45, .scheduled = 300, .notstarted = 480, .known = true};
    b->p = *policy_default();
    b->f = (struct verb_facts){.rollout = &b->r,
                               .waves = b->w,
                               .n_waves = 4,
                               .caps = ALL_CAPS,
                               .log_ok = true,
                               .fresh = true,
                               .data_age = US_PER_S,
                               .wave_running_for = US_PER_HOUR,
                               .policy = &b->p};
    b->in = (struct intent){.verb = v, .all_waves = true, .expect_devices = -1};
    snprintf(b->in.rollout, sizeof b->in.rollout, "4471");
    snprintf(b->in.fleet, sizeof b->in.fleet, "home");
    snprintf(b->in.reason, sizeof b->in.reason, "INC-2207");
}

static bool ok(struct bench *b)
{
    bool yes;

    memset(&b->why, 0, sizeof b->why);
    yes = verb_check(&b->in, &b->f, &b->why);
    if (yes)
        return true;
    assert_int_not_equal(b->why.code, ERR_NONE);
    assert_true(b->why.what[0] != '\0');
    return false;
}

#define REFUSED(b, text)                                                                                               \
    do {                                                                                                               \
        assert_false(ok(b));                                                                                           \
        if (!strstr((b)->why.what, text))                                                                              \
            fail_msg("expected \"%s\" in \"%s\"", text, (b)->why.what);                                                \
    } while (0)

static void words_round_trip(void **state)
{
    (void)state;
    for (int v = VERB_NONE + 1; v < VERB_COUNT; v++)
        assert_int_equal(verb_from_word(verb_word((enum verb)v)), v);
    assert_int_equal(verb_from_word("none"), VERB_NONE);
    assert_int_equal(verb_from_word("stop"), VERB_NONE);
    assert_false(verb_changes_devices(VERB_ACK));
    assert_true(verb_changes_devices(VERB_HALT));
}

/* The matrix of the server's states: what andon lets through. A row for each verb, a column for each state. */
static void states(void **state)
{
    static const struct {
        enum verb verb;
        const char *yes;
    } rows[] = {
        /*                     ?CWDRsrpSTfxd  (see order below) */
        {VERB_START, "....Y........"},   {VERB_PAUSE, "......Y......"}, {VERB_RESUME, ".......Y....."},
        {VERB_ADVANCE, "......YY....."}, {VERB_HALT, "YYY.YYYYY...."},  {VERB_ROLLBACK, "Y....YYYYYY.."},
        {VERB_APPROVE, "..Y.........."}, {VERB_DENY, "..Y.........."},  {VERB_RETRY, "..........Y.."},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int s = ROLLOUT_UNKNOWN; s <= ROLLOUT_DELETED; s++) {
            struct bench b;

            bench_init(&b, rows[i].verb);
            b.r.state = (enum rollout_state)s;
            b.r.state_word = "odd";
            b.f.held_by_andon = true;
            if (ok(&b) != (rows[i].yes[s] == 'Y'))
                fail_msg("%s in state %s: %s", verb_word(rows[i].verb), rollout_state_word(b.r.state), b.why.what);
        }
}

/* Whatever else is wrong, a person's halt goes out. */
static void a_persons_halt_always_passes(void **state)
{
    struct bench b;

    (void)state;
    for (int bits = 0; bits < 64; bits++) {
        bench_init(&b, VERB_HALT);
        b.f.read_only = bits & 1;
        b.f.fresh = !(bits & 2);
        b.f.log_ok = !(bits & 4);
        b.f.log_backlog = bits & 8;
        b.f.latched = bits & 16;
        b.f.rollback_running = bits & 32;
        b.f.data_age = TIME_NEVER;
        b.f.caps = 0;
        b.in.reason[0] = '\0';
        assert_true(ok(&b));
        b.in.actor.kind = ACTOR_SCRIPT;
        assert_true(ok(&b));
        b.f.rollout = NULL;
        b.in.rollout[0] = '\0'; /* all of the fleet */
        assert_true(ok(&b));
    }
    bench_init(&b, VERB_HALT);
    b.r.state = ROLLOUT_FINISHED;
    REFUSED(&b, "nothing to halt");
    b.f.fresh = false; /* old data must not stand in the way */
    assert_true(ok(&b));
    b.f.rollout = NULL;
    assert_true(ok(&b));
    b.f.fresh = true;
    REFUSED(&b, "no rollout 4471");
}

static void a_rule_in_read_only_only_says_so(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, VERB_HALT);
    b.in.actor.kind = ACTOR_RULE;
    snprintf(b.in.rule, sizeof b.in.rule, "R-REBOOT");
    b.f.log_ok = false;
    assert_true(ok(&b));
    b.f.read_only = true;
    REFUSED(&b, "R-REBOOT would have halted 4471");
    assert_int_equal(b.why.code, ERR_REFUSED);
}

static void all_other_verbs_fail_closed(void **state)
{
    (void)state;
    for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
        struct bench b;

        if (v == VERB_HALT)
            continue;
        bench_init(&b, (enum verb)v);
        b.f.read_only = true;
        REFUSED(&b, "read-only");
        bench_init(&b, (enum verb)v);
        b.f.fresh = false;
        b.f.data_age = 34 * US_PER_S;
        b.f.fresh_us = 20 * US_PER_S;
        b.f.latched = v == VERB_ACK;
        if (verb_changes_devices((enum verb)v))
            REFUSED(&b, "34s old, more than 20s");
        else
            assert_true(ok(&b)); /* an acknowledgement needs what is known of the latch */
        b.f.data_age = TIME_NEVER;
        REFUSED(&b, "has not answered yet");
        bench_init(&b, (enum verb)v);
        b.f.log_ok = false;
        REFUSED(&b, "audit log cannot be written");
        b.f.log_tampered = true;
        REFUSED(&b, "audit log is tampered with");
        b.f.log_tampered = false;
        bench_init(&b, (enum verb)v);
        b.f.log_backlog = true;
        REFUSED(&b, "logged late");
        bench_init(&b, (enum verb)v);
        b.f.rollout = NULL;
        REFUSED(&b, "no rollout 4471");
    }
}

static void a_latch_allows_only_ack_rollback_halt(void **state)
{
    static const enum rollout_state fits[VERB_COUNT] = {[VERB_START] = ROLLOUT_READY,
                                                        [VERB_ADVANCE] = ROLLOUT_RUNNING,
                                                        [VERB_PAUSE] = ROLLOUT_RUNNING,
                                                        [VERB_RESUME] = ROLLOUT_PAUSED,
                                                        [VERB_HALT] = ROLLOUT_RUNNING,
                                                        [VERB_ROLLBACK] = ROLLOUT_PAUSED,
                                                        [VERB_ACK] = ROLLOUT_PAUSED,
                                                        [VERB_RETRY] = ROLLOUT_FINISHED,
                                                        [VERB_APPROVE] = ROLLOUT_WAITING_APPROVAL,
                                                        [VERB_DENY] = ROLLOUT_WAITING_APPROVAL};

    (void)state;
    for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
        struct bench b;

        bench_init(&b, (enum verb)v);
        b.r.state = fits[v];
        assert_true(ok(&b) || v == VERB_ACK);
        b.f.latched = true;
        if (v == VERB_ACK || v == VERB_ROLLBACK || v == VERB_HALT)
            assert_true(ok(&b));
        else
            REFUSED(&b, "nobody has acknowledged");
        b.f.latched = false;
        b.f.rollback_running = true;
        if (v == VERB_HALT)
            assert_true(ok(&b));
        else if (v != VERB_ACK)
            REFUSED(&b, "under way");
    }
}

static void what_the_server_cannot_do(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, VERB_PAUSE);
    b.f.caps = 0;
    REFUSED(&b, "cannot pause");
    assert_int_equal(b.why.code, ERR_UNSUPPORTED);
    bench_init(&b, VERB_RETRY);
    b.r.state = ROLLOUT_FINISHED;
    b.f.caps = 0;
    REFUSED(&b, "cannot retry");
    bench_init(&b, VERB_RETRY);
    b.r.state = ROLLOUT_FINISHED;
    b.r.counts.error = 0;
    REFUSED(&b, "no device of 4471 failed");
    bench_init(&b, VERB_ADVANCE);
    b.f.caps = CAP_PAUSE;
    REFUSED(&b, "cannot start a wave on request");
}

static void advance_without_trigger_resumes_a_hold(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, VERB_ADVANCE);
    b.r.state = ROLLOUT_PAUSED;
    b.f.caps = CAP_PAUSE;
    REFUSED(&b, "somebody else has paused it");
    b.f.held_by_andon = true;
    REFUSED(&b, "W1 still runs");
    b.w[1].counts.running = 0; /* the old server goes on saying "running": the counts decide */
    assert_true(ok(&b));
    b.w[2].state = b.w[3].state = WAVE_FINISHED;
    REFUSED(&b, "no wave of 4471 is left");
    b.f.n_waves = 0;
    REFUSED(&b, "not been read yet");
}

static void gates_of_advance_and_resume(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, VERB_ADVANCE);
    b.p.bake_us = 2 * US_PER_HOUR;
    REFUSED(&b, "W1 has run for 1h00m of 2h00m: 1h00m to go");
    b.p.bake_us = US_PER_HOUR;
    b.f.hours_left = 12.5;
    REFUSED(&b, "4471 has 12.5 device-hours of watch to go");
    b.f.hours_left = 0;
    assert_true(ok(&b));
    b.f.verdict = REACT_WATCH;
    assert_true(ok(&b));
    b.f.verdict = REACT_HOLD;
    REFUSED(&b, "verdict on 4471 is hold");
    b.f.data_missing = true;
    REFUSED(&b, "missing data is never health");
    bench_init(&b, VERB_RESUME);
    b.r.state = ROLLOUT_PAUSED;
    b.f.verdict = REACT_HOLD;
    b.f.data_missing = true;
    assert_true(ok(&b)); /* a person may resume; nothing is promoted by that */
    b.f.on_resume = REACT_PAUSE;
    REFUSED(&b, "verdict on 4471 is pause");
}

static void rules_do_only_three_things(void **state)
{
    (void)state;
    for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
        struct bench b;

        bench_init(&b, (enum verb)v);
        b.in.actor.kind = ACTOR_RULE;
        if (v == VERB_HALT || v == VERB_PAUSE || v == VERB_ROLLBACK)
            assert_true(ok(&b));
        else
            REFUSED(&b, "a rule may halt, pause and roll back");
    }
}

static void what_is_no_verb_is_refused(void **state)
{
    static const enum verb odd[] = {VERB_NONE, VERB_COUNT, (enum verb)99};

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct bench b;

        bench_init(&b, odd[i]);
        REFUSED(&b, "no such verb");
        assert_int_equal(b.why.code, ERR_INTERNAL);
    }
}

static void rollback_needs(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, VERB_ROLLBACK);
    assert_true(ok(&b));
    b.in.reason[0] = '\0';
    REFUSED(&b, "needs a reason");
    bench_init(&b, VERB_ROLLBACK);
    b.in.expect_devices = 220;
    assert_true(ok(&b));
    b.in.expect_devices = 219;
    REFUSED(&b, "219 devices were confirmed, but now it would be 220");
    assert_int_equal(b.why.code, ERR_CONFLICT);
    b.in.all_waves = false;
    b.in.wave_mask[0] = 1U << 1;
    b.in.expect_devices = 200;
    assert_true(ok(&b));
    b.in.wave_mask[0] = 1U << 3;
    REFUSED(&b, "none of the chosen waves");
    bench_init(&b, VERB_ROLLBACK);
    b.p.rollback_to = "";
    REFUSED(&b, "which release to go back to");
    snprintf(b.in.to_release, sizeof b.in.to_release, "hearth:4.11.9");
    assert_true(ok(&b));
    bench_init(&b, VERB_ROLLBACK);
    for (int i = 0; i < 4; i++)
        b.w[i].counts = (struct counts){.notstarted = b.w[i].total, .known = true};
    REFUSED(&b, "has told no device");
    bench_init(&b, VERB_ROLLBACK);
    b.f.n_waves = 0;
    REFUSED(&b, "not been read yet");
    bench_init(&b, VERB_DENY);
    b.r.state = ROLLOUT_WAITING_APPROVAL;
    b.in.reason[0] = '\0';
    REFUSED(&b, "needs a reason");
    snprintf(b.in.remark, sizeof b.in.remark, "no");
    assert_true(ok(&b));
}

/* Without counts the wave's state tells; a stopped rollout calls waves "finished" that never started. */
static void told_by_counts_or_state(void **state)
{
    struct wave w;

    (void)state;
    set_wave(&w, 2, WAVE_FINISHED, 300, (struct counts){.notstarted = 300});
    assert_int_equal(wave_told(&w), 0);
    w.counts.known = false;
    assert_int_equal(wave_told(&w), 300);
    w.state = WAVE_SCHEDULED;
    assert_int_equal(wave_told(&w), 0);
    w.counts = (struct counts){.notstarted = 999, .known = true};
    assert_int_equal(wave_told(&w), 0);
}

static int64_t total(const struct preview_line *l, size_t n, bool all)
{
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++)
        if (l[i].devices >= 0 && (all || strcmp(l[i].mark, "note") != 0))
            sum += l[i].devices;
    return sum;
}

static void preview(struct bench *b, const struct preview_device *d, size_t n)
{
    preview_make(&b->in, &b->f, d, n, 77, &b->view);
}

/* Every device of the rollout stands on exactly one line. */
static void previews_add_up(void **state)
{
    static const enum verb verbs[] = {VERB_START, VERB_ADVANCE, VERB_PAUSE, VERB_RESUME, VERB_HALT, VERB_ROLLBACK};

    (void)state;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        struct bench b;

        bench_init(&b, verbs[i]);
        if (verbs[i] == VERB_START)
            for (int w = 0; w < 4; w++)
                b.w[w].counts = (struct counts){.notstarted = b.w[w].total, .known = true};
        preview(&b, NULL, 0);
        assert_int_equal(total(b.view.will, b.view.n_will, true) + total(b.view.wont, b.view.n_wont, true), 1000);
        assert_true(b.view.n_will > 0);
        assert_int_equal(b.view.taken_at, 77);
    }
}

static void halt_shows_who_goes_on(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, VERB_HALT);
    preview(&b, NULL, 0);
    assert_string_equal(b.view.title, "HALT home/4471 hearth 4.12.1");
    b.f.environment = "prod"; /* said where the fleet's name does not say it */
    preview(&b, NULL, 0);
    assert_string_equal(b.view.title, "HALT home/4471 (prod) hearth 4.12.1");
    snprintf(b.in.fleet, sizeof b.in.fleet, "home-PROD");
    preview(&b, NULL, 0);
    assert_string_equal(b.view.title, "HALT home-PROD/4471 hearth 4.12.1");
    assert_int_equal(b.view.devices, 780);
    assert_int_equal(b.view.in_flight, 45);
    assert_string_equal(b.view.phrase, "");
    assert_string_equal(b.view.wont[0].mark, "note");
    assert_int_equal(b.view.wont[0].devices, 45);
    b.p.halt_stops = true;
    preview(&b, NULL, 0);
    assert_string_equal(b.view.will[1].mark, "wait");
    assert_int_equal(b.view.will[1].devices, 45);
}

static bool says(const struct preview_line *v, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strstr(v[i].text, text))
            return true;
    return false;
}

/* What each strength does on this server stands there before a key is pressed. */
static void a_stop_says_how_hard(void **state)
{
    static const struct {
        enum strength how;
        uint32_t caps;
        const char *will, *wont;
    } cases[] = {
        {STRENGTH_POLICY, CAP_STOP | CAP_FORCE | CAP_OWN_WAVES, "is paused, and stays so",
         "go on in spite of the halt"},
        {STRENGTH_SOFT, CAP_STOP, "recalled, but some", NULL},
        {STRENGTH_SOFT, CAP_STOP | CAP_OWN_WAVES | CAP_RECALL, "recalled, but some", NULL},
        {STRENGTH_SOFT, CAP_STOP | CAP_OWN_WAVES | CAP_RECALL | CAP_FORCE, "recalled, but some",
         "by force it would be"},
        {STRENGTH_SOFT, CAP_STOP | CAP_OWN_WAVES, "stopped for good", "cannot recall them"},
        {STRENGTH_FORCE, CAP_STOP | CAP_OWN_WAVES | CAP_RECALL | CAP_FORCE, "cut off where they", "taken then: lost"},
        {STRENGTH_FORCE, CAP_STOP | CAP_OWN_WAVES | CAP_RECALL, "recalled, but some", "not possible here"},
        {STRENGTH_FORCE, CAP_STOP | CAP_FORCE, "recalled, but some", "not possible here"},
        {STRENGTH_FORCE, CAP_FORCE | CAP_OWN_WAVES, "is paused, and stays so", "cannot stop a rollout for good"},
    };
    struct bench b;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bench_init(&b, VERB_HALT);
        b.in.strength = cases[i].how;
        b.f.caps = cases[i].caps;
        preview(&b, NULL, 0);
        if (!says(b.view.will, b.view.n_will, cases[i].will))
            fail_msg("case %d does not say: %s", (int)i, cases[i].will);
        if (cases[i].wont && !says(b.view.wont, b.view.n_wont, cases[i].wont))
            fail_msg("case %d does not say: %s", (int)i, cases[i].wont);
        if (!cases[i].wont && says(b.view.wont, b.view.n_wont, "force"))
            fail_msg("case %d speaks of force", (int)i);
    }
}

static void advance_shows_one_wave(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, VERB_ADVANCE);
    b.w[2].failure.can_fire = false;
    b.w[2].failure.text = "100";
    preview(&b, NULL, 0);
    assert_int_equal(b.view.devices, 300);
    assert_non_null(strstr(b.view.will[0].text, "W2 half"));
    assert_non_null(strstr(b.view.wont[b.view.n_wont - 1].text, "(100) never fires"));
}

static void rollback_groups_devices(void **state)
{
    struct preview_device d[220];
    struct bench b;

    (void)state;
    for (size_t i = 0; i < 220; i++)
        d[i] = (struct preview_device){.id = "d",
                                       .wave = i < 20 ? 0 : 1,
                                       .from = i % 10 == 3 ? "hearth:4.11.8" : "hearth:4.11.9",
                                       .told = true,
                                       .status = i < 180   ? DEVICE_IN_SYNC
                                                 : i < 210 ? DEVICE_PENDING
                                                           : DEVICE_ERROR,
                                       .overdue = i % 50 == 49};
    bench_init(&b, VERB_ROLLBACK);
    preview(&b, d, 220);
    assert_string_equal(b.view.to, "hearth:4.11.9");
    assert_string_equal(b.view.phrase, "home/4471 ALL 220");
    assert_int_equal(b.view.devices, 220);
    assert_int_equal(total(b.view.will, b.view.n_will, true), 220);
    assert_int_equal(b.view.n_will, 5); /* two versions, pending, failed, offline */
    b.in.all_waves = false;
    b.in.wave_mask[0] = 1U << 1;
    preview(&b, d, 220);
    assert_string_equal(b.view.phrase, "home/4471 W1 200");
    snprintf(b.in.rollout, sizeof b.in.rollout, "plan-3de79c0ea6dd514c");
    preview(&b, d, 220);
    assert_string_equal(b.view.phrase, "home/plan-3de7 W1 200");
    snprintf(b.in.rollout, sizeof b.in.rollout, "4471");
    preview(&b, d, 220);
    assert_int_equal(total(b.view.will, b.view.n_will, true), 200);
    assert_int_equal(b.view.wont[0].devices, 20);
    preview(&b, d, 150); /* not all of them have been read */
    assert_int_equal(total(b.view.will, b.view.n_will, true), 200);
    b.in.wave_mask[0] = 3;
    preview(&b, d, 220);
    assert_string_equal(b.view.phrase, "home/4471 W0-W1 220");
    b.w[1].counts.running = 0; /* counts and list of different moments: the counts are confirmed */
    b.w[1].counts.notstarted = 45;
    preview(&b, d, 220);
    assert_int_equal(b.view.devices, 175);
    assert_int_equal(total(b.view.will, b.view.n_will, true), 175);
    b.in.expect_devices = b.view.devices;
    assert_true(ok(&b));
}

static void rollback_target_is_looked_up(void **state)
{
    struct rollback_target t = {TARGET_ASKING, "", "", ""};
    struct preview_device d[20];
    struct bench b;

    (void)state;
    for (size_t i = 0; i < 20; i++) /* all under way: what they came from counts all the same, but not what they get */
        d[i] = (struct preview_device){.id = "d",
                                       .from = i < 9    ? "hearth:4.12.1"
                                               : i < 17 ? "hearth:4.11.9"
                                                        : "hearth:4.11.8",
                                       .told = true,
                                       .status = DEVICE_PENDING};
    bench_init(&b, VERB_ROLLBACK);
    b.r.release = (struct release){.id = "2", .name = "hearth", .version = "4.12.1"};
    b.f.target = &t;
    REFUSED(&b, "not known which release the devices came from");
    preview(&b, NULL, 0);
    assert_string_equal(b.view.to, "");
    preview(&b, d, 20);
    assert_string_equal(b.view.to, "hearth:4.11.9");
    snprintf(b.in.to_release, sizeof b.in.to_release, "hearth:9.9.9");
    REFUSED(&b, "whether this server has the release hearth:9.9.9 is not known yet");
    t = (struct rollback_target){TARGET_FOUND, "hearth:4.11.9", "7", ""}; /* of what was typed before */
    REFUSED(&b, "not known yet");
    t.name = "hearth:9.9.9";
    assert_true(ok(&b));
    preview(&b, d, 20);
    assert_int_equal(total(b.view.will, b.view.n_will, true), 220);
    t = (struct rollback_target){TARGET_MISSING, "hearth:9.9.9", "", ""};
    REFUSED(&b, "there is no release hearth:9.9.9 on this server");
    preview(&b, d, 20);
    assert_int_equal(b.view.n_will, 0);
    assert_non_null(strstr(b.view.wont[0].text, "they stay as they are"));
    assert_string_equal(b.view.phrase, "home/4471 ALL 220");
    t = (struct rollback_target){TARGET_BARRED, "hearth:9.9.9", "", "it is incomplete"};
    REFUSED(&b, "it is incomplete");
    t = (struct rollback_target){TARGET_UNKNOWN, "hearth:9.9.9", "", "no answer"};
    REFUSED(&b, "is not known: no answer");
    b.in.actor.kind = ACTOR_RULE; /* its roll back asks by itself, first of all */
    assert_true(ok(&b));
    b.in.actor.kind = ACTOR_PERSON;
    b.f.target = NULL;
    assert_true(ok(&b));
}

static bool wont_say(const struct preview *p, const char *text)
{
    for (size_t i = 0; i < p->n_wont; i++)
        if (strstr(p->wont[i].text, text))
            return true;
    return false;
}

/* What the server cannot do, and what is peculiar to it, is said before anything is confirmed. */
static void what_is_left_out_is_said(void **state)
{
    static const struct {
        uint32_t cap;
        const char *text;
    } steps[] = {{CAP_STOP, "it cannot be stopped"},
                 {CAP_AUTO_ASSIGN, "giving the release to new devices"},
                 {CAP_ACTION_LIST, "nobody waits for them"},
                 {CAP_OFFLINE, "cannot be told once more"},
                 {CAP_DOWNGRADE, "takes no older release"}};
    static const char *const says[SAY_COUNT] = {
        [SAY_PAUSE] = "halt = tell no more", [SAY_STOP] = "a stop is final", [SAY_ROLLBACK] = "pauses the other one"};
    struct bench b;

    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        bench_init(&b, VERB_ROLLBACK);
        preview(&b, NULL, 0);
        assert_false(wont_say(&b.view, steps[i].text));
        b.f.caps &= ~steps[i].cap;
        preview(&b, NULL, 0);
        if (!wont_say(&b.view, steps[i].text))
            fail_msg("not said: %s", steps[i].text);
    }
    bench_init(&b, VERB_ROLLBACK);
    b.f.says = says;
    preview(&b, NULL, 0);
    assert_true(wont_say(&b.view, "pauses the other one"));
    assert_false(wont_say(&b.view, "halt = tell no more"));
    bench_init(&b, VERB_HALT);
    b.f.says = says;
    preview(&b, NULL, 0);
    assert_true(wont_say(&b.view, "halt = tell no more"));
    b.p.halt_stops = true;
    preview(&b, NULL, 0);
    assert_true(wont_say(&b.view, "a stop is final"));
    bench_init(&b, VERB_PAUSE);
    b.f.says = says;
    preview(&b, NULL, 0);
    assert_true(wont_say(&b.view, "halt = tell no more"));
}

static void rollback_of_many_versions(void **state)
{
    static char from[20][16];
    struct preview_device d[220];
    struct bench b;

    (void)state;
    for (size_t i = 0; i < 220; i++) {
        snprintf(from[i % 20], sizeof from[0], "v:%d", (int)(i % 20));
        d[i] = (struct preview_device){
            .id = "d", .from = i == 7 ? "" : from[i % 20], .told = true, .status = DEVICE_IN_SYNC};
    }
    bench_init(&b, VERB_ROLLBACK);
    snprintf(b.in.to_release, sizeof b.in.to_release, "v:3");
    preview(&b, d, 220);
    assert_string_equal(b.view.to, "v:3");
    assert_int_equal(total(b.view.will, b.view.n_will, true), 220);
    assert_true(b.view.n_will <= PREVIEW_LINES);
    assert_non_null(strstr(b.view.will[0].text, "although they came from v:0"));
    assert_non_null(strstr(b.view.will[3].text, "which they came from"));
}

static void five_hundred_waves_fit_the_phrase(void **state)
{
    static struct wave w[500];
    struct bench b;

    (void)state;
    bench_init(&b, VERB_ROLLBACK);
    for (int i = 0; i < 500; i++) {
        set_wave(&w[i], 0, WAVE_FINISHED, 1, (struct counts){.finished = 1});
        w[i].index = i;
        if (i % 2)
            b.in.wave_mask[i / 64] |= UINT64_C(1) << (i % 64);
    }
    b.f.waves = w;
    b.f.n_waves = 500;
    b.in.all_waves = false;
    preview(&b, NULL, 0);
    assert_string_equal(b.view.phrase, "home/4471 WAVES 250");
    memset(b.in.wave_mask, 0xff, sizeof b.in.wave_mask);
    preview(&b, NULL, 0);
    assert_string_equal(b.view.phrase, "home/4471 W0-W499 500");
}

static void unknown_facts_do_not_crash(void **state)
{
    (void)state;
    for (int v = VERB_NONE + 1; v < VERB_COUNT; v++) {
        struct bench b;
        struct verb_facts none = {0};

        bench_init(&b, (enum verb)v);
        b.f = none;
        preview(&b, NULL, 0);
        ok(&b);
        b.in.rollout[0] = '\0';
        preview(&b, NULL, 0);
        assert_non_null(strstr(b.view.title, "every rollout of home"));
        ok(&b);
    }
}

static void a_policy_may_ask_who_and_why(void **state)
{
    struct bench b;

    (void)state;
    bench_init(&b, VERB_ACK);
    b.f.latched = true;
    assert_true(ok(&b));
    assert_int_equal(verb_reason_by(VERB_ACK, &b.p), REASON_NONE);
    b.p.people.reasons = 1u << VERB_ACK;
    assert_int_equal(verb_reason_by(VERB_ACK, &b.p), REASON_NEEDED);
    assert_int_equal(verb_reason_by(VERB_DENY, NULL), REASON_NEEDED);
    assert_true(ok(&b)); /* it has one */
    b.in.reason[0] = '\0';
    REFUSED(&b, "the policy asks for a reason");
    b.p.people.reasons = 0;
    b.p.people.operator_named = true;
    REFUSED(&b, "the policy asks who you are");
    b.in.actor.kind = ACTOR_SCRIPT;
    REFUSED(&b, "the policy asks who you are");
    b.f.operator_named = true;
    assert_true(ok(&b));
    b.f.operator_named = false;
    snprintf(b.in.actor.operator_name, sizeof b.in.actor.operator_name, "Mara Ito");
    assert_true(ok(&b));
    bench_init(&b, VERB_HALT); /* which nothing holds up, and no rule is asked */
    b.p.people = (struct people_policy){true, UINT32_MAX};
    b.in.reason[0] = '\0';
    assert_true(ok(&b));
    bench_init(&b, VERB_PAUSE);
    b.p.people = (struct people_policy){true, UINT32_MAX};
    b.in.actor.kind = ACTOR_RULE;
    b.in.reason[0] = '\0';
    assert_true(ok(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_round_trip),
        cmocka_unit_test(states),
        cmocka_unit_test(a_persons_halt_always_passes),
        cmocka_unit_test(a_rule_in_read_only_only_says_so),
        cmocka_unit_test(all_other_verbs_fail_closed),
        cmocka_unit_test(a_latch_allows_only_ack_rollback_halt),
        cmocka_unit_test(what_the_server_cannot_do),
        cmocka_unit_test(advance_without_trigger_resumes_a_hold),
        cmocka_unit_test(gates_of_advance_and_resume),
        cmocka_unit_test(rules_do_only_three_things),
        cmocka_unit_test(what_is_no_verb_is_refused),
        cmocka_unit_test(rollback_needs),
        cmocka_unit_test(told_by_counts_or_state),
        cmocka_unit_test(previews_add_up),
        cmocka_unit_test(halt_shows_who_goes_on),
        cmocka_unit_test(a_stop_says_how_hard),
        cmocka_unit_test(advance_shows_one_wave),
        cmocka_unit_test(rollback_groups_devices),
        cmocka_unit_test(rollback_target_is_looked_up),
        cmocka_unit_test(what_is_left_out_is_said),
        cmocka_unit_test(rollback_of_many_versions),
        cmocka_unit_test(five_hundred_waves_fit_the_phrase),
        cmocka_unit_test(a_policy_may_ask_who_and_why),
        cmocka_unit_test(unknown_facts_do_not_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
