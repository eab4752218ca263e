/* The ratio of event rates, canary to control, with its anytime-valid interval: for the screen, it decides nothing. */
#include <math.h>
#include "core/detmath.h"
#include "core/trial_state.h"

/* theta0 = 2^(i/4), i = LOW..HIGH: 1/16 to 256. */
#define LOW  (-16)
#define HIGH 32
#define MOST 128 /* comparisons that are looked at one by one; of more, neighbours are taken together */

static double grid(int i)
{
    static const double quarter[4] = {1, 0x1.306fe0a31b715p+0, 0x1.6a09e667f3bcdp+0, 0x1.ae89f995ad3adp+0};
    int whole = i >= 0 ? i / 4 : -((3 - i) / 4);
    return ldexp(quarter[i - 4 * whole], whole);
}

/* Evidence that the ratio is not theta0: above it, or (up) below. */
static double against(const struct peek *v, size_t n, double theta0, bool below)
{
    struct eprocess e;
    eprocess_init(&e, below ? 1 / theta0 : theta0);
    for (size_t i = 0; i < n; i++) {
        if (below)
            eprocess_logrank(&e, v[i].yk, v[i].yc, v[i].dk, v[i].dc);
        else
            eprocess_logrank(&e, v[i].yc, v[i].yk, v[i].dc, v[i].dk);
    }
    return eprocess_log(&e);
}

/* The comparisons of one kind, at most MOST + one a stratum: events of neighbouring peeks of a stratum are added up,
 * with the devices at risk at the first of them. */
static size_t collect(const struct journal *j, int kind, int32_t first, int32_t last,
                      struct peek out[MOST + PASSAGE_STRATA])
{
    size_t total = 0, n = 0, open[PASSAGE_STRATA], in[PASSAGE_STRATA] = {0};
    for (size_t i = 0; i < j->n; i++)
        total += j->v[i].kind == kind && j->v[i].tick >= first && j->v[i].tick <= last;
    size_t run = (total + MOST - 1) / MOST;
    for (size_t i = 0; i < j->n; i++) {
        const struct peek *p = &j->v[i];
        if (p->kind != kind || p->tick < first || p->tick > last)
            continue;
        if (in[p->stratum] == 0) {
            open[p->stratum] = n;
            out[n++] = *p;
        } else {
            struct peek *to = &out[open[p->stratum]];
            to->dc = to->dc + p->dc < to->yc ? to->dc + p->dc : to->yc;
            to->dk = to->dk + p->dk < to->yk ? to->dk + p->dk : to->yk;
        }
        in[p->stratum] = (in[p->stratum] + 1) % run;
    }
    return n;
}

static double mantel_haenszel(const struct peek *v, size_t n)
{
    double up = 0, down = 0;
    for (size_t i = 0; i < n; i++) {
        double all = (double)v[i].yc + v[i].yk;
        up += (double)v[i].dc * (v[i].yk - v[i].dk) / all;
        down += (double)v[i].dk * (v[i].yc - v[i].dc) / all;
    }
    if (!(up > 0) && !(down > 0))
        return NAN;
    return up >= down * grid(HIGH) ? grid(HIGH) : up <= down * grid(LOW) ? grid(LOW) : up / down;
}

void trial_ratio(const struct journal *j, int kind, int32_t from, int32_t to, double alpha, double *ratio, double *low,
                 double *high)
{
    struct peek v[MOST + PASSAGE_STRATA];
    size_t n = collect(j, kind, from, to, v);
    *ratio = *low = *high = NAN;
    if (n == 0 || !(alpha > 0))
        return;
    double need = eprocess_needed(alpha / 2);
    *ratio = mantel_haenszel(v, n);
    /* Evidence falls as theta0 moves towards the data, so the ends are found by halving. */
    int a = LOW - 1, b = HIGH + 1; /* first that is not rejected from above */
    while (b - a > 1) {
        int mid = a + (b - a) / 2;
        if (against(v, n, grid(mid), false) < need)
            b = mid;
        else
            a = mid;
    }
    *low = b == LOW ? 0 : grid(b > HIGH ? HIGH : b);
    a = LOW - 1;
    b = HIGH + 1; /* last that is not rejected from below */
    while (b - a > 1) {
        int mid = a + (b - a) / 2;
        if (against(v, n, grid(mid), true) < need)
            a = mid;
        else
            b = mid;
    }
    *high = a == HIGH ? INFINITY : grid(a < LOW ? LOW : a);
}
