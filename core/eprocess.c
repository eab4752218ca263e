#include "core/eprocess.h"

#include <math.h>

#include "core/detmath.h"

double eprocess_theta(int j)
{
    /* 2^((j+1)/2) without pow(): exact powers of two, and the square root that IEEE 754 rounds correctly. */
    double whole = ldexp(1, (j + 1) / 2);
    return (j + 1) % 2 ? whole * sqrt(2.0) : whole;
}

void eprocess_init(struct eprocess *e, double theta0)
{
    for (int j = 0; j < EPROCESS_GRID; j++)
        e->log_e[j] = 0;
    e->theta0 = theta0;
    e->weight = NULL;
}

double eprocess_log(const struct eprocess *e)
{
    double v[EPROCESS_GRID];
    int sum = 0;
    size_t n = 0;
    if (!e->weight)
        return det_logsumexp(e->log_e, EPROCESS_GRID) - 4 * det_log(2); /* ln 16 */
    for (int j = 0; j < EPROCESS_GRID; j++) {
        if (e->weight[j] == 0)
            continue;
        v[n++] = e->log_e[j] + det_log(e->weight[j]);
        sum += e->weight[j];
    }
    return det_logsumexp(v, n) - det_log(sum);
}

double eprocess_needed(double alpha)
{
    return -det_log(alpha);
}

/* ln of Z(t) = sum over u of C(yc,u) C(yk,d-u) t^u, less the first term's binomials, which are the same for every t and
 * cancel. Terms follow from each other by a ratio, so no factorial is needed; a running power of two keeps them in
 * range. */
static double log_z(int64_t yc, int64_t yk, int64_t d, double t)
{
    int64_t lo = d > yk ? d - yk : 0, hi = d < yc ? d : yc, shift = 0;
    double term = 1, sum = 1;
    for (int64_t u = lo; u < hi; u++) {
        term *= (double)(yc - u) / (double)(u + 1) * ((double)(d - u) / (double)(yk - d + u + 1)) * t;
        sum += term;
        if (sum > 0x1p500) {
            term *= 0x1p-500;
            sum *= 0x1p-500;
            shift += 500;
        }
    }
    return (double)lo * det_log(t) + det_log(sum) + (double)shift * det_log(2);
}

static bool counts_ok(int64_t yc, int64_t yk, int64_t dc, int64_t dk)
{
    return yc >= 0 && yk >= 0 && dc >= 0 && dk >= 0 && dc <= yc && dk <= yk;
}

double logrank_log_lr(int64_t yc, int64_t yk, int64_t dc, int64_t dk, double theta, double theta0)
{
    int64_t d = dc + dk;
    if (d == 0 || !counts_ok(yc, yk, dc, dk))
        return 0;
    return (double)dc * det_log(theta) + log_z(yc, yk, d, theta0) - log_z(yc, yk, d, theta0 * theta);
}

bool eprocess_logrank(struct eprocess *e, int64_t yc, int64_t yk, int64_t dc, int64_t dk)
{
    if (!counts_ok(yc, yk, dc, dk))
        return false;
    int64_t d = dc + dk;
    /* No event, or nobody to compare with: every alternative expects the same. */
    if (d == 0 || yc == 0 || yk == 0)
        return true;
    double z0 = log_z(yc, yk, d, e->theta0);
    for (int j = 0; j < EPROCESS_GRID; j++) {
        double theta = eprocess_theta(j);
        if (e->weight && e->weight[j] == 0)
            continue;
        e->log_e[j] += (double)dc * det_log(theta) + z0 - log_z(yc, yk, d, e->theta0 * theta);
    }
    return true;
}

double bernoulli_limit_log(int64_t x, int64_t n, double p0)
{
    struct eprocess e;
    eprocess_init(&e, 1);
    for (int j = 0; j < EPROCESS_GRID; j++) {
        double t = eprocess_theta(j);
        e.log_e[j] = (double)x * det_log(t) - (double)n * det_log(1 + p0 * (t - 1));
    }
    return eprocess_log(&e);
}
