#include "audit/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "audit/place.h"
#include "core/entry.h"

#define CHUNK ((size_t)256 << 10)
/* Of what comes in one piece: the foot of a page may hold most of it. */
#define PIECE_MAX ((size_t)1 << 30)

static void sink_flush(struct sink *s)
{
    sha256_add(&s->hash, s->pending.data, s->pending.len);
    s->size += s->pending.len;
    s->failed = s->failed || s->pending.over || !place_write(s->fd, s->pending.data, s->pending.len);
    buf_clear(&s->pending);
}

void sink_add(struct sink *s, const void *p, size_t n)
{
    if (s->pending.len + n > CHUNK)
        sink_flush(s);
    if (n <= CHUNK) {
        buf_add(&s->pending, p, n);
        return;
    }
    sha256_add(&s->hash, p, n);
    s->size += n;
    s->failed = s->failed || !place_write(s->fd, p, n);
}

void sink_spill(struct sink *s)
{
    if (s->pending.len > CHUNK)
        sink_flush(s);
}

bool sink_open(struct sink *s, int dirfd, const char *name, const char *role, mode_t mode)
{
    *s = (struct sink){.name = name, .role = role};
    s->fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    if (s->fd < 0)
        return false;
    buf_init(&s->pending, PIECE_MAX);
    sha256_init(&s->hash);
    return true;
}

bool sink_close(struct sink *s, struct manifest *m, uint8_t hash[HASH_LEN])
{
    uint8_t own[HASH_LEN];
    if (s->fd < 0)
        return true;
    sink_flush(s);
    bool ok = !s->failed && fsync(s->fd) == 0;
    int saved = errno;
    close(s->fd);
    s->fd = -1;
    sha256_done(&s->hash, hash ? hash : own);
    buf_release(&s->pending);
    if (m)
        manifest_add(m, s->name, slice_of(s->role), s->size, hash ? hash : own);
    errno = saved;
    return ok;
}
