#include "core/plan_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[PLAN_EVENT_COUNT] = {"created", "opened", "paused", "resumed",   "stopped", "finished",
                                                    "telling", "told",   "read",   "recalling", "recalled"};

const char *plan_event_word(enum plan_event e)
{
    return (unsigned)e < PLAN_EVENT_COUNT ? words[e] : NULL;
}

enum plan_event plan_event_from(const char *word)
{
    unsigned i = 0;
    while (i < PLAN_EVENT_COUNT && strcmp(words[i], word) != 0)
        i++;
    return (enum plan_event)i;
}

void plan_state_init(struct plan_state *s, const struct wave_plan *p)
{
    *s = (struct plan_state){.plan = p, .told = xcalloc(p->n + 1, 1)};
}

void plan_state_free(struct plan_state *s)
{
    for (size_t i = 0; i < s->n_claims; i++)
        free(s->claims[i].undo);
    free(s->claims);
    free(s->told);
    *s = (struct plan_state){.plan = NULL};
}

struct plan_claim *plan_claim_of(const struct plan_state *s, const char *key)
{
    for (size_t i = s->n_claims; i-- > 0;)
        if (strcmp(s->claims[i].key, key) == 0)
            return &s->claims[i];
    return NULL;
}

/* ---- folding ---- */

static bool claim(struct plan_state *s, const struct plan_entry *e)
{
    const struct wave_plan *p = s->plan;
    if (s->phase != PLAN_IS_RUNNING || e->n == 0 || e->n > PLAN_BATCH_MAX || e->first >= p->n ||
        e->n > p->n - e->first || !*e->key || strlen(e->key) >= PLAN_KEY_BYTES || plan_claim_of(s, e->key))
        return false;
    size_t wave = plan_wave_of(p, e->first);
    if ((int)wave >= s->opened || plan_wave_of(p, e->first + e->n - 1) != wave)
        return false;
    for (size_t i = e->first; i < e->first + e->n; i++)
        if (s->told[i] != PT_NOT)
            return false;
    if (s->n_claims == s->cap_claims) {
        s->cap_claims = s->cap_claims ? 2 * s->cap_claims : 16;
        s->claims = xreallocarray(s->claims, s->cap_claims, sizeof *s->claims);
    }
    struct plan_claim *c = &s->claims[s->n_claims++];
    *c = (struct plan_claim){.first = e->first, .n = e->n, .seq = e->seq, .t = e->t};
    snprintf(c->key, sizeof c->key, "%s", e->key);
    snprintf(c->by, sizeof c->by, "%s", e->by);
    snprintf(s->by, sizeof s->by, "%s", e->by);
    memset(s->told + e->first, PT_CLAIMED, e->n);
    return true;
}

static void drop_claim(struct plan_state *s, struct plan_claim *c)
{
    size_t i = (size_t)(c - s->claims);
    free(c->undo);
    memmove(c, c + 1, (--s->n_claims - i) * sizeof *c);
}

/* Nothing else can become of a device than what is listed: a claim is freed only by the first answer of whoever made
 * it, and what was told stays told. */
static enum plan_told answer_of(const struct plan_claim *c, const struct plan_entry *e, enum plan_told was, char o)
{
    bool open = was == PT_CLAIMED || was == PT_NOT_KNOWN;
    if (o == OUTCOME_DONE && (open || was == PT_MISSED))
        return PT_TOLD;
    if (e->event == PLAN_READ)
        return o == OUTCOME_MISSED && open ? PT_MISSED : was;
    if (was != PT_CLAIMED || c->answered)
        return was;
    return o == OUTCOME_FREE ? PT_NOT : o == OUTCOME_REFUSED ? PT_REFUSED : PT_NOT_KNOWN;
}

/* What one claim had freed a later one may hold. */
static bool holds(const struct plan_state *s, const struct plan_claim *c, size_t device)
{
    for (const struct plan_claim *k = c + 1; k < s->claims + s->n_claims; k++)
        if (device >= k->first && device < k->first + k->n)
            return false;
    return s->told[device] != PT_NOT;
}

static bool answer(struct plan_state *s, const struct plan_entry *e)
{
    struct plan_claim *c = plan_claim_of(s, e->key);
    size_t held = 0;
    if (!c || strlen(e->outcomes) != c->n)
        return false;
    for (size_t i = 0; i < c->n; i++) {
        uint8_t *t = &s->told[c->first + i];
        if (!holds(s, c, c->first + i))
            continue;
        *t = (uint8_t)answer_of(c, e, (enum plan_told) * t, e->outcomes[i]);
        held += *t != PT_NOT;
    }
    if (e->event == PLAN_TOLD)
        c->answered = true;
    if (e->blob && !c->undo)
        c->undo = xstrndup(e->blob, e->blob_n);
    if (held == 0)
        drop_claim(s, c);
    return true;
}

