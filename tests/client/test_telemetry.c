/* Both telemetry sources against a scripted server: joined by label, only watched devices, never health from nothing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "client/telemetry_impl.h"
#include "hostile.h"

#define WINDOW (10 * US_PER_MIN)

/* --- the watch set --- */

static void test_watch_set(void **state)
{
    struct watch_set *w = watch_set_new();
    char id[32];
    (void)state;
    assert_int_equal(watch_set_find(w, "x", 1), -1);
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "d-%d", i);
        assert_int_equal(watch_set_add(w, id), i);
        assert_int_equal(watch_set_add(w, id), i);
    }
    assert_int_equal(watch_set_size(w), 5000);
    for (int i = 0; i < 5000; i++) {
        snprintf(id, sizeof id, "d-%d", i);
        assert_int_equal(watch_set_find(w, id, strlen(id)), i);
    }
    assert_int_equal(watch_set_find(w, "d-1x", 3), 1); /* by length, not by a NUL */
    assert_int_equal(watch_set_find(w, "d-", 2), -1);
    assert_int_equal(watch_set_find(w, "", 0), -1);
    watch_set_clear(w);
    assert_int_equal(watch_set_size(w), 0);
    assert_int_equal(watch_set_find(w, "d-1", 3), -1);
    assert_int_equal(watch_set_add(w, "new"), 0);
    watch_set_free(w);
}

static void test_boot_time_names(void **state)
{
    (void)state;
    assert_true(is_boot_time("node_boot_time_seconds"));
    assert_true(is_boot_time("node_boot_time_seconds{job=\"x\"}"));
    assert_true(is_boot_time("own_boot_time_seconds"));
    assert_false(is_boot_time("device_reboots_total"));
    assert_false(is_boot_time("changes(node_boot_time_seconds[1d])"));
    assert_false(is_boot_time("x{a=\"boot_time_seconds\"}"));
    assert_false(is_boot_time(""));
    /* What looks like an operator in a matcher is none. */
    assert_true(is_boot_time("node_boot_time_seconds{job=~\"a.*|(b)+\",x!='}'}"));
    assert_false(is_boot_time("rate(node_boot_time_seconds{job=~\"a.*\"}[5m])"));
    assert_false(is_boot_time("node_boot_time_seconds * 2"));
}

static void test_plain_selectors(void **state)
{
    static const char *const plain[] = {
        "x", "a:b_1", "x{}", "x{a=\"b\"}", "x {a=~\"[a-z]*\"} ", "{a=\"b\"}", "x{a=\"\\\"}\"}", "x{a='}',b=`\\`}"};
    static const char *const other[] = {"",     "x[5m]",    "x offset 5m", "-x",    "x+y", "rate(x[5m])",
                                        "x{",   "x{a=\"b}", "x{} / 2",     "x @ 1", " ",   "sum by (a) (x)",
                                        "x{}y", "x{a='}"};
    (void)state;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (!is_plain_selector(plain[i]))
            fail_msg("%s", plain[i]);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (is_plain_selector(other[i]))
            fail_msg("%s", other[i]);
}

/* --- the rig --- */

struct tel {
    struct rig rig;
    struct telemetry *t;
    struct watch_set *watch;
    struct arena arena;
    struct sample_list out;
    bool done;
    struct err err;
    /* what the server answers */
    const char *content_type;
    int status;
    char page[65536];
    const char *answers[5]; /* Prometheus: in the order of `matches` */
    const char *matches[5]; /* words in the query */
};

static enum hostile_end give_page(void *ctx, const struct hostile_request *q, struct buf *out)
{
    const struct tel *t = ctx;
    (void)q;
    hostile_answer(out, t->status, t->content_type, t->page);
    return HOSTILE_KEEP;
}

static enum hostile_end give_vector(void *ctx, const struct hostile_request *q, struct buf *out)
{
    const struct tel *t = ctx;
    for (size_t i = 0; i < sizeof t->matches / sizeof *t->matches; i++)
        if (t->matches[i] && strcmp(q->path, t->matches[i]) == 0) {
            hostile_answer(out, t->status, "application/json", t->answers[i]);
            return HOSTILE_KEEP;
        }
    hostile_answer(out, 400, "application/json",
                   "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"unexpected \\u001b query\"}");
    return HOSTILE_KEEP;
}

