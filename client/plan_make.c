#include "client/plan_make.h"

#include <string.h>
#include "core/text.h"

#define ASK_EACH 1000 /* devices whose attributes are asked for one by one */

struct making {
    struct backend *b;
    struct arena *arena;
    struct wave_plan *p;
    struct plan_target target;
    const struct plan_named *named;
    backend_done done;
    void *ctx;
    /* a release that is looked for: both its parts may hold colons, so that each one is tried, from the right */
    const char *text;
    char *name;
    struct release *release, from;
    void (*found)(struct making *m, const struct reply *r);
    struct device_list devices;
    struct attribute_table table;
    size_t strata_key, order_key;
};

static void fail(struct making *m, const struct err *e)
{
    struct reply r = {.err = e};
    m->done(m->ctx, &r);
}

/* ---- a release by its name ---- */

static void next_split(struct making *m, const struct reply *r);

static void on_release(void *ctx, const struct reply *r)
{
    struct making *m = ctx;
    if (r->err && r->err->code == ERR_NOT_FOUND)
        next_split(m, r);
    else if (r->err)
        m->done(m->ctx, r);
    else
        m->found(m, r);
}

/* `r`: the answer to the split before, NULL = there was none. */
static void next_split(struct making *m, const struct reply *r)
{
    char *colon = strrchr(m->name, ':');
    (void)r;
    if (colon) {
        *colon = '\0';
        m->b->ops->release(m->b, NULL, m->name, m->text + (colon - m->name) + 1, m->arena, m->release, on_release, m);
        return;
    }
    struct err e = {0};
    char safe[160];
    safe_text_into(safe, sizeof safe, m->text, strlen(m->text));
    (void)err_set(&e, ERR_NOT_FOUND, "Write it as NAME:VERSION, as the server has it.",
                  "there is no release %s on this server", safe);
    fail(m, &e);
}

static void find_release(struct making *m, const char *text, struct release *out,
                         void (*found)(struct making *m, const struct reply *r))
{
    m->text = text;
    m->name = arena_strdup(m->arena, text);
    m->release = out;
    m->found = found;
    next_split(m, NULL);
}

/* ---- what its devices bear, and the pick ---- */

static void pick(struct making *m, const struct reply *r)
{
    struct err e = {0};
    if (!m->p->name)
        m->p->name = arena_printf(m->arena, "%.60s %.40s", m->p->release.name, m->p->release.version);
    if (plan_pick(m->p, m->arena, &e))
        m->done(m->ctx, r);
    else
        fail(m, &e);
}

static bool take_attributes(struct making *m, struct err *e)
{
    struct wave_plan *p = m->p;
    const struct attribute_table *t = &m->table;
    int32_t *place = ARENA_ARRAY(m->arena, int32_t, t->n_names + 1);
    memset(place, -1, (t->n_names + 1) * sizeof *place);
    p->strata_values = ARENA_ARRAY(m->arena, const char *, PLAN_VALUES_MAX);
    p->stratum = *p->strata ? ARENA_ARRAY(m->arena, uint16_t, p->n) : NULL;
    p->exposure = *p->order ? ARENA_ARRAY(m->arena, uint16_t, p->n) : NULL;
    for (size_t i = 0; *p->strata && i < p->n; i++) {
        int32_t v = t->v[i * t->n_keys + m->strata_key];
        if (v >= 0 && place[v] < 0) {
            if (p->n_strata == PLAN_VALUES_MAX)
                return err_set(e, ERR_LIMIT, "Name an attribute with fewer.", "%s has more than %d values", p->strata,
                               PLAN_VALUES_MAX);
            place[v] = (int32_t)p->n_strata;
            p->strata_values[p->n_strata++] = t->names[v];
        }
    }
    for (size_t i = 0; i < p->n; i++) {
        if (*p->strata) {
            int32_t v = t->v[i * t->n_keys + m->strata_key];
            p->stratum[i] = (uint16_t)(v >= 0 ? (size_t)place[v] : p->n_strata);
        }
        if (*p->order) {
            int32_t v = t->v[i * t->n_keys + m->order_key];
            size_t k = 0;
            while (k < p->n_order && (v < 0 || strcmp(p->order_values[k], t->names[v]) != 0))
                k++;
            p->exposure[i] = (uint16_t)k;
        }
    }
    return true;
}

static void on_attributes(void *ctx, const struct reply *r)
{
    struct making *m = ctx;
    struct err e = {0};
    if (r->err)
        m->done(m->ctx, r);
    else if (take_attributes(m, &e))
        pick(m, r);
    else
        fail(m, &e);
}

