/* What the OpenMV server says, and what it means. Pure. */
#include <stdlib.h>
#include <string.h>
#include "client/openmv_impl.h"
#include "core/fmt.h"
#include "core/text.h"

struct om_list *om_list_new(void)
{
    struct om_list *l = xcalloc(1, sizeof *l);
    arena_init(&l->arena);
    return l;
}

void om_list_free(struct om_list *l)
{
    if (!l)
        return;
    arena_release(&l->arena);
    free(l->v);
    free(l);
}

/* One of the values that come again and again. */
static const char *text_of(struct om_list *l, const struct json_t *o, const char *key)
{
    size_t n, most = sizeof l->texts / sizeof *l->texts;
    const char *s = json_str(o, key, &n);
    if (!s || n == 0 || n > NAME_MAX_BYTES)
        return "";
    for (size_t i = 0; i < most && i < l->n_texts; i++)
        if (strcmp(l->texts[i], s) == 0)
            return l->texts[i];
    return l->texts[l->n_texts++ % most] = arena_strndup(&l->arena, s, n);
}

/* "2026-11-30T06:30:41.465842+00:00"; 0 = none. */
static int64_t time_of(const char *s)
{
    char z[40];
    int64_t t;
    size_t n = s ? strlen(s) : 0;
    if (n > 6 && n < sizeof z && strcmp(s + n - 6, "+00:00") == 0) {
        memcpy(z, s, n - 6);
        memcpy(z + n - 6, "Z", 2);
        s = z;
    }
    return s && fmt_iso_parse(s, &t) ? t : 0;
}

bool om_decode_device(const struct json_t *o, struct om_list *l, struct om_device *out, const char *where,
                      struct err *e)
{
    size_t n = 0;
    int64_t confirmed = 0;
    const char *id = json_str(o, "device_id", &n), *seen = json_str(o, "last_seen", NULL);
    if (!id || n == 0 || n > NAME_MAX_BYTES || strlen(id) != n)
        return err_set(e, ERR_PROTOCOL, "", "%s.device_id: expected a text", where);
    *out = (struct om_device){.id = arena_strndup(&l->arena, id, n),
                              .product = text_of(l, o, "product_id_str"),
                              .board = text_of(l, o, "board"),
                              .cohort = text_of(l, o, "cohort"),
                              .version = text_of(l, o, "current_version"),
                              .offered = text_of(l, o, "last_offered_release_id"),
                              .pinned = text_of(l, o, "pinned_release_id"),
                              .payload = -1,
                              .fell = text_of(l, o, "fallback_reason")[0] != '\0'};
    const char *name = json_str(o, "display_name", &n);
    out->name = name && n && n <= NAME_MAX_BYTES ? arena_strndup(&l->arena, name, n) : "";
    if (!out->product[0]) /* the number beside it has lost digits in many a reader */
        return err_set(e, ERR_PROTOCOL, "", "%s.product_id_str: expected a text", where);
    json_int(o, "current_payload_version", &out->payload);
    if (!json_bool(o, "confirmed", &out->confirmed) && json_int(o, "confirmed", &confirmed))
        out->confirmed = confirmed == 1;
    out->last_seen = time_of(seen);
    return true;
}

void om_list_add(struct om_list *l, const struct om_device *d)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 256;
        l->v = xreallocarray(l->v, l->cap, sizeof *l->v);
    }
    l->v[l->n++] = *d;
}

static int by_id(const void *pa, const void *pb)
{
    const struct om_device *a = pa, *b = pb;
    return strcmp(a->id, b->id);
}

void om_list_sort(struct om_list *l)
{
    size_t n = 0;
    if (l->n)
        qsort(l->v, l->n, sizeof *l->v, by_id);
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || strcmp(l->v[n - 1].id, l->v[i].id) != 0)
            l->v[n++] = l->v[i];
    l->n = n;
}

const struct om_device *om_list_find(const struct om_list *l, const char *id)
{
    struct om_device key = {.id = id};
    return l->n ? bsearch(&key, l->v, l->n, sizeof *l->v, by_id) : NULL;
}

bool om_id_ok(const char *id)
{
    size_t n = id ? strlen(id) : 0;
    return n > 0 && n <= OM_ID_MAX &&
           strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static const char *safe_of(const struct json_t *o, const char *key, struct arena *a)
{
    size_t n;
    const char *s = json_str(o, key, &n);
    return s ? safe_text(a, s, n, NAME_MAX_BYTES) : "";
}

bool om_decode_release(const struct json_t *o, struct arena *a, struct om_release *out, const char *where,
                       struct err *e)
{
    const char *id = json_str(o, "release_id", NULL), *product = json_str(o, "product_id_str", NULL);
    *out = (struct om_release){.release = {.id = "", .name = "", .version = ""}};
    if (!om_id_ok(id))
        return err_set(e, ERR_PROTOCOL, "", "%s.release_id: expected an id", where);
    if (!product || strlen(product) > OM_ID_MAX)
        return err_set(e, ERR_PROTOCOL, "", "%s.product_id_str: expected a text", where);
    if (!json_need_int(o, "payload_version", &out->payload, where, e))
        return false;
    out->product = arena_strdup(a, product);
    out->release = (struct release){.id = arena_strdup(a, id),
                                    .name = safe_of(o, "product", a),
                                    .version = safe_of(o, "version", a),
                                    .order = out->payload};
    return true;
}

/* By the payload that it runs, never by a counter: the server does not count what is installed after a pause. What was
 * offered stays in a device's row whatever came of it, and so does the reason of a fall back until an update is taken.
 */
enum standing_at om_standing_of(const struct om_device *d, const struct om_release *r, bool *fell)
{
    bool offered = strcmp(d->offered, r->release.id) == 0, pinned = strcmp(d->pinned, r->release.id) == 0;
    *fell = false;
    if (strcmp(d->product, r->product) != 0 || d->payload > r->payload)
        return AT_OTHER;
    if (d->payload == r->payload)
        return d->confirmed ? AT_INSTALLED : AT_BUSY;
    if (d->payload < 0)
        return AT_UNKNOWN;
    if (offered && d->fell) {
        *fell = true;
        return AT_UNKNOWN;
    }
    if (pinned)
        return offered ? AT_BUSY : AT_TOLD;
    return offered ? AT_UNKNOWN : AT_OTHER; /* it may have taken the offer before the pin was lifted */
}

bool om_fell_after_pin(const struct json_t *events, const char *release_id)
{
    bool fell = false;
    for (size_t i = 0; i < json_len(events); i++) {
        const struct json_t *o = json_at(events, i);
        const char *action = json_str(o, "action", NULL);
        const char *pinned = json_str(json_get(o, "data"), "release_id", NULL);
        if (!action)
            continue;
        if (strcmp(action, "device.fallback") == 0)
            fell = true;
        else if (strcmp(action, "device.pin") == 0 && pinned && strcmp(pinned, release_id) == 0)
            return fell;
    }
    return false;
}

void om_model_device(const struct om_device *d, struct arena *a, struct device *out)
{
    const char *name = d->name[0] ? d->name : d->id;
    *out = (struct device){.id = safe_text(a, d->id, strlen(d->id), NAME_MAX_BYTES),
                           .raw_id = arena_strdup(a, d->id),
                           .name = safe_text(a, name, strlen(name), NAME_MAX_BYTES),
                           .status = d->fell          ? DEVICE_ERROR
                                     : d->payload < 0 ? DEVICE_UNKNOWN
                                     : !d->confirmed  ? DEVICE_PENDING
                                                      : DEVICE_REGISTERED,
                           .address = "",
                           .last_seen = d->last_seen};
}
