/* andon backend check: plays the device part of client/backend.h against a back end, and says of each clause whether it
 * holds. Nothing is changed without --play. */
#include "cli/backend_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "client/plugin.h"
#include "core/clock.h"
#include "core/fmt.h"

#define LOOK_AT 500
#define ABSENT  "andon-check-no-such-device"

/* ---- saying ---- */

static void say(struct check *c, enum clause is, const char *name, const char *why)
{
    static const char *const words[] = {"ok", "FAIL", "skipped"};
    c->passed += is == CLAUSE_OK;
    c->failed += is == CLAUSE_FAIL;
    c->skipped += is == CLAUSE_SKIPPED;
    if (!c->args->json) {
        printf("%-8s %s%s%s\n", words[is], name, *why ? ": " : "", why);
        fflush(stdout);
        return;
    }
    json_w_obj(&c->json.w);
    json_w_kstr(&c->json.w, "result", is == CLAUSE_FAIL ? "failed" : words[is]);
    json_w_kstr(&c->json.w, "clause", name);
    json_w_kstr(&c->json.w, "why", why);
    json_w_obj_end(&c->json.w);
}

void clause(struct check *c, enum clause is, const char *name, const char *fmt, ...)
{
    char why[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    say(c, is, name, why);
}

bool clause_if(struct check *c, bool holds, const char *name, const char *fmt, ...)
{
    char why[700] = "";
    va_list ap;
    va_start(ap, fmt);
    if (!holds)
        vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    say(c, holds ? CLAUSE_OK : CLAUSE_FAIL, name, why);
    return holds;
}

/* The call failed: its error is the reason. Beyond the server: skipped. */
static void clause_err(struct check *c, const char *name, const struct asked *q)
{
    bool beyond = q->err.code == ERR_UNSUPPORTED || q->err.code == ERR_RANGE;
    clause(c, beyond ? CLAUSE_SKIPPED : CLAUSE_FAIL, name, "%s%s%s", q->err.code ? q->err.what : "it was done",
           q->err.cause[0] ? ": " : "", q->err.cause);
}

/* ---- asking ---- */

struct asked *asked_new(struct check *c)
{
    return ARENA_NEW(&c->arena, struct asked);
}

void asked_done(void *ctx, const struct reply *r)
{
    struct asked *q = ctx;
    q->done = true;
    q->maybe_sent = r->maybe_sent;
    if (r->err)
        q->err = *r->err;
}

bool asked_wait(struct check *c, struct asked *q)
{
    /* A back end keeps its own time: this is only for one that never answers. */
    int64_t until = clock_now(clock_real()) + 13 * c->timeout;
    while (!q->done && clock_now(clock_real()) < until)
        http_run(c->http, -1, until, 0);
    if (!q->done)
        err_set(&q->err, ERR_TIMEOUT, "", "the call never ended");
    return q->err.code == ERR_NONE;
}

static bool fails_as(struct check *c, const char *name, const struct asked *q, enum err_code wanted)
{
    return clause_if(c, q->err.code == wanted, name, "expected %s, got %s: %s", err_word(wanted),
                     q->err.code ? err_word(q->err.code) : "an answer", q->err.what);
}

/* ---- the greeting ---- */

static void calls_and_caps(struct check *c)
{
    const struct backend_ops *o = c->b->ops;
    uint32_t caps = c->info.caps;
    const char *lacks = caps & CAP_TELL && (!o->tell || !o->standing || o->tell_most < 1) ? "tell, without its calls"
                        : caps & CAP_RECALL && !o->recall                                 ? "recall, without its call"
                        : caps & CAP_FORCE && !(caps & (CAP_RECALL | CAP_STOP))           ? "force, without a recall"
                        : caps & CAP_ROLLOUTS && !(o->rollouts && o->waves && o->verb)    ? "rollouts, without calls"
                                                                                          : NULL;
    clause_if(c, !lacks, "what it can do, it has the calls for", "it says that it can %s", lacks ? lacks : "");
}

static bool greeting(struct check *c)
{
    struct asked *q;
    struct backend_info *again = ARENA_NEW(&c->arena, struct backend_info);
    if (!CHECK_ASK(c, q, probe, &c->arena, &c->info)) {
        clause(c, CLAUSE_FAIL, "it says what it is", "%s%s%s", q->err.what, q->err.cause[0] ? ": " : "", q->err.cause);
        return false;
    }
    clause(c, CLAUSE_OK, "it says what it is", "%s %s, as %s", c->info.kind, c->info.version,
           c->info.user && *c->info.user ? c->info.user : "an unnamed user");
    if (CHECK_ASK(c, q, probe, &c->arena, again))
        clause_if(c, again->caps == c->info.caps, "it says the same again", "%#x, then %#x", c->info.caps, again->caps);
    else
        clause_err(c, "it says the same again", q);
    calls_and_caps(c);
    return true;
}

/* ---- releases ---- */

static bool plain_id(const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++)
        if (s[i] <= ' ' || s[i] > '~')
            return false;
    return n > 0 && n < ID_MAX;
}

