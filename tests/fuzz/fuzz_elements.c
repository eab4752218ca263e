/* A list of any length that is read while it comes: cut into pieces in whatever way, the same elements and the same
 * end; what is taken whole is JSON. */
#include "fuzz.h"

#include <string.h>
#include "core/elements.h"

struct taken {
    size_t n, bytes;
    uint32_t sum;
};

static bool take(void *ctx, const char *bytes, size_t n)
{
    struct taken *t = ctx;
    must(n > 0 && n <= ELEMENT_MAX && bytes[n] == '\0');
    for (size_t i = 0; i < n; i++)
        t->sum = t->sum * 31 + (uint8_t)bytes[i];
    t->n++;
    t->bytes += n;
    return t->n < 1000;
}

static bool run(const uint8_t *data, size_t n, size_t piece, struct taken *t, struct err *e)
{
    struct elements s;
    *t = (struct taken){0};
    elements_init(&s, "devices", ELEMENT_MAX, take, t);
    for (size_t at = 0; at < n; at += piece)
        if (!elements_feed(&s, (const char *)data + at, n - at < piece ? n - at : piece))
            break;
    bool ok = elements_end(&s, "list", e);
    elements_release(&s);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct taken whole, one;
    struct err e = {0}, f = {0};
    bool ok = run(data, n, n ? n : 1, &whole, &e);
    must(ok == run(data, n, 1, &one, &f));
    must(whole.n == one.n && whole.bytes == one.bytes && whole.sum == one.sum);
    must(ok || fuzz_shown(e.what));
    return 0;
}
