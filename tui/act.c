/* What keys ask for, carried out. Nothing here waits: engines take intents at once, files and the log go to the helper
 * thread. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tui/osc.h"
#include "tui/session.h"
#include "tui/signals.h"
#include "tui/term.h"

/* The engine of a fleet; with "" the only one there is. */
static const struct console_engine *engine_for(const struct session *s, const char *fleet)
{
    for (size_t i = 0; i < s->spec->n_engines; i++) {
        if (s->snaps[i] && strcmp(s->snaps[i]->fleet, fleet) == 0)
            return &s->spec->engines[i];
    }
    return fleet[0] == '\0' && s->spec->n_engines == 1 ? &s->spec->engines[0] : NULL;
}

static void submit_one(struct session *s, const struct intent *confirmed)
{
    struct intent in = *confirmed;
    const struct console_engine *en = engine_for(s, in.fleet);
    if (in.actor.name[0] == '\0')
        in.actor = s->spec->actor;
    if (in.decided_at == 0)
        in.decided_at = clock_now(s->spec->clock);
    uint64_t ticket = en ? en->submit(en->ctx, &in) : 0;
    char text[200];
    if (ticket == 0)
        snprintf(text, sizeof text, "%s was not taken: %s", verb_word(in.verb),
                 en ? "the engine has ended" : "no such fleet");
    else
        snprintf(text, sizeof text, "%s %s%s%s: on its way", verb_word(in.verb), in.fleet, in.rollout[0] ? "/" : "",
                 in.rollout);
    app_message(s->app, ticket == 0, text);
    app_awaits(s->app, in.fleet, ticket);
}

static void submit(struct session *s, const struct action *a)
{
    char text[80];
    submit_one(s, &a->intent);
    for (size_t i = 0; i < a->n_others; i++)
        submit_one(s, &a->others[i]);
    if (a->n_others == 0)
        return;
    snprintf(text, sizeof text, "%zu rollouts: on its way", a->n_others + 1);
    app_message(s->app, false, text);
}

static void copy(struct session *s, const char *text)
{
    if (!term_modern()) {
        app_message(s->app, true, "this terminal takes no text for its clipboard");
        return;
    }
    osc_copy(&s->tail, text, strlen(text));
    app_message(s->app, false, "copied");
}

static void refresh(const struct session *s, const char *fleet)
{
    for (size_t i = 0; i < s->spec->n_engines; i++) {
        const struct console_engine *en = &s->spec->engines[i];
        if (fleet[0] == '\0' || (s->snaps[i] && strcmp(s->snaps[i]->fleet, fleet) == 0))
            en->refresh(en->ctx);
    }
}

static void write_out(struct session *s, const struct action *a)
{
    if (a->text[0] == '\0') {
        app_message(s->app, true, "no path was given");
        return;
    }
    helper_ask(s->helper, a->copy ? JOB_WRITE : JOB_EXPORT, NULL, a->text, a->copy);
    app_message(s->app, false, "writing ...");
}

static void change_theme(struct session *s, const char *name)
{
    struct err e;
    err_clear(&e);
    if (!session_theme(s, name, &e))
        app_message(s->app, true, e.what);
}

void session_suspend(struct session *s, bool by_key)
{
    if (by_key && !signals_can_stop()) {
        app_message(s->app, true, "there is no shell here that could bring andon back");
        return;
    }
    term_leave();
    fputs("andon is stopped: nothing is watched or halted from here until you continue it (fg).\n", stderr);
    fflush(stderr);
    signals_stop(by_key);
    term_enter();
    term_resized();
    s->dirty = s->by_key = true;
}

void act(struct session *s, const struct action *a)
{
    const struct console_engine *en;
    switch (a->kind) {
    case ACT_NONE:
        break;
    case ACT_REDRAW:
        break; /* every key and every snapshot redraws */
    case ACT_SUBMIT:
        submit(s, a);
        break;
    case ACT_QUIT:
        s->leave = true; /* the view has asked if a command is under way */
        s->status = CONSOLE_QUIT;
        break;
    case ACT_REFRESH:
        refresh(s, a->fleet);
        break;
    case ACT_SUSPEND:
        session_suspend(s, true);
        break;
    case ACT_REPAINT:
        term_repaint();
        break;
    case ACT_FOCUS:
        en = engine_for(s, a->fleet);
        if (en)
            en->focus(en->ctx, &a->focus);
        break;
    case ACT_COPY:
        copy(s, a->copy ? a->copy : a->text);
        break;
    case ACT_LOAD_AUDIT:
        helper_ask(s->helper, JOB_LOAD, &a->query, NULL, NULL);
        break;
    case ACT_VERIFY_AUDIT:
        helper_ask(s->helper, JOB_VERIFY, NULL, NULL, NULL);
        app_message(s->app, false, "verifying the whole log ...");
        break;
    case ACT_EXPORT:
        write_out(s, a);
        break;
    case ACT_THEME:
        change_theme(s, a->text);
        break;
    case ACT_PLAN:
    case ACT_PLAN_KEEP:
        en = engine_for(s, a->fleet);
        if (en)
            en->plan(en->ctx, a->plan, a->kind == ACT_PLAN_KEEP);
        break;
    case ACT_SILENCE:
        break; /* the view keeps the time and counts no new halt meanwhile */
    }
}

/* Results of the helper
 * ------------------------------------------------------------------------------------------------ */

static void show_page(struct session *s)
{
    s->data.audit = NULL;
    if (!s->loaded)
        return;
    s->page = *s->loaded;
    if (s->verified) {
        s->page.verified_known = true;
        s->page.verified_ok = s->verified_ok;
        s->page.verified_at = s->verified_at;
        s->page.verified_text = s->verified_text;
    }
    s->data.audit = &s->page;
}

static void take_page(struct session *s, const struct helper_result *r)
{
    if (s->loaded)
        s->spec->audit->free_page(s->spec->audit->ctx, s->loaded);
    s->loaded = r->page;
}

static void take_result(struct session *s, const struct helper_result *r)
{
    char text[520];
    if (!r->ok) {
        snprintf(text, sizeof text, "%s%s%s", r->err.what, r->err.next[0] ? " " : "", r->err.next);
        app_message(s->app, true, text);
        return;
    }
    switch (r->job) {
    case JOB_LOAD:
        take_page(s, r);
        break;
    case JOB_VERIFY:
        s->verified = true;
        s->verified_ok = r->verified;
        s->verified_at = clock_now(s->spec->clock);
        memcpy(s->verified_text, r->text, sizeof s->verified_text);
        app_message(s->app, !r->verified, r->text);
        break;
    case JOB_EXPORT:
    case JOB_WRITE:
    case JOB_COUNT:
        snprintf(text, sizeof text, "written to %s", r->text);
        app_message(s->app, false, text);
        break;
    }
}

void session_results(struct session *s)
{
    struct helper_result r;
    while (helper_take(s->helper, &r))
        take_result(s, &r);
    show_page(s);
    struct action a;
    app_update(s->app, &s->data, &a);
    act(s, &a);
    s->dirty = true;
}
