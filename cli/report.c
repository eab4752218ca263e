/* andon report: how long patching takes, what the fleet consists of, and what has to be decided, for people who do not
 * sit at the console. Each with the data that it rests on, and an entry in the log that it was made. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "audit/stays.h"
#include "cli/queue.h"
#include "cli/sheet.h"
#include "core/clock.h"
#include "core/digest.h"
#include "core/fmt.h"
#include "core/patch.h"

#define REPORT_MAX ((size_t)256 << 20)
#define TOP        20 /* rows of the queue on one page */

struct report {
    const struct args *a;
    struct queue_world w;
    struct sheet s;
    struct stay *stays;
    size_t n_stays;
    struct patch_figures f;
    bool counted; /* there was a census */
};

/* ---- small words ---- */

static double days(double us)
{
    return us / (double)US_PER_DAY;
}

static void number_of(struct sheet *s, int64_t n)
{
    char t[FMT_MAX];
    sheet_number(s, (double)n, "%s", fmt_count(t, n));
}

static void days_of(struct sheet *s, double us)
{
    if (isnan(us))
        sheet_number(s, NAN, "-");
    else
        sheet_number(s, days(us), "%.1f d", days(us));
}

static void share_of(struct sheet *s, double share)
{
    if (isnan(share))
        sheet_number(s, NAN, "-");
    else
        sheet_number(s, share, "%.0f%%", share * 100);
}

static void moment_of(struct sheet *s, int64_t t)
{
    char iso[FMT_MAX];
    sheet_text(s, t ? outlook_time(iso, t) : "");
}

static const char *class_word(int k)
{
    return k == CLASS_UNKNOWN ? "not known" : device_class_word((enum device_class)k);
}

/* ---- parts that reports share ---- */

static void data_part(struct report *r)
{
    const struct outlook *o = r->w.o;
    struct sheet *s = &r->s;
    struct buf b;
    char t[FMT_MAX], u[FMT_MAX];
    sheet_part(s, "data", "What this rests on", "source:SOURCE age_days:AGE stale:OLD sha256:SHA-256");
    sheet_note(s, "devices of %s", o->of);
    buf_init(&b, 2000);
    outlook_unseen(o, &b);
    sheet_note(s, "%s", b.data);
    buf_release(&b);
    sheet_note(s, "SBOM: %zu of %zu releases on devices%s", o->releases - o->without_sbom, o->releases,
               o->cut ? "; a release has more than can be looked at: not all is here" : "");
    if (!r->counted)
        sheet_note(s, "no census was taken so far (andon census): how long patching takes is not known");
    else
        sheet_note(s, "censuses from %s to %s, %zu devices; before that nothing was observed",
                   outlook_time(t, r->f.since), outlook_time(u, r->f.until), r->f.devices);
    for (size_t i = 0; i < o->n_sources; i++) {
        sheet_text(s, o->sources[i].name);
        if (o->sources[i].age < 0)
            sheet_number(s, NAN, "?");
        else
            sheet_number(s, days((double)o->sources[i].age), "%s", fmt_dur(t, o->sources[i].age));
        sheet_text(s, o->sources[i].stale ? "old" : "");
        sheet_text(s, o->sources[i].sha256);
    }
}

