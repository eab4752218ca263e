/* Notes on the server: what one andon halts, another with a log of its own sees and respects; whatever is written there
 * by others adds care and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit/known.h"
#include "core/halt_note.h"
#include "tests/engine/world.h"

#define KEY  "andon.halt.10"
#define BACK "andon.rollback.21"

static const int three[] = {4, 6, 10};

/* ---- an andon with a log of its own ---- */

struct other {
    char db[120], key[120], vkey[200];
    struct audit_spec spec;
};

static void other_init(struct other *o, const struct world *w, const char *name)
{
    struct err e = {0};
    snprintf(o->db, sizeof o->db, "%s/%s.db", w->dir, name);
    snprintf(o->key, sizeof o->key, "%s/%s.key", w->dir, name);
    o->spec = (struct audit_spec){.db_path = o->db, .key_path = o->key, .origin = "andon/other"};
    struct audit_log *l = audit_open(&o->spec, &e);
    if (!l)
        fail_msg("%s", e.what);
    snprintf(o->vkey, sizeof o->vkey, "%s", audit_vkey(l));
    audit_close(l);
}

static void other_release(struct other *o)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char path[140];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s%s", o->db, tails[i]);
        remove(path);
    }
    remove(o->key);
}

/* What the other andon would leave, signed with its key; `o` NULL: with none. */
static size_t other_note(const struct other *o, const struct world *w, const struct halt_note *n, char *out)
{
    struct err e = {0};
    struct buf json, b;
    (void)w;
    buf_init(&json, 8000);
    buf_init(&b, 8000);
    if (!halt_note_encode(n, &json, &e))
        fail_msg("%s", e.what);
    if (o) {
        struct audit_log *l = audit_open(&o->spec, &e);
        if (!l || !audit_sign(l, json.data, json.len, &b, &e))
            fail_msg("%s", e.what);
        audit_close(l);
    } else {
        buf_printf(&b, "%s\n", json.data);
    }
    size_t len = b.len;
    memcpy(out, b.data, len + 1);
    buf_release(&json);
    buf_release(&b);
    return len;
}

static struct halt_note halt_of(const struct world *w, uint64_t id)
{
    return (struct halt_note){.fleet = "what it calls it",
                              .rollout = "10",
                              .created_at =
                                  w->now - w->now % US_PER_DAY ? INT64_C(1700000000) * US_PER_S - US_PER_MIN : 0,
                              .name = "spring",
                              .release = "hearth:2.0",
                              .halted = {.kind = ACTOR_PERSON,
                                         .by = "k.abe",
                                         .host = "console-2",
                                         .t = w->now,
                                         .reason = "smoke",
                                         .corr = id,
                                         .origin = "andon/other",
                                         .seq = 17,
                                         .leaf = ""}};
}

static void leave(struct world *w, const struct other *o, const struct halt_note *n)
{
    char text[8000];
    size_t len = other_note(o, w, n, text);
    world_put_note(w, "2", KEY, text, len);
}

/* The note of this halt on the board, signed by this log. */
static bool noted(const struct world *w, const char *key, const char *vkey, uint64_t id, struct halt_note *out)
{
    const struct w_text *t = world_note(w, "2", key);
    struct slice board = {t ? t->value : NULL, t ? t->n : 0}, text, lines;
    struct known_keys *k = known_keys_new();
    struct err e = {0};
    bool found = false, own;
    if (!known_keys_add(k, vkey, true, &e))
        fail_msg("%s", e.what);
    while (!found && halt_note_next(&board, &text, &lines))
        found = halt_note_decode(text.p, text.n - 1, out, &e) && (id == 0 || out->halted.corr == id) &&
                known_keys_signer(k, text, lines, &own);
    known_keys_free(k);
    return found;
}

/* ---- scenes ---- */

enum what { DO_HALT, DO_ACK, DO_RESUME, DO_CALL, DO_UNTIL, DO_WAIT, DO_REFUSED, DO_END };
struct step {
    enum what what;
    int64_t s; /* DO_WAIT: seconds; DO_UNTIL: at most so many */
    bool (*until)(const struct world *w, const struct rollout_view *v); /* DO_UNTIL */
    void (*call)(struct world *w);
};
struct scene {
    struct play p; /* first */
    const struct step *at;
    int64_t since;
    int64_t done_at[20];
    size_t n;
    char wrong[700]; /* found on the worker's thread, told on the test's */
};

static bool wrong(struct scene *sc, const char *fmt, ...) ANDON_PRINTF(2, 3);
static bool wrong(struct scene *sc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sc->wrong, sizeof sc->wrong, fmt, ap);
    va_end(ap);
    sc->p.done = true;
    return false;
}

