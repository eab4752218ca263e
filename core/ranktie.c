#include "core/ranktie.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/detmath.h"
#include "core/err.h"

#define SIDE_MAX   200        /* of the dynamic program: the smaller side of a stratum */
#define STEPS_MAX  30000000.0 /* of it: multiplications, */
#define ROWS_MAX   (1 << 20)  /* and numbers kept */
#define CELLS_MAX  4096       /* of the exponential bound */
#define PMF_MAX    2000000.0  /* additions to know a probability of a sum of Bernoullis exactly */
#define P_LEAST    1e-280     /* less is not told from it */
#define LOG_SURE   (-3.9)     /* ln .02: from here on the normal tail of untied ranks errs on the careful side */
#define NEWTON_MAX 40
#define ROUNDING   1e-6 /* far more than that of the bound's logarithm */

/* Devices whose ranks are the same, or are taken for the same. The statistic is the sum of the levels of those of the
 * counted side, which is the smaller one; a small sum speaks for a large U. */
struct cell {
    int64_t level, all, counted;
};
struct part { /* a stratum */
    struct cell *v;
    size_t n;
    int64_t all, counted;
    int64_t most; /* level of the largest group */
    bool canary;  /* the counted side is x */
};
struct law {
    struct part *part;
    size_t n, cells;
    int64_t top; /* the observed sum */
};

/* ---- from groups to levels ---- */

static void read_sizes(const struct tie_stratum *s, struct part *p)
{
    int64_t x = 0, y = 0;
    for (size_t i = 0; i < s->n; i++) {
        x += s->v[i].x;
        y += s->v[i].y;
    }
    *p = (struct part){.n = s->n, .all = x + y, .counted = x <= y ? x : y, .canary = x <= y};
}

/* Level of a group: twice its mean rank from the end where the counted side would be in the extreme, less that of the
 * first group. */
static void read_stratum(const struct tie_stratum *s, struct part *p)
{
    int64_t before = 0;
    bool canary = p->canary; /* from the top down; the other side from the bottom up */
    size_t most = 0;
    p->v = xcalloc(s->n, sizeof *p->v);
    for (size_t i = 0; i < s->n; i++) {
        const struct tie_group *g = &s->v[canary ? s->n - 1 - i : i];
        int64_t all = (int64_t)g->x + g->y;
        p->v[i] = (struct cell){2 * before + all, all, canary ? g->x : g->y};
        before += all;
        most = all > p->v[most].all ? i : most;
    }
    for (size_t i = s->n; i-- > 0;)
        p->v[i].level -= p->v[0].level;
    p->most = p->v[most].level;
}

static void free_law(struct law *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->part[i].v);
    free(l->part);
}

static void sum_law(struct law *l)
{
    l->cells = 0;
    for (size_t i = 0; i < l->n; i++)
        l->cells += l->part[i].n;
}

static void read_law(const struct tie_stratum *s, struct law *l)
{
    for (size_t i = 0; i < l->n; i++) {
        read_stratum(&s[i], &l->part[i]);
        for (size_t k = 0; k < l->part[i].n; k++)
            l->top += l->part[i].v[k].counted * l->part[i].v[k].level;
    }
    sum_law(l);
}

/* The largest number that all levels are multiples of; 0 when all are 0. */
static int64_t step_of(const struct law *l)
{
    int64_t g = 0;
    for (size_t i = 0; i < l->n && g != 1; i++) {
        for (size_t k = 0; k < l->part[i].n && g != 1; k++) {
            int64_t a = l->part[i].v[k].level;
            if (g != 0 && a % g == 0)
                continue;
            while (a != 0) {
                int64_t r = g % a;
                g = a;
                a = r;
            }
        }
    }
    return g;
}

/* Levels on a grid of `step`, rounded down, so that the sum can only get smaller. A shift that is the same for all of a
 * stratum changes nothing: it puts the largest group onto the grid. */
static int64_t shift_of(const struct part *p, int64_t step)
{
    return (step - p->most % step) % step;
}

