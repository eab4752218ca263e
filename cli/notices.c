/* andon notify: who is told, whether it works, and silence. (cli/notify.c speaks to systemd.) */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "cli/cli.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/notice.h"
#include "core/text.h"
#include "engine/notify.h"

#define TEST_US     (30 * US_PER_S)
#define STATUS_READ 2000

static const char *const formats[] = {"json", "slack", "pagerduty", "alertmanager"};

static size_t receivers(const struct notify_spec *s)
{
    return s->n_webhooks + (s->hook && s->hook[0] ? 1 : 0);
}

/* Scheme and host only: the rest of a web hook's address is often its secret. */
static void host_of(const char *url, char *out, size_t size)
{
    const char *from = strstr(url, "://"), *end, *at;

    from = from ? from + 3 : url;
    end = from + strcspn(from, "/?#");
    at = memchr(from, '@', (size_t)(end - from));
    from = at ? at + 1 : from;
    safe_text_into(out, size, from, (size_t)(end - from));
}

/* ---- the log ---- */

static struct audit_log *open_log(const struct session *s, bool read_only, struct err *e)
{
    struct audit_spec spec = s->audit;

    spec.read_only = read_only;
    return audit_open(&spec, e);
}

static bool append(struct audit_log *l, const struct session *s, struct entry *e, struct receipt *out, struct err *err)
{
    e->t = clock_wall(clock_real());
    e->mono = clock_boot(clock_real());
    e->actor = s->actor;
    return audit_append(l, e, out, err);
}

/* ---- test ---- */

struct trial_run {
    const struct session *s;
    struct notice notice;
    struct outcome *got[WEBHOOKS_MAX + 1];
    size_t n, want;
};

static bool make_notice(const struct args *a, struct trial_run *t, struct err *e)
{
    const struct session *s = t->s;
    const struct fleet_spec *f = NULL;
    char host[128] = "";

    if (s->config.n_fleets == 1 || a->val[OPT_FLEET]) {
        f = session_fleet(s, a, e);
        if (!f)
            return false;
    }
    t->notice = (struct notice){.kind = NOTICE_TEST, .wave = -1, .t = clock_wall(clock_real())};
    safe_text_into(t->notice.fleet, sizeof t->notice.fleet, f ? f->name : "", f ? strlen(f->name) : 0);
    safe_text_into(t->notice.environment, sizeof t->notice.environment, f ? f->environment : "",
                   f ? strlen(f->environment) : 0);
    gethostname(host, sizeof host - 1);
    safe_text_into(t->notice.host, sizeof t->notice.host, host, strlen(host));
    safe_text_into(t->notice.actor, sizeof t->notice.actor, s->actor.name, strlen(s->actor.name));
    snprintf(t->notice.text, sizeof t->notice.text, "%.60s tries whether this gets through; nothing is to be done",
             t->notice.actor);
    snprintf(t->notice.key, sizeof t->notice.key, "%s//test", t->notice.fleet);
    return true;
}

/* The first word of each receiver: whether a later try would go through is not waited for. */
static void collect(struct courier *c, struct trial_run *t, int fd)
{
    int64_t until = clock_now(clock_real()) + TEST_US, left;

    while (t->n < t->want && (left = until - clock_now(clock_real())) > 0) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        struct outcome *o;
        uint64_t n;

        if (poll(&p, 1, (int)(left / 1000) + 1) > 0 && read(fd, &n, sizeof n) < 0 && errno != EAGAIN)
            return;
        while ((o = courier_take(c))) {
            bool first = true;

            for (size_t i = 0; i < t->n; i++)
                first = first && strcmp(t->got[i]->target, o->target) != 0;
            if (first && t->n < t->want)
                t->got[t->n++] = o;
            else
                free(o);
        }
    }
}

/* Best effort: that the log is not to be had does not mean that nobody was reached. */
static void log_test(const struct args *a, const struct trial_run *t)
{
    struct err e = {0};
    struct receipt r;
    struct entry en;
    char wave[16];
    struct audit_log *l = open_log(t->s, false, &e);
    bool ok = l != NULL;

    if (ok) {
        entry_init(&en, ENTRY_NOTICE);
        notify_log_notice(&en, &t->notice, wave);
        ok = append(l, t->s, &en, &r, &e);
    }
    for (size_t i = 0; ok && i < t->n; i++) {
        t->got[i]->last = true;
        entry_init(&en, ENTRY_NOTICE);
        notify_log_outcome(&en, t->got[i], wave);
        ok = append(l, t->s, &en, &r, &e);
    }
    if (!ok && !a->json)
        print_err(a, &e);
    if (l)
        audit_close(l);
}

