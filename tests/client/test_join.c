/* From a label's value to a device: what may lie between, what is nobody's, and devices that come later. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "client/join.h"
#include "core/arena.h"

static long find(struct join *j, const struct watch_set *w, const char *value)
{
    return join_find(j, w, value, strlen(value));
}

static void ports(void **state)
{
    struct watch_set *w = watch_set_new();
    struct join j, plain;
    (void)state;
    join_init(&j, "instance", &(struct join_spec){.strip_port = true, .attribute = ""});
    join_init(&plain, "", &(struct join_spec){.attribute = ""});
    assert_string_equal(plain.label, "device");
    watch_set_add(w, "cam-0");
    watch_set_add(w, "10.0.0.7");
    watch_set_add(w, "fe80::1");
    watch_set_add(w, "a:b");
    assert_int_equal(find(&j, w, "cam-0:9100"), 0);
    assert_int_equal(find(&j, w, "cam-0"), 0);
    assert_int_equal(find(&j, w, "10.0.0.7:80"), 1);
    assert_int_equal(find(&j, w, "[fe80::1]:9100"), 2);
    assert_int_equal(find(&j, w, "fe80::1"), 2); /* its end is no port */
    assert_int_equal(find(&j, w, "a:b"), 3);
    assert_int_equal(find(&j, w, "cam-0:"), -1);
    assert_int_equal(find(&j, w, "cam-0:910000"), -1); /* no port has six digits */
    assert_int_equal(find(&j, w, "cam-0:91x"), -1);
    assert_int_equal(find(&j, w, ":9100"), -1);
    assert_int_equal(find(&j, w, "9100"), -1);
    assert_int_equal(find(&j, w, ""), -1);
    assert_int_equal(find(&j, w, "CAM-0:9100"), -1);
    assert_int_equal(find(&plain, w, "cam-0"), 0);
    assert_int_equal(find(&plain, w, "cam-0:9100"), -1);
    join_release(&j);
    join_release(&plain);
    watch_set_free(w);
}

static void capitals(void **state)
{
    char longest[3000];
    struct watch_set *w = watch_set_new();
    struct join j;
    (void)state;
    join_init(&j, "host", &(struct join_spec){.strip_port = true, .lower = true});
    watch_set_add(w, "Cam-0");
    watch_set_add(w, "cam-1");
    assert_int_equal(find(&j, w, "CAM-0:9100"), 0);
    assert_int_equal(find(&j, w, "cam-0"), 0);
    assert_int_equal(find(&j, w, "CAM-1"), 1);
    /* Two devices of one name are nobody's; those that come later are found; a set that was cleared is another. */
    watch_set_add(w, "CAM-1");
    watch_set_add(w, "cam-2");
    assert_int_equal(find(&j, w, "cam-1"), -1);
    assert_int_equal(find(&j, w, "CAM-2"), 3);
    watch_set_clear(w);
    watch_set_add(w, "cam-2");
    assert_int_equal(find(&j, w, "cam-1"), -1);
    assert_int_equal(find(&j, w, "CAM-2"), 0);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(find(&j, w, longest), -1);
    join_release(&j);
    watch_set_free(w);
}

static void names(void **state)
{
    struct watch_set *w = watch_set_new();
    struct join j;
    (void)state;
    join_init(&j, "sn", &(struct join_spec){.attribute = "serial"});
    watch_set_add(w, "cam-0");
    watch_set_add(w, "cam-1");
    watch_set_add(w, "cam-2");
    assert_int_equal(watch_set_named(w), 0);
    assert_int_equal(find(&j, w, "S0"), -1);
    watch_set_name(w, "S0", 2);
    watch_set_name(w, "", 0); /* it has none */
    assert_int_equal(watch_set_named(w), 2);
    assert_int_equal(find(&j, w, "S0"), 0);
    assert_int_equal(find(&j, w, ""), -1);
    assert_int_equal(find(&j, w, "cam-0"), -1); /* an id is no serial number */
    watch_set_name(w, "S0", 2);
    assert_int_equal(find(&j, w, "S0"), -1); /* two devices say that they are it */
    watch_set_name(w, "S9", 2);              /* there is no such device */
    assert_int_equal(watch_set_named(w), 3);
    assert_int_equal(find(&j, w, "S9"), -1);
    join_release(&j);
    watch_set_free(w);
}

static void count(struct join_probe *b, size_t query, const char *label)
{
    join_probe_count(b, query, (struct slice){label, label ? strlen(label) : 0}, (struct slice){NULL, 0});
}

static void what_would_fit(void **state)
{
    struct arena a;
    struct watch_set *w = watch_set_new();
    struct telemetry_probe p = {.text = ""};
    struct join j;
    (void)state;
    arena_init(&a);
    join_init(&j, "instance", &(struct join_spec){.attribute = ""});
    watch_set_add(w, "a");
    watch_set_add(w, "b");
    watch_set_add(w, "c");
    struct join_probe *b = join_probe_new(&p, &j, w, &a);
    join_probe_asked(b, 0, "x", true, false);
    join_probe_asked(b, 1, "y", false, false);
    count(b, 0, "a");
    count(b, 0, "b:1");
    count(b, 0, "C:1");
    count(b, 0, NULL);
    count(b, 1, "b:1");
    join_probe_end(b);
    assert_string_equal(p.label, "instance");
    assert_int_equal(p.query[0].series, 4);
    assert_int_equal(p.query[0].unlabelled, 1);
    assert_int_equal(p.query[0].devices, 1);
    assert_string_equal(p.query[0].example, "b:1");
    assert_int_equal(p.joined.devices, 1);
    assert_int_equal(p.better.devices, 3);
    assert_true(p.better.strip_port && p.better.lower);
    assert_string_equal(p.better.example, "a");
    assert_string_equal(p.better.of, "a");
    join_probe_uncount(b, 0);
    assert_int_equal(p.query[0].series, 0);
    count(b, 0, "b:2");
    assert_int_equal(p.query[0].series, 1);
    join_probe_free(b);
    /* No more than is needed, and nothing at all when nothing is better. */
    b = join_probe_new(&p, &j, w, &a);
    join_probe_asked(b, 0, "x", true, false);
    count(b, 0, "b:1");
    join_probe_end(b);
    assert_true(p.better.strip_port && !p.better.lower && p.better.devices == 1);
    assert_string_equal(p.better.of, "b");
    join_probe_free(b);
    b = join_probe_new(&p, &j, w, &a);
    join_probe_asked(b, 0, "x", true, false);
    count(b, 0, "b");
    join_probe_end(b);
    assert_true(!p.better.strip_port && !p.better.lower && p.better.devices == 1);
    join_probe_free(b);
    join_release(&j);
    watch_set_free(w);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ports), cmocka_unit_test(capitals), cmocka_unit_test(names),
                                       cmocka_unit_test(what_would_fit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
