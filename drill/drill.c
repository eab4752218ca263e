#include "drill/drill.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/err.h"
#include "drill/inner.h"

/* 2030-01-07 08:00 UTC, a Monday: time 0 of each virtual drill, so that two runs print the same times. */
#define VIRTUAL_EPOCH (INT64_C(1894003200) * US_PER_S)

static int64_t hook_now(void *ctx)
{
    struct drill *d = ctx;
    drill_catch_up(d);
    return clock_now(&d->clock);
}

static bool is_metrics(const struct http_in *in)
{
    return !strncmp(in->target, "/metrics", 8) && (in->target[8] == 0 || in->target[8] == '?');
}

static int64_t hook_delay(void *ctx, const struct http_in *in)
{
    struct drill *d = ctx;
    const struct fault *f = is_metrics(in) ? NULL : world_window(d->world, FAULT_SLOW_SERVER);
    return f ? f->delay : 0;
}

static void answer_metrics(struct drill *d, const struct http_in *in, struct http_out *out)
{
    const struct fault *f = world_window(d->world, FAULT_TELEMETRY);
    if (strcmp(in->method, "GET") != 0 && strcmp(in->method, "HEAD") != 0) {
        out->status = 405;
        out->allow = "GET, HEAD";
    } else if (f && f->mode == OUTAGE_ERROR) {
        out->status = 503;
    } else {
        const struct buf *page = world_metrics(d->world);
        out->status = 200;
        out->type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        buf_add(&out->body, page->data, page->len);
    }
}

/* Which answers fail depends on what is asked and when, not on how often. */
static bool fails_now(struct drill *d, const struct http_in *in, const struct fault *f)
{
    return world_chance(d->world, in->target, (uint64_t)d->world->now ^ hash_bytes(in->method, strlen(in->method))) <
           f->share;
}

static void hook_answer(void *ctx, const struct http_in *in, struct http_out *out)
{
    struct drill *d = ctx;
    if (is_metrics(in)) {
        answer_metrics(d, in, out);
        return;
    }
    const struct fault *f = world_window(d->world, FAULT_SERVER_ERROR);
    if (f && fails_now(d, in, f)) {
        out->status = f->status; /* as a proxy in front would: no body of hawkBit's */
        return;
    }
    api_answer(d->world, d->users, 2, in, out);
}

/* --- credentials: a new password for each drill, in a file that exists only in this process */

static void base64(char *out, const char *in)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = strlen(in);
    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)(unsigned char)in[i] << 16;
        v |= i + 1 < n ? (unsigned)(unsigned char)in[i + 1] << 8 : 0;
        v |= i + 2 < n ? (unsigned char)in[i + 2] : 0;
        *out++ = set[v >> 18];
        *out++ = set[v >> 12 & 63];
        *out++ = i + 1 < n ? set[v >> 6 & 63] : '=';
        *out++ = i + 2 < n ? set[v & 63] : '=';
    }
    *out = 0;
}

static bool make_secret(struct drill *d, struct err *e)
{
    static const char *const names[] = {"admin", "viewer"};
    unsigned char raw[16];
    char hex[33], pair[64], b64[120];
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        return err_errno(e, ERR_IO, "", "no random bytes for the drill's password");
    for (size_t i = 0; i < sizeof raw; i++)
        snprintf(hex + 2 * i, 3, "%02x", raw[i]);
    d->secret_fd = memfd_create("andon-drill", MFD_CLOEXEC);
    if (d->secret_fd < 0 || fchmod(d->secret_fd, 0600) != 0 || write(d->secret_fd, hex, 32) != 32)
        return err_errno(e, ERR_IO, "", "the drill cannot keep its password");
    snprintf(d->secret, sizeof d->secret, "/proc/self/fd/%d", d->secret_fd);
    for (size_t i = 0; i < 2; i++) {
        snprintf(pair, sizeof pair, "%s:%s", names[i], hex);
        base64(b64, pair);
        snprintf(d->auth[i], sizeof d->auth[i], "Basic %s", b64);
        d->users[i] = (struct api_user){names[i], d->auth[i], i == 1};
    }
    return true;
}

