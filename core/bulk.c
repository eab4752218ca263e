#include "core/bulk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/detmath.h"
#include "core/err.h"

#define COUNT_MAX 32768 /* samples of one block and device */
#define FLOOR     1e-12 /* a mean of zero has no logarithm */

static struct series *series(const struct herd *h, size_t i)
{
    return (struct series *)(void *)((char *)h->first + i * h->stride);
}

void bulk_init(struct bulk *b, int test, bool down, bool diff, int64_t first, double tolerance, int32_t begin,
               int32_t lag)
{
    *b = (struct bulk){.test = test,
                       .down = down,
                       .diff = diff,
                       .tolerance = tolerance,
                       .first = first,
                       .next = first,
                       .lag = lag,
                       .ratio = NAN};
    b->stride = 1 + first / COUNT_MAX;
    b->begin[0] = b->begin[1] = INT32_MIN;
    b->begin[2] = begin < INT32_MAX - lag ? begin + lag : INT32_MAX;
}

void bulk_release(struct bulk *b)
{
    free(b->best.canary);
    free(b->best.control);
    b->best.canary = b->best.control = NULL;
}

bool bulk_tick(struct bulk *b, int32_t number)
{
    b->valid++;
    return number >= b->begin[BULK_BLOCKS - 1] && b->valid % b->stride == 0;
}

/* The newest blocks, from index `from` on. */
static int64_t samples_of(const struct series *s, int from)
{
    int64_t n = 0;
    for (int i = from; i < BULK_BLOCKS; i++)
        n += s->count[i];
    return n;
}

/* A device that could be compared; NaN base compares false. */
static bool candidate(const struct bulk *b, const struct watched *w, const struct series *s)
{
    return w->flags & (WATCHED_CANARY | WATCHED_CONTROL) && !(w->flags & WATCHED_SILENT) &&
           (b->diff ? isfinite(s->base) : s->base > 0);
}

/* Has it been there since block `from` began? */
static bool there(const struct bulk *b, const struct watched *w, int from)
{
    return !(w->flags & WATCHED_CANARY) || bulk_whole(b, w->from, b->begin[from]);
}

/* Devices that could be compared over the blocks from each one on. */
struct crowd {
    int64_t canaries, with[BULK_BLOCKS]; /* canaries, and those that have been there for so long */
    int64_t devices[BULK_BLOCKS], samples[BULK_BLOCKS];
};

static void count_crowd(const struct bulk *b, const struct herd *h, struct crowd *c)
{
    *c = (struct crowd){0};
    for (size_t i = 0; i < h->n; i++) {
        const struct watched *w = &h->w[i];
        const struct series *s = series(h, i);
        bool canary = w->flags & WATCHED_CANARY;
        int64_t samples = 0;
        if (!candidate(b, w, s))
            continue;
        c->canaries += canary;
        for (int j = BULK_BLOCKS - 1; j >= 0; j--) {
            samples += s->count[j];
            if (!there(b, w, j))
                continue;
            c->with[j] += canary && b->begin[j] != INT32_MIN;
            c->devices[j] += samples > 0;
            c->samples[j] += samples;
        }
    }
}

/* The first block of the window to compare; BULK_BLOCKS = no window. */
static int window_of(const struct bulk *b, const struct crowd *c)
{
    int from = 0;
    while (from < BULK_BLOCKS && (b->begin[from] == INT32_MIN || c->with[from] == 0 || c->with[from] * 2 < c->canaries))
        from++;
    return from;
}

/* Mean over own baseline, or less it. */
static double change_of(const struct bulk *b, const struct series *s, int from)
{
    double sum = 0;
    for (int i = from; i < BULK_BLOCKS; i++)
        sum += (double)s->sum[i];
    double mean = sum / (double)samples_of(s, from);
    if (b->diff)
        return mean - (double)s->base;
    double r = mean / (double)s->base;
    return r > FLOOR ? r : FLOOR;
}

static double tolerated(const struct bulk *b)
{
    return b->diff ? b->tolerance : det_log(b->tolerance);
}

