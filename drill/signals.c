/* Telemetry: what each device has written last, as one OpenMetrics page with timestamps.
 *
 * A value is a hash of (seed, device, number of the sample), so a page can be asked for a thousand times or never
 * without changing what the next one says. Thousands of devices are scraped hundreds of times in a drill of seconds:
 * the names are rendered once for each device, and the numbers by hand. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "drill/world.h"

struct reading {
    int64_t t; /* TIME_NEVER: nothing yet */
    double cpu, sensor;
};

static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* About normal: the sum of four 16-bit parts, mean 0, sd 1, never beyond 3.5. */
static double bell(uint64_t h)
{
    double s = 0;
    for (int i = 0; i < 4; i++, h >>= 16)
        s += (double)(h & 0xffff) / 65536 - 0.5;
    return s * 1.7320508075688772;
}

/* The last moment before t at which the device could write. */
static int64_t last_report(const struct world *w, const struct w_dev *d, int64_t now)
{
    int64_t every = w->sc->devices.report_us, phase = d->poll_phase % every;
    int64_t t = now;
    if (t >= d->dead_at)
        t = d->dead_at - 1;
    if (t >= d->away_from && t < d->away_to)
        t = d->away_from - 1;
    if (t >= d->dark_from && t < d->dark_to)
        t = d->dark_from - 1;
    int64_t k = (t - phase) / every - (t < phase);
    t = phase + k * every;
    if (t >= d->dark_from && t < d->dark_to)
        t -= (t - d->dark_from + every) / every * every;
    return t;
}

/* Spells of five minutes in which a device works harder and its sensor is noisier, whatever it runs. */
static void busy(const struct world *w, int dev, struct reading *r, double *sd)
{
    int64_t spell = (r->t + w->devs[dev].poll_phase + US_PER_DAY * 100) / (5 * US_PER_MIN);
    uint64_t h = mix(w->seed ^ mix((uint64_t)spell * 3 ^ mix(~(uint64_t)dev)));
    if ((double)(h >> 40) / 16777216 >= w->sc->devices.busy)
        return;
    r->cpu *= 1.3 + 1.7 * (double)(h & 0xffff) / 65536;
    *sd *= 1 + 3 * (double)(h >> 16 & 0xffff) / 65536;
}

static struct reading read_device(const struct world *w, int dev, int64_t now, double swing)
{
    const struct w_dev *d = &w->devs[dev];
    struct reading r = {.t = last_report(w, d, now)};
    uint64_t h = mix(w->seed ^ mix((uint64_t)r.t ^ mix((uint64_t)dev)));
    r.cpu = (double)d->cpu * swing * (1 + w->sc->devices.cpu_noise * bell(h));
    double sd = (double)d->sensor_sd;
    if (w->sc->devices.busy > 0)
        busy(w, dev, &r, &sd);
    for (size_t i = 0; i < w->sc->n_faults; i++) {
        if (!(d->faults & (1U << i)) || !fleet_hit(w, dev, i))
            continue;
        if (w->sc->faults[i].kind == FAULT_CPU)
            r.cpu *= w->sc->faults[i].factor;
        else if (w->sc->faults[i].kind == FAULT_VARIANCE)
            sd *= sqrt(w->sc->faults[i].factor);
    }
    r.cpu = r.cpu < 0 ? 0 : r.cpu > 1 ? 1 : r.cpu;
    r.sensor = (double)d->sensor + sd * bell(mix(h));
    return r;
}

/* --- the policy's own metrics */

/* A level of the device's own, and what faults make of it: from the onset on evenly to `factor` times it. */
static double gauge(const struct world *w, int dev, size_t m, int64_t t)
{
    const struct scenario_metric *c = &w->sc->devices.metrics[m];
    uint64_t own = mix(w->seed ^ mix(~(uint64_t)dev * 64 + m)),
             h = mix(w->seed ^ mix((uint64_t)t ^ mix((uint64_t)dev * 64 + m)));
    double day = (double)(t % US_PER_DAY) / (double)US_PER_DAY;
    double v = c->mean * exp(c->spread * bell(own)) * (1 + c->swing * sin(2 * 3.14159265358979323846 * day)) *
               (1 + c->noise * bell(h));
    for (size_t i = 0; i < w->sc->n_faults; i++) {
        const struct fault *f = &w->sc->faults[i];
        if (f->kind != FAULT_METRIC || f->metric != (int)m || !fleet_hit(w, dev, i))
            continue;
        int64_t since = t - fleet_onset(w, dev, i);
        double way = since < 0 ? 0 : since >= f->over ? 1 : (double)since / (double)f->over;
        v *= 1 + (f->factor - 1) * way;
    }
    return v > 0 ? v : 0;
}

