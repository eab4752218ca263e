/* Verification of an exported folder, from its files alone: they are those that its signed manifest names, no more and
 * no fewer, and the entries hash to the root that the checkpoint signs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/check.h"
#include "audit/folder.h"
#include "audit/left_out.h"
#include "audit/manifest.h"
#include "audit/stamp.h"
#include "audit/opening.h"
#include "audit/store.h"
#include "core/text.h"

#define CHUNK ((size_t)1 << 20)

struct folder {
    int fd;
    struct check c;
    struct manifest m;
    struct note_key key; /* in the file vkey */
    struct buf left;     /* the file left-out */
    struct slice rest;   /* what of it is still to come */
    struct buf open;     /* the file openings, and what of it is still to come */
    struct slice unread;
    int64_t hidden; /* entries that it stands for */
    const char *const *witnesses;
    size_t n_witnesses;
    const char *stamp_root;
};

/* A file that is something else, or too large, is a finding; one that cannot be read is not. */
static bool finding(struct folder *f, const struct err *why, struct err *e)
{
    if (why->code != ERR_TAMPERED && why->code != ERR_LIMIT && why->code != ERR_NOT_FOUND) {
        if (e)
            *e = *why;
        return false;
    }
    check_bad(&f->c, 0, "%.180s", why->what);
    return true;
}

/* --- what the folder holds --- */

static bool on_name(void *ctx, const char *name, enum folder_kind kind)
{
    struct folder *f = ctx;
    struct manifest_file *m = kind == FOLDER_FILE ? manifest_find(&f->m, slice_of(name)) : NULL;
    bool blobs = kind == FOLDER_BLOBS && f->m.n && slice_starts(f->m.file[f->m.n - 1].name, "blobs/");
    for (size_t i = 0; kind == FOLDER_BLOBS && i < f->m.n; i++)
        blobs = blobs || slice_starts(f->m.file[i].name, "blobs/");
    if (m)
        m->seen = true;
    if (m || blobs || (kind == FOLDER_FILE && slice_is(slice_of(name), MANIFEST_NAME)))
        return true;
    char shown[100];
    safe_text_into(shown, sizeof shown, name, slice_of(name).n);
    check_bad(&f->c, 0,
              kind == FOLDER_OTHER ? "%.99s is a link, a pipe, a device or a folder"
                                   : "the manifest does not name %.99s",
              shown);
    return false;
}

static bool check_names(struct folder *f, struct err *e)
{
    static const char *const needed[] = {"entries.jsonl", "checkpoint", "log.pub", "vkey"};
    if (!folder_walk(f->fd, on_name, f, e))
        return false;
    for (size_t i = 0; i < f->m.n; i++)
        if (!f->m.file[i].seen)
            check_bad(&f->c, 0, "%.*s is missing", (int)f->m.file[i].name.n, f->m.file[i].name.p);
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!manifest_find(&f->m, slice_of(needed[i])))
            check_bad(&f->c, 0, "the manifest does not name %s", needed[i]);
    return true;
}

/* --- entries --- */

/* The subtrees that stand in the place of the next entries. */
static void skip_hidden(struct folder *f)
{
    struct left_run r;
    for (struct slice before = f->rest; f->c.r->ok; before = f->rest) {
        bool bad;
        if (!left_out_read(&f->rest, &r, &bad)) {
            if (bad)
                check_bad(&f->c, 0, LEFT_OUT_NAME " is not well formed");
            return;
        }
        if (r.from != f->c.tree.size + 1 || !check_left_out(&f->c, r.level, r.hash)) {
            f->rest = before;
            return;
        }
        f->hidden += INT64_C(1) << r.level;
    }
}

/* The openings of this entry, which come in the order of the entries; what comes before them is of none. */
static struct slice open_lines(struct folder *f, int64_t seq)
{
    struct slice lines = {f->unread.p, 0};
    struct opening o;
    bool bad = false;
    for (struct slice rest = f->unread; opening_read(&rest, &o, &bad) && o.seq == seq && !o.erased; f->unread = rest)
        lines.n += o.line.n + 1;
    if (bad)
        check_bad(&f->c, 0, OPENINGS_NAME " is not well formed");
    return lines;
}

