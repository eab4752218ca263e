/* Notices: which ones a snapshot gives, which of them go out, and what the receivers get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/json.h"
#include "core/notice.h"
#include "core/outlook.h"
#include "core/snapshot.h"
#include "core/text.h"

#define T0     (INT64_C(1931257200) * US_PER_S)
#define REPEAT (30 * US_PER_MIN)

/* ---- the book ---- */

static struct notice note(enum notice_kind kind, const char *key)
{
    struct notice n = {.kind = kind, .t = T0, .wave = -1};
    snprintf(n.key, sizeof n.key, "%s", key);
    return n;
}

static bool due(struct notice_book *b, enum notice_kind kind, const char *key, int64_t after)
{
    struct notice n = note(kind, key);
    return notice_due(b, &n, T0 + after);
}

static bool over(struct notice_book *b, enum notice_kind kind, const char *key, int64_t after)
{
    struct notice n = note(kind, key);
    n.resolved = true;
    return notice_due(b, &n, T0 + after);
}

static void what_stands_is_told_once_and_halts_and_losses_are_repeated(void **state)
{
    (void)state;
    static const enum notice_kind once[] = {NOTICE_WATCH, NOTICE_ROLLBACK, NOTICE_GATE},
                                  again[] = {NOTICE_HALT, NOTICE_ESCALATED, NOTICE_LOST};
    for (size_t i = 0; i < 3; i++) {
        struct notice_book b = {.repeat_us = REPEAT};
        assert_true(due(&b, once[i], "a", 0));
        assert_false(due(&b, once[i], "a", 1));
        assert_false(due(&b, once[i], "a", 10 * REPEAT));
        assert_true(due(&b, once[i], "b", 1));
    }
    for (size_t i = 0; i < 3; i++) {
        struct notice_book b = {.repeat_us = REPEAT};
        assert_true(due(&b, again[i], "a", 0));
        assert_false(due(&b, again[i], "a", REPEAT - 1));
        assert_true(due(&b, again[i], "a", REPEAT));
        assert_false(due(&b, again[i], "a", 2 * REPEAT - 1));
        assert_true(due(&b, again[i], "a", 2 * REPEAT));
    }
}

static void a_resolution_goes_out_once_and_only_after_what_it_resolves(void **state)
{
    (void)state;
    struct notice_book b = {.repeat_us = REPEAT};
    assert_false(over(&b, NOTICE_HALT, "a", 0));
    assert_true(due(&b, NOTICE_HALT, "a", 1));
    assert_true(over(&b, NOTICE_HALT, "a", 2));
    assert_false(over(&b, NOTICE_HALT, "a", 3));
    assert_true(due(&b, NOTICE_HALT, "a", 4)); /* halted again: that is news at once */
    assert_true(over(&b, NOTICE_HALT, "a", 5));
}

static void what_comes_and_goes_does_not_page_each_time(void **state)
{
    (void)state;
    static const enum notice_kind flaps[] = {NOTICE_WATCH, NOTICE_LOST};
    for (size_t i = 0; i < 2; i++) {
        struct notice_book b = {.repeat_us = REPEAT};
        assert_true(due(&b, flaps[i], "a", 0));
        assert_true(over(&b, flaps[i], "a", US_PER_MIN));
        assert_false(due(&b, flaps[i], "a", 2 * US_PER_MIN));
        assert_false(over(&b, flaps[i], "a", 3 * US_PER_MIN));
        assert_true(due(&b, flaps[i], "a", REPEAT)); /* back, or still there, after the pause */
        assert_true(over(&b, flaps[i], "a", REPEAT + 1));
    }
}

static void in_silence_nothing_is_told_and_nothing_is_forgotten(void **state)
{
    (void)state;
    struct notice_book b = {.repeat_us = REPEAT};
    assert_true(due(&b, NOTICE_GATE, "before", 0));
    b.silent_until = T0 + US_PER_HOUR;
    assert_false(due(&b, NOTICE_HALT, "a", 1));
    assert_false(due(&b, NOTICE_ESCALATED, "b", US_PER_HOUR - 1));
    assert_false(over(&b, NOTICE_GATE, "before", 1));
    assert_true(due(&b, NOTICE_TEST, "test", 1)); /* somebody asks for it just now */
    assert_true(due(&b, NOTICE_HALT, "a", US_PER_HOUR));
    assert_true(over(&b, NOTICE_GATE, "before", US_PER_HOUR));
}

static void a_clock_that_was_set_back_silences_nothing(void **state)
{
    (void)state;
    struct notice_book b = {.repeat_us = REPEAT};
    assert_true(due(&b, NOTICE_HALT, "a", 0));
    assert_true(due(&b, NOTICE_HALT, "a", -10 * US_PER_DAY));
    assert_false(due(&b, NOTICE_HALT, "a", -10 * US_PER_DAY + 1));
}

