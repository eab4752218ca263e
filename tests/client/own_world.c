#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "own_world.h"

#define START (INT64_C(1700000000) * US_PER_S)

static int64_t clock_of(struct clock *c)
{
    return ((const struct ow_world *)c)->now;
}

static struct ow_guard *guard_of(struct backend *b)
{
    return (struct ow_guard *)b;
}

static struct ow_event *put(struct ow_guard *g, enum ow_kind kind)
{
    struct ow_world *w = g->w;
    assert_true(w->n_events < OW_EVENTS);
    struct ow_event *e = &w->events[w->n_events++];
    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->g = g;
    e->n = w->n_made++;
    return e;
}

/* ---- the log ---- */

static struct plan_entry keep(struct ow_world *w, const struct plan_entry *e)
{
    struct plan_entry k = *e;
    struct arena *a = &w->arena;
    k.plan = arena_strdup(a, e->plan);
    k.by = arena_strdup(a, e->by);
    k.key = arena_strdup(a, e->key);
    k.reason = arena_strdup(a, e->reason);
    k.outcomes = arena_strdup(a, e->outcomes);
    if (e->blob)
        k.blob = arena_strndup(a, e->blob, e->blob_n);
    return k;
}

static int64_t add(struct ow_world *w, struct plan_entry e)
{
    if (w->n_log == w->cap_log) {
        w->cap_log = w->cap_log ? 2 * w->cap_log : 256;
        w->log = xreallocarray(w->log, w->cap_log, sizeof *w->log);
    }
    e.seq = (int64_t)w->n_log + 1;
    w->log[w->n_log++] = e;
    return e.seq;
}

static void l_append(void *ctx, const struct plan_entry *e, bool kept, const struct reply *r, own_append_done done,
                     void *arg)
{
    struct ow_event *v = put(ctx, OW_APPEND);
    (void)r;
    v->e = keep(v->g->w, e);
    v->keep = kept;
    v->appended = done;
    v->arg = arg;
}

static void l_read(void *ctx, int64_t after, own_read_done done, void *arg)
{
    struct ow_event *v = put(ctx, OW_READ);
    v->after = after;
    v->read = done;
    v->arg = arg;
}

static void l_wake(void *ctx, int64_t at)
{
    struct ow_guard *g = ctx;
    g->wake_at = at;
}

static bool l_may(void *ctx, const char *plan, bool here, bool tell)
{
    struct ow_guard *g = ctx;
    (void)plan;
    (void)tell;
    return g->may || here;
}

static bool l_lives(void *ctx, const char *by)
{
    struct ow_guard *g = ctx;
    for (int i = 0; i < OW_GUARDS; i++)
        if (g->w->guards[i].own && strcmp(g->w->guards[i].me, by) == 0)
            return true;
    return false;
}

static uint64_t l_unique(void *ctx)
{
    struct ow_guard *g = ctx;
    return ++g->w->unique * UINT64_C(0x9e3779b97f4a7c15);
}

/* ---- the server ---- */

static struct ow_device *device_of(struct ow_world *w, const char *id)
{
    size_t i = strlen(id) > 4 ? (size_t)strtol(id + 4, NULL, 10) : 0; /* as they are called at first */
    for (size_t k = 0; k < w->n; k++, i++)
        if (strcmp(w->v[i % w->n].id, id) == 0)
            return &w->v[i % w->n];
    fail_msg("there is no device %s", id);
    return NULL;
}

static void s_free(struct backend *b)
{
    (void)b;
}

static void s_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    struct ow_event *v = put(guard_of(b), OW_PROBE);
    v->info = out;
    v->a = a;
    v->done = done;
    v->arg = ctx;
}

static void s_list(struct backend *b, size_t limit, struct arena *a, struct rollout_list *out, backend_done done,
                   void *ctx)
{
    struct ow_event *v = put(guard_of(b), OW_LIST);
    (void)limit;
    v->list = out;
    v->a = a;
    v->done = done;
    v->arg = ctx;
}

static void s_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                      struct release *out, backend_done done, void *ctx)
{
    struct ow_event *v = put(guard_of(b), OW_RELEASE);
    (void)name;
    (void)version;
    assert_string_equal(id, "17");
    v->release = out;
    v->a = a;
    v->done = done;
    v->arg = ctx;
}

static void s_standing(struct backend *b, const struct release *r, const char *const *ids, size_t n, struct arena *a,
                       struct device_standing *out, backend_done done, void *ctx)
{
    struct ow_event *v = put(guard_of(b), OW_STANDING);
    assert_string_equal(r->id, "17");
    v->ids = ids;
    v->n_ids = n;
    v->standing = out;
    v->a = a;
    v->done = done;
    v->arg = ctx;
}

