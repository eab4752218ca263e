/* What is known about stopping one rollout: what happens is made an event of the machine (core/stop.h), and the words
 * that go with its state are kept. Nothing here asks, writes or waits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/verdict.h"
#include "engine/worker.h"

/* ---- the words of a halt ---- */

static struct halt_known *keep(struct ro *ro, uint64_t id)
{
    struct ro_stop *h = &ro->stop;
    struct halt_known *k = ro_stop_known(ro, id);
    if (k)
        return k;
    if (!h->halts)
        h->halts = xcalloc(STOP_KNOWN, sizeof *h->halts);
    if (h->n_halts == STOP_KNOWN)
        memmove(h->halts, h->halts + 1, --h->n_halts * sizeof *h->halts);
    k = &h->halts[h->n_halts++];
    *k = (struct halt_known){.id = id};
    return k;
}

/* By the engine's clock, of something that has a wall-clock time. */
static int64_t engine_time(const struct engine *en, int64_t wall)
{
    int64_t ago = clock_wall(en->clock) - wall;
    return wall > 0 && ago > 0 && ago < now_of(en) ? now_of(en) - ago : now_of(en);
}

/* What it has asked for may be taken for this engine's own. */
static bool ours(const struct stop_asker *a)
{
    return a->here && (a->pid == 0 || !process_lives(a->pid, a->pid_start));
}

enum stop_who stop_who_of(enum actor_kind k, const char *name)
{
    switch (k) {
    case ACTOR_PERSON:
        return STOP_PERSON;
    case ACTOR_SCRIPT:
        return STOP_SCRIPT;
    case ACTOR_RULE:
        break;
    }
    return strcmp(name, VERDICT_RULE_LOST) == 0 ? STOP_RULE_LOST : STOP_RULE;
}

/* ---- a step ---- */

static void trace_step(const struct ro *ro, enum stop_phase was, unsigned did)
{
    struct trace_line t;
    if (!traced(ro->en, &t, TRACE_VERBS, "stop"))
        return;
    json_w_kstr(&t.w, "rollout", ro->id);
    json_w_kstr(&t.w, "before", stop_phase_name(was));
    json_w_kstr(&t.w, "after", stop_phase_name(ro->stop.m.phase));
    json_w_key(&t.w, "did");
    json_w_arr(&t.w);
    for (int i = 0; i < STOP_DIDS; i++)
        if (did >> i & 1)
            json_w_str(&t.w, stop_did_name(i));
    json_w_arr_end(&t.w);
    trace_end(&t);
}

/* Is what keeps it paused of a rule whose cause passes, and did it run before? */
static void still_passes(struct ro *ro, unsigned did)
{
    struct ro_stop *h = &ro->stop;
    bool runs = ro->facts.r.state == ROLLOUT_RUNNING || ro->facts.r.state == ROLLOUT_STARTING;
    if ((did & STOP_LATCHED) && !stop_lost_only(&h->m))
        h->passes = false;
    if ((did & STOP_SEND) && runs && stop_lost_only(&h->m)) {
        h->passes = true;
        h->asker = ro_stop_halt(ro)->by_whom;
    }
}

