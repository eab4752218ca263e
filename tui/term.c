/* See term.h and docs/terminal.md. Traps that this file avoids, each seen in a trial:
 * - putp() goes to stdio, curses' frame to its own buffer: marks would come out of order; they are put around the
 *   captured frame instead.
 * - resizeterm() itself puts KEY_RESIZE into the input: it is not a key press.
 * - wgetch(stdscr) refreshes stdscr first: keys are read through a pad, which is never refreshed.
 * - doupdate() gives a frame up when input waits, unless typeahead(-1).
 * - A screen size from LINES and COLUMNS beats the terminal's own: console_prepare() takes them away. */
#include "tui/term.h"

/* Before curses: its headers define macros of the plainest words. */
#include "core/text.h"
#include "tui/frame.h"
#include "tui/hold.h"
#include "tui/keys.h"
#include "tui/modes.h"
#include "tui/out.h"
#include "tui/row.h"
#include "tui/tint.h"
#include "views/view.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include <curses.h>
#include <term.h>

#define ROWS_MAX 500
#define COLS_MAX 1000
#define STOP_MS  200

enum { CODE_PASTE_START = KEY_MAX + 1, CODE_PASTE_END, CODE_FOCUS_IN, CODE_FOCUS_OUT };

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
#define N_CRASH (sizeof crash_signals / sizeof crash_signals[0])

struct look {
    attr_t attr;
    int pair;
};

static struct {
    volatile sig_atomic_t taken; /* modes are set: there is something to restore */
    bool started, utf8, repaint;
    SCREEN *screen;
    WINDOW *pad;
    struct termios before, during;
    struct modes modes;
    const char *enter; /* what the next frame starts with: "", modes.more or modes.enter */
    struct out out;
    struct hold hold;
    struct frame frame;
    int rows, cols;
    struct cell *shadow; /* what has been painted, rows x cols */
    cchar_t *line;
    struct brush *brush;
    struct look look[ROLE_COUNT + 1];
    struct ground ground;
    struct keys keys;
    uint32_t queue[2];
    int n_queue;
    bool cursor;
    struct sigaction old[N_CRASH];
} T;

/* Modes and their restore ------------------------------------------------------------------------------------------ */

static char *cap(const char *name)
{
    char *s = tigetstr(name);
    return s == (char *)-1 ? NULL : s;
}

static void make_modes(void)
{
    /* clang-format off */
    struct caps c = {.smcup = cap("smcup"), .rmcup = cap("rmcup"), .csr = cap("csr"), .smkx = cap("smkx"),
                     .rmkx = cap("rmkx"), .civis = cap("civis"), .cnorm = cap("cnorm"), .sgr0 = cap("sgr0"),
                     .op = cap("op"), .el = cap("el"), .bottom = tiparm(cap("cup"), 998, 0)};
    /* clang-format on */
    modes_init(&T.modes, &c);
}

/* Only calls that are safe in a signal handler. */
static void on_crash(int sig, siginfo_t *info, void *ctx)
{
    (void)ctx;
    static const char said[] = "andon ended by a fault of its own: nothing is watched from here now.\r\n";
    if (T.taken) {
        T.taken = 0;
        hold_drop(&T.hold);
        struct pollfd p = {.fd = TERM_OUT_FD, .events = POLLOUT};
        if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT)) {
            if (write(TERM_OUT_FD, T.modes.restore, T.modes.n_restore) > 0 &&
                write(STDERR_FILENO, said, sizeof said - 1) < 0)
                T.taken = 0; /* nothing more can be done about it */
        }
        tcflush(TERM_IN_FD, TCIFLUSH); /* half a phrase must not reach the shell */
        tcsetattr(TERM_IN_FD, TCSANOW, &T.before);
    }
    for (size_t i = 0; i < N_CRASH; i++) {
        if (crash_signals[i] == sig)
            sigaction(sig, &T.old[i], NULL);
    }
    if (info->si_code <= 0 || sig == SIGABRT) /* sent, not caused by the next instruction: send it again */
        raise(sig);
}

static void crash_handlers(bool on)
{
    for (size_t i = 0; i < N_CRASH; i++) {
        struct sigaction sa;
        memset(&sa, 0, sizeof sa);
        sa.sa_sigaction = on_crash;
        sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        sigemptyset(&sa.sa_mask);
        if (on)
            sigaction(crash_signals[i], &sa, &T.old[i]);
        else
            sigaction(crash_signals[i], &T.old[i], NULL);
    }
}

/* Start and stop --------------------------------------------------------------------------------------------------- */

