/* Which vulnerabilities a release has, and why: its parts against what is known of one vulnerability.
 *
 * A part with a purl of a known ecosystem is compared with that ecosystem's records, by its order of versions
 * (core/osv_range.h); its CPE is a guess then, unless nothing at all is known of the ecosystem. Every other part is
 * compared by CPE, with the whole tree of a configuration: the finding is at a leaf that is vulnerable, the leaves that
 * are not must be satisfied by the hardware, the firmware or another part. A maker's statement (core/vex.h) decides
 * over both. What cannot be judged is unknown, never clean.
 *
 * A release without an SBOM is judged by its firmware's CPE alone; all else of it is unknown. Pure: whoever has the
 * records asks which keys are needed (match_keys), gathers them by vulnerability, and has each judged. */
#ifndef ANDON_CORE_MATCH_H
#define ANDON_CORE_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/advisory.h"
#include "core/arena.h"
#include "core/finding.h"
#include "core/sbom.h"
#include "core/vex.h"

/* A release. Borrowed. */
struct match_subject {
    const char *release;      /* "NAME:VERSION" */
    const struct sbom *sbom;  /* NULL = none */
    const char *cpe_firmware; /* CPE 2.3 of the firmware and of what it runs on, from the inventory; "" = not known */
    const char *cpe_hardware;
};

/* What a record must name to concern a part: a package, or a product. */
struct match_key {
    bool product;
    const char *space; /* an ecosystem ("Debian:12"), or a CPE's vendor */
    const char *name;  /* as adv_affected's name, or a CPE's product */
};

/* One vulnerability: all advisories that speak of it, those that are withdrawn or rejected too. */
struct match_group {
    const char *id;
    const struct advisory *const *advs;
    size_t n;
};

/* A CPE of the inventory for one version: "{version}" in it replaced, with what CPE asks to be escaped. Into the arena,
 * or `cpe` itself when it names none. */
const char *match_cpe_of(const char *cpe, const char *version, struct arena *a);

struct match;
/* `vex`: statements of documents, any that may be about it; those of its own SBOM are known from there. Everything
 * lives in the arena. */
struct match *match_new(const struct match_subject *s, const struct vex *vex, size_t n_vex, struct arena *a);
/* Keys of all parts, each once, sorted. */
const struct match_key *match_keys(const struct match *m, size_t *n);
/* The ecosystems of its parts, each once; and that records of the i-th are known at all. Without that word their parts
 * are judged by CPE. */
size_t match_ecosystems(const struct match *m, const char *const **names);
void match_covered(struct match *m, size_t i);
/* Ids that statements which fit this release speak of, each once, sorted: their vulnerabilities are to be judged too.
 */
const char *const *match_stated(const struct match *m, size_t *n);
/* The name of the group of each of these ids: before the first match_judge. */
void match_name(struct match *m, const char *(*name)(void *ctx, const char *id), void *ctx);

/* The release's answer to one vulnerability: the worst of its parts. False: nothing of it concerns any of its parts
 * (match_absent says why, when asked). Strings live in the arena or in what was handed in. */
bool match_judge(struct match *m, const struct match_group *g, struct finding *out);
/* Does this advisory alone say of any part that it is affected, or that it cannot tell? When not, what else is called
 * so need not be looked for. */
bool match_concerns(struct match *m, const struct advisory *adv);
/* The answer when match_judge has none. */
void match_absent(const struct match *m, const struct match_group *g, struct finding *out);

/* What could not be compared at all. */
struct match_gaps {
    size_t parts;
    size_t no_version; /* parts that have none */
    size_t no_id;      /* parts without a purl of a known ecosystem and without a CPE */
    size_t no_release; /* of a distribution whose release is not said, and without a CPE */
    bool no_sbom;
};
void match_gaps(const struct match *m, struct match_gaps *out);
/* Statements: those handed to match_new, then the SBOM's own. The i-th, how it fits this release, and whether an answer
 * that match_judge gave was its. */
enum vex_fit match_vex(const struct match *m, size_t i, bool *decided);

#endif
