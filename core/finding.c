#include "core/finding.h"

static const struct {
    const char *word, *text;
} whys[WHY_COUNT] = {
    [WHY_NONE] = {"none", ""},
    [WHY_IN_RANGE] = {"in-range", "its version is in the affected range"},
    [WHY_LISTED] = {"listed", "its version is listed as affected"},
    [WHY_CPE] = {"cpe", "its CPE is in NVD's affected range"},
    [WHY_CPE_HARDWARE] = {"cpe-hardware", "its CPE is in NVD's affected range, and so is what it must run on"},
    [WHY_CNA] = {"cna", "the CVE record's own product data include its version"},
    [WHY_VEX_AFFECTED] = {"vex-affected", "a VEX statement says affected"},
    [WHY_AT_OR_ABOVE_FIX] = {"at-or-above-fix", "its version is that of the fix or above"},
    [WHY_ABOVE_LAST] = {"above-last-affected", "its version is above the last affected one"},
    [WHY_BEFORE_INTRODUCED] = {"before-introduced", "its version is before the first affected one"},
    [WHY_BETWEEN_RANGES] = {"between-ranges", "its version is between two affected ranges"},
    [WHY_NOT_BELOW_LIMIT] = {"not-below-limit", "its version is not below the limit of the range"},
    [WHY_OUTSIDE] = {"outside", "its version is in no affected range"},
    [WHY_OTHER_HARDWARE] = {"other-hardware", "affected only on other hardware or beside another product"},
    [WHY_NOT_APPLICABLE] = {"not-applicable", "the CPE says that a version does not apply"},
    [WHY_OTHER_PRODUCT] = {"other-product", "another vendor's product of the same name"},
    [WHY_NOT_PRESENT] = {"not-present", "none of the affected products is among its parts"},
    [WHY_WITHDRAWN] = {"withdrawn", "the advisory was withdrawn"},
    [WHY_REJECTED] = {"rejected", "the CVE was rejected"},
    [WHY_VEX_NOT_AFFECTED] = {"vex-not-affected", "a VEX statement says not affected"},
    [WHY_VEX_FIXED] = {"vex-fixed", "a VEX statement says fixed"},
    [WHY_DISPUTED] = {"disputed", "affected as it seems, but the CVE is disputed"},
    [WHY_CONVERTED] = {"converted", "the range was converted badly at its source and may mean one version only"},
    [WHY_REJECTED_ELSEWHERE] = {"rejected-elsewhere", "its CVE was rejected, another advisory still says affected"},
    [WHY_CPE_GUESS] = {"cpe-guess", "a guess by CPE: its own ecosystem's records do not list it"},
    [WHY_NO_ORDER] = {"no-order", "versions of this kind cannot be compared"},
    [WHY_NO_VERSION] = {"no-version", "the part has no version"},
    [WHY_NO_EDITION] = {"no-edition", "the part's CPE does not say which edition or target it is"},
    [WHY_NO_HARDWARE] = {"no-hardware", "what it runs on is not known"},
    [WHY_COMMITS_ONLY] = {"commits-only", "only commits are given"},
    [WHY_NO_PACKAGE] = {"no-package", "the advisory names no package"},
    [WHY_NO_PRODUCT_DATA] = {"no-product-data", "no source says which products are affected"},
    [WHY_NO_SBOM] = {"no-sbom", "the release has no SBOM"},
    [WHY_VEX_INVESTIGATING] = {"vex-under-investigation", "a VEX statement says under investigation"},
};

const char *finding_why_text(enum finding_why w)
{
    return (unsigned)w < WHY_COUNT ? whys[w].text : "";
}

const char *finding_why_word(enum finding_why w)
{
    return whys[(unsigned)w < WHY_COUNT ? w : WHY_NONE].word;
}

const char *finding_status_word(enum finding_status s)
{
    static const char *const words[FINDING_STATUSES] = {"unknown", "affected", "doubtful", "fixed", "not affected"};
    return words[(unsigned)s < FINDING_STATUSES ? s : FINDING_UNKNOWN];
}

bool finding_queued(const struct finding *f)
{
    return f->status == FINDING_AFFECTED || (f->status == FINDING_DOUBTFUL && f->why != WHY_CPE_GUESS);
}

int finding_cmp(const struct finding *a, const struct finding *b)
{
    static const int worst[FINDING_STATUSES] = {[FINDING_NOT_AFFECTED] = 1,
                                                [FINDING_FIXED] = 2,
                                                [FINDING_UNKNOWN] = 4,
                                                [FINDING_DOUBTFUL] = 5,
                                                [FINDING_AFFECTED] = 6};
    int x = a->why == WHY_CPE_GUESS ? 3 : worst[a->status], y = b->why == WHY_CPE_GUESS ? 3 : worst[b->status];
    return x - y;
}
