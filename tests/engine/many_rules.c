/* What must hold while many watch: see many.h. Truth is the world's; what a watcher believes is its snapshot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/many.h"

#define HAD_US    (8 * US_PER_S)    /* a halt, by who was asked */
#define TAKEN_US  (30 * US_PER_S)   /* and by another watcher of the same log: it looks each 10 s */
#define LEARN_US  (15 * US_PER_S)   /* a latch is known to who reads the same log */
#define NOTED_US  (6 * US_PER_S)    /* two polls: a note on the server */
#define BACK_US   (11 * US_PER_S)   /* who could not reach the server looks again after 10 s at most, and is answered */
#define DOOMED_US (250 * US_PER_MS) /* who is killed so soon may leave no trace */
#define BREACH_US (80 * US_PER_S)   /* reboots count from the next minute of the limits' window on */
#define SEEN_US   US_PER_S          /* a snapshot may be so much later than what it shows */

enum rule { I0, I1, I2, I3, I4, I5, I6, I6P, I7, I8, I9, I10, I11, I12, N1, N2, N3 };
const struct many_rule many_rules[] = {
    {"I0", "a breach that somebody can see is halted", true, ""},
    {"I1", "a halt that was asked for is had, or somebody acknowledges it", true, ""},
    {"I2", "a latch never ends without an acknowledgement", true, ""},
    {"I3", "nothing says plain \"halted\" while its newest answer shows it running", true, ""},
    {"I4", "no resume or advance is sent by who knows an unacknowledged latch", true, ""},
    {"I5", "nothing that has its effect twice is sent twice", true, ""},
    {"I6", "after another client's resume of a rule's halt somebody halts again", true, ""},
    {"I6P", "after another client's resume of a person's halt there is an alert", true, ""},
    {"I7", "nothing of an old rollout is applied to a new one under its number", true, ""},
    {"I8", "every halt has a trace in the log of who was asked", true, ""},
    {"I9",
     "watchers of the same log agree (about the latch of one that has not ended), and all about what the server shows",
     true, ""},
    {"I10", "every log verifies", true, ""},
    {"I11", "who knows a latch by the log does not fight the resume of a person who acknowledged it there", true, ""},
    {"I12", "no resume or advance is sent on a log that has an unacknowledged halt of a second ago", true, ""},
    {"N1", "a latch is known to watchers with other logs within two polls", true, ""},
    {"N2", "no resume or advance is sent by anybody while another's latch is known for two polls", true, ""},
    {"N3", "all agree about the latch at the end, of a rollout that has not ended", true, ""},
};
const size_t n_many_rules = sizeof many_rules / sizeof *many_rules;

static void broken(struct many *m, enum rule r, const char *fmt, ...) ANDON_PRINTF(3, 4);
static void broken(struct many *m, enum rule r, const char *fmt, ...)
{
    va_list ap;
    if (m->verdict.broken & (UINT64_C(1) << r))
        return;
    m->verdict.broken |= UINT64_C(1) << r;
    m->verdict.t[r] = m->w.now;
    va_start(ap, fmt);
    vsnprintf(m->verdict.text[r], sizeof m->verdict.text[r], fmt, ap);
    va_end(ap);
    many_trace(m, "!! %s: %s", many_rules[r].id, m->verdict.text[r]);
}

/* ANDON_RULES: "all", or what is switched on and, with a minus, off: "I3,-I4". */
uint64_t many_rules_on(void)
{
    uint64_t on = 0;
    const char *s = getenv("ANDON_RULES");
    for (size_t i = 0; i < n_many_rules; i++)
        if (many_rules[i].on || (s && strcmp(s, "all") == 0))
            on |= UINT64_C(1) << i;
    while (s && *s) {
        bool off = *s == '-';
        s += off;
        size_t n = strcspn(s, ",");
        for (size_t i = 0; i < n_many_rules; i++)
            if (strlen(many_rules[i].id) == n && strncmp(many_rules[i].id, s, n) == 0)
                on = off ? on & ~(UINT64_C(1) << i) : on | UINT64_C(1) << i;
        s += n + (s[n] == ',');
    }
    return on;
}

/* ---- words that a snapshot's reader would use; the one place that knows the fields ---- */

