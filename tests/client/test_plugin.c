/* Plug-ins: the template through the whole device part, and ones that misbehave in every way that a program can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "client/plugin_impl.h"
#include "core/clock.h"
#include "core/trace.h"

static char dir[] = "/tmp/andon-plugin-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    static const char *const names[] = {"fleet.json", "once", "fifo", "fifo.ready", "secret", "probe"};
    char path[PATH_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

static const char *at(const char *name)
{
    static char buf[4][PATH_MAX];
    static int k;
    char *p = buf[k++ % 4];
    snprintf(p, PATH_MAX, "%s/%s", dir, name);
    return p;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(at(name), 0600), 0);
}

/* ---- a clock that a test may push forward, and a trace that is kept ---- */

struct pushed {
    struct clock clock;
    int64_t by;
};

static int64_t pushed_now(struct clock *c)
{
    return clock_now(clock_real()) + ((struct pushed *)c)->by;
}

static int64_t pushed_idle(struct clock *c, int64_t deadline, unsigned in_flight)
{
    (void)in_flight;
    int64_t left = deadline - pushed_now(c);
    return left > 0 ? left : 0;
}

struct kept {
    struct trace trace;
    struct buf text;
    size_t lines;
};

static void keep(struct trace *t, char *line, size_t n)
{
    struct kept *k = (struct kept *)t;
    buf_add(&k->text, line, n);
    k->lines++;
    free(line);
}

struct rig {
    struct pushed clock;
    struct kept kept;
    struct http *http;
    struct backend *b;
    struct arena arena;
    bool done;
    struct reply reply;
    struct err err;
};

static void on_done(void *ctx, const struct reply *r)
{
    struct rig *g = ctx;
    assert_false(g->done);
    g->done = true;
    g->reply = *r;
    g->err = r->err ? *r->err : (struct err){0};
}

static void run(struct rig *g)
{
    int64_t until = clock_now(clock_real()) + 60 * US_PER_S;
    while (!g->done && clock_now(clock_real()) < until)
        http_run(g->http, -1, clock_now(&g->clock.clock) + US_PER_S, 0);
    assert_true(g->done);
    g->done = false;
}

#define ASK(g, op, ...)                                                                                                \
    do {                                                                                                               \
        (g)->b->ops->op((g)->b, __VA_ARGS__, on_done, (g));                                                            \
        run(g);                                                                                                        \
    } while (0)

static void rig_open(struct rig *g, struct fleet_spec *f)
{
    struct err e = {0};
    *g = (struct rig){.clock = {{.now = pushed_now, .idle = pushed_idle, .wall = pushed_now}, 0}};
    g->kept.trace = (struct trace){TRACE_ALL, keep};
    buf_init(&g->kept.text, SIZE_MAX);
    arena_init(&g->arena);
    g->http = http_new(&g->clock.clock, 1);
    f->name = "pumps";
    f->kind = "plugin";
    f->endpoint.traced = (struct traced){.trace = &g->kept.trace, .fleet = "pumps", .role = "fleet"};
    if (!f->endpoint.timeout_us)
        f->endpoint.timeout_us = 20 * US_PER_S;
    g->b = backend_open(g->http, f, &e);
    if (!g->b)
        fail_msg("%s", e.what);
}

static void rig_close(struct rig *g)
{
    backend_free(g->b);
    http_free(g->http);
    arena_release(&g->arena);
    buf_release(&g->kept.text);
}

/* ---- the template ---- */

static const char fleet_json[] =
    "{\"releases\": [{\"id\": \"7\", \"name\": \"fw\", \"version\": \"1.0\", \"order\": 1}, {\"id\": \"8\", \"name\": "
    "\"fw\", \"version\": \"2.0\", \"order\": 2}], \"devices\": {\"d-1\": {\"installed\": \"7\", \"attributes\": "
    "{\"rev\": \"B\"}}, \"d 2\": {\"installed\": \"7\", \"attributes\": {\"rev\": \"b\"}}, \"d\\u001b3\": "
    "{\"installed\": \"8\"}}}";