static void s_tell(struct backend *b, const struct release *r, const char *const *ids, size_t n, const char *key,
                   struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct ow_event *v = put(guard_of(b), OW_TELL);
    assert_string_equal(r->id, "17");
    assert_true(n >= 1 && n <= v->g->w->tell_most);
    v->ids = ids;
    v->n_ids = n;
    v->results = out;
    v->a = a;
    v->done = done;
    v->arg = ctx;
    snprintf(v->key, sizeof v->key, "%s", key);
}

static void s_recall(struct backend *b, const struct release *r, const char *const *ids, size_t n, const char *key,
                     const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
                     void *ctx)
{
    struct ow_event *v = put(guard_of(b), OW_RECALL);
    (void)r;
    assert_non_null(undo);
    for (size_t i = 0; i < n; i++) {
        char want[40];
        snprintf(want, sizeof want, "feed of %s", ids[i]);
        assert_string_equal(undo[i], want);
    }
    v->force = force;
    v->ids = ids;
    v->n_ids = n;
    v->results = out;
    v->a = a;
    v->done = done;
    v->arg = ctx;
    snprintf(v->key, sizeof v->key, "%s", key);
}

static enum standing_at stands(const struct ow_world *w, const struct ow_device *d)
{
    if (d->told == 0)
        return AT_OTHER;
    if (d->recalled && !d->deaf && !(d->lost && w->now >= d->told_at + w->install_us))
        return AT_RECALLED;
    if (d->cut)
        return AT_LOST;
    if (w->now < d->told_at + w->install_us)
        return d->busy ? AT_BUSY : AT_TOLD;
    return d->fails ? AT_FAILED : AT_INSTALLED;
}

/* ---- effects ---- */

static void tell_now(struct ow_world *w, struct ow_event *v)
{
    enum ow_fault f = w->fault_every > 0 && rng_below(&w->rng, (uint64_t)w->fault_every) == 0 ? w->fault : OW_FINE;
    if (w->down)
        f = OW_DROPPED;
    for (size_t i = 0; i < v->n_ids; i++) {
        struct ow_device *d = device_of(w, v->ids[i]);
        struct tell_result *t = &v->results[i];
        t->undo = arena_printf(v->a, "feed of %s", d->id);
        if (f == OW_FINE || f == OW_LOST || (f == OW_HALF && i < v->n_ids / 2)) {
            d->told++;
            d->told_at = w->now;
            w->told++;
        }
        t->outcome = f == OW_FINE || f == OW_LIES ? TELL_DONE : f == OW_BUSY ? TELL_REFUSED : TELL_NOT_KNOWN;
    }
    w->tells += f != OW_DROPPED && f != OW_BUSY && f != OW_LIES;
    v->failed = f != OW_FINE && f != OW_LIES;
    v->maybe = f != OW_BUSY;
    if (v->failed)
        (void)err_set(&v->err, f == OW_BUSY ? ERR_THROTTLED : f == OW_HALF ? ERR_PROTOCOL : ERR_NETWORK, "", "fault");
}

static void recall_now(struct ow_world *w, struct ow_event *v)
{
    for (size_t i = 0; i < v->n_ids; i++) {
        struct ow_device *d = device_of(w, v->ids[i]);
        if (w->recall_takes && i >= w->recall_takes) {
            v->results[i].outcome = TELL_NOT_SENT;
            continue;
        }
        enum standing_at at = stands(w, d);
        bool can = at == AT_TOLD || (at == AT_BUSY && v->force);
        d->recalled = d->recalled || (can && at == AT_TOLD);
        d->cut = d->cut || (can && at == AT_BUSY);
        d->recalls++;
        v->results[i].outcome = can ? TELL_DONE : TELL_REFUSED;
    }
}

static void effect(struct ow_world *w, struct ow_event *v)
{
    v->in_effect = true;
    if (w->down && v->kind >= OW_STANDING) {
        v->failed = true;
        (void)err_set(&v->err, ERR_NETWORK, "", "the server is down");
        return;
    }
    switch (v->kind) {
    case OW_APPEND:
        v->failed = w->log_full && v->e.event != PLAN_EVENT_COUNT;
        if (v->failed)
            (void)err_set(&v->err, ERR_IO, "", "the log's disk is full");
        else
            v->seq = add(w, v->e);
        break;
    case OW_READ:
        v->seq = (int64_t)w->n_log;
        break;
    case OW_TELL:
        tell_now(w, v);
        break;
    case OW_RECALL:
        recall_now(w, v);
        break;
    case OW_STANDING:
        w->asked += (int64_t)v->n_ids;
        w->lookups++;
        for (size_t i = 0; i < v->n_ids; i++)
            v->standing[i].at = stands(w, device_of(w, v->ids[i]));
        break;
    case OW_PROBE:
        *v->info = (struct backend_info){.kind = "fake", .version = "1", .user = "", .caps = w->caps};
        break;
    case OW_RELEASE:
        *v->release = (struct release){"17", "hearth", "4.12.1", 0};
        break;
    case OW_LIST:
        v->list->v = ARENA_ARRAY(v->a, struct rollout, 2);
        v->list->n = 2;
        for (size_t i = 0; i < 2; i++)
            v->list->v[i] = (struct rollout){
                .id = i == 0 ? "7" : "plan-0123456789abcdef", .name = "the server's", .created_at = START - US_PER_MIN};
        break;
    }
}

