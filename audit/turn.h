/* The steps of a log's going on in another file, shared by rotation (turn.c) and recovery (recover.c). */
#ifndef ANDON_AUDIT_TURN_H
#define ANDON_AUDIT_TURN_H

#include "audit/book.h"

/* The origin of what a log of this origin goes on in: "andon/host" -> "andon/host/2" -> "andon/host/3". */
void turn_name(const char *old, bool went_on, char out[ORIGIN_MAX + 1]);
/* How many entries are known to have been there, and are not. */
int64_t turn_missing(const struct previous *p);
/* A verified, durable copy of the file, mode 0400, under a name that is free. With `change` (else NULL), which may
 * change the copy's openings before, it takes the place of what has the name; whoever has that open goes on reading it.
 */
typedef bool turn_change_fn(struct store *s, void *ctx, struct err *e);
bool turn_copy(const char *db_path, const char *to, turn_change_fn *change, void *ctx, struct err *e) ANDON_MUST_USE;
/* Writes the first entry into an empty file, signed by l's key and name, and takes its number from p->base. */
bool turn_genesis(struct audit_log *l, struct store *s, struct store_head *h, const struct audit_turn *t,
                  const struct previous *p, struct err *e) ANDON_MUST_USE;
/* Inside a writing transaction, *old being the head: copies what is there beside it, begins the file anew and commits.
 * Fills *p (but why and seen). `next`: signed by this key from now on (NULL: as before); it stays the caller's. */
bool turn_in_place(struct audit_log *l, const struct audit_turn *t, struct previous *p, struct key *next,
                   struct store_head *old, struct err *e) ANDON_MUST_USE;

#endif
