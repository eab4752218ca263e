/* Approvals: people's word, signed with their own SSH keys, that a verb may go out (docs/verbs.md).
 *
 * What is signed is a short text that names what is approved, and nothing else could be meant by it: fleet, rollout by
 * its identity, release, verb, wave and its devices, and the log in which it is used. It is good until its own end and
 * for one doing. Signatures are made and checked by ssh-keygen (audit/sshsig.h), in this namespace, so that no
 * signature that somebody gave for another purpose can be taken for one.
 *
 * None of it has to do with the fleet server's own approve and deny (VERB_APPROVE, VERB_DENY). */
#ifndef ANDON_CORE_APPROVAL_H
#define ANDON_CORE_APPROVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/identity.h"
#include "core/intent.h"

#define APPROVAL_NAMESPACE "andon-approval@v1"
#define APPROVAL_TEXT_MAX  4096
#define APPROVAL_LINES     9   /* that say what is approved */
#define APPROVAL_VALUE     304 /* bytes of a line's value, with the NUL */
#define APPROVAL_NONCE     33  /* 32 hexadecimal digits and the NUL */
#define APPROVAL_VALID_MAX (7 * US_PER_DAY)
/* A text of another host's clock may be made so much later than now. */
#define APPROVAL_AHEAD_US (10 * US_PER_MIN)

/* What is approved. */
struct approval_subject {
    enum verb verb;
    struct rollout_identity who;
    int wave;        /* index of the wave that starts, or may start; -1 = none is left */
    int64_t devices; /* of that wave */
    const char *log; /* its name, as in its checkpoint */
};
/* Of a rollout as it stands; false: its waves are not known, so that nobody could say what is approved. */
bool approval_subject_of(const struct verb_facts *f, enum verb v, const struct rollout_identity *who, const char *log,
                         struct approval_subject *out) ANDON_MUST_USE;
/* "W2 (1,934 devices)", "" for no wave. */
const char *approval_wave_words(const struct approval_subject *s, char out[64]);

/* A text as it was read. */
struct approval_text {
    char value[APPROVAL_LINES][APPROVAL_VALUE];
    enum verb verb;
    int64_t made, expires; /* wall clock, us, whole milliseconds */
    char nonce[APPROVAL_NONCE];
};
/* Appends the text to *out:
 *
 *   andon-approval 1
 *   approve: advance
 *   fleet: emea
 *   rollout: 4471
 *   created: 2031-03-14T08:00:00.000Z
 *   name: hearth 4.12.1
 *   release: hearth:4.12.1
 *   wave: W2
 *   devices: 1934
 *   log: andon/console-2
 *   made: 2031-03-14T12:00:00.000Z
 *   expires: 2031-03-15T12:00:00.000Z
 *   nonce: 32 hexadecimal digits
 *
 * with a newline behind each line, and "-" for what is not known. */
void approval_write(const struct approval_subject *s, int64_t made, int64_t expires, const char *nonce,
                    struct buf *out);
/* Takes such a text, to the byte; ERR_SYNTAX. */
bool approval_read(const char *bytes, size_t n, struct approval_text *out, struct err *e) ANDON_MUST_USE;
const char *approval_wave(const struct approval_text *t); /* "W2"; "-" = none */
/* Is this what it approves? ERR_REFUSED with what differs. */
bool approval_fits(const struct approval_text *t, const struct approval_subject *s, struct err *why) ANDON_MUST_USE;
/* Is it good at `now` (wall clock), and for at most valid_us in all? ERR_REFUSED. */
bool approval_current(const struct approval_text *t, int64_t now, int64_t valid_us, struct err *why) ANDON_MUST_USE;

/* One that is good: its signature was checked, and it fits the rollout as it stands. */
struct approval_given {
    enum verb verb;
    int64_t seq, expires; /* its entry; wall clock */
    const char *people;   /* the names that the list of signers has for the key, with blanks between: one person */
    const char *key;      /* fingerprint */
};
#define APPROVALS_MAX 16
struct approval_state {
    bool known;          /* the log was read and signatures were checked */
    bool looked;         /* that was tried, whatever came of it */
    const char *problem; /* why not, or why one that is in the log does not count; "" */
    struct approval_given v[APPROVALS_MAX];
    size_t n;
};
/* How many people have approved the verb: who signs with the same key, or has a name in common, is one person. `asker`
 * (NULL: nobody) is left out: by account, or by the name that was claimed, with or without an @domain. Their first
 * names go to `names` (may be NULL), with ", " between. */
int approval_people(const struct approval_state *s, enum verb v, const struct actor *asker, char names[200]);
/* Does the policy ask for approvals of this verb? Never of a rule's. */
bool approval_asked(const struct policy *p, enum verb v);
struct fleet_spec;
bool approval_anywhere(const struct fleet_spec *f); /* does any policy of the fleet ask for some? */
/* The verb that the rollout waits for next, as far as approvals go. */
enum verb approval_next(enum rollout_state s, bool held);
/* Part of verb_check: are there enough? */
bool approval_check(const struct intent *in, const struct verb_facts *f, struct err *why) ANDON_MUST_USE;

#endif
