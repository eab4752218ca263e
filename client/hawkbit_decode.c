#include "client/hawkbit_impl.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "core/text.h"

const char *hb_text(const struct json_t *o, const char *key, struct arena *a, size_t max)
{
    size_t n;
    const char *s = json_str(o, key, &n);
    return s && n ? safe_text(a, s, n, max) : "";
}

int64_t hb_time_of(int64_t ms)
{
    /* Up to the year 9999; anything else is not a time. */
    return ms > 0 && ms < INT64_C(253402300800000) ? ms * 1000 : 0;
}

int64_t hb_time(const struct json_t *o, const char *key)
{
    int64_t ms;
    return json_int(o, key, &ms) ? hb_time_of(ms) : 0;
}

static bool need_id(const struct json_t *o, struct arena *a, const char **out, const char *where, struct err *e)
{
    int64_t id;
    if (!json_need_int(o, "id", &id, where, e)) {
        if (e)
            e->code = ERR_PROTOCOL;
        return false;
    }
    if (id <= 0)
        return err_set(e, ERR_PROTOCOL, "", "%s.id: expected a positive number", where);
    *out = arena_printf(a, "%lld", (long long)id);
    return true;
}

static bool need_object(const struct json_t *o, const char *where, struct err *e)
{
    return json_is_obj(o) || err_set(e, ERR_PROTOCOL, "", "%s: expected an object", where);
}

static bool need_string(const struct json_t *o, const char *key, const char *where, struct err *e)
{
    return json_str(o, key, NULL) || err_set(e, ERR_PROTOCOL, "", "%s.%s: expected a string", where, key);
}

static int64_t count_or(const struct json_t *o, const char *key, int64_t otherwise)
{
    int64_t n;
    return json_int(o, key, &n) && n >= 0 ? n : otherwise;
}

static void decode_counts(const struct json_t *o, struct counts *c)
{
    const struct json_t *t = json_get(o, "totalTargetsPerStatus");
    *c = (struct counts){0};
    if (!json_is_obj(t))
        return;
    c->notstarted = count_or(t, "notstarted", -1);
    c->scheduled = count_or(t, "scheduled", -1);
    c->running = count_or(t, "running", -1);
    c->finished = count_or(t, "finished", -1);
    c->error = count_or(t, "error", -1);
    c->cancelled = count_or(t, "cancelled", -1);
    c->known = c->notstarted >= 0 && c->scheduled >= 0 && c->running >= 0 && c->finished >= 0 && c->error >= 0 &&
               c->cancelled >= 0;
    if (!c->known) /* half a truth is none */
        *c = (struct counts){0};
}

static enum rollout_state rollout_state(const char *word)
{
    static const struct {
        const char *word;
        enum rollout_state state;
    } map[] = {
        {"creating", ROLLOUT_CREATING},      {"waiting_for_approval", ROLLOUT_WAITING_APPROVAL},
        {"approval_denied", ROLLOUT_DENIED}, {"ready", ROLLOUT_READY},
        {"starting", ROLLOUT_STARTING},      {"running", ROLLOUT_RUNNING},
        {"paused", ROLLOUT_PAUSED},          {"stopping", ROLLOUT_STOPPING},
        {"stopped", ROLLOUT_STOPPED},        {"finished", ROLLOUT_FINISHED},
        {"deleting", ROLLOUT_DELETING},      {"deleted", ROLLOUT_DELETED},
    };
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (strcasecmp(word, map[i].word) == 0)
            return map[i].state;
    return ROLLOUT_UNKNOWN;
}

static enum wave_state wave_state(const char *word)
{
    static const struct {
        const char *word;
        enum wave_state state;
    } map[] = {
        {"creating", WAVE_CREATING}, {"ready", WAVE_READY},       {"scheduled", WAVE_SCHEDULED},
        {"running", WAVE_RUNNING},   {"finished", WAVE_FINISHED}, {"error", WAVE_ERROR},
    };
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (strcasecmp(word, map[i].word) == 0)
            return map[i].state;
    return WAVE_UNKNOWN;
}

static enum device_status device_status(const char *word, size_t n)
{
    static const struct {
        const char *word;
        enum device_status status;
    } map[] = {
        {"unknown", DEVICE_UNKNOWN}, {"registered", DEVICE_REGISTERED}, {"pending", DEVICE_PENDING},
        {"in_sync", DEVICE_IN_SYNC}, {"error", DEVICE_ERROR},
    };
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (n == strlen(map[i].word) && strncasecmp(word, map[i].word, n) == 0)
            return map[i].status;
    return DEVICE_UNKNOWN;
}

