/* A set of digests: each once, in the order in which they came, found whatever their bytes are. */
#include "tests/audit/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/digests.h"
#include "audit/stamp.h"
#include "audit/stamped.h"

static void nth(size_t i, uint8_t out[HASH_LEN])
{
    memset(out, 0, HASH_LEN);
    memcpy(out + (i % 4) * 8, &i, sizeof i); /* most words of most are alike: whoever names them chooses them */
}

static void each_has_its_place(void **state)
{
    enum { N = 20000 };
    struct digests d = {0};
    uint8_t one[HASH_LEN];
    (void)state;
    nth(0, one);
    assert_true(digests_find(&d, one) == DIGESTS_NONE);
    for (size_t i = 0; i < N; i++) {
        nth(i, one);
        assert_true(digests_find(&d, one) == DIGESTS_NONE);
        assert_int_equal(digests_add(&d, one), i);
        assert_int_equal(digests_add(&d, one), i);
        assert_int_equal(d.n, i + 1);
    }
    for (size_t i = 0; i < N; i++) {
        nth(i, one);
        assert_int_equal(digests_find(&d, one), i);
    }
    digests_release(&d);
    assert_true(digests_find(&d, one) == DIGESTS_NONE);
}

/* Many receipts of one blob, and blobs that no receipt names, take no room of their own. */
static void a_blob_is_kept_once(void **state)
{
    struct stamped s = {0};
    char line[400], hex[2][HASH_HEX];
    uint8_t digest[3][HASH_LEN];
    (void)state;
    for (size_t i = 0; i < 3; i++)
        nth(i + 1, digest[i]);
    hex_encode(hex[0], digest[0], HASH_LEN);
    hex_encode(hex[1], digest[1], HASH_LEN);
    for (int i = 1; i <= 50; i++) {
        struct leaf l;
        int n = snprintf(line, sizeof line,
                         "{\"f\":{\"checkpoint.blob\":\"%s\",\"token.blob\":\"%s\"},\"kind\":\"receipt\",\"mono_us\":1,"
                         "\"seq\":%d,\"t\":1,\"v\":3}",
                         hex[0], hex[1], i);
        assert_true(leaf_scan(line, (size_t)n, &l));
        stamped_entry(&s, &l);
    }
    assert_int_equal(s.n, 50);
    assert_int_equal(s.names.n, 2);
    stamped_blob(&s, digest[0], "x", 1);
    stamped_blob(&s, digest[2], "y", 1);
    assert_int_equal(s.names.n, 2);
    assert_non_null(s.blob[0].bytes);
    assert_null(s.blob[1].bytes);
    char *large = xcalloc(1, STAMP_TOKEN_MAX + 1);
    stamped_blob(&s, digest[1], large, STAMP_TOKEN_MAX + 1);
    assert_null(s.blob[1].bytes);
    stamped_blob(&s, digest[1], large, STAMP_TOKEN_MAX);
    assert_int_equal(s.blob[1].n, STAMP_TOKEN_MAX);
    free(large);
    stamped_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_place),
        cmocka_unit_test(a_blob_is_kept_once),
    };
    return cmocka_run_group_tests_name("digests", tests, NULL, NULL);
}