/* The request goes out before anything else is done; `k`, when not NULL, holds the words of the halt that is taken. */
static unsigned step(struct ro *ro, const struct stop_event *ev, const struct halt_known *k)
{
    struct stop *m = &ro->stop.m;
    const struct engine *en = ro->en;
    enum stop_phase was = m->phase;
    m->foreign = ro->policy.applies->foreign;
    m->passive = en->spec.fleet->read_only || en->spec.observe_only;
    if (ro_caps_known(ro) && !(ro_caps(ro) & CAP_STOP))
        m->for_good = false; /* asked for before it was known what the server can */
    unsigned did = stop_step(m, ev, now_of(en));
    stop_send(ro, did);
    if (k && (did & STOP_LATCHED)) {
        if (!stop_phase_latched(was))
            snprintf(ro->stop.before, sizeof ro->stop.before, "%s", ro->facts.r.state_word);
        int64_t seq = ro_stop_seq(ro, k->id);
        struct halt_known *kept = keep(ro, k->id);
        *kept = *k;
        if (seq > 0)
            kept->seq = seq;
    }
    still_passes(ro, did);
    if ((did & STOP_SHOWN) && !(was == STOP_RECALLED && ro->stop.shown_at > 0))
        ro->stop.shown_at = was == STOP_RECALLED ? ro_stop_halt(ro)->at : now_of(en);
    if (did & STOP_SHOWN)
        snprintf(ro->stop.paused_by, sizeof ro->stop.paused_by, "%s", ro_stop_halt(ro)->by);
    if (did & STOP_UNLATCHED) {
        ro->stop.shown_at = ro->stop.ran_at = 0;
        ro->stop.ran = false;
    }
    if (did & (STOP_UNLATCHED | STOP_SHOWN))
        ro->stop.external[0] = '\0';
    if (did & STOP_LOOK) {
        ro->stop.look_at = now_of(en);
        ro->stop.looks = 0;
    }
    if (did || m->phase != was) {
        trace_step(ro, was, did);
        mark(ro->en);
    }
    stop_carry(ro, was, did);
    return did;
}

static void plain(struct ro *ro, enum stop_event_kind kind)
{
    struct stop_event ev = {.kind = kind};
    (void)step(ro, &ev, NULL);
}

/* ---- a halt ---- */

bool ro_stop_asked(struct ro *ro, const struct intent *in, uint64_t id)
{
    const struct engine *en = ro->en;
    bool can = !ro_caps_known(ro) || (ro_caps(ro) & CAP_STOP);
    bool newly = !stop_latched(&ro->stop.m);
    ro->stop.strength = newly || in->strength > ro->stop.strength ? in->strength : ro->stop.strength;
    struct halt_known k = {.id = id, .at = now_of(en), .by_whom = {.here = true}};
    struct stop_event ev = {.kind = SE_HALT,
                            .who = stop_who_of(in->actor.kind, in->actor.name),
                            .id = id,
                            .for_good = (ro->policy.applies->halt_stops || in->strength != STRENGTH_POLICY) && can};
    snprintf(k.by, sizeof k.by, "%s%s", in->actor.kind == ACTOR_RULE ? "rule " : "", in->actor.name);
    snprintf(k.text, sizeof k.text, "%s", in->reason);
    return !(step(ro, &ev, &k) & STOP_REFUSED);
}

void ro_stop_found(struct ro *ro, const struct halt_found *f)
{
    struct halt_known k = {.id = f->id, .at = engine_time(ro->en, f->t), .by_whom = f->asker};
    struct stop_event ev = {.kind = SE_FOUND, .from = f->from, .who = f->who, .id = f->id, .shown_once = f->shown_once};
    snprintf(k.by, sizeof k.by, "%s", f->by);
    snprintf(k.host, sizeof k.host, "%s", f->host);
    snprintf(k.text, sizeof k.text, "%s", f->reason);
    if (*f->origin && f->seq > 0)
        snprintf(k.log, sizeof k.log, "%.100s #%lld", f->origin, (long long)f->seq);
    unsigned did = step(ro, &ev, &k);
    if ((did & STOP_LATCHED) && f->ran && stop_lost_only(&ro->stop.m)) {
        ro->stop.passes = true;
        ro->stop.asker = f->asker;
    }
    if ((did & STOP_LOG_FOREIGN) && (did & STOP_LATCHED))
        stop_log_halt(ro, f);
}

/* What keeps it paused is not known, or nothing does. A halt of the rule for lost telemetry that is on its way was
 * asked for while it ran: that it still does says nothing. */
static void forget_pause(struct ro_stop *h)
{
    h->paused_by[0] = '\0';
    h->passes = h->passes && stop_driving(&h->m);
}