static struct telemetry_spec spec_of(const struct tel *t, enum telemetry_kind kind)
{
    return (struct telemetry_spec){.kind = kind,
                                   .endpoint = t->rig.endpoint,
                                   .preset = "device",
                                   .join_label = "device",
                                   .interval_us = 15 * US_PER_S,
                                   .reboots = "",
                                   .cpu = "",
                                   .variance = "",
                                   .sensor = ""};
}

static void tel_init(struct tel *t, hostile_fn fn)
{
    memset(t, 0, sizeof *t);
    rig_init(&t->rig, fn, t);
    arena_init(&t->arena);
    t->watch = watch_set_new();
    t->content_type = "text/plain; version=0.0.4";
    t->status = 200;
}

static void tel_open(struct tel *t, const struct telemetry_spec *spec)
{
    struct err e = {0};
    t->t = telemetry_open(t->rig.http, &t->rig.clock, spec, &e);
    if (!t->t)
        fail_msg("%s", e.what);
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
    t->done = true;
    t->err = r->err ? *r->err : (struct err){0};
}

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

static void poll_now(struct tel *t)
{
    t->done = false;
    t->t->ops->poll(t->t, t->watch, 0, WINDOW, &t->arena, &t->out, on_done, t);
    rig_run(&t->rig, &t->done);
}

/* --- scraped pages --- */

static void test_scrape(void **state)
{
    struct tel t;
    (void)state;
    tel_init(&t, give_page);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_OPENMETRICS);
    tel_open(&t, &spec);
    watch_set_add(t.watch, "b");
    watch_set_add(t.watch, "silent");
    watch_set_add(t.watch, "a");
    snprintf(t.page, sizeof t.page,
             "device_info{device=\"a\",model=\"h2\"} 1\n"
             "device_reboots_total{device=\"a\"} 3 1795231728281\n"
             "device_reboots_total{device=\"other\"} 7 1795231728281\n"
             "device_cpu_ratio{device=\"a\"} 0.25 1795231728281\n"
             "device_cpu_ratio{device=\"b\"} NaN\n"
             "device_sensor_value{device=\"b\"} 20.5\n");
    poll_now(&t);
    assert_int_equal(t.err.code, ERR_NONE);
    assert_int_equal(t.out.tick.samples, 2); /* nothing about the silent one */
    assert_int_equal(t.out.unmatched, 1);
    assert_int_equal(nth(&t.out.tick, 0), 0); /* in order of the set, not of the page */
    assert_int_equal(nth(&t.out.tick, 1), 2);
    assert_true(isnan(value(&t.out.tick, 0, COL_REBOOTS)));
    assert_true(isnan(value(&t.out.tick, 0, COL_CPU)));
    assert_true(isnan(value(&t.out.tick, 0, COL_VARIANCE)));         /* of one reading there is none */
    assert_int_equal(t.out.tick.at[nth(&t.out.tick, 0)], t.rig.now); /* a page without times: of the request */
    assert_true(value(&t.out.tick, 1, COL_REBOOTS) == 3);
    assert_true(value(&t.out.tick, 1, COL_CPU) == 0.25);
    assert_int_equal(t.out.tick.at[nth(&t.out.tick, 1)], INT64_C(1795231728281000));
    assert_int_equal(t.out.newest, t.rig.now);
    tel_release(&t);
}

/* The moving variance is the one that stdvar_over_time would give over the same readings. */
static void test_scrape_variance(void **state)
{
    static const double readings[] = {20, 21, 19.5, 20.25, 22, 18, 23, 19, 20.5, 24};
    struct tel t;
    double sum = 0, sq = 0;
    (void)state;
    tel_init(&t, give_page);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_OPENMETRICS);
    tel_open(&t, &spec);
    watch_set_add(t.watch, "a");
    for (int i = 0; i < 10; i++) {
        snprintf(t.page, sizeof t.page, "device_sensor_value{device=\"a\"} %g %lld\n", readings[i],
                 1795231728000LL + 45000 * i);
        poll_now(&t);
        poll_now(&t); /* the same reading twice counts once */
        sum += readings[i];
        sq += readings[i] * readings[i];
        double mean = sum / (i + 1), var = sq / (i + 1) - mean * mean;
        if (i < 7) /* of seven readings there is none */
            assert_true(isnan(value(&t.out.tick, 0, COL_VARIANCE)));
        else
            assert_true(fabs(value(&t.out.tick, 0, COL_VARIANCE) - var) < 1e-9);
    }
    /* An hour later the old ones are out of the window; many readings of a short while are not half a window. */
    for (int i = 0; i < 12; i++) {
        snprintf(t.page, sizeof t.page, "device_sensor_value{device=\"a\"} %d %lld\n", 100 + 2 * (i % 2),
                 1795231728000LL + 3600000 + (i < 10 ? 15000 * i : 150000 * (i - 8)));
        poll_now(&t);
        assert_true(i < 11 ? isnan(value(&t.out.tick, 0, COL_VARIANCE))
                           : fabs(value(&t.out.tick, 0, COL_VARIANCE) - 1) < 1e-9);
    }
    tel_release(&t);
}

