/* Signals of the console: blocked in every thread, read from a descriptor by the event loop. */
#ifndef ANDON_TUI_SIGNALS_H
#define ANDON_TUI_SIGNALS_H

#include <stdbool.h>

/* Blocks WINCH TERM INT TSTP CONT HUP in this thread and those it will start. */
void signals_block(void);
/* A signalfd for them, or -1. */
int signals_open(void);
/* The next one that waits, 0 = none. */
int signals_next(int fd);
/* Stops the process until somebody continues it. The terminal must have been given back. group: a key asked for it, so
 * the job's other processes (make, a pager) stop too, as they would if the terminal's own driver had done it. */
void signals_stop(bool group);
/* Is there a shell that could continue us? */
bool signals_can_stop(void);

#endif
