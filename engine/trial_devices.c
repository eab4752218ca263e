/* The population of a trial: who is in it under which number, and in which stratum. */
#include <stdlib.h>
#include <string.h>
#include "engine/trial_run.h"

/* ---- strata ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The values of one device, joined; unknown ones are values of their own. */
static char *stratum_name(const struct run *r, const struct run_new *v)
{
    struct buf b;
    buf_init(&b, 4096);
    for (size_t k = 0; k < r->ro->policy.applies->evidence.n_strata; k++)
        buf_printf(&b, "%s\n", v->attr[k] < 0 ? "" : r->names[v->attr[k]]);
    char *s = buf_take(&b);
    buf_release(&b);
    return s;
}

static uint8_t stratum_of(const struct run *r, const char *name)
{
    for (size_t i = 0; i < r->n_strata; i++)
        if (strcmp(r->strata[i], name) == 0)
            return (uint8_t)i;
    return TRIAL_STRATA - 1;
}

/* New strata are numbered in the order of their names, after those that are there. */
void run_number_strata(struct run *r, size_t w)
{
    struct run_wave *rw = &r->wave[w];
    char **name = xcalloc(rw->n + 1, sizeof(char *));
    const char **sorted = xcalloc(rw->n + 1, sizeof(char *));
    for (size_t i = 0; i < rw->n; i++)
        sorted[i] = name[i] = stratum_name(r, &rw->v[i]);
    qsort(sorted, rw->n, sizeof(char *), by_text);
    for (size_t i = 0; i < rw->n; i++) {
        bool there = i > 0 && strcmp(sorted[i], sorted[i - 1]) == 0;
        for (size_t k = 0; k < r->n_strata && !there; k++)
            there = strcmp(r->strata[k], sorted[i]) == 0;
        if (!there && r->n_strata < TRIAL_STRATA)
            r->strata[r->n_strata++] = xstrdup(sorted[i]);
    }
    for (size_t i = 0; i < rw->n; i++) {
        rw->v[i].stratum = stratum_of(r, name[i]);
        free(name[i]);
    }
    free(name);
    free(sorted);
    rw->step = RUN_PAST;
}

bool trial_of_device(const struct ro *ro, size_t dev, uint64_t *reached, uint64_t *tested)
{
    struct run *r = ro->trials.run;
    struct trial_ix i = r ? run_index(r, dev) : TRIAL_NONE;
    if (!trial_ix_known(i) || !r->trial || r->state == TRIAL_WAITING || r->state == TRIAL_CATCHING)
        return false;
    const struct run_stage *g = run_standing(r);
    *reached = trial_reached(r->trial, i);
    *tested = 0;
    for (size_t k = 0; k < g->n; k++)
        *tested |= UINT64_C(1) << g->which[k];
    return true;
}

/* ---- the population ---- */

void run_put(struct run *r, int phase, const struct run_new *v)
{
    struct engine *en = r->ro->en;
    struct run_wave *rw = &r->wave[phase];
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        r->v = xreallocarray(r->v, r->cap, sizeof *r->v);
        tick_release(&r->tick);
        tick_init(&r->tick, 0, r->cap, COL_BUILTIN + r->spec.policy.n_own);
        r->pending = xreallocarray(r->pending, r->cap, sizeof *r->pending);
    }
    if (en->watch.n_devs > r->n_of_dev) {
        size_t to = en->watch.n_devs + en->watch.n_devs / 4 + 16;
        r->of_dev = xreallocarray(r->of_dev, to, sizeof *r->of_dev);
        memset(r->of_dev + r->n_of_dev, 0, (to - r->n_of_dev) * sizeof *r->of_dev);
        r->n_of_dev = to;
    }
    struct run_dev *d = &r->v[r->n++];
    *d = (struct run_dev){
        .dev = v->dev, .phase = (int16_t)phase, .wave = v->wave, .control = v->control, .stratum = v->stratum};
    memcpy(d->attr, v->attr, sizeof d->attr);
    r->of_dev[v->dev] = (uint32_t)r->n;
    if (v->dev >= rw->top)
        rw->top = v->dev + 1;
}

void run_add(struct run *r, int phase, const struct run_new *v)
{
    if (trial_ix_known(run_index(r, v->dev)))
        return; /* a server that lists a device twice */
    if (!trial_ix_known(trial_add(r->trial, v->wave, v->control, v->stratum, &v->past)))
        return;
    run_put(r, phase, v);
}

/* ---- installs ---- */

static int by_time(const void *a, const void *b, void *arg)
{
    const struct run *r = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int64_t p = r->v[x].installed, q = r->v[y].installed;
    if (p != q)
        return p < q ? -1 : 1;
    return x < y ? -1 : x > y;
}

void run_sort_pending(struct run *r)
{
    if (r->n_pending > 0)
        qsort_r(r->pending, r->n_pending, sizeof *r->pending, by_time, r);
}

void run_installs(struct run *r)
{
    const struct engine *en = r->ro->en;
    bool more = false;
    for (size_t i = 0; i < r->n; i++) {
        struct run_dev *d = &r->v[i];
        int64_t at = en->watch.devs[d->dev].installed_at;
        if (d->installed > 0 || d->wave < 0 || d->wave >= r->n_waves || !r->wave[d->wave].told_known ||
            at < r->wave[d->wave].told_at)
            continue;
        d->installed = at;
        r->pending[r->n_pending++] = (uint32_t)i;
        more = true;
    }
    if (more)
        run_sort_pending(r);
}
