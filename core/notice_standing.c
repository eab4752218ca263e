/* Which notices a snapshot gives. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/clock.h"
#include "core/digest.h"
#include "core/fmt.h"
#include "core/notice.h"
#include "core/outlook.h"
#include "core/snapshot.h"
#include "core/text.h"

struct list {
    const struct snapshot *s;
    int64_t wall;
    struct notice *v;
    size_t n, max;
};

static void copy(char *to, size_t size, const char *s)
{
    safe_text_into(to, size, s ? s : "", s ? strlen(s) : 0);
}

/* The same on every host: nothing of this watcher is in it. */
static void make_key(const struct notice *n, int64_t created_at, char out[NOTICE_KEY_BYTES])
{
    char key[400], digest[SHA256_HEX], wave[24] = "", made[FMT_MAX + 1] = "", at[FMT_MAX];
    if (created_at > 0)
        snprintf(made, sizeof made, "@%s", fmt_iso(at, created_at));
    if (n->wave >= 0 && (n->kind == NOTICE_WATCH || n->kind == NOTICE_GATE))
        snprintf(wave, sizeof wave, "/W%d", n->wave);
    int len = snprintf(key, sizeof key, "%s/%s%s/%s%s", n->fleet, n->rollout, made, notice_kind_word(n->kind), wave);
    if (strcmp(n->rule, NOTICE_RULE_SERVER) == 0)
        len = snprintf(key, sizeof key, "%s//fleet-server", n->fleet);
    if (len >= NOTICE_KEY_BYTES) {
        sha256_hex(key, strlen(key), digest);
        snprintf(key, sizeof key, "sha256:%s", digest);
    }
    snprintf(out, NOTICE_KEY_BYTES, "%.*s", NOTICE_KEY_BYTES - 1, key);
}

void notice_old_key(const struct notice *n, char out[NOTICE_KEY_BYTES])
{
    make_key(n, 0, out);
}

/* The rollout that the notice is about; NULL: it is gone, though another may have its number. A notice of andon 0.1
 * knows no more than that. */
static const struct rollout_view *view_of(const struct snapshot *s, const struct notice *n)
{
    const struct rollout_view *r = *n->rollout ? snapshot_rollout(s, n->rollout) : NULL;
    char key[NOTICE_KEY_BYTES], old[NOTICE_KEY_BYTES];
    if (!r)
        return NULL;
    make_key(n, r->rollout.created_at, key);
    notice_old_key(n, old);
    return strcmp(n->key, key) == 0 || strcmp(n->key, old) == 0 ? r : NULL;
}

static void ANDON_PRINTF(6, 7) add(struct list *l, enum notice_kind kind, const struct rollout_view *r, int wave,
                                   const char *rule, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    if (l->n == l->max)
        return;
    struct notice *n = &l->v[l->n++];
    *n = (struct notice){.kind = kind, .t = l->wall, .wave = wave};
    copy(n->fleet, sizeof n->fleet, l->s->fleet);
    copy(n->environment, sizeof n->environment, l->s->environment);
    copy(n->rollout, sizeof n->rollout, r ? r->rollout.id : "");
    copy(n->rollout_name, sizeof n->rollout_name, r ? r->rollout.name : "");
    copy(n->rule, sizeof n->rule, rule);
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    copy(n->text, sizeof n->text, text);
    n->created_at = r ? r->rollout.created_at : 0;
    make_key(n, n->created_at, n->key);
}

static bool runs_on(const struct snapshot *s, const struct rollout_view *r)
{
    return r->latched && r->ran_at > 0 && (r->runs_on || s->taken_at - r->ran_at < NOTICE_RUNS_US);
}

static void halts(struct list *l, const struct rollout_view *r)
{
    const char *by = r->halted_by ? r->halted_by : "", *rule = "";
    if (strncmp(by, "rule ", 5) == 0)
        rule = by + 5;
    if (r->stop == STOP_ESCALATED)
        add(l, NOTICE_ESCALATED, r, r->current, rule,
            "the server does not show the halt by %s; andon goes on trying, and a person must stop it there", by);
    if (runs_on(l->s, r))
        add(l, NOTICE_RUNS, r, r->current, rule, "halted by %s, and resumed by another client%s", by,
            halt_said(r->stop, false).true_now ? "; it is stopped again" : "");
    if (!r->latched || l->n == l->max)
        return;
    add(l, NOTICE_HALT, r, r->current, rule, "halted by %s: %s", by, r->halt_text ? r->halt_text : "");
    if (!*rule)
        copy(l->v[l->n - 1].actor, sizeof l->v->actor, by);
}

