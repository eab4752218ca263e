/* What went to a back end and came back, as lines of the protocol. */
#include "client/record.h"

#include <stdlib.h>
#include <string.h>
#include "client/plugin_impl.h"
#include "client/wrap.h"
#include "core/clock.h"
#include "core/text.h"
#include "core/trace.h"

struct record {
    struct wrap wrap; /* first */
    struct traced traced;
};

/* One call that is recorded. */
struct recorded {
    struct pcall ask; /* its ids and keys are copies in ask.scratch */
    struct buf text;
    void *out;
    const struct backend_ops *inner;
    void (*put)(const struct recorded *c, struct json_w *w); /* what was answered, after ok */
    bool answers_in_part;                                    /* also of a call that failed: some may have been told */
};

/* ---- answers in the protocol's words ---- */

static void kstr(struct json_w *w, const char *key, const char *s)
{
    if (s && *s)
        json_w_kstr(w, key, s);
}

static void ktime(struct json_w *w, const char *key, int64_t t)
{
    if (t > 0)
        json_w_kint(w, key, t);
}

/* A device's own id, when it is text; else as it is shown. */
static const char *own_id(const struct device *d)
{
    return text_valid(d->raw_id, strlen(d->raw_id)) ? d->raw_id : d->id;
}

static void put_release(struct json_w *w, const struct release *r)
{
    json_w_obj(w);
    kstr(w, "id", r->id);
    kstr(w, "name", r->name);
    kstr(w, "version", r->version);
    if (r->order)
        json_w_kint(w, "order", r->order);
    json_w_obj_end(w);
}

static void put_device(struct json_w *w, const struct device *d)
{
    static const char *const words[] = {[DEVICE_REGISTERED] = "registered",
                                        [DEVICE_PENDING] = "pending",
                                        [DEVICE_IN_SYNC] = "in_sync",
                                        [DEVICE_ERROR] = "error"};
    json_w_obj(w);
    json_w_kstr(w, "id", own_id(d));
    kstr(w, "name", d->name);
    kstr(w, "status", words[d->status]);
    kstr(w, "address", d->address);
    ktime(w, "installed_at", d->installed_at);
    ktime(w, "last_seen", d->last_seen);
    ktime(w, "contact_us", d->contact_us);
    if (d->overdue)
        json_w_kbool(w, "overdue", true);
    json_w_obj_end(w);
}

static void begin_items(struct json_w *w)
{
    json_w_key(w, "items");
    json_w_arr(w);
}

static void put_info(const struct recorded *c, struct json_w *w)
{
    static const struct {
        uint32_t bit;
        const char *word;
    } caps[] = {{CAP_TELL, "tell"}, {CAP_RECALL, "recall"}, {CAP_FORCE, "force"}, {CAP_DOWNGRADE, "downgrade"}};
    static const char *const says[SAY_COUNT] = {"pause", "stop", "rollback", "recall", "counts"};
    const struct backend_info *i = c->out;
    const struct backend_ops *o = c->inner;
    json_w_kint(w, "proto", 1);
    json_w_kstr(w, "name", i->kind);
    kstr(w, "version", i->version);
    kstr(w, "user", i->user);
    json_w_key(w, "caps");
    json_w_arr(w);
    for (size_t k = 0; k < sizeof caps / sizeof *caps; k++)
        if (i->caps & caps[k].bit)
            json_w_str(w, caps[k].word);
    if (o->device)
        json_w_str(w, "device");
    if (o->attributes)
        json_w_str(w, "attributes");
    json_w_arr_end(w);
    json_w_key(w, "limits");
    json_w_obj(w);
    json_w_kint(w, "parallel", PLUGIN_PARALLEL);
    json_w_kint(w, "tell", (int64_t)(o->tell_most ? o->tell_most : 1));
    json_w_obj_end(w);
    json_w_key(w, "says");
    json_w_obj(w);
    for (size_t k = 0; k < SAY_COUNT; k++)
        kstr(w, says[k], i->says[k]);
    json_w_obj_end(w);
}

