/* andon audit export, and what the log hears of who looked at it. */
#ifndef ANDON_CLI_AUDIT_EXPORT_H
#define ANDON_CLI_AUDIT_EXPORT_H

#include "cli/cli.h"

/* The command; its exit code. */
int audit_export_run(const struct args *a, const struct session *s);
/* Puts an entry into the session's own log, with time and actor, where this process may write there. An entry about
 * reading never makes the reading fail, never makes a log, and none is made in another host's log (--db). */
void audit_note(const struct session *s, struct entry *en);

/* audit.c: verifies the log that is about to be read, says on standard error what is wrong with it or with who may
 * write to it, and gives the exit code for that: what is read all the same is shown with it. */
int audit_sound(const struct args *a, const struct audit_spec *spec);
/* audit.c: prints the error; its exit code. */
int audit_fail(const struct args *a, const struct err *e);

#endif