static void find_attributes(struct making *m, const struct reply *r)
{
    const struct wave_plan *p = m->p;
    const char *keys[2];
    size_t n = 0;
    if (*p->strata)
        keys[m->strata_key = n++] = p->strata;
    if (*p->order)
        keys[m->order_key = n++] = p->order;
    if (n == 2 && strcmp(p->strata, p->order) == 0)
        m->order_key = m->strata_key, n = 1;
    if (n == 0) {
        pick(m, r);
    } else if (!m->b->ops->attributes) {
        struct err e = {0};
        (void)err_set(&e, ERR_UNSUPPORTED, "Leave out strata and order.", "this server has no attributes of devices");
        fail(m, &e);
    } else {
        m->b->ops->attributes(m->b, p->raw_ids, p->n, keys, n, ASK_EACH, false, m->arena, &m->table, on_attributes, m);
    }
}

/* ---- which devices ---- */

static bool add(struct making *m, const char *raw, struct err *e)
{
    if (strlen(raw) > PLAN_RAW_MAX || m->p->n == PLAN_DEVICES_MAX)
        return err_set(e, ERR_LIMIT, "Make several plans.",
                       "more than %d devices, or an id that is longer than %d bytes", PLAN_DEVICES_MAX, PLAN_RAW_MAX);
    m->p->raw_ids[m->p->n++] = m->named ? arena_strdup(m->arena, raw) : raw;
    return true;
}

static void take_devices(struct making *m, const struct reply *r)
{
    struct err e = {0};
    bool ok = true;
    size_t n = m->named ? m->named->n : m->devices.n;
    m->p->raw_ids = ARENA_ARRAY(m->arena, const char *, n < PLAN_DEVICES_MAX ? n + 1 : PLAN_DEVICES_MAX);
    m->p->n = 0;
    for (size_t i = 0; ok && i < n; i++)
        ok = add(m, m->named ? m->named->raw_ids[i] : m->devices.v[i].raw_id, &e);
    if (ok && n == 0)
        ok = err_set(&e, ERR_NOT_FOUND, "Look at the target.", "there is no such device");
    if (ok)
        find_attributes(m, r);
    else
        fail(m, &e);
}

static void on_devices(void *ctx, const struct reply *r)
{
    struct making *m = ctx;
    if (r->err)
        m->done(m->ctx, r);
    else
        take_devices(m, r);
}

static void ask_devices(struct making *m, const struct device_filter *f)
{
    m->b->ops->devices(m->b, f, PLAN_DEVICES_MAX + 1, m->arena, &m->devices, on_devices, m);
}

static void of_release(struct making *m, const struct reply *r)
{
    struct device_filter f = {.installed = &m->from};
    (void)r;
    ask_devices(m, &f);
}

static void find_devices(struct making *m, const struct reply *r)
{
    const struct plan_target *t = &m->target;
    const char *pair[1][2] = {{t->attribute, t->value}};
    struct device_filter f = {.equals = (const char *const(*)[2])pair, .n_equals = 1};
    struct err e = {0};
    switch (t->among) {
    case PLAN_AMONG_ALL:
        ask_devices(m, NULL);
        break;
    case PLAN_AMONG_ATTRIBUTE:
        ask_devices(m, &f);
        break;
    case PLAN_AMONG_RELEASE:
        find_release(m, t->value, &m->from, of_release);
        break;
    case PLAN_AMONG_FILE:
        if (m->named) {
            take_devices(m, r);
            break;
        }
        (void)err_set(&e, ERR_SYNTAX, "Make it with `andon plan create`.", "no file is read here");
        fail(m, &e);
        break;
    }
}

void plan_make(struct backend *b, const struct plan_wish *w, const struct plan_named *named, uint64_t salt, int64_t now,
               struct arena *a, struct wave_plan *out, backend_done done, void *ctx)
{
    struct making *m = ARENA_NEW(a, struct making);
    struct err e = {0};
    *m = (struct making){.b = b, .arena = a, .p = out, .done = done, .ctx = ctx};
    *out = (struct wave_plan){.salt = salt, .created_at = now};
    bool ok = plan_wish_read(w, a, out, &m->target, &e);
    if (ok && m->target.among == PLAN_AMONG_FILE && named)
        m->named = arena_memdup(a, named, sizeof *named);
    if (ok && (!b->ops->tell || !b->ops->standing))
        ok = err_set(&e, ERR_UNSUPPORTED, "",
                     "devices of this fleet cannot be told by name: andon keeps no waves for it");
    if (!ok)
        fail(m, &e);
    else
        find_release(m, arena_strdup(a, w->word[PLAN_F_RELEASE]), &out->release, find_devices);
}
