/* andon doctor: tests everything that the configuration names, and says what to do about each failure. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "audit/log.h"
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

static void check_log(struct doctor *d)
{
    const struct session *s = &d->session;
    struct audit_report r = {0};
    struct err e = {0};
    struct audit_log *l;
    char n[FMT_MAX];

    if (!check_folder(d, "audit log", s->db))
        return;
    if (access(s->db, F_OK) != 0) {
        doctor_tell(d, MARK_NOTE, "audit log", "", "%s does not exist yet; the first console, guard or verb makes it",
                    s->db);
        return;
    }
    l = audit_open(&s->audit, &e);
    if (!l) {
        doctor_err(d, "audit log", &e);
        return;
    }
    if (!audit_verify_tail(l, 1000, &r, &e))
        doctor_err(d, "audit log", &e);
    else if (!r.ok)
        doctor_tell(d, MARK_FAIL, "audit log", "Keep the file as it is and run `andon audit verify`.", "%s", r.text);
    else
        doctor_tell(d, MARK_OK, "audit log", "", "%s entries, writable, the newest verify", fmt_count(n, r.entries));
    audit_close(l);
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
    rc = finish(&d);
    session_close(&d.session);
    return rc;
}
