/* See keys.h. */
#include "tui/keys.h"

#include <string.h>
#include "views/view.h"

#define ESC 0x1b
/* The tail of a torn sequence follows its ESC within this time; a person's next key hardly ever does. */
#define TORN_US INT64_C(500000)

static const char PASTE_END[] = "\033[201~";

void keys_init(struct keys *k)
{
    memset(k, 0, sizeof *k);
}

static uint32_t control(uint8_t b)
{
    switch (b) {
    case '\r':
    case '\n':
        return KEY_ENTER_;
    case '\t':
        return KEY_TAB_;
    case 0x08:
    case 0x7f:
        return KEY_BACKSPACE_;
    case ESC:
        return KEY_ESC_;
    case 0:
        return KEY_NONE_;
    default:
        return b;
    }
}

static uint32_t mark(struct keys *k, uint32_t key)
{
    k->paste = key == KEY_PASTE_START_;
    k->tail = 0;
    return key;
}

/* One byte inside a sequence that is not acted on, except for the marks of a paste. */
static uint32_t inside(struct keys *k, uint8_t b)
{
    if (k->seq == SEQ_CSI && b >= 0x20 && b <= 0x3f) {
        if (k->n_param < (int)sizeof k->param)
            k->param[k->n_param++] = (char)b;
        return KEY_NONE_;
    }
    bool start = k->seq == SEQ_CSI && b == '~' && k->n_param == 3 && memcmp(k->param, "200", 3) == 0;
    k->seq = SEQ_NONE;
    return start ? mark(k, KEY_PASTE_START_) : KEY_NONE_;
}

/* Does b, right after an ESC (held back, or given out a moment ago), open a sequence? */
static bool opens(struct keys *k, uint8_t b, int64_t now)
{
    bool after = k->esc || (k->esc_at != 0 && now - k->esc_at <= TORN_US);
    k->esc_at = 0;
    if (!after || (b != '[' && b != 'O'))
        return false;
    k->esc = false;
    k->seq = b == '[' ? SEQ_CSI : SEQ_SS3;
    k->n_param = 0;
    k->esc_at = now;
    return true;
}

static uint32_t utf8(struct keys *k, uint8_t b)
{
    if (b >= 0x80 && b < 0xc0) {
        if (k->need == 0)
            return KEY_NONE_;
        k->cp = k->cp << 6 | (b & 0x3fu);
        if (--k->need > 0)
            return KEY_NONE_;
        if (k->cp < k->least || k->cp > 0x10ffff || (k->cp >= 0xd800 && k->cp <= 0xdfff) || k->cp < 0xa0)
            return KEY_NONE_;
        return k->cp;
    }
    k->need = b >= 0xf8 || b < 0xc0 ? 0 : b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : 1;
    k->cp = k->need == 3 ? b & 0x07u : k->need == 2 ? b & 0x0fu : b & 0x1fu;
    k->least = k->need == 3 ? 0x10000 : k->need == 2 ? 0x800 : 0x80;
    return b < 0x80 ? b : KEY_NONE_;
}

/* Inside a paste the end mark may come torn, too. Until it does everything is text. */
static bool ends_paste(struct keys *k, uint8_t b)
{
    k->tail = b == (uint8_t)PASTE_END[k->tail] ? k->tail + 1 : b == ESC ? 1 : 0;
    return PASTE_END[k->tail] == '\0';
}

static int one(uint32_t key, uint32_t out[2], int n)
{
    if (key == KEY_NONE_)
        return n;
    out[n] = key;
    return n + 1;
}

int keys_byte(struct keys *k, uint8_t b, int64_t now, uint32_t out[2])
{
    if (k->paste && ends_paste(k, b))
        return one(mark(k, KEY_PASTE_END_), out, 0);
    int n = 0;
    if (!k->paste) {
        if (k->seq != SEQ_NONE && now - k->esc_at > TORN_US)
            k->seq = SEQ_NONE; /* the rest never came */
        if (k->seq != SEQ_NONE)
            return one(inside(k, b), out, 0);
        if (opens(k, b, now))
            return 0;
        n = one(keys_idle(k, 0), out, 0);
        if (b == ESC) {
            k->esc = true;
            k->need = 0;
            return n;
        }
    }
    uint32_t key = utf8(k, b);
    return one(key < 0x20 || key == 0x7f ? control((uint8_t)key) : key, out, n);
}

uint32_t keys_idle(struct keys *k, int64_t now)
{
    if (!k->esc)
        return KEY_NONE_;
    k->esc = false;
    k->esc_at = now;
    return KEY_ESC_;
}

int keys_special(struct keys *k, uint32_t key, uint32_t out[2])
{
    int n = one(keys_idle(k, 0), out, 0);
    if (key == KEY_PASTE_START_ || key == KEY_PASTE_END_)
        mark(k, key);
    k->esc_at = 0;
    k->seq = SEQ_NONE;
    k->need = 0;
    return one(key, out, n);
}