static void a_full_book_forgets_the_oldest_and_the_resolved_first(void **state)
{
    (void)state;
    struct notice_book b = {.repeat_us = REPEAT};
    char key[16];
    for (int i = 0; i < NOTICE_SEEN; i++) {
        snprintf(key, sizeof key, "%d", i);
        assert_true(due(&b, NOTICE_GATE, key, i));
    }
    assert_true(over(&b, NOTICE_GATE, "77", NOTICE_SEEN));
    assert_true(due(&b, NOTICE_GATE, "one more", 1000));
    assert_int_equal(b.n, NOTICE_SEEN);
    assert_int_equal(notice_told(&b, "77"), 0); /* it made room */
    assert_false(due(&b, NOTICE_GATE, "0", 1001));
    assert_true(due(&b, NOTICE_GATE, "two more", 1002));
    assert_int_equal(notice_told(&b, "0"), 0); /* now the oldest */
    assert_false(due(&b, NOTICE_GATE, "1", 1003));
    notice_forget(&b, "1");
    assert_int_equal(b.n, NOTICE_SEEN - 1);
    assert_true(due(&b, NOTICE_GATE, "1", 1004));
    notice_remember(&b, "1", T0 + 2000, true);
    assert_int_equal(notice_told(&b, "1"), T0 + 2000);
    assert_false(over(&b, NOTICE_GATE, "1", 2001));
}

/* ---- what stands ---- */

struct scene {
    struct snapshot s;
    struct rollout_view r[2];
    struct wave_view w[2][3];
    struct policy policy;
    struct notice out[16];
    size_t n;
};

static void scene(struct scene *c)
{
    memset(c, 0, sizeof *c);
    c->policy = *policy_default();
    c->s = (struct snapshot){.taken_at = T0,
                             .fleet = "homes",
                             .environment = "prod",
                             .rollouts_known = true,
                             .rollouts = c->r,
                             .n_rollouts = 2,
                             .link = {.state = LINK_LIVE, .last_ok = T0, .error = ""},
                             .telemetry = {.state = LINK_LIVE, .last_ok = T0, .error = ""}};
    for (int i = 0; i < 2; i++) {
        struct rollout_view *r = &c->r[i];
        r->rollout = (struct rollout){.id = i ? "4472" : "4471", .name = "hearth 4.12", .state = ROLLOUT_RUNNING};
        r->waves = c->w[i];
        r->n_waves = 3;
        r->waves_known = true;
        r->current = 1;
        r->policy = &c->policy;
        r->halted_by = r->halt_text = "";
        for (int k = 0; k < 3; k++) {
            c->w[i][k].wave.index = k;
            c->w[i][k].watched = k <= 1;
            c->w[i][k].verdict.rule = "";
        }
    }
}

static const struct notice *stands(struct scene *c, enum notice_kind kind)
{
    c->n = notice_standing(&c->s, T0 + 5, c->out, 16);
    const struct notice *found = NULL;
    for (size_t i = 0; i < c->n; i++) {
        assert_int_equal(c->out[i].t, T0 + 5);
        assert_false(c->out[i].resolved);
        assert_string_equal(c->out[i].fleet, "homes");
        assert_string_equal(c->out[i].environment, "prod");
        if (c->out[i].kind == kind)
            found = &c->out[i];
    }
    return found;
}

/* What is exploited on devices, and what is too old: by the newest outlook, told once, over when it is. */
static void test_intelligence(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    assert_null(stands(&c, NOTICE_EXPOSED));
    struct outlook o = {.q = {.exploited_devices = 1, .exploited_due = T0 + 3 * US_PER_HOUR}};
    struct outlook_source sources[] = {{"osv", "", US_PER_HOUR, false}, {"kev", "", 6 * US_PER_DAY, true}};
    o.sources = sources;
    o.n_sources = 2;
    c.s.outlook.held = &o;
    const struct notice *n = stands(&c, NOTICE_EXPOSED);
    assert_non_null(n);
    assert_string_equal(notice_severity(n->kind), "error");
    assert_string_equal(
        n->text, "1 device is exposed to an exploited vulnerability, due in 2h59m: andon queue says what to roll out");
    struct notice told = *n;
    n = stands(&c, NOTICE_STALE);
    assert_non_null(n);
    assert_string_equal(n->text, "kev is 6d00h old: it is judged by all the same; look at the mirror");
    struct err failed = {.code = ERR_IO};
    c.s.outlook.error = &failed; /* what is not known is not over */
    assert_false(notice_can_end(&c.s, &told));
    c.s.outlook.error = NULL;
    sources[1].stale = false;
    o.q.exploited_devices = 0;
    assert_true(notice_can_end(&c.s, &told));
    assert_null(stands(&c, NOTICE_EXPOSED));
    assert_null(stands(&c, NOTICE_STALE));
    notice_end(&told, &c.s, T0 + 9);
    assert_true(told.resolved && strstr(told.text, "exposed any more"));
    c.s.outlook.held = NULL;
}

