/* What gooseBit says, and what it means. Pure. */
#include "client/goosebit_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "core/text.h"

#define BOARDS_MAX ((size_t)64)

/* --- the list --- */

struct gb_list *gb_list_new(void)
{
    struct gb_list *l = xcalloc(1, sizeof *l);
    arena_init(&l->arena);
    return l;
}

void gb_list_free(struct gb_list *l)
{
    if (!l)
        return;
    arena_release(&l->arena);
    free(l->by_id);
    free(l->v);
    free(l);
}

/* One of the values that come again and again. */
static const char *text_of(struct gb_list *l, const struct json_t *o, const char *key)
{
    size_t n, most = sizeof l->texts / sizeof *l->texts;
    const char *s = json_str(o, key, &n);
    if (!s || n == 0)
        return "";
    for (size_t i = 0; i < most && i < l->n_texts; i++)
        if (strcmp(l->texts[i], s) == 0)
            return l->texts[i];
    return l->texts[l->n_texts++ % most] = arena_strndup(&l->arena, s, n);
}

static unsigned char word_of(const struct json_t *o, const char *key, const char *const *words, size_t n)
{
    const char *s = json_str(o, key, NULL);
    for (size_t i = 1; s && i < n; i++)
        if (strcasecmp(words[i], s) == 0)
            return (unsigned char)i;
    return 0;
}

static int32_t seconds_of(const struct json_t *o, const char *key, int32_t absent)
{
    int64_t v;
    if (!json_int(o, key, &v))
        return absent;
    return v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : (int32_t)v;
}

/* One element of the list, into *out, its texts in the list's arena. False with *e: not a device. */
static bool decode_device(const char *bytes, size_t n, struct gb_list *l, struct gb_device *out, struct err *e)
{
    static const char *const states[] = {"Unknown", "Registered", "Running", "Finished", "Error"};
    static const char *const modes[] = {"", "Rollout", "Assigned", "Latest", "Pinned"};
    struct json_t *o = json_parse(bytes, n, ELEMENT_MAX, "answer of GET /api/v1/devices: a device", e);
    size_t len = 0;
    const char *id = json_str(o, "id", &len), *address = json_str(o, "last_ip", NULL);
    const char *name = json_str(o, "name", NULL);
    const struct json_t *board = json_get(o, "hardware");
    bool polling = true, ok = id && len > 0 && len <= NAME_MAX_BYTES;
    if (o && !ok)
        err_set(e, ERR_PROTOCOL, "", "answer of GET /api/v1/devices: devices[%zu].id: expected a text", l->n);
    if (ok) {
        *out = (struct gb_device){.id = arena_strndup(&l->arena, id, len),
                                  .name = name ? arena_strdup(&l->arena, name) : "",
                                  .version = text_of(l, o, "sw_version"),
                                  .model = text_of(l, board, "model"),
                                  .revision = text_of(l, board, "revision"),
                                  .feed = text_of(l, o, "feed"),
                                  .address = address ? arena_strdup(&l->arena, address) : "",
                                  .age_s = seconds_of(o, "last_seen", -1),
                                  .poll_s = seconds_of(o, "poll_seconds", 0),
                                  .state = word_of(o, "last_state", states, sizeof states / sizeof *states),
                                  .mode = word_of(o, "update_mode", modes, sizeof modes / sizeof *modes)};
        json_int(json_get(o, "assigned_software"), "id", &out->offered);
        json_bool(o, "force_update", &out->force);
        json_bool(o, "polling", &polling);
        out->overdue = !polling && out->age_s >= 0;
    }
    json_free(o);
    return ok;
}

bool gb_list_add(struct gb_list *l, const char *bytes, size_t n, struct err *e)
{
    if (l->n == GB_DEVICES_MAX)
        return err_set(e, ERR_LIMIT, "", "the server lists more than %zu devices", GB_DEVICES_MAX);
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 256;
        l->v = xreallocarray(l->v, l->cap, sizeof *l->v);
    }
    if (!decode_device(bytes, n, l, &l->v[l->n], e)) {
        e->code = e->code == ERR_LIMIT ? ERR_LIMIT : ERR_PROTOCOL;
        return false;
    }
    l->n++;
    return true;
}

static int by_id(const void *pa, const void *pb)
{
    const struct gb_device *const *a = pa, *const *b = pb;
    return strcmp((*a)->id, (*b)->id);
}

static int id_is(const void *key, const void *element)
{
    const struct gb_device *const *d = element;
    return strcmp(key, (*d)->id);
}

const struct gb_device *gb_list_find(struct gb_list *l, const char *id)
{
    if (!l->by_id) {
        l->by_id = xreallocarray(NULL, l->n ? l->n : 1, sizeof(struct gb_device *));
        for (size_t i = 0; i < l->n; i++)
            l->by_id[i] = &l->v[i];
        qsort(l->by_id, l->n, sizeof(struct gb_device *), by_id);
    }
    const struct gb_device **d = bsearch(id, l->by_id, l->n, sizeof(struct gb_device *), id_is);
    return d ? *d : NULL;
}

/* --- software --- */

