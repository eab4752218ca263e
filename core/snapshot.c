#include "core/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include "core/outlook.h"
#include "core/clock.h"

#define FRESH_LEAST_US (15 * US_PER_S)

int64_t fresh_limit_us(int64_t poll_us, int64_t answer_us)
{
    int64_t two = 2 * poll_us + answer_us;
    return two > FRESH_LEAST_US ? two : FRESH_LEAST_US;
}

struct snapshot *snapshot_new(void)
{
    struct snapshot *s = xcalloc(1, sizeof *s);
    s->refs = 1;
    s->fresh_us = FRESH_LEAST_US;
    arena_init(&s->arena);
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    if (s)
        __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    inventory_unref(s->inventory.held);
    outlook_unref(s->outlook.held);
    arena_release(&s->arena);
    free(s);
}

const struct figure *wave_figure(const struct wave_view *w, size_t number)
{
    const struct figure *f =
        number < w->n_figures ? &w->figures[number] : figure_of(&policy_default()->evidence, number);
    return f ? f : &figure_unknown;
}

const struct rollout_view *snapshot_rollout(const struct snapshot *s, const char *id)
{
    if (!s || !id)
        return NULL;
    for (size_t i = 0; i < s->n_rollouts; i++)
        if (strcmp(s->rollouts[i].rollout.id, id) == 0)
            return &s->rollouts[i];
    return NULL;
}

const struct policy *snapshot_policy(const struct snapshot *s, const struct rollout_view *r)
{
    return r && r->policy ? r->policy : s && s->policy ? s->policy : policy_default();
}

size_t snapshot_named(struct snapshot *const *snaps, size_t n, const char *word, size_t *which, const char **id)
{
    size_t there = 0, longest = 0;

    for (size_t i = 0; i < n; i++) {
        size_t len = snaps[i] && snaps[i]->fleet ? strlen(snaps[i]->fleet) : 0;
        bool named = len > 0 && strncmp(word, snaps[i]->fleet, len) == 0 && word[len] == '/' && word[len + 1];
        const char *rest = named ? word + len + 1 : word;

        if (snaps[i] && snapshot_rollout(snaps[i], rest)) {
            if (there++ == 0) {
                *which = i;
                *id = rest;
            }
        } else if (named && there == 0 && len > longest) {
            longest = len;
            *which = i;
            *id = rest;
        }
    }
    return there > 0 ? there : longest > 0;
}

struct halt_said halt_said(enum stop_phase phase, bool old)
{
    static const struct {
        const char *brief, *old;
        bool stopped, may_run;
    } of[STOP_PHASES] = {
        [STOP_CLAIMED] = {"CLAIM", NULL, false, false},  [STOP_CLAIM_RUN] = {"RUNS!", "RUNS?", false, true},
        [STOP_ASKED] = {"HALT?", NULL, false, true},     [STOP_ESCALATED] = {"HALT!", NULL, false, true},
        [STOP_LIFTING] = {"HALT?", NULL, false, true},   [STOP_UNSEEN] = {"HALT?", NULL, false, true},
        [STOP_RECALLED] = {"HALT?", NULL, false, true},  [STOP_HALTED] = {"HALT", "HALT?", true, false},
        [STOP_STANDBY] = {"HALT", "HALT?", true, false}, [STOP_DOUBT] = {"RUNS!", "RUNS?", false, true},
        [STOP_RUNS] = {"RUNS!", "RUNS?", false, true},   [STOP_OVER] = {"HALT", NULL, true, false},
    };
    const struct stop_words *w = stop_phase_words(phase, old);
    if (!of[phase].brief)
        return (struct halt_said){"", "", "", "", false, false};
    return (struct halt_said){.word = w->word,
                              .title = w->title,
                              .brief = old && of[phase].old ? of[phase].old : of[phase].brief,
                              .text = w->text,
                              .true_now = of[phase].stopped && (!old || phase == STOP_OVER),
                              .alarm = of[phase].may_run};
}

