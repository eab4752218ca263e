/* /rest/v1/rollouts */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/err.h"
#include "drill/api.h"

static const char *const count_words[WC_N] = {"running", "notstarted", "scheduled", "cancelled", "finished", "error"};

/* --- fields for queries */

enum { F_ID, F_NAME, F_DESCRIPTION, F_STATUS, F_DS_ID, F_DS_NAME, F_DS_VERSION, F_CREATED, F_MODIFIED };

static int rollout_field(const char *name)
{
    static const char *const words[] = {"id",
                                        "name",
                                        "description",
                                        "status",
                                        "distributionset.id",
                                        "distributionset.name",
                                        "distributionset.version",
                                        "createdat",
                                        "lastmodifiedat"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strcasecmp(name, words[i]))
            return (int)i;
    return -1;
}

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

static void rollout_get(const void *ctx, int item, int field, struct rsql_value *v)
{
    const struct world *w = ctx;
    const struct w_rollout *r = &w->rollouts[item];
    switch (field) {
    case F_ID:
        set_num(v, r->id);
        break;
    case F_NAME:
        set_str(v, r->name);
        break;
    case F_DESCRIPTION:
        set_str(v, r->description);
        break;
    case F_STATUS:
        set_str(v, rollout_word(r->state));
        break;
    case F_DS_ID:
        set_num(v, r->ds + 1);
        break;
    case F_DS_NAME:
        set_str(v, w->ds[r->ds].name);
        break;
    case F_DS_VERSION:
        set_str(v, w->ds[r->ds].version);
        break;
    default:
        set_num(v, ((field == F_CREATED ? r->created : r->modified) + w->epoch) / US_PER_MS);
    }
}

static const struct rsql_table api_rollouts_table = {rollout_field, rollout_get};

static int group_field(const char *name)
{
    static const char *const words[] = {"id", "name", "description", "status"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strcasecmp(name, words[i]))
            return (int)i;
    return -1;
}

static void group_get(const void *ctx, int item, int field, struct rsql_value *v)
{
    const struct w_group *g = &((const struct world *)ctx)->groups[item];
    if (field == F_ID)
        set_num(v, g->id);
    else
        set_str(v, field == F_NAME ? g->name : field == F_DESCRIPTION ? g->description : group_word(g->state));
}

static const struct rsql_table groups_table = {group_field, group_get};

static int api_rollout_index(struct api *a, int64_t id)
{
    int r = rollout_find(a->w, id);
    if (r == W_NONE) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)id);
        api_not_found(a, "Rollout", text);
    }
    return r;
}

/* --- writing */

static void put_counts(struct api *a, const int64_t n[WC_N])
{
    json_w_key(&a->j, "totalTargetsPerStatus");
    json_w_obj(&a->j);
    for (int k = 0; k < WC_N; k++)
        json_w_kint(&a->j, count_words[k], n[k]);
    json_w_obj_end(&a->j);
}

static void put_rollout_links(struct api *a, const struct w_rollout *r)
{
    static const char *const verbs[] = {"start", "pause", "resume", "triggerNextGroup", "approve", "deny"};
    long long id = r->id;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        api_link(a, verbs[i], NULL, "/rollouts/%lld/%s", id, verbs[i]);
    api_link(a, "groups", NULL, "/rollouts/%lld/deploygroups?offset=0&limit=50", id);
    char name[600];
    snprintf(name, sizeof name, "%s:%s", a->w->ds[r->ds].name, a->w->ds[r->ds].version);
    api_link(a, "distributionset", name, "/distributionsets/%d", r->ds + 1);
}

