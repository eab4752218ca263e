/* Rollouts as the server runs them: a scheduler that looks every two seconds, states that take it a while, and the
 * rules of its groups: an error threshold is strict and never fires on the last group; success starts the next group
 * while this one goes on; when all have ended the next starts, whatever the thresholds say. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "drill/world.h"

#define TICK      (2 * US_PER_S)  /* hawkbit.rollout.scheduler.fixedDelay */
#define PER_START (INT64_C(5500)) /* measured: 2,000 targets 13 s from start to running */
#define PER_READY (INT64_C(300))

const char *rollout_word(enum w_rollout_state s)
{
    static const char *const words[] = {"creating",
                                        "waiting_for_approval",
                                        "approval_denied",
                                        "ready",
                                        "starting",
                                        "running",
                                        "paused",
                                        "stopping",
                                        "stopped",
                                        "finished",
                                        "deleting",
                                        "deleted",
                                        "gone"};
    return words[s];
}

const char *group_word(enum w_group_state s)
{
    static const char *const words[] = {"creating", "ready", "scheduled", "running", "finished", "error"};
    return words[s];
}

int rollout_find(const struct world *w, int64_t id)
{
    for (size_t i = 0; i < w->n_rollouts; i++)
        if (w->rollouts[i].id == id && w->rollouts[i].state != WR_GONE)
            return (int)i;
    return W_NONE;
}

int rollout_named(const struct world *w, const char *name)
{
    for (size_t i = 0; i < w->n_rollouts; i++) /* a deleted one keeps its name taken */
        if (w->rollouts[i].state != WR_GONE && !strcmp(w->rollouts[i].name, name))
            return (int)i;
    return W_NONE;
}

static bool needs_tick(enum w_rollout_state s, bool timed)
{
    return s == WR_CREATING || s == WR_STARTING || s == WR_RUNNING || s == WR_STOPPING || s == WR_DELETING ||
           (s == WR_READY && timed);
}

static void wake_scheduler(struct world *w)
{
    if (w->tick_due)
        return;
    w->tick_due = true;
    int64_t n = w->now / TICK + (w->now >= 0 || w->now % TICK == 0); /* the next one, also before time 0 */
    world_push(w, n * TICK, EV_TICK, 0, 0, 0);
}

void rollout_state(struct world *w, int r, enum w_rollout_state st, const char *by)
{
    struct w_rollout *ro = &w->rollouts[r];
    ro->state = st;
    ro->modified = w->now;
    ro->modified_by = by;
    if (needs_tick(st, ro->start_at != INT64_MIN))
        wake_scheduler(w);
}

void rollout_counts(const struct world *w, int r, int64_t out[WC_N])
{
    const struct w_rollout *ro = &w->rollouts[r];
    memset(out, 0, sizeof(int64_t) * WC_N);
    for (int g = 0; g < ro->n_groups; g++)
        for (int k = 0; k < WC_N; k++)
            out[k] += w->groups[ro->first_group + g].count[k];
}

/* --- making one */

static size_t add_group(struct world *w, int r, const struct w_group_spec *s, const int *devs, size_t left,
                        size_t total, bool rest)
{
    size_t n = (size_t)llround((double)total * s->percent / 100);
    n = rest || n > left ? left : n;
    struct w_group *g = &w->groups[w->n_groups++];
    *g = (struct w_group){.rollout = r,
                          .id = w->next_group++,
                          .name = xstrdup(s->name),
                          .description = xstrdup(s->description),
                          .state = WG_CREATING,
                          .percent = s->percent,
                          .success = xstrdup(s->success),
                          .error = xstrdup(s->error),
                          .success_condition = xstrdup(s->success_condition),
                          .error_condition = xstrdup(s->error_condition),
                          .success_pause = s->success_pause,
                          .n_devs = n,
                          .created = w->now,
                          .modified = w->now,
                          .started = TIME_NEVER};
    g->devs = xreallocarray(NULL, n, sizeof *g->devs);
    g->acts = xreallocarray(NULL, n, sizeof *g->acts);
    for (size_t i = 0; i < n; i++) {
        g->devs[i] = devs[i];
        g->acts[i] = W_NONE;
    }
    g->count[WC_NOTSTARTED] = (int64_t)n;
    return n;
}

