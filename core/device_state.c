#include "core/device_state.h"

#include <stdio.h>
#include <string.h>
#include "core/passage.h"
#include "core/policy.h"

/* Loops, then events by number, then levels by size; a single event is between the levels of 1.25 and 1.5. The rank
 * tests are about all canaries together and say nothing of one of them. 0: nothing. */
static double weight(const struct metric_test *t)
{
    switch (t->rule) {
    case RULE_LOOP:
        return 3e6;
    case RULE_EVENTS:
        return t->level > 1 ? 1e6 + t->level : 1.4;
    case RULE_LEVEL:
        return t->level + (t->down ? 0.01 : 0);
    case RULE_SILENCE:
    case RULE_SHIFT:
    case RULE_OUTCOME:
        break;
    }
    return 0;
}

void device_said(const struct metric_test *t, char note[DEVICE_NOTE])
{
    const char *rest = strncmp(t->plain, "have ", 5) == 0 ? t->plain + 5 : t->plain, *cut = NULL;
    const char *with = "";
    size_t skip = 0;
    if (t->rule == RULE_LEVEL && (cut = strstr(rest, "their own ")))
        with = "its", skip = strlen("their");
    else if (t->metric == ROW_REBOOTS && (cut = strstr(rest, " unexpectedly")))
        skip = strlen(" unexpectedly");
    else
        cut = rest;
    snprintf(note, DEVICE_NOTE, "has %.*s%s%s", (int)(cut - rest), rest, with, cut + skip);
}

enum device_state device_state(const struct device_facts *f, const struct evidence_policy *p, char note[DEVICE_NOTE])
{
    const struct metric_test *most = NULL;
    const char *why = "";
    enum device_state s = DEV_OK;
    if (f->overdue)
        why = "does not call in", s = DEV_GONE;
    else if (f->status == DEVICE_ERROR)
        why = "the install failed", s = DEV_FAILED;
    else if (f->status == DEVICE_PENDING)
        s = DEV_UPDATING;
    else if (!f->told)
        s = DEV_WAITING;
    else if (!f->watched)
        why = "not watched any more", s = DEV_STALE;
    else if (f->now - f->last_sample > f->stale_us)
        why = "no telemetry", s = DEV_STALE;
    else if (!f->counts)
        why = "does not count yet";
    snprintf(note, DEVICE_NOTE, "%s", why);
    if (s != DEV_OK || *why)
        return s;
    for (int i = 0; i < metric_tests(p); i++) {
        const struct metric_test *t = metric_test(p, i);
        if (f->reached & f->tested & PASSAGE_BIT(i) && weight(t) > (most ? weight(most) : 0))
            most = t;
    }
    if (!most)
        return s;
    device_said(most, note);
    return most->rule == RULE_LOOP || (most->rule == RULE_EVENTS && most->level > 1) ? DEV_BAD : DEV_ODD;
}

uint64_t device_reached(const struct evidence_policy *p, const double *by_row)
{
    uint64_t set = 0;
    for (int i = 0; i < metric_tests(p); i++) {
        const struct metric_test *t = metric_test(p, i);
        double x = by_row[t->metric];
        struct metric_def d;
        metric_get(p, t->metric, &d);
        bool had = t->rule == RULE_EVENTS  ? x >= t->level
                   : t->rule != RULE_LEVEL ? false
                   : t->down               ? x <= (d.diff ? -t->level : 1 / t->level)
                                           : x >= t->level;
        set |= had ? PASSAGE_BIT(i) : 0;
    }
    return set;
}

const char *device_state_word(enum device_state s)
{
    static const char *const words[DEV_STATES] = {"ok", "bad", "odd", "stale", "updating", "waiting", "failed", "gone"};

    return (unsigned)s < DEV_STATES ? words[s] : "?";
}
