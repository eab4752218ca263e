/* Trial: its state from bytes that may be anything (core/trial_codec.c writes them). */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/design.h"
#include "core/digest.h"
#include "core/trial_state.h"

#define LOOKS_MAX 120 /* the 120th look is 400,000 years after the first */

/* Any byte may be wrong; `bad` sticks. */
struct in {
    const unsigned char *p;
    size_t left;
    bool bad;
};

static uint64_t get(struct in *r, int bytes)
{
    uint64_t v = 0;
    if (r->left < (size_t)bytes) {
        r->bad = true;
        r->left = 0;
        return 0;
    }
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)r->p[i] << 8 * i;
    r->p += bytes;
    r->left -= (size_t)bytes;
    return v;
}

static int64_t get_i64(struct in *r)
{
    uint64_t v = get(r, 8);
    int64_t out;
    memcpy(&out, &v, sizeof out);
    return out;
}

static int32_t get_i32(struct in *r)
{
    uint32_t v = (uint32_t)get(r, 4);
    int32_t out;
    memcpy(&out, &v, sizeof out);
    return out;
}

/* A whole number within lo..hi. */
static int64_t get_in(struct in *r, int64_t lo, int64_t hi)
{
    int64_t v = get_i64(r);
    if (v < lo || v > hi) {
        r->bad = true;
        return lo;
    }
    return v;
}

static uint64_t get_most(struct in *r, int bytes, uint64_t most)
{
    uint64_t v = get(r, bytes);
    if (v > most) {
        r->bad = true;
        return 0;
    }
    return v;
}

static double get_f64(struct in *r)
{
    uint64_t v = get(r, 8);
    double out;
    memcpy(&out, &v, sizeof out);
    return out;
}

static float get_f32(struct in *r)
{
    uint32_t v = (uint32_t)get(r, 4);
    float out;
    memcpy(&out, &v, sizeof out);
    return out;
}

static void get_spec(struct in *r, struct trial_spec *s, char metrics[SHA256_HEX])
{
    struct evidence_policy *p = &s->policy;
    double *real[POLICY_NUMBERS];
    memset(s, 0, sizeof *s);
    policy_numbers(p, real);
    for (size_t i = 0; i < POLICY_NUMBERS; i++)
        *real[i] = get_f64(r);
    p->min_devices = (int)get_in(r, 1, INT32_MAX);
    p->design = (int)get(r, 1);
    s->waves = (int)get(r, 1);
    s->start = get_i64(r);
    s->step_us = get_i64(r);
    s->grace_us = get_i64(r);
    s->silence_us = get_i64(r);
    s->boot_time = get_most(r, 1, 1) != 0;
    for (int i = 0; i < SHA256_HEX - 1; i++)
        metrics[i] = (char)get(r, 1);
    metrics[SHA256_HEX - 1] = '\0';
}

static bool seconds_bad(int32_t s)
{
    return s < INT32_MIN / 2 || s > INT32_MAX / 2;
}

static void get_series(struct in *r, struct series *s)
{
    s->base = get_f32(r);
    s->open = get_f32(r);
    for (int i = 0; i < BULK_BLOCKS; i++) {
        s->sum[i] = get_f32(r);
        s->count[i] = (uint16_t)get(r, 2);
    }
    s->n = (uint16_t)get(r, 2);
}

static void get_own(struct in *r, struct trial *t, size_t i)
{
    if (t->marks) {
        struct marks *m = &t->marks[i];
        uint64_t *const bits[] = {&m->happened, &m->excluded, &m->risk, &m->entered, &m->carried, &m->earlier};
        for (size_t k = 0; k < sizeof bits / sizeof *bits; k++)
            *bits[k] = get(r, 8);
        bool rank = false;
        for (int k = 0; k < TESTS_MAX; k++)
            rank |= m->risk >> k & 1 && (k < TEST_COUNT || k >= t->n_tests || t->rank[k] >= 0);
        r->bad |= rank || (m->risk && !(t->w[i].flags & WATCHED_IN));
    }
    for (size_t g = BULK_BUILTIN; g < t->n_gauges; g++)
        get_series(r, &t->gauge[g].own[i]);
    for (size_t c = 0; c < t->n_tallies; c++) {
        struct counted *v = &t->tally[c].own[i];
        v->value = get_f64(r);
        v->at_s[0] = get_i32(r);
        v->at_s[1] = get_i32(r);
        v->n = (uint32_t)get(r, 4);
        v->seen_s = get_i32(r);
        r->bad |= seconds_bad(v->at_s[0]) || seconds_bad(v->at_s[1]) || seconds_bad(v->seen_s);
    }
    if (t->activated) {
        struct activated *v = &t->activated[i];
        v->value = get_f64(r);
        v->from_s = get_i32(r);
        v->at_s = get_i32(r);
        v->boot_s = get_i32(r);
        v->waiting = (uint8_t)get_most(r, 1, 100); /* watched_count */
        v->flags = (uint8_t)get_most(r, 1, ACTIVATED_ALL);
        r->bad |= seconds_bad(v->from_s) || seconds_bad(v->at_s) || seconds_bad(v->boot_s);
    }
}

