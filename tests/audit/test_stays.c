/* Which device had which release: censuses into census.db, and out of it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/stays.h"
#include "core/clock.h"

#define DAY(n) ((n)*US_PER_DAY)
#define T0     DAY(22000)

struct place {
    char dir[64], path[100];
    struct arena a;
    struct stay *v;
    size_t n;
};

static void begin(struct place *p)
{
    *p = (struct place){.dir = "/tmp/andon-stays.XXXXXX"};
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof p->path, "%s/in/census.db", p->dir);
    arena_init(&p->a);
}

static void end(struct place *p)
{
    char line[200];
    arena_release(&p->a);
    snprintf(line, sizeof line, "rm -r '%s'", p->dir);
    assert_int_equal(system(line), 0);
}

static void read_all(struct place *p)
{
    struct err e = {0};
    struct stays *s = stays_open(p->path, false, &e);
    assert_non_null(s);
    assert_true(stays_all(s, &p->a, &p->v, &p->n, &e));
    stays_close(s);
}

struct seen {
    const char *device, *release;
    int64_t installed;
    bool keep;
};

static void census(struct place *p, int day, const struct seen *v, size_t n, size_t missing)
{
    struct err e = {0};
    const char **ids;
    size_t k;
    struct stays *s = stays_open(p->path, true, &e);
    assert_non_null(s);
    assert_true(stays_begin(s, &e));
    for (size_t i = 0; i < n; i++)
        assert_true(stays_seen(s, "emea", v[i].device, v[i].release, v[i].installed, T0 + DAY(day), v[i].keep, &e));
    assert_true(stays_missing(s, "emea", T0 + DAY(day), &p->a, &ids, &k, &e));
    assert_int_equal(k, missing);
    for (size_t i = 0; i < k; i++)
        assert_true(stays_gone(s, "emea", ids[i], T0 + DAY(day), &e));
    assert_true(stays_commit(s, T0 + DAY(day), &e));
    stays_close(s);
}

static void stays_follow_devices(void **state)
{
    (void)state;
    struct place p;
    struct err e = {0};
    begin(&p);
    assert_null(stays_open(p.path, false, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    const struct seen one[] = {{"a", "oven:1", T0 - DAY(9), true},
                               {"b\xff c", "oven:1", 0, true},
                               {"c", "oven:1", 0, true},
                               {"z", "oven:3", 0, false}};
    census(&p, 0, one, 4, 0);
    const struct seen two[] = {{"a", "oven:3", T0 + DAY(2), false},       /* told by the server when */
                               {"b\xff c", "oven:2", T0 - DAY(3), true}}; /* a moment that cannot be: as it was seen */
    census(&p, 3, two, 2, 1);
    const struct seen three[] = {{"a", "oven:1", T0 + DAY(4), true}, {"b\xff c", "oven:2", 0, true}};
    census(&p, 5, three, 2, 0);
    struct stat st;
    assert_int_equal(stat(p.path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    read_all(&p);
    assert_int_equal(p.n, 5);
    assert_string_equal(p.v[0].device, "a");
    assert_true(p.v[0].installed == T0 - DAY(9) && p.v[0].first == T0 && p.v[0].ended == T0 + DAY(2));
    assert_string_equal(p.v[0].next, "oven:3");
    assert_true(p.v[1].first == T0 + DAY(5) && p.v[1].installed == T0 + DAY(4) && p.v[1].ended == 0);
    assert_string_equal(p.v[2].device, "b\xff c");
    assert_true(p.v[2].ended == T0 + DAY(3));
    assert_string_equal(p.v[2].next, "oven:2");
    assert_true(p.v[3].first == T0 + DAY(3) && p.v[3].last == T0 + DAY(5) && p.v[3].ended == 0);
    assert_string_equal(p.v[4].device, "c");
    assert_true(p.v[4].ended == T0 + DAY(3));
    assert_string_equal(p.v[4].next, "");
    end(&p);
}

/* One that is broken off leaves what was there, and two at once do not mix. */
static void a_census_is_whole_or_none(void **state)
{
    (void)state;
    struct place p;
    struct err e = {0};
    begin(&p);
    const struct seen one[] = {{"a", "oven:1", 0, true}};
    census(&p, 0, one, 1, 0);
    struct stays *s = stays_open(p.path, true, &e);
    assert_non_null(s);
    assert_true(stays_begin(s, &e));
    assert_true(stays_seen(s, "emea", "a", "oven:2", 0, T0 + DAY(1), true, &e));
    stays_abort(s);
    stays_close(s);
    read_all(&p);
    assert_true(p.n == 1 && p.v[0].ended == 0 && p.v[0].last == T0);
    end(&p);
}

static void what_has_ended_long_ago_goes(void **state)
{
    (void)state;
    struct place p;
    begin(&p);
    const struct seen one[] = {{"a", "oven:1", 0, true}, {"b", "oven:1", 0, true}};
    census(&p, 0, one, 2, 0);
    const struct seen two[] = {{"a", "oven:3", 0, false}, {"b", "oven:1", 0, true}};
    census(&p, 1, two, 2, 0);
    const struct seen three[] = {{"b", "oven:1", 0, true}};
    census(&p, 2 + (int)(STAYS_KEPT_US / US_PER_DAY), three, 1, 0);
    read_all(&p);
    assert_int_equal(p.n, 1);
    assert_string_equal(p.v[0].device, "b");
    end(&p);
}

static void what_is_no_census_is_left_alone(void **state)
{
    (void)state;
    struct place p;
    struct err e = {0};
    char text[20] = "";
    begin(&p);
    const struct seen one[] = {{"a", "oven:1", 0, true}};
    census(&p, 0, one, 1, 0);
    FILE *f = fopen(p.path, "we");
    assert_non_null(f);
    for (int i = 0; i < 400; i++)
        fputs("no database at all\n", f);
    fclose(f);
    assert_null(stays_open(p.path, true, &e));
    assert_int_equal(e.code, ERR_TAMPERED);
    assert_non_null(strstr(e.next, "cannot be made again"));
    f = fopen(p.path, "re");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_string_equal(text, "no database at all\n");
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_follow_devices),
        cmocka_unit_test(a_census_is_whole_or_none),
        cmocka_unit_test(what_has_ended_long_ago_goes),
        cmocka_unit_test(what_is_no_census_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
