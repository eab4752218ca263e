/* Measures a terminal program through a pty: what `tests/bench/run` calls, once for each figure.
 *
 *   meter start  ROWS COLS RUNS MARK PROGRAM [ARG ...]   ms from fork to the first screen that shows MARK
 *   meter steady ROWS COLS SECONDS MARK PROGRAM ...      from 3 s after that: memory, CPU, bytes and least bytes
 *   meter keys   ROWS COLS PRESSES MARK PROGRAM ...      ms from a key to the first byte it brings
 *
 * Prints one line of JSON. "Least bytes" of a refresh: for each run of changed cells the cheapest cursor move and the
 * characters themselves, no colours; what no program could undercut. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vterm.h>

#define BURST_MS 120 /* this long without a byte ends a refresh */

struct term {
    int fd, rows, cols;
    pid_t pid;
    VTerm *vt;
    VTermScreen *screen;
    uint64_t bytes;
    bool gone;
};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void start(struct term *t, int rows, int cols, char **argv)
{
    struct winsize ws = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    memset(t, 0, sizeof *t);
    t->rows = rows;
    t->cols = cols;
    t->vt = vterm_new(rows, cols);
    vterm_set_utf8(t->vt, 1);
    t->screen = vterm_obtain_screen(t->vt);
    vterm_screen_enable_altscreen(t->screen, 1);
    vterm_screen_reset(t->screen, 1);
    t->pid = forkpty(&t->fd, NULL, NULL, &ws);
    if (t->pid == 0) {
        setenv("TERM", "xterm-256color", 1);
        setenv("LC_ALL", "C.UTF-8", 1);
        unsetenv("NO_COLOR");
        execvp(argv[0], argv);
        _exit(127);
    }
}

static void stop(struct term *t)
{
    kill(t->pid, SIGTERM);
    for (int i = 0; i < 500 && waitpid(t->pid, NULL, WNOHANG) == 0; i++) {
        char in[65536];
        struct pollfd p = {.fd = t->fd, .events = POLLIN};
        if (poll(&p, 1, 10) > 0 && read(t->fd, in, sizeof in) <= 0)
            break;
    }
    kill(t->pid, SIGKILL);
    waitpid(t->pid, NULL, 0);
    close(t->fd);
    vterm_free(t->vt);
}

/* Reads once, waiting at most ms; bytes that came. */
static size_t pump(struct term *t, double ms)
{
    char in[65536];
    struct pollfd p = {.fd = t->fd, .events = POLLIN};
    if (t->gone || poll(&p, 1, ms > 0 ? (int)(ms + 0.999) : 0) <= 0)
        return 0;
    ssize_t n = read(t->fd, in, sizeof in);
    if (n <= 0) {
        t->gone = true;
        return 0;
    }
    vterm_input_write(t->vt, in, (size_t)n);
    t->bytes += (size_t)n;
    return (size_t)n;
}

static bool shows(const struct term *t, const char *mark)
{
    size_t size = (size_t)(t->cols + 1) * 8;
    char *line = malloc(size);
    bool found = false;
    for (int r = 0; r < t->rows && !found; r++) {
        VTermRect rect = {.start_row = r, .end_row = r + 1, .start_col = 0, .end_col = t->cols};
        size_t n = vterm_screen_get_text(t->screen, line, size - 1, rect);
        line[n] = '\0';
        found = strstr(line, mark) != NULL;
    }
    free(line);
    return found;
}

/* ms after t0 at which the mark was on the screen; -1 when it never was. */
static double until_shown(struct term *t, const char *mark, double t0)
{
    while (!t->gone && now_ms() - t0 < 20000) {
        if (pump(t, 100) > 0 && shows(t, mark))
            return now_ms() - t0;
    }
    fprintf(stderr, "meter: the program did not show \"%s\"\n", mark);
    return -1;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *v, int n, double q)
{
    if (n == 0)
        return -1;
    qsort(v, (size_t)n, sizeof *v, by_size);
    int i = (int)(q * n);
    return v[i < n ? i : n - 1];
}

