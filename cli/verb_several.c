/* A verb for several rollouts: those that are named, or all of one release in all fleets. Each is an intent of its own;
 * all are handed in before any is waited for, and each one's answer is said on its own. What was not done, or cannot be
 * told, is no success of the others': the exit status is of the worst. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/verb_run.h"
#include "core/clock.h"
#include "core/text.h"

#define ABLE_US (10 * US_PER_S)

struct several {
    const struct args *args;
    struct session *session;
    enum verb verb;
    struct fleets fleets;
    struct asked {
        struct verb_run look;
        uint64_t ticket; /* 0: not handed in */
    } * v;
    size_t n, done;
    struct json_out json;
    int rc; /* the worst of all answers */
};

/* ---- what is said ---- */

static void worst(struct several *w, int rc)
{
    if (w->rc == EXIT_OK || rc == EXIT_FAILED)
        w->rc = rc;
}

static void say(struct several *w, const char *fleet, const char *rollout, const char *result, const char *text,
                const char *next, int rc)
{
    worst(w, rc);
    w->done += rc == EXIT_OK;
    if (w->args->json) {
        json_w_obj(&w->json.w);
        json_w_kstr(&w->json.w, "fleet", fleet);
        json_w_kstr(&w->json.w, "rollout", *rollout ? rollout : NULL);
        json_w_kstr(&w->json.w, "result", result);
        json_w_kstr(&w->json.w, "text", text);
        json_w_kstr(&w->json.w, "next", *next ? next : NULL);
        json_w_obj_end(&w->json.w);
        return;
    }
    FILE *to = rc == EXIT_OK ? stdout : stderr;
    fprintf(to, "%s %s%s%s: %s\n", verb_word(w->verb), fleet, *rollout ? "/" : "", rollout, text);
    if (*next)
        fprintf(to, "  %s\n", next);
}

static void begin_answers(struct several *w)
{
    if (!w->args->json)
        return;
    json_begin(&w->json);
    json_w_kstr(&w->json.w, "verb", verb_word(w->verb));
    json_w_kstr(&w->json.w, "release", w->args->val[OPT_RELEASE]);
    json_w_key(&w->json.w, "answers");
    json_w_arr(&w->json.w);
}

static void end_answers(struct several *w)
{
    if (!w->args->json) {
        if (w->done > 0 && w->rc != EXIT_OK)
            fprintf(stderr, "andon: %s of %zu of them is done, the others are not or cannot be told\n",
                    verb_word(w->verb), w->done);
        return;
    }
    json_w_arr_end(&w->json.w);
    json_end(&w->json);
}

/* ---- handing in, and the answers ---- */

/* A rollout that is meant; NULL with *e filled when the command line is wrong. */
static struct asked *add(struct several *w, struct fleet_run *run, const char *id, int64_t timeout, struct err *e)
{
    w->v = xreallocarray(w->v, w->n + 1, sizeof *w->v);
    struct asked *k = &w->v[w->n];
    *k = (struct asked){.look = {.args = w->args, .session = w->session, .run = run, .id = id, .timeout = timeout}};
    if (!verb_fill(&k->look, e))
        return NULL;
    k->look.id = ""; /* the intent has it */
    w->n++;
    return k;
}

static void hand_in(struct asked *k)
{
    k->look.in.decided_at = clock_now(clock_real());
    k->ticket = engine_submit(k->look.run->en, &k->look.in);
}

static void answer(struct several *w, const struct asked *k, int64_t until)
{
    const struct verb_run *r = &k->look;
    struct op_view op = {.text = "", .next = ""};
    struct snapshot *s = NULL;
    int64_t left = until - clock_now(clock_real());
    const char *trace = NULL;

    if (!k->ticket) {
        int why = err_exit(&r->refusal);

        say(w, r->in.fleet, r->in.rollout, why == EXIT_REFUSED ? "refused" : "not-sent", r->refusal.what,
            r->refusal.next, why);
        return;
    }
    bool ended = engine_wait(r->run->en, k->ticket, false, left > 0 ? left : 0, &op, &s);
    int rc = trail_exit(ended ? verb_phase_exit(op.phase) : EXIT_UNKNOWN, op.trail, &trace);
    say(w, r->in.fleet, r->in.rollout, ended ? op_phase_word(op.phase) : "unknown",
        ended || (op.text && *op.text) ? op.text : "not ended in time", op.next ? op.next : "", rc);
    if (trace && !w->args->json)
        fprintf(stderr, "  trace: %s\n", trace);
    snapshot_unref(s);
}

