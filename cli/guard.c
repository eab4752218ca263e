/* andon guard: engines that judge, without a screen. One structured line on standard error for each thing that
 * happens; ready, status and watchdog to the supervisor. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "cli/cli.h"
#include "cli/exporter.h"
#include "cli/fleets.h"
#include "cli/notify.h"
#include "cli/witness_serve.h"
#include "cli/writer.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"
#include "web/web.h"

#define FLEETS_MAX 64
#define SILENT_US  METRICS_SILENT_US
#define REOPEN_US  (30 * US_PER_S)

/* What was said last of a rollout, so that only changes are said. */
struct said {
    char id[ID_MAX];
    enum reaction verdict;
    enum stop_phase stop;
    enum rollout_state state;
    bool latched, seen;
    int64_t other_at;
    char unlisted[320]; /* why its devices cannot be listed, "" */
    char ledger[400];   /* what of its tests is not as the policy says, "" */
};
struct watch {
    struct fleet_run *run;
    struct said *v;
    size_t n;
    enum link_state link, telemetry;
    char log_error[320]; /* what was said last of the log, "" = nothing */
    char doubt[320];     /* and of its witnesses */
    uint64_t generation, newest_ticket;
    int64_t alive_at;
    int retries[METRICS_SOURCES]; /* failures in a row, as last seen */
    struct metrics_counts counts;
};

static void line(const char *level, const char *fleet, const char *event, const char *fmt, ...) ANDON_PRINTF(4, 5);

/* "2031-03-14T12:39:02.114Z level=warning fleet=emea event=halt rollout=4471 ..." */
static void line(const char *level, const char *fleet, const char *event, const char *fmt, ...)
{
    char rest[1200], t[FMT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(rest, sizeof rest, fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s level=%s fleet=%s event=%s %s\n", fmt_iso(t, clock_wall(clock_real())), level,
            *fleet ? fleet : "-", event, rest);
}

/* A value between quotes: blanks and quotes in it do no harm. */
static const char *quoted(char *out, size_t size, const char *s)
{
    size_t n = 0;

    out[n++] = '"';
    for (; *s && n + 3 < size; s++) {
        if (*s == '"' || *s == '\\')
            out[n++] = '\\';
        out[n++] = *s;
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}

static struct said *said_of(struct watch *w, const char *id)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->v[i].id, id) == 0)
            return &w->v[i];
    w->v = xreallocarray(w->v, w->n + 1, sizeof *w->v);
    memset(&w->v[w->n], 0, sizeof *w->v);
    snprintf(w->v[w->n].id, sizeof w->v[w->n].id, "%s", id);
    return &w->v[w->n++];
}

static void say_link(const char *fleet, const char *which, enum link_state *was, const struct link_view *l)
{
    char q[600];

    if (l->state == *was || (l->state == LINK_SLOW && *was == LINK_LIVE) ||
        (l->state == LINK_LIVE && *was == LINK_SLOW)) {
        *was = l->state;
        return;
    }
    *was = l->state;
    line(l->state == LINK_LIVE ? "info" : "warning", fleet, which, "state=%s error=%s", link_state_word(l->state),
         quoted(q, sizeof q, l->error ? l->error : ""));
}

/* Failures between two looks: a row that has become shorter was broken by a success and is a new one. */
static uint64_t failed_since(int *was, int now)
{
    int n = now > *was ? now - *was : now < *was ? now : 0;

    *was = now;
    return (uint64_t)n;
}

/* A halt that was there when the guard first saw the rollout is not counted, unless it is the guard's own. */
static void count_halt(struct metrics_counts *c, const struct said *s, const struct rollout_view *v)
{
    bool halted = *halt_said(v->stop, false).word, was = *halt_said(s->stop, false).word;

    if (!was && (s->seen ? halted : v->stop == STOP_ASKED))
        c->halts++;
    if (v->stop == STOP_ESCALATED && s->stop != STOP_ESCALATED)
        c->escalated++;
}

