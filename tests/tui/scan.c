/* Reads a program's whole output and accepts only what andon means to send to a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/text.h"
#include "tests/tui/pty.h"

static bool osc_known(const char *s)
{
    static const char *const known[] = {"2;andon", "9;andon: ", "52;c;", "777;notify;andon;", "7770;k="};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strncmp(s, known[i], strlen(known[i])) == 0)
            return true;
    }
    return false;
}

/* Length of the control sequence at s (after ESC [), 0 when andon has no business sending it. Reports of the terminal
 * (c n), its window (t, but for the title's stack) and its modes (p) are never asked for. */
static size_t csi(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && (unsigned char)s[i] >= 0x20 && (unsigned char)s[i] <= 0x3f)
        i++;
    if (i == n)
        return 0;
    if (s[i] == 't')
        return strncmp(s, "22;", 3) == 0 || strncmp(s, "23;", 3) == 0 ? i + 1 : 0;
    if (s[i] == 'c')
        return s[0] == '?' ? i + 1 : 0; /* the Linux console's cursor shape */
    return strchr("@ABCDEFGHIJKLMPSTXZ`abdefghlmr", s[i]) ? i + 1 : 0;
}

/* Length of the sequence at s (after ESC), 0 when unknown. */
static size_t escape(const char *s, size_t n)
{
    if (n == 0)
        return 0;
    if (s[0] == '[') {
        size_t len = csi(s + 1, n - 1);
        return len ? len + 1 : 0;
    }
    if (s[0] == ']' && osc_known(s + 1)) {
        for (size_t i = 1; i + 1 < n; i++) {
            if (s[i] == '\033' && s[i + 1] == '\\')
                return i + 2;
            if ((unsigned char)s[i] < 0x20)
                return 0;
        }
        return 0;
    }
    if ((s[0] == '(' || s[0] == ')') && n > 1 && (s[1] == 'B' || s[1] == '0'))
        return 2;
    return strchr("=>78M", s[0]) ? 1 : 0;
}

static size_t bad_at(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        size_t len = 1;
        if (c == 0x1b) {
            len = escape(s + i + 1, n - i - 1);
            if (len == 0)
                return i;
            len++;
        } else if (c < 0x20) {
            if (!strchr("\a\b\t\n\r\016\017", c) || c == 0)
                return i;
        } else if (c >= 0x7f) {
            uint32_t cp = text_next(s + i, &len);
            bool bidi = cp == 0x61c || (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
                        (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff || (cp == 0xfffd && len == 1);
            if (cp < 0xa0 || bidi)
                return i;
        }
        i += len;
    }
    return n;
}

void pty_check_clean(const struct pty *p)
{
    size_t at = bad_at(p->raw.data, p->raw.len);
    if (at == p->raw.len)
        return;
    fprintf(stderr, "unexpected bytes at %zu:", at);
    for (size_t i = at; i < at + 24 && i < p->raw.len; i++)
        fprintf(stderr, " %02x", (unsigned char)p->raw.data[i]);
    fputc('\n', stderr);
    fail();
}
