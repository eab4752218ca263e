#include "audit/rebuild.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/digests.h"
#include "audit/place.h"

struct rebuild {
    char *path, *temp;
    struct store *store;
    struct checkpoint c;
    struct store_head head; /* its note from the beginning, its tree as it grows */
    struct digests named;
    char hex[SHA256_HEX]; /* of the one that was asked for last */
    int64_t base;         /* number of the entry before the first */
};

struct rebuild *rebuild_begin(const char *path, struct slice note, const char *vkey, struct err *e)
{
    struct note_key k;
    struct verifier *v = NULL;
    struct rebuild *r = xcalloc(1, sizeof *r);
    int fd = -1;
    r->path = xstrdup(path);
    tree_init(&r->head.tree);
    bool ok = note_key_parse(&k, vkey, e) && (v = verifier_new(k.pub, e)) != NULL &&
              note_open(note.p, note.n, &k, v, &r->c, e);
    verifier_free(v);
    if (ok && access(path, F_OK) == 0)
        ok = err_set(e, ERR_CONFLICT, "name a new file", "%.200s is there already", path);
    if (ok) {
        memcpy(r->head.note, note.p, note.n); /* note_open takes no more than NOTE_MAX */
        r->head.note_n = note.n;
        fd = place_temp(path, 0600, &r->temp, e);
        ok = fd >= 0;
    }
    if (fd >= 0)
        close(fd);
    if (ok && (r->store = store_create(r->temp, e)) && store_begin(r->store, true, e))
        return r;
    rebuild_drop(r);
    return NULL;
}

/* SQLite's files beside it. */
static void unlink_side(const struct rebuild *r)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    for (size_t i = 0; r->temp && i < sizeof tails / sizeof *tails; i++) {
        struct buf name;
        buf_init(&name, 8192);
        buf_printf(&name, "%s%s", r->temp, tails[i]);
        unlink(name.data);
        buf_release(&name);
    }
}

static void let_go(struct rebuild *r)
{
    store_close(r->store);
    unlink_side(r);
    digests_release(&r->named);
    free(r->path);
    free(r->temp);
    free(r);
}

void rebuild_drop(struct rebuild *r)
{
    if (!r)
        return;
    if (r->store)
        store_rollback(r->store);
    let_go(r);
}

static void keep_names(struct rebuild *r, const struct leaf *l)
{
    struct member m;
    uint8_t digest[HASH_LEN];
    for (size_t at = 0; l->fields.p && leaf_member(l->fields, &at, &m);)
        if (leaf_names_blob(&m) && tree_hash_parse(m.value.p, m.value.n, digest))
            digests_add(&r->named, digest);
}

bool rebuild_lines(struct rebuild *r, struct slice s, struct err *e)
{
    struct slice line;
    struct leaf l;
    uint8_t hash[HASH_LEN];
    while (r->head.tree.size < r->c.size && note_next_line(&s, &line)) {
        int64_t seq = (int64_t)r->head.tree.size + 1;
        bool ok = line.n <= ENTRY_MAX && leaf_scan(line.p, line.n, &l) && l.seq <= INT64_MAX / 2;
        if (ok && seq == 1)
            r->base = l.seq - 1;
        if (!ok || l.seq != r->base + seq)
            return err_set(e, ERR_TAMPERED, "", "what comes in the place of entry %lld is not that entry",
                           (long long)seq);
        tree_leaf_hash(line.p, line.n, hash);
        tree_push(&r->head.tree, hash);
        keep_names(r, &l);
        if (!store_put(r->store, seq, line.p, line.n, hash, e) || !store_set_head(r->store, &r->head, e))
            return false;
    }
    return true;
}

uint64_t rebuild_size(const struct rebuild *r)
{
    return r->head.tree.size;
}

uint64_t rebuild_whole(const struct rebuild *r)
{
    return r->c.size;
}

const char *rebuild_named(struct rebuild *r, size_t i)
{
    if (i >= r->named.n)
        return NULL;
    hex_encode(r->hex, r->named.v[i], HASH_LEN);
    return r->hex;
}

bool rebuild_blob(struct rebuild *r, struct slice bytes, struct err *e)
{
    uint8_t digest[HASH_LEN];
    struct buf old;
    struct err why = {0};
    sha256_bytes(bytes.p, bytes.n, digest);
    if (digests_find(&r->named, digest) == DIGESTS_NONE)
        return true;
    buf_init(&old, BLOB_MAX);
    bool there = store_get_blob(r->store, digest, &old, &why);
    buf_release(&old);
    return there || store_put_blob(r->store, digest, bytes.p, bytes.n, e);
}

bool rebuild_end(struct rebuild *r, struct err *e)
{
    uint8_t root[HASH_LEN];
    tree_root(&r->head.tree, root);
    if (r->head.tree.size != r->c.size || memcmp(root, r->c.root, HASH_LEN) != 0) {
        err_set(e, ERR_TAMPERED, "", "the entries are not those that the checkpoint signs");
        rebuild_drop(r);
        return false;
    }
    bool ok = store_commit(r->store, e) && store_flush(r->store, e);
    store_close(r->store);
    r->store = NULL;
    ok = ok && place_publish(r->temp, r->path, e);
    let_go(r);
    return ok;
}
