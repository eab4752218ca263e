/* Sources of intelligence: what is read from which files of the folder, how old it may be, and whose it is. */
#ifndef ANDON_INTEL_SOURCE_H
#define ANDON_INTEL_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include "core/digest.h"

enum intel_kind {
    INTEL_OSV = 0,
    INTEL_CVE5,
    INTEL_NVD,
    INTEL_KEV,
    INTEL_EPSS,
    INTEL_VEX,
    INTEL_SBOM,
    INTEL_EOL,
    INTEL_OTHERS,
    INTEL_KINDS
};

/* One source: replaced as a whole. Times in microseconds since the epoch, 0 = not known. */
struct intel_source {
    const char *name; /* "osv/Debian", "kev": its place in the folder */
    enum intel_kind kind;
    char sha256[SHA256_HEX]; /* over the digests of its files, in the order of their names; of one file, its own */
    int64_t released;        /* as it says itself */
    int64_t newest;          /* of its records */
    int64_t imported;        /* when it was read */
    int64_t checked;         /* when it was last compared with the folder */
    int64_t records, files, bytes;
    int64_t unread;   /* records that were too long, or of no use: not judged */
    const char *note; /* what there is to know: "" */
};

struct intel_kind_row {
    const char *word;    /* "osv" */
    const char *name;    /* "OSV" */
    const char *licence; /* whose it is, and what has to be said; "" = yours */
    int64_t stale;       /* older newest records than this are said to be old; 0 = any age is right */
};
extern const struct intel_kind_row intel_kinds[INTEL_KINDS];

/* Age of what is known: now minus the newest record, or the day of its release, whichever is newer; -1 = not known. */
int64_t intel_age(const struct intel_source *s, int64_t now);
bool intel_stale(const struct intel_source *s, int64_t now);

#endif
