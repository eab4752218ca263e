/* The courier and its hooks: what gets through, what is tried again and for how long, who holds up whom. In virtual
 * time, with a receiver on loopback and commands that are scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/text.h"
#include "engine/courier.h"
#include "engine/hook.h"

#define SEEN_MAX 300

struct post {
    char body[16384];
    int64_t at; /* virtual time */
};

struct rig {
    struct clock clock; /* must be first */
    _Atomic int64_t now;
    char dir[64];
    /* the receiver */
    int listen_fd;
    char url[80];
    pthread_t thread;
    const char *const *answers; /* one for each request; the last stays */
    pthread_mutex_t lock;
    struct post seen[SEEN_MAX];
    size_t n_seen;
    /* the courier */
    struct webhook_spec hooks[2];
    const char *argv[4];
    struct notify_spec spec;
    struct courier *c;
    int fd;
};

static int64_t rig_now(struct clock *c)
{
    return ((struct rig *)c)->now;
}

/* Jumps when nothing is under way. */
static int64_t rig_idle(struct clock *c, int64_t deadline, unsigned in_flight)
{
    struct rig *r = (struct rig *)c;
    if (deadline <= r->now)
        return 0;
    if (deadline == TIME_NEVER)
        return US_PER_S;
    if (in_flight > 0)
        return US_PER_MS;
    r->now = deadline;
    return 0;
}

/* ---- the receiver ---- */

static bool read_request(int fd, char *buf, size_t size, const char **body)
{
    size_t n = 0, want = SIZE_MAX;
    while (n < want && n + 1 < size) {
        ssize_t k = read(fd, buf + n, size - 1 - n);
        if (k <= 0)
            return false;
        n += (size_t)k;
        buf[n] = '\0';
        char *end = strstr(buf, "\r\n\r\n");
        const char *len = end ? strcasestr(buf, "content-length:") : NULL;
        if (end)
            want = (size_t)(end + 4 - buf) + (len ? strtoul(len + 15, NULL, 10) : 0);
        *body = end ? end + 4 : buf;
    }
    return true;
}

static void *receive(void *arg)
{
    struct rig *r = arg;
    int fd;
    while ((fd = accept(r->listen_fd, NULL, NULL)) >= 0) {
        char buf[16384] = "", answer[600];
        const char *body;
        if (read_request(fd, buf, sizeof buf, &body)) {
            pthread_mutex_lock(&r->lock);
            assert_true(r->n_seen < SEEN_MAX);
            struct post *p = &r->seen[r->n_seen++];
            snprintf(p->body, sizeof p->body, "%s", body);
            p->at = r->now;
            snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                     *r->answers);
            if (r->answers[1])
                r->answers++;
            pthread_mutex_unlock(&r->lock);
            ssize_t n = write(fd, answer, strlen(answer));
            assert_true(n > 0);
        }
        close(fd);
    }
    return NULL;
}

/* ---- the rig ---- */

static void rig_init(struct rig *r, const char *const *answers)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    memset(r, 0, sizeof *r);
    r->clock = (struct clock){.now = rig_now, .idle = rig_idle, .wall = rig_now};
    r->now = INT64_C(1931257200) * US_PER_S;
    r->answers = answers;
    pthread_mutex_init(&r->lock, NULL);
    snprintf(r->dir, sizeof r->dir, "/tmp/andon-courier-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(r->listen_fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(r->listen_fd, 16), 0);
    assert_int_equal(getsockname(r->listen_fd, (struct sockaddr *)&at, &len), 0);
    snprintf(r->url, sizeof r->url, "http://127.0.0.1:%d/hook", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&r->thread, NULL, receive, r), 0);
    r->hooks[0] = (struct webhook_spec){.name = "ops",
                                        .format = HOOK_JSON,
                                        .endpoint = {.url = r->url,
                                                     .user = "",
                                                     .secret = {.argv = NULL, .path = "", .env = ""},
                                                     .ca_file = "",
                                                     .client_cert = "",
                                                     .client_key = "",
                                                     .proxy = "",
                                                     .timeout_us = 10 * US_PER_S}};
    r->spec = (struct notify_spec){.webhooks = r->hooks, .kinds = NOTICE_KINDS_ALL, .repeat_us = US_PER_HOUR};
    r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* A hook instead of, or besides, the web hook. $DIR stands for the rig's folder. */
