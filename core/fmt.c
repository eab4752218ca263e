#include "core/fmt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

const char *fmt_count(char out[FMT_MAX], int64_t n)
{
    char digits[24];
    uint64_t m = n < 0 ? (uint64_t)0 - (uint64_t)n : (uint64_t)n;
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)m);
    size_t o = 0;
    if (n < 0)
        out[o++] = '-';
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[o++] = ',';
        out[o++] = digits[i];
    }
    out[o] = '\0';
    return out;
}

const char *fmt_dur(char out[FMT_MAX], int64_t us)
{
    if (us == TIME_NEVER) {
        snprintf(out, FMT_MAX, "never");
        return out;
    }
    const char *sign = us < 0 ? "-" : "";
    int64_t s = (us < 0 ? -(us + (us == INT64_MIN)) : us) / US_PER_S;
    if (s < 60)
        snprintf(out, FMT_MAX, "%s%llds", sign, (long long)s);
    else if (s < 3600)
        snprintf(out, FMT_MAX, "%s%lldm%02llds", sign, (long long)(s / 60), (long long)(s % 60));
    else if (s < 86400)
        snprintf(out, FMT_MAX, "%s%lldh%02lldm", sign, (long long)(s / 3600), (long long)(s / 60 % 60));
    else
        snprintf(out, FMT_MAX, "%s%lldd%02lldh", sign, (long long)(s / 86400), (long long)(s / 3600 % 24));
    return out;
}

/* Civil date from days since 1970-01-01, proleptic Gregorian (H. Hinnant, "chrono-compatible low-level date
 * algorithms"): no time zone data, no locale, no shared state. */
static void civil(int64_t days, int *y, int *m, int *d)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *y = (int)(yoe + era * 400 + (*m <= 2));
}

