/* Health: from tracks to the figures of a group. */
#include "core/health.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/err.h"

#define OWN_CLIP  16.0
#define AT_ONCE   256
#define AHEAD_MAX (5 * US_PER_MIN) /* a sample further ahead of our clock than this is nonsense */

const double health_level[2][HEALTH_LEVELS] = {{1.1, 1.25, 1.5, 2}, {1.5, 2, 4, 8}};

/* p95 by nearest rank: the smallest value that at least 95 % of the values do not exceed. Hoare's FIND (1961), exact;
 * reorders v. n >= 1. */
static double p95(float *v, size_t n)
{
    ptrdiff_t k = (ptrdiff_t)((95 * n + 99) / 100) - 1, lo = 0, hi = (ptrdiff_t)n - 1;

    while (lo < hi) {
        float pivot = v[k];
        ptrdiff_t i = lo, j = hi;

        do {
            while (v[i] < pivot)
                i++;
            while (pivot < v[j])
                j--;
            if (i <= j) {
                float x = v[i];

                v[i++] = v[j];
                v[j--] = x;
            }
        } while (i <= j);
        if (j < k)
            lo = i;
        if (k < i)
            hi = j;
    }
    return (double)v[k];
}

/* What a group's window is; the same for all its devices. */
struct frame {
    int64_t len, first, start; /* bucket length, first bucket, its start */
    int64_t newest, fresh;     /* a sample from `fresh` on is not older than 3 scrapes before the newest */
    const struct health_excuse *x;
};

static bool measured(const struct track *t, const struct frame *f, int64_t later_us)
{
    return t->counts_from != TIME_NEVER && t->last_t - later_us >= t->counts_from && t->last_t >= f->fresh &&
           t->last_t <= f->newest;
}

void health_excuse(const struct policy *p, const int8_t *column, bool canary, struct health_excuse *out)
{
    size_t names = metric_activation(&p->evidence);

    *out = (struct health_excuse){0};
    for (size_t i = 0; i < metric_count(&p->evidence); i++) {
        struct metric_def d;
        int c = i >= METRICS_BUILTIN && column ? column[i - METRICS_BUILTIN] : metric_column(&p->evidence, i);

        metric_get(&p->evidence, i, &d);
        if (c >= 0 && d.grace_us > p->grace_us)
            out->later_us[c] = d.grace_us - p->grace_us;
        if (c >= 0 && i == names && canary)
            out->names = (size_t)c;
    }
}

struct track_excuse health_excuse_of(const struct health_excuse *x, const struct track *t, const struct track_shape *s,
                                     size_t column)
{
    struct track_excuse e = {.later_us = x ? x->later_us[column] : 0};

    if (x && x->names && column == COL_REBOOTS)
        e.names = track_count_of(t, s, x->names);
    return e;
}

/* Events of one device in the window, and its exposure in tenths of a second. */
static int64_t device_events(const struct track *t, const struct track_count *c, const struct track_excuse *x,
                             const struct frame *f, int64_t *exposure, bool *clipped)
{
    int64_t edge, n = 0;
    uint32_t from;

    *exposure = 0;
    if (t->counts_from == TIME_NEVER || isnan(c->value) || t->last_t > f->newest)
        return 0;
    /* Without a division where it has counted for the whole window. */
    bool whole = x->later_us == 0 && t->counts_from <= f->start;
    int64_t first = whole ? f->first : track_first(t, f->len, x->later_us);
    edge = first <= f->first ? f->start : first * f->len;
    from = track_tenths(edge);
    if (t->last_t >= edge && track_earlier(from, c->first))
        from = c->first;
    if (t->last_t > edge && track_earlier(from, c->at))
        *exposure = (int64_t)(c->at - from);
    if (f->first > first)
        first = f->first;
    for (int i = 0; i < TRACK_BUCKETS; i++)
        if (t->bucket0 - (TRACK_BUCKETS - 1 - i) >= first) {
            n += track_in_bucket(t, c, x, f->len, i);
            *clipped |= c->by[i] == UINT8_MAX;
        }
    return n;
}

/* A level's values and baselines, of the devices that are measured. */
struct values {
    float *value, *base;
    size_t n, n_base;
};