static const struct rollout_view *view(const struct watcher *x)
{
    return x->snap ? snapshot_rollout(x->snap, M_ID) : NULL;
}

static bool runs(enum rollout_state s)
{
    return s == ROLLOUT_RUNNING || s == ROLLOUT_STARTING;
}

static bool plain_halted(const struct rollout_view *v)
{
    return v->latched && v->stop == STOP_HALTED;
}

/* It is said that the rollout goes on in spite of the halt. */
static bool says_running_on(const struct snapshot *s)
{
    for (size_t i = 0; i < s->n_alerts; i++)
        if (s->alerts[i].kind == ALERT_EXTERNAL && strcmp(s->alerts[i].rollout, M_ID) == 0)
            return true;
    return false;
}

static bool by_rule(const struct rollout_view *v)
{
    return strncmp(v->halted_by, "rule ", 5) == 0;
}

/* The rollout that the snapshot shows is the one that the server has now. */
static bool of_this_life(struct many *m, const struct rollout_view *v)
{
    const struct w_rollout *r = many_rollout(m);
    return r && v->rollout.name && strcmp(v->rollout.name, r->name) == 0;
}

/* ---- facts ---- */

static struct fact *follow(struct many *m, enum fact_kind kind, const struct watcher *x, uint64_t ticket)
{
    static struct fact spare;
    const struct rollout_view *v = x ? view(x) : NULL;
    bool old = v && !of_this_life(m, v); /* what it still shows is what is meant */
    struct fact *f = m->n_facts < M_FACTS ? &m->facts[m->n_facts++] : &spare;
    *f = (struct fact){.kind = kind,
                       .t = m->w.now,
                       .who = x ? x->index : -1,
                       .group = x ? x->group : -1,
                       .life = old ? m->life - 1 : m->life,
                       .ticket = ticket};
    return f;
}

/* The newest halt that was asked for up to then: an acknowledgement after it is of it, though who reads of both in a
 * note may hear of them later. */
static int64_t halt_before(const struct many *m, int64_t t)
{
    int64_t newest = 0;
    for (size_t i = 0; i < m->n_facts; i++)
        if (m->facts[i].kind == FACT_HALT && m->facts[i].t <= t && m->facts[i].t > newest)
            newest = m->facts[i].t;
    return newest > 0 ? newest : t;
}

static bool ack_open(const struct many *m, int group)
{
    for (size_t i = 0; i < m->n_facts; i++)
        if (m->facts[i].kind == FACT_ACK && !m->facts[i].over && m->facts[i].group == group)
            return true;
    return false;
}

static void acked(struct many *m, int group, bool done)
{
    m->ack_at[group] = m->any_ack_at = m->w.now;
    for (int g = 0; done && g < M_LOGS; g++) /* a note says it to those with other logs */
        m->latch_due_at[g] = 0;
}

static void stopped(struct many *m)
{
    const struct w_rollout *r = many_rollout(m);
    if (!r || !runs(r->state))
        m->stopped_at = m->w.now;
}

/* ---- what the world reports ---- */

void rules_asked(struct many *m, struct watcher *x, enum verb v, uint64_t ticket)
{
    int g = x->group;
    stopped(m);
    if (v == VERB_HALT || v == VERB_PAUSE || v == VERB_ROLLBACK)
        memset(m->resumed_at, 0, sizeof m->resumed_at);
    if (v == VERB_RESUME)
        (void)follow(m, FACT_RESUME, x, ticket);
    if (v == VERB_HALT) {
        follow(m, FACT_HALT, x, ticket)->person = true;
        m->person_halt_in_life = true;
        m->unnamed_halt |= view(x) == NULL;
    } else if (v == VERB_ACK) {
        (void)follow(m, FACT_ACK, x, ticket);
        acked(m, g, false);
    } else if (v == VERB_RESUME) {
        m->resumes[g]++;
    } else if (v == VERB_ADVANCE) {
        m->resumes[g]++;
        m->advances[g]++;
    }
}

static bool is(const char *what, enum backend_verb v)
{
    char text[64];
    snprintf(text, sizeof text, "%s %s", backend_verb_word(v), M_ID);
    return strcmp(what, text) == 0;
}

