/* A secret that changes under a peer: read again off the loop, when it is refused, and not more often than it may. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "hostile.h"
#include "client/http_impl.h"

static char dir[] = "/tmp/andon-rotate-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

static const char *path(const char *name)
{
    static char buf[4][120];
    static int k;
    char *p = buf[k++ % 4];
    snprintf(p, sizeof buf[0], "%s/%s", dir, name);
    return p;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(path(name), "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path(name), 0600), 0);
}

static long lines(const char *name)
{
    FILE *f = fopen(path(name), "r");
    long n = 0;
    for (int c; f && (c = fgetc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

/* A server that wants a bearer token; `forbids` is a path that is refused with 403 to everybody. */
struct door {
    struct rig rig;
    char wants[64]; /* written while nothing is under way */
    _Atomic int refused;
    struct secret_ref ref;
    char script[400];
    const char *argv[4];
    _Atomic unsigned again;
};

static enum hostile_end guard(void *ctx, const struct hostile_request *q, struct buf *out)
{
    struct door *d = ctx;
    char line[100];
    snprintf(line, sizeof line, "Authorization: Bearer %s\r\n", d->wants);
    bool in = strstr(q->head, line) != NULL || strncmp(q->path, "/open", 5) == 0;
    int status = strncmp(q->path, "/forbidden", 10) == 0 ? 403 : in ? 200 : 401;
    if (status != 200)
        atomic_fetch_add(&d->refused, 1);
    hostile_answer(out, status, "text/plain", status == 200 ? q->body : "no");
    return HOSTILE_KEEP;
}

/* script NULL: the file "secret"; else a shell command. */
static void door_open(struct door *d, const char *script)
{
    memset(d, 0, sizeof *d);
    rig_init(&d->rig, guard, d);
    put("secret", "old\n");
    snprintf(d->wants, sizeof d->wants, "old");
    d->ref = (struct secret_ref){.source = SECRET_FILE, .path = path("secret"), .again = &d->again};
    if (script) {
        snprintf(d->script, sizeof d->script, "cd %s; %s", dir, script);
        memcpy(d->argv, (const char *[]){"sh", "-c", d->script, NULL}, sizeof d->argv);
        d->ref = (struct secret_ref){.source = SECRET_COMMAND, .argv = d->argv, .again = &d->again};
    }
    d->rig.endpoint.bearer = true;
    d->rig.endpoint.secret = d->ref;
    rig_open(&d->rig, 4);
}

static void door_close(struct door *d)
{
    static const char *const all[] = {"secret", "count", "hold"};
    rig_release(&d->rig);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        unlink(path(all[i]));
}

static void rotate(struct door *d, const char *to)
{
    char text[70];
    snprintf(text, sizeof text, "%s\n", to);
    snprintf(d->wants, sizeof d->wants, "%s", to);
    put("secret", text);
}

static int fetch(struct door *d, const char *method, const char *where, unsigned flags)
{
    rig_fetch(&d->rig, method, where, strcmp(method, "GET") == 0 ? NULL : "body", 1000, flags);
    return d->rig.answer.status;
}

static void pass(struct door *d, int64_t us)
{
    atomic_fetch_add(&d->rig.now, us);
}

/* Until no secret is being read. */
static void settle(struct door *d)
{
    for (int i = 0; i < 20000 && d->rig.http->reading; i++)
        http_run(d->rig.http, -1, TIME_NEVER, 0);
    assert_int_equal(d->rig.http->reading, 0);
}

static void test_live_with_the_request_that_is_refused(void **state)
{
    static const char *const scripts[] = {NULL, "cat secret"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct door d;
        door_open(&d, scripts[i]);
        assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 200);
        rotate(&d, "new");
        assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 200);
        assert_int_equal(d.refused, 1);
        rotate(&d, "newer");
        assert_int_equal(fetch(&d, "POST", "/verb", HTTP_URGENT), 200); /* a halt too, with its body */
        assert_string_equal(d.rig.body, "body");
        assert_int_equal(d.refused, 2);
        assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 200); /* and from then on at once, on old connections too */
        assert_int_equal(d.refused, 2);
        assert_int_equal(hostile_count(d.rig.server, "POST /verb"), 2);
        door_close(&d);
    }
}

static void count_done(void *ctx, const struct http_answer *a)
{
    int *n = ctx;
    *n += a->status == 200;
}

/* Refused together: one read for all. */
static void test_one_read_for_all_that_wait(void **state)
{
    struct door d;
    int good = 0;
    (void)state;
    door_open(&d, "echo >> count; cat secret");
    rotate(&d, "new");
    for (int i = 0; i < 20; i++)
        http_send(d.rig.peer, "GET", "/x", NULL, 100, HTTP_SAFE, count_done, &good);
    for (int i = 0; i < 20000 && http_in_flight(d.rig.http); i++)
        http_run(d.rig.http, -1, TIME_NEVER, 0);
    assert_int_equal(good, 20);
    assert_int_equal(lines("count"), 2); /* when it was opened, and now */
    door_close(&d);
}

