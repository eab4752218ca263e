/* What a fleet consists of: its models, who reports, and of the selected one what is known and who says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/outlook.h"
#include "core/text.h"
#include "views/app.h"

enum { MODELS_MAX = 500, FIELDS_ROWS = 10, FOOT_ROWS = 2 };

/* The models that pass the filter, in order. */
struct shown {
    const struct inventory_held *h; /* NULL = there is none yet */
    const struct inv_model *v[MODELS_MAX];
    size_t n;
};

static const char *most(const struct inv_fact *f)
{
    return f->n ? f->v[0].text : f->known ? "by device" : "?";
}

static bool passes(const struct app *a, const struct inv_model *m)
{
    char words[256], *save = NULL;
    snprintf(words, sizeof words, "%s", a->inv_filter);
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        if (!find_in(m->name, w) && !find_in(most(&m->field[INV_OWNER]), w) && !find_in(most(&m->field[INV_OS]), w) &&
            !find_in(most(&m->field[INV_CLASS]), w))
            return false;
    }
    return true;
}

/* By owner, those of one stay in the order of their size. */
static void by_owner(struct shown *s)
{
    for (size_t i = 1; i < s->n; i++)
        for (size_t k = i;
             k > 0 && strcasecmp(most(&s->v[k - 1]->field[INV_OWNER]), most(&s->v[k]->field[INV_OWNER])) > 0; k--) {
            const struct inv_model *m = s->v[k];
            s->v[k] = s->v[k - 1];
            s->v[k - 1] = m;
        }
}

static void collect(struct app *a, const struct view_data *d, struct shown *out)
{
    const struct frame *f = app_top(a);
    const struct snapshot *s = find_snap(d, f->fleet);
    struct list *l = &app_top(a)->list;
    *out = (struct shown){.h = s ? s->inventory.held : NULL};
    for (size_t i = 0; out->h && i < out->h->v.n_models && out->n < MODELS_MAX; i++)
        if (passes(a, &out->h->v.models[i]))
            out->v[out->n++] = &out->h->v.models[i];
    if (a->inv_by_owner)
        by_owner(out);
    for (size_t i = 0; i < out->n && l->sel[0]; i++)
        if (strcasecmp(out->v[i]->name, l->sel) == 0)
            l->cursor = i;
    if (l->cursor >= out->n)
        l->cursor = out->n ? out->n - 1 : 0;
}

static const char *or_unknown(const char *s)
{
    return *s ? s : "?";
}

static void headline(const struct snapshot *s, struct canvas *c, int row)
{
    char all[FMT_MAX], left[FMT_MAX];
    const struct inventory_held *h = s ? s->inventory.held : NULL;
    if (s && s->inventory.error && !h) {
        canvas_printf(c, row, 0, -1, ROLE_WARN, "! not counted: %.300s", s->inventory.error->what);
        return;
    }
    if (!h) {
        canvas_printf(c, row, 0, -1, ROLE_DIM, "○ being counted by filters: %zu answers so far",
                      s ? s->inventory.asked : (size_t)0);
        return;
    }
    const struct inv_counts *n = &h->v.n;
    bool blind = inventory_blind(&h->v, n);
    canvas_printf(c, row, 0, -1, blind ? ROLE_BAD : ROLE_GOOD,
                  "%s  %.1f%% of %s devices report %s (target %g%%)   %s do not   b who",
                  blind ? "✖ BLIND SPOT" : "✓ reporting", inventory_share(n) * 100, fmt_count(all, n->devices),
                  inventory_reported(&h->v), h->v.target * 100, fmt_count(left, n->devices - n->all));
}

static void head(struct canvas *c, int row)
{
    canvas_fill(c, row, 0, -1, ROLE_HEADER, ' ');
    canvas_text(c, row, 2, -1, ROLE_HEADER,
                "MODEL   OS       CLASS   DEVICES  REPORT VER  NEWEST ON     INTERNET  OWNER     LIFE      WORST");
}

