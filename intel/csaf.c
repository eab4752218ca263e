/* CSAF 2.0 and 2.1: status hangs on ids of the product tree, mostly on those of relationships (a component of a
 * product). */
#include <stdlib.h>
#include <string.h>
#include "intel/field.h"
#include "intel/statements.h"

#define BRANCHES_DEEP 40     /* branches within branches; the specification has 30 */
#define PRODUCTS_MAX  200000 /* of one document */
#define CHAIN_MAX     6      /* relationships over relationships */

/* One id of the tree: a product, or a component of one. */
struct product {
    const char *id;
    const char *named;        /* purl, CPE, or "" */
    const char *part, *whole; /* ids; of a relationship, else NULL */
};

struct tree {
    struct arena *a;
    struct product *v;
    size_t n, cap;
};

static void add(struct tree *t, const struct product *p)
{
    if (!*p->id || t->n >= PRODUCTS_MAX)
        return;
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->v = xreallocarray(t->v, t->cap, sizeof *t->v);
    }
    t->v[t->n++] = *p;
}

/* The helper's purl or CPE; else what the branches above say, when they say an exact version. */
static void add_product(struct tree *t, const struct json_t *p, const char *name, const char *version)
{
    const struct json_t *helper = json_get(p, "product_identification_helper"), *purls;
    struct product out = {.id = field_text(t->a, p, "product_id", FIELD_NAME)};
    const char *purl = field_text(t->a, helper, "purl", FIELD_NAME);
    if (!*purl && field_list(helper, "purls", &purls)) /* 2.1 */
        purl = field_value(t->a, json_at(purls, 0), FIELD_NAME);
    out.named = *purl ? purl : field_text(t->a, helper, "cpe", FIELD_NAME);
    if (!*out.named && *name && *version)
        out.named = arena_printf(t->a, "pkg:generic/%s@%s", name, version);
    add(t, &out);
}

/* Walked with a stack of its own: how deep it is, is the file's choice. */
static void read_branches(struct tree *t, const struct json_t *top)
{
    struct {
        const struct json_t *list;
        size_t n, i;
        const char *name, *version;
    } stack[BRANCHES_DEEP];
    int depth = 1;
    stack[0].n = field_list(top, "branches", &stack[0].list);
    stack[0].i = 0;
    stack[0].name = stack[0].version = "";
    while (depth) {
        if (stack[depth - 1].i == stack[depth - 1].n) {
            depth--;
            continue;
        }
        const struct json_t *b = json_at(stack[depth - 1].list, stack[depth - 1].i++), *inner;
        const char *name = stack[depth - 1].name, *version = stack[depth - 1].version;
        if (field_is(b, "category", "product_name"))
            name = field_text(t->a, b, "name", 200);
        if (field_is(b, "category", "product_version"))
            version = field_text(t->a, b, "name", FIELD_VERSION);
        if (json_is_obj(json_get(b, "product")))
            add_product(t, json_get(b, "product"), name, version);
        size_t n = field_list(b, "branches", &inner);
        if (!n || depth == BRANCHES_DEEP)
            continue;
        stack[depth].list = inner;
        stack[depth].n = n;
        stack[depth].i = 0;
        stack[depth].name = name;
        stack[depth++].version = version;
    }
}

static int by_id(const void *x, const void *y)
{
    return strcmp(((const struct product *)x)->id, ((const struct product *)y)->id);
}

static void read_tree(struct tree *t, const struct json_t *doc)
{
    const struct json_t *tree = json_get(doc, "product_tree"), *list;
    read_branches(t, tree);
    size_t n = field_list(tree, "full_product_names", &list);
    for (size_t i = 0; i < n; i++)
        add_product(t, json_at(list, i), "", "");
    n = field_list(tree, "relationships", &list);
    for (size_t i = 0; i < n; i++) {
        const struct json_t *r = json_at(list, i);
        struct product p = {.id = field_text(t->a, json_get(r, "full_product_name"), "product_id", FIELD_NAME),
                            .named = "",
                            .part = field_text(t->a, r, "product_reference", FIELD_NAME),
                            .whole = field_text(t->a, r, "relates_to_product_reference", FIELD_NAME)};
        add(t, &p);
    }
    if (t->n)
        qsort(t->v, t->n, sizeof *t->v, by_id);
}

static const struct product *find(const struct tree *t, const char *id)
{
    struct product key = {.id = id};
    return t->n ? bsearch(&key, t->v, t->n, sizeof *t->v, by_id) : NULL;
}

/* What an id is about: of a relationship the innermost component and the outermost product. */
static void resolve(const struct tree *t, const char *id, struct vex *v)
{
    const struct product *p = find(t, id), *part = p;
    bool within = p && p->whole;
    for (int i = 0; p && p->whole; i++)
        p = i < CHAIN_MAX ? find(t, p->whole) : NULL;
    for (int i = 0; part && part->part; i++)
        part = i < CHAIN_MAX ? find(t, part->part) : NULL;
    v->product = p ? p->named : "";
    v->component = within && part ? part->named : "";
    /* A component that has no name would make it about the whole product. */
    if (within && !*v->component)
        v->product = "";
}

