/* Actions: what the server has asked of a device, with the traps of the real one: a newer assignment recalls the
 * older, a recalled action counts as running until the device answers, a force-quit makes the server believe what it
 * does not know. */
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "drill/world.h"

const char *action_word(enum w_action_status st)
{
    static const char *const words[] = {"scheduled", "running",  "retrieved", "download", "downloaded",
                                        "canceling", "canceled", "finished",  "error"};
    return words[st];
}

static enum w_count action_count(enum w_action_status st)
{
    switch (st) {
    case WA_SCHEDULED:
        return WC_SCHEDULED;
    case WA_CANCELED:
        return WC_CANCELLED;
    case WA_FINISHED:
        return WC_FINISHED;
    case WA_ERROR:
        return WC_ERROR;
    case WA_RUNNING:
    case WA_RETRIEVED:
    case WA_DOWNLOAD:
    case WA_DOWNLOADED:
    case WA_CANCELING: /* a stopped rollout still counts it as running */
        return WC_RUNNING;
    }
    return WC_RUNNING;
}

static bool action_open(enum w_action_status st)
{
    return st != WA_CANCELED && st != WA_FINISHED && st != WA_ERROR;
}

static void write_history(struct world *w, struct w_action *a, const char *type, const char *text)
{
    if (a->n_history == a->cap_history) {
        a->cap_history = (uint16_t)(a->cap_history ? a->cap_history * 2 : 4);
        a->history = xreallocarray(a->history, a->cap_history, sizeof *a->history);
    }
    a->history[a->n_history++] = (struct w_history){w->now, w->next_history++, type, text};
}

int action_new(struct world *w, int dev, int ds, int rollout, int group, enum w_action_status st, const char *force)
{
    if (w->n_actions == w->cap_actions) {
        w->cap_actions = w->cap_actions ? w->cap_actions * 2 : 1024;
        w->actions = xreallocarray(w->actions, w->cap_actions, sizeof *w->actions);
    }
    int i = (int)w->n_actions++;
    w->actions[i] = (struct w_action){.dev = dev,
                                      .ds = ds,
                                      .rollout = rollout,
                                      .group = group,
                                      .status = st,
                                      .active = true,
                                      .created = w->now,
                                      .modified = w->now,
                                      .force = force};
    struct w_dev *d = &w->devs[dev];
    if (d->n_actions == d->cap_actions) {
        d->cap_actions = d->cap_actions ? d->cap_actions * 2 : 2;
        d->actions = xreallocarray(d->actions, d->cap_actions, sizeof *d->actions);
    }
    d->actions[d->n_actions++] = i;
    return i;
}

void action_status(struct world *w, int action, enum w_action_status st, const char *type, const char *text)
{
    struct w_action *a = &w->actions[action];
    if (a->group != W_NONE) {
        struct w_group *g = &w->groups[a->group];
        g->count[action_count(a->status)]--;
        g->count[action_count(st)]++;
    }
    a->status = st;
    a->active = action_open(st);
    a->modified = w->now;
    if (type)
        write_history(w, a, type, text);
}

static void touch(struct world *w, int dev, bool system)
{
    w->devs[dev].modified = w->now;
    w->devs[dev].modified_by_system = system;
}

void action_start(struct world *w, int action)
{
    int dev = w->actions[action].dev;
    struct w_dev *d = &w->devs[dev];
    for (uint32_t i = 0; i < d->n_actions; i++) {
        int other = d->actions[i];
        if (other == action || !w->actions[other].active)
            continue;
        if (w->actions[other].status == WA_SCHEDULED)
            action_status(w, other, WA_CANCELED, "canceled", "Update Server: cancel obsolete action due to new update");
        else
            action_recall(w, other);
    }
    action_status(w, action, WA_RUNNING, "running", "Initiated by the update server");
    d->assigned = w->actions[action].ds;
    d->status = W_PENDING;
    touch(w, dev, false);
    fleet_notify(w, dev);
}

void action_recall(struct world *w, int action)
{
    struct w_action *a = &w->actions[action];
    if (!a->active || a->cancel)
        return;
    a->cancel = true;
    action_status(w, action, WA_CANCELING, "canceling", "Update Server: cancellation requested");
    fleet_notify(w, a->dev);
}

/* Is there another open action that the device has yet to do? */
static int newest_open(const struct world *w, int dev, int except)
{
    const struct w_dev *d = &w->devs[dev];
    for (uint32_t i = d->n_actions; i-- > 0;)
        if (d->actions[i] != except && w->actions[d->actions[i]].active && !w->actions[d->actions[i]].cancel &&
            w->actions[d->actions[i]].status != WA_SCHEDULED)
            return d->actions[i];
    return W_NONE;
}

/* The server takes the device for what it was before. */
static void assign_back(struct world *w, int action)
{
    int dev = w->actions[action].dev;
    struct w_dev *d = &w->devs[dev];
    int next = newest_open(w, dev, action);
    if (next != W_NONE) {
        d->assigned = w->actions[next].ds;
        d->status = W_PENDING;
    } else {
        d->assigned = d->installed;
        d->status = W_IN_SYNC;
    }
    touch(w, dev, true);
}

void action_force_quit(struct world *w, int action)
{
    action_status(w, action, WA_CANCELED, "canceled", "A force quit has been performed.");
    assign_back(w, action);
}

bool action_done(struct world *w, int action, bool success)
{
    struct w_action *a = &w->actions[action];
    struct w_dev *d = &w->devs[a->dev];
    if (!a->active)
        return false;
    if (success) {
        action_status(w, action, WA_FINISHED, "finished", "");
        d->installed = a->ds;
        d->installed_at = w->now;
        /* A late report of an older task leaves `assigned` alone, and in_sync is then a lie. */
        if (newest_open(w, a->dev, action) == W_NONE)
            d->status = W_IN_SYNC;
    } else {
        action_status(w, action, WA_ERROR, "error", "installation failed");
        d->status = W_ERROR;
        int next = newest_open(w, a->dev, action);
        d->assigned = next == W_NONE ? W_NONE : w->actions[next].ds;
    }
    touch(w, a->dev, true);
    return true;
}

void action_cancel_answer(struct world *w, int action, bool accepted)
{
    struct w_action *a = &w->actions[action];
    if (a->status != WA_CANCELING)
        return;
    if (accepted) {
        action_status(w, action, WA_CANCELED, "canceled", "");
        assign_back(w, action);
    } else { /* hawkBit: running again, even in a stopped rollout */
        a->cancel = false;
        action_status(w, action, WA_RUNNING, "cancel_rejected", "busy");
    }
}
