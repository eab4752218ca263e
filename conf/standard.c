#include "conf/standard.h"

#include <string.h>
#include "conf/yaml.h"
#include "core/embed.h"
#include "core/entry.h"
#include "core/text.h"
#include "core/verb.h"

EMBED(standard_cra, "docs/audit-tools/reports/cra.yaml");
EMBED(standard_etsi303645, "docs/audit-tools/reports/etsi303645.yaml");
EMBED(standard_iec62443, "docs/audit-tools/reports/iec62443.yaml");
EMBED(standard_nist80040, "docs/audit-tools/reports/nist80040.yaml");
EMBED(standard_part11, "docs/audit-tools/reports/part11.yaml");
EMBED(standard_pci, "docs/audit-tools/reports/pci.yaml");
EMBED(standard_r156, "docs/audit-tools/reports/r156.yaml");
EMBED(standard_soc2, "docs/audit-tools/reports/soc2.yaml");

static const struct shipped {
    const char *name, *from, *to;
} shipped[] = {
    {"cra", embed_standard_cra, embed_standard_cra_end},
    {"etsi303645", embed_standard_etsi303645, embed_standard_etsi303645_end},
    {"iec62443", embed_standard_iec62443, embed_standard_iec62443_end},
    {"nist80040", embed_standard_nist80040, embed_standard_nist80040_end},
    {"part11", embed_standard_part11, embed_standard_part11_end},
    {"pci", embed_standard_pci, embed_standard_pci_end},
    {"r156", embed_standard_r156, embed_standard_r156_end},
    {"soc2", embed_standard_soc2, embed_standard_soc2_end},
};

static const char *const actor_words[] = {"person", "script", "rule", NULL};
static const char *const scope_words[] = {"rollout", "log", NULL};
static const char *const take_words[] = {"last", "first", "all", "count", "none", NULL}; /* enum standard_take */
static const char *const same_words[] = {"corr", "wave", NULL};

static const struct yfield match_fields[] = {
    {.key = "kind", .type = YT_LIST, .item = YT_STR, .min = 1, .max = 20, .doc = "kinds of entries"},
    {.key = "verb", .type = YT_LIST, .item = YT_STR, .min = 1, .max = 20, .doc = "verbs"},
    {.key = "result", .type = YT_LIST, .item = YT_STR, .min = 1, .max = 20, .doc = "results"},
    {.key = "by",
     .type = YT_LIST,
     .item = YT_WORD,
     .words = actor_words,
     .min = 1,
     .max = 3,
     .doc = "who: person, script, rule"},
    {.key = "late", .type = YT_BOOL, .doc = "logged after the fact, or not"},
    {.key = "fields",
     .type = YT_DICT,
     .item = YT_STR,
     .min = 1,
     .max = 10,
     .doc = "fields and what they are like (* ?)"},
    {0}};

static const struct yfield item_fields[] = {
    {.key = "id", .type = YT_STR, .required = true, .doc = "a short name, once in the file"},
    {.key = "section", .type = YT_STR, .required = true, .doc = "of the standard"},
    {.key = "asks", .type = YT_STR, .required = true, .doc = "what is wanted, in words of your own"},
    {.key = "hint", .type = YT_STR, .doc = "how it comes into the log"},
    {.key = "in", .type = YT_WORD, .words = scope_words, .doc = "which entries are looked at (rollout)"},
    {.key = "find", .type = YT_MAP, .fields = match_fields, .required = true, .doc = "the entries that show it"},
    {.key = "take", .type = YT_WORD, .words = take_words, .doc = "which of them (last)"},
    {.key = "values", .type = YT_LIST, .item = YT_STR, .max = 12, .doc = "what of them is shown, and must be there"},
    {.key = "extra", .type = YT_LIST, .item = YT_STR, .max = 12, .doc = "what else is shown where it is there"},
    {.key = "min", .type = YT_INT, .min = 0, .max = 1000000, .doc = "at least so many (1)"},
    {.key = "applies", .type = YT_MAP, .fields = match_fields, .doc = "asked only where there is such an entry"},
    {.key = "before", .type = YT_MAP, .fields = match_fields, .doc = "one is needed before each of these"},
    {.key = "after", .type = YT_MAP, .fields = match_fields, .doc = "one is needed after each of these"},
    {.key = "same", .type = YT_LIST, .item = YT_WORD, .words = same_words, .max = 2, .doc = "and of the same"},
    {.key = "other_actor", .type = YT_BOOL, .doc = "and by somebody else (false)"},
    {.key = "within", .type = YT_DUR, .min = 1, .max = 400 * 86400.0, .doc = "and at most so long before or after"},
    {0}};

