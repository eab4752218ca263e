#include "audit/words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "audit/leaf.h"
#include "core/fmt.h"
#include "core/json.h"
#include "core/text.h"
#include "core/verb.h"

#define SENTENCE_MAX ((size_t)64 << 10)

/* --- what the sentences are made of ------------------------------------------------------------------------------ */

/* Fields that hold microseconds: a moment (shown as one), or how long */
static bool is_moment(const char *key)
{
    static const char *const keys[] = {"decided_at",
                                       "until",
                                       "rollout.created",
                                       "start",
                                       "spool.taken",
                                       "tick",
                                       "real",
                                       "http.date",
                                       "http.sent",
                                       "date",
                                       "sent",
                                       "server.real",
                                       "approval.made",
                                       "approval.expires",
                                       "newest",
                                       "at",
                                       "proposed_at"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(key, keys[i]) == 0)
            return true;
    }
    return false;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && strcmp(s + n - k, end) == 0;
}

/* A whole number, or a real one as fmt_hexfloat writes it. */
static bool is_hexfloat(const char *s)
{
    s += *s == '-';
    return strncmp(s, "0x", 2) == 0 && strlen(s) < FMT_MAX && strchr(s, 'p') &&
           strspn(s, "0123456789abcdefxp.+-") == strlen(s);
}

const char *entry_value(struct arena *a, const char *key, const char *value)
{
    char b[FMT_MAX], *end;
    if (is_hexfloat(value))
        return arena_printf(a, "%s (%.4g)", value, strtod(value, NULL));
    int64_t n = strtoll(value, &end, 10);
    if (!*value || *end)
        return value;
    if (is_moment(key) && n > 0)
        return arena_strdup(a, fmt_iso(b, n));
    if (ends_with(key, "_us") || ends_with(key, ".us") || strcmp(key, "boot") == 0 || strcmp(key, "by") == 0)
        return arena_printf(a, "%s (%s us)", fmt_dur(b, n), value);
    return value;
}

const char *entry_host(const struct stored *s, struct arena *a, const char *path)
{
    const char *dot = strchr(path, '.');
    struct member part, m;
    struct slice facts = {s->host, strlen(s->host)};
    for (size_t at = 0; dot && *s->host && leaf_member(facts, &at, &part);) {
        if (!part.is_object || !slice_same(part.key, (struct slice){path, (size_t)(dot - path)}))
            continue;
        for (size_t in = 0; leaf_member(part.value, &in, &m);) {
            if (slice_is(m.key, dot + 1))
                return leaf_text(a, m.value);
        }
    }
    return "";
}

static const char *who(const struct stored *s, struct arena *a)
{
    if (!*s->actor)
        return "andon itself";
    if (strcmp(s->actor_kind, "rule") == 0)
        return arena_printf(a, "the rule %s", s->actor);
    return arena_printf(a, "%s (a %s)", s->actor, strcmp(s->actor_kind, "script") == 0 ? "script" : "person");
}

const char *entry_object(const struct stored *s, struct arena *a)
{
    struct rollout_identity id = stored_identity(s);
    struct buf b;
    buf_init(&b, SENTENCE_MAX);
    if (*s->rollout) {
        buf_printf(&b, "rollout %s", s->rollout);
        if (*id.name || *id.release)
            buf_printf(&b, " (%s%s%s)", id.name,
                       *id.name && *id.release ? ", release "
                       : *id.release           ? "release "
                                               : "",
                       id.release);
    } else if (*s->fleet && *s->verb && strcmp(s->verb, "none") != 0) {
        buf_adds(&b, "every rollout");
    }
    if (*s->fleet)
        buf_printf(&b, "%sthe fleet %s", b.len ? " of " : "", s->fleet);
    if (*s->wave)
        buf_printf(&b, ", wave %s", s->wave);
    const char *text = arena_strdup(a, b.len ? b.data : "");
    buf_release(&b);
    return text;
}

