/* Bytes to the terminal, without ever waiting long for it.
 *
 * A terminal that stopped reading (Ctrl-S, a dead SSH link) blocks write(2), and a poll(POLLOUT) before it only narrows
 * the hole: there may be room for less than a frame. O_NONBLOCK would be shared with the shell through the open file,
 * so it is never set. Instead each write is under a periodic timer whose signal, sent to this thread only, interrupts
 * a write that blocks: it returns how much went, the rest is kept, and the event loop goes on. */
#ifndef ANDON_TUI_OUT_H
#define ANDON_TUI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include "core/buf.h"
#include "core/err.h"

struct out {
    int fd;
    bool has_timer, dead; /* dead: the terminal is gone (EIO) */
    timer_t timer;
    struct buf left; /* what did not go yet, from `sent` on */
    size_t sent;
};

/* The thread that calls this is the one that writes. Does not own fd. */
bool out_init(struct out *o, int fd, struct err *e) ANDON_MUST_USE;
void out_release(struct out *o);

/* Sends what is left, then p. Returns true when all of it went; else the rest is kept for out_flush. Waits at most
 * about 20 ms. */
bool out_write(struct out *o, const void *p, size_t n);
/* Goes on with what is left; true when nothing is left. Call when poll says POLLOUT. */
bool out_flush(struct out *o);
/* Waits at most ms for the terminal to take what is left. */
void out_wait(struct out *o, int ms);
/* Bytes that wait for the terminal. */
size_t out_left(const struct out *o);
/* Nothing is left over and the terminal takes bytes at this moment. */
bool out_ready(const struct out *o);

#endif
