/* Actions, of one target and over all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/err.h"
#include "drill/api.h"

static void set_str(struct rsql_value *v, const char *s)
{
    v->present = s != NULL;
    v->str = s;
}

static void set_num(struct rsql_value *v, int64_t n)
{
    v->present = v->is_num = true;
    v->num = n;
}

static int word_index(const char *const *words, const char *name)
{
    for (int i = 0; words[i]; i++)
        if (!strcasecmp(name, words[i]))
            return i;
    return -1;
}

/* --- over all targets */

static const char *const action_fields[] = {"id",
                                            "status",
                                            "rollout.id",
                                            "rollout.name",
                                            "active",
                                            "target.controllerid",
                                            "target.name",
                                            "distributionset.id",
                                            "distributionset.name",
                                            "distributionset.version",
                                            "createdat",
                                            "lastmodifiedat",
                                            NULL};

static int action_field(const char *name)
{
    return word_index(action_fields, name);
}

static void action_get(const void *ctx, int item, int field, struct rsql_value *v)
{
    const struct world *w = ctx;
    const struct w_action *a = &w->actions[item];
    const struct w_rollout *r = a->rollout == W_NONE ? NULL : &w->rollouts[a->rollout];
    switch (field) {
    case 0:
        set_num(v, item + 1);
        break;
    case 1:
        set_str(v, action_word(a->status));
        break;
    case 2:
        if (r)
            set_num(v, r->id);
        break;
    case 3:
        set_str(v, r ? r->name : NULL);
        break;
    case 4:
        set_str(v, a->active ? "true" : "false");
        break;
    case 5:
    case 6:
        set_str(v, w->devs[a->dev].id);
        break;
    case 7:
        set_num(v, a->ds + 1);
        break;
    case 8:
        set_str(v, w->ds[a->ds].name);
        break;
    case 9:
        set_str(v, w->ds[a->ds].version);
        break;
    default:
        set_num(v, ((field == 10 ? a->created : a->modified) + w->epoch) / US_PER_MS);
    }
}

static const struct rsql_table api_actions_table = {action_field, action_get};

static void api_put_action(struct api *a, int i, bool full)
{
    const struct world *w = a->w;
    const struct w_action *act = &w->actions[i];
    const char *dev = w->devs[act->dev].id;
    const struct w_rollout *r = act->rollout == W_NONE ? NULL : &w->rollouts[act->rollout];
    struct json_w *j = &a->j;
    json_w_obj(j);
    json_w_key(j, "_links");
    json_w_obj(j);
    api_link(a, "self", NULL, "/targets/%s/actions/%d", dev, i + 1);
    if (full) {
        char name[600];
        snprintf(name, sizeof name, "%s:%s", w->ds[act->ds].name, w->ds[act->ds].version);
        api_link(a, "target", dev, "/targets/%s", dev);
        api_link(a, "distributionset", name, "/distributionsets/%d", act->ds + 1);
        api_link(a, "status", NULL, "/targets/%s/actions/%d/status?offset=0&limit=50&sort=id%%3ADESC", dev, i + 1);
        if (r)
            api_link(a, "rollout", r->name, "/rollouts/%lld", (long long)r->id);
    }
    json_w_obj_end(j);
    json_w_kbool(j, "active", act->active);
    api_ktime(a, "createdAt", act->created);
    json_w_kstr(j, "createdBy", "admin");
    json_w_kstr(j, "forceType", act->force);
    json_w_kint(j, "id", i + 1);
    api_ktime(a, "lastModifiedAt", act->modified);
    json_w_kstr(j, "lastModifiedBy", act->status == WA_RUNNING ? "admin" : "system");
    if (r) {
        json_w_kint(j, "rollout", r->id);
        json_w_kstr(j, "rolloutName", r->name);
    }
    json_w_kstr(j, "status", action_word(act->status));
    json_w_kstr(j, "type", act->cancel ? "cancel" : "update");
    json_w_kint(j, "weight", 1000);
    json_w_obj_end(j);
}

static const char *const action_sort[] = {"id", "createdAt", "lastModifiedAt", "status", NULL};

static void get_actions(struct api *a)
{
    int *items = xreallocarray(NULL, a->w->n_actions + 1, sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < a->w->n_actions; i++)
        if (!a->w->actions[i].deleted)
            items[n++] = (int)i;
    struct api_list l = {.items = items,
                         .n = n,
                         .table = &api_actions_table,
                         .ctx = a->w,
                         .sort_fields = action_sort,
                         .newest_first = true,
                         .put = api_put_action};
    api_page(a, &l);
    free(items);
}