static void a_log_that_is_tampered_with_is_told_until_it_is_written_to(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    c.s.audit.tampered = true;
    c.s.audit.error = "audit log /x has gone";
    c.s.link.state = LINK_FAILED; /* the fleet server has no part in it */
    const struct notice *n = stands(&c, NOTICE_TAMPERED);
    assert_non_null(n);
    assert_string_equal(notice_severity(n->kind), "critical");
    assert_string_equal(n->text, "audit log /x has gone; only halts go out");
    struct notice told = *n;
    assert_false(notice_can_end(&c.s, &told));
    c.s.audit.tampered = false; /* it hangs meanwhile, say */
    assert_false(notice_can_end(&c.s, &told));
    c.s.audit.writable = true;
    assert_true(notice_can_end(&c.s, &told));
    assert_null(stands(&c, NOTICE_TAMPERED));
    notice_end(&told, &c.s, T0 + 9);
    assert_true(told.resolved);
    assert_true(strstr(told.text, "written to") != NULL);
}

static void a_quiet_fleet_gives_no_notice(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    assert_null(stands(&c, NOTICE_HALT));
    assert_int_equal(c.n, 0);
}

static void halts_of_rules_and_of_people(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    c.r[0].latched = true;
    c.r[0].stop = STOP_ASKED;
    c.r[0].halted_by = "rule crash-loop";
    c.r[0].halt_text = "W1: 3 of 20 canaries reboot in a loop";
    const struct notice *n = stands(&c, NOTICE_HALT);
    assert_non_null(n);
    assert_int_equal(c.n, 1);
    assert_string_equal(n->rule, "crash-loop");
    assert_string_equal(n->actor, "");
    assert_string_equal(n->rollout, "4471");
    assert_string_equal(n->rollout_name, "hearth 4.12");
    assert_int_equal(n->wave, 1);
    assert_string_equal(n->text, "halted by rule crash-loop: W1: 3 of 20 canaries reboot in a loop");
    assert_string_equal(n->key, "homes/4471/halt");
    c.r[0].halted_by = "m.ito";
    n = stands(&c, NOTICE_HALT);
    assert_string_equal(n->rule, "");
    assert_string_equal(n->actor, "m.ito");
    assert_string_equal(n->key, "homes/4471/halt");
    assert_null(stands(&c, NOTICE_ESCALATED));
    c.r[0].stop = STOP_ESCALATED;
    assert_non_null(stands(&c, NOTICE_HALT));
    n = stands(&c, NOTICE_ESCALATED);
    assert_non_null(n);
    assert_non_null(strstr(n->text, "a person must stop it"));
    c.r[0].latched = false;
    c.r[0].stop = STOP_FREE;
    assert_null(stands(&c, NOTICE_HALT));
    assert_int_equal(c.n, 0);
}

static void halted_but_running(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    c.r[0].latched = c.r[0].runs_on = true;
    c.r[0].stop = STOP_RUNS;
    c.r[0].halted_by = "m.ito";
    c.r[0].ran_at = c.s.taken_at - US_PER_HOUR;
    const struct notice *n = stands(&c, NOTICE_RUNS);
    assert_non_null(n);
    assert_string_equal(n->key, "homes/4471/halted-but-running");
    assert_string_equal(notice_severity(NOTICE_RUNS), "critical");
    assert_non_null(strstr(n->text, "halted by m.ito, and resumed by another client"));
    assert_non_null(stands(&c, NOTICE_HALT)); /* nobody has acknowledged that */
    /* Halted again within a second: it is news all the same, for a minute. */
    c.r[0].stop = STOP_HALTED;
    c.r[0].runs_on = false;
    assert_null(stands(&c, NOTICE_RUNS));
    c.r[0].ran_at = c.s.taken_at - US_PER_S;
    n = stands(&c, NOTICE_RUNS);
    assert_non_null(n);
    assert_non_null(strstr(n->text, "stopped again"));
    c.r[0].latched = false;
    assert_null(stands(&c, NOTICE_RUNS));
}

