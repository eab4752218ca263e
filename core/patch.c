#include "core/patch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"

/* ---- what a release has ---- */

struct making {
    const struct outlook *o;
    const struct stay *v;
    size_t n;
    struct arena *a;
    struct patch_figures *out;
    const char **ids; /* of vulnerabilities that a release has, sorted, each once */
    size_t n_ids;
    struct stay_fact {
        int release; /* index among the outlook's, -1 */
        enum device_class cls;
        int64_t device; /* a number */
    } * facts;
    unsigned char *has; /* release x id: 0 = no, 1 = yes, 2 = cannot be told */
    struct spell *spells[CLASSES];
    size_t n_spells[CLASSES];
};

static int release_at(const struct outlook *o, const char *name)
{
    for (size_t i = 0; i < o->in.n_releases; i++)
        if (strcmp(o->in.releases[i].name, name) == 0)
            return (int)i;
    return -1;
}

bool patch_affected(const struct outlook *o, const char *release)
{
    for (size_t i = 0; i < o->in.n_findings; i++)
        if (strcmp(o->in.findings[i].release, release) == 0 && finding_queued(&o->in.findings[i]))
            return true;
    return false;
}

/* The class of all devices that have it now; they differ or are not known: CLASS_UNKNOWN, which counts as the worse. */
static enum device_class class_of(const struct outlook *o, const char *release)
{
    enum device_class c = CLASS_UNKNOWN;
    bool any = false;
    const char *colon = strrchr(release, ':');
    size_t line = colon ? (size_t)(colon - release) : strlen(release);
    for (size_t i = 0; i < o->in.n_cells; i++) {
        const struct fleet_cell *k = &o->in.cells[i];
        /* nobody may have it any more: then those of its line tell */
        if (k->devices <= 0 || strncmp(k->release, release, line) != 0 || (k->release[line] && k->release[line] != ':'))
            continue;
        if (any && k->cls != c)
            return CLASS_UNKNOWN;
        c = k->cls;
        any = true;
    }
    return c;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int at_id(const struct making *m, const char *id)
{
    const char **p = m->n_ids ? bsearch(&id, m->ids, m->n_ids, sizeof *m->ids, by_text) : NULL;
    return p ? (int)(p - m->ids) : -1;
}

static void gather_ids(struct making *m)
{
    const struct queue_input *in = &m->o->in;
    size_t k = 0;
    m->ids = ARENA_ARRAY(m->a, const char *, in->n_findings + 1);
    for (size_t i = 0; i < in->n_findings; i++)
        if (finding_queued(&in->findings[i]))
            m->ids[m->n_ids++] = in->findings[i].id;
    if (m->n_ids > 1)
        qsort(m->ids, m->n_ids, sizeof *m->ids, by_text);
    for (size_t i = 0; i < m->n_ids; i++)
        if (k == 0 || strcmp(m->ids[k - 1], m->ids[i]) != 0)
            m->ids[k++] = m->ids[i];
    m->n_ids = k;
    m->has = arena_alloc(m->a, in->n_releases * m->n_ids + 1);
    for (size_t r = 0; r < in->n_releases; r++)
        memset(m->has + r * m->n_ids, in->releases[r].judged ? 0 : 2, m->n_ids);
    for (size_t i = 0; i < in->n_findings; i++) {
        const struct finding *f = &in->findings[i];
        int id = at_id(m, f->id), r = id < 0 ? -1 : release_at(m->o, f->release);
        if (r >= 0)
            m->has[(size_t)r * m->n_ids + (size_t)id] = finding_queued(f) ? 1 : f->status == FINDING_UNKNOWN ? 2 : 0;
    }
}

static bool same_device(const struct stay *a, const struct stay *b)
{
    return strcmp(a->device, b->device) == 0 && strcmp(a->fleet, b->fleet) == 0;
}

/* What each stay's release is, once; releases come in runs. */
static void gather_stays(struct making *m)
{
    m->facts = ARENA_ARRAY(m->a, struct stay_fact, m->n + 1);
    enum device_class *cls = ARENA_ARRAY(m->a, enum device_class, m->o->in.n_releases + 1);
    for (size_t i = 0; i < m->o->in.n_releases; i++)
        cls[i] = class_of(m->o, m->o->in.releases[i].name);
    for (size_t i = 0; i < m->n; i++) {
        const struct stay *s = &m->v[i];
        struct stay_fact *f = &m->facts[i];
        bool again = i > 0 && strcmp(m->v[i - 1].release, s->release) == 0;
        f->release = again ? f[-1].release : release_at(m->o, s->release);
        f->cls = f->release >= 0 ? cls[f->release] : CLASS_UNKNOWN;
        f->device = i == 0 ? 0 : f[-1].device + !same_device(&m->v[i - 1], s);
        m->out->devices = (size_t)f->device + 1;
        if (m->out->since == 0 || s->first < m->out->since)
            m->out->since = s->first;
        if (s->last > m->out->until)
            m->out->until = s->last;
    }
}

/* 0 = no, 1 = yes, 2 = cannot be told. */
static int has(const struct making *m, int release, size_t id)
{
    return release < 0 ? 2 : m->has[(size_t)release * m->n_ids + id];
}

/* ---- pairs ---- */

/* One device's stays from..to and one vulnerability. False: it never had it. */
static bool pair_of(const struct making *m, size_t from, size_t to, size_t id, const struct vuln_facts *f,
                    struct patch_pair *p, bool *unknown)
{
    bool any = false;
    int64_t closed = 0; /* the pair was closed then */
    *unknown = false;
    for (size_t i = from; i < to; i++) {
        const struct stay *s = &m->v[i];
        if (has(m, m->facts[i].release, id) != 1)
            continue;
        int64_t began = s->installed ? s->installed : s->first;
        if (!any)
            *p = (struct patch_pair){
                .device = (uint32_t)m->facts[i].device,
                .vuln = (uint32_t)id,
                .cls = m->facts[i].cls,
                .moment = {[CLOCK_PUBLISHED] = f->published,
                           [CLOCK_LEARNED] = f->learned,
                           [CLOCK_FIX] = f->fix,
                           [CLOCK_EXPLOITED] =
                               f->kev_added && (!f->sighted || f->kev_added < f->sighted) ? f->kev_added : f->sighted},
                .installed = s->installed,
                .seen = s->first};
        else if (closed && began > closed)
            p->away_us += began - closed;
        any = true;
        closed = 0;
        *unknown = false;
        if (!s->ended) {
            p->how = PAIR_OPEN;
            p->end = s->last;
        } else if (!*s->next) {
            p->how = PAIR_GONE;
            p->end = s->ended;
        } else {
            int next = has(m, release_at(m->o, s->next), id);
            p->how = next == 0 ? PAIR_PATCHED : PAIR_OPEN;
            p->end = s->ended;
            *unknown = next == 2;
            closed = next == 0 ? s->ended : 0;
        }
    }
    return any;
}

static void count(struct making *m, struct patch_vuln *v, const struct patch_pair *p, bool unknown)
{
    struct patch_class *c = &m->out->of[p->cls];
    struct spell s;
    v->pairs++;
    v->patched += p->how == PAIR_PATCHED;
    v->open += p->how == PAIR_OPEN;
    v->gone += p->how == PAIR_GONE;
    if (p->how == PAIR_PATCHED && p->end > v->last)
        v->last = p->end;
    if (!pair_spell(p, m->out->clock, &s)) {
        c->left_out++;
        return;
    }
    c->pairs++;
    c->patched += p->how == PAIR_PATCHED;
    c->open += p->how == PAIR_OPEN;
    c->gone += p->how == PAIR_GONE;
    c->unknown += unknown;
    if (p->how == PAIR_OPEN && s.end > c->oldest)
        c->oldest = s.end;
    if (risk_exploited(v->facts))
        c->exploited_us += (double)(s.end - s.entry);
    m->spells[p->cls][m->n_spells[p->cls]++] = s;
}

/* The pairs of every vulnerability; twice: to know how much room there is to be, and then. */
static void walk(struct making *m, bool counting, size_t room[CLASSES])
{
    struct patch_figures *out = m->out;
    for (size_t id = 0; id < m->n_ids; id++) {
        static const struct vuln_facts nothing = {.summary = "", .vector = "", .scored_by = "", .tenths = -1};
        const struct vuln_facts *f = outlook_facts(m->o, m->ids[id]);
        struct patch_vuln v = {.facts = f ? f : &nothing};
        for (size_t from = 0, to; from < m->n; from = to) {
            struct patch_pair p;
            bool unknown;
            for (to = from + 1; to < m->n && m->facts[to].device == m->facts[from].device; to++)
                continue;
            if (!pair_of(m, from, to, id, v.facts, &p, &unknown))
                continue;
            if (counting)
                room[p.cls]++;
            else
                count(m, &v, &p, unknown);
        }
        if (!counting && v.pairs > 0 && f)
            out->vulns[out->n_vulns++] = v;
    }
}

/* ---- figures ---- */

/* Pairs that were first seen late enter late, and where few were at risk before many were, a single event there would
 * drive the curve to nothing. It begins behind the last such moment: what is shown is of pairs that were still exposed
 * then. 0: from the beginning. */
static int64_t begin_of(const struct survival *k)
{
    size_t most = 0;
    for (size_t i = 0; i < k->n; i++)
        if (k->steps[i].at_risk > k->steps[most].at_risk)
            most = i;
    for (size_t i = most; i > 0; i--)
        if (k->steps[i - 1].at_risk < SURVIVAL_FEW)
            return k->steps[most].at_risk < SURVIVAL_FEW ? 0 : k->steps[i - 1].t;
    return 0;
}

static void curve_of(struct spell *v, size_t n, struct arena *a, struct patch_class *c)
{
    survival_make(v, n, a, &c->curve);
    c->begins = begin_of(&c->curve);
    c->exposed_us = c->curve.exposed_us;
    if (c->begins == 0)
        return;
    struct spell *late = ARENA_ARRAY(a, struct spell, n + 1);
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        if (v[i].end <= c->begins)
            continue;
        late[m] = v[i];
        late[m].entry = v[i].entry > c->begins ? v[i].entry : c->begins;
        m++;
    }
    survival_make(late, m, a, &c->curve);
}

