/* Hooks against a scripted receiver: what goes out, what is worth another try, what never shows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "client/webhook.h"
#include "hostile.h"

struct hook {
    struct rig rig;
    struct webhook *w;
    char url[160], folder[64], secret[96];
    /* the receiver */
    const char *raw; /* the whole answer */
    enum hostile_end end;
    char head[4096], body[8192], line[300];
    /* the answer */
    bool done;
    struct webhook_answer answer;
    struct err err;
};

static enum hostile_end receive(void *ctx, const struct hostile_request *r, struct buf *out)
{
    struct hook *k = ctx;
    snprintf(k->line, sizeof k->line, "%s %s", r->method, r->path);
    snprintf(k->head, sizeof k->head, "%s", r->head);
    snprintf(k->body, sizeof k->body, "%s", r->body);
    buf_adds(out, k->raw);
    return k->end;
}

static struct webhook_spec spec_of(struct hook *k, enum hook_format format)
{
    struct webhook_spec s = {.name = "ops", .format = format, .endpoint = k->rig.endpoint};
    snprintf(k->url, sizeof k->url, "%s/services/T0/SECRETPATH?x=1", k->rig.url);
    s.endpoint.url = k->url;
    return s;
}

static void hook_init(struct hook *k)
{
    memset(k, 0, sizeof *k);
    rig_init(&k->rig, receive, k);
    k->raw = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    snprintf(k->folder, sizeof k->folder, "/tmp/andon-hook-XXXXXX");
    assert_non_null(mkdtemp(k->folder));
    snprintf(k->secret, sizeof k->secret, "%s/secret", k->folder);
    FILE *f = fopen(k->secret, "w");
    assert_non_null(f);
    fputs("R0UT1NG\n", f);
    fclose(f);
    assert_int_equal(chmod(k->secret, 0600), 0);
}

static void hook_open(struct hook *k, const struct webhook_spec *s)
{
    struct err e = {0};
    k->w = webhook_open(k->rig.http, s, &e);
    if (!k->w)
        fail_msg("%s", e.what);
}

static void hook_release(struct hook *k)
{
    webhook_free(k->w);
    rig_release(&k->rig);
    unlink(k->secret);
    rmdir(k->folder);
}

static void on_done(void *ctx, const struct webhook_answer *a)
{
    struct hook *k = ctx;
    assert_false(k->done);
    k->done = true;
    k->answer = *a;
    k->err = a->err ? *a->err : (struct err){0};
    assert_true(a->ok == (a->err == NULL));
}

static void post(struct hook *k, const char *body, size_t n)
{
    k->done = false;
    webhook_post(k->w, body, n, on_done, k);
    assert_false(k->done);
    rig_run(&k->rig, &k->done);
}

static void test_post(void **state)
{
    static const char body[] = "{\"text\":\"halted \xe2\x9c\x8b\"}";
    struct hook k;
    (void)state;
    hook_init(&k);
    struct webhook_spec s = spec_of(&k, HOOK_SLACK);
    hook_open(&k, &s);
    assert_string_equal(webhook_key(k.w), "");
    char copy[64];
    snprintf(copy, sizeof copy, "%s", body);
    k.done = false;
    webhook_post(k.w, copy, strlen(copy), on_done, &k);
    memset(copy, 'x', sizeof copy); /* it was copied */
    rig_run(&k.rig, &k.done);
    assert_true(k.answer.ok);
    assert_false(k.answer.retry);
    assert_int_equal(k.answer.status, 200);
    assert_string_equal(k.line, "POST /services/T0/SECRETPATH?x=1"); /* the address as it is, nothing appended */
    assert_string_equal(k.body, body);
    assert_non_null(strcasestr(k.head, "Content-Type: application/json"));
    assert_null(strcasestr(k.head, "authorization"));
    k.raw = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    post(&k, "{}", 2);
    assert_true(k.answer.ok);
    post(&k, "{}trailing", 2);
    assert_string_equal(k.body, "{}");
    hook_release(&k);
}

