#include "cli/queue.h"

#include <stdlib.h>
#include <string.h>
#include "cli/vex.h"
#include "conf/config.h"
#include "conf/inventory.h"
#include "core/clock.h"
#include "core/match.h"
#include "core/fmt.h"
#include "core/text.h"
#include "core/version.h"

/* A release with its answers. */
struct judged {
    const char *name;
    const char *firmware, *hardware; /* CPE, of the devices that run it; "" */
    struct intel_answers is;
    bool on_devices;
};

struct gathering {
    struct queue_world *w;
    struct judged *v;
    size_t n;
};

/* --- who has what ---------------------------------------------------------------------------------------------------
 */

/* Rows of a file; no server is asked (as `andon inventory --csv`). */
static bool count_devices(const struct args *a, struct queue_world *w, struct err *e)
{
    struct inv_rules *rules = ARENA_NEW(&w->mem, struct inv_rules);
    struct inventory *v = ARENA_NEW(&w->mem, struct inventory);
    *rules = (struct inv_rules){.file = "", .model_attribute = "", .rows = {.file = ""}};
    if (a->val[OPT_NOW] && !fmt_iso_parse(a->val[OPT_NOW], &w->in.now))
        return err_set(e, ERR_SYNTAX, "", "--now: expected a time like 2031-03-14T12:00:00Z, found %.40s",
                       a->val[OPT_NOW]);
    if ((a->val[OPT_RULES] && !inventory_load(a->val[OPT_RULES], &w->mem, rules, e)) ||
        !inventory_rows_load(a->val[OPT_CSV], &w->mem, &rules->rows, e))
        return false;
    inventory_of_rows(rules, w->in.now, &w->mem, v);
    w->in.cells = v->cells;
    w->in.n_cells = v->n_cells;
    w->rules = rules;
    w->of = rules->rows.file;
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
            cells[w->in.n_cells++] = v->cells[k];
        w->of = i == 0 ? w->fleets.v[i].spec->name : arena_printf(&w->mem, "%s, %s", w->of, w->fleets.v[i].spec->name);
        w->rules = w->rules ? w->rules : w->fleets.v[i].spec->inventory;
    }
    w->in.cells = cells;
    return true;
}

/* How the newest rollout of a release stands; a halt that nobody has acknowledged is one, whatever runs. */
static enum fix_state state_of(const struct rollout_view *v)
{
    if (v->latched)
        return FIX_HALTED;
    switch (v->rollout.state) {
    case ROLLOUT_CREATING:
    case ROLLOUT_WAITING_APPROVAL:
    case ROLLOUT_READY:
        return FIX_WAITING;
    case ROLLOUT_STARTING:
    case ROLLOUT_RUNNING:
        return FIX_RUNNING;
    case ROLLOUT_PAUSED:
        return FIX_PAUSED;
    case ROLLOUT_FINISHED:
        return FIX_FINISHED;
    case ROLLOUT_STOPPING: /* for good: it goes nowhere by this one */
    case ROLLOUT_STOPPED:
    case ROLLOUT_DENIED:
        return FIX_HALTED;
    case ROLLOUT_UNKNOWN:
    case ROLLOUT_DELETING:
    case ROLLOUT_DELETED:
        break;
    }
    return FIX_NONE;
}

static void stand(const struct queue_world *w, struct queue_release *r, struct arena *a)
{
    size_t n = strlen(r->line);
    for (size_t i = 0; i < w->fleets.n; i++) {
        const struct snapshot *s = w->fleets.v[i].snap;
        for (size_t k = 0; k < s->n_rollouts; k++) {
            const struct rollout_view *v = &s->rollouts[k];
            const struct release *is = &v->rollout.release;
            if (strcmp(is->name, r->line) != 0 || !r->name[n] || strcmp(is->version, r->name + n + 1) != 0 ||
                state_of(v) == FIX_NONE)
                continue;
            r->state = state_of(v); /* newest first */
            r->rollout = w->fleets.n > 1 ? arena_printf(a, "%s/%s", w->fleets.v[i].spec->name, v->rollout.id)
                                         : arena_strdup(a, v->rollout.id);
            return;
        }
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct judged *)a)->name, ((const struct judged *)b)->name);
}

