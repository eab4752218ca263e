/* The guard's socket: a handle by it does what one on the file does, the kernel says who wrote, nothing is written
 * twice, and whoever is hostile holds up nobody. */
#include "tests/audit/help.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/far.h"
#include "audit/serve.h"
#include "audit/spool.h"

/* Static in each test: one that fails jumps out of its function, and the thread goes on with what it has. */
struct guard {
    struct box b;
    char sock[100], drop[100];
    struct audit_spec client; /* a command's idea of the log */
    struct serve_spec spec;
    struct serve *s;
    char me[64];
    pthread_t thread;
    int wake;
    atomic_bool stop;
};

static void open_guard(struct guard *g)
{
    struct err e = {0};
    g->s = serve_open(&g->spec, &e);
    if (!g->s)
        fail_msg("serve_open: %s (%s)", e.what, e.cause);
}

static void begin(struct guard *g)
{
    memset(g, 0, sizeof *g);
    box_init(&g->b);
    snprintf(g->sock, sizeof g->sock, "%s/run/log.sock", g->b.dir);
    snprintf(g->drop, sizeof g->drop, "%s/run/drop", g->b.dir);
    peer_name(geteuid(), g->me);
    g->client = g->b.spec;
    g->client.db_path = "/nonexistent/log.db";
    g->client.key_path = "/nonexistent/log.key";
    g->client.socket = g->sock;
    g->client.spool[0] = g->drop;
    g->spec = (struct serve_spec){.audit = &g->b.spec, .path = g->sock, .drop = g->drop, .group = (gid_t)-1};
    g->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    open_guard(g);
}

static void *turns(void *arg)
{
    struct guard *g = arg;
    while (!atomic_load(&g->stop))
        serve_turn(g->s, g->wake, US_PER_S);
    return NULL;
}

static void run(struct guard *g)
{
    atomic_store(&g->stop, false);
    assert_int_equal(pthread_create(&g->thread, NULL, turns, g), 0);
}

static void halt(struct guard *g)
{
    uint64_t one = 1;
    atomic_store(&g->stop, true);
    assert_int_equal(write(g->wake, &one, sizeof one), sizeof one);
    pthread_join(g->thread, NULL);
    assert_int_equal(read(g->wake, &one, sizeof one), sizeof one);
}

static void end(struct guard *g)
{
    struct audit_report r;
    serve_close(g->s);
    close(g->wake);
    must_verify(&g->b, &r);
    box_release(&g->b);
}

static struct audit_log *client(const struct guard *g, bool read_only)
{
    struct audit_spec spec = g->client;
    struct err e = {0};
    spec.read_only = read_only;
    struct audit_log *l = audit_open(&spec, &e);
    if (!l)
        fail_msg("audit_open: %s (%s)", e.what, e.cause);
    return l;
}

/* Of the box's time, in the client's name. */
static void mine(const struct guard *g, struct entry *en, enum entry_kind kind, uint64_t corr)
{
    make_entry(en, kind, corr, kind == ENTRY_OUTCOME ? "ok" : "");
    en->t = g->b.now - US_PER_S + (int64_t)corr;
    snprintf(en->actor.name, sizeof en->actor.name, "%s", g->me);
}

static void refused(struct audit_log *l, const struct entry *en, enum err_code code, const char *says)
{
    struct err e = {0};
    assert_false(audit_append(l, en, NULL, &e));
    if (e.code != code || !strstr(e.what, says))
        fail_msg("%s: %s", err_word(e.code), e.what);
}

/* ---- the same contract ---- */

