/* Verbs for scripts and runbooks: the same intent, the same checks, the same log as a key in the console. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/verb_run.h"
#include "core/clock.h"

#define ABLE_US (10 * US_PER_S)

bool verb_person(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

bool verb_ask(const char *question, char *out, size_t size)
{
    fputs(question, stderr);
    if (!fgets(out, (int)size, stdin))
        return false;
    out[strcspn(out, "\n")] = '\0';
    return true;
}

/* Is it the preview's phrase? With one fleet in the configuration the fleet's name may be left out: there is nothing
 * else that could be meant. With several it may not, whatever --fleet says. */
static bool phrase_fits(const struct verb_run *r, const char *typed)
{
    const char *phrase = r->preview.phrase;

    return strcmp(typed, phrase) == 0 ||
           (r->session->config.n_fleets == 1 && strncmp(phrase, r->in.fleet, strlen(r->in.fleet)) == 0 &&
            strcmp(typed, phrase + strlen(r->in.fleet) + 1) == 0);
}

/* Asks for what the preview needs. EXIT_OK = go ahead. */
static int confirm(struct verb_run *r, struct err *e)
{
    const struct preview *p = &r->preview;
    bool person = verb_person();
    char line[300];

    if (*p->phrase) {
        const char *typed = r->args->val[OPT_CONFIRM];

        if (!typed && person) {
            verb_preview_text(r, stderr);
            typed = verb_ask("Type the phrase to confirm: ", line, sizeof line) ? line : "";
        }
        if (!typed) {
            err_set(e, ERR_SYNTAX, "Look at it with --preview, then give the phrase.",
                    "a roll back needs --confirm \"%s\"", p->phrase);
            return EXIT_USAGE;
        }
        if (!phrase_fits(r, typed)) {
            err_set(e, ERR_REFUSED,
                    "Look at it with --preview: the phrase names the fleet, the rollout and the devices.",
                    "the phrase is not the one of the preview (%s)", p->phrase);
            return EXIT_REFUSED;
        }
        r->in.expect_devices = p->devices;
        snprintf(r->in.to_release, sizeof r->in.to_release, "%s", p->to);
        return EXIT_OK;
    }
    if (verb_row(r->in.verb)->confirm == CONFIRM_NONE || r->args->val[OPT_YES])
        return EXIT_OK;
    if (!person) {
        err_set(e, ERR_SYNTAX, "Give --yes; --preview shows what it would do.",
                "%s asks first, and there is no terminal", verb_word(r->in.verb));
        return EXIT_USAGE;
    }
    verb_preview_text(r, stderr);
    if (verb_ask("Go ahead? [y/N] ", line, sizeof line) && (line[0] == 'y' || line[0] == 'Y'))
        return EXIT_OK;
    err_set(e, ERR_REFUSED, "", "nothing was done");
    return EXIT_REFUSED;
}

int verb_phase_exit(enum op_phase p)
{
    switch (p) {
    case OP_DONE:
    case OP_RUNNING:
        return EXIT_OK;
    case OP_REFUSED:
        return EXIT_REFUSED;
    case OP_FAILED:
        return EXIT_FAILED;
    case OP_QUEUED:
    case OP_LOGGING:
    case OP_SENT:
    case OP_VERIFYING:
    case OP_UNKNOWN:
        return EXIT_UNKNOWN;
    }
    return EXIT_UNKNOWN;
}

static void rollback_json(struct json_w *w, const struct rollback_view *b)
{
    json_w_key(w, "rollback");
    json_w_obj(w);
    json_w_kstr(w, "step", rollback_word(b));
    json_w_kstr(w, "to", b->to);
    json_w_kstr(w, "name", b->name);
    json_w_kint(w, "devices", b->devices);
    json_w_kint(w, "verified", b->verified);
    json_w_kint(w, "never_had", b->never_had);
    json_w_kint(w, "failed", b->failed);
    json_w_kint(w, "offline", b->offline);
    json_w_kbool(w, "complete", b->outcome == RB_COMPLETE);
    json_w_kstr(w, "left", b->left && *b->left ? b->left : NULL);
    json_w_obj_end(w);
}

static int report(const struct verb_run *r, bool ended, const struct op_view *op, const struct snapshot *s)
{
    const struct rollout_view *v = s ? snapshot_rollout(s, r->in.rollout) : NULL;
    const char *trace;
    int rc = trail_exit(ended ? verb_phase_exit(op->phase) : EXIT_UNKNOWN, op->trail, &trace);
    bool back = v && r->in.verb == VERB_ROLLBACK && v->rollback.step != RB_NONE;
    const char *text = ended || (op->text && *op->text) ? op->text : "not ended in time";
    /* A halt goes out without the log, anything else is refused: either way what is wrong with the log is said. */
    const char *log = s && (!s->audit.writable || !s->audit.verified) && *s->audit.error ? s->audit.error : NULL;

    if (r->args->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "verb", verb_word(r->in.verb));
        json_w_kstr(&o.w, "fleet", r->in.fleet);
        json_w_kstr(&o.w, "rollout", r->in.rollout);
        json_w_kstr(&o.w, "result", ended ? op_phase_word(op->phase) : "unknown");
        json_w_kstr(&o.w, "text", text);
        json_w_kstr(&o.w, "next", op->next && *op->next ? op->next : NULL);
        json_w_kint(&o.w, "log_entry", op->log_seq);
        json_w_kstr(&o.w, "state", v ? rollout_state_word(v->rollout.state) : NULL);
        json_w_kstr(&o.w, "log_error", log);
        json_w_kstr(&o.w, "trace", op->trail ? trail_word(op->trail) : NULL);
        if (back)
            rollback_json(&o.w, &v->rollback);
        json_end(&o);
        return rc;
    }
    fprintf(rc == EXIT_OK ? stdout : stderr, "%s %s%s%s: %s\n", verb_word(r->in.verb), r->in.fleet,
            *r->in.rollout ? "/" : "", r->in.rollout, text);
    if (op->next && *op->next)
        fprintf(rc == EXIT_OK ? stdout : stderr, "  %s\n", op->next);
    if (log)
        fprintf(stderr, "  log: %s\n", log);
    if (trace)
        fprintf(stderr, "  trace: %s\n", trace);
    if (back && v->rollback.left && *v->rollback.left)
        printf("  left: %s\n", v->rollback.left);
    if (ended && op->phase == OP_RUNNING && !r->args->val[OPT_WAIT])
        printf("  The roll back is carried on by a console or a guard on this log, or by this command with --wait.\n");
    return rc;
}