static bool scene_step(struct play *p, const struct snapshot *s)
{
    struct scene *sc = (struct scene *)p;
    const struct step *st = sc->at;
    const struct rollout_view *v = snapshot_rollout(s, "10");
    struct world *w = p->w;
    if (!v || !v->waves_known || !s->info.caps || (!p->no_log && !s->audit.writable && !w->log_hangs))
        return false;
    if (sc->since == 0)
        sc->since = w->now;
    bool next = false, more = false;
    switch (st->what) {
    case DO_HALT:
    case DO_ACK:
    case DO_RESUME:
    case DO_REFUSED:
        if (p->ticket == 0) {
            struct intent in = world_intent(st->what == DO_HALT  ? VERB_HALT
                                            : st->what == DO_ACK ? VERB_ACK
                                                                 : VERB_RESUME,
                                            "10");
            p->ticket = engine_submit(p->en, &in);
            return true;
        }
        next = st->what == DO_HALT ? true : op_over(s, p->ticket);
        if (next && st->what != DO_HALT) {
            enum op_phase ended = op_of(s, p->ticket)->phase;
            if (ended != (st->what == DO_REFUSED ? OP_REFUSED : OP_DONE))
                return wrong(sc, "step %zu ended in %s: %s", sc->n, op_phase_word(ended), op_of(s, p->ticket)->text);
        }
        break;
    case DO_CALL:
        st->call(w);
        next = true;
        break;
    case DO_UNTIL:
        next = st->until(w, v);
        if (!next && w->now - sc->since > st->s * US_PER_S)
            return wrong(sc, "step %zu: not after %lld s; %s, board: %s", sc->n, (long long)st->s,
                         stop_phase_name(v->stop), world_note(w, "2", KEY) ? world_note(w, "2", KEY)->value : "none");
        break;
    case DO_WAIT:
        next = w->now - sc->since >= st->s * US_PER_S;
        break;
    case DO_END:
        p->done = true;
        return false;
    }
    if (next) {
        sc->done_at[sc->n++] = w->now;
        sc->at++;
        sc->since = w->now;
        p->ticket = 0;
        more = sc->at->what <= DO_RESUME || sc->at->what == DO_REFUSED;
    }
    return more && scene_step(p, s);
}

static void play(struct world *w, struct scene *sc, const struct step *steps)
{
    memset(sc->done_at, 0, sizeof sc->done_at);
    sc->at = steps;
    sc->since = 0;
    sc->n = 0;
    sc->p.ticket = 0;
    snapshot_unref(sc->p.last);
    sc->p.last = NULL;
    sc->wrong[0] = '\0';
    world_play(w, &sc->p, scene_step, 900);
    if (*sc->wrong)
        fail_msg("%s", sc->wrong);
}

static void start(struct world *w)
{
    world_init(w, three, 3);
    w->install_us = US_PER_HOUR;
}

static const struct rollout_view *last(const struct scene *sc)
{
    return snapshot_rollout(sc->p.last, "10");
}

static void own_key(const struct world *w, char vkey[200])
{
    struct err e = {0};
    struct audit_spec spec = w->audit;
    spec.read_only = true;
    struct audit_log *l = audit_open(&spec, &e);
    if (!l)
        fail_msg("%s", e.what);
    snprintf(vkey, 200, "%s", audit_vkey(l));
    audit_close(l);
}

static bool paused(const struct world *w, const struct rollout_view *v)
{
    (void)w;
    return v->stop == STOP_HALTED;
}
static bool is_noted(const struct world *w, const struct rollout_view *v)
{
    (void)v;
    const struct w_text *t = world_note(w, "2", KEY);
    return t && strstr(t->value, "\xe2\x80\x94 ");
}
static bool ack_noted(const struct world *w, const struct rollout_view *v)
{
    const struct w_text *t = world_note(w, "2", KEY);
    return is_noted(w, v) && strstr(t->value, "\"ack\"");
}
static bool is_gone(const struct world *w, const struct rollout_view *v)
{
    (void)v;
    return !world_note(w, "2", KEY);
}
static bool latched(const struct world *w, const struct rollout_view *v)
{
    (void)w;
    return v->latched;
}
static bool unlatched(const struct world *w, const struct rollout_view *v)
{
    (void)w;
    return !v->latched;
}
static void end_it(struct world *w)
{
    w->rollouts[0].state = ROLLOUT_STOPPED;
    w->rollouts[0].changed_at = w->now;
}
static void run_it(struct world *w)
{
    w->rollouts[0].state = ROLLOUT_RUNNING;
    w->rollouts[0].changed_at = w->now;
}

