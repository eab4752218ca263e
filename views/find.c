/* Finding things by id in snapshots that may have changed since the last key. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "views/app.h"

const struct snapshot *find_snap(const struct view_data *d, const char *fleet)
{
    for (size_t i = 0; i < d->n_snaps; i++) {
        if (d->snaps[i] && !strcmp(str(d->snaps[i]->fleet), fleet))
            return d->snaps[i];
    }
    return NULL;
}

const struct rollout_view *find_rollout(const struct view_data *d, const char *fleet, const char *id,
                                        const struct snapshot **snap)
{
    const struct snapshot *s = find_snap(d, fleet);
    if (snap)
        *snap = s;
    for (size_t i = 0; s && *id && i < s->n_rollouts; i++) {
        if (!strcmp(str(s->rollouts[i].rollout.id), id))
            return &s->rollouts[i];
    }
    return NULL;
}

void find_target(struct app *a, const struct view_data *d, char fleet[64], char rollout[ID_MAX])
{
    const struct frame *f = app_top(a);
    for (int i = a->depth - 1; i > 0 && (f->kind == VIEW_HELP || f->kind == VIEW_AUDIT); i--)
        f = &a->stack[i - 1]; /* what lies under the help or the log */
    fleet[0] = rollout[0] = '\0';
    if (f->kind == VIEW_ROLLOUT || f->kind == VIEW_DEVICES || f->kind == VIEW_DEVICE || f->kind == VIEW_EXPLAIN) {
        snprintf(fleet, 64, "%s", f->fleet);
        snprintf(rollout, ID_MAX, "%s", f->rollout);
        return;
    }
    const struct snapshot *s;
    const struct rollout_view *r;
    if (f->kind == VIEW_BOARD && board_selected(a, d, &s, &r)) {
        snprintf(fleet, 64, "%s", str(s->fleet));
        snprintf(rollout, ID_MAX, "%s", str(r->rollout.id));
    } else if (d->n_snaps > 0 && d->snaps[0]) {
        snprintf(fleet, 64, "%s", str(d->snaps[0]->fleet));
    }
}

const char *device_raw(const struct device_row *d)
{
    return d->raw_id ? d->raw_id : str(d->id);
}

const struct device_row *find_device(const struct snapshot *s, const char *raw)
{
    for (size_t i = 0; s && *raw && i < s->n_devices; i++) {
        if (!strcmp(device_raw(&s->devices[i]), raw))
            return &s->devices[i];
    }
    return NULL;
}

bool find_in(const char *hay, const char *needle)
{
    size_t n = strlen(needle);
    if (n == 0)
        return true;
    for (; *hay; hay++) {
        size_t i = 0;
        while (i < n && hay[i] && tolower((unsigned char)hay[i]) == tolower((unsigned char)needle[i]))
            i++;
        if (i == n)
            return true;
    }
    return false;
}
