/* Attributes of many devices. hawkBit gives them device by device only, but finds devices by attribute: so a few
 * devices are asked, and for each value that turns up the list of all that have it. A fleet with four models takes four
 * lists and a handful of devices.
 *
 * The filter compares without case, keys and values (measured on 0.3.0M7): so does this, everywhere, or the answer
 * would depend on who was asked and who was listed. Where a value has to be told exactly each device is asked. */
#include "client/hawkbit_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "client/telemetry.h"
#include "core/text.h"

#define AT_ONCE     6  /* devices asked before the new values are listed */
#define VALUES_MAX  64 /* values of a key that are listed: a serial number is not worth it */
#define KEY_MAX     64
#define VALUE_MAX   256 /* bytes of a name */
#define DEVICES_MAX ((size_t)1 << 20)

struct value {
    size_t key;
    const char *raw; /* as it stands in a filter; NULL: it cannot */
    bool listed;
};

struct attributes {
    struct attribute_table *out;
    struct arena *texts; /* the caller's */
    const char *const *ids;
    const char *const *keys;
    struct watch_set *index; /* ids, raw */
    size_t *place;           /* in ids, by index */
    bool *asked;
    size_t n, n_keys, limit, n_asked, from; /* none before `from` is to be asked */
    bool exact;                             /* two values that differ are two, and no list tells which a device has */
    struct value *values;                   /* beside out->names */
    size_t cap, current;                    /* the value that is being listed */
    bool *no_filter;                        /* by key: the server does not take it in a filter */
    size_t *n_listed;                       /* by key */
};

static void carry_on(struct job *j);

static bool plain_key(const char *key)
{
    size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return n > 0 && n <= KEY_MAX && key[n] == '\0';
}

/* The index of a key's value, which is added when it is new. */
static int32_t name_of(struct attributes *t, struct job *j, size_t key, const char *s, size_t n)
{
    struct attribute_table *out = t->out;
    const char *text = safe_text(&j->scratch, s, n, VALUE_MAX);
    for (size_t i = 0; i < out->n_names; i++)
        if (t->values[i].key == key && (t->exact ? strcmp : strcasecmp)(out->names[i], text) == 0)
            return (int32_t)i;
    if (out->n_names == t->cap) {
        size_t cap = t->cap * 2;
        const char **names = ARENA_ARRAY(t->texts, const char *, cap);
        struct value *values = ARENA_ARRAY(&j->scratch, struct value, cap);
        memcpy(names, out->names, t->cap * sizeof *names);
        memcpy(values, t->values, t->cap * sizeof *values);
        out->names = names;
        t->values = values;
        t->cap = cap;
    }
    struct buf quoted;
    buf_init(&quoted, 2 * VALUE_MAX + 2);
    /* What was changed on the way to safe text, or means more than itself in a filter, is never listed. */
    bool same = n > 0 && strlen(text) == n && memcmp(text, s, n) == 0;
    bool ok = same && hb_rsql_value(&quoted, text, NULL);
    size_t i = out->n_names++;
    out->names[i] = arena_strdup(t->texts, text);
    t->values[i] = (struct value){.key = key, .raw = ok ? arena_strdup(&j->scratch, quoted.data) : NULL};
    buf_release(&quoted);
    return (int32_t)i;
}

/* --- one device --- */

static void on_attributes(struct job *j, size_t device, const struct http_answer *a, const struct json_t *doc)
{
    struct attributes *t = j->state;
    void *it = NULL;
    const char *key;
    const struct json_t *val;
    (void)a;
    while (json_each(doc, &it, &key, &val)) {
        size_t n;
        const char *s = json_str_value(val, &n);
        for (size_t k = 0; s && k < t->n_keys; k++) {
            int32_t *cell = &t->out->v[device * t->n_keys + k];
            if (strcasecmp(key, t->keys[k]) == 0 && (*cell < 0 || strcmp(key, t->keys[k]) == 0))
                *cell = name_of(t, j, k, s, n);
        }
    }
}

/* It has been deleted meanwhile. */
static bool gone(struct job *j, int status)
{
    (void)j;
    return status == 404;
}

static bool unknown(const struct attributes *t, size_t device)
{
    for (size_t k = 0; k < t->n_keys; k++)
        if (t->out->v[device * t->n_keys + k] < 0)
            return !t->asked[device];
    return false;
}

static void ask_some(struct job *j, struct attributes *t)
{
    size_t some = 0;
    j->forgive = gone;
    for (; t->from < t->n && some < AT_ONCE && t->n_asked < t->limit; t->from++) {
        const char *id = t->ids[t->from];
        if (!unknown(t, t->from) || !hb_device_ok(id, NULL))
            continue;
        t->asked[t->from] = true;
        t->n_asked++;
        some++;
        job_get(j, job_path(j, "/rest/v1/targets/%s/attributes", job_escape(j, id)), on_attributes, t->from);
    }
}

