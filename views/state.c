/* What a state is called: always a glyph, a word and a role together, so that no state is told by colour alone. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/explain.h"
#include "views/app.h"

static struct look look(const char *glyph, const char *word, enum role role, int severity)
{
    return (struct look){glyph, word, role, severity};
}

static bool has_soaked_in(const struct rollout_view *r)
{
    if (!r->waves_known || r->current < 0 || (size_t)r->current >= r->n_waves)
        return false;
    const struct counts *n = &r->waves[r->current].wave.counts;
    return n->known && n->running + n->scheduled + n->notstarted == 0;
}

struct halt_said state_halt(const struct rollout_view *r)
{
    return halt_said(r->stop, r->stop_old);
}

static struct look look_ended(const struct rollout_view *r)
{
    const struct counts *n = &r->rollout.counts;
    /* "finished" says nothing about success: the counts do. */
    if (r->rollout.state == ROLLOUT_FINISHED &&
        (!n->known || n->error + n->cancelled > 0 || n->finished < r->rollout.total))
        return look("▲", n->known ? "ENDED" : "DONE?", ROLE_WATCH, 55);
    switch (r->rollout.state) {
    case ROLLOUT_FINISHED:
        return look("✓", "DONE", ROLE_DONE, 80);
    case ROLLOUT_DENIED:
        return look("○", "DENY", ROLE_DIM, 84);
    case ROLLOUT_STOPPED:
        return look("‖", "STOP", ROLE_PAUSE, 60);
    case ROLLOUT_UNKNOWN:
    case ROLLOUT_CREATING:
    case ROLLOUT_WAITING_APPROVAL:
    case ROLLOUT_READY:
    case ROLLOUT_STARTING:
    case ROLLOUT_RUNNING:
    case ROLLOUT_PAUSED:
    case ROLLOUT_STOPPING:
    case ROLLOUT_DELETING:
    case ROLLOUT_DELETED:
        break;
    }
    return look("○", "GONE", ROLE_DIM, 95);
}

struct look state_rollout(const struct rollout_view *r)
{
    struct halt_said halt = state_halt(r);
    if (halt.alarm)
        return look("✖", halt.brief, ROLE_HALT, r->stop == STOP_ASKED || r->stop == STOP_LIFTING ? 1 : 0);
    if (r->rollback.step != RB_NONE && r->rollback.step != RB_DONE)
        return look("↶", "BACK", ROLE_BACK, r->latched ? 3 : 12);
    if (r->rollback.step == RB_DONE)
        return r->rollback.outcome == RB_COMPLETE ? look("↶", "BACK", ROLE_BACK, r->latched ? 3 : 90)
                                                  : look("▲", "STUCK", ROLE_WATCH, 5);
    if (*halt.word)
        return look("✖", halt.brief, ROLE_HALT, 2);
    if (rollout_state_ended(r->rollout.state))
        return look_ended(r);
    if (r->verdict >= REACT_PAUSE)
        return look("✖", "BAD", ROLE_HALT, 4);
    if (r->verdict == REACT_HOLD)
        return look("▲", "HOLD", ROLE_WATCH, 9);
    if (r->verdict == REACT_WATCH)
        return look("▲", "WATCH", ROLE_WATCH, 10);
    if (r->gate_waits || r->rollout.state == ROLLOUT_WAITING_APPROVAL)
        return look("◆", "GATE", ROLE_GATE, 20);
    switch (r->rollout.state) {
    case ROLLOUT_CREATING:
        return look("○", "NEW", ROLE_PENDING, 70);
    case ROLLOUT_READY:
        return look("○", "READY", ROLE_PENDING, 70);
    case ROLLOUT_STARTING:
        return look("●", "START", ROLE_RUN, 30);
    case ROLLOUT_RUNNING:
        if (*str(r->rollback_of) && !r->rollback_claimed)
            return look("↶", "BACK", ROLE_BACK, 30);
        return has_soaked_in(r) ? look("◐", "SOAK", ROLE_SOAK, 40) : look("●", "RUN", ROLE_RUN, 30);
    case ROLLOUT_PAUSED:
        return look("‖", "PAUSE", ROLE_PAUSE, 50);
    case ROLLOUT_STOPPING:
        return look("‖", "STOPG", ROLE_PAUSE, 50);
    case ROLLOUT_DELETING:
        return look("○", "GOING", ROLE_DIM, 94);
    case ROLLOUT_UNKNOWN:
    case ROLLOUT_WAITING_APPROVAL:
    case ROLLOUT_DENIED:
    case ROLLOUT_STOPPED:
    case ROLLOUT_FINISHED:
    case ROLLOUT_DELETED:
        break;
    }
    return look("?", "WHAT?", ROLE_WATCH, 15); /* a state that andon does not know; the others are told above */
}