static void get_action(struct api *a)
{
    int64_t id = a->id[0];
    if (id < 1 || (uint64_t)id > a->w->n_actions || a->w->actions[id - 1].deleted) {
        api_not_found(a, "Action", a->seg[1]);
        return;
    }
    api_ok(a, 200);
    api_put_action(a, (int)(id - 1), true);
}

/* --- of one target */

static void get_target_actions(struct api *a)
{
    int dev = api_dev_index(a, a->seg[1]);
    if (dev == W_NONE)
        return;
    const struct w_dev *d = &a->w->devs[dev];
    int *items = xreallocarray(NULL, d->n_actions + 1, sizeof *items);
    size_t n = 0;
    for (uint32_t i = 0; i < d->n_actions; i++)
        if (!a->w->actions[d->actions[i]].deleted)
            items[n++] = d->actions[i];
    struct api_list l = {.items = items,
                         .n = n,
                         .table = &api_actions_table,
                         .ctx = a->w,
                         .sort_fields = action_sort,
                         .newest_first = true,
                         .put = api_put_action};
    api_page(a, &l);
    free(items);
}

static int action_index(struct api *a)
{
    int dev = api_dev_index(a, a->seg[1]);
    if (dev == W_NONE)
        return W_NONE;
    int64_t id = a->id[0];
    if (id >= 1 && (uint64_t)id <= a->w->n_actions && a->w->actions[id - 1].dev == dev &&
        !a->w->actions[id - 1].deleted)
        return (int)(id - 1);
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)id);
    api_not_found(a, "Action", text);
    return W_NONE;
}

static void get_target_action(struct api *a)
{
    int i = action_index(a);
    if (i == W_NONE)
        return;
    api_ok(a, 200);
    api_put_action(a, i, true);
}

static void delete_action(struct api *a)
{
    int i = action_index(a);
    if (i == W_NONE)
        return;
    const struct w_action *act = &a->w->actions[i];
    char flag[16];
    const char *force = api_param(a, "force", flag, sizeof flag);
    if (force && !strcasecmp(force, "true")) {
        if (act->status != WA_CANCELING) {
            api_error(a, 405, "action.notForceQuitable", "ForceQuitActionNotAllowedException",
                      "%d is not canceled yet and cannot be force quit", i + 1);
            return;
        }
        action_force_quit(a->w, i);
    } else {
        if (!act->active || act->cancel) {
            api_error(a, 405, "action.notCancelable", "CancelActionNotAllowedException",
                      "Actions in canceling or canceled state cannot be canceled");
            return;
        }
        action_recall(a->w, i);
    }
    a->out->status = 204;
}

/* What a status entry says of its time: the first "running" of an action carries the time at which the action was made,
 * which for each wave is when the rollout was started; only reportedAt says when the wave was told. */
static int64_t claimed_at(const struct w_action *act, size_t k)
{
    if (strcmp(act->history[k].type, "running") != 0)
        return act->history[k].t;
    for (size_t i = 0; i < k; i++)
        if (!strcmp(act->history[i].type, "running"))
            return act->history[k].t;
    return act->created;
}

static void get_status(struct api *a)
{
    int i = action_index(a);
    if (i == W_NONE)
        return;
    const struct w_action *act = &a->w->actions[i];
    size_t from, n;
    bool newest_first = api_window(a, act->n_history, &from, &n);
    struct json_w *j = &a->j;
    api_ok(a, 200);
    json_w_obj(j);
    json_w_key(j, "content");
    json_w_arr(j);
    for (size_t k = from; k < from + n; k++) {
        size_t at = newest_first ? act->n_history - 1U - k : k;
        const struct w_history *h = &act->history[at];
        json_w_obj(j);
        json_w_kint(j, "id", h->id);
        json_w_key(j, "messages");
        json_w_arr(j);
        if (*h->text)
            json_w_str(j, h->text);
        json_w_arr_end(j);
        api_ktime(a, "reportedAt", h->t);
        api_ktime(a, "timestamp", claimed_at(act, at));
        json_w_kstr(j, "type", h->type);
        json_w_obj_end(j);
    }
    json_w_arr_end(j);
    json_w_kint(j, "total", act->n_history);
    json_w_kint(j, "size", (int64_t)n);
    json_w_obj_end(j);
}

const struct api_route api_action_routes[] = {
    {"GET", "actions", get_actions},
    {"GET", "actions/#", get_action},
    {"GET", "targets/*/actions", get_target_actions},
    {"GET", "targets/*/actions/#", get_target_action},
    {"DELETE", "targets/*/actions/#", delete_action},
    {"GET", "targets/*/actions/#/status", get_status},
    {NULL, NULL, NULL},
};
