#include "audit/cosign.h"

#include <inttypes.h>
#include <string.h>

bool cosigner_open(struct cosigner *c, const char *vkey, struct err *e)
{
    c->v = NULL;
    return note_key_parse_as(&c->key, ALG_COSIGN, vkey, e) && (c->v = verifier_new(c->key.pub, e)) != NULL;
}

void cosigner_close(struct cosigner *c)
{
    verifier_free(c->v);
    c->v = NULL;
}

static void message(struct slice body, int64_t t, struct buf *out)
{
    buf_init(out, NOTE_MAX + 64);
    buf_printf(out, "cosignature/v1\ntime %" PRId64 "\n", t);
    buf_add(out, body.p, body.n);
}

bool cosign_make(const struct key *k, const struct note_key *name, struct slice body, int64_t t, struct buf *out,
                 struct err *e)
{
    uint8_t raw[COSIGN_RAW];
    struct buf msg;
    message(body, t, &msg);
    memcpy(raw, name->id, 4);
    for (int i = 0; i < 8; i++)
        raw[4 + i] = (uint8_t)((uint64_t)t >> (56 - 8 * i));
    bool ok = t > 0 && !msg.over && key_sign(k, msg.data, msg.len, raw + 12, e);
    buf_release(&msg);
    if (ok)
        note_put_line(name, raw, sizeof raw, out);
    return ok;
}

bool cosign_check_raw(const struct cosigner *c, struct slice body, const uint8_t raw[COSIGN_RAW], int64_t *t)
{
    struct buf msg;
    uint64_t at = 0;
    for (int i = 0; i < 8; i++)
        at = at << 8 | raw[4 + i];
    if (memcmp(raw, c->key.id, 4) != 0 || at == 0 || at > INT64_MAX / 1000000) /* in microseconds too */
        return false;
    message(body, (int64_t)at, &msg);
    bool ok = !msg.over && verifier_check(c->v, msg.data, msg.len, raw + 12);
    buf_release(&msg);
    *t = (int64_t)at;
    return ok;
}

bool cosign_check(const struct cosigner *c, struct slice body, struct slice lines, uint8_t *out, int64_t *t)
{
    struct slice line;
    bool found = false;
    while (note_next_line(&lines, &line)) {
        uint8_t raw[COSIGN_RAW];
        if (!note_line_of(line, &c->key, raw, sizeof raw))
            continue;
        if (!cosign_check_raw(c, body, raw, t))
            return false;
        found = true;
        if (out)
            memcpy(out, raw, sizeof raw);
    }
    return found;
}
