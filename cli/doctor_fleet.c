#include "cli/doctor.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "cli/approval_health.h"
#include "cli/ask.h"
#include "cli/ledger.h"
#include "client/plugin.h"
#include "client/telemetry.h"
#include "core/clock.h"
#include "core/fmt.h"

#define SKEW_US    (5 * US_PER_S)
#define LOOK_AT    500 /* devices of the fleet, and as many of a wave */
#define LOOK_FEW   100 /* where each has to be asked for an attribute */
#define PERMISSION "Give the user of this fleet the permission READ_TARGET, or use another user."

struct ask *look_question(struct look *l)
{
    return ARENA_NEW(&l->arena, struct ask);
}

void look_refused(struct look *l, const struct ask *q, const char *what, const char *needed_for)
{
    if (q->err.code == ERR_FORBIDDEN)
        doctor_tell(l->d, MARK_FAIL, l->f->name, PERMISSION, "may not read %s (403): %s", what, needed_for);
    else
        doctor_err(l->d, l->f->name, &q->err);
}

static void capabilities(struct look *l)
{
    static const struct {
        uint32_t bit;
        const char *what;
    } lacks[] = {{CAP_STOP, "stop a rollout for good"},
                 {CAP_TRIGGER_NEXT, "start a wave on request (advance is then the resume of andon's hold)"},
                 {CAP_RETRY, "retry failed devices"},
                 {CAP_DOWNGRADE, "give a device an older release: a roll back takes one of a higher order"},
                 {CAP_NOTES, "show notes to this user (READ_REPOSITORY): halts of other watchers are not seen"},
                 {CAP_NOTES_PUT, "take notes from this user (UPDATE_REPOSITORY): its halts are not shown to others"}};
    const char *subject = l->f->name;
    bool tells = l->info.caps & CAP_TELL;

    doctor_tell(l->d, MARK_OK, subject, "", "%s %s, as %s", l->info.kind, l->info.version,
                l->info.user && *l->info.user ? l->info.user : "an unnamed user");
    if (!l->b->ops->rollouts) { /* andon's own waves stop by telling no more */
        doctor_tell(l->d, tells ? MARK_OK : MARK_FAIL, subject, "Use a server that can, or other credentials.",
                    "this server keeps no rollouts: %s",
                    tells ? "andon keeps the waves" : "and it cannot tell devices by name");
        if (!(l->info.caps & CAP_RECALL))
            doctor_tell(l->d, MARK_NOTE, subject, "", "this server cannot recall what was told");
    } else if (!(l->info.caps & CAP_PAUSE)) {
        doctor_tell(l->d, MARK_FAIL, subject, "Give the user the right to handle rollouts, or use another server.",
                    "this server cannot pause a rollout: a halt would not be had");
    }
    for (size_t i = 0; i < sizeof lacks / sizeof lacks[0]; i++)
        if ((l->b->ops->rollouts || lacks[i].bit == CAP_DOWNGRADE) && !(l->info.caps & lacks[i].bit))
            doctor_tell(l->d, MARK_NOTE, subject, "", "this server cannot %s", lacks[i].what);
    for (size_t i = 0; i < SAY_COUNT; i++)
        if (l->info.says[i] && *l->info.says[i])
            doctor_tell(l->d, MARK_NOTE, subject, "", "%s", l->info.says[i]);
}

/* What the kernel holds a plug-in to, of the one that has just answered. */
static void check_sandbox(struct look *l)
{
    struct plugin_box box;
    const char *name = l->f->plugin.name;

    if (!plugin_sandboxed(l->b, &box))
        return;
    doctor_tell(l->d, MARK_OK, l->f->name, "", "plug-in %s gains no privileges%s%s%s", name,
                box.dies_with_us ? ", ends with andon" : "", box.limits ? ", has limits of memory and files" : "",
                box.landlock ? ", and is held to its files (Landlock)" : "");
    if (!box.dies_with_us || !box.limits || !box.landlock)
        doctor_tell(l->d, MARK_NOTE, l->f->name, "Use a newer kernel, or run andon in a container of its own.",
                    "this kernel does not hold plug-in %s to%s%s%s", name, box.dies_with_us ? "" : " andon's own end",
                    box.limits ? "" : " limits", box.landlock ? "" : " its files (Landlock)");
}

