#include "cli/policy_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/fleets.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"
#include "engine/rehearse.h"

#define SINCE_US  (30 * US_PER_DAY)
#define LINES_MAX 20 /* changes of verdict that are printed of one rollout; JSON has all */

struct past {
    char id[ID_MAX];
    bool told; /* any device: else there is nothing to replay */
    int64_t created_at;
    char name[NAME_MAX_BYTES], release[IDENTITY_RELEASE_BYTES];
};

/* Halts of one rollout as the log has them, oldest first. */
struct halts {
    struct arena arena;
    struct stored *v;
    size_t n;
};

struct testing {
    const struct args *args;
    const struct policy *policy;
    const struct session *session;
    const struct fleet_spec *fleet;
    struct audit_log *log; /* NULL: there is none that can be read, see log_error */
    struct err log_error;
    struct json_w *json; /* NULL: text */
    int64_t since, timeout;
};

/* ---- which rollouts ---- */

static const struct fleet_spec *fleet_of(const struct session *s, const struct args *a, struct err *e)
{
    struct args named = *a;

    if (a->val[OPT_FLEET] && a->val[OPT_HISTORY] && strcmp(a->val[OPT_FLEET], a->val[OPT_HISTORY]) != 0) {
        err_set(e, ERR_SYNTAX, "", "--fleet and --history name different fleets");
        return NULL;
    }
    if (!a->val[OPT_HISTORY] && !a->val[OPT_FLEET]) {
        err_set(e, ERR_SYNTAX, "andon policy test FILE --history FLEET",
                "--history is needed: whose rollouts are meant");
        return NULL;
    }
    named.val[OPT_FLEET] = a->val[OPT_HISTORY] ? a->val[OPT_HISTORY] : a->val[OPT_FLEET];
    return session_fleet(s, &named, e);
}

/* One that ran in that time: begun since then, or not over yet then. A roll back is no rollout of a new build. */
static bool wanted(const struct testing *t, const struct rollout_view *v)
{
    if (t->args->val[OPT_ROLLOUT])
        return strcmp(v->rollout.id, t->args->val[OPT_ROLLOUT]) == 0;
    return !*v->rollback_of && (v->rollout.created_at >= t->since || v->rollout.last_modified >= t->since);
}

static bool has_told(const struct rollout_view *v)
{
    switch (v->rollout.state) {
    case ROLLOUT_CREATING:
    case ROLLOUT_WAITING_APPROVAL:
    case ROLLOUT_DENIED:
    case ROLLOUT_READY:
        return false;
    case ROLLOUT_UNKNOWN:
    case ROLLOUT_STARTING:
    case ROLLOUT_RUNNING:
    case ROLLOUT_PAUSED:
    case ROLLOUT_STOPPING:
    case ROLLOUT_STOPPED:
    case ROLLOUT_FINISHED:
    case ROLLOUT_DELETING:
    case ROLLOUT_DELETED:
        return true;
    }
    return true;
}

static void note_identity(struct past *p, const struct rollout *r)
{
    (void)identity_of("", r, p->release);
    p->created_at = r->created_at;
    snprintf(p->name, sizeof p->name, "%s", r->name);
}

/* Oldest first; *out is freed by the caller. */
static bool find_rollouts(const struct testing *t, struct past **out, size_t *n, struct err *e)
{
    struct fleet_run run = {.spec = t->fleet};
    bool ok = false;

    *n = 0;
    *out = NULL;
    run.en = session_engine(t->session, t->args, t->fleet, false, true, e);
    if (!run.en)
        return false;
    if (!engine_wait_ready(run.en, t->timeout, &run.snap) || !run.snap->rollouts_known) {
        fleet_error(&run, e);
    } else {
        *out = xcalloc(run.snap->n_rollouts + 1, sizeof **out);
        for (size_t i = run.snap->n_rollouts; i > 0; i--) {
            const struct rollout_view *v = &run.snap->rollouts[i - 1];

            if (!wanted(t, v))
                continue;
            snprintf((*out)[*n].id, sizeof(*out)[*n].id, "%s", v->rollout.id);
            note_identity(&(*out)[*n], &v->rollout);
            (*out)[(*n)++].told = has_told(v);
        }
        ok = true;
    }
    snapshot_unref(run.snap);
    engine_stop(run.en);
    engine_free(run.en);
    if (ok && *n == 0)
        ok = t->args->val[OPT_ROLLOUT]
                 ? err_set(e, ERR_NOT_FOUND, "`andon get rollouts` lists them.", "there is no rollout %.60s",
                           t->args->val[OPT_ROLLOUT])
                 : err_set(e, ERR_NOT_FOUND, "A longer --since finds older ones.", "no rollout in that time");
    return ok;
}

