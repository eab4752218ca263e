#include "audit/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "audit/host.h"
#include "audit/place.h"
#include "audit/record.h"
#include "core/fmt.h"
#include "core/text.h"

struct spool {
    struct spool_place *place;
    bool apart[SPOOL_DIRS]; /* not on the log's file system */
    struct buf host;
    struct clock *clock;
};

/* --- where ----------------------------------------------------------------------------------------------------- */

/* The path with its links resolved as far as there is something: the log's folder need not be there yet. */
static char *real_path(const char *path)
{
    char *real = realpath(path, NULL);
    const char *slash = strrchr(path, '/');
    if (real || !*path || strcmp(path, "/") == 0 || strcmp(path, ".") == 0)
        return real ? real : xstrdup(path);
    char *folder = place_folder(path), *up = real_path(folder);
    struct buf b;
    buf_init(&b, (size_t)2 * PATH_MAX);
    buf_printf(&b, "%s/%s", strcmp(up, "/") != 0 ? up : "", slash ? slash + 1 : path);
    free(folder);
    free(up);
    real = buf_take(&b);
    buf_release(&b);
    return real;
}

static char *without_slash(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return xstrndup(path, n);
}

struct spool_place *spool_place_new(const struct audit_spec *spec)
{
    struct spool_place *p = xcalloc(1, sizeof *p);
    size_t n = 0;
    for (size_t i = 0; i < SPOOL_DIRS; i++)
        if (spec->spool[i] && *spec->spool[i])
            p->dir[n++] = without_slash(spec->spool[i]);
    if (n == 0) {
        free(p);
        return NULL;
    }
    const char *socket = spec->socket ? spec->socket : spec->serves;
    char sum[SHA256_HEX], *db = real_path(socket ? socket : spec->db_path);
    p->shared = socket != NULL;
    sha256_hex(db, strlen(db), sum);
    snprintf(p->key, sizeof p->key, "%.16s", sum);
    free(db);
    return p;
}

void spool_place_free(struct spool_place *p)
{
    for (size_t i = 0; p && i < SPOOL_DIRS; i++)
        free(p->dir[i]);
    free(p);
}

/* The file system of the nearest folder above that is there. */
static bool file_system(const char *path, dev_t *out)
{
    struct stat st;
    if (stat(path, &st) == 0) {
        *out = st.st_dev;
        return true;
    }
    char *up = place_folder(path);
    bool ok = strcmp(up, path) != 0 && strcmp(path, ".") != 0 && file_system(up, out);
    free(up);
    return ok;
}

struct spool *spool_new(const struct audit_spec *spec)
{
    struct spool_place *place = spool_place_new(spec);
    if (!place)
        return NULL;
    struct spool *s = xcalloc(1, sizeof *s);
    dev_t log = 0, own = 0;
    bool known = file_system(spec->db_path, &log);
    s->place = place;
    for (size_t i = 0; i < SPOOL_DIRS && place->dir[i]; i++)
        s->apart[i] = known && file_system(place->dir[i], &own) && own != log;
    buf_init(&s->host, ENTRY_MAX);
    host_facts(&s->host);
    s->clock = spec->clock ? spec->clock : clock_real();
    return s;
}

void spool_free(struct spool *s)
{
    if (!s)
        return;
    spool_place_free(s->place);
    buf_release(&s->host);
    free(s);
}

/* --- folder and file ------------------------------------------------------------------------------------------- */

static bool dir_ok(int fd, const char *path, bool shared, struct err *e)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_errno(e, ERR_IO, "", "spool %.200s: cannot look at it", path);
    if (shared && st.st_mode & S_ISVTX)
        return true;
    if (st.st_uid != geteuid())
        return err_set(e, ERR_FORBIDDEN,
                       "name a folder of your own: audit: spool:", "spool %.200s: the folder belongs to uid %ld", path,
                       (long)st.st_uid);
    if (st.st_mode & 022)
        return err_set(e, ERR_FORBIDDEN, "chmod go-w", "spool %.200s: others may write to the folder (mode %03o)", path,
                       (unsigned)(st.st_mode & 0777));
    return true;
}