/* "roll back", "acknowledge the halt of", for the entry's verb; the word itself where it is none that andon knows. */
static const char *doing(const struct stored *s, struct arena *a)
{
    enum verb v = verb_from_word(s->verb);
    char *title;
    if (v == VERB_NONE)
        return *s->verb ? s->verb : "do something with";
    title = arena_strdup(a, v == VERB_HALT ? "halt" : verb_row(v)->title);
    title[0] = title[0] >= 'A' && title[0] <= 'Z' ? (char)(title[0] + 32) : title[0];
    return title;
}

static const char *step_text(const struct stored *s, struct arena *a);

static const char *word(const struct stored *s, struct arena *a, const char *name)
{
    const struct {
        const char *name, *text;
    } words[] = {{"result", s->result},   {"reason", s->reason}, {"before", s->before}, {"after", s->after},
                 {"rollout", s->rollout}, {"fleet", s->fleet},   {"wave", s->wave},     {"kind", s->kind}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(name, words[i].name) == 0)
            return words[i].text;
    }
    if (strcmp(name, "who") == 0)
        return who(s, a);
    if (strcmp(name, "do") == 0)
        return doing(s, a);
    if (strcmp(name, "object") == 0)
        return entry_object(s, a);
    if (strcmp(name, "stepped") == 0)
        return step_text(s, a);
    if (strncmp(name, "h.", 2) == 0)
        return entry_host(s, a, name + 2);
    return entry_value(a, name, stored_field(s, name));
}

/* Fills in a sentence: {name} is a word of the entry or one of its fields; what stands in [ ] is left out when one of
 * its names says nothing. Groups do not nest. */
static void fill(const struct stored *s, struct arena *a, const char *text, struct buf *out)
{
    size_t group = 0;
    bool in_group = false, empty = false;
    for (const char *p = text; *p; p++) {
        if (*p == '[') {
            group = out->len;
            in_group = true;
            empty = false;
        } else if (*p == ']') {
            if (empty) {
                out->len = group;
                out->data[group] = '\0';
            }
            in_group = false;
        } else if (*p == '{') {
            size_t n = strcspn(p + 1, "}");
            const char *value = word(s, a, arena_strndup(a, p + 1, n));
            empty = empty || !*value;
            buf_adds(out, *value || in_group ? value : "(not told)");
            p += n + 1;
        } else {
            buf_addc(out, *p);
        }
    }
}

/* --- what each kind of entry says ----------------------------------------------------------------------------------
 */

/* All rows that fit an entry are said, in order. NULL fits any. A field fits when it says something, or with '=' when
 * it says that; with '!' in front when not. */
