/* What is known about stopping one rollout, and the events that change it. Nothing here asks, writes or waits. */
#include <stdio.h>
#include "engine/worker.h"

#define DELAY_FIRST (250 * US_PER_MS)
#define DELAY_MAX   (2 * US_PER_S)

bool ro_stop_under_way(const struct ro *ro)
{
    return ro->stop.phase == HALT_SENDING || ro->stop.phase == HALT_ESCALATED;
}

bool ro_stop_not_started(enum rollout_state s)
{
    return s == ROLLOUT_READY || s == ROLLOUT_WAITING_APPROVAL || s == ROLLOUT_CREATING;
}

/* ---- a halt ---- */

static void begin(struct ro *ro)
{
    struct ro_stop *h = &ro->stop;
    h->phase = HALT_SENDING;
    h->since = now_of(ro->en);
    h->delay = DELAY_FIRST;
}

bool ro_stop_asked(struct ro *ro, const char *by, const char *text, uint64_t corr)
{
    struct ro_stop *h = &ro->stop;
    bool first = !ro_stop_under_way(ro);
    snprintf(h->by, sizeof h->by, "%s", by);
    snprintf(h->text, sizeof h->text, "%s", text);
    h->corr = corr;
    h->latched = true;
    h->held = false;
    if (!first)
        return false;
    begin(ro);
    h->at = 0;
    h->stops = ro->policy.applies->halt_stops;
    snprintf(h->before, sizeof h->before, "%s", ro->facts.r.state_word);
    return true;
}

bool ro_stop_waits(struct ro *ro, struct op *op, uint64_t corr)
{
    struct ro_stop *h = &ro->stop;
    if (h->n_waits == HALT_WAITS)
        return false;
    h->waits[h->n_waits++] = (struct halt_wait){op, corr};
    return true;
}

void ro_stop_waits_over(struct ro *ro)
{
    struct ro_stop *h = &ro->stop;
    h->n_waits = 0;
    if (!h->latched)
        h->phase = HALT_NONE; /* acknowledged while it was on its way */
}

void ro_stop_tried(struct ro *ro)
{
    struct ro_stop *h = &ro->stop;
    h->at = now_of(ro->en) + h->delay;
    if (h->delay < DELAY_MAX)
        h->delay *= 2;
}

void ro_stop_sent(struct ro *ro, enum rollout_state brings)
{
    ro->stop.told_state = brings;
}

void ro_stop_sent_halt(struct ro *ro)
{
    ro->stop.sending++;
    ro_stop_sent(ro, ROLLOUT_PAUSED);
}

void ro_stop_answered(struct ro *ro)
{
    if (ro->stop.sending > 0)
        ro->stop.sending--;
}

void ro_stop_reading(struct ro *ro, bool reading)
{
    ro->stop.reading = reading;
}

bool ro_stop_late(struct ro *ro)
{
    struct ro_stop *h = &ro->stop;
    if (h->phase != HALT_SENDING || now_of(ro->en) - h->since < HALT_ESCALATE_US)
        return false;
    h->phase = HALT_ESCALATED;
    return true;
}

void ro_stop_shown(struct ro *ro, bool waits_start)
{
    struct ro_stop *h = &ro->stop;
    h->phase = HALT_SHOWN;
    h->at = now_of(ro->en);
    h->waits_start = waits_start;
    snprintf(h->paused_by, sizeof h->paused_by, "%s", h->by);
    h->external[0] = '\0';
}

/* ---- the latch ---- */

void ro_stop_latched(struct ro *ro, const char *by, const char *text, int64_t at, uint64_t corr)
{
    struct ro_stop *h = &ro->stop;
    if (h->latched)
        return;
    h->latched = true;
    if (h->phase == HALT_NONE)
        h->phase = HALT_SHOWN;
    h->corr = corr;
    h->since = h->at = at;
    snprintf(h->by, sizeof h->by, "%s", by);
    snprintf(h->text, sizeof h->text, "%s", text);
    mark(ro->en);
}