struct look state_wave(const struct rollout_view *r, const struct wave_view *w)
{
    bool current = r->current == w->wave.index;
    if (current && *state_halt(r).word)
        return look("✖", state_halt(r).brief, ROLE_HALT, 0);
    if (w->verdict.react >= REACT_PAUSE)
        return look("✖", "BAD", ROLE_HALT, 0);
    switch (w->wave.state) {
    case WAVE_CREATING:
    case WAVE_READY:
    case WAVE_SCHEDULED:
        return look("○", "PEND", ROLE_PENDING, 0);
    case WAVE_RUNNING:
        if (w->verdict.react != REACT_NONE)
            return look("▲", w->verdict.react == REACT_HOLD ? "HOLD" : "WATCH", ROLE_WATCH, 0);
        return look("●", "RUN", ROLE_RUN, 0);
    case WAVE_FINISHED:
        /* A stop makes the waves that were never started "finished", too. */
        if (w->wave.counts.known && w->wave.counts.finished + w->wave.counts.error + w->wave.counts.running == 0 &&
            w->wave.total > 0)
            return look("○", "NEVER", ROLE_DIM, 0);
        if (!w->wave.counts.known || w->wave.counts.finished < w->wave.total)
            return look("▲", w->wave.counts.known ? "ENDED" : "DONE?", ROLE_WATCH, 0);
        return look("✓", "DONE", ROLE_DONE, 0);
    case WAVE_ERROR:
        return look("✖", "ERROR", ROLE_BAD, 0);
    case WAVE_UNKNOWN:
        break;
    }
    return look("?", "WHAT?", ROLE_WATCH, 0);
}

struct look state_device(const struct device_row *d)
{
    switch (d->state) {
    case DEV_OK:
        return look("✓", "OK", ROLE_GOOD, 50);
    case DEV_BAD:
        return look("✖", "BAD", ROLE_BAD, 0);
    case DEV_ODD:
        return look("▲", "ODD", ROLE_WARN, 20);
    case DEV_STALE:
        return look("?", "OLD", ROLE_STALE, 15);
    case DEV_UPDATING:
        return look("↻", "UPD", ROLE_RUN, 30);
    case DEV_WAITING:
        return look("○", "WAIT", ROLE_PENDING, 40);
    case DEV_FAILED:
        return look("✖", "FAIL", ROLE_BAD, 1);
    case DEV_GONE:
        return look("?", "GONE", ROLE_WARN, 10);
    }
    return look("?", "?", ROLE_DIM, 60);
}

struct look state_reaction(enum reaction r)
{
    switch (r) {
    case REACT_NONE:
        return look("✓", "ok", ROLE_GOOD, 9);
    case REACT_WATCH:
        return look("▲", "watch", ROLE_WARN, 3);
    case REACT_HOLD:
        return look("▲", "hold", ROLE_WARN, 2);
    case REACT_PAUSE:
        return look("✖", "HALT", ROLE_BAD, 1);
    case REACT_ROLLBACK:
        return look("✖", "ROLL BACK", ROLE_BAD, 0);
    }
    return look("?", "?", ROLE_DIM, 9);
}

