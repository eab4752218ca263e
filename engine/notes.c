/* Reads the boards of the rollouts that are under way once a poll, hands in what they say, and writes what they lack.
 */
#include "engine/notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/notes_board.h"
#include "engine/worker.h"

#define LOG_LATE_US (1 * US_PER_S) /* without the log's answer by then: unsigned */
#define RETRY_US    (1 * US_PER_S)

static void read_boards(struct engine *en);
static void consider(struct engine *en, void *arg);

/* By a timer, in a turn's own order: an entry that is about to be written has its place in the log's queue before we
 * ask, and whether the log answers fast does not matter. */
static void soon(struct ro *ro)
{
    timer_set(ro->en, now_of(ro->en), consider, ro);
}

/* Somebody waits to hear what the notes say, and it was handed in. */
static void looked(struct ro *ro)
{
    if (ro->stop.looks & STOP_IN_NOTES)
        ro_stop_looked(ro, STOP_IN_NOTES, ro->notes.read_at);
}

/* ---- handing in ---- */

static const char *by_of(const struct halt_note_side *s, char out[80])
{
    snprintf(out, 80, "%s%s", s->kind == ACTOR_RULE ? "rule " : "", s->by);
    return out;
}

/* In this log already, by another session of it: then it is known from there, only sooner. Signed by this log's key and
 * not in it yet, it waits in the spool and comes from there: it is not put in a second time. */
static void hand_in_halt(struct ro *ro, const struct part_of_board *p, const struct log_item *x)
{
    const struct halt_note_side *s = &p->halt.halted;
    char by[80];
    struct halt_found f = {.from = x->halted  ? STOP_LOG
                                   : p->own   ? STOP_SPOOL
                                   : p->known ? STOP_NOTE
                                              : STOP_NOTE_UNKNOWN,
                           .who = stop_who_of(s->kind, s->by),
                           .id = s->corr,
                           .by = by_of(s, by),
                           .host = s->host,
                           .reason = s->reason,
                           .origin = s->origin,
                           .t = s->t,
                           .seq = s->seq};
    ro_stop_found(ro, &f);
    if (x->halted)
        ro_stop_logged(ro, s->corr, x->seq);
}

static void hand_in_ack(struct ro *ro, const struct part_of_board *p, uint64_t id)
{
    const struct halt_note_side *s = &p->halt.ack;
    char by[80];
    struct ack_found f = {.from = p->known ? STOP_NOTE : STOP_NOTE_UNKNOWN,
                          .who = stop_who_of(s->kind, s->by),
                          .id = id,
                          .by = by_of(s, by),
                          .host = s->host,
                          .reason = s->reason,
                          .t = s->t};
    ro_stop_ack_found(ro, &f);
}

static const struct log_item *in_log(const struct log_facts *f, uint64_t id)
{
    static const struct log_item none;
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].id == id && !f->v[i].back)
            return &f->v[i];
    return &none;
}

/* By another session of this log, which has not been read since: sooner than by the next look at it. */
static void hand_in_lifted(struct ro *ro, const struct log_item *x)
{
    char by[80];
    struct ack_found f = {.from = STOP_LOG,
                          .who = stop_who_of(x->ack.kind, x->ack.by),
                          .id = x->id,
                          .by = by_of(&x->ack, by),
                          .host = x->ack.host,
                          .reason = x->ack.reason,
                          .t = x->ack.t};
    if (notes_stands(ro, x->id))
        ro_stop_ack_found(ro, &f);
}

/* A claim that nobody known has signed. One by the rule for lost telemetry ends by itself where it was made, and the
 * same rule here sees for itself: it is left out, as who wrote it could have done. */
static bool worth_claiming(const struct part_of_board *halt)
{
    return stop_who_of(halt->halt.halted.kind, halt->halt.halted.by) != STOP_RULE_LOST;
}