static void figure(struct making *m, int k)
{
    struct patch_class *c = &m->out->of[k];
    const struct risk_policy *p = m->o->in.policy;
    curve_of(m->spells[k], m->n_spells[k], m->a, c);
    c->target = p->target_us[k == CLASS_UNKNOWN ? CLASS_CONFIDENTIAL : k];
    c->under = k == CLASS_SAFETY;
    c->within = c->low = c->high = c->patched_only = NAN;
    c->median = TIME_NEVER;
    if (c->curve.pairs == 0)
        return;
    double low, high;
    bool known = c->curve.last >= c->target; /* behind the last that was seen nothing is known */
    if (known)
        c->within = survival_within(&c->curve, c->target, c->under);
    if (known && survival_interval(&c->curve, c->target, c->under, &low, &high)) {
        c->low = 1 - high;
        c->high = 1 - low;
    }
    c->median = survival_median(&c->curve, &c->few);
    c->tau = survival_tau(&c->curve, m->out->horizon);
    c->mean = (int64_t)survival_mean(&c->curve, c->tau);
    struct survival all;
    survival_make(m->spells[k], m->n_spells[k], m->a, &all);
    c->patched_only = survival_patched_only(&all);
    c->over = survival_over(m->spells[k], m->n_spells[k], c->target, c->under);
}

