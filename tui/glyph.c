/* See glyph.h. */
#include "tui/glyph.h"

static bool combines(uint32_t cp)
{
    bool format = cp == 0x61c || (cp >= 0x200b && cp <= 0x206f) || cp == 0xfeff || cp >= 0xe0000;
    return cp >= 0x300 && !format && wcwidth((wchar_t)cp) == 0;
}

static wchar_t base(uint32_t cp, int width, bool utf8)
{
    if (cp == 0)
        return L' '; /* the right half of something that is not there */
    if (cp >= 0x20 && cp < 0x7f)
        return (wchar_t)cp;
    bool private_use = (cp >= 0xe000 && cp <= 0xf8ff) || cp >= 0xf0000;
    if (cp < 0xa0 || private_use || !utf8 || wcwidth((wchar_t)cp) != width)
        return L'?';
    return (wchar_t)cp;
}

void glyph_of(const struct cell *cell, int width, bool utf8, wchar_t w[4])
{
    int n = 0;
    w[n++] = base(cell->glyph, width, utf8);
    for (int i = 0; i < 2; i++) {
        if (cell->comb[i] && w[0] != L'?' && utf8 && combines(cell->comb[i]))
            w[n++] = (wchar_t)cell->comb[i];
    }
    w[n] = 0;
}