/* One halt, as it stands after all that the board says about it. What this log has lifted is lifted. */
static void hand_in_one(struct ro *ro, const struct board *b, const struct log_item *x, uint64_t id)
{
    const struct part_of_board *halt = board_halt(b, id, false), *ack = board_halt(b, id, true);
    if (x->acked) { /* also of a claim, which does not stand in the log */
        hand_in_lifted(ro, x);
        return;
    }
    if (halt && !(ack && ack->known) && (halt->known || worth_claiming(halt)))
        hand_in_halt(ro, halt, x);
    if (ack)
        hand_in_ack(ro, ack, id);
}

static void hand_in(struct ro *ro, const struct board *b, const struct log_facts *f)
{
    for (size_t i = 0; i < b->n && !ro_ended(ro); i++) {
        const struct halt_note *n = &b->v[i].halt;
        hand_in_one(ro, b, in_log(f, n->halted.corr), n->halted.corr);
        for (size_t k = 0; k < n->n_also; k++)
            hand_in_one(ro, b, in_log(f, n->also[k]), n->also[k]);
    }
}

/* ---- deciding ---- */

static void decide(struct ro *ro, const struct log_facts *f)
{
    struct ro_notes *m = &ro->notes;
    struct board *b = notes_board(ro, BOARD_HALT);
    struct writing w;
    hand_in(ro, b, f);
    bool more = notes_plan(ro, b, f, &w);
    free(b);
    m->noted = !more;
    mark(ro->en);
    m->due = m->due && more && !notes_refused(ro) && (notes_may_write(ro) || !ro->en->facts.info_known);
    if (!more) {
        m->settled = notes_state(ro);
        err_clear(&m->err);
    } else if (notes_may_write(ro) && !m->writing && now_of(ro->en) >= m->next_try) {
        notes_write(ro, &w);
    }
    looked(ro);
}

/* ---- the log ---- */

static void log_late(struct engine *en, void *arg)
{
    struct ro *ro = arg;
    ro->notes.late = true;
    consider(en, ro);
}

static void looked_up(struct engine *en, struct job *j)
{
    struct ro *ro = j->ctx;
    struct log_facts *f = j->result;
    bool own = en->notes.own_key;
    timer_cancel(en, log_late, ro);
    ro->notes.asking = ro->notes.late = false;
    if (j->ok && *f->vkey && !own) /* boards are judged again: some of it may be our own */
        en->notes.own_key = known_keys_add(en->notes.keys, f->vkey, true, NULL);
    if (!j->ok)
        notes_unsigned(f, &j->arena);
    decide(ro, f);
    if (ro->notes.again) {
        ro->notes.again = false;
        soon(ro);
    }
}

static bool add(struct log_facts *f, uint64_t id, bool back)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].id == id && f->v[i].back == back)
            return false;
    if (id == 0 || f->n == sizeof f->v / sizeof *f->v)
        return false;
    f->v[f->n++] = (struct log_item){.id = id, .back = back};
    return true;
}

