#include "audit/note.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "core/slice.h"

#define DASH "\xe2\x80\x94 " /* em dash and a space open a signature line */

static bool name_ok(const char *name)
{
    size_t n = slice_of(name).n;
    if (n == 0 || n > ORIGIN_MAX)
        return false;
    for (; *name; name++) {
        if (*name <= ' ' || *name > '~' || *name == '+')
            return false;
    }
    return true;
}

bool note_key_init_as(struct note_key *k, uint8_t alg, const char *name, const uint8_t pub[KEY_PUBLIC_LEN],
                      struct err *e)
{
    memset(k, 0, sizeof *k);
    k->alg = alg;
    if (!name_ok(name))
        return err_set(e, ERR_SYNTAX, "use plain letters, digits, '/', '-', '.'; at most 100",
                       "the log's origin cannot stand in a checkpoint");
    uint8_t typed[1 + KEY_PUBLIC_LEN] = {alg}, digest[SHA256_BYTES];
    memcpy(typed + 1, pub, KEY_PUBLIC_LEN);
    memcpy(k->pub, pub, KEY_PUBLIC_LEN);
    size_t n = slice_of(name).n;
    memcpy(k->name, name, n);
    struct sha256 h;
    sha256_init(&h);
    sha256_add(&h, name, n);
    sha256_add(&h, "\n", 1);
    sha256_add(&h, typed, sizeof typed);
    sha256_done(&h, digest);
    memcpy(k->id, digest, sizeof k->id);
    hex_encode(k->id_hex, k->id, sizeof k->id);
    struct buf b64;
    buf_init(&b64, VKEY_MAX);
    base64_encode(&b64, typed, sizeof typed);
    snprintf(k->vkey, sizeof k->vkey, "%s+%s+%s", k->name, k->id_hex, b64.data);
    buf_release(&b64);
    return true;
}

bool note_key_init(struct note_key *k, const char *name, const uint8_t pub[KEY_PUBLIC_LEN], struct err *e)
{
    return note_key_init_as(k, ALG_ED25519, name, pub, e);
}

bool note_key_parse(struct note_key *k, const char *vkey, struct err *e)
{
    return note_key_parse_as(k, ALG_ED25519, vkey, e);
}

bool note_key_parse_as(struct note_key *k, uint8_t alg, const char *vkey, struct err *e)
{
    char name[ORIGIN_MAX + 1];
    struct slice s = slice_of(vkey);
    const char *plus = s.n ? memchr(s.p, '+', s.n) : NULL;
    size_t n = plus ? (size_t)(plus - s.p) : sizeof name, left = plus ? s.n - n : 0; /* left: with the '+' */
    uint8_t typed[VKEY_MAX];
    size_t got = 0;
    bool ok = s.n < VKEY_MAX && n < sizeof name && left > 10 && plus[9] == '+' &&
              base64_decode(plus + 10, left - 10, typed, &got) && got == 1 + KEY_PUBLIC_LEN && typed[0] == alg;
    if (ok) {
        memcpy(name, vkey, n);
        name[n] = '\0';
        /* the key hash in the text must be that of the key */
        ok = note_key_init_as(k, alg, name, typed + 1, NULL) && slice_is(s, k->vkey);
    }
    if (ok)
        return true;
    return alg == ALG_COSIGN
               ? err_set(e, ERR_SYNTAX, "`andon witness key` prints it: name+1a2b3c4d+BA...",
                         "not the key of a witness")
               : err_set(e, ERR_SYNTAX, "it looks like name+1a2b3c4d+AQ...", "not a verifier key of an Ed25519 key");
}

void note_body(const struct checkpoint *c, struct buf *out)
{
    buf_printf(out, "%s\n%" PRIu64 "\n", c->origin, c->size);
    base64_encode(out, c->root, HASH_LEN);
    buf_addc(out, '\n');
}

