#include "core/redact.h"

static const char *const WORDS[] = {"person", "address", "host", "reason"};
#define WORDS_N (sizeof WORDS / sizeof *WORDS)

static const struct {
    const char *path;
    unsigned kinds;
    bool own;
} PLACES[] = {
    {"actor.name", REDACT_PERSON, true},
    {"f.approval.by", REDACT_PERSON, false},
    {"f.approval.remark", REDACT_REASON, false},
    {"f.control", REDACT_REASON, true},
    {"f.declared.by", REDACT_PERSON, false},
    {"f.remark", REDACT_REASON, true},
    {"f.runbook.expected", REDACT_REASON, true},
    {"f.runbook.observed", REDACT_REASON, true},
    {"f.runbook.skipped", REDACT_REASON, true},
    {"f.spool.host", REDACT_PERSON | REDACT_ADDRESS | REDACT_HOST, false}, /* all facts about who wrote the record */
    {"f.spool.uid", REDACT_PERSON, false},
    {"f.spool.user", REDACT_PERSON, false},
    {"f.target", REDACT_PERSON, false}, /* who was told */
    {"host.claimed.operator", REDACT_PERSON, false},
    {"host.claimed.ssh_connection", REDACT_ADDRESS, false},
    {"host.claimed.sudo_user", REDACT_PERSON, false},
    {"host.kernel.gid", REDACT_PERSON, false},
    {"host.kernel.host", REDACT_HOST, false},
    {"host.kernel.loginuid", REDACT_PERSON, false},
    {"host.kernel.uid", REDACT_PERSON, false},
    {"host.names.user", REDACT_PERSON, false},
    {"host.proc.loginuid", REDACT_PERSON, false},
    {"reason", REDACT_REASON, true},
};

const char *redact_word(size_t i)
{
    return i < WORDS_N ? WORDS[i] : NULL;
}

unsigned redact_from_word(const char *word)
{
    for (size_t i = 0; i < WORDS_N; i++) {
        if (slice_is(slice_of(word), WORDS[i]))
            return 1U << i;
    }
    return 0;
}

unsigned redact_kinds(struct slice path, bool *own)
{
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        if (slice_is(path, PLACES[i].path)) {
            *own = PLACES[i].own;
            return PLACES[i].kinds;
        }
    }
    return 0;
}
