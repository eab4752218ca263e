/* Roles: what a cell means. A theme says what each looks like (themes/). */
#ifndef ANDON_VIEWS_ROLE_H
#define ANDON_VIEWS_ROLE_H

enum role {
    ROLE_TEXT = 0,      /* "text" */
    ROLE_DIM,           /* "text.dim" */
    ROLE_STALE,         /* "text.stale": figures that are too old */
    ROLE_STRONG,        /* "text.strong" */
    ROLE_TITLE,         /* "title": rules and headings */
    ROLE_HEADER,        /* "header": column heads */
    ROLE_BAR,           /* "bar": top line */
    ROLE_BAR_PROD,      /* "bar.prod": the environment word of production */
    ROLE_KEY,           /* "key": keys in the footer */
    ROLE_LIVE,          /* "link.live" */
    ROLE_SLOW,          /* "link.slow" */
    ROLE_LOST,          /* "link.stale" */
    ROLE_HALT,          /* "state.halt" */
    ROLE_WATCH,         /* "state.watch" */
    ROLE_GATE,          /* "state.gate" */
    ROLE_RUN,           /* "state.run" */
    ROLE_SOAK,          /* "state.soak" */
    ROLE_PAUSE,         /* "state.pause" */
    ROLE_PENDING,       /* "state.pending" */
    ROLE_DONE,          /* "state.done" */
    ROLE_BACK,          /* "state.back" */
    ROLE_GOOD,          /* "value.good" */
    ROLE_WARN,          /* "value.warn" */
    ROLE_BAD,           /* "value.bad" */
    ROLE_CANARY,        /* "plot.canary" */
    ROLE_CONTROL,       /* "plot.control" */
    ROLE_LIMIT,         /* "plot.limit" */
    ROLE_BANNER,        /* "banner.halt" */
    ROLE_BANNER_WARN,   /* "banner.warn" */
    ROLE_DIALOG,        /* "dialog" */
    ROLE_DIALOG_DANGER, /* "dialog.danger" */
    ROLE_INPUT,         /* "input" */
    ROLE_BUTTON_OFF,    /* "button.locked" */
    ROLE_COUNT
};

/* "state.halt"; NULL past the end. */
const char *role_name(enum role r);
/* The letter that stands for it in golden files; unique. */
char role_letter(enum role r);

#endif
