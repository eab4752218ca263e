/* What telemetry calls the devices, where that is an attribute of theirs and not their id (struct join_spec): read from
 * the fleet server once for each watched device, in the order of the watch set. Until a device's name is known
 * telemetry is not asked about it (watch_known), so that a watcher who reads names slowly is late and not of another
 * opinion. */
#include <string.h>
#include "engine/watch.h"
#include "engine/worker.h"

#define NAMES_AT_ONCE 500
#define AGAIN_US      (10 * US_PER_S)

static const char *attribute(const struct engine *en)
{
    const char *key = en->spec.fleet->telemetry.join.attribute;
    return en->tm && key && *key ? key : NULL;
}

size_t watch_known(const struct engine *en)
{
    return attribute(en) ? watch_set_named(en->watch.set) : watch_set_size(en->watch.set);
}

static void names_done(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    const struct attribute_table *t = &q->out.attributes;
    bool never = r->err && r->err->code == ERR_UNSUPPORTED;
    en->watch.naming = false;
    if (r->err && !never) {
        en->watch.names_again = now_of(en) + AGAIN_US;
        return;
    }
    for (size_t i = 0; i < (size_t)q->n; i++) {
        int32_t k = !never && i < t->n ? t->v[i] : -1;
        const char *name = k >= 0 && (size_t)k < t->n_names ? t->names[k] : "";
        watch_set_name(en->watch.set, name, strlen(name));
    }
}

void watch_ask_names(struct engine *en)
{
    const char *key = attribute(en);
    size_t from = watch_known(en), n = watch_set_size(en->watch.set) - from;
    if (!key || n == 0 || en->watch.naming || now_of(en) < en->watch.names_again || !en->be->ops->attributes)
        return;
    n = n < NAMES_AT_ONCE ? n : NAMES_AT_ONCE;
    en->watch.naming = true;
    struct req *q = req_new(en, names_done);
    q->n = (int64_t)n;
    const char **ids = ARENA_ARRAY(&q->arena, const char *, n);
    for (size_t i = 0; i < n; i++)
        ids[i] = arena_strdup(&q->arena, en->watch.devs[from + i].raw_id);
    en->be->ops->attributes(en->be, ids, n, &key, 1, n, true, &q->arena, &q->out.attributes, req_done, q);
}