/* ---- what happened ---- */

/* Those of another rollout that had its number are left out. */
static void read_halts(const struct testing *t, const struct past *p, struct halts *out)
{
    const struct rollout_identity who = {t->fleet->name, p->id, p->created_at, p->name, p->release};
    struct audit_query q = {.fleet = t->fleet->name, .rollout = p->id, .kind = "halt"};
    struct err e = {0};
    size_t kept = 0;

    *out = (struct halts){0};
    arena_init(&out->arena);
    if (t->log && !audit_query(t->log, &q, &out->arena, &out->v, &out->n, &e))
        out->n = 0;
    for (size_t i = 0; i < out->n; i++) {
        const struct identity_mark m = {stored_identity(&out->v[i]), out->v[i].t};

        if (identity_about(&m, &who) != IDENTITY_OTHER)
            out->v[kept++] = out->v[i];
    }
    out->n = kept;
}

static void happened_text(const struct testing *t, const struct halts *h)
{
    char a[FMT_MAX], why[200];

    if (!t->log)
        printf("  happened: not known, no log can be read: %s\n", t->log_error.what);
    else if (h->n == 0)
        printf("  happened: no halt in the log\n");
    for (size_t i = 0; i < h->n; i++) {
        safe_text_into(why, sizeof why, h->v[i].reason, strlen(h->v[i].reason));
        printf("  happened: halted at %s by %s %s%s%s\n", fmt_iso(a, h->v[i].t), h->v[i].actor_kind, h->v[i].actor,
               *why ? ": " : "", why);
    }
}

