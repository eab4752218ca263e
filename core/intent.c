/* Intents: may this verb go ahead now? Every refusal says what is in the way and what would lift it. */
#include "core/intent.h"

#include <stdio.h>
#include <string.h>
#include "core/approval.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/verdict.h"

int64_t wave_told(const struct wave *w)
{
    if (w->counts.known) {
        int64_t told = w->total - w->counts.notstarted - w->counts.scheduled;

        return told > 0 ? told : 0;
    }
    return w->state == WAVE_RUNNING || w->state == WAVE_FINISHED || w->state == WAVE_ERROR ? w->total : 0;
}

bool intent_has_wave(const struct intent *in, int index)
{
    if (in->all_waves)
        return true;
    return index >= 0 && index < WAVES_MAX && (in->wave_mask[index / 64] >> (index % 64) & 1) != 0;
}

int64_t rollback_scope(const struct intent *in, const struct verb_facts *f)
{
    int64_t n = 0;

    for (size_t i = 0; i < f->n_waves; i++)
        if (intent_has_wave(in, f->waves[i].index))
            n += wave_told(&f->waves[i]);
    return n;
}

const struct wave *next_wave(const struct verb_facts *f)
{
    for (size_t i = 0; i < f->n_waves; i++)
        if (f->waves[i].state == WAVE_SCHEDULED)
            return &f->waves[i];
    return NULL;
}

/* The wave that was started last. */
static const struct wave *current_wave(const struct verb_facts *f)
{
    for (size_t i = f->n_waves; i > 0; i--)
        if (f->waves[i - 1].state == WAVE_RUNNING || f->waves[i - 1].state == WAVE_FINISHED ||
            f->waves[i - 1].state == WAVE_ERROR)
            return &f->waves[i - 1];
    return NULL;
}

static bool wave_busy(const struct wave *w)
{
    return w->state == WAVE_RUNNING && (!w->counts.known || w->counts.running + w->counts.scheduled > 0);
}

/* "4471 is paused: only a rollout that is ready can be started". */
static bool wrong_state(const struct verb_facts *f, struct err *why, const char *next, const char *needs)
{
    const struct rollout *r = f->rollout;
    const char *word = r->state == ROLLOUT_UNKNOWN && *r->state_word ? r->state_word : rollout_state_word(r->state);

    return err_set(why, ERR_STATE, next, "%s is %s: %s", r->id, word, needs);
}

static bool no_cap(struct err *why, const char *next, const char *what)
{
    return err_set(why, ERR_UNSUPPORTED, next, "this server cannot %s", what);
}

static bool check_halt(const struct intent *in, const struct verb_facts *f, struct err *why)
{
    const struct rollout *r = f->rollout;

    if (f->read_only && in->actor.kind == ACTOR_RULE)
        return err_set(why, ERR_REFUSED, "A person may still halt it.",
                       "read-only: rule %s would have halted %s, but only says so", in->rule, in->rollout);
    if (!r) {
        if (!*in->rollout)
            return true; /* all of the fleet: whatever there is */
        if (f->fresh)
            return err_set(why, ERR_NOT_FOUND, "Look for its id on the board.", "there is no rollout %s on this server",
                           in->rollout);
        return true; /* nobody can say that it is not there */
    }
    /* Old data may call a rollout ended that somebody has started again in another form; only fresh data refuses. */
    if (f->fresh && (r->deleted || !state_in(verb_row(VERB_HALT)->from, r->state)))
        return wrong_state(f, why, "To bring its devices back, roll it back.", verb_row(VERB_HALT)->needs);
    return true;
}

/* A rule whose cause has passed may end what it has done, where the policy says so. */
static bool passed(const struct intent *in, const struct verb_facts *f)
{
    return f->policy && f->policy->lost_resume && verdict_rule_passes(in->rule) &&
           (in->verb == VERB_RESUME || in->verb == VERB_ACK);
}