static const struct saying {
    const char *kind, *result, *field;
    const char *text;
} sayings[] = {
    {"genesis", NULL, NULL,
     "The log begins with this entry: its name is {origin}, and its entries are signed by the "
     "key {vkey}."},
    {"genesis", NULL, "key=new", "The key was made with the log."},
    {"genesis", NULL, "key=was-there", "The key was there before the log: there may have been another log before it."},
    {"session", "started", NULL,
     "{who} began to work[ on {object}][, by the policy {policy}]"
     "[ (its digest: {policy.digest})][; the policy's text is the blob {policy.blob}]."},
    {"session", "started", "judge=true", "It judges what telemetry shows."},
    {"session", "started", "judge=false", "It judges nothing, it only does what it is asked to do."},
    {"session", "ended", NULL, "{who} ended the work[ on {object}]."},
    {"intent", NULL, NULL, "{who} asked to {do} {object}[; before, the server showed it as {before}]."},
    {"intent", NULL, NULL, "This was written before anything was sent."},
    {"halt", NULL, "!from.log", "{who} asked to {do} {object}[; before, the server showed it as {before}]."},
    {"halt", NULL, "from.log",
     "{who} halted {object}, as the host {from.host} has it in its log {from.log} as entry "
     "{from.seq}. It stays halted here as well until somebody acknowledges it."},
    {NULL, NULL, "approval.by", "On the server, {approval.by} had approved it[, with the remark: {approval.remark}]."},
    {"outcome", NULL, NULL, "What {who} asked for, to {do} {object}, ended with the result {result}[: {text}]."},
    {"recovered", NULL, NULL,
     "Something was left open, to {do} {object}; {who} looked what became of it: {result}"
     "[, {text}]."},
    {"outcome", NULL, NULL, "[Before, the server showed it as {before}.]"},
    {"outcome", NULL, NULL, "[Afterwards it showed {after}.]"},
    {"recovered", NULL, NULL, "[The server shows it as {after}.]"},
    {"halt", NULL, "stop", "It was to be stopped for good, not only paused, in the way: {stop}."},
    {"step", NULL, "runbook.step", "{who} noted the step {runbook.step} of a runbook[ for {object}]."},
    {"step", NULL, "runbook.expected", "Expected was: {runbook.expected}."},
    {"step", NULL, "runbook.observed", "Observed was: {runbook.observed}."},
    {"step", "skipped", NULL, "The step was skipped, because: {runbook.skipped}."},
    {"step", "escalated", NULL, "The server did not show the halt of {object} in time; andon goes on trying."},
    {"step", "sent", NULL, "An answer came when it was told already how it ended, to {do} {object}."},
    {"step", "note-written", NULL, "A note on the server was written, about {object}."},
    {"step", "note-removed", NULL, "A note on the server was removed, about {object}."},
    {"step", "note-failed", NULL, "A note on the server could not be written, about {object}[: {text}]."},
    {"step", NULL, "step", "A step of what {who} asked for, to {do} {object}, is done: {stepped}."},
    {"approval", NULL, "!approval.key", "{who} approved[ of {object}]."},
    {"approval", NULL, "approval.key",
     "{approval.principal} approved to {do} {object}, signed with the SSH key {approval.key}, good until "
     "{approval.expires}. {who} brought it into the log."},
    {"intent", NULL, "approvals", "It went by the signed approvals of {approvals.people}, entries {approvals}."},
    {"ack", NULL, "!from.log",
     "{who} acknowledged the halt of {object}[; it lifts the halts with the numbers {lifts}]."},
    {"ack", NULL, "from.log", "{who} acknowledged the halt of {object}, as the host {from.host} has it in its log."},
    {"watch", NULL, NULL, "By {who}, what is done about {object} went from {before} to {after}."},
    {"watch", NULL, "dry_run", "The rule is only tried: it would have asked for {dry_run}."},
    {"refused", NULL, NULL, "andon refused when {who} asked to {do} {object}[: {why}]."},
    {"degraded", "set-aside", NULL,
     "In the spool there was something that is no record; it was kept aside[: {reason}]."},
    {"degraded", "witness-forgot", NULL,
     "The witness {witness} has lost its memory: it had signed for {witness.had} entries, and showed {witness.size}."},
    {"degraded", NULL, "witness",
     "The witness {witness} has signed {witness.size} entries of this log that are not these."},
    {"degraded", NULL, "degraded.us",
     "The log could not be written for {degraded.us}[: {cause}]. Entries lost: {lost}."},
    {"clock-step", NULL, NULL,
     "The wall clock of the host was set, by {by}; it then showed {real}[, and the fleet "
     "server's {server.real}]."},
    {"receipt", NULL, "stamp",
     "The time stamp authority {stamp} has stamped the log's first {size} entries, with the root "
     "{root}."},
    {"export", NULL, NULL,
     "{who} exported the log: {shown} of {size} entries, in a folder whose manifest has the SHA-256 "
     "{manifest.sha256}."},
    {"redact", NULL, NULL,
     "{who} erased {values} values of {entries} entries, of these kinds: {what}[; chosen: {selected}][, because: "
     "{reason}]. Which they were is in the blob {erased.blob}; no leaf changed."},
    {"verify", NULL, NULL, "{who} verified the log's first {size} entries; their root is {root}."},
    {"receipt", NULL, "witness",
     "The witness {witness} has signed the log's first {size} entries, with the root {root}."},
    {"plan", "created", NULL,
     "{who} made a plan of waves that andon keeps, {object}: [{devices} devices in {waves} waves get {release}; ]it is "
     "the blob {plan.blob}."},
    {"plan", "opened", NULL, "{who} let {wave} of {object} begin[: {reason}]."},
    {"plan", "paused", NULL, "{who} paused {object}: no more devices are told[. {reason}]."},
    {"plan", "resumed", NULL, "{who} let {object} go on."},
    {"plan", "stopped", NULL, "{who} stopped {object} for good[, in the way {stop}][: {reason}]."},
    {"plan", "finished", NULL, "Every device of {object} has answered."},
    {"tell", "telling", NULL,
     "{devices} devices of {wave} of {object}, from number {first} on, were about to be told, under the key {key}. "
     "Where an earlier entry says so of one of them, or the plan was not running, this claim is void."},
    {"tell", "told", NULL,
     "The server's answer about the devices under the key {key}, a letter for each (d told, r refused, n not sent, ? "
     "not known): {outcomes}[. {reason}]."},
    {"tell", "read", NULL,
     "The answer about the devices under the key {key} was lost; the server shows of them (d that it was told, m that "
     "it was not, - not asked): {outcomes}."},
    {"tell", "recalling", NULL, "The devices under the key {key} of {object} were about to be recalled."},
    {"tell", "recalled", NULL,
     "The server's answer about recalling the devices under the key {key} (d recalled, f by force, r not, ? not "
     "known): "
     "{outcomes}."},
    {"plan", NULL, "!process", "Which process it was is not told."},
    {"intel", "imported", NULL,
     "{who} took in what {source} says of vulnerabilities: {records} records[, the newest of {newest}][; what was read "
     "has the SHA-256 {sha256}]."},
    {"intel", "refused", NULL,
     "What {source} says of vulnerabilities was not taken in[: {why}]; what was there stays."},
    {"vex", "added", NULL,
     "{who} said of {vulnerability} in {product}: {status}[, {justification}]. The statement is the blob {vex.blob}."},
    {"vex", "ended", NULL, "{who} took back what entry {ends} says of {vulnerability} in {product}."},
    {"accept", "accepted", NULL,
     "{who} accepted the risk of {vulnerability}[ in the release {release}] until {until}[; what is done instead: "
     "{control}]."},
    {"accept", "ended", NULL,
     "{who} no longer accepts the risk of {vulnerability}[ in the release {release}], entry {ends}."},
    {"cra", "proposed", NULL,
     "A release of the maker's own is affected by {vulnerability}, which is exploited: andon proposed to declare that "
     "the maker is aware. This declares nothing."},
    {"cra", "aware", NULL,
     "{who} declared that the maker is aware of {vulnerability} being exploited since {at}[, by the word of "
     "{declared.by}][; andon had proposed it at {proposed_at}]."},
    {"cra", "measure", NULL, "{who} declared that a measure against {vulnerability} is available since {at}."},
    {"cra", "sent", NULL,
     "{who} says that the {stage} about {vulnerability} was sent at {at}[, under the reference {reference}][; its text "
     "has the SHA-256 {sha256}]."},
    {"report", NULL, NULL,
     "{who} had the report {result} written; it has the SHA-256 {sha256}[, from the data {sources}]."},
    {"config", "ledger", NULL,
     "The trial of {object} claims its share of the chance of a false halt. Stages that have "
     "begun: {begun}. Its tests: {tests}."},
    {"config", "placebo", NULL, "The placebo test of {object} came out as: {placebo}."},
    {"config", "policy-refused", NULL,
     "A policy for {object} was not heeded, because it differs from what its trial was "
     "begun with: {differs}."},
    {"evidence", "halt", NULL, "The devices of {object} when the halt came: {devices}."},
    {"evidence", "wave-ended", NULL, "The devices of {object} when the wave had ended: {devices}."},
    {"evidence", "rollback-begins", NULL, "The devices of {object} before the roll back began: {devices}."},
    {"evidence", "rollback-ended", NULL, "The devices of {object} when the roll back had ended: {devices}."},
    {"evidence", NULL, NULL, "[Which they are and what each of them runs is in the blob {devices.blob}.]"},
    {"config", "hold", "hold", "{who} put the hold {hold} upon older files of the log[: {reason}]."},
    {"config", "hold-removed", "hold", "{who} took the hold {hold} from older files of the log[: {reason}]."},
    {"config", "removed", "removed.file",
     "{who} removed the file {removed.file} of the log, entries {removed.from} to {removed.to}, under the rule "
     "{rule}[: "
     "{reason}]."},
    {"config", "policy", NULL, "A policy is in force[ for {object}]; its text is the blob {policy.blob}."},
    {"notice", "raised", NULL, "People were to be told of {object}: {notice}."},
    {"notice", "resolved", NULL, "People were to be told that it is over, of {object}: {notice}."},
    {"notice", "ok", NULL, "The receiver {target} was told of {object}: {notice}. Tries: {tries}."},
    {"notice", "failed", NULL, "The receiver {target} could not be told of {object}: {notice}. Tries: {tries}."},
    {"notice", "silenced", NULL, "{who} silenced the notices[ of {object}] until {until}. Halts still happen."},
    {"notice", "unsilenced", NULL, "{who} ended the silence[ of {object}]."},
    {NULL, NULL, "http.method",
     "Sent was: {http.method} {http.path}[, with a body of the SHA-256 {http.body_sha256}]."},
    {NULL, NULL, "http.method", "[The server answered {http.status}.][ Its clock showed {http.date}.]"},
    {NULL, NULL, "http.error", "No answer came: {http.error}."},
    {NULL, NULL, "requests.blob", "What was sent is in the blob {requests.blob}; requests: {requests}."},
    {"damaged", NULL, NULL, "This entry cannot be read."},
};

