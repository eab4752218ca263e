#include "core/match.h"

#include <stdlib.h>
#include <string.h>

#include "core/groups.h"
#include "core/match_inner.h"

#define FIXES_MAX 16 /* smallest candidates for "fixed in" that are tried */

static int rank(struct match_verdict v)
{
    if (v.why == WHY_NONE)
        return 0;
    switch (v.status) {
    case FINDING_AFFECTED:
        return 7;
    case FINDING_DOUBTFUL:
        return v.why == WHY_CPE_GUESS ? 4 : 6;
    case FINDING_FIXED:
        return 5;
    case FINDING_UNKNOWN:
        return 3;
    case FINDING_NOT_AFFECTED:
    case FINDING_STATUSES:
        break;
    }
    /* these say that something else is meant; the others have looked at the version */
    if (v.why == WHY_OTHER_PRODUCT)
        return 1;
    return v.why == WHY_NOT_APPLICABLE || v.why == WHY_WITHDRAWN || v.why == WHY_REJECTED ? 2 : 4;
}

/* Of one item and one vulnerability, does b say more than a? A judgement of a version goes before what cannot be
 * judged, that before what only says that something else is meant. */
static bool match_stronger(struct match_verdict a, struct match_verdict b)
{
    return rank(b) > rank(a);
}

static bool above(enum finding_why w)
{
    return w == WHY_AT_OR_ABOVE_FIX || w == WHY_ABOVE_LAST || w == WHY_BETWEEN_RANGES;
}

static bool before(enum finding_why w)
{
    return w == WHY_BEFORE_INTRODUCED || w == WHY_BETWEEN_RANGES;
}

struct match_verdict match_either(struct match_verdict a, struct match_verdict b)
{
    if ((above(a.why) && before(b.why)) || (before(a.why) && above(b.why)))
        return (struct match_verdict){FINDING_NOT_AFFECTED, WHY_BETWEEN_RANGES};
    return match_stronger(a, b) ? b : a;
}

static void touch(struct match *m, uint32_t item)
{
    if (m->is_touched[item])
        return;
    m->is_touched[item] = true;
    m->verdict[item] = (struct match_verdict){FINDING_UNKNOWN, WHY_NONE};
    m->by_package[item] = false;
    m->touched[m->n_touched++] = item;
}

static void touch_all(struct match *m, const struct match_group *g)
{
    size_t first, n;
    for (size_t i = 0; i < g->n; i++) {
        const struct advisory *adv = g->advs[i];
        for (size_t k = 0; k < adv->n_affected; k++) {
            n = match_find(m->packages, m->n_packages, adv->affected[k].ecosystem, adv->affected[k].name, &first);
            while (n-- > 0)
                touch(m, m->packages[first + n].item);
        }
        match_cpe_touch(m, adv, touch);
    }
}

static bool names_package(const struct adv_affected *of, const struct match_item *it)
{
    return *it->ecosystem && strcmp(of->name, it->package) == 0 && strcmp(of->ecosystem, it->ecosystem) == 0;
}

/* What this advisory says of this item with that version (NULL: its own). */
static struct match_verdict says(const struct match *m, const struct advisory *adv, uint32_t item, const char *version,
                                 bool *package)
{
    const struct match_item *it = &m->items[item];
    struct match_verdict v = {FINDING_UNKNOWN, WHY_NONE};
    *package = false;
    for (size_t k = 0; *it->ecosystem && k < adv->n_affected; k++) {
        const struct adv_affected *of = &adv->affected[k];
        if (!names_package(of, it))
            continue;
        *package = true;
        v = match_either(v, match_package(of, version ? version : it->package_version));
    }
    return *package ? v : it->has_cpe && adv->n_configs > 0 ? match_configs(m, adv, item, version) : v;
}

/* What all advisories say of an item with that version; each one's word as far as it counts. */
static struct match_verdict say_all(const struct match *m, const struct match_group *g, uint32_t item,
                                    const char *version, bool *package)
{
    struct match_verdict best[2] = {{FINDING_UNKNOWN, WHY_NONE}, {FINDING_UNKNOWN, WHY_NONE}};
    bool any[2] = {false, false}, by;
    for (size_t i = 0; i < g->n; i++) {
        struct match_verdict v = says(m, g->advs[i], item, version, &by);
        if (v.why != WHY_NONE && !group_speaks(g->advs, g->n, g->advs[i]))
            v = (struct match_verdict){FINDING_NOT_AFFECTED,
                                       g->advs[i]->state == ADV_WITHDRAWN ? WHY_WITHDRAWN : WHY_REJECTED};
        if (v.why != WHY_NONE)
            any[by] |= group_speaks(g->advs, g->n, g->advs[i]);
        if (match_stronger(best[by], v))
            best[by] = v;
    }
    *package = any[true];
    /* its own ecosystem's records have judged it: its CPE says nothing more */
    if (any[true] || !any[false])
        return match_stronger(best[true], best[false]) && !any[true] ? best[false] : best[true];
    bool guess = m->items[item].ecosystem_at != SIZE_MAX && m->covered[m->items[item].ecosystem_at];
    if (guess && (best[false].status == FINDING_AFFECTED || best[false].status == FINDING_DOUBTFUL))
        return (struct match_verdict){FINDING_DOUBTFUL, WHY_CPE_GUESS};
    return best[false];
}

