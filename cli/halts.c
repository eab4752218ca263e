#include "cli/halts.h"

#include <stdio.h>
#include <string.h>

/* Was it shown by the server, and not as a stand-by? */
static bool shown_once(struct audit_log *l, const char *fleet, uint64_t corr, struct arena *a)
{
    static const char *const kinds[] = {"outcome", "recovered"};

    for (size_t k = 0; k < 2; k++) {
        struct audit_query q = {.fleet = fleet, .kind = kinds[k], .corr = corr, .limit = 20};
        struct stored *v;
        size_t n;

        if (!audit_query(l, &q, a, &v, &n, NULL))
            return false;
        for (size_t i = 0; i < n; i++)
            if (strcmp(v[i].result, "ok") == 0 || strcmp(v[i].result, "applied") == 0)
                return strcmp(stored_field(&v[i], "shown"), "standby") != 0;
    }
    return false;
}

static void take(struct stop *m, struct audit_log *l, const char *fleet, const struct rollout *r, struct arena *a,
                 struct log_halt *out)
{
    char release[IDENTITY_RELEASE_BYTES];
    struct rollout_identity now = identity_of(fleet, r, release);
    struct stored *v;
    size_t n;

    if (!audit_latched(l, fleet, a, &v, &n, NULL))
        return;
    for (size_t i = 0; i < n; i++) {
        struct identity_mark halt = {stored_identity(&v[i]), v[i].t};
        bool rule = strcmp(v[i].actor_kind, "rule") == 0;
        struct stop_event ev = {.kind = SE_FOUND,
                                .from = STOP_LOG,
                                .who = rule ? STOP_RULE : STOP_PERSON,
                                .id = v[i].corr ? v[i].corr : UINT64_C(1) << 60,
                                .shown_once = shown_once(l, fleet, v[i].corr, a)};

        if (identity_about(&halt, &now) == IDENTITY_OTHER)
            continue;
        (void)stop_step(m, &ev, 1);
        snprintf(out->by, sizeof out->by, "%s%s", rule ? "rule " : "", v[i].actor);
        snprintf(out->reason, sizeof out->reason, "%s", v[i].reason);
    }
}

/* Who only looks has no key of its own: a note of this log's own halt is a claim to it. The log knows better. */
static bool lifted_here(struct audit_log *l, const char *fleet, const struct rollout_view *v, struct arena *a)
{
    struct audit_query q = {
        .fleet = fleet, .rollout = v->rollout.id, .kind = "halt", .newest_first = true, .limit = 64};
    struct stored *got = NULL;
    struct err e;
    size_t n = 0;
    bool ours = false;

    if (v->stop != STOP_CLAIMED && v->stop != STOP_CLAIM_RUN)
        return false;
    if (!audit_query(l, &q, a, &got, &n, &e))
        return false;
    for (size_t i = 0; i < n && !ours; i++)
        ours = v->halt_text && strcmp(got[i].reason, v->halt_text) == 0 && v->halted_by &&
               strstr(v->halted_by, got[i].actor) != NULL;
    return ours;
}

void halts_of(const struct session *s, const char *fleet, const struct rollout_view *v, struct log_halt *out)
{
    struct stop m = {.passive = true};
    struct audit_spec spec = s->audit;
    struct stop_event shows = {.kind = SE_SHOWS, .shows = stop_shows_of(&v->rollout, false), .at = 2};
    struct stop_event looked = {.kind = SE_LOOKED};
    struct audit_log *l;
    struct arena a;

    memset(out, 0, sizeof *out);
    out->stop = v->stop;
    out->latched = v->latched;
    snprintf(out->by, sizeof out->by, "%s", v->halted_by ? v->halted_by : "");
    snprintf(out->reason, sizeof out->reason, "%s", v->halt_text ? v->halt_text : "");
    spec.read_only = true;
    l = audit_open(&spec, NULL);
    if (!l)
        return;
    arena_init(&a);
    take(&m, l, fleet, &v->rollout, &a, out);
    if (!stop_latched(&m) && lifted_here(l, fleet, v, &a)) {
        out->stop = STOP_FREE;
        out->latched = false;
    }
    arena_release(&a);
    audit_close(l);
    if (!stop_latched(&m))
        return;
    (void)stop_step(&m, &shows, 3);
    (void)stop_step(&m, &looked, 4); /* the log was read just now */
    out->stop = m.phase;
    out->latched = true;
}