/* A column, over the devices so far. */
struct sum {
    int64_t exposure;
    bool clipped;
    double total; /* of the values */
    struct values v;
};

static void add_counts(struct sum *a, const struct track *const *tracks, size_t n, const struct track_shape *s,
                       size_t column, const struct frame *f, struct count_health *out)
{
    int64_t exposure;

    for (size_t i = 0; i < n; i++) {
        const struct track_excuse x = health_excuse_of(f->x, tracks[i], s, column);
        int64_t events = device_events(tracks[i], track_count_of(tracks[i], s, column), &x, f, &exposure, &a->clipped);

        a->exposure += exposure;
        out->events += events;
        out->had += events > 0;
        out->twice += events > 1;
    }
}

static void end_count(const struct sum *a, size_t column, struct count_health *out)
{
    out->days = (double)a->exposure / ((double)US_PER_DAY / (double)TRACK_TENTH);
    /* A device has had as many as are counted, or more: of reboots that is a loop at any rate, of others it says
     * nothing.
     */
    bool known = a->exposure > 0 && (!a->clipped || column == COL_REBOOTS);
    out->rate = known ? (double)out->events / out->days : NAN;
}

/* Ratio of a device's value to its baseline, clipped. A baseline of (nearly) nothing is lifted to a thousandth of
 * the group's, else a sensor that stood still before would count as broken for its first tremble. */
static double own_ratio(double value, double base, double mean_base)
{
    double floor_ = mean_base * 1e-3, r;

    if (base < floor_)
        base = floor_;
    if (base <= 0)
        return value <= 0 ? 1 : OWN_CLIP;
    r = value / base;
    return r > OWN_CLIP ? OWN_CLIP : r < 1 / OWN_CLIP ? 1 / OWN_CLIP : r;
}

static void count_level(struct gauge_health *g, double r, bool spread)
{
    for (int l = 0; l < HEALTH_LEVELS; l++) {
        g->over[l] += r >= health_level[spread][l];
        g->under[l] += r <= 1 / health_level[spread][l];
    }
}

static void sum_spread(const struct values *v, struct gauge_health *g)
{
    double base = 0, sum = 0;

    for (size_t i = 0; i < v->n; i++)
        base += isnan(v->base[i]) ? 0 : (double)v->base[i];
    base /= (double)v->n_base;
    for (size_t i = 0; i < v->n; i++) {
        double r = own_ratio((double)v->value[i], isnan(v->base[i]) ? base : (double)v->base[i], base);

        sum += r;
        count_level(g, r, true);
    }
    g->own = sum / (double)v->n;
}

static void sum_change(const struct values *v, struct gauge_health *g)
{
    double with_base = 0, base = 0;

    for (size_t i = 0; i < v->n; i++) {
        if (isnan(v->base[i]) || v->base[i] <= 0)
            continue;
        with_base += (double)v->value[i];
        base += (double)v->base[i];
        count_level(g, (double)v->value[i] / (double)v->base[i], false);
    }
    g->change = with_base / base;
}

static double mean_difference(const struct values *v)
{
    double sum = 0;

    for (size_t i = 0; i < v->n; i++)
        sum += isnan(v->base[i]) ? 0 : (double)v->value[i] - (double)v->base[i];
    return sum / (double)v->n_base;
}

static void add_levels(struct sum *a, const struct track *const *tracks, size_t n, const struct track_shape *s,
                       size_t column, const struct frame *f)
{
    bool all = s->column[column].spread || s->column[column].below;

    for (size_t i = 0; i < n; i++) {
        const struct track_level *l = track_level_of(tracks[i], s, column);

        if (!measured(tracks[i], f, f->x ? f->x->later_us[column] : 0) || isnan(l->value))
            continue;
        a->total += (double)l->value;
        a->v.base[a->v.n] = l->base;
        a->v.value[a->v.n++] = l->value;
        a->v.n_base += !isnan(l->base) && (all || l->base > 0);
    }
}

