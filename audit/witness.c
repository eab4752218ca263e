#include "audit/witness.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/cosign.h"
#include "audit/heir.h"
#include "audit/mirror.h"
#include "audit/place.h"
#include "audit/tree.h"
#include "audit/witness_files.h"

#define SAME_SIZE  "another root for the same number of entries"
#define HEIRS_EACH 128 /* files that a log goes on in, one after the other */

struct log_key {
    struct note_key key;
    struct verifier *v;
};

/* Of one origin. */
struct held {
    char origin[ORIGIN_MAX + 1];
    char hash[SHA256_HEX];
    uint64_t size; /* 0: nothing was cosigned so far */
    uint8_t root[HASH_LEN];
    struct buf note;       /* as it is in the folder */
    struct buf word;       /* its signature line, */
    int64_t at;            /* and when this process made it (wall clock); 0: it did not */
    struct mirror *mirror; /* NULL: none */
    size_t heirs;          /* it is so many files behind the one that is configured */
    char next[VKEY_MAX];   /* what it goes on in: no more is signed of this one; "": nothing that is known */
};

struct witness {
    char *folder;
    int lock;
    struct key *key;
    struct cosigner self;
    struct clock *clock;
    struct log_key *keys;
    size_t n_keys;
    struct held *logs;
    size_t n_logs;
    bool follow, mirrors;
};

/* --- opening --- */

static bool take_lock(struct witness *w, struct err *e)
{
    char path[PATH_MAX];
    if (!witness_path(w->folder, "lock", path, e) || !place_prepare(path, e))
        return false;
    w->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (w->lock < 0)
        return err_errno(e, ERR_IO, "", "witness %.200s: cannot make its lock", w->folder);
    if (flock(w->lock, LOCK_EX | LOCK_NB) != 0)
        return err_set(e, ERR_CONFLICT, "one witness has one folder: end the other one, or give this one another",
                       "witness %.200s: another process has it", w->folder);
    return true;
}

static struct held *held_of(struct witness *w, const char *origin)
{
    for (size_t i = 0; i < w->n_logs; i++)
        if (strcmp(w->logs[i].origin, origin) == 0)
            return &w->logs[i];
    return NULL;
}

/* What was cosigned last. Only the witness's own word counts: the log's key may be another one by now. */
static bool take_held(struct witness *w, struct held *h, struct err *e)
{
    char path[PATH_MAX];
    struct err why = {0};
    struct checkpoint c;
    struct slice body, lines;
    int64_t t;
    if (!witness_file(w->folder, h->hash, ".checkpoint", path, e))
        return false;
    if (!place_read(path, 2 * (size_t)NOTE_MAX, &h->note, &why)) {
        if (why.code == ERR_NOT_FOUND)
            return true;
        if (e)
            *e = why;
        return false;
    }
    if (!note_split(h->note.data, h->note.len, &c, &body, &lines) || strcmp(c.origin, h->origin) != 0 ||
        !cosign_check(&w->self, body, lines, NULL, &t))
        return err_set(e, ERR_TAMPERED, "put the file back, or begin anew in another folder, with another key",
                       "witness %.100s: its memory of %.80s was changed", w->folder, h->origin);
    h->size = c.size;
    memcpy(h->root, c.root, HASH_LEN);
    return true;
}

static bool add_log(struct witness *w, const char *vkey, size_t heirs, struct err *e)
{
    struct log_key k = {.v = NULL};
    if (!note_key_parse(&k.key, vkey, e) || !(k.v = verifier_new(k.key.pub, e)))
        return false;
    w->keys = xreallocarray(w->keys, w->n_keys + 1, sizeof *w->keys);
    w->keys[w->n_keys++] = k;
    if (held_of(w, k.key.name))
        return true;
    w->logs = xreallocarray(w->logs, w->n_logs + 1, sizeof *w->logs);
    struct held *h = &w->logs[w->n_logs++];
    *h = (struct held){.heirs = heirs};
    memcpy(h->origin, k.key.name, sizeof h->origin);
    sha256_hex(h->origin, strlen(h->origin), h->hash);
    buf_init(&h->note, 2 * (size_t)NOTE_MAX);
    buf_init(&h->word, NOTE_MAX);
    return take_held(w, h, e);
}

