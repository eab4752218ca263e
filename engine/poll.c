/* The poll cycle: who the server is, its rollouts each poll_us, and what each answer sets off. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/worker.h"

#define BACKOFF_MAX (10 * US_PER_S)
#define ENDED_READ  40
#define PROBE_US    (10 * US_PER_MIN)

static void poll_rollouts(struct engine *en, void *arg);
static void probe(struct engine *en, void *arg);

/* ---- links ---- */

void link_ok(struct engine *en, struct link *l, const struct reply *r)
{
    l->last_ok = now_of(en);
    l->rtt = r->answered_at > r->sent_at ? r->answered_at - r->sent_at : 0;
    l->failures = 0;
    err_clear(&l->err);
    mark(en);
}

void link_bad(struct engine *en, struct link *l, const struct err *e)
{
    l->failures++;
    l->err = *e;
    mark(en);
}

bool link_fresh(struct engine *en)
{
    return en->link.last_ok > 0 && now_of(en) - en->link.last_ok < STALE_US;
}

/* Doubles with each failure, jittered so that many consoles do not come back together. */
static int64_t back_off(struct engine *en, int64_t base, int failures)
{
    int64_t d = base;
    for (int i = 1; i < failures && d < BACKOFF_MAX; i++)
        d *= 2;
    if (d > BACKOFF_MAX)
        d = BACKOFF_MAX;
    return d / 2 + (int64_t)((double)d * rng_unit(&en->rng)) / 2 + 1;
}

/* ---- rollouts as the engine keeps them ---- */

struct ro *ro_find(struct engine *en, const char *id)
{
    for (size_t i = 0; i < en->n_all; i++)
        if (strcmp(en->all[i]->id, id) == 0)
            return en->all[i];
    return NULL;
}

struct ro *ro_get(struct engine *en, const char *id)
{
    struct ro *ro = ro_find(en, id);
    if (ro)
        return ro;
    ro = xcalloc(1, sizeof *ro);
    ro->en = en;
    snprintf(ro->id, sizeof ro->id, "%s", id);
    arena_init(&ro->arena);
    arena_init(&ro->wave_arena);
    ro->current = ro->control_next = ro->hold_wave = -1;
    ro->policy = en->policy;
    ro->r = (struct rollout){.id = ro->id,
                             .name = "",
                             .description = "",
                             .state_word = "",
                             .release = {"", "", ""},
                             .filter = "",
                             .created_by = "",
                             .approval_by = "",
                             .approval_remark = ""};
    if (en->n_all == en->cap_all) {
        en->cap_all = en->cap_all ? en->cap_all * 2 : 64;
        en->all = xreallocarray(en->all, en->cap_all, sizeof(struct ro *));
    }
    en->all[en->n_all++] = ro;
    return ro;
}

void ro_free(struct ro *ro)
{
    for (size_t i = 0; i < ro->n_waves; i++)
        free(ro->wv[i].members);
    free(ro->wv);
    free(ro->control);
    trial_end(ro);
    trial_shown_free(ro);
    rollback_free(ro->rb);
    watch_from_free(ro);
    arena_release(&ro->arena);
    arena_release(&ro->wave_arena);
    free(ro);
}

bool ro_ended(const struct ro *ro)
{
    return ro->gone || ro->r.deleted || rollout_state_ended(ro->r.state);
}

static const char *dup_text(struct arena *a, const char *s)
{
    return arena_strdup(a, s ? s : "");
}

void rollout_copy(struct arena *a, struct rollout *to, const struct rollout *from)
{
    *to = *from;
    to->id = dup_text(a, from->id);
    to->name = dup_text(a, from->name);
    to->description = dup_text(a, from->description);
    to->state_word = dup_text(a, from->state_word);
    to->release.id = dup_text(a, from->release.id);
    to->release.name = dup_text(a, from->release.name);
    to->release.version = dup_text(a, from->release.version);
    to->filter = dup_text(a, from->filter);
    to->created_by = dup_text(a, from->created_by);
    to->approval_by = dup_text(a, from->approval_by);
    to->approval_remark = dup_text(a, from->approval_remark);
}

static void release_done(struct req *q, const struct reply *r)
{
    struct ro *ro = q->ro;
    if (r->err || strcmp(q->out.release.id, ro->r.release.id) != 0)
        return;
    ro->r.release.name = dup_text(&ro->arena, q->out.release.name);
    ro->r.release.version = dup_text(&ro->arena, q->out.release.version);
    mark(q->en);
}

/* Some servers name only the id of a rollout's release in a list. */
static void resolve_release(struct ro *ro)
{
    struct engine *en = ro->en;
    if (*ro->r.release.version || !*ro->r.release.id)
        return;
    struct req *q = req_new(en, release_done);
    q->ro = ro;
    en->be->ops->release(en->be, arena_strdup(&q->arena, ro->r.release.id), NULL, NULL, &q->arena, &q->out.release,
                         req_done, q);
}

