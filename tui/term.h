/* The terminal: the only user of curses, and the only mutable file-scope state of andon (curses has one screen, and a
 * crash handler can be given nothing).
 *
 * Paints a canvas with a theme; reads keys; leaves the terminal as it was on stop, suspension and a crash.
 *
 * ncurses 6.4 calls write(2) at every cursor move. So the descriptor that it writes to is the terminal only while
 * curses sets modes at the start; after that it is a file in memory (dup3 onto the same number), and each frame goes
 * out from there in one write between the marks of a synchronised update (mode 2026), guarded as in tui/out.h. Modes
 * are set and restored here, not by endwin(), because the same restore must work in a signal handler and must not
 * wait for a terminal that stopped reading. See docs/terminal.md. */
#ifndef ANDON_TUI_TERM_H
#define ANDON_TUI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/err.h"
#include "themes/theme.h"
#include "views/canvas.h"

struct term_spec {
    bool want_true;      /* true colour was asked for by name: use the terminal's "-direct" description */
    int64_t escdelay_ms; /* how long a lone ESC is waited on for the rest of a sequence; 0 = 50 */
};

/* Takes the terminal on standard input and output. ERR_UNSUPPORTED: TERM can't address its cursor (dumb), or is not
 * known; ERR_IO: no terminal. Nothing has been written then. */
bool term_start(const struct term_spec *spec, struct err *e) ANDON_MUST_USE;
/* Gives it back as it was. Does not wait longer than about 0.2 s for a stalled terminal. Harmless when not started. */
void term_stop(void);

/* Sets the locale's character type only; true when it is UTF-8 and its widths agree with core/text's. */
bool term_locale(void);

/* In cells, each at least 1; at most 500 rows and 1,000 columns are used. */
void term_size(int *rows, int *cols);
/* After SIGWINCH: asks the size, true when it changed (the next paint repaints all). */
bool term_resized(void);
/* Colours that the terminal has, as theme_depth wants it. */
int term_colors(void);
/* The deepest of `wanted` that it can show. */
enum depth term_depth(enum depth wanted);
void term_theme(const struct theme *t, enum depth depth);
/* Understands xterm's private modes and OSC strings (its smcup says so). */
bool term_modern(void);

/* May a frame be painted now? False while a stalled terminal has not taken the last one. */
bool term_ready(void);
/* A stalled terminal has not taken all of the last frame. */
bool term_left(void);
/* Goes on sending what is left over; call when poll says POLLOUT on term_out_fd(). True when nothing is left. */
bool term_flush(void);
/* Paints what changed since the last paint, and sends it with `tail` (bytes of tui/osc.h, may be empty) in one write;
 * nothing is written when nothing changed. The canvas must have the size of term_size(). */
void term_paint(const struct canvas *c, const void *tail, size_t n_tail);
/* The next paint draws every cell anew (Ctrl-L). */
void term_repaint(void);
/* Once a second: keeps what was written to standard error meanwhile (tui/hold.h) small. */
void term_tidy(void);
/* The terminal is gone (writing failed). */
bool term_dead(void);

/* The next key, KEY_NONE_ of view.h when there is none at this moment. `now` as in tui/keys.h. */
uint32_t term_key(int64_t now);

/* Around a stop (SIGTSTP): gives the terminal back, takes it again. term_enter also puts right what somebody else did
 * to it while the process was stopped (SIGCONT without a term_leave). */
void term_leave(void);
void term_enter(void);

#define TERM_IN_FD  0
#define TERM_OUT_FD 1

#endif
