#include "client/goosebit_impl.h"

#include <stdlib.h>
#include <string.h>

#define PARALLEL 4

static void gb_free(struct backend *b)
{
    struct gb *gb = (struct gb *)b;
    login_release(&gb->login); /* ends what waits for a token */
    http_peer_free(gb->home.peer);
    gb_list_free(gb->list);
    arena_release(&gb->software_arena);
    free(gb->user);
    free(gb);
}

static const struct backend_ops ops = {
    .kind = "goosebit",
    .free = gb_free,
    .probe = gb_probe,
    .devices = gb_devices,
    .release = gb_release,
    .releases = gb_releases,
    .device = gb_device,
    .auto_assigns = gb_auto_assigns,
    .auto_assign_off = gb_auto_assign_off,
    .standing = gb_standing,
    .tell = gb_tell,
    .recall = gb_recall,
    .tell_most = GB_TELL_MOST,
    .attributes = gb_attributes,
};

struct backend *goosebit_open(struct http *h, const struct fleet_spec *spec, struct err *e)
{
    struct endpoint door = spec->endpoint, rest = spec->endpoint;
    if (!door.user || !door.user[0] || door.bearer) {
        err_set(e, ERR_AUTH, "set `user` and a secret with its password, and no `bearer`",
                "a gooseBit fleet is entered with a user and a password");
        return NULL;
    }
    /* The password goes to the log-in only, and into its body. */
    door.user = "";
    door.traced.hidden = true;
    rest.user = "";
    rest.secret = (struct secret_ref){.source = SECRET_NONE};
    struct gb *gb = xcalloc(1, sizeof *gb);
    arena_init(&gb->software_arena);
    gb->login = (struct login){
        .door = http_peer_new(h, &door, 1, e), .what = "POST /login", .ask = gb_log_in, .take = gb_take_token};
    login_init(&gb->login, &gb->home);
    gb->home = (struct job_home){.base = {.ops = &ops, .http = h},
                                 .peer = gb->login.door ? http_peer_new(h, &rest, PARALLEL, e) : NULL,
                                 .error = gb_error,
                                 .wrong_server = "check that the fleet's url names a gooseBit server, without /api/v1 "
                                                 "at its end",
                                 .dress = gb_dress,
                                 .refused = gb_refused};
    gb->share = (struct job_share){.home = &gb->home, .begin = gb_read_list};
    if (!gb->home.peer) {
        gb_free(&gb->home.base);
        return NULL;
    }
    http_peer_secret_in_body(gb->login.door);
    http_peer_type(gb->login.door, "application/x-www-form-urlencoded");
    gb->user = xstrdup(spec->endpoint.user);
    return &gb->home.base;
}