static void a_roll_back_from_its_beginning_to_its_end(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    c.r[0].rollback = (struct rollback_view){.step = RB_PAUSE, .to = "hearth:4.11", .text = "", .left = ""};
    const struct notice *n = stands(&c, NOTICE_ROLLBACK);
    assert_non_null(n);
    assert_non_null(strstr(n->text, "hearth:4.11"));
    struct notice told = *n;
    assert_false(notice_can_end(&c.s, &told));
    c.r[0].rollback.step = RB_NONE; /* after a restart, until the log has been read */
    assert_null(stands(&c, NOTICE_ROLLBACK));
    assert_false(notice_can_end(&c.s, &told));
    c.r[0].rollback = (struct rollback_view){.step = RB_DONE,
                                             .outcome = RB_PARTLY,
                                             .devices = 20,
                                             .verified = 18,
                                             .text = "",
                                             .left = "2 are offline",
                                             .to = "hearth:4.11"};
    assert_null(stands(&c, NOTICE_ROLLBACK));
    assert_true(notice_can_end(&c.s, &told));
    notice_end(&told, &c.s, T0 + 9);
    assert_true(told.resolved);
    assert_int_equal(told.t, T0 + 9);
    assert_string_equal(told.text, "incomplete: 18 of 20 devices verified; 2 are offline");
    assert_string_equal(told.key, "homes/4471/rollback");
}

static void lose(struct scene *c, int rollout, int wave, int64_t ago)
{
    struct verdict *v = &c->w[rollout][wave].verdict;
    v->data_missing = true;
    v->unknown_since = c->s.taken_at - ago;
    snprintf(v->text, sizeof v->text, "3 of 20 canaries report");
}

static void lost_telemetry_is_news_once_it_lasts(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    lose(&c, 0, 1, NOTICE_LOST_US - 1);
    assert_null(stands(&c, NOTICE_LOST));
    lose(&c, 0, 1, NOTICE_LOST_US);
    const struct notice *n = stands(&c, NOTICE_LOST);
    assert_non_null(n);
    assert_string_equal(n->rollout, "4471");
    assert_string_equal(n->rule, "LOST-TELEMETRY");
    assert_int_equal(n->wave, 1);
    assert_non_null(strstr(n->text, "3 of 20 canaries report"));
    struct notice told = *n;
    c.r[0].rollout.state = ROLLOUT_FINISHED;
    assert_null(stands(&c, NOTICE_LOST));
    assert_true(notice_can_end(&c.s, &told));
}

/* What andon has paused for want of data is news at once, and until it goes on; then who has let it go on is said. */
static void a_hold_for_want_of_data_is_news_until_it_goes_on(void **state)
{
    (void)state;
    struct scene c;
    struct op_view ops[] = {
        {.verb = VERB_RESUME, .rollout = "4472", .actor = "m.ito", .phase = OP_DONE, .ended = T0},
        {.verb = VERB_RESUME, .rollout = "4471", .actor = "LOST-TELEMETRY", .phase = OP_DONE, .ended = T0 + US_PER_S}};
    scene(&c);
    lose(&c, 0, 1, NOTICE_LOST_US / 2);
    c.r[0].stop = STOP_HELD;
    c.r[0].rollout.state = ROLLOUT_PAUSED;
    c.r[0].paused_by = "rule LOST-TELEMETRY";
    const struct notice *n = stands(&c, NOTICE_LOST);
    assert_non_null(n);
    assert_string_equal(n->text, "3 of 20 canaries report");
    c.w[0][1].verdict.data_missing = false;
    n = stands(&c, NOTICE_LOST);
    assert_non_null(n);
    assert_non_null(strstr(n->text, "there again; andon still holds"));
    struct notice told = *n, other = *n;
    c.r[0].paused_by = "m.ito";
    assert_null(stands(&c, NOTICE_LOST));
    notice_end(&told, &c.s, T0);
    assert_string_equal(told.text, "telemetry is back; the rollout stands paused by m.ito");
    c.r[0].stop = STOP_ACKED; /* a person has it in hand */
    c.r[0].paused_by = "rule LOST-TELEMETRY";
    assert_null(stands(&c, NOTICE_LOST));
    c.r[0].stop = STOP_FREE;
    c.r[0].rollout.state = ROLLOUT_RUNNING;
    told = other;
    notice_end(&told, &c.s, T0);
    assert_string_equal(told.text, "telemetry is back");
    c.s.ops = ops;
    c.s.n_ops = 2;
    notice_end(&other, &c.s, T0);
    assert_non_null(strstr(other.text, "telemetry is back; andon has resumed the rollout at "));
    ops[1].actor = "m.ito";
    notice_end(&other, &c.s, T0);
    assert_string_equal(other.text, "telemetry is back");
}

