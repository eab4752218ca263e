/* A plug-in's program: found, started, its pipes, its log lines, its end. Nothing here waits but stop(). */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "client/plugin_impl.h"
#include "core/clock.h"
#include "core/text.h"
#include "core/trace.h"

#define READ_TURN    ((size_t)256 << 10) /* bytes of answers in one turn */
#define ENDING_US    US_PER_S
#define KILLED_US    US_PER_S /* so long a killed program is waited for: nothing else of the fleet goes on meanwhile */
#define LOG_LINE_MAX 1024
#define LOG_LINES    100               /* a minute that are kept */
#define LOG_BYTES    ((size_t)1 << 20) /* a minute that are read at all */

/* A line that waits to be written, or is. */
struct sending {
    struct sending *next;
    int64_t id;
    size_t n, at;
    char bytes[];
};
#define WENT_MAX 64 /* newest requests of which it is known that all went out */

struct process {
    struct plugin_link link;
    struct clock *clock;
    struct traced traced;
    char **argv, *path;
    struct plugin_spec spec; /* strings are the configuration's, which outlives the back end */
    const char *ca_file;
    char *secret;
    struct plugin_child child; /* pid 0 = none */
    pid_t left;                /* one that was killed and has not ended, 0 = none */
    struct sending *first, *last;
    int64_t went[WENT_MAX];
    size_t n_went;
    struct buf line;
    int64_t drained; /* when the end of its output came, 0 = not yet */
    struct sandbox_report box;
    bool boxed;
    /* log lines */
    struct buf words;
    char last_words[200];
    int64_t minute;
    size_t lines, bytes;
};

/* ---- from start to end ---- */

static void drop_lines(struct process *r)
{
    while (r->first) {
        struct sending *s = r->first;
        r->first = s->next;
        free(s);
    }
    r->last = NULL;
}

static bool stop(struct plugin_link *l, int64_t grace_us);

static bool start(struct plugin_link *l, struct plugin *p, struct err *e)
{
    struct process *r = (struct process *)l;
    const struct plugin_start how = {r->path, r->argv, &r->spec, r->ca_file, r->secret};
    (void)p;
    stop(l, 0);
    if (r->left > 0 && !plugin_reap(r->left, 0)) /* one of them, and not one more at each try */
        return err_set(e, ERR_NETWORK, "look at what it waits for: a disk, a file system of another host",
                       "its last program (pid %ld) was killed and has not ended: no other is started", (long)r->left);
    r->left = 0;
    r->n_went = 0;
    r->drained = 0;
    r->boxed = false;
    r->last_words[0] = '\0';
    buf_clear(&r->line);
    buf_clear(&r->words);
    return plugin_spawn(&how, &r->child, e);
}

/* ---- its log lines ---- */

static void log_line(struct process *r)
{
    struct buf masked;
    struct trace_secrets known = {{r->secret}};
    struct trace_line t;
    if (r->lines++ >= LOG_LINES)
        return;
    buf_init(&masked, SIZE_MAX);
    trace_mask(&masked, r->words.data, r->words.len, &known);
    safe_text_into(r->last_words, sizeof r->last_words, masked.data, masked.len);
    if (trace_begin(&t, r->traced.trace, TRACE_WIRE, r->clock, r->traced.fleet, "said")) {
        char safe[2 * LOG_LINE_MAX];
        safe_text_into(safe, sizeof safe, masked.data, masked.len);
        json_w_kstr(&t.w, "to", "plug-in");
        json_w_kstr(&t.w, "text", safe);
        trace_end(&t);
    }
    buf_release(&masked);
}

/* Whoever writes more than is read in a minute waits for the next. */
static bool log_full(struct process *r)
{
    int64_t now = clock_now(r->clock);
    if (now - r->minute >= US_PER_MIN || now < r->minute) {
        r->minute = now;
        r->lines = r->bytes = 0;
    }
    return r->bytes >= LOG_BYTES;
}

