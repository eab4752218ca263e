/* A plug-in's program: where it may lie, and how it becomes a child with nothing of ours but its pipes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "client/plugin_impl.h"
#include "core/clock.h"
#include "core/text.h"

#ifndef __NR_pidfd_open
#define __NR_pidfd_open 434
#endif
#ifndef __NR_close_range
#define __NR_close_range 436
#endif
#define CLOEXEC_RANGE 4u /* CLOSE_RANGE_CLOEXEC */
#define PREFIX        "andon-backend-"
#define ENV_MAX       40

/* ---- where it is ---- */

/* Nobody but root and this user may have put it there, or may change it. */
static bool trusted(const char *path, const struct stat *st, struct err *e)
{
    char shown[200];
    safe_text_into(shown, sizeof shown, path, strlen(path));
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return err_set(e, ERR_REFUSED, "chown it to root or to the user that runs andon",
                       "the plug-in is not started: %s belongs to another user", shown);
    bool sticky = S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX;
    if (st->st_mode & (S_IWGRP | S_IWOTH) && !sticky)
        return err_set(e, ERR_REFUSED, "chmod go-w it", "the plug-in is not started: others may write to %s", shown);
    return true;
}

static bool look(const char *path, struct stat *st, struct err *e)
{
    char shown[200];
    if (lstat(path, st) == 0)
        return true;
    safe_text_into(shown, sizeof shown, path, strlen(path));
    return err_errno(e, ERR_NOT_FOUND, "install it there, or name another folder as `plugins`",
                     "there is no plug-in %s", shown);
}

/* The folder and all above it. */
static bool folders_trusted(char *path, struct err *e)
{
    struct stat st;
    for (char *at = path + 1;; at++) {
        if (*at && *at != '/')
            continue;
        char kept = *at;
        *at = '\0';
        bool ok = look(path, &st, e) && trusted(path, &st, e);
        *at = kept;
        if (!ok)
            return false;
        if (!kept)
            return true;
    }
}

bool plugin_find(const char *folder, const char *name, char *out, size_t size, struct err *e)
{
    struct stat st;
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    if (n == 0 || n > 48 || name[n])
        return err_set(e, ERR_SYNTAX, "plugin: NAME stands for the program " PREFIX "NAME in the folder `plugins`",
                       "a plug-in's name has 1 to 48 of a-z, 0-9, '-' and '_'");
    if (*folder != '/')
        return err_set(e, ERR_SYNTAX, "name it as `plugins:` in the configuration, such as /usr/local/libexec/andon",
                       *folder ? "the folder of plug-ins is no absolute path" : "no folder of plug-ins is configured");
    char *real = realpath(folder, NULL);
    if (!real)
        return look(folder, &st, e) && err_errno(e, ERR_IO, "", "the folder of plug-ins cannot be looked at");
    bool ok = snprintf(out, size, "%s/" PREFIX "%s", real, name) < (int)size ||
              err_set(e, ERR_LIMIT, "", "the plug-in's path is too long");
    ok = ok && folders_trusted(real, e) && look(out, &st, e) && trusted(out, &st, e);
    free(real);
    if (ok && (!S_ISREG(st.st_mode) || access(out, X_OK) != 0))
        return err_set(e, ERR_REFUSED, "put the program itself there, no link to it, and chmod 755 it",
                       "the plug-in " PREFIX "%s is no program", name);
    return ok;
}

/* ---- starting ---- */

void plugin_shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* A pipe whose one end is for the child: that is above what it gets as its own, and waits. */
static bool child_pipe(int *ours, int *theirs, bool child_reads)
{
    int p[2];
    if (pipe2(p, O_CLOEXEC) != 0)
        return false;
    int mine = p[child_reads ? 1 : 0], its = p[child_reads ? 0 : 1];
    *theirs = fcntl(its, F_DUPFD_CLOEXEC, 10);
    close(its);
    *ours = mine;
    return *theirs >= 0 && fcntl(mine, F_SETFL, O_NONBLOCK) == 0;
}

struct child {
    int in, out, log, secret, status, rules;
    pid_t parent;
    const char *path;
    char *const *argv;
    char *env[ENV_MAX + 1];
};

static void keep_only(const struct child *c)
{
    if (syscall(__NR_close_range, 4u, ~0u, CLOEXEC_RANGE) == 0)
        return;
    for (int fd = 4; fd < 65536; fd++)
        if (fd != c->status)
            close(fd);
}