int spool_open_dir(const char *path, bool make, bool shared, struct err *e)
{
    bool made = false;
    if (make && !shared && access(path, F_OK) != 0) {
        if (!place_prepare(path, e)) /* the folders above */
            return -1;
        made = mkdir(path, 0700) == 0;
        if (!made && errno != EEXIST) {
            err_errno(e, ERR_IO, "name another folder: audit: spool:", "spool %.200s: cannot make the folder", path);
            return -1;
        }
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        bool none = errno == ENOENT, odd = errno == ELOOP || errno == ENOTDIR;
        err_errno(e,
                  none  ? ERR_NOT_FOUND
                  : odd ? ERR_FORBIDDEN
                        : ERR_IO,
                  "name another folder: audit: spool:", "spool %.200s: %s", path,
                  odd ? "a link or no folder" : "cannot open the folder");
        return -1;
    }
    if (dir_ok(fd, path, shared, e) && (!made || place_sync_folder(path, e)))
        return fd;
    close(fd);
    return -1;
}

int spool_open_file(int dir, const char *name, int flags, const struct peer_rule *who, struct stat *st, struct err *e)
{
    int fd = openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0) {
        bool odd = errno == ELOOP || errno == ENXIO || errno == EISDIR; /* a link, a FIFO, a folder */
        err_errno(e,
                  errno == ENOENT   ? ERR_NOT_FOUND
                  : odd             ? ERR_FORBIDDEN
                  : errno == EEXIST ? ERR_CONFLICT
                                    : ERR_IO,
                  "", "spool file %.100s: cannot open it", name);
        return -1;
    }
    if (fstat(fd, st) != 0)
        err_errno(e, ERR_IO, "", "spool file %.100s: cannot look at it", name);
    else if (!S_ISREG(st->st_mode))
        err_set(e, ERR_FORBIDDEN, "", "spool file %.100s: not a regular file", name);
    else if (st->st_uid != geteuid() && !(who && peer_may(who, st->st_uid)))
        err_set(e, ERR_FORBIDDEN, "", "spool file %.100s: owned by uid %ld", name, (long)st->st_uid);
    else if (st->st_mode & 022)
        err_set(e, ERR_FORBIDDEN, "", "spool file %.100s: others may write to it (mode %03o)", name,
                (unsigned)(st->st_mode & 0777));
    else if (st->st_nlink > 1)
        err_set(e, ERR_FORBIDDEN, "", "spool file %.100s: it has another name elsewhere", name);
    else
        return fd;
    close(fd);
    return -1;
}

bool spool_lock(int fd, int64_t us)
{
    int64_t until = clock_now(clock_real()) + us;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || clock_now(clock_real()) >= until)
            return false;
        poll(NULL, 0, 1); /* flock cannot wait for a time */
    }
    return true;
}

/* --- writing --------------------------------------------------------------------------------------------------- */

/* Appends to an open file, durably, or leaves it as long as it was. */
static bool append(int dir, int fd, const struct stat *st, const char *name, const struct buf *line, struct err *e)
{
    struct buf out;
    char last = '\n';
    if ((uint64_t)st->st_size > SPOOL_MAX)
        return err_set(e, ERR_FORBIDDEN, "", "spool file %.100s: longer than andon makes one", name);
    if ((size_t)st->st_size + line->len + 1 > SPOOL_MAX)
        return err_set(e, ERR_LIMIT, "let the log take it in: run `andon doctor`", "spool file %.100s: it is full",
                       name);
    /* A line that was broken off must not swallow this one. */
    if (st->st_size > 0 && pread(fd, &last, 1, st->st_size - 1) != 1)
        return err_errno(e, ERR_IO, "", "spool file %.100s: cannot read it", name);
    buf_init(&out, RECORD_MAX + 1);
    if (last != '\n')
        buf_addc(&out, '\n');
    buf_add(&out, line->data, line->len);
    ssize_t n;
    do
        n = write(fd, out.data, out.len);
    while (n < 0 && errno == EINTR);
    bool ok = n == (ssize_t)out.len && fdatasync(fd) == 0 && fsync(dir) == 0;
    if (!ok) {
        if (n >= 0 && n < (ssize_t)out.len) {
            /* When the piece stays, who reads it sees that it is none. */
            int cut = ftruncate(fd, st->st_size);
            (void)cut;
            errno = ENOSPC;
        }
        err_errno(e, ERR_IO, "look at its disk", "spool file %.100s: cannot write to it", name);
    }
    buf_release(&out);
    return ok;
}

