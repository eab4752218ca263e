/* One thread for what may wait for a disk: reading, verifying and exporting the log, writing a file. The console asks,
 * goes on, and is told through an eventfd. */
#ifndef ANDON_TUI_HELPER_H
#define ANDON_TUI_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include "core/err.h"
#include "tui/console.h"

struct helper;
enum helper_job { JOB_LOAD, JOB_VERIFY, JOB_EXPORT, JOB_WRITE, JOB_COUNT };

struct helper_result {
    enum helper_job job;
    bool ok; /* false: err says why */
    struct err err;
    struct audit_page *page; /* JOB_LOAD: the taker's, freed with audit->free_page */
    bool verified;           /* JOB_VERIFY: the log's verdict, and one sentence */
    char text[320];          /* JOB_VERIFY: the sentence; JOB_EXPORT, JOB_WRITE: the path */
};

/* audit may be NULL: then only JOB_WRITE does anything. */
struct helper *helper_new(const struct console_audit *audit, struct err *e);
int helper_fd(const struct helper *h);
/* Asks; a job of the same kind that has not begun is replaced. want: JOB_LOAD; path: JOB_EXPORT, JOB_WRITE; text:
 * JOB_WRITE, the file's content (copied). */
void helper_ask(struct helper *h, enum helper_job job, const struct audit_want *want, const char *path,
                const char *text);
/* The next result; false when there is none. */
bool helper_take(struct helper *h, struct helper_result *out);
/* Waits at most about 1 s for a call that is going on; a hung one is left to itself and frees the rest when it ends. */
void helper_end(struct helper *h);

#endif
