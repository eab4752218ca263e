/* History from Prometheus against a scripted server: a range gives what polls as of its ticks give, to the bit; the day
 * before a rollout; answers that are odd, hostile or too large. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "client/prometheus_impl.h"
#include "hostile.h"

#define WINDOW (10 * US_PER_MIN)
#define START  INT64_C(1795231800) /* s; a multiple of STEP */
#define STEP   15
#define TICKS  24
#define AT(k)  ((START + (int64_t)(k)*STEP) * US_PER_S)

/* --- a server with data --- */

/* Device "d<n>" of 12. What it reports at a tick, by query; false: nothing. */
#define DEVICES 12
static bool value_of(size_t q, int device, int series, int64_t tick, double *v)
{
    static const double cores[] = {0.229, 0.945, 0.901, 0.031}; /* backwards they have another sum */
    int64_t k = (tick - START) / STEP;
    if (device == 3 && k >= 8) /* silent; its variance stays for a while */
        return q == Q_VARIANCE && k < 20 ? (*v = 2.5, true) : false;
    if (k >= 16 && k < 18 && q != Q_VARIANCE) /* nobody is heard of: only windows go on */
        return false;
    if (device == 4 && k % 5 == 2)
        return false;
    switch (q) {
    case Q_REBOOTS:
        *v = device + (k > 10 && device % 2 ? 3 : 0);
        return device != 5;
    case Q_CPU:
        *v = device == 6 ? cores[series] : 0.1 + (double)device / 7 + (double)k / 1001;
        return true;
    case Q_VARIANCE:
        *v = device == 7 ? (double)NAN : 1.0 / (device + 3) + (double)(k * k) / 77;
        return true;
    default:
        *v = (double)tick - 3.25 - device; /* as its samples are */
        return device != 5;
    }
}

static size_t query_of(const char *path)
{
    if (strstr(path, "timestamp"))
        return Q_TIME;
    if (strstr(path, "stdvar"))
        return Q_VARIANCE;
    return strstr(path, "device_cpu_ratio") ? Q_CPU : Q_REBOOTS;
}

static int64_t argument(const char *path, const char *name)
{
    const char *s = strstr(path, name);
    assert_non_null(s);
    char *end;
    int64_t v = strtoll(s + strlen(name), &end, 10);
    assert_memory_equal(end, ".000", 4);
    return v;
}

static void put_number(struct buf *b, double v)
{
    if (isnan(v))
        buf_adds(b, "NaN");
    else
        buf_printf(b, "%.17g", v);
}

/* In a range the series come in the opposite order: a sum must not depend on it. */
static enum hostile_end serve(void *ctx, const struct hostile_request *r, struct buf *out)
{
    bool range = strncmp(r->path, "/api/v1/query_range?", 20) == 0, any;
    int64_t from = argument(r->path, range ? "&start=" : "&time=");
    int64_t to = range ? argument(r->path, "&end=") : from;
    size_t q = query_of(r->path), put = 0;
    struct buf b;
    (void)ctx;
    if (range)
        assert_int_equal(argument(r->path, "&step="), STEP);
    buf_init(&b, 1 << 20);
    buf_printf(&b, "{\"status\":\"success\",\"data\":{\"resultType\":\"%s\",\"result\":[", range ? "matrix" : "vector");
    for (int i = 0; i < DEVICES * 4; i++) {
        int at = range ? DEVICES * 4 - 1 - i : i, device = at / 4, series = at % 4;
        if (series > 0 && !(device == 6 && q == Q_CPU))
            continue;
        size_t before = b.len;
        any = false;
        buf_printf(&b, "%s{\"metric\":{\"device\":\"d%d\",\"cpu\":\"%d\"},\"value%s\":%s", put ? "," : "", device,
                   series, range ? "s" : "", range ? "[" : "");
        for (int64_t t = from; t <= to; t += STEP) {
            double v;
            if (!value_of(q, device, series, t, &v))
                continue;
            buf_printf(&b, "%s[%lld,\"", any ? "," : "", (long long)t);
            put_number(&b, v);
            buf_adds(&b, "\"]");
            any = true;
        }
        buf_adds(&b, range ? "]}" : "}");
        if (!any) {
            b.len = before;
            b.data[before] = '\0';
        }
        put += any;
    }
    buf_adds(&b, "]}}");
    hostile_answer(out, 200, "application/json", b.data);
    buf_release(&b);
    return HOSTILE_KEEP;
}

/* --- the rig --- */

struct tel {
    struct rig rig;
    struct telemetry *t;
    struct watch_set *watch;
    struct arena arena;
    struct sample_list poll;
    struct range_list range;
    struct past_list past;
    bool done;
    struct err err;
    /* for the server that gives what it is told */
    int status;
    const char *body;       /* of every answer, or: */
    const char *answers[8]; /* by what stands in the path */
    const char *words[8];
};

