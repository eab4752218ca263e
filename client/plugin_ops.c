/* What is asked of a plug-in: the calls of the back end, and the members of their requests. */
#include <stdlib.h>
#include <string.h>
#include "client/plugin_impl.h"
#include "core/text.h"

/* ---- requests ---- */

void plugin_ask_hello(const struct pcall *c, struct json_w *w)
{
    const struct plugin *p = c->p;
    json_w_key(w, "proto");
    json_w_arr(w);
    json_w_int(w, 1);
    json_w_arr_end(w);
    json_w_kstr(w, "andon", ANDON_VERSION);
    json_w_kstr(w, "fleet", p->fleet);
    json_w_kbool(w, "secret", p->secret != NULL);
    json_w_key(w, "config");
    json_w_obj(w);
    json_w_kstr(w, "url", p->url);
    json_w_kstr(w, "user", p->user);
    json_w_key(w, "options");
    json_w_obj(w);
    for (size_t i = 0; i < p->n_options; i++)
        json_w_kstr(w, p->options[i][0], p->options[i][1]);
    json_w_obj_end(w);
    json_w_obj_end(w);
}

static void put_release(struct json_w *w, const char *key, const struct release *r)
{
    json_w_key(w, key);
    json_w_obj(w);
    if (r->id)
        json_w_kstr(w, "id", r->id);
    if (r->name)
        json_w_kstr(w, "name", r->name);
    if (r->version)
        json_w_kstr(w, "version", r->version);
    json_w_obj_end(w);
}

static void strings(struct json_w *w, const char *key, const char *const *v, size_t n)
{
    json_w_key(w, key);
    json_w_arr(w);
    for (size_t i = 0; i < n; i++)
        json_w_str(w, v[i] ? v[i] : "");
    json_w_arr_end(w);
}

static void put_filter(struct json_w *w, const struct device_filter *f)
{
    if (f->installed)
        put_release(w, "installed", f->installed);
    if (f->assigned)
        put_release(w, "assigned", f->assigned);
    if (f->n_equals) {
        json_w_key(w, "equals");
        json_w_arr(w);
        for (size_t i = 0; i < f->n_equals; i++) {
            json_w_arr(w);
            json_w_str(w, f->equals[i][0]);
            json_w_str(w, f->equals[i][1]);
            json_w_arr_end(w);
        }
        json_w_arr_end(w);
    }
    if (f->n_exclude)
        strings(w, "exclude", f->exclude, f->n_exclude);
    if (f->n_include)
        strings(w, "include", f->include, f->n_include);
    if (f->only_include)
        json_w_kbool(w, "only_include", true);
}

void plugin_ask_list(const struct pcall *c, struct json_w *w)
{
    if (c->release)
        put_release(w, "release", c->release);
    if (c->filter)
        put_filter(w, c->filter);
    json_w_kint(w, "limit", (int64_t)c->limit);
}

void plugin_ask_device(const struct pcall *c, struct json_w *w)
{
    json_w_kstr(w, "device", c->word);
}

void plugin_ask_devices(const struct pcall *c, struct json_w *w)
{
    if (c->release)
        put_release(w, "release", c->release);
    strings(w, "devices", c->ids + c->at, c->batch);
    if (c->keys)
        strings(w, "keys", c->keys, c->n_keys);
    if (c->undo)
        strings(w, "undo", c->undo + c->at, c->batch);
    if (c->force)
        json_w_kbool(w, "force", true);
}

/* ---- calls ---- */

static struct plugin *of(struct backend *b)
{
    return (struct plugin *)b;
}

/* JSON has text, and so have its ids. */
static bool text_ok(const char *s, size_t max, struct err *e)
{
    size_t n = strlen(s);
    if (n > 0 && n <= max && text_valid(s, n))
        return true;
    return err_set(e, ERR_RANGE, "",
                   "what is not 1 to %zu bytes of text cannot be given to a plug-in as a device's id or attribute",
                   max);
}

static const struct release *keep_release(struct pcall *c, const struct release *r)
{
    struct release *copy = arena_memdup(&c->scratch, r, sizeof *r);
    copy->id = arena_strdup(&c->scratch, r->id);
    copy->name = arena_strdup(&c->scratch, r->name);
    copy->version = arena_strdup(&c->scratch, r->version);
    return copy;
}

static const char *const *keep_strings(struct pcall *c, const char *const *v, size_t n)
{
    const char **copy = ARENA_ARRAY(&c->scratch, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(&c->scratch, v[i] ? v[i] : "");
    return copy;
}

/* False: the call has ended. */
static bool keep_ids(struct pcall *c, const char *const *ids, size_t n)
{
    struct err e = {0};
    for (size_t i = 0; i < n; i++)
        if (!text_ok(ids[i], PLUGIN_ID_MAX, &e)) {
            pcall_refuse(c, &e);
            return false;
        }
    c->ids = keep_strings(c, ids, n);
    c->n = n;
    pcall_index(c);
    if (n == 0) /* nobody to ask about */
        pcall_refuse(c, &e);
    return n > 0;
}

static void probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    *out = (struct backend_info){.kind = b->ops->kind, .version = "?", .user = ""};
    pcall_new(of(b), &pcall_hello, a, out, done, ctx);
}

