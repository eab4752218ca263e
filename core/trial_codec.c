/* Trial: its state as bytes (and back: core/trial_load.c). Little-endian, field by field, closed by a SHA-256 of all
 * before it. What can be worked out from the rest (alpha, risk sets) is not stored, so that it cannot disagree. */
#include <math.h>
#include <string.h>
#include "core/digest.h"
#include "core/trial_state.h"

static void put(struct buf *b, uint64_t v, int bytes)
{
    unsigned char c[8];
    for (int i = 0; i < bytes; i++)
        c[i] = (unsigned char)(v >> 8 * i);
    buf_add(b, c, (size_t)bytes);
}

static void put_i64(struct buf *b, int64_t v)
{
    put(b, (uint64_t)v, 8);
}

static void put_f64(struct buf *b, double v)
{
    uint64_t bits = UINT64_C(0x7ff8000000000000); /* one NaN for all */
    if (!isnan(v))
        memcpy(&bits, &v, sizeof bits);
    put(b, bits, 8);
}

static void put_f32(struct buf *b, float v)
{
    uint32_t bits = UINT32_C(0x7fc00000);
    if (!isnan(v))
        memcpy(&bits, &v, sizeof bits);
    put(b, bits, 4);
}

void trial_put_spec(struct buf *b, const struct trial_spec *s)
{
    const struct evidence_policy *p = &s->policy;
    struct evidence_policy numbers = *p;
    double *real[POLICY_NUMBERS];
    policy_numbers(&numbers, real);
    for (size_t i = 0; i < POLICY_NUMBERS; i++)
        put_f64(b, *real[i]);
    put_i64(b, p->min_devices);
    put(b, (uint64_t)p->design, 1);
    put(b, (uint64_t)s->waves, 1);
    put_i64(b, s->start);
    put_i64(b, s->step_us);
    put_i64(b, s->grace_us);
    put_i64(b, s->silence_us);
    put(b, s->boot_time, 1);
    char digest[SHA256_HEX]; /* of the metrics, with their own parameters */
    metric_digest(p, digest);
    buf_add(b, digest, SHA256_HEX - 1);
}

static void put_series(struct buf *b, const struct series *s)
{
    put_f32(b, s->base);
    put_f32(b, s->open);
    for (int i = 0; i < BULK_BLOCKS; i++) {
        put_f32(b, s->sum[i]);
        put(b, s->count[i], 2);
    }
    put(b, s->n, 2);
}

/* What the policy's own metrics keep of device i. */
static void put_own(struct buf *b, const struct trial *t, size_t i)
{
    if (t->marks) {
        const struct marks *m = &t->marks[i];
        const uint64_t bits[] = {m->happened, m->excluded, m->risk, m->entered, m->carried, m->earlier};
        for (size_t k = 0; k < sizeof bits / sizeof *bits; k++)
            put(b, bits[k], 8);
    }
    for (size_t g = BULK_BUILTIN; g < t->n_gauges; g++)
        put_series(b, &t->gauge[g].own[i]);
    for (size_t c = 0; c < t->n_tallies; c++) {
        const struct counted *v = &t->tally[c].own[i];
        put_f64(b, v->value);
        put(b, (uint32_t)v->at_s[0], 4);
        put(b, (uint32_t)v->at_s[1], 4);
        put(b, v->n, 4);
        put(b, (uint32_t)v->seen_s, 4);
    }
    if (t->activated) {
        const struct activated *v = &t->activated[i];
        put_f64(b, v->value);
        put(b, (uint32_t)v->from_s, 4);
        put(b, (uint32_t)v->at_s, 4);
        put(b, (uint32_t)v->boot_s, 4);
        put(b, v->waiting, 1);
        put(b, v->flags, 1);
    }
}

static void put_watched(struct buf *b, const struct watched *w, const struct watched_past *p)
{
    put_i64(b, watched_last(w));
    put_f64(b, w->counter);
    put(b, (uint32_t)w->from, 4);
    int32_t boot_s[2];
    watched_times(w, boot_s);
    put(b, (uint32_t)boot_s[0], 4);
    put(b, (uint32_t)boot_s[1], 4);
    put_series(b, &w->cpu);
    put_series(b, &w->var);
    const uint16_t bits[] = {w->happened, w->excluded, w->risk, w->entered, w->carried, p->earlier};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        put(b, bits[i], 2);
    put(b, w->ranks, 1);
    put(b, w->boots, 1);
    put(b, p->boots, 1);
    put(b, w->cell, 1);
    put(b, (uint8_t)w->wave, 1);
    put(b, w->flags, 1);
}

static void put_count(struct buf *b, const struct tail_count *c)
{
    for (int g = 0; g < 2; g++) {
        put_i64(b, c->had[g]);
        put_i64(b, c->of[g]);
    }
    put_i64(b, c->carried);
}