static bool is_known(const void *ctx, const struct note_key *k)
{
    const struct witness *w = ctx;
    for (size_t i = 0; i < w->n_keys; i++)
        if (strcmp(w->keys[i].key.vkey, k->vkey) == 0)
            return true;
    return false;
}

static int judge(const struct witness *w, const struct held *h, struct slice request, struct note_key *key,
                 const char **why)
{
    struct checkpoint c = {.size = h->size};
    memcpy(c.origin, h->origin, sizeof c.origin);
    memcpy(c.root, h->root, HASH_LEN);
    return heir_judge(request, &c, is_known, w, key, why);
}

/* What the i-th log goes on in, as it was shown to an earlier process; judged once more. */
static bool take_next(struct witness *w, size_t i, struct err *e)
{
    struct held *h = &w->logs[i];
    char path[PATH_MAX];
    const char *why;
    struct err none = {0};
    struct note_key key;
    struct buf text;
    if (h->size == 0 || !witness_file(w->folder, h->hash, ".next", path, e))
        return h->size == 0;
    buf_init(&text, HEIR_MAX);
    bool there = place_read(path, HEIR_MAX, &text, &none), ok = there || none.code == ERR_NOT_FOUND;
    if (there && judge(w, h, (struct slice){text.data, text.len}, &key, &why) == 200) {
        memcpy(h->next, key.vkey, sizeof h->next);
        ok = is_known(w, &key) || add_log(w, key.vkey, h->heirs + 1, e);
    } else if (there) {
        ok = err_set(e, ERR_TAMPERED, "put the file back; without it the log's new key has to be among `logs`",
                     "witness %.100s: what %.80s goes on in was changed", w->folder, h->origin);
    } else if (!ok && e) {
        *e = none;
    }
    buf_release(&text);
    return ok;
}

/* Entries come only after their head: without one, what was cosigned is forgotten. */
static bool open_mirror(const struct witness *w, struct held *h, struct err *e)
{
    h->mirror = mirror_open(w->folder, h->hash, e);
    if (!h->mirror || h->size > 0 || mirror_size(h->mirror) == 0)
        return h->mirror != NULL;
    return err_set(e, ERR_TAMPERED, "put its HASH.checkpoint back, or begin anew in another folder, with another key",
                   "witness %.100s: what it has cosigned of %.80s is missing, and %" PRIu64 " entries of it are there",
                   w->folder, h->origin, mirror_size(h->mirror));
}

struct witness *witness_open(const struct witness_spec *spec, struct err *e)
{
    struct witness *w = xcalloc(1, sizeof *w);
    char vkey[VKEY_MAX];
    w->folder = xstrdup(spec->folder);
    w->lock = -1;
    w->clock = spec->clock ? spec->clock : clock_real();
    w->follow = spec->follow;
    w->mirrors = spec->mirror;
    bool ok =
        take_lock(w, e) && witness_own_key(w->folder, spec->name, &w->key, vkey, e) && cosigner_open(&w->self, vkey, e);
    if (ok && spec->n_logs > WITNESS_LOGS_MAX)
        ok = err_set(e, ERR_LIMIT, "", "a witness has at most %d logs", WITNESS_LOGS_MAX);
    for (size_t i = 0; ok && i < spec->n_logs; i++)
        ok = add_log(w, spec->logs[i], 0, e);
    for (size_t i = 0; ok && spec->follow && i < w->n_logs; i++) /* what is added on the way, too */
        ok = take_next(w, i, e);
    for (size_t i = 0; ok && spec->mirror && i < w->n_logs; i++)
        ok = open_mirror(w, &w->logs[i], e);
    if (ok)
        return w;
    witness_close(w);
    return NULL;
}

void witness_close(struct witness *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n_keys; i++)
        verifier_free(w->keys[i].v);
    for (size_t i = 0; i < w->n_logs; i++)
        buf_release(&w->logs[i].note), buf_release(&w->logs[i].word);
    for (size_t i = 0; i < w->n_logs; i++)
        mirror_close(w->logs[i].mirror);
    free(w->keys);
    free(w->logs);
    cosigner_close(&w->self);
    key_free(w->key);
    if (w->lock >= 0)
        close(w->lock); /* and with it the lock */
    free(w->folder);
    free(w);
}

