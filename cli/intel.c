/* andon intel: what a folder of mirrored files says of vulnerabilities, into the store; and what is in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/place.h"
#include "cli/pointers.h"
#include "conf/config.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "intel/import.h"

struct told {
    const struct args *a;
    struct session *session;
    struct audit_log *log; /* NULL: a check writes nothing */
    struct json_out *json; /* NULL: lines of text */
    struct table table;
    int64_t now;
    size_t ignored, unlogged;
};

static const char *const outcomes[] = {
    [INTEL_IMPORTED] = "imported", [INTEL_UNCHANGED] = "unchanged", [INTEL_REFUSED] = "refused",
    [INTEL_MISSING] = "missing",   [INTEL_IGNORED] = "ignored",
};

/* The members of the object that is open. */
static void source_json(struct json_w *w, const struct intel_source *s, int64_t now)
{
    int64_t age = intel_age(s, now);

    json_w_kstr(w, "source", s->name);
    json_w_kstr(w, "kind", intel_kinds[s->kind].word);
    json_w_kstr(w, "sha256", s->sha256);
    json_w_kint(w, "records", s->records);
    json_w_kint(w, "unread", s->unread);
    json_w_kint(w, "files", s->files);
    json_w_kint(w, "bytes", s->bytes);
    json_w_ktime(w, "released", s->released);
    json_w_ktime(w, "newest", s->newest);
    json_w_ktime(w, "imported", s->imported);
    json_w_ktime(w, "checked", s->checked);
    json_w_key(w, "age_seconds");
    if (age < 0)
        json_w_null(w);
    else
        json_w_int(w, age / US_PER_S);
    json_w_kbool(w, "stale", intel_stale(s, now));
    json_w_kstr(w, "licence", intel_kinds[s->kind].licence);
    json_w_kstr(w, "note", s->note);
}

/* Which bytes what is known came from: with it, an order of steps can be computed again later (docs/audit.md). */
static void note(struct told *t, enum intel_outcome what, const struct intel_source *s, const struct err *why)
{
    struct entry e;
    struct receipt receipt;
    struct err err = {0};

    if (!t->log || (what != INTEL_IMPORTED && what != INTEL_REFUSED))
        return;
    entry_init(&e, ENTRY_INTEL);
    e.result = outcomes[what];
    entry_str(&e, "source", s->name);
    if (why) {
        entry_str(&e, "why", why->what);
    } else {
        entry_str(&e, "sha256", s->sha256);
        entry_int(&e, "records", s->records);
        if (s->newest)
            entry_int(&e, "newest", s->newest);
    }
    e.t = clock_wall(clock_real());
    e.mono = clock_boot(clock_real());
    e.actor = t->session->actor;
    if (!audit_append(t->log, &e, &receipt, &err)) {
        fflush(stdout);
        print_err(t->a, &err);
        t->unlogged++;
    }
}

static void say(void *ctx, enum intel_outcome what, const struct intel_source *s, const struct err *err)
{
    struct told *t = ctx;
    char n[FMT_MAX];

    t->ignored += what == INTEL_IGNORED;
    note(t, what, s, err);
    if (t->json) {
        struct json_w *w = &t->json->w;

        json_w_obj(w);
        json_w_kstr(w, "result", outcomes[what]);
        if (what == INTEL_IGNORED)
            json_w_kstr(w, "file", s->name);
        else
            source_json(w, s, t->now);
        if (err) {
            json_w_kstr(w, "error", err->what);
            json_w_kstr(w, "next", err->next);
            json_w_kstr(w, "cause", err->cause);
        }
        json_w_obj_end(w);
    } else if (what == INTEL_REFUSED) {
        fflush(stdout);
        print_err(t->a, err);
    } else if (what == INTEL_MISSING) {
        printf("%-16s not in the folder; what was imported before stays in force\n", s->name);
    } else if (what != INTEL_IGNORED) {
        printf("%-16s %s, %s records%s%s\n", s->name, t->a->pos[1][0] == 'c' ? "can be read" : outcomes[what],
               fmt_count(n, s->records), *s->note ? "; " : "", s->note);
    }
}

