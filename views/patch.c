/* How long patching takes: by class of devices, the curve of what is still exposed, exposure, and how it is counted. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/outlook.h"
#include "core/patch.h"
#include "views/app.h"

enum { CURVE_ROWS = 6 };

struct shown {
    const struct patch_figures *f; /* NULL: there are none */
    int cls[CLASSES];              /* that have pairs */
    size_t n;
};

static void collect(struct app *a, const struct view_data *d, const struct snapshot **s, struct shown *out)
{
    static const int order[CLASSES] = {CLASS_SAFETY, CLASS_CONFIDENTIAL, CLASS_NON_CRITICAL, CLASS_UNKNOWN};
    struct list *l = &app_top(a)->list;
    *s = find_snap(d, app_top(a)->fleet);
    *out = (struct shown){.f = *s && (*s)->outlook.held ? (*s)->outlook.held->patch : NULL};
    for (int k = 0; out->f && k < CLASSES; k++)
        if (out->f->of[order[k]].pairs + out->f->of[order[k]].left_out > 0)
            out->cls[out->n++] = order[k];
    if (l->cursor >= out->n)
        l->cursor = out->n ? out->n - 1 : 0;
}

static const char *class_word(int k)
{
    return k == CLASS_UNKNOWN ? "not known" : device_class_word((enum device_class)k);
}

static const char *days_text(char out[FMT_MAX], double us)
{
    if (isnan(us))
        snprintf(out, FMT_MAX, "-");
    else
        snprintf(out, FMT_MAX, "%.1fd", us / (double)US_PER_DAY);
    return out;
}

static void none(const struct snapshot *s, struct canvas *c, int row)
{
    char text[400];
    if (s && s->outlook.error && !s->outlook.held) {
        snprintf(text, sizeof text, "! not computed: %.320s", s->outlook.error->what);
        row += parts_wrap(c, row, 0, c->cols, 4, ROLE_WARN, text);
        parts_wrap(c, row, 2, c->cols - 2, 2, ROLE_TEXT, s->outlook.error->next);
    } else if (!s || !s->outlook.held) {
        canvas_text(c, row, 0, -1, ROLE_DIM, "○ being computed, on a thread of its own");
    } else {
        canvas_text(c, row, 0, -1, ROLE_WARN, "! no census could be read: how long patching takes is not known");
        canvas_text(c, row + 1, 2, -1, ROLE_TEXT, "Run andon census once a day, and after a rollout.");
    }
}

static void headline(const struct shown *v, struct canvas *c, int row)
{
    char n[FMT_MAX], m[FMT_MAX], t[FMT_MAX];
    for (size_t i = 0; i < v->n; i++) {
        const struct patch_class *k = &v->f->of[v->cls[i]];
        if (k->open == 0)
            continue;
        canvas_printf(c, row, 0, -1, k->over ? ROLE_BAD : ROLE_WARN, "%s %s: %s of %s pairs still open, oldest %s",
                      k->over ? "✖" : "▲", class_word(v->cls[i]), fmt_count(n, (int64_t)k->open),
                      fmt_count(m, (int64_t)k->pairs), days_text(t, (double)k->oldest));
        return;
    }
    canvas_text(c, row, 0, -1, ROLE_GOOD, "✓ no pair that censuses have seen is open");
}

/* One table for both widths: where a column ends, 0 = it is not shown. */
struct column {
    const char *title;
    int end[2];
};
enum { C_TARGET, C_PAIRS, C_PATCHED, C_OPEN, C_WITHIN, C_MEDIAN, C_MEAN, C_ONLY, C_OVER, COLUMNS };
static const struct column TABLE[COLUMNS] = {{"TARGET", {25, 33}}, {"PAIRS", {33, 42}},  {"PATCHED", {0, 51}},
                                             {"OPEN", {41, 60}},   {"WITHIN", {49, 68}}, {"MEDIAN", {58, 77}},
                                             {"MEAN", {66, 84}},   {"(ONLY)", {0, 92}},  {"OVER", {75, 100}}};