static void look_up(struct check *c, const struct release *wanted)
{
    struct release *r = ARENA_NEW(&c->arena, struct release);
    struct asked *q;
    if (CHECK_ASK(c, q, release, wanted->id, NULL, NULL, &c->arena, r))
        clause_if(c, strcmp(r->id, wanted->id) == 0 && strcmp(r->version, wanted->version) == 0,
                  "a release is found by its id", "another one came");
    else
        clause_err(c, "a release is found by its id", q);
    if (CHECK_ASK(c, q, release, NULL, wanted->name, wanted->version, &c->arena, r))
        clause_if(c, strcmp(r->id, wanted->id) == 0, "a release is found by its name and version", "another one came");
    else
        clause_err(c, "a release is found by its name and version", q);
    CHECK_ASK(c, q, release, NULL, wanted->name, "andon-check-no-such-version", &c->arena, r);
    fails_as(c, "a release that is not there is not found", q, ERR_NOT_FOUND);
}

static void releases(struct check *c)
{
    struct release_list *few = ARENA_NEW(&c->arena, struct release_list);
    struct asked *q;
    if (!CHECK_ASK(c, q, releases, LOOK_AT, &c->arena, &c->releases)) {
        clause_err(c, "releases can be read", q);
        return;
    }
    const struct release_list *l = &c->releases;
    const char *odd = NULL;
    bool falls = true;
    for (size_t i = 0; i < l->n; i++) {
        odd = plain_id(l->v[i].id) ? odd : "an id that is not plain";
        for (size_t k = 0; k < i; k++)
            odd = strcmp(l->v[i].id, l->v[k].id) == 0 ? "an id twice" : odd;
        falls = falls && (i == 0 || !l->v[i].order || !l->v[i - 1].order || l->v[i].order < l->v[i - 1].order);
    }
    clause_if(c, !odd, "releases can be read", "%s", odd ? odd : "");
    clause_if(c, falls, "releases come newest first", "their order rises on the way");
    if (l->n == 0) {
        clause(c, CLAUSE_SKIPPED, "a release is found", "there is none");
        return;
    }
    if (CHECK_ASK(c, q, releases, 1, &c->arena, few))
        clause_if(c, few->n == 1, "no more releases than asked for", "asked for 1, got %zu", few->n);
    else
        clause_err(c, "no more releases than asked for", q);
    look_up(c, &l->v[0]);
}

/* ---- devices ---- */

static bool listed(const struct device_list *l, const char *raw_id)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i].raw_id, raw_id) == 0)
            return true;
    return false;
}