/* What is kept follows the device, not its place in the set. */
static void test_scrape_set_changes(void **state)
{
    struct tel t;
    (void)state;
    tel_init(&t, give_page);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_OPENMETRICS);
    tel_open(&t, &spec);
    for (int i = 0; i < 9; i++) {
        watch_set_clear(t.watch);
        for (int k = 0; k < 300 * (i + 1); k++) { /* many that come and go */
            char id[32];
            snprintf(id, sizeof id, "gone-%d-%d", i, k);
            watch_set_add(t.watch, id);
        }
        watch_set_add(t.watch, i % 2 ? "b" : "a");
        size_t last = watch_set_add(t.watch, i % 2 ? "a" : "b");
        assert_true(last >= 1);
        snprintf(t.page, sizeof t.page,
                 "device_sensor_value{device=\"a\"} %d %lld\ndevice_sensor_value{device=\"b\"} 7 %lld\n", i % 2,
                 1795231728000LL + 45000 * i, 1795231728000LL + 45000 * i);
        poll_now(&t);
        assert_int_equal(t.out.tick.samples, 2);
        size_t a = i % 2 ? 1 : 0, b = 1 - a;
        if (i >= 7) {
            assert_true(value(&t.out.tick, b, COL_VARIANCE) == 0);
            assert_true(value(&t.out.tick, a, COL_VARIANCE) > 0.2);
        }
    }
    tel_release(&t);
}

static void test_scrape_node_exporter(void **state)
{
    struct tel t;
    (void)state;
    tel_init(&t, give_page);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_OPENMETRICS);
    spec.preset = "node_exporter";
    spec.join_label = "instance";
    spec.sensor = "node_hwmon_temp_celsius";
    spec.reboots = "node_boot_time_seconds"; /* spelled out, as in an example: no counter of boots for it */
    spec.cpu = "node_cpu_seconds_total";
    tel_open(&t, &spec);
    watch_set_add(t.watch, "h:9100");
    int64_t start = t.rig.now / US_PER_S;
    for (int i = 0; i < 9; i++) {
        /* two processors, each 22.5 s idle of 45: half busy */
        snprintf(t.page, sizeof t.page,
                 "node_boot_time_seconds{instance=\"h:9100\"} %lld\n"
                 "node_cpu_seconds_total{instance=\"h:9100\",cpu=\"0\",mode=\"idle\"} %g\n"
                 "node_cpu_seconds_total{instance=\"h:9100\",cpu=\"1\",mode=\"idle\"} %g\n"
                 "node_cpu_seconds_total{instance=\"h:9100\",cpu=\"1\",mode=\"user\"} 99999\n"
                 "node_hwmon_temp_celsius{instance=\"h:9100\"} %d\n",
                 (long long)(i < 2 ? start - 90000 : start + 65), 100 + 22.5 * i, 200 + 22.5 * i, 40 + i);
        poll_now(&t);
        assert_int_equal(t.err.code, ERR_NONE);
        assert_int_equal(t.out.tick.samples, 1);
        assert_true(value(&t.out.tick, 0, COL_REBOOTS) == (i < 2 ? 0 : 1));
        assert_true(i == 0 ? isnan(value(&t.out.tick, 0, COL_CPU)) : fabs(value(&t.out.tick, 0, COL_CPU) - 0.5) < 1e-9);
        t.rig.now += 45 * US_PER_S;
    }
    assert_true(fabs(value(&t.out.tick, 0, COL_VARIANCE) - 80.0 / 12) < 1e-9); /* of 40 ... 48 */
    tel_release(&t);
}