/* Events minute by minute: as many as the rate says, and one more by chance. */
static int64_t events(const struct world *w, int dev, size_t m, int64_t minute)
{
    double rate = w->sc->devices.metrics[m].per_day / (24 * 60);
    for (size_t i = 0; i < w->sc->n_faults; i++) {
        const struct fault *f = &w->sc->faults[i];
        if (f->kind == FAULT_METRIC && f->metric == (int)m && fleet_hit(w, dev, i) &&
            minute * US_PER_MIN >= fleet_onset(w, dev, i))
            rate += f->per_hour / 60;
    }
    uint64_t h = mix(w->seed ^ mix((uint64_t)minute * 1024 + m) ^ mix(~(uint64_t)dev * 3));
    return (int64_t)(rate + (double)(h >> 40) / 16777216);
}

/* Never less than before, whatever time is asked for. */
static int64_t count(struct world *w, int dev, size_t m, int64_t t)
{
    struct w_counter *c = &w->counters[(size_t)dev * w->sc->devices.n_metrics + m];
    if (w->sc->devices.metrics[m].activation)
        return w->devs[dev].activations;
    if (c->n == 0)
        *c = (struct w_counter){-w->sc->lead_in_us / US_PER_MIN,
                                1 + (int64_t)(mix(w->seed ^ mix((uint64_t)dev * 64 + m)) % 40)};
    for (; (c->minute + 1) * US_PER_MIN <= t; c->minute++)
        c->n += events(w, dev, m, c->minute);
    return c->n;
}

/* --- rendering */