bool term_locale(void)
{
    /* One of each kind that andon draws. Where the C library's idea of a width differs, columns would shift. */
    static const uint32_t marks[] = {0x2716, 0x25b2, 0x25c6, 0x25cf, 0x25d0, 0x2016, 0x25cb, 0x2713, 0x21b6,
                                     0x2588, 0x2591, 0x00b7, 0x25b8, 0x2500, 0x2554, 0x2581, 0x28ff, 0x2026};
    setlocale(LC_CTYPE, "");
    bool ok = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    for (size_t i = 0; ok && i < sizeof marks / sizeof marks[0]; i++)
        ok = wcwidth((wchar_t)marks[i]) == text_cp_width(marks[i]);
    return ok;
}

/* "xterm-256color" -> "xterm-direct", when there is such a description. */
static const char *direct_name(const char *name, char out[64])
{
    snprintf(out, 64, "%.*s-direct", (int)strcspn(name, "-"), name);
    if (strncmp(name, "screen", 6) == 0)
        snprintf(out, 64, "tmux-direct");
    int rc;
    if (setupterm(out, TERM_OUT_FD, &rc) != OK)
        return NULL;
    del_curterm(cur_term);
    return out;
}

/* The description's name to use, or NULL with *e. Reads the description, writes nothing to the terminal. */
static const char *describe(const struct term_spec *spec, char buf[64], struct err *e)
{
    const char *name = getenv("TERM");
    int rc = 0;
    if (!name || !*name)
        name = "unknown";
    if (setupterm(name, TERM_OUT_FD, &rc) != OK) {
        err_set(e, ERR_UNSUPPORTED, "Set TERM to the terminal's name (xterm-256color fits most), or use --plain.",
                "the terminal's description TERM=%.60s is not known here", name);
        return NULL;
    }
    bool moves = cap("cup") != NULL && tigetflag("hc") <= 0;
    bool direct = tigetnum("colors") > 256;
    del_curterm(cur_term);
    if (!moves) {
        err_set(e, ERR_UNSUPPORTED, "Use --plain: lines of text, for any terminal and for screen readers.",
                "a terminal of type %.60s can't address its cursor", name);
        return NULL;
    }
    const char *deeper = spec->want_true && !direct ? direct_name(name, buf) : NULL;
    return deeper ? deeper : name;
}

