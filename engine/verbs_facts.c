/* What is known about a rollout, as core/verb.h asks for it: the facts, what andon did and holds, the verdict; and what
 * the server shows of a verb. */
#include <stdio.h>
#include <string.h>
#include "engine/worker.h"

void verbs_facts(struct engine *en, const struct ro *ro, struct verb_facts *out)
{
    int64_t now = now_of(en);
    memset(out, 0, sizeof *out);
    out->caps = en->facts.info.caps;
    out->says = en->facts.info.says;
    out->read_only = en->spec.fleet->read_only || en->spec.observe_only;
    out->log_ok = diary_ok(en);
    out->log_doubt = witness_alarm(en);
    out->log_tampered = en->diary.err.code == ERR_TAMPERED;
    out->log_backlog = en->diary.n_backlog > 0;
    out->data_age = en->facts.link.last_ok > 0 ? now - en->facts.link.last_ok : TIME_NEVER;
    out->fresh_us = fresh_us(en);
    out->fresh = link_fresh(en);
    out->operator_named = *en->spec.actor.operator_name != '\0';
    out->policy = ro ? ro->policy.applies : en->policy;
    if (!ro || !ro->facts.known || ro->facts.gone)
        return;
    out->rollout = &ro->facts.r;
    out->caps = ro_caps(ro);
    out->waves = ro->facts.waves;
    out->n_waves = ro->facts.waves_known ? ro->facts.n_waves : 0;
    out->stop = ro->stop.m.phase;
    out->latched = stop_latched(&ro->stop.m);
    out->held_by_andon = stop_held(&ro->stop.m);
    out->notes_unread = notes_known(ro) == NOTES_UNKNOWN;
    out->rollback_running = rollback_running(ro);
    out->approvals = approvals_of(en, ro);
    (void)trial_hours_left(ro, &out->hours_left);
    for (size_t i = out->n_waves; i > 0; i--)
        if (ro->facts.waves[i - 1].state == WAVE_RUNNING) {
            if (ro->wv[i - 1].facts.running_since > 0)
                out->wave_running_for = now - ro->wv[i - 1].facts.running_since;
            break;
        }
    if (ro->facts.current >= 0 && (size_t)ro->facts.current < ro->facts.n_waves) {
        const struct wv_judge *j = &ro->wv[ro->facts.current].judge;
        const struct verdict *v = &j->verdict;
        out->verdict = v->react;
        out->on_resume = verdict_on_resume(v);
        out->data_missing = v->thin || (en->tm && !j->judged);
    }
}

static enum became wave_became(const struct ro *ro, int wave)
{
    if (!ro->facts.waves_known)
        return BECAME_NOT_READ;
    if (wave < 0 || (size_t)wave >= ro->facts.n_waves)
        return BECAME_UNKNOWN;
    switch (ro->facts.waves[wave].state) {
    case WAVE_RUNNING:
    case WAVE_FINISHED:
    case WAVE_ERROR:
        return BECAME_APPLIED;
    case WAVE_SCHEDULED:
    case WAVE_READY:
        return BECAME_NOT_APPLIED;
    case WAVE_UNKNOWN:
    case WAVE_CREATING:
        break;
    }
    return BECAME_UNKNOWN;
}

/* The server gives the new rollout this name. */
static enum became retry_became(const struct engine *en, const struct ro *ro)
{
    char name[NAME_MAX_BYTES];
    snprintf(name, sizeof name, "%s_retry", ro->facts.r.name);
    for (size_t i = 0; i < en->facts.n_ros; i++)
        if (strcmp(en->facts.ros[i]->facts.r.name, name) == 0)
            return BECAME_APPLIED;
    return BECAME_NOT_APPLIED;
}

enum became verbs_became(const struct engine *en, const struct ro *ro, enum verb v, int wave)
{
    const struct verb_row *row = verb_row(v);
    enum rollout_state s = ro->facts.r.state;
    if (v == VERB_ADVANCE)
        return wave_became(ro, wave);
    if (v == VERB_RETRY)
        return retry_became(en, ro);
    if (s == ROLLOUT_UNKNOWN)
        return BECAME_UNKNOWN;
    if (state_in(row->shown, s))
        return BECAME_APPLIED;
    return row->shown != 0 && state_in(row->from, s) ? BECAME_NOT_APPLIED : BECAME_UNKNOWN;
}
