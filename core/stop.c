/* The machine's steps: events refined into the table's signals, and the clockwork of repeating. */
#include "core/stop.h"

#include <string.h>
#include "core/clock.h"

#define DELAY_FIRST (250 * US_PER_MS)
#define DELAY_MAX   (2 * US_PER_S)
#define NO_SIGNAL   STOP_SIGNALS
#define D(x)        ((unsigned)STOP_##x)

enum stop_shows stop_shows_of(const struct rollout *r, bool gone)
{
    if (gone || r->deleted)
        return SHOWS_OVER;
    switch (r->state) {
    case ROLLOUT_UNKNOWN:
        return SHOWS_OTHER;
    case ROLLOUT_CREATING:
    case ROLLOUT_WAITING_APPROVAL:
    case ROLLOUT_READY:
        return SHOWS_IDLE;
    case ROLLOUT_STARTING:
    case ROLLOUT_RUNNING:
        return SHOWS_RUNNING;
    case ROLLOUT_PAUSED:
        return SHOWS_PAUSED;
    case ROLLOUT_STOPPING:
        return SHOWS_STOPPING;
    case ROLLOUT_DENIED:
    case ROLLOUT_STOPPED:
    case ROLLOUT_FINISHED:
    case ROLLOUT_DELETING:
    case ROLLOUT_DELETED:
        return SHOWS_OVER;
    }
    return SHOWS_OTHER;
}

/* Phases with a clock that asks or reads again, and those that wait for log and notes to be read. */
static bool clocked(enum stop_phase p)
{
    return p == STOP_ASKED || p == STOP_ESCALATED || p == STOP_LIFTING || p == STOP_UNSEEN;
}

static bool looking(enum stop_phase p)
{
    return p == STOP_LOOSE || p == STOP_DOUBT;
}

/* Its place among those that were taken, -1. */
static int place_of(const struct stop *s, uint64_t id)
{
    for (int i = 0; i < s->n_known; i++)
        if (s->known[i] == id)
            return i;
    return -1;
}

static void forget(struct stop *s, int i)
{
    unsigned below = (1u << i) - 1;
    memmove(s->known + i, s->known + i + 1, (size_t)(s->n_known - i - 1) * sizeof *s->known);
    s->open = (s->open & below) | (s->open >> 1 & ~below);
    s->known[--s->n_known] = 0;
}

static void remember(struct stop *s, uint64_t id)
{
    int i = place_of(s, id);
    if (i >= 0)
        forget(s, i);
    else if (s->n_known == STOP_KNOWN)
        forget(s, 0);
    s->open |= 1u << s->n_known;
    s->known[s->n_known++] = id;
}

/* Takes the halt off those that stand (id 0: all of them). */
static void lift(struct stop *s, uint64_t id)
{
    int i = place_of(s, id);
    s->open = i < 0 ? 0 : s->open & ~(1u << i);
    for (i = 0; i < s->n_known; i++)
        if (s->open >> i & 1)
            s->id = s->known[i];
}

static bool shown_as(const struct stop *s, enum stop_shows a)
{
    return !s->stale && s->shown == a;
}

static enum stop_signal looked(const struct stop *s)
{
    bool again = s->foreign == FOREIGN_HALT || (s->foreign == FOREIGN_BY_ACTOR && stop_by_rule(s));
    return again && !s->passive ? SG_LOOKED_AGAIN : SG_LOOKED;
}

static enum stop_signal shows(struct stop *s, const struct stop_event *ev)
{
    if (ev->at < s->counts)
        return NO_SIGNAL; /* asked for before what it should tell about */
    s->shown = ev->shows;
    s->stale = false;
    switch (ev->shows) {
    case SHOWS_UNREAD:
    case SHOWS_COUNT:
        break;
    case SHOWS_OTHER:
        return SG_OTHER;
    case SHOWS_IDLE:
        return SG_IDLE;
    case SHOWS_RUNNING:
        return s->ours ? SG_RUNNING_OURS : SG_RUNNING;
    case SHOWS_PAUSED:
    case SHOWS_STOPPING:
        return s->for_good && stop_driving(s) ? NO_SIGNAL : SG_STOPPED; /* paused only, or not yet */
    case SHOWS_OVER:
        return SG_OVER;
    }
    return NO_SIGNAL;
}

