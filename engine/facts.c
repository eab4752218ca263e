/* The poll cycle: who the server is, its rollouts each poll_us, and what each of them is kept as. */
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

static void trace_failure(struct engine *en, const struct link *l)
{
    struct trace_line t;
    if (!traced(en, &t, TRACE_POLL, "failed"))
        return;
    json_w_kstr(&t.w, "of", l == &en->facts.link ? "fleet" : "telemetry");
    json_w_kint(&t.w, "failures", l->failures);
    json_w_kstr(&t.w, "code", err_word(l->err.code));
    traced_text(&t, "what", l->err.what);
    trace_end(&t);
}

void link_ok(struct engine *en, struct link *l, const struct reply *r)
{
    l->last_ok = now_of(en);
    l->rtt = r->answered_at > r->sent_at ? r->answered_at - r->sent_at : 0;
    l->failures = 0;
    skew_take(&l->skew, r->server_date, r->date_sent, r->date_answered);
    err_clear(&l->err);
    mark(en);
}

void link_bad(struct engine *en, struct link *l, const struct err *e)
{
    l->failures++;
    l->err = *e;
    trace_failure(en, l);
    mark(en);
}

int64_t fresh_us(const struct engine *en)
{
    return fresh_limit_us(en->spec.fleet->poll_us, en->spec.fleet->endpoint.timeout_us);
}

bool link_fresh(const struct engine *en)
{
    return en->facts.link.last_ok > 0 && now_of(en) - en->facts.link.last_ok < fresh_us(en);
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
    for (size_t i = 0; i < en->facts.n_all; i++)
        if (strcmp(en->facts.all[i]->id, id) == 0)
            return en->facts.all[i];
    return NULL;
}

static struct ro *ro_new(struct engine *en, const char *id)
{
    struct ro *ro = xcalloc(1, sizeof *ro);
    ro->en = en;
    snprintf(ro->id, sizeof ro->id, "%s", id);
    arena_init(&ro->facts.arena);
    arena_init(&ro->facts.wave_arena);
    ro->facts.current = -1;
    ro->facts.r = (struct rollout){.id = ro->id,
                                   .name = "",
                                   .description = "",
                                   .state_word = "",
                                   .release = {.id = "", .name = "", .version = ""},
                                   .filter = "",
                                   .created_by = "",
                                   .approval_by = "",
                                   .approval_remark = ""};
    ro_identify(ro);
    ANNOUNCE(en, ro_init, ro);
    return ro;
}

struct ro *ro_get(struct engine *en, const char *id)
{
    struct ro *ro = ro_find(en, id);
    if (ro)
        return ro;
    ro = ro_new(en, id);
    if (en->facts.n_all == en->facts.cap_all) {
        en->facts.cap_all = en->facts.cap_all ? en->facts.cap_all * 2 : 64;
        en->facts.all = xreallocarray(en->facts.all, en->facts.cap_all, sizeof(struct ro *));
    }
    en->facts.all[en->facts.n_all++] = ro;
    return ro;
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
    if (r->err || strcmp(q->out.release.id, ro->facts.r.release.id) != 0)
        return;
    ro->facts.r.release.name = dup_text(&ro->facts.arena, q->out.release.name);
    ro->facts.r.release.version = dup_text(&ro->facts.arena, q->out.release.version);
    ro_identify(ro);
    mark(q->en);
}

/* Some servers name only the id of a rollout's release in a list. */
static void resolve_release(struct ro *ro)
{
    struct engine *en = ro->en;
    if (*ro->facts.r.release.version || !*ro->facts.r.release.id)
        return;
    struct req *q = req_new(en, release_done);
    q->ro = ro;
    en->be->ops->release(en->be, arena_strdup(&q->arena, ro->facts.r.release.id), NULL, NULL, &q->arena,
                         &q->out.release, req_done, q);
}

static void put_in_place(struct ro **v, size_t n, const struct ro *old, struct ro *fresh)
{
    for (size_t i = 0; i < n; i++)
        if (v[i] == old)
            v[i] = fresh;
}

/* A new one in its place; this one is past. */
static struct ro *replace(struct ro *ro)
{
    struct en_facts *f = &ro->en->facts;
    struct ro *fresh = ro_new(ro->en, ro->id);
    put_in_place(f->all, f->n_all, ro, fresh);
    put_in_place(f->ros, f->n_ros, ro, fresh);
    f->past = xreallocarray(f->past, f->n_past + 1, sizeof(struct ro *));
    f->past[f->n_past++] = ro;
    ro->facts.past = ro->facts.gone = true;
    ro_had_other(fresh);
    return fresh;
}

