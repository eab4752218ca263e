/* andon backend check --play: tells one device of a fleet that may be thrown away, recalls it, and looks what became of
 * it: by its standing, for a yes is not an outcome. */
#include <string.h>
#include "cli/backend_check.h"
#include "core/clock.h"

#define LOOK_US (200 * US_PER_MS)
#define KEY     "andon-check-%llx"

struct play {
    struct check *c;
    const struct release *r;
    const char *device;
    char key[40];
};

static const char *const at_words[] = {
    "not known", "not there", "neither told nor installed", "told", "busy", "installed", "failed", "recalled", "lost"};

/* Looks until the device stands so, for as long as one answer may take. */
static bool comes_to(struct play *p, unsigned wanted, struct device_standing *s)
{
    int64_t until = clock_now(clock_real()) + p->c->timeout;
    for (;;) {
        *s = check_standing(p->c, p->r, p->device);
        int64_t now = clock_now(clock_real());
        if (wanted >> s->at & 1 || now >= until)
            return wanted >> s->at & 1;
        while (clock_now(clock_real()) < now + LOOK_US)
            http_run(p->c->http, -1, now + LOOK_US, 0);
    }
}

/* NULL: the call failed, and the clause says so. */
static const struct tell_result *verb(struct play *p, const char *name, const char *device, bool recall,
                                      const char *undo)
{
    struct check *c = p->c;
    struct tell_result *out = ARENA_NEW(&c->arena, struct tell_result);
    struct asked *q;
    bool ok = recall ? CHECK_ASK(c, q, recall, p->r, &device, 1, p->key, &undo, false, &c->arena, out)
                     : CHECK_ASK(c, q, tell, p->r, &device, 1, p->key, &c->arena, out);
    if (ok || out->outcome == TELL_REFUSED)
        return out;
    clause(c, CLAUSE_FAIL, name, "%s", q->err.what);
    return NULL;
}

#define TOLD     (1u << AT_TOLD | 1u << AT_BUSY | 1u << AT_INSTALLED | 1u << AT_FAILED)
#define BEGUN    (TOLD & ~(1u << AT_TOLD))
#define RECALLED (1u << AT_OTHER | 1u << AT_RECALLED | 1u << AT_LOST)

static void take_back(struct play *p, const char *undo)
{
    static const char name[] = "what was told and has not begun is recalled";
    struct check *c = p->c;
    struct device_standing s;
    if (!(c->info.caps & CAP_RECALL) || !c->b->ops->recall) {
        clause(c, CLAUSE_SKIPPED, name, "it cannot recall");
        return;
    }
    const struct tell_result *out = verb(p, name, p->device, true, undo);
    if (!out)
        return;
    bool yes = out->outcome == TELL_DONE, so = comes_to(p, yes ? RECALLED | BEGUN : BEGUN, &s);
    clause_if(c, so, name, "it said %s%s%s, and the device is %s", yes ? "yes" : "no", *out->why ? ": " : "", out->why,
              at_words[s.at]);
    out = verb(p, "a recall may be repeated", p->device, true, undo);
    if (out)
        clause_if(c, !(check_standing(c, p->r, p->device).at == AT_TOLD), "a recall may be repeated",
                  "the second one told the device again");
}

static void story(struct play *p)
{
    struct check *c = p->c;
    struct device_standing s, again;
    struct device_list *after = ARENA_NEW(&c->arena, struct device_list);
    struct asked *q;
    const struct tell_result *out = verb(p, "a device is told", p->device, false, NULL);
    if (!out)
        return;
    if (!clause_if(c, out->outcome == TELL_DONE, "a device is told", "its outcome is none: %s", out->why))
        return;
    const char *undo = out->undo;
    bool stands = comes_to(p, TOLD, &s);
    if (!clause_if(c, stands, "who was told stands as told", "it said yes, and the device is %s", at_words[s.at]))
        return;
    out = verb(p, "the same key twice has one effect", p->device, false, NULL);
    if (out) {
        again = check_standing(c, p->r, p->device);
        clause_if(c, TOLD >> again.at & 1 && (again.at != s.at || again.told_at == s.told_at),
                  "the same key twice has one effect", "it was told anew");
    }
    out = verb(p, "a device that is not there is not told", "andon-check-no-such-device", false, NULL);
    if (out && CHECK_ASK(c, q, devices, NULL, 500, &c->arena, after))
        clause_if(c, out->outcome != TELL_DONE && after->total == c->devices.total,
                  "a device that is not there is not told", "%s",
                  out->outcome == TELL_DONE ? "it said yes" : "there is one more device now");
    take_back(p, undo);
}

/* The device of --device, and the release of --to; else the first pair where neither told nor installed. */
static bool choose(struct play *p)
{
    struct check *c = p->c;
    const char *device = c->args->val[OPT_DEVICE], *to = c->args->val[OPT_TO];
    for (size_t i = 0; i < c->releases.n; i++) {
        const struct release *r = &c->releases.v[i];
        const char *colon = to ? strrchr(to, ':') : NULL;
        if (to && !(colon && strlen(r->name) == (size_t)(colon - to) && strncmp(to, r->name, strlen(r->name)) == 0 &&
                    strcmp(colon + 1, r->version) == 0))
            continue;
        for (size_t k = 0; k < c->devices.n && k < 20; k++) {
            const char *id = device ? device : c->devices.v[k].raw_id;
            if (RECALLED >> check_standing(c, r, id).at & 1) {
                p->r = r;
                p->device = id;
                return true;
            }
            if (device)
                break;
        }
    }
    return false;
}

void check_play(struct check *c)
{
    struct play p = {.c = c};
    if (!c->args->val[OPT_PLAY])
        clause(c, CLAUSE_SKIPPED, "a device is told", "only with --play, on a fleet that may be thrown away");
    else if (!(c->info.caps & CAP_TELL) || !c->b->ops->tell || !c->b->ops->standing)
        clause(c, CLAUSE_SKIPPED, "a device is told", "it cannot tell devices by name");
    else if (!choose(&p))
        clause(c, CLAUSE_SKIPPED, "a device is told", "there is no device that could be told another release");
    else {
        snprintf(p.key, sizeof p.key, KEY, (unsigned long long)random_seed());
        story(&p);
    }
}
