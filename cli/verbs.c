/* Verbs for scripts and runbooks: the same intent, the same checks, the same log as a key in the console. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/cli.h"
#include "cli/fleets.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"

#define READY_US (20 * US_PER_S)
#define ABLE_US  (10 * US_PER_S)
/* A process that has just started knows no device's figures; missing ones are refused after so long. */
#define JUDGED_US (10 * US_PER_S)
/* A halt does not wait for the board: it is handed in when the server has been silent for so long. */
#define HALT_READY_US (3 * US_PER_S)

struct verb_run {
    const struct args *args;
    struct session session;
    struct fleets fleets;
    struct fleet_run *run;
    const char *id; /* of the rollout, "" with --all */
    struct intent in;
    struct preview preview;
    struct err refusal; /* of verb_check on the newest snapshot; code ERR_NONE = it may go ahead */
    int64_t timeout;
};

static bool fill_intent(struct verb_run *r, struct err *e)
{
    const struct args *a = r->args;
    struct intent *in = &r->in;
    const char *id = r->id;

    in->verb = verb_from_word(a->pos[0]);
    in->actor = r->session.actor;
    in->expect_devices = -1;
    in->all_waves = true;
    if (strlen(id) >= sizeof in->rollout)
        return err_set(e, ERR_SYNTAX, "`andon get rollouts` lists them.", "that is no id of a rollout");
    safe_text_into(in->rollout, sizeof in->rollout, id, strlen(id));
    safe_text_into(in->fleet, sizeof in->fleet, r->run->spec->name, strlen(r->run->spec->name));
    if (strlen(args_str(a, OPT_REASON)) >= sizeof in->reason || strlen(args_str(a, OPT_REMARK)) >= sizeof in->remark)
        return err_set(e, ERR_SYNTAX, "", "a reason or remark has at most %zu bytes", sizeof in->reason - 1);
    safe_text_into(in->reason, sizeof in->reason, args_str(a, OPT_REASON), strlen(args_str(a, OPT_REASON)));
    safe_text_into(in->remark, sizeof in->remark, args_str(a, OPT_REMARK), strlen(args_str(a, OPT_REMARK)));
    safe_text_into(in->to_release, sizeof in->to_release, args_str(a, OPT_TO), strlen(args_str(a, OPT_TO)));
    if (a->val[OPT_WAVES]) {
        in->all_waves = false;
        return args_waves(a->val[OPT_WAVES], in->wave_mask, e);
    }
    return true;
}

/* Has the log been opened, or refused? Until then nothing but a halt may be asked for. */
static bool log_read(const struct snapshot *s, void *ctx)
{
    (void)ctx;
    return s->audit.open || (s->audit.error && *s->audit.error);
}

/* The devices of a roll back were read, or refused. */
static bool told_read(const struct snapshot *s, void *id)
{
    const struct rollout_view *v = snapshot_rollout(s, id);

    return v && strcmp(s->focus.rollout, id) == 0 && (s->told_known || s->told_error || v->waves_error);
}

static bool target_read(const struct snapshot *s, void *to)
{
    return strcmp(s->target.name, to) == 0 && s->target.state != TARGET_ASKING;
}

/* Why the list of devices is not known, "" = it is, or need not be. */
static const char *unlisted(const struct verb_run *r)
{
    const struct snapshot *s = r->run->snap;
    const struct rollout_view *v = s ? snapshot_rollout(s, r->in.rollout) : NULL;

    if (r->in.verb != VERB_ROLLBACK || !v || s->told_known)
        return "";
    return s->told_error ? s->told_error->what : v->waves_error ? v->waves_error->what : "they were not read in time";
}

static bool judged(const struct snapshot *s, void *id)
{
    const struct rollout_view *v = snapshot_rollout(s, id);
    const struct wave_view *w = v && v->current >= 0 && (size_t)v->current < v->n_waves ? &v->waves[v->current] : NULL;

    if (!fleet_has_waves(s, id))
        return false;
    if (s->telemetry.state == LINK_NONE || s->telemetry.state == LINK_FAILED || !w)
        return true;
    return s->telemetry.last_ok > 0 && w->watched && !w->verdict.data_missing;
}

static void look(struct verb_run *r)
{
    const struct snapshot *s = r->run->snap;
    struct verb_facts f;
    struct intent in = r->in;
    int64_t now = clock_now(clock_real());

    snapshot_facts(s, r->in.rollout, now, &f);
    preview_make(&r->in, &f, s->told_known ? s->told : NULL, s->told_known ? s->n_told : 0, now, &r->preview);
    if (*r->preview.to) /* what "previous" means, and what is confirmed */
        snprintf(in.to_release, sizeof in.to_release, "%s", r->preview.to);
    if (r->args->val[OPT_PREVIEW] && !*in.reason)
        snprintf(in.reason, sizeof in.reason, "preview"); /* asked for when it is done, not when it is looked at */
    err_clear(&r->refusal);
    if (verb_check(&in, &f, &r->refusal))
        err_clear(&r->refusal);
}