/* Releases that devices run, and those that have an SBOM: where devices could go. */
static bool name_releases(struct gathering *g, struct err *e)
{
    const struct queue_input *in = &g->w->in;
    const char **names;
    size_t n, k = 0;
    if (!intel_releases(g->w->store, &g->w->mem, &names, &n, e))
        return false;
    g->v = ARENA_ARRAY(&g->w->mem, struct judged, n + in->n_cells + 1);
    for (size_t i = 0; i < in->n_cells; i++) {
        if (*in->cells[i].release && in->cells[i].devices > 0)
            g->v[g->n++] = (struct judged){.name = in->cells[i].release,
                                           .firmware = in->cells[i].cpe_firmware,
                                           .hardware = in->cells[i].cpe_hardware,
                                           .on_devices = true};
    }
    for (size_t i = 0; i < n; i++) {
        struct inv_subject s = {.release = names[i]}; /* no device is known of it: by its name alone */
        struct inv_record rec = {.cpe_firmware = "", .cpe_hardware = ""};
        if (g->w->rules)
            inventory_combine(g->w->rules, &s, &g->w->mem, &rec);
        g->v[g->n++] = (struct judged){.name = names[i], .firmware = rec.cpe_firmware, .hardware = rec.cpe_hardware};
    }
    qsort(g->v, g->n, sizeof *g->v, by_name);
    for (size_t i = 0; i < g->n; i++) {
        struct judged *to = k > 0 && strcmp(g->v[k - 1].name, g->v[i].name) == 0 ? &g->v[k - 1] : NULL;
        if (!to) {
            g->v[k++] = g->v[i];
            continue;
        }
        to->on_devices = to->on_devices || g->v[i].on_devices;
        to->firmware = *to->firmware ? to->firmware : g->v[i].firmware;
        to->hardware = *to->hardware ? to->hardware : g->v[i].hardware;
    }
    g->n = k;
    return true;
}

/* --- what they have ------------------------------------------------------------------------------------------------
 */

static bool judge(struct gathering *g, struct err *e)
{
    struct queue_world *w = g->w;
    size_t n_said = 0, n = 0;
    struct vex *said = NULL;
    if (!vex_of_log(&w->session, &w->mem, &said, &n_said, e))
        return false;
    w->matcher = intel_matcher_new(w->store, said, n_said, e);
    if (!w->matcher)
        return false;
    for (size_t i = 0; i < g->n; i++) {
        struct judged *r = &g->v[i];
        const char *colon = strrchr(r->name, ':');
        const char *cpe = *r->firmware && colon ? match_cpe_of(r->firmware, colon + 1, &w->mem) : r->firmware;
        if (!intel_match(w->matcher, r->name, cpe, r->hardware, NULL, 0, &w->mem, &r->is, e))
            return false;
        n += r->is.n;
        w->cut = w->cut || r->is.cut;
        w->releases += r->on_devices;
        if (!r->on_devices)
            continue;
        w->without_sbom += r->is.gaps.no_sbom;
        w->gaps.parts += r->is.gaps.parts;
        w->gaps.no_version += r->is.gaps.no_version;
        w->gaps.no_id += r->is.gaps.no_id + r->is.gaps.no_release;
    }
    struct finding *findings = ARENA_ARRAY(&w->mem, struct finding, n + 1);
    struct vuln_facts *facts = ARENA_ARRAY(&w->mem, struct vuln_facts, n + 1);
    for (size_t i = 0; i < g->n; i++) {
        for (size_t k = 0; k < g->v[i].is.n; k++) {
            findings[w->in.n_findings] = g->v[i].is.v[k];
            facts[w->in.n_findings++] = g->v[i].is.facts[k];
        }
    }
    w->in.findings = findings;
    w->in.facts = facts;
    return true;
}

struct known {
    const struct vuln_facts *facts;
    bool queued;
};

/* Of what has a place in the queue first: a release that has the fix is judged by its own advisory alone, and its facts
 * may lack what others say. Then the worst of several scores, by the package. */
static int by_facts(const void *a, const void *b)
{
    const struct known *kx = a, *ky = b;
    const struct vuln_facts *x = kx->facts, *y = ky->facts;
    int o = strcmp(x->id, y->id);
    int sx = x->tenths < 0 ? 101 : x->tenths, sy = y->tenths < 0 ? 101 : y->tenths;
    o = o ? o : ky->queued - kx->queued;
    o = o ? o : (sx < sy) - (sx > sy);
    return o ? o : strcmp(x->vector, y->vector);
}

/* One for each vulnerability. */
static void one_each(struct queue_world *w)
{
    struct known *v = ARENA_ARRAY(&w->mem, struct known, w->in.n_findings + 1);
    struct vuln_facts *out = ARENA_ARRAY(&w->mem, struct vuln_facts, w->in.n_findings + 1);
    size_t k = 0;
    for (size_t i = 0; i < w->in.n_findings; i++)
        v[i] = (struct known){&w->in.facts[i], finding_queued(&w->in.findings[i])};
    if (w->in.n_findings > 1)
        qsort(v, w->in.n_findings, sizeof *v, by_facts);
    for (size_t i = 0; i < w->in.n_findings; i++) {
        if (k == 0 || strcmp(out[k - 1].id, v[i].facts->id) != 0)
            out[k++] = *v[i].facts;
    }
    w->in.facts = out;
    w->in.n_facts = k;
}

