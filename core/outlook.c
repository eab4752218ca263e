#include "core/outlook.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"

struct outlook *outlook_new(void)
{
    struct outlook *o = xcalloc(1, sizeof *o);
    o->refs = 1;
    o->of = "";
    arena_init(&o->mem);
    return o;
}

struct outlook *outlook_ref(struct outlook *o)
{
    if (o)
        __atomic_add_fetch(&o->refs, 1, __ATOMIC_RELAXED);
    return o;
}

void outlook_unref(struct outlook *o)
{
    if (!o || __atomic_sub_fetch(&o->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (o->drop)
        o->drop(o->kept);
    inventory_unref(o->inventory);
    arena_release(&o->mem);
    free(o);
}

/* --- small words --------------------------------------------------------------------------------------------------
 */

const char *outlook_due(char out[FMT_MAX], int64_t due, int64_t now)
{
    int64_t left = due - now, h = (left < 0 ? -left : left) / US_PER_HOUR;
    if (h >= (int64_t)100 * 24)
        snprintf(out, FMT_MAX, "%c%" PRId64 "d", left < 0 ? '-' : '+', h / 24);
    else
        snprintf(out, FMT_MAX, "%c%" PRId64 "d %2" PRId64 "h", left < 0 ? '-' : '+', h / 24, h % 24);
    return out;
}

const char *outlook_time(char out[FMT_MAX], int64_t t)
{
    char iso[FMT_MAX];
    fmt_iso(iso, t);
    snprintf(out, FMT_MAX, "%.10s %.5sZ", iso, strlen(iso) > 16 ? iso + 11 : "");
    return out;
}

const char *outlook_score(char out[FMT_MAX], const struct vuln_facts *f)
{
    if (f->tenths < 0)
        snprintf(out, FMT_MAX, "?");
    else
        snprintf(out, FMT_MAX, "%d.%d", f->tenths / 10, f->tenths % 10);
    return out;
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

const char *outlook_tier(const struct queue_row *r, bool ascii)
{
    static const char *const texts[2][TIERS] = {{"✖ NOW", "▲ 7D", "● 30D", "○ NEXT"},
                                                {"X NOW", "! 7D", "* 30D", "o NEXT"}};
    if (r->kind == QUEUE_BLIND)
        return "? BLIND";
    return r->kind == QUEUE_NOFIX ? (ascii ? "## NOFIX" : "‼ NOFIX") : texts[ascii][r->worst.risk->tier];
}

const char *outlook_step(struct arena *a, const struct queue_row *r, bool ascii)
{
    const char *from = *r->from ? r->from : "?";
    const char *colon = strrchr(from, ':'), *to = r->to ? strrchr(r->to->name, ':') : NULL;
    char *text = arena_strdup(a, from);
    if (colon)
        text[colon - from] = ' ';
    return to ? arena_printf(a, "%s %s %s", text, ascii ? "->" : "→", to + 1) : text;
}

const char *outlook_worst(struct arena *a, const struct queue_row *r)
{
    if (r->kind == QUEUE_BLIND)
        return "cannot be judged";
    return arena_printf(a, "%s%s%s", r->worst.facts->id, risk_exploited(r->worst.facts) ? " !" : "",
                        r->finding->status == FINDING_DOUBTFUL ? " doubtful" : "");
}

const char *outlook_state(struct arena *a, const struct queue_row *r, bool ascii)
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

void outlook_headline(const struct outlook *o, bool ascii, bool *bad, struct buf *out)
{
    char n[FMT_MAX], t[FMT_MAX];
    const struct queue *q = &o->q;
    int64_t late = o->in.now - q->exploited_due;
    *bad = q->exploited_devices > 0;
    if (!*bad)
        buf_adds(out, "no device is known to be exposed to an exploited vulnerability that nobody has accepted");
    else
        buf_printf(out, "%s %s device%s exposed to an exploited vulnerability, %s%s%s", ascii ? "X" : "✖",
                   fmt_count(n, q->exploited_devices), q->exploited_devices == 1 ? " is" : "s are",
                   late > 0 ? "" : "due in ", fmt_dur(t, late > 0 ? late : -late), late > 0 ? " past due" : "");
    if (q->blind_devices)
        buf_printf(out, "; %s cannot be judged", fmt_count(n, q->blind_devices));
    if (o->in.source_at[FROM_KEV])
        buf_printf(out, ".  KEV list %s", age_text(t, o->in.source_at[FROM_KEV], o->in.now));
    else
        buf_adds(out, ".  No KEV list was imported");
}

void outlook_unseen(const struct outlook *o, struct buf *out)
{
    char n[FMT_MAX];
    buf_printf(out,
               "not judged: %s devices without an SBOM or a release, %zu parts without a version, %zu without a known "
               "purl or CPE, %zu vulnerabilities",
               fmt_count(n, o->q.blind_devices), o->gaps.no_version, o->gaps.no_id, o->q.n_unknown);
}

enum fix_state outlook_standing(enum rollout_state state, bool halted)
{
    if (halted)
        return FIX_HALTED;
    switch (state) {
    case ROLLOUT_CREATING:
    case ROLLOUT_WAITING_APPROVAL:
    case ROLLOUT_READY:
        return FIX_WAITING;
    case ROLLOUT_STARTING:
    case ROLLOUT_RUNNING:
        return FIX_RUNNING;
    case ROLLOUT_PAUSED:
        return FIX_PAUSED;
    case ROLLOUT_FINISHED:
        return FIX_FINISHED;
    case ROLLOUT_STOPPING: /* for good: it goes nowhere by this one */
    case ROLLOUT_STOPPED:
    case ROLLOUT_DENIED:
        return FIX_HALTED;
    case ROLLOUT_UNKNOWN:
    case ROLLOUT_DELETING:
    case ROLLOUT_DELETED:
        break;
    }
    return FIX_NONE;
}

/* --- why ----------------------------------------------------------------------------------------------------------
 */

struct writing {
    const struct outlook *o;
    const struct queue_row *r;
    struct arena *a;
    struct outlook_line *v;
    size_t n;
};

static struct outlook_line *line(struct writing *w, const char *label, const char *text)
{
    struct outlook_line *l = &w->v[w->n++];
    *l = (struct outlook_line){.label = label, .value = "", .text = text, .says = ""};
    return l;
}

/* Who says it, and how old that is: "kev 2031-03-11, 31h old". */
static const char *who_says(struct writing *w, const struct risk_reason *y)
{
    char t[FMT_MAX];
    const struct queue_input *in = &w->o->in;
    const char *who = y->assumed                  ? "ASSUMED: nobody says it, so it counts as the worse"
                      : y->source == FROM_NOTHING ? "no source says otherwise"
                      : y->source == FROM_VECTOR  ? "from the CVSS vector"
                                                  : risk_source_word(y->source);
    if (y->at)
        who = arena_printf(w->a, "%s %.10s", who, fmt_iso(t, y->at));
    if (in->source_at[y->source])
        who = arena_printf(w->a, "%s, %s", who, age_text(t, in->source_at[y->source], in->now));
    return who;
}

static void points(struct writing *w)
{
    static const char *const names[POINTS] = {"exploited", "exposure", "automatable", "impact", "technical"};
    char n[4][FMT_MAX];
    const struct queue_row *r = w->r;
    for (int p = 0; p < POINTS; p++) {
        const struct risk_reason *y = &r->worst.risk->why[p];
        struct outlook_line *l = line(w, names[p], "");
        l->value = risk_value_word((enum risk_point)p, y->value);
        l->says = who_says(w, y);
        l->warn = y->assumed;
        if (p == POINT_EXPOSURE)
            l->text =
                arena_printf(w->a, "internet %s of %s devices, site %s, unknown %s",
                             fmt_count(n[0], r->exposed[EXPOSURE_INTERNET]), fmt_count(n[1], r->devices),
                             fmt_count(n[2], r->exposed[EXPOSURE_SITE]), fmt_count(n[3], r->exposed[EXPOSURE_UNKNOWN]));
        if (p == POINT_IMPACT && !y->assumed)
            l->text = arena_printf(w->a, "class %s", device_class_word(r->worst.cell->cls));
        if (p == POINT_EXPLOITED && r->worst.facts->ransomware)
            l->text = "used by ransomware";
    }
}

static void due(struct writing *w)
{
    char d[FMT_MAX], f[FMT_MAX], in[FMT_MAX], left[FMT_MAX];
    const struct risk *k = w->r->worst.risk;
    const char *by = k->bod_us && k->within_us == k->bod_us && k->bod_us < k->tier_us ? "BOD 26-04"
                     : k->within_us == k->tier_us                                     ? "the tier"
                                                                                      : "the class's target";
    if (!k->from)
        line(w, "due", "now: no moment is known to count from")->warn = true;
    else
        line(w, "due",
             arena_printf(w->a, "%s (%s) = %s %s + %s, by %s", outlook_time(d, k->due),
                          outlook_due(left, k->due, w->o->in.now), risk_clock_word(k->clock), outlook_time(f, k->from),
                          fmt_dur(in, k->within_us), by));
}

static const char *ids(struct arena *a, const char *const *v, size_t n)
{
    const char *text = arena_printf(a, "%zu ", n);
    for (size_t i = 0; i < n && i < 8; i++)
        text = arena_printf(a, "%s %s", text, v[i]);
    return n == 0 ? "0" : n > 8 ? arena_printf(a, "%s ...", text) : text;
}

static void decided(struct writing *w)
{
    const struct queue_row *r = w->r;
    const struct risk *k = r->worst.risk;
    const struct vuln_facts *f = r->worst.facts;
    char score[FMT_MAX];
    points(w);
    line(w, "table",
         arena_printf(w->a, "%s x %s x %s x %s = %s, SSVC deployer 1.0.0 row %d; BOD 26-04: %s, row %d%s",
                      risk_value_word(POINT_EXPLOITED, k->why[POINT_EXPLOITED].value),
                      risk_value_word(POINT_EXPOSURE, k->why[POINT_EXPOSURE].value),
                      k->why[POINT_AUTOMATABLE].value ? "yes" : "no",
                      risk_value_word(POINT_IMPACT, k->why[POINT_IMPACT].value), ssvc_tier_word(k->by_table), k->row,
                      bod_word(k->bod), k->bod_row, k->bod_us ? " (binds)" : ""));
    for (unsigned rule = RISK_R1; rule <= RISK_R2; rule <<= 1)
        if (k->rules & rule)
            line(w, "rule", risk_rule_text(rule));
    due(w);
    line(w, "CVSS",
         arena_printf(w->a, "%s%s%s%s%s   EPSS %s", outlook_score(score, f), *f->vector ? "  " : "", f->vector,
                      *f->scored_by ? "  " : "", f->scored_by,
                      f->scored ? arena_printf(w->a, "%.3f (%.1f%%)", f->epss, f->percentile * 100) : "?"));
}

static void found(struct writing *w)
{
    const struct queue_row *r = w->r;
    const struct finding *g = r->finding;
    char t[FMT_MAX];
    line(w, "component",
         arena_printf(w->a, "%s, %s: %s%s%s; fixed in %s", *g->component ? g->component : "-",
                      finding_status_word(g->status), finding_why_text(g->why), *g->by ? ", " : "", g->by,
                      *g->fixed_in ? g->fixed_in : "a version that nobody states"));
    if (r->worst.facts->learned)
        line(w, "known here", arena_printf(w->a, "since %s", outlook_time(t, r->worst.facts->learned)));
    if (r->accepted)
        line(w, "accepted",
             arena_printf(w->a, "by %s until %s, entry %" PRId64 ": %s%s%s", r->accepted->by,
                          outlook_time(t, r->accepted->until), r->accepted->seq, r->accepted->reason,
                          *r->accepted->control ? "; instead: " : "", r->accepted->control));
    if (!r->to)
        return;
    line(w, "closes", ids(w->a, r->closes, r->n_closes));
    line(w, "opens", ids(w->a, r->opens, r->n_opens))->warn = r->n_opens > 0;
    if (r->exploited_there)
        line(w, "WARNING", arena_printf(w->a, "%s has %s, which is exploited", r->to->name, r->exploited_there))->warn =
            true;
    else
        line(w, "target", arena_printf(w->a, "no known exploited vulnerability in %s", r->to->name));
    if (r->halted_fix)
        line(w, "halted", arena_printf(w->a, "%s closes it too, and its rollout is halted", r->halted_fix))->warn =
            true;
}

size_t outlook_why(const struct outlook *o, size_t row, bool ascii, struct arena *a,
                   struct outlook_line out[OUTLOOK_LINES])
{
    struct writing w = {.o = o, .r = &o->q.rows[row], .a = a, .v = out};
    if (w.r->kind == QUEUE_BLIND) {
        line(&w, "unknown",
             arena_printf(a, "cannot be judged: %s; this is never counted as clean", outlook_state(a, w.r, ascii)))
            ->warn = true;
        return w.n;
    }
    decided(&w);
    found(&w);
    return w.n;
}

/* --- what a release has -------------------------------------------------------------------------------------------
 */

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct vuln_facts *)a)->id, ((const struct vuln_facts *)b)->id);
}

