/* Files as they come from a mirror: plain, gz, zstd, or a zip of many (also a zip within a zip, as the CVE list is
 * published), as a stream of named entries. The only user of libarchive.
 *
 * Nothing is ever written. A zip is read from its front to its end, without its directory, so that memory does not grow
 * with its entries. An entry whose name points out of the archive is refused, and so is what unpacks to too much. */
#ifndef ANDON_INTEL_UNPACK_H
#define ANDON_INTEL_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/digest.h"
#include "core/err.h"

struct unpack_limits {
    int64_t bytes;   /* unpacked, of one file */
    int64_t ratio;   /* unpacked bytes for each packed one, beyond the first MiB */
    int64_t entries; /* of one file */
};
extern const struct unpack_limits unpack_default;

struct unpack_sink {
    /* An entry begins: false with *e empty leaves it out, with *e filled ends all. `name` has passed safe_text. */
    bool (*begin)(void *ctx, const char *name, struct err *e);
    bool (*bytes)(void *ctx, const char *p, size_t n, struct err *e); /* false with *e filled: enough */
    bool (*end)(void *ctx, struct err *e);
    void *ctx;
};

/* The file that is open as fd, from its beginning; `name` is what errors call it and, without .gz or .zst, what a file
 * that is no archive is called as an entry. False with *e: cut short, damaged, over a limit, or what the sink said. */
bool unpack(int fd, const char *name, const struct unpack_limits *l, const struct unpack_sink *sink,
            struct err *e) ANDON_MUST_USE;
/* SHA-256 of its bytes and how many. */
bool unpack_digest(int fd, const char *name, char out[SHA256_HEX], int64_t *bytes, struct err *e) ANDON_MUST_USE;

#endif
