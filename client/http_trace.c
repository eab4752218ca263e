/* What a trace says of the wire: each try of a request, and what became of it. Headers never get into it (credentials,
 * cookies); the peer's own secret is masked wherever it stands, as it is and in the forms in which it may come back. */
#include "client/http_impl.h"

#include <string.h>
#include "core/digest.h"
#include "core/trace.h"

_Static_assert(5 + HEADERS_MAX <= sizeof(struct trace_secrets) / sizeof(char *), "room for all secrets of a peer");

/* The forms of a peer's secret. Read anew for each line, since it may have changed. */
enum { JSON, JSON_IN_JSON, PERCENT, BASIC, FORMS };
struct forms {
    struct buf b[FORMS];
    struct trace_secrets s;
};

/* As it stands in a JSON string, without the quotes. */
static const char *json_form(struct buf *out, const char *s)
{
    struct json_w w;
    json_w_init(&w, out, 0);
    json_w_str(&w, s);
    out->data[out->len - 1] = '\0';
    return out->data + 1;
}

static void forms_init(struct forms *f, const struct http_peer *p)
{
    struct buf pair;
    for (size_t i = 0; i < FORMS; i++)
        buf_init(&f->b[i], SIZE_MAX);
    f->s = (struct trace_secrets){0};
    for (size_t i = 0; i < HEADERS_MAX; i++)
        f->s.v[FORMS + 1 + i] = p->header_secret[i];
    if (!p->secret || !*p->secret)
        return;
    const char *once = json_form(&f->b[JSON], p->secret), *twice = json_form(&f->b[JSON_IN_JSON], once);
    http_escape(&f->b[PERCENT], p->secret);
    buf_init(&pair, SIZE_MAX);
    buf_printf(&pair, "%s:%s", p->user ? p->user : "", p->secret);
    base64_encode(&f->b[BASIC], pair.data, pair.len);
    explicit_bzero(pair.data, pair.len);
    buf_release(&pair);
    const char *all[FORMS + 1] = {p->secret, once, twice, f->b[PERCENT].data, f->b[BASIC].data};
    memcpy(f->s.v, all, sizeof all);
}

static void forms_release(struct forms *f)
{
    for (size_t i = 0; i < FORMS; i++) {
        explicit_bzero(f->b[i].data, f->b[i].cap);
        buf_release(&f->b[i]);
    }
}

static bool begin(struct trace_line *l, struct forms *f, const struct req *r, const char *event)
{
    const struct http_peer *p = r->peer;
    const struct traced *t = &p->traced;
    if (!trace_begin(l, t->trace, TRACE_WIRE, p->http->clock, t->fleet, event))
        return false;
    forms_init(f, p);
    json_w_kstr(&l->w, "to", t->role);
    json_w_kstr(&l->w, "server", p->name);
    json_w_kint(&l->w, "id", (int64_t)r->id);
    json_w_kint(&l->w, "try", r->tries);
    json_w_kstr(&l->w, "method", r->method);
    if (!t->hidden)
        trace_text(l, "path", r->url + r->base, strlen(r->url + r->base), &f->s);
    return true;
}

static void end(struct trace_line *l, struct forms *f)
{
    forms_release(f);
    trace_end(l);
}

static void body(struct trace_line *l, const struct forms *f, const struct req *r, const char *bytes, size_t n)
{
    if (r->peer->traced.hidden)
        json_w_kint(&l->w, "body_bytes", (int64_t)n);
    else if (n > 0)
        trace_text(l, "body", bytes, n, &f->s);
}

void http_trace_sent(const struct req *r)
{
    struct trace_line l;
    struct forms f;
    if (!begin(&l, &f, r, "sent"))
        return;
    if (r->body)
        body(&l, &f, r, r->body, r->body_n);
    end(&l, &f);
}

void http_trace_ended(const struct req *r, enum http_fault fault, bool given_up)
{
    struct trace_line l;
    struct forms f;
    const struct http_answer *a = &r->answer;
    if (!begin(&l, &f, r, fault == FAULT_NONE ? "answered" : given_up ? "given-up" : "failed"))
        return;
    json_w_kint(&l.w, "took_us", clock_now(r->peer->http->clock) - a->sent_at);
    if (fault == FAULT_NONE) {
        json_w_kint(&l.w, "status", a->status);
        trace_text(&l, "type", a->content_type, strlen(a->content_type), &f.s);
        body(&l, &f, r, a->body.data, a->body.len);
    } else {
        struct err e = {0};
        http_fault_err(fault, r->peer->name, r->detail, r->maybe_sent, r->peer->timeout_us, &e);
        json_w_kbool(&l.w, "maybe_sent", r->maybe_sent);
        if (!given_up) {
            json_w_kstr(&l.w, "code", err_word(e.code));
            trace_text(&l, "what", e.what, strlen(e.what), &f.s);
            trace_text(&l, "cause", e.cause, strlen(e.cause), &f.s);
        }
    }
    end(&l, &f);
}
