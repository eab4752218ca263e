/* Roll back, step "target": the release to go back to is named, or is what most devices came from; the server is asked
 * for it before anything is paused, recalled or confirmed. */
#include <stdio.h>
#include <string.h>
#include "engine/rollback_saga.h"

#define SPLITS_MAX    8              /* colons of a name that are tried */
#define SURVEY_MAX    ((size_t)5000) /* devices of one wave that are asked what they came from */
#define AGAIN_US      (2 * US_PER_S)
#define RELEASES_SEEN ((size_t)500) /* in which a higher one is looked for */

/* ---- looking a release up ---- */

static void next_split(struct target_ask *t);

static void ended(struct target_ask *t, enum target_state s, enum err_code code, const char *why)
{
    t->state = s;
    t->code = code;
    snprintf(t->why, sizeof t->why, "%s", why);
    t->busy = false;
    t->then(t->ctx);
}

static struct req *ask(struct target_ask *t, void (*then)(struct req *q, const struct reply *r))
{
    struct req *q = req_new(t->en, then);
    q->x = t;
    q->n = t->serial;
    return q;
}

/* It can be found; can devices be found by it? One name that no filter can hold stops a roll back in its middle. */
static void probed(struct req *q, const struct reply *r)
{
    struct target_ask *t = q->x;
    bool last = q->x_at != 0;
    char text[240];
    if (q->n != t->serial)
        return;
    if (r->err) {
        ended(t, r->err->code == ERR_RANGE ? TARGET_BARRED : TARGET_UNKNOWN, r->err->code, r->err->what);
        return;
    }
    if (q->out.devices.total >= (int64_t)RB_LIST_MAX) { /* a list that is cut would have some of them left out */
        snprintf(text, sizeof text, "%lld devices have %.120s; a roll back reads at most %zu of one release",
                 (long long)q->out.devices.total, last ? t->name : "the release that is rolled back", RB_LIST_MAX);
        ended(t, TARGET_BARRED, ERR_LIMIT, text);
        return;
    }
    if (last) {
        ended(t, TARGET_FOUND, ERR_NONE, "");
        return;
    }
    struct req *next = ask(t, probed);
    next->x_at = 1;
    t->en->be->ops->devices(t->en->be, &(struct device_filter){.installed = &t->to}, 1, &next->arena,
                            &next->out.devices, req_done, next);
}

static void found(struct req *q, const struct reply *r)
{
    struct target_ask *t = q->x;
    char text[300];
    if (q->n != t->serial)
        return;
    if (r->err && r->err->code != ERR_NOT_FOUND) {
        ended(t, r->err->code == ERR_STATE ? TARGET_BARRED : TARGET_UNKNOWN, r->err->code, r->err->what);
        return;
    }
    if (!r->err && *t->to.id && strcmp(t->to.id, q->out.release.id) != 0) {
        snprintf(text, sizeof text, "two releases are shown as %.200s", t->name);
        ended(t, TARGET_UNKNOWN, ERR_RANGE, text);
        return;
    }
    if (!r->err) {
        t->to.id = arena_strdup(&t->arena, q->out.release.id);
        t->to.name = arena_strdup(&t->arena, q->out.release.name);
        t->to.version = arena_strdup(&t->arena, q->out.release.version);
        t->to.order = q->out.release.order;
    }
    next_split(t);
}

/* ---- servers that take no older release ---- */

/* Which ones could be chosen instead. */
static void higher(struct req *q, const struct reply *r)
{
    struct target_ask *t = q->x;
    const struct release_list *l = &q->out.releases;
    char text[sizeof t->why];
    struct buf names;
    if (q->n != t->serial)
        return;
    buf_init(&names, 100);
    for (size_t i = 0; !r->err && i < l->n; i++)
        if (l->v[i].order > t->bad.order && strcmp(l->v[i].name, t->bad.name) == 0 && names.len < 60)
            buf_printf(&names, "%s%.40s:%.20s", names.len ? ", " : "", l->v[i].name, l->v[i].version);
    if (t->bad.order == 0 || t->to.order == 0)
        snprintf(text, sizeof text, "this server takes no older release, and does not say whether %.100s is one",
                 t->name);
    else
        snprintf(text, sizeof text,
                 "this server takes no older release: choose one with an order above %lld (%s); %.80s has %lld",
                 (long long)t->bad.order, names.len ? names.data : "there is none: give the old content a higher one",
                 t->name, (long long)t->to.order);
    buf_release(&names);
    ended(t, TARGET_BARRED, ERR_STATE, text);
}

static void probe_devices(struct target_ask *t)
{
    struct req *q = ask(t, probed);
    struct device_filter involved = {.installed = &t->bad, .assigned = &t->bad};
    t->en->be->ops->devices(t->en->be, &involved, 1, &q->arena, &q->out.devices, req_done, q);
}

