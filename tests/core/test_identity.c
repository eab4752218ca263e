/* Which rollout is meant: every answer of the rules in core/identity.h, both ways round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/entry.h"
#include "core/identity.h"

#define T0 INT64_C(1931257200000000)
#define T1 (T0 + US_PER_DAY)

static struct rollout_identity who(int64_t created, const char *name, const char *release)
{
    return (struct rollout_identity){"homes", "17", created, name, release};
}

static void same_other_or_not_known(void **state)
{
    (void)state;
    static const struct {
        struct rollout_identity a, b;
        enum identity_answer want;
    } v[] = {
        /* creation times known: they decide */
        {{"homes", "17", T0, "n", "r:1"}, {"homes", "17", T0, "n", "r:1"}, IDENTITY_SAME},
        {{"homes", "17", T0, "old", "r:1"}, {"homes", "17", T0, "renamed", "r:1"}, IDENTITY_SAME},
        {{"homes", "17", T0, "n", ""}, {"homes", "17", T0, "n", "r:1"}, IDENTITY_SAME},
        {{"homes", "17", T0, "", ""}, {"homes", "17", T0, "n", "r:1"}, IDENTITY_SAME},
        {{"homes", "17", T0, "n", "r:1"}, {"homes", "17", T1, "n", "r:1"}, IDENTITY_OTHER},
        {{"homes", "17", T0, "n", "r:1"}, {"homes", "17", T0 + 1, "n", "r:1"}, IDENTITY_OTHER},
        {{"homes", "17", T0, "n", "r:1"}, {"homes", "17", T0, "n", "r:2"}, IDENTITY_NOT_KNOWN},
        /* another number or fleet, whatever else agrees */
        {{"homes", "17", T0, "n", "r:1"}, {"homes", "18", T0, "n", "r:1"}, IDENTITY_OTHER},
        {{"homes", "17", T0, "n", "r:1"}, {"barns", "17", T0, "n", "r:1"}, IDENTITY_OTHER},
        {{"homes", "17", 0, "", ""}, {"homes", "18", 0, "", ""}, IDENTITY_OTHER},
        /* a creation time is missing: names and releases */
        {{"homes", "17", 0, "n", "r:1"}, {"homes", "17", T0, "n", "r:1"}, IDENTITY_SAME},
        {{"homes", "17", 0, "n", ""}, {"homes", "17", T0, "n", "r:1"}, IDENTITY_SAME},
        {{"homes", "17", 0, "n", ""}, {"homes", "17", 0, "n", ""}, IDENTITY_SAME},
        {{"homes", "17", 0, "n", "r:1"}, {"homes", "17", T0, "n", "r:2"}, IDENTITY_NOT_KNOWN},
        {{"homes", "17", 0, "m", "r:1"}, {"homes", "17", T0, "n", "r:1"}, IDENTITY_NOT_KNOWN},
        {{"homes", "17", 0, "m", ""}, {"homes", "17", T0, "n", "r:1"}, IDENTITY_NOT_KNOWN},
        {{"homes", "17", 0, "m", "r:1"}, {"homes", "17", T0, "n", "r:2"}, IDENTITY_OTHER},
        {{"homes", "17", 0, "", "r:1"}, {"homes", "17", T0, "n", "r:1"}, IDENTITY_NOT_KNOWN},
        {{"homes", "17", 0, "", "r:1"}, {"homes", "17", T0, "n", "r:2"}, IDENTITY_NOT_KNOWN},
        {{"homes", "17", 0, "", ""}, {"homes", "17", T0, "n", "r:1"}, IDENTITY_NOT_KNOWN},
        {{"homes", "17", 0, "", ""}, {"homes", "17", 0, "", ""}, IDENTITY_NOT_KNOWN},
        {{"homes", "17", -5, "n", ""}, {"homes", "17", T0, "n", ""}, IDENTITY_SAME}, /* no time at all */
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        if (identity_same(&v[i].a, &v[i].b) != v[i].want || identity_same(&v[i].b, &v[i].a) != v[i].want)
            fail_msg("case %zu: %d and %d, not %d", i, identity_same(&v[i].a, &v[i].b), identity_same(&v[i].b, &v[i].a),
                     v[i].want);
    }
}

