#include "engine/recover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/fmt.h"
#include "engine/worker.h"

#define REOPEN_US (5 * US_PER_S)
#define LOOK_US   (10 * US_PER_S)

static void ask_log(struct engine *en, void *arg);
static bool all_settled(struct engine *en);
static void look(struct engine *en, void *arg);

/* ---- which rollout the log means ---- */

static struct identity_mark mark_of(const struct stored *s)
{
    return (struct identity_mark){stored_identity(s), s->t};
}

/* Surely about the rollout that has the number now. */
static bool surely(const struct ro *ro, const struct stored *s)
{
    struct identity_mark m = mark_of(s);
    return ro_about(ro, &m) == IDENTITY_SAME;
}

/* That another rollout had its number is in the log once, by whoever watches. */
static void say_another(struct ro *ro)
{
    struct engine *en = ro->en;
    const struct job *j = en->recover.leftovers;
    struct entry e;
    bool said = !en->spec.judge;
    for (size_t i = 0; j && i < j->left.n_watches && !said; i++)
        said = strcmp(j->left.watches[i].result, "another-rollout") == 0 && surely(ro, &j->left.watches[i]);
    if (said)
        return;
    diary_entry(en, &e, ENTRY_WATCH, NULL, ro);
    e.result = "another-rollout";
    e.reason = "this is another rollout than the one that had its number before: was the server's database begun anew?";
    diary_write(en, &e, 0, NULL, NULL);
}

/* Surely about another one; that is said, once. */
static bool of_another(struct ro *ro, const struct stored *s)
{
    struct identity_mark m = mark_of(s);
    if (ro_about(ro, &m) != IDENTITY_OTHER) {
        ro_named(ro, &m);
        return false;
    }
    if (ro->facts.other_at == 0) {
        ro_had_other(ro);
        say_another(ro);
    }
    return true;
}

/* ---- reading the log ---- */

static void take_latched(struct engine *en, const struct leftovers *l)
{
    for (size_t i = 0; i < l->n_latched; i++) {
        const struct stored *s = &l->latched[i];
        char by[80];
        if (!*s->rollout || of_another(ro_get(en, s->rollout), s))
            continue;
        bool rule = strcmp(s->actor_kind, "rule") == 0;
        snprintf(by, sizeof by, "%s%s", rule ? "rule " : "", s->actor);
        ro_stop_latched(ro_get(en, s->rollout), by, s->reason, s->t, s->corr);
    }
}

/* Newest first: the first word about each rollout says whether andon holds it. */
static void take_holds(struct engine *en, const struct leftovers *l)
{
    for (size_t i = 0; i < l->n_recent; i++) {
        const struct stored *s = &l->recent[i];
        enum verb v = verb_from_word(s->verb);
        if (!*s->rollout || strcmp(s->result, "ok") != 0 ||
            (v != VERB_PAUSE && v != VERB_HALT && v != VERB_RESUME && v != VERB_ADVANCE && v != VERB_START))
            continue;
        struct ro *ro = ro_find(en, s->rollout);
        bool newest = ro && surely(ro, s);
        for (size_t k = 0; k < i && newest; k++) {
            enum verb w = verb_from_word(l->recent[k].verb);
            newest = strcmp(l->recent[k].rollout, s->rollout) != 0 || !surely(ro, &l->recent[k]) ||
                     (w != VERB_PAUSE && w != VERB_HALT && w != VERB_RESUME && w != VERB_ADVANCE && w != VERB_START);
        }
        if (!newest)
            continue;
        ro_stop_held(ro, (v == VERB_PAUSE || v == VERB_HALT) && !ro->stop.latched, s->actor);
    }
}

/* Oldest first. What a rule acknowledged says nothing about evidence. */
static void take_acks(struct engine *en, const struct leftovers *l)
{
    for (size_t i = l->n_acks; i > 0; i--) {
        const struct stored *s = &l->acks[i - 1];
        if (strcmp(s->actor_kind, "rule") == 0)
            continue;
        struct ro *ro = *s->rollout ? ro_find(en, s->rollout) : NULL;
        if (ro && surely(ro, s))
            trial_acked(ro, s->t);
    }
}