static void use_hook(struct rig *r, const char *script)
{
    char *text = NULL;
    assert_true(asprintf(&text, "DIR=%s; %s", r->dir, script) > 0);
    r->argv[0] = "/bin/sh";
    r->argv[1] = "-c";
    r->argv[2] = text;
    r->spec.hook = r->argv;
}

static void start(struct rig *r, size_t webhooks)
{
    struct err e = {0};
    r->spec.n_webhooks = webhooks;
    r->c = courier_new(&r->spec, &r->clock, 1, r->fd, &e);
    if (!r->c)
        fail_msg("%s", e.what);
}

static void put(struct rig *r, const char *text, bool resolved)
{
    struct notice n = {.kind = NOTICE_HALT, .t = r->now, .wave = 1, .resolved = resolved};
    snprintf(n.fleet, sizeof n.fleet, "homes");
    snprintf(n.key, sizeof n.key, "homes/4471/halt");
    snprintf(n.text, sizeof n.text, "%s", text);
    courier_put(r->c, &n);
}

/* The next outcome; the test's own time limit is what ends a wait for one that does not come. */
static struct outcome *outcome(struct rig *r)
{
    for (;;) {
        struct outcome *o = courier_take(r->c);
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        uint64_t n;
        if (o)
            return o;
        assert_true(poll(&p, 1, 30000) > 0);
        assert_true(read(r->fd, &n, sizeof n) == sizeof n);
    }
}

static void expect(struct rig *r, const char *target, bool ok, bool last, int tries)
{
    struct outcome *o = outcome(r);
    if (strcmp(o->target, target) != 0 || o->ok != ok || o->last != last || (tries && o->tries != tries))
        fail_msg("%s ok %d last %d tries %d status %d: %s (%s)", o->target, o->ok, o->last, o->tries, o->status,
                 o->err.what, o->err.cause);
    assert_true(ok || *o->err.what);
    free(o);
}

static char *read_file(struct rig *r, const char *name)
{
    char path[120];
    size_t n;
    snprintf(path, sizeof path, "%s/%s", r->dir, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = calloc(1, 65536);
    n = fread(text, 1, 65535, f);
    text[n] = '\0';
    fclose(f);
    unlink(path);
    return text;
}

static void rig_release(struct rig *r)
{
    if (r->c) {
        assert_true(courier_stop(r->c, 0));
        courier_free(r->c);
    }
    shutdown(r->listen_fd, SHUT_RDWR);
    pthread_join(r->thread, NULL);
    close(r->listen_fd);
    close(r->fd);
    if (r->spec.hook)
        free((char *)(uintptr_t)r->argv[2]);
    pthread_mutex_destroy(&r->lock);
    assert_int_equal(rmdir(r->dir), 0);
}

static const char *const ALWAYS[] = {"200 OK", NULL};

/* ---- hooks ---- */

static void a_hook_reads_the_notice_and_sees_little_of_the_environment(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, ALWAYS);
    setenv("ANDON_TEST_SECRET", "hunter2", 1);
    use_hook(&r, "cat > $DIR/in; env > $DIR/env; ls -l /proc/self/fd > $DIR/fds; echo fine");
    start(&r, 0);
    put(&r, "3 of 20 canaries reboot in a loop", false);
    expect(&r, "hook", true, true, 1);
    char *in = read_file(&r, "in"), *env = read_file(&r, "env"), *fds = read_file(&r, "fds");
    assert_int_equal(strncmp(in, "{\"andon\":1,\"kind\":\"halt\",\"resolved\":false,", 42), 0);
    assert_non_null(strstr(in, "3 of 20 canaries reboot in a loop"));
    assert_string_equal(in + strlen(in) - 2, "}\n");
    assert_null(strstr(env, "hunter2"));
    assert_non_null(strstr(env, "PATH="));
    assert_null(strstr(fds, "socket:")); /* nothing of ours is left open in it */
    assert_null(strstr(fds, "eventfd"));
    free(in);
    free(env);
    free(fds);
    unsetenv("ANDON_TEST_SECRET");
    rig_release(&r);
}