static void put_tail(struct buf *b, const struct tail *t, int n)
{
    for (int k = 0; k < n; k++) {
        for (int j = 0; j < EPROCESS_GRID; j++)
            put_f64(b, t->e[k].log_e[j]);
        put_f64(b, t->most[k]);
        put(b, t->most_epoch[k], 1);
        put_count(b, &t->now[k]);
        put_count(b, &t->best[k]);
    }
    put(b, (uint64_t)t->epoch, 1);
}

static void put_changes(struct buf *b, const struct change *v, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        put_f64(b, v[i].v);
        put(b, v[i].stratum, 1);
    }
}

static void put_bulk(struct buf *b, const struct bulk *v)
{
    const int64_t whole[] = {v->next,   v->valid,   v->stride,    v->looks,     v->spent,
                             v->canary, v->control, v->canary_of, v->control_of};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        put_i64(b, whole[i]);
    for (int i = 0; i < BULK_BLOCKS; i++)
        put(b, (uint32_t)v->begin[i], 4);
    put_f64(b, v->most);
    put_f64(b, v->now);
    put_f64(b, v->ratio);
    const struct look *l = &v->best;
    put_i64(b, l->k);
    put_i64(b, l->tick);
    put_i64(b, l->n);
    put_i64(b, l->m);
    put_f64(b, l->log_e);
    put(b, l->canary != NULL, 1);
    if (l->canary) {
        put_changes(b, l->canary, l->n);
        put_changes(b, l->control, l->m);
    }
}

static void put_standing(struct buf *b, const struct standing *s)
{
    put_i64(b, s->crossed);
    put_f64(b, s->ack);
}

static void put_stage(struct buf *b, const struct trial *t, const struct stage *g)
{
    put_i64(b, g->begin);
    put_tail(b, &g->tail, t->n_tests);
    for (int k = 0; k < t->n_ranks; k++)
        put_bulk(b, &g->bulk[k]);
    for (size_t m = 0; m < t->n_gauges; m++) {
        put_i64(b, g->window[m]);
        put_i64(b, g->window_samples[m]);
        put_i64(b, g->window_devices[m]);
    }
    for (int k = 0; k < t->n_tests; k++)
        put_standing(b, &g->standing[k]);
    put_i64(b, g->canary_steps);
    put(b, g->journal.clipped, 1);
    put(b, g->journal.n, 4);
    for (size_t i = 0; i < g->journal.n; i++) {
        const struct peek *p = &g->journal.v[i];
        const int32_t whole[] = {p->tick, p->yc, p->yk, p->dc, p->dk};
        for (int k = 0; k < 5; k++)
            put(b, (uint32_t)whole[k], 4);
        put(b, p->kind, 1);
        put(b, p->stratum, 1);
    }
}

static void put_strata(struct buf *b, const struct strata *s)
{
    put(b, (uint64_t)s->n, 2);
    for (int i = 0; i < s->n; i++) {
        buf_add(b, &s->cell[i], sizeof s->cell[i]);
        for (int by = 0; by < STRATA_BY; by++)
            put(b, s->of[by][i], 1);
    }
}

void trial_save(const struct trial *t, struct buf *out)
{
    size_t from = out->len;
    unsigned char digest[SHA256_BYTES];
    buf_add(out, TRIAL_MAGIC, 8);
    put(out, TRIAL_VERSION, 2);
    trial_put_spec(out, &t->spec);
    put(out, (uint64_t)t->n_told, 1);
    for (int i = 0; i < t->n_told; i++)
        put_i64(out, t->told[i]);
    const int64_t whole[] = {t->next, t->newest, t->fresh, t->gap_end, t->due, t->join};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        put_i64(out, whole[i]);
    put(out, (uint64_t)t->n_acks, 1);
    for (int i = 0; i < t->n_acks; i++)
        put_i64(out, t->ack[i]);
    const struct installs *s = &t->install;
    put_standing(out, &s->standing);
    put_i64(out, s->overdue);
    put(out, s->n, 4);
    for (size_t i = 0; i < s->n; i++) {
        const int32_t whole_tally[] = {s->v[i].key, s->v[i].wave, s->v[i].failed, s->v[i].started, s->v[i].times};
        for (int k = 0; k < 5; k++)
            put(out, (uint64_t)whole_tally[k], 4);
    }
    put(out, (uint64_t)t->n_stages, 1);
    for (int i = 0; i < t->n_stages; i++)
        put_stage(out, t, t->stage[i]);
    put_strata(out, &t->risk.strata);
    put(out, t->n, 4);
    static const struct watched_past none;
    for (size_t i = 0; i < t->n; i++) {
        put_watched(out, &t->w[i], t->past ? &t->past[i] : &none);
        put_own(out, t, i);
    }
    sha256_bytes(out->data + from, out->len - from, digest);
    buf_add(out, digest, sizeof digest);
}
