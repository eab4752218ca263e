/* Trials: evidence halts before limits would; whoever watches, from whenever, comes to the same bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/world.h"

static const int waves[] = {6, 10, 48};

/* With history, and only tests: no limit is there. */
static void trial_world(struct world *w)
{
    world_init(w, waves, 3);
    w->history = true;
    w->policy.evidence.tests = TESTS_ON;
    w->policy.n_limits = 0;
    w->policy.grace_us = 30 * US_PER_S;
    w->devices[0].offline = true; /* keeps the first wave running */
    w->policy.install_us = US_PER_HOUR;
}

static void crash_loop(struct world *w, int n)
{
    for (int i = 1; i <= n; i++)
        w->devices[i].reboots_per_s_new = 1.0 / 120;
}

static bool until_halt(struct play *p, const struct snapshot *s)
{
    const struct rollout_view *v = snapshot_rollout(s, "10");
    p->done = v && v->latched && v->halt == HALT_SHOWN;
    return false;
}

static void evidence_halts_before_any_limit(void **state)
{
    (void)state;
    struct world w;
    struct play p = {.judge = true};
    trial_world(&w);
    crash_loop(&w, 4);
    world_play(&w, &p, until_halt, 1800);
    const struct rollout_view *v = snapshot_rollout(p.last, "10");
    print_message("%s: %s\n%s\n", v->halted_by, v->halt_text, v->trial.sentence);
    assert_int_equal(v->trial.state, TRIAL_LIVE);
    assert_int_equal(v->trial.n_stages, 1);
    assert_int_equal(v->trial.carriers_total, 4);
    assert_string_equal(v->trial.carriers[0], "dev-01");
    play_release(&p);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_halts_before_any_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
