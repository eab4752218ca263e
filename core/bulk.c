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

/* Has a device that came in at tick `from` been there for the whole block that began at tick `begin`? */
static bool whole(const struct bulk *b, int32_t from, int32_t begin)
{
    return (int64_t)from + b->lag <= begin;
}

void bulk_add(const struct bulk *b, struct series *s, int32_t from, double value)
{
    if (!whole(b, from, b->begin[BULK_BLOCKS - 1]) || !isfinite(value) || (value < 0 && !b->diff))
        return;
    s->sum[BULK_BLOCKS - 1] = (float)((double)s->sum[BULK_BLOCKS - 1] + value);
    s->count[BULK_BLOCKS - 1]++;
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
    return !(w->flags & WATCHED_CANARY) || whole(b, w->from, b->begin[from]);
}

/* The first block of the window to compare; BULK_BLOCKS = no window. */
static int window_of(const struct bulk *b, const struct herd *h)
{
    const struct watched *w = h->w;
    int64_t canaries = 0, with[BULK_BLOCKS] = {0};
    for (size_t i = 0; i < h->n; i++) {
        if (!(w[i].flags & WATCHED_CANARY) || !candidate(b, &w[i], series(h, i)))
            continue;
        canaries++;
        for (int j = 0; j < BULK_BLOCKS; j++)
            with[j] += b->begin[j] != INT32_MIN && there(b, &w[i], j);
    }
    int from = 0;
    while (from < BULK_BLOCKS && (b->begin[from] == INT32_MIN || with[from] == 0 || with[from] * 2 < canaries))
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

static double *sorted(const struct change *v, size_t n, double shift)
{
    double *s = xreallocarray(NULL, n + 1, sizeof *s);
    for (size_t i = 0; i < n; i++)
        s[i] = v[i].v + shift;
    sort_doubles(s, n);
    return s;
}

static double median(const double *s, size_t n)
{
    return n % 2 ? s[n / 2] : (s[n / 2 - 1] + s[n / 2]) / 2;
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
    return any ? -r->log_p + det_log(look_share(k)) : 0;
}

static void mark(const struct bulk *b, const struct herd *h, size_t i, bool on)
{
    uint64_t bit = PASSAGE_BIT(b->test);
    if (bit & PASSAGE_BUILTIN)
        h->w[i].carried = (uint16_t)(on ? h->w[i].carried | bit : h->w[i].carried & ~bit);
    else if (h->marks)
        h->marks[i].carried = on ? h->marks[i].carried | bit : h->marks[i].carried & ~bit;
}

/* Figures for the screen, and the marks of the canary devices that stand out of control. */
static void describe(struct bulk *b, const struct herd *h, const struct change *canary, size_t n,
                     const struct change *control, size_t m, const uint32_t *who)
{
    double shift = tolerated(b), *c = sorted(canary, n, shift), *k = sorted(control, m, 0);
    double high = k[m - 1 - m / 20];
    double by = (median(c, n) - median(k, m)) * (b->down ? -1 : 1);
    b->ratio = b->diff ? by : det_exp(by);
    b->canary = b->control = 0;
    b->canary_of = (int64_t)n;
    b->control_of = (int64_t)m;
    for (size_t i = 0; i < h->n; i++)
        mark(b, h, i, false);
    for (size_t i = 0; i < n; i++) {
        if (canary[i].v + shift > high) {
            mark(b, h, who[i], true);
            b->canary++;
        }
    }
    for (size_t i = 0; i < m; i++)
        b->control += k[i] > high;
    free(c);
    free(k);
}

static void keep_best(struct bulk *b, struct change *canary, size_t n, struct change *control, size_t m, int64_t tick)
{
    bool fits = n + m <= LOOK_VALUES_MAX;
    bulk_release(b);
    b->best = (struct look){.k = b->spent, .tick = tick, .n = (int64_t)n, .m = (int64_t)m, .log_e = b->now};
    if (!fits)
        return;
    b->best.canary = xreallocarray(NULL, n, sizeof *canary);
    memcpy(b->best.canary, canary, n * sizeof *canary);
    b->best.control = xreallocarray(NULL, m, sizeof *control);
    memcpy(b->best.control, control, m * sizeof *control);
}

/* Compares what has been gathered. */
static void judge(struct bulk *b, const struct herd *h, int64_t tick, struct change *canary, size_t n,
                  struct change *control, size_t m, const uint32_t *who)
{
    struct ranktest r;
    b->spent++;
    b->now = bulk_evidence(canary, n, control, m, b->spent, TIES_PERMUTATION, &r);
    if (b->now > b->most) {
        b->most = b->now;
        keep_best(b, canary, n, control, m, tick);
    }
    describe(b, h, canary, n, control, m, who);
}

/* What a look compares: ln of each device's change, and which device it is. */
struct seen {
    double *canary, *control;
    uint32_t *who, *whom;
    size_t n, m;
};

static void see(const struct bulk *b, const struct herd *h, struct seen *v)
{
    const struct watched *w = h->w;
    int from = window_of(b, h);
    int64_t samples = 0;
    size_t devices = 0;
    *v = (struct seen){0};
    for (size_t i = 0; from < BULK_BLOCKS && i < h->n; i++) {
        const struct series *s = series(h, i);
        if (candidate(b, &w[i], s) && there(b, &w[i], from) && samples_of(s, from) > 0) {
            samples += samples_of(s, from);
            devices++;
        }
    }
    if (devices == 0)
        return;
    v->canary = xreallocarray(NULL, devices, sizeof *v->canary);
    v->control = xreallocarray(NULL, devices, sizeof *v->control);
    v->who = xreallocarray(NULL, devices, sizeof *v->who);
    v->whom = xreallocarray(NULL, devices, sizeof *v->whom);
    for (size_t i = 0; i < h->n; i++) {
        const struct series *s = series(h, i);
        int64_t mine = candidate(b, &w[i], s) && there(b, &w[i], from) ? samples_of(s, from) : 0;
        /* Half of the samples that devices have on average: too few of them are no mean. */
        if (mine == 0 || mine * 2 * (int64_t)devices < samples)
            continue;
        if (w[i].flags & WATCHED_CANARY) {
            v->who[v->n] = (uint32_t)i;
            v->canary[v->n++] = change_of(b, s, from);
        } else {
            v->whom[v->m] = (uint32_t)i;
            v->control[v->m++] = change_of(b, s, from);
        }
    }
    if (b->diff)
        return;
    det_log_all(v->canary, v->n);
    det_log_all(v->control, v->m);
}

static void unsee(struct seen *v)
{
    free(v->canary);
    free(v->control);
    free(v->who);
    free(v->whom);
}

static struct change *changes(const struct bulk *b, const struct herd *h, const double *v, const uint32_t *who,
                              size_t n, double less)
{
    struct change *c = xreallocarray(NULL, n + 1, sizeof *c);
    for (size_t i = 0; i < n; i++)
        c[i] = (struct change){(b->down ? -v[i] : v[i]) - less, h->strata->cell[h->w[who[i]].cell].attributes};
    return c;
}

static void take_look(struct bulk *b, const struct herd *h, int64_t tick, const struct seen *v)
{
    b->looks++;
    if (v->n == 0 || v->m == 0)
        return;
    struct change *canary = changes(b, h, v->canary, v->who, v->n, tolerated(b));
    struct change *control = changes(b, h, v->control, v->whom, v->m, 0);
    judge(b, h, tick, canary, v->n, control, v->m, v->who);
    free(canary);
    free(control);
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
