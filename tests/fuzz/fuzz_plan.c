/* A plan and an approval's text, from strangers: each has one form. A plan that is read is written again as the same
 * bytes, and each of its devices is in one wave. */
#include "fuzz.h"

#include <string.h>
#include "core/approval.h"
#include "core/plan.h"

static void plan(const uint8_t *data, size_t n)
{
    struct wave_plan p;
    struct arena a;
    struct buf again;
    struct err e = {0};
    arena_init(&a);
    buf_init(&again, PLAN_BYTES_MAX);
    if (plan_read(&p, (const char *)data, n, &a, &e)) {
        char id[PLAN_ID_BYTES];
        size_t sum = 0;
        memcpy(id, p.id, sizeof id);
        must(plan_is_id(id));
        for (size_t w = 0; w < p.n_waves; w++) {
            must(p.waves[w].first == sum && p.waves[w].n > 0);
            must(plan_wave_of(&p, sum) == w);
            sum += p.waves[w].n;
        }
        must(sum == p.n);
        (void)plan_picked(&p);
        must(plan_write(&p, &again, &e) && again.len == n && memcmp(again.data, data, n) == 0);
        must(strcmp(id, p.id) == 0);
    } else {
        must(fuzz_shown(e.what));
    }
    buf_release(&again);
    arena_release(&a);
}

static void approval(const uint8_t *data, size_t n)
{
    struct approval_text t;
    struct err e = {0};
    if (!approval_read((const char *)data, n, &t, &e)) {
        must(fuzz_shown(e.what));
        return;
    }
    must(strlen(t.nonce) == APPROVAL_NONCE - 1);
    for (size_t i = 0; i < APPROVAL_LINES; i++)
        must(fuzz_shown(t.value[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    plan(data, n);
    approval(data, n);
    return 0;
}