static void test_scrape_failures(void **state)
{
    static const struct {
        int status;
        const char *type, *page;
        enum err_code code;
    } cases[] = {
        {404, "text/plain", "no", ERR_PROTOCOL},
        {401, "text/plain", "no", ERR_AUTH},
        {403, "text/plain", "no", ERR_FORBIDDEN},
        {500, "text/plain", "no\n", ERR_PROTOCOL},
        {200, "text/plain", "device_cpu_ratio{device=\"a\"} 0.1", ERR_PROTOCOL},
        {200, "application/openmetrics-text; version=1.0.0", "device_cpu_ratio{device=\"a\"} 0.1\n", ERR_PROTOCOL},
        {200, "text/plain", "device_cpu_ratio{device=\"a} 0.1\n", ERR_SYNTAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tel t;
        tel_init(&t, give_page);
        struct telemetry_spec spec = spec_of(&t, TELEMETRY_OPENMETRICS);
        tel_open(&t, &spec);
        watch_set_add(t.watch, "a");
        t.status = cases[i].status;
        t.content_type = cases[i].type;
        snprintf(t.page, sizeof t.page, "%s", cases[i].page);
        poll_now(&t);
        assert_int_equal(t.err.code, cases[i].code);
        assert_int_equal(t.out.tick.samples, 0);
        assert_true(t.err.next[0] != '\0');
        tel_release(&t);
    }
}

static void test_scrape_probe(void **state)
{
    struct tel t;
    struct telemetry_probe got;
    (void)state;
    tel_init(&t, give_page);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_OPENMETRICS);
    tel_open(&t, &spec);
    watch_set_add(t.watch, "a");
    watch_set_add(t.watch, "z");
    snprintf(t.page, sizeof t.page,
             "device_cpu_ratio{device=\"a\"} 0.1\ndevice_cpu_ratio{device=\"b\"} 0.1\n"
             "device_cpu_ratio{device=\"a\",core=\"1\"} 0.1\ndevice_cpu_ratio 0.1\n");
    t.t->ops->probe(t.t, t.watch, &t.arena, &got, on_done, &t);
    rig_run(&t.rig, &t.done);
    assert_int_equal(t.err.code, ERR_NONE);
    assert_string_equal(got.label, "device");
    assert_string_equal(got.query[1].what, "cpu (device_cpu_ratio)");
    assert_int_equal(got.query[1].series, 4);
    assert_int_equal(got.query[1].ours, 2);
    assert_int_equal(got.query[1].devices, 1);
    assert_int_equal(got.query[1].unlabelled, 1);
    assert_string_equal(got.query[1].example, "b");
    assert_string_equal(got.query[1].of, "a");
    assert_true(got.query[1].value == 0.1);
    assert_int_equal(got.query[0].series, 0);
    tel_release(&t);
}

static void test_scrape_probe_own(void **state)
{
    struct tel t;
    struct telemetry_probe got;
    (void)state;
    tel_init(&t, give_page);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_OPENMETRICS);
    spec.own[0] = (struct telemetry_metric){.id = "retries", .query = "retries_total", .counter = true};
    spec.n_own = 1;
    tel_open(&t, &spec);
    watch_set_add(t.watch, "a");
    snprintf(t.page, sizeof t.page,
             "retries_total{device=\"a\",why=\"x\"} 3 1795231728281\nretries_total{device=\"a\",why=\"y\"} -3\n");
    t.t->ops->probe(t.t, t.watch, &t.arena, &got, on_done, &t);
    rig_run(&t.rig, &t.done);
    assert_int_equal(t.err.code, ERR_NONE);
    const struct telemetry_query *q = &got.query[COL_BUILTIN];
    assert_string_equal(q->what, "retries (retries_total)");
    assert_true(q->counter && q->value == 3);
    assert_int_equal(q->several, 1);
    assert_int_equal(q->unusable, 1);
    assert_int_equal(got.newest, INT64_C(1795231728281000));
    tel_release(&t);
}

/* --- Prometheus --- */

#define VECTOR(s)    "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" s "]}}"
#define SERIES(d, v) "{\"metric\":{\"device\":\"" d "\"},\"value\":[1795231728.281,\"" v "\"]}"
#define Q            "/api/v1/query?query="

