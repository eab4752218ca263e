#include "engine/telemetry.h"

#include <stdio.h>
#include <stdlib.h>
#include "core/fmt.h"
#include "engine/worker.h"

#define FIRST_US     (100 * US_PER_MS)
#define SETTLE_US    (5 * US_PER_S)
#define SKEW_SAID_US (10 * US_PER_S)
#define RETRY_US     (15 * US_PER_S)
#define PAST_US      (3 * US_PER_S) /* so long at most it waits for the past: a dead log blinds nobody */

int64_t beat_interval(const struct engine *en)
{
    int64_t i = en->spec.fleet->telemetry.interval_us;
    return i > 0 ? i : 15 * US_PER_S;
}

int64_t beat_settle(const struct engine *en)
{
    int64_t third = beat_interval(en) / 3;
    return third < SETTLE_US ? third : SETTLE_US;
}

bool beat_history(const struct engine *en)
{
    return en->tm && en->tm->ops->range;
}

int64_t telemetry_since(const struct ro *ro, size_t wave)
{
    const struct wv *w = &ro->wv[wave];
    size_t n = 0, need = 0, least = 0;
    int64_t *at = xreallocarray(NULL, w->watch.n_members + 1, sizeof *at), low = 0, high = 0;
    for (size_t i = 0; i < w->watch.n_members; i++) {
        const struct dev *d = &ro->en->watch.devs[w->watch.members[i]];
        if (!d->enrolled || d->canary_of != ro || d->wave != (int)wave)
            continue;
        at[n++] = d->asked_at > 0 ? d->asked_at : TIME_NEVER;
        if (d->asked_at > high)
            high = d->asked_at;
    }
    need = (size_t)policy_report_needed(ro->policy.applies, (int64_t)n);
    need = need < 1 ? 1 : need;
    /* The earliest time by which `need` had been asked about: halved, since nothing need be sorted. */
    for (size_t i = 0; i < n; i++)
        least += at[i] <= high;
    if (high == 0 || least < need)
        high = 0;
    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        size_t by = 0;
        for (size_t i = 0; i < n; i++)
            by += at[i] <= mid;
        if (by >= need)
            high = mid;
        else
            low = mid + 1;
    }
    free(at);
    return high;
}

static int64_t tick_of(const struct engine *en, int64_t t)
{
    return t / beat_interval(en) * beat_interval(en);
}

/* When the next one is due, after the one that was asked for at `asked`. */
static int64_t next_beat(struct engine *en, int64_t asked)
{
    int64_t every = beat_interval(en), now = now_of(en);
    if (beat_history(en)) {
        int64_t settle = beat_settle(en), next = tick_of(en, asked - settle) + every + settle;
        return next > now ? next : tick_of(en, now - settle) + every + settle;
    }
    return asked + every > now ? asked + every : now + every / 2;
}

static void telemetry_poll(struct engine *en, void *arg);

/* Why nothing is known of devices though the source answers. */
static void say_lack(struct engine *en, const struct sample_list *l)
{
    char n[FMT_MAX];
    char *to = en->telemetry.lack;
    size_t size = sizeof en->telemetry.lack;
    to[0] = '\0';
    if (en->telemetry.watched == 0 && watch_set_size(en->watch.set) > 0)
        snprintf(to, size, "the attribute by which it knows devices is not read yet");
    if (en->telemetry.watched == 0)
        return; /* nothing was asked for */
    if (l->tick.samples == 0 && l->unmatched > 0)
        snprintf(to, size, "its %s series are of other devices; `andon doctor` tells why",
                 fmt_count(n, (int64_t)l->unmatched));
    else if (l->tick.samples == 0)
        snprintf(to, size, "no query has any series");
    else if (l->warning && *l->warning)
        snprintf(to, size, "it says: %s", l->warning);
    else if (skew_beyond(&en->telemetry.skew, SKEW_SAID_US))
        skew_text(&en->telemetry.skew, "the fleet server's", "its", to, size);
}

static void trace_answer(struct engine *en, const struct sample_list *l)
{
    struct trace_line t;
    if (!traced(en, &t, TRACE_POLL, "telemetry"))
        return;
    json_w_kint(&t.w, "tick_us", en->telemetry.tick);
    json_w_kint(&t.w, "asked_us", en->telemetry.link.asked_at);
    json_w_kint(&t.w, "watched", (int64_t)en->telemetry.watched);
    json_w_kint(&t.w, "rows", (int64_t)l->tick.samples);
    json_w_kint(&t.w, "unmatched", (int64_t)l->unmatched);
    json_w_kint(&t.w, "newest_us", l->newest);
    if (*en->telemetry.lack)
        traced_text(&t, "lack", en->telemetry.lack);
    trace_end(&t);
}