/* ---- writing ---- */

static void a_halt_is_noted_and_cleaned_up(void **state)
{
    (void)state;
    struct world w;
    struct scene sc = {0};
    struct halt_note n;
    char vkey[200];
    static const struct step steps[] = {
        {DO_HALT, 0, NULL, NULL}, {DO_UNTIL, 3, is_noted, NULL}, {DO_UNTIL, 3, paused, NULL}, {DO_END, 0, NULL, NULL}};
    static const struct step more[] = {{DO_ACK, 0, NULL, NULL},      {DO_UNTIL, 3, ack_noted, NULL},
                                       {DO_WAIT, 20, NULL, NULL},    {DO_CALL, 0, NULL, end_it},
                                       {DO_UNTIL, 5, is_gone, NULL}, {DO_END, 0, NULL, NULL}};
    start(&w);
    play(&w, &sc, steps);
    own_key(&w, vkey);
    assert_true(noted(&w, KEY, vkey, 0, &n));
    assert_string_equal(n.rollout, "10");
    assert_string_equal(n.name, "spring");
    assert_string_equal(n.release, "hearth:2.0");
    assert_string_equal(n.halted.by, "m.ito");
    assert_string_equal(n.halted.reason, "because");
    assert_string_equal(n.halted.origin, "andon/test");
    assert_true(n.halted.seq > 1 && strlen(n.halted.leaf) == 64 && *n.halted.host && !n.acked);
    assert_true(world_asked_at(&w, "pause 10") >= 0 &&
                world_asked_at(&w, "pause 10") <= world_asked_at(&w, "note put"));
    assert_int_equal(world_asked(&w, "note put"), 1);
    /* Another session of the same log: it is theirs to note, and to clean up. */
    play(&w, &sc, more);
    assert_false(last(&sc)->latched);
    assert_int_equal(world_asked(&w, "note put"), 2); /* with the acknowledgement; nothing is written for nothing */
    assert_int_equal(world_asked(&w, "note delete"), 1);
    play_release(&sc.p);
    world_release(&w);
}

static void what_is_lost_is_written_again(void **state)
{
    (void)state;
    struct world w;
    struct scene sc = {0};
    static const struct step lost[] = {{DO_HALT, 0, NULL, NULL}, {DO_WAIT, 12, NULL, NULL}, {DO_END, 0, NULL, NULL}};
    static const struct step dropped[] = {{DO_WAIT, 120, NULL, NULL}, {DO_END, 0, NULL, NULL}};
    static const struct step well[] = {{DO_UNTIL, 80, is_noted, NULL}, {DO_END, 0, NULL, NULL}};
    start(&w);
    w.notes_lost = true; /* it took effect */
    play(&w, &sc, lost);
    assert_true(is_noted(&w, NULL));
    assert_int_equal(world_asked(&w, "note put"), 1);
    w.notes_lost = false;
    w.notes_dropped = true;
    world_put_note(&w, "2", KEY, "", 0);
    play(&w, &sc, dropped);
    assert_false(is_noted(&w, NULL));
    assert_in_range(world_asked(&w, "note put"), 4, 10); /* ever later */
    assert_true(last(&sc)->latched);
    w.notes_dropped = false;
    play(&w, &sc, well);
    play_release(&sc.p);
    world_release(&w);
}

static void a_server_that_refuses_is_told_of_and_the_halt_is_had(void **state)
{
    (void)state;
    struct world w;
    struct scene sc = {0};
    static const struct step steps[] = {
        {DO_HALT, 0, NULL, NULL}, {DO_UNTIL, 3, paused, NULL}, {DO_WAIT, 60, NULL, NULL}, {DO_END, 0, NULL, NULL}};
    start(&w);
    w.notes_refused = true;
    play(&w, &sc, steps);
    assert_int_equal(world_asked(&w, "note put"), 1);
    assert_int_equal(last(&sc)->n_warnings > 0, 1);
    assert_non_null(strstr(last(&sc)->warnings[0], "not shown to other consoles"));
    play_release(&sc.p);
    world_release(&w);
    /* Without the right, or without notes at all, nothing is even tried. */
    for (int none = 0; none < 2; none++) {
        start(&w);
        w.caps &= ~(uint32_t)(none ? CAP_NOTES | CAP_NOTES_PUT : CAP_NOTES_PUT);
        play(&w, &sc, steps);
        assert_int_equal(world_asked(&w, "note put"), 0);
        assert_non_null(strstr(last(&sc)->warnings[0], "UPDATE_REPOSITORY"));
        play_release(&sc.p);
        world_release(&w);
    }
}