static void cell(struct canvas *c, int row, int column, enum role role, const char *text)
{
    int end = TABLE[column].end[c->cols >= 100];
    if (end)
        canvas_right(c, row, end - 9, 9, role, text);
}

static void line(const struct shown *v, struct canvas *c, int row, size_t i)
{
    const struct patch_class *k = &v->f->of[v->cls[i]];
    bool any = k->pairs > 0;
    char t[FMT_MAX], only[FMT_MAX];
    canvas_text(c, row, 2, c->cols >= 100 ? 22 : 14, ROLE_STRONG, class_word(v->cls[i]));
    snprintf(t, sizeof t, "%s %.0fd", k->under ? "<" : "≤", (double)k->target / (double)US_PER_DAY);
    cell(c, row, C_TARGET, ROLE_TEXT, t);
    cell(c, row, C_PAIRS, ROLE_TEXT, fmt_count(t, (int64_t)k->pairs));
    cell(c, row, C_PATCHED, ROLE_TEXT, fmt_count(t, (int64_t)k->patched));
    cell(c, row, C_OPEN, k->open ? ROLE_WARN : ROLE_TEXT, fmt_count(t, (int64_t)k->open));
    if (isnan(k->within))
        snprintf(t, sizeof t, "-");
    else
        snprintf(t, sizeof t, "%.0f%%", k->within * 100);
    cell(c, row, C_WITHIN, k->over ? ROLE_BAD : ROLE_TEXT, t);
    if (any && k->median == TIME_NEVER)
        snprintf(t, sizeof t, ">%.1fd", (double)k->curve.last / (double)US_PER_DAY);
    else
        days_text(t, any ? (double)k->median : NAN);
    cell(c, row, C_MEDIAN, k->few ? ROLE_DIM : ROLE_TEXT, t);
    cell(c, row, C_MEAN, ROLE_TEXT, days_text(t, any ? (double)k->mean : NAN));
    snprintf(t, sizeof t, "(%.20s)", days_text(only, k->patched_only));
    cell(c, row, C_ONLY, ROLE_DIM, t);
    cell(c, row, C_OVER, k->over ? ROLE_BAD : ROLE_TEXT, fmt_count(t, (int64_t)k->over));
}

static void head(struct canvas *c, int row)
{
    canvas_fill(c, row, 0, -1, ROLE_HEADER, ' ');
    canvas_text(c, row, 2, -1, ROLE_HEADER, "CLASS");
    for (int k = 0; k < COLUMNS; k++)
        cell(c, row, k, ROLE_HEADER, TABLE[k].title);
}

/* S(t) up to the horizon: a column for each piece of it, in eighths of a row. Behind the last pair that was seen
 * nothing is known, and nothing stands. */
static void curve(const struct patch_class *k, int64_t horizon, struct canvas *c, int row)
{
    static const char *const eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    int cols = c->cols - 10;
    char text[20];
    for (int r = 0; r < CURVE_ROWS; r++) {
        if (r % 2 == 0) {
            snprintf(text, sizeof text, "%d%%", 100 - 100 * r / CURVE_ROWS);
            canvas_right(c, row + r, 1, 5, ROLE_DIM, text);
        }
        canvas_text(c, row + r, 6, 1, ROLE_DIM, "┤");
        for (int x = 0; x < cols && k->curve.pairs > 0; x++) {
            int64_t t = horizon / cols * x;
            double high = survival_share(&k->curve, t, false) * CURVE_ROWS - (CURVE_ROWS - 1 - r);
            if (t <= k->curve.last)
                canvas_text(c, row + r, 7 + x, 1, t >= k->target ? ROLE_WARN : ROLE_CANARY,
                            eighths[high >= 1   ? 8
                                    : high <= 0 ? 0
                                                : (int)(high * 8)]);
        }
    }
    canvas_printf(c, row + CURVE_ROWS, 7, -1, ROLE_DIM, "0 to %.0f days%s", (double)horizon / (double)US_PER_DAY,
                  k->begins ? "; it begins where enough were at risk, of those still exposed then" : "");
}

