/* What an engine's worker costs for 100,000 watched devices, half of them told and half control, by what it was doing:
 * an answer of telemetry (join, limits, tests, what is kept), a list of a wave's devices, the rest. The fleet server
 * and the telemetry are functions here, so that neither HTTP nor parsing is in it (tests/bench/run measures those
 * too), on a virtual clock. Eight metrics: the five and three of a policy's own.
 *
 *   bench_engine [devices] */
#include <malloc.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/telemetry.h"
#include "core/clock.h"
#include "core/err.h"
#include "engine/engine.h"

#define T0         (INT64_C(1700000000) / 30 * 30 * US_PER_S)
#define INSTALL_US (5 * US_PER_MIN) /* in which the told devices install */
#define REST_US    (15 * US_PER_MIN)
#define END_US     (35 * US_PER_MIN)
#define ANSWER_US  (20 * US_PER_MS)
#define OWN        3
#define LEFT       10 /* devices that never install: the wave goes on */
#define LIMIT_MS   10.0

enum what { TELEMETRY, DEVICES, ROLLOUTS, OTHERS, TURNS, WHATS };
static const char *const words[WHATS] = {"an answer of telemetry", "a list of the told devices",
                                         "the list of rollouts, and its waves", "other answers",
                                         "turns of the loop, with snapshots"};

struct call {
    int64_t due;
    enum what what;
    backend_done done;
    void *ctx;
};
struct sum {
    double ms, most;
    size_t n;
};
struct fleet {
    struct backend backend;
    struct telemetry telemetry;
    struct clock clock;
    _Atomic int64_t now;
    size_t n;
    bool history;
    char (*id)[12];
    uint32_t *of; /* number of the device at each place of the watch set */
    size_t n_of;
    struct call calls[200];
    size_t n_calls;
    double mine, left; /* ms of CPU: in the functions here, since the last turn began; the worker's when it ended */
    struct sum installing[WHATS], resting[WHATS];
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool over;
};

static struct fleet *of(struct backend *b)
{
    return (struct fleet *)b;
}

static double cpu_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec * 1e-6;
}

static double resident_kib(void)
{
    char line[100] = "";
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fgets(line, sizeof line, f)) {
        char *end;
        strtol(line, &end, 10);
        pages = strtol(end, NULL, 10);
    }
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* Answers later; `from`: when it was asked, by the CPU's clock. */
static void answer(struct fleet *f, enum what what, double from, backend_done done, void *ctx)
{
    if (f->n_calls == sizeof f->calls / sizeof *f->calls) {
        fprintf(stderr, "bench_engine: too many requests\n");
        exit(1);
    }
    f->calls[f->n_calls++] = (struct call){f->now + ANSWER_US, what, done, ctx};
    f->mine += cpu_ms() - from;
}

/* ---- the fleet server ---- */

static int64_t installed_at(const struct fleet *f, size_t i)
{
    if (i >= f->n / 2 || i < LEFT)
        return T0 - US_PER_DAY;
    return T0 + US_PER_MIN + (int64_t)(i * 7919 % (f->n / 2)) * INSTALL_US / (int64_t)(f->n / 2);
}

static bool has_installed(const struct fleet *f, size_t i)
{
    return installed_at(f, i) > T0 && installed_at(f, i) <= f->now;
}

static struct counts counts_of(const struct fleet *f, bool canary)
{
    struct counts c = {.known = true};
    c.scheduled = canary ? 0 : (int64_t)(f->n - f->n / 2);
    for (size_t i = 0; canary && i < f->n / 2; i++)
        c.finished += has_installed(f, i);
    c.running = canary ? (int64_t)(f->n / 2) - c.finished : 0;
    return c;
}

static void b_free(struct backend *b)
{
    (void)b;
}

static void b_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    (void)a;
    *out =
        (struct backend_info){.kind = "hawkbit",
                              .version = "1.x",
                              .caps = CAP_WAVES | CAP_PAUSE | CAP_STOP | CAP_WAVE_COUNTS | CAP_ROLLOUTS | CAP_DOWNGRADE,
                              .user = "bench"};
    answer(of(b), OTHERS, cpu_ms(), done, ctx);
}

static void fill(const struct fleet *f, struct rollout *r)
{
    *r = (struct rollout){.id = "10",
                          .name = "bench",
                          .description = "",
                          .state = ROLLOUT_RUNNING,
                          .state_word = "running",
                          .release = {"2", "bench", "2.0"},
                          .filter = "",
                          .total = (int64_t)f->n,
                          .counts = counts_of(f, true),
                          .created_at = T0 - US_PER_MIN,
                          .last_modified = T0,
                          .created_by = "",
                          .approval_by = "",
                          .approval_remark = ""};
    r->counts.scheduled = counts_of(f, false).scheduled;
}

