/* The devices of one wave: what is worst first, with a filter, marks, and the whole list's count beside what is shown.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/column.h"
#include "core/explain.h"
#include "core/rng.h"
#include "core/text.h"
#include "views/app.h"

/* How the list is sorted: by these, or by a metric, whose id it is then. */
#define SORT_STATE ""
#define SORT_SEEN  " seen"
#define SORT_ID    " id"

/* One word of the filter: text that must occur, or a comparison such as reboots>2. */
struct term {
    int metric; /* -1: text */
    bool less;
    double value;
    char text[64];
};
struct terms {
    struct term v[8];
    size_t n;
};
struct source {
    const struct snapshot *s;
    const struct evidence_policy *policy;
    struct terms terms;
    const char *sort;
    int metric;    /* that it sorts by, -1: none */
    uint8_t worst; /* metric that is worst in the wave */
};

const struct evidence_policy *devices_policy(const struct frame *f, const struct snapshot *s)
{
    return &snapshot_policy(s, s ? snapshot_rollout(s, f->rollout) : NULL)->evidence;
}

int devices_sort_metric(const struct app *a, const struct evidence_policy *p)
{
    return column_find(p, a->dev_sort, strlen(a->dev_sort));
}

const char *devices_sort_word(const struct app *a, const struct evidence_policy *p)
{
    int m = devices_sort_metric(a, p);
    return m >= 0                                ? metric_id(p, (size_t)m)
           : strcmp(a->dev_sort, SORT_SEEN) == 0 ? "seen"
           : strcmp(a->dev_sort, SORT_ID) == 0   ? "id"
                                                 : "state";
}

/* State, the metrics in the order of the set, last seen, id, and again. */
static void next_sort(struct app *a, const struct evidence_policy *p)
{
    uint8_t rows[METRICS_MAX];
    size_t n = column_rows(p, rows), at = 0;
    int m = devices_sort_metric(a, p);
    while (m >= 0 && at < n && rows[at] != m)
        at++;
    const char *next = strcmp(a->dev_sort, SORT_SEEN) == 0 ? SORT_ID
                       : strcmp(a->dev_sort, SORT_ID) == 0 ? SORT_STATE
                       : m < 0                             ? metric_id(p, rows[0])
                       : at + 1 < n                        ? metric_id(p, rows[at + 1])
                                                           : SORT_SEEN;
    snprintf(a->dev_sort, sizeof a->dev_sort, "%s", next);
}

static bool number(const char *p, double *out)
{
    char *end;
    double v = strtod(p, &end);
    if (end == p || *end || !isfinite(v))
        return false;
    *out = v;
    return true;
}

static void parse_terms(const char *filter, const struct evidence_policy *p, struct terms *t)
{
    char words[256], *save = NULL;
    t->n = 0;
    snprintf(words, sizeof words, "%s", filter);
    for (char *w = strtok_r(words, " ", &save); w && t->n < 8; w = strtok_r(NULL, " ", &save)) {
        struct term *m = &t->v[t->n++];
        *m = (struct term){.metric = -1};
        snprintf(m->text, sizeof m->text, "%.63s", w);
        size_t op = strcspn(w, "<>");
        if (w[op] && number(w + op + 1, &m->value)) {
            m->metric = column_find(p, w, op);
            m->less = w[op] == '<';
        }
    }
}

const char *devices_unknown(const struct app *a, const struct evidence_policy *p, char out[160])
{
    struct terms t;
    double v;
    size_t n, op;
    uint8_t rows[METRICS_MAX];
    parse_terms(a->dev_filter, p, &t);
    for (size_t i = 0; i < t.n; i++) {
        const char *w = t.v[i].text;
        if (t.v[i].metric >= 0 || (op = strcspn(w, "<>")) == 0 || !w[op] || !number(w + op + 1, &v))
            continue;
        int at = snprintf(out, 160, "no metric is called %.*s:", (int)op, w);
        n = column_rows(p, rows);
        for (size_t k = 0; k < n && at > 0 && at < 160; k++)
            at += snprintf(out + at, 160 - (size_t)at, "%s %s", k ? "," : "", metric_id(p, rows[k]));
        return out;
    }
    return NULL;
}