static void hang_log(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    w->log_hangs = true;
    pthread_mutex_unlock(&w->lock);
}

static bool noted_unsigned(const struct world *w, const struct rollout_view *v)
{
    (void)v;
    const struct w_text *t = world_note(w, "2", KEY);
    return t && !strstr(t->value, "\xe2\x80\x94 ") && strstr(t->value, "\"seq\":0");
}

/* Without the log the note goes out all the same, and is signed when it is back. */
static void a_log_that_hangs_holds_no_note_up(void **state)
{
    (void)state;
    struct world w;
    struct scene sc = {0};
    struct halt_note n;
    char vkey[200];
    static const struct step steps[] = {{DO_CALL, 0, NULL, hang_log},        {DO_HALT, 0, NULL, NULL},
                                        {DO_UNTIL, 4, noted_unsigned, NULL}, {DO_CALL, 0, NULL, world_unhang},
                                        {DO_UNTIL, 6, is_noted, NULL},       {DO_END, 0, NULL, NULL}};
    start(&w);
    play(&w, &sc, steps);
    own_key(&w, vkey);
    assert_true(noted(&w, KEY, vkey, 0, &n));
    assert_true(n.halted.seq > 0);
    assert_null(strstr(world_note(&w, "2", KEY)->value, "\"seq\":0")); /* in the place of the other */
    play_release(&sc.p);
    world_release(&w);
}

static struct other racing;
static void race(struct world *w)
{
    struct halt_note n = halt_of(w, 77);
    w->at_note_put = NULL;
    leave(w, &racing, &n);
}

/* Somebody else writes between our reading and our writing: they find theirs missing, and so do we. */
static void a_race_is_mended(void **state)
{
    (void)state;
    struct world w;
    struct scene sc = {0};
    struct halt_note n;
    char vkey[200];
    static const struct step halt[] = {
        {DO_HALT, 0, NULL, NULL}, {DO_UNTIL, 3, is_noted, NULL}, {DO_END, 0, NULL, NULL}};
    static const struct step wait[] = {{DO_WAIT, 5, NULL, NULL}, {DO_END, 0, NULL, NULL}};
    start(&w);
    other_init(&racing, &w, "racing");
    w.known_keys[w.n_known_keys++] = racing.vkey;
    w.at_note_put = race;
    play(&w, &sc, halt);
    own_key(&w, vkey);
    assert_true(noted(&w, KEY, vkey, 0, &n));
    assert_false(noted(&w, KEY, racing.vkey, 77, &n)); /* overwritten */
    n = halt_of(&w, 77);
    leave(&w, &racing, &n); /* as it would, at its next poll: now ours is gone */
    play(&w, &sc, wait);
    assert_true(noted(&w, KEY, vkey, 0, &n));
    assert_true(noted(&w, KEY, racing.vkey, 77, &n));
    other_release(&racing);
    play_release(&sc.p);
    world_release(&w);
}

/* ---- reading ---- */

static void two_andons_with_logs_of_their_own(void **state)
{
    (void)state;
    struct world w;
    struct scene a = {0}, b = {0};
    struct other o;
    struct halt_note n;
    char vkey[200];
    static const struct step halt[] = {
        {DO_HALT, 0, NULL, NULL}, {DO_UNTIL, 3, is_noted, NULL}, {DO_END, 0, NULL, NULL}};
    static const struct step see[] = {{DO_UNTIL, 4, latched, NULL}, /* two polls */
                                      {DO_UNTIL, 4, paused, NULL},  {DO_REFUSED, 0, NULL, NULL},
                                      {DO_ACK, 0, NULL, NULL},      {DO_UNTIL, 4, ack_noted, NULL},
                                      {DO_END, 0, NULL, NULL}};
    static const struct step heard[] = {
        {DO_UNTIL, 6, unlatched, NULL}, {DO_RESUME, 0, NULL, NULL}, {DO_END, 0, NULL, NULL}};
    start(&w);
    other_init(&o, &w, "other");
    play(&w, &a, halt);
    own_key(&w, vkey);
    struct audit_spec mine = w.audit;
    w.audit = o.spec;
    w.known_keys[0] = vkey;
    w.n_known_keys = 1;
    play(&w, &b, see);
    assert_true(noted(&w, KEY, vkey, 0, &n)); /* the first one's stands as it was */
    assert_false(n.acked);
    uint64_t id = n.halted.corr;
    assert_true(noted(&w, KEY, o.vkey, id, &n));
    assert_true(n.acked);
    assert_string_equal(n.ack.origin, "andon/other");
    assert_string_equal(n.halted.origin, "andon/test"); /* and says whose halt it was */
    w.audit = mine;
    w.known_keys[0] = o.vkey;
    play(&w, &a, heard);
    play_release(&a.p);
    play_release(&b.p);
    other_release(&o);
    world_release(&w);
}

