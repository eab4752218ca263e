/* A hook: a command that is told of a notice on its standard input.
 *
 * Run without a shell, in a process group of its own, with a small environment, its output capped, and killed when its
 * time is over. Nothing here waits: whoever runs a hook looks at it again when hook_fd() is readable, and now and then,
 * until hook_ended(). One run at a time. */
#ifndef ANDON_ENGINE_HOOK_H
#define ANDON_ENGINE_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "core/err.h"

#define HOOK_LIMIT_US (10 * INT64_C(1000000)) /* of real time, for one run */
#define HOOK_LOOK_US  (20 * INT64_C(1000))    /* look at least this often while it runs */
#define HOOK_OUTPUT   400                     /* bytes of its output that are kept for the error */

struct hook;

/* argv is NULL-terminated and copied; argv[0] is looked up in PATH. */
struct hook *hook_new(const char *const *argv, int64_t limit_us);
void hook_free(struct hook *h); /* kills what runs; NULL is fine */
/* Starts it with these bytes as its standard input. False with *e when it cannot be started. */
bool hook_start(struct hook *h, const void *input, size_t n, struct err *e) ANDON_MUST_USE;
bool hook_running(const struct hook *h);
/* Becomes readable when it has written something or closed its output; -1 when there is nothing to wait for. */
int hook_fd(const struct hook *h);
/* True once, when the run is over: *ok when it ended with exit code 0, else *e says how it ended, with the first words
 * of its output as the cause. */
bool hook_ended(struct hook *h, bool *ok, struct err *e);

#endif
