/* andon doctor about a telemetry source: not only whether it answers, but whether what it answers is about this fleet,
 * and what of it could not be judged, or would be misjudged. */
#include <stdio.h>
#include <string.h>
#include "cli/doctor.h"
#include "client/telemetry.h"
#include "core/clock.h"
#include "core/fmt.h"

#define ENOUGH 0.8 /* of the devices with figures; fewer are worth a note */

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

/* One of them, so that a unit or a label that is not meant is seen, and what of the values is no use. */
static void say_values(struct look *l, const char *subject, const struct telemetry_query *q)
{
    bool whole = q->value < 1e15 && q->value == (double)(int64_t)q->value;
    char text[FMT_MAX];

    if (*q->of)
        doctor_tell(l->d, MARK_OK, subject, "", "%s: e.g. %.100s has %s%s%.170s", q->what, q->of,
                    whole ? fmt_count(text, (int64_t)q->value) : fmt_num(text, q->value), *q->labels ? " by " : "",
                    q->labels);
    if (q->unusable > 0)
        doctor_tell(l->d, *q->of ? MARK_NOTE : MARK_FAIL, subject,
                    q->below ? "Write a query whose values are numbers; others are as if there were none."
                             : "Write a query whose values are numbers from 0 on; others are as if there were none. "
                               "A metric of your own that may be below 0 has `compare: difference`.",
                    "%s: of its values %zu are %sno numbers", q->what, q->unusable, q->below ? "" : "below 0 or ");
}

/* Of a policy's own metric: what its kind asks of the query. */
static void say_own(struct look *l, const char *subject, const struct telemetry_metric *m,
                    const struct telemetry_query *q)
{
    static const char total[] = "_total";
    size_t n = watch_set_size(l->devices), len = strlen(m->query);
    bool page = l->f->telemetry.kind == TELEMETRY_OPENMETRICS;

    if (m->counter && n > 0 && q->devices < n && (q->series == 0 || q->devices > 0))
        doctor_tell(l->d, MARK_NOTE, subject,
                    page ? "Let devices export it from the start, as 0."
                         : "Let the query give 0 until then: `max by ($label) (QUERY) or max by ($label) (0 * up)`.",
                    "%s: %zu of the %zu devices looked at have none, and are not judged by it; where a counter is not "
                    "there before its first event, that event is not seen",
                    q->what, n - q->devices, n);
    if (!m->counter && len > sizeof total && strcmp(m->query + len - (sizeof total - 1), total) == 0)
        doctor_tell(l->d, MARK_NOTE, subject, "Say `kind: counter` in the policy, or take its rate() in the query.",
                    "%s: by its name it is a counter, and the policy takes it for a level", q->what);
}

/* Several series of a device: which of them count. */
static void say_several(struct look *l, const char *subject, const struct telemetry_query *q, bool own)
{
    static const char newest[] = "the newest sample's counts; of several of one time those that differ only in job, "
                                 "instance or replica count once, others are added";
    static const char furthest[] = "those that have all labels of a series of the reboots count as those do; of others "
                                   "the furthest on counts, and what the rest count is not seen";
    static const char followed[] = "each is followed, and those that differ only in job, instance or replica are one";
    bool page = l->f->telemetry.kind == TELEMETRY_OPENMETRICS;
    char example[400] = "";

    if (*q->one)
        snprintf(example, sizeof example, ", e.g. %.170s and %.170s", q->one, q->other);
    if (q->several > 0)
        doctor_tell(l->d, MARK_NOTE, subject,
                    !q->counter    ? "Write `max by` or `avg by` into the query if something else is meant."
                    : own && !page ? "Write `sum by ($label) (QUERY)` where they are parts of a whole."
                                   : "",
                    "%s: %zu devices have several series%s: %s", q->what, q->several, example,
                    !q->counter ? "their mean counts"
                    : page      ? followed
                    : own       ? furthest
                                : newest);
}

/* Two that are both alive, each with labels of its own. */
static void say_turns(struct look *l, const char *subject, const struct telemetry_probe *p)
{
    char example[400] = "";

    if (*p->one)
        snprintf(example, sizeof example, ", e.g. %.170s and %.170s", p->one, p->other);
    if (p->alternating > 0)
        doctor_tell(l->d, MARK_FAIL, subject,
                    "Name one of them in the queries, as in `reboots: device_reboots_total{job=\"node\"}`.",
                    "of %zu devices now one series has the newest sample, now another%s: a counter that jumps from one "
                    "to the other looks like reboots",
                    p->alternating, example);
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
            say_values(l, subject, q);
            say_several(l, subject, q, i >= COL_BUILTIN);
        } else if (q->what && any > 0 && !(i >= COL_BUILTIN && q->counter))
            doctor_tell(l->d, MARK_NOTE, subject, "Look at the query, and whether devices export it.",
                        "%s: no series; it is not judged", q->what);
        if (q->what && i >= COL_BUILTIN && any > 0)
            say_own(l, subject, &l->f->telemetry.own[i - COL_BUILTIN], q);
    }
    say_turns(l, subject, p);
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
    struct ask *q = look_question(l);

    if (!key || !*key || n == 0 || !l->b)
        return true;
    const char **ids = ARENA_ARRAY(&l->arena, const char *, n);
    for (size_t i = 0; i < n; i++)
        ids[i] = watch_set_id(l->devices, i, &l->arena);
    l->b->ops->attributes(l->b, ids, n, &key, 1, n, true, &l->arena, t, ask_done, q);
    if (!ask_wait(l->http, q, l->d->timeout)) {
        look_refused(l, q, "attributes of devices", "telemetry knows devices by one, so that none would be judged");
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

/* How old the newest sample is by the source's own clock. One that is of the future was dated by another clock. */
static void say_newest(struct look *l, const char *subject, const struct ask *q, const struct telemetry_probe *p)
{
    int64_t age = q->date - p->newest;
    char b[FMT_MAX];

    if (p->newest == 0 || q->date == 0 || p->our_clock)
        return;
    if (age < -skew_tolerance(l->f->policy->grace_us) - US_PER_S)
        doctor_tell(l->d, MARK_FAIL, subject, "Let whatever dates the samples follow a time server too.",
                    "the newest sample is dated %s after the source's own clock: who dates it has another one",
                    fmt_dur(b, -age));
    else
        doctor_tell(l->d, MARK_OK, subject, "", "the newest sample is %s old", fmt_dur(b, age < 0 ? 0 : age));
}

void doctor_telemetry(struct look *l)
{
    struct telemetry_probe *probe = ARENA_NEW(&l->arena, struct telemetry_probe);
    struct telemetry *t;
    struct ask *q = look_question(l);
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
        say_newest(l, subject, q, probe);
    } else
        doctor_err(l->d, subject, &q->err);
    telemetry_free(t);
}
