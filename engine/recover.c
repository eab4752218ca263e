/* Recovery: what an earlier session left open in the log, and what other sessions write into it meanwhile.
 *
 * The log is the state. For each intent without outcome the server is asked what became of it, and `recovered` says
 * so. Nothing is sent again, but for what may be repeated: a halt is asked for until it shows, and a roll back goes on
 * from its last step. Intents of a process that still lives are its own business. */
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

/* ---- reading the log ---- */

static void take_latched(struct engine *en, const struct leftovers *l)
{
    for (size_t i = 0; i < l->n_latched; i++) {
        const struct stored *s = &l->latched[i];
        char by[80];
        if (!*s->rollout)
            continue;
        bool rule = strcmp(s->actor_kind, "rule") == 0;
        snprintf(by, sizeof by, "%s%s", rule ? "rule " : "", s->actor);
        halt_latch(ro_get(en, s->rollout), by, s->reason, s->t, s->corr);
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
        bool newest = true;
        for (size_t k = 0; k < i && newest; k++) {
            enum verb w = verb_from_word(l->recent[k].verb);
            newest = strcmp(l->recent[k].rollout, s->rollout) != 0 ||
                     (w != VERB_PAUSE && w != VERB_HALT && w != VERB_RESUME && w != VERB_ADVANCE && w != VERB_START);
        }
        if (!newest)
            continue;
        struct ro *ro = ro_get(en, s->rollout);
        ro->held = (v == VERB_PAUSE || v == VERB_HALT) && !ro->halt.latched;
        if (ro->held)
            snprintf(ro->paused_by, sizeof ro->paused_by, "%s", s->actor);
    }
}

/* Oldest first. What a rule acknowledged says nothing about evidence. */
static void take_acks(struct engine *en, const struct leftovers *l)
{
    for (size_t i = l->n_acks; i > 0; i--) {
        const struct stored *s = &l->acks[i - 1];
        if (strcmp(s->actor_kind, "rule") == 0)
            continue;
        if (*s->rollout)
            trial_acked(ro_get(en, s->rollout), s->t);
    }
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
        en->log_err = j->err;
        timer_set(en, now_of(en) + REOPEN_US, ask_log, NULL);
        act_queued(en);
        mark(en);
        return;
    }
    err_clear(&en->log_err);
    en->log_verified = j->left.verified;
    if (!j->left.verified)
        (void)err_set(&en->log_err, ERR_TAMPERED, "Verify it: andon audit verify.", "%s", j->left.problem);
    take_latched(en, &j->left);
    take_holds(en, &j->left);
    take_acks(en, &j->left);
    en->leftovers = j; /* freed when each of them is settled */
    en->recovered = true;
    en->log_writable = true; /* the session's entry shows whether that is so */
    open_session(en);
    if (en->rollouts_known && all_settled(en))
        en->leftovers = NULL; /* whoever called frees a job that is not kept */
    act_queued(en);
    timer_set(en, now_of(en) + LOOK_US, recover_look, NULL);
}

static void ask_log(struct engine *en, void *arg)
{
    (void)arg;
    struct job *j = job_new(JOB_RECOVER);
    j->fleet = arena_strdup(&j->arena, en->spec.fleet->name);
    diary_put(en, j, 0, log_read, NULL);
}

void recover_begin(struct engine *en)
{
    if (en->scribe)
        ask_log(en, NULL);
    else
        en->recovered = true;
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

static struct op *op_of(struct engine *en, const struct stored *s)
{
    struct intent in = {0};
    in.verb = verb_from_word(s->verb);
    in.expect_devices = -1;
    in.all_waves = strcmp(stored_field(s, "all_waves"), "false") != 0;
    snprintf(in.fleet, sizeof in.fleet, "%s", s->fleet);
    snprintf(in.rollout, sizeof in.rollout, "%s", s->rollout);
    snprintf(in.reason, sizeof in.reason, "%s", s->reason);
    snprintf(in.actor.name, sizeof in.actor.name, "%s", s->actor);
    in.actor.kind = strcmp(s->actor_kind, "rule") == 0     ? ACTOR_RULE
                    : strcmp(s->actor_kind, "script") == 0 ? ACTOR_SCRIPT
                                                           : ACTOR_PERSON;
    snprintf(in.rule, sizeof in.rule, "%s", stored_field(s, "rule"));
    if (in.verb == VERB_ROLLBACK)
        snprintf(in.to_release, sizeof in.to_release, "%s", stored_field(s, "to"));
    for (size_t i = 0; i < WAVES_MAX / 64; i++) {
        char key[16];
        snprintf(key, sizeof key, "waves.%zu", i);
        in.wave_mask[i] = strtoull(stored_field(s, key), NULL, 16);
    }
    pthread_mutex_lock(&en->lock);
    uint64_t ticket = en->next_ticket++;
    pthread_mutex_unlock(&en->lock);
    struct op *op = op_new(en, ticket, &in);
    op->recovered = true;
    op->corr = s->corr;
    op->log_seq = s->seq;
    op->ro = *s->rollout ? ro_get(en, s->rollout) : NULL;
    snprintf(op->before, sizeof op->before, "%s", s->before);
    const char *wave = stored_field(s, "target_wave");
    op->target_wave = *wave ? (int)strtol(wave, NULL, 10) : -1;
    op->phase = OP_VERIFYING;
    return op;
}

enum became { APPLIED, NOT_APPLIED, CANNOT_TELL, ASK_LATER };

static enum became wave_became(const struct ro *ro, int wave)
{
    if (!ro->waves_known)
        return ASK_LATER;
    if (wave < 0 || (size_t)wave >= ro->n_waves)
        return CANNOT_TELL;
    switch (ro->waves[wave].state) {
    case WAVE_RUNNING:
    case WAVE_FINISHED:
    case WAVE_ERROR:
        return APPLIED;
    case WAVE_SCHEDULED:
    case WAVE_READY:
        return NOT_APPLIED;
    default:
        return CANNOT_TELL;
    }
}

static enum became became_of(const struct engine *en, const struct ro *ro, const struct stored *s)
{
    enum rollout_state st = ro->r.state;
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
        snprintf(retry, sizeof retry, "%s_retry", ro->r.name);
        for (size_t i = 0; i < en->n_ros; i++)
            if (strcmp(en->ros[i]->r.name, retry) == 0)
                return APPLIED;
        return NOT_APPLIED;
    default:
        return CANNOT_TELL;
    }
}

