#include "drill/world.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"

#define PAGE_LIMIT  ((size_t)512 * 1024 * 1024)
#define HISTORY_AGE (9 * US_PER_DAY) /* the old firmware was rolled out so long ago */

/* --- event queue: a binary heap; ties are broken by kind, device and argument, so that the order never depends on
 * the order of pushing. */

static bool before(const struct w_event *a, const struct w_event *b)
{
    if (a->t != b->t)
        return a->t < b->t;
    if (a->kind != b->kind)
        return a->kind < b->kind;
    if (a->dev != b->dev)
        return a->dev < b->dev;
    return a->arg != b->arg ? a->arg < b->arg : a->gen < b->gen;
}

void world_push(struct world *w, int64_t t, enum w_event_kind kind, int dev, uint32_t gen, int arg)
{
    if (t == TIME_NEVER)
        return;
    if (w->n_heap == w->cap_heap) {
        w->cap_heap = w->cap_heap ? w->cap_heap * 2 : 1024;
        w->heap = xreallocarray(w->heap, w->cap_heap, sizeof *w->heap);
    }
    struct w_event ev = {t, gen, (int32_t)dev, (uint16_t)kind, (uint16_t)arg};
    size_t i = w->n_heap++;
    for (; i > 0 && before(&ev, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = ev;
}

static struct w_event pop(struct world *w)
{
    struct w_event top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0;
    for (;;) {
        size_t k = 2 * i + 1;
        if (k >= w->n_heap)
            break;
        if (k + 1 < w->n_heap && before(&w->heap[k + 1], &w->heap[k]))
            k++;
        if (!before(&w->heap[k], &last))
            break;
        w->heap[i] = w->heap[k];
        i = k;
    }
    w->heap[i] = last;
    return top;
}

/* Time 0 of a drill with a lead-in: the rollout starts, unless somebody was faster. */
static void begin_main(struct world *w)
{
    if (w->rollouts[w->main_rollout].state == WR_READY)
        rollout_begin(w, w->main_rollout);
}

void world_advance(struct world *w, int64_t now)
{
    while (w->n_heap > 0 && w->heap[0].t <= now) {
        struct w_event ev = pop(w);
        w->now = ev.t > w->now ? ev.t : w->now;
        if (ev.kind == EV_TICK)
            rollouts_tick(w);
        else if (ev.kind == EV_BEGIN)
            begin_main(w);
        else
            fleet_event(w, &ev);
    }
    if (now > w->now)
        w->now = now;
}

double world_chance(const struct world *w, const char *name, uint64_t n)
{
    struct rng r;
    rng_init_named(&r, w->seed ^ (n * UINT64_C(0x9e3779b97f4a7c15)), name);
    return rng_unit(&r);
}

const struct fault *world_window(const struct world *w, enum fault_kind kind)
{
    for (size_t i = 0; i < w->sc->n_faults; i++) {
        const struct fault *f = &w->sc->faults[i];
        if (f->kind == kind && w->now >= f->at && w->now < f->until)
            return f;
    }
    return NULL;
}

/* --- look-up of devices by id */

static void index_ids(struct world *w)
{
    for (w->n_ids = 64; w->n_ids < w->n_devs * 2; w->n_ids *= 2)
        ;
    w->ids = xreallocarray(NULL, w->n_ids, sizeof *w->ids);
    for (size_t i = 0; i < w->n_ids; i++)
        w->ids[i] = W_NONE;
    for (size_t i = 0; i < w->n_devs; i++) {
        size_t at = hash_bytes(w->devs[i].id, strlen(w->devs[i].id)) & (w->n_ids - 1);
        while (w->ids[at] != W_NONE)
            at = (at + 1) & (w->n_ids - 1);
        w->ids[at] = (int32_t)i;
    }
}

int world_find(const struct world *w, const char *id)
{
    size_t at = hash_bytes(id, strlen(id)) & (w->n_ids - 1);
    for (; w->ids[at] != W_NONE; at = (at + 1) & (w->n_ids - 1))
        if (!strcmp(w->devs[w->ids[at]].id, id))
            return w->ids[at];
    return W_NONE;
}

/* --- the state of things when the drill starts */

static void add_releases(struct world *w)
{
    const struct scenario_rollout *r = &w->sc->rollout;
    w->n_ds = 2;
    w->ds = xcalloc(w->n_ds, sizeof *w->ds);
    w->ds_old = 0;
    w->ds_new = 1;
    w->ds[0] = (struct w_ds){.name = xstrdup(r->old_name), .version = xstrdup(r->old_version)};
    w->ds[1] = (struct w_ds){.name = xstrdup(r->new_name), .version = xstrdup(r->new_version)};
    w->ds[0].created = w->ds[0].modified = -HISTORY_AGE - US_PER_DAY;
    w->ds[1].created = w->ds[1].modified = -US_PER_DAY;
    w->ds[0].locked = true;
}

/* The rollout that brought the old firmware, long finished: a real server has its past too. */
static void add_history(struct world *w, const int *all)
{
    char name[160];
    snprintf(name, sizeof name, "%s %s", w->sc->rollout.old_name, w->sc->rollout.old_version);
    struct w_group_spec g = {"all", "all", 100, "95", "20", "THRESHOLD", "THRESHOLD", false};
    struct w_rollout_spec s = {.name = name,
                               .description = "",
                               .filter = "name==*",
                               .type = "forced",
                               .ds = w->ds_old,
                               .start_at = INT64_MIN,
                               .groups = &g,
                               .n_groups = 1,
                               .devs = all,
                               .n_devs = w->n_devs};
    int r = rollout_add(w, &s);
    struct w_rollout *ro = &w->rollouts[r];
    struct w_group *gr = &w->groups[ro->first_group];
    for (size_t i = 0; i < gr->n_devs; i++) {
        struct w_dev *d = &w->devs[gr->devs[i]];
        int a = action_new(w, gr->devs[i], w->ds_old, r, ro->first_group, WA_FINISHED, "forced");
        w->actions[a].active = false;
        w->actions[a].created = -HISTORY_AGE;
        w->actions[a].modified = d->installed_at;
        gr->acts[i] = a;
    }
    gr->count[WC_FINISHED] = (int64_t)gr->n_devs;
    gr->count[WC_NOTSTARTED] = 0;
    gr->state = WG_FINISHED;
    ro->state = WR_FINISHED;
    ro->started = true;
    ro->created = gr->created = -HISTORY_AGE;
    ro->modified = gr->modified = -HISTORY_AGE + US_PER_DAY;
    ro->modified_by = "system";
}

static bool at_site(const struct world *w, const struct scenario_group *g, int dev)
{
    for (size_t i = 0; i < g->n_sites; i++)
        if (!strcmp(g->sites[i], w->sc->devices.sites[w->devs[dev].site]))
            return true;
    return false;
}

/* The devices of waves by sites, in the order of the waves; n[i] of the i-th. What no wave names comes last. */
static void by_sites(const struct world *w, const int *all, int *out, size_t *n)
{
    const struct scenario_rollout *r = &w->sc->rollout;
    size_t k = 0;
    for (size_t i = 0; i <= r->n_groups; i++) {
        size_t before = k;
        for (size_t d = 0; d < w->n_devs; d++) {
            size_t first = 0;
            while (first < r->n_groups && !at_site(w, &r->groups[first], all[d]))
                first++;
            if (first == i)
                out[k++] = all[d];
        }
        if (i < r->n_groups)
            n[i] = k - before;
    }
}

static void add_rollout(struct world *w, const int *in_order)
{
    const struct scenario_rollout *r = &w->sc->rollout;
    struct w_group_spec *g = xcalloc(r->n_groups, sizeof *g);
    int *all = xreallocarray(NULL, w->n_devs, sizeof *all);
    size_t *of_sites = xcalloc(r->n_groups, sizeof *of_sites);
    by_sites(w, in_order, all, of_sites);
    size_t up_to = 0, taken = 0;
    for (size_t i = 0; i < r->n_groups; i++) {
        const struct scenario_group *s = &r->groups[i];
        up_to += of_sites[i];
        size_t n = up_to > taken ? up_to - taken : 0; /* of its sites, less those that waves before it have */
        double percent = i + 1 == r->n_groups ? 100 : s->n_sites ? 100.0 * (double)n / (double)w->n_devs : s->percent;
        taken += (size_t)llround((double)w->n_devs * percent / 100);
        g[i] = (struct w_group_spec){s->name,  s->name,     percent,     s->success,
                                     s->error, "THRESHOLD", "THRESHOLD", s->pause_after};
    }
    struct w_rollout_spec spec = {.name = r->name,
                                  .description = r->description,
                                  .filter = "name==*",
                                  .type = "forced",
                                  .ds = w->ds_new,
                                  .start_at = r->start_us > 0 && !r->by_hand ? r->start_us : INT64_MIN,
                                  .groups = g,
                                  .n_groups = r->n_groups,
                                  .devs = all,
                                  .n_devs = w->n_devs};
    int i = w->main_rollout = rollout_add(w, &spec);
    struct w_rollout *ro = &w->rollouts[i];
    ro->created = ro->modified = w->now - 10 * US_PER_MIN;
    for (int k = 0; k < ro->n_groups; k++) {
        struct w_group *gr = &w->groups[ro->first_group + k];
        gr->created = gr->modified = ro->created;
        gr->state = WG_READY;
    }
    rollout_state(w, i, r->approval ? WR_WAITING : WR_READY, "system");
    if (!r->approval && !r->by_hand && r->start_us == 0) {
        if (w->now < 0)
            world_push(w, 0, EV_BEGIN, 0, 0, 0);
        else
            rollout_begin(w, i);
    }
    free(of_sites);
    free(all);
    free(g);
}

struct world *world_new(const struct scenario *sc, uint64_t seed, int64_t epoch)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->sc = sc;
    w->seed = seed;
    w->epoch = epoch;
    w->now = -sc->lead_in_us;
    w->first_injected = TIME_NEVER;
    w->next_rollout = 4470;
    w->next_group = 9100;
    w->next_history = 1;
    w->approval = sc->rollout.approval;
    w->page_at = TIME_NEVER;
    buf_init(&w->page, PAGE_LIMIT);
    w->n_devs = (size_t)sc->devices.count;
    w->devs = xcalloc(w->n_devs, sizeof *w->devs);
    if (sc->devices.n_metrics > 0)
        w->counters = xcalloc(w->n_devs * sc->devices.n_metrics, sizeof *w->counters);
    add_releases(w);
    fleet_init(w);
    index_ids(w);
    int *all = xreallocarray(NULL, w->n_devs, sizeof *all);
    for (size_t i = 0; i < w->n_devs; i++)
        all[i] = (int)i;
    if (sc->rollout.history)
        add_history(w, all);
    add_rollout(w, all);
    free(all);
    if (sc->rollout.auto_assign) {
        w->filters = xcalloc(1, sizeof *w->filters);
        w->n_filters = 1;
        w->filters[0] = (struct w_filter){.id = 1,
                                          .name = xstrdup("newcomers"),
                                          .query = xstrdup("name==new-*"),
                                          .ds = w->ds_new,
                                          .created = -US_PER_DAY,
                                          .modified = -US_PER_DAY};
    }
    return w;
}

void world_free(struct world *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_devs; i++) {
        free(w->devs[i].actions);
        free(w->devs[i].label);
    }
    for (size_t i = 0; i < w->n_ds; i++) {
        free(w->ds[i].name);
        free(w->ds[i].version);
        for (size_t k = 0; k < w->ds[i].n_metadata; k++) {
            free(w->ds[i].metadata[k].key);
            free(w->ds[i].metadata[k].value);
        }
        free(w->ds[i].metadata);
    }
    for (size_t i = 0; i < w->n_rollouts; i++) {
        struct w_rollout *r = &w->rollouts[i];
        char *const owned[] = {r->name, r->description, r->filter, r->remark, r->decided_by, r->type};
        for (size_t k = 0; k < sizeof owned / sizeof owned[0]; k++)
            free(owned[k]);
    }
    for (size_t i = 0; i < w->n_groups; i++) {
        struct w_group *g = &w->groups[i];
        char *const owned[] = {g->name, g->description, g->success, g->error, g->success_condition, g->error_condition};
        for (size_t k = 0; k < sizeof owned / sizeof owned[0]; k++)
            free(owned[k]);
        free(g->devs);
        free(g->acts);
    }
    for (size_t i = 0; i < w->n_actions; i++)
        free(w->actions[i].history);
    for (size_t i = 0; i < w->n_filters; i++) {
        free(w->filters[i].name);
        free(w->filters[i].query);
    }
    free(w->devs);
    free(w->ds);
    free(w->rollouts);
    free(w->groups);
    free(w->actions);
    free(w->filters);
    free(w->counters);
    free(w->heap);
    free(w->ids);
    buf_release(&w->page);
    free(w);
}