static int import(const struct args *a, const char *path, bool check)
{
    struct json_out json;
    struct told t = {.a = a, .json = a->json ? &json : NULL, .now = clock_wall(clock_real())};
    struct intel_import spec = {
        .folder = a->pos[2], .now = t.now, .force = a->val[OPT_FORCE] != NULL, .check = check, .say = say, .ctx = &t};
    struct err e = {0};
    struct intel_store *s = NULL;
    size_t refused = 0;
    struct pointers pointers;
    bool asks = a->val[OPT_ALL] != NULL, asked = true;

    struct session session;
    /* The times in a zip are of no use here; without this the C library looks at /etc/localtime for each of them. */
    setenv("TZ", "UTC0", 1);
    int rc = check ? EXIT_OK : asks ? session_need(a, &session) : session_open(a, &session);

    if (rc)
        return rc;
    t.session = &session;
    if (!check &&
        !((t.log = audit_open(&session.audit, &e)) && place_prepare(path, &e) && (s = intel_open(path, true, &e)))) {
        audit_close(t.log);
        session_close(&session);
        return print_err(a, &e);
    }
    if (asks) {
        asked = pointers_ask(a, &session, &pointers);
        spec.named = pointers_of;
        spec.named_ctx = &pointers;
    }
    if (a->json) {
        json_begin(&json);
        json_w_key(&json.w, "sources");
        json_w_arr(&json.w);
    }
    bool ok = intel_import(s, &spec, &refused, &e);
    if (asks) {
        pointers_unused(&pointers);
        pointers_free(&pointers);
    }
    intel_close(s);
    if (!check) {
        audit_close(t.log);
        session_close(&session);
    }
    if (a->json) {
        json_w_arr_end(&json.w);
        json_w_kint(&json.w, "refused", (int64_t)refused);
        if (ok)
            json_end(&json);
        else
            buf_release(&json.buf);
    } else if (t.ignored) {
        printf("%zu file%s of no source that andon knows, or links, which are not followed\n", t.ignored,
               t.ignored == 1 ? "" : "s");
    }
    if (!ok)
        return print_err(a, &e);
    return refused || t.unlogged || !asked ? EXIT_FAILED : EXIT_OK;
}

static void age_text(char out[FMT_MAX], int64_t age)
{
    if (age < 0)
        snprintf(out, FMT_MAX, "?");
    else
        fmt_dur(out, age);
}

static void status_text(const struct intel_source *v, size_t n, int64_t now)
{
    struct table t;
    struct buf out;
    char count[FMT_MAX], age[FMT_MAX], checked[FMT_MAX];
    bool said[INTEL_KINDS] = {0};

    table_init(&t, 6, 1U << 1 | 1U << 2 | 1U << 3);
    table_add(&t, "SOURCE");
    table_add(&t, "RECORDS");
    table_add(&t, "NEWEST");
    table_add(&t, "CHECKED");
    table_add(&t, "SHA-256");
    table_add(&t, "");
    for (size_t i = 0; i < n; i++) {
        age_text(age, intel_age(&v[i], now));
        age_text(checked, now - v[i].checked);
        table_add(&t, v[i].name);
        table_add(&t, fmt_count(count, v[i].records));
        table_add(&t, age);
        table_add(&t, checked);
        table_addf(&t, "%.12s", v[i].sha256);
        table_addf(&t, "%s%s%s", intel_stale(&v[i], now) ? "old" : "",
                   intel_stale(&v[i], now) && *v[i].note ? "; " : "", v[i].note);
    }
    buf_init(&out, (size_t)1 << 20);
    table_print(&t, &out);
    for (size_t i = 0; i < n; i++)
        if (!said[v[i].kind] && *intel_kinds[v[i].kind].licence) {
            said[v[i].kind] = true;
            buf_printf(&out, "%s: %s\n", intel_kinds[v[i].kind].name, intel_kinds[v[i].kind].licence);
        }
    print_out(&out);
    buf_release(&out);
}

static int status(const struct args *a, const char *path)
{
    struct arena arena;
    struct err e = {0};
    const struct intel_source *v;
    size_t n;
    int64_t now = clock_wall(clock_real());
    struct intel_store *s = intel_open(path, false, &e);

    arena_init(&arena);
    bool ok = s && intel_sources(s, &arena, &v, &n, &e);
    if (ok && a->json) {
        struct json_out json;

        json_begin(&json);
        json_w_key(&json.w, "sources");
        json_w_arr(&json.w);
        for (size_t i = 0; i < n; i++) {
            json_w_obj(&json.w);
            source_json(&json.w, &v[i], now);
            json_w_obj_end(&json.w);
        }
        json_w_arr_end(&json.w);
        json_end(&json);
    } else if (ok) {
        status_text(v, n, now);
    }
    intel_close(s);
    arena_release(&arena);
    return ok ? EXIT_OK : print_err(a, &e);
}

int cmd_intel(const struct args *a)
{
    char path[512];
    struct err e = {0};
    const char *word = a->pos[1];
    bool folder = strcmp(word, "import") == 0 || strcmp(word, "check") == 0;

    if (!folder && strcmp(word, "status") != 0)
        err_set(&e, ERR_SYNTAX, "Run `andon help intel`.", "intel: expected import DIR, check DIR or status");
    else if ((a->n_pos == 3) != folder)
        err_set(&e, ERR_SYNTAX, "Run `andon help intel`.", "intel %s: %s", word,
                folder ? "which folder?" : "takes nothing more");
    else if ((a->val[OPT_FORCE] || a->val[OPT_ALL]) && strcmp(word, "import") != 0)
        err_set(&e, ERR_SYNTAX, "", "--force and --all are for intel import");
    else if (!state_path(path, sizeof path, "intel.db"))
        err_set(&e, ERR_IO, "Set HOME or XDG_STATE_HOME.", "there is no place for what is imported");
    if (e.code != ERR_NONE)
        return print_err(a, &e);
    return folder ? import(a, path, strcmp(word, "check") == 0) : status(a, path);
}