static void classes_part(struct report *r)
{
    struct sheet *s = &r->s;
    sheet_part(s, "classes", "How long it takes, by class",
               "class:CLASS target_days:TARGET pairs:PAIRS patched:PATCHED open:OPEN gone:GONE within:WITHIN "
               "within_low:FROM within_high:TO median_days:MEDIAN mean_days:MEAN to_days:TO_DAY "
               "patched_only_days:(PATCHED_ONLY) over:OVER");
    sheet_note(s,
               "clock: %s. A pair is one device and one vulnerability; it ends when a release without it is "
               "installed, as the server shows it.",
               risk_clock_word(r->f.clock));
    sheet_note(s,
               "Open pairs count as not patched so far and are never left out. The mean is the area under the curve to "
               "the day beside it.");
    sheet_note(
        s, "(Patched only) leaves out what is open: it is too good. FROM and TO are the 95 %% interval of WITHIN by "
           "pairs: devices of one rollout are patched together, so it is too narrow.");
    for (int k = 0; r->counted && k < CLASSES; k++) {
        const struct patch_class *c = &r->f.of[k];
        if (c->pairs + c->left_out == 0)
            continue;
        if (c->unknown || c->left_out)
            sheet_note(
                s,
                "%s: %zu of the open pairs are on a release that cannot be judged; %zu pairs have no beginning by "
                "this clock, or were over before the first census",
                class_word(k), c->unknown, c->left_out);
        if (c->begins)
            sheet_note(
                s,
                "%s: the curve begins at day %.1f, of pairs that were still exposed then: fewer than %d were seen "
                "before",
                class_word(k), days((double)c->begins), SURVIVAL_FEW);
        sheet_text(s, class_word(k));
        sheet_number(s, days((double)c->target), "%s %.0f d", c->under ? "<" : "<=", days((double)c->target));
        number_of(s, (int64_t)c->pairs);
        number_of(s, (int64_t)c->patched);
        number_of(s, (int64_t)c->open);
        number_of(s, (int64_t)c->gone);
        share_of(s, c->within);
        share_of(s, c->low);
        share_of(s, c->high);
        if (c->median == TIME_NEVER)
            sheet_number(s, NAN, "> %.1f d", days((double)c->curve.last));
        else
            sheet_number(s, days((double)c->median), "%.1f d%s", days((double)c->median), c->few ? " (few)" : "");
        days_of(s, c->pairs ? (double)c->mean : NAN);
        days_of(s, c->pairs ? (double)c->tau : NAN);
        days_of(s, c->patched_only);
        number_of(s, (int64_t)c->over);
    }
}

static void exposure_part(struct report *r)
{
    struct sheet *s = &r->s;
    sheet_part(s, "exposure", "Exposure",
               "class:CLASS device_days:DEVICE-DAYS exploited_device_days:OF_EXPLOITED_ONES oldest_days:OLDEST_OPEN");
    if (r->f.n_exploited)
        sheet_note(s,
                   "from publication to the first exploitation that is known: %.1f d on average, %zu vulnerabilities",
                   days(r->f.first_exploit_us), r->f.n_exploited);
    for (int k = 0; r->counted && k < CLASSES; k++) {
        const struct patch_class *c = &r->f.of[k];
        if (c->pairs == 0)
            continue;
        sheet_text(s, class_word(k));
        sheet_number(s, days(c->exposed_us), "%.1f", days(c->exposed_us));
        sheet_number(s, days(c->exploited_us), "%.1f", days(c->exploited_us));
        days_of(s, (double)c->oldest);
    }
}

static void curve_part(struct report *r)
{
    struct sheet *s = &r->s;
    sheet_part(s, "curve", "Still exposed", "class:CLASS day:DAY share:SHARE at_risk:AT_RISK patched:PATCHED")
        ->machines = true;
    for (int k = 0; r->counted && k < CLASSES; k++) {
        const struct survival *c = &r->f.of[k].curve;
        for (size_t i = 0; i < c->n; i++) {
            sheet_text(s, class_word(k));
            sheet_number(s, days((double)c->steps[i].t), "%.3f", days((double)c->steps[i].t));
            share_of(s, c->steps[i].s);
            number_of(s, (int64_t)c->steps[i].at_risk);
            number_of(s, (int64_t)c->steps[i].events);
        }
    }
}

static const struct risk_accept *accepted(const struct outlook *o, const char *id)
{
    for (size_t i = 0; i < o->in.n_accepts; i++)
        if (strcmp(o->in.accepts[i].id, id) == 0 && o->in.accepts[i].until > o->in.now)
            return &o->in.accepts[i];
    return NULL;
}

