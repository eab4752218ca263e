/* andon doctor: tests everything that the configuration names, and says what to do about each failure. */
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "audit/intake.h"
#include "audit/log.h"
#include "audit/spool.h"
#include "cli/cli.h"
#include "client/backend.h"
#include "client/http.h"
#include "client/telemetry.h"
#include "core/clock.h"
#include "core/fmt.h"

#define SKEW_US (5 * US_PER_S)

enum mark { MARK_OK, MARK_NOTE, MARK_FAIL };

struct doctor {
    const struct args *args;
    struct session session;
    struct json_out json;
    int64_t timeout;
    int failed, notes, passed;
    bool unreachable;
};

static void ANDON_PRINTF(5, 6)
    tell(struct doctor *d, enum mark m, const char *subject, const char *next, const char *fmt, ...)
{
    static const char *const words[] = {"ok", "note", "FAIL"};
    char text[700];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    d->failed += m == MARK_FAIL;
    d->notes += m == MARK_NOTE;
    d->passed += m == MARK_OK;
    json_w_obj(&d->json.w);
    json_w_kstr(&d->json.w, "result", m == MARK_FAIL ? "fail" : words[m]);
    json_w_kstr(&d->json.w, "subject", subject);
    json_w_kstr(&d->json.w, "text", text);
    json_w_kstr(&d->json.w, "next", *next ? next : NULL);
    json_w_obj_end(&d->json.w);
    if (d->args->json)
        return;
    printf("%-4s  %-22s %s\n", words[m], subject, text);
    if (*next && m != MARK_OK)
        printf("      %-22s -> %s\n", "", next);
    fflush(stdout);
}

static void tell_err(struct doctor *d, const char *subject, const struct err *e)
{
    tell(d, MARK_FAIL, subject, e->next, "%s%s%s", e->what, *e->cause ? ": " : "", e->cause);
    d->unreachable = d->unreachable || err_exit(e) == EXIT_UNREACHABLE;
}

/* One asynchronous request, waited for. */
struct wait {
    bool done;
    struct err err;
    int64_t took, date, asked;
};

static void on_done(void *ctx, const struct reply *r)
{
    struct wait *w = ctx;

    w->done = true;
    w->took = r->answered_at - r->sent_at;
    w->date = r->server_date;
    if (r->err)
        w->err = *r->err;
}

static bool wait_for(const struct doctor *d, struct http *h, struct wait *w)
{
    int64_t until = clock_now(clock_real()) + d->timeout;

    while (!w->done && clock_now(clock_real()) < until)
        http_run(h, -1, until, 0);
    if (!w->done)
        err_set(&w->err, ERR_TIMEOUT, "Is the address right, and does a firewall drop the packets?",
                "no answer in time");
    return w->done && w->err.code == ERR_NONE;
}

static void capabilities(struct doctor *d, const char *subject, const struct backend_info *info)
{
    static const struct {
        uint32_t bit;
        const char *what;
    } lacks[] = {{CAP_STOP, "stop a rollout for good"},
                 {CAP_TRIGGER_NEXT, "start a wave on request (advance is then the resume of andon's hold)"},
                 {CAP_RETRY, "retry failed devices"},
                 {CAP_ACTION_LIST, "list what is in flight"}};

    tell(d, MARK_OK, subject, "", "%s %s, as %s", info->kind, info->version,
         info->user && *info->user ? info->user : "an unnamed user");
    if (!(info->caps & CAP_PAUSE))
        tell(d, MARK_FAIL, subject, "Give the user the right to handle rollouts, or use another server.",
             "this server cannot pause a rollout: a halt would not be had");
    for (size_t i = 0; i < sizeof lacks / sizeof lacks[0]; i++)
        if (!(info->caps & lacks[i].bit))
            tell(d, MARK_NOTE, subject, "", "this server cannot %s", lacks[i].what);
}

static void check_skew(struct doctor *d, const char *subject, const struct wait *w)
{
    int64_t skew = w->date - clock_wall(clock_real());
    char b[FMT_MAX];

    if (w->date == 0)
        return;
    /* The Date header has whole seconds. */
    if (skew > SKEW_US || skew < -SKEW_US)
        tell(d, MARK_NOTE, subject, "Let both follow a time server (timedatectl).",
             "the server's clock is %s %s this host's", fmt_dur(b, skew < 0 ? -skew : skew),
             skew < 0 ? "behind" : "ahead of");
    else
        tell(d, MARK_OK, subject, "", "clocks agree");
}

