#include "core/track.h"

#include <math.h>
#include <string.h>
#include "core/policy.h"

_Static_assert(sizeof(struct track) <= 96, "a watched device may cost at most 96 bytes");
_Static_assert(sizeof(struct track_count) == 32 && sizeof(struct track_level) == 8, "what a further metric costs");
_Static_assert(COL_REBOOTS == 0, "the boots come first");

int64_t track_bucket(int64_t window_us)
{
    int64_t b = window_us / TRACK_WINDOW;

    return b > 0 ? b : 1;
}

/* Rounds down also below zero, so that the grid is the same everywhere. */
int64_t track_floor(int64_t a, int64_t b)
{
    int64_t q = a / b;

    return a % b < 0 ? q - 1 : q;
}

static int64_t track_ceil(int64_t t, int64_t b)
{
    int64_t q = track_floor(t, b);

    return q * b == t || q >= INT64_MAX / b - 1 ? t : (q + 1) * b;
}

/* Of a time on the grid, or of a sample. */
uint32_t track_tenths(int64_t t)
{
    return (uint32_t)(uint64_t)track_floor(t, TRACK_TENTH);
}

bool track_earlier(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

void track_shape_init(struct track_shape *s)
{
    memset(s, 0, sizeof *s);
    s->columns = COL_BUILTIN;
    s->column[COL_REBOOTS].counter = true;
    for (size_t row = 0; row < METRICS_BUILTIN; row++) {
        struct metric_def d;
        int c = metric_column(&policy_default()->evidence, row);
        metric_get(&policy_default()->evidence, row, &d);
        if (c > COL_REBOOTS)
            s->column[c].spread = d.kind == KIND_SPREAD;
    }
}

void track_shape_add(struct track_shape *s, enum metric_kind kind, bool below)
{
    size_t c = s->columns;

    if (c == TRACK_COLUMNS)
        return;
    s->column[c].counter = metric_kind_counts(kind);
    s->column[c].spread = kind == KIND_SPREAD;
    s->column[c].below = below;
    s->column[c].names = kind == KIND_ACTIVATION;
    s->column[c].at = (uint8_t)(s->column[c].counter ? s->counters++ : s->levels++);
    s->columns++;
}

void track_init(struct track *t, const struct track_shape *s, struct arena *a)
{
    const struct track_level unknown = {NAN, NAN};

    memset(t, 0, sizeof *t);
    t->counts_from = TIME_NEVER;
    t->boots.value = NAN;
    for (int i = 0; i < COL_BUILTIN - 1; i++)
        t->level[i] = unknown;
    t->own_count = s->counters ? ARENA_ARRAY(a, struct track_count, s->counters) : NULL;
    t->own_level = s->levels ? ARENA_ARRAY(a, struct track_level, s->levels) : NULL;
    for (size_t i = 0; i < s->counters; i++)
        t->own_count[i].value = NAN;
    for (size_t i = 0; i < s->levels; i++)
        t->own_level[i] = unknown;
}

static struct track_count *count_in(struct track *t, const struct track_shape *s, size_t c)
{
    return !s->column[c].counter ? NULL : c < COL_BUILTIN ? &t->boots : &t->own_count[s->column[c].at];
}

static struct track_level *level_in(struct track *t, const struct track_shape *s, size_t c)
{
    return s->column[c].counter ? NULL : c < COL_BUILTIN ? &t->level[c - 1] : &t->own_level[s->column[c].at];
}

const struct track_count *track_count_of(const struct track *t, const struct track_shape *s, size_t c)
{
    return !s->column[c].counter ? NULL : c < COL_BUILTIN ? &t->boots : &t->own_count[s->column[c].at];
}

const struct track_level *track_level_of(const struct track *t, const struct track_shape *s, size_t c)
{
    return s->column[c].counter ? NULL : c < COL_BUILTIN ? &t->level[c - 1] : &t->own_level[s->column[c].at];
}

static void shift(struct track_count *c, int64_t d)
{
    if (d >= TRACK_BUCKETS) {
        memset(c->by, 0, sizeof c->by);
        return;
    }
    memmove(c->by, c->by + d, (size_t)(TRACK_BUCKETS - d));
    memset(c->by + TRACK_BUCKETS - d, 0, (size_t)d);
}

/* Moves the buckets so that `k` is the newest. */
static void advance(struct track *t, const struct track_shape *s, int64_t k)
{
    int64_t d = k - t->bucket0;

    if (d <= 0)
        return;
    if (d >= TRACK_BUCKETS || !t->seen)
        d = TRACK_BUCKETS;
    for (size_t c = 0; c < s->columns; c++)
        if (s->column[c].counter)
            shift(count_in(t, s, c), d);
    t->seen = (uint16_t)(d == TRACK_BUCKETS ? 0 : t->seen >> d);
    t->bucket0 = k;
}

/* Events between the newest value of the counter and this one, as they count. */
static int64_t events_between(const struct track_count *c, uint32_t at, double value, bool boots, int64_t window_us)
{
    double diff = value - c->value;
    int64_t gap = (int64_t)(at - c->at) * TRACK_TENTH;

    if (diff < 0 && boots)
        return 1;
    if (diff < 0)
        diff = value > 0 ? value : 0;
    if (gap > window_us)
        diff *= (double)window_us / (double)gap;
    /* A sum of Prometheus' own may be a hair below the whole number. */
    return diff >= UINT8_MAX ? UINT8_MAX : (int64_t)(diff + 1e-6);
}

/* Returns the events that it brings. */
static int64_t feed_count(struct track *t, struct track_count *c, int64_t at, double value, int64_t window_us)
{
    int64_t edge = t->counts_from == TIME_NEVER ? TIME_NEVER : track_ceil(t->counts_from, track_bucket(window_us));
    uint32_t now = track_tenths(at);
    int64_t events = 0;

    if (!isfinite(value))
        return 0;
    if (isnan(c->value) || (edge != TIME_NEVER && at >= edge && track_earlier(c->at, track_tenths(edge)))) {
        c->first = now;
    } else {
        events = events_between(c, now, value, c == &t->boots, window_us);
        uint8_t *b = &c->by[TRACK_BUCKETS - 1];
        int64_t n = *b + events;

        *b = n > UINT8_MAX ? UINT8_MAX : (uint8_t)n;
    }
    c->value = value;
    c->at = now;
    return edge != TIME_NEVER && at >= edge ? events : 0;
}

/* A rise names the boot of the same sample, or of the one before or after it; one since the device counts. */
static void name_boot(struct track *t, const struct track_shape *s, size_t c, const struct track *before,
                      int64_t window_us)
{
    struct track_count *a = count_in(t, s, c);
    int64_t edge = t->counts_from == TIME_NEVER ? TIME_NEVER : track_ceil(t->counts_from, track_bucket(window_us));
    unsigned bit = 1U << s->column[c].at;
    bool rose = t->rose & bit;

    if (edge == TIME_NEVER || (a->named && !track_earlier(a->named, track_tenths(edge))))
        return;
    if (t->booted && (rose || before->rose & bit))
        a->named = track_tenths(t->last_t);
    else if (before->booted && rose && before->last_t >= edge)
        a->named = track_tenths(before->last_t);
}

static void feed_level(const struct track *t, struct track_level *l, double value, bool below)
{
    l->value = isfinite(value) && (below || value >= 0) ? (float)value : NAN;
    if (t->counts_from != TIME_NEVER || isnan(l->value))
        return;
    l->base = isnan(l->base) ? l->value : l->base + (l->value - l->base) / ((float)t->base_n + 1.0F);
}

void track_feed(struct track *t, const struct track_shape *s, int64_t at, const double *row, int64_t window_us)
{
    const struct track before = *t;

    if (at <= t->last_t)
        return;
    t->booted = false;
    t->rose = 0;
    advance(t, s, track_floor(at, track_bucket(window_us)));
    t->seen = (uint16_t)(t->seen | 1U << (TRACK_BUCKETS - 1));
    for (size_t c = 0; c < s->columns; c++) {
        if (s->column[c].names && row[c] > count_in(t, s, c)->value)
            t->rose = (uint8_t)(t->rose | 1U << s->column[c].at);
        if (s->column[c].counter) {
            int64_t n = feed_count(t, count_in(t, s, c), at, row[c], window_us);

            t->booted |= c == COL_REBOOTS && n > 0;
        } else {
            feed_level(t, level_in(t, s, c), row[c], s->column[c].below);
        }
    }
    if (t->counts_from == TIME_NEVER && t->base_n < UINT16_MAX)
        t->base_n++;
    t->last_t = at;
    for (size_t c = COL_BUILTIN; c < s->columns; c++)
        if (s->column[c].names)
            name_boot(t, s, c, &before, window_us);
}

void track_enrol(struct track *t, int64_t counts_from)
{
    if (t->counts_from == TIME_NEVER || counts_from > t->counts_from)
        t->counts_from = counts_from;
}

int64_t track_first(const struct track *t, int64_t len, int64_t later_us)
{
    if (t->counts_from == TIME_NEVER)
        return INT64_MIN;
    int64_t from = t->counts_from < TIME_NEVER - later_us ? t->counts_from + later_us : TIME_NEVER;
    int64_t edge = track_floor(track_ceil(from, len), len), k = t->bucket0 - (TRACK_BUCKETS - 1);

    if (later_us == 0)
        return edge;
    for (k = k > edge ? k : edge; k <= t->bucket0 && !(t->seen >> (TRACK_BUCKETS - 1 - (t->bucket0 - k)) & 1);)
        k++;
    /* A difference over more than a window counts with its share of the window alone, which is all after the edge. */
    return k - edge < TRACK_WINDOW ? k + 1 : edge;
}

uint8_t track_in_bucket(const struct track *t, const struct track_count *c, const struct track_excuse *x, int64_t len,
                        int i)
{
    const struct track_count *a = x ? x->names : NULL;

    if (!a || a->named == 0 || c->by[i] == 0)
        return c->by[i];
    int64_t named = t->last_t - (int64_t)(track_tenths(t->last_t) - a->named) * TRACK_TENTH;
    return (uint8_t)(c->by[i] - (track_floor(named, len) == t->bucket0 - (TRACK_BUCKETS - 1 - i) ? 1 : 0));
}

int64_t track_events(const struct track *t, const struct track_count *c, const struct track_excuse *x,
                     int64_t window_us, uint8_t by[TRACK_BUCKETS])
{
    int64_t len = track_bucket(window_us), edge = track_first(t, len, x ? x->later_us : 0), n = 0;

    for (int i = 0; i < TRACK_BUCKETS; i++) {
        uint8_t events = t->bucket0 - (TRACK_BUCKETS - 1 - i) >= edge ? track_in_bucket(t, c, x, len, i) : 0;

        if (by)
            by[i] = events;
        if (i >= TRACK_BUCKETS - TRACK_WINDOW)
            n += events;
    }
    return t->last_t ? n : -1;
}

bool track_excused(const struct track *t, int64_t now, int64_t scrape_us)
{
    return t->counts_from != TIME_NEVER && t->counts_from > now && now - t->last_t > TRACK_FRESH * scrape_us;
}
