/* Preview: what a verb would do, in lines whose numbers add up. */
#include "core/intent.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "core/clock.h"
#include "core/fmt.h"
#include "core/outlook.h"
#include "core/plan.h"

static void ANDON_PRINTF(5, 6)
    line(struct preview_line *list, size_t *n, const char *mark, int64_t devices, const char *fmt, ...)
{
    va_list ap;

    if (*n >= PREVIEW_LINES)
        return;
    list[*n].mark = mark;
    list[*n].devices = devices;
    va_start(ap, fmt);
    vsnprintf(list[*n].text, sizeof list[*n].text, fmt, ap);
    va_end(ap);
    (*n)++;
}

static void ANDON_PRINTF(3, 4) put(char *out, size_t size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(out, size, fmt, ap);
    va_end(ap);
}

bool preview_advice(const struct preview_line *l)
{
    return l->devices < 0 && strcmp(l->mark, "note") == 0;
}

#define WILL(...) line(p->will, &p->n_will, __VA_ARGS__)
#define WONT(...) line(p->wont, &p->n_wont, __VA_ARGS__)

/* Sums over the waves; over the rollout where the waves are not known. */
struct sums {
    int64_t told, in_flight, waiting, failed, total;
};

static struct sums sum(const struct verb_facts *f)
{
    struct sums s = {0};

    for (size_t i = 0; i < f->n_waves; i++) {
        const struct wave *w = &f->waves[i];
        int64_t told = wave_told(w);

        s.told += told;
        s.total += w->total;
        s.waiting += w->total - told;
        s.in_flight += w->counts.known ? w->counts.running : 0;
        s.failed += w->counts.known ? w->counts.error : 0;
    }
    if (f->n_waves == 0 && f->rollout) {
        const struct counts *c = &f->rollout->counts;

        s.total = f->rollout->total;
        s.waiting = c->known ? c->notstarted + c->scheduled : s.total;
        s.told = s.total > s.waiting ? s.total - s.waiting : 0;
        s.in_flight = c->known ? c->running : 0;
        s.failed = c->known ? c->error : 0;
    }
    return s;
}

/* "hearth 4.12.1", or "" */
static void release_name(char *out, size_t size, const struct rollout *r)
{
    out[0] = '\0';
    if (r && *r->release.name)
        put(out, size, "%s %s", r->release.name, r->release.version);
}

/* What is peculiar to the server, in its words. */
static void say(const struct verb_facts *f, enum backend_say what, struct preview *p)
{
    if (f->says && f->says[what] && *f->says[what])
        WONT("note", -1, "%s", f->says[what]);
}

/* What becomes of the devices that were told and are not done, when it is stopped for good. */
static void preview_stop(const struct intent *in, const struct verb_facts *f, int64_t in_flight, struct preview *p)
{
    enum strength how = intent_strength(in, f);
    bool recall = !(f->caps & CAP_OWN_WAVES) || (f->caps & CAP_RECALL);

    if (in_flight > 0 && how == STRENGTH_FORCE)
        WILL("wait", in_flight, "told and not done: recalled, and cut off where they have begun");
    else if (in_flight > 0 && recall)
        WILL("wait", in_flight, "told and not done: recalled, but some may still install");
    else if (in_flight > 0)
        WONT("note", in_flight, "told and not done: this server cannot recall them, they will get the release");
    if (how == STRENGTH_FORCE)
        WONT("note", -1, "one that is cut off may install it all the same; no report of it is taken then: lost");
    else if (in->strength == STRENGTH_FORCE)
        WONT("note", -1, "by force is not possible here: it is stopped softly, and what has begun goes on");
    else if (recall && strength_can(STRENGTH_FORCE, f->caps) == STRENGTH_FORCE)
        WONT("note", -1, "softly: a device that has begun goes on, and reports; by force it would be cut off");
}

static void preview_halt(const struct intent *in, const struct verb_facts *f, struct preview *p)
{
    struct sums s = sum(f);
    bool stop = intent_strength(in, f) != STRENGTH_POLICY;

    p->devices = s.waiting;
    p->in_flight = s.in_flight;
    WILL("go", s.waiting, "no further device is told: the rollout is %s, and stays so until the halt is acknowledged",
         stop ? "stopped for good" : "paused");
    if (stop)
        preview_stop(in, f, s.in_flight, p);
    else if (s.in_flight > 0)
        WONT("note", s.in_flight, "told and not done: they go on in spite of the halt and will get the release");
    if (s.told - s.in_flight > 0)
        WONT("stay", s.told - s.in_flight, "have answered: nothing changes for them; a roll back brings them back");
    if (!stop && in->strength != STRENGTH_POLICY)
        WONT("note", -1, "this server cannot stop a rollout for good: it is paused");
    say(f, stop ? SAY_STOP : SAY_PAUSE, p);
    if (intent_strength(in, f) == STRENGTH_FORCE)
        say(f, SAY_RECALL, p);
}

