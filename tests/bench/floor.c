/* The floors of the terminal benches: what the least program that does the same could take.
 *
 *   floor table   a curses table over the whole screen; each second 5 % of its figures change; j and k move a row
 *   floor echo    no curses: each key is answered by one cursor move and one character */
#define _XOPEN_SOURCE_EXTENDED 1
#include <curses.h>
#include <locale.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define FIELD 10 /* nine digits and a blank */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static uint32_t dice(void)
{
    static uint64_t s = 88172645463325252u;
    s ^= s << 13;
    s ^= s >> 7;
    s ^= s << 17;
    return (uint32_t)(s >> 32);
}

static void put_field(int i, int per_row, int selected)
{
    char text[16];
    snprintf(text, sizeof text, "%09u", dice() % 1000000000u);
    int row = 1 + i / per_row;
    attrset(row == selected ? A_REVERSE : A_NORMAL);
    mvaddstr(row, i % per_row * FIELD, text);
}

static int table(void)
{
    setlocale(LC_ALL, "");
    initscr();
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    int per_row = (COLS - 1) / FIELD, n = per_row * (LINES - 2), selected = 1;
    for (int i = 0; i < n; i++)
        put_field(i, per_row, selected);
    attrset(A_NORMAL);
    mvaddstr(0, 0, "READY");
    refresh();
    double next = now_ms() + 1000;
    for (;;) {
        struct pollfd p = {.fd = 0, .events = POLLIN};
        double left = next - now_ms();
        poll(&p, 1, left > 0 ? (int)left + 1 : 0);
        for (int key; (key = getch()) != ERR;) {
            mvchgat(selected, 0, -1, A_NORMAL, 0, NULL);
            selected += key == 'j' && selected < LINES - 2 ? 1 : key == 'k' && selected > 1 ? -1 : 0;
            mvchgat(selected, 0, -1, A_REVERSE, 0, NULL);
        }
        if (now_ms() >= next) {
            next += 1000;
            for (int i = 0; i < n / 20; i++)
                put_field((int)(dice() % (uint32_t)n), per_row, selected);
        }
        refresh();
    }
}

static int echo_keys(void)
{
    struct termios t;
    char in[64], out[40];
    int k = 0;
    tcgetattr(0, &t);
    cfmakeraw(&t);
    tcsetattr(0, TCSANOW, &t);
    if (write(1, "\033[2J\033[HREADY", 12) != 12)
        return 1;
    while (read(0, in, sizeof in) > 0) {
        int n = snprintf(out, sizeof out, "\033[%d;1H%c", 2 + k % 50, '0' + k % 10);
        k++;
        if (write(1, out, (size_t)n) != n)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "echo") == 0 ? echo_keys() : table();
}