static void one_source_that_fails_is_one_notice(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    lose(&c, 0, 1, 5 * US_PER_MIN);
    lose(&c, 1, 1, 12 * US_PER_MIN);
    stands(&c, NOTICE_LOST);
    assert_int_equal(c.n, 2);
    c.s.telemetry.state = LINK_FAILED;
    c.s.telemetry.error = "prom:9090 refuses connections";
    const struct notice *n = stands(&c, NOTICE_LOST);
    assert_int_equal(c.n, 1);
    assert_string_equal(n->rollout, "");
    assert_string_equal(n->text,
                        "telemetry has been lost since 12:08:00Z; 2 rollouts need it: prom:9090 refuses connections");
    assert_string_equal(n->key, "homes//lost-telemetry");
    assert_false(notice_can_end(&c.s, n));
    c.s.telemetry.state = LINK_LIVE;
    assert_true(notice_can_end(&c.s, n));
}

static void a_fleet_server_that_is_gone_while_something_runs(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    c.s.link.state = LINK_FAILED;
    c.s.link.last_ok = T0 - NOTICE_SERVER_US + 1;
    assert_null(stands(&c, NOTICE_LOST));
    c.s.link.last_ok = T0 - NOTICE_SERVER_US;
    const struct notice *n = stands(&c, NOTICE_LOST);
    assert_non_null(n);
    assert_string_equal(n->rule, NOTICE_RULE_SERVER);
    assert_string_equal(n->key, "homes//fleet-server");
    assert_false(notice_can_end(&c.s, n));
    struct notice told = *n;
    c.r[0].rollout.state = c.r[1].rollout.state = ROLLOUT_FINISHED;
    assert_null(stands(&c, NOTICE_LOST));
    c.s.link.state = LINK_LIVE;
    assert_true(notice_can_end(&c.s, &told));
    notice_end(&told, &c.s, T0);
    assert_string_equal(told.text, "the fleet server answers again");
}

static void gates_wait_until_nothing_is_missing(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    c.r[0].gate_waits = true;
    c.r[0].rollout.state = ROLLOUT_PAUSED;
    c.r[0].trial.n_missing = 1;
    assert_null(stands(&c, NOTICE_GATE));
    c.r[0].trial.person = true; /* that is what it waits for */
    assert_non_null(stands(&c, NOTICE_GATE));
    c.r[0].trial.n_missing = 0;
    c.r[0].trial.person = false;
    const struct notice *n = stands(&c, NOTICE_GATE);
    assert_non_null(n);
    assert_string_equal(n->key, "homes/4471/gate/W1");
    c.r[0].rollout.state = ROLLOUT_WAITING_APPROVAL;
    c.r[0].trial.n_missing = 3;
    n = stands(&c, NOTICE_GATE);
    assert_string_equal(n->text, "waits for a person to approve it");
    assert_string_equal(n->key, "homes/4471/gate");
}

static void watches_name_wave_and_rule(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    c.w[1][0].verdict.react = REACT_WATCH;
    c.w[1][0].verdict.rule = "R-CPU";
    snprintf(c.w[1][0].verdict.text, sizeof c.w[1][0].verdict.text, "cpu +20%%");
    const struct notice *n = stands(&c, NOTICE_WATCH);
    assert_non_null(n);
    assert_string_equal(n->key, "homes/4472/watch/W0");
    assert_string_equal(n->rule, "R-CPU");
    c.w[1][0].verdict.react = REACT_PAUSE;
    assert_null(stands(&c, NOTICE_WATCH));
    c.w[1][0].verdict.react = REACT_HOLD;
    assert_non_null(stands(&c, NOTICE_WATCH));
    c.r[1].latched = true;
    assert_null(stands(&c, NOTICE_WATCH));
}

static void nothing_ends_while_nobody_can_tell(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    struct notice n = note(NOTICE_HALT, "homes/4471/halt");
    snprintf(n.fleet, sizeof n.fleet, "homes");
    snprintf(n.rollout, sizeof n.rollout, "4471");
    assert_true(notice_can_end(&c.s, &n));
    static const enum link_state blind[] = {LINK_CONNECTING, LINK_STALE, LINK_FAILED};
    for (size_t i = 0; i < 3; i++) {
        c.s.link.state = blind[i];
        assert_false(notice_can_end(&c.s, &n));
    }
    c.s.link.state = LINK_SLOW;
    assert_true(notice_can_end(&c.s, &n));
    c.s.rollouts_known = false;
    assert_false(notice_can_end(&c.s, &n));
    c.s.rollouts_known = true;
    c.r[0].waves_known = false;
    assert_false(notice_can_end(&c.s, &n));
    snprintf(n.rollout, sizeof n.rollout, "gone");
    assert_true(notice_can_end(&c.s, &n));
    notice_end(&n, &c.s, T0);
    assert_string_equal(n.text, "the rollout is gone");
}

/* The server's database began anew: the halt of the old rollout is over, and its end does not claim an
 * acknowledgement. What was told by number alone (andon 0.1) is about whichever has the number. */