_Noreturn static void be_child(const struct child *c)
{
    struct sandbox_report box = {0};
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;
    sigemptyset(&none);
    for (int s = 1; s < NSIG; s++)
        sigaction(s, &plain, NULL);
    setpgid(0, 0);
    dup2(c->in, 0);
    dup2(c->out, 1);
    dup2(c->log, 2);
    if (c->secret >= 0)
        dup2(c->secret, 3);
    else
        close(3);
    umask(077);
    bool ready = chdir("/") == 0;
    sandbox_enter(c->parent, c->rules, &box);
    keep_only(c);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* Without the rules of a kernel that has them, or with a way to more rights, it does not start. */
    if (ready && box.new_privileges && (c->rules < 0 || box.landlock) &&
        write(c->status, &box, sizeof box) == sizeof box) {
        execve(c->path, c->argv, c->env);
    }
    int why = errno;
    _exit(write(c->status, &why, sizeof why) != sizeof why ? 126 : 127);
}

/* What a program needs to find its way, and what its fleet lets through: nothing else of ours. */
static size_t environment(const struct plugin_spec *s, char **env)
{
    static const char *const fixed[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "TZ=UTC"};
    static const char *const kept[] = {"HOME", "USER", "LOGNAME"};
    size_t n = 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        env[n++] = xstrdup(fixed[i]);
    for (size_t i = 0; n < ENV_MAX; i++) {
        size_t own = sizeof kept / sizeof *kept;
        const char *name = i < own ? kept[i] : s->pass ? s->pass[i - own] : NULL, *v = name ? getenv(name) : NULL;
        if (!name)
            break;
        if (!v)
            continue;
        size_t size = strlen(name) + strlen(v) + 2;
        env[n] = xmalloc(size);
        snprintf(env[n++], size, "%s=%s", name, v);
    }
    env[n] = NULL;
    return n;
}

static void give_secret(const char *secret, struct child *c)
{
    int ours = -1;
    if (!secret || !child_pipe(&ours, &c->secret, true))
        return;
    size_t n = strlen(secret); /* SECRET_BYTES_MAX at most: less than a pipe holds */
    ssize_t k = write(ours, secret, n);
    (void)k; /* a short one is a wrong secret: the server says so */
    close(ours);
}

static pid_t fork_quietly(const struct child *c)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of ours runs in the child */
    pid_t pid = fork();
    if (pid == 0)
        be_child(c);
    int why = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = why;
    return pid;
}

bool plugin_spawn(const struct plugin_start *s, struct plugin_child *out, struct err *e)
{
    struct child c = {.in = -1,
                      .out = -1,
                      .log = -1,
                      .secret = -1,
                      .status = -1,
                      .rules = -1,
                      .parent = getpid(),
                      .path = s->path,
                      .argv = s->argv};
    int abi, rules = -1;
    *out = (struct plugin_child){.pid = -1, .pidfd = -1, .in = -1, .out = -1, .log = -1, .status = -1};
    if (child_pipe(&out->in, &c.in, true) && child_pipe(&out->out, &c.out, false) &&
        child_pipe(&out->log, &c.log, false) && child_pipe(&out->status, &c.status, false)) {
        give_secret(s->secret, &c);
        rules = sandbox_rules(s->spec, s->path, s->ca_file, &abi);
        c.rules = rules < 0 ? -1 : fcntl(rules, F_DUPFD_CLOEXEC, 10);
        size_t n = environment(s->spec, c.env);
        out->pid = fork_quietly(&c);
        for (size_t i = 0; i < n; i++) {
            explicit_bzero(c.env[i], strlen(c.env[i]));
            free(c.env[i]);
        }
    }
    if (out->pid < 0)
        err_errno(e, ERR_NETWORK, "look at the limits of this session (ulimit -a)", "its program cannot be started");
    int *theirs[] = {&c.in, &c.out, &c.log, &c.secret, &c.status, &c.rules, &rules};
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        plugin_shut(theirs[i]);
    if (out->pid < 0)
        return false;
    setpgid(out->pid, out->pid); /* as the child does: whoever is first */
    out->pidfd = (int)syscall(__NR_pidfd_open, out->pid, 0);
    return true;
}

/* ---- ending ---- */

bool plugin_reap(pid_t pid, int64_t within_us)
{
    int64_t until = clock_now(clock_real()) + within_us;
    for (;;) {
        pid_t p = waitpid(pid, NULL, WNOHANG);
        if (p == pid || (p < 0 && errno != EINTR))
            return true;
        if (clock_now(clock_real()) >= until)
            return false;
        poll(NULL, 0, 1);
    }
}