static int64_t top_of(const struct law *l, int64_t step)
{
    int64_t top = l->top;
    for (size_t i = 0; i < l->n; i++)
        top += l->part[i].counted * shift_of(&l->part[i], step);
    return top / step;
}

/* (level + shift) / step of each cell of `from`, those that fall together being one; `to` may be `from`. */
static void put_on_grid(const struct part *from, int64_t shift, int64_t step, struct part *to)
{
    size_t n = 0;
    for (size_t k = 0; k < from->n; k++) {
        struct cell c = from->v[k];
        c.level = (c.level + shift) / step;
        if (n > 0 && to->v[n - 1].level == c.level) {
            to->v[n - 1].all += c.all;
            to->v[n - 1].counted += c.counted;
        } else {
            to->v[n++] = c;
        }
    }
    to->n = n;
}

static void coarsen(const struct law *from, int64_t step, struct law *to)
{
    *to = (struct law){.part = xcalloc(from->n, sizeof *to->part), .n = from->n, .top = top_of(from, step)};
    for (size_t i = 0; i < from->n; i++) {
        const struct part *p = &from->part[i];
        to->part[i] = (struct part){.v = xcalloc(p->n, sizeof *p->v), .all = p->all, .counted = p->counted};
        put_on_grid(p, shift_of(p, step), step, &to->part[i]);
    }
    sum_law(to);
}

/* What coarsen() makes of `from` at twice the step, from what it has made at `step`: a floor of a floor is the same. */
static void coarsen_twice(const struct law *from, int64_t step, struct law *l)
{
    for (size_t i = 0; i < l->n; i++) {
        int64_t more = shift_of(&from->part[i], 2 * step) - shift_of(&from->part[i], step);
        put_on_grid(&l->part[i], more / step, 2, &l->part[i]);
    }
    l->top = top_of(from, 2 * step);
    sum_law(l);
}

/* ---- exact: dynamic programming ---- */

static int64_t side_of(const struct law *l)
{
    int64_t side = 0;
    for (size_t i = 0; i < l->n; i++)
        side = l->part[i].counted > side ? l->part[i].counted : side;
    return side;
}

static bool affordable(const struct law *l)
{
    double steps = 0;
    for (size_t i = 0; i < l->n; i++) {
        double s = (double)l->part[i].counted;
        for (size_t k = 0; k < l->part[i].n; k++) {
            double t = (double)l->part[i].v[k].all;
            steps += s + 1 + (t < s ? t * s : s * (s + 1) / 2);
        }
    }
    return steps * (double)(l->top + 1) <= STEPS_MAX &&
           (double)(side_of(l) + 1) * (double)(l->top + 1) <= (double)ROWS_MAX;
}

/* rows[j][v]: probability that j of the counted devices are in the cells so far and sum up to v, if each device were
 * one with the same chance; the condition on how many there are comes at the end, as a quotient. */
struct rows {
    double *v;        /* (side + 1) rows of `width` */
    double *number;   /* the same without the sum */
    double *binomial; /* of the cell at hand */
    size_t width;
};

/* to = to * keep + from * factor. The rows do not overlap. Two numbers at a time, each as if alone. */
static void add_row(double *restrict to, double keep, const double *restrict from, double factor, int64_t n)
{
    typedef double lanes __attribute__((vector_size(16)));
    enum { LANES = sizeof(lanes) / sizeof *to };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        lanes a, b;
        memcpy(&a, to + i, sizeof a);
        memcpy(&b, from + i, sizeof b);
        a = a * keep + b * factor;
        memcpy(to + i, &a, sizeof a);
    }
    for (; i < n; i++)
        to[i] = to[i] * keep + from[i] * factor;
}

