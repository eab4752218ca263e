/* The note of a halt: one table of its members, written and read by the same rows. */
#include "core/halt_note.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "core/json.h"
#include "core/text.h"

#define INT_MAX_JSON (INT64_C(1) << 53) /* numbers of RFC 8785 are doubles */
#define WHAT         "note of a halt"

enum member_type { M_TEXT, M_TIME /* > 0 */, M_NUM /* >= 0 */, M_KIND, M_CORR, M_LEAF };
struct member {
    const char *key;
    enum member_type type;
    size_t at, size;
    bool may_be_empty;
};
#define MEMBER(s, key, field, type, empty)                                                                             \
    {                                                                                                                  \
        key, type, offsetof(struct s, field), sizeof(((struct s *)0)->field), empty                                    \
    }

/* In the order of RFC 8785. */
static const struct member side_members[] = {
    MEMBER(halt_note_side, "by", by, M_TEXT, false),        MEMBER(halt_note_side, "corr", corr, M_CORR, false),
    MEMBER(halt_note_side, "host", host, M_TEXT, true),     MEMBER(halt_note_side, "kind", kind, M_KIND, false),
    MEMBER(halt_note_side, "leaf", leaf, M_LEAF, true),     MEMBER(halt_note_side, "origin", origin, M_TEXT, true),
    MEMBER(halt_note_side, "reason", reason, M_TEXT, true), MEMBER(halt_note_side, "seq", seq, M_NUM, true),
    MEMBER(halt_note_side, "t", t, M_TIME, false),
};
/* "ack" stands before them, "halted" after "fleet". */
static const struct member note_members[] = {
    MEMBER(halt_note, "created_at", created_at, M_NUM, true),
    MEMBER(halt_note, "fleet", fleet, M_TEXT, false),
    MEMBER(halt_note, "name", name, M_TEXT, true),
    MEMBER(halt_note, "release", release, M_TEXT, true),
    MEMBER(halt_note, "rollout", rollout, M_TEXT, false),
};
#define N_SIDE (sizeof side_members / sizeof *side_members)
#define N_NOTE (sizeof note_members / sizeof *note_members)

static const char *const kind_words[] = {"person", "script", "rule"}; /* enum actor_kind */
#define N_KINDS (sizeof kind_words / sizeof *kind_words)

static bool bad(struct err *e, enum err_code code, const char *path, const char *key, const char *what)
{
    return err_set(e, code, "", WHAT ": %s%s: %s", path, key, what);
}

/* ---- writing ---- */

static bool put_member(struct json_w *w, const struct member *m, const void *base, const char *path, struct err *e)
{
    const char *p = (const char *)base + m->at;
    char text[512];
    int64_t n;
    switch (m->type) {
    case M_TEXT:
    case M_LEAF:
        if (*p == '\0' && !m->may_be_empty)
            return bad(e, ERR_RANGE, path, m->key, "must not be empty");
        safe_text_into(text, m->size, p, strnlen(p, m->size));
        json_w_kstr(w, m->key, text);
        return true;
    case M_TIME:
    case M_NUM:
        memcpy(&n, p, sizeof n);
        if (n < (m->type == M_TIME) || n > INT_MAX_JSON)
            return bad(e, ERR_RANGE, path, m->key, "out of range");
        json_w_kint(w, m->key, n);
        return true;
    case M_KIND: {
        enum actor_kind kind;
        memcpy(&kind, p, sizeof kind);
        if ((unsigned)kind >= N_KINDS)
            return bad(e, ERR_RANGE, path, m->key, "out of range");
        json_w_kstr(w, m->key, kind_words[kind]);
        return true;
    }
    case M_CORR: {
        uint64_t corr;
        memcpy(&corr, p, sizeof corr);
        if (corr == 0)
            return bad(e, ERR_RANGE, path, m->key, "must not be 0");
        snprintf(text, sizeof text, "%016" PRIx64, corr);
        json_w_kstr(w, m->key, text);
        return true;
    }
    }
    return false;
}

static bool put_side(struct json_w *w, const char *key, const struct halt_note_side *s, const char *path, struct err *e)
{
    json_w_key(w, key);
    json_w_obj(w);
    for (size_t i = 0; i < N_SIDE; i++)
        if (!put_member(w, &side_members[i], s, path, e))
            return false;
    json_w_obj_end(w);
    return true;
}

static bool put(const struct halt_note *n, struct buf *out, struct err *e)
{
    struct json_w w;
    json_w_init(&w, out, 0);
    json_w_obj(&w);
    if (n->acked && !put_side(&w, "ack", &n->ack, "ack.", e))
        return false;
    for (size_t i = 0; i < N_NOTE; i++) {
        if (i == 2 && !put_side(&w, "halted", &n->halted, "halted.", e))
            return false;
        if (!put_member(&w, &note_members[i], n, "", e))
            return false;
    }
    json_w_kint(&w, "v", HALT_NOTE_V);
    json_w_obj_end(&w);
    return true;
}

bool halt_note_encode(const struct halt_note *n, struct buf *out, struct err *e)
{
    struct buf b;
    buf_init(&b, HALT_NOTE_TEXT_MAX);
    bool ok = put(n, &b, e);
    if (ok && (b.over || !buf_add(out, b.data, b.len)))
        ok = err_set(e, ERR_LIMIT, "", WHAT ": longer than %d bytes", HALT_NOTE_TEXT_MAX);
    buf_release(&b);
    return ok;
}

/* ---- reading ---- */