static void preview_pause(const struct verb_facts *f, struct preview *p)
{
    struct sums s = sum(f);

    p->devices = s.waiting;
    p->in_flight = s.in_flight;
    WILL("go", s.waiting, "the waves that have not started wait until somebody resumes or advances");
    if (s.in_flight > 0)
        WONT("note", s.in_flight, "told and not done: they go on, a pause does not stop them");
    if (s.told - s.in_flight > 0)
        WONT("stay", s.told - s.in_flight, "have answered: nothing changes for them");
    say(f, SAY_PAUSE, p);
}

static void preview_resume(const struct verb_facts *f, struct preview *p)
{
    struct sums s = sum(f);
    const struct wave *next = next_wave(f);
    int64_t first = next ? next->total - wave_told(next) : 0;

    p->devices = s.waiting;
    p->in_flight = s.in_flight;
    if (next) {
        WILL("go", first, "W%d %s starts as soon as the server's conditions allow, maybe at once", next->index,
             next->name);
        if (s.waiting > first)
            WILL("wait", s.waiting - first, "in the waves after it, by the server's own conditions");
    } else {
        WILL("go", s.waiting, "the rollout goes on by the server's own conditions");
    }
    if (s.told > 0)
        WONT("stay", s.told, "were told before");
    if (f->verdict >= REACT_WATCH)
        WONT("note", -1, "the verdict is %s: look at the wave's health first", reaction_word(f->verdict));
}

/* Start and advance: one wave goes, the rest waits. */
static void preview_wave(const struct intent *in, const struct verb_facts *f, struct preview *p)
{
    struct sums s = sum(f);
    const struct wave *next = in->verb == VERB_START && f->n_waves > 0 ? &f->waves[0] : next_wave(f);
    int64_t n = next ? next->total - wave_told(next) : in->verb == VERB_START ? s.waiting : 0;

    p->devices = n;
    p->in_flight = s.in_flight;
    if (next)
        WILL("go", n, "W%d %s: its devices are told to install", next->index, next->name);
    else if (n > 0)
        WILL("go", n, "are told to install, as the server's waves say");
    if (s.waiting > n) {
        if (f->policy && f->policy->promotion == PROMOTE_HOLD)
            WONT("wait", s.waiting - n, "in later waves: andon holds until a person advances");
        else
            WONT("wait", s.waiting - n, "in later waves: the server starts them by its own conditions");
    }
    if (s.told > 0)
        WONT("stay", s.told, "were told before");
    if (next && next->failure.present && !next->failure.can_fire)
        WONT("note", -1, "the error threshold of W%d (%s) never fires: only andon would stop it", next->index,
             next->failure.text);
    if (f->verdict >= REACT_WATCH)
        WONT("note", -1, "the verdict is %s: look at the wave's health first", reaction_word(f->verdict));
}

static void preview_simple(const struct intent *in, const struct verb_facts *f, struct preview *p)
{
    struct sums s = sum(f);

    p->in_flight = s.in_flight;
    switch (in->verb) {
    case VERB_APPROVE:
        p->devices = s.total;
        WILL("go", s.total, "may be told once somebody starts the rollout");
        break;
    case VERB_DENY:
        p->devices = s.total;
        WILL("refuse", s.total, "are never told: a denial is final");
        break;
    case VERB_RETRY:
        p->devices = s.failed;
        WILL("go", s.failed, "failed and are told again, in a new rollout that the server makes");
        if (s.told > s.failed)
            WONT("stay", s.told - s.failed, "did not fail");
        break;
    case VERB_ACK:
        WILL("note", -1, "the halt is acknowledged; other verbs are possible again");
        WONT("stay", s.total, "nothing changes for any device: the rollout stays as the server has it");
        break;
    case VERB_NONE:
    case VERB_START:
    case VERB_ADVANCE:
    case VERB_PAUSE:
    case VERB_RESUME:
    case VERB_HALT:
    case VERB_ROLLBACK:
    case VERB_COUNT:
        break;
    }
}

/* "W0-W2,W5" of the chosen waves; false when it does not fit. */
static bool wave_list(const struct intent *in, const struct verb_facts *f, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < f->n_waves; i++) {
        int from = f->waves[i].index, to = from, n;

        if (!intent_has_wave(in, from) || wave_told(&f->waves[i]) == 0)
            continue;
        while (i + 1 < f->n_waves && intent_has_wave(in, f->waves[i + 1].index) && wave_told(&f->waves[i + 1]) > 0)
            to = f->waves[++i].index;
        n = to > from ? snprintf(out + len, size - len, "%sW%d-W%d", len ? "," : "", from, to)
                      : snprintf(out + len, size - len, "%sW%d", len ? "," : "", from);
        if (n < 0 || (size_t)n >= size - len)
            return false;
        len += (size_t)n;
    }
    return true;
}