/* hawkBit 1.x names the release in a link, "name:version". With another colon in it the cut is not certain, and a
 * wrong version must not get into a roll back's filter: then the caller asks for the release by id. */
static void release_of_link(const struct json_t *o, struct arena *a, struct release *r)
{
    size_t n;
    const char *s = json_str(json_get(json_get(o, "_links"), "distributionset"), "name", &n);
    const char *colon = s ? memchr(s, ':', n) : NULL;
    if (!colon || memchr(colon + 1, ':', n - (size_t)(colon + 1 - s)))
        return;
    r->name = safe_text(a, s, (size_t)(colon - s), NAME_MAX_BYTES);
    r->version = safe_text(a, colon + 1, n - (size_t)(colon + 1 - s), NAME_MAX_BYTES);
}

bool hb_decode_rollout(const struct json_t *o, struct arena *a, struct rollout *out, const char *where, struct err *e)
{
    int64_t ds = 0;
    *out = (struct rollout){0};
    if (!need_object(o, where, e) || !need_id(o, a, &out->id, where, e) || !need_string(o, "name", where, e) ||
        !need_string(o, "status", where, e))
        return false;
    out->name = hb_text(o, "name", a, NAME_MAX_BYTES);
    out->description = hb_text(o, "description", a, NAME_MAX_BYTES);
    out->state_word = hb_text(o, "status", a, 40);
    out->state = rollout_state(out->state_word);
    out->release = (struct release){.id = "", .name = "", .version = ""};
    if (json_int(o, "distributionSetId", &ds) && ds > 0)
        out->release.id = arena_printf(a, "%lld", (long long)ds);
    release_of_link(o, a, &out->release);
    out->filter = hb_text(o, "targetFilterQuery", a, 4096);
    out->total = count_or(o, "totalTargets", 0);
    decode_counts(o, &out->counts);
    out->created_at = hb_time(o, "createdAt");
    out->last_modified = hb_time(o, "lastModifiedAt");
    out->start_at = hb_time(o, "startAt");
    out->created_by = hb_text(o, "createdBy", a, 128);
    out->approval_by = hb_text(o, "approveDecidedBy", a, 128);
    out->approval_remark = hb_text(o, "approvalRemark", a, NAME_MAX_BYTES);
    json_bool(o, "deleted", &out->deleted);
    json_bool(o, "dynamic", &out->dynamic);
    return true;
}

/* Integer.parseInt of Java, without sign: what else hawkBit accepts at creation it never fires on. */
static bool whole_number(const char *s, double *out)
{
    int v = 0;
    if (!s[0] || strlen(s) > 4)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        v = v * 10 + (*s - '0');
    }
    *out = v;
    return true;
}

void hb_decode_condition(const struct json_t *o, struct arena *a, bool failure, struct condition *out)
{
    *out = (struct condition){.text = ""};
    if (!json_is_obj(o))
        return;
    const char *kind = hb_text(o, "condition", a, 40);
    double percent = 0;
    out->present = true;
    out->text = hb_text(o, "expression", a, 80);
    bool parsed = whole_number(out->text, &percent);
    if (parsed)
        out->percent = percent;
    /* Strictly more than the threshold must fail: more than 100 % never does. */
    out->can_fire = parsed && strcasecmp(kind, "THRESHOLD") == 0 && (failure ? percent < 100 : percent <= 100);
}

bool hb_decode_wave(const struct json_t *o, struct arena *a, struct wave *out, const char *where, struct err *e)
{
    *out = (struct wave){0};
    if (!need_object(o, where, e) || !need_id(o, a, &out->id, where, e) || !need_string(o, "name", where, e) ||
        !need_string(o, "status", where, e))
        return false;
    out->name = hb_text(o, "name", a, NAME_MAX_BYTES);
    out->state_word = hb_text(o, "status", a, 40);
    out->state = wave_state(out->state_word);
    out->total = count_or(o, "totalTargets", 0);
    decode_counts(o, &out->counts);
    hb_decode_condition(json_get(o, "successCondition"), a, false, &out->success);
    hb_decode_condition(json_get(o, "errorCondition"), a, true, &out->failure);
    /* The only thing that an error condition can do is to pause; without that it does nothing. */
    const char *on_error = hb_text(json_get(o, "errorAction"), "action", a, 40);
    if (on_error[0] && strcasecmp(on_error, "PAUSE") != 0)
        out->failure.can_fire = false;
    out->success_action = hb_text(json_get(o, "successAction"), "action", a, 40);
    json_bool(o, "dynamic", &out->dynamic);
    out->last_modified = hb_time(o, "lastModifiedAt");
    return true;
}

