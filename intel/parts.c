#include "intel/parts.h"

#include <stdlib.h>
#include <string.h>
#include "intel/field.h"

static bool take(void *ctx, const char *bytes, size_t n)
{
    struct parts *p = ctx;
    struct json_t *doc = json_parse_deep(bytes, n, FIELD_ELEMENT_MAX, FIELD_DEPTH, "SBOM", &p->err);
    bool ok = doc && p->format->take(p, p->elements.which, doc, &p->err);
    json_free(doc);
    return ok;
}

void parts_begin(struct parts *p, const struct parts_format *format, struct arena *a)
{
    *p = (struct parts){.format = format, .a = a, .self_ref = ""};
    p->sbom.release = p->sbom.format = p->sbom.sha256 = "";
    p->sbom.self = (struct sbom_part){"", "", "", "", ""};
    elements_init(&p->elements, format->keys[0], FIELD_ELEMENT_MAX, take, p);
    p->elements.optional = true;
    for (size_t i = 1; i < ELEMENT_KEYS && format->keys[i]; i++)
        elements_also(&p->elements, format->keys[i]);
}

void parts_release(struct parts *p)
{
    elements_release(&p->elements);
    free(p->part);
    free(p->said);
}

bool parts_feed(struct parts *p, const char *bytes, size_t n)
{
    return elements_feed(&p->elements, bytes, n);
}

static int by_ref(const void *a, const void *b)
{
    const struct sbom_part *x = *(const struct sbom_part *const *)a, *y = *(const struct sbom_part *const *)b;
    return strcmp(x->ref, y->ref);
}

static const char *named(const struct sbom_part *part)
{
    return *part->purl ? part->purl : *part->cpe ? part->cpe : part->name;
}

/* Is a statement that is only about some versions about this one? */
static bool about(const struct parts_said *s, const char *version)
{
    for (size_t i = 0; i < s->n_versions; i++)
        if (strcmp(s->versions[i], version) == 0)
            return true;
    return !s->versions;
}

/* References become products and components; a statement about a part that is not here names no product. */
static void resolve(struct parts *p, struct sbom *out)
{
    const struct sbom_part **sorted = xcalloc(p->n_part + 1, sizeof(void *));
    struct vex *vex = ARENA_ARRAY(p->a, struct vex, p->n_said);
    for (size_t i = 0; i < p->n_part; i++)
        sorted[i] = &out->parts[i];
    qsort(sorted, p->n_part, sizeof(void *), by_ref);
    for (size_t i = 0; i < p->n_said; i++) {
        const struct parts_said *s = &p->said[i];
        struct vex v = s->vex;
        const struct sbom_part key = {.ref = s->ref}, *at = &key;
        const struct sbom_part *const *hit = bsearch(&at, sorted, p->n_part, sizeof(void *), by_ref);
        bool self = strcmp(s->ref, out->self.ref) == 0;
        v.product = self || hit ? named(&out->self) : "";
        v.component = self ? "" : hit ? named(*hit) : s->ref;
        if (about(s, self ? out->self.version : hit ? (*hit)->version : ""))
            vex[out->n_vex++] = v;
    }
    out->vex = vex;
    free(sorted);
}

bool parts_end(struct parts *p, struct sbom *out, struct err *e)
{
    if (p->err.code != ERR_NONE) {
        *e = p->err;
        return false;
    }
    struct json_t *around = NULL;
    if (!elements_end(&p->elements, "SBOM", e) ||
        !(around = field_doc(p->elements.around.data, p->elements.around.len, "SBOM", e)))
        return false;
    bool ok = p->format->end(p, around, e);
    json_free(around);
    if (!ok)
        return false;
    *out = p->sbom;
    struct sbom_part *v = ARENA_ARRAY(p->a, struct sbom_part, p->n_part);
    for (size_t i = 0; i < p->n_part; i++) {
        v[out->n_parts] = p->part[i];
        if (*p->self_ref && strcmp(p->part[i].ref, p->self_ref) == 0)
            out->self = p->part[i];
        else
            out->n_parts++;
    }
    out->parts = v;
    p->n_part = out->n_parts;
    resolve(p, out);
    return true;
}

/* Room for one more of an array that doubles; false: there are as many as may be. */
static bool room(void **v, size_t n, size_t *cap, size_t size, struct err *e)
{
    if (n >= PARTS_MAX)
        return err_set(e, ERR_LIMIT, "", "SBOM: more than the %zu parts or statements allowed", PARTS_MAX);
    if (n == *cap) {
        *cap = *cap ? *cap * 2 : 64;
        *v = xreallocarray(*v, *cap, size);
    }
    return true;
}

bool parts_add(struct parts *p, const struct sbom_part *part, struct err *e)
{
    void *v = p->part;
    bool ok = room(&v, p->n_part, &p->cap_part, sizeof *part, e);
    p->part = v;
    if (ok)
        p->part[p->n_part++] = *part;
    return ok;
}

bool parts_say(struct parts *p, const struct parts_said *said, struct err *e)
{
    void *v = p->said;
    bool ok = room(&v, p->n_said, &p->cap_said, sizeof *said, e);
    p->said = v;
    if (ok)
        p->said[p->n_said++] = *said;
    return ok;
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

static const char *decoded(struct arena *a, struct slice s)
{
    char *out = arena_strndup(a, s.p, s.n);
    size_t k = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '%' && i + 2 < s.n && nibble(s.p[i + 1]) >= 0 && nibble(s.p[i + 2]) >= 0) {
            out[k++] = (char)(nibble(s.p[i + 1]) * 16 + nibble(s.p[i + 2]));
            i += 2;
        } else {
            out[k++] = s.p[i];
        }
    return field_bytes(a, (struct slice){out, k}, FIELD_NAME);
}

bool parts_release_of(const char *file, struct arena *a, const char **release)
{
    static const char *const tails[] = {".cdx.json",         ".spdx.json",  ".grype.json",
                                        ".osv-scanner.json", ".trivy.json", ".json"};
    struct slice s = slice_of(file);
    size_t tail = 0;
    for (size_t i = 0; i < sizeof tails / sizeof tails[0] && !tail; i++)
        if (s.n > strlen(tails[i]) && strcmp(file + s.n - strlen(tails[i]), tails[i]) == 0)
            tail = strlen(tails[i]);
    const char *bar = tail ? memrchr(s.p, '_', s.n - tail) : NULL;
    if (!bar || bar == s.p || (size_t)(bar - s.p) + 1 == s.n - tail)
        return false;
    *release = arena_printf(a, "%s:%s", decoded(a, (struct slice){s.p, (size_t)(bar - s.p)}),
                            decoded(a, (struct slice){bar + 1, s.n - tail - (size_t)(bar - s.p) - 1}));
    return true;
}