/* Holds and acknowledgements are of rollouts that the server shows: only of these is it known which ones they are. */
static void take_past(struct engine *en, const struct leftovers *l)
{
    if (!en->facts.rollouts_known || en->recover.past_taken)
        return;
    en->recover.past_taken = true;
    take_holds(en, l);
    take_acks(en, l);
}

static void open_session(struct engine *en)
{
    struct entry e;
    diary_entry(en, &e, ENTRY_SESSION, NULL, NULL);
    e.result = "started";
    entry_str(&e, "policy", en->policy->name);
    entry_str(&e, "policy.digest", en->policy->digest);
    entry_str(&e, "judge", en->spec.judge ? "true" : "false");
    diary_write(en, &e, 0, NULL, NULL);
}

static void log_read(struct engine *en, struct job *j)
{
    if (!j->ok) {
        diary_past_unread(en, &j->err);
        timer_set(en, now_of(en) + REOPEN_US, ask_log, NULL);
        verbs_queued(en);
        mark(en);
        return;
    }
    diary_past_read(en, j->left.verified, j->left.problem);
    en->recover.leftovers = j; /* freed when each of them is settled */
    take_latched(en, &j->left);
    take_past(en, &j->left);
    en->recover.recovered = true;
    open_session(en);
    if (en->facts.rollouts_known && all_settled(en))
        en->recover.leftovers = NULL;
    else
        j->flags |= DIARY_KEPT;
    verbs_queued(en);
    timer_set(en, now_of(en) + LOOK_US, look, NULL);
}

static void ask_log(struct engine *en, void *arg)
{
    (void)arg;
    struct job *j = job_new(JOB_RECOVER);
    j->fleet = arena_strdup(&j->arena, en->spec.fleet->name);
    diary_put(en, j, 0, log_read, NULL);
}

static void begin(struct engine *en)
{
    if (en->diary.scribe)
        ask_log(en, NULL);
    else
        en->recover.recovered = true;
}

/* ---- what became of it ---- */

static bool lives(const struct engine *en, const struct stored *s)
{
    int64_t pid = strtoll(stored_field(s, "pid"), NULL, 10);
    int64_t start = strtoll(stored_field(s, "pid_start"), NULL, 10);
    (void)en;
    if (pid <= 0 || pid == (int64_t)getpid())
        return false; /* an earlier engine of this process is gone by now */
    return process_start(pid) == start && start > 0;
}

enum became { APPLIED, NOT_APPLIED, CANNOT_TELL, ASK_LATER };

static enum became wave_became(const struct ro *ro, int wave)
{
    if (!ro->facts.waves_known)
        return ASK_LATER;
    if (wave < 0 || (size_t)wave >= ro->facts.n_waves)
        return CANNOT_TELL;
    switch (ro->facts.waves[wave].state) {
    case WAVE_RUNNING:
    case WAVE_FINISHED:
    case WAVE_ERROR:
        return APPLIED;
    case WAVE_SCHEDULED:
    case WAVE_READY:
        return NOT_APPLIED;
    case WAVE_UNKNOWN:
    case WAVE_CREATING:
        break;
    }
    return CANNOT_TELL;
}