const char *witness_vkey(const struct witness *w)
{
    return w->self.key.vkey;
}

bool witness_key(const struct witness_spec *spec, struct buf *out, struct err *e)
{
    char vkey[VKEY_MAX];
    struct key *k = NULL;
    bool ok = witness_own_key(spec->folder, spec->name, &k, vkey, e);
    key_free(k);
    return ok && buf_adds(out, vkey);
}

/* --- a request --- */

struct request {
    uint64_t old;
    uint8_t proof[TREE_PROOF_MAX][HASH_LEN];
    size_t n_proof;
    struct slice note;
    struct checkpoint c;
    struct slice body, lines;
};

static void say(struct witness_answer *out, int status, const char *text)
{
    buf_clear(&out->body);
    out->status = status;
    out->type = "text/plain; charset=utf-8";
    buf_printf(&out->body, "%s\n", text);
}

/* "old 17", one line of base64 for each hash, an empty line, the checkpoint. */
static bool read_request(struct slice s, struct request *r)
{
    struct slice line;
    int64_t old;
    if (s.n > WITNESS_BODY_MAX || !note_next_line(&s, &line) || !slice_starts(line, "old "))
        return false;
    line = (struct slice){line.p + 4, line.n - 4};
    if (line.n == 0 || line.n > 18 || (line.p[0] == '0' && line.n > 1) || line.p[0] == '-' || !slice_int(line, &old))
        return false;
    r->old = (uint64_t)old;
    if (!note_hashes(&s, r->proof, &r->n_proof))
        return false;
    r->note = s;
    return note_split(s.p, s.n, &r->c, &r->body, &r->lines);
}

/* Signed by one of the keys of its origin? */
static bool signed_by_log(const struct witness *w, const struct request *r)
{
    for (size_t i = 0; i < w->n_keys; i++) {
        struct checkpoint c;
        if (strcmp(w->keys[i].key.name, r->c.origin) == 0 &&
            note_open(r->note.p, r->note.n, &w->keys[i].key, w->keys[i].v, &c, NULL))
            return true;
    }
    return false;
}

/* Keeps both heads, and has it told, once. */
static void keep_fork(struct witness *w, const struct held *h, uint64_t size, struct slice request, const char *what,
                      struct witness_answer *out)
{
    struct err e = {0};
    snprintf(out->told, sizeof out->told, "log %.80s is refused at %" PRIu64 " entries: %.100s", h->origin, size, what);
    out->word = WITNESS_FORK;
    if (witness_keep_fork(w->folder, h->hash, out->told, (struct slice){h->note.data, h->note.len}, request,
                          clock_wall(w->clock), &e))
        return;
    out->word = e.code == ERR_NONE ? WITNESS_QUIET : WITNESS_FAILED;
    if (e.code == ERR_NONE)
        out->told[0] = '\0'; /* known, and said before */
    else
        snprintf(out->told, sizeof out->told, "a fork of %.80s could not be kept: %.180s", h->origin, e.what);
}

static void refuse_fork(struct witness *w, const struct held *h, const struct request *r, struct slice request,
                        const char *what, struct witness_answer *out)
{
    say(out, 422, what);
    keep_fork(w, h, r->c.size, request, what, out);
}

/* That it was asked for the first head of a log is either so, or what it had cosigned is gone: its operator can tell.
 */
static void say_anew(const struct held *h, const struct request *r, struct witness_answer *out)
{
    out->word = WITNESS_ANEW;
    snprintf(out->told, sizeof out->told,
             "log %.80s is witnessed from %" PRIu64 " entries on: nothing of it was remembered here. If it was "
             "witnessed before, this witness has lost its memory, and vouches for nothing before now",
             h->origin, r->c.size);
}

