/* Scores of CVSS vectors: v2 (first.org/cvss/v2/guide), v3.0, v3.1 and v4.0
 * (first.org/cvss/v4-0/specification-document).
 *
 * By the vector alone, in integers, without floating point: "round up" of v3 is exactly the smallest tenth that is not
 * less, and v4.0's mean is a fraction that is rounded half up. */
#ifndef ANDON_CORE_CVSS_H
#define ANDON_CORE_CVSS_H

#include <stdbool.h>
#include "core/advisory.h"
#include "core/slice.h"

#define CVSS_VECTOR_MAX 512 /* bytes; a longer one is none */

enum cvss_version { CVSS_NONE = 0, CVSS_2, CVSS_3_0, CVSS_3_1, CVSS_4_0 };

struct cvss {
    enum cvss_version version;
    /* In tenths, 0..100. What the vector does not define counts as not defined: the next is then as the one before.
     * v4.0 calls them CVSS-B, -BT and -BTE. */
    int base, temporal, environmental;
    /* Of the base metrics. v2 does not say whether a user must act. */
    enum adv_answer network;        /* AV:N */
    enum adv_answer no_privileges;  /* PR:N, Au:N */
    enum adv_answer no_interaction; /* UI:N */
    enum adv_answer low_complexity; /* AC:L, of v4.0 with AT:N (what v3 calls AC it calls AC and AT) */
};

/* False: the vector is malformed (unknown, repeated or missing metric, unknown value, nothing between two "/"); then
 * all of *out is 0. Optional metrics may stand in any order, as they do in the wild. */
bool cvss_score(struct slice vector, struct cvss *out);
/* "3.1"; "" for none. */
const char *cvss_version_word(enum cvss_version v);

#endif
