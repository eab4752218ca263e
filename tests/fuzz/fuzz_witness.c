/* What a witness is sent, and what a log is told by one: a request is never cosigned unless it is signed, whatever its
 * proof; a receipt, a checkpoint and a signature line are read without harm, and what is written of a checkpoint is
 * read back as it was. */
#include "fuzz.h"

#include <string.h>
#include <unistd.h>
#include "audit/receipts.h"
#include "audit/witness.h"

/* A log whose key nobody has: nothing that is fuzzed can be signed by it. */
static struct witness *witness(void)
{
    static struct witness *w;
    static char folder[64];
    static struct note_key key;
    uint8_t pub[KEY_PUBLIC_LEN] = {11};
    const char *logs[1];
    struct err e = {0};
    if (w)
        return w;
    snprintf(folder, sizeof folder, "/tmp/andon-fuzz-witness-%d", (int)getpid());
    must(note_key_init(&key, "andon/hub-a", pub, &e));
    logs[0] = key.vkey;
    w = witness_open(&(struct witness_spec){.folder = folder, .name = "w", .logs = logs, .n_logs = 1}, &e);
    must(w);
    return w;
}

static void request(struct slice s)
{
    struct witness_answer a = {0};
    buf_init(&a.body, WITNESS_BODY_MAX);
    witness_add(witness(), s, &a);
    must(a.status == 400 || a.status == 403 || a.status == 404);
    must(a.word == WITNESS_QUIET && !*a.told);
    buf_release(&a.body);
}

static void checkpoint(struct slice s)
{
    struct checkpoint c, again;
    struct slice body, lines, b2, l2;
    struct cosigner w;
    struct buf note;
    struct err e = {0};
    int64_t t;
    if (!note_split(s.p, s.n, &c, &body, &lines))
        return;
    must(cosigner_open(&w, witness_vkey(witness()), &e));
    must(!cosign_check(&w, body, lines, NULL, &t));
    cosigner_close(&w);
    buf_init(&note, NOTE_MAX);
    note_body(&c, &note);
    buf_addc(&note, '\n');
    must(note_split(note.data, note.len, &again, &b2, &l2));
    must(memcmp(&c, &again, sizeof c) == 0 && l2.n == 0);
    buf_release(&note);
}

static void receipt(struct slice s)
{
    struct receipts r;
    struct leaf l;
    struct audit_report out = {.unwitnessed = true};
    const char *keys[] = {witness_vkey(witness())};
    uint8_t hash[HASH_LEN] = {0};
    int64_t bad;
    if (!leaf_scan(s.p, s.n, &l))
        return;
    receipts_init(&r);
    for (int i = 0; i < 5; i++)
        receipts_leaf(&r, hash);
    receipts_entry(&r, &l);
    receipts_judge(&r, "andon/hub-a", keys, 1, &out, &bad);
    must(out.unwitnessed && out.witnesses == 0);
    receipts_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = {(const char *)data, n};
    request(s);
    checkpoint(s);
    receipt(s);
    return 0;
}
