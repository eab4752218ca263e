#include "client/wrap.h"

#include <stdlib.h>

static struct wrap *of(struct backend *b)
{
    return (struct wrap *)b;
}

struct wrap_call *wrap_begin(struct backend *b, const char *op, bool verb, backend_done done, void *ctx)
{
    struct wrap_call *c = xcalloc(1, sizeof *c);
    *c = (struct wrap_call){.w = of(b), .op = op, .verb = verb, .done = done, .ctx = ctx};
    return c;
}

void wrap_end(struct wrap_call *c, const struct reply *r)
{
    c->done(c->ctx, r);
    free(c);
}

void wrap_done(void *ctx, const struct reply *r)
{
    struct wrap_call *c = ctx;
    struct wrap *w = c->w;
    /* A plug-in says with its greeting how many it takes. */
    w->ops.tell_most = w->inner->ops->tell_most;
    w->ops.recall_most = w->inner->ops->recall_most;
    if (!w->answer || w->answer(w, c, r))
        wrap_end(c, r);
}

/* Its `begin` has been asked; NULL: the call does not go on. */
static struct wrap_call *goes_on(struct wrap_call *c)
{
    return !c->w->begin || c->w->begin(c->w, c) ? c : NULL;
}

#define ARGS(...) __VA_ARGS__
/* `params` and `args` stand between the back end and the callback. */
#define FORWARD(name, is_verb, params, args)                                                                           \
    static void name(struct backend *b, ARGS params, backend_done done, void *ctx)                                     \
    {                                                                                                                  \
        struct wrap_call *c = goes_on(wrap_begin(b, #name, is_verb, done, ctx));                                       \
        if (c)                                                                                                         \
            c->w->inner->ops->name(c->w->inner, ARGS args, wrap_done, c);                                              \
    }

FORWARD(probe, false, (struct arena * a, struct backend_info *out), (a, out))
FORWARD(rollouts, false, (size_t limit, struct arena *a, struct rollout_list *out), (limit, a, out))
FORWARD(rollout, false, (const char *id, struct arena *a, struct rollout *out), (id, a, out))
FORWARD(waves, false, (const char *rollout, struct arena *a, struct wave_list *out), (rollout, a, out))
FORWARD(wave_devices, false,
        (const char *rollout, const char *wave, size_t limit, struct arena *a, struct device_list *out),
        (rollout, wave, limit, a, out))
FORWARD(devices, false, (const struct device_filter *f, size_t limit, struct arena *a, struct device_list *out),
        (f, limit, a, out))
FORWARD(find, false, (const struct find_filter *f, size_t limit, struct arena *a, struct device_list *out),
        (f, limit, a, out))
FORWARD(inflight, false, (const char *rollout, struct arena *a, struct inflight *out), (rollout, a, out))
FORWARD(release, false, (const char *id, const char *name, const char *version, struct arena *a, struct release *out),
        (id, name, version, a, out))
FORWARD(releases, false, (size_t limit, struct arena *a, struct release_list *out), (limit, a, out))
FORWARD(device, false, (const char *raw_id, struct arena *a, struct device_info *out), (raw_id, a, out))
FORWARD(verb, true, (const char *rollout, enum backend_verb v, const char *remark), (rollout, v, remark))
FORWARD(create_rollout, true, (const struct rollout_spec *spec, struct arena *a, const char **id_out),
        (spec, a, id_out))
FORWARD(cancel_action, true, (const char *raw_device, const char *action, bool force), (raw_device, action, force))
FORWARD(assign, true, (const char *raw_device, const char *release_id, bool offline), (raw_device, release_id, offline))
FORWARD(auto_assigns, false, (const char *release_id, struct arena *a, struct auto_assign_list *out),
        (release_id, a, out))
FORWARD(auto_assign_off, true, (const char *filter_id), (filter_id))
FORWARD(standing, false,
        (const struct release *r, const char *const *raw_ids, size_t n, struct arena *a, struct device_standing *out),
        (r, raw_ids, n, a, out))
FORWARD(told_at, false, (const char *rollout, const char *raw_device, struct arena *a, int64_t *out),
        (rollout, raw_device, a, out))
FORWARD(attributes, false,
        (const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys, size_t limit, bool exact,
         struct arena *a, struct attribute_table *out),
        (raw_ids, n, keys, n_keys, limit, exact, a, out))
FORWARD(notes, false,
        (const char *const *release_ids, size_t n, const char *prefix, struct arena *a, struct note_list *out),
        (release_ids, n, prefix, a, out))
FORWARD(note_put, true, (const char *release_id, const char *key, const char *value, size_t n),
        (release_id, key, value, n))
FORWARD(note_delete, true, (const char *release_id, const char *key), (release_id, key))

static void tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                 struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct wrap_call *c = wrap_begin(b, "tell", true, done, ctx);
    c->told = out;
    c->n = n;
    c->arena = a;
    if (goes_on(c))
        c->w->inner->ops->tell(c->w->inner, r, raw_ids, n, key, a, out, wrap_done, c);
}

static void recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                   const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
                   void *ctx)
{
    struct wrap_call *c = wrap_begin(b, "recall", true, done, ctx);
    c->told = out;
    c->n = n;
    c->arena = a;
    if (goes_on(c))
        c->w->inner->ops->recall(c->w->inner, r, raw_ids, n, key, undo, force, a, out, wrap_done, c);
}

static bool filter_parts(struct backend *b, const struct device_filter *f, struct arena *a, struct filter_parts *out,
                         struct err *e)
{
    struct backend *inner = of(b)->inner;
    return inner->ops->filter_parts(inner, f, a, out, e);
}

void wrap_init(struct wrap *w, struct backend *inner, void (*free_wrap)(struct backend *b))
{
    const struct backend_ops *has = inner->ops;
    w->ops = (struct backend_ops){
        .kind = has->kind, .free = free_wrap, .tell_most = has->tell_most, .recall_most = has->recall_most};
#define IF_HAS(name) w->ops.name = has->name ? (name) : NULL
    IF_HAS(probe);
    IF_HAS(rollouts);
    IF_HAS(rollout);
    IF_HAS(waves);
    IF_HAS(wave_devices);
    IF_HAS(devices);
    IF_HAS(filter_parts);
    IF_HAS(find);
    IF_HAS(inflight);
    IF_HAS(release);
    IF_HAS(releases);
    IF_HAS(device);
    IF_HAS(verb);
    IF_HAS(create_rollout);
    IF_HAS(cancel_action);
    IF_HAS(assign);
    IF_HAS(auto_assigns);
    IF_HAS(auto_assign_off);
    IF_HAS(standing);
    IF_HAS(tell);
    IF_HAS(recall);
    IF_HAS(told_at);
    IF_HAS(attributes);
    IF_HAS(notes);
    IF_HAS(note_put);
    IF_HAS(note_delete);
#undef IF_HAS
    w->base = (struct backend){.ops = &w->ops, .http = inner->http};
    w->inner = inner;
}

void wrap_release(struct wrap *w)
{
    backend_free(w->inner);
}
