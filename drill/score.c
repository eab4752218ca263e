/* The score of a drill: what happened to the devices themselves, against what the scenario expects. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/fmt.h"
#include "drill/inner.h"

static int64_t injected_at(const struct drill *d)
{
    int64_t t = d->world->first_injected;
    for (size_t i = 0; i < d->spec.scenario->n_faults; i++) {
        const struct fault *f = &d->spec.scenario->faults[i];
        int64_t at = f->at > 0 ? f->at : 0;
        if (f->kind >= FAULT_TELEMETRY && at < t)
            t = at;
    }
    return t <= d->world->now ? t : TIME_NEVER;
}

static int64_t had_new_by(const struct drill *d, int64_t t)
{
    int64_t n = 0;
    for (size_t i = 0; i < d->world->n_devs; i++)
        n += d->world->devs[i].first_new <= t;
    return n;
}

/* Broken: it misbehaves now as it did not before the drill, or it runs something else than the server believes. */
static bool broken(const struct drill *d, size_t i)
{
    const struct w_dev *dev = &d->world->devs[i];
    if (dev->truth != dev->installed)
        return true;
    for (size_t f = 0; f < d->spec.scenario->n_faults; f++) {
        const struct fault *at = &d->spec.scenario->faults[f];
        enum fault_kind k = at->kind;
        if (!(at->on_old && at->at < 0) && k <= FAULT_SILENCE && k != FAULT_INSTALL && k != FAULT_HANG &&
            fleet_hit(d->world, (int)i, f))
            return true;
    }
    return false;
}

int64_t drill_broken(const struct drill *d)
{
    int64_t n = 0;
    for (size_t i = 0; i < d->world->n_devs; i++)
        n += broken(d, i);
    return n;
}

static void count_devices(const struct drill *d, struct drill_result *r)
{
    r->devices_total = (int64_t)d->world->n_devs;
    for (size_t i = 0; i < d->world->n_devs; i++) {
        r->devices_on_old += d->world->devs[i].truth == d->world->ds_old;
        r->devices_on_new += d->world->devs[i].truth == d->world->ds_new;
    }
    r->devices_broken = drill_broken(d);
}

static bool by_expected(const struct scenario_expect *x, const char *rule)
{
    for (size_t i = 0; i < x->n_by; i++)
        if (!strcmp(x->by[i], rule))
            return true;
    return x->n_by == 0;
}

/* The first reason stands. */
static void why(struct drill_result *r, const char *fmt, ...) ANDON_PRINTF(2, 3);
static void why(struct drill_result *r, const char *fmt, ...)
{
    if (*r->why)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->why, sizeof r->why, fmt, ap);
    va_end(ap);
}

static void judge_halt(const struct scenario_expect *x, const struct drill *d, struct drill_result *r)
{
    char when[FMT_MAX], limit[FMT_MAX];
    if (!x->halted) {
        if (r->halted_at >= 0)
            why(r, "halted at %s by %s%s, but nothing was to be halted", fmt_dur(when, r->halted_at),
                d->play.n_halts > 0 ? d->play.halts[0].by : "?", r->lifted == r->halts ? " (acknowledged since)" : "");
        return;
    }
    if (r->halted_at < 0) {
        why(r, "never halted");
        return;
    }
    int64_t took = r->halted_at - (r->injected_at >= 0 ? r->injected_at : 0);
    if (took > x->within)
        why(r, "halted %s after the injection, later than %s", fmt_dur(when, took), fmt_dur(limit, x->within));
    for (size_t i = 0; i < d->play.n_halts; i++)
        if (!by_expected(x, d->play.halts[i].by))
            why(r, "halted by %s at %s, which is not what this scenario is about", d->play.halts[i].by,
                fmt_dur(when, d->play.halts[i].at));
    if (r->told_after > 0)
        why(r, "%" PRId64 " more devices were told while a halt stood", r->told_after);
    if (x->max_bad_devices >= 0 && r->devices_bad_at_halt > x->max_bad_devices)
        why(r, "%" PRId64 " devices had the new firmware when it was halted, more than %" PRId64,
            r->devices_bad_at_halt, x->max_bad_devices);
}

