/* /rest/v1/distributionsets and targetfilters */
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

/* --- distribution sets; ids are index + 1 */

static const char *const ds_fields[] = {"id",       "name", "version",   "description", "valid",
                                        "complete", "type", "createdat", NULL};

static int ds_field(const char *name)
{
    return word_index(ds_fields, name);
}

static void ds_get(const void *ctx, int item, int field, struct rsql_value *v)
{
    const struct world *w = ctx;
    const struct w_ds *d = &w->ds[item];
    static const char *const fixed[] = {"true", "os"};
    if (field == 0)
        set_num(v, item + 1);
    else if (field == 7)
        set_num(v, (d->created + w->epoch) / US_PER_MS);
    else if (field != 3)
        set_str(v, field == 1   ? d->name
                   : field == 2 ? d->version
                   : field == 4 ? (d->invalid ? "false" : "true")
                                : fixed[field - 5]);
}

static const struct rsql_table api_ds_table = {ds_field, ds_get};

int api_ds_index(struct api *a, int64_t id)
{
    if (id >= 1 && (uint64_t)id <= a->w->n_ds)
        return (int)(id - 1);
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)id);
    api_not_found(a, "DistributionSet", text);
    return W_NONE;
}

bool api_ds_usable(struct api *a, int ds)
{
    if (!a->w->ds[ds].invalid)
        return true;
    api_error(a, 400, "distributionset.invalid", "InvalidDistributionSetException",
              "Distribution set of type os is invalid: %d", ds + 1);
    return false;
}

static void put_stamp(struct api *a, const struct w_ds *d)
{
    api_ktime(a, "createdAt", d->created);
    json_w_kstr(&a->j, "createdBy", "admin");
    json_w_kbool(&a->j, "deleted", false);
}

static void put_module(struct api *a, const struct w_ds *d, int id)
{
    struct json_w *j = &a->j;
    json_w_obj(j);
    json_w_key(j, "_links");
    json_w_obj(j);
    api_link(a, "self", NULL, "/softwaremodules/%d", id);
    json_w_obj_end(j);
    json_w_kbool(j, "complete", true);
    put_stamp(a, d);
    json_w_kbool(j, "encrypted", false);
    json_w_kint(j, "id", id);
    api_ktime(a, "lastModifiedAt", d->modified);
    json_w_kstr(j, "lastModifiedBy", "admin");
    json_w_kbool(j, "locked", d->locked);
    json_w_kstr(j, "name", d->name);
    json_w_kstr(j, "type", "os");
    json_w_kstr(j, "typeName", "OS");
    json_w_kstr(j, "vendor", "drill");
    json_w_kstr(j, "version", d->version);
    json_w_obj_end(j);
}

void api_put_ds(struct api *a, int i, bool full)
{
    const struct w_ds *d = &a->w->ds[i];
    struct json_w *j = &a->j;
    json_w_obj(j);
    json_w_key(j, "_links");
    json_w_obj(j);
    api_link(a, "self", NULL, "/distributionsets/%d", i + 1);
    if (full) {
        api_link(a, "modules", NULL, "/distributionsets/%d/assignedSM?offset=0&limit=50", i + 1);
        api_link(a, "type", NULL, "/distributionsettypes/1");
        api_link(a, "metadata", NULL, "/distributionsets/%d/metadata", i + 1);
    }
    json_w_obj_end(j);
    json_w_kbool(j, "complete", true);
    put_stamp(a, d);
    json_w_kint(j, "id", i + 1);
    api_ktime(a, "lastModifiedAt", d->modified);
    json_w_kstr(j, "lastModifiedBy", "admin");
    json_w_kbool(j, "locked", d->locked);
    json_w_key(j, "modules");
    json_w_arr(j);
    put_module(a, d, i + 1);
    json_w_arr_end(j);
    json_w_kstr(j, "name", d->name);
    json_w_kbool(j, "requiredMigrationStep", false);
    json_w_kstr(j, "type", "os");
    json_w_kstr(j, "typeName", "OS only");
    json_w_kbool(j, "valid", !d->invalid);
    json_w_kstr(j, "version", d->version);
    json_w_obj_end(j);
}

static void get_ds_list(struct api *a)
{
    static const char *const sort[] = {"id", "name", "version", "createdAt", NULL};
    int *items = xreallocarray(NULL, a->w->n_ds, sizeof *items);
    for (size_t i = 0; i < a->w->n_ds; i++)
        items[i] = (int)i;
    struct api_list l = {
        .items = items, .n = a->w->n_ds, .table = &api_ds_table, .ctx = a->w, .sort_fields = sort, .put = api_put_ds};
    api_page(a, &l);
    free(items);
}

