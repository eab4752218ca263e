#include "audit/left_out.h"

#include <inttypes.h>
#include <string.h>

void left_out_add(struct left_out *g, uint64_t index, const uint8_t leaf[HASH_LEN])
{
    struct left_run *r = &g->run[g->n++];
    *r = (struct left_run){.from = index + 1};
    memcpy(r->hash, leaf, HASH_LEN);
    /* two halves of a larger subtree are joined */
    for (; g->n > 1 && r[-1].level == r->level && ((r[-1].from - 1) >> r->level & 1) == 0; r--, g->n--) {
        tree_node_hash(r[-1].hash, r->hash, r[-1].hash);
        r[-1].level++;
    }
}

void left_out_write(struct left_out *g, struct buf *out)
{
    char hex[HASH_HEX];
    for (size_t i = 0; i < g->n; i++) {
        hex_encode(hex, g->run[i].hash, HASH_LEN);
        buf_printf(out, "%" PRIu64 " %" PRIu64 " %s\n", g->run[i].from, UINT64_C(1) << g->run[i].level, hex);
    }
    g->n = 0;
}

/* A number of at most 18 digits without leading zeros, and the blank behind it. */
static bool number(struct slice *s, uint64_t *out)
{
    size_t n = 0;
    for (*out = 0; n < s->n && n < 18 && s->p[n] >= '0' && s->p[n] <= '9'; n++)
        *out = *out * 10 + (uint64_t)(s->p[n] - '0');
    if (n == 0 || s->p[0] == '0' || n == s->n || s->p[n] != ' ')
        return false;
    *s = (struct slice){s->p + n + 1, s->n - n - 1};
    return true;
}

bool left_out_read(struct slice *rest, struct left_run *out, bool *bad)
{
    uint64_t count;
    *bad = false;
    if (rest->n == 0)
        return false;
    const char *nl = memchr(rest->p, '\n', rest->n);
    struct slice s = {rest->p, nl ? (size_t)(nl - rest->p) : 0};
    *bad = !nl || !number(&s, &out->from) || !number(&s, &count) || (count & (count - 1)) != 0 ||
           ((out->from - 1) & (count - 1)) != 0 || !tree_hash_parse(s.p, s.n, out->hash);
    if (*bad)
        return false;
    out->level = (unsigned)__builtin_ctzll(count);
    *rest = (struct slice){nl + 1, rest->n - (size_t)(nl + 1 - rest->p)};
    return true;
}