/* What a step of a roll back did, by its word. */
static const struct saying steps[] = {
    {"target", NULL, NULL, "goes back to {to.name}:{to.version}"},
    {"pause", NULL, NULL, "the server shows the rollout as {after}"},
    {"snapshot", NULL, NULL, "{devices} devices were told and go back to {to.name}:{to.version}"},
    {"auto-assign", NULL, NULL, "automatic assignments switched off: {auto.off}"},
    {"stop", NULL, NULL, "the server shows the rollout as {after}"},
    {"drain", NULL, NULL, "devices that had not answered the recall: {draining}"},
    {"create", NULL, NULL,
     "rollout {rollback.name} (number {rollback.id}) for {rollback.devices} devices: {rollback.how}"},
    {"start", NULL, NULL, "rollout {rollback.name} is {rollback.state} on the server"},
    {"verify", NULL, NULL,
     "{verified} of {devices} devices verified, {failed} failed, {offline} offline[; left: {left}]"},
    {"repair", NULL, NULL, "devices that were left are told one by one[; told: {repaired}]"},
};

static bool field_fits(const struct stored *s, const char *f)
{
    if (!f)
        return true;
    bool no = *f == '!';
    f += no;
    size_t n = strcspn(f, "=");
    struct arena a;
    arena_init(&a);
    const char *value = stored_field(s, arena_strndup(&a, f, n));
    bool fits = f[n] ? strcmp(value, f + n + 1) == 0 : *value != '\0';
    arena_release(&a);
    return fits != no;
}

