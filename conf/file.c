#include "conf/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "core/text.h"

/* A path as errors show it: safe, and when it is long its end, which says more than its start. */
static void show_path(char out[160], const char *path)
{
    static const char dots[] = "…";
    size_t n = strlen(path), skip = 0;
    out[0] = '\0';
    if (n > 120) {
        memcpy(out, dots, sizeof dots);
        skip = sizeof dots - 1;
        path += n - 116;
        while (((unsigned char)*path & 0xc0) == 0x80)
            path++;
    }
    safe_text_into(out + skip, 160 - skip, path, strlen(path));
}

static bool trusted(const struct stat *st, enum file_trust trust, const char *shown, struct err *e)
{
    if (!S_ISREG(st->st_mode))
        return err_set(e, ERR_REFUSED, "name a regular file", "%s is not a regular file", shown);
    if (trust == FILE_ANY)
        return true;
    if (st->st_uid != geteuid() && st->st_uid != 0)
        return err_set(e, ERR_REFUSED, "make it your own with chown",
                       "%s belongs to user %u, not to you (user %u) or root, so it cannot be trusted", shown,
                       (unsigned)st->st_uid, (unsigned)geteuid());
    if (st->st_mode & (S_IWGRP | S_IWOTH)) {
        err_set(e, ERR_REFUSED, NULL, "%s can be written by others (mode %03o), so it cannot be trusted", shown,
                (unsigned)(st->st_mode & 0777));
        snprintf(e->next, sizeof e->next, "chmod go-w %s", shown);
        return false;
    }
    if (trust == FILE_PRIVATE && (st->st_mode & (S_IRGRP | S_IROTH))) {
        err_set(e, ERR_REFUSED, NULL, "%s holds a secret and can be read by others (mode %03o)", shown,
                (unsigned)(st->st_mode & 0777));
        snprintf(e->next, sizeof e->next, "chmod go-rwx %s", shown);
        return false;
    }
    return true;
}

static bool read_all(int fd, const char *shown, struct buf *out, struct err *e)
{
    char chunk[16384];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, ERR_IO, NULL, "%s cannot be read", shown);
        if (n == 0)
            break;
        if (!buf_add(out, chunk, (size_t)n))
            return err_set(e, ERR_LIMIT, NULL, "%s is larger than the %zu bytes allowed", shown, out->limit);
    }
    explicit_bzero(chunk, sizeof chunk); /* it may have been a secret */
    return true;
}

bool file_read(const char *path, enum file_trust trust, struct buf *out, struct err *e)
{
    char shown[160];
    show_path(shown, path);
    struct err own; /* so that e may be NULL */
    if (!e)
        e = &own;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return err_set(e, ERR_NOT_FOUND, NULL, "there is no file %s", shown);
        return err_errno(e, ERR_IO, NULL, "%s cannot be opened", shown);
    }
    struct stat st;
    bool ok = fstat(fd, &st) == 0 || err_errno(e, ERR_IO, NULL, "%s cannot be examined", shown);
    ok = ok && trusted(&st, trust, shown, e) && read_all(fd, shown, out, e);
    close(fd);
    return ok;
}