static void answer(struct ow_world *w, const struct ow_event *v)
{
    struct reply r = {.err = v->failed ? &v->err : NULL, .maybe_sent = v->maybe};
    struct own_entries all = {.upto = v->seq};
    switch (v->kind) {
    case OW_APPEND:
        v->appended(v->arg, v->failed ? 0 : v->seq, v->failed ? &v->err : NULL);
        break;
    case OW_READ:
        all.v = w->log + v->after;
        all.n = (size_t)(v->seq - v->after);
        v->read(v->arg, &all, NULL);
        break;
    case OW_TELL:
    case OW_STANDING:
    case OW_RECALL:
    case OW_PROBE:
    case OW_LIST:
    case OW_RELEASE:
        v->done(v->arg, &r);
        break;
    }
}

/* ---- steps ---- */

void ow_kill(struct ow_world *w, int i)
{
    struct ow_guard *g = &w->guards[i];
    size_t n = 0;
    for (size_t k = 0; k < w->n_events; k++)
        if (w->events[k].g != g)
            w->events[n++] = w->events[k];
    w->n_events = n;
    backend_free(g->own);
    g->own = NULL;
    g->wake_at = TIME_NEVER;
}

/* A log that cannot be written keeps what must be kept, for later. */
static bool held_back(const struct ow_world *w, const struct ow_event *v)
{
    return v->kind == OW_APPEND && v->keep && w->log_full;
}

static struct ow_event *choose(struct ow_world *w)
{
    struct ow_event *best = NULL;
    size_t ready = 0;
    for (size_t i = 0; i < w->n_events; i++) {
        struct ow_event *v = &w->events[i];
        bool behind = false; /* a guard's entries come into the log in order */
        for (size_t k = 0; k < w->n_events && (v->kind == OW_APPEND || v->kind == OW_READ) && !v->in_effect; k++)
            behind = behind || (w->events[k].g == v->g && w->events[k].n < v->n && !held_back(w, &w->events[k]) &&
                                (w->events[k].kind == OW_APPEND || w->events[k].kind == OW_READ));
        if (held_back(w, v) || behind)
            continue;
        ready++;
        if (!best || (w->shuffled ? rng_below(&w->rng, ready) == 0 : v->n < best->n))
            best = v;
    }
    return best;
}

bool ow_step(struct ow_world *w, int64_t until)
{
    if (w->kill_at >= 0 && w->steps == w->kill_at && w->guards[0].own)
        ow_kill(w, 0);
    struct ow_event *v = choose(w);
    if (v) {
        w->steps++;
        if (!v->in_effect) {
            effect(w, v);
            return true;
        }
        struct ow_event e = *v;
        *v = w->events[--w->n_events];
        answer(w, &e);
        return true;
    }
    struct ow_guard *next = NULL;
    for (int i = 0; i < OW_GUARDS; i++)
        if (w->guards[i].own && w->guards[i].wake_at != TIME_NEVER && (!next || w->guards[i].wake_at < next->wake_at))
            next = &w->guards[i];
    if (!next || next->wake_at > until)
        return false;
    if (next->wake_at > w->now)
        w->now = next->wake_at;
    next->wake_at = TIME_NEVER;
    own_waves_tick(next->own);
    return true;
}

void ow_run(struct ow_world *w, int64_t seconds)
{
    int64_t until = w->now + seconds * US_PER_S;
    int steps = 0;
    while (ow_step(w, until))
        if (++steps > 2000000)
            fail_msg("it never rests");
    w->now = until;
}

/* ---- setting up ---- */

