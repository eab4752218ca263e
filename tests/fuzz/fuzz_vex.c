/* Makers' statements, end-of-life lists and what other scanners found: documents that are read whole. */
#include "intel.h"

#include "intel/eol.h"
#include "intel/others.h"
#include "intel/statements.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct err e = {0};
    const struct vex *v;
    const struct intel_life *l;
    const struct intel_other *o;
    size_t many;
    arena_init(&a);
    if (!statements_read((const char *)data, n, &a, &v, &many, &e))
        must(fuzz_shown(e.what));
    for (size_t i = 0; i < many; i++)
        FUZZ_AGAIN(&a, &v[i], vex, vex);
    if (eol_read((const char *)data, n, "x.json", &a, &l, &many, &e))
        for (size_t i = 0; i < many; i++)
            FUZZ_AGAIN(&a, &l[i], life, intel_life);
    if (others_read((const char *)data, n, &a, &o, &many, &e))
        for (size_t i = 0; i < many; i++)
            FUZZ_AGAIN(&a, &o[i], other, intel_other);
    arena_release(&a);
    return 0;
}