/* --- all devices with a value --- */

static bool device_item(struct job *j, const struct json_t *o, void *element, const char *where, struct err *e)
{
    return hb_decode_device(o, j->arena, element, where, e);
}

static void listed(struct job *j, void *elements, size_t n, int64_t total)
{
    const struct device *v = elements;
    struct attributes *t = j->out;
    size_t k = t->values[t->current].key;
    (void)total;
    j->scan = NULL;
    j->state = t;
    for (size_t i = 0; i < n; i++) {
        long found = watch_set_find(t->index, v[i].raw_id, strlen(v[i].raw_id));
        if (found < 0)
            continue;
        int32_t *cell = &t->out->v[t->place[found] * t->n_keys + k];
        if (*cell < 0)
            *cell = (int32_t)t->current;
    }
    carry_on(j);
}

/* A server that does not take the filter (a key that it cannot have in one) is not asked so again. */
static bool no_filter(struct job *j, int status)
{
    struct attributes *t = j->out;
    if (status != 400)
        return false;
    t->no_filter[t->values[t->current].key] = true;
    return true;
}

/* Is there a device left whose value it could be? */
static bool wanted(const struct attributes *t, size_t key)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->out->v[i * t->n_keys + key] < 0)
            return true;
    return false;
}

static bool list_next(struct job *j, struct attributes *t)
{
    for (size_t i = 0; i < t->out->n_names; i++) {
        struct value *v = &t->values[i];
        if (v->listed)
            continue;
        v->listed = true;
        if (!v->raw || t->no_filter[v->key] || t->n_listed[v->key] == VALUES_MAX || !wanted(t, v->key))
            continue;
        t->n_listed[v->key]++;
        t->current = i;
        j->forgive = no_filter;
        struct buf q;
        buf_init(&q, JOB_PATH_MAX);
        buf_printf(&q, "attribute.%s==%s", t->keys[v->key], v->raw);
        job_device_pages(j, job_path(j, "/rest/v1/targets?sort=id:ASC&q=%s", job_escape(j, q.data)), DEVICES_MAX,
                         device_item, listed);
        buf_release(&q);
        return true;
    }
    return false;
}

/* --- the course --- */

static void carry_on(struct job *j)
{
    struct attributes *t = j->out;
    if (list_next(j, t))
        return;
    j->next = carry_on;
    ask_some(j, t);
    if (!j->parts)
        j->next = NULL;
}

static const char *const *copy_texts(struct arena *a, const char *const *v, size_t n)
{
    const char **copy = ARENA_ARRAY(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(a, v[i]);
    return copy;
}

static void drop(struct job *j)
{
    struct attributes *t = j->out;
    watch_set_free(t->index);
}

void hb_attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys,
                   size_t limit, bool exact, struct arena *a, struct attribute_table *out, backend_done done, void *ctx)
{
    struct attributes *t;
    struct job *j = job_begin(b, NULL, NULL, done, ctx);
    j->arena = &j->scratch; /* devices of the lists are not kept */
    j->out = j->state = t = ARENA_NEW(&j->scratch, struct attributes);
    j->drop = drop;
    *out = (struct attribute_table){.n = n, .n_keys = n_keys, .v = ARENA_ARRAY(a, int32_t, n * n_keys + 1)};
    memset(out->v, 0xff, n * n_keys * sizeof *out->v); /* -1 */
    *t = (struct attributes){
        .out = out, .texts = a, .n = n, .n_keys = n_keys, .limit = limit, .cap = 16, .exact = exact};
    t->ids = copy_texts(&j->scratch, raw_ids, n);
    t->keys = copy_texts(&j->scratch, keys, n_keys);
    t->index = watch_set_new();
    t->place = ARENA_ARRAY(&j->scratch, size_t, n + 1);
    for (size_t i = 0; i < n; i++)
        t->place[watch_set_add(t->index, raw_ids[i])] = i;
    t->asked = ARENA_ARRAY(&j->scratch, bool, n + 1);
    t->no_filter = ARENA_ARRAY(&j->scratch, bool, n_keys + 1);
    t->n_listed = ARENA_ARRAY(&j->scratch, size_t, n_keys + 1);
    for (size_t k = 0; k < n_keys; k++)
        t->no_filter[k] = exact || !plain_key(keys[k]);
    out->names = ARENA_ARRAY(a, const char *, t->cap);
    t->values = ARENA_ARRAY(&j->scratch, struct value, t->cap);
    carry_on(j);
    if (!j->parts)
        job_idle(j);
}