/* ---- lost telemetry: who asked for it lifts it, and nobody else ---- */

static struct other losing;

static void other_lost(struct world *w, bool acked)
{
    struct halt_note n = halt_of(w, 77);
    n.halted.kind = ACTOR_RULE;
    snprintf(n.halted.by, sizeof n.halted.by, "LOST-TELEMETRY");
    n.acked = acked;
    if (acked)
        n.ack = n.halted;
    leave(w, &losing, &n);
}
static void another_has_lost_it(struct world *w)
{
    other_lost(w, false);
}
static void the_other_has_it_back(struct world *w)
{
    other_lost(w, true);
}
static void lose_it(struct world *w)
{
    for (int i = 0; i < 8; i++)
        w->devices[i].silent = true;
}
static void find_it(struct world *w)
{
    for (int i = 0; i < 8; i++)
        w->devices[i].silent = false;
}
static bool runs(const struct world *w, const struct rollout_view *v)
{
    (void)v;
    return w->rollouts[0].state == ROLLOUT_RUNNING;
}

static void play_lost(const struct step *steps, int resumes, int acks)
{
    struct world w;
    struct scene sc = {.p = {.judge = true}};
    int n = 0;
    start(&w);
    w.install_us = 5 * US_PER_S;
    w.devices[0].offline = true; /* keeps the first wave running */
    w.policy.n_limits = 0;
    w.policy.install_us = 30 * US_PER_S;
    w.policy.grace_us = US_PER_S;
    w.policy.lost_pause_us = US_PER_MIN;
    other_init(&losing, &w, "losing");
    w.known_keys[w.n_known_keys++] = losing.vkey;
    play(&w, &sc, steps);
    assert_int_equal(world_asked(&w, "resume 10"), resumes);
    char *log = world_entries(&w, "ack");
    for (const char *s = log; (s = strstr(s, "ack ack 10")); s++)
        n++;
    assert_int_equal(n, acks);
    free(log);
    play_release(&sc.p);
    other_release(&losing);
    world_release(&w);
}

static void a_halt_for_lost_telemetry_is_lifted_where_it_was_asked_for(void **state)
{
    (void)state;
    static const struct step anothers[] = {{DO_WAIT, 30, NULL, NULL},
                                           {DO_CALL, 0, NULL, another_has_lost_it},
                                           {DO_UNTIL, 6, latched, NULL},
                                           {DO_UNTIL, 6, paused, NULL},
                                           {DO_WAIT, 120, NULL, NULL},
                                           {DO_UNTIL, 0, latched, NULL},
                                           {DO_CALL, 0, NULL, the_other_has_it_back},
                                           {DO_UNTIL, 6, unlatched, NULL},
                                           {DO_WAIT, 60, NULL, NULL},
                                           {DO_END, 0, NULL, NULL}};
    static const struct step both[] = {{DO_WAIT, 60, NULL, NULL},       {DO_CALL, 0, NULL, lose_it},
                                       {DO_UNTIL, 200, paused, NULL},   {DO_CALL, 0, NULL, another_has_lost_it},
                                       {DO_WAIT, 10, NULL, NULL},       {DO_CALL, 0, NULL, find_it},
                                       {DO_UNTIL, 45, ack_noted, NULL}, {DO_WAIT, 60, NULL, NULL},
                                       {DO_UNTIL, 0, latched, NULL},    {DO_CALL, 0, NULL, the_other_has_it_back},
                                       {DO_UNTIL, 6, unlatched, NULL},  {DO_UNTIL, 3, runs, NULL},
                                       {DO_END, 0, NULL, NULL}};
    play_lost(anothers, 0, 1); /* the other's acknowledgement, into this log */
    play_lost(both, 1, 2);
}

static const struct step look[] = {{DO_WAIT, 7, NULL, NULL}, {DO_END, 0, NULL, NULL}};

