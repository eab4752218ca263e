/* CVE records: as the CVE Program publishes them (JSON 5.x, cveproject.github.io/cve-schema; one file, one record) with
 * CISA's container in them, and as NVD does (API and feeds 2.0; elements of "vulnerabilities"). */
#ifndef ANDON_INTEL_CVE_H
#define ANDON_INTEL_CVE_H

#include <stdbool.h>
#include <stddef.h>
#include "core/advisory.h"
#include "core/arena.h"
#include "core/err.h"
#include "core/json.h"

#define NVD_KEY "vulnerabilities"

/* What the CVE record names as affected becomes configurations of CPEs, whose part is "*" where it gives none: versions
 * in the CPE where it lists them, else a range. A wildcard at the end of a bound is its highest version; types of
 * version without an order make ->unordered, a bound that was badly converted ->doubtful. */
bool cve5_read(const char *bytes, size_t n, struct arena *a, struct advisory *out, struct err *e) ANDON_MUST_USE;
bool nvd_read(const char *bytes, size_t n, struct arena *a, struct advisory *out, struct err *e) ANDON_MUST_USE;
/* What stands around NVD's records: when the file was made. A totalResults that fits on its page must be the number of
 * records. */
bool nvd_end(const char *around, size_t n, size_t records, int64_t *released, struct err *e) ANDON_MUST_USE;

/* For both: NVD's "configurations", which a CVE record calls "cpeApplicability". */
void cve_configs(const struct json_t *of, const char *key, struct arena *a, struct advisory *out);
/* The first text in English; "". */
const char *cve_text(const struct json_t *of, struct arena *a);
/* disputed, unsupported-when-assigned, exclusively-hosted-service */
void cve_tags(const struct json_t *list, size_t n, struct advisory *out);
/* A score with a vector, or only stated; false: neither. */
bool cve_score(const struct json_t *cvss, struct arena *a, struct adv_score *out);

#endif