static int64_t latest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t log_good_since(const struct many *m, int group)
{
    int64_t t = 0;
    for (int i = 0; i < M_WATCHERS; i++)
        if (m->ws[i].group == group && (i < M_LASTING || m->ws[i].command))
            t = latest(t, m->ws[i].log_good_since);
    return t;
}

/* Since when it looks at the server at its usual pace. */
static int64_t at_pace_since(const struct watcher *x)
{
    return x->good_since > x->born_at ? x->good_since + BACK_US : x->born_at;
}

/* Somebody else with another log, or the same, has shown the latch for long enough, and nobody has acknowledged it. */
static const struct watcher *latched_elsewhere(struct many *m, const struct watcher *x, bool same_log, int64_t us)
{
    for (int i = 0; i < M_LASTING; i++) {
        const struct watcher *y = &m->ws[i];
        if (y != x && (y->group == x->group) == same_log && y->alive && !y->read_only && y->latched_at > 0 &&
            m->w.now - y->latched_at > us && m->w.now - at_pace_since(y) > us &&
            m->any_ack_at < halt_before(m, y->latched_at - SEEN_US) && view(y) && of_this_life(m, view(y)))
            return y;
    }
    return NULL;
}

void rules_sent(struct many *m, struct watcher *x, const char *what)
{
    int g = x->group;
    bool resume = is(what, BV_RESUME), trigger = is(what, BV_TRIGGER_NEXT);
    stopped(m);
    if (is(what, BV_PAUSE) && halt_before(m, m->w.now) <= m->ack_at[g] && x->latched_at > 0 &&
        x->latched_at < m->ack_at[g] && m->resumed_at[g] > 0 && m->w.now - m->resumed_at[g] < LEARN_US &&
        m->breach_at == 0)
        broken(m, I11, "%s sends %s, %.1f s after a person's resume", x->name, what,
               (double)(m->w.now - m->resumed_at[g]) / 1e6);
    if (!resume && !trigger)
        return;
    if (x->latched_at > 0 && m->any_ack_at < x->latched_at)
        broken(m, I4, "%s sends %s; it has known the latch for %.1f s", x->name, what,
               (double)(m->w.now - x->latched_at) / 1e6);
    const struct watcher *y = latched_elsewhere(m, x, false, NOTED_US);
    if (y)
        broken(m, N2, "%s sends %s; %s has known the latch for %.1f s", x->name, what, y->name,
               (double)(m->w.now - y->latched_at) / 1e6);
    y = latched_elsewhere(m, x, true, US_PER_S);
    if (y && log_good_since(m, g) < y->latched_at)
        broken(m, I12, "%s sends %s; %s has known the latch, on the same log, for %.1f s", x->name, what, y->name,
               (double)(m->w.now - y->latched_at) / 1e6);
    if (trigger && ++m->triggers[g] > m->advances[g])
        broken(m, I5, "%s: %d triggers, %d asked for", x->name, m->triggers[g], m->advances[g]);
    if (resume && ++m->resumed[g] > m->resumes[g])
        broken(m, I5, "%s: %d resumes, %d asked for", x->name, m->resumed[g], m->resumes[g]);
}

void rules_foreign(struct many *m, enum backend_verb v, bool done)
{
    if (v == BV_RESUME && done)
        (void)follow(m, FACT_FOREIGN_RESUME, NULL, 0);
    stopped(m);
}

void rules_died(struct many *m, struct watcher *x)
{
    for (size_t i = 0; i < m->n_facts; i++) {
        struct fact *f = &m->facts[i];
        if (f->who != x->index || f->over || f->t < x->born_at)
            continue;
        f->died_at = m->w.now;
        if (f->kind == FACT_ACK) { /* it may be in the log */
            f->over = true;
            acked(m, x->group, true);
        }
    }
    x->latched_at = 0;
}