static double evidence(bool any, const struct ranktest *r, int k)
{
    return any ? -r->log_p + det_log(look_share(k)) : 0;
}

double bulk_evidence(const struct change *canary, size_t n, const struct change *control, size_t m, int k,
                     enum rank_ties by, struct ranktest *r)
{
    double *x = xreallocarray(NULL, n + m + 1, sizeof *x);
    uint8_t *s = xreallocarray(NULL, n + m + 1, sizeof *s);
    for (size_t i = 0; i < n + m; i++) {
        const struct change *c = i < n ? &canary[i] : &control[i - n];
        x[i] = c->v;
        s[i] = c->stratum;
    }
    bool any = ranktest_strata(x, s, n, x + n, s + n, m, by, r);
    free(x);
    free(s);
    return evidence(any, r, k);
}

static void mark(const struct bulk *b, const struct herd *h, size_t i, bool on)
{
    uint64_t bit = PASSAGE_BIT(b->test), own = bit >> PASSAGE_COUNT;
    if (b->test < PASSAGE_COUNT + BULK_BUILTIN)
        h->w[i].ranks = (uint8_t)(on ? h->w[i].ranks | own : h->w[i].ranks & ~own);
    else if (h->marks)
        h->marks[i].carried = on ? h->marks[i].carried | bit : h->marks[i].carried & ~bit;
}

/* What a look compares: ln of each device's change, in order of device and ranked. */
struct seen {
    double *canary, *control;
    uint8_t *stratum, *strata; /* of each */
    uint32_t *who;             /* which device each canary is */
    size_t n, m;
    struct ranked x, y;
    bool flipped; /* x and y are of the changes with their signs changed */
};

static void see(const struct bulk *b, const struct herd *h, struct seen *v)
{
    struct crowd c;
    count_crowd(b, h, &c);
    int from = window_of(b, &c);
    *v = (struct seen){0};
    if (from == BULK_BLOCKS || c.devices[from] == 0)
        return;
    size_t canaries = (size_t)c.canaries, control = (size_t)c.devices[from];
    v->canary = xreallocarray(NULL, canaries + 1, sizeof *v->canary);
    v->who = xreallocarray(NULL, canaries + 1, sizeof *v->who);
    v->stratum = xreallocarray(NULL, canaries + 1, sizeof *v->stratum);
    v->control = xreallocarray(NULL, control, sizeof *v->control);
    v->strata = xreallocarray(NULL, control, sizeof *v->strata);
    for (size_t i = 0; i < h->n; i++) {
        const struct watched *w = &h->w[i];
        const struct series *s = series(h, i);
        int64_t mine = candidate(b, w, s) && there(b, w, from) ? samples_of(s, from) : 0;
        /* Half of the samples that devices have on average: too few of them are no mean. */
        if (mine == 0 || mine * 2 * c.devices[from] < c.samples[from])
            continue;
        uint8_t stratum = h->strata->cell[w->cell].attributes;
        if (w->flags & WATCHED_CANARY) {
            v->who[v->n] = (uint32_t)i;
            v->stratum[v->n] = stratum;
            v->canary[v->n++] = change_of(b, s, from);
        } else {
            v->strata[v->m] = stratum;
            v->control[v->m++] = change_of(b, s, from);
        }
    }
    if (!b->diff) {
        det_log_all(v->canary, v->n);
        det_log_all(v->control, v->m);
    }
    ranked_init(&v->x, v->canary, v->stratum, v->n);
    ranked_init(&v->y, v->control, v->strata, v->m);
}

static void unsee(struct seen *v)
{
    free(v->canary);
    free(v->control);
    free(v->stratum);
    free(v->strata);
    free(v->who);
    ranked_release(&v->x);
    ranked_release(&v->y);
}

/* A change as this test compares it. */
static double compared(const struct bulk *b, double change, double less)
{
    return (b->down ? -change : change) - less;
}

