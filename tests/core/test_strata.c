/* Strata: by attributes, and by each device's own past; put together by what is to be expected in them, whoever is a
 * canary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>
#include "core/strata.h"

static void classes_of_a_past(void **state)
{
    static const struct {
        double boots;
        int class;
    } b[] = {{NAN, 0}, {0, 0},  {0.4, 0}, {1, 1},  {1.04, 1}, {2, 2},       {3, 2},
             {4, 3},   {11, 3}, {12, 4},  {47, 4}, {48, 5},   {INFINITY, 5}};

    (void)state;
    for (size_t i = 0; i < sizeof b / sizeof *b; i++)
        assert_int_equal(strata_boots_class(b[i].boots), b[i].class);
    assert_int_equal(strata_contact_class(NAN), 0);
    assert_int_equal(strata_contact_class(0.02), 0);
    assert_int_equal(strata_contact_class(0.03), 1);
    assert_int_equal(strata_contact_class(1), 2);
}

static void a_cell_is_found_again(void **state)
{
    struct strata s = {0};
    uint8_t a = strata_find(&s, 3, 2, 1), b = strata_find(&s, 3, 2, 0), c = strata_find(&s, 4, 2, 1);

    (void)state;
    assert_true(a != b && b != c && a != c);
    assert_int_equal(strata_find(&s, 3, 2, 1), a);
    assert_int_equal(s.n, 3);
    assert_int_equal(strata_find(&s, 99, 99, 99),
                     strata_find(&s, STRATA_MAX - 1, STRATA_BOOTS - 1, STRATA_CONTACT - 1));
}

/* However many there are, each attributes have at least a cell of their own. */
static void room_is_kept_for_attributes(void **state)
{
    struct strata s = {0};

    (void)state;
    for (int a = 0; a < STRATA_MAX; a++)
        for (int b = STRATA_BOOTS - 1; b >= 0; b--)
            for (int c = 0; c < STRATA_CONTACT; c++)
                assert_int_equal(s.cell[strata_find(&s, a, b, c)].attributes, a);
    assert_true(s.n <= STRATA_CELLS);
}

/* One stratum of attributes; class k holds canary[k] and control[k] devices. */
static void make(struct strata *s, const int *canary, const int *control, int classes)
{
    int32_t side[2][STRATA_CELLS] = {{0}};

    *s = (struct strata){0};
    for (int k = 0; k < classes; k++) {
        uint8_t c = strata_find(s, 0, k, 0);
        side[0][c] = canary[k];
        side[1][c] = control[k];
    }
    strata_make(s, side[0], side[1]);
}

static void a_class_with_enough_devices_is_a_stratum(void **state)
{
    struct strata s;

    (void)state;
    make(&s, (const int[]){70, 20, 10}, (const int[]){630, 180, 90}, 3);
    assert_int_equal(s.of[STRATA_BY_BOOTS][0], 0); /* the lowest has the number of the attributes */
    assert_int_not_equal(s.of[STRATA_BY_BOOTS][1], s.of[STRATA_BY_BOOTS][0]);
    assert_int_not_equal(s.of[STRATA_BY_BOOTS][2], s.of[STRATA_BY_BOOTS][1]);
    assert_int_not_equal(s.of[STRATA_BY_BOOTS][2], 0);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(s.of[STRATA_BY_ATTRIBUTES][k], 0);
        assert_int_equal(s.of[STRATA_BY_CONTACT][k], 0);
    }
}

static void few_devices_join_the_classes_below(void **state)
{
    struct strata s;

    (void)state;
    make(&s, (const int[]){15, 4, 1}, (const int[]){135, 36, 9}, 3); /* of 10 one canary is to be expected */
    assert_int_equal(s.of[STRATA_BY_BOOTS][2], s.of[STRATA_BY_BOOTS][1]);
    assert_int_not_equal(s.of[STRATA_BY_BOOTS][1], 0);
    make(&s, (const int[]){3, 1, 1}, (const int[]){27, 6, 6}, 3); /* and so on down */
    for (int k = 0; k < 3; k++)
        assert_int_equal(s.of[STRATA_BY_BOOTS][k], 0);
    make(&s, (const int[]){1, 20, 0}, (const int[]){0, 180, 0}, 3); /* nor is the lowest left with too few */
    assert_int_equal(s.of[STRATA_BY_BOOTS][1], 0);
}

/* What the labels are within the classes must not matter, only how many there are of each in all. */
static void labels_play_no_part(void **state)
{
    struct strata a, b;

    (void)state;
    make(&a, (const int[]){10, 5, 5}, (const int[]){90, 45, 45}, 3);
    make(&b, (const int[]){0, 0, 20}, (const int[]){100, 50, 30}, 3);
    assert_memory_equal(a.of, b.of, sizeof a.of);
    assert_int_not_equal(a.of[STRATA_BY_BOOTS][2], 0);
}

static void attributes_are_never_mixed(void **state)
{
    struct strata s = {0};
    int32_t side[2][STRATA_CELLS] = {{0}};

    (void)state;
    for (int a = 0; a < 40; a++)
        for (int k = 0; k < 3; k++) {
            uint8_t c = strata_find(&s, a, k, 0);
            side[0][c] = 10;
            side[1][c] = 90;
        }
    strata_make(&s, side[0], side[1]);
    for (int i = 0; i < s.n; i++)
        for (int k = 0; k < s.n; k++)
            for (int by = 0; by < STRATA_BY; by++)
                if (s.of[by][i] == s.of[by][k])
                    assert_int_equal(s.cell[i].attributes, s.cell[k].attributes);
    for (int i = 0; i < s.n; i++)
        assert_true(s.of[STRATA_BY_BOOTS][i] < STRATA_MAX);
}

static void a_cell_that_comes_later_goes_to_its_neighbour(void **state)
{
    struct strata s;

    (void)state;
    make(&s, (const int[]){70, 20, 10}, (const int[]){630, 180, 90}, 3);
    uint8_t high = strata_find(&s, 0, 5, 0), other = strata_find(&s, 1, 5, 0);
    assert_int_equal(s.of[STRATA_BY_BOOTS][high], s.of[STRATA_BY_BOOTS][2]);
    assert_int_equal(s.of[STRATA_BY_BOOTS][other], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes_of_a_past),
                                       cmocka_unit_test(a_cell_is_found_again),
                                       cmocka_unit_test(room_is_kept_for_attributes),
                                       cmocka_unit_test(a_class_with_enough_devices_is_a_stratum),
                                       cmocka_unit_test(few_devices_join_the_classes_below),
                                       cmocka_unit_test(labels_play_no_part),
                                       cmocka_unit_test(attributes_are_never_mixed),
                                       cmocka_unit_test(a_cell_that_comes_later_goes_to_its_neighbour)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
