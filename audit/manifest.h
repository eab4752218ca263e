/* The manifest of an exported folder: the one list of what it may hold, signed with the log's key.
 *
 *   andon manifest 1
 *   origin andon/host
 *   size 18231                              entries of the log at the checkpoint
 *   root 64 hexadecimal digits              of these entries, as in the checkpoint
 *   shown 18231                             entries that are in the folder
 *   selected everything                     or which ones; for people, printable ASCII
 *   SHA256 SIZE ROLE NAME                   one line a file, in byte order of NAME
 *   ...
 *                                           an empty line, then the signature:
 *   — andon/host base64(key hash || Ed25519 signature)
 *
 * It is a C2SP signed note with exactly one signature line; no checkpoint and no other note of the log begins so, since
 * an origin has no blank. A reader takes this form and nothing else, to the byte. NAME is "blobs/" and the file's
 * SHA-256, or a plain name of at most 64 letters, digits, '.', '_', '-' that begins with a letter or digit, but not
 * "blobs" or "manifest": so no name leads out of the folder. ROLE says what the file is; a blob's is the field of the
 * entry that names it. The readers in docs/audit-tools take the same form. */
#ifndef ANDON_AUDIT_MANIFEST_H
#define ANDON_AUDIT_MANIFEST_H

#include "audit/note.h"
#include "core/arena.h"
#include "core/slice.h"

#define MANIFEST_NAME     "manifest"
#define MANIFEST_MAX      ((size_t)64 << 20)
#define MANIFEST_NAME_MAX 71 /* "blobs/" and 64 digits are the longest */

struct manifest_file {
    struct slice name, role;
    uint64_t size;
    uint8_t hash[HASH_LEN];
    bool seen; /* for whoever walks the folder */
};

struct manifest {
    char origin[ORIGIN_MAX + 1];
    uint64_t size, shown;
    uint8_t root[HASH_LEN];
    struct slice selected;
    struct manifest_file *file; /* in byte order of the names once it was read or written */
    size_t n, cap;
    struct arena arena; /* of the strings */
};

/* An empty one; release frees its strings too. */
void manifest_init(struct manifest *m);
void manifest_release(struct manifest *m);

/* One more file; the name must be one (above). A role that does not fit becomes "other". */
void manifest_add(struct manifest *m, const char *name, struct slice role, uint64_t size, const uint8_t hash[HASH_LEN]);
/* What was selected, in any words: what is not printable ASCII becomes '?', and 400 bytes are kept. */
void manifest_select(struct manifest *m, const char *words);
/* Appends the text that is signed. */
void manifest_text(struct manifest *m, struct buf *out);

/* Reads a manifest without looking at its signature: the text that was signed and the signature line, of memory that
 * *out owns. False when it is not of this form; *out is to be released in any case. */
bool manifest_parse(const char *bytes, size_t n, struct manifest *out, struct slice *text, struct slice *lines);
/* Reads a manifest and checks its signature: ERR_TAMPERED when it is not of this form to the byte, or not signed by k
 * (v is its public half). */
bool manifest_read(const char *bytes, size_t n, const struct note_key *k, const struct verifier *v,
                   struct manifest *out, struct err *e) ANDON_MUST_USE;
/* NULL when it names no such file. */
struct manifest_file *manifest_find(const struct manifest *m, struct slice name);

#endif