void note_put_line(const struct note_key *k, const uint8_t *raw, size_t n, struct buf *out)
{
    buf_printf(out, DASH "%s ", k->name);
    base64_encode(out, raw, n);
    buf_addc(out, '\n');
}

void note_sign(const struct note_key *k, const uint8_t sig[KEY_SIG_LEN], struct buf *out)
{
    uint8_t both[sizeof k->id + KEY_SIG_LEN];
    memcpy(both, k->id, sizeof k->id);
    memcpy(both + sizeof k->id, sig, KEY_SIG_LEN);
    buf_addc(out, '\n');
    note_put_line(k, both, sizeof both, out);
}

void note_seal(const struct checkpoint *c, const struct note_key *k, const uint8_t sig[KEY_SIG_LEN], struct buf *out)
{
    note_body(c, out);
    note_sign(k, sig, out);
}

/* Takes the line at *p (without its newline); false at the end or when the last line has no newline. */
static bool line(const char **p, const char *end, const char **text, size_t *n)
{
    const char *nl = *p < end ? memchr(*p, '\n', (size_t)(end - *p)) : NULL;
    if (!nl)
        return false;
    *text = *p;
    *n = (size_t)(nl - *p);
    *p = nl + 1;
    return true;
}

static bool parse_size(const char *text, size_t n, uint64_t *out)
{
    uint64_t v = 0;
    if (n == 0 || n > 18 || (text[0] == '0' && n > 1))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *out = v;
    return true;
}

/* The three lines of the body, up to the empty line. *p is left at the signature lines. */
static bool parse_body(const char **p, const char *end, struct checkpoint *c, size_t *body_n)
{
    const char *start = *p, *text;
    size_t n, got;
    uint8_t root[48];
    memset(c, 0, sizeof *c);
    if (!line(p, end, &text, &n) || n == 0 || n > ORIGIN_MAX)
        return false;
    memcpy(c->origin, text, n);
    if (!line(p, end, &text, &n) || !parse_size(text, n, &c->size))
        return false;
    if (!line(p, end, &text, &n) || n != 44 || !base64_decode(text, n, root, &got) || got != HASH_LEN)
        return false;
    memcpy(c->root, root, HASH_LEN);
    do { /* extension lines: other logs have them; they are signed but mean nothing here */
        *body_n = (size_t)(*p - start);
        if (!line(p, end, &text, &n))
            return false;
    } while (n > 0);
    return true;
}

bool note_line_of(struct slice l, const struct note_key *k, uint8_t *out, size_t want)
{
    const char *name_end = memchr(k->name, '\0', sizeof k->name); /* it is no longer than ORIGIN_MAX */
    size_t dash = sizeof DASH - 1, name = name_end ? (size_t)(name_end - k->name) : ORIGIN_MAX, got = 0;
    uint8_t raw[NOTE_MAX];
    if (l.n < dash + name + 2 || l.n > NOTE_MAX || memcmp(l.p, DASH, dash) != 0 ||
        memcmp(l.p + dash, k->name, name) != 0 || l.p[dash + name] != ' ')
        return false;
    if (!base64_decode(l.p + dash + name + 1, l.n - dash - name - 1, raw, &got) || got != want ||
        memcmp(raw, k->id, sizeof k->id) != 0)
        return false;
    memcpy(out, raw, want);
    return true;
}

/* Is this the signature line of key k? Then its signature. */
static bool signature_of(const char *text, size_t n, const struct note_key *k, uint8_t sig[KEY_SIG_LEN])
{
    uint8_t raw[sizeof k->id + KEY_SIG_LEN];
    if (!note_line_of((struct slice){text, n}, k, raw, sizeof raw))
        return false;
    memcpy(sig, raw + sizeof k->id, KEY_SIG_LEN);
    return true;
}

