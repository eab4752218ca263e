#include "client/hawkbit_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/digest.h"
#include "core/text.h"

struct job *hb_job_new(struct backend *b, struct arena *a, void *out, backend_done done, void *ctx)
{
    struct job *j = xcalloc(1, sizeof *j);
    j->hb = (struct hb *)b;
    j->arena = a;
    j->out = out;
    j->done = done;
    j->ctx = ctx;
    arena_init(&j->scratch);
    return j;
}

char *job_path(struct job *j, const char *fmt, ...)
{
    char tmp[HB_PATH_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(tmp, sizeof tmp, fmt, ap);
    va_end(ap);
    /* What goes into a path is bounded by the callers; a cut one must not be sent. */
    if (n < 0 || (size_t)n >= sizeof tmp)
        job_failf(j, ERR_LIMIT, "", "a request's path would be longer than %d bytes", HB_PATH_MAX);
    return arena_strdup(&j->scratch, tmp);
}

const char *job_escape(struct job *j, const char *s)
{
    struct buf b;
    buf_init(&b, HB_PATH_MAX);
    if (!http_escape(&b, s))
        job_failf(j, ERR_LIMIT, "", "a request's path would be longer than %d bytes", HB_PATH_MAX);
    char *copy = arena_strdup(&j->scratch, b.data);
    buf_release(&b);
    return copy;
}

static void give_up_rest(struct job *j)
{
    for (struct part *p = j->parts; p; p = p->next)
        http_cancel(j->hb->base.http, p->id);
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
    if (!a->err)
        sha256_hex(a->body.data, a->body.len, r->body_sha256);
    /* A definite answer settles it; a server error may have come after the effect. */
    r->maybe_sent = a->err && a->status == 0 ? a->maybe_sent : a->status >= 500;
}

static void judge(struct job *j, const struct part *p, const struct http_answer *a)
{
    struct err e = {0};
    if (a->err) {
        job_fail(j, a->err);
        return;
    }
    if (p->flags & PART_ANY_STATUS) {
        p->fn(j, p->index, a, NULL);
        return;
    }
    if (a->status < 200 || a->status > 299) {
        if (j->forgive && j->forgive(j, a->status))
            return;
        hb_error(a, http_peer_name(j->hb->peer), p->what, p->state_op, &e);
        job_fail(j, &e);
        return;
    }
    if (j->scan && j->scan(j, p->index, a))
        return;
    struct json_t *doc = NULL;
    if (!(p->flags & PART_NO_BODY) && a->body.len) {
        char what[128];
        snprintf(what, sizeof what, "answer of %s", p->what);
        doc = json_parse(a->body.data, a->body.len, HB_BODY_MAX, what, &e);
        if (!doc) {
            e.code = ERR_PROTOCOL;
            if (!e.next[0])
                snprintf(e.next, sizeof e.next, "%s",
                         "check that the fleet's url names a hawkBit server, without /rest/v1 at its end");
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
    *(p->prev ? &p->prev->next : &j->parts) = p->next;
    if (p->next)
        p->next->prev = p->prev;
    if (j->err.code == ERR_NONE) {
        note(j, p, a);
        judge(j, p, a);
    }
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

void job_send(struct job *j, const char *method, const char *path, const char *body, unsigned http_flags,
              unsigned part_flags, part_fn fn, size_t index)
{
    char what[200];
    snprintf(what, sizeof what, "%s %.*s", method, (int)strcspn(path, "?"), path);
    struct part *p = add_part(j, what, part_flags, fn, index);
    p->state_op = (part_flags & PART_VERB) && !(strcmp(method, "POST") == 0 && strcmp(path, "/rest/v1/rollouts") == 0);
    if (j->err.code != ERR_NONE) /* failed while it was being put together */
        p->id = http_fail(j->hb->peer, &j->err, on_answer, p);
    else
        p->id = http_send(j->hb->peer, method, path, body, HB_BODY_MAX, http_flags, on_answer, p);
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
    p->id = http_fail(j->hb->peer, &none, on_answer, p);
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