static void who_halted_is_shown(void **state)
{
    (void)state;
    struct world w;
    struct scene sc = {0};
    struct other o;
    start(&w);
    other_init(&o, &w, "other");
    w.known_keys[w.n_known_keys++] = o.vkey;
    struct halt_note n = halt_of(&w, 4711);
    leave(&w, &o, &n);
    play(&w, &sc, look);
    const struct rollout_view *v = last(&sc);
    assert_true(v->latched);
    assert_string_equal(v->halted_by, "k.abe");
    assert_string_equal(v->halted_host, "console-2");
    assert_string_equal(v->halt_text, "smoke");
    assert_string_equal(v->halted_log, "andon/other #17");
    assert_int_equal(v->halted_from, STOP_NOTE);
    assert_true(world_asked(&w, "pause 10") >= 1); /* it ran, and is halted */
    assert_int_equal(world_asked(&w, "note put"), 0);
    play_release(&sc.p);
    /* The note is gone: that lifts nothing, and it is put up again. */
    world_put_note(&w, "2", KEY, "", 0);
    static const struct step again[] = {
        {DO_UNTIL, 6, is_noted, NULL}, {DO_WAIT, 6, NULL, NULL}, {DO_END, 0, NULL, NULL}};
    play(&w, &sc, again);
    assert_true(last(&sc)->latched);
    play_release(&sc.p);
    other_release(&o);
    world_release(&w);
}

static const struct other *forger;
static void forge_ack(struct world *w)
{
    struct halt_note n = halt_of(w, 4711);
    n.acked = true;
    n.ack = n.halted;
    leave(w, forger, &n);
}

/* A note that nobody known has signed stands in the way, sends nothing, and lifts nothing. */
static void a_claim_is_a_claim(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct world w;
        struct scene sc = {0};
        struct other o;
        char text[8000];
        static const struct step steps[] = {
            {DO_UNTIL, 4, latched, NULL}, {DO_CALL, 0, NULL, run_it},    {DO_REFUSED, 0, NULL, NULL},
            {DO_WAIT, 20, NULL, NULL},    {DO_CALL, 0, NULL, forge_ack}, /* that helps nobody who knows of it */
            {DO_WAIT, 6, NULL, NULL},     {DO_REFUSED, 0, NULL, NULL},   {DO_END, 0, NULL, NULL}};
        static const struct step ack[] = {
            {DO_UNTIL, 4, latched, NULL}, {DO_ACK, 0, NULL, NULL}, {DO_WAIT, 20, NULL, NULL}, {DO_END, 0, NULL, NULL}};
        start(&w);
        other_init(&o, &w, "other");
        struct halt_note n = halt_of(&w, 4711);
        forger = how == 1 ? &o : NULL;
        if (how == 2) { /* the note of a key that is known, changed afterwards */
            w.known_keys[w.n_known_keys++] = o.vkey;
            size_t len = other_note(&o, &w, &n, text);
            memcpy(strstr(text, "smoke"), "smile", 5);
            world_put_note(&w, "2", KEY, text, len);
        } else {
            leave(&w, how == 0 ? NULL : &o, &n);
        }
        play(&w, &sc, steps);
        assert_int_equal(last(&sc)->stop, STOP_CLAIM_RUN);
        assert_int_equal(last(&sc)->halted_from, STOP_NOTE_UNKNOWN);
        assert_int_equal(world_asked(&w, "pause"), 0);
        assert_int_equal(world_asked(&w, "note put"), 0); /* it is not made one of ours */
        assert_true(last(&sc)->latched);
        w.n_known_keys = 0;
        play(&w, &sc, ack); /* a person here */
        assert_false(last(&sc)->latched);
        play(&w, &sc, look);
        assert_false(last(&sc)->latched); /* and it stays so over a restart */
        play_release(&sc.p);
        other_release(&o);
        world_release(&w);
    }
}

static void ack_in_log(struct world *w)
{
    struct err e = {0};
    struct entry en;
    struct receipt r;
    struct audit_log *l = audit_open(&w->audit, &e);
    assert_non_null(l);
    entry_init(&en, ENTRY_ACK);
    en.t = en.mono = w->now;
    en.fleet = "lab";
    en.rollout = "10";
    en.corr = 4711;
    en.verb = VERB_ACK;
    en.actor = (struct actor){.kind = ACTOR_PERSON, .name = "m.ito"};
    entry_str(&en, "name", "spring");
    assert_true(audit_append(l, &en, &r, &e));
    audit_close(l);
}