/* Least bytes
 * ---------------------------------------------------------------------------------------------------------- */

struct shot {
    VTermScreenCell *cells;
};

static void take_shot(const struct term *t, struct shot *s)
{
    size_t n = (size_t)t->rows * (size_t)t->cols;
    if (!s->cells)
        s->cells = calloc(n, sizeof *s->cells);
    for (int r = 0; r < t->rows; r++) {
        for (int c = 0; c < t->cols; c++)
            vterm_screen_get_cell(t->screen, (VTermPos){.row = r, .col = c}, &s->cells[r * t->cols + c]);
    }
}

static bool same(const VTermScreenCell *a, const VTermScreenCell *b)
{
    return memcmp(a->chars, b->chars, sizeof a->chars) == 0 && memcmp(&a->attrs, &b->attrs, sizeof a->attrs) == 0 &&
           vterm_color_is_equal(&a->fg, &b->fg) && vterm_color_is_equal(&a->bg, &b->bg);
}

static int digits(int n)
{
    return n < 10 ? 1 : n < 100 ? 2 : 3;
}

static int char_bytes(const VTermScreenCell *x)
{
    uint32_t c = x->chars[0];
    return c < 0x80 || c == (uint32_t)-1 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* From row py, column px (py < 0: nowhere known) to row y, column x. */
static int move_bytes(const VTermScreenCell *row, int py, int px, int y, int x)
{
    int cup = x > 0 ? 4 + digits(y + 1) + digits(x + 1) : 3 + digits(y + 1);
    if (py < 0)
        return cup;
    if (py == y) {
        int over = 0;
        for (int k = px; k < x; k++)
            over += char_bytes(&row[k]);
        return x == px ? 0 : least(over, x - px == 1 ? 3 : 3 + digits(x - px));
    }
    int down = least(y - py, 3 + digits(y - py)), across = x == px ? 0 : 3 + digits(x > px ? x - px : px - x);
    return least(cup, least(down + across, down + 1 + (x == 0 ? 0 : least(3 + digits(x), cup))));
}

static uint64_t least_bytes(const struct term *t, const struct shot *a, const struct shot *b)
{
    uint64_t sum = 0;
    int py = -1, px = 0;
    for (int y = 0; y < t->rows; y++) {
        const VTermScreenCell *was = &a->cells[y * t->cols], *is = &b->cells[y * t->cols];
        for (int x = 0; x < t->cols; x++) {
            if (same(&was[x], &is[x]))
                continue;
            sum += (uint64_t)(move_bytes(is, py, px, y, x) + char_bytes(&is[x]));
            py = y;
            px = x + 1;
        }
    }
    return sum;
}

/* The process
 * ------------------------------------------------------------------------------------------------------------ */

/* CPU of all threads, ns. */
static double cpu_ns(pid_t pid)
{
    char path[300];
    double sum = 0;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", (int)pid, e->d_name);
        FILE *f = fopen(path, "r");
        char line[200];
        if (f && fgets(line, sizeof line, f))
            sum += strtod(line, NULL);
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    return sum;
}

static long pss_kib(pid_t pid)
{
    char path[64], line[200];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && kib < 0 && fgets(line, sizeof line, f)) {
        if (strncmp(line, "Pss:", 4) == 0)
            kib = strtol(line + 4, NULL, 10);
    }
    if (f)
        fclose(f);
    return kib;
}

/* The three measurements
 * --------------------------------------------------------------------------------------------------- */

static int measure_start(int rows, int cols, int runs, const char *mark, char **argv)
{
    double *ms = calloc((size_t)runs + 1, sizeof *ms);
    uint64_t bytes = 0;
    int n = 0;
    for (int i = 0; i <= runs; i++) { /* the first one warms caches */
        struct term t;
        double t0 = now_ms();
        start(&t, rows, cols, argv);
        double at = until_shown(&t, mark, t0);
        bytes = t.bytes;
        stop(&t);
        if (at < 0)
            return 1;
        if (i > 0)
            ms[n++] = at;
    }
    printf("{\"start_ms\": %.2f, \"start_bytes\": %" PRIu64 "}\n", quantile(ms, n, 0.5), bytes);
    free(ms);
    return 0;
}

