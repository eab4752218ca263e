/* What the guard that writes the log, and those who write and read through it, say to each other over a Unix socket.
 *
 * A frame is a length (4 bytes, big-endian, of what follows), a word (1 byte) and its body; a body is numbers (8 bytes,
 * big-endian) and byte strings (a length of 4 bytes, then the bytes), in a fixed order for each word. One question, one
 * answer, in turn; either side closes when the other breaks a rule. docs/audit.md has the table. Nothing here allocates
 * by what a length says: a frame is judged by its first five bytes. */
#ifndef ANDON_AUDIT_WIRE_H
#define ANDON_AUDIT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/buf.h"
#include "core/err.h"
#include "core/slice.h"

#define WIRE_VERSION    2
#define WIRE_HEAD       5                  /* bytes before the body */
#define WIRE_ASK_MAX    ((size_t)40 << 10) /* of a question's body: an entry and what goes with it */
#define WIRE_BLOB_MAX   ((size_t)16 << 20) /* of a blob that comes from a client */
#define WIRE_CHUNK      ((size_t)256 << 10)
#define WIRE_ANSWER_MAX ((size_t)1 << 20)   /* of an answer's body: WIRE_CHUNK and the row that went over it */
#define WIRE_ROW_MAX    ((size_t)64 << 10)  /* of a stored line; a longer one is damaged and comes cut off */
#define WIRE_OPEN_MAX   ((size_t)128 << 10) /* of its openings */
#define WIRE_WORD_MAX   300                 /* of a fleet, rollout, ... in a question */

enum wire_word {
    WIRE_HELLO = 1, /* version -> version, the user's name */
    WIRE_STATE,     /* -> size, frontier, note, newest seq, number of the entry before its first (audit/chain.h) */
    WIRE_ROWS,      /* struct wire_rows -> seq to go on from or 0, then rows: seq, hash, line, openings */
    WIRE_BLOB,      /* digest, offset -> size, bytes from there */
    WIRE_BLOBS,     /* row id -> row id to go on from or 0, then digests */
    WIRE_PUT_BLOB,  /* bytes -> digest */
    WIRE_APPEND,    /* an entry's line (seq 0) -> seq, leaf hash, root, size */
    WIRE_ROTATE,    /* with a new key?, kind of actor, reason, what its host claims -> nothing */
    WIRE_ASKS,
    WIRE_OK = 64,
    WIRE_NO /* err_word, what, next, cause */
};

struct wire_frame {
    enum wire_word word;
    struct slice body; /* borrowed */
    size_t n;          /* bytes of the whole frame */
};
enum wire_state { WIRE_MORE, WIRE_WHOLE, WIRE_BAD };
/* Looks at the first n bytes of what has come. WIRE_BAD: a word that this side is never sent, or a length over the
 * word's limit; nothing after it can be read. `asks`: questions are expected, else answers. */
enum wire_state wire_frame(const void *p, size_t n, bool asks, struct wire_frame *out);

/* Reads a body in order. Past its end, or past a limit, everything is 0 or absent and `bad` is set. */
struct wire_in {
    struct slice left;
    bool bad;
};
uint64_t wire_number(struct wire_in *in);
struct slice wire_bytes(struct wire_in *in, size_t max);
bool wire_end(const struct wire_in *in); /* nothing is left, and nothing was bad */

/* Begins a frame at the end of the buffer, wire_close() gives it its length. */
size_t wire_open(struct buf *b, enum wire_word word);
void wire_put(struct buf *b, uint64_t v);
void wire_put_bytes(struct buf *b, const void *p, size_t n);
void wire_close(struct buf *b, size_t at);

/* Which entries a question means; "" and 0: any. `kinds` may name several, with blanks between. A reader looks at what
 * comes itself: the other side only need not send more. */
struct wire_rows {
    int64_t from, to;             /* inclusive */
    bool newest_first, all_files; /* all_files: with the older files that the log goes on from (audit/chain.h) */
    int64_t after_t, before_t;
    uint64_t corr;
    struct slice kinds, fleet, rollout, actor;
};
void wire_put_rows(struct buf *b, const struct wire_rows *q);
void wire_get_rows(struct wire_in *in, struct wire_rows *out);

/* An answer that says why not, and back: *e with what it says, safe. */
void wire_put_err(struct buf *b, const struct err *e);
void wire_get_err(struct slice body, struct err *e);

#endif
