/* The event loop. See console.h and docs/terminal.md. */
#include "tui/console.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "themes/theme.h"
#include "tui/osc.h"
#include "tui/plain.h"
#include "tui/session.h"
#include "tui/signals.h"
#include "tui/term.h"

#define FRAME_US     (100 * US_PER_MS) /* between frames that new data brings */
#define FRAME_KEY_US (15 * US_PER_MS)  /* between frames that keys bring */
#define KEYS_AT_ONCE 512               /* then signals and engines get their turn */

static int64_t mono_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

bool console_prepare(void)
{
    signals_block();
    /* The terminal is asked for its size; these would beat it, and go stale when the window changes. */
    unsetenv("LINES");
    unsetenv("COLUMNS");
    return term_locale();
}

/* Snapshots
 * ------------------------------------------------------------------------------------------------------------ */

/* Takes the newest snapshots of all engines; true when there were newer ones. */
static bool session_fetch(struct session *s)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < s->spec->n_engines; i++) {
        const struct console_engine *en = &s->spec->engines[i];
        struct pollfd news = {.fd = en->fd, .events = POLLIN};
        uint64_t n;
        if (s->snaps[i] && (poll(&news, 1, 0) != 1 || read(en->fd, &n, sizeof n) < 0)) {
            sum += s->snaps[i]->generation;
            continue; /* nothing new */
        }
        struct snapshot *next = en->snapshot(en->ctx);
        snapshot_unref(s->snaps[i]);
        s->snaps[i] = next;
        sum += next->generation;
    }
    bool newer = sum != s->seen;
    s->seen = sum;
    return newer;
}

static void ring(struct session *s, const char *what)
{
    const struct config *c = s->spec->config;
    if (!c || c->bell)
        buf_addc(&s->tail, '\a');
    if (c && c->osc_notify && term_modern())
        osc_notify(&s->tail, "andon", what);
}

/* What is new besides halts: telemetry that is lost, a gate that waits, a roll back that begins or is through. */
static void news(struct session *s)
{
    enum { NEWS_MAX = 4 };
    struct notice *n = xcalloc(NEWS_MAX, sizeof *n);
    size_t k = notices_new(&s->notices, s->snaps, s->spec->n_engines, s->data.now, n, NEWS_MAX);
    for (size_t i = 0; i < k && !app_silenced(s->app, s->data.now); i++) {
        char text[200];
        snprintf(text, sizeof text, "%.20s %.60s: %.110s", notice_kind_word(n[i].kind),
                 n[i].rollout[0] ? n[i].rollout : n[i].fleet, n[i].text);
        ring(s, text);
    }
    free(n);
}

static void update(struct session *s)
{
    s->data.now = clock_now(s->spec->clock);
    /* One call gives one action; a change of focus between fleets takes two. */
    for (int i = 0; i < 3; i++) {
        struct action a;
        app_update(s->app, &s->data, &a);
        act(s, &a);
        if (a.kind != ACT_FOCUS)
            break;
    }
    news(s);
    for (size_t i = 0; s->spec->over && i < s->spec->n_engines; i++)
        s->leave = s->leave || s->spec->over(s->spec->over_ctx, s->snaps[i]);
    s->dirty = true;
}

/* Painting
 * --------------------------------------------------------------------------------------------------------------- */

static void notices(struct session *s)
{
    bool fresh = false;
    int n = app_alerts(s->app, &s->data, &fresh);
    char title[64];
    if (n > 0)
        snprintf(title, sizeof title, "andon: %d HALT", n);
    else
        snprintf(title, sizeof title, "andon");
    if (term_modern() && strcmp(title, s->title) != 0)
        osc_title(&s->tail, title);
    memcpy(s->title, title, sizeof s->title);
    if (fresh)
        ring(s, title + strlen("andon: "));
}

static void paint(struct session *s)
{
    int rows, cols;
    term_size(&rows, &cols);
    if (rows != s->canvas.rows || cols != s->canvas.cols)
        canvas_resize(&s->canvas, rows, cols);
    s->data.now = clock_now(s->spec->clock);
    app_draw(s->app, &s->data, &s->canvas);
    notices(s);
    if (s->fence)
        osc_fence(&s->tail, s->keys, cols, s->seen);
    term_paint(&s->canvas, s->tail.data, s->tail.len);
    buf_clear(&s->tail);
    s->dirty = s->by_key = false;
    s->painted_at = mono_us();
}

