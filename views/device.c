/* One device: what it runs, its own trend, what the server told it and what it answered. This screen only reads. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/column.h"
#include "core/text.h"
#include "views/app.h"

static const struct device_detail *detail_of(const struct snapshot *s, const struct frame *f)
{
    if (!s || !s->device || strcmp(s->focus.device, f->device) != 0)
        return NULL;
    return s->device;
}

static void pair(struct canvas *c, int row, int col, int cols, const char *name, const char *value)
{
    if (col >= c->cols)
        return;
    canvas_text(c, row, col, 10, ROLE_DIM, name);
    canvas_text(c, row, col + 11, cols - 12, ROLE_TEXT, *str(value) ? value : "?");
}

static int identity(const struct app *a, const struct view_data *d, struct canvas *c, int row,
                    const struct device_detail *v)
{
    char t[FMT_MAX], u[FMT_MAX];
    bool two = c->cols >= 80;
    int half = two ? c->cols / 2 : c->cols, x2 = two ? half : 2;
    parts_rule(c, row++, "identity", "y copies the id");
    pair(c, row, 2, half, "id", v->id);
    pair(c, two ? row : ++row, x2, half, "name", v->name);
    row++;
    pair(c, row, 2, half, "installed", v->installed);
    pair(c, two ? row : ++row, x2, half, "assigned", v->assigned);
    row++;
    pair(c, row, 2, half, "status", device_status_word(v->status));
    pair(c, two ? row : ++row, x2, half, "address", v->address);
    row++;
    pair(c, row, 2, half, "updated", parts_when(a, d, t, v->installed_at));
    pair(c, two ? row : ++row, x2, half, "last seen", parts_ago(u, d->now, v->last_seen));
    if (v->overdue)
        canvas_text(c, row, x2 + 26, -1, ROLE_WARN, "? overdue");
    return row + 1;
}

static int attributes(struct canvas *c, int row, int end, const struct device_detail *v)
{
    if (v->n_attributes == 0 || row + 2 > end)
        return row;
    parts_rule(c, row++, "attributes", NULL);
    int cols = c->cols >= 80 ? 2 : 1, half = c->cols / cols;
    size_t i = 0;
    for (int r = 0; row < end && r < 4 && i < v->n_attributes; r++, row++) {
        for (int k = 0; k < cols && i < v->n_attributes; k++, i++) {
            int x = 2 + k * half;
            int w = canvas_printf(c, row, x, half / 2, ROLE_DIM, "%s ", str(v->attributes[i][0]));
            canvas_text(c, row, x + w, half - w - 3, ROLE_TEXT, str(v->attributes[i][1]));
        }
    }
    if (i < v->n_attributes && row < end)
        canvas_printf(c, row++, 2, -1, ROLE_DIM, "… %zu more", v->n_attributes - i);
    return row;
}

/* A snapshot may hold no history of a figure: an empty line would look like a flat one. */
static bool any_point(const float *v)
{
    for (int i = 0; v && i < TREND_N; i++) {
        if (isfinite(v[i]))
            return true;
    }
    return false;
}

static void trend(struct canvas *c, int row, const char *name, const float *v, float top, const char *value, bool old)
{
    int spark = c->cols >= 60 ? TREND_N : 10;
    canvas_text(c, row, 2, 12, ROLE_TEXT, name);
    for (int i = 0; v && i < TREND_N; i++)
        top = isfinite(v[i]) && v[i] > top ? v[i] : top;
    if (!any_point(v)) {
        canvas_text(c, row, 15, spark, ROLE_DIM, "no history is kept");
        canvas_text(c, row, 15 + spark + 2, -1, old ? ROLE_STALE : ROLE_STRONG, value);
        return;
    }
    canvas_spark(c, row, 15, spark, old ? ROLE_STALE : ROLE_CANARY, v, TREND_N, top);
    canvas_text(c, row, 15 + spark + 2, -1, old ? ROLE_STALE : ROLE_STRONG, value);
}

static double newest(const float *v, double other)
{
    for (int i = TREND_N - 1; v && i >= 0; i--) {
        if (isfinite(v[i]))
            return (double)v[i];
    }
    return other;
}

static int trends(struct app *a, struct canvas *c, int row, int end, const struct device_detail *v,
                  const struct device_row *r, const struct snapshot *s, int64_t now)
{
    const struct frame *f = app_top(a);
    const struct evidence_policy *p = devices_policy(f, s);
    uint8_t rows[METRICS_MAX];
    size_t n = column_rows(p, rows), room = end - row > 7 ? (size_t)(end - row - 4) : 3;
    char line[160], when[80];
    if (row + 4 > end)
        return row;
    if (n > room)
        devices_worst(f, s, rows);
    enum link_state st = state_link(s, &s->telemetry, now);
    bool old = st == LINK_STALE || st == LINK_FAILED || (r && r->state == DEV_STALE);
    parts_rule(c, row++, "telemetry", old ? "! not fresh" : NULL);
    plots_when(s, when);
    for (size_t i = 0; i < n && i < room; i++) {
        const float *t = rows[i] == ROW_REBOOTS    ? v->boots
                         : rows[i] == ROW_CPU      ? v->cpu
                         : rows[i] == ROW_VARIANCE ? v->variance
                                                   : NULL;
        double value = r ? column_value(r, rows[i]) : NAN;
        column_said(p, rows[i], rows[i] == ROW_REBOOTS ? value : newest(t, value), r ? column_base(r, rows[i]) : NAN,
                    when, line, sizeof line);
        trend(c, row++, metric_id(p, rows[i]), t, rows[i] == ROW_REBOOTS ? 3 : rows[i] == ROW_CPU ? 1 : 2, line, old);
    }
    return row;
}

