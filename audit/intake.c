/* What waits in the spool becomes entries.
 *
 * One process at a time does it, under the lock of the folder, which the kernel gives back when that process dies. A
 * file is claimed first: under its own lock it gets another name, so that who writes next begins a new one. Its records
 * become entries in one transaction, and only then is it removed. Whoever is killed on the way leaves a claimed file,
 * which the next one reads again; records whose event is in the log already make no second entry (book_put). */
#include "audit/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/host.h"
#include "audit/serve_ask.h"

#define TURN_US   (250 * US_PER_MS)
#define ASIDE_MAX 100 /* names for what was set aside; when they are used up it stays where it is */

/* --- one file -------------------------------------------------------------------------------------------------- */

/* Gives the file a name that is free: NAME.N + tail. False with errno. */
static bool rename_free(int dir, const char *name, const char *tail, char to[INTAKE_NAME])
{
    struct stat st;
    char base[INTAKE_NAME];
    snprintf(base, sizeof base, "%s", name);
    if (intake_ends(base, INTAKE_CLAIMED)) { /* once is enough */
        base[strlen(base) - strlen(INTAKE_CLAIMED)] = '\0';
        char *number = strrchr(base, '.');
        if (number)
            *number = '\0';
    }
    for (int i = 0; i < ASIDE_MAX; i++) {
        snprintf(to, INTAKE_NAME, "%.120s.%d%s", base, i, tail);
        if (fstatat(dir, to, &st, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT && renameat(dir, name, dir, to) == 0;
    }
    errno = EEXIST;
    return false;
}

/* Under its own lock, so that nobody is writing to it any more. *odd: it is no file of a spool. */
static bool claim(const struct intake_folder *f, char name[INTAKE_NAME], bool *odd, struct err *e)
{
    int dir = f->fd;
    struct stat st, now;
    char to[INTAKE_NAME];
    *odd = false;
    if (intake_ends(name, INTAKE_CLAIMED))
        return true; /* by somebody who is no more */
    int fd = spool_open_file(dir, name, O_RDONLY, f->who, &st, e);
    if (fd < 0) {
        *odd = e->code == ERR_FORBIDDEN;
        return *odd;
    }
    bool ok = spool_lock(fd, f->shared ? 0 : TURN_US); /* who keeps his own file's lock holds up nobody else */
    if (!ok)
        err_set(e, ERR_TIMEOUT, "", "spool file %.100s: another process keeps its lock", name);
    else if (fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) != 0 || now.st_ino != st.st_ino)
        ok = err_set(e, ERR_NOT_FOUND, "", "spool file %.100s: it has gone", name);
    else if (!rename_free(dir, name, INTAKE_CLAIMED, to))
        ok = err_errno(e, ERR_IO, "look at its folder", "spool file %.100s: cannot be claimed", name);
    else
        snprintf(name, INTAKE_NAME, "%s", to);
    close(fd);
    return ok;
}

struct batch {
    struct audit_log *l;
    int dir;
    const char *key;
    const struct peer_rule *who; /* of a shared folder */
    bool shared;
    uid_t uid; /* the file's owner */
    char user[64];
    struct arena arena;
    struct record *r;
    size_t n, cap;
    int64_t bad;
};

static struct record *more(struct batch *b)
{
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 16;
        b->r = xreallocarray(b->r, b->cap, sizeof *b->r);
    }
    return &b->r[b->n];
}

/* The entry that a record becomes: who took it in is its host, who wrote it a field. False when it is too long. */
static bool finish(struct batch *b, struct record *r)
{
    struct buf line, host;
    bool ok = false;
    if (b->shared) { /* the kernel's word on who has written it */
        entry_int(&r->en, "spool.uid", (int64_t)b->uid);
        entry_str(&r->en, "spool.user", b->user);
    }
    struct entry plain = r->en;
    buf_init(&host, ENTRY_MAX);
    if (!host_facts_now(&b->l->host, b->l->clock, &host))
        return false;
    entry_int(&r->en, "spool.taken", clock_wall(b->l->clock));
    for (int i = 0; i < 2 && !ok; i++) {
        if (i == 0)
            entry_str(&r->en, "spool.host", r->host);
        else
            r->en = plain; /* without these two rather than not at all */
        buf_init(&line, ENTRY_MAX);
        ok = entry_canonical(&r->en, UINT64_C(1) << 50, host.data, &line, NULL);
        buf_release(&line);
    }
    buf_release(&host);
    return ok;
}

static void read_records(struct batch *b, const char *text, size_t len)
{
    const char *at = text, *line;
    size_t n;
    while (intake_line(&at, text + len, &line, &n)) {
        struct record *r = more(b);
        if (record_read(line, n, &b->arena, r, NULL) && (!b->shared || desk_may(b->l, b->user, &r->en, NULL)) &&
            finish(b, r))
            b->n++;
        else
            b->bad++;
    }
}