/* The same head was cosigned just now: whoever has a copy of the checkpoint cannot keep the disk busy with it. */
static bool is_fresh(const struct witness *w, const struct held *h, const struct request *r)
{
    int64_t age = clock_wall(w->clock) - h->at;
    return h->at != 0 && r->c.size == h->size && age >= 0 && age < WITNESS_FRESH_US;
}

/* Remembers, durably, then gives it away. */
static void cosign(struct witness *w, struct held *h, const struct request *r, struct witness_answer *out)
{
    char path[PATH_MAX];
    struct slice lines = r->lines, line;
    struct err e = {0};
    struct buf note, word;
    buf_init(&note, 2 * (size_t)NOTE_MAX);
    buf_init(&word, NOTE_MAX);
    buf_add(&note, r->body.p, r->body.n);
    buf_addc(&note, '\n');
    while (note_next_line(&lines, &line)) {
        uint8_t raw[4 + KEY_SIG_LEN];
        for (size_t i = 0; i < w->n_keys; i++)
            if (strcmp(w->keys[i].key.name, r->c.origin) == 0 && note_line_of(line, &w->keys[i].key, raw, sizeof raw)) {
                buf_add(&note, line.p, line.n);
                buf_addc(&note, '\n');
            }
    }
    bool ok = cosign_make(w->key, &w->self.key, r->body, clock_wall(w->clock) / US_PER_S, &word, &e) &&
              buf_add(&note, word.data, word.len) && witness_file(w->folder, h->hash, ".checkpoint", path, &e) &&
              place_replace(path, note.data, note.len, 0600, &e);
    if (ok) {
        if (h->size == 0 && r->c.size > 0 && h->heirs == 0) /* what a log goes on in is new, and was said */
            say_anew(h, r, out);
        h->size = r->c.size;
        h->at = clock_wall(w->clock);
        buf_clear(&h->word);
        buf_add(&h->word, word.data, word.len);
        memcpy(h->root, r->c.root, HASH_LEN);
        buf_clear(&h->note);
        buf_add(&h->note, note.data, note.len);
        buf_clear(&out->body);
        buf_add(&out->body, word.data, word.len);
        out->status = 200;
    } else {
        say(out, 500, "the witness cannot remember it, and says nothing");
        out->word = WITNESS_FAILED;
        snprintf(out->told, sizeof out->told, "%.290s", e.what);
    }
    buf_release(&note);
    buf_release(&word);
}

void witness_add(struct witness *w, struct slice request, struct witness_answer *out)
{
    struct request r = {0};
    uint8_t none[HASH_LEN];
    out->word = WITNESS_QUIET;
    out->told[0] = '\0';
    out->type = "text/plain; charset=utf-8";
    if (!read_request(request, &r)) {
        say(out, 400, "not an add-checkpoint request");
        return;
    }
    struct held *h = held_of(w, r.c.origin);
    sha256_bytes(NULL, 0, none);
    if (!h) {
        say(out, 404, "this witness does not know the log");
    } else if (!signed_by_log(w, &r)) {
        say(out, 403, "not signed by a key of the log that this witness knows");
    } else if (r.old > r.c.size) {
        say(out, 400, "the old size is larger than the checkpoint's");
    } else if (r.old != h->size) {
        buf_clear(&out->body);
        out->status = 409;
        out->type = "text/x.tlog.size";
        buf_printf(&out->body, "%" PRIu64 "\n", h->size);
        if (h->size > 0 && r.c.size == h->size && memcmp(r.c.root, h->root, HASH_LEN) != 0)
            keep_fork(w, h, r.c.size, request, SAME_SIZE, out); /* no proof is needed to see this one */
    } else if (r.c.size == 0 && memcmp(r.c.root, none, HASH_LEN) != 0) {
        say(out, 422, "the root of no entry is another");
    } else if (r.old == r.c.size && r.old > 0 && memcmp(r.c.root, h->root, HASH_LEN) != 0) {
        refuse_fork(w, h, &r, request, SAME_SIZE, out);
    } else if (r.old == 0 && r.n_proof > 0) {
        say(out, 422, "no proof belongs to an old size of 0");
    } else if (!tree_grew(h->size, h->root, r.c.size, r.c.root, (const uint8_t(*)[HASH_LEN])r.proof, r.n_proof)) {
        refuse_fork(w, h, &r, request, "it is not shown to hold the entries that were cosigned", out);
    } else if (*h->next && r.c.size > h->size) {
        refuse_fork(w, h, &r, request, "the log goes on in another file, and has signed so", out);
    } else if (is_fresh(w, h, &r)) {
        buf_clear(&out->body);
        buf_add(&out->body, h->word.data, h->word.len);
        out->status = 200;
    } else {
        cosign(w, h, &r, out);
    }
}

