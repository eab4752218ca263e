/* Finds what a board lacks, and writes it: read, changed, written back. */
#include "engine/notes.h"

#include <stdlib.h>
#include <string.h>
#include "engine/notes_board.h"
#include "engine/worker.h"

#define RETRY_US   (1 * US_PER_S)
#define REFUSED_US (10 * US_PER_MIN) /* after "you may not", "no room", "no such thing" */

bool notes_may_write(const struct ro *ro)
{
    const struct engine *en = ro->en;
    return (en->facts.info.caps & CAP_NOTES_PUT) && en->be->ops->note_put && !en->spec.observe_only &&
           *ro->facts.r.release.id && (!en->spec.fleet->read_only || ro->notes.own_halt);
}

static bool final_refusal(enum err_code c)
{
    return c == ERR_FORBIDDEN || c == ERR_UNSUPPORTED || c == ERR_QUOTA || c == ERR_LIMIT || c == ERR_RANGE ||
           c == ERR_NOT_FOUND;
}

static void written(struct ro *ro, const struct err *why)
{
    struct ro_notes *m = &ro->notes;
    int64_t wait = RETRY_US;
    m->writing = false;
    mark(ro->en);
    if (!why) {
        m->failures = 0;
        err_clear(&m->err);
        m->next_try = now_of(ro->en) + RETRY_US; /* the next poll shows whether it stands */
        return;
    }
    m->err = *why;
    for (int i = m->failures++; i > 0 && wait < NOTES_RETRY_MAX; i--)
        wait *= 2;
    if (final_refusal(why->code))
        wait = REFUSED_US;
    m->next_try = now_of(ro->en) + wait;
}

static void put_done(struct req *q, const struct reply *r)
{
    written(q->ro, r->err);
}

/* The newest board is at hand: others' notes go along as they are. */
static void put_board(struct ro *ro, const struct writing *w)
{
    struct engine *en = ro->en;
    struct board *b = notes_board(ro, w->kind);
    struct err why = {0};
    struct buf out;
    char key[NOTE_KEY_MAX];
    buf_init(&out, HALT_NOTE_MAX);
    notes_key(ro, w->kind, key);
    bool ok = board_write(b, w->own, w->n, w->clean, &out, &why);
    free(b);
    struct slice now = notes_board_text(ro, w->kind);
    if (!ok) {
        written(ro, &why);
    } else if (slice_same(now, (struct slice){out.data, out.len})) {
        written(ro, NULL);
    } else {
        struct req *q = req_new(en, put_done);
        q->ro = ro;
        if (out.len == 0)
            en->be->ops->note_delete(en->be, ro->facts.r.release.id, key, req_done, q);
        else
            en->be->ops->note_put(en->be, ro->facts.r.release.id, key, out.data, out.len, req_done, q);
    }
    buf_release(&out);
}

static void reread_done(struct req *q, const struct reply *r)
{
    if (r->err) {
        written(q->ro, r->err);
        return;
    }
    notes_take(q->ro, &q->out.notes, q->n);
    put_board(q->ro, q->x);
}

/* Read, changed and written back: what somebody wrote in between is lost, and written again by who misses it. */
void notes_write(struct ro *ro, const struct writing *plan)
{
    struct engine *en = ro->en;
    struct req *q = req_new(en, reread_done);
    struct writing *w = arena_memdup(&q->arena, plan, sizeof *plan);
    for (size_t i = 0; i < w->n; i++)
        w->own[i].text = arena_strdup(&q->arena, w->own[i].text);
    ro->notes.writing = true;
    q->ro = ro;
    q->x = w;
    q->n = now_of(en);
    const char *release = arena_strdup(&q->arena, ro->facts.r.release.id);
    en->be->ops->notes(en->be, &release, 1, NOTES_PREFIX, &q->arena, &q->out.notes, req_done, q);
}

/* Does the board lack what is to be said about this halt? */
static bool lacks(const struct ro *ro, const struct board *b, const struct log_item *x)
{
    const struct part_of_board *halt = board_halt(b, x->id, false), *ack = board_halt(b, x->id, true);
    bool own_bare = false, claimed = ro->stop.m.phase == STOP_CLAIMED || ro->stop.m.phase == STOP_CLAIM_RUN;
    if (!x->text)
        return false;
    for (size_t i = 0; i < b->n; i++)
        own_bare |= b->v[i].own && b->v[i].halt.halted.corr == x->id && !b->v[i].halt.acked;
    if (notes_stands(ro, x->id) && !x->acked) /* a claim of nobody that is known is not made one of ours */
        return !claimed && !(halt && (halt->known || !x->sealed)) && !(ack && ack->known);
    return x->acked && halt && (own_bare || !(ack && ack->known));
}

static bool has_own(const struct board *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].own)
            return true;
    return false;
}

static bool has_known(const struct board *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].known && b->v[i].about == IDENTITY_SAME)
            return true;
    return false;
}

/* What is to be written now; false: nothing. */
bool notes_plan(const struct ro *ro, const struct board *b, const struct log_facts *f, struct writing *w)
{
    uint64_t ids[STOP_KNOWN];
    memset(w, 0, sizeof *w);
    if (ro_ended(ro) && notes_standing(ro, ids) == 0 && has_own(b)) {
        w->clean = true;
        return true;
    }
    for (size_t i = 0; i < f->n; i++)
        if (!f->v[i].back && lacks(ro, b, &f->v[i]) && !ro_ended(ro))
            w->own[w->n++] = (struct own_note){f->v[i].id, f->v[i].text, f->v[i].sealed};
    if (w->n > 0)
        return true;
    struct board *back = notes_board(ro, BOARD_BACK);
    w->kind = BOARD_BACK;
    w->clean = ro_ended(ro) && has_own(back);
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].back && f->v[i].sealed && !ro_ended(ro) && !has_known(back))
            w->own[w->n++] = (struct own_note){f->v[i].id, f->v[i].text, true};
    free(back);
    return w->clean || w->n > 0;
}
