/* Names of products, two of them on two lines: written again they are read as the same, and name themselves. */
#include "fuzz.h"

#include <string.h>
#include "core/buf.h"
#include "core/cpe.h"

/* As a formatted string: a ':' within a field needs its backslash again. */
static void written(const struct cpe *c, struct buf *b)
{
    buf_adds(b, "cpe:2.3");
    for (int i = 0; i < CPE_FIELDS; i++) {
        buf_addc(b, ':');
        for (const char *v = c->field[i]; *v; v++) {
            if (*v == ':')
                buf_addc(b, '\\');
            buf_addc(b, *v);
            if (*v == '\\')
                buf_addc(b, *++v);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *line = n ? memchr(data, '\n', n) : NULL;
    struct slice text[2] = {{(const char *)data, line ? (size_t)(line - (const char *)data) : n}, {NULL, 0}};
    struct cpe c[2];
    bool is[2];
    struct arena a;
    if (line)
        text[1] = (struct slice){line + 1, n - text[0].n - 1};
    arena_init(&a);
    for (int k = 0; k < 2; k++) {
        struct cpe again;
        struct buf b;
        is[k] = cpe_parse(text[k], &a, &c[k]);
        if (!is[k])
            continue;
        buf_init(&b, (size_t)4 * CPE_MAX);
        written(&c[k], &b);
        if (b.len <= CPE_MAX) {
            must(cpe_parse((struct slice){b.data, b.len}, &a, &again));
            for (int i = 0; i < CPE_FIELDS; i++)
                must(*c[k].field[i] && fuzz_shown(c[k].field[i]) && strcmp(c[k].field[i], again.field[i]) == 0);
        }
        must(fuzz_shown(cpe_version(&c[k], &a)));
        must(cpe_match(&c[k], &c[k], &a) == CPE_FITS);
        buf_release(&b);
    }
    if (is[0] && is[1]) {
        cpe_match(&c[0], &c[1], &a);
        cpe_match(&c[1], &c[0], &a);
    }
    arena_release(&a);
    return 0;
}