static void open_template(struct rig *g)
{
    static const char *argv[] = {"plugins/template.py", NULL};
    static const char *write[] = {dir, NULL};
    static const char *options[1][2];
    static char path[PATH_MAX];
    struct fleet_spec f = {.plugin = {.argv = argv, .write = write, .n_options = 1}};
    put("fleet.json", fleet_json);
    snprintf(path, sizeof path, "%s", at("fleet.json"));
    options[0][0] = "file";
    options[0][1] = path;
    f.plugin.options = (const char *const(*)[2])options;
    rig_open(g, &f);
}

static void the_template_serves_the_device_part(void **state)
{
    struct rig g = {0};
    struct backend_info info;
    struct release_list releases;
    struct release r;
    struct device_list devices;
    struct device_info one;
    const char *ids[] = {"d-1", "gone", "d 2", "d-1"};
    struct device_standing at4[4];
    struct tell_result told[4];
    (void)state;
    open_template(&g);
    ASK(&g, probe, &g.arena, &info);
    assert_int_equal(g.err.code, ERR_NONE);
    assert_string_equal(info.kind, "plugin");
    assert_string_equal(info.version, "template 1");
    assert_int_equal(info.caps, CAP_TELL | CAP_RECALL | CAP_DOWNGRADE);
    assert_int_equal(g.b->ops->tell_most, 100);
    ASK(&g, releases, 10, &g.arena, &releases);
    assert_int_equal(releases.n, 2);
    assert_string_equal(releases.v[0].version, "2.0");
    assert_int_equal(releases.v[0].order, 2);
    ASK(&g, releases, 1, &g.arena, &releases);
    assert_int_equal(releases.n, 1);
    ASK(&g, release, NULL, "fw", "1.0", &g.arena, &r);
    assert_string_equal(r.id, "7");
    ASK(&g, release, "8", NULL, NULL, &g.arena, &r);
    assert_int_equal(g.err.code, ERR_NONE);
    assert_string_equal(r.version, "2.0");
    struct release r8 = r;
    ASK(&g, release, NULL, "fw", "9", &g.arena, &r);
    assert_int_equal(g.err.code, ERR_NOT_FOUND);
    ASK(&g, devices, NULL, 100, &g.arena, &devices);
    assert_int_equal(devices.n, 3);
    assert_string_equal(devices.v[2].raw_id, "d\x1b"
                                             "3");
    assert_null(strchr(devices.v[2].id, '\x1b'));
    const char *include[] = {"d 2"}, *exclude[] = {"d-1"};
    const char *const equals[1][2] = {{"rev", "B"}};
    struct device_filter f8 = {.installed = &r8};
    ASK(&g, devices, &f8, 100, &g.arena, &devices);
    assert_int_equal(devices.n, 1);
    f8 = (struct device_filter){.installed = &r8, .include = include, .n_include = 1};
    ASK(&g, devices, &f8, 100, &g.arena, &devices);
    assert_int_equal(devices.n, 2);
    f8 = (struct device_filter){.exclude = exclude, .n_exclude = 1};
    ASK(&g, devices, &f8, 100, &g.arena, &devices);
    assert_int_equal(devices.n, 2);
    f8 = (struct device_filter){.include = include, .n_include = 1, .only_include = true};
    ASK(&g, devices, &f8, 100, &g.arena, &devices);
    assert_int_equal(devices.n, 1);
    assert_string_equal(devices.v[0].id, "d 2");
    f8 = (struct device_filter){.equals = equals, .n_equals = 1};
    ASK(&g, devices, &f8, 100, &g.arena, &devices);
    assert_int_equal(devices.n, 1);
    exclude[0] = "\xff";
    f8 = (struct device_filter){.exclude = exclude, .n_exclude = 1};
    ASK(&g, devices, &f8, 100, &g.arena, &devices);
    assert_int_equal(g.err.code, ERR_RANGE);
    ASK(&g, device, "d-1", &g.arena, &one);
    assert_string_equal(one.installed.version, "1.0");
    assert_string_equal(one.assigned.id, "");
    assert_int_equal(one.n_attributes, 1);
    ASK(&g, device, "gone", &g.arena, &one);
    assert_int_equal(g.err.code, ERR_NOT_FOUND);

    ASK(&g, standing, &r8, ids, 4, &g.arena, at4);
    assert_int_equal(g.err.code, ERR_NONE);
    assert_int_equal(at4[0].at, AT_OTHER);
    assert_int_equal(at4[1].at, AT_ABSENT);
    assert_int_equal(at4[3].at, AT_OTHER);
    ASK(&g, tell, &r8, ids, 3, "i-1", &g.arena, told);
    assert_int_equal(g.err.code, ERR_NONE);
    assert_int_equal(told[0].outcome, TELL_DONE);
    assert_int_equal(told[1].outcome, TELL_REFUSED);
    assert_string_equal(told[1].why, "no such device");
    assert_int_equal(told[2].outcome, TELL_DONE);
    assert_int_equal(g.reply.n_requests, 1);
    assert_string_equal(g.reply.requests[0].method, "tell");
    assert_int_equal(strlen(g.reply.requests[0].body_sha256), 64);
    assert_int_equal(strlen(g.reply.requests[0].answer_sha256), 64);
    ASK(&g, standing, &r8, ids, 4, &g.arena, at4);
    assert_int_equal(at4[0].at, AT_TOLD);
    assert_true(at4[0].told_at > 0);
    int64_t told_at = at4[0].told_at;
    ASK(&g, tell, &r8, ids, 1, "i-1", &g.arena, told);
    ASK(&g, standing, &r8, ids, 1, &g.arena, at4);
    assert_int_equal(at4[0].told_at, told_at);
    ASK(&g, recall, &r8, ids, 3, "i-1", NULL, false, &g.arena, told);
    assert_int_equal(told[0].outcome, TELL_DONE);
    assert_int_equal(told[1].outcome, TELL_REFUSED);
    ASK(&g, standing, &r8, ids, 1, &g.arena, at4);
    assert_int_equal(at4[0].at, AT_OTHER);
    ASK(&g, recall, &r8, ids, 1, "i-1", NULL, true, &g.arena, told);
    assert_int_equal(g.err.code, ERR_UNSUPPORTED); /* no force, and nothing was sent */
    assert_int_equal(told[0].outcome, TELL_NOT_SENT);
    assert_false(g.reply.maybe_sent);
    rig_close(&g);
}