static void happened_json(const struct testing *t, const struct halts *h, struct json_w *w)
{
    json_w_key(w, "happened");
    if (!t->log) {
        json_w_null(w);
        return;
    }
    json_w_arr(w);
    for (size_t i = 0; i < h->n; i++) {
        json_w_obj(w);
        json_w_ktime(w, "halted_at", h->v[i].t);
        json_w_kstr(w, "actor", h->v[i].actor);
        json_w_kstr(w, "actor_kind", h->v[i].actor_kind);
        json_w_kstr(w, "wave", h->v[i].wave);
        json_w_kstr(w, "reason", h->v[i].reason);
        json_w_kint(w, "entry", h->v[i].seq);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}

/* ---- what would have happened ---- */

static void text(const struct testing *t, const struct rehearsal *r, const struct halts *h)
{
    char a[FMT_MAX], b[FMT_MAX];

    printf("%s %s (%s), replayed from %s to %s\n", r->rollout, r->name, rollout_state_word(r->state),
           fmt_iso(a, r->start), fmt_iso(b, r->end));
    printf("  %s: %s", t->policy->name, r->text);
    if (r->halted_at > 0)
        printf("; %lld device%s told by then", (long long)r->told_by_then, r->told_by_then == 1 ? "" : "s");
    putchar('\n');
    happened_text(t, h);
    if (r->unknown > 0)
        printf("  not compared: %lld devices, nobody knows when they installed\n", (long long)r->unknown);
    for (size_t i = 0; i < r->n && i < LINES_MAX; i++)
        printf("    %s W%d %s%s%s%s%s\n", fmt_iso(a, r->v[i].t), r->v[i].wave, reaction_word(r->v[i].react),
               r->v[i].would > r->v[i].react ? ", dry run: " : "",
               r->v[i].would > r->v[i].react ? reaction_word(r->v[i].would) : "", *r->v[i].text ? ": " : "",
               r->v[i].text);
    if (r->n > LINES_MAX || r->clipped)
        printf("    ... and %zu%s changes more\n", r->n > LINES_MAX ? r->n - LINES_MAX : 0,
               r->clipped ? " or more" : "");
    if (r->trial.sentence && *r->trial.sentence)
        printf("  at the end: %s\n", r->trial.sentence);
}

static void ktime_or_null(struct json_w *w, const char *key, int64_t t)
{
    if (t > 0) {
        json_w_ktime(w, key, t);
    } else {
        json_w_key(w, key);
        json_w_null(w);
    }
}

static void json(const struct testing *t, const struct rehearsal *r, const struct halts *h)
{
    struct json_w *w = t->json;

    json_w_obj(w);
    json_w_kstr(w, "rollout", r->rollout);
    json_w_kstr(w, "name", r->name);
    json_w_kstr(w, "state", rollout_state_word(r->state));
    json_w_ktime(w, "from", r->start);
    json_w_ktime(w, "to", r->end);
    json_w_kint(w, "ticks", r->ticks);
    json_w_kint(w, "devices", r->devices);
    json_w_kint(w, "not_compared", r->unknown);
    json_w_kstr(w, "worst", reaction_word(r->worst));
    ktime_or_null(w, "halted_at", r->halted_at);
    if (r->halted_at > 0) {
        json_w_kint(w, "halted_wave", r->halted_wave);
        json_w_kstr(w, "halted_by", r->halted_by);
        json_w_kint(w, "told_by_then", r->told_by_then);
    }
    json_w_kstr(w, "text", r->text);
    happened_json(t, h, w);
    json_w_key(w, "changes");
    json_w_arr(w);
    for (size_t i = 0; i < r->n; i++) {
        json_w_obj(w);
        json_w_ktime(w, "time", r->v[i].t);
        json_w_kint(w, "wave", r->v[i].wave);
        json_w_kstr(w, "verdict", reaction_word(r->v[i].react));
        json_w_kstr(w, "dry_run", reaction_word(r->v[i].would));
        json_w_kstr(w, "rule", r->v[i].rule);
        json_w_kstr(w, "text", r->v[i].text);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
    json_w_kbool(w, "clipped", r->clipped);
    json_w_obj_end(w);
}

static void failed(const struct testing *t, const char *id, const struct err *e)
{
    if (!t->json) {
        printf("%s could not be replayed: %s\n", id, e->what);
        if (*e->next)
            printf("  %s\n", e->next);
        return;
    }
    json_w_obj(t->json);
    json_w_kstr(t->json, "rollout", id);
    json_w_kstr(t->json, "error", e->what);
    json_w_obj_end(t->json);
}

/* How far it is, for a person who waits. */
static void progress(void *ctx, double share)
{
    const char *id = ctx;

    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s %3.0f%%\033[K", id, share * 100);
}

static int one(const struct testing *t, struct past *p)
{
    struct rehearsal_spec spec = {.fleet = t->fleet,
                                  .rollout = p->id,
                                  .policy = t->policy,
                                  .clock = clock_real(),
                                  .seed = random_seed(),
                                  .progress = progress,
                                  .ctx = p->id};
    struct rehearsal r;
    struct halts h;
    struct err e = {0};
    bool ok;

    if (!p->told) {
        if (!t->args->val[OPT_ROLLOUT])
            return EXIT_OK; /* not begun: nothing of the past */
        err_set(&e, ERR_STATE, "", "it has not told any device yet");
        failed(t, p->id, &e);
        return err_exit(&e);
    }
    ok = rehearse(&spec, &r, &e);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    if (ok) {
        read_halts(t, p, &h);
        if (t->json)
            json(t, &r, &h);
        else
            text(t, &r, &h);
        arena_release(&h.arena);
    } else {
        failed(t, p->id, &e);
    }
    rehearsal_release(&r);
    return ok ? EXIT_OK : err_exit(&e);
}

static int all(struct testing *t)
{
    struct json_out o;
    struct past *v;
    struct err e = {0};
    size_t n;
    int rc = EXIT_OK;

    if (!find_rollouts(t, &v, &n, &e)) {
        free(v);
        return print_err(t->args, &e);
    }
    if (t->args->json) {
        json_begin(&o);
        json_w_kstr(&o.w, "policy", t->policy->name);
        json_w_kstr(&o.w, "sha256", t->policy->digest);
        json_w_kstr(&o.w, "fleet", t->fleet->name);
        json_w_key(&o.w, "rollouts");
        json_w_arr(&o.w);
        t->json = &o.w;
    }
    for (size_t i = 0; i < n; i++) {
        int one_rc = one(t, &v[i]);

        rc = rc == EXIT_OK ? one_rc : rc;
    }
    if (t->args->json) {
        json_w_arr_end(&o.w);
        json_end(&o);
        t->json = NULL;
    }
    free(v);
    return rc;
}

int policy_test(const struct args *a, const struct policy *p)
{
    struct testing t = {.args = a, .policy = p};
    struct audit_spec log;
    struct session s;
    struct err e = {0};
    int64_t ago;
    int rc = session_need(a, &s);

    if (rc != EXIT_OK)
        return rc;
    t.session = &s;
    if (!(t.fleet = fleet_of(&s, a, &e)) || !args_dur(a, OPT_SINCE, SINCE_US, &ago, &e) ||
        !args_dur(a, OPT_TIMEOUT, 30 * US_PER_S, &t.timeout, &e)) {
        rc = print_err(a, &e);
    } else {
        t.since = clock_wall(clock_real()) - ago;
        log = s.audit;
        log.read_only = true;
        if (!log.socket && access(s.db, F_OK) != 0)
            err_set(&t.log_error, ERR_NOT_FOUND, "", "there is none");
        else
            t.log = audit_open(&log, &t.log_error);
        rc = all(&t);
        audit_close(t.log);
    }
    session_close(&s);
    return rc;
}