static enum stop_signal time_came(struct stop *s, int64_t now)
{
    bool drives = clocked(s->phase);
    if (drives && !s->escalated && now - s->since >= STOP_ESCALATE_US) {
        s->escalated = true;
        return SG_LATE;
    }
    if (now < s->next)
        return NO_SIGNAL;
    if (looking(s->phase))
        return looked(s); /* the log hangs: nobody can say that it was acknowledged */
    return drives ? SG_RETRY : NO_SIGNAL;
}

static enum stop_signal found(const struct stop *s, const struct stop_event *ev)
{
    if (ev->id == 0 || place_of(s, ev->id) >= 0)
        return NO_SIGNAL;
    return ev->from == STOP_NOTE_UNKNOWN ? SG_CLAIM : ev->shown_once ? SG_FOUND_ONCE : SG_FOUND;
}

static enum stop_signal acked(const struct stop *s, const struct stop_event *ev)
{
    int i = place_of(s, ev->id);
    if (ev->id != 0 && (i < 0 || !(s->open >> i & 1)))
        return NO_SIGNAL; /* of a halt that does not stand, or is another rollout's */
    if (ev->from == STOP_NOTE_UNKNOWN)
        return SG_ACK_CLAIM;
    if (ev->who == STOP_PERSON || ev->who == STOP_SCRIPT)
        return SG_ACK;
    return ev->who == STOP_RULE_LOST && stop_lost_only(s) ? SG_ACK_RULE : NO_SIGNAL;
}

static enum stop_signal signal_of(struct stop *s, const struct stop_event *ev, int64_t now)
{
    switch (ev->kind) {
    case SE_SHOWS:
        return shows(s, ev);
    case SE_STALE:
        s->stale = true;
        return NO_SIGNAL;
    case SE_HALT:
        return ev->who == STOP_PERSON || ev->who == STOP_SCRIPT ? SG_HALT : SG_HALT_RULE;
    case SE_FOUND:
        return found(s, ev);
    case SE_ANSWERED:
        s->unanswered -= s->unanswered > 0;
        return SG_ANSWERED;
    case SE_TIME:
        return time_came(s, now);
    case SE_LOOKED:
        return looked(s);
    case SE_ACK:
        return acked(s, ev);
    case SE_HELD:
        return SG_HELD;
    case SE_RUN:
        return SG_RUN;
    case SE_RUN_OVER:
        s->ours = false;
        return NO_SIGNAL;
    case SE_RUN_FOUND:
        return SG_RUN_FOUND;
    case SE_KINDS:
        break;
    }
    return NO_SIGNAL;
}

static void take_halt(struct stop *s, const struct stop_event *ev, bool newly, int64_t now)
{
    if (newly)
        s->open = 0; /* a claim is not worth more than what is known */
    if (ev->from != STOP_NOTE_UNKNOWN)
        s->latched_by |= 1u << ev->who;
    s->for_good = s->for_good && !newly;
    if (ev->kind == SE_HALT)
        s->for_good = s->for_good || ev->for_good;
    s->from = ev->from;
    s->id = ev->id;
    s->claimed_ack = false;
    s->counts = now;
    remember(s, ev->id);
}

/* The clock of asking, or of reading: begins where it did not run, or for another halt. */
static void clockwork(struct stop *s, enum stop_phase was, unsigned did, int64_t now)
{
    bool begins = clocked(s->phase) && (!clocked(was) || ((did & D(LATCHED)) && was != s->phase));
    if (begins) {
        s->since = now;
        s->escalated = s->sent = false;
    }
    if (begins || (did & D(SEND))) {
        s->delay = DELAY_FIRST;
        s->next = now + s->delay;
    }
    if (looking(s->phase) && was != s->phase)
        s->next = now + STOP_DOUBT_US;
}