static void test_same_as_the_file(void **state)
{
    static struct guard g;
    struct entry en;
    struct err e = {0};
    struct receipt r;
    struct audit_head head;
    struct audit_report report;
    struct arena a;
    struct stored *v;
    size_t n;
    char digest[65], dir[112];
    (void)state;
    begin(&g);
    run(&g);
    arena_init(&a);
    struct audit_log *l = client(&g, false), *looks = client(&g, true);
    char *big = xcalloc(700000, 1);
    memset(big, 'x', 699999);
    assert_true(audit_put_blob(l, big, 699999, digest, &e));
    assert_true(audit_put_blob(l, "", 0, (char[65]){0}, &e));
    /* the mark of a file's removal is nobody's to set */
    assert_false(audit_put_blob(l, "andon-removed 1\naudit.db.1\n", 27, (char[65]){0}, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    assert_true(audit_put_blob(l, "andon-removed 2\naudit.db.1\n", 27, (char[65]){0}, &e));
    mine(&g, &en, ENTRY_INTENT, 7);
    entry_str(&en, "devices.blob", digest);
    assert_true(audit_append(l, &en, &r, &e));
    assert_int_equal(r.seq, 2);
    mine(&g, &en, ENTRY_HALT, 8);
    assert_true(audit_append(l, &en, &r, &e));
    assert_int_equal(r.seq, 3);
    assert_true(audit_head(looks, &head, &e) && head.size == 3);
    assert_string_equal(head.root, r.root);
    assert_string_equal(head.origin, "andon/test");
    struct audit_query q = {.fleet = "homes", .kind = "intent"};
    assert_true(audit_query(looks, &q, &a, &v, &n, &e) && n == 1 && v[0].seq == 2);
    assert_string_equal(stored_field(&v[0], "devices.blob"), digest);
    q.kind = "ack";
    assert_true(audit_query(looks, &q, &a, &v, &n, &e) && n == 0);
    assert_true(audit_open_intents(l, "homes", &a, &v, &n, &e) && n == 2);
    assert_true(audit_latched(l, "homes", &a, &v, &n, &e) && n == 1 && v[0].seq == 3);
    assert_true(audit_latched(l, "other", &a, &v, &n, &e) && n == 0);
    struct buf back;
    buf_init(&back, 1 << 20);
    assert_true(audit_get_blob(looks, digest, &back, &e) && back.len == 699999 && back.data[699998] == 'x');
    assert_false(audit_get_blob(looks, r.leaf, &back, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_true(audit_verify_tail(l, 200, &report, &e) && report.ok);
    struct audit_spec spec = g.client;
    assert_true(audit_verify(&spec, NULL, &report, &e));
    assert_true(report.ok && report.entries == 3);
    snprintf(dir, sizeof dir, "%s/out", g.b.dir);
    const struct audit_export_spec what = {.q = &(struct audit_query){0}};
    assert_false(audit_export(looks, &what, dir, NULL, &e)); /* it is signed, and the key is the guard's */
    assert_int_equal(e.code, ERR_FORBIDDEN);
    audit_close(looks);
    g.client.key_path = g.b.key;
    looks = client(&g, true);
    if (!audit_export(looks, &what, dir, NULL, &e))
        fail_msg("%s (%s)", e.what, e.cause);
    assert_true(audit_verify_export(dir, NULL, NULL, 0, NULL, &report, &e) && report.ok && report.entries == 3);
    assert_false(audit_sign(l, "{}", 2, &back, &e));
    assert_int_equal(e.code, ERR_REFUSED);
    assert_false(audit_append(looks, &en, NULL, &e));
    free(big);
    buf_release(&back);
    arena_release(&a);
    audit_close(l);
    audit_close(looks);
    halt(&g);
    end(&g);
}

/* More than fits into an answer, from either end. */
/* Several at a time: what was written before one that is refused makes no second entry when it comes again. */
static void test_together(void **state)
{
    static char much[ENTRY_MAX + 1];
    static struct guard g;
    struct entry en[3];
    struct audit_item it[3];
    struct audit_blob blob = {.key = "facts.blob", .bytes = "facts", .n = 5};
    struct err e = {0};
    struct buf back;
    size_t refused;
    (void)state;
    begin(&g);
    run(&g);
    struct audit_log *l = client(&g, false);
    memset(much, 'x', sizeof much - 1);
    for (size_t i = 0; i < 3; i++) {
        mine(&g, &en[i], ENTRY_INTENT, 70 + i);
        it[i] = (struct audit_item){.entry = &en[i]};
    }
    it[0].blobs = &blob;
    it[0].n_blobs = 1;
    en[2].reason = much;
    assert_false(audit_append_all(l, it, 3, &refused, &e));
    assert_int_equal(refused, 2);
    en[2].reason = "less";
    assert_true(audit_append_all(l, it, 3, &refused, &e));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(it[i].receipt.seq, 2 + (int64_t)i);
    buf_init(&back, 100);
    assert_true(audit_get_blob(l, blob.digest, &back, &e));
    assert_string_equal(back.data, "facts");
    buf_release(&back);
    audit_close(l);
    halt(&g);
    end(&g);
}

static void test_many_rows(void **state)
{
    static struct guard g;
    struct entry en;
    struct err e = {0};
    struct arena a;
    struct stored *v;
    size_t n;
    (void)state;
    begin(&g);
    struct audit_log *direct = box_open(&g.b);
    for (int i = 1; i <= 1500; i++) {
        mine(&g, &en, i % 2 ? ENTRY_STEP : ENTRY_WATCH, (uint64_t)i);
        put(direct, &en);
    }
    audit_close(direct);
    run(&g);
    arena_init(&a);
    struct audit_log *l = client(&g, true);
    for (int down = 0; down < 2; down++) {
        struct audit_query q = {.newest_first = down, .limit = 5000};
        assert_true(audit_query(l, &q, &a, &v, &n, &e));
        assert_int_equal(n, 1501);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(v[i].seq, down ? 1501 - (int64_t)i : 1 + (int64_t)i);
        q.kind = "watch";
        q.from_seq = 100;
        assert_true(audit_query(l, &q, &a, &v, &n, &e));
        assert_int_equal(n, 701);
        q.limit = 3;
        assert_true(audit_query(l, &q, &a, &v, &n, &e) && n == 3 && v[0].seq == (down ? 1501 : 101));
    }
    arena_release(&a);
    audit_close(l);
    halt(&g);
    end(&g);
}

/* ---- who writes what ---- */

static void test_the_kernel_says_who(void **state)
{
    static struct guard g;
    struct entry en;
    struct err e = {0};
    struct arena a;
    struct stored *v;
    size_t n;
    char want[120];
    (void)state;
    begin(&g);
    setenv("SUDO_USER", "mallory\"", 1);
    run(&g);
    arena_init(&a);
    struct audit_log *l = client(&g, false);
    mine(&g, &en, ENTRY_INTENT, 7);
    assert_true(audit_append(l, &en, NULL, &e));
    assert_true(audit_query(l, &(struct audit_query){.kind = "intent"}, &a, &v, &n, &e) && n == 1);
    snprintf(want, sizeof want, "\"pid\":%ld,\"uid\":%ld},", (long)getpid(), (long)geteuid());
    const char *kernel = strstr(v[0].host, "\"kernel\":{"), *claimed = strstr(v[0].host, "\"claimed\":{"),
               *writer = strstr(v[0].host, "\"writer\":{");
    assert_true(kernel && writer && strstr(kernel, want));
    assert_true(claimed && strstr(claimed, "\"sudo_user\":\"mallory\\\"\"") < kernel);
    snprintf(want, sizeof want, "\"names\":{\"user\":\"%s\"}", g.me);
    assert_non_null(strstr(v[0].host, want));
    unsetenv("SUDO_USER");
    arena_release(&a);
    audit_close(l);
    halt(&g);
    end(&g);
}

static void test_what_a_client_may_write(void **state)
{
    static struct guard g;
    struct entry en;
    struct err e = {0};
    (void)state;
    begin(&g);
    struct audit_log *direct = box_open(&g.b);
    make_entry(&en, ENTRY_INTENT, 77, ""); /* mara's */
    put(direct, &en);
    audit_close(direct);
    run(&g);
    struct audit_log *l = client(&g, false);
    mine(&g, &en, ENTRY_GENESIS, 1);
    refused(l, &en, ERR_STATE, "kind genesis is written by the guard alone");
    mine(&g, &en, ENTRY_KEY, 1);
    refused(l, &en, ERR_STATE, "kind key is written by the guard alone");
    mine(&g, &en, ENTRY_CONFIG, 1); /* how long the log is kept is its writer's to say */
    en.result = "removed";
    refused(l, &en, ERR_STATE, "kind config is written by the guard alone");
    en.result = "hold-removed";
    refused(l, &en, ERR_STATE, "kind config is written by the guard alone");
    en.result = "hold";
    assert_true(audit_append(l, &en, NULL, &e));
    mine(&g, &en, ENTRY_ACK, 1);
    snprintf(en.actor.name, sizeof en.actor.name, "mara");
    refused(l, &en, ERR_STATE, "in the name of mara");
    mine(&g, &en, ENTRY_OUTCOME, 77);
    snprintf(en.actor.name, sizeof en.actor.name, "mara");
    assert_true(audit_append(l, &en, NULL, &e)); /* what became of hers */
    snprintf(en.actor.name, sizeof en.actor.name, "otto");
    refused(l, &en, ERR_STATE, "in the name of otto, who began nothing of it");
    snprintf(en.actor.name, sizeof en.actor.name, "mara");
    en.corr = 78;
    refused(l, &en, ERR_STATE, "in the name of mara, who began nothing of it");
    mine(&g, &en, ENTRY_HALT, 2);
    en.actor.kind = ACTOR_RULE;
    snprintf(en.actor.name, sizeof en.actor.name, "crash-loop");
    assert_true(audit_append(l, &en, NULL, &e));
    mine(&g, &en, ENTRY_INTENT, 3);
    entry_str(&en, "devices.blob", "00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa00aa");
    refused(l, &en, ERR_STATE, "names a blob that is not in the log");
    mine(&g, &en, ENTRY_INTENT, 4);
    en.t = g.b.now + US_PER_MIN;
    refused(l, &en, ERR_RANGE, "a time that has not come");
    mine(&g, &en, ENTRY_INTENT, 5);
    en.t -= 10 * US_PER_MIN;
    assert_true(audit_append(l, &en, NULL, &e));
    struct arena a;
    struct stored *v;
    size_t n;
    arena_init(&a);
    assert_true(audit_query(l, &(struct audit_query){.corr = 5}, &a, &v, &n, &e) && n == 1);
    assert_true(v[0].late);
    arena_release(&a);
    audit_close(l);
    halt(&g);
    end(&g);
}

/* ---- once ---- */

static void test_nothing_twice(void **state)
{
    static struct guard g;
    struct entry en;
    struct err e = {0};
    struct receipt r, again;
    struct audit_head head;
    (void)state;
    begin(&g);
    run(&g);
    struct audit_log *l = client(&g, false);
    mine(&g, &en, ENTRY_INTENT, 7);
    assert_true(audit_append(l, &en, &r, &e));
    en.late = true; /* as the engine hands in what it could not be sure of */
    assert_true(audit_append(l, &en, &again, &e));
    assert_int_equal(again.seq, r.seq);
    assert_string_equal(again.leaf, r.leaf);
    /* the guard ends */
    halt(&g);
    serve_close(g.s);
    mine(&g, &en, ENTRY_OUTCOME, 7);
    assert_false(audit_append(l, &en, NULL, &e));
    /* and is there again, with its answer to the one before never heard */
    open_guard(&g);
    run(&g);
    assert_true(audit_append(l, &en, &r, &e));
    assert_int_equal(r.seq, 3);
    assert_true(audit_head(l, &head, &e) && head.size == 3);
    audit_close(l);
    halt(&g);
    end(&g);
}

/* A guard that dies after it has read the question: nobody knows. One that reads the log to nobody else listens. */
static void test_not_known(void **state)
{
    static struct guard g;
    struct entry en;
    struct err e = {0};
    (void)state;
    begin(&g);
    run(&g);
    struct audit_log *l = client(&g, false);
    halt(&g);
    /* Its socket takes the bytes, and closes. */
    mine(&g, &en, ENTRY_INTENT, 7);
    serve_close(g.s);
    assert_false(audit_append(l, &en, NULL, &e));
    assert_int_equal(e.code, ERR_TIMEOUT);
    assert_non_null(strstr(e.what, "it is not known whether the guard has taken the entry"));
    audit_close(l);
    struct audit_spec spec = g.client;
    assert_null(audit_open(&spec, &e));
    assert_int_equal(e.code, ERR_IO);
    assert_non_null(strstr(e.what, "the guard that writes the audit log does not answer"));
    spec.read_only = true;
    spec.db_path = g.b.db; /* may be read: then it is */
    l = audit_open(&spec, &e);
    assert_non_null(l);
    audit_close(l);
    open_guard(&g);
    end(&g);
}

/* ---- hostile ---- */

static int raw(const struct guard *g)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(to.sun_path, sizeof to.sun_path, "%s", g->sock);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    assert_int_equal(errno, EAGAIN);
    close(fd);
    return -1;
}

static void say(int fd, const void *p, size_t n)
{
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), n);
}

static void greet(struct guard *g, int fd)
{
    struct buf b;
    char answer[200];
    buf_init(&b, 100);
    size_t at = wire_open(&b, WIRE_HELLO);
    wire_put(&b, WIRE_VERSION);
    wire_close(&b, at);
    say(fd, b.data, b.len);
    buf_release(&b);
    serve_turn(g->s, -1, 0);
    serve_turn(g->s, -1, 0);
    assert_true(recv(fd, answer, sizeof answer, 0) > WIRE_HEAD && answer[4] == WIRE_OK);
}

/* What has come: 'o' an answer, 'n' a no, 'c' closed without one, '.' nothing. */
static char heard(int fd)
{
    char answer[4096];
    ssize_t n = recv(fd, answer, sizeof answer, 0);
    return n > 4 ? (answer[4] == WIRE_OK ? 'o' : 'n') : n == 0 ? 'c' : errno == EAGAIN ? '.' : 'c';
}

static void test_garbage(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"\xff\xff\xff\xff\x07", 5}, /* a huge length */
        {"\0\0\0\0", 4},             /* none */
        {"\0\x10\0\x01\x07", 5},     /* more than an entry has */
        {"\0\0\0\x01\x40", 5},       /* an answer's word */
        {"\0\0\0\x01\0", 5},         /* no word */
        {"\0\0\0\x01\x63", 5},       /* none either */
        {"\0\0\0\x01\x02\0\0\0\x01\x02", 10} /* two questions at once */,
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {"\0\0\0\x02\x02x", 6},                     /* a question with something behind it */
        {"\0\0\0\x09\x07\xff\xff\xff\xff{}{}", 13}, /* an inner length that is not there */
        {"\0\0\0\x09\x01\0\0\0\0\0\0\0\x01", 13},   /* greets again */
    };
    static struct guard g;
    (void)state;
    begin(&g);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int fd = raw(&g);
        serve_turn(g.s, -1, 0);
        greet(&g, fd);
        say(fd, bad[i].bytes, bad[i].n);
        serve_turn(g.s, -1, 0);
        if (heard(fd) != 'n' || heard(fd) != 'c')
            fail_msg("case %zu", i);
        close(fd);
    }
    /* An entry that is none is refused, and the line stays. */
    int fd = raw(&g);
    serve_turn(g.s, -1, 0);
    greet(&g, fd);
    say(fd, "\0\0\0\x07\x07\0\0\0\x02{}", 11);
    serve_turn(g.s, -1, 0);
    assert_int_equal(heard(fd), 'n');
    say(fd, "\0\0\0\x01\x02", 5);
    serve_turn(g.s, -1, 0);
    assert_int_equal(heard(fd), 'o');
    close(fd);
    /* Who has not greeted is not answered. */
    fd = raw(&g);
    serve_turn(g.s, -1, 0);
    say(fd, "\0\0\0\x01\x02", 5);
    serve_turn(g.s, -1, 0);
    assert_int_equal(heard(fd), 'n');
    assert_int_equal(heard(fd), 'c');
    close(fd);
    end(&g);
}

