/* What others would say of the same run: the usual methods, and the forms of them that users pick. They are told who
 * has installed and what counts as the update's own reboot, which is the kinder way. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/ranktest.h"
#include "tests/validate/world.h"

enum { HOUR = 60, SHORT = 10, CHECKS = 5 };
#define Z95 1.6448536269514722

struct methods {
    size_t n;
    double boots[2], minutes[2];              /* since the begin, of each side */
    double newest[2][HOUR], watched[2][HOUR]; /* of the newest minutes: reboots, device-minutes */
    double cpu[2][HOUR];                      /* mean of the side */
    double *own, *own_minutes;                /* of each device on its side now */
    int *side;
    int bad[BESIDE_COUNT]; /* checks that failed */
    double halted[BESIDE_COUNT];
};

const char *method_name(enum beside b)
{
    static const char *const names[] = {[BESIDE_Z] = "z-test on reboots, each minute",
                                        [BESIDE_Z_ONCE] = "the same once, at the end",
                                        [BESIDE_RANK] = "Mann-Whitney on reboots, each 10 min",
                                        [BESIDE_SIGMA] = "three-sigma on reboots, 1 h window",
                                        [BESIDE_TWICE] = "user's: rate of 1 h over 2 x control's",
                                        [BESIDE_CHECKS] = "user's: rate of 10 min over 3 x, 5 checks",
                                        [BESIDE_CPU_RANK] = "Mann-Whitney on CPU, each 10 min",
                                        [BESIDE_KAYENTA] = "Kayenta's rule on CPU, each minute",
                                        [BESIDE_CPU_MEAN] = "user's: CPU over 1.25 x control's, 5 checks",
                                        [BESIDE_VAR_RANK] = "Mann-Whitney on variance, each 10 min",
                                        [BESIDE_SILENT] = "user's: 20 % of canaries not heard for 5 min",
                                        [BESIDE_INSTALL] = "user's: 10 % not installed after 10 min"};
    return names[b];
}

struct methods *methods_new(size_t devices)
{
    struct methods *m = xcalloc(1, sizeof *m);
    m->n = devices;
    m->own = xcalloc(devices, sizeof *m->own);
    m->own_minutes = xcalloc(devices, sizeof *m->own_minutes);
    m->side = xcalloc(devices, sizeof *m->side);
    for (size_t i = 0; i < devices; i++)
        m->side[i] = -1;
    for (int b = 0; b < BESIDE_COUNT; b++)
        m->halted[b] = NAN;
    return m;
}

void methods_free(struct methods *m)
{
    free(m->own);
    free(m->own_minutes);
    free(m->side);
    free(m);
}

static void halts(struct methods *m, enum beside b, bool halt, int minute)
{
    if (halt && isnan(m->halted[b]))
        m->halted[b] = minute / 60.0;
}

/* One of the checks that a canary may fail before it is given up. */
static void check_fails(struct methods *m, enum beside b, bool fails, int minute)
{
    m->bad[b] += fails;
    halts(m, b, m->bad[b] >= CHECKS, minute);
}

static double sum(const double v[HOUR], int minute, int last)
{
    double s = 0;
    for (int k = 0; k < last && k < minute; k++)
        s += v[(minute - k) % HOUR];
    return s;
}

static double ratio(const double x[2], const double of[2])
{
    return x[0] / of[0] / (x[1] / of[1]);
}

/* The rates of two Poisson counts differ, by Wald. */
static bool z_halts(const struct methods *m)
{
    double a = m->boots[0] / m->minutes[0], b = m->boots[1] / m->minutes[1];
    return m->minutes[0] > 0 && m->minutes[1] > 0 && m->boots[0] + m->boots[1] > 0 &&
           a - b > Z95 * sqrt(a / m->minutes[0] + b / m->minutes[1]);
}

static void look_at_rates(struct methods *m, int minute)
{
    double hour[2], of[2], ten[2], of_ten[2];
    for (int s = 0; s < 2; s++) {
        hour[s] = sum(m->newest[s], minute, HOUR);
        of[s] = sum(m->watched[s], minute, HOUR);
        ten[s] = sum(m->newest[s], minute, SHORT);
        of_ten[s] = sum(m->watched[s], minute, SHORT);
    }
    double expected = m->boots[1] / m->minutes[1] * of[0];
    halts(m, BESIDE_Z, z_halts(m), minute);
    halts(m, BESIDE_SIGMA, minute >= HOUR && hour[0] > expected + 3 * sqrt(expected), minute);
    halts(m, BESIDE_TWICE, minute >= HOUR && hour[0] > 0 && of[1] > 0 && ratio(hour, of) > 2, minute);
    check_fails(m, BESIDE_CHECKS, ten[0] > 0 && of_ten[1] > 0 && ratio(ten, of_ten) > 3, minute);
}