/* All of them; then what somebody must stay for. */
static void wait_for_all(struct several *w, int64_t timeout)
{
    const struct verb_row *row = verb_row(w->verb);
    int64_t until = clock_now(clock_real()) + timeout;

    for (size_t i = 0; i < w->n; i++)
        answer(w, &w->v[i], until);
    for (size_t i = 0; i < w->n; i++) {
        struct verb_run *r = &w->v[i].look;
        int64_t left = until - clock_now(clock_real());

        if (w->v[i].ticket && row->changes_devices && left > 0)
            fleet_stay_telling(r->run, r->in.rollout, left);
        if (w->v[i].ticket && row->past_latch)
            fleet_stay_noted(r->run, w->args->json || w->verb != VERB_HALT ? "" : r->in.rollout);
    }
}

/* ---- all of a release ---- */

static bool open_rollout(const struct rollout *r)
{
    return !rollout_state_ended(r->state) && !r->deleted;
}

static bool named(const struct rollout *r)
{
    return *r->release.name || *r->release.version;
}

/* Every rollout that a halt could mean has its release's name. */
static bool all_named(const struct snapshot *s, void *ctx)
{
    (void)ctx;
    if (!s->rollouts_known)
        return false;
    for (size_t i = 0; i < s->n_rollouts; i++) {
        if (open_rollout(&s->rollouts[i].rollout) && !named(&s->rollouts[i].rollout))
            return false;
    }
    return true;
}

static void halt_it(struct several *w, struct fleet_run *run, const char *rollout, int64_t timeout)
{
    struct err e = {0};
    struct asked *k;

    if (w->args->val[OPT_PREVIEW])
        say(w, run->spec->name, rollout, "preview", "no further device would be told", "", EXIT_OK);
    else if ((k = add(w, run, rollout, timeout, &e)) != NULL)
        hand_in(k);
    else
        say(w, run->spec->name, rollout, "refused", e.what, e.next, EXIT_USAGE);
}

/* All of a fleet's rollouts with the release; what cannot be told about it is said. */
static size_t halt_release(struct several *w, struct fleet_run *run, int64_t timeout)
{
    const char *release = w->args->val[OPT_RELEASE];
    struct err e = {0};
    size_t unnamed = 0, had = 0;
    char text[200];

    if (!run->en) {
        say(w, run->spec->name, "", "unknown", run->err.what, run->err.next, EXIT_UNKNOWN);
        return 0;
    }
    if (!run->snap || !run->snap->rollouts_known) {
        fleet_error(run, &e);
        snprintf(text, sizeof text, "NOT HALTED, its rollouts are not known: %.140s", e.what);
        say(w, run->spec->name, "", "unknown", text, "andon halt --all --fleet NAME goes out without a list.",
            EXIT_UNKNOWN);
        return 0;
    }
    for (size_t i = 0; i < run->snap->n_rollouts; i++) {
        const struct rollout *r = &run->snap->rollouts[i].rollout;

        if (!open_rollout(r))
            continue;
        if (!named(r)) {
            unnamed++;
        } else if (release_named(&r->release, release)) {
            halt_it(w, run, r->id, timeout);
            had++;
        }
    }
    if (unnamed > 0) {
        snprintf(text, sizeof text, "of %zu rollouts the server did not say which release they are: NOT HALTED",
                 unnamed);
        say(w, run->spec->name, "", "unknown", text, "`andon get rollouts` lists them.", EXIT_UNKNOWN);
    }
    if (run->snap->rollouts_clipped) {
        snprintf(text, sizeof text,
                 "only its newest %zu rollouts were looked at, the server has more: older ones of "
                 "this release are NOT HALTED",
                 run->snap->n_rollouts);
        say(w, run->spec->name, "", "unknown", text, "Look for them on the server; `andon halt ID` halts one.",
            EXIT_UNKNOWN);
    }
    return had;
}

