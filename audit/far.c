#include "audit/far.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "audit/place.h"
#include "core/text.h"

struct far {
    int fd;
    char *path;
    bool broken;
    struct buf out, in;
    struct store_head head;
    int64_t base, last;
    uid_t guard;
    char user[64];
};

/* ---- the line ---- */

static bool away(struct far *f, struct err *e)
{
    f->broken = true;
    return err_errno(e, ERR_IO, "start the guard; until then only halts are possible",
                     "the guard that writes the audit log does not answer at %.150s", f->path);
}

static bool garbage(struct far *f, struct err *e)
{
    f->broken = true;
    return err_set(e, ERR_PROTOCOL, "are both of the same version?", "%.200s: its answer is not a guard's", f->path);
}

/* Until the descriptor is ready; false with errno. */
static bool ready(const struct far *f, short events, int64_t until)
{
    for (;;) {
        struct pollfd p = {.fd = f->fd, .events = events};
        int64_t left = until - clock_now(clock_real());
        int n = poll(&p, 1, left > 0 ? (int)(left / US_PER_MS) + 1 : 0);
        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR) {
            errno = n == 0 ? ETIMEDOUT : errno;
            return false;
        }
    }
}

static bool say(struct far *f, int64_t until)
{
    for (size_t at = 0; at < f->out.len;) {
        ssize_t n = send(f->fd, f->out.data + at, f->out.len - at, MSG_NOSIGNAL);
        if (n > 0)
            at += (size_t)n;
        else if (errno != EINTR && (errno != EAGAIN || !ready(f, POLLOUT, until)))
            return false;
    }
    return true;
}

static bool hear(struct far *f, int64_t until, struct wire_frame *a, struct err *e)
{
    char part[65536];
    buf_clear(&f->in);
    for (;;) {
        enum wire_state s = wire_frame(f->in.data, f->in.len, false, a);
        if (s == WIRE_WHOLE && a->n == f->in.len)
            return true;
        if (s != WIRE_MORE)
            return garbage(f, e);
        ssize_t n = recv(f->fd, part, sizeof part, 0);
        if (n > 0)
            buf_add(&f->in, part, (size_t)n);
        else if (n == 0) {
            errno = ECONNRESET;
            return away(f, e);
        } else if (errno != EINTR && (errno != EAGAIN || !ready(f, POLLIN, until)))
            return away(f, e);
    }
}

/* Sends what stands in f->out, and gives the body of the answer. */
static bool ask_for(struct far *f, int64_t us, struct wire_in *body, struct err *e)
{
    struct wire_frame a;
    struct err why;
    int64_t until = clock_now(clock_real()) + us;
    if (f->broken) {
        errno = ENOTCONN;
        return away(f, e);
    }
    if (!say(f, until)) { /* it may have said why before it closed */
        int saved = errno;
        if (!hear(f, until, &a, NULL) || a.word != WIRE_NO) {
            errno = saved;
            return away(f, e);
        }
        f->broken = true;
    } else if (!hear(f, until, &a, e)) {
        return false;
    }
    if (a.word == WIRE_NO) {
        wire_get_err(a.body, &why);
        if (e)
            *e = why;
        return false;
    }
    *body = (struct wire_in){.left = a.body};
    return true;
}

static bool ask(struct far *f, struct wire_in *body, struct err *e)
{
    return ask_for(f, FAR_US, body, e);
}

static size_t question(struct far *f, enum wire_word word)
{
    buf_clear(&f->out);
    return wire_open(&f->out, word);
}

/* ---- opening ---- */

/* Only its owner, or root, can have put the socket there, and it is who listens. */
static bool is_guards(struct far *f, struct err *e)
{
    struct stat at, folder;
    struct ucred c;
    socklen_t n = sizeof c;
    char *dir = place_folder(f->path);
    bool ok =
        lstat(f->path, &at) == 0 && stat(dir, &folder) == 0 && getsockopt(f->fd, SOL_SOCKET, SO_PEERCRED, &c, &n) == 0;
    free(dir);
    if (!ok)
        return err_errno(e, ERR_IO, "", "%.200s: cannot look at it", f->path);
    if (c.uid != at.st_uid || (folder.st_uid != 0 && folder.st_uid != c.uid) || folder.st_mode & 022)
        return err_set(e, ERR_FORBIDDEN, "its folder must be the guard's, and writable by nobody else",
                       "%.200s: others could have put a socket there", f->path);
    f->guard = c.uid;
    return true;
}

