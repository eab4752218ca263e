/* What a plug-in answers, into values of core/model.h. All of it is from outside: text is made safe, and what must be
 * there and is of another type is an error that names the place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/plugin_impl.h"
#include "core/text.h"
#include "core/trace.h"

/* ---- members ---- */

/* Its own secret may stand in what it says, as in a server's error that it passes on; and what it says is logged. */
static void mask(struct buf *out, const struct pcall *c, const char *s, size_t n)
{
    struct trace_secrets known = {{c->p->secret}};
    buf_init(out, SIZE_MAX);
    trace_mask(out, s, n, &known);
}

const char *answer_text(const struct pcall *c, const struct json_t *o, const char *key, size_t max)
{
    size_t n = 0;
    const char *s = json_str(o, key, &n), *secret = c->p->secret;
    if (!s || !secret || !*secret || !memmem(s, n, secret, strlen(secret)))
        return s ? safe_text(c->arena, s, n, max) : "";
    struct buf masked;
    mask(&masked, c, s, n);
    const char *out = safe_text(c->arena, masked.data, masked.len, max);
    buf_release(&masked);
    return out;
}

/* Microseconds since the epoch; what cannot be a time is none. */
int64_t answer_time(const struct json_t *o, const char *key)
{
    int64_t t = 0;
    return json_int(o, key, &t) && t > 0 && t < INT64_C(253402300800000000) ? t : 0;
}

bool answer_bad(struct err *e, const char *where, const char *key, const char *expected)
{
    return err_set(e, ERR_PROTOCOL, "", "%s.%s: expected %s", where, key, expected);
}

/* A device's own id: any text without NUL. */
bool answer_id(const struct json_t *o, const char *key, const char *where, const char **out, size_t *n, struct err *e)
{
    *out = json_str(o, key, n);
    if (!*out || *n == 0 || *n > PLUGIN_ID_MAX || memchr(*out, '\0', *n))
        return answer_bad(e, where, key, "an id of 1 to 256 bytes");
    return true;
}

