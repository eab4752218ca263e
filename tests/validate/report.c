/* Tables, and what is held against the design's figures. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/err.h"
#include "tests/validate/validate.h"

static int passed, failures;
static char failed[32][200];

struct measured share_of(const double *results, int runs, int slot, double limit)
{
    int k = 0;
    for (int i = 0; i < runs; i++)
        k += results[(size_t)i * SLOTS + (size_t)slot] <= limit; /* NaN is not */
    double p = (double)k / runs;
    return (struct measured){p, sqrt(p * (1 - p) / runs), runs};
}

struct interval interval(int k, int n)
{
    const double z = 1.959963984540054;
    double p = (double)k / n, of = 1 + z * z / n, middle = (p + z * z / (2 * n)) / of;
    double half = z * sqrt(p * (1 - p) / n + z * z / (4.0 * n * n)) / of;
    return (struct interval){k, n, k ? middle - half : 0, k < n ? middle + half : 1};
}

struct interval interval_of(const double *results, int runs, int slot)
{
    return interval((int)(share_of(results, runs, slot, INFINITY).p * runs + 0.5), runs);
}

static int later(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return isnan(x) || isnan(y) ? isnan(x) - isnan(y) : (x > y) - (x < y);
}

static double order(const double *results, int runs, int slot, double at)
{
    double *v = xreallocarray(NULL, (size_t)runs, sizeof *v);
    for (int i = 0; i < runs; i++)
        v[i] = results[(size_t)i * SLOTS + (size_t)slot];
    qsort(v, (size_t)runs, sizeof *v, later);
    double x = v[at < 0 ? 0 : at > runs - 1 ? (size_t)runs - 1 : (size_t)at];
    free(v);
    return x;
}

double median_of(const double *results, int runs, int slot)
{
    return order(results, runs, slot, (runs - 1) / 2.0);
}

double median_low(const double *results, int runs, int slot, double z)
{
    return order(results, runs, slot, runs / 2.0 - z * sqrt(runs) / 2);
}

void line_share(const char *what, struct measured m, double nominal, double design)
{
    char n[16] = "-", d[16] = "-";
    if (!isnan(nominal))
        snprintf(n, sizeof n, "%.1f %%", nominal * 100);
    if (!isnan(design))
        snprintf(d, sizeof d, "%.1f %%", design);
    printf("  %-58s %8s %8.1f %% %7.2f %6d %9s\n", what, n, m.p * 100, m.se * 100, m.n, d);
    fflush(stdout);
}

void check(bool ok, const char *fmt, ...)
{
    char text[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    passed += ok;
    if (ok)
        return;
    if (failures < (int)(sizeof failed / sizeof *failed))
        snprintf(failed[failures], sizeof failed[0], "%s", text);
    failures++;
}

void rate_holds(const char *what, struct measured m, double nominal, double design)
{
    line_share(what, m, nominal, design);
    check(m.p - 3 * m.se <= nominal, "%s: %.2f %% of %d runs, nominal %.1f %%", what, m.p * 100, m.n, nominal * 100);
}

void delay_head(const char *a, const char *b, const char *c, const char *unit)
{
    printf("  %-36s %8s %8s %8s   %-18s %9s %9s  %s\n", "halted by", a, b, c, "design", "median", "design", unit);
}

static const char *percent(char out[16], double v)
{
    if (isnan(v))
        snprintf(out, 16, "-");
    else
        snprintf(out, 16, "%.3g", v);
    return out;
}

void delay_line(const char *what, const struct measured m[3], const double design[3], double median,
                double design_median)
{
    char d[5][16], all[64];
    snprintf(all, sizeof all, "%s/%s/%s", percent(d[0], design[0]), percent(d[1], design[1]), percent(d[2], design[2]));
    printf("  %-36s %6.1f %% %6.1f %% %6.1f %%   %-18s %9s %9s\n", what, m[0].p * 100, m[1].p * 100, m[2].p * 100, all,
           percent(d[3], median), percent(d[4], design_median));
    fflush(stdout);
}

void delay_holds(const char *what, struct measured m, double design, const double *results, int runs, int slot,
                 double design_median, int design_runs, double tick)
{
    /* Where none or all were halted m.se is 0: as if the design's figure were true, then. */
    double d = design / 100, if_true = d * (1 - d), own = m.se * m.se;
    double se = sqrt((own > if_true / m.n ? own : if_true / m.n) + if_true / design_runs);
    if (!isnan(design))
        check(m.p + pool_errors() * se >= d, "%s: %.1f %% of %d runs are halted, design %.1f %%", what, m.p * 100, m.n,
              design);
    /* The design's median has an error, too, by its own number of runs. */
    double low = median_low(results, runs, slot, pool_errors() * sqrt(1 + (double)runs / design_runs));
    if (!isnan(design_median))
        check(low <= design_median * 1.04 + tick, "%s: median %.3g, design %.3g", what, median_of(results, runs, slot),
              design_median);
}

int report_end(void)
{
    printf("\n%d checks passed, %d failed\n", passed, failures);
    for (int i = 0; i < failures && i < (int)(sizeof failed / sizeof *failed); i++)
        printf("FAIL  %s\n", failed[i]);
    puts(failures ? "FAIL" : "PASS");
    return failures ? 1 : 0;
}
