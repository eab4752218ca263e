#include "engine/show.h"

#include <stdio.h>
#include <string.h>
#include "engine/worker.h"

#define ALERTS_MAX      200
#define PUBLISH_US      (50 * US_PER_MS)  /* between two snapshots while somebody waits for what is to come */
#define PUBLISH_REST_US (500 * US_PER_MS) /* and when nobody does */
#define OTHER_US        (10 * US_PER_MIN) /* for so long it is an alert that another rollout has the number */
#define LIVELY_US       (5 * US_PER_S)    /* somebody waits: so long after the start, a verb, a change of focus */

static const char *dup_text(struct arena *a, const char *s)
{
    return arena_strdup(a, s ? s : "");
}

static void link_view(struct engine *en, struct arena *a, const struct link *l, int64_t poll_us, int64_t stale_us,
                      const char *url, struct link_view *out)
{
    int64_t now = now_of(en), age = now - l->last_ok;
    out->last_ok = l->last_ok;
    out->rtt_us = l->rtt;
    out->retries = l->failures;
    out->next_try = l->next_try;
    out->error = dup_text(a, l->err.what);
    out->next = dup_text(a, l->err.next);
    out->url = dup_text(a, url);
    if (l->last_ok == 0)
        out->state = l->failures > 0 ? LINK_FAILED : LINK_CONNECTING;
    else if (age >= stale_us)
        out->state = l->failures > 0 ? LINK_FAILED : LINK_STALE;
    else
        out->state = age <= 2 * poll_us + l->rtt ? LINK_LIVE : LINK_SLOW;
}

/* ---- alerts ---- */

