#include "audit/witness_files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/cosign.h"
#include "audit/heir.h"
#include "audit/place.h"
#include "audit/witness.h"
#include "core/fmt.h"
#include "core/text.h"

#define FORKS_MAX 64 /* files of one log: whoever has its key could make any number of them */
#define FORK_FILE ((size_t)96 << 10)

bool witness_path(const char *folder, const char *name, char out[PATH_MAX], struct err *e)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return (n > 0 && n < PATH_MAX) || err_set(e, ERR_LIMIT, "", "witness: the folder's name is too long");
}

bool witness_file(const char *folder, const char *hash, const char *tail, char out[PATH_MAX], struct err *e)
{
    char name[160];
    snprintf(name, sizeof name, "%.64s%s", hash, tail);
    return witness_path(folder, name, out, e);
}

/* The verifier key of the folder: the name that it was made with, whatever the host is called today. */
static bool own_vkey(const char *folder, const char *name, const struct key *k, char vkey[VKEY_MAX], struct err *e)
{
    char path[PATH_MAX];
    uint8_t pub[KEY_PUBLIC_LEN];
    struct err why = {0};
    struct note_key own;
    struct buf text;
    if (!witness_path(folder, "vkey", path, e))
        return false;
    key_public(k, pub);
    buf_init(&text, VKEY_MAX);
    bool ok = place_read(path, VKEY_MAX, &text, &why);
    if (ok) {
        while (text.len > 0 && text.data[text.len - 1] == '\n')
            text.data[--text.len] = '\0';
        ok = note_key_parse_as(&own, ALG_COSIGN, text.data, NULL) && memcmp(own.pub, pub, KEY_PUBLIC_LEN) == 0;
        if (!ok)
            err_set(&why, ERR_TAMPERED, "put the file back", "witness %.200s: vkey is not that of its key", folder);
    } else if (why.code == ERR_NOT_FOUND) {
        ok = note_key_init_as(&own, ALG_COSIGN, name, pub, &why);
        buf_clear(&text);
        buf_printf(&text, "%s\n", own.vkey);
        ok = ok && place_replace(path, text.data, text.len, 0600, &why);
    }
    buf_release(&text);
    if (ok)
        memcpy(vkey, own.vkey, VKEY_MAX);
    else if (e)
        *e = why;
    return ok;
}

bool witness_own_key(const char *folder, const char *name, struct key **key, char vkey[VKEY_MAX], struct err *e)
{
    char path[PATH_MAX];
    struct err why = {0};
    if (!witness_path(folder, "key", path, e))
        return false;
    *key = key_load(path, &why);
    if (!*key && why.code == ERR_NOT_FOUND && (key_create(path, &why) || why.code == ERR_CONFLICT))
        *key = key_load(path, &why);
    if (*key)
        return own_vkey(folder, name, *key, vkey, e);
    if (e)
        *e = why;
    return false;
}

static bool is_fork(const char *name)
{
    return strncmp(name, "fork-", 5) == 0;
}

static size_t count_forks(const char *folder, const char *hash)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *f; d && (f = readdir(d));)
        n += is_fork(f->d_name) && strncmp(f->d_name + 5, hash, 16) == 0;
    if (d)
        closedir(d);
    return n;
}

bool witness_keep_fork(const char *folder, const char *hash, const char *what, struct slice held, struct slice request,
                       int64_t t, struct err *e)
{
    char path[PATH_MAX], name[64], digest[SHA256_HEX], at[FMT_MAX];
    struct slice body, lines, note = request;
    struct checkpoint c;
    const char *gap = memmem(request.p, request.n, "\n\n", 2);
    if (gap) /* by the head alone: the same one with another proof is no news */
        note = (struct slice){gap + 2, request.n - (size_t)(gap + 2 - request.p)};
    if (!note_split(note.p, note.n, &c, &body, &lines))
        body = note;
    sha256_hex(body.p, body.n, digest);
    snprintf(name, sizeof name, "fork-%.16s-%.16s.txt", hash, digest);
    if (!witness_path(folder, name, path, e))
        return false;
    if (access(path, F_OK) == 0 || count_forks(folder, hash) >= FORKS_MAX)
        return false;
    struct buf text;
    buf_init(&text, FORK_FILE);
    buf_printf(&text, "%s\nat %s\n\n--- cosigned before\n%.*s\n--- refused, as it was sent\n%.*s", what, fmt_iso(at, t),
               (int)held.n, held.p ? held.p : "", (int)request.n, request.p);
    bool ok = place_replace(path, text.data, text.len, 0600, e);
    buf_release(&text);
    return ok;
}

/* --- looking --- */

/* The keys that are configured, and those that were taken over. */
struct known_keys {
    struct note_key *v;
    size_t n;
};

static void add_key(struct known_keys *k, const struct note_key *key)
{
    k->v = xreallocarray(k->v, k->n + 1, sizeof *k->v);
    k->v[k->n++] = *key;
}

static bool is_known(const void *ctx, const struct note_key *k)
{
    const struct known_keys *all = ctx;
    bool is = false;
    for (size_t i = 0; i < all->n && !is; i++)
        is = strcmp(all->v[i].vkey, k->vkey) == 0;
    return is;
}