/* Waits for what the verb's checks and its preview look at. What does not come in time is not there: the checks then
 * refuse by themselves. */
static void gather(struct verb_run *r)
{
    struct focus f = {.wave = -1};
    char *id = r->in.rollout;

    if (r->in.verb != VERB_HALT)
        fleet_until(r->run, READY_US, log_read, NULL);
    if (!r->run->snap || !snapshot_rollout(r->run->snap, id))
        return;
    snprintf(f.rollout, sizeof f.rollout, "%s", id);
    engine_focus(r->run->en, &f);
    switch (r->in.verb) {
    case VERB_NONE:
    case VERB_COUNT:
    case VERB_HALT:
        break;
    case VERB_ROLLBACK:
        fleet_until(r->run, READY_US, told_read, id);
        look(r);
        snprintf(f.to, sizeof f.to, "%s", r->preview.to);
        engine_focus(r->run->en, &f);
        if (*f.to)
            fleet_until(r->run, READY_US, target_read, f.to);
        break;
    case VERB_ADVANCE:
    case VERB_RESUME:
        fleet_until(r->run, JUDGED_US, judged, id);
        break;
    case VERB_START:
    case VERB_PAUSE:
    case VERB_APPROVE:
    case VERB_DENY:
    case VERB_RETRY:
    case VERB_ACK:
        fleet_until(r->run, READY_US, fleet_has_waves, id);
        break;
    }
}

static void lines_json(struct json_w *w, const char *key, const struct preview_line *l, size_t n)
{
    json_w_key(w, key);
    json_w_arr(w);
    for (size_t i = 0; i < n; i++) {
        json_w_obj(w);
        json_w_kstr(w, "mark", l[i].mark);
        json_w_kstr(w, "text", l[i].text);
        if (l[i].devices >= 0)
            json_w_kint(w, "devices", l[i].devices);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}

static void preview_json(const struct verb_run *r)
{
    const struct preview *p = &r->preview;
    struct json_out o;

    json_begin(&o);
    json_w_kstr(&o.w, "verb", verb_word(p->verb));
    json_w_kstr(&o.w, "fleet", r->in.fleet);
    json_w_kstr(&o.w, "rollout", r->in.rollout);
    json_w_kstr(&o.w, "title", p->title);
    json_w_kint(&o.w, "devices", p->devices);
    json_w_kint(&o.w, "in_flight", p->in_flight);
    json_w_kstr(&o.w, "to", *p->to ? p->to : NULL);
    if (*p->to)
        json_w_kstr(&o.w, "to_state", target_state_word(r->run->snap->target.state));
    json_w_kstr(&o.w, "phrase", *p->phrase ? p->phrase : NULL);
    json_w_kbool(&o.w, "needs_reason", verb_row(p->verb)->reason == REASON_NEEDED);
    json_w_kbool(&o.w, "allowed", r->refusal.code == ERR_NONE);
    json_w_kstr(&o.w, "why", r->refusal.code == ERR_NONE ? NULL : r->refusal.what);
    lines_json(&o.w, "will", p->will, p->n_will);
    lines_json(&o.w, "wont", p->wont, p->n_wont);
    if (*unlisted(r))
        json_w_kstr(&o.w, "unlisted", unlisted(r));
    json_end(&o);
}

static void preview_text(const struct verb_run *r, FILE *to)
{
    const struct preview *p = &r->preview;

    fprintf(to, "%s\n", p->title);
    if (r->refusal.code != ERR_NONE && r->args->val[OPT_PREVIEW]) { /* what it would do does not happen */
        fprintf(to, "  refused now: %s\n", r->refusal.what);
        if (*unlisted(r))
            fprintf(to, "  the devices cannot be listed: %s\n", unlisted(r));
        return;
    }
    print_preview(to, p);
    if (*unlisted(r))
        fprintf(to, "  the devices cannot be listed, these are only the server's counts: %s\n", unlisted(r));
    if (*p->phrase)
        fprintf(to, "  confirm with  %s\n", p->phrase);
}

/* A line from the terminal, without its end; false at the end of input. */
static bool ask(const char *question, char *out, size_t size)
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
           (r->session.config.n_fleets == 1 && strncmp(phrase, r->in.fleet, strlen(r->in.fleet)) == 0 &&
            strcmp(typed, phrase + strlen(r->in.fleet) + 1) == 0);
}

