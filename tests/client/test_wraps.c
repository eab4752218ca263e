/* Back ends around a back end: faults by a seed, a recording, and what was recorded played again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/fault.h"
#include "client/record.h"
#include "core/clock.h"
#include "core/trace.h"

/* ---- a back end in memory, on a clock of its own; it answers from the loop ---- */

struct toy_call {
    struct toy_call *next;
    backend_done done;
    void *ctx;
};

struct toy {
    struct backend base; /* first */
    struct backend_ops ops;
    struct http_side side;
    struct toy_call *first, *due;
    int told, recalled, asked;
};

static void later(struct backend *b, backend_done done, void *ctx)
{
    struct toy *t = (struct toy *)b;
    struct toy_call *c = xcalloc(1, sizeof *c), **at = &t->first;
    *c = (struct toy_call){NULL, done, ctx};
    while (*at)
        at = &(*at)->next;
    *at = c;
}

static struct toy *of_side(struct http_side *s)
{
    return (struct toy *)(void *)((char *)s - offsetof(struct toy, side));
}

static void toy_turn(struct http_side *s)
{
    struct toy *t = of_side(s);
    if (!t->due) {
        t->due = t->first;
        t->first = NULL;
    }
}

static bool toy_deliver(struct http_side *s)
{
    struct toy *t = of_side(s);
    struct toy_call *c = t->due;
    if (!c)
        return false;
    t->due = c->next;
    c->done(c->ctx, &(struct reply){.n_requests = 1,
                                    .requests = {{.method = "tell", .path = "/x", .status = 200, .error = ""}}});
    free(c);
    return true;
}

static void toy_free(struct backend *b)
{
    struct toy *t = (struct toy *)b;
    struct err e = {0};
    err_set(&e, ERR_CANCELLED, "", "given up");
    for (int i = 0; i < 2; i++)
        for (struct toy_call **at = i ? &t->first : &t->due, *c; (c = *at);) {
            *at = c->next;
            c->done(c->ctx, &(struct reply){.err = &e});
            free(c);
        }
    http_side_drop(b->http, &t->side);
    free(t);
}

static void toy_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    (void)a;
    *out = (struct backend_info){.kind = "toy", .version = "1", .caps = CAP_TELL | CAP_RECALL, .user = "u"};
    out->says[SAY_RECALL] = "goes on";
    later(b, done, ctx);
}

static void toy_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                        struct device_list *out, backend_done done, void *ctx)
{
    (void)f;
    (void)limit;
    out->v = ARENA_ARRAY(a, struct device, 2);
    out->v[0] = (struct device){
        .id = "a", .raw_id = "a", .name = "", .address = "", .last_seen = 7 * US_PER_S, .status = DEVICE_IN_SYNC};
    out->v[1] =
        (struct device){.id = "b<U+001B>", .raw_id = "b\x1b", .name = "B", .address = "10.0.0.1", .overdue = true};
    out->n = 2;
    out->total = ++((struct toy *)b)->asked * 10;
    later(b, done, ctx);
}

static void toy_standing(struct backend *b, const struct release *r, const char *const *ids, size_t n, struct arena *a,
                         struct device_standing *out, backend_done done, void *ctx)
{
    (void)r;
    (void)ids;
    (void)a;
    for (size_t i = 0; i < n; i++)
        out[i] = (struct device_standing){.at = ((struct toy *)b)->told ? AT_TOLD : AT_OTHER, .told_at = 5};
    later(b, done, ctx);
}

static void toy_tell(struct backend *b, const struct release *r, const char *const *ids, size_t n, const char *key,
                     struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    (void)r;
    (void)ids;
    (void)key;
    (void)a;
    ((struct toy *)b)->told++;
    for (size_t i = 0; i < n; i++)
        out[i] = (struct tell_result){TELL_DONE, "", "feed-1"};
    later(b, done, ctx);
}

static struct toy *toy_new(struct http *h)
{
    struct toy *t = xcalloc(1, sizeof *t);
    t->ops = (struct backend_ops){.kind = "toy",
                                  .free = toy_free,
                                  .probe = toy_probe,
                                  .devices = toy_devices,
                                  .standing = toy_standing,
                                  .tell = toy_tell,
                                  .tell_most = 9};
    t->base = (struct backend){.ops = &t->ops, .http = h};
    t->side.turn = toy_turn;
    t->side.deliver = toy_deliver;
    http_side_add(h, &t->side);
    return t;
}

