#include "audit/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "core/buf.h"

bool place_is(const struct place_id *id, const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && st.st_dev == id->dev && st.st_ino == id->ino;
}

bool place_touched(const struct stat *a, const struct stat *b)
{
    return a->st_dev != b->st_dev || a->st_ino != b->st_ino || a->st_size != b->st_size ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

bool place_write(int fd, const void *p, size_t n)
{
    const char *c = p;
    while (n > 0) {
        ssize_t w = write(fd, c, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return false;
        c += w;
        n -= (size_t)w;
    }
    return true;
}

char *place_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

static bool make_folder(const char *dir, struct err *e)
{
    if (mkdir(dir, 0700) == 0 || errno == EEXIST)
        return true;
    if (errno != ENOENT)
        return err_errno(e, ERR_IO, "", "folder %s: cannot create it", dir);
    char *up = place_folder(dir);
    bool ok = strcmp(up, dir) != 0 && make_folder(up, e);
    free(up);
    if (ok && mkdir(dir, 0700) != 0 && errno != EEXIST)
        return err_errno(e, ERR_IO, "", "folder %s: cannot create it", dir);
    return ok;
}

static bool folder_ok(const char *dir, struct err *e)
{
    struct stat st;
    if (stat(dir, &st) != 0)
        return err_errno(e, ERR_IO, "", "folder %.200s: cannot look at it", dir);
    if (!S_ISDIR(st.st_mode))
        return err_set(e, ERR_IO, "", "%.200s: not a folder", dir);
    if ((st.st_mode & 022) && !(st.st_mode & S_ISVTX))
        return err_set(e, ERR_FORBIDDEN, "chmod go-w", "folder %.200s: others may write to it (mode %03o)", dir,
                       (unsigned)(st.st_mode & 0777));
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(e, ERR_FORBIDDEN, "use a folder of your own", "folder %.200s: owned by uid %ld", dir,
                       (long)st.st_uid);
    return true;
}

bool place_prepare(const char *path, struct err *e)
{
    char *dir = place_folder(path);
    bool ok = make_folder(dir, e) && folder_ok(dir, e);
    free(dir);
    return ok;
}

char *place_resolve(const char *path, struct err *e)
{
    char *dir = place_folder(path), *real = realpath(dir, NULL), *whole = NULL;
    const char *slash = strrchr(path, '/');
    if (!real) {
        err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "", "%.200s: no such folder", dir);
    } else {
        struct buf name;
        buf_init(&name, PATH_MAX);
        buf_printf(&name, "%s/%s", strcmp(real, "/") != 0 ? real : "", slash ? slash + 1 : path);
        if (name.over)
            err_set(e, ERR_LIMIT, "", "%.200s: the name is too long", path);
        else
            whole = buf_take(&name);
        buf_release(&name);
    }
    free(real);
    free(dir);
    return whole;
}

bool place_file_ok(const char *path, bool read_only, struct stat *st, struct err *e)
{
    if (lstat(path, st) != 0)
        return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "", "%.200s: cannot open it", path);
    if (!S_ISREG(st->st_mode))
        return err_set(e, ERR_FORBIDDEN, "", "%.200s: not a regular file", path);
    if (read_only)
        return true;
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return err_set(e, ERR_FORBIDDEN, "", "%.200s: owned by uid %ld", path, (long)st->st_uid);
    if (st->st_mode & 022)
        return err_set(e, ERR_FORBIDDEN, "chmod go-w, and verify it", "%.200s: others may write to it (mode %03o)",
                       path, (unsigned)(st->st_mode & 0777));
    char *dir = place_folder(path);
    bool ok = folder_ok(dir, e);
    free(dir);
    return ok;
}

bool place_local(const char *path, struct err *e)
{
    static const unsigned long remote[] = {
        0x6969 /* NFS */,     0x517b /* SMB */,      0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */,
        0x5346414f /* AFS */, 0x73757245 /* Coda */, 0x00c36400 /* Ceph */, 0x01021997 /* 9P */};
    struct statfs fs;
    if (statfs(path, &fs) != 0)
        return err_errno(e, ERR_IO, "", "%.200s: cannot look at its file system", path);
    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++) {
        if (((unsigned long)fs.f_type & 0xffffffff) == remote[i])
            return err_set(e, ERR_UNSUPPORTED, "put it on a local disk",
                           "%.200s: on a network file system, where several writers are not safe", path);
    }
    return true;
}

int place_temp(const char *path, mode_t mode, char **temp, struct err *e)
{
    *temp = NULL;
    if (!place_prepare(path, e))
        return -1;
    struct buf name;
    buf_init(&name, 8192);
    buf_printf(&name, "%s.XXXXXX", path);
    if (name.over) {
        buf_release(&name);
        err_set(e, ERR_LIMIT, "", "%.100s...: the name is too long", path);
        return -1;
    }
    char *made = buf_take(&name);
    buf_release(&name);
    int fd = mkostemp(made, O_CLOEXEC);
    if (fd < 0 || fchmod(fd, mode) != 0) {
        err_errno(e, ERR_IO, "", "%s: cannot create a file beside it", path);
        if (fd >= 0) {
            close(fd);
            unlink(made);
        }
        free(made);
        return -1;
    }
    *temp = made;
    return fd;
}

bool place_sync_folder(const char *path, struct err *e)
{
    char *dir = place_folder(path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (!ok)
        err_errno(e, ERR_IO, "", "folder %s: cannot make it durable", dir);
    if (fd >= 0)
        close(fd);
    free(dir);
    return ok;
}

bool place_rename(const char *from, const char *path, struct err *e)
{
    return rename(from, path) == 0 ? place_sync_folder(path, e)
                                   : err_errno(e, ERR_IO, "", "%s: cannot be replaced", path);
}

bool place_publish(const char *temp, const char *path, struct err *e)
{
    bool ok = true;
    if (link(temp, path) != 0) /* unlike rename, never over a file that another process has made meanwhile */
        ok = err_errno(e, errno == EEXIST ? ERR_CONFLICT : ERR_IO, "", "%s: cannot create it", path);
    unlink(temp);
    return ok && place_sync_folder(path, e);
}

bool place_replace(const char *path, const void *bytes, size_t n, mode_t mode, struct err *e)
{
    char *temp = NULL;
    int fd = place_temp(path, mode, &temp, e);
    if (fd < 0)
        return false;
    bool ok = place_write(fd, bytes, n) && fsync(fd) == 0;
    if (close(fd) != 0)
        ok = false;
    if (!ok || rename(temp, path) != 0) {
        err_errno(e, ERR_IO, "", "%.200s: cannot write it", path);
        unlink(temp);
        ok = false;
    }
    free(temp);
    return ok && place_sync_folder(path, e);
}

bool place_read(const char *path, size_t max, struct buf *out, struct err *e)
{
    char bytes[4096];
    struct stat st;
    size_t got = 0;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "", "%.200s: cannot open it", path);
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (!ok)
        err_set(e, ERR_FORBIDDEN, "", "%.200s: not a regular file", path);
    while (ok && (n = read(fd, bytes, sizeof bytes)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            ok = err_errno(e, ERR_IO, "", "%.200s: cannot read it", path);
        else if ((got += (size_t)n) > max || !buf_add(out, bytes, (size_t)n))
            ok = err_set(e, ERR_LIMIT, "", "%.200s: longer than %zu bytes", path, max);
    }
    close(fd);
    return ok;
}