void state_unjudged(const struct snapshot *s, const struct rollout_view *r, const struct wave_view *w, char *out)
{
    char t[FMT_MAX];
    if (r->trial.ended && explain_stage(&r->trial, w->wave.index)) {
        int n =
            snprintf(out, EXPLAIN_TEXT, "over: tested up to %s. ",
                     s->taken_at - r->trial.tick < US_PER_DAY ? fmt_hms(t, r->trial.tick) : fmt_iso(t, r->trial.tick));
        explain_wave(&r->trial, w->wave.index, out + n, EXPLAIN_TEXT - (size_t)n);
        return;
    }
    snprintf(out, EXPLAIN_TEXT, "%s",
             s->telemetry.state == LINK_NONE         ? "no telemetry is configured: nothing is judged"
             : w->running_since <= 0                 ? "not judged: this wave has not begun"
             : rollout_state_ended(r->rollout.state) ? "nothing is judged any more: the rollout has ended"
                                                     : "this wave is not being judged");
}

struct look state_verdict(const struct snapshot *s, const struct wave_view *w, const char **text)
{
    *text = w->verdict.text;
    if (w->verdict.react != REACT_NONE)
        return state_reaction(w->verdict.react);
    if (s->telemetry.state == LINK_NONE) {
        *text = "no telemetry is configured: only failed installs are judged";
        return look("○", "not judged", ROLE_DIM, 9);
    }
    if (s->telemetry.last_ok <= 0) {
        *text = "telemetry has not answered";
        return look("◌", "not yet", ROLE_SLOW, 9);
    }
    if (w->health.canary.expected == 0) {
        *text = "telemetry knows no device of this wave so far";
        return look("◌", "not yet", ROLE_SLOW, 9);
    }
    bool known = false; /* any figure of telemetry's */
    for (size_t i = 0; i < FIGURES_BUILTIN || i < w->n_figures; i++)
        known = known || (wave_figure(w, i)->kind != FIGURE_SHARE && !isnan(w->health.value[i]));
    if (!known)
        return look("◌", "not yet", ROLE_SLOW, 9);
    return state_reaction(REACT_NONE);
}

bool state_halting(const struct rollout_view *r, const struct wave_view *w)
{
    char figures[sizeof w->verdict.text];
    if (!w || !w->watched || !*state_halt(r).word)
        return false;
    const char *text = w->verdict.text, *evidence = strstr(text, ". Evidence ");
    snprintf(figures, sizeof figures, "%.*s", evidence ? (int)(evidence - text) : (int)strcspn(text, ";"), text);
    return figures[0] && find_in(str(r->halt_text), figures);
}

struct look state_sentence(const struct snapshot *s, const struct rollout_view *r, const struct wave_view *w, char *out)
{
    const char *text, *rule = str(w->verdict.rule);
    struct look l = state_verdict(s, w, &text);
    bool named = w->verdict.react != REACT_NONE && *rule;
    snprintf(out, EXPLAIN_TEXT, "%.60s%s%.300s", named ? rule : "", named ? ": " : "", text);
    if (w->verdict.react >= REACT_PAUSE && *state_halt(r).word && !state_halting(r, w)) {
        const char *by = str(r->halted_by);
        bool same = !strncmp(by, "rule ", 5) && !strcmp(by + 5, rule);
        l.word = same && strstr(text, ". Evidence ") ? "now" : "also"; /* counts are of now, limits keep their time */
    }
    return l;
}

struct look state_limit(enum limit_status s)
{
    switch (s) {
    case LIMIT_OK:
        return look("✓", "ok", ROLE_GOOD, 3);
    case LIMIT_PENDING:
        return look("▲", "over", ROLE_WARN, 1);
    case LIMIT_BREACH:
        return look("✖", "breach", ROLE_BAD, 0);
    case LIMIT_UNKNOWN:
        return look("?", "unknown", ROLE_STALE, 2);
    }
    return look("?", "?", ROLE_DIM, 3);
}

