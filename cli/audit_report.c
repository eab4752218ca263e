#include "cli/audit_report.h"

#include <inttypes.h>
#include <string.h>
#include "audit/report.h"
#include "conf/standard.h"
#include "core/clock.h"
#include "core/text.h"

#define REPORT_MAX ((size_t)256 << 20)
#define STEP_TEXT  2000 /* bytes of a text: an entry has at most 16 KiB */

/* ---- which rollout ---- */

/* The newest that the log knows by this number. A later entry that does not say when its rollout was made is about it
 * as far as anybody can tell. */
struct which {
    struct arena arena;
    struct rollout_identity id;
    bool found, two_fleets;
};

static void note(struct which *w, const struct rollout_identity *id)
{
    struct arena *a = &w->arena;

    w->id = (struct rollout_identity){arena_strdup(a, id->fleet), arena_strdup(a, id->id), id->created_at,
                                      arena_strdup(a, id->name), arena_strdup(a, id->release)};
}

static bool on_rollout(void *ctx, const struct stored *s)
{
    struct which *w = ctx;
    struct rollout_identity id = stored_identity(s);

    w->two_fleets = w->two_fleets || (w->found && strcmp(w->id.fleet, id.fleet) != 0);
    /* Its name may change, and its release become known: what was said last. */
    if (!w->found || id.created_at > w->id.created_at ||
        (id.created_at == w->id.created_at && strcmp(w->id.fleet, id.fleet) == 0 &&
         ((*id.name && strcmp(id.name, w->id.name) != 0) || (*id.release && strcmp(id.release, w->id.release) != 0))))
        note(w, &id);
    w->found = true;
    return true;
}

static bool find_rollout(const struct args *a, struct audit_log *l, struct which *w, struct err *e)
{
    struct audit_query q = {.rollout = a->val[OPT_ROLLOUT], .fleet = a->val[OPT_FLEET]};
    char safe[80];

    safe_text_into(safe, sizeof safe, q.rollout, strlen(q.rollout));
    if (!audit_each(l, &q, on_rollout, w, e))
        return false;
    if (!w->found)
        return err_set(e, ERR_NOT_FOUND, "`andon audit show` lists what it is about.",
                       "the log has no entry about rollout \"%s\"%s", safe, q.fleet ? " of this fleet" : "");
    return !w->two_fleets || err_set(e, ERR_SYNTAX, "Say which with --fleet.",
                                     "the log has a rollout \"%s\" in more than one fleet", safe);
}

/* ---- report ---- */

static bool on_entry(void *ctx, const struct stored *s)
{
    report_take(ctx, s);
    return true;
}

static bool write_report(struct audit_log *l, const struct standard *st, const struct which *w, report_write_fn *writer,
                         struct err *e)
{
    struct report *r = report_begin(st, &w->id);
    struct audit_query all = {0};
    struct audit_head head = {0};
    struct buf out;
    bool ok = audit_head(l, &head, e);

    all.to_seq = head.size; /* what the report says of the log's head is of these entries */
    ok = ok && audit_each(l, &all, on_entry, r, e);
    if (ok) {
        struct report_head h = {st, &w->id, head.origin, head.root, head.size, clock_wall(clock_real())};

        buf_init(&out, REPORT_MAX);
        writer(&h, report_result(r), &out);
        ok = !out.over || err_set(e, ERR_LIMIT, "", "the report is longer than 256 MiB");
        if (ok)
            print_out(&out);
        buf_release(&out);
    }
    report_end(r);
    return ok;
}

static bool read_mapping(const struct args *a, struct arena *arena, struct standard *out, struct err *e)
{
    if (!a->val[OPT_FOR] == !a->val[OPT_MAPPING])
        return err_set(e, ERR_SYNTAX, "As in --for cra, or --mapping FILE.",
                       a->val[OPT_FOR] ? "--for and --mapping are two mappings: one report has one"
                                       : "report needs the standard that it is for");
    if (a->val[OPT_FOR])
        return standard_shipped(a->val[OPT_FOR], arena, out, e);
    return standard_load(a->val[OPT_MAPPING], arena, out, e);
}

