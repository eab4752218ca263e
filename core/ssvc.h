/* Two public decision tables, whole, as data.
 *
 * CERT/CC SSVC, "Deployer Patch Application Priority" 1.0.0 (72 rows): how soon who runs a system patches it.
 * CISA BOD 26-04, "Remediation Timelines" 1.0.0 (16 rows): how soon a federal agency must. Both from
 * github.com/CERTCC/SSVC, data/csv/ssvc/deployer_patch_application_priority_1_0_0.csv and
 * data/csv/cisa/cisa_bod_26_04_1_0_0.csv; a row has its number of there, from 0. */
#ifndef ANDON_CORE_SSVC_H
#define ANDON_CORE_SSVC_H

#include <stdbool.h>
#include <stdint.h>

enum ssvc_exploitation { EXPLOIT_NONE = 0, EXPLOIT_POC, EXPLOIT_ACTIVE, EXPLOITS };
enum ssvc_exposure { SYSTEM_SMALL = 0, SYSTEM_CONTROLLED, SYSTEM_OPEN, SYSTEM_EXPOSURES };
enum ssvc_impact { IMPACT_LOW = 0, IMPACT_MEDIUM, IMPACT_HIGH, IMPACT_VERY_HIGH, IMPACTS };

/* Most urgent first: a lower one is never less urgent. */
enum ssvc_tier { TIER_IMMEDIATE = 0, TIER_OUT_OF_CYCLE, TIER_SCHEDULED, TIER_DEFER, TIERS };

struct ssvc_case {
    enum ssvc_exploitation exploitation;
    enum ssvc_exposure exposure;
    bool automatable;
    enum ssvc_impact impact;
};
/* *row: 0..71, may be NULL. */
enum ssvc_tier ssvc_tier(const struct ssvc_case *c, int *row);

/* Most urgent first. */
enum bod_days { BOD_3_FORENSIC = 0, BOD_3, BOD_14, BOD_60, BOD_UPGRADE, BODS };
struct bod_case {
    bool listed;      /* in CISA's catalogue of known exploited vulnerabilities */
    bool exposed;     /* to the public */
    bool automatable; /* as SSVC has it */
    bool total;       /* technical impact: the whole of the system, not a part */
};
/* *row: 0..15, may be NULL. */
enum bod_days bod_days(const struct bod_case *c, int *row);

/* The words of the tables: "public poc", "controlled", "very high", "out-of-cycle", "3 days & forensic investigation".
 */
const char *ssvc_exploitation_word(enum ssvc_exploitation e);
const char *ssvc_exposure_word(enum ssvc_exposure x);
const char *ssvc_impact_word(enum ssvc_impact i);
const char *ssvc_tier_word(enum ssvc_tier t);
const char *bod_word(enum bod_days b);
/* How long a tier gives (us): 3, 7, 30, 90 days. The tables name no days; these are andon's. */
int64_t ssvc_tier_us(enum ssvc_tier t);
/* How long the directive gives (us); 0 for "fix on system upgrade", which has no day. */
int64_t bod_us(enum bod_days b);

#endif