static void read_log(struct process *r)
{
    char chunk[4096];
    while (r->child.log >= 0 && !log_full(r)) {
        ssize_t n = read(r->child.log, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            plugin_shut(&r->child.log);
            break;
        }
        r->bytes += (size_t)n;
        for (ssize_t i = 0; i < n; i++) {
            if (chunk[i] != '\n') {
                buf_addc(&r->words, chunk[i]); /* what is over the limit is not kept */
                continue;
            }
            log_line(r);
            buf_clear(&r->words);
        }
    }
    if (r->child.log < 0 && r->words.len > 0) {
        log_line(r);
        buf_clear(&r->words);
    }
}

/* ---- lines ---- */

static void put(struct plugin_link *l, const char *line, size_t n, int64_t id, bool first)
{
    struct process *r = (struct process *)l;
    struct sending *s = xmalloc(sizeof *s + n);
    *s = (struct sending){.id = id, .n = n};
    memcpy(s->bytes, line, n);
    if (!r->first) {
        r->first = r->last = s;
    } else if (first && r->first->at == 0) {
        s->next = r->first;
        r->first = s;
    } else if (first) { /* what has begun is first ended */
        s->next = r->first->next;
        r->first->next = s;
        r->last = r->last == r->first ? s : r->last;
    } else {
        r->last->next = s;
        r->last = s;
    }
}

static void send_lines(struct process *r)
{
    while (r->first && r->child.in >= 0) {
        struct sending *s = r->first;
        ssize_t n = write(r->child.in, s->bytes + s->at, s->n - s->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            plugin_shut(&r->child.in);
            return;
        }
        s->at += (size_t)n;
        if (s->at < s->n)
            continue;
        r->went[r->n_went++ % WENT_MAX] = s->id;
        r->first = s->next;
        r->last = r->first ? r->last : NULL;
        free(s);
    }
}

static bool take_back(struct plugin_link *l, int64_t id)
{
    struct process *r = (struct process *)l;
    struct sending *before = NULL;
    for (struct sending *s = r->first; s; before = s, s = s->next) {
        if (s->id != id || s->at > 0)
            continue;
        *(before ? &before->next : &r->first) = s->next;
        r->last = r->last == s ? before : r->last;
        free(s);
        return true;
    }
    return false;
}

/* A line without its end is none: a program that has not got all of it cannot have carried it out. */
static bool went(const struct plugin_link *l, int64_t id)
{
    const struct process *r = (const struct process *)l;
    size_t n = r->n_went < WENT_MAX ? r->n_went : WENT_MAX;
    for (size_t i = 0; i < n; i++)
        if (r->went[i] == id)
            return true;
    return false;
}

static bool take_chunk(struct process *r, struct plugin *p, const char *chunk, size_t n, struct err *e)
{
    while (n > 0) {
        const char *end = memchr(chunk, '\n', n);
        size_t k = end ? (size_t)(end - chunk) : n;
        buf_add(&r->line, chunk, k);
        if (r->line.over)
            return err_set(e, ERR_PROTOCOL, "let it send lists in parts (docs/plugin-protocol.md)",
                           "it sent a line of more than %zu bytes", PLUGIN_LINE_MAX);
        if (!end)
            return true;
        bool ok = plugin_line(p, r->line.data, r->line.len, e);
        buf_clear(&r->line);
        if (!ok)
            return false;
        chunk += k + 1;
        n -= k + 1;
    }
    return true;
}

static bool read_lines(struct process *r, struct plugin *p, struct err *e)
{
    char chunk[16384];
    for (size_t got = 0; got < READ_TURN && !r->drained;) {
        ssize_t n = read(r->child.out, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n <= 0) {
            r->drained = clock_now(r->clock);
            return true;
        }
        got += (size_t)n;
        if (!take_chunk(r, p, chunk, (size_t)n, e))
            return false;
    }
    return true;
}

/* What the child said of itself before it became the program. */
static bool read_status(struct process *r, struct err *e)
{
    int why = 0;
    if (r->child.status < 0)
        return true;
    if (!r->boxed) {
        ssize_t n = read(r->child.status, &r->box, sizeof r->box);
        if (n < 0)
            return true;
        r->boxed = n == (ssize_t)sizeof r->box;
    }
    ssize_t n = read(r->child.status, &why, sizeof why);
    if (n < 0)
        return true;
    plugin_shut(&r->child.status);
    if (n != (ssize_t)sizeof why)
        return true;
    errno = why;
    return err_errno(e, ERR_NETWORK, "run it by hand: is its first line right, and does its interpreter exist?",
                     "its program cannot be started");
}

