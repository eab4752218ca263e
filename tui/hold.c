/* See hold.h. */
#include "tui/hold.h"

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOLD_SHOWN 16384
#define HOLD_MOST  (1 << 20)

void hold_start(struct hold *h)
{
    h->saved = h->mem = -1;
    if (!isatty(STDERR_FILENO))
        return;
    h->mem = memfd_create("andon-stderr", MFD_CLOEXEC);
    h->saved = h->mem < 0 ? -1 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (h->saved < 0 || dup2(h->mem, STDERR_FILENO) < 0) {
        if (h->saved >= 0)
            close(h->saved);
        if (h->mem >= 0)
            close(h->mem);
        h->saved = h->mem = -1;
    }
}

void hold_drop(const struct hold *h)
{
    if (h->saved >= 0)
        dup2(h->saved, STDERR_FILENO);
}

static void show(const struct hold *h)
{
    char text[1024];
    off_t end = lseek(h->mem, 0, SEEK_END);
    off_t at = end > HOLD_SHOWN ? end - HOLD_SHOWN : 0;
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
    while (at < end && poll(&p, 1, 0) == 1 && (p.revents & POLLOUT)) {
        ssize_t n = pread(h->mem, text, sizeof text, at);
        if (n <= 0)
            return;
        for (ssize_t i = 0; i < n; i++) {
            unsigned char c = (unsigned char)text[i];
            if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
                text[i] = '?';
        }
        if (write(STDERR_FILENO, text, (size_t)n) != n)
            return;
        at += n;
    }
}

void hold_stop(struct hold *h)
{
    if (h->saved < 0)
        return;
    hold_drop(h);
    show(h);
    close(h->saved);
    close(h->mem);
    h->saved = h->mem = -1;
}

void hold_trim(const struct hold *h)
{
    if (h->saved < 0 || lseek(h->mem, 0, SEEK_CUR) < HOLD_MOST)
        return;
    if (ftruncate(h->mem, 0) == 0)
        lseek(h->mem, 0, SEEK_SET);
}
