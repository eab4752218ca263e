/* Standard error while the screen is up: a line written to the terminal by a library or by the log's last resort would
 * tear the picture. It is held in memory and printed when the terminal has been given back. */
#ifndef ANDON_TUI_HOLD_H
#define ANDON_TUI_HOLD_H

struct hold {
    int saved, mem; /* -1: not held (standard error is not a terminal) */
};

/* From here on; does nothing when standard error is not a terminal. */
void hold_start(struct hold *h);
/* Puts standard error back and prints what was held, its last 16 KiB, control characters as '?'. */
void hold_stop(struct hold *h);
/* In a crash: only puts it back. Safe in a signal handler. */
void hold_drop(const struct hold *h);
/* Keeps what is held small; call now and then. */
void hold_trim(const struct hold *h);

#endif