/* In a shared folder the guard is to read it: its group is the folder's. Closes it when that cannot be. */
static bool let_read(int fd, bool shared, const char *name, struct err *e)
{
    if (!shared || fchmod(fd, 0640) == 0)
        return true;
    err_errno(e, ERR_IO, "", "spool file %.100s: cannot be opened to the guard", name);
    close(fd);
    return false;
}

/* The common file, under its lock. ERR_TIMEOUT: somebody keeps the lock. */
static bool put_common(int dir, const char *name, bool shared, const struct buf *line, struct err *e)
{
    for (int tries = 0; tries < 5; tries++) {
        struct stat st, now;
        int fd = spool_open_file(dir, name, O_RDWR | O_APPEND | O_CREAT, NULL, &st, e);
        if (fd < 0 || !let_read(fd, shared, name, e))
            return false;
        if (!spool_lock(fd, SPOOL_LOCK_US)) {
            close(fd);
            return err_set(e, ERR_TIMEOUT, "", "spool file %.100s: another process keeps its lock", name);
        }
        /* Whoever took it in has given it another name before it read it, under the lock. */
        bool same =
            fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_dev == st.st_dev && now.st_ino == st.st_ino;
        if (same) {
            bool ok = append(dir, fd, &now, name, line, e);
            close(fd);
            return ok;
        }
        close(fd);
    }
    return err_set(e, ERR_TIMEOUT, "", "spool file %.100s: it keeps moving", name);
}

/* A whole new file with one content. */
static bool put_new(int dir, const char *name, bool shared, const void *p, size_t n, struct err *e)
{
    struct stat st;
    int fd = spool_open_file(dir, name, O_WRONLY | O_APPEND | O_CREAT | O_EXCL, NULL, &st, e);
    if (fd < 0 || !let_read(fd, shared, name, e))
        return false;
    bool ok = place_write(fd, p, n) && fdatasync(fd) == 0 && fsync(dir) == 0;
    if (!ok) {
        err_errno(e, ERR_IO, "look at its disk", "spool file %.100s: cannot write it", name);
        unlinkat(dir, name, 0);
    }
    close(fd);
    return ok;
}

static bool put_blob(int dir, const char *key, bool shared, const char *digest, const struct spool_blob *b)
{
    char name[120];
    struct err e = {0};
    snprintf(name, sizeof name, "andon-%s-%s.blob", key, digest);
    return b->n <= SPOOL_BLOB_MAX && (put_new(dir, name, shared, b->bytes, b->n, &e) || e.code == ERR_CONFLICT);
}

static bool put_record(const struct spool *s, int dir, bool shared, const struct entry *en,
                       const struct spool_blob *blob, char name[120], struct err *e)
{
    struct entry own = *en;
    struct buf line, host;
    char digest[SHA256_HEX];
    if (blob) {
        sha256_hex(blob->bytes, blob->n, digest);
        entry_str(&own, put_blob(dir, s->place->key, shared, digest, blob) ? blob->key : "spool.lost", digest);
    }
    buf_init(&line, RECORD_MAX);
    buf_init(&host, ENTRY_MAX);
    bool ok = host_facts_now(&s->host, s->clock, &host) && record_write(&own, host.data, &line, e);
    buf_release(&host);
    if (ok) {
        if (shared) /* for each user one */
            snprintf(name, 120, "andon-%s-u%ld.spool", s->place->key, (long)geteuid());
        else
            snprintf(name, 120, "andon-%s.spool", s->place->key);
        ok = put_common(dir, name, shared, &line, e);
        if (!ok && e->code != ERR_IO && e->code != ERR_LIMIT) { /* something stands in the way there */
            snprintf(name, 120, "andon-%s-%ld-%lld.spool", s->place->key, (long)getpid(),
                     (long long)clock_now(clock_real()));
            ok = put_new(dir, name, shared, line.data, line.len, e);
        }
    }
    buf_release(&line);
    return ok;
}