static void tick(struct stop *s, enum stop_signal g, int64_t now)
{
    if (g != SG_RETRY && g != SG_LATE)
        return;
    s->delay = s->delay < DELAY_MAX ? s->delay * 2 : DELAY_MAX;
    s->next = now + s->delay;
}

/* Of the table's requests, those that make sense now. */
static unsigned requests(struct stop *s, enum stop_signal g, unsigned did)
{
    unsigned both = D(SEND) | D(REPEAT);
    /* Nothing was sent, since it was shown stopped, and now it is not. */
    if (stop_driving(s) && !s->sent && (g == SG_RUNNING || g == SG_RUNNING_OURS))
        did |= D(SEND);
    /* Fresh data shows it stopped: whether that is still so is read first, and it is asked for if it is not. */
    if ((did & D(SEND)) && !s->for_good && (shown_as(s, SHOWS_PAUSED) || shown_as(s, SHOWS_STOPPING)))
        did &= ~D(SEND);
    if (shown_as(s, SHOWS_STOPPING))
        did &= ~D(REPEAT);
    if (s->unanswered >= STOP_UNANSWERED)
        did &= ~both;
    if (did & both) {
        s->unanswered++;
        s->sent = true;
    }
    return did;
}

/* Who only looks sends nothing for others: it reads on, and says that the halt is not confirmed. */
static unsigned look_only(struct stop *s, enum stop_phase was, unsigned did)
{
    if (was == STOP_UNSEEN && s->phase == STOP_LIFTING)
        s->phase = STOP_ACKED;
    if (clocked(was) && was != STOP_UNSEEN)
        return did; /* asked for here */
    if (did & D(SEND))
        s->phase = STOP_UNSEEN;
    return did & ~(D(SEND) | D(NOTE_HALT) | D(ESCALATE));
}

/* What follows from an output for what is remembered, and the other way round. */
static unsigned remembered(struct stop *s, const struct stop_event *ev, enum stop_signal g, enum stop_phase was,
                           unsigned did, int64_t now)
{
    if (did & D(LATCHED))
        take_halt(s, ev, !stop_phase_latched(was) || was == STOP_CLAIMED || was == STOP_CLAIM_RUN, now);
    if (did & D(UNLATCHED)) {
        lift(s, 0);
        s->latched_by = 0;
        s->claimed_ack = false;
    }
    if (g == SG_RUN && !(did & D(REFUSED)))
        s->ours = true;
    if (g == SG_ACK_CLAIM && !(did & D(REFUSED))) {
        did = s->claimed_ack ? 0 : did;
        s->claimed_ack = true;
    }
    if (ev->from != STOP_HERE)
        did &= ~D(NOTE_ACK);
    if (ev->from != STOP_NOTE)
        did &= ~D(LOG_FOREIGN);
    return did;
}

unsigned stop_step(struct stop *s, const struct stop_event *ev, int64_t now)
{
    enum stop_phase was = s->phase;
    enum stop_shows before = s->shown;
    enum stop_signal g = signal_of(s, ev, now);
    if (g == NO_SIGNAL)
        return 0;
    if (g == SG_HALT_RULE && !stop_rule_may_halt(s))
        return D(REFUSED);
    struct stop_cell c = stop_cell(was, g, NULL);
    if ((c.did & D(UNLATCHED)) && ev->id != 0 && (s->open & (s->open - 1))) { /* others stand */
        lift(s, ev->id);
        c = (struct stop_cell){was, D(PART) | (c.did & D(LOG_FOREIGN))};
    }
    s->phase = c.next;
    unsigned did = remembered(s, ev, g, was, c.did, now);
    if (s->passive && ev->kind != SE_HALT)
        did = look_only(s, was, did);
    if (before == SHOWS_OVER && g == SG_OVER)
        did &= ~D(NOTE_CLEAN); /* was done when it ended */
    clockwork(s, was, did, now);
    tick(s, g, now);
    return requests(s, g, did);
}
