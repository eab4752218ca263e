/* Whose log a file is: by its first entry, by its key, and by what it goes on from. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "audit/book.h"
#include "audit/place.h"

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

bool book_genesis_key(struct store *s, struct note_key *out, struct err *e)
{
    struct genesis g = {out, false};
    if (!store_rows(s, 1, 1, false, on_genesis, &g, e))
        return false;
    return g.ok ? true
                : err_set(e, ERR_TAMPERED, "", "audit log: the first entry is missing or does not name the log's key");
}

/* Is it the log of this origin, or what that goes on in? */
static bool of_origin(const struct audit_log *l, const char *name, const char *origin)
{
    size_t n = strlen(origin);
    return strncmp(name, origin, n) == 0 && (!name[n] || (*l->chain.before.why && name[n] == '/' &&
                                                          name[n + 1 + strspn(name + n + 1, "0123456789")] == '\0'));
}

/* The key that has signed the first entry. It may have been changed by another process; one that was killed on the way
 * has left the new one beside the old. */
static bool fit_key(struct audit_log *l, const struct note_key *born, struct err *e)
{
    uint8_t pub[KEY_PUBLIC_LEN];
    bool ok = false;
    if (l->read_only || !l->key)
        return true;
    key_public(l->key, pub);
    if (memcmp(born->pub, pub, KEY_PUBLIC_LEN) == 0)
        return true;
    char *next = book_next_key(l);
    for (int i = 0; i < 2 && !ok; i++) {
        struct key *k = key_load(i ? next : l->key_path, NULL);
        if (!k)
            continue;
        key_public(k, pub);
        ok = memcmp(born->pub, pub, KEY_PUBLIC_LEN) == 0;
        if (ok && i)
            (void)!place_rename(next, l->key_path, NULL); /* where it cannot be, it is as good there */
        if (ok) {
            key_free(l->key);
            l->key = k;
        } else {
            key_free(k);
        }
    }
    free(next);
    return ok ? true
              : err_set(e, ERR_AUTH, "put the log's own key back; where it is lost, `andon audit recover`",
                        "audit log %.150s: %.100s is not its key", l->db_path, l->key_path);
}

char *book_next_key(const struct audit_log *l)
{
    struct buf b;
    buf_init(&b, PATH_MAX + 8);
    buf_printf(&b, "%s.next", l->key_path);
    char *path = buf_take(&b);
    buf_release(&b);
    return path;
}

bool book_take_name(struct audit_log *l, const struct note_key *name, struct err *e)
{
    if (l->verifier && memcmp(&l->name, name, sizeof *name) == 0)
        return true;
    struct verifier *v = verifier_new(name->pub, e);
    if (!v)
        return false;
    verifier_free(l->verifier);
    l->verifier = v;
    l->name = *name;
    return true;
}

bool book_identify(struct audit_log *l, struct err *e)
{
    struct note_key born;
    bool far = store_line(l->store) != NULL; /* the guard has the older files, and reads them to us */
    if (!book_genesis_key(l->store, &born, e) || !(far ? chain_previous(l->store, &l->chain.before, e)
                                                       : chain_open(&l->chain, l->store, l->db_path, l->read_only, e)))
        return false;
    if (!l->read_only && !l->socket && l->origin_asked && !of_origin(l, born.name, l->origin))
        return err_set(e, ERR_CONFLICT, "name the file of that log, or leave out audit: origin:",
                       "audit log %.150s: it is the log of \"%.60s\", not of \"%.60s\"", l->db_path, born.name,
                       l->origin);
    return fit_key(l, &born, e) && book_take_name(l, &born, e);
}

bool book_replaced(struct err *e)
{
    if (e && (e->code == ERR_AUTH || e->code == ERR_CONFLICT))
        e->code = ERR_TAMPERED;
    return false;
}

bool book_follow(struct audit_log *l, struct store_head *h, bool *followed, struct err *e)
{
    struct checkpoint now, last;
    *followed = false;
    if (!note_peek(h->note, h->note_n, &now) || !note_peek(l->last.note, l->last.note_n, &last) ||
        memcmp(now.origin, last.origin, sizeof now.origin) == 0)
        return true;
    if (!book_identify(l, e))
        return book_replaced(e);
    if (!(store_line(l->store) && l->chain.before.base > 0) && !chain_knows(&l->chain, &last))
        return err_set(e, ERR_TAMPERED, "keep the file as it is and run `andon audit verify`",
                       "audit log %.200s: it was replaced by one that knows nothing of it", l->db_path);
    *followed = true;
    return book_head_ok(l->store, h, &l->name, l->verifier, e);
}

void book_say_renamed(struct audit_log *l)
{
    struct store_head h = {0};
    struct entry en;
    uint8_t raw[HASH_LEN];
    char digest[HASH_HEX];
    struct buf names;
    bool said = true, known;
    if (l->socket || l->origin_asked || !l->origin[0] || of_origin(l, l->name.name, l->origin))
        return;
    buf_init(&names, 1024);
    buf_printf(&names, "%s\n%s\n", l->name.name, l->origin);
    sha256_bytes(names.data, names.len, raw);
    hex_encode(digest, raw, HASH_LEN);
    entry_init(&en, ENTRY_CONFIG);
    en.t = clock_wall(l->clock);
    en.mono = clock_boot(l->clock);
    en.actor = (struct actor){.kind = ACTOR_SCRIPT, .name = "andon"};
    en.result = "host-renamed";
    en.reason = "the log goes on under its own name";
    entry_str(&en, "origin", l->name.name);
    entry_str(&en, "host.origin", l->origin);
    entry_str(&en, "names.blob", digest);
    if (book_begin(l, &h, NULL)) {
        bool ok = book_marked(l, digest, &said, NULL) && !said &&
                  store_put_blob(l->store, raw, names.data, names.len, NULL) &&
                  book_put(l, &h, &en, NULL, &known, NULL);
        if (!ok || !book_commit(l, &h, NULL))
            store_rollback(l->store);
    }
    buf_release(&names);
}
