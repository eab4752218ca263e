/* The devices and their telemetry: the same seed gives the same world, however often it is asked. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "talk.h"

#define DEVICES(more)                                                                                                  \
    "devices: {count: 200, poll: 20s, download: 8s, install: 4s, models: [{name: A, share: 0.5}, {name: B}], sites: "  \
    "[x, y]" more "}\n"

static const char *metrics(struct talk *t)
{
    assert_int_equal(talk_as(t, NULL, "", "GET", "/metrics", NULL), 200);
    return t->body;
}

/* Value of a sample on the newest page; time of it in *when (s). NaN when it is not there. */
static double sample(const struct talk *t, const char *family, int dev, double *when)
{
    char key[80], *end;
    snprintf(key, sizeof key, "\n%s{device=\"em-%04d\"} ", family, dev);
    const char *p = strstr(t->body, key);
    if (!p)
        return NAN;
    double v = strtod(p + strlen(key), &end);
    if (when)
        *when = strtod(end, NULL);
    return v;
}

static void test_page(void **state)
{
    (void)state;
    struct talk t;
    char h[100];
    talk_open(&t, DEVICES(", report: 10s"), 1);
    talk_wait(&t, 60);
    const char *page = metrics(&t);
    assert_string_equal(talk_header(&t, "Content-Type", h, sizeof h),
                        "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_string_equal(page + t.n_body - 6, "# EOF\n");
    assert_non_null(strstr(page, "# TYPE device_reboots counter\n"));
    assert_non_null(strstr(page, "# TYPE device info\n"));
    int rows = 0;
    for (const char *p = page; (p = strstr(p, "\ndevice_cpu_ratio{")); p++)
        rows++;
    assert_int_equal(rows, 200);
    double now = (double)clock_now(drill_clock(t.d)) / 1e6, when = 0, cpu = 0;
    for (int i = 0; i < 200; i++) {
        double v = sample(&t, "device_cpu_ratio", i, &when);
        assert_true(v > 0 && v < 1);
        assert_true(when <= now && when > now - 60);
        cpu += v / 200;
    }
    assert_true(cpu > 0.18 && cpu < 0.28);
    talk_close(&t);
}

/* One world is asked all the time, the other only at the end. */
static void test_deterministic(void **state)
{
    (void)state;
    static const char yaml[] = DEVICES(
        ", reboots_per_day: 40, offline: 0.1, offline_for: 10m, install_failures: 0.1") "faults:\n  - {kind: "
                                                                                        "crash-loop, share: 0.5, "
                                                                                        "after: 30s, per_hour: 30}\n  "
                                                                                        "- {kind: cpu, factor: 3, "
                                                                                        "model: B}\n";
    char *pages[3];
    for (int run = 0; run < 3; run++) {
        struct talk t;
        talk_open(&t, yaml, run == 2 ? 6 : 5);
        for (int i = 0; i < 120; i++) {
            talk_wait(&t, 15);
            if (run != 1)
                continue;
            metrics(&t);
            talk(&t, "GET", "/rest/v1/targets?limit=500", NULL);
            talk(&t, "GET", "/rest/v1/rollouts/4471", NULL);
        }
        struct buf b;
        buf_init(&b, 64 << 20);
        buf_adds(&b, metrics(&t));
        static const char *const paths[] = {"/rest/v1/targets?limit=500",
                                            "/rest/v1/rollouts/4471/deploygroups?representation=full",
                                            "/rest/v1/actions?limit=500"};
        for (size_t i = 0; i < 3; i++) {
            talk(&t, "GET", paths[i], NULL);
            /* the port of this run stands in the links */
            char port[30];
            snprintf(port, sizeof port, "127.0.0.1:%d", drill_port(t.d));
            for (char *p = t.body; (p = strstr(p, port)); p++)
                memset(p, 'x', strlen(port));
            for (char *p = t.body; (p = strstr(p, "xxx")); p += 3) {
                char *end = p + strspn(p, "x");
                memmove(p, end, strlen(end) + 1);
            }
            buf_adds(&b, t.body);
        }
        pages[run] = buf_take(&b);
        buf_release(&b);
        talk_close(&t);
    }
    assert_string_equal(pages[0], pages[1]);
    assert_true(strcmp(pages[0], pages[2]) != 0);
    for (int i = 0; i < 3; i++)
        free(pages[i]);
}

static double boots_sum(struct talk *t)
{
    metrics(t);
    double n = 0;
    for (int i = 0; i < 200; i++)
        n += sample(t, "device_reboots_total", i, NULL);
    return n;
}

/* Crash loops begin where the new firmware is, after their delay, at their rate, and end with another install. */
static void test_crash_loop(void **state)
{
    (void)state;
    struct talk t;
    talk_open(&t,
              DEVICES(", reboots_per_day: 0") "faults:\n  - {kind: crash-loop, share: 1, after: 20m, per_hour: 12}\n"
                                              "rollout:\n  name: m\n  history: false\n  old: {name: fw, version: 1}\n  "
                                              "new: {name: fw, version: 2}\n"
                                              "  waves: [{name: a, percent: 100}]\n",
              1);
    double before = boots_sum(&t);
    talk_wait(&t, 600);
    double installed = boots_sum(&t);
    assert_true(installed - before > 199 && installed - before < 201); /* one boot for the install, no more */
    talk_wait(&t, 1200);
    double loop0 = boots_sum(&t);
    talk_wait(&t, 3600);
    double rate = (boots_sum(&t) - loop0) / 200;
    assert_true(rate > 11 && rate < 13);
    struct drill_result r;
    drill_score(t.d, NULL, &r);
    assert_int_equal(r.devices_broken, 200);
    assert_true(r.injected_at > 20 * US_PER_MIN && r.injected_at < 22 * US_PER_MIN);
    /* back on the old firmware they are quiet */
    assert_int_equal(
        talk(&t, "POST", "/rest/v1/rollouts",
             "{\"name\":\"back\",\"distributionSetId\":1,\"amountGroups\":1,\"targetFilterQuery\":\"name==*\"}"),
        201);
    char path[80];
    snprintf(path, sizeof path, "/rest/v1/rollouts/%" PRId64 "/start", talk_int(&t, "id"));
    talk_wait(&t, 4);
    assert_int_equal(talk(&t, "POST", path, NULL), 204);
    talk_wait(&t, 1200);
    double quiet = boots_sum(&t);
    talk_wait(&t, 3600);
    assert_true(boots_sum(&t) - quiet < 0.5);
    drill_score(t.d, NULL, &r);
    assert_int_equal(r.devices_broken, 0);
    assert_int_equal(r.devices_on_old, 200);
    talk_close(&t);
}

/* Mean CPU and spread of the sensor of model A and B, over some pages. */
static void figures(struct talk *t, double cpu[2], double var[2])
{
    int n[2] = {0, 0};
    double sum[200] = {0}, sq[200] = {0};
    cpu[0] = cpu[1] = var[0] = var[1] = 0;
    enum { PAGES = 30 };
    for (int p = 0; p < PAGES; p++) {
        talk_wait(t, 20);
        metrics(t);
        for (int i = 0; i < 200; i++) {
            double v = sample(t, "device_sensor_value", i, NULL), c = sample(t, "device_cpu_ratio", i, NULL);
            char key[60];
            snprintf(key, sizeof key, "device_info{device=\"em-%04d\",model=\"B\"", i);
            int b = strstr(t->body, key) != NULL;
            sum[i] += v;
            sq[i] += v * v;
            cpu[b] += c;
            n[b]++;
            if (p == PAGES - 1)
                var[b] += sq[i] / PAGES - (sum[i] / PAGES) * (sum[i] / PAGES);
        }
    }
    for (int b = 0; b < 2; b++) {
        cpu[b] /= n[b];
        var[b] /= (double)n[b] / PAGES;
    }
}

static void test_factors(void **state)
{
    (void)state;
    struct talk t;
    double cpu[2], var[2];
    talk_open(
        &t,
        DEVICES(", reboots_per_day: 0, sensor_sd: 0.5") "faults:\n  - {kind: cpu, firmware: any, factor: 2, model: "
                                                        "B}\n  - {kind: variance, firmware: old, factor: 9, model: A}\n"
                                                        "rollout:\n  name: m\n  by_hand: true\n  old: {name: fw, "
                                                        "version: 1}\n  new: {name: fw, version: 2}\n"
                                                        "  waves: [{name: a, percent: 100}]\n",
        1);
    figures(&t, cpu, var);
    assert_true(cpu[1] / cpu[0] > 1.85 && cpu[1] / cpu[0] < 2.15);
    assert_true(var[1] > 0.22 && var[1] < 0.28);
    assert_true(var[0] / var[1] > 8 && var[0] / var[1] < 10);
    talk_close(&t);
}

/* Metrics of the policy's own have their course, and a fault its way: a gauge to its factor, a counter more events. */
static void test_own_metrics(void **state)
{
    (void)state;
    static const char scenario[] = DEVICES(
        ", reboots_per_day: 0, metrics: {free-memory: {mean: 500, spread: 0.2, noise: 0.01}, retries: {per_day: "
        "48}}") "policy: {metrics: {free-memory: {kind: gauge, worse: down}, retries: {kind: counter}}}\n"
                "faults:\n  - {kind: metric, metric: free-memory, firmware: old, at: 0s, model: B, factor: 0.5, "
                "over: 100m}\n"
                "  - {kind: metric, metric: retries, firmware: old, at: 2h, model: B, per_hour: 6}\n"
                "rollout:\n  name: m\n  by_hand: true\n  old: {name: fw, version: 1}\n  new: {name: fw, version: "
                "2}\n"
                "  waves: [{name: a, percent: 100}]\n";
    struct talk t, often;
    double mean[2][3] = {{0}}, retries[2][3] = {{0}};
    int n[2] = {0};
    bool b[200];
    talk_open(&t, scenario, 1);
    talk_open(&often, scenario, 1);
    for (int k = 0; k < 3; k++) {
        metrics(&t);
        const char *line = strstr(t.body, "# TYPE device_free_memory gauge\n");
        assert_non_null(line);
        assert_non_null(strstr(t.body, "# TYPE device_retries counter\n"));
        for (int i = 0; i < 200; i++) {
            char info[80];
            snprintf(info, sizeof info, "\ndevice_info{device=\"em-%04d\",model=\"B\"", i);
            b[i] = strstr(t.body, info) != NULL;
            n[b[i]] += k == 0;
            mean[b[i]][k] += sample(&t, "device_free_memory", i, NULL);
            retries[b[i]][k] += sample(&t, "device_retries_total", i, NULL);
        }
        if (k == 2)
            break;
        talk_wait(&t, k ? 7200 : 3000);
        for (int i = 0; i < 10; i++) { /* how often it is asked makes no difference */
            metrics(&often);
            talk_wait(&often, k ? 720 : 300);
        }
    }
    metrics(&often);
    for (int i = 0; i < 200; i++) {
        assert_true(sample(&often, "device_free_memory", i, NULL) == sample(&t, "device_free_memory", i, NULL));
        assert_true(sample(&often, "device_retries_total", i, NULL) == sample(&t, "device_retries_total", i, NULL));
    }
    assert_true(mean[0][0] / n[0] > 450 && mean[0][0] / n[0] < 560);
    assert_true(fabs(mean[0][2] / mean[0][0] - 1) < 0.01);
    assert_true(fabs(mean[1][1] / mean[1][0] - 0.75) < 0.01 && fabs(mean[1][2] / mean[1][0] - 0.5) < 0.01);
    double hours = (retries[0][2] - retries[0][0]) / n[0] / 2; /* 2 an hour */
    assert_true(hours > 2.6 && hours < 3.1);                   /* of 2 h 50 min */
    double more = (retries[1][2] - retries[1][0]) / n[1] - 2 * (3000 + 7200) / 3600.;
    assert_true(more > 4.2 && more < 5.8); /* 6 an hour for 50 min */
    talk_close(&often);
    talk_close(&t);
}

/* `reboots` multiplies each device's own rate, with the new firmware only; `device` is one device. */
static void test_reboots(void **state)
{
    (void)state;
    struct talk t;
    struct drill_result r;
    talk_open(&t,
              DEVICES(", reboots_per_day: 48, reboot_shape: 100") "faults:\n  - {kind: reboots, factor: 5}\n"
                                                                  "watch: {lead_in: 4h}\n",
              1);
    double before = boots_sum(&t);
    talk_wait(&t, 14400);
    double old = (boots_sum(&t) - before) / 800; /* device-hours */
    assert_true(old > 1.8 && old < 2.2);
    talk_wait(&t, 1800); /* every wave has installed */
    before = boots_sum(&t);
    talk_wait(&t, 3600);
    double new = (boots_sum(&t) - before) / 200;
    assert_true(new / old > 4.6 && new / old < 5.4);
    drill_score(t.d, NULL, &r);
    assert_int_equal(r.devices_broken, 200);
    talk_close(&t);

    double one = 0, when = 0;
    talk_open(
        &t,
        DEVICES(
            ", reboots_per_day: 0") "faults:\n  - {kind: crash-loop, device: 7, firmware: old, at: 0s, per_hour: 60}\n"
                                    "rollout:\n  name: m\n  by_hand: true\n  old: {name: fw, version: 1}\n  "
                                    "new: {name: fw, version: 2}\n  waves: [{name: a, percent: 100}]\n",
        1);
    before = boots_sum(&t);
    one = sample(&t, "device_reboots_total", 7, &when);
    talk_wait(&t, 3600);
    double all = boots_sum(&t) - before;
    one = sample(&t, "device_reboots_total", 7, &when) - one;
    assert_true(all > 30 && all < 90 && fabs(all - one) < 0.5);
    drill_score(t.d, NULL, &r);
    assert_int_equal(r.devices_broken, 1);
    talk_close(&t);
}

static void test_silence_and_away(void **state)
{
    (void)state;
    struct talk t;
    double when = 0;
    talk_open(&t,
              DEVICES(", reboots_per_day: 0") "faults:\n  - {kind: silence, firmware: old, at: 10m}\n"
                                              "rollout:\n  name: m\n  by_hand: true\n  old: {name: fw, version: 1}\n  "
                                              "new: {name: fw, version: 2}\n"
                                              "  waves: [{name: a, percent: 100}]\n",
              1);
    talk_wait(&t, 3600);
    metrics(&t);
    double start = (double)clock_now(drill_clock(t.d)) / 1e6 - 3600;
    for (int i = 0; i < 200; i++) {
        sample(&t, "device_cpu_ratio", i, &when);
        assert_true(when <= start + 600 && when > start + 500);
    }
    talk(&t, "GET", "/rest/v1/targets/em-0000", NULL);
    bool overdue = false;
    assert_true(json_bool(json_get(t.json, "pollStatus"), "overdue", &overdue) && overdue);
    talk_close(&t);
}

/* What devices do on any firmware they did before the drill too, and nobody injected it. */
static void test_lead_in(void **state)
{
    (void)state;
    struct talk t;
    struct drill_result r;
    talk_open(&t,
              DEVICES(", reboots_per_day: 0") "faults:\n  - {kind: crash-loop, firmware: any, share: 1, per_hour: 12}\n"
                                              "watch: {lead_in: 1h}\n",
              1);
    double before = boots_sum(&t);
    talk(&t, "GET", "/rest/v1/rollouts/4471", NULL);
    assert_string_equal(talk_str(&t, "status"), "ready");
    double created = (double)talk_int(&t, "createdAt") / 1e3;
    assert_true(created < (double)clock_now(drill_clock(t.d)) / 1e6);
    talk_wait(&t, 3599);
    double rate = (boots_sum(&t) - before) / 200;
    assert_true(rate > 11 && rate < 13);
    talk(&t, "GET", "/rest/v1/rollouts/4471", NULL);
    assert_string_equal(talk_str(&t, "status"), "ready");
    talk(&t, "GET", "/rest/v1/rollouts/4471/deploygroups", NULL);
    assert_string_equal(json_str(talk_at(&t, "content", 0), "status", NULL), "ready");
    talk_wait(&t, 1);
    talk(&t, "GET", "/rest/v1/rollouts/4471", NULL);
    assert_string_equal(talk_str(&t, "status"), "running");
    talk(&t, "GET", "/rest/v1/rollouts/4471/deploygroups", NULL);
    assert_string_equal(json_str(talk_at(&t, "content", 0), "status", NULL), "running");
    assert_string_equal(json_str(talk_at(&t, "content", 1), "status", NULL), "scheduled");
    talk_wait(&t, 1800);
    drill_score(t.d, NULL, &r);
    assert_int_equal(r.injected_at, -1);
    assert_int_equal(r.ended_at, 30 * US_PER_MIN); /* counted from time 0 */
    talk_close(&t);
    /* who waits for a person, or for its time, does not start by itself at time 0 */
    talk_open(&t,
              "watch: {lead_in: 1h}\nrollout:\n  name: m\n  start: 10m\n  old: {name: fw, version: 1}\n  new: {name: "
              "fw, version: 2}\n  waves: [{name: a, percent: 100}]\n",
              1);
    talk_wait(&t, 3600 + 595);
    talk(&t, "GET", "/rest/v1/rollouts/4471", NULL);
    assert_string_equal(talk_str(&t, "status"), "ready");
    talk_wait(&t, 15);
    talk(&t, "GET", "/rest/v1/rollouts/4471", NULL);
    assert_string_equal(talk_str(&t, "status"), "running");
    talk_close(&t);
}

/* Busy spells: a share of the time, a device at a time, with a noisier sensor. */
static void test_busy(void **state)
{
    (void)state;
    double cpu[2][2], var[2][2];
    for (int on = 0; on < 2; on++) {
        struct talk t;
        talk_open(&t,
                  on ? DEVICES(", reboots_per_day: 0, cpu_swing: 0, busy: 0.5")
                     : DEVICES(", reboots_per_day: 0, cpu_swing: 0"),
                  1);
        figures(&t, cpu[on], var[on]);
        talk_close(&t);
    }
    /* on average 1 + 0.5 (1.15) of the CPU, and 1 + 0.5 (mean of (1 + 3u)^2 - 1 = 6) of the variance */
    double more = (cpu[1][0] + cpu[1][1]) / (cpu[0][0] + cpu[0][1]);
    double noisier = (var[1][0] + var[1][1]) / (var[0][0] + var[0][1]);
    assert_true(more > 1.5 && more < 1.65);
    assert_true(noisier > 3.4 && noisier < 4.6);
}

static void test_outages(void **state)
{
    (void)state;
    struct talk t;
    double a = 0, b = 0;
    talk_open(&t,
              "faults:\n  - {kind: telemetry, at: 1m, until: 2m, mode: error}\n  - {kind: telemetry, at: 3m, until: "
              "4m, mode: empty}\n"
              "  - {kind: telemetry, at: 5m, until: 6m, mode: frozen}\n  - {kind: server-errors, at: 7m, until: 8m, "
              "share: 1, status: 502}\n",
              1);
    talk_wait(&t, 61);
    assert_int_equal(talk_as(&t, NULL, "", "GET", "/metrics", NULL), 503);
    assert_int_equal(talk(&t, "GET", "/rest/v1/userinfo", NULL), 200);
    talk_wait(&t, 121);
    metrics(&t);
    assert_string_equal(t.body, "# EOF\n");
    talk_wait(&t, 122);
    metrics(&t);
    sample(&t, "device_cpu_ratio", 5, &a);
    talk_wait(&t, 50);
    metrics(&t);
    sample(&t, "device_cpu_ratio", 5, &b);
    assert_true(a > 0 && fabs(a - b) < 0.001);
    talk_wait(&t, 80);
    assert_int_equal(talk(&t, "GET", "/rest/v1/userinfo", NULL), 502);
    metrics(&t);
    talk_wait(&t, 60);
    assert_int_equal(talk(&t, "GET", "/rest/v1/userinfo", NULL), 200);
    talk_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),    cmocka_unit_test(test_deterministic), cmocka_unit_test(test_crash_loop),
        cmocka_unit_test(test_factors), cmocka_unit_test(test_own_metrics),   cmocka_unit_test(test_silence_and_away),
        cmocka_unit_test(test_outages), cmocka_unit_test(test_lead_in),       cmocka_unit_test(test_busy),
        cmocka_unit_test(test_reboots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