static void settle(struct engine *en, const struct stored *s, enum became b)
{
    struct op *op = op_of(en, s);
    const char *state = op->ro && op->ro->known ? op->ro->r.state_word : "";
    char at[FMT_MAX];
    fmt_hms(at, s->t);
    if (b == APPLIED) {
        if (op->in.verb == VERB_PAUSE && op->ro)
            op->ro->held = op->ro->r.state == ROLLOUT_PAUSED;
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

/* True when nothing is left to do about it. */
static bool take_open(struct engine *en, const struct leftovers *l, const struct stored *s)
{
    enum verb v = verb_from_word(s->verb);
    if (lives(en, s))
        return false;
    if (!*s->rollout) {
        if (v == VERB_HALT && !en->spec.fleet->read_only) {
            struct op *op = op_of(en, s);
            halt_begin(en, op);
        } else {
            settle(en, s, CANNOT_TELL);
        }
        return true;
    }
    struct ro *ro = ro_find(en, s->rollout);
    if (!ro || !ro->known) {
        if (en->rollouts_clipped)
            return false;
        settle(en, s, CANNOT_TELL);
        return true;
    }
    if (v == VERB_HALT && ro->halt.latched && !ro_ended(ro) &&
        !(en->spec.fleet->read_only && strcmp(s->actor_kind, "rule") == 0)) {
        ro->halt.phase = HALT_NONE; /* nobody has seen it take effect: asked for anew */
        halt_begin(en, op_of(en, s));
        return true;
    }
    if (v == VERB_ROLLBACK) {
        if (ro->r.state == ROLLOUT_UNKNOWN || !ro->waves_known || en->spec.fleet->read_only || !en->info_known)
            return false;
        rollback_resume(en, op_of(en, s), l->steps, l->n_steps, l->blobs);
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
    struct leftovers *l = &en->leftovers->left;
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

void recover_known(struct engine *en)
{
    if (!en->leftovers || !en->rollouts_known || !all_settled(en))
        return;
    job_free(en->leftovers);
    en->leftovers = NULL;
}

/* ---- what other sessions write ---- */

static void looked(struct engine *en, struct job *j)
{
    const struct leftovers *l = &j->left;
    en->looking = false;
    timer_set(en, now_of(en) + LOOK_US, recover_look, NULL);
    if (!j->ok || !j->looked)
        return;
    take_acks(en, l);
    take_latched(en, l);
    for (size_t k = 0; k < en->n_all; k++) {
        struct ro *ro = en->all[k];
        bool listed = false;
        if (ro->halt.phase != HALT_SHOWN || !ro->halt.latched || en->n_backlog > 0 ||
            ro->halt.at > j->put_at - US_PER_S)
            continue;
        for (size_t i = 0; i < l->n_latched && !listed; i++)
            listed = strcmp(l->latched[i].rollout, ro->id) == 0;
        if (!listed)
            halt_ack(ro); /* acknowledged in another session */
    }
}

void recover_look(struct engine *en, void *arg)
{
    (void)arg;
    if (!en->scribe || en->looking)
        return;
    en->looking = true;
    struct job *j = job_new(JOB_LOOK);
    j->fleet = arena_strdup(&j->arena, en->spec.fleet->name);
    j->seen_size = en->log_size;
    diary_put(en, j, 0, looked, NULL);
}
