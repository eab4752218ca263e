/* Plans of a seed: see many.h. */
#include <stdio.h>
#include <string.h>
#include "tests/engine/many.h"

static int64_t between(struct rng *r, int64_t lo, int64_t hi)
{
    return lo + (int64_t)rng_below(r, (uint64_t)(hi - lo + 1));
}

static const struct {
    enum many_kind kind;
    unsigned weight;
} weights[] = {{EV_PERSON, 34}, {EV_COMMAND, 10},     {EV_BREACH, 7},   {EV_FOREIGN, 10}, {EV_DOWN, 9},
               {EV_DROP, 5},    {EV_LOSE, 5},         {EV_SLOW, 4},     {EV_LOG_FULL, 4}, {EV_LOG_HANGS, 4},
               {EV_KILL, 4},    {EV_KILL_AT_VERB, 7}, {EV_NEW_LIFE, 3}, {EV_BLIND, 2}};

static enum many_kind a_kind(struct rng *r)
{
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        sum += weights[i].weight;
    uint64_t k = rng_below(r, sum);
    for (size_t i = 0;; i++) {
        if (k < weights[i].weight)
            return weights[i].kind;
        k -= weights[i].weight;
    }
}

static enum verb a_verb(struct rng *r, bool command)
{
    static const enum verb verbs[] = {VERB_HALT,   VERB_HALT,    VERB_HALT,  VERB_ACK,  VERB_ACK,     VERB_RESUME,
                                      VERB_RESUME, VERB_ADVANCE, VERB_PAUSE, VERB_HALT, VERB_ROLLBACK};
    return verbs[rng_below(r, sizeof verbs / sizeof *verbs - (command ? 1 : 0))];
}

static struct many_event an_event(struct rng *r)
{
    static const enum backend_verb foreign[] = {BV_RESUME, BV_RESUME, BV_RESUME, BV_PAUSE, BV_TRIGGER_NEXT};
    struct many_event e = {.kind = a_kind(r), .at = between(r, 3 * US_PER_S, (M_BUSY_S - 15) * US_PER_S)};
    e.who = (int)rng_below(r, M_LASTING);
    e.lasts = between(r, US_PER_S, 25 * US_PER_S);
    e.doomed = e.kind == EV_COMMAND && rng_below(r, 5) == 0;
    e.foreign = foreign[rng_below(r, sizeof foreign / sizeof *foreign)];
    e.how = (enum many_death)rng_below(r, DEATH_KINDS);
    e.verb = a_verb(r, e.kind == EV_COMMAND);
    if (e.kind == EV_PERSON)
        e.who = 2 + e.who % 2;
    if ((e.kind == EV_DOWN || e.kind == EV_DROP) && rng_below(r, 2) == 0)
        e.who = -1;
    if (e.kind == EV_NEW_LIFE || e.kind == EV_BREACH || e.kind == EV_FOREIGN || e.kind == EV_BLIND)
        e.who = -1;
    if (e.kind == EV_SLOW)
        e.lasts = between(r, 2 * US_PER_S, 10 * US_PER_S);
    return e;
}

static void sorted_in(struct many *m, const struct many_event *e)
{
    size_t i = m->n_events++;
    for (; i > 0 && m->events[i - 1].at > e->at; i--)
        m->events[i] = m->events[i - 1];
    m->events[i] = *e;
}

/* What follows a halt: somebody acknowledges, resumes, or another client does. */
static void follow_up(struct many *m, struct rng *r, const struct many_event *halt)
{
    struct many_event e = *halt;
    e.at += between(r, 200 * US_PER_MS, 15 * US_PER_S);
    if (m->n_events + 2 > M_EVENTS)
        return;
    if (rng_below(r, 2) == 0) {
        e.kind = EV_FOREIGN;
        e.who = -1;
        e.foreign = BV_RESUME;
    } else {
        e.kind = EV_PERSON;
        e.who = 2 + (int)rng_below(r, 2);
        e.verb = rng_below(r, 2) == 0 ? VERB_ACK : VERB_RESUME;
    }
    sorted_in(m, &e);
    if (e.kind == EV_PERSON && e.verb == VERB_ACK && rng_below(r, 2) == 0) {
        e.verb = VERB_RESUME;
        e.at += between(r, US_PER_S, 10 * US_PER_S);
        sorted_in(m, &e);
    }
}

/* What breaks matters when somebody halts meanwhile. */
static void halt_meanwhile(struct many *m, struct rng *r, const struct many_event *fault)
{
    struct many_event e = *fault;
    bool command = rng_below(r, 2) == 0;
    e.kind = command ? EV_COMMAND : EV_PERSON;
    e.verb = VERB_HALT;
    e.at += between(r, 0, fault->lasts);
    if (e.who < 0 || !command)
        e.who = 2 + (int)rng_below(r, 2);
    sorted_in(m, &e);
}

