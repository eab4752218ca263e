#include "engine/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/clock.h"
#include "core/text.h"

struct hook {
    char **argv;
    char name[120]; /* argv[0], safe */
    int64_t limit_us;
    pid_t pid; /* 0 = none runs */
    int fd;
    int64_t deadline; /* real time */
    bool killed;
    char output[HOOK_OUTPUT];
    size_t n_output;
};

struct hook *hook_new(const char *const *argv, int64_t limit_us)
{
    struct hook *h = xcalloc(1, sizeof *h);
    size_t n = 0;
    while (argv[n])
        n++;
    h->argv = xcalloc(n + 1, sizeof *h->argv);
    for (size_t i = 0; i < n; i++)
        h->argv[i] = xstrdup(argv[i]);
    safe_text_into(h->name, sizeof h->name, n ? argv[0] : "", n ? strlen(argv[0]) : 0);
    h->limit_us = limit_us;
    h->fd = -1;
    return h;
}

static void close_output(struct hook *h)
{
    if (h->fd >= 0)
        close(h->fd);
    h->fd = -1;
}

void hook_free(struct hook *h)
{
    if (!h)
        return;
    if (h->pid > 0) {
        kill(-h->pid, SIGKILL);
        while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close_output(h);
    for (size_t i = 0; h->argv[i]; i++)
        free(h->argv[i]);
    free(h->argv);
    free(h);
}

/* The input as a file in memory: it needs nobody who goes on writing while the command reads. */
static int input_fd(const void *input, size_t n)
{
    int fd = memfd_create("notice", MFD_CLOEXEC);
    size_t at = 0;
    while (fd >= 0 && at < n) {
        ssize_t k = write(fd, (const char *)input + at, n - at);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            close(fd);
            return -1;
        }
        at += (size_t)k;
    }
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* What a script needs to find its way, and nothing that is only ours: no secret that stands in a variable. */
static void small_environment(char *env[8], char text[8][600])
{
    static const char *const keep[] = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TZ"};
    size_t n = 0;
    for (size_t i = 0; i < sizeof keep / sizeof *keep; i++) {
        const char *v = getenv(keep[i]);
        if (!v && i == 0)
            v = "/usr/local/bin:/usr/bin:/bin";
        if (v && snprintf(text[n], sizeof text[n], "%s=%s", keep[i], v) < (int)sizeof text[n]) {
            env[n] = text[n];
            n++;
        }
    }
    env[n] = NULL;
}

static int spawn(struct hook *h, int in, int out)
{
    char *env[8], text[8][600];
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    sigset_t none, all;
    small_environment(env, text);
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&at);
    posix_spawn_file_actions_adddup2(&fa, in, 0);
    posix_spawn_file_actions_adddup2(&fa, out, 1);
    posix_spawn_file_actions_adddup2(&fa, out, 2);
    posix_spawn_file_actions_addclosefrom_np(&fa, 3); /* libcurl's own descriptors are not close-on-exec */
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&at, &none);
    posix_spawnattr_setsigdefault(&at, &all);
    posix_spawnattr_setpgroup(&at, 0);
    posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int rc = posix_spawnp(&h->pid, h->argv[0], &fa, &at, h->argv, env);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&at);
    return rc;
}

bool hook_start(struct hook *h, const void *input, size_t n, struct err *e)
{
    int out[2] = {-1, -1}, in;
    if (!h->argv[0] || !*h->argv[0])
        return err_set(e, ERR_SYNTAX, "name a program", "the hook's command is empty");
    in = input_fd(input, n);
    if (in < 0 || pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0) {
        err_errno(e, ERR_IO, "", "hook %s: no pipe", h->name);
        if (in >= 0)
            close(in);
        return false;
    }
    fcntl(out[1], F_SETFL, 0); /* only our end does not wait */
    int rc = spawn(h, in, out[1]);
    close(in);
    close(out[1]);
    if (rc != 0) {
        h->pid = 0;
        close(out[0]);
        errno = rc;
        return err_errno(e, ERR_IO, "check the path and that it may be run", "hook %s cannot be started", h->name);
    }
    h->fd = out[0];
    h->deadline = clock_now(clock_real()) + h->limit_us;
    h->killed = false;
    h->n_output = 0;
    return true;
}

bool hook_running(const struct hook *h)
{
    return h->pid > 0;
}

int hook_fd(const struct hook *h)
{
    return h->fd;
}

static void read_output(struct hook *h)
{
    char chunk[4096];
    for (int turns = 0; h->fd >= 0 && turns < 16; turns++) { /* one that writes without end is killed all the same */
        ssize_t n = read(h->fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close_output(h);
            return;
        }
        size_t room = sizeof h->output - h->n_output, take = (size_t)n < room ? (size_t)n : room;
        memcpy(h->output + h->n_output, chunk, take);
        h->n_output += take;
    }
}

static bool judge(const struct hook *h, int status, struct err *e)
{
    static const char look[] = "run it by hand as the same user, with a notice on its standard input";
    char words[sizeof e->cause];
    if (!h->killed && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (h->killed)
        err_set(e, ERR_TIMEOUT, look, "hook %s did not end within %lld s", h->name,
                (long long)(h->limit_us / US_PER_S));
    else if (WIFSIGNALED(status))
        err_set(e, ERR_IO, look, "hook %s was killed by signal %d", h->name, WTERMSIG(status));
    else
        err_set(e, ERR_IO, look, "hook %s failed with exit %d", h->name, WEXITSTATUS(status));
    safe_text_into(words, sizeof words, h->output, h->n_output);
    err_cause(e, "%s", words);
    return false;
}

bool hook_ended(struct hook *h, bool *ok, struct err *e)
{
    int status = 0;
    if (h->pid <= 0)
        return false;
    read_output(h);
    pid_t got = waitpid(h->pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) {
        if (!h->killed && clock_now(clock_real()) >= h->deadline) {
            h->killed = true;
            kill(-h->pid, SIGKILL);
        }
        return false;
    }
    read_output(h);
    close_output(h);
    h->pid = 0;
    *ok = got > 0 ? judge(h, status, e) : err_set(e, ERR_IO, "", "hook %s cannot be waited for", h->name);
    return true;
}
