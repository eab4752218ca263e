#include "audit/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "audit/host.h"
#include "audit/place.h"
#include "audit/serve_ask.h"
#include "audit/spool.h"

#define BACKLOG      64
#define ACCEPT_EACH  16             /* in one turn */
#define PAUSE_US     (1 * US_PER_S) /* without accepting, when there is no descriptor to be had */
#define LOOK_US      (2 * US_PER_S) /* how often the socket's name is looked at */
#define UIDS         64
#define ANSWER_LIMIT (WIRE_ANSWER_MAX + WIRE_HEAD)

struct client {
    int fd;
    struct peer who;
    struct buf in, out;
    size_t sent;           /* of out */
    int64_t begun, moved;  /* of the question or answer under way: its first byte, its last */
    bool greeted, ends;    /* ends: closed when out is sent */
    bool over;             /* to be dropped at the end of the turn */
    struct allowance *may; /* of its uid */
};

struct allowance {
    uid_t uid;
    unsigned clients;
    int64_t left, at; /* appends, in thousandths; when that was so */
};

struct serve {
    struct desk desk;
    struct clock *clock;
    struct peer_rule who;
    char *path, *lock_path;
    int lock, fd;
    mode_t mode;
    gid_t group;
    struct place_id here;
    struct client *client[SERVE_CLIENTS];
    size_t n, first; /* first: whose turn it is */
    struct allowance allowance[UIDS];
    int64_t write_after, accept_after, look_at, take_at;
    struct serve_counts counts;
};

static int64_t now_us(const struct serve *s)
{
    return clock_now(s->clock);
}

/* ---- opening ---- */

/* One guard at a time has the socket; the kernel gives the lock back when it dies. */
static bool take_lock(struct serve *s, struct err *e)
{
    s->lock = open(s->lock_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (s->lock < 0)
        return err_errno(e, ERR_IO, "look at its folder", "%.200s: cannot be made", s->lock_path);
    if (flock(s->lock, LOCK_EX | LOCK_NB) != 0)
        return err_set(e, ERR_CONFLICT, "end the other one", "%.200s: another guard listens there", s->path);
    return true;
}

/* One that is missing is made for all to pass through: clients must reach the socket. */
static bool make_folder(const char *path, struct err *e)
{
    char *dir = place_folder(path);
    if (mkdir(dir, 0755) == 0)
        (void)!chmod(dir, 0755); /* whatever the umask */
    free(dir);
    return place_prepare(path, e);
}

static bool listen_at(struct serve *s, struct err *e)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;
    size_t n = strlen(s->path);
    if (n >= sizeof at.sun_path)
        return err_set(e, ERR_LIMIT, "name a shorter one", "%.200s: too long for the name of a socket", s->path);
    memcpy(at.sun_path, s->path, n + 1);
    if (lstat(s->path, &st) == 0 && (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid()))
        return err_set(e, ERR_FORBIDDEN, "remove it", "%.200s: there is something that is no socket of ours", s->path);
    unlink(s->path); /* of a guard that is no more: we have the lock */
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Nobody can connect before the mode is set: the umask is 077 (cli/session.c), and nobody listens yet. */
    if (s->fd < 0 || bind(s->fd, (const struct sockaddr *)&at, sizeof at) != 0 || lstat(s->path, &st) != 0)
        return err_errno(e, ERR_IO, "look at its folder", "%.200s: cannot be made", s->path);
    if (s->group != (gid_t)-1 && lchown(s->path, (uid_t)-1, s->group) != 0)
        return err_errno(e, ERR_FORBIDDEN, "the guard's user must be in it (SupplementaryGroups= of its unit)",
                         "%.200s: cannot be given to the group", s->path);
    if (chmod(s->path, s->mode) != 0 || listen(s->fd, BACKLOG) != 0)
        return err_errno(e, ERR_IO, "look at its folder", "%.200s: cannot listen there", s->path);
    s->here = (struct place_id){st.st_dev, st.st_ino};
    return true;
}

static void stop_listening(struct serve *s)
{
    if (s->fd < 0)
        return;
    close(s->fd);
    s->fd = -1;
    if (place_is(&s->here, s->path))
        unlink(s->path);
}