static void a_hook_that_fails_is_tried_for_an_hour_with_growing_pauses(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, ALWAYS);
    use_hook(&r, "echo x >> $DIR/tries; echo no mail server >&2; exit 3");
    start(&r, 0);
    int64_t from = r.now;
    put(&r, "x", false);
    struct outcome *o = outcome(&r);
    assert_false(o->ok || o->last);
    assert_int_equal(o->tries, 1);
    assert_non_null(strstr(o->err.what, "failed with exit 3"));
    assert_string_equal(o->err.cause, "no mail server<U+000A>");
    free(o);
    o = outcome(&r);
    assert_false(o->ok);
    assert_true(o->last);
    assert_in_range(o->tries, 12, 25); /* 5 10 20 40 80 160 300 300 ... s */
    assert_in_range(r.now - from, COURIER_GIVE_UP - 2 * COURIER_PAUSE_MAX, COURIER_GIVE_UP);
    char *tries = read_file(&r, "tries");
    assert_int_equal(strlen(tries), 2 * o->tries);
    free(tries);
    free(o);
    rig_release(&r);
}

static void a_hook_that_works_at_last_says_so(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, ALWAYS);
    use_hook(&r, "echo x >> $DIR/tries; test $(wc -l < $DIR/tries) -ge 4");
    start(&r, 0);
    put(&r, "x", false);
    expect(&r, "hook", false, false, 1);
    expect(&r, "hook", true, true, 4);
    free(read_file(&r, "tries"));
    rig_release(&r);
}

static void wait_hook(struct hook *h, bool *ok, struct err *e)
{
    while (!hook_ended(h, ok, e)) {
        struct pollfd p = {.fd = hook_fd(h), .events = POLLIN};
        poll(&p, 1, 5);
    }
}

static void a_hook_that_hangs_is_killed_with_its_children(void **state)
{
    (void)state;
    const char *const argv[] = {"/bin/sh", "-c", "echo $$; trap '' TERM; sleep 1000 & sleep 1000; wait", NULL};
    struct hook *h = hook_new(argv, 150 * US_PER_MS);
    struct err e = {0};
    bool ok = true;
    assert_true(hook_start(h, "x", 1, &e));
    assert_true(hook_running(h));
    wait_hook(h, &ok, &e);
    assert_false(ok);
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_false(hook_running(h));
    pid_t group = (pid_t)strtol(e.cause, NULL, 10);
    assert_true(group > 1);
    for (int i = 0; i < 200 && kill(-group, 0) == 0; i++) /* until init has reaped them */
        poll(NULL, 0, 10);
    assert_int_equal(kill(-group, 0), -1);
    assert_int_equal(errno, ESRCH);
    hook_free(h);
}

static void what_a_hook_writes_is_capped_and_made_safe(void **state)
{
    (void)state;
    const char *const argv[] = {"/bin/sh", "-c", "printf '\\033]0;x\\007'; head -c 1000000 /dev/zero; exit 1", NULL},
                      *const endless[] = {"yes", NULL};
    struct hook *h = hook_new(argv, 20 * US_PER_S);
    struct err e = {0};
    bool ok = true;
    assert_true(hook_start(h, "", 0, &e));
    wait_hook(h, &ok, &e);
    assert_false(ok);
    assert_int_equal(strncmp(e.cause, "<U+001B>]0;x<U+0007><U+0000>", 28), 0);
    hook_free(h);
    h = hook_new(endless, 150 * US_PER_MS);
    assert_true(hook_start(h, "", 0, &e));
    wait_hook(h, &ok, &e);
    assert_int_equal(e.code, ERR_TIMEOUT);
    hook_free(h);
}

static void a_hook_that_cannot_be_run_says_why(void **state)
{
    (void)state;
    const char *const none[] = {"/nonexistent/hook", NULL}, *const empty[] = {"", NULL};
    struct err e = {0};
    struct hook *h = hook_new(none, US_PER_S);
    assert_false(hook_start(h, "x", 1, &e));
    assert_non_null(strstr(e.what, "/nonexistent/hook"));
    assert_false(hook_running(h));
    hook_free(h);
    h = hook_new(empty, US_PER_S);
    assert_false(hook_start(h, "x", 1, &e));
    hook_free(h);
}

