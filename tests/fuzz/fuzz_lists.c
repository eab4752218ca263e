/* KEV's records, and EPSS line by line. */
#include "intel.h"

#include "intel/lists.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct adv_listed v;
    struct err e = {0};
    struct epss s = {0};
    int64_t released;
    bool is, ok = true;
    arena_init(&a);
    if (kev_read((const char *)data, n, &a, &v, &e))
        must(*v.id && v.kev_added);
    if (!kev_end((const char *)data, n, 0, &released, &e))
        must(fuzz_shown(e.what));
    for (size_t at = 0; at < n && ok;) {
        const uint8_t *nl = memchr(data + at, '\n', n - at);
        size_t k = nl ? (size_t)(nl - data) - at : n - at;
        ok = epss_line(&s, (struct slice){(const char *)data + at, k}, &a, &v, &is, &e);
        must(!ok || !is || (v.epss >= 0 && v.epss <= 1 && v.percentile >= 0 && v.percentile <= 1));
        at += k + 1;
    }
    arena_release(&a);
    return 0;
}
