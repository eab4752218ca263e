#include "core/design.h"

#include <math.h>
#include <stddef.h>
#include "core/clock.h"
#include "core/eprocess.h"

/* Weights of the alternatives 1.4, 2, 2.8, 4, 5.7, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256 times the tolerated
 * ratio. The highest is what a few devices give most evidence at while control has none; the lowest are what all
 * canaries of a large wave give, when each does it twice as often. Those in a loop come to three reboots in half an
 * hour like no other; the more events it takes, the further apart are the rates at which devices come to them. */
static const uint8_t loops[EPROCESS_GRID] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 52};
static const uint8_t first[EPROCESS_GRID] = {2, 10, 6, 8, 6, 2, 0, 0, 2, 0, 0, 2, 0, 0, 0, 2};
static const uint8_t second[EPROCESS_GRID] = {1, 4, 8, 6, 4, 12, 0, 0, 0, 2, 0, 0, 0, 2, 0, 2};
static const uint8_t fourth[EPROCESS_GRID] = {0, 1, 2, 2, 8, 12, 0, 8, 0, 14, 0, 0, 0, 0, 0, 2};
static const uint8_t away[EPROCESS_GRID] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3};
static const uint8_t few[EPROCESS_GRID] = {0, 1, 0, 2, 0, 2, 0, 4, 0, 4, 0, 6, 0, 0, 0, 26};

/* Of design 1. Weights and epochs hold for a policy's own metrics too, shares for the five. */
static const struct row {
    enum metric_rule rule;
    double level;   /* least of it */
    uint8_t metric; /* whose share is */
    double share;   /* of the metric's alpha; 0: as its `parts` say */
    double epoch;   /* share of the first epoch, each later one has half of what is left; 1: no epochs */
    const uint8_t *weight;
} rows[] = {
    {RULE_LOOP, 0, ROW_REBOOTS, 31.0 / 64, 1, loops},
    {RULE_EVENTS, 8, ROW_REBOOTS, 2.0 / 64, 7.0 / 8, fourth},
    {RULE_EVENTS, 4, ROW_REBOOTS, 11.0 / 64, 7.0 / 8, fourth},
    {RULE_EVENTS, 2, ROW_REBOOTS, 9.0 / 64, 7.0 / 8, second},
    {RULE_EVENTS, 0, ROW_REBOOTS, 11.0 / 64, 6.0 / 8, first},
    {RULE_SILENCE, 8, ROW_SILENCE, 5.0 / 16, 1, away},
    {RULE_SILENCE, 1, ROW_SILENCE, 1.0 / 16, 1, few},
    {RULE_SILENCE, 0, ROW_SILENCE, 10.0 / 16, 15.0 / 16, few},
    {RULE_LEVEL, 0, 0, 0, 15.0 / 16, few},
};

static const struct row *row_of(const struct metric_test *t)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].rule == t->rule && t->level >= rows[i].level)
            return &rows[i];
    return NULL;
}

double design_alpha(int design, const struct metric_test *t, double alpha)
{
    const struct row *r = design > 0 ? row_of(t) : NULL;
    if (r && r->share > 0 && r->metric == t->metric)
        return alpha * r->share;
    return t->parts > 0 ? alpha / t->parts : 0;
}

const uint8_t *design_weight(int design, const struct metric_test *t)
{
    const struct row *r = design > 0 ? row_of(t) : NULL;
    return r ? r->weight : NULL;
}

bool design_renews(int design, const struct metric_test *t)
{
    const struct row *r = design > 0 ? row_of(t) : NULL;
    return r && r->epoch < 1;
}

int64_t design_epoch_begin(int e)
{
    return e <= DESIGN_EPOCHS ? US_PER_DAY * ((INT64_C(1) << e) - 1) : INT64_MAX;
}

int design_epoch(int design, int64_t since)
{
    int e = 0;
    while (design > 0 && e < DESIGN_EPOCHS && since > design_epoch_begin(e + 1))
        e++;
    return e;
}

double design_epoch_share(int design, const struct metric_test *t, int e)
{
    const struct row *r = design > 0 ? row_of(t) : NULL;
    if (!r || !(r->epoch < 1))
        return 1;
    return e == 0 ? r->epoch : ldexp(1 - r->epoch, -e);
}