struct look state_trial(const struct trial_view *t)
{
    switch (t->state) {
    case TRIAL_OFF:
        return look("○", t->ended ? "over" : "off", ROLE_DIM, 5);
    case TRIAL_WAITING:
        return look("◌", "waiting", ROLE_SLOW, 3);
    case TRIAL_CATCHING:
        return look("◌", "catching up", ROLE_SLOW, 2);
    case TRIAL_LIVE:
        return look("●", "live", ROLE_LIVE, 9);
    case TRIAL_BEHIND:
        return look("!", "BEHIND", ROLE_LOST, 1);
    }
    return look("?", "?", ROLE_DIM, 9);
}

const char *state_next(const struct rollout_view *r)
{
    /* Everything is back; only the latch is left. */
    if (r->latched && r->rollback.step == RB_DONE && r->rollback.outcome == RB_COMPLETE)
        return "you: ack (a)";
    return str(r->next);
}

void state_evidence(const struct rollout_view *r, int wave, bool brief, char *out, size_t size)
{
    const struct trial_view *t = &r->trial;
    const struct stage_view *s = explain_stage(t, wave);
    char n[FMT_MAX], m[FMT_MAX];
    bool dry = t->dry_run, here = wave == t->stage || (t->stage < 0 && wave == r->current);
    out[0] = '\0';
    if (here && t->state == TRIAL_CATCHING)
        snprintf(out, size, "catching%s %d%%", brief ? "" : " up",
                 t->progress >= 0 && t->progress <= 1 ? (int)(t->progress * 100) : 0);
    else if (here && t->state == TRIAL_BEHIND)
        snprintf(out, size, brief ? "behind" : "evidence is behind");
    else if ((t->state != TRIAL_OFF || t->ended) && s && s->leading >= 0 && (size_t)s->leading < s->n)
        snprintf(out, size, brief ? "%s%s%s/%s" : "%s%s%s of %s", brief ? "" : "evidence ", dry ? "dry " : "",
                 explain_evidence(n, s->v[s->leading].log_e, s->v[s->leading].log_pause),
                 explain_need(m, s->v[s->leading].log_pause));
}

enum role state_evidence_role(const struct snapshot *s, const struct rollout_view *r, int wave)
{
    const struct trial_view *t = &r->trial;
    const struct stage_view *g = explain_stage(t, wave);
    const struct policy *p = snapshot_policy(s, r);
    if (wave == t->stage && (t->state == TRIAL_CATCHING || t->state == TRIAL_BEHIND))
        return t->state == TRIAL_BEHIND ? ROLE_LOST : ROLE_SLOW;
    if (!g || g->leading < 0 || (size_t)g->leading >= g->n)
        return ROLE_TEXT;
    enum reaction react = explain_reaction(&p->evidence, &g->v[g->leading]);
    if (react >= REACT_PAUSE && t->dry_run)
        return ROLE_WARN;
    return react == REACT_NONE ? ROLE_TEXT : state_reaction(react).role;
}

enum link_state state_link(const struct snapshot *s, const struct link_view *l, int64_t now)
{
    if (l->state == LINK_NONE)
        return LINK_NONE;
    if (l->last_ok <= 0)
        return l->state == LINK_FAILED ? LINK_FAILED : LINK_CONNECTING;
    enum link_state st = l->state == LINK_CONNECTING ? LINK_LIVE : l->state;
    int64_t since = now - s->taken_at; /* the snapshot itself may have aged: an engine that hangs must show */
    if (st < LINK_STALE && (since > s->fresh_us || (l == &s->link && now - l->last_ok > s->fresh_us)))
        return LINK_STALE;
    if (st == LINK_LIVE && since > s->fresh_us / 2)
        return LINK_SLOW;
    return st;
}

bool state_stale(const struct snapshot *s, int64_t now)
{
    enum link_state st = state_link(s, &s->link, now);
    return st == LINK_STALE || st == LINK_FAILED;
}
