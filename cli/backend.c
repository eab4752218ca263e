/* andon backend: what a back end promises. */
#include <stdio.h>
#include <string.h>
#include "cli/backend_check.h"
#include "cli/trace.h"
#include "client/plugin.h"
#include "core/clock.h"

/* The fleet that --fleet names, with the command in the place of its program; or a plug-in that belongs to none. */
static bool spec_of(const struct args *a, const struct session *s, struct fleet_spec *out, struct err *e)
{
    const char *const *command = a->n_pos > 2 ? a->pos + 2 : NULL;
    if (!command || a->val[OPT_FLEET]) {
        const struct fleet_spec *f = session_fleet(s, a, e);
        if (!f)
            return false;
        *out = *f;
    } else {
        *out = (struct fleet_spec){.name = "check", .kind = "plugin", .endpoint = {.url = "", .user = ""}};
    }
    if (!command)
        return true;
    if (strcmp(out->kind, "plugin") != 0)
        return err_set(e, ERR_SYNTAX, "name a fleet of kind: plugin, or leave --fleet out",
                       "fleet %s is no plug-in's: a command has no place there", out->name);
    out->plugin.argv = command;
    return true;
}

static int check(const struct args *a, const struct fleet_spec *f)
{
    struct check c = {.args = a, .timeout = f->endpoint.timeout_us > 0 ? f->endpoint.timeout_us : 10 * US_PER_S};
    struct err e = {0};
    int rc = EXIT_FAILED;
    if (!args_dur(a, OPT_TIMEOUT, c.timeout, &c.timeout, &e))
        return print_err(a, &e);
    struct fleet_spec own = *f;
    own.endpoint.timeout_us = c.timeout;
    trace_fleet(a->trace, &own);
    arena_init(&c.arena);
    c.http = http_new(clock_real(), random_seed());
    c.b = backend_open(c.http, &own, &e);
    if (!c.b) {
        rc = print_err(a, &e);
    } else {
        if (a->json) {
            json_begin(&c.json);
            json_w_key(&c.json.w, "clauses");
            json_w_arr(&c.json.w);
        }
        bool there = check_run(&c);
        if (a->json) {
            json_w_arr_end(&c.json.w);
            json_w_kint(&c.json.w, "passed", c.passed);
            json_w_kint(&c.json.w, "failed", c.failed);
            json_w_kint(&c.json.w, "skipped", c.skipped);
            json_end(&c.json);
        } else {
            printf("%d passed, %d failed\n", c.passed, c.failed);
        }
        rc = !there ? EXIT_UNREACHABLE : c.failed ? EXIT_FAILED : EXIT_OK;
    }
    backend_free(c.b); /* what is still under way ends first */
    http_free(c.http);
    arena_release(&c.arena);
    return rc;
}

int cmd_backend(const struct args *a)
{
    struct session s;
    struct fleet_spec f;
    struct err e = {0};
    if (strcmp(a->pos[1], "check") != 0) {
        err_set(&e, ERR_SYNTAX, "Run `andon help backend`.", "there is no `andon backend %.40s`", a->pos[1]);
        print_err(a, &e);
        return EXIT_USAGE;
    }
    int rc = a->n_pos > 2 && !a->val[OPT_FLEET] ? session_open(a, &s) : session_need(a, &s);
    if (rc)
        return rc;
    rc = spec_of(a, &s, &f, &e) ? check(a, &f) : print_err(a, &e);
    session_close(&s);
    return rc;
}
