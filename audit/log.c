#include "audit/log.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/host.h"
#include "audit/place.h"
#include "audit/spool.h"

static bool sign_with_key(void *ctx, const void *msg, size_t n, uint8_t sig[KEY_SIG_LEN], struct err *e)
{
    struct audit_log *l = ctx;
    return key_sign(l->key, msg, n, sig, e);
}

/* --- opening ------------------------------------------------------------------------------------------------- */

/* The private key, made when there is none and `make` says so; *made tells. */
static bool take_key(struct audit_log *l, bool make, bool *made, struct err *e)
{
    struct err why = {0};
    *made = false;
    l->key = key_load(l->key_path, &why);
    if (!l->key && why.code == ERR_NOT_FOUND && make) {
        *made = key_create(l->key_path, &why);
        if (*made || why.code == ERR_CONFLICT) /* another process was quicker: its key is as good */
            l->key = key_load(l->key_path, &why);
    }
    if (!l->key) {
        if (e)
            *e = why;
        return false;
    }
    l->sign = sign_with_key;
    l->sign_ctx = l;
    return true;
}

static bool take_name(struct audit_log *l, struct err *e)
{
    uint8_t pub[KEY_PUBLIC_LEN];
    key_public(l->key, pub);
    return note_key_init(&l->name, l->origin, pub, e) && (l->verifier = verifier_new(l->name.pub, e)) != NULL;
}

static bool write_genesis(struct audit_log *l, struct store *s, bool new_key, struct err *e)
{
    struct store_head h = {0};
    struct entry en;
    entry_init(&en, ENTRY_GENESIS);
    en.t = clock_wall(l->clock);
    en.mono = clock_now(l->clock);
    en.actor = (struct actor){.kind = ACTOR_SCRIPT, .name = "andon"};
    entry_str(&en, "origin", l->name.name);
    entry_str(&en, "vkey", l->name.vkey);
    /* A key without a log is worth a word: either the log is new on purpose, or somebody removed the old one. */
    entry_str(&en, "key", new_key ? "new" : "was-there");
    if (!store_begin(s, true, e))
        return false;
    tree_init(&h.tree);
    if (!book_write(l, s, &h, &en, NULL, e)) {
        store_rollback(s);
        return false;
    }
    return store_commit(s, e);
}

/* SQLite's files beside a new log that came to nothing. */
static void unlink_side(const char *path, const char *tail)
{
    struct buf name;
    buf_init(&name, PATH_MAX + 8);
    buf_printf(&name, "%s%s", path, tail);
    unlink(name.data);
    buf_release(&name);
}

/* A new log appears under its name complete, with its genesis entry: a crash leaves no half-made one behind, which
 * could not be told from an emptied one. */
static bool create_log(struct audit_log *l, struct err *e)
{
    bool made = false;
    char *temp = NULL;
    if (!place_prepare(l->db_path, e) || !take_key(l, true, &made, e) || !take_name(l, e))
        return false;
    int fd = place_temp(l->db_path, 0600, &temp, e);
    if (fd < 0)
        return false;
    close(fd);
    struct store *s = store_create(temp, e);
    bool ok = s && write_genesis(l, s, made, e) && store_flush(s, e); /* the -wal does not come along */
    store_close(s);
    unlink_side(temp, "-wal");
    unlink_side(temp, "-shm");
    if (ok) {
        struct err why = {0};
        ok = place_publish(temp, l->db_path, &why) || why.code == ERR_CONFLICT; /* another process made it: use that */
        if (!ok && e)
            *e = why;
    } else {
        unlink(temp);
    }
    free(temp);
    return ok;
}

bool book_leaf_key(const char *line, size_t n, struct note_key *out, struct err *e)
{
    struct leaf l;
    struct member m;
    char vkey[VKEY_MAX];
    if (leaf_scan(line, n, &l) && leaf_is(l.kind, "genesis")) {
        for (size_t at = 0; leaf_member(l.fields, &at, &m);) {
            if (leaf_is(m.key, "vkey") && m.value.n < sizeof vkey) {
                memcpy(vkey, m.value.p, m.value.n);
                vkey[m.value.n] = '\0';
                if (note_key_parse(out, vkey, NULL))
                    return true;
            }
        }
    }
    return err_set(e, ERR_TAMPERED, "", "audit log: the first entry does not name the log's key");
}

