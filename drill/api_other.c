/* /rest/v1/actions, userinfo, system/configs */
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

/* --- actions */

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

const struct rsql_table api_actions_table = {action_field, action_get};

void api_put_action(struct api *a, int i, bool full)
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

static void get_actions(struct api *a)
{
    static const char *const sort[] = {"id", "createdAt", "lastModifiedAt", "status", NULL};
    int *items = xreallocarray(NULL, a->w->n_actions + 1, sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < a->w->n_actions; i++)
        if (!a->w->actions[i].deleted)
            items[n++] = (int)i;
    struct api_list l = {.items = items,
                         .n = n,
                         .table = &api_actions_table,
                         .ctx = a->w,
                         .sort_fields = sort,
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

/* --- user and configuration */

static void get_user(struct api *a)
{
    struct json_w *j = &a->j;
    api_ok(a, 200);
    json_w_obj(j);
    json_w_key(j, "permissions");
    json_w_arr(j);
    json_w_str(j, "ROLE_TENANT_ADMIN");
    json_w_arr_end(j);
    json_w_kstr(j, "tenant", "DEFAULT");
    json_w_kstr(j, "username", "admin");
    json_w_obj_end(j);
}

static void put_config(struct api *a, const char *key)
{
    struct json_w *j = &a->j;
    json_w_obj(j);
    json_w_kbool(j, "global", true);
    json_w_key(j, "links");
    json_w_arr(j);
    json_w_obj(j);
    char href[500];
    snprintf(href, sizeof href, "%s/system/configs/%s", a->base, key);
    json_w_kstr(j, "rel", "self");
    json_w_kstr(j, "href", href);
    json_w_obj_end(j);
    json_w_arr_end(j);
    int64_t s = a->w->sc->devices.poll_us / US_PER_S;
    char text[32];
    snprintf(text, sizeof text, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
    if (!strcmp(key, "rollout.approval.enabled"))
        json_w_kbool(j, "value", a->w->approval);
    else
        json_w_kstr(j, "value", !strcmp(key, "pollingTime") ? text : "00:05:00");
    json_w_obj_end(j);
}

static const char *const config_keys[] = {"pollingOverdueTime", "pollingTime", "rollout.approval.enabled", NULL};

static void get_configs(struct api *a)
{
    api_ok(a, 200);
    json_w_obj(&a->j);
    for (int i = 0; config_keys[i]; i++) {
        json_w_key(&a->j, config_keys[i]);
        put_config(a, config_keys[i]);
    }
    json_w_obj_end(&a->j);
}

static bool config_known(struct api *a)
{
    if (word_index(config_keys, a->seg[2]) >= 0)
        return true;
    api_error(a, 400, "configKeyInvalid", "InvalidTenantConfigurationKeyException",
              "The given configuration key %.200s does not exist.", a->seg[2]);
    return false;
}

static void get_config(struct api *a)
{
    if (!config_known(a))
        return;
    api_ok(a, 200);
    put_config(a, a->seg[2]);
}

static void set_config(struct api *a)
{
    if (!config_known(a))
        return;
    struct json_t *body = api_body(a);
    if (!body)
        return;
    bool v;
    if (strcmp(a->seg[2], "rollout.approval.enabled") != 0 || !json_bool(body, "value", &v)) {
        api_error(a, 400, "configValueInvalid", "TenantConfigurationValidatorException",
                  "The given value is not valid.");
    } else {
        a->w->approval = v;
        a->out->status = 204;
    }
    json_free(body);
}

const struct api_route api_other_routes[] = {
    {"GET", "actions", get_actions},
    {"GET", "actions/#", get_action},
    {"GET", "userinfo", get_user},
    {"GET", "system/configs", get_configs},
    {"GET", "system/configs/*", get_config},
    {"PUT", "system/configs/*", set_config},
    {NULL, NULL, NULL},
};