static void test_slow(void **state)
{
    static struct guard g;
    (void)state;
    begin(&g);
    int half = raw(&g), silent = raw(&g), idle = raw(&g), drip = raw(&g);
    serve_turn(g.s, -1, 0);
    greet(&g, half);
    greet(&g, idle);
    greet(&g, drip);
    say(half, "\0\0\0\x01", 4);
    for (int i = 0; i < 5; i++) { /* a byte now and then: 36 s for one question */
        say(drip, &"\0\0\0\x09\x07"[i], 1);
        g.b.now += 9 * US_PER_S;
        serve_turn(g.s, -1, 0);
    }
    serve_turn(g.s, -1, 0);
    assert_int_equal(heard(half), 'c');
    assert_int_equal(heard(silent), 'c');
    assert_int_equal(heard(drip), 'c');
    assert_int_equal(heard(idle), '.'); /* says nothing, and owes nothing */
    say(idle, "\0\0\0\x01\x02", 5);
    serve_turn(g.s, -1, 0);
    assert_int_equal(heard(idle), 'o');
    assert_int_equal(serve_counts(g.s)->dropped, 3);
    close(half);
    close(silent);
    close(idle);
    close(drip);
    end(&g);
}

/* Who does not take its answer is dropped; meanwhile the others are answered. */
static void test_does_not_listen(void **state)
{
    static struct guard g;
    struct entry en;
    (void)state;
    begin(&g);
    struct audit_log *direct = box_open(&g.b);
    for (int i = 1; i <= 1000; i++) {
        mine(&g, &en, ENTRY_WATCH, (uint64_t)i);
        put(direct, &en);
    }
    audit_close(direct);
    int deaf = raw(&g), other = raw(&g), small = 1;
    assert_int_equal(setsockopt(deaf, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    serve_turn(g.s, -1, 0);
    greet(&g, deaf);
    greet(&g, other);
    struct buf b;
    struct wire_rows q = {.from = 1, .to = INT64_MAX};
    buf_init(&b, 4096);
    size_t at = wire_open(&b, WIRE_ROWS);
    wire_put_rows(&b, &q);
    wire_close(&b, at);
    say(deaf, b.data, b.len);
    serve_turn(g.s, -1, 0);
    g.b.now += 5 * US_PER_S;
    say(other, "\0\0\0\x01\x02", 5);
    serve_turn(g.s, -1, 0);
    assert_int_equal(heard(other), 'o');
    assert_int_equal(serve_counts(g.s)->dropped, 0);
    g.b.now += 6 * US_PER_S;
    serve_turn(g.s, -1, 0);
    assert_int_equal(serve_counts(g.s)->dropped, 1);
    buf_release(&b);
    close(deaf);
    close(other);
    end(&g);
}

static void test_a_thousand(void **state)
{
    static struct guard g;
    struct entry en;
    struct err e = {0};
    struct rlimit lim;
    static int fd[1000];
    size_t open = 0, away = 0;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &lim), 0);
    lim.rlim_cur = lim.rlim_max < 4096 ? lim.rlim_max : 4096;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &lim), 0);
    begin(&g);
    run(&g);
    struct audit_log *l = client(&g, false);
    for (int i = 0; i < 1000; i++) {
        do {
            fd[i] = raw(&g);
        } while (fd[i] < 0 && sched_yield() == 0);
        if (i % 100 == 0) { /* who is in goes on */
            mine(&g, &en, ENTRY_WATCH, (uint64_t)i + 1);
            assert_true(audit_append(l, &en, NULL, &e));
        }
    }
    halt(&g);
    for (int i = 0; i < 70; i++)
        serve_turn(g.s, -1, 0);
    for (int i = 0; i < 1000; i++) {
        char h = heard(fd[i]);
        open += h == '.';
        away += h == 'n';
        close(fd[i]);
    }
    assert_int_equal(open, SERVE_EACH - 1);
    assert_int_equal(away, 1000 - open);
    assert_int_equal(serve_counts(g.s)->refused, away);
    audit_close(l);
    end(&g);
}

