#include "client/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "core/clock.h"
#include "core/slice.h"
#include "core/text.h"

extern char **environ;

void secret_free(char *s)
{
    if (!s)
        return;
    explicit_bzero(s, strlen(s));
    free(s);
}

/* Checks what was read and hands it over; `bytes` is wiped whatever happens. */
static bool accept_secret(char *bytes, size_t n, bool lines, const char *source, char **out, struct err *e)
{
    bool ok = true;
    size_t len = n;
    if (len && bytes[len - 1] == '\n')
        len--;
    if (len && bytes[len - 1] == '\r')
        len--;
    if (len == 0)
        ok = err_set(e, ERR_AUTH, "put the secret there, or name another source in the configuration",
                     "%s gives an empty secret", source);
    else if (len > SECRET_BYTES_MAX)
        ok = err_set(e, ERR_AUTH, "only the secret must come from there", "%s gives more than %d bytes", source,
                     SECRET_BYTES_MAX);
    for (size_t i = 0; ok && i < len; i++)
        if (((unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7f) && !(lines && byte_in(bytes[i], "\n\r\t")))
            ok = err_set(
                e, ERR_AUTH,
                lines ? "only the secret must come from there" : "only the secret must come from there, on one line",
                lines ? "%s gives a control character" : "%s gives a control character or more than one line", source);
    if (ok)
        *out = xstrndup(bytes, len);
    explicit_bzero(bytes, n);
    return ok;
}

static bool from_file(const char *path, bool lines, char **out, struct err *e)
{
    char shown[200], source[240];
    safe_text_into(shown, sizeof shown, path, strlen(path));
    snprintf(source, sizeof source, "secret file %s", shown);
    /* O_NONBLOCK: a FIFO must not hang the start. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_errno(e, ERR_AUTH, "create it, readable only by the user that runs andon", "%s can't be opened",
                         source);
    struct stat st;
    bool ok = fstat(fd, &st) == 0;
    if (!ok)
        err_errno(e, ERR_AUTH, "", "%s can't be looked at", source);
    else if (!S_ISREG(st.st_mode))
        ok = err_set(e, ERR_AUTH, "name a regular file", "%s is not a regular file", source);
    else if (st.st_mode & (S_IRWXG | S_IRWXO))
        ok = err_set(e, ERR_AUTH, "chmod 600 it, and change the secret if others may have read it",
                     "%s may be read by others (mode %04o)", source, (unsigned)(st.st_mode & 07777));
    else if (st.st_uid != geteuid() && st.st_uid != 0)
        ok = err_set(e, ERR_AUTH, "chown it to the user that runs andon", "%s belongs to another user", source);
    char bytes[SECRET_BYTES_MAX + 3];
    size_t n = 0;
    while (ok && n < sizeof bytes) {
        ssize_t k = read(fd, bytes + n, sizeof bytes - n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            ok = err_errno(e, ERR_AUTH, "", "%s can't be read", source);
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    close(fd);
    return ok ? accept_secret(bytes, n, lines, source, out, e) : (explicit_bzero(bytes, n), false);
}

static bool from_env(const char *name, bool lines, char **out, struct err *e)
{
    char shown[120], source[160];
    safe_text_into(shown, sizeof shown, name, strlen(name));
    snprintf(source, sizeof source, "environment variable %s", shown);
    const char *v = getenv(name);
    if (!v)
        return err_set(e, ERR_AUTH, "set it, or better: use a command or a file for the secret", "%s is not set",
                       source);
    char *copy = xstrdup(v);
    bool ok = accept_secret(copy, strlen(v), lines, source, out, e);
    free(copy);
    return ok;
}

/* Starts argv in a process group of its own, with default signals, no input, and only stdout kept. */
static bool spawn(const char *const *argv, int out_fd, pid_t *pid, const char *source, struct err *e)
{
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t at;
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&at);
    posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&fa, out_fd, 1);
    posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&fa, 3); /* libcurl's own descriptors are not close-on-exec */
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&at, &none);
    posix_spawnattr_setsigdefault(&at, &all);
    posix_spawnattr_setpgroup(&at, 0);
    posix_spawnattr_setflags(&at, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    /* posix_spawn takes char *const[] for historical reasons and does not write to it. */
    int rc = posix_spawnp(pid, argv[0], &fa, &at, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&at);
    if (rc == 0)
        return true;
    errno = rc;
    return err_errno(e, ERR_AUTH, "check the path and that it may be run", "%s can't be started", source);
}

