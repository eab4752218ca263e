#include "cli/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/clock.h"
#include "core/text.h"
#include "engine/aside.h"

#define CLOSE_US  (US_PER_S / 2)
#define LINES_MAX 65536

struct written {
    struct aside_job job;
    char *line;
    size_t n;
    uint64_t lost; /* lines before this one that found no room */
};

struct tracer {
    struct trace trace; /* first */
    pthread_mutex_t lock;
    struct aside *aside; /* under the lock; NULL: closed */
    uint64_t lost;       /* under the lock: since the last line that found room */
    _Atomic size_t waiting;
    bool screen;
    char path[512];
    /* the thread's until it has ended */
    int fd; /* -1: not opened yet */
    bool failed, said;
    struct err err;
};

static void say(struct tracer *t)
{
    if (t->said || !t->failed)
        return;
    t->said = true;
    print_err(NULL, &t->err);
}

static bool fail(struct tracer *t, const char *next, const char *what)
{
    char safe[300];
    safe_text_into(safe, sizeof safe, t->path, strlen(t->path));
    err_errno(&t->err, ERR_IO, next, "the trace %.200s %s; nothing more is traced", safe, what);
    t->failed = true;
    if (!t->screen)
        say(t);
    return false;
}

static bool write_all(struct tracer *t, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t k = write(t->fd, bytes, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return fail(t, "Is there room on its disk?", "cannot be written");
        bytes += k;
        n -= (size_t)k;
    }
    return true;
}

/* What a trace holds is nobody else's business: a file of somebody else's, one that others may read, and anything that
 * is no file are refused. O_NONBLOCK: a pipe without a reader must not hold this up. */
static bool open_file(struct tracer *t)
{
    struct stat st;
    char head[200];
    int fd = open(t->path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(t, errno == ELOOP ? "Name the file itself, not a link to it." : "Choose another file.",
                    "cannot be opened");
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077) {
        close(fd);
        errno = EPERM;
        return fail(t, "Name a new file, or one of yours that only you may read (chmod 600).", "is not used");
    }
    t->fd = fd;
    snprintf(head, sizeof head, "{\"kind\":\"trace\",\"event\":\"begin\",\"format\":%d,\"andon\":\"%s\",\"pid\":%ld}\n",
             TRACE_FORMAT, ANDON_VERSION, (long)getpid());
    return write_all(t, head, strlen(head));
}

static bool write_line(void *ctx, struct aside_job *j)
{
    struct tracer *t = ctx;
    const struct written *w = (const struct written *)j;
    char gap[100];
    if (t->failed || (t->fd < 0 && !open_file(t)))
        return false;
    snprintf(gap, sizeof gap, "{\"kind\":\"trace\",\"event\":\"lost\",\"lines\":%llu}\n", (unsigned long long)w->lost);
    if (w->lost == 0 || write_all(t, gap, strlen(gap)))
        (void)write_all(t, w->line, w->n);
    return false;
}

static void end(void *ctx)
{
    struct tracer *t = ctx;
    if (t->fd >= 0 && close(t->fd) != 0 && !t->failed)
        fail(t, "", "cannot be written");
}

static void drop(void *ctx, struct aside_job *j)
{
    struct tracer *t = ctx;
    struct written *w = (struct written *)j;
    atomic_fetch_sub(&t->waiting, w->n);
    free(w->line);
    free(w);
}

static void put(struct trace *trace, char *line, size_t n)
{
    struct tracer *t = (struct tracer *)trace;
    struct written *w = xcalloc(1, sizeof *w);
    bool room = atomic_fetch_add(&t->waiting, n) + n <= TRACE_WAITING_MAX;
    w->line = line;
    w->n = n;
    pthread_mutex_lock(&t->lock);
    w->lost = t->lost;
    room = room && t->aside && aside_put(t->aside, &w->job, NULL);
    t->lost = room ? 0 : t->lost + 1;
    pthread_mutex_unlock(&t->lock);
    if (!room)
        drop(t, &w->job);
}

struct trace *trace_open(const struct args *a, bool screen)
{
    /* It lives as long as the process: a thread that was left behind may still have something to trace. */
    static struct tracer tracer = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct tracer *t = &tracer;
    const char *kinds = getenv("ANDON_TRACE"), *path = getenv("ANDON_TRACE_FILE");
    struct err e = {0};
    if (a->val[OPT_TRACE])
        path = a->val[OPT_TRACE];
    if ((!path || !*path) && (!kinds || !*kinds) && !a->val[OPT_TRACE])
        return NULL;
    if (!path || !*path) {
        err_set(&e, ERR_SYNTAX, "Name a file by --trace or ANDON_TRACE_FILE.", "there is no file for the trace");
        print_err(NULL, &e);
        return NULL;
    }
    if (!trace_kinds_parse(kinds ? kinds : "", &t->trace.kinds)) {
        err_set(&e, ERR_SYNTAX, "The kinds are wire, poll, verbs, trial and calls.",
                "ANDON_TRACE names a kind of trace that there is not");
        print_err(NULL, &e);
    }
    struct aside_spec spec = {.what = "the trace's thread",
                              .max = LINES_MAX,
                              .wake_fd = -1,
                              .poke_fd = -1,
                              .ctx = t,
                              .work = write_line,
                              .end = end,
                              .drop = drop};
    t->trace.put = put;
    t->screen = screen;
    t->fd = -1;
    snprintf(t->path, sizeof t->path, "%s", path);
    t->aside = aside_new(&spec, &e);
    if (t->aside)
        return &t->trace;
    print_err(NULL, &e);
    return NULL;
}

void trace_close(struct trace *trace)
{
    struct tracer *t = (struct tracer *)trace;
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    struct aside *a = t->aside;
    t->aside = NULL;
    uint64_t lost = t->lost;
    pthread_mutex_unlock(&t->lock);
    if (!aside_stop(a, CLOSE_US, true)) {
        fprintf(stderr, "andon: the trace's disk does not answer: the trace is not complete\n");
        return;
    }
    aside_free(a);
    say(t);
    if (lost && !t->failed)
        fprintf(stderr, "andon: the last %llu lines of the trace are lost\n", (unsigned long long)lost);
}

void trace_fleet(struct trace *t, struct fleet_spec *f)
{
    if (!t)
        return;
    f->endpoint.traced = (struct traced){.trace = t, .fleet = f->name, .role = "fleet"};
    f->telemetry.endpoint.traced = (struct traced){.trace = t, .fleet = f->name, .role = "telemetry"};
}

void trace_notify(struct trace *t, struct notify_spec *n, struct arena *arena)
{
    if (!t || n->n_webhooks == 0)
        return;
    struct webhook_spec *v = arena_memdup(arena, n->webhooks, n->n_webhooks * sizeof *v);
    for (size_t i = 0; i < n->n_webhooks; i++)
        v[i].endpoint.traced = (struct traced){.trace = t, .fleet = "", .role = "notices", .hidden = true};
    n->webhooks = v;
}