static void blob_name(const struct batch *b, const char *digest, char out[INTAKE_NAME])
{
    snprintf(out, INTAKE_NAME, "andon-%s-%.64s.blob", b->key, digest);
}

/* Is this field the digest of a blob that lies beside the spool? */
static bool names_blob(const struct entry_field *f)
{
    struct member m = {.is_string = f->str != NULL, .key = {f->key, strlen(f->key)}};
    if (!f->str || strcmp(f->key, EVENT_FIELD) == 0)
        return false;
    m.value = (struct slice){f->str, strlen(f->str)};
    return leaf_names_blob(&m);
}

/* An entry may name a blob only when the log has it. */
static bool bring_blobs(struct batch *b, struct record *r, struct err *e)
{
    for (size_t i = 0; i < r->en.n_fields; i++) {
        struct entry_field *f = &r->en.fields[i];
        struct buf bytes;
        struct stat st;
        char name[INTAKE_NAME], sum[SHA256_HEX];
        uint8_t raw[HASH_LEN];
        bool have, ok = true;
        if (!names_blob(f) || !tree_hash_parse(f->str, strlen(f->str), raw))
            continue;
        if (!book_marked(b->l, f->str, &have, e))
            return false;
        buf_init(&bytes, SPOOL_BLOB_MAX);
        blob_name(b, f->str, name);
        if (!have && intake_read(b->dir, name, b->who, SPOOL_BLOB_MAX, &bytes, &st, NULL)) {
            sha256_hex(bytes.data, bytes.len, sum);
            have = strcmp(sum, f->str) == 0;
            ok = !have || (b->l->socket ? audit_put_blob(b->l, bytes.data, bytes.len, sum, e)
                                        : book_blob(b->l, raw, bytes.data, bytes.len, e));
        }
        buf_release(&bytes);
        if (!ok)
            return false;
        if (!have)
            f->key = "spool.lost";
    }
    return true;
}

/* Says in the log that a file was set aside. The same file gives the same event, however often it is met. *h: NULL by a
 * socket. */
static bool put_aside_entry(struct audit_log *l, struct store_head *h, const char *name, const struct timespec *at,
                            int64_t bad, const char *why, struct err *e)
{
    struct entry en;
    bool known;
    char reason[500];
    snprintf(reason, sizeof reason, "spool file %.100s was set aside: %.300s", name, why);
    entry_init(&en, ENTRY_DEGRADED);
    en.t = (int64_t)at->tv_sec * US_PER_S + at->tv_nsec / 1000;
    en.late = true;
    en.actor = (struct actor){.kind = ACTOR_SCRIPT, .name = "andon"};
    en.result = "set-aside";
    en.reason = reason;
    entry_int(&en, "spool.bad", bad);
    if (!h) {
        peer_name(geteuid(), en.actor.name); /* nobody writes in another's name there */
        return audit_append(l, &en, NULL, e);
    }
    return book_put(l, h, &en, NULL, &known, e);
}

/* To the guard: one after the other. What it has already makes no second entry. */
static bool hand_in(struct batch *b, const char *name, const struct timespec *at, struct audit_intake *out,
                    struct err *e)
{
    for (size_t i = 0; i < b->n; i++) {
        if (!bring_blobs(b, &b->r[i], e) || !audit_append(b->l, &b->r[i].en, NULL, e))
            return false;
        out->taken++;
    }
    return b->bad == 0 || put_aside_entry(b->l, NULL, name, at, b->bad, "some of its lines are no whole records", e);
}

static bool write_batch(struct batch *b, const char *name, const struct timespec *at, struct audit_intake *out,
                        struct err *e)
{
    struct store_head h = {0};
    int64_t taken = 0, again = 0;
    bool known = false;
    if (b->l->socket)
        return hand_in(b, name, at, out, e);
    if (!book_begin(b->l, &h, e))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < b->n; i++) {
        ok = bring_blobs(b, &b->r[i], e) && book_put(b->l, &h, &b->r[i].en, NULL, &known, e);
        taken += ok && !known;
        again += ok && known;
    }
    if (ok && b->bad > 0)
        ok = put_aside_entry(b->l, &h, name, at, b->bad, "some of its lines are no whole records", e);
    if (!ok) {
        store_rollback(b->l->store);
        return false;
    }
    if (!book_commit(b->l, &h, e))
        return false;
    out->taken += taken;
    out->known += again;
    return true;
}

static void drop_blobs(const struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k < b->r[i].en.n_fields; k++)
            if (names_blob(&b->r[i].en.fields[k])) {
                char name[INTAKE_NAME];
                blob_name(b, b->r[i].en.fields[k].str, name);
                unlinkat(b->dir, name, 0);
            }
}

