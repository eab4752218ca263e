/* Lines of openings, and a leaf with them: what is read is a line of the input, what is shown of a leaf is JSON, and an
 * entry that is sealed is shown as it was. */
#include "fuzz.h"

#include <string.h>
#include "audit/opening.h"
#include "core/json.h"

static void lines(const uint8_t *data, size_t n)
{
    struct slice rest = {(const char *)data, n};
    struct opening o, again;
    bool bad = false;
    while (opening_read(&rest, &o, &bad)) {
        must(o.line.p >= (const char *)data && o.line.p + o.line.n <= (const char *)data + n);
        must(o.seq > 0 && (o.erased > 0) == (o.value.p == NULL));
        struct slice whole = {o.line.p, o.line.n + 1}; /* with its end, which was there */
        must(opening_find(whole, o.path, &again) && again.seq == o.seq);
    }
    must(bad == (rest.n > 0));
}

/* The input up to the first newline as a leaf, what follows as its openings. */
static void shown(const uint8_t *data, size_t n)
{
    const uint8_t *end = memchr(data, '\n', n);
    size_t leaf = end ? (size_t)(end - data) : n;
    struct slice open = {end ? (const char *)end + 1 : "", end ? n - leaf - 1 : 0};
    struct err e = {0};
    struct buf out, sealed, openings, back;
    buf_init(&out, 1 << 20);
    buf_init(&sealed, 1 << 20);
    buf_init(&openings, 1 << 20);
    buf_init(&back, 1 << 20);
    if (opening_show((const char *)data, leaf, open, "not here", &out)) {
        struct json_t *doc = json_parse(out.data, out.len, 1 << 20, "shown", &e);
        must(doc != NULL);
        json_free(doc);
    }
    if (opening_seal((const char *)data, leaf, ~0u, &sealed, &openings, &e) && sealed.len > 0) {
        must(opening_show(sealed.data, sealed.len, (struct slice){openings.data, openings.len}, "not here", &back));
        must(!memmem(back.data, back.len, "\"another\"", 9) || memmem(data, leaf, "another", 7));
    }
    buf_release(&out);
    buf_release(&sealed);
    buf_release(&openings);
    buf_release(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    lines(data, n);
    shown(data, n);
    return 0;
}
