#include "engine/worker.h"

#define HOURS_US (6 * US_PER_HOUR)
#define RETRY_US (5 * US_PER_MIN)
#define FIRST_US (10 * US_PER_S) /* after the start: rollouts come first */

static void look(struct engine *en, void *arg);

/* Whether a count is to begin, and if not yet, when that is to be looked at again; TIME_NEVER. */
static int64_t due(const struct engine *en)
{
    const struct en_inventory *v = &en->inventory;
    bool by_itself = en->spec.judge && en->spec.fleet->inventory;
    if (v->run || (!v->wanted && !by_itself) || !en->facts.rollouts_known)
        return TIME_NEVER;
    if (v->again || (v->wanted && !v->ended) || (v->names && v->held && !v->held->names && v->err.code == ERR_NONE))
        return now_of(en);
    if (v->err.code != ERR_NONE)
        return v->err.code == ERR_UNSUPPORTED ? TIME_NEVER : v->ended + RETRY_US;
    return v->ended ? v->ended + HOURS_US : v->began + FIRST_US;
}

static void look(struct engine *en, void *arg)
{
    int64_t at = due(en);
    (void)arg;
    if (at == TIME_NEVER)
        return;
    if (at > now_of(en)) {
        timer_set(en, at, look, NULL);
        return;
    }
    en->inventory.again = false;
    if (en->be->ops->find) {
        inventory_begin(en);
    } else {
        struct err why = {0};
        err_set(&why, ERR_UNSUPPORTED, "`andon inventory --csv FILE` works without a server.",
                "a server of the kind %s does not count devices by a filter, and andon never lists all of them for it",
                en->spec.fleet->kind);
        inventory_ended(en, NULL, &why);
    }
    mark(en);
}

void inventory_look(struct engine *en, const struct focus *f)
{
    en->inventory.wanted = f->inventory;
    en->inventory.names = f->inventory && f->inventory_names;
    look(en, NULL);
}

void inventory_ended(struct engine *en, struct inventory_held *h, const struct err *why)
{
    struct en_inventory *v = &en->inventory;
    v->ended = now_of(en);
    if (why) {
        v->err = *why;
        inventory_unref(h);
    } else {
        err_clear(&v->err);
        inventory_unref(v->held);
        v->held = h;
        outlook_stir(en);
    }
    timer_set(en, now_of(en), look, NULL);
    mark(en);
}

static void begin(struct engine *en)
{
    en->inventory.began = now_of(en);
}

static void refresh(struct engine *en)
{
    en->inventory.again = en->inventory.wanted;
    look(en, NULL);
}

void inventory_publish(struct engine *en, struct snapshot *s)
{
    const struct en_inventory *v = &en->inventory;
    s->inventory = (struct inventory_view){.held = inventory_ref(v->held),
                                           .counting = v->run != NULL,
                                           .asked = inventory_asked(en),
                                           .error = err_shown(&s->arena, &v->err)};
}

static void listed(struct engine *en)
{
    if (!en->inventory.ended)
        look(en, NULL);
}

static void free_all(struct engine *en)
{
    inventory_drop(en);
    inventory_unref(en->inventory.held);
}

const struct part part_inventory = {
    .name = "inventory", .begin = begin, .refresh = refresh, .listed = listed, .free = free_all};
