/* What to roll out next, and why; and one vulnerability in all releases. Both read the outlook (core/outlook.h). */
#include <stdio.h>
#include <string.h>

#include "core/cvss.h"
#include "core/outlook.h"
#include "core/text.h"
#include "views/app.h"

enum { LABEL_COL = 2, VALUE_COL = 15, TEXT_COL = 27 };

static const struct outlook *outlook_of(const struct app *a, const struct view_data *d, const struct snapshot **s)
{
    *s = find_snap(d, app_top((struct app *)a)->fleet);
    return *s ? (*s)->outlook.held : NULL;
}

static const char *words(struct arena *a, const struct buf *b)
{
    return arena_strdup(a, b->data ? b->data : "");
}

/* Why there is nothing, or why what is shown is old. */
static void none(const struct snapshot *s, struct canvas *c, int row)
{
    const struct err *e = s ? s->outlook.error : NULL;
    if (e) {
        char text[400];
        snprintf(text, sizeof text, "! not computed: %.320s", e->what);
        row += parts_wrap(c, row, 0, c->cols, 4, ROLE_WARN, text);
        parts_wrap(c, row, 2, c->cols - 2, 2, ROLE_TEXT, e->next);
    } else {
        canvas_text(c, row, 0, -1, ROLE_DIM, "○ being computed, on a thread of its own");
    }
}

static int headline(const struct snapshot *s, const struct outlook *o, struct arena *mem, struct canvas *c, int row)
{
    struct buf b;
    bool bad;
    buf_init(&b, 1000);
    outlook_headline(o, c->ascii, &bad, &b);
    int rows = parts_wrap(c, row, 0, c->cols, 2, bad ? ROLE_BAD : ROLE_TEXT, words(mem, &b));
    buf_release(&b);
    if (s->outlook.error)
        canvas_printf(c, row + rows++, 0, -1, ROLE_WARN, "! not computed again: %.300s", s->outlook.error->what);
    if (!s->inventory.held && o->in.n_cells == 0) /* then nobody is known to be exposed, and that means nothing */
        canvas_printf(c, row + rows++, 0, -1, ROLE_WARN, "%s",
                      s->inventory.error ? "! the devices could not be counted: who is exposed is not known"
                                         : "○ the devices are being counted: who is exposed is not known yet");
    return rows;
}

/* ---- the queue --------------------------------------------------------------------------------------------------- */

static enum role role_of(const struct queue_row *r)
{
    if (r->kind == QUEUE_BLIND)
        return ROLE_WARN;
    if (r->accepted)
        return ROLE_DIM;
    return r->kind == QUEUE_NOFIX || r->worst.risk->tier == TIER_IMMEDIATE ? ROLE_BAD
           : r->worst.risk->tier == TIER_OUT_OF_CYCLE                      ? ROLE_WARN
                                                                           : ROLE_TEXT;
}

static void head(struct canvas *c, int row)
{
    bool wide = c->cols >= 96;
    canvas_fill(c, row, 0, -1, ROLE_HEADER, ' ');
    canvas_text(c, row, 2, -1, ROLE_HEADER, "# TIER     DUE      STEP");
    canvas_right(c, row, 44, 8, ROLE_HEADER, "DEVICES");
    if (wide)
        canvas_right(c, row, 53, 8, ROLE_HEADER, "INTERNET");
    canvas_text(c, row, wide ? 63 : 54, -1, ROLE_HEADER, "WORST");
    if (wide)
        canvas_right(c, row, 80, 5, ROLE_HEADER, "CVSS");
    canvas_text(c, row, wide ? 87 : 73, -1, ROLE_HEADER, "STATE");
}

