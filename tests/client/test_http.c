/* HTTP against a server that misbehaves: a clear error each time, nothing leaked, nothing sent twice. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hostile.h"
#include "client/http_impl.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

/* One canned answer for every request. */
struct canned {
    const char *bytes;
    size_t n;
    enum hostile_end end;
};

static enum hostile_end say(void *ctx, const struct hostile_request *r, struct buf *out)
{
    const struct canned *c = ctx;
    (void)r;
    buf_add(out, c->bytes, c->n ? c->n : strlen(c->bytes));
    return c->end;
}

/* Sends one request to a server that says `c`; the outcome is in *r, to be released. */
static void ask(struct rig *r, struct canned *c, const char *method, size_t max_body, unsigned flags)
{
    rig_init(r, say, c);
    rig_fetch(r, method, "/x", NULL, max_body, flags);
}

static void assert_err(const struct rig *r, enum err_code code, const char *words)
{
    assert_non_null(r->answer.err);
    assert_int_equal(r->err.code, code);
    if (!strstr(r->err.what, words))
        fail_msg("\"%s\" does not say \"%s\"", r->err.what, words);
    assert_true(r->err.next[0] != '\0'); /* what to do about it */
}

static void test_answer_with_headers(void **state)
{
    struct canned c = {.bytes =
                           "HTTP/1.1 100 Continue\r\n\r\n" OK_HEAD "Content-Length: 2\r\nX-Request-Id: a\x1b[31mb\r\n"
                           "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n{}"};
    struct rig r;
    (void)state;
    ask(&r, &c, "GET", 100, HTTP_SAFE);
    assert_null(r.answer.err);
    assert_int_equal(r.answer.status, 200);
    assert_string_equal(r.body, "{}");
    assert_string_equal(r.answer.content_type, "application/json");
    assert_null(strchr(r.answer.request_id, 0x1b));
    assert_true(r.answer.request_id[0] == 'a');
    assert_int_equal(r.answer.server_date, INT64_C(784111777) * US_PER_S);
    rig_release(&r);
}

/* A cache's answer says when it was made, not what time it is: in whatever order the headers stand. */
static void test_date_of_a_cache(void **state)
{
    static const char *const heads[] = {"Age: 30\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                                        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nAge: 30\r\n"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char text[300];
        struct canned c = {.bytes = text};
        struct rig r;
        snprintf(text, sizeof text, "%sContent-Length: 2\r\n%s\r\n{}", OK_HEAD, heads[i]);
        ask(&r, &c, "GET", 100, HTTP_SAFE);
        assert_null(r.answer.err);
        assert_int_equal(r.answer.server_date, 0);
        rig_release(&r);
    }
}

/* --- headers of one's own --- */

struct heads {
    char text[2000];
};

static enum hostile_end keep_head(void *ctx, const struct hostile_request *r, struct buf *out)
{
    struct heads *h = ctx;
    snprintf(h->text, sizeof h->text, "%s", r->head);
    hostile_answer(out, 200, "application/json", "{}");
    return HOSTILE_KEEP;
}

static void test_own_headers(void **state)
{
    static const struct header_spec headers[] = {
        {.name = "X-Scope-OrgID", .value = "t1"},
        {.name = "X-Key", .value = "", .secret = {.source = SECRET_ENV, .env = "ANDON_TEST_HEADER"}}};
    struct heads h = {.text = ""};
    struct rig r;
    struct err e = {0};
    (void)state;
    rig_init(&r, keep_head, &h);
    r.endpoint.headers = headers;
    r.endpoint.n_headers = 2;
    assert_int_equal(setenv("ANDON_TEST_HEADER", "hunter2", 1), 0);
    rig_open(&r, 1);
    for (int i = 0; i < 2; i++) {
        rig_fetch(&r, i ? "POST" : "GET", "/x", i ? "{}" : NULL, 100, HTTP_SAFE);
        assert_null(r.answer.err);
        assert_non_null(strstr(h.text, "X-Scope-OrgID: t1\r\n"));
        assert_non_null(strstr(h.text, "X-Key: hunter2\r\n"));
    }
    /* What ends a line would begin another header. */
    assert_int_equal(setenv("ANDON_TEST_HEADER", "a\r\nX-Other: b", 1), 0);
    assert_null(http_peer_new(r.http, &r.endpoint, 1, &e));
    assert_non_null(strstr(e.what, "the header X-Key: "));
    assert_int_equal(setenv("ANDON_TEST_HEADER", "a\rX-Other: b", 1), 0);
    assert_null(http_peer_new(r.http, &r.endpoint, 1, &e));
    assert_non_null(strstr(e.what, "header X-Key"));
    assert_int_equal(unsetenv("ANDON_TEST_HEADER"), 0);
    assert_null(http_peer_new(r.http, &r.endpoint, 1, &e));
    assert_non_null(strstr(e.what, "the header X-Key: "));
    rig_release(&r);
}