static const struct {
    const char *key;
    enum vex_status status;
} states[] = {
    {"known_affected", VEX_AFFECTED},
    {"first_affected", VEX_AFFECTED},
    {"last_affected", VEX_AFFECTED},
    {"known_not_affected", VEX_NOT_AFFECTED},
    {"fixed", VEX_FIXED},
    {"first_fixed", VEX_FIXED},
    {"under_investigation", VEX_INVESTIGATING},
};

/* A product's id with a word about it, sorted by the id. */
struct word_of {
    const char *id, *word;
};
struct words_of {
    struct word_of *v;
    size_t n, cap;
};

static int by_word_id(const void *x, const void *y)
{
    return strcmp(((const struct word_of *)x)->id, ((const struct word_of *)y)->id);
}

static void add_words(struct words_of *w, struct arena *a, const struct json_t *ids, size_t n, const char *word)
{
    for (size_t i = 0; i < n && w->n < PRODUCTS_MAX; i++) {
        if (w->n == w->cap) {
            w->cap = w->cap ? w->cap * 2 : 64;
            w->v = xreallocarray(w->v, w->cap, sizeof *w->v);
        }
        w->v[w->n++] = (struct word_of){field_value(a, json_at(ids, i), FIELD_NAME), word};
    }
}

/* The flags of a vulnerability by product, those of groups among them: each group once. */
static void read_flags(struct words_of *w, struct arena *a, const struct json_t *doc, const struct json_t *v)
{
    const struct json_t *flags, *groups, *ids;
    struct words_of by_group = {0};
    size_t n = field_list(v, "flags", &flags), m = field_list(json_get(doc, "product_tree"), "product_groups", &groups);
    for (size_t i = 0; i < n; i++) {
        const char *label = field_text(a, json_at(flags, i), "label", 80);
        size_t k = field_list(json_at(flags, i), "product_ids", &ids);
        add_words(w, a, ids, k, label);
        k = field_list(json_at(flags, i), "group_ids", &ids);
        add_words(&by_group, a, ids, k, label);
    }
    if (by_group.n)
        qsort(by_group.v, by_group.n, sizeof *by_group.v, by_word_id);
    for (size_t i = 0; i < m && by_group.n; i++) {
        struct word_of key = {.id = field_text(a, json_at(groups, i), "group_id", FIELD_NAME)};
        const struct word_of *hit = bsearch(&key, by_group.v, by_group.n, sizeof key, by_word_id);
        size_t k = hit ? field_list(json_at(groups, i), "product_ids", &ids) : 0;
        if (hit)
            add_words(w, a, ids, k, hit->word);
    }
    if (w->n)
        qsort(w->v, w->n, sizeof *w->v, by_word_id);
    free(by_group.v);
}

static const char *flag_of(const struct words_of *w, const char *id)
{
    struct word_of key = {.id = id};
    const struct word_of *hit = w->n ? bsearch(&key, w->v, w->n, sizeof key, by_word_id) : NULL;
    return hit ? hit->word : "";
}

static void one_vulnerability(struct statements *s, const struct tree *t, const struct json_t *doc,
                              const struct json_t *v, struct vex base)
{
    const struct json_t *list, *ids;
    struct words_of flags = {0};
    base.id = field_id(s->a, v, "cve");
    if (!*base.id && field_list(v, "ids", &ids))
        base.id = field_id(s->a, json_at(ids, 0), "text");
    if (!*base.id)
        return;
    read_flags(&flags, s->a, doc, v);
    for (size_t k = 0; k < sizeof states / sizeof states[0]; k++) {
        size_t n = field_list(json_get(v, "product_status"), states[k].key, &list);
        base.status = states[k].status;
        for (size_t i = 0; i < n && !s->over; i++) {
            const char *id = field_value(s->a, json_at(list, i), FIELD_NAME);
            resolve(t, id, &base);
            base.why = base.status == VEX_NOT_AFFECTED ? flag_of(&flags, id) : "";
            statements_add(s, &base);
        }
    }
    free(flags.v);
}

void csaf_statements(const struct json_t *doc, struct statements *s)
{
    const struct json_t *head = json_get(doc, "document"), *tracking = json_get(head, "tracking"), *list;
    struct tree t = {.a = s->a};
    struct vex base = {.document = field_text(s->a, tracking, "id", 200),
                       .at = field_time(tracking, "current_release_date"),
                       .draft = !field_is(tracking, "status", "final")};
    if (field_is(head, "category", "csaf_withdrawn") || field_is(head, "category", "csaf_superseded"))
        return;
    read_tree(&t, doc);
    size_t n = field_list(doc, "vulnerabilities", &list);
    for (size_t i = 0; i < n; i++)
        one_vulnerability(s, &t, doc, json_at(list, i), base);
    free(t.v);
}
