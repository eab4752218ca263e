#include "cli/audit_keep.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "audit/keep.h"
#include "cli/audit_show.h"
#include "core/fmt.h"

/* For what only the log's writer may do: the file itself, which is the guard's user's where a guard writes it. What
 * waits for the log in folders of others is the guard's to take in. */
static struct audit_log *open_own(const struct session *s, struct err *e)
{
    struct audit_spec spec = s->audit;

    if (spec.socket && access(s->db, W_OK) != 0) {
        err_set(e, ERR_FORBIDDEN, "run it as the guard's user", "the audit log is written by the guard");
        return NULL;
    }
    if (spec.socket)
        memset(spec.spool, 0, sizeof spec.spool);
    spec.socket = NULL;
    if (access(s->db, F_OK) == 0)
        return audit_open(&spec, e);
    if (!audit_gone(&spec, e))
        err_set(e, ERR_NOT_FOUND, "The first console, guard or verb makes it.", "there is no audit log at %.200s",
                s->db);
    return NULL;
}

/* ---- holds ---- */

static bool list_holds(const struct args *a, struct audit_log *l, struct err *e)
{
    struct arena arena;
    struct audit_hold *v;
    struct json_out o;
    char t[FMT_MAX], from[FMT_MAX], to[FMT_MAX];
    size_t n;
    bool ok;

    arena_init(&arena);
    ok = audit_holds(l, &arena, &v, &n, e);
    if (ok && a->json) {
        json_begin(&o);
        json_w_key(&o.w, "holds");
        json_w_arr(&o.w);
    }
    for (size_t i = 0; ok && i < n; i++) {
        if (a->json) {
            json_w_obj(&o.w);
            json_w_kstr(&o.w, "name", v[i].name);
            json_w_kstr(&o.w, "reason", v[i].reason);
            json_w_kstr(&o.w, "actor", v[i].actor);
            json_w_kint(&o.w, "entry", v[i].seq);
            json_w_ktime(&o.w, "time", v[i].t);
            if (v[i].since_t > 0)
                json_w_ktime(&o.w, "since", v[i].since_t);
            if (v[i].until_t > 0)
                json_w_ktime(&o.w, "until", v[i].until_t);
            json_w_obj_end(&o.w);
        } else {
            printf("%s  since entry %lld, %s, by %s: %s; entries%s%s%s%s%s\n", v[i].name, (long long)v[i].seq,
                   fmt_iso(t, v[i].t), v[i].actor, v[i].reason, v[i].since_t || v[i].until_t ? "" : " of all times",
                   v[i].since_t ? " since " : "", v[i].since_t ? fmt_iso(from, v[i].since_t) : "",
                   v[i].until_t ? " until " : "", v[i].until_t ? fmt_iso(to, v[i].until_t) : "");
        }
    }
    if (ok && a->json) {
        json_w_arr_end(&o.w);
        json_end(&o);
    } else if (ok && n == 0) {
        printf("nothing is held\n");
    }
    arena_release(&arena);
    return ok;
}

static bool change_hold(const struct args *a, const struct session *s, struct audit_log *l, bool add, struct err *e)
{
    struct audit_turn t = {s->actor, args_str(a, OPT_REASON)};
    struct audit_query q;

    if (!*t.reason)
        return err_set(e, ERR_SYNTAX, "--reason TEXT: it stands in the log.", "audit hold needs a reason");
    if (!add)
        return audit_hold_remove(l, &t, a->pos[3], e);
    return audit_read_query(a, &q, e) && audit_hold_add(l, &t, a->pos[3], q.after_t, q.before_t, e);
}

int audit_keep_hold(const struct args *a, const struct session *s)
{
    const char *what = a->pos[2];
    bool add = strcmp(what, "add") == 0, list = strcmp(what, "list") == 0, ok;
    struct audit_spec looks = s->audit;
    struct audit_log *l;
    struct err e = {0};

    if ((!add && !list && strcmp(what, "remove") != 0) || a->n_pos != (list ? 3u : 4u)) {
        err_set(&e, ERR_SYNTAX, "add NAME, remove NAME or list.", "audit hold: what is to be done?");
        return print_err(a, &e);
    }
    looks.read_only = list;
    l = add || list ? audit_open(&looks, &e) : open_own(s, &e);
    ok = l && (list ? list_holds(a, l, &e) : change_hold(a, s, l, add, &e));
    audit_close(l);
    if (!ok)
        return print_err(a, &e);
    if (!list && !a->json)
        printf("%s: %s\n", a->pos[3], add ? "held" : "no longer held");
    return EXIT_OK;
}

/* ---- old files ---- */

static void say_file(const struct args *a, struct json_out *o, const struct audit_old *f, bool gone)
{
    char from[FMT_MAX], to[FMT_MAX];

    if (a->json) {
        json_w_obj(&o->w);
        json_w_kstr(&o->w, "file", f->file);
        json_w_kint(&o->w, "from", f->first);
        json_w_kint(&o->w, "to", f->last);
        json_w_ktime(&o->w, "first", f->first_t);
        json_w_ktime(&o->w, "last", f->last_t);
        json_w_kbool(&o->w, "goes", f->goes);
        json_w_kbool(&o->w, "removed", gone);
        json_w_kstr(&o->w, "why", f->why);
        json_w_obj_end(&o->w);
        return;
    }
    printf("%s  entries %lld to %lld, %s .. %s: %s%s\n", f->file, (long long)f->first, (long long)f->last,
           fmt_iso(from, f->first_t), fmt_iso(to, f->last_t),
           gone      ? "removed"
           : f->goes ? "would go"
                     : "stays: ",
           f->why);
}

int audit_keep_prune(const struct args *a, const struct session *s)
{
    int64_t keep = s->configured ? s->config.log_keep_us : 0;
    struct audit_turn t = {s->actor, args_str(a, OPT_REASON)};
    bool yes = a->val[OPT_YES] != NULL, listed, ok;
    struct audit_log *l;
    struct audit_old *v = NULL;
    struct arena arena;
    struct json_out o;
    struct err e = {0};
    char rule[80], dur[FMT_MAX];
    size_t n = 0;

    if (yes && !*t.reason) {
        err_set(&e, ERR_SYNTAX, "--reason TEXT: it stands in the log.", "audit prune --yes needs a reason");
        return print_err(a, &e);
    }
    arena_init(&arena);
    snprintf(rule, sizeof rule, "audit: keep: %s", fmt_dur(dur, keep));
    l = open_own(s, &e);
    ok = listed = l && audit_old_files(l, keep, &arena, &v, &n, &e);
    if (listed && a->json) {
        json_begin(&o);
        json_w_key(&o.w, "files");
        json_w_arr(&o.w);
    }
    for (size_t i = 0; ok && i < n; i++) {
        bool gone = yes && v[i].goes;

        ok = !gone || audit_remove_old(l, &t, &v[i], rule, &e);
        if (ok)
            say_file(a, &o, &v[i], gone);
    }
    if (listed && a->json) {
        json_w_arr_end(&o.w);
        json_end(&o);
    } else if (ok && n == 0) {
        printf("the log goes on from no older file\n");
    }
    audit_close(l);
    arena_release(&arena);
    return ok ? EXIT_OK : print_err(a, &e);
}