void api_put_rollout(struct api *a, int i, bool full)
{
    const struct w_rollout *r = &a->w->rollouts[i];
    struct json_w *j = &a->j;
    json_w_obj(j);
    json_w_key(j, "_links");
    json_w_obj(j);
    if (full)
        put_rollout_links(a, r);
    api_link(a, "self", NULL, "/rollouts/%lld", (long long)r->id);
    json_w_obj_end(j);
    if (r->remark)
        json_w_kstr(j, "approvalRemark", r->remark);
    if (r->decided_by)
        json_w_kstr(j, "approveDecidedBy", r->decided_by);
    api_ktime(a, "createdAt", r->created);
    json_w_kstr(j, "createdBy", r->created_by);
    json_w_kbool(j, "deleted", r->state == WR_DELETED);
    if (r->description)
        json_w_kstr(j, "description", r->description);
    json_w_kint(j, "distributionSetId", r->ds + 1);
    json_w_kbool(j, "dynamic", false);
    json_w_kint(j, "forcetime", 0);
    json_w_kint(j, "id", r->id);
    api_ktime(a, "lastModifiedAt", r->modified);
    json_w_kstr(j, "lastModifiedBy", r->modified_by);
    json_w_kstr(j, "name", r->name);
    if (r->start_at != INT64_MIN)
        api_ktime(a, "startAt", r->start_at);
    json_w_kstr(j, "status", rollout_word(r->state));
    json_w_kstr(j, "targetFilterQuery", r->filter);
    if (full)
        json_w_kint(j, "totalGroups", r->n_groups);
    json_w_kint(j, "totalTargets", r->total);
    if (full) {
        int64_t n[WC_N];
        rollout_counts(a->w, i, n);
        put_counts(a, n);
    }
    json_w_kstr(j, "type", r->type);
    json_w_kint(j, "weight", 1000);
    json_w_obj_end(j);
}

static void put_pair(struct api *a, const char *key, const char *name, const char *value, const char *expression)
{
    json_w_key(&a->j, key);
    json_w_obj(&a->j);
    json_w_kstr(&a->j, name, value);
    json_w_kstr(&a->j, "expression", expression);
    json_w_obj_end(&a->j);
}

static void put_group(struct api *a, int i, bool full)
{
    const struct w_group *g = &a->w->groups[i];
    struct json_w *j = &a->j;
    json_w_obj(j);
    json_w_key(j, "_links");
    json_w_obj(j);
    api_link(a, "self", NULL, "/rollouts/%lld/deploygroups/%lld", (long long)a->w->rollouts[g->rollout].id,
             (long long)g->id);
    json_w_obj_end(j);
    api_ktime(a, "createdAt", g->created);
    json_w_kstr(j, "createdBy", "admin");
    json_w_kstr(j, "description", g->description);
    json_w_kbool(j, "dynamic", false);
    put_pair(a, "errorAction", "action", "PAUSE", "");
    put_pair(a, "errorCondition", "condition", g->error_condition, g->error);
    json_w_kint(j, "id", g->id);
    api_ktime(a, "lastModifiedAt", g->modified);
    json_w_kstr(j, "lastModifiedBy", g->state == WG_CREATING ? "admin" : "system");
    json_w_kstr(j, "name", g->name);
    json_w_kstr(j, "status", group_word(g->state));
    put_pair(a, "successAction", "action", g->success_pause ? "PAUSE" : "NEXTGROUP", "");
    put_pair(a, "successCondition", "condition", g->success_condition, g->success);
    json_w_kstr(j, "targetFilterQuery", "");
    json_w_knum(j, "targetPercentage", g->percent);
    json_w_kint(j, "totalTargets", (int64_t)g->n_devs);
    if (full)
        put_counts(a, g->count);
    json_w_obj_end(j);
}

/* --- reading */

static const char *const rollout_sort[] = {"id", "name", "description", "status", "createdAt", "lastModifiedAt", NULL};

static void get_rollouts(struct api *a)
{
    char mode[64];
    const char *m = api_param(a, "soft_deleted_mode", mode, sizeof mode);
    bool deleted = m && !strcmp(m, "INCLUDE_SOFT_DELETED");
    int *items = xreallocarray(NULL, a->w->n_rollouts + 1, sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < a->w->n_rollouts; i++)
        if (a->w->rollouts[i].state != WR_GONE && (deleted || a->w->rollouts[i].state != WR_DELETED))
            items[n++] = (int)i;
    struct api_list l = {.items = items,
                         .n = n,
                         .table = &api_rollouts_table,
                         .ctx = a->w,
                         .sort_fields = rollout_sort,
                         .put = api_put_rollout};
    api_page(a, &l);
    free(items);
}