static void define_keys(void)
{
    /* clang-format off */
    static const struct { const char *seq; int code; } more[] = {
        {"\033[200~", CODE_PASTE_START}, {"\033[201~", CODE_PASTE_END},
        {"\033[I", CODE_FOCUS_IN}, {"\033[O", CODE_FOCUS_OUT},
        /* whichever mode the cursor keys are in */
        {"\033[A", KEY_UP}, {"\033[B", KEY_DOWN}, {"\033[C", KEY_RIGHT}, {"\033[D", KEY_LEFT},
        {"\033OA", KEY_UP}, {"\033OB", KEY_DOWN}, {"\033OC", KEY_RIGHT}, {"\033OD", KEY_LEFT},
        {"\033[H", KEY_HOME}, {"\033[F", KEY_END}, {"\033[3~", KEY_DC}, {"\033[5~", KEY_PPAGE},
        {"\033[6~", KEY_NPAGE}, {"\033[Z", KEY_BTAB},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
        define_key(more[i].seq, more[i].code);
    /* Mouse reports, never asked for: as an unknown sequence they are dropped whole, not read as keys. */
    define_key("\033[<", 0);
    define_key("\033[M", 0);
}

static void take_size(int rows, int cols)
{
    T.rows = rows < 1 ? 1 : rows > ROWS_MAX ? ROWS_MAX : rows;
    T.cols = cols < 1 ? 1 : cols > COLS_MAX ? COLS_MAX : cols;
    if (T.rows != LINES || T.cols != COLS)
        resizeterm(T.rows, T.cols);
    size_t n = (size_t)T.rows * (size_t)T.cols;
    T.shadow = xreallocarray(T.shadow, n, sizeof *T.shadow);
    T.brush = xreallocarray(T.brush, (size_t)T.cols + 1, sizeof *T.brush);
    T.line = xreallocarray(T.line, (size_t)T.cols + 1, sizeof *T.line);
    T.repaint = true;
}

bool term_start(const struct term_spec *spec, struct err *e)
{
    char direct[64];
    if (!isatty(TERM_IN_FD) || !isatty(TERM_OUT_FD) || tcgetattr(TERM_IN_FD, &T.before) != 0)
        return err_set(e, ERR_IO, "For scripts there is `andon get`; `--plain` prints lines of text.",
                       "standard input and output are not a terminal");
    const char *name = describe(spec, direct, e);
    if (!name || !frame_init(&T.frame, TERM_OUT_FD, e))
        return false;
    if (!out_init(&T.out, TERM_OUT_FD, e)) {
        frame_release(&T.frame);
        return false;
    }
    T.screen = newterm(name, T.frame.file, stdin);
    if (!T.screen) {
        frame_release(&T.frame);
        out_release(&T.out);
        return err_set(e, ERR_UNSUPPORTED, "Use --plain.", "curses can't use this terminal");
    }
    T.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    make_modes();
    T.started = true;
    T.taken = 1;
    crash_handlers(true);
    hold_start(&T.hold);
    raw();
    noecho();
    nonl();
    typeahead(-1);
    set_escdelay(spec->escdelay_ms > 0 ? (int)spec->escdelay_ms : 50);
    if (has_colors()) {
        start_color();
        use_default_colors();
    }
    T.pad = newpad(1, 1);
    keypad(T.pad, TRUE);
    nodelay(T.pad, TRUE);
    define_keys();
    tcgetattr(TERM_IN_FD, &T.during);
    frame_to_memory(&T.frame);
    curs_set(0);
    leaveok(stdscr, TRUE);
    keys_init(&T.keys);
    T.n_queue = 0;
    T.cursor = false;
    T.enter = T.modes.more;
    take_size(LINES, COLS);
    return true;
}

void term_leave(void)
{
    if (!T.taken)
        return;
    T.taken = 0;
    out_write(&T.out, T.modes.restore, T.modes.n_restore);
    out_wait(&T.out, STOP_MS);
    tcsetattr(TERM_IN_FD, TCSANOW, &T.before);
    hold_stop(&T.hold);
}

void term_enter(void)
{
    if (!T.started)
        return;
    /* In the background this stops the process (SIGTTOU) until it is in the foreground again, as it should. */
    tcsetattr(TERM_IN_FD, TCSANOW, &T.during);
    if (!T.taken)
        hold_start(&T.hold);
    T.taken = 1;
    T.enter = T.modes.enter;
    T.repaint = true;
}

void term_stop(void)
{
    if (!T.started)
        return;
    term_leave();
    T.started = false;
    crash_handlers(false);
    delwin(T.pad);
    delscreen(T.screen); /* without endwin(): what it would do has been done, and it would wait for the terminal */
    frame_release(&T.frame);
    out_release(&T.out);
    free(T.shadow);
    free(T.line);
    free(T.brush);
    T.brush = NULL;
    T.shadow = NULL;
    T.line = NULL;
}

/* What it can show --------------------------------------------------------------------------------------------------
 */

void term_size(int *rows, int *cols)
{
    *rows = T.rows;
    *cols = T.cols;
}

bool term_resized(void)
{
    struct winsize ws;
    if (ioctl(TERM_OUT_FD, TIOCGWINSZ, &ws) != 0 || ws.ws_row == 0 || ws.ws_col == 0)
        return false;
    if (ws.ws_row == T.rows && ws.ws_col == T.cols)
        return false;
    take_size(ws.ws_row, ws.ws_col);
    return true;
}

int term_colors(void)
{
    return has_colors() ? COLORS : 0;
}

enum depth term_depth(enum depth wanted)
{
    int n = term_colors();
    enum depth most = n >= 1 << 24 ? DEPTH_TRUE : n >= 256 ? DEPTH_256 : n >= 8 ? DEPTH_16 : DEPTH_MONO;
    return wanted < most ? wanted : most;
}

bool term_modern(void)
{
    return T.modes.modern;
}

void term_theme(const struct theme *t, enum depth depth)
{
    static const struct {
        unsigned style;
        attr_t attr;
    } map[] = {{STYLE_BOLD, A_BOLD},
               {STYLE_DIM, A_DIM},
               {STYLE_ITALIC, A_ITALIC},
               {STYLE_UNDERLINE, A_UNDERLINE},
               {STYLE_REVERSE, A_REVERSE}};
    for (int i = 0; i < ROLE_COUNT; i++) {
        struct tint x = tint_of(&t->role[i], depth, term_colors());
        struct look *l = &T.look[i];
        *l = (struct look){.pair = 0};
        for (size_t k = 0; k < sizeof map / sizeof map[0]; k++)
            l->attr |= x.attrs & map[k].style ? map[k].attr : 0;
        if ((x.fg >= 0 || x.bg >= 0) && init_extended_pair(i + 1, x.fg, x.bg) == OK)
            l->pair = i + 1;
        T.ground.shows[i] = x.ground;
        T.ground.special[i] = l->attr != 0 || l->pair != 0;
    }
    T.repaint = true;
}

/* Painting ----------------------------------------------------------------------------------------------------------
 */

bool term_ready(void)
{
    return T.taken && out_ready(&T.out);
}

bool term_left(void)
{
    return out_left(&T.out) > 0;
}

bool term_flush(void)
{
    return out_flush(&T.out);
}

void term_tidy(void)
{
    if (T.taken)
        hold_trim(&T.hold);
}

bool term_dead(void)
{
    return T.out.dead;
}

void term_repaint(void)
{
    T.repaint = true;
}

/* The cells of one row as curses wants them; returns how many. */
static int line_of(const struct canvas *c, int row)
{
    int n = row_plan(&c->cells[(size_t)row * (size_t)c->cols], c->cols, &T.ground, T.utf8, T.brush);
    for (int i = 0; i < n; i++) {
        const struct brush *b = &T.brush[i];
        const struct look *l = &T.look[b->role]; /* the last one is plain */
        setcchar(&T.line[i], b->w, b->selected ? l->attr ^ A_REVERSE : l->attr, 0, &l->pair);
    }
    return n;
}

static void place_cursor(const struct canvas *c)
{
    bool show = c->cursor_row >= 0 && c->cursor_row < c->rows && c->cursor_col >= 0 && c->cursor_col < c->cols;
    if (show != T.cursor) {
        curs_set(show ? 1 : 0);
        leaveok(stdscr, !show);
        T.cursor = show;
    }
    if (show)
        wmove(stdscr, c->cursor_row, c->cursor_col);
}

void term_paint(const struct canvas *c, const void *tail, size_t n_tail)
{
    if (!T.taken || c->rows != T.rows || c->cols != T.cols)
        return;
    if (T.repaint)
        clearok(curscr, TRUE);
    size_t row_bytes = (size_t)c->cols * sizeof *c->cells;
    for (int r = 0; r < c->rows; r++) {
        const struct cell *now = &c->cells[(size_t)r * (size_t)c->cols];
        struct cell *then = &T.shadow[(size_t)r * (size_t)c->cols];
        if (!T.repaint && memcmp(now, then, row_bytes) == 0)
            continue;
        memcpy(then, now, row_bytes);
        mvwadd_wchnstr(stdscr, r, 0, T.line, line_of(c, r));
    }
    T.repaint = false;
    place_cursor(c);
    wnoutrefresh(stdscr);
    doupdate();

    const char *bytes;
    size_t n = frame_take(&T.frame, &T.modes, T.enter, tail, n_tail, &bytes);
    T.enter = "";
    if (n > 0)
        out_write(&T.out, bytes, n);
}

/* Keys --------------------------------------------------------------------------------------------------------------
 */

static uint32_t special(int code)
{
    /* clang-format off */
    static const struct { int code; uint32_t key; } map[] = {
        {KEY_UP, KEY_UP_}, {KEY_DOWN, KEY_DOWN_}, {KEY_LEFT, KEY_LEFT_}, {KEY_RIGHT, KEY_RIGHT_},
        {KEY_PPAGE, KEY_PGUP_}, {KEY_NPAGE, KEY_PGDN_}, {KEY_HOME, KEY_HOME_}, {KEY_FIND, KEY_HOME_},
        {KEY_END, KEY_END_}, {KEY_SELECT, KEY_END_}, {KEY_ENTER, KEY_ENTER_}, {KEY_BTAB, KEY_BTAB_},
        {KEY_BACKSPACE, KEY_BACKSPACE_}, {KEY_DC, KEY_DELETE_}, {KEY_F(1), KEY_F1_},
        {CODE_PASTE_START, KEY_PASTE_START_}, {CODE_PASTE_END, KEY_PASTE_END_},
        {CODE_FOCUS_IN, KEY_FOCUS_IN_}, {CODE_FOCUS_OUT, KEY_FOCUS_OUT_},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        if (map[i].code == code)
            return map[i].key;
    }
    return KEY_NONE_; /* KEY_RESIZE too: curses puts it there itself */
}

uint32_t term_key(int64_t now)
{
    while (T.n_queue == 0) {
        int ch = wgetch(T.pad);
        if (ch == ERR)
            return keys_idle(&T.keys, now);
        if (ch >= 0 && ch < 256) {
            T.n_queue = keys_byte(&T.keys, (uint8_t)ch, now, T.queue);
        } else {
            uint32_t key = special(ch);
            T.n_queue = key == KEY_NONE_ ? 0 : keys_special(&T.keys, key, T.queue);
        }
    }
    uint32_t key = T.queue[0];
    T.queue[0] = T.queue[1];
    T.n_queue--;
    return key;
}