static enum became became_of(const struct engine *en, const struct ro *ro, const struct stored *s)
{
    enum rollout_state st = ro->facts.r.state;
    bool begun = st == ROLLOUT_STARTING || st == ROLLOUT_RUNNING || st == ROLLOUT_PAUSED || st == ROLLOUT_FINISHED;
    const char *wave = stored_field(s, "target_wave");
    char retry[NAME_MAX_BYTES];
    switch (verb_from_word(s->verb)) {
    case VERB_START:
        return begun ? APPLIED : st == ROLLOUT_READY ? NOT_APPLIED : CANNOT_TELL;
    case VERB_PAUSE:
    case VERB_HALT:
        return st == ROLLOUT_PAUSED || rollout_state_ended(st) ? APPLIED : NOT_APPLIED;
    case VERB_RESUME:
        return st == ROLLOUT_RUNNING || st == ROLLOUT_FINISHED ? APPLIED
               : st == ROLLOUT_PAUSED                          ? NOT_APPLIED
                                                               : CANNOT_TELL;
    case VERB_ADVANCE:
        return wave_became(ro, *wave ? (int)strtol(wave, NULL, 10) : -1);
    case VERB_APPROVE:
        return begun || st == ROLLOUT_READY ? APPLIED : st == ROLLOUT_WAITING_APPROVAL ? NOT_APPLIED : CANNOT_TELL;
    case VERB_DENY:
        return st == ROLLOUT_DENIED ? APPLIED : st == ROLLOUT_WAITING_APPROVAL ? NOT_APPLIED : CANNOT_TELL;
    case VERB_RETRY:
        snprintf(retry, sizeof retry, "%s_retry", ro->facts.r.name);
        for (size_t i = 0; i < en->facts.n_ros; i++)
            if (strcmp(en->facts.ros[i]->facts.r.name, retry) == 0)
                return APPLIED;
        return NOT_APPLIED;
    case VERB_NONE:
    case VERB_ROLLBACK:
    case VERB_ACK:
    case VERB_COUNT:
        break;
    }
    return CANNOT_TELL;
}

static void settle(struct engine *en, const struct stored *s, enum became b)
{
    struct op *op = op_from_log(en, s);
    const char *state = op->ro && op->ro->facts.known ? op->ro->facts.r.state_word : "";
    char at[FMT_MAX];
    fmt_hms(at, s->t);
    if (b == APPLIED) {
        if (op->in.verb == VERB_PAUSE && op->ro)
            ro_stop_held(op->ro, op->ro->facts.r.state == ROLLOUT_PAUSED, NULL);
        op_outcome(en, op, OP_DONE, "applied", state, "",
                   "%s of %s was interrupted; the server shows that it took effect", verb_word(op->in.verb), at);
    } else if (b == NOT_APPLIED) {
        op_outcome(en, op, OP_FAILED, "not-applied", state, "Ask for it again if it is still wanted.",
                   "%s of %s was interrupted; the server shows that it did not take effect", verb_word(op->in.verb),
                   at);
    } else {
        op_outcome(en, op, OP_UNKNOWN, "unknown", state, "Look at the rollout on the server.",
                   "%s of %s was interrupted; what became of it cannot be told", verb_word(op->in.verb), at);
    }
}

/* Nothing is done about it any more: its rollout is gone, and another one has its number. */
static void settle_another(struct engine *en, const struct stored *s)
{
    struct entry e;
    const struct rollout_identity who = stored_identity(s);
    diary_entry(en, &e, ENTRY_RECOVERED, NULL, NULL);
    entry_identity(&e, &who);
    e.corr = s->corr;
    e.verb = verb_from_word(s->verb);
    e.reason = s->reason;
    e.before = s->before;
    e.result = "another-rollout";
    entry_str(&e, "text", "it was interrupted; the server has another rollout under this number");
    diary_write(en, &e, 0, NULL, NULL);
}

