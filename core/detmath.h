/* exp and log that give the same bits on every machine.
 *
 * libm picks its code by processor (with or without fused multiply-add), so two watchers of the same telemetry could
 * differ in the last bit. These use only +, -, *, / and exact scaling, with contraction switched off for the whole
 * program. Error below 2 units in the last place over the range used here (tests/core/test_detmath.c). */
#ifndef ANDON_CORE_DETMATH_H
#define ANDON_CORE_DETMATH_H

#include <stdbool.h>
#include <stddef.h>

/* Natural logarithm of x > 0; -inf for 0, NaN below. */
double det_log(double x);
/* e^x; 0 far below, +inf far above. */
double det_exp(double x);
/* The same bits of n numbers, a few times faster: each step is taken for several of them at a time. In place. */
void det_log_all(double *v, size_t n);
void det_exp_all(double *v, size_t n);
/* ln sum exp(v[i]), summed in index order against the largest; -inf for n == 0. */
double det_logsumexp(const double *v, size_t n);
/* ln erfc(x), for any x: also where erfc itself is too small for a double. */
double det_log_erfc(double x);
/* Are they the same to the last bit? (NaN is the same as itself, 0 and -0 are not.) */
bool det_same(double a, double b);

#endif
