/* What comes by the guard's socket, to either side: frames one after the other, and what is in their bodies. */
#include "fuzz.h"

#include <string.h>
#include "audit/peer.h"
#include "audit/record.h"
#include "audit/wire.h"
#include "core/json.h"

/* What was read is read again the same, once it has been written. */
static void rows(struct slice body)
{
    struct wire_in in = {.left = body}, again;
    struct wire_rows q, back;
    struct buf b;
    wire_get_rows(&in, &q);
    if (!wire_end(&in))
        return;
    buf_init(&b, WIRE_ASK_MAX);
    wire_put_rows(&b, &q);
    must(!b.over);
    again = (struct wire_in){.left = {b.data, b.len}};
    wire_get_rows(&again, &back);
    must(wire_end(&again));
    must(back.from == q.from && back.to == q.to && back.newest_first == q.newest_first && back.after_t == q.after_t &&
         back.before_t == q.before_t && back.corr == q.corr && slice_same(back.kinds, q.kinds) &&
         slice_same(back.fleet, q.fleet) && slice_same(back.rollout, q.rollout) && slice_same(back.actor, q.actor));
    buf_release(&b);
}

/* An entry that is taken is one line that the log's own reader takes, with the facts of its host in their form. */
static void entry(struct slice body)
{
    struct wire_in in = {.left = body};
    struct slice line = wire_bytes(&in, ENTRY_MAX);
    const struct peer who = {.uid = 1000, .gid = 100, .pid = 4711, .loginuid = 1000, .user = "mara"};
    struct arena a;
    struct record r;
    struct buf host, out;
    struct leaf l;
    bool follows;
    if (!wire_end(&in))
        return;
    arena_init(&a);
    buf_init(&host, ENTRY_MAX);
    buf_init(&out, ENTRY_MAX);
    if (record_entry(line.p, line.n, &a, &r)) {
        struct err e = {0};
        peer_facts(&who, slice_of(r.host), &host);
        must(!host.over);
        if (peer_entry(who.user, &r.en, &follows, &e)) {
            if (entry_canonical(&r.en, 7, host.data, &out, &e))
                must(leaf_scan(out.data, out.len, &l) && l.seq == 7);
        } else {
            must(fuzz_shown(e.what));
        }
    }
    buf_release(&host);
    buf_release(&out);
    arena_release(&a);
}

static void refusal(struct slice body)
{
    struct err e;
    wire_get_err(body, &e);
    must(e.code != ERR_NONE && fuzz_shown(e.what) && fuzz_shown(e.next) && fuzz_shown(e.cause));
}

static void frames(const uint8_t *data, size_t n, bool asks)
{
    struct wire_frame f;
    while (wire_frame(data, n, asks, &f) == WIRE_WHOLE) {
        must(f.n <= n && f.n == f.body.n + WIRE_HEAD);
        must(f.body.n <= (f.word == WIRE_PUT_BLOB ? WIRE_BLOB_MAX + 4 : asks ? WIRE_ASK_MAX : WIRE_ANSWER_MAX));
        rows(f.body);
        entry(f.body);
        refusal(f.body);
        data += f.n;
        n -= f.n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    frames(data, n, true);
    frames(data, n, false);
    return 0;
}