/* The statements about this item of the group, in m->stated: the first, and how many. */
static size_t stated_find(const struct match *m, const char *group, uint32_t item, size_t *first)
{
    const struct match_stated want = {group, item, 0};
    size_t lo = 0, hi = m->n_stated;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (match_stated_cmp(&m->stated[mid], &want) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *first = lo;
    while (hi < m->n_stated && strcmp(m->stated[hi].group, group) == 0 && m->stated[hi].item == item)
        hi++;
    return hi - lo;
}

/* The same of all items. */
static size_t stated_group(const struct match *m, const char *group, size_t *first)
{
    (void)stated_find(m, group, 0, first);
    size_t hi = *first;
    while (hi < m->n_stated && strcmp(m->stated[hi].group, group) == 0)
        hi++;
    return hi - *first;
}

/* The statement that holds for this item; MATCH_WHOLE as `best`: none. */
static uint32_t statement(const struct match *m, const char *group, uint32_t item, uint32_t best)
{
    size_t first, n = stated_find(m, group, item, &first);
    for (size_t i = first; i < first + n; i++) {
        uint32_t v = m->stated[i].vex;
        if (best == MATCH_WHOLE || vex_over(match_vex_at(m, best), &m->told[best], match_vex_at(m, v), &m->told[v]))
            best = v;
    }
    return best;
}

/* A statement over what the advisories say. */
static struct match_verdict stated(const struct vex *v, struct match_verdict is)
{
    static const struct match_verdict word[VEX_STATUSES] = {
        [VEX_AFFECTED] = {FINDING_AFFECTED, WHY_VEX_AFFECTED},
        [VEX_NOT_AFFECTED] = {FINDING_NOT_AFFECTED, WHY_VEX_NOT_AFFECTED},
        [VEX_FIXED] = {FINDING_FIXED, WHY_VEX_FIXED},
        [VEX_INVESTIGATING] = {FINDING_UNKNOWN, WHY_VEX_INVESTIGATING},
    };
    struct match_verdict says = word[v->status];
    if (v->status == VEX_AFFECTED && is.status == FINDING_AFFECTED && is.why != WHY_NONE)
        return is;
    /* being looked at takes nothing back */
    if (v->status == VEX_INVESTIGATING && is.why != WHY_NONE && is.status != FINDING_NOT_AFFECTED)
        return is;
    return says;
}

static bool is_stated(enum finding_why w)
{
    return w == WHY_VEX_AFFECTED || w == WHY_VEX_NOT_AFFECTED || w == WHY_VEX_FIXED || w == WHY_VEX_INVESTIGATING;
}

static const char *joined(struct match *m, const char *list, const char *word)
{
    return *list ? arena_printf(m->a, "%s %s", list, word) : word;
}

static const char *source_word(const struct advisory *adv)
{
    return adv->source == ADV_NVD ? "NVD" : adv->source == ADV_CVE5 ? "CVE5" : adv->id;
}

/* Who says so: the advisories that say of this item what the finding says, else those that say anything. */
static const char *whose(struct match *m, const struct match_group *g, uint32_t item, struct match_verdict is)
{
    const char *same = "", *other = "";
    bool by;
    for (size_t i = 0; i < g->n; i++) {
        struct match_verdict v = says(m, g->advs[i], item, NULL, &by);
        if (v.why == WHY_NONE || by != m->by_package[item])
            continue;
        bool agrees = v.status == is.status || (is.status == FINDING_DOUBTFUL && v.status == FINDING_AFFECTED);
        if (agrees && group_speaks(g->advs, g->n, g->advs[i]))
            same = joined(m, same, source_word(g->advs[i]));
        else
            other = joined(m, other, source_word(g->advs[i]));
    }
    return *same ? same : other;
}

/* Smallest version above the item's that is called fixed, and that none of the advisories calls affected. */
static const char *fix_of(const struct match *m, const struct match_group *g, uint32_t item)
{
    const struct match_item *it = &m->items[item];
    const char *tried[FIXES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct advisory *adv = g->advs[i];
        if (!group_speaks(g->advs, g->n, adv))
            continue;
        for (size_t k = 0; m->by_package[item] && k < adv->n_affected; k++)
            if (names_package(&adv->affected[k], it))
                n = match_fixes(&adv->affected[k], it->package_version, tried, n, FIXES_MAX);
        if (!m->by_package[item] && it->has_cpe)
            n = match_cpe_fixes(m, adv, item, tried, n, FIXES_MAX);
    }
    for (size_t k = 0; k < n; k++) {
        bool by;
        struct match_verdict v = say_all(m, g, item, tried[k], &by);
        if (v.status == FINDING_FIXED || v.status == FINDING_NOT_AFFECTED)
            return tried[k];
    }
    return "";
}

static bool any_disputed(const struct match_group *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->advs[i]->disputed && group_speaks(g->advs, g->n, g->advs[i]))
            return true;
    return false;
}

