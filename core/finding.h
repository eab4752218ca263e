/* The answer for one release and one vulnerability: what core/match.h computes. */
#ifndef ANDON_CORE_FINDING_H
#define ANDON_CORE_FINDING_H

#include <stdbool.h>

enum finding_status {
    FINDING_UNKNOWN = 0, /* never counted as clean */
    FINDING_AFFECTED,
    FINDING_DOUBTFUL, /* stays in the queue, marked */
    FINDING_FIXED,    /* says somebody, or its version is that of a fix or above */
    FINDING_NOT_AFFECTED,
    FINDING_STATUSES
};

/* Why: a code for one sentence (finding_why_text). */
enum finding_why {
    WHY_NONE = 0,
    /* affected */
    WHY_IN_RANGE,
    WHY_LISTED,
    WHY_CPE,
    WHY_CPE_HARDWARE,
    WHY_CNA,
    WHY_VEX_AFFECTED,
    /* not affected, fixed */
    WHY_AT_OR_ABOVE_FIX,
    WHY_ABOVE_LAST,
    WHY_BEFORE_INTRODUCED,
    WHY_BETWEEN_RANGES,
    WHY_NOT_BELOW_LIMIT,
    WHY_OUTSIDE,
    WHY_OTHER_HARDWARE,
    WHY_NOT_APPLICABLE,
    WHY_OTHER_PRODUCT,
    WHY_NOT_PRESENT,
    WHY_WITHDRAWN,
    WHY_REJECTED,
    WHY_VEX_NOT_AFFECTED,
    WHY_VEX_FIXED,
    /* doubtful */
    WHY_DISPUTED,
    WHY_CONVERTED,
    WHY_REJECTED_ELSEWHERE,
    WHY_CPE_GUESS,
    /* unknown */
    WHY_NO_ORDER,
    WHY_NO_VERSION,
    WHY_NO_EDITION,
    WHY_NO_HARDWARE,
    WHY_COMMITS_ONLY,
    WHY_NO_PACKAGE,
    WHY_NO_PRODUCT_DATA,
    WHY_NO_SBOM,
    WHY_VEX_INVESTIGATING,
    WHY_COUNT
};

struct finding {
    const char *release; /* "NAME:VERSION" */
    const char *id;      /* of the group: its CVE, else its smallest id */
    enum finding_status status;
    enum finding_why why;
    const char *by;        /* the advisories or the VEX document that say so */
    const char *component; /* name and version of the part */
    const char *version;
    /* Smallest version of the component above it that an advisory calls fixed and none of them calls affected; "" =
     * there is none that is stated. */
    const char *fixed_in;
    bool disputed;  /* by its record or by NVD */
    bool suspended; /* a record of it is rejected, but another advisory lives */
};

/* Does it stand in the queue? Affected or doubtful; a guess by CPE for a package that its own ecosystem's records judge
 * does not: this is where most false alarms of other matchers come from. It is listed, and counted. */
bool finding_queued(const struct finding *f);
/* Which is the worse of two for the same vulnerability: > 0, a is. Affected, doubtful, unknown, a guess, fixed, not
 * affected. */
int finding_cmp(const struct finding *a, const struct finding *b);

/* A sentence's fixed part: "its version is in the affected range"; the values stand beside it. "" for WHY_NONE. */
const char *finding_why_text(enum finding_why w);
/* A stable word for JSON and the log: "in-range". */
const char *finding_why_word(enum finding_why w);
const char *finding_status_word(enum finding_status s); /* "not affected" */

#endif
