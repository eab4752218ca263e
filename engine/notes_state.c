/* What is known about the notes of one rollout: what stands here, the boards as they were last read. */
#include "engine/notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/text.h"
#include "engine/notes_board.h"
#include "engine/worker.h"

#define AWAIT_US (5 * US_PER_S) /* a verb waits so long for the first reading */

/* ---- what stands here ---- */

int notes_standing(const struct ro *ro, uint64_t ids[STOP_KNOWN])
{
    return stop_standing(&ro->stop.m, ids);
}

bool notes_stands(const struct ro *ro, uint64_t id)
{
    uint64_t ids[STOP_KNOWN];
    for (int n = notes_standing(ro, ids); n > 0; n--)
        if (ids[n - 1] == id)
            return true;
    return false;
}

void notes_remember(struct ro *ro)
{
    struct ro_notes *m = &ro->notes;
    uint64_t ids[STOP_KNOWN];
    int n = notes_standing(ro, ids);
    for (int i = 0; i < n; i++) {
        bool there = false;
        for (size_t k = 0; k < m->n_mine; k++)
            there |= m->mine[k] == ids[i];
        if (there)
            continue;
        if (m->n_mine == NOTES_IDS)
            memmove(m->mine, m->mine + 1, --m->n_mine * sizeof *m->mine);
        m->mine[m->n_mine++] = ids[i];
    }
}

/* What is known of it without the log and without a note. */
void notes_remembered(const struct ro *ro, uint64_t id, struct halt_note_side *out)
{
    const struct engine *en = ro->en;
    const struct halt_known *h = NULL;
    char host[128] = "";
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < ro->stop.n_halts; i++)
        if (ro->stop.halts[i].id == id)
            h = &ro->stop.halts[i];
    if (!h || !*h->by)
        return;
    bool rule = strncmp(h->by, "rule ", 5) == 0;
    const char *by = h->by + (rule ? 5 : 0);
    out->kind = rule ? ACTOR_RULE : ACTOR_PERSON;
    out->corr = id;
    out->t = clock_wall(en->clock) - (now_of(en) - h->at);
    if (!*h->host)
        gethostname(host, sizeof host - 1);
    safe_text_into(out->by, sizeof out->by, by, strlen(by));
    safe_text_into(out->host, sizeof out->host, *h->host ? h->host : host, strlen(*h->host ? h->host : host));
    safe_text_into(out->reason, sizeof out->reason, h->text, strlen(h->text));
}

/* ---- the boards ---- */

struct slice notes_board_text(const struct ro *ro, enum board_kind k)
{
    return (struct slice){ro->notes.board[k].text, ro->notes.board[k].n};
}

struct board *notes_board(const struct ro *ro, enum board_kind k)
{
    return board_read(ro->en->notes.keys, notes_board_text(ro, k), k == BOARD_HALT, &ro->facts.mark.who);
}

static void keep(struct ro *ro, enum board_kind k, const char *text, size_t n)
{
    struct ro_board *b = &ro->notes.board[k];
    if (b->n == n && (n == 0 || memcmp(b->text, text, n) == 0))
        return;
    free(b->text);
    b->text = n ? xmalloc(n) : NULL;
    b->n = n;
    if (n)
        memcpy(b->text, text, n);
}

void notes_key(const struct ro *ro, enum board_kind k, char out[NOTE_KEY_MAX])
{
    snprintf(out, NOTE_KEY_MAX, NOTES_PREFIX "%s.%s", k == BOARD_HALT ? "halt" : "rollback", ro->id);
}

/* ---- a roll back of another ---- */

/* A name, or a note that nobody known has signed, may be anybody's: it is told as a claim, and the rollout is judged as
 * every other. With a note that a known key has signed it is what it says. */
void notes_recognise(struct ro *ro)
{
    struct ro_notes *m = &ro->notes;
    char claimed[ID_MAX], about[ID_MAX + 40];
    rollback_named(ro->facts.r.name, claimed);
    snprintf(about, sizeof about, "andon roll back of %s, ", claimed);
    if (strncmp(ro->facts.r.description, about, strlen(about)) != 0)
        claimed[0] = '\0';
    struct board *b = notes_board(ro, BOARD_BACK);
    const struct part_of_board *best = NULL;
    for (size_t i = 0; i < b->n; i++)
        if (b->v[i].about == IDENTITY_SAME && (!best || (b->v[i].known && !best->known)))
            best = &b->v[i];
    m->back_signed = best && best->known;
    snprintf(m->back_of, sizeof m->back_of, "%s", best ? best->back.of : claimed);
    snprintf(m->back_by, sizeof m->back_by, "%s%s", best && best->back.started.kind == ACTOR_RULE ? "rule " : "",
             best ? best->back.started.by : "");
    snprintf(m->back_host, sizeof m->back_host, "%s", best ? best->back.started.host : "");
    if (m->back_signed && strcmp(m->back_of, ro->id) != 0)
        rollback_is_of(ro, m->back_of);
    free(b);
}

