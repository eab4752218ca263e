/* andon audit show: the log's entries for people (a table, one entry in sentences, what is open) and for programs. */
#ifndef ANDON_CLI_AUDIT_SHOW_H
#define ANDON_CLI_AUDIT_SHOW_H

#include "cli/cli.h"

/* The options that choose entries; `show` has more. */
#define AUDIT_QUERY_OPTS                                                                                               \
    (OPT(OPT_KIND) | OPT(OPT_ROLLOUT) | OPT(OPT_ACTOR) | OPT(OPT_FLEET) | OPT(OPT_SINCE) | OPT(OPT_UNTIL) |            \
     OPT(OPT_LIMIT) | OPT(OPT_DB))
#define AUDIT_SHOW_OPTS                                                                                                \
    (AUDIT_QUERY_OPTS | OPT(OPT_VERB) | OPT(OPT_RESULT) | OPT(OPT_CORR) | OPT(OPT_DEVICE) | OPT(OPT_LATE) |            \
     OPT(OPT_OPEN) | OPT(OPT_FORMAT))

/* What the options choose, newest first, at most --limit (1000). False with *e for a word that makes no sense. */
bool audit_read_query(const struct args *a, struct audit_query *q, struct err *e) ANDON_MUST_USE;
/* The command. False with *e. */
bool audit_show(const struct args *a, struct audit_log *l, struct err *e) ANDON_MUST_USE;

/* audit_entry.c: one entry in sentences, and with it what other entries say of it. */
bool audit_show_entry(const struct args *a, struct audit_log *l, const char *seq_text, struct err *e) ANDON_MUST_USE;
/* What nobody has ended: intents without an outcome, outcomes that stayed unknown, halts without an acknowledgement. */
bool audit_show_open(const struct args *a, struct audit_log *l, struct err *e) ANDON_MUST_USE;

#endif