static int64_t paint_at(const struct session *s)
{
    return s->painted_at + (s->by_key ? FRAME_KEY_US : FRAME_US);
}

bool session_theme(struct session *s, const char *name, struct err *e)
{
    const struct config *c = s->spec->config;
    struct theme theme;
    const char *wish = s->spec->color && strcmp(s->spec->color, "auto") != 0 ? s->spec->color : NULL;
    const char *no = getenv("NO_COLOR");
    enum depth depth = term_depth(theme_depth(wish, no && *no, c ? c->color : "", getenv("COLORTERM"), term_colors()));
    if (!theme_load(name, s->spec->theme_dir, depth, &theme, e))
        return false;
    term_theme(&theme, depth);
    s->dirty = true;
    return true;
}

/* Events
 * ------------------------------------------------------------------------------------------------------------------ */

/* A key; `act`s on what comes of it. */
static void session_key(struct session *s, uint32_t key)
{
    struct action a;
    s->keys++;
    s->data.now = clock_now(s->spec->clock);
    app_key(s->app, &s->data, key, &a);
    act(s, &a);
    if (a.kind == ACT_SUBMIT || a.kind == ACT_FOCUS)
        update(s);
    s->dirty = s->by_key = true;
}

static void read_keys(struct session *s)
{
    int n = 0, left = 0;
    uint32_t key;
    while (n < KEYS_AT_ONCE && !s->leave && (key = term_key(s->now)) != KEY_NONE_) {
        session_key(s, key);
        n++;
    }
    /* Readable, but nothing to read: the terminal is gone. */
    if (n == 0 && ioctl(TERM_IN_FD, FIONREAD, &left) != 0) {
        s->leave = true;
        s->status = 128 + SIGHUP;
    }
}

static void read_signals(struct session *s)
{
    for (int sig = signals_next(s->sigfd); sig != 0 && !s->leave; sig = signals_next(s->sigfd)) {
        switch (sig) {
        case SIGWINCH:
            if (term_resized())
                s->dirty = s->by_key = true;
            break;
        case SIGINT: /* from outside: as the key, which cancels and never leaves */
            session_key(s, 0x03);
            break;
        case SIGTSTP:
            session_suspend(s, false);
            break;
        case SIGCONT:
            term_enter();
            term_resized();
            s->dirty = s->by_key = true;
            break;
        default:
            s->leave = true;
            s->status = 128 + sig;
        }
    }
}

/* Waits for something to do; at most until the next tick or frame. */
static void wait_for_events(struct session *s, struct pollfd *p, size_t n)
{
    bool stalled = (s->dirty || term_left()) && !term_ready();
    int64_t until = s->tick_at;
    if (s->dirty && !stalled && paint_at(s) < until)
        until = paint_at(s);
    p[2].events = stalled ? POLLOUT : 0;
    s->now = mono_us();
    int64_t us = until > s->now ? until - s->now : 0;
    struct timespec t = {us / US_PER_S, us % US_PER_S * 1000};
    if (ppoll(p, n, &t, NULL) < 0)
        for (size_t i = 0; i < n; i++)
            p[i].revents = 0;
    s->now = mono_us();
}

static void turn(struct session *s, struct pollfd *p, size_t n)
{
    wait_for_events(s, p, n);
    bool news = false;
    for (size_t i = 4; i < n; i++)
        news = news || p[i].revents != 0;
    if (p[1].revents)
        read_signals(s);
    if (p[0].revents & (POLLHUP | POLLERR | POLLNVAL)) {
        s->leave = true;
        s->status = 128 + SIGHUP;
    } else if (p[0].revents) {
        read_keys(s);
    }
    if (p[2].revents)
        term_flush();
    if (p[3].revents)
        session_results(s);
    if (news && session_fetch(s))
        update(s);
    if (s->now >= s->tick_at) {
        s->tick_at = s->now + US_PER_S - s->now % US_PER_S;
        s->dirty = true;
        term_tidy();
    }
    if (s->dirty && !s->leave && mono_us() >= paint_at(s) && term_ready())
        paint(s);
    if (term_dead()) {
        s->leave = true;
        s->status = 128 + SIGHUP;
    }
}