static void test_secrets(void **state)
{
    struct hook k;
    struct err e = {0};
    (void)state;
    hook_init(&k);
    struct webhook_spec s = spec_of(&k, HOOK_JSON);
    s.endpoint.secret = (struct secret_ref){.source = SECRET_FILE, .path = k.secret};
    s.endpoint.bearer = true;
    hook_open(&k, &s);
    assert_string_equal(webhook_key(k.w), ""); /* of no business to who writes the body */
    post(&k, "{}", 2);
    assert_non_null(strcasestr(k.head, "Authorization: Bearer R0UT1NG"));
    webhook_free(k.w);
    /* PagerDuty's stands in the body, and there only. */
    s.format = HOOK_PAGERDUTY;
    hook_open(&k, &s);
    assert_string_equal(webhook_key(k.w), "R0UT1NG");
    post(&k, "{}", 2);
    assert_null(strstr(k.head, "R0UT1NG"));
    assert_null(strcasestr(k.head, "authorization"));
    s.endpoint.secret = (struct secret_ref){.source = SECRET_NONE};
    assert_null(webhook_open(k.rig.http, &s, &e));
    assert_int_equal(e.code, ERR_AUTH);
    assert_non_null(strstr(e.what, "hook ops: "));
    hook_release(&k);
}

/* A secret that is refused may be about to change: the notice is not given up. A key that has changed is told, so that
 * the body is made anew. */
static void test_a_secret_that_changes(void **state)
{
    static const struct {
        enum hook_format format;
        int status;
        bool changes, retry;
    } cases[] = {
        {HOOK_JSON, 401, false, true},       {HOOK_SLACK, 403, false, true},    {HOOK_PAGERDUTY, 403, false, true},
        {HOOK_PAGERDUTY, 400, false, false}, {HOOK_PAGERDUTY, 400, true, true}, {HOOK_PAGERDUTY, 403, true, true},
        {HOOK_JSON, 400, true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hook k;
        char raw[80];
        hook_init(&k);
        struct webhook_spec s = spec_of(&k, cases[i].format);
        s.endpoint.secret = (struct secret_ref){.source = SECRET_FILE, .path = k.secret};
        s.endpoint.bearer = true;
        hook_open(&k, &s);
        snprintf(raw, sizeof raw, "HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n", cases[i].status);
        k.raw = raw;
        FILE *f = fopen(k.secret, "w");
        assert_non_null(f);
        fputs(cases[i].changes ? "N3W\n" : "R0UT1NG\n", f);
        fclose(f);
        post(&k, "{}", 2);
        if (k.answer.retry != cases[i].retry)
            fail_msg("case %zu: retry %d", i, k.answer.retry);
        if (cases[i].format == HOOK_PAGERDUTY)
            assert_string_equal(webhook_key(k.w), cases[i].changes ? "N3W" : "R0UT1NG");
        assert_int_equal(hostile_requests(k.rig.server), 1);
        hook_release(&k);
    }
}

static void test_refused_addresses(void **state)
{
    static const char *const urls[] = {"http://hooks.example.com/services/SECRETPATH", "ftp://127.0.0.1/SECRETPATH",
                                       "http:///SECRETPATH", "https://user:SECRETPATH@127.0.0.1/"};
    struct hook k;
    (void)state;
    hook_init(&k);
    struct webhook_spec s = spec_of(&k, HOOK_JSON);
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct err e = {0};
        s.endpoint.url = urls[i];
        assert_null(webhook_open(k.rig.http, &s, &e));
        assert_int_equal(e.code, ERR_RANGE);
        assert_non_null(strstr(e.what, "hook ops: "));
        assert_null(strstr(e.what, "SECRETPATH")); /* the path of a hook is as good as its password */
    }
    hook_release(&k);
}

