/* Orders of versions. Thousands of random ones beside dpkg, rpm's and apk's own cases and others: make oracles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/version.h"

#define N(a) (sizeof(a) / sizeof *(a))

/* Each list ascends; what is joined by "=" is the same. */
static void check_list(enum version_scheme s, const char *const *v, size_t n)
{
    size_t rank[64];
    for (size_t i = 0, r = 0; i < n; i++)
        rank[i] = r += v[i][0] != '=';
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            int order, want = (rank[i] > rank[j]) - (rank[i] < rank[j]);
            const char *a = v[i] + (v[i][0] == '='), *b = v[j] + (v[j][0] == '=');
            if (!version_compare(s, slice_of(a), slice_of(b), &order))
                fail_msg("%s: %s and %s have no order", version_scheme_word(s), a, b);
            if (order != want)
                fail_msg("%s: %s and %s: %d, not %d", version_scheme_word(s), a, b, order, want);
        }
}

static void check_none(enum version_scheme s, const char *const *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int order = 7;
        if (version_compare(s, slice_of(v[i]), slice_of(v[i]), &order) || order != 0)
            fail_msg("%s: %s is no version", version_scheme_word(s), v[i]);
    }
}

#define ASCENDS(s, ...)                                                                                                \
    do {                                                                                                               \
        static const char *const list[] = {__VA_ARGS__};                                                               \
        check_list(s, list, N(list));                                                                                  \
    } while (0)
#define REFUSES(s, ...)                                                                                                \
    do {                                                                                                               \
        static const char *const list[] = {__VA_ARGS__};                                                               \
        check_none(s, list, N(list));                                                                                  \
    } while (0)

static void test_semver(void **state)
{
    (void)state;
    ASCENDS(VERSION_SEMVER, "0.0.0-0", "0.0.0-0.0", "0.0.0-a", "0", "=0.0.0", "1.0.0-alpha", "1.0.0-alpha.1",
            "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "=v1.0.0", "=1",
            "=1.0", "=1.0.0+build.5", "1.0.1-18446744073709551616", "1.0.1-18446744073709551617", "1.0.1",
            "2.0.18446744073709551615", "2.0.18446744073709551616", "2.0.100000000000000000000000000000000000000");
    REFUSES(VERSION_SEMVER, "1.2.3.4", "01.2.3", "1.02.3", "1..3", "1.2.", "1.2.3-", "1.2.3-01", "1.2.3-a..b", "1.2.3+",
            "1.2.3+a..b", "1.2.3-\xc3\xa9", "v", "vv1.2.3", "-1.2.3", " 1.2.3", "1.2.3 ", "latest");
}

static void test_deb(void **state)
{
    (void)state;
    ASCENDS(VERSION_DEB, "~~", "~~a", "~", "=0:~", "0", "=00:0-0", "1.0~rc1-1", "1.0", "=1.0-0", "1.0-1~deb12u1",
            "1.0-1", "=1.0-01", "1.0-1+b1", "1.0-1+deb12u1", "1.0-1+deb12u2", "1.0-1+deb12u10", "1.0-1.1", "1.0a",
            "1.0+dfsg", "1.0.1", "1.9", "1.10", "9:0", "10:0-1");
    REFUSES(VERSION_DEB, ":1", "1:", "1-", "-1", "1_0", "1.0-1:2", "2147483648:1", "a:1", "1 0", "1.0\n");
}

static void test_rpm(void **state)
{
    (void)state;
    ASCENDS(VERSION_RPM, "1.0~rc1-1", "1.0", "1.0-1", "=0:1.0-1", "=1.0-01", "1.0-1.el9", "1.0-1.el9_2", "1.0-2",
            "1.0^git1-1", "1.0a-1", "1.0.1-1", "1.9-1", "1.10-1", "1:0.1-1");
    REFUSES(VERSION_RPM, "1-", "-1", "1.0 1", "1:", "1.0\x80");
}

static void test_apk(void **state)
{
    (void)state;
    ASCENDS(VERSION_APK, "1.0_alpha", "1.0_alpha2", "1.0_beta", "1.0_pre1", "1.0_rc1", "1.0", "1.0-r0", "1.0-r10",
            "1.0_git20", "1.0_p1", "1.0_p1-r1", "1.0a", "1.0b", "1.0.05", "1.0.5", "1.0.10", "1.9", "1.10", "1.10.0");
    REFUSES(VERSION_APK, "a", "1.", "1.0_", "1.0_foo", "1.0-r", "1.0-1", "1.0ab", "1.0-r1-r2", "1.0~", "1.0~xyz", ".1");
}