static void another_rollout_with_its_number_is_another_thing(void **state)
{
    (void)state;
    struct scene c;
    struct notice old;
    char plain[NOTICE_KEY_BYTES];
    scene(&c);
    c.r[0].rollout.created_at = T0;
    c.r[0].latched = true;
    c.r[0].halted_by = "m.ito";
    assert_int_equal(notice_standing(&c.s, T0, c.out, 16), 1);
    old = c.out[0];
    notice_old_key(&old, plain);
    assert_string_equal(plain, "homes/4471/halt");
    assert_string_not_equal(old.key, plain);
    c.r[0].rollout.created_at = T0 + US_PER_S;
    assert_int_equal(notice_standing(&c.s, T0, c.out, 16), 1);
    assert_string_not_equal(c.out[0].key, old.key);
    c.r[0].waves_known = false; /* of the new one: the old one is gone all the same */
    assert_true(notice_can_end(&c.s, &old));
    notice_end(&old, &c.s, T0);
    assert_string_equal(old.text, "the rollout is gone");
    memcpy(old.key, plain, sizeof plain);
    assert_false(notice_can_end(&c.s, &old));
}

static void room_is_kept_for_halts(void **state)
{
    (void)state;
    struct scene c;
    scene(&c);
    c.w[0][0].verdict.react = c.w[0][1].verdict.react = REACT_WATCH;
    c.r[1].latched = true;
    c.r[1].halted_by = "m.ito";
    assert_int_equal(notice_standing(&c.s, T0, c.out, 1), 1);
    assert_int_equal(c.out[0].kind, NOTICE_HALT);
}

static void long_names_still_have_keys_of_their_own(void **state)
{
    (void)state;
    struct scene c;
    char fleet[200], id[200];
    memset(fleet, 'f', 199);
    memset(id, 'r', 199);
    fleet[199] = id[199] = '\0';
    scene(&c);
    c.s.fleet = fleet;
    c.r[0].rollout.id = id;
    c.r[0].latched = true;
    c.r[0].stop = STOP_ESCALATED;
    c.r[0].halted_by = "m.ito";
    c.n = notice_standing(&c.s, T0, c.out, 16);
    assert_int_equal(c.n, 2);
    assert_string_not_equal(c.out[0].key, c.out[1].key);
    assert_true(strlen(c.out[0].key) < 255); /* PagerDuty's limit */
}

/* ---- bodies ---- */

static const char EVIL[] = "<!channel> @here & \"x\" \x1b]0;t\x07 \xe2\x80\xae \xff\n{\"a\":1}";

static struct notice full(void)
{
    struct notice n = {.kind = NOTICE_HALT, .t = T0, .wave = 1};
    snprintf(n.fleet, sizeof n.fleet, "homes");
    snprintf(n.environment, sizeof n.environment, "prod");
    snprintf(n.rollout, sizeof n.rollout, "4471");
    snprintf(n.rollout_name, sizeof n.rollout_name, "hearth 4.12");
    snprintf(n.rule, sizeof n.rule, "crash-loop");
    snprintf(n.text, sizeof n.text, "halted by rule crash-loop: 3 of 20 canaries reboot in a loop");
    snprintf(n.host, sizeof n.host, "watch-1");
    snprintf(n.key, sizeof n.key, "homes/4471/halt");
    return n;
}

static struct json_t *body(const struct notice *n, enum hook_format f, const char *key)
{
    struct buf b;
    struct err e = {0};
    buf_init(&b, 1 << 18);
    notice_body(n, f, key, &b);
    assert_false(b.over);
    assert_true(text_valid(b.data, b.len));
    for (size_t i = 0; i < b.len; i++)
        assert_true((unsigned char)b.data[i] >= 0x20); /* one line, nothing that moves a cursor */
    struct json_t *d = json_parse(b.data, b.len, 1 << 18, "body", &e);
    if (!d)
        fail_msg("%s: %s", e.what, b.data);
    buf_release(&b);
    return d;
}

static void is(const struct json_t *o, const char *key, const char *want)
{
    const char *s = json_str(o, key, NULL);
    if (!s || strcmp(s, want) != 0)
        fail_msg("%s: %s, should be %s", key, s ? s : "(absent)", want);
}