/* Whoever may leave something in it cannot take away what others have left (sticky), and we can read it all (its group
 * comes from the folder). */
static bool make_drop(const char *path, struct err *e)
{
    struct stat st;
    mkdir(path, 0700);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && fstat(fd, &st) == 0;
    if (!ok)
        err_errno(e, ERR_IO, "look at the folder above", "%.200s: cannot be made", path);
    else if (st.st_uid != geteuid())
        ok =
            err_set(e, ERR_FORBIDDEN, "give it to the guard's user", "%.200s: owned by uid %ld", path, (long)st.st_uid);
    else if ((st.st_mode & 07777) != SPOOL_DROP_MODE &&
             (fchown(fd, (uid_t)-1, getegid()) != 0 || fchmod(fd, SPOOL_DROP_MODE) != 0))
        ok = err_errno(e, ERR_IO, "", "%.200s: cannot be opened for others", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool open_log(struct serve *s, const struct serve_spec *spec, struct err *e)
{
    struct audit_spec own = *spec->audit;
    own.socket = NULL;
    own.serves = spec->path;
    memset(own.spool, 0, sizeof own.spool);
    own.spool[0] = spec->drop;
    s->desk.log = audit_open(&own, e);
    if (!s->desk.log)
        return false;
    s->desk.log->for_others = true;
    if (s->desk.log->spool)
        s->desk.log->spool->who = &s->who;
    return true;
}

struct serve *serve_open(const struct serve_spec *spec, struct err *e)
{
    struct serve *s = xcalloc(1, sizeof *s);
    struct buf lock;
    buf_init(&s->desk.blob.bytes, BLOB_MAX);
    buf_init(&lock, (size_t)1 << 16);
    buf_printf(&lock, "%s.lock", spec->path);
    s->lock_path = buf_take(&lock);
    buf_release(&lock);
    s->path = xstrdup(spec->path);
    s->fd = s->lock = -1;
    s->clock = spec->audit->clock ? spec->audit->clock : clock_real();
    s->who = spec->who;
    s->group = spec->group;
    s->mode = spec->group != (gid_t)-1 ? 0660 : spec->who.users ? 0666 : 0600;
    if (make_folder(spec->path, e) && take_lock(s, e) && (!spec->drop || make_drop(spec->drop, e)) &&
        open_log(s, spec, e) && listen_at(s, e))
        return s;
    serve_close(s);
    return NULL;
}

/* ---- clients ---- */

static struct allowance *allowance_of(struct serve *s, uid_t uid)
{
    struct allowance *unused = NULL;
    for (size_t i = 0; i < UIDS; i++) {
        struct allowance *a = &s->allowance[i];
        if (a->at != 0 && a->uid == uid)
            return a;
        if (a->clients == 0 && (!unused || a->at < unused->at))
            unused = a;
    }
    if (unused)
        *unused = (struct allowance){.uid = uid, .left = SERVE_BURST * 1000, .at = now_us(s)};
    return unused;
}

static void drop(struct serve *s, size_t i)
{
    struct client *c = s->client[i];
    close(c->fd);
    c->may->clients--;
    buf_release(&c->in);
    buf_release(&c->out);
    free(c);
    s->client[i] = s->client[--s->n];
}

/* Says why, if that can be said at once, and closes. */
static void turn_away(struct serve *s, int fd, const struct err *why)
{
    struct buf b;
    s->counts.refused++;
    buf_init(&b, ANSWER_LIMIT);
    wire_put_err(&b, why);
    (void)!send(fd, b.data, b.len, MSG_NOSIGNAL);
    buf_release(&b);
    close(fd);
}

static void welcome(struct serve *s, int fd)
{
    struct peer who;
    struct err why = {0};
    struct allowance *a = NULL;
    s->counts.connections++;
    if (!peer_of(fd, &who, &why)) {
        turn_away(s, fd, &why);
        return;
    }
    if (!peer_may(&s->who, who.uid))
        err_set(&why, ERR_FORBIDDEN, "who may is said in the guard's configuration: audit: socket:",
                "%.60s may not write to this host's audit log", who.user);
    else if (s->n == SERVE_CLIENTS || !(a = allowance_of(s, who.uid)) || a->clients == SERVE_EACH)
        err_set(&why, ERR_THROTTLED, "try again when others have ended", "the guard has too many clients");
    if (!a || why.code != ERR_NONE) {
        turn_away(s, fd, &why);
        return;
    }
    struct client *c = xcalloc(1, sizeof *c);
    c->fd = fd;
    c->who = who;
    c->may = a;
    c->begun = c->moved = now_us(s);
    buf_init(&c->in, WIRE_BLOB_MAX + WIRE_ASK_MAX);
    buf_init(&c->out, ANSWER_LIMIT);
    a->clients++;
    s->client[s->n++] = c;
}

static void accept_some(struct serve *s)
{
    for (int i = 0; i < ACCEPT_EACH; i++) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            welcome(s, fd);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            s->accept_after = now_us(s) + PAUSE_US;
        if (fd < 0)
            return;
    }
}

static size_t held(const struct serve *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += s->client[i]->in.len;
    return n;
}

/* ---- one client ---- */

/* When may a question of this cost be answered? Each append costs its uid one of what it has, and is followed by as
 * long a rest from writing as it took: the guard's own engines want the log as well. */
static int64_t may_at(struct serve *s, struct allowance *a, unsigned cost, int64_t now)
{
    if (cost == 0)
        return now;
    int64_t most = SERVE_BURST * INT64_C(1000), more = (now - a->at) * SERVE_RATE / US_PER_MS;
    a->left = a->left + more > most ? most : a->left + more;
    a->at += more * US_PER_MS / SERVE_RATE;
    int64_t at = a->left > 0 ? now : now + (1000 - a->left) * US_PER_MS / SERVE_RATE;
    return at > s->write_after ? at : s->write_after;
}

static void answer(struct serve *s, struct client *c, const struct wire_frame *q, unsigned cost)
{
    int64_t begin = now_us(s);
    buf_clear(&c->out);
    c->sent = 0;
    bool ok;
    if (c->greeted == (q->word == WIRE_HELLO)) { /* first, and once */
        struct err e = {0};
        err_set(&e, ERR_PROTOCOL, "", "the greeting comes first, and once");
        wire_put_err(&c->out, &e);
        ok = false;
    } else {
        ok = desk_answer(&s->desk, &c->who, q, &c->out);
    }
    c->greeted = true;
    c->ends = !ok;
    if (cost > 0) {
        c->may->left -= cost * INT64_C(1000);
        s->counts.appended += q->word == WIRE_APPEND && c->out.len > 4 && c->out.data[4] == WIRE_OK;
        s->write_after = 2 * now_us(s) - begin;
    }
    buf_release(&c->in); /* a large one is not kept */
    buf_init(&c->in, WIRE_BLOB_MAX + WIRE_ASK_MAX);
    c->begun = c->moved = now_us(s);
}

/* False: it is to be closed. */
static bool send_on(struct client *c, int64_t now)
{
    ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    c->sent += (size_t)n;
    c->moved = now;
    if (c->sent < c->out.len)
        return true;
    buf_clear(&c->out);
    c->sent = 0;
    return !c->ends;
}

/* Reads once, and answers when the question is whole and may be. */
static bool serve_client(struct serve *s, struct client *c, bool readable, int64_t now, bool *wrote)
{
    char part[65536];
    struct wire_frame q;
    if (c->out.len > 0 && !send_on(c, now))
        return false;
    if (c->out.len > 0)
        return true;
    if (readable) {
        ssize_t n = recv(c->fd, part, sizeof part, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        if (n > 0) {
            if (c->in.len == 0)
                c->begun = now;
            c->moved = now;
            if (!buf_add(&c->in, part, (size_t)n) || held(s) > SERVE_HELD)
                return false;
        }
    }
    enum wire_state st = wire_frame(c->in.data, c->in.len, true, &q);
    if (st == WIRE_MORE)
        return true;
    if (st == WIRE_BAD || q.n != c->in.len) {
        struct err e = {0};
        s->counts.dropped++;
        err_set(&e, ERR_PROTOCOL, "are both of the same version?", "the question cannot be read");
        wire_put_err(&c->out, &e);
        c->ends = true;
        return send_on(c, now);
    }
    unsigned cost = desk_cost(&q);
    if (may_at(s, c->may, cost, now) > now) {
        c->begun = c->moved = now; /* it waits for us */
        return true;
    }
    *wrote = cost > 0;
    answer(s, c, &q, cost);
    return send_on(c, now_us(s));
}

/* Is it in the middle of something, or has it never said a word, and too slow? */
static bool too_slow(struct serve *s, const struct client *c, int64_t now)
{
    bool busy = c->in.len > 0 || c->out.len > 0 || !c->greeted;
    bool slow = busy && (now - c->moved > SERVE_IDLE_US || now - c->begun > SERVE_WHOLE_US);
    s->counts.dropped += slow;
    return slow;
}

/* ---- a turn ---- */

static void take_in(struct serve *s, int64_t now)
{
    struct audit_intake in;
    s->take_at = now + SERVE_TAKE_US;
    buf_clear(&s->desk.log->host);
    host_facts(&s->desk.log->host);        /* who took it in is the guard */
    (void)audit_take_in(s->desk.log, &in); /* what stays is looked at again */
    s->counts.taken += (uint64_t)in.taken;
}

/* Somebody has removed it, or put another in its place: the folder is the guard's, but so are mistakes. */
static void look_at_name(struct serve *s, int64_t now)
{
    struct err e;
    s->look_at = now + LOOK_US;
    if (s->fd >= 0 && place_is(&s->here, s->path))
        return;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    if (!listen_at(s, &e) && s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

void serve_turn(struct serve *s, int wake_fd, int64_t most_us)
{
    struct pollfd p[SERVE_CLIENTS + 2];
    int64_t now = now_us(s), until = now + most_us;
    if (now >= s->look_at)
        look_at_name(s, now);
    if (now >= s->take_at)
        take_in(s, now);
    now = now_us(s);
    p[0] = (struct pollfd){.fd = now >= s->accept_after ? s->fd : -1, .events = POLLIN};
    p[1] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
    for (size_t i = 0; i < s->n; i++) {
        const struct client *c = s->client[i];
        struct wire_frame q;
        int64_t slow = c->moved + SERVE_IDLE_US + US_PER_MS;
        bool whole = c->out.len == 0 && wire_frame(c->in.data, c->in.len, true, &q) == WIRE_WHOLE;
        p[i + 2] = (struct pollfd){.fd = c->fd, .events = c->out.len > 0 ? POLLOUT : whole ? 0 : POLLIN};
        if (whole) {
            int64_t at = may_at(s, c->may, desk_cost(&q), now); /* it waits for that */
            until = at < until ? at : until;
        } else if ((c->in.len > 0 || c->out.len > 0 || !c->greeted) && slow < until) {
            until = slow;
        }
    }
    int64_t next = s->look_at < s->take_at ? s->look_at : s->take_at;
    until = next < until ? next : until;
    size_t polled = s->n;
    if (poll(p, (nfds_t)polled + 2, until > now ? (int)((until - now) / US_PER_MS) + 1 : 0) < 0)
        return;
    now = now_us(s);
    size_t first = polled > 0 ? s->first % polled : 0;
    for (size_t k = 0; k < polled; k++) {
        size_t i = (first + k) % polled;
        struct client *c = s->client[i];
        bool gone = p[i + 2].revents & (POLLERR | POLLNVAL), wrote = false;
        c->over =
            gone || too_slow(s, c, now) || !serve_client(s, c, p[i + 2].revents & (POLLIN | POLLHUP), now, &wrote);
        if (wrote)
            s->first = i + 1; /* the others come first next time */
    }
    for (size_t i = polled; i > 0; i--) /* from behind: dropping puts the last in its place */
        if (s->client[i - 1]->over)
            drop(s, i - 1);
    if (p[0].revents)
        accept_some(s);
}

const struct serve_counts *serve_counts(const struct serve *s)
{
    return &s->counts;
}

void serve_close(struct serve *s)
{
    if (!s)
        return;
    while (s->n > 0)
        drop(s, s->n - 1);
    stop_listening(s);
    if (s->lock >= 0)
        close(s->lock);
    audit_close(s->desk.log);
    buf_release(&s->desk.blob.bytes);
    free(s->path);
    free(s->lock_path);
    free(s);
}