static void a_hook_that_is_given_up_is_killed(void **state)
{
    (void)state;
    const char *const argv[] = {"sleep", "1000", NULL};
    struct err e = {0};
    struct hook *h = hook_new(argv, US_PER_HOUR);
    assert_true(hook_start(h, "x", 1, &e));
    hook_free(h); /* returns at once, and leaves nobody behind */
}

/* ---- web hooks ---- */

static void a_receiver_that_is_down_for_a_while_gets_it_later(void **state)
{
    (void)state;
    static const char *const answers[] = {"503 Later", "500 Oops", "202 Accepted", NULL};
    static struct rig r;
    rig_init(&r, answers);
    start(&r, 1);
    put(&r, "x", false);
    expect(&r, "ops", false, false, 1);
    expect(&r, "ops", true, true, 3);
    assert_int_equal(r.n_seen, 3);
    assert_string_equal(r.seen[0].body, r.seen[2].body);
    assert_in_range(r.seen[1].at - r.seen[0].at, COURIER_FIRST_US, COURIER_FIRST_US * 5 / 4);
    assert_in_range(r.seen[2].at - r.seen[1].at, 2 * COURIER_FIRST_US, 2 * COURIER_FIRST_US * 5 / 4);
    rig_release(&r);
}

static void what_is_refused_is_not_tried_again(void **state)
{
    (void)state;
    static const char *const refusals[] = {"400 Bad", "401 No", "404 None", "301 Elsewhere", "200 OK", NULL};
    static struct rig r;
    rig_init(&r, refusals);
    start(&r, 1);
    for (int i = 0; i < 4; i++) {
        put(&r, "x", false);
        expect(&r, "ops", false, true, 1);
    }
    put(&r, "x", false);
    expect(&r, "ops", true, true, 1);
    assert_int_equal(r.n_seen, 5);
    rig_release(&r);
}

static void a_receiver_may_ask_for_a_pause(void **state)
{
    (void)state;
    static const char *const answers[] = {"429 Slow\r\nRetry-After: 600", "200 OK", NULL};
    static struct rig r;
    rig_init(&r, answers);
    start(&r, 1);
    put(&r, "x", false);
    expect(&r, "ops", false, false, 1);
    expect(&r, "ops", true, true, 2);
    assert_in_range(r.seen[1].at - r.seen[0].at, 600 * US_PER_S, 601 * US_PER_S);
    rig_release(&r);
}

static void the_end_never_overtakes_the_beginning(void **state)
{
    (void)state;
    static const char *const answers[] = {"503 Later", "503 Later", "200 OK", NULL};
    static struct rig r;
    rig_init(&r, answers);
    start(&r, 1);
    put(&r, "halted", false);
    put(&r, "acknowledged", true);
    expect(&r, "ops", false, false, 1);
    expect(&r, "ops", true, true, 3);
    expect(&r, "ops", true, true, 1);
    assert_int_equal(r.n_seen, 4);
    for (int i = 0; i < 3; i++)
        assert_non_null(strstr(r.seen[i].body, "halted"));
    assert_non_null(strstr(r.seen[3].body, "acknowledged"));
    rig_release(&r);
}

static void one_that_hangs_does_not_hold_up_the_others(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, ALWAYS);
    use_hook(&r, "exec sleep 1000");
    start(&r, 1);
    put(&r, "one", false);
    put(&r, "two", false);
    expect(&r, "ops", true, true, 1);
    expect(&r, "ops", true, true, 1);
    rig_release(&r); /* kills it */
}

static void a_queue_is_bounded_and_loses_the_oldest(void **state)
{
    (void)state;
    static struct rig r;
    char text[20];
    rig_init(&r, ALWAYS);
    use_hook(&r, "exec sleep 1000");
    start(&r, 0);
    for (int i = 0; i < COURIER_QUEUE + 10; i++) {
        snprintf(text, sizeof text, "number %d.", i);
        put(&r, text, false);
    }
    for (int i = 0; i < 10; i++) {
        struct outcome *o = outcome(&r);
        assert_true(o->last && !o->ok);
        assert_int_equal(o->err.code, ERR_LIMIT);
        assert_true(strtol(o->notice.text + 7, NULL, 10) <= 10);
        free(o);
    }
    assert_null(courier_take(r.c));
    rig_release(&r);
}

