/* Is a version of a package among those that an OSV record calls affected? (ossf.github.io/osv-schema, "Evaluation")
 *
 * A version is affected when it is listed or any range includes it. A range: when it has limits, the version must be
 * below one of them; of its other events, those that apply are "introduced" at or below the version, "fixed" at or
 * below it, "last_affected" below it; the one of the highest version decides (of equal ones the last in the file). "0"
 * is before every version. */
#ifndef ANDON_CORE_OSV_RANGE_H
#define ANDON_CORE_OSV_RANGE_H

#include <stdbool.h>
#include "core/advisory.h"
#include "core/finding.h"

struct osv_answer {
    enum adv_answer affected; /* ADV_UNKNOWN: cannot be judged */
    enum finding_why why;
    /* When affected: the smallest version above it that ends every range that includes it, as the record writes it.
     * "" = none is stated, as with "last_affected". */
    const char *fixed;
    bool doubtful; /* affected by nothing but a range that was converted badly */
};

/* Why: in range; before introduced, at or above the fix, above the last, between ranges, not below the limit; no order
 * (the version or an event's is none of the range's scheme), commits only, no version. */
struct osv_answer osv_range_judge(const struct adv_range *r, const char *version);
/* All of a package's ranges and its list. Why, beside those: listed, outside (not listed, and no range can tell more).
 * Commits cannot be judged and say nothing where another range can. A list has no order, but "1.0" and "v1.0" of semver
 * are the same, and so are two spellings of the other schemes. */
struct osv_answer osv_package_judge(const struct adv_affected *p, const char *version);

#endif