/* Feeds whole lines to the check; returns the bytes that are left (an unfinished line). */
static size_t feed(struct folder *f, const char *p, size_t n)
{
    struct check *c = &f->c;
    const char *end = p + n;
    for (const char *nl; p < end && (nl = memchr(p, '\n', (size_t)(end - p))) != NULL; p = nl + 1) {
        if (f->rest.n)
            skip_hidden(f);
        c->open = f->unread.n ? open_lines(f, (int64_t)c->tree.size + 1) : f->unread;
        check_leaf(c, (int64_t)c->tree.size + 1, p, (size_t)(nl - p), NULL);
    }
    return (size_t)(end - p);
}

/* All of them, and the digest of the file on the way. */
static bool read_entries(struct folder *f, int fd, struct sha256 *sum, uint64_t *size)
{
    char *chunk = xmalloc(CHUNK);
    size_t left = 0;
    ssize_t n;
    while ((n = folder_next(fd, chunk + left, CHUNK - left)) > 0) {
        sha256_add(sum, chunk + left, (size_t)n);
        *size += (uint64_t)n;
        size_t have = left + (size_t)n;
        left = feed(f, chunk, have);
        memmove(chunk, chunk + have - left, left);
        if (left > ENTRY_MAX) {
            check_bad(&f->c, (int64_t)f->c.tree.size + 1, "entry %lld is longer than an entry can be",
                      (long long)f->c.tree.size + 1);
            left = 0; /* the rest of it is no line either; go on, for the counts */
        }
    }
    if (left > 0)
        check_bad(&f->c, (int64_t)f->c.tree.size + 1, "entries.jsonl is cut off in entry %lld",
                  (long long)f->c.tree.size + 1);
    skip_hidden(f);
    if (f->unread.n)
        check_bad(&f->c, 0, "there is an opening that no entry here commits to");
    if (f->rest.n)
        check_bad(&f->c, 0, LEFT_OUT_NAME " does not fit between the entries");
    free(chunk);
    return n == 0;
}

/* A file that may be there, whole: *rest is all of it. */
static bool read_whole(struct folder *f, const char *name, struct buf *out, struct slice *rest, struct err *e)
{
    struct err why = {0};
    bool listed = manifest_find(&f->m, slice_of(name)) != NULL;
    if (listed && !folder_read(f->fd, name, out, &why))
        return finding(f, &why, e);
    *rest = (struct slice){out->data, out->len};
    return true;
}

/* Which values were erased is said by blobs. */
static bool read_lists(struct folder *f, struct err *e)
{
    uint8_t digest[HASH_LEN];
    bool told = true;
    for (size_t at = 0; told && seals_missing(&f->c.seals, &at, digest);) {
        char name[8 + HASH_HEX] = "blobs/";
        struct slice all = {0};
        struct buf bytes;
        buf_init(&bytes, BLOB_MAX);
        hex_encode(name + 6, digest, HASH_LEN);
        told = read_whole(f, name, &bytes, &all, e);
        if (told)
            seals_blob(&f->c.seals, digest, all.p, all.n);
        buf_release(&bytes);
    }
    return told;
}

/* --- the other files --- */

/* One file of the manifest, streamed. */
static bool check_file(struct folder *f, const struct manifest_file *m, struct err *e)
{
    char chunk[65536], name[MANIFEST_NAME_MAX + 1];
    struct err why = {0};
    struct sha256 h;
    uint8_t now[HASH_LEN];
    uint64_t size = 0;
    ssize_t n = 0;
    snprintf(name, sizeof name, "%.*s", (int)m->name.n, m->name.p);
    int fd = folder_file(f->fd, name, &why);
    if (fd < 0)
        return finding(f, &why, e);
    sha256_init(&h);
    bool ok = true;
    if (slice_is(m->name, "entries.jsonl")) {
        ok = read_entries(f, fd, &h, &size);
    } else {
        while ((n = folder_next(fd, chunk, sizeof chunk)) > 0) {
            sha256_add(&h, chunk, (size_t)n);
            size += (uint64_t)n;
        }
        ok = n == 0;
    }
    if (!ok)
        err_errno(e, ERR_IO, "", "export: cannot read %.100s", name);
    close(fd);
    sha256_done(&h, now);
    if (ok && (size != m->size || memcmp(now, m->hash, HASH_LEN) != 0))
        check_bad(&f->c, 0, "%.100s is not the file that the manifest names", name);
    else if (ok && slice_starts(m->name, "blobs/"))
        check_blob_known(&f->c, now);
    return ok;
}

