/* andon audit: for auditors. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/audit_page.h"
#include "cli/audit_replay.h"
#include "cli/cli.h"
#include "core/clock.h"
#include "core/fmt.h"

/* "2031-03-14T12:00:00Z", or how long ago. */
static bool read_time(const struct args *a, enum opt o, const char *name, int64_t *out, struct err *e)
{
    int64_t ago;

    *out = 0;
    if (!a->val[o] || fmt_iso_parse(a->val[o], out))
        return true;
    if (!fmt_dur_parse(a->val[o], &ago))
        return err_set(e, ERR_SYNTAX, "As in 2031-03-14T12:00:00Z, or a duration ago as in 2h.",
                       "--%s: \"%.40s\" is no time", name, a->val[o]);
    *out = clock_wall(clock_real()) - ago;
    return true;
}

static bool read_query(const struct args *a, struct audit_query *q, struct err *e)
{
    int64_t limit;

    memset(q, 0, sizeof *q);
    q->fleet = a->val[OPT_FLEET];
    q->rollout = a->val[OPT_ROLLOUT];
    q->kind = a->val[OPT_KIND];
    q->actor = a->val[OPT_ACTOR];
    q->newest_first = true;
    if (!read_time(a, OPT_SINCE, "since", &q->after_t, e) || !read_time(a, OPT_UNTIL, "until", &q->before_t, e) ||
        !args_int(a, OPT_LIMIT, 1, 1000000, 1000, &limit, e))
        return false;
    q->limit = (size_t)limit;
    return true;
}

static void entry_json(struct json_w *w, const struct stored *s)
{
    char corr[17];

    snprintf(corr, sizeof corr, "%016" PRIx64, s->corr);
    json_w_obj(w);
    json_w_kint(w, "seq", s->seq);
    json_w_ktime(w, "time", s->t);
    json_w_kstr(w, "kind", s->kind);
    json_w_kstr(w, "corr", s->corr ? corr : NULL);
    json_w_kstr(w, "actor", s->actor);
    json_w_kstr(w, "actor_kind", s->actor_kind);
    json_w_kstr(w, "fleet", s->fleet);
    json_w_kstr(w, "rollout", s->rollout);
    json_w_kstr(w, "wave", s->wave);
    json_w_kstr(w, "verb", s->verb);
    json_w_kstr(w, "result", s->result);
    json_w_kstr(w, "reason", s->reason);
    json_w_kstr(w, "before", s->before);
    json_w_kstr(w, "after", s->after);
    json_w_kstr(w, "host", s->host);
    json_w_kbool(w, "late", s->late);
    json_w_kstr(w, "leaf", s->leaf_hash);
    json_w_key(w, "fields");
    json_w_obj(w);
    for (size_t i = 0; i < s->n_fields; i++)
        json_w_kstr(w, s->fields[i][0], s->fields[i][1]);
    json_w_obj_end(w);
    json_w_obj_end(w);
}

static bool show(const struct args *a, struct audit_log *l, struct err *e)
{
    struct audit_query q;
    struct stored *v = NULL;
    struct arena arena;
    struct table t;
    struct json_out o;
    struct buf out;
    char b[FMT_MAX];
    size_t n = 0;

    if (!read_query(a, &q, e))
        return false;
    arena_init(&arena);
    if (!audit_query(l, &q, &arena, &v, &n, e)) {
        arena_release(&arena);
        return false;
    }
    if (a->json) {
        json_begin(&o);
        json_w_key(&o.w, "entries");
        json_w_arr(&o.w);
        for (size_t i = n; i > 0; i--) /* oldest first, as they happened */
            entry_json(&o.w, &v[i - 1]);
        json_w_arr_end(&o.w);
        json_end(&o);
    } else {
        static const char *const heads[] = {"ENTRY", "TIME", "WHO", "KIND", "ACTION", "OBJECT", "RESULT", "BECAUSE"};

        table_init(&t, 8, 1);
        for (size_t i = 0; i < 8; i++)
            table_add(&t, heads[i]);
        for (size_t i = n; i > 0; i--) {
            struct entry_words w;

            entry_words(&v[i - 1], &arena, &w);
            table_addf(&t, "%lld", (long long)v[i - 1].seq);
            table_add(&t, fmt_iso(b, v[i - 1].t));
            table_add(&t, w.who);
            table_addf(&t, "%s%s", v[i - 1].kind, v[i - 1].late ? " (late)" : "");
            table_add(&t, w.action);
            table_add(&t, w.object);
            table_add(&t, w.result);
            table_add(&t, w.because);
        }
        buf_init(&out, (size_t)256 << 20);
        table_print(&t, &out);
        print_out(&out);
        buf_release(&out);
    }
    arena_release(&arena);
    return true;
}

static void report_text(const struct audit_report *r, const char *where)
{
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX];

    printf("log        %s\norigin     %s\nentries    %s", where, r->origin, fmt_count(a, r->entries));
    if (r->entries > 0)
        printf("  %s .. %s", fmt_iso(b, r->first_t), fmt_iso(c, r->last_t));
    printf("\nroot       %s\nkey        %s\n", r->root, r->key_id);
    printf("open       %lld intents without an outcome, %lld unknown outcomes\n", (long long)r->open_intents,
           (long long)r->unknown_outcomes);
    printf("late       %lld entries, %lld clock steps\n", (long long)r->late, (long long)r->clock_steps);
    if (!r->ok && r->bad_seq > 0)
        printf("first bad  entry %lld\n", (long long)r->bad_seq);
    printf("%s\n", r->text);
}

