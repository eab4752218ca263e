/* Notes beside a release: metadata of its distribution set, which every client sees, also while the set is locked and
 * its rollout runs. Measured on 0.3.0M7 and 1.1.0: a value has at most 4,000 characters. On 0.3.0M7: a PUT of a key
 * that is not there is 404, a POST of one that is 409; a set has at most 100 entries; a list gives 50 unless it is
 * asked for more. Reading needs READ_REPOSITORY, writing UPDATE_REPOSITORY. */
#include "client/hawkbit_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/text.h"

#define KEY_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

/* Letters, digits, '.', '_', '-', which a path carries as they are; not "." and "..", which are steps of one. */
static bool key_ok(const char *s, size_t n)
{
    if (n == 0 || n > NOTE_KEY_MAX || s[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!memchr(KEY_CHARS, s[i], sizeof KEY_CHARS - 1))
            return false;
    return true;
}

/* Characters of valid UTF-8 as the server counts them: beyond U+FFFF two each. */
static size_t units(const char *s, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        k += (size_t)((c & 0xc0) != 0x80) + (size_t)(c >= 0xf0);
    }
    return k;
}

static void refused(struct job *j, const struct http_answer *a, const char *what, const char *right)
{
    struct err e = {0};
    hb_error(a, http_peer_name(j->home->peer), what, false, &e);
    if (e.code == ERR_FORBIDDEN) {
        snprintf(e.what, sizeof e.what, "%s: the user of this fleet may not (403)", what);
        snprintf(e.next, sizeof e.next, "give it %s on the server, or halts are not shared with other watchers", right);
    }
    job_fail(j, &e);
}

static bool good(const struct http_answer *a)
{
    return a->status >= 200 && a->status <= 299;
}

/* Not there, in hawkBit's own words: 404 without them is a server without such a call. */
static bool absent(const struct http_answer *a)
{
    struct err e = {0};
    if (a->status == 404)
        hb_error(a, "", "", false, &e);
    return e.code == ERR_NOT_FOUND;
}

/* --- reading --- */

struct shelf { /* one release's */
    const char *release;
    struct note v[NOTES_MAX];
    size_t n;
};

struct reading {
    const char *prefix;
    size_t n_prefix;
    struct shelf *shelf;
    size_t n;
};

