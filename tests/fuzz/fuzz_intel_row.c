/* Rows of a store that somebody else wrote: refused, or a value whose every string ends. */
#include "intel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct advisory v;
    struct sbom s;
    arena_init(&a);
    if (decode_advisory((struct slice){(const char *)data, n}, &a, &v))
        FUZZ_AGAIN(&a, &v, advisory, advisory);
    if (decode_sbom((struct slice){(const char *)data, n}, &a, &s))
        FUZZ_AGAIN(&a, &s, sbom, sbom);
    arena_release(&a);
    return 0;
}
