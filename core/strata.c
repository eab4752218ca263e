#include "core/strata.h"

#include <string.h>

int strata_boots_class(double boots_day)
{
    static const double from[STRATA_BOOTS - 1] = {0.5, 1.5, 3.5, 11.5, STRATA_BOOTS_LOOP - 0.5};
    int c = 0;
    while (c < STRATA_BOOTS - 1 && boots_day >= from[c])
        c++;
    return c;
}

int strata_contact_class(double away)
{
    return away >= 0.25 ? 2 : away >= 0.03 ? 1 : 0;
}

static int class_of(const struct strata_cell *c, enum strata_by by)
{
    return by == STRATA_BY_BOOTS ? c->boots : by == STRATA_BY_CONTACT ? c->contact : 0;
}

/* Where a cell that is new in the middle of a stage goes: with the next class below it that is there, else above. */
static uint8_t beside(const struct strata *s, int n, enum strata_by by)
{
    const struct strata_cell *c = &s->cell[n];
    int mine = class_of(c, by), best = -1;
    for (int i = 0; i < n; i++) {
        int theirs = class_of(&s->cell[i], by), other = best < 0 ? 0 : class_of(&s->cell[best], by);
        if (s->cell[i].attributes != c->attributes)
            continue;
        if (best < 0 || (theirs <= mine && (other > mine || theirs > other)) || (theirs > mine && theirs < other))
            best = i;
    }
    return best < 0 ? c->attributes : s->of[by][best];
}

static int clamp(int v, int n)
{
    return v < 0 ? 0 : v < n ? v : n - 1;
}

uint8_t strata_find(struct strata *s, int attributes, int boots, int contact)
{
    struct strata_cell c = {(uint8_t)clamp(attributes, STRATA_MAX), (uint8_t)clamp(boots, STRATA_BOOTS),
                            (uint8_t)clamp(contact, STRATA_CONTACT)};
    /* Room is kept for a cell of each attributes without classes. */
    for (int plain = 0; plain < 2; plain++) {
        for (int i = 0; i < s->n; i++)
            if (memcmp(&s->cell[i], &c, sizeof c) == 0)
                return (uint8_t)i;
        if (s->n < STRATA_CELLS - STRATA_MAX)
            break;
        c.boots = c.contact = 0;
    }
    if (s->n == STRATA_CELLS) /* only in a state that no trial has kept */
        return 0;
    s->cell[s->n] = c;
    for (int by = 0; by < STRATA_BY; by++)
        s->of[by][s->n] = beside(s, s->n, (enum strata_by)by);
    return (uint8_t)s->n++;
}

/* Devices of one attributes' cells, by class. */
struct sums {
    int64_t side[2], class[STRATA_BOOTS];
};

static struct sums sum_up(const struct strata *s, enum strata_by by, int attributes, const int32_t canary[STRATA_CELLS],
                          const int32_t control[STRATA_CELLS])
{
    struct sums u = {0};
    for (int i = 0; i < s->n; i++) {
        if (s->cell[i].attributes != attributes)
            continue;
        u.side[0] += canary[i];
        u.side[1] += control[i];
        u.class[class_of(&s->cell[i], by)] += canary[i] + control[i];
    }
    return u;
}

/* Are STRATA_LEAST of n devices to be expected on either side? */
static bool enough(const struct sums *u, int64_t n)
{
    int64_t less = u->side[0] < u->side[1] ? u->side[0] : u->side[1];
    return n * less >= STRATA_LEAST * (u->side[0] + u->side[1]) && less > 0;
}

/* The stratum of each class, from the highest down. The lowest has the number of the attributes, others get those that
 * are left, from *next down to `last`. */
static void split(const struct sums *u, int attributes, int last, int *next, uint8_t stratum[STRATA_BOOTS])
{
    int64_t open = 0, below = 0;
    for (int k = 0; k < STRATA_BOOTS; k++)
        below += u->class[k];
    memset(stratum, attributes, STRATA_BOOTS);
    for (int k = STRATA_BOOTS - 1, from = k; k > 0 && *next >= last; k--) {
        open += u->class[k];
        below -= u->class[k];
        if (!enough(u, open) || !enough(u, below))
            continue;
        for (int i = k; i <= from; i++)
            stratum[i] = (uint8_t)*next;
        --*next;
        from = k - 1;
        open = 0;
    }
}

void strata_make(struct strata *s, const int32_t canary[STRATA_CELLS], const int32_t control[STRATA_CELLS])
{
    int first = 0;
    for (int i = 0; i < s->n; i++)
        first = s->cell[i].attributes >= first ? s->cell[i].attributes + 1 : first;
    for (int by = 0; by < STRATA_BY; by++) {
        int next = STRATA_MAX - 1;
        for (int a = 0; a < first; a++) {
            uint8_t stratum[STRATA_BOOTS];
            struct sums u = sum_up(s, (enum strata_by)by, a, canary, control);
            split(&u, a, first, &next, stratum);
            for (int i = 0; i < s->n; i++)
                if (s->cell[i].attributes == a)
                    s->of[by][i] = stratum[class_of(&s->cell[i], (enum strata_by)by)];
        }
    }
}