static void line(const struct outlook *o, struct arena *mem, struct canvas *c, int row, size_t i)
{
    const struct queue_row *r = &o->q.rows[i];
    char text[FMT_MAX];
    bool wide = c->cols >= 96;
    snprintf(text, sizeof text, "%zu", i + 1);
    canvas_right(c, row, 0, 3, ROLE_TEXT, text);
    canvas_text(c, row, 4, 8, role_of(r), outlook_tier(r, c->ascii));
    if (r->kind != QUEUE_BLIND)
        canvas_text(c, row, 13, 8, r->worst.risk->due < o->in.now ? ROLE_BAD : ROLE_TEXT,
                    outlook_due(text, r->worst.risk->due, o->in.now));
    canvas_text(c, row, 22, 22, ROLE_STRONG, outlook_step(mem, r, c->ascii));
    canvas_right(c, row, 44, 8, ROLE_TEXT, fmt_count(text, r->devices));
    if (wide)
        canvas_right(c, row, 53, 8, ROLE_TEXT, fmt_count(text, r->exposed[EXPOSURE_INTERNET]));
    canvas_text(c, row, wide ? 63 : 54, wide ? 17 : 18, ROLE_TEXT, outlook_worst(mem, r));
    if (wide)
        canvas_right(c, row, 80, 5, ROLE_TEXT, r->kind == QUEUE_BLIND ? "?" : outlook_score(text, r->worst.facts));
    bool halted = r->to && r->to->state == FIX_HALTED;
    canvas_text(c, row, wide ? 87 : 73, -1, halted || r->exploited_there ? ROLE_BAD : ROLE_TEXT,
                outlook_state(mem, r, c->ascii));
}

/* Lines of the block "why", one row each, or `whole`. */
static void why(const struct outlook *o, struct arena *mem, struct canvas *c, int row, int rows, size_t i, bool whole)
{
    struct outlook_line v[OUTLOOK_LINES];
    char title[80];
    size_t n = outlook_why(o, i, c->ascii, mem, v);
    snprintf(title, sizeof title, "why %zu stands there", i + 1);
    int end = row + rows;
    parts_rule(c, row++, title, whole ? "w  in brief" : "w  in full");
    for (size_t k = 0; k < n && row < end; k++) {
        const struct outlook_line *l = &v[k];
        enum role role = l->warn ? ROLE_WARN : ROLE_TEXT;
        int at = *l->value ? TEXT_COL : VALUE_COL, most = whole ? end - row : 1;
        canvas_text(c, row, LABEL_COL, 12, ROLE_DIM, l->label);
        canvas_text(c, row, VALUE_COL, 11, role, l->value);
        int used = parts_wrap(c, row, at, c->cols - at, most, role,
                              arena_printf(mem, "%s%s%s", l->text, *l->text && *l->says ? "; " : "", l->says));
        row += used > 0 ? used : 1;
    }
}

static void data(const struct outlook *o, struct arena *mem, struct canvas *c, int row)
{
    char t[FMT_MAX];
    struct buf b;
    int at = 2;
    parts_rule(c, row, "data", NULL);
    for (size_t i = 0; i < o->n_sources && at < c->cols; i++) {
        const struct outlook_source *s = &o->sources[i];
        at += canvas_printf(c, row + 1, at, -1, s->stale ? ROLE_WARN : ROLE_TEXT, "%.30s %s%s", s->name,
                            s->age < 0 ? "?" : fmt_dur(t, s->age), s->stale ? " old" : "") +
              3;
    }
    buf_init(&b, 1000);
    buf_printf(&b, "SBOM %zu of %zu releases on devices; ", o->releases - o->without_sbom, o->releases);
    outlook_unseen(o, &b);
    canvas_text(c, row + 2, 2, -1, o->q.blind_devices || o->cut ? ROLE_WARN : ROLE_TEXT,
                o->cut ? "a release has more than can be looked at: not all is here" : words(mem, &b));
    buf_release(&b);
}

static void draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct frame *f = app_top(a);
    const struct snapshot *s;
    const struct outlook *o = outlook_of(a, d, &s);
    struct arena mem;
    char title[80], right[120], ago[FMT_MAX];
    int row = at.row, end = at.row + at.rows;
    if (!o) {
        none(s, c, row);
        return;
    }
    arena_init(&mem);
    size_t n = o->q.n;
    row += headline(s, o, &mem, c, row);
    snprintf(title, sizeof title, "what to roll out next  %zu row%s", n, n == 1 ? "" : "s");
    snprintf(right, sizeof right, "computed %s%s   by tier, exploited, internet, due",
             parts_ago(ago, d->now, s->outlook.at), s->outlook.computing ? ", again now" : "");
    parts_rule(c, row++, title, right);
    head(c, row++);
    int room = end - row, below = room >= 8 ? 3 : 0, page = room - below;
    if (f->list.cursor >= n)
        f->list.cursor = n ? n - 1 : 0;
    if (n && room >= 10) { /* what decided stands below, whole when there is room */
        struct outlook_line v[OUTLOOK_LINES];
        int lines = 1 + (int)outlook_why(o, f->list.cursor, c->ascii, &mem, v) * (f->all ? 3 : 1);
        int most = f->all ? page - 1 : page - ((int)n < page / 2 ? (int)n : page / 2);
        page -= lines < most ? lines : most;
    }
    list_clip(&f->list, n, page > 0 ? page : 1);
    int shown = 0;
    for (; shown < page && f->list.top + (size_t)shown < n; shown++) {
        size_t k = f->list.top + (size_t)shown;
        line(o, &mem, c, row + shown, k);
        if (k == f->list.cursor) {
            canvas_text(c, row + shown, 0, 1, ROLE_STRONG, "▸");
            canvas_select(c, row + shown, 0, -1);
        }
    }
    if (n == 0)
        canvas_text(c, row, 2, -1, ROLE_DIM,
                    o->in.n_cells ? "nothing is known against what could be judged" : "no devices have been counted");
    row += shown;
    if (n && room >= 10)
        why(o, &mem, c, row, end - below - row, f->list.cursor, f->all);
    if (below)
        data(o, &mem, c, end - below);
    arena_release(&mem);
}

