/* POST /rest/v1/rollouts: what a server accepts and refuses when a rollout is made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "drill/api.h"

#define GROUPS_MAX 500
#define NAME_LIMIT 128

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
    char (*names)[40];
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
    struct rsql *q = rsql_parse(slice_of(filter), &api_targets_table, &err);
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
        api_put_rollout(a, r, true);
    }
    free(d.groups);
    free(d.names);
    free(devs);
}

void api_post_rollout(struct api *a)
{
    struct json_t *body = api_body(a);
    if (!body)
        return;
    if (!json_is_obj(body)) {
        json_free(body);
        api_unreadable(a);
        return;
    }
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