/* What time stamps are made of, once all entries are in. What is too large, or is not what it is named by, is none;
 * that it is missing is found where all files are looked at. */
static bool read_stamps(struct folder *f, struct err *e)
{
    struct stamped *s = &f->c.stamped;
    bool told = true;
    for (size_t i = 0; told && i < s->names.n; i++) {
        char name[sizeof "blobs/" + HASH_HEX] = "blobs/";
        uint8_t now[HASH_LEN];
        struct err why = {0};
        struct buf bytes;
        hex_encode(name + 6, s->names.v[i], HASH_LEN);
        buf_init(&bytes, STAMP_TOKEN_MAX);
        bool read = manifest_find(&f->m, slice_of(name)) && folder_read(f->fd, name, &bytes, &why);
        if (read) {
            sha256_bytes(bytes.data, bytes.len, now);
            if (memcmp(now, s->names.v[i], HASH_LEN) == 0)
                stamped_blob(s, now, bytes.data, bytes.len);
        } else if (why.code == ERR_IO) {
            told = false;
            if (e)
                *e = why;
        }
        buf_release(&bytes);
    }
    return told;
}

/* A file that must hold exactly this. */
static bool expect_file(struct folder *f, const char *name, const char *want, struct err *e)
{
    struct err why = {0};
    struct buf have;
    buf_init(&have, 65536);
    bool told = folder_read(f->fd, name, &have, &why) || finding(f, &why, e);
    if (told && why.code == ERR_NONE && !slice_is((struct slice){have.data, have.len}, want))
        check_bad(&f->c, 0, "%s is not the key that signed the manifest", name);
    buf_release(&have);
    return told;
}

static bool check_keys(struct folder *f, struct err *e)
{
    char vkey[VKEY_MAX + 1];
    struct buf pem;
    buf_init(&pem, 4096);
    snprintf(vkey, sizeof vkey, "%s\n", f->key.vkey);
    bool ok = key_public_pem(f->key.pub, &pem, e) && expect_file(f, "vkey", vkey, e) &&
              expect_file(f, "log.pub", pem.data, e);
    buf_release(&pem);
    return ok;
}

/* What the manifest says of the log is what the checkpoint signs and the entries show. */
static void compare(struct folder *f)
{
    uint8_t root[HASH_LEN];
    tree_root(&f->c.tree, root);
    if (f->m.size != f->c.tree.size || memcmp(f->m.root, root, HASH_LEN) != 0)
        check_bad(&f->c, 0, "the manifest is of another state of the log than the entries");
    if (f->m.shown != (uint64_t)f->c.r->entries)
        check_bad(&f->c, 0, "the manifest counts %lld entries in the folder, there are %lld", (long long)f->m.shown,
                  (long long)f->c.r->entries);
}

static void finish(struct folder *f, bool pinned)
{
    char extra[160] = "";
    f->c.r->left_out = f->hidden;
    if (f->hidden)
        snprintf(extra, sizeof extra, "; a slice: %lld of %lld entries, nothing is said about the others%s",
                 (long long)f->c.r->entries, (long long)f->c.tree.size, pinned ? "" : "; key not pinned");
    check_finish(&f->c, f->hidden ? extra : pinned ? "" : "; key not pinned");
}

/* The key that the folder names: the manifest must be signed by it, the first entry must name it, and it is what a
 * pinned key is compared with. */