static void attributes_come_for_all_at_once(void **state)
{
    struct rig g = {0};
    const char *ids[] = {"d-1", "d 2", "gone"}, *keys[] = {"REV", "site"};
    struct attribute_table t;
    (void)state;
    open_template(&g);
    ASK(&g, attributes, ids, 3, keys, 2, 10, false, &g.arena, &t);
    assert_int_equal(g.err.code, ERR_NONE);
    assert_int_equal(t.n_names, 1); /* B and b are one */
    assert_int_equal(t.v[0], 0);
    assert_int_equal(t.v[2], 0);
    assert_int_equal(t.v[1], -1);
    assert_int_equal(t.v[4], -1);
    keys[0] = "rev";
    ASK(&g, attributes, ids, 3, keys, 2, 10, true, &g.arena, &t);
    assert_int_equal(t.n_names, 2);
    assert_string_equal(t.names[t.v[2]], "b");
    rig_close(&g);
}

/* ---- plug-ins that misbehave ---- */

static const struct release r1 = {.id = "1", .name = "fw", .version = "1"};

static void open_hostile(struct rig *g, struct fleet_spec *f, const char *mode, const char *once, const char *third)
{
    static const char *argv[5], *write[] = {dir, NULL};
    argv[0] = "tests/client/hostile-plugin.py";
    argv[1] = mode;
    argv[2] = once;
    argv[3] = once ? third : NULL;
    argv[4] = NULL;
    f->plugin.argv = argv;
    f->plugin.write = write;
    rig_open(g, f);
}

/* Each breach ends it: the answer is an error, a verb may have had its effect, and it is started again only after a
 * pause, when it serves as if nothing had been. */