/* One cell of `all` devices. `next`: the level of the cell after it; `before`, `after`: devices in the others. */
static void add_cell(struct rows *r, const struct part *p, const struct cell *c, int64_t next, int64_t before,
                     int64_t after, int64_t top)
{
    int64_t side = p->counted, most = c->all < side ? c->all : side;
    double odds = (double)side / (double)(p->all - side), w = 1, q = 1 - (double)side / (double)p->all;
    for (int64_t n = c->all; n > 0; n >>= 1) {
        w *= n & 1 ? q : 1;
        q *= q;
    }
    for (int64_t a = 0; a <= most; a++) {
        r->binomial[a] = w;
        w *= (double)(c->all - a) / (double)(a + 1) * odds;
    }
    int64_t last = before + c->all < side ? before + c->all : side, first = side > after ? side - after : 0;
    for (int64_t j = last; j >= first; j--) {
        double *row = r->v + (size_t)j * r->width;
        /* The others of the counted side are yet to come, at this price at least. */
        int64_t n = after > 0 ? top - (side - j) * next + 1 : top + 1;
        int64_t a = j > before ? j - before : 1, alone = a <= most && a <= j && a * c->level < n ? a * c->level : n;
        double keep = r->binomial[0];
        for (int64_t i = 0; i < alone; i++)
            row[i] *= keep;
        r->number[j] *= keep;
        for (; a <= most && a <= j; a++) {
            add_row(row + a * c->level, keep, row - (size_t)a * r->width, r->binomial[a], n - a * c->level);
            r->number[j] += r->number[j - a] * r->binomial[a];
            keep = 1;
        }
    }
}

static double exact_p(const struct law *l)
{
    double whole = 1, tail = 0;
    size_t n = (size_t)side_of(l) + 1;
    struct rows r = {.number = xcalloc(n, sizeof *r.number), .binomial = xcalloc(n, sizeof *r.binomial)};
    r.width = (size_t)l->top + 1;
    r.v = xcalloc(n * r.width, sizeof *r.v);
    r.v[0] = 1;
    for (size_t i = 0; i < l->n; i++) {
        const struct part *p = &l->part[i];
        int64_t before = 0;
        memset(r.v + r.width, 0, (size_t)p->counted * r.width * sizeof *r.v);
        memset(r.number, 0, n * sizeof *r.number);
        r.number[0] = 1;
        for (size_t k = 0; k < p->n; k++) {
            add_cell(&r, p, &p->v[k], k + 1 < p->n ? p->v[k + 1].level : 0, before, p->all - before - p->v[k].all,
                     l->top);
            before += p->v[k].all;
        }
        memcpy(r.v, r.v + (size_t)p->counted * r.width, r.width * sizeof *r.v);
        whole *= r.number[p->counted];
    }
    for (size_t i = 0; i < r.width; i++)
        tail += r.v[i];
    free(r.v);
    free(r.number);
    free(r.binomial);
    return fmax(tail / whole, P_LEAST);
}

/* The finest grid, from `step` on, that can be afforded; infinite where none can. */
static double gridded_log_p(const struct law *l, int64_t step, bool *exact)
{
    struct law coarse;
    double v = INFINITY;
    if (side_of(l) > SIDE_MAX)
        return v;
    coarsen(l, step, &coarse);
    int64_t g = step;
    for (; !affordable(&coarse) && g <= (step + l->top) / 2; g *= 2)
        coarsen_twice(l, g, &coarse);
    /* On a grid coarser than the sum itself nothing is told apart any more. */
    if (affordable(&coarse)) {
        *exact = g == step;
        v = det_log(exact_p(&coarse));
    }
    free_law(&coarse);
    return v;
}

/* ---- an exponential bound ----
 *
 * For any s >= 0: P(sum <= top) <= exp(s top) E exp(-s sum). The expectation is the coefficient of z^counted in
 * prod (1 + z exp(-s level)) over C(all, counted), stratum by stratum; and a coefficient is prod / z^counted, for any
 * z = exp(theta), times the probability that independent Bernoullis of chance p = 1 / (1 + exp(s level - theta)) sum up
 * to `counted`. That probability is at most 0.4689 over their standard deviation (Baillon, Cominetti, Vaisman 2016). */

struct tilt {
    double s, scale; /* levels are divided by `scale` */
    double *theta;   /* of each stratum */
};