struct ow_guard *ow_guard(struct ow_world *w, int i)
{
    struct ow_guard *g = &w->guards[i];
    static const struct backend_ops ops = {.kind = "fake",
                                           .free = s_free,
                                           .probe = s_probe,
                                           .release = s_release,
                                           .standing = s_standing,
                                           .tell = s_tell,
                                           .recall = s_recall};
    struct backend_ops *mine = arena_memdup(&w->arena, &ops, sizeof ops);
    mine->tell_most = w->tell_most;
    if (w->rollouts)
        mine->rollouts = s_list;
    g->w = w;
    g->fake.ops = mine;
    g->wake_at = TIME_NEVER;
    g->may = true;
    snprintf(g->me, sizeof g->me, "guard-%d-%d", i, (int)++w->unique);
    struct own_log log = {.ctx = g,
                          .read = l_read,
                          .append = l_append,
                          .wake = l_wake,
                          .may = l_may,
                          .lives = l_lives,
                          .unique = l_unique,
                          .me = g->me,
                          .clock = &w->clock};
    g->own = own_waves_new(&g->fake, &log);
    own_waves_look(g->own);
    return g;
}

void ow_init(struct ow_world *w, size_t devices, size_t tell_most, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->now = START;
    w->clock = (struct clock){.now = clock_of, .wall = clock_of};
    arena_init(&w->arena);
    rng_init(&w->rng, seed);
    w->n = devices;
    w->v = xcalloc(devices, sizeof *w->v);
    for (size_t i = 0; i < devices; i++)
        snprintf(w->v[i].id, sizeof w->v[i].id, "cam-%zu", i);
    w->tell_most = tell_most;
    w->kill_at = -1;
    w->install_us = 30 * US_PER_S;
    w->caps = CAP_TELL | CAP_RECALL;
}

void ow_release(struct ow_world *w)
{
    for (int i = 0; i < OW_GUARDS; i++)
        if (w->guards[i].own)
            ow_kill(w, i);
    free(w->v);
    free(w->log);
    arena_release(&w->arena);
}

void ow_plan(struct ow_world *w, const char *sizes, int success_bp, int failure_bp)
{
    struct wave_plan p = {.name = "hearth 4.12", .description = "", .target = "all devices", .salt = 5};
    struct err e;
    struct buf b;
    p.release = (struct release){"17", "hearth", "4.12.1", 0};
    p.created_at = w->now;
    p.success_bp = success_bp;
    p.failure_bp = failure_bp;
    p.strata = p.order = "";
    p.n = w->n;
    p.raw_ids = ARENA_ARRAY(&w->arena, const char *, p.n);
    for (size_t i = 0; i < p.n; i++)
        p.raw_ids[i] = w->v[i].id;
    assert_true(plan_sizes(sizes, p.sizes, &p.n_waves, &e));
    assert_true(plan_pick(&p, &w->arena, &e));
    buf_init(&b, PLAN_BYTES_MAX);
    assert_true(plan_write(&p, &b, &e));
    snprintf(w->plan_id, sizeof w->plan_id, "%s", p.id);
    struct plan_entry c = {.event = PLAN_CREATED,
                           .t = w->now,
                           .plan = p.id,
                           .by = "cli",
                           .key = "",
                           .reason = "",
                           .outcomes = "",
                           .blob = b.data,
                           .blob_n = b.len};
    (void)add(w, keep(w, &c));
    buf_release(&b);
}

struct waiting {
    bool done, freed;
    struct err err;
};

static void verb_done(void *ctx, const struct reply *r)
{
    struct waiting *x = ctx;
    x->done = true;
    if (r->err)
        x->err = *r->err;
}

static void nobody(void *ctx, const struct reply *r)
{
    (void)ctx;
    (void)r;
}

void ow_verb_begin(struct ow_world *w, int guard, enum backend_verb v)
{
    struct backend *b = w->guards[guard].own;
    b->ops->verb(b, w->plan_id, v, "because", nobody, NULL);
}

struct err ow_verb(struct ow_world *w, int guard, enum backend_verb v)
{
    struct waiting x = {.done = false};
    struct backend *b = w->guards[guard].own;
    ow_run(w, 1); /* the log was read */
    b->ops->verb(b, w->plan_id, v, "because", verb_done, &x);
    for (int i = 0; i < 100000 && !x.done && ow_step(w, w->now + US_PER_MIN); i++)
        ;
    assert_true(x.done);
    return x.err;
}

struct rollout ow_rollout(struct ow_world *w, int guard)
{
    struct waiting x = {.done = false};
    struct rollout r = {.id = ""};
    struct backend *b = w->guards[guard].own;
    b->ops->rollout(b, w->plan_id, &w->arena, &r, verb_done, &x);
    own_waves_tick(b); /* answered from memory */
    assert_true(x.done);
    if (x.err.code != ERR_NONE)
        fail_msg("%s", x.err.what);
    return r;
}

int ow_most_told(const struct ow_world *w)
{
    int most = 0;
    for (size_t i = 0; i < w->n; i++)
        most = w->v[i].told > most ? w->v[i].told : most;
    return most;
}