static void check_skew(struct look *l, const struct ask *q)
{
    int64_t skew = q->date - q->answered;
    char b[FMT_MAX];

    if (q->date == 0)
        doctor_tell(l->d, MARK_NOTE, l->f->name, "", "the server tells no time: whether clocks agree is not known");
    else if (skew > SKEW_US || skew < -SKEW_US) /* the Date header has whole seconds */
        doctor_tell(l->d, MARK_NOTE, l->f->name, "Let both follow a time server (timedatectl).",
                    "the server's clock is %s %s this host's", fmt_dur(b, skew < 0 ? -skew : skew),
                    skew < 0 ? "behind" : "ahead of");
    else
        doctor_tell(l->d, MARK_OK, l->f->name, "", "clocks agree");
}

static void say_rollouts(struct look *l, int64_t took)
{
    const struct rollout_list *list = &l->rollouts;
    char t[FMT_MAX];

    doctor_tell(l->d, MARK_OK, l->f->name, "", "rollouts can be read: %zu%s, answered in %s", list->n,
                list->clipped ? " or more" : "", took < US_PER_S ? "under 1s" : fmt_dur(t, took));
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].state == ROLLOUT_UNKNOWN)
            doctor_tell(l->d, MARK_NOTE, l->f->name, "", "rollout %s is in a state that andon does not know: %s",
                        list->v[i].id, list->v[i].state_word);
}

static void keep(struct look *l, const struct device_list *list)
{
    const char *by = l->f->telemetry.join.attribute;
    size_t most = by && *by ? LOOK_FEW : LOOK_AT;

    for (size_t i = 0; i < list->n && i < most; i++)
        watch_set_add(l->devices, list->v[i].raw_id);
}

/* The newest rollout that is under way, else the newest; NULL when there is none. */
static const struct rollout *one_rollout(const struct rollout_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->v[i].state == ROLLOUT_RUNNING || list->v[i].state == ROLLOUT_PAUSED)
            return &list->v[i];
    return list->n ? &list->v[0] : NULL;
}

/* The devices of its first wave, which the verdict is about. */
static void check_wave(struct look *l, const struct rollout *r)
{
    struct wave_list *waves = ARENA_NEW(&l->arena, struct wave_list);
    struct device_list *list = ARENA_NEW(&l->arena, struct device_list);
    struct ask *first = look_question(l), *second = look_question(l);

    l->b->ops->waves(l->b, r->id, &l->arena, waves, ask_done, first);
    if (!ask_wait(l->http, first, l->d->timeout)) {
        look_refused(l, first, "waves", "without them there is no canary to judge");
        return;
    }
    if (waves->n == 0)
        return;
    l->b->ops->wave_devices(l->b, r->id, waves->v[0].id, LOOK_AT, &l->arena, list, ask_done, second);
    if (ask_wait(l->http, second, l->d->timeout))
        keep(l, list);
    else
        look_refused(l, second, "the devices of a wave", "without them there is no canary to judge");
}

static void check_devices(struct look *l)
{
    const struct rollout *r = one_rollout(&l->rollouts);
    struct ask *q = look_question(l);

    l->b->ops->devices(l->b, NULL, LOOK_AT, &l->arena, &l->page, ask_done, q);
    if (!ask_wait(l->http, q, l->d->timeout)) {
        look_refused(l, q, "devices", "no verdict, no device list, and no roll back that is verified");
        return;
    }
    keep(l, &l->page);
    doctor_tell(l->d, MARK_OK, l->f->name, "", "devices can be read: %lld", (long long)l->page.total);
    if (r)
        check_wave(l, r);
}

static void check_actions(struct look *l)
{
    if (!l->b->ops->inflight) {
        doctor_tell(l->d, MARK_NOTE, l->f->name, "", "this server cannot list what is in flight");
        return;
    }
    const struct rollout *r = one_rollout(&l->rollouts);
    struct inflight *got = ARENA_NEW(&l->arena, struct inflight);
    struct ask *q = look_question(l);

    l->b->ops->inflight(l->b, r ? r->id : "0", &l->arena, got, ask_done, q); /* a 0 asks about no rollout at all */
    if (!ask_wait(l->http, q, l->d->timeout))
        look_refused(l, q, "actions",
                     "what is in flight is not known, so that a roll back cannot tell when it is done");
    else if (!got->known)
        doctor_tell(l->d, MARK_NOTE, l->f->name, "", "this server cannot list what is in flight");
    else
        doctor_tell(l->d, MARK_OK, l->f->name, "", "actions can be read");
}