static void b_rollouts(struct backend *b, size_t limit, struct arena *a, struct rollout_list *out, backend_done done,
                       void *ctx)
{
    double from = cpu_ms();
    (void)limit;
    out->v = ARENA_ARRAY(a, struct rollout, 1);
    out->n = 1;
    fill(of(b), out->v);
    answer(of(b), ROLLOUTS, from, done, ctx);
}

static void b_rollout(struct backend *b, const char *id, struct arena *a, struct rollout *out, backend_done done,
                      void *ctx)
{
    double from = cpu_ms();
    (void)id;
    (void)a;
    fill(of(b), out);
    answer(of(b), ROLLOUTS, from, done, ctx);
}

static void b_waves(struct backend *b, const char *rollout, struct arena *a, struct wave_list *out, backend_done done,
                    void *ctx)
{
    double from = cpu_ms();
    struct fleet *f = of(b);
    (void)rollout;
    out->v = ARENA_ARRAY(a, struct wave, 2);
    out->n = 2;
    for (int i = 0; i < 2; i++)
        out->v[i] = (struct wave){.id = i ? "101" : "100",
                                  .name = i ? "rest" : "canary",
                                  .index = i,
                                  .state = i ? WAVE_SCHEDULED : WAVE_RUNNING,
                                  .state_word = i ? "scheduled" : "running",
                                  .total = (int64_t)(i ? f->n - f->n / 2 : f->n / 2),
                                  .counts = counts_of(f, i == 0),
                                  .success = {.text = ""},
                                  .failure = {.text = ""},
                                  .success_action = "",
                                  .last_modified = i ? 0 : T0};
    answer(f, ROLLOUTS, from, done, ctx);
}

static void put_devices(const struct fleet *f, size_t first, size_t n, struct arena *a, struct device_list *out)
{
    out->v = ARENA_ARRAY(a, struct device, n + 1);
    out->total = (int64_t)n;
    for (; out->n < n; out->n++) {
        size_t i = first + out->n;
        out->v[out->n] = (struct device){
            .id = f->id[i],
            .raw_id = f->id[i],
            .name = f->id[i],
            .status = i >= f->n / 2 || has_installed(f, i) ? DEVICE_IN_SYNC : DEVICE_PENDING,
            .address = "",
            .installed_at = i >= f->n / 2 || !has_installed(f, i) ? T0 - US_PER_DAY : installed_at(f, i),
            .last_seen = f->now - (int64_t)(i % 300) * US_PER_S,
            .contact_us = 5 * US_PER_MIN};
    }
}

static void b_wave_devices(struct backend *b, const char *rollout, const char *wave, size_t limit, struct arena *a,
                           struct device_list *out, backend_done done, void *ctx)
{
    double from = cpu_ms();
    struct fleet *f = of(b);
    bool canary = strcmp(wave, "100") == 0;
    size_t n = canary ? f->n / 2 : f->n - f->n / 2;
    (void)rollout;
    put_devices(f, canary ? 0 : f->n / 2, n < limit ? n : limit, a, out);
    answer(f, canary ? DEVICES : OTHERS, from, done, ctx);
}

static void b_devices(struct backend *b, const struct device_filter *by, size_t limit, struct arena *a,
                      struct device_list *out, backend_done done, void *ctx)
{
    double from = cpu_ms();
    struct fleet *f = of(b);
    (void)limit;
    if (strcmp(by->installed->id, "1") == 0)
        put_devices(f, 0, f->n, a, out);
    answer(f, OTHERS, from, done, ctx);
}

static void b_inflight(struct backend *b, const char *rollout, struct arena *a, struct inflight *out, backend_done done,
                       void *ctx)
{
    (void)rollout;
    (void)a;
    *out = (struct inflight){.running = LEFT, .known = true};
    answer(of(b), OTHERS, cpu_ms(), done, ctx);
}

static const struct release releases[] = {{.id = "1", .name = "bench", .version = "1.0"},
                                          {.id = "2", .name = "bench", .version = "2.0"}};

static void b_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                      struct release *out, backend_done done, void *ctx)
{
    (void)name;
    (void)version;
    (void)a;
    *out = releases[id && strcmp(id, "2") == 0];
    answer(of(b), OTHERS, cpu_ms(), done, ctx);
}