static double median(const struct ranked *r, double shift)
{
    double high = ranked_at(r, r->n / 2) + shift;
    return r->n % 2 ? high : (ranked_at(r, r->n / 2 - 1) + shift + high) / 2;
}

/* Figures for the screen, and the marks of the canary devices that stand out of control. x: the canary's, `less` taken
 * from each. */
static void describe(struct bulk *b, const struct herd *h, const struct seen *v, const struct ranked *x, double less)
{
    double high = ranked_at(&v->y, v->m - 1 - v->m / 20);
    double by = (median(x, less) - median(&v->y, 0)) * (b->down ? -1 : 1);
    b->ratio = b->diff ? by : det_exp(by);
    b->canary = 0;
    b->canary_of = (int64_t)v->n;
    b->control_of = (int64_t)v->m;
    b->control = (int64_t)(v->m - ranked_upto(&v->y, high));
    for (size_t i = 0; i < h->n; i++)
        mark(b, h, i, false);
    for (size_t i = 0; i < v->n; i++) {
        if (compared(b, v->canary[i], less) + less > high) {
            mark(b, h, v->who[i], true);
            b->canary++;
        }
    }
}

static struct change *changes(const struct bulk *b, const double *v, const uint8_t *stratum, size_t n, double less)
{
    struct change *c = xreallocarray(NULL, n, sizeof *c);
    for (size_t i = 0; i < n; i++)
        c[i] = (struct change){compared(b, v[i], less), stratum[i]};
    return c;
}

static void keep_best(struct bulk *b, const struct seen *v, double less, int64_t tick)
{
    bulk_release(b);
    b->best = (struct look){.k = b->spent, .tick = tick, .n = (int64_t)v->n, .m = (int64_t)v->m, .log_e = b->now};
    if (v->n + v->m > LOOK_VALUES_MAX)
        return;
    b->best.canary = changes(b, v->canary, v->stratum, v->n, less);
    b->best.control = changes(b, v->control, v->strata, v->m, 0);
}

static void take_look(struct bulk *b, const struct herd *h, int64_t tick, struct seen *v)
{
    struct ranktest r;
    double less = tolerated(b);
    b->looks++;
    if (v->n == 0 || v->m == 0)
        return;
    if (v->flipped != b->down) {
        ranked_flip(&v->x);
        ranked_flip(&v->y);
        v->flipped = b->down;
    }
    struct ranked x;
    ranked_less(&v->x, less, &x);
    b->spent++;
    b->now = evidence(ranktest_ranked(&x, &v->y, TIES_PERMUTATION, &r), &r, b->spent);
    if (b->now > b->most) {
        b->most = b->now;
        keep_best(b, v, less, tick);
    }
    describe(b, h, v, &x, less);
    ranked_release(&x);
}

/* After a look: the next block begins. */
static void advance(struct bulk *b, int32_t number)
{
    int64_t before = b->next;
    b->next = look_time(b->first, b->looks + 1);
    b->stride = 1 + (b->next - before) / COUNT_MAX;
    for (int i = 0; i + 1 < BULK_BLOCKS; i++)
        b->begin[i] = b->begin[i + 1];
    b->begin[BULK_BLOCKS - 1] = number;
}

void bulk_close(struct bulk *b, struct bulk *other, const struct herd *h, int64_t tick, int32_t number)
{
    if (b->valid < b->next)
        return;
    struct seen v;
    see(b, h, &v);
    take_look(b, h, tick, &v);
    advance(b, number);
    if (other) { /* the other direction of the same metric: the same blocks */
        take_look(other, h, tick, &v);
        advance(other, number);
    }
    unsee(&v);
    for (size_t i = 0; i < h->n; i++) {
        struct series *s = series(h, i);
        for (int j = 0; j + 1 < BULK_BLOCKS; j++) {
            s->sum[j] = s->sum[j + 1];
            s->count[j] = s->count[j + 1];
        }
        s->sum[BULK_BLOCKS - 1] = 0;
        s->count[BULK_BLOCKS - 1] = 0;
    }
}