static bool dial(struct far *f, struct err *e)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int64_t until = clock_now(clock_real()) + FAR_US;
    size_t n = strlen(f->path);
    if (n >= sizeof to.sun_path)
        return err_set(e, ERR_LIMIT, "name a shorter one", "%.200s: too long for the name of a socket", f->path);
    memcpy(to.sun_path, f->path, n + 1);
    f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (f->fd < 0)
        return err_errno(e, ERR_IO, "", "no socket can be had");
    while (connect(f->fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        if (errno == EACCES)
            return err_errno(e, ERR_FORBIDDEN, "who may is said in the guard's configuration: audit: socket:",
                             "this user may not talk to the guard at %.150s", f->path);
        if ((errno != EAGAIN && errno != EINTR) || clock_now(clock_real()) >= until)
            return away(f, e);
        poll(NULL, 0, 5); /* others are before us; there is nothing to wait for */
    }
    return true;
}

static bool hello(struct far *f, struct err *e)
{
    struct wire_in in;
    size_t at = question(f, WIRE_HELLO);
    wire_put(&f->out, WIRE_VERSION);
    wire_close(&f->out, at);
    if (!ask(f, &in, e))
        return false;
    if (wire_number(&in) != WIRE_VERSION || in.bad)
        return err_set(e, ERR_UNSUPPORTED, "restart the guard after an update",
                       "%.200s: the guard is of another version of andon", f->path);
    struct slice me = wire_bytes(&in, sizeof f->user);
    safe_text_into(f->user, sizeof f->user, me.p ? me.p : "", me.n);
    return wire_end(&in) || garbage(f, e);
}

struct far *far_open(const char *path, struct err *e)
{
    struct far *f = xcalloc(1, sizeof *f);
    f->path = xstrdup(path);
    buf_init(&f->out, WIRE_BLOB_MAX + WIRE_ASK_MAX);
    buf_init(&f->in, WIRE_ANSWER_MAX + WIRE_HEAD + 1);
    f->fd = -1;
    if (dial(f, e) && is_guards(f, e) && hello(f, e))
        return f;
    far_close(f);
    return NULL;
}

void far_close(struct far *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    buf_release(&f->out);
    buf_release(&f->in);
    free(f->path);
    free(f);
}

uid_t far_guard(const struct far *f)
{
    return f->guard;
}

const char *far_user(const struct far *f)
{
    return f->user;
}

bool far_broken(const struct far *f)
{
    return f->broken;
}

/* ---- reading ---- */

bool far_begin(struct far *f, struct err *e)
{
    struct wire_in in;
    wire_close(&f->out, question(f, WIRE_STATE));
    if (!ask(f, &in, e))
        return false;
    uint64_t size = wire_number(&in);
    struct slice frontier = wire_bytes(&in, TREE_DEPTH * HASH_LEN), note = wire_bytes(&in, NOTE_MAX);
    f->last = (int64_t)wire_number(&in);
    f->base = (int64_t)wire_number(&in);
    if (!wire_end(&in) || size > INT64_MAX || f->last < 0 || f->base < 0 || f->base > INT64_MAX - f->last ||
        !tree_unpack(&f->head.tree, size, (const uint8_t *)frontier.p, frontier.n))
        return garbage(f, e);
    memcpy(f->head.note, note.p, note.n);
    f->head.note_n = note.n;
    return true;
}

const struct store_head *far_head(const struct far *f)
{
    return &f->head;
}

int64_t far_base(const struct far *f)
{
    return f->base;
}

int64_t far_last(const struct far *f)
{
    return f->last;
}

/* Those of one answer. *next: where to go on, 0 = that was all. */
static bool some_rows(struct far *f, const struct wire_rows *q, int64_t *next, store_row_fn *fn, void *ctx,
                      struct err *e)
{
    struct wire_in in;
    size_t at = question(f, WIRE_ROWS);
    wire_put_rows(&f->out, q);
    wire_close(&f->out, at);
    if (!ask(f, &in, e))
        return false;
    *next = (int64_t)wire_number(&in);
    if (in.bad || (*next != 0 && (*next < q->from || *next > q->to)))
        return garbage(f, e);
    while (in.left.n > 0) {
        int64_t seq = (int64_t)wire_number(&in);
        struct slice hash = wire_bytes(&in, 4 * (size_t)HASH_LEN), line = wire_bytes(&in, WIRE_ROW_MAX);
        struct slice open = wire_bytes(&in, WIRE_OPEN_MAX);
        if (in.bad || seq < q->from || seq > q->to)
            return garbage(f, e);
        if (!fn(ctx, &(struct store_row){seq, line.p, line.n, (const uint8_t *)hash.p, hash.n, open, line})) {
            *next = 0;
            return true;
        }
    }
    return true;
}

