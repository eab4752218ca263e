/* andon replay: a recorded trace as a fleet server, until a signal. */
#include "drill/replay.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"

static void url_of(char out[64], const struct replay *r, size_t source)
{
    snprintf(out, 64, "http://127.0.0.1:%d/%zu", replay_port(r), source);
}

static void print_json(const struct replay *r)
{
    const struct replay_source *v;
    struct json_out o;
    char url[64];

    json_begin(&o);
    json_w_kint(&o.w, "port", replay_port(r));
    json_w_kint(&o.w, "lines_lost", replay_lost(r));
    json_w_key(&o.w, "sources");
    json_w_arr(&o.w);
    for (size_t i = 0, n = replay_sources(r, &v); i < n; i++) {
        url_of(url, r, i);
        json_w_obj(&o.w);
        json_w_kstr(&o.w, "fleet", v[i].fleet);
        json_w_kstr(&o.w, "role", v[i].role);
        json_w_kstr(&o.w, "url", url);
        json_w_kint(&o.w, "requests", (int64_t)v[i].keys);
        json_w_kint(&o.w, "answers", (int64_t)v[i].answers);
        json_w_kint(&o.w, "clipped", (int64_t)v[i].clipped);
        json_w_obj_end(&o.w);
    }
    json_w_arr_end(&o.w);
    json_end(&o);
}

/* The telemetry of a fleet, as lines of its entry. */
static void telemetry_lines(struct buf *out, const struct replay *r, const char *fleet)
{
    const struct replay_source *v;
    char url[64];

    for (size_t i = 0, n = replay_sources(r, &v); i < n; i++) {
        if (strcmp(v[i].role, "telemetry") != 0 || strcmp(v[i].fleet, fleet) != 0)
            continue;
        url_of(url, r, i);
        buf_printf(out, "    telemetry: {kind: %s, url: \"%s\"}\n", v[i].prometheus ? "prometheus" : "openmetrics",
                   url);
    }
}

/* Lines for a configuration: fleet names are JSON strings, which are YAML too. */
static void print_lines(const struct replay *r)
{
    const struct replay_source *v;
    struct buf out;
    char url[64];

    buf_init(&out, 1 << 20);
    buf_adds(&out, "# a recorded trace, served until Ctrl-C; for a configuration of its own:\nfleets:\n");
    for (size_t i = 0, n = replay_sources(r, &v); i < n; i++) {
        struct json_w w;

        if (v[i].clipped > 0)
            buf_printf(&out, "# %zu answers were too long to be recorded and are not served\n", v[i].clipped);
        if (strcmp(v[i].role, "fleet") != 0)
            continue;
        url_of(url, r, i);
        buf_adds(&out, "  - name: ");
        json_w_init(&w, &out, 0);
        json_w_str(&w, v[i].fleet);
        buf_printf(&out,
                   "\n    kind: hawkbit\n    url: \"%s\"    # %zu requests, %zu answers\n    environment: replay\n",
                   url, v[i].keys, v[i].answers);
        telemetry_lines(&out, r, v[i].fleet);
    }
    if (replay_lost(r) > 0)
        buf_printf(&out, "# %lld lines of the trace were lost when it was written\n", (long long)replay_lost(r));
    print_out(&out);
    buf_release(&out);
}

int cmd_replay(const struct args *a)
{
    struct err e = {0};
    struct replay *r;
    int64_t port;
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before the server's thread exists */
    if (!args_int(a, OPT_PORT, 0, 65535, 0, &port, &e))
        return print_err(a, &e);
    r = replay_start(a->pos[1], (int)port, &e);
    if (!r) {
        print_err(a, &e);
        return EXIT_FAILED;
    }
    (a->json ? print_json : print_lines)(r);
    sigwait(&set, &sig);
    replay_stop(r);
    return EXIT_OK;
}
