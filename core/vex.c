#include "core/vex.h"

#include <string.h>

#include "core/slice.h"

const char *vex_fit_text(enum vex_fit f)
{
    static const char *const texts[VEX_FIT_COUNT] = {
        "no release here is its product",           "it is about another version of its product",
        "names no version, and so decides nothing", "its product is here, but no part of it is what it names",
        "a draft, and so decides nothing",          "fits",
    };
    return (unsigned)f < VEX_FIT_COUNT ? texts[f] : "";
}

static const char *const status_words[VEX_STATUSES] = {"affected", "not-affected", "fixed", "under-investigation"};

const char *vex_status_word(enum vex_status s)
{
    return (unsigned)s < VEX_STATUSES ? status_words[s] : "";
}

enum vex_status vex_status_from(const char *word)
{
    for (int i = 0; i < VEX_STATUSES; i++)
        if (strcmp(word, status_words[i]) == 0)
            return (enum vex_status)i;
    return VEX_STATUSES;
}

static struct vex_name name_of(const char *purl, const char *cpe, struct arena *a)
{
    struct vex_name n = {0};
    n.has_purl = *purl && purl_parse(slice_of(purl), a, &n.purl);
    n.has_cpe = *cpe && cpe_parse(slice_of(cpe), a, &n.cpe);
    return n;
}

void vex_subject_init(struct vex_subject *s, const char *release, const struct sbom *sbom, const char *cpe_firmware,
                      struct arena *a)
{
    *s = (struct vex_subject){.release = release, .sbom = sbom};
    s->firmware[0] = name_of(sbom ? sbom->self.purl : "", sbom ? sbom->self.cpe : "", a);
    s->firmware[1] = name_of("", cpe_firmware, a);
    s->n_parts = sbom ? sbom->n_parts : 0;
    s->parts = ARENA_ARRAY(a, struct vex_name, s->n_parts);
    for (size_t i = 0; i < s->n_parts; i++)
        s->parts[i] = name_of(sbom->parts[i].purl, sbom->parts[i].cpe, a);
}

/* Qualifiers that name another thing when both say them. */
static bool qualifiers_agree(const struct purl *a, const struct purl *b)
{
    static const char *const keys[] = {"arch", "distro", "epoch"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *x = purl_qualifier(a, keys[i]), *y = purl_qualifier(b, keys[i]);
        if (x && y && strcmp(x, y) != 0)
            return false;
    }
    return true;
}

static enum vex_fit purl_fit(const struct purl *said, const struct purl *is, const char *version)
{
    if (strcmp(said->type, is->type) != 0 || strcmp(said->space, is->space) != 0 || strcmp(said->name, is->name) != 0 ||
        !qualifiers_agree(said, is))
        return VEX_OTHER_PRODUCT;
    if (!*said->version)
        return VEX_NO_VERSION;
    return strcmp(said->version, *is->version ? is->version : version) == 0 ? VEX_FITS : VEX_OTHER_VERSION;
}

/* By vendor and product, and the version with its update. */
static enum vex_fit product_cpe(const struct cpe *said, const struct cpe *is)
{
    for (int f = CPE_PART; f <= CPE_PRODUCT; f++)
        if (strcmp(said->field[f], is->field[f]) != 0)
            return VEX_OTHER_PRODUCT;
    const char *v = said->field[CPE_VERSION], *u = said->field[CPE_UPDATE];
    if (strcmp(v, "*") == 0 || strcmp(v, "-") == 0)
        return VEX_NO_VERSION;
    return strcmp(v, is->field[CPE_VERSION]) == 0 && (strcmp(u, "*") == 0 || strcmp(u, is->field[CPE_UPDATE]) == 0)
               ? VEX_FITS
               : VEX_OTHER_VERSION;
}

/* "NAME", "NAME:VERSION", "NAME@VERSION", "NAME VERSION"; or the file's own reference, which is of one version. */
static enum vex_fit plain_fit(const char *said, const char *ref, const char *name, const char *version)
{
    size_t n = strlen(name);
    if (*ref && strcmp(said, ref) == 0)
        return VEX_FITS;
    if (n == 0 || strncmp(said, name, n) != 0)
        return VEX_OTHER_PRODUCT;
    if (said[n] == '\0')
        return VEX_NO_VERSION;
    if (!byte_in(said[n], ":@ "))
        return VEX_OTHER_PRODUCT;
    return strcmp(said + n + 1, version) == 0 ? VEX_FITS : VEX_OTHER_VERSION;
}

static enum vex_fit better(enum vex_fit a, enum vex_fit b)
{
    return a > b ? a : b;
}

