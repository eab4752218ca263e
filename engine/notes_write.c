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
    return (en->facts.info.caps & CAP_NOTES_PUT) && notes_can_read(en) && !en->spec.observe_only &&
           *ro->facts.r.release.id && (!en->spec.fleet->read_only || ro->notes.own_halt);
}

bool notes_refused(const struct ro *ro)
{
    enum err_code c = ro->notes.err.code;
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
    if (notes_refused(ro)) {
        wait = REFUSED_US;
        m->due = false;
    }
    m->next_try = now_of(ro->en) + wait;
}

/* Of a series of failures the first is told. */
static void tell(struct ro *ro, const char *key, bool removed, const struct reply *r)
{
    struct sent s = {0};
    struct entry e;
    if (r->n_requests == 0 || (r->err && ro->notes.failures > 0))
        return;
    struct job *j = job_new(JOB_APPEND);
    diary_entry(ro->en, &e, ENTRY_STEP, NULL, ro);
    e.corr = ro->stop.m.id;
    e.verb = VERB_HALT;
    e.result = r->err ? "note-failed" : removed ? "note-removed" : "note-written";
    entry_str(&e, "note.key", key);
    if (r->err)
        entry_str(&e, "text", r->err->what);
    job_entry(j, &e);
    sent_take(&s, r, clock_wall(ro->en->clock), now_of(ro->en));
    sent_tell(&s, j);
    sent_clear(&s);
    diary_put(ro->en, j, 0, NULL, NULL);
}

static void put_done(struct req *q, const struct reply *r)
{
    tell(q->ro, q->x, q->n == 0, r);
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
    if (out.len > 0)
        out.data[--out.len] = '\0'; /* its newline; the server takes it off anyway */
    struct slice now = notes_board_text(ro, w->kind);
    if (!ok) {
        written(ro, &why);
    } else if (slice_same(now, (struct slice){out.data, out.len})) {
        written(ro, NULL);
    } else {
        struct req *q = req_new(en, put_done);
        q->ro = ro;
        q->unless = &ro->facts.past;
        q->x = arena_strdup(&q->arena, key);
        q->n = (int64_t)out.len;
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
    for (size_t i = 0; i < w->n; i++) {
        struct own_note *o = &w->own[i];
        o->text = arena_strdup(&q->arena, o->text);
        o->also = o->n_also ? arena_memdup(&q->arena, o->also, o->n_also * sizeof *o->also) : NULL;
    }
    ro->notes.writing = true;
    q->ro = ro;
    q->unless = &ro->facts.past;
    q->x = w;
    q->n = now_of(en);
    const char *release = arena_strdup(&q->arena, ro->facts.r.release.id);
    en->be->ops->notes(en->be, &release, 1, NOTES_PREFIX, &q->arena, &q->out.notes, req_done, q);
}

/* A halt that nobody has acknowledged: is there no note of it that others may know? */
static bool lacks_halt(const struct ro *ro, const struct board *b, const struct log_item *x)
{
    const struct part_of_board *halt = board_halt(b, x->id, false), *ack = board_halt(b, x->id, true);
    bool unlogged = false;
    if (ro->stop.m.phase == STOP_CLAIMED || ro->stop.m.phase == STOP_CLAIM_RUN)
        return false; /* the claim of nobody that is known is not made one of ours */
    for (size_t i = 0; i < b->n; i++) {
        const struct part_of_board *p = &b->v[i];
        unlogged |= p->own && p->halt.halted.corr == x->id && p->halt.halted.seq == 0 && x->seq > 0;
    }
    return (unlogged || !(halt && (halt->known || !x->sealed))) && !(ack && ack->known);
}

/* One that was acknowledged here: does the board still say that it stands? */
static bool lacks_ack(const struct board *b, uint64_t id)
{
    const struct part_of_board *halt = board_halt(b, id, false), *ack = board_halt(b, id, true);
    bool bare = false, own_ack = false;
    for (size_t i = 0; i < b->n; i++) {
        bare |= b->v[i].own && b->v[i].halt.halted.corr == id && !b->v[i].halt.acked;
        own_ack |= b->v[i].own && note_lifts(&b->v[i].halt, id);
    }
    return halt && ((bare && !own_ack) || !(ack && ack->known));
}

static bool lacks(const struct ro *ro, const struct board *b, const struct log_item *x)
{
    if (!x->text)
        return false;
    if (notes_stands(ro, x->id) && !x->acked)
        return lacks_halt(ro, b, x);
    bool more = x->acked && lacks_ack(b, x->id);
    for (size_t i = 0; i < x->n_also && x->acked; i++)
        more |= lacks_ack(b, x->also[i]);
    return more;
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
            w->own[w->n++] = (struct own_note){.id = f->v[i].id,
                                               .text = f->v[i].text,
                                               .sealed = f->v[i].sealed,
                                               .acked = f->v[i].acked,
                                               .also = f->v[i].also,
                                               .n_also = f->v[i].n_also};
    if (w->n > 0)
        return true;
    struct board *back = notes_board(ro, BOARD_BACK);
    w->kind = BOARD_BACK;
    w->clean = ro_ended(ro) && has_own(back);
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].back && f->v[i].sealed && !ro_ended(ro) && !has_known(back))
            w->own[w->n++] = (struct own_note){.id = f->v[i].id, .text = f->v[i].text, .sealed = true};
    free(back);
    return w->clean || w->n > 0;
}
