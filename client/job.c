/* See job.h. */
#include "client/job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "core/digest.h"
#include "core/text.h"

struct job *job_begin(struct backend *b, struct arena *a, void *out, backend_done done, void *ctx)
{
    struct job *j = xcalloc(1, sizeof *j);
    j->home = (struct job_home *)b;
    j->arena = a;
    j->out = out;
    j->done = done;
    j->ctx = ctx;
    arena_init(&j->scratch);
    return j;
}

char *job_path(struct job *j, const char *fmt, ...)
{
    char tmp[JOB_PATH_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(tmp, sizeof tmp, fmt, ap);
    va_end(ap);
    /* What goes into a path is bounded by the callers; a cut one must not be sent. */
    if (n < 0 || (size_t)n >= sizeof tmp)
        job_failf(j, ERR_LIMIT, "", "a request's path would be longer than %d bytes", JOB_PATH_MAX);
    return arena_strdup(&j->scratch, tmp);
}

const char *job_escape(struct job *j, const char *s)
{
    struct buf b;
    buf_init(&b, JOB_PATH_MAX);
    if (!http_escape(&b, s))
        job_failf(j, ERR_LIMIT, "", "a request's path would be longer than %d bytes", JOB_PATH_MAX);
    char *copy = arena_strdup(&j->scratch, b.data);
    buf_release(&b);
    return copy;
}

static void give_up_rest(struct job *j)
{
    for (struct part *p = j->parts; p; p = p->next)
        http_cancel(j->home->base.http, p->id);
}

void job_fail(struct job *j, const struct err *e)
{
    if (j->err.code != ERR_NONE)
        return;
    j->err = *e;
    give_up_rest(j);
}

void job_failf(struct job *j, enum err_code code, const char *next, const char *fmt, ...)
{
    char what[320];
    struct err e = {0};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    err_set(&e, code, next, "%s", what);
    job_fail(j, &e);
}

static void complete(struct job *j)
{
    j->reply.err = j->err.code != ERR_NONE ? &j->err : NULL;
    j->done(j->ctx, &j->reply);
    if (j->drop)
        j->drop(j);
    arena_release(&j->scratch);
    free(j);
}

/* What went out, or may have, is told whatever became of it. */
static void note_request(struct job *j, const struct part *p, const struct http_answer *a)
{
    struct reply *r = &j->reply;
    if (!(p->flags & PART_VERB) || (a->err && !a->maybe_sent) || r->n_requests == REPLY_REQUESTS)
        return;
    struct request_facts *f = &r->requests[r->n_requests++];
    *f = p->facts;
    f->status = a->status;
    f->sent_at = a->sent_at;
    f->answered_at = a->answered_at;
    f->server_date = a->server_date;
    f->error = a->err ? err_word(a->err->code) : "";
    if (!a->err)
        sha256_hex(a->body.data, a->body.len, f->answer_sha256);
    safe_text_into(f->request_id, sizeof f->request_id, a->request_id, strlen(a->request_id));
}

static void note(struct job *j, const struct part *p, const struct http_answer *a)
{
    struct reply *r = &j->reply;
    if (r->sent_at == 0 || a->sent_at < r->sent_at)
        r->sent_at = a->sent_at;
    r->answered_at = a->answered_at;
    r->status = a->status;
    reply_date(r, a);
    if (a->request_id[0])
        safe_text_into(r->request_id, sizeof r->request_id, a->request_id, strlen(a->request_id));
    if (!(p->flags & PART_VERB))
        return;
    /* A definite answer settles it; a server error may have come after the effect. */
    r->maybe_sent = a->err && a->status == 0 ? a->maybe_sent : a->status >= 500;
}

static void judge(struct job *j, const struct part *p, const struct http_answer *a)
{
    struct err e = {0};
    if (a->err && !(p->flags & PART_ANY_END)) {
        job_fail(j, a->err);
        return;
    }
    if (p->flags & (PART_ANY_STATUS | PART_ANY_END)) {
        p->fn(j, p->index, a, NULL);
        return;
    }
    if (a->status < 200 || a->status > 299) {
        if (j->forgive && j->forgive(j, a->status))
            return;
        bool state_op = (p->flags & PART_VERB) && !(p->flags & PART_CREATE);
        j->home->error(a, http_peer_name(j->home->peer), p->what, state_op, &e);
        job_fail(j, &e);
        return;
    }
    if (j->scan && j->scan(j, p->index, a))
        return;
    struct json_t *doc = NULL;
    if (!(p->flags & PART_NO_BODY) && a->body.len) {
        char what[128];
        snprintf(what, sizeof what, "answer of %s", p->what);
        doc = json_parse(a->body.data, a->body.len, JOB_BODY_MAX, what, &e);
        if (!doc) {
            e.code = ERR_PROTOCOL;
            if (!e.next[0])
                snprintf(e.next, sizeof e.next, "%s", j->home->wrong_server);
            job_fail(j, &e);
            return;
        }
    }
    if (p->fn)
        p->fn(j, p->index, a, doc);
    json_free(doc);
}

static void on_answer(void *ctx, const struct http_answer *a)
{
    struct part *p = ctx;
    struct job *j = p->job;
    if (j->home->refused && j->err.code == ERR_NONE && j->home->refused(j->home, p, a))
        return;
    *(p->prev ? &p->prev->next : &j->parts) = p->next;
    if (p->next)
        p->next->prev = p->prev;
    note_request(j, p, a);
    bool good = j->err.code == ERR_NONE;
    if (good)
        note(j, p, a);
    if (good || (p->flags & PART_ANY_END))
        judge(j, p, a);
    if (j->parts)
        return;
    if (j->err.code == ERR_NONE && j->next) {
        void (*next)(struct job *) = j->next;
        j->next = NULL;
        next(j);
        if (j->parts)
            return;
    }
    complete(j);
}

static struct part *add_part(struct job *j, const char *what, unsigned flags, part_fn fn, size_t index)
{
    struct part *p = ARENA_NEW(&j->scratch, struct part);
    p->job = j;
    p->index = index;
    p->flags = flags;
    p->fn = fn;
    safe_text_into(p->what, sizeof p->what, what, strlen(what));
    p->next = j->parts;
    if (j->parts)
        j->parts->prev = p;
    j->parts = p;
    return p;
}

void job_resend(struct part *p)
{
    struct job *j = p->job;
    struct http_request q = p->q;
    p->id = 0;
    if (j->err.code != ERR_NONE) /* failed while it was being put together, or held */
        p->id = http_fail(j->home->peer, &j->err, on_answer, p);
    else if (!j->home->dress || j->home->dress(j->home, p, &q))
        p->id = http_request(j->home->peer, &q, on_answer, p);
}

void job_wake(struct part *p, const struct http_answer *a)
{
    on_answer(p, a);
}

static struct part *put_part(struct job *j, const struct http_request *q, unsigned flags, part_fn fn, size_t index)
{
    char what[200];
    snprintf(what, sizeof what, "%s %.*s", q->method, (int)strcspn(q->path, "?"), q->path);
    struct part *p = add_part(j, what, flags, fn, index);
    p->q = *q;
    p->q.path = arena_strdup(&j->scratch, q->path);
    if (q->body) {
        p->q.body = arena_strndup(&j->scratch, q->body, q->body_n);
        sha256_hex(q->body, q->body_n, p->facts.body_sha256);
    }
    snprintf(p->facts.method, sizeof p->facts.method, "%s", q->method);
    p->facts.path = p->q.path;
    return p;
}

void job_send(struct job *j, const char *method, const char *path, const char *body, unsigned http_flags,
              unsigned part_flags, part_fn fn, size_t index)
{
    struct http_request q = {.method = method,
                             .path = path,
                             .body = body,
                             .body_n = body ? strlen(body) : 0,
                             .max_body = JOB_BODY_MAX,
                             .flags = http_flags};
    job_resend(put_part(j, &q, part_flags, fn, index));
}

void job_stream(struct job *j, const char *path, struct http_sink sink, size_t max, unsigned http_flags, part_fn fn)
{
    struct http_request q = {
        .method = "GET", .path = path, .max_body = max, .flags = HTTP_SAFE | http_flags, .sink = sink};
    job_resend(put_part(j, &q, PART_NO_BODY, fn, 0));
}

static void nothing(struct job *j, size_t index, const struct http_answer *a, const struct json_t *doc)
{
    (void)j;
    (void)index;
    (void)a;
    (void)doc;
}

void job_idle(struct job *j)
{
    struct err none = {0};
    struct part *p = add_part(j, "", PART_ANY_STATUS, nothing, 0);
    p->id = http_fail(j->home->peer, &none, on_answer, p);
}

void job_get(struct job *j, const char *path, part_fn fn, size_t index)
{
    job_send(j, "GET", path, NULL, HTTP_SAFE, 0, fn, index);
}

void job_refuse(struct job *j, const struct err *e)
{
    j->err = *e;
    job_send(j, "GET", "", NULL, 0, 0, NULL, 0);
}

/* --- what several calls share --- */

void job_share_want(struct job *j, struct job_share *s, int64_t age, bool before_changes)
{
    uint64_t after = before_changes ? 0 : s->changes;
    if (s->there && s->read.changes >= after && clock_now(http_clock(s->home->base.http)) - s->read.at <= age) {
        job_idle(j);
        return;
    }
    struct part *p = add_part(j, "", PART_ANY_STATUS, nothing, (size_t)after);
    p->held = s->waiting;
    s->waiting = p;
    if (s->reading)
        return;
    s->reading = true;
    s->under_way.changes = s->changes;
    s->under_way.at = clock_now(http_clock(s->home->base.http));
    s->begin(s);
}

void job_share_end(struct job_share *s, const struct reply *r)
{
    struct http_answer a = {.status = r->status,
                            .sent_at = r->sent_at,
                            .answered_at = r->answered_at,
                            .server_date = r->server_date,
                            .err = r->err};
    struct part *p = s->waiting, *next;
    s->waiting = NULL;
    s->reading = false;
    if (!r->err) {
        s->there = true;
        s->read = s->under_way;
    }
    for (; p; p = next) {
        next = p->held;
        if (!r->err && s->read.changes < p->index) { /* it was asked for before something changed */
            p->held = s->waiting;
            s->waiting = p;
        } else {
            job_wake(p, &a);
        }
    }
    if (!s->waiting || s->reading)
        return;
    s->reading = true;
    s->under_way.changes = s->changes;
    s->under_way.at = clock_now(http_clock(s->home->base.http));
    s->begin(s);
}

/* --- attributes --- */

int32_t job_attribute_name(struct attribute_table *t, struct arena *a, size_t *cap, const char *value, bool exact)
{
    const char *text = safe_text(a, value, strlen(value), NAME_MAX_BYTES);
    for (size_t i = 0; i < t->n_names; i++)
        if (exact ? strcmp(t->names[i], text) == 0 : strcasecmp(t->names[i], text) == 0)
            return (int32_t)i;
    if (t->n_names == *cap) {
        size_t more = *cap ? 2 * *cap : 16;
        const char **v = ARENA_ARRAY(a, const char *, more);
        if (t->n_names)
            memcpy(v, t->names, t->n_names * sizeof *v);
        t->names = v;
        *cap = more;
    }
    t->names[t->n_names] = text;
    return (int32_t)t->n_names++;
}

/* --- arguments --- */

static const char *const *ids_copy(struct arena *a, const char *const *v, size_t n)
{
    const char **copy = ARENA_ARRAY(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(a, v[i]);
    return copy;
}

static const struct release *release_keep(struct arena *a, const struct release *r)
{
    struct release keep = r ? *r : (struct release){0};
    keep.id = arena_strdup(a, keep.id);
    keep.name = arena_strdup(a, keep.name);
    keep.version = arena_strdup(a, keep.version);
    return r ? arena_memdup(a, &keep, sizeof keep) : NULL;
}

const struct device_filter *job_filter_copy(struct job *j, const struct device_filter *f)
{
    struct arena *a = &j->scratch;
    struct device_filter *copy = ARENA_NEW(a, struct device_filter);
    if (!f)
        return copy;
    const char *(*equals)[2] = arena_array(a, f->n_equals + 1, sizeof *equals);
    for (size_t i = 0; i < f->n_equals; i++) {
        equals[i][0] = arena_strdup(a, f->equals[i][0]);
        equals[i][1] = arena_strdup(a, f->equals[i][1]);
    }
    *copy = *f;
    copy->installed = release_keep(a, f->installed);
    copy->assigned = release_keep(a, f->assigned);
    copy->equals = (const char *const(*)[2])equals;
    copy->exclude = ids_copy(a, f->exclude, f->n_exclude);
    copy->include = ids_copy(a, f->include, f->n_include);
    return copy;
}

/* --- what several back ends do alike --- */

size_t job_keep(struct job *j, void *what)
{
    if (j->n_kept == j->cap_kept) {
        j->cap_kept = j->cap_kept ? 2 * j->cap_kept : 8;
        void **v = ARENA_ARRAY(&j->scratch, void *, j->cap_kept);
        for (size_t i = 0; i < j->n_kept; i++)
            v[i] = j->kept[i];
        j->kept = v;
    }
    j->kept[j->n_kept] = what;
    return j->n_kept++;
}

void *job_kept(const struct job *j, size_t index)
{
    return j->kept[index];
}

const char *const *job_strings(struct job *j, const char *const *v, size_t n)
{
    const char **copy = ARENA_ARRAY(&j->scratch, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_strdup(&j->scratch, v[i]);
    return copy;
}

struct release job_release(struct job *j, const struct release *r)
{
    return (struct release){.id = arena_strdup(&j->scratch, r && r->id ? r->id : ""),
                            .name = arena_strdup(&j->scratch, r && r->name ? r->name : ""),
                            .version = arena_strdup(&j->scratch, r && r->version ? r->version : "")};
}

void job_told(struct job *j, const struct tell_result *told, size_t n, const struct err *err, int status)
{
    j->reply.maybe_sent = false;
    for (size_t i = 0; i < n; i++)
        j->reply.maybe_sent = j->reply.maybe_sent || told[i].outcome == TELL_NOT_KNOWN;
    if (err->code == ERR_NONE)
        return;
    if (status)
        j->reply.status = status;
    job_fail(j, err);
}

void job_attributes(struct job *j, size_t n, size_t n_keys)
{
    struct attribute_table *t = j->out;
    size_t cells = n * n_keys;
    *t = (struct attribute_table){.v = ARENA_ARRAY(j->arena, int32_t, cells + 1), .n = n, .n_keys = n_keys};
    for (size_t i = 0; i < cells; i++)
        t->v[i] = -1;
}

void job_detail(const struct http_answer *a, char *out, size_t size)
{
    const size_t most = 65536;
    struct json_t *doc =
        a->body.len && a->body.len <= most ? json_parse(a->body.data, a->body.len, most, "error", NULL) : NULL;
    const struct json_t *list = json_get(doc, "detail");
    size_t n;
    const char *s = json_is_arr(list) ? json_str(json_at(list, 0), "msg", &n) : json_str(doc, "detail", &n);
    if (!s)
        s = json_str(doc, "error", &n);
    out[0] = '\0';
    if (s)
        safe_text_into(out, size, s, n);
    json_free(doc);
}