static void put_releases(const struct recorded *c, struct json_w *w)
{
    const struct release_list *l = c->out;
    begin_items(w);
    for (size_t i = 0; i < l->n; i++)
        put_release(w, &l->v[i]);
    json_w_arr_end(w);
}

static void put_one_release(const struct recorded *c, struct json_w *w)
{
    begin_items(w);
    put_release(w, c->out);
    json_w_arr_end(w);
}

static void put_devices(const struct recorded *c, struct json_w *w)
{
    const struct device_list *l = c->out;
    begin_items(w);
    for (size_t i = 0; i < l->n; i++)
        put_device(w, &l->v[i]);
    json_w_arr_end(w);
    json_w_kint(w, "total", l->total);
}

static void put_info_of_device(const struct recorded *c, struct json_w *w)
{
    const struct device_info *d = c->out;
    json_w_key(w, "device");
    put_device(w, &d->device);
    if (d->installed.id && *d->installed.id) {
        json_w_key(w, "installed");
        put_release(w, &d->installed);
    }
    if (d->assigned.id && *d->assigned.id) {
        json_w_key(w, "assigned");
        put_release(w, &d->assigned);
    }
    json_w_key(w, "attributes");
    json_w_obj(w);
    for (size_t i = 0; i < d->n_attributes; i++) {
        bool again = false; /* two that are shown alike would be one member twice */
        for (size_t k = 0; k < i; k++)
            again = again || strcmp(d->attributes[k][0], d->attributes[i][0]) == 0;
        if (!again)
            json_w_kstr(w, d->attributes[i][0], d->attributes[i][1]);
    }
    json_w_obj_end(w);
    json_w_key(w, "history");
    json_w_arr(w);
    for (size_t i = 0; i < d->n_history; i++) {
        json_w_obj(w);
        ktime(w, "t", d->history[i].t);
        kstr(w, "type", d->history[i].type);
        kstr(w, "text", d->history[i].text);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}

/* Places of the devices that were named, of one that was named twice the first, in the order of their ids. */
static bool next_place(const struct recorded *c, size_t *at, size_t *place)
{
    const struct pcall *a = &c->ask;
    for (; *at < a->n; ++*at) {
        if (*at > 0 && strcmp(a->ids[a->order[*at - 1]], a->ids[a->order[*at]]) == 0)
            continue;
        *place = a->order[(*at)++];
        return true;
    }
    return false;
}

static void put_standings(const struct recorded *c, struct json_w *w)
{
    static const char *const words[] = {
        [AT_UNKNOWN] = "unknown", [AT_ABSENT] = "absent",     [AT_OTHER] = "other",
        [AT_TOLD] = "told",       [AT_BUSY] = "busy",         [AT_INSTALLED] = "installed",
        [AT_FAILED] = "failed",   [AT_RECALLED] = "recalled", [AT_LOST] = "lost"};
    const struct device_standing *s = c->out;
    begin_items(w);
    for (size_t at = 0, i; next_place(c, &at, &i);) {
        json_w_obj(w);
        json_w_kstr(w, "id", c->ask.ids[i]);
        json_w_kstr(w, "at", words[s[i].at]);
        ktime(w, "told_at", s[i].told_at);
        ktime(w, "ended_at", s[i].ended_at);
        ktime(w, "last_seen", s[i].last_seen);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}

static void put_outcomes(const struct recorded *c, struct json_w *w)
{
    static const char *const words[] = {
        [TELL_NOT_KNOWN] = "not_known", [TELL_DONE] = "done", [TELL_REFUSED] = "refused", [TELL_NOT_SENT] = "not_sent"};
    const struct tell_result *r = c->out;
    begin_items(w);
    for (size_t at = 0, i; next_place(c, &at, &i);) {
        json_w_obj(w);
        json_w_kstr(w, "id", c->ask.ids[i]);
        json_w_kstr(w, "outcome", words[r[i].outcome]);
        kstr(w, "why", r[i].why);
        kstr(w, "undo", r[i].undo);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}

static void put_values(const struct recorded *c, struct json_w *w)
{
    const struct attribute_table *t = c->out;
    begin_items(w);
    for (size_t at = 0, i; next_place(c, &at, &i);) {
        json_w_obj(w);
        json_w_kstr(w, "id", c->ask.ids[i]);
        json_w_key(w, "values");
        json_w_obj(w);
        for (size_t k = 0; k < c->ask.n_keys; k++)
            if (t->v[i * t->n_keys + k] >= 0)
                json_w_kstr(w, c->ask.keys[k], t->names[t->v[i * t->n_keys + k]]);
        json_w_obj_end(w);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}

/* ---- calls ---- */

static void answer_text_of(const struct recorded *c, const struct reply *r, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out, 0);
    json_w_obj(&w);
    json_w_kbool(&w, "ok", !r->err);
    if (r->err) {
        json_w_kstr(&w, "code", plugin_error_word(r->err->code));
        json_w_kstr(&w, "message", r->err->what);
        json_w_kbool(&w, "maybe_sent", r->maybe_sent);
    }
    if (r->status)
        json_w_kint(&w, "status", r->status);
    if (!r->err || c->answers_in_part)
        c->put(c, &w);
    json_w_obj_end(&w);
}

static bool on_answer(struct wrap *wrap, struct wrap_call *call, const struct reply *r)
{
    const struct record *rec = (const struct record *)wrap;
    struct recorded *c = call->own;
    struct trace_line l;
    struct buf answer;
    if (!c)
        return true;
    buf_init(&answer, TRACE_LINE_MAX);
    answer_text_of(c, r, &answer);
    if (!answer.over &&
        trace_begin(&l, rec->traced.trace, TRACE_CALLS, http_clock(wrap->base.http), rec->traced.fleet, "call")) {
        json_w_kint(&l.w, "took_us", r->answered_at - r->sent_at);
        trace_text(&l, "ask", c->text.data, c->text.len, NULL);
        trace_text(&l, "answer", answer.data, answer.len, NULL);
        trace_end(&l);
    }
    buf_release(&answer);
    buf_release(&c->text);
    arena_release(&c->ask.scratch);
    free(c);
    return true;
}

static struct recorded *recorded_new(struct backend *b, const struct pcall_op *op, void *out,
                                     void (*put)(const struct recorded *c, struct json_w *w))
{
    struct recorded *c = xcalloc(1, sizeof *c);
    c->ask.op = op;
    arena_init(&c->ask.scratch);
    c->out = out;
    c->put = put;
    c->inner = ((struct wrap *)b)->inner->ops;
    c->answers_in_part = op->verb;
    return c;
}

/* Its request is complete: writes it down, and makes the call that carries it. */
static struct wrap_call *go(struct backend *b, struct recorded *c, backend_done done, void *ctx)
{
    struct wrap_call *call = wrap_begin(b, c->ask.op->word, c->ask.op->verb, done, ctx);
    struct json_w w;
    call->own = c;
    c->ask.batch = c->ask.n;
    buf_init(&c->text, TRACE_LINE_MAX);
    json_w_init(&w, &c->text, 0);
    json_w_obj(&w);
    pcall_ask(&c->ask, &w, false);
    json_w_obj_end(&w);
    return call;
}

static const char *const *copy(struct recorded *c, const char *const *v, size_t n)
{
    const char **out = ARENA_ARRAY(&c->ask.scratch, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        out[i] = arena_strdup(&c->ask.scratch, v[i] ? v[i] : "");
    return out;
}

static void of_ids(struct recorded *c, const char *const *ids, size_t n)
{
    c->ask.ids = copy(c, ids, n);
    c->ask.n = n;
    pcall_index(&c->ask);
}

#define INNER(call) (call)->w->inner->ops
#define ON(call)    (call)->w->inner

static void probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    struct wrap_call *c = go(b, recorded_new(b, &pcall_hello, out, put_info), done, ctx);
    INNER(c)->probe(ON(c), a, out, wrap_done, c);
}

static void releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                     void *ctx)
{
    struct recorded *rec = recorded_new(b, &pcall_releases, out, put_releases);
    rec->ask.limit = limit;
    struct wrap_call *c = go(b, rec, done, ctx);
    INNER(c)->releases(ON(c), limit, a, out, wrap_done, c);
}

static void release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                    struct release *out, backend_done done, void *ctx)
{
    struct recorded *rec = recorded_new(b, &pcall_release, out, put_one_release);
    const struct release wanted = {id, id ? NULL : name, id ? NULL : version, 0};
    rec->ask.limit = 2;
    rec->ask.release = &wanted;
    struct wrap_call *c = go(b, rec, done, ctx);
    rec->ask.release = NULL;
    INNER(c)->release(ON(c), id, name, version, a, out, wrap_done, c);
}

static void devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                    struct device_list *out, backend_done done, void *ctx)
{
    struct recorded *rec = recorded_new(b, &pcall_devices, out, put_devices);
    rec->ask.limit = limit;
    rec->ask.filter = f;
    struct wrap_call *c = go(b, rec, done, ctx);
    rec->ask.filter = NULL;
    INNER(c)->devices(ON(c), f, limit, a, out, wrap_done, c);
}

