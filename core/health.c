/* Health: from samples to tracks, from tracks to the figures of a group. */
#include "core/health.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/err.h"

_Static_assert(sizeof(struct track) <= 96, "a watched device may cost at most 96 bytes");

#define WINDOW_BUCKETS 10
#define VAR_CLIP       16.0
#define FRESH_SCRAPES  3
#define AHEAD_MAX      (5 * US_PER_MIN) /* a sample further ahead of our clock than this is nonsense */

const double health_cpu_level[HEALTH_LEVELS] = {1.1, 1.25, 1.5, 2};
const double health_var_level[HEALTH_LEVELS] = {1.5, 2, 4, 8};

static int64_t bucket_len(int64_t window_us)
{
    int64_t b = window_us / WINDOW_BUCKETS;

    return b > 0 ? b : 1;
}

/* Rounds down also below zero, so that the grid is the same everywhere. */
static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;

    return a % b < 0 ? q - 1 : q;
}

static int64_t ceil_to(int64_t t, int64_t b)
{
    int64_t q = floor_div(t, b);

    return q * b == t || q >= INT64_MAX / b - 1 ? t : (q + 1) * b;
}

void track_init(struct track *t)
{
    memset(t, 0, sizeof *t);
    t->counts_from = TIME_NEVER;
    t->cpu = t->variance = t->var_base = t->cpu_base = NAN;
    t->reboots = NAN;
}

/* Moves the buckets so that `k` is the newest. */
static void advance(struct track *t, int64_t k)
{
    int64_t d = k - t->bucket0;

    if (d <= 0)
        return;
    if (d >= TRACK_BUCKETS || !t->seen) {
        memset(t->boots, 0, sizeof t->boots);
        t->seen = 0;
    } else {
        memmove(t->boots, t->boots + d, (size_t)(TRACK_BUCKETS - d));
        memset(t->boots + TRACK_BUCKETS - d, 0, (size_t)d);
        t->seen = (uint16_t)(t->seen >> d);
    }
    t->bucket0 = k;
}

/* Reboots between the track's newest counter and this one, as they count. */
static int64_t boots_between(const struct track *t, int64_t at, double reboots, int64_t window_us)
{
    double diff = reboots - t->reboots;
    int64_t gap = at - t->reboots_t;

    if (diff < 0)
        return 1;
    if (gap > window_us)
        diff *= (double)window_us / (double)gap;
    /* A sum of Prometheus' own may be a hair below the whole number. */
    return diff >= UINT8_MAX ? UINT8_MAX : (int64_t)(diff + 1e-6);
}

static void feed_reboots(struct track *t, int64_t at, double reboots, int64_t window_us)
{
    int64_t edge = t->counts_from == TIME_NEVER ? TIME_NEVER : ceil_to(t->counts_from, bucket_len(window_us));
    bool straddles = edge != TIME_NEVER && t->reboots_t < edge && at >= edge;

    if (!isfinite(reboots))
        return;
    if (isnan(t->reboots) || straddles) {
        t->first_t = at;
    } else {
        uint8_t *b = &t->boots[TRACK_BUCKETS - 1];
        int64_t n = *b + boots_between(t, at, reboots, window_us);

        *b = n > UINT8_MAX ? UINT8_MAX : (uint8_t)n;
    }
    t->reboots = reboots;
    t->reboots_t = at;
}

static void feed_base(float *base, float x, uint16_t n)
{
    if (isnan(x))
        return;
    *base = isnan(*base) ? x : *base + (x - *base) / ((float)n + 1.0F);
}

void track_feed(struct track *t, int64_t at, const double row[COL_BUILTIN], int64_t window_us)
{
    double cpu = row[COL_CPU], variance = row[COL_VARIANCE];

    if (at <= t->last_t)
        return;
    advance(t, floor_div(at, bucket_len(window_us)));
    t->seen = (uint16_t)(t->seen | 1U << (TRACK_BUCKETS - 1));
    feed_reboots(t, at, row[COL_REBOOTS], window_us);
    t->cpu = isfinite(cpu) && cpu >= 0 ? (float)cpu : NAN;
    t->variance = isfinite(variance) && variance >= 0 ? (float)variance : NAN;
    if (t->counts_from == TIME_NEVER) {
        feed_base(&t->cpu_base, t->cpu, t->base_n);
        feed_base(&t->var_base, t->variance, t->base_n);
        if (t->base_n < UINT16_MAX)
            t->base_n++;
    }
    t->last_t = at;
}

void track_enrol(struct track *t, int64_t counts_from)
{
    if (t->counts_from == TIME_NEVER || counts_from > t->counts_from)
        t->counts_from = counts_from;
}

/* The bucket from which on reboots count. */
static int64_t first_bucket(const struct track *t, int64_t len)
{
    return t->counts_from == TIME_NEVER ? INT64_MIN : floor_div(ceil_to(t->counts_from, len), len);
}

