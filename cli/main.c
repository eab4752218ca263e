/* andon: one program with subcommands. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/trace.h"
#include "core/text.h"

/* Does the command draw on the terminal? */
static bool has_screen(const struct command *c, const struct args *a)
{
    return c->run == cmd_console || (c->run == cmd_drill && !a->val[OPT_HEADLESS] && !a->val[OPT_SERVE]);
}

static int run(int argc, char **argv)
{
    struct command c, each;
    const char *names[40];
    struct args a;
    struct err e = {0};
    char safe[80], next[120] = "Run `andon help` for the list.";
    size_t n = 0;
    int rc;

    harden();
    /* Large buffers go back to the system when they are freed; the C library would raise this limit by itself. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    signal(SIGPIPE, SIG_IGN);
    if (!args_read(argc, argv, &a, &e)) {
        print_err(&a, &e);
        return EXIT_USAGE;
    }
    if (a.val[OPT_VERSION])
        return cmd_version(&a);
    if (!command_find(a.n_pos > 0 ? a.pos[0] : "", &c)) {
        const char *near;

        for (; n < 40 && command_at(n, &each); n++)
            names[n] = each.name;
        near = nearest(a.pos[0], names, n);
        if (near)
            snprintf(next, sizeof next, "Did you mean `andon %s`?", near);
        safe_text_into(safe, sizeof safe, a.pos[0], strlen(a.pos[0]));
        err_set(&e, ERR_SYNTAX, next, "there is no command \"%s\"", safe);
        print_err(&a, &e);
        return EXIT_USAGE;
    }
    if (a.val[OPT_HELP])
        return cmd_help(&a);
    if (!args_check(&a, &c, &e)) {
        print_err(&a, &e);
        return EXIT_USAGE;
    }
    a.trace = trace_open(&a, has_screen(&c, &a));
    rc = c.run(&a);
    trace_close(a.trace);
    return rc;
}

int main(int argc, char **argv)
{
    return print_end(run(argc, argv));
}
