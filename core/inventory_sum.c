/* Groups of devices, summed up: by model, by cell, and for the fleet. */
#include "core/inventory.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "core/clock.h"

static void init(struct inventory *v, const struct inv_rules *r, struct arena *a)
{
    *v = (struct inventory){.a = a, .target = inventory_target(r)};
}

struct inventory_held *inventory_new(const struct inv_rules *r)
{
    struct inventory_held *h = xcalloc(1, sizeof *h);
    h->refs = 1;
    h->note = "";
    arena_init(&h->arena);
    init(&h->v, r, &h->arena);
    return h;
}

struct inventory_held *inventory_ref(struct inventory_held *h)
{
    if (h)
        __atomic_add_fetch(&h->refs, 1, __ATOMIC_RELAXED);
    return h;
}

void inventory_unref(struct inventory_held *h)
{
    if (!h || __atomic_sub_fetch(&h->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    arena_release(&h->arena);
    free(h);
}

/* One more of `size` bytes; what was there is moved in the arena. */
static void *grow(struct arena *a, const void *old, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return (void *)(uintptr_t)old;
    size_t wide = *cap ? *cap * 2 : 8;
    void *fresh = arena_array(a, wide, size);
    if (n)
        memcpy(fresh, old, n * size);
    *cap = wide;
    return fresh;
}

/* FNV-1a; letters without their case, and the end of each text counts. */
static uint64_t fold(uint64_t h, const char *s)
{
    do {
        h = (h ^ (unsigned char)tolower((unsigned char)*s)) * UINT64_C(0x100000001b3);
    } while (*s++);
    return h;
}
#define FOLD_BEGIN UINT64_C(0xcbf29ce484222325)

/* The slot of what is there, or the free one for it: 0 = free, else its number and one. */
static uint32_t *slot_of(const struct inv_index *x, uint64_t h, bool (*same)(const void *ctx, uint32_t at),
                         const void *ctx)
{
    size_t i = (size_t)h & (x->cap - 1);
    while (x->slot[i] && !same(ctx, x->slot[i] - 1))
        i = (i + 1) & (x->cap - 1);
    return &x->slot[i];
}

/* Room for one more than n. */
static void index_grow(struct inventory *v, struct inv_index *x, size_t n,
                       uint64_t (*hash)(const struct inventory *v, size_t i))
{
    if (n * 2 < x->cap)
        return;
    x->cap = x->cap ? x->cap * 2 : 64;
    x->slot = ARENA_ARRAY(v->a, uint32_t, x->cap);
    for (size_t i = 0; i < n; i++) {
        size_t k = (size_t)hash(v, i) & (x->cap - 1);
        while (x->slot[k])
            k = (k + 1) & (x->cap - 1);
        x->slot[k] = (uint32_t)i + 1;
    }
}

struct wanted {
    const struct inventory *v;
    const char *model;
    const struct fleet_cell *cell;
};

static bool same_model(const void *ctx, uint32_t at)
{
    const struct wanted *w = ctx;
    return strcasecmp(w->v->models[at].name, w->model) == 0;
}

static uint64_t model_hash(const struct inventory *v, size_t i)
{
    return fold(FOLD_BEGIN, v->models[i].name);
}

static struct inv_model *model_at(struct inventory *v, const char *name)
{
    index_grow(v, &v->by_model, v->n_models, model_hash);
    uint32_t *at = slot_of(&v->by_model, fold(FOLD_BEGIN, name), same_model, &(struct wanted){v, name, NULL});
    if (*at)
        return &v->models[*at - 1];
    *at = (uint32_t)v->n_models + 1;
    v->models = grow(v->a, v->models, v->n_models, &v->cap_models, sizeof *v->models);
    struct inv_model *m = &v->models[v->n_models++];
    *m = (struct inv_model){.name = arena_strdup(v->a, name), .newest = ""};
    for (int f = 0; f < INV_FIELDS; f++)
        m->field[f].source = "";
    return m;
}

static void add_value(struct inventory *v, struct inv_fact *f, const char *value, int64_t devices)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcasecmp(f->v[i].text, value) == 0) {
            f->v[i].devices += devices;
            return;
        }
    if (f->n == INV_VALUES) {
        f->others += devices;
        return;
    }
    f->v = grow(v->a, f->v, f->n, &f->cap, sizeof *f->v);
    f->v[f->n++] = (struct inv_value){arena_strdup(v->a, value), devices};
}

static void add_source(struct inventory *v, struct inv_fact *f, const char *source, int64_t devices)
{
    if (*source && (!*f->source || devices > f->source_n)) {
        f->source = arena_strdup(v->a, source);
        f->source_n = devices;
    }
}