static void vulns_part(struct report *r, bool whole)
{
    struct sheet *s = &r->s;
    sheet_part(
        s, "vulnerabilities", "By vulnerability",
        "id:VULNERABILITY published:PUBLISHED learned:KNOWN_HERE exploited:EXPLOITED pairs:PAIRS patched:PATCHED "
        "open:OPEN gone:GONE last:NEWEST_INSTALL accepted:ACCEPTED");
    for (size_t i = 0; r->counted && i < r->f.n_vulns && (whole || i < TOP); i++) {
        const struct patch_vuln *v = &r->f.vulns[i];
        const struct risk_accept *x = accepted(r->w.o, v->facts->id);
        char t[FMT_MAX], text[200] = "";
        sheet_text(s, v->facts->id);
        moment_of(s, v->facts->published);
        moment_of(s, v->facts->learned);
        moment_of(s, v->facts->kev_added ? v->facts->kev_added : v->facts->sighted);
        number_of(s, (int64_t)v->pairs);
        number_of(s, (int64_t)v->patched);
        number_of(s, (int64_t)v->open);
        number_of(s, (int64_t)v->gone);
        moment_of(s, v->last);
        if (x)
            snprintf(text, sizeof text, "by %.60s until %.10s, entry %" PRId64, x->by, fmt_iso(t, x->until), x->seq);
        sheet_text(s, text);
    }
    if (!whole && r->f.n_vulns > TOP)
        sheet_note(s, "the %d with most open pairs of %zu", TOP, r->f.n_vulns);
}

/* Devices of a row with this owner; "" = all. */
static int64_t owned(const struct outlook *o, const struct queue_row *q, const char *owner)
{
    int64_t n = 0;
    if (!*owner)
        return q->devices;
    for (size_t i = 0; i < o->in.n_cells; i++)
        if (strcmp(o->in.cells[i].release, q->from) == 0 && strcmp(o->in.cells[i].owner, owner) == 0)
            n += o->in.cells[i].devices;
    return n;
}

static void queue_part(struct report *r, const char *owner, size_t most)
{
    const struct outlook *o = r->w.o;
    struct sheet *s = &r->s;
    size_t n = 0, more = 0;
    bool bad;
    struct buf b;
    sheet_part(s, "queue", *owner ? "What is to be decided for these devices" : "What is to be decided",
               "number:# tier:TIER due:DUE step:STEP devices:DEVICES worst:WORST cvss:CVSS state:STATE");
    if (!*owner) {
        buf_init(&b, 2000);
        outlook_headline(o, true, &bad, &b);
        sheet_note(s, "%s", b.data);
        buf_release(&b);
    }
    for (size_t i = 0; i < o->q.n; i++) {
        const struct queue_row *q = &o->q.rows[i];
        int64_t devices = owned(o, q, owner);
        char t[FMT_MAX];
        if (devices == 0)
            continue;
        if (n++ >= most) {
            more++;
            continue;
        }
        number_of(s, (int64_t)i + 1);
        sheet_text(s, outlook_tier(q, true));
        moment_of(s, q->kind == QUEUE_BLIND ? 0 : q->worst.risk->due);
        sheet_text(s, outlook_step(&s->mem, q, true));
        number_of(s, devices);
        sheet_text(s, outlook_worst(&s->mem, q));
        if (q->kind == QUEUE_BLIND || q->worst.facts->tenths < 0)
            sheet_number(s, NAN, "?");
        else
            sheet_number(s, q->worst.facts->tenths / 10.0, "%s", outlook_score(t, q->worst.facts));
        sheet_text(s, outlook_state(&s->mem, q, true));
    }
    if (more)
        sheet_note(s, "%zu more rows: andon queue", more);
    if (n == 0)
        sheet_note(s, "nothing is known against what could be judged");
}

