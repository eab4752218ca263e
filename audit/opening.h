/* Committed values: what a leaf holds in place of a value that may have to be erased (core/redact.h).
 *
 * The value is left out of the entry, and the member "committed" has its path and a commitment, 64 hexadecimal digits:
 * the SHA-256 of the value's opening, one line of text without its end,
 *
 *   SEQ PATH SALT VALUE
 *
 * SEQ is the leaf's own number, PATH as in "host.kernel.uid", SALT 64 hexadecimal digits from the kernel's random
 * source, VALUE the JSON text that would stand in the leaf. Who has the opening can check it; who has the leaf alone
 * would have to guess 256 bits with the value. Openings are no part of the tree: they can be erased, and no leaf
 * changes. In the file of a log there is then, in place of the opening, the number of the entry that says so:
 *
 *   SEQ PATH erased NUMBER
 */
#ifndef ANDON_AUDIT_OPENING_H
#define ANDON_AUDIT_OPENING_H

#include "audit/leaf.h"
#include "core/buf.h"

#define OPENING_ITEMS     48                  /* committed values of one entry that andon makes or shows */
#define OPENINGS_MAX      ((size_t)128 << 10) /* bytes of an entry's openings */
#define OPENINGS_NAME     "openings"          /* their file in an exported folder, in the order of entries and paths */
#define OPENINGS_FILE_MAX ((size_t)256 << 20)
#define ERASED_FIELD      "erased.blob" /* of an entry of kind redact: a line "NUMBER PATH" for each value */

struct opening {
    struct slice line; /* borrowed, without its end, as all of these */
    int64_t seq;
    struct slice path;
    struct slice value; /* JSON, a string with its quotes; absent where it was erased */
    int64_t erased;     /* number of the entry that says so; 0 */
};

/* What a leaf commits to. */
struct committed {
    struct slice path, digest;
};
/* Walks leaf.committed: start with *at = 0; false at its end. Members that are no commitment are passed over. */
bool committed_next(struct slice object, size_t *at, struct committed *out);

/* The next line; false at the end. *bad: what comes is no opening. */
bool opening_read(struct slice *rest, struct opening *out, bool *bad);
/* Is the commitment that of this opening? */
bool opening_fits(const struct opening *o, struct slice digest);
/* Among the lines, that of the path; false: there is none. */
bool opening_find(struct slice lines, struct slice path, struct opening *out);

/* What goes along when the openings of these kinds do not (core/redact.h): all lines of the others to *kept, those that
 * are no more than the word that they were erased with them; the openings alone to *open. False: one is not what the
 * leaf commits to. */
bool opening_part(struct slice lines, struct slice object, unsigned without, struct buf *kept, struct buf *open);

/* Takes the values of these kinds out of a canonical line: appends the leaf to *leaf and the openings, each with a
 * newline, to *lines. Where there is nothing to commit to, both stay empty. */
bool opening_seal(const char *line, size_t n, unsigned kinds, struct buf *leaf, struct buf *lines,
                  struct err *e) ANDON_MUST_USE;
/* The line as it would be with its values in it: those that are open as they are, the others as a text in brackets that
 * says why not; and "committed" has in place of each commitment
 * "open", "erased by entry N", "not here" or "another" (its opening does not fit). `absent`: what is said of one that
 * has no line, as in "not in this folder". False, and nothing is appended: the leaf commits to nothing, or no canonical
 * line comes of it. */
bool opening_show(const char *leaf, size_t n, struct slice lines, const char *absent, struct buf *out);

#endif