static void trace_view(struct many *m, struct watcher *x, const struct rollout_view *v)
{
    const struct snapshot *s = x->snap;
    char said[sizeof x->said];
    char op[60] = "";
    if (s->n_ops > 0)
        snprintf(op, sizeof op, ", %s %s", verb_word(s->ops[0].verb), op_phase_word(s->ops[0].phase));
    snprintf(said, sizeof said, "%s %s%s%s%s%s%s, halt %s%s%s%s%s", v ? v->rollout.name : "-",
             v ? rollout_state_word(v->rollout.state) : "not known", v && v->latched ? ", latched by " : "",
             v && v->latched ? v->halted_by : "", v && v->held ? ", held" : "",
             v && *v->paused_by ? ", paused by " : "", v ? v->paused_by : "", v ? stop_phase_name(v->stop) : "-", op,
             s->audit.degraded ? ", log degraded" : "", says_running_on(s) ? ", ALERT external" : "",
             s->link.state == LINK_FAILED ? ", link failed" : "");
    if (strcmp(said, x->said) == 0)
        return;
    memcpy(x->said, said, sizeof said);
    many_trace(m, "%s sees: %s", x->name, said);
}

static void ops_seen(struct many *m, const struct watcher *x)
{
    for (size_t i = 0; i < m->n_facts; i++) {
        struct fact *f = &m->facts[i];
        const struct op_view *o = f->who == x->index && f->ticket ? op_of(x->snap, f->ticket) : NULL;
        if (!o || f->t < x->born_at)
            continue;
        if (o->phase == OP_REFUSED)
            f->refused = f->over = true;
        if (f->kind == FACT_RESUME && !f->over && o->phase >= OP_DONE) {
            f->over = true;
            if (o->phase == OP_DONE)
                m->resumed_at[x->group] = m->w.now;
        }
        if (f->kind == FACT_ACK && !f->over && o->phase >= OP_DONE) {
            f->over = true;
            acked(m, x->group, o->phase == OP_DONE);
        }
    }
}

static void latch_seen(struct many *m, struct watcher *x, const struct rollout_view *v)
{
    int64_t now = m->w.now;
    if (v->latched && x->latched_at == 0) {
        x->latched_at = now;
        snprintf(x->latched_life, sizeof x->latched_life, "%s", v->rollout.name ? v->rollout.name : "");
        if (v->stop == STOP_ASKED)
            follow(m, FACT_HALT, x, 0)->by_rule = by_rule(v);
    } else if (!v->latched && x->latched_at > 0) {
        bool other = v->rollout.name && *x->latched_life && strcmp(v->rollout.name, x->latched_life) != 0;
        if (m->any_ack_at < halt_before(m, x->latched_at - SEEN_US) && !ack_open(m, x->group) &&
            !other) /* by whom, a note says */
            broken(m, I2, "%s has forgotten a latch of %.1f s ago", x->name, (double)(now - x->latched_at) / 1e6);
        x->latched_at = 0;
    }
}

void rules_seen(struct many *m, struct watcher *x)
{
    const struct rollout_view *v = view(x);
    trace_view(m, x, v);
    ops_seen(m, x);
    if (!v)
        return;
    latch_seen(m, x, v);
    if (plain_halted(v) && runs(v->rollout.state))
        broken(m, I3, "%s shows it halted (by %s) and %s", x->name, v->halted_by, rollout_state_word(v->rollout.state));
    if (m->life > 0 && v->latched && of_this_life(m, v) && !m->person_halt_in_life && !m->unnamed_halt &&
        m->breach_at == 0 && !m->blind_in_life)
        broken(m, I7, "%s: the new rollout is latched by %s (%s)", x->name, v->halted_by, v->halt_text);
}

/* ---- as time goes on ---- */

static void halt_due(struct many *m, struct fact *f)
{
    int64_t now = m->w.now;
    int g = f->group;
    bool doomed = f->died_at > 0 && f->died_at - f->t < DOOMED_US;
    if (f->refused || f->life != m->life || m->stopped_at >= f->t || m->any_ack_at >= f->t || doomed) {
        f->over = true;
        return;
    }
    for (int i = 0; i < M_WATCHERS; i++) {
        const struct watcher *y = &m->ws[i];
        if (!y->alive || y->group != g)
            continue;
        bool asked = i == f->who && y->born_at <= f->t;
        int64_t since = latest(latest(f->t, y->good_since), y->born_at);
        if (asked ? now - since >= HAD_US
                  : !y->command && !y->read_only && now - latest(since, log_good_since(m, g)) >= TAKEN_US)
            broken(m, I1, "the halt of %.3f by %s (%s): %s could have had it for %.1f s", many_s(m, f->t),
                   m->ws[f->who].name, f->person ? "a person" : "a rule", y->name, (double)(now - since) / 1e6);
    }
}

