/* andon doctor: tests everything that the configuration names, and says what to do about each failure. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "audit/far.h"
#include "audit/intake.h"
#include "audit/log.h"
#include "audit/spool.h"
#include "cli/audit_witness.h"
#include "cli/doctor.h"
#include "core/clock.h"
#include "core/fmt.h"

void doctor_tell(struct doctor *d, enum mark m, const char *subject, const char *next, const char *fmt, ...)
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

void doctor_err(struct doctor *d, const char *subject, const struct err *e)
{
    doctor_tell(d, MARK_FAIL, subject, e->next, "%s%s%s", e->what, *e->cause ? ": " : "", e->cause);
    d->unreachable = d->unreachable || err_exit(e) == EXIT_UNREACHABLE;
}

/* The nearest folder above a file that is there, into `out`. */
static void folder_of(const char *file, char *out, size_t size)
{
    struct stat st;

    snprintf(out, size, "%s", file);
    for (;;) {
        char *slash = strrchr(out, '/');

        if (!slash)
            snprintf(out, size, ".");
        else if (slash == out)
            out[1] = '\0';
        else
            *slash = '\0';
        if (!slash || slash == out || (stat(out, &st) == 0 && S_ISDIR(st.st_mode)))
            return;
    }
}

/* Can a file be made there, and is there room? False when it cannot. */
static bool check_folder(struct doctor *d, const char *subject, const char *file)
{
    char folder[512];
    struct statvfs fs;

    folder_of(file, folder, sizeof folder);
    if (access(folder, W_OK | X_OK) != 0) {
        doctor_tell(d, MARK_FAIL, subject, "Let this user write there, or name another place in the configuration.",
                    "%s cannot be written: %s", folder, strerror(errno));
        return false;
    }
    if (statvfs(folder, &fs) == 0 && (double)fs.f_bavail * (double)fs.f_frsize < 64.0 * 1024 * 1024)
        doctor_tell(d, MARK_NOTE, subject, "Free some space; when it is full only halts are possible.",
                    "less than 64 MiB are free in %s", folder);
    return true;
}