/* Has it ended? It is not reaped: its number stays its own until its group is killed. */
static bool ended(struct process *r, struct err *e)
{
    siginfo_t info = {0};
    static const char look_at[] = "run `andon backend check` on it";
    if (waitid(P_PID, (id_t)r->child.pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
        return false;
    if (info.si_code == CLD_EXITED)
        err_set(e, ERR_NETWORK, look_at, "it ended with exit %d", info.si_status);
    else
        err_set(e, ERR_NETWORK, look_at, "it was ended by signal %d", info.si_status);
    return true;
}

static bool pump(struct plugin_link *l, struct plugin *p, struct err *e)
{
    struct process *r = (struct process *)l;
    send_lines(r);
    bool over = ended(r, e); /* first: what it wrote before is in the pipes */
    read_log(r);
    bool ok = read_status(r, e);
    if (ok && !read_lines(r, p, e))
        ok = false;
    else if (ok && over)
        ok = false;
    else if (ok && r->drained && clock_now(r->clock) - r->drained >= ENDING_US) /* most end a moment later */
        ok = err_set(e, ERR_NETWORK, "it must keep its output open", "it closed its output");
    if (!ok && r->last_words[0] && e)
        err_cause(e, "%s", r->last_words);
    return ok;
}

static void wait_for(const struct plugin_link *l, struct http_side *s)
{
    const struct process *r = (const struct process *)l;
    bool log_waits = r->bytes >= LOG_BYTES;
    const int fds[] = {r->drained ? -1 : r->child.out, r->child.pidfd, log_waits ? -1 : r->child.log, r->child.status};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] < 0)
            continue;
        s->fds[s->n_fds].fd = fds[i];
        s->fds[s->n_fds++].out = false;
    }
    if (r->child.in >= 0 && r->first) {
        s->fds[s->n_fds].fd = r->child.in;
        s->fds[s->n_fds++].out = true;
    }
    if (log_waits && r->minute + US_PER_MIN < s->deadline)
        s->deadline = r->minute + US_PER_MIN;
    if (r->drained && r->drained + ENDING_US < s->deadline)
        s->deadline = r->drained + ENDING_US;
    if (r->child.pidfd < 0 && clock_now(r->clock) + US_PER_S < s->deadline)
        s->deadline = clock_now(r->clock) + US_PER_S; /* nothing tells of its end: look */
}

/* ---- the end ---- */

/* Its input ends; it is waited for, and what it still says is thrown away: a full pipe must not hold it up. */
static bool wait_for_end(struct process *r, int64_t until)
{
    char spill[4096];
    for (int64_t left; (left = until - clock_now(clock_real())) > 0;) {
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)r->child.pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0)
            return true;
        struct pollfd fds[3] = {{r->child.pidfd, POLLIN, 0}, {r->child.out, POLLIN, 0}, {r->child.log, POLLIN, 0}};
        int ms = (int)(left / US_PER_MS) + 1;
        poll(fds, 3, r->child.pidfd < 0 && ms > 5 ? 5 : ms);
        for (size_t i = 1; i < 3; i++)
            if (fds[i].revents && read(fds[i].fd, spill, sizeof spill) == 0)
                plugin_shut(i == 1 ? &r->child.out : &r->child.log);
    }
    return false;
}

/* One that does not end when it is killed hangs in the kernel: it is left there, and said. */
static void leave(struct process *r)
{
    struct trace_line t;
    r->left = r->child.pid;
    if (trace_begin(&t, r->traced.trace, TRACE_WIRE, r->clock, r->traced.fleet, "left")) {
        json_w_kstr(&t.w, "to", "plug-in");
        json_w_kint(&t.w, "pid", r->left);
        trace_end(&t);
    }
}