static void rollbacks(struct list *l, const struct rollout_view *r)
{
    const struct rollback_view *b = &r->rollback;
    if (b->step == RB_NONE || b->step == RB_DONE)
        return;
    add(l, NOTICE_ROLLBACK, r, r->current, "", "a roll back to %s is under way",
        b->to && *b->to ? b->to : "the release before");
}

/* Held by andon for want of data: that is news at once, and not over before the rollout goes on. */
static bool held_for_data(const struct rollout_view *r)
{
    return r->stop == STOP_HELD && r->rollout.state == ROLLOUT_PAUSED && r->paused_by &&
           strcmp(r->paused_by, "rule " VERDICT_RULE_LOST) == 0;
}

/* A verdict without data, for so long that it is news; NULL = none. */
static const struct wave_view *lost_wave(const struct snapshot *s, const struct rollout_view *r)
{
    const struct wave_view *worst = NULL;
    int64_t least = held_for_data(r) ? 0 : NOTICE_LOST_US;
    if (rollout_state_ended(r->rollout.state))
        return NULL;
    for (size_t i = 0; i < r->n_waves; i++) {
        const struct wave_view *w = &r->waves[i];
        if (w->watched && w->verdict.data_missing && w->verdict.unknown_since > 0 &&
            s->taken_at - w->verdict.unknown_since >= least &&
            (!worst || w->verdict.unknown_since < worst->verdict.unknown_since))
            worst = w;
    }
    return worst;
}

static bool down(const struct link_view *v)
{
    return v->state == LINK_STALE || v->state == LINK_FAILED;
}

static void losses(struct list *l)
{
    const struct snapshot *s = l->s;
    char dur[FMT_MAX];
    size_t blind = 0, active = 0;
    int64_t since = 0;
    for (size_t i = 0; i < s->n_rollouts; i++) {
        const struct wave_view *w = lost_wave(s, &s->rollouts[i]);
        active += rollout_state_active(s->rollouts[i].rollout.state);
        blind += w != NULL;
        if (w && (since == 0 || w->verdict.unknown_since < since))
            since = w->verdict.unknown_since;
    }
    if (down(&s->link) && active > 0 && s->link.last_ok > 0 && s->taken_at - s->link.last_ok >= NOTICE_SERVER_US)
        add(l, NOTICE_LOST, NULL, -1, NOTICE_RULE_SERVER,
            "the fleet server has not answered for %s: andon neither sees nor stops what runs there",
            fmt_dur(dur, s->taken_at - s->link.last_ok));
    if (blind > 0 && down(&s->telemetry)) { /* one cause, one notice */
        add(l, NOTICE_LOST, NULL, -1, VERDICT_RULE_LOST, "telemetry has been lost since %s; %zu rollout%s it: %s",
            fmt_hms(dur, since), blind, blind == 1 ? " needs" : "s need",
            s->telemetry.error && *s->telemetry.error ? s->telemetry.error : "the source is stale");
        return;
    }
    for (size_t i = 0; i < s->n_rollouts; i++) {
        const struct wave_view *w = lost_wave(s, &s->rollouts[i]);
        if (w)
            add(l, NOTICE_LOST, &s->rollouts[i], w->wave.index, VERDICT_RULE_LOST, "%s", w->verdict.text);
        else if (held_for_data(&s->rollouts[i]))
            add(l, NOTICE_LOST, &s->rollouts[i], s->rollouts[i].current, VERDICT_RULE_LOST,
                "telemetry is there again; andon still holds the rollout that it had paused for want of it");
    }
}

static bool said(const char *s)
{
    return s && *s;
}