static bool say_test(const struct args *a, const struct trial_run *t)
{
    struct json_out o;
    bool all = t->n == t->want;

    if (a->json) {
        json_begin(&o);
        json_w_key(&o.w, "receivers");
        json_w_arr(&o.w);
    }
    for (size_t i = 0; i < t->n; i++) {
        const struct outcome *g = t->got[i];

        all = all && g->ok;
        if (a->json) {
            json_w_obj(&o.w);
            json_w_kstr(&o.w, "name", g->target);
            json_w_kbool(&o.w, "ok", g->ok);
            json_w_kint(&o.w, "status", g->status);
            json_w_kstr(&o.w, "error", g->ok ? NULL : g->err.what);
            json_w_obj_end(&o.w);
        } else if (g->ok) {
            printf("%-16s ok\n", g->target);
        } else {
            printf("%-16s FAILED: %s%s%s\n", g->target, g->err.what, *g->err.cause ? ": " : "", g->err.cause);
            if (*g->err.next)
                printf("%-16s %s\n", "", g->err.next);
        }
    }
    if (a->json) {
        json_w_arr_end(&o.w);
        json_w_kint(&o.w, "without_answer", (int64_t)(t->want - t->n));
        json_w_kbool(&o.w, "ok", all);
        json_end(&o);
    } else if (t->n < t->want) {
        printf("%zu without an answer within 30 s\n", t->want - t->n);
    }
    return all;
}

static int test(const struct args *a, const struct session *s, struct err *e)
{
    struct trial_run t = {.s = s, .want = receivers(&s->config.notify)};
    struct courier *c;
    bool all;
    int fd;

    if (!s->configured || t.want == 0) {
        err_set(e, ERR_NOT_FOUND, "Name a hook or webhooks under `notify:`, see andon-notify(1).",
                "the configuration names nobody who is told");
        return print_err(a, e);
    }
    if (!make_notice(a, &t, e))
        return print_err(a, e);
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c = fd >= 0 ? courier_new(&s->config.notify, clock_real(), random_seed(), fd, e) : NULL;
    if (!c) {
        if (fd < 0)
            err_errno(e, ERR_IO, "", "no descriptor is left");
        else
            close(fd);
        return print_err(a, e);
    }
    courier_put(c, &t.notice);
    collect(c, &t, fd);
    if (courier_stop(c, 0))
        courier_free(c);
    close(fd);
    log_test(a, &t);
    all = say_test(a, &t);
    for (size_t i = 0; i < t.n; i++)
        free(t.got[i]);
    return all ? EXIT_OK : EXIT_FAILED;
}

/* ---- silence ---- */

static int silence(const struct args *a, const struct session *s, bool on, struct err *e)
{
    int64_t dur = 0, until = 0;
    struct entry en;
    struct receipt r;
    struct audit_log *l;
    char t[FMT_MAX], safe[60];
    bool ok;

    if (on && (!fmt_dur_parse(a->pos[2], &dur) || dur < US_PER_MIN || dur > NOTIFY_SILENCE_MAX)) {
        safe_text_into(safe, sizeof safe, a->pos[2], strlen(a->pos[2]));
        err_set(e, ERR_SYNTAX, "From 1m to 30d, as in 90m or 2h.", "\"%s\" is no duration for a silence", safe);
        return print_err(a, e);
    }
    if (a->val[OPT_FLEET] && s->configured && !session_fleet(s, a, e))
        return print_err(a, e);
    until = on ? clock_wall(clock_real()) + dur : 0;
    entry_init(&en, ENTRY_NOTICE);
    notify_log_silence(&en, args_str(a, OPT_FLEET), until, args_str(a, OPT_REASON));
    l = open_log(s, false, e);
    ok = l && append(l, s, &en, &r, e);
    if (l)
        audit_close(l);
    if (!ok)
        return print_err(a, e);
    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_ktime(&o.w, "silent_until", until);
        json_w_kint(&o.w, "seq", r.seq);
        json_end(&o);
    } else if (on) {
        printf("silent until %s (entry %lld); halts still happen, nobody is told. End it: andon notify unsilence\n",
               fmt_iso(t, until), (long long)r.seq);
    } else {
        printf("no longer silent (entry %lld); what still stands is told now\n", (long long)r.seq);
    }
    return EXIT_OK;
}

