#include <inttypes.h>
#include <string.h>
#include "cli/queue.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/match.h"

static const char *const TIER_TEXTS[2][TIERS] = {{"✖ NOW", "▲ 7D", "● 30D", "○ NEXT"},
                                                 {"X NOW", "! 7D", "* 30D", "o NEXT"}};

/* --- small words ---------------------------------------------------------------------------------------------------
 */

/* "-2d  4h", "+71d 6h" */
static const char *due_text(char out[FMT_MAX], int64_t due, int64_t now)
{
    int64_t left = due - now, h = (left < 0 ? -left : left) / US_PER_HOUR;
    snprintf(out, FMT_MAX, "%c%" PRId64 "d %2" PRId64 "h", left < 0 ? '-' : '+', h / 24, h % 24);
    return out;
}

static const char *score_text(char out[FMT_MAX], const struct vuln_facts *f)
{
    if (f->tenths < 0)
        snprintf(out, FMT_MAX, "?");
    else
        snprintf(out, FMT_MAX, "%d.%d", f->tenths / 10, f->tenths % 10);
    return out;
}

/* "gate 2.8.4 -> 2.9.0" */
static const char *step_text(struct arena *a, const struct queue_row *r, bool ascii)
{
    const char *from = *r->from ? r->from : "?";
    const char *colon = strrchr(from, ':'), *to = r->to ? strrchr(r->to->name, ':') : NULL;
    char *text = arena_strdup(a, from);
    if (colon)
        text[colon - from] = ' ';
    return to ? arena_printf(a, "%s %s %s", text, ascii ? "->" : "→", to + 1) : text;
}

static const char *state_text(struct arena *a, const struct queue_row *r, bool ascii)
{
    char t[FMT_MAX];
    if (r->kind == QUEUE_BLIND)
        return r->n_unknown == 1 ? "1 vulnerability"
               : r->n_unknown    ? arena_printf(a, "%zu %s", r->n_unknown, r->blind)
                                 : r->blind;
    if (r->accepted)
        return arena_printf(a, "accepted to %.10s", fmt_iso(t, r->accepted->until));
    if (r->kind == QUEUE_NOFIX)
        return r->past_life ? "end of life: isolate, replace" : "no fix: isolate, accept";
    if (r->to->state == FIX_HALTED)
        return arena_printf(a, "%s %s halted", ascii ? "X" : "✖", r->to->rollout);
    const char *state = *r->to->rollout ? arena_printf(a, "%s %s", r->to->rollout, fix_state_word(r->to->state)) : "-";
    if (r->exploited_there)
        return arena_printf(a, "%s; target has %s !", state, r->exploited_there);
    return r->halted_fix ? arena_printf(a, "%s; %s is halted", state, r->halted_fix) : state;
}

static int64_t internet(const struct queue_row *r)
{
    return r->exposed[EXPOSURE_INTERNET];
}

/* --- the rows -------------------------------------------------------------------------------------------------------
 */

static void add_row(const struct queue_world *w, const struct queue_row *r, size_t number, bool ascii, struct arena *a,
                    struct table *t)
{
    char due[FMT_MAX] = "", n[FMT_MAX], net[FMT_MAX], score[FMT_MAX] = "?";
    const char *tier = r->kind == QUEUE_BLIND   ? "? BLIND"
                       : r->kind == QUEUE_NOFIX ? (ascii ? "## NOFIX" : "‼ NOFIX")
                                                : TIER_TEXTS[ascii][r->worst.risk->tier];
    const char *worst = "cannot be judged";
    if (r->kind != QUEUE_BLIND) {
        due_text(due, r->worst.risk->due, w->in.now);
        score_text(score, r->worst.facts);
        worst = arena_printf(a, "%s%s%s", r->worst.facts->id, risk_exploited(r->worst.facts) ? " !" : "",
                             r->finding->status == FINDING_DOUBTFUL ? " doubtful" : "");
    }
    table_addf(t, "%zu", number);
    table_add(t, tier);
    table_add(t, due);
    table_add(t, step_text(a, r, ascii));
    table_add(t, fmt_count(n, r->devices));
    table_add(t, fmt_count(net, internet(r)));
    table_add(t, worst);
    table_add(t, score);
    table_add(t, state_text(a, r, ascii));
}

