/* What the log says of halts, holds and acknowledgements, handed on as what has happened. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include "core/json.h"
#include "core/text.h"
#include "engine/worker.h"

#define HOST_MAX ENTRY_MAX

/* ---- which rollout the log means ---- */

static struct identity_mark mark_of(const struct stored *s)
{
    return (struct identity_mark){stored_identity(s), s->t};
}

/* Surely about the rollout that has the number now. */
bool log_surely(const struct ro *ro, const struct stored *s)
{
    struct identity_mark m = mark_of(s);
    return ro_about(ro, &m) == IDENTITY_SAME;
}

/* That another rollout had its number is in the log once, by whoever watches. */
void log_say_another(struct ro *ro)
{
    struct engine *en = ro->en;
    const struct job *j = en->recover.leftovers;
    struct entry e;
    bool said = !en->spec.judge;
    for (size_t i = 0; j && i < j->left.n_watches && !said; i++)
        said = strcmp(j->left.watches[i].result, "another-rollout") == 0 && log_surely(ro, &j->left.watches[i]);
    if (said)
        return;
    diary_entry(en, &e, ENTRY_WATCH, NULL, ro);
    e.result = "another-rollout";
    e.reason = "this is another rollout than the one that had its number before: was the server's database begun anew?";
    diary_write(en, &e, 0, NULL, NULL);
}

bool log_of_another(struct ro *ro, const struct stored *s)
{
    struct identity_mark m = mark_of(s);
    if (ro_about(ro, &m) != IDENTITY_OTHER) {
        ro_named(ro, &m);
        return false;
    }
    if (ro->facts.other_at == 0) {
        ro_had_other(ro);
        log_say_another(ro);
    }
    return true;
}

/* ---- halts, and who has lifted them ---- */

/* The machine that wrote it, by the facts that audit/ adds. */
static const char *host_of(const struct stored *s, struct arena *a)
{
    const char *from = stored_field(s, "from.host"); /* of a note: asked for on another one */
    struct err e;
    struct json_t *d =
        *from || !*s->host ? NULL : json_parse(s->host, strlen(s->host), HOST_MAX, "an entry's host", &e);
    const char *host = d ? json_str(json_get(d, "kernel"), "host", NULL) : NULL;
    char safe[64];
    safe_text_into(safe, sizeof safe, host ? host : from, strlen(host ? host : from));
    json_free(d);
    return arena_strdup(a, safe);
}

/* Has it an outcome, and was that a halt that the server showed? Before a start it is a stand-by. */
static bool shown_once(const struct leftovers *l, uint64_t corr)
{
    const struct stored *lists[] = {l->recent, l->recovered};
    const size_t n[] = {l->n_recent, l->n_recovered};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < n[k]; i++) {
            const struct stored *s = &lists[k][i];
            bool ok = strcmp(s->result, "ok") == 0 || strcmp(s->result, "applied") == 0;
            if (s->corr == corr && *s->rollout)
                return ok && strcmp(stored_field(s, STOP_FIELD_SHOWN), STOP_SHOWN_STANDBY) != 0;
        }
    return false;
}

static uint64_t halt_id(const struct stored *s)
{
    return s->corr != 0 ? s->corr : (uint64_t)s->seq | UINT64_C(1) << 60; /* no andon writes 0 */
}

struct stop_asker log_asker(const struct stored *s)
{
    return (struct stop_asker){.here = true,
                               .pid = strtoll(stored_field(s, "pid"), NULL, 10),
                               .pid_start = strtoll(stored_field(s, "pid_start"), NULL, 10)};
}

static const char *actor_of(const struct stored *s, char out[80])
{
    snprintf(out, 80, "%s%s", actor_kind_from(s->actor_kind) == ACTOR_RULE ? "rule " : "", s->actor);
    return out;
}

static bool about(const struct stored *s, const struct ro *ro)
{
    return strcmp(s->rollout, ro->id) == 0 && log_surely(ro, s);
}

/* Somebody has changed it on the server since: whose pause that is nobody knows. A minute is left for the two clocks.
 */
static bool touched(const struct ro *ro, const struct stored *s)
{
    return ro->facts.r.last_modified > s->t + US_PER_MIN;
}

