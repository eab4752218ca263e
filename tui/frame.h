/* One frame: what curses wrote, gathered from a file in memory and dressed to go out in one write. */
#ifndef ANDON_TUI_FRAME_H
#define ANDON_TUI_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "core/err.h"
#include "tui/modes.h"

/* A smaller frame is one read for any terminal: the marks of a synchronised update would only be bytes. */
#define FRAME_SYNC_LEAST 256

struct frame {
    FILE *file; /* what curses writes to, through its descriptor */
    int fd;     /* the file in memory that it becomes */
    char *bytes;
    size_t cap;
};

/* f->file is the terminal tty under another number, for curses to take and set up. */
bool frame_init(struct frame *f, int tty, struct err *e) ANDON_MUST_USE;
/* From here on what is written to f->file's descriptor stays in memory until frame_take. */
void frame_to_memory(struct frame *f);
void frame_release(struct frame *f);
/* Takes what has been written since the last time, puts `enter` before it (may be ""), the marks of a
 * synchronised update around it where the terminal knows them and it is worth it, and `tail` behind. The bytes are
 * the frame's until the next call. Returns their number, 0 = nothing to send. */
size_t frame_take(struct frame *f, const struct modes *m, const char *enter, const void *tail, size_t n_tail,
                  const char **bytes);

#endif
