#include "cli/upkeep.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "core/clock.h"
#include "engine/aside.h"

#define LOOK_US  (5 * US_PER_S)
#define QUIET_US (2 * US_PER_S)    /* without a new entry: between two verbs */
#define WAIT_US  (10 * US_PER_MIN) /* for that; a log that is never quiet is rotated all the same */
#define STOP_US  (10 * US_PER_S)

struct upkeep {
    const struct session *session; /* outlives the thread */
    upkeep_line *line;
    struct aside *aside; /* NULL: it could not be had */
    int poke;
    /* the thread's */
    struct audit_log *log;
    int64_t over_since; /* clock; 0: it is within its limits */
    char said[300];
};

/* Once for each reason. */
static void cannot(struct upkeep *u, const struct err *e)
{
    audit_close(u->log);
    u->log = NULL;
    if (strncmp(u->said, e->what, sizeof u->said - 1) == 0)
        return;
    snprintf(u->said, sizeof u->said, "%.299s", e->what);
    u->line("error", "", "log", "state=not-rotated error=\"%s%s%s\"", e->what, *e->cause ? ": " : "", e->cause);
}

/* Nothing that has just begun, and nothing in the spool: what waits there is for this file, and comes first. */
static bool is_quiet(struct upkeep *u, const struct audit_head *h)
{
    struct audit_intake waits;
    int64_t now = clock_now(clock_real()), ago = clock_wall(clock_real()) - h->newest_t;

    if (u->over_since == 0)
        u->over_since = now;
    audit_waiting(u->log, &waits);
    return waits.waiting == 0 && (ago < 0 || ago >= QUIET_US || now - u->over_since >= WAIT_US);
}

static void look(struct upkeep *u)
{
    const struct log_limits *limits = &u->session->config.log_limits;
    struct audit_turn t = {{.kind = ACTOR_RULE, .name = "audit-rotate"}, NULL};
    struct audit_head h;
    struct err e = {0};
    char why[120];
    bool done = false;

    if (!u->log && access(u->session->db, F_OK) != 0)
        return; /* whoever has something to say makes it, or says that it has gone */
    if ((!u->log && !(u->log = audit_open(&u->session->audit, &e))) || !audit_head(u->log, &h, &e) ||
        !audit_outgrown(u->log, limits, why, &e)) {
        cannot(u, &e);
        return;
    }
    if (!*why)
        u->over_since = 0;
    if (!*why || !is_quiet(u, &h))
        return;
    t.reason = why;
    if (!audit_rotate_if(u->log, &t, limits, &done, &e)) {
        cannot(u, &e);
        return;
    }
    u->over_since = 0;
    u->said[0] = '\0';
    if (done && audit_head(u->log, &h, &e))
        u->line("info", "", "log", "state=rotated origin=%s entry=%lld vkey=%s reason=\"%s\"", h.origin,
                (long long)h.newest - (long long)h.size + 1, h.vkey, why);
}

static void run(void *ctx, struct aside *a)
{
    struct upkeep *u = ctx;
    uint64_t n;

    for (bool left; !aside_ending(a, &left);) {
        struct pollfd p = {.fd = u->poke, .events = POLLIN};

        look(u);
        (void)poll(&p, 1, (int)(LOOK_US / US_PER_MS));
        while (read(u->poke, &n, sizeof n) > 0)
            ;
    }
}

static void drop(void *ctx, struct aside_job *j)
{
    (void)ctx;
    (void)j; /* there are none */
}

static void gone(void *ctx)
{
    struct upkeep *u = ctx;

    audit_close(u->log);
    if (u->poke >= 0)
        close(u->poke);
    free(u);
}

static bool wanted(const struct log_limits *m)
{
    return m->entries > 0 || m->every_us > 0 || m->bytes > 0;
}

void upkeep_tend(struct upkeep **at, const struct session *s, upkeep_line *line)
{
    struct aside_spec as = {
        .what = "the thread that rotates the log", .max = 1, .wake_fd = -1, .run = run, .drop = drop, .gone = gone};
    struct err e = {0};
    struct upkeep *u;

    if (*at || !wanted(&s->config.log_limits))
        return;
    u = *at = xcalloc(1, sizeof *u);
    u->session = s;
    u->line = line;
    u->poke = as.poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    as.ctx = u;
    if (u->poke >= 0)
        u->aside = aside_new(&as, &e);
    if (!u->aside)
        line("error", "", "log", "state=not-rotated error=\"%s\"", *e.what ? e.what : "no descriptor can be had");
}

void upkeep_free(struct upkeep *u)
{
    struct aside *a = u ? u->aside : NULL;

    if (!u)
        return;
    if (!a)
        gone(u);
    else if (aside_stop(a, STOP_US, false))
        aside_free(a);
}
