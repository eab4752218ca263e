/* OSV's ranges and lists of versions. Thousands of random ranges beside another walk: make oracles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/osv_range.h"

#define N(a) (sizeof(a) / sizeof *(a))

/* "i0 f1.2 l2.0 x3": introduced, fixed, last_affected, limit. */
static size_t events_of(char *text, struct adv_event *ev)
{
    size_t n = 0;
    for (char *rest = text, *one; (one = strsep(&rest, " ")) != NULL;) {
        const char *kinds = "iflx";
        ev[n++] = (struct adv_event){(enum adv_event_kind)(strchr(kinds, *one) - kinds), one + 1};
    }
    return n;
}

static void test_range(void **state)
{
    (void)state;
    static const struct {
        enum version_scheme scheme;
        const char *version, *events;
        enum adv_answer affected;
        enum finding_why why;
        const char *fixed;
    } cases[] = {
        {VERSION_DEB, "3.0.11-1~deb12u2", "i0 f3.0.11-1~deb12u3", ADV_YES, WHY_IN_RANGE, "3.0.11-1~deb12u3"},
        {VERSION_DEB, "2:9.0-2", "i0 f9.0-3", ADV_NO, WHY_AT_OR_ABOVE_FIX, ""},
        {VERSION_DEB, "~1", "i0", ADV_YES, WHY_IN_RANGE, ""},
        {VERSION_SEMVER, "0.0.0-alpha", "i0 f1.0.0", ADV_YES, WHY_IN_RANGE, "1.0.0"},
        {VERSION_SEMVER, "4.2.0-rc.1", "f4.2.0 i0", ADV_YES, WHY_IN_RANGE, "4.2.0"},
        {VERSION_SEMVER, "4.2.1", "f4.2.0 i0", ADV_NO, WHY_AT_OR_ABOVE_FIX, ""},
        {VERSION_SEMVER, "4.2.1", "f4.2.0 i1.0.0", ADV_NO, WHY_AT_OR_ABOVE_FIX, ""},
        {VERSION_SEMVER, "4.2.0-rc.1", "i4.2.0 f4.2.1", ADV_NO, WHY_BEFORE_INTRODUCED, ""},
        {VERSION_SEMVER, "v1.9.0", "i0 f1.9.0", ADV_NO, WHY_AT_OR_ABOVE_FIX, ""},
        {VERSION_SEMVER, "0.8.19", "i0 l0.8.19", ADV_YES, WHY_IN_RANGE, ""},
        {VERSION_SEMVER, "0.8.20", "i0 l0.8.19", ADV_NO, WHY_ABOVE_LAST, ""},
        {VERSION_SEMVER, "1.9.0", "i0.1.0 x1.9.0", ADV_NO, WHY_NOT_BELOW_LIMIT, ""},
        {VERSION_SEMVER, "1.9.0", "i0.1.0 x1.0.0 x2.0.0", ADV_YES, WHY_IN_RANGE, ""},
        {VERSION_SEMVER, "1.9.0", "i0.1.0 x1.0.0 x*", ADV_YES, WHY_IN_RANGE, ""},
        {VERSION_SEMVER, "2.5.0", "i3.0.0 f3.1.0 i0 f2.5.0", ADV_NO, WHY_BETWEEN_RANGES, ""},
        {VERSION_SEMVER, "2.5.0", "i3.0.0 f3.1.0 i0 l2.4.0", ADV_NO, WHY_BETWEEN_RANGES, ""},
        {VERSION_SEMVER, "2.4.0", "i3.0.0 f3.1.0 i0 f2.5.0", ADV_YES, WHY_IN_RANGE, "2.5.0"},
        {VERSION_SEMVER, "2.0.0", "i1.0.0 f2.0.0 i2.0.0 f3.0.0", ADV_YES, WHY_IN_RANGE, "3.0.0"},
        {VERSION_SEMVER, "1.0.0", "i1.0.0 f1.0.0", ADV_NO, WHY_AT_OR_ABOVE_FIX, ""},
        {VERSION_SEMVER, "1.2.3.4", "i0 f2.0.0", ADV_UNKNOWN, WHY_NO_ORDER, ""},
        {VERSION_SEMVER, "1.2.3", "i0 fnext", ADV_UNKNOWN, WHY_NO_ORDER, ""},
        {VERSION_SEMVER, "1.2.3", "i0 xnext", ADV_UNKNOWN, WHY_NO_ORDER, ""},
        {VERSION_SEMVER, "1.2.3", "f1.0.0", ADV_NO, WHY_AT_OR_ABOVE_FIX, ""},
        {VERSION_NONE, "1.2.3", "i0 f2.0.0", ADV_UNKNOWN, WHY_NO_ORDER, ""},
        {VERSION_NONE, "1.2.3", "i0 f0123456789abcdef0123456789abcdef01234567", ADV_UNKNOWN, WHY_COMMITS_ONLY, ""},
        {VERSION_SEMVER, "", "i0", ADV_UNKNOWN, WHY_NO_VERSION, ""},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct adv_event ev[16];
        char text[128];
        strcpy(text, cases[i].events);
        struct adv_range r = {.scheme = cases[i].scheme, .events = ev, .n_events = events_of(text, ev)};
        struct osv_answer a = osv_range_judge(&r, cases[i].version);
        if (a.affected != cases[i].affected || a.why != cases[i].why || strcmp(a.fixed, cases[i].fixed) != 0)
            fail_msg("%s in %s: %d, %d, %s", cases[i].version, cases[i].events, a.affected, a.why, a.fixed);
    }
}