static char *put_uint(char *p, uint64_t v)
{
    char tmp[24];
    int n = 0;
    do
        tmp[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    while (n > 0)
        *p++ = tmp[--n];
    return p;
}

static char *put_fixed(char *p, int64_t v, int digits, int64_t scale)
{
    if (v < 0) {
        *p++ = '-';
        v = -v;
    }
    p = put_uint(p, (uint64_t)(v / scale));
    *p++ = '.';
    int64_t rest = v % scale;
    for (int i = digits - 1; i >= 0; i--) {
        p[i] = (char)('0' + rest % 10);
        rest /= 10;
    }
    return p + digits;
}

/* A scenario's words are plain, so nothing needs to be escaped.
 * {device="em-0001",model="C",site="lyon",firmware="4.12.1"} ; the first part alone serves the samples. */
static void make_label(const struct world *w, struct w_dev *d)
{
    char out[600];
    const struct w_ds *ds = &w->ds[d->truth];
    int n = snprintf(out, sizeof out, "{device=\"%s\",model=\"%.80s\",site=\"%.80s\",firmware=\"%.80s\"}", d->id,
                     w->sc->devices.models[d->model].name, w->sc->devices.sites[d->site], ds->version);
    d->label = xstrndup(out, (size_t)n);
    d->label_len = (uint16_t)(sizeof "{device=\"" - 1 + strlen(d->id) + 1);
}

struct page_row {
    int64_t t;
    int64_t boots;
    int32_t cpu, sensor; /* 1e-4, 1e-3 */
};

typedef char *(*put_value)(char *p, const struct page_row *r);
static char *put_boots(char *p, const struct page_row *r)
{
    return put_uint(p, (uint64_t)r->boots);
}
static char *put_cpu(char *p, const struct page_row *r)
{
    return put_fixed(p, r->cpu, 4, 10000);
}
static char *put_sensor(char *p, const struct page_row *r)
{
    return put_fixed(p, r->sensor, 3, 1000);
}

static void put_family(struct world *w, const struct page_row *rows, const char *head, const char *name, put_value put)
{
    buf_adds(&w->page, head);
    size_t n = strlen(name);
    for (size_t i = 0; i < w->n_devs; i++) {
        const struct w_dev *d = &w->devs[i];
        char line[160], *p = line;
        memcpy(p, name, n);
        p += n;
        memcpy(p, d->label, d->label_len);
        p += d->label_len;
        *p++ = '}';
        *p++ = ' ';
        p = put(p, &rows[i]);
        *p++ = ' ';
        p = put_fixed(p, (rows[i].t + w->epoch) / 1000, 3, 1000);
        *p++ = '\n';
        buf_add(&w->page, line, (size_t)(p - line));
    }
}

static void put_own(struct world *w, const struct page_row *rows, size_t m)
{
    const struct scenario_metric *c = &w->sc->devices.metrics[m];
    size_t family = strlen(c->name) - (c->counter ? sizeof "_total" - 1 : 0);
    buf_printf(&w->page, "# TYPE %.*s %s\n# HELP %.*s %s, of the scenario's policy.\n", (int)family, c->name,
               c->counter ? "counter" : "gauge", (int)family, c->name, c->id);
    for (size_t i = 0; i < w->n_devs; i++) {
        const struct w_dev *d = &w->devs[i];
        char line[240], *p = line;
        p += snprintf(p, 100, "%s%.*s} ", c->name, (int)d->label_len, d->label);
        p = c->counter ? put_uint(p, (uint64_t)count(w, (int)i, m, rows[i].t))
                       : p + snprintf(p, 32, "%.9g", gauge(w, (int)i, m, rows[i].t));
        *p++ = ' ';
        p = put_fixed(p, (rows[i].t + w->epoch) / 1000, 3, 1000);
        *p++ = '\n';
        buf_add(&w->page, line, (size_t)(p - line));
    }
}

static void render(struct world *w, int64_t at)
{
    struct page_row *rows = xcalloc(w->n_devs, sizeof *rows);
    double day = (double)(at % US_PER_DAY) / (double)US_PER_DAY;
    double swing = 1 + w->sc->devices.cpu_swing * sin(2 * 3.14159265358979323846 * day);
    for (size_t i = 0; i < w->n_devs; i++) {
        struct reading r = read_device(w, (int)i, at, swing);
        rows[i] =
            (struct page_row){r.t, w->devs[i].boots, (int32_t)lrint(r.cpu * 10000), (int32_t)lrint(r.sensor * 1000)};
        if (!w->devs[i].label)
            make_label(w, &w->devs[i]);
    }
    buf_clear(&w->page);
    put_family(w, rows, "# TYPE device_reboots counter\n# HELP device_reboots Boots since the device was made.\n",
               "device_reboots_total", put_boots);
    put_family(w, rows, "# TYPE device_cpu_ratio gauge\n# HELP device_cpu_ratio CPU use, 0 to 1.\n", "device_cpu_ratio",
               put_cpu);
    put_family(w, rows, "# TYPE device_sensor_value gauge\n# HELP device_sensor_value Newest reading.\n",
               "device_sensor_value", put_sensor);
    for (size_t m = 0; m < w->sc->devices.n_metrics; m++)
        put_own(w, rows, m);
    buf_adds(&w->page, "# TYPE device info\n# HELP device What it is and runs.\n");
    for (size_t i = 0; i < w->n_devs; i++) {
        buf_adds(&w->page, "device_info");
        buf_adds(&w->page, w->devs[i].label);
        buf_adds(&w->page, " 1\n");
    }
    buf_adds(&w->page, "# EOF\n");
    free(rows);
}

const struct buf *world_metrics(struct world *w)
{
    const struct fault *f = world_window(w, FAULT_TELEMETRY);
    int64_t first = -w->sc->lead_in_us, at = w->now;
    if (f && f->mode == OUTAGE_FROZEN)
        at = f->at > first ? f->at : first;
    if (f && f->mode == OUTAGE_EMPTY) {
        buf_clear(&w->page);
        buf_adds(&w->page, "# EOF\n");
        w->page_at = TIME_NEVER;
    } else if (at != w->page_at) {
        render(w, at);
        w->page_at = at;
    }
    return &w->page;
}
