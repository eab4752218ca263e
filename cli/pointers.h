/* Which release has which SBOM, as fleet servers say it: the note "andon.sbom" at a release, "sha256:HEX". The file
 * itself comes from the folder that is imported, so that no device is ever offered an SBOM. */
#ifndef ANDON_CLI_POINTERS_H
#define ANDON_CLI_POINTERS_H

#include "cli/cli.h"

struct pointer {
    const char *fleet, *release; /* "NAME:VERSION" */
    char sha256[65];
    bool used; /* a file had this digest */
};
struct pointers {
    struct arena mem;
    struct pointer *v;
    size_t n, cap;
};

/* Asks every fleet of the configuration; what cannot be read of one is said on standard error, and the others go on.
 * False: a fleet could not be asked at all (it was said). */
bool pointers_ask(const struct args *a, const struct session *s, struct pointers *out) ANDON_MUST_USE;
void pointers_free(struct pointers *p);
/* For struct intel_import: the i-th release whose pointer has this digest; NULL behind the last. */
const char *pointers_of(void *ctx, const char *sha256, size_t i);
/* Says which pointers no file of the folder had. */
void pointers_unused(const struct pointers *p);

#endif