/* Rows and devices that are past due, by the class of their worst devices. */
static void overdue_part(struct report *r)
{
    const struct outlook *o = r->w.o;
    struct sheet *s = &r->s;
    sheet_part(s, "overdue", "Past due, by class", "class:CLASS steps:STEPS devices:DEVICES");
    for (int k = 0; k < CLASSES; k++) {
        int64_t rows = 0, devices = 0;
        for (size_t i = 0; i < o->q.n; i++) {
            const struct queue_row *q = &o->q.rows[i];
            if (q->kind == QUEUE_BLIND || q->accepted || (int)q->worst.cell->cls != k || q->worst.risk->due > o->in.now)
                continue;
            rows++;
            devices += q->devices;
        }
        if (rows == 0)
            continue;
        sheet_text(s, class_word(k));
        number_of(s, rows);
        number_of(s, devices);
    }
}

static void models_part(struct report *r)
{
    struct sheet *s = &r->s;
    sheet_part(s, "models", "What the fleet consists of",
               "fleet:FLEET model:MODEL devices:DEVICES reporting:REPORT class:CLASS internet:INTERNET newest:NEWEST "
               "on_newest:ON owner:OWNER end_of_life:LIFE");
    for (size_t i = 0; i < r->w.fleets.n; i++) {
        const struct inventory *v = &r->w.fleets.v[i].snap->inventory.held->v;
        sheet_note(s, "%s: %.1f%% of %" PRId64 " devices report %s (target %g%%)%s", r->w.fleets.v[i].spec->name,
                   inventory_share(&v->n) * 100, v->n.devices, inventory_reported(v), v->target * 100,
                   inventory_blind(v, &v->n) ? ": a BLIND SPOT" : "");
        for (size_t k = 0; k < v->n_models; k++) {
            const struct inv_model *m = &v->models[k];
            const struct inv_fact *cls = &m->field[INV_CLASS], *owner = &m->field[INV_OWNER];
            char day[20];
            sheet_text(s, r->w.fleets.v[i].spec->name);
            sheet_text(s, *m->name ? m->name : "?");
            number_of(s, m->n.devices);
            share_of(s, inventory_share(&m->n));
            sheet_text(s, cls->n ? cls->v[0].text : "?");
            number_of(s, m->exposure[EXPOSURE_INTERNET]);
            sheet_text(s, *m->newest ? m->newest : "?");
            number_of(s, m->on_newest);
            sheet_text(s, owner->n ? owner->v[0].text : "?");
            inventory_day(day, sizeof day, m->end_of_life);
            sheet_text(s, *day ? day : "?");
        }
    }
}

/* ---- the reports ---- */

static void time_to_patch(struct report *r)
{
    classes_part(r);
    exposure_part(r);
    vulns_part(r, false);
    curve_part(r);
}

static void inventory(struct report *r)
{
    models_part(r);
}

static void executive(struct report *r)
{
    queue_part(r, "", TOP);
    overdue_part(r);
    classes_part(r);
    exposure_part(r);
}

static void auditor(struct report *r)
{
    vulns_part(r, true);
    classes_part(r);
    curve_part(r);
    queue_part(r, "", SIZE_MAX);
}

static void owner(struct report *r)
{
    queue_part(r, r->a->pos[2], SIZE_MAX);
}

static const struct {
    const char *word, *title;
    void (*fill)(struct report *r);
    size_t words; /* on the command line */
} reports[] = {
    {"time-to-patch", "Time to patch", time_to_patch, 2},
    {"inventory", "Inventory", inventory, 2},
    {"executive", "Exposure and patching", executive, 2},
    {"auditor", "Vulnerabilities, patching and accepted risks", auditor, 2},
    {"owner", "What an owner's devices need", owner, 3},
};
enum { N_REPORTS = sizeof reports / sizeof reports[0] };

