/* Continuous telemetry of a simulated fleet. */
#include <math.h>
#include <stdlib.h>

#include "core/err.h"
#include "tests/validate/validate.h"

#define TABLE     8192
#define SPREAD    0.3
#define FAST_SD   0.08
#define FAST_S    1800.0
#define SLOW_SD   0.05
#define SLOW_S    43200.0
#define NOISE_SD  0.1
#define SWING     0.1
#define SENSOR_AR 0.8

static double normal_cdf(double x)
{
    return erfc(-x / sqrt(2)) / 2;
}

static double t3_cdf(double x)
{
    double q = x / sqrt(3);
    return 0.5 + (q / (1 + q * q) + atan(q)) / M_PI;
}

static double quantile(double (*cdf)(double), double p)
{
    double lo = -100, hi = 100;
    for (int i = 0; i < 60; i++) {
        double mid = (lo + hi) / 2;
        if (cdf(mid) < p)
            lo = mid;
        else
            hi = mid;
    }
    return (lo + hi) / 2;
}

/* Quantiles at the middles of 8192 equal shares: one number of 13 random bits. */
static void fill_tables(struct fleet *f)
{
    for (int i = 0; i < TABLE; i++) {
        double p = (i + 0.5) / TABLE;
        f->normal[i] = (float)quantile(normal_cdf, p);
        f->heavy[i] = (float)(quantile(t3_cdf, p) / sqrt(3) * NOISE_SD);
    }
}

/* One device `dt` later; a and b are the drifts' memories over it, sa and sb their fresh parts. */
struct pace {
    double a, sa, b, sb;
};

static struct pace pace_of(double seconds)
{
    double a = exp(-seconds / FAST_S), b = exp(-seconds / SLOW_S);
    return (struct pace){a, FAST_SD * sqrt(1 - a * a), b, SLOW_SD * sqrt(1 - b * b)};
}

static void step_cpu(struct fleet *f, struct member *m, const struct pace *p, double swing, uint64_t bits)
{
    m->fast = p->a * m->fast + p->sa * (double)f->normal[bits & (TABLE - 1)];
    m->slow = p->b * m->slow + p->sb * (double)f->normal[bits >> 13 & (TABLE - 1)];
    double noise = 1 + (double)f->heavy[bits >> 26 & (TABLE - 1)];
    m->cpu = m->level * m->cpu_times * (1 + m->fast + m->slow) * swing * (noise > 0.02 ? noise : 0.02);
}

static void step_sensor(struct fleet *f, struct member *m, int tick, uint64_t bits)
{
    m->x = SENSOR_AR * m->x + sqrt(1 - SENSOR_AR * SENSOR_AR) * (double)f->normal[bits >> 39 & (TABLE - 1)];
    float *slot = &m->ring[tick % VAR_RING];
    double old = (double)*slot;
    *slot = (float)(m->x * m->sd_times);
    double now = (double)*slot;
    m->sum += now - old;
    m->sum_sq += now * now - old * old;
    double v = (m->sum_sq - m->sum * m->sum / VAR_RING) / (VAR_RING - 1);
    m->variance = m->sigma * m->sigma * (v > 1e-9 ? v : 1e-9);
}

static double swing_at(const struct fleet *f, double ticks)
{
    return 1 + SWING * sin(f->phase + ticks / (24 * PER_HOUR) * 2 * M_PI);
}

static void step_all(struct fleet *f, int tick, const struct pace *p)
{
    double swing = swing_at(f, tick);
    for (size_t i = 0; i < f->n; i++) {
        struct member *m = &f->m[i];
        uint64_t bits = rng_u64(f->r);
        step_cpu(f, m, p, swing, bits);
        step_sensor(f, m, tick + (1 << 20), bits);
        float *slot = &m->cpu_ring[(tick + (1 << 20)) % CPU_RING];
        m->recent += m->cpu - (double)*slot;
        *slot = (float)m->cpu;
    }
}

/* Mean of a 10 min variance of the sensor, in units of sigma^2: n/(n-1) (1 - mean correlation of all pairs). */
static double var_mean(void)
{
    double sum = 0;
    for (int i = 0; i < VAR_RING; i++)
        for (int j = 0; j < VAR_RING; j++)
            sum += pow(SENSOR_AR, abs(i - j));
    return VAR_RING / (VAR_RING - 1.0) * (1 - sum / (VAR_RING * VAR_RING));
}

/* A day in steps of 5 min: the mean of a 24 h baseline, its noise over ten samples each. */
static void live_a_day(struct fleet *f)
{
    struct pace p = pace_of(300);
    double sensor = var_mean();
    for (int k = 0; k < 288; k++) {
        double swing = swing_at(f, (k - 288) * 10 - PER_HOUR);
        for (size_t i = 0; i < f->n; i++) {
            step_cpu(f, &f->m[i], &p, swing, rng_u64(f->r));
            f->m[i].cpu_base += f->m[i].cpu / 288;
        }
    }
    for (size_t i = 0; i < f->n; i++) /* 2880 squares with a correlation of 0.64 a step: relative sd 0.056 */
        f->m[i].var_base = f->m[i].sigma * f->m[i].sigma * sensor * (1 + 0.056 * rng_normal(f->r));
}

static void live_an_hour(struct fleet *f, size_t canaries, double *canary_mean)
{
    struct pace p = pace_of(30);
    for (int k = 0; k < PER_HOUR; k++) {
        step_all(f, k - PER_HOUR, &p);
        double sum = 0;
        for (size_t i = 0; i < f->n; i++) {
            f->m[i].cpu_hour += f->m[i].cpu / PER_HOUR;
            /* the ring is full after 10 min */
            f->m[i].var_hour += k >= VAR_RING ? f->m[i].variance / (PER_HOUR - VAR_RING) : 0;
            sum += i < canaries ? f->m[i].cpu : 0;
        }
        if (canary_mean)
            canary_mean[k] = sum / (double)canaries;
    }
}

struct fleet *fleet_new(struct rng *r, size_t n, size_t canaries, double *canary_mean)
{
    struct fleet *f = xcalloc(1, sizeof *f);
    f->r = r;
    f->n = n;
    f->m = xcalloc(n, sizeof *f->m);
    f->phase = rng_unit(r) * 2 * M_PI;
    fill_tables(f);
    for (size_t i = 0; i < n; i++)
        f->m[i] = (struct member){.level = 0.3 * exp(SPREAD * rng_normal(r)),
                                  .fast = FAST_SD * rng_normal(r),
                                  .slow = SLOW_SD * rng_normal(r),
                                  .sigma = exp(SPREAD * rng_normal(r)),
                                  .x = rng_normal(r),
                                  .cpu_times = 1,
                                  .sd_times = 1};
    live_a_day(f);
    live_an_hour(f, canaries, canary_mean);
    return f;
}

void fleet_free(struct fleet *f)
{
    free(f->m);
    free(f);
}

void fleet_step(struct fleet *f)
{
    struct pace p = pace_of(30);
    f->tick++;
    step_all(f, f->tick, &p);
}

struct trial_past fleet_past(const struct fleet *f, size_t i, int64_t start, double boots_hour)
{
    const struct member *m = &f->m[i];
    return (struct trial_past){.base = {[COL_CPU] = m->cpu_base, [COL_VARIANCE] = m->var_base},
                               .hour = {boots_hour, m->cpu_hour, m->var_hour},
                               .last_t = start - STEP,
                               .known = true};
}

double fleet_change(const struct fleet *f, size_t i)
{
    return log(f->m[i].recent / CPU_RING / f->m[i].cpu_base);
}
