/* What is said of a halt beside its request: entries, the alert about others' doing, and the notes' part. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "engine/worker.h"

/* With what was sent and no entry tells of yet. */
static void put(struct ro *ro, const struct entry *e)
{
    struct job *j = job_new(JOB_APPEND);
    job_entry(j, e);
    sent_tell(&ro->stop.sent, j);
    sent_clear(&ro->stop.sent);
    diary_put(ro->en, j, 0, NULL, NULL);
}

static void entry(struct ro *ro, const char *result, const char *text)
{
    struct entry e;
    diary_entry(ro->en, &e, ENTRY_STEP, NULL, ro);
    e.corr = ro->stop.m.id;
    e.verb = VERB_HALT;
    e.result = result;
    e.after = ro->facts.known ? ro->facts.r.state_word : "";
    if (*text)
        entry_str(&e, "text", text);
    put(ro, &e);
}

void stop_tell_sent(struct ro *ro)
{
    if (ro->stop.sent.n > 0)
        entry(ro, "sent", "");
}

static void runs(struct ro *ro)
{
    const struct ro_stop *h = &ro->stop;
    const char *by = ro_stop_halt(ro)->by;
    char text[sizeof h->external];
    bool again = stop_driving(&h->m);
    if (h->m.phase == STOP_CLAIM_RUN)
        snprintf(text, sizeof text, "%s runs, and a note that no known key has signed says that %s has halted it",
                 ro->id, by);
    else
        snprintf(text, sizeof text, "%s is HALTED, BUT RUNNING: halted by %s, resumed by another client%s", ro->id, by,
                 again ? "; andon halts it again" : "");
    entry(ro, again ? "again" : "runs", text);
    ro_stop_said(ro, text, true);
}

static void resumed(struct ro *ro)
{
    const struct ro_stop *h = &ro->stop;
    char text[sizeof h->external];
    bool stopped = h->m.phase != STOP_FREE;
    snprintf(text, sizeof text, "%s was %s, and was resumed by another client%s", ro->id,
             stop_latched(&h->m) ? "halted" : "held", stopped ? "; the server shows it stopped again" : "");
    entry(ro, "resumed", text);
    ro_stop_said(ro, text, h->ran);
}

static void claim(struct ro *ro)
{
    const struct ro_stop *h = &ro->stop;
    char text[sizeof h->external];
    if (h->m.claimed_ack)
        snprintf(text, sizeof text, "a note that no known key has signed says that the halt of %s was acknowledged",
                 ro->id);
    else
        snprintf(text, sizeof text, "a note that no known key has signed says that %s has halted %s: %.90s",
                 ro_stop_halt(ro)->by, ro->id, ro_stop_halt(ro)->text);
    entry(ro, "claimed", text);
    ro_stop_said(ro, text, h->ran);
}

/* ---- what came by a signed note, into this log ---- */

/* The guard that writes the log reads the same notes, and writes what they say: nobody else may in another's name. */
static bool guards_to_say(const struct ro *ro)
{
    return ro->en->spec.audit && ro->en->spec.audit->socket;
}

static void foreign(struct ro *ro, struct entry *e, enum entry_kind kind, enum verb v, enum stop_who who,
                    const char *by)
{
    bool rule = strncmp(by, "rule ", 5) == 0;
    diary_entry(ro->en, e, kind, NULL, ro);
    e->verb = v;
    e->actor.kind = who == STOP_PERSON ? ACTOR_PERSON : who == STOP_SCRIPT ? ACTOR_SCRIPT : ACTOR_RULE;
    snprintf(e->actor.name, sizeof e->actor.name, "%s", by + (rule ? 5 : 0));
}

static void halt_is_in(struct engine *en, struct job *j)
{
    struct ro *ro = ro_find(en, j->entry.rollout);
    if (j->ok && ro)
        ro_stop_logged(ro, j->entry.corr, j->receipt.seq);
}

void stop_log_halt(struct ro *ro, const struct halt_found *f)
{
    struct entry e;
    if (guards_to_say(ro))
        return;
    foreign(ro, &e, ENTRY_HALT, VERB_HALT, f->who, f->by);
    e.corr = f->id;
    e.t = f->t;
    e.reason = f->reason;
    e.before = ro->facts.r.state_word;
    entry_str(&e, "from.host", f->host);
    entry_str(&e, "from.log", f->origin);
    entry_int(&e, "from.seq", f->seq);
    diary_write(ro->en, &e, 0, halt_is_in, NULL);
    ro_stop_to_settle(ro, f->id);
}

void stop_log_ack(struct ro *ro, const struct ack_found *f)
{
    struct entry e;
    char lifts[24];
    if (guards_to_say(ro))
        return;
    foreign(ro, &e, ENTRY_ACK, VERB_ACK, f->who, f->by);
    e.corr = f->id;
    e.t = f->t;
    e.reason = f->reason;
    entry_str(&e, "from.host", f->host);
    snprintf(lifts, sizeof lifts, "%016" PRIx64, f->id);
    entry_str(&e, "lifts", lifts);
    diary_write(ro->en, &e, 0, NULL, NULL);
}

static void settled(struct ro *ro)
{
    struct entry e;
    diary_entry(ro->en, &e, ENTRY_OUTCOME, NULL, ro);
    e.corr = ro->stop.to_settle;
    e.verb = VERB_HALT;
    e.result = "ok";
    e.after = ro->facts.r.state_word;
    if (ro->stop.m.shown == SHOWS_IDLE)
        entry_str(&e, STOP_FIELD_SHOWN, STOP_SHOWN_STANDBY);
    put(ro, &e);
    ro_stop_to_settle(ro, 0);
}

/* ---- after a step ---- */

void stop_say(struct ro *ro, unsigned did)
{
    unsigned notes = did & (STOP_NOTE_HALT | STOP_NOTE_ACK | STOP_NOTE_CLEAN);
    if ((did & STOP_SHOWN) && ro->stop.ran) {
        entry(ro, "shown", "it had run in spite of the halt, and the server shows it stopped again");
        ro_stop_said(ro, "", false);
    }
    if ((did & STOP_SHOWN) && ro->stop.to_settle != 0)
        settled(ro);
    if (did & STOP_SAY_RUNS)
        runs(ro);
    if (did & STOP_SAY_RESUMED)
        resumed(ro);
    if ((did & STOP_SAY_OVER) && !rollback_running(ro))
        entry(ro, "over", "a halted rollout has ended");
    if (did & STOP_SAY_CLAIM)
        claim(ro);
    if (did & STOP_SHOWN)
        stop_tell_sent(ro);
    if (notes)
        ANNOUNCE(ro->en, noted, ro, notes);
}