/* "31h old"; a moment that this host's clock has not reached is no age. */
static const char *age_text(char out[FMT_MAX], int64_t at, int64_t now)
{
    char t[FMT_MAX];
    if (at > now)
        snprintf(out, FMT_MAX, "dated after this clock");
    else
        snprintf(out, FMT_MAX, "%.20s old", fmt_dur(t, now - at));
    return out;
}

static void headline(const struct queue_world *w, bool ascii, struct buf *out)
{
    char n[FMT_MAX], t[FMT_MAX];
    int64_t late = w->in.now - w->q.exploited_due;
    if (w->q.exploited_devices == 0)
        buf_adds(out, "no device is known to be exposed to an exploited vulnerability that nobody has accepted");
    else
        buf_printf(out, "%s %s device%s exposed to an exploited vulnerability, %s%s%s", ascii ? "X" : "✖",
                   fmt_count(n, w->q.exploited_devices), w->q.exploited_devices == 1 ? " is" : "s are",
                   late > 0 ? "" : "due in ", fmt_dur(t, late > 0 ? late : -late), late > 0 ? " past due" : "");
    if (w->q.blind_devices)
        buf_printf(out, "; %s cannot be judged", fmt_count(n, w->q.blind_devices));
    if (w->in.source_at[FROM_KEV])
        buf_printf(out, ".  KEV list %s\n", age_text(t, w->in.source_at[FROM_KEV], w->in.now));
    else
        buf_adds(out, ".  No KEV list was imported\n");
}

/* What is behind it, and what it does not see. */
static void footer(const struct queue_world *w, struct buf *out)
{
    char t[FMT_MAX], n[FMT_MAX];
    buf_printf(out, "devices of %s\ndata ", w->of);
    for (size_t i = 0; i < w->n_sources; i++) {
        int64_t age = intel_age(&w->sources[i], w->in.now);
        buf_printf(out, "  %s %s%s", w->sources[i].name, age < 0 ? "?" : fmt_dur(t, age),
                   intel_stale(&w->sources[i], w->in.now) ? " (old)" : "");
    }
    buf_printf(out, "  SBOM %zu of %zu releases on devices\n", w->releases - w->without_sbom, w->releases);
    buf_printf(out,
               "not judged: %s devices without an SBOM or a release, %zu parts without a version, %zu without a known "
               "purl or CPE, %zu vulnerabilities\n",
               fmt_count(n, w->q.blind_devices), w->gaps.no_version, w->gaps.no_id, w->q.n_unknown);
    if (w->cut)
        buf_adds(out, "a release has more than can be looked at: not all is here\n");
}

void queue_text(const struct queue_world *w, bool ascii, struct buf *out)
{
    static const char *const heads[] = {"#", "TIER", "DUE", "STEP", "DEVICES", "INTERNET", "WORST", "CVSS", "STATE"};
    struct table t;
    struct arena a;
    arena_init(&a);
    headline(w, ascii, out);
    table_init(&t, 9, 1U | 1U << 4 | 1U << 5 | 1U << 7);
    for (size_t i = 0; i < 9; i++)
        table_add(&t, heads[i]);
    for (size_t i = 0; i < w->q.n; i++)
        add_row(w, &w->q.rows[i], i + 1, ascii, &a, &t);
    table_print(&t, out);
    if (w->q.n == 0)
        buf_adds(out, w->in.n_cells ? "nothing is known against what could be judged\n" : "there are no devices\n");
    footer(w, out);
    arena_release(&a);
}

/* --- why ---------------------------------------------------------------------------------------------------------- */

