#include "engine/recover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/fmt.h"
#include "engine/worker.h"

#define REOPEN_US (5 * US_PER_S)
#define LOOK_US   (10 * US_PER_S)
#define GLANCE_US (1 * US_PER_S)

static void ask_log(struct engine *en, void *arg);
static bool all_settled(struct engine *en);
static void look(struct engine *en, void *arg);
static void glance(struct engine *en, void *arg);

/* ---- reading the log ---- */

/* Holds and acknowledgements are of rollouts that the server shows: only of these is it known which ones they are. */
static void take_past(struct engine *en, const struct leftovers *l)
{
    if (!en->facts.rollouts_known || en->recover.past_taken)
        return;
    en->recover.past_taken = true;
    log_holds(en, l, 0);
    log_acks(en, l);
}

/* Which policies are in force, with their text: that they were changed in the meantime is then to be seen. */
static void open_session(struct engine *en)
{
    const struct fleet_spec *f = en->spec.fleet;
    struct entry e;
    diary_entry(en, &e, ENTRY_SESSION, NULL, NULL);
    e.result = "started";
    entry_str(&e, "policy", en->policy->name);
    entry_str(&e, "policy.digest", en->policy->digest);
    entry_str(&e, "judge", en->spec.judge ? "true" : "false");
    diary_policy(en, &e, en->policy, NULL, NULL);
    for (size_t i = 0; en->spec.judge && i < f->n_rules; i++) {
        const struct policy_rule *r = &f->rules[i];
        diary_entry(en, &e, ENTRY_CONFIG, NULL, NULL);
        e.result = "policy";
        e.reason = "of the rollouts that this rule names";
        entry_str(&e, "policy", r->policy->digest);
        entry_str(&e, "policy.name", r->policy->name);
        entry_str(&e, "rule.rollout", r->rollout);
        entry_str(&e, "rule.class", r->device_class ? r->device_class : "");
        diary_policy(en, &e, r->policy, NULL, NULL);
    }
}

/* A log that has gone is noticed while there is nothing to write, too. In virtual time there is nobody who could remove
 * it, and a look each second would be most of what a drill does. */
static void glanced(struct engine *en, struct job *j)
{
    (void)j; /* what is wrong the diary has said */
    timer_set(en, now_of(en) + GLANCE_US, glance, NULL);
}

