/* andon accept: a risk that stays for now, with why, what is done instead, and until when; in the log. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/risk_log.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"

#define ACCEPT_MAX (366 * US_PER_DAY) /* then somebody looks at it again */

static const char *release_of(const struct risk_accept *x)
{
    return *x->release ? x->release : "every release";
}

static void list(const struct args *a, const struct risk_log *log)
{
    int64_t now = clock_wall(clock_real());
    char t[FMT_MAX], n[24];
    if (a->json) {
        struct json_out o;
        json_begin(&o);
        json_w_key(&o.w, "accepted");
        json_w_arr(&o.w);
        for (size_t i = 0; i < log->said.n_accepts; i++) {
            const struct risk_accept *x = &log->said.accepts[i];
            json_w_obj(&o.w);
            json_w_kint(&o.w, "log_entry", x->seq);
            json_w_kstr(&o.w, "vulnerability", x->id);
            json_w_kstr(&o.w, "release", *x->release ? x->release : NULL);
            json_w_ktime(&o.w, "until", x->until);
            json_w_kbool(&o.w, "in_force", x->until > now);
            json_w_kstr(&o.w, "by", x->by);
            json_w_kstr(&o.w, "reason", x->reason);
            json_w_kstr(&o.w, "control", *x->control ? x->control : NULL);
            json_w_obj_end(&o.w);
        }
        json_w_arr_end(&o.w);
        json_end(&o);
        return;
    }
    struct buf b;
    struct table table;
    buf_init(&b, (size_t)4 << 20);
    table_init(&table, 7, 1);
    for (int i = 0; i < 7; i++) {
        static const char *const heads[] = {"ENTRY", "VULNERABILITY", "RELEASE", "UNTIL", "", "BY", "REASON"};
        table_add(&table, heads[i]);
    }
    for (size_t i = 0; i < log->said.n_accepts; i++) {
        const struct risk_accept *x = &log->said.accepts[i];
        snprintf(n, sizeof n, "%" PRId64, x->seq);
        table_add(&table, n);
        table_add(&table, x->id);
        table_add(&table, release_of(x));
        table_add(&table, fmt_iso(t, x->until));
        table_add(&table, x->until > now ? "" : "EXPIRED");
        table_add(&table, x->by);
        table_addf(&table, "%s%s%s", x->reason, *x->control ? "; instead: " : "", x->control);
    }
    table_print(&table, &b);
    if (log->said.n_accepts == 0) {
        buf_clear(&b);
        buf_adds(&b, "no risk is accepted\n");
    }
    print_out(&b);
    buf_release(&b);
}

static void said(const struct args *a, const char *what, const struct risk_accept *x, int64_t seq)
{
    char t[FMT_MAX];
    if (a->json) {
        struct json_out o;
        json_begin(&o);
        json_w_kint(&o.w, "log_entry", seq);
        json_w_kstr(&o.w, "result", what);
        json_w_kstr(&o.w, "vulnerability", x->id);
        json_w_kstr(&o.w, "release", *x->release ? x->release : NULL);
        json_w_ktime(&o.w, "until", x->until);
        json_end(&o);
    } else if (strcmp(what, "ended") == 0) {
        printf("%s in %s is no longer accepted (entry %" PRId64 ")\n", x->id, release_of(x), seq);
    } else {
        printf("%s in %s is accepted until %s (entry %" PRId64 "); it stays in the queue, and counts again from then "
               "on\n",
               x->id, release_of(x), fmt_iso(t, x->until), seq);
    }
}

/* Text of a person that goes into the log and onto screens. */
static const char *safe_option(struct arena *ar, const struct args *a, enum opt o)
{
    const char *s = args_str(a, o);
    return safe_text(ar, s, strlen(s), 500);
}

static bool add(const struct args *a, const struct session *s, struct risk_log *log, struct err *e)
{
    int64_t now = clock_wall(clock_real());
    struct risk_accept x = {.id = a->pos[1], .release = safe_option(&log->arena, a, OPT_RELEASE)};
    struct entry en;
    struct receipt r;

    if (!a->val[OPT_UNTIL] || !*args_str(a, OPT_REASON))
        return err_set(e, ERR_SYNTAX, "andon accept ID --until 90d --reason TEXT [--control TEXT]",
                       "accept needs --until and --reason");
    if (!risk_id_ok(x.id, e) || !risk_moment_read(a->val[OPT_UNTIL], 1, now, &x.until, e))
        return false;
    if (x.until <= now || x.until > now + ACCEPT_MAX)
        return err_set(e, ERR_SYNTAX, "From now to 366 days from now: then somebody looks at it again.",
                       "a risk is not accepted until %.40s", a->val[OPT_UNTIL]);
    if (*x.release && !strchr(x.release, ':'))
        return err_set(e, ERR_SYNTAX, "", "--release is NAME:VERSION");
    entry_init(&en, ENTRY_ACCEPT);
    en.result = "accepted";
    en.reason = safe_option(&log->arena, a, OPT_REASON);
    entry_str(&en, "vulnerability", x.id);
    if (*x.release)
        entry_str(&en, "release", x.release);
    entry_int(&en, "until", x.until);
    if (a->val[OPT_CONTROL])
        entry_str(&en, "control", safe_option(&log->arena, a, OPT_CONTROL));
    if (!risk_log_add(a, s, &en, &r, e))
        return false;
    said(a, "accepted", &x, r.seq);
    return true;
}

static bool end(const struct args *a, const struct session *s, struct risk_log *log, struct err *e)
{
    const struct risk_accept *x = NULL;
    const char *word = a->n_pos > 2 ? a->pos[2] : "";
    char *rest;
    int64_t seq = strtoll(word, &rest, 10);
    struct entry en;
    struct receipt r;

    for (size_t i = 0; i < log->said.n_accepts && *word && !*rest; i++)
        x = log->said.accepts[i].seq == seq ? &log->said.accepts[i] : x;
    if (!x)
        return err_set(e, ERR_NOT_FOUND, "`andon accept list` has the entries.",
                       "accept end needs the number of an entry that accepts a risk");
    entry_init(&en, ENTRY_ACCEPT);
    en.result = "ended";
    en.reason = safe_option(&log->arena, a, OPT_REASON);
    entry_int(&en, "ends", x->seq);
    entry_str(&en, "vulnerability", x->id);
    if (*x->release)
        entry_str(&en, "release", x->release);
    if (!risk_log_add(a, s, &en, &r, e))
        return false;
    said(a, "ended", x, r.seq);
    return true;
}

int cmd_accept(const struct args *a)
{
    struct session s;
    struct risk_log log;
    struct err e = {0};
    int rc = session_open(a, &s);
    bool ok;

    if (rc != EXIT_OK)
        return rc;
    ok = risk_log_read(&s, &log, &e);
    if (ok) {
        if (strcmp(a->pos[1], "list") == 0)
            list(a, &log);
        else
            ok = strcmp(a->pos[1], "end") == 0 ? end(a, &s, &log, &e) : add(a, &s, &log, &e);
        risk_log_free(&log);
    }
    rc = ok ? EXIT_OK : print_err(a, &e);
    session_close(&s);
    return rc;
}