static bool key(struct app *a, const struct view_data *d, uint32_t k, struct action *out)
{
    struct frame *f = app_top(a);
    const struct snapshot *s;
    const struct outlook *o = outlook_of(a, d, &s);
    size_t n = o ? o->q.n : 0;
    if (list_key(&f->list, n, k))
        return true;
    const struct queue_row *r = f->list.cursor < n ? &o->q.rows[f->list.cursor] : NULL;
    struct frame from = *f;
    switch (k) {
    case KEY_LEFT_:
        app_pop(a);
        return true;
    case KEY_ENTER_:
    case KEY_RIGHT_:
        if (r && r->kind == QUEUE_BLIND)
            app_say(a, false, "cannot be judged: %.100s", r->blind);
        else if (r)
            app_push(a, VIEW_VULNERABILITY, from.fleet, "", -1, r->worst.facts->id);
        return true;
    case 'w':
        f->all = !f->all;
        return true;
    case 't':
        patch_open(a, d, from.fleet);
        return true;
    case 'i':
        app_push(a, VIEW_INVENTORY, from.fleet, "", -1, "");
        return true;
    case 'y':
        if (r && r->kind != QUEUE_BLIND) {
            app_copy(a, out, ACT_COPY, r->worst.facts->id, r->worst.facts->id);
            app_say(a, false, "copied %.100s", r->worst.facts->id);
        }
        return true;
    default:
        return false;
    }
}

static void crumb(const struct frame *f, const struct view_data *d, char *out, size_t size)
{
    snprintf(out, size, "%s%squeue%s%.60s", d->n_snaps > 1 ? f->fleet : "", d->n_snaps > 1 ? " › " : "",
             f->device[0] ? " › " : "", f->device);
}

static const char *const HINTS[] = {"esc", "back",          "↵", "vulnerability", "w", "why",  "i", "inventory",
                                    "t",   "time to patch", "y", "copy",          "?", "help", NULL};
const struct screen queue_screen = {draw, key, crumb, HINTS, NULL, NULL, true};

void queue_open(struct app *a, const struct view_data *d, const char *fleet)
{
    const struct snapshot *s = find_fleet(a, d, fleet);
    if (s)
        app_push(a, VIEW_QUEUE, str(s->fleet), "", -1, "");
}

/* ---- a vulnerability --------------------------------------------------------------------------------------------- */

static int64_t devices_of(const struct outlook *o, const char *release, int64_t *internet)
{
    int64_t n = 0;
    *internet = 0;
    for (size_t i = 0; i < o->in.n_cells; i++) {
        const struct fleet_cell *k = &o->in.cells[i];
        if (strcmp(k->release, release) != 0)
            continue;
        n += k->devices;
        *internet += k->exposure == EXPOSURE_INTERNET ? k->devices : 0;
    }
    return n;
}

