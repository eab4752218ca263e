/* andon: the console on every configured fleet. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/audit_page.h"
#include "cli/cli.h"
#include "cli/fleets.h"
#include "conf/config.h"
#include "core/clock.h"
#include "tui/console.h"

#define FLEETS_MAX 64

static const char *const start_help[3] = {
    "andon drill                        a simulated fleet on this machine: watch a bad firmware being stopped",
    "~/.config/andon/config.yaml        connect a fleet; `andon help config` lists the keys, andon-config(5) shows one",
    "andon doctor                       tests what is configured, and says what to do about each failure",
};

int console_open(const struct console_setup *s)
{
    struct console_engine v[FLEETS_MAX];
    struct console_audit log;
    struct err e = {0};
    char themes[512];
    struct console_spec spec = {.engines = v,
                                .n_engines = s->n_engines < FLEETS_MAX ? s->n_engines : FLEETS_MAX,
                                .config = s->config,
                                .clock = s->clock,
                                .user = s->user,
                                .actor = s->actor,
                                .color = s->args->val[OPT_COLOR],
                                .theme = s->args->val[OPT_THEME],
                                .theme_dir = config_path(themes, sizeof themes, "themes") ? themes : NULL,
                                .ascii = s->args->val[OPT_ASCII] != NULL || (s->config && s->config->ascii),
                                .plain = s->args->val[OPT_PLAIN] != NULL,
                                .local_time = s->args->val[OPT_LOCAL_TIME] != NULL,
                                .over = s->over,
                                .over_ctx = s->over_ctx};
    int rc;

    for (size_t i = 0; i < spec.n_engines; i++)
        console_engine_of(s->engines[i], &v[i]);
    for (size_t i = 0; i < 3; i++)
        spec.start_help[i] = s->start_help[i] ? s->start_help[i] : start_help[i];
    if (s->audit) {
        audit_page_loader(s->audit, &log);
        spec.audit = &log;
    }
    rc = console_run(&spec, &e);
    if (rc == CONSOLE_ERROR) {
        print_err(s->args, &e);
        return EXIT_FAILED;
    }
    return rc;
}

/* Three lines for who starts andon for the first time. */
static int explain(const struct args *a)
{
    if (a->json) {
        struct err e = {0};

        err_set(&e, ERR_NOT_FOUND, "`andon drill` starts a simulated fleet.", "there is no configuration");
        print_err(a, &e);
        return EXIT_USAGE;
    }
    fprintf(stderr, "andon: no fleet is configured yet.\n");
    for (size_t i = 0; i < 3; i++)
        fprintf(stderr, "  %s\n", start_help[i]);
    return EXIT_USAGE;
}

int cmd_console(const struct args *a)
{
    struct engine *engines[FLEETS_MAX];
    struct session s;
    struct fleets f;
    struct err e = {0};
    struct console_setup setup;
    size_t n = 0;
    int rc = session_open(a, &s);

    if (rc != EXIT_OK)
        return rc;
    if (!s.configured || s.config.n_fleets == 0) {
        session_close(&s);
        return explain(a);
    }
    if (!a->val[OPT_PLAIN] && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
        err_set(&e, ERR_IO, "`andon get` is for scripts, `andon guard` runs without a screen, --plain prints lines.",
                "the console needs a terminal");
        session_close(&s);
        print_err(a, &e);
        return EXIT_USAGE;
    }
    console_prepare();
    if (!session_notary(&s, &e) || !fleets_open(&s, a, true, false, &f, &e)) {
        session_close(&s);
        return print_err(a, &e);
    }
    for (size_t i = 0; i < f.n && rc == EXIT_OK; i++) {
        if (f.v[i].en && n < FLEETS_MAX)
            engines[n++] = f.v[i].en;
        else
            rc = print_err(a, &f.v[i].err);
    }
    if (rc == EXIT_OK) {
        setup = (struct console_setup){.args = a,
                                       .engines = engines,
                                       .n_engines = n,
                                       .config = &s.config,
                                       .clock = clock_real(),
                                       .user = s.user,
                                       .actor = s.actor,
                                       .audit = &s.audit};
        rc = console_open(&setup);
    }
    fleets_close(&f);
    session_close(&s);
    return rc;
}