static bool recalled(struct plan_state *s, const struct plan_entry *e)
{
    struct plan_claim *c = plan_claim_of(s, e->key);
    if (!c || strlen(e->outcomes) != c->n)
        return false;
    for (size_t i = 0; i < c->n; i++)
        if ((e->outcomes[i] == OUTCOME_DONE || e->outcomes[i] == OUTCOME_CUT) && holds(s, c, c->first + i))
            s->told[c->first + i] = e->outcomes[i] == OUTCOME_DONE ? PT_RECALLED : PT_CUT;
    c->recalled = e->force || !s->force; /* else it was under way when a stop by force came */
    s->changed_at = e->t;
    return true;
}

static bool opened(struct plan_state *s, const struct plan_entry *e)
{
    bool may = s->phase == PLAN_IS_RUNNING || (s->phase == PLAN_IS_READY && e->wave == 0);
    if (!may || e->wave != s->opened || e->wave >= (int)s->plan->n_waves)
        return false;
    s->opened_at[s->opened++] = e->t;
    s->phase = PLAN_IS_RUNNING;
    return true;
}

static bool move(struct plan_state *s, unsigned from, enum plan_phase to)
{
    if (!(from >> s->phase & 1))
        return false;
    s->phase = to;
    return true;
}

/* By force after a soft one: what is still out there is recalled once more. */
static bool stopped(struct plan_state *s, bool force)
{
    bool harder = s->phase == PLAN_IS_STOPPED && force && !s->force;
    if (!harder && !move(s, 1u << PLAN_IS_READY | 1u << PLAN_IS_RUNNING | 1u << PLAN_IS_PAUSED, PLAN_IS_STOPPED))
        return false;
    s->force = force;
    for (size_t i = 0; i < s->n_claims; i++)
        s->claims[i].recalled = false;
    return true;
}

#define IS(phase) (1u << PLAN_IS_##phase)

static bool about_itself(struct plan_state *s, const struct plan_entry *e)
{
    bool counts = false;
    switch (e->event) {
    case PLAN_CREATED:
        s->created_at = e->t;
        return true;
    case PLAN_OPENED:
        counts = opened(s, e);
        break;
    case PLAN_PAUSED:
        counts = move(s, IS(RUNNING), PLAN_IS_PAUSED);
        if (e->wave >= 0 && e->wave < (int)s->plan->n_waves)
            s->failed[e->wave] = true;
        break;
    case PLAN_RESUMED:
        counts = move(s, IS(PAUSED), PLAN_IS_RUNNING);
        break;
    case PLAN_STOPPED:
        counts = stopped(s, e->force);
        break;
    case PLAN_FINISHED:
        counts = s->opened == (int)s->plan->n_waves && move(s, IS(RUNNING) | IS(PAUSED), PLAN_IS_FINISHED);
        break;
    case PLAN_TELLING:
    case PLAN_TOLD:
    case PLAN_READ:
    case PLAN_RECALLING:
    case PLAN_RECALLED:
    case PLAN_EVENT_COUNT:
        break;
    }
    if (!counts)
        return false;
    s->changed_at = e->t;
    snprintf(s->by, sizeof s->by, "%s", e->by);
    snprintf(s->reason, sizeof s->reason, "%s", e->event == PLAN_PAUSED || e->event == PLAN_STOPPED ? e->reason : "");
    return true;
}

bool plan_fold(struct plan_state *s, const struct plan_entry *e)
{
    if (e->seq <= s->seq)
        return false;
    s->seq = e->seq;
    switch (e->event) {
    case PLAN_TELLING:
        return claim(s, e);
    case PLAN_TOLD:
    case PLAN_READ:
        return answer(s, e);
    case PLAN_RECALLING:
        return plan_claim_of(s, e->key) != NULL;
    case PLAN_RECALLED:
        return recalled(s, e);
    case PLAN_CREATED:
    case PLAN_OPENED:
    case PLAN_PAUSED:
    case PLAN_RESUMED:
    case PLAN_STOPPED:
    case PLAN_FINISHED:
        return about_itself(s, e);
    case PLAN_EVENT_COUNT:
        break;
    }
    return false;
}

bool plan_next(const struct plan_state *s, size_t most, size_t *first, size_t *n)
{
    if (most > PLAN_BATCH_MAX)
        most = PLAN_BATCH_MAX;
    for (int w = 0; w < s->opened; w++) {
        const struct plan_wave *v = &s->plan->waves[w];
        const uint8_t *from = memchr(s->told + v->first, PT_NOT, v->n);
        if (!from)
            continue;
        *first = (size_t)(from - s->told);
        for (*n = 1; *n < most && *first + *n < v->first + v->n && s->told[*first + *n] == PT_NOT; ++*n)
            ;
        return most > 0;
    }
    return false;
}

/* ---- what it comes to ---- */