static void fill(struct match *m, const struct match_group *g, uint32_t item, struct match_verdict v,
                 struct finding *out)
{
    *out = (struct finding){.release = m->subject.release,
                            .id = g->id,
                            .status = v.status,
                            .why = v.why,
                            .by = "",
                            .component = "",
                            .version = "",
                            .fixed_in = ""};
    out->disputed = any_disputed(g);
    out->suspended = group_life(g->advs, g->n) == GROUP_DOUBTFUL;
    if (item != MATCH_WHOLE) {
        const struct match_item *it = &m->items[item];
        out->version = it->version;
        out->component = *it->version ? arena_printf(m->a, "%s %s", it->part->name, it->version) : it->part->name;
        out->by = whose(m, g, item, v);
        if (v.status == FINDING_AFFECTED || v.status == FINDING_DOUBTFUL)
            out->fixed_in = fix_of(m, g, item);
    }
    if (out->status != FINDING_AFFECTED || is_stated(v.why))
        return;
    if (out->suspended || out->disputed) {
        out->status = FINDING_DOUBTFUL;
        out->why = out->suspended ? WHY_REJECTED_ELSEWHERE : WHY_DISPUTED;
    }
}

bool match_judge(struct match *m, const struct match_group *g, struct finding *out)
{
    bool any = false;
    size_t first, n;
    uint32_t whole = statement(m, g->id, MATCH_WHOLE, MATCH_WHOLE);
    struct arena scratch;
    arena_init(&scratch);
    m->scratch = &scratch;
    m->n_touched = 0;
    touch_all(m, g);
    for (n = stated_group(m, g->id, &first); n-- > 0; first++)
        if (m->stated[first].item != MATCH_WHOLE)
            touch(m, m->stated[first].item);
    if (whole != MATCH_WHOLE && m->n_touched == 0) {
        fill(m, g, MATCH_WHOLE, stated(match_vex_at(m, whole), (struct match_verdict){FINDING_UNKNOWN, WHY_NONE}), out);
        out->by = match_vex_at(m, whole)->document;
        any = m->decided[whole] = true;
    }
    for (size_t i = 0; i < m->n_touched; i++) {
        uint32_t item = m->touched[i], said = statement(m, g->id, item, whole);
        m->is_touched[item] = false;
        struct match_verdict v = say_all(m, g, item, NULL, &m->by_package[item]);
        if (said != MATCH_WHOLE)
            v = stated(match_vex_at(m, said), v);
        if (v.why == WHY_NONE)
            continue;
        struct finding f;
        fill(m, g, item, v, &f);
        if (said != MATCH_WHOLE) {
            m->decided[said] = true;
            if (is_stated(v.why))
                f.by = match_vex_at(m, said)->document;
        }
        if (!any || finding_cmp(&f, out) > 0)
            *out = f;
        any = true;
    }
    arena_release(&scratch);
    m->scratch = NULL;
    return any;
}

bool match_concerns(struct match *m, const struct advisory *adv)
{
    const struct match_group g = {adv->id, &adv, 1};
    struct arena scratch;
    bool concerns = false, by;
    arena_init(&scratch);
    m->scratch = &scratch;
    m->n_touched = 0;
    touch_all(m, &g);
    for (size_t i = 0; i < m->n_touched; i++) {
        struct match_verdict v = says(m, adv, m->touched[i], NULL, &by);
        m->is_touched[m->touched[i]] = false;
        concerns |= v.why != WHY_NONE && v.status != FINDING_FIXED && v.status != FINDING_NOT_AFFECTED;
    }
    arena_release(&scratch);
    m->scratch = NULL;
    return concerns;
}

/* Does it name anything that could be compared, and what does it lack? */
static enum finding_why lacks(const struct match_group *g)
{
    enum finding_why why = WHY_NO_PRODUCT_DATA;
    for (size_t i = 0; i < g->n; i++) {
        const struct advisory *adv = g->advs[i];
        if (!group_speaks(g->advs, g->n, adv))
            continue;
        if (adv->n_configs > 0)
            return WHY_NONE;
        for (size_t k = 0; k < adv->n_affected; k++) {
            if (*adv->affected[k].ecosystem)
                return WHY_NONE;
            why = adv->affected[k].n_ranges > 0 ? WHY_COMMITS_ONLY : WHY_NO_PACKAGE;
        }
    }
    return why;
}

void match_absent(const struct match *m, const struct match_group *g, struct finding *out)
{
    *out = (struct finding){
        .release = m->subject.release, .id = g->id, .by = "", .component = "", .version = "", .fixed_in = ""};
    enum group_life life = group_life(g->advs, g->n);
    bool over = life == GROUP_REJECTED || life == GROUP_WITHDRAWN;
    out->why = over ? life == GROUP_REJECTED ? WHY_REJECTED : WHY_WITHDRAWN : !m->subject.sbom ? WHY_NO_SBOM : lacks(g);
    if (out->why == WHY_NONE)
        out->why = WHY_NOT_PRESENT;
    if (over || out->why == WHY_NOT_PRESENT)
        out->status = FINDING_NOT_AFFECTED;
}
