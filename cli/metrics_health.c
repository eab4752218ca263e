/* Is the guard able to see and to act? For a supervisor, a load balancer, a person with curl. */
#include "cli/metrics_page.h"

static bool link_good(const char *fleet, const char *which, const struct link_view *l, struct buf *out)
{
    if (l->state == LINK_LIVE || l->state == LINK_SLOW || l->state == LINK_NONE)
        return true;
    buf_printf(out, "%s: %s is %s%s%s\n", fleet, which, link_state_word(l->state), l->error && *l->error ? ": " : "",
               l->error ? l->error : "");
    return false;
}

static bool fleet_good(const struct metrics_in *in, const struct metrics_fleet *f, struct buf *out)
{
    const char *name = f->spec->name;
    if (!f->snap) {
        buf_printf(out, "%s: nobody guards it%s%s\n", name, *f->error ? ": " : "", f->error);
        return false;
    }
    bool good = link_good(name, "the fleet server", &f->snap->link, out);
    good = link_good(name, "telemetry", &f->snap->telemetry, out) && good;
    if (in->now - f->snap->taken_at > METRICS_SILENT_US) {
        buf_printf(out, "%s: the engine has not moved for %.0f s\n", name, (double)(in->now - f->snap->taken_at) / 1e6);
        good = false;
    }
    if (f->escalations > 0) {
        buf_printf(out, "%s: %d halt%s cannot be had, a person must act\n", name, f->escalations,
                   f->escalations == 1 ? "" : "s");
        good = false;
    }
    return good;
}

bool metrics_health(const struct metrics_in *in, struct buf *out)
{
    bool good = in->n > 0;
    for (size_t i = 0; i < in->n; i++)
        good = fleet_good(in, &in->v[i], out) && good;
    if (in->n == 0)
        buf_adds(out, "no fleet is guarded\n");
    if (good)
        buf_adds(out, "ok\n");
    return good;
}