static void time_tells_where_the_entry_does_not(void **state)
{
    (void)state;
    const struct rollout_identity now = who(T1, "n", "r:1");
    static const struct {
        int64_t created, t;
        const char *name, *release;
        enum identity_answer want;
    } v[] = {
        /* written before the rollout was made: whatever it is called */
        {0, T0, "n", "r:1", IDENTITY_OTHER},
        {0, T1 - IDENTITY_CLOCK_US - 1, "n", "r:1", IDENTITY_OTHER},
        {0, 0, "n", "r:1", IDENTITY_OTHER},
        {0, INT64_MIN, "n", "r:1", IDENTITY_OTHER},
        /* the two clocks may differ by so much */
        {0, T1 - IDENTITY_CLOCK_US, "n", "r:1", IDENTITY_NOT_KNOWN},
        {0, T1, "n", "r:1", IDENTITY_NOT_KNOWN},
        {0, T1 + IDENTITY_CLOCK_US, "n", "r:1", IDENTITY_NOT_KNOWN},
        {0, T1, "m", "r:2", IDENTITY_OTHER},
        /* after it: as the names say */
        {0, T1 + IDENTITY_CLOCK_US + 1, "n", "r:1", IDENTITY_SAME},
        {0, INT64_MAX, "n", "", IDENTITY_SAME},
        {0, T1 + US_PER_HOUR, "", "", IDENTITY_NOT_KNOWN},
        {0, T1 + US_PER_HOUR, "m", "r:2", IDENTITY_OTHER},
        /* where the entry says when its rollout was made, its own time says nothing more */
        {T1, T0, "n", "r:1", IDENTITY_SAME},
        {T1, T0, "renamed", "r:1", IDENTITY_SAME},
        {T0, T1 + US_PER_HOUR, "n", "r:1", IDENTITY_OTHER},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct identity_mark m = {who(v[i].created, v[i].name, v[i].release), v[i].t};
        if (identity_about(&m, &now) != v[i].want)
            fail_msg("case %zu: %d, not %d", i, identity_about(&m, &now), v[i].want);
    }
    const struct rollout_identity unknown = who(0, "n", "");
    struct identity_mark m = {who(0, "n", ""), T0};
    assert_int_equal(identity_about(&m, &unknown), IDENTITY_SAME);
}

static void an_acknowledgement_lifts_what_is_latched_upon_its_rollout(void **state)
{
    (void)state;
    static const struct {
        int64_t ack_created, ack_t;
        const char *ack_name;
        int64_t halt_created, halt_t;
        const char *halt_name;
        bool want;
    } v[] = {
        /* both say which */
        {T0, T1, "n", T0, T1, "n", true},
        {T0, T1, "renamed", T0, T1, "n", true},
        {T0, T1, "n", T1, T1, "n", false},
        {T1, T1, "n", T0, T0, "n", false},
        /* a halt of 0.1: as it is latched upon the rollout of the ack */
        {T0, T1, "n", 0, T0 + US_PER_HOUR, "n", true},
        {T0, T1, "n", 0, T0 + US_PER_HOUR, "", true},
        {T0, T1, "n", 0, T0 + US_PER_HOUR, "before it was renamed", true},
        {T0, T1, "n", 0, T0 + US_PER_MIN, "n", true},
        {T1, T1 + US_PER_HOUR, "n", 0, T0, "n", false},
        /* an ack of 0.1: of a halt of 0.1 by number, of a newer one when it is sure */
        {0, T1, "", 0, T0, "n", true},
        {0, T1, "", 0, T0, "", true},
        {0, T1, "m", 0, T0, "n", false},
        {0, T1, "", T0, T0 + US_PER_HOUR, "n", false},
        {0, T1, "n", T0, T0 + US_PER_HOUR, "n", true},
        {0, T0, "n", T1, T1, "n", false},
    };
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        struct identity_mark ack = {who(v[i].ack_created, v[i].ack_name, ""), v[i].ack_t};
        struct identity_mark halt = {who(v[i].halt_created, v[i].halt_name, ""), v[i].halt_t};
        if (identity_ack_lifts(&ack, &halt) != v[i].want)
            fail_msg("case %zu: should%s lift", i, v[i].want ? "" : " not");
    }
}