static void foreign_due(struct many *m, struct fact *f)
{
    int64_t now = m->w.now;
    if (f->life != m->life || m->stopped_at > f->t || m->any_ack_at >= f->t) {
        f->over = true;
        return;
    }
    for (int i = 0; i < M_LASTING; i++) {
        const struct watcher *y = &m->ws[i];
        const struct rollout_view *v = view(y);
        if (!y->alive || !v || y->latched_at == 0 || y->latched_at > f->t || m->ack_at[y->group] > y->latched_at)
            continue;
        if (now - latest(f->t, y->good_since) < HAD_US)
            continue;
        if (by_rule(v) && !y->read_only)
            broken(m, I6, "%s knows the halt of %s, and it runs on since %.3f", y->name, v->halted_by, many_s(m, f->t));
        else if (!says_running_on(y->snap) && now - latest(f->t, at_pace_since(y)) >= SEEN_US)
            broken(m, I6P, "%s knows the halt of %s, and says nothing of its running on since %.3f", y->name,
                   v->halted_by, many_s(m, f->t));
    }
}

static void latch_due(struct many *m)
{
    int64_t now = m->w.now;
    for (int i = 0; i < M_LASTING; i++) {
        const struct watcher *x = &m->ws[i];
        const struct rollout_view *v = view(x);
        int g = x->group;
        if (!x->alive || !v || x->snap->link.state == LINK_FAILED)
            continue;
        if (halt_before(m, x->latched_at - SEEN_US) > m->any_ack_at && now - x->latched_at >= US_PER_S &&
            m->latch_due_at[g] == 0 && !ack_open(m, g) && of_this_life(m, v))
            m->latch_due_at[g] = now;
        int64_t since = latest(latest(m->latch_due_at[g], x->born_at), latest(x->good_since, log_good_since(m, g)));
        bool ended = rollout_state_ended(v->rollout.state); /* then there is nothing that a latch keeps from going on */
        if (m->latch_due_at[g] > 0 && x->latched_at == 0 && !ack_open(m, g) && now - since >= LEARN_US && !ended)
            broken(m, I2, "%s does not know the latch that its log's watchers have had since %.3f", x->name,
                   many_s(m, m->latch_due_at[g]));
        const struct watcher *y = latched_elsewhere(m, x, false, NOTED_US);
        if (y && x->latched_at == 0 && !ended && now - at_pace_since(x) > NOTED_US)
            broken(m, N1, "%s does not know the latch of %s", x->name, y->name);
    }
}

void rules_time(struct many *m)
{
    stopped(m);
    for (size_t i = 0; i < m->n_facts; i++) {
        struct fact *f = &m->facts[i];
        if (f->over)
            continue;
        if (f->kind == FACT_HALT)
            halt_due(m, f);
        else if (f->kind == FACT_FOREIGN_RESUME)
            foreign_due(m, f);
    }
    for (int g = 0; g < M_LOGS; g++)
        if (m->latch_due_at[g] > 0 && m->latch_due_at[g] < m->life_at)
            m->latch_due_at[g] = 0;
    latch_due(m);
}

/* ---- at the end ---- */

/* Two devices of one wave have restarted over and over for long enough, somebody looked, and nothing ever stopped it.
 */
static void breach_due(struct many *m)
{
    const struct w_rollout *r = many_rollout(m);
    int64_t now = m->w.now, by = now - BREACH_US;
    bool seen = false, looked = false;
    if (!r || m->breach_at == 0 || m->stopped_at >= m->breach_at || m->breach_at > by || m->blind_to > by)
        return;
    for (int i = 0; i < r->n_waves; i++) {
        int n = 0;
        for (int k = 0; k < r->waves[i].n; k++) {
            const struct w_device *d = &m->w.devices[r->waves[i].members[k]];
            n += d->installed == 1 && d->installed_at < by;
        }
        seen |= n >= 2;
    }
    for (int i = 0; i < M_LASTING; i++) {
        const struct watcher *x = &m->ws[i];
        looked |= x->alive && !x->read_only && x->born_at < by && x->good_since < by;
    }
    if (seen && looked)
        broken(m, m->life > 0 && !m->person_halt_in_life ? I7 : I0, "the breach of %.3f was never halted",
               many_s(m, m->breach_at));
}

