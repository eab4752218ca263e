/* The witness of this host behind HTTP: audit/witness.h over web/web.h (C2SP tlog-witness). In a guard beside its
 * engines, or alone (`andon witness`). */
#ifndef ANDON_CLI_WITNESS_SERVE_H
#define ANDON_CLI_WITNESS_SERVE_H

#include "cli/cli.h"

struct witness_serve;
/* What whoever runs it should hear, as a line of a log: its level and event ("fork", "witness-anew", "witness"). On the
 * server's thread. */
typedef void witness_told(void *ctx, const char *level, const char *event, const char *text);
/* Serves what `witness:` of the configuration says. NULL with *e. */
struct witness_serve *witness_serve_open(const struct session *s, witness_told *told, void *ctx, struct err *e);
void witness_serve_close(struct witness_serve *w); /* NULL is fine */
const char *witness_serve_address(const struct witness_serve *w);
const char *witness_serve_vkey(const struct witness_serve *w);
/* Forks that were refused since it was opened. */
int witness_serve_forks(struct witness_serve *w);

#endif
