/* Scores of CVSS vectors. Tens of thousands of random ones beside another implementation: make oracles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "core/cvss.h"

#define N(a) (sizeof(a) / sizeof *(a))

/* Random vectors of ours; the scores are those of the Python package cvss 3.6. */
static const struct {
    const char *vector;
    int base, temporal, environmental;
} scored[] = {
    {"AV:L/AC:H/Au:M/C:N/I:N/A:N", 0, 0, 0},
    {"AV:N/AC:L/Au:M/C:P/I:N/A:C", 68, 68, 68},
    {"AV:N/AC:H/Au:N/C:P/I:C/A:P", 66, 66, 66},
    {"AV:A/AC:H/Au:M/C:C/I:P/A:C", 59, 59, 59},
    {"AV:A/AC:H/Au:N/C:C/I:N/A:C/RL:U/CDP:N/TD:N/CR:H/IR:H/AR:ND", 62, 62, 0},
    {"AV:N/AC:H/Au:S/C:N/I:P/A:C/E:POC/RC:UR/CDP:L/TD:N/CR:L/IR:ND", 56, 48, 0},
    {"AV:N/AC:L/Au:M/C:P/I:C/A:P/E:ND/RL:TF/RC:UR/CDP:N/TD:N/CR:H/IR:ND/AR:ND", 73, 62, 0},
    {"AV:L/AC:M/Au:M/C:P/I:N/A:N/RL:TF/CR:L/IR:L/AR:H", 13, 12, 3},
    {"AV:N/AC:M/Au:S/C:P/I:N/A:P/RL:OF/CR:H/IR:H", 49, 43, 50},
    {"AV:A/AC:L/Au:S/C:C/I:P/A:P/E:ND/RL:U/RC:ND/TD:N/IR:H/AR:H", 67, 67, 0},
    {"CVSS:3.0/AV:N/AC:L/PR:H/UI:R/S:U/C:L/I:N/A:N", 24, 24, 24},
    {"CVSS:3.0/AV:L/AC:H/PR:L/UI:R/S:C/C:H/I:L/A:N", 61, 61, 61},
    {"CVSS:3.0/AV:L/AC:L/PR:H/UI:R/S:U/C:H/I:N/A:H", 58, 58, 58},
    {"CVSS:3.0/AV:L/AC:L/PR:H/UI:N/S:U/C:H/I:N/A:H", 60, 60, 60},
    {"CVSS:3.0/AV:P/AC:H/PR:L/UI:N/S:U/C:L/I:L/A:L/E:H/RL:X/RC:R/CR:M/AR:M/MAC:L/MPR:N/MC:L", 38, 37, 42},
    {"CVSS:3.0/AV:P/AC:H/PR:L/UI:N/S:C/C:N/I:N/A:N/E:H/IR:M/MAV:P/MAC:L/MPR:X/MC:X", 0, 0, 0},
    {"CVSS:3.0/AV:L/AC:H/PR:H/UI:N/S:U/C:L/I:L/A:H/E:H/RL:X/RC:X/CR:H/IR:M/AR:L/MAC:H/MPR:H/MUI:X/MC:X/MI:N", 52, 52,
     38},
    {"CVSS:3.0/AV:N/AC:H/PR:L/UI:N/S:U/C:N/I:N/A:H/E:P/RL:X/RC:R/IR:X/AR:X/MAC:L/MPR:L/MUI:X/MS:X/MI:H/MA:H", 53, 48,
     74},
    {"CVSS:3.0/AV:N/AC:H/PR:L/UI:R/S:C/C:H/I:L/A:H/E:U/RL:T/RC:C/CR:X/IR:M/AR:X/MAV:P/MPR:L/MC:N/MI:X", 79, 70, 49},
    {"CVSS:3.0/AV:P/AC:H/PR:N/UI:R/S:U/C:L/I:H/A:L/CR:M/IR:X/MAV:P/MAC:H/MPR:H/MI:H", 51, 51, 49},
    {"CVSS:3.1/AV:P/AC:H/PR:L/UI:R/S:U/C:L/I:H/A:L", 50, 50, 50},
    {"CVSS:3.1/AV:A/AC:L/PR:H/UI:R/S:U/C:L/I:L/A:N", 32, 32, 32},
    {"CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:C/C:N/I:L/A:H", 76, 76, 76},
    {"CVSS:3.1/AV:P/AC:H/PR:N/UI:R/S:U/C:H/I:N/A:N", 40, 40, 40},
    {"CVSS:3.1/AV:P/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:H/RL:O/RC:U/CR:L/MAV:X/MS:X/MC:H/MI:H/MA:N", 57, 50, 44},
    {"CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:C/C:H/I:L/A:L/E:P/RC:U/CR:X/IR:H/MAC:L/MPR:H/MUI:R/MC:N", 73, 64, 43},
    {"CVSS:3.1/AV:P/AC:H/PR:N/UI:N/S:C/C:L/I:N/A:H/E:H/RC:U/CR:X/IR:H/AR:X/MAV:N/MAC:L/MUI:X/MS:U/MC:N/MI:H", 57, 53,
     91},
    {"CVSS:3.1/AV:N/AC:L/PR:L/UI:R/S:U/C:N/I:N/A:N/E:F/RL:U/CR:X/IR:H/AR:H/MPR:L/MS:C/MC:H", 0, 0, 66},
    {"CVSS:3.1/AV:A/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:N/E:H/RL:T/RC:C/CR:M/IR:X/MAV:X/MAC:L/MPR:N/MUI:X/MS:X/MA:N", 74, 72,
     72},
    {"CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:H/I:H/A:N/E:H/RL:U/RC:X/IR:M/AR:H/MAV:P/MAC:X/MPR:L/MUI:X/MS:X/MC:X/MI:X/MA:H",
     60, 60, 62},
    {"CVSS:4.0/AV:A/AC:L/AT:N/PR:N/UI:P/VC:N/VI:H/VA:N/SC:L/SI:H/SA:L", 83, 83, 83},
    {"CVSS:4.0/AV:A/AC:H/AT:N/PR:N/UI:A/VC:N/VI:H/VA:L/SC:N/SI:N/SA:N", 58, 58, 58},
    {"CVSS:4.0/AV:L/AC:L/AT:N/PR:L/UI:P/VC:H/VI:N/VA:H/SC:H/SI:L/SA:N", 69, 69, 69},
    {"CVSS:4.0/AV:A/AC:H/AT:N/PR:N/UI:P/VC:H/VI:L/VA:L/SC:L/SI:L/SA:L", 59, 59, 59},
    {"CVSS:4.0/AV:N/AC:H/AT:P/PR:L/UI:A/VC:H/VI:N/VA:H/SC:N/SI:L/SA:H", 70, 70, 70},
    {"CVSS:4.0/AV:N/AC:H/AT:P/PR:N/UI:N/VC:H/VI:L/VA:N/SC:H/SI:N/SA:L", 90, 90, 90},
    {"CVSS:4.0/AV:P/AC:L/AT:P/PR:H/UI:A/VC:N/VI:L/VA:N/SC:H/SI:N/SA:N", 18, 18, 18},
    {"CVSS:4.0/AV:L/AC:H/AT:P/PR:H/UI:N/VC:L/VI:L/VA:H/SC:N/SI:L/SA:N", 57, 57, 57},
    {"CVSS:4.0/AV:L/AC:H/AT:N/PR:L/UI:A/VC:H/VI:H/VA:N/SC:L/SI:H/SA:N/CR:M/IR:M/MPR:H/MVA:X/MSI:H/S:X/R:X/V:C/RE:H/U:X",
     68, 68, 52},
    {"CVSS:4.0/AV:N/AC:H/AT:P/PR:H/UI:P/VC:N/VI:H/VA:H/SC:H/SI:L/SA:N/E:A/IR:X/AR:L/MAV:N/MPR:H/MUI:P/MVI:X/MVA:X/"
     "MSC:X/MSA:N/S:N/R:U/RE:M",
     70, 70, 69},
    {"CVSS:4.0/AV:A/AC:L/AT:N/PR:L/UI:P/VC:L/VI:L/VA:H/SC:H/SI:H/SA:H/E:U/AR:X/MUI:P/MVA:L/S:P/V:C", 72, 45, 11},
    {"CVSS:4.0/AV:A/AC:H/AT:N/PR:N/UI:P/VC:H/VI:H/VA:L/SC:H/SI:N/SA:N/E:A/MAT:X/MPR:N/MVC:L/MVA:H/MSI:X/MSA:L/AU:Y", 86,
     86, 71},
    {"CVSS:4.0/AV:L/AC:H/AT:P/PR:H/UI:P/VC:L/VI:N/VA:L/SC:N/SI:H/SA:N/MAV:N/MAC:H/MUI:A/MVC:L/MVI:H/MSC:X/MSI:H/S:N/"
     "AU:N/R:A",
     18, 18, 68},
    {"CVSS:4.0/AV:N/AC:H/AT:P/PR:N/UI:P/VC:N/VI:H/VA:H/SC:L/SI:L/SA:H/IR:L/AR:X/MAV:A/MAC:L/MSC:H/MSA:N/AU:N/R:I", 72,
     72, 70},
    {"CVSS:4.0/AV:A/AC:L/AT:P/PR:N/UI:N/VC:L/VI:H/VA:N/SC:H/SI:N/SA:L/E:U/IR:L/AR:M/MAV:L/MAT:P/MVC:X/MVA:N/AU:Y/V:D/"
     "RE:H/U:Red",
     71, 40, 19},
    {"CVSS:4.0/AV:A/AC:H/AT:N/PR:L/UI:A/VC:L/VI:H/VA:L/SC:H/SI:L/SA:N/E:A/CR:L/IR:H/AR:M/MUI:A/MVC:H/MVI:L/MSI:X/MSA:L/"
     "V:C",
     58, 58, 44},
    {"CVSS:4.0/AV:N/AC:L/AT:N/PR:H/UI:A/VC:L/VI:N/VA:N/SC:L/SI:H/SA:L/CR:H/IR:H/AR:M/MPR:L/MUI:N/MVC:X/MVI:H/MSC:X/"
     "MSA:L/S:X/AU:N/V:X/RE:L",
     60, 60, 84},
    {"CVSS:4.0/AV:N/AC:H/AT:N/PR:N/UI:P/VC:H/VI:L/VA:N/SC:H/SI:L/SA:N/AR:L/MUI:N/MVC:L/MVI:L/MSI:L/AU:N/R:U/V:X/RE:H",
     71, 71, 69},
    {"AV:L/AC:L/Au:N/C:C/I:C/A:C", 72, 72, 72},
    {"AV:L/AC:L/Au:N/C:C/I:C/A:C/CR:H/IR:H/AR:H", 72, 72, 71},
    {"CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:H/I:H/A:H", 96, 96, 97},
    {"CVSS:4.0/AV:N/AC:L/AT:N/PR:L/UI:N/VC:L/VI:L/VA:N/SC:N/SI:L/SA:N/MSI:S", 53, 53, 79},
    {"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0, 0, 0},
    {"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 100, 100, 100},
    {"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0, 0, 0},
    {"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 100, 100, 100},
    {"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:P/VC:H/VI:L/VA:N/SC:H/SI:H/SA:H", 86, 86, 86},
    {"AV:L/AC:H/Au:M/C:P/I:N/A:N/CDP:ND/TD:H/CR:L/IR:ND/AR:ND", 8, 8, 0},

};

static void test_scores(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(scored); i++) {
        struct cvss c;
        if (!cvss_score(slice_of(scored[i].vector), &c))
            fail_msg("%s is a vector", scored[i].vector);
        if (c.base != scored[i].base || c.temporal != scored[i].temporal || c.environmental != scored[i].environmental)
            fail_msg("%s: %d %d %d, not %d %d %d", scored[i].vector, c.base, c.temporal, c.environmental,
                     scored[i].base, scored[i].temporal, scored[i].environmental);
    }
}

/* The same vector under the two versions of v3, whose modified impact differs. */
static void test_versions_of_3(void **state)
{
    (void)state;
    struct cvss c;
    const char *rest = "/AV:N/AC:L/PR:L/UI:R/S:U/C:L/I:H/A:H/MS:C/MC:H/MI:H/MA:H/CR:H/IR:H/AR:H";
    char v[256] = "CVSS:3.0";
    strcat(v, rest);
    assert_true(cvss_score(slice_of(v), &c));
    assert_int_equal(c.version, CVSS_3_0);
    int old = c.environmental;
    v[7] = '1';
    assert_true(cvss_score(slice_of(v), &c));
    assert_int_equal(c.version, CVSS_3_1);
    assert_int_equal(old, 90);
    assert_int_equal(c.environmental, 91);
    assert_string_equal(cvss_version_word(c.version), "3.1");
    assert_string_equal(cvss_version_word(CVSS_NONE), "");
}

static void test_facts(void **state)
{
    (void)state;
    static const struct {
        const char *vector;
        enum adv_answer network, no_privileges, no_interaction, low_complexity;
    } cases[] = {
        {"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", ADV_YES, ADV_YES, ADV_YES, ADV_YES},
        {"CVSS:3.0/AV:A/AC:H/PR:L/UI:R/S:U/C:H/I:H/A:H", ADV_NO, ADV_NO, ADV_NO, ADV_NO},
        {"AV:N/AC:L/Au:N/C:P/I:P/A:P", ADV_YES, ADV_YES, ADV_UNKNOWN, ADV_YES},
        {"AV:A/AC:M/Au:S/C:P/I:P/A:P", ADV_NO, ADV_NO, ADV_UNKNOWN, ADV_NO},
        {"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:L/VA:H/SC:N/SI:N/SA:N", ADV_YES, ADV_YES, ADV_YES, ADV_YES},
        {"CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:P/VC:N/VI:L/VA:H/SC:N/SI:N/SA:N", ADV_YES, ADV_YES, ADV_NO, ADV_NO},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct cvss c;
        assert_true(cvss_score(slice_of(cases[i].vector), &c));
        assert_int_equal(c.network, cases[i].network);
        assert_int_equal(c.no_privileges, cases[i].no_privileges);
        assert_int_equal(c.no_interaction, cases[i].no_interaction);
        assert_int_equal(c.low_complexity, cases[i].low_complexity);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "/",
        "CVSS:3.1/",
        "CVSS:3.1",
        "CVSS:3.1/AV:N",
        "CVSS:3.2/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:N/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:n/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/",
        "CVSS:3.1//AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:ND",
        "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/Z:X",
        "CVSS:3.1/AV:N:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "AV:N/AC:L/Au:N/C:C/I:C",
        "AV:N/AC:L/Au:N/C:C/I:C/A:X",
        "CVSS:2.0/AV:N/AC:L/Au:N/C:C/I:C/A:C",
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:S/SI:N/SA:N",
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/U:green",
        " AV:N/AC:L/Au:N/C:C/I:C/A:C",
    };
    struct cvss c;
    for (size_t i = 0; i < N(cases); i++) {
        if (cvss_score(slice_of(cases[i]), &c))
            fail_msg("%s is no vector", cases[i]);
        assert_int_equal(c.version, CVSS_NONE);
    }
    static const char nul[] = "AV:N/AC:L/Au:N/C:C/I:C/A:C\0";
    assert_true(cvss_score((struct slice){nul, sizeof nul - 2}, &c));
    assert_false(cvss_score((struct slice){nul, sizeof nul - 1}, &c));
    assert_false(cvss_score((struct slice){NULL, 0}, &c));
    char *big = malloc((size_t)1 << 20);
    assert_non_null(big);
    memset(big, '/', (size_t)1 << 20);
    assert_false(cvss_score((struct slice){big, (size_t)1 << 20}, &c));
    assert_false(cvss_score((struct slice){big, CVSS_VECTOR_MAX}, &c));
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scores), cmocka_unit_test(test_versions_of_3),
                                       cmocka_unit_test(test_facts), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
