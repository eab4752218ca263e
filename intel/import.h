/* A folder of mirrored files into the store: which file is which source, what changed, and each changed source replaced
 * whole or not at all. docs/intel.md has the layout of the folder. */
#ifndef ANDON_INTEL_IMPORT_H
#define ANDON_INTEL_IMPORT_H

#include <stdbool.h>
#include <stdint.h>
#include "core/err.h"
#include "intel/source.h"
#include "intel/store.h"
#include "intel/unpack.h"

enum intel_outcome {
    INTEL_IMPORTED = 0,
    INTEL_UNCHANGED, /* the same files as last time */
    INTEL_REFUSED,   /* what was imported before stays in force; err says why */
    INTEL_MISSING,   /* it was imported once and is not in the folder: it stays in force */
    INTEL_IGNORED    /* a file, by source.name, that belongs to no source, or a link, which is not followed */
};

struct intel_import {
    const char *folder;
    int64_t now;
    bool force; /* fewer records than last time will do, however many lack, and so will unchanged files: they are read
                   again */
    bool check; /* only reads: nothing is written */
    const struct unpack_limits *limits; /* NULL: unpack_default */
    /* Releases of an SBOM whose name tells none, by its file's digest: the i-th, NULL behind the last. NULL: nobody
     * says. With it SBOMs are read again also when they are what they were. */
    const char *(*named)(void *named_ctx, const char *sha256, size_t i);
    void *named_ctx;
    /* One source has been seen to, or one file; err is NULL but for INTEL_REFUSED. Strings live during the call. */
    void (*say)(void *ctx, enum intel_outcome what, const struct intel_source *source, const struct err *err);
    void *ctx;
};

/* False with *e: the folder cannot be read, or the store cannot be written at all; *refused counts sources that were
 * refused. `s` may be NULL for a check of files alone. */
bool intel_import(struct intel_store *s, const struct intel_import *spec, size_t *refused,
                  struct err *e) ANDON_MUST_USE;

#endif
