#include "core/explain.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "core/detmath.h"

#define LN_TEN   2.302585092994046
#define MILLION  1e6
#define MAX_LOG  690.0 /* e^690 still is a number */
#define NEAR_ONE (1 + 1e-9)

/* ---- numbers ---- */

/* To what is shown: whole from 10 on (what is needed always), two figures from 10,000 on. */
static double rounded(double x, bool up)
{
    double step = x < 10 && !up ? 0.1 : 1;

    if (x >= 10000) {
        while (x / step >= 100)
            step *= 10;
    }
    return up ? ceil(x / step / NEAR_ONE) * step : floor(x / step * NEAR_ONE) * step;
}

/* From a million on only the power of ten is shown: which; -1 for less. */
static double power(double log_x, bool up)
{
    double x = det_exp(log_x < MAX_LOG ? log_x : MAX_LOG), n = log_x < 9999 * LN_TEN ? log_x / LN_TEN : 9999;

    return rounded(x, up) < MILLION * NEAR_ONE ? -1 : up ? ceil(n - 1e-9) : floor(n + 1e-9);
}

static const char *plain(char out[FMT_MAX], double log_x, bool up)
{
    double x = det_exp(log_x < MAX_LOG ? log_x : MAX_LOG), n = power(log_x, up);

    if (n >= 0)
        snprintf(out, FMT_MAX, "10^%.0f", n);
    else if (x < 0.1)
        snprintf(out, FMT_MAX, "under 0.1");
    else if (x < 10 && !up)
        snprintf(out, FMT_MAX, "%.1f", rounded(x, up));
    else
        fmt_count(out, (int64_t)(rounded(x, up) + 0.5));
    return out;
}

const char *explain_need(char out[FMT_MAX], double log_need)
{
    if (isnan(log_need))
        snprintf(out, FMT_MAX, "?");
    else
        plain(out, log_need, true);
    return out;
}

/* Does rounding evidence down and its need up show the first as the smaller? */
static bool reads_short(double log_e, double log_need)
{
    double e = power(log_e, false), need = power(log_need, true);

    return e >= 0 || need >= 0 ? e < need : rounded(det_exp(log_e), false) < rounded(det_exp(log_need), true);
}

const char *explain_evidence(char out[FMT_MAX], double log_e, double log_need)
{
    if (isnan(log_e))
        snprintf(out, FMT_MAX, "?");
    else /* when it is reached, the rounding of both must not hide it */
        plain(out, log_e >= log_need && reads_short(log_e, log_need) ? log_need : log_e,
              log_e >= log_need && reads_short(log_e, log_need));
    return out;
}

const char *explain_percent(char out[FMT_MAX], double share)
{
    if (isnan(share))
        snprintf(out, FMT_MAX, "?");
    else
        snprintf(out, FMT_MAX, "%.2g%%", share * 100);
    return out;
}

/* ---- sentences ---- */

void explain_who(const struct evidence *e, enum trial_test which, char *out, size_t size)
{
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX], d[FMT_MAX];
    const char *plain = e->plain ? e->plain : trial_test_plain(which);
    enum metric_form form = e->plain || (unsigned)which >= TEST_COUNT
                                ? e->form
                                : metric_form(metric_test(&policy_default()->evidence, (int)which));

    fmt_count(a, e->canary);
    fmt_count(b, e->canary_of);
    fmt_count(c, e->control);
    fmt_count(d, e->control_of);
    if (form == FORM_SHIFT)
        snprintf(out, size, "%.30s of %.30s canaries are %s 95%% of the %.30s others in %.100s", a, b,
                 e->down ? "below" : "above", d,
                 which == TEST_CPU        ? "CPU against their own past"
                 : which == TEST_VARIANCE ? "sensor variance against their own past"
                                          : plain);
    else if (form == FORM_OUTCOME)
        snprintf(out, size, "%.30s of %.30s devices told %.100s%s%.30s%s", a, b, plain, e->overdue > 0 ? " (" : "",
                 e->overdue > 0 ? fmt_count(c, e->overdue) : "", e->overdue > 0 ? " of them overdue)" : "");
    else
        snprintf(out, size, "%.30s of %.30s canaries %.100s, %.30s of %.30s others", a, b, plain, c, d);
}

#define EXPLAIN_STANDING 90