/* True when nothing is left to do about it. */
static bool take_open(struct engine *en, const struct leftovers *l, const struct stored *s)
{
    enum verb v = verb_from_word(s->verb);
    if (lives(en, s))
        return false;
    if (!*s->rollout) {
        if (v == VERB_HALT && !en->spec.fleet->read_only) {
            struct op *op = op_from_log(en, s);
            halt_begin(en, op);
        } else {
            settle(en, s, CANNOT_TELL);
        }
        return true;
    }
    struct ro *ro = ro_find(en, s->rollout);
    if (!ro || !ro->facts.known) {
        if (en->facts.rollouts_clipped)
            return false;
        settle(en, s, CANNOT_TELL);
        return true;
    }
    if (of_another(ro, s)) {
        settle_another(en, s);
        return true;
    }
    if (v == VERB_ROLLBACK && !surely(ro, s)) {
        settle(en, s, CANNOT_TELL);
        return true;
    }
    if (v == VERB_HALT && ro->stop.latched && !ro_ended(ro) &&
        !(en->spec.fleet->read_only && strcmp(s->actor_kind, "rule") == 0)) {
        ro_stop_in_doubt(ro); /* nobody has seen it take effect: asked for anew */
        halt_begin(en, op_from_log(en, s));
        return true;
    }
    if (v == VERB_ROLLBACK) {
        if (ro->facts.r.state == ROLLOUT_UNKNOWN || !ro->facts.waves_known || en->spec.fleet->read_only ||
            !en->facts.info_known)
            return false;
        rollback_resume(en, op_from_log(en, s), l->steps, l->n_steps, l->blobs);
        return true;
    }
    enum became b = became_of(en, ro, s);
    if (b == ASK_LATER) {
        ro_read(ro);
        return false;
    }
    settle(en, s, b);
    return true;
}

/* Settles what can be settled; true when nothing is left. */
static bool all_settled(struct engine *en)
{
    bool left = false;
    struct leftovers *l = &en->recover.leftovers->left;
    for (size_t i = 0; i < l->n_open; i++) {
        if (l->open[i].corr == 0)
            continue;
        if (take_open(en, l, &l->open[i]))
            l->open[i].corr = 0;
        else
            left = true;
    }
    return !left;
}

static void listed(struct engine *en)
{
    if (!en->recover.leftovers || !en->facts.rollouts_known)
        return;
    take_past(en, &en->recover.leftovers->left);
    if (!all_settled(en))
        return;
    job_free(en->recover.leftovers);
    en->recover.leftovers = NULL;
}

/* ---- what other sessions write ---- */

static void looked(struct engine *en, struct job *j)
{
    const struct leftovers *l = &j->left;
    en->recover.looking = false;
    timer_set(en, now_of(en) + (en->recover.anew ? 0 : LOOK_US), look, NULL);
    if (!j->ok || !j->looked)
        return;
    take_acks(en, l);
    take_latched(en, l);
    for (size_t k = 0; k < en->facts.n_all; k++) {
        struct ro *ro = en->facts.all[k];
        bool listed = false;
        if (ro->stop.phase != HALT_SHOWN || !ro->stop.latched || en->diary.n_backlog > 0 ||
            ro->stop.at > j->put_at - US_PER_S)
            continue;
        for (size_t i = 0; i < l->n_latched && !listed; i++)
            listed = strcmp(l->latched[i].rollout, ro->id) == 0 && !of_another(ro, &l->latched[i]);
        if (!listed)
            ro_stop_acknowledged(ro, true); /* acknowledged in another session */
    }
}

static void look(struct engine *en, void *arg)
{
    (void)arg;
    if (!en->diary.scribe || en->recover.looking)
        return;
    en->recover.looking = true;
    struct job *j = job_new(JOB_LOOK);
    j->fleet = arena_strdup(&j->arena, en->spec.fleet->name);
    j->seen_size = en->recover.anew ? -1 : en->diary.read_size;
    en->recover.anew = false;
    diary_put(en, j, 0, looked, NULL);
}

/* What the log says of the number is of one or the other of them. */
static void replaced(struct ro *old, struct ro *fresh)
{
    struct engine *en = fresh->en;
    (void)old;
    say_another(fresh);
    if (en->recover.leftovers)
        take_latched(en, &en->recover.leftovers->left);
    en->recover.anew = true;
    if (en->recover.recovered)
        timer_set(en, now_of(en), look, NULL);
}

/* ---- the part ---- */

static void free_all(struct engine *en)
{
    job_free(en->recover.leftovers);
}

const struct part part_recover = {
    .name = "recover", .begin = begin, .replaced = replaced, .listed = listed, .free = free_all};