/* A wrong secret: so many reads in an hour of a request each second, and no more. */
static void test_not_hammered(void **state)
{
    static const struct {
        const char *script, *path;
        int status;
        long reads; /* after the one at the opening */
    } cases[] = {
        {"echo >> count; cat secret", "/x", 401, 64},         /* 0 2 6 14 30 62, then each 60 s */
        {"echo >> count; cat secret", "/forbidden", 403, 12}, /* ... 510, 1022, then each 15 min */
        /* Another secret each time does not make the user permitted. */
        {"echo >> count; wc -l < count", "/forbidden", 403, 12},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct door d;
        door_open(&d, cases[i].script);
        snprintf(d.wants, sizeof d.wants, "something else");
        for (int s = 0; s < 3600; s++) {
            assert_int_equal(fetch(&d, "GET", cases[i].path, HTTP_SAFE), cases[i].status);
            pass(&d, US_PER_S);
        }
        if (lines("count") - 1 != cases[i].reads)
            fail_msg("case %zu: %ld reads in an hour", i, lines("count") - 1);
        door_close(&d);
    }
}

/* The secret comes a little later than the server's change: seconds for a file, also after an hour of refusals. */
static void test_a_late_file_is_found(void **state)
{
    struct door d;
    (void)state;
    door_open(&d, NULL);
    snprintf(d.wants, sizeof d.wants, "new");
    for (int i = 0; i < 1800; i++) {
        assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 401);
        pass(&d, 2 * US_PER_S);
    }
    rotate(&d, "new");
    pass(&d, 5 * US_PER_S);
    assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 200);
    /* Taken: the row of pauses begins anew. */
    rotate(&d, "newer");
    assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 200);
    door_close(&d);
}

/* The refusal says why the secret could not be read again, and does not show it. */
static void test_unreadable(void **state)
{
    struct door d;
    (void)state;
    door_open(&d, NULL);
    snprintf(d.wants, sizeof d.wants, "new");
    put("secret", "");
    assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 401);
    assert_non_null(d.rig.answer.secret_err);
    struct err e = {0};
    http_secret_cause(&d.rig.answer, &e);
    assert_non_null(strstr(e.cause, "cannot be read again: secret file"));
    assert_non_null(strstr(e.cause, "empty secret"));
    assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 401); /* not read meanwhile: the same reason */
    assert_non_null(d.rig.answer.secret_err);
    snprintf(d.wants, sizeof d.wants, "old"); /* the one that it has is good still */
    assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 200);
    assert_null(d.rig.answer.secret_err);
    door_close(&d);
}

/* A helper that takes its time holds up nobody: the loop goes on, and who is refused waits no longer than its time-out.
 */
static void test_a_slow_helper(void **state)
{
    struct door d;
    int good = 0;
    (void)state;
    door_open(&d, "while [ -e hold ]; do sleep 0.01; done; cat secret");
    put("hold", "");
    rotate(&d, "new");
    http_send(d.rig.peer, "GET", "/x", NULL, 100, HTTP_SAFE, count_done, &good);
    for (int i = 0; i < 20000 && !d.rig.http->reading; i++)
        http_run(d.rig.http, -1, TIME_NEVER, 0);
    assert_int_equal(d.rig.http->reading, 1);
    assert_int_equal(fetch(&d, "GET", "/open", HTTP_SAFE), 200); /* others are answered meanwhile */
    assert_int_equal(http_in_flight(d.rig.http), 1);
    pass(&d, 10 * US_PER_S + 1);
    for (int i = 0; i < 100 && http_in_flight(d.rig.http); i++)
        http_run(d.rig.http, -1, rig_run_time(&d.rig), 0);
    assert_int_equal(http_in_flight(d.rig.http), 0);
    assert_int_equal(good, 0);
    unlink(path("hold"));
    settle(&d);
    assert_int_equal(d.refused, 1);
    assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 200);
    assert_int_equal(d.refused, 1);
    door_close(&d);
}

/* A person says so: without any refusal, whatever the pauses. */
static void test_asked_for(void **state)
{
    struct door d;
    (void)state;
    door_open(&d, "echo >> count; cat secret");
    snprintf(d.wants, sizeof d.wants, "new");
    for (int i = 0; i < 60; i++) {
        assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 401);
        pass(&d, US_PER_S);
    }
    /* Asked, and still wrong: the row of pauses begins anew all the same. */
    long before = lines("count");
    d.again++;
    http_run(d.rig.http, -1, TIME_NEVER, 0);
    settle(&d);
    assert_int_equal(lines("count"), before + 1);
    assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 401);
    assert_int_equal(lines("count"), before + 2);
    int refused = d.refused;
    rotate(&d, "new");
    d.again++;
    http_run(d.rig.http, -1, TIME_NEVER, 0);
    settle(&d);
    assert_int_equal(lines("count"), before + 3); /* a quick machine has it within that one turn */
    assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 200);
    assert_int_equal(d.refused, refused);
    long reads = lines("count");
    assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 200);
    assert_int_equal(lines("count"), reads); /* once for each time */
    door_close(&d);
}

