#include "engine/inventory_run.h"

#include <string.h>
#include <strings.h>

static void divide_next(struct inventory_run *r);

static bool new_value(struct inventory_run *r, const char *v)
{
    for (size_t i = 0; i < r->n_values; i++)
        if (strcasecmp(r->values[i], v) == 0)
            return false;
    return *v && r->n_values < INV_ASKED;
}

static void not_taken(struct inventory_run *r);

static void value_counted(struct inventory_run *r, int64_t devices, const struct device_list *l)
{
    struct kind k = r->now;
    (void)l;
    if (devices < 0 && r->n_values == 1) {
        not_taken(r);
        return;
    }
    if (devices > 0) {
        k.attribute[k.n_attributes++] = (struct inv_attribute){r->by, r->values[r->n_values - 1]};
        k.devices = devices < r->left ? devices : r->left; /* some may have changed meanwhile */
        inventory_push(r, &k);
        r->left -= k.devices;
    }
    divide_next(r);
}

static void ask_value(struct inventory_run *r, const char *v)
{
    struct find_filter f = inventory_filter(r, &r->now);
    r->values[r->n_values++] = arena_strdup(&r->a, v);
    inventory_also(&f, r->by, r->values[r->n_values - 1]);
    inventory_ask(r, &f, 1, value_counted);
}

/* Have another value, which no rule speaks of; what is left then has none, and no filter finds that. */
static void others_counted(struct inventory_run *r, int64_t devices, const struct device_list *l)
{
    struct kind k = r->now;
    (void)l;
    devices = devices < 0 ? 0 : devices > r->left ? r->left : devices;
    k.attribute[k.n_attributes++] = (struct inv_attribute){r->by, ""};
    k.devices = r->left - devices;
    if (k.devices > 0)
        inventory_unfound(r, &k);
    k.differs = arena_array(&r->a, k.n_differs + r->n_values + 1, sizeof *k.differs);
    if (k.n_differs)
        memcpy(k.differs, r->now.differs, k.n_differs * sizeof *k.differs);
    for (size_t i = 0; i < r->n_values; i++) {
        k.differs[k.n_differs][0] = r->by;
        k.differs[k.n_differs++][1] = r->values[i];
    }
    k.has[k.n_has++] = r->by;
    k.devices = devices;
    if (devices > 0)
        inventory_push(r, &k);
    inventory_next(r);
}

static struct find_filter others(struct inventory_run *r)
{
    struct find_filter f = inventory_filter(r, &r->now);
    const char *(*differs)[2] = arena_array(&r->a, f.n_differs + r->n_values + 1, sizeof *differs);
    if (f.n_differs)
        memcpy(differs, f.differs, f.n_differs * sizeof *differs);
    for (size_t i = 0; i < r->n_values; i++) {
        differs[f.n_differs][0] = r->by;
        differs[f.n_differs++][1] = r->values[i];
    }
    f.differs = (const char *const(*)[2])differs;
    inventory_has(&f, r->by);
    return f;
}

static void rest(struct inventory_run *r)
{
    if (r->left <= 0) {
        inventory_next(r);
        return;
    }
    struct find_filter f = others(r);
    inventory_ask(r, &f, 1, others_counted);
}

/* As if nobody had it: the kind stays whole, and can be asked about. */
static void not_taken(struct inventory_run *r)
{
    struct kind k = r->now;
    inventory_note(r, arena_printf(&r->held->arena, "the server does not take attribute %s in a filter", r->by));
    k.attribute[k.n_attributes++] = (struct inv_attribute){r->by, ""};
    inventory_push(r, &k);
    inventory_next(r);
}

static void value_told(struct req *q, const struct reply *rep)
{
    struct inventory_run *r = q->en->inventory.run;
    const struct attribute_table *t = &q->out.attributes;
    if (!r || q->x != r)
        return;
    if (rep->err) {
        struct err why = *rep->err;
        inventory_end(r, &why);
        return;
    }
    const char *v = t->n > 0 && t->v[0] >= 0 ? t->names[t->v[0]] : "";
    if (new_value(r, v))
        ask_value(r, v);
    else
        rest(r);
}

static void another_found(struct inventory_run *r, int64_t devices, const struct device_list *l)
{
    if (devices <= 0 || l->n == 0) {
        rest(r);
        return;
    }
    struct req *q = req_new(r->en, value_told);
    const char *id = arena_strdup(&q->arena, l->v[0].raw_id);
    q->x = r;
    r->asked++;
    r->en->be->ops->attributes(r->en->be, &id, 1, &r->by, 1, 1, true, &q->arena, &q->out.attributes, req_done, q);
}

/* What nobody has written down is found by asking one device that has yet another value: of a model, where the name
 * itself is wanted; elsewhere a value that no rule knows means nothing. */
static void divide_next(struct inventory_run *r)
{
    const char *v = NULL;
    while (r->left > 0 && (v = inventory_word(r->rules, r->by, r->word++)) != NULL && !new_value(r, v))
        continue;
    if (r->left > 0 && v) {
        ask_value(r, v);
        return;
    }
    bool model = strcasecmp(r->by, r->rules->model_attribute) == 0;
    if (r->left <= 0 || !model || r->n_values == INV_ASKED || !r->en->be->ops->attributes) {
        rest(r);
        return;
    }
    struct find_filter f = others(r);
    inventory_ask(r, &f, 1, another_found);
}

void inventory_divide(struct inventory_run *r, const char *by)
{
    r->by = arena_strdup(&r->a, by);
    r->n_values = r->word = 0;
    r->left = r->now.devices;
    if (r->now.n_attributes == INV_DEPTH) {
        inventory_end_why(r, ERR_LIMIT, "the rules divide one kind of device by more than 8 attributes");
        return;
    }
    divide_next(r);
}
