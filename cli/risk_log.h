/* What people have said about vulnerabilities, as the log has it: with what a command needs to add to it. */
#ifndef ANDON_CLI_RISK_LOG_H
#define ANDON_CLI_RISK_LOG_H

#include "audit/said.h"
#include "cli/cli.h"

struct risk_log {
    struct arena arena;
    struct said said;
};
/* Without a log nothing was said. On failure there is nothing to free. */
bool risk_log_read(const struct session *s, struct risk_log *out, struct err *e) ANDON_MUST_USE;
void risk_log_free(struct risk_log *r);
/* Fills in time and who, and appends. ERR_REFUSED in read-only mode. */
bool risk_log_add(const struct args *a, const struct session *s, struct entry *en, struct receipt *out,
                  struct err *e) ANDON_MUST_USE;
/* The same by andon's own rule of this name. */
bool risk_log_rule(const struct session *s, const char *rule, struct entry *en, struct receipt *out,
                   struct err *e) ANDON_MUST_USE;
/* An id of a vulnerability: letters, digits and "-_.:+", shorter than ADV_ID_MAX. */
bool risk_id_ok(const char *id, struct err *e) ANDON_MUST_USE;
/* A day ("2031-03-14", its beginning), a moment ("2031-03-14T12:00:00Z"), or a duration from now (sign 1) or ago (-1).
 */
bool risk_moment_read(const char *text, int sign, int64_t now, int64_t *out, struct err *e) ANDON_MUST_USE;

#endif
