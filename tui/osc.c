/* See osc.h. */
#include "tui/osc.h"

#include <inttypes.h>

#include "core/text.h"

#define ST        "\033\\"
#define TEXT_MAX_ 120

/* Text without control characters; `;` would split a field of OSC 777. */
static void text(struct buf *out, const char *s)
{
    size_t used = 0, len;
    for (; *s && used < TEXT_MAX_; s += len, used += len) {
        uint32_t cp = text_next(s, &len);
        if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0xfffd)
            continue;
        if (cp == ';')
            buf_addc(out, ',');
        else
            buf_add(out, s, len);
    }
}

void osc_title(struct buf *out, const char *title)
{
    buf_adds(out, "\033]2;");
    text(out, title);
    buf_adds(out, ST);
}

void osc_notify(struct buf *out, const char *title, const char *what)
{
    buf_adds(out, "\033]9;");
    text(out, title);
    buf_adds(out, ": ");
    text(out, what);
    buf_adds(out, ST "\033]777;notify;");
    text(out, title);
    buf_addc(out, ';');
    text(out, what);
    buf_adds(out, ST);
}

void osc_copy(struct buf *out, const char *bytes, size_t n)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buf_adds(out, "\033]52;c;");
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)(unsigned char)bytes[i] << 16;
        v |= i + 1 < n ? (uint32_t)(unsigned char)bytes[i + 1] << 8 : 0;
        v |= i + 2 < n ? (uint32_t)(unsigned char)bytes[i + 2] : 0;
        buf_addc(out, digit[v >> 18]);
        buf_addc(out, digit[v >> 12 & 63]);
        buf_addc(out, i + 1 < n ? digit[v >> 6 & 63] : '=');
        buf_addc(out, i + 2 < n ? digit[v & 63] : '=');
    }
    buf_adds(out, ST);
}

void osc_fence(struct buf *out, uint64_t k, int c, uint64_t g)
{
    buf_printf(out, "\033]7770;k=%" PRIu64 ";c=%d;g=%" PRIu64 ST, k, c, g);
}