static int carry_out(struct verb_run *r)
{
    struct op_view op = {.text = "", .next = ""};
    struct snapshot *s = NULL;
    bool ended;
    int rc;

    r->in.decided_at = clock_now(clock_real());
    ended =
        engine_wait(r->run->en, engine_submit(r->run->en, &r->in), r->args->val[OPT_WAIT] != NULL, r->timeout, &op, &s);
    rc = report(r, ended, &op, s);
    if (ended && op.phase == OP_DONE && verb_row(r->in.verb)->changes_devices)
        fleet_stay_telling(r->run, r->in.rollout, r->timeout);
    if (ended && verb_row(r->in.verb)->past_latch)
        fleet_stay_noted(r->run, r->in.verb == VERB_HALT && !r->args->json ? r->in.rollout : "");
    snapshot_unref(s);
    return rc;
}

static void preview(const struct verb_run *r)
{
    struct json_out o;

    if (!r->args->json) {
        verb_preview_text(r, stdout);
        return;
    }
    json_begin(&o);
    verb_preview_json(r, &o.w);
    json_end(&o);
}

bool verb_knows_server(const struct snapshot *s, void *ctx)
{
    (void)ctx;
    return s->info.caps != 0;
}

static int run(struct verb_run *r, struct fleets *all, struct err *e)
{
    bool halt = r->in.verb == VERB_HALT;
    int rc;

    fleets_wait(all, halt ? VERB_HALT_READY_US : VERB_READY_US);
    if (!r->run->en) {
        *e = r->run->err;
        return -1;
    }
    if (!halt && !(r->run->snap && r->run->snap->rollouts_known)) {
        fleet_error(r->run, e);
        return -1;
    }
    /* What the server can do is found out beside its list. A halt waits for nothing: it tries all it has. */
    if (!halt)
        (void)fleet_until(r->run, ABLE_US, verb_knows_server, NULL);
    verb_look_at(r);
    if (r->args->val[OPT_PREVIEW]) {
        preview(r);
        return EXIT_OK;
    }
    /* With --yes the engine itself refuses, so that the refusal is in the log. */
    if (r->refusal.code != ERR_NONE && !r->args->val[OPT_YES] && !halt) {
        *e = r->refusal;
        return -1;
    }
    rc = confirm(r, e);
    if (rc != EXIT_OK) {
        print_err(r->args, e);
        return rc;
    }
    return carry_out(r);
}

static bool check_words(const struct args *a, struct err *e)
{
    bool id = a->n_pos > 1 && *a->pos[1];

    if (verb_is_several(a))
        return verb_several_words(a, e);
    if (a->val[OPT_ALL] && id)
        return err_set(e, ERR_SYNTAX, "", "--all and a rollout exclude each other");
    if (!a->val[OPT_ALL] && !id)
        return err_set(e, ERR_SYNTAX, "`andon get rollouts` lists them; halt and ack know --all.",
                       "%s needs the id of a rollout", a->pos[0]);
    return true;
}

/* -1: *e says why not. */
static int one_rollout(const struct args *a, struct session *s, int64_t timeout, struct err *e)
{
    struct verb_run r = {.args = a, .session = s, .timeout = timeout};
    struct args one = *a;
    struct fleets all = {.n = 0};
    const struct fleet_spec *f;
    int rc = -1;

    if (!fleet_named(&s->config, a->n_pos > 1 ? a->pos[1] : "", &one, &r.id, e) || !(f = session_fleet(s, &one, e)))
        return -1;
    one.val[OPT_FLEET] = f->name;
    if (!verb_row(verb_from_word(a->pos[0]))->looks_at_health)
        session_drop_telemetry(s, f);
    /* Does not judge: a command does what it was asked for, halting is for consoles and guards. */
    if (!session_notary_for(s, f, verb_from_word(a->pos[0]), e) || !fleets_open(s, &one, false, false, &all, e))
        return -1;
    r.run = &all.v[0];
    r.timeout += a->val[OPT_TIMEOUT] ? 0 : s->witness_within;
    if (verb_fill(&r, e))
        rc = run(&r, &all, e);
    fleets_close(&all);
    return rc;
}

int cmd_verb(const struct args *a)
{
    struct session s;
    struct err e = {0};
    int rc = check_words(a, &e) ? session_need(a, &s) : print_err(a, &e);
    int64_t timeout;

    if (rc != EXIT_OK)
        return rc;
    rc = -1;
    if (args_dur(a, OPT_TIMEOUT, a->val[OPT_WAIT] ? US_PER_DAY : US_PER_MIN, &timeout, &e))
        rc = verb_is_several(a) ? verb_several(a, &s, timeout) : one_rollout(a, &s, timeout, &e);
    if (rc == -1)
        rc = print_err(a, &e);
    session_close(&s);
    return rc;
}