static void b_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                       void *ctx)
{
    (void)limit;
    out->v = arena_memdup(a, releases, sizeof releases);
    out->n = 2;
    answer(of(b), OTHERS, cpu_ms(), done, ctx);
}

static void b_told_at(struct backend *b, const char *rollout, const char *raw_device, struct arena *a, int64_t *out,
                      backend_done done, void *ctx)
{
    (void)rollout;
    (void)raw_device;
    (void)a;
    *out = T0;
    answer(of(b), OTHERS, cpu_ms(), done, ctx);
}

static const struct backend_ops server = {.kind = "bench",
                                          .free = b_free,
                                          .probe = b_probe,
                                          .rollouts = b_rollouts,
                                          .rollout = b_rollout,
                                          .waves = b_waves,
                                          .wave_devices = b_wave_devices,
                                          .inflight = b_inflight,
                                          .release = b_release,
                                          .releases = b_releases,
                                          .devices = b_devices,
                                          .told_at = b_told_at};

/* ---- telemetry ---- */

static void t_free(struct telemetry *t)
{
    (void)t;
}

static uint64_t scattered(uint64_t x)
{
    x *= UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 29;
    return x * UINT64_C(0xbf58476d1ce4e5b9);
}

/* The place in the watch set to a device's number: read once. */
static void follow(struct fleet *f, const struct watch_set *watch)
{
    struct arena a;
    size_t n = watch_set_size(watch);
    arena_init(&a);
    f->of = xreallocarray(f->of, n + 1, sizeof *f->of);
    for (; f->n_of < n; f->n_of++)
        f->of[f->n_of] = (uint32_t)strtoul(watch_set_id(watch, f->n_of, &a) + 4, NULL, 10);
    arena_release(&a);
}

/* As of `at`: each device 15 s after the one before, and a boot in a million ticks. */
static void put_tick(const struct fleet *f, struct tick *k, int64_t at)
{
    for (size_t i = 0; i < f->n_of; i++) {
        uint64_t x = scattered((uint64_t)at / US_PER_S * 1000003 + f->of[i]);
        double *row = tick_put(k, i, at - (int64_t)(f->of[i] % 10) * US_PER_S);
        row[COL_REBOOTS] = 1 + (double)(has_installed(f, f->of[i]) && installed_at(f, f->of[i]) < at);
        row[COL_CPU] = 0.2 + (double)(x >> 12 & 1023) / 5000;
        row[COL_VARIANCE] = 0.7 + (double)(x >> 22 & 1023) / 1600;
        row[COL_BUILTIN] = 400 + (double)(x >> 32 & 255);
        row[COL_BUILTIN + 1] = row[COL_REBOOTS];
        row[COL_BUILTIN + 2] = 0;
    }
}

static void t_poll(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us, struct arena *a,
                   struct sample_list *out, backend_done done, void *ctx)
{
    double from = cpu_ms();
    struct fleet *f = (struct fleet *)((char *)t - offsetof(struct fleet, telemetry));
    (void)window_us;
    *out = (struct sample_list){.warning = ""};
    follow(f, watch);
    tick_in(a, &out->tick, at, f->n_of, COL_BUILTIN + OWN);
    put_tick(f, &out->tick, at ? at : f->now);
    out->newest = f->now;
    answer(f, TELEMETRY, from, done, ctx);
}

static void t_range(struct telemetry *t, const struct watch_set *watch, int64_t first, int64_t last, int64_t step_us,
                    int64_t window_us, struct arena *a, struct range_list *out, backend_done done, void *ctx)
{
    double from = cpu_ms();
    struct fleet *f = (struct fleet *)((char *)t - offsetof(struct fleet, telemetry));
    (void)window_us;
    follow(f, watch);
    *out = (struct range_list){.v = ARENA_ARRAY(a, struct tick, (size_t)((last - first) / step_us) + 2), .warning = ""};
    for (int64_t at = first; at <= last; at += step_us) {
        tick_in(a, &out->v[out->n], at, f->n_of, COL_BUILTIN + OWN);
        put_tick(f, &out->v[out->n++], at);
    }
    answer(f, OTHERS, from, done, ctx);
}

static void t_past(struct telemetry *t, const struct watch_set *watch, int64_t at, int64_t window_us, struct arena *a,
                   struct past_list *out, backend_done done, void *ctx)
{
    double from = cpu_ms();
    struct fleet *f = (struct fleet *)((char *)t - offsetof(struct fleet, telemetry));
    (void)window_us;
    follow(f, watch);
    *out = (struct past_list){.known = true};
    struct tick *const both[] = {&out->day, &out->hour};
    for (int k = 0; k < 2; k++) {
        tick_in(a, both[k], 0, f->n_of, COL_BUILTIN + OWN);
        for (size_t i = 0; i < f->n_of; i++) {
            static const double row[] = {0, 0.3, 1, 500, 0, 0};
            memcpy(tick_put(both[k], i, at - US_PER_S), row, sizeof row);
        }
    }
    answer(f, OTHERS, from, done, ctx);
}

