/* The part "notes": halts and roll backs that everyone sees, as notes on the fleet server (core/halt_note.h).
 *
 * A note can only add care. It is written after the halt's request is on its way, nobody waits for it, and what is read
 * is handed to the part "stop", which asks for an acknowledgement here. Everything follows from three things that are
 * compared at each poll: what stands here (ro->stop), what the log says about it, and the board that the server shows.
 * So it does not matter who was asked for the halt, which process ended in the middle, or whose writing was lost: who
 * finds the board lacking writes it again.
 *
 * notes.c reads and writes, notes_board.c takes a board apart and puts it together, notes_log.c is what the log's
 * thread does: it looks up what the log says, and signs with the log's key. docs/notes.md has it in words. */
#ifndef ANDON_ENGINE_NOTES_H
#define ANDON_ENGINE_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/err.h"
#include "core/model.h"
#include "engine/parts.h"

struct known_keys;

#define NOTES_IDS 16 /* halts of one rollout that are looked after */

struct en_notes {
    struct known_keys *keys;
    bool own_key;    /* the log's own is among them */
    bool asked;      /* once, at least */
    int reading;     /* requests under way */
    bool again;      /* something wants a newer answer than theirs */
    bool ended_read; /* releases of rollouts that have ended were read once */
    int failures;    /* of reading, in a row */
    int64_t next_read;
    struct err err; /* of the newest reading, ERR_NONE */
};

/* "andon.halt.ID" and "andon.rollback.ID" */
enum board_kind { BOARD_HALT, BOARD_BACK, BOARD_KINDS };
struct ro_board {
    char *text; /* as it was last read, n bytes, of outside; NULL: none */
    size_t n;
};

struct ro_notes {
    struct ro_board board[BOARD_KINDS];
    int64_t read_at;   /* the newest reading was asked for at, 0 = never */
    int64_t wanted_at; /* first wanted at, 0 = never */
    uint64_t settled;  /* of the state in which there was nothing left to do */
    bool own_halt;     /* asked for, or acknowledged, here: noted in read-only mode too */
    bool asking, late; /* the log: it was asked; it has not answered for a second */
    bool writing, again;
    uint64_t mine[NOTES_IDS]; /* halts that stood here, oldest first */
    size_t n_mine;
    int failures; /* of writing, in a row */
    int64_t next_try;
    struct err err; /* why the newest writing failed, ERR_NONE */
    bool noted;     /* what stands here is on the board */
    /* a roll back of another */
    char back_of[ID_MAX], back_by[80], back_host[64];
    bool back_signed; /* by a known key; else its name says so, or a note of nobody that is known */
};

/* Have notes about it been read, or are there none to be read? While it waits for the first reading (5 s at most) a
 * verb that lets it run should wait too. */
enum notes_known { NOTES_KNOWN, NOTES_AWAITED, NOTES_UNKNOWN };
enum notes_known notes_known(const struct ro *ro);
/* What a person should hear about the notes of this rollout; false when there is nothing. */
bool notes_warning(const struct ro *ro, char *out, size_t size);
/* Which rollout it rolls back, as another andon says, "". */
const char *notes_back_of(const struct ro *ro);

extern const struct part part_notes;

#endif