static void filters(struct check *c)
{
    struct device_list *got = ARENA_NEW(&c->arena, struct device_list);
    const char *two[2] = {c->devices.v[0].raw_id, c->devices.v[c->devices.n > 1].raw_id}, *none[] = {ABSENT};
    size_t n = c->devices.n > 1 ? 2 : 1;
    struct asked *q;
    struct device_filter f = {.include = two, .n_include = n, .only_include = true};
    if (CHECK_ASK(c, q, devices, &f, LOOK_AT, &c->arena, got))
        clause_if(c, got->n == n && listed(got, two[0]) && listed(got, two[n - 1]), "devices are found by name",
                  "asked for %zu, got %zu", n, got->n);
    else
        clause_err(c, "devices are found by name", q);
    f.include = none;
    f.n_include = 1;
    if (CHECK_ASK(c, q, devices, &f, LOOK_AT, &c->arena, got))
        clause_if(c, got->n == 0, "a device that is not there is not listed", "%zu came", got->n);
    else
        clause_err(c, "a device that is not there is not listed", q);
    f = (struct device_filter){.exclude = two, .n_exclude = 1};
    if (CHECK_ASK(c, q, devices, &f, LOOK_AT, &c->arena, got))
        clause_if(c, !listed(got, two[0]) && (c->devices.n == LOOK_AT || got->n == c->devices.n - 1),
                  "a device is left out by name", "%zu came of %zu", got->n, c->devices.n);
    else
        clause_err(c, "a device is left out by name", q);
}

static void devices(struct check *c)
{
    struct device_list *few = ARENA_NEW(&c->arena, struct device_list);
    struct asked *q;
    if (!CHECK_ASK(c, q, devices, NULL, LOOK_AT, &c->arena, &c->devices)) {
        clause_err(c, "devices can be read", q);
        return;
    }
    const struct device_list *l = &c->devices;
    const char *odd = l->total < (int64_t)l->n ? "a total below what came" : NULL;
    for (size_t i = 0; i < l->n; i++) {
        odd = *l->v[i].raw_id ? odd : "an empty id";
        for (size_t k = 0; k < i; k++)
            odd = strcmp(l->v[i].raw_id, l->v[k].raw_id) == 0 ? "an id twice" : odd;
    }
    clause_if(c, !odd, "devices can be read", "%s", odd ? odd : "");
    if (l->n == 0) {
        clause(c, CLAUSE_SKIPPED, "devices are found by name", "there is none");
        return;
    }
    if (CHECK_ASK(c, q, devices, NULL, 1, &c->arena, few))
        clause_if(c, few->n == 1 && few->total >= 1, "no more devices than asked for", "asked for 1, got %zu", few->n);
    else
        clause_err(c, "no more devices than asked for", q);
    filters(c);
}

static void one_device(struct check *c)
{
    struct device_info *other = ARENA_NEW(&c->arena, struct device_info);
    struct asked *q;
    if (!c->b->ops->device || c->devices.n == 0) {
        clause(c, CLAUSE_SKIPPED, "one device can be read", c->devices.n ? "it has no call for that" : "there is none");
        return;
    }
    if (!CHECK_ASK(c, q, device, c->devices.v[0].raw_id, &c->arena, &c->one)) {
        clause_err(c, "one device can be read", q);
        return;
    }
    clause_if(c, strcmp(c->one.device.raw_id, c->devices.v[0].raw_id) == 0, "one device can be read",
              "another one came");
    CHECK_ASK(c, q, device, ABSENT, &c->arena, other);
    fails_as(c, "a device that is not there is not found", q, ERR_NOT_FOUND);
}

/* ---- where they stand ---- */

struct device_standing check_standing(struct check *c, const struct release *r, const char *raw_id)
{
    struct device_standing *s = ARENA_NEW(&c->arena, struct device_standing);
    struct asked *q;
    CHECK_ASK(c, q, standing, r, &raw_id, 1, &c->arena, s);
    return *s;
}

static void installed_agrees(struct check *c)
{
    const struct release *r = &c->one.installed;
    if (!r->id || !*r->id) {
        clause(c, CLAUSE_SKIPPED, "a device stands where it is shown", "no device is known to have a release");
        return;
    }
    struct device_standing s = check_standing(c, r, c->one.device.raw_id);
    clause_if(c, s.at == AT_INSTALLED, "a device stands where it is shown",
              "it is shown with the release %s, and does not stand as installed", r->id);
}