static void get_watched(struct in *r, struct watched *w, struct watched_past *p)
{
    watched_hear(w, get_in(r, 0, WATCHED_LAST_MAX));
    w->counter = get_f64(r);
    w->from = get_i32(r);
    int32_t boot_s[2] = {get_i32(r), 0};
    boot_s[1] = get_i32(r);
    r->bad |= w->from < 0 || seconds_bad(boot_s[0]) || seconds_bad(boot_s[1]);
    watched_set_times(w, boot_s);
    get_series(r, &w->cpu);
    get_series(r, &w->var);
    uint16_t *const bits[] = {&w->happened, &w->excluded, &w->risk, &w->entered, &w->carried, &p->earlier};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        *bits[i] = (uint16_t)get(r, 2);
    w->ranks = (uint8_t)get_most(r, 1, 3);
    w->boots = (uint8_t)get(r, 1);
    p->boots = (uint8_t)get(r, 1);
    w->cell = (uint8_t)get(r, 1);
    unsigned wave = (unsigned)get(r, 1);
    w->wave = (int8_t)(wave < TRIAL_WAVES ? (int)wave : -1);
    w->flags = (uint8_t)get_most(r, 1, WATCHED_ALL);
    bool canary = w->flags & WATCHED_CANARY, control = w->flags & WATCHED_CONTROL;
    r->bad |= w->flags & WATCHED_MOVED && !(w->counter >= 0 && w->counter < 1e12);
    r->bad |= (wave >= TRIAL_WAVES && wave != UINT8_MAX) || (w->risk | 0U) >> PASSAGE_COUNT != 0 ||
              (canary && control) || (canary && w->from == INT32_MAX) ||
              (!canary && !control && w->flags & WATCHED_IN) ||
              (!(w->flags & WATCHED_IN) && (w->risk || w->flags & WATCHED_ACTIVE));
}

static void get_count(struct in *r, struct tail_count *c)
{
    for (int g = 0; g < 2; g++) {
        c->had[g] = get_in(r, 0, INT64_MAX / 2);
        c->of[g] = get_in(r, 0, INT64_MAX / 2);
    }
    c->carried = get_in(r, 0, INT64_MAX / 2);
}

static void get_tail(struct in *r, struct tail *t, const struct evidence_policy *p)
{
    int n = metric_tests(p);
    for (int k = 0; k < n; k++) {
        for (int j = 0; j < EPROCESS_GRID; j++)
            t->e[k].log_e[j] = get_f64(r);
        t->most[k] = get_f64(r);
        t->most_epoch[k] = (uint8_t)get_most(r, 1, DESIGN_EPOCHS);
        get_count(r, &t->now[k]);
        get_count(r, &t->best[k]);
    }
    t->epoch = (int)get_most(r, 1, p->design > 0 ? DESIGN_EPOCHS : 0);
    tail_shares(t, p);
    for (int k = 0; k < n; k++)
        r->bad |= t->most_epoch[k] > t->epoch;
}

static struct change *get_changes(struct in *r, int64_t n)
{
    struct change *v = xcalloc((size_t)n + 1, sizeof *v);
    for (int64_t i = 0; i < n && !r->bad; i++) {
        v[i].v = get_f64(r);
        v[i].stratum = (uint8_t)get_most(r, 1, PASSAGE_STRATA - 1);
        r->bad |= !isfinite(v[i].v);
    }
    return v;
}

static void get_bulk(struct in *r, struct bulk *v)
{
    v->next = get_in(r, 1, INT64_MAX / 8);
    v->valid = get_in(r, 0, INT64_MAX / 8);
    v->stride = get_in(r, 1, INT64_MAX / 8);
    v->looks = (int)get_in(r, 0, LOOKS_MAX);
    v->spent = (int)get_in(r, 0, v->looks);
    int64_t *const whole[] = {&v->canary, &v->control, &v->canary_of, &v->control_of};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        *whole[i] = get_in(r, 0, TRIAL_DEVICES);
    for (int i = 0; i < BULK_BLOCKS; i++)
        v->begin[i] = get_i32(r);
    v->most = get_f64(r);
    v->now = get_f64(r);
    v->ratio = get_f64(r);
    struct look *l = &v->best;
    l->k = (int)get_in(r, 0, LOOKS_MAX);
    l->tick = get_i64(r);
    l->n = get_in(r, 0, TRIAL_DEVICES);
    l->m = get_in(r, 0, TRIAL_DEVICES);
    l->log_e = get_f64(r);
    if (get_most(r, 1, 1) == 0)
        return;
    r->bad |= l->n + l->m > LOOK_VALUES_MAX || l->n == 0 || l->m == 0;
    if (r->bad)
        return;
    l->canary = get_changes(r, l->n);
    l->control = get_changes(r, l->m);
}

