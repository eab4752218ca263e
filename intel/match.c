#include "intel/match.h"

#include <stdlib.h>
#include <string.h>

#include "core/cvss.h"
#include "core/groups.h"

struct intel_matcher {
    struct intel_store *store;
    struct arena a;
    const struct vex *vex;
    size_t n_vex;
    struct intel_said *said;
};

struct intel_matcher *intel_matcher_new(struct intel_store *s, const struct vex *said, size_t n_said, struct err *e)
{
    struct intel_matcher *m = xcalloc(1, sizeof *m);
    const struct vex *documents = NULL;
    size_t n = 0;
    m->store = s;
    arena_init(&m->a);
    if (!intel_vex(s, &m->a, &documents, &n, e)) {
        intel_matcher_free(m);
        return NULL;
    }
    struct vex *all = ARENA_ARRAY(&m->a, struct vex, n + n_said);
    if (n > 0)
        memcpy(all, documents, n * sizeof *all);
    if (n_said > 0)
        memcpy(all + n, said, n_said * sizeof *all);
    m->vex = all;
    m->n_vex = n + n_said;
    m->said = ARENA_ARRAY(&m->a, struct intel_said, m->n_vex);
    for (size_t i = 0; i < m->n_vex; i++)
        m->said[i].vex = &all[i];
    return m;
}

void intel_matcher_free(struct intel_matcher *m)
{
    if (!m)
        return;
    arena_release(&m->a);
    free(m);
}

bool intel_said_at(const struct intel_matcher *m, size_t i, struct intel_said *out)
{
    if (i >= m->n_vex)
        return false;
    *out = m->said[i];
    return true;
}

/* ---- what to look at ---- */

/* By the keys of the parts. */
static bool gather_parts(struct intel_store *s, struct match *m, struct intel_found *found, struct err *e)
{
    size_t n;
    const struct match_key *keys = match_keys(m, &n);
    const char *const *ecosystems;
    for (size_t i = 0; i < n; i++)
        if (!(keys[i].product ? intel_by_product : intel_by_package)(s, keys[i].space, keys[i].name, found, e))
            return false;
    n = match_ecosystems(m, &ecosystems);
    for (size_t i = 0; i < n; i++) {
        bool has;
        if (!intel_has_ecosystem(s, ecosystems[i], &has, e))
            return false;
        if (has)
            match_covered(m, i);
    }
    return true;
}

/* What belongs to those that may concern a part, and to what is stated or asked: most advisories of a package are about
 * other versions of it, and of these nothing more is needed. */
static bool gather_groups(struct intel_store *s, struct match *m, const char *const *asked, size_t n_asked,
                          const struct intel_found *parts, struct intel_found *found, struct err *e)
{
    size_t n;
    const char *const *ids = match_stated(m, &n);
    for (size_t i = 0; i < n; i++)
        if (!intel_by_id(s, ids[i], found, e))
            return false;
    for (size_t i = 0; i < n_asked; i++)
        if (!intel_by_id(s, asked[i], found, e))
            return false;
    for (size_t i = 0; i < parts->n; i++)
        if (match_concerns(m, parts->v[i]) && !intel_by_id(s, parts->v[i]->id, found, e))
            return false;
    return intel_by_group(s, found, e);
}

/* An advisory that speaks about a group. */
struct about {
    const char *group;
    const struct advisory *adv; /* NULL: the group is asked for */
};

static int cmp_about(const void *pa, const void *pb)
{
    const struct about *x = pa, *y = pb;
    int c = id_cmp(x->group, y->group);
    if (c != 0 || x->adv == y->adv)
        return c;
    if (!x->adv || !y->adv)
        return x->adv ? -1 : 1;
    c = strcmp(x->adv->id, y->adv->id);
    return c != 0 ? c : (int)x->adv->source - (int)y->adv->source;
}

#define ABOUT_MAX 4096 /* vulnerabilities that one advisory may speak about */

struct abouts {
    struct about *v;
    size_t n, cap;
};

static void push(struct abouts *all, const char *group, const struct advisory *adv)
{
    if (all->n == all->cap) {
        all->cap = all->cap ? 2 * all->cap : 256;
        all->v = xreallocarray(all->v, all->cap, sizeof *all->v);
    }
    all->v[all->n++] = (struct about){group, adv};
}

