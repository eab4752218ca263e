/* Which rollout is meant. A number alone does not say it: a server whose database was lost begins its numbers again,
 * and a fleet's address may be pointed at another server. A rollout is its fleet, its id, when the server made it, its
 * name and its release; whatever is kept about one (latches, acknowledgements, holds, steps, evidence) is kept with
 * these, and only used again for the same one.
 *
 * identity_same: fleet and id must agree, else OTHER. Then
 *
 *   created_at, both known   differ                    OTHER     (also with the same name and release)
 *                            agree, releases too       SAME      (whatever the name: it was renamed)
 *                            agree, releases differ    NOT_KNOWN (no server is known to do that)
 *   unknown on a side        names agree, releases too SAME
 *                            both differ               OTHER
 *                            anything else             NOT_KNOWN
 *
 * "Releases agree" holds as well where one of them is not known; names must both be known to agree or to differ.
 * NOT_KNOWN is what entries of andon 0.1 give, which hold no creation time and for most kinds no name.
 *
 * identity_about adds time, for an entry that does not say when its rollout was created: one that was written before
 * a rollout was made is not about it. Its time is this host's wall clock, created_at is the server's, and they may
 * differ: within IDENTITY_CLOCK_US on either side nothing is concluded from time, and SAME becomes NOT_KNOWN, for the
 * names alone do not carry it there.
 *
 * What follows from NOT_KNOWN depends on which mistake harms: a latch applies unless the answer is OTHER (a halt too
 * many costs a look), an acknowledgement, a hold or a step of a roll back only when it is SAME. */
#ifndef ANDON_CORE_IDENTITY_H
#define ANDON_CORE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include "core/clock.h"
#include "core/model.h"

/* More than a host and a server differ by where anybody looks after their clocks, and less than any rollout needs to
 * be made, started, halted and looked at. */
#define IDENTITY_CLOCK_US      (10 * US_PER_MIN)
#define IDENTITY_KEY_BYTES     33 /* 32 hexadecimal digits and the NUL */
#define IDENTITY_RELEASE_BYTES 256

/* Strings are borrowed and never NULL; "" and 0: not known. */
struct rollout_identity {
    const char *fleet;   /* its name in the configuration */
    const char *id;      /* the server's */
    int64_t created_at;  /* microseconds, the server's clock */
    const char *name;    /* may be changed on the server */
    const char *release; /* "name:version" */
};

enum identity_answer { IDENTITY_NOT_KNOWN, IDENTITY_SAME, IDENTITY_OTHER };

/* Something that was written about a rollout, and when by the wall clock of the host that wrote it. */
struct identity_mark {
    struct rollout_identity who;
    int64_t t;
};

/* Of a rollout as the server shows it. `release` holds the text of the release, "" until the server has named it; the
 * rest is borrowed from the rollout. */
struct rollout_identity identity_of(const char *fleet, const struct rollout *r, char release[IDENTITY_RELEASE_BYTES]);
/* Symmetric. */
enum identity_answer identity_same(const struct rollout_identity *a, const struct rollout_identity *b);
/* Is it about this rollout, as the server shows it now? */
enum identity_answer identity_about(const struct identity_mark *mark, const struct rollout_identity *now);
/* Does an acknowledgement lift a halt that was in the log before it? One that says which rollout it is about lifts what
 * is latched upon that one: what identity_about does not call OTHER. One of andon 0.1 lifts the halts of 0.1 of the
 * same number, unless both their names are known and differ, and a newer halt only where it is surely about its
 * rollout. */
bool identity_ack_lifts(const struct identity_mark *ack, const struct identity_mark *halt);
/* 32 hexadecimal digits to keep things under, in databases and names of files: of fleet, id and created_at, or where
 * that is not known fleet, id and name. It stays the same over a rename and over a release that becomes known. */
void identity_key(const struct rollout_identity *r, char out[IDENTITY_KEY_BYTES]);

#endif