/* What all verbs but the halt need, in the order in which it helps to hear about it. */
static bool check_common(const struct intent *in, const struct verb_facts *f, struct err *why)
{
    char age[FMT_MAX], limit[FMT_MAX];

    if (f->read_only)
        return err_set(why, ERR_REFUSED, "Halt is still possible. Open the console without read-only for the rest.",
                       "read-only: %s is refused", verb_word(in->verb));
    if (!f->fresh && (verb_changes_devices(in->verb) || f->data_age == TIME_NEVER)) {
        if (f->data_age == TIME_NEVER)
            return err_set(why, ERR_REFUSED, "Halt is still possible. `andon doctor` tells what is wrong.",
                           "%s is refused: the server has not answered yet", verb_word(in->verb));
        return err_set(why, ERR_REFUSED, "Refresh (Ctrl-R) or wait until the server answers. Halt is still possible.",
                       "%s is refused: what the server said is %s old, more than %s", verb_word(in->verb),
                       fmt_dur(age, f->data_age), fmt_dur(limit, f->fresh_us));
    }
    if (f->log_doubt && *f->log_doubt)
        return err_set(why, ERR_REFUSED, "docs/audit.md, \"When a witness contradicts\". Halt is still possible.",
                       "%s is refused: %.240s", verb_word(in->verb), f->log_doubt);
    if (!f->log_ok && f->log_tampered)
        return err_set(why, ERR_REFUSED, "Look what was done to it: andon audit verify. Halt is still possible.",
                       "%s is refused: the audit log is tampered with", verb_word(in->verb));
    if (!f->log_ok)
        return err_set(why, ERR_REFUSED, "Make the log writable (`andon doctor`). Halt is still possible.",
                       "%s is refused: the audit log cannot be written", verb_word(in->verb));
    if (f->log_backlog)
        return err_set(why, ERR_REFUSED, "Wait until they are in the log. Halt is still possible.",
                       "%s is refused: entries are waiting to be logged late", verb_word(in->verb));
    if (in->actor.kind == ACTOR_RULE && !verb_row(in->verb)->by_rule && !passed(in, f))
        return err_set(why, ERR_REFUSED, "A person must do it.", "a rule may halt, pause and roll back, not %s",
                       verb_word(in->verb));
    if (!f->rollout && (*in->rollout || in->verb != VERB_ACK))
        return err_set(why, ERR_NOT_FOUND, "Look for its id on the board.", "there is no rollout %s on this server",
                       *in->rollout ? in->rollout : "named");
    return true;
}

static bool check_ack(const struct intent *in, const struct verb_facts *f, struct err *why)
{
    if (f->rollout && !f->latched)
        return err_set(why, ERR_STATE, "", "%s is not halted: there is nothing to acknowledge", in->rollout);
    return true;
}

static bool told_anything(const struct verb_facts *f)
{
    if (f->n_waves == 0) {
        const struct counts *c = &f->rollout->counts;

        return !c->known || f->rollout->total - c->notstarted - c->scheduled > 0;
    }
    for (size_t i = 0; i < f->n_waves; i++)
        if (wave_told(&f->waves[i]) > 0)
            return true;
    return false;
}

/* A person confirms only what the server was asked for and has. For a rule, the roll back itself asks first. */
static bool check_target(const struct intent *in, const struct verb_facts *f, const char *to, struct err *why)
{
    const struct rollback_target *t = f->target;

    if (!t || in->actor.kind == ACTOR_RULE)
        return true;
    if (strcmp(to, "previous") == 0)
        return err_set(why, ERR_REFUSED, "Wait until the devices have been read, or name it as name:version.",
                       "it is not known which release the devices came from");
    if (!t->name || strcmp(t->name, to) != 0 || t->state == TARGET_ASKING)
        return err_set(why, ERR_REFUSED, "Wait a moment.",
                       "whether this server has the release %.200s is not known yet", to);
    switch (t->state) {
    case TARGET_MISSING:
        return err_set(why, ERR_REFUSED, "Look for its exact name and version on the server.",
                       "there is no release %.200s on this server", to);
    case TARGET_BARRED:
        return err_set(why, ERR_STATE, "Name another release.", "%s", t->why);
    case TARGET_UNKNOWN:
        return err_set(why, ERR_REFUSED, "`andon doctor` tests the connection.",
                       "whether this server has the release %.120s is not known: %s", to, t->why);
    case TARGET_ASKING:
    case TARGET_FOUND:
        break;
    }
    return true;
}

static bool check_rollback(const struct intent *in, const struct verb_facts *f, struct err *why)
{
    const struct rollout *r = f->rollout;
    char a[FMT_MAX], b[FMT_MAX];
    int64_t scope;

    if (!state_in(verb_row(VERB_ROLLBACK)->from, r->state)) {
        if (r->state == ROLLOUT_DELETING || r->state == ROLLOUT_DELETED)
            return wrong_state(f, why, "Make a new rollout of the old release on the server.",
                               "which devices it told cannot be read any more");
        return wrong_state(f, why, "", "no device was told, there is nothing to roll back");
    }
    if (r->deleted)
        return err_set(why, ERR_STATE, "Make a new rollout of the old release on the server.",
                       "%s is deleted: which devices it told cannot be read any more", r->id);
    if (f->rollback_running)
        return err_set(why, ERR_STATE, "Halt stops it at any moment.", "a roll back of %s is already under way", r->id);
    if (f->n_waves == 0)
        return err_set(why, ERR_REFUSED, "Open the rollout, or wait a moment.",
                       "the waves of %s have not been read yet", r->id);
    if (!told_anything(f))
        return err_set(why, ERR_STATE, "", "%s has told no device: there is nothing to roll back", r->id);
    scope = rollback_scope(in, f);
    if (scope == 0)
        return err_set(why, ERR_STATE, "Choose a wave that was told, or all of them.",
                       "none of the chosen waves of %s was told", r->id);
    if (!*in->reason)
        return err_set(why, ERR_REFUSED, "Say why; it goes into the audit log.", "a roll back needs a reason");
    if (!*in->to_release && (!f->policy || !f->policy->rollback_to || !*f->policy->rollback_to))
        return err_set(why, ERR_REFUSED, "Name it as name:version.",
                       "neither the policy nor the command says which release to go back to");
    if (!check_target(in, f, *in->to_release ? in->to_release : f->policy->rollback_to, why))
        return false;
    if (in->expect_devices >= 0 && in->expect_devices != scope)
        return err_set(why, ERR_CONFLICT, "Look at the new preview and confirm again.",
                       "%s devices were confirmed, but now it would be %s", fmt_count(a, in->expect_devices),
                       fmt_count(b, scope));
    return true;
}

