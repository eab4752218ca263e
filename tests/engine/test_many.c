/* Seeded schedules of two guards, two consoles, commands, another client and a failing server, in virtual time; what
 * must hold is the table in many_rules.c.
 *
 * ANDON_SCHEDULES=N plays so many (60); ANDON_FIRST=N from that seed on; ANDON_RULES=I3,-I4|all switches rules;
 * ANDON_SEED=N plays one and tells it all; ANDON_DROP=1,4 leaves events of that one out. What is broken is told with
 * the shortest plan that still breaks it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/engine/many.h"

static int64_t env_number(const char *name, int64_t otherwise)
{
    const char *s = getenv(name);
    return s && *s ? strtoll(s, NULL, 10) : otherwise;
}

static struct many *new_many(uint64_t seed)
{
    struct many *m = xcalloc(1, sizeof *m);
    m->seed = seed;
    many_plan(m);
    return m;
}

static void free_many(struct many *m)
{
    buf_release(&m->trace);
    free(m);
}

/* The same plan, without what does not matter to the rule. */
static struct many *shortest(struct many *m, uint64_t rule)
{
    struct many_event events[M_EVENTS];
    memcpy(events, m->events, sizeof events);
    for (size_t i = 0; i < m->n_events; i++) {
        if (events[i].left_out)
            continue;
        events[i].left_out = true;
        struct many *less = new_many(m->seed);
        memcpy(less->events, events, sizeof events);
        many_play(less);
        if (!(less->verdict.broken & rule))
            events[i].left_out = false;
        free_many(less);
    }
    struct many *best = new_many(m->seed);
    memcpy(best->events, events, sizeof events);
    many_play(best);
    return best;
}

static void tell(const struct many *m, size_t rule)
{
    const struct many_rule *r = &many_rules[rule];
    bool any = false;
    printf("\n%s is broken: %s\n  after %.3f s: %s\n", r->id, r->what, many_s(m, m->verdict.t[rule]),
           m->verdict.text[rule]);
    printf("  ANDON_SEED=%llu ANDON_DROP=", (unsigned long long)m->seed);
    for (size_t i = 0; i < m->n_events; i++)
        if (m->events[i].left_out) {
            printf("%s%zu", any ? "," : "", i);
            any = true;
        }
    printf("\n");
    many_print_plan(m);
    printf("%s", m->trace.data ? m->trace.data : "");
    (void)fflush(stdout);
}

static void drop(struct many *m)
{
    const char *s = getenv("ANDON_DROP");
    while (s && *s) {
        char *end;
        unsigned long k = strtoul(s, &end, 10);
        if (k < m->n_events)
            m->events[k].left_out = true;
        s = *end ? end + 1 : end;
    }
}

static void one(uint64_t seed, uint64_t on)
{
    struct many *m = new_many(seed);
    m->verbose = true;
    drop(m);
    many_print_plan(m);
    many_play(m);
    uint64_t bad = m->verdict.broken & on;
    printf("%lu turns\n", m->turns);
    free_many(m);
    assert_int_equal(bad, 0);
}

static void schedules(void **state)
{
    (void)state;
    uint64_t on = many_rules_on(), told = 0;
    int counts[32] = {0};
    int64_t n = env_number("ANDON_SCHEDULES", 60), from = env_number("ANDON_FIRST", 1), failed = 0;
    unsigned long turns = 0;
    if (getenv("ANDON_SEED")) {
        one((uint64_t)env_number("ANDON_SEED", 1), on);
        return;
    }
    for (int64_t seed = from; seed < from + n; seed++) {
        struct many *m = new_many((uint64_t)seed);
        many_play(m);
        turns += m->turns;
        for (size_t r = 0; r < n_many_rules; r++) {
            uint64_t bit = UINT64_C(1) << r;
            counts[r] += (m->verdict.broken & bit) != 0;
            if (!(m->verdict.broken & on & bit) || (told & bit))
                continue;
            told |= bit;
            struct many *least = shortest(m, bit);
            tell(least, r);
            free_many(least);
        }
        failed += (m->verdict.broken & on) != 0;
        free_many(m);
    }
    printf("%lld schedules from seed %lld, %lu turns, %.1f s of CPU\n", (long long)n, (long long)from, turns,
           (double)clock() / CLOCKS_PER_SEC);
    for (size_t r = 0; r < n_many_rules; r++)
        printf("  %-4s %-4s broken in %4d  %s%s%s\n", many_rules[r].id, on & (UINT64_C(1) << r) ? "on" : "off",
               counts[r], many_rules[r].what, *many_rules[r].waits_for ? "; waits for " : "", many_rules[r].waits_for);
    (void)fflush(stdout);
    assert_int_equal(failed, 0);
}

static void the_same_seed_is_the_same_play(void **state)
{
    (void)state;
    for (uint64_t seed = 1001; seed < 1004; seed++) {
        struct many *a = new_many(seed), *b = new_many(seed);
        many_play(a);
        many_play(b);
        assert_true(a->turns > 100);
        assert_string_equal(a->trace.data, b->trace.data);
        free_many(a);
        free_many(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_seed_is_the_same_play), cmocka_unit_test(schedules)};
    return cmocka_run_group_tests_name("many", tests, NULL, NULL);
}