#define PKG(eco, ...)                                                                                                  \
    (struct adv_affected)                                                                                              \
    {                                                                                                                  \
        .ecosystem = (eco), .name = "x", .vector = "", __VA_ARGS__                                                     \
    }

static void check(const struct adv_affected *p, const char *version, enum adv_answer affected, enum finding_why why,
                  const char *fixed)
{
    struct osv_answer a = osv_package_judge(p, version);
    if (a.affected != affected || a.why != why || strcmp(a.fixed, fixed) != 0)
        fail_msg("%s: %d, %d, %s", version, a.affected, a.why, a.fixed);
}

static void test_package(void **state)
{
    (void)state;
    static const char commit[] = "0123456789abcdef0123456789abcdef01234567";
    static const struct adv_event first[] = {{ADV_INTRODUCED, "0"}, {ADV_FIXED, "2.2"}},
                                  second[] = {{ADV_INTRODUCED, "3.0"}, {ADV_FIXED, "3.4"}},
                                  over[] = {{ADV_INTRODUCED, "1.0"}, {ADV_FIXED, "2.8"}},
                                  open[] = {{ADV_INTRODUCED, "1.0"}},
                                  git[] = {{ADV_INTRODUCED, "0"}, {ADV_FIXED, commit}};
    struct adv_range r[3] = {{.scheme = VERSION_PEP440, .events = first, .n_events = 2},
                             {.scheme = VERSION_PEP440, .events = second, .n_events = 2}};
    const char *const listed[] = {"2.0", "2.1", "5.0"};
    struct adv_affected p = PKG("PyPI", .ranges = r, .n_ranges = 2, .versions = listed, .n_versions = 3);
    check(&p, "2.1", ADV_YES, WHY_LISTED, "2.2");
    check(&p, "2.1.0", ADV_YES, WHY_LISTED, "2.2");
    check(&p, "1.9", ADV_YES, WHY_IN_RANGE, "2.2");
    check(&p, "2.5", ADV_NO, WHY_BETWEEN_RANGES, "");
    check(&p, "3.4", ADV_NO, WHY_AT_OR_ABOVE_FIX, "");
    check(&p, "5.0", ADV_YES, WHY_LISTED, "");
    check(&p, "", ADV_UNKNOWN, WHY_NO_VERSION, "");
    check(&p, "french toast", ADV_UNKNOWN, WHY_NO_ORDER, "");
    r[1] = (struct adv_range){.scheme = VERSION_PEP440, .events = over, .n_events = 2, .doubtful = true};
    p.n_versions = 0;
    check(&p, "2.1", ADV_YES, WHY_IN_RANGE, "2.8");
    assert_false(osv_package_judge(&p, "2.1").doubtful);
    check(&p, "2.3", ADV_YES, WHY_IN_RANGE, "2.8");
    assert_true(osv_package_judge(&p, "2.3").doubtful);
    r[1] = (struct adv_range){.scheme = VERSION_PEP440, .events = open, .n_events = 1};
    check(&p, "2.1", ADV_YES, WHY_IN_RANGE, "");
    /* commits beside what can be judged, and alone */
    r[1] = (struct adv_range){.scheme = VERSION_NONE, .events = git, .n_events = 2};
    check(&p, "2.2", ADV_NO, WHY_AT_OR_ABOVE_FIX, "");
    p.ranges = &r[1];
    p.n_ranges = 1;
    check(&p, "2.2", ADV_UNKNOWN, WHY_COMMITS_ONLY, "");
    p.ecosystem = "";
    check(&p, "2.2", ADV_UNKNOWN, WHY_NO_PACKAGE, "");
}

static void test_lists(void **state)
{
    (void)state;
    static const struct adv_event events[] = {{ADV_INTRODUCED, "0"}, {ADV_FIXED, "2.2"}};
    struct adv_range r = {.scheme = VERSION_NONE, .events = events, .n_events = 2};
    const char *const listed[] = {"1.0.0+a"};
    struct adv_affected maven = PKG("Maven", .ranges = &r, .n_ranges = 1, .versions = listed, .n_versions = 1);
    check(&maven, "1.0.0+a", ADV_YES, WHY_LISTED, "");
    check(&maven, "1.1", ADV_NO, WHY_OUTSIDE, "");
    maven.n_versions = 0;
    check(&maven, "1.1", ADV_UNKNOWN, WHY_NO_ORDER, "");
    struct adv_affected npm = PKG("npm", .versions = listed, .n_versions = 1);
    check(&npm, "v1.0.0+a", ADV_YES, WHY_LISTED, "");
    check(&npm, "1.0.0+b", ADV_NO, WHY_OUTSIDE, "");
    check(&npm, "1.2.3.4", ADV_NO, WHY_OUTSIDE, "");
    npm.n_versions = 0;
    check(&npm, "1.0.0", ADV_UNKNOWN, WHY_NO_PRODUCT_DATA, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_range), cmocka_unit_test(test_package),
                                       cmocka_unit_test(test_lists)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