#define FROM_MAX 5 /* versions with a line of their own */

/* Devices of a roll back by what will become of them; the classes are disjoint. */
struct classes {
    struct {
        const char *from;
        int64_t n;
    } go[FROM_MAX];
    size_t n_go;
    int64_t other, unknown, pending, failed, offline, listed, asked;
};

static void classify(const struct intent *in, const struct preview_device *d, size_t n, struct classes *c)
{
    memset(c, 0, sizeof *c);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        if (!d[i].told || !intent_has_wave(in, d[i].wave))
            continue;
        c->listed++;
        c->asked += d[i].asked && d[i].from && *d[i].from;
        if (d[i].overdue) {
            c->offline++;
        } else if (d[i].status == DEVICE_ERROR) {
            c->failed++;
        } else if (d[i].status == DEVICE_PENDING) {
            c->pending++;
        } else if (!d[i].from || !*d[i].from) {
            c->unknown++;
        } else {
            while (k < c->n_go && strcmp(c->go[k].from, d[i].from) != 0)
                k++;
            if (k == FROM_MAX) {
                c->other++;
                continue;
            }
            if (k == c->n_go) {
                c->go[k].from = d[i].from;
                c->n_go++;
            }
            c->go[k].n++;
        }
    }
}

const char *target_state_word(enum target_state s)
{
    static const char *const words[] = {"asking", "found", "missing", "barred", "unknown"};

    return (size_t)s < sizeof words / sizeof *words ? words[s] : "unknown";
}

bool release_named(const struct release *r, const char *name_version)
{
    size_t n = strlen(r->name);

    return strncmp(name_version, r->name, n) == 0 && name_version[n] == ':' &&
           strcmp(name_version + n + 1, r->version) == 0;
}

/* The one that most devices in scope came from, whatever became of them since; "" = none is known. */
static const char *previous(const struct intent *in, const struct verb_facts *f, const struct preview_device *d,
                            size_t n)
{
    struct {
        const char *from;
        int64_t n;
    } v[4 * FROM_MAX];
    size_t n_v = 0, best = 0;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        if (!d[i].told || !intent_has_wave(in, d[i].wave) || !d[i].from || !*d[i].from ||
            (f->rollout && release_named(&f->rollout->release, d[i].from)))
            continue;
        while (k < n_v && strcmp(v[k].from, d[i].from) != 0)
            k++;
        if (k == sizeof v / sizeof *v)
            continue;
        if (k == n_v) {
            v[n_v].from = d[i].from;
            v[n_v++].n = 0;
        }
        v[k].n++;
    }
    for (size_t k = 1; k < n_v; k++)
        if (v[k].n > v[best].n)
            best = k;
    return n_v > 0 ? v[best].from : "";
}

/* The release to go back to: named, by policy, or the previous one. */
static void target_release(const struct intent *in, const struct verb_facts *f, const struct preview_device *devices,
                           size_t n, struct preview *p)
{
    const char *policy = f->policy && f->policy->rollback_to ? f->policy->rollback_to : "";
    const char *to = *in->to_release ? in->to_release : policy;

    put(p->to, sizeof p->to, "%s", strcmp(to, "previous") == 0 ? previous(in, f, devices, n) : to);
}

/* It is known that there is no way back to this one. */
static bool no_way_back(const struct verb_facts *f, const char *to)
{
    const struct rollback_target *t = f->target;

    return t && t->name && strcmp(t->name, to) == 0 && (t->state == TARGET_MISSING || t->state == TARGET_BARRED);
}

static void rollback_lines(const struct classes *c, int64_t scope, struct preview *p)
{
    const char *to = *p->to ? p->to : "the release before";

    for (size_t k = 0; k < c->n_go; k++) {
        if (!*p->to || strcmp(c->go[k].from, p->to) == 0)
            WILL("go", c->go[k].n, "go back to %s, which they came from", *p->to ? p->to : c->go[k].from);
        else
            WILL("go", c->go[k].n, "go to %s, although they came from %s", to, c->go[k].from);
    }
    if (c->other > 0)
        WILL("go", c->other, "go to %s, although they came from other releases", to);
    if (c->unknown > 0 && c->asked > 0)
        WILL("go", c->unknown, "go to %s; what they came from is not known: %lld of %lld devices were asked", to,
             (long long)c->asked, (long long)c->listed);
    else if (c->unknown > 0)
        WILL("go", c->unknown, "go to %s; what they came from is not known", to);
    if (c->pending > 0)
        WILL("wait", c->pending, "told and not done: recalled first, those that install all the same go back");
    if (c->failed > 0)
        WILL("wait", c->failed, "failed to install: told %s, and their real state is verified", to);
    if (c->offline > 0)
        WILL("offline", c->offline, "offline: go back when they next make contact");
    if (scope > c->listed)
        WILL("go", scope - c->listed, "go to %s%s", to,
             c->listed > 0 ? "; not in the list of devices read so far" : "");
}

