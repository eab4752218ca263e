/* The engine's life: the ordered table of its parts, the worker's thread, and its loop. */
#include <errno.h>
#include <stdlib.h>
#include "engine/worker.h"

/* In the order in which they hear of things. It is part of the behaviour: facts that were read are first ruled on and
 * watched, then tested and judged; a halt has its say before other verbs; and what is shown comes last. */
static const struct part *const parts[] = {
    &part_diary,  &part_witness,   &part_plans,   &part_facts,  &part_policy, &part_watch,     &part_telemetry,
    &part_trials, &part_judge,     &part_stop,    &part_notes,  &part_verbs,  &part_rollback,  &part_recover,
    &part_census, &part_inventory, &part_outlook, &part_detail, &part_tell,   &part_approvals, &part_show,
    NULL,
};

static bool open_outside(struct engine *en, struct err *e)
{
    const struct engine_seam *s = en->spec.seam;
    const struct fleet_spec *f = en->spec.fleet;
    struct err te = {0};

    en->be = s && s->open_backend ? s->open_backend(s->ctx, en->http, f, e) : backend_open(en->http, f, e);
    if (!en->be)
        return false;
    en->be = plans_wrap(en, en->be);
    if (!en->be->ops->rollouts)
        return err_set(e, ERR_UNSUPPORTED, "use `andon backend check`, and a server with rollouts for this",
                       "fleet %s: its server keeps no rollouts, and there is no log to keep waves in", f->name);
    if (s && s->open_telemetry)
        en->tm = s->open_telemetry(s->ctx, en->http, &f->telemetry, &te);
    else
        en->tm = telemetry_open(en->http, en->clock, &f->telemetry, &te);
    if (!en->tm && te.code != ERR_NONE) {
        if (e)
            *e = te;
        return false;
    }
    return true;
}

struct engine *engine_new(const struct engine_spec *spec, struct err *e)
{
    struct engine *en = xcalloc(1, sizeof *en);

    en->spec = *spec;
    en->parts = parts;
    en->clock = spec->clock;
    en->policy = spec->fleet->policy ? spec->fleet->policy : policy_default();
    rng_init_named(&en->rng, spec->seed, "engine");
    en->http = http_new(en->clock, spec->seed);
    ANNOUNCE(en, init, en);
    bool ok = turn_init(&en->turn, en, en->clock, en->http, spec->seam, e);
    if (!ok || !door_init(en, e) || !open_outside(en, e)) {
        engine_free(en);
        return NULL;
    }
    return en;
}

/* ---- the loop ---- */

/* Takes over what other threads have handed in. False when the engine is to end. */
static bool take_in(struct engine *en)
{
    struct door_in in;
    turn_clear(&en->turn);
    door_take(en, &in);
    if (in.handed || in.refresh || in.focus_set || in.wish || in.keep)
        show_lively(en);
    if (in.focus_set) {
        detail_change(en, &in.focus);
        inventory_look(en, &in.focus);
        outlook_look(en, &in.focus);
    }
    if (in.keep)
        plans_keep(en, in.keep);
    if (in.wish)
        plans_wish(en, in.wish);
    free(in.wish);
    while (in.handed) {
        struct handed_in *h = in.handed;
        in.handed = h->next;
        struct op *op = op_new(en, h->ticket, &h->in);
        free(h);
        verbs_begin(en, op);
    }
    if (in.refresh)
        ANNOUNCE(en, refresh, en);
    return !in.stop;
}

static void wait_on(struct engine *en)
{
    int64_t deadline = turn_deadline(&en->turn), now = now_of(en);
    unsigned threads = en->diary.outstanding + en->diary.at_spool + en->trials.outstanding + en->approvals.outstanding +
                       en->outlook.outstanding;
    bool quiet = turn_under_way(&en->turn) + threads == 0;

    show_maybe(en, quiet, en->on_idle != NULL);
    if (show_due(en) < deadline)
        deadline = show_due(en);
    if (quiet && deadline > now && en->on_idle && en->on_idle(en->on_idle_ctx, en, en->door.snap))
        return;
    if (!door_waiting(en))
        turn_wait(&en->turn, deadline, threads);
}

static void *loop_main(void *arg)
{
    struct engine *en = arg;
    ANNOUNCE(en, begin, en);
    show_lively(en);
    while (take_in(en)) {
        ANNOUNCE(en, drain, en);
        turn_due(&en->turn);
        ANNOUNCE(en, sweep, en);
        wait_on(en);
    }
    turn_end(&en->turn);
    return NULL;
}

/* ---- from start to end ---- */

bool engine_start(struct engine *en, struct err *e)
{
    for (const struct part *const *p = parts; *p; p++)
        if ((*p)->start && !(*p)->start(en, e))
            return false;
    int rc = pthread_create(&en->thread, NULL, loop_main, en);
    if (rc != 0) {
        errno = rc;
        return err_errno(e, ERR_IO, "Look at the limits of this session (ulimit -a).",
                         "the engine's thread cannot be started");
    }
    en->started = true;
    return true;
}

void engine_stop(struct engine *en)
{
    if (!en || !en->started)
        return;
    door_stop(en);
    pthread_join(en->thread, NULL);
    en->started = false;
    ANNOUNCE_BACK(en, end, en);
}

/* What is under way outside may point to anything: it goes first. */
void engine_free(struct engine *en)
{
    if (!en)
        return;
    engine_stop(en);
    turn_end(&en->turn);
    telemetry_free(en->tm);
    backend_free(en->be);
    if (en->http)
        http_free(en->http);
    ANNOUNCE_BACK(en, free, en);
    door_free(en);
    turn_free(&en->turn);
    free(en);
}

void engine_on_idle(struct engine *en, bool (*fn)(void *ctx, struct engine *en, const struct snapshot *s), void *ctx)
{
    en->on_idle = fn;
    en->on_idle_ctx = ctx;
}