static const struct yfield standard_fields[] = {
    {.key = "standard", .type = YT_STR, .required = true, .doc = "its title"},
    {.key = "about", .type = YT_STR, .doc = "what a reader should know"},
    {.key = "items",
     .type = YT_LIST,
     .item = YT_MAP,
     .fields = item_fields,
     .required = true,
     .min = 1,
     .max = 200,
     .doc = "what is wanted"},
    {0}};

/* What goes into reports: a file of somebody's own may hold anything that YAML allows. */
static const char *shown(struct arena *a, const char *text)
{
    return safe_text(a, text, strlen(text), 2000);
}

/* NULL for a list that is not there. */
static const char *const *strings(const struct ynode *list, struct arena *a)
{
    size_t n = y_len(list);
    if (!list)
        return NULL;
    const char **v = ARENA_ARRAY(a, const char *, n + 1);
    for (size_t i = 0; i < n; i++)
        v[i] = shown(a, y_text(y_at(list, i)));
    return v;
}

static bool known_words(const struct ynode *map, struct err *e)
{
    const struct ynode *kinds = y_get(map, "kind"), *verbs = y_get(map, "verb");
    for (size_t i = 0; i < y_len(kinds); i++) {
        if (entry_kind_from_word(y_text(y_at(kinds, i))) == ENTRY_KIND_COUNT)
            return y_err(y_at(kinds, i), e, "there is no kind of entry '%s'", y_text(y_at(kinds, i)));
    }
    for (size_t i = 0; i < y_len(verbs); i++) {
        if (verb_from_word(y_text(y_at(verbs, i))) == VERB_NONE)
            return y_err(y_at(verbs, i), e, "there is no verb '%s'", y_text(y_at(verbs, i)));
    }
    return true;
}

static bool read_match(const struct ynode *map, struct arena *a, struct standard_match *out, struct err *e)
{
    const struct ynode *fields = y_get(map, "fields");
    *out = (struct standard_match){.kinds = strings(y_get(map, "kind"), a),
                                   .verbs = strings(y_get(map, "verb"), a),
                                   .results = strings(y_get(map, "result"), a),
                                   .actor_kinds = strings(y_get(map, "by"), a),
                                   .late = y_has(map, "late") ? y_bool(map, "late", false) : -1,
                                   .n_fields = y_len(fields)};
    out->fields = ARENA_ARRAY(a, struct standard_field, out->n_fields + 1);
    for (size_t i = 0; i < out->n_fields; i++) {
        out->fields[i].key = arena_strdup(a, y_key_at(fields, i));
        out->fields[i].pattern = arena_strdup(a, y_text(y_at(fields, i)));
    }
    if (!out->kinds && !out->verbs && !out->results && !out->actor_kinds && out->late < 0 && out->n_fields == 0)
        return y_err(map, e, "it says nothing of the entries: give a kind, a verb, a result, by, late or fields");
    return known_words(map, e);
}

/* NULL in *out where the key is not there. */
static bool read_optional(const struct ynode *item, const char *key, struct arena *a, const struct standard_match **out,
                          struct err *e)
{
    struct standard_match *m = ARENA_NEW(a, struct standard_match);
    *out = NULL;
    if (!y_has(item, key))
        return true;
    *out = m;
    return read_match(y_get(item, key), a, m, e);
}