static void exposure(const struct shown *v, const struct patch_class *k, struct canvas *c, int row)
{
    char t[FMT_MAX], u[FMT_MAX];
    parts_rule(c, row, "exposure", NULL);
    canvas_printf(c, row + 1, 2, -1, ROLE_TEXT, "%.1f device-days, %.1f of them exploited",
                  k->exposed_us / (double)US_PER_DAY, k->exploited_us / (double)US_PER_DAY);
    canvas_printf(c, row + 2, 2, -1, k->unknown || k->left_out ? ROLE_WARN : ROLE_TEXT,
                  "gone %zu   on a release that cannot be judged %zu   no beginning by this clock %zu", k->gone,
                  k->unknown, k->left_out);
    canvas_printf(c, row + 3, 2, -1, ROLE_DIM, "censuses %s to %s, %zu devices", outlook_time(t, v->f->since),
                  outlook_time(u, v->f->until), v->f->devices);
}

static void how(struct canvas *c, int row)
{
    parts_rule(c, row, "how it is counted", NULL);
    canvas_text(c, row + 1, 2, -1, ROLE_DIM,
                "A pair is one device and one vulnerability. Open pairs count as not patched yet, never left out.");
    canvas_text(c, row + 2, 2, -1, ROLE_DIM,
                "The mean is the area under the curve to 30 days. (Only) leaves open ones out: it is too good.");
}

static void draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct frame *f = app_top(a);
    const struct snapshot *s;
    struct shown v;
    char title[80];
    int row = at.row, end = at.row + at.rows;
    collect(a, d, &s, &v);
    if (!v.f) {
        none(s, c, row);
        return;
    }
    headline(&v, c, row++);
    snprintf(title, sizeof title, "clock: %s", risk_clock_word(v.f->clock));
    parts_rule(c, row++, "by class", title);
    head(c, row++);
    list_clip(&f->list, v.n, end - row > 0 ? end - row : 1);
    for (size_t i = 0; i < v.n && row < end; i++, row++) {
        line(&v, c, row, i);
        if (i == f->list.cursor) {
            canvas_text(c, row, 0, 1, ROLE_STRONG, "▸");
            canvas_select(c, row, 0, -1);
        }
    }
    if (v.n == 0)
        return;
    const struct patch_class *k = &v.f->of[v.cls[f->list.cursor]];
    if (end - row >= CURVE_ROWS + 2) {
        snprintf(title, sizeof title, "%s, n = %zu", class_word(v.cls[f->list.cursor]), k->curve.pairs);
        parts_rule(c, row++, "still exposed, share of pairs by days", title);
        curve(k, v.f->horizon, c, row);
        row += CURVE_ROWS + 1;
    }
    if (end - row >= 4) {
        exposure(&v, k, c, row);
        row += 4;
    }
    if (end - row >= 3)
        how(c, row);
}

static bool key(struct app *a, const struct view_data *d, uint32_t k, struct action *out)
{
    const struct snapshot *s;
    struct shown v;
    (void)out;
    collect(a, d, &s, &v);
    if (list_key(&app_top(a)->list, v.n, k))
        return true;
    if (k == KEY_LEFT_)
        app_pop(a);
    else if (k == 'q')
        queue_open(a, d, app_top(a)->fleet);
    else
        return false;
    return true;
}

static void crumb(const struct frame *f, const struct view_data *d, char *out, size_t size)
{
    snprintf(out, size, "%s%stime to patch", d->n_snaps > 1 ? f->fleet : "", d->n_snaps > 1 ? " › " : "");
}

static const char *const HINTS[] = {"esc", "back", "j k", "class", "q", "queue", "?", "help", NULL};
const struct screen patch_screen = {draw, key, crumb, HINTS, NULL, NULL, true};

void patch_open(struct app *a, const struct view_data *d, const char *fleet)
{
    const struct snapshot *s = find_fleet(a, d, fleet);
    if (s)
        app_push(a, VIEW_PATCH, str(s->fleet), "", -1, "");
}