static enum hostile_end give(void *ctx, const struct hostile_request *r, struct buf *out)
{
    const struct tel *t = ctx;
    const char *body = t->body ? t->body : "{\"data\":{\"resultType\":\"vector\",\"result\":[]}}";
    for (size_t i = 0; i < 8 && !t->body; i++)
        if (t->words[i] && strstr(r->path, t->words[i])) {
            body = t->answers[i];
            break;
        }
    hostile_answer(out, t->status, "application/json", body);
    return HOSTILE_KEEP;
}

static void tel_init(struct tel *t, hostile_fn fn, const char *preset, const char *reboots)
{
    struct err e = {0};
    memset(t, 0, sizeof *t);
    rig_init(&t->rig, fn, t);
    arena_init(&t->arena);
    t->watch = watch_set_new();
    t->status = 200;
    struct telemetry_spec spec = {.kind = TELEMETRY_PROMETHEUS,
                                  .endpoint = t->rig.endpoint,
                                  .preset = preset,
                                  .join_label = "device",
                                  .interval_us = 15 * US_PER_S,
                                  .reboots = reboots,
                                  .cpu = "",
                                  .variance = "",
                                  .sensor = ""};
    t->t = telemetry_open(t->rig.http, &t->rig.clock, &spec, &e);
    if (!t->t)
        fail_msg("%s", e.what);
    watch_set_add(t->watch, "unheard-of");
    for (int i = DEVICES - 1; i >= 0; i--) {
        char id[16];
        snprintf(id, sizeof id, "d%d", i);
        watch_set_add(t->watch, id);
    }
}

static void tel_release(struct tel *t)
{
    telemetry_free(t->t);
    rig_release(&t->rig);
    watch_set_free(t->watch);
    arena_release(&t->arena);
}

static void on_done(void *ctx, const struct reply *r)
{
    struct tel *t = ctx;
    assert_false(t->done);
    t->done = true;
    t->err = r->err ? *r->err : (struct err){0};
}

static void poll_at(struct tel *t, int64_t at)
{
    t->done = false;
    t->t->ops->poll(t->t, t->watch, at, WINDOW, &t->arena, &t->poll, on_done, t);
    assert_false(t->done);
    rig_run(&t->rig, &t->done);
}

static void range_of(struct tel *t, int64_t from, int64_t to, int64_t step)
{
    t->done = false;
    t->t->ops->range(t->t, t->watch, from, to, step, WINDOW, &t->arena, &t->range, on_done, t);
    assert_false(t->done);
    rig_run(&t->rig, &t->done);
}

static void past_at(struct tel *t, int64_t at)
{
    t->done = false;
    t->t->ops->past(t->t, t->watch, at, WINDOW, &t->arena, &t->past, on_done, t);
    assert_false(t->done);
    rig_run(&t->rig, &t->done);
}

/* --- ranges --- */

/* The device of the n-th row that holds a sample. */
static size_t nth(const struct tick *k, size_t n)
{
    size_t i = 0;
    for (; i < k->n; i++)
        if (k->at[i] > 0 && n-- == 0)
            break;
    assert_true(i < k->n);
    return i;
}

static double value(const struct tick *k, size_t n, size_t column)
{
    return tick_value(k, nth(k, n), column);
}

static size_t range_rows(const struct range_list *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += l->v[i].samples;
    return n;
}

static bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

static void test_range_is_polls(void **state)
{
    struct tel t;
    size_t at_tick[TICKS] = {0};
    (void)state;
    tel_init(&t, serve, "device", "");
    range_of(&t, AT(0), AT(TICKS - 1), STEP * US_PER_S);
    if (t.err.code)
        fail_msg("%s", t.err.what);
    for (int k = 0; k < TICKS; k++) {
        poll_at(&t, AT(k));
        assert_int_equal(t.err.code, ERR_NONE);
        const struct tick *p = &t.poll.tick, *r = &t.range.v[k];
        assert_int_equal(r->t, AT(k));
        assert_int_equal(r->n, p->n);
        assert_int_equal(r->samples, p->samples);
        for (size_t i = 0; i < p->n; i++) {
            assert_int_equal(r->at[i], p->at[i]);
            for (size_t c = 0; c < COL_BUILTIN; c++)
                assert_true(same_bits(tick_value(r, i, c), tick_value(p, i, c)));
        }
        at_tick[k] = p->samples;
    }
    assert_int_equal(t.range.n, TICKS);
    assert_int_equal(at_tick[0], DEVICES - 1); /* one has values of unknown age only */
    assert_int_equal(at_tick[8], DEVICES - 2); /* one more has fallen silent */
    assert_int_equal(at_tick[7], DEVICES - 2); /* one leaves out ticks */
    assert_int_equal(at_tick[16], 0);          /* a variance of the last ten minutes is no sign of life */
    assert_int_equal(at_tick[17], 0);
    assert_int_equal(at_tick[18], DEVICES - 2);
    double cpu = tick_value(&t.range.v[0], (size_t)watch_set_find(t.watch, "d6", 2), COL_CPU);
    assert_true(same_bits(cpu, (0.031 + 0.229 + 0.901 + 0.945) / 4)); /* in order of value */
    tel_release(&t);
}

