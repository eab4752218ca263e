/* The notes of halts and roll backs: a table of the members of each, written and read by the same rows. */
#include "core/halt_note.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "core/json.h"
#include "core/text.h"

#define INT_MAX_JSON (INT64_C(1) << 53) /* numbers of RFC 8785 are doubles */
#define WHAT         "note on the server"

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
/* "started" stands after them. */
static const struct member back_members[] = {
    MEMBER(rollback_note, "created_at", created_at, M_NUM, true),
    MEMBER(rollback_note, "name", name, M_TEXT, true),
    MEMBER(rollback_note, "of", of, M_TEXT, false),
    MEMBER(rollback_note, "release", release, M_TEXT, true),
    MEMBER(rollback_note, "rollout", rollout, M_TEXT, false),
};
#define N_SIDE (sizeof side_members / sizeof *side_members)
#define N_NOTE (sizeof note_members / sizeof *note_members)
#define N_BACK (sizeof back_members / sizeof *back_members)

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

static bool put_halt(struct json_w *w, const void *note, struct err *e)
{
    const struct halt_note *n = note;
    if (n->acked && !put_side(w, "ack", &n->ack, "ack.", e))
        return false;
    for (size_t i = 0; i < N_NOTE; i++) {
        if (i == 2 && !put_side(w, "halted", &n->halted, "halted.", e))
            return false;
        if (!put_member(w, &note_members[i], n, "", e))
            return false;
    }
    return true;
}

static bool put_back(struct json_w *w, const void *note, struct err *e)
{
    const struct rollback_note *n = note;
    for (size_t i = 0; i < N_BACK; i++)
        if (!put_member(w, &back_members[i], n, "", e))
            return false;
    return put_side(w, "started", &n->started, "started.", e);
}

static bool encode(const void *note, bool (*put)(struct json_w *w, const void *note, struct err *e), struct buf *out,
                   struct err *e)
{
    struct buf b;
    struct json_w w;
    buf_init(&b, HALT_NOTE_TEXT_MAX);
    json_w_init(&w, &b, 0);
    json_w_obj(&w);
    bool ok = put(&w, note, e);
    json_w_kint(&w, "v", HALT_NOTE_V);
    json_w_obj_end(&w);
    if (ok && (b.over || !buf_add(out, b.data, b.len)))
        ok = err_set(e, ERR_LIMIT, "", WHAT ": longer than %d bytes", HALT_NOTE_TEXT_MAX);
    buf_release(&b);
    return ok;
}

bool halt_note_encode(const struct halt_note *n, struct buf *out, struct err *e)
{
    return encode(n, put_halt, out, e);
}

bool rollback_note_encode(const struct rollback_note *n, struct buf *out, struct err *e)
{
    return encode(n, put_back, out, e);
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

static bool take_version(const struct json_t *doc, struct err *e)
{
    int64_t v;
    if (!json_is_obj(doc) || !json_int(doc, "v", &v))
        return err_set(e, ERR_SYNTAX, "", WHAT ": expected an object with a version");
    return v == HALT_NOTE_V || err_set(e, ERR_UNSUPPORTED, "A newer andon wrote it: look there, or update this one.",
                                       WHAT ": version %" PRId64 " is not known here", v);
}

static bool take_halt(const struct json_t *doc, void *note, struct err *e)
{
    struct halt_note *n = note;
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

static bool take_back(const struct json_t *doc, void *note, struct err *e)
{
    struct rollback_note *n = note;
    for (size_t i = 0; i < N_BACK; i++)
        if (!take_member(doc, &back_members[i], n, "", e))
            return false;
    return take_side(json_get(doc, "started"), &n->started, "started.", e);
}

static bool decode(const char *bytes, size_t len, void *note, size_t size,
                   bool (*take)(const struct json_t *doc, void *note, struct err *e), struct err *e)
{
    memset(note, 0, size);
    struct json_t *doc = json_parse(bytes, len, HALT_NOTE_TEXT_MAX, WHAT, e);
    bool ok = doc && take_version(doc, e) && take(doc, note, e);
    json_free(doc);
    if (!ok)
        memset(note, 0, size);
    return ok;
}

bool halt_note_decode(const char *bytes, size_t len, struct halt_note *n, struct err *e)
{
    return decode(bytes, len, n, sizeof *n, take_halt, e);
}

bool rollback_note_decode(const char *bytes, size_t len, struct rollback_note *n, struct err *e)
{
    return decode(bytes, len, n, sizeof *n, take_back, e);
}

/* ---- whose ---- */

/* The rollout's texts as far as they go into a note. */
static enum identity_answer about(struct identity_mark *mark, const struct rollout_identity *now)
{
    struct rollout_identity as_noted = *now;
    char name[sizeof((struct halt_note *)0)->name], release[sizeof((struct halt_note *)0)->release];
    safe_text_into(name, sizeof name, now->name, strlen(now->name));
    safe_text_into(release, sizeof release, now->release, strlen(now->release));
    as_noted.name = name;
    as_noted.release = release;
    mark->who.fleet = now->fleet;
    return identity_about(mark, &as_noted);
}

enum identity_answer halt_note_about(const struct halt_note *n, const struct rollout_identity *now)
{
    struct identity_mark mark = {
        {.id = n->rollout, .created_at = n->created_at, .name = n->name, .release = n->release}, n->halted.t};
    return about(&mark, now);
}

enum identity_answer rollback_note_about(const struct rollback_note *n, const struct rollout_identity *now)
{
    struct identity_mark mark = {
        {.id = n->rollout, .created_at = n->created_at, .name = n->name, .release = n->release}, n->started.t};
    return about(&mark, now);
}

/* ---- boards ---- */

static struct slice line_of(struct slice s)
{
    const char *nl = s.n ? memchr(s.p, '\n', s.n) : NULL;
    return (struct slice){s.p, nl ? (size_t)(nl - s.p) + 1 : s.n};
}

static struct slice past(struct slice s, struct slice line)
{
    return (struct slice){s.p + line.n, s.n - line.n};
}

bool halt_note_next(struct slice *board, struct slice *text, struct slice *lines)
{
    struct slice one;
    while (board->n > 0 && board->p[0] != '{')
        *board = past(*board, line_of(*board));
    if (board->n == 0)
        return false;
    *text = line_of(*board);
    *board = past(*board, *text);
    *lines = (struct slice){board->p, 0};
    for (; board->n > 0 && board->p[0] != '{'; *board = past(*board, one)) {
        one = line_of(*board);
        lines->n += one.n;
    }
    return true;
}

void rollback_named(const char *name, char of[ID_MAX])
{
    static const char head[] = "andon-rb-";
    of[0] = '\0';
    if (strncmp(name, head, sizeof head - 1) != 0)
        return;
    const char *id = name + sizeof head - 1, *dash = strrchr(id, '-');
    size_t n = dash ? (size_t)(dash - id) : 0, digits = dash ? strspn(dash + 1, "0123456789") : 0;
    if (n == 0 || n >= ID_MAX || digits == 0 || digits > 6 || dash[1 + digits] != '\0')
        return;
    for (size_t i = 0; i < n; i++)
        if (id[i] <= ' ' || id[i] > '~')
            return;
    memcpy(of, id, n);
    of[n] = '\0';
}
