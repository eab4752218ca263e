#include "audit/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/text.h"

#define FLAGS (O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

int folder_open(const char *dir, struct err *e)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "", "export %.200s: cannot open the folder", dir);
    return fd;
}

/* The folder that holds the file, and its name there. */
static int parent(int folder, const char **name)
{
    static const char blobs[] = "blobs/";
    if (strncmp(*name, blobs, sizeof blobs - 1) != 0)
        return folder;
    *name += sizeof blobs - 1;
    return openat(folder, "blobs", FLAGS | O_DIRECTORY);
}

int folder_file(int folder, const char *name, struct err *e)
{
    struct stat st;
    const char *base = name;
    int at = parent(folder, &base), fd = at >= 0 || at == AT_FDCWD ? openat(at, base, FLAGS) : -1;
    if (fd < 0)
        err_errno(e,
                  errno == ENOENT                                        ? ERR_NOT_FOUND
                  : errno == ELOOP || errno == ENOTDIR || errno == ENXIO ? ERR_TAMPERED
                                                                         : ERR_IO,
                  "", "cannot read %.100s", name);
    if (at >= 0 && at != folder)
        close(at);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
        close(fd);
        fd = -1;
        err_set(e, ERR_TAMPERED, "", "%.100s is not a regular file", name);
    }
    return fd;
}

ssize_t folder_next(int fd, void *p, size_t n)
{
    ssize_t got;
    do
        got = read(fd, p, n);
    while (got < 0 && errno == EINTR);
    return got;
}

bool folder_read(int folder, const char *name, struct buf *out, struct err *e)
{
    char chunk[65536];
    ssize_t n;
    int fd = folder_file(folder, name, e);
    if (fd < 0)
        return false;
    while ((n = folder_next(fd, chunk, sizeof chunk)) > 0 && buf_add(out, chunk, (size_t)n))
        ;
    bool ok = n == 0;
    if (n < 0)
        err_errno(e, ERR_IO, "", "cannot read %.100s", name);
    else if (n > 0)
        err_set(e, ERR_LIMIT, "", "%.100s is too large", name);
    close(fd);
    return ok;
}

static bool walk(int fd, bool top, folder_fn *fn, void *ctx, struct err *e)
{
    DIR *d = fdopendir(fd);
    bool go = true, ok = true;
    if (!d) {
        close(fd);
        return err_errno(e, ERR_IO, "", "cannot list the folder");
    }
    for (struct dirent *it; ok && go && (errno = 0, it = readdir(d)) != NULL;) {
        char name[6 + sizeof it->d_name];
        struct stat st;
        if (strcmp(it->d_name, ".") == 0 || strcmp(it->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%s%s", top ? "" : "blobs/", it->d_name);
        if (fstatat(dirfd(d), it->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            ok = err_errno(e, ERR_IO, "", "cannot look at a file of the folder");
        } else if (top && S_ISDIR(st.st_mode) && strcmp(name, "blobs") == 0) {
            int sub = openat(dirfd(d), name, FLAGS | O_DIRECTORY);
            go = fn(ctx, name, FOLDER_BLOBS);
            if (sub < 0)
                ok = err_errno(e, ERR_IO, "", "cannot open blobs");
            else
                ok = walk(sub, false, fn, ctx, e);
        } else {
            go = fn(ctx, name, S_ISREG(st.st_mode) ? FOLDER_FILE : FOLDER_OTHER);
        }
    }
    if (ok && errno != 0)
        ok = err_errno(e, ERR_IO, "", "cannot list the folder");
    closedir(d);
    return ok;
}

bool folder_walk(int folder, folder_fn *fn, void *ctx, struct err *e)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? walk(fd, true, fn, ctx, e) : err_errno(e, ERR_IO, "", "cannot list the folder");
}

void folder_remove(const char *dir)
{
    for (int round = 0; round < 2; round++) {
        struct buf path;
        buf_init(&path, 8192);
        buf_printf(&path, "%s%s", dir, round == 0 ? "/blobs" : "");
        DIR *d = opendir(path.data);
        for (struct dirent *f; d && (f = readdir(d)) != NULL;) {
            if (strcmp(f->d_name, ".") != 0 && strcmp(f->d_name, "..") != 0)
                unlinkat(dirfd(d), f->d_name, 0);
        }
        if (d)
            closedir(d);
        rmdir(path.data);
        buf_release(&path);
    }
}

bool folder_free(const char *dir, struct err *e)
{
    DIR *d = opendir(dir);
    if (!d && errno == ENOENT)
        return true;
    if (!d)
        return err_errno(e, ERR_CONFLICT, "name a new folder", "export %.200s: it is there and is no empty folder",
                         dir);
    bool empty = true;
    for (struct dirent *f; (f = readdir(d)) != NULL;)
        empty = empty && (strcmp(f->d_name, ".") == 0 || strcmp(f->d_name, "..") == 0);
    closedir(d);
    return empty ? true : err_set(e, ERR_CONFLICT, "name a new folder", "export %.200s: the folder is not empty", dir);
}