static void test_range_request(void **state)
{
    static const char *const expected[] = {"device_reboots_total", "device_cpu_ratio",
                                           "stdvar_over_time%28device_sensor_value%5B600s%5D%29",
                                           "timestamp%28device_reboots_total%29"};
    struct tel t;
    (void)state;
    tel_init(&t, serve, "device", "");
    range_of(&t, AT(0), AT(3), STEP * US_PER_S);
    assert_int_equal(t.err.code, ERR_NONE);
    for (size_t i = 0; i < 4; i++) {
        char line[300];
        snprintf(line, sizeof line,
                 "GET /api/v1/query_range?query=%s&start=%lld.000&end=%lld.000&step=15.000&nocache=1", expected[i],
                 (long long)START, (long long)START + 3 * STEP);
        assert_int_equal(hostile_count(t.rig.server, line), 1);
    }
    assert_int_equal(hostile_requests(t.rig.server), 4);
    assert_int_equal(hostile_connections(t.rig.server), 1); /* one after the other: polls find room */
    poll_at(&t, AT(2) + 0);
    char line[120];
    snprintf(line, sizeof line, "GET /api/v1/query?query=device_cpu_ratio&time=%lld.000&nocache=1",
             (long long)(AT(2) / US_PER_S));
    assert_int_equal(hostile_count(t.rig.server, line), 1);
    tel_release(&t);
}

#define MATRIX(s) "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[" s "]}}"
#define OF(d, v)  "{\"metric\":{\"device\":\"" d "\"},\"values\":[" v "]}"
#define T0        "[1795231800,\"1\"]"
#define T1        "[1795231815,\"2\"]"
#define T2        "[1795231830.000,\"3\"]"