/* A text that is as safe_text would have it, and fits with its NUL. */
static bool take_text(const struct json_t *obj, const struct member *m, char *to, const char *path, struct err *e)
{
    size_t n;
    char safe[512];
    const char *s = json_str(obj, m->key, &n);
    if (!s)
        return bad(e, ERR_SYNTAX, path, m->key, "expected a text");
    if (n >= m->size)
        return bad(e, ERR_LIMIT, path, m->key, "too long");
    safe_text_into(safe, sizeof safe, s, n);
    if (strlen(safe) != n || memcmp(safe, s, n) != 0)
        return bad(e, ERR_SYNTAX, path, m->key, "has characters that hide or steer");
    if (n == 0 && !m->may_be_empty)
        return bad(e, ERR_SYNTAX, path, m->key, "must not be empty");
    memcpy(to, safe, n + 1);
    return true;
}

static bool take_hex(const char *s, size_t digits)
{
    return strlen(s) == digits && strspn(s, "0123456789abcdef") == digits;
}

static bool take_member(const struct json_t *obj, const struct member *m, void *base, const char *path, struct err *e)
{
    char *p = (char *)base + m->at;
    char word[24] = "";
    struct member text = {m->key, M_TEXT, 0, sizeof word, false};
    switch (m->type) {
    case M_TEXT:
        return take_text(obj, m, p, path, e);
    case M_LEAF:
        if (!take_text(obj, m, p, path, e))
            return false;
        return *p == '\0' || take_hex(p, 64) || bad(e, ERR_SYNTAX, path, m->key, "expected 64 hexadecimal digits");
    case M_TIME:
    case M_NUM: {
        int64_t n = 0;
        if (!json_int(obj, m->key, &n))
            return bad(e, ERR_SYNTAX, path, m->key, "expected a whole number");
        if (n < (m->type == M_TIME) || n > INT_MAX_JSON)
            return bad(e, ERR_RANGE, path, m->key, "out of range");
        memcpy(p, &n, sizeof n);
        return true;
    }
    case M_KIND:
        if (!take_text(obj, &text, word, path, e))
            return false;
        for (size_t i = 0; i < N_KINDS; i++)
            if (strcmp(word, kind_words[i]) == 0) {
                enum actor_kind kind = (enum actor_kind)i;
                memcpy(p, &kind, sizeof kind);
                return true;
            }
        return bad(e, ERR_SYNTAX, path, m->key, "expected person, script or rule");
    case M_CORR: {
        uint64_t corr = 0;
        if (!take_text(obj, &text, word, path, e))
            return false;
        if (!take_hex(word, 16))
            return bad(e, ERR_SYNTAX, path, m->key, "expected 16 hexadecimal digits");
        for (const char *c = word; *c; c++)
            corr = corr << 4 | (uint64_t)(*c <= '9' ? *c - '0' : *c - 'a' + 10);
        memcpy(p, &corr, sizeof corr);
        return corr != 0 || bad(e, ERR_RANGE, path, m->key, "must not be 0");
    }
    }
    return false;
}

static bool take_side(const struct json_t *side, struct halt_note_side *s, const char *path, struct err *e)
{
    for (size_t i = 0; i < N_SIDE; i++)
        if (!take_member(side, &side_members[i], s, path, e))
            return false;
    return true;
}

static bool take(const struct json_t *doc, struct halt_note *n, struct err *e)
{
    int64_t v;
    if (!json_is_obj(doc) || !json_int(doc, "v", &v))
        return err_set(e, ERR_SYNTAX, "", WHAT ": expected an object with a version");
    if (v != HALT_NOTE_V)
        return err_set(e, ERR_UNSUPPORTED, "A newer andon wrote it: look there, or update this one.",
                       WHAT ": version %" PRId64 " is not known here", v);
    for (size_t i = 0; i < N_NOTE; i++)
        if (!take_member(doc, &note_members[i], n, "", e))
            return false;
    if (!take_side(json_get(doc, "halted"), &n->halted, "halted.", e))
        return false;
    const struct json_t *ack = json_get(doc, "ack");
    if (!ack)
        return true;
    if (!take_side(ack, &n->ack, "ack.", e))
        return false;
    if (n->ack.corr != n->halted.corr)
        return bad(e, ERR_SYNTAX, "ack.", "corr", "is of another halt");
    n->acked = true;
    return true;
}

bool halt_note_decode(const char *bytes, size_t len, struct halt_note *n, struct err *e)
{
    memset(n, 0, sizeof *n);
    struct json_t *doc = json_parse(bytes, len, HALT_NOTE_TEXT_MAX, WHAT, e);
    bool ok = doc && take(doc, n, e);
    json_free(doc);
    if (!ok)
        memset(n, 0, sizeof *n);
    return ok;
}

/* ---- whose ---- */

/* Equal as far as it goes into a note. */
static bool same(const char *noted, size_t size, const char *own)
{
    char clipped[256];
    safe_text_into(clipped, size < sizeof clipped ? size : sizeof clipped, own, strlen(own));
    return *noted == '\0' || *own == '\0' || strcmp(noted, clipped) == 0;
}

bool halt_note_is_of(const struct halt_note *n, const char *fleet, const struct rollout *r)
{
    char release[2 * NAME_MAX_BYTES];
    snprintf(release, sizeof release, "%s:%s", r->release.name, r->release.version);
    if (strcmp(n->fleet, fleet) != 0 || strcmp(n->rollout, r->id) != 0)
        return false;
    if (n->created_at && r->created_at && n->created_at != r->created_at)
        return false;
    return same(n->name, sizeof n->name, r->name) &&
           (*r->release.version == '\0' || same(n->release, sizeof n->release, release));
}
