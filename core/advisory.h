/* What is known about vulnerabilities, in one form whatever file it came from: what a reader of intel/ makes and the
 * matching (core/match.h) takes.
 *
 * Values only; strings are NUL-terminated, have passed safe_text(), are never NULL ("" = not said) and live in the
 * arena of whoever made them. Times are microseconds since the epoch, 0 = not said. Sources: OSV schema 1.x
 * (ossf.github.io/osv-schema), CVE JSON 5.x (cveproject.github.io/cve-schema), NVD API 2.0. */
#ifndef ANDON_CORE_ADVISORY_H
#define ANDON_CORE_ADVISORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/version.h"

#define ADV_ID_MAX 64 /* longest id of an advisory, with the NUL; a longer one is no id */

enum adv_source {
    ADV_OSV = 0,
    ADV_CVE5, /* the CVE record: the CNA's container and CISA's */
    ADV_NVD,
    ADV_SOURCES
};

enum adv_state { ADV_LIVE = 0, ADV_WITHDRAWN, ADV_REJECTED };

enum adv_ref_kind {
    ADV_ALIAS = 0, /* the same vulnerability: symmetric, transitive */
    ADV_UPSTREAM,  /* a distribution's advisory about it: directed, from this one to the other */
    ADV_RELATED    /* joins nothing */
};

struct adv_ref {
    enum adv_ref_kind kind;
    const char *id;
};

enum adv_event_kind { ADV_INTRODUCED = 0, ADV_FIXED, ADV_LAST_AFFECTED, ADV_LIMIT };

struct adv_event {
    enum adv_event_kind kind;
    const char *version; /* "0": before everything; "*" of a limit: infinity */
};

/* Walked as OSV says; events in any order. */
struct adv_range {
    enum version_scheme scheme; /* VERSION_NONE: cannot be judged (GIT, "custom") */
    bool doubtful;              /* converted badly at its source: version == lessThanOrEqual of old CVE records */
    const struct adv_event *events;
    size_t n_events;
};

/* A package. A version is affected when it is listed or any range includes it. */
struct adv_affected {
    const char *ecosystem; /* "Debian:12", "PyPI"; "" = no package, cannot be judged */
    const char *name;      /* normalised as purl_key() does */
    const char *vector;    /* of CVSS, for this package; "" = the advisory's */
    const struct adv_range *ranges;
    size_t n_ranges;
    const char *const *versions;
    size_t n_versions;
};

/* One cpeMatch of NVD, or one affected product of a CVE record. */
struct adv_cpe {
    const char *criteria;    /* CPE 2.3 formatted string; part "*" = not said (a CVE record's vendor and product) */
    const char *start, *end; /* "" = open */
    bool start_excluded, end_included;
    bool vulnerable; /* false: must be there as well ("running on") */
    bool doubtful;   /* as in struct adv_range */
    bool unordered;  /* its versions cannot be compared (git, custom) */
};

struct adv_node {
    bool all; /* AND; else OR */
    bool negate;
    const struct adv_cpe *cpes;
    size_t n_cpes;
};

struct adv_config {
    bool all; /* AND over its nodes; else OR */
    bool negate;
    const struct adv_node *nodes;
    size_t n_nodes;
};

struct adv_score {
    const char *vector; /* of CVSS 2, 3.0, 3.1 or 4.0; "" = only stated */
    const char *by;     /* "nvd@nist.gov", "CNA" */
    bool primary;
    bool stated; /* without a vector */
    int tenths;  /* the stated score, 0..100 */
};

enum adv_answer { ADV_UNKNOWN = 0, ADV_NO, ADV_YES };

/* CISA's decision points in a CVE record (Vulnrichment). */
enum adv_exploitation { ADV_EXPLOIT_UNKNOWN = 0, ADV_EXPLOIT_NONE, ADV_EXPLOIT_POC, ADV_EXPLOIT_ACTIVE };

struct advisory {
    const char *id;
    enum adv_source source;
    enum adv_state state;
    int64_t published, modified, withdrawn;
    bool disputed, unsupported, hosted; /* tags of the CVE record or of NVD */
    const char *summary;                /* at most 160 bytes */
    const struct adv_ref *refs;
    size_t n_refs;
    const struct adv_affected *affected;
    size_t n_affected;
    const struct adv_config *configs; /* any of them */
    size_t n_configs;
    const struct adv_score *scores;
    size_t n_scores;
    enum adv_exploitation exploitation;
    enum adv_answer automatable, total_impact;
    bool kev; /* CISA's container says so */
    int64_t kev_added;
    int64_t learned; /* first import here that had it; of a store, 0 otherwise */
};

/* What lists say of one CVE. */
struct adv_listed {
    const char *id;
    int64_t kev_added, kev_until; /* until: not in the list any more since then */
    bool ransomware;
    bool scored;             /* EPSS has it */
    double epss, percentile; /* 0..1, of the day of the file */
};

#endif