static void test_range_odd(void **state)
{
    static const struct {
        const char *body;
        enum err_code code;
        size_t rows; /* of three ticks */
    } cases[] = {
        {MATRIX(OF("d0", T0 "," T1 "," T2)), ERR_NONE, 3},
        {MATRIX(OF("d0", T0 "," T1 "," T2) "," OF("d1", T1)), ERR_NONE, 4}, /* of different lengths */
        {MATRIX(OF("d0", T0) "," OF("d0", T1)), ERR_NONE, 2},               /* of one device */
        {MATRIX(OF("other", T0) "," OF("d0", "")), ERR_NONE, 0},
        {MATRIX("{\"metric\":{},\"values\":[" T0 "]}"), ERR_NONE, 0},
        {MATRIX(OF("d0", "[1795231800,\"NaN\"]," T1)), ERR_NONE, 1},
        {MATRIX(OF("d0", "[1795231800,\"+Inf\"]," T1)), ERR_NONE, 1},
        {MATRIX(""), ERR_NONE, 0},
        /* as a tree: another order, escapes, blanks, warnings */
        {MATRIX("{\"values\" : [" T0 " , " T1 "],\n\"metric\":{\"device\":\"\\u00640\"}}"), ERR_NONE, 2},
        {"{\"warnings\":[\"half\"],\"data\":{\"resultType\":\"matrix\",\"result\":[" OF("d0", T0) "]}}", ERR_NONE, 1},
        {MATRIX(OF("d0", "[1.7952318e9,\"1\"]")), ERR_NONE, 1},
        /* times that were not asked for */
        {MATRIX(OF("d0", T1 "," T0)), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", T0 "," T0)), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", "[1795231801,\"1\"]")), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", "[1795231800.001,\"1\"]")), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", "[1795231785,\"1\"]")), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", "[1795231845,\"1\"]")), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", "[-1795231800,\"1\"]")), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", "[-0.5,\"1\"]")), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", "[9e300,\"1\"]")), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", "[99999999999999,\"1\"]")), ERR_PROTOCOL, 0},
        /* no samples */
        {MATRIX(OF("d0", "[1795231800,1]")), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", "[1795231800,\"1x\"]")), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", "[1795231800]")), ERR_PROTOCOL, 0},
        {MATRIX(OF("d0", "[1795231800,\"1\",2]")), ERR_NONE, 1}, /* what more there is, is passed over */
        {MATRIX(OF("d0", "7")), ERR_PROTOCOL, 0},
        {MATRIX("{\"metric\":{\"device\":\"d0\"}}"), ERR_PROTOCOL, 0},
        {MATRIX("{\"metric\":{\"device\":\"d0\"},\"value\":" T0 "}"), ERR_PROTOCOL, 0},
        {MATRIX("7"), ERR_PROTOCOL, 0},
        {"{\"data\":{\"resultType\":\"vector\",\"result\":[]}}", ERR_PROTOCOL, 0},
        {"{\"data\":{\"resultType\":\"matrix\",\"result\":{}}}", ERR_PROTOCOL, 0},
        {"{\"data\":{\"result\":[]}}", ERR_PROTOCOL, 0},
        {"{}", ERR_PROTOCOL, 0},
        {"[]", ERR_PROTOCOL, 0},
        /* cut short */
        {"{\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"device\":\"d0\"},\"values\":[[1795231800,\"1",
         ERR_SYNTAX, 0},
        {"{\"data\":{\"resultType\":\"matrix\",\"result\":[" OF("d0", T0), ERR_SYNTAX, 0},
        {MATRIX(OF("d0", T0)) "}", ERR_SYNTAX, 0},
        {MATRIX(OF("d\xff", T0)), ERR_SYNTAX, 0},
        {"", ERR_SYNTAX, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tel t;
        /* without a time of samples: that of the grid */
        tel_init(&t, give, "device", "sum(x)");
        t.answers[0] = cases[i].body;
        t.words[0] = "sum";
        t.answers[1] = MATRIX("");
        t.words[1] = "query_range";
        range_of(&t, AT(0), AT(2), STEP * US_PER_S);
        /* The time can still be told by CPU, which gives nothing: so nothing may count. */
        assert_int_equal(range_rows(&t.range), 0);
        if (t.err.code != cases[i].code)
            fail_msg("%s: %s %s", cases[i].body, err_word(t.err.code), t.err.what);
        /* as CPU, a plain selector */
        t.words[0] = "query=device_cpu_ratio";
        range_of(&t, AT(0), AT(2), STEP * US_PER_S);
        if (t.err.code != cases[i].code || range_rows(&t.range) != cases[i].rows)
            fail_msg("%s: %s %s, %zu rows", cases[i].body, err_word(t.err.code), t.err.what, range_rows(&t.range));
        for (size_t k = 0; k < t.range.n; k++)
            for (size_t d = 0; d < t.range.v[k].n; d++)
                assert_true(t.range.v[k].at[d] == 0 || t.range.v[k].at[d] == t.range.v[k].t);
        tel_release(&t);
    }
}

static void test_range_too_large(void **state)
{
    static const struct {
        int status;
        const char *error;
        enum err_code code;
    } cases[] = {
        {422, "query processing would load too many samples into memory in query execution", ERR_LIMIT},
        {400, "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution",
         ERR_LIMIT},
        {503, "query timed out in expression evaluation", ERR_LIMIT},
        {422, "the query exceeded the maximum number of chunks", ERR_LIMIT},
        {413, "", ERR_LIMIT},
        {422, "many-to-many matching not allowed", ERR_SYNTAX},
        {503, "no healthy upstream", ERR_PROTOCOL},
        {500, "too many open files", ERR_PROTOCOL},
    };
    struct tel t;
    char body[300], id[16];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tel_init(&t, give, "device", "");
        snprintf(body, sizeof body, "{\"status\":\"error\",\"errorType\":\"x\",\"error\":\"%s\"}", cases[i].error);
        t.body = body;
        t.status = cases[i].status;
        range_of(&t, AT(0), AT(2), STEP * US_PER_S);
        if (t.err.code != cases[i].code)
            fail_msg("%d %s: %s %s", cases[i].status, cases[i].error, err_word(t.err.code), t.err.what);
        assert_true(t.err.next[0] != '\0');
        assert_int_equal(range_rows(&t.range), 0);
        tel_release(&t);
    }
    /* andon's own limits: nothing is asked */
    tel_init(&t, serve, "device", "");
    range_of(&t, AT(0), AT(RANGE_TICKS_MAX), STEP * US_PER_S);
    assert_int_equal(t.err.code, ERR_LIMIT);
    for (int i = 0; i < 1100; i++) {
        snprintf(id, sizeof id, "n-%d", i);
        watch_set_add(t.watch, id);
    }
    range_of(&t, AT(0), AT(999), STEP * US_PER_S);
    assert_int_equal(t.err.code, ERR_LIMIT);
    assert_non_null(strstr(t.err.next, "fewer ticks"));
    range_of(&t, AT(0) + 1, AT(1), STEP * US_PER_S);
    assert_int_equal(t.err.code, ERR_RANGE);
    range_of(&t, AT(1), AT(0), STEP * US_PER_S);
    assert_int_equal(t.err.code, ERR_RANGE);
    range_of(&t, AT(0), AT(1), 0);
    assert_int_equal(t.err.code, ERR_RANGE);
    assert_int_equal(hostile_requests(t.rig.server), 0);
    range_of(&t, AT(0), AT(0), STEP * US_PER_S); /* one tick */
    assert_int_equal(t.err.code, ERR_NONE);
    assert_int_equal(range_rows(&t.range), DEVICES - 1);
    tel_release(&t);
}

