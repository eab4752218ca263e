/* What the witnesses have of a log, beside a verification of it: the one thing that shows that the whole file was put
 * back to an older state. */
#ifndef ANDON_CLI_AUDIT_WITNESS_H
#define ANDON_CLI_AUDIT_WITNESS_H

#include "cli/cli.h"

/* Asks each configured witness for its signed head of this log, a few seconds at most, and puts what follows into the
 * report: tampered, with both heads in its sentence; or witnessed up to now. `note` (size bytes): who could not be
 * asked and why, "". Nothing is asked of a log that does not verify. */
void audit_witness_ask(const struct session *s, const struct audit_spec *spec, struct audit_report *r, char *note,
                       size_t size);
/* The name that the log has, or had when this host saw it last, or that it would be given. */
void audit_witness_name(const struct session *s, char out[128]);
struct seen; /* audit/seen.h */
/* The newest head that a configured witness has of the configured log, which need not be there: of its own name and of
 * what it went on in. Signed by the witness, and by the log's key where that is at hand. `where` is the witness. */
bool audit_witness_find(const struct session *s, struct seen *out);
/* There is no log, and this host remembers none: when a witness does, *e says so, ERR_TAMPERED. */
void audit_witness_missed(const struct session *s, struct err *e);
/* What the log's own receipts say, newest of each witness, unchecked: lines for `andon audit head`. */
void audit_witness_head(struct audit_log *l, const struct args *a, struct json_w *w);

#endif
