#include "cli/doctor.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "cli/ask.h"
#include "cli/ledger.h"
#include "client/telemetry.h"
#include "core/clock.h"
#include "core/fmt.h"

#define SKEW_US    (5 * US_PER_S)
#define LOOK_AT    500 /* devices of the fleet, and as many of a wave */
#define LOOK_FEW   100 /* where each has to be asked for an attribute */
#define ENOUGH     0.8 /* of them with figures; fewer are worth a note */
#define PERMISSION "Give the user of this fleet the permission READ_TARGET, or use another user."

/* What is learned of a fleet's server, for the questions after it. */
struct look {
    struct doctor *d;
    const struct fleet_spec *f;
    struct http *http;
    struct backend *b;
    struct arena arena;
    struct backend_info info;
    struct rollout_list rollouts;
    struct skew skew;          /* of the fleet server's clock */
    struct device_list page;   /* the first devices of the fleet */
    struct watch_set *devices; /* that were looked at: those, and of a wave */
};

/* A question, and what it fills, live in the arena: one that was given up may still be answered. */
static struct ask *question(struct look *l)
{
    return ARENA_NEW(&l->arena, struct ask);
}

static void capabilities(struct look *l)
{
    static const struct {
        uint32_t bit;
        const char *what;
    } lacks[] = {{CAP_STOP, "stop a rollout for good"},
                 {CAP_TRIGGER_NEXT, "start a wave on request (advance is then the resume of andon's hold)"},
                 {CAP_RETRY, "retry failed devices"},
                 {CAP_NOTES, "show notes to this user (READ_REPOSITORY): halts of other watchers are not seen"},
                 {CAP_NOTES_PUT, "take notes from this user (UPDATE_REPOSITORY): its halts are not shown to others"}};
    const char *subject = l->f->name;

    doctor_tell(l->d, MARK_OK, subject, "", "%s %s, as %s", l->info.kind, l->info.version,
                l->info.user && *l->info.user ? l->info.user : "an unnamed user");
    if (!(l->info.caps & CAP_PAUSE))
        doctor_tell(l->d, MARK_FAIL, subject, "Give the user the right to handle rollouts, or use another server.",
                    "this server cannot pause a rollout: a halt would not be had");
    for (size_t i = 0; i < sizeof lacks / sizeof lacks[0]; i++)
        if (!(l->info.caps & lacks[i].bit))
            doctor_tell(l->d, MARK_NOTE, subject, "", "this server cannot %s", lacks[i].what);
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

/* A question that failed: for want of a permission, which is said as such, or for another reason. */
static void say_refused(struct look *l, const struct ask *q, const char *what, const char *needed_for)
{
    if (q->err.code == ERR_FORBIDDEN)
        doctor_tell(l->d, MARK_FAIL, l->f->name, PERMISSION, "may not read %s (403): %s", what, needed_for);
    else
        doctor_err(l->d, l->f->name, &q->err);
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
    struct ask *first = question(l), *second = question(l);

    l->b->ops->waves(l->b, r->id, &l->arena, waves, ask_done, first);
    if (!ask_wait(l->http, first, l->d->timeout)) {
        say_refused(l, first, "waves", "without them there is no canary to judge");
        return;
    }
    if (waves->n == 0)
        return;
    l->b->ops->wave_devices(l->b, r->id, waves->v[0].id, LOOK_AT, &l->arena, list, ask_done, second);
    if (ask_wait(l->http, second, l->d->timeout))
        keep(l, list);
    else
        say_refused(l, second, "the devices of a wave", "without them there is no canary to judge");
}

static void check_devices(struct look *l)
{
    const struct rollout *r = one_rollout(&l->rollouts);
    struct ask *q = question(l);

    l->b->ops->devices(l->b, LOOK_AT, &l->arena, &l->page, ask_done, q);
    if (!ask_wait(l->http, q, l->d->timeout)) {
        say_refused(l, q, "devices", "no verdict, no device list, and no roll back that is verified");
        return;
    }
    keep(l, &l->page);
    doctor_tell(l->d, MARK_OK, l->f->name, "", "devices can be read: %lld", (long long)l->page.total);
    if (r)
        check_wave(l, r);
}

static void check_actions(struct look *l)
{
    const struct rollout *r = one_rollout(&l->rollouts);
    struct inflight *got = ARENA_NEW(&l->arena, struct inflight);
    struct ask *q = question(l);

    l->b->ops->inflight(l->b, r ? r->id : "0", &l->arena, got, ask_done, q); /* a 0 asks about no rollout at all */
    if (!ask_wait(l->http, q, l->d->timeout))
        say_refused(l, q, "actions", "what is in flight is not known, so that a roll back cannot tell when it is done");
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

static void check_backend(struct look *l)
{
    struct ask *probe = question(l), *read = question(l);

    l->b->ops->probe(l->b, &l->arena, &l->info, ask_done, probe);
    if (!ask_wait(l->http, probe, l->d->timeout)) {
        doctor_err(l->d, l->f->name, &probe->err);
        return;
    }
    capabilities(l);
    l->b->ops->rollouts(l->b, 50, &l->arena, &l->rollouts, ask_done, read);
    if (!ask_wait(l->http, read, l->d->timeout)) {
        doctor_err(l->d, l->f->name, &read->err);
        return;
    }
    say_rollouts(l, read->took);
    check_skew(l, read);
    l->skew = read->skew;
    check_ledgers(l);
    check_devices(l);
    check_actions(l);
}

/* --- telemetry --- */

/* The id of a device that stands in the label, whatever its case and what is around it; else of any. */
static const char *like(const struct look *l, const char *label)
{
    for (size_t i = 0; i < l->page.n; i++)
        if (strcasestr(label, l->page.v[i].id))
            return l->page.v[i].id;
    return l->page.n ? l->page.v[0].id : "";
}

/* Two values of a query's label beside an id may differ by what `join` can take away. */
static void say_join(struct look *l, const char *subject, const struct telemetry_probe *p)
{
    const struct join_spec *join = &l->f->telemetry.join;
    const struct telemetry_join *now = &p->joined, *best = &p->better;
    size_t n = watch_set_size(l->devices);
    char keys[64], map[100] = "";

    snprintf(keys, sizeof keys, "%s%s%s", best->strip_port ? "strip_port: true" : "",
             best->strip_port && best->lower ? ", " : "", best->lower ? "lower: true" : "");
    if (join->attribute && *join->attribute)
        snprintf(map, sizeof map, ", by the attribute %.64s", join->attribute);
    if (now->devices > 0 && (now->strip_port || now->lower || *map))
        doctor_tell(l->d, MARK_OK, subject, "",
                    "%zu of the %zu devices are found by the label%s%s%s: e.g. %s=\"%.100s\" is %.100s", now->devices,
                    n, now->strip_port ? ", without its port" : "", now->lower ? ", capitals or not" : "", map,
                    p->label, now->example, now->of);
    if (best->devices > now->devices)
        doctor_tell(l->d, MARK_NOTE, subject, "Set it in `join:` of the telemetry source.",
                    "with `%s` %zu of the %zu devices would be found (%zu are now): %s=\"%.100s\" would be %.100s",
                    *keys ? keys : "strip_port: false, lower: false", best->devices, n, now->devices, p->label,
                    best->example, best->of);
}

static void say_query(struct look *l, const char *subject, const struct telemetry_probe *p,
                      const struct telemetry_query *q)
{
    size_t n = watch_set_size(l->devices);
    char of[80] = "";

    if (l->page.total > (int64_t)n)
        snprintf(of, sizeof of, " (of %lld)", (long long)l->page.total);
    if (n == 0)
        doctor_tell(l->d, MARK_NOTE, subject, "", "%s: %zu series; there are no devices to compare them with", q->what,
                    q->series);
    else if (q->devices == 0 && q->unlabelled == q->series)
        doctor_tell(
            l->d, MARK_FAIL, subject,
            "Name the label that holds the device's id in the key join_label (or join.label), or keep it in the query.",
            "%s: %zu series, 0 of them are devices of this fleet: none has the label \"%s\"", q->what, q->series,
            p->label);
    else if (q->devices == 0)
        doctor_tell(
            l->d, MARK_FAIL, subject,
            "Name the label that holds the device's id in the key join_label, or say in `join:` what lies between.",
            "%s: %zu series, 0 of them are devices of this fleet; e.g. the label %s=\"%.100s\" beside the id "
            "%.100s",
            q->what, q->series, p->label, q->example, like(l, q->example));
    else
        doctor_tell(l->d, (double)q->devices < ENOUGH * (double)n ? MARK_NOTE : MARK_OK, subject,
                    "Look which devices the source does not know; missing data holds and then pauses a rollout.",
                    "%s: %zu series, figures of %zu of the %zu devices looked at%s", q->what, q->series, q->devices, n,
                    of);
}

/* Several series of a device: which of them count. */
static void say_several(struct look *l, const char *subject, const struct telemetry_query *q)
{
    static const char rule[] = "the newest sample's counts; of several of one time those that differ only in job, "
                               "instance or replica count once, others are added";
    char example[400] = "";

    if (*q->one)
        snprintf(example, sizeof example, ", e.g. %.170s and %.170s", q->one, q->other);
    if (q->several > 0)
        doctor_tell(l->d, MARK_NOTE, subject,
                    q->counter ? "" : "Write `max by` or `avg by` into the query if something else is meant.",
                    "%s: %zu devices have several series%s: %s", q->what, q->several, example,
                    q->counter ? rule : "their mean counts");
}

static void say_probe(struct look *l, const char *subject, const struct telemetry_probe *p)
{
    size_t any = 0;

    for (size_t i = 0; i < TELEMETRY_QUERIES; i++)
        any += p->query[i].series;
    doctor_tell(l->d, MARK_OK, subject, "", "%s", p->text);
    for (size_t i = 0; i < TELEMETRY_QUERIES; i++) {
        const struct telemetry_query *q = &p->query[i];

        if (q->what && q->series > 0) {
            say_query(l, subject, p, q);
            say_several(l, subject, q);
        } else if (q->what && any > 0)
            doctor_tell(l->d, MARK_NOTE, subject, "", "%s: no series; it is not judged", q->what);
    }
    if (any > 0 && watch_set_size(l->devices) > 0)
        say_join(l, subject, p);
    if (any == 0)
        doctor_tell(l->d, MARK_FAIL, subject, "Look whether it scrapes the devices, and at the queries.",
                    "it has no series for any query: nothing would be judged");
}

/* Installs are dated by one server and samples by another: what happens between has to be told in one time. */
static void compare_clocks(struct look *l, const char *subject, const struct ask *q, const struct telemetry_probe *p)
{
    const struct skew ours = {.known = true};
    const struct skew apart = skew_between(&l->skew, p->our_clock ? &ours : &q->skew);
    bool beyond = skew_beyond(&apart, skew_tolerance(l->f->policy->grace_us));
    char text[160];

    skew_text(&apart, "the fleet server's", p->our_clock ? "this host's (which dates the page's samples)" : "its", text,
              sizeof text);
    doctor_tell(l->d,
                beyond        ? MARK_FAIL
                : apart.known ? MARK_OK
                              : MARK_NOTE,
                subject,
                beyond ? "Let both follow a time server; until they agree nothing that is measured counts." : "", "%s",
                text);
}

/* What telemetry calls the devices, where that is not their id. */
static bool name_devices(struct look *l, const char *subject)
{
    const char *key = l->f->telemetry.join.attribute;
    size_t n = watch_set_size(l->devices), got = 0;
    struct attribute_table *t = ARENA_NEW(&l->arena, struct attribute_table);
    struct ask *q = question(l);

    if (!key || !*key || n == 0 || !l->b)
        return true;
    const char **ids = ARENA_ARRAY(&l->arena, const char *, n);
    for (size_t i = 0; i < n; i++)
        ids[i] = watch_set_id(l->devices, i, &l->arena);
    l->b->ops->attributes(l->b, ids, n, &key, 1, n, true, &l->arena, t, ask_done, q);
    if (!ask_wait(l->http, q, l->d->timeout)) {
        say_refused(l, q, "attributes of devices", "telemetry knows devices by one, so that none would be judged");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = t->v[i] < 0 ? "" : t->names[t->v[i]];
        got += *name != '\0';
        watch_set_name(l->devices, name, strlen(name));
    }
    if (got < n)
        doctor_tell(l->d, got == 0 ? MARK_FAIL : MARK_NOTE, subject, "Look at `andon get devices ID`, and at join.map.",
                    "%zu of the %zu devices looked at have the attribute %.64s, by which telemetry knows them", got, n,
                    key);
    return true;
}

static void check_telemetry(struct look *l)
{
    struct telemetry_probe *probe = ARENA_NEW(&l->arena, struct telemetry_probe);
    struct telemetry *t;
    struct ask *q = question(l);
    struct err e = {0};
    char subject[100];

    snprintf(subject, sizeof subject, "%.70s telemetry", l->f->name);
    if (l->f->telemetry.kind == TELEMETRY_NONE) {
        doctor_tell(l->d, MARK_NOTE, subject, "Add `telemetry:` to the fleet; see andon-config(5).",
                    "no telemetry: only install failures can halt a rollout");
        return;
    }
    t = telemetry_open(l->http, clock_real(), &l->f->telemetry, &e);
    if (!t) {
        doctor_err(l->d, subject, &e);
        return;
    }
    if (!name_devices(l, subject)) {
        telemetry_free(t);
        return;
    }
    t->ops->probe(t, l->devices, &l->arena, probe, ask_done, q);
    if (ask_wait(l->http, q, l->d->timeout)) {
        say_probe(l, subject, probe);
        compare_clocks(l, subject, q, probe);
    } else
        doctor_err(l->d, subject, &q->err);
    telemetry_free(t);
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
    check_telemetry(&l);
    /* In this order: what is still under way ends first. */
    backend_free(l.b);
    http_free(l.http);
    watch_set_free(l.devices);
    arena_release(&l.arena);
}
