/* Several series of one counter: a release as a label, a job doubled, parts of a whole, a store that shows what has
 * ended. Each play is told tick by tick as a store would show it, once as polls and once as a range, in opposite
 * orders; both must come to the same bits, and to the reboots that there were. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "client/series.h"
#include "client/telemetry.h"
#include "hostile.h"

#define TICKS 8
#define STEP  15
#define START INT64_C(1795231800)
#define NO                                                                                                             \
    {                                                                                                                  \
        0, 0                                                                                                           \
    }

/* --- the rule --- */

static struct series_id id(const char *labels)
{
    struct series_id out = {0, 0};
    char text[200], *at = text;
    snprintf(text, sizeof text, "%s", labels);
    while (*at) {
        char *eq = strchr(at, '='), *end = strchr(at, ' ');
        assert_non_null(eq);
        size_t n = end ? (size_t)(end - eq - 1) : strlen(eq + 1);
        series_label(&out, (struct slice){at, (size_t)(eq - at)}, (struct slice){eq + 1, n}, slice_of("device"));
        at = end ? end + 1 : eq + 1 + n;
    }
    return out;
}

static void what_a_series_is_called(void **state)
{
    struct series_id a = id("__name__=x device=d job=a fw=1"), b = id("fw=1 job=a device=d __name__=y");
    (void)state;
    assert_true(a.all == b.all && a.own == b.own); /* in whatever order; timestamp(x) has no name */
    b = id("device=d job=b fw=1 instance=z");
    assert_true(a.all != b.all && a.own == b.own);
    b = id("device=d job=a fw=2");
    assert_true(a.all != b.all && a.own != b.own);
    b = id("device=d job=fw fw=a");
    assert_true(id("device=d job=a fw=fw").all != b.all); /* a value is not another label's */
    assert_true(id("device=d").own == 0);
}

static void which_count(void **state)
{
    struct series_id job_a = id("job=a"), job_b = id("job=b"), one = id("why=one"), two = id("why=two");
    (void)state;
    struct series_value alone[] = {{one, 0, 7}};
    assert_true(series_counter(alone, 1, false) == 7);
    struct series_value newest[] = {{one, 100, 41}, {two, 130, 1}};
    assert_true(series_counter(newest, 2, false) == 1);
    struct series_value parts[] = {{one, 100, 3}, {two, 100, 4}};
    assert_true(series_counter(parts, 2, false) == 7);
    struct series_value doubled[] = {{job_b, 100, 3}, {job_a, 100, 4}};
    assert_true(series_counter(doubled, 2, false) == 4);
    struct series_value untimed[] = {{one, 0, 41}, {two, 0, 42}};
    assert_true(series_counter(untimed, 2, false) == 42);
    struct series_value half[] = {{one, 0, 41}, {two, 5, 2}}; /* what has no time does not count beside what has */
    assert_true(series_counter(half, 2, false) == 2);
    struct series_value boots[] = {{one, 100, 1000}, {two, 100, 2000}, {job_a, 50, 3000}};
    assert_true(series_counter(boots, 3, true) == 2000);
}

/* --- plays --- */

struct shown {
    double v;
    int64_t t; /* seconds after START, of the own sample; 0 with v 0: not shown */
};
struct play {
    const char *name;
    const char *labels[3]; /* of each series, NULL ends */
    struct shown at[3][TICKS];
    int reboots; /* between the first tick and the last: rises, and a fall for one */
};