static const char *verdict_text(const struct rollout_view *v)
{
    for (size_t i = 0; i < v->n_waves; i++)
        if (v->waves[i].verdict.react == v->verdict && v->waves[i].watched)
            return v->waves[i].verdict.text;
    return "";
}

static void say_halt(const char *fleet, const struct rollout_view *v)
{
    static const char *const phases[STOP_PHASES] = {
        [STOP_CLAIMED] = "claimed",
        [STOP_CLAIM_RUN] = "claimed-runs",
        [STOP_ASKED] = "sending",
        [STOP_ESCALATED] = "escalated",
        [STOP_LIFTING] = "sending",
        [STOP_UNSEEN] = "not-confirmed",
        [STOP_RECALLED] = "not-confirmed",
        [STOP_HALTED] = "shown",
        [STOP_STANDBY] = "standby",
        [STOP_DOUBT] = "runs",
        [STOP_RUNS] = "runs",
        [STOP_OVER] = "over",
    };
    bool bad = v->stop == STOP_ESCALATED || v->stop == STOP_RUNS;
    char q[600], by[200], host[200];

    line(bad ? "error" : "warning", fleet, "halt", "rollout=%s phase=%s said=\"%s\" by=%s host=%s text=%s",
         v->rollout.id, phases[v->stop], halt_said(v->stop, v->stop_old).title,
         quoted(by, sizeof by, v->halted_by ? v->halted_by : ""),
         quoted(host, sizeof host, v->halted_host ? v->halted_host : ""),
         quoted(q, sizeof q, v->halt_text ? v->halt_text : ""));
}

static void say_rollout(struct watch *w, const char *fleet, const struct rollout_view *v)
{
    struct said *s = said_of(w, v->rollout.id);
    char q[600];

    if (v->rollout.state != s->state)
        line("info", fleet, "state", "rollout=%s state=%s", v->rollout.id, rollout_state_word(v->rollout.state));
    if (v->verdict != s->verdict)
        line(v->verdict > REACT_WATCH ? "warning" : "info", fleet, "verdict", "rollout=%s verdict=%s text=%s",
             v->rollout.id, reaction_word(v->verdict), quoted(q, sizeof q, verdict_text(v)));
    if (v->stop != s->stop && *halt_said(v->stop, false).word)
        say_halt(fleet, v);
    if (!v->latched && s->latched)
        line("info", fleet, "ack", "rollout=%s", v->rollout.id);
    if (v->other_at != s->other_at)
        line("warning", fleet, "another",
             "rollout=%s text=\"this is another rollout: the server's database began anew?\"", v->rollout.id);
    if (strcmp(s->unlisted, v->unlisted ? v->unlisted->what : "") != 0) {
        snprintf(s->unlisted, sizeof s->unlisted, "%s", v->unlisted ? v->unlisted->what : "");
        line(v->unlisted ? "warning" : "info", fleet, "devices", "rollout=%s listed=%s error=%s", v->rollout.id,
             v->unlisted ? "false" : "true", quoted(q, sizeof q, s->unlisted));
    }
    if (strncmp(s->ledger, v->trial.ledger.note, sizeof s->ledger - 1) != 0) {
        snprintf(s->ledger, sizeof s->ledger, "%s", v->trial.ledger.note);
        line(*s->ledger ? "warning" : "info", fleet, "ledger", "rollout=%s text=%s", v->rollout.id,
             quoted(q, sizeof q, *s->ledger ? s->ledger : v->trial.ledger.text));
    }
    count_halt(&w->counts, s, v);
    s->other_at = v->other_at;
    s->seen = true;
    s->state = v->rollout.state;
    s->verdict = v->verdict;
    s->stop = v->stop;
    s->latched = v->latched;
}

