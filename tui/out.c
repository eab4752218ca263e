/* See out.h. The timer is periodic on purpose: a single shot could fire in the instant before write(2) blocks. */
#include "tui/out.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OUT_WAIT_NS 20000000L   /* how long one write may block */
#define OUT_LIMIT   (64u << 20) /* a frame of the largest screen is far below */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static void nothing(int sig)
{
    (void)sig;
}

bool out_init(struct out *o, int fd, struct err *e)
{
    memset(o, 0, sizeof *o);
    o->fd = fd;
    buf_init(&o->left, OUT_LIMIT);
    struct sigaction sa;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = nothing; /* and no SA_RESTART: the write must return */
    sigemptyset(&sa.sa_mask);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGRTMIN + 1);
    struct sigevent ev;
    memset(&ev, 0, sizeof ev);
    ev.sigev_notify = SIGEV_THREAD_ID;
    ev.sigev_signo = SIGRTMIN + 1;
    ev.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    if (sigaction(SIGRTMIN + 1, &sa, NULL) != 0 || pthread_sigmask(SIG_UNBLOCK, &one, NULL) != 0 ||
        timer_create(CLOCK_MONOTONIC, &ev, &o->timer) != 0) {
        buf_release(&o->left);
        return err_errno(e, ERR_IO, "", "cannot make the timer that guards the terminal");
    }
    o->has_timer = true;
    return true;
}

void out_release(struct out *o)
{
    if (o->has_timer)
        timer_delete(o->timer);
    o->has_timer = false;
    buf_release(&o->left);
}

static void arm(struct out *o, bool on)
{
    struct itimerspec t;
    memset(&t, 0, sizeof t);
    if (on) {
        t.it_value.tv_nsec = OUT_WAIT_NS;
        t.it_interval.tv_nsec = OUT_WAIT_NS;
    }
    timer_settime(o->timer, 0, &t, NULL);
}

/* Bytes that went. Less than n: the terminal does not take more now, or is gone. */
static size_t push(struct out *o, const char *p, size_t n)
{
    if (o->dead || n == 0)
        return 0;
    arm(o, true);
    ssize_t k = write(o->fd, p, n);
    int why = errno;
    arm(o, false);
    if (k >= 0)
        return (size_t)k;
    /* EAGAIN: somebody else made the shared open file non-blocking; then POLLOUT tells when to go on. */
    if (why != EINTR && why != EAGAIN)
        o->dead = true;
    return 0;
}

bool out_flush(struct out *o)
{
    size_t n = o->left.len - o->sent;
    if (n > 0)
        o->sent += push(o, o->left.data + o->sent, n);
    if (o->dead || o->sent == o->left.len) {
        buf_clear(&o->left);
        o->sent = 0;
    }
    return o->left.len == 0;
}

bool out_write(struct out *o, const void *p, size_t n)
{
    if (o->dead)
        return true; /* nobody is there to read it */
    size_t k = out_flush(o) ? push(o, p, n) : 0;
    if (k < n && !o->dead)
        buf_add(&o->left, (const char *)p + k, n - k);
    return out_left(o) == 0;
}

void out_wait(struct out *o, int ms)
{
    for (const int step = 20; out_left(o) > 0 && ms > 0; ms -= step) {
        struct pollfd p = {.fd = o->fd, .events = POLLOUT};
        poll(&p, 1, step);
        out_flush(o);
    }
}

size_t out_left(const struct out *o)
{
    return o->left.len - o->sent;
}

bool out_ready(const struct out *o)
{
    struct pollfd p = {.fd = o->fd, .events = POLLOUT};
    return out_left(o) == 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}
