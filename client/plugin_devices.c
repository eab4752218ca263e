/* Answers about devices that were named: where they stand, what became of telling them, their attributes. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "client/plugin_impl.h"
#include "core/text.h"

/* ---- ids ---- */

static int by_text(const void *pa, const void *pb, void *ctx)
{
    const struct pcall *c = ctx;
    size_t a = *(const size_t *)pa, b = *(const size_t *)pb;
    int by = strcmp(c->ids[a], c->ids[b]);
    return by ? by : a < b ? -1 : a > b;
}

void pcall_index(struct pcall *c)
{
    size_t *order = ARENA_ARRAY(&c->scratch, size_t, c->n + 1);
    for (size_t i = 0; i < c->n; i++)
        order[i] = i;
    qsort_r(order, c->n, sizeof *order, by_text, c);
    c->order = order;
    c->seen = arena_alloc(&c->scratch, c->n + 1);
}

/* The places of an item's id among those asked for in the open request: order[*from .. *to). An id that was not asked
 * for, and one that was spoken of before, are errors. */
static bool places(struct pcall *c, const struct json_t *o, const char *where, size_t *from, size_t *to, struct err *e)
{
    const char *id;
    size_t n, low = 0, high = c->n;
    if (!answer_id(o, "id", where, &id, &n, e))
        return false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(c->ids[c->order[mid]], id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *from = *to = low;
    while (*to < c->n && strcmp(c->ids[c->order[*to]], id) == 0)
        ++*to;
    bool asked = false;
    for (size_t i = *from; i < *to; i++)
        asked = asked || (c->order[i] >= c->at && c->order[i] < c->at + c->batch);
    if (!asked)
        return answer_bad(e, where, "id", "one of those that were asked for");
    if (c->seen[c->order[*from]])
        return answer_bad(e, where, "id", "each id once");
    for (size_t i = *from; i < *to; i++)
        c->seen[c->order[i]] = 1;
    return true;
}

/* ---- devices by name ---- */

static bool standing_item(struct pcall *c, const struct json_t *o, const char *where, struct err *e)
{
    static const char *const words[] = {
        [AT_UNKNOWN] = "unknown", [AT_ABSENT] = "absent",     [AT_OTHER] = "other",
        [AT_TOLD] = "told",       [AT_BUSY] = "busy",         [AT_INSTALLED] = "installed",
        [AT_FAILED] = "failed",   [AT_RECALLED] = "recalled", [AT_LOST] = "lost"};
    struct device_standing *out = c->out;
    size_t from, to, at;
    if (!places(c, o, where, &from, &to, e))
        return false;
    if (!answer_word(o, "at", words, sizeof words / sizeof *words, &at))
        return answer_bad(e, where, "at", "a word of the protocol, such as told or installed");
    for (size_t i = from; i < to; i++)
        out[c->order[i]] = (struct device_standing){.at = (enum standing_at)at,
                                                    .told_at = answer_time(o, "told_at"),
                                                    .ended_at = answer_time(o, "ended_at"),
                                                    .last_seen = answer_time(o, "last_seen")};
    return true;
}

/* Of whom nothing was said, nothing is known. */
static void standing_settle(struct pcall *c)
{
    struct device_standing *out = c->out;
    for (size_t i = 0; i < c->n; i++)
        if (!c->seen[i])
            out[i] = (struct device_standing){0};
}

static bool tell_item(struct pcall *c, const struct json_t *o, const char *where, struct err *e)
{
    static const char *const words[] = {
        [TELL_NOT_KNOWN] = "not_known", [TELL_DONE] = "done", [TELL_REFUSED] = "refused", [TELL_NOT_SENT] = "not_sent"};
    struct tell_result *out = c->out;
    size_t from, to, outcome, n = 0;
    if (!places(c, o, where, &from, &to, e))
        return false;
    if (!answer_word(o, "outcome", words, sizeof words / sizeof *words, &outcome))
        return answer_bad(e, where, "outcome", "done, refused, not_known or not_sent");
    const char *undo = json_str(o, "undo", &n);
    if (undo && (n > 256 || memchr(undo, '\0', n)))
        return answer_bad(e, where, "undo", "a text of at most 256 bytes");
    for (size_t i = from; i < to; i++)
        out[c->order[i]] = (struct tell_result){.outcome = (enum tell_outcome)outcome,
                                                .why = answer_text(c, o, "why", 200),
                                                .undo = undo ? arena_strndup(c->arena, undo, n) : ""};
    return true;
}

/* Of whom nothing was said: nobody knows, unless nothing was sent, or all was refused before it had an effect. */
static void tell_settle(struct pcall *c)
{
    struct tell_result *out = c->out;
    bool failed = c->err.code != ERR_NONE;
    for (size_t i = 0; i < c->n; i++) {
        if (c->seen[i])
            continue;
        enum tell_outcome o = !failed || c->reply.maybe_sent ? TELL_NOT_KNOWN
                              : c->answered                  ? TELL_REFUSED
                                                             : TELL_NOT_SENT;
        out[i] = (struct tell_result){o, failed ? arena_strdup(c->arena, c->err.what) : "", ""};
    }
}

/* ---- attributes ---- */

/* Distinct values of each key, found by their hash. Values that differ only in ASCII case are one unless they are asked
 * for exactly. */
struct values {
    int32_t *slot; /* index into the table's names, and 1; 0 = free */
    uint16_t *key; /* of each name */
    size_t size;   /* of slot: a power of 2, at most half of it used */
};

static size_t hash(const struct pcall *c, size_t key, const char *s)
{
    uint64_t h = UINT64_C(14695981039346656037) + key; /* FNV-1a */
    for (; *s; s++) {
        unsigned char b = (unsigned char)*s;
        h = (h ^ (unsigned char)(!c->exact && b >= 'A' && b <= 'Z' ? b | 0x20 : b)) * UINT64_C(1099511628211);
    }
    return (size_t)(h ^ h >> 32);
}

static struct values *values_of(struct pcall *c)
{
    struct attribute_table *t = c->out;
    if (c->values)
        return c->values;
    struct values *v = c->values = ARENA_NEW(&c->scratch, struct values);
    for (v->size = 64; v->size < 2 * c->n * c->n_keys; v->size *= 2)
        continue;
    v->slot = ARENA_ARRAY(&c->scratch, int32_t, v->size);
    v->key = ARENA_ARRAY(&c->scratch, uint16_t, c->n * c->n_keys + 1);
    t->names = ARENA_ARRAY(c->arena, const char *, c->n * c->n_keys + 1);
    return v;
}

static int32_t name_of(struct pcall *c, size_t key, const char *s)
{
    struct attribute_table *t = c->out;
    struct values *v = values_of(c);
    size_t at = hash(c, key, s) & (v->size - 1);
    for (; v->slot[at]; at = (at + 1) & (v->size - 1)) {
        int32_t i = v->slot[at] - 1;
        bool same = c->exact ? strcmp(t->names[i], s) == 0 : strcasecmp(t->names[i], s) == 0;
        if (same && v->key[i] == key)
            return i;
    }
    v->key[t->n_names] = (uint16_t)key;
    t->names[t->n_names++] = s;
    v->slot[at] = (int32_t)t->n_names;
    return (int32_t)t->n_names - 1;
}

static const char *value_of(struct pcall *c, const struct json_t *values, const char *key)
{
    size_t n;
    const char *s = json_str(values, key, &n), *other;
    const struct json_t *val;
    for (void *it = NULL; !s && !c->exact && json_each(values, &it, &other, &val);)
        s = strcasecmp(other, key) == 0 ? json_str_value(val, &n) : NULL;
    return s ? safe_text(c->arena, s, n, NAME_MAX_BYTES) : NULL;
}

static bool attributes_item(struct pcall *c, const struct json_t *o, const char *where, struct err *e)
{
    struct attribute_table *t = c->out;
    const struct json_t *values = json_get(o, "values");
    size_t from, to;
    if (!places(c, o, where, &from, &to, e))
        return false;
    if (!json_is_obj(values))
        return answer_bad(e, where, "values", "an object");
    for (size_t k = 0; k < c->n_keys; k++) {
        const char *s = value_of(c, values, c->keys[k]);
        int32_t name = s ? name_of(c, k, s) : -1;
        for (size_t i = from; i < to; i++)
            t->v[c->order[i] * c->n_keys + k] = name;
    }
    return true;
}

static void attributes_settle(struct pcall *c)
{
    struct attribute_table *t = c->out;
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; !c->seen[i] && k < c->n_keys; k++)
            t->v[i * c->n_keys + k] = -1;
}

const struct pcall_op pcall_standing = {"standing", .ask = plugin_ask_devices, .item = standing_item,
                                        .settle = standing_settle};
const struct pcall_op pcall_attributes = {"attributes", .needs = PLUGIN_CAN_ATTRIBUTES, .ask = plugin_ask_devices,
                                          .item = attributes_item, .settle = attributes_settle};
const struct pcall_op pcall_tell = {
    "tell", .verb = true, .needs = CAP_TELL, .ask = plugin_ask_devices, .item = tell_item, .settle = tell_settle};
const struct pcall_op pcall_recall = {
    "recall", .verb = true, .needs = CAP_RECALL, .ask = plugin_ask_devices, .item = tell_item, .settle = tell_settle};
