/* The notes that one andon leaves on the fleet server for all others, as text: of a halt, and of a roll back.
 *
 * A note is one line of JSON with its keys in order (RFC 8785), and the only text of a C2SP signed note (audit/note.h)
 * that the caller makes of it; client/ keeps it where the server has room for it. It says which rollout is meant, so
 * that it is never taken for one that was given the same number later, who halted it, and who acknowledged that:
 *
 *   {"ack":{...},"created_at":1700000000000000,"fleet":"hearth","halted":{"by":"m.ito","corr":"00000000000004d2",
 *    "host":"console-2","kind":"person","leaf":"<64 hex>","origin":"andon/console-2","reason":"...","seq":18231,
 *    "t":1700000000000000},"name":"spring","release":"hearth:4.12.1","rollout":"4471","v":1}
 *
 * Of a roll back, beside the release that it goes back to, under its own number:
 *
 *   {"created_at":1700000000000000,"name":"andon-rb-4471-1","of":"4471","release":"hearth:4.11.9","rollout":"4480",
 *    "started":{as halted},"v":1}
 *
 * What the server keeps under one key is a board: the notes of each andon that has something to say about that rollout,
 * one after the other. Each begins a line with '{'; the lines of its signatures follow. Nobody can change another's
 * note without its signature showing it, so who writes takes the others along as they are.
 *
 * A note is from outside: it may have been written by anybody who may write on the server. Reading is strict (a wrong
 * type, a text that safe_text would change, a length over the limit is an error, and then there is no note at all);
 * members that are not known are passed over, so that a later andon may add some. */
#ifndef ANDON_CORE_HALT_NOTE_H
#define ANDON_CORE_HALT_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/err.h"
#include "core/identity.h"
#include "core/intent.h"
#include "core/model.h"
#include "core/slice.h"

#define HALT_NOTE_MAX      3900 /* bytes of a board, signatures included (hawkBit takes 4,000 characters) */
#define HALT_NOTE_EACH     1900 /* of one note on it: two always have room */
#define HALT_NOTE_TEXT_MAX 3600 /* of the JSON: leaves room for the separator and one signature line */
#define HALT_NOTE_V        1

/* Who did it, when and why, and its entry in that one's log. */
struct halt_note_side {
    enum actor_kind kind;
    char by[64];
    char host[64];
    int64_t t; /* wall clock, us; > 0 */
    char reason[256];
    uint64_t corr; /* of the halt: the same in the halt and in its acknowledgement; not 0 */
    /* Where it stands in which log; "", 0 and "" while it is not in it yet. */
    char origin[104];
    int64_t seq;
    char leaf[65]; /* hash of the leaf, lower-case hex */
};
/* Texts are put in with safe_text_into (which marks what it clips). */
struct halt_note {
    char fleet[64];
    char rollout[ID_MAX];
    int64_t created_at; /* the rollout's own, us; 0 = the server does not say */
    char name[200];
    char release[200]; /* "name:version" */
    struct halt_note_side halted;
    bool acked;
    struct halt_note_side ack; /* when acked */
};

struct rollback_note {
    char rollout[ID_MAX]; /* the roll back itself */
    int64_t created_at;
    char name[200];
    char release[200];
    char of[ID_MAX]; /* what it rolls back */
    struct halt_note_side started;
};

/* Appends the line, without newline, to *out. Whatever the fields hold, it fits (they are as long as that allows).
 * ERR_RANGE when what must be there is not, or a number is beyond 2^53. Texts pass safe_text. */
bool halt_note_encode(const struct halt_note *n, struct buf *out, struct err *e) ANDON_MUST_USE;
bool rollback_note_encode(const struct rollback_note *n, struct buf *out, struct err *e) ANDON_MUST_USE;
/* Reads the line. On failure *n is all zero. ERR_UNSUPPORTED: of a version that this andon does not know. */
bool halt_note_decode(const char *bytes, size_t len, struct halt_note *n, struct err *e) ANDON_MUST_USE;
bool rollback_note_decode(const char *bytes, size_t len, struct rollback_note *n, struct err *e) ANDON_MUST_USE;

/* Is it about this rollout, or about another that had the same number? The fleet's name is each configuration's own and
 * tells nothing: the note lies on the server where the rollout is. */
enum identity_answer halt_note_about(const struct halt_note *n, const struct rollout_identity *now);
enum identity_answer rollback_note_about(const struct rollback_note *n, const struct rollout_identity *now);

/* Takes the next note off a board: *text its line with the newline (the newest may lack it), *lines those of its
 * signatures with the empty line before them. What belongs to no note is passed over. False at the end. */
bool halt_note_next(struct slice *board, struct slice *text, struct slice *lines);

/* The number of the rollout that "andon-rb-ID-N" says it rolls back; "" when the name says nothing of the kind. Anybody
 * may give a rollout such a name. */
void rollback_named(const char *name, char of[ID_MAX]);

#endif