/* A variable cannot change under a process: nothing waits for it. */
static void test_a_variable(void **state)
{
    struct door d;
    (void)state;
    door_open(&d, NULL);
    setenv("ANDON_TEST_ROTATE", "old", 1);
    http_peer_free(d.rig.peer);
    d.rig.endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_TEST_ROTATE"};
    rig_open(&d.rig, 4);
    assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 200);
    rotate(&d, "new");
    setenv("ANDON_TEST_ROTATE", "new", 1); /* only a test can do that */
    assert_int_equal(fetch(&d, "GET", "/x", HTTP_SAFE), 401);
    assert_int_equal(d.refused, 1);
    unsetenv("ANDON_TEST_ROTATE");
    door_close(&d);
}

static void see_cancelled(void *ctx, const struct http_answer *a)
{
    *(enum err_code *)ctx = a->err ? a->err->code : ERR_NONE;
}

/* The end while a helper runs: the waiting request is given up, and nothing is left of it (sanitizers look). */
static void test_end_while_reading(void **state)
{
    struct door d;
    enum err_code code = ERR_NONE;
    (void)state;
    door_open(&d, "while [ -e hold ]; do sleep 0.01; done; cat secret");
    put("hold", "");
    rotate(&d, "new");
    http_send(d.rig.peer, "GET", "/x", NULL, 100, HTTP_SAFE, see_cancelled, &code);
    for (int i = 0; i < 20000 && !d.rig.http->reading; i++)
        http_run(d.rig.http, -1, TIME_NEVER, 0);
    http_peer_free(d.rig.peer);
    assert_int_equal(code, ERR_CANCELLED);
    assert_int_equal(d.rig.http->reading, 0);
    unlink(path("hold"));
    door_close(&d);
}

/* A secret of bodies: in no header, never sent again by itself, and its change is told. */
static void test_in_the_body(void **state)
{
    struct door d;
    (void)state;
    door_open(&d, NULL);
    http_peer_secret_in_body(d.rig.peer);
    assert_string_equal(http_peer_secret(d.rig.peer), "old");
    assert_int_equal(fetch(&d, "POST", "/x", 0), 401); /* the header that would open is not sent */
    assert_false(d.rig.answer.secret_changed);
    pass(&d, 10 * US_PER_S);
    put("secret", "new");
    assert_int_equal(fetch(&d, "POST", "/x", 0), 401);
    assert_true(d.rig.answer.secret_changed);
    assert_string_equal(http_peer_secret(d.rig.peer), "new");
    assert_int_equal(hostile_count(d.rig.server, "POST /x"), 2);
    door_close(&d);
}

static void test_pace(void **state)
{
    struct secret_pace p = {0};
    int64_t t = 7 * US_PER_S;
    (void)state;
    assert_true(secret_pace_due(&p, SECRET_COMMAND, SECRET_UNKNOWN_USER, t));
    assert_false(secret_pace_due(&p, SECRET_COMMAND, SECRET_UNKNOWN_USER, t + 2 * US_PER_S - 1));
    assert_true(secret_pace_due(&p, SECRET_COMMAND, SECRET_UNKNOWN_USER, t + 2 * US_PER_S));
    assert_false(secret_pace_due(&p, SECRET_COMMAND, SECRET_UNKNOWN_USER, t + 6 * US_PER_S - 1));
    /* Another kind of refusal has its own row: a 403 for ever must not make a 401 wait. */
    assert_true(secret_pace_due(&p, SECRET_COMMAND, SECRET_NOT_PERMITTED, t + 3 * US_PER_S));
    assert_true(secret_pace_due(&p, SECRET_COMMAND, SECRET_UNKNOWN_USER, t + 6 * US_PER_S));
    /* Twice the longest pause without any: it begins anew. */
    t += 200 * US_PER_S;
    assert_true(secret_pace_due(&p, SECRET_COMMAND, SECRET_UNKNOWN_USER, t));
    assert_true(secret_pace_due(&p, SECRET_COMMAND, SECRET_UNKNOWN_USER, t + 2 * US_PER_S));
    for (int i = 0; i < 1000; i++) /* no overflow, no shift beyond the word */
        secret_pace_due(&p, SECRET_FILE, SECRET_UNKNOWN_USER, t += 5 * US_PER_S);
    assert_true(secret_pace_due(&p, SECRET_FILE, SECRET_UNKNOWN_USER, t + 5 * US_PER_S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_with_the_request_that_is_refused),
        cmocka_unit_test(test_one_read_for_all_that_wait),
        cmocka_unit_test(test_not_hammered),
        cmocka_unit_test(test_a_late_file_is_found),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_a_slow_helper),
        cmocka_unit_test(test_asked_for),
        cmocka_unit_test(test_a_variable),
        cmocka_unit_test(test_end_while_reading),
        cmocka_unit_test(test_in_the_body),
        cmocka_unit_test(test_pace),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