/* Somebody other than this andon has changed the state: said once. */
static void tell_external(struct ro *ro, enum rollout_state was)
{
    enum rollout_state is = ro->r.state;
    if (was == is || was == ROLLOUT_UNKNOWN)
        return;
    if (is == ROLLOUT_PAUSED && !*ro->paused_by && ro->told_state != ROLLOUT_PAUSED)
        snprintf(ro->paused_by, sizeof ro->paused_by, "the server or another client");
    if (is == ROLLOUT_RUNNING || is == ROLLOUT_STARTING) {
        bool ours = ro->told_state == ROLLOUT_RUNNING;
        if (was == ROLLOUT_PAUSED && !ours && (ro->held || ro->halt.latched)) {
            snprintf(ro->external, sizeof ro->external, "%s was %s, and was resumed by another client", ro->id,
                     ro->halt.latched ? "halted" : "held");
            ro->external_at = now_of(ro->en);
        }
        if (was == ROLLOUT_PAUSED) {
            ro->held = false;
            ro->acked_pause = false;
            ro->paused_by[0] = '\0';
        }
    }
    if (is == ROLLOUT_PAUSED || rollout_state_ended(is))
        ro->external[0] = '\0';
    ro->told_state = ROLLOUT_UNKNOWN;
}

void ro_take(struct ro *ro, const struct rollout *r, int64_t at)
{
    if (ro->known && at < ro->seen_at)
        return; /* asked for before the newest: it may show what was before a verb */
    enum rollout_state was = ro->known ? ro->r.state : ROLLOUT_UNKNOWN;
    char name[NAME_MAX_BYTES], version[NAME_MAX_BYTES], release[ID_MAX];
    snprintf(name, sizeof name, "%s", ro->r.release.name);
    snprintf(version, sizeof version, "%s", ro->r.release.version);
    snprintf(release, sizeof release, "%s", ro->r.release.id);
    bool changed = !ro->known || ro->r.state != r->state || ro->r.last_modified != r->last_modified ||
                   !counts_equal(&ro->r.counts, &r->counts);
    arena_release(&ro->arena);
    rollout_copy(&ro->arena, &ro->r, r);
    if (!*ro->r.release.version && strcmp(release, ro->r.release.id) == 0) {
        ro->r.release.name = dup_text(&ro->arena, name);
        ro->r.release.version = dup_text(&ro->arena, version);
    }
    ro->known = true;
    ro->gone = false;
    ro->seen_at = at;
    /* What rests does not move without the rollout's own counts: its waves are as good as this answer. */
    if (!changed && ro->waves_known && !ro->waves_loading && !rollout_state_active(r->state) && r->counts.known)
        ro->waves_as_of = at; /* trials go on with the next telemetry */
    rules_choose(ro);
    resolve_release(ro);
    tell_external(ro, was);
    halt_seen(ro);
    act_poll(ro->en, ro);
    rollback_seen(ro);
    /* Of the many that have ended long ago, only the newest are read without being asked for. */
    if (changed && (!ro_ended(ro) || ro->waves_known || ro->en->n_ended_read++ < ENDED_READ))
        ro_read(ro);
    mark(ro->en);
}

/* ---- the list ---- */

/* What went right and wrong in the fleet in each minute, for the pulse on the board. */
static void pulse(struct engine *en)
{
    int64_t done = 0, failed = 0, now = now_of(en);
    for (size_t i = 0; i < en->n_ros; i++) {
        const struct counts *c = &en->ros[i]->r.counts;
        if (!c->known)
            continue;
        done += c->finished;
        failed += c->error;
    }
    if (en->minute_known && now - en->minute_at < US_PER_MIN)
        return;
    if (en->minute_known) {
        double minutes = (double)(now - en->minute_at) / (double)US_PER_MIN;
        memmove(en->updating_trend, en->updating_trend + 1, (TREND_N - 1) * sizeof(float));
        memmove(en->failed_trend, en->failed_trend + 1, (TREND_N - 1) * sizeof(float));
        en->updating_trend[TREND_N - 1] =
            done > en->minute_done ? (float)((double)(done - en->minute_done) / minutes) : 0;
        en->failed_trend[TREND_N - 1] =
            failed > en->minute_failed ? (float)((double)(failed - en->minute_failed) / minutes) : 0;
    }
    en->minute_done = done;
    en->minute_failed = failed;
    en->minute_at = now;
    en->minute_known = true;
}

static void take_list(struct engine *en, const struct rollout_list *list, int64_t at)
{
    struct ro **order = xcalloc(list->n + 1, sizeof(struct ro *));
    size_t n = 0;
    for (size_t i = 0; i < en->n_ros; i++)
        en->ros[i]->gone = !list->clipped;
    for (size_t i = 0; i < list->n; i++) {
        struct ro *ro = ro_get(en, list->v[i].id);
        ro->gone = false;
        order[n++] = ro;
    }
    free(en->ros);
    en->ros = order;
    en->n_ros = n;
    en->rollouts_clipped = list->clipped;
    en->rollouts_known = true;
    for (size_t i = 0; i < list->n; i++)
        ro_take(order[i], &list->v[i], at);
    for (size_t i = 0; i < en->n_all; i++)
        if (en->all[i]->gone)
            halt_seen(en->all[i]);
    pulse(en);
}