/* Gates of whatever makes more devices get the release: `verdict` must be better than `worst`. */
static bool check_verdict(const struct intent *in, enum reaction verdict, enum reaction worst, struct err *why)
{
    if (verdict >= worst)
        return err_set(why, ERR_REFUSED, "Look at the wave's health; the rule would stop it again at once.",
                       "%s is refused: the verdict on %s is %s", verb_word(in->verb), in->rollout,
                       reaction_word(verdict));
    return true;
}

static bool check_advance(const struct intent *in, const struct verb_facts *f, struct err *why)
{
    const struct wave *next, *now = current_wave(f);
    bool trigger = (f->caps & CAP_TRIGGER_NEXT) != 0;
    enum rollout_state s = f->rollout->state;
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX];

    if (s == ROLLOUT_PAUSED && !f->held_by_andon)
        return wrong_state(f, why, "Resume it.", "andon does not hold it, somebody else has paused it");
    if (s == ROLLOUT_RUNNING && !trigger)
        return no_cap(why, "Pause it; when the wave has ended, advance starts the next one.",
                      "start a wave on request");
    if (f->n_waves == 0)
        return err_set(why, ERR_REFUSED, "Open the rollout, or wait a moment.",
                       "the waves of %s have not been read yet", in->rollout);
    next = next_wave(f);
    if (!next)
        return err_set(why, ERR_STATE, "", "no wave of %s is left to start", in->rollout);
    if (!trigger && now && wave_busy(now))
        return err_set(why, ERR_STATE, "Wait until its devices have answered.",
                       "wave W%d still runs, and this server starts W%d only after it", now->index, next->index);
    if (f->policy && now && f->wave_running_for < f->policy->bake_us)
        return err_set(why, ERR_REFUSED, "Wait; the policy sets the time.", "W%d has run for %s of %s: %s to go",
                       now->index, fmt_dur(a, f->wave_running_for), fmt_dur(b, f->policy->bake_us),
                       fmt_dur(c, f->policy->bake_us - f->wave_running_for));
    if (f->hours_left > 0)
        return err_set(why, ERR_REFUSED, "Wait; the policy sets the watch that a wave needs.",
                       "%s has %s device-hours of watch to go", in->rollout, fmt_num(a, f->hours_left));
    if (f->data_missing)
        return err_set(why, ERR_REFUSED, "`andon doctor` tests the telemetry source.",
                       "%s is refused: the telemetry of %s is missing, and missing data is never health",
                       verb_word(in->verb), in->rollout);
    return check_verdict(in, f->verdict, REACT_HOLD, why);
}

static bool check_retry(const struct verb_facts *f, struct err *why)
{
    const struct rollout *r = f->rollout;

    if (r->counts.known && r->counts.error == 0)
        return err_set(why, ERR_STATE, "", "no device of %s failed: there is nothing to retry", r->id);
    return true;
}

/* What helps a verb that the rollout's state does not allow, "" = nothing. */
static const char *way_out(enum verb v, enum rollout_state s)
{
    static const struct {
        enum verb verb;
        enum rollout_state state;
        const char *text;
    } ways[] = {{VERB_START, ROLLOUT_WAITING_APPROVAL, "Approve it first."},
                {VERB_START, ROLLOUT_PAUSED, "Resume it."},
                {VERB_ADVANCE, ROLLOUT_READY, "Start it."},
                {VERB_PAUSE, ROLLOUT_STARTING, "Halt pauses it as soon as it runs."},
                {VERB_RESUME, ROLLOUT_STOPPED, "A stopped rollout cannot be resumed; make a new one."},
                {VERB_APPROVE, ROLLOUT_DENIED, "A denial is final; make a new rollout."},
                {VERB_DENY, ROLLOUT_DENIED, "A denial is final; make a new rollout."}};

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (ways[i].verb == v && ways[i].state == s)
            return ways[i].text;
    return "";
}

