#include "intel/source.h"

#include "core/clock.h"

const struct intel_kind_row intel_kinds[INTEL_KINDS] = {
    [INTEL_OSV] = {"osv", "OSV",
                   "OSV.dev: each database its own: GitHub, PyPI, Go CC-BY 4.0; RustSec CC0; Ubuntu CC-BY-SA 4.0",
                   2 * US_PER_DAY},
    [INTEL_CVE5] = {"cve5", "CVE", "CVE Program, with CISA's containers: free to use, with the CVE notice",
                    2 * US_PER_DAY},
    [INTEL_NVD] = {"nvd", "NVD", "public domain; this product uses data from the NVD but is not endorsed by the NVD",
                   2 * US_PER_DAY},
    [INTEL_KEV] = {"kev", "KEV", "CISA: CC0", 5 * US_PER_DAY},
    [INTEL_EPSS] = {"epss", "EPSS", "EPSS by FIRST (first.org/epss)", 2 * US_PER_DAY},
    [INTEL_VEX] = {"vex", "VEX", "", 0},
    [INTEL_SBOM] = {"sbom", "SBOM", "", 0},
    [INTEL_EOL] = {"eol", "EOL", "endoflife.date: MIT", 90 * US_PER_DAY},
    [INTEL_OTHERS] = {"peers", "others", "", 0},
};

int64_t intel_age(const struct intel_source *s, int64_t now)
{
    int64_t at = s->newest > s->released ? s->newest : s->released;
    return at ? now - at : -1;
}

bool intel_stale(const struct intel_source *s, int64_t now)
{
    int64_t most = intel_kinds[s->kind].stale;
    return most && (intel_age(s, now) < 0 || intel_age(s, now) > most);
}