static void device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
                   void *ctx)
{
    struct recorded *rec = recorded_new(b, &pcall_device, out, put_info_of_device);
    rec->ask.word = raw_id;
    struct wrap_call *c = go(b, rec, done, ctx);
    rec->ask.word = NULL;
    INNER(c)->device(ON(c), raw_id, a, out, wrap_done, c);
}

static void standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, struct arena *a,
                     struct device_standing *out, backend_done done, void *ctx)
{
    struct recorded *rec = recorded_new(b, &pcall_standing, out, put_standings);
    rec->ask.release = r;
    of_ids(rec, raw_ids, n);
    struct wrap_call *c = go(b, rec, done, ctx);
    rec->ask.release = NULL;
    INNER(c)->standing(ON(c), r, raw_ids, n, a, out, wrap_done, c);
}

static void attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys, size_t n_keys,
                       size_t limit, bool exact, struct arena *a, struct attribute_table *out, backend_done done,
                       void *ctx)
{
    struct recorded *rec = recorded_new(b, &pcall_attributes, out, put_values);
    rec->ask.keys = copy(rec, keys, n_keys);
    rec->ask.n_keys = n_keys;
    of_ids(rec, raw_ids, n);
    struct wrap_call *c = go(b, rec, done, ctx);
    INNER(c)->attributes(ON(c), raw_ids, n, keys, n_keys, limit, exact, a, out, wrap_done, c);
}