static void the_plain_body(void **state)
{
    (void)state;
    struct notice n = full();
    struct json_t *d = body(&n, HOOK_JSON, "");
    int64_t v;
    bool b = true;
    assert_true(json_int(d, "andon", &v) && v == 1);
    is(d, "kind", "halt");
    is(d, "severity", "critical");
    is(d, "time", "2031-03-14T12:20:00.000Z");
    is(d, "key", "homes/4471/halt");
    is(d, "fleet", "homes");
    is(d, "environment", "prod");
    is(d, "rollout", "4471");
    is(d, "rollout_name", "hearth 4.12");
    is(d, "rule", "crash-loop");
    is(d, "host", "watch-1");
    is(d, "text", "halted by rule crash-loop: 3 of 20 canaries reboot in a loop");
    assert_true(json_int(d, "wave", &v) && v == 1);
    assert_true(json_bool(d, "resolved", &b) && !b);
    json_free(d);
    n.resolved = true;
    n.wave = -1;
    n.actor[0] = '\0';
    d = body(&n, HOOK_JSON, "");
    assert_true(json_bool(d, "resolved", &b) && b);
    assert_null(json_get(d, "wave"));
    assert_null(json_get(d, "actor"));
    json_free(d);
}

static void the_slack_body(void **state)
{
    (void)state;
    struct notice n = full();
    struct json_t *d = body(&n, HOOK_SLACK, "");
    is(d, "text",
       "[prod] homes: HALT 4471 W1 (hearth 4.12): halted by rule crash-loop: 3 of 20 canaries reboot in a loop");
    const struct json_t *a = json_at(json_get(d, "attachments"), 0);
    is(a, "color", "danger");
    assert_int_equal(json_len(json_get(a, "fields")), 3);
    json_free(d);
    n.resolved = true;
    d = body(&n, HOOK_SLACK, "");
    is(json_at(json_get(d, "attachments"), 0), "color", "good");
    assert_non_null(strstr(json_str(d, "text", NULL), "over: HALT"));
    json_free(d);
    n = full();
    snprintf(n.text, sizeof n.text, "%s", EVIL);
    snprintf(n.rollout_name, sizeof n.rollout_name, "@channel <http://evil|fine>");
    d = body(&n, HOOK_SLACK, "");
    const char *text = json_str(d, "text", NULL);
    assert_null(strchr(text, '<')); /* nothing that calls people or hides an address */
    assert_null(strchr(text, '@'));
    assert_non_null(strstr(text, "&lt;!channel&gt;"));
    assert_non_null(strstr(text, "&amp;"));
    assert_non_null(strstr(text, "\xef\xbc\xa0here"));
    json_free(d);
}

static void the_pagerduty_body(void **state)
{
    (void)state;
    struct notice n = full();
    struct json_t *d = body(&n, HOOK_PAGERDUTY, "R0UTING");
    is(d, "routing_key", "R0UTING");
    is(d, "event_action", "trigger");
    is(d, "dedup_key", "homes/4471/halt");
    const struct json_t *p = json_get(d, "payload");
    is(p, "severity", "critical");
    is(p, "source", "homes");
    is(p, "timestamp", "2031-03-14T12:20:00.000Z");
    is(p, "component", "hearth 4.12");
    is(p, "group", "prod");
    is(p, "class", "halt");
    is(json_get(p, "custom_details"), "rule", "crash-loop");
    json_free(d);
    n.resolved = true;
    n.fleet[0] = '\0';
    d = body(&n, HOOK_PAGERDUTY, "R0UTING");
    is(d, "event_action", "resolve");
    is(json_get(d, "payload"), "source", "andon"); /* it must not be empty */
    json_free(d);
}

static void every_severity_is_one_that_pagerduty_knows(void **state)
{
    (void)state;
    for (int k = 0; k <= NOTICE_KINDS; k++) {
        const char *s = notice_severity((enum notice_kind)k);
        assert_true(!strcmp(s, "critical") || !strcmp(s, "error") || !strcmp(s, "warning") || !strcmp(s, "info"));
        if (k < NOTICE_KINDS)
            assert_int_equal(notice_kind_from_word(notice_kind_word((enum notice_kind)k)), k);
    }
    assert_int_equal(notice_kind_from_word("nonsense"), NOTICE_KINDS);
    assert_string_equal(notice_kind_word(NOTICE_KINDS), "unknown");
}

