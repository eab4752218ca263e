#include "engine/sent.h"

#include <stdio.h>
#include <string.h>
#include "core/json.h"
#include "core/text.h"

/* A canonical JSON object (keys in order; what says nothing is left out). */
static void write_one(const struct request_facts *f, const char *path, int64_t at, struct buf *out)
{
    struct json_w w;
    json_w_init(&w, out, 0);
    json_w_obj(&w);
    if (*f->answer_sha256)
        json_w_kstr(&w, "answer_sha256", f->answer_sha256);
    if (*f->body_sha256)
        json_w_kstr(&w, "body_sha256", f->body_sha256);
    if (f->server_date)
        json_w_kint(&w, "date", f->server_date);
    if (*f->error)
        json_w_kstr(&w, "error", f->error);
    json_w_kstr(&w, "method", f->method);
    json_w_kstr(&w, "path", path);
    if (*f->request_id)
        json_w_kstr(&w, "request_id", f->request_id);
    json_w_kint(&w, "sent", at);
    if (f->status)
        json_w_kint(&w, "status", f->status);
    json_w_kint(&w, "took_us", f->answered_at - f->sent_at);
    json_w_obj_end(&w);
}

static void add(struct sent *s, const struct request_facts *f, int64_t at)
{
    char path[sizeof s->path];
    struct buf one;
    safe_text_into(path, sizeof path, f->path, strlen(f->path));
    if (s->n++ == 0) {
        s->first = *f;
        s->first.path = "";
        s->first.sent_at = at;
        s->first.answered_at = at + (f->answered_at - f->sent_at);
        memcpy(s->path, path, sizeof path);
        buf_init(&s->list, SENT_LIST_MAX);
    }
    buf_init(&one, 4096);
    write_one(f, path, at, &one);
    if (s->listed == s->n - 1 && s->list.len + one.len + 1 < SENT_LIST_MAX) {
        if (s->listed++ > 0)
            buf_addc(&s->list, ',');
        buf_add(&s->list, one.data, one.len);
    }
    buf_release(&one);
}

void sent_take(struct sent *s, const struct reply *r, int64_t wall, int64_t now)
{
    for (size_t i = 0; i < r->n_requests; i++)
        add(s, &r->requests[i], wall - (now - r->requests[i].sent_at));
}

static void field(struct job *j, const char *key, const char *value)
{
    if (*value)
        entry_str(&j->entry, key, arena_strdup(&j->arena, value));
}

static void tell_one(const struct sent *s, struct job *j)
{
    const struct request_facts *f = &s->first;
    field(j, "http.method", f->method);
    field(j, "http.path", s->path);
    field(j, "http.body_sha256", f->body_sha256);
    field(j, "http.answer_sha256", f->answer_sha256);
    field(j, "http.request_id", f->request_id);
    field(j, "http.error", f->error);
    if (f->status)
        entry_int(&j->entry, "http.status", f->status);
    if (f->server_date)
        entry_int(&j->entry, "http.date", f->server_date);
    entry_int(&j->entry, "http.sent", f->sent_at);
    entry_int(&j->entry, "http.took_us", f->answered_at - f->sent_at);
}

void sent_tell(const struct sent *s, struct job *j)
{
    if (s->n == 1)
        tell_one(s, j);
    if (s->n <= 1)
        return;
    struct buf b;
    buf_init(&b, SENT_LIST_MAX + 16);
    buf_printf(&b, "[%s]", s->list.data);
    job_blob(j, "requests.blob", b.data, b.len);
    buf_release(&b);
    entry_int(&j->entry, "requests", (int64_t)s->n);
    if (s->listed < s->n)
        entry_int(&j->entry, "requests.unlisted", (int64_t)(s->n - s->listed));
}

void sent_clear(struct sent *s)
{
    if (s->n > 0)
        buf_release(&s->list);
    memset(s, 0, sizeof *s);
}