static struct groups *group(const struct intel_found *parts, const struct intel_found *found, const struct match *m,
                            const char *const *asked, size_t n_asked, struct abouts *out)
{
    struct groups *g = groups_new();
    const char **names = xreallocarray(NULL, ABOUT_MAX, sizeof *names);
    const struct intel_found *const both[] = {parts, found};
    for (size_t f = 0; f < 2; f++)
        for (size_t i = 0; i < both[f]->n; i++)
            groups_add(g, both[f]->v[i]->id, both[f]->v[i]->refs, both[f]->v[i]->n_refs);
    groups_close(g);
    for (size_t f = 0; f < 2; f++)
        for (size_t i = 0; i < both[f]->n; i++) {
            size_t n = groups_about(g, both[f]->v[i]->id, names, ABOUT_MAX);
            for (size_t k = 0; k < n && k < ABOUT_MAX; k++)
                push(out, names[k], both[f]->v[i]);
        }
    for (size_t i = 0; i < n_asked; i++)
        push(out, groups_name(g, asked[i]), NULL);
    size_t n;
    const char *const *ids = match_stated(m, &n);
    for (size_t i = 0; i < n; i++)
        push(out, groups_name(g, ids[i]), NULL);
    if (out->n > 0)
        qsort(out->v, out->n, sizeof *out->v, cmp_about);
    free(names);
    return g;
}

/* ---- what is known of a vulnerability ---- */

