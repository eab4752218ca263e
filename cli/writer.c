#include "cli/writer.h"

#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "audit/serve.h"
#include "cli/upkeep.h"
#include "core/clock.h"
#include "core/text.h"
#include "engine/aside.h"

#define REOPEN_US (30 * US_PER_S)
#define SAY_US    (10 * US_PER_S)

/* What the thread has, and frees. */
struct served {
    struct serve *serve;
    int poke;
    uid_t *users;
    writer_line *line;
    struct serve_counts said;
    int64_t said_at;
};

struct writer {
    struct aside *aside;   /* NULL: it could not be had, or is not asked for */
    struct upkeep *upkeep; /* the same */
    int64_t try_at;
};

/* ---- the thread ---- */

static void tell(struct served *w)
{
    const struct serve_counts *c = serve_counts(w->serve);
    int64_t now = clock_now(clock_real());

    if (now < w->said_at + SAY_US ||
        (c->refused == w->said.refused && c->dropped == w->said.dropped && c->taken == w->said.taken))
        return;
    w->said_at = now;
    w->said = *c;
    w->line(c->refused + c->dropped > 0 ? "warning" : "info", "", "socket",
            "state=listening connections=%" PRIu64 " refused=%" PRIu64 " dropped=%" PRIu64 " appended=%" PRIu64
            " taken=%" PRIu64,
            c->connections, c->refused, c->dropped, c->appended, c->taken);
}

static void turns(void *ctx, struct aside *a)
{
    struct served *w = ctx;
    uint64_t n;

    for (bool left; !aside_ending(a, &left);) {
        serve_turn(w->serve, w->poke, 60 * US_PER_S);
        while (read(w->poke, &n, sizeof n) > 0)
            ;
        tell(w);
    }
}

static void drop(void *ctx, struct aside_job *j)
{
    (void)ctx;
    (void)j; /* there are none */
}

static void gone(void *ctx)
{
    struct served *w = ctx;

    serve_close(w->serve);
    if (w->poke >= 0)
        close(w->poke);
    free(w->users);
    free(w);
}

/* ---- the guard ---- */

static bool unknown(const char *what, const char *name, struct err *e)
{
    char safe[100];

    safe_text_into(safe, sizeof safe, name, strnlen(name, sizeof safe));
    return err_set(e, ERR_NOT_FOUND, "see audit: socket: in the configuration", "there is no %s %s on this host", what,
                   safe);
}

static bool who_may(const struct config *c, struct serve_spec *spec, uid_t *users, struct err *e)
{
    spec->group = (gid_t)-1;
    if (*c->audit_socket_group) {
        const struct group *g = getgrnam(c->audit_socket_group);

        if (!g)
            return unknown("group", c->audit_socket_group, e);
        spec->group = g->gr_gid;
    }
    for (size_t i = 0; i < c->n_audit_socket_users; i++) {
        const struct passwd *p = getpwnam(c->audit_socket_users[i]);

        if (!p)
            return unknown("user", c->audit_socket_users[i], e);
        users[i] = p->pw_uid;
    }
    spec->who = (struct peer_rule){c->n_audit_socket_users > 0 ? users : NULL, c->n_audit_socket_users};
    return true;
}

static struct aside *open_thread(const struct session *s, writer_line *line, struct err *e)
{
    const struct config *c = &s->config;
    struct serve_spec spec = {.audit = &s->audit, .path = c->audit_socket, .drop = c->audit_socket_drop};
    struct served *w = xcalloc(1, sizeof *w);
    struct aside_spec as = {.what = "the thread that writes the log for others",
                            .max = 1,
                            .wake_fd = -1,
                            .ctx = w,
                            .run = turns,
                            .drop = drop,
                            .gone = gone};
    struct aside *a = NULL;

    w->line = line;
    w->users = xcalloc(c->n_audit_socket_users + 1, sizeof *w->users);
    w->poke = as.poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->poke < 0)
        err_errno(e, ERR_IO, "Look at the limits of this session (ulimit -a).", "no descriptor can be had");
    else if (who_may(c, &spec, w->users, e) && (w->serve = serve_open(&spec, e)) != NULL)
        a = aside_new(&as, e);
    if (!a)
        gone(w);
    return a;
}

void writer_tend(struct writer **at, const struct session *s, writer_line *line)
{
    struct err e = {0};
    struct writer *w = *at;

    if (!w) {
        size_t n = audit_tidy(s->db);

        w = *at = xcalloc(1, sizeof *w);
        if (n > 0)
            line("info", "", "log", "state=tidied files=%zu", n);
    }
    upkeep_tend(&w->upkeep, s, line);
    if (!*s->config.audit_socket || w->aside || clock_now(clock_real()) < w->try_at)
        return;
    w->try_at = clock_now(clock_real()) + REOPEN_US;
    w->aside = open_thread(s, line, &e);
    if (w->aside)
        line("info", "", "socket", "state=listening path=\"%s\"", s->config.audit_socket);
    else
        line("error", "", "socket", "state=failed error=\"%s%s%s\"", e.what, *e.cause ? ": " : "", e.cause);
}

void writer_free(struct writer *w)
{
    if (w && w->aside && aside_stop(w->aside, 2 * US_PER_S, false))
        aside_free(w->aside);
    if (w)
        upkeep_free(w->upkeep);
    free(w);
}
