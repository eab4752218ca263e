/* Which device is in which wave.
 *
 * One order of all devices, which is then cut. Within an exposure every stratum of m devices is shuffled and laid out
 * evenly: its k-th device at (k + u) / m, with one u in [0,1) for each stratum. A piece of the line then holds of each
 * stratum its share, give or take one (systematic sampling from a random start). Integers only: the same picks on every
 * machine. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/plan.h"
#include "core/rng.h"

#define UNIT 40 /* bits behind the point of a place in [0,1): times 100,000 it still fits */

struct pick {
    const char *id;
    uint16_t stratum, exposure;
    uint64_t place, draw;
};

static int by_id(const void *a, const void *b)
{
    const struct pick *x = a, *y = b;
    return strcmp(x->id, y->id);
}

static int by_cell(const void *a, const void *b)
{
    const struct pick *x = a, *y = b;
    if (x->exposure != y->exposure)
        return x->exposure < y->exposure ? -1 : 1;
    if (x->stratum != y->stratum)
        return x->stratum < y->stratum ? -1 : 1;
    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    return strcmp(x->id, y->id);
}

static int by_place(const void *a, const void *b)
{
    const struct pick *x = a, *y = b;
    if (x->exposure != y->exposure)
        return x->exposure < y->exposure ? -1 : 1;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    return strcmp(x->id, y->id);
}

/* A device's draw depends on the salt and its id alone; the start of a cell on the salt and what the cell is. */
static void place_all(struct pick *v, size_t n, uint64_t salt)
{
    struct rng r;
    char cell[40];
    for (size_t i = 0; i < n; i++) {
        rng_init_named(&r, salt, v[i].id);
        v[i].draw = rng_u64(&r);
    }
    qsort(v, n, sizeof *v, by_cell);
    for (size_t i = 0, m; i < n; i += m) {
        for (m = 1; i + m < n && v[i + m].exposure == v[i].exposure && v[i + m].stratum == v[i].stratum; m++)
            ;
        snprintf(cell, sizeof cell, "/%u/%u", v[i].exposure, v[i].stratum); /* no id of a device begins so by chance */
        rng_init_named(&r, salt, cell);
        uint64_t u = rng_u64(&r) >> (64 - UNIT);
        for (size_t k = 0; k < m; k++)
            v[i + k].place = (((uint64_t)k << UNIT) + u) / m;
    }
    qsort(v, n, sizeof *v, by_place);
}

static struct pick *picks_of(const struct wave_plan *p)
{
    struct pick *v = xcalloc(p->n + 1, sizeof *v);
    for (size_t i = 0; i < p->n; i++) {
        v[i].id = p->raw_ids[i];
        v[i].stratum = p->stratum ? p->stratum[i] : 0;
        v[i].exposure = p->exposure ? p->exposure[i] : 0;
    }
    return v;
}

static bool no_twins(struct pick *v, size_t n, struct err *e)
{
    qsort(v, n, sizeof *v, by_id);
    for (size_t i = 1; i < n; i++)
        if (strcmp(v[i - 1].id, v[i].id) == 0)
            return err_set(e, ERR_RANGE, "Name each device once.", "a device is named twice");
    return true;
}

static int64_t size_of(const struct plan_size *s, size_t n, size_t left)
{
    switch (s->measure) {
    case PLAN_COUNT:
        return s->devices;
    case PLAN_SHARE: /* at least one device: a canary of none is none */
        return ((int64_t)n * s->bp + 9999) / 10000;
    case PLAN_REST:
        break;
    }
    return (int64_t)left;
}

static bool cut(struct wave_plan *p, struct err *e)
{
    size_t at = 0;
    for (size_t i = 0; i < p->n_waves; i++) {
        int64_t n = size_of(&p->sizes[i], p->n, p->n - at);
        int64_t left = (int64_t)(p->n - at);
        if (p->sizes[i].measure == PLAN_SHARE && left > 0 && n > left && n - left <= (int64_t)i)
            n = left; /* the shares before it were rounded up, by less than one device each */
        if (n < 1 || n > left)
            return err_set(e, ERR_RANGE, "Make the waves before it smaller.",
                           "no device is left for wave W%zu, or not as many as it should have: there are %zu", i, p->n);
        p->waves[i] = (struct plan_wave){at, (size_t)n};
        at += (size_t)n;
    }
    if (at != p->n)
        return err_set(e, ERR_RANGE, "End the list of waves with \"rest\", or name fewer devices.",
                       "%zu of %zu devices are in no wave", p->n - at, p->n);
    return true;
}

bool plan_pick(struct wave_plan *p, struct arena *a, struct err *e)
{
    if (p->n == 0)
        return err_set(e, ERR_RANGE, "Look at what --target says.", "no device is to get it");
    if (p->n > PLAN_DEVICES_MAX)
        return err_set(e, ERR_LIMIT, "Make several plans.", "%zu devices; a plan holds at most %d", p->n,
                       PLAN_DEVICES_MAX);
    struct pick *v = picks_of(p);
    bool ok = no_twins(v, p->n, e) && cut(p, e);
    if (ok) {
        place_all(v, p->n, p->salt);
        p->raw_ids = ARENA_ARRAY(a, const char *, p->n);
        for (size_t i = 0; i < p->n; i++) {
            p->raw_ids[i] = v[i].id;
            if (p->stratum)
                p->stratum[i] = v[i].stratum;
            if (p->exposure)
                p->exposure[i] = v[i].exposure;
        }
    }
    free(v);
    return ok;
}

bool plan_picked(const struct wave_plan *p)
{
    struct wave_plan again = *p; /* only its waves are written to */
    struct pick *v = picks_of(p);
    bool same = no_twins(v, p->n, NULL) && cut(&again, NULL) &&
                memcmp(again.waves, p->waves, p->n_waves * sizeof p->waves[0]) == 0;
    if (same)
        place_all(v, p->n, p->salt);
    for (size_t i = 0; same && i < p->n; i++)
        same = strcmp(v[i].id, p->raw_ids[i]) == 0;
    free(v);
    return same;
}

size_t plan_in_stratum(const struct wave_plan *p, size_t wave, size_t stratum)
{
    const struct plan_wave *w = &p->waves[wave];
    size_t n = 0;
    for (size_t i = w->first; p->stratum && i < w->first + w->n; i++)
        n += p->stratum[i] == stratum;
    return n;
}