/* False with *e: it holds what JSON cannot, and would find other devices. */
static bool keep_filter(struct pcall *c, const struct device_filter *f, struct err *e)
{
    struct device_filter *copy = arena_memdup(&c->scratch, f, sizeof *f);
    for (size_t i = 0; i < f->n_exclude + f->n_include; i++)
        if (!text_ok(i < f->n_exclude ? f->exclude[i] : f->include[i - f->n_exclude], PLUGIN_ID_MAX, e))
            return false;
    for (size_t i = 0; i < 2 * f->n_equals; i++)
        if (!text_ok(f->equals[i / 2][i % 2], NAME_MAX_BYTES, e))
            return false;
    const char *(*equals)[2] = arena_array(&c->scratch, f->n_equals + 1, sizeof *equals);
    for (size_t i = 0; i < 2 * f->n_equals; i++)
        equals[i / 2][i % 2] = arena_strdup(&c->scratch, f->equals[i / 2][i % 2]);
    copy->equals = (const char *const(*)[2])equals;
    copy->installed = f->installed ? keep_release(c, f->installed) : NULL;
    copy->assigned = f->assigned ? keep_release(c, f->assigned) : NULL;
    copy->exclude = keep_strings(c, f->exclude, f->n_exclude);
    copy->include = keep_strings(c, f->include, f->n_include);
    c->filter = copy;
    return true;
}

static void devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                    struct device_list *out, backend_done done, void *ctx)
{
    struct pcall *c = pcall_new(of(b), &pcall_devices, a, out, done, ctx);
    struct err e = {0};
    *out = (struct device_list){0};
    c->limit = limit;
    if (f && !keep_filter(c, f, &e))
        pcall_refuse(c, &e);
}

static void release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                    struct release *out, backend_done done, void *ctx)
{
    struct pcall *c = pcall_new(of(b), &pcall_release, a, out, done, ctx);
    *out = (struct release){.id = "", .name = "", .version = ""};
    c->limit = 2; /* a second one is an error */
    const struct release wanted = {id, id ? NULL : name, id ? NULL : version, 0};
    c->release = keep_release(c, &wanted);
}

static void releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                     void *ctx)
{
    struct pcall *c = pcall_new(of(b), &pcall_releases, a, out, done, ctx);
    *out = (struct release_list){0};
    c->limit = limit;
}

static void device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
                   void *ctx)
{
    struct pcall *c = pcall_new(of(b), &pcall_device, a, out, done, ctx);
    struct err e = {0};
    *out = (struct device_info){.installed = {"", "", "", 0}, .assigned = {"", "", "", 0}};
    if (!text_ok(raw_id, PLUGIN_ID_MAX, &e))
        pcall_refuse(c, &e);
    else
        c->word = arena_strdup(&c->scratch, raw_id);
}

static void standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                     struct device_standing *out, backend_done done, void *ctx)
{
    struct pcall *c = pcall_new(of(b), &pcall_standing, a, out, done, ctx);
    memset(out, 0, n * sizeof *out);
    c->release = keep_release(c, r);
    keep_ids(c, raw_ids, n);
}

static void attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys,
                       size_t limit, bool exact, struct arena *a, struct attribute_table *out, backend_done done,
                       void *ctx)
{
    struct pcall *c = pcall_new(of(b), &pcall_attributes, a, out, done, ctx);
    (void)limit; /* nobody is asked one by one */
    *out = (struct attribute_table){.n = n, .n_keys = n_keys};
    out->v = ARENA_ARRAY(a, int32_t, n * n_keys + 1);
    for (size_t i = 0; i < n * n_keys; i++)
        out->v[i] = -1;
    c->keys = keep_strings(c, keys, n_keys);
    c->n_keys = n_keys;
    c->exact = exact;
    keep_ids(c, raw_ids, n);
}

static bool key_ok(const char *key)
{
    size_t n = strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return n > 0 && n <= PLUGIN_KEY_MAX && !key[n];
}

/* Common to both verbs. */
static void begin_verb(struct pcall *c, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                       struct tell_result *out)
{
    struct err e = {0};
    for (size_t i = 0; i < n; i++)
        out[i] = (struct tell_result){TELL_NOT_SENT, "", ""};
    c->release = keep_release(c, r);
    c->key = arena_strdup(&c->scratch, key);
    if (key_ok(key))
        keep_ids(c, raw_ids, n);
    else if (!err_set(&e, ERR_RANGE, "", "the intent's id is not 1 to %d of a-z, 0-9 and '-'", PLUGIN_KEY_MAX))
        pcall_refuse(c, &e);
}

static void tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                 struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    begin_verb(pcall_new(of(b), &pcall_tell, a, out, done, ctx), r, raw_ids, n, key, out);
}

static void recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                   const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
                   void *ctx)
{
    struct pcall *c = pcall_new(of(b), &pcall_recall, a, out, done, ctx);
    c->urgent = true;
    c->force = force;
    c->undo = undo ? keep_strings(c, undo, n) : NULL;
    begin_verb(c, r, raw_ids, n, key, out);
}

void plugin_ops_fill(struct backend_ops *ops)
{
    *ops = (struct backend_ops){.kind = "plugin",
                                .probe = probe,
                                .devices = devices,
                                .release = release,
                                .releases = releases,
                                .device = device,
                                .standing = standing,
                                .tell = tell,
                                .recall = recall,
                                .attributes = attributes,
                                .tell_most = 1};
}
