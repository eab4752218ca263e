/* Back ends that are programs of their own, spoken to in lines of JSON (docs/plugin-protocol.md): a plug-in for one
 * fleet, started when it is first asked, started again with pauses when it ends, and ended with the back end. One that
 * is not there is a server that is not reached, never a healthy fleet. */
#ifndef ANDON_CLIENT_PLUGIN_H
#define ANDON_CLIENT_PLUGIN_H

#include <stdbool.h>
#include <sys/types.h>
#include "client/backend.h"

/* What the kernel holds a plug-in to. */
struct plugin_box {
    bool new_privileges; /* none can be gained (PR_SET_NO_NEW_PRIVS) */
    bool dies_with_us;   /* PR_SET_PDEATHSIG */
    bool limits;         /* memory, open files, core files */
    bool landlock;       /* files, by Landlock */
};

/* The back end of kind "plugin"; see backend_open. The program is looked for here, and not started. */
struct backend *plugin_open(struct http *h, const struct fleet_spec *spec, struct err *e);
/* Is it one? (What is wrapped around one is not.) The rest is of plug-ins only, but for plugin_sandboxed(). */
bool plugin_is(const struct backend *b);
/* Of a plug-in that runs, what holds for it; false: `b` is no plug-in, or none runs. */
bool plugin_sandboxed(const struct backend *b, struct plugin_box *out);
/* The newest process of it, 0 = none: for tests and for `andon backend check`. */
pid_t plugin_pid(const struct backend *b);

/* For `andon backend check`, on a plug-in: an operation that no version of the protocol has; and the end of its input:
 * true when it ended by itself within 2 s (it is killed if not). The back end must still be freed. */
void plugin_ask_unknown(struct backend *b, backend_done done, void *ctx);
bool plugin_end(struct backend *b);

/* The path of the plug-in NAME in the folder, into out: the file, its folder and all above it belong to root or to this
 * user and can be written by nobody else. False with *e. */
bool plugin_find(const char *folder, const char *name, char *out, size_t size, struct err *e) ANDON_MUST_USE;

#endif