static const struct play plays[] = {
    {"the counter goes on in the new series, the old one is shown on",
     {"\"fw\":\"1.0\",\"job\":\"n\"", "\"fw\":\"2.0\",\"job\":\"n\""},
     {{{41, 1}, {41, 16}, {41, 16}, {41, 16}, {41, 16}, {41, 16}, NO, NO},
      {NO, NO, NO, {42, 40}, {42, 55}, {42, 70}, {42, 85}, {42, 100}}},
     1},
    {"it begins at 1 in the new series",
     {"\"fw\":\"1.0\"", "\"fw\":\"2.0\""},
     {{{41, 1}, {41, 16}, {41, 16}, {41, 16}, {41, 16}, {41, 16}, NO, NO},
      {NO, NO, NO, {1, 40}, {1, 55}, {1, 70}, {1, 85}, {1, 100}}},
     1},
    {"a label changes without a reboot",
     {"\"site\":\"a\"", "\"site\":\"b\""},
     {{{41, 1}, {41, 16}, {41, 16}, {41, 16}, NO, NO, NO, NO},
      {NO, NO, {41, 29}, {41, 44}, {41, 59}, {41, 74}, {41, 89}, {41, 104}}},
     0},
    {"two jobs scrape one exporter, one of them seldom: one reboot is one",
     {"\"job\":\"a\"", "\"job\":\"b\",\"instance\":\"x\""},
     {{{7, 1}, {7, 14}, {8, 29}, {8, 44}, {8, 59}, {8, 74}, {8, 89}, {8, 104}},
      {{7, 0}, {7, 0}, {7, 0}, {7, 0}, {8, 60}, {8, 60}, {8, 60}, {8, 60}}},
     1},
    {"two jobs at the same times",
     {"\"job\":\"a\"", "\"job\":\"b\""},
     {{{7, 1}, {7, 14}, {8, 29}, {8, 44}, {8, 59}, {9, 74}, {9, 89}, {9, 104}},
      {{7, 1}, {7, 14}, {8, 29}, {8, 44}, {8, 59}, {9, 74}, {9, 89}, {9, 104}}},
     2},
    {"parts of a whole",
     {"\"why\":\"power\"", "\"why\":\"watchdog\""},
     {{{7, 1}, {7, 14}, {8, 29}, {8, 44}, {8, 59}, {8, 74}, {8, 89}, {8, 104}},
      {{3, 1}, {3, 14}, {3, 29}, {4, 44}, {4, 59}, {5, 74}, {5, 89}, {5, 104}}},
     3},
    {"a part begins with its first",
     {"\"why\":\"power\"", "\"why\":\"watchdog\""},
     {{{7, 1}, {7, 14}, {7, 29}, {7, 44}, {7, 59}, {7, 74}, {7, 89}, {7, 104}},
      {NO, NO, NO, {1, 44}, {1, 59}, {1, 74}, {1, 89}, {1, 104}}},
     1},
    {"a counter is reset",
     {"\"job\":\"a\""},
     {{{41, 1}, {41, 16}, {41, 31}, {1, 46}, {1, 61}, {1, 76}, {1, 91}, {1, 104}}},
     1},
    {"the store is gone for a while and shows the old series again",
     {"\"fw\":\"1.0\"", "\"fw\":\"2.0\""},
     {{{41, 1}, {41, 16}, NO, NO, {41, 16}, {41, 16}, {41, 16}, NO},
      {NO, {42, 20}, NO, NO, {42, 20}, {42, 70}, {42, 85}, {42, 100}}},
     1},
};

/* What is asked decides which play it is: the fleet is one device. */
struct stage {
    const struct play *play;
};

static int64_t argument(const char *path, const char *name)
{
    const char *s = strstr(path, name);
    assert_non_null(s);
    return strtoll(s + strlen(name), NULL, 10);
}

static void put_series(struct buf *b, const struct play *p, int k, bool time, int from, int to, bool range)
{
    bool any = false;
    size_t before = b->len;
    buf_printf(b, "%s{\"metric\":{%s\"device\":\"d\",%s},\"value%s\":%s", b->data[b->len - 1] == '}' ? "," : "",
               time ? "" : "\"__name__\":\"device_reboots_total\",", p->labels[k], range ? "s" : "", range ? "[" : "");
    for (int i = from; i <= to; i++) {
        const struct shown *s = &p->at[k][i];
        if (s->v == 0)
            continue;
        double v = time ? (double)(START + s->t) : s->v;
        buf_printf(b, "%s[%lld,\"%.17g\"]", any ? "," : "", (long long)START + i * STEP, v);
        any = true;
    }
    buf_adds(b, range ? "]}" : "}");
    if (!any) {
        b->len = before;
        b->data[before] = '\0';
    }
}