void ro_stop_seen(struct ro *ro, enum rollout_state was, int64_t at)
{
    struct ro_stop *h = &ro->stop;
    enum rollout_state s = ro->facts.r.state;
    bool gone = ro->facts.gone || !ro->facts.known;
    struct stop_event ev = {
        .kind = SE_SHOWS, .shows = gone ? SHOWS_OVER : stop_shows_of(&ro->facts.r, false), .at = at};
    unsigned did = step(ro, &ev, NULL);
    if (gone || s == ROLLOUT_STARTING || s == ROLLOUT_RUNNING)
        forget_pause(h);
    else if (s == ROLLOUT_PAUSED && was != ROLLOUT_UNKNOWN && !*h->paused_by && !stop_driving(&h->m) &&
             !rollback_running(ro)) /* a verb of ours says so itself when it hears of this */
        snprintf(h->paused_by, sizeof h->paused_by, "the server or another client");
    bool again = s == ROLLOUT_PAUSED && was != ROLLOUT_PAUSED;
    if (!(did & STOP_SAY_RESUMED) && (again || gone || rollout_state_ended(s)))
        h->external[0] = '\0';
}

void ro_stop_old(struct ro *ro)
{
    plain(ro, SE_STALE);
    mark(ro->en);
}

void ro_stop_answered(struct ro *ro)
{
    plain(ro, SE_ANSWERED);
}

void ro_stop_time(struct ro *ro)
{
    plain(ro, SE_TIME);
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
    ro->stop.n_waits = 0;
}

void ro_stop_reading(struct ro *ro, bool reading, bool again)
{
    ro->stop.reading = reading;
    ro->stop.read_again = again;
}

void ro_stop_logged(struct ro *ro, uint64_t id, int64_t seq)
{
    struct halt_known *k = ro_stop_known(ro, id);
    if (k)
        k->seq = seq;
}

int64_t ro_stop_seq(const struct ro *ro, uint64_t id)
{
    const struct halt_known *k = ro_stop_known(ro, id);
    return k ? k->seq : 0;
}

/* ---- acknowledged ---- */

uint64_t ro_stop_lifts(struct ro *ro, enum actor_kind by, char out[STOP_STANDING_TEXT])
{
    uint64_t ids[STOP_KNOWN], newest = 0;
    int n = stop_standing(&ro->stop.m, ids);
    size_t len = 0;
    out[0] = '\0';
    for (int i = 0; i < n; i++) {
        struct halt_known *k = ro_stop_known(ro, ids[i]);
        if (by == ACTOR_RULE && !(k && ours(&k->by_whom)))
            continue;
        if (k)
            k->lifting = by == ACTOR_RULE;
        len += (size_t)snprintf(out + len, STOP_STANDING_TEXT - len, "%s%016" PRIx64, len ? " " : "", ids[i]);
        newest = ids[i];
    }
    return newest;
}

void ro_stop_not_lifted(struct ro *ro)
{
    for (size_t i = 0; i < ro->stop.n_halts; i++)
        ro->stop.halts[i].lifting = false;
}

bool ro_stop_lost_lifts(const struct ro *ro)
{
    const struct stop *m = &ro->stop.m;
    uint64_t ids[STOP_KNOWN];
    bool any = false;
    if (m->stale || !stop_lost_only(m) ||
        (m->phase != STOP_HALTED && m->phase != STOP_STANDBY && m->phase != STOP_RUNS))
        return false;
    for (int n = stop_standing(m, ids); n > 0; n--) {
        const struct halt_known *k = ro_stop_known(ro, ids[n - 1]);
        any = any || (k && !k->lifting && ours(&k->by_whom));
    }
    return any;
}

bool ro_stop_passes(const struct ro *ro)
{
    const struct ro_stop *h = &ro->stop;
    return h->m.phase == STOP_HELD && ro->facts.r.state == ROLLOUT_PAUSED && h->passes && ours(&h->asker);
}