static int by_open(const void *a, const void *b)
{
    const struct patch_vuln *x = a, *y = b;
    int o = (x->open < y->open) - (x->open > y->open);
    return o ? o : strcmp(x->facts->id, y->facts->id);
}

/* From publication to the first exploitation that anybody has told of. */
static void exploit_times(struct patch_figures *out)
{
    double sum = 0;
    for (size_t i = 0; i < out->n_vulns; i++) {
        const struct vuln_facts *f = out->vulns[i].facts;
        int64_t at = f->kev_added;
        if (f->sighted && (!at || f->sighted < at))
            at = f->sighted;
        if (!at || !f->published)
            continue;
        sum += at > f->published ? (double)(at - f->published) : 0;
        out->n_exploited++;
    }
    out->first_exploit_us = out->n_exploited ? sum / (double)out->n_exploited : NAN;
}

void patch_figures(const struct outlook *o, const struct stay *v, size_t n, enum risk_clock clock, int64_t horizon,
                   struct arena *a, struct patch_figures *out)
{
    struct making m = {.o = o, .v = v, .n = n, .a = a, .out = out};
    size_t room[CLASSES] = {0};
    *out = (struct patch_figures){.clock = clock, .horizon = horizon};
    gather_ids(&m);
    gather_stays(&m);
    walk(&m, true, room);
    for (int k = 0; k < CLASSES; k++)
        m.spells[k] = ARENA_ARRAY(a, struct spell, room[k] + 1);
    out->vulns = ARENA_ARRAY(a, struct patch_vuln, m.n_ids + 1);
    walk(&m, false, room);
    for (int k = 0; k < CLASSES; k++)
        figure(&m, k);
    if (out->n_vulns > 1)
        qsort(out->vulns, out->n_vulns, sizeof *out->vulns, by_open);
    exploit_times(out);
}