static void rest(struct term *t, double ms)
{
    for (double until = now_ms() + ms; now_ms() < until && !t->gone;)
        pump(t, until - now_ms());
}

static int measure_steady(int rows, int cols, int seconds, const char *mark, char **argv)
{
    struct term t;
    struct shot a = {0}, b = {0};
    start(&t, rows, cols, argv);
    if (until_shown(&t, mark, now_ms()) < 0)
        return 1;
    rest(&t, 3000);
    take_shot(&t, &a);
    double *burst = calloc((size_t)seconds * 20 + 1, sizeof *burst),
           *lower = calloc((size_t)seconds * 20 + 1, sizeof *lower);
    int n = 0;
    double t0 = now_ms(), cpu0 = cpu_ns(t.pid), last = 0;
    uint64_t from = t.bytes, all = t.bytes, sum_least = 0;
    while (now_ms() - t0 < seconds * 1000.0 && !t.gone) {
        if (pump(&t, BURST_MS) > 0) {
            last = now_ms();
            continue;
        }
        if (t.bytes == from || now_ms() - last < BURST_MS || n >= seconds * 20)
            continue;
        take_shot(&t, &b);
        lower[n] = (double)least_bytes(&t, &a, &b);
        sum_least += (uint64_t)lower[n];
        burst[n++] = (double)(t.bytes - from);
        from = t.bytes;
        struct shot swap = a;
        a = b;
        b = swap;
    }
    double took = now_ms() - t0;
    double cpu = (cpu_ns(t.pid) - cpu0) / 1e9 / took * 60e3;
    printf("{\"pss_kib\": %ld, \"cpu_s_min\": %.4f, \"refreshes\": %d, \"bytes\": %.0f, \"least\": %.0f, "
           "\"overdraw\": %.2f, \"alive\": %s}\n",
           pss_kib(t.pid), cpu, n, quantile(burst, n, 0.5), quantile(lower, n, 0.5),
           sum_least ? (double)(from - all) / (double)sum_least : 0, t.gone ? "false" : "true");
    stop(&t);
    free(a.cells);
    free(b.cells);
    free(burst);
    free(lower);
    return 0;
}

static int measure_keys(int rows, int cols, int presses, const char *mark, char **argv)
{
    struct term t;
    double *ms = calloc((size_t)presses + 1, sizeof *ms);
    int n = 0, missed = 0;
    uint64_t dice = 88172645463325252u;
    start(&t, rows, cols, argv);
    if (until_shown(&t, mark, now_ms()) < 0)
        return 1;
    rest(&t, 3000);
    for (int i = 0; i < presses && !t.gone; i++) {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        rest(&t, 30 + (double)(dice % 20));
        const char *key = i % 2 ? "k" : "j";
        double t0 = now_ms();
        if (write(t.fd, key, 1) != 1)
            break;
        if (pump(&t, 1000) > 0)
            ms[n++] = now_ms() - t0;
        else
            missed++;
    }
    printf("{\"key_p50_ms\": %.3f, \"key_p99_ms\": %.3f, \"key_missed\": %d}\n", quantile(ms, n, 0.5),
           quantile(ms, n, 0.99), missed);
    stop(&t);
    free(ms);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fprintf(stderr, "meter start|steady|keys ROWS COLS N MARK PROGRAM [ARG ...]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int rows = (int)strtol(argv[2], NULL, 10), cols = (int)strtol(argv[3], NULL, 10);
    int n = (int)strtol(argv[4], NULL, 10);
    if (strcmp(argv[1], "start") == 0)
        return measure_start(rows, cols, n, argv[5], argv + 6);
    if (strcmp(argv[1], "steady") == 0)
        return measure_steady(rows, cols, n, argv[5], argv + 6);
    return measure_keys(rows, cols, n, argv[5], argv + 6);
}