/* Who says it, and how old that is: "kev 31h". */
static void who_says(const struct queue_world *w, const struct risk_reason *y, struct buf *out)
{
    char t[FMT_MAX];
    if (y->assumed)
        buf_adds(out, "ASSUMED: nobody says it, so it counts as the worse");
    else if (y->source == FROM_NOTHING)
        buf_adds(out, "no source says otherwise");
    else if (y->source == FROM_VECTOR)
        buf_adds(out, "from the CVSS vector");
    else
        buf_adds(out, risk_source_word(y->source));
    if (y->at)
        buf_printf(out, " %.10s", fmt_iso(t, y->at));
    if (w->in.source_at[y->source])
        buf_printf(out, ", %s", age_text(t, w->in.source_at[y->source], w->in.now));
}

static void points(const struct queue_world *w, const struct queue_row *r, struct buf *out)
{
    static const char *const names[POINTS] = {"exploited", "exposure", "automatable", "impact", "technical"};
    char n[4][FMT_MAX];
    for (int p = 0; p < POINTS; p++) {
        const struct risk_reason *y = &r->worst.risk->why[p];
        buf_printf(out, "  %-12s %-11s", names[p], risk_value_word((enum risk_point)p, y->value));
        if (p == POINT_EXPOSURE)
            buf_printf(out, "internet %s of %s devices, site %s, unknown %s; ", fmt_count(n[0], internet(r)),
                       fmt_count(n[1], r->devices), fmt_count(n[2], r->exposed[EXPOSURE_SITE]),
                       fmt_count(n[3], r->exposed[EXPOSURE_UNKNOWN]));
        if (p == POINT_IMPACT && !y->assumed)
            buf_printf(out, "class %s; ", device_class_word(r->worst.cell->cls));
        if (p == POINT_EXPLOITED && r->worst.facts->ransomware)
            buf_adds(out, "used by ransomware; ");
        who_says(w, y, out);
        buf_addc(out, '\n');
    }
}

static void due(const struct queue_world *w, const struct risk *k, struct buf *out)
{
    char d[FMT_MAX], f[FMT_MAX], in[FMT_MAX], left[FMT_MAX];
    const char *by = k->bod_us && k->within_us == k->bod_us && k->bod_us < k->tier_us ? "BOD 26-04"
                     : k->within_us == k->tier_us                                     ? "the tier"
                                                                                      : "the class's target";
    if (!k->from)
        buf_adds(out, "  due          now: no moment is known to count from\n");
    else
        buf_printf(out, "  due          %s (%s) = %s %s + %s, by %s\n", fmt_iso(d, k->due),
                   due_text(left, k->due, w->in.now), risk_clock_word(k->clock), fmt_iso(f, k->from),
                   fmt_dur(in, k->within_us), by);
}

static void list_ids(const char *what, const char *const *v, size_t n, struct buf *out)
{
    buf_printf(out, "  %-12s %zu", what, n);
    for (size_t i = 0; i < n && i < 8; i++)
        buf_printf(out, "%s%s", i ? " " : "  ", v[i]);
    buf_adds(out, n > 8 ? " ...\n" : "\n");
}

