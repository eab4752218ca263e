/* A page of devices: what the scanner accepts, the decoder accepts and reads alike. */
#include "fuzz.h"

#include <string.h>
#include "client/hawkbit_impl.h"
#include "client/hawkbit_scan.h"

static void same(const struct device *x, const struct device *y)
{
    must(strcmp(x->id, y->id) == 0 && strcmp(x->raw_id, y->raw_id) == 0);
    must(strcmp(x->name, y->name) == 0 && strcmp(x->address, y->address) == 0);
    must(x->status == y->status && x->installed_at == y->installed_at);
    must(x->last_seen == y->last_seen && x->overdue == y->overdue);
    must(fuzz_shown(x->id) && fuzz_shown(x->name) && fuzz_shown(x->address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct device_page got;
    struct err e = {0};
    const char *text = (const char *)data;
    int64_t total = -1;
    arena_init(&a);
    bool ok = hb_scan_devices(text, n, HB_PAGE, &a, &a, &got);
    struct json_t *doc = json_parse(text, n, HB_BODY_MAX, "page", &e);
    const struct json_t *content = json_get(doc, "content");
    must(!ok || doc);
    must(doc || fuzz_shown(e.what));
    for (size_t i = 0; i < json_len(content); i++) {
        struct device d;
        struct rollout r;
        struct wave w;
        struct release rel;
        struct device_action act;
        bool took = hb_decode_device(json_at(content, i), &a, &d, "content", &e);
        must(took || !ok);
        if (ok && i < got.n)
            same(&d, &got.v[i]);
        if (!ok) { /* the other decoders have no second opinion */
            (void)!hb_decode_rollout(json_at(content, i), &a, &r, "content", &e);
            (void)!hb_decode_wave(json_at(content, i), &a, &w, "content", &e);
            (void)!hb_decode_release(json_at(content, i), &a, &rel, "content", &e);
            (void)!hb_decode_action(json_at(content, i), &a, &act, "content", &e);
        }
    }
    if (ok)
        must(json_int(doc, "total", &total) && total == got.total && json_len(content) == got.n);
    json_free(doc);
    arena_release(&a);
    return 0;
}
