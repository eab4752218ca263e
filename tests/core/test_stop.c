/* Stop: the table is whole, its words hold, and every state that can be reached keeps the invariants of core/stop.h
 * under every event. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/clock.h"
#include "core/stop.h"

#define T0     (INT64_C(1000) * US_PER_S)
#define HALT_A 1
#define HALT_B 2

static bool is(unsigned did, unsigned what)
{
    return (did & what) == what;
}

/* ---- the table ---- */

static void every_cell_has_one_rule(void **state)
{
    (void)state;
    for (int p = 0; p < STOP_PHASES; p++)
        for (int g = 0; g < STOP_SIGNALS; g++) {
            int rules = 0;
            struct stop_cell c = stop_cell((enum stop_phase)p, (enum stop_signal)g, &rules);
            if (rules != 1)
                fail_msg("%d rules for %s on %s", rules, stop_phase_name((enum stop_phase)p),
                         stop_signal_name((enum stop_signal)g));
            assert_in_range(c.next, 0, STOP_PHASES - 1);
            assert_int_equal(c.did >> STOP_DIDS, 0);
            /* A refusal is all of it. */
            assert_true(!(c.did & STOP_REFUSED) || (c.did == STOP_REFUSED && c.next == (enum stop_phase)p));
        }
    for (int i = 0; i < STOP_PHASES; i++)
        assert_memory_equal(stop_phase_name((enum stop_phase)i), "STOP_", 5);
    for (int i = 0; i < STOP_SIGNALS; i++)
        assert_memory_equal(stop_signal_name((enum stop_signal)i), "SG_", 3);
    for (int i = 0; i < STOP_DIDS; i++)
        assert_memory_equal(stop_did_name(i), "STOP_", 5);
}

/* Words are an interface: scripts and logs hold them. */
static void words_are_stable(void **state)
{
    (void)state;
    static const char *const fresh[STOP_PHASES] = {"free",
                                                   "held",
                                                   "acknowledged",
                                                   "resumed",
                                                   "halt-claimed",
                                                   "halt-claimed-but-running",
                                                   "halting",
                                                   "halt-escalated",
                                                   "halting-acknowledged",
                                                   "halt-not-confirmed",
                                                   "halt-not-confirmed",
                                                   "halted",
                                                   "standby",
                                                   "halted-but-running",
                                                   "halted-but-running",
                                                   "halted-over"};
    static const struct {
        enum stop_phase p;
        const char *word;
    } stale[] = {{STOP_HELD, "held-not-confirmed"},
                 {STOP_CLAIM_RUN, "halt-claimed"},
                 {STOP_HALTED, "halted-when-last-seen"},
                 {STOP_STANDBY, "standby-when-last-seen"},
                 {STOP_DOUBT, "halted-running-when-last-seen"},
                 {STOP_RUNS, "halted-running-when-last-seen"}};
    for (int p = 0; p < STOP_PHASES; p++) {
        const char *want = fresh[p];
        assert_string_equal(stop_phase_words((enum stop_phase)p, false)->word, want);
        for (size_t i = 0; i < sizeof stale / sizeof *stale; i++)
            if (stale[i].p == (enum stop_phase)p)
                want = stale[i].word;
        assert_string_equal(stop_phase_words((enum stop_phase)p, true)->word, want);
        for (int old = 0; old < 2; old++) {
            const struct stop_words *w = stop_phase_words((enum stop_phase)p, old);
            assert_true((p == STOP_FREE) == (*w->title == '\0') && (p == STOP_FREE) == (*w->text == '\0'));
        }
    }
}

static void what_the_server_shows(void **state)
{
    (void)state;
    static const enum stop_shows want[] = {
        [ROLLOUT_UNKNOWN] = SHOWS_OTHER,   [ROLLOUT_CREATING] = SHOWS_IDLE, [ROLLOUT_WAITING_APPROVAL] = SHOWS_IDLE,
        [ROLLOUT_DENIED] = SHOWS_OVER,     [ROLLOUT_READY] = SHOWS_IDLE,    [ROLLOUT_STARTING] = SHOWS_RUNNING,
        [ROLLOUT_RUNNING] = SHOWS_RUNNING, [ROLLOUT_PAUSED] = SHOWS_PAUSED, [ROLLOUT_STOPPING] = SHOWS_STOPPING,
        [ROLLOUT_STOPPED] = SHOWS_OVER,    [ROLLOUT_FINISHED] = SHOWS_OVER, [ROLLOUT_DELETING] = SHOWS_OVER,
        [ROLLOUT_DELETED] = SHOWS_OVER};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        struct rollout r = {.state = (enum rollout_state)i};
        assert_int_equal(stop_shows_of(&r, false), want[i]);
        assert_int_equal(stop_shows_of(&r, true), SHOWS_OVER);
        r.deleted = true;
        assert_int_equal(stop_shows_of(&r, false), SHOWS_OVER);
    }
}

/* ---- every state, every event ---- */

struct node {
    struct stop s;
    bool said; /* that it is halted but running, since it was last shown otherwise */
};

/* One part of the states: what the policy says, who only looks, whether requests are answered at all. */
struct part {
    enum foreign_resume foreign;
    bool passive, answers;
    bool for_good; /* halts that are to stop it for good too */
};

/* What no later step can tell apart is made the same, and now is always T0. */
static void normalise(struct node *n, int64_t now, const struct part *part)
{
    struct stop *s = &n->s;
    bool clocked = stop_driving(s) || s->phase == STOP_UNSEEN;
    bool looks = s->phase == STOP_LOOSE || s->phase == STOP_DOUBT;
    int64_t back = now - T0;
    s->from = STOP_HERE; /* is only kept */
    if (part->answers)
        s->unanswered = 0;
    else if (s->unanswered < STOP_UNANSWERED - 1)
        s->unanswered = STOP_UNANSWERED - 1;
    s->counts = s->counts - back < T0 - US_PER_S ? 0 : s->counts - back;
    s->since = clocked && !s->escalated ? s->since - back : 0;
    s->next = clocked || looks ? s->next - back : 0;
    if (!clocked) {
        s->delay = 0;
        s->sent = s->escalated = false;
    }
    if (!stop_latched(s) && !stop_driving(s))
        s->for_good = false;
}

static const enum stop_who whos[] = {STOP_PERSON, STOP_RULE, STOP_RULE_LOST};

