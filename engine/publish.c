/* Snapshots: what the worker knows, copied into one arena and swapped in under the lock. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "engine/worker.h"

#define ALERTS_MAX 200

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
    const struct halt *h = &ro->halt;
    if (h->phase == HALT_ESCALATED)
        alert(s, ALERT_ESCALATED, ro->id, h->since, "the halt of %s is not shown by the server; andon goes on trying",
              ro->id);
    else if (h->latched)
        alert(s, ALERT_HALT, ro->id, h->since, "halted by %s: %s", h->by, h->text);
    if (*ro->external)
        alert(s, ALERT_EXTERNAL, ro->id, ro->external_at, "%s", ro->external);
    if (ro_ended(ro))
        return;
    for (size_t i = 0; i < ro->n_waves; i++) {
        const struct verdict *v = &ro->wv[i].verdict;
        if (!ro->wv[i].judged)
            continue;
        if (v->data_missing)
            alert(s, ALERT_LOST, ro->id, v->unknown_since, "W%zu: %s", i, v->text);
        else if (v->react == REACT_WATCH || v->react == REACT_HOLD)
            alert(s, ALERT_WATCH, ro->id, now_of(ro->en), "W%zu: %s", i, v->text);
    }
}

static void alerts(struct engine *en, struct snapshot *s)
{
    s->alerts = ARENA_ARRAY(&s->arena, struct alert, ALERTS_MAX);
    for (size_t i = 0; i < en->n_ros; i++)
        rollout_alerts(s, en->ros[i]);
    for (const struct op *op = en->ops; op; op = op->next) {
        if (op->fleet_wide && !op_ended(op) && op->stage == 1)
            alert(s, ALERT_ESCALATED, "", op->started, "%s", op->text);
        if (op->phase == OP_UNKNOWN)
            alert(s, ALERT_UNKNOWN_OP, op->in.rollout, op->ended, "%s: %s", verb_word(op->in.verb), op->text);
    }
    if (en->keep_err.code != ERR_NONE)
        alert(s, ALERT_LOG, "", now_of(en), "evidence is not kept over a restart: %s", en->keep_err.what);
    if (en->log_err.code != ERR_NONE)
        alert(s, ALERT_LOG, "", en->log_degraded_since, "%s", en->log_err.what);
}

/* ---- the rest ---- */

static void ops_view(struct engine *en, struct snapshot *s)
{
    size_t n = 0;
    for (const struct op *op = en->ops; op; op = op->next)
        n++;
    s->ops = ARENA_ARRAY(&s->arena, struct op_view, n + 1);
    for (const struct op *op = en->ops; op; op = op->next)
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
                                              .log_seq = op->log_seq};
}

static void audit_view(struct engine *en, struct snapshot *s)
{
    struct audit_view *v = &s->audit;
    v->open = en->log_open;
    v->writable = diary_ok(en);
    v->degraded = en->log_degraded;
    v->backlog = (int64_t)en->n_backlog;
    v->size = en->log_size;
    v->checkpoint_t = en->log_newest;
    v->verified = en->log_verified;
    v->error = dup_text(&s->arena, en->log_err.what);
    v->commands = en->commands;
    v->refused = en->refused;
    for (const struct op *op = en->ops; op; op = op->next)
        v->pending += !op_ended(op);
}

static struct snapshot *build(struct engine *en)
{
    struct snapshot *s = snapshot_new();
    const struct fleet_spec *f = en->spec.fleet;
    int64_t interval = f->telemetry.interval_us > 0 ? f->telemetry.interval_us : 15 * US_PER_S;
    s->generation = ++en->generation;
    s->taken_at = now_of(en);
    s->fleet = dup_text(&s->arena, f->name);
    s->environment = dup_text(&s->arena, f->environment);
    s->kind = dup_text(&s->arena, f->kind);
    s->user = dup_text(&s->arena, en->info.user);
    s->production = f->production;
    s->read_only = f->read_only || en->spec.observe_only;
    s->info = (struct backend_info){.kind = dup_text(&s->arena, en->info.kind),
                                    .version = dup_text(&s->arena, en->info.version),
                                    .caps = en->info.caps,
                                    .user = s->user};
    s->policy = en->policy;
    link_view(en, &s->arena, &en->link, f->poll_us, STALE_US, f->endpoint.url, &s->link);
    if (en->tm)
        link_view(en, &s->arena, &en->tlink, interval, 3 * interval, f->telemetry.endpoint.url, &s->telemetry);
    else
        s->telemetry.error = s->telemetry.next = s->telemetry.url = "";
    s->rollouts_known = en->rollouts_known;
    s->rollouts = ARENA_ARRAY(&s->arena, struct rollout_view, en->n_ros + 1);
    for (size_t i = 0; i < en->n_ros; i++)
        if (!en->ros[i]->gone)
            publish_ro(s, en->ros[i], &s->rollouts[s->n_rollouts++]);
    alerts(en, s);
    ops_view(en, s);
    audit_view(en, s);
    memcpy(s->updating_trend, en->updating_trend, sizeof s->updating_trend);
    memcpy(s->failed_trend, en->failed_trend, sizeof s->failed_trend);
    focus_publish(en, s);
    return s;
}

void publish(struct engine *en)
{
    struct snapshot *s = build(en), *old;
    uint64_t one = 1;
    en->dirty = false;
    en->published_at = now_of(en);
    pthread_mutex_lock(&en->lock);
    old = en->snap;
    en->snap = s;
    pthread_cond_broadcast(&en->published);
    pthread_mutex_unlock(&en->lock);
    snapshot_unref(old);
    ssize_t n = write(en->seen_fd, &one, sizeof one);
    (void)n; /* it only refuses when it is readable already */
}