/* Mann-Whitney's normal tail on a value of each device; NaN: it takes no part. */
static bool rank_halts(const struct methods *m, const double *value)
{
    double *v = xcalloc(2 * m->n, sizeof *v);
    size_t k[2] = {0, 0};
    struct ranktest r = {.p_asymptotic = 1};
    for (size_t i = 0; i < m->n; i++)
        if (m->side[i] >= 0 && isfinite(value[i]))
            v[(size_t)m->side[i] * m->n + k[m->side[i]]++] = value[i];
    if (k[0] > 1 && k[1] > 1)
        ranktest_strata(v, NULL, k[0], v + m->n, NULL, k[1], TIES_NORMAL, &r);
    free(v);
    return r.p_asymptotic < 0.05;
}

static void look_at_ranks(struct methods *m, int minute, const struct seen *v)
{
    double *x = xcalloc(m->n, sizeof *x);
    for (size_t i = 0; i < m->n; i++)
        x[i] = m->own_minutes[i] >= HOUR ? m->own[i] / m->own_minutes[i] : NAN;
    if (isnan(m->halted[BESIDE_RANK]))
        halts(m, BESIDE_RANK, rank_halts(m, x), minute);
    for (size_t i = 0; i < m->n; i++)
        x[i] = v[i].heard ? v[i].cpu / v[i].cpu_base : NAN;
    if (isnan(m->halted[BESIDE_CPU_RANK]))
        halts(m, BESIDE_CPU_RANK, rank_halts(m, x), minute);
    for (size_t i = 0; i < m->n; i++)
        x[i] = v[i].heard ? v[i].variance / v[i].var_base : NAN;
    if (isnan(m->halted[BESIDE_VAR_RANK]))
        halts(m, BESIDE_VAR_RANK, rank_halts(m, x), minute);
    free(x);
}

/* Counts of this minute. */
static void take(struct methods *m, int minute, const struct seen *v, int64_t count[2], int64_t heard[2])
{
    int at = minute % HOUR;
    for (int s = 0; s < 2; s++)
        m->newest[s][at] = m->watched[s][at] = m->cpu[s][at] = 0;
    for (size_t i = 0; i < m->n; i++) {
        int s = v[i].side;
        if (s != m->side[i]) /* it has changed sides: its own count begins */
            m->own[i] = m->own_minutes[i] = 0;
        m->side[i] = s;
        if (s < 0)
            continue;
        m->own[i] += v[i].boots;
        m->own_minutes[i]++;
        m->newest[s][at] += v[i].boots;
        count[s]++;
        if (v[i].heard && !isnan(v[i].cpu)) {
            m->cpu[s][at] += v[i].cpu;
            heard[s]++;
        }
    }
    for (int s = 0; s < 2; s++) {
        m->watched[s][at] = (double)count[s];
        m->boots[s] += m->newest[s][at];
        m->minutes[s] += (double)count[s];
        m->cpu[s][at] /= (double)heard[s];
    }
}

void methods_look(struct methods *m, int minute, const struct seen *v, int64_t missing, int64_t told)
{
    int64_t count[2] = {0, 0}, heard[2] = {0, 0};
    take(m, minute, v, count, heard);
    halts(m, BESIDE_INSTALL, missing >= 2 && missing * 10 >= told, minute);
    if (count[0] == 0 || count[1] == 0)
        return;
    look_at_rates(m, minute);
    halts(m, BESIDE_SILENT, (count[0] - heard[0]) * 5 >= count[0], minute);
    check_fails(m, BESIDE_CPU_MEAN, m->cpu[0][minute % HOUR] > 1.25 * m->cpu[1][minute % HOUR], minute);
    bool whole = minute >= HOUR;
    for (int k = 0; k < HOUR && whole; k++)
        whole = isfinite(m->cpu[0][k]) && isfinite(m->cpu[1][k]);
    if (whole && isnan(m->halted[BESIDE_KAYENTA]))
        halts(m, BESIDE_KAYENTA, usual_kayenta((const double(*)[60])m->cpu), minute);
    if (minute % 10 == 0)
        look_at_ranks(m, minute, v);
}

void methods_end(struct methods *m, double halted[BESIDE_COUNT])
{
    m->halted[BESIDE_Z_ONCE] = z_halts(m) ? 0 : NAN;
    memcpy(halted, m->halted, sizeof m->halted);
}