static int64_t days_from(int y, int m, int d)
{
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

const char *fmt_hms(char out[FMT_MAX], int64_t us)
{
    int64_t s = us - floor_div(us, US_PER_DAY) * US_PER_DAY;
    s /= US_PER_S;
    snprintf(out, FMT_MAX, "%02d:%02d:%02dZ", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    return out;
}

const char *fmt_iso(char out[FMT_MAX], int64_t us)
{
    int64_t days = floor_div(us, US_PER_DAY), in = us - days * US_PER_DAY;
    int y, m, d;
    civil(days, &y, &m, &d);
    snprintf(out, FMT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", y, m, d, (int)(in / US_PER_HOUR),
             (int)(in / US_PER_MIN % 60), (int)(in / US_PER_S % 60), (int)(in / US_PER_MS % 1000));
    return out;
}

static bool digits(const char **s, int n, int *out)
{
    int v = 0;
    for (int i = 0; i < n; i++) {
        if ((*s)[i] < '0' || (*s)[i] > '9')
            return false;
        v = v * 10 + ((*s)[i] - '0');
    }
    *s += n;
    *out = v;
    return true;
}

static bool lit(const char **s, char c)
{
    if (**s != c)
        return false;
    (*s)++;
    return true;
}

bool fmt_iso_parse(const char *s, int64_t *us)
{
    int y, mo, d, h, mi, sec, frac = 0, n = 0;
    if (!digits(&s, 4, &y) || !lit(&s, '-') || !digits(&s, 2, &mo) || !lit(&s, '-') || !digits(&s, 2, &d) ||
        !lit(&s, 'T') || !digits(&s, 2, &h) || !lit(&s, ':') || !digits(&s, 2, &mi) || !lit(&s, ':') ||
        !digits(&s, 2, &sec))
        return false;
    if (lit(&s, '.')) {
        for (; *s >= '0' && *s <= '9'; s++, n++) {
            if (n >= 6)
                return false;
            frac = frac * 10 + (*s - '0');
        }
        if (n == 0)
            return false;
        for (; n < 6; n++)
            frac *= 10;
    }
    if (!lit(&s, 'Z') || *s != '\0')
        return false;
    if (y < 1 || mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || sec > 59)
        return false;
    int64_t days = days_from(y, mo, d);
    int y2, m2, d2;
    civil(days, &y2, &m2, &d2);
    if (m2 != mo || d2 != d)
        return false;
    *us = days * US_PER_DAY + h * US_PER_HOUR + mi * US_PER_MIN + sec * US_PER_S + frac;
    return true;
}

const char *fmt_num(char out[FMT_MAX], double v)
{
    if (isnan(v)) {
        snprintf(out, FMT_MAX, "?");
        return out;
    }
    double a = fabs(v);
    if (a == 0)
        snprintf(out, FMT_MAX, "0");
    else if (a >= 1e9 || a < 0.001)
        snprintf(out, FMT_MAX, "%.1e", v);
    else if (a >= 99.95)
        snprintf(out, FMT_MAX, "%.0f", v);
    else if (a >= 9.995)
        snprintf(out, FMT_MAX, "%.1f", v);
    else
        snprintf(out, FMT_MAX, "%.2f", v);
    return out;
}

const char *fmt_percent(char out[FMT_MAX], double fraction)
{
    if (isnan(fraction))
        snprintf(out, FMT_MAX, "?");
    else if (fraction != 0 && fabs(fraction) < 0.0995)
        snprintf(out, FMT_MAX, "%.1f%%", 100 * fraction);
    else
        snprintf(out, FMT_MAX, "%.0f%%", fabs(fraction) < 1e7 ? 100 * fraction : copysign(1e9, fraction));
    return out;
}

/* "12.7M" with so many decimals at most. False: more than is written so. */
static bool fmt_scaled(char out[FMT_MAX], double v, int decimals, const char *unit)
{
    static const char scale[] = {0, 'k', 'M', 'G', 'T', 'P'};
    size_t k = 0;
    double a = fabs(v), step = decimals == 0 ? 0.5 : decimals == 1 ? 0.05 : 0.005;
    while (a >= 1000 - step && k < sizeof scale)
        a /= 1000, k++;
    if (k == sizeof scale)
        return false;
    int n = snprintf(out, FMT_MAX, "%s%.*f", v < 0 ? "-" : "", decimals, a);
    while (decimals > 0 && (out[n - 1] == '0' || out[n - 1] == '.'))
        if (out[--n] == '.')
            break;
    snprintf(out + n, FMT_MAX - (size_t)n, "%.1s%s", &scale[k], unit);
    return true;
}

/* "3e-5": the shortest that there is of a number of any size. */
static void fmt_power(char out[FMT_MAX], double v, const char *unit)
{
    char n[FMT_MAX];
    snprintf(n, sizeof n, "%.0e", v);
    int digit = (int)strcspn(n, "e");
    snprintf(out, FMT_MAX, "%.*se%d%s", digit, n, (int)strtol(n + digit + 1, NULL, 10), unit);
}

const char *fmt_fit(char out[FMT_MAX], double v, int cols)
{
    size_t len = strlen(out), most = cols > 0 ? (size_t)cols : 0;
    if (len <= most || !isfinite(v))
        return out;
    const char *unit = out[len - 1] == '%' ? "%" : "";
    double shown = *unit ? 100 * v : v;
    for (int decimals = 2; decimals >= 0 && fabs(shown) >= 0.995; decimals--)
        if (fmt_scaled(out, shown, decimals, unit) && strlen(out) <= most)
            return out;
    fmt_power(out, shown, unit);
    return out;
}

/* Digits enough that a ratio and the limit that it passed do not read alike. */
const char *fmt_ratio(char out[FMT_MAX], double ratio)
{
    double x = fabs(ratio);
    int digits = x < 9.995 ? 2 : x < 99.95 ? 1 : 0;

    if (isnan(ratio))
        snprintf(out, FMT_MAX, "?");
    else if (x >= 1e4)
        snprintf(out, FMT_MAX, isfinite(x) ? "10^%.0fx" : "?", floor(log10(x)));
    else
        snprintf(out, FMT_MAX, "%.*fx", digits, ratio);
    return out;
}

bool fmt_dur_parse(const char *s, int64_t *us)
{
    static const struct {
        const char *unit;
        int64_t us;
    } units[] = {{"ms", US_PER_MS},  {"s", US_PER_S},   {"m", US_PER_MIN},
                 {"h", US_PER_HOUR}, {"d", US_PER_DAY}, {"y", 365 * US_PER_DAY}};
    int64_t total = 0, last = INT64_MAX;
    if (!*s)
        return false;
    while (*s) {
        int64_t v = 0;
        int n = 0;
        for (; *s >= '0' && *s <= '9'; s++, n++) {
            if (n >= 9)
                return false;
            v = v * 10 + (*s - '0');
        }
        if (n == 0)
            return false;
        size_t u = 0, len = 0;
        for (; u < sizeof units / sizeof units[0]; u++) {
            len = strlen(units[u].unit);
            if (strncmp(s, units[u].unit, len) == 0)
                break;
        }
        /* Units come once, largest first: "30m1h" is a slip, not a duration. */
        if (u == sizeof units / sizeof units[0] || units[u].us >= last)
            return false;
        last = units[u].us;
        if (v > (INT64_MAX / 4) / units[u].us)
            return false;
        total += v * units[u].us;
        if (total > INT64_MAX / 4)
            return false;
        s += len;
    }
    *us = total;
    return true;
}

const char *fmt_hexfloat(char out[FMT_MAX], double v)
{
    if (isnan(v))
        snprintf(out, FMT_MAX, "nan");
    else if (isinf(v))
        snprintf(out, FMT_MAX, "%s", v > 0 ? "inf" : "-inf");
    else
        snprintf(out, FMT_MAX, "%a", v); /* the C locale's point: LC_NUMERIC is never set, see tui/term.c */
    return out;
}
