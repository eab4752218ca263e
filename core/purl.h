/* Package URLs (purl-spec), and what a package is called in OSV's records.
 *
 * An SBOM says pkg:deb/debian/libssl3@3.0.11-1~deb12u2?distro=debian-12&upstream=openssl, OSV says "Debian:12" and
 * "openssl". purl_key() makes the second of the first; purl_ecosystem() and purl_package() bring OSV's own spelling to
 * the same form, so that both sides are equal byte for byte. */
#ifndef ANDON_CORE_PURL_H
#define ANDON_CORE_PURL_H

#include <stdbool.h>
#include <stddef.h>
#include "core/arena.h"
#include "core/slice.h"

#define PURL_MAX            4096 /* bytes; a longer one is none */
#define PURL_QUALIFIERS_MAX 64

struct purl_qualifier {
    const char *key, *value;
};

/* Decoded and normalised by the rules of its type; "" = not said, never NULL; all have passed safe_text(). */
struct purl {
    const char *type, *space, *name, *version, *subpath;
    const struct purl_qualifier *qualifiers; /* by key */
    size_t n_qualifiers;
};

/* Strings go into the arena. False: it is no purl (no type, no name, a qualifier without "=", a control character or
 * bytes that are no UTF-8, too long). A "%" that begins no code stands for itself. */
bool purl_parse(struct slice text, struct arena *a, struct purl *out);
/* NULL: it does not have that one. */
const char *purl_qualifier(const struct purl *p, const char *key);

struct purl_key {
    const char *ecosystem; /* "Debian:12", "PyPI"; just "Debian" when no release is said, see below */
    const char *name;      /* of the source package where its ecosystem lists those */
    const char *version;   /* of that; "" = not said */
    bool no_release;       /* a distribution whose release is not said or not known: no record can be found by it */
};
/* False: packages of its type are in no ecosystem of OSV. */
bool purl_key(const struct purl *p, struct arena *a, struct purl_key *out);

/* An OSV ecosystem as purl_key() writes it: "Ubuntu:22.04:LTS" is "Ubuntu:22.04", "Red Hat:enterprise_linux:9::baseos"
 * is "Red Hat:9"; others stay as they are. Into the arena. */
const char *purl_ecosystem(struct slice ecosystem, struct arena *a);
/* The name of a package of that OSV ecosystem (either spelling) as purl_key() writes it. Both must have passed
 * safe_text(). Into the arena. */
const char *purl_package(struct slice ecosystem, struct slice name, struct arena *a);

#endif
