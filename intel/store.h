/* What was imported, kept and found again: $XDG_STATE_HOME/andon/intel.db, an SQLite file by db/db.h.
 *
 * It is a cache: made again by importing, except for what the first imports alone knew (when a vulnerability was first
 * learned of here, and which were in KEV once). Each source (intel/source.h) is replaced whole, in one transaction:
 * until that is durable everybody sees the old one. One owner at a time for each opening; several processes may read
 * while one imports. Strings and structs that look-ups give live in the caller's arena. */
#ifndef ANDON_INTEL_STORE_H
#define ANDON_INTEL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/advisory.h"
#include "core/arena.h"
#include "core/err.h"
#include "core/sbom.h"
#include "intel/facts.h"
#include "intel/source.h"

struct intel_store;

/* Opens it; with `write` makes it when there is none, in its folder that is there. ERR_NOT_FOUND: nothing was ever
 * imported. */
struct intel_store *intel_open(const char *path, bool write, struct err *e);
void intel_close(struct intel_store *s); /* NULL is fine */

/* ---- an import ---- */

/* Begins to replace the source of this name. ERR_CONFLICT: another import is running. */
bool intel_begin(struct intel_store *s, const struct intel_source *src, struct err *e) ANDON_MUST_USE;
bool intel_put_advisory(struct intel_store *s, const struct advisory *v, struct err *e) ANDON_MUST_USE;
/* A record of KEV or of EPSS (->scored). An id that is no CVE's is left out: *taken. */
bool intel_put_listed(struct intel_store *s, const struct adv_listed *v, bool *taken, struct err *e) ANDON_MUST_USE;
bool intel_put_sbom(struct intel_store *s, const struct sbom *v, struct err *e) ANDON_MUST_USE;
bool intel_put_vex(struct intel_store *s, const struct vex *v, struct err *e) ANDON_MUST_USE;
bool intel_put_life(struct intel_store *s, const struct intel_life *v, struct err *e) ANDON_MUST_USE;
bool intel_put_other(struct intel_store *s, const struct intel_other *v, struct err *e) ANDON_MUST_USE;
/* Ends it: *src is what status will say of it. False: the old source is in force. */
bool intel_commit(struct intel_store *s, const struct intel_source *src, struct err *e) ANDON_MUST_USE;
void intel_abort(struct intel_store *s);
/* The source was looked at again and is what it was. */
bool intel_checked(struct intel_store *s, const struct intel_source *src, struct err *e) ANDON_MUST_USE;

/* ---- looking up ---- */

/* All sources, by kind and name. */
bool intel_sources(struct intel_store *s, struct arena *a, const struct intel_source **out, size_t *n,
                   struct err *e) ANDON_MUST_USE;

/* Look-ups between these two see one state of the store, whatever is imported meanwhile, and are faster by half: the
 * file is locked once. */
bool intel_look_begin(struct intel_store *s, struct err *e) ANDON_MUST_USE;
void intel_look_end(struct intel_store *s);

/* Advisories found so far: each once, its newest version. */
struct intel_found {
    struct arena *a;
    const struct advisory **v;
    size_t n;
    bool cut; /* there was more than INTEL_FOUND_MAX, or a group of more than INTEL_GROUP_MAX ids: not all is here */
    /* its own */
    size_t cap, asked, most;
    uint64_t *done;
    size_t n_done, cap_done;
};
#define INTEL_FOUND_MAX ((size_t)200000)
#define INTEL_GROUP_MAX ((size_t)2000)

void intel_found_init(struct intel_found *f, struct arena *a); /* what it holds lives in `a` */
void intel_found_release(struct intel_found *f);               /* what is its own; not the advisories */
/* Adds those that name this package: ecosystem and name as in struct adv_affected. */
bool intel_by_package(struct intel_store *s, const char *ecosystem, const char *name, struct intel_found *f,
                      struct err *e) ANDON_MUST_USE;
/* Those with a CPE, or a CVE record's product, of this vendor and product, as cpe_parse() writes them. */
bool intel_by_product(struct intel_store *s, const char *vendor, const char *product, struct intel_found *f,
                      struct err *e) ANDON_MUST_USE;
/* Those of this id, and those that have it as an alias. */
bool intel_by_id(struct intel_store *s, const char *id, struct intel_found *f, struct err *e) ANDON_MUST_USE;
/* Adds what belongs to a group with one that was found: over aliases both ways, and from a distribution's advisory to
 * those it is about. */
bool intel_by_group(struct intel_store *s, struct intel_found *f, struct err *e) ANDON_MUST_USE;
/* Does any OSV record name a package of this ecosystem ("Debian:12")? */
bool intel_has_ecosystem(struct intel_store *s, const char *ecosystem, bool *has, struct err *e) ANDON_MUST_USE;

/* What KEV and EPSS say of a CVE; *has: anything. */
bool intel_listed(struct intel_store *s, const char *cve, struct adv_listed *out, bool *has,
                  struct err *e) ANDON_MUST_USE;

/* The SBOM of a release "NAME:VERSION"; *out NULL: there is none. */
bool intel_sbom(struct intel_store *s, const char *release, struct arena *a, const struct sbom **out,
                struct err *e) ANDON_MUST_USE;
/* The releases that have an SBOM, each once, sorted. */
bool intel_releases(struct intel_store *s, struct arena *a, const char ***out, size_t *n, struct err *e) ANDON_MUST_USE;
/* All statements of CSAF and OpenVEX documents; those in SBOMs come with the SBOM. */
bool intel_vex(struct intel_store *s, struct arena *a, const struct vex **out, size_t *n, struct err *e) ANDON_MUST_USE;
/* The cycles of a product of endoflife.date. */
bool intel_lives(struct intel_store *s, const char *product, struct arena *a, const struct intel_life **out, size_t *n,
                 struct err *e) ANDON_MUST_USE;
/* What other scanners found in a release. */
bool intel_others(struct intel_store *s, const char *release, struct arena *a, const struct intel_other **out,
                  size_t *n, struct err *e) ANDON_MUST_USE;

#endif
