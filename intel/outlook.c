#include "intel/outlook.h"

#include <stdlib.h>
#include <string.h>
#include "core/text.h"
#include "core/version.h"
#include "intel/match.h"

/* A release with its answers. */
struct judged {
    const char *name;
    const char *firmware, *hardware; /* CPE, of the devices that run it; "" */
    struct intel_answers is;
    bool on_devices;
};

struct gathering {
    const struct outlook_ask *ask;
    struct outlook *o;
    struct intel_store *store;
    struct judged *v;
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct judged *)a)->name, ((const struct judged *)b)->name);
}

/* Releases that devices run, and those that have an SBOM: where devices could go. */
static bool name_releases(struct gathering *g, struct err *e)
{
    const struct queue_input *in = &g->o->in;
    const char **names;
    size_t n, k = 0;
    if (!intel_releases(g->store, &g->o->mem, &names, &n, e))
        return false;
    g->v = ARENA_ARRAY(&g->o->mem, struct judged, n + in->n_cells + 1);
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
        if (g->ask->rules)
            inventory_combine(g->ask->rules, &s, &g->o->mem, &rec);
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

static void drop_matcher(void *m)
{
    intel_matcher_free(m);
}

static bool judge(struct gathering *g, struct err *e)
{
    struct outlook *o = g->o;
    size_t n = 0;
    struct intel_matcher *matcher = intel_matcher_new(g->store, g->ask->vex, g->ask->n_vex, e);
    if (!matcher)
        return false;
    o->kept = matcher; /* answers borrow from its statements */
    o->drop = drop_matcher;
    for (size_t i = 0; i < g->n; i++) {
        struct judged *r = &g->v[i];
        const char *colon = strrchr(r->name, ':');
        const char *cpe = *r->firmware && colon ? match_cpe_of(r->firmware, colon + 1, &o->mem) : r->firmware;
        if (!intel_match(matcher, r->name, cpe, r->hardware, NULL, 0, &o->mem, &r->is, e))
            return false;
        n += r->is.n;
        o->cut = o->cut || r->is.cut;
        o->releases += r->on_devices;
        if (!r->on_devices)
            continue;
        o->without_sbom += r->is.gaps.no_sbom;
        o->gaps.parts += r->is.gaps.parts;
        o->gaps.no_version += r->is.gaps.no_version;
        o->gaps.no_id += r->is.gaps.no_id + r->is.gaps.no_release;
    }
    struct finding *findings = ARENA_ARRAY(&o->mem, struct finding, n + 1);
    struct vuln_facts *facts = ARENA_ARRAY(&o->mem, struct vuln_facts, n + 1);
    for (size_t i = 0; i < g->n; i++) {
        for (size_t k = 0; k < g->v[i].is.n; k++) {
            findings[o->in.n_findings] = g->v[i].is.v[k];
            facts[o->in.n_findings++] = g->v[i].is.facts[k];
        }
    }
    o->in.findings = findings;
    o->in.facts = facts;
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
static void one_each(struct outlook *o)
{
    struct known *v = ARENA_ARRAY(&o->mem, struct known, o->in.n_findings + 1);
    struct vuln_facts *out = ARENA_ARRAY(&o->mem, struct vuln_facts, o->in.n_findings + 1);
    size_t k = 0;
    for (size_t i = 0; i < o->in.n_findings; i++)
        v[i] = (struct known){&o->in.facts[i], finding_queued(&o->in.findings[i])};
    if (o->in.n_findings > 1)
        qsort(v, o->in.n_findings, sizeof *v, by_facts);
    for (size_t i = 0; i < o->in.n_findings; i++) {
        if (k == 0 || strcmp(out[k - 1].id, v[i].facts->id) != 0)
            out[k++] = *v[i].facts;
    }
    o->in.facts = out;
    o->in.n_facts = k;
}

/* --- in which order ------------------------------------------------------------------------------------------------
 */

static void stand(const struct outlook_ask *ask, struct queue_release *r, struct arena *a)
{
    for (size_t i = 0; i < ask->n_standings; i++) {
        const struct outlook_standing *s = &ask->standings[i];
        size_t n = strlen(s->line);
        if (strcmp(s->line, r->line) != 0 || !r->name[n] || strcmp(s->version, r->name + n + 1) != 0)
            continue;
        r->state = s->state; /* newest first */
        r->rollout = arena_strdup(a, s->rollout);
        return;
    }
}

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
    struct outlook *o = g->o;
    struct queue_release *v = ARENA_ARRAY(&o->mem, struct queue_release, g->n + 1);
    for (size_t i = 0; i < g->n; i++) {
        const struct judged *r = &g->v[i];
        const char *colon = strrchr(r->name, ':');
        bool sbom = r->is.sbom && !r->is.cut;
        v[i] = (struct queue_release){
            .name = r->name,
            .line = arena_strndup(&o->mem, r->name, colon ? (size_t)(colon - r->name) : strlen(r->name)),
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
        stand(g->ask, &v[i], &o->mem);
    }
    o->in.releases = v;
    o->in.n_releases = g->n;
}

/* How new each source is that decides something; of several of a kind the oldest. */
static bool date_sources(struct outlook *o, struct intel_store *store, struct err *e)
{
    static const struct {
        enum risk_source from;
        enum intel_kind kind;
    } of[] = {{FROM_KEV, INTEL_KEV}, {FROM_CVE_RECORD, INTEL_CVE5}, {FROM_EPSS, INTEL_EPSS}};
    const struct intel_source *v;
    if (!intel_sources(store, &o->mem, &v, &o->n_sources, e))
        return false;
    struct outlook_source *out = ARENA_ARRAY(&o->mem, struct outlook_source, o->n_sources + 1);
    for (size_t i = 0; i < o->n_sources; i++) {
        const struct intel_source *s = &v[i];
        int64_t at = s->newest > s->released ? s->newest : s->released;
        out[i] = (struct outlook_source){
            .name = s->name, .sha256 = s->sha256, .age = intel_age(s, o->in.now), .stale = intel_stale(s, o->in.now)};
        for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
            int64_t *to = &o->in.source_at[of[k].from];
            if (of[k].kind == s->kind && at > 0 && (*to == 0 || at < *to))
                *to = at;
        }
    }
    o->sources = out;
    return true;
}

bool intel_outlook(struct intel_store *store, const struct outlook_ask *ask, struct outlook *o, struct err *e)
{
    struct gathering g = {.ask = ask, .o = o, .store = store};
    o->of = arena_strdup(&o->mem, ask->of);
    o->in.now = ask->now;
    o->in.policy = arena_memdup(&o->mem, ask->policy, sizeof *ask->policy);
    o->in.cells = ask->cells;
    o->in.n_cells = ask->n_cells;
    o->in.accepts = ask->accepts;
    o->in.n_accepts = ask->n_accepts;
    if (!name_releases(&g, e) || !judge(&g, e) || !date_sources(o, store, e))
        return false;
    one_each(o);
    put_in_order(&g);
    queue_make(&o->in, &o->mem, &o->q);
    return true;
}