#define EVENTS_MAX 200
static size_t all_events(struct stop_event *v, const struct part *part)
{
    int last = part->answers ? STOP_NOTE_UNKNOWN : STOP_NOTE;
    size_t n = 0;
    for (int shows = SHOWS_OTHER; shows < SHOWS_COUNT; shows++)
        for (int old = 0; old < 2; old++)
            v[n++] = (struct stop_event){
                .kind = SE_SHOWS, .shows = (enum stop_shows)shows, .at = old ? T0 - US_PER_S / 2 : T0};
    for (int i = 0; i < 3; i += 2)
        for (int good = 0; good <= part->for_good; good++)
            v[n++] = (struct stop_event){.kind = SE_HALT, .who = whos[i], .id = HALT_A, .for_good = good};
    for (int from = STOP_LOG; from <= last; from++)
        for (int i = 0; i < 3; i += 2)
            for (int once = 0; once < 2 && from != STOP_SPOOL; once++)
                v[n++] = (struct stop_event){
                    .kind = SE_FOUND, .from = (enum stop_from)from, .who = whos[i], .id = HALT_B, .shown_once = once};
    for (int from = STOP_HERE; from <= last; from++)
        for (int i = 0; i < 3; i++)
            for (uint64_t id = 0; id <= HALT_B && from != STOP_SPOOL; id++)
                v[n++] = (struct stop_event){.kind = SE_ACK, .from = (enum stop_from)from, .who = whos[i], .id = id};
    static const enum stop_event_kind plain[] = {SE_STALE, SE_ANSWERED, SE_TIME,     SE_LOOKED,
                                                 SE_HELD,  SE_RUN,      SE_RUN_OVER, SE_RUN_FOUND};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        v[n++] = (struct stop_event){.kind = plain[i]};
    assert_true(n <= EVENTS_MAX);
    return n;
}

static const char *describe(const struct node *n, const struct stop_event *ev, const struct node *to, unsigned did)
{
    static char text[400];
    snprintf(text, sizeof text,
             "%s (shown %d%s by %x id %d ours %d sent %d unanswered %d) -- event %d (shows %d at %+d ms who %d from %d "
             "id %d once %d) --> "
             "%s did %x",
             stop_phase_name(n->s.phase), n->s.shown, n->s.stale ? " old" : "", n->s.latched_by, (int)n->s.id,
             n->s.ours, n->s.sent, n->s.unanswered, ev->kind, ev->shows, (int)((ev->at - T0) / 1000), ev->who, ev->from,
             (int)ev->id, ev->shown_once, stop_phase_name(to->s.phase), did);
    return text;
}

