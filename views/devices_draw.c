/* Drawing of the device list. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/column.h"
#include "core/text.h"
#include "views/app.h"

static void summary(const struct snapshot *s, struct canvas *c, int row, size_t shown, int64_t now)
{
    int64_t n[8] = {0};
    char x[FMT_MAX], y[FMT_MAX];
    static const unsigned ORDER[] = {DEV_OK,       DEV_ODD,     DEV_BAD,   DEV_FAILED,
                                     DEV_UPDATING, DEV_WAITING, DEV_STALE, DEV_GONE};
    for (size_t i = 0; i < s->n_devices; i++)
        n[s->devices[i].state & 7]++;
    enum role num = state_stale(s, now) ? ROLE_STALE : ROLE_TEXT;
    int col = 1 + canvas_printf(c, row, 1, -1, num, "%s devices  ", fmt_count(x, s->devices_total));
    for (size_t i = 0; i < sizeof ORDER / sizeof ORDER[0]; i++) {
        struct device_row r = {.state = ORDER[i]};
        struct look l = state_device(&r);
        if (n[ORDER[i]] > 0)
            col += canvas_printf(c, row, col, -1, l.role, "%s %s %s  ", l.glyph, fmt_count(x, n[ORDER[i]]), l.word);
    }
    char right[120];
    int64_t total = s->devices_total;
    snprintf(right, sizeof right, (int64_t)s->n_devices < total ? "%s shown, %s read" : "%s shown",
             fmt_count(x, (int64_t)shown), fmt_count(y, (int64_t)s->n_devices));
    if (col + text_width(right) + 2 < c->cols)
        canvas_right(c, row, 0, c->cols - 1, ROLE_DIM, right);
}

/* Where things stand on a row: what there is no room for is left out, the metrics that are worst last of all. */
struct layout {
    int id, rel;        /* columns of them; rel 0: no releases */
    size_t n, left_out; /* metrics that are shown, and that have no room */
    uint8_t row[METRICS_MAX];
    int width[METRICS_MAX]; /* with the blank behind */
    bool boots;             /* their sparkline */
};
enum { HEAD_MAX = 11, NOTE_MIN = 10, SEEN = 8 };

static int metric_width(const struct evidence_policy *p, size_t metric)
{
    int n = text_width(column_head(p, metric));
    return metric == ROW_REBOOTS ? 5 : n < 5 ? 6 : n > HEAD_MAX ? HEAD_MAX + 1 : n + 1;
}

/* The metrics are in the order of the set; where there is no room for all, what the list is sorted by is first and then
 * what is worst. */
static void lay_out(const struct app *a, const struct frame *f, const struct snapshot *s, int cols, int id,
                    struct layout *l)
{
    const struct evidence_policy *p = devices_policy(f, s);
    uint8_t rows[METRICS_MAX];
    int sort = devices_sort_metric(a, p), whole = 0;
    *l = (struct layout){.id = id, .rel = cols >= 120 ? 14 : cols >= 60 ? 8 : 0};
    int room = cols - 2 - 7 - (id + 1) - (l->rel ? 2 * (l->rel + 1) : 0) - (cols >= 60 ? SEEN + NOTE_MIN : 0);
    size_t n = column_rows(p, rows);
    for (size_t i = 0; i < n; i++)
        whole += metric_width(p, rows[i]);
    if (whole > room)
        devices_worst(f, s, rows);
    for (size_t i = 1; whole > room && i < n; i++)
        if (rows[i] == sort) {
            memmove(rows + 1, rows, i);
            rows[0] = (uint8_t)sort;
        }
    for (size_t i = 0; i < n; i++) {
        int w = metric_width(p, rows[i]);
        if (w > room && l->n > 0) {
            l->left_out++;
            continue;
        }
        l->row[l->n] = rows[i];
        l->width[l->n++] = w;
        room -= w;
        l->boots = l->boots || rows[i] == ROW_REBOOTS;
    }
    l->boots = l->boots && cols >= 90 && l->left_out == 0 && room > TRACK_BUCKETS;
}