void hb_take_device(const struct hb_device_text *t, struct arena *a, struct device *out)
{
    *out = (struct device){0};
    out->id = safe_text(a, t->id, t->n_id, NAME_MAX_BYTES);
    bool same = strlen(out->id) == t->n_id && memcmp(out->id, t->id, t->n_id) == 0;
    out->raw_id = same ? out->id : arena_strndup(a, t->id, t->n_id);
    same = t->n_name == t->n_id && memcmp(t->name, t->id, t->n_id) == 0;
    out->name = same ? out->id : t->n_name ? safe_text(a, t->name, t->n_name, NAME_MAX_BYTES) : "";
    out->status = device_status(t->status, t->n_status);
    out->address = t->n_address ? safe_text(a, t->address, t->n_address, 200) : "";
    out->installed_at = t->installed_at;
    out->last_seen = t->last_seen ? t->last_seen : t->last_poll;
    out->contact_us = t->last_poll > 0 && t->next_poll > t->last_poll ? t->next_poll - t->last_poll : 0;
    out->overdue = t->overdue;
}

static const char *text_of(const struct json_t *o, const char *key, size_t *n)
{
    const char *s = json_str(o, key, n);
    if (!s)
        *n = 0;
    return s ? s : "";
}

bool hb_decode_device(const struct json_t *o, struct arena *a, struct device *out, const char *where, struct err *e)
{
    struct hb_device_text t = {0};
    *out = (struct device){0};
    if (!need_object(o, where, e) || !need_string(o, "controllerId", where, e))
        return false;
    t.id = text_of(o, "controllerId", &t.n_id);
    if (t.n_id == 0)
        return err_set(e, ERR_PROTOCOL, "", "%s.controllerId is empty", where);
    t.name = text_of(o, "name", &t.n_name);
    t.status = text_of(o, "updateStatus", &t.n_status);
    t.address = text_of(o, "address", &t.n_address);
    t.installed_at = hb_time(o, "installedAt");
    t.last_seen = hb_time(o, "lastControllerRequestAt");
    const struct json_t *poll = json_get(o, "pollStatus");
    if (json_is_obj(poll)) {
        json_bool(poll, "overdue", &t.overdue);
        t.last_poll = hb_time(poll, "lastRequestAt");
        t.next_poll = hb_time(poll, "nextExpectedRequestAt");
    }
    hb_take_device(&t, a, out);
    return true;
}

bool hb_decode_release(const struct json_t *o, struct arena *a, struct release *out, const char *where, struct err *e)
{
    *out = (struct release){.id = "", .name = "", .version = ""};
    if (!need_object(o, where, e) || !need_id(o, a, &out->id, where, e) || !need_string(o, "name", where, e) ||
        !need_string(o, "version", where, e))
        return false;
    out->name = hb_text(o, "name", a, NAME_MAX_BYTES);
    out->version = hb_text(o, "version", a, NAME_MAX_BYTES);
    return true;
}

bool hb_decode_action(const struct json_t *o, struct arena *a, struct device_action *out, const char *where,
                      struct err *e)
{
    int64_t rollout = 0;
    *out = (struct device_action){0};
    if (!need_object(o, where, e) || !need_id(o, a, &out->id, where, e))
        return false;
    out->status = hb_text(o, "status", a, 40);
    out->type = hb_text(o, "type", a, 40);
    out->at = hb_time(o, "lastModifiedAt");
    if (!out->at)
        out->at = hb_time(o, "createdAt");
    out->release = hb_text(json_get(json_get(o, "_links"), "distributionset"), "name", a, NAME_MAX_BYTES);
    out->rollout = "";
    if (json_int(o, "rollout", &rollout) && rollout > 0)
        out->rollout = arena_printf(a, "%lld", (long long)rollout);
    /* 0.3 has no `active`, but its `pending` means the same. */
    if (!json_bool(o, "active", &out->active))
        out->active = strcasecmp(out->status, "pending") == 0;
    return true;
}

bool hb_id_ok(const char *id, const char *what, struct err *e)
{
    size_t n = id ? strlen(id) : 0;
    bool ok = n > 0 && n < 20;
    for (size_t i = 0; ok && i < n; i++)
        ok = id[i] >= '0' && id[i] <= '9';
    return ok || err_set(e, ERR_RANGE, "hawkBit's ids are decimal numbers", "this is not the id of a %s", what);
}

bool hb_device_ok(const char *raw, struct err *e)
{
    size_t n = raw ? strlen(raw) : 0;
    if (n == 0 || n > 512 || strcmp(raw, ".") == 0 || strcmp(raw, "..") == 0)
        return err_set(e, ERR_RANGE, "rename the device on the server", "this device's id can't stand in a request");
    return true;
}
