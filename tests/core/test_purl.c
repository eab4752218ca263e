/* Package URLs, and what OSV calls the package. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/purl.h"

#define N(a) (sizeof(a) / sizeof *(a))

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *type, *space, *name, *version, *subpath;
    } cases[] = {
        {"pkg:deb/debian/ottersh@2%3A9.0-2?arch=arm64", "deb", "debian", "ottersh", "2:9.0-2", ""},
        {"pkg:npm/%40harbor/mqtt-loop@4.2.0-rc.1", "npm", "@harbor", "mqtt-loop", "4.2.0-rc.1", ""},
        {"pkg:npm/@harbor/mqtt-loop", "npm", "@harbor", "mqtt-loop", "", ""},
        {"pkg:npm/@harbor/mqtt-loop@1", "npm", "@harbor", "mqtt-loop", "1", ""},
        {"PKG:PyPI/Fern_Codec@2.1", "pypi", "", "fern-codec", "2.1", ""},
        {"pkg://golang/Example.com//tide/relay@v1#/a/./b/../c/", "golang", "Example.com/tide", "relay", "v1", "a/b/c"},
        {"pkg:GitHub/Some/Thing@V1", "github", "some", "thing", "V1", ""},
        {"pkg:cpan/perler/DateTime@1", "cpan", "PERLER", "DateTime", "1", ""},
        {"pkg:generic/a%2fb@1%zz%2", "generic", "", "a/b", "1%zz%2", ""},
        {"pkg:generic/a%e2%80%aeb", "generic", "", "a<U+202E>b", "", ""},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < N(cases); i++) {
        struct purl p;
        if (!purl_parse(slice_of(cases[i].text), &a, &p))
            fail_msg("%s is a purl", cases[i].text);
        assert_string_equal(p.type, cases[i].type);
        assert_string_equal(p.space, cases[i].space);
        assert_string_equal(p.name, cases[i].name);
        assert_string_equal(p.version, cases[i].version);
        assert_string_equal(p.subpath, cases[i].subpath);
    }
    arena_release(&a);
}

static void test_qualifiers(void **state)
{
    (void)state;
    struct arena a;
    struct purl p;
    arena_init(&a);
    assert_true(
        purl_parse(slice_of("pkg:deb/debian/x@1?upstream=a%40b&Distro=debian-12&arch=&distro=debian-11"), &a, &p));
    assert_int_equal(p.n_qualifiers, 2);
    assert_string_equal(p.qualifiers[0].key, "distro");
    assert_string_equal(purl_qualifier(&p, "distro"), "debian-11");
    assert_string_equal(purl_qualifier(&p, "upstream"), "a@b");
    assert_null(purl_qualifier(&p, "arch"));
    arena_release(&a);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "pkg:",
        "pkg:deb",
        "pkg:deb/",

        "pkg:deb/@1",
        "pkg:/deb",
        "pk:deb/x",
        "deb/x",
        "pkg:1deb/x",
        "pkg:d_b/x",
        "pkg:deb/x?a",
        "pkg:deb/x?a b=1",
        "pkg:deb/x?1a=1",
        "pkg:deb/x?a%41=1",
        "pkg:deb/x%00y",
        "pkg:deb/x@%0a",
        "pkg:deb/x%1b[2J",
        "pkg:deb/%ff",
        "pkg:deb/x?a=%80",
        "pkg:deb/a%07/x",
    };
    struct arena a;
    struct purl p;
    arena_init(&a);
    for (size_t i = 0; i < N(cases); i++)
        if (purl_parse(slice_of(cases[i]), &a, &p))
            fail_msg("%s is no purl, but %s of %s", cases[i], p.name, p.type);
    assert_false(purl_parse((struct slice){"pkg:deb/x\0y", 11}, &a, &p));
    char *big = malloc((size_t)1 << 20), many[64 + 8 * (PURL_QUALIFIERS_MAX + 1)] = "pkg:deb/x?";
    assert_non_null(big);
    memset(big, 'a', (size_t)1 << 20);
    memcpy(big, "pkg:deb/", 8);
    assert_false(purl_parse((struct slice){big, (size_t)1 << 20}, &a, &p));
    assert_true(purl_parse((struct slice){big, PURL_MAX}, &a, &p));
    assert_int_equal(strlen(p.name), PURL_MAX - 8);
    free(big);
    for (int i = 0; i <= PURL_QUALIFIERS_MAX; i++) {
        char one[16];
        snprintf(one, sizeof one, "k%d=1&", i);
        strcat(many, one);
    }
    assert_false(purl_parse(slice_of(many), &a, &p));
    arena_release(&a);
}

static void test_key(void **state)
{
    (void)state;
    static const struct {
        const char *purl, *ecosystem, *name, *version;
        bool no_release;
    } cases[] = {
        {"pkg:deb/debian/libq3@3.0-1?distro=debian-12&upstream=quillssl", "Debian:12", "quillssl", "3.0-1", false},
        {"pkg:deb/debian/libq3@3.0-1%2Bb1?distro=debian-12.5&upstream=quillssl%403.0-1", "Debian:12", "quillssl",
         "3.0-1", false},
        {"pkg:deb/debian/x@1?distro=bookworm", "Debian:12", "x", "1", false},
        {"pkg:deb/debian/x@1?distro=debian-trixie", "Debian:13", "x", "1", false},
        {"pkg:deb/debian/x@1", "Debian", "x", "1", true},
        {"pkg:deb/debian/x@1?distro=sid", "Debian", "x", "1", true},
        {"pkg:deb/ubuntu/x@1?distro=ubuntu-22.04.3", "Ubuntu:22.04", "x", "1", false},
        {"pkg:deb/ubuntu/x@1?distro=jammy", "Ubuntu:22.04", "x", "1", false},
        {"pkg:apk/alpine/ssl@3.1-r0?distro=alpine-3.18.4&upstream=quillssl", "Alpine:v3.18", "quillssl", "3.1-r0",
         false},
        {"pkg:apk/alpine/ssl@3.1-r0?distro=3.18", "Alpine:v3.18", "ssl", "3.1-r0", false},
        {"pkg:apk/wolfi/ssl@3.1-r0?distro=wolfi-20230201", "Wolfi", "ssl", "3.1-r0", false},
        {"pkg:rpm/redhat/ssl-libs@3.0-1.el9?distro=rhel-9.2&epoch=1&upstream=ssl-3.0-1.el9.src.rpm", "Red Hat:9",
         "ssl-libs", "1:3.0-1.el9", false},
        {"pkg:rpm/opensuse/libq3@3.0-1?distro=opensuse-leap-15.5&upstream=q-ssl-3.0-1.src.rpm", "openSUSE:Leap 15.5",
         "q-ssl", "3.0-1", false},
        {"pkg:rpm/opensuse/x@1-1?distro=opensuse-tumbleweed-20240101", "openSUSE:Tumbleweed", "x", "1-1", false},
        {"pkg:rpm/suse/x@1-1?distro=sles-15.5", "SUSE:Linux Enterprise Server 15 SP5", "x", "1-1", false},
        {"pkg:pypi/Fern.Codec@2.1", "PyPI", "fern-codec", "2.1", false},
        {"pkg:npm/%40Harbor/MQTT-loop@1.0.0", "npm", "@harbor/mqtt-loop", "1.0.0", false},
        {"pkg:cargo/slate_queue@0.8.19", "crates.io", "slate-queue", "0.8.19", false},
        {"pkg:golang/Example.com/tide/Relay@v1.9.0#cmd", "Go", "example.com/tide/relay", "v1.9.0", false},
        {"pkg:maven/org.Example/thing@1", "Maven", "org.Example:thing", "1", false},
        {"pkg:github/Some/Action@v3", "GitHub Actions", "some/action", "v3", false},
        {"pkg:swift/github.com/Some/Thing@1.0.0", "SwiftURL", "github.com/some/thing", "1.0.0", false},
    };
    static const char *const nowhere[] = {"pkg:generic/x@1", "pkg:deb/other/x@1", "pkg:deb/x@1", "pkg:bitbucket/a/b@1"};
    struct arena a;
    struct purl p;
    struct purl_key k;
    arena_init(&a);
    for (size_t i = 0; i < N(cases); i++) {
        assert_true(purl_parse(slice_of(cases[i].purl), &a, &p));
        assert_true(purl_key(&p, &a, &k));
        if (strcmp(k.ecosystem, cases[i].ecosystem) != 0 || strcmp(k.name, cases[i].name) != 0 ||
            strcmp(k.version, cases[i].version) != 0)
            fail_msg("%s: %s, %s, %s", cases[i].purl, k.ecosystem, k.name, k.version);
        assert_int_equal(k.no_release, cases[i].no_release);
    }
    for (size_t i = 0; i < N(nowhere); i++) {
        assert_true(purl_parse(slice_of(nowhere[i]), &a, &p));
        assert_false(purl_key(&p, &a, &k));
    }
    arena_release(&a);
}

static void test_osv_spelling(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    assert_string_equal(purl_ecosystem(slice_of("Ubuntu:22.04:LTS"), &a), "Ubuntu:22.04");
    assert_string_equal(purl_ecosystem(slice_of("Ubuntu:Pro:18.04:LTS"), &a), "Ubuntu:Pro:18.04:LTS");
    assert_string_equal(purl_ecosystem(slice_of("Red Hat:enterprise_linux:9::baseos"), &a), "Red Hat:9");
    assert_string_equal(purl_ecosystem(slice_of("Red Hat:rhel_eus:9.2::baseos"), &a), "Red Hat:rhel_eus:9.2::baseos");
    assert_string_equal(purl_ecosystem(slice_of("Debian:12"), &a), "Debian:12");
    assert_string_equal(purl_ecosystem((struct slice){NULL, 0}, &a), "");
    assert_string_equal(purl_package(slice_of("PyPI"), slice_of("Fern__.codec"), &a), "fern-codec");
    assert_string_equal(purl_package(slice_of("SwiftURL"), slice_of("https://GitHub.com/a/B.git"), &a),
                        "github.com/a/b");
    assert_string_equal(purl_package(slice_of("Maven"), slice_of("A_b:c"), &a), "A_b:c");
    assert_string_equal(purl_package(slice_of("Debian:12"), slice_of("libx-y"), &a), "libx-y");
    assert_string_equal(purl_package(slice_of(""), slice_of("X"), &a), "X");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse), cmocka_unit_test(test_qualifiers),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_key),   cmocka_unit_test(test_osv_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