/* Whatever is shown as latched upon a rollout can be acknowledged there: no latch is for ever. */
static void every_latch_can_be_acknowledged_where_it_is_shown(void **state)
{
    (void)state;
    static const int64_t created[] = {0, T0, T1}, t[] = {0, T0, T0 + US_PER_HOUR, T1, T1 + US_PER_HOUR};
    static const char *const names[] = {"", "n", "m"}, *const releases[] = {"", "r:1", "r:2"};
    int shown = 0;
    for (int k = 0; k < 3 * 3 * 3 * 5 * 9; k++) {
        struct identity_mark halt = {who(created[k % 3], names[k / 3 % 3], releases[k / 9 % 3]), t[k / 27 % 5]};
        struct rollout_identity now = who(T1, names[k / 135 % 3], releases[k / 405 % 3]);
        struct identity_mark ack = {now, T1 + US_PER_DAY};
        bool latched = identity_about(&halt, &now) != IDENTITY_OTHER;
        shown += latched;
        assert_int_equal(identity_ack_lifts(&ack, &halt), latched);
    }
    assert_true(shown > 100);
}

static void a_key_stays_over_a_rename_and_differs_for_another_rollout(void **state)
{
    (void)state;
    char a[IDENTITY_KEY_BYTES], b[IDENTITY_KEY_BYTES];
    struct rollout_identity x = who(T0, "n", "r:1"), y = who(T0, "renamed", "");
    identity_key(&x, a);
    identity_key(&y, b);
    assert_int_equal(strlen(a), 32);
    assert_string_equal(a, b);
    struct rollout_identity other[] = {who(T1, "n", "r:1"),
                                       who(0, "n", "r:1"),
                                       who(0, "m", "r:1"),
                                       {"homes", "18", T0, "n", "r:1"},
                                       {"barns", "17", T0, "n", "r:1"},
                                       {"homes1", "7", T0, "n", "r:1"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        identity_key(&other[i], b);
        assert_string_not_equal(a, b);
        for (size_t k = 0; k < i; k++) {
            identity_key(&other[k], a);
            assert_string_not_equal(a, b);
        }
        identity_key(&x, a);
    }
}

static void a_rollout_of_the_server_has_one(void **state)
{
    (void)state;
    char text[IDENTITY_RELEASE_BYTES], long_name[NAME_MAX_BYTES];
    struct rollout r = {
        .id = "17", .name = "n", .created_at = T0, .release = {.id = "7", .name = "hearth", .version = "4.12.1"}};
    struct rollout_identity i = identity_of("homes", &r, text);
    assert_string_equal(i.fleet, "homes");
    assert_string_equal(i.id, "17");
    assert_string_equal(i.name, "n");
    assert_string_equal(i.release, "hearth:4.12.1");
    assert_int_equal(i.created_at, T0);
    r.release.name = r.release.version = "";
    i = identity_of("homes", &r, text);
    assert_string_equal(i.release, "");
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    r.release.name = long_name;
    i = identity_of("homes", &r, text);
    assert_true(strlen(i.release) < sizeof text);
}

static void an_entry_says_what_is_known_of_it(void **state)
{
    (void)state;
    struct entry e;
    struct buf b;
    struct rollout_identity full = who(T0, "nightly", "hearth:4.12.1"), bare = who(0, "", "");
    entry_init(&e, ENTRY_HALT);
    entry_identity(&e, &full);
    buf_init(&b, ENTRY_MAX);
    assert_true(entry_canonical(&e, 1, NULL, &b, NULL));
    assert_non_null(strstr(b.data, "\"f\":{\"rollout.created\":1931257200000000,\"rollout.name\":\"nightly\","
                                   "\"rollout.release\":\"hearth:4.12.1\"},\"fleet\":\"homes\""));
    assert_non_null(strstr(b.data, "\"rollout\":\"17\""));
    buf_release(&b);
    entry_init(&e, ENTRY_HALT);
    entry_identity(&e, &bare);
    assert_int_equal(e.n_fields, 0);
    assert_string_equal(e.rollout, "17");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_other_or_not_known),
        cmocka_unit_test(time_tells_where_the_entry_does_not),
        cmocka_unit_test(an_acknowledgement_lifts_what_is_latched_upon_its_rollout),
        cmocka_unit_test(every_latch_can_be_acknowledged_where_it_is_shown),
        cmocka_unit_test(a_key_stays_over_a_rename_and_differs_for_another_rollout),
        cmocka_unit_test(a_rollout_of_the_server_has_one),
        cmocka_unit_test(an_entry_says_what_is_known_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