/* The server's state and what it can do, by the table; then what only this verb asks for. */
static bool check_by_verb(const struct intent *in, const struct verb_facts *f, struct err *why)
{
    const struct verb_row *row = verb_row(in->verb);
    enum rollout_state s = f->rollout->state;

    if (row->cap != 0 && !(f->caps & row->cap))
        return no_cap(why, row->instead, row->cannot);
    if (!state_in(row->from, s))
        return wrong_state(f, why, way_out(in->verb, s), row->needs);
    if (row->reason == REASON_NEEDED && !*in->reason && !*in->remark)
        return err_set(why, ERR_REFUSED, "Say why; the server keeps it as the remark.", "a denial needs a reason");
    switch (in->verb) {
    case VERB_RESUME:
        return check_verdict(in, f->on_resume, REACT_PAUSE, why);
    case VERB_ADVANCE:
        return check_advance(in, f, why);
    case VERB_RETRY:
        return check_retry(f, why);
    case VERB_START:
    case VERB_PAUSE:
    case VERB_APPROVE:
    case VERB_DENY:
        return true;
    case VERB_NONE:
    case VERB_HALT:
    case VERB_ROLLBACK:
    case VERB_ACK:
    case VERB_COUNT:
        break;
    }
    return err_set(why, ERR_INTERNAL, "", "verb %s has no rule", row->word);
}

static bool check_latch(const struct intent *in, const struct verb_facts *f, struct err *why)
{
    const char *word = verb_word(in->verb);

    if (f->stop == STOP_CLAIMED || f->stop == STOP_CLAIM_RUN)
        return err_set(why, ERR_REFUSED, "Ask who it names; when that is settled, acknowledge it here.",
                       "%s is refused: a note on the server says %s is halted; no known key has signed it, and nobody "
                       "has acknowledged it here",
                       word, in->rollout);
    if (f->stop == STOP_LIFTING)
        return err_set(why, ERR_REFUSED, "Wait until the server shows it halted.",
                       "%s is refused: the acknowledged halt of %s is still on its way", word, in->rollout);
    if (f->latched)
        return err_set(why, ERR_REFUSED, "Acknowledge the halt first, or roll back.",
                       "%s is refused: %s is halted and nobody has acknowledged it", word, in->rollout);
    if (f->notes_unread)
        return err_set(why, ERR_REFUSED, "Try again when the server lets them be read (`andon doctor`).",
                       "%s is refused: whether another console has halted %s is not known, its notes on the server "
                       "cannot be read",
                       word, in->rollout);
    return true;
}

enum strength intent_strength(const struct intent *in, const struct verb_facts *f)
{
    bool by_policy = in->verb == VERB_HALT && f->policy && f->policy->halt_stops;

    return strength_can(in->strength == STRENGTH_POLICY && by_policy ? STRENGTH_SOFT : in->strength, f->caps);
}

enum verb_reason verb_reason_by(enum verb v, const struct policy *p)
{
    return p && (p->people.reasons >> v & 1) ? REASON_NEEDED : verb_row(v)->reason;
}

/* What the policy asks of people. */
static bool check_people(const struct intent *in, const struct verb_facts *f, struct err *why)
{
    const char *word = verb_word(in->verb);

    if (!f->policy || in->actor.kind == ACTOR_RULE)
        return true;
    if (f->policy->people.operator_named && !f->operator_named && !*in->actor.operator_name)
        return err_set(why, ERR_REFUSED, "Start andon with --operator NAME, or set ANDON_OPERATOR.",
                       "%s is refused: the policy asks who you are, since this account may be shared", word);
    if ((f->policy->people.reasons >> in->verb & 1) && !*in->reason && !*in->remark)
        return err_set(why, ERR_REFUSED, "Say why; it goes into the audit log.",
                       "%s is refused: the policy asks for a reason", word);
    return true;
}

bool verb_check(const struct intent *in, const struct verb_facts *f, struct err *why)
{
    const struct verb_row *row = verb_row(in->verb);

    if (row == verb_row(VERB_NONE))
        return err_set(why, ERR_INTERNAL, "", "there is no such verb");
    if (in->verb == VERB_HALT)
        return check_halt(in, f, why);
    if (!check_common(in, f, why) || !check_people(in, f, why))
        return false;
    if (in->verb == VERB_ACK)
        return check_ack(in, f, why);
    if (in->verb == VERB_ROLLBACK)
        return check_rollback(in, f, why);
    if (!row->past_latch && !check_latch(in, f, why))
        return false;
    if (f->rollback_running)
        return err_set(why, ERR_REFUSED, "Wait until it has ended; halt stops it.",
                       "%s is refused: a roll back of %s is under way", row->word, in->rollout);
    return check_by_verb(in, f, why) && approval_check(in, f, why);
}
