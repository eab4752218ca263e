#include "audit/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/far.h"
#include "audit/host.h"
#include "audit/place.h"
#include "audit/seen.h"
#include "audit/spool.h"
#include "core/fmt.h"

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
    book_sign_with_key(l);
    return true;
}

void book_sign_with_key(struct audit_log *l)
{
    l->sign = sign_with_key;
    l->sign_ctx = l;
}

/* What the log will be called, which is for ever. */
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
    en.mono = clock_boot(l->clock);
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

void book_unlink_side(const char *path)
{
    static const char *const tails[] = {"-wal", "-shm"};
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        struct buf name;
        buf_init(&name, PATH_MAX + 8);
        buf_printf(&name, "%s%s", path, tails[i]);
        unlink(name.data);
        buf_release(&name);
    }
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
    book_unlink_side(temp);
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

bool audit_gone(const struct audit_spec *spec, struct err *e)
{
    struct spool_place *p = !spec->socket && access(spec->db_path, F_OK) != 0 ? spool_place_new(spec) : NULL;
    struct seen s;
    char t[FMT_MAX];
    bool gone = seen_read(p, &s);
    if (gone)
        err_set(e, ERR_TAMPERED,
                "put it back; where it cannot be had, `andon audit recover` begins a new one that says so",
                "audit log %.100s has gone: %llu entries of %.40s were there at %s", spec->db_path,
                (unsigned long long)s.head.size, s.head.origin, fmt_iso(t, s.at));
    spool_place_free(p);
    return gone;
}

bool audit_last_seen(const struct audit_spec *spec, struct audit_head *out)
{
    struct spool_place *p = spec->socket ? NULL : spool_place_new(spec);
    struct seen s;
    bool any = seen_read(p, &s);
    spool_place_free(p);
    *out = (struct audit_head){.size = any ? (int64_t)s.head.size : 0};
    if (any) {
        snprintf(out->origin, sizeof out->origin, "%s", s.head.origin);
        hex_encode(out->root, s.head.root, HASH_LEN);
    }
    return any;
}

/* Has this host seen more of it, or another log under its name? By what was read before the log: another process may
 * write to it at any time, and keep that head. */
static bool none_newer_seen(struct audit_log *l, const struct seen *seen, const struct store_head *h, struct err *e)
{
    uint8_t root[HASH_LEN];
    char t[FMT_MAX];
    if (!seen || chain_knows(&l->chain, &seen->head))
        return true;
    if (l->socket && l->chain.before.base > 0 && memcmp(seen->head.origin, l->name.name, sizeof l->name.name) != 0)
        return true; /* it went on in another file, maybe twice: the guard, who has them all, holds them together */
    if (!seen_signed(seen, &l->name, l->verifier))
        return err_set(e, ERR_TAMPERED, "put it back, or say why with `andon audit recover`",
                       "audit log %.150s: %llu entries of %.60s were there at %s, and now it is the log of %.60s",
                       l->db_path, (unsigned long long)seen->head.size, seen->head.origin, fmt_iso(t, seen->at),
                       l->name.name);
    tree_root(&h->tree, root);
    if (seen->head.size < h->tree.size ||
        (seen->head.size == h->tree.size && memcmp(root, seen->head.root, HASH_LEN) == 0))
        return true;
    return err_set(e, ERR_TAMPERED, "put the newer file back; where it cannot be had, `andon audit recover`",
                   "audit log %.150s: it had %llu entries at %s and has %llu now, or was rewritten", l->db_path,
                   (unsigned long long)seen->head.size, fmt_iso(t, seen->at), (unsigned long long)h->tree.size);
}

static void keep_head(struct audit_log *l)
{
    if (l->read_only || l->last.tree.size <= l->kept)
        return;
    seen_keep(l->spool, l->db_path, l->last.note, l->last.note_n, false);
    l->kept = l->last.tree.size;
}

/* Is the opened file the log that this handle is for? */
static bool check_log(struct audit_log *l, const struct seen *seen, struct store_head *h, struct err *e)
{
    return book_identify(l, e) && store_head(l->store, h, e) && book_head_ok(l->store, h, &l->name, l->verifier, e) &&
           (l->read_only || none_newer_seen(l, seen, h, e));
}

static bool open_log(struct audit_log *l, const struct audit_spec *spec, struct err *e)
{
    struct err why = {0};
    bool made;
    l->store = book_store(l->db_path, l->socket, l->read_only, &why);
    if (!l->store && why.code == ERR_NOT_FOUND && !audit_gone(spec, &why) && spec->there)
        err_set(&why, ERR_TAMPERED, "find out who removed it; put it back", "audit log %.150s has gone while in use",
                spec->db_path);
    if (!l->store && why.code == ERR_NOT_FOUND && !l->read_only && !l->socket && create_log(l, &why))
        l->store = store_open(l->db_path, false, &why);
    if (!l->store) {
        if (e)
            *e = why;
        return false;
    }
    if (!l->read_only && !l->socket && !l->key && !take_key(l, false, &made, e))
        return false;
    struct seen seen;
    bool known = seen_read(l->spool, &seen);
    if (!store_begin(l->store, false, e))
        return false;
    struct store_head h = {0};
    bool ok = check_log(l, known ? &seen : NULL, &h, e) || (spec->there && book_replaced(e));
    if (ok && !l->read_only)
        book_clock_recall(l);
    store_rollback(l->store);
    if (ok) /* else it is not the log's */
        l->last = h;
    return ok;
}