/* "snapshot: 20 devices were told and go back to hearth:4.11.9" */
static const char *step_text(const struct stored *s, struct arena *a)
{
    const char *step = stored_field(s, "step");
    struct buf b;
    buf_init(&b, SENTENCE_MAX);
    buf_adds(&b, step);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (strcmp(step, steps[i].kind) == 0) {
            buf_adds(&b, ": ");
            fill(s, a, steps[i].text, &b);
        }
    }
    const char *text = arena_strdup(a, b.data);
    buf_release(&b);
    return text;
}

static const char *runbook_text(const struct stored *s, struct arena *a)
{
    struct buf b;
    buf_init(&b, SENTENCE_MAX);
    fill(s, a,
         *stored_field(s, "runbook.skipped") ? "{runbook.step}: {runbook.skipped}"
                                             : "{runbook.step}: {runbook.observed}[; expected: {runbook.expected}]",
         &b);
    const char *text = arena_strdup(a, b.data);
    buf_release(&b);
    return text;
}

void entry_words(const struct stored *s, struct arena *a, struct entry_words *out)
{
    const char *text = stored_field(s, "text");
    bool step = strcmp(s->kind, "step") == 0;

    out->who = *s->actor ? s->actor : "andon";
    out->action = *s->verb && strcmp(s->verb, "none") != 0 ? s->verb : s->kind;
    if (*s->rollout)
        out->object = *s->wave ? arena_printf(a, "%s W%s", s->rollout, s->wave) : s->rollout;
    else
        out->object = s->fleet;
    out->result = *s->result ? s->result : strcmp(s->kind, "intent") == 0 ? "asked" : "";
    /* What a step did says more than the reason of the whole, which its intent has. */
    if (step && *stored_field(s, "runbook.step"))
        out->because = runbook_text(s, a);
    else if (step && *text)
        out->because = text;
    else if (step && *stored_field(s, "note.key"))
        out->because = arena_printf(a, "the note %s", stored_field(s, "note.key"));
    else if (step && *stored_field(s, "step"))
        out->because = step_text(s, a);
    else
        out->because = *s->reason ? s->reason : *text ? text : stored_field(s, "why");
}

