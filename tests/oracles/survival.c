/* core/survival for the oracle of other people's making (survival.py): a set a line on stdin, tau and then entry, end
 * and whether it was patched of each pair, in days; the answers a line on stdout: S(3), S(7), S(14), the mean to tau,
 * the median or -1, and the 95 % interval at 7 days or -1 -1. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/survival.h"

#define PAIRS 4096

static int64_t us(double days)
{
    return llround(days * (double)US_PER_DAY);
}

static void answer(const struct spell *v, size_t n, double tau)
{
    struct arena a;
    struct survival k;
    double low, high;
    bool few;
    arena_init(&a);
    survival_make(v, n, &a, &k);
    int64_t median = survival_median(&k, &few);
    bool sure = survival_interval(&k, us(7), false, &low, &high);
    printf("%.17g %.17g %.17g %.17g %.17g %.17g %.17g\n", survival_share(&k, us(3), false),
           survival_share(&k, us(7), false), survival_share(&k, us(14), false),
           survival_mean(&k, us(tau)) / (double)US_PER_DAY,
           median == TIME_NEVER ? -1.0 : (double)median / (double)US_PER_DAY, sure ? low : -1.0, sure ? high : -1.0);
    arena_release(&a);
}

int main(void)
{
    static struct spell v[PAIRS];
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        char *p = line, *end;
        double tau = strtod(p, &end);
        size_t n = 0;
        for (p = end; n < PAIRS; p = end, n++) {
            double entry = strtod(p, &end);
            if (end == p)
                break;
            double until = strtod(end, &end);
            v[n] = (struct spell){.entry = us(entry), .end = us(until), .patched = strtod(end, &end) > 0};
        }
        answer(v, n, tau);
    }
    free(line);
    return 0;
}