/* ---- the rig: time is what the loop makes of it ---- */

struct rig {
    struct clock clock;
    int64_t now;
    struct http *http;
    struct toy *toy;
    struct backend *b;
    struct arena arena;
    bool done;
    struct reply reply;
    struct err err;
};

static int64_t rig_now(struct clock *c)
{
    return ((struct rig *)c)->now;
}

static int64_t rig_idle(struct clock *c, int64_t deadline, unsigned in_flight)
{
    struct rig *g = (struct rig *)c;
    (void)in_flight;
    if (deadline != TIME_NEVER && deadline > g->now)
        g->now = deadline;
    return 0;
}

static void on_done(void *ctx, const struct reply *r)
{
    struct rig *g = ctx;
    assert_false(g->done);
    g->done = true;
    g->reply = *r;
    g->err = r->err ? *r->err : (struct err){0};
}

static void rig_init(struct rig *g)
{
    *g = (struct rig){.clock = {.now = rig_now, .idle = rig_idle, .wall = rig_now}, .now = US_PER_S};
    g->http = http_new(&g->clock, 1);
    g->toy = toy_new(g->http);
    g->b = &g->toy->base;
    arena_init(&g->arena);
}

static void rig_release(struct rig *g)
{
    backend_free(g->b);
    http_free(g->http);
    arena_release(&g->arena);
}

static void run(struct rig *g)
{
    for (int i = 0; i < 1000 && !g->done; i++)
        http_run(g->http, -1, TIME_NEVER, 0);
    assert_true(g->done);
    g->done = false;
}

#define ASK(g, op, ...)                                                                                                \
    do {                                                                                                               \
        (g)->b->ops->op((g)->b, __VA_ARGS__, on_done, (g));                                                            \
        run(g);                                                                                                        \
    } while (0)

static const struct release r1 = {.id = "1", .name = "fw", .version = "1"};
static const char *const ids[] = {"a", "b\x1b", "a"};

/* ---- faults ---- */

static void a_lie_changes_nothing(void **state)
{
    struct rig g;
    struct tell_result told[3];
    (void)state;
    rig_init(&g);
    g.b = fault_open(g.b, &(struct fault_spec){.seed = 3, .lies = 1});
    assert_int_equal(g.b->ops->tell_most, 9);
    assert_null(g.b->ops->recall); /* what it lacks it lacks */
    ASK(&g, tell, &r1, ids, 3, "i-1", &g.arena, told);
    assert_int_equal(g.err.code, ERR_NONE);
    assert_int_equal(told[2].outcome, TELL_DONE);
    assert_int_equal(g.toy->told, 0);
    struct device_standing s[3];
    ASK(&g, standing, &r1, ids, 3, &g.arena, s);
    assert_int_equal(s[0].at, AT_OTHER); /* and reads do not lie */
    rig_release(&g);
}

static void what_is_lost_may_have_been_done(void **state)
{
    struct rig g;
    struct tell_result told[3];
    int reached = 0;
    (void)state;
    rig_init(&g);
    g.b = fault_open(g.b, &(struct fault_spec){.seed = 3, .lost = 1});
    for (int i = 0; i < 40; i++) {
        ASK(&g, tell, &r1, ids, 3, "i-1", &g.arena, told);
        assert_int_equal(g.err.code, g.err.code ? ERR_TIMEOUT : ERR_NONE);
        if (g.err.code) {
            assert_true(g.reply.maybe_sent);
            assert_int_equal(told[0].outcome, TELL_NOT_KNOWN);
        }
        reached = g.toy->told;
    }
    assert_in_range(reached, 5, 35); /* some requests were lost, and of some the answers */
    struct device_list l = {0};
    int lost = 0;
    for (int i = 0; i < 40; i++) {
        ASK(&g, devices, NULL, 5, &g.arena, &l);
        lost += g.err.code != ERR_NONE;
        assert_false(g.reply.maybe_sent);
    }
    assert_in_range(lost, 20, 40);
    rig_release(&g);
}

static void delays_go_by_the_seed(void **state)
{
    int64_t at[2][20];
    (void)state;
    for (int k = 0; k < 2; k++) {
        struct rig g;
        struct backend_info info;
        rig_init(&g);
        g.b = fault_open(g.b, &(struct fault_spec){.seed = 11, .delay_us = 10 * US_PER_S});
        for (int i = 0; i < 20; i++) {
            int64_t before = g.now;
            ASK(&g, probe, &g.arena, &info);
            at[k][i] = g.now - before;
            assert_in_range(at[k][i], 0, 10 * US_PER_S);
        }
        rig_release(&g);
    }
    assert_memory_equal(at[0], at[1], sizeof at[0]);
    assert_int_not_equal(at[0][0], at[0][1]);
}