static void trace_rollout(const struct ro *ro, enum rollout_state was, int64_t asked)
{
    const struct rollout *r = &ro->facts.r;
    struct trace_line t;
    if (!traced(ro->en, &t, TRACE_POLL, "rollout"))
        return;
    json_w_kstr(&t.w, "rollout", ro->id);
    json_w_kstr(&t.w, "before", rollout_state_word(was));
    json_w_kstr(&t.w, "after", rollout_state_word(r->state));
    traced_text(&t, "word", r->state_word);
    json_w_kint(&t.w, "asked_us", asked);
    json_w_kint(&t.w, "modified_us", r->last_modified);
    json_w_kint(&t.w, "total", r->total);
    if (r->counts.known) {
        json_w_kint(&t.w, "running", r->counts.running);
        json_w_kint(&t.w, "finished", r->counts.finished);
        json_w_kint(&t.w, "error", r->counts.error);
        json_w_kint(&t.w, "scheduled", r->counts.scheduled);
        json_w_kint(&t.w, "notstarted", r->counts.notstarted);
        json_w_kint(&t.w, "cancelled", r->counts.cancelled);
    }
    trace_end(&t);
}

void ro_take(struct ro *ro, const struct rollout *r, int64_t at)
{
    struct ro *old = NULL;
    if (ro->facts.past || (ro->facts.known && at < ro->facts.seen_at))
        return; /* asked for before the newest: it may show what was before a verb */
    if (ro_is_other(ro, r)) {
        old = ro;
        ro = replace(old);
    }
    enum rollout_state was = ro->facts.known ? ro->facts.r.state : ROLLOUT_UNKNOWN;
    char name[NAME_MAX_BYTES], version[NAME_MAX_BYTES], release[ID_MAX];
    snprintf(name, sizeof name, "%s", ro->facts.r.release.name);
    snprintf(version, sizeof version, "%s", ro->facts.r.release.version);
    snprintf(release, sizeof release, "%s", ro->facts.r.release.id);
    bool changed = !ro->facts.known || ro->facts.r.state != r->state || ro->facts.r.last_modified != r->last_modified ||
                   !counts_equal(&ro->facts.r.counts, &r->counts);
    arena_release(&ro->facts.arena);
    rollout_copy(&ro->facts.arena, &ro->facts.r, r);
    if (!*ro->facts.r.release.version && strcmp(release, ro->facts.r.release.id) == 0) {
        ro->facts.r.release.name = dup_text(&ro->facts.arena, name);
        ro->facts.r.release.version = dup_text(&ro->facts.arena, version);
    }
    ro->facts.known = true;
    ro->facts.gone = false;
    ro->facts.seen_at = at;
    if (changed)
        trace_rollout(ro, was, at);
    ro_identify(ro);
    if (old)
        ANNOUNCE(ro->en, replaced, old, ro);
    /* What rests does not move without the rollout's own counts: its waves are as good as this answer. */
    if (!changed && ro->facts.waves_known && !ro->facts.waves_loading && !rollout_state_active(r->state) &&
        r->counts.known)
        ro->facts.waves_as_of = at; /* trials go on with the next telemetry */
    resolve_release(ro);
    ANNOUNCE(ro->en, seen, ro, was);
    /* Of the many that have ended long ago, only the newest are read without being asked for. */
    if (changed && (!ro_ended(ro) || ro->facts.waves_known || ro->en->facts.n_ended_read++ < ENDED_READ))
        ro_read(ro);
    mark(ro->en);
}

void ro_put(struct ro *ro, const struct rollout *r)
{
    rollout_copy(&ro->facts.arena, &ro->facts.r, r);
    ro->facts.known = true;
    ro_identify(ro);
}

void ro_lost(struct ro *ro)
{
    ro->facts.gone = true;
}

/* ---- the list ---- */

static void take_list(struct engine *en, const struct rollout_list *list, int64_t at)
{
    struct ro **order = xcalloc(list->n + 1, sizeof(struct ro *));
    size_t n = 0;
    for (size_t i = 0; i < en->facts.n_ros; i++)
        en->facts.ros[i]->facts.gone = !list->clipped;
    for (size_t i = 0; i < list->n; i++) {
        struct ro *ro = ro_get(en, list->v[i].id);
        ro->facts.gone = false;
        order[n++] = ro;
    }
    free(en->facts.ros);
    en->facts.ros = order;
    en->facts.n_ros = n;
    en->facts.rollouts_clipped = list->clipped;
    en->facts.rollouts_known = true;
    for (size_t i = 0; i < list->n; i++)
        ro_take(order[i], &list->v[i], at);
}