/* By the rule for lost telemetry: what it had asked for, and not what another watcher did. */
static void lifted_by_rule(struct ro *ro, struct stop_event *ev)
{
    for (size_t i = 0; i < ro->stop.n_halts; i++) {
        struct halt_known *k = &ro->stop.halts[i];
        if (!k->lifting)
            continue;
        k->lifting = false;
        ev->id = k->id;
        (void)step(ro, ev, NULL);
    }
}

void ro_stop_acknowledged(struct ro *ro, const struct actor *by, uint64_t id)
{
    uint64_t ids[STOP_KNOWN];
    struct stop_event ev = {.kind = SE_ACK, .who = stop_who_of(by->kind, by->name)};
    int n = stop_standing(&ro->stop.m, ids);
    if (by->kind == ACTOR_RULE) {
        lifted_by_rule(ro, &ev);
        return;
    }
    ro->stop.passes = false; /* a person has it in hand */
    if (id == ro->stop.m.id) {
        (void)step(ro, &ev, NULL);
        return;
    }
    int newest = -1; /* who acknowledged has not heard of those that came later */
    for (int i = 0; i < n; i++)
        if (ids[i] == id)
            newest = i;
    for (int i = 0; i <= newest; i++) {
        ev.id = ids[i];
        (void)step(ro, &ev, NULL);
    }
}

void ro_stop_ack_found(struct ro *ro, const struct ack_found *f)
{
    struct stop_event ev = {.kind = SE_ACK, .from = f->from, .who = f->who, .id = f->id};
    if (f->id == 0) /* that would be whatever stands here */
        return;
    unsigned did = step(ro, &ev, NULL);
    if (f->who != STOP_RULE_LOST && (did & (STOP_UNLATCHED | STOP_PART)))
        ro->stop.passes = false;
    if (did & STOP_LOG_FOREIGN)
        stop_log_ack(ro, f);
}

/* ---- holds, and verbs that let it run ---- */

void ro_stop_held(struct ro *ro, const char *by, const struct stop_asker *asker)
{
    snprintf(ro->stop.paused_by, sizeof ro->stop.paused_by, "%s", by);
    ro->stop.passes = asker != NULL;
    if (asker)
        ro->stop.asker = *asker;
    plain(ro, SE_HELD);
}

void ro_stop_hold_found(struct ro *ro, const char *by, const struct stop_asker *asker)
{
    if (ro->facts.known && ro->facts.r.state == ROLLOUT_PAUSED)
        ro_stop_held(ro, by, asker);
}

bool ro_stop_run(struct ro *ro)
{
    struct stop_event ev = {.kind = SE_RUN};
    return !(step(ro, &ev, NULL) & STOP_REFUSED);
}

void ro_stop_run_over(struct ro *ro)
{
    plain(ro, SE_RUN_OVER);
}

void ro_stop_run_found(struct ro *ro)
{
    plain(ro, SE_RUN_FOUND);
}

void ro_stop_hold_placed(struct ro *ro, int wave)
{
    ro->stop.hold_wave = wave;
}

/* ---- what others do ---- */

void ro_stop_look_begun(struct ro *ro, enum stop_look where)
{
    ro->stop.looks |= where;
}

void ro_stop_looked(struct ro *ro, enum stop_look where, int64_t asked)
{
    struct ro_stop *h = &ro->stop;
    if ((h->m.phase != STOP_DOUBT && h->m.phase != STOP_LOOSE) || asked < h->look_at)
        return;
    h->looks &= ~(unsigned)where;
    if (h->looks == 0)
        plain(ro, SE_LOOKED);
}

void ro_stop_said(struct ro *ro, const char *external, bool ran)
{
    struct ro_stop *h = &ro->stop;
    if (ran && !h->ran)
        h->ran_at = now_of(ro->en);
    h->ran = ran;
    snprintf(h->external, sizeof h->external, "%s", external);
    h->external_at = now_of(ro->en);
}

void ro_stop_to_settle(struct ro *ro, uint64_t id)
{
    ro->stop.to_settle = id;
}