static void breaches_are_no_answers(void **state)
{
    static const char *const modes[] = {"garbage", "empty",   "list",    "deep",  "double",   "unknown", "noid",
                                        "nook",    "long",    "endless", "twice", "stranger", "again",   "word",
                                        "noitems", "toomany", "half",    "dies",  "killed",   "closes"};
    const char *ids[] = {"a", "b"};
    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct rig g;
        struct fleet_spec f = {0};
        struct tell_result told[2];
        unlink(at("once"));
        char once[PATH_MAX];
        snprintf(once, sizeof once, "%s", at("once"));
        open_hostile(&g, &f, modes[i], once, NULL);
        ASK(&g, tell, &r1, ids, 2, "i-1", &g.arena, told);
        bool twice = strcmp(modes[i], "twice") == 0; /* its first answer counts */
        if ((g.err.code == ERR_NONE) != twice || told[0].outcome != TELL_NOT_KNOWN || told[1].outcome != TELL_NOT_KNOWN)
            fail_msg("%s: %s, %d", modes[i], g.err.what, (int)told[0].outcome);
        if (!twice && g.err.code != ERR_PROTOCOL && g.err.code != ERR_NETWORK)
            fail_msg("%s: %s", modes[i], err_word(g.err.code));
        assert_int_equal(g.reply.maybe_sent, !twice);
        assert_int_equal(g.reply.n_requests, 1);
        assert_null(strpbrk(g.err.what, "\x1b\n"));
        if (!twice) {
            pid_t was = plugin_pid(g.b);
            assert_int_equal(was, 0);
            ASK(&g, tell, &r1, ids, 2, "i-2", &g.arena, told);
            assert_true(g.err.code == ERR_PROTOCOL || g.err.code == ERR_NETWORK);
            assert_false(g.reply.maybe_sent);
            assert_int_equal(told[0].outcome, TELL_NOT_SENT);
            g.clock.by += 2 * US_PER_S;
            ASK(&g, tell, &r1, ids, 2, "i-3", &g.arena, told);
            if (g.err.code != ERR_NONE)
                fail_msg("%s: %s", modes[i], g.err.what);
            assert_int_equal(told[0].outcome, TELL_DONE);
        }
        rig_close(&g);
    }
}

/* A read that fails says nothing of a device, least of all that it is well. */
static void nothing_is_known_of_a_dead_one(void **state)
{
    struct rig g;
    struct fleet_spec f = {0};
    struct device_standing s[1];
    const char *ids[] = {"a"};
    (void)state;
    open_hostile(&g, &f, "dead", NULL, NULL);
    for (int i = 0; i < 8; i++) { /* the pauses grow to a minute, and no further */
        ASK(&g, standing, &r1, ids, 1, &g.arena, s);
        assert_int_equal(g.err.code, ERR_NETWORK);
        assert_int_equal(s[0].at, AT_UNKNOWN);
        assert_non_null(strstr(g.err.what, "exit 9"));
        assert_non_null(strstr(g.err.cause, "no module named acme"));
        assert_null(strchr(g.err.cause, '\x1b'));
        g.clock.by += i < 6 ? INT64_C(1) << i << 20 : 61 * US_PER_S;
    }
    rig_close(&g);
}

static void a_greeting_that_is_none(void **state)
{
    static const struct {
        const char *mode, *says;
        enum err_code code;
    } v[] = {{"proto", "version 1", ERR_PROTOCOL}, {"caps", "caps[1]", ERR_PROTOCOL}, {"refuses", "who", ERR_AUTH}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct rig g;
        struct fleet_spec f = {0};
        struct backend_info info;
        open_hostile(&g, &f, v[i].mode, NULL, NULL);
        ASK(&g, probe, &g.arena, &info);
        assert_int_equal(g.err.code, v[i].code);
        assert_non_null(strstr(g.err.what, v[i].says));
        assert_null(strchr(g.err.what, '\x1b'));
        assert_int_equal(info.caps, 0);
        rig_close(&g);
    }
}