static bool term_ok(const struct device_row *r, const struct term *t)
{
    if (t->metric < 0)
        return find_in(str(r->id), t->text) || find_in(state_device(r).word, t->text) ||
               find_in(str(r->from), t->text) || find_in(str(r->now_release), t->text) ||
               find_in(str(r->note), t->text);
    double v = column_number((size_t)t->metric, column_value(r, (size_t)t->metric));
    return !isnan(v) && (t->less ? v < t->value : v > t->value);
}

static bool row_match(const void *ctx, uint32_t i)
{
    const struct source *f = ctx;
    for (size_t k = 0; k < f->terms.n; k++) {
        if (!term_ok(&f->s->devices[i], &f->terms.v[k]))
            return false;
    }
    return true;
}

static uint64_t raw_hash(const struct device_row *r)
{
    const char *id = device_raw(r);
    return hash_bytes(id, strlen(id));
}

static uint64_t row_hash(const void *ctx, uint32_t i)
{
    return raw_hash(&((const struct source *)ctx)->s->devices[i]);
}

/* What is worst first; not known comes last. */
static int down(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (isnan(a) ? 1 : 0) - (isnan(b) ? 1 : 0);
    return a > b ? -1 : a < b ? 1 : 0;
}

static int row_cmp(const void *ctx, uint32_t x, uint32_t y)
{
    const struct source *f = ctx;
    const struct device_row *a = &f->s->devices[x], *b = &f->s->devices[y];
    if (f->metric >= 0)
        return down(column_harm(f->policy, a, (size_t)f->metric), column_harm(f->policy, b, (size_t)f->metric));
    if (strcmp(f->sort, SORT_SEEN) == 0)
        return a->last_seen < b->last_seen ? -1 : a->last_seen > b->last_seen;
    if (strcmp(f->sort, SORT_ID) == 0)
        return strcmp(str(a->id), str(b->id));
    int r = state_device(a).severity - state_device(b).severity;
    return r ? r : down(column_harm(f->policy, a, f->worst), column_harm(f->policy, b, f->worst));
}

/* The snapshot, when it holds the list of this very wave. */
static const struct snapshot *listed(struct app *a, const struct view_data *d)
{
    const struct frame *f = app_top(a);
    const struct snapshot *s = find_snap(d, f->fleet);
    if (!s || strcmp(s->focus.rollout, f->rollout) != 0 || s->focus.wave != f->wave)
        return NULL;
    return s;
}

static struct list *device_list(struct app *a)
{
    struct frame *f = app_top(a);
    return f->kind == VIEW_DEVICE && a->depth > 1 && a->stack[a->depth - 2].kind == VIEW_DEVICES
               ? &a->stack[a->depth - 2].list
               : &f->list;
}

size_t devices_worst(const struct frame *f, const struct snapshot *s, uint8_t out[METRICS_MAX])
{
    const struct rollout_view *r = s ? snapshot_rollout(s, f->rollout) : NULL;
    const struct wave_view *w = NULL;
    for (size_t i = 0; r && i < r->n_waves; i++)
        if (r->waves[i].wave.index == f->wave)
            w = &r->waves[i];
    return column_worst(devices_policy(f, s), w && w->watched ? w : NULL, r ? explain_stage(&r->trial, f->wave) : NULL,
                        out);
}

void devices_sync(struct app *a, const struct view_data *d)
{
    const struct snapshot *s = listed(a, d);
    struct source src = {.s = s, .policy = devices_policy(app_top(a), s), .sort = a->dev_sort};
    uint8_t worst[METRICS_MAX];
    parse_terms(a->dev_filter, src.policy, &src.terms);
    src.metric = devices_sort_metric(a, src.policy);
    devices_worst(app_top(a), s, worst);
    src.worst = worst[0];
    struct order_source os = {&src, s ? s->n_devices : 0, row_match, row_hash, row_cmp};
    uint64_t of[4] = {s ? s->generation : 0, s ? s->n_devices : 0, (uint64_t)(uintptr_t)s, (uint64_t)app_top(a)->wave};
    uint64_t asked = order_mix(order_mix(1, a->dev_sort, strlen(a->dev_sort)), a->dev_filter, strlen(a->dev_filter));
    order_make(&a->devices, &os, order_mix(1, of, sizeof of), asked, d->now - a->last_key < FREEZE_US);
    struct list *l = device_list(a);
    if (!s || a->devices.n == 0)
        return; /* the list is being read: the cursor keeps its id */
    if (l->cursor < a->devices.n && !strcmp(device_raw(&s->devices[a->devices.v[l->cursor]]), l->sel))
        return;
    for (size_t i = 0; l->sel[0] && i < a->devices.n; i++) {
        if (!strcmp(device_raw(&s->devices[a->devices.v[i]]), l->sel)) {
            l->cursor = i;
            return;
        }
    }
    if (l->cursor >= a->devices.n)
        l->cursor = a->devices.n - 1;
    snprintf(l->sel, sizeof l->sel, "%s", device_raw(&s->devices[a->devices.v[l->cursor]]));
}