/* Calls `fn` for each folder until one works: those apart from the log first. */
struct attempt {
    const struct entry *en;
    const struct spool_blob *blob;
    char *where; /* NULL, or PATH_MAX */
    bool apart;
};

static bool try_dir(const struct spool *s, size_t i, struct attempt *t, struct err *e)
{
    char name[120] = "";
    bool ok;
    bool shared = s->place->shared && i == 0;
    int dir = spool_open_dir(s->place->dir[i], true, shared, e);
    if (dir < 0)
        return false;
    if (t->en) {
        ok = put_record(s, dir, shared, t->en, t->blob, name, e);
    } else {
        snprintf(name, sizeof name, "andon-%s-%ld.probe", s->place->key, (long)getpid());
        ok = put_new(dir, name, shared, "probe\n", 6, e);
        unlinkat(dir, name, 0);
        *name = '\0';
    }
    close(dir);
    t->apart = s->apart[i];
    if (ok && t->where)
        snprintf(t->where, PATH_MAX, "%s%s%s", s->place->dir[i], *name ? "/" : "", name);
    return ok;
}

static bool any_dir(const struct spool *s, struct attempt *t, struct err *e)
{
    struct err why = {0};
    for (int apart = 1; apart >= 0; apart--)
        for (size_t i = 0; i < SPOOL_DIRS && s->place->dir[i]; i++)
            if (s->apart[i] == apart) {
                err_clear(&why);
                if (try_dir(s, i, t, &why))
                    return true;
            }
    if (e)
        *e = why;
    return false;
}

bool spool_put(const struct spool *s, const struct entry *en, const struct spool_blob *blob, char where[PATH_MAX],
               struct err *e)
{
    struct attempt t = {.en = en, .blob = blob, .where = where};
    if (!entry_of_halt(en))
        return err_set(e, ERR_REFUSED, "", "spool: %s entries do not go there", entry_kind_word(en->kind));
    return any_dir(s, &t, e);
}

bool spool_probe(const struct spool *s, char where[PATH_MAX], bool *apart, struct err *e)
{
    struct attempt t = {.where = where};
    bool ok = any_dir(s, &t, e);
    *apart = t.apart;
    return ok;
}

/* --- the last resort ------------------------------------------------------------------------------------------- */

/* RFC 3164 to the local socket, alert of a user's program (facility 1, severity 1), as syslog() sends it. */
static bool say_syslog(void *ctx, const char *line)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    char text[1100];
    (void)ctx;
    int n = snprintf(text, sizeof text, "<9>andon[%ld]: %s", (long)getpid(), line);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    size_t len = n < (int)sizeof text ? (size_t)n : sizeof text - 1;
    bool ok = fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 &&
              send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
    if (fd >= 0)
        close(fd);
    return ok;
}

enum trail spool_trace(const struct spool *s, const struct entry *en, const struct spool_blob *blob, spool_say_fn *say,
                       void *ctx, char where[PATH_MAX], struct err *e)
{
    char line[900], safe[1000], at[FMT_MAX];
    struct err why = {0};
    if (!s)
        err_set(&why, ERR_NOT_FOUND, "name a folder: audit: spool:", "there is no spool");
    else if (spool_put(s, en, blob, where, &why))
        return TRAIL_SPOOL;
    if (e)
        *e = why;
    snprintf(line, sizeof line, "not in the audit log: %s %s fleet=%s rollout=%s actor=%s corr=%016" PRIx64 " at=%s %s",
             entry_kind_word(en->kind), verb_word(en->verb), en->fleet, en->rollout, en->actor.name, en->corr,
             fmt_iso(at, en->t), en->reason);
    safe_text_into(safe, sizeof safe, line, strlen(line));
    return (say ? say : say_syslog)(ctx, safe) ? TRAIL_SYSLOG : TRAIL_NOWHERE;
}
