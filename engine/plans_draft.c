/* A plan that a person makes at a console: drawn first, shown, and kept when they say so. One at a time; nothing is
 * written before it is kept, and what is kept is what was shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/log.h"
#include "client/plan_make.h"
#include "engine/worker.h"

#define FIRST_IDS 5

static void begin(struct engine *en, struct plan_draft *d, const struct plan_wish *w);

static void failed(struct engine *en, struct plan_draft *d, const struct err *e)
{
    d->stage = DRAFT_FAILED;
    d->err = *e;
    mark(en);
}

/* What was typed meanwhile. */
static bool newer(struct engine *en, struct plan_draft *d)
{
    if (!d->has_next)
        return false;
    struct plan_wish w = d->next;
    d->has_next = false;
    begin(en, d, &w);
    return true;
}

static void drawn(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    struct plan_draft *d = en->plans.draft;
    d->under_way = false;
    if (newer(en, d))
        return;
    if (r->err) {
        failed(en, d, r->err);
        return;
    }
    d->stage = DRAFT_READY;
    mark(en);
}

static void begin(struct engine *en, struct plan_draft *d, const struct plan_wish *w)
{
    struct err e = {0};
    arena_release(&d->arena);
    err_clear(&d->err);
    d->number = w->number;
    d->stage = DRAFT_ASKING;
    mark(en);
    if (!plans_wraps(en)) {
        (void)err_set(&e, ERR_UNSUPPORTED, "",
                      "there is no log, or devices of this fleet cannot be told by name: andon keeps no waves for it");
        failed(en, d, &e);
        return;
    }
    d->under_way = true;
    plan_make(en->be, w, NULL, rng_u64(&en->rng), clock_wall(en->clock), &d->arena, &d->plan, req_done,
              req_new(en, drawn));
}

void plans_wish(struct engine *en, const struct plan_wish *w)
{
    struct plan_draft *d = en->plans.draft;
    if (!d) {
        d = en->plans.draft = xcalloc(1, sizeof *d);
        arena_init(&d->arena);
    }
    if (d->under_way || d->stage == DRAFT_KEEPING) { /* its memory is in use */
        d->next = *w;
        d->has_next = true;
        return;
    }
    begin(en, d, w);
}

static void kept(struct engine *en, struct job *j)
{
    struct plan_draft *d = en->plans.draft;
    if (j->ok) {
        d->stage = DRAFT_KEPT;
        own_waves_look(en->plans.waves); /* it is a rollout now */
        ANNOUNCE(en, refresh, en);
        mark(en);
    } else {
        failed(en, d, &j->err);
    }
    (void)newer(en, d);
}

void plans_keep(struct engine *en, uint64_t number)
{
    struct plan_draft *d = en->plans.draft;
    struct err e = {0};
    struct buf b;
    if (!d || d->stage != DRAFT_READY || d->number != number || d->under_way)
        return;
    buf_init(&b, PLAN_BYTES_MAX);
    if (en->spec.fleet->read_only || en->spec.observe_only) {
        (void)err_set(&e, ERR_REFUSED, "", "read-only: no plan is kept");
    } else if (!diary_ok(en)) {
        (void)err_set(&e, ERR_REFUSED, "Make the log writable (`andon doctor`).", "the audit log cannot be written");
    } else if (plan_write(&d->plan, &b, &e)) {
        char release[2 * NAME_MAX_BYTES];
        struct entry n;
        struct job *j = job_new(JOB_APPEND);
        plans_entry(&d->plan, en->spec.fleet->name, release, sizeof release, &n);
        n.mono = clock_boot(en->clock);
        n.actor = en->spec.actor;
        entry_str(&n, "process", en->plans.me);
        job_entry(j, &n);
        job_blob(j, PLAN_BLOB_KEY, b.data, b.len);
        d->stage = DRAFT_KEEPING;
        mark(en);
        diary_put(en, j, DIARY_CLOSED, kept, NULL);
    }
    buf_release(&b);
    if (e.code != ERR_NONE)
        failed(en, d, &e);
}

void plans_publish(struct engine *en, struct snapshot *s)
{
    const struct plan_draft *d = en->plans.draft;
    struct draft_view *v = &s->draft;
    *v = (struct draft_view){.id = "", .release = "", .version = "", .target = "", .error = "", .next = ""};
    if (!d)
        return;
    v->stage = d->stage;
    v->number = d->number;
    v->error = arena_strdup(&s->arena, d->err.what);
    v->next = arena_strdup(&s->arena, d->err.next);
    if (d->stage != DRAFT_READY && d->stage != DRAFT_KEEPING && d->stage != DRAFT_KEPT)
        return;
    const struct wave_plan *p = &d->plan;
    v->id = arena_strdup(&s->arena, p->id);
    v->release = arena_strdup(&s->arena, p->release.name);
    v->version = arena_strdup(&s->arena, p->release.version);
    v->target = arena_strdup(&s->arena, p->target);
    v->devices = (int64_t)p->n;
    v->waves = ARENA_ARRAY(&s->arena, struct draft_wave, p->n_waves);
    v->n_waves = p->n_waves;
    for (size_t i = 0; i < p->n_waves; i++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        v->waves[i].devices = (int64_t)p->waves[i].n;
        plan_ids_text(p, i, FIRST_IDS, &b);
        v->waves[i].ids = arena_strdup(&s->arena, b.data);
        buf_clear(&b);
        if (*p->strata)
            buf_printf(&b, "%s: ", p->strata);
        plan_strata_text(p, i, &b);
        v->waves[i].strata = arena_strdup(&s->arena, b.len ? b.data : "");
        buf_release(&b);
    }
}

void plans_draft_free(struct engine *en)
{
    if (!en->plans.draft)
        return;
    arena_release(&en->plans.draft->arena);
    free(en->plans.draft);
    en->plans.draft = NULL;
}