static const struct telemetry_ops page = {.kind = "bench", .free = t_free, .poll = t_poll};
static const struct telemetry_ops store = {
    .kind = "bench", .free = t_free, .poll = t_poll, .range = t_range, .past = t_past};

/* ---- the loop's turn ---- */

static void count(struct fleet *f, enum what what, double ms)
{
    struct sum *s = f->now < T0 + REST_US ? f->installing : f->resting;
    s[what].ms += ms;
    s[what].most = ms > s[what].most ? ms : s[what].most;
    s[what].n++;
}

static void give(struct fleet *f, size_t i)
{
    struct call c = f->calls[i];
    struct reply r = {.status = 200, .sent_at = c.due - ANSWER_US, .answered_at = f->now};
    f->calls[i] = f->calls[--f->n_calls];
    f->mine = 0;
    double begin = cpu_ms();
    c.done(c.ctx, &r);
    count(f, c.what, cpu_ms() - begin - f->mine);
}

static void run(void *ctx, int wake_fd, int64_t deadline, unsigned threads)
{
    struct fleet *f = ctx;
    struct pollfd p = {.fd = wake_fd, .events = POLLIN};
    size_t best = f->n_calls;
    if (f->left > 0)
        count(f, TURNS, cpu_ms() - f->left - f->mine);
    if (f->now >= T0 + END_US) {
        pthread_mutex_lock(&f->lock);
        f->over = true;
        pthread_cond_broadcast(&f->cond);
        pthread_mutex_unlock(&f->lock);
        poll(&p, 1, 60000);
        f->left = 0;
        return;
    }
    for (size_t i = 0; i < f->n_calls; i++)
        if (best == f->n_calls || f->calls[i].due < f->calls[best].due)
            best = i;
    bool woken = poll(&p, 1, threads > 0 ? 60000 : 0) > 0;
    int64_t to = best < f->n_calls && f->calls[best].due < deadline ? f->calls[best].due : deadline;
    if (!woken && to > f->now)
        f->now = to;
    if (!woken && best < f->n_calls && f->calls[best].due <= f->now)
        give(f, best);
    f->mine = 0;
    f->left = cpu_ms();
}

static unsigned in_flight(void *ctx)
{
    return (unsigned)((struct fleet *)ctx)->n_calls;
}

static int64_t clock_is(struct clock *c)
{
    return ((struct fleet *)((char *)c - offsetof(struct fleet, clock)))->now;
}

static int64_t clock_idles(struct clock *c, int64_t deadline, unsigned under_way)
{
    (void)c;
    (void)deadline;
    (void)under_way;
    return 0;
}

static struct backend *open_server(void *ctx, struct http *h, const struct fleet_spec *spec, struct err *e)
{
    struct fleet *f = ctx;
    (void)spec;
    (void)e;
    f->backend = (struct backend){&server, h};
    return &f->backend;
}

static struct telemetry *open_source(void *ctx, struct http *h, const struct telemetry_spec *spec, struct err *e)
{
    struct fleet *f = ctx;
    (void)spec;
    (void)e;
    f->telemetry = (struct telemetry){f->history ? &store : &page, h};
    return &f->telemetry;
}

/* ---- one run ---- */

static const struct metric_def rows_own[OWN] = {
    {.id = "free-memory",
     .title = "free memory",
     .unit = "MiB",
     .kind = KIND_GAUGE,
     .worse = WORSE_BOTH,
     .own = true,
     .tolerance = 1.05,
     .share = 0.05,
     .level = {1.5, 2, 3, 4},
     .n_levels = 4,
     .window_us = 5 * US_PER_MIN},
    {.id = "retries",
     .title = "retries",
     .unit = "",
     .kind = KIND_COUNTER,
     .share = 0.05,
     .level = {1, 2, 4, 8},
     .n_levels = 4},
    {.id = "errors", .title = "errors", .unit = "", .kind = KIND_EVENT, .share = 0.05},
};

