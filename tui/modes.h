/* The strings that take a terminal and give it back. Pure: made once at the start from the terminal's capabilities,
 * so that a signal handler has nothing to do but write them. */
#ifndef ANDON_TUI_MODES_H
#define ANDON_TUI_MODES_H

#include <stdbool.h>
#include <stddef.h>

#define SYNC_ON  "\033[?2026h" /* synchronised update: the terminal shows the frame whole */
#define SYNC_OFF "\033[?2026l"

/* Terminfo capabilities, NULL when absent. */
struct caps {
    const char *smcup, *rmcup, *csr, *smkx, *rmkx, *civis, *cnorm, *sgr0, *op, *el;
    const char *bottom; /* moves the cursor far down, for terminals without a second screen */
};

struct modes {
    bool modern; /* knows xterm's private modes and OSC strings; seen from its smcup, never from its name */
    char enter[256], restore[256];
    char more[64]; /* the part of enter that curses does not send by itself when it starts */
    size_t n_enter, n_restore, n_more;
};

/* Fills *m; the capabilities are copied. */
void modes_init(struct modes *m, const struct caps *caps);

#endif