static int verify(const struct args *a, const struct session *s, struct err *e)
{
    struct audit_spec spec = s->audit;
    struct audit_report r = {0};
    const char *where = a->n_pos > 2 ? a->pos[2] : s->db;
    struct stat st;
    bool told;

    spec.read_only = true;
    spec.db_path = where;
    if (a->n_pos > 2 && stat(where, &st) == 0 && S_ISDIR(st.st_mode))
        told = audit_verify_export(where, a->val[OPT_VKEY], &r, e);
    else
        told = audit_verify(&spec, a->val[OPT_VKEY], &r, e);
    if (!told) {
        print_err(a, e);
        return EXIT_UNKNOWN;
    }
    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kbool(&o.w, "verified", r.ok);
        json_w_kbool(&o.w, "unwitnessed", r.unwitnessed);
        json_w_kstr(&o.w, "log", where);
        json_w_kint(&o.w, "entries", r.entries);
        json_w_ktime(&o.w, "first", r.first_t);
        json_w_ktime(&o.w, "last", r.last_t);
        json_w_kstr(&o.w, "origin", r.origin);
        json_w_kstr(&o.w, "root", r.root);
        json_w_kstr(&o.w, "key", r.key_id);
        json_w_kint(&o.w, "open_intents", r.open_intents);
        json_w_kint(&o.w, "unknown_outcomes", r.unknown_outcomes);
        json_w_kint(&o.w, "late", r.late);
        json_w_kint(&o.w, "clock_steps", r.clock_steps);
        if (!r.ok)
            json_w_kint(&o.w, "bad_entry", r.bad_seq);
        json_w_kstr(&o.w, "text", r.text);
        json_end(&o);
    } else {
        report_text(&r, where);
    }
    return r.ok ? EXIT_OK : EXIT_FAILED;
}

static bool head(const struct args *a, struct audit_log *l, struct err *e)
{
    struct audit_head h = {0};
    char b[FMT_MAX];

    if (!audit_head(l, &h, e))
        return false;
    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "origin", h.origin);
        json_w_kint(&o.w, "size", h.size);
        json_w_kstr(&o.w, "root", h.root);
        json_w_kstr(&o.w, "key", h.key_id);
        json_w_kstr(&o.w, "vkey", h.vkey);
        json_w_ktime(&o.w, "newest", h.newest_t);
        json_end(&o);
        return true;
    }
    printf("%s\n%lld entries, newest %s\nroot %s\nkey  %s\nvkey %s\n", h.origin, (long long)h.size,
           fmt_iso(b, h.newest_t), h.root, h.key_id, h.vkey);
    return true;
}

static bool export(const struct args *a, struct audit_log *l, struct err *e)
{
    struct audit_query q;

    if (a->n_pos < 3)
        return err_set(e, ERR_SYNTAX, "", "export needs the name of a new folder");
    if (!read_query(a, &q, e))
        return false;
    if (!a->val[OPT_LIMIT])
        q.limit = SIZE_MAX;
    q.newest_first = false;
    if (!audit_export(l, &q, a->pos[2], e))
        return false;
    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "folder", a->pos[2]);
        json_end(&o);
    } else {
        printf("exported to %s; check it there with: sh verify.sh\n", a->pos[2]);
    }
    return true;
}

enum what { SHOW, VERIFY, EXPORT, HEAD, REPLAY, WHATS };

/* WHATS with *e when the words make no sense. */
static enum what what_of(const struct args *a, struct err *e)
{
    static const char *const words[WHATS] = {"show", "verify", "export", "head", "replay"};
    bool more = a->n_pos > 2;
    int k = 0;

    while (k < WHATS && strcmp(words[k], a->pos[1]) != 0)
        k++;
    if (k == WHATS || (more && (k == SHOW || k == HEAD)))
        err_set(e, ERR_SYNTAX, "show, verify [FILE|FOLDER], export FOLDER, head, or replay ENTRY.",
                "audit does not know \"%.40s\"", k == WHATS ? a->pos[1] : a->pos[2]);
    else if (k == REPLAY && !more)
        err_set(e, ERR_SYNTAX, "`andon audit show --kind halt` lists them.", "replay needs the number of an entry");
    else if (k != REPLAY && a->val[OPT_EXPORT])
        err_set(e, ERR_SYNTAX, "", "--export belongs to replay");
    else
        return (enum what)k;
    return WHATS;
}

/* From the log itself: what only reads it. */
static int with_log(const struct args *a, const struct session *s, enum what what, struct err *e)
{
    struct audit_spec spec = s->audit;
    struct audit_log *l;
    bool ok;

    spec.read_only = true;
    l = audit_open(&spec, e);
    ok = l && (what == SHOW ? show(a, l, e) : what == EXPORT ? export(a, l, e) : head(a, l, e));
    if (l)
        audit_close(l);
    return ok ? EXIT_OK : print_err(a, e);
}

int cmd_audit(const struct args *a)
{
    struct session s;
    struct err e = {0};
    enum what what = what_of(a, &e);
    const char *path;
    int rc;

    if (what == WHATS)
        return print_err(a, &e);
    rc = session_open(a, &s);
    if (rc != EXIT_OK)
        return rc;
    path = what == REPLAY && a->val[OPT_EXPORT] ? a->val[OPT_EXPORT]
           : what == VERIFY && a->n_pos > 2     ? a->pos[2]
                                                : s.db;
    if (access(path, F_OK) != 0) {
        err_set(&e, ERR_NOT_FOUND, "The first console, guard or verb makes it.", "there is no audit log at %.200s",
                path);
        rc = print_err(a, &e);
        rc = what == VERIFY ? EXIT_UNKNOWN : rc;
    } else if (what == VERIFY) {
        rc = verify(a, &s, &e);
    } else if (what == REPLAY) {
        rc = audit_replay(a, &s, a->pos[2]);
    } else {
        rc = with_log(a, &s, what, &e);
    }
    session_close(&s);
    return rc;
}
