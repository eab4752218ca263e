/* What a verdict costs over the telemetry of 100,000 devices, beyond parsing: CPU of a tick in which every device has a
 * new sample, of one in which 5 % have, of the most expensive one (windows close, all rank tests look), of taking the
 * evidence, and memory a device. With the five built-in metrics beside the limits 50 ms and 104 bytes; with three of a
 * policy's own 10 ms for a tick with a new sample of every device, and 32 bytes a device and metric.
 *
 *   bench_trial [devices] */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/design.h"
#include "core/err.h"
#include "core/rng.h"
#include "core/trial.h"

#define STEP     (30 * US_PER_S)
#define T0       (INT64_C(1700000000) / 30 * 30 * US_PER_S)
#define TICKS    60 /* half an hour: six CPU windows, three variance windows, eight looks */
#define LIMIT_MS 50.0
#define LIMIT_B  104.0
#define OWN      3
#define OWN_MS   10.0
#define OWN_B    (32.0 * (METRICS_BUILTIN + OWN))

static double cpu_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec * 1e-6;
}

static double resident(void)
{
    long pages = 0;
    char line[100];
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fgets(line, sizeof line, f)) {
        char *end;
        strtol(line, &end, 10);
        pages = strtol(end, NULL, 10);
    }
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static const struct metric_def rows_own[OWN] = {
    {.id = "free-memory",
     .title = "free memory",
     .unit = "MiB",
     .kind = KIND_GAUGE,
     .worse = WORSE_BOTH,
     .own = true,
     .tolerance = 1.05,
     .share = 0.05,
     .level = {1.5, 2, 3, 4},
     .n_levels = 4,
     .window_us = 5 * US_PER_MIN},
    {.id = "retries",
     .title = "retries",
     .unit = "",
     .kind = KIND_COUNTER,
     .share = 0.05,
     .level = {1, 2, 4, 8},
     .n_levels = 4},
    {.id = "errors", .title = "errors", .unit = "", .kind = KIND_EVENT, .share = 0.05},
};

static struct trial *new_trial(size_t n, size_t own, struct arena *a)
{
    struct trial_spec spec = {.policy = {.tests = TESTS_ON,
                                         .alpha = 0.05,
                                         .tolerance[ROW_REBOOTS] = 1.25,
                                         .tolerance[ROW_CPU] = 1.05,
                                         .tolerance[ROW_VARIANCE] = 1.25,
                                         .tolerance[ROW_INSTALL] = 0.02,
                                         .min_devices = 2,
                                         .design = DESIGN_NOW,
                                         .share[ROW_REBOOTS] = 0.25,
                                         .share[ROW_SILENCE] = 0.15,
                                         .share[ROW_CPU] = 0.15,
                                         .share[ROW_VARIANCE] = 0.15,
                                         .share[ROW_INSTALL] = 0.15},
                              .waves = 4,
                              .start = T0,
                              .step_us = STEP,
                              .silence_us = 5 * US_PER_MIN};
    struct err e;
    err_clear(&e);
    spec.policy.own = rows_own;
    spec.policy.n_own = own;
    struct trial *t = metric_make_tests(&spec.policy, a) ? trial_new(&spec, &e) : NULL;
    for (size_t i = 0; t && i < n; i++) {
        const struct trial_past past = {
            .base = {0, 0.3, 1, 500}, .hour = {0, 0.3, 1, 500}, .last_t = T0 - STEP, .known = true};
        bool canary = i < n / 50;
        if (trial_add(t, canary ? 0 : -1, true, (uint8_t)(i % 8), &past).i != i ||
            (canary && !trial_installed(t, TRIAL_IX(i), T0)))
            t = NULL;
    }
    if (!t) {
        fprintf(stderr, "bench_trial: cannot make the trial\n");
        exit(1);
    }
    return t;
}