static void ANDON_PRINTF(5, 6)
    alert(struct snapshot *s, enum alert_kind kind, const char *rollout, int64_t since, const char *fmt, ...)
{
    va_list ap;
    char text[300];
    if (s->n_alerts >= ALERTS_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    s->alerts[s->n_alerts++] = (struct alert){
        .kind = kind, .rollout = dup_text(&s->arena, rollout), .text = dup_text(&s->arena, text), .since = since};
}

static void rollout_alerts(struct snapshot *s, const struct ro *ro)
{
    const struct ro_stop *h = &ro->stop;
    const struct halt_known *k = ro_stop_halt(ro);
    if (stop_escalated(&h->m))
        alert(s, ALERT_ESCALATED, ro->id, h->m.since, "the halt of %s is not shown by the server; andon goes on trying",
              ro->id);
    else if (h->m.phase == STOP_CLAIMED || h->m.phase == STOP_CLAIM_RUN)
        alert(s, ALERT_HALT, ro->id, k->at, "a note that no known key has signed says: halted by %s%s%s: %s", k->by,
              *k->host ? " on " : "", k->host, k->text);
    else if (stop_latched(&h->m))
        alert(s, ALERT_HALT, ro->id, k->at, "halted by %s%s%s: %s", k->by, *k->host ? " on " : "", k->host, k->text);
    if (*ro->stop.external)
        alert(s, ALERT_EXTERNAL, ro->id, ro->stop.external_at, "%s", ro->stop.external);
    if (ro->facts.other_at > 0 && now_of(ro->en) - ro->facts.other_at < OTHER_US)
        alert(s, ALERT_OTHER, ro->id, ro->facts.other_at,
              "this is another rollout %s: the server's database began anew?", ro->id);
    if (ro_ended(ro))
        return;
    if (ro->watch.unlisted.code != ERR_NONE)
        alert(s, ALERT_UNLISTED, ro->id, now_of(ro->en), "told devices cannot be listed, nothing of them is judged: %s",
              ro->watch.unlisted.what);
    if (*trial_note(ro))
        alert(s, ALERT_WATCH, ro->id, now_of(ro->en), "%s", trial_note(ro));
    size_t current = ro->facts.current < 0 ? SIZE_MAX : (size_t)ro->facts.current;
    if (*trial_unlike(ro, current))
        alert(s, ALERT_WATCH, ro->id, now_of(ro->en), "W%zu: its canaries were %s", current, trial_unlike(ro, current));
    for (size_t i = 0; i < ro->facts.n_waves; i++) {
        const struct verdict *v = &ro->wv[i].judge.verdict;
        if (!ro->wv[i].judge.judged)
            continue;
        if (v->data_missing && v->early)
            continue; /* too early to say */
        if (v->data_missing)
            alert(s, ALERT_LOST, ro->id, v->unknown_since, "W%zu: %s", i, v->text);
        else if (v->react == REACT_WATCH || v->react == REACT_HOLD)
            alert(s, ALERT_WATCH, ro->id, now_of(ro->en), "W%zu: %s", i, v->text);
    }
}

static void alerts(struct engine *en, struct snapshot *s)
{
    s->alerts = ARENA_ARRAY(&s->arena, struct alert, ALERTS_MAX);
    for (size_t i = 0; i < en->facts.n_ros; i++)
        rollout_alerts(s, en->facts.ros[i]);
    for (const struct op *op = en->verbs.ops; op; op = op->next) {
        if (op->stop.fleet_wide && !op_ended(op) && op->stop.stage == 1)
            alert(s, ALERT_ESCALATED, "", op->started, "%s", op->text);
        if (op->phase == OP_UNKNOWN)
            alert(s, ALERT_UNKNOWN_OP, op->in.rollout, op->ended, "%s: %s", verb_word(op->in.verb), op->text);
    }
    if (en->trials.keep_err.code != ERR_NONE)
        alert(s, ALERT_LOG, "", now_of(en), "evidence is not kept over a restart: %s", en->trials.keep_err.what);
    char late[400];
    witness_late(en, late, sizeof late);
    if (*witness_alarm(en))
        alert(s, ALERT_LOG, "", en->witness.view.alarm_at, "only halts go out: %s", witness_alarm(en));
    else if (*late)
        alert(s, ALERT_LOG, "", now_of(en), "%s", late);
    if (en->diary.err.code != ERR_NONE)
        alert(s, ALERT_LOG, "", en->diary.degraded_since, "%s", en->diary.err.what);
}

/* What is shown in detail is of the old one: read anew. */
static void replaced(struct ro *old, struct ro *fresh)
{
    struct engine *en = fresh->en;
    const struct focus nothing = {.wave = -1}, was = en->detail.focus;
    if (strcmp(was.rollout, old->id) != 0)
        return;
    detail_change(en, &nothing);
    detail_change(en, &was);
}

/* ---- the rest ---- */

static void ops_view(struct engine *en, struct snapshot *s)
{
    size_t n = 0;
    for (const struct op *op = en->verbs.ops; op; op = op->next)
        n++;
    s->ops = ARENA_ARRAY(&s->arena, struct op_view, n + 1);
    for (const struct op *op = en->verbs.ops; op; op = op->next)
        s->ops[s->n_ops++] = (struct op_view){.ticket = op->ticket,
                                              .corr = op->corr,
                                              .verb = op->in.verb,
                                              .rollout = dup_text(&s->arena, op->in.rollout),
                                              .actor = dup_text(&s->arena, op->in.actor.name),
                                              .phase = op->phase,
                                              .text = dup_text(&s->arena, op->text),
                                              .next = dup_text(&s->arena, op->then),
                                              .started = op->started,
                                              .ended = op->ended,
                                              .log_seq = op->log_seq,
                                              .trail = op->trail};
}

static void audit_view(struct engine *en, struct snapshot *s)
{
    struct audit_view *v = &s->audit;
    s->notes_due = notes_due(en);
    v->open = en->diary.open;
    v->writable = diary_ok(en);
    v->tampered = !v->writable && en->diary.err.code == ERR_TAMPERED;
    v->degraded = en->diary.degraded;
    v->backlog = (int64_t)en->diary.n_backlog;
    v->size = en->diary.size;
    v->checkpoint_t = en->diary.newest;
    v->verified = en->diary.verified;
    v->error = dup_text(&s->arena, en->diary.err.what);
    char late[400];
    witness_late(en, late, sizeof late);
    v->doubt = dup_text(&s->arena, witness_alarm(en));
    v->unseen = dup_text(&s->arena, late);
    v->witness = "";
    v->witnesses = en->witness.view.n;
    for (size_t i = 0; i < en->witness.view.n; i++)
        if (en->witness.view.v[i].size > v->witnessed) {
            v->witnessed = en->witness.view.v[i].size;
            v->witnessed_t = en->witness.view.v[i].t;
            v->witness = dup_text(&s->arena, en->witness.view.v[i].name);
        }
    v->commands = en->verbs.commands;
    v->refused = en->verbs.refused;
    for (const struct op *op = en->verbs.ops; op; op = op->next)
        v->pending += !op_ended(op);
}

static struct snapshot *build(struct engine *en)
{
    struct snapshot *s = snapshot_new();
    const struct fleet_spec *f = en->spec.fleet;
    int64_t interval = beat_interval(en);
    s->generation = ++en->show.generation;
    s->taken_at = now_of(en);
    s->fleet = dup_text(&s->arena, f->name);
    s->environment = dup_text(&s->arena, f->environment);
    s->kind = dup_text(&s->arena, f->kind);
    s->user = dup_text(&s->arena, en->facts.info.user);
    s->production = f->production;
    s->fresh_us = fresh_us(en);
    s->read_only = f->read_only || en->spec.observe_only;
    s->operator_named = *en->spec.actor.operator_name != '\0';
    facts_info(&s->arena, &en->facts.info, &s->info);
    s->policy = en->policy;
    link_view(en, &s->arena, &en->facts.link, f->poll_us, fresh_us(en), f->endpoint.url, &s->link);
    if (en->tm)
        link_view(en, &s->arena, &en->telemetry.link, interval, 3 * interval, f->telemetry.endpoint.url, &s->telemetry);
    else
        s->telemetry.error = s->telemetry.next = s->telemetry.url = "";
    s->rollouts_known = en->facts.rollouts_known;
    s->rollouts_clipped = en->facts.rollouts_clipped;
    s->rollouts = ARENA_ARRAY(&s->arena, struct rollout_view, en->facts.n_ros + 1);
    for (size_t i = 0; i < en->facts.n_ros; i++)
        if (!en->facts.ros[i]->facts.gone)
            show_rollout(s, en->facts.ros[i], &s->rollouts[s->n_rollouts++]);
    alerts(en, s);
    ops_view(en, s);
    audit_view(en, s);
    memcpy(s->updating_trend, en->show.updating_trend, sizeof s->updating_trend);
    memcpy(s->failed_trend, en->show.failed_trend, sizeof s->failed_trend);
    detail_publish(en, s);
    inventory_publish(en, s);
    outlook_publish(en, s);
    plans_publish(en, s);
    return s;
}

static void publish(struct engine *en)
{
    struct snapshot *s = build(en);
    en->show.dirty = false;
    en->show.published_at = now_of(en);
    door_show(en, s);
}

/* ---- when ---- */

void show_lively(struct engine *en)
{
    en->show.lively_until = now_of(en) + LIVELY_US;
}

/* A snapshot copies every rollout and makes every screen draw: at rest two a second are enough. */
static int64_t pace(struct engine *en)
{
    bool lively = now_of(en) < en->show.lively_until;
    for (const struct op *op = en->verbs.ops; op && !lively; op = op->next)
        lively = !op_ended(op) || now_of(en) - op->ended < LIVELY_US;
    return lively ? PUBLISH_US : PUBLISH_REST_US;
}

void show_maybe(struct engine *en, bool quiet, bool drilled)
{
    if (!en->show.dirty)
        return;
    int64_t every = pace(en);
    if ((quiet && (drilled || every == PUBLISH_US)) || now_of(en) - en->show.published_at >= every)
        publish(en);
}

int64_t show_due(struct engine *en)
{
    return en->show.dirty ? en->show.published_at + pace(en) : TIME_NEVER;
}

/* ---- the part ---- */

/* What went right and wrong in the fleet in each minute, for the pulse on the board. */
static void pulse(struct engine *en)
{
    int64_t done = 0, failed = 0, now = now_of(en);
    for (size_t i = 0; i < en->facts.n_ros; i++) {
        const struct counts *c = &en->facts.ros[i]->facts.r.counts;
        if (!c->known)
            continue;
        done += c->finished;
        failed += c->error;
    }
    if (en->show.minute_known && now - en->show.minute_at < US_PER_MIN)
        return;
    if (en->show.minute_known) {
        double minutes = (double)(now - en->show.minute_at) / (double)US_PER_MIN;
        memmove(en->show.updating_trend, en->show.updating_trend + 1, (TREND_N - 1) * sizeof(float));
        memmove(en->show.failed_trend, en->show.failed_trend + 1, (TREND_N - 1) * sizeof(float));
        en->show.updating_trend[TREND_N - 1] =
            done > en->show.minute_done ? (float)((double)(done - en->show.minute_done) / minutes) : 0;
        en->show.failed_trend[TREND_N - 1] =
            failed > en->show.minute_failed ? (float)((double)(failed - en->show.minute_failed) / minutes) : 0;
    }
    en->show.minute_done = done;
    en->show.minute_failed = failed;
    en->show.minute_at = now;
    en->show.minute_known = true;
}

static void init(struct engine *en)
{
    for (int i = 0; i < TREND_N; i++)
        en->show.updating_trend[i] = en->show.failed_trend[i] = __builtin_nanf("");
}

/* So that there is a snapshot from the first moment. */
static bool start(struct engine *en, struct err *e)
{
    (void)e;
    publish(en);
    return true;
}

const struct part part_show = {
    .name = "show", .init = init, .start = start, .begin = publish, .replaced = replaced, .listed = pulse};