static void standing(struct check *c)
{
    size_t n = c->devices.n < 100 ? c->devices.n : 100, known = 0, absent = 0, moved = 0;
    struct device_list *after = ARENA_NEW(&c->arena, struct device_list);
    struct asked *q;
    if (!c->b->ops->standing || !n || !c->releases.n) {
        clause(c, CLAUSE_SKIPPED, "where devices stand can be read",
               c->b->ops->standing ? "there is no device, or no release" : "it has no call for that");
        return;
    }
    const char **ids = ARENA_ARRAY(&c->arena, const char *, n + 2);
    struct device_standing *s = ARENA_ARRAY(&c->arena, struct device_standing, n + 2), *t;
    for (size_t i = 0; i < n; i++)
        ids[i] = c->devices.v[i].raw_id;
    ids[n] = ABSENT;
    ids[n + 1] = ids[0]; /* named twice */
    if (!CHECK_ASK(c, q, standing, &c->releases.v[0], ids, n + 2, &c->arena, s)) {
        clause_err(c, "where devices stand can be read", q);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        known += s[i].at != AT_UNKNOWN;
        absent += s[i].at == AT_ABSENT;
    }
    clause_if(c, known == n && absent == 0, "where devices stand can be read",
              "of %zu that it lists, it says nothing of %zu and that %zu are not there", n, n - known, absent);
    clause_if(c, s[n].at == AT_ABSENT || s[n].at == AT_UNKNOWN, "one that is not there stands nowhere",
              "it is said to stand somewhere");
    clause_if(c, s[n + 1].at == s[0].at, "one that is named twice stands in one place", "in two");
    t = ARENA_ARRAY(&c->arena, struct device_standing, n + 2);
    if (CHECK_ASK(c, q, devices, NULL, LOOK_AT, &c->arena, after) &&
        clause_if(c, after->total == c->devices.total && !listed(after, ABSENT), "asking creates nothing",
                  "%lld devices before, %lld after", (long long)c->devices.total, (long long)after->total) &&
        CHECK_ASK(c, q, standing, &c->releases.v[0], ids, n + 2, &c->arena, t)) {
        for (size_t i = 0; i < n; i++)
            moved += s[i].told_at != t[i].told_at && s[i].at == t[i].at;
        clause_if(c, moved == 0, "when a device was told stays", "%zu were told at another time when asked again",
                  moved);
    } else if (q->err.code) {
        clause_err(c, "asking creates nothing", q);
    }
    installed_agrees(c);
}

static void attributes(struct check *c)
{
    struct attribute_table *t = ARENA_NEW(&c->arena, struct attribute_table);
    struct asked *q;
    if (!c->b->ops->attributes || c->one.n_attributes == 0) {
        clause(c, CLAUSE_SKIPPED, "attributes can be read", "%s",
               c->b->ops->attributes ? "the first device has none" : "it has no call for that");
        return;
    }
    const char *key = c->one.attributes[0][0], *ids[] = {c->devices.v[0].raw_id, ABSENT};
    if (!CHECK_ASK(c, q, attributes, ids, 2, &key, 1, 2, true, &c->arena, t)) {
        clause_err(c, "attributes can be read", q);
        return;
    }
    bool same = t->v[0] >= 0 && strcmp(t->names[t->v[0]], c->one.attributes[0][1]) == 0;
    clause_if(c, same && t->v[1] == -1, "attributes can be read", "they are not what the device is shown with");
}

/* ---- a plug-in's lines ---- */

static void lines(struct check *c, pid_t pid)
{
    struct plugin_box box;
    struct asked *q = asked_new(c);
    plugin_ask_unknown(c->b, asked_done, q);
    asked_wait(c, q);
    fails_as(c, "an operation that there is not is unsupported", q, ERR_UNSUPPORTED);
    clause_if(c, plugin_pid(c->b) == pid && pid > 0, "it is still the process that was started", "it ended on the way");
    if (plugin_sandboxed(c->b, &box))
        clause(c, box.landlock ? CLAUSE_OK : CLAUSE_SKIPPED, "the kernel holds it to its files",
               box.landlock ? "Landlock" : "this kernel has no Landlock");
    clause_if(c, plugin_end(c->b), "it ends when its input ends", "it had to be killed after 2 s");
}

bool check_run(struct check *c)
{
    bool plugin = plugin_is(c->b);
    if (!greeting(c))
        return false;
    pid_t pid = plugin ? plugin_pid(c->b) : 0;
    releases(c);
    devices(c);
    one_device(c);
    standing(c);
    attributes(c);
    check_play(c);
    if (plugin)
        lines(c, pid);
    return true;
}