static void test_what_is_worth_another_try(void **state)
{
    static const struct {
        const char *raw;
        enum hostile_end end;
        bool retry;
        enum err_code code;
        const char *cause;
    } cases[] = {
        {"HTTP/1.1 429 Slow\r\nRetry-After: 30\r\nContent-Length: 12\r\n\r\nrate_limited", HOSTILE_KEEP, true,
         ERR_THROTTLED, "rate_limited"},
        {"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", HOSTILE_KEEP, true, ERR_THROTTLED, ""},
        {"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", HOSTILE_KEEP, true, ERR_PROTOCOL, ""},
        {"HTTP/1.1 503 Oops\r\nContent-Length: 0\r\n\r\n", HOSTILE_KEEP, true, ERR_PROTOCOL, ""},
        {"HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n", HOSTILE_KEEP, true, ERR_PROTOCOL, ""},
        {"HTTP/1.1 400 No\r\nContent-Length: 20\r\n\r\n\x1b[31minvalid_payload", HOSTILE_KEEP, false, ERR_PROTOCOL,
         "invalid_payload"},
        {"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", HOSTILE_KEEP, false, ERR_AUTH, ""},
        {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", HOSTILE_KEEP, false, ERR_FORBIDDEN, ""},
        {"HTTP/1.1 404 No\r\nContent-Length: 10\r\n\r\nno_service", HOSTILE_KEEP, false, ERR_NOT_FOUND, "no_service"},
        {"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", HOSTILE_KEEP, false, ERR_NOT_FOUND, ""},
        {"HTTP/1.1 308 There\r\nLocation: https://elsewhere.example/SECRETPATH\r\nContent-Length: 0\r\n\r\n",
         HOSTILE_KEEP, false, ERR_PROTOCOL, ""},
        {"", HOSTILE_RESET, true, ERR_NETWORK, ""},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhal", HOSTILE_CLOSE, true, ERR_NETWORK, ""},
        {"", HOSTILE_STALL, true, ERR_TIMEOUT, ""},
        {"SSH-2.0-nonsense\r\n", HOSTILE_CLOSE, false, ERR_PROTOCOL, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hook k;
        hook_init(&k);
        struct webhook_spec s = spec_of(&k, HOOK_JSON);
        hook_open(&k, &s);
        k.raw = cases[i].raw;
        k.end = cases[i].end;
        post(&k, "{}", 2);
        if (k.answer.ok || k.answer.retry != cases[i].retry || k.err.code != cases[i].code)
            fail_msg("case %zu: retry %d, %s, %s (%s)", i, k.answer.retry, err_word(k.err.code), k.err.what,
                     k.err.cause);
        assert_non_null(strstr(k.err.what, "hook ops: "));
        assert_non_null(strstr(k.err.cause, cases[i].cause));
        assert_null(strchr(k.err.cause, 0x1b));
        assert_null(strstr(k.err.what, "SECRETPATH"));
        assert_null(strstr(k.err.cause, "SECRETPATH"));
        assert_int_equal(k.answer.retry_after_us, i == 0 ? 30 * US_PER_S : 0);
        assert_int_equal(hostile_requests(k.rig.server), 1); /* whoever calls decides when to try again */
        hook_release(&k);
    }
}

/* An answer without end is cut off. */
static enum hostile_end endless(void *ctx, const struct hostile_request *r, struct buf *out)
{
    (void)ctx;
    (void)r;
    buf_adds(out, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    for (int i = 0; i < 1000000 / 20; i++)
        buf_adds(out, "yesyesyesyesyesyesye");
    return HOSTILE_KEEP;
}

static void test_large(void **state)
{
    struct hook k;
    (void)state;
    hook_init(&k);
    rig_release(&k.rig);
    rig_init(&k.rig, endless, NULL);
    struct webhook_spec s = spec_of(&k, HOOK_JSON);
    hook_open(&k, &s);
    post(&k, "{}", 2);
    assert_int_equal(k.err.code, ERR_LIMIT);
    assert_false(k.answer.retry);
    int sent = hostile_requests(k.rig.server);
    char *big = xmalloc(WEBHOOK_BODY_MAX + 1);
    memset(big, ' ', WEBHOOK_BODY_MAX + 1);
    post(&k, big, WEBHOOK_BODY_MAX + 1);
    assert_int_equal(k.err.code, ERR_LIMIT);
    post(&k, "{\0}", 3);
    assert_int_equal(k.err.code, ERR_LIMIT);
    assert_false(k.answer.retry);
    assert_int_equal(hostile_requests(k.rig.server), sent);
    free(big);
    hook_release(&k);
}

static void test_freed_under_way(void **state)
{
    struct hook k;
    (void)state;
    hook_init(&k);
    struct webhook_spec s = spec_of(&k, HOOK_JSON);
    hook_open(&k, &s);
    webhook_post(k.w, "{}", 2, on_done, &k);
    webhook_free(k.w);
    k.w = NULL;
    assert_true(k.done);
    assert_int_equal(k.err.code, ERR_CANCELLED);
    assert_false(k.answer.retry);
    webhook_free(NULL);
    hook_release(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_post),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_a_secret_that_changes),
        cmocka_unit_test(test_refused_addresses),
        cmocka_unit_test(test_what_is_worth_another_try),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_freed_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