static struct endpoint endpoint_of(const char *url)
{
    return (struct endpoint){.url = url,
                             .user = "",
                             .secret = {.source = SECRET_NONE, .path = "", .env = ""},
                             .ca_file = "",
                             .client_cert = "",
                             .client_key = "",
                             .proxy = "",
                             .timeout_us = 10 * US_PER_S};
}

/* As the devices tell it, and of the kind that the policy says. */
static struct telemetry_metric metric_of(const struct scenario *sc, size_t i)
{
    struct telemetry_metric m = {.id = sc->devices.metrics[i].id,
                                 .query = sc->devices.metrics[i].name,
                                 .counter = sc->devices.metrics[i].counter};
    const struct evidence_policy *p = &sc->policy->evidence;
    for (size_t k = 0; k < p->n_own; k++)
        if (strcmp(p->own[k].id, m.id) == 0)
            m.kind = p->own[k].kind, m.below = p->own[k].diff;
    return m;
}

static void make_fleet(struct drill *d)
{
    const struct scenario *sc = d->spec.scenario;
    snprintf(d->url, sizeof d->url, "http://127.0.0.1:%d", server_port(d->server));
    snprintf(d->metrics, sizeof d->metrics, "%s/metrics", d->url);
    d->fleet = (struct fleet_spec){.name = sc->name,
                                   .kind = "hawkbit",
                                   .endpoint = endpoint_of(d->url),
                                   .environment = "drill",
                                   .poll_us = sc->poll_us,
                                   .telemetry = {.kind = TELEMETRY_OPENMETRICS,
                                                 .endpoint = endpoint_of(d->metrics),
                                                 .preset = "device",
                                                 .join_label = "device",
                                                 .interval_us = sc->scrape_us,
                                                 .reboots = "",
                                                 .cpu = "",
                                                 .variance = "",
                                                 .sensor = ""},
                                   .policy = sc->policy};
    d->fleet.telemetry.n_own = sc->devices.n_metrics;
    for (size_t i = 0; i < sc->devices.n_metrics; i++)
        d->fleet.telemetry.own[i] = metric_of(sc, i);
    d->fleet.endpoint.user = "admin";
    d->fleet.endpoint.secret.source = SECRET_FILE;
    d->fleet.endpoint.secret.path = d->secret;
}

struct drill *drill_start(const struct drill_spec *spec, struct err *e)
{
    struct drill *d = xcalloc(1, sizeof *d);
    pthread_mutex_init(&d->lock, NULL);
    d->spec = *spec;
    d->secret_fd = d->pacer_fd = -1;
    d->play.due = d->play.true_since = TIME_NEVER;
    d->play.detected_at = d->play.halted_at = d->play.rolled_back_at = d->play.queued_at = TIME_NEVER;
    d->epoch = spec->speed > 0 ? clock_now(clock_real()) : VIRTUAL_EPOCH;
    d->world = world_new(spec->scenario, spec->seed, d->epoch);
    pthread_cond_init(&d->begun, NULL);
    drill_clock_init(d);
    struct server_hooks hooks = {d, &d->lock, hook_now, hook_delay, hook_answer};
    if (make_secret(d, e)) {
        /* Held until all is in place: nobody may be answered by half a drill. */
        pthread_mutex_lock(&d->lock);
        d->server = server_start(&hooks, spec->port, spec->scenario->keep_alive, e);
        if (d->server)
            make_fleet(d);
        pthread_mutex_unlock(&d->lock);
    }
    if (!d->server || !drill_pacer_start(d, e)) {
        drill_stop(d);
        return NULL;
    }
    return d;
}

void drill_stop(struct drill *d)
{
    if (!d)
        return;
    drill_pacer_stop(d);
    server_stop(d->server);
    world_free(d->world);
    if (d->secret_fd >= 0)
        close(d->secret_fd);
    pthread_cond_destroy(&d->begun);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

struct clock *drill_clock(struct drill *d)
{
    return &d->clock;
}

const struct fleet_spec *drill_fleet(struct drill *d)
{
    return &d->fleet;
}

int drill_port(const struct drill *d)
{
    return server_port(d->server);
}
