#include "audit/known.h"

#include <stdlib.h>
#include "audit/note.h"

struct known_keys {
    struct {
        struct note_key key;
        struct verifier *verifier;
        bool own;
    } v[KNOWN_KEYS_MAX];
    size_t n;
};

struct known_keys *known_keys_new(void)
{
    return xcalloc(1, sizeof(struct known_keys));
}

void known_keys_free(struct known_keys *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < k->n; i++)
        verifier_free(k->v[i].verifier);
    free(k);
}

bool known_keys_add(struct known_keys *k, const char *vkey, bool own, struct err *e)
{
    struct note_key key;
    if (!note_key_parse(&key, vkey, e))
        return false;
    for (size_t i = 0; i < k->n; i++)
        if (memcmp(&k->v[i].key, &key, sizeof key) == 0) {
            k->v[i].own |= own;
            return true;
        }
    if (k->n == KNOWN_KEYS_MAX)
        return err_set(e, ERR_LIMIT, "", "at most %d keys of logs can be known", KNOWN_KEYS_MAX);
    k->v[k->n].verifier = verifier_new(key.pub, e);
    if (!k->v[k->n].verifier)
        return false;
    k->v[k->n].key = key;
    k->v[k->n++].own = own;
    return true;
}

const char *known_keys_signer(const struct known_keys *k, struct slice text, struct slice lines, bool *own)
{
    const char *who = NULL;
    *own = false;
    for (size_t i = 0; i < k->n; i++) {
        if (!note_signed(text, lines, &k->v[i].key, k->v[i].verifier))
            continue;
        if (!who || k->v[i].own)
            who = k->v[i].key.name;
        *own |= k->v[i].own;
    }
    return who;
}