static void prom_init(struct tel *t)
{
    tel_init(t, give_vector);
    t->matches[0] = Q "device_reboots_total";
    t->matches[1] = Q "device_cpu_ratio";
    t->matches[2] = Q "stdvar_over_time%28device_sensor_value%5B600s%5D%29";
    t->matches[3] = Q "timestamp%28device_reboots_total%29";
    t->answers[0] = VECTOR(SERIES("a", "3") "," SERIES("other", "9") "," SERIES("stale", "1"));
    t->answers[1] = VECTOR(SERIES("a", "0.25") "," SERIES("b", "0.5"));
    t->answers[2] = VECTOR(SERIES("a", "NaN"));
    t->answers[3] = VECTOR(SERIES("a", "1795231720.5") "," SERIES("stale", "1795231500"));
    watch_set_add(t->watch, "stale");
    watch_set_add(t->watch, "a");
    watch_set_add(t->watch, "b");
}

/* What is asked is what a poll asks, and compared with the devices; also when an answer must be read twice. */
static void test_prometheus_probe(void **state)
{
    struct tel t;
    struct telemetry_probe got;
    (void)state;
    prom_init(&t);
    t.answers[1] = VECTOR(SERIES("a", "0.25") "," SERIES("a\\u003a9100", "0.5") "," SERIES("B", "1"));
    t.answers[2] = VECTOR("{\"metric\":{},\"value\":[1795231728,\"1\"]}");
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_PROMETHEUS);
    tel_open(&t, &spec);
    t.t->ops->probe(t.t, t.watch, &t.arena, &got, on_done, &t);
    rig_run(&t.rig, &t.done);
    assert_int_equal(t.err.code, ERR_NONE);
    assert_string_equal(got.query[0].what, "reboots");
    assert_int_equal(got.query[0].series, 3);
    assert_int_equal(got.query[0].devices, 2);
    assert_string_equal(got.query[0].example, "other");
    assert_int_equal(got.query[1].series, 3); /* not counted twice */
    assert_int_equal(got.query[1].ours, 1);
    assert_int_equal(got.query[1].devices, 1);
    assert_string_equal(got.query[1].example, "a:9100");
    assert_int_equal(got.query[2].unlabelled, 1);
    assert_string_equal(got.query[2].example, "");
    assert_string_equal(got.query[1].of, "a"); /* an example of what is found */
    assert_true(got.query[1].value == 0.25);
    assert_true(strstr(got.query[0].labels, "device") != NULL);
    assert_string_equal(got.query[2].of, "");
    assert_int_equal(got.newest, INT64_C(1795231720500000));
    assert_null(got.query[COL_BUILTIN].what); /* not asked */
    tel_release(&t);
}

/* The policies' own are asked too: a counter's values, and those that are no use. */
static void test_prometheus_probe_own(void **state)
{
    struct tel t;
    struct telemetry_probe got;
    (void)state;
    prom_init(&t);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_PROMETHEUS);
    spec.own[0] = (struct telemetry_metric){.id = "offset", .query = "offset_volts"};
    spec.own[1] = (struct telemetry_metric){.id = "retries", .query = "retries_total", .counter = true};
    spec.own[2] = (struct telemetry_metric){.id = "degrees", .query = "degrees", .kind = KIND_GAUGE, .below = true};
    spec.n_own = 3;
    t.matches[1] = Q "offset_volts";
    t.matches[2] = Q "retries_total";
    t.answers[1] = VECTOR(SERIES("a", "-1") "," SERIES("b", "NaN") "," SERIES("stale", "2.5"));
    t.answers[2] = VECTOR(SERIES("other", "7"));
    t.matches[4] = Q "degrees";
    t.answers[4] = t.answers[1];
    spec.cpu = spec.variance = "retries_total";
    tel_open(&t, &spec);
    t.t->ops->probe(t.t, t.watch, &t.arena, &got, on_done, &t);
    rig_run(&t.rig, &t.done);
    assert_int_equal(t.err.code, ERR_NONE);
    const struct telemetry_query *offset = &got.query[COL_BUILTIN], *retries = &got.query[COL_BUILTIN + 1];
    assert_string_equal(offset->what, "offset");
    assert_false(offset->counter);
    assert_int_equal(offset->devices, 3);
    assert_int_equal(offset->unusable, 2);
    assert_string_equal(offset->of, "stale");
    assert_true(offset->value == 2.5);
    const struct telemetry_query *degrees = &got.query[COL_BUILTIN + 2];
    assert_true(degrees->below && degrees->unusable == 1 && degrees->value == -1);
    assert_string_equal(degrees->of, "a");
    assert_string_equal(retries->what, "retries");
    assert_true(retries->counter);
    assert_int_equal(retries->series, 1);
    assert_int_equal(retries->devices, 0);
    tel_release(&t);
}