static void say_ops(struct watch *w, const char *fleet, const struct snapshot *s)
{
    uint64_t newest = w->newest_ticket;
    char q[600];

    for (size_t i = s->n_ops; i > 0; i--) {
        const struct op_view *o = &s->ops[i - 1];

        if (o->ticket <= w->newest_ticket || o->ended == 0)
            continue;
        line(o->phase == OP_DONE ? "info" : "warning", fleet, "op", "verb=%s rollout=%s phase=%s actor=%s text=%s",
             verb_word(o->verb), *o->rollout ? o->rollout : "-", op_phase_word(o->phase), o->actor,
             quoted(q, sizeof q, o->text));
        newest = o->ticket > newest ? o->ticket : newest;
    }
    w->newest_ticket = newest;
}

/* Once for each thing that is wrong with it, and once when it is good again. Still being opened is nothing wrong. */
static void say_log(struct watch *w, const char *fleet, const struct audit_view *a)
{
    bool good = a->writable && a->verified;
    const char *error = !good && a->error ? a->error : "";
    const char *doubt = a->doubt && *a->doubt ? a->doubt : a->unseen ? a->unseen : "";
    char q[600];

    if (strncmp(doubt, w->doubt, sizeof w->doubt - 1) != 0) {
        snprintf(w->doubt, sizeof w->doubt, "%s", doubt);
        line(*doubt ? "error" : "info", fleet, "witnessed", "text=%s",
             quoted(q, sizeof q, *doubt ? doubt : "the witnesses and the log agree"));
    }
    if (strcmp(error, w->log_error) == 0 || (!good && !*error))
        return;
    snprintf(w->log_error, sizeof w->log_error, "%s", error);
    line(good ? "info" : "error", fleet, "log", "writable=%s error=%s", a->writable ? "true" : "false",
         quoted(q, sizeof q, error));
}

static void look(struct watch *w)
{
    const char *fleet = w->run->spec->name;
    struct snapshot *s = engine_snapshot(w->run->en);

    if (s->generation != w->generation) {
        w->generation = s->generation;
        w->alive_at = clock_now(clock_real());
        say_link(fleet, "link", &w->link, &s->link);
        say_link(fleet, "telemetry", &w->telemetry, &s->telemetry);
        say_log(w, fleet, &s->audit);
        for (size_t i = 0; i < s->n_rollouts; i++)
            say_rollout(w, fleet, &s->rollouts[i]);
        say_ops(w, fleet, s);
        w->counts.failures[METRICS_BACKEND] += failed_since(&w->retries[METRICS_BACKEND], s->link.retries);
        w->counts.failures[METRICS_TELEMETRY] += failed_since(&w->retries[METRICS_TELEMETRY], s->telemetry.retries);
    }
    snapshot_unref(s);
}

static void status(struct notify *n, const struct watch *w, size_t count)
{
    char text[200];
    size_t live = 0, escalated = 0;

    for (size_t i = 0; i < count; i++) {
        if (!w[i].run->en)
            continue;
        live += w[i].link == LINK_LIVE || w[i].link == LINK_SLOW;
        escalated += (size_t)engine_escalations(w[i].run->en);
    }
    snprintf(text, sizeof text, "STATUS=%zu of %zu fleets live%s", live, count,
             escalated > 0 ? "; A HALT CANNOT BE HAD, a person must act" : "");
    notify_send(n, text);
}

static bool all_alive(const struct watch *w, size_t count)
{
    int64_t now = clock_now(clock_real());

    for (size_t i = 0; i < count; i++)
        if (w[i].run->en && now - w[i].alive_at > SILENT_US)
            return false;
    return true;
}

struct guard {
    const struct args *args;
    const struct session *session;
    struct fleets *fleets;
    const char *metrics_at;        /* where it is itself watched, NULL = nowhere */
    struct exporter *exporter;     /* NULL: not yet, or it could not be had */
    struct writer *writer;         /* NULL: everybody writes himself */
    struct witness_serve *witness; /* of other hosts' logs; NULL: none, or it could not be had */
    int64_t metrics_try, witness_try;
};