static int of_release(struct several *w, int64_t timeout, struct err *e)
{
    size_t had = 0;

    for (size_t i = 0; i < w->session->config.n_fleets; i++)
        session_drop_telemetry(w->session, &w->session->config.fleets[i]);
    if (!fleets_open(w->session, w->args, false, false, &w->fleets, e))
        return -1;
    fleets_wait(&w->fleets, VERB_HALT_READY_US);
    for (size_t i = 0; i < w->fleets.n; i++) {
        if (w->fleets.v[i].en && w->fleets.v[i].snap && w->fleets.v[i].snap->rollouts_known)
            (void)fleet_until(&w->fleets.v[i], VERB_HALT_READY_US, all_named, NULL);
    }
    begin_answers(w);
    for (size_t i = 0; i < w->fleets.n; i++)
        had += halt_release(w, &w->fleets.v[i], timeout);
    if (had == 0)
        worst(w, EXIT_REFUSED);
    wait_for_all(w, timeout);
    end_answers(w);
    if (had == 0 && !w->args->json)
        fprintf(stderr, "andon: no rollout of %s is known that has not ended\n", w->args->val[OPT_RELEASE]);
    return w->rc;
}

/* ---- those that are named ---- */

/* The fleet's engine, opened when it is met first. */
static struct fleet_run *run_of(struct several *w, const struct fleet_spec *f, struct err *e)
{
    for (size_t i = 0; i < w->fleets.n; i++)
        if (strcmp(w->fleets.v[i].spec->name, f->name) == 0)
            return &w->fleets.v[i];
    size_t at = (size_t)(f - w->session->config.fleets);
    if (!verb_row(w->verb)->looks_at_health)
        session_drop_telemetry(w->session, f); /* which makes the list anew */
    f = &w->session->config.fleets[at];
    if (!session_notary_for(w->session, f, w->verb, e))
        return NULL;
    struct fleet_run *r = &w->fleets.v[w->fleets.n++];
    *r = (struct fleet_run){.spec = f};
    r->en = session_engine(w->session, w->args, f, false, false, &r->err);
    return r;
}

static bool meant(struct several *w, int64_t timeout, struct err *e)
{
    for (size_t i = 1; i < w->args->n_pos; i++) {
        struct args one = *w->args;
        const char *id;
        const struct fleet_spec *f;
        struct fleet_run *run;
        struct asked *k;

        if (!fleet_named(&w->session->config, w->args->pos[i], &one, &id, e) ||
            !(f = session_fleet(w->session, &one, e)) || !(run = run_of(w, f, e)) || !(k = add(w, run, id, timeout, e)))
            return false;
        for (struct asked *o = w->v; o < k; o++)
            if (o->look.run == run && strcmp(o->look.in.rollout, k->look.in.rollout) == 0)
                return err_set(e, ERR_SYNTAX, "", "%s/%s is named twice", k->look.in.fleet, k->look.in.rollout);
    }
    return true;
}

/* Each as it is looked at alone; what cannot be looked at is refused. */
static void look_at_all(struct several *w)
{
    bool halt = w->verb == VERB_HALT;

    fleets_wait(&w->fleets, halt ? VERB_HALT_READY_US : VERB_READY_US);
    for (size_t i = 0; i < w->fleets.n && !halt; i++)
        if (w->fleets.v[i].en)
            (void)fleet_until(&w->fleets.v[i], ABLE_US, verb_knows_server, NULL);
    for (size_t i = 0; i < w->n; i++) {
        struct verb_run *r = &w->v[i].look;

        if (!r->run->en)
            r->refusal = r->run->err;
        else if (!halt && !(r->run->snap && r->run->snap->rollouts_known))
            fleet_error(r->run, &r->refusal);
        else if (r->run->snap)
            verb_look_at(r);
    }
}

/* Refused by the newest that is known; with --yes by the engine, so that the refusal is in the log. A halt never is. */
static bool refused(const struct several *w, const struct asked *k)
{
    bool engine = k->look.run->en && (w->verb == VERB_HALT || w->args->val[OPT_YES]);

    return k->look.refusal.code != ERR_NONE && !engine;
}