/* --- which of two series is the newest, over a quarter of an hour --- */

#define MANY 4000 /* seconds on which the plays below are told */
struct turns {
    struct tel t; /* must be first: the rig's context */
    /* When series 0 and 1 of device a have a sample: each `every` s from `from` s on, to `to`; every 0: never. */
    struct {
        int every, from, to;
        const char *labels;
    } s[2];
};

static enum hostile_end give_turns(void *ctx, const struct hostile_request *q, struct buf *out)
{
    const struct turns *t = ctx;
    bool range = strncmp(q->path, "/api/v1/query_range?", 20) == 0, time = strstr(q->path, "=timestamp") != NULL;
    const char *start = strstr(q->path, "&start=");
    int64_t from = range ? strtoll(start + 7, NULL, 10) : MANY;
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_printf(&b, "{\"status\":\"success\",\"data\":{\"resultType\":\"%s\",\"result\":[", range ? "matrix" : "vector");
    for (int i = 0; i < 2; i++) {
        bool any = false;
        for (int64_t at = from; t->s[i].every && at <= MANY; at += 17) {
            int64_t last = at < t->s[i].to ? at : t->s[i].to;
            last -= (last - t->s[i].from) % t->s[i].every;
            if (at < t->s[i].from || at - last >= 300)
                continue;
            if (!any)
                buf_printf(&b, "%s{\"metric\":{\"device\":\"a\",%s},\"value%s\":%s",
                           b.data[b.len - 1] == '}' ? "," : "", t->s[i].labels, range ? "s" : "", range ? "[" : "");
            buf_printf(&b, "%s[%lld,\"%lld\"]", any ? "," : "", (long long)at, time ? (long long)last : 7LL);
            any = true;
        }
        buf_adds(&b, any ? range ? "]}" : "}" : "");
    }
    buf_adds(&b, "]}}");
    hostile_answer(out, 200, "application/json", b.data);
    buf_release(&b);
    return HOSTILE_KEEP;
}

static size_t turns(int every_0, int to_0, const char *labels_0, int every_1, int from_1, const char *labels_1)
{
    struct turns t;
    struct telemetry_probe got;
    memset(&t, 0, sizeof t);
    tel_init(&t.t, give_turns);
    t.s[0].every = every_0;
    t.s[0].from = 1;
    t.s[0].to = to_0;
    t.s[0].labels = labels_0;
    t.s[1].every = every_1;
    t.s[1].from = from_1;
    t.s[1].to = MANY;
    t.s[1].labels = labels_1;
    struct telemetry_spec spec = spec_of(&t.t, TELEMETRY_PROMETHEUS);
    watch_set_add(t.t.watch, "b");
    watch_set_add(t.t.watch, "a");
    tel_open(&t.t, &spec);
    t.t.t->ops->probe(t.t.t, t.t.watch, &t.t.arena, &got, on_done, &t.t);
    rig_run(&t.t.rig, &t.t.done);
    assert_int_equal(t.t.err.code, ERR_NONE);
    assert_int_equal(*got.one != '\0', got.alternating > 0);
    tel_release(&t.t);
    return got.alternating;
}

static void test_prometheus_turns(void **state)
{
    static const char a[] = "\"exporter\":\"a\"", b[] = "\"exporter\":\"b\"";
    (void)state;
    assert_int_equal(turns(15, MANY, a, 15, 8, b), 1);
    assert_int_equal(turns(60, MANY, a, 60, 31, b), 1);
    assert_int_equal(turns(280, MANY, a, 280, 140, b), 1);
    assert_int_equal(turns(15, MANY, a, 15, 1, b), 0);               /* parts of one page */
    assert_int_equal(turns(15, 3500, a, 15, 3500, b), 0);            /* a release that changed */
    assert_int_equal(turns(15, MANY - 100, a, 15, MANY - 90, b), 0); /* just now: the old one is still shown */
    assert_int_equal(turns(15, MANY, "\"job\":\"a\"", 15, 8, "\"job\":\"b\""), 0); /* one counter, read twice */
    assert_int_equal(turns(15, MANY, a, 0, 8, b), 0);
}