static void head(const struct evidence_policy *p, struct canvas *c, int row, const struct layout *l)
{
    int x = 2;
    canvas_fill(c, row, 0, -1, ROLE_HEADER, ' ');
    canvas_text(c, row, x, 6, ROLE_HEADER, "STATE");
    canvas_text(c, row, x += 7, l->id, ROLE_HEADER, "DEVICE");
    x += l->id + 1;
    if (l->rel) {
        canvas_text(c, row, x, l->rel, ROLE_HEADER, "FROM");
        canvas_text(c, row, x + l->rel + 1, l->rel, ROLE_HEADER, "NOW");
        x += 2 * (l->rel + 1);
    }
    for (size_t i = 0; i < l->n; i++) {
        char name[METRIC_ID_MAX + 1];
        size_t n = 0;
        for (const char *h = column_head(p, l->row[i]); *h && n < sizeof name - 1; h++)
            name[n++] = (char)toupper((unsigned char)*h);
        name[n] = '\0';
        canvas_right(c, row, x, l->width[i] - 1, ROLE_HEADER, name);
        x += l->width[i];
        if (l->row[i] == ROW_REBOOTS && l->boots) {
            canvas_text(c, row, x, TRACK_BUCKETS, ROLE_HEADER, "BOOTS");
            x += TRACK_BUCKETS + 1;
        }
    }
    canvas_right(c, row, x, 6, ROLE_HEADER, "SEEN");
    canvas_text(c, row, x + SEEN, -1, ROLE_HEADER, "NOTE");
}

/* "hearth:4.11.9": all of it where there is room, else the version. */
static void release(struct canvas *c, int row, int col, int cols, const char *name)
{
    const char *colon = strrchr(name, ':');
    canvas_text(c, row, col, cols, ROLE_TEXT, !*name ? "?" : colon && text_width(name) > cols ? colon + 1 : name);
}

static void boots(struct canvas *c, int row, int x, const struct device_row *r, bool old)
{
    float v[TRACK_BUCKETS], top = 3;
    for (int i = 0; i < TRACK_BUCKETS; i++) {
        v[i] = r->last_sample > 0 ? (float)r->boots[i] : NAN;
        top = v[i] > top ? v[i] : top;
    }
    canvas_spark(c, row, x, TRACK_BUCKETS, old ? ROLE_STALE : ROLE_CANARY, v, TRACK_BUCKETS, top);
}

static void line(struct canvas *c, int row, const struct layout *at, const struct device_row *r, int64_t now,
                 bool stale)
{
    char n[FMT_MAX];
    int x = 2;
    bool old = stale || r->state == DEV_STALE;
    enum role num = old ? ROLE_STALE : ROLE_TEXT;
    struct look l = state_device(r);
    canvas_printf(c, row, x, 6, l.role, "%s %s", l.glyph, l.word);
    canvas_text(c, row, x += 7, at->id, ROLE_STRONG, str(r->id));
    x += at->id + 1;
    if (at->rel) {
        release(c, row, x, at->rel, str(r->from));
        release(c, row, x + at->rel + 1, at->rel, str(r->now_release));
        x += 2 * (at->rel + 1);
    }
    for (size_t i = 0; i < at->n; i++) {
        double v = column_value(r, at->row[i]);
        column_text(n, at->row[i], v);
        canvas_right(c, row, x, at->width[i] - 1, num, fmt_fit(n, v, at->width[i] - 1));
        x += at->width[i];
        if (at->row[i] == ROW_REBOOTS && at->boots) {
            boots(c, row, x, r, old);
            x += TRACK_BUCKETS + 1;
        }
    }
    canvas_right(c, row, x, 6, num, r->last_seen > 0 ? fmt_dur(n, now > r->last_seen ? now - r->last_seen : 0) : "?");
    canvas_text(c, row, x + SEEN, -1, old ? ROLE_DIM : ROLE_TEXT, str(r->note));
}

static void loading(const struct snapshot *s, struct canvas *c, int row)
{
    if (s && s->devices_error) {
        canvas_printf(c, row, 2, -1, ROLE_LOST, "the devices cannot be listed: %.250s", s->devices_error->what);
        return;
    }
    canvas_text(c, row, 2, -1, ROLE_DIM, "the list of devices is being read");
    if (s && *str(s->link.error))
        canvas_printf(c, row + 1, 2, -1, ROLE_LOST, "%.200s", s->link.error);
}

