/* See signals.h. */
#include "tui/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static void ours(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGWINCH);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTSTP);
    sigaddset(set, SIGCONT);
    sigaddset(set, SIGHUP);
}

void signals_block(void)
{
    sigset_t set;
    ours(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

int signals_open(void)
{
    sigset_t set;
    ours(&set);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int signals_next(int fd)
{
    struct signalfd_siginfo info;
    ssize_t n;
    do {
        n = read(fd, &info, sizeof info);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

bool signals_can_stop(void)
{
    return getsid(0) != getpid();
}

void signals_stop(bool group)
{
    if (group)
        kill(0, SIGTSTP); /* ours is blocked, and thrown away by the SIGCONT that wakes us */
    raise(SIGSTOP);
    /* That SIGCONT is not news for the event loop. */
    sigset_t cont;
    sigemptyset(&cont);
    sigaddset(&cont, SIGCONT);
    sigtimedwait(&cont, NULL, &(struct timespec){0, 0});
}