static void test_set_cleared(void **state)
{
    struct tel t;
    (void)state;
    tel_init(&t, serve, "device", "");
    t.t->ops->range(t.t, t.watch, AT(0), AT(5), STEP * US_PER_S, WINDOW, &t.arena, &t.range, on_done, &t);
    watch_set_clear(t.watch);
    watch_set_add(t.watch, "d1");
    rig_run(&t.rig, &t.done);
    assert_int_equal(t.err.code, ERR_CANCELLED);
    assert_int_equal(range_rows(&t.range), 0);
    tel_release(&t);
}

static void test_freed_under_way(void **state)
{
    struct tel t;
    (void)state;
    tel_init(&t, serve, "device", "");
    t.t->ops->range(t.t, t.watch, AT(0), AT(5), STEP * US_PER_S, WINDOW, &t.arena, &t.range, on_done, &t);
    telemetry_free(t.t);
    t.t = NULL;
    assert_true(t.done);
    assert_int_equal(t.err.code, ERR_CANCELLED);
    tel_release(&t);
}

/* --- one pass and tree --- */

struct seen {
    struct {
        size_t series;
        long device;
        int64_t at_ms;
        double v;
    } v[64];
    size_t n, restarts;
};

static bool see(void *ctx, size_t series, long device, int64_t at_ms, double v, struct err *e)
{
    struct seen *s = ctx;
    (void)e;
    assert_true(s->n < 64);
    memset(&s->v[s->n], 0, sizeof s->v[0]);
    s->v[s->n].series = series;
    s->v[s->n].device = device;
    s->v[s->n].at_ms = at_ms;
    s->v[s->n++].v = v;
    return true;
}

static void forget(void *ctx)
{
    struct seen *s = ctx;
    s->n = 0;
    s->restarts++;
}

static bool read_it(const struct prom_source *src, const char *begin, const char *rest, struct seen *out)
{
    struct prom_sink sink = {.sample = see, .restart = forget, .ctx = out};
    struct buf b;
    struct err e = {0};
    char warning[80];
    *out = (struct seen){0};
    buf_init(&b, 1 << 16);
    buf_adds(&b, begin);
    buf_adds(&b, rest);
    bool ok = prom_read(src, &b, &sink, warning, sizeof warning, &e);
    assert_int_equal(ok, e.code == ERR_NONE);
    buf_release(&b);
    return ok;
}

/* Whatever happens to an answer: what the one pass takes, the tree takes too, and finds the same in it. */
static void test_one_pass_is_tree(void **state)
{
    static const char good[] =
        "\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"a\":"
        "\"b\",\"device\":\"d1\"},\"values\":[[1795231800,\"0.25\"],[1795231815.5,\"-1e3\"]]},"
        "{\"metric\":{\"device\":\"d2\"},\"values\":[[1795231800.125,\"NaN\"]]}],\"x\":[1,-2.5,"
        "true]},\"infos\":[null]}";
    static const char bytes[] = "0123456789.-+eE\"\\[]{}:, ad\xc3\x01u";
    struct watch_set *w = watch_set_new();
    struct prom_source src = {.what = "x", .join_label = "device", .watch = w, .n_watch = 2, .matrix = true};
    struct seen one, tree;
    char rest[sizeof good];
    uint32_t r = 7;
    size_t taken = 0;
    (void)state;
    watch_set_add(w, "d1");
    watch_set_add(w, "d2");
    for (int i = 0; i < 30000; i++) {
        memcpy(rest, good, sizeof good);
        for (int k = 0; k <= i % 3 && i > 0; k++) {
            r = r * 1664525 + 1013904223;
            rest[(r >> 8) % (sizeof good - 1)] = bytes[(r >> 24) % (sizeof bytes - 1)];
        }
        bool ok = read_it(&src, "{", rest, &one);
        if (one.restarts) /* the tree has read it as well */
            continue;
        assert_true(ok);
        taken++;
        if (!read_it(&src, "{\"warnings\":[],", rest, &tree) || one.n != tree.n ||
            memcmp(one.v, tree.v, one.n * sizeof one.v[0]) != 0)
            fail_msg("{%s", rest);
        assert_int_equal(tree.restarts, 1);
    }
    assert_true(taken > 1000);
    watch_set_free(w);
}