static void say_rollouts(struct doctor *d, const char *subject, const struct rollout_list *list, int64_t took)
{
    char t[FMT_MAX];

    tell(d, MARK_OK, subject, "", "rollouts can be read: %zu%s, answered in %s", list->n,
         list->clipped ? " or more" : "", took < US_PER_S ? "under 1s" : fmt_dur(t, took));
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].state == ROLLOUT_UNKNOWN)
            tell(d, MARK_NOTE, subject, "", "rollout %s is in a state that andon does not know: %s", list->v[i].id,
                 list->v[i].state_word);
}

static void check_backend(struct doctor *d, const struct fleet_spec *f)
{
    struct http *h = http_new(clock_real(), random_seed());
    struct backend_info info = {0};
    struct rollout_list list = {0};
    struct wait probe = {0}, read = {0};
    struct err e = {0};
    struct backend *b = backend_open(h, f, &e);
    struct arena a;

    arena_init(&a);
    if (!b) {
        tell_err(d, f->name, &e);
    } else {
        b->ops->probe(b, &a, &info, on_done, &probe);
        if (!wait_for(d, h, &probe)) {
            tell_err(d, f->name, &probe.err);
        } else {
            capabilities(d, f->name, &info);
            b->ops->rollouts(b, 50, &a, &list, on_done, &read);
            if (wait_for(d, h, &read)) {
                say_rollouts(d, f->name, &list, read.took);
                check_skew(d, f->name, &read);
            } else {
                tell_err(d, f->name, &read.err);
            }
        }
        if (f->endpoint.plain_http && strncmp(f->endpoint.url, "http://", 7) == 0)
            tell(d, MARK_NOTE, f->name, "Use https, so that nobody on the way can read or change commands.",
                 "the connection is not encrypted");
    }
    /* In this order: what is still under way is cancelled into the variables above. */
    backend_free(b);
    http_free(h);
    arena_release(&a);
}

static void check_telemetry(struct doctor *d, const struct fleet_spec *f)
{
    struct http *h;
    struct telemetry *t;
    struct wait w = {0};
    struct err e = {0};
    struct arena a;
    const char *text = "";
    char subject[100];

    snprintf(subject, sizeof subject, "%.70s telemetry", f->name);
    if (f->telemetry.kind == TELEMETRY_NONE) {
        tell(d, MARK_NOTE, subject, "Add `telemetry:` to the fleet; see andon-config(5).",
             "no telemetry: only install failures can halt a rollout");
        return;
    }
    h = http_new(clock_real(), random_seed());
    t = telemetry_open(h, clock_real(), &f->telemetry, &e);
    arena_init(&a);
    if (!t) {
        tell_err(d, subject, &e);
    } else {
        t->ops->probe(t, &a, &text, on_done, &w);
        if (wait_for(d, h, &w))
            tell(d, MARK_OK, subject, "", "%s", text);
        else
            tell_err(d, subject, &w.err);
    }
    telemetry_free(t);
    http_free(h);
    arena_release(&a);
}

/* What waited for the log, and what was no record. */
static void tell_intake(struct doctor *d, const struct audit_intake *in)
{
    char n[FMT_MAX];

    if (in->taken > 0)
        tell(d, MARK_NOTE, "spool", "They are halts that the log could not take then: andon audit show --kind halt.",
             "%s entries were waiting and are in the log now", fmt_count(n, in->taken));
    if (in->waiting > 0)
        tell(d, MARK_FAIL, "spool", *in->err.next ? in->err.next : "Mend the log; opening it takes them in.",
             "%s entries wait for the log%s%s", fmt_count(n, in->waiting), *in->err.what ? ": " : "", in->err.what);
    else if (in->err.code != ERR_NONE)
        tell(d, MARK_NOTE, "spool", in->err.next, "%s", in->err.what);
    if (in->set_aside > 0)
        tell(d, MARK_NOTE, "spool", "Look at the files andon-*.bad in its folder, then remove them.",
             "%s files were set aside: not whole, or not andon's", fmt_count(n, in->set_aside));
    if (in->others > 0)
        tell(d, MARK_NOTE, "spool", "Run andon doctor with --db or the configuration that they belong to.",
             "%s files wait for other logs", fmt_count(n, in->others));
}