static void audit_log(struct list *l)
{
    const struct audit_view *a = &l->s->audit;
    if (a->tampered)
        add(l, NOTICE_TAMPERED, NULL, -1, "", "%s; only halts go out", a->error);
    if (said(a->doubt))
        add(l, NOTICE_LOG, NULL, -1, NOTICE_RULE_DOUBT, "%s; only halts go out", a->doubt);
    else if (said(a->unseen))
        add(l, NOTICE_LOG, NULL, -1, NOTICE_RULE_UNSEEN, "%s", a->unseen);
}

/* By what was computed last; without an inventory nobody is counted, and nothing is said. */
static void intelligence(struct list *l)
{
    const struct outlook *o = l->s->outlook.held;
    char n[FMT_MAX], t[FMT_MAX];
    if (!o)
        return;
    int64_t left = o->q.exploited_due - l->wall;
    if (o->q.exploited_devices > 0)
        add(l, NOTICE_EXPOSED, NULL, -1, "",
            "%s device%s exposed to an exploited vulnerability, %s%s%s: andon queue says what to roll out",
            fmt_count(n, o->q.exploited_devices), o->q.exploited_devices == 1 ? " is" : "s are",
            left > 0 ? "due in " : "", fmt_dur(t, left > 0 ? left : -left), left > 0 ? "" : " past due");
    for (size_t i = 0; i < o->n_sources; i++) {
        if (!o->sources[i].stale)
            continue;
        add(l, NOTICE_STALE, NULL, -1, "", "%s is %s old: it is judged by all the same; look at the mirror",
            o->sources[i].name, fmt_dur(t, o->sources[i].age));
        return; /* one for all: a mirror mostly fails as a whole */
    }
}

static void gates(struct list *l, const struct rollout_view *r)
{
    if (!r->gate_waits || rollout_state_ended(r->rollout.state))
        return;
    if (r->rollout.state == ROLLOUT_WAITING_APPROVAL)
        add(l, NOTICE_GATE, r, -1, "", "waits for a person to approve it");
    else if (r->trial.n_missing == (r->trial.person ? 1 : 0))
        add(l, NOTICE_GATE, r, r->current, "", "W%d is through; waits for a person to start the next wave", r->current);
}

static void watches(struct list *l, const struct rollout_view *r)
{
    if (rollout_state_ended(r->rollout.state) || r->latched)
        return;
    for (size_t i = 0; i < r->n_waves; i++) {
        const struct verdict *v = &r->waves[i].verdict;
        if (r->waves[i].watched && !v->data_missing && (v->react == REACT_WATCH || v->react == REACT_HOLD))
            add(l, NOTICE_WATCH, r, (int)i, v->rule ? v->rule : "", "%s", v->text);
    }
}

size_t notice_standing(const struct snapshot *s, int64_t wall, struct notice *out, size_t max)
{
    struct list l = {.s = s, .wall = wall, .v = out, .max = max};
    for (size_t i = 0; i < s->n_rollouts; i++)
        halts(&l, &s->rollouts[i]);
    for (size_t i = 0; i < s->n_rollouts; i++)
        rollbacks(&l, &s->rollouts[i]);
    audit_log(&l);
    losses(&l);
    intelligence(&l);
    for (size_t i = 0; i < s->n_rollouts; i++)
        gates(&l, &s->rollouts[i]);
    for (size_t i = 0; i < s->n_rollouts; i++)
        watches(&l, &s->rollouts[i]);
    return l.n;
}

bool notice_can_end(const struct snapshot *s, const struct notice *n)
{
    if (n->kind == NOTICE_EXPOSED || n->kind == NOTICE_STALE)
        return s->outlook.held && !s->outlook.error;
    if (n->kind == NOTICE_LOG || n->kind == NOTICE_TAMPERED) /* whatever the fleet server does */
        return n->kind == NOTICE_LOG ? s->audit.open : s->audit.writable;
    if (!s->rollouts_known || down(&s->link) || s->link.state == LINK_CONNECTING)
        return false;
    const struct rollout_view *r = view_of(s, n);
    if (r && rollout_state_ended(r->rollout.state) && n->kind != NOTICE_ROLLBACK)
        return true;
    if (n->kind == NOTICE_LOST && strcmp(n->rule, NOTICE_RULE_SERVER) != 0)
        return !down(&s->telemetry) && s->telemetry.state != LINK_CONNECTING && (!r || r->waves_known);
    /* A roll back that was under way is taken up again out of the log: its end is shown, or there is none. */
    if (n->kind == NOTICE_ROLLBACK)
        return !r || r->rollback.step == RB_DONE;
    return !r || r->waves_known;
}