static void rollouts_done(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    en->link.busy = false;
    if (r->err) {
        link_bad(en, &en->link, r->err);
        int64_t wait = back_off(en, en->spec.fleet->poll_us, en->link.failures);
        en->link.next_try = now_of(en) + wait;
        timer_set(en, en->link.next_try, poll_rollouts, NULL);
        return;
    }
    bool was_down = en->link.failures > 0;
    link_ok(en, &en->link, r);
    take_list(en, &q->out.rollouts, en->link.asked_at);
    halt_fleet(en);
    recover_known(en);
    if (was_down || !en->info_known)
        probe(en, NULL);
    en->link.next_try = en->link.asked_at + en->spec.fleet->poll_us;
    if (en->link.next_try <= now_of(en))
        en->link.next_try = now_of(en) + en->spec.fleet->poll_us / 4 + 1;
    timer_set(en, en->link.next_try, poll_rollouts, NULL);
}

static void poll_rollouts(struct engine *en, void *arg)
{
    (void)arg;
    if (en->link.busy)
        return;
    en->link.busy = true;
    en->link.asked_at = now_of(en);
    struct req *q = req_new(en, rollouts_done);
    en->be->ops->rollouts(en->be, ROLLOUTS_MAX, &q->arena, &q->out.rollouts, req_done, q);
    /* Judged also when the server is silent: the age of data moves a verdict and the links' state. */
    mark(en);
}

/* ---- the server ---- */

static void probe_done(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    en->probing = false;
    if (r->err) {
        if (en->link.failures == 0 && !en->info_known)
            link_bad(en, &en->link, r->err);
        timer_set(en, now_of(en) + back_off(en, 2 * US_PER_S, en->link.failures), probe, NULL);
        return;
    }
    arena_release(&en->info_arena);
    en->info = (struct backend_info){.kind = dup_text(&en->info_arena, q->out.info.kind),
                                     .version = dup_text(&en->info_arena, q->out.info.version),
                                     .user = dup_text(&en->info_arena, q->out.info.user),
                                     .caps = q->out.info.caps};
    en->info_known = true;
    timer_set(en, now_of(en) + PROBE_US, probe, NULL);
    mark(en);
}

static void probe(struct engine *en, void *arg)
{
    (void)arg;
    if (en->probing)
        return;
    en->probing = true;
    struct req *q = req_new(en, probe_done);
    en->be->ops->probe(en->be, &q->arena, &q->out.info, req_done, q);
}

void poll_begin(struct engine *en)
{
    en->info = (struct backend_info){.kind = en->spec.fleet->kind, .version = "?", .user = ""};
    probe(en, NULL);
    poll_rollouts(en, NULL);
}

void poll_now(struct engine *en)
{
    en->link.failures = 0;
    en->tlink.failures = 0;
    for (size_t i = 0; i < en->n_ros; i++)
        ro_read(en->ros[i]);
    poll_rollouts(en, NULL);
    probe(en, NULL);
    telemetry_poll(en, NULL);
}

/* ---- facts ---- */

void ro_facts(struct engine *en, const struct ro *ro, struct verb_facts *out)
{
    int64_t now = now_of(en);
    memset(out, 0, sizeof *out);
    out->caps = en->info.caps;
    out->read_only = en->spec.fleet->read_only || en->spec.observe_only;
    out->log_ok = diary_ok(en);
    out->log_backlog = en->n_backlog > 0;
    out->data_age = en->link.last_ok > 0 ? now - en->link.last_ok : TIME_NEVER;
    out->fresh = link_fresh(en);
    out->policy = ro ? ro->policy : en->policy;
    if (!ro || !ro->known || ro->gone)
        return;
    out->rollout = &ro->r;
    out->waves = ro->waves;
    out->n_waves = ro->waves_known ? ro->n_waves : 0;
    out->latched = ro->halt.latched;
    out->held_by_andon = ro->held;
    out->rollback_running = rollback_running(ro);
    (void)trial_hours_left(ro, &out->hours_left);
    for (size_t i = out->n_waves; i > 0; i--)
        if (ro->waves[i - 1].state == WAVE_RUNNING) {
            if (ro->wv[i - 1].running_since > 0)
                out->wave_running_for = now - ro->wv[i - 1].running_since;
            break;
        }
    if (ro->current >= 0 && (size_t)ro->current < ro->n_waves) {
        out->verdict = ro->wv[ro->current].verdict.react;
        out->data_missing = ro->wv[ro->current].verdict.data_missing || (en->tm && !ro->wv[ro->current].judged);
    }
}