/* --- marks ------------------------------------------------------------------------------------------------------ */

static void own_marks(struct app *a)
{
    const struct frame *f = app_top(a);
    char of[KEY_TEXT];
    snprintf(of, sizeof of, "%s/%s/%d", f->fleet, f->rollout, f->wave);
    if (strcmp(of, a->marks_of) != 0) {
        a->n_marks = 0;
        memcpy(a->marks_of, of, sizeof of);
    }
}

static size_t mark_at(const struct app *a, uint64_t h, bool *there)
{
    size_t lo = 0, hi = a->n_marks;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (a->marks[mid] < h)
            lo = mid + 1;
        else
            hi = mid;
    }
    *there = lo < a->n_marks && a->marks[lo] == h;
    return lo;
}

bool devices_marked(const struct app *a, uint64_t h)
{
    bool there;
    mark_at(a, h, &there);
    return there;
}

static void toggle(struct app *a, uint64_t h)
{
    bool there;
    size_t i = mark_at(a, h, &there);
    if (there) {
        memmove(a->marks + i, a->marks + i + 1, (--a->n_marks - i) * sizeof *a->marks);
        return;
    }
    if (a->n_marks == a->cap_marks) {
        a->cap_marks = a->cap_marks ? 2 * a->cap_marks : 64;
        a->marks = xreallocarray(a->marks, a->cap_marks, sizeof *a->marks);
    }
    memmove(a->marks + i + 1, a->marks + i, (a->n_marks++ - i) * sizeof *a->marks);
    a->marks[i] = h;
}

static int by_value(const void *x, const void *y)
{
    uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
    return a < b ? -1 : a > b;
}

/* All that is shown, at once (one insertion each would be slow for a long list). */
static void mark_shown(struct app *a, bool invert)
{
    size_t n = 0;
    uint64_t *v = xreallocarray(NULL, a->devices.n + a->n_marks + 1, sizeof *v);
    for (size_t i = 0; i < a->devices.n; i++) {
        if (!invert || !devices_marked(a, a->devices.key[i]))
            v[n++] = a->devices.key[i];
    }
    qsort(v, n, sizeof *v, by_value);
    free(a->marks);
    a->marks = v;
    a->cap_marks = a->devices.n + a->n_marks + 1;
    a->n_marks = n;
}

/* --- text that leaves ------------------------------------------------------------------------------------------- */

/* A cell of a CSV file: quoted, and never a formula for the program that opens it. */
static void csv_cell(struct buf *b, const char *s, bool last)
{
    buf_addc(b, '"');
    if (*s == '=' || *s == '+' || *s == '-' || *s == '@')
        buf_addc(b, '\'');
    for (; *s; s++) {
        if (*s == '"')
            buf_addc(b, '"');
        buf_addc(b, *s);
    }
    buf_adds(b, last ? "\"\n" : "\",");
}

/* The columns that there always were, and behind them those of the policy's own metrics. */
static void csv_head(struct buf *b, const struct evidence_policy *p)
{
    buf_adds(b, "device,state,from,now,reboots,cpu,variance,last_seen,note");
    for (size_t i = METRICS_BUILTIN; i < metric_count(p); i++)
        buf_printf(b, ",%s", metric_id(p, i));
    buf_addc(b, '\n');
}

static void csv_figure(struct buf *b, const struct device_row *r, size_t metric, bool last)
{
    char n[FMT_MAX] = ""; /* andon's own number, so no formula: -69 stays a number */
    double v = column_value(r, metric);
    if (isfinite(v))
        metric == ROW_CPU || metric == ROW_VARIANCE ? (void)fmt_num(n, v) : (void)snprintf(n, sizeof n, "%.7g", v);
    buf_printf(b, last ? "\"%s\"\n" : "\"%s\",", n);
}