static void test_redirect_is_an_error(void **state)
{
    struct canned c = {.bytes = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/evil\r\nContent-Length: 0\r\n\r\n"};
    struct rig r;
    (void)state;
    ask(&r, &c, "GET", 100, HTTP_SAFE);
    assert_err(&r, ERR_PROTOCOL, "redirects (302) to http://127.0.0.1:1/evil");
    assert_int_equal(r.answer.status, 302);
    assert_int_equal(hostile_requests(r.server), 1);
    rig_release(&r);
}

static void test_body_over_limit(void **state)
{
    struct canned c = {.bytes = OK_HEAD "Content-Length: 30\r\n\r\n012345678901234567890123456789"};
    struct rig r;
    (void)state;
    ask(&r, &c, "GET", 29, HTTP_SAFE);
    assert_err(&r, ERR_LIMIT, "larger than allowed");
    assert_int_equal(r.body_len, 0);
    rig_release(&r);
    ask(&r, &c, "GET", 30, HTTP_SAFE);
    assert_null(r.answer.err);
    rig_release(&r);
}

static void test_endless_header(void **state)
{
    struct rig r;
    char *big = xmalloc(200000);
    (void)state;
    size_t n = (size_t)snprintf(big, 200000, "HTTP/1.1 200 OK\r\n");
    while (n < 150000)
        n += (size_t)snprintf(big + n, 200000 - n, "X-Filler-%zu: %0100d\r\n", n, 1);
    struct canned c = {.bytes = big, .n = n, .end = HOSTILE_CLOSE};
    ask(&r, &c, "GET", 100, HTTP_SAFE);
    assert_err(&r, ERR_LIMIT, "header");
    rig_release(&r);
    free(big);
}

/* --- a gzip bomb, packed by hand: RFC 1951 fixed codes, one zero and then matches of 258 at distance 1 --- */

struct bits {
    unsigned char *p;
    size_t n;
    unsigned fill, room;
};

static void put_bits(struct bits *b, unsigned v, int n, bool msb_first)
{
    for (int i = 0; i < n; i++) {
        b->fill |= ((v >> (msb_first ? n - 1 - i : i)) & 1) << b->room;
        if (++b->room == 8) {
            b->p[b->n++] = (unsigned char)b->fill;
            b->fill = b->room = 0;
        }
    }
}

static uint32_t crc_of_zeros(size_t n)
{
    uint32_t crc = 0xffffffff, t[256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
        t[i] = c;
    }
    for (size_t i = 0; i < n; i++)
        crc = t[crc & 0xff] ^ (crc >> 8);
    return ~crc;
}

/* 1 + 258 * matches zeros. The caller frees. */
static unsigned char *pack_zeros(size_t matches, size_t *n)
{
    static const unsigned char head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    struct bits b = {.p = xmalloc(matches * 2 + 64), .n = sizeof head};
    memcpy(b.p, head, sizeof head);
    put_bits(&b, 3, 3, false);   /* last block, fixed codes */
    put_bits(&b, 0x30, 8, true); /* literal 0 */
    for (size_t i = 0; i < matches; i++) {
        put_bits(&b, 0xc5, 8, true); /* length 258 */
        put_bits(&b, 0, 5, true);    /* distance 1 */
    }
    put_bits(&b, 0, 7, true); /* end of block */
    if (b.room)
        put_bits(&b, 0, (int)(8 - b.room), false);
    uint32_t tail[2] = {crc_of_zeros(1 + 258 * matches), (uint32_t)(1 + 258 * matches)};
    for (int i = 0; i < 8; i++)
        b.p[b.n++] = (unsigned char)(tail[i / 4] >> (8 * (i % 4)));
    *n = b.n;
    return b.p;
}

static void test_gzip_bomb(void **state)
{
    enum { MATCHES = 250000 }; /* 64 MB out of 400 kB */
    struct rig r;
    size_t n;
    (void)state;
    unsigned char *packed = pack_zeros(MATCHES, &n);
    char *all = xmalloc(n + 256);
    int head = snprintf(all, 256, OK_HEAD "Content-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", n);
    memcpy(all + head, packed, n);
    struct canned c = {.bytes = all, .n = n + (size_t)head};
    ask(&r, &c, "GET", 1 << 20, HTTP_SAFE);
    assert_err(&r, ERR_LIMIT, "larger than allowed");
    rig_release(&r);
    ask(&r, &c, "GET", 1 + 258 * MATCHES, HTTP_SAFE); /* and it is unpacked when it is welcome */
    assert_null(r.answer.err);
    assert_int_equal(r.body_len, 1 + 258 * MATCHES);
    rig_release(&r);
    free(all);
    free(packed);
}

static void test_broken_gzip(void **state)
{
    struct canned c = {.bytes = OK_HEAD "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"};
    struct rig r;
    (void)state;
    ask(&r, &c, "GET", 100, HTTP_SAFE);
    assert_err(&r, ERR_PROTOCOL, "decompressed");
    rig_release(&r);
}

static void test_not_http(void **state)
{
    struct canned c = {.bytes = "220 smtp.example ESMTP ready \x1b]0;owned\a\r\n", .end = HOSTILE_CLOSE};
    struct rig r;
    (void)state;
    ask(&r, &c, "GET", 100, HTTP_SAFE);
    assert_err(&r, ERR_PROTOCOL, "proper HTTP");
    assert_null(strchr(r.err.cause, 0x1b));
    rig_release(&r);
    struct canned bad = {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx", .end = HOSTILE_CLOSE};
    ask(&r, &bad, "GET", 100, HTTP_SAFE);
    assert_non_null(r.answer.err);
    rig_release(&r);
}

/* Half an answer: an error, and for a safe request two more tries with virtual delays between them. */
static void test_truncated_is_retried(void **state)
{
    struct canned c = {.bytes = OK_HEAD "Content-Length: 100\r\n\r\n{\"half\":", .end = HOSTILE_CLOSE};
    struct rig r;
    (void)state;
    ask(&r, &c, "GET", 1000, HTTP_SAFE);
    assert_err(&r, ERR_NETWORK, "before its answer was complete");
    assert_int_equal(r.body_len, 0);
    assert_int_equal(hostile_requests(r.server), 3);
    /* 200 ms and 400 ms, each times 0.5 to 1.5 */
    int64_t passed = rig_run_time(&r);
    assert_in_range(passed, 300 * US_PER_MS, 900 * US_PER_MS);
    rig_release(&r);
}

/* What is not safe goes out once, and it is known that it may have had its effect. */
static void test_unsafe_goes_out_once(void **state)
{
    struct canned reset = {.bytes = "", .n = 0, .end = HOSTILE_RESET};
    struct rig r;
    (void)state;
    reset.bytes = "H";
    ask(&r, &reset, "POST", 1000, 0);
    assert_non_null(r.answer.err);
    assert_true(r.answer.maybe_sent);
    assert_int_equal(hostile_requests(r.server), 1);
    rig_release(&r);
}

static enum hostile_end close_second(void *ctx, const struct hostile_request *q, struct buf *out)
{
    (void)ctx;
    if (q->on_conn > 0)
        return HOSTILE_CLOSE; /* a kept-alive connection that dies when it is used again */
    if (strcmp(q->method, "POST") == 0 && q->n > 0)
        return HOSTILE_CLOSE;
    hostile_answer(out, 200, "application/json", "{}");
    return HOSTILE_KEEP;
}

static void test_dead_keepalive(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, close_second, NULL);
    rig_fetch(&r, "GET", "/a", NULL, 100, HTTP_SAFE);
    assert_null(r.answer.err);
    rig_fetch(&r, "GET", "/b", NULL, 100, HTTP_SAFE); /* libcurl repeats it on a new connection */
    assert_null(r.answer.err);
    assert_int_equal(hostile_count(r.server, "GET /b"), 2);
    rig_fetch(&r, "POST", "/once", NULL, 100, 0);
    assert_non_null(r.answer.err);
    assert_true(r.answer.maybe_sent);
    assert_int_equal(hostile_count(r.server, "POST /once"), 1);
    rig_release(&r);
}

static void test_refused_is_not_sent(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, NULL, NULL); /* nobody listens on port 1 */
    rig_fetch(&r, "POST", "/x", "{}", 100, 0);
    assert_err(&r, ERR_NETWORK, "refused");
    assert_false(r.answer.maybe_sent);
    rig_release(&r);
}