/* Does it say that a rule whose cause passes has paused it while it ran, without a latch? */
static bool passes(const struct stored *s)
{
    return verb_from_word(s->verb) == VERB_PAUSE && actor_kind_from(s->actor_kind) == ACTOR_RULE &&
           verdict_rule_passes(s->actor);
}

/* Did it run when the halt was asked for, or was only held then by a rule whose cause passes? */
static bool ran_before(const struct leftovers *l, const struct ro *ro, const struct stored *halt)
{
    if (strcmp(halt->before, rollout_state_word(ROLLOUT_RUNNING)) == 0 ||
        strcmp(halt->before, rollout_state_word(ROLLOUT_STARTING)) == 0)
        return true;
    for (size_t i = 0; i < l->n_recent; i++) {
        const struct stored *s = &l->recent[i];
        if (s->seq < halt->seq && strcmp(s->result, "ok") == 0 && *s->verb && about(s, ro))
            return passes(s);
    }
    return false;
}

static void take_halt(struct ro *ro, const struct leftovers *l, const struct stored *s)
{
    struct arena a;
    char by[80];
    enum actor_kind kind = actor_kind_from(s->actor_kind);
    const char *origin = stored_field(s, "from.log"), *seq = stored_field(s, "from.seq");
    bool ours = !*origin && s->seq > 0; /* asked for by a watcher of this log; not of a note, nor known by the spool */
    arena_init(&a);
    actor_of(s, by);
    struct halt_found f = {.from = s->seq > 0 ? STOP_LOG : STOP_SPOOL,
                           .who = stop_who_of(kind, s->actor),
                           .id = halt_id(s),
                           .shown_once = shown_once(l, s->corr),
                           .by = by,
                           .host = host_of(s, &a),
                           .reason = s->reason,
                           .origin = *origin ? origin : ro->en->spec.audit->origin,
                           .t = s->t,
                           .seq = *seq ? strtoll(seq, NULL, 10) : s->seq,
                           .asker = ours ? log_asker(s) : (struct stop_asker){.here = false},
                           .ran = ours && !touched(ro, s) && ran_before(l, ro, s)};
    ro_stop_found(ro, &f);
    if (s->seq > 0)
        ro_stop_logged(ro, f.id, s->seq);
    arena_release(&a);
}

void log_latched(struct engine *en, const struct leftovers *l)
{
    for (size_t i = 0; i < l->n_latched; i++) {
        const struct stored *s = &l->latched[i];
        struct ro *ro = *s->rollout ? ro_get(en, s->rollout) : NULL;
        if (ro && !log_of_another(ro, s))
            take_halt(ro, l, s);
    }
}

static bool latched_in(const struct leftovers *l, const struct ro *ro, uint64_t id)
{
    for (size_t i = 0; i < l->n_latched; i++)
        if (halt_id(&l->latched[i]) == id && strcmp(l->latched[i].rollout, ro->id) == 0)
            return true;
    return false;
}

/* Which acknowledgement has lifted it: the newest after it. */
static enum stop_who lifted_by(const struct leftovers *l, const struct ro *ro, int64_t seq)
{
    for (size_t i = 0; i < l->n_acks; i++) {
        const struct stored *s = &l->acks[i];
        if (s->seq > seq && (!*s->rollout || strcmp(s->rollout, ro->id) == 0))
            return stop_who_of(actor_kind_from(s->actor_kind), s->actor);
    }
    return STOP_PERSON;
}

/* What stood in the log when it was read, and is not latched by it any more, was acknowledged in another session. */
void log_lifted(struct engine *en, const struct leftovers *l, int64_t read_size)
{
    for (size_t k = 0; k < en->facts.n_all; k++) {
        struct ro *ro = en->facts.all[k];
        uint64_t ids[STOP_KNOWN];
        int n = stop_standing(&ro->stop.m, ids);
        for (int i = 0; i < n; i++) {
            int64_t seq = ro_stop_seq(ro, ids[i]);
            if (seq == 0 || seq > read_size || latched_in(l, ro, ids[i]))
                continue;
            ro_stop_ack_found(
                ro,
                &(struct ack_found){
                    .from = STOP_LOG, .who = lifted_by(l, ro, seq), .id = ids[i], .by = "", .host = "", .reason = ""});
        }
    }
}

