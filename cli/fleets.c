#include "cli/fleets.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "core/fmt.h"
#include "core/clock.h"

#define NOTE_US (2 * US_PER_S)

bool fleet_named(const struct config *c, const char *word, struct args *one, const char **id, struct err *e)
{
    const char *fleet = NULL;
    size_t longest = 0;

    *id = word;
    for (size_t i = 0; i < c->n_fleets; i++) {
        size_t len = strlen(c->fleets[i].name);

        if (len > longest && strncmp(word, c->fleets[i].name, len) == 0 && word[len] == '/' && word[len + 1]) {
            longest = len;
            fleet = c->fleets[i].name;
        }
    }
    if (!fleet)
        return true;
    if (one->val[OPT_FLEET] && strcmp(one->val[OPT_FLEET], fleet) != 0)
        return err_set(e, ERR_SYNTAX, "", "--fleet %.60s and %.60s name two fleets", one->val[OPT_FLEET], word);
    one->val[OPT_FLEET] = fleet;
    *id = word + longest + 1;
    return true;
}

bool fleets_open(const struct session *s, const struct args *a, bool judge, bool observe, struct fleets *out,
                 struct err *e)
{
    const struct fleet_spec *one = NULL;

    if (a->val[OPT_FLEET] && !(one = session_fleet(s, a, e)))
        return false;
    out->n = one ? 1 : s->config.n_fleets;
    out->v = xcalloc(out->n, sizeof *out->v);
    for (size_t i = 0; i < out->n; i++) {
        struct fleet_run *r = &out->v[i];

        r->spec = one ? one : &s->config.fleets[i];
        r->en = session_engine(s, a, r->spec, judge, observe, &r->err);
    }
    return true;
}

void fleets_wait(struct fleets *f, int64_t timeout_us)
{
    int64_t until = clock_now(clock_real()) + timeout_us;

    for (size_t i = 0; i < f->n; i++) {
        int64_t left = until - clock_now(clock_real());

        if (!f->v[i].en)
            continue;
        if (!engine_wait_ready(f->v[i].en, left > 0 ? left : 0, &f->v[i].snap) && !f->v[i].snap)
            f->v[i].snap = engine_snapshot(f->v[i].en);
    }
}

bool fleet_until(struct fleet_run *r, int64_t timeout_us, bool (*ready)(const struct snapshot *s, void *ctx), void *ctx)
{
    int64_t until = clock_now(clock_real()) + timeout_us, left;
    struct pollfd p = {.fd = engine_fd(r->en), .events = POLLIN};
    uint64_t n;

    for (;;) {
        struct snapshot *s = engine_snapshot(r->en);

        snapshot_unref(r->snap);
        r->snap = s;
        if (ready(s, ctx))
            return true;
        left = until - clock_now(clock_real());
        if (left <= 0)
            return false;
        /* Looks again every 200 ms at the latest: somebody else may have read the descriptor. */
        if (poll(&p, 1, left < 200 * US_PER_MS ? (int)(left / US_PER_MS) + 1 : 200) > 0)
            while (read(p.fd, &n, sizeof n) > 0)
                ;
    }
}

/* Of a plan: what is still to be told of its open waves; 0 when nobody is being told. */
static int64_t to_tell(const struct snapshot *s, const char *id)
{
    const struct rollout_view *v = snapshot_rollout(s, id);
    const struct rollout *o = v ? &v->rollout : NULL;

    return o && (o->caps & CAP_OWN_WAVES) && o->state == ROLLOUT_RUNNING ? o->counts.scheduled : 0;
}

static bool all_told(const struct snapshot *s, void *id)
{
    return to_tell(s, id) == 0;
}

void fleet_stay_telling(struct fleet_run *r, const char *rollout, int64_t timeout_us)
{
    char id[ID_MAX], n[FMT_MAX];

    snprintf(id, sizeof id, "%s", rollout);
    if (!fleet_until(r, timeout_us, all_told, id))
        fprintf(stderr, "  %s devices are not told yet: a guard or a console on this log goes on with it\n",
                fmt_count(n, to_tell(r->snap, id)));
}

bool fleet_has_waves(const struct snapshot *s, void *id)
{
    const struct rollout_view *v = snapshot_rollout(s, id);

    return v && v->waves_known;
}

void fleet_error(const struct fleet_run *r, struct err *e)
{
    if (!r->en) {
        *e = r->err;
        return;
    }
    if (r->snap && *r->snap->link.error)
        err_set(e, ERR_NETWORK, r->snap->link.next, "%s: %s", r->spec->name, r->snap->link.error);
    else
        err_set(e, ERR_TIMEOUT, "`andon doctor` tests the connection.", "%s: the server has not answered",
                r->spec->name);
}

void fleets_close(struct fleets *f)
{
    for (size_t i = 0; i < f->n; i++) {
        snapshot_unref(f->v[i].snap);
        if (f->v[i].en) {
            engine_stop(f->v[i].en);
            engine_free(f->v[i].en);
        }
    }
    free(f->v);
    *f = (struct fleets){0};
}

static bool noted(const struct snapshot *s, void *ctx)
{
    (void)ctx;
    return s->notes_due == 0;
}

void fleet_stay_noted(struct fleet_run *r, const char *rollout)
{
    const struct rollout_view *v;

    (void)fleet_until(r, NOTE_US, noted, NULL);
    v = r->snap && *rollout ? snapshot_rollout(r->snap, rollout) : NULL;
    if (v && *v->note_problem)
        fprintf(stderr, "  note: %s\n", v->note_problem);
}