/* So many appends at once, then only so many a second; who only reads is never held back. */
static void test_budget(void **state)
{
    static struct guard g;
    struct entry en;
    struct buf line, b;
    (void)state;
    begin(&g);
    int fd = raw(&g), reads = raw(&g), answered = 0;
    serve_turn(g.s, -1, 0);
    greet(&g, fd);
    greet(&g, reads);
    for (int i = 1; i <= SERVE_BURST + 2; i++) {
        buf_init(&line, ENTRY_MAX);
        buf_init(&b, ENTRY_MAX + 100);
        mine(&g, &en, ENTRY_WATCH, (uint64_t)i);
        assert_true(entry_canonical(&en, 0, "", &line, NULL));
        size_t at = wire_open(&b, WIRE_APPEND);
        wire_put_bytes(&b, line.data, line.len);
        wire_close(&b, at);
        say(fd, b.data, b.len);
        buf_release(&line);
        buf_release(&b);
        serve_turn(g.s, -1, 0);
        char h = heard(fd);
        answered += h == 'o';
        if (h != 'o')
            break;
    }
    assert_int_equal(answered, SERVE_BURST);
    say(reads, "\0\0\0\x01\x02", 5);
    serve_turn(g.s, -1, 0);
    assert_int_equal(heard(reads), 'o');
    assert_int_equal(heard(fd), '.');
    g.b.now += US_PER_S / SERVE_RATE;
    serve_turn(g.s, -1, 0);
    assert_int_equal(heard(fd), 'o');
    close(fd);
    close(reads);
    end(&g);
}