static const char *class_brief(const struct inv_model *m)
{
    static const char *const words[CLASSES] = {"?", "safety", "conf", "non"};
    int best = 0, kinds = 0;
    for (int k = 0; k < CLASSES; k++) {
        kinds += m->cls[k] > 0;
        if (m->cls[k] > m->cls[best])
            best = k;
    }
    return kinds > 1 ? "mixed" : words[best];
}

/* "2.9.0-rc4" of "gate:2.9.0-rc4". */
static const char *version_of(const char *release)
{
    const char *colon = strrchr(release, ':');
    return colon ? colon + 1 : release;
}

/* What presses most of it, as the queue says. */
static void worst(const struct outlook *o, struct canvas *c, int row, const struct inv_model *m)
{
    const struct queue_row *r = outlook_model(o, m->name);
    if (!o)
        canvas_text(c, row, 92, -1, ROLE_DIM, "?"); /* nothing was computed: not known */
    else if (r)
        canvas_text(c, row, 92, -1,
                    r->kind == QUEUE_NOFIX || (r->kind == QUEUE_STEP && r->worst.risk->tier == TIER_IMMEDIATE)
                        ? ROLE_BAD
                        : ROLE_WARN,
                    outlook_tier(r, c->ascii));
    else
        canvas_text(c, row, 92, -1, ROLE_TEXT, "none");
}

/* Which of its releases have an SBOM that could be judged. */
static void sbom_row(const struct outlook *o, struct canvas *c, int row, const struct inv_model *m)
{
    char text[300] = "";
    size_t at = 0;
    bool blind = false;
    for (size_t i = 0; i < o->in.n_releases && at + 80 < sizeof text; i++) {
        bool its = false;
        for (size_t k = 0; k < o->in.n_cells && !its; k++)
            its = o->in.cells[k].devices > 0 && strcmp(o->in.cells[k].model, m->name) == 0 &&
                  strcmp(o->in.cells[k].release, o->in.releases[i].name) == 0;
        if (!its)
            continue;
        blind = blind || !o->in.releases[i].judged;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.60s %s", at ? "   " : "",
                               version_of(o->in.releases[i].name), o->in.releases[i].judged ? "✓" : "✖");
    }
    canvas_text(c, row, 2, 11, ROLE_DIM, "SBOM");
    canvas_text(c, row, 14, -1, blind ? ROLE_WARN : ROLE_TEXT, *text ? text : "no release is known");
}

static void model_row(const struct inventory *v, const struct outlook *o, struct canvas *c, int row,
                      const struct inv_model *m)
{
    char n[FMT_MAX], text[32];
    bool blind = inventory_blind(v, &m->n);
    canvas_text(c, row, 2, 7, ROLE_STRONG, or_unknown(m->name));
    canvas_text(c, row, 10, 8, ROLE_TEXT, most(&m->field[INV_OS]));
    canvas_text(c, row, 19, 7, m->cls[CLASS_UNKNOWN] ? ROLE_WARN : ROLE_TEXT, class_brief(m));
    bool fits = m->n.devices < 1000000;
    canvas_right(c, row, 26, 8, ROLE_TEXT, fits ? fmt_count(n, m->n.devices) : fmt_fit(n, (double)m->n.devices, 8));
    bool whole = m->n.all == m->n.devices;
    snprintf(text, sizeof text, "%.*f%%", whole ? 0 : 1, inventory_share(&m->n) * 100);
    canvas_right(c, row, 34, 6, blind ? ROLE_BAD : ROLE_TEXT, text);
    canvas_text(c, row, 41, 1, blind ? ROLE_BAD : ROLE_GOOD, blind ? "✖" : "✓");
    snprintf(text, sizeof text, "%zu", m->field[INV_FIRMWARE].n);
    canvas_right(c, row, 43, 3, ROLE_TEXT, text);
    canvas_text(c, row, 48, 9, ROLE_TEXT, *m->newest ? version_of(m->newest) : "?");
    if (m->n.devices > 0) {
        snprintf(text, sizeof text, "%.0f%%", 100.0 * (double)m->on_newest / (double)m->n.devices);
        canvas_right(c, row, 57, 4, ROLE_TEXT, text);
    }
    snprintf(text, sizeof text, "%s%s", fmt_count(n, m->exposure[EXPOSURE_INTERNET]),
             m->exposure[EXPOSURE_UNKNOWN] ? "?" : ""); /* and those of which it is not known, which count so */
    canvas_right(c, row, 61, 9, m->exposure[EXPOSURE_UNKNOWN] ? ROLE_WARN : ROLE_TEXT, text);
    canvas_text(c, row, 72, 9, ROLE_TEXT, most(&m->field[INV_OWNER]));
    inventory_day(text, sizeof text, m->end_of_life);
    text[7] = '\0'; /* year and month */
    canvas_text(c, row, 82, 7, ROLE_TEXT, or_unknown(text));
    if (m->past_life)
        canvas_text(c, row, 90, 1, ROLE_BAD, "✖");
    worst(o, c, row, m);
}