struct genesis {
    struct note_key *key;
    bool ok;
};

static bool on_genesis(void *ctx, const struct store_row *row)
{
    struct genesis *g = ctx;
    g->ok = book_leaf_key(row->leaf, row->leaf_n, g->key, NULL);
    return false;
}

/* The verifier key that the genesis entry names. ERR_TAMPERED when there is none. */
static bool book_genesis_key(struct store *s, struct note_key *out, struct err *e)
{
    struct genesis g = {out, false};
    if (!store_rows(s, 1, 1, false, on_genesis, &g, e))
        return false;
    return g.ok ? true
                : err_set(e, ERR_TAMPERED, "", "audit log: the first entry is missing or does not name the log's key");
}

/* Is the opened file the log that this handle is for? */
static bool check_log(struct audit_log *l, struct store_head *h, struct err *e)
{
    struct note_key born;
    if (!book_genesis_key(l->store, &born, e))
        return false;
    if (!l->read_only && l->origin[0] && strcmp(born.name, l->origin) != 0)
        return err_set(e, ERR_CONFLICT, "give each log its own file", "audit log %.150s: it is the log of \"%.100s\"",
                       l->db_path, born.name);
    if (l->key && memcmp(born.pub, l->name.pub, KEY_PUBLIC_LEN) != 0)
        return err_set(e, ERR_AUTH, "put the log's own key back", "audit log %.150s: %.100s is not its key", l->db_path,
                       l->key_path);
    if (!l->verifier) {
        l->name = born;
        if (!(l->verifier = verifier_new(born.pub, e)))
            return false;
    }
    return store_head(l->store, h, e) && book_head_ok(l->store, h, &l->name, l->verifier, e);
}

static bool open_log(struct audit_log *l, struct err *e)
{
    struct err why = {0};
    bool made;
    l->store = store_open(l->db_path, l->read_only, &why);
    if (!l->store && why.code == ERR_NOT_FOUND && !l->read_only && create_log(l, &why))
        l->store = store_open(l->db_path, false, &why);
    if (!l->store) {
        if (e)
            *e = why;
        return false;
    }
    if (!l->read_only && !l->key && (!take_key(l, false, &made, e) || !take_name(l, e)))
        return false;
    if (!store_begin(l->store, false, e))
        return false;
    bool ok = check_log(l, &l->last, e);
    store_rollback(l->store);
    return ok;
}

struct audit_log *audit_open(const struct audit_spec *spec, struct err *e)
{
    struct audit_log *l = xcalloc(1, sizeof *l);
    l->db_path = xstrdup(spec->db_path);
    l->key_path = xstrdup(spec->key_path ? spec->key_path : "");
    l->origin = xstrdup(spec->origin ? spec->origin : "");
    l->read_only = spec->read_only;
    l->clock = spec->clock ? spec->clock : clock_real();
    l->pid = getpid();
    buf_init(&l->host, ENTRY_MAX);
    if (!l->read_only)
        host_facts(&l->host);
    if (!open_log(l, e)) {
        audit_close(l);
        return NULL;
    }
    l->spool = spool_place_new(spec); /* now that its folder is there */
    if (!l->read_only)
        (void)!audit_take_in(l, &l->intake); /* what stays is told by audit_taken_in and is no reason not to open */
    return l;
}

void audit_close(struct audit_log *l)
{
    if (!l)
        return;
    store_close(l->store);
    key_free(l->key);
    verifier_free(l->verifier);
    buf_release(&l->host);
    spool_place_free(l->spool);
    free(l->db_path);
    free(l->key_path);
    free(l->origin);
    free(l);
}

/* --- use ----------------------------------------------------------------------------------------------------- */

/* Opens the file anew. The head that was seen before stays the measure: a log that fell back is refused. */
static bool reopen(struct audit_log *l, struct err *e)
{
    struct store_head h;
    int64_t bad = 0;
    store_close(l->store);
    l->store = store_open(l->db_path, l->read_only, e);
    if (!l->store)
        return false;
    bool ok = store_begin(l->store, false, e);
    if (ok) {
        ok = check_log(l, &h, e) && book_head(l, &h, e) && book_tail_ok(l->store, &h, TAIL_ENTRIES, &bad, e);
        store_rollback(l->store);
    }
    if (!ok) {
        store_close(l->store);
        l->store = NULL;
    }
    return ok;
}

