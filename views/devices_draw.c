/* Drawing of the device list. */
#include <math.h>
#include <stdio.h>
#include <string.h>

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

static int from_width(int cols)
{
    return cols >= 120 ? 14 : 8;
}

static void head(struct canvas *c, int row, int id)
{
    int x = 2, rel = from_width(c->cols);
    canvas_fill(c, row, 0, -1, ROLE_HEADER, ' ');
    canvas_text(c, row, x, 6, ROLE_HEADER, "STATE");
    canvas_text(c, row, x += 7, id, ROLE_HEADER, "DEVICE");
    x += id + 1;
    if (c->cols >= 60) {
        canvas_text(c, row, x, rel, ROLE_HEADER, "FROM");
        canvas_text(c, row, x + rel + 1, rel, ROLE_HEADER, "NOW");
        x += 2 * (rel + 1);
    }
    canvas_right(c, row, x, 4, ROLE_HEADER, "RBT");
    x += 5;
    if (c->cols >= 90) {
        canvas_text(c, row, x, TRACK_BUCKETS, ROLE_HEADER, "BOOTS");
        x += TRACK_BUCKETS + 1;
    }
    canvas_right(c, row, x, 5, ROLE_HEADER, "CPU");
    canvas_right(c, row, x + 6, 5, ROLE_HEADER, "VAR");
    canvas_right(c, row, x + 12, 6, ROLE_HEADER, "SEEN");
    canvas_text(c, row, x + 20, -1, ROLE_HEADER, "NOTE");
}

/* "hearth:4.11.9": all of it where there is room, else the version. */
static void release(struct canvas *c, int row, int col, int cols, const char *name)
{
    const char *colon = strrchr(name, ':');
    canvas_text(c, row, col, cols, ROLE_TEXT, !*name ? "?" : colon && text_width(name) > cols ? colon + 1 : name);
}

static void line(struct canvas *c, int row, int id, const struct device_row *r, int64_t now, bool stale)
{
    char n[FMT_MAX];
    int x = 2, rel = from_width(c->cols);
    bool old = stale || r->state == DEV_STALE;
    enum role num = old ? ROLE_STALE : ROLE_TEXT;
    struct look l = state_device(r);
    canvas_printf(c, row, x, 6, l.role, "%s %s", l.glyph, l.word);
    canvas_text(c, row, x += 7, id, ROLE_STRONG, str(r->id));
    x += id + 1;
    if (c->cols >= 60) {
        release(c, row, x, rel, str(r->from));
        release(c, row, x + rel + 1, rel, str(r->now_release));
        x += 2 * (rel + 1);
    }
    canvas_right(c, row, x, 4, num, r->reboots >= 0 ? fmt_count(n, r->reboots) : "?");
    x += 5;
    if (c->cols >= 90) {
        float boots[TRACK_BUCKETS], top = 3;
        for (int i = 0; i < TRACK_BUCKETS; i++) {
            boots[i] = r->last_sample > 0 ? (float)r->boots[i] : NAN;
            top = boots[i] > top ? boots[i] : top;
        }
        canvas_spark(c, row, x, TRACK_BUCKETS, old ? ROLE_STALE : ROLE_CANARY, boots, TRACK_BUCKETS, top);
        x += TRACK_BUCKETS + 1;
    }
    canvas_right(c, row, x, 5, num, fmt_percent(n, (double)r->cpu));
    canvas_right(c, row, x + 6, 5, num, fmt_num(n, (double)r->variance));
    canvas_right(c, row, x + 12, 6, num,
                 r->last_seen > 0 ? fmt_dur(n, now > r->last_seen ? now - r->last_seen : 0) : "?");
    canvas_text(c, row, x + 20, -1, old ? ROLE_DIM : ROLE_TEXT, str(r->note));
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
    snprintf(right, sizeof right, "filter %s   sort %s ▾", a->dev_filter[0] ? a->dev_filter : "none",
             devices_sort_word(a));
    char title[80];
    snprintf(title, sizeof title, "list read %s", parts_ago(age, d->now, s->devices_at));
    parts_rule(c, row++, title, right);
    int id = 12;
    for (size_t i = f->list.top; i < a->devices.n && i < f->list.top + (size_t)at.rows; i++) {
        int w = text_width(str(s->devices[a->devices.v[i]].id));
        id = w > id ? w : id;
    }
    int most = c->cols / 4 > 14 ? c->cols / 4 : 14;
    id = id > most ? most : id;
    head(c, row++, id);
    int foot = at.rows >= 16 ? 2 : 0, page = end - foot - row;
    list_clip(&f->list, a->devices.n, page);
    bool stale = state_stale(s, d->now);
    for (int i = 0; i < page && f->list.top + (size_t)i < a->devices.n; i++) {
        size_t k = f->list.top + (size_t)i;
        line(c, row + i, id, &s->devices[a->devices.v[k]], d->now, stale);
        if (devices_marked(a, a->devices.key[k]))
            canvas_text(c, row + i, 1, 1, ROLE_STRONG, "*");
        if (k == f->list.cursor) {
            canvas_text(c, row + i, 0, 1, ROLE_STRONG, "▸");
            canvas_select(c, row + i, 0, -1);
        }
    }
    if (a->devices.n == 0)
        canvas_text(c, row, 2, -1, ROLE_DIM,
                    a->dev_filter[0] ? "no device passes the filter" : "no devices in this wave");
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
