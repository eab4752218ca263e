/* The console: the event loop between the terminal, the engines and the screens.
 *
 * One thread (the caller's) polls the keyboard, a signalfd, a timerfd, the engines' eventfds and the terminal's
 * readiness. It fetches snapshots, asks views/ for a canvas, paints it through tui/term.c and carries out what a key
 * asked for. Nothing on it waits for the network, the log's disk, or a terminal that stopped reading; the engines run
 * on their own threads and never wait for it. What needs the log goes to a helper thread (struct console_audit).
 *
 * Order of calls in a program:
 *   console_prepare();          before any other thread exists
 *   engine_new(), engine_start() for each fleet
 *   console_run(&spec);         draws at once, from the first ("connecting") snapshots
 *   engine_stop(), engine_free() */
#ifndef ANDON_TUI_CONSOLE_H
#define ANDON_TUI_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/clock.h"
#include "core/config.h"
#include "core/err.h"
#include "core/intent.h"
#include "core/snapshot.h"
#include "views/view.h"

struct engine;

/* One fleet as the console sees it. Every function returns without waiting; called on the console's thread only. */
struct console_engine {
    struct snapshot *(*snapshot)(void *ctx); /* the newest, referenced; the console unrefs it */
    int fd;                                  /* eventfd: readable when there is a newer one; -1 = never */
    uint64_t (*submit)(void *ctx, const struct intent *in); /* a ticket, 0 = not taken */
    void (*focus)(void *ctx, const struct focus *f);
    void (*refresh)(void *ctx);
    void (*plan)(void *ctx, const struct plan_wish *w, bool keep); /* draws it, or keeps the one of its number */
    void *ctx;
};
/* The adapter for a real engine (started; it must outlive console_run). */
void console_engine_of(struct engine *en, struct console_engine *out);

/* The log, as far as the console needs it. load, verify and write_out block on a disk: they are called on the
 * console's helper thread, one at a time. `ctx` must stay valid until the process ends: when a disk hangs, a call may
 * still be going on after console_run has returned (it waits at most 1 s for it). */
struct console_audit {
    /* Entries for the audit screen, newest first, as the view asked for them. NULL with *e filled. Text in the page has
     * passed safe_text. What it says of a verification is overlaid by the console with the newest verify's result. */
    struct audit_page *(*load)(void *ctx, const struct audit_want *want, struct err *e);
    void (*free_page)(void *ctx, struct audit_page *p); /* any thread */
    /* Verifies the whole log: true with *ok and one sentence in text; false with *e when it could not tell. */
    bool (*verify)(void *ctx, bool *ok, char *text, size_t size, struct err *e);
    /* Exports the log into a new folder at `path`. */
    bool (*write_out)(void *ctx, const char *path, struct err *e);
    void *ctx;
};

struct console_spec {
    const struct console_engine *engines; /* in the configuration's order */
    size_t n_engines;
    const struct config *config; /* NULL = defaults */
    struct clock *clock;         /* the engines' */
    const char *user;            /* operator's display name */
    struct actor actor;          /* whose intents these are (plain mode makes them itself) */
    const char *color;           /* --color: "never", "16", "256", "true", "auto", or NULL */
    const char *theme;           /* --theme, or NULL: the configuration's, else "default" */
    const char *theme_dir;       /* the user's themes, or NULL */
    bool ascii;                  /* --ascii */
    bool plain;                  /* --plain: append-only lines, no curses (tui/plain.h) */
    bool local_time;
    const char *start_help[3];         /* shown when there is no fleet */
    const struct console_audit *audit; /* NULL: no log to show */
    /* Asked after each new snapshot; true ends the console (a drill that is over). May be NULL. */
    bool (*over)(void *ctx, const struct snapshot *s);
    void *over_ctx;
};

enum {
    CONSOLE_QUIT = 0, /* the operator left, or spec->over said so */
    CONSOLE_ERROR = 1 /* no usable terminal: *e says why. A signal gives 128 + its number */
};

/* Call once, early in main, while there is only one thread: sets the character locale (LC_CTYPE only, so that numbers
 * in files keep their point), and blocks the signals that the console reads through a signalfd, so that threads made
 * later inherit the mask and a SIGTERM can't kill the process past the terminal's restore. Returns false when the
 * locale's character set is not UTF-8: then the console draws in ASCII. */
bool console_prepare(void);

/* Runs until the operator leaves, a signal ends it, or spec->over says so. The terminal is as it was before, also
 * after SIGTERM, SIGHUP and a crash. Returns CONSOLE_QUIT, CONSOLE_ERROR (with *e) or 128 + signal. */
int console_run(const struct console_spec *spec, struct err *e);

#endif