/* Every `each`-th device, with a reboot now and then. */
static void fill(struct tick *rows, size_t n, struct rng *r, int64_t at, size_t each, int *boots)
{
    tick_clear(rows, at);
    for (size_t i = 0; i < n; i += each) {
        uint64_t bits = rng_u64(r);
        boots[i] += (bits & 4095) == 0;
        double *row = tick_put(rows, i, at);
        row[COL_REBOOTS] = boots[i];
        row[COL_CPU] = 0.2 + (double)(bits >> 12 & 1023) / 5000;
        row[COL_VARIANCE] = 0.7 + (double)(bits >> 22 & 1023) / 1600;
        if (rows->columns == COL_BUILTIN)
            continue;
        row[COL_BUILTIN] = 400 + (double)(bits >> 32 & 255);
        row[COL_BUILTIN + 1] = boots[i];
        row[COL_BUILTIN + 2] = 0;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Feeds TICKS ticks from tick `from`. */
struct cost {
    double median, mean, most;
};
static struct cost run(struct trial *t, struct tick *rows, size_t n, struct rng *r, int from, size_t each, int *boots)
{
    double ms[TICKS], sum = 0;
    for (int k = 0; k < TICKS; k++) {
        int64_t at = T0 + (from + k) * STEP;
        fill(rows, n, r, at, each, boots);
        double begin = cpu_ms();
        trial_tick(t, rows);
        ms[k] = cpu_ms() - begin;
        sum += ms[k];
    }
    qsort(ms, TICKS, sizeof *ms, by_value);
    return (struct cost){ms[TICKS / 2], sum / TICKS, ms[TICKS - 1]};
}

/* Ticks that bring the samples of the one before once more. */
static double rest(struct trial *t, struct tick *rows)
{
    double begin = cpu_ms();
    for (int k = 0; k < TICKS; k++) {
        rows->t = trial_next_tick(t);
        trial_tick(t, rows);
    }
    return (cpu_ms() - begin) / TICKS;
}

static bool line(const char *what, double value, const char *unit, double limit)
{
    bool good = value <= limit;
    printf("%-58s %9.2f %-5s %6.2f of the limit%s\n", what, value, unit, value / limit, good ? "" : "  missed");
    return good;
}

static bool measure(size_t n, size_t own, double limit_ms, double limit_b)
{
    struct rng r;
    struct arena a;
    rng_init(&r, 1);
    arena_init(&a);
    struct tick rows;
    tick_init(&rows, 0, n, COL_BUILTIN + own);
    int *boots = xcalloc(n, sizeof *boots);
    for (size_t i = 0; i < n; i++)
        boots[i] = 1;                             /* resident before the trial is */
    struct trial *t = new_trial(n / 50, own, &a); /* so that code and libraries are resident, too */
    (void)run(t, &rows, n / 50, &r, 0, 1, boots);
    trial_free(t);
    malloc_trim(0);
    double before = resident();
    t = new_trial(n / 50, own, &a);
    malloc_trim(0);
    double few = resident() - before; /* what does not grow with the fleet, and these */
    trial_free(t);
    malloc_trim(0);
    before = resident();
    t = new_trial(n, own, &a);
    malloc_trim(0);
    double devices = resident() - before;
    struct cost full = run(t, &rows, n, &r, 0, 1, boots);
    malloc_trim(0); /* what a look needed and gave back */
    double journals = resident() - before - devices;
    struct evidence e[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    double begin = cpu_ms();
    size_t tests = trial_evidence(t, trial_stage(t), e, which);
    double evidence = cpu_ms() - begin;
    struct cost some = run(t, &rows, n, &r, TICKS, 20, boots);
    printf("%zu devices, %zu of them canaries, %zu metrics, %zu tests\n", n, n / 50, METRICS_BUILTIN + own, tests);
    bool good = line("a tick with a new sample of every device", full.median, "ms", limit_ms);
    good &= line("the mean over half an hour of them", full.mean, "ms", limit_ms);
    good &= line("the most expensive one: windows close, rank tests look", full.most, "ms", limit_ms);
    good &= line("a tick with a new sample of 5 % of them", some.median, "ms", LIMIT_MS);
    fill(&rows, n, &r, trial_next_tick(t), 1, boots);
    trial_tick(t, &rows);
    good &= line("a tick in which nothing is new, the mean", rest(t, &rows), "ms", limit_ms);
    good &= line("taking the evidence, with its intervals", evidence, "ms", LIMIT_MS);
    good &= line("memory of a device", (devices - few) / (double)(n - n / 50), "bytes", limit_b);
    printf("%-58s %9.0f KiB\n", "memory of the stage and its journal of events, beside that", journals / 1024);
    trial_free(t);
    tick_release(&rows);
    free(boots);
    arena_release(&a);
    return good;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 100000;
    bool good = measure(n, 0, LIMIT_MS, LIMIT_B);
    return measure(n, OWN, OWN_MS, OWN_B) && good ? 0 : 1;
}