static void end_level(struct sum *a, const struct track_shape *s, size_t column, struct gauge_health *out)
{
    const struct values *v = &a->v;
    bool based = v->n > 0 && v->n_base * 2 >= v->n && v->n_base > 0;

    *out = (struct gauge_health){.mean = NAN, .p95 = NAN, .own = NAN, .change = NAN};
    if (based && s->column[column].below)
        out->change = mean_difference(v);
    else if (based)
        (s->column[column].spread ? sum_spread : sum_change)(v, out);
    if (!based || s->column[column].below)
        for (int l = 0; l < HEALTH_LEVELS; l++)
            out->over[l] = out->under[l] = -1;
    if (v->n > 0) {
        out->mean = a->total / (double)v->n;
        if (column == COL_CPU) /* the one whose figure there is */
            out->p95 = p95(v->value, v->n);
    }
}

/* Some devices at a time, all columns: what is known of a device is read from memory once. */
static void sum_columns(const struct track *const *tracks, size_t n, const struct track_shape *s, const struct frame *f,
                        struct group_health *out)
{
    struct sum a[TRACK_COLUMNS] = {0};
    float *room = xreallocarray(NULL, 2 * n * s->columns + 1, sizeof *room);

    for (size_t c = 0; c < s->columns; c++) {
        a[c].v.value = room + 2 * n * c;
        a[c].v.base = a[c].v.value + n;
    }
    for (size_t i = 0; i < n; i += AT_ONCE) {
        size_t m = n - i < AT_ONCE ? n - i : AT_ONCE;

        for (size_t k = i; k < i + m; k++)
            out->measured += measured(tracks[k], f, 0);
        for (size_t c = 0; c < s->columns; c++) {
            if (s->column[c].counter)
                add_counts(&a[c], tracks + i, m, s, c, f, &out->column[c].count);
            else
                add_levels(&a[c], tracks + i, m, s, c, f);
        }
    }
    for (size_t c = 0; c < s->columns; c++) {
        if (s->column[c].counter)
            end_count(&a[c], c, &out->column[c].count);
        else
            end_level(&a[c], s, c, &out->column[c].gauge);
    }
    free(room);
}

void health_group(const struct track *const *tracks, size_t n, const struct track_shape *s,
                  const struct health_excuse *x, int64_t now, int64_t window_us, int64_t scrape_us,
                  struct group_health *out)
{
    struct frame f = {.len = track_bucket(window_us), .x = x};

    memset(out, 0, sizeof *out);
    out->expected = (int64_t)n;
    for (size_t i = 0; i < n; i++) {
        if (tracks[i]->last_t == 0 || tracks[i]->last_t > now + AHEAD_MAX)
            continue;
        if (tracks[i]->last_t > out->newest)
            out->newest = tracks[i]->last_t;
        out->reporting += now - tracks[i]->last_t <= TRACK_FRESH * scrape_us;
    }
    f.newest = out->newest;
    f.fresh = out->newest - TRACK_FRESH * scrape_us;
    f.first = track_floor(out->newest, f.len) - (TRACK_WINDOW - 1);
    f.start = f.first * f.len;
    sum_columns(tracks, n, s, &f, out);
}

static double ratio_of(double canary, double control)
{
    if (control > 0)
        return canary / control;
    return canary == 0 && control == 0 ? 1 : NAN; /* NaN compares false */
}

void health_init(struct wave_health *h)
{
    memset(h, 0, sizeof *h);
    for (int i = 0; i < FIGURES_MAX; i++) {
        h->ratio[i] = h->value[i] = h->against[i] = NAN;
        h->column[i] = -1;
    }
    h->data_age = TIME_NEVER;
}

/* One figure. */
struct pair {
    double value, against, ratio;
};

static struct pair rates(const struct count_health *c, const struct count_health *k)
{
    struct pair p = {c->rate, k->rate, NAN};

    if (!isnan(c->rate) && !isnan(k->rate))
        p.ratio = ((double)c->events + 0.5) / (c->days * k->rate + 0.5);
    return p;
}

static struct pair differences(const struct gauge_health *c, const struct gauge_health *k, bool own)
{
    struct pair p = {c->mean, k->mean, c->mean - k->mean};

    if (own && !isnan(c->change) && !isnan(k->change)) {
        p.ratio = c->change - k->change;
        p.against = c->mean - p.ratio;
    }
    return p;
}

static struct pair means(const struct gauge_health *c, const struct gauge_health *k, bool own)
{
    struct pair p = {c->mean, k->mean, ratio_of(c->mean, k->mean)};
    double change = own ? ratio_of(c->change, k->change) : NAN;