static void test_prometheus(void **state)
{
    struct tel t;
    (void)state;
    prom_init(&t);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_PROMETHEUS);
    tel_open(&t, &spec);
    poll_now(&t);
    if (t.err.code != ERR_NONE)
        fail_msg("%s (%s)", t.err.what, t.err.cause);
    assert_int_equal(t.out.tick.samples, 2);
    assert_int_equal(nth(&t.out.tick, 0), 0);
    assert_int_equal(t.out.tick.at[nth(&t.out.tick, 0)], INT64_C(1795231500000000)); /* not the time of the query */
    assert_int_equal(nth(&t.out.tick, 1), 1);
    assert_true(value(&t.out.tick, 1, COL_REBOOTS) == 3);
    assert_true(value(&t.out.tick, 1, COL_CPU) == 0.25);
    assert_true(isnan(value(&t.out.tick, 1, COL_VARIANCE)));
    assert_int_equal(t.out.newest, INT64_C(1795231720500000));
    assert_string_equal(t.out.warning, "");
    /* "b" has a value of unknown age: it does not count as reporting */
    assert_int_equal(hostile_requests(t.rig.server), 4);
    tel_release(&t);
}

static void test_prometheus_own_queries(void **state)
{
    struct tel t;
    (void)state;
    prom_init(&t);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_PROMETHEUS);
    spec.reboots = "sum by ($label) (boots)";
    spec.cpu = "avg_over_time(load[$window])";
    spec.join_label = "device";
    t.matches[0] = Q "sum%20by%20%28device%29%20%28boots%29";
    t.matches[1] = Q "avg_over_time%28load%5B600s%5D%29";
    t.matches[3] = NULL;
    tel_open(&t, &spec);
    poll_now(&t);
    assert_int_equal(t.err.code, ERR_NONE);
    assert_int_equal(t.out.tick.samples, 3);
    assert_int_equal(t.out.tick.at[nth(&t.out.tick, 0)], INT64_C(1795231728281000));
    assert_non_null(strstr(t.out.warning, "can't be told"));
    assert_int_equal(hostile_requests(t.rig.server), 3);
    tel_release(&t);
}

static void test_prometheus_node_exporter(void **state)
{
    struct tel t;
    (void)state;
    prom_init(&t);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_PROMETHEUS);
    spec.preset = "node_exporter";
    t.matches[0] = Q "node_boot_time_seconds";
    t.matches[1] =
        Q "1%20-%20avg%20by%20%28device%29%20%28rate%28node_cpu_seconds_total%7Bmode%3D%22idle%22%7D%5B120s%5D%29"
          "%20unless%20resets%28node_cpu_seconds_total%7Bmode%3D%22idle%22%7D%5B150s%5D%29%20%3E%200%29";
    t.matches[2] = NULL; /* no sensor named: not asked */
    t.matches[3] = Q "timestamp%28node_boot_time_seconds%29";
    tel_open(&t, &spec);
    t.answers[0] = VECTOR(SERIES("a", "1795000000"));
    poll_now(&t);
    assert_int_equal(t.err.code, ERR_NONE);
    assert_int_equal(t.out.tick.samples, 1);
    assert_int_equal(nth(&t.out.tick, 0), 1);
    assert_true(value(&t.out.tick, 0, COL_REBOOTS) == 0);
    t.answers[0] = VECTOR(SERIES("a", "1795231740"));
    t.answers[3] = VECTOR(SERIES("a", "1795231760"));
    poll_now(&t);
    assert_true(value(&t.out.tick, 0, COL_REBOOTS) == 1);
    poll_now(&t);
    assert_true(value(&t.out.tick, 0, COL_REBOOTS) == 1);
    tel_release(&t);
}

