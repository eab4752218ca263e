/* Erasing committed values (audit/opening.h): an entry of kind redact says which and why, and their openings go, with
 * it in one transaction where they are in the newest file. No leaf changes. */
#ifndef ANDON_AUDIT_REDACT_H
#define ANDON_AUDIT_REDACT_H

#include "audit/keep.h"
#include "audit/log.h"

struct audit_redact {
    struct actor actor; /* who erases */
    const char *reason;
    unsigned kinds; /* core/redact.h */
    /* Of which entries. With `actor`: those of this person, and what is this name, to the byte, in entries of others.
     */
    const struct audit_query *q;
    bool only_look; /* nothing is erased */
};

struct audit_redacted {
    int64_t seq;             /* of the entry; 0: there was nothing to erase, or it was only looked */
    int64_t values, entries; /* erased, or to be erased */
    int64_t again;           /* values that an older entry says were erased, and were there still (a kill between) */
    int64_t open_left;       /* entries of operations that are not ended: their values stay until they are */
    int64_t held;            /* entries that a hold keeps (audit/keep.h): their values stay as long as it stands */
    char held_by[HOLD_NAME_MAX + 1]; /* the first such hold; "" */
    int64_t clear;    /* with `actor`: entries of this name that do not commit to it: it stands in the leaf */
    int64_t mentions; /* the same: open values of these or other kinds that have the name in a longer text */
    int64_t files;    /* older files that were written anew */
    int64_t beside; /* files beside the log called as its older ones or those set aside, which it does not go on from */
    /* The file's -wal was emptied: what was erased is in none of the log's files. Else `flush` says why not. */
    bool flushed;
    struct err flush;
};
/* For a handle that writes. ERR_REFUSED by a guard's socket. False: nothing was erased, except where *out has a seq:
 * then the entry is there and an older file could not be written anew; the next call goes on. */
bool audit_redact(struct audit_log *l, const struct audit_redact *r, struct audit_redacted *out,
                  struct err *e) ANDON_MUST_USE;

#endif