/* Asks for what the preview needs. EXIT_OK = go ahead. */
static int confirm(struct verb_run *r, struct err *e)
{
    const struct preview *p = &r->preview;
    bool person = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    char line[300];

    if (*p->phrase) {
        const char *typed = r->args->val[OPT_CONFIRM];

        if (!typed && person) {
            preview_text(r, stderr);
            typed = ask("Type the phrase to confirm: ", line, sizeof line) ? line : "";
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
    preview_text(r, stderr);
    if (ask("Go ahead? [y/N] ", line, sizeof line) && (line[0] == 'y' || line[0] == 'Y'))
        return EXIT_OK;
    err_set(e, ERR_REFUSED, "", "nothing was done");
    return EXIT_REFUSED;
}

static int phase_exit(enum op_phase p)
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
    int rc = trail_exit(ended ? phase_exit(op->phase) : EXIT_UNKNOWN, op->trail, &trace);
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
    if (ended && verb_row(r->in.verb)->past_latch)
        fleet_stay_noted(r->run, r->in.verb == VERB_HALT && !r->args->json ? r->in.rollout : "");
    snapshot_unref(s);
    return rc;
}

static bool knows_server(const struct snapshot *s, void *ctx)
{
    (void)ctx;
    return s->info.caps != 0;
}

static int run(struct verb_run *r, struct err *e)
{
    bool halt = r->in.verb == VERB_HALT;
    int rc;

    fleets_wait(&r->fleets, halt ? HALT_READY_US : READY_US);
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
        (void)fleet_until(r->run, ABLE_US, knows_server, NULL);
    gather(r);
    look(r);
    if (r->args->val[OPT_PREVIEW]) {
        if (r->args->json)
            preview_json(r);
        else
            preview_text(r, stdout);
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

    if (a->val[OPT_ALL] && id)
        return err_set(e, ERR_SYNTAX, "", "--all and a rollout exclude each other");
    if (!a->val[OPT_ALL] && !id)
        return err_set(e, ERR_SYNTAX, "`andon get rollouts` lists them; halt and ack know --all.",
                       "%s needs the id of a rollout", a->pos[0]);
    return true;
}

/* "fleet/4471" names both; "4471" leaves the fleet to --fleet, or to there being only one. */
static bool name_fleet(struct verb_run *r, struct args *one, struct err *e)
{
    const struct config *c = &r->session.config;
    const char *word = r->args->n_pos > 1 ? r->args->pos[1] : "", *fleet = NULL;
    size_t longest = 0;

    r->id = word;
    for (size_t i = 0; i < c->n_fleets; i++) {
        size_t len = strlen(c->fleets[i].name);

        if (len > longest && strncmp(word, c->fleets[i].name, len) == 0 && word[len] == '/' && word[len + 1]) {
            longest = len;
            fleet = c->fleets[i].name;
        }
    }
    if (!fleet)
        return true;
    if (one->val[OPT_FLEET] && strcmp(one->val[OPT_FLEET], fleet) != 0)
        return err_set(e, ERR_SYNTAX, "", "--fleet %.60s and %.60s name two fleets", one->val[OPT_FLEET], word);
    one->val[OPT_FLEET] = fleet;
    r->id = word + longest + 1;
    return true;
}

int cmd_verb(const struct args *a)
{
    struct verb_run r = {.args = a};
    struct err e = {0};
    int rc = check_words(a, &e) ? session_need(a, &r.session) : print_err(a, &e);
    int64_t dflt = a->val[OPT_WAIT] ? US_PER_DAY : US_PER_MIN;
    struct args one = *a;

    if (rc != EXIT_OK)
        return rc;
    rc = -1;
    if (args_dur(a, OPT_TIMEOUT, dflt, &r.timeout, &e) && name_fleet(&r, &one, &e)) {
        const struct fleet_spec *f = session_fleet(&r.session, &one, &e);

        if (f) {
            one.val[OPT_FLEET] = f->name;
            if (!verb_row(verb_from_word(a->pos[0]))->looks_at_health)
                session_drop_telemetry(&r.session, f);
            /* Does not judge: a command does what it was asked for, halting is for consoles and guards. */
            if (fleets_open(&r.session, &one, false, false, &r.fleets, &e)) {
                r.run = &r.fleets.v[0];
                if (fill_intent(&r, &e))
                    rc = run(&r, &e);
                fleets_close(&r.fleets);
            }
        }
    }
    if (rc == -1)
        rc = print_err(a, &e);
    session_close(&r.session);
    return rc;
}