static bool makes_sense(const struct ynode *n, const struct standard_item *it, struct err *e)
{
    bool related = it->before || it->after;
    if (it->before && it->after)
        return y_err(y_get(n, "after"), e, "before and after are two questions: make two items of them");
    if (related && it->take != TAKE_LAST)
        return y_err(y_get(n, "take"), e, "with before or after, the entry that is nearest is taken");
    if (!related && (it->same_corr || it->same_wave || it->other_actor || it->within_us))
        return y_err(n, e, "same, other_actor and within need a before or an after");
    if ((related || it->take == TAKE_NONE) && y_has(n, "min"))
        return y_err(y_get(n, "min"), e, "min does not go with before, after or take: none");
    return true;
}

static bool read_item(const struct ynode *n, struct arena *a, struct standard_item *out, struct err *e)
{
    const struct ynode *same = y_get(n, "same");
    *out = (struct standard_item){.id = shown(a, y_str(n, "id", "")),
                                  .section = shown(a, y_str(n, "section", "")),
                                  .asks = shown(a, y_str(n, "asks", "")),
                                  .hint = shown(a, y_str(n, "hint", "")),
                                  .whole_log = y_word(n, "in", 0) == 1,
                                  .take = (enum standard_take)y_word(n, "take", TAKE_LAST),
                                  .values = strings(y_get(n, "values"), a),
                                  .extra = strings(y_get(n, "extra"), a),
                                  .min = y_int(n, "min", 1),
                                  .other_actor = y_bool(n, "other_actor", false),
                                  .within_us = y_dur(n, "within", 0)};
    for (size_t i = 0; i < y_len(same); i++) {
        out->same_corr = out->same_corr || strcmp(y_text(y_at(same, i)), "corr") == 0;
        out->same_wave = out->same_wave || strcmp(y_text(y_at(same, i)), "wave") == 0;
    }
    return read_match(y_get(n, "find"), a, &out->find, e) && read_optional(n, "applies", a, &out->applies, e) &&
           read_optional(n, "before", a, &out->before, e) && read_optional(n, "after", a, &out->after, e) &&
           makes_sense(n, out, e);
}

static bool read_standard(const struct ynode *root, const char *name, struct arena *a, struct standard *out,
                          struct err *e)
{
    const struct ynode *items = y_get(root, "items");
    struct standard_item *v = ARENA_ARRAY(a, struct standard_item, y_len(items));
    *out = (struct standard){.name = shown(a, name),
                             .title = shown(a, y_str(root, "standard", "")),
                             .about = shown(a, y_str(root, "about", "")),
                             .items = v,
                             .n_items = y_len(items)};
    for (size_t i = 0; i < out->n_items; i++) {
        if (!read_item(y_at(items, i), a, &v[i], e))
            return false;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(v[i].id, v[j].id) == 0)
                return y_err(y_get(y_at(items, i), "id"), e, "'%s' is the id of the item in line %d too", v[i].id,
                             y_line(y_at(items, j)));
        }
    }
    return true;
}

bool standard_parse(const char *name, const char *text, size_t n, struct arena *a, struct standard *out, struct err *e)
{
    const struct ynode *root = yaml_parse(name, text, n, standard_fields, a, e);
    return root && read_standard(root, name, a, out, e);
}

bool standard_load(const char *path, struct arena *a, struct standard *out, struct err *e)
{
    const struct ynode *root = yaml_load(path, standard_fields, a, e);
    return root && read_standard(root, path, a, out, e);
}

const char *const *standard_names(void)
{
    static const char *const names[] = {"cra", "etsi303645", "iec62443", "nist80040", "part11",
                                        "pci", "r156",       "soc2",     NULL};
    return names;
}

bool standard_shipped(const char *name, struct arena *a, struct standard *out, struct err *e)
{
    for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++) {
        if (strcmp(shipped[i].name, name) == 0)
            return standard_parse(name, shipped[i].from, (size_t)(shipped[i].to - shipped[i].from), a, out, e);
    }
    return err_set(e, ERR_SYNTAX, "One of cra, etsi303645, iec62443, nist80040, part11, pci, r156, soc2.",
                   "there is no mapping \"%.40s\"", name);
}
