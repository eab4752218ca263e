/* Inside tui/: the running console's state, shared by its event loop (console.c) and what keys ask for (act.c). */
#ifndef ANDON_TUI_SESSION_H
#define ANDON_TUI_SESSION_H

#include "tui/console.h"
#include "tui/helper.h"
#include "tui/notices.h"

struct session {
    const struct console_spec *spec;
    struct app *app;
    struct canvas canvas;
    struct snapshot **snaps; /* one for each engine, each referenced */
    struct view_data data;
    struct audit_page *loaded; /* the audit screen's entries as they came, NULL */
    struct audit_page page;    /* the same with the newest verification laid over */
    bool verified, verified_ok;
    int64_t verified_at;
    char verified_text[320];
    struct helper *helper;
    struct buf tail;                  /* goes out behind the next frame: title, bell, clipboard */
    char title[64];                   /* as it stands in the terminal's title */
    struct notices notices;           /* what has rung already */
    uint64_t keys;                    /* handled so far */
    uint64_t seen;                    /* sum of the snapshots' generations */
    int64_t now, painted_at, tick_at; /* CLOCK_MONOTONIC, us */
    bool dirty, by_key;               /* something to paint; a key is why */
    bool fence;
    bool leave;
    int status;
    int sigfd;
};

/* Carries out what a key or a new snapshot asked for. */
void act(struct session *s, const struct action *a);
/* Loads a theme by name and shows it from the next frame on; false with *e when there is none of that name. */
bool session_theme(struct session *s, const char *name, struct err *e);
/* Results of the helper thread. */
void session_results(struct session *s);
/* Stops the process until it is continued. */
void session_suspend(struct session *s, bool by_key);

#endif