/* The newest version of CVSS counts, then what its source calls primary; a score without a vector only alone. */
static void take_score(const struct adv_score *s, struct vuln_facts *f, int *best)
{
    struct cvss c;
    bool vector = *s->vector && cvss_score(slice_of(s->vector), &c);
    int preference = vector ? (int)c.version * 2 + s->primary : s->stated ? 0 : -1;
    if (preference <= *best)
        return;
    *best = preference;
    f->vector = vector ? s->vector : "";
    /* version 4 has one score, of all that its vector says; of the others the base is what people compare */
    f->tenths = !vector ? s->tenths : c.version == CVSS_4_0 ? c.environmental : c.base;
    f->scored_by = s->by;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static void take_facts(const struct advisory *v, struct vuln_facts *f, int *best)
{
    f->published = earlier(f->published, v->published);
    f->learned = earlier(f->learned, v->learned);
    f->disputed |= v->disputed;
    if (!*f->summary)
        f->summary = v->summary;
    if (v->exploitation > f->exploitation)
        f->exploitation = v->exploitation;
    if (v->automatable > f->automatable)
        f->automatable = v->automatable;
    if (v->total_impact > f->total_impact)
        f->total_impact = v->total_impact;
    if (v->kev) {
        f->kev = true;
        f->kev_added = earlier(f->kev_added, v->kev_added);
    }
    for (size_t i = 0; i < v->n_scores; i++)
        take_score(&v->scores[i], f, best);
    for (size_t i = 0; i < v->n_affected; i++)
        if (*v->affected[i].vector)
            take_score(&(struct adv_score){.vector = v->affected[i].vector, .by = "OSV"}, f, best);
}

static bool take_lists(struct intel_store *s, const char *cve, struct vuln_facts *f, struct err *e)
{
    struct adv_listed l;
    bool has;
    if (!id_is_cve(cve))
        return true;
    if (!intel_listed(s, cve, &l, &has, e))
        return false;
    if (!has)
        return true;
    if (l.kev_added != 0) {
        f->kev |= l.kev_until == 0;
        f->kev_added = earlier(f->kev_added, l.kev_added);
        f->kev_until = l.kev_until;
        f->ransomware |= l.ransomware;
    }
    if (l.scored && (!f->scored || l.epss > f->epss)) {
        f->scored = true;
        f->epss = l.epss;
        f->percentile = l.percentile;
    }
    return true;
}

static bool facts_of(struct intel_store *s, const struct match_group *g, const char *const *members, size_t n,
                     struct vuln_facts *f, struct err *e)
{
    int best = -1;
    *f = (struct vuln_facts){.id = g->id, .summary = "", .vector = "", .tenths = -1, .scored_by = ""};
    for (size_t i = 0; i < g->n; i++)
        if (group_speaks(g->advs, g->n, g->advs[i]))
            take_facts(g->advs[i], f, &best);
    if (f->published == 0) /* of a group that is over */
        for (size_t i = 0; i < g->n; i++)
            f->published = earlier(f->published, g->advs[i]->published);
    if (n == 0)
        return take_lists(s, g->id, f, e);
    for (size_t i = 0; i < n; i++)
        if (!take_lists(s, members[i], f, e))
            return false;
    return true;
}

/* ---- one release ---- */

static const char *name_of(void *ctx, const char *id)
{
    return groups_name(ctx, id);
}

struct answer_list {
    struct finding *v;
    struct vuln_facts *facts;
    const char *const **members;
    size_t *n_members;
    size_t n;
};

/* The group's ids without its name, for the arena. */
static size_t members_of(const struct groups *names, const char *id, struct arena *a, const char *const **out)
{
    size_t n, kept = 0;
    const char *const *all = groups_members(names, id, &n);
    const char **v = ARENA_ARRAY(a, const char *, n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(all[i], id) != 0)
            v[kept++] = arena_strdup(a, all[i]);
    *out = v;
    return kept;
}

static bool judge_all(struct intel_matcher *im, struct match *m, const struct abouts *all, const struct groups *names,
                      struct arena *a, struct answer_list *out, struct err *e)
{
    const struct advisory **advs = xreallocarray(NULL, all->n, sizeof(void *));
    bool ok = true;
    out->v = ARENA_ARRAY(a, struct finding, all->n);
    out->facts = ARENA_ARRAY(a, struct vuln_facts, all->n);
    out->members = ARENA_ARRAY(a, const char *const *, all->n);
    out->n_members = ARENA_ARRAY(a, size_t, all->n);
    for (size_t i = 0, k; i < all->n && ok; i = k) {
        struct match_group g = {all->v[i].group, advs, 0};
        bool asked = false;
        for (k = i; k < all->n && strcmp(all->v[k].group, g.id) == 0; k++) {
            asked |= !all->v[k].adv;
            const struct advisory *v = all->v[k].adv, *last = g.n > 0 ? advs[g.n - 1] : NULL;
            if (v && !(last && v->source == last->source && strcmp(v->id, last->id) == 0)) /* found by two ways */
                advs[g.n++] = v;
        }
        struct finding *f = &out->v[out->n];
        if (!match_judge(m, &g, f)) {
            if (!asked)
                continue;
            match_absent(m, &g, f);
        }
        size_t n;
        const char *const *ids = groups_members(names, g.id, &n);
        ok = facts_of(im->store, &g, ids, n, &out->facts[out->n], e);
        f->id = out->facts[out->n].id = arena_strdup(a, g.id);
        out->n_members[out->n] = members_of(names, g.id, a, &out->members[out->n]);
        out->n++;
    }
    free(advs);
    return ok;
}

bool intel_match(struct intel_matcher *im, const char *release, const char *cpe_firmware, const char *cpe_hardware,
                 const char *const *asked, size_t n_asked, struct arena *a, struct intel_answers *out, struct err *e)
{
    struct match_subject subject = {release, NULL, cpe_firmware, cpe_hardware};
    struct intel_found parts, found;
    struct abouts all = {0};
    struct groups *names = NULL;
    *out = (struct intel_answers){0};
    if (!intel_look_begin(im->store, e))
        return false;
    if (!intel_sbom(im->store, release, a, &subject.sbom, e)) {
        intel_look_end(im->store);
        return false;
    }
    struct match *m = match_new(&subject, im->vex, im->n_vex, a);
    intel_found_init(&parts, a);
    intel_found_init(&found, a);
    bool ok = gather_parts(im->store, m, &parts, e) && gather_groups(im->store, m, asked, n_asked, &parts, &found, e);
    if (ok) {
        struct answer_list list = {0};
        names = group(&parts, &found, m, asked, n_asked, &all);
        match_name(m, name_of, names);
        ok = judge_all(im, m, &all, names, a, &list, e);
        *out = (struct intel_answers){.sbom = subject.sbom,
                                      .v = list.v,
                                      .facts = list.facts,
                                      .members = list.members,
                                      .n_members = list.n_members,
                                      .n = list.n,
                                      .cut = parts.cut || found.cut};
        match_gaps(m, &out->gaps);
    }
    for (size_t i = 0; i < im->n_vex && ok; i++) {
        bool decided;
        enum vex_fit fit = match_vex(m, i, &decided);
        im->said[i].decided |= decided;
        if (fit > im->said[i].fit)
            im->said[i].fit = fit;
    }
    groups_free(names);
    free(all.v);
    intel_found_release(&parts);
    intel_found_release(&found);
    intel_look_end(im->store);
    return ok;
}
