/* SBOMs of both kinds, cut into pieces in two ways: the same parts and statements. */
#include "intel.h"

#include "intel/parts.h"

static bool run(const struct parts_format *f, struct arena *a, const uint8_t *data, size_t n, size_t piece,
                struct sbom *v)
{
    struct parts p;
    struct err e = {0};
    parts_begin(&p, f, a);
    for (size_t at = 0; at < n; at += piece)
        if (!parts_feed(&p, (const char *)data + at, n - at < piece ? n - at : piece))
            break;
    bool ok = parts_end(&p, v, &e);
    must(ok || fuzz_shown(e.what));
    parts_release(&p);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct parts_format *const formats[] = {&parts_cyclonedx, &parts_spdx};
    for (size_t i = 0; i < 2; i++) {
        struct arena a;
        struct sbom v, w;
        arena_init(&a);
        bool ok = run(formats[i], &a, data, n, n ? n : 1, &v);
        must(ok == run(formats[i], &a, data, n, 7, &w));
        if (ok) {
            must(v.n_parts == w.n_parts && v.n_vex == w.n_vex);
            FUZZ_AGAIN(&a, &v, sbom, sbom);
        }
        arena_release(&a);
    }
    return 0;
}
