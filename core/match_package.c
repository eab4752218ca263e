#include <string.h>

#include "core/match_inner.h"
#include "core/osv_range.h"

size_t match_fix_insert(enum version_scheme scheme, const char *version, const char *fix, const char **out, size_t n,
                        size_t max)
{
    int order = 0;
    if (!version_compare(scheme, slice_of(fix), slice_of(version), &order) || order <= 0)
        return n;
    size_t at = n;
    for (; at > 0; at--) {
        if (!version_compare(scheme, slice_of(fix), slice_of(out[at - 1]), &order) || order > 0)
            break;
        if (order == 0)
            return n;
    }
    if (at == max)
        return n;
    if (n == max)
        n--;
    memmove(&out[at + 1], &out[at], (n - at) * sizeof *out);
    out[at] = fix;
    return n + 1;
}

struct match_verdict match_package(const struct adv_affected *of, const char *version)
{
    struct osv_answer is = osv_package_judge(of, version);
    if (is.affected == ADV_YES)
        return is.doubtful ? (struct match_verdict){FINDING_DOUBTFUL, WHY_CONVERTED}
                           : (struct match_verdict){FINDING_AFFECTED, is.why};
    if (is.affected == ADV_UNKNOWN)
        return (struct match_verdict){FINDING_UNKNOWN, is.why};
    return (struct match_verdict){is.why == WHY_AT_OR_ABOVE_FIX ? FINDING_FIXED : FINDING_NOT_AFFECTED, is.why};
}

size_t match_fixes(const struct adv_affected *of, const char *version, const char **out, size_t n, size_t max)
{
    for (size_t i = 0; i < of->n_ranges; i++)
        for (size_t k = 0; k < of->ranges[i].n_events; k++)
            if (of->ranges[i].events[k].kind == ADV_FIXED)
                n = match_fix_insert(of->ranges[i].scheme, version, of->ranges[i].events[k].version, out, n, max);
    return n;
}
