/* How long a log is kept: which of its older files may go, the holds that keep them, and their removal.
 *
 * Only the oldest file goes, and then the next: what a file goes on from is known from the file after it. Before one is
 * removed an entry of kind config, result "removed", says which (file, origin, size, root, numbers, SHA-256 of the
 * file) and by which rule; a blob under the digest of what the next file says of it shows without a scan that this was
 * said, so that the log still opens. A hold is an entry too: config, result "hold", and "hold-removed" when it is over.
 */
#ifndef ANDON_AUDIT_KEEP_H
#define ANDON_AUDIT_KEEP_H

#include "audit/chain.h"
#include "audit/log.h"

#define HOLD_NAME_MAX 64

/* One that stands. Strings are the arena's. */
struct audit_hold {
    const char *name, *reason, *actor;
    int64_t since_t, until_t; /* of the entries that are kept: wall clock, us; 0 = open */
    int64_t seq, t;           /* of its entry */
};
bool audit_holds(struct audit_log *l, struct arena *a, struct audit_hold **out, size_t *n,
                 struct err *e) ANDON_MUST_USE;
/* ERR_SYNTAX: not a name; ERR_CONFLICT: there is one of this name. */
bool audit_hold_add(struct audit_log *l, const struct audit_turn *t, const char *name, int64_t since_t, int64_t until_t,
                    struct err *e) ANDON_MUST_USE;
/* ERR_NOT_FOUND. */
bool audit_hold_remove(struct audit_log *l, const struct audit_turn *t, const char *name, struct err *e) ANDON_MUST_USE;

/* An older file of the log. */
struct audit_old {
    char file[64];
    struct previous is;      /* as the next file names it; .base: of its last entry */
    int64_t first, last;     /* numbers of its entries */
    int64_t first_t, last_t; /* the earliest and the latest time in it, us */
    bool goes;               /* it may be removed */
    char why[200];           /* why it stays; "" */
};
/* All of them, oldest first. keep_us: whose latest entry is older than this may go, unless a hold, a halt that nobody
 * has acknowledged, an open operation, or an older file that stays keeps it; 0: none may. */
bool audit_old_files(struct audit_log *l, int64_t keep_us, struct arena *a, struct audit_old **out, size_t *n,
                     struct err *e) ANDON_MUST_USE;
/* Says so in the log, durably, and removes the oldest file, which must be one that goes. `rule`: by which rule, in
 * words. Who is killed between the two leaves a file that is read on; the next call removes it. */
bool audit_remove_old(struct audit_log *l, const struct audit_turn *t, const struct audit_old *old, const char *rule,
                      struct err *e) ANDON_MUST_USE;

#define KEEP_MARK "andon-removed 1\n" /* how its text begins: nobody else may have such a blob stored */
/* The mark of a file that was removed: the digest of the blob, and (may be NULL) its text. */
void keep_mark(const struct previous *p, uint8_t digest[HASH_LEN], struct buf *text);
/* What the log says of the removal of the file that p names, in words for a verification ("", false: nothing). `s` is
 * the file that may have the entry, `base` the number of the entry before its first. */
bool keep_removed(struct store *s, int64_t base, const struct previous *p, char words[300]);

#endif