const struct vuln_facts *outlook_facts(const struct outlook *o, const char *id)
{
    const struct vuln_facts key = {.id = id};
    return o->in.n_facts ? bsearch(&key, o->in.facts, o->in.n_facts, sizeof key, by_id) : NULL;
}

/* The worst exploited vulnerability that a release has; NULL: none is known. *judged: whether its parts could be looked
 * at at all. */
static const struct finding *exploited_in(const struct outlook *o, const char *release, bool *judged)
{
    const struct finding *worst = NULL;
    int at = -1;
    *judged = false;
    for (size_t i = 0; i < o->in.n_releases; i++)
        if (strcmp(o->in.releases[i].name, release) == 0)
            *judged = o->in.releases[i].judged;
    for (size_t i = 0; i < o->in.n_findings; i++) {
        const struct finding *f = &o->in.findings[i];
        const struct vuln_facts *facts;
        if (strcmp(f->release, release) != 0 || !finding_queued(f) || !(facts = outlook_facts(o, f->id)) ||
            !risk_exploited(facts))
            continue;
        int tenths = facts->tenths < 0 ? 101 : facts->tenths;
        if (tenths > at) {
            at = tenths;
            worst = f;
        }
    }
    return worst;
}

static bool warns(const struct outlook *o, const char *release, char *out, size_t size)
{
    bool judged;
    const struct finding *f = exploited_in(o, release, &judged);
    out[0] = '\0';
    if (f)
        snprintf(out, size, "%.50s has %.40s, which is exploited", release, f->id);
    else if (!judged)
        snprintf(out, size, "%.60s: its vulnerabilities cannot be judged", release);
    return out[0] != '\0';
}