/* Has the evidence named what the bad devices share? */
static void judge_names(const struct scenario_expect *x, const struct drill *d, struct drill_result *r)
{
    const struct play *p = &d->play;
    if (!*x->names_key)
        return;
    for (size_t i = 0; i < p->n_shares; i++)
        if (!strcmp(p->shares[i].key, x->names_key) && !strcmp(p->shares[i].value, x->names_value))
            return;
    if (p->n_shares == 0)
        why(r, "nothing was named that the bad devices share; it is %s %s", x->names_key, x->names_value);
    else
        why(r, "%s %s was named, not %s %s", p->shares[0].key, p->shares[0].value, x->names_key, x->names_value);
}

/* Left paused by a rule of andon's: nothing goes on until a person comes, as with a halt. A policy that lets a person
 * start each wave wants just that. */
static void judge_paused(const struct drill *d, struct drill_result *r)
{
    const char *by = d->play.paused_by;
    if (d->world->rollouts[d->world->main_rollout].state == WR_PAUSED && strncmp(by, "rule ", 5) == 0 &&
        strcmp(by, "rule PROMOTE-HOLD") != 0)
        why(r, "it stands paused at the end, by %s, but nothing was to be halted", by + 5);
}

static void judge_end(const struct scenario_expect *x, const struct drill *d, struct drill_result *r)
{
    const struct w_rollout *ro = &d->world->rollouts[d->world->main_rollout];
    char all[FMT_MAX], on_new[FMT_MAX], on_old[FMT_MAX];
    fmt_count(all, r->devices_total);
    fmt_count(on_new, r->devices_on_new);
    if (!x->halted)
        judge_paused(d, r);
    if (x->rolled_back && r->rolled_back_at < 0)
        why(r, "not rolled back");
    if (x->rolled_back && r->devices_on_new > 0)
        why(r, "%s of %s devices still run the new firmware", on_new, all);
    if (x->finished && ro->state != WR_FINISHED)
        why(r, "the rollout has not finished, it is %s", rollout_word(ro->state));
    if ((double)r->devices_on_new < x->min_on_new * (double)r->devices_total)
        why(r, "only %s of %s devices run the new firmware", on_new, all);
    if ((double)r->devices_on_old < x->min_on_old * (double)r->devices_total)
        why(r, "only %s of %s devices run the old firmware", fmt_count(on_old, r->devices_on_old), all);
    if (d->play.escalated && x->halted && r->halted_at < 0)
        why(r, "the halt could not be had");
}

/* How long it took from the publication: in the queue, and on the devices; by the world's own truth. */
static void judge_patch(const struct scenario_expect *x, const struct drill *d, struct drill_result *r)
{
    const struct scenario_advisory *v = &d->spec.scenario->advisory;
    char a[FMT_MAX], b[FMT_MAX];
    r->queued_after = r->patch_mean = -1;
    r->patched = -1;
    if (!v->there)
        return;
    if (d->play.queued_at != TIME_NEVER)
        r->queued_after = d->play.queued_at - v->at;
    double sum = 0;
    for (size_t i = 0; i < d->world->n_devs; i++) {
        int64_t t = d->world->devs[i].first_new < r->ended_at ? d->world->devs[i].first_new : r->ended_at;
        sum += t > v->at ? (double)(t - v->at) : 0;
    }
    r->patch_mean = (int64_t)(sum / (double)d->world->n_devs);
    int64_t by = x->patched_within == TIME_NEVER ? r->ended_at : v->at + x->patched_within;
    r->patched = (double)had_new_by(d, by) / (double)d->world->n_devs;
    if (x->queued_within != TIME_NEVER && r->queued_after < 0)
        why(r, "the fix has never stood first in the queue");
    else if (x->queued_within != TIME_NEVER && r->queued_after > x->queued_within)
        why(r, "the fix stood first in the queue after %s, later than %s", fmt_dur(a, r->queued_after),
            fmt_dur(b, x->queued_within));
    if (x->patched_within != TIME_NEVER && r->patched < x->patched)
        why(r, "only %.1f%% of the devices had the fix within %s", r->patched * 100, fmt_dur(a, x->patched_within));
}