static void field_values(const struct inv_fact *f, char *out, size_t size)
{
    char n[FMT_MAX];
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < f->n && at + 1 < size; i++) {
        bool alone = f->n == 1 && !f->others;
        int k = snprintf(out + at, size - at, "%s%.60s%s%s", i ? "   " : "", f->v[i].text, alone ? "" : " ",
                         alone ? "" : fmt_count(n, f->v[i].devices));
        at += k > 0 ? (size_t)k : 0;
    }
    if (!out[0])
        snprintf(out, size, "%s", f->known ? "by device" : "?");
}

static void field_row(struct canvas *c, int row, const char *name, const struct inv_fact *f, int64_t devices)
{
    char values[300], known[FMT_MAX], of[FMT_MAX];
    bool whole = f->known >= devices;
    field_values(f, values, sizeof values);
    canvas_text(c, row, 2, 11, ROLE_DIM, name);
    canvas_text(c, row, 14, c->cols >= 90 ? 29 : 22, f->known ? ROLE_TEXT : ROLE_WARN, values);
    int x = c->cols >= 90 ? 44 : 37;
    canvas_text(c, row, x, 25, *f->source ? ROLE_TEXT : ROLE_DIM, *f->source ? f->source : "no source");
    x += 26;
    canvas_printf(c, row, x, c->cols - x, whole ? ROLE_TEXT : ROLE_WARN, "%s of %s%s", fmt_count(known, f->known),
                  fmt_count(of, devices), whole || !*f->source ? "" : " ▲");
}

static const struct {
    enum inv_field field;
    const char *name;
} FIELDS[] = {{INV_MODEL, "model"},         {INV_OS, "os"},
              {INV_FIRMWARE, "firmware"},   {INV_MECHANISM, "mechanism"},
              {INV_OWNER, "owner"},         {INV_LOCATION, "location"},
              {INV_CLASS, "class"},         {INV_EXPOSURE, "exposure"},
              {INV_SIGNATURE, "signature"}, {INV_LIFE, "life"},
              {INV_REPORT, "reports"},      {INV_FUNCTION, "function"},
              {INV_MAKER, "maker"},         {INV_LEAD, "lead time"}};
enum { N_FIELDS = sizeof FIELDS / sizeof FIELDS[0] };

static void fields(struct canvas *c, int row, int rows, const struct inv_model *m)
{
    for (int i = 0; i < rows && i < (int)N_FIELDS; i++)
        field_row(c, row + i, FIELDS[i].name, &m->field[FIELDS[i].field], m->n.devices);
}