static void previews(const struct several *w, FILE *to)
{
    for (size_t i = 0; i < w->n; i++) {
        const struct verb_run *r = &w->v[i].look;

        verb_preview_text(r, to);
        if (refused(w, &w->v[i]) && !w->args->val[OPT_PREVIEW])
            fprintf(to, "  refused now, and left out: %s\n", r->refusal.what);
    }
}

static int show_previews(struct several *w)
{
    if (!w->args->json) {
        previews(w, stdout);
        return EXIT_OK;
    }
    json_begin(&w->json);
    json_w_kstr(&w->json.w, "verb", verb_word(w->verb));
    json_w_key(&w->json.w, "previews");
    json_w_arr(&w->json.w);
    for (size_t i = 0; i < w->n; i++) {
        json_w_obj(&w->json.w);
        verb_preview_json(&w->v[i].look, &w->json.w);
        json_w_obj_end(&w->json.w);
    }
    json_w_arr_end(&w->json.w);
    json_end(&w->json);
    return EXIT_OK;
}

/* One question for all that are not refused. */
static int confirm(const struct several *w, struct err *e)
{
    char question[100], line[20];
    size_t n = 0;

    for (size_t i = 0; i < w->n; i++)
        n += !refused(w, &w->v[i]);
    if (n == 0 || verb_row(w->verb)->confirm == CONFIRM_NONE || w->args->val[OPT_YES])
        return EXIT_OK;
    if (!verb_person()) {
        err_set(e, ERR_SYNTAX, "Give --yes; --preview shows what it would do.",
                "%s asks first, and there is no terminal", verb_word(w->verb));
        return EXIT_USAGE;
    }
    previews(w, stderr);
    snprintf(question, sizeof question, "Go ahead with %zu of %zu? [y/N] ", n, w->n);
    if (verb_ask(question, line, sizeof line) && (line[0] == 'y' || line[0] == 'Y'))
        return EXIT_OK;
    err_set(e, ERR_REFUSED, "", "nothing was done");
    return EXIT_REFUSED;
}

/* -1: *e says why not. */
static int of_ids(struct several *w, int64_t timeout, struct err *e)
{
    w->fleets.v = xcalloc(w->session->config.n_fleets + 1, sizeof *w->fleets.v);
    if (!meant(w, timeout, e))
        return -1;
    timeout += w->args->val[OPT_TIMEOUT] ? 0 : w->session->witness_within;
    look_at_all(w);
    if (w->args->val[OPT_PREVIEW])
        return show_previews(w);
    int rc = confirm(w, e);
    if (rc != EXIT_OK) {
        print_err(w->args, e);
        return rc;
    }
    for (size_t i = 0; i < w->n; i++)
        if (!refused(w, &w->v[i]))
            hand_in(&w->v[i]);
    begin_answers(w);
    wait_for_all(w, timeout);
    end_answers(w);
    return w->rc;
}

/* ---- both ---- */

bool verb_is_several(const struct args *a)
{
    return a->val[OPT_RELEASE] || a->n_pos > 2;
}

bool verb_several_words(const struct args *a, struct err *e)
{
    enum strength how;

    if ((a->n_pos > 1 && a->val[OPT_RELEASE]) || a->val[OPT_ALL])
        return err_set(e, ERR_SYNTAX, "", "--release and --all stand in the place of rollouts, and exclude each other");
    if (a->val[OPT_RELEASE] && !strchr(a->val[OPT_RELEASE], ':'))
        return err_set(e, ERR_SYNTAX, "`andon get rollouts` shows names and versions.",
                       "--release needs NAME:VERSION, as in hearth:4.12.1");
    for (size_t i = 1; i < a->n_pos; i++)
        if (!*a->pos[i])
            return err_set(e, ERR_SYNTAX, "`andon get rollouts` lists them.", "a rollout has no empty id");
    return verb_strength(a, &how, e);
}

int verb_several(const struct args *a, struct session *s, int64_t timeout)
{
    struct several w = {.args = a, .session = s, .verb = verb_from_word(a->pos[0]), .rc = EXIT_OK};
    struct err e = {0};
    int rc = a->val[OPT_RELEASE] ? of_release(&w, timeout, &e) : of_ids(&w, timeout, &e);

    if (rc == -1)
        rc = print_err(a, &e);
    free(w.v);
    fleets_close(&w.fleets);
    return rc;
}
