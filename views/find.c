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

bool find_target(struct app *a, const struct view_data *d, char fleet[64], char rollout[ID_MAX], struct err *why)
{
    int i = a->depth - 1;
    fleet[0] = rollout[0] = '\0';
    while (i > 0 && !screen_of(a->stack[i].kind)->target)
        i--; /* what lies under the help */
    const struct screen *s = screen_of(a->stack[i].kind);
    if (!s->target)
        return err_set(why, ERR_NOT_FOUND, "", "there is nothing here that a key could act on");
    return s->target(a, d, &a->stack[i], fleet, rollout, why);
}

bool find_own(struct app *a, const struct view_data *d, const struct frame *f, char fleet[64], char rollout[ID_MAX],
              struct err *why)
{
    (void)a;
    (void)d;
    if (!f->fleet[0] || !f->rollout[0])
        return err_set(why, ERR_NOT_FOUND, "", "this screen is about no rollout");
    snprintf(fleet, 64, "%s", f->fleet);
    snprintf(rollout, ID_MAX, "%s", f->rollout);
    return true;
}

bool find_named(const struct view_data *d, const char *word, char fleet[64], char rollout[ID_MAX], struct err *why)
{
    size_t which = 0;
    const char *id = word;
    size_t n = snapshot_named(d->snaps, d->n_snaps, word, &which, &id);
    char in[200] = "";
    if (n == 0)
        return err_set(why, ERR_NOT_FOUND, "", "there is no rollout %.80s", word);
    if (n == 1) {
        snprintf(fleet, 64, "%s", str(d->snaps[which]->fleet));
        snprintf(rollout, ID_MAX, "%s", id);
        return true;
    }
    for (size_t i = 0; i < d->n_snaps; i++) {
        size_t at = strlen(in);
        if (d->snaps[i] && snapshot_rollout(d->snaps[i], id))
            snprintf(in + at, sizeof in - at, "%s%.60s/%.60s", at ? " or " : "", str(d->snaps[i]->fleet), id);
    }
    return err_set(why, ERR_CONFLICT, "", "%zu fleets have a rollout %.60s: say %s", n, id, in);
}

bool find_ambiguous(const struct view_data *d, const char *id)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n_snaps; i++)
        n += d->snaps[i] && snapshot_rollout(d->snaps[i], id);
    return n > 1;
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

const struct snapshot *find_fleet(struct app *a, const struct view_data *d, const char *fleet)
{
    const struct snapshot *s = NULL;
    const struct rollout_view *r;
    if (*fleet)
        s = find_snap(d, fleet);
    else if (app_top(a)->fleet[0])
        s = find_snap(d, app_top(a)->fleet);
    else if (!board_selected(a, d, &s, &r))
        s = d->n_snaps > 0 ? d->snaps[0] : NULL;
    if (!s)
        app_say(a, true, *fleet ? "there is no fleet %.60s" : "there is no fleet", fleet);
    return s;
}