const char *entry_sentence(const struct stored *s, struct arena *a)
{
    struct buf b, one;
    buf_init(&b, SENTENCE_MAX);
    buf_init(&one, SENTENCE_MAX);
    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++) {
        const struct saying *y = &sayings[i];
        if ((y->kind && strcmp(y->kind, s->kind) != 0) || (y->result && strcmp(y->result, s->result) != 0) ||
            !field_fits(s, y->field))
            continue;
        buf_clear(&one);
        fill(s, a, y->text, &one);
        buf_printf(&b, "%s%s", b.len && one.len ? " " : "", one.data);
    }
    if (b.len == 0)
        fill(s, a, "An entry of the kind {kind}[ with the result {result}], by {who}[, about {object}].", &b);
    /* A watch's or a halt's reason is a sentence of its own, and so is a person's. */
    if (*s->reason && !strstr(b.data, s->reason))
        buf_printf(&b, " Because: %s%s", s->reason, ends_with(s->reason, ".") ? "" : ".");
    if (b.data[0] >= 'a' && b.data[0] <= 'z' && strncmp(b.data, "the rule ", 9) == 0)
        b.data[0] = 'T';
    const char *text = arena_strdup(a, b.data);
    buf_release(&one);
    buf_release(&b);
    return text;
}

const char *entry_source(const struct stored *s, struct arena *a)
{
    static const char *const texts[] = {
        "The kernel of the host [{h.kernel.host}]: user number {h.kernel.uid}",
        "[, logged in as number {h.kernel.loginuid}]",
        "[, process {h.kernel.pid}]",
        "[, terminal {h.kernel.tty}]",
        ".",
        "[ The user database calls that user {h.names.user}.]",
        "[ Was the wall clock held to a reference: {h.clock.sync}.]",
        "[ By their own word, and not proved, the operator is {h.claimed.operator}.]",
        "[ Claimed by the environment, and not proved: connected by {h.claimed.ssh_connection}.]",
        "[ Claimed by the environment, and not proved: sudo for {h.claimed.sudo_user}.]",
    };
    struct buf b;
    if (!*entry_host(s, a, "kernel.uid"))
        return "The entry does not say who wrote it.";
    buf_init(&b, SENTENCE_MAX);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        fill(s, a, texts[i], &b);
    const char *text = arena_strdup(a, b.data);
    buf_release(&b);
    return text;
}