static bool clock_read(const struct args *a, enum risk_clock *out, struct err *e)
{
    *out = CLOCK_PUBLISHED;
    if (!a->val[OPT_CLOCK])
        return true;
    for (int k = 0; k < RISK_CLOCKS; k++) {
        *out = (enum risk_clock)k;
        if (strcmp(risk_clock_word(*out), a->val[OPT_CLOCK]) == 0)
            return true;
    }
    return err_set(e, ERR_SYNTAX, "One of published, learned, fix, exploited.", "--clock: there is no clock \"%.40s\"",
                   a->val[OPT_CLOCK]);
}

static bool read_stays(struct report *r, struct err *e)
{
    enum risk_clock clock;
    int64_t horizon;
    if (!clock_read(r->a, &clock, e) || !args_dur(r->a, OPT_HORIZON, 30 * US_PER_DAY, &horizon, e))
        return false;
    struct err why = {0};
    struct stays *s = stays_open(r->w.session.census, false, &why);
    if (!s && why.code != ERR_NOT_FOUND) {
        *e = why;
        return false;
    }
    r->counted = s != NULL;
    bool ok = !s || stays_all(s, &r->s.mem, &r->stays, &r->n_stays, e);
    stays_close(s);
    if (ok)
        patch_figures(r->w.o, r->stays, r->n_stays, clock, horizon, &r->s.mem, &r->f);
    return ok;
}

/* That it was made, from which data; not where nothing may be written. */
static bool note_entry(const struct report *r, const char *format, const struct buf *out, struct err *e)
{
    struct entry en;
    struct receipt receipt;
    char digest[SHA256_HEX];
    if (r->a->val[OPT_READ_ONLY] || r->a->val[OPT_CSV])
        return true;
    sha256_hex(out->data ? out->data : "", out->len, digest);
    entry_init(&en, ENTRY_REPORT);
    en.result = "written";
    entry_str(&en, "report", r->s.id);
    entry_str(&en, "format", format);
    entry_str(&en, "sha256", digest);
    entry_int(&en, "sources", (int64_t)r->w.o->n_sources);
    return risk_log_add(r->a, &r->w.session, &en, &receipt, e);
}

static bool make(struct report *r, size_t k, const char *format, struct err *e)
{
    struct buf out;
    sheet_init(&r->s, reports[k].word, reports[k].title, r->w.o->in.now);
    bool ok = read_stays(r, e);
    if (ok) {
        reports[k].fill(r);
        data_part(r);
        buf_init(&out, REPORT_MAX);
        ok = sheet_write(&r->s, format, &out);
        if (out.over)
            ok = err_set(e, ERR_LIMIT, "", "the report is longer than 256 MiB");
        ok = ok && note_entry(r, format, &out, e);
        if (ok)
            print_out(&out);
        buf_release(&out);
    }
    sheet_release(&r->s);
    return ok;
}

int cmd_report(const struct args *a)
{
    const char *format = a->val[OPT_FORMAT] ? a->val[OPT_FORMAT] : a->json ? "json" : "text";
    struct report r = {.a = a};
    struct err e = {0};
    size_t k = 0;
    int rc = EXIT_OK;
    while (k < N_REPORTS && strcmp(reports[k].word, a->pos[1]) != 0)
        k++;
    if (k == N_REPORTS || (size_t)a->n_pos != reports[k].words)
        err_set(&e, ERR_SYNTAX, "time-to-patch, inventory, executive, auditor, owner NAME.",
                k == N_REPORTS ? "there is no report \"%.40s\"" : "report %.40s takes other words", a->pos[1]);
    else if (!sheet_write(NULL, format, NULL))
        err_set(&e, ERR_SYNTAX, "One of text, csv, json, html.", "--format: there is no format \"%.40s\"", format);
    if (e.code != ERR_NONE)
        return print_err(a, &e);
    bool ok = queue_world_open(a, &r.w, &rc, &e) && make(&r, k, format, &e);
    if (!ok && rc == EXIT_OK)
        rc = print_err(a, &e);
    queue_world_free(&r.w);
    return rc;
}