static void test_stall_times_out_on_the_clock(void **state)
{
    struct canned c = {.bytes = OK_HEAD "Content-Length: 100\r\n\r\n{", .end = HOSTILE_STALL};
    struct rig r;
    (void)state;
    ask(&r, &c, "POST", 1000, 0);
    assert_err(&r, ERR_TIMEOUT, "did not answer in full within 10s");
    assert_true(r.answer.maybe_sent);
    assert_int_equal(rig_run_time(&r), 10 * US_PER_S);
    assert_int_equal(r.answer.answered_at - r.answer.sent_at, 10 * US_PER_S);
    rig_release(&r);
}

static enum hostile_end busy_then_ok(void *ctx, const struct hostile_request *q, struct buf *out)
{
    const char *first = ctx;
    if (q->n == 0)
        buf_adds(out, first);
    else
        hostile_answer(out, 200, "application/json", "{}");
    return HOSTILE_KEEP;
}

static void test_429_has_two_meanings(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, busy_then_ok,
             (char[]){"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nRetry-After: 3\r\n\r\n"});
    rig_fetch(&r, "GET", "/x", NULL, 100, HTTP_SAFE);
    assert_int_equal(r.answer.status, 200);
    assert_true(rig_run_time(&r) >= 3 * US_PER_S); /* it waited as asked */
    rig_release(&r);
    rig_init(&r, busy_then_ok, (char[]){"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}"});
    rig_fetch(&r, "GET", "/x", NULL, 100, HTTP_SAFE);
    assert_int_equal(r.answer.status, 429);
    assert_int_equal(hostile_requests(r.server), 1);
    rig_release(&r);
    rig_init(&r, busy_then_ok, (char[]){"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"});
    rig_fetch(&r, "POST", "/x", NULL, 100, 0); /* not safe: not repeated */
    assert_int_equal(r.answer.status, 503);
    rig_release(&r);
}