/* A page without times is dated by us. */
static void compare_clocks(struct engine *en, const struct sample_list *l)
{
    struct trace_line t;
    const struct skew ours = {.known = true, .at = now_of(en)};
    const struct skew *fleet = &en->facts.link.skew, *own = l->our_clock ? &ours : &en->telemetry.link.skew;
    en->telemetry.compared = fleet->at != en->telemetry.skew_fleet && own->at != en->telemetry.skew_own;
    if (en->telemetry.compared) {
        en->telemetry.skew_fleet = fleet->at;
        en->telemetry.skew_own = own->at;
    }
    en->telemetry.skew = skew_between(fleet, own);
    if (!en->telemetry.skew.known || !traced(en, &t, TRACE_POLL, "clocks"))
        return;
    json_w_kint(&t.w, "ahead_low_us", en->telemetry.skew.low);
    json_w_kint(&t.w, "ahead_high_us", en->telemetry.skew.high);
    trace_end(&t);
}

static void telemetry_done(struct req *q, const struct reply *r)
{
    struct engine *en = q->en;
    en->telemetry.link.busy = false;
    en->telemetry.answered = en->telemetry.link.asked_at;
    en->telemetry.judged = en->telemetry.tick;
    if (r->err) {
        link_bad(en, &en->telemetry.link, r->err);
    } else {
        link_ok(en, &en->telemetry.link, r);
        compare_clocks(en, &q->out.samples);
        say_lack(en, &q->out.samples);
        trace_answer(en, &q->out.samples);
    }
    ANNOUNCE(en, ticked, en, r->err ? NULL : &q->out.samples);
    int64_t next = next_beat(en, en->telemetry.link.asked_at);
    if (en->telemetry.extra && en->telemetry.link.next_try > now_of(en))
        next = en->telemetry.link.next_try; /* the beat stays */
    if (r->err && beat_history(en) && next > now_of(en) + RETRY_US)
        next = now_of(en) + RETRY_US; /* the same tick once more: no history is read beyond the newest that is known */
    en->telemetry.extra = false;
    en->telemetry.link.next_try = next;
    timer_set(en, next, telemetry_poll, NULL);
    mark(en);
}

static void telemetry_ask(struct engine *en)
{
    ANNOUNCE(en, asking, en);
    en->telemetry.link.busy = true;
    en->telemetry.link.asked_at = now_of(en);
    en->telemetry.watched = watch_known(en);
    en->telemetry.tick = tick_of(en, en->telemetry.link.asked_at - (beat_history(en) ? beat_settle(en) : 0));
    struct req *q = req_new(en, telemetry_done);
    en->tm->ops->poll(en->tm, en->watch.set, beat_history(en) ? en->telemetry.tick : 0, en->policy->window_us,
                      &q->arena, &q->out.samples, req_done, q);
}

static void telemetry_poll(struct engine *en, void *arg)
{
    (void)arg;
    if (!en->tm || en->telemetry.link.busy || en->telemetry.waits)
        return;
    en->telemetry.polls++;
    telemetry_ask(en);
}

static void first_poll(struct engine *en, void *arg)
{
    (void)arg;
    if (en->telemetry.polls > 1 || en->telemetry.waits)
        return;
    if (en->telemetry.link.busy) {
        timer_set(en, now_of(en) + FIRST_US, first_poll, NULL);
        return;
    }
    en->telemetry.extra = true;
    telemetry_ask(en);
}

/* The first poll finds no device on the list, and the next one is a whole interval away: until then the first devices
 * are asked for as soon as they are known. */
static void found(struct engine *en)
{
    if (en->tm && en->telemetry.polls <= 1)
        timer_set(en, now_of(en) + FIRST_US, first_poll, NULL);
}

/* A page of telemetry is what may end this process: what the log says is halted, or must be, comes before the first. */
static bool past_pending(const struct engine *en)
{
    const struct job *j = en->recover.leftovers;
    if (!en->recover.recovered || (j && !en->facts.rollouts_known && j->left.n_open + j->left.n_latched > 0))
        return true;
    for (size_t i = 0; i < en->facts.n_all; i++)
        if (stop_driving(&en->facts.all[i]->stop.m) && !stop_escalated(&en->facts.all[i]->stop.m))
            return true;
    return false;
}

static void past_over(struct engine *en, void *arg)
{
    (void)arg;
    en->telemetry.waits = false;
    telemetry_poll(en, NULL);
}

static void begin(struct engine *en)
{
    en->telemetry.waits = true;
    en->telemetry.until = now_of(en) + PAST_US;
    timer_set(en, en->telemetry.until, past_over, NULL);
}

/* Once it is over, whoever looks at the snapshots is given a moment to say so. */
static void sweep(struct engine *en)
{
    int64_t soon = now_of(en) + (en->facts.n_all > 0 ? FIRST_US : 0);
    if (!en->telemetry.waits || en->telemetry.until <= soon || past_pending(en))
        return;
    en->telemetry.until = soon;
    timer_set(en, soon, past_over, NULL);
}

static void refresh(struct engine *en)
{
    en->telemetry.link.failures = 0;
    telemetry_poll(en, NULL);
}

const struct part part_telemetry = {
    .name = "telemetry", .begin = begin, .sweep = sweep, .refresh = refresh, .found = found};
