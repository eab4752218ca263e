/* From the bytes of a keyboard to the keys of views/view.h. Pure.
 *
 * tui/term.c lets curses recognise whole escape sequences; everything else comes here byte by byte: UTF-8, control
 * characters, and escape sequences that a slow line tore apart. A torn sequence must never act as keys: its tail
 * could read as `H` or `A`, and a torn paste mark would let pasted text act. */
#ifndef ANDON_TUI_KEYS_H
#define ANDON_TUI_KEYS_H

#include <stdbool.h>
#include <stdint.h>

struct keys {
    uint32_t cp;                             /* of the character under way */
    int need;                                /* continuation bytes still expected */
    uint32_t least;                          /* smallest code point that needs that length */
    bool esc;                                /* an ESC is held back: more may follow in this burst */
    int64_t esc_at;                          /* when an ESC was given out alone, or a sequence began; 0 = not lately */
    enum { SEQ_NONE, SEQ_CSI, SEQ_SS3 } seq; /* inside a sequence that curses does not know, or a torn one */
    char param[8];                           /* its parameter bytes, as far as they matter */
    int n_param;
    bool paste; /* between the marks of a bracketed paste */
    int tail;   /* how much of the end mark has been seen inside a paste */
};

/* Nothing under way, no paste. */
void keys_init(struct keys *k);
/* One byte; `now` in microseconds of any clock that does not step. Fills out[] with 0, 1 or 2 keys (code points, or
 * KEY_..._ of view.h) and returns how many. Bad UTF-8 is dropped and does not swallow what follows. */
int keys_byte(struct keys *k, uint8_t b, int64_t now, uint32_t out[2]);
/* No more input at this moment: an ESC that was held back is a key after all; else KEY_NONE_. */
uint32_t keys_idle(struct keys *k, int64_t now);
/* A key that curses recognised: keeps the state of a paste right. Same result as keys_byte. */
int keys_special(struct keys *k, uint32_t key, uint32_t out[2]);

#endif