struct audit_log *audit_open(const struct audit_spec *spec, struct err *e)
{
    struct audit_log *l = xcalloc(1, sizeof *l);
    l->db_path = xstrdup(spec->db_path);
    l->key_path = xstrdup(spec->key_path ? spec->key_path : "");
    l->origin = xstrdup(spec->origin ? spec->origin : "");
    l->socket = spec->socket ? xstrdup(spec->socket) : NULL;
    l->origin_asked = spec->origin_asked;
    l->read_only = spec->read_only;
    l->redactable = spec->redactable;
    l->clock = spec->clock ? spec->clock : clock_real();
    l->pid = getpid();
    buf_init(&l->host, ENTRY_MAX);
    if (!l->read_only)
        host_facts(&l->host);
    l->spool = spool_place_new(spec);
    if (!open_log(l, spec, e)) {
        audit_close(l);
        return NULL;
    }
    if (!l->read_only) {
        (void)!audit_clock_look(l, NULL); /* also of what was set since the newest entry */
        book_say_renamed(l);
    }
    if (!l->read_only)
        (void)!audit_take_in(l, &l->intake); /* what stays is told by audit_taken_in and is no reason not to open */
    return l;
}

void audit_close(struct audit_log *l)
{
    if (!l)
        return;
    keep_head(l);
    chain_close(&l->chain);
    store_close(l->store);
    key_free(l->key);
    verifier_free(l->verifier);
    buf_release(&l->host);
    spool_place_free(l->spool);
    free(l->db_path);
    free(l->key_path);
    free(l->origin);
    free(l->socket);
    free(l);
}

/* --- use ----------------------------------------------------------------------------------------------------- */

/* Opens the file anew. The head that was seen before stays the measure: a log that fell back is refused. */
static bool reopen(struct audit_log *l, struct err *e)
{
    struct store_head h;
    struct seen seen;
    int64_t bad = 0;
    bool known = seen_read(l->spool, &seen);
    store_close(l->store);
    l->store = book_store(l->db_path, l->socket, l->read_only, e);
    if (!l->store)
        return false;
    bool ok = store_begin(l->store, false, e);
    if (ok) {
        ok = (check_log(l, known ? &seen : NULL, &h, e) || book_replaced(e)) && book_head(l, &h, e) &&
             book_tail_ok(l->store, &h, l->chain.base, TAIL_ENTRIES, &bad, e);
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
        struct store_head h = {0};
        bool followed, ok = store_head(l->store, &h, e) && book_follow(l, &h, &followed, e);
        if (ok && followed)
            l->last = h;
        ok = ok && fn(l, ctx, e);
        store_rollback(l->store);
        if (!store_changed(l->store))
            return ok;
        if (!reopen(l, e))
            return false;
    }
    return err_set(e, ERR_TIMEOUT, "try again", "audit log %.200s: it keeps changing", l->db_path);
}

static bool glance(struct audit_log *l, void *ctx, struct err *e)
{
    struct store_head *h = ctx;
    return book_head(l, h, e);
}

bool audit_glance(struct audit_log *l, struct err *e)
{
    struct store_head h = {0};
    if (!book_read(l, glance, &h, e))
        return false;
    l->last = h;
    keep_head(l);
    return true;
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
    if (!chain_blob(l, g->digest, g->out, e))
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
    struct far *f = store_line(l->store);
    out->newest = (f ? far_base(f) : l->chain.base) + out->size;
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
        return err_set(e, ERR_REFUSED, "", "audit log %.200s: its key is not at hand here", l->db_path);
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

bool book_sign(struct audit_log *l, const void *msg, size_t n, uint8_t sig[KEY_SIG_LEN], struct err *e)
{
    if (l->sign && !l->read_only)
        return l->sign(l->sign_ctx, msg, n, sig, e);
    struct err why = {0};
    uint8_t pub[KEY_PUBLIC_LEN];
    struct key *k = key_load(l->key_path, &why);
    if (!k) {
        err_set(e, ERR_FORBIDDEN, "run it as the user whose key it is", "the log's key cannot be used: %.200s",
                why.what);
        return err_cause(e, "%s", why.cause), false;
    }
    key_public(k, pub);
    bool ok = memcmp(pub, l->name.pub, sizeof pub) == 0 ? key_sign(k, msg, n, sig, e)
                                                        : err_set(e, ERR_CONFLICT, "name the log's own key",
                                                                  "the key in %.200s is not the log's", l->key_path);
    key_free(k);
    return ok;
}