static void test_prometheus_failures(void **state)
{
    static const struct {
        int status;
        const char *body;
        enum err_code code;
        const char *cause;
    } cases[] = {
        {400, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error at \\u001b\"}", ERR_SYNTAX,
         "parse error"},
        {422, "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"many-to-many\"}", ERR_SYNTAX,
         "many-to-many"},
        {404, "404 page not found", ERR_PROTOCOL, ""},
        {401, "", ERR_AUTH, ""},
        {500, "{\"status\":\"error\",\"error\":\"disk\"}", ERR_PROTOCOL, "disk"},
        {200, "<html>", ERR_SYNTAX, ""},
        {200, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", ERR_PROTOCOL, ""},
        {200, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{}]}}", ERR_PROTOCOL, ""},
        {200, VECTOR("{\"metric\":{},\"value\":[1,5]}"), ERR_PROTOCOL, ""},
        {200, VECTOR("{\"metric\":{},\"value\":[\"1\",\"5\"]}"), ERR_PROTOCOL, ""},
        {200, VECTOR("{\"metric\":{},\"value\":[1,\"x\"]}"), ERR_PROTOCOL, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tel t;
        prom_init(&t);
        struct telemetry_spec spec = spec_of(&t, TELEMETRY_PROMETHEUS);
        tel_open(&t, &spec);
        t.status = cases[i].status;
        for (int q = 0; q < 4; q++)
            t.answers[q] = cases[i].body;
        poll_now(&t);
        if (t.err.code != cases[i].code)
            fail_msg("%s: %s %s", cases[i].body, err_word(t.err.code), t.err.what);
        assert_non_null(strstr(t.err.cause, cases[i].cause));
        assert_null(strchr(t.err.cause, 0x1b));
        assert_int_equal(t.out.tick.samples, 0);
        tel_release(&t);
    }
}

/* Thanos and the like answer with what they have, and say so in a warning. */
static void test_prometheus_warning(void **state)
{
    struct tel t;
    (void)state;
    prom_init(&t);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_PROMETHEUS);
    tel_open(&t, &spec);
    t.answers[1] =
        "{\"status\":\"success\",\"warnings\":[\"store \\u001b[31m down\"],\"data\":{\"resultType\":\"vector\","
        "\"result\":[]}}";
    poll_now(&t);
    assert_int_equal(t.err.code, ERR_NONE);
    assert_non_null(strstr(t.out.warning, "down"));
    assert_null(strchr(t.out.warning, 0x1b));
    tel_release(&t);
}

/* Figures must not be given to the wrong devices. */
static void test_prometheus_set_cleared(void **state)
{
    struct tel t;
    (void)state;
    prom_init(&t);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_PROMETHEUS);
    tel_open(&t, &spec);
    t.t->ops->poll(t.t, t.watch, 0, WINDOW, &t.arena, &t.out, on_done, &t);
    watch_set_clear(t.watch);
    for (int i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof id, "n-%d", i);
        watch_set_add(t.watch, id);
    }
    rig_run(&t.rig, &t.done);
    assert_int_equal(t.err.code, ERR_CANCELLED);
    assert_int_equal(t.out.tick.samples, 0);
    tel_release(&t);
}

static void test_open(void **state)
{
    struct tel t;
    struct err e = {.code = ERR_IO};
    (void)state;
    tel_init(&t, give_page);
    struct telemetry_spec spec = spec_of(&t, TELEMETRY_NONE);
    assert_null(telemetry_open(t.rig.http, &t.rig.clock, &spec, &e));
    assert_int_equal(e.code, ERR_NONE);
    spec.kind = TELEMETRY_PROMETHEUS;
    spec.preset = "nonsense";
    assert_null(telemetry_open(t.rig.http, &t.rig.clock, &spec, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    spec.preset = "";
    spec.endpoint.url = "http://prometheus.example.com";
    assert_null(telemetry_open(t.rig.http, &t.rig.clock, &spec, &e));
    assert_non_null(strstr(e.what, "telemetry: "));
    tel_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch_set),
        cmocka_unit_test(test_boot_time_names),
        cmocka_unit_test(test_plain_selectors),
        cmocka_unit_test(test_scrape),
        cmocka_unit_test(test_scrape_variance),
        cmocka_unit_test(test_scrape_set_changes),
        cmocka_unit_test(test_scrape_node_exporter),
        cmocka_unit_test(test_scrape_failures),
        cmocka_unit_test(test_scrape_probe),
        cmocka_unit_test(test_scrape_probe_own),
        cmocka_unit_test(test_prometheus_probe),
        cmocka_unit_test(test_prometheus_probe_own),
        cmocka_unit_test(test_prometheus_turns),
        cmocka_unit_test(test_prometheus),
        cmocka_unit_test(test_prometheus_own_queries),
        cmocka_unit_test(test_prometheus_node_exporter),
        cmocka_unit_test(test_prometheus_failures),
        cmocka_unit_test(test_prometheus_warning),
        cmocka_unit_test(test_prometheus_set_cleared),
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