static bool find_key(struct folder *f, struct err *e)
{
    struct err why = {0};
    struct buf text;
    buf_init(&text, VKEY_MAX + 1);
    bool told = folder_read(f->fd, "vkey", &text, &why) || finding(f, &why, e);
    if (told && why.code == ERR_NONE) {
        if (text.len > 0 && text.data[text.len - 1] == '\n')
            text.data[text.len - 1] = '\0';
        if (memchr(text.data, '\0', text.len) != text.data + text.len - 1 || !note_key_parse(&f->key, text.data, NULL))
            check_bad(&f->c, 0, "vkey is no verifier key");
    }
    buf_release(&text);
    return told;
}

static void read_manifest(struct folder *f, const struct buf *text)
{
    struct err why = {0};
    if (!f->c.r->ok)
        return;
    struct verifier *v = verifier_new(f->key.pub, &why);
    if (!v || !manifest_read(text->data, text->len, &f->key, v, &f->m, &why))
        check_bad(&f->c, 0, "%.180s", why.what);
    verifier_free(v);
}

/* Everything but the opening of the folder. What a step finds is told at the end; the first finding stays. */
static bool verify_folder(struct folder *f, const struct buf *text, const struct buf *note,
                          const struct note_key *pinned, struct audit_report *out, struct err *e)
{
    check_init(&f->c, out, note->data, note->len);
    f->c.witnesses = f->witnesses;
    f->c.n_witnesses = f->n_witnesses;
    f->c.stamp_root = f->stamp_root;
    bool told = find_key(f, e);
    if (told)
        read_manifest(f, text);
    told = told && (!out->ok || check_names(f, e));
    told = told && (!out->ok || (read_whole(f, LEFT_OUT_NAME, &f->left, &f->rest, e) &&
                                 read_whole(f, OPENINGS_NAME, &f->open, &f->unread, e)));
    bool named = told && out->ok;
    for (size_t i = 0; named && told && i < f->m.n; i++)
        told = check_file(f, &f->m.file[i], e);
    told = told && (!named || read_stamps(f, e));
    if (named && told) {
        check_note(&f->c, note->data, note->len, pinned, NULL);
        if (f->c.have_born && !slice_is(slice_of(f->key.vkey), f->c.born.vkey))
            check_bad(&f->c, 1, "the first entry names the key %s, not %s", f->c.born.id_hex, f->key.id_hex);
        check_refs(&f->c);
        compare(f);
        told = check_keys(f, e) && read_lists(f, e);
    }
    if (told)
        finish(f, pinned != NULL);
    check_release(&f->c);
    return told;
}

bool audit_verify_export(const char *dir, const char *pinned_vkey, const char *const *witnesses, size_t n_witnesses,
                         const char *stamp_root, struct audit_report *out, struct err *e)
{
    struct note_key pinned;
    struct folder f = {.fd = -1, .witnesses = witnesses, .n_witnesses = n_witnesses, .stamp_root = stamp_root};
    struct buf note, text;
    struct err why = {0};
    if (pinned_vkey && !note_key_parse(&pinned, pinned_vkey, e))
        return false;
    f.fd = folder_open(dir, e);
    if (f.fd < 0)
        return false;
    buf_init(&note, NOTE_MAX);
    buf_init(&text, MANIFEST_MAX);
    buf_init(&f.left, LEFT_OUT_MAX);
    buf_init(&f.open, OPENINGS_FILE_MAX);
    manifest_init(&f.m);
    bool told = folder_read(f.fd, MANIFEST_NAME, &text, &why) || why.code == ERR_TAMPERED || why.code == ERR_LIMIT;
    if (!told) {
        if (why.code == ERR_NOT_FOUND)
            err_set(&why, ERR_NOT_FOUND, "exports before andon 0.2 have none: take only their entries for true",
                    "export %.150s: there is no manifest, so nothing signed names its files", dir);
        if (e)
            *e = why;
    } else {
        /* One that cannot be read is seen when the manifest's files are. */
        if (!folder_read(f.fd, "checkpoint", &note, NULL))
            buf_clear(&note);
        told = verify_folder(&f, &text, &note, pinned_vkey ? &pinned : NULL, out, e);
    }
    manifest_release(&f.m);
    buf_release(&f.left);
    buf_release(&f.open);
    buf_release(&note);
    buf_release(&text);
    close(f.fd);
    return told;
}