/* What is asked for, in `cols` columns: a long filter is clipped. */
static void order_text(const struct app *a, const struct evidence_policy *p, size_t left_out, int cols, char *out,
                       size_t size)
{
    const char *filter = a->dev_filter[0] ? a->dev_filter : "none";
    char rest[100] = "";
    int n = snprintf(rest, sizeof rest, "   sort %s ▾", devices_sort_word(a, p));
    if (left_out > 0 && n > 0 && cols - text_width(rest) > 35)
        snprintf(rest + n, sizeof rest - (size_t)n, "   %zu more metric%s", left_out, left_out == 1 ? "" : "s");
    int room = cols - 7 - text_width(rest);
    bool whole = text_width(filter) <= room;
    snprintf(out, size, "filter %.*s%s%s", (int)(whole ? strlen(filter) : text_fit(filter, room > 8 ? room - 1 : 7)),
             filter, whole ? "" : "…", rest);
}

void devices_draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct frame *f = app_top(a);
    const struct snapshot *s = find_snap(d, f->fleet);
    int row = at.row, end = at.row + at.rows;
    bool mine = s && !strcmp(s->focus.rollout, f->rollout) && s->focus.wave == f->wave && s->devices_at > 0;
    char right[400], age[FMT_MAX];
    if (!mine) {
        loading(s, c, row + 1);
        return;
    }
    summary(s, c, row++, a->devices.n, d->now);
    const struct evidence_policy *p = devices_policy(f, s);
    char title[80], unknown[160];
    snprintf(title, sizeof title, "list read %s", parts_ago(age, d->now, s->devices_at));
    int rule = row++, id = 12;
    for (size_t i = f->list.top; i < a->devices.n && i < f->list.top + (size_t)at.rows; i++) {
        int w = text_width(str(s->devices[a->devices.v[i]].id));
        id = w > id ? w : id;
    }
    int most = c->cols / 4 > 14 ? c->cols / 4 : 14;
    id = id > most ? most : id;
    struct layout at_x;
    lay_out(a, f, s, c->cols, id, &at_x);
    order_text(a, p, at_x.left_out, c->cols - text_width(title) - 10, right, sizeof right);
    parts_rule(c, rule, title, right);
    head(p, c, row++, &at_x);
    int foot = at.rows >= 16 ? 2 : 0, page = end - foot - row;
    list_clip(&f->list, a->devices.n, page);
    bool stale = state_stale(s, d->now);
    for (int i = 0; i < page && f->list.top + (size_t)i < a->devices.n; i++) {
        size_t k = f->list.top + (size_t)i;
        line(c, row + i, &at_x, &s->devices[a->devices.v[k]], d->now, stale);
        if (devices_marked(a, a->devices.key[k]))
            canvas_text(c, row + i, 1, 1, ROLE_STRONG, "*");
        if (k == f->list.cursor) {
            canvas_text(c, row + i, 0, 1, ROLE_STRONG, "▸");
            canvas_select(c, row + i, 0, -1);
        }
    }
    if (a->devices.n == 0)
        canvas_text(c, row, 2, -1, ROLE_DIM,
                    !a->dev_filter[0]                ? "no devices in this wave"
                    : devices_unknown(a, p, unknown) ? unknown
                                                     : "no device passes the filter");
    if (foot) {
        char t2[64];
        snprintf(t2, sizeof t2, "marked %zu", a->n_marks);
        parts_rule(c, end - 2, t2, "space * all ! invert: to copy or dump, not to roll back");
        /* The note in full, which the row may have no room for. */
        const struct device_row *at_cursor =
            f->list.cursor < a->devices.n ? &s->devices[a->devices.v[f->list.cursor]] : NULL;
        if (at_cursor && *str(at_cursor->note))
            canvas_printf(c, end - 1, 2, c->cols - 3, ROLE_TEXT, "%s %s", str(at_cursor->id), at_cursor->note);
    }
}