static void the_alertmanager_body(void **state)
{
    (void)state;
    struct notice n = full();
    struct json_t *d = body(&n, HOOK_ALERTMANAGER, "");
    assert_true(json_is_arr(d));
    assert_int_equal(json_len(d), 1);
    const struct json_t *alert = json_at(d, 0), *l = json_get(alert, "labels");
    void *it = NULL;
    const char *key;
    const struct json_t *v;
    while (json_each(l, &it, &key, &v)) {
        size_t len;
        assert_non_null(json_str_value(v, &len)); /* labels are strings, and none is empty */
        assert_true(len > 0);
        assert_int_equal(strspn(key, "abcdefghijklmnopqrstuvwxyz_"), strlen(key));
    }
    is(l, "alertname", "andon");
    is(l, "kind", "halt");
    is(l, "wave", "W1");
    is(alert, "startsAt", "2031-03-14T12:20:00.000Z");
    is(alert, "endsAt", "2031-03-21T12:20:00.000Z"); /* else it would be over after five minutes */
    is(json_get(alert, "annotations"), "host", "watch-1");
    json_free(d);
    n.resolved = true;
    snprintf(n.host, sizeof n.host, "watch-2"); /* another host may see the end */
    snprintf(n.text, sizeof n.text, "acknowledged");
    struct json_t *r = body(&n, HOOK_ALERTMANAGER, "");
    const struct json_t *end = json_at(r, 0);
    is(end, "endsAt", "2031-03-14T12:20:00.000Z");
    assert_null(json_get(end, "startsAt"));
    it = NULL;
    d = body(&(struct notice){.kind = NOTICE_HALT}, HOOK_ALERTMANAGER, "");
    json_free(d);
    n = full();
    d = body(&n, HOOK_ALERTMANAGER, "");
    l = json_get(json_at(d, 0), "labels");
    while (json_each(l, &it, &key, &v))
        is(json_get(end, "labels"), key, json_str_value(v, NULL)); /* the same alert */
    json_free(r);
    json_free(d);
}

static void bodies_are_safe_and_bounded_whatever_the_strings(void **state)
{
    (void)state;
    struct notice n = {.kind = NOTICE_LOST, .t = T0, .wave = 3};
    char *field[] = {n.fleet, n.environment, n.rollout, n.rollout_name, n.rule, n.text, n.host, n.actor, n.key};
    size_t size[] = {sizeof n.fleet, sizeof n.environment, sizeof n.rollout, sizeof n.rollout_name, sizeof n.rule,
                     sizeof n.text,  sizeof n.host,        sizeof n.actor,   sizeof n.key};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 9; i++) {
            for (size_t k = 0; k + 1 < size[i]; k++)
                field[i][k] = round == 0 ? EVIL[k % (sizeof EVIL - 1)] : round == 1 ? '\x01' : '\xc3';
            field[i][size[i] - 1] = '\0';
        }
        for (int f = HOOK_JSON; f <= HOOK_ALERTMANAGER; f++) {
            struct json_t *d = body(&n, (enum hook_format)f, "key");
            const struct json_t *p = f == HOOK_PAGERDUTY ? json_get(d, "payload") : NULL;
            size_t len = 0;
            assert_true(!p || (json_str(p, "summary", &len) && len <= 1024 && len > 0));
            assert_true(!p || (json_str(d, "dedup_key", &len) && len <= 255 && len > 0));
            json_free(d);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intelligence),
        cmocka_unit_test(what_stands_is_told_once_and_halts_and_losses_are_repeated),
        cmocka_unit_test(a_resolution_goes_out_once_and_only_after_what_it_resolves),
        cmocka_unit_test(what_comes_and_goes_does_not_page_each_time),
        cmocka_unit_test(in_silence_nothing_is_told_and_nothing_is_forgotten),
        cmocka_unit_test(a_clock_that_was_set_back_silences_nothing),
        cmocka_unit_test(a_full_book_forgets_the_oldest_and_the_resolved_first),
        cmocka_unit_test(a_log_that_is_tampered_with_is_told_until_it_is_written_to),
        cmocka_unit_test(a_quiet_fleet_gives_no_notice),
        cmocka_unit_test(halts_of_rules_and_of_people),
        cmocka_unit_test(halted_but_running),
        cmocka_unit_test(a_roll_back_from_its_beginning_to_its_end),
        cmocka_unit_test(lost_telemetry_is_news_once_it_lasts),
        cmocka_unit_test(a_hold_for_want_of_data_is_news_until_it_goes_on),
        cmocka_unit_test(one_source_that_fails_is_one_notice),
        cmocka_unit_test(a_fleet_server_that_is_gone_while_something_runs),
        cmocka_unit_test(gates_wait_until_nothing_is_missing),
        cmocka_unit_test(watches_name_wave_and_rule),
        cmocka_unit_test(nothing_ends_while_nobody_can_tell),
        cmocka_unit_test(another_rollout_with_its_number_is_another_thing),
        cmocka_unit_test(room_is_kept_for_halts),
        cmocka_unit_test(long_names_still_have_keys_of_their_own),
        cmocka_unit_test(the_plain_body),
        cmocka_unit_test(the_slack_body),
        cmocka_unit_test(the_pagerduty_body),
        cmocka_unit_test(every_severity_is_one_that_pagerduty_knows),
        cmocka_unit_test(the_alertmanager_body),
        cmocka_unit_test(bodies_are_safe_and_bounded_whatever_the_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