/* --- in which order ------------------------------------------------------------------------------------------------
 */

/* By name, then by version: SemVer where both are, else as firmware versions go. */
static int by_version(const void *a, const void *b)
{
    const char *x = ((const struct queue_release *)a)->name, *y = ((const struct queue_release *)b)->name;
    const char *cx = strrchr(x, ':'), *cy = strrchr(y, ':');
    int o = strcmp(((const struct queue_release *)a)->line, ((const struct queue_release *)b)->line);
    if (o || !cx || !cy)
        return o ? o : strcmp(x, y);
    if (version_compare(VERSION_SEMVER, slice_of(cx + 1), slice_of(cy + 1), &o) ||
        version_compare(VERSION_GENERIC, slice_of(cx + 1), slice_of(cy + 1), &o))
        return o ? o : strcmp(x, y);
    return strcmp(x, y);
}

static void put_in_order(struct gathering *g)
{
    struct queue_world *w = g->w;
    struct queue_release *v = ARENA_ARRAY(&w->mem, struct queue_release, g->n + 1);
    for (size_t i = 0; i < g->n; i++) {
        const struct judged *r = &g->v[i];
        const char *colon = strrchr(r->name, ':');
        bool sbom = r->is.sbom && !r->is.cut;
        v[i] = (struct queue_release){
            .name = r->name,
            .line = arena_strndup(&w->mem, r->name, colon ? (size_t)(colon - r->name) : strlen(r->name)),
            .judged = sbom,
            .blind = sbom        ? ""
                     : r->is.cut ? "too much to look at"
                                 : "no SBOM",
            .offered = true,
            .rollout = ""};
    }
    qsort(v, g->n, sizeof *v, by_version);
    for (size_t i = 0; i < g->n; i++) {
        v[i].order = (int64_t)i;
        stand(w, &v[i], &w->mem);
    }
    w->in.releases = v;
    w->in.n_releases = g->n;
}

/* How new each source is that decides something; of several of a kind the oldest. */
static bool date_sources(struct queue_world *w, struct err *e)
{
    static const struct {
        enum risk_source from;
        enum intel_kind kind;
    } of[] = {{FROM_KEV, INTEL_KEV}, {FROM_CVE_RECORD, INTEL_CVE5}, {FROM_EPSS, INTEL_EPSS}};
    if (!intel_sources(w->store, &w->mem, &w->sources, &w->n_sources, e))
        return false;
    for (size_t i = 0; i < w->n_sources; i++) {
        const struct intel_source *s = &w->sources[i];
        int64_t at = s->newest > s->released ? s->newest : s->released;
        for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
            int64_t *to = &w->in.source_at[of[k].from];
            if (of[k].kind == s->kind && at > 0 && (*to == 0 || at < *to))
                *to = at;
        }
    }
    return true;
}

bool queue_world_open(const struct args *a, struct queue_world *w, int *rc, struct err *e)
{
    struct gathering g = {.w = w};
    char path[512];
    *w = (struct queue_world){.of = ""};
    arena_init(&w->mem);
    arena_init(&w->log.arena);
    w->in.now = clock_wall(clock_real());
    *rc = a->val[OPT_CSV] ? session_open(a, &w->session) : session_need(a, &w->session);
    if (*rc != EXIT_OK)
        return false;
    w->in.policy = w->session.configured ? &w->session.config.risk : risk_policy_default();
    arena_release(&w->log.arena);
    bool read = risk_log_read(&w->session, &w->log, e);
    if (!read)
        arena_init(&w->log.arena);
    w->in.accepts = w->log.accepts;
    w->in.n_accepts = w->log.n_accepts;
    if (!read || !(a->val[OPT_CSV] ? count_devices : ask_fleets)(a, w, e))
        return false;
    if (!state_path(path, sizeof path, "intel.db"))
        return err_set(e, ERR_IO, "Set HOME or XDG_STATE_HOME.", "there is no place for what was imported");
    w->store = intel_open(path, false, e);
    if (!w->store || !name_releases(&g, e) || !judge(&g, e) || !date_sources(w, e))
        return false;
    one_each(w);
    put_in_order(&g);
    queue_make(&w->in, &w->mem, &w->q);
    return true;
}

void queue_world_free(struct queue_world *w)
{
    intel_matcher_free(w->matcher);
    intel_close(w->store);
    fleets_close(&w->fleets);
    risk_log_free(&w->log);
    session_close(&w->session);
    arena_release(&w->mem);
}