static void empty(struct canvas *c, int row, const struct inventory_held *h)
{
    char line[300] = "", n[FMT_MAX];
    size_t at = 0;
    const struct inventory *v = &h->v;
    parts_rule(c, row, "empty fields", *h->note ? h->note : NULL);
    for (int f = 0; f < INV_FIELDS && at + 60 < sizeof line; f++)
        if (v->sourced[f] && v->empty[f])
            at += (size_t)snprintf(line + at, sizeof line - at, "%s%s %s", at ? "   " : "",
                                   inv_field_word((enum inv_field)f), fmt_count(n, v->empty[f]));
    canvas_printf(c, row + 1, 2, -1, at ? ROLE_WARN : ROLE_GOOD, "%s", at ? line : "none");
    if (at && text_width(line) + 30 < c->cols)
        canvas_text(c, row + 1, text_width(line) + 7, -1, ROLE_DIM, "unknown counts as worse");
}

/* The devices of the model that do not report, by name. */
static void names(struct app *a, const struct shown *all, struct canvas *c, struct area at)
{
    struct list *l = &app_top(a)->list;
    const struct inv_model *m = all->h ? inventory_model(&all->h->v, app_top(a)->device) : NULL;
    char title[120], right[80], n[FMT_MAX], k[FMT_MAX];
    int row = at.row;
    if (!m || !all->h->names) {
        canvas_text(c, row, 2, -1, ROLE_DIM, "their names are being read");
        return;
    }
    snprintf(title, sizeof title, "%.60s: devices that do not report", or_unknown(m->name));
    snprintf(right, sizeof right, "%s named of %s", fmt_count(n, (int64_t)m->n_silent),
             fmt_count(k, m->n.devices - m->n.all));
    parts_rule(c, row++, title, right);
    list_clip(l, m->n_silent, at.rows - 1);
    for (int i = 0; i < l->page && l->top + (size_t)i < m->n_silent; i++) {
        bool here = l->top + (size_t)i == l->cursor;
        canvas_text(c, row + i, 2, -1, ROLE_TEXT, m->silent[l->top + (size_t)i]);
        if (here) {
            canvas_text(c, row + i, 0, 1, ROLE_STRONG, "▸");
            canvas_select(c, row + i, 0, -1);
        }
    }
    if (m->n_silent == 0)
        canvas_text(c, row, 2, -1, ROLE_DIM,
                    m->n.all < m->n.devices ? "none that a filter finds by name" : "all report");
}

static void draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct frame *f = app_top(a);
    const struct snapshot *s = find_snap(d, f->fleet);
    struct shown all;
    char title[80], right[400], ago[FMT_MAX];
    int row = at.row, end = at.row + at.rows;
    headline(s, c, row++);
    if (f->all) {
        struct area rest = {row, at.rows - 1, at.cols};
        all = (struct shown){.h = s ? s->inventory.held : NULL};
        names(a, &all, c, rest);
        return;
    }
    collect(a, d, &all);
    if (!all.h)
        return;
    snprintf(title, sizeof title, "models %zu", all.n);
    snprintf(right, sizeof right, "%s%scounted %s%s   sort %s", a->inv_filter, a->inv_filter[0] ? "   " : "",
             parts_ago(ago, d->now, all.h->v.at),
             s->inventory.counting ? ", counting again"
             : s->inventory.error  ? ", failed since"
                                   : "",
             a->inv_by_owner ? "owner" : "devices");
    parts_rule(c, row++, title, right);
    head(c, row++);
    int room = end - row, below = room >= 10 ? 1 + (room >= 22 ? FIELDS_ROWS + 1 : room - 9) + FOOT_ROWS : 0;
    int page = room - below;
    if ((int)all.n < page) { /* what the list leaves goes to the fields */
        below += page - (int)all.n;
        page = (int)all.n;
    }
    list_clip(&f->list, all.n, page > 0 ? page : 1);
    for (int i = 0; i < page && f->list.top + (size_t)i < all.n; i++) {
        size_t k = f->list.top + (size_t)i;
        model_row(&all.h->v, s->outlook.held, c, row + i, all.v[k]);
        if (k == f->list.cursor) {
            canvas_text(c, row + i, 0, 1, ROLE_STRONG, "▸");
            canvas_select(c, row + i, 0, -1);
        }
    }
    row += page;
    if (all.n == 0)
        canvas_text(c, row, 2, -1, ROLE_DIM,
                    a->inv_filter[0] ? "no model passes the filter" : "the fleet has no devices");
    if (all.n == 0 || below < 4)
        return;
    const struct inv_model *m = all.v[f->list.cursor];
    snprintf(title, sizeof title, "%.40s: what is known and where it comes from", or_unknown(m->name));
    parts_rule(c, row, title, NULL);
    int n = end - row - 1 - FOOT_ROWS;
    if (s->outlook.held && n > 3)
        sbom_row(s->outlook.held, c, row + n--, m);
    fields(c, row + 1, n, m);
    empty(c, end - FOOT_ROWS, all.h);
}

