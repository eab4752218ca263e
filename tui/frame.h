/* One frame: what curses wrote, gathered from a file in memory and dressed to go out in one write. */
#ifndef ANDON_TUI_FRAME_H
#define ANDON_TUI_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include "core/err.h"
#include "tui/modes.h"

/* A smaller frame is one read for any terminal: the marks of a synchronised update would only be bytes. */
#define FRAME_SYNC_LEAST 256

struct frame {
    int fd; /* the file in memory that curses writes to */
    char *bytes;
    size_t cap;
};

bool frame_init(struct frame *f, struct err *e) ANDON_MUST_USE;
void frame_release(struct frame *f);
/* Takes what has been written to fd since the last time, puts modes->enter before it if `enter`, the marks of a
 * synchronised update around it where the terminal knows them and it is worth it, and `tail` behind. The bytes are
 * the frame's until the next call. Returns their number, 0 = nothing to send. */
size_t frame_take(struct frame *f, const struct modes *m, bool enter, const void *tail, size_t n_tail,
                  const char **bytes);

#endif