static enum hostile_end serve(void *ctx, const struct hostile_request *r, struct buf *out)
{
    const struct stage *st = ctx;
    bool range = strncmp(r->path, "/api/v1/query_range?", 20) == 0, time = strstr(r->path, "=timestamp") != NULL;
    bool counter = strstr(r->path, "device_reboots_total") != NULL;
    int from = (int)((argument(r->path, range ? "&start=" : "&time=") - START) / STEP);
    int to = range ? (int)((argument(r->path, "&end=") - START) / STEP) : from, n = 0;
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_printf(&b, "{\"status\":\"success\",\"data\":{\"resultType\":\"%s\",\"result\":[", range ? "matrix" : "vector");
    while (n < 3 && st->play->labels[n])
        n++;
    for (int i = 0; counter && i < n; i++)
        put_series(&b, st->play, range != time ? n - 1 - i : i, time, from, to, range);
    buf_adds(&b, "]}}");
    hostile_answer(out, 200, "application/json", b.data);
    buf_release(&b);
    return HOSTILE_KEEP;
}

struct tel {
    struct stage stage; /* must be first */
    struct rig rig;
    struct telemetry *t;
    struct watch_set *watch;
    struct arena arena;
    bool done;
    struct err err;
};

static void on_done(void *ctx, const struct reply *r)
{
    struct tel *t = ctx;
    t->done = true;
    t->err = r->err ? *r->err : (struct err){0};
}

static void tel_init(struct tel *t, const struct play *p)
{
    struct err e = {0};
    memset(t, 0, sizeof *t);
    t->stage.play = p;
    rig_init(&t->rig, serve, t);
    arena_init(&t->arena);
    t->watch = watch_set_new();
    watch_set_add(t->watch, "d");
    struct telemetry_spec spec = {.kind = TELEMETRY_PROMETHEUS,
                                  .endpoint = t->rig.endpoint,
                                  .preset = "device",
                                  .join_label = "device",
                                  .interval_us = STEP * US_PER_S,
                                  .reboots = "",
                                  .cpu = "",
                                  .variance = "",
                                  .sensor = ""};
    t->t = telemetry_open(t->rig.http, &t->rig.clock, &spec, &e);
    assert_non_null(t->t);
}

static void tel_release(struct tel *t)
{
    telemetry_free(t->t);
    rig_release(&t->rig);
    watch_set_free(t->watch);
    arena_release(&t->arena);
}

static void plays_come_out_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof plays / sizeof *plays; i++) {
        struct tel t;
        struct range_list range;
        struct sample_list poll;
        double before = (double)NAN;
        int reboots = 0;
        tel_init(&t, &plays[i]);
        t.t->ops->range(t.t, t.watch, START * US_PER_S, (START + (TICKS - 1) * STEP) * US_PER_S, STEP * US_PER_S,
                        10 * US_PER_MIN, &t.arena, &range, on_done, &t);
        rig_run(&t.rig, &t.done);
        assert_int_equal(t.err.code, ERR_NONE);
        assert_int_equal(range.n, TICKS);
        for (int k = 0; k < TICKS; k++) {
            t.done = false;
            t.t->ops->poll(t.t, t.watch, (START + k * STEP) * US_PER_S, 10 * US_PER_MIN, &t.arena, &poll, on_done, &t);
            rig_run(&t.rig, &t.done);
            double p = tick_value(&poll.tick, 0, COL_REBOOTS), r = tick_value(&range.v[k], 0, COL_REBOOTS);
            if (memcmp(&p, &r, sizeof p) != 0 || poll.tick.at[0] != range.v[k].at[0])
                fail_msg("%s: tick %d: polled %g, from history %g", plays[i].name, k, p, r);
            if (isnan(p))
                continue;
            reboots += isnan(before) ? 0 : p < before ? 1 : (int)(p - before);
            before = p;
        }
        if (reboots != plays[i].reboots)
            fail_msg("%s: %d reboots", plays[i].name, reboots);
        tel_release(&t);
    }
}

