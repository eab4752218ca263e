/* Verdict: too little data to call anything healthy, for how long, and what that asks for. */
#include "core/verdict.h"

#include <stdio.h>
#include <string.h>
#include "core/clock.h"
#include "core/fmt.h"

static bool canaries_thin(const struct verdict_input *in)
{
    const struct group_health *c = &in->health->canary;

    return c->reporting < policy_report_needed(in->policy, c->expected);
}

bool verdict_thin(const struct verdict_input *in)
{
    const struct group_health *k = &in->health->control;

    if (!in->telemetry_expected)
        return false;
    return !in->telemetry_ok || canaries_thin(in) || (k->expected > 0 && k->reporting == 0);
}

/* Since when there is too little, as every watcher would say it. */
static int64_t thin_since(const struct verdict_input *in, const struct verdict_state *st)
{
    int64_t since = in->covered_until > 0   ? in->covered_until
                    : in->watched_since > 0 ? in->watched_since
                    : st->unknown_since > 0 ? st->unknown_since
                                            : in->now;

    return since < in->now ? since : in->now;
}

/* Polls in a row without enough data: ticks of the telemetry's own grid after `since`. */
static int64_t polls_without(const struct verdict_input *in, int64_t since)
{
    int64_t every = in->interval_us, tick = in->tick > 0 ? in->tick : in->now;

    return every > 0 ? tick / every - since / every : VERDICT_POLLS;
}

/* What is missing, in words. */
static void thin_text(const struct verdict_input *in, char *out, size_t size)
{
    const struct group_health *c = &in->health->canary, *k = &in->health->control;
    const struct policy *p = in->policy;
    bool control_thin = k->expected > 0 && (double)k->reporting < p->min_coverage * (double)k->expected;
    char a[FMT_MAX], b[FMT_MAX], d[FMT_MAX], e[FMT_MAX];

    if (in->telemetry_ok && c->reporting == 0 && in->lack && *in->lack)
        snprintf(out, size, "none of %s canaries reports: %s", fmt_count(a, c->expected), in->lack);
    else if (!in->telemetry_ok)
        snprintf(out, size, "no fresh telemetry");
    else if (!canaries_thin(in))
        snprintf(out, size, "none of %s control devices reports", fmt_count(a, k->expected));
    else if (control_thin)
        snprintf(out, size,
                 "few canaries (%s of %s) and few control devices (%s of %s) report: it looks like the telemetry",
                 fmt_count(a, c->reporting), fmt_count(b, c->expected), fmt_count(d, k->reporting),
                 fmt_count(e, k->expected));
    else
        snprintf(out, size, "only %s of %s canaries report (%s needed)%s", fmt_count(a, c->reporting),
                 fmt_count(b, c->expected), fmt_count(d, policy_report_needed(p, c->expected)),
                 k->expected > 0 ? " while control does" : "");
}

/* The time of day, with its date when that is not today's. A sentence of a time is true whenever it is read. */
static const char *at(char out[FMT_MAX], int64_t t, int64_t now)
{
    return t - now < US_PER_DAY && now - t < US_PER_DAY ? fmt_hms(out, t) : fmt_iso(out, t);
}

enum reaction verdict_data_step(const struct verdict_input *in, struct verdict_state *st, struct verdict *out,
                                char *text, size_t size)
{
    const struct policy *p = in->policy;
    char what[160], a[FMT_MAX], b[FMT_MAX], c[FMT_MAX];
    int64_t since, from, polls, window = VERDICT_COVERAGE * in->interval_us;
    bool pauses = p->lost_react > REACT_HOLD, resumed;

    text[0] = '\0';
    out->thin = verdict_thin(in);
    if (!out->thin) {
        st->unknown_since = 0;
        return REACT_NONE;
    }
    st->unknown_since = since = thin_since(in, st);
    thin_text(in, what, sizeof what);
    if (window < VERDICT_EARLY_US)
        window = in->interval_us > 0 ? VERDICT_EARLY_US : 0;
    out->early = in->watched_since > 0 && in->now - in->watched_since < window;
    polls = polls_without(in, since);
    out->data_missing = out->early || polls >= VERDICT_POLLS;
    if (out->data_missing)
        out->unknown_since = since;
    if (out->early) {
        snprintf(text, size, "%s; it is being watched for only %s of %s", what, fmt_dur(a, in->now - in->watched_since),
                 fmt_dur(b, window));
        return REACT_NONE;
    }
    at(a, since, in->now);
    if (!out->data_missing) {
        snprintf(text, size, "%s, since %s: the third poll in a row like this %s", what, a,
                 p->lost_pause_us > 0 || !pauses ? "holds the next wave" : "pauses");
        return REACT_NONE;
    }
    resumed = in->resumed_at > since;
    from = !resumed ? since : in->resumed_at < in->now ? in->resumed_at : in->now;
    at(b, from + p->lost_pause_us, in->now);
    if (in->now - from >= p->lost_pause_us && pauses) {
        snprintf(text, size, "%s, since %s: missing data is never health", what, a);
        return REACT_PAUSE;
    }
    if (resumed && in->now - from < p->lost_pause_us) {
        snprintf(text, size, "%s, since %s; resumed all the same at %s: %s at %s", what, a, at(c, from, in->now),
                 pauses ? "pauses" : "holds again", b);
        return REACT_WATCH;
    }
    if (pauses)
        snprintf(text, size, "%s, since %s: no wave may start; pauses at %s", what, a, b);
    else
        snprintf(text, size, "%s, since %s: no wave may start", what, a);
    return REACT_HOLD;
}

bool verdict_rule_passes(const char *rule)
{
    return strcmp(rule, VERDICT_RULE_LOST) == 0 || strcmp(rule, VERDICT_RULE_CATCHING) == 0 ||
           strcmp(rule, VERDICT_RULE_CLOCKS) == 0;
}

enum reaction verdict_on_resume(const struct verdict *v)
{
    bool lost = v->data_missing && v->react == REACT_PAUSE && strcmp(v->rule, VERDICT_RULE_LOST) == 0;

    return lost ? REACT_WATCH : v->react;
}
