/* Verification of a log over all its files, the oldest first: each by itself, and each as the one that the next one
 * names; and whether the keys were handed over from one to the next. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/check.h"
#include "audit/keep.h"

struct files {
    char *path[CHAIN_MAX];
    struct previous named[CHAIN_MAX]; /* what the next one says of it */
    size_t n;                         /* newest first; without the newest */
    char *missing;                    /* the path of one that is not there; NULL */
};

/* Follows the files as far as they are there. What is wrong with one is told when it is verified. */
static void follow(struct files *f, const struct audit_spec *spec)
{
    const char *at = spec->db_path;
    memset(f, 0, sizeof *f);
    while (f->n < CHAIN_MAX) {
        struct store *s = store_open(at, true, NULL);
        struct previous *p = &f->named[f->n];
        bool ok = s && chain_previous(s, p, NULL);
        store_close(s);
        if (!ok || !*p->file)
            return;
        char *path = chain_path(spec->db_path, p->file);
        if (access(path, F_OK) != 0) {
            f->missing = path;
            return;
        }
        at = f->path[f->n++] = path;
    }
}

static void forget(struct files *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->path[i]);
    free(f->missing);
}

static void spoil(struct audit_report *r, int64_t seq, const char *word, const char *what)
{
    r->ok = false;
    r->bad_seq = seq;
    snprintf(r->text, sizeof r->text, "%s: %.280s", word, what);
}

/* Is the older file, which verifies by itself, what the next one goes on from? */
static bool is_named(const struct audit_report *r, const struct previous *p)
{
    char root[HASH_HEX];
    hex_encode(root, p->have.root, HASH_LEN);
    return strcmp(root, r->root) == 0 && r->size == (int64_t)p->have.size && strcmp(p->have.origin, r->origin) == 0;
}

static bool same_key(const char *a, const char *b)
{
    struct note_key x, y;
    return note_key_parse(&x, a, NULL) && note_key_parse(&y, b, NULL) && memcmp(x.pub, y.pub, KEY_PUBLIC_LEN) == 0;
}

/* Adds up what stands in an older file. */
static void add_up(struct audit_report *sum, const struct audit_report *r)
{
    sum->entries += r->entries;
    sum->late += r->late;
    sum->clock_steps += r->clock_steps;
    sum->ahead += r->ahead;
    if (r->first_t && (sum->first_t == 0 || r->first_t < sum->first_t))
        sum->first_t = r->first_t;
    if (r->last_t > sum->last_t)
        sum->last_t = r->last_t;
    sum->files++;
}

/* The older files, oldest first. False with *e when it cannot tell; *vouched: the key that was named is one of theirs,
 * and each has handed over to the next since. *bad: what is wrong with one. */
static bool older(const struct files *f, const struct note_key *pinned, struct link *k, struct audit_report *sum,
                  struct audit_report *bad, bool *vouched, struct err *e)
{
    bool trusted = false;
    char heir[VKEY_MAX] = "", before[VKEY_MAX] = "";
    for (size_t i = f->n; i-- > 0;) {
        struct audit_spec spec = {.db_path = f->path[i], .read_only = true};
        struct audit_report r;
        char what[400];
        if (!verify_file(&spec, NULL, k, &r, e))
            return false;
        if (!r.ok || !is_named(&r, &f->named[i])) {
            static const char word[] = "TAMPERED: ";
            bool same = strncmp(r.text, word, sizeof word - 1) == 0;
            snprintf(what, sizeof what, "%.120s %.160s", f->path[i],
                     r.ok ? "is not the file that the next one goes on from (unwitnessed: rollback not excluded)"
                          : r.text + (same ? sizeof word - 1 : 0));
            *bad = r;
            spoil(bad, r.bad_seq, "TAMPERED", what);
            return true;
        }
        add_up(sum, &r);
        bool handed = *before && (same_key(before, k->vkey) || strcmp(heir, k->vkey) == 0);
        trusted = (trusted && handed) || (pinned && strcmp(pinned->vkey, k->vkey) == 0);
        memcpy(heir, k->heir, sizeof heir);
        memcpy(before, k->vkey, sizeof before);
    }
    *vouched = trusted;
    memcpy(k->heir, heir, sizeof heir);
    memcpy(k->vkey, before, sizeof before);
    return true;
}

static bool handed_over(const struct audit_spec *spec, const struct link *k)
{
    struct note_key now;
    struct store *s = store_open(spec->db_path, true, NULL);
    bool ok = s && book_genesis_key(s, &now, NULL) && (same_key(k->vkey, now.vkey) || strcmp(k->heir, now.vkey) == 0);
    store_close(s);
    return ok;
}

/* Does one of the files say that the one that is missing was removed? Each of them verifies. */
static bool find_removal(const struct files *f, const char *db_path, char words[300])
{
    bool found = false;
    for (size_t i = 0; i <= f->n && !found; i++) {
        struct store *s = store_open(i == 0 ? db_path : f->path[i - 1], true, NULL);
        found = s && keep_removed(s, f->named[i].base, &f->named[f->n], words);
        store_close(s);
    }
    return found;
}

/* One sentence about the files before the newest. */
static void say_files(const struct files *f, const char *db_path, struct audit_report *r)
{
    size_t n = strlen(r->text);
    char removed[300];
    if (f->missing && r->ok && find_removal(f, db_path, removed)) {
        snprintf(r->text + n, sizeof r->text - n, "; the %" PRId64 " entries before them were %s", f->named[f->n].base,
                 removed);
    } else if (f->missing && r->ok) {
        char what[400];
        snprintf(what, sizeof what,
                 "%" PRId64 " entries verify; the %" PRId64 " before them are in %.120s, which is not here", r->entries,
                 f->named[f->n].base, f->missing);
        spoil(r, 0, "INCOMPLETE", what);
        r->unsure = true;
    } else if (f->n > 0 && r->ok && n + 40 < sizeof r->text) {
        snprintf(r->text + n, sizeof r->text - n, "; in %zu files", f->n + 1);
    }
}

bool audit_verify(const struct audit_spec *spec, const char *pinned_vkey, struct audit_report *out, struct err *e)
{
    struct note_key pinned, *pin = pinned_vkey ? &pinned : NULL;
    struct audit_report sum = {0}, bad = {.ok = true};
    struct link k = {.known = false};
    struct files f;
    bool vouched = false;
    if (pin && !note_key_parse(pin, pinned_vkey, e))
        return false;
    ops_init(&k.ops);
    follow(&f, spec);
    bool told = older(&f, pin, &k, &sum, &bad, &vouched, e);
    if (told) {
        struct audit_spec newest = *spec;
        vouched = vouched && handed_over(spec, &k);
        if (vouched)
            newest.key_path = NULL;
        told = verify_file(&newest, vouched ? NULL : pin, &k, out, e);
    }
    if (told && vouched)
        snprintf(out->compared, sizeof out->compared, "the key that was named, which has handed over to this one");
    if (told && !bad.ok && out->ok) {
        memcpy(bad.origin, out->origin, sizeof bad.origin);
        *out = bad;
    } else if (told) {
        add_up(out, &sum);
        out->files = sum.files + 1;
        say_files(&f, spec->db_path, out);
    }
    forget(&f);
    ops_release(&k.ops);
    seals_release(&k.seals);
    return told;
}