/* Reads until the end of the stream or the limit. Returns false on time-out or failure. */
static bool drain(int fd, int64_t deadline, char *bytes, size_t size, size_t *n)
{
    for (;;) {
        int64_t left = deadline - clock_now(clock_real());
        if (left <= 0)
            return false;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int rc = poll(&p, 1, (int)(left / 1000) + 1);
        if (rc < 0 && errno != EINTR)
            return false;
        if (rc <= 0)
            continue;
        char spill[512];
        bool room = *n < size;
        ssize_t k = read(fd, room ? bytes + *n : spill, room ? size - *n : sizeof spill);
        if (!room)
            explicit_bzero(spill, sizeof spill);
        if (k == 0)
            return true;
        if (k > 0 && room)
            *n += (size_t)k;
        if (k < 0 && errno != EINTR && errno != EAGAIN)
            return false;
    }
}

/* Waits for the end of the command. There is no portable descriptor for it, so it is looked at every 2 ms. */
static bool reap(pid_t pid, int64_t deadline, int *status)
{
    for (;;) {
        pid_t got = waitpid(pid, status, WNOHANG);
        if (got == pid)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        if (clock_now(clock_real()) >= deadline)
            return false;
        poll(NULL, 0, 2);
    }
}

static bool from_command(const char *const *argv, int64_t limit_us, bool lines, char **out, struct err *e)
{
    if (!argv || !argv[0] || !argv[0][0])
        return err_set(e, ERR_AUTH, "name a program", "the secret's command is empty");
    char shown[160], source[200];
    safe_text_into(shown, sizeof shown, argv[0], strlen(argv[0]));
    snprintf(source, sizeof source, "secret command %s", shown);
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return err_errno(e, ERR_IO, "", "%s: no pipe", source);
    pid_t pid = -1;
    if (!spawn(argv, fds[1], &pid, source, e)) {
        close(fds[0]);
        close(fds[1]);
        return false;
    }
    close(fds[1]);
    char bytes[SECRET_BYTES_MAX + 3];
    size_t n = 0;
    int status = 0;
    int64_t deadline = clock_now(clock_real()) + limit_us;
    bool in_time = drain(fds[0], deadline, bytes, sizeof bytes, &n) && reap(pid, deadline, &status);
    close(fds[0]);
    bool ok = in_time;
    if (!in_time) {
        kill(-pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
        err_set(e, ERR_AUTH, "run it by hand as the same user and see what it waits for",
                "%s did not end within %lld ms", source, (long long)(limit_us / 1000));
    } else if (WIFSIGNALED(status)) {
        ok = err_set(e, ERR_AUTH, "run it by hand as the same user", "%s was killed by signal %d", source,
                     WTERMSIG(status));
    } else if (WEXITSTATUS(status) != 0) {
        ok = err_set(e, ERR_AUTH, "run it by hand as the same user and read what it says", "%s failed with exit %d",
                     source, WEXITSTATUS(status));
    }
    return ok ? accept_secret(bytes, n, lines, source, out, e) : (explicit_bzero(bytes, sizeof bytes), false);
}

bool secret_read(const struct secret_ref *ref, int64_t limit_us, char **out, struct err *e)
{
    *out = NULL;
    switch (ref->source) {
    case SECRET_NONE:
        return true;
    case SECRET_COMMAND:
        return from_command(ref->argv, limit_us, ref->lines, out, e);
    case SECRET_FILE:
        return from_file(ref->path, ref->lines, out, e);
    case SECRET_ENV:
        return from_env(ref->env, ref->lines, out, e);
    }
    return err_set(e, ERR_INTERNAL, "", "unknown source of a secret");
}
