/* What a verb would do to a rollout, looked at before it is asked for. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/verb_run.h"
#include "core/clock.h"
#include "core/text.h"

#define READY_US VERB_READY_US
/* A process that has just started knows no device's figures; missing ones are refused after so long. */
#define JUDGED_US (10 * US_PER_S)
/* What is known of vulnerabilities is a note, not a check: it is waited for so long. */
#define OUTLOOK_US (3 * US_PER_S)

bool verb_strength(const struct args *a, enum strength *out, struct err *e)
{
    const char *word = a->val[OPT_STOP];

    *out = word ? strength_from(word) : STRENGTH_POLICY;
    return *out < STRENGTH_COUNT ||
           err_set(e, ERR_SYNTAX, "--preview says what each does on this server.", "--stop is soft or force");
}

bool verb_fill(struct verb_run *r, struct err *e)
{
    const struct args *a = r->args;
    struct intent *in = &r->in;
    const char *id = r->id;

    in->verb = verb_from_word(a->pos[0]);
    in->actor = r->session->actor;
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
    if (!verb_strength(a, &in->strength, e))
        return false;
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
static const char *verb_unlisted(const struct verb_run *r)
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

static bool outlook_known(const struct snapshot *s, void *ctx)
{
    (void)ctx;
    return s->outlook.held || s->outlook.looked;
}

/* Does it bring a release to devices, of which something may have been imported? */
static bool brings_release(const struct verb_run *r)
{
    enum verb v = r->in.verb;
    return (v == VERB_ROLLBACK || v == VERB_START || v == VERB_ADVANCE || v == VERB_RESUME || v == VERB_APPROVE ||
            v == VERB_RETRY) &&
           access(r->session->intel, F_OK) == 0;
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
    f.outlook = brings_release(r);
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
    if (f.outlook)
        fleet_until(r->run, OUTLOOK_US, outlook_known, NULL);
}

void verb_look_at(struct verb_run *r)
{
    gather(r);
    look(r);
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

void verb_preview_json(const struct verb_run *r, struct json_w *w)
{
    const struct preview *p = &r->preview;

    json_w_kstr(w, "verb", verb_word(p->verb));
    json_w_kstr(w, "fleet", r->in.fleet);
    json_w_kstr(w, "rollout", r->in.rollout);
    json_w_kstr(w, "title", p->title);
    json_w_kint(w, "devices", p->devices);
    json_w_kint(w, "in_flight", p->in_flight);
    json_w_kstr(w, "to", *p->to ? p->to : NULL);
    if (*p->to)
        json_w_kstr(w, "to_state", target_state_word(r->run->snap->target.state));
    json_w_kstr(w, "phrase", *p->phrase ? p->phrase : NULL);
    json_w_kbool(w, "needs_reason", verb_row(p->verb)->reason == REASON_NEEDED);
    json_w_kbool(w, "allowed", r->refusal.code == ERR_NONE);
    json_w_kstr(w, "why", r->refusal.code == ERR_NONE ? NULL : r->refusal.what);
    lines_json(w, "will", p->will, p->n_will);
    lines_json(w, "wont", p->wont, p->n_wont);
    if (*verb_unlisted(r))
        json_w_kstr(w, "unlisted", verb_unlisted(r));
}

void verb_preview_text(const struct verb_run *r, FILE *to)
{
    const struct preview *p = &r->preview;

    fprintf(to, "%s\n", p->title);
    if (r->refusal.code != ERR_NONE && r->args->val[OPT_PREVIEW]) { /* what it would do does not happen */
        fprintf(to, "  refused now: %s\n", r->refusal.what);
        if (*verb_unlisted(r))
            fprintf(to, "  the devices cannot be listed: %s\n", verb_unlisted(r));
        return;
    }
    print_preview(to, p);
    if (*verb_unlisted(r))
        fprintf(to, "  the devices cannot be listed, these are only the server's counts: %s\n", verb_unlisted(r));
    if (*p->phrase)
        fprintf(to, "  confirm with  %s\n", p->phrase);
}