/* "72,000"; where the counts have changed since: "72,000 at its most, 12 now". */
static const char *standing(char out[EXPLAIN_STANDING], const struct evidence *e)
{
    char most[FMT_MAX], now[FMT_MAX];

    explain_evidence(most, e->log_e, e->log_pause);
    explain_evidence(now, e->log_now, INFINITY);
    /* The counts are of now. What was reached stays reached, and is told beside what these counts say. */
    if (isnan(e->log_now) || e->log_now > e->log_e - 0.05 || strcmp(most, now) == 0)
        snprintf(out, EXPLAIN_STANDING, "%.30s", most);
    else
        snprintf(out, EXPLAIN_STANDING, "%.30s at its most, %.30s now", most, now);
    return out;
}

bool explain_installs(const struct wave_health *h, char *out, size_t size)
{
    char a[FMT_MAX], b[FMT_MAX], c[FMT_MAX], d[FMT_MAX], over[60] = "", away[80] = "";
    int64_t rest = h->told - h->installed - h->failed;

    if (h->told <= 0)
        return false;
    if (h->overdue > 0)
        snprintf(over, sizeof over, " (%.30s overdue)", fmt_count(a, h->overdue));
    if (h->unreached > 0)
        snprintf(away, sizeof away, " (%.30s not reached since told)", fmt_count(b, h->unreached));
    snprintf(out, size, "installs: %.30s of %.30s installed, ", fmt_count(c, h->installed), fmt_count(d, h->told));
    size_t used = strlen(out);
    snprintf(out + used, size - used, "%.30s failed%.60s, %.30s not yet%.80s", fmt_count(c, h->failed), over,
             fmt_count(d, rest > 0 ? rest : 0), away);
    return true;
}

void explain_sentence(const struct evidence *e, enum trial_test which, char *out, size_t size)
{
    char who[EXPLAIN_TEXT], so_far[EXPLAIN_STANDING], pause[FMT_MAX], back[FMT_MAX], few[80] = "", roll[80] = "";

    explain_who(e, which, who, sizeof who);
    if (e->log_rollback > 0)
        snprintf(roll, sizeof roll, ", %.30s to roll back", explain_need(back, e->log_rollback));
    if (e->log_e >= e->log_pause && e->devices < e->min_devices)
        snprintf(few, sizeof few, " Carried by %d; no pause before %d devices do.", e->devices, e->min_devices);
    snprintf(out, size, "%.200s. Evidence %.80s; %.30s needed to pause%.50s.%.80s%s", who, standing(so_far, e),
             explain_need(pause, e->log_pause), roll, few, e->dismissed ? " Acknowledged." : "");
}

void explain_size(const struct evidence *e, enum trial_test which, char *out, size_t size)
{
    struct harm h = harm_of_evidence(e);
    char n[FMT_MAX], how[100];
    bool all = e->plain ? e->form == FORM_SHIFT
                        : which == TEST_CPU || which == TEST_VARIANCE; /* compared at once: nobody carries it alone */

    if (isnan(h.ratio) && !(h.low > 0) && !isfinite(h.high))
        snprintf(how, sizeof how, "how much is not known");
    else
        snprintf(how, sizeof how, "%.38s%.40s", harm_text(n, &h), h.than);
    snprintf(out, size, all ? "%s; %d canaries compared" : "%s; carried by %d", how, e->devices);
}

const struct stage_view *explain_stage(const struct trial_view *t, int wave)
{
    if (!t->stages || wave < 0 || (size_t)wave >= t->n_stages)
        return NULL;
    return &t->stages[wave];
}

const struct stage_view *explain_told(const struct trial_view *t, int wave)
{
    bool known = t->state != TRIAL_OFF && t->stages && wave >= 0 && (size_t)wave < t->n_planned;
    return known && t->stages[wave].placebo ? &t->stages[wave] : NULL;
}

/* How many there are to compare: now, or when it is over the most that a test had. */
static void compared(const struct stage_view *s, bool over, int64_t *canary, int64_t *control)
{
    *canary = over ? 0 : s->canary;
    *control = over ? 0 : s->control;
    for (size_t i = 0; i < s->n && over; i++) {
        const struct evidence *e = &s->v[i];
        if (s->which[i] == TEST_INSTALL)
            continue;
        *canary = e->canary_of > *canary ? e->canary_of : *canary;
        *control = e->control_of > *control ? e->control_of : *control;
    }
}

static bool is_over(const struct trial_view *t, int wave)
{
    return t->ended || wave != t->stage;
}