static void get_ds(struct api *a)
{
    int i = api_ds_index(a, a->id[0]);
    if (i == W_NONE)
        return;
    api_ok(a, 200);
    api_put_ds(a, i, true);
}

static void get_ds_targets(struct api *a)
{
    static const char *const sort[] = {"id", "controllerId", "name", NULL};
    int ds = api_ds_index(a, a->id[0]);
    if (ds == W_NONE)
        return;
    bool installed = a->seg[2][0] == 'i';
    int *items = xreallocarray(NULL, a->w->n_devs, sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < a->w->n_devs; i++)
        if ((installed ? a->w->devs[i].installed : a->w->devs[i].assigned) == ds)
            items[n++] = (int)i;
    struct api_list l = {
        .items = items, .n = n, .table = &api_targets_table, .ctx = a->w, .sort_fields = sort, .put = api_put_target};
    api_page(a, &l);
    free(items);
}

static void post_invalidate(struct api *a)
{
    int ds = api_ds_index(a, a->id[0]);
    if (ds == W_NONE)
        return;
    struct json_t *body = api_body(a);
    if (!body)
        return;
    const char *how = json_str(body, "actionCancelationType", NULL);
    char msg[200];
    int kind, created;
    if (!how || (strcasecmp(how, "none") != 0 && strcasecmp(how, "soft") != 0 && strcasecmp(how, "force") != 0)) {
        api_unreadable(a);
        json_free(body);
        return;
    }
    for (size_t i = 0; i < a->w->n_rollouts && !a->w->ds[ds].invalid; i++) {
        if (a->w->rollouts[i].ds != ds)
            continue;
        if (!strcasecmp(how, "soft"))
            rollout_verb(a->w, (int)i, "stop", NULL, msg, &kind, &created);
        else if (!strcasecmp(how, "force") && a->w->rollouts[i].state < WR_STOPPING)
            rollout_delete(a->w, (int)i);
    }
    a->w->ds[ds].invalid = true;
    a->w->ds[ds].modified = a->w->now;
    for (size_t i = 0; i < a->w->n_filters; i++)
        if (a->w->filters[i].ds == ds)
            a->w->filters[i].ds = W_NONE;
    json_free(body);
    a->out->status = 204;
}

/* --- target filters */

static const char *const filter_fields[] = {"id",
                                            "name",
                                            "query",
                                            "autoassigndistributionset.id",
                                            "autoassigndistributionset.name",
                                            "autoassigndistributionset.version",
                                            NULL};

static int filter_field(const char *name)
{
    return word_index(filter_fields, name);
}

static void filter_get(const void *ctx, int item, int field, struct rsql_value *v)
{
    const struct world *w = ctx;
    const struct w_filter *f = &w->filters[item];
    if (field == 0)
        set_num(v, f->id);
    else if (field < 3)
        set_str(v, field == 1 ? f->name : f->query);
    else if (f->ds != W_NONE && field == 3)
        set_num(v, f->ds + 1);
    else if (f->ds != W_NONE)
        set_str(v, field == 4 ? w->ds[f->ds].name : w->ds[f->ds].version);
}

static const struct rsql_table filters_table = {filter_field, filter_get};

static void put_filter(struct api *a, int i, bool full)
{
    (void)full;
    const struct w_filter *f = &a->w->filters[i];
    struct json_w *j = &a->j;
    json_w_obj(j);
    json_w_key(j, "_links");
    json_w_obj(j);
    api_link(a, "self", NULL, "/targetfilters/%lld", (long long)f->id);
    api_link(a, "autoAssignDS", NULL, "/targetfilters/%lld/autoAssignDS", (long long)f->id);
    json_w_obj_end(j);
    json_w_kstr(j, "autoAssignActionType", f->ds == W_NONE ? NULL : "forced");
    json_w_key(j, "autoAssignDistributionSet");
    if (f->ds == W_NONE)
        json_w_null(j);
    else
        json_w_int(j, f->ds + 1);
    json_w_key(j, "autoAssignWeight");
    if (f->ds == W_NONE)
        json_w_null(j);
    else
        json_w_int(j, 1000);
    json_w_kstr(j, "confirmationRequired", NULL);
    api_ktime(a, "createdAt", f->created);
    json_w_kstr(j, "createdBy", "admin");
    json_w_kint(j, "id", f->id);
    api_ktime(a, "lastModifiedAt", f->modified);
    json_w_kstr(j, "lastModifiedBy", "admin");
    json_w_kstr(j, "name", f->name);
    json_w_kstr(j, "query", f->query);
    json_w_obj_end(j);
}

