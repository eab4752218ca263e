/* A package URL of an SBOM: what is taken of it can be shown, and what OSV calls the package is spelled in one way. */
#include "fuzz.h"

#include <string.h>
#include "core/purl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice text = {(const char *)data, n};
    struct arena a;
    struct purl p;
    struct purl_key k;
    arena_init(&a);
    if (purl_parse(text, &a, &p)) {
        must(*p.type && *p.name);
        must(fuzz_shown(p.type) && fuzz_shown(p.space) && fuzz_shown(p.name) && fuzz_shown(p.version) &&
             fuzz_shown(p.subpath));
        for (size_t i = 0; i < p.n_qualifiers; i++) {
            must(fuzz_shown(p.qualifiers[i].key) && fuzz_shown(p.qualifiers[i].value) && *p.qualifiers[i].value);
            must(i == 0 || strcmp(p.qualifiers[i - 1].key, p.qualifiers[i].key) < 0);
            must(purl_qualifier(&p, p.qualifiers[i].key) == p.qualifiers[i].value);
        }
        if (purl_key(&p, &a, &k)) {
            must(*k.ecosystem && fuzz_shown(k.ecosystem) && fuzz_shown(k.name) && fuzz_shown(k.version));
            must(strcmp(k.name, purl_package(slice_of(k.ecosystem), slice_of(k.name), &a)) == 0);
        }
    }
    if (n > 0 && !memchr(data, '\0', n)) {
        const char *ecosystem = purl_ecosystem(text, &a);
        must(strcmp(ecosystem, purl_ecosystem(slice_of(ecosystem), &a)) == 0);
        purl_package((struct slice){text.p, n / 2}, (struct slice){text.p + n / 2, n - n / 2}, &a);
    }
    arena_release(&a);
    return 0;
}
