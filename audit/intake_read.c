/* What waits in the spool, read without touching it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/intake.h"

bool intake_ends(const char *name, const char *tail)
{
    size_t n = strlen(name), k = strlen(tail);
    return n > k && strcmp(name + n - k, tail) == 0;
}

/* "andon-KEY.spool", "andon-KEY-....spool", either with ".N.taking". */
static bool ours(const char *name, const char *key)
{
    size_t n = strlen(key);
    const char *rest = name + strlen("andon-") + n;
    return strncmp(name, "andon-", 6) == 0 && strncmp(name + 6, key, n) == 0 && (*rest == '.' || *rest == '-');
}

static int by_time(const void *a, const void *b)
{
    const struct intake_file *x = a, *y = b;
    if (x->at.tv_sec != y->at.tv_sec)
        return x->at.tv_sec < y->at.tv_sec ? -1 : 1;
    if (x->at.tv_nsec != y->at.tv_nsec)
        return x->at.tv_nsec < y->at.tv_nsec ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* In a shared folder everybody may put what he likes: only files of those count who may, and so many of each. */
static bool admitted(const struct intake_folder *f, const struct stat *st)
{
    size_t n = 0;
    if (!f->shared)
        return true;
    for (size_t i = 0; i < f->n; i++)
        n += f->file[i].uid == st->st_uid;
    return n < INTAKE_EACH && (f->who ? peer_may(f->who, st->st_uid) : st->st_uid == geteuid());
}

static void see(struct intake_folder *f, const char *name, struct audit_intake *out)
{
    const char *key = f->key;
    bool spool = intake_ends(name, ".spool") || intake_ends(name, INTAKE_CLAIMED);
    size_t n = strlen(name);
    struct stat st;
    if (strncmp(name, "andon-", 6) != 0 || n >= INTAKE_NAME - 16)
        return;
    if (!ours(name, key)) {
        out->others += spool;
        return;
    }
    out->set_aside += strstr(name, INTAKE_BAD) != NULL;
    if (!spool || f->n == INTAKE_FILES || fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !admitted(f, &st))
        return;
    struct intake_file *v = &f->file[f->n++];
    memcpy(v->name, name, n + 1);
    v->at = st.st_mtim;
    v->uid = st.st_uid;
}

bool intake_look(struct intake_folder *f, const struct spool_place *p, size_t i, struct audit_intake *out)
{
    struct err e = {0};
    f->n = 0;
    f->path = p->dir[i];
    f->key = p->key;
    f->shared = p->shared && i == 0;
    f->who = f->shared ? p->who : NULL;
    f->fd = spool_open_dir(f->path, false, f->shared, &e);
    int again = f->fd >= 0 ? openat(f->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *d = again >= 0 ? fdopendir(again) : NULL;
    if (!d) {
        if (again >= 0)
            close(again);
        if (f->fd >= 0)
            close(f->fd);
        if (e.code != ERR_NOT_FOUND)
            out->err = e;
        return false;
    }
    for (struct dirent *v; (v = readdir(d));)
        see(f, v->d_name, out);
    closedir(d);
    qsort(f->file, f->n, sizeof *f->file, by_time);
    return true;
}

bool intake_read(int dir, const char *name, const struct peer_rule *who, size_t most, struct buf *out, struct stat *st,
                 struct err *e)
{
    int fd = spool_open_file(dir, name, O_RDONLY, who, st, e);
    char part[65536];
    ssize_t n = 1;
    if (fd < 0)
        return false;
    bool ok = (uint64_t)st->st_size <= most;
    while (ok && (n = read(fd, part, sizeof part)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || !buf_add(out, part, (size_t)n))
            break;
    }
    if (!ok || out->over)
        ok = err_set(e, ERR_LIMIT, "", "spool file %.100s: %lld bytes are more than andon writes", name,
                     (long long)st->st_size);
    else if (n < 0)
        ok = err_errno(e, ERR_IO, "look at its disk", "spool file %.100s: cannot read it", name);
    close(fd);
    return ok;
}

bool intake_line(const char **at, const char *end, const char **line, size_t *n)
{
    while (*at < end) {
        const char *stop = memchr(*at, '\n', (size_t)(end - *at));
        *line = *at;
        *n = (size_t)((stop ? stop : end) - *at);
        *at = stop ? stop + 1 : end;
        if (*n > 0)
            return true;
    }
    return false;
}

void intake_each(const struct spool_place *p, struct arena *a, intake_fn *fn, void *ctx, struct audit_intake *out)
{
    struct intake_folder f;
    for (size_t i = 0; p && i < SPOOL_DIRS && p->dir[i]; i++) {
        if (!intake_look(&f, p, i, out))
            continue;
        for (size_t k = 0; k < f.n; k++) {
            struct buf text;
            struct stat st;
            struct err e = {0};
            const char *line;
            size_t n;
            buf_init(&text, SPOOL_MAX);
            if (intake_read(f.fd, f.file[k].name, f.who, SPOOL_MAX, &text, &st, &e)) {
                const char *all = arena_strndup(a, text.data, text.len), *at = all;
                struct record r;
                while (intake_line(&at, all + text.len, &line, &n))
                    if (record_read(line, n, a, &r, NULL)) {
                        out->waiting++;
                        fn(ctx, &r);
                    }
            } else if (e.code != ERR_NOT_FOUND) {
                out->err = e;
            }
            buf_release(&text);
        }
        close(f.fd);
    }
}

static void nothing(void *ctx, const struct record *r)
{
    (void)ctx;
    (void)r;
}

void intake_waiting(const struct spool_place *p, struct audit_intake *out)
{
    struct arena a;
    memset(out, 0, sizeof *out);
    arena_init(&a);
    intake_each(p, &a, nothing, NULL, out);
    arena_release(&a);
}