static void get_filters(struct api *a)
{
    static const char *const sort[] = {"id", "name", NULL};
    int *items = xreallocarray(NULL, a->w->n_filters + 1, sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < a->w->n_filters; i++)
        if (!a->w->filters[i].deleted)
            items[n++] = (int)i;
    struct api_list l = {
        .items = items, .n = n, .table = &filters_table, .ctx = a->w, .sort_fields = sort, .put = put_filter};
    api_page(a, &l);
    free(items);
}

static int filter_index(struct api *a)
{
    for (size_t i = 0; i < a->w->n_filters; i++)
        if (a->w->filters[i].id == a->id[0] && !a->w->filters[i].deleted)
            return (int)i;
    api_not_found(a, "TargetFilterQuery", a->seg[1]);
    return W_NONE;
}

static void get_filter(struct api *a)
{
    int i = filter_index(a);
    if (i == W_NONE)
        return;
    api_ok(a, 200);
    put_filter(a, i, true);
}

static void post_filter(struct api *a)
{
    struct json_t *body = api_body(a);
    if (!body)
        return;
    const char *name = json_str(body, "name", NULL), *q = json_str(body, "query", NULL);
    bool taken = false;
    for (size_t i = 0; name && i < a->w->n_filters; i++)
        taken |= !a->w->filters[i].deleted && !strcmp(a->w->filters[i].name, name);
    if (!name || !q) {
        api_constraint(a, "name and query must not be null.");
    } else if (taken) {
        api_conflict(a);
    } else {
        struct world *w = a->w;
        w->filters = xreallocarray(w->filters, w->n_filters + 1, sizeof *w->filters);
        int i = (int)w->n_filters++;
        w->filters[i] = (struct w_filter){.id = i + 1,
                                          .name = xstrdup(name),
                                          .query = xstrdup(q),
                                          .ds = W_NONE,
                                          .created = w->now,
                                          .modified = w->now};
        api_ok(a, 201);
        put_filter(a, i, true);
    }
    json_free(body);
}

static void get_auto(struct api *a)
{
    int i = filter_index(a);
    if (i == W_NONE)
        return;
    if (a->w->filters[i].ds == W_NONE) {
        a->out->status = 204;
        return;
    }
    api_ok(a, 200);
    api_put_ds(a, a->w->filters[i].ds, true);
}

static void post_auto(struct api *a)
{
    int i = filter_index(a);
    if (i == W_NONE)
        return;
    struct json_t *body = api_body(a);
    if (!body)
        return;
    int64_t id = 0;
    json_int(body, "id", &id);
    json_free(body);
    int ds = api_ds_index(a, id);
    if (ds == W_NONE || !api_ds_usable(a, ds))
        return;
    a->w->filters[i].ds = ds;
    a->w->filters[i].modified = a->w->now;
    api_ok(a, 200);
    put_filter(a, i, true);
}

static void delete_auto(struct api *a)
{
    int i = filter_index(a);
    if (i == W_NONE)
        return;
    a->w->filters[i].ds = W_NONE;
    a->w->filters[i].modified = a->w->now;
    a->out->status = 204;
}

static void delete_filter(struct api *a)
{
    int i = filter_index(a);
    if (i == W_NONE)
        return;
    a->w->filters[i].deleted = true;
    a->out->status = 204;
}

const struct api_route api_ds_routes[] = {
    {"GET", "distributionsets", get_ds_list},
    {"GET", "distributionsets/#", get_ds},
    {"GET", "distributionsets/#/installedTargets", get_ds_targets},
    {"GET", "distributionsets/#/assignedTargets", get_ds_targets},
    {"POST", "distributionsets/#/invalidate", post_invalidate},
    {"GET", "targetfilters", get_filters},
    {"POST", "targetfilters", post_filter},
    {"GET", "targetfilters/#", get_filter},
    {"DELETE", "targetfilters/#", delete_filter},
    {"GET", "targetfilters/#/autoAssignDS", get_auto},
    {"POST", "targetfilters/#/autoAssignDS", post_auto},
    {"DELETE", "targetfilters/#/autoAssignDS", delete_auto},
    {NULL, NULL, NULL},
};
