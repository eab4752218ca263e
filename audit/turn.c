/* A log goes on in another file: what was written so far is copied beside it, and the file under the log's name begins
 * anew, in place, so that whoever has it open goes on with it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "audit/book.h"
#include "audit/check.h"
#include "audit/place.h"
#include "audit/turn.h"
#include "core/config.h"
#include "core/fmt.h"

#define ASIDE_MAX 100
#define FILES_MAX 100000
#define TIDY_US   (10 * US_PER_MIN) /* who copies writes all the time */

/* ---- copies ---- */

static bool sync_file(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && fchmod(fd, 0400) == 0 && fsync(fd) == 0;
    if (!ok)
        err_errno(e, ERR_IO, "look at its disk", "%.200s: cannot be made durable", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool verified(const char *path, struct err *e)
{
    struct audit_spec spec = {.db_path = path, .read_only = true};
    struct link k = {.known = false};
    struct audit_report r;
    ops_init(&k.ops);
    bool told = verify_file(&spec, NULL, &k, &r, e);
    ops_release(&k.ops);
    seals_release(&k.seals);
    if (told && !r.ok)
        return err_set(e, ERR_TAMPERED, "`andon audit verify` says more of the log itself", "%.150s: %.200s", path,
                       r.text);
    return told;
}

bool turn_copy(const char *db_path, const char *to, turn_change_fn *change, void *ctx, struct err *e)
{
    char *temp = NULL;
    int fd = place_temp(to, 0600, &temp, e);
    if (fd < 0)
        return false;
    close(fd);
    struct store *s = store_open(db_path, true, e);
    bool ok = s && store_copy(s, temp, e);
    store_close(s);
    s = ok && change ? store_open_copy(temp, e) : NULL;
    ok = ok && (!change || (s && change(s, ctx, e)));
    if (s)
        store_close(s);
    ok = ok && verified(temp, e) && sync_file(temp, e);
    if (ok)
        ok = change ? place_rename(temp, to, e) : place_publish(temp, to, e);
    else
        unlink(temp);
    free(temp);
    return ok;
}

static bool copy_file(const char *db_path, const char *to, struct err *e)
{
    return turn_copy(db_path, to, NULL, NULL, e);
}

static bool copy_older(const char *db_path, const char *to, struct err *e)
{
    struct previous p = {0};
    struct store *s = store_open(db_path, true, e);
    bool ok = s && chain_previous(s, &p, e);
    store_close(s);
    while (ok && *p.file) {
        struct previous next = {0};
        char *from = chain_path(db_path, p.file), *copy = chain_path(to, p.file);
        s = store_open(from, true, e);
        ok = s && chain_previous(s, &next, e) && copy_file(from, copy, e);
        store_close(s);
        free(from);
        free(copy);
        p = next;
    }
    return ok;
}

bool audit_copy(const struct audit_spec *spec, const char *to, struct err *e)
{
    if (access(to, F_OK) == 0)
        return err_set(e, ERR_CONFLICT, "name a new file", "%.200s is there already", to);
    return copy_older(spec->db_path, to, e) && copy_file(spec->db_path, to, e);
}

/* "audit.db.3.x7Kq0b": digits, and what place_temp puts behind a name. */
static bool is_temp(const char *tail)
{
    size_t digits = tail[0] == '.' ? strspn(tail + 1, "0123456789") : 0;
    const char *end = tail + 1 + digits;
    return digits > 0 && end[0] == '.' && strlen(end) == 7 &&
           strspn(end + 1, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") == 6;
}

/* A log's copy, or the beginning of one, that nobody writes any more: ours, and as it was for TIDY_US. */
static bool is_left(int dir, const char *name)
{
    static const char magic[16] = "SQLite format 3";
    struct stat st;
    char head[sizeof magic];
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    bool left = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && st.st_nlink == 1 &&
                (st.st_mode & 07077) == 0 &&
                clock_wall(clock_real()) - (int64_t)st.st_mtim.tv_sec * US_PER_S > TIDY_US &&
                (st.st_size == 0 ||
                 (pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head && memcmp(head, magic, sizeof magic) == 0));
    if (fd >= 0)
        close(fd);
    return left;
}

size_t audit_tidy(const char *db_path)
{
    const char *slash = strrchr(db_path, '/'), *own = slash ? slash + 1 : db_path;
    char *folder = place_folder(db_path);
    DIR *d = opendir(folder);
    size_t n = strlen(own), gone = 0;
    for (struct dirent *f; d && (f = readdir(d));)
        if (strncmp(f->d_name, own, n) == 0 && is_temp(f->d_name + n) && is_left(dirfd(d), f->d_name))
            gone += unlinkat(dirfd(d), f->d_name, 0) == 0;
    if (d)
        closedir(d);
    free(folder);
    return gone;
}

/* ---- the first entry of the new file ---- */

struct words {
    char origin[ORIGIN_MAX + 1], root[HASH_HEX], seen_root[HASH_HEX];
};

void turn_name(const char *old, bool went_on, char out[ORIGIN_MAX + 1])
{
    const char *slash = strrchr(old, '/');
    size_t n = slash && went_on ? (size_t)(slash - old) : strlen(old);
    long long k = slash && went_on ? strtoll(slash + 1, NULL, 10) : 1;
    snprintf(out, ORIGIN_MAX + 1, "%.*s/%lld", (int)(n > ORIGIN_MAX - 12 ? ORIGIN_MAX - 12 : n), old, k + 1);
}

bool turn_genesis(struct audit_log *l, struct store *s, struct store_head *h, const struct audit_turn *t,
                  const struct previous *p, struct err *e)
{
    struct entry en;
    struct words w;
    entry_init(&en, ENTRY_GENESIS);
    en.t = clock_wall(l->clock);
    en.mono = clock_boot(l->clock);
    en.actor = t->actor;
    en.reason = t->reason;
    entry_str(&en, "origin", l->name.name);
    entry_str(&en, "vkey", l->name.vkey);
    entry_str(&en, "previous.why", p->why);
    entry_str(&en, "previous.origin", p->have.origin);
    entry_int(&en, "previous.newest", p->base);
    if (*p->file)
        entry_str(&en, "previous.file", p->file);
    if (*p->vkey)
        entry_str(&en, "previous.vkey", p->vkey);
    if (p->have.size > 0) {
        hex_encode(w.root, p->have.root, HASH_LEN);
        entry_int(&en, "previous.size", (int64_t)p->have.size);
        entry_str(&en, "previous.root", w.root);
    }
    if (p->seen.size > 0) {
        hex_encode(w.seen_root, p->seen.root, HASH_LEN);
        entry_str(&en, "seen.origin", p->seen.origin);
        entry_int(&en, "seen.size", (int64_t)p->seen.size);
        entry_str(&en, "seen.root", w.seen_root);
    }
    l->chain.base = p->base;
    tree_init(&h->tree);
    h->note_n = 0;
    return book_write(l, s, h, &en, NULL, e);
}

int64_t turn_missing(const struct previous *p)
{
    bool same = p->have.size > 0 && memcmp(p->have.origin, p->seen.origin, sizeof p->have.origin) == 0;
    return (int64_t)(same ? (p->seen.size > p->have.size ? p->seen.size - p->have.size : 0) : p->seen.size);
}

/* ---- going on in place ---- */

/* "audit.db.3": the first of these that is free, or holds no more than what a killed process had copied so far. */
static char *free_name(const struct audit_log *l, char file[64], struct err *e)
{
    const char *slash = strrchr(l->db_path, '/'), *dot = strrchr(l->chain.before.file, '.');
    size_t last = dot ? strtoul(dot + 1, NULL, 10) : 0; /* no name comes twice, also after the older ones are removed */
    size_t from = (last < FILES_MAX && last > l->chain.n ? last : l->chain.n) + 1;
    for (size_t n = from; n <= from + ASIDE_MAX; n++) {
        int len = snprintf(file, 64, "%s.%zu", slash ? slash + 1 : l->db_path, n);
        if (len >= 64)
            break;
        char *path = chain_path(l->db_path, file);
        if (access(path, F_OK) != 0)
            return path;
        struct store *s = store_open(path, true, NULL);
        struct store_head h;
        struct checkpoint c;
        bool stale = s && store_head(s, &h, NULL) && note_peek(h.note, h.note_n, &c) && c.size <= l->last.tree.size &&
                     strcmp(c.origin, l->name.name) == 0;
        store_close(s);
        if (stale && unlink(path) == 0)
            return path;
        free(path);
    }
    err_set(e, ERR_CONFLICT, "move away what is called so", "%.200s.1 and so on: no free name", l->db_path);
    return NULL;
}

bool turn_in_place(struct audit_log *l, const struct audit_turn *t, struct previous *p, struct key *next,
                   struct store_head *old, struct err *e)
{
    struct store_head h = {0};
    struct note_key name, was = l->name;
    struct key *key = l->key;
    int64_t base = l->chain.base;
    char origin[ORIGIN_MAX + 1];
    uint8_t pub[KEY_PUBLIC_LEN];
    char *path = free_name(l, p->file, e);
    if (!path)
        return false;
    (void)audit_tidy(l->db_path);
    turn_name(l->name.name, *l->chain.before.why, origin);
    memcpy(p->have.origin, l->name.name, sizeof p->have.origin);
    memcpy(p->vkey, l->name.vkey, sizeof p->vkey);
    p->have.size = old->tree.size;
    tree_root(&old->tree, p->have.root);
    p->base = base + (int64_t)p->have.size + turn_missing(p);
    key_public(next ? next : l->key, pub);
    bool ok = copy_file(l->db_path, path, e) && note_key_init(&name, origin, pub, e) && book_take_name(l, &name, e);
    l->key = next ? next : key;
    ok = ok && store_restart(l->store, e) && turn_genesis(l, l->store, &h, t, p, e);
    if (ok)
        ok = store_commit(l->store, e);
    else
        store_rollback(l->store);
    l->key = key;
    if (ok) {
        l->last = h;
        l->kept = 0;
        ok = chain_open(&l->chain, l->store, l->db_path, false, e);
    } else {
        l->chain.base = base;
        (void)!book_take_name(l, &was, NULL);
    }
    free(path);
    return ok;
}

/* ---- rotation ---- */

/* The last that is written with the old key: which one comes next. */
static bool name_heir(struct audit_log *l, const struct audit_turn *t, const struct key *next, struct err *e)
{
    struct entry en;
    struct note_key name;
    char origin[ORIGIN_MAX + 1];
    uint8_t pub[KEY_PUBLIC_LEN];
    key_public(next, pub);
    turn_name(l->name.name, *l->chain.before.why, origin);
    if (!note_key_init(&name, origin, pub, e))
        return false;
    entry_init(&en, ENTRY_KEY);
    en.t = clock_wall(l->clock);
    en.mono = clock_boot(l->clock);
    en.actor = t->actor;
    en.reason = t->reason;
    en.result = "changed";
    entry_str(&en, "vkey", name.vkey);
    entry_str(&en, "previous.vkey", l->name.vkey);
    return audit_append(l, &en, NULL, e);
}

static struct key *next_key(struct audit_log *l, struct err *e)
{
    struct err why = {0};
    char *path = book_next_key(l);
    struct key *k = key_load(path, &why); /* of one who was killed on the way */
    if (!k && why.code == ERR_NOT_FOUND && key_create(path, &why))
        k = key_load(path, &why);
    if (!k && e)
        *e = why;
    free(path);
    return k;
}

static bool take_key(struct audit_log *l, struct key *next, struct err *e)
{
    char *path = book_next_key(l);
    bool ok = place_rename(path, l->key_path, e); /* the old one is no more */
    free(path);
    key_free(l->key);
    l->key = next;
    return ok;
}

static bool on_first(void *ctx, const struct store_row *row)
{
    struct leaf l;
    if (leaf_scan(row->leaf, row->leaf_n, &l))
        *(int64_t *)ctx = l.t;
    return false;
}

/* Inside a transaction. */
static bool outgrown(struct audit_log *l, const struct log_limits *m, char why[120], struct err *e)
{
    struct store_head h;
    int64_t bytes = 0, first = INT64_MAX, now = clock_wall(l->clock);
    char dur[FMT_MAX];
    why[0] = '\0';
    if (!store_head(l->store, &h, e) || !store_bytes(l->store, &bytes, e) ||
        !store_rows(l->store, 1, 1, false, on_first, &first, e))
        return false;
    if (m->entries > 0 && (int64_t)h.tree.size >= m->entries)
        snprintf(why, 120, "it has %llu entries", (unsigned long long)h.tree.size);
    else if (m->every_us > 0 && now - m->every_us >= first && h.tree.size > 1)
        snprintf(why, 120, "it was begun %s ago", fmt_dur(dur, now - first));
    else if (m->bytes > 0 && bytes >= m->bytes && h.tree.size > 1)
        snprintf(why, 120, "it takes %lld MiB", (long long)(bytes >> 20));
    return true;
}

struct growing {
    const struct log_limits *limits;
    char *why;
};

static bool look_outgrown(struct audit_log *l, void *ctx, struct err *e)
{
    struct growing *g = ctx;
    return outgrown(l, g->limits, g->why, e);
}

bool audit_outgrown(struct audit_log *l, const struct log_limits *limits, char why[120], struct err *e)
{
    return book_read(l, look_outgrown, &(struct growing){limits, why}, e);
}

/* Older files that are there are opened with the log, and only so many are. One more would close it for everybody; a
 * recovery has the rest. */
static bool has_room(const struct audit_log *l, struct err *e)
{
    return l->chain.n < ROTATE_MAX ||
           err_set(e, ERR_LIMIT, "`andon audit prune` (audit: keep:) removes the oldest; rotate: less often",
                   "audit log: it has %zu older files, and it is not rotated any further", l->chain.n);
}

bool audit_rotate_if(struct audit_log *l, const struct audit_turn *t, const struct log_limits *limits, bool *done,
                     struct err *e)
{
    struct store_head h = {0};
    struct previous p = {.why = "rotated"};
    char why[120] = "";
    *done = false;
    if (!book_begin(l, &h, e))
        return false;
    bool ok = outgrown(l, limits, why, e);
    if (ok && *why)
        ok = *done = has_room(l, e) && turn_in_place(l, t, &p, NULL, &h, e);
    if (!*done)
        store_rollback(l->store);
    return ok;
}

bool audit_rotate(struct audit_log *l, const struct audit_turn *t, bool new_key, struct err *e)
{
    if (l->socket)
        return book_far_rotate(l, t, new_key, e);
    struct store_head h = {0};
    struct previous p = {.why = "rotated"};
    struct key *next = NULL;
    if (!has_room(l, e))
        return false;
    if (new_key) {
        snprintf(p.why, sizeof p.why, "key-changed");
        if (!(next = next_key(l, e)) || !name_heir(l, t, next, e)) {
            key_free(next);
            return false;
        }
    }
    if (!book_begin(l, &h, e)) {
        key_free(next);
        return false;
    }
    if (!has_room(l, e) || !turn_in_place(l, t, &p, next, &h, e)) {
        store_rollback(l->store);
        key_free(next);
        return false;
    }
    return !next || take_key(l, next, e);
}
