/* Versions of packages, and the ranges of a record: what is a version is the same as itself, and three of them have one
 * order; a version that a range includes is told its fix only when that is above it. */
#include "fuzz.h"

#include <string.h>
#include "core/osv_range.h"

static int compare(enum version_scheme s, struct slice a, struct slice b, bool *both)
{
    int ab, ba;
    *both = version_compare(s, a, b, &ab);
    must(version_compare(s, b, a, &ba) == *both);
    must(ab == -ba && ab >= -1 && ab <= 1 && (*both || ab == 0));
    return ab;
}

static void ordered(enum version_scheme s, const struct slice v[3])
{
    bool ab, bc, ac;
    for (int i = 0; i < 3; i++)
        must(compare(s, v[i], v[i], &ab) == 0);
    int x = compare(s, v[0], v[1], &ab), y = compare(s, v[1], v[2], &bc), z = compare(s, v[0], v[2], &ac);
    if (ab && bc) {
        must(ac);
        must(x == 0 ? z == y : y == 0 ? z == x : x != y || z == x);
    }
}

static void ranged(enum version_scheme s, const struct slice v[3])
{
    char text[3][VERSION_MAX + 1];
    for (int i = 0; i < 3; i++) {
        size_t n = v[i].n < VERSION_MAX ? v[i].n : VERSION_MAX;
        if (n > 0)
            memcpy(text[i], v[i].p, n);
        text[i][n] = '\0';
    }
    for (int kind = ADV_FIXED; kind <= ADV_LIMIT; kind++) {
        struct adv_event ev[] = {{(enum adv_event_kind)kind, text[1]}, {ADV_INTRODUCED, text[2]}};
        struct adv_range r = {.scheme = s, .events = ev, .n_events = 2};
        struct adv_affected p = {.ecosystem = "npm", .name = "x", .vector = "", .ranges = &r, .n_ranges = 1};
        struct osv_answer one = osv_range_judge(&r, text[0]), all = osv_package_judge(&p, text[0]);
        must(one.affected == all.affected && strcmp(one.fixed, all.fixed) == 0);
        must((one.why == WHY_IN_RANGE) == (one.affected == ADV_YES));
        int order;
        if (*one.fixed)
            must(version_compare(s, slice_of(one.fixed), slice_of(text[0]), &order) && order > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    enum version_scheme s = (enum version_scheme)(data[0] % (VERSION_SCHEMES + 1));
    struct slice rest = {(const char *)data + 1, n - 1}, v[3] = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
    version_scheme_of(rest);
    for (int i = 0; i < 3 && rest.n > 0; i++) {
        const char *end = memchr(rest.p, '\n', rest.n);
        v[i] = (struct slice){rest.p, end && i < 2 ? (size_t)(end - rest.p) : rest.n};
        rest = end ? (struct slice){end + 1, rest.n - (size_t)(end - rest.p) - 1} : (struct slice){NULL, 0};
    }
    ordered(s, v);
    ranged(s, v);
    return 0;
}
