#include "client/hawkbit_impl.h"

#include <stdlib.h>

#define PARALLEL 6 /* requests at once; the DoS filter of a stock server allows 200 reads a second */

static void hb_free(struct backend *b)
{
    struct hb *hb = (struct hb *)b;
    http_peer_free(hb->home.peer); /* ends what is under way */
    free(hb);
}

static const struct backend_ops ops = {
    .kind = "hawkbit",
    .free = hb_free,
    .probe = hb_probe,
    .rollouts = hb_rollouts,
    .rollout = hb_rollout,
    .waves = hb_waves,
    .wave_devices = hb_wave_devices,
    .devices = hb_devices,
    .find = hb_find,
    .filter_parts = hb_filter_parts,
    .inflight = hb_inflight,
    .release = hb_release,
    .releases = hb_releases,
    .device = hb_device,
    .verb = hb_verb,
    .create_rollout = hb_create_rollout,
    .cancel_action = hb_cancel_action,
    .assign = hb_assign,
    .auto_assigns = hb_auto_assigns,
    .auto_assign_off = hb_auto_assign_off,
    .standing = hb_standing,
    .tell = hb_tell,
    .recall = hb_recall,
    .tell_most = 500,
    .recall_most = REPLY_REQUESTS / 2, /* each may take two requests */
    .told_at = hb_told_at,
    .attributes = hb_attributes,
    .notes = hb_notes,
    .note_put = hb_note_put,
    .note_delete = hb_note_delete,
};

struct backend *hawkbit_open(struct http *h, const struct fleet_spec *spec, struct err *e)
{
    struct http_peer *peer = http_peer_new(h, &spec->endpoint, PARALLEL, e);
    if (!peer)
        return NULL;
    struct hb *hb = xcalloc(1, sizeof *hb);
    hb->home = (struct job_home){.base = {.ops = &ops, .http = h},
                                 .peer = peer,
                                 .error = hb_error,
                                 .wrong_server = "check that the fleet's url names a hawkBit server, without /rest/v1 "
                                                 "at its end"};
    return &hb->home.base;
}