static void report(const struct fleet *f)
{
    static const char *const when[] = {"while they install", "at rest"};
    for (int k = 0; k < 2; k++) {
        const struct sum *s = k ? f->resting : f->installing;
        double minutes = (double)(k ? END_US - REST_US : REST_US) / US_PER_MIN, all = 0;
        for (int i = 0; i < WHATS; i++) {
            all += s[i].ms;
            if (s[i].n > 0)
                printf("  %-20s%-38s%9.2f ms, at most %7.2f, %6.1f a minute\n", i ? "" : when[k], words[i],
                       s[i].ms / (double)s[i].n, s[i].most, (double)s[i].n / minutes);
        }
        printf("  %-20s%-38s%9.0f ms a minute\n", "", "the worker, all in all", all / minutes);
    }
}

static bool measure(size_t n, bool history, const char *folder)
{
    struct err e = {0};
    struct arena a;
    char db[200];
    arena_init(&a);
    struct fleet *f = xcalloc(1, sizeof *f);
    *f = (struct fleet){.now = T0, .n = n, .history = history, .clock = {clock_is, clock_idles, clock_is}};
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->cond, NULL);
    f->id = xcalloc(n, sizeof *f->id);
    for (size_t i = 0; i < n; i++)
        snprintf(f->id[i], sizeof *f->id, "dev-%06zu", i % 1000000);
    struct policy p = *policy_default();
    p.control_max = (int64_t)n;
    p.evidence.own = rows_own;
    p.evidence.n_own = OWN;
    p.evidence.n_strata = 0;
    p.evidence.share[ROW_REBOOTS] -= 0.15;
    struct fleet_spec fleet = {.name = "bench",
                               .kind = "bench",
                               .environment = "test",
                               .endpoint = {.url = "http://127.0.0.1:1"},
                               .poll_us = US_PER_S,
                               .policy = &p};
    fleet.telemetry = (struct telemetry_spec){
        .kind = TELEMETRY_OPENMETRICS, .endpoint = {.url = "http://127.0.0.1:1"}, .interval_us = 15 * US_PER_S};
    for (size_t i = 0; i < OWN; i++)
        fleet.telemetry.own[fleet.telemetry.n_own++] =
            (struct telemetry_metric){.id = rows_own[i].id, .query = "", .kind = rows_own[i].kind, .counter = i > 0};
    struct engine_seam seam = {
        .ctx = f, .open_backend = open_server, .open_telemetry = open_source, .run = run, .in_flight = in_flight};
    snprintf(db, sizeof db, "%s/%s.db", folder, history ? "store" : "page");
    struct engine_spec spec = {
        .fleet = &fleet, .clock = &f->clock, .seed = 7, .judge = true, .seam = &seam, .evidence_db = db};
    double before = resident_kib();
    struct engine *en = metric_make_tests(&p.evidence, &a) ? engine_new(&spec, &e) : NULL;
    if (!en || !engine_start(en, &e)) {
        fprintf(stderr, "bench_engine: %s\n", e.what);
        exit(1);
    }
    pthread_mutex_lock(&f->lock);
    while (!f->over)
        pthread_cond_wait(&f->cond, &f->lock);
    pthread_mutex_unlock(&f->lock);
    malloc_trim(0);
    double grown = resident_kib() - before;
    struct snapshot *s = engine_snapshot(en);
    const struct trial_view *v = s->n_rollouts ? &s->rollouts[0].trial : NULL;
    printf("%zu watched devices, %d metrics, %s: %s; %.0f bytes a device\n", n, METRICS_BUILTIN + OWN,
           history ? "a store with history" : "a page without history",
           v && v->state == TRIAL_LIVE ? "tested as they come"
           : v                         ? v->text
                                       : "no rollout",
           grown * 1024 / (double)n);
    bool good = v && v->state == TRIAL_LIVE;
    report(f);
    good &= f->resting[TELEMETRY].ms / (double)f->resting[TELEMETRY].n <= LIMIT_MS;
    snapshot_unref(s);
    engine_stop(en);
    for (struct err gone = {.code = ERR_CANCELLED}; f->n_calls > 0;) { /* its requests would never be freed */
        struct call c = f->calls[--f->n_calls];
        c.done(c.ctx, &(struct reply){.err = &gone});
    }
    engine_free(en);
    free(f->of);
    free(f->id);
    free(f);
    arena_release(&a);
    return good;
}

int main(int argc, char **argv)
{
    size_t n = argc > 1 ? (size_t)strtoull(argv[1], NULL, 10) : 100000;
    char folder[] = "/tmp/andon-bench-XXXXXX", command[64];
    if (!mkdtemp(folder))
        return 1;
    bool good = measure(n, false, folder);
    good &= measure(n, true, folder);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 && good ? 0 : 1;
}
