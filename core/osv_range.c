#include "core/osv_range.h"

#include "core/slice.h"

static struct osv_answer answer(enum adv_answer affected, enum finding_why why)
{
    return (struct osv_answer){.affected = affected, .why = why, .fixed = ""};
}

static bool is_zero(const char *v)
{
    return v[0] == '0' && v[1] == '\0';
}

/* An event's version and another. False: no order. */
static bool compare(const struct adv_range *r, const struct adv_event *ev, const char *v, int *order)
{
    *order = -1;
    return (ev->kind == ADV_INTRODUCED && is_zero(ev->version)) ||
           version_compare(r->scheme, slice_of(ev->version), slice_of(v), order);
}

/* Which of two events comes first; one without an order comes last. */
static int compare_events(const struct adv_range *r, const struct adv_event *a, const struct adv_event *b)
{
    int order;
    bool zero = b->kind == ADV_INTRODUCED && is_zero(b->version);
    if (zero)
        return !(a->kind == ADV_INTRODUCED && is_zero(a->version));
    return compare(r, a, b->version, &order) ? order : 1;
}

/* A commit of git: 40 hexadecimal digits, or 64. */
static bool is_commit(const char *v)
{
    struct slice s = slice_of(v);
    for (size_t i = 0; i < s.n; i++)
        if (!byte_in(s.p[i], "0123456789abcdefABCDEF"))
            return false;
    return s.n == 40 || s.n == 64;
}

static bool commits_only(const struct adv_range *r)
{
    bool any = false;
    for (size_t i = 0; i < r->n_events; i++) {
        if (!is_zero(r->events[i].version) && !is_commit(r->events[i].version))
            return false;
        any = any || is_commit(r->events[i].version);
    }
    return any;
}

/* Is there no limit, or is the version below one? False: cannot be told. */
static bool below_limit(const struct adv_range *r, const char *version, bool *below)
{
    bool any = false;
    *below = false;
    for (size_t i = 0; i < r->n_events; i++) {
        const char *limit = r->events[i].version;
        int order = -1;
        if (r->events[i].kind != ADV_LIMIT)
            continue;
        any = true;
        if (!(limit[0] == '*' && limit[1] == '\0') &&
            !version_compare(r->scheme, slice_of(version), slice_of(limit), &order))
            return false;
        *below = *below || order < 0;
    }
    *below = *below || !any;
    return true;
}

struct osv_answer osv_range_judge(const struct adv_range *r, const char *version)
{
    const struct adv_event *last = NULL, *fix = NULL;
    bool again = false, below; /* again: introduced above the version */
    int order;
    if (!*version)
        return answer(ADV_UNKNOWN, WHY_NO_VERSION);
    if (r->scheme == VERSION_NONE)
        return answer(ADV_UNKNOWN, commits_only(r) ? WHY_COMMITS_ONLY : WHY_NO_ORDER);
    if (!version_compare(r->scheme, slice_of(version), slice_of(version), &order) || !below_limit(r, version, &below))
        return answer(ADV_UNKNOWN, WHY_NO_ORDER);
    for (size_t i = 0; i < r->n_events; i++) {
        const struct adv_event *ev = &r->events[i];
        if (ev->kind == ADV_LIMIT)
            continue;
        if (!compare(r, ev, version, &order))
            return answer(ADV_UNKNOWN, WHY_NO_ORDER);
        bool above = order > 0, applies = ev->kind == ADV_LAST_AFFECTED ? order < 0 : order <= 0;
        if (applies && (!last || compare_events(r, ev, last) >= 0))
            last = ev;
        if (above && ev->kind == ADV_FIXED && (!fix || compare_events(r, ev, fix) < 0))
            fix = ev;
        again = again || (above && ev->kind == ADV_INTRODUCED);
    }
    if (!below)
        return answer(ADV_NO, WHY_NOT_BELOW_LIMIT);
    if (!last)
        return answer(ADV_NO, WHY_BEFORE_INTRODUCED);
    if (last->kind != ADV_INTRODUCED)
        return answer(ADV_NO, again                     ? WHY_BETWEEN_RANGES
                              : last->kind == ADV_FIXED ? WHY_AT_OR_ABOVE_FIX
                                                        : WHY_ABOVE_LAST);
    struct osv_answer in = answer(ADV_YES, WHY_IN_RANGE);
    in.fixed = fix ? fix->version : "";
    in.doubtful = r->doubtful;
    return in;
}

