/* Strings for the terminal that are not part of the picture: title, notices, clipboard, the fence of the tests.
 * Pure. Only text of our own and text that passed safe_text goes in; control characters are dropped here once more. */
#ifndef ANDON_TUI_OSC_H
#define ANDON_TUI_OSC_H

#include <stdint.h>
#include "core/buf.h"

/* Window title (OSC 2, xterm's "Operating System Commands"), at most 120 bytes of text. */
void osc_title(struct buf *out, const char *text);
/* A desktop notice, in both dialects: OSC 9 (iTerm2, ConEmu, kitty) and OSC 777;notify (rxvt, foot, VTE). */
void osc_notify(struct buf *out, const char *title, const char *text);
/* Puts n bytes on the clipboard (OSC 52, base64), also through SSH. */
void osc_copy(struct buf *out, const char *bytes, size_t n);
/* The tests' fence: after the frame that shows k keys handled at c columns, of snapshot generation g. */
void osc_fence(struct buf *out, uint64_t k, int c, uint64_t g);

#endif