/* What waited for the log, and what was no record. */
static void tell_intake(struct doctor *d, const struct audit_intake *in)
{
    char n[FMT_MAX];

    if (in->taken > 0)
        doctor_tell(d, MARK_NOTE, "spool",
                    "They are halts that the log could not take then: andon audit show --kind halt.",
                    "%s entries were waiting and are in the log now", fmt_count(n, in->taken));
    if (in->waiting > 0)
        doctor_tell(d, MARK_FAIL, "spool", *in->err.next ? in->err.next : "Mend the log; opening it takes them in.",
                    "%s entries wait for the log%s%s", fmt_count(n, in->waiting), *in->err.what ? ": " : "",
                    in->err.what);
    else if (in->err.code != ERR_NONE)
        doctor_tell(d, MARK_NOTE, "spool", in->err.next, "%s", in->err.what);
    if (in->set_aside > 0)
        doctor_tell(d, MARK_NOTE, "spool", "Look at the files andon-*.bad in its folder, then remove them.",
                    "%s files were set aside: not whole, or not andon's", fmt_count(n, in->set_aside));
    if (in->others > 0)
        doctor_tell(d, MARK_NOTE, "spool", "Run andon doctor with --db or the configuration that they belong to.",
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
        doctor_tell(d, MARK_FAIL, "spool", e.next, "%s%s%s", e.what, *e.cause ? ": " : "", e.cause);
    else if (!apart)
        doctor_tell(d, MARK_NOTE, "spool", "Name a folder on another disk: audit: spool: in andon-config(5).",
                    "%.200s is on the log's own file system: when that fails, so may it", where);
    else
        doctor_tell(d, MARK_OK, "spool", "", "%.200s, on another file system than the log, can be written", where);
    spool_free(s);
}

/* On a host that several people share: does the guard that writes the log answer, and take entries from us? */
static bool check_guard(struct doctor *d)
{
    struct err e = {0};
    char name[64];
    struct far *f = far_open(d->session.audit.socket, &e);

    if (!f) {
        doctor_tell(d, MARK_FAIL, "guard", e.next, "%s%s%s", e.what, *e.cause ? ": " : "", e.cause);
        return false;
    }
    peer_name(far_guard(f), name);
    doctor_tell(d, MARK_OK, "guard", "", "at %.200s: the guard writes the log, as %s, and knows this user as %s",
                d->session.audit.socket, name, far_user(f));
    far_close(f);
    return true;
}

static void check_log(struct doctor *d)
{
    const struct session *s = &d->session;
    struct audit_report r = {0};
    struct audit_head h;
    struct err e = {0};
    struct audit_log *l;
    char n[FMT_MAX];

    if (s->audit.socket ? !check_guard(d) : !check_folder(d, "audit log", s->db))
        return;
    if (audit_gone(&s->audit, &e)) {
        doctor_err(d, "audit log", &e);
        return;
    }
    if (!s->audit.socket && access(s->db, F_OK) != 0) {
        doctor_tell(d, MARK_NOTE, "audit log", "", "%s does not exist yet; the first console, guard or verb makes it",
                    s->db);
        return;
    }
    l = audit_open(&s->audit, &e);
    if (!l) {
        struct spool_place *p = spool_place_new(&s->audit);
        struct audit_intake in = {0};

        doctor_err(d, "audit log", &e);
        intake_waiting(p, &in);
        tell_intake(d, &in);
        spool_place_free(p);
        return;
    }
    if (!audit_verify_tail(l, 1000, &r, &e))
        doctor_err(d, "audit log", &e);
    else if (!r.ok)
        doctor_tell(d, MARK_FAIL, "audit log", "Keep the file as it is and run `andon audit verify`.", "%s", r.text);
    else
        doctor_tell(d, MARK_OK, "audit log", "", "%s entries, %s, the newest verify", fmt_count(n, r.entries),
                    s->audit.socket ? "read and written by the guard" : "writable by this user himself");
    tell_intake(d, audit_taken_in(l));
    if (audit_head(l, &h, &e) && strcmp(h.origin, s->origin) != 0)
        doctor_tell(d, MARK_NOTE, "audit log", "Nothing is to be done: a log keeps the name that it was made with.",
                    "it is the log of %s; after this host's name a new one would be that of %s", h.origin, s->origin);
    doctor_tell(d, MARK_OK, "audit key", "", "%s (for known_keys: of other consoles; here are %zu of theirs)",
                audit_vkey(l), s->config.n_known_keys);
    doctor_copies(d, l);
    audit_close(l);
}

/* The witnesses of the log: do they answer, with the key that is configured, and do they agree with the log? */
static void check_witnesses(struct doctor *d)
{
    const struct witness_conf *w = &d->session.config.witness;
    struct audit_report r = {0};
    struct err e = {0};
    char note[560], n[FMT_MAX], next[300];

    if (w->n_by == 0) {
        doctor_tell(d, MARK_NOTE, "witnesses", "Two guards can witness each other: docs/audit.md, \"Witnesses\".",
                    "nobody witnesses the log: that the whole file was put back could not be seen");
        return;
    }
    if (!audit_verify(&d->session.audit_looks, NULL, &r, &e) || !r.ok)
        return; /* said already */
    audit_witness_ask(&d->session, &d->session.audit_looks, &r, note, sizeof note);
    snprintf(next, sizeof next, "Its address, its key, and whether among its logs there is %s", r.vkey);
    if (!r.ok)
        doctor_tell(d, MARK_FAIL, "witnesses", "docs/audit.md, \"When a witness contradicts\".", "%s", r.text);
    else if (*note)
        doctor_tell(d, MARK_FAIL, "witnesses", next, "%s", note);
    else
        doctor_tell(d, MARK_OK, "witnesses", "", "%zu asked: %s entries are witnessed, the newest by %s", w->n_by,
                    fmt_count(n, r.witnessed), r.witness);
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
    doctor_tell(&d, MARK_OK, "configuration", "", "%s, %zu fleet%s", d.session.config.path, d.session.config.n_fleets,
                d.session.config.n_fleets == 1 ? "" : "s");
    for (size_t i = 0; i < d.session.config.n_fleets; i++) {
        const struct fleet_spec *f = &d.session.config.fleets[i];

        if (one && f != one)
            continue;
        doctor_fleet(&d, f);
    }
    check_log(&d);
    check_spool(&d);
    check_witnesses(&d);
    rc = finish(&d);
    session_close(&d.session);
    return rc;
}