static void one_that_does_not_answer(void **state)
{
    struct rig g;
    struct fleet_spec f = {.endpoint = {.timeout_us = 20 * US_PER_S}};
    struct tell_result told[1];
    struct release_list releases;
    const char *ids[] = {"a"};
    (void)state;
    /* time is pushed, so that no machine is too slow for it */
    open_hostile(&g, &f, "silent", NULL, NULL);
    ASK(&g, releases, 1, &g.arena, &releases);
    assert_int_equal(g.err.code, ERR_NONE);
    for (int i = 0; i < 3; i++) {
        pid_t pid = plugin_pid(g.b);
        assert_true(pid > 0);
        g.b->ops->tell(g.b, &r1, ids, 1, "i-1", &g.arena, told, on_done, &g);
        http_run(g.http, -1, clock_now(&g.clock.clock), 0);
        g.clock.by += 23 * US_PER_S;
        run(&g);
        assert_int_equal(g.err.code, ERR_TIMEOUT);
        assert_true(g.reply.maybe_sent);
        assert_int_equal(told[0].outcome, TELL_NOT_KNOWN);
    }
    assert_int_equal(plugin_pid(g.b), 0); /* three in a row: it was ended */
    rig_close(&g);
}

static void an_answer_that_comes_too_late_is_dropped(void **state)
{
    struct rig g;
    struct fleet_spec f = {0};
    struct device_list devices;
    struct release_list releases;
    struct backend_info info;
    (void)state;
    open_hostile(&g, &f, "late", NULL, NULL);
    ASK(&g, probe, &g.arena, &info);
    assert_int_equal(g.err.code, ERR_NONE);
    pid_t pid = plugin_pid(g.b);
    g.b->ops->devices(g.b, NULL, 10, &g.arena, &devices, on_done, &g);
    http_run(g.http, -1, clock_now(&g.clock.clock), 0);
    g.clock.by += 23 * US_PER_S;
    run(&g);
    assert_int_equal(g.err.code, ERR_TIMEOUT);
    ASK(&g, releases, 1, &g.arena, &releases);
    assert_int_equal(g.err.code, ERR_NONE);
    assert_int_equal(plugin_pid(g.b), pid);
    rig_close(&g);
}

static void count(void *ctx, const struct reply *r)
{
    assert_non_null(r->err);
    ++*(int *)ctx;
}

static void a_recall_passes_what_is_open(void **state)
{
    struct rig g;
    int others = 0;
    struct fleet_spec f = {0};
    struct device_list d1, d2, d3;
    struct tell_result told[1];
    const char *ids[] = {"a"};
    (void)state;
    open_hostile(&g, &f, "silent", NULL, NULL);
    g.b->ops->devices(g.b, NULL, 1, &g.arena, &d1, count, &others);
    g.b->ops->devices(g.b, NULL, 1, &g.arena, &d2, count, &others);
    g.b->ops->devices(g.b, NULL, 1, &g.arena, &d3, count, &others);
    ASK(&g, recall, &r1, ids, 1, "i-1", NULL, false, &g.arena, told);
    assert_int_equal(g.err.code, ERR_NONE);
    assert_int_equal(told[0].outcome, TELL_DONE);
    assert_int_equal(others, 0);
    backend_free(g.b); /* they end with it */
    assert_int_equal(others, 3);
    http_free(g.http);
    arena_release(&g.arena);
    buf_release(&g.kept.text);
}

/* What could not even be written was not carried out; and it is not written later. */
static void what_never_left_was_not_sent(void **state)
{
    struct rig g;
    int others = 0;
    struct fleet_spec f = {0};
    static char names[500][250];
    const char *ids[500], *one[] = {"a"};
    struct device_standing s[500];
    struct tell_result told[1];

    (void)state;
    open_hostile(&g, &f, "deaf", NULL, NULL);
    for (size_t i = 0; i < 500; i++) {
        snprintf(names[i], sizeof names[i], "%0240zu", i);
        ids[i] = names[i];
    }
    struct release_list none;
    g.b->ops->releases(g.b, 1, &g.arena, &none, count, &others);
    while (!strstr(g.kept.text.data, "\"answered\"")) /* it has said hello, and reads no more */
        http_run(g.http, -1, clock_now(&g.clock.clock) + US_PER_S, 0);
    g.b->ops->standing(g.b, &r1, ids, 500, &g.arena, s, count, &others);
    g.b->ops->tell(g.b, &r1, one, 1, "i-1", &g.arena, told, on_done, &g);
    http_run(g.http, -1, clock_now(&g.clock.clock), 0);
    g.clock.by += 23 * US_PER_S;
    run(&g);
    assert_int_equal(g.err.code, ERR_TIMEOUT);
    assert_false(g.reply.maybe_sent);
    assert_int_equal(told[0].outcome, TELL_NOT_SENT);
    assert_int_equal(s[0].at, AT_UNKNOWN);
    rig_close(&g);
}

