#include "core/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){.limit = limit < SIZE_MAX - 1 ? limit : SIZE_MAX - 1};
    b->cap = limit < 63 ? limit + 1 : 64;
    b->data = xmalloc(b->cap);
    b->data[0] = '\0';
}

void buf_release(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->over = false;
    if (b->data)
        b->data[0] = '\0';
}

static bool reserve(struct buf *b, size_t n)
{
    if (b->over || n > b->limit - b->len) {
        b->over = true;
        return false;
    }
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap < SIZE_MAX / 2 ? b->cap * 2 : need;
        if (cap < need)
            cap = need;
        if (cap > b->limit + 1)
            cap = b->limit + 1;
        b->data = xrealloc(b->data, cap);
        b->cap = cap;
    }
    return true;
}

bool buf_add(struct buf *b, const void *p, size_t n)
{
    if (!reserve(b, n))
        return false;
    if (n)
        memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
    return true;
}

bool buf_adds(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

bool buf_addc(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    bool ok = n >= 0 && reserve(b, (size_t)n);
    if (ok) {
        vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return ok;
}

char *buf_take(struct buf *b)
{
    char *p = b->data;
    size_t limit = b->limit;
    buf_init(b, limit);
    return p;
}

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, const void *bytes, size_t n)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)b[i] << 16 | (left > 1 ? (uint32_t)b[i + 1] << 8 : 0) | (left > 2 ? b[i + 2] : 0);
        char four[4] = {ALPHABET[v >> 18], ALPHABET[v >> 12 & 63], left > 1 ? ALPHABET[v >> 6 & 63] : '=',
                        left > 2 ? ALPHABET[v & 63] : '='};
        buf_add(out, four, 4);
    }
}

bool base64_decode(const char *text, size_t n, uint8_t *out, size_t *out_n)
{
    size_t w = 0;
    if (n % 4 != 0)
        return false;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t v = 0;
        size_t pad = 0;
        for (size_t j = 0; j < 4; j++) {
            char c = text[i + j];
            const char *at = c ? strchr(ALPHABET, c) : NULL;
            if (c == '=' && i + 4 == n && j >= 2)
                pad++;
            else if (!at || pad > 0)
                return false;
            v = v << 6 | (at ? (uint32_t)(at - ALPHABET) : 0);
        }
        if (v & ((1u << 8 * pad) - 1)) /* bits that no byte takes must be 0, else two texts mean the same */
            return false;
        for (size_t j = 0; j < 3 - pad; j++)
            out[w++] = (uint8_t)(v >> (16 - 8 * j));
    }
    *out_n = w;
    return true;
}