/* --- boot times --- */

#define VECTOR(s) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" s "]}}"
#define HAS(d, v) "{\"metric\":{\"device\":\"" d "\"},\"value\":[1795231800,\"" v "\"]}"

static void test_boot_times(void **state)
{
    struct tel t;
    (void)state;
    tel_init(&t, serve, "device", "");
    assert_false(t.t->ops->boot_time(t.t));
    tel_release(&t);
    tel_init(&t, give, "node_exporter", "node_boot_time_seconds{job=~\"a.*|b\"}");
    assert_true(t.t->ops->boot_time(t.t));
    t.words[0] = "timestamp";
    t.answers[0] = VECTOR(HAS("d1", "1795231795"));
    t.words[1] = "node_boot";
    t.answers[1] = VECTOR(HAS("d1", "1795000000"));
    poll_at(&t, 0);
    assert_int_equal(t.poll.tick.samples, 1);
    assert_true(value(&t.poll.tick, 0, COL_REBOOTS) == 0); /* of now: a counter */
    poll_at(&t, AT(0));
    assert_true(value(&t.poll.tick, 0, COL_REBOOTS) == 1795000000); /* as of a time: as it is */
    assert_string_equal(t.poll.warning, "");
    t.answers[1] = VECTOR(HAS("d1", "1795231000"));
    poll_at(&t, AT(0));
    assert_true(value(&t.poll.tick, 0, COL_REBOOTS) == 1795231000);
    t.answers[0] = VECTOR(HAS("d1", "1795231810"));
    poll_at(&t, 0);
    assert_true(value(&t.poll.tick, 0, COL_REBOOTS) ==
                0); /* its clock was set: it has not booted since the last poll */
    t.answers[0] = VECTOR(HAS("d1", "1795231855"));
    t.answers[1] = VECTOR(HAS("d1", "1795231840"));
    poll_at(&t, 0);
    assert_true(value(&t.poll.tick, 0, COL_REBOOTS) == 1);
    t.words[0] = "query_range?query=timestamp";
    t.answers[0] = MATRIX(OF("d1", "[1795231800,\"1795231795\"]"));
    t.words[1] = "query_range?query=node_boot";
    t.answers[1] = MATRIX(OF("d1", "[1795231800,\"1795231000\"]"));
    t.words[2] = "query_range";
    t.answers[2] = MATRIX("");
    range_of(&t, AT(0), AT(0), STEP * US_PER_S);
    assert_int_equal(range_rows(&t.range), 1);
    assert_true(value(&t.range.v[0], 0, COL_REBOOTS) == 1795231000);
    tel_release(&t);
}

/* A source that answers as of another time than it was asked about. */
static void test_wrong_time(void **state)
{
    struct tel t;
    (void)state;
    tel_init(&t, give, "device", "");
    t.words[0] = "query";
    t.answers[0] = VECTOR(HAS("d1", "5"));
    poll_at(&t, AT(2));
    assert_int_equal(t.err.code, ERR_NONE);
    assert_non_null(strstr(t.poll.warning, "another time"));
    t.answers[0] = VECTOR("{\"metric\":{\"device\":\"d1\"},\"value\":[-0.5,\"1\"]}");
    poll_at(&t, AT(2));
    assert_int_equal(t.err.code, ERR_PROTOCOL);
    tel_release(&t);
}

/* --- the day before --- */

#define DAY(d, c)  tick_value(&t.past.day, d, c)
#define HOUR(d, c) tick_value(&t.past.hour, d, c)

