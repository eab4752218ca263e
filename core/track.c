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

int64_t track_ceil(int64_t t, int64_t b)
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
    s->column[c].counter = kind == KIND_COUNTER || kind == KIND_EVENT;
    s->column[c].spread = kind == KIND_SPREAD;
    s->column[c].below = below;
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

static void feed_count(struct track *t, struct track_count *c, int64_t at, double value, int64_t window_us)
{
    int64_t edge = t->counts_from == TIME_NEVER ? TIME_NEVER : track_ceil(t->counts_from, track_bucket(window_us));
    uint32_t now = track_tenths(at);

    if (!isfinite(value))
        return;
    if (isnan(c->value) || (edge != TIME_NEVER && at >= edge && track_earlier(c->at, track_tenths(edge)))) {
        c->first = now;
    } else {
        uint8_t *b = &c->by[TRACK_BUCKETS - 1];
        int64_t n = *b + events_between(c, now, value, c == &t->boots, window_us);

        *b = n > UINT8_MAX ? UINT8_MAX : (uint8_t)n;
    }
    c->value = value;
    c->at = now;
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
    if (at <= t->last_t)
        return;
    advance(t, s, track_floor(at, track_bucket(window_us)));
    t->seen = (uint16_t)(t->seen | 1U << (TRACK_BUCKETS - 1));
    for (size_t c = 0; c < s->columns; c++) {
        if (s->column[c].counter)
            feed_count(t, count_in(t, s, c), at, row[c], window_us);
        else
            feed_level(t, level_in(t, s, c), row[c], s->column[c].below);
    }
    if (t->counts_from == TIME_NEVER && t->base_n < UINT16_MAX)
        t->base_n++;
    t->last_t = at;
}

void track_enrol(struct track *t, int64_t counts_from)
{
    if (t->counts_from == TIME_NEVER || counts_from > t->counts_from)
        t->counts_from = counts_from;
}

/* The bucket from which on reboots count. */
int64_t track_first(const struct track *t, int64_t len)
{
    return t->counts_from == TIME_NEVER ? INT64_MIN : track_floor(track_ceil(t->counts_from, len), len);
}

int64_t track_events(const struct track *t, const struct track_count *c, int64_t window_us, uint8_t by[TRACK_BUCKETS])
{
    int64_t edge = track_first(t, track_bucket(window_us)), n = 0;

    for (int i = 0; i < TRACK_BUCKETS; i++) {
        uint8_t events = t->bucket0 - (TRACK_BUCKETS - 1 - i) >= edge ? c->by[i] : 0;

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
