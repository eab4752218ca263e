/* A kept state of a trial: real ones, of the five metrics and of a policy's own, before the first stage and in one,
 * into which the input writes: four bytes each, a place and what to put there. What is taken for a state is written
 * and read again as the same, goes on, and its decisions are computed again from their own inputs. */
#include "fuzz.h"

#include <math.h>
#include <string.h>
#include "core/clock.h"
#include "core/digest.h"
#include "core/trial.h"

#define START   (1000 * US_PER_DAY)
#define STEP    (15 * US_PER_S)
#define DEVICES 12
#define TICKS   60
#define STATES  4

static const struct metric_def own[] = {
    {.id = "free-memory",
     .title = "free memory",
     .unit = "MiB",
     .kind = KIND_GAUGE,
     .worse = WORSE_BOTH,
     .own = true,
     .tolerance = 1.05,
     .share = 0.05,
     .level = {1.5, 2},
     .n_levels = 2,
     .window_us = 5 * US_PER_MIN},
    {.id = "retries",
     .title = "retries",
     .unit = "",
     .kind = KIND_COUNTER,
     .share = 0.05,
     .level = {1, 4},
     .n_levels = 2},
    {.id = "slots", .title = "slots", .unit = "", .kind = KIND_ACTIVATION},
};

struct state {
    struct trial_spec spec;
    char *bytes;
    size_t n;
};

static void feed(struct trial *t, const struct trial_spec *s, int ticks)
{
    struct tick k;
    tick_init(&k, 0, DEVICES, COL_BUILTIN + s->policy.n_own);
    for (int i = 0; i < ticks; i++) {
        int64_t at = trial_next_tick(t);
        if (at > INT64_MAX / 4)
            break;
        tick_clear(&k, at);
        for (size_t d = 0; d < DEVICES; d++) {
            double *row = tick_put(&k, d, at);
            row[COL_REBOOTS] = (double)(d == 1 ? i / 4 : 1);
            row[COL_CPU] = d == 2 ? NAN : 0.2 + (double)d / 50;
            row[COL_VARIANCE] = 1 + (double)(d * (size_t)i % 7);
            for (size_t c = COL_BUILTIN; c < k.columns; c++)
                row[c] = (double)(i * (d < 3 ? 2 : 1));
        }
        trial_tick(t, &k);
    }
    tick_release(&k);
}

static void make(struct state *s, bool with_own, int ticks, struct arena *a)
{
    struct err e = {0};
    struct buf b;
    s->spec = (struct trial_spec){.policy = policy_default()->evidence,
                                  .waves = 2,
                                  .start = START,
                                  .step_us = STEP,
                                  .grace_us = 3 * US_PER_MIN,
                                  .silence_us = 5 * US_PER_MIN};
    if (with_own) {
        s->spec.policy.own = own;
        s->spec.policy.n_own = sizeof own / sizeof *own;
        s->spec.policy.share[ROW_REBOOTS] -= 0.1;
    }
    must(metric_make_tests(&s->spec.policy, a));
    struct trial *t = trial_new(&s->spec, &e);
    must(t);
    for (size_t i = 0; i < DEVICES; i++) {
        const struct trial_past past = {
            .base = {0, 0.2, 1, 30}, .hour = {0, 0.2, 1, 30}, .last_t = START, .known = true};
        must(trial_ix_known(trial_add(t, i < 5 ? 0 : 1, true, (uint8_t)(i % 2), &past)));
    }
    must(trial_told(t, 0, START));
    for (size_t i = 0; i < 4; i++)
        must(trial_installed(t, TRIAL_IX(i), START + (int64_t)i * US_PER_S));
    trial_installs(t, &(struct install_tally){0, 0, 1, 5, 1}, 1, 0);
    feed(t, &s->spec, ticks);
    buf_init(&b, 1 << 20);
    trial_save(t, &b);
    must(!b.over);
    s->n = b.len;
    s->bytes = buf_take(&b);
    buf_release(&b);
    trial_free(t);
}

/* Into the bytes: one, or eight that are a number of the odd kind; or they end there. */
static size_t write_in(char *bytes, size_t n, const uint8_t *what)
{
    static const double odd[] = {0, -1, NAN, INFINITY, 1e300, 1e-310};
    static const int64_t edge[] = {-1, INT64_MAX, INT64_MIN, INT32_MAX, 1 << 20, 64, 255, 4096};
    size_t at = (size_t)(what[0] | what[1] << 8) % n;
    int64_t whole = edge[what[3] % (sizeof edge / sizeof *edge)];
    double real = odd[what[3] % (sizeof odd / sizeof *odd)];
    switch (what[2] & 3) {
    case 0:
        bytes[at] = (char)what[3];
        return n;
    case 1:
        memcpy(bytes + at, &whole, n - at < sizeof whole ? n - at : sizeof whole);
        return n;
    case 2:
        memcpy(bytes + at, &real, n - at < sizeof real ? n - at : sizeof real);
        return n;
    default:
        return what[3] < 8 ? at + 1 : n;
    }
}

static void goes_on(struct trial *t, const struct trial_spec *spec)
{
    struct evidence e[TESTS_MAX];
    enum trial_test which[TESTS_MAX];
    struct trial_ix who[DEVICES];
    struct trial_after after;
    struct replay again;
    struct err err = {0};
    feed(t, spec, 8);
    for (int s = 0; s < trial_stages(t); s++) {
        size_t n = trial_evidence(t, s, e, which);
        must(n <= TESTS_MAX);
        for (size_t i = 0; i < n; i++) {
            struct buf b;
            buf_init(&b, 1 << 20);
            trial_inputs(t, s, which[i], &b);
            if (b.len > 0 && trial_replay(b.data, b.len, &again, &err))
                must(fuzz_shown(again.text));
            else
                must(b.len == 0 || (err.what[0] && fuzz_shown(err.what)));
            buf_release(&b);
            must(trial_carriers(t, which[i], who, DEVICES) <= DEVICES);
        }
    }
    trial_after(t, &after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct state states[STATES];
    static struct arena a;
    if (!states[0].bytes)
        for (int i = 0; i < STATES; i++)
            make(&states[i], i & 1, i & 2 ? TICKS : 3, &a);
    if (n == 0)
        return 0;
    const struct state *s = &states[data[0] % STATES];
    size_t left = s->n - SHA256_BYTES;
    char *bytes = malloc(s->n);
    must(bytes);
    memcpy(bytes, s->bytes, s->n);
    for (size_t i = 1; i + 4 <= n; i += 4)
        left = write_in(bytes, left, data + i);
    unsigned char digest[SHA256_BYTES];
    sha256_bytes(bytes, left, digest);
    memcpy(bytes + left, digest, sizeof digest);
    struct err e = {0};
    struct trial *t = trial_load(bytes, left + sizeof digest, &s->spec, &e);
    must(t || (e.what[0] && fuzz_shown(e.what)));
    if (t) {
        struct buf b, c;
        buf_init(&b, 1 << 20);
        buf_init(&c, 1 << 20);
        trial_save(t, &b);
        struct trial *again = trial_load(b.data, b.len, &s->spec, &e);
        must(again);
        trial_save(again, &c);
        must(!b.over && b.len == c.len && memcmp(b.data, c.data, b.len) == 0);
        trial_free(again);
        buf_release(&b);
        buf_release(&c);
        goes_on(t, &s->spec);
        trial_free(t);
    }
    free(bytes);
    return 0;
}
