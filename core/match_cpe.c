#include <string.h>

#include "core/match_inner.h"

/* Three-valued, so that AND is the least of its parts and OR the greatest. */
enum holds { HOLDS_NO = 0, HOLDS_UNKNOWN, HOLDS_DOUBTFUL, HOLDS_YES };

struct leaf {
    enum holds holds;
    enum finding_why why;
};

static struct leaf leaf(enum holds h, enum finding_why why)
{
    return (struct leaf){h, why};
}

static bool is(const struct cpe *c, enum cpe_field f, const char *value)
{
    return strcmp(c->field[f], value) == 0;
}

/* The range of versions that stands beside the criteria. */
static struct leaf in_range(const struct adv_cpe *c, const struct cpe *known, struct arena *a)
{
    struct slice v = slice_of(cpe_version(known, a)), start = slice_of(c->start), end = slice_of(c->end);
    struct leaf yes = leaf(c->doubtful ? HOLDS_DOUBTFUL : HOLDS_YES, WHY_CPE);
    int order = 0;
    if (start.n == 0 && end.n == 0)
        return c->unordered ? leaf(HOLDS_UNKNOWN, WHY_NO_ORDER) : yes;
    if (is(known, CPE_VERSION, "-"))
        return leaf(HOLDS_NO, WHY_NOT_APPLICABLE);
    if (v.n == 0)
        return leaf(HOLDS_UNKNOWN, WHY_NO_VERSION);
    if (c->unordered)
        return leaf(HOLDS_UNKNOWN, WHY_NO_ORDER);
    if (start.n > 0) {
        if (!version_compare(VERSION_GENERIC, v, start, &order))
            return leaf(HOLDS_UNKNOWN, WHY_NO_ORDER);
        if (order < 0 || (order == 0 && c->start_excluded))
            return leaf(HOLDS_NO, WHY_BEFORE_INTRODUCED);
    }
    if (end.n > 0) {
        if (!version_compare(VERSION_GENERIC, v, end, &order))
            return leaf(HOLDS_UNKNOWN, WHY_NO_ORDER);
        if (order > 0 || (order == 0 && !c->end_included))
            return leaf(HOLDS_NO, c->end_included ? WHY_ABOVE_LAST : WHY_AT_OR_ABOVE_FIX);
    }
    return yes;
}

/* One leaf against one product. WHY_NONE: a product of another name. */
static struct leaf compare(const struct adv_cpe *c, const struct cpe *criteria, const struct cpe *known,
                           struct arena *a)
{
    switch (cpe_match(criteria, known, a)) {
    case CPE_OTHER_PRODUCT:
        break;
    case CPE_OTHER_VERSION:
        return leaf(HOLDS_NO, WHY_OUTSIDE);
    case CPE_NOT_APPLICABLE: /* what it runs on is named so, whatever its version */
        return c->vulnerable ? leaf(HOLDS_NO, WHY_NOT_APPLICABLE) : leaf(HOLDS_YES, WHY_CPE);
    case CPE_UNCLEAR:
        return leaf(HOLDS_UNKNOWN, is(known, CPE_VERSION, "*") ? WHY_NO_VERSION : WHY_NO_EDITION);
    case CPE_FITS:
        return is(criteria, CPE_VERSION, "*") ? in_range(c, known, a)
                                              : leaf(c->doubtful ? HOLDS_DOUBTFUL : HOLDS_YES, WHY_CPE);
    }
    return leaf(HOLDS_NO, is(criteria, CPE_PRODUCT, known->field[CPE_PRODUCT]) ? WHY_OTHER_PRODUCT : WHY_NONE);
}

/* Of two reasons for no, the one that says more of a version. */
static struct leaf either(struct leaf a, struct leaf b)
{
    if (a.holds != b.holds)
        return a.holds > b.holds ? a : b;
    struct match_verdict v = match_either((struct match_verdict){FINDING_NOT_AFFECTED, a.why},
                                          (struct match_verdict){FINDING_NOT_AFFECTED, b.why});
    return leaf(a.holds, v.why);
}

/* A leaf against all items: the greatest. */
static struct leaf anywhere(const struct match *m, const struct adv_cpe *c, const struct cpe *criteria)
{
    struct leaf best = leaf(HOLDS_NO, WHY_NONE);
    size_t first, n = match_find(m->products, m->n_products, criteria->field[CPE_PRODUCT], NULL, &first);
    while (n-- > 0)
        best = either(best, compare(c, criteria, &m->items[m->products[first + n].item].cpe, m->scratch));
    if (best.why != WHY_NONE && best.why != WHY_OTHER_PRODUCT)
        return best;
    /* it is not here: that is known of parts when there is a list of them, and of hardware when it is named */
    bool known = is(criteria, CPE_PART, "h") ? *m->subject.cpe_hardware != '\0' : m->subject.sbom != NULL;
    return known ? leaf(HOLDS_NO, WHY_OTHER_HARDWARE) : leaf(HOLDS_UNKNOWN, WHY_NO_HARDWARE);
}

/* What a node or a configuration has found so far. */
struct tree {
    bool all, any;
    struct leaf is;
    bool named;  /* a vulnerable leaf names the item's product */
    bool beside; /* something else than the item had to be there, and is */
};