/* --- a page --- */

static double follow(struct series_follow *f, size_t n, const char *const *labels, const double *v)
{
    struct series_value s[8];
    for (size_t i = 0; i < n; i++)
        s[i] = (struct series_value){id(labels[i]), 1, v[i]};
    return series_follow(f, s, n);
}

/* What is remembered of series that are gone has an end, and what is beyond measure is no number. */
static void what_is_remembered(void **state)
{
    static const char *const ab[] = {"why=a", "why=b"};
    struct series_follow f = {0};
    (void)state;
    assert_true(follow(&f, 2, ab, (double[]){8, 4}) == 12);
    for (int i = 0; i < 999; i++)
        assert_true(follow(&f, 1, ab, (double[]){8}) == 12);
    assert_true(follow(&f, 2, ab, (double[]){8, 6}) == 14);
    for (int i = 0; i < 1000; i++)
        follow(&f, 1, ab, (double[]){8});
    assert_int_equal(f.n, 1);
    assert_true(follow(&f, 2, ab, (double[]){8, 6}) == 15); /* new again: one event */
    assert_true(follow(&f, 2, ab, (double[]){0, 0}) == 0);
    assert_true(follow(&f, 2, ab, (double[]){0, 6}) == 6);
    for (int i = 0; i < 5000; i++) { /* a label that is another each time */
        char label[40];
        snprintf(label, sizeof label, "boot_id=%d", i);
        follow(&f, 1, (const char *const[]){label}, (double[]){i});
    }
    assert_int_equal(f.n, 65); /* itself, and those that were shown last */
    double given = f.given;
    assert_true(follow(&f, 1, (const char *const[]){"boot_id=4936"}, (double[]){4937}) == given + 1);
    assert_true(follow(&f, 1, (const char *const[]){"boot_id=4936"}, (double[]){4937}) == given + 1);
    assert_true(follow(&f, 2, (const char *const[]){"boot_id=4936", "boot_id=4940"}, (double[]){4937, 4945}) ==
                given + 6); /* known: it has risen by 5 */
    assert_true(follow(&f, 2, (const char *const[]){"boot_id=4936", "boot_id=4000"}, (double[]){4937, 4100}) ==
                given + 7); /* forgotten: it begins */
    assert_true(isnan(follow(&f, 2, ab, (double[]){1e308, 1e308})) || f.given < 1e308);
    series_follow_release(&f);
    assert_true(isnan(follow(&f, 2, ab, (double[]){1.5e308, 1.5e308})));
    assert_true(follow(&f, 1, ab, (double[]){3}) == 3);
    series_follow_release(&f);
}

static enum hostile_end give_page(void *ctx, const struct hostile_request *r, struct buf *out)
{
    (void)r;
    hostile_answer(out, 200, "text/plain", *(const char **)ctx);
    return HOSTILE_KEEP;
}