/* The newest wave was told so lately that not everybody has read the waves since. */
static bool wave_is_news(const struct many *m, const struct w_rollout *r)
{
    bool news = false;
    for (int i = 0; i < r->n_waves; i++)
        news |= r->waves[i].told_at > 0 && m->w.now - r->waves[i].told_at < LEARN_US;
    return news;
}

void rules_end(struct many *m)
{
    const struct w_rollout *r = many_rollout(m);
    breach_due(m);
    for (int i = 0; i < M_LASTING; i++) {
        const struct watcher *x = &m->ws[i];
        const struct rollout_view *v = view(x);
        if (!x->alive || !r)
            continue;
        if (!v || !of_this_life(m, v) || v->rollout.state != r->state || (int)v->n_waves != r->n_waves) {
            broken(m, I9, "%s sees %s, the server shows %s", x->name, v ? rollout_state_word(v->rollout.state) : "-",
                   rollout_state_word(r->state));
            continue;
        }
        for (int k = 0; k < i; k++) {
            const struct watcher *y = &m->ws[k];
            const struct rollout_view *u = view(y);
            if (!y->alive || !u)
                continue;
            if (u->current != v->current && !wave_is_news(m, r))
                broken(m, m->life > 0 ? I7 : I9, "%s is in wave %d, %s in wave %d", x->name, v->current, y->name,
                       u->current);
            bool notes = !(u->latched ? y : x)->read_only; /* who only looks notes none */
            if (u->latched != v->latched && !rollout_state_ended(r->state) && (x->group == y->group || notes))
                broken(m, x->group == y->group ? I9 : N3, "%s shows %s, %s %s", x->name,
                       v->latched ? "a latch" : "none", y->name, u->latched ? "one" : "none");
        }
    }
}

static int count_halts(const struct stored *v, size_t n, const char *actor)
{
    int found = 0;
    for (size_t i = 0; i < n; i++)
        found += strcmp(v[i].actor, actor) == 0 && strcmp(v[i].rollout, M_ID) == 0;
    return found;
}

static void log_checked(struct many *m, int g)
{
    struct err e = {0};
    struct audit_spec spec = {.db_path = m->db[g], .key_path = m->key[g], .origin = "andon/test", .read_only = true};
    struct audit_query q = {.kind = "halt", .limit = 1000};
    struct audit_report report;
    struct arena a;
    struct stored *v;
    size_t n;
    struct audit_log *l = audit_open(&spec, &e);
    if (!l && e.code == ERR_NOT_FOUND)
        return; /* nobody writes it */
    if (!l || !audit_verify(&spec, NULL, &report, &e) || !report.ok) {
        broken(m, I10, "log %d: %s", g, l ? report.text : e.what);
        audit_close(l);
        return;
    }
    arena_init(&a);
    if (!audit_query(l, &q, &a, &v, &n, &e))
        fail_msg("%s", e.what);
    for (int i = 0; i < M_WATCHERS; i++) {
        const struct watcher *x = &m->ws[i];
        char actor[64];
        int asked = 0;
        snprintf(actor, sizeof actor, "person-%s", x->name);
        for (size_t k = 0; k < m->n_facts; k++) {
            const struct fact *f = &m->facts[k];
            bool doomed = f->died_at > 0 && f->died_at - f->t < DOOMED_US;
            asked += f->kind == FACT_HALT && f->person && f->who == i && f->group == g && !f->refused && !doomed;
        }
        int found = count_halts(v, n, actor);
        if (found < asked)
            broken(m, I8, "%d halts were asked of %s, %d are in log %d", asked, x->name, found, g);
    }
    arena_release(&a);
    audit_close(l);
}

void rules_after(struct many *m)
{
    for (int g = 0; g < M_LOGS; g++)
        log_checked(m, g);
}
