/* Between the files of core/match. */
#ifndef ANDON_CORE_MATCH_INNER_H
#define ANDON_CORE_MATCH_INNER_H

#include "core/cpe.h"
#include "core/match.h"

#define MATCH_WHOLE UINT32_MAX

/* What a record may name: a part, the firmware itself, what it runs on. */
struct match_item {
    const struct sbom_part *part;
    const char *version;             /* to show; "" = not known */
    const char *ecosystem, *package; /* "" = its purl is of none that is known */
    const char *package_version;     /* of the source package, where records are about those */
    bool no_release;                 /* of a distribution whose release is not said */
    size_t ecosystem_at;
    struct cpe cpe; /* with the part's version when it has none of its own */
    bool has_cpe;
};

/* What one source says of one item. WHY_NONE: nothing. */
struct match_verdict {
    enum finding_status status;
    enum finding_why why;
};
/* Two judgements by ranges of one source: above one and before the next is between them. */
struct match_verdict match_either(struct match_verdict a, struct match_verdict b);

struct match_slot { /* an item in a sorted list */
    const char *a, *b;
    uint32_t item;
};
struct match {
    struct match_subject subject;
    struct arena *a;
    struct match_item *items;
    size_t n_items, n_parts;                /* the parts first */
    struct match_slot *packages, *products; /* by ecosystem and package; by product and vendor */
    size_t n_packages, n_products;
    struct match_key *keys;
    size_t n_keys;
    const char **ecosystems;
    bool *covered;
    size_t n_ecosystems;
    /* statements: all, and those that fit, by group */
    const struct vex *vex;
    size_t n_vex;
    struct vex_told *told; /* by statement */
    bool *decided;
    struct match_stated { /* by group, then by item */
        const char *group;
        uint32_t item; /* MATCH_WHOLE: the release */
        uint32_t vex;
    } * stated;
    size_t n_stated;
    const char **stated_ids;
    size_t n_stated_ids;
    /* while one vulnerability is judged */
    struct arena *scratch;
    struct match_verdict *verdict; /* by item */
    bool *by_package;              /* the verdict is by its ecosystem's records */
    uint32_t *touched;
    bool *is_touched;
    size_t n_touched;
};

/* The items of this key in a sorted list, `b` NULL: of any; the first, and how many. */
size_t match_find(const struct match_slot *list, size_t n, const char *a, const char *b, size_t *first);

/* match_items.c: the i-th statement, and the order of m->stated. */
const struct vex *match_vex_at(const struct match *m, size_t i);
int match_stated_cmp(const void *a, const void *b);

/* match_package.c: one package of an advisory against a version of it. */
struct match_verdict match_package(const struct adv_affected *of, const char *version);
/* Versions above this one that the ranges call fixed are put among the n in out, ascending, of which the `max` smallest
 * are kept; how many there are now. */
size_t match_fixes(const struct adv_affected *of, const char *version, const char **out, size_t n, size_t max);
size_t match_fix_insert(enum version_scheme scheme, const char *version, const char *fix, const char **out, size_t n,
                        size_t max);

/* match_cpe.c: marks items that a vulnerable leaf names, be it by another vendor's name. */
void match_cpe_touch(struct match *m, const struct advisory *adv, void (*touch)(struct match *m, uint32_t item));
/* An advisory's configurations, of which any may hold, as seen from one item with that version (NULL: its
 * own). WHY_NONE: no vulnerable leaf names its product. */
struct match_verdict match_configs(const struct match *m, const struct advisory *adv, uint32_t item,
                                   const char *version);
/* As match_fixes, of the leaves that name the item. */
size_t match_cpe_fixes(const struct match *m, const struct advisory *adv, uint32_t item, const char **out, size_t n,
                       size_t max);

#endif