static void glance(struct engine *en, void *arg)
{
    (void)arg;
    if (en->diary.scribe)
        diary_put(en, job_new(JOB_GLANCE), 0, glanced, NULL);
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
    en->recover.read_size = j->read_size;
    en->recover.leftovers = j; /* freed when each of them is settled */
    log_latched(en, &j->left);
    take_past(en, &j->left);
    en->recover.recovered = true;
    open_session(en);
    if (en->facts.rollouts_known && all_settled(en))
        en->recover.leftovers = NULL;
    else
        j->flags |= DIARY_KEPT;
    verbs_queued(en);
    timer_set(en, now_of(en) + LOOK_US, look, NULL);
    if (en->clock == clock_real())
        timer_set(en, now_of(en) + GLANCE_US, glance, NULL);
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

static bool lives(const struct stored *s)
{
    struct stop_asker a = log_asker(s);
    return process_lives(a.pid, a.pid_start);
}

static void settle(struct engine *en, const struct stored *s, enum became b)
{
    struct op *op = op_from_log(en, s);
    const char *state = op->ro && op->ro->facts.known ? op->ro->facts.r.state_word : "";
    char at[FMT_MAX];
    fmt_hms(at, s->t);
    if (b == BECAME_APPLIED) {
        op_outcome(en, op, OP_DONE, "applied", state, "",
                   "%s of %s was interrupted; the server shows that it took effect", verb_word(op->in.verb), at);
    } else if (b == BECAME_NOT_APPLIED) {
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
    if (lives(s))
        return false;
    if (!*s->rollout) {
        if (v == VERB_HALT && !en->spec.fleet->read_only) {
            struct op *op = op_from_log(en, s);
            halt_begin(en, op);
        } else {
            settle(en, s, BECAME_UNKNOWN);
        }
        return true;
    }
    struct ro *ro = ro_find(en, s->rollout);
    if (!ro || !ro->facts.known) {
        if (en->facts.rollouts_clipped)
            return false;
        settle(en, s, BECAME_UNKNOWN);
        return true;
    }
    if (log_of_another(ro, s)) {
        settle_another(en, s);
        return true;
    }
    if (v == VERB_ROLLBACK && !log_surely(ro, s)) {
        settle(en, s, BECAME_UNKNOWN);
        return true;
    }
    if (v == VERB_HALT && stop_latched(&ro->stop.m) &&
        !(en->spec.fleet->read_only && strcmp(s->actor_kind, "rule") == 0)) {
        halt_take_over(ro, op_from_log(en, s)); /* nobody has seen it take effect */
        return true;
    }
    if (v == VERB_ROLLBACK) {
        if (ro->facts.r.state == ROLLOUT_UNKNOWN || !ro->facts.waves_known || en->spec.fleet->read_only ||
            !en->facts.info_known)
            return false;
        rollback_resume(en, op_from_log(en, s), l->steps, l->n_steps, l->blobs);
        return true;
    }
    const char *wave = stored_field(s, "target_wave");
    enum became b = verbs_became(en, ro, v, *wave ? (int)strtol(wave, NULL, 10) : -1);
    if (b == BECAME_NOT_READ) {
        ro_read(ro);
        return false;
    }
    if (b == BECAME_APPLIED && v == VERB_PAUSE)
        log_hold(ro, l, s);
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

/* A halt whose process is gone before the server has shown it: it is had here by now, or on its way; its outcome too.
 */
static void take_over(struct engine *en, const struct leftovers *l)
{
    for (size_t i = 0; i < l->n_open; i++) {
        const struct stored *s = &l->open[i];
        struct ro *ro = *s->rollout ? ro_find(en, s->rollout) : NULL;
        bool taken = verb_from_word(s->verb) != VERB_HALT || !ro || !ro->facts.known || !stop_latched(&ro->stop.m) ||
                     log_of_another(ro, s) || lives(s);
        for (const struct op *op = en->verbs.ops; op && !taken; op = op->next)
            taken = op->corr == s->corr;
        for (size_t k = 0; ro && k < ro->stop.n_waits && !taken; k++)
            taken = ro->stop.waits[k].corr == s->corr;
        if (!taken)
            (void)take_open(en, l, s);
    }
}

void recover_looked(struct engine *en, const struct job *j)
{
    const struct leftovers *l = &j->left;
    if (!j->ok || !j->looked)
        return;
    log_holds(en, l, en->recover.past_taken ? en->recover.read_size : 0);
    en->recover.read_size = j->read_size;
    log_acks(en, l);
    log_latched(en, l);
    log_lifted(en, l, j->read_size);
    log_runs(en, l);
    if (en->recover.recovered && !en->recover.leftovers)
        take_over(en, l);
}

static void looked(struct engine *en, struct job *j)
{
    bool at_once = en->recover.anew || en->recover.look_again;
    en->recover.looking = en->recover.look_again = false;
    timer_set(en, now_of(en) + (at_once ? 0 : LOOK_US), look, NULL);
    recover_looked(en, j);
    for (size_t i = 0; j->ok && i < en->facts.n_all; i++)
        ro_stop_looked(en->facts.all[i], STOP_IN_LOG, j->put_at);
}

struct job *recover_look(struct engine *en)
{
    struct job *j = job_new(JOB_LOOK);
    j->fleet = arena_strdup(&j->arena, en->spec.fleet->name);
    j->seen_size = en->recover.anew ? -1 : en->recover.read_size;
    en->recover.anew = false;
    return j;
}

static void look(struct engine *en, void *arg)
{
    (void)arg;
    if (!en->diary.scribe || en->recover.looking)
        return;
    en->recover.looking = true;
    diary_put(en, recover_look(en), 0, looked, NULL);
}

/* One that is under way may have been read before what it is about. */
static void looking(struct ro *ro)
{
    struct engine *en = ro->en;
    if (!en->diary.scribe || !en->recover.recovered)
        return;
    ro_stop_look_begun(ro, STOP_IN_LOG);
    en->recover.look_again = en->recover.looking;
    look(en, NULL);
}

/* What the log says of the number is of one or the other of them. */
static void replaced(struct ro *old, struct ro *fresh)
{
    struct engine *en = fresh->en;
    (void)old;
    log_say_another(fresh);
    if (en->recover.leftovers)
        log_latched(en, &en->recover.leftovers->left);
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
    .name = "recover", .begin = begin, .replaced = replaced, .listed = listed, .looking = looking, .free = free_all};