static void add_field(struct inventory *v, struct inv_model *m, enum inv_field f, const struct inv_said *said,
                      int64_t devices)
{
    if (!*said->source || said->apart)
        return;
    v->sourced[f] = true;
    bool known = *said->value != '\0';
    add_source(v, &m->field[f], said->source, known ? devices : 0);
    if (!known) {
        v->empty[f] += devices;
        return;
    }
    m->field[f].known += devices;
    if (f != INV_REPORT) /* each its own: no list of values */
        add_value(v, &m->field[f], said->value, devices);
}

static bool same_cell(const struct fleet_cell *a, const struct fleet_cell *b)
{
    return strcasecmp(a->release, b->release) == 0 && strcasecmp(a->model, b->model) == 0 && a->cls == b->cls &&
           a->exposure == b->exposure && a->essential == b->essential && a->end_of_life == b->end_of_life &&
           a->lead_us == b->lead_us && strcasecmp(a->owner, b->owner) == 0 &&
           strcasecmp(a->function, b->function) == 0 && strcasecmp(a->mechanism, b->mechanism) == 0 &&
           strcmp(a->cpe_firmware, b->cpe_firmware) == 0 && strcmp(a->cpe_hardware, b->cpe_hardware) == 0;
}

static uint64_t cell_fold(const struct fleet_cell *c)
{
    return fold(fold(fold(FOLD_BEGIN + (uint64_t)c->cls * EXPOSURES + (uint64_t)c->exposure, c->release), c->model),
                c->owner) ^
           (uint64_t)c->end_of_life;
}

static uint64_t cell_hash(const struct inventory *v, size_t i)
{
    return cell_fold(&v->cells[i]);
}

static bool cell_there(const void *ctx, uint32_t at)
{
    const struct wanted *w = ctx;
    return same_cell(&w->v->cells[at], w->cell);
}

static void add_cell(struct inventory *v, const struct inv_record *k, int64_t devices)
{
    struct fleet_cell c = {.release = k->field[INV_FIRMWARE].value,
                           .model = k->field[INV_MODEL].value,
                           .cls = k->cls,
                           .exposure = k->exposure,
                           .essential = k->essential,
                           .devices = devices,
                           .end_of_life = k->end_of_life,
                           .lead_us = k->lead_us,
                           .owner = k->field[INV_OWNER].value,
                           .function = k->field[INV_FUNCTION].value,
                           .mechanism = k->field[INV_MECHANISM].value,
                           .cpe_firmware = k->cpe_firmware,
                           .cpe_hardware = k->cpe_hardware};
    index_grow(v, &v->by_cell, v->n_cells, cell_hash);
    uint32_t *at = slot_of(&v->by_cell, cell_fold(&c), cell_there, &(struct wanted){v, NULL, &c});
    if (*at) {
        v->cells[*at - 1].devices += devices;
        return;
    }
    *at = (uint32_t)v->n_cells + 1;
    const char **text[] = {&c.release, &c.model, &c.owner, &c.function, &c.mechanism, &c.cpe_firmware, &c.cpe_hardware};
    for (size_t i = 0; i < sizeof text / sizeof *text; i++)
        *text[i] = arena_strdup(v->a, *text[i]);
    v->cells = grow(v->a, v->cells, v->n_cells, &v->cap_cells, sizeof *v->cells);
    v->cells[v->n_cells++] = c;
}

static void add_conflict(struct inventory *v, const struct inv_conflict *c, const char *model, int64_t devices,
                         const char *id)
{
    for (size_t i = 0; i < v->n_conflicts; i++) {
        struct inv_conflict *o = &v->conflicts[i];
        if (o->field == c->field && strcasecmp(o->model, model) == 0 && strcasecmp(o->overlay, c->overlay) == 0 &&
            strcasecmp(o->device, c->device) == 0) {
            o->devices += devices;
            return;
        }
    }
    if (v->n_conflicts == INV_CONFLICTS_KEPT) {
        v->more_conflicts += devices;
        return;
    }
    v->conflicts = grow(v->a, v->conflicts, v->n_conflicts, &v->cap_conflicts, sizeof *v->conflicts);
    v->conflicts[v->n_conflicts++] = (struct inv_conflict){.field = c->field,
                                                           .model = arena_strdup(v->a, model),
                                                           .overlay = arena_strdup(v->a, c->overlay),
                                                           .overlay_source = arena_strdup(v->a, c->overlay_source),
                                                           .device = arena_strdup(v->a, c->device),
                                                           .device_source = arena_strdup(v->a, c->device_source),
                                                           .devices = devices,
                                                           .example = arena_strdup(v->a, id)};
}

static void add_counts(struct inv_counts *to, const struct inv_counts *n)
{
    to->devices += n->devices;
    to->version += n->version;
    to->state += n->state;
    to->signature += n->signature;
    to->all += n->all;
}

/* The day that is named is supported to its end. */
static bool past(int64_t end_of_life, int64_t now)
{
    return end_of_life > 0 && now >= end_of_life + US_PER_DAY;
}

