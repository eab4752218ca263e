#!/usr/bin/env python3
"""ansi-svg COLS ROWS < capture > picture.svg: what `tmux capture-pane -ep` printed, as an SVG picture. Dark background;
each run of cells with one look is one <text>, placed by column, so that the grid holds with any monospaced font."""
import html
import re
import sys
import unicodedata

CW, CH = 8.4, 17
BASE16 = ["#1d1f21", "#cc6666", "#8abf6a", "#e0b050", "#6f9fd8", "#b294bb", "#70c0b1", "#c5c8c6",
          "#707880", "#ff7a7a", "#a5d68a", "#ffd27a", "#8fbcff", "#d0a8e0", "#90e0d0", "#ffffff"]
FG, BG = "#d0d4d8", "#14161a"


def colour(n):
    if n < 16:
        return BASE16[n]
    if n < 232:
        n -= 16
        level = [0, 95, 135, 175, 215, 255]
        return "#%02x%02x%02x" % (level[n // 36], level[n // 6 % 6], level[n % 6])
    g = 8 + 10 * (n - 232)
    return "#%02x%02x%02x" % (g, g, g)


class Look:
    def __init__(self):
        self.reset()

    def reset(self):
        self.fg = self.bg = None
        self.bold = self.dim = self.italic = self.under = self.rev = False

    def sgr(self, params):
        p = [int(x or 0) for x in re.split("[;:]", params)] if params else [0]
        i = 0
        while i < len(p):
            n = p[i]
            if n == 0:
                self.reset()
            elif n in (1, 2, 3, 4, 7):
                setattr(self, {1: "bold", 2: "dim", 3: "italic", 4: "under", 7: "rev"}[n], True)
            elif n == 22:
                self.bold = self.dim = False
            elif n in (23, 24, 27):
                setattr(self, {23: "italic", 24: "under", 27: "rev"}[n], False)
            elif 30 <= n <= 37 or 90 <= n <= 97:
                self.fg = colour(n - 30 if n < 90 else n - 82)
            elif 40 <= n <= 47 or 100 <= n <= 107:
                self.bg = colour(n - 40 if n < 100 else n - 92)
            elif n in (38, 48) and i + 1 < len(p):
                if p[i + 1] == 5 and i + 2 < len(p):
                    c, i = colour(p[i + 2]), i + 2
                elif p[i + 1] == 2 and i + 4 < len(p):
                    c, i = "#%02x%02x%02x" % tuple(p[i + 2:i + 5]), i + 4
                else:
                    c = None
                if n == 38:
                    self.fg = c
                else:
                    self.bg = c
            elif n == 39:
                self.fg = None
            elif n == 49:
                self.bg = None
            i += 1

    def key(self):
        fg, bg = self.fg or FG, self.bg or BG
        if self.rev:
            fg, bg = bg, fg
        return fg, bg, self.bold, self.dim, self.italic, self.under


def main():
    cols, rows = int(sys.argv[1]), int(sys.argv[2])
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{cols * CW + 16:.0f}" height="{rows * CH + 16:.0f}" '
           'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve">',
           f'<rect width="100%" height="100%" rx="6" fill="{BG}"/>']
    look = Look()
    for row, line in enumerate(sys.stdin.read().split("\n")[:rows]):
        col, runs = 0, []
        for m in re.finditer(r"\x1b\[([\d;:]*)m|\x1b[^m]*m|(.)", line):
            if m.group(2) is None:
                if m.group(1) is not None:
                    look.sgr(m.group(1))
                continue
            ch = m.group(2)
            width = 2 if unicodedata.east_asian_width(ch) in "WF" else 0 if unicodedata.combining(ch) else 1
            if runs and runs[-1][1] == look.key() and width < 2:
                runs[-1][2] += ch
                runs[-1][3] += width
            else:
                runs.append([col, look.key(), ch, width])
            col += width
        for start, (fg, bg, bold, dim, italic, under), text, n in runs:
            x, y = 8 + start * CW, 8 + row * CH
            if bg != BG:
                out.append(f'<rect x="{x:.1f}" y="{y}" width="{n * CW:.1f}" height="{CH}" fill="{bg}"/>')
            if not text.strip():
                continue
            style = (' font-weight="bold"' if bold else "") + (' opacity="0.6"' if dim else "") + \
                    (' font-style="italic"' if italic else "") + (' text-decoration="underline"' if under else "")
            out.append(f'<text x="{x:.1f}" y="{y + 13}" textLength="{n * CW:.1f}" fill="{fg}"{style}>{html.escape(text)}</text>')
    out.append("</svg>")
    print("\n".join(out))


if __name__ == "__main__":
    main()
