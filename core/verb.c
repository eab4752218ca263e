#include "core/verb.h"

#include <string.h>

#define ENDED (STATE(ROLLOUT_STOPPED) | STATE(ROLLOUT_FINISHED) | STATE(ROLLOUT_DENIED) | STATE(ROLLOUT_DELETED))
#define BEGUN (STATE(ROLLOUT_STARTING) | STATE(ROLLOUT_RUNNING) | STATE(ROLLOUT_FINISHED))
#define ANY   ((STATE(ROLLOUT_DELETED) << 1) - 1)
#define UNTOLD                                                                                                         \
    (STATE(ROLLOUT_CREATING) | STATE(ROLLOUT_WAITING_APPROVAL) | STATE(ROLLOUT_DENIED) | STATE(ROLLOUT_READY))
#define REMOVED (STATE(ROLLOUT_DELETING) | STATE(ROLLOUT_DELETED))

static const struct verb_row rows[VERB_COUNT] = {
    [VERB_NONE] =
        {.word = "none", .title = "", .label = "", .help = "", .key = "", .cannot = "", .instead = "", .needs = ""},
    [VERB_START] = {.word = "start",
                    .title = "Start",
                    .label = "start",
                    .help = "starts a rollout that is ready: its first wave is told",
                    .key = "S",
                    .confirm = CONFIRM_YES,
                    .changes_devices = true,
                    .cannot = "",
                    .instead = "",
                    .from = STATE(ROLLOUT_READY),
                    .needs = "only a rollout that is ready can be started",
                    .request = REQUEST_START,
                    .brings = ROLLOUT_RUNNING,
                    .shown = BEGUN | STATE(ROLLOUT_PAUSED)},
    [VERB_ADVANCE] = {.word = "advance",
                      .title = "Advance",
                      .label = "advance",
                      .help = "starts the next wave",
                      .key = "A",
                      .confirm = CONFIRM_YES,
                      .changes_devices = true,
                      .looks_at_health = true,
                      .cannot = "",
                      .instead = "",
                      .from = STATE(ROLLOUT_RUNNING) | STATE(ROLLOUT_PAUSED),
                      .needs = "only a running rollout, or one that andon holds, can be advanced",
                      .request = REQUEST_NEXT,
                      .paused_request = REQUEST_RESUME,
                      .brings = ROLLOUT_RUNNING},
    [VERB_PAUSE] = {.word = "pause",
                    .title = "Pause",
                    .label = "pause",
                    .help = "holds: the next wave waits; devices already told go on",
                    .key = "P",
                    .confirm = CONFIRM_ENTER,
                    .changes_devices = true,
                    .by_rule = true,
                    .cap = CAP_PAUSE,
                    .cannot = "pause",
                    .instead = "Halt tries everything that it can do.",
                    .from = STATE(ROLLOUT_RUNNING),
                    .needs = "only a running rollout can be paused",
                    .request = REQUEST_PAUSE,
                    .brings = ROLLOUT_PAUSED,
                    .shown = ENDED | STATE(ROLLOUT_PAUSED)},
    [VERB_RESUME] = {.word = "resume",
                     .title = "Resume",
                     .label = "resume",
                     .help = "lets a paused rollout go on by the server's own conditions",
                     .key = "R",
                     .confirm = CONFIRM_YES,
                     .changes_devices = true,
                     .looks_at_health = true,
                     .cannot = "",
                     .instead = "",
                     .from = STATE(ROLLOUT_PAUSED),
                     .needs = "only a paused rollout can be resumed",
                     .request = REQUEST_RESUME,
                     .brings = ROLLOUT_RUNNING,
                     .shown = BEGUN},
    [VERB_HALT] = {.word = "halt",
                   .title = "HALT",
                   .label = "halt",
                   .help = "a latched pause: stays until a person acknowledges it",
                   .key = "H",
                   .confirm = CONFIRM_NONE,
                   .changes_devices = true,
                   .whole_fleet = true,
                   .all_fleets = true,
                   .strengths = true,
                   .past_latch = true,
                   .by_rule = true,
                   .cannot = "",
                   .instead = "",
                   .from = ANY & ~(ENDED | STATE(ROLLOUT_DELETING)),
                   .needs = "it tells no more devices, there is nothing to halt",
                   .request = REQUEST_PAUSE,
                   .brings = ROLLOUT_PAUSED,
                   .shown = ENDED | STATE(ROLLOUT_PAUSED)},
    [VERB_ROLLBACK] = {.word = "rollback",
                       .title = "Roll back",
                       .label = "roll back",
                       .help = "brings the told devices back to the release before, and verifies each of them",
                       .key = "B",
                       .confirm = CONFIRM_PHRASE,
                       .reason = REASON_NEEDED,
                       .changes_devices = true,
                       .past_latch = true,
                       .by_rule = true,
                       .cannot = "",
                       .instead = "",
                       .from = ANY & ~(UNTOLD | REMOVED),
                       .needs = "there is nothing that could be rolled back"},
    [VERB_APPROVE] = {.word = "approve",
                      .title = "Approve",
                      .label = "approve",
                      .help = "approves a rollout that waits for it",
                      .key = "Y",
                      .confirm = CONFIRM_YES,
                      .reason = REASON_TAKEN,
                      .changes_devices = true,
                      .cap = CAP_APPROVE,
                      .cannot = "take an approval",
                      .instead = "",
                      .from = STATE(ROLLOUT_WAITING_APPROVAL),
                      .needs = "it does not wait for approval",
                      .request = REQUEST_APPROVE,
                      .brings = ROLLOUT_READY,
                      .shown = BEGUN | STATE(ROLLOUT_READY) | STATE(ROLLOUT_PAUSED)},
    [VERB_DENY] = {.word = "deny",
                   .title = "Deny",
                   .label = "deny",
                   .help = "denies a rollout that waits for approval, for good",
                   .key = "D",
                   .confirm = CONFIRM_YES,
                   .reason = REASON_NEEDED,
                   .changes_devices = true,
                   .cap = CAP_APPROVE,
                   .cannot = "take an approval",
                   .instead = "",
                   .from = STATE(ROLLOUT_WAITING_APPROVAL),
                   .needs = "it does not wait for approval",
                   .request = REQUEST_DENY,
                   .brings = ROLLOUT_DENIED,
                   .shown = STATE(ROLLOUT_DENIED)},
    [VERB_RETRY] = {.word = "retry",
                    .title = "Retry the failed devices of",
                    .label = "retry",
                    .key = "",
                    .help = "a new rollout, made by the server, for the devices that failed",
                    .confirm = CONFIRM_YES,
                    .changes_devices = true,
                    .cap = CAP_RETRY,
                    .cannot = "retry",
                    .instead = "Make a new rollout for the failed devices on the server.",
                    .from = STATE(ROLLOUT_FINISHED),
                    .needs = "only a finished rollout can be retried",
                    .request = REQUEST_RETRY},
    [VERB_ACK] = {.word = "ack",
                  .title = "Acknowledge the halt of",
                  .label = "ack",
                  .help = "acknowledges a halt: lifts its latch, changes no device",
                  .key = "a",
                  .confirm = CONFIRM_ENTER,
                  .whole_fleet = true,
                  .past_latch = true,
                  .cannot = "",
                  .instead = "",
                  .from = ANY,
                  .needs = ""},
};