static void compare_order(struct target_ask *t)
{
    if (t->bad.order > 0 && t->to.order > t->bad.order) {
        probe_devices(t);
        return;
    }
    struct req *q = ask(t, higher);
    t->en->be->ops->releases(t->en->be, RELEASES_SEEN, &q->arena, &q->out.releases, req_done, q);
}

static void bad_read(struct req *q, const struct reply *r)
{
    struct target_ask *t = q->x;
    if (q->n != t->serial)
        return;
    if (r->err) {
        ended(t, TARGET_UNKNOWN, r->err->code, r->err->what);
        return;
    }
    t->bad.order = q->out.release.order;
    compare_order(t);
}

static void probe_order(struct target_ask *t)
{
    if (t->en->facts.info.caps & CAP_DOWNGRADE) {
        probe_devices(t);
    } else if (t->bad.order > 0) {
        compare_order(t);
    } else {
        struct req *q = ask(t, bad_read);
        t->en->be->ops->release(t->en->be, t->bad.id, NULL, NULL, &q->arena, &q->out.release, req_done, q);
    }
}

/* Name and version may both hold colons: each way to part them is asked for, the last colon first. */
static void next_split(struct target_ask *t)
{
    char text[300];
    while (t->at > 0 && t->name[t->at] != ':')
        t->at--;
    if (t->at > 0 && t->splits < SPLITS_MAX) {
        struct req *q = ask(t, found);
        t->splits++;
        t->en->be->ops->release(t->en->be, NULL, arena_strndup(&q->arena, t->name, t->at),
                                arena_strdup(&q->arena, t->name + t->at + 1), &q->arena, &q->out.release, req_done, q);
        t->at--;
        return;
    }
    if (t->splits == 0) {
        snprintf(text, sizeof text, "\"%.180s\" is no release: it is written name:version", t->name);
        ended(t, TARGET_BARRED, ERR_SYNTAX, text);
    } else if (!*t->to.id && t->at > 0) {
        snprintf(text, sizeof text, "\"%.180s\" holds too many colons to look it up", t->name);
        ended(t, TARGET_UNKNOWN, ERR_LIMIT, text);
    } else if (!*t->to.id) {
        ended(t, TARGET_MISSING, ERR_NOT_FOUND, "");
    } else if (*t->bad.id && strcmp(t->to.id, t->bad.id) == 0) {
        snprintf(text, sizeof text, "%.200s is the release that is rolled back", t->name);
        ended(t, TARGET_BARRED, ERR_STATE, text);
    } else if (!*t->bad.name || !t->en->facts.info_known) {
        ended(t, TARGET_UNKNOWN, ERR_STATE,
              *t->bad.name ? "what the server can do is not known yet"
                           : "the release that is rolled back is not known yet");
    } else {
        probe_order(t);
    }
}

void target_find(struct target_ask *t, const struct ro *ro, const char *name)
{
    const struct release *bad = &ro->facts.r.release;
    target_forget(t, strcmp(t->name, name) == 0);
    snprintf(t->name, sizeof t->name, "%s", name);
    t->en = ro->en;
    t->bad.id = arena_strdup(&t->arena, bad->id);
    t->bad.name = arena_strdup(&t->arena, bad->name);
    t->bad.version = arena_strdup(&t->arena, bad->version);
    t->bad.order = bad->order;
    t->at = strlen(t->name);
    t->splits = 0;
    t->busy = true;
    next_split(t);
}

void target_forget(struct target_ask *t, bool keep)
{
    t->serial++;
    t->busy = false;
    if (!keep) {
        t->state = TARGET_ASKING;
        t->name[0] = t->why[0] = '\0';
    }
    arena_release(&t->arena);
    arena_init(&t->arena);
    t->to = t->bad = (struct release){.id = "", .name = "", .version = ""};
}

/* ---- what the devices came from ---- */

static void vote(struct rollback *rb, const char *from)
{
    size_t k = 0;
    if (!from || !*from || release_named(&rb->bad, from))
        return;
    while (k < rb->n_votes && strcmp(rb->votes[k].from, from) != 0)
        k++;
    if (k == RB_VOTES)
        return;
    if (k == rb->n_votes)
        rb->votes[rb->n_votes++].from = arena_strdup(&rb->arena, from);
    rb->votes[k].n++;
}

static const char *elected(const struct rollback *rb)
{
    size_t best = 0;
    for (size_t k = 1; k < rb->n_votes; k++)
        if (rb->votes[k].n > rb->votes[best].n)
            best = k;
    return rb->n_votes > 0 ? rb->votes[best].from : NULL;
}

/* An action that is older than the rollout is of another one that had its number. */
static bool of_rollout(const struct device_action *a, const struct rollout *r)
{
    return strcmp(a->rollout, r->id) == 0 && (a->at <= 0 || r->created_at <= 0 || a->at >= r->created_at);
}