int rollout_add(struct world *w, const struct w_rollout_spec *s)
{
    w->rollouts = xreallocarray(w->rollouts, w->n_rollouts + 1, sizeof *w->rollouts);
    w->groups = xreallocarray(w->groups, w->n_groups + s->n_groups, sizeof *w->groups);
    int r = (int)w->n_rollouts++;
    w->rollouts[r] =
        (struct w_rollout){.id = w->next_rollout++,
                           .name = xstrdup(s->name),
                           .description = s->description && *s->description ? xstrdup(s->description) : NULL,
                           .filter = xstrdup(s->filter),
                           .type = xstrdup(s->type),
                           .ds = s->ds,
                           .start_at = s->start_at,
                           .first_group = (int)w->n_groups,
                           .n_groups = (int)s->n_groups,
                           .total = (int64_t)s->n_devs,
                           .created = w->now,
                           .modified = w->now,
                           .created_by = "admin",
                           .modified_by = "admin"};
    double sum = 0;
    size_t at = 0;
    for (size_t i = 0; i < s->n_groups; i++) {
        sum += s->groups[i].percent;
        at += add_group(w, r, &s->groups[i], s->devs + at, s->n_devs - at, s->n_devs, sum > 99.99);
    }
    w->ds[s->ds].locked = true;
    w->rollouts[r].ready_at = w->now + US_PER_S / 2 + (int64_t)s->n_devs * PER_READY;
    rollout_state(w, r, WR_CREATING, "admin");
    return r;
}

/* --- running it */

static void start_group(struct world *w, int g)
{
    struct w_group *gr = &w->groups[g];
    int ds = w->rollouts[gr->rollout].ds;
    gr->state = WG_RUNNING;
    gr->started = gr->modified = w->now;
    for (size_t i = 0; i < gr->n_devs; i++) {
        int a = gr->acts[i];
        if (a == W_NONE || w->actions[a].status != WA_SCHEDULED)
            continue;
        if (w->devs[gr->devs[i]].assigned == ds) /* the trap that a roll back's verification finds */
            action_status(w, a, WA_FINISHED, "finished", "Distribution Set is already assigned. Skipping this action.");
        else
            action_start(w, a);
    }
}

void rollout_begin(struct world *w, int r)
{
    struct w_rollout *ro = &w->rollouts[r];
    ro->started = true;
    for (int k = 0; k < ro->n_groups; k++) {
        int g = ro->first_group + k;
        struct w_group *gr = &w->groups[g];
        gr->state = WG_SCHEDULED;
        gr->modified = w->now;
        for (size_t i = 0; i < gr->n_devs; i++)
            gr->acts[i] = action_new(w, gr->devs[i], ro->ds, r, g, WA_SCHEDULED, ro->type);
        gr->count[WC_SCHEDULED] = (int64_t)gr->n_devs;
        gr->count[WC_NOTSTARTED] = 0;
    }
    rollout_state(w, r, WR_RUNNING, "system");
    if (ro->n_groups > 0)
        start_group(w, ro->first_group);
}

/* A percentage as the server reads it: an integer, or nothing that ever fires. */
static bool threshold(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (errno || text[0] < '0' || text[0] > '9' || *end)
        return false;
    *out = v;
    return true;
}

static bool over_error(const struct w_group *g)
{
    int64_t limit;
    if (strcmp(g->error_condition, "THRESHOLD") != 0 || !threshold(g->error, &limit) || g->n_devs == 0)
        return false;
    return g->count[WC_ERROR] * 100 > limit * (int64_t)g->n_devs;
}

static bool over_success(const struct w_group *g)
{
    int64_t limit;
    if (strcmp(g->success_condition, "THRESHOLD") != 0 || !threshold(g->success, &limit))
        return false;
    return g->count[WC_FINISHED] * 100 >= limit * (int64_t)g->n_devs;
}

static void set_group(struct world *w, struct w_group *g, enum w_group_state st)
{
    g->state = st;
    g->modified = w->now;
}

static void run_one(struct world *w, int r)
{
    struct w_rollout *ro = &w->rollouts[r];
    bool any_running = false, any_left = false;
    for (int k = 0; k < ro->n_groups; k++) {
        struct w_group *g = &w->groups[ro->first_group + k];
        struct w_group *next = k + 1 < ro->n_groups ? g + 1 : NULL;
        if (g->state != WG_RUNNING)
            continue;
        if (over_error(g)) {
            set_group(w, g, WG_ERROR);
            if (next && next->state == WG_SCHEDULED) {
                rollout_state(w, r, WR_PAUSED, "admin");
                return;
            }
            continue;
        }
        if (next && next->state == WG_SCHEDULED && over_success(g)) {
            if (g->success_pause && !g->paused_once) {
                g->paused_once = true;
                rollout_state(w, r, WR_PAUSED, "admin");
                return;
            }
            start_group(w, ro->first_group + k + 1);
        }
        if (g->count[WC_RUNNING] + g->count[WC_SCHEDULED] == 0)
            set_group(w, g, WG_FINISHED);
        else
            any_running = true;
    }
    for (int k = 0; k < ro->n_groups; k++) {
        struct w_group *g = &w->groups[ro->first_group + k];
        if (g->state == WG_SCHEDULED && !any_running) {
            start_group(w, ro->first_group + k);
            any_running = true;
        }
        any_left |= g->state == WG_SCHEDULED || g->state == WG_RUNNING;
    }
    if (!any_left)
        rollout_state(w, r, WR_FINISHED, "system");
}

