#include "core/survival.h"

#include <math.h>
#include <stdlib.h>
#include "core/clock.h"

#define Z95 1.959963984540054 /* the normal quantile of 0.975 */

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The moments of one sort, ascending. */
struct moments {
    int64_t *v;
    size_t n;
};

static struct moments moments(struct arena *a, size_t n)
{
    return (struct moments){.v = ARENA_ARRAY(a, int64_t, n + 1)};
}

static void sort_moments(struct moments *m)
{
    if (m->n > 1)
        qsort(m->v, m->n, sizeof *m->v, by_time);
}

void survival_make(const struct spell *v, size_t n, struct arena *a, struct survival *out)
{
    struct moments entries = moments(a, n), ends = moments(a, n), events = moments(a, n);
    struct survival_step *steps;
    size_t in = 0, gone = 0;
    double s = 1, var = 0;

    *out = (struct survival){0};
    for (size_t i = 0; i < n; i++) {
        if (v[i].end <= v[i].entry) {
            out->left_out++;
            continue;
        }
        entries.v[entries.n++] = v[i].entry;
        ends.v[ends.n++] = v[i].end;
        out->exposed_us += (double)(v[i].end - v[i].entry);
        out->last = v[i].end > out->last ? v[i].end : out->last;
        if (v[i].patched) {
            events.v[events.n++] = v[i].end;
            out->patched_sum += (double)v[i].end;
        }
    }
    sort_moments(&entries);
    sort_moments(&ends);
    sort_moments(&events);
    out->pairs = ends.n;
    out->patched = events.n;
    steps = ARENA_ARRAY(a, struct survival_step, events.n + 1);
    for (size_t i = 0; i < events.n;) {
        int64_t t = events.v[i];
        size_t d = 0;
        for (; i < events.n && events.v[i] == t; i++)
            d++;
        while (in < entries.n && entries.v[in] < t)
            in++;
        while (gone < ends.n && ends.v[gone] < t)
            gone++;
        double risk = (double)(in - gone), left = (double)(in - gone - d);
        s = left > 0 ? s * (left / risk) : 0;
        var += left > 0 ? (double)d / (risk * left) : HUGE_VAL;
        steps[out->n++] = (struct survival_step){.t = t, .at_risk = in - gone, .events = d, .s = s, .v = var};
    }
    out->steps = steps;
}

/* The last step at or before t; NULL before the first. */
static const struct survival_step *step_at(const struct survival *k, int64_t t, bool before)
{
    size_t lo = 0, hi = k->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (before ? k->steps[mid].t < t : k->steps[mid].t <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 ? &k->steps[lo - 1] : NULL;
}

double survival_share(const struct survival *k, int64_t t, bool before)
{
    const struct survival_step *s = step_at(k, t, before);
    return s ? s->s : 1;
}

bool survival_interval(const struct survival *k, int64_t t, bool before, double *low, double *high)
{
    const struct survival_step *s = step_at(k, t, before);
    *low = *high = s ? s->s : 1;
    if (!s)
        return true;
    if (!(s->s > 0))
        return false;
    double w = Z95 * sqrt(s->v) / fabs(log(s->s));
    *low = pow(s->s, exp(w));
    *high = pow(s->s, exp(-w));
    return true;
}

int64_t survival_median(const struct survival *k, bool *few)
{
    *few = false;
    for (size_t i = 0; i < k->n; i++) {
        *few = *few || k->steps[i].at_risk < SURVIVAL_FEW;
        if (k->steps[i].s <= 0.5 + 1e-12) /* a product that is one half but for its rounding */
            return k->steps[i].t;
    }
    return TIME_NEVER;
}

int64_t survival_tau(const struct survival *k, int64_t horizon)
{
    return k->last < horizon ? k->last : horizon;
}

double survival_mean(const struct survival *k, int64_t tau)
{
    double area = 0, s = 1;
    int64_t from = 0;
    for (size_t i = 0; i < k->n && k->steps[i].t < tau; i++) {
        area += s * (double)(k->steps[i].t - from);
        from = k->steps[i].t;
        s = k->steps[i].s;
    }
    return area + s * (double)(tau - from);
}

double survival_patched_only(const struct survival *k)
{
    return k->patched > 0 ? k->patched_sum / (double)k->patched : (double)NAN;
}

size_t survival_over(const struct spell *v, size_t n, int64_t target, bool under)
{
    size_t over = 0;
    for (size_t i = 0; i < n; i++)
        over += v[i].end > v[i].entry && (under ? v[i].end >= target : v[i].end > target);
    return over;
}

double survival_within(const struct survival *k, int64_t target, bool under)
{
    return 1 - survival_share(k, target, under);
}

bool pair_spell(const struct patch_pair *p, enum risk_clock c, struct spell *out)
{
    int64_t start = p->moment[c];
    if (start == 0)
        return false;
    start = p->installed > start ? p->installed : start;
    *out = (struct spell){.entry = p->seen > start ? p->seen - start : 0,
                          .end = p->end - start - p->away_us,
                          .patched = p->how == PAIR_PATCHED};
    return out->end > out->entry;
}
