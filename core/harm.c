#include "core/harm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/trial.h"

#define CAP_HIGH 255.9 /* a trial's ratios of events are within 1/16 and 256 */
#define CAP_OWN  15.99 /* each device's spread counts with 16 times its baseline at most (core/health.c) */

struct harm harm_of(const struct figure *f, double value, double against, double ratio)
{
    struct harm h = {
        .ratio = ratio, .low = NAN, .high = NAN, .from = against, .to = value, .than = "", .diff = f->diff};

    h.unbounded = f->kind == FIGURE_RATE && against == 0 && value > 0;
    if (h.unbounded)
        h.low = ratio, h.ratio = NAN;
    h.capped = f->kind == FIGURE_OWN && value >= CAP_OWN;
    return h;
}

struct harm harm_of_metric(const struct figure *f, const struct wave_health *h)
{
    bool known = f->number < FIGURES_MAX;
    return harm_of(f, known ? h->value[f->number] : NAN, known ? h->against[f->number] : NAN,
                   known ? h->ratio[f->number] : NAN);
}

struct harm harm_of_evidence(const struct evidence *e)
{
    struct harm h = {.ratio = e->ratio, .low = e->ratio_low, .high = e->ratio_high, .from = NAN, .to = NAN};
    enum trial_test test = TEST_COUNT;

    trial_test_find(e->test, &test);
    enum metric_form form =
        e->plain || test == TEST_COUNT ? e->form : metric_form(metric_test(&policy_default()->evidence, (int)test));
    h.than = form == FORM_OUTCOME ? " what is tolerated"
             : e->diff            ? " against the others"
             : form == FORM_SHIFT ? " as much as the others"
                                  : " as often as the others";
    h.diff = e->diff;
    if (form != FORM_HAD)
        return h;
    if (e->canary_of > 0 && e->control_of > 0) {
        h.to = (double)e->canary / (double)e->canary_of;
        h.from = (double)e->control / (double)e->control_of;
    }
    /* None of the others had it: there is no ratio but what it is over. */
    h.unbounded = !isfinite(h.ratio) ? e->ratio_low > 0 : h.from == 0 && h.to > 0 && !isfinite(h.high);
    if (h.unbounded)
        h.ratio = NAN;
    h.unbounded = h.unbounded && h.low > 0; /* else nothing can be said */
    h.capped = h.ratio >= CAP_HIGH;
    return h;
}

/* An end of an interval: rounded away from the ratio, so that what is written holds. */
static const char *end(char out[FMT_MAX], double x, bool up)
{
    double step = x < 1 ? 0.01 : x < 10 ? 0.1 : 1, n = up ? ceil(x / step - 1e-9) : floor(x / step + 1e-9);

    if (x >= 1e4)
        snprintf(out, FMT_MAX, "10^%.0f", up ? ceil(log10(x)) : floor(log10(x)));
    else
        snprintf(out, FMT_MAX, "%.*f", step < 0.1 ? 2 : step < 1 ? 1 : 0, n * step);
    return out;
}

/* The number alone; what it is over is rounded down. */
static const char *number(char out[FMT_MAX], const struct harm *h, const char *over)
{
    char n[FMT_MAX];

    if (h->diff && isfinite(h->ratio))
        snprintf(out, FMT_MAX, "%+.3g", h->ratio);
    else if (h->unbounded || h->capped)
        snprintf(out, FMT_MAX, "%s%.20sx", over, end(n, h->unbounded ? h->low : h->ratio, false));
    else
        fmt_ratio(out, h->ratio);
    return out;
}

const char *harm_brief(char out[FMT_MAX], const struct harm *h)
{
    return number(out, h, ">");
}

const char *harm_fit(char out[FMT_MAX], const struct harm *h, int cols)
{
    char n[FMT_MAX];

    harm_brief(out, h);
    if (!h->diff || strlen(out) <= (size_t)cols)
        return out;
    snprintf(n, sizeof n, "%s", out + 1); /* behind the sign, which stays */
    snprintf(out, FMT_MAX, "%c%.30s", h->ratio < 0 ? '-' : '+', fmt_fit(n, fabs(h->ratio), cols - 1));
    return out;
}

const char *harm_text(char out[FMT_MAX], const struct harm *h)
{
    char r[FMT_MAX], lo[FMT_MAX], hi[FMT_MAX];
    bool low = isfinite(h->low) && h->low > 0, high = isfinite(h->high);

    if (isnan(h->ratio) && !h->unbounded && high)
        snprintf(out, FMT_MAX, "under %.10sx", end(hi, h->high, true));
    else if (isnan(h->ratio) || (!low && !high))
        number(out, h, "over ");
    else if (low && high)
        snprintf(out, FMT_MAX, "%.15s (%.8s to %.8s)", number(r, h, "over "), end(lo, h->low, false),
                 end(hi, h->high, true));
    else
        snprintf(out, FMT_MAX, "%.15s (%s %.10s)", number(r, h, "over "), low ? "over" : "under",
                 low ? end(lo, h->low, false) : end(hi, h->high, true));
    return out;
}

const char *harm_value(char out[FMT_MAX], const struct figure *f, double v)
{
    if (f->percent)
        return fmt_percent(out, v);
    return fmt_num(out, v); /* a ratio alone has an x: "0.96 vs 1.02, 0.94x" */
}

void harm_figures(const struct figure *f, const struct harm *h, const char *limit, char *out, size_t size)
{
    char a[FMT_MAX], b[FMT_MAX], r[FMT_MAX];

    snprintf(out, size, "%s %.30s%s against %.30s (%.38s%.30s)", f->phrase, harm_value(a, f, h->to), f->per,
             harm_value(b, f, h->from), harm_text(r, h), limit);
}

void harm_absolute(const struct figure *f, double value, double limit, bool under, char *out, size_t size)
{
    char a[FMT_MAX], b[FMT_MAX];

    snprintf(out, size, "%s %.30s%s, %s%.30s", f->phrase, harm_value(a, f, value), f->per,
             under && value < limit    ? "under the limit of "
             : !under && value > limit ? "over the limit of "
                                       : "limit ",
             harm_value(b, f, limit));
}