bool explain_blind(const struct trial_view *t, int wave)
{
    const struct stage_view *s = explain_stage(t, wave);
    int64_t canary, control;

    if ((t->state != TRIAL_LIVE && !t->ended) || !s)
        return true;
    compared(s, is_over(t, wave), &canary, &control);
    return s->leading < 0 && (canary == 0 || control == 0);
}

bool explain_speaks(const struct evidence *e)
{
    return !(e->log_e <= 0.05);
}

size_t explain_silent(const struct stage_view *s, bool compares, bool over, const char *how, bool names, char *out,
                      size_t size)
{
    size_t n = 0, used = 0;

    out[0] = '\0';
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < s->n && i < TESTS_MAX; i++) {
            const struct evidence *e = &s->v[i];
            bool can = e->canary_of > 0 && (e->control_of > 0 || s->which[i] == TEST_INSTALL);

            if (explain_speaks(e) || can != compares)
                continue;
            if (pass == 0)
                n++;
            else if (used < size)
                used += (size_t)snprintf(out + used, size - used, " %.40s", e->test);
        }
        if (pass > 0 || n == 0)
            break;
        used = (size_t)snprintf(out, size, "%zu test%s %s%s%s%s%s", n, n == 1 ? "" : "s",
                                compares ? over     ? "said nothing against it"
                                           : n == 1 ? "says nothing against it so far"
                                                    : "say nothing against it so far"
                                : over   ? "compared nobody"
                                : n == 1 ? "has compared nobody so far"
                                         : "have compared nobody so far",
                                *how ? " (" : "", how, *how ? ")" : "", names ? ":" : "");
        if (!names)
            break;
    }
    return n;
}

bool explain_had_release(const struct wave_view *w, char *out, size_t size)
{
    char n[FMT_MAX], m[FMT_MAX];

    out[0] = '\0';
    if (w->had_release > 0 && w->had_release >= w->members)
        snprintf(out, size, "All %.30s canaries had the release already: there is nothing to compare.",
                 fmt_count(n, w->had_release));
    else if (w->had_release > 0)
        snprintf(out, size, "%.30s of %.30s canaries had the release already: they are not compared.",
                 fmt_count(n, w->had_release), fmt_count(m, w->members));
    return w->had_release > 0;
}

static const char *because(const struct trial_view *t)
{
    return t->text && *t->text ? t->text : "not known";
}

void explain_wave(const struct trial_view *t, int wave, char *out, size_t size)
{
    const struct stage_view *s = explain_stage(t, wave);
    bool over = is_over(t, wave);
    int64_t canary, control;
    char n[FMT_MAX], m[FMT_MAX];

    if (t->state == TRIAL_OFF && !t->ended) {
        snprintf(out, size, "No evidence is gathered: %.300s.", because(t));
        return;
    }
    if (t->state == TRIAL_WAITING || (t->state == TRIAL_CATCHING && !s)) {
        snprintf(out, size, "No evidence yet: %.300s.",
                 t->text && *t->text ? t->text : "what is needed from before the rollout is being read");
        return;
    }
    if (t->state == TRIAL_CATCHING && wave == t->stage) {
        snprintf(out, size, "Nothing can be said by evidence yet: what was measured so far is being read.");
        return;
    }
    if (!s) {
        snprintf(out, size, "No evidence: %s.",
                 t->ended ? "the rollout ended before the tests of this wave began"
                          : "the tests of this wave have not begun");
        return;
    }
    compared(s, over, &canary, &control);
    if (wave == t->stage && t->sentence && *t->sentence)
        snprintf(out, size, "%.390s", t->sentence);
    else if (s->leading >= 0 && (size_t)s->leading < s->n)
        explain_sentence(&s->v[s->leading], s->which[s->leading], out, size);
    else if (canary == 0)
        snprintf(out, size, "%s",
                 over ? "Nothing was compared while this wave ran: no canary counted after its install and a grace."
                      : "Nothing can be said yet: no canary counts before its install and a grace after it.");
    else if (control == 0)
        snprintf(out, size, "%.30s canaries, and no other device %s to compare them with: only installs %s.",
                 fmt_count(n, canary), over ? "was left" : "is left", over ? "were tested" : "are tested");
    else
        snprintf(out, size, "No test %s: %.30s canaries against %.30s others.",
                 over ? "spoke against this wave while it ran" : "speaks against this wave so far",
                 fmt_count(n, canary), fmt_count(m, control));
}