void ro_stop_in_doubt(struct ro *ro)
{
    ro->stop.phase = HALT_NONE;
}

void ro_stop_acknowledged(struct ro *ro, bool looked)
{
    struct ro_stop *h = &ro->stop;
    h->latched = h->waits_start = false;
    if (h->phase == HALT_SHOWN)
        h->phase = HALT_NONE;
    if (ro->facts.r.state == ROLLOUT_PAUSED)
        h->held = h->acked_pause = true; /* paused by andon, and no rule halts it again in this pause */
    if (!looked)
        h->acked_pause = false; /* nobody has looked at it: what comes to light with the telemetry halts */
    ANNOUNCE(ro->en, acknowledged, ro);
    mark(ro->en);
}

/* ---- holds, and whose doing a state is ---- */

void ro_stop_paused(struct ro *ro, const char *by)
{
    ro->stop.held = true;
    snprintf(ro->stop.paused_by, sizeof ro->stop.paused_by, "%s", by);
}

void ro_stop_resumed(struct ro *ro)
{
    ro->stop.held = ro->stop.acked_pause = false;
    ro->stop.paused_by[0] = '\0';
}

void ro_stop_settled(struct ro *ro)
{
    ro->stop.told_state = ROLLOUT_UNKNOWN;
}

void ro_stop_held(struct ro *ro, bool held, const char *by)
{
    ro->stop.held = held;
    if (held && by)
        snprintf(ro->stop.paused_by, sizeof ro->stop.paused_by, "%s", by);
}

void ro_stop_hold_placed(struct ro *ro, int wave)
{
    ro->stop.hold_wave = wave;
}

/* Somebody other than this andon has changed the state: said once. */
static void tell_external(struct ro *ro, enum rollout_state was)
{
    struct ro_stop *h = &ro->stop;
    enum rollout_state is = ro->facts.r.state;
    if (was == is || was == ROLLOUT_UNKNOWN)
        return;
    if (is == ROLLOUT_PAUSED && !*h->paused_by && h->told_state != ROLLOUT_PAUSED)
        snprintf(h->paused_by, sizeof h->paused_by, "the server or another client");
    if (is == ROLLOUT_RUNNING || is == ROLLOUT_STARTING) {
        bool ours = h->told_state == ROLLOUT_RUNNING;
        if (was == ROLLOUT_PAUSED && !ours && (h->held || h->latched)) {
            snprintf(h->external, sizeof h->external, "%s was %s, and was resumed by another client", ro->id,
                     h->latched ? "halted" : "held");
            h->external_at = now_of(ro->en);
        }
        if (was == ROLLOUT_PAUSED)
            ro_stop_resumed(ro);
    }
    if (is == ROLLOUT_PAUSED || rollout_state_ended(is))
        h->external[0] = '\0';
    h->told_state = ROLLOUT_UNKNOWN;
}

/* A latched rollout that has not started stands by, also when another session asked for the halt. */
static bool started(struct ro *ro)
{
    struct ro_stop *h = &ro->stop;
    enum rollout_state s = ro->facts.r.state;
    if (h->phase != HALT_SHOWN)
        return false;
    if (h->latched && ro->facts.known && ro_stop_not_started(s))
        h->waits_start = true;
    if (!h->waits_start || !h->latched || (s != ROLLOUT_STARTING && s != ROLLOUT_RUNNING))
        return false;
    h->waits_start = false;
    begin(ro);
    return true;
}

bool ro_stop_state_shown(struct ro *ro, enum rollout_state was)
{
    tell_external(ro, was);
    return started(ro);
}

/* ---- what other sessions leave ---- */

void ro_stop_found(struct ro *ro, const struct halt_found *f)
{
    if (f->from != STOP_NOTE_UNKNOWN)
        ro_stop_latched(ro, f->by, f->reason, f->t, f->id);
}

void ro_stop_ack_found(struct ro *ro, const struct ack_found *f)
{
    if (f->from != STOP_NOTE_UNKNOWN && f->id == ro->stop.corr && ro->stop.latched)
        ro_stop_acknowledged(ro, true);
}