static void run(struct session *s)
{
    size_t n = 4 + s->spec->n_engines;
    struct pollfd *p = xcalloc(n, sizeof *p);
    p[0] = (struct pollfd){.fd = TERM_IN_FD, .events = POLLIN};
    p[1] = (struct pollfd){.fd = s->sigfd, .events = POLLIN};
    p[2] = (struct pollfd){.fd = TERM_OUT_FD};
    p[3] = (struct pollfd){.fd = helper_fd(s->helper), .events = POLLIN};
    for (size_t i = 0; i < s->spec->n_engines; i++)
        p[4 + i] = (struct pollfd){.fd = s->spec->engines[i].fd, .events = POLLIN};
    while (!s->leave)
        turn(s, p, n);
    free(p);
}

/* Start and end
 * ------------------------------------------------------------------------------------------------------------ */

static void init(struct session *s, const struct console_spec *spec)
{
    memset(s, 0, sizeof *s);
    s->spec = spec;
    const char *fence = getenv("ANDON_FENCE");
    s->fence = fence && strcmp(fence, "1") == 0;
    s->snaps = xcalloc(spec->n_engines + 1, sizeof(struct snapshot *));
    s->data = (struct view_data){.snaps = s->snaps,
                                 .n_snaps = spec->n_engines,
                                 .user = spec->user ? spec->user : "",
                                 .local_time = spec->local_time};
    for (int i = 0; i < 3; i++)
        s->data.start_help[i] = spec->start_help[i] ? spec->start_help[i] : "";
    buf_init(&s->tail, 1u << 20);
    session_fetch(s);
}

static void release(struct session *s)
{
    helper_end(s->helper);
    if (s->loaded)
        s->spec->audit->free_page(s->spec->audit->ctx, s->loaded);
    for (size_t i = 0; i < s->spec->n_engines; i++)
        snapshot_unref(s->snaps[i]);
    free(s->snaps);
    app_free(s->app);
    canvas_release(&s->canvas);
    buf_release(&s->tail);
    if (s->sigfd >= 0)
        close(s->sigfd);
}

static bool start(struct session *s, struct err *e)
{
    const struct config *c = s->spec->config;
    const char *wish = s->spec->color ? s->spec->color : c ? c->color : "";
    struct term_spec t = {.want_true = strcmp(wish, "true") == 0, .escdelay_ms = c ? c->escdelay_ms : 0};
    bool ascii = s->spec->ascii || (c && c->ascii) || !term_locale();
    s->helper = helper_new(s->spec->audit, e);
    s->sigfd = signals_open();
    if (!s->helper)
        return false;
    if (s->sigfd < 0)
        return err_errno(e, ERR_IO, "", "cannot read signals from a descriptor");
    if (!term_start(&t, e))
        return false;
    s->app = app_new(ascii);
    int rows, cols;
    term_size(&rows, &cols);
    canvas_init(&s->canvas, rows, cols);
    s->canvas.ascii = ascii;
    const char *theme = s->spec->theme && *s->spec->theme ? s->spec->theme : c && *c->theme ? c->theme : "default";
    if (session_theme(s, theme, e))
        return true;
    term_stop();
    return false;
}

int console_run(const struct console_spec *spec, struct err *e)
{
    struct session s;
    struct err why;
    err_clear(&why);
    if (spec->plain)
        return plain_run(spec, e);
    init(&s, spec);
    if (!start(&s, &why)) {
        release(&s);
        if (why.code == ERR_UNSUPPORTED && isatty(STDOUT_FILENO)) {
            fprintf(stderr, "andon: %s; plain lines instead.\n", why.what);
            return plain_run(spec, e);
        }
        if (e)
            *e = why;
        return CONSOLE_ERROR;
    }
    s.now = mono_us();
    s.tick_at = s.now + US_PER_S - s.now % US_PER_S;
    update(&s);
    paint(&s); /* at once, from what there is: never wait for a server */
    run(&s);
    term_stop();
    release(&s);
    return s.status;
}