static void decided(const struct queue_world *w, const struct queue_row *r, struct buf *out)
{
    const struct risk *k = r->worst.risk;
    const struct vuln_facts *f = r->worst.facts;
    const struct finding *g = r->finding;
    char score[FMT_MAX], t[FMT_MAX];
    points(w, r, out);
    buf_printf(out, "  table        %s x %s x %s x %s = %s, SSVC deployer 1.0.0 row %d; BOD 26-04: %s, row %d%s\n",
               risk_value_word(POINT_EXPLOITED, k->why[POINT_EXPLOITED].value),
               risk_value_word(POINT_EXPOSURE, k->why[POINT_EXPOSURE].value),
               k->why[POINT_AUTOMATABLE].value ? "yes" : "no",
               risk_value_word(POINT_IMPACT, k->why[POINT_IMPACT].value), ssvc_tier_word(k->by_table), k->row,
               bod_word(k->bod), k->bod_row, k->bod_us ? " (binds)" : "");
    for (unsigned rule = RISK_R1; rule <= RISK_R2; rule <<= 1) {
        if (k->rules & rule)
            buf_printf(out, "  rule         %s\n", risk_rule_text(rule));
    }
    due(w, k, out);
    buf_printf(out, "  CVSS         %s%s%s%s%s", score_text(score, f), *f->vector ? "  " : "", f->vector,
               *f->scored_by ? "  " : "", f->scored_by);
    if (f->scored)
        buf_printf(out, "   EPSS %.3f (%.1f%%)\n", f->epss, f->percentile * 100);
    else
        buf_adds(out, "   EPSS ?\n");
    buf_printf(out, "  component    %s, %s: %s%s%s", *g->component ? g->component : "-", finding_status_word(g->status),
               finding_why_text(g->why), *g->by ? ", " : "", g->by);
    buf_printf(out, "; fixed in %s\n", *g->fixed_in ? g->fixed_in : "a version that nobody states");
    if (f->learned)
        buf_printf(out, "  known here   since %s\n", fmt_iso(t, f->learned));
    if (r->accepted)
        buf_printf(out, "  accepted     by %s until %s, entry %" PRId64 ": %s%s%s\n", r->accepted->by,
                   fmt_iso(t, r->accepted->until), r->accepted->seq, r->accepted->reason,
                   *r->accepted->control ? "; instead: " : "", r->accepted->control);
    if (!r->to)
        return;
    list_ids("closes", r->closes, r->n_closes, out);
    list_ids("opens", r->opens, r->n_opens, out);
    if (r->exploited_there)
        buf_printf(out, "  WARNING      %s has %s, which is exploited\n", r->to->name, r->exploited_there);
    else
        buf_printf(out, "  target       no known exploited vulnerability in %s\n", r->to->name);
    if (r->halted_fix)
        buf_printf(out, "  halted       %s closes it too, and its rollout is halted\n", r->halted_fix);
}

void queue_why_text(const struct queue_world *w, size_t number, struct buf *out)
{
    const struct queue_row *r = &w->q.rows[number - 1];
    struct arena a;
    arena_init(&a);
    buf_printf(out, "why %zu stands there: %s\n", number, step_text(&a, r, true));
    if (r->kind == QUEUE_BLIND)
        buf_printf(out, "  cannot be judged: %s; this is never counted as clean\n", state_text(&a, r, true));
    else
        decided(w, r, out);
    footer(w, out);
    arena_release(&a);
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

void queue_json(const struct queue_world *w, size_t only, struct json_w *j)
{
    json_w_ktime(j, "at", w->in.now);
    json_w_kstr(j, "devices_of", w->of);
    json_w_kint(j, "exploited_devices", w->q.exploited_devices);
    json_w_ktime(j, "exploited_due", w->q.exploited_due);
    json_w_kint(j, "blind_devices", w->q.blind_devices);
    json_w_kint(j, "not_judged", (int64_t)w->q.n_unknown);
    json_w_kint(j, "parts_without_version", (int64_t)w->gaps.no_version);
    json_w_kint(j, "parts_without_id", (int64_t)w->gaps.no_id);
    json_w_kint(j, "releases", (int64_t)w->releases);
    json_w_kint(j, "releases_without_sbom", (int64_t)w->without_sbom);
    json_w_kbool(j, "complete", !w->cut);
    json_w_key(j, "sources");
    json_w_arr(j);
    for (size_t i = 0; i < w->n_sources; i++) {
        json_w_obj(j);
        json_w_kstr(j, "source", w->sources[i].name);
        json_w_kstr(j, "sha256", w->sources[i].sha256);
        json_w_kbool(j, "stale", intel_stale(&w->sources[i], w->in.now));
        json_w_obj_end(j);
    }
    json_w_arr_end(j);
    json_w_key(j, "rows");
    json_w_arr(j);
    for (size_t i = 0; i < w->q.n; i++) {
        if (only == 0 || only == i + 1)
            queue_row_json(&w->in, &w->q.rows[i], i + 1, j);
    }
    json_w_arr_end(j);
}