static void pages(void **state)
{
    static const struct {
        const char *page;
        double v, own; /* the counter of reboots, and one of the policies' own */
    } cases[] = {
#define R(labels, v) "device_reboots_total{device=\"d\"" labels "} " v "\n"
#define O(labels, v) "retries{device=\"d\"" labels "} " v "\n"
        {R(",fw=\"1\"", "41"), 41, NAN},
        /* A part begins with its first event: a reason that there was none of before, a release beside the old one. */
        {R(",fw=\"1\"", "41") "device_reboots_total{fw=\"2\",device=\"d\"} 7\n", 42, NAN},
        {"device_reboots_total{fw=\"2\",device=\"d\"} 7\n" R(",fw=\"1\"", "41"), 42, NAN},
        {R(",fw=\"1\"", "41") R(",fw=\"2\"", "8"), 43, NAN},
        {R(",fw=\"2\"", "8"), 43, NAN}, /* one that ends is no reset */
        {R(",fw=\"2\"", "9"), 44, NAN},
        {R(",fw=\"1\"", "41") R(",fw=\"2\"", "9"), 44, NAN}, /* one that comes back goes on */
        {R(",fw=\"2\"", "9") R(",fw=\"2\",job=\"a\"", "9"), 44, NAN},
        {R(",fw=\"2\"", "10") R(",fw=\"2\",job=\"a\"", "10"), 45, NAN},
        {R(",fw=\"2\"", "1") R(",fw=\"2\",job=\"a\"", "1"), 1, NAN}, /* begun anew */
        {R(",fw=\"3\"", "1"), 1, NAN},                               /* a label that is renamed is none */
        /* With each boot another series. */
        {R(",boot_id=\"a\"", "2"), 2, NAN},
        {R(",boot_id=\"b\"", "3"), 3, NAN},
        {R(",boot_id=\"c\"", "40"), 4, NAN}, /* no leap */
        {R(",boot_id=\"c\"", "20"), 5, NAN}, /* nor when it begins anew */
        {R("", "20") O(",why=\"noise\"", "5"), 5, 5},
        {R("", "20") O(",why=\"noise\"", "5") O(",why=\"range\"", "1"), 5, 6},
        {R("", "20") O(",why=\"noise\"", "5") O(",why=\"range\"", "3"), 5, 8},
        {R("", "20") O(",why=\"noise\"", "6") O(",why=\"range\"", "3"), 5, 9},
        {R("", "20") O(",why=\"noise\"", "1") O(",why=\"range\"", "2"), 5, 3}, /* what has been since */
#undef R
#undef O
    };
    const char *page;
    struct rig rig;
    struct arena a;
    struct err e = {0};
    struct watch_set *w = watch_set_new();
    struct tel t = {.done = false};
    struct sample_list out;
    (void)state;
    rig_init(&rig, give_page, &page);
    arena_init(&a);
    watch_set_add(w, "d");
    struct telemetry_spec spec = {.kind = TELEMETRY_OPENMETRICS,
                                  .endpoint = rig.endpoint,
                                  .preset = "device",
                                  .join_label = "device",
                                  .interval_us = STEP * US_PER_S,
                                  .reboots = "",
                                  .cpu = "",
                                  .variance = "",
                                  .sensor = "",
                                  .own = {{.id = "radio-retries", .query = "retries", .counter = true}},
                                  .n_own = 1};
    struct telemetry *om = telemetry_open(rig.http, &rig.clock, &spec, &e);
    assert_non_null(om);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        page = cases[i].page;
        t.done = false;
        rig.now += STEP * US_PER_S;
        om->ops->poll(om, w, 0, 10 * US_PER_MIN, &a, &out, on_done, &t);
        rig_run(&rig, &t.done);
        assert_int_equal(t.err.code, ERR_NONE);
        double own = tick_value(&out.tick, 0, COL_BUILTIN);
        if (tick_value(&out.tick, 0, COL_REBOOTS) != cases[i].v || (own != cases[i].own && !isnan(cases[i].own)))
            fail_msg("page %zu: %g, %g", i, tick_value(&out.tick, 0, COL_REBOOTS), own);
    }
    telemetry_free(om);
    rig_release(&rig);
    watch_set_free(w);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_a_series_is_called), cmocka_unit_test(which_count),
                                       cmocka_unit_test(plays_come_out_right), cmocka_unit_test(what_is_remembered),
                                       cmocka_unit_test(pages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
