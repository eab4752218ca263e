#include "audit/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/buf.h"

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

bool place_prepare(const char *path, struct err *e)
{
    char *dir = place_folder(path);
    struct stat st;
    bool ok = make_folder(dir, e);
    if (ok && stat(dir, &st) != 0)
        ok = err_errno(e, ERR_IO, "", "folder %s: cannot look at it", dir);
    else if (ok && !S_ISDIR(st.st_mode))
        ok = err_set(e, ERR_IO, "", "%s: not a folder", dir);
    else if (ok && ((st.st_mode & 022) && !(st.st_mode & S_ISVTX)))
        ok = err_set(e, ERR_FORBIDDEN, "chmod go-w", "folder %s: others may write to it (mode %03o)", dir,
                     (unsigned)(st.st_mode & 0777));
    else if (ok && st.st_uid != geteuid() && st.st_uid != 0)
        ok = err_set(e, ERR_FORBIDDEN, "use a folder of your own", "folder %s: owned by uid %ld", dir, (long)st.st_uid);
    free(dir);
    return ok;
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

bool place_publish(const char *temp, const char *path, struct err *e)
{
    bool ok = true;
    if (link(temp, path) != 0) /* unlike rename, never over a file that another process has made meanwhile */
        ok = err_errno(e, errno == EEXIST ? ERR_CONFLICT : ERR_IO, "", "%s: cannot create it", path);
    unlink(temp);
    return ok && place_sync_folder(path, e);
}