static void what_the_server_said_of_each(void **state)
{
    struct rig g;
    struct fleet_spec f = {0};
    struct tell_result told[2];
    const char *ids[] = {"a", "b"};
    (void)state;
    open_hostile(&g, &f, "refuse-tell", NULL, NULL);
    ASK(&g, tell, &r1, ids, 2, "i-1", &g.arena, told);
    assert_int_equal(g.err.code, ERR_STATE);
    assert_false(g.reply.maybe_sent);
    assert_int_equal(told[1].outcome, TELL_REFUSED);
    assert_non_null(strstr(told[1].why, "not now"));
    rig_close(&g);
    open_hostile(&g, &f, "unclear", NULL, NULL); /* half of the list, and then a 502 */
    ASK(&g, tell, &r1, ids, 2, "i-1", &g.arena, told);
    assert_int_equal(g.err.code, ERR_NETWORK);
    assert_true(g.reply.maybe_sent);
    assert_int_equal(told[0].outcome, TELL_DONE);
    assert_string_equal(told[0].undo, "feed-7");
    assert_int_equal(told[1].outcome, TELL_NOT_KNOWN);
    rig_close(&g);
}

static void noise_is_clipped(void **state)
{
    struct rig g;
    struct fleet_spec f = {0};
    struct release_list releases;
    size_t said = 0;
    (void)state;
    open_hostile(&g, &f, "flood", NULL, NULL);
    ASK(&g, releases, 1, &g.arena, &releases);
    assert_int_equal(g.err.code, ERR_NONE);
    for (const char *p = g.kept.text.data; (p = strstr(p, "\"said\"")); p++)
        said++;
    assert_in_range(said, 1, 100);
    assert_null(strchr(g.kept.text.data, '\x1b'));
    rig_close(&g);
}

/* What it has started ends with it, though the pipes are still open. */
static void children_end_with_it(void **state)
{
    struct rig g;
    struct fleet_spec f = {0};
    struct release_list releases;
    char once[PATH_MAX], fifo[PATH_MAX], c;
    (void)state;
    unlink(at("once"));
    snprintf(once, sizeof once, "%s", at("once"));
    snprintf(fifo, sizeof fifo, "%s", at("fifo"));
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(mkfifo(at("fifo.ready"), 0600), 0);
    int ready = open(at("fifo.ready"), O_RDWR), fd = open(fifo, O_RDONLY | O_NONBLOCK);
    open_hostile(&g, &f, "forks", once, fifo);
    g.b->ops->releases(g.b, 1, &g.arena, &releases, on_done, &g);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 0) == 0 || !(p.revents & POLLIN))
        http_run(g.http, fd, clock_now(&g.clock.clock) + 10 * US_PER_MS, 0);
    assert_int_equal(read(fd, &c, 1), 1);
    close(ready); /* its reader gets the end, and exits */
    run(&g);
    assert_int_equal(g.err.code, ERR_NETWORK);
    assert_int_equal(poll(&p, 1, 30000), 1);
    assert_int_equal(read(fd, &c, 1), 0); /* nobody holds it any more */
    close(fd);
    rig_close(&g);
}