static void rollouts_done(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    en->facts.link.busy = false;
    if (r->err) {
        link_bad(en, &en->facts.link, r->err);
        int64_t wait = back_off(en, en->spec.fleet->poll_us, en->facts.link.failures);
        en->facts.link.next_try = now_of(en) + wait;
        timer_set(en, en->facts.link.next_try, poll_rollouts, NULL);
        return;
    }
    bool was_down = en->facts.link.failures > 0;
    link_ok(en, &en->facts.link, r);
    take_list(en, &q->out.rollouts, en->facts.link.asked_at);
    ANNOUNCE(en, listed, en);
    if (was_down || !en->facts.info_known)
        probe(en, NULL);
    en->facts.link.next_try = en->facts.link.asked_at + en->spec.fleet->poll_us;
    if (en->facts.link.next_try <= now_of(en))
        en->facts.link.next_try = now_of(en) + en->spec.fleet->poll_us / 4 + 1;
    timer_set(en, en->facts.link.next_try, poll_rollouts, NULL);
    struct trace_line t;
    if (traced(en, &t, TRACE_POLL, "rollouts")) {
        json_w_kint(&t.w, "rollouts", (int64_t)en->facts.n_ros);
        json_w_kbool(&t.w, "clipped", en->facts.rollouts_clipped);
        json_w_kint(&t.w, "asked_us", en->facts.link.asked_at);
        json_w_kint(&t.w, "next_us", en->facts.link.next_try);
        trace_end(&t);
    }
}

static void poll_rollouts(struct engine *en, void *arg)
{
    (void)arg;
    if (en->facts.link.busy)
        return;
    en->facts.link.busy = true;
    en->facts.link.asked_at = now_of(en);
    struct req *q = req_new(en, rollouts_done);
    en->be->ops->rollouts(en->be, ROLLOUTS_MAX, &q->arena, &q->out.rollouts, req_done, q);
    ANNOUNCE(en, polling, en);
    /* Judged also when the server is silent: the age of data moves a verdict and the links' state. */
    mark(en);
}

/* ---- the server ---- */

void facts_info(struct arena *a, const struct backend_info *from, struct backend_info *to)
{
    *to = (struct backend_info){.kind = dup_text(a, from->kind),
                                .version = dup_text(a, from->version),
                                .user = dup_text(a, from->user),
                                .caps = from->caps};
    for (size_t i = 0; i < SAY_COUNT; i++)
        to->says[i] = dup_text(a, from->says[i] ? from->says[i] : "");
}

static void probe_done(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    en->facts.probing = false;
    if (r->err) {
        if (en->facts.link.failures == 0 && !en->facts.info_known)
            link_bad(en, &en->facts.link, r->err);
        timer_set(en, now_of(en) + back_off(en, 2 * US_PER_S, en->facts.link.failures), probe, NULL);
        return;
    }
    arena_release(&en->facts.info_arena);
    facts_info(&en->facts.info_arena, &q->out.info, &en->facts.info);
    en->facts.info_known = true;
    timer_set(en, now_of(en) + PROBE_US, probe, NULL);
    mark(en);
}

static void probe(struct engine *en, void *arg)
{
    (void)arg;
    if (en->facts.probing)
        return;
    en->facts.probing = true;
    struct req *q = req_new(en, probe_done);
    en->be->ops->probe(en->be, &q->arena, &q->out.info, req_done, q);
}

/* ---- the part ---- */

static void begin(struct engine *en)
{
    en->facts.info = (struct backend_info){.kind = en->spec.fleet->kind, .version = "?", .user = ""};
    probe(en, NULL);
    poll_rollouts(en, NULL);
}

/* At once, and back-off is forgotten. */
static void refresh(struct engine *en)
{
    en->facts.link.failures = 0;
    for (size_t i = 0; i < en->facts.n_ros; i++)
        ro_read(en->facts.ros[i]);
    poll_rollouts(en, NULL);
    probe(en, NULL);
}

static void init(struct engine *en)
{
    arena_init(&en->facts.info_arena);
}

static void ro_free(struct ro *ro)
{
    for (size_t i = 0; i < ro->facts.n_waves; i++)
        ANNOUNCE_BACK(ro->en, wave_free, ro, i);
    ANNOUNCE_BACK(ro->en, ro_free, ro);
    free(ro->wv);
    arena_release(&ro->facts.arena);
    arena_release(&ro->facts.wave_arena);
    free(ro);
}

static void free_all(struct engine *en)
{
    for (size_t i = 0; i < en->facts.n_all; i++)
        ro_free(en->facts.all[i]);
    for (size_t i = 0; i < en->facts.n_past; i++)
        ro_free(en->facts.past[i]);
    free(en->facts.past);
    free(en->facts.all);
    free(en->facts.ros);
    arena_release(&en->facts.info_arena);
}

const struct part part_facts = {.name = "facts", .init = init, .begin = begin, .refresh = refresh, .free = free_all};
