/* The program on the other side of the pty: this test program started again. It runs the real console on made-up
 * snapshots; orders come on one descriptor, reports go out on another. */
#ifndef ANDON_TESTS_TUI_FIXTURE_H
#define ANDON_TESTS_TUI_FIXTURE_H

#include "core/snapshot.h"

#define FIXTURE_ARG       "--fixture"
#define FIXTURE_CTL_FD    3
#define FIXTURE_REPORT_FD 4

/* Modes: "board" (three rollouts, none halted), "connecting" (no answer yet), "hostile" (names full of control
 * characters that no decoder has cleaned), "plain" (plain lines), "plain-two" (on two fleets, emea and apac),
 * "truecolor" (--color true), "canvas" (no views: a canvas with every kind of cell; prints a fence; any key ends it).
 */
int fixture_main(int argc, char **argv);
/* Put first in main(): true when this is the program on the pty, *status then what main returns. */
bool fixture_is_child(int argc, char **argv, int *status);

/* Orders. */
enum {
    ORDER_NEXT = 'n',  /* publish the next generation */
    ORDER_HALT = 'h',  /* publish one in which rollout 4471 is halted */
    ORDER_ALIVE = 'a', /* report "alive": the second thread is not blocked */
    ORDER_SEGV = 's',  /* a real bad store, on the second thread */
    ORDER_ABORT = 'x'
};

/* The snapshot of a generation; halted from that generation on (0 = never). */
struct snapshot *fixture_snapshot(const char *mode, uint64_t generation, bool halted);
#define FIXTURE_NOW INT64_C(1930999267000000) /* 2031-03-11T... one fixed moment */

#endif