static void tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                 struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    struct recorded *rec = recorded_new(b, &pcall_tell, out, put_outcomes);
    rec->ask.release = r;
    of_ids(rec, raw_ids, n);
    struct wrap_call *c = go(b, rec, done, ctx);
    rec->ask.release = NULL;
    INNER(c)->tell(ON(c), r, raw_ids, n, key, a, out, wrap_done, c);
}

static void recall(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                   const char *const *undo, bool force, struct arena *a, struct tell_result *out, backend_done done,
                   void *ctx)
{
    struct recorded *rec = recorded_new(b, &pcall_recall, out, put_outcomes);
    rec->ask.release = r;
    rec->ask.force = force;
    rec->ask.undo = undo ? copy(rec, undo, n) : NULL;
    of_ids(rec, raw_ids, n);
    struct wrap_call *c = go(b, rec, done, ctx);
    rec->ask.release = NULL;
    INNER(c)->recall(ON(c), r, raw_ids, n, key, undo, force, a, out, wrap_done, c);
}

static void record_free(struct backend *b)
{
    wrap_release((struct wrap *)b);
    free(b);
}

struct backend *record_open(struct backend *inner, const struct traced *t)
{
    struct record *rec = xcalloc(1, sizeof *rec);
    rec->traced = *t;
    wrap_init(&rec->wrap, inner, record_free);
    rec->wrap.answer = on_answer;
    struct backend_ops *o = &rec->wrap.ops;
    o->probe = probe;
    o->releases = releases;
    o->release = release;
    o->devices = devices;
    o->device = o->device ? device : NULL;
    o->standing = o->standing ? standing : NULL;
    o->attributes = o->attributes ? attributes : NULL;
    o->tell = o->tell ? tell : NULL;
    o->recall = o->recall ? recall : NULL;
    return &rec->wrap.base;
}