/* Its findings, by the releases' order. */
static size_t findings_of(const struct outlook *o, const char *id, struct arena *mem, const struct finding ***out)
{
    size_t n = 0, k = 0;
    for (size_t i = 0; i < o->in.n_findings; i++)
        n += strcmp(o->in.findings[i].id, id) == 0;
    const struct finding **all = ARENA_ARRAY(mem, const struct finding *, n + 1);
    *out = ARENA_ARRAY(mem, const struct finding *, n + 1);
    n = 0;
    for (size_t i = 0; i < o->in.n_findings; i++)
        if (strcmp(o->in.findings[i].id, id) == 0)
            all[n++] = &o->in.findings[i];
    for (size_t r = 0; r < o->in.n_releases; r++)
        for (size_t i = 0; i < n; i++)
            if (strcmp(all[i]->release, o->in.releases[r].name) == 0)
                (*out)[k++] = all[i];
    return k;
}

static int facts(const struct outlook *o, const struct vuln_facts *v, struct arena *mem, struct canvas *c, int row)
{
    struct cvss score = {0};
    char t[FMT_MAX], n[FMT_MAX];
    int from = row;
    parts_rule(c, row++, "vulnerability", NULL);
    canvas_printf(c, row++, 2, -1, ROLE_STRONG, "%s   published %s   known here since %s%s", v->id,
                  v->published ? outlook_time(t, v->published) : "?", v->learned ? outlook_time(n, v->learned) : "?",
                  v->disputed ? "   DISPUTED" : "");
    bool stated = !*v->vector || !cvss_score(slice_of(v->vector), &score);
    canvas_printf(c, row++, 2, -1, ROLE_TEXT, "CVSS %s%s%s  %s  %s   EPSS %s",
                  stated ? "" : cvss_version_word(score.version), stated ? "" : " ", outlook_score(t, v), v->vector,
                  v->scored_by, v->scored ? arena_printf(mem, "%.3f (%.1f%%)", v->epss, v->percentile * 100) : "?");
    const char *kev = v->kev         ? arena_printf(mem, "in CISA's KEV%s%.10s", v->kev_added ? " since " : "",
                                            v->kev_added ? fmt_iso(t, v->kev_added) : "")
                      : v->kev_until ? "was in CISA's KEV, and is no more"
                      : o->in.source_at[FROM_KEV] ? "not in CISA's KEV"
                                                  : "no KEV list was imported";
    canvas_printf(c, row++, 2, -1, risk_exploited(v) ? ROLE_BAD : ROLE_TEXT, "%s%s", kev,
                  v->ransomware ? ", used by ransomware" : "");
    if (*v->summary)
        row += parts_wrap(c, row, 2, c->cols - 2, 2, ROLE_TEXT, v->summary);
    return row - from;
}

static void where_line(const struct outlook *o, struct canvas *c, int row, const struct finding *f)
{
    char n[FMT_MAX];
    int64_t internet, devices = devices_of(o, f->release, &internet);
    bool queued = finding_queued(f);
    canvas_text(c, row, 2, 22, ROLE_STRONG, f->release);
    canvas_right(c, row, 25, 8, ROLE_TEXT, fmt_count(n, devices));
    canvas_text(c, row, 35, 24, ROLE_TEXT, *f->component ? f->component : "-");
    canvas_text(c, row, 60, 12,
                queued                         ? ROLE_BAD
                : f->status == FINDING_UNKNOWN ? ROLE_WARN
                                               : ROLE_GOOD,
                finding_status_word(f->status));
    canvas_text(c, row, 73, -1, ROLE_TEXT, finding_why_text(f->why));
}

static int accepted(const struct outlook *o, const char *id, struct canvas *c, int row, int rows)
{
    char t[FMT_MAX];
    int n = 0;
    for (size_t i = 0; i < o->in.n_accepts && n < rows; i++) {
        const struct risk_accept *x = &o->in.accepts[i];
        if (strcmp(x->id, id) == 0)
            canvas_printf(c, row + n++, 2, -1, x->until > o->in.now ? ROLE_TEXT : ROLE_WARN,
                          "accepted%s%s by %s %s %.10s, entry %lld: %s", *x->release ? " in " : "", x->release, x->by,
                          x->until > o->in.now ? "until" : "until (OVER)", fmt_iso(t, x->until), (long long)x->seq,
                          x->reason);
    }
    return n;
}