/* "rev-b/2+default": the boards that it is for. A release has no name of its own, and a version none without them. */
static const char *boards_name(const struct gb_software *s, struct arena *a)
{
    struct buf b;
    buf_init(&b, NAME_MAX_BYTES);
    for (size_t i = 0; i < s->n_boards; i++) {
        const char *model = s->boards[i][0], *revision = s->boards[i][1];
        bool plain = !revision[0] || strcmp(revision, "default") == 0;
        buf_printf(&b, plain ? "%s%s" : "%s%s/%s", i ? "+" : "", model, revision);
    }
    const char *text = s->n_boards ? b.data : s->file;
    const char *out = safe_text(a, text, strlen(text), NAME_MAX_BYTES);
    buf_release(&b);
    return out;
}

static const char *copy_of(const struct json_t *o, const char *key, struct arena *a)
{
    size_t n;
    const char *s = json_str(o, key, &n);
    return s ? arena_strndup(a, s, n) : "";
}

bool gb_decode_software(const struct json_t *o, struct arena *a, struct gb_software *out, const char *where,
                        struct err *e)
{
    *out = (struct gb_software){0};
    if (!json_need_int(o, "id", &out->id, where, e))
        return false;
    const struct json_t *boards = json_get(o, "compatibility");
    size_t n = json_len(boards) < BOARDS_MAX ? json_len(boards) : BOARDS_MAX;
    out->version = copy_of(o, "version", a);
    out->file = copy_of(o, "name", a);
    out->boards = arena_array(a, n ? n : 1, sizeof *out->boards);
    for (size_t i = 0; i < n; i++) {
        out->boards[i][0] = copy_of(json_at(boards, i), "model", a);
        out->boards[i][1] = copy_of(json_at(boards, i), "revision", a);
    }
    out->n_boards = n;
    out->release = (struct release){.id = arena_printf(a, "%lld", (long long)out->id),
                                    .name = boards_name(out, a),
                                    .version = safe_text(a, out->version, strlen(out->version), NAME_MAX_BYTES)};
    return true;
}

bool gb_fits(const struct gb_device *d, const struct gb_software *s)
{
    for (size_t i = 0; i < s->n_boards; i++)
        if (strcmp(s->boards[i][0], d->model) == 0 && strcmp(s->boards[i][1], d->revision) == 0)
            return true;
    return false;
}

/* --- what it means --- */

/* A version is the text that a device claims, and two boards may share it. The state is of the device's last update,
 * whichever that was; a failed device is offered nothing until it is forced to try, and tell() forces it. So an error
 * of a device that is assigned our software, and not forced, came after it was told. */
enum standing_at gb_standing_of(const struct gb_device *d, const struct gb_software *s)
{
    if (strcmp(d->version, s->version) == 0 && gb_fits(d, s))
        return AT_INSTALLED;
    bool ours = d->offered == s->id;
    if (d->state == GB_RUNNING)
        return ours ? AT_BUSY : AT_UNKNOWN; /* it may have been told something else after it had begun */
    if (!ours)
        return AT_OTHER;
    if (d->state == GB_ERROR && !d->force)
        return d->mode == GB_ASSIGNED ? AT_FAILED : AT_OTHER;
    return AT_TOLD;
}

const char *gb_undo_of(const struct gb_device *d, int64_t software, struct arena *a)
{
    switch (d->mode) {
    case GB_ROLLOUT:
        return arena_printf(a, "feed:%s", d->feed);
    case GB_ASSIGNED:
        return d->offered && d->offered != software ? arena_printf(a, "software:%lld", (long long)d->offered) : "";
    case GB_LATEST:
        return "latest";
    case GB_PINNED:
        return "pinned";
    default:
        return "";
    }
}

void gb_undo_write(const char *undo, struct json_w *w)
{
    const char *text = undo ? undo : "";
    if (strncmp(text, "software:", 9) == 0) {
        json_w_kstr(w, "software", text + 9);
    } else if (strcmp(text, "latest") == 0) {
        json_w_kstr(w, "software", "latest");
    } else if (strcmp(text, "pinned") == 0) {
        json_w_kbool(w, "pinned", true);
    } else { /* both in one request: without a feed there is no way back into this mode */
        json_w_kstr(w, "software", "rollout");
        json_w_kstr(w, "feed", strncmp(text, "feed:", 5) == 0 ? text + 5 : GB_NO_FEED);
    }
}

void gb_model_device(const struct gb_list *l, const struct gb_device *d, struct arena *a, struct device *out)
{
    static const enum device_status status[] = {[GB_UNKNOWN] = DEVICE_UNKNOWN,
                                                [GB_REGISTERED] = DEVICE_REGISTERED,
                                                [GB_RUNNING] = DEVICE_PENDING,
                                                [GB_FINISHED] = DEVICE_IN_SYNC,
                                                [GB_ERROR] = DEVICE_ERROR};
    *out = (struct device){
        .id = safe_text(a, d->id, strlen(d->id), NAME_MAX_BYTES),
        .raw_id = arena_strdup(a, d->id),
        .name = safe_text(a, d->name[0] ? d->name : d->id, strlen(d->name[0] ? d->name : d->id), NAME_MAX_BYTES),
        .status = status[d->state],
        .address = safe_text(a, d->address, strlen(d->address), 80),
        .last_seen = d->age_s < 0 ? 0 : l->made_at - d->age_s * US_PER_S,
        .contact_us = d->poll_s * US_PER_S,
        .overdue = d->overdue};
}
