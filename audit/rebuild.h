/* A log made again out of its entries, its blobs and the signed checkpoint over them: from a witness that has kept
 * them. It is the log that was, to the byte of each entry; whoever has its key can go on with it. */
#ifndef ANDON_AUDIT_REBUILD_H
#define ANDON_AUDIT_REBUILD_H

#include "core/buf.h"
#include "core/err.h"
#include "core/slice.h"

struct rebuild;
/* `path` must not be there yet (ERR_CONFLICT): nothing is ever put in the place of a log. `note`: the signed checkpoint
 * of the log with this verifier key; ERR_TAMPERED when it is not. */
struct rebuild *rebuild_begin(const char *path, struct slice note, const char *vkey, struct err *e);
void rebuild_drop(struct rebuild *r); /* gives it up; NULL is fine */
/* The next entries, one a line, each with its newline; more than the checkpoint has are left out. ERR_TAMPERED for what
 * is no entry, or not the next. */
bool rebuild_lines(struct rebuild *r, struct slice lines, struct err *e) ANDON_MUST_USE;
uint64_t rebuild_size(const struct rebuild *r);  /* entries so far */
uint64_t rebuild_whole(const struct rebuild *r); /* and those of the checkpoint */
/* The digest of the i-th blob that the entries name, each once, until it is asked again; NULL: there are no more. */
const char *rebuild_named(struct rebuild *r, size_t i);
/* Bytes that an entry names; others are left out. */
bool rebuild_blob(struct rebuild *r, struct slice bytes, struct err *e) ANDON_MUST_USE;
/* The file appears under its name, when the entries hash to the root of the checkpoint (ERR_TAMPERED). Frees. */
bool rebuild_end(struct rebuild *r, struct err *e) ANDON_MUST_USE;

#endif