static bool ended(const struct plan_state *s)
{
    return s->phase == PLAN_IS_STOPPED || s->phase == PLAN_IS_FINISHED;
}

static int64_t *figure(const struct plan_state *s, size_t device, bool open, enum standing_at at, struct counts *c)
{
    switch ((enum plan_told)s->told[device]) {
    case PT_NOT:
        return open && !ended(s) ? &c->scheduled : &c->notstarted;
    case PT_REFUSED:
        return &c->error;
    case PT_CUT:
        return at == AT_INSTALLED ? &c->finished : &c->cancelled;
    case PT_RECALLED: /* a yes to the recall is not an outcome: what the server shows after it is */
        if (at == AT_UNKNOWN || at == AT_ABSENT || at == AT_OTHER)
            return &c->cancelled;
        break;
    case PT_MISSED:
    case PT_CLAIMED:
    case PT_TOLD:
    case PT_NOT_KNOWN:
        break;
    }
    switch (at) {
    case AT_INSTALLED:
        return &c->finished;
    case AT_FAILED:
        return &c->error;
    case AT_RECALLED:
    case AT_LOST:
        return &c->cancelled;
    case AT_UNKNOWN:
    case AT_ABSENT:
    case AT_OTHER:
    case AT_TOLD:
    case AT_BUSY:
        break;
    }
    return s->told[device] == PT_MISSED && at != AT_TOLD && at != AT_BUSY ? &c->error : &c->running;
}

void plan_counts(const struct plan_state *s, const uint8_t *at, size_t wave, struct counts *out)
{
    const struct plan_wave *v = &s->plan->waves[wave];
    *out = (struct counts){.known = true};
    for (size_t i = v->first; i < v->first + v->n; i++)
        ++*figure(s, i, (int)wave < s->opened, (enum standing_at)at[i], out);
}

size_t plan_told(const struct plan_state *s, size_t wave)
{
    const struct plan_wave *v = &s->plan->waves[wave];
    size_t n = 0;
    for (size_t i = v->first; i < v->first + v->n; i++)
        n += s->told[i] != PT_NOT && s->told[i] != PT_REFUSED;
    return n;
}

enum device_status plan_device_status(const struct plan_state *s, size_t device, enum standing_at at)
{
    struct counts c = {0};
    const int64_t *f = figure(s, device, true, at, &c);
    return f == &c.finished  ? DEVICE_IN_SYNC
           : f == &c.error   ? DEVICE_ERROR
           : f == &c.running ? DEVICE_PENDING
                             : DEVICE_REGISTERED;
}

bool plan_device_taken_back(const struct plan_state *s, size_t device, enum standing_at at)
{
    return s->told[device] == PT_RECALLED || s->told[device] == PT_CUT || at == AT_RECALLED || at == AT_LOST;
}

bool plan_device_lost(const struct plan_state *s, size_t device, enum standing_at at)
{
    uint8_t t = s->told[device];
    return t == PT_CUT ? at != AT_INSTALLED && at != AT_RECALLED : t != PT_NOT && at == AT_LOST;
}

bool plan_device_open(const struct plan_state *s, size_t device, enum standing_at at, int64_t now)
{
    uint8_t t = s->told[device];
    if (t == PT_NOT || t == PT_REFUSED || at == AT_INSTALLED)
        return false;
    bool over = s->phase == PLAN_IS_FINISHED || (ended(s) && plan_device_taken_back(s, device, at));
    if (!over || at == AT_UNKNOWN)
        return true;
    return plan_device_taken_back(s, device, at) && now - s->changed_at < PLAN_AFTER_US;
}

bool plan_wave_failed(const struct wave_plan *p, size_t wave, const struct counts *c)
{
    return p->failure_bp > 0 && c->error * 10000 > (int64_t)p->failure_bp * (int64_t)p->waves[wave].n;
}

/* ---- what recall() needs ---- */

bool plan_undo_write(const char *const *undo, size_t n, struct buf *out)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        for (const char *p = undo[i] ? undo[i] : ""; *p; p++) {
            any = true;
            if (*p == '\n' || *p == '\\')
                buf_addc(out, '\\');
            buf_addc(out, *p == '\n' ? 'n' : *p);
        }
        buf_addc(out, '\n');
    }
    return any;
}

bool plan_undo_read(const char *bytes, size_t len, size_t n, struct arena *a, const char **undo)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const char *nl = at < len ? memchr(bytes + at, '\n', len - at) : NULL;
        if (!nl)
            return false;
        char *line = arena_strndup(a, bytes + at, (size_t)(nl - bytes) - at), *to = line;
        for (const char *p = line; *p; p++) {
            if (*p == '\\' && p[1])
                *to++ = *++p == 'n' ? '\n' : *p;
            else
                *to++ = *p;
        }
        *to = '\0';
        undo[i] = line;
        at = (size_t)(nl - bytes) + 1;
    }
    return at == len;
}