bool far_rows(struct far *f, const struct wire_rows *want, int64_t from, int64_t to, bool newest_first,
              store_row_fn *fn, void *ctx, struct err *e)
{
    struct wire_rows q = want ? *want : (struct wire_rows){0};
    int64_t next = 1, last = INT64_MAX;
    q.from = from > 1 ? from : 1;
    int64_t newest = q.all_files ? f->base + f->last : f->last;
    q.to = to < newest ? to : newest;
    q.newest_first = newest_first;
    while (next != 0 && q.from <= q.to) {
        if (!some_rows(f, &q, &next, fn, ctx, e))
            return false;
        if (next == last)
            return garbage(f, e); /* it goes on from where it was: it would never end */
        last = next;
        if (newest_first)
            q.to = next;
        else
            q.from = next;
    }
    return true;
}

bool far_get_blob(struct far *f, const uint8_t digest[HASH_LEN], struct buf *out, struct err *e)
{
    for (uint64_t at = 0, size = 1; at < size || size == 0;) {
        struct wire_in in;
        size_t frame = question(f, WIRE_BLOB);
        wire_put_bytes(&f->out, digest, HASH_LEN);
        wire_put(&f->out, at);
        wire_close(&f->out, frame);
        if (!ask(f, &in, e))
            return false;
        size = wire_number(&in);
        struct slice part = wire_bytes(&in, WIRE_CHUNK);
        if (!wire_end(&in) || size > BLOB_MAX || part.n > size - at || (part.n == 0 && size > at))
            return garbage(f, e);
        if (part.n > 0 && !buf_add(out, part.p, part.n))
            return err_set(e, ERR_LIMIT, "", "audit log at %.200s: a blob is too large", f->path);
        at += part.n;
        if (size == 0)
            break;
    }
    return true;
}

/* The digests first, a part at a time: between two questions the answer is gone. */
bool far_blobs(struct far *f, store_blob_fn *fn, void *ctx, struct err *e)
{
    bool go_on = true;
    for (uint64_t row = 1; row != 0 && go_on;) {
        struct wire_in in;
        struct buf names, bytes;
        size_t at = question(f, WIRE_BLOBS);
        wire_put(&f->out, row);
        wire_close(&f->out, at);
        if (!ask(f, &in, e))
            return false;
        uint64_t next = wire_number(&in);
        if (in.bad || in.left.n % HASH_LEN != 0 || (next != 0 && next <= row))
            return garbage(f, e);
        row = next;
        buf_init(&names, WIRE_ANSWER_MAX);
        if (in.left.n > 0)
            buf_add(&names, in.left.p, in.left.n);
        bool ok = true;
        for (size_t i = 0; ok && go_on && i < names.len; i += HASH_LEN) {
            const uint8_t *digest = (const uint8_t *)names.data + i;
            buf_init(&bytes, BLOB_MAX);
            ok = far_get_blob(f, digest, &bytes, e);
            go_on = ok && fn(ctx, digest, HASH_LEN, bytes.data, bytes.len);
            buf_release(&bytes);
        }
        buf_release(&names);
        if (!ok)
            return false;
    }
    return true;
}

/* ---- writing ---- */

bool far_put_blob(struct far *f, const void *bytes, size_t n, struct err *e)
{
    struct wire_in in;
    if (n > WIRE_BLOB_MAX)
        return err_set(e, ERR_LIMIT, "", "a guard takes blobs of at most 16 MiB from others");
    size_t at = question(f, WIRE_PUT_BLOB);
    wire_put_bytes(&f->out, bytes, n);
    wire_close(&f->out, at);
    return ask(f, &in, e) && (wire_end(&in) || garbage(f, e));
}

bool far_append(struct far *f, const char *line, size_t n, struct receipt *out, struct err *e)
{
    struct wire_in in;
    size_t at = question(f, WIRE_APPEND);
    wire_put_bytes(&f->out, line, n);
    wire_close(&f->out, at);
    if (!ask(f, &in, e))
        return false;
    int64_t seq = (int64_t)wire_number(&in), size = (int64_t)wire_number(&in);
    struct slice leaf = wire_bytes(&in, HASH_LEN), root = wire_bytes(&in, HASH_LEN);
    if (!wire_end(&in) || seq <= 0 || size <= 0 || leaf.n != HASH_LEN || root.n != HASH_LEN)
        return garbage(f, e);
    if (out) {
        *out = (struct receipt){.seq = seq, .size = size};
        hex_encode(out->leaf, (const uint8_t *)leaf.p, HASH_LEN);
        hex_encode(out->root, (const uint8_t *)root.p, HASH_LEN);
    }
    return true;
}

bool far_rotate(struct far *f, const struct audit_turn *t, struct slice host, bool new_key, struct err *e)
{
    struct wire_in in;
    size_t at = question(f, WIRE_ROTATE);
    wire_put(&f->out, new_key);
    wire_put(&f->out, t->actor.kind);
    wire_put_bytes(&f->out, t->reason, strlen(t->reason));
    wire_put_bytes(&f->out, host.p, host.n);
    wire_close(&f->out, at);
    return ask_for(f, FAR_TURN_US, &in, e) && (wire_end(&in) || garbage(f, e));
}
