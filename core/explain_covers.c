/* The verdict in words: what it does not cover, and what came after the installs. */
#include <stdio.h>
#include <string.h>
#include "core/explain.h"
#include "core/fmt.h"

const char *explain_one_sided(const struct evidence_policy *e)
{
    bool cpu = e->share[ROW_CPU] > 0 && e->worse[ROW_CPU] == WORSE_UP;
    bool variance = e->share[ROW_VARIANCE] > 0 && e->worse[ROW_VARIANCE] == WORSE_UP;

    if (e->tests == TESTS_OFF || (!cpu && !variance))
        return "";
    return !variance ? " CPU: looks for a rise only; a fall is not seen."
           : cpu ? " CPU and sensor variance: looks for a rise only; a fall is not seen, other than of a sensor that "
                   "sticks."
                 : " Sensor variance: looks for a rise only; a fall is not seen, other than of a sensor that sticks.";
}

/* How the canaries' reboots lie after their own installs. */
static void after_installs(const struct trial_after *a, char *out, size_t size)
{
    char all[FMT_MAX], n[FMT_MAX], most[FMT_MAX], first[FMT_MAX], last[FMT_MAX], so[140] = "", f[FMT_MAX];

    if (a->alike)
        snprintf(so, sizeof so,
                 ": so alike that it may be a step of the update, which a grace of %.20s for reboots excuses, or a "
                 "fault that takes as long",
                 fmt_dur(f, a->excuse_us));
    else if (a->soon > 0)
        snprintf(so, sizeof so, ", %.20s within 1h of the grace's end", fmt_count(f, a->soon));
    fmt_count(all, a->canaries);
    fmt_count(n, a->rebooted);
    fmt_count(most, a->most);
    if (a->canaries == 0)
        *out = '\0';
    else if (a->rebooted == 0)
        snprintf(out, size, " Of %.20s canaries that count now none has rebooted%s since this wave's tests began.", all,
                 a->named > 0 ? " otherwise" : "");
    else
        snprintf(out, size,
                 " Of %.20s canaries that count now %.20s rebooted%s since this wave's tests began, %.20s of them last "
                 "%.20s to %.20s after their own install%s.",
                 all, n, a->named > 0 ? " otherwise" : "", most, fmt_dur(first, a->first_us), fmt_dur(last, a->last_us),
                 so);
}

/* The metrics that have a longer grace than the others: " (reboots 2h00m, CPU 15m)". */
static void graces(const struct policy *p, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < metric_count(&p->evidence) && n + METRIC_TITLE_MAX + FMT_MAX + 4 < size; i++) {
        struct metric_def d;
        char f[FMT_MAX];
        metric_get(&p->evidence, i, &d);
        if (d.grace_us > p->grace_us)
            n += (size_t)snprintf(out + n, size - n, "%s%s %s", n ? ", " : " (", d.title, fmt_dur(f, d.grace_us));
    }
    snprintf(out + n, size - n, "%s", n > 0 ? ", for limits too)" : "");
}

/* Boots that the devices' own report names as the update's. */
static void activations(const struct evidence_policy *e, const struct trial_after *a, char *out, size_t size)
{
    char all[FMT_MAX], n[FMT_MAX], first[FMT_MAX], last[FMT_MAX];
    size_t row = metric_activation(e);

    if (row == METRICS_MAX || a->canaries == 0)
        return;
    const char *title = metric_title(e, row);
    fmt_count(n, a->named);
    if (a->named > 0)
        snprintf(
            out, size,
            " Of %.20s canaries that count now %.20s had one boot each, %.20s to %.20s after the install, that %.40s "
            "names as a step of the update: it does not count.",
            fmt_count(all, a->canaries), n, fmt_dur(first, a->named_first_us), fmt_dur(last, a->named_last_us), title);
    else if (a->names)
        snprintf(out, size,
                 " One boot of each that %.40s names as a step of the update would not count; it has named none.",
                 title);
    if (!a->names)
        snprintf(out + strlen(out), size - strlen(out),
                 " %.40s names boots of most control devices that booted, too: none is taken for a step of the update "
                 "any more.",
                 title);
}

void explain_not_covered(const struct policy *p, const struct trial_view *t, char *out, size_t size)
{
    char grace[FMT_MAX], own[160], after[EXPLAIN_TEXT] = "", named[300] = "";

    if (t->state != TRIAL_OFF) {
        after_installs(&t->after, after, sizeof after);
        activations(&p->evidence, &t->after, named, sizeof named);
    }
    graces(p, own, sizeof own);
    snprintf(out, size,
             "Not covered: limits, what people do, canaries that were not picked at random, and what the update itself "
             "does later than %.20s%.130s after an install: a second reboot, load while it warms up.%.130s%s%.350s",
             fmt_dur(grace, p->grace_us), own, explain_one_sided(&p->evidence), named, after);
}
