/* /rest/v1/targets and what lies below one */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/err.h"
#include "drill/api.h"

#define OVERDUE_AFTER (5 * US_PER_MIN) /* hawkBit's pollingOverdueTime */

/* --- fields for queries */

enum {
    F_ID,
    F_CONTROLLER,
    F_NAME,
    F_DESCRIPTION,
    F_STATUS,
    F_ADDRESS,
    F_CREATED,
    F_MODIFIED,
    F_POLLED,
    F_INST_NAME,
    F_INST_VERSION,
    F_ASG_NAME,
    F_ASG_VERSION,
    F_FAILED,
    F_MODEL,
    F_SITE,
    F_REVISION,
    F_ATTRIBUTE,
    F_N
};

static int target_field(const char *name)
{
    static const char *const words[] = {"id",
                                        "controllerid",
                                        "name",
                                        "description",
                                        "updatestatus",
                                        "ipaddress",
                                        "createdat",
                                        "lastmodifiedat",
                                        "lastcontrollerrequestat",
                                        "installedds.name",
                                        "installedds.version",
                                        "assignedds.name",
                                        "assignedds.version",
                                        "failedrollout",
                                        "attribute.model",
                                        "attribute.site",
                                        "attribute.hw_revision"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strcasecmp(name, words[i]))
            return (int)i;
    return !strncasecmp(name, "attribute.", 10) ? F_ATTRIBUTE : -1;
}

static const char *status_word(enum w_status s)
{
    static const char *const words[] = {"unknown", "registered", "pending", "in_sync", "error"};
    return words[s];
}

static void set_str(struct rsql_value *v, const char *s)
{
    v->present = s != NULL;
    v->str = s;
}

static void set_time(const struct world *w, struct rsql_value *v, int64_t t)
{
    v->present = v->is_num = true;
    v->num = (t + w->epoch) / US_PER_MS;
}

/* Rollouts in which this device failed, as the last of its actions there says. */
static void set_failed(const struct world *w, const struct w_dev *d, struct rsql_value *v)
{
    for (uint32_t i = 0; i < d->n_actions; i++) {
        const struct w_action *a = &w->actions[d->actions[i]];
        if (a->status == WA_ERROR && a->rollout != W_NONE) {
            v->present = v->is_num = true;
            v->num = w->rollouts[a->rollout].id;
        }
    }
}

static void target_get(const void *ctx, int item, int field, struct rsql_value *v)
{
    const struct world *w = ctx;
    const struct w_dev *d = &w->devs[item];
    switch (field) {
    case F_ID:
    case F_CONTROLLER:
    case F_NAME:
        set_str(v, d->id);
        break;
    case F_STATUS:
        set_str(v, status_word(d->status));
        break;
    case F_ADDRESS:
        set_str(v, "127.0.0.1");
        break;
    case F_CREATED:
        set_time(w, v, d->installed_at);
        break;
    case F_MODIFIED:
        set_time(w, v, d->modified);
        break;
    case F_POLLED:
        set_time(w, v, fleet_last_poll(w, item));
        break;
    case F_INST_NAME:
        set_str(v, d->installed == W_NONE ? NULL : w->ds[d->installed].name);
        break;
    case F_INST_VERSION:
        set_str(v, d->installed == W_NONE ? NULL : w->ds[d->installed].version);
        break;
    case F_ASG_NAME:
        set_str(v, d->assigned == W_NONE ? NULL : w->ds[d->assigned].name);
        break;
    case F_ASG_VERSION:
        set_str(v, d->assigned == W_NONE ? NULL : w->ds[d->assigned].version);
        break;
    case F_FAILED:
        set_failed(w, d, v);
        break;
    case F_MODEL:
        set_str(v, w->sc->devices.models[d->model].name);
        break;
    case F_SITE:
        set_str(v, w->sc->devices.sites[d->site]);
        break;
    case F_REVISION:
        set_str(v, w->sc->devices.models[d->model].hw_revision);
        break;
    default:
        break;
    }
}

const struct rsql_table api_targets_table = {target_field, target_get};

int api_dev_index(struct api *a, const char *id)
{
    int d = world_find(a->w, id);
    if (d == W_NONE)
        api_not_found(a, "Target", id);
    return d;
}

/* --- writing */