/* ---- holds, and who has told it to run ---- */

static bool stops(enum verb v)
{
    return v == VERB_PAUSE || v == VERB_HALT || v == VERB_ROLLBACK;
}

static bool lets_run(enum verb v)
{
    return v == VERB_RESUME || v == VERB_ADVANCE || v == VERB_START;
}

/* The newest word of the log about whether the rollout is to run, NULL: there is none. */
static const struct stored *last_word(const struct leftovers *l, const struct ro *ro)
{
    for (size_t i = 0; i < l->n_recent; i++) {
        const struct stored *s = &l->recent[i];
        enum verb v = verb_from_word(s->verb);
        bool did = strcmp(s->result, "ok") == 0 || (v == VERB_ROLLBACK && strcmp(s->result, "refused") != 0);
        if ((stops(v) || lets_run(v)) && did && about(s, ro))
            return s;
    }
    return NULL;
}

/* A halt of the rule for lost telemetry, which the same rule has lifted and not resumed yet. */
static bool halt_passes(const struct leftovers *l, const struct ro *ro, const struct stored *s)
{
    bool lost =
        verb_from_word(s->verb) == VERB_HALT && stop_who_of(actor_kind_from(s->actor_kind), s->actor) == STOP_RULE_LOST;
    return lost && lifted_by(l, ro, s->seq) == STOP_RULE_LOST && ran_before(l, ro, s);
}

void log_hold(struct ro *ro, const struct leftovers *l, const struct stored *s)
{
    char by[80];
    struct stop_asker a = log_asker(s);
    bool own = !touched(ro, s) && (passes(s) || halt_passes(l, ro, s));
    ro_stop_hold_found(ro, actor_of(s, by), own ? &a : NULL);
}

void log_holds(struct engine *en, const struct leftovers *l, int64_t read_size)
{
    for (size_t i = 0; i < en->facts.n_ros; i++) {
        struct ro *ro = en->facts.ros[i];
        const struct stored *s = last_word(l, ro);
        if (!s || s->seq <= read_size)
            continue;
        if (stops(verb_from_word(s->verb)) && !stop_latched(&ro->stop.m))
            log_hold(ro, l, s);
        if (lets_run(verb_from_word(s->verb)))
            judge_resumed(ro, s->t);
    }
}

/* An intent without outcome may have been sent. */
static int64_t last_intent(const struct leftovers *l, const struct ro *ro)
{
    int64_t seq = 0;
    for (size_t i = 0; i < l->n_open; i++)
        if (lets_run(verb_from_word(l->open[i].verb)) && strcmp(l->open[i].rollout, ro->id) == 0 &&
            l->open[i].seq > seq && log_surely(ro, &l->open[i]))
            seq = l->open[i].seq;
    return seq;
}

void log_runs(struct engine *en, const struct leftovers *l)
{
    for (size_t i = 0; i < en->facts.n_ros; i++) {
        struct ro *ro = en->facts.ros[i];
        if (ro->stop.m.phase != STOP_LOOSE && ro->stop.m.phase != STOP_LIFTING)
            continue;
        const struct stored *s = last_word(l, ro);
        int64_t run = last_intent(l, ro), stop = s && stops(verb_from_word(s->verb)) ? s->seq : 0;
        if (s && lets_run(verb_from_word(s->verb)) && s->seq > run)
            run = s->seq;
        for (size_t k = 0; k < l->n_acks; k++)
            if ((!*l->acks[k].rollout || strcmp(l->acks[k].rollout, ro->id) == 0) && l->acks[k].seq > stop)
                stop = l->acks[k].seq;
        if (run > stop)
            ro_stop_run_found(ro);
    }
}

/* Oldest first. What a rule acknowledged says nothing about evidence. */
void log_acks(struct engine *en, const struct leftovers *l)
{
    for (size_t i = l->n_acks; i > 0; i--) {
        const struct stored *s = &l->acks[i - 1];
        if (strcmp(s->actor_kind, "rule") == 0)
            continue;
        struct ro *ro = *s->rollout ? ro_find(en, s->rollout) : NULL;
        if (ro && log_surely(ro, s))
            trial_acked(ro, s->t);
    }
}