static enum hostile_end close_after_three(void *ctx, const struct hostile_request *q, struct buf *out)
{
    (void)ctx;
    bool last = q->on_conn == 2;
    buf_printf(out, OK_HEAD "Content-Length: 2\r\n%s\r\n{}", last ? "Connection: close\r\n" : "");
    return last ? HOSTILE_CLOSE : HOSTILE_KEEP;
}

static void test_connection_close_after_n(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, close_after_three, NULL);
    for (int i = 0; i < 10; i++) {
        rig_fetch(&r, "GET", "/x", NULL, 100, HTTP_SAFE);
        assert_null(r.answer.err);
    }
    assert_int_equal(hostile_requests(r.server), 10);
    assert_int_equal(hostile_connections(r.server), 4); /* kept alive in between */
    rig_release(&r);
}

/* --- queue --- */

struct order {
    char text[64];
    int n;
    bool all;
    int expect;
};
struct tagged {
    struct order *o;
    char tag;
    enum err_code code;
};

static void on_tagged(void *ctx, const struct http_answer *a)
{
    struct tagged *t = ctx;
    t->code = a->err ? a->err->code : ERR_NONE;
    t->o->text[t->o->n++] = t->tag;
    t->o->all = t->o->n == t->o->expect;
}

static enum hostile_end stall_slow(void *ctx, const struct hostile_request *q, struct buf *out)
{
    (void)ctx;
    if (strcmp(q->path, "/slow") == 0)
        return HOSTILE_STALL;
    hostile_answer(out, 200, "application/json", "{}");
    return HOSTILE_KEEP;
}

