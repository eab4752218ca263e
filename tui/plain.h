/* Plain mode: append-only lines of what changes, for screen readers, logs and terminals without a cursor.
 *
 * No colours, no cursor, nothing repeated: one line an event, with the time. Reads commands as lines: `status`,
 * `halt ROLLOUT`, `halt all`, `ack ROLLOUT`, `help`, `quit`. Every other verb is a subcommand (andon advance ...),
 * which shows its preview and asks there. */
#ifndef ANDON_TUI_PLAIN_H
#define ANDON_TUI_PLAIN_H

#include "tui/console.h"

/* As console_run, in lines. Goes on watching when standard input ends. */
int plain_run(const struct console_spec *spec, struct err *e);

#endif