static void what_is_held_back_ends_with_it(void **state)
{
    struct rig g;
    struct backend_info info;
    (void)state;
    rig_init(&g);
    g.b = fault_open(g.b, &(struct fault_spec){.seed = 1, .delay_us = 100 * US_PER_S});
    g.b->ops->probe(g.b, &g.arena, &info, on_done, &g);
    http_run(g.http, -1, g.now, 0);
    assert_false(g.done);
    backend_free(g.b);
    assert_true(g.done);
    assert_int_equal(g.err.code, ERR_CANCELLED);
    http_free(g.http);
    arena_release(&g.arena);
}

/* ---- record and replay ---- */

struct kept {
    struct trace trace;
    FILE *f;
};

static void keep(struct trace *t, char *line, size_t n)
{
    struct kept *k = (struct kept *)t;
    assert_int_equal(fwrite(line, 1, n, k->f), n);
    free(line);
}

static void what_was_recorded_is_played_again(void **state)
{
    char path[] = "/tmp/andon-calls-XXXXXX";
    int fd = mkstemp(path);
    struct kept k = {.trace = {UINT32_C(1) << TRACE_CALLS, keep}, .f = fdopen(fd, "w")};
    struct rig g;
    struct backend_info info;
    struct device_list l;
    struct device_standing s[3];
    struct tell_result told[3];
    const struct traced t = {.trace = &k.trace, .fleet = "toys", .role = "fleet"};
    struct err e = {0};
    (void)state;
    rig_init(&g);
    g.b = record_open(g.b, &t);
    ASK(&g, probe, &g.arena, &info);
    ASK(&g, devices, NULL, 5, &g.arena, &l);
    ASK(&g, devices, NULL, 5, &g.arena, &l);
    ASK(&g, standing, &r1, ids, 3, &g.arena, s);
    assert_int_equal(s[2].at, AT_OTHER);
    ASK(&g, tell, &r1, ids, 3, "i-1", &g.arena, told);
    ASK(&g, standing, &r1, ids, 3, &g.arena, s);
    assert_int_equal(fclose(k.f), 0);
    rig_release(&g);

    rig_init(&g);
    backend_free(g.b);
    struct fleet_spec f = {.name = "toys", .kind = "replay", .endpoint = {.url = path}};
    g.b = backend_open(g.http, &f, &e);
    if (!g.b)
        fail_msg("%s", e.what);
    ASK(&g, probe, &g.arena, &info);
    assert_int_equal(g.err.code, ERR_NONE);
    assert_string_equal(info.kind, "replay");
    assert_int_equal(info.caps, CAP_TELL | CAP_RECALL);
    assert_string_equal(info.says[SAY_RECALL], "goes on");
    for (int i = 0; i < 4; i++) { /* in the recorded order, and the last one again */
        ASK(&g, devices, NULL, 5, &g.arena, &l);
        assert_int_equal(l.total, i == 0 ? 10 : 20);
    }
    assert_string_equal(l.v[1].raw_id, "b\x1b");
    assert_string_equal(l.v[1].address, "10.0.0.1");
    assert_true(l.v[1].overdue);
    assert_int_equal(l.v[0].last_seen, 7 * US_PER_S);
    assert_int_equal(l.v[0].status, DEVICE_IN_SYNC);
    ASK(&g, devices, NULL, 6, &g.arena, &l);
    assert_int_equal(g.err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(g.err.what, "never asked"));
    ASK(&g, standing, &r1, ids, 3, &g.arena, s);
    assert_int_equal(s[1].at, AT_OTHER);
    ASK(&g, tell, &r1, ids, 3, "i-another", &g.arena, told);
    assert_int_equal(g.err.code, ERR_NONE);
    assert_string_equal(told[2].undo, "feed-1");
    ASK(&g, standing, &r1, ids, 3, &g.arena, s);
    assert_int_equal(s[2].at, AT_TOLD);
    rig_release(&g);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lie_changes_nothing),
        cmocka_unit_test(what_is_lost_may_have_been_done),
        cmocka_unit_test(delays_go_by_the_seed),
        cmocka_unit_test(what_is_held_back_ends_with_it),
        cmocka_unit_test(what_was_recorded_is_played_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