bool audit_report(const struct args *a, struct audit_log *l, struct err *e)
{
    const char *format = a->val[OPT_FORMAT] ? a->val[OPT_FORMAT] : a->json ? "json" : "text";
    report_write_fn *writer = report_writer(format);
    struct standard st;
    struct which w = {0};
    struct arena arena;
    bool ok;

    if (!writer)
        return err_set(e, ERR_SYNTAX, "One of text, csv, json, html.", "--format: there is no format \"%.40s\"",
                       format);
    if (!a->val[OPT_ROLLOUT] || !*a->val[OPT_ROLLOUT])
        return err_set(e, ERR_SYNTAX, "As in --rollout 4471.", "report needs the rollout that it is about");
    arena_init(&arena);
    arena_init(&w.arena);
    ok = read_mapping(a, &arena, &st, e) && find_rollout(a, l, &w, e) && write_report(l, &st, &w, writer, e);
    arena_release(&w.arena);
    arena_release(&arena);
    return ok;
}

/* ---- step ---- */

static bool step_words(const struct args *a, struct err *e)
{
    static const enum opt texts[] = {OPT_EXPECTED, OPT_OBSERVED, OPT_SKIPPED};
    const char *id = a->pos[2];

    if (!*id || strlen(id) > 60 ||
        strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(id))
        return err_set(e, ERR_SYNTAX, "Up to 60 letters, digits, '.', '_' and '-', as in 4.2-page-owner.",
                       "that is no name of a step");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (a->val[texts[i]] && strlen(a->val[texts[i]]) > STEP_TEXT)
            return err_set(e, ERR_LIMIT, "Put the document elsewhere and name it here.",
                           "a text of a step has at most %d bytes", STEP_TEXT);
    if (!*args_str(a, OPT_OBSERVED) == !*args_str(a, OPT_SKIPPED))
        return err_set(e, ERR_SYNTAX, "--observed TEXT, or --skipped REASON.",
                       *args_str(a, OPT_OBSERVED) ? "a step that was skipped has nothing that was observed"
                                                  : "a step needs what was observed, or why it was skipped");
    return true;
}

/* What the log knows of the rollout goes into the entry. One that it does not know yet is taken by its number. */
static bool step_about(const struct args *a, struct audit_log *l, struct which *w, struct entry *en, struct err *e)
{
    if (!a->val[OPT_ROLLOUT]) {
        en->fleet = args_str(a, OPT_FLEET);
        return true;
    }
    if (find_rollout(a, l, w, e)) {
        entry_identity(en, &w->id);
        return true;
    }
    if (e->code != ERR_NOT_FOUND)
        return false;
    fprintf(stderr, "andon: %s: the step is noted all the same\n", e->what);
    err_clear(e);
    en->rollout = a->val[OPT_ROLLOUT];
    en->fleet = args_str(a, OPT_FLEET);
    return true;
}

static bool write_step(const struct args *a, const struct session *s, struct audit_log *l, struct receipt *out,
                       struct err *e)
{
    struct entry en;
    struct which w = {0};
    bool ok;

    entry_init(&en, ENTRY_STEP);
    en.t = clock_wall(clock_real());
    en.mono = clock_boot(clock_real());
    en.actor = s->actor;
    en.result = *args_str(a, OPT_SKIPPED) ? "skipped" : "done";
    entry_str(&en, "runbook.step", a->pos[2]);
    if (*args_str(a, OPT_EXPECTED))
        entry_str(&en, "runbook.expected", a->val[OPT_EXPECTED]);
    if (*args_str(a, OPT_OBSERVED))
        entry_str(&en, "runbook.observed", a->val[OPT_OBSERVED]);
    if (*args_str(a, OPT_SKIPPED))
        entry_str(&en, "runbook.skipped", a->val[OPT_SKIPPED]);
    arena_init(&w.arena);
    ok = step_about(a, l, &w, &en, e) && audit_append(l, &en, out, e);
    arena_release(&w.arena);
    return ok;
}

int audit_step(const struct args *a, const struct session *s)
{
    struct receipt r = {0};
    struct err e = {0};
    struct audit_log *l = NULL;
    bool ok = step_words(a, &e) && (l = audit_open(&s->audit, &e)) != NULL && write_step(a, s, l, &r, &e);

    if (l)
        audit_close(l);
    if (!ok)
        return print_err(a, &e);
    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kint(&o.w, "seq", r.seq);
        json_w_kstr(&o.w, "leaf", r.leaf);
        json_end(&o);
    } else {
        printf("noted as entry %" PRId64 "\n", r.seq);
    }
    return EXIT_OK;
}