static void get_standing(struct in *r, struct standing *s)
{
    s->crossed = get_i64(r);
    s->ack = get_f64(r);
}

static void get_journal(struct in *r, struct trial *t, struct journal *j)
{
    j->clipped = get_most(r, 1, 1) != 0;
    size_t n = (size_t)get_most(r, 4, t->room);
    if (r->bad || n == 0)
        return;
    j->v = xcalloc(n, sizeof *j->v);
    j->n = j->cap = n;
    t->room -= n;
    for (size_t i = 0; i < n && !r->bad; i++) {
        struct peek *p = &j->v[i];
        int32_t *const whole[] = {&p->tick, &p->yc, &p->yk, &p->dc, &p->dk};
        for (int k = 0; k < 5; k++) {
            *whole[k] = get_i32(r);
            r->bad |= *whole[k] < 0;
        }
        r->bad |= p->dc > p->yc || p->dk > p->yk;
        p->kind = (uint8_t)get_most(r, 1, (uint64_t)t->n_tests - 1);
        p->stratum = (uint8_t)get_most(r, 1, PASSAGE_STRATA - 1);
    }
}

static void get_stage(struct in *r, struct trial *t, int s)
{
    int64_t begin = get_in(r, t->zero, t->zero + INT32_MAX * t->spec.step_us);
    struct stage *g = t->stage[s] = trial_stage_new(t, s, begin);
    t->n_stages = s + 1;
    get_tail(r, &g->tail, &t->spec.policy);
    for (int k = 0; k < t->n_ranks; k++)
        get_bulk(r, &g->bulk[k]);
    for (size_t m = 0; m < t->n_gauges; m++) {
        g->window[m] = get_in(r, 0, INT64_MAX / 8);
        g->window_samples[m] = get_in(r, 0, INT64_MAX / 8);
        g->window_devices[m] = get_in(r, 0, TRIAL_DEVICES);
    }
    for (int k = 0; k < t->n_tests; k++)
        get_standing(r, &g->standing[k]);
    g->canary_steps = get_in(r, 0, INT64_MAX / 8);
    get_journal(r, t, &g->journal);
}

static void get_installs(struct in *r, struct trial *t)
{
    struct installs *s = &t->install;
    get_standing(r, &s->standing);
    s->overdue = get_in(r, 0, INT32_MAX);
    size_t n = (size_t)get_most(r, 4, INSTALL_TALLIES_MAX);
    if (r->bad || n == 0)
        return;
    s->v = xcalloc(n, sizeof *s->v);
    s->n = n;
    for (size_t i = 0; i < n; i++) {
        int32_t *const whole[] = {&s->v[i].key, &s->v[i].wave, &s->v[i].failed, &s->v[i].started, &s->v[i].times};
        for (int k = 0; k < 5; k++)
            *whole[k] = (int32_t)get_most(r, 4, INT32_MAX);
    }
    if (r->bad || !install_tallies_ok(s->v, n))
        r->bad = true;
    else
        install_evidence(s->v, n, t->spec.waves, t->spec.policy.tolerance[ROW_INSTALL], &s->now);
}

static void get_facts(struct in *r, struct trial *t)
{
    t->n_told = (int)get_most(r, 1, TRIAL_WAVES);
    r->bad |= t->n_told < 1;
    for (int i = 0; i < t->n_told; i++)
        t->told[i] = get_in(r, i > 0 ? t->told[i - 1] : t->spec.start, INT64_MAX / 2);
    t->next = get_in(r, t->zero, INT64_MAX / 2);
    t->newest = get_in(r, 0, INT64_MAX / 2);
    t->fresh = get_in(r, 0, INT64_MAX / 2);
    t->gap_end = get_in(r, 0, INT64_MAX / 2);
    t->due = get_i64(r);
    t->join = get_i64(r);
    r->bad |= t->next % t->spec.step_us != 0;
    t->n_acks = (int)get_most(r, 1, TRIAL_ACKS);
    for (int i = 0; i < t->n_acks; i++)
        t->ack[i] = get_i64(r);
    get_installs(r, t);
    int stages = (int)get_most(r, 1, (uint64_t)t->n_told);
    for (int s = 0; s < stages && !r->bad; s++)
        get_stage(r, t, s);
}

