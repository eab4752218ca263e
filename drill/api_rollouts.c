/* /rest/v1/rollouts */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/err.h"
#include "drill/api.h"

#define GROUPS_MAX 500
#define NAME_LIMIT 128

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

const struct rsql_table api_rollouts_table = {rollout_field, rollout_get};

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

int api_rollout_index(struct api *a, int64_t id)
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

static void put_rollout(struct api *a, int i, bool full)
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
                         .put = put_rollout};
    api_page(a, &l);
    free(items);
}

static void get_rollout(struct api *a)
{
    int r = api_rollout_index(a, a->id[0]);
    if (r == W_NONE)
        return;
    api_ok(a, 200);
    put_rollout(a, r, true);
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

/* --- creating */

/* A condition or action of a group, from it or from the rollout's own: {condition|action, expression}. */
static const char *part(const struct json_t *group, const struct json_t *body, const char *key, const char *member,
                        const char *dflt)
{
    const struct json_t *c = group ? json_get(group, key) : NULL;
    if (!json_is_obj(c))
        c = json_get(body, key);
    const char *s = json_is_obj(c) ? json_str(c, member, NULL) : NULL;
    return s ? s : dflt;
}

static struct w_group_spec group_spec(const struct json_t *g, const struct json_t *body, const char *name,
                                      double percent)
{
    const char *desc = g ? json_str(g, "description", NULL) : NULL;
    return (struct w_group_spec){.name = name,
                                 .description = desc ? desc : name,
                                 .percent = percent,
                                 .success = part(g, body, "successCondition", "expression", "50"),
                                 .error = part(g, body, "errorCondition", "expression", "50"),
                                 .success_condition = part(g, body, "successCondition", "condition", "THRESHOLD"),
                                 .error_condition = part(g, body, "errorCondition", "condition", "THRESHOLD"),
                                 .success_pause = !strcmp(part(g, body, "successAction", "action", ""), "PAUSE")};
}

struct draft {
    struct w_group_spec *groups;
    char (*names)[24];
    size_t n;
};

/* The groups of the request; false after answering. */
static bool draft_groups(struct api *a, const struct json_t *body, struct draft *d)
{
    const struct json_t *list = json_get(body, "groups");
    int64_t amount = 1;
    bool has_amount = json_int(body, "amountGroups", &amount);
    d->n = json_is_arr(list) ? json_len(list) : 0;
    if (d->n && has_amount) {
        api_constraint(a, "If 'group' is set the 'amountGroups' must not be set in the request");
        return false;
    }
    if (!d->n && amount <= 0) {
        api_constraint(
            a,
            "When amount of groups is 0, the rollouts shall be dynamic and a dynamic group template must be provided");
        return false;
    }
    if (!d->n && amount <= GROUPS_MAX)
        d->n = (size_t)amount;
    if (amount > GROUPS_MAX || d->n > GROUPS_MAX) {
        api_error(a, 429, "quota.tooManyEntries", "AssignmentQuotaExceededException",
                  "The amount of groups cannot be greater than 500");
        return false;
    }
    d->groups = xcalloc(d->n, sizeof *d->groups);
    d->names = xcalloc(d->n, sizeof *d->names);
    double sum = 0;
    for (size_t i = 0; i < d->n; i++) {
        const struct json_t *g = json_is_arr(list) && json_len(list) ? json_at(list, i) : NULL;
        double percent = 100.0 / (double)d->n;
        snprintf(d->names[i], sizeof d->names[i], "group-%zu", i + 1);
        const char *name = g ? json_str(g, "name", NULL) : NULL;
        if (g && !json_num(g, "targetPercentage", &percent))
            percent = 100;
        if (percent <= 0 || percent > 100) {
            api_constraint(a, "Target percentage has to be between 1 and 100");
            return false;
        }
        sum += percent;
        d->groups[i] = group_spec(g, body, name ? name : d->names[i], percent);
    }
    if (sum < 99.99) {
        api_constraint(a, "Rollout groups don't match all targets that are targeted by the rollout");
        return false;
    }
    return true;
}

static bool name_ok(struct api *a, const char *name)
{
    if (!name) {
        api_error(a, 400, "repo.constraintViolation", "jakarta.validation.ConstraintViolationException",
                  "name must not be null.");
        return false;
    }
    size_t n = strlen(name);
    if (n < 1 || n > NAME_LIMIT) {
        api_error(a, 400, "repo.constraintViolation", "jakarta.validation.ConstraintViolationException",
                  "create.create.name size must be between 1 and 128.");
        return false;
    }
    if (strpbrk(name, "<>")) {
        api_error(a, 400, "repo.constraintViolation", "jakarta.validation.ConstraintViolationException",
                  "create.create.name Invalid characters in string.");
        return false;
    }
    if (rollout_named(a->w, name) != W_NONE) {
        api_conflict(a);
        return false;
    }
    return true;
}

static bool type_ok(const char *t)
{
    static const char *const words[] = {"forced", "soft", "timeforced", "downloadonly"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (!strcmp(t, words[i]))
            return true;
    return false;
}

/* Targets that the filter matches now: membership is fixed here and never looked at again. */
static int *matching(struct api *a, const char *filter, size_t *n, bool *answered)
{
    enum rsql_error err;
    struct rsql *q = rsql_parse(filter, &api_targets_table, &err);
    *n = 0;
    *answered = !q;
    if (err == RSQL_SYNTAX)
        api_error(a, 400, "rest.param.rsqlParamSyntax", "RSQLParameterSyntaxException", NULL);
    else if (err == RSQL_FIELD)
        api_error(a, 400, "rest.param.rsqlInvalidField", "RSQLParameterUnsupportedFieldException", NULL);
    if (!q)
        return NULL;
    int *devs = xreallocarray(NULL, a->w->n_devs, sizeof *devs);
    for (size_t i = 0; i < a->w->n_devs; i++)
        if (rsql_match(q, a->w, (int)i))
            devs[(*n)++] = (int)i;
    rsql_free(q);
    return devs;
}

static void create_from(struct api *a, const struct json_t *body, struct w_rollout_spec *s)
{
    struct draft d = {0};
    size_t n = 0;
    bool answered = false;
    int *devs = matching(a, s->filter, &n, &answered);
    if (!answered && n == 0) {
        api_constraint(a, "Rollout does not match any existing targets");
    } else if (!answered && draft_groups(a, body, &d)) {
        s->groups = d.groups;
        s->n_groups = d.n;
        s->devs = devs;
        s->n_devs = n;
        int r = rollout_add(a->w, s);
        api_ok(a, 201);
        put_rollout(a, r, true);
    }
    free(d.groups);
    free(d.names);
    free(devs);
}

static void post_rollout(struct api *a)
{
    struct json_t *body = api_body(a);
    if (!body)
        return;
    struct w_rollout_spec s = {.start_at = INT64_MIN, .type = "forced"};
    int64_t id = 0, start;
    json_int(body, "distributionSetId", &id);
    s.name = json_str(body, "name", NULL);
    s.description = json_str(body, "description", NULL);
    s.filter = json_str(body, "targetFilterQuery", NULL);
    if (json_str(body, "type", NULL))
        s.type = json_str(body, "type", NULL);
    if (json_int(body, "startAt", &start) && start > 0 && start < INT64_MAX / US_PER_MS)
        s.start_at = start * US_PER_MS - a->w->epoch;
    if (!type_ok(s.type)) {
        api_unreadable(a);
    } else if (name_ok(a, s.name)) {
        s.ds = api_ds_index(a, id);
        if (s.ds == W_NONE) {
            json_free(body);
            return;
        }
        if (!s.filter)
            api_error(a, 400, "repo.constraintViolation", "jakarta.validation.ConstraintViolationException",
                      "targetFilterQuery must not be null.");
        else if (api_ds_usable(a, s.ds))
            create_from(a, body, &s);
    }
    json_free(body);
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
        put_rollout(a, created, true);
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
    {"POST", "rollouts", post_rollout},
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