/* How `said` (read as `n`) names what is called `is`, `ref`, `name` and `version`. */
static enum vex_fit names(const char *said, const struct vex_name *n, const struct vex_name *is,
                          const struct sbom_part *part)
{
    enum vex_fit f = VEX_OTHER_PRODUCT;
    if (*part->ref && strcmp(said, part->ref) == 0)
        return VEX_FITS;
    if (n->has_purl && is->has_purl)
        f = purl_fit(&n->purl, &is->purl, part->version);
    else if (n->has_purl) /* the part has no purl: by name and version, whatever its type */
        f = strcmp(n->purl.name, part->name) != 0         ? VEX_OTHER_PRODUCT
            : !*n->purl.version                           ? VEX_NO_VERSION
            : strcmp(n->purl.version, part->version) == 0 ? VEX_FITS
                                                          : VEX_OTHER_VERSION;
    if (n->has_cpe && is->has_cpe)
        f = better(f, product_cpe(&n->cpe, &is->cpe));
    if (!n->has_purl && !n->has_cpe)
        f = better(f, plain_fit(said, part->ref, part->name, part->version));
    return f;
}

/* Is it the release itself? */
static enum vex_fit product_fit(const struct vex_subject *s, const char *said, const struct vex_name *n)
{
    struct sbom_part self = {.ref = s->release, .name = "", .version = "", .purl = "", .cpe = ""};
    const char *colon = strrchr(s->release, ':');
    char name[256];
    enum vex_fit f;
    if (s->sbom) {
        f = names(said, n, &s->firmware[0], &s->sbom->self);
        if (f == VEX_FITS)
            return f;
    } else {
        f = VEX_OTHER_PRODUCT;
    }
    if (colon && (size_t)(colon - s->release) < sizeof name) {
        memcpy(name, s->release, (size_t)(colon - s->release));
        name[colon - s->release] = '\0';
        self.name = name;
        self.version = colon + 1;
    }
    return better(f, names(said, n, &s->firmware[1], &self));
}

static void find_parts(const struct vex_subject *s, const char *said, const struct vex_name *n, struct arena *a,
                       struct vex_told *out, bool versions)
{
    uint32_t *parts = NULL;
    size_t cap = 0;
    out->n_parts = 0;
    for (uint32_t i = 0; i < s->n_parts; i++) {
        enum vex_fit f = names(said, n, &s->parts[i], &s->sbom->parts[i]);
        if (f != VEX_FITS && (f != VEX_NO_VERSION || versions))
            continue;
        if (out->n_parts == cap) {
            uint32_t *more = ARENA_ARRAY(a, uint32_t, cap = cap ? 2 * cap : 4);
            if (parts)
                memcpy(more, parts, out->n_parts * sizeof *parts);
            parts = more;
        }
        parts[out->n_parts++] = i;
        out->exact = f == VEX_FITS;
    }
    out->parts = parts;
}

void vex_tell(const struct vex_subject *s, const struct vex *v, bool own, struct arena *a, struct vex_told *out)
{
    *out = (struct vex_told){.fit = VEX_OTHER_PRODUCT};
    struct vex_name product = name_of(v->product, v->product, a), component = name_of(v->component, v->component, a);
    if (*v->product)
        out->fit = own ? VEX_FITS : product_fit(s, v->product, &product);
    if (out->fit == VEX_FITS) {
        out->whole = !*v->component;
        if (!out->whole)
            find_parts(s, v->component, &component, a, out, false);
        if (!out->whole && out->n_parts == 0)
            out->fit = VEX_OTHER_COMPONENT;
    } else if (!*v->component && *v->product) { /* its product is a part: of that version, in any release */
        find_parts(s, v->product, &product, a, out, true);
        if (out->n_parts > 0)
            out->fit = VEX_FITS;
    }
    if (out->fit == VEX_FITS && v->draft)
        out->fit = VEX_DRAFT;
}

static int scope(const struct vex_told *t)
{
    return t->whole ? 0 : t->exact ? 2 : 1;
}

bool vex_over(const struct vex *a, const struct vex_told *told_a, const struct vex *b, const struct vex_told *told_b)
{
    static const int worse[VEX_STATUSES] = {
        [VEX_AFFECTED] = 3, [VEX_INVESTIGATING] = 2, [VEX_FIXED] = 1, [VEX_NOT_AFFECTED] = 0};
    if (scope(told_a) != scope(told_b))
        return scope(told_b) > scope(told_a);
    return a->at != b->at ? b->at > a->at : worse[b->status] > worse[a->status];
}