/* The word of the member, as its place in a table of n; false: another, or none. */
bool answer_word(const struct json_t *o, const char *key, const char *const *words, size_t n, size_t *out)
{
    const char *s = json_str(o, key, NULL);
    for (size_t i = 0; s && i < n; i++)
        if (words[i] && strcmp(s, words[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

/* ---- lists ---- */

/* Room for one more item; NULL: the list has all that was asked for, and this one is left out. */
static void *more(struct pcall *c, size_t size)
{
    size_t most = c->limit < PLUGIN_ITEMS_MAX ? c->limit : PLUGIN_ITEMS_MAX;
    if (c->n_items >= most) {
        c->clipped = true;
        return NULL;
    }
    if (c->n_items == c->room) {
        c->room = c->room ? 2 * c->room : 64;
        c->items = xreallocarray(c->items, c->room, size);
    }
    void *at = (char *)c->items + c->n_items++ * size;
    memset(at, 0, size);
    return at;
}

static void *items(struct pcall *c, size_t size)
{
    return c->n_items ? arena_memdup(c->arena, c->items, c->n_items * size) : NULL;
}

/* ---- releases and devices ---- */

static bool take_release(struct pcall *c, const struct json_t *o, struct release *out, const char *where, struct err *e)
{
    const char *id;
    size_t n;
    if (!answer_id(o, "id", where, &id, &n, e))
        return false;
    for (size_t i = 0; i < n; i++)
        if (id[i] <= ' ' || id[i] > '~' || n >= ID_MAX)
            return answer_bad(e, where, "id", "a release's id: 1 to 71 printable ASCII characters without blanks");
    int64_t order = 0;
    json_int(o, "order", &order);
    *out = (struct release){.id = arena_strndup(c->arena, id, n),
                            .name = answer_text(c, o, "name", NAME_MAX_BYTES),
                            .version = answer_text(c, o, "version", NAME_MAX_BYTES),
                            .order = order > 0 ? order : 0};
    return true;
}

static bool release_item(struct pcall *c, const struct json_t *o, const char *where, struct err *e)
{
    struct release *r = more(c, sizeof *r);
    return !r || take_release(c, o, r, where, e);
}

static bool releases_end(struct pcall *c, const struct json_t *doc, struct err *e)
{
    struct release_list *out = c->out;
    (void)doc;
    (void)e;
    *out = (struct release_list){.v = items(c, sizeof(struct release)), .n = c->n_items};
    return true;
}

static bool is_wanted(const struct release *wanted, const struct release *r)
{
    if (wanted->id)
        return strcmp(wanted->id, r->id) == 0;
    return strcmp(wanted->name, r->name) == 0 && strcmp(wanted->version, r->version) == 0;
}

/* Exactly the one that was asked for; others that it gives besides are not. */
static bool release_end(struct pcall *c, const struct json_t *doc, struct err *e)
{
    struct release *v = c->items, *found = NULL;
    (void)doc;
    for (size_t i = 0; i < c->n_items; i++) {
        if (!is_wanted(c->release, &v[i]))
            continue;
        if (found)
            return err_set(e, ERR_RANGE, "rename one of them on the server", "two releases are shown as %.100s:%.100s",
                           found->name, found->version);
        found = &v[i];
    }
    if (found)
        *(struct release *)c->out = *found;
    else if (c->release->id)
        err_set(e, ERR_NOT_FOUND, "", "the release %.70s is not on the server", c->release->id);
    else
        err_set(e, ERR_NOT_FOUND, "check name and version, as in \"name:version\"",
                "the release %.100s:%.100s is not on the server", c->release->name, c->release->version);
    return found != NULL;
}

static bool take_device(struct pcall *c, const struct json_t *o, struct device *out, const char *where, struct err *e)
{
    static const char *const words[] = {[DEVICE_REGISTERED] = "registered",
                                        [DEVICE_PENDING] = "pending",
                                        [DEVICE_IN_SYNC] = "in_sync",
                                        [DEVICE_ERROR] = "error"};
    const char *id;
    size_t n, status = DEVICE_UNKNOWN;
    if (!answer_id(o, "id", where, &id, &n, e))
        return false;
    answer_word(o, "status", words, sizeof words / sizeof *words, &status);
    *out = (struct device){.raw_id = arena_strndup(c->arena, id, n),
                           .id = safe_text(c->arena, id, n, NAME_MAX_BYTES),
                           .name = answer_text(c, o, "name", NAME_MAX_BYTES),
                           .status = (enum device_status)status,
                           .address = answer_text(c, o, "address", 256),
                           .installed_at = answer_time(o, "installed_at"),
                           .last_seen = answer_time(o, "last_seen"),
                           .contact_us = answer_time(o, "contact_us")};
    json_bool(o, "overdue", &out->overdue);
    return true;
}

static bool device_item(struct pcall *c, const struct json_t *o, const char *where, struct err *e)
{
    struct device *d = more(c, sizeof *d);
    return !d || take_device(c, o, d, where, e);
}

static bool devices_end(struct pcall *c, const struct json_t *doc, struct err *e)
{
    struct device_list *out = c->out;
    int64_t total = 0;
    (void)e;
    *out = (struct device_list){.v = items(c, sizeof(struct device)), .n = c->n_items, .total = (int64_t)c->n_items};
    if (json_int(doc, "total", &total) && total > out->total)
        out->total = total;
    return true;
}

/* ---- one device ---- */

#define ATTRIBUTES_MAX 200
#define HISTORY_MAX    100

static void take_history(struct pcall *c, const struct json_t *list, struct device_info *out)
{
    size_t n = json_len(list) < HISTORY_MAX ? json_len(list) : HISTORY_MAX;
    out->history = arena_array(c->arena, n + 1, sizeof *out->history);
    for (size_t i = 0; i < n; i++) {
        const struct json_t *o = json_at(list, i);
        out->history[i].t = answer_time(o, "t");
        out->history[i].type = answer_text(c, o, "type", 40);
        out->history[i].text = answer_text(c, o, "text", NAME_MAX_BYTES);
    }
    out->n_history = n;
}

static bool device_end(struct pcall *c, const struct json_t *doc, struct err *e)
{
    struct device_info *out = c->out;
    const struct json_t *installed = json_get(doc, "installed"), *assigned = json_get(doc, "assigned"), *val;
    void *it = NULL;
    const char *key;
    size_t len;
    if (!take_device(c, json_get(doc, "device"), &out->device, "answer to device: device", e) ||
        (json_is_obj(installed) && !take_release(c, installed, &out->installed, "answer to device: installed", e)) ||
        (json_is_obj(assigned) && !take_release(c, assigned, &out->assigned, "answer to device: assigned", e)))
        return false;
    if (strcmp(out->device.raw_id, c->word) != 0)
        return err_set(e, ERR_PROTOCOL, "", "answer to device: it is about another device");
    out->attributes = arena_array(c->arena, ATTRIBUTES_MAX, sizeof *out->attributes);
    while (out->n_attributes < ATTRIBUTES_MAX && json_each(json_get(doc, "attributes"), &it, &key, &val)) {
        const char *s = json_str_value(val, &len);
        if (!s)
            continue;
        out->attributes[out->n_attributes][0] = safe_text(c->arena, key, strlen(key), 128);
        out->attributes[out->n_attributes++][1] = safe_text(c->arena, s, len, NAME_MAX_BYTES);
    }
    take_history(c, json_get(doc, "history"), out);
    return true;
}

/* ---- hello ---- */

static const struct {
    const char *word;
    uint32_t bits;
} cap_words[] = {{"tell", CAP_TELL},           {"recall", CAP_RECALL},        {"force", CAP_FORCE},
                 {"downgrade", CAP_DOWNGRADE}, {"device", PLUGIN_CAN_DEVICE}, {"attributes", PLUGIN_CAN_ATTRIBUTES}};

static bool take_caps(const struct json_t *list, uint32_t *out, struct err *e)
{
    *out = 0;
    for (size_t i = 0; i < json_len(list); i++) {
        const char *s = json_str_value(json_at(list, i), NULL);
        size_t k = 0;
        while (s && k < sizeof cap_words / sizeof *cap_words && strcmp(s, cap_words[k].word) != 0)
            k++;
        if (!s || k == sizeof cap_words / sizeof *cap_words)
            return err_set(e, ERR_PROTOCOL, "", "answer to hello: caps[%zu]: no capability of the protocol", i);
        *out |= cap_words[k].bits;
    }
    return json_is_arr(list) || answer_bad(e, "answer to hello", "caps", "a list of words");
}

static size_t limit_of(const struct json_t *limits, const char *key, size_t most, size_t dflt)
{
    int64_t v = 0;
    if (!json_int(limits, key, &v) || v < 1)
        return dflt;
    return (uint64_t)v < most ? (size_t)v : most;
}

static bool hello_end(struct pcall *c, const struct json_t *doc, struct err *e)
{
    static const char *const says[SAY_COUNT] = {[SAY_PAUSE] = "pause",
                                                [SAY_STOP] = "stop",
                                                [SAY_ROLLBACK] = "rollback",
                                                [SAY_RECALL] = "recall",
                                                [SAY_COUNTS] = "counts"};
    struct plugin *p = c->p;
    struct backend_info *out = c->out;
    const struct json_t *limits = json_get(doc, "limits");
    int64_t proto = 0;
    uint32_t can;
    if (!json_int(doc, "proto", &proto) || proto != 1)
        return err_set(e, ERR_PROTOCOL, "use a plug-in for version 1 of the protocol",
                       "answer to hello: it does not speak version 1 of the protocol");
    if (!take_caps(json_get(doc, "caps"), &can, e))
        return false;
    const char *name = answer_text(c, doc, "name", 60), *version = answer_text(c, doc, "version", 40);
    const char *server = answer_text(c, doc, "server", 100);
    *out = (struct backend_info){.kind = p->ops.kind,
                                 .version =
                                     arena_printf(c->arena, "%s %s%s%s", name, version, *server ? ", " : "", server),
                                 .caps = can & ~(PLUGIN_CAN_DEVICE | PLUGIN_CAN_ATTRIBUTES),
                                 .user = answer_text(c, doc, "user", 80)};
    for (size_t i = 0; i < SAY_COUNT; i++)
        out->says[i] = answer_text(c, json_get(doc, "says"), says[i], SAY_MAX);
    p->can = can;
    if (p->recorded) /* its limits are those of the calls that were recorded */
        return true;
    p->parallel = limit_of(limits, "parallel", PLUGIN_PARALLEL, 1);
    p->ids_most = limit_of(limits, "ids", PLUGIN_PART_MAX, PLUGIN_PART_MAX);
    p->ops.tell_most = limit_of(limits, "tell", PLUGIN_TELL_MOST, 1);
    if (p->ops.tell_most > p->ids_most)
        p->ops.tell_most = p->ids_most;
    return true;
}

/* ---- lines ---- */

static const struct {
    const char *word;
    enum err_code code;
} error_words[] = {{"unsupported", ERR_UNSUPPORTED}, {"denied", ERR_AUTH},         {"forbidden", ERR_FORBIDDEN},
                   {"not_found", ERR_NOT_FOUND},     {"conflict", ERR_CONFLICT},   {"state", ERR_STATE},
                   {"invalid", ERR_RANGE},           {"quota", ERR_QUOTA},         {"busy", ERR_THROTTLED},
                   {"unreachable", ERR_NETWORK},     {"timeout", ERR_TIMEOUT},     {"tls", ERR_TLS},
                   {"bad_reply", ERR_PROTOCOL},      {"cancelled", ERR_CANCELLED}, {"internal", ERR_PROTOCOL}};

const char *plugin_error_word(enum err_code code)
{
    for (size_t i = 0; i < sizeof error_words / sizeof *error_words; i++)
        if (error_words[i].code == code)
            return error_words[i].word;
    return "internal";
}

/* An error without a word of the protocol, or without saying whether it had an effect, is taken at its worst. */
static void take_error(struct pcall *c, const struct json_t *doc)
{
    const char *word = json_str(doc, "code", NULL), *message;
    enum err_code code = ERR_PROTOCOL;
    char safe[300];
    size_t n = 0;
    for (size_t i = 0; word && i < sizeof error_words / sizeof *error_words; i++)
        if (strcmp(word, error_words[i].word) == 0)
            code = error_words[i].code;
    message = json_str(doc, "message", &n);
    struct buf masked;
    mask(&masked, c, message ? message : "", message ? n : 0);
    safe_text_into(safe, sizeof safe, masked.data, masked.len);
    buf_release(&masked);
    bool maybe = true;
    json_bool(doc, "maybe_sent", &maybe);
    c->reply.maybe_sent = c->op->verb && maybe;
    err_set(&c->err, code, "", "%s: %s%s%s", c->p->name, c->op->word, *safe ? ": " : " failed", safe);
}

static bool take_items(struct pcall *c, const struct json_t *list, struct err *e)
{
    char where[80];
    if (list && (!json_is_arr(list) || (json_len(list) > PLUGIN_PART_MAX && !c->p->recorded)))
        return err_set(e, ERR_PROTOCOL, "", "answer to %s: expected a list of at most %d items", c->op->word,
                       PLUGIN_PART_MAX);
    for (size_t i = 0; c->op->item && i < json_len(list); i++) {
        snprintf(where, sizeof where, "answer to %s: items[%zu]", c->op->word, i);
        if (!json_is_obj(json_at(list, i)))
            return err_set(e, ERR_PROTOCOL, "", "%s: expected an object", where);
        if (!c->op->item(c, json_at(list, i), where, e))
            return false;
    }
    return true;
}

static void take_facts(struct pcall *c, const struct json_t *doc)
{
    struct reply *r = &c->reply;
    int64_t status = 0;
    size_t n;
    const char *id = json_str(doc, "request_id", &n);
    if (json_int(doc, "status", &status) && status >= 100 && status <= 599)
        r->status = (int)status;
    if (id)
        safe_text_into(r->request_id, sizeof r->request_id, id, n);
}

bool pcall_take(struct pcall *c, const struct json_t *doc, bool *last, struct err *e)
{
    const struct json_t *part = json_get(doc, "part");
    bool ok = false;
    *last = part == NULL;
    if (part)
        return take_items(c, part, e);
    if (!json_bool(doc, "ok", &ok))
        return err_set(e, ERR_PROTOCOL, "", "answer to %s: there is no ok: true or false", c->op->word);
    c->answered = true;
    take_facts(c, doc);
    if (!ok)
        take_error(c, doc);
    if (!take_items(c, json_get(doc, "items"), e))
        return false;
    if (ok && c->op->end && c->at + c->batch >= c->n) {
        struct err said = {0};
        if (!c->op->end(c, doc, &said) && said.code == ERR_PROTOCOL) {
            if (e)
                *e = said;
            return false;
        }
        c->err = said; /* an answer to the caller, such as "not there" */
    }
    return true;
}

const struct pcall_op pcall_hello = {"hello", .ask = plugin_ask_hello, .end = hello_end};
const struct pcall_op pcall_releases = {"releases", .ask = plugin_ask_list, .item = release_item, .end = releases_end};
const struct pcall_op pcall_release = {"releases", .ask = plugin_ask_list, .item = release_item, .end = release_end};
const struct pcall_op pcall_devices = {"devices", .ask = plugin_ask_list, .item = device_item, .end = devices_end};
const struct pcall_op pcall_device = {"device", .needs = PLUGIN_CAN_DEVICE, .ask = plugin_ask_device,
                                      .end = device_end};