/* ---- status ---- */

struct status {
    struct arena arena;
    struct stored *v; /* newest first */
    size_t n;
    int64_t silent_until;
    const struct stored *silence; /* the entry, NULL */
};

static bool read_status(const struct args *a, const struct session *s, struct status *st, struct err *e)
{
    struct audit_query q = {.kind = "notice", .newest_first = true, .limit = STATUS_READ};
    struct audit_log *l;
    bool ok;

    if (!s->audit.socket && access(s->db, F_OK) != 0)
        return true; /* nothing has happened yet */
    l = open_log(s, true, e);
    ok = l && audit_query(l, &q, &st->arena, &st->v, &st->n, e);
    if (l)
        audit_close(l);
    for (size_t i = 0; ok && i < st->n && !st->silence; i++) {
        struct notice n;
        int64_t until;

        if (notify_log_read(&st->v[i], &n, &until) != NOTIFY_SAID_SILENCE ||
            (a->val[OPT_FLEET] && *n.fleet && strcmp(n.fleet, a->val[OPT_FLEET]) != 0))
            continue;
        st->silence = &st->v[i];
        st->silent_until = until > clock_wall(clock_real()) ? until : 0;
    }
    return ok;
}

/* The newest outcome at a receiver, NULL = none. */
static const struct stored *newest(const struct status *st, const char *target)
{
    for (size_t i = 0; i < st->n; i++)
        if (strcmp(stored_field(&st->v[i], "target"), target) == 0)
            return &st->v[i];
    return NULL;
}

static void receiver(const struct status *st, const char *name, const char *format, const char *where,
                     struct json_out *o, struct table *t)
{
    const struct stored *last = newest(st, name);
    char at[FMT_MAX] = "";

    if (o) {
        json_w_obj(&o->w);
        json_w_kstr(&o->w, "name", name);
        json_w_kstr(&o->w, "format", format);
        json_w_kstr(&o->w, "where", where);
        json_w_ktime(&o->w, "last", last ? last->t : 0);
        json_w_kstr(&o->w, "last_result", last ? last->result : NULL);
        json_w_kstr(&o->w, "error", last && strcmp(last->result, "ok") != 0 ? last->reason : NULL);
        json_w_obj_end(&o->w);
        return;
    }
    table_add(t, name);
    table_add(t, format);
    table_add(t, where);
    if (!last)
        table_add(t, "nothing sent yet");
    else
        table_addf(t, "%s %s%s%s", strcmp(last->result, "ok") == 0 ? "ok" : "FAILED", fmt_iso(at, last->t),
                   *last->reason ? ": " : "", last->reason);
}

static void say_receivers(const struct session *s, const struct status *st, struct json_out *o, struct table *t)
{
    const struct notify_spec *spec = &s->config.notify;
    char where[160], name[80];

    if (!s->configured)
        return;
    if (spec->hook && spec->hook[0]) {
        safe_text_into(where, sizeof where, spec->hook[0], strlen(spec->hook[0]));
        receiver(st, "hook", "json", where, o, t);
    }
    for (size_t i = 0; i < spec->n_webhooks; i++) {
        const struct webhook_spec *w = &spec->webhooks[i];

        host_of(w->endpoint.url, where, sizeof where);
        safe_text_into(name, sizeof name, w->name, strlen(w->name));
        receiver(st, name, formats[w->format], where, o, t);
    }
}

