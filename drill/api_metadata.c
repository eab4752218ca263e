/* /rest/v1/distributionsets/{id}/metadata: a small store beside a release. What a POST of a key that exists gets was
 * measured on 0.3.0M7; so was the quota, of which 1.x says 429. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "drill/api.h"

#define KEY_MAX     128
#define VALUE_MAX   4000 /* UTF-16 units */
#define ENTRIES_MAX 100

/* UTF-16 units of valid UTF-8. */
static size_t units(const char *s, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        k += (size_t)(((unsigned char)s[i] & 0xc0) != 0x80) + (size_t)((unsigned char)s[i] >= 0xf0);
    return k;
}

static struct w_ds *ds_of(struct api *a)
{
    int i = api_ds_index(a, a->id[0]);
    return i == W_NONE ? NULL : &a->w->ds[i];
}

static struct w_metadata *find(struct w_ds *d, const char *key)
{
    for (size_t i = 0; i < d->n_metadata; i++)
        if (strcmp(d->metadata[i].key, key) == 0)
            return &d->metadata[i];
    return NULL;
}

/* The entry that the path names; NULL after answering 404. */
static struct w_metadata *entry(struct api *a, struct w_ds *d)
{
    struct w_metadata *m = find(d, a->seg[3]);
    if (!m)
        api_error(a, 404, "repo.entityNotFound", "EntityNotFoundException",
                  "DistributionSetMetadata for given entity {%lld} and with key {%.130s} does not exist.",
                  (long long)a->id[0], a->seg[3]);
    return m;
}

static void put_entry(struct api *a, const struct w_metadata *m)
{
    json_w_obj(&a->j);
    json_w_kstr(&a->j, "key", m->key);
    if (m->value)
        json_w_kstr(&a->j, "value", m->value);
    json_w_obj_end(&a->j);
}

/* 1.x gives all of them: there are no pages. */
static void get_all(struct api *a)
{
    struct w_ds *d = ds_of(a);
    if (!d)
        return;
    api_ok(a, 200);
    json_w_obj(&a->j);
    json_w_key(&a->j, "content");
    json_w_arr(&a->j);
    for (size_t i = 0; i < d->n_metadata; i++)
        put_entry(a, &d->metadata[i]);
    json_w_arr_end(&a->j);
    json_w_kint(&a->j, "total", (int64_t)d->n_metadata);
    json_w_kint(&a->j, "size", (int64_t)d->n_metadata);
    json_w_obj_end(&a->j);
}

static void get_one(struct api *a)
{
    struct w_ds *d = ds_of(a);
    const struct w_metadata *m = d ? entry(a, d) : NULL;
    if (!m)
        return;
    api_ok(a, 200);
    put_entry(a, m);
}

static bool value_fits(struct api *a, const struct json_t *o)
{
    size_t n = 0;
    const char *value = json_str(o, "value", &n);
    if (!value || units(value, n) <= VALUE_MAX)
        return true;
    api_error(a, 400, "repo.constraintViolation", "org.springframework.dao.DataIntegrityViolationException",
              "Value too long for column \"META_VALUE\"");
    return false;
}

/* Does an earlier one of the list have the same key? */
static bool twice(const struct json_t *list, size_t i, const char *key)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(json_str(json_at(list, k), "key", NULL), key) == 0)
            return true;
    return false;
}

static bool entry_fits(struct api *a, struct w_ds *d, const struct json_t *list, size_t i)
{
    const struct json_t *o = json_at(list, i);
    size_t n = 0;
    const char *key = json_str(o, "key", &n);
    size_t k = key ? units(key, n) : 0;
    if (!json_is_obj(o)) {
        api_unreadable(a);
    } else if (k < 1 || k > KEY_MAX) {
        api_constraint(a, "metadata.key size must be between 1 and %d.", KEY_MAX);
    } else if (d->n_metadata + json_len(list) > ENTRIES_MAX) {
        api_error(
            a, 429, "quota.tooManyEntries", "AssignmentQuotaExceededException",
            "Quota exceeded: Cannot assign %zu more Metadata entities to DistributionSet '%lld'. The maximum is %d.",
            json_len(list), (long long)a->id[0], ENTRIES_MAX);
    } else if (find(d, key) || twice(list, i, key)) {
        api_conflict(a);
    } else {
        return value_fits(a, o);
    }
    return false;
}

static void set_value(struct api *a, struct w_ds *d, struct w_metadata *m, const struct json_t *o)
{
    const char *value = json_str(o, "value", NULL);
    free(m->value);
    m->value = value ? xstrdup(value) : NULL;
    d->modified = a->w->now;
}

static void post_list(struct api *a)
{
    struct w_ds *d = ds_of(a);
    struct json_t *body = d ? api_body(a) : NULL;
    if (!body)
        return;
    size_t n = json_len(body);
    bool ok = json_is_arr(body) && n > 0;
    if (!json_is_arr(body))
        api_unreadable(a);
    else if (n == 0)
        api_constraint(a, "createMetaData.metadata must not be empty.");
    for (size_t i = 0; ok && i < n; i++)
        ok = entry_fits(a, d, body, i);
    for (size_t i = 0; ok && i < n; i++) {
        d->metadata = xreallocarray(d->metadata, d->n_metadata + 1, sizeof *d->metadata);
        struct w_metadata *m = &d->metadata[d->n_metadata++];
        *m = (struct w_metadata){.key = xstrdup(json_str(json_at(body, i), "key", NULL))};
        set_value(a, d, m, json_at(body, i));
    }
    if (ok)
        a->out->status = 201;
    json_free(body);
}

static void put_one(struct api *a)
{
    struct w_ds *d = ds_of(a);
    struct w_metadata *m = d ? entry(a, d) : NULL;
    struct json_t *body = m ? api_body(a) : NULL;
    if (!body)
        return;
    if (!json_is_obj(body)) {
        api_unreadable(a);
    } else if (value_fits(a, body)) {
        set_value(a, d, m, body);
        a->out->status = 204;
    }
    json_free(body);
}

static void delete_one(struct api *a)
{
    struct w_ds *d = ds_of(a);
    struct w_metadata *m = d ? entry(a, d) : NULL;
    if (!m)
        return;
    free(m->key);
    free(m->value);
    size_t at = (size_t)(m - d->metadata);
    memmove(m, m + 1, (--d->n_metadata - at) * sizeof *m);
    d->modified = a->w->now;
    a->out->status = 204;
}

const struct api_route api_metadata_routes[] = {
    {"GET", "distributionsets/#/metadata", get_all},         {"POST", "distributionsets/#/metadata", post_list},
    {"GET", "distributionsets/#/metadata/*", get_one},       {"PUT", "distributionsets/#/metadata/*", put_one},
    {"DELETE", "distributionsets/#/metadata/*", delete_one}, {NULL, NULL, NULL},
};