/* The four hexadecimal digits of an escape, -1. */
static long code_unit(const char *s, size_t left)
{
    long v = 0;
    for (size_t i = 0; i < 4; i++) {
        char c = i < left ? s[i] : ' ';
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* Another client's text may hold what JSON can write and a strict reader refuses: U+0000, half of a surrogate pair. One
 * such entry must not hide the notes beside it. Backslashes stand in strings only. */
static void mend(char *s, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++) {
        if (s[i] != '\\' || s[++i] != 'u')
            continue;
        long c = code_unit(s + i + 1, n - i - 1), low = -1;
        if (c >= 0xd800 && c < 0xdc00 && n - i > 6 && s[i + 5] == '\\' && s[i + 6] == 'u')
            low = code_unit(s + i + 7, n - i - 7);
        if (low >= 0xdc00 && low < 0xe000) {
            i += 10;
            continue;
        }
        if (c == 0 || (c >= 0xd800 && c < 0xe000))
            memcpy(s + i + 1, (const char[4]){'f', 'f', 'f', 'd'}, 4);
        i += c >= 0 ? 4 : 0;
    }
}

static void take(struct job *j, struct shelf *s, const struct json_t *o)
{
    const struct reading *r = j->state;
    struct note_list *out = j->out;
    size_t nk, nv = 0;
    const char *key = json_str(o, "key", &nk), *value = json_str(o, "value", &nv);
    if (!key || nk < r->n_prefix || memcmp(key, r->prefix, r->n_prefix) != 0)
        return;
    if (s->n == NOTES_MAX || !key_ok(key, nk)) {
        out->left_out++;
        return;
    }
    bool whole = value && units(value, nv) <= NOTE_VALUE_MAX;
    s->v[s->n++] = (struct note){.release_id = s->release,
                                 .key = arena_strndup(j->arena, key, nk),
                                 .value = arena_strndup(j->arena, whole ? value : "", whole ? nv : 0),
                                 .n = whole ? nv : 0,
                                 .whole = whole};
}

static void on_notes(struct job *j, size_t i, const struct http_answer *a, const struct json_t *none)
{
    const struct reading *r = j->state;
    struct err e = {0};
    char what[80];
    (void)none;
    snprintf(what, sizeof what, "GET /rest/v1/distributionsets/%.20s/metadata", r->shelf[i].release);
    if (absent(a))
        return;
    if (!good(a)) {
        refused(j, a, what, "READ_REPOSITORY");
        return;
    }
    char *text = xmalloc(a->body.len + 1);
    memcpy(text, a->body.data, a->body.len + 1);
    mend(text, a->body.len);
    struct json_t *doc = json_parse(text, a->body.len, HB_BODY_MAX, what, &e);
    const struct json_t *content = json_get(doc, "content");
    if (!json_is_arr(content)) {
        if (doc)
            err_set(&e, ERR_PROTOCOL, "", "answer of %s: not a page of a list (content is expected)", what);
        e.code = ERR_PROTOCOL;
        job_fail(j, &e);
    }
    for (size_t k = 0; k < json_len(content); k++)
        take(j, &r->shelf[i], json_at(content, k));
    json_free(doc);
    free(text);
}

static int by_key(const void *pa, const void *pb)
{
    return strcmp(((const struct note *)pa)->key, ((const struct note *)pb)->key);
}

static void all_read(struct job *j)
{
    struct reading *r = j->state;
    struct note_list *out = j->out;
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += r->shelf[i].n;
    out->v = ARENA_ARRAY(j->arena, struct note, n ? n : 1);
    for (size_t i = 0; i < r->n; i++) {
        struct shelf *s = &r->shelf[i];
        qsort(s->v, s->n, sizeof *s->v, by_key);
        memcpy(out->v + out->n, s->v, s->n * sizeof *s->v);
        out->n += s->n;
    }
}

static void add_release(struct job *j, struct reading *r, const char *id)
{
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->shelf[i].release, id) == 0)
            return;
    r->shelf[r->n++].release = arena_strdup(j->arena, id);
}

void hb_notes(struct backend *b, const char *const *release_ids, size_t n, const char *prefix, struct arena *a,
              struct note_list *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct err e = {0};
    *out = (struct note_list){0};
    if (n > NOTE_RELEASES_MAX)
        err_set(&e, ERR_LIMIT, "ask for fewer releases at a time",
                "the notes of %zu releases are too many for one call", n);
    for (size_t i = 0; i < n && e.code == ERR_NONE; i++)
        if (!hb_id_ok(release_ids[i], "release", &e))
            break;
    if (e.code != ERR_NONE) {
        job_refuse(j, &e);
        return;
    }
    struct reading *r = ARENA_NEW(&j->scratch, struct reading);
    r->prefix = arena_strdup(&j->scratch, prefix);
    r->n_prefix = strlen(prefix);
    r->shelf = ARENA_ARRAY(&j->scratch, struct shelf, n ? n : 1);
    j->state = r;
    j->next = all_read;
    for (size_t i = 0; i < n; i++)
        add_release(j, r, release_ids[i]);
    for (size_t i = 0; i < r->n; i++)
        job_send(j, "GET", job_path(j, "/rest/v1/distributionsets/%s/metadata?limit=%d", r->shelf[i].release, HB_PAGE),
                 NULL, HTTP_SAFE, PART_ANY_STATUS, on_notes, i);
    if (r->n == 0)
        job_idle(j);
}

/* --- writing --- */

enum put_step { PUT_REPLACE, PUT_NEW, PUT_AGAIN };

