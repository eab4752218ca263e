#include "intel/statements.h"

#include <stdlib.h>
#include "intel/field.h"
#include "intel/parts.h"

void statements_add(struct statements *s, const struct vex *v)
{
    if (s->n >= STATEMENTS_MAX) {
        s->over = true;
        return;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->v = xreallocarray(s->v, s->cap, sizeof *s->v);
    }
    s->v[s->n++] = *v;
}

static bool cyclonedx(const char *bytes, size_t n, struct statements *s, struct err *e)
{
    struct parts p;
    struct sbom v;
    parts_begin(&p, &parts_cyclonedx, s->a);
    parts_feed(&p, bytes, n); /* what stopped it, its end tells */
    bool ok = parts_end(&p, &v, e);
    parts_release(&p);
    for (size_t i = 0; ok && i < v.n_vex; i++)
        statements_add(s, &v.vex[i]);
    return ok;
}

bool statements_read(const char *bytes, size_t n, struct arena *a, const struct vex **out, size_t *many, struct err *e)
{
    struct statements s = {.a = a};
    struct json_t *doc = field_doc(bytes, n, "VEX", e);
    bool ok = doc != NULL;
    if (ok && json_is_obj(json_get(doc, "document")))
        csaf_statements(doc, &s);
    else if (ok && json_is_arr(json_get(doc, "statements")))
        openvex_statements(doc, &s);
    else if (ok && field_is(doc, "bomFormat", "CycloneDX"))
        ok = cyclonedx(bytes, n, &s, e);
    else if (ok)
        ok = err_set(e, ERR_SYNTAX, "", "VEX: neither CSAF, nor OpenVEX, nor CycloneDX");
    json_free(doc);
    if (ok && s.over)
        ok = err_set(e, ERR_LIMIT, "", "VEX: more than %zu statements in one document", STATEMENTS_MAX);
    *out = ok && s.n ? arena_memdup(a, s.v, s.n * sizeof *s.v) : NULL;
    *many = ok ? s.n : 0;
    free(s.v);
    return ok;
}