static void check_spool(struct doctor *d)
{
    struct spool *s = spool_new(&d->session.audit);
    char where[PATH_MAX];
    struct err e = {0};
    bool apart;

    if (!s)
        return;
    if (!spool_probe(s, where, &apart, &e)) /* not tell_err: no server is out of reach */
        tell(d, MARK_FAIL, "spool", e.next, "%s%s%s", e.what, *e.cause ? ": " : "", e.cause);
    else if (!apart)
        tell(d, MARK_NOTE, "spool", "Name a folder on another disk: audit: spool: in andon-config(5).",
             "%.200s is on the log's own file system: when that fails, so may it", where);
    else
        tell(d, MARK_OK, "spool", "", "%.200s, on another file system than the log, can be written", where);
    spool_free(s);
}

static void check_log(struct doctor *d)
{
    const struct session *s = &d->session;
    struct audit_report r = {0};
    struct statvfs fs;
    struct err e = {0};
    struct audit_log *l;
    char n[FMT_MAX], folder[512];
    char *slash;

    if (access(s->db, F_OK) != 0) {
        tell(d, MARK_NOTE, "audit log", "", "%s does not exist yet; the first console, guard or verb makes it", s->db);
        return;
    }
    l = audit_open(&s->audit, &e);
    if (!l) {
        struct spool_place *p = spool_place_new(&s->audit);
        struct audit_intake in = {0};

        tell_err(d, "audit log", &e);
        intake_waiting(p, &in);
        tell_intake(d, &in);
        spool_place_free(p);
        return;
    }
    if (!audit_verify_tail(l, 1000, &r, &e))
        tell_err(d, "audit log", &e);
    else if (!r.ok)
        tell(d, MARK_FAIL, "audit log", "Keep the file as it is and run `andon audit verify`.", "%s", r.text);
    else
        tell(d, MARK_OK, "audit log", "", "%s entries, writable, the newest verify", fmt_count(n, r.entries));
    tell_intake(d, audit_taken_in(l));
    audit_close(l);
    snprintf(folder, sizeof folder, "%s", s->db);
    slash = strrchr(folder, '/');
    if (slash && slash != folder)
        *slash = '\0';
    if (statvfs(folder, &fs) == 0 && (double)fs.f_bavail * (double)fs.f_frsize < 64.0 * 1024 * 1024)
        tell(d, MARK_NOTE, "audit log", "Free some space; when it is full only halts are possible.",
             "less than 64 MiB are free in %s", folder);
}

static int finish(struct doctor *d)
{
    json_w_arr_end(&d->json.w);
    json_w_kint(&d->json.w, "failed", d->failed);
    if (d->args->json)
        json_end(&d->json);
    else
        buf_release(&d->json.buf);
    if (!d->args->json)
        printf("%d ok, %d notes, %d failed\n", d->passed, d->notes, d->failed);
    if (d->failed == 0)
        return EXIT_OK;
    return d->unreachable ? EXIT_UNREACHABLE : EXIT_FAILED;
}

int cmd_doctor(const struct args *a)
{
    struct doctor d = {.args = a};
    const struct fleet_spec *one = NULL;
    struct err e = {0};
    int rc = session_need(a, &d.session);

    if (rc != EXIT_OK)
        return rc;
    if (!args_dur(a, OPT_TIMEOUT, 15 * US_PER_S, &d.timeout, &e) ||
        (a->val[OPT_FLEET] && !(one = session_fleet(&d.session, a, &e)))) {
        session_close(&d.session);
        return print_err(a, &e);
    }
    json_begin(&d.json);
    json_w_key(&d.json.w, "checks");
    json_w_arr(&d.json.w);
    tell(&d, MARK_OK, "configuration", "", "%s, %zu fleet%s", d.session.config.path, d.session.config.n_fleets,
         d.session.config.n_fleets == 1 ? "" : "s");
    for (size_t i = 0; i < d.session.config.n_fleets; i++) {
        const struct fleet_spec *f = &d.session.config.fleets[i];

        if (one && f != one)
            continue;
        if (f->endpoint.secret.source == SECRET_ENV)
            tell(&d, MARK_NOTE, f->name, "Use a command or a file: other processes of yours can read the environment.",
                 "its secret comes from the environment");
        check_backend(&d, f);
        check_telemetry(&d, f);
    }
    check_log(&d);
    check_spool(&d);
    rc = finish(&d);
    session_close(&d.session);
    return rc;
}
