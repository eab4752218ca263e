#include "intel/field.h"

#include "core/clock.h"
#include "core/text.h"

#define DOC_MAX ((size_t)256 << 20)

static const struct json_skip unused[] = {
    {"details", 2 * FIELD_SUMMARY},
    {"references", 0},
    {"database_specific", 0},
    {"ecosystem_specific", 0},
    {"credits", 0},
    {"weaknesses", 0},
    {"problemTypes", 0},
    {"x_legacyV4Record", 0},
    {"matchCriteriaId", 0},
    {NULL, 0},
};

static struct json_t *object(struct json_t *doc, const char *what, struct err *e)
{
    if (doc && !json_is_obj(doc)) {
        json_free(doc);
        err_set(e, ERR_SYNTAX, "", "%s: expected an object", what);
        return NULL;
    }
    return doc;
}

struct json_t *field_doc(const char *bytes, size_t n, const char *what, struct err *e)
{
    return object(json_parse_deep(bytes, n, DOC_MAX, FIELD_DEPTH, what, e), what, e);
}

struct json_t *field_record(const char *bytes, size_t n, const char *what, struct err *e)
{
    return object(json_parse_without(bytes, n, unused, FIELD_DEPTH, what, e), what, e);
}

const char *field_bytes(struct arena *a, struct slice s, size_t max)
{
    size_t i = 0;
    while (i < s.n && s.p[i] >= 0x20 && s.p[i] < 0x7f)
        i++;
    if (s.n == 0)
        return "";
    return i == s.n && s.n <= max ? arena_strndup(a, s.p, s.n) : safe_text(a, s.p, s.n, max);
}

const char *field_value(struct arena *a, const struct json_t *v, size_t max)
{
    size_t n = 0;
    const char *p = json_str_value(v, &n);
    return field_bytes(a, (struct slice){p, p ? n : 0}, max);
}

const char *field_text(struct arena *a, const struct json_t *obj, const char *key, size_t max)
{
    return field_value(a, json_get(obj, key), max);
}

/* Digits at *at; false: there are not as many. */
static bool digits(struct slice s, size_t *at, size_t many, int64_t *out)
{
    *out = 0;
    for (size_t end = *at + many; *at < end; ++*at) {
        if (*at >= s.n || s.p[*at] < '0' || s.p[*at] > '9')
            return false;
        *out = *out * 10 + (s.p[*at] - '0');
    }
    return true;
}

static bool is_byte(struct slice s, size_t *at, char c)
{
    if (*at >= s.n || s.p[*at] != c)
        return false;
    ++*at;
    return true;
}

/* Days since 1970-01-01 of a date of the Gregorian calendar: era of 400 years, year from March. */
static int64_t days(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = y / 400, yoe = y - era * 400, doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool fraction(struct slice s, size_t *at, int64_t *us)
{
    int64_t unit = US_PER_S / 10;
    if (!is_byte(s, at, '.'))
        return true;
    if (*at >= s.n || s.p[*at] < '0' || s.p[*at] > '9')
        return false;
    for (; *at < s.n && s.p[*at] >= '0' && s.p[*at] <= '9'; ++*at) {
        *us += (s.p[*at] - '0') * unit;
        unit /= 10;
    }
    return true;
}

/* "Z", "+02:00", "+0000", or nothing. */
static bool zone(struct slice s, size_t at, int64_t *us)
{
    int64_t h, m, sign = at < s.n && s.p[at] == '-' ? 1 : -1;
    if (at == s.n || (is_byte(s, &at, 'Z') && at == s.n))
        return true;
    if (!is_byte(s, &at, '+') && !is_byte(s, &at, '-'))
        return false;
    if (!digits(s, &at, 2, &h))
        return false;
    is_byte(s, &at, ':');
    if (!digits(s, &at, 2, &m) || at != s.n || h > 23 || m > 59)
        return false;
    *us += sign * (h * US_PER_HOUR + m * US_PER_MIN);
    return true;
}

int64_t field_time_of(struct slice s)
{
    size_t at = 0;
    int64_t y, m, d, h, mi, se, us;
    if (!digits(s, &at, 4, &y) || !is_byte(s, &at, '-') || !digits(s, &at, 2, &m) || !is_byte(s, &at, '-') ||
        !digits(s, &at, 2, &d) || y < 1970 || m < 1 || m > 12 || d < 1 || d > 31)
        return 0;
    us = days(y, m, d) * US_PER_DAY;
    if (at == s.n)
        return us;
    if ((!is_byte(s, &at, 'T') && !is_byte(s, &at, ' ')) || !digits(s, &at, 2, &h) || !is_byte(s, &at, ':') ||
        !digits(s, &at, 2, &mi) || h > 23 || mi > 59)
        return 0;
    se = 0;
    if (is_byte(s, &at, ':') && (!digits(s, &at, 2, &se) || se > 60))
        return 0;
    us += h * US_PER_HOUR + mi * US_PER_MIN + se * US_PER_S;
    return fraction(s, &at, &us) && zone(s, at, &us) ? us : 0;
}

int64_t field_time(const struct json_t *obj, const char *key)
{
    size_t n = 0;
    const char *p = json_str(obj, key, &n);
    return p ? field_time_of((struct slice){p, n}) : 0;
}

const char *field_id_of(struct arena *a, struct slice s)
{
    if (s.n == 0 || s.n >= ADV_ID_MAX)
        return "";
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
            return "";
    return arena_strndup(a, s.p, s.n);
}

const char *field_id(struct arena *a, const struct json_t *obj, const char *key)
{
    size_t n = 0;
    const char *p = json_str(obj, key, &n);
    return field_id_of(a, (struct slice){p, p ? n : 0});
}

size_t field_list(const struct json_t *obj, const char *key, const struct json_t **list)
{
    *list = json_get(obj, key);
    size_t n = json_is_arr(*list) ? json_len(*list) : 0;
    return n < FIELD_MANY ? n : FIELD_MANY;
}

bool field_is(const struct json_t *obj, const char *key, const char *word)
{
    size_t n = 0;
    const char *p = json_str(obj, key, &n);
    return p && slice_is_nocase((struct slice){p, n}, word);
}

int field_tenths(const struct json_t *obj, const char *key)
{
    double v;
    return json_num(obj, key, &v) && v >= 0 && v <= 10 ? (int)(v * 10 + 0.5) : -1;
}