const char *notes_back_of(const struct ro *ro)
{
    return *ro->rollback.of ? ro->rollback.of : ro->notes.back_of;
}

/* ---- what was read ---- */

void notes_take(struct ro *ro, const struct note_list *list, int64_t at)
{
    char key[BOARD_KINDS][NOTE_KEY_MAX];
    const struct note *found[BOARD_KINDS] = {NULL, NULL};
    if (at < ro->notes.read_at)
        return; /* asked for before the newest */
    for (int k = 0; k < BOARD_KINDS; k++)
        notes_key(ro, (enum board_kind)k, key[k]);
    for (size_t i = 0; i < list->n; i++)
        for (int k = 0; k < BOARD_KINDS; k++)
            if (strcmp(list->v[i].key, key[k]) == 0 && strcmp(list->v[i].release_id, ro->facts.r.release.id) == 0)
                found[k] = &list->v[i];
    ro->notes.read_at = at;
    for (int k = 0; k < BOARD_KINDS; k++)
        keep(ro, (enum board_kind)k, found[k] ? found[k]->value : NULL, found[k] ? found[k]->n : 0);
    notes_recognise(ro);
}

uint64_t notes_state(const struct ro *ro)
{
    uint64_t ids[STOP_KNOWN];
    int n = notes_standing(ro, ids);
    for (int i = 0; i < n; i++) /* whether it is in the log by now */
        ids[i] ^= (uint64_t)ro_stop_seq(ro, ids[i]) << 53;
    uint64_t h = hash_bytes(ids, (size_t)n * sizeof *ids) ^ (ro_ended(ro) ? UINT64_C(0x5851f42d4c957f2d) : 1);
    for (int k = 0; k < BOARD_KINDS; k++)
        h = h * UINT64_C(0x9e3779b97f4a7c15) ^
            hash_bytes(ro->notes.board[k].text ? ro->notes.board[k].text : "", ro->notes.board[k].n);
    if (ro->stop.m.phase == STOP_CLAIMED || ro->stop.m.phase == STOP_CLAIM_RUN) /* acknowledged in another session? */
        h ^= (uint64_t)ro->en->diary.size << 7;
    return (h << 3) | (unsigned)(*ro->rollback.of != '\0') << 2 | (unsigned)ro->en->notes.own_key << 1 |
           (unsigned)diary_ok(ro->en);
}

/* ---- what others ask ---- */

bool notes_can_read(const struct engine *en)
{
    return (en->facts.info.caps & CAP_NOTES) && en->be->ops->notes;
}

enum notes_known notes_known(const struct ro *ro)
{
    const struct engine *en = ro->en;
    bool none = en->facts.info_known && !notes_can_read(en);
    if (none || ro->notes.read_at > 0 || !ro->facts.known || ro_ended(ro) || !*ro->facts.r.release.id)
        return NOTES_KNOWN;
    if (ro->notes.wanted_at == 0 || now_of(en) - ro->notes.wanted_at < AWAIT_US)
        return NOTES_AWAITED;
    return NOTES_UNKNOWN;
}

void notes_problem(const struct ro *ro, char *out, size_t size)
{
    const struct engine *en = ro->en;
    const struct ro_notes *m = &ro->notes;
    uint64_t ids[STOP_KNOWN];
    bool halted = notes_standing(ro, ids) > 0;
    *out = '\0';
    if (!en->facts.info_known || ro_ended(ro) || !en->be->ops->notes)
        return;
    if (halted && !(en->facts.info.caps & CAP_NOTES_PUT))
        snprintf(out, size,
                 "this halt is not shown to other consoles: the server takes no notes from this user "
                 "(UPDATE_REPOSITORY)");
    else if (halted && !m->noted && m->err.code != ERR_NONE)
        snprintf(out, size, "this halt is not shown to other consoles: %s", m->err.what);
    else if (en->notes.failures > 2)
        snprintf(out, size, "halts of other consoles are not seen: %s", en->notes.err.what);
}

size_t notes_due(const struct engine *en)
{
    size_t n = 0;
    for (size_t i = 0; i < en->facts.n_all; i++)
        n += en->facts.all[i]->notes.due;
    return n;
}