static void tree_add(struct tree *t, struct leaf l)
{
    if (!t->any)
        t->is = l;
    else if (t->all)
        t->is = l.holds < t->is.holds ? l : t->is;
    else
        t->is = either(t->is, l);
    t->any = true;
}

static struct leaf tree_end(const struct tree *t, bool negate)
{
    struct leaf l = t->any ? t->is : leaf(HOLDS_NO, WHY_OUTSIDE); /* of nothing follows nothing */
    if (negate && (l.holds == HOLDS_NO || l.holds == HOLDS_YES))
        l = l.holds == HOLDS_NO ? leaf(HOLDS_YES, WHY_CPE) : leaf(HOLDS_NO, WHY_OUTSIDE);
    return l;
}

/* A node as seen from an item: where a vulnerable leaf names the item's product, the others beside it are alternatives
 * to it and not looked for elsewhere. */
static struct leaf node_holds(const struct match *m, const struct adv_node *node, const struct cpe *known,
                              struct tree *up)
{
    struct tree from_item = {.all = node->all}, from_all = {.all = node->all};
    bool named = false;
    struct cpe criteria;
    for (size_t i = 0; i < node->n_cpes; i++) {
        const struct adv_cpe *c = &node->cpes[i];
        if (!cpe_parse(slice_of(c->criteria), m->scratch, &criteria))
            continue;
        struct leaf mine = c->vulnerable ? compare(c, &criteria, known, m->scratch) : leaf(HOLDS_NO, WHY_NONE);
        if (mine.why != WHY_NONE) {
            named = true;
            tree_add(&from_item, mine);
        } else if (node->all || !named) {
            struct leaf l = anywhere(m, c, &criteria);
            tree_add(&from_all, l);
            if (node->all)
                tree_add(&from_item, l);
        }
    }
    up->named |= named;
    struct leaf l = tree_end(named ? &from_item : &from_all, node->negate);
    if (!named && l.holds == HOLDS_YES)
        up->beside = true;
    return l;
}

static struct match_verdict verdict_of(struct leaf l, const struct advisory *adv, bool beside)
{
    switch (l.holds) {
    case HOLDS_YES:
        return (struct match_verdict){FINDING_AFFECTED, adv->source == ADV_CVE5 ? WHY_CNA
                                                        : beside                ? WHY_CPE_HARDWARE
                                                                                : WHY_CPE};
    case HOLDS_DOUBTFUL:
        return (struct match_verdict){FINDING_DOUBTFUL, WHY_CONVERTED};
    case HOLDS_UNKNOWN:
        return (struct match_verdict){FINDING_UNKNOWN, l.why};
    case HOLDS_NO:
        break;
    }
    return (struct match_verdict){l.why == WHY_AT_OR_ABOVE_FIX ? FINDING_FIXED : FINDING_NOT_AFFECTED, l.why};
}

struct match_verdict match_configs(const struct match *m, const struct advisory *adv, uint32_t item,
                                   const char *version)
{
    struct cpe known = m->items[item].cpe;
    struct match_verdict best = {FINDING_UNKNOWN, WHY_NONE};
    if (version) {
        known.field[CPE_VERSION] = version;
        known.field[CPE_UPDATE] = "*";
    }
    for (size_t i = 0; i < adv->n_configs; i++) {
        const struct adv_config *c = &adv->configs[i];
        struct tree tree = {.all = c->all};
        for (size_t k = 0; k < c->n_nodes; k++)
            tree_add(&tree, node_holds(m, &c->nodes[k], &known, &tree));
        if (tree.named)
            best = match_either(best, verdict_of(tree_end(&tree, c->negate), adv, tree.beside));
    }
    return best;
}

void match_cpe_touch(struct match *m, const struct advisory *adv, void (*touch)(struct match *m, uint32_t item))
{
    struct cpe criteria;
    for (size_t i = 0; i < adv->n_configs; i++)
        for (size_t k = 0; k < adv->configs[i].n_nodes; k++)
            for (size_t j = 0; j < adv->configs[i].nodes[k].n_cpes; j++) {
                const struct adv_cpe *c = &adv->configs[i].nodes[k].cpes[j];
                size_t first, n;
                if (!c->vulnerable || !cpe_parse(slice_of(c->criteria), m->scratch, &criteria))
                    continue;
                n = match_find(m->products, m->n_products, criteria.field[CPE_PRODUCT], NULL, &first);
                while (n-- > 0)
                    touch(m, m->products[first + n].item);
            }
}

size_t match_cpe_fixes(const struct match *m, const struct advisory *adv, uint32_t item, const char **out, size_t n,
                       size_t max)
{
    const struct cpe *known = &m->items[item].cpe;
    struct cpe criteria;
    for (size_t i = 0; i < adv->n_configs; i++)
        for (size_t k = 0; k < adv->configs[i].n_nodes; k++)
            for (size_t j = 0; j < adv->configs[i].nodes[k].n_cpes; j++) {
                const struct adv_cpe *c = &adv->configs[i].nodes[k].cpes[j];
                if (c->vulnerable && *c->end && !c->end_included &&
                    cpe_parse(slice_of(c->criteria), m->scratch, &criteria) &&
                    cpe_match(&criteria, known, m->scratch) != CPE_OTHER_PRODUCT)
                    n = match_fix_insert(VERSION_GENERIC, cpe_version(known, m->scratch), c->end, out, n, max);
            }
    return n;
}
