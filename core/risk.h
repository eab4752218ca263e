/* What one finding asks for: a tier, why, and by when.
 *
 * A public table decides (core/ssvc.h), two rules raise, nothing is weighed and there is no score of andon's own. What
 * is not known counts as the worse and is marked `assumed`: nothing is ever lower because something is missing. The
 * order of findings follows from the decision (risk_order). docs/intel.md, "What first". */
#ifndef ANDON_CORE_RISK_H
#define ANDON_CORE_RISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/advisory.h"
#include "core/inventory.h"
#include "core/ssvc.h"

/* From when a due date counts. Where the chosen moment is not known, the publication does, then what was learned. */
enum risk_clock {
    CLOCK_PUBLISHED = 0, /* earliest of the group */
    CLOCK_LEARNED,       /* first import here that had it */
    CLOCK_FIX,           /* the first release that closes it is on the server */
    CLOCK_EXPLOITED,     /* listed as exploited, or seen */
    RISK_CLOCKS
};

enum bod_use { BOD_OFF = 0, BOD_SHOW, BOD_BIND, BOD_USES };

/* `risk:` of the configuration (conf/risk.h). */
struct risk_policy {
    bool high_internet;         /* R1 */
    bool critical_automatable;  /* R2 */
    double epss_poc;            /* EPSS from which on an exploit counts as public (0.10); above 1: never */
    int64_t target_us[CLASSES]; /* 7 d for safety-critical, 30 d for the others; unknown as confidentiality-sensitive */
    enum bod_use bod[CLASSES];
    enum risk_clock clock;
};
/* As built in: targets of 7, 30, 30 days; BOD 26-04 binds for safety-critical devices and is shown beside the others.
 */
const struct risk_policy *risk_policy_default(void);

/* One vulnerability, from all sources. Strings as in core/advisory.h; times in microseconds, 0 = not known. */
struct vuln_facts {
    const char *id; /* of the group, as struct finding has it */
    const char *summary;
    int64_t published;            /* earliest of the group */
    int64_t learned;              /* first import here */
    int64_t fix;                  /* the first release that closes it is on the server */
    bool kev;                     /* listed as exploited by CISA: its list, or its container in the CVE record */
    int64_t kev_added, kev_until; /* since when; and no more in the list since then: then !kev */
    bool ransomware;
    int64_t sighted;                    /* first sighting by sensors of the operator's own */
    enum adv_exploitation exploitation; /* CISA in the CVE record */
    enum adv_answer automatable, total_impact;
    const char *vector; /* of CVSS, the one that counts; "" = none */
    int tenths;         /* its score, 0..100, or a stated one; -1 = none */
    const char *scored_by;
    bool scored;             /* EPSS has it */
    double epss, percentile; /* 0..1 */
    bool disputed;
};

enum risk_point { POINT_EXPLOITED = 0, POINT_EXPOSURE, POINT_AUTOMATABLE, POINT_IMPACT, POINT_TECHNICAL, POINTS };
enum risk_source {
    FROM_NOTHING = 0, /* no source says it */
    FROM_KEV,
    FROM_SIGHTING,
    FROM_CVE_RECORD, /* CISA's container in it */
    FROM_EPSS,
    FROM_VECTOR, /* of CVSS */
    FROM_INVENTORY,
    RISK_SOURCES
};
struct risk_reason {
    int value; /* of the point's own enum; of yes/no: 0, 1 */
    enum risk_source source;
    bool assumed; /* not known, counted as the worse */
    int64_t at;   /* when the source says it began (listed, seen); 0 = it does not say */
};

#define RISK_R1 1U /* high severity on the internet: CVSS >= 7.0, reachable over a network */
#define RISK_R2 2U /* critical and automatable there: CVSS >= 9.0. Only where it raised the tier */

struct risk {
    struct risk_reason why[POINTS];
    enum ssvc_tier by_table, tier;
    int row;        /* of the SSVC table */
    unsigned rules; /* RISK_R1 | RISK_R2 */
    enum bod_days bod;
    int bod_row;
    enum risk_clock clock;              /* the one that was counted from */
    int64_t from;                       /* 0: no moment is known, and it is due now */
    int64_t within_us;                  /* the shortest of the three that count: */
    int64_t tier_us, target_us, bod_us; /* bod_us 0 = no days, or it does not bind */
    int64_t due;
};

/* What the finding of this vulnerability asks for on devices like these (release and number do not matter). */
void risk_decide(const struct risk_policy *p, const struct vuln_facts *f, const struct fleet_cell *devices, int64_t now,
                 struct risk *out);
/* Is it known to be exploited? */
bool risk_exploited(const struct vuln_facts *f);

/* A vulnerability on devices that are alike. */
struct risk_item {
    const struct vuln_facts *facts;
    const struct fleet_cell *cell; /* its release, exposure, class */
    int64_t devices;
    const struct risk *risk;
};
/* < 0: a comes before b. Tier, exploitation, R1, due, EPSS, CVSS, devices, release, id; what is still equal by exposure
 * and class, so that the order is one. An EPSS that is not known counts as 1, a CVSS as 10. */
int risk_order(const struct risk_item *a, const struct risk_item *b);

/* Words: "active", "controlled", "yes", "very high", "total". */
const char *risk_value_word(enum risk_point p, int value);
const char *risk_point_word(enum risk_point p);   /* "exploitation", "exposure", "automatable", "impact", "technical" */
const char *risk_source_word(enum risk_source s); /* "kev", "cve5", "epss", "vector", "inventory", "sighting", "" */
const char *risk_clock_word(enum risk_clock c);   /* "published" */
const char *risk_rule_text(unsigned rule);        /* "R1 high severity on the internet" */

#endif