static void test_past(void **state)
{
    struct tel t;
    size_t d;
    (void)state;
    tel_init(&t, give, "device", "");
    t.words[0] =
        "query=avg_over_time%28%28device_cpu_ratio%29%5B24h%3A5m%5D%29%20and%20count_over_time%28%28device_cpu_"
        "ratio%29%5B24h%3A5m%5D%29%20%3E%3D%2012&time=1795231800.000&nocache=1";
    t.answers[0] = VECTOR(HAS("d1", "0.25") "," HAS("d2", "0.5") "," HAS("d2", "0.25"));
    t.words[1] = "query=avg_over_time%28%28device_cpu_ratio%29%5B1h%3A5m%5D%29&time=1795231800.000&nocache=1";
    t.answers[1] = VECTOR(HAS("d1", "0.75") "," HAS("d3", "0.125"));
    t.words[2] = "query=avg_over_time%28%28stdvar_over_time%28device_sensor_value%5B600s%5D%29%29%5B24h%3A5m%5D%29";
    t.answers[2] = VECTOR(HAS("d1", "4"));
    t.words[3] = "query=avg_over_time%28%28stdvar_over_time%28device_sensor_value%5B600s%5D%29%29%5B1h%3A5m%5D%29";
    t.answers[3] = VECTOR(HAS("d1", "NaN"));
    t.words[4] =
        "query=sum_over_time%28clamp_min%28device_reboots_total%20-%20last_over_time%28device_reboots_total%"
        "5B10m%5D%20offset%201m%29%2C%200%29%5B1h%3A1m%5D%29%20%2B%20resets%28device_reboots_total%5B1h%5D%29&";
    t.answers[4] = VECTOR(HAS("d1", "3") "," HAS("other", "9"));
    t.words[5] = "query=timestamp%28device_reboots_total%29&time=1795231800.000&nocache=1";
    t.answers[5] = VECTOR(
        HAS("d1", "1795231790.5") "," HAS("d1", "1795231780") "," HAS("d4", "1795231770") "," HAS("d4", "1795231775"));
    t.words[6] = "query=increase%28device_reboots_total%5B24h%5D%29%20%2B%20resets%28device_reboots_total%5B24h%5D%29&";
    t.answers[6] = VECTOR(HAS("d1", "7.25") "," HAS("d4", "6") "," HAS("d4", "6"));
    t.words[7] =
        "query=clamp_min%281%20-%20count_over_time%28%28timestamp%28device_reboots_total%29%29%5B24h%3A5m%5D%29%20"
        "%2F%20288%2C%200%29&";
    t.answers[7] = VECTOR(HAS("d1", "0.5"));
    past_at(&t, AT(0));
    if (t.err.code)
        fail_msg("%s", t.err.what);
    assert_int_equal(hostile_requests(t.rig.server), 8);
    assert_int_equal(hostile_connections(t.rig.server), 1);
    assert_true(t.past.known);
    assert_int_equal(t.past.hour.n, DEVICES + 1); /* a row for each, known or not */
    d = (size_t)watch_set_find(t.watch, "d1", 2);
    assert_true(DAY(d, COL_CPU) == 0.25 && HOUR(d, COL_CPU) == 0.75 && DAY(d, COL_VARIANCE) == 4);
    assert_true(DAY(d, COL_REBOOTS) == 7.25 && t.past.away[d] == 0.5);
    assert_true(HOUR(d, COL_REBOOTS) == 3 && isnan(HOUR(d, COL_VARIANCE)));
    assert_int_equal(t.past.hour.at[d], INT64_C(1795231790500000)); /* the newer */
    assert_int_equal(t.past.hour.at[watch_set_find(t.watch, "d4", 2)], INT64_C(1795231775000000));
    assert_true(DAY((size_t)watch_set_find(t.watch, "d4", 2), COL_REBOOTS) == 6); /* of two series one */
    d = (size_t)watch_set_find(t.watch, "d2", 2);
    assert_true(DAY(d, COL_CPU) == 0.375); /* averaged */
    assert_true(isnan(HOUR(d, COL_CPU)) && isnan(HOUR(d, COL_REBOOTS)) && isnan(DAY(d, COL_REBOOTS)) &&
                isnan(t.past.away[d]));
    assert_int_equal(t.past.hour.at[d], 0);
    d = (size_t)watch_set_find(t.watch, "d3", 2);
    assert_true(isnan(DAY(d, COL_CPU)) && HOUR(d, COL_CPU) == 0.125); /* less than an hour of data: no baseline */
    tel_release(&t);
}

static void test_past_other_queries(void **state)
{
    struct tel t;
    (void)state;
    tel_init(&t, give, "node_exporter", "");
    t.words[0] = "query=sum_over_time%28%28%28node_boot_time_seconds%20-%20last_over_time%28node_boot_time_seconds"
                 "%5B10m%5D%20offset%201m%29%20%3E%20bool%205%29%20%2A%20%28node_boot_time_seconds%20%3E%20bool%20"
                 "%28timestamp%28node_boot_time_seconds%20offset%201m%29%20and%20node_boot_time_seconds%20offset%2"
                 "01m%20%3E%201e9%20or%20last_over_time%28node_boot_time_seconds%5B10m%5D%20offset%201m%29%20%2A%2"
                 "00%20%2B%20time%28%29%20-%20660%29%20-%205%29%29%5B1h%3A1m%5D%29&time=1795231800.000&nocache=1";
    t.answers[0] = VECTOR(HAS("d1", "2"));
    t.words[1] = "query=sum_over_time%28%28%28node_boot_time_seconds%20-%20last_over_time%28node_boot_time_seconds%5"
                 "B10m%5D%20offset%205m%29%20%3E%20bool%205%29%20%2A%20%28node_boot_time_seconds%20%3E%20bool%20%28t"
                 "imestamp%28node_boot_time_seconds%20offset%205m%29%20and%20node_boot_time_seconds%20offset%205m%20"
                 "%3E%201e9%20or%20last_over_time%28node_boot_time_seconds%5B10m%5D%20offset%205m%29%20%2A%200%20%2B"
                 "%20time%28%29%20-%20900%29%20-%205%29%29%5B24h%3A5m%5D%29&time=1795231800.000&nocache=1";
    t.answers[1] = VECTOR(HAS("d1", "5"));
    past_at(&t, AT(0));
    assert_int_equal(t.err.code, ERR_NONE);
    assert_true(HOUR((size_t)watch_set_find(t.watch, "d1", 2), COL_REBOOTS) == 2);
    assert_true(DAY((size_t)watch_set_find(t.watch, "d1", 2), COL_REBOOTS) == 5);
    assert_int_equal(hostile_requests(t.rig.server), 6); /* no sensor: no variance */
    tel_release(&t);
    tel_init(&t, give, "device", "sum by ($label) (boots)");
    t.words[0] = "query=changes%28%28sum%20by%20%28device%29%20%28boots%29%29%5B1h%3A1m%5D%29";
    t.answers[0] = VECTOR(HAS("d1", "4"));
    past_at(&t, AT(0));
    assert_int_equal(t.err.code, ERR_NONE);
    assert_true(HOUR((size_t)watch_set_find(t.watch, "d1", 2), COL_REBOOTS) == 4);
    tel_release(&t);
}

