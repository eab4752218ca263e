/* Trial: what a decision was made of, as canonical JSON. core/replay.c reads it. */
#include <math.h>
#include <string.h>
#include "core/fmt.h"
#include "core/trial_state.h"

static void hex(struct json_w *w, const char *key, double v)
{
    char s[FMT_MAX];
    json_w_kstr(w, key, fmt_hexfloat(s, v));
}

static void write_changes(struct json_w *w, const char *key, const struct change *v, int64_t n)
{
    json_w_key(w, key);
    json_w_arr(w);
    for (int64_t i = 0; i < n; i++) {
        char s[FMT_MAX];
        json_w_arr(w);
        json_w_int(w, v[i].stratum);
        json_w_str(w, fmt_hexfloat(s, v[i].v));
        json_w_arr_end(w);
    }
    json_w_arr_end(w);
}

/* Members in the order of their names: look or journal or outcomes stand between "devices" and "log_e". */
static void write_look(struct json_w *w, const struct bulk *b, bool values)
{
    const struct look *l = &b->best;
    json_w_key(w, "look");
    json_w_obj(w);
    if (values)
        write_changes(w, "canary", l->canary, l->n);
    if (values)
        write_changes(w, "control", l->control, l->m);
    json_w_kint(w, "k", l->k);
    json_w_kint(w, "m", l->m);
    json_w_kint(w, "n", l->n);
    json_w_kint(w, "tick", l->tick);
    json_w_kstr(w, "ties", LOOK_TIES);
    json_w_obj_end(w);
}

static void write_journal(struct json_w *w, const struct journal *j, enum trial_test test)
{
    json_w_key(w, "journal");
    json_w_arr(w);
    for (size_t i = 0; i < j->n; i++) {
        const struct peek *p = &j->v[i];
        if (p->kind != (unsigned)test)
            continue;
        const int32_t whole[] = {p->tick, p->stratum, p->yc, p->yk, p->dc, p->dk};
        json_w_arr(w);
        for (int k = 0; k < 6; k++)
            json_w_int(w, whole[k]);
        json_w_arr_end(w);
    }
    json_w_arr_end(w);
}

/* What became of the installs when it was decided. (Decisions before them had "outcomes": every count of failed and
 * started that there had been, of which the most decided; core/replay.c still reads those.) */
static void write_installs(struct json_w *w, const struct installs *s)
{
    json_w_key(w, "installs");
    json_w_arr(w);
    for (size_t i = 0; i < s->n; i++) {
        const int32_t whole[] = {s->v[i].key, s->v[i].wave, s->v[i].failed, s->v[i].started, s->v[i].times};
        json_w_arr(w);
        for (int k = 0; k < 5; k++)
            json_w_int(w, whole[k]);
        json_w_arr_end(w);
    }
    json_w_arr_end(w);
}

/* A policy's own rows; of the built-in ones all that may differ stands beside it, but for their directions. */
static void write_row(struct json_w *w, const struct metric_def *d)
{
    char s[FMT_MAX];
    json_w_obj(w);
    if (d->grace_us > 0)
        json_w_kint(w, "grace_us", d->grace_us);
    json_w_kstr(w, "id", d->id);
    json_w_kstr(w, "kind", metric_kind_word(d->kind));
    json_w_key(w, "levels");
    json_w_arr(w);
    for (size_t i = 0; i < d->n_levels; i++)
        json_w_str(w, fmt_hexfloat(s, d->level[i]));
    json_w_arr_end(w);
    json_w_kbool(w, "own", d->own);
    hex(w, "share", d->share);
    json_w_kstr(w, "title", d->title);
    hex(w, "tolerance", d->tolerance);
    json_w_kstr(w, "unit", d->unit);
    json_w_kint(w, "window_us", d->window_us);
    json_w_kstr(w, "worse", metric_worse_word(d->worse));
    json_w_obj_end(w);
}

/* Of the built-in rows, in their order; nothing where all have the policy's. */
static void write_graces(struct json_w *w, const struct evidence_policy *p)
{
    bool any = false;
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        any = any || p->grace_us[i] > 0;
    if (!any)
        return;
    json_w_key(w, "grace_us");
    json_w_arr(w);
    for (size_t i = 0; i < METRICS_BUILTIN; i++)
        json_w_int(w, p->grace_us[i]);
    json_w_arr_end(w);
}

/* What is tested: its digest, and what of it is not as built in. */
static void write_metrics(struct json_w *w, const struct evidence_policy *p)
{
    char digest[SHA256_HEX];
    metric_digest(p, digest);
    json_w_key(w, "metrics");
    json_w_obj(w);
    json_w_kstr(w, metric_key(ROW_CPU, FIELD_WORSE), metric_worse_word(p->worse[ROW_CPU]));
    json_w_kstr(w, "digest", digest);
    write_graces(w, p);
    json_w_key(w, "own");
    json_w_arr(w);
    for (size_t i = 0; i < p->n_own; i++)
        write_row(w, &p->own[i]);
    json_w_arr_end(w);
    json_w_kstr(w, metric_key(ROW_VARIANCE, FIELD_WORSE), metric_worse_word(p->worse[ROW_VARIANCE]));
    json_w_obj_end(w);
}