static void praise(const struct scenario_expect *x, struct drill_result *r)
{
    char took[FMT_MAX], back[FMT_MAX], n[FMT_MAX], all[FMT_MAX];
    fmt_count(n, x->halted ? r->devices_bad_at_halt : r->devices_on_new);
    if (r->queued_after >= 0)
        snprintf(r->why, sizeof r->why,
                 "the fix stood first in the queue after %s; %.1f%% of the devices had it in time, after %s on average",
                 fmt_dur(took, r->queued_after), r->patched * 100, fmt_dur(back, r->patch_mean));
    else if (!x->halted)
        snprintf(r->why, sizeof r->why, "nothing was halted; %s of %s devices run the new firmware", n,
                 fmt_count(all, r->devices_total));
    else if (r->rolled_back_at >= 0)
        snprintf(r->why, sizeof r->why,
                 "halted by %s %s after the injection with %s devices on the new firmware, rolled back %s later",
                 *r->detected_by ? r->detected_by : "a person",
                 fmt_dur(took, r->halted_at - (r->injected_at >= 0 ? r->injected_at : 0)), n,
                 fmt_dur(back, r->rolled_back_at - r->halted_at));
    else
        snprintf(r->why, sizeof r->why, "halted by %s %s after the injection with %s devices on the new firmware",
                 *r->detected_by ? r->detected_by : "a person",
                 fmt_dur(took, r->halted_at - (r->injected_at >= 0 ? r->injected_at : 0)), n);
}

/* Devices of waves that were started between a halt's being shown and its being lifted: what it was to prevent. */
static int64_t told_after(const struct drill *d)
{
    const struct w_rollout *ro = &d->world->rollouts[d->world->main_rollout];
    int64_t n = 0;
    for (size_t g = 0; g < d->world->n_groups; g++) {
        const struct w_group *gr = &d->world->groups[g];
        bool after = false;
        for (size_t i = 0; i < d->play.n_halts && gr->started != TIME_NEVER; i++)
            after = after || (gr->started > d->play.halts[i].shown && gr->started < d->play.halts[i].lifted);
        if (&d->world->rollouts[gr->rollout] == ro && after)
            n += (int64_t)gr->n_devs;
    }
    return n;
}

static int wrong_halts(const struct scenario_expect *x, const struct play *p)
{
    int n = 0;
    for (size_t i = 0; i < p->n_halts; i++)
        n += !x->halted || !by_expected(x, p->halts[i].by);
    return n;
}

static int64_t or_never(int64_t t)
{
    return t == TIME_NEVER ? -1 : t;
}

void drill_score(struct drill *d, const struct snapshot *last, struct drill_result *out)
{
    pthread_mutex_lock(&d->lock);
    memset(out, 0, sizeof *out);
    drill_catch_up(d);
    play_look(d, last);
    out->injected_at = or_never(injected_at(d));
    out->detected_at = or_never(d->play.detected_at);
    out->halted_at = or_never(d->play.halted_at);
    out->rolled_back_at = or_never(d->play.rolled_back_at);
    out->ended_at = clock_now(&d->clock) - d->epoch;
    out->detected_by = d->play.rule;
    out->devices_bad_at_halt = out->halted_at >= 0 ? had_new_by(d, out->halted_at) : 0;
    out->requests = server_requests(d->server);
    out->devices_broken_at_halt = out->halted_at >= 0 ? d->play.broken_at_halt : 0;
    out->halts = (int)d->play.n_halts;
    for (size_t i = 0; i < d->play.n_halts; i++)
        out->lifted += d->play.halts[i].lifted != TIME_NEVER;
    out->told_after = told_after(d);
    out->wrong_halts = wrong_halts(&d->spec.scenario->expect, &d->play);
    out->evidence = *d->play.evidence.test ? &d->play.evidence : NULL;
    out->shares = d->play.shares;
    out->n_shares = d->play.n_shares;
    count_devices(d, out);
    const struct scenario_expect *x = &d->spec.scenario->expect;
    judge_halt(x, d, out);
    judge_names(x, d, out);
    judge_end(x, d, out);
    judge_patch(x, d, out);
    out->passed = !*out->why;
    if (out->passed)
        praise(x, out);
    pthread_mutex_unlock(&d->lock);
}