void outlook_preview(const struct intent *in, const struct verb_facts *f, struct preview *p)
{
    char release[200] = "", text[sizeof p->wont[0].text];
    bool brings = in->verb == VERB_START || in->verb == VERB_ADVANCE || in->verb == VERB_RESUME ||
                  in->verb == VERB_APPROVE || in->verb == VERB_RETRY;
    if (in->verb == VERB_ROLLBACK)
        snprintf(release, sizeof release, "%s", p->to);
    else if (brings && f->rollout && *f->rollout->release.name)
        snprintf(release, sizeof release, "%s:%s", f->rollout->release.name, f->rollout->release.version);
    if (!*release || !f->outlook || !warns(f->outlook, release, text, sizeof text))
        return;
    if (p->n_wont == PREVIEW_LINES)
        p->n_wont--;
    memmove(p->wont + 1, p->wont, p->n_wont * sizeof p->wont[0]);
    p->wont[0] = (struct preview_line){.mark = "note", .devices = -1};
    memcpy(p->wont[0].text, text, sizeof text);
    p->n_wont++;
}

const struct queue_row *outlook_next(const struct outlook *o, const char *rollout)
{
    for (size_t i = 0; o && i < o->q.n; i++) {
        const struct queue_row *r = &o->q.rows[i];
        if (r->to && !r->accepted && strcmp(r->to->rollout, rollout) == 0)
            return r;
    }
    return NULL;
}

const struct queue_row *outlook_model(const struct outlook *o, const char *model)
{
    for (size_t i = 0; o && i < o->q.n; i++)
        for (size_t k = 0; k < o->in.n_cells; k++)
            if (o->in.cells[k].devices > 0 && strcmp(o->in.cells[k].model, model) == 0 &&
                strcmp(o->in.cells[k].release, o->q.rows[i].from) == 0)
                return &o->q.rows[i];
    return NULL;
}