static void say_start(const struct fleet_run *r)
{
    char q[600];

    if (r->en)
        line("info", r->spec->name, "start", "kind=%s url=%s", r->spec->kind, r->spec->endpoint.url);
    else
        line("error", r->spec->name, "unguarded", "error=%s", quoted(q, sizeof q, r->err.what));
}

/* An address that cannot be had (yet) leaves no fleet unguarded: it is said, and tried again. */
static void open_exporter(struct guard *g)
{
    struct err e = {0};
    char q[600];

    if (!g->metrics_at || g->exporter || clock_now(clock_real()) < g->metrics_try)
        return;
    g->metrics_try = clock_now(clock_real()) + REOPEN_US;
    g->exporter = exporter_open(g->metrics_at, g->fleets, &e);
    if (!g->exporter)
        line("error", "", "metrics", "state=failed error=%s", quoted(q, sizeof q, e.what));
    else
        line(exporter_is_local(g->exporter) ? "info" : "warning", "", "metrics", "state=listening address=%s%s",
             exporter_address(g->exporter),
             exporter_is_local(g->exporter) ? "" : " text=\"others can read it: there is no log-in\"");
}

/* On the server's thread. */
static void witness_says(void *ctx, const char *level, const char *event, const char *text)
{
    char q[600];

    (void)ctx;
    line(level, "", event, "text=%s", quoted(q, sizeof q, text));
}

/* As open_exporter(): other hosts' logs come after this one's fleets. */
static void open_witness(struct guard *g)
{
    struct err e = {0};
    char q[600];

    if (!*g->session->config.witness.listen || g->witness || clock_now(clock_real()) < g->witness_try)
        return;
    g->witness_try = clock_now(clock_real()) + REOPEN_US;
    g->witness = witness_serve_open(g->session, witness_says, NULL, &e);
    if (g->witness)
        line("info", "", "witness", "state=listening address=%s key=%s", witness_serve_address(g->witness),
             witness_serve_vkey(g->witness));
    else
        line("error", "", "witness", "state=failed error=%s", quoted(q, sizeof q, e.what));
}

/* A fleet that could not be opened (its secret is not to be had, ...) is tried again; the others are guarded all the
 * while. */
static void reopen(const struct guard *g, struct watch *w, size_t i)
{
    int64_t now = clock_now(clock_real());

    if (now - w->alive_at < REOPEN_US)
        return;
    w->alive_at = now;
    w->run->en = session_engine(g->session, g->args, w->run->spec, true, false, &w->run->err);
    say_start(w->run);
    if (g->exporter)
        exporter_fleet(g->exporter, i, w->run);
}

static void again(const struct secret_ref *r)
{
    if (r->again)
        ++*r->again;
}

/* SIGHUP: secrets are read again (client/http.h), and what could not be opened for want of one is tried at once. */
static void read_secrets_again(const struct guard *g, struct watch *w, size_t count)
{
    const struct notify_spec *n = &g->session->config.notify;

    for (size_t i = 0; i < n->n_webhooks; i++)
        again(&n->webhooks[i].endpoint.secret);
    for (size_t i = 0; i < count; i++) {
        again(&w[i].run->spec->endpoint.secret);
        again(&w[i].run->spec->telemetry.endpoint.secret);
        if (w[i].run->en)
            engine_refresh(w[i].run->en);
        else
            w[i].alive_at -= REOPEN_US;
    }
    line("info", "", "secrets", "text=\"SIGHUP: they are read again\"");
}