/* What concerns one rollout, when it is there. */
static void rollout_facts(const struct rollout_view *v, int64_t now, struct verb_facts *out)
{
    out->rollout = &v->rollout;
    if (v->policy)
        out->policy = v->policy;
    out->waves = v->wave_list;
    out->n_waves = v->waves_known && v->wave_list ? v->n_waves : 0;
    out->latched = v->latched;
    out->stop = v->stop;
    out->held_by_andon = v->held;
    out->approvals = v->approvals;
    out->rollback_running = v->rollback.step != RB_NONE && v->rollback.step != RB_DONE;
    out->hours_left = v->trial.hours_left;
    for (size_t i = v->waves ? v->n_waves : 0; i > 0; i--) {
        const struct wave_view *w = &v->waves[i - 1];
        if (w->wave.state != WAVE_RUNNING)
            continue;
        if (w->running_since > 0 && now > w->running_since)
            out->wave_running_for = now - w->running_since;
        break;
    }
    if (v->waves && v->current >= 0 && (size_t)v->current < v->n_waves) {
        out->verdict = v->waves[v->current].verdict.react;
        out->on_resume = verdict_on_resume(&v->waves[v->current].verdict);
        out->data_missing = v->waves[v->current].verdict.data_missing;
    }
}

void snapshot_facts(const struct snapshot *s, const char *rollout, int64_t now, struct verb_facts *out)
{
    memset(out, 0, sizeof *out);
    out->caps = s->info.caps;
    out->says = s->info.says;
    out->read_only = s->read_only;
    out->operator_named = s->operator_named;
    out->log_doubt = s->audit.doubt;
    out->log_ok = s->audit.open && s->audit.writable;
    out->log_tampered = s->audit.tampered;
    out->log_backlog = s->audit.backlog > 0;
    out->data_age = s->link.last_ok > 0 ? now - s->link.last_ok : TIME_NEVER;
    out->fresh_us = s->fresh_us;
    out->fresh = out->data_age < s->fresh_us;
    out->policy = s->policy;
    out->environment = s->environment;
    out->target = &s->target;
    out->outlook = s->outlook.held;
    const struct rollout_view *v = snapshot_rollout(s, rollout);
    if (v)
        rollout_facts(v, now, out);
    if (v && v->rollout.caps)
        out->caps = v->rollout.caps | (s->info.caps & CAPS_OF_SERVER);
    for (size_t i = 0; !*rollout && i < s->n_rollouts; i++)
        out->latched = out->latched || s->rollouts[i].latched;
}

const char *link_state_word(enum link_state s)
{
    switch (s) {
    case LINK_NONE:
        return "none";
    case LINK_CONNECTING:
        return "connecting";
    case LINK_LIVE:
        return "live";
    case LINK_SLOW:
        return "slow";
    case LINK_STALE:
        return "stale";
    case LINK_FAILED:
        return "failed";
    }
    return "none";
}

const char *trial_state_word(enum trial_state s)
{
    static const char *const words[] = {"off", "waiting", "catching-up", "live", "behind"};
    return (size_t)s < sizeof words / sizeof *words ? words[s] : "off";
}

const char *rollback_step_word(enum rollback_step s)
{
    static const char *const words[] = {"none",   "target", "pause",  "snapshot", "auto-assign", "stop", "drain",
                                        "create", "start",  "follow", "verify",   "repair",      "ended"};
    return (size_t)s < sizeof words / sizeof *words ? words[s] : "none";
}

const char *rollback_word(const struct rollback_view *b)
{
    if (b->step != RB_DONE)
        return rollback_step_word(b->step);
    return b->outcome == RB_COMPLETE ? "done" : b->outcome == RB_PARTLY ? "incomplete" : "failed";
}

const char *op_phase_word(enum op_phase p)
{
    static const char *const words[] = {"queued", "logging", "sent",   "verifying", "running",
                                        "done",   "refused", "failed", "unknown"};
    return (size_t)p < sizeof words / sizeof *words ? words[p] : "unknown";
}