/* A pause must get out while every place is taken by requests that hang. */
static void test_urgent_jumps_the_queue(void **state)
{
    struct rig r;
    struct order o = {.expect = 4};
    struct tagged t[4] = {{&o, '1', 0}, {&o, '2', 0}, {&o, 'q', 0}, {&o, 'U', 0}};
    (void)state;
    rig_init(&r, stall_slow, NULL);
    rig_open(&r, 2);
    http_send(r.peer, "GET", "/slow", NULL, 100, 0, on_tagged, &t[0]);
    http_send(r.peer, "GET", "/slow", NULL, 100, 0, on_tagged, &t[1]);
    http_run(r.http, -1, r.now, 0); /* both places are taken */
    http_send(r.peer, "GET", "/queued", NULL, 100, 0, on_tagged, &t[2]);
    http_send(r.peer, "POST", "/pause", NULL, 100, HTTP_URGENT, on_tagged, &t[3]);
    assert_int_equal(http_in_flight(r.http), 4);
    rig_run(&r, &o.all);
    assert_string_equal(o.text, "U12q"); /* the queued one only when the hung ones were given up */
    assert_int_equal(t[0].code, ERR_TIMEOUT);
    assert_int_equal(t[3].code, ERR_NONE);
    assert_int_equal(t[2].code, ERR_NONE);
    assert_int_equal(http_in_flight(r.http), 0);
    rig_release(&r);
}

static void test_cancel_and_free(void **state)
{
    struct rig r;
    struct order o = {.expect = 1};
    struct tagged t[3] = {{&o, 'a', 0}, {&o, 'b', 0}, {&o, 'c', 0}};
    (void)state;
    rig_init(&r, stall_slow, NULL);
    rig_open(&r, 1);
    uint64_t a = http_send(r.peer, "GET", "/slow", NULL, 100, 0, on_tagged, &t[0]);
    http_send(r.peer, "GET", "/slow", NULL, 100, 0, on_tagged, &t[1]);
    http_send(r.peer, "GET", "/slow", NULL, 100, 0, on_tagged, &t[2]);
    http_cancel(r.http, a);
    http_cancel(r.http, 999);
    assert_int_equal(o.n, 0);
    rig_run(&r, &o.all);
    assert_int_equal(t[0].code, ERR_CANCELLED);
    http_free(r.http);
    r.http = NULL;
    assert_int_equal(o.n, 3);
    assert_int_equal(t[2].code, ERR_CANCELLED);
    rig_release(&r);
}

struct nest {
    struct rig *r;
    int left;
    bool done;
};

/* A callback that sends again, and at last frees the peer that it is called for. */
static void on_nest(void *ctx, const struct http_answer *a)
{
    struct nest *n = ctx;
    assert_null(a->err);
    if (n->left-- > 0) {
        http_send(n->r->peer, "GET", "/again", NULL, 100, HTTP_SAFE, on_nest, n);
        return;
    }
    http_peer_free(n->r->peer);
    n->r->peer = NULL;
    n->done = true;
}

static void test_callbacks_may_send_and_free(void **state)
{
    struct rig r;
    struct nest n = {.r = &r, .left = 3};
    (void)state;
    rig_init(&r, stall_slow, NULL);
    rig_open(&r, 1);
    http_send(r.peer, "GET", "/again", NULL, 100, HTTP_SAFE, on_nest, &n);
    rig_run(&r, &n.done);
    assert_int_equal(hostile_requests(r.server), 4);
    rig_release(&r);
}

static void test_fail_is_asynchronous(void **state)
{
    struct rig r;
    struct order o = {.expect = 1};
    struct tagged t = {&o, 'f', 0};
    struct err e;
    (void)state;
    rig_init(&r, stall_slow, NULL);
    rig_open(&r, 1);
    err_set(&e, ERR_RANGE, "next", "no");
    http_fail(r.peer, &e, on_tagged, &t);
    assert_int_equal(o.n, 0);
    rig_run(&r, &o.all);
    assert_int_equal(t.code, ERR_RANGE);
    assert_int_equal(hostile_requests(r.server), 0);
    rig_release(&r);
}