static void get_strata(struct in *r, struct strata *s)
{
    s->n = (int)get_most(r, 2, STRATA_CELLS);
    for (int i = 0; i < s->n && !r->bad; i++) {
        s->cell[i].attributes = (uint8_t)get_most(r, 1, STRATA_MAX - 1);
        s->cell[i].boots = (uint8_t)get_most(r, 1, STRATA_BOOTS - 1);
        s->cell[i].contact = (uint8_t)get_most(r, 1, STRATA_CONTACT - 1);
        for (int by = 0; by < STRATA_BY; by++)
            s->of[by][i] = (uint8_t)get_most(r, 1, STRATA_MAX - 1);
    }
}

static void get_devices(struct in *r, struct trial *t)
{
    size_t n = (size_t)get_most(r, 4, TRIAL_DEVICES);
    if (r->bad || n > r->left / 64) { /* fewer bytes than that cannot be so many devices */
        r->bad = true;
        return;
    }
    trial_grow(t, n + 1);
    t->n = n;
    memset(t->w, 0, (n + 1) * sizeof *t->w);
    for (size_t i = 0; i < n && !r->bad; i++) {
        struct watched *w = &t->w[i];
        struct watched_past past = {0};
        get_watched(r, w, &past);
        if (past.earlier || past.boots) {
            trial_begin_past(t);
            t->past[i] = past;
        }
        r->bad |= w->cell >= t->risk.strata.n;
        get_own(r, t, i);
        if (w->flags & WATCHED_ACTIVE)
            t->active[w->flags & WATCHED_CANARY ? SIDE_CANARY : SIDE_CONTROL]++;
    }
    if (!r->bad) {
        risk_count(&t->risk, t->w, t->marks, n);
        trial_activation_loaded(t);
        trial_count_joined(t);
        /* As of the newest tick that had rows, as a trial that was not stopped has them. */
        int64_t next = INT64_MAX, joined = t->newest > 0 ? (t->newest - t->zero) / t->spec.step_us : 0;
        trial_count_waits(t, (int32_t)joined, &next);
    }
}

static bool same_spec(const struct trial_spec *a, const struct trial_spec *b)
{
    struct buf x, y;
    buf_init(&x, 4096);
    buf_init(&y, 4096);
    trial_put_spec(&x, a);
    trial_put_spec(&y, b);
    /* The digest at the end is of the metrics, of which only one of the two knows the rows: it is compared as read. */
    bool same = x.len == y.len && memcmp(x.data, y.data, x.len - (SHA256_HEX - 1)) == 0;
    buf_release(&x);
    buf_release(&y);
    return same;
}

static bool damaged(struct err *e)
{
    return err_set(e, ERR_SYNTAX, "it is built anew from history", "the stored state of a trial is damaged");
}

struct trial *trial_load(const void *bytes, size_t n, const struct trial_spec *spec, struct err *e)
{
    unsigned char digest[SHA256_BYTES];
    const unsigned char *p = bytes;
    struct trial_spec s;
    if (n < 10 + SHA256_BYTES || memcmp(p, TRIAL_MAGIC, 8) != 0) {
        damaged(e);
        return NULL;
    }
    if (p[8] != (TRIAL_VERSION & 0xff) || p[9] != TRIAL_VERSION >> 8) {
        err_set(e, ERR_UNSUPPORTED, "it is built anew from history",
                "the stored state of a trial is of another version");
        return NULL;
    }
    sha256_bytes(p, n - SHA256_BYTES, digest);
    if (memcmp(digest, p + n - SHA256_BYTES, SHA256_BYTES) != 0) {
        damaged(e);
        return NULL;
    }
    struct in r = {p + 10, n - 10 - SHA256_BYTES, false};
    char metrics[SHA256_HEX], mine[SHA256_HEX];
    get_spec(&r, &s, metrics);
    metric_digest(spec ? &spec->policy : &s.policy, mine);
    if (r.bad) {
        damaged(e);
        return NULL;
    }
    if (strcmp(metrics, mine) != 0 || (spec && !same_spec(&s, spec))) {
        err_set(e, ERR_STATE, "it is built anew from history", "the stored state is of another trial");
        return NULL;
    }
    struct trial *t = trial_new(spec ? spec : &s, e);
    if (!t)
        return NULL;
    get_facts(&r, t);
    get_strata(&r, &t->risk.strata);
    if (!r.bad)
        get_devices(&r, t);
    if (r.bad || r.left != 0) {
        trial_free(t);
        damaged(e);
        return NULL;
    }
    return t;
}

void trial_counts_anew(struct trial *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (!t->spec.boot_time)
            t->w[i].counter = NAN;
        for (size_t c = 0; c < t->n_tallies; c++)
            t->tally[c].own[i].value = NAN;
        if (t->activated)
            t->activated[i].value = NAN;
    }
}