/* A guard has nobody to acknowledge a claim: a command on its log does. */
static void a_claim_is_acknowledged_by_another_session(void **state)
{
    (void)state;
    struct world w;
    struct scene sc = {0};
    static const struct step steps[] = {{DO_UNTIL, 4, latched, NULL},
                                        {DO_CALL, 0, NULL, ack_in_log},
                                        {DO_UNTIL, 14, unlatched, NULL}, /* the log is looked at each 10 s */
                                        {DO_WAIT, 12, NULL, NULL},
                                        {DO_END, 0, NULL, NULL}};
    start(&w);
    struct halt_note n = halt_of(&w, 4711);
    leave(&w, NULL, &n);
    play(&w, &sc, steps);
    assert_false(last(&sc)->latched);
    play_release(&sc.p);
    /* Of the rule for lost telemetry there is no claim. */
    n.halted.kind = ACTOR_RULE;
    n.halted.corr++;
    snprintf(n.halted.by, sizeof n.halted.by, "LOST-TELEMETRY");
    leave(&w, NULL, &n);
    play(&w, &sc, look);
    assert_false(last(&sc)->latched);
    play_release(&sc.p);
    world_release(&w);
}

/* A known key's halt is not lifted by an unknown key's acknowledgement beside it. */
static void a_claimed_acknowledgement_lifts_nothing(void **state)
{
    (void)state;
    struct world w;
    struct scene sc = {0};
    struct other o;
    char text[8000];
    start(&w);
    other_init(&o, &w, "other");
    w.known_keys[w.n_known_keys++] = o.vkey;
    struct halt_note n = halt_of(&w, 4711);
    size_t len = other_note(&o, &w, &n, text);
    n.acked = true;
    n.ack = n.halted;
    len += other_note(NULL, &w, &n, text + len);
    world_put_note(&w, "2", KEY, text, len);
    play(&w, &sc, look);
    assert_true(last(&sc)->latched);
    assert_int_equal(last(&sc)->halted_from, STOP_NOTE);
    play_release(&sc.p);
    /* Signed, it does; in whatever order they stand. */
    leave(&w, &o, &n);
    play(&w, &sc, look);
    assert_false(last(&sc)->latched);
    play_release(&sc.p);
    other_release(&o);
    world_release(&w);
}

static void what_is_no_note_of_this_rollout_is_none(void **state)
{
    (void)state;
    static char huge[NOTE_VALUE_MAX + 1];
    struct world w;
    struct scene sc = {0};
    struct other o;
    start(&w);
    other_init(&o, &w, "other");
    w.known_keys[w.n_known_keys++] = o.vkey;
    for (int i = 0; i < 6; i++) {
        struct halt_note n = halt_of(&w, 4711);
        memset(huge, '{', NOTE_VALUE_MAX);
        if (i == 0)
            n.created_at++; /* another rollout that had this number */
        else if (i == 1)
            snprintf(n.rollout, sizeof n.rollout, "11");
        if (i < 2)
            leave(&w, &o, &n);
        else if (i == 2)
            world_put_note(&w, "2", KEY, huge, NOTE_VALUE_MAX);
        else if (i == 3)
            world_put_note(&w, "2", KEY, "{\"v\":1}\n\n\xe2\x80\x94 andon/other AAAA\n", 30);
        else if (i == 4)
            world_put_note(&w, "2", KEY, "\xff\xfe\x01{", 4);
        else
            world_put_note(&w, "2", "andon.halt.10x", "{}", 2);
        play(&w, &sc, look);
        assert_false(last(&sc)->latched);
        assert_int_equal(world_asked(&w, "note"), 0);
    }
    play_release(&sc.p);
    other_release(&o);
    world_release(&w);
}

/* A verb that lets it run waits until notes were read; when they cannot be, it is refused. A halt never waits. */
static void nothing_runs_unread(void **state)
{
    (void)state;
    struct world w;
    struct scene sc = {0};
    static const struct step resume[] = {{DO_RESUME, 0, NULL, NULL}, {DO_END, 0, NULL, NULL}};
    static const struct step refused[] = {
        {DO_REFUSED, 0, NULL, NULL}, {DO_HALT, 0, NULL, NULL}, {DO_UNTIL, 3, paused, NULL}, {DO_END, 0, NULL, NULL}};
    start(&w);
    w.rollouts[0].state = ROLLOUT_PAUSED;
    w.notes_us = 1200 * US_PER_MS;
    int64_t from = w.now;
    play(&w, &sc, resume);
    assert_true(world_asked_at(&w, "resume 10") >= from + w.notes_us);
    w.rollouts[0].state = ROLLOUT_PAUSED;
    w.notes_us = 0;
    w.notes_down = true;
    play(&w, &sc, refused);
    assert_int_equal(world_asked(&w, "resume 10"), 1);
    play_release(&sc.p);
    world_release(&w);
}

