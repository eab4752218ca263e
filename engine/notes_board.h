/* A board taken apart and put together. Private to engine/notes*.c. */
#ifndef ANDON_ENGINE_NOTES_BOARD_H
#define ANDON_ENGINE_NOTES_BOARD_H

#include "audit/known.h"
#include "audit/log.h"
#include "core/halt_note.h"
#include "engine/worker.h"

#define PARTS_MAX 16 /* notes of one board that are looked at: more than fit */

/* One note of a board; text and lines are borrowed from it. */
struct part_of_board {
    struct slice text, lines;
    struct halt_note halt;     /* of a board of halts */
    struct rollback_note back; /* of a board of roll backs */
    bool known, own;           /* signed by a key that is known; by the log's own */
    enum identity_answer about;
};
struct board {
    struct part_of_board v[PARTS_MAX];
    size_t n;
};

/* Takes the notes off: what is none is passed over. `now`: the rollout as the server shows it. Free with free(). */
struct board *board_read(const struct known_keys *keys, struct slice text, bool halts,
                         const struct rollout_identity *now);
/* The note of this halt that says most for it: signed by a known key before unsigned. NULL: none. `acked`: one that
 * says who acknowledged it. */
const struct part_of_board *board_halt(const struct board *b, uint64_t id, bool acked);

/* A note of this andon's to be put on the board. */
struct own_note {
    uint64_t id;
    const char *text; /* sealed, or one line with a newline */
    bool sealed;
};
/* The board with these notes on it, others' as they are. Away with notes of another rollout that had the same number,
 * and with ours that these replace; `clean`: with all of ours. What does not fit goes in this order: claims of nobody
 * that is known, then halts that were acknowledged. ERR_LIMIT when that is not enough. */
bool board_write(const struct board *b, const struct own_note *own, size_t n, bool clean, struct buf *out,
                 struct err *e) ANDON_MUST_USE;

/* ---- notes_log.c ---- */

/* One halt (or roll back) that the log is asked about, by its correlation number. */
struct log_item {
    uint64_t id;
    bool back;  /* a roll back */
    bool trust; /* `given` comes from a known key: better than the entry that this log may have of it */
    struct halt_note_side given; /* what is known without the log; t 0: nothing */
    /* results */
    bool halted, acked; /* the log has its entry; an acknowledgement that lifts it */
    struct halt_note_side ack;
    const char *text; /* the note as it should stand on the board; NULL: nothing to be said */
    bool sealed;
};
struct log_facts {
    const char *fleet, *name, *release, *rollout, *of; /* the rollout; of: what it rolls back */
    int64_t created_at;
    struct log_item v[NOTES_IDS + PARTS_MAX];
    size_t n;
    char vkey[176]; /* the log's key; "" not known */
};
/* On the log's thread: j->result are the facts, made by the worker. */
bool notes_look_up(struct job *j, struct audit_log *l);
/* Without the log: what is given, unsigned. */
void notes_unsigned(struct log_facts *f, struct arena *a);

/* ---- notes_state.c ---- */
#define NOTES_PREFIX    "andon."
#define NOTES_RETRY_MAX US_PER_MIN
int notes_standing(const struct ro *ro, uint64_t ids[STOP_KNOWN]); /* halts that nobody has acknowledged */
bool notes_stands(const struct ro *ro, uint64_t id);
void notes_remember(struct ro *ro); /* what stands, for when it does no more */
void notes_remembered(const struct ro *ro, uint64_t id, struct halt_note_side *out);
struct slice notes_board_text(const struct ro *ro, enum board_kind k);
struct board *notes_board(const struct ro *ro, enum board_kind k); /* free() */
void notes_key(const struct ro *ro, enum board_kind k, char out[NOTE_KEY_MAX]);
void notes_recognise(struct ro *ro); /* is it a roll back of another's? */
void notes_take(struct ro *ro, const struct note_list *list, int64_t at);
uint64_t notes_state(const struct ro *ro); /* a hash of what is compared: the same, and nothing has changed */
bool notes_can_read(const struct engine *en);

/* ---- notes_write.c ---- */
struct writing { /* in the request's arena */
    enum board_kind kind;
    bool clean;
    struct own_note own[NOTES_IDS + PARTS_MAX];
    size_t n;
};
bool notes_may_write(const struct ro *ro);
/* What is to be written now; false: nothing. */
bool notes_plan(const struct ro *ro, const struct board *b, const struct log_facts *f, struct writing *w);
/* Read, changed and written back: what somebody wrote in between is lost, and written again by who misses it. */
void notes_write(struct ro *ro, const struct writing *plan);

#endif
