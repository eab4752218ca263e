/* Names of products, and whether criteria name one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/cpe.h"

#define N(a) (sizeof(a) / sizeof *(a))

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text, *product, *version, *update, *target;
    } cases[] = {
        {"cpe:2.3:o:Tallow:gate_firmware:2.8.4:*:*:*:*:*:*:*", "gate_firmware", "2.8.4", "*", "*"},
        {"cpe:2.3:a:v:p\\:q\\*r:1\\.2:-:*:*:*:linux:*:*", "p:q\\*r", "1.2", "-", "linux"},
        {"cpe:2.3:a:v:p:\\-:*:*:*:*:*:*:*", "p", "\\-", "*", "*"},
        {"cpe:2.3:a:v:p:1.?:*:*:*:*:*:*:*", "p", "1.?", "*", "*"},
        {"cpe:2.3:a:v:\\\\p:*1.2*:*:*:*:*:*:*:*", "\\\\p", "*1.2*", "*", "*"},
        {"cpe:/o:Tallow:gate:1.9.2:rc.1", "gate", "1.9.2", "rc.1", "*"},
        {"CPE:/a:v:p%21:-:%02:~~~linux~~:en", "p!", "-", "*", "linux"},
        {"cpe:/a:v:p:1%01", "p", "1?", "*", "*"},
        {"cpe:/a:v", "*", "*", "*", "*"},
    };
    struct arena a;
    struct cpe c;
    arena_init(&a);
    for (size_t i = 0; i < N(cases); i++) {
        if (!cpe_parse(slice_of(cases[i].text), &a, &c))
            fail_msg("%s is a CPE", cases[i].text);
        assert_string_equal(c.field[CPE_PRODUCT], cases[i].product);
        assert_string_equal(c.field[CPE_VERSION], cases[i].version);
        assert_string_equal(c.field[CPE_UPDATE], cases[i].update);
        assert_string_equal(c.field[CPE_TARGET_SW], cases[i].target);
    }
    arena_release(&a);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "cpe",
        "cpe:2.3:",
        "cpe:2.3:a:v:p:1:*:*:*:*:*:*",
        "cpe:2.3:a:v:p:1:*:*:*:*:*:*:*:*",
        "cpe:2.3:x:v:p:1:*:*:*:*:*:*:*",
        "cpe:2.3:a:v::1:*:*:*:*:*:*:*",
        "cpe:2.3:a:v:p:1*2:*:*:*:*:*:*:*",
        "cpe:2.3:a:v:p:**:*:*:*:*:*:*:*",
        "cpe:2.3:a:v:p:1 2:*:*:*:*:*:*:*",
        "cpe:2.3:a:v:p:1\n:*:*:*:*:*:*:*",
        "cpe:2.3:a:v:p\xc3\xa9:1:*:*:*:*:*:*:*",
        "cpe:2.3:a:v:p:1:*:*:*:*:*:*:\\",
        "cpe:2.2:a:v:p:1:*:*:*:*:*:*:*",
        "cpe:/",
        "cpe:/x:v:p",
        "cpe:/a:v:p%00",
        "cpe:/a:v:p%2",
        "cpe:/a:v:p:1:2:~a~b:en",
        "cpe:/a:b:c:d:e:f:g:h",
        "cpe:/a:v:p:1::~a~b~c~d~e~f",
    };
    struct arena a;
    struct cpe c;
    arena_init(&a);
    for (size_t i = 0; i < N(cases); i++)
        if (cpe_parse(slice_of(cases[i]), &a, &c))
            fail_msg("%s is no CPE", cases[i]);
    assert_false(cpe_parse((struct slice){"cpe:2.3:a:v:p\0q:1:*:*:*:*:*:*:*", 31}, &a, &c));
    char *big = malloc((size_t)1 << 20);
    assert_non_null(big);
    memset(big, '\\', (size_t)1 << 20);
    memcpy(big, "cpe:2.3:a:", 10);
    assert_false(cpe_parse((struct slice){big, (size_t)1 << 20}, &a, &c));
    assert_false(cpe_parse((struct slice){big, CPE_MAX}, &a, &c));
    free(big);
    arena_release(&a);
}

static void test_version(void **state)
{
    (void)state;
    struct arena a;
    struct cpe c;
    arena_init(&a);
    assert_true(cpe_parse(slice_of("cpe:2.3:o:k:os:3.7.0:rc2:*:*:*:*:*:*"), &a, &c));
    assert_string_equal(cpe_version(&c, &a), "3.7.0-rc2");
    assert_true(cpe_parse(slice_of("cpe:2.3:o:k:os:3\\.7\\+x:*:*:*:*:*:*:*"), &a, &c));
    assert_string_equal(cpe_version(&c, &a), "3.7+x");
    assert_true(cpe_parse(slice_of("cpe:2.3:o:k:os:-:rc2:*:*:*:*:*:*"), &a, &c));
    assert_string_equal(cpe_version(&c, &a), "");
    arena_release(&a);
}

static void test_match(void **state)
{
    (void)state;
    static const struct {
        const char *criteria, *known;
        enum cpe_fit fit;
    } cases[] = {
        {"cpe:2.3:o:keel:os:*:*:*:*:*:*:*:*", "cpe:2.3:o:KEEL:OS:3.7.0:rc2:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:o:other:os:*:*:*:*:*:*:*:*", "cpe:2.3:o:keel:os:3.7.0:*:*:*:*:*:*:*", CPE_OTHER_PRODUCT},
        {"cpe:2.3:a:keel:os:*:*:*:*:*:*:*:*", "cpe:2.3:o:keel:os:3.7.0:*:*:*:*:*:*:*", CPE_OTHER_PRODUCT},
        {"cpe:2.3:*:keel:os:*:*:*:*:*:*:*:*", "cpe:2.3:o:keel:os:3.7.0:*:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:a:v:p:-:*:*:*:*:*:*:*", "cpe:2.3:a:v:p:1.4.7:*:*:*:*:*:*:*", CPE_NOT_APPLICABLE},
        {"cpe:2.3:a:v:p:-:*:*:*:*:*:*:*", "cpe:2.3:a:v:p:*:*:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:h:v:p:-:*:*:*:*:*:*:*", "cpe:2.3:h:v:p:mk2:*:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:a:v:p:1.4:*:*:*:*:*:*:*", "cpe:2.3:a:v:p:1.4.0:sp1:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:a:v:p:1.4:*:*:*:*:*:*:*", "cpe:2.3:a:v:p:1.4.1:*:*:*:*:*:*:*", CPE_OTHER_VERSION},
        {"cpe:2.3:a:v:p:1.4:*:*:*:*:*:*:*", "cpe:2.3:a:v:p:*:*:*:*:*:*:*:*", CPE_UNCLEAR},
        {"cpe:2.3:a:v:p:1.4:*:*:*:*:*:*:*", "cpe:2.3:a:v:p:-:*:*:*:*:*:*:*", CPE_OTHER_VERSION},
        {"cpe:2.3:a:v:p:latest:*:*:*:*:*:*:*", "cpe:2.3:a:v:p:Latest:*:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:a:v:p:3.7.0:rc2:*:*:*:*:*:*", "cpe:2.3:a:v:p:3.7.0-rc2:*:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:a:v:p:3.7.0:rc2:*:*:*:*:*:*", "cpe:2.3:a:v:p:3.7.0:rc1:*:*:*:*:*:*", CPE_OTHER_VERSION},
        {"cpe:2.3:a:v:p:3.7.0:-:*:*:*:*:*:*", "cpe:2.3:a:v:p:3.7.0:rc1:*:*:*:*:*:*", CPE_OTHER_VERSION},
        {"cpe:2.3:a:v:p:3.7.0:-:*:*:*:*:*:*", "cpe:2.3:a:v:p:3.7.0:*:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:a:v:p:1.4*:*:*:*:*:*:*:*", "cpe:2.3:a:v:p:1.40.2:*:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:a:v:p:?.4:*:*:*:*:*:*:*", "cpe:2.3:a:v:p:.4:*:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:a:v:p:1.4?:*:*:*:*:*:*:*", "cpe:2.3:a:v:p:1.400:*:*:*:*:*:*:*", CPE_OTHER_VERSION},
        {"cpe:2.3:a:v*:p:*:*:*:*:*:*:*:*", "cpe:2.3:a:vendor:p:1:*:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:a:v\\*:p:*:*:*:*:*:*:*:*", "cpe:2.3:a:vendor:p:1:*:*:*:*:*:*:*", CPE_OTHER_PRODUCT},
        {"cpe:2.3:a:v:p:*:*:*:*:*:linux:*:*", "cpe:2.3:a:v:p:1:*:*:*:*:linux:*:*", CPE_FITS},
        {"cpe:2.3:a:v:p:*:*:*:*:*:linux:*:*", "cpe:2.3:a:v:p:1:*:*:*:*:windows:*:*", CPE_OTHER_PRODUCT},
        {"cpe:2.3:a:v:p:*:*:*:*:*:linux:*:*", "cpe:2.3:a:v:p:1:*:*:*:*:*:*:*", CPE_UNCLEAR},
        {"cpe:2.3:a:v:p:*:*:*:*:*:-:*:*", "cpe:2.3:a:v:p:1:*:*:*:*:*:*:*", CPE_FITS},
        {"cpe:2.3:a:v:p:*:*:*:*:*:-:*:*", "cpe:2.3:a:v:p:1:*:*:*:*:linux:*:*", CPE_OTHER_PRODUCT},
        {"cpe:2.3:a:v:p:1:*:*:*:*:linux:*:*", "cpe:2.3:a:v:p:2:*:*:*:*:*:*:*", CPE_OTHER_VERSION},
        {"cpe:2.3:a:v:p:*:*:*:*:*:*:*:*", "cpe:2.3:a:v:*:1:*:*:*:*:*:*:*", CPE_OTHER_PRODUCT},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < N(cases); i++) {
        struct cpe c, k;
        assert_true(cpe_parse(slice_of(cases[i].criteria), &a, &c));
        assert_true(cpe_parse(slice_of(cases[i].known), &a, &k));
        enum cpe_fit fit = cpe_match(&c, &k, &a);
        if (fit != cases[i].fit)
            fail_msg("%s, %s: %d, not %d", cases[i].criteria, cases[i].known, fit, cases[i].fit);
    }
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