static void vuln_draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct frame *f = app_top(a);
    const struct snapshot *s;
    const struct outlook *o = outlook_of(a, d, &s);
    const struct vuln_facts *v = o ? outlook_facts(o, f->device) : NULL;
    const struct finding **g;
    struct arena mem;
    char n[FMT_MAX], net[FMT_MAX], text[80];
    int row = at.row, end = at.row + at.rows;
    int64_t devices = 0, internet = 0, here;
    if (!o) {
        none(s, c, row);
        return;
    }
    if (!v) {
        canvas_printf(c, row, 0, -1, ROLE_DIM, "nothing is known of %.60s any more", f->device);
        return;
    }
    arena_init(&mem);
    size_t count = findings_of(o, f->device, &mem, &g);
    for (size_t i = 0; i < count; i++) {
        int64_t all = devices_of(o, g[i]->release, &here);
        devices += finding_queued(g[i]) ? all : 0;
        internet += finding_queued(g[i]) ? here : 0;
    }
    canvas_printf(c, row++, 0, -1, risk_exploited(v) ? ROLE_BAD : ROLE_TEXT, "%s%s devices, %s of them on the internet",
                  risk_exploited(v) ? "✖ EXPLOITED  " : "", fmt_count(n, devices), fmt_count(net, internet));
    row += facts(o, v, &mem, c, row);
    snprintf(text, sizeof text, "where  %zu release%s", count, count == 1 ? "" : "s");
    parts_rule(c, row++, text, NULL);
    canvas_fill(c, row, 0, -1, ROLE_HEADER, ' ');
    canvas_text(c, row++, 2, -1, ROLE_HEADER,
                "RELEASE                 DEVICES  COMPONENT                STATUS       BECAUSE");
    int page = end - row - 4;
    list_clip(&f->list, count, page > 0 ? page : 1);
    for (int i = 0; i < page && f->list.top + (size_t)i < count; i++) {
        where_line(o, c, row, g[f->list.top + (size_t)i]);
        if (f->list.top + (size_t)i == f->list.cursor) {
            canvas_text(c, row, 0, 1, ROLE_STRONG, "▸");
            canvas_select(c, row, 0, -1);
        }
        row++;
    }
    if (f->list.cursor < count && row + 1 < end) {
        const struct finding *x = g[f->list.cursor];
        parts_rule(c, row++, x->release, NULL);
        canvas_printf(c, row++, 2, -1, ROLE_TEXT, "%s%s%s; fixed in %s", finding_why_text(x->why),
                      *x->by ? ", says " : "", x->by, *x->fixed_in ? x->fixed_in : "a version that nobody states");
    }
    accepted(o, f->device, c, row, end - row);
    arena_release(&mem);
}

/* The next id of the queue's rows, in their order, behind (1) or before (-1) this one. */
static const char *next_id(const struct outlook *o, const char *id, int by)
{
    const char *before = NULL;
    bool found = false;
    for (size_t i = 0; i < o->q.n; i++) {
        const struct queue_row *r = &o->q.rows[i];
        size_t n = r->kind == QUEUE_BLIND ? 0 : r->n_closes ? r->n_closes : 1;
        for (size_t k = 0; k < n; k++) {
            const char *it = r->n_closes ? r->closes[k] : r->worst.facts->id;
            if (found)
                return it;
            if (strcmp(it, id) == 0) {
                if (by < 0)
                    return before;
                found = true;
            }
            before = it;
        }
    }
    return NULL;
}

static bool vuln_key(struct app *a, const struct view_data *d, uint32_t k, struct action *out)
{
    struct frame *f = app_top(a);
    const struct snapshot *s;
    const struct outlook *o = outlook_of(a, d, &s);
    const struct finding **g;
    struct arena mem;
    arena_init(&mem);
    size_t count = o ? findings_of(o, f->device, &mem, &g) : 0;
    arena_release(&mem);
    if (list_key(&f->list, count, k))
        return true;
    const char *to;
    switch (k) {
    case KEY_LEFT_:
        app_pop(a);
        return true;
    case '[':
    case ']':
        to = o ? next_id(o, f->device, k == ']' ? 1 : -1) : NULL;
        if (to) {
            snprintf(f->device, sizeof f->device, "%s", to);
            f->list = (struct list){0};
        }
        return true;
    case 'y':
        app_copy(a, out, ACT_COPY, f->device, f->device);
        app_say(a, false, "copied %.100s", f->device);
        return true;
    default:
        return false;
    }
}

static const char *const VULN_HINTS[] = {"esc", "back", "[ ]", "prev/next vulnerability", "y", "copy",
                                         "?",   "help", NULL};
const struct screen vulnerability_screen = {vuln_draw, vuln_key, crumb, VULN_HINTS, NULL, NULL, true};