static void tolerance(struct json_w *w, const struct evidence_policy *p, size_t row)
{
    hex(w, metric_key(row, FIELD_TOLERANCE), p->tolerance[row]);
}

static void share(struct json_w *w, const struct evidence_policy *p, size_t row)
{
    hex(w, metric_key(row, FIELD_SHARE), p->share[row]);
}

void trial_write_spec(struct json_w *w, const struct trial_spec *s)
{
    const struct evidence_policy *p = &s->policy;
    json_w_key(w, "spec");
    json_w_obj(w);
    hex(w, "alpha", p->alpha);
    json_w_kbool(w, "boot_time", s->boot_time);
    tolerance(w, p, ROW_CPU);
    json_w_kint(w, "grace_us", s->grace_us);
    tolerance(w, p, ROW_INSTALL);
    write_metrics(w, p);
    json_w_kint(w, "min_devices", p->min_devices);
    tolerance(w, p, ROW_REBOOTS);
    hex(w, "reserve", p->reserve);
    share(w, p, ROW_CPU);
    share(w, p, ROW_INSTALL);
    share(w, p, ROW_REBOOTS);
    share(w, p, ROW_SILENCE);
    share(w, p, ROW_VARIANCE);
    json_w_kint(w, "silence_us", s->silence_us);
    json_w_kint(w, "start", s->start);
    json_w_kint(w, "step_us", s->step_us);
    tolerance(w, p, ROW_VARIANCE);
    json_w_kint(w, "waves", s->waves);
    json_w_obj_end(w);
}

void trial_write_added(struct json_w *w, const struct ledger *l)
{
    char s[FMT_MAX];
    if (!(l->drawn > 0))
        return;
    json_w_key(w, "added");
    json_w_arr(w);
    for (int m = 0; m < LEDGER_METRICS; m++)
        json_w_str(w, fmt_hexfloat(s, l->added[m]));
    json_w_arr_end(w);
    json_w_kint(w, "added_from", l->added_from);
}

/* Is all there that the evidence can be recomputed from? */
static bool kept(const struct trial *t, int s, enum trial_test test)
{
    if (test == TEST_INSTALL)
        return true;
    if (t->rank[test] < 0)
        return !t->stage[s]->journal.clipped;
    const struct bulk *b = &t->stage[s]->bulk[t->rank[test]];
    return !(b->most > 0) || b->best.canary;
}

static void write_all(const struct trial *t, int s, enum trial_test test, bool whole, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out, 0);
    json_w_obj(&w);
    const struct bulk *bulk = t->rank[test] < 0 ? NULL : &t->stage[s]->bulk[t->rank[test]];
    trial_write_added(&w, &t->ledger);
    hex(&w, "alpha", trial_alpha(&t->spec.policy, &t->ledger, s, (int)test));
    json_w_kbool(&w, "clipped", !whole);
    json_w_kint(&w, "crossed_at", trial_standing(t, s, test)->crossed);
    json_w_kint(&w, "devices", trial_devices(t, s, test));
    if (whole && test == TEST_INSTALL)
        write_installs(&w, &t->install);
    if (whole && !bulk && test != TEST_INSTALL)
        write_journal(&w, &t->stage[s]->journal, test);
    hex(&w, "log_e", trial_log(t, s, test));
    hex(&w, "log_pause", trial_need(t, s, test));
    if (bulk)
        write_look(&w, bulk, whole && bulk->best.canary != NULL);
    if (test == TEST_INSTALL)
        json_w_kint(&w, "overdue", t->install.overdue);
    trial_write_spec(&w, &t->spec);
    json_w_kint(&w, "stage", s);
    json_w_kstr(&w, "test", metric_test(&t->spec.policy, (int)test)->word);
    json_w_kint(&w, "v", metric_builtin(&t->spec.policy) ? 1 : 2); /* an andon that knows only the five reads no more */
    json_w_obj_end(&w);
}

void trial_inputs(const struct trial *t, int s, enum trial_test test, struct buf *out)
{
    struct buf b;
    if (s < 0 || s >= t->n_stages || (unsigned)test >= (unsigned)t->n_tests)
        return;
    buf_init(&b, out->limit - out->len);
    bool whole = kept(t, s, test);
    write_all(t, s, test, whole, &b);
    if (b.over && whole) {
        buf_clear(&b);
        write_all(t, s, test, false, &b);
    }
    buf_add(out, b.data, b.len);
    out->over |= b.over;
    buf_release(&b);
}