/* Makes ready: refuses a forked handle, and opens a suspect file anew. */
bool book_ready(struct audit_log *l, struct err *e)
{
    if (l->pid != getpid())
        return err_set(e, ERR_INTERNAL, "", "audit log: a handle was taken across a fork");
    return (l->store && !store_suspect(l->store)) || reopen(l, e);
}

bool book_read(struct audit_log *l, book_read_fn *fn, void *ctx, struct err *e)
{
    if (!book_ready(l, e))
        return false;
    for (int tries = 0; tries < 5; tries++) {
        if (!store_begin(l->store, false, e))
            return false;
        bool ok = fn(l, ctx, e);
        store_rollback(l->store);
        if (!store_changed(l->store))
            return ok;
        if (!reopen(l, e))
            return false;
    }
    return err_set(e, ERR_TIMEOUT, "try again", "audit log %.200s: it keeps changing", l->db_path);
}

struct get_blob {
    uint8_t digest[HASH_LEN];
    struct buf *out;
    size_t start;
};

static bool get_blob(struct audit_log *l, void *ctx, struct err *e)
{
    struct get_blob *g = ctx;
    uint8_t now[HASH_LEN];
    g->out->len = g->start;
    g->out->data[g->start] = '\0';
    if (!store_get_blob(l->store, g->digest, g->out, e))
        return false;
    sha256_bytes(g->out->data + g->start, g->out->len - g->start, now);
    if (memcmp(now, g->digest, HASH_LEN) != 0)
        return err_set(e, ERR_TAMPERED, "run `andon audit verify`", "audit log %.200s: a blob was changed", l->db_path);
    return true;
}

bool audit_get_blob(struct audit_log *l, const char *digest, struct buf *out, struct err *e)
{
    struct get_blob g = {.out = out, .start = out->len};
    if (!tree_hash_parse(digest, strlen(digest), g.digest))
        return err_set(e, ERR_SYNTAX, "", "audit log: not the name of a blob (64 hexadecimal digits)");
    return book_read(l, get_blob, &g, e);
}

struct newest {
    int64_t t;
};

static bool on_newest(void *ctx, const struct store_row *row)
{
    struct leaf l;
    struct newest *n = ctx;
    if (leaf_scan(row->leaf, row->leaf_n, &l))
        n->t = l.t;
    return false;
}

static bool head(struct audit_log *l, void *ctx, struct err *e)
{
    struct audit_head *out = ctx;
    struct store_head h;
    struct newest n = {0};
    uint8_t root[HASH_LEN];
    memset(out, 0, sizeof *out);
    if (!store_head(l->store, &h, e) ||
        !store_rows(l->store, (int64_t)h.tree.size, (int64_t)h.tree.size, false, on_newest, &n, e))
        return false;
    tree_root(&h.tree, root);
    hex_encode(out->root, root, HASH_LEN);
    out->size = (int64_t)h.tree.size;
    out->newest_t = n.t;
    memcpy(out->origin, l->name.name, sizeof l->name.name);
    memcpy(out->key_id, l->name.id_hex, sizeof l->name.id_hex);
    memcpy(out->vkey, l->name.vkey, sizeof l->name.vkey);
    return true;
}

const char *audit_vkey(const struct audit_log *l)
{
    return l->name.vkey;
}

bool audit_sign(struct audit_log *l, const char *json, size_t n, struct buf *out, struct err *e)
{
    uint8_t sig[KEY_SIG_LEN];
    struct buf text;
    if (!l->sign || l->read_only)
        return err_set(e, ERR_REFUSED, "", "audit log %.200s: it was opened for reading, without its key", l->db_path);
    if (n < 2 || json[0] != '{' || json[n - 1] != '}' || memchr(json, '\n', n))
        return err_set(e, ERR_RANGE, "", "only an object of JSON in one line is signed with a log's key");
    buf_init(&text, n + 2);
    bool ok = buf_add(&text, json, n) && buf_addc(&text, '\n') && l->sign(l->sign_ctx, text.data, text.len, sig, e);
    if (ok) {
        buf_add(out, text.data, text.len);
        note_sign(&l->name, sig, out);
    }
    buf_release(&text);
    return ok;
}

bool audit_head(struct audit_log *l, struct audit_head *out, struct err *e)
{
    return book_read(l, head, out, e);
}