/* "— name base64": what a signature line must be, whosever it is. */
static bool is_signature(const char *text, size_t n)
{
    size_t at = sizeof DASH - 1, name = at, body, end;
    if (n < at || memcmp(text, DASH, at) != 0)
        return false;
    while (at < n && text[at] > ' ' && text[at] <= '~' && text[at] != '+')
        at++;
    body = end = at + 1;
    while (end < n && ((text[end] >= '0' && text[end] <= '9') || (text[end] >= 'A' && text[end] <= 'Z') ||
                       (text[end] >= 'a' && text[end] <= 'z') || byte_in(text[end], "+/")))
        end++;
    bool some = at > name && at < n && text[at] == ' ' && end > body;
    while (end < n && text[end] == '=')
        end++;
    return some && end == n;
}

bool note_next_line(struct slice *s, struct slice *out)
{
    const char *p = s->p;
    if (!line(&p, s->p + s->n, &out->p, &out->n))
        return false;
    *s = (struct slice){p, s->n - (size_t)(p - s->p)};
    return true;
}

bool note_hashes(struct slice *s, uint8_t (*out)[HASH_LEN], size_t *n)
{
    struct slice line;
    uint8_t raw[48];
    size_t got;
    for (*n = 0; note_next_line(s, &line); ++*n) {
        if (line.n == 0)
            return true;
        if (*n == TREE_PROOF_MAX || line.n != 44 || !base64_decode(line.p, line.n, raw, &got) || got != HASH_LEN)
            return false;
        memcpy(out[*n], raw, HASH_LEN);
    }
    return false;
}

bool note_split(const char *bytes, size_t n, struct checkpoint *out, struct slice *body, struct slice *lines)
{
    const char *p = bytes, *end = bytes + n;
    size_t body_n = 0;
    if (n > NOTE_MAX || memchr(bytes, '\0', n) || !parse_body(&p, end, out, &body_n) || (p < end && end[-1] != '\n'))
        return false;
    *body = (struct slice){bytes, body_n};
    *lines = (struct slice){p, (size_t)(end - p)};
    return true;
}

bool note_peek(const char *bytes, size_t n, struct checkpoint *out)
{
    struct slice body, lines;
    return note_split(bytes, n, out, &body, &lines);
}

bool note_open(const char *bytes, size_t n, const struct note_key *k, const struct verifier *v, struct checkpoint *out,
               struct err *e)
{
    const char *p = bytes, *end = bytes + n, *text;
    size_t body_n = 0, len;
    if (n > NOTE_MAX || memchr(bytes, '\0', n) || !parse_body(&p, end, out, &body_n))
        return err_set(e, ERR_TAMPERED, "", "the checkpoint is not well formed");
    if (memcmp(out->origin, k->name, sizeof k->name) != 0)
        return err_set(e, ERR_TAMPERED, "", "the checkpoint is of another log than the key");
    bool found = false;
    while (line(&p, end, &text, &len)) {
        uint8_t sig[KEY_SIG_LEN];
        if (!is_signature(text, len))
            return err_set(e, ERR_TAMPERED, "", "the checkpoint is not well formed");
        if (!signature_of(text, len, k, sig))
            continue;
        if (!verifier_check(v, bytes, body_n, sig))
            return err_set(e, ERR_TAMPERED, "", "the checkpoint's signature is wrong");
        found = true;
    }
    if (p != end)
        return err_set(e, ERR_TAMPERED, "", "the checkpoint is not well formed");
    return found ? true : err_set(e, ERR_TAMPERED, "", "the checkpoint is not signed by key %s", k->id_hex);
}

bool note_signed(struct slice text, struct slice lines, const struct note_key *k, const struct verifier *v)
{
    uint8_t sig[KEY_SIG_LEN];
    while (lines.n > 0) {
        const char *nl = memchr(lines.p, '\n', lines.n);
        size_t n = nl ? (size_t)(nl - lines.p) : lines.n, past = nl ? n + 1 : n;
        if (signature_of(lines.p, n, k, sig) && verifier_check(v, text.p, text.n, sig))
            return true;
        lines = (struct slice){lines.p + past, lines.n - past};
    }
    return false;
}