/* Sums over a stratum, of chances p and their variances v. */
struct moments {
    double log_prod, p, py, v, vy, vyy;
};

/* A few cells at a time: what the chance of each is of, the chance, and ln(1 + z exp(-s level)). */
#define AT_ONCE 64
struct chances {
    double of[AT_ONCE], p[AT_ONCE], log_one_plus[AT_ONCE];
};

static void take_chances(struct chances *c, size_t n)
{
    double *e = c->p, *l = c->log_one_plus;
    for (size_t k = 0; k < n; k++)
        e[k] = c->of[k] > 0 ? -c->of[k] : c->of[k]; /* never overflows */
    det_exp_all(e, n);
    for (size_t k = 0; k < n; k++)
        l[k] = 1 + e[k];
    det_log_all(l, n);
    for (size_t k = 0; k < n; k++) {
        l[k] = (c->of[k] > 0 ? c->of[k] : 0) + l[k];
        c->p[k] = c->of[k] > 0 ? 1 / (1 + e[k]) : e[k] / (1 + e[k]);
    }
}

static size_t at_once(const struct part *p, size_t first)
{
    return p->n - first < AT_ONCE ? p->n - first : AT_ONCE;
}

static void moments_of(const struct part *p, double s, double theta, double scale, struct moments *m)
{
    struct chances c;
    double y[AT_ONCE];
    *m = (struct moments){0};
    for (size_t i = 0; i < p->n; i += AT_ONCE) {
        size_t n = at_once(p, i);
        for (size_t k = 0; k < n; k++) {
            y[k] = (double)p->v[i + k].level / scale;
            c.of[k] = theta - s * y[k];
        }
        take_chances(&c, n);
        for (size_t k = 0; k < n; k++) {
            double t = (double)p->v[i + k].all, v = t * c.p[k] * (1 - c.p[k]);
            m->log_prod += t * c.log_one_plus[k];
            m->p += t * c.p[k];
            m->py += t * c.p[k] * y[k];
            m->v += v;
            m->vy += v * y[k];
            m->vyy += v * y[k] * y[k];
        }
    }
}

/* What is to be made small: ln of the bound but for what does not depend on s and theta. And the moments there. */
static double height(const struct law *l, const struct tilt *w, struct moments *m)
{
    double sum = w->s * (double)l->top / w->scale;
    for (size_t i = 0; i < l->n; i++) {
        moments_of(&l->part[i], w->s, w->theta[i], w->scale, &m[i]);
        sum += m[i].log_prod - (double)l->part[i].counted * w->theta[i];
    }
    return sum;
}

/* One step of Newton's method, convex in all variables; halved until it helps. False when there is nothing to gain.
 * `now` and the moments are of where `w` is. */
static bool descend(const struct law *l, struct tilt *w, struct moments *m, double *slope, double *now)
{
    double g = (double)l->top / w->scale, h = 0, was = *now, s = w->s;
    for (size_t i = 0; i < l->n; i++) {
        double off = m[i].p - (double)l->part[i].counted;
        g -= m[i].py;
        if (!(m[i].v > 0))
            return false;
        g += m[i].vy / m[i].v * off;
        h += m[i].vyy - m[i].vy * m[i].vy / m[i].v;
    }
    double ds = h > 0 ? -g / h : 0;
    for (size_t i = 0; i < l->n; i++)
        slope[i] = (m[i].vy * ds - (m[i].p - (double)l->part[i].counted)) / m[i].v;
    for (int half = 0; half < 30; half++) {
        double f = ldexp(1, -half);
        ds = half == 0 ? ds : ds / 2;
        w->s = s + ds > 0 ? s + ds : 0;
        for (size_t i = 0; i < l->n; i++)
            w->theta[i] += half == 0 ? slope[i] : -slope[i] * f;
        *now = height(l, w, m);
        if (*now < was)
            return was - *now > 1e-6;
    }
    return false;
}