#define KEEP(invariant, x)                                                                                             \
    do {                                                                                                               \
        if (!(x))                                                                                                      \
            fail_msg("%s broken: %s\n%s", invariant, #x, describe(n, ev, to, did));                                    \
    } while (0)

static bool by_rule(const struct stop_event *ev)
{
    return ev->who == STOP_RULE || ev->who == STOP_RULE_LOST;
}

static void latch_holds(const struct node *n, const struct stop_event *ev, const struct node *to, unsigned did)
{
    const struct stop *s = &n->s, *t = &to->s;
    if (stop_latched(s) && !stop_latched(t)) {
        KEEP("I1", ev->kind == SE_ACK && is(did, STOP_UNLATCHED));
        KEEP("I1", ev->id == 0 || (ev->id == s->id && (s->open & (s->open - 1)) == 0));
        KEEP("I1", ev->from != STOP_NOTE_UNKNOWN);
        KEEP("I1", !by_rule(ev) || (ev->who == STOP_RULE_LOST && s->latched_by == 1u << STOP_RULE_LOST));
    }
    KEEP("I1", (t->open != 0) == stop_latched(t));
    KEEP("I1", is(did, STOP_UNLATCHED) == (stop_latched(s) && !stop_latched(t)));
    if (is(did, STOP_PART))
        KEEP("I1", ev->kind == SE_ACK && ev->id != 0 && stop_latched(t) && t->phase == s->phase && t->open != s->open);
    if (!stop_latched(s) && stop_latched(t))
        KEEP("taken", is(did, STOP_LATCHED) && (ev->kind == SE_HALT || ev->kind == SE_FOUND) && t->id == ev->id);
    if (t->phase == STOP_HALTED)
        KEEP("I2", t->shown == SHOWS_PAUSED || t->shown == SHOWS_STOPPING);
    if (strcmp(stop_words(t)->word, "halted") == 0)
        KEEP("I2", t->phase == STOP_HALTED && !t->stale);
    if (stop_latched(t) && t->phase != STOP_CLAIMED && t->phase != STOP_CLAIM_RUN)
        KEEP("taken", t->latched_by != 0);
    else
        KEEP("taken", t->latched_by == 0);
    if (ev->kind == SE_ACK && ev->id == 0 && ev->who == STOP_PERSON && !stop_latched(s))
        KEEP("refused", did == STOP_REFUSED);
}

static void running_is_said(const struct node *n, const struct stop_event *ev, const struct node *to, unsigned did)
{
    const struct stop *s = &n->s, *t = &to->s;
    enum stop_phase p = t->phase;
    bool counted = ev->kind == SE_SHOWS && ev->at >= s->counts;
    if (counted && ev->shows == SHOWS_RUNNING) {
        KEEP("I3", p == STOP_FREE || p == STOP_LOOSE || p == STOP_CLAIM_RUN || stop_driving(t) || p == STOP_DOUBT ||
                       p == STOP_RUNS || (t->passive && p == STOP_UNSEEN));
        KEEP("I3", !stop_driving(t) || t->sent || t->unanswered >= STOP_UNANSWERED);
        KEEP("I3", p != STOP_DOUBT || (stop_due(t) > T0 - 1 && stop_due(t) <= T0 + STOP_DOUBT_US));
        KEEP("I3", strncmp(stop_words(t)->word, "halted", 6) != 0 || strstr(stop_words(t)->word, "running"));
    }
    if (p == STOP_RUNS && s->phase != STOP_RUNS)
        KEEP("I3", is(did, STOP_SAY_RUNS));
    if (p == STOP_RUNS || p == STOP_CLAIM_RUN || p == STOP_DOUBT)
        KEEP("I3", t->shown == SHOWS_RUNNING);
    if (is(did, STOP_SAY_RUNS))
        KEEP("I3", !n->said && stop_latched(t) && t->shown == SHOWS_RUNNING);
    if (p == STOP_DOUBT && s->phase != STOP_DOUBT)
        KEEP("I3", is(did, STOP_LOOK));
    if (s->phase == STOP_DOUBT && (ev->kind == SE_LOOKED)) {
        bool again = !s->passive && (s->foreign == FOREIGN_HALT ||
                                     (s->foreign == FOREIGN_BY_ACTOR && s->latched_by != 1u << STOP_PERSON));
        KEEP("policy",
             again ? p == STOP_ASKED && (is(did, STOP_SEND) || s->unanswered >= STOP_UNANSWERED) : p == STOP_RUNS);
    }
}

/* As far as the machine is concerned. */
static bool may_run(const struct stop *s)
{
    return !(stop_cell(s->phase, SG_RUN, NULL).did & STOP_REFUSED);
}

static void run_is_refused(const struct node *n, const struct stop_event *ev, const struct node *to, unsigned did)
{
    const struct stop *s = &n->s, *t = &to->s;
    if (ev->kind == SE_RUN) {
        KEEP("I4", is(did, STOP_REFUSED) == (stop_latched(s) || stop_driving(s)));
        KEEP("I4", may_run(s) == !is(did, STOP_REFUSED));
    }
    if (is(did, STOP_REFUSED)) {
        struct stop a = *s, b = *t;
        KEEP("refused", did == STOP_REFUSED && memcmp(&a, &b, sizeof a) == 0);
    }
    if (s->phase == STOP_ACKED && ev->kind == SE_HALT && by_rule(ev))
        KEEP("I7", did == STOP_REFUSED && t->phase == STOP_ACKED);
    if (ev->kind == SE_HALT && by_rule(ev))
        KEEP("I7", stop_rule_may_halt(s) == !is(did, STOP_REFUSED));
    if (s->phase == STOP_ACKED && t->phase != STOP_ACKED)
        KEEP("I7", (ev->kind == SE_SHOWS && ev->shows != SHOWS_PAUSED && ev->shows != SHOWS_STOPPING) ||
                       ev->kind == SE_HALT || ev->kind == SE_FOUND);
    if (ev->kind == SE_HALT && !by_rule(ev))
        KEEP("asked", stop_driving(t) && is(did, STOP_LATCHED));
}

static void driven_until_shown(const struct node *n, const struct stop_event *ev, const struct node *to, unsigned did,
                               int64_t now)
{
    const struct stop *s = &n->s, *t = &to->s;
    unsigned asks = did & (STOP_SEND | STOP_REPEAT);
    if (stop_driving(s) && !stop_driving(t))
        KEEP("I5", (ev->kind == SE_SHOWS && ev->at >= s->counts && ev->shows >= SHOWS_IDLE &&
                    ev->shows != SHOWS_RUNNING && is(did, STOP_SHOWN)) ||
                       (ev->kind == SE_RUN_FOUND && s->phase == STOP_LIFTING));
    if (s->for_good && stop_driving(s) && ev->kind == SE_SHOWS && ev->shows == SHOWS_PAUSED)
        KEEP("I5", stop_driving(t));
    if (stop_driving(t))
        KEEP("I6", stop_due(t) > 0 && stop_due(t) <= now + 2 * US_PER_S);
    if (stop_driving(s) && ev->kind == SE_TIME && now >= s->next)
        KEEP("I6", is(did, STOP_READ) &&
                       (asks || s->unanswered >= STOP_UNANSWERED || (s->shown == SHOWS_STOPPING && !s->stale)));
    KEEP("I6", t->unanswered <= STOP_UNANSWERED);
    if (is(did, STOP_ESCALATE))
        KEEP("I6", !s->escalated && stop_escalated(t) && now - s->since >= STOP_ESCALATE_US);
    if (s->phase == STOP_ASKED && ev->kind == SE_TIME && now - s->since >= STOP_ESCALATE_US && !s->escalated)
        KEEP("I6", is(did, STOP_ESCALATE));
    if (asks)
        KEEP("sends", stop_driving(t) && asks != (STOP_SEND | STOP_REPEAT) && t->unanswered == s->unanswered + 1);
    if (asks && !stop_driving(s))
        KEEP("sends", ev->kind == SE_HALT || ev->kind == SE_SHOWS || ev->kind == SE_LOOKED || ev->kind == SE_TIME);
    if (is(did, STOP_NOTE_HALT))
        KEEP("note", stop_driving(t));
    if (s->passive && !stop_driving(s) && ev->kind != SE_HALT)
        KEEP("passive", !asks && !stop_driving(t));
}

static void notes_only_add_care(const struct node *n, const struct stop_event *ev, const struct node *to, unsigned did)
{
    const struct stop *s = &n->s, *t = &to->s;
    bool handed = ev->kind == SE_FOUND || ev->kind == SE_ACK;
    if (handed && ev->from == STOP_NOTE_UNKNOWN) {
        KEEP("I8", (did & ~(unsigned)(STOP_LATCHED | STOP_SAY_CLAIM | STOP_REFUSED)) == 0);
        KEEP("I8", stop_latched(t) >= stop_latched(s));
    }
    if (s->phase == STOP_CLAIMED || s->phase == STOP_CLAIM_RUN) {
        if (ev->kind != SE_HALT)
            KEEP("I8", (did & (STOP_SEND | STOP_REPEAT)) == 0);
        if (ev->kind != SE_HALT && ev->kind != SE_FOUND && ev->kind != SE_ACK)
            KEEP("I8", t->phase == STOP_CLAIMED || t->phase == STOP_CLAIM_RUN);
    }
    if (ev->kind == SE_FOUND) {
        bool known = false;
        bool claim = s->phase == STOP_CLAIMED || s->phase == STOP_CLAIM_RUN;
        for (int i = 0; i < s->n_known; i++) /* what is only claimed is not known yet */
            known = known || (s->known[i] == ev->id && !(claim && (s->open >> i & 1) && ev->from != STOP_NOTE_UNKNOWN));
        if (claim && ev->from != STOP_NOTE_UNKNOWN && !known)
            KEEP("I9", t->phase != STOP_CLAIMED && t->phase != STOP_CLAIM_RUN);
        if (known)
            KEEP("I9", did == 0 && memcmp(s, t, sizeof *s) == 0);
        else if (ev->from != STOP_NOTE_UNKNOWN)
            KEEP("I9", stop_latched(t) && t->id == ev->id);
    }
    if (is(did, STOP_NOTE_ACK))
        KEEP("note", ev->kind == SE_ACK && ev->from == STOP_HERE);
    if (is(did, STOP_LOG_FOREIGN))
        KEEP("note", handed && ev->from == STOP_NOTE);
    if (handed && ev->from == STOP_NOTE && (did & (STOP_LATCHED | STOP_UNLATCHED | STOP_PART)))
        KEEP("note", is(did, STOP_LOG_FOREIGN));
    if (is(did, STOP_NOTE_CLEAN))
        KEEP("note", t->shown == SHOWS_OVER && !stop_latched(t));
}

/* ---- the set of states ---- */

struct set {
    struct node *v;
    size_t n, cap;
    uint32_t *slot; /* index + 1, open addressing */
    size_t slots;
};

static uint64_t hash(const struct node *n)
{
    static_assert(sizeof *n % sizeof(uint64_t) == 0, "read in words");
    uint64_t h = 1469598103934665603u, word;
    for (size_t i = 0; i < sizeof *n; i += sizeof word) {
        memcpy(&word, (const char *)n + i, sizeof word);
        h = (h ^ word) * 1099511628211u;
        h ^= h >> 31;
    }
    return h;
}

static void put_in(struct set *t, const struct node *n)
{
    size_t at = hash(n) & (t->slots - 1);
    for (; t->slot[at]; at = (at + 1) & (t->slots - 1))
        if (memcmp(&t->v[t->slot[at] - 1], n, sizeof *n) == 0)
            return;
    if (t->n == t->cap)
        fail_msg("more than %zu states", t->cap);
    memcpy(&t->v[t->n], n, sizeof *n); /* padding too: states are compared as bytes */
    t->slot[at] = (uint32_t)++t->n;
}

static void one_edge(struct set *set, const struct node *n, const struct stop_event *ev, int64_t now,
                     const struct part *part, unsigned *phases)
{
    struct node next;
    memcpy(&next, n, sizeof next);
    unsigned did = stop_step(&next.s, ev, now);
    struct node raw;
    memcpy(&raw, &next, sizeof raw);
    if (is(did, STOP_SAY_RUNS))
        next.said = true;
    if (!stop_latched(&next.s) || is(did, STOP_LATCHED) || next.s.shown != SHOWS_RUNNING)
        next.said = false;
    latch_holds(n, ev, &raw, did);
    running_is_said(n, ev, &raw, did);
    run_is_refused(n, ev, &raw, did);
    notes_only_add_care(n, ev, &raw, did);
    driven_until_shown(n, ev, &raw, did, now);
    normalise(&next, now, part);
    *phases |= 1u << next.s.phase;
    put_in(set, &next);
}

static void walk(const struct part *part, unsigned *phases)
{
    static struct stop_event events[EVENTS_MAX];
    size_t n_events = all_events(events, part);
    struct set set = {.cap = 1 << 19, .slots = 1 << 21};
    set.v = calloc(set.cap, sizeof *set.v);
    set.slot = calloc(set.slots, sizeof *set.slot);
    assert_non_null(set.v);
    assert_non_null(set.slot);
    struct node first;
    memset(&first, 0, sizeof first);
    first.s.foreign = part->foreign;
    first.s.passive = part->passive;
    normalise(&first, T0, part);
    put_in(&set, &first);
    for (size_t i = 0; i < set.n; i++) {
        for (size_t k = 0; k < n_events; k++)
            one_edge(&set, &set.v[i], &events[k], T0, part, phases);
        struct stop_event time = {.kind = SE_TIME};
        int64_t due = stop_due(&set.v[i].s);
        if (due > T0)
            one_edge(&set, &set.v[i], &time, due, part, phases);
    }
    print_message("foreign %d, passive %d, answers %d: %zu states, %zu events each\n", part->foreign, part->passive,
                  part->answers, set.n, n_events);
    assert_true(set.n > 10000);
    free(set.v);
    free(set.slot);
}

/* ANDON_STOP_ALL: every combination (`make model`); otherwise those that differ most. */
static void every_state_keeps_the_invariants(void **state)
{
    (void)state;
    unsigned phases = 0;
    static const struct part some[] = {{FOREIGN_BY_ACTOR, false, true, false},
                                       {FOREIGN_BY_ACTOR, false, false, false},
                                       {FOREIGN_BY_ACTOR, true, true, false}};
    bool all = getenv("ANDON_STOP_ALL") != NULL;
    for (size_t i = 0; i < sizeof some / sizeof *some && !all; i++)
        walk(&some[i], &phases);
    for (int foreign = FOREIGN_BY_ACTOR; foreign <= FOREIGN_HALT && all; foreign++)
        for (int passive = 0; passive < 2; passive++)
            for (int answers = 0; answers < 2; answers++)
                walk(&(struct part){(enum foreign_resume)foreign, passive, answers, answers}, &phases);
    assert_int_equal(phases, (1u << STOP_PHASES) - 1); /* each phase can be reached */
}

/* ---- stories ---- */

static unsigned shows(struct stop *s, enum stop_shows what, int64_t now)
{
    return stop_step(s, &(struct stop_event){.kind = SE_SHOWS, .shows = what, .at = now}, now);
}

static unsigned plain(struct stop *s, enum stop_event_kind k, int64_t now)
{
    return stop_step(s, &(struct stop_event){.kind = k}, now);
}

static unsigned halt(struct stop *s, enum stop_who who, uint64_t id, int64_t now)
{
    return stop_step(s, &(struct stop_event){.kind = SE_HALT, .who = who, .id = id}, now);
}

static unsigned found(struct stop *s, enum stop_from from, enum stop_who who, uint64_t id, bool once, int64_t now)
{
    return stop_step(s, &(struct stop_event){.kind = SE_FOUND, .from = from, .who = who, .id = id, .shown_once = once},
                     now);
}

static unsigned ack(struct stop *s, enum stop_from from, enum stop_who who, uint64_t id, int64_t now)
{
    return stop_step(s, &(struct stop_event){.kind = SE_ACK, .from = from, .who = who, .id = id}, now);
}

static void at(const struct stop *s, enum stop_phase p)
{
    assert_string_equal(stop_phase_name(s->phase), stop_phase_name(p));
}

static struct stop halted(enum stop_who who, enum foreign_resume foreign)
{
    struct stop s = {.foreign = foreign};
    (void)shows(&s, SHOWS_RUNNING, T0);
    assert_true(is(halt(&s, who, HALT_A, T0 + 1), STOP_SEND | STOP_LATCHED | STOP_NOTE_HALT | STOP_READ));
    assert_int_equal(shows(&s, SHOWS_PAUSED, T0), 0); /* asked for before the halt: says nothing of it */
    at(&s, STOP_ASKED);
    assert_int_equal(shows(&s, SHOWS_PAUSED, T0 + 2), STOP_SHOWN);
    at(&s, STOP_HALTED);
    return s;
}

/* The 0.25, 0.5, 1, 2, 2 ... of a server that answers and does not do it. */
static void a_halt_is_repeated_with_a_short_back_off(void **state)
{
    (void)state;
    static const int ms[] = {250, 750, 1750, 3750, 5750, 7750, 9750, 10000, 12000, 14000, 16000};
    struct stop s = {0};
    (void)shows(&s, SHOWS_RUNNING, T0);
    (void)halt(&s, STOP_PERSON, HALT_A, T0);
    for (size_t i = 0; i < sizeof ms / sizeof *ms; i++) {
        int64_t due = stop_due(&s);
        assert_int_equal((due - T0) / 1000, ms[i]);
        assert_int_equal(plain(&s, SE_TIME, due - 1), 0);
        assert_int_equal(plain(&s, SE_ANSWERED, due - 1), STOP_READ); /* whatever it says */
        unsigned did = plain(&s, SE_TIME, due);
        assert_true(is(did, STOP_REPEAT | STOP_READ));
        assert_int_equal(is(did, STOP_ESCALATE), ms[i] == 10000);
        assert_int_equal(shows(&s, SHOWS_RUNNING, due), 0);
    }
    assert_true(stop_escalated(&s));
    assert_string_equal(stop_words(&s)->word, "halt-escalated");
    assert_int_equal(shows(&s, SHOWS_PAUSED, T0 + US_PER_MIN), STOP_SHOWN);
    assert_string_equal(stop_words(&s)->word, "halted");
    assert_int_equal(stop_due(&s), 0);
    assert_int_equal(plain(&s, SE_STALE, T0 + US_PER_HOUR), 0);
    assert_string_equal(stop_words(&s)->word, "halted-when-last-seen");
}

static void a_hung_server_has_three_requests_at_most(void **state)
{
    (void)state;
    struct stop s = {0};
    int asked = is(halt(&s, STOP_PERSON, HALT_A, T0), STOP_SEND);
    for (int i = 0; i < 50; i++)
        asked += is(plain(&s, SE_TIME, stop_due(&s)), STOP_REPEAT);
    assert_int_equal(asked, STOP_UNANSWERED);
    (void)plain(&s, SE_ANSWERED, stop_due(&s) - 1);
    assert_true(is(plain(&s, SE_TIME, stop_due(&s)), STOP_REPEAT));
}

/* What rests needs no request; unless it does not rest any more, and then at once. */
static void one_that_is_paused_is_read_first(void **state)
{
    (void)state;
    struct stop s = {0};
    (void)shows(&s, SHOWS_PAUSED, T0);
    struct stop old = s, gone_on = s;
    unsigned did = halt(&s, STOP_PERSON, HALT_A, T0 + 1);
    assert_true(is(did, STOP_READ) && !is(did, STOP_SEND));
    assert_int_equal(shows(&s, SHOWS_PAUSED, T0 + 1), STOP_SHOWN);
    (void)halt(&gone_on, STOP_PERSON, HALT_A, T0 + 1);
    assert_true(is(shows(&gone_on, SHOWS_RUNNING, T0 + 1), STOP_SEND));
    (void)plain(&old, SE_STALE, T0 + US_PER_MIN);
    assert_true(is(halt(&old, STOP_PERSON, HALT_A, T0 + US_PER_MIN), STOP_SEND));
}

/* A halt that another process could not finish: the log's entry is no outcome, and whoever watches takes it over. */
static void a_halt_in_the_log_is_taken_over(void **state)
{
    (void)state;
    struct stop s = {0};
    (void)shows(&s, SHOWS_RUNNING, T0);
    (void)plain(&s, SE_STALE, T0 + US_PER_MIN);
    int64_t now = T0 + US_PER_MIN;
    unsigned did = found(&s, STOP_LOG, STOP_PERSON, HALT_A, false, now);
    assert_int_equal(did, STOP_LATCHED | STOP_READ);
    assert_string_equal(stop_words(&s)->word, "halt-not-confirmed");
    assert_false(may_run(&s));
    assert_true(is(plain(&s, SE_TIME, stop_due(&s)), STOP_READ)); /* read as often as it would be asked for */
    struct stop late = s;
    did = shows(&s, SHOWS_RUNNING, now + US_PER_S);
    assert_true(is(did, STOP_SEND));
    assert_int_equal(shows(&s, SHOWS_PAUSED, now + 2 * US_PER_S), STOP_SHOWN);
    /* A server that cannot be read: asked all the same after 10 s, and said. */
    int sent = 0, escalated = 0;
    while (stop_due(&late) < now + US_PER_MIN) {
        did = plain(&late, SE_TIME, stop_due(&late));
        sent += is(did, STOP_SEND) || is(did, STOP_REPEAT);
        escalated += is(did, STOP_ESCALATE);
    }
    assert_int_equal(escalated, 1);
    assert_int_equal(sent, STOP_UNANSWERED);
}

static void another_client_resumes(void **state)
{
    (void)state;
    static const struct {
        enum stop_who who;
        enum foreign_resume foreign;
        bool again;
    } cases[] = {{STOP_PERSON, FOREIGN_BY_ACTOR, false}, {STOP_SCRIPT, FOREIGN_BY_ACTOR, false},
                 {STOP_RULE, FOREIGN_BY_ACTOR, true},    {STOP_RULE_LOST, FOREIGN_BY_ACTOR, true},
                 {STOP_RULE, FOREIGN_ALERT, false},      {STOP_PERSON, FOREIGN_HALT, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stop s = halted(cases[i].who, cases[i].foreign);
        assert_int_equal(shows(&s, SHOWS_RUNNING, T0 + 3), STOP_LOOK);
        assert_string_equal(stop_words(&s)->word, "halted-but-running");
        struct stop hung = s;
        unsigned did = plain(&s, SE_LOOKED, T0 + 4);
        assert_true(is(did, STOP_SAY_RUNS));
        assert_int_equal(is(did, STOP_SEND), cases[i].again);
        at(&s, cases[i].again ? STOP_ASKED : STOP_RUNS);
        assert_false(is(shows(&s, SHOWS_RUNNING, T0 + 5), STOP_SAY_RUNS)); /* once */
        assert_int_equal(plain(&hung, SE_TIME, T0 + 3 + STOP_DOUBT_US - 1), 0);
        assert_true(is(plain(&hung, SE_TIME, T0 + 3 + STOP_DOUBT_US), STOP_SAY_RUNS)); /* the log hangs */
        if (cases[i].again)
            continue;
        /* A rule that has not halted it may; one that has, and had to give in, may not. A person always may. */
        assert_int_equal(stop_rule_may_halt(&s), cases[i].who != STOP_RULE);
        struct stop person = s;
        assert_true(is(halt(&person, STOP_PERSON, HALT_B, T0 + 6), STOP_SEND));
        /* Stopped by somebody, and resumed once more: said once more. */
        assert_int_equal(shows(&s, SHOWS_PAUSED, T0 + 6), STOP_SHOWN);
        (void)shows(&s, SHOWS_RUNNING, T0 + 7);
        assert_true(is(plain(&s, SE_LOOKED, T0 + 8), STOP_SAY_RUNS));
        (void)ack(&s, STOP_HERE, STOP_PERSON, 0, T0 + 9);
        at(&s, STOP_FREE);
    }
}

/* The resume of a person who has acknowledged at another console is seen on the server before it is in the log. */
static void an_andons_own_resume_is_not_fought(void **state)
{
    (void)state;
    struct stop s = halted(STOP_RULE, FOREIGN_BY_ACTOR);
    assert_int_equal(shows(&s, SHOWS_RUNNING, T0 + 3), STOP_LOOK);
    assert_int_equal(ack(&s, STOP_LOG, STOP_PERSON, HALT_A, T0 + 4), STOP_UNLATCHED);
    assert_int_equal(plain(&s, SE_RUN_FOUND, T0 + 4), 0);
    assert_int_equal(plain(&s, SE_LOOKED, T0 + 4), 0);
    at(&s, STOP_FREE);
    /* The same for a hold. */
    struct stop h = {0};
    (void)shows(&h, SHOWS_PAUSED, T0);
    (void)plain(&h, SE_HELD, T0);
    assert_true(stop_held(&h));
    struct stop other = h;
    assert_int_equal(shows(&h, SHOWS_RUNNING, T0 + 1), STOP_LOOK);
    assert_int_equal(plain(&h, SE_RUN_FOUND, T0 + 2), 0);
    assert_int_equal(plain(&h, SE_LOOKED, T0 + 2), 0);
    (void)shows(&other, SHOWS_RUNNING, T0 + 1);
    assert_int_equal(plain(&other, SE_LOOKED, T0 + 2), STOP_SAY_RESUMED);
    at(&other, STOP_FREE);
}

/* A resume that was on its way when it was halted, and reaches the server after the pause. */
static void our_own_late_resume_does_not_undo_a_halt(void **state)
{
    (void)state;
    struct stop s = {0};
    (void)shows(&s, SHOWS_PAUSED, T0);
    assert_int_equal(plain(&s, SE_RUN, T0), 0);
    (void)halt(&s, STOP_PERSON, HALT_A, T0 + 1);
    (void)shows(&s, SHOWS_PAUSED, T0 + 2);
    at(&s, STOP_HALTED);
    struct stop settled = s;
    assert_true(is(shows(&s, SHOWS_RUNNING, T0 + 3), STOP_SEND)); /* no foreign resume, and none to be put up with */
    (void)plain(&settled, SE_RUN_OVER, T0 + 3);
    assert_int_equal(shows(&settled, SHOWS_RUNNING, T0 + 4), STOP_LOOK);
}

static void standing_by(void **state)
{
    (void)state;
    struct stop s = {0};
    (void)shows(&s, SHOWS_IDLE, T0);
    (void)halt(&s, STOP_PERSON, HALT_A, T0 + 1);
    assert_int_equal(shows(&s, SHOWS_IDLE, T0 + 2), STOP_SHOWN);
    assert_string_equal(stop_words(&s)->word, "standby");
    assert_int_equal(plain(&s, SE_RUN, T0 + 3), STOP_REFUSED);
    assert_true(is(shows(&s, SHOWS_RUNNING, T0 + 4), STOP_SEND));
    assert_true(is(shows(&s, SHOWS_OVER, T0 + 5), STOP_SHOWN | STOP_SAY_OVER));
    assert_int_equal(shows(&s, SHOWS_OVER, T0 + 6), 0);
    assert_int_equal(ack(&s, STOP_HERE, STOP_PERSON, 0, T0 + 7), STOP_UNLATCHED | STOP_NOTE_ACK | STOP_NOTE_CLEAN);
    assert_int_equal(shows(&s, SHOWS_OVER, T0 + 8), 0);
}

static void what_an_acknowledgement_lifts(void **state)
{
    (void)state;
    struct stop s = halted(STOP_RULE, FOREIGN_BY_ACTOR);
    assert_int_equal(ack(&s, STOP_LOG, STOP_PERSON, HALT_B, T0 + 3), 0); /* of another halt */
    assert_int_equal(ack(&s, STOP_NOTE_UNKNOWN, STOP_PERSON, HALT_A, T0 + 3), STOP_SAY_CLAIM);
    assert_int_equal(ack(&s, STOP_NOTE_UNKNOWN, STOP_PERSON, HALT_A, T0 + 3), 0); /* said once */
    assert_int_equal(ack(&s, STOP_HERE, STOP_RULE_LOST, 0, T0 + 3), 0);
    at(&s, STOP_HALTED);
    struct stop signed_note = s;
    assert_int_equal(ack(&signed_note, STOP_NOTE, STOP_PERSON, HALT_A, T0 + 3), STOP_UNLATCHED | STOP_LOG_FOREIGN);
    assert_int_equal(ack(&s, STOP_HERE, STOP_PERSON, 0, T0 + 3), STOP_UNLATCHED | STOP_NOTE_ACK);
    at(&s, STOP_ACKED);
    assert_true(stop_held(&s));
    assert_int_equal(halt(&s, STOP_RULE, HALT_B, T0 + 4), STOP_REFUSED); /* a person has looked */
    assert_int_equal(found(&s, STOP_LOG, STOP_RULE, HALT_A, true, T0 + 4), 0);
    assert_int_equal(found(&s, STOP_NOTE, STOP_RULE, HALT_A, false, T0 + 4), 0); /* the note was not rewritten yet */
    assert_int_equal(plain(&s, SE_RUN, T0 + 5), 0);
    (void)shows(&s, SHOWS_RUNNING, T0 + 6);
    (void)plain(&s, SE_RUN_OVER, T0 + 6);
    assert_true(is(halt(&s, STOP_RULE, HALT_B, T0 + 7), STOP_SEND)); /* a new breach does halt */
}

static void lost_telemetry_lifts_only_its_own(void **state)
{
    (void)state;
    struct stop s = halted(STOP_RULE_LOST, FOREIGN_BY_ACTOR), both = s;
    assert_int_equal(ack(&s, STOP_HERE, STOP_RULE_LOST, 0, T0 + 3), STOP_UNLATCHED | STOP_NOTE_ACK);
    at(&s, STOP_HELD);
    assert_true(
        is(halt(&s, STOP_RULE, HALT_B, T0 + 4), STOP_LATCHED)); /* nobody has looked: what comes to light halts */
    (void)halt(&both, STOP_PERSON, HALT_B, T0 + 3);
    (void)shows(&both, SHOWS_PAUSED, T0 + 4);
    assert_int_equal(ack(&both, STOP_HERE, STOP_RULE_LOST, 0, T0 + 5), 0);
    assert_true(stop_latched(&both));
}

static void acknowledged_on_its_way_it_is_asked_for_all_the_same(void **state)
{
    (void)state;
    struct stop s = {0};
    (void)shows(&s, SHOWS_RUNNING, T0);
    (void)halt(&s, STOP_PERSON, HALT_A, T0);
    assert_true(is(ack(&s, STOP_HERE, STOP_PERSON, 0, T0 + 1), STOP_UNLATCHED));
    assert_int_equal(plain(&s, SE_RUN, T0 + 2), STOP_REFUSED);
    struct stop resumed = s;
    assert_true(is(plain(&s, SE_TIME, stop_due(&s)), STOP_REPEAT));
    assert_int_equal(shows(&s, SHOWS_PAUSED, T0 + US_PER_S), STOP_SHOWN);
    at(&s, STOP_ACKED);
    (void)plain(&resumed, SE_RUN_FOUND, T0 + US_PER_S); /* an andon has resumed it since: it has had its pause */
    at(&resumed, STOP_FREE);
}

/* A note that anybody who may write on the server could have put there. */
static void a_claim_stands_in_the_way_and_no_more(void **state)
{
    (void)state;
    struct stop s = {.foreign = FOREIGN_HALT};
    (void)shows(&s, SHOWS_PAUSED, T0);
    assert_int_equal(found(&s, STOP_NOTE_UNKNOWN, STOP_RULE, HALT_A, false, T0), STOP_LATCHED | STOP_SAY_CLAIM);
    assert_string_equal(stop_words(&s)->word, "halt-claimed");
    assert_int_equal(plain(&s, SE_RUN, T0 + 1), STOP_REFUSED);
    assert_int_equal(shows(&s, SHOWS_RUNNING, T0 + 2), STOP_SAY_RUNS);
    assert_int_equal(shows(&s, SHOWS_RUNNING, T0 + 3), 0);
    struct stop real = s;
    assert_true(is(found(&real, STOP_LOG, STOP_RULE, HALT_B, false, T0 + 4), STOP_LATCHED));
    uint64_t ids[STOP_KNOWN];
    assert_int_equal(stop_standing(&real, ids), 1); /* the claim is worth nothing beside it */
    assert_true(is(shows(&real, SHOWS_RUNNING, T0 + 4), STOP_SEND));
    (void)ack(&s, STOP_HERE, STOP_PERSON, 0, T0 + 5);
    at(&s, STOP_FREE);
    assert_int_equal(found(&s, STOP_NOTE_UNKNOWN, STOP_RULE, HALT_A, false, T0 + 6), 0);
}

static void stopped_for_good(void **state)
{
    (void)state;
    struct stop s = {0};
    (void)shows(&s, SHOWS_RUNNING, T0);
    (void)stop_step(&s, &(struct stop_event){.kind = SE_HALT, .id = HALT_A, .for_good = true}, T0);
    assert_int_equal(shows(&s, SHOWS_PAUSED, T0 + 1), 0);
    assert_true(is(plain(&s, SE_TIME, stop_due(&s)), STOP_REPEAT));
    (void)shows(&s, SHOWS_STOPPING, T0 + US_PER_S);
    at(&s, STOP_ASKED);
    assert_int_equal(plain(&s, SE_TIME, stop_due(&s)), STOP_READ); /* it is being done */
    assert_true(is(shows(&s, SHOWS_OVER, T0 + 2 * US_PER_S), STOP_SHOWN));
    at(&s, STOP_OVER);
}

/* Two consoles that have not heard of each other halt it: who acknowledges one of them has not seen the other. */
static void each_halt_is_acknowledged_by_name(void **state)
{
    (void)state;
    uint64_t ids[STOP_KNOWN];
    struct stop s = halted(STOP_RULE, FOREIGN_BY_ACTOR);
    (void)found(&s, STOP_NOTE, STOP_PERSON, HALT_B, false, T0 + 3);
    (void)shows(&s, SHOWS_PAUSED, T0 + 4);
    assert_int_equal(stop_standing(&s, ids), 2);
    struct stop here = s;
    assert_int_equal(ack(&s, STOP_NOTE, STOP_PERSON, HALT_B, T0 + 5), STOP_PART | STOP_LOG_FOREIGN);
    assert_int_equal(s.id, HALT_A);
    assert_int_equal(ack(&s, STOP_NOTE, STOP_PERSON, HALT_B, T0 + 6), 0);
    assert_int_equal(stop_standing(&s, ids), 1);
    assert_int_equal(ids[0], HALT_A);
    assert_true(stop_latched(&s));
    assert_int_equal(ack(&s, STOP_LOG, STOP_PERSON, HALT_A, T0 + 7), STOP_UNLATCHED);
    assert_int_equal(ack(&here, STOP_HERE, STOP_PERSON, 0, T0 + 5), STOP_UNLATCHED | STOP_NOTE_ACK);
    assert_int_equal(stop_standing(&here, ids), 0);
}

/* What a halt leaves behind does not reach into the next. */
static void the_next_halt_begins_anew(void **state)
{
    (void)state;
    struct stop s = halted(STOP_RULE_LOST, FOREIGN_BY_ACTOR);
    for (int i = 1; i <= 2; i++) {
        int64_t now = T0 + i * US_PER_MIN;
        (void)plain(&s, SE_STALE, now - 1);
        (void)shows(&s, SHOWS_RUNNING, now);
        assert_true(is(plain(&s, SE_LOOKED, now), STOP_SEND));
        assert_false(stop_escalated(&s));
        assert_int_equal(ack(&s, STOP_HERE, STOP_RULE_LOST, 0, now), STOP_REFUSED); /* not before it shows */
        while (!stop_escalated(&s))
            (void)plain(&s, SE_TIME, stop_due(&s));
        assert_int_equal(stop_due(&s) > now + STOP_ESCALATE_US, 1);
        s.unanswered = 0;
        (void)shows(&s, SHOWS_PAUSED, now + US_PER_MIN / 2);
        assert_string_equal(stop_words(&s)->word, "halted");
    }
    assert_int_equal(ack(&s, STOP_NOTE_UNKNOWN, STOP_PERSON, HALT_A, T0), STOP_SAY_CLAIM);
    (void)found(&s, STOP_LOG, STOP_PERSON, HALT_B, false, T0 + US_PER_HOUR);
    assert_int_equal(shows(&s, SHOWS_PAUSED, T0 + US_PER_HOUR - 1), 0); /* asked for before it was known */
    at(&s, STOP_UNSEEN);
    assert_int_equal(ack(&s, STOP_NOTE_UNKNOWN, STOP_PERSON, HALT_A, T0 + US_PER_HOUR), STOP_SAY_CLAIM);
    /* stopped for good, paused next time */
    struct stop t = {0};
    (void)stop_step(&t, &(struct stop_event){.kind = SE_HALT, .id = HALT_A, .for_good = true}, T0);
    (void)ack(&t, STOP_HERE, STOP_PERSON, 0, T0);
    (void)halt(&t, STOP_PERSON, HALT_B, T0 + 1);
    assert_int_equal(shows(&t, SHOWS_PAUSED, T0 + 1), STOP_SHOWN);
}

/* What nobody does every day. */
static void seldom_things(void **state)
{
    (void)state;
    struct stop s = halted(STOP_PERSON, FOREIGN_BY_ACTOR), t;
    (void)shows(&s, SHOWS_RUNNING, T0 + 3);
    t = s; /* resumed and stopped again before the log was read */
    assert_int_equal(shows(&t, SHOWS_PAUSED, T0 + 4), STOP_SHOWN | STOP_SAY_RESUMED);
    t = s;
    assert_int_equal(shows(&t, SHOWS_OVER, T0 + 4), STOP_SHOWN | STOP_SAY_OVER);
    t = s; /* neither halted nor running may be said */
    (void)shows(&t, SHOWS_OTHER, T0 + 4);
    assert_string_equal(stop_words(&t)->word, "halt-not-confirmed");
    (void)ack(&s, STOP_LOG, STOP_PERSON, HALT_A, T0 + 4);
    at(&s, STOP_FREE);
    (void)plain(&s, SE_HELD, T0 + 5);
    at(&s, STOP_HELD);
    assert_string_equal(stop_words(&s)->word, "held-not-confirmed");
    struct stop held = s;
    (void)shows(&s, SHOWS_RUNNING, T0 + 6);
    at(&s, STOP_LOOSE);
    assert_int_equal(stop_due(&s), T0 + 6 + STOP_DOUBT_US);
    t = s;
    assert_int_equal(shows(&t, SHOWS_PAUSED, T0 + 7), STOP_SAY_RESUMED);
    at(&t, STOP_HELD);
    t = s;
    assert_int_equal(shows(&t, SHOWS_OVER, T0 + 7), STOP_SAY_RESUMED | STOP_NOTE_CLEAN);
    at(&t, STOP_FREE);
    t = s;
    assert_int_equal(shows(&t, SHOWS_RUNNING, T0 + 7), 0);
    at(&t, STOP_LOOSE);
    assert_int_equal(plain(&s, SE_TIME, T0 + 6 + STOP_DOUBT_US), STOP_SAY_RESUMED);
    t = held;
    (void)shows(&t, SHOWS_IDLE, T0 + 6);
    at(&t, STOP_FREE);
    t = held;
    assert_int_equal(shows(&t, SHOWS_OVER, T0 + 6), STOP_NOTE_CLEAN);
    at(&t, STOP_FREE);
    assert_int_equal(shows(&t, SHOWS_OVER, T0 + 7), 0);
    /* acknowledged while it was asked for, and never started; or ended */
    t = (struct stop){0};
    (void)halt(&t, STOP_PERSON, HALT_A, T0);
    (void)ack(&t, STOP_HERE, STOP_PERSON, 0, T0 + 1);
    struct stop ends = t;
    assert_int_equal(shows(&t, SHOWS_IDLE, T0 + 2), STOP_SHOWN);
    at(&t, STOP_FREE);
    assert_int_equal(shows(&ends, SHOWS_OVER, T0 + 2), STOP_SHOWN | STOP_NOTE_CLEAN);
    at(&ends, STOP_FREE);
    /* a stand-by whose state nobody knows is read again, and paused when it runs */
    (void)halt(&t, STOP_PERSON, HALT_B, T0 + 3);
    (void)shows(&t, SHOWS_IDLE, T0 + 4);
    assert_int_equal(shows(&t, SHOWS_OTHER, T0 + 5), STOP_READ);
    assert_true(is(shows(&t, SHOWS_RUNNING, T0 + 6), STOP_SEND));
    assert_int_equal(found(&t, STOP_NOTE_UNKNOWN, STOP_PERSON, 77, false, T0 + 7), STOP_REFUSED);
}

static void many_halts_are_remembered(void **state)
{
    (void)state;
    struct stop s = {0};
    for (uint64_t id = 1; id <= 3 * STOP_KNOWN; id++) {
        assert_true(is(halt(&s, STOP_PERSON, id, T0), STOP_LATCHED));
        assert_int_equal(found(&s, STOP_LOG, STOP_PERSON, id, false, T0), 0);
    }
    assert_int_equal(s.n_known, STOP_KNOWN);
    assert_int_equal(s.id, 3 * STOP_KNOWN);
    assert_int_equal(found(&s, STOP_LOG, STOP_PERSON, 0, false, T0), 0); /* a halt has a number */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_has_one_rule),
        cmocka_unit_test(words_are_stable),
        cmocka_unit_test(what_the_server_shows),
        cmocka_unit_test(every_state_keeps_the_invariants),
        cmocka_unit_test(a_halt_is_repeated_with_a_short_back_off),
        cmocka_unit_test(a_hung_server_has_three_requests_at_most),
        cmocka_unit_test(one_that_is_paused_is_read_first),
        cmocka_unit_test(a_halt_in_the_log_is_taken_over),
        cmocka_unit_test(another_client_resumes),
        cmocka_unit_test(an_andons_own_resume_is_not_fought),
        cmocka_unit_test(our_own_late_resume_does_not_undo_a_halt),
        cmocka_unit_test(standing_by),
        cmocka_unit_test(what_an_acknowledgement_lifts),
        cmocka_unit_test(lost_telemetry_lifts_only_its_own),
        cmocka_unit_test(acknowledged_on_its_way_it_is_asked_for_all_the_same),
        cmocka_unit_test(a_claim_stands_in_the_way_and_no_more),
        cmocka_unit_test(stopped_for_good),
        cmocka_unit_test(each_halt_is_acknowledged_by_name),
        cmocka_unit_test(the_next_halt_begins_anew),
        cmocka_unit_test(seldom_things),
        cmocka_unit_test(many_halts_are_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