static void get_rollout(struct api *a)
{
    int r = api_rollout_index(a, a->id[0]);
    if (r == W_NONE)
        return;
    api_ok(a, 200);
    api_put_rollout(a, r, true);
}

static void get_groups(struct api *a)
{
    static const char *const sort[] = {"id", "name", "description", "status", "createdAt", NULL};
    int r = api_rollout_index(a, a->id[0]);
    if (r == W_NONE)
        return;
    const struct w_rollout *ro = &a->w->rollouts[r];
    int *items = xreallocarray(NULL, (size_t)ro->n_groups + 1, sizeof *items);
    for (int k = 0; k < ro->n_groups; k++)
        items[k] = ro->first_group + k;
    struct api_list l = {.items = items,
                         .n = (size_t)ro->n_groups,
                         .table = &groups_table,
                         .ctx = a->w,
                         .sort_fields = sort,
                         .put = put_group};
    api_page(a, &l);
    free(items);
}

static int group_index(struct api *a)
{
    int r = api_rollout_index(a, a->id[0]);
    if (r == W_NONE)
        return W_NONE;
    const struct w_rollout *ro = &a->w->rollouts[r];
    for (int k = 0; k < ro->n_groups; k++)
        if (a->w->groups[ro->first_group + k].id == a->id[1])
            return ro->first_group + k;
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)a->id[1]);
    api_not_found(a, "RolloutGroup", text);
    return W_NONE;
}

static void get_group(struct api *a)
{
    int g = group_index(a);
    if (g == W_NONE)
        return;
    api_ok(a, 200);
    put_group(a, g, true);
}

static const char *const target_sort[] = {"id", "controllerId", "name", "createdAt", "lastModifiedAt", "updateStatus",
                                          NULL};

static void get_group_targets(struct api *a)
{
    int g = group_index(a);
    if (g == W_NONE)
        return;
    struct api_list l = {.items = a->w->groups[g].devs,
                         .n = a->w->groups[g].n_devs,
                         .table = &api_targets_table,
                         .ctx = a->w,
                         .sort_fields = target_sort,
                         .put = api_put_target};
    api_page(a, &l);
}

/* --- verbs */

static void verb(struct api *a)
{
    int r = api_rollout_index(a, a->id[0]);
    if (r == W_NONE)
        return;
    char remark[600], msg[200];
    int kind, created;
    const char *no =
        rollout_verb(a->w, r, a->seg[2], api_param(a, "remark", remark, sizeof remark), msg, &kind, &created);
    if (!no && created != W_NONE) {
        api_ok(a, 201);
        api_put_rollout(a, created, true);
    } else if (!no) {
        a->out->status = 204;
    } else if (kind == 0) {
        api_error(a, 400, "rollout.illegalState", "RolloutIllegalStateException", "%s", no);
    } else if (kind == 1) {
        api_constraint(a, "%s", no);
    } else if (kind == 2) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)a->id[0]);
        api_not_found(a, "Rollout", text);
    } else {
        api_conflict(a);
    }
}

static void delete_rollout(struct api *a)
{
    int r = api_rollout_index(a, a->id[0]);
    if (r == W_NONE)
        return;
    rollout_delete(a->w, r);
    a->out->status = 204;
}

const struct api_route api_rollout_routes[] = {
    {"GET", "rollouts", get_rollouts},
    {"POST", "rollouts", api_post_rollout},
    {"GET", "rollouts/#", get_rollout},
    {"DELETE", "rollouts/#", delete_rollout},
    {"GET", "rollouts/#/deploygroups", get_groups},
    {"GET", "rollouts/#/deploygroups/#", get_group},
    {"GET", "rollouts/#/deploygroups/#/targets", get_group_targets},
    {"POST", "rollouts/#/start", verb},
    {"POST", "rollouts/#/pause", verb},
    {"POST", "rollouts/#/resume", verb},
    {"POST", "rollouts/#/stop", verb},
    {"POST", "rollouts/#/approve", verb},
    {"POST", "rollouts/#/deny", verb},
    {"POST", "rollouts/#/retry", verb},
    {"POST", "rollouts/#/triggerNextGroup", verb},
    {NULL, NULL, NULL},
};