/* At most this: the probability that the Bernoullis of a stratum sum up to its counted side. */
static double log_pmf(const struct part *p, const struct tilt *w, double theta, double budget)
{
    struct chances c;
    double v, var = 0;
    bool whole = (double)p->all * (double)p->counted <= budget;
    double *f = whole ? xcalloc((size_t)p->counted + 1, sizeof *f) : NULL;
    if (f)
        f[0] = 1;
    for (size_t k = 0; k < p->n; k += AT_ONCE) {
        size_t n = at_once(p, k);
        for (size_t i = 0; i < n; i++)
            c.of[i] = theta - w->s * (double)p->v[k + i].level / w->scale;
        take_chances(&c, n);
        for (size_t i = 0; i < n; i++) {
            var += (double)p->v[k + i].all * c.p[i] * (1 - c.p[i]);
            for (int64_t d = 0; f && d < p->v[k + i].all; d++) {
                for (int64_t j = p->counted; j > 0; j--)
                    f[j] = f[j] * (1 - c.p[i]) + f[j - 1] * c.p[i];
                f[0] *= 1 - c.p[i];
            }
        }
    }
    v = f ? f[p->counted] : var > 0.4689 * 0.4689 ? 0.4689 / sqrt(var) : 1;
    free(f);
    return v > P_LEAST ? det_log(v) : 0;
}

/* ln C(all, counted) */
static double log_ways(const struct part *p)
{
    double log = 0, product = 1;
    for (int64_t i = 1; i <= p->counted; i++) {
        product *= (double)(p->all - p->counted + i) / (double)i;
        if (product > 1e250) {
            log += det_log(product);
            product = 1;
        }
    }
    return log + det_log(product);
}

static double chernoff_log_p(const struct law *exact, int64_t step)
{
    struct law l;
    int64_t g = step;
    coarsen(exact, g, &l);
    while (l.cells > CELLS_MAX && l.top > 0) {
        coarsen_twice(exact, g, &l);
        g *= 2;
    }
    struct tilt w = {.scale = 1, .theta = xcalloc(l.n, sizeof *w.theta)};
    struct moments *m = xcalloc(l.n, sizeof *m);
    double *slope = xcalloc(l.n, sizeof *slope), sum;
    for (size_t i = 0; i < l.n; i++) {
        const struct part *p = &l.part[i];
        w.scale = fmax(w.scale, (double)p->v[p->n - 1].level);
        w.theta[i] = det_log((double)p->counted / (double)(p->all - p->counted));
    }
    sum = height(&l, &w, m);
    for (int i = 0; i < NEWTON_MAX && descend(&l, &w, m, slope, &sum); i++)
        continue;
    for (size_t i = 0; i < l.n; i++)
        sum += log_pmf(&l.part[i], &w, w.theta[i], PMF_MAX / (double)l.n) - log_ways(&l.part[i]);
    free(w.theta);
    free(m);
    free(slope);
    free_law(&l);
    return sum;
}

double ranktie_log_p(const struct tie_stratum *s, size_t strata, double log_untied, bool below, bool *exact)
{
    struct law l = {.part = xcalloc(strata, sizeof *l.part), .n = strata};
    for (size_t i = 0; i < strata; i++)
        read_sizes(&s[i], &l.part[i]);
    *exact = false;
    if (below && side_of(&l) > SIDE_MAX) {
        free(l.part);
        return 0;
    }
    read_law(s, &l);
    int64_t step = step_of(&l);
    *exact = step == 0; /* nothing varies */
    double v = step == 0 ? 0 : gridded_log_p(&l, step, exact);
    /* Where U is below its mean the exponential bound is least without a tilt (Jensen), and there it is 1 and what is
     * given away for the Bernoullis. A grid moves the mean against the sum by less than a device's rank. */
    if (!*exact && !below) {
        double c = chernoff_log_p(&l, step);
        /* Ties broken at random leave U untied, and at or above this one in half of the cases at least. */
        double u = log_untied <= LOG_SURE ? log_untied + det_log(2) : 0;
        v = fmin(v, fmin(c, u));
    }
    free_law(&l);
    return v < 0 ? v : 0;
}