void many_plan(struct many *m)
{
    static const int groups[][M_LASTING] = {{0, 1, 2, 3}, {0, 1, 0, 1}, {0, 1, 2, 2}, {0, 0, 1, 2},
                                            {0, 1, 0, 2}, {0, 0, 0, 0}, {0, 0, 1, 1}};
    struct rng r;
    rng_init_named(&r, m->seed, "plan");
    memcpy(m->group, groups[rng_below(&r, sizeof groups / sizeof *groups)], sizeof m->group);
    for (int i = 0; i < M_LASTING; i++)
        m->read_only[i] = rng_below(&r, 16) == 0;
    int n = (int)between(&r, 4, 11);
    for (int i = 0; i < n && m->n_events < M_EVENTS - 3; i++) {
        struct many_event e = an_event(&r);
        sorted_in(m, &e);
        if ((e.kind == EV_PERSON || e.kind == EV_COMMAND) && e.verb == VERB_HALT && rng_below(&r, 2) == 0)
            follow_up(m, &r, &e);
        bool fault = e.kind == EV_DOWN || e.kind == EV_DROP || e.kind == EV_LOG_FULL || e.kind == EV_LOG_HANGS;
        if (fault && rng_below(&r, 2) == 0 && m->n_events < M_EVENTS - 3)
            halt_meanwhile(m, &r, &e);
    }
}

static const char *const names[M_WATCHERS] = {"g1", "g2", "c1", "c2", "cmd1", "cmd2", "cmd3", "cmd4"};

const char *many_event_text(const struct many *m, const struct many_event *e, char *buf, size_t size)
{
    static const char *const deaths[] = {"before it is sent", "after it is sent, before it is logged",
                                         "after it is sent and logged"};
    const char *who = e->who < 0 ? "all" : names[e->who];
    double lasts = (double)e->lasts / 1e6;
    (void)m;
    switch (e->kind) {
    case EV_PERSON:
        snprintf(buf, size, "a person in %s: %s", who, verb_word(e->verb));
        break;
    case EV_COMMAND:
        snprintf(buf, size, "a command on the log of %s: %s%s%s", who, verb_word(e->verb), e->doomed ? ", killed " : "",
                 e->doomed ? deaths[e->how] : "");
        break;
    case EV_BREACH:
        snprintf(buf, size, "told devices begin to restart");
        break;
    case EV_FOREIGN:
        snprintf(buf, size, "another client: %s", backend_verb_word(e->foreign));
        break;
    case EV_DOWN:
        snprintf(buf, size, "the server is out of reach of %s for %.1f s", who, lasts);
        break;
    case EV_DROP:
        snprintf(buf, size, "verbs of %s are lost on the way there for %.1f s", who, lasts);
        break;
    case EV_LOSE:
        snprintf(buf, size, "answers to verbs of %s are lost for %.1f s", who, lasts);
        break;
    case EV_SLOW:
        snprintf(buf, size, "answers to %s take 1.5 s more for %.1f s", who, lasts);
        break;
    case EV_LOG_FULL:
        snprintf(buf, size, "the log of %s is full for %.1f s", who, lasts);
        break;
    case EV_LOG_HANGS:
        snprintf(buf, size, "the log of %s hangs for %.1f s", who, lasts);
        break;
    case EV_KILL:
        snprintf(buf, size, "%s is killed, and back after %.1f s", who, lasts);
        break;
    case EV_KILL_AT_VERB:
        snprintf(buf, size, "%s is killed at its next verb, %s, and back after %.1f s", who, deaths[e->how], lasts);
        break;
    case EV_NEW_LIFE:
        snprintf(buf, size, "the server's database is lost; it is away for %.1f s", lasts / 4);
        break;
    case EV_BLIND:
        snprintf(buf, size, "no telemetry for %.1f s", lasts);
        break;
    case EV_KINDS:
        break;
    }
    return buf;
}

void many_print_plan(const struct many *m)
{
    char text[200];
    printf("  logs: g1 %d, g2 %d, c1 %d, c2 %d; read-only:%s%s%s%s\n", m->group[0], m->group[1], m->group[2],
           m->group[3], m->read_only[0] ? " g1" : "", m->read_only[1] ? " g2" : "", m->read_only[2] ? " c1" : "",
           m->read_only[3] ? " c2" : "");
    for (size_t i = 0; i < m->n_events; i++)
        if (!m->events[i].left_out)
            printf("  [%zu] %8.3f  %s\n", i, (double)m->events[i].at / 1e6,
                   many_event_text(m, &m->events[i], text, sizeof text));
}