    if (!isnan(change) && change > 0) {
        p.ratio = change;
        p.against = c->mean / change;
    }
    return p;
}

static struct pair spreads(const struct gauge_health *c, const struct gauge_health *k)
{
    struct pair p = {c->own, k->own, ratio_of(c->own, k->own)};
    double raw = ratio_of(c->mean, k->mean);

    if (isnan(p.ratio) && !isnan(raw)) { /* no own baselines on one side: the groups as they are */
        p.ratio = raw;
        if (isnan(c->own))
            p.value = isnan(k->own) ? raw : raw * k->own;
        p.against = raw > 0 ? p.value / raw : k->own;
    }
    return p;
}

static struct pair compare(const struct wave_health *h, const struct figure *f, const struct metric_def *d, int column)
{
    struct pair p = {NAN, NAN, NAN};

    if (f->kind == FIGURE_SHARE) {
        if (h->told > 0)
            p.value = (double)h->failed / (double)h->told;
        return p;
    }
    if (column < 0)
        return p;
    const struct gauge_health *c = &h->canary.column[column].gauge, *k = &h->control.column[column].gauge;
    switch (f->kind) {
    case FIGURE_RATE:
        return rates(&h->canary.column[column].count, &h->control.column[column].count);
    case FIGURE_MEAN:
        return (d->diff ? differences : means)(c, k, d->own);
    case FIGURE_P95:
        return (struct pair){c->p95, k->p95, ratio_of(c->p95, k->p95)};
    case FIGURE_OWN:
        return spreads(c, k);
    case FIGURE_SHARE:
        break;
    }
    return p;
}

void health_compare(struct wave_health *h, const struct evidence_policy *p, const int8_t *column, int64_t now)
{
    int64_t newest = h->canary.newest > h->control.newest ? h->canary.newest : h->control.newest;

    for (size_t i = 0; i < FIGURES_MAX; i++) {
        const struct figure *f = figure_of(p, i);
        struct metric_def d;
        struct pair v = {NAN, NAN, NAN};

        h->column[i] = -1;
        if (f) {
            metric_get(p, f->row, &d);
            h->column[i] =
                i >= FIGURES_BUILTIN && column ? column[i - FIGURES_BUILTIN] : (int8_t)metric_column(p, f->row);
            v = compare(h, f, &d, h->column[i]);
        }
        h->value[i] = v.value;
        h->against[i] = v.against;
        h->ratio[i] = v.ratio;
    }
    h->data_age = newest == 0 ? TIME_NEVER : now > newest ? now - newest : 0;
}

/* Until when the device was not missed, 0 = it was never seen. */
static int64_t good_until(const struct track *t, int64_t scrape_us, bool told)
{
    int64_t until = t->last_t + TRACK_FRESH * scrape_us;

    if (t->last_t <= 0)
        return 0;
    return told && t->counts_from != TIME_NEVER && t->counts_from > until ? t->counts_from : until;
}

int64_t health_covered_until(const struct track *const *tracks, size_t n, int64_t need, int64_t scrape_us, bool told)
{
    int64_t low = 0, high = 0, good = 0;

    if (n == 0)
        return TIME_NEVER;
    need = need < 1 ? 1 : need > (int64_t)n ? (int64_t)n : need;
    for (size_t i = 0; i < n; i++) {
        int64_t until = good_until(tracks[i], scrape_us, told);

        high = until > high ? until : high;
        good += until > 0;
    }
    if (good < need)
        return 0;
    /* The latest time up to which `need` devices were good: halved, since nothing need be sorted. */
    while (low < high) {
        int64_t mid = low + (high - low + 1) / 2;

        good = 0;
        for (size_t i = 0; i < n; i++)
            good += good_until(tracks[i], scrape_us, told) >= mid;
        if (good >= need)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

int64_t health_turns(const struct track *t, int64_t now, int64_t scrape_us)
{
    int64_t until = t->last_t + TRACK_FRESH * scrape_us + 1, next = TIME_NEVER;

    if (t->last_t > now + AHEAD_MAX)
        next = t->last_t - AHEAD_MAX;
    else if (t->last_t > 0 && until > now)
        next = until;
    return t->counts_from > now && t->counts_from < next ? t->counts_from : next;
}
