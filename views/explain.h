/* The screen "why": what is on it, row by row, before it is scrolled. For views/explain*.c only. */
#ifndef ANDON_VIEWS_EXPLAIN_H
#define ANDON_VIEWS_EXPLAIN_H

#include "core/explain.h"
#include "views/app.h"

enum { EXPLAIN_ROWS = 160 };

/* Drawn on a canvas of its own, as tall as it needs to be; the screen shows a part of it. */
struct explain_page {
    struct canvas c;
    int n; /* rows used */
    struct {
        char kind;   /* 'd' a device, 't' a test, 'l' a limit, 's' a heading, 0 other text */
        char id[80]; /* what the cursor follows; "" with 0 */
    } row[EXPLAIN_ROWS];
};

/* explain_parts.c: the sections, each from row p->n on */
struct explain_view {
    const struct snapshot *s;
    const struct rollout_view *r;
    const struct wave_view *w; /* NULL = no such wave */
    const struct trial_view *t;
    const struct stage_view *stage; /* NULL = not begun */
    const struct policy *policy;
    bool all; /* show the tests that say nothing one by one */
    bool old; /* figures stand still */
    int64_t now;
};
void explain_tests(struct explain_page *p, const struct explain_view *v);
void explain_limits(struct explain_page *p, const struct explain_view *v);
void explain_carriers(struct explain_page *p, const struct explain_view *v);
void explain_shares(struct explain_page *p, const struct explain_view *v);
/* A heading, text broken at blanks, one row with a key; all clip at the page's end. */
void explain_heading(struct explain_page *p, const char *title, const char *right);
void explain_text(struct explain_page *p, enum role role, const char *text);
/* The next row, marked; -1 when the page is full. */
int explain_row(struct explain_page *p, char kind, const char *id);

#endif