/* Scheduled actions go as if they had never been; running ones are recalled (stop) or closed unasked (delete). */
static void end_actions(struct world *w, int r, bool force)
{
    struct w_rollout *ro = &w->rollouts[r];
    for (int k = 0; k < ro->n_groups; k++) {
        struct w_group *g = &w->groups[ro->first_group + k];
        for (size_t i = 0; i < g->n_devs; i++) {
            int a = g->acts[i];
            if (a == W_NONE || !w->actions[a].active)
                continue;
            if (w->actions[a].status == WA_SCHEDULED) {
                g->count[WC_SCHEDULED]--;
                g->count[WC_NOTSTARTED]++;
                w->actions[a].deleted = true;
                w->actions[a].active = false;
                g->acts[i] = W_NONE;
            } else if (force) {
                action_force_quit(w, a);
            } else {
                action_recall(w, a);
            }
        }
        if (!force && (g->state == WG_RUNNING || g->state == WG_SCHEDULED || g->state == WG_READY))
            set_group(w, g, WG_FINISHED);
    }
}

static void tick_one(struct world *w, int r)
{
    struct w_rollout *ro = &w->rollouts[r];
    if (ro->state == WR_READY && ro->start_at != INT64_MIN && w->now >= ro->start_at) {
        ro->ready_at = w->now + ro->total * PER_START;
        rollout_state(w, r, WR_STARTING, "system");
        return;
    }
    if (ro->state == WR_RUNNING)
        run_one(w, r);
    if (w->now < ro->ready_at)
        return;
    switch (ro->state) {
    case WR_CREATING:
        for (int k = 0; k < ro->n_groups; k++)
            set_group(w, &w->groups[ro->first_group + k], WG_READY);
        rollout_state(w, r, w->approval ? WR_WAITING : WR_READY, "system");
        break;
    case WR_STARTING:
        rollout_begin(w, r);
        break;
    case WR_STOPPING:
        end_actions(w, r, false);
        rollout_state(w, r, WR_STOPPED, "system");
        break;
    case WR_DELETING:
        end_actions(w, r, true);
        rollout_state(w, r, ro->started ? WR_DELETED : WR_GONE, "system");
        break;
    case WR_READY:
    case WR_WAITING:
    case WR_DENIED:
    case WR_RUNNING:
    case WR_PAUSED:
    case WR_STOPPED:
    case WR_FINISHED:
    case WR_DELETED:
    case WR_GONE:
        break;
    }
}

void rollouts_tick(struct world *w)
{
    w->tick_due = false;
    for (size_t i = 0; i < w->n_rollouts; i++)
        tick_one(w, (int)i);
    for (size_t i = 0; i < w->n_rollouts; i++)
        if (needs_tick(w->rollouts[i].state, w->rollouts[i].start_at != INT64_MIN))
            wake_scheduler(w);
}

/* --- verbs */

enum { KIND_STATE, KIND_CONSTRAINT, KIND_NOT_FOUND, KIND_CONFLICT };