void explain_state(const struct trial_view *t, char *out, size_t size)
{
    const char *dry = t->dry_run && t->state != TRIAL_OFF ? "dry run, never acts: " : "";
    bool why = t->text && *t->text;

    switch (t->state) {
    case TRIAL_OFF:
        snprintf(out, size, "%s%.300s", t->ended ? "over: " : "off: ", because(t));
        return;
    case TRIAL_WAITING:
        snprintf(out, size, "%swaiting%s%.300s", dry, why ? ": " : "", why ? t->text : "");
        return;
    case TRIAL_CATCHING:
        /* Rounded down: 100% is live. */
        snprintf(out, size, "%scatching up %d%%", dry,
                 t->progress >= 0 && t->progress <= 1 ? (int)(t->progress * 100) : 0);
        return;
    case TRIAL_LIVE:
        snprintf(out, size, "%slive", dry);
        return;
    case TRIAL_BEHIND:
        snprintf(out, size, "%sbehind%s%.300s", dry, why ? ": " : "", why ? t->text : "");
        return;
    }
    snprintf(out, size, "?");
}

const char *explain_reaction_word(enum reaction r)
{
    return r == REACT_ROLLBACK ? "roll back" : reaction_word(r);
}

/* ---- where it stands ---- */

enum reaction explain_reaction(const struct evidence_policy *p, const struct evidence *e)
{
    enum reaction react = REACT_NONE;

    if (e->dismissed)
        return REACT_NONE;
    for (size_t i = 0; i < p->n_levels && i < EVIDENCE_LEVELS_MAX; i++)
        if (e->log_e >= e->log_pause + det_log(p->level[i].times) && p->level[i].react > react)
            react = p->level[i].react;
    return react > REACT_WATCH && e->devices < e->min_devices ? REACT_WATCH : react;
}

enum reaction explain_wave_reaction(const struct evidence_policy *p, const struct trial_view *t, int wave)
{
    const struct stage_view *s = t->state == TRIAL_OFF && !t->ended ? NULL : explain_stage(t, wave);

    return s && s->leading >= 0 && (size_t)s->leading < s->n ? explain_reaction(p, &s->v[s->leading]) : REACT_NONE;
}

void explain_rollback(const struct evidence_policy *p, struct evidence *e)
{
    e->log_rollback = 0;
    for (size_t i = 0; i < p->n_levels && i < EVIDENCE_LEVELS_MAX; i++)
        if (p->level[i].react == REACT_ROLLBACK && e->log_rollback <= 0)
            e->log_rollback = e->log_pause + det_log(p->level[i].times);
}

double explain_scale(double log_e, double log_pause)
{
    double x = log_e / (log_pause + LN_TEN);
    return !(x > 0) ? 0 : x > 1 ? 1 : x;
}

bool explain_ledger(const struct policy *p, const struct trial_view *t, int wave, size_t waves,
                    struct explain_ledger *out)
{
    const struct evidence_policy *e = &p->evidence;
    const struct stage_view *s = explain_stage(t, wave);
    struct ledger l;

    *out = (struct explain_ledger){.rollout = e->alpha};
    if (e->tests == TESTS_OFF || !trial_ledger(e, waves < 1 ? 1 : waves > LEDGER_WAVES ? LEDGER_WAVES : (int)waves, &l))
        return false;
    out->install = ledger_install(&l);
    out->metrics = l.metrics;
    for (int m = 0; m < l.metrics; m++) {
        out->name[m] = metric_title(e, ledger_metric(m));
        out->id[m] = metric_id(e, ledger_metric(m));
        if (!(s && s->n))
            out->metric[m] = ledger_alpha(&l, wave, m);
    }
    for (size_t i = 0; s && i < s->n; i++) {
        int test = (int)s->which[i], m = test < metric_tests(e) ? ledger_row(metric_test(e, test)->metric) : -1;
        if (m >= 0)
            out->metric[m] += det_exp(-s->v[i].log_pause);
    }
    for (int m = 0; m < out->metrics; m++)
        out->wave += out->metric[m];
    return true;
}

void explain_promise(const struct policy *p, char *out, size_t size)
{
    char a[FMT_MAX], i[FMT_MAX];

    explain_percent(a, p->evidence.alpha);
    explain_percent(i, p->evidence.tolerance[ROW_INSTALL]);
    snprintf(out, size,
             "If the new firmware changes nothing and at most %.10s of installs fail by chance, these tests halt this "
             "rollout in at most %.10s of cases, however often andon looks and however long it runs.",
             i, a);
}