static void test_past_nothing(void **state)
{
    struct tel t;
    (void)state;
    tel_init(&t, give, "device", "");
    t.words[0] = "query";
    t.answers[0] = VECTOR(HAS("other", "4"));
    past_at(&t, AT(0));
    assert_int_equal(t.err.code, ERR_NONE);
    assert_false(t.past.known); /* it knows nothing of that time: nobody can say */
    t.status = 422;
    t.body = "{\"error\":\"query processing would load too many samples\"}";
    past_at(&t, AT(0));
    assert_int_equal(t.err.code, ERR_LIMIT);
    assert_non_null(strstr(t.err.next, "max-samples"));
    t.status = 200;
    t.body = MATRIX("");
    past_at(&t, AT(0));
    assert_int_equal(t.err.code, ERR_PROTOCOL);
    tel_release(&t);
}

static enum hostile_end hang(void *ctx, const struct hostile_request *r, struct buf *out)
{
    (void)ctx;
    (void)r;
    (void)out;
    return HOSTILE_STALL;
}

/* A day of a large fleet may take the server a while; a poll must not. */
static void test_patience(void **state)
{
    struct tel t;
    (void)state;
    tel_init(&t, hang, "device", "");
    past_at(&t, AT(0));
    assert_int_equal(t.err.code, ERR_TIMEOUT);
    assert_non_null(strstr(t.err.what, "2m"));
    assert_true(rig_run_time(&t.rig) >= 120 * US_PER_S);
    int64_t before = rig_run_time(&t.rig);
    poll_at(&t, AT(0));
    assert_int_equal(t.err.code, ERR_TIMEOUT);
    assert_true(rig_run_time(&t.rig) - before < 11 * US_PER_S);
    tel_release(&t);
}

/* An expression that is too long with what is put around it fails, and is never cut. */
static void test_long_query(void **state)
{
    struct tel t;
    char reboots[4000];
    (void)state;
    snprintf(reboots, sizeof reboots, "sum(%0*d)", 3900, 7);
    tel_init(&t, give, "device", reboots);
    t.words[0] = "query";
    t.answers[0] = VECTOR("");
    poll_at(&t, AT(0));
    assert_int_equal(t.err.code, ERR_NONE);
    tel_release(&t);
    memset(reboots, '$', sizeof reboots); /* "$window" becomes longer than it is */
    for (size_t i = 0; i + 7 < sizeof reboots; i += 7)
        memcpy(reboots + i, "$window", 7);
    reboots[sizeof reboots - 1] = '\0';
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 4; i++)
        buf_adds(&b, reboots);
    tel_init(&t, give, "device", b.data);
    poll_at(&t, AT(0));
    assert_int_equal(t.err.code, ERR_LIMIT);
    assert_int_equal(hostile_requests(t.rig.server), 0);
    tel_release(&t);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range_is_polls), cmocka_unit_test(test_range_request),
        cmocka_unit_test(test_range_odd),      cmocka_unit_test(test_range_too_large),
        cmocka_unit_test(test_set_cleared),    cmocka_unit_test(test_freed_under_way),
        cmocka_unit_test(test_boot_times),     cmocka_unit_test(test_wrong_time),
        cmocka_unit_test(test_past),           cmocka_unit_test(test_past_other_queries),
        cmocka_unit_test(test_past_nothing),   cmocka_unit_test(test_long_query),
        cmocka_unit_test(test_patience),       cmocka_unit_test(test_one_pass_is_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