static const char *retry(struct world *w, int r, char msg[200], int *kind, int *created)
{
    struct w_rollout *ro = &w->rollouts[r];
    *kind = ro->state == WR_DELETED ? KIND_NOT_FOUND : KIND_CONSTRAINT;
    if (ro->state == WR_DELETED)
        return "Rollout";
    if (ro->state != WR_FINISHED)
        return "Rollout must be finished in order to be retried!";
    int *devs = xreallocarray(NULL, (size_t)ro->total, sizeof *devs);
    size_t n = 0;
    for (int k = 0; k < ro->n_groups; k++) {
        const struct w_group *g = &w->groups[ro->first_group + k];
        for (size_t i = 0; i < g->n_devs; i++)
            if (g->acts[i] != W_NONE && w->actions[g->acts[i]].status == WA_ERROR)
                devs[n++] = g->devs[i];
    }
    char name[200], filter[64];
    snprintf(name, sizeof name, "%.180s_retry", ro->name);
    snprintf(filter, sizeof filter, "failedrollout==%lld", (long long)ro->id);
    if (n == 0) {
        free(devs);
        return "No failed targets in Rollout";
    }
    if (rollout_named(w, name) != W_NONE) {
        free(devs);
        *kind = KIND_CONFLICT;
        snprintf(msg, 200, "The given entity already exists in database");
        return msg;
    }
    struct w_group_spec g = {"group-1", "group-1", 100, "50", "50", "THRESHOLD", "THRESHOLD", false};
    struct w_rollout_spec s = {.name = name,
                               .description = ro->description,
                               .filter = filter,
                               .type = ro->type,
                               .ds = ro->ds,
                               .start_at = INT64_MIN,
                               .groups = &g,
                               .n_groups = 1,
                               .devs = devs,
                               .n_devs = n};
    *created = rollout_add(w, &s);
    free(devs);
    return NULL;
}

static const char *need(struct world *w, int r, enum w_rollout_state st, const char *done, char msg[200])
{
    if (w->rollouts[r].state == st)
        return NULL;
    snprintf(msg, 200, "Rollout can only be %s in state %s but current state is %s", done, rollout_word(st),
             rollout_word(w->rollouts[r].state));
    return msg;
}

static const char *decide(struct world *w, int r, bool yes, const char *remark)
{
    struct w_rollout *ro = &w->rollouts[r];
    if (ro->state != WR_WAITING)
        return "Rollout is not in status WAITING_FOR_APPROVAL";
    free(ro->remark);
    free(ro->decided_by);
    ro->remark = remark && *remark ? xstrdup(remark) : NULL;
    ro->decided_by = xstrdup("admin");
    rollout_state(w, r, yes ? WR_READY : WR_DENIED, "admin");
    return NULL;
}

static const char *trigger(struct world *w, int r)
{
    struct w_rollout *ro = &w->rollouts[r];
    if (ro->state != WR_RUNNING)
        return "Rollout is not in running state";
    for (int k = 0; k < ro->n_groups; k++) {
        if (w->groups[ro->first_group + k].state == WG_SCHEDULED) {
            start_group(w, ro->first_group + k);
            return NULL;
        }
    }
    return "Rollout does not have any groups left to be triggered";
}

static const char *stop(struct world *w, int r)
{
    struct w_rollout *ro = &w->rollouts[r];
    if (ro->state > WR_PAUSED)
        return "Rollout can only be stopped into the following statuses [CREATING, READY, WAITING_FOR_APPROVAL, "
               "STARTING, RUNNING, PAUSED, APPROVAL_DENIED]";
    int64_t n[WC_N];
    rollout_counts(w, r, n);
    ro->ready_at = w->now + n[WC_RUNNING] * US_PER_MS;
    rollout_state(w, r, WR_STOPPING, "admin");
    return NULL;
}

const char *rollout_verb(struct world *w, int r, const char *verb, const char *remark, char msg[200], int *kind,
                         int *created)
{
    struct w_rollout *ro = &w->rollouts[r];
    const char *no = NULL;
    *kind = KIND_STATE;
    *created = W_NONE;
    if (!strcmp(verb, "start")) {
        no = need(w, r, WR_READY, "started", msg);
        if (no)
            return no;
        ro->ready_at = w->now + ro->total * PER_START;
        rollout_state(w, r, WR_STARTING, "admin");
    } else if (!strcmp(verb, "pause")) {
        no = need(w, r, WR_RUNNING, "paused", msg);
        if (!no)
            rollout_state(w, r, WR_PAUSED, "admin");
    } else if (!strcmp(verb, "resume")) {
        no = need(w, r, WR_PAUSED, "resumed", msg);
        if (!no)
            rollout_state(w, r, WR_RUNNING, "admin");
    } else if (!strcmp(verb, "approve") || !strcmp(verb, "deny")) {
        no = decide(w, r, verb[0] == 'a', remark);
    } else if (!strcmp(verb, "triggerNextGroup")) {
        no = trigger(w, r);
    } else if (!strcmp(verb, "stop")) {
        no = stop(w, r);
    } else {
        no = retry(w, r, msg, kind, created);
    }
    return no;
}

void rollout_delete(struct world *w, int r)
{
    struct w_rollout *ro = &w->rollouts[r];
    if (ro->state == WR_DELETED || ro->state == WR_DELETING)
        return;
    ro->ready_at = w->now;
    rollout_state(w, r, WR_DELETING, "admin");
}
