/* A terminal for tests: a program on a pty, its output read by libvterm. No sleeps: a test waits for a fence, the OSC
 * that the console prints behind each frame when ANDON_FENCE=1 (keys handled, columns, generation of the snapshots).
 * What the child does besides (fixture.h) is steered through a pipe and reported through another. */
#ifndef ANDON_TESTS_TUI_PTY_H
#define ANDON_TESTS_TUI_PTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>
#include <vterm.h>
#include "core/buf.h"

struct pty {
    int fd, ctl, report;
    pid_t pid;
    VTerm *vt;
    VTermScreen *screen;
    int rows, cols;
    bool alt, cursor; /* second screen; cursor visible */
    int bells;
    struct buf raw; /* every byte that came */
    size_t scanned;
    uint64_t k, g, frames; /* newest fence, and how many */
    int c;
    bool gone; /* the program has closed the terminal */
    struct termios before;
};

/* Starts this test program again as `mode` of fixture_main, on a terminal of that size and TERM. env: "NAME=VALUE"
 * pairs, NULL-terminated, or NULL. Everything here ends the test with a dump of the screen when 20 s pass. */
void pty_start(struct pty *p, const char *mode, int rows, int cols, const char *term, const char *const *env);
/* Ends the program if it still runs (SIGKILL), frees all. */
void pty_end(struct pty *p);

void pty_send(struct pty *p, const char *bytes); /* as the terminal would send them */
void pty_key(struct pty *p, VTermKey key);       /* encoded by libvterm for the modes that the program set */
void pty_resize(struct pty *p, int rows, int cols);
void pty_order(struct pty *p, char what); /* to the fixture */
/* A line from the fixture. */
void pty_report(struct pty *p, char *line, size_t size);

/* Reads output until the newest fence has at least k keys, exactly c columns (0 = any) and generation g or newer. */
void pty_fence(struct pty *p, uint64_t k, int c, uint64_t g);
/* Waits until more output came. */
void pty_has_more(struct pty *p);
/* Until the next fence. */
void pty_frame(struct pty *p);
/* Until the program has ended; its wait status. */
int pty_exit(struct pty *p);
/* Until it has stopped (SIGSTOP). */
void pty_stopped(struct pty *p);
/* Reads what there is at this moment. */
void pty_drain(struct pty *p);

/* Text of a row, without blanks at its end. */
void pty_row(const struct pty *p, int row, char *out, size_t size);
/* First cell of `text` on the screen; false when it is not there. */
bool pty_find(const struct pty *p, const char *text, int *row, int *col);
#define pty_has(p, text) pty_find((p), (text), NULL, NULL)
VTermScreenCell pty_cell(const struct pty *p, int row, int col);
bool pty_raw_has(const struct pty *p, const char *bytes, size_t from);
/* The terminal is as it was before the program: modes, first screen, cursor; for those that know them also paste and
 * focus reports off. */
void pty_check_restored(struct pty *p);
/* Every byte that came was printable text, or a sequence that andon itself means to send. */
void pty_check_clean(const struct pty *p);

#endif