const struct verb_row *verb_row(enum verb v)
{
    return &rows[(unsigned)v < VERB_COUNT ? v : VERB_NONE];
}

const char *verb_word(enum verb v)
{
    return verb_row(v)->word;
}

enum verb verb_from_word(const char *s)
{
    for (int v = VERB_NONE + 1; v < VERB_COUNT; v++)
        if (strcmp(s, rows[v].word) == 0)
            return (enum verb)v;
    return VERB_NONE;
}

enum verb verb_from_key(uint32_t key)
{
    for (int v = VERB_NONE + 1; v < VERB_COUNT; v++)
        if (rows[v].key[0] != '\0' && key == (unsigned char)rows[v].key[0])
            return (enum verb)v;
    return VERB_NONE;
}

bool verb_changes_devices(enum verb v)
{
    return verb_row(v)->changes_devices;
}

enum verb_request verb_request_of(enum verb v, enum rollout_state s)
{
    const struct verb_row *row = verb_row(v);

    return s == ROLLOUT_PAUSED && row->paused_request != REQUEST_NONE ? row->paused_request : row->request;
}

static const char *const strengths[STRENGTH_COUNT] = {"", "soft", "force"};

const char *strength_word(enum strength s)
{
    return (unsigned)s < STRENGTH_COUNT ? strengths[s] : "";
}

enum strength strength_from(const char *word)
{
    int s = STRENGTH_POLICY + 1;

    while (s < STRENGTH_COUNT && strcmp(word, strengths[s]) != 0)
        s++;
    return (enum strength)s;
}

enum strength strength_can(enum strength wanted, uint32_t caps)
{
    uint32_t force = CAP_FORCE | CAP_OWN_WAVES;

    if (!(caps & CAP_STOP))
        return STRENGTH_POLICY;
    return wanted == STRENGTH_FORCE && (caps & force) != force ? STRENGTH_SOFT : wanted;
}

const char *verb_confirm_words(enum verb v)
{
    const struct verb_row *row = verb_row(v);

    switch (row->confirm) {
    case CONFIRM_NONE:
    case CONFIRM_ENTER:
        return "Enter";
    case CONFIRM_YES:
        return row->reason == REASON_NEEDED ? "a reason and y" : "y";
    case CONFIRM_PHRASE:
        return "a reason, a typed phrase and y";
    }
    return "";
}
