/* What the log says about a halt, and the note of it, signed with the log's key. On the log's thread. */
#include <stdio.h>
#include <string.h>
#include "core/json.h"
#include "core/text.h"
#include "engine/notes.h"
#include "engine/notes_board.h"

#define LOOKED_AT 64    /* acknowledgements, newest first, among which the one that lifts a halt is looked for */
#define NEWEST    20000 /* entries that are looked through: some 20 ms. Older halts are noted as they are known here */

static void side_of(const struct stored *s, uint64_t id, const char *origin, struct halt_note_side *out)
{
    struct json_t *facts = json_parse(s->host, strlen(s->host), ENTRY_MAX, "host", NULL);
    const char *host = json_str(json_get(facts, "kernel"), "host", NULL);
    *out = (struct halt_note_side){.kind = actor_kind_from(s->actor_kind), .t = s->t, .corr = id, .seq = s->seq};
    safe_text_into(out->by, sizeof out->by, s->actor, strlen(s->actor));
    safe_text_into(out->host, sizeof out->host, host ? host : "", host ? strlen(host) : 0);
    json_free(facts);
    safe_text_into(out->reason, sizeof out->reason, s->reason, strlen(s->reason));
    if (s->seq > 0) {
        safe_text_into(out->origin, sizeof out->origin, origin, strlen(origin));
        snprintf(out->leaf, sizeof out->leaf, "%s", s->leaf_hash);
    }
}

/* The newest note that fits: what is long is clipped, the reasons first. */
static bool encode(const struct log_facts *f, const struct log_item *x, const struct halt_note_side *halted, int clip,
                   struct buf *out)
{
    static const size_t reason[] = {256, 120, 40, 1}, name[] = {200, 200, 120, 60};
    struct err e;
    if (x->back) {
        struct rollback_note b = {.created_at = f->created_at, .started = *halted};
        safe_text_into(b.rollout, sizeof b.rollout, f->rollout, strlen(f->rollout));
        safe_text_into(b.of, sizeof b.of, f->of, strlen(f->of));
        safe_text_into(b.name, name[clip], f->name, strlen(f->name));
        safe_text_into(b.release, name[clip], f->release, strlen(f->release));
        safe_text_into(b.started.reason, reason[clip], halted->reason, strlen(halted->reason));
        return rollback_note_encode(&b, out, &e);
    }
    struct halt_note n = {
        .created_at = f->created_at, .halted = *halted, .acked = x->acked, .ack = x->ack, .n_also = x->n_also};
    memcpy(n.also, x->also, sizeof n.also);
    safe_text_into(n.fleet, sizeof n.fleet, f->fleet, strlen(f->fleet));
    safe_text_into(n.rollout, sizeof n.rollout, f->rollout, strlen(f->rollout));
    safe_text_into(n.name, name[clip], f->name, strlen(f->name));
    safe_text_into(n.release, name[clip], f->release, strlen(f->release));
    safe_text_into(n.halted.reason, reason[clip], halted->reason, strlen(halted->reason));
    safe_text_into(n.ack.reason, reason[clip], x->ack.reason, strlen(x->ack.reason));
    return halt_note_encode(&n, out, &e);
}

/* Signed where there is a log to sign with, else as it is. */
static void seal(const struct log_facts *f, struct log_item *x, const struct halt_note_side *halted,
                 struct audit_log *l, struct arena *a)
{
    struct buf json, note;
    struct err e;
    buf_init(&json, HALT_NOTE_TEXT_MAX);
    buf_init(&note, HALT_NOTE_MAX);
    for (int clip = 0; clip < 4; clip++) {
        buf_clear(&json);
        buf_clear(&note);
        if (!encode(f, x, halted, clip, &json))
            break;
        x->sealed = l && audit_sign(l, json.data, json.len, &note, &e);
        if (!x->sealed)
            buf_printf(&note, "%s\n", json.data);
        if (note.len > HALT_NOTE_EACH && clip < 3)
            continue;
        if (!note.over)
            x->text = arena_strndup(a, note.data, note.len);
        break;
    }
    buf_release(&json);
    buf_release(&note);
}

/* The oldest acknowledgement after the halt that lifts it; by its number, or because it stands after it. */
static const struct stored *lifted_by(const struct stored *halt, uint64_t id, const struct stored *acks, size_t n)
{
    const struct stored *by = NULL;
    for (size_t i = 0; i < n; i++) { /* newest first */
        if (acks[i].corr == id) {
            by = &acks[i];
        } else if (halt && halt->seq > 0 && acks[i].seq > halt->seq) {
            if (stored_ack_lifts(&acks[i], halt))
                by = &acks[i];
        }
    }
    return by;
}

static bool look_up(const struct log_facts *f, struct log_item *x, const struct stored *acks, size_t n_acks,
                    const struct audit_head *head, struct audit_log *l, struct job *j)
{
    struct audit_query q = {.fleet = f->fleet, .corr = x->id, .kind = x->back ? "intent" : "halt", .limit = 1};
    const char *origin = head->origin;
    q.from_seq = head->size > NEWEST ? head->size - NEWEST : 0;
    q.newest_first = true;
    struct stored *v;
    size_t n;
    if (!audit_query(l, &q, &j->arena, &v, &n, &j->err))
        return false;
    const struct stored *by = x->back ? NULL : lifted_by(n > 0 ? &v[0] : NULL, x->id, acks, n_acks);
    x->halted = n > 0;
    x->seq = n > 0 ? v[0].seq : 0;
    x->acked = by != NULL;
    if (by)
        side_of(by, x->id, origin, &x->ack);
    if (n > 0 && !(x->trust && x->given.t > 0))
        side_of(&v[0], x->id, origin, &x->given);
    return true;
}

/* Halts that one acknowledgement has lifted have one note: at the newest of them. */
static void join(struct log_facts *f, size_t at)
{
    struct log_item *head = &f->v[at];
    for (size_t i = 0; i < f->n; i++)
        if (i != at && f->v[i].acked && f->v[i].ack.seq == head->ack.seq && f->v[i].given.t > 0) {
            if (f->v[i].given.t > head->given.t || (f->v[i].given.t == head->given.t && i > at)) {
                head->told = true;
                return;
            }
            if (head->n_also < HALT_NOTE_ALSO)
                head->also[head->n_also++] = f->v[i].id;
        }
}

bool notes_look_up(struct job *j, struct audit_log *l)
{
    struct log_facts *f = j->result;
    struct audit_query q = {.fleet = f->fleet, .kind = "ack", .newest_first = true, .limit = LOOKED_AT};
    struct audit_head head;
    struct stored *acks = NULL;
    size_t n = 0;
    if (!audit_head(l, &head, &j->err))
        return false;
    snprintf(f->vkey, sizeof f->vkey, "%s", head.vkey);
    q.from_seq = head.newest > NEWEST ? head.newest - NEWEST : 0;
    if (f->n > 0 && !audit_query(l, &q, &j->arena, &acks, &n, &j->err))
        return false;
    for (size_t i = 0; i < f->n; i++)
        if (!look_up(f, &f->v[i], acks, n, &head, l, j))
            return false;
    for (size_t i = 0; i < f->n; i++) {
        struct log_item *x = &f->v[i];
        if (x->acked)
            join(f, i);
        if (x->given.t > 0 && !x->told)
            seal(f, x, &x->given, l, &j->arena);
    }
    return true;
}

void notes_unsigned(struct log_facts *f, struct arena *a)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].given.t > 0 && !f->v[i].text)
            seal(f, &f->v[i], &f->v[i].given, NULL, a);
}