static void events(struct app *a, const struct view_data *d, struct canvas *c, int row, int end,
                   const struct device_detail *v)
{
    struct list *l = &app_top(a)->list;
    char title[64], t[FMT_MAX];
    if (row >= end)
        return;
    snprintf(title, sizeof title, "events %zu", v->n_events);
    parts_rule(c, row++, title, "newest first");
    int page = end - row;
    list_clip(l, v->n_events, page);
    for (int i = 0; i < page && l->top + (size_t)i < v->n_events; i++) {
        const struct device_event *e = &v->events[l->top + (size_t)i];
        bool bad = !strcmp(str(e->mark), "bad"), ok = !strcmp(str(e->mark), "ok");
        int x = 2 + canvas_printf(c, row + i, 2, -1, ROLE_TEXT, "%s  ", parts_when(a, d, t, e->t));
        x += canvas_printf(c, row + i, x, -1,
                           bad  ? ROLE_BAD
                           : ok ? ROLE_GOOD
                                : ROLE_DIM,
                           "%s  ",
                           bad  ? "✖"
                           : ok ? "✓"
                                : "·");
        canvas_text(c, row + i, x, c->cols - x - 1, ROLE_TEXT, str(e->text));
        if (l->top + (size_t)i == l->cursor)
            canvas_text(c, row + i, 0, 1, ROLE_STRONG, "▸");
    }
}

static void draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    const struct frame *f = app_top(a);
    const struct snapshot *s = find_snap(d, f->fleet);
    const struct device_row *r = find_device(s, f->device);
    const struct device_detail *v = detail_of(s, f);
    char age[FMT_MAX];
    int row = at.row, end = at.row + at.rows - 1;
    if (r) {
        struct look l = state_device(r);
        int x = 1 + canvas_printf(c, row, 1, -1, l.role, "%s %s   ", l.glyph, l.word);
        x += canvas_text(c, row, x, c->cols / 2, ROLE_STRONG, str(r->id));
        x += canvas_printf(c, row, x, -1, ROLE_TEXT, "   last seen %s   ", parts_ago(age, d->now, r->last_seen));
        canvas_text(c, row, x, -1, l.role, str(r->note));
    }
    row++;
    if (!v || v->fetched_at == 0) {
        canvas_text(c, row, 2, -1, ROLE_DIM, v && *str(v->error) ? v->error : "the device is being read");
    } else {
        row = identity(a, d, c, row, v);
        if (*str(v->error) && row < end)
            canvas_printf(c, row++, 2, -1, ROLE_WARN, "! %.200s (read %s)", v->error,
                          parts_ago(age, d->now, v->fetched_at));
        row = trends(a, c, row, end, v, r, s, d->now);
        if (at.rows >= 24)
            row = attributes(c, row, end - 4, v);
        events(a, d, c, row, end, v);
    }
    canvas_text(c, end, 1, c->cols - 1, ROLE_DIM,
                "This screen only reads: andon has no per-device verbs, no shell, no reboot, no flash of one device.");
}

/* [ and ]: the neighbour in the list below this screen. */
static void neighbour(struct app *a, const struct view_data *d, bool next)
{
    struct frame *f = app_top(a);
    const struct snapshot *s = find_snap(d, f->fleet);
    if (a->depth < 2 || a->stack[a->depth - 2].kind != VIEW_DEVICES || !s || a->devices.n == 0)
        return;
    struct list *l = &a->stack[a->depth - 2].list;
    list_key(l, a->devices.n, next ? KEY_DOWN_ : KEY_UP_);
    if (a->devices.v[l->cursor] >= s->n_devices)
        return;
    snprintf(l->sel, sizeof l->sel, "%s", device_raw(&s->devices[a->devices.v[l->cursor]]));
    if (strlen(l->sel) >= sizeof f->device)
        return;
    memcpy(f->device, l->sel, strlen(l->sel) + 1);
    f->list = (struct list){0};
}

static bool on_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    struct frame *f = app_top(a);
    const struct snapshot *s = find_snap(d, f->fleet);
    const struct device_detail *v = detail_of(s, f);
    const struct device_row *r = find_device(s, f->device);
    if (list_key(&f->list, v ? v->n_events : 0, key))
        return true;
    switch (key) {
    case '[':
    case ']':
        neighbour(a, d, key == ']');
        return true;
    case KEY_LEFT_:
        app_pop(a);
        return true;
    case 'y':
        if (r) {
            app_copy(a, out, ACT_COPY, str(r->id), str(r->id));
            app_say(a, false, "copied %.200s", str(r->id));
        }
        return true;
    default:
        return false;
    }
}

static void crumb(const struct frame *f, const struct view_data *d, char *out, size_t size)
{
    const struct device_row *row = find_device(find_snap(d, f->fleet), f->device);
    char at[PARTS_AT];
    parts_at(f, d, at);
    snprintf(out, size, "%s › W%d › %.100s", at, f->wave, row ? str(row->id) : "device");
}

static const char *const HINTS[] = {"esc", "back", "[ ]", "prev/next device", "t", "time zone", "y", "copy",
                                    "?",   "help", NULL};
const struct screen device_screen = {draw, on_key, crumb, HINTS, NULL, find_own, false};