/* What there is to be asked about this rollout. */
static struct log_facts *facts_of(const struct ro *ro, struct arena *a)
{
    struct log_facts *f = ARENA_NEW(a, struct log_facts);
    const struct ro_notes *m = &ro->notes;
    const struct rollout_identity id = ro->facts.mark.who;
    char about[ID_MAX + 40];
    struct board *b = notes_board(ro, BOARD_HALT);
    *f = (struct log_facts){.fleet = arena_strdup(a, id.fleet),
                            .rollout = arena_strdup(a, id.id),
                            .name = arena_strdup(a, id.name),
                            .release = arena_strdup(a, id.release),
                            .of = arena_strdup(a, ro->rollback.of),
                            .created_at = id.created_at};
    for (size_t i = 0; i < m->n_mine; i++)
        if (add(f, m->mine[i], false))
            notes_remembered(ro, m->mine[i], &f->v[f->n - 1].given);
    for (size_t i = 0; i < b->n; i++) {
        const struct halt_note *n = &b->v[i].halt;
        if (b->v[i].about == IDENTITY_OTHER)
            continue;
        (void)add(f, n->halted.corr, false);
        for (size_t k = 0; k < n->n_also; k++)
            (void)add(f, n->also[k], false);
    }
    for (size_t i = 0; i < f->n; i++) {
        const struct part_of_board *p = board_halt(b, f->v[i].id, false);
        if (p && (p->known || f->v[i].given.t == 0)) {
            f->v[i].given = p->halt.halted;
            f->v[i].trust = p->known && !p->own;
        }
    }
    free(b);
    snprintf(about, sizeof about, "andon roll back of %s, ", ro->rollback.of);
    if (*ro->rollback.of && strncmp(ro->facts.r.description, about, strlen(about)) == 0)
        (void)add(f, strtoull(ro->facts.r.description + strlen(about), NULL, 10), true);
    return f;
}

/* Has anything changed since there was nothing to do? Then the log is asked what it says, and all three are compared.
 */
static void consider(struct engine *en, void *arg)
{
    struct ro *ro = arg;
    struct ro_notes *m = &ro->notes;
    if (!ro->facts.known || ro->facts.past)
        return;
    notes_remember(ro);
    if (notes_state(ro) == m->settled) {
        looked(ro);
        return;
    }
    if (m->writing)
        return;
    if (m->asking && !m->late) {
        m->again = true;
        return;
    }
    struct job *j = job_new(JOB_READ);
    struct log_facts *f = facts_of(ro, &j->arena);
    if (f->n == 0 || m->late || !en->diary.scribe) { /* nothing to ask, or nobody who answers */
        notes_unsigned(f, &j->arena);
        decide(ro, f);
        job_free(j);
        return;
    }
    j->read = notes_look_up;
    j->result = f;
    m->asking = true;
    timer_set(en, now_of(en) + LOG_LATE_US, log_late, ro);
    diary_put(en, j, 0, looked_up, ro);
}

/* ---- reading ---- */

/* What the log says of the past comes first: it knows what was acknowledged. */
static bool past_known(const struct engine *en)
{
    return en->recover.recovered || !en->diary.scribe || en->diary.err.code != ERR_NONE;
}

struct question { /* in the request's arena */
    const char *release[NOTE_RELEASES_MAX];
    size_t n;
};

static bool asked_for(const struct question *qu, const char *release)
{
    for (size_t i = 0; i < qu->n; i++)
        if (strcmp(qu->release[i], release) == 0)
            return true;
    return false;
}

static void boards_read(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    struct en_notes *m = &en->notes;
    m->reading--;
    if (r->err) {
        int64_t wait = RETRY_US;
        bool away = r->err->code == ERR_NETWORK || r->err->code == ERR_TIMEOUT; /* the polls wait for it already */
        m->err = *r->err;
        for (int i = m->failures++; i > 0 && wait < NOTES_RETRY_MAX; i--)
            wait *= 2;
        m->next_read = away ? 0 : now_of(en) + wait;
        for (size_t i = 0; i < en->facts.n_ros; i++) /* nothing more is to be had from here */
            if (en->facts.ros[i]->stop.looks & STOP_IN_NOTES)
                ro_stop_looked(en->facts.ros[i], STOP_IN_NOTES, q->n);
        mark(en);
        return;
    }
    m->failures = 0;
    m->next_read = 0;
    err_clear(&m->err);
    for (size_t i = 0; i < en->facts.n_all; i++) {
        struct ro *ro = en->facts.all[i];
        if (!ro->facts.known || !asked_for(q->x, ro->facts.r.release.id))
            continue;
        notes_take(ro, &q->out.notes, q->n);
        soon(ro);
    }
    mark(en);
    if (m->again && m->reading == 0)
        read_boards(en);
}