/* ---- the socket itself ---- */

static void test_one_guard(void **state)
{
    static struct guard g;
    struct err e = {0};
    struct stat st;
    (void)state;
    begin(&g);
    assert_int_equal(lstat(g.sock, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(g.drop, &st), 0);
    assert_int_equal(st.st_mode & 07777, SPOOL_DROP_MODE);
    assert_null(serve_open(&g.spec, &e));
    assert_int_equal(e.code, ERR_CONFLICT);
    /* removed by somebody: it is there again */
    assert_int_equal(unlink(g.sock), 0);
    g.b.now += 3 * US_PER_S;
    serve_turn(g.s, -1, 0);
    run(&g);
    audit_close(client(&g, false));
    halt(&g);
    serve_close(g.s);
    assert_int_equal(lstat(g.sock, &st), -1);
    /* something else stands there, and stays */
    write_all(g.sock, "x", 1);
    assert_null(serve_open(&g.spec, &e));
    assert_int_equal(e.code, ERR_FORBIDDEN);
    assert_int_equal(unlink(g.sock), 0);
    /* what a guard that was killed has left is in nobody's way */
    g.spec.group = getegid();
    open_guard(&g);
    assert_int_equal(lstat(g.sock, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    end(&g);
}

static void test_a_folder_of_others(void **state)
{
    static struct guard g;
    struct err e = {0};
    char dir[112];
    (void)state;
    begin(&g);
    run(&g);
    snprintf(dir, sizeof dir, "%s/run", g.b.dir);
    assert_int_equal(chmod(dir, 0777), 0);
    assert_null(audit_open(&g.client, &e));
    assert_int_equal(e.code, ERR_FORBIDDEN);
    assert_int_equal(chmod(dir, 0755), 0);
    halt(&g);
    end(&g);
}

/* ---- what waited ---- */

static size_t in_folder(const char *dir)
{
    char cmd[200], n[16] = "";
    snprintf(cmd, sizeof cmd, "ls -A %s | wc -l", dir);
    FILE *f = popen(cmd, "re");
    assert_non_null(f);
    assert_non_null(fgets(n, sizeof n, f));
    pclose(f);
    return strtoul(n, NULL, 10);
}

static void test_left_in_the_shared_folder(void **state)
{
    static struct guard g;
    struct entry en;
    struct err e = {0};
    struct arena a;
    struct stored *v;
    size_t n;
    char where[PATH_MAX], uid[32];
    struct stat st;
    struct spool_blob blob = {"inputs.blob", "[1,2]", 5};
    (void)state;
    begin(&g);
    serve_turn(g.s, -1, 0); /* looks there for the first time */
    struct spool *s = spool_new(&g.client);
    mine(&g, &en, ENTRY_HALT, 9);
    if (!spool_put(s, &en, &blob, where, &e))
        fail_msg("%s (%s)", e.what, e.cause);
    assert_int_equal(strncmp(where, g.drop, strlen(g.drop)), 0);
    assert_int_equal(stat(where, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    arena_init(&a);
    /* it is latched at once for who can see it, and the client leaves it where it is */
    run(&g);
    struct audit_log *l = client(&g, false);
    halt(&g);
    assert_int_equal(audit_taken_in(l)->waiting, 1);
    assert_int_equal(audit_taken_in(l)->taken, 0);
    g.b.now += SERVE_TAKE_US;
    serve_turn(g.s, -1, 0);
    run(&g);
    assert_true(audit_query(l, &(struct audit_query){.kind = "halt"}, &a, &v, &n, &e) && n == 1 && v[0].late);
    snprintf(uid, sizeof uid, "%ld", (long)geteuid());
    assert_string_equal(stored_field(&v[0], "spool.uid"), uid);
    assert_string_equal(stored_field(&v[0], "spool.user"), g.me);
    assert_int_equal(strlen(stored_field(&v[0], "inputs.blob")), 64);
    assert_non_null(strstr(v[0].host, "\"kernel\""));
    assert_int_equal(in_folder(g.drop), 0);
    halt(&g);
    /* in another's name: not taken */
    mine(&g, &en, ENTRY_HALT, 10);
    snprintf(en.actor.name, sizeof en.actor.name, "mara");
    assert_true(spool_put(s, &en, NULL, where, &e));
    g.b.now += SERVE_TAKE_US;
    serve_turn(g.s, -1, 0);
    run(&g);
    assert_true(audit_query(l, &(struct audit_query){.kind = "halt"}, &a, &v, &n, &e) && n == 1);
    assert_true(audit_query(l, &(struct audit_query){.kind = "degraded"}, &a, &v, &n, &e) && n == 1);
    assert_int_equal(in_folder(g.drop), 1); /* *.bad */
    audit_close(l);
    spool_free(s);
    arena_release(&a);
    halt(&g);
    end(&g);
}

/* What lies in the client's own folder it hands in itself. */
static void test_handed_in(void **state)
{
    static struct guard g;
    struct entry en;
    struct err e = {0};
    struct arena a;
    struct stored *v;
    size_t n;
    char own[112];
    (void)state;
    begin(&g);
    snprintf(own, sizeof own, "%s/own", g.b.dir);
    g.client.spool[1] = own;
    g.client.spool[0] = "/nonexistent/drop";
    struct spool *s = spool_new(&g.client);
    mine(&g, &en, ENTRY_HALT, 9);
    assert_true(spool_put(s, &en, &(struct spool_blob){"inputs.blob", "[1,2]", 5}, NULL, &e));
    run(&g);
    struct audit_log *l = client(&g, false);
    arena_init(&a);
    assert_int_equal(audit_taken_in(l)->taken, 1);
    assert_int_equal(in_folder(own), 0);
    assert_true(audit_query(l, &(struct audit_query){.kind = "halt"}, &a, &v, &n, &e) && n == 1 && v[0].late);
    assert_non_null(strstr(v[0].host, "\"writer\":{"));
    assert_int_equal(strlen(stored_field(&v[0], "inputs.blob")), 64);
    audit_close(l);
    spool_free(s);
    arena_release(&a);
    halt(&g);
    end(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_the_file),
        cmocka_unit_test(test_together),
        cmocka_unit_test(test_many_rows),
        cmocka_unit_test(test_the_kernel_says_who),
        cmocka_unit_test(test_what_a_client_may_write),
        cmocka_unit_test(test_nothing_twice),
        cmocka_unit_test(test_not_known),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_slow),
        cmocka_unit_test(test_does_not_listen),
        cmocka_unit_test(test_a_thousand),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_one_guard),
        cmocka_unit_test(test_a_folder_of_others),
        cmocka_unit_test(test_left_in_the_shared_folder),
        cmocka_unit_test(test_handed_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