/* When andon has let it go on again by itself, 0 = it has not, as far as is known. */
static int64_t resumed_at(const struct snapshot *s, const struct rollout_view *r)
{
    for (size_t i = 0; i < s->n_ops; i++)
        if (s->ops[i].verb == VERB_RESUME && s->ops[i].phase == OP_DONE &&
            strcmp(s->ops[i].rollout, r->rollout.id) == 0)
            return strcmp(s->ops[i].actor, VERDICT_RULE_LOST) == 0 ? s->ops[i].ended : 0;
    return 0;
}

static void data_is_back(const struct snapshot *s, const struct rollout_view *r, char *out, size_t size)
{
    int64_t at = r && rollout_state_active(r->rollout.state) ? resumed_at(s, r) : 0;
    char t[FMT_MAX];
    if (at > 0)
        snprintf(out, size, "telemetry is back; andon has resumed the rollout at %s", fmt_hms(t, at));
    else if (r && r->rollout.state == ROLLOUT_PAUSED)
        snprintf(out, size, "telemetry is back; the rollout stands paused%s%s",
                 r->paused_by && *r->paused_by ? " by " : "", r->paused_by ? r->paused_by : "");
    else
        snprintf(out, size, "telemetry is back");
}

static void end_text(struct notice *n, const struct snapshot *s, const struct rollout_view *r)
{
    char text[600];
    switch (n->kind) {
    case NOTICE_HALT:
        copy(n->text, sizeof n->text, r ? "the halt was acknowledged" : "the rollout is gone");
        return;
    case NOTICE_ESCALATED:
        copy(n->text, sizeof n->text, r && r->latched ? "the server shows the halt" : "the halt is no longer wanted");
        return;
    case NOTICE_RUNS:
        copy(n->text, sizeof n->text,
             r && r->latched ? "the server shows it stopped again" : "the halt was acknowledged");
        return;
    case NOTICE_ROLLBACK:
        if (r && r->rollback.step == RB_DONE) {
            snprintf(text, sizeof text, "%s: %lld of %lld devices verified%s%s", rollback_word(&r->rollback),
                     (long long)r->rollback.verified, (long long)r->rollback.devices,
                     r->rollback.left && *r->rollback.left ? "; " : "", r->rollback.left ? r->rollback.left : "");
            copy(n->text, sizeof n->text, text);
        } else {
            copy(n->text, sizeof n->text, "the rollout is gone");
        }
        return;
    case NOTICE_LOST:
        if (strcmp(n->rule, NOTICE_RULE_SERVER) == 0)
            snprintf(text, sizeof text, "the fleet server answers again");
        else
            data_is_back(s, r, text, sizeof text);
        copy(n->text, sizeof n->text, text);
        return;
    case NOTICE_LOG:
        copy(n->text, sizeof n->text, "the witnesses and the log agree, and its newest entries are seen");
        return;
    case NOTICE_TAMPERED:
        copy(n->text, sizeof n->text, "the audit log can be relied on again as far as andon sees, and is written to");
        return;
    case NOTICE_EXPOSED:
        copy(n->text, sizeof n->text, "no device is known to be exposed any more, or it was accepted");
        return;
    case NOTICE_STALE:
        copy(n->text, sizeof n->text, "what was imported is new enough again");
        return;
    case NOTICE_GATE:
        copy(n->text, sizeof n->text, "it waits no longer");
        return;
    case NOTICE_WATCH:
    case NOTICE_TEST:
    case NOTICE_KINDS:
        copy(n->text, sizeof n->text, "nothing is to be watched any more");
        return;
    }
}

void notice_end(struct notice *n, const struct snapshot *s, int64_t wall)
{
    n->resolved = true;
    n->t = wall;
    end_text(n, s, view_of(s, n));
}