struct writing {
    const char *release, *key, *value;
};

static void on_put(struct job *j, size_t step, const struct http_answer *a, const struct json_t *none);

static void put(struct job *j, enum put_step step)
{
    const struct writing *w = j->state;
    bool create = step == PUT_NEW;
    struct buf body;
    struct json_w out;
    buf_init(&body, 8 * NOTE_VALUE_MAX + 1024);
    json_w_init(&out, &body, 0);
    if (create)
        json_w_arr(&out);
    json_w_obj(&out);
    if (create)
        json_w_kstr(&out, "key", w->key);
    json_w_kstr(&out, "value", w->value);
    json_w_obj_end(&out);
    if (create)
        json_w_arr_end(&out);
    const char *path =
        job_path(j, "/rest/v1/distributionsets/%s/metadata%s%s", w->release, create ? "" : "/", create ? "" : w->key);
    job_send(j, create ? "POST" : "PUT", path, body.data, HTTP_SAFE, PART_VERB | PART_ANY_STATUS, on_put, step);
    buf_release(&body);
}

static void on_put(struct job *j, size_t step, const struct http_answer *a, const struct json_t *none)
{
    const struct writing *w = j->state;
    char what[80];
    (void)none;
    if (good(a))
        return;
    if (step == PUT_REPLACE && absent(a)) {
        put(j, PUT_NEW);
    } else if (step == PUT_NEW && a->status == 409) {
        put(j, PUT_AGAIN); /* somebody else was faster, or a repeated request was not the first */
    } else {
        snprintf(what, sizeof what, "writing a note beside release %.20s", w->release);
        refused(j, a, what, "UPDATE_REPOSITORY");
    }
}

static bool put_ok(const char *release, const char *key, const char *value, size_t n, struct err *e)
{
    if (!hb_id_ok(release, "release", e))
        return false;
    if (!key_ok(key, strlen(key)))
        return err_set(e, ERR_RANGE, "", "a note's key has 1 to %d letters, digits, '.', '_' and '-', and no '.' first",
                       NOTE_KEY_MAX);
    if (n > 4 * (size_t)NOTE_VALUE_MAX || units(value, n) > NOTE_VALUE_MAX)
        return err_set(e, ERR_LIMIT, "", "a note has at most %d characters", NOTE_VALUE_MAX);
    if (memchr(value, '\0', n) || !text_valid(value, n))
        return err_set(e, ERR_RANGE, "", "a note is UTF-8 text without NUL");
    return true;
}

void hb_note_put(struct backend *b, const char *release_id, const char *key, const char *value, size_t n,
                 backend_done done, void *ctx)
{
    struct job *j = job_begin(b, NULL, NULL, done, ctx);
    struct err e = {0};
    if (!put_ok(release_id, key, value, n, &e)) {
        job_refuse(j, &e);
        return;
    }
    struct writing *w = ARENA_NEW(&j->scratch, struct writing);
    *w = (struct writing){arena_strdup(&j->scratch, release_id), arena_strdup(&j->scratch, key),
                          arena_strndup(&j->scratch, value, n)};
    j->state = w;
    put(j, PUT_REPLACE);
}

static void on_deleted(struct job *j, size_t i, const struct http_answer *a, const struct json_t *none)
{
    (void)i;
    (void)none;
    if (!good(a) && !absent(a))
        refused(j, a, "removing a note", "UPDATE_REPOSITORY");
}

void hb_note_delete(struct backend *b, const char *release_id, const char *key, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, NULL, NULL, done, ctx);
    struct err e = {0};
    if (!put_ok(release_id, key, "", 0, &e)) {
        job_refuse(j, &e);
        return;
    }
    job_send(j, "DELETE", job_path(j, "/rest/v1/distributionsets/%s/metadata/%s", release_id, key), NULL, HTTP_SAFE,
             PART_VERB | PART_ANY_STATUS, on_deleted, 0);
}