static bool set_aside(struct audit_log *l, int dir, const char *name, const struct timespec *at, const struct err *why,
                      struct audit_intake *out)
{
    struct store_head h = {0};
    struct err e = {0};
    char to[INTAKE_NAME];
    out->err = *why;
    if (l->socket ? !put_aside_entry(l, NULL, name, at, 0, why->what, &e) : !book_begin(l, &h, &e)) {
        out->err = e;
        return false;
    }
    if (!l->socket && !put_aside_entry(l, &h, name, at, 0, why->what, &e)) {
        store_rollback(l->store);
        out->err = e;
        return false;
    }
    if ((!l->socket && !book_commit(l, &h, &e)) || !rename_free(dir, name, INTAKE_BAD, to)) {
        out->err = e.code != ERR_NONE ? e : *why;
        return false;
    }
    return true;
}

/* True: nothing of it is left to do. *go_on: the others can be taken though this one stays. */
static bool take_file(struct audit_log *l, const struct intake_folder *f, const struct intake_file *v,
                      struct audit_intake *out, bool *go_on)
{
    struct batch b = {.l = l, .dir = f->fd, .key = l->spool->key, .who = f->who, .shared = f->shared, .uid = v->uid};
    char name[INTAKE_NAME], to[INTAKE_NAME];
    struct buf text;
    struct stat st;
    struct err e = {0};
    bool odd;
    snprintf(name, sizeof name, "%s", v->name);
    if (!claim(f, name, &odd, &e)) {
        if (e.code != ERR_NOT_FOUND)
            out->err = e;
        *go_on = true;
        return e.code == ERR_NOT_FOUND;
    }
    *go_on = false;
    if (odd)
        return set_aside(l, f->fd, name, &v->at, &e, out);
    buf_init(&text, SPOOL_MAX);
    arena_init(&b.arena);
    bool ok = intake_read(f->fd, name, f->who, SPOOL_MAX, &text, &st, &e);
    if (!ok && e.code != ERR_NOT_FOUND && e.code != ERR_IO) {
        ok = set_aside(l, f->fd, name, &v->at, &e, out);
    } else if (ok) {
        b.uid = st.st_uid;
        peer_name(b.uid, b.user);
        read_records(&b, text.data, text.len);
        ok = (b.n == 0 && b.bad == 0) || write_batch(&b, name, &st.st_mtim, out, &e);
        out->bad += b.bad;
        if (ok) {
            drop_blobs(&b);
            ok = b.bad > 0 ? rename_free(f->fd, name, INTAKE_BAD, to) : unlinkat(f->fd, name, 0) == 0;
            if (b.bad > 0)
                err_set(&out->err, ERR_SYNTAX, "look at it; what could be read is in the log",
                        "spool file %.100s: %lld lines are no whole records", ok ? to : name, (long long)b.bad);
        } else {
            out->err = e;
        }
    } else {
        out->err = e;
        ok = e.code == ERR_NOT_FOUND;
    }
    free(b.r);
    arena_release(&b.arena);
    buf_release(&text);
    return ok;
}

/* False when something had to stay; *go_on: other folders may be tried. */
static bool take_folder(struct audit_log *l, struct intake_folder *f, struct audit_intake *out, bool *go_on)
{
    bool ok = true;
    *go_on = true;
    /* A shared one only the guard that has the socket takes in; its lock is everybody's. */
    if (f->n > 0 && !f->shared && !spool_lock(f->fd, TURN_US))
        return err_set(&out->err, ERR_TIMEOUT, "it is tried again", "spool %.200s: another process is taking it in",
                       f->path);
    for (size_t i = 0; i < f->n && *go_on; i++)
        if (take_file(l, f, &f->file[i], out, go_on))
            *go_on = true;
        else
            ok = false;
    return ok;
}

bool audit_take_in(struct audit_log *l, struct audit_intake *out)
{
    struct intake_folder f;
    bool ok = true, go_on = true;
    memset(out, 0, sizeof *out);
    if (l->read_only)
        return err_set(&out->err, ERR_REFUSED, "", "audit log %.200s: opened read-only", l->db_path);
    for (size_t i = 0; l->spool && go_on && i < SPOOL_DIRS && l->spool->dir[i]; i++) {
        bool more = i > 0 || !l->spool->shared || l->spool->who; /* a shared one is the guard's to take in */
        while (more && go_on && intake_look(&f, l->spool, i, out)) {
            bool all = take_folder(l, &f, out, &go_on);
            ok = ok && all;
            more = all && f.n == INTAKE_FILES;
            close(f.fd);
        }
    }
    struct audit_intake left = {0};
    intake_waiting(l->spool, &left);
    out->waiting = left.waiting;
    out->set_aside = left.set_aside;
    out->others = left.others;
    return ok;
}

void audit_waiting(struct audit_log *l, struct audit_intake *out)
{
    intake_waiting(l->spool, out);
}

const struct audit_intake *audit_taken_in(const struct audit_log *l)
{
    return &l->intake;
}