static struct slice without_v(const char *version)
{
    struct slice s = slice_of(version);
    return s.n > 1 && *s.p == 'v' ? (struct slice){s.p + 1, s.n - 1} : s;
}

/* Build metadata does not order, but it does tell one listed version from another. */
static bool is_listed(const struct adv_affected *p, const char *version)
{
    enum version_scheme scheme = version_scheme_of(slice_of(p->ecosystem));
    for (size_t i = 0; i < p->n_versions; i++) {
        int order;
        if (slice_is(slice_of(version), p->versions[i]))
            return true;
        if (scheme == VERSION_SEMVER
                ? slice_same(without_v(version), without_v(p->versions[i]))
                : version_compare(scheme, slice_of(version), slice_of(p->versions[i]), &order) && order == 0)
            return true;
    }
    return false;
}

/* Of two ranges that do not include it. */
static enum finding_why either(enum finding_why a, enum finding_why b)
{
    static const enum finding_why past[] = {WHY_AT_OR_ABOVE_FIX, WHY_ABOVE_LAST, WHY_NOT_BELOW_LIMIT};
    if (a == WHY_NONE || a == b || b == WHY_BETWEEN_RANGES)
        return b;
    if (b == WHY_NONE || a == WHY_BETWEEN_RANGES)
        return a;
    if (a == WHY_BEFORE_INTRODUCED || b == WHY_BEFORE_INTRODUCED)
        return WHY_BETWEEN_RANGES;
    for (size_t i = 0; i < sizeof past / sizeof *past; i++)
        if (a == past[i] || b == past[i])
            return past[i];
    return a;
}

/* Of two ranges that include it: both must be ended. */
static const char *later_fix(const struct adv_range *r, const char *a, const char *b)
{
    int order;
    if (!*a || !*b || !version_compare(r->scheme, slice_of(a), slice_of(b), &order))
        return "";
    return order < 0 ? b : a;
}

/* Of a listed version that no range includes: the smallest fix above it of any. */
static const char *any_fix(const struct adv_affected *p, const char *version)
{
    const struct adv_event *best = NULL;
    for (size_t i = 0; i < p->n_ranges; i++)
        for (size_t k = 0; k < p->ranges[i].n_events; k++) {
            const struct adv_range *r = &p->ranges[i];
            int order;
            if (r->events[k].kind == ADV_FIXED && compare(r, &r->events[k], version, &order) && order > 0 &&
                (!best || compare_events(r, &r->events[k], best) < 0))
                best = &r->events[k];
        }
    return best ? best->version : "";
}

struct osv_answer osv_package_judge(const struct adv_affected *p, const char *version)
{
    struct osv_answer in = answer(ADV_NO, WHY_NONE);
    enum finding_why out = WHY_NONE, unknown = WHY_NONE;
    if (!*version)
        return answer(ADV_UNKNOWN, WHY_NO_VERSION);
    if (!*p->ecosystem)
        return answer(ADV_UNKNOWN, WHY_NO_PACKAGE);
    for (size_t i = 0; i < p->n_ranges; i++) {
        struct osv_answer one = osv_range_judge(&p->ranges[i], version);
        if (one.affected == ADV_NO)
            out = either(out, one.why);
        else if (one.affected == ADV_UNKNOWN)
            unknown = unknown == WHY_NO_ORDER ? unknown : one.why;
        else if (in.affected != ADV_YES)
            in = one;
        else {
            in.fixed = later_fix(&p->ranges[i], in.fixed, one.fixed);
            in.doubtful = in.doubtful && one.doubtful;
        }
    }
    if (is_listed(p, version)) {
        if (in.affected != ADV_YES)
            in.fixed = any_fix(p, version);
        in.affected = ADV_YES;
        in.why = WHY_LISTED;
        in.doubtful = false;
    }
    if (in.affected == ADV_YES)
        return in;
    bool ordered = version_scheme_of(slice_of(p->ecosystem)) != VERSION_NONE;
    if (unknown == WHY_NO_ORDER && (ordered || p->n_versions == 0))
        return answer(ADV_UNKNOWN, unknown);
    if (out != WHY_NONE)
        return answer(ADV_NO, out);
    if (unknown == WHY_COMMITS_ONLY)
        return answer(ADV_UNKNOWN, unknown);
    return p->n_versions > 0 ? answer(ADV_NO, WHY_OUTSIDE) : answer(ADV_UNKNOWN, WHY_NO_PRODUCT_DATA);
}
