/* See fixture.h. */
#include "tests/tui/fixture.h"

#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "themes/theme.h"
#include "tui/console.h"
#include "tui/osc.h"
#include "tui/signals.h"
#include "tui/term.h"

struct fake {
    const char *mode;
    pthread_mutex_t lock;
    uint64_t generation;
    bool halted;
    int fd;
};

static void report(const char *line)
{
    char text[600];
    int n = snprintf(text, sizeof text, "%s\n", line);
    ssize_t k = write(FIXTURE_REPORT_FD, text, (size_t)n);
    (void)k;
}

/* The engine's side
 * ------------------------------------------------------------------------------------------------------ */

static struct snapshot *newest(void *ctx)
{
    struct fake *f = ctx;
    pthread_mutex_lock(&f->lock);
    struct snapshot *s = fixture_snapshot(f->mode, f->generation, f->halted);
    pthread_mutex_unlock(&f->lock);
    return s;
}

static uint64_t submit(void *ctx, const struct intent *in)
{
    const struct fake *f = ctx;
    char line[300];
    snprintf(line, sizeof line, "submit %s %s%s %s", verb_word(in->verb), strcmp(f->mode, "second") == 0 ? "apac/" : "",
             in->rollout, in->actor.name);
    report(line);
    return 1;
}

static void focus(void *ctx, const struct focus *f)
{
    (void)ctx;
    (void)f;
}

static void refresh(void *ctx)
{
    (void)ctx;
    report("refresh");
}

static void publish(struct fake *f, bool halted)
{
    pthread_mutex_lock(&f->lock);
    f->generation++;
    f->halted = f->halted || halted;
    pthread_mutex_unlock(&f->lock);
    uint64_t one = 1;
    ssize_t k = write(f->fd, &one, sizeof one);
    (void)k;
}

__attribute__((no_sanitize("undefined", "address"))) static void bad_store(void)
{
    volatile int *volatile p = NULL;
    *p = 1;
}

static void *orders(void *ctx)
{
    struct fake *f = ctx;
    char what;
    while (read(FIXTURE_CTL_FD, &what, 1) == 1) {
        switch (what) {
        case ORDER_NEXT:
        case ORDER_HALT:
            publish(f, what == ORDER_HALT);
            break;
        case ORDER_ALIVE:
            report("alive");
            break;
        case ORDER_SEGV:
            bad_store();
            break;
        case ORDER_ABORT:
            abort();
        default:
            break;
        }
    }
    return NULL;
}

static int64_t fixed_now(struct clock *c)
{
    (void)c;
    return FIXTURE_NOW;
}

/* The log's side
 * ---------------------------------------------------------------------------------------------------------- */

static struct audit_page *load(void *ctx, const struct audit_want *want, struct err *e)
{
    (void)ctx;
    (void)want;
    (void)e;
    struct audit_page *p = xcalloc(1, sizeof *p);
    p->v = xcalloc(1, sizeof *p->v);
    p->v[0] = (struct audit_row){.seq = 10480,
                                 .t = FIXTURE_NOW,
                                 .who = "rule",
                                 .kind = "halt",
                                 .action = "halt",
                                 .object = "4471 W2 R-REBOOT",
                                 .result = "ok",
                                 .line = "{}",
                                 .hash = "f09b",
                                 .before = "",
                                 .after = "",
                                 .because = "",
                                 .host = "h"};
    p->n = 1;
    p->total = 10480;
    p->verified_text = p->origin = p->root = "";
    return p;
}

static void free_page(void *ctx, struct audit_page *p)
{
    (void)ctx;
    free(p->v);
    free(p);
}

static bool verify(void *ctx, bool *ok, char *text, size_t size, struct err *e)
{
    (void)ctx;
    (void)e;
    *ok = true;
    snprintf(text, size, "10480 entries, all sound");
    return true;
}

static bool write_out(void *ctx, const char *path, struct err *e)
{
    (void)ctx;
    report(path);
    return err_set(e, ERR_IO, "", "no disk here");
}

/* A canvas with every kind of cell
 * ------------------------------------------------------------------------------------------ */

