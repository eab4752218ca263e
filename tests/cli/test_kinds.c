/* Kinds of fleet servers: each word that the configuration takes has a back end behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "client/backend.h"
#include "conf/config.h"
#include "conf/yaml.h"

static const struct yfield *field(const struct yfield *f, const char *key)
{
    while (f->key && strcmp(f->key, key) != 0)
        f++;
    assert_non_null(f->key);
    return f;
}

/* Whatever else may be wrong with such a fleet: the kind is known. */
static void each_word_has_a_back_end(void **state)
{
    const char *const *words = field(field(config_schema, "fleets")->fields, "kind")->words;
    struct clock *clock = clock_real();
    (void)state;
    assert_non_null(words[0]);
    for (size_t i = 0; words[i]; i++) {
        struct http *h = http_new(clock, 1);
        struct err e = {0};
        struct fleet_spec spec = {.name = "f", .kind = words[i], .endpoint = {.url = "http://127.0.0.1:1", .user = ""}};
        struct backend *b = backend_open(h, &spec, &e);
        if (!b && e.code == ERR_UNSUPPORTED)
            fail_msg("%s", e.what);
        backend_free(b);
        http_free(h);
    }
}

static void another_word_is_refused(void **state)
{
    struct http *h = http_new(clock_real(), 1);
    struct err e = {0};
    struct fleet_spec spec = {.name = "f", .kind = "hawkbi\x1b[2J", .endpoint = {.url = "http://127.0.0.1:1"}};
    (void)state;
    assert_null(backend_open(h, &spec, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    assert_null(strchr(e.what, '\x1b'));
    assert_non_null(strstr(e.next, "hawkbit"));
    http_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_word_has_a_back_end),
        cmocka_unit_test(another_word_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