/* Steps that are left out: the server, or its user here, cannot do them. */
static void left_out(const struct verb_facts *f, struct preview *p)
{
    static const struct {
        uint32_t cap;
        const char *text;
    } steps[] = {
        {CAP_AUTO_ASSIGN, "this server has no call that stops it from giving the release to new devices: look there"},
        {CAP_ACTION_LIST, "this server does not say which recalled devices have answered: nobody waits for them"},
        {CAP_OFFLINE, "a device that the server takes for done cannot be told once more: it is named at the end"},
        {CAP_DOWNGRADE, "this server takes no older release: only one of a higher order"},
    };

    for (size_t i = 0; f->caps != 0 && i < sizeof steps / sizeof *steps; i++)
        if (!(f->caps & steps[i].cap))
            WONT("note", -1, "%s", steps[i].text);
    say(f, SAY_ROLLBACK, p);
    say(f, SAY_RECALL, p);
}

static void preview_rollback(const struct intent *in, const struct verb_facts *f, const struct preview_device *devices,
                             size_t n_devices, struct preview *p)
{
    struct sums s = sum(f);
    struct classes c;
    char waves[80] = "ALL";
    int64_t scope = rollback_scope(in, f);

    p->in_flight = s.in_flight;
    classify(in, devices, n_devices, &c);
    target_release(in, f, devices, n_devices, p);
    if (no_way_back(f, p->to)) {
        WONT("refuse", scope, "go to %s: they stay as they are", p->to);
    } else if (c.listed >
               scope) { /* the list and the counts are of different moments: the counts are what is confirmed */
        int64_t listed = c.listed;

        memset(&c, 0, sizeof c);
        rollback_lines(&c, scope, p);
        WONT("note", -1, "the list of devices holds %lld: the snapshot taken when it starts decides",
             (long long)listed);
    } else {
        rollback_lines(&c, scope, p);
    }
    p->devices = scope;
    if (s.told > scope)
        WONT("stay", s.told - scope, "told in waves that are not chosen: they keep the release");
    if (s.waiting > 0 && (f->caps & CAP_STOP))
        WONT("refuse", s.waiting, "were never told, and never will be by this rollout: it is stopped for good");
    else if (s.waiting > 0)
        WONT("refuse", s.waiting, "were never told, and are not while this rollout is paused: it cannot be stopped");
    left_out(f, p);
    if (!in->all_waves && !wave_list(in, f, waves, sizeof waves))
        put(waves, sizeof waves, "WAVES");
    /* Of a plan's id as much as tells it from others at a glance: nobody types sixteen digits at night. */
    put(p->phrase, sizeof p->phrase, "%s/%.*s %s %lld", in->fleet, plan_is_id(in->rollout) ? PLAN_TYPED : ID_MAX,
        in->rollout, waves, (long long)p->devices);
}

/* "emea/4471 (prod) hearth 4.12.1": the environment only where the fleet's name does not say it. */
static void title(const struct intent *in, const struct verb_facts *f, struct preview *p)
{
    const char *env = f->environment ? f->environment : "";
    char release[200], where[80] = "";

    release_name(release, sizeof release, *in->rollout ? f->rollout : NULL);
    if (*env && !strcasestr(in->fleet, env))
        put(where, sizeof where, " (%.70s)", env);
    put(p->title, sizeof p->title, "%s %s%s%s%s%s%s%s", verb_row(in->verb)->title,
        *in->rollout ? "" : "every rollout of ", in->fleet, *in->rollout ? "/" : "", in->rollout, where,
        *release ? " " : "", release);
}

void preview_make(const struct intent *in, const struct verb_facts *f, const struct preview_device *devices,
                  size_t n_devices, int64_t now, struct preview *p)
{
    memset(p, 0, sizeof *p);
    p->verb = in->verb;
    p->taken_at = now;
    title(in, f, p);
    switch (in->verb) {
    case VERB_HALT:
        preview_halt(in, f, p);
        break;
    case VERB_PAUSE:
        preview_pause(f, p);
        break;
    case VERB_RESUME:
        preview_resume(f, p);
        break;
    case VERB_START:
    case VERB_ADVANCE:
        preview_wave(in, f, p);
        break;
    case VERB_ROLLBACK:
        preview_rollback(in, f, devices, n_devices, p);
        break;
    case VERB_APPROVE:
    case VERB_DENY:
    case VERB_RETRY:
    case VERB_ACK:
        preview_simple(in, f, p);
        break;
    case VERB_NONE:
    case VERB_COUNT:
        break;
    }
    outlook_preview(in, f, p);
}