static void one_that_refuses_to_end(void **state)
{
    struct rig g;
    struct fleet_spec f = {0};
    struct backend_info info;
    (void)state;
    open_hostile(&g, &f, "deaf-end", NULL, NULL);
    ASK(&g, probe, &g.arena, &info);
    assert_int_equal(g.err.code, ERR_NONE);
    pid_t pid = plugin_pid(g.b);
    assert_int_equal(kill(pid, 0), 0);
    rig_close(&g);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

/* It leaves its group: it is killed all the same, and nobody waits for ever. */
static void one_that_leaves_its_group(void **state)
{
    struct rig g;
    struct fleet_spec f = {0};
    struct backend_info info;
    (void)state;
    open_hostile(&g, &f, "moves", NULL, NULL);
    ASK(&g, probe, &g.arena, &info);
    pid_t pid = plugin_pid(g.b), group = getpgid(pid);
    assert_true(pid > 0 && group != pid);
    rig_close(&g);
    assert_int_equal(kill(pid, 0), -1);
    kill(-group, SIGKILL); /* its child: the test's own to end */
}

/* What does not end when it is killed hangs in the kernel: the wait for it has an end. */
static void a_wait_has_an_end(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    assert_false(plugin_reap(pid, 0));
    assert_false(plugin_reap(pid, 20000));
    kill(pid, SIGKILL);
    assert_true(plugin_reap(pid, 10 * US_PER_S));
    assert_true(plugin_reap(pid, 0)); /* it is gone */
}

static void a_hundred_thousand_devices_are_streamed(void **state)
{
    struct rig g;
    struct fleet_spec f = {.endpoint = {.timeout_us = 60 * US_PER_S}};
    struct device_list devices;
    (void)state;
    open_hostile(&g, &f, "many", NULL, NULL);
    g.kept.trace.kinds = 0;
    ASK(&g, devices, NULL, 100000, &g.arena, &devices);
    assert_int_equal(g.err.code, ERR_NONE);
    assert_int_equal(devices.n, 100000);
    assert_string_equal(devices.v[99999].raw_id, "d-099999");
    ASK(&g, devices, NULL, 10, &g.arena, &devices); /* more than was asked for is left out */
    assert_int_equal(devices.n, 10);
    assert_int_equal(devices.total, 100000);
    rig_close(&g);
}

/* ---- what it gets, and may do ---- */

static void it_gets_nothing_of_ours(void **state)
{
    struct rig g;
    static const char *options[1][2];
    struct fleet_spec f = {.plugin = {.n_options = 1}};
    struct backend_info info;
    struct plugin_box box;
    char text[1000];
    (void)state;
    put("probe", "x");
    char home[] = "/tmp/andon-outside-XXXXXX";
    int outside = mkstemp(home);
    options[0][0] = "probe";
    options[0][1] = home;
    f.plugin.options = (const char *const(*)[2])options;
    setenv("ANDON_TEST_SECRET", "hush", 1);
    int leak = dup(outside); /* not close-on-exec */
    open_hostile(&g, &f, "sandbox", NULL, NULL);
    ASK(&g, probe, &g.arena, &info);
    assert_int_equal(g.err.code, ERR_NONE);
    snprintf(text, sizeof text, "%s%s%s%s%s", info.says[SAY_PAUSE], info.says[SAY_STOP], info.says[SAY_ROLLBACK],
             info.says[SAY_RECALL], info.says[SAY_COUNTS]);
    if (!strstr(text, "\"fds\": [0, 1, 2]") || strstr(text, "ANDON_TEST") || !strstr(text, "\"nnp\": 1") ||
        !strstr(text, "\"cwd\": \"/\""))
        fail_msg("%s", text);
    assert_true(plugin_sandboxed(g.b, &box));
    assert_true(box.new_privileges && box.dies_with_us && box.limits);
    if (box.landlock && !strstr(text, "\"read\": \"Permission denied\""))
        fail_msg("%s", text);
    rig_close(&g);
    close(outside);
    close(leak);
    unlink(home);
}

static void the_secret_comes_by_its_own_descriptor(void **state)
{
    struct rig g;
    struct fleet_spec f = {0};
    struct backend_info info;
    struct device_info one;
    (void)state;
    put("secret", "tiger-lily\n");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", at("secret"));
    f.endpoint.secret = (struct secret_ref){.source = SECRET_FILE, .path = path, .env = ""};
    open_hostile(&g, &f, "secret", NULL, NULL);
    ASK(&g, device, "a", &g.arena, &one);
    assert_int_equal(g.err.code, ERR_AUTH);
    assert_non_null(strstr(g.err.what, "no, not with [secret]")); /* that sentence is shown and logged */
    ASK(&g, probe, &g.arena, &info);
    assert_non_null(strstr(info.version, "1 for [secret]"));
    pid_t pid = plugin_pid(g.b);
    assert_null(strstr(g.kept.text.data, "tiger-lily"));
    assert_non_null(strstr(g.kept.text.data, "the secret is [secret]"));
    /* Another one is there by now: it is read off the loop, and the plug-in starts again with it. */
    put("secret", "tiger-lily-longer\n");
    g.clock.by += 20 * US_PER_S;
    ASK(&g, device, "a", &g.arena, &one);
    while (plugin_pid(g.b) == pid)
        http_run(g.http, -1, clock_now(&g.clock.clock) + US_PER_S, 0);
    assert_null(strstr(g.kept.text.data, "lily"));
    assert_non_null(strstr(g.kept.text.data, "digest-10"));
    while (!strstr(g.kept.text.data, "digest-17"))
        http_run(g.http, -1, clock_now(&g.clock.clock) + US_PER_S, 0);
    rig_close(&g);
}

/* ---- where it may lie ---- */

static void only_what_nobody_else_can_write_is_started(void **state)
{
    char folder[] = "/tmp/andon-folder-XXXXXX", path[PATH_MAX], found[PATH_MAX];
    struct err e = {0};
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/andon-backend-x", folder);
    assert_false(plugin_find(folder, "x", found, sizeof found, &e));
    assert_int_equal(e.code, ERR_NOT_FOUND);
    int fd = open(path, O_WRONLY | O_CREAT, 0755);
    assert_true(fd >= 0);
    fchmod(fd, 0755);
    assert_true(plugin_find(folder, "x", found, sizeof found, &e));
    assert_string_equal(strrchr(found, '/'), "/andon-backend-x");
    static const struct {
        mode_t file, folder;
    } bad[] = {{0775, 0755}, {0757, 0755}, {0644, 0755}, {0755, 0775}, {0755, 0757}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fchmod(fd, bad[i].file);
        chmod(folder, bad[i].folder);
        if (plugin_find(folder, "x", found, sizeof found, &e))
            fail_msg("%zu", i);
        assert_int_equal(e.code, ERR_REFUSED);
    }
    fchmod(fd, 0755);
    chmod(folder, 0755);
    static const char *const names[] = {"", "../x", "X", "x/y", ".", "x y"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_false(plugin_find(folder, names[i], found, sizeof found, &e));
    assert_false(plugin_find("", "x", found, sizeof found, &e));
    assert_false(plugin_find("tmp", "x", found, sizeof found, &e));
    close(fd);
    unlink(path);
    assert_int_equal(symlink("/bin/true", path), 0);
    assert_false(plugin_find(folder, "x", found, sizeof found, &e));
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_template_serves_the_device_part),
        cmocka_unit_test(attributes_come_for_all_at_once),
        cmocka_unit_test(breaches_are_no_answers),
        cmocka_unit_test(nothing_is_known_of_a_dead_one),
        cmocka_unit_test(a_greeting_that_is_none),
        cmocka_unit_test(one_that_does_not_answer),
        cmocka_unit_test(an_answer_that_comes_too_late_is_dropped),
        cmocka_unit_test(a_recall_passes_what_is_open),
        cmocka_unit_test(what_never_left_was_not_sent),
        cmocka_unit_test(what_the_server_said_of_each),
        cmocka_unit_test(noise_is_clipped),
        cmocka_unit_test(children_end_with_it),
        cmocka_unit_test(one_that_refuses_to_end),
        cmocka_unit_test(one_that_leaves_its_group),
        cmocka_unit_test(a_wait_has_an_end),
        cmocka_unit_test(a_hundred_thousand_devices_are_streamed),
        cmocka_unit_test(it_gets_nothing_of_ours),
        cmocka_unit_test(the_secret_comes_by_its_own_descriptor),
        cmocka_unit_test(only_what_nobody_else_can_write_is_started),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