/* With nothing on the wire the loop goes straight to its deadline; with something silent, to that one's. */
static void test_virtual_time(void **state)
{
    struct rig r;
    (void)state;
    rig_init(&r, stall_slow, NULL);
    rig_open(&r, 1);
    int64_t t0 = r.now;
    http_run(r.http, -1, t0 + 3600 * US_PER_S, 0);
    assert_int_equal(r.now - t0, 3600 * US_PER_S);
    http_run(r.http, -1, r.now + US_PER_S, 1); /* a log append is under way: time must not move */
    assert_int_equal(r.now - t0, 3600 * US_PER_S);
    rig_release(&r);
}

/* --- what is sent --- */

static enum hostile_end echo_head(void *ctx, const struct hostile_request *q, struct buf *out)
{
    (void)ctx;
    struct buf b;
    buf_init(&b, 65536);
    buf_printf(&b, "%s %s%s|%s", q->method, q->path, q->head, q->body);
    hostile_answer(out, 200, "text/plain", b.data);
    buf_release(&b);
    return HOSTILE_KEEP;
}

static void test_request_on_the_wire(void **state)
{
    struct rig r;
    (void)state;
    setenv("ANDON_TEST_SECRET", "s3cr3t-pa55", 1);
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not be used */
    rig_init(&r, echo_head, NULL);
    r.endpoint.user = "m.ito";
    r.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_TEST_SECRET"};
    rig_fetch(&r, "POST", "/a/../b%20c?q=1", "{\"x\":1}", 65536, 0);
    assert_null(r.answer.err);
    assert_non_null(strstr(r.body, "POST /a/../b%20c?q=1\r\n"));
    assert_non_null(strstr(r.body, "Authorization: Basic bS5pdG86czNjcjN0LXBhNTU=\r\n"));
    assert_non_null(strstr(r.body, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(r.body, "gzip"));
    assert_null(strstr(r.body, "Expect:"));
    assert_non_null(strstr(r.body, "|{\"x\":1}"));
    rig_fetch(&r, "DELETE", "/d", NULL, 65536, 0); /* the handle has carried a POST before */
    assert_non_null(strstr(r.body, "DELETE /d\r\n"));
    assert_null(strstr(r.body, "{\"x\":1}"));
    rig_fetch(&r, "POST", "/p", NULL, 65536, 0);
    assert_non_null(strstr(r.body, "Content-Length: 0\r\n"));
    rig_fetch(&r, "GET", "/g", NULL, 65536, HTTP_SAFE);
    assert_non_null(strstr(r.body, "GET /g\r\n"));
    assert_null(strstr(r.body, "Content-Length"));
    rig_release(&r);
    rig_init(&r, echo_head, NULL);
    r.endpoint.bearer = true;
    r.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_TEST_SECRET"};
    rig_fetch(&r, "GET", "/g", NULL, 65536, HTTP_SAFE);
    assert_non_null(strstr(r.body, "Authorization: Bearer s3cr3t-pa55\r\n"));
    unsetenv("ANDON_TEST_SECRET");
    unsetenv("http_proxy");
    rig_release(&r);
}

/* TLS to something that does not speak it: named as such. */
static void test_tls_to_plain_port(void **state)
{
    struct canned c = {.bytes = "HTTP/1.1 400 Bad Request\r\n\r\n", .end = HOSTILE_CLOSE};
    struct rig r;
    (void)state;
    rig_init(&r, say, &c);
    snprintf(r.url, sizeof r.url, "https://127.0.0.1:%d", hostile_port(r.server));
    rig_fetch(&r, "POST", "/x", NULL, 10, 0);
    assert_err(&r, ERR_TLS, "no safe connection to 127.0.0.1");
    assert_false(r.answer.maybe_sent);
    rig_release(&r);
}

static void test_urls(void **state)
{
    static const struct {
        const char *url;
        bool plain, ok;
        const char *words;
    } cases[] = {
        {"https://fleet.example.com", false, true, ""},
        {"https://fleet.example.com/prefix/", false, true, ""},
        {"http://127.0.0.1:8080", false, true, ""},
        {"http://[::1]:8080", false, true, ""},
        {"http://localhost", false, true, ""},
        {"http://fleet.example.com", false, false, "plain http"},
        {"http://fleet.example.com", true, true, ""},
        {"http://127.evil.example.com", false, false, "plain http"},
        {"https://user:hunter2@fleet.example.com", false, false, "credentials"},
        {"ftp://fleet.example.com", false, false, "only http"},
        {"file:///etc/passwd", false, false, ""},
        {"", false, false, ""},
        {"https://", false, false, ""},
    };
    struct rig r;
    (void)state;
    rig_init(&r, NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        r.endpoint.url = cases[i].url;
        r.endpoint.plain_http = cases[i].plain;
        struct http_peer *p = http_peer_new(r.http, &r.endpoint, 1, &e);
        if ((p != NULL) != cases[i].ok)
            fail_msg("%s: %s", cases[i].url, e.what);
        if (!p) {
            assert_non_null(strstr(e.what, cases[i].words));
            assert_null(strstr(e.what, "hunter2"));
        }
        http_peer_free(p);
    }
    rig_release(&r);
}

static void test_backoff_and_words(void **state)
{
    struct rng g;
    struct err e = {0};
    (void)state;
    rng_init(&g, 1);
    for (int i = 0; i < 1000; i++) {
        assert_in_range(http_backoff(&g, 1, 0), 100000, 300000);
        assert_in_range(http_backoff(&g, 2, 0), 200000, 600000);
    }
    assert_int_equal(http_backoff(&g, 1, 3600 * US_PER_S), 5 * US_PER_S);
    http_fault_err(FAULT_TLS, "h:443", "SSL certificate problem: certificate has expired", false, 0, &e);
    assert_non_null(strstr(e.what, "expired"));
    http_fault_err(FAULT_TLS, "h:443", "SSL certificate problem: unable to get local issuer certificate", false, 0, &e);
    assert_non_null(strstr(e.next, "ca_file"));
    http_fault_err(FAULT_TLS, "h:443", "no alternative certificate subject name matches", false, 0, &e);
    assert_non_null(strstr(e.what, "another host name"));
    assert_int_equal(e.code, ERR_TLS);
}

static void test_escape(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 100);
    assert_true(http_escape(&b, "a-Z_0.~/ %\xc3\xa4+"));
    assert_string_equal(b.data, "a-Z_0.~%2F%20%25%C3%A4%2B");
    buf_release(&b);
    buf_init(&b, 2);
    assert_false(http_escape(&b, "////"));
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_with_headers),
        cmocka_unit_test(test_date_of_a_cache),
        cmocka_unit_test(test_own_headers),
        cmocka_unit_test(test_redirect_is_an_error),
        cmocka_unit_test(test_body_over_limit),
        cmocka_unit_test(test_endless_header),
        cmocka_unit_test(test_gzip_bomb),
        cmocka_unit_test(test_broken_gzip),
        cmocka_unit_test(test_not_http),
        cmocka_unit_test(test_truncated_is_retried),
        cmocka_unit_test(test_unsafe_goes_out_once),
        cmocka_unit_test(test_dead_keepalive),
        cmocka_unit_test(test_refused_is_not_sent),
        cmocka_unit_test(test_stall_times_out_on_the_clock),
        cmocka_unit_test(test_429_has_two_meanings),
        cmocka_unit_test(test_connection_close_after_n),
        cmocka_unit_test(test_urgent_jumps_the_queue),
        cmocka_unit_test(test_cancel_and_free),
        cmocka_unit_test(test_callbacks_may_send_and_free),
        cmocka_unit_test(test_fail_is_asynchronous),
        cmocka_unit_test(test_virtual_time),
        cmocka_unit_test(test_request_on_the_wire),
        cmocka_unit_test(test_tls_to_plain_port),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_backoff_and_words),
        cmocka_unit_test(test_escape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