int64_t track_boots(const struct track *t, int64_t window_us, uint8_t by[TRACK_BUCKETS])
{
    int64_t edge = first_bucket(t, bucket_len(window_us)), n = 0;

    for (int i = 0; i < TRACK_BUCKETS; i++) {
        uint8_t boots = t->bucket0 - (TRACK_BUCKETS - 1 - i) >= edge ? t->boots[i] : 0;

        if (by)
            by[i] = boots;
        if (i >= TRACK_BUCKETS - WINDOW_BUCKETS)
            n += boots;
    }
    return t->last_t ? n : -1;
}

bool track_excused(const struct track *t, int64_t now, int64_t scrape_us)
{
    return t->counts_from != TIME_NEVER && t->counts_from > now && now - t->last_t > FRESH_SCRAPES * scrape_us;
}

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
};

static bool measured(const struct track *t, const struct frame *f)
{
    return t->counts_from != TIME_NEVER && t->last_t >= t->counts_from && t->last_t >= f->fresh &&
           t->last_t <= f->newest;
}

/* Reboots of one device in the window, and its exposure. */
static int64_t device_boots(const struct track *t, const struct frame *f, int64_t *exposure)
{
    int64_t edge, from, n = 0;

    *exposure = 0;
    if (t->counts_from == TIME_NEVER || t->first_t == 0 || t->last_t > f->newest)
        return 0;
    edge = ceil_to(t->counts_from, f->len);
    from = t->first_t > f->start ? t->first_t : f->start;
    if (edge > from)
        from = edge;
    if (t->reboots_t > from)
        *exposure = t->reboots_t - from;
    for (int i = 0; i < TRACK_BUCKETS; i++) {
        int64_t k = t->bucket0 - (TRACK_BUCKETS - 1 - i);

        if (k >= f->first && k >= first_bucket(t, f->len))
            n += t->boots[i];
    }
    return n;
}

/* Ratio of a device's variance to its baseline, clipped. A baseline of (nearly) nothing is lifted to a thousandth of
 * the group's, else a sensor that stood still before would count as broken for its first tremble. */
static double var_ratio(double var, double base, double mean_base)
{
    double floor_ = mean_base * 1e-3, r;

    if (base < floor_)
        base = floor_;
    if (base <= 0)
        return var <= 0 ? 1 : VAR_CLIP;
    r = var / base;
    return r > VAR_CLIP ? VAR_CLIP : r < 1 / VAR_CLIP ? 1 / VAR_CLIP : r;
}

static void sum_variance(const struct track *const *tracks, size_t n, const struct frame *f, struct group_health *out)
{
    double raw = 0, base = 0, sum = 0;
    int64_t n_raw = 0, n_base = 0;

    for (size_t i = 0; i < n; i++) {
        if (!measured(tracks[i], f) || isnan(tracks[i]->variance))
            continue;
        raw += (double)tracks[i]->variance;
        n_raw++;
        if (!isnan(tracks[i]->var_base)) {
            base += (double)tracks[i]->var_base;
            n_base++;
        }
    }
    for (int l = 0; l < HEALTH_LEVELS; l++)
        out->var_over[l] = -1;
    if (n_raw == 0)
        return;
    out->variance_raw = raw / (double)n_raw;
    if (n_base * 2 < n_raw)
        return;
    base /= (double)n_base;
    memset(out->var_over, 0, sizeof out->var_over);
    for (size_t i = 0; i < n; i++) {
        const struct track *t = tracks[i];
        double r;

        if (!measured(t, f) || isnan(t->variance))
            continue;
        r = var_ratio((double)t->variance, isnan(t->var_base) ? base : (double)t->var_base, base);
        sum += r;
        for (int l = 0; l < HEALTH_LEVELS; l++)
            out->var_over[l] += r >= health_var_level[l];
    }
    out->variance = sum / (double)n_raw;
}

static void sum_cpu(const struct track *const *tracks, size_t n, const struct frame *f, struct group_health *out)
{
    float *v = xreallocarray(NULL, n, sizeof *v);
    double sum = 0, with_base = 0, base = 0;
    size_t m = 0, n_base = 0;

    memset(out->cpu_over, 0, sizeof out->cpu_over);
    for (size_t i = 0; i < n; i++) {
        const struct track *t = tracks[i];

        if (!measured(t, f) || isnan(t->cpu))
            continue;
        v[m++] = t->cpu;
        sum += (double)t->cpu;
        if (isnan(t->cpu_base) || t->cpu_base <= 0)
            continue;
        with_base += (double)t->cpu;
        base += (double)t->cpu_base;
        n_base++;
        for (int l = 0; l < HEALTH_LEVELS; l++)
            out->cpu_over[l] += (double)t->cpu >= health_cpu_level[l] * (double)t->cpu_base;
    }
    if (m > 0) {
        out->cpu_mean = sum / (double)m;
        out->cpu_p95 = p95(v, m);
    }
    if (m > 0 && n_base * 2 >= m)
        out->cpu_change = with_base / base;
    else
        for (int l = 0; l < HEALTH_LEVELS; l++)
            out->cpu_over[l] = -1;
    free(v);
}

