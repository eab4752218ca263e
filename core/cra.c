#include "core/cra.h"

#include <string.h>
#include "core/clock.h"

static const char *const STAGE_WORDS[CRA_STAGES] = {"early-warning", "notification", "final-report"};
static const char *const STATE_WORDS[CRA_STATES] = {"not begun", "running", "LATE", "sent", "sent late"};
static const int64_t WITHIN[CRA_STAGES] = {24 * US_PER_HOUR, 72 * US_PER_HOUR, 14 * US_PER_DAY};

const char *cra_stage_word(enum cra_stage s)
{
    return (unsigned)s < CRA_STAGES ? STAGE_WORDS[s] : "?";
}

enum cra_stage cra_stage_from_word(const char *s)
{
    int k = 0;
    while (k < CRA_STAGES && strcmp(STAGE_WORDS[k], s) != 0)
        k++;
    return (enum cra_stage)k;
}

const char *cra_state_word(enum cra_state s)
{
    return (unsigned)s < CRA_STATES ? STATE_WORDS[s] : "?";
}

const struct cra_case *cra_find(const struct cra_cases *c, const char *id)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->v[i].id, id) == 0)
            return &c->v[i];
    }
    return NULL;
}

static struct cra_case *case_of(struct cra_cases *c, struct arena *a, const char *id)
{
    const struct cra_case *old = cra_find(c, id);
    if (old)
        return &c->v[old - c->v];
    if (c->n == c->room) {
        struct cra_case *v = ARENA_ARRAY(a, struct cra_case, c->room * 2 + 8);
        if (c->n > 0)
            memcpy(v, c->v, c->n * sizeof *v);
        c->v = v;
        c->room = c->room * 2 + 8;
    }
    struct cra_case *k = &c->v[c->n++];
    *k = (struct cra_case){.id = arena_strdup(a, id), .aware_by = ""};
    for (int i = 0; i < CRA_STAGES; i++)
        k->sent[i].reference = k->sent[i].sha256 = "";
    return k;
}

void cra_take(struct cra_cases *c, struct arena *a, const struct cra_said *said)
{
    enum cra_stage stage = cra_stage_from_word(said->stage);
    if (!*said->id || said->at <= 0)
        return;
    struct cra_case *k = case_of(c, a, said->id);
    if (strcmp(said->what, "proposed") == 0 && (k->proposed_at == 0 || said->at < k->proposed_at))
        k->proposed_at = said->at;
    if (strcmp(said->what, "aware") == 0 && (k->aware_at == 0 || said->at < k->aware_at)) {
        k->aware_at = said->at;
        k->aware_seq = said->seq;
        k->aware_by = arena_strdup(a, said->by);
    }
    if (strcmp(said->what, "measure") == 0 && (k->measure_at == 0 || said->at < k->measure_at)) {
        k->measure_at = said->at;
        k->measure_seq = said->seq;
    }
    if (strcmp(said->what, "sent") == 0 && stage < CRA_STAGES && k->sent[stage].at == 0)
        k->sent[stage] = (struct cra_sent){.at = said->at,
                                           .seq = said->seq,
                                           .reference = arena_strdup(a, said->reference),
                                           .sha256 = arena_strdup(a, said->sha256)};
}

void cra_clocks(const struct cra_case *c, int64_t now, struct cra_clock out[CRA_STAGES])
{
    for (int i = 0; i < CRA_STAGES; i++) {
        int64_t sent = c->sent[i].at;
        struct cra_clock *k = &out[i];
        *k = (struct cra_clock){.from = i == CRA_FINAL ? c->measure_at : c->aware_at};
        if (i == CRA_FINAL && c->aware_at == 0)
            k->from = 0; /* a measure against what nobody is aware of is no report */
        if (k->from == 0) {
            k->state = sent ? CRA_SENT : CRA_NOT_BEGUN;
            continue;
        }
        k->due = k->from + WITHIN[i];
        int64_t late = (sent ? sent : now) - k->due;
        k->late_us = late > 0 ? late : 0;
        k->state = sent ? (late > 0 ? CRA_SENT_LATE : CRA_SENT) : late > 0 ? CRA_LATE : CRA_RUNNING;
    }
}

bool cra_proposes(const struct cra_cases *c, const struct vuln_facts *f, int64_t devices)
{
    const struct cra_case *k = cra_find(c, f->id);
    return devices > 0 && risk_exploited(f) && (!k || (k->proposed_at == 0 && k->aware_at == 0));
}
