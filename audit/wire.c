#include "audit/wire.h"

#include <string.h>
#include "core/text.h"

static uint64_t big(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static void put_big(uint8_t *p, size_t n, uint64_t v)
{
    for (size_t i = n; i-- > 0; v >>= 8)
        p[i] = (uint8_t)v;
}

/* Of the body; 0: this side is never sent the word. */
static size_t body_max(unsigned word, bool asks)
{
    if (!asks)
        return word == WIRE_OK || word == WIRE_NO ? WIRE_ANSWER_MAX : 0;
    if (word == WIRE_PUT_BLOB)
        return WIRE_BLOB_MAX + 4;
    return word >= WIRE_HELLO && word < WIRE_ASKS ? WIRE_ASK_MAX : 0;
}

enum wire_state wire_frame(const void *p, size_t n, bool asks, struct wire_frame *out)
{
    const uint8_t *b = p;
    if (n >= 4 && (big(b, 4) < 1 || big(b, 4) > WIRE_BLOB_MAX + 5))
        return WIRE_BAD;
    if (n < WIRE_HEAD)
        return WIRE_MORE;
    size_t body = (size_t)big(b, 4) - 1, max = body_max(b[4], asks);
    if (max == 0 || body > max)
        return WIRE_BAD;
    if (n - WIRE_HEAD < body)
        return WIRE_MORE;
    *out = (struct wire_frame){(enum wire_word)b[4], {(const char *)b + WIRE_HEAD, body}, WIRE_HEAD + body};
    return WIRE_WHOLE;
}

static const uint8_t *take(struct wire_in *in, size_t n)
{
    if (in->bad || in->left.n < n) {
        in->bad = true;
        return NULL;
    }
    const uint8_t *p = (const uint8_t *)in->left.p;
    in->left.p += n;
    in->left.n -= n;
    return p;
}

uint64_t wire_number(struct wire_in *in)
{
    const uint8_t *p = take(in, 8);
    return p ? big(p, 8) : 0;
}

struct slice wire_bytes(struct wire_in *in, size_t max)
{
    const uint8_t *p = take(in, 4);
    size_t n = p ? (size_t)big(p, 4) : 0;
    if (!p || n > max) {
        in->bad = true;
        return (struct slice){0};
    }
    p = take(in, n);
    return (struct slice){(const char *)p, p ? n : 0};
}

bool wire_end(const struct wire_in *in)
{
    return !in->bad && in->left.n == 0;
}

size_t wire_open(struct buf *b, enum wire_word word)
{
    size_t at = b->len;
    buf_add(b, (const uint8_t[WIRE_HEAD]){0, 0, 0, 0, (uint8_t)word}, WIRE_HEAD);
    return at;
}

void wire_put(struct buf *b, uint64_t v)
{
    uint8_t raw[8];
    put_big(raw, sizeof raw, v);
    buf_add(b, raw, sizeof raw);
}

void wire_put_bytes(struct buf *b, const void *p, size_t n)
{
    uint8_t raw[4];
    put_big(raw, sizeof raw, n);
    buf_add(b, raw, sizeof raw);
    if (n > 0)
        buf_add(b, p, n);
}

void wire_close(struct buf *b, size_t at)
{
    if (!b->over)
        put_big((uint8_t *)b->data + at, 4, b->len - at - 4);
}

/* No entry has a longer one: who asks for it gets all, and looks himself. */
static void put_slice(struct buf *b, struct slice s)
{
    wire_put_bytes(b, s.p, s.n <= WIRE_WORD_MAX ? s.n : 0);
}

void wire_put_rows(struct buf *b, const struct wire_rows *q)
{
    wire_put(b, (uint64_t)q->from);
    wire_put(b, (uint64_t)q->to);
    wire_put(b, (uint64_t)q->newest_first | (uint64_t)q->all_files << 1);
    wire_put(b, (uint64_t)q->after_t);
    wire_put(b, (uint64_t)q->before_t);
    wire_put(b, q->corr);
    put_slice(b, q->kinds);
    put_slice(b, q->fleet);
    put_slice(b, q->rollout);
    put_slice(b, q->actor);
}

void wire_get_rows(struct wire_in *in, struct wire_rows *out)
{
    out->from = (int64_t)wire_number(in);
    out->to = (int64_t)wire_number(in);
    uint64_t flags = wire_number(in);
    out->newest_first = flags & 1;
    out->all_files = flags >> 1 & 1;
    out->after_t = (int64_t)wire_number(in);
    out->before_t = (int64_t)wire_number(in);
    out->corr = wire_number(in);
    out->kinds = wire_bytes(in, WIRE_WORD_MAX);
    out->fleet = wire_bytes(in, WIRE_WORD_MAX);
    out->rollout = wire_bytes(in, WIRE_WORD_MAX);
    out->actor = wire_bytes(in, WIRE_WORD_MAX);
}

void wire_put_err(struct buf *b, const struct err *e)
{
    const char *parts[] = {err_word(e->code), e->what, e->next, e->cause};
    size_t at = wire_open(b, WIRE_NO);
    for (size_t i = 0; i < 4; i++)
        wire_put_bytes(b, parts[i], slice_of(parts[i]).n);
    wire_close(b, at);
}

void wire_get_err(struct slice body, struct err *e)
{
    struct wire_in in = {.left = body};
    struct slice word = wire_bytes(&in, 40), what = wire_bytes(&in, sizeof e->what),
                 next = wire_bytes(&in, sizeof e->next), cause = wire_bytes(&in, sizeof e->cause);
    err_clear(e);
    e->code = ERR_PROTOCOL;
    for (int c = ERR_IO; c <= ERR_INTERNAL; c++)
        if (slice_is(word, err_word((enum err_code)c)))
            e->code = (enum err_code)c;
    if (!wire_end(&in)) {
        err_set(e, ERR_PROTOCOL, "", "the guard's answer cannot be read");
        return;
    }
    safe_text_into(e->what, sizeof e->what, what.p ? what.p : "", what.n);
    safe_text_into(e->next, sizeof e->next, next.p ? next.p : "", next.n);
    safe_text_into(e->cause, sizeof e->cause, cause.p ? cause.p : "", cause.n);
}