/* A policy that was changed under a rollout. Rules may choose another one: then it is not known which applies. */
static void check_ledgers(struct look *l)
{
    for (size_t i = 0; i < l->rollouts.n && l->f->n_rules == 0; i++) {
        const struct rollout *r = &l->rollouts.v[i];
        char release[IDENTITY_RELEASE_BYTES], text[ACCOUNT_TEXT];
        struct rollout_identity who = identity_of(l->f->name, r, release);

        if (r->state != ROLLOUT_RUNNING && r->state != ROLLOUT_PAUSED)
            continue;
        ledger_differs(&l->d->session.audit, &who, l->f->policy, text);
        if (*text)
            doctor_tell(l->d, MARK_NOTE, l->f->name, "The change holds for the next rollout.",
                        "the tests of rollout %s go on as they began: %s", r->id, text);
    }
}

static void check_approvals(struct look *l, const struct policy *p)
{
    char text[200];
    struct err e = {0};

    if (p->approval.require <= 0)
        return;
    if (approval_health(&p->approval, text, &e)) {
        doctor_tell(l->d, MARK_OK, l->f->name, "", "policy %s: %s", p->name, text);
    } else {
        err_prefix(&e, "nothing can be approved by policy %s: ", p->name);
        doctor_err(l->d, l->f->name, &e);
    }
}

/* Of each policy that may apply, once. */
static void check_policies(struct look *l)
{
    check_approvals(l, l->f->policy);
    for (size_t i = 0; i < l->f->n_rules; i++) {
        bool known = l->f->rules[i].policy == l->f->policy;

        for (size_t k = 0; k < i; k++)
            known = known || l->f->rules[k].policy == l->f->rules[i].policy;
        if (!known)
            check_approvals(l, l->f->rules[i].policy);
    }
}

static void check_backend(struct look *l)
{
    struct ask *probe = look_question(l), *read = look_question(l);

    l->b->ops->probe(l->b, &l->arena, &l->info, ask_done, probe);
    if (!ask_wait(l->http, probe, l->d->timeout)) {
        doctor_err(l->d, l->f->name, &probe->err);
        return;
    }
    check_sandbox(l);
    capabilities(l);
    struct release_list *releases = ARENA_NEW(&l->arena, struct release_list);
    if (l->b->ops->rollouts)
        l->b->ops->rollouts(l->b, 50, &l->arena, &l->rollouts, ask_done, read);
    else
        l->b->ops->releases(l->b, 1, &l->arena, releases, ask_done, read);
    if (!ask_wait(l->http, read, l->d->timeout)) {
        doctor_err(l->d, l->f->name, &read->err);
        return;
    }
    if (l->b->ops->rollouts)
        say_rollouts(l, read->took);
    check_skew(l, read);
    l->skew = read->skew;
    check_ledgers(l);
    check_devices(l);
    check_actions(l);
}

void doctor_fleet(struct doctor *d, const struct fleet_spec *f)
{
    struct look l = {.d = d, .f = f};
    struct err e = {0};

    if (f->endpoint.secret.source == SECRET_ENV)
        doctor_tell(d, MARK_NOTE, f->name,
                    "Use a command or a file: other processes of yours can read the environment.",
                    "its secret comes from the environment");
    arena_init(&l.arena);
    check_policies(&l);
    l.http = http_new(clock_real(), random_seed());
    l.devices = watch_set_new();
    l.b = backend_open(l.http, f, &e);
    if (l.b)
        check_backend(&l);
    else
        doctor_err(d, f->name, &e);
    if (l.b && f->endpoint.plain_http && strncmp(f->endpoint.url, "http://", 7) == 0)
        doctor_tell(d, MARK_NOTE, f->name, "Use https, so that nobody on the way can read or change commands.",
                    "the connection is not encrypted");
    doctor_telemetry(&l);
    /* In this order: what is still under way ends first. */
    backend_free(l.b);
    http_free(l.http);
    watch_set_free(l.devices);
    arena_release(&l.arena);
}