static void follow(struct witness *w, size_t i, const struct note_key *key, struct slice request,
                   struct witness_answer *out)
{
    struct held *h = &w->logs[i];
    char path[PATH_MAX];
    struct err e = {0};
    bool known = is_known(w, key);
    if (!witness_file(w->folder, h->hash, ".next", path, &e) || !place_replace(path, request.p, request.n, 0600, &e) ||
        (!known && !add_log(w, key->vkey, h->heirs + 1, &e)) ||
        (!known && w->mirrors && !open_mirror(w, &w->logs[w->n_logs - 1], &e))) {
        say(out, 500, "the witness cannot remember it");
        out->word = WITNESS_FAILED;
        snprintf(out->told, sizeof out->told, "%.290s", e.what);
        return;
    }
    h = &w->logs[i]; /* they may have moved */
    memcpy(h->next, key->vkey, sizeof h->next);
    say(out, 200, key->vkey);
    out->word = WITNESS_FOLLOWS;
    snprintf(out->told, sizeof out->told, "log %.60s goes on as %.60s at %" PRIu64 " entries; the key %.100s is taken",
             h->origin, key->name, h->size, key->vkey);
}

void witness_next(struct witness *w, const char *hash, struct slice request, struct witness_answer *out)
{
    struct note_key key;
    const char *why;
    size_t i = 0;
    out->word = WITNESS_QUIET;
    out->told[0] = '\0';
    out->type = "text/plain; charset=utf-8";
    while (i < w->n_logs && strcmp(w->logs[i].hash, hash) != 0)
        i++;
    if (!w->follow || i == w->n_logs || w->logs[i].size == 0) {
        say(out, 404, w->follow ? "nothing of such a log was cosigned here" : "this witness does not follow a log");
        return;
    }
    const struct held *h = &w->logs[i];
    int status = judge(w, h, request, &key, &why);
    say(out, status, why);
    if (status == 409) {
        buf_clear(&out->body);
        out->type = "text/x.tlog.size";
        buf_printf(&out->body, "%" PRIu64 "\n", h->size);
    }
    if (status != 200)
        return; /* who has no key of the log may send what he likes: nothing is kept of it, or told */
    if (*h->next && strcmp(h->next, key.vkey) != 0) {
        say(out, 422, "it goes on in another one already");
        keep_fork(w, h, h->size, request, "it goes on in two others", out);
    } else if (*h->next) {
        say(out, 200, key.vkey);
    } else if (!is_known(w, &key) && (held_of(w, key.name) || h->heirs == HEIRS_EACH)) {
        say(out, 403, held_of(w, key.name) ? "a log of that name is known by another key" : "it went on too often");
    } else {
        follow(w, i, &key, request, out);
    }
}

bool witness_checkpoint(const struct witness *w, const char *hash, struct buf *out)
{
    for (size_t i = 0; i < w->n_logs; i++)
        if (w->logs[i].size > 0 && strcmp(w->logs[i].hash, hash) == 0)
            return buf_add(out, w->logs[i].note.data, w->logs[i].note.len);
    return false;
}

struct mirror *witness_mirror(struct witness *w, const char *hash, uint64_t *size, uint8_t root[HASH_LEN],
                              struct slice *note)
{
    for (size_t i = 0; i < w->n_logs; i++) {
        if (strcmp(w->logs[i].hash, hash) != 0)
            continue;
        *size = w->logs[i].size;
        memcpy(root, w->logs[i].root, HASH_LEN);
        *note = (struct slice){w->logs[i].note.data, w->logs[i].note.len};
        return w->logs[i].mirror;
    }
    return NULL;
}