static int canvas_child(void)
{
    struct err e;
    struct canvas c;
    struct theme t;
    struct buf tail;
    int rows, cols;
    console_prepare();
    if (!theme_load("dark", NULL, DEPTH_256, &t, &e) || !term_start(&(struct term_spec){0}, &e))
        return 3;
    term_theme(&t, term_depth(DEPTH_256));
    term_size(&rows, &cols);
    canvas_init(&c, rows, cols);
    canvas_text(&c, 0, 0, -1, ROLE_TEXT, "wide 漢字 |");
    canvas_text(&c, 1, 0, -1, ROLE_HALT, "HALT");
    canvas_text(&c, 2, 0, -1, ROLE_TEXT, "picked");
    canvas_select(&c, 2, 0, cols);
    canvas_text(&c, 3, 0, -1, ROLE_TEXT, "e\xcc\x81 ⣿ ▁█ ●");
    /* What no canvas would hold: the last guard must stop it. */
    static const uint32_t evil[] = {0x1b, 0x07, 0x9b, 0x7f, 0x202e, 0x200b, 0x0a, 0xd800, 0x110000, 0xe000, 0x6f22};
    for (int i = 0; i < (int)(sizeof evil / sizeof evil[0]); i++)
        c.cells[4 * cols + i].glyph = evil[i];
    c.cells[4 * cols + 20].glyph = 'a';
    c.cells[4 * cols + 20].comb[0] = 0x202e;
    c.cells[4 * cols + 20].comb[1] = 0x1b;
    canvas_text(&c, rows - 1, cols - 1, 1, ROLE_TEXT, "Z"); /* the last cell must not scroll the screen */
    buf_init(&tail, 200);
    osc_fence(&tail, 0, cols, 1);
    term_paint(&c, tail.data, tail.len);
    struct pollfd p = {.fd = 0, .events = POLLIN};
    poll(&p, 1, -1);
    term_stop();
    canvas_release(&c);
    buf_release(&tail);
    return 0;
}

/* Start
 * ----------------------------------------------------------------------------------------------------------------------
 */

static int console_child(const char *mode)
{
    console_prepare();
    struct fake f = {.mode = mode, .generation = 1, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pthread_mutex_init(&f.lock, NULL);
    pthread_t thread;
    if (f.fd < 0 || pthread_create(&thread, NULL, orders, &f) != 0)
        return 3;
    pthread_detach(thread);
    struct clock clock = {.now = fixed_now, .wall = fixed_now};
    struct fake second = {.mode = "second", .generation = 1, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pthread_mutex_init(&second.lock, NULL);
    struct console_engine engines[] = {
        {.snapshot = newest, .fd = f.fd, .submit = submit, .focus = focus, .refresh = refresh, .ctx = &f},
        {.snapshot = newest, .fd = second.fd, .submit = submit, .focus = focus, .refresh = refresh, .ctx = &second}};
    bool two = strcmp(mode, "plain-two") == 0;
    struct console_audit audit = {.load = load, .free_page = free_page, .verify = verify, .write_out = write_out};
    struct config config = {.path = "", .theme = "", .color = "", .bell = true, .osc_notify = true};
    struct console_spec spec = {.engines = engines,
                                .n_engines = two ? 2 : 1,
                                .config = &config,
                                .clock = &clock,
                                .user = "m.ito",
                                .actor = {.kind = ACTOR_PERSON, .name = "m.ito"},
                                .color = strcmp(mode, "truecolor") == 0 ? "true" : NULL,
                                .plain = strcmp(mode, "plain") == 0 || two,
                                .audit = &audit};
    struct err e;
    err_clear(&e);
    int status = console_run(&spec, &e);
    if (status == CONSOLE_ERROR)
        report(e.what);
    return status;
}

/* A shell in small: runs the console as a job in the foreground; when it stops says so and continues it. */
static int job_child(void)
{
    signal(SIGTTOU, SIG_IGN);
    pid_t shell = getpgrp(), pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        tcsetpgrp(0, getpid());
        signal(SIGTTOU, SIG_DFL);
        exit(console_child("board"));
    }
    int status = 0;
    while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status)) {
        tcsetpgrp(0, shell);
        report("stopped");
        tcsetpgrp(0, pid);
        kill(-pid, SIGCONT);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

int fixture_main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[2] : "board";
    return strcmp(mode, "canvas") == 0 ? canvas_child() : strcmp(mode, "job") == 0 ? job_child() : console_child(mode);
}
bool fixture_is_child(int argc, char **argv, int *status)
{
    if (argc < 2 || strcmp(argv[1], FIXTURE_ARG) != 0)
        return false;
    *status = fixture_main(argc, argv);
    return true;
}
