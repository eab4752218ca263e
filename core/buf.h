/* Growable byte buffer with a limit, always NUL-terminated.
 *
 * Whatever grows with outside input goes through one of these. Past the limit nothing more is stored and `over` is
 * set; the caller checks it once at the end. */
#ifndef ANDON_CORE_BUF_H
#define ANDON_CORE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/err.h"

struct buf {
    char *data; /* NUL-terminated; never NULL after buf_init */
    size_t len; /* without the NUL */
    size_t cap;
    size_t limit; /* most bytes it may hold, without the NUL */
    bool over;    /* something did not fit */
};

/* `limit`: most bytes it may ever hold. */
void buf_init(struct buf *b, size_t limit);
void buf_release(struct buf *b);
void buf_clear(struct buf *b);                        /* keeps the memory */
bool buf_add(struct buf *b, const void *p, size_t n); /* false once over */
bool buf_adds(struct buf *b, const char *s);
bool buf_addc(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *fmt, ...) ANDON_PRINTF(2, 3);
/* Hands the bytes to the caller (free()), leaves the buffer empty. */
char *buf_take(struct buf *b);

/* RFC 4648 base64 with padding; strict. `out` of decode has room for n / 4 * 3 bytes. */
void base64_encode(struct buf *out, const void *bytes, size_t n);
bool base64_decode(const char *text, size_t n, uint8_t *out, size_t *out_n);

#endif
