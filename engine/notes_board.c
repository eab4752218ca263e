/* A board: taken apart, judged, put together again. */
#include <stdlib.h>
#include "engine/notes.h"
#include "engine/notes_board.h"

struct board *board_read(const struct known_keys *keys, struct slice text, bool halts,
                         const struct rollout_identity *now)
{
    struct board *b = xcalloc(1, sizeof *b);
    struct slice one, lines;
    struct err e;
    while (b->n < PARTS_MAX && halt_note_next(&text, &one, &lines)) {
        struct part_of_board *p = &b->v[b->n];
        size_t n = one.n - (one.p[one.n - 1] == '\n');
        if (halts ? !halt_note_decode(one.p, n, &p->halt, &e) : !rollback_note_decode(one.p, n, &p->back, &e))
            continue;
        p->text = one;
        p->lines = lines;
        p->known = known_keys_signer(keys, one, lines, &p->own) != NULL;
        p->about = halts ? halt_note_about(&p->halt, now) : rollback_note_about(&p->back, now);
        b->n++;
    }
    return b;
}

const struct part_of_board *board_halt(const struct board *b, uint64_t id, bool acked)
{
    const struct part_of_board *best = NULL;
    for (size_t i = 0; i < b->n; i++) {
        const struct part_of_board *p = &b->v[i];
        /* What makes it stand counts for a rollout that cannot be told apart; what lifts it, only for this one. */
        bool fits = acked ? p->halt.acked && p->about == IDENTITY_SAME : p->about != IDENTITY_OTHER;
        if (fits && p->halt.halted.corr == id && (!best || (p->known && !best->known)))
            best = p;
    }
    return best;
}

/* ---- writing ---- */

enum rank { RANK_OURS, RANK_STANDS, RANK_ACKED, RANK_CLAIM }; /* the last goes first when there is no room */
struct piece {
    enum rank rank;
    struct slice text, lines;
};

static bool replaced(const struct part_of_board *p, const struct own_note *own, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (own[i].id == p->halt.halted.corr && (p->own || (!p->known && own[i].sealed)))
            return true;
    return false;
}

static size_t length(const struct piece *v, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i].text.n + v[i].lines.n + 1; /* a newline may be missing at its end */
    return sum;
}

/* Drops the oldest of the piece that matters least; false when none may go. */
static bool drop_one(struct piece *v, size_t *n)
{
    size_t worst = 0;
    for (size_t i = 1; i < *n; i++)
        if (v[i].rank > v[worst].rank)
            worst = i;
    if (*n == 0 || v[worst].rank <= RANK_STANDS)
        return false;
    memmove(v + worst, v + worst + 1, (--*n - worst) * sizeof *v);
    return true;
}

static void put(struct buf *out, struct slice s)
{
    if (s.n == 0)
        return;
    buf_add(out, s.p, s.n);
    if (s.p[s.n - 1] != '\n')
        buf_addc(out, '\n');
}

bool board_write(const struct board *b, const struct own_note *own, size_t n, bool clean, struct buf *out,
                 struct err *e)
{
    struct piece v[PARTS_MAX + NOTES_IDS + PARTS_MAX];
    size_t k = 0;
    for (size_t i = 0; i < b->n; i++) {
        const struct part_of_board *p = &b->v[i];
        if (p->about == IDENTITY_OTHER || (clean && p->own) || replaced(p, own, n))
            continue;
        v[k++] = (struct piece){!p->known ? RANK_CLAIM : p->halt.acked ? RANK_ACKED : RANK_STANDS, p->text, p->lines};
    }
    for (size_t i = 0; i < n; i++)
        v[k++] = (struct piece){RANK_OURS, slice_of(own[i].text), {NULL, 0}};
    while (length(v, k) > HALT_NOTE_MAX)
        if (!drop_one(v, &k))
            return err_set(e, ERR_LIMIT, "", "the halts of others leave no room for this one");
    for (size_t i = 0; i < k; i++) {
        put(out, v[i].text);
        put(out, v[i].lines);
    }
    return true;
}