static bool stop(struct plugin_link *l, int64_t grace_us)
{
    struct process *r = (struct process *)l;
    bool itself = r->child.pid <= 0;
    plugin_shut(&r->child.in);
    if (r->child.pid > 0) {
        if (grace_us > 0)
            itself = wait_for_end(r, clock_now(clock_real()) + grace_us);
        kill(-r->child.pid, SIGKILL); /* before it is reaped: nobody else has its number yet */
        kill(r->child.pid, SIGKILL);  /* it may have gone into another group */
        if (!plugin_reap(r->child.pid, KILLED_US))
            leave(r);
    }
    r->child.pid = 0;
    plugin_shut(&r->child.out);
    plugin_shut(&r->child.log);
    plugin_shut(&r->child.status);
    plugin_shut(&r->child.pidfd);
    drop_lines(r);
    return itself;
}

void plugin_process_secret(struct plugin_link *l, const char *secret)
{
    struct process *r = (struct process *)l;
    if (r->secret)
        explicit_bzero(r->secret, strlen(r->secret));
    free(r->secret);
    r->secret = secret ? xstrdup(secret) : NULL;
}

bool plugin_process_box(const struct plugin_link *l, struct plugin_box *out)
{
    const struct process *r = (const struct process *)l;
    *out = (struct plugin_box){r->box.new_privileges, r->box.dies_with_us, r->box.limits, r->box.landlock};
    return r->child.pid > 0 && r->boxed;
}

static void free_process(struct plugin_link *l)
{
    struct process *r = (struct process *)l;
    plugin_process_secret(l, NULL);
    for (size_t i = 0; r->argv[i]; i++)
        free(r->argv[i]);
    free(r->argv);
    free(r->path);
    buf_release(&r->line);
    buf_release(&r->words);
    free(r);
}

static const struct plugin_link_ops process_ops = {.start = start,
                                                   .put = put,
                                                   .pump = pump,
                                                   .take_back = take_back,
                                                   .went = went,
                                                   .wait = wait_for,
                                                   .stop = stop,
                                                   .free = free_process};

pid_t plugin_pid(const struct backend *b)
{
    const struct plugin_link *l = ((const struct plugin *)b)->link;
    return l->ops == &process_ops ? ((const struct process *)l)->child.pid : 0;
}

struct plugin_link *plugin_process_new(const struct fleet_spec *f, struct clock *clock, struct err *e)
{
    char path[PATH_MAX];
    const struct plugin_spec *s = &f->plugin;
    size_t n = 0;
    while (s->argv && s->argv[n])
        n++;
    if (n > 0 && !strchr(s->argv[0], '/')) {
        err_set(e, ERR_SYNTAX, "name it with its folder, as in ./andon-backend-mine",
                "a plug-in is not looked for in PATH");
        return NULL;
    }
    if (n > 0) {
        char *real = realpath(s->argv[0], NULL);
        bool ok = real && snprintf(path, sizeof path, "%s", real) < (int)sizeof path;
        free(real);
        if (!ok) {
            char shown[200];
            safe_text_into(shown, sizeof shown, s->argv[0], strlen(s->argv[0]));
            err_errno(e, ERR_NOT_FOUND, "check its path", "there is no program %s", shown);
            return NULL;
        }
    } else if (!plugin_find(s->folder ? s->folder : "", s->name ? s->name : "", path, sizeof path, e)) {
        return NULL;
    }
    struct process *r = xcalloc(1, sizeof *r);
    r->link.ops = &process_ops;
    r->clock = clock;
    r->traced = f->endpoint.traced;
    r->spec = *s;
    r->ca_file = f->endpoint.ca_file ? f->endpoint.ca_file : "";
    r->path = xstrdup(path);
    r->argv = xcalloc(n + 2, sizeof *r->argv);
    r->argv[0] = xstrdup(path);
    for (size_t i = 1; i < n; i++)
        r->argv[i] = xstrdup(s->argv[i]);
    r->child = (struct plugin_child){.pidfd = -1, .in = -1, .out = -1, .log = -1, .status = -1};
    buf_init(&r->line, PLUGIN_LINE_MAX);
    buf_init(&r->words, LOG_LINE_MAX);
    return &r->link;
}