static void csv_row(struct buf *b, const struct evidence_policy *p, const struct device_row *r)
{
    char n[FMT_MAX];
    size_t count = metric_count(p);
    csv_cell(b, str(r->id), false);
    csv_cell(b, state_device(r).word, false);
    csv_cell(b, str(r->from), false);
    csv_cell(b, str(r->now_release), false);
    csv_figure(b, r, ROW_REBOOTS, false);
    csv_figure(b, r, ROW_CPU, false);
    csv_figure(b, r, ROW_VARIANCE, false);
    csv_cell(b, r->last_seen > 0 ? fmt_iso(n, r->last_seen) : "", false);
    csv_cell(b, str(r->note), count == METRICS_BUILTIN);
    for (size_t i = METRICS_BUILTIN; i < count; i++)
        csv_figure(b, r, i, i + 1 == count);
}

/* Marked devices, or the one under the cursor (copy) or all shown (dump). */
static char *leave(struct app *a, const struct snapshot *s, bool csv, size_t *count)
{
    const struct evidence_policy *p = devices_policy(app_top(a), s);
    struct buf b;
    buf_init(&b, 64u << 20);
    *count = 0;
    if (csv)
        csv_head(&b, p);
    for (size_t i = 0; i < a->devices.n; i++) {
        const struct device_row *r = &s->devices[a->devices.v[i]];
        bool in = a->n_marks ? devices_marked(a, a->devices.key[i]) : csv || i == device_list(a)->cursor;
        if (!in)
            continue;
        ++*count;
        if (csv)
            csv_row(&b, p, r);
        else
            buf_printf(&b, "%s%s", *count > 1 ? "\n" : "", str(r->id));
    }
    char *text = buf_take(&b);
    buf_release(&b);
    return text;
}

char *devices_csv(struct app *a, const struct view_data *d, size_t *count)
{
    const struct snapshot *s = listed(a, d);
    own_marks(a);
    return s ? leave(a, s, true, count) : NULL;
}

static bool on_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    struct frame *f = app_top(a);
    const struct snapshot *s = listed(a, d);
    own_marks(a);
    if (list_key(&f->list, a->devices.n, key)) {
        if (s && f->list.cursor < a->devices.n)
            snprintf(f->list.sel, sizeof f->list.sel, "%s", device_raw(&s->devices[a->devices.v[f->list.cursor]]));
        return true;
    }
    bool any = s && f->list.cursor < a->devices.n;
    size_t count;
    switch (key) {
    case KEY_LEFT_:
        app_pop(a);
        return true;
    case KEY_ENTER_:
    case KEY_RIGHT_:
        if (any && strlen(f->list.sel) < sizeof f->device)
            app_push(a, VIEW_DEVICE, f->fleet, f->rollout, f->wave, f->list.sel);
        return true;
    case 's':
    case 'o':
        next_sort(a, devices_policy(f, s));
        return true;
    case ' ':
        if (any)
            toggle(a, a->devices.key[f->list.cursor]);
        list_key(&f->list, a->devices.n, KEY_DOWN_);
        if (any)
            snprintf(f->list.sel, sizeof f->list.sel, "%s", device_raw(&s->devices[a->devices.v[f->list.cursor]]));
        return true;
    case '*':
    case '!':
        mark_shown(a, key == '!');
        return true;
    case 'y':
        if (any) {
            char *text = leave(a, s, false, &count);
            app_copy(a, out, ACT_COPY, text, text);
            app_say(a, false, "copied %zu id%s", count, count == 1 ? "" : "s");
            free(text);
        }
        return true;
    case 'w':
        if (s) {
            char path[160];
            snprintf(path, sizeof path, "andon-%.72s-W%d.csv", f->rollout, f->wave);
            command_open(a, PROMPT_EXPORT, path);
        }
        return true;
    default:
        return false;
    }
}

static char *filter(struct app *a)
{
    return a->dev_filter;
}

static void crumb(const struct frame *f, const struct view_data *d, char *out, size_t size)
{
    char at[PARTS_AT];
    parts_at(f, d, at);
    snprintf(out, size, "%s › W%d devices", at, f->wave);
}

static const char *const HINTS[] = {"esc",  "back", "↵",        "device", "/",        "filter", "o", "sort", "space",
                                    "mark", "y",    "copy ids", "w",      "dump csv", OFFERS,   "?", "help", NULL};
const struct screen devices_screen = {devices_draw, on_key, crumb, HINTS, filter, find_own, false};