static void the_key_of_pagerduty_stands_in_the_body_only_there(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, ALWAYS);
    setenv("ANDON_TEST_KEY", "R0UTINGKEY", 1);
    r.hooks[1] = r.hooks[0];
    r.hooks[1].name = "pager";
    r.hooks[1].format = HOOK_PAGERDUTY;
    r.hooks[1].endpoint.secret = (struct secret_ref){.source = SECRET_ENV, .env = "ANDON_TEST_KEY"};
    start(&r, 2);
    put(&r, "x", false);
    for (int i = 0; i < 2; i++) {
        struct outcome *o = outcome(&r);
        assert_true(o->ok);
        free(o);
    }
    int keys = 0;
    for (size_t i = 0; i < r.n_seen; i++)
        keys += strstr(r.seen[i].body, "R0UTINGKEY") != NULL;
    assert_int_equal(r.n_seen, 2);
    assert_int_equal(keys, 1);
    unsetenv("ANDON_TEST_KEY");
    rig_release(&r);
}

static void a_secret_that_is_not_there_yet_is_waited_for(void **state)
{
    (void)state;
    static struct rig r;
    char path[120];
    rig_init(&r, ALWAYS);
    snprintf(path, sizeof path, "%s/token", r.dir);
    r.hooks[0].endpoint.bearer = true;
    r.hooks[0].endpoint.secret = (struct secret_ref){.source = SECRET_FILE, .path = path};
    start(&r, 1);
    put(&r, "x", false);
    expect(&r, "ops", false, false,
           1); /* and the time to come is virtual: it may be given up before the file is there */
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fchmod(fileno(f), 0600);
    fputs("t0ken\n", f);
    fclose(f);
    free(outcome(&r));
    put(&r, "y", false);
    struct outcome *o = outcome(&r);
    assert_true(o->ok);
    free(o);
    unlink(path);
    rig_release(&r);
}

static void what_was_handed_in_last_gets_through_before_the_end(void **state)
{
    (void)state;
    static struct rig r;
    rig_init(&r, ALWAYS);
    use_hook(&r, "cat > $DIR/in");
    start(&r, 1);
    put(&r, "last words", false);
    assert_true(courier_stop(r.c, 20 * US_PER_S));
    int got = 0;
    for (struct outcome *o; (o = courier_take(r.c)); free(o))
        got += o->ok && o->last;
    assert_int_equal(got, 2);
    courier_free(r.c);
    r.c = NULL;
    free(read_file(&r, "in"));
    rig_release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hook_reads_the_notice_and_sees_little_of_the_environment),
        cmocka_unit_test(a_hook_that_fails_is_tried_for_an_hour_with_growing_pauses),
        cmocka_unit_test(a_hook_that_works_at_last_says_so),
        cmocka_unit_test(a_hook_that_hangs_is_killed_with_its_children),
        cmocka_unit_test(what_a_hook_writes_is_capped_and_made_safe),
        cmocka_unit_test(a_hook_that_cannot_be_run_says_why),
        cmocka_unit_test(a_hook_that_is_given_up_is_killed),
        cmocka_unit_test(a_receiver_that_is_down_for_a_while_gets_it_later),
        cmocka_unit_test(what_is_refused_is_not_tried_again),
        cmocka_unit_test(a_receiver_may_ask_for_a_pause),
        cmocka_unit_test(the_end_never_overtakes_the_beginning),
        cmocka_unit_test(one_that_hangs_does_not_hold_up_the_others),
        cmocka_unit_test(a_queue_is_bounded_and_loses_the_oldest),
        cmocka_unit_test(the_key_of_pagerduty_stands_in_the_body_only_there),
        cmocka_unit_test(a_secret_that_is_not_there_yet_is_waited_for),
        cmocka_unit_test(what_was_handed_in_last_gets_through_before_the_end),
    };
    signal(SIGPIPE, SIG_IGN);
    close_range(3, ~0U, 0); /* what a hook has open must not depend on who runs the tests */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