const char *origin_of(const struct device_info *d, const struct rollout *r, struct arena *a)
{
    for (size_t i = 0; i < d->n_actions; i++) /* newest first: what it had before this rollout */
        if (!of_rollout(&d->actions[i], r) && !d->actions[i].active && strcmp(d->actions[i].status, "finished") == 0)
            return arena_strdup(a, d->actions[i].release ? d->actions[i].release : "");
    if (*d->installed.id && strcmp(d->installed.id, r->release.id) != 0)
        return arena_printf(a, "%s:%s", d->installed.name, d->installed.version);
    return "";
}

static void history_done(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    rb->busy = false;
    if (!r->err)
        vote(rb, origin_of(&q->out.device, &rb->ro->facts.r, &q->arena));
    rb->n_histories++;
    rb_again(rb, 0);
}

static void survey_done(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    struct engine *en = rb->en;
    rb->busy = false;
    if (r->err) {
        rb_text(rb, "W%zu: %s", rb->wave, r->err->what);
        rb_again(rb, AGAIN_US);
        return;
    }
    for (size_t i = 0; i < q->out.devices.n; i++) {
        const char *id = q->out.devices.v[i].raw_id;
        long k = watch_set_find(en->watch.set, id, strlen(id));
        vote(rb, k >= 0 ? en->watch.devs[k].from : "");
        if (rb->n_asked < RB_ASKED)
            rb->asked[rb->n_asked++] = arena_strdup(&rb->arena, id);
    }
    rb->wave++;
    rb_again(rb, 0);
}

/* The release that most told devices came from, by what was watched, else by the histories of some; NULL = not yet, or
 * the saga has ended. */
static const char *survey(struct rollback *rb)
{
    struct ro *ro = rb->ro;
    struct backend *be = rb->en->be;
    if (!ro->facts.waves_known) {
        rb_again(rb, US_PER_S);
        return NULL;
    }
    if (rb_next_wave(rb)) {
        rb_text(rb, "reads the devices of W%zu", rb->wave);
        struct req *q = rb_req(rb, survey_done);
        be->ops->wave_devices(be, ro->id, arena_strdup(&q->arena, ro->facts.waves[rb->wave].id), SURVEY_MAX, &q->arena,
                              &q->out.devices, req_done, q);
        return NULL;
    }
    if (rb->n_votes == 0 && rb->n_histories < rb->n_asked && be->ops->device) {
        rb_text(rb, "looks for the release that the devices came from");
        struct req *q = rb_req(rb, history_done);
        be->ops->device(be, rb->asked[rb->n_histories], &q->arena, &q->out.device, req_done, q);
        return NULL;
    }
    const char *to = elected(rb);
    if (!to && rb->n_asked == 0)
        rb_fail(rb, "", "no device was told: there is nothing to roll back");
    else if (!to)
        rb_fail(rb, "Name the release: roll back to NAME:VERSION.",
                "it cannot be told which release the devices came from");
    return to;
}

/* ---- the step ---- */

static void answered(void *ctx)
{
    struct rollback *rb = ctx;
    struct target_ask *t = &rb->ask;
    struct entry e;
    rb->busy = false;
    switch (t->state) {
    case TARGET_FOUND:
        rb->to.id = arena_strdup(&rb->arena, t->to.id);
        rb->to.name = arena_strdup(&rb->arena, t->to.name);
        rb->to.version = arena_strdup(&rb->arena, t->to.version);
        rb->wave = 0;
        rb_entry(rb, &e);
        rb_entry_target(rb, &e);
        rb_logged(rb, &e, NULL, RB_PAUSE);
        return;
    case TARGET_MISSING:
        rb_fail(rb, "Look for its exact name and version on the server.", "there is no release %s on this server",
                t->name);
        return;
    case TARGET_BARRED:
        rb_fail(rb, "Name another release.", "%s", t->why);
        return;
    case TARGET_ASKING:
    case TARGET_UNKNOWN:
        break;
    }
    if (t->code == ERR_RANGE || t->code == ERR_LIMIT) { /* it would be so the next time too */
        rb_fail(rb, "Name another release, or rename it on the server.", "%s", t->why);
        return;
    }
    rb_text(rb, "the release %s cannot be looked up yet: %s", t->name, t->why);
    rb_again(rb, AGAIN_US);
}

void rb_target(struct rollback *rb)
{
    const struct intent *in = &rb->op->in;
    if (!rb->en->be->ops->create_rollout) {
        rb_fail(rb, "Give the devices the old release on the server.", "this server takes no rollout from andon");
        return;
    }
    const char *to = *in->to_release ? in->to_release : rb->ro->policy.applies->rollback_to;
    if (strcmp(to, "previous") == 0)
        to = survey(rb);
    if (!to)
        return;
    rb_text(rb, "asks the server for the release %s", to);
    rb->busy = true;
    rb->ask.then = answered;
    rb->ask.ctx = rb;
    target_find(&rb->ask, rb->ro, to);
}
