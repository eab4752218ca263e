/* What a release has, from what was imported: its parts are looked up in the store, what is found is gathered by
 * vulnerability and judged (core/match.h). */
#ifndef ANDON_INTEL_MATCH_H
#define ANDON_INTEL_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include "core/arena.h"
#include "core/err.h"
#include "core/match.h"
#include "core/risk.h"
#include "intel/store.h"

/* The store with all statements of makers, which are read once. */
struct intel_matcher;
/* `said`: statements beside those of documents (of the log, newest wins), borrowed. NULL with *e: the store cannot be
 * read. */
struct intel_matcher *intel_matcher_new(struct intel_store *s, const struct vex *said, size_t n_said, struct err *e);
void intel_matcher_free(struct intel_matcher *m);

/* The answers for one release. */
struct intel_answers {
    const struct sbom *sbom;        /* NULL = it has none */
    const struct finding *v;        /* by id */
    const struct vuln_facts *facts; /* of each */
    const char *const **members;    /* of each: all ids of the group but its name, sorted */
    size_t *n_members;
    size_t n;
    struct match_gaps gaps;
    bool cut; /* there is more than the store's limits allow to look at: not all is here */
};
/* `cpe_firmware` and `cpe_hardware` as in struct match_subject. Every vulnerability that concerns a part is answered,
 * and each of `asked` (ids of any kind) in any case. Lives in the arena. */
bool intel_match(struct intel_matcher *m, const char *release, const char *cpe_firmware, const char *cpe_hardware,
                 const char *const *asked, size_t n_asked, struct arena *a, struct intel_answers *out,
                 struct err *e) ANDON_MUST_USE;

/* A statement, and what became of it in the releases that were matched so far. */
struct intel_said {
    const struct vex *vex;
    enum vex_fit fit; /* the best of all releases */
    bool decided;     /* an answer is its */
};
/* The i-th of the documents' and of `said`; those in SBOMs only speak of their own release and are not among them.
 * False behind the last. */
bool intel_said_at(const struct intel_matcher *m, size_t i, struct intel_said *out);

#endif
