#include "cli/queue.h"

#include <string.h>
#include "cli/life.h"
#include "conf/config.h"
#include "conf/inventory.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "intel/outlook.h"

/* --- who has what ---------------------------------------------------------------------------------------------------
 */

/* Rows of a file; no server is asked (as `andon inventory --csv`). */
static bool count_devices(const struct args *a, struct queue_world *w, struct err *e)
{
    struct inv_rules *rules = ARENA_NEW(&w->mem, struct inv_rules);
    struct inventory *v = ARENA_NEW(&w->mem, struct inventory);
    *rules = (struct inv_rules){.file = "", .model_attribute = "", .rows = {.file = ""}};
    if (a->val[OPT_NOW] && !fmt_iso_parse(a->val[OPT_NOW], &w->ask.now))
        return err_set(e, ERR_SYNTAX, "", "--now: expected a time like 2031-03-14T12:00:00Z, found %.40s",
                       a->val[OPT_NOW]);
    if ((a->val[OPT_RULES] && !inventory_load(a->val[OPT_RULES], &w->mem, rules, e)) ||
        !inventory_rows_load(a->val[OPT_CSV], &w->mem, &rules->rows, e))
        return false;
    life_fill(rules, w->session.intel, &w->mem);
    inventory_of_rows(rules, w->ask.now, &w->mem, v);
    w->ask.cells = v->cells;
    w->ask.n_cells = v->n_cells;
    w->ask.rules = rules;
    w->ask.of = rules->rows.file;
    return true;
}

/* A whole count of this session, or why there is none. */
static bool counted(const struct snapshot *s, void *ctx)
{
    (void)ctx;
    return s->inventory.error || s->inventory.held;
}

static bool fleet_counted(struct fleet_run *r, int64_t timeout, struct err *e)
{
    if (r->snap && r->snap->rollouts_known)
        (void)fleet_until(r, timeout, counted, NULL);
    if (!r->snap || !r->snap->rollouts_known)
        fleet_error(r, e);
    else if (r->snap->inventory.error)
        *e = *r->snap->inventory.error;
    else if (!r->snap->inventory.held)
        err_set(e, ERR_TIMEOUT, "Give it more time with --timeout.", "%s: the count was not done in time",
                r->spec->name);
    else
        return true;
    return false;
}

/* A queue without one of the fleets would look like all: it is refused, and --fleet names those that answer. */
static bool ask_fleets(const struct args *a, struct queue_world *w, struct err *e)
{
    const struct focus f = {.wave = -1, .inventory = true};
    struct session *s = &w->session;
    int64_t timeout;
    size_t n = 0;
    if (!args_dur(a, OPT_TIMEOUT, 10 * US_PER_MIN, &timeout, e))
        return false;
    for (size_t i = 0; i < s->config.n_fleets; i++)
        session_drop_telemetry(s, &s->config.fleets[i]);
    if (!fleets_open(s, a, false, true, &w->fleets, e))
        return false;
    fleets_wait(&w->fleets, timeout < 30 * US_PER_S ? timeout : 30 * US_PER_S);
    for (size_t i = 0; i < w->fleets.n; i++)
        if (w->fleets.v[i].en)
            engine_focus(w->fleets.v[i].en, &f);
    for (size_t i = 0; i < w->fleets.n; i++) {
        if (!fleet_counted(&w->fleets.v[i], timeout, e))
            return false;
        n += w->fleets.v[i].snap->inventory.held->v.n_cells;
    }
    struct fleet_cell *cells = ARENA_ARRAY(&w->mem, struct fleet_cell, n + 1);
    for (size_t i = 0; i < w->fleets.n; i++) {
        const struct inventory *v = &w->fleets.v[i].snap->inventory.held->v;
        for (size_t k = 0; k < v->n_cells; k++)
            cells[w->ask.n_cells++] = v->cells[k];
        w->ask.of =
            i == 0 ? w->fleets.v[i].spec->name : arena_printf(&w->mem, "%s, %s", w->ask.of, w->fleets.v[i].spec->name);
        w->ask.rules = w->ask.rules ? w->ask.rules : w->fleets.v[i].spec->inventory;
    }
    w->ask.cells = cells;
    return true;
}

/* How each rollout of theirs stands. */
static void stand(struct queue_world *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->fleets.n; i++)
        n += w->fleets.v[i].snap->n_rollouts;
    struct outlook_standing *v = ARENA_ARRAY(&w->mem, struct outlook_standing, n + 1);
    w->ask.standings = v;
    for (size_t i = 0; i < w->fleets.n; i++) {
        const struct snapshot *s = w->fleets.v[i].snap;
        for (size_t k = 0; k < s->n_rollouts; k++) {
            const struct rollout_view *r = &s->rollouts[k];
            enum fix_state state = outlook_standing(r->rollout.state, r->latched);
            if (state != FIX_NONE)
                v[w->ask.n_standings++] = (struct outlook_standing){
                    r->rollout.release.name, r->rollout.release.version, state,
                    w->fleets.n > 1 ? arena_printf(&w->mem, "%s/%s", w->fleets.v[i].spec->name, r->rollout.id)
                                    : r->rollout.id};
        }
    }
}

bool queue_world_open(const struct args *a, struct queue_world *w, int *rc, struct err *e)
{
    *w = (struct queue_world){.o = outlook_new(), .ask = {.of = ""}};
    arena_init(&w->mem);
    w->ask.now = clock_wall(clock_real());
    *rc = a->val[OPT_CSV] ? session_open(a, &w->session) : session_need(a, &w->session);
    if (*rc != EXIT_OK)
        return false;
    w->ask.policy = w->session.configured ? &w->session.config.risk : risk_policy_default();
    if (!said_read(&w->session.audit_looks, &w->mem, &w->said, e) ||
        !(a->val[OPT_CSV] ? count_devices : ask_fleets)(a, w, e))
        return false;
    stand(w);
    w->ask.accepts = w->said.accepts;
    w->ask.n_accepts = w->said.n_accepts;
    w->ask.vex = w->said.vex;
    w->ask.n_vex = w->said.n_vex;
    struct intel_store *store = intel_open(w->session.intel, false, e);
    bool ok = store && intel_outlook(store, &w->ask, w->o, e);
    intel_close(store);
    return ok;
}

void queue_world_free(struct queue_world *w)
{
    outlook_unref(w->o);
    fleets_close(&w->fleets);
    session_close(&w->session);
    arena_release(&w->mem);
}