static void follow(const struct witness_spec *spec, struct known_keys *k, size_t i)
{
    char path[PATH_MAX], hash[SHA256_HEX];
    const char *why;
    struct checkpoint held;
    struct note_key next;
    struct buf note, text;
    buf_init(&note, 2 * (size_t)NOTE_MAX);
    buf_init(&text, HEIR_MAX);
    sha256_hex(k->v[i].name, strlen(k->v[i].name), hash);
    if (witness_file(spec->folder, hash, ".checkpoint", path, NULL) &&
        place_read(path, 2 * (size_t)NOTE_MAX, &note, NULL) && note_peek(note.data, note.len, &held) &&
        witness_file(spec->folder, hash, ".next", path, NULL) && place_read(path, HEIR_MAX, &text, NULL) &&
        heir_judge((struct slice){text.data, text.len}, &held, is_known, k, &next, &why) == 200 && !is_known(k, &next))
        add_key(k, &next);
    buf_release(&note);
    buf_release(&text);
}

static void know(const struct witness_spec *spec, struct known_keys *k)
{
    struct note_key key;
    for (size_t i = 0; i < spec->n_logs; i++)
        if (note_key_parse(&key, spec->logs[i], NULL))
            add_key(k, &key);
    for (size_t i = 0; spec->follow && i < k->n; i++) /* what is added on the way, too */
        follow(spec, k, i);
}

/* Is it signed by one of the keys that are known of its log? */
static bool log_signed(const struct known_keys *keys, const struct buf *note, const char *origin, bool *known)
{
    bool is = false;
    *known = false;
    for (size_t i = 0; i < keys->n && !is; i++) {
        const struct note_key *k = &keys->v[i];
        struct checkpoint c;
        struct verifier *v = NULL;
        if (strcmp(k->name, origin) != 0)
            continue;
        *known = true;
        is = (v = verifier_new(k->pub, NULL)) != NULL && note_open(note->data, note->len, k, v, &c, NULL);
        verifier_free(v);
    }
    return is;
}

static void look_at(const char *path, const struct known_keys *keys, const struct cosigner *self, witness_seen_fn *seen,
                    void *ctx)
{
    struct buf note;
    struct checkpoint c;
    struct slice body, lines;
    int64_t t = 0;
    bool known;
    char origin[3 * ORIGIN_MAX];
    buf_init(&note, 2 * (size_t)NOTE_MAX);
    struct witness_seen s = {.origin = "", .root = ""};
    if (place_read(path, 2 * (size_t)NOTE_MAX, &note, NULL) && note_split(note.data, note.len, &c, &body, &lines)) {
        safe_text_into(origin, sizeof origin, c.origin, strnlen(c.origin, sizeof c.origin));
        s.origin = origin;
        s.size = (int64_t)c.size;
        hex_encode(s.root, c.root, HASH_LEN);
        s.whole = self && cosign_check(self, body, lines, NULL, &t);
        s.t = t * 1000000;
        bool is = log_signed(keys, &note, c.origin, &known);
        s.log = is ? LOG_SIGNED : known ? LOG_UNSIGNED : LOG_UNKNOWN;
    }
    seen(ctx, &s);
    buf_release(&note);
}

static void look_at_fork(const char *path, witness_fork_fn *fork, void *ctx)
{
    struct buf text;
    char line[400] = "it cannot be read";
    buf_init(&text, FORK_FILE);
    if (place_read(path, FORK_FILE, &text, NULL)) {
        const char *nl = memchr(text.data, '\n', text.len);
        safe_text_into(line, sizeof line, text.data, nl ? (size_t)(nl - text.data) : 0);
    }
    fork(ctx, path, line);
    buf_release(&text);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

bool witness_list(const struct witness_spec *spec, witness_seen_fn *seen, witness_fork_fn *fork, void *ctx,
                  struct err *e)
{
    const char *folder = spec->folder;
    struct dirent **names = NULL;
    char path[PATH_MAX];
    struct cosigner self = {0};
    struct known_keys keys = {NULL, 0};
    struct buf vkey;
    int n = scandir(folder, &names, NULL, by_name);
    if (n < 0)
        return err_errno(e, ERR_NOT_FOUND, "`andon witness` makes it", "witness %.200s: cannot look into it", folder);
    buf_init(&vkey, VKEY_MAX);
    bool known = witness_path(folder, "vkey", path, NULL) && place_read(path, VKEY_MAX, &vkey, NULL) && vkey.len > 0;
    if (known) {
        vkey.data[vkey.len - (vkey.data[vkey.len - 1] == '\n')] = '\0';
        known = cosigner_open(&self, vkey.data, NULL);
    }
    know(spec, &keys);
    for (int i = 0; i < n; i++) {
        const char *tail = strchr(names[i]->d_name, '.');
        if (!witness_path(folder, names[i]->d_name, path, NULL))
            continue;
        if (tail && strcmp(tail, ".checkpoint") == 0)
            look_at(path, &keys, known ? &self : NULL, seen, ctx);
        else if (is_fork(names[i]->d_name) && tail && strcmp(tail, ".txt") == 0)
            look_at_fork(path, fork, ctx);
    }
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
    buf_release(&vkey);
    free(keys.v);
    cosigner_close(&self);
    return true;
}
