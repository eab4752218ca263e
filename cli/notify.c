#include "cli/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int64_t watchdog(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    char *end;
    long long v;

    if (!us || (pid && strtoll(pid, NULL, 10) != (long long)getpid()))
        return 0;
    errno = 0;
    v = strtoll(us, &end, 10);
    return errno || *end || v <= 0 ? 0 : v;
}

void notify_open(struct notify *n)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;

    n->fd = -1;
    n->watchdog_us = watchdog();
    if (len > 1 && len < sizeof to.sun_path && (path[0] == '/' || path[0] == '@')) {
        memcpy(to.sun_path, path, len);
        if (path[0] == '@') /* abstract name */
            to.sun_path[0] = '\0';
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (n->fd >= 0 &&
            connect(n->fd, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) != 0) {
            close(n->fd);
            n->fd = -1;
        }
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

bool notify_send(struct notify *n, const char *message)
{
    size_t len = strlen(message);

    return n->fd >= 0 && send(n->fd, message, len, MSG_NOSIGNAL) == (ssize_t)len;
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}