/* Until SIGTERM or SIGINT. */
static void watch_loop(struct guard *g, struct watch *w, size_t count, struct notify *n, int signals)
{
    struct pollfd p[FLEETS_MAX + 1];
    int64_t beat = n->watchdog_us > 0 ? n->watchdog_us / 2 : 5 * US_PER_S, next = 0;
    struct signalfd_siginfo si;
    uint64_t c;

    p[0] = (struct pollfd){.fd = signals, .events = POLLIN};
    for (;;) {
        int64_t left = next - clock_now(clock_real());

        for (size_t i = 0; i < count; i++)
            p[i + 1] = (struct pollfd){.fd = w[i].run->en ? engine_fd(w[i].run->en) : -1, .events = POLLIN};
        if (poll(p, (nfds_t)count + 1, left <= 0 ? 0 : (int)(left / US_PER_MS) + 1) < 0 && errno != EINTR)
            return;
        if (p[0].revents && read(signals, &si, sizeof si) == (ssize_t)sizeof si) {
            if (si.ssi_signo == SIGHUP) {
                read_secrets_again(g, w, count);
                continue;
            }
            line("info", "", "end", "signal=%u", si.ssi_signo);
            return;
        }
        for (size_t i = 0; i < count; i++) {
            if (p[i + 1].revents)
                while (read(p[i + 1].fd, &c, sizeof c) > 0)
                    ;
            if (w[i].run->en)
                look(&w[i]);
            else
                reopen(g, &w[i], i);
            if (g->exporter)
                exporter_count(g->exporter, i, &w[i].counts);
        }
        if (clock_now(clock_real()) < next)
            continue;
        next = clock_now(clock_real()) + beat;
        open_exporter(g);
        writer_tend(&g->writer, g->session, line);
        open_witness(g);
        status(n, w, count);
        if (all_alive(w, count))
            notify_send(n, "WATCHDOG=1");
        else
            line("error", "", "hang", "text=\"an engine has not moved for 60s; the supervisor is not fed\"");
    }
}

static int guard(struct guard *g, struct notify *n, int signals)
{
    struct fleets *f = g->fleets;
    struct watch w[FLEETS_MAX] = {0};
    size_t count = 0, open = 0;
    int escalated = 0;

    for (size_t i = 0; i < f->n && i < FLEETS_MAX; i++) {
        w[count++] = (struct watch){.run = &f->v[i], .alive_at = clock_now(clock_real())};
        if (f->v[i].en)
            open++;
        say_start(&f->v[i]);
    }
    if (open == 0)
        return print_err(g->args, &f->v[0].err);
    notify_send(n, "READY=1");
    watch_loop(g, w, count, n, signals);
    notify_send(n, "STOPPING=1");
    exporter_close(g->exporter);
    writer_free(g->writer);
    witness_serve_close(g->witness);
    for (size_t i = 0; i < count; i++) {
        escalated += w[i].run->en ? engine_escalations(w[i].run->en) : 0;
        free(w[i].v);
    }
    if (escalated > 0)
        line("error", "", "end", "text=\"ended while %d halts could not be had\"", escalated);
    return escalated > 0 ? EXIT_REFUSED : EXIT_OK;
}

int cmd_guard(const struct args *a)
{
    struct session s;
    struct fleets f;
    struct notify n;
    struct err e = {0};
    sigset_t set;
    int fd, rc;

    if (a->val[OPT_METRICS] && !web_check(a->val[OPT_METRICS], &e))
        return print_err(a, &e);
    if ((rc = session_need(a, &s)) != EXIT_OK)
        return rc;
    notify_open(&n); /* before a secret's helper could inherit its environment */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before threads exist: they inherit it */
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        err_errno(&e, ERR_IO, "", "no signal descriptor can be opened");
        rc = print_err(a, &e);
    } else if (!session_notary(&s, &e) || !fleets_open(&s, a, true, false, &f, &e)) {
        rc = print_err(a, &e);
    } else {
        struct guard g = {.args = a, .session = &s, .fleets = &f, .metrics_at = a->val[OPT_METRICS]};

        rc = guard(&g, &n, fd);
        fleets_close(&f);
    }
    if (fd >= 0)
        close(fd);
    notify_close(&n);
    session_close(&s);
    return rc;
}