static void who_only_looks_writes_nothing(void **state)
{
    (void)state;
    struct world w;
    struct scene sc = {0};
    struct other o;
    static const struct step halt[] = {
        {DO_HALT, 0, NULL, NULL}, {DO_UNTIL, 3, is_noted, NULL}, {DO_END, 0, NULL, NULL}};
    start(&w);
    other_init(&o, &w, "other");
    w.known_keys[w.n_known_keys++] = o.vkey;
    struct halt_note n = halt_of(&w, 4711);
    leave(&w, &o, &n);
    sc.p.read_only = true;
    play(&w, &sc, look);
    world_put_note(&w, "2", KEY, "", 0);
    play(&w, &sc, look);
    assert_int_equal(world_asked(&w, "note"), 0);
    assert_int_equal(world_asked(&w, "pause"), 0);
    play(&w, &sc, halt); /* a person may still halt, and that is noted */
    play_release(&sc.p);
    other_release(&o);
    world_release(&w);
}

/* ---- roll backs of others ---- */

static void a_roll_back_started_elsewhere(void **state)
{
    (void)state;
    struct world w;
    struct scene sc = {0};
    struct other o;
    struct err e = {0};
    struct buf json, b;
    start(&w);
    other_init(&o, &w, "other");
    w.known_keys[w.n_known_keys++] = o.vkey;
    struct w_rollout *r = &w.rollouts[w.n_rollouts++];
    *r = w.rollouts[0];
    snprintf(r->id, sizeof r->id, "21");
    snprintf(r->name, sizeof r->name, "andon-rb-10-1");
    play(&w, &sc, look);
    assert_string_equal(snapshot_rollout(sc.p.last, "21")->rollback_of, ""); /* the name alone is not even a claim */
    snprintf(r->description, sizeof r->description, "andon roll back of 10, 99");
    play(&w, &sc, look);
    const struct rollout_view *v = snapshot_rollout(sc.p.last, "21");
    assert_string_equal(v->rollback_of, "10");
    assert_true(v->rollback_claimed);
    buf_init(&json, 4000);
    buf_init(&b, 4000);
    struct halt_note h = halt_of(&w, 99);
    struct rollback_note n = {.rollout = "21",
                              .created_at = h.created_at,
                              .name = "andon-rb-10-1",
                              .release = "hearth:2.0",
                              .of = "10",
                              .started = h.halted};
    assert_true(rollback_note_encode(&n, &json, &e));
    struct audit_log *l = audit_open(&o.spec, &e);
    assert_true(audit_sign(l, json.data, json.len, &b, &e));
    audit_close(l);
    buf_addc(&json, '\n');
    world_put_note(&w, "2", BACK, json.data, json.len);
    play(&w, &sc, look);
    v = snapshot_rollout(sc.p.last, "21");
    assert_true(v->rollback_claimed);
    assert_string_equal(v->rollback_by, "k.abe");
    world_put_note(&w, "2", BACK, b.data, b.len);
    play(&w, &sc, look);
    v = snapshot_rollout(sc.p.last, "21");
    assert_string_equal(v->rollback_of, "10");
    assert_string_equal(v->rollback_host, "console-2");
    assert_false(v->rollback_claimed);
    buf_release(&json);
    buf_release(&b);
    play_release(&sc.p);
    other_release(&o);
    world_release(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_halt_is_noted_and_cleaned_up),
        cmocka_unit_test(what_is_lost_is_written_again),
        cmocka_unit_test(a_server_that_refuses_is_told_of_and_the_halt_is_had),
        cmocka_unit_test(a_log_that_hangs_holds_no_note_up),
        cmocka_unit_test(a_race_is_mended),
        cmocka_unit_test(two_andons_with_logs_of_their_own),
        cmocka_unit_test(a_halt_for_lost_telemetry_is_lifted_where_it_was_asked_for),
        cmocka_unit_test(who_halted_is_shown),
        cmocka_unit_test(a_claim_is_a_claim),
        cmocka_unit_test(a_claim_is_acknowledged_by_another_session),
        cmocka_unit_test(a_claimed_acknowledgement_lifts_nothing),
        cmocka_unit_test(what_is_no_note_of_this_rollout_is_none),
        cmocka_unit_test(nothing_runs_unread),
        cmocka_unit_test(who_only_looks_writes_nothing),
        cmocka_unit_test(a_roll_back_started_elsewhere),
    };
    if (getenv("ONLY"))
        cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