static void test_pep440(void **state)
{
    (void)state;
    ASCENDS(VERSION_PEP440, "1.0.dev1", "1.0a1.dev2", "1.0a1", "=1.0-ALPHA_1", "=1a1", "1.0a2.post1.dev1",
            "1.0a2.post1", "1.0b1", "1.0rc1", "=1.0c1", "=1.0-preview1", "1.0", "=v1.0.0", "=01.0", "1.0+abc",
            "1.0+abc.5", "1.0+5", "1.0.post1.dev1", "1.0.post1", "=1.0-1", "=1.0.r1", "1.0.1", "1.9", "1.10", "1!0");
    REFUSES(VERSION_PEP440, "", "v", "1..0", "1.0-", "1.0+", "1.0+a+b", "1.0+a..b", "!1", "1.0 ", "french", "1.0al",
            "1.0.dev1.dev2");
}

static void test_generic(void **state)
{
    (void)state;
    ASCENDS(VERSION_GENERIC, "0", "=0.0", "1.2.3~5", "1.2.3.dev4", "1.2.3-alpha", "1.2.3-beta.2", "1.2.3-beta.10",
            "1.2.3-rc", "=1.2.3~rc", "1.2.3-rc1", "=1.2.3.0-RC.1", "=1.2.3:rc1", "1.2.3", "=v1.2.3", "=1.2.3.0",
            "=01.002.3", "1.2.3a", "1.2.3b", "1.2.3-p1", "1.2.3.4", "1.2.3.10", "1.2.10", "1.3",
            "99999999999999999999999998", "99999999999999999999999999");
    REFUSES(VERSION_GENERIC, "latest", "-", "*", "", "1.0\x01", "1.0\x80");
    int order;
    assert_true(version_compare(VERSION_GENERIC, slice_of("V1.0 Build 3"), slice_of("v1.0 build 20"), &order));
    assert_int_equal(order, -1);
}

/* Bytes of any kind, and far too many of them. */
static void test_hostile(void **state)
{
    (void)state;
    size_t n = (size_t)1 << 20;
    char *big = malloc(n);
    assert_non_null(big);
    memset(big, '1', n);
    for (int s = 0; s < VERSION_SCHEMES + 1; s++) {
        int order;
        struct slice one = slice_of("1"), most = {big, VERSION_MAX},
                     nul = {"1\0"
                            "2",
                            3};
        enum version_scheme scheme = (enum version_scheme)s;
        bool has = s > VERSION_NONE && s < VERSION_SCHEMES;
        assert_false(version_compare(scheme, one, (struct slice){big, n}, &order));
        assert_false(version_compare(scheme, (struct slice){big, VERSION_MAX + 1}, one, &order));
        assert_false(version_compare(scheme, one, (struct slice){big, VERSION_MAX + 1}, &order));
        assert_false(version_compare(scheme, (struct slice){NULL, 0}, one, &order));
        assert_false(version_compare(scheme, one, (struct slice){big, 0}, &order));
        assert_false(version_compare(scheme, nul, nul, &order));
        assert_int_equal(version_compare(scheme, one, most, &order), has);
        assert_int_equal(order, has ? -1 : 0);
    }
    free(big);
}

static void test_ecosystems(void **state)
{
    (void)state;
    static const struct {
        const char *ecosystem;
        enum version_scheme scheme;
    } cases[] = {{"npm", VERSION_SEMVER},       {"Go", VERSION_SEMVER},        {"Debian:12", VERSION_DEB},
                 {"Ubuntu:22.04", VERSION_DEB}, {"Alpine:v3.18", VERSION_APK}, {"Red Hat:9", VERSION_RPM},
                 {"PyPI", VERSION_PEP440},      {"Maven", VERSION_NONE},       {"", VERSION_NONE},
                 {"Debianish", VERSION_NONE},   {"GIT", VERSION_NONE}};
    for (size_t i = 0; i < N(cases); i++)
        assert_int_equal(version_scheme_of(slice_of(cases[i].ecosystem)), cases[i].scheme);
    assert_string_equal(version_scheme_word(VERSION_DEB), "deb");
    assert_string_equal(version_scheme_word((enum version_scheme)99), "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_semver),  cmocka_unit_test(test_deb),        cmocka_unit_test(test_rpm),
        cmocka_unit_test(test_apk),     cmocka_unit_test(test_pep440),     cmocka_unit_test(test_generic),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_ecosystems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