void health_group(const struct track *const *tracks, size_t n, int64_t now, int64_t window_us, int64_t scrape_us,
                  struct group_health *out)
{
    struct frame f = {.len = bucket_len(window_us)};
    int64_t exposure, total = 0;

    memset(out, 0, sizeof *out);
    out->expected = (int64_t)n;
    out->reboot_rate = out->cpu_mean = out->cpu_p95 = out->variance = out->variance_raw = out->cpu_change = NAN;
    for (size_t i = 0; i < n; i++) {
        if (tracks[i]->last_t == 0 || tracks[i]->last_t > now + AHEAD_MAX)
            continue;
        if (tracks[i]->last_t > out->newest)
            out->newest = tracks[i]->last_t;
        out->reporting += now - tracks[i]->last_t <= FRESH_SCRAPES * scrape_us;
    }
    f.newest = out->newest;
    f.fresh = out->newest - FRESH_SCRAPES * scrape_us;
    f.first = floor_div(out->newest, f.len) - (WINDOW_BUCKETS - 1);
    f.start = f.first * f.len;
    for (size_t i = 0; i < n; i++) {
        int64_t boots = device_boots(tracks[i], &f, &exposure);

        total += exposure;
        out->reboots += boots;
        out->rebooted += boots > 0;
        out->looped += boots > 1;
        out->measured += measured(tracks[i], &f);
    }
    out->device_days = (double)total / (double)US_PER_DAY;
    if (total > 0)
        out->reboot_rate = (double)out->reboots / out->device_days;
    sum_variance(tracks, n, &f, out);
    sum_cpu(tracks, n, &f, out);
}

static double ratio_of(double canary, double control)
{
    if (control > 0)
        return canary / control;
    return canary == 0 && control == 0 ? 1 : NAN; /* NaN compares false */
}

void health_compare(struct wave_health *h, int64_t now)
{
    const struct group_health *c = &h->canary, *k = &h->control;
    int64_t newest = c->newest > k->newest ? c->newest : k->newest;
    double raw = ratio_of(c->variance_raw, k->variance_raw), change = ratio_of(c->cpu_change, k->cpu_change);

    for (int m = 0; m < METRIC_COUNT; m++)
        h->ratio[m] = h->value[m] = h->against[m] = NAN;
    h->value[METRIC_REBOOTS] = c->reboot_rate;
    h->against[METRIC_REBOOTS] = k->reboot_rate;
    if (c->device_days > 0 && k->device_days > 0)
        h->ratio[METRIC_REBOOTS] = ((double)c->reboots + 0.5) / (c->device_days * k->reboot_rate + 0.5);
    h->value[METRIC_CPU_MEAN] = c->cpu_mean;
    h->against[METRIC_CPU_MEAN] = k->cpu_mean;
    h->ratio[METRIC_CPU_MEAN] = ratio_of(c->cpu_mean, k->cpu_mean);
    if (!isnan(change) && change > 0) {
        h->ratio[METRIC_CPU_MEAN] = change;
        h->against[METRIC_CPU_MEAN] = c->cpu_mean / change;
    }
    h->value[METRIC_CPU_P95] = c->cpu_p95;
    h->against[METRIC_CPU_P95] = k->cpu_p95;
    h->ratio[METRIC_CPU_P95] = ratio_of(c->cpu_p95, k->cpu_p95);
    h->value[METRIC_VARIANCE] = c->variance;
    h->against[METRIC_VARIANCE] = k->variance;
    h->ratio[METRIC_VARIANCE] = ratio_of(c->variance, k->variance);
    if (isnan(h->ratio[METRIC_VARIANCE]) && !isnan(raw)) { /* no own baselines on one side: the groups as they are */
        h->ratio[METRIC_VARIANCE] = raw;
        if (isnan(c->variance))
            h->value[METRIC_VARIANCE] = isnan(k->variance) ? raw : raw * k->variance;
        h->against[METRIC_VARIANCE] = raw > 0 ? h->value[METRIC_VARIANCE] / raw : k->variance;
    }
    if (h->told > 0)
        h->value[METRIC_INSTALL_FAILED] = (double)h->failed / (double)h->told;
    h->data_age = newest == 0 ? TIME_NEVER : now > newest ? now - newest : 0;
}

/* Until when the device was not missed, 0 = it was never seen. */
static int64_t good_until(const struct track *t, int64_t scrape_us, bool told)
{
    int64_t until = t->last_t + FRESH_SCRAPES * scrape_us;

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
    int64_t until = t->last_t + FRESH_SCRAPES * scrape_us + 1, next = TIME_NEVER;

    if (t->last_t > now + AHEAD_MAX)
        next = t->last_t - AHEAD_MAX;
    else if (t->last_t > 0 && until > now)
        next = until;
    return t->counts_from > now && t->counts_from < next ? t->counts_from : next;
}