void inventory_silent(struct inventory *v, const char *model, const char *id)
{
    struct inv_model *m = model_at(v, model);
    m->silent = grow(v->a, m->silent, m->n_silent, &m->cap_silent, sizeof *m->silent);
    m->silent[m->n_silent++] = arena_strdup(v->a, id);
}

void inventory_add(struct inventory *v, const struct inv_record *k, const struct inv_counts *n, const char *id,
                   int64_t now)
{
    const char *name = k->field[INV_MODEL].value;
    if (n->devices <= 0)
        return;
    struct inv_model *m = model_at(v, name);
    add_counts(&m->n, n);
    add_counts(&v->n, n);
    for (int f = 0; f < INV_FIELDS; f++)
        add_field(v, m, (enum inv_field)f, &k->field[f], n->devices);
    m->signed_said = m->signed_said || *k->field[INV_SIGNATURE].source;
    m->cls[k->cls] += n->devices;
    m->exposure[k->exposure] += n->devices;
    if (k->end_of_life && (!m->end_of_life || k->end_of_life < m->end_of_life))
        m->end_of_life = k->end_of_life;
    const char *release = k->field[INV_FIRMWARE].value;
    if (!*m->newest && *release)
        m->newest = arena_strdup(v->a, release);
    if (*release && strcasecmp(m->newest, release) == 0)
        m->on_newest += n->devices;
    add_cell(v, k, n->devices);
    for (size_t i = 0; i < k->n_conflicts; i++)
        add_conflict(v, &k->conflict[i], name, n->devices, id ? id : "");
    if (past(k->end_of_life, now)) {
        m->past_life += n->devices;
        v->past_life += n->devices;
    }
    if (!id || !*id)
        return;
    if (past(k->end_of_life, now)) {
        v->past = grow(v->a, v->past, v->n_past, &v->cap_past, sizeof *v->past);
        v->past[v->n_past++] = arena_strdup(v->a, id);
    }
    if (n->all < n->devices)
        inventory_silent(v, name, id);
}

void inventory_told(struct inventory *v, const char *model, enum inv_field f, const char *value, const char *source,
                    int64_t devices, int64_t none)
{
    struct inv_model *m = model_at(v, model);
    v->sourced[f] = true;
    v->empty[f] += none;
    m->field[f].known += devices;
    add_source(v, &m->field[f], source, devices);
    if (value && devices > 0)
        add_value(v, &m->field[f], value, devices);
}

static int by_devices(const void *a, const void *b)
{
    const struct inv_value *x = a, *y = b;
    return x->devices != y->devices ? (x->devices < y->devices ? 1 : -1) : strcasecmp(x->text, y->text);
}

static int by_size(const void *a, const void *b)
{
    const struct inv_model *x = a, *y = b;
    if (!*x->name != !*y->name)
        return *x->name ? -1 : 1;
    return x->n.devices != y->n.devices ? (x->n.devices < y->n.devices ? 1 : -1) : strcasecmp(x->name, y->name);
}

void inventory_finish(struct inventory *v, int64_t now)
{
    v->at = now;
    for (size_t i = 0; i < v->n_models; i++) {
        v->signed_said = v->signed_said || v->models[i].signed_said;
        for (int f = 0; f < INV_FIELDS; f++) {
            struct inv_fact *fact = &v->models[i].field[f];
            if (fact->n > 1)
                qsort(fact->v, fact->n, sizeof *fact->v, by_devices);
        }
    }
    if (v->n_models > 1)
        qsort(v->models, v->n_models, sizeof *v->models, by_size);
}

void inventory_of_rows(const struct inv_rules *r, int64_t now, struct arena *a, struct inventory *out)
{
    init(out, r, a);
    for (size_t i = 0; i < r->rows.n; i++) {
        const struct inv_row *row = &r->rows.v[i];
        struct inv_subject s = {.release = "", .row = row};
        struct inv_record k;
        inventory_combine(r, &s, a, &k);
        bool in_time = row->last_report > 0 && now - row->last_report <= inventory_within(r, k.cls);
        bool version = in_time && *k.field[INV_FIRMWARE].value, sign = in_time && *k.field[INV_SIGNATURE].value;
        bool all = version && (sign || !*k.field[INV_SIGNATURE].source);
        struct inv_counts n = {1, version, in_time, sign, all};
        inventory_add(out, &k, &n, row->device, now);
    }
    inventory_finish(out, now);
}

double inventory_share(const struct inv_counts *n)
{
    return n->devices > 0 ? (double)n->all / (double)n->devices : 0;
}

/* Of no device nothing can be said. */
bool inventory_blind(const struct inventory *v, const struct inv_counts *n)
{
    return n->devices > 0 && inventory_share(n) < v->target;
}

const struct inv_model *inventory_model(const struct inventory *v, const char *name)
{
    for (size_t i = 0; i < v->n_models; i++)
        if (strcasecmp(v->models[i].name, name) == 0)
            return &v->models[i];
    return NULL;
}