static void put_target_links(struct api *a, const struct w_dev *d)
{
    static const char *const below[][2] = {{"assignedDS", ""},
                                           {"installedDS", ""},
                                           {"attributes", ""},
                                           {"actions", "?offset=0&limit=50&sort=id%3ADESC"},
                                           {"metadata", ""}};
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++)
        api_link(a, below[i][0], NULL, "/targets/%s/%s%s", d->id, below[i][0], below[i][1]);
}

#define CREATED   (-10 * US_PER_DAY)
#define TOKEN_LEN 32

static void token_of(const struct w_dev *d, char out[TOKEN_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    size_t n = strlen(d->id);
    uint64_t h[2] = {hash_bytes(d->id, n), hash_bytes(d->id, n - 1)};
    for (int i = 0; i < TOKEN_LEN; i++)
        out[i] = digits[h[i / 16] >> (60 - i % 16 * 4) & 15];
    out[TOKEN_LEN] = 0;
}

static char *put_bytes(char *p, const char *s, size_t n)
{
    memcpy(p, s, n);
    return p + n;
}

static char *put_text(char *p, const char *s)
{
    return put_bytes(p, s, strlen(s));
}

static char *put_num(char *p, const char *key, int64_t v)
{
    char tmp[24];
    int n = 0;
    p = put_text(p, key);
    if (v < 0)
        *p++ = '-';
    for (uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v; n == 0 || u > 0; u /= 10)
        tmp[n++] = (char)('0' + u % 10);
    while (n > 0)
        *p++ = tmp[--n];
    return p;
}

static void put_target_detail(struct api *a, int dev)
{
    const struct w_dev *d = &a->w->devs[dev];
    struct json_w *j = &a->j;
    json_w_obj(j);
    json_w_key(j, "_links");
    json_w_obj(j);
    api_link(a, "self", NULL, "/targets/%s", d->id);
    put_target_links(a, d);
    json_w_obj_end(j);
    json_w_kstr(j, "address", "http://127.0.0.1");
    json_w_kstr(j, "controllerId", d->id);
    api_ktime(a, "createdAt", CREATED);
    json_w_kstr(j, "createdBy", "admin");
    if (d->installed != W_NONE)
        api_ktime(a, "installedAt", d->installed_at);
    json_w_kstr(j, "ipAddress", "127.0.0.1");
    int64_t polled = fleet_last_poll(a->w, dev), next = polled + a->w->sc->devices.poll_us;
    api_ktime(a, "lastControllerRequestAt", polled);
    api_ktime(a, "lastModifiedAt", d->modified);
    json_w_kstr(j, "lastModifiedBy", d->modified_by_system ? "system" : "admin");
    json_w_kstr(j, "name", d->id);
    json_w_key(j, "pollStatus");
    json_w_obj(j);
    api_ktime(a, "lastRequestAt", polled);
    api_ktime(a, "nextExpectedRequestAt", next);
    json_w_kbool(j, "overdue", a->w->now > next + OVERDUE_AFTER);
    json_w_obj_end(j);
    json_w_kbool(j, "requestAttributes", true);
    char token[TOKEN_LEN + 1];
    token_of(d, token);
    json_w_kstr(j, "securityToken", token);
    json_w_kstr(j, "updateStatus", status_word(d->status));
    json_w_obj_end(j);
}

/* In a list: the same, whatever representation is asked for, written by hand. Thousands are listed every few seconds
 * of a drill, and this is where its time went. The id is plain, so nothing needs to be escaped. */
void api_put_target(struct api *a, int dev, bool full)
{
    (void)full;
    const struct w_dev *d = &a->w->devs[dev];
    int64_t polled = fleet_last_poll(a->w, dev), next = polled + a->w->sc->devices.poll_us;
    char line[1600], *p = line, token[TOKEN_LEN + 1];
    size_t id = strlen(d->id);
    token_of(d, token);
    if (a->j.need_comma)
        *p++ = ',';
    p = put_text(p, "{\"_links\":{\"self\":{\"href\":\"");
    p = put_text(p, a->base);
    p = put_text(p, "/targets/");
    p = put_bytes(p, d->id, id);
    p = put_text(p, "\"}},\"address\":\"http://127.0.0.1\",\"controllerId\":\"");
    p = put_bytes(p, d->id, id);
    p = put_num(p, "\",\"createdAt\":", api_ms(a, CREATED));
    p = put_text(p, ",\"createdBy\":\"admin\"");
    if (d->installed != W_NONE)
        p = put_num(p, ",\"installedAt\":", api_ms(a, d->installed_at));
    p = put_num(p, ",\"ipAddress\":\"127.0.0.1\",\"lastControllerRequestAt\":", api_ms(a, polled));
    p = put_num(p, ",\"lastModifiedAt\":", api_ms(a, d->modified));
    p = put_text(p, d->modified_by_system ? ",\"lastModifiedBy\":\"system\",\"name\":\""
                                          : ",\"lastModifiedBy\":\"admin\",\"name\":\"");
    p = put_bytes(p, d->id, id);
    p = put_num(p, "\",\"pollStatus\":{\"lastRequestAt\":", api_ms(a, polled));
    p = put_num(p, ",\"nextExpectedRequestAt\":", api_ms(a, next));
    p = put_text(p, a->w->now > next + OVERDUE_AFTER ? ",\"overdue\":true}" : ",\"overdue\":false}");
    p = put_text(p, ",\"requestAttributes\":true,\"securityToken\":\"");
    p = put_text(p, token);
    p = put_text(p, "\",\"updateStatus\":\"");
    p = put_text(p, status_word(d->status));
    p = put_text(p, "\"}");
    buf_add(&a->out->body, line, (size_t)(p - line));
    a->j.need_comma = true;
}

/* --- reading */

static void get_targets(struct api *a)
{
    static const char *const sort[] = {"id",        "controllerId",   "name",         "description",
                                       "createdAt", "lastModifiedAt", "updateStatus", "lastControllerRequestAt",
                                       NULL};
    int *items = xreallocarray(NULL, a->w->n_devs, sizeof *items);
    for (size_t i = 0; i < a->w->n_devs; i++)
        items[i] = (int)i;
    struct api_list l = {.items = items,
                         .n = a->w->n_devs,
                         .table = &api_targets_table,
                         .ctx = a->w,
                         .sort_fields = sort,
                         .put = api_put_target};
    api_page(a, &l);
    free(items);
}

static void get_target(struct api *a)
{
    int d = api_dev_index(a, a->seg[1]);
    if (d == W_NONE)
        return;
    api_ok(a, 200);
    put_target_detail(a, d);
}

static void get_attributes(struct api *a)
{
    int d = api_dev_index(a, a->seg[1]);
    if (d == W_NONE)
        return;
    const struct w_dev *dev = &a->w->devs[d];
    api_ok(a, 200);
    json_w_obj(&a->j);
    json_w_kstr(&a->j, "hw_revision", a->w->sc->devices.models[dev->model].hw_revision);
    json_w_kstr(&a->j, "model", a->w->sc->devices.models[dev->model].name);
    json_w_kstr(&a->j, "site", a->w->sc->devices.sites[dev->site]);
    json_w_obj_end(&a->j);
}

static void get_ds_of(struct api *a)
{
    int d = api_dev_index(a, a->seg[1]);
    if (d == W_NONE)
        return;
    int ds = a->seg[2][0] == 'i' ? a->w->devs[d].installed : a->w->devs[d].assigned;
    if (ds == W_NONE) {
        a->out->status = 204;
        return;
    }
    api_ok(a, 200);
    api_put_ds(a, ds, true);
}

/* --- assigning */

static void put_action(struct api *a, int dev, int action)
{
    struct json_w *j = &a->j;
    json_w_obj(j);
    json_w_kint(j, "id", action + 1);
    json_w_key(j, "_links");
    json_w_obj(j);
    api_link(a, "self", NULL, "/targets/%s/actions/%d", a->w->devs[dev].id, action + 1);
    json_w_obj_end(j);
    json_w_obj_end(j);
}

/* Records the set as installed without asking the device: what makes a skipped device assignable again. */
static int assign_offline(struct api *a, int dev, int ds)
{
    struct world *w = a->w;
    struct w_dev *d = &w->devs[dev];
    int act = action_new(w, dev, ds, W_NONE, W_NONE, WA_RUNNING, "forced");
    for (uint32_t i = 0; i < d->n_actions; i++)
        if (d->actions[i] != act && w->actions[d->actions[i]].active &&
            w->actions[d->actions[i]].status != WA_SCHEDULED)
            action_recall(w, d->actions[i]);
    action_status(w, act, WA_FINISHED, "finished", "Action reported as offline deployment");
    d->installed = d->assigned = ds;
    d->installed_at = d->modified = w->now;
    d->status = W_IN_SYNC;
    return act;
}

/* The action, or W_NONE where there is nothing to do. */
static int assign(struct api *a, int dev, int ds, bool offline, const char *type)
{
    struct world *w = a->w;
    if (offline)
        return w->devs[dev].assigned != ds || w->devs[dev].installed != ds ? assign_offline(a, dev, ds) : W_NONE;
    if (w->devs[dev].assigned == ds)
        return W_NONE;
    int act = action_new(w, dev, ds, W_NONE, W_NONE, WA_SCHEDULED, type && !strcmp(type, "soft") ? "soft" : "forced");
    action_start(w, act);
    return act;
}

/* One entry of an assignment: which device and which set. The one that the path names stands for all; a device that
 * is not there is passed over when it is named in a list. */
struct assignment {
    int dev, ds;
};

static void put_assignments(struct api *a, const struct json_t *list, struct assignment of)
{
    char flag[16];
    const char *asked = api_param(a, "offline", flag, sizeof flag);
    bool offline = asked && !strcasecmp(asked, "true");
    size_t n = json_is_arr(list) ? json_len(list) : 1;
    int done = 0, already = 0;
    struct json_w *j = &a->j;
    api_ok(a, 200);
    json_w_obj(j);
    json_w_key(j, "assignedActions");
    json_w_arr(j);
    for (size_t i = 0; i < n; i++) {
        const struct json_t *one = json_is_arr(list) ? json_at(list, i) : list;
        const char *id = json_str(one, "id", NULL);
        int dev = of.dev != W_NONE ? of.dev : id ? world_find(a->w, id) : W_NONE;
        if (dev == W_NONE)
            continue;
        int act = assign(a, dev, of.ds, offline, json_str(one, "type", NULL));
        already += act == W_NONE;
        done += act != W_NONE;
        if (act != W_NONE)
            put_action(a, dev, act);
    }
    json_w_arr_end(j);
    json_w_kint(j, "alreadyAssigned", already);
    json_w_kint(j, "assigned", done);
    json_w_kint(j, "total", done + already);
    json_w_obj_end(j);
    a->w->ds[of.ds].locked = true;
}

static void post_assign(struct api *a)
{
    int d = api_dev_index(a, a->seg[1]);
    if (d == W_NONE)
        return;
    struct json_t *body = api_body(a);
    if (!body)
        return;
    /* an object, or a list of one */
    const struct json_t *one = json_is_arr(body) ? json_at(body, 0) : body;
    int64_t id = 0;
    json_int(one, "id", &id);
    int ds = one ? api_ds_index(a, id) : W_NONE;
    if (!one || (json_is_arr(body) && json_len(body) != 1))
        api_unreadable(a);
    else if (ds != W_NONE && api_ds_usable(a, ds))
        put_assignments(a, one, (struct assignment){d, ds});
    json_free(body);
}

static void post_ds_targets(struct api *a)
{
    struct json_t *body = api_body(a);
    if (!body)
        return;
    int ds = W_NONE;
    if (!json_is_arr(body))
        api_unreadable(a);
    else if (json_len(body) == 0)
        api_constraint(a, "assignDistributionSets.deploymentRequests must not be empty.");
    else
        ds = api_ds_index(a, a->id[0]);
    if (ds != W_NONE && api_ds_usable(a, ds))
        put_assignments(a, body, (struct assignment){W_NONE, ds});
    json_free(body);
}

const struct api_route api_target_routes[] = {
    {"GET", "targets", get_targets},
    {"GET", "targets/*", get_target},
    {"GET", "targets/*/attributes", get_attributes},
    {"GET", "targets/*/installedDS", get_ds_of},
    {"GET", "targets/*/assignedDS", get_ds_of},
    {"POST", "targets/*/assignedDS", post_assign},
    {"POST", "distributionsets/#/assignedTargets", post_ds_targets},
    {NULL, NULL, NULL},
};