static bool on_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    struct frame *f = app_top(a);
    struct shown all;
    char path[100];
    collect(a, d, &all);
    const struct inv_model *here = f->all  ? (all.h ? inventory_model(&all.h->v, f->device) : NULL)
                                   : all.n ? all.v[f->list.cursor]
                                           : NULL;
    if (list_key(&f->list, f->all ? (here ? here->n_silent : 0) : all.n, key)) {
        if (!f->all && all.n)
            snprintf(f->list.sel, sizeof f->list.sel, "%s", all.v[f->list.cursor]->name);
        return true;
    }
    switch (key) {
    case KEY_LEFT_:
        app_pop(a);
        return true;
    case KEY_ENTER_:
    case KEY_RIGHT_:
    case 'b':
        if (here && !f->all) {
            struct frame from = *f;
            app_push(a, VIEW_INVENTORY, from.fleet, "", -1, here->name)->all = true;
        }
        return true;
    case 'q':
        queue_open(a, d, f->fleet);
        return true;
    case 'o':
        if (!f->all)
            a->inv_by_owner = !a->inv_by_owner;
        return true;
    case 'w':
        snprintf(path, sizeof path, "andon-%s-%.40s.csv", f->all ? "silent" : "inventory", f->fleet);
        command_open(a, PROMPT_EXPORT, path);
        return true;
    case 'y': {
        const char *id = !here                             ? ""
                         : !f->all                         ? here->name
                         : f->list.cursor < here->n_silent ? here->silent[f->list.cursor]
                                                           : "";
        if (*id) {
            app_copy(a, out, ACT_COPY, id, id);
            app_say(a, false, "copied %.200s", id);
        }
        return true;
    }
    default:
        return false;
    }
}

char *inventory_dump(struct app *a, const struct view_data *d)
{
    const struct frame *f = app_top(a);
    const struct snapshot *s = find_snap(d, f->fleet);
    struct buf out;
    if (!s || !s->inventory.held)
        return NULL;
    buf_init(&out, (size_t)64 << 20);
    inventory_csv(&s->inventory.held->v, str(s->fleet), f->all ? f->device : NULL, f->all, true, &out);
    return buf_take(&out);
}

void inventory_open(struct app *a, const struct view_data *d, const char *fleet)
{
    const struct snapshot *s = find_fleet(a, d, fleet);
    if (s)
        app_push(a, VIEW_INVENTORY, str(s->fleet), "", -1, "");
}

static char *filter(struct app *a)
{
    return app_top(a)->all ? NULL : a->inv_filter;
}

static void crumb(const struct frame *f, const struct view_data *d, char *out, size_t size)
{
    snprintf(out, size, "%s%sinventory%s%.80s", d->n_snaps > 1 ? f->fleet : "", d->n_snaps > 1 ? " › " : "",
             f->all ? " › " : "", f->all ? or_unknown(f->device) : "");
}

static const char *const HINTS[] = {"esc", "back", "↵", "devices", "b", "blind devices", "o", "owner", "/", "filter",
                                    "w",   "csv",  "q", "queue",   "y", "copy",          "?", "help",  NULL};
const struct screen inventory_screen = {draw, on_key, crumb, HINTS, filter, NULL, true};
