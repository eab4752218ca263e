/* andon census: which device has which release, noted down. Once a day, and it is what andon report counts from. */
#include <inttypes.h>
#include <string.h>
#include "audit/stays.h"
#include "cli/ask.h"
#include "cli/queue.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"

#define DEVICES_MAX ((size_t)1000000) /* of one release: a census is whole or none */
#define ASK_EACH    5000              /* devices that are in no list, asked for one by one */
#define ASK_US      (5 * US_PER_MIN)

struct taking {
    const struct outlook *o;
    const struct fleet_run *run;
    struct stays *stays;
    struct http *http;
    struct backend *b;
    struct arena mem;
    int64_t at, timeout;
    size_t seen, gone, left, unasked; /* devices; of no list: gone, and those that are somewhere else */
};

static size_t line_of(const char *release)
{
    const char *colon = strrchr(release, ':');
    return colon ? (size_t)(colon - release) : strlen(release);
}

/* Does a release of the same name have what is to be patched? Then devices come from it or go to it. */
static bool line_affected(const struct outlook *o, const char *release)
{
    size_t n = line_of(release);
    for (size_t i = 0; i < o->in.n_releases; i++) {
        const char *r = o->in.releases[i].name;
        if (strncmp(r, release, n) == 0 && (r[n] == ':' || !r[n]) && patch_affected(o, r))
            return true;
    }
    return false;
}

/* ---- what the server shows ---- */

static bool list_release(struct taking *t, const char *release, struct err *e)
{
    size_t n = line_of(release);
    struct release r = {
        .id = "", .name = arena_strndup(&t->mem, release, n), .version = release[n] ? release + n + 1 : ""};
    struct device_filter f = {.installed = &r};
    struct device_list list = {0};
    struct ask q = {0};
    bool keep = patch_affected(t->o, release);
    t->b->ops->devices(t->b, &f, DEVICES_MAX, &t->mem, &list, ask_done, &q);
    if (!ask_wait(t->http, &q, t->timeout)) {
        *e = q.err;
        return false;
    }
    if (list.total > (int64_t)list.n)
        return err_set(e, ERR_LIMIT, "", "%s has more than %zu devices with %.80s: a census is whole or none",
                       t->run->spec->name, list.n, release);
    for (size_t i = 0; i < list.n; i++) {
        const struct device *d = &list.v[i];
        if (!stays_seen(t->stays, t->run->spec->name, d->raw_id, release, d->installed_at, t->at, keep, e))
            return false;
    }
    t->seen += keep ? list.n : 0;
    return true;
}

/* One that was in no list: it has another release, or is not there any more. Else nothing is known, and nothing noted.
 */
static bool ask_device(struct taking *t, const char *id, struct err *e)
{
    struct device_info info = {0};
    struct ask q = {0};
    char release[2 * NAME_MAX_BYTES];
    t->b->ops->device(t->b, id, &t->mem, &info, ask_done, &q);
    bool ok = ask_wait(t->http, &q, t->timeout);
    if (!ok && q.err.code != ERR_NOT_FOUND) {
        *e = q.err;
        return false;
    }
    if (!ok) {
        t->gone++;
        return stays_gone(t->stays, t->run->spec->name, id, t->at, e);
    }
    if (!info.installed.name || !*info.installed.name)
        return true;
    snprintf(release, sizeof release, "%s:%s", info.installed.name, info.installed.version);
    t->left++;
    return stays_seen(t->stays, t->run->spec->name, id, release, info.device.installed_at, t->at,
                      patch_affected(t->o, release), e);
}

static bool take(struct taking *t, struct err *e)
{
    const struct inventory *v = &t->run->snap->inventory.held->v;
    const char **missing;
    size_t n;
    if (!t->b->ops->devices || !t->b->ops->device)
        return err_set(e, ERR_UNSUPPORTED, "", "%s: this server does not list devices by their release",
                       t->run->spec->name);
    for (size_t i = 0; i < v->n_cells; i++) {
        bool again = !*v->cells[i].release || v->cells[i].devices <= 0;
        for (size_t k = 0; k < i && !again; k++)
            again = strcmp(v->cells[k].release, v->cells[i].release) == 0 && v->cells[k].devices > 0;
        if (!again && line_affected(t->o, v->cells[i].release) && !list_release(t, v->cells[i].release, e))
            return false;
    }
    if (!stays_missing(t->stays, t->run->spec->name, t->at, &t->mem, &missing, &n, e))
        return false;
    for (size_t i = 0; i < n && i < ASK_EACH; i++)
        if (!ask_device(t, missing[i], e))
            return false;
    t->unasked = n > ASK_EACH ? n - ASK_EACH : 0;
    return true;
}

static bool of_fleet(struct taking *t, struct err *e)
{
    arena_init(&t->mem);
    t->http = http_new(clock_real(), random_seed());
    t->b = backend_open(t->http, t->run->spec, e);
    bool ok = t->b && take(t, e);
    backend_free(t->b);
    http_free(t->http);
    arena_release(&t->mem);
    return ok;
}

/* ---- the command ---- */

static void say(const struct args *a, const struct taking *t, struct json_out *o)
{
    char n[3][FMT_MAX];
    if (a->json) {
        json_w_obj(&o->w);
        json_w_kstr(&o->w, "fleet", t->run->spec->name);
        json_w_kint(&o->w, "devices", (int64_t)t->seen);
        json_w_kint(&o->w, "gone", (int64_t)t->gone);
        json_w_kint(&o->w, "elsewhere", (int64_t)t->left);
        json_w_kint(&o->w, "not_asked", (int64_t)t->unasked);
        json_w_obj_end(&o->w);
        return;
    }
    printf("%s: %s device%s with something to be patched", t->run->spec->name, fmt_count(n[0], (int64_t)t->seen),
           t->seen == 1 ? "" : "s");
    if (t->gone)
        printf(", %s not there any more", fmt_count(n[1], (int64_t)t->gone));
    if (t->unasked)
        printf(", %s that no list has were not asked for: their pairs stay open", fmt_count(n[2], (int64_t)t->unasked));
    printf("\n");
}

int cmd_census(const struct args *a)
{
    struct queue_world w;
    struct json_out o;
    struct err e = {0};
    struct stays *stays = NULL;
    int rc = EXIT_OK;
    int64_t timeout, at = clock_wall(clock_real());
    if (!args_dur(a, OPT_TIMEOUT, ASK_US, &timeout, &e))
        return print_err(a, &e);
    bool ok = queue_world_open(a, &w, &rc, &e);
    if (ok && a->val[OPT_READ_ONLY])
        ok = err_set(&e, ERR_REFUSED, "", "read-only: no census is written");
    ok = ok && (stays = stays_open(w.session.census, true, &e)) != NULL && stays_begin(stays, &e);
    json_begin(&o);
    json_w_key(&o.w, "fleets");
    json_w_arr(&o.w);
    for (size_t i = 0; ok && i < w.fleets.n; i++) {
        struct taking t = {.o = w.o, .run = &w.fleets.v[i], .stays = stays, .at = at, .timeout = timeout};
        ok = of_fleet(&t, &e);
        if (ok)
            say(a, &t, &o);
        else
            stays_abort(stays);
    }
    ok = ok && stays_commit(stays, at, &e);
    stays_close(stays);
    json_w_arr_end(&o.w);
    if (ok && a->json)
        json_end(&o);
    else
        buf_release(&o.buf);
    if (!ok && rc == EXIT_OK)
        rc = print_err(a, &e);
    queue_world_free(&w);
    return rc;
}