static void say_notices(const struct status *st, size_t limit, struct json_out *o, struct table *t)
{
    size_t from = 0, shown = 0;

    while (from < st->n && shown < limit) {
        shown += !*stored_field(&st->v[from], "target");
        from++;
    }
    for (size_t i = from; i > 0; i--) {
        const struct stored *e = &st->v[i - 1];
        const char *target = stored_field(e, "target"), *what = stored_field(e, "notice");
        char at[FMT_MAX];

        if (o) {
            json_w_obj(&o->w);
            json_w_kint(&o->w, "seq", e->seq);
            json_w_ktime(&o->w, "time", e->t);
            json_w_kstr(&o->w, "notice", what);
            json_w_kstr(&o->w, "key", stored_field(e, "key"));
            json_w_kstr(&o->w, "fleet", e->fleet);
            json_w_kstr(&o->w, "rollout", e->rollout);
            json_w_kstr(&o->w, "result", e->result);
            json_w_kstr(&o->w, "target", target);
            json_w_kstr(&o->w, "text", e->reason);
            json_w_obj_end(&o->w);
            continue;
        }
        table_addf(t, "%lld", (long long)e->seq);
        table_add(t, fmt_iso(at, e->t));
        table_add(t, *what ? what : e->result);
        table_add(t, *e->rollout ? e->rollout : e->fleet);
        table_addf(t, "%s%s%s", *target ? target : "", *target ? " " : "", *what ? e->result : "");
        table_add(t, e->reason);
    }
}

static void say_status(const struct args *a, const struct session *s, const struct status *st, size_t limit)
{
    struct json_out o;
    struct table t;
    struct buf out;
    char until[FMT_MAX];

    if (a->json) {
        json_begin(&o);
        json_w_ktime(&o.w, "silent_until", st->silent_until);
        json_w_key(&o.w, "receivers");
        json_w_arr(&o.w);
        say_receivers(s, st, &o, NULL);
        json_w_arr_end(&o.w);
        json_w_key(&o.w, "notices");
        json_w_arr(&o.w);
        say_notices(st, limit, &o, NULL);
        json_w_arr_end(&o.w);
        json_end(&o);
        return;
    }
    buf_init(&out, (size_t)16 << 20);
    if (!s->configured || receivers(&s->config.notify) == 0)
        buf_adds(&out, "the configuration names nobody who is told (see andon-notify(1))\n");
    table_init(&t, 4, 0);
    say_receivers(s, st, NULL, &t);
    table_print(&t, &out);
    if (st->silent_until)
        buf_printf(&out, "SILENT until %s, by %s%s%s\n", fmt_iso(until, st->silent_until), st->silence->actor,
                   *st->silence->reason ? ": " : "", st->silence->reason);
    if (st->n > 0)
        buf_addc(&out, '\n');
    table_init(&t, 6, 1);
    say_notices(st, limit, NULL, &t);
    table_print(&t, &out);
    print_out(&out);
    buf_release(&out);
}

static int status(const struct args *a, const struct session *s, struct err *e)
{
    struct status st = {0};
    int64_t limit;
    int rc = EXIT_OK;

    if (!args_int(a, OPT_LIMIT, 0, STATUS_READ, 10, &limit, e))
        return print_err(a, e);
    arena_init(&st.arena);
    if (read_status(a, s, &st, e))
        say_status(a, s, &st, (size_t)limit);
    else
        rc = print_err(a, e);
    arena_release(&st.arena);
    return rc;
}

int cmd_notify(const struct args *a)
{
    const char *what = a->pos[1];
    bool one = strcmp(what, "silence") == 0;
    struct session s;
    struct err e = {0};
    int rc;

    if (a->n_pos != (one ? 3 : 2) ||
        (!one && strcmp(what, "test") != 0 && strcmp(what, "status") != 0 && strcmp(what, "unsilence") != 0)) {
        char safe[60];

        safe_text_into(safe, sizeof safe, what, strlen(what));
        err_set(&e, ERR_SYNTAX, "test, status, silence DURATION, or unsilence.", "\"notify %s\" is not understood",
                safe);
        return print_err(a, &e);
    }
    rc = session_open(a, &s);
    if (rc != EXIT_OK)
        return rc;
    rc = one                           ? silence(a, &s, true, &e)
         : strcmp(what, "test") == 0   ? test(a, &s, &e)
         : strcmp(what, "status") == 0 ? status(a, &s, &e)
                                       : silence(a, &s, false, &e);
    session_close(&s);
    return rc;
}