static void ask(struct engine *en, const struct question *qu)
{
    struct req *q = req_new(en, boards_read);
    struct question *mine = arena_memdup(&q->arena, qu, sizeof *qu);
    for (size_t i = 0; i < mine->n; i++)
        mine->release[i] = arena_strdup(&q->arena, qu->release[i]);
    q->x = mine;
    q->n = now_of(en);
    en->notes.reading++;
    en->notes.begun = true;
    en->be->ops->notes(en->be, mine->release, mine->n, NOTES_PREFIX, &q->arena, &q->out.notes, req_done, q);
}

/* Of rollouts that have ended only boards with something of ours are read, to be cleaned; and all of them once, for who
 * wrote them may have been ended before that. */
static bool wanted(const struct ro *ro)
{
    if (!ro->facts.known || !*ro->facts.r.release.id)
        return false;
    return !ro_ended(ro) || !ro->en->notes.ended_read || ro->notes.board[BOARD_HALT].n > 0 ||
           ro->notes.board[BOARD_BACK].n > 0;
}

static void read_boards(struct engine *en)
{
    struct en_notes *m = &en->notes;
    struct question qu = {.n = 0};
    int64_t now = now_of(en);
    if (!notes_can_read(en) || !en->facts.rollouts_known || !past_known(en))
        return;
    m->again = m->reading > 0;
    if (m->again || now < m->next_read)
        return;
    for (size_t i = 0; i < en->facts.n_ros; i++) {
        struct ro *ro = en->facts.ros[i];
        if (!wanted(ro))
            continue;
        if (ro->notes.wanted_at == 0)
            ro->notes.wanted_at = now;
        if (asked_for(&qu, ro->facts.r.release.id))
            continue;
        qu.release[qu.n++] = ro->facts.r.release.id;
        if (qu.n < NOTE_RELEASES_MAX)
            continue;
        ask(en, &qu);
        qu.n = 0;
        if (m->ended_read == false && i > NOTE_RELEASES_MAX)
            break; /* of those that have ended, the newest */
    }
    m->ended_read = true;
    if (qu.n > 0)
        ask(en, &qu);
}

/* ---- the part ---- */

static void init(struct engine *en)
{
    en->notes.keys = known_keys_new();
    for (size_t i = 0; i < en->spec.n_known_keys; i++)
        (void)!known_keys_add(en->notes.keys, en->spec.known_keys[i], false, NULL); /* the session has checked them */
}

static void ro_free(struct ro *ro)
{
    for (int k = 0; k < BOARD_KINDS; k++)
        free(ro->notes.board[k].text);
}

static void free_all(struct engine *en)
{
    known_keys_free(en->notes.keys);
}

/* What a server that could not be reached did not take is tried again as soon as it shows something new. */
static void seen(struct ro *ro, enum rollout_state was)
{
    notes_recognise(ro);
    if (was == ro->facts.r.state || ro->notes.failures == 0 || notes_refused(ro))
        return;
    ro->notes.next_try = 0;
    soon(ro);
}

/* Asked for together with the list; the first time as soon as it can be, for a command waits for it. */
static void sweep(struct engine *en)
{
    if (!en->notes.begun)
        read_boards(en);
}

static void noted(struct ro *ro, unsigned what)
{
    if (what & (STOP_NOTE_HALT | STOP_NOTE_ACK))
        ro->notes.own_halt = ro->notes.due = true;
    soon(ro);
}

static void looking(struct ro *ro)
{
    if (!notes_can_read(ro->en))
        return;
    ro_stop_look_begun(ro, STOP_IN_NOTES);
    read_boards(ro->en);
}

const struct part part_notes = {.name = "notes",
                                .init = init,
                                .free = free_all,
                                .ro_free = ro_free,
                                .sweep = sweep,
                                .refresh = read_boards,
                                .polling = read_boards,
                                .seen = seen,
                                .noted = noted,
                                .looking = looking};
