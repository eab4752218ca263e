/* The screen "why", its tables: evidence of each test, the limits beside them, who carries it, what they share. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/column.h"
#include "core/text.h"
#include "views/explain.h"

int explain_row(struct explain_page *p, char kind, const char *id)
{
    if (p->n >= p->c.rows)
        return -1;
    p->row[p->n].kind = kind;
    snprintf(p->row[p->n].id, sizeof p->row[p->n].id, "%.*s", (int)text_fit(id, 70), id);
    return p->n++;
}

void explain_heading(struct explain_page *p, const char *title, const char *right)
{
    int row = explain_row(p, 's', title);
    if (row >= 0)
        parts_rule(&p->c, row, title, right);
}

void explain_text(struct explain_page *p, enum role role, const char *text)
{
    int used = parts_wrap(&p->c, p->n, 2, p->c.cols - 3, 8, role, text);
    for (int i = 0; i < used; i++)
        explain_row(p, 0, "");
}

/* --- tests --------------------------------------------------------------------------------------------------- */

static struct look look_of(const struct explain_view *v, const struct evidence *e)
{
    if (e->dismissed)
        return (struct look){.glyph = "·", .word = "seen", .role = ROLE_DIM};
    struct look l = state_reaction(explain_reaction(&v->policy->evidence, e));
    if (v->t->dry_run && l.role == ROLE_BAD)
        l.role = ROLE_WARN; /* it would, but never does */
    return l;
}

/* From 1 to ten times what a pause needs, in equal steps of powers; a mark where the pause is, one where the roll back
 * is when there is one. */
static void bar(struct canvas *c, int row, int col, int cols, const struct evidence *e, enum role role)
{
    int pause = (int)(explain_scale(e->log_pause, e->log_pause) * (cols - 1));
    int back = e->log_rollback > 0 ? (int)(explain_scale(e->log_rollback, e->log_pause) * (cols - 1) + 0.5) : -1;
    double part = explain_scale(e->log_e, e->log_pause) * cols;
    for (int i = 0; i < cols; i++) {
        bool fill = part >= i + 0.5;
        if (i == pause || i == back)
            canvas_fill(c, row, col + i, 1, ROLE_LIMIT, i == pause ? 0x2502 : 0x2551);
        else
            canvas_fill(c, row, col + i, 1, fill ? role : ROLE_DIM, fill ? 0x2588 : 0xB7);
    }
}

enum { COL_TEST = 4, W_TEST = 12, W_TEST_MOST = 24, W_NUM = 9, W_OF = 11 };

struct columns {
    int test;                                        /* width of the names */
    int bar_at, bar, canary_at, others_at, ratio_at; /* 0: not shown */
};

/* Names in full as far as they may be; the bar gives way. */
static struct columns columns_of(int cols, const struct stage_view *s)
{
    struct columns k = {.test = W_TEST};
    for (size_t i = 0; i < s->n && cols >= 64; i++) {
        int w = text_width(str(s->v[i].test));
        k.test = w > k.test && w <= W_TEST_MOST ? w : k.test;
    }
    int at = COL_TEST + k.test + 1 + W_NUM + 1 + W_OF + 1;
    int right = cols >= 64 ? 11 + 1 + 13 : cols >= 50 ? 11 : 0;
    int ratio = cols >= 96 ? 19 : 0;
    int room = cols - 1 - at - right - ratio;
    if (room >= 8) {
        k.bar_at = at, k.bar = room - 2 > 40 ? 40 : room - 2;
        at += k.bar + 2;
    }
    if (right)
        k.canary_at = at, at += 12;
    if (right > 12)
        k.others_at = at, at += 14;
    if (ratio)
        k.ratio_at = at + 1;
    return k;
}

static void tests_header(struct explain_page *p, const struct columns *k)
{
    int row = explain_row(p, 0, "");
    struct canvas *c = &p->c;
    if (row < 0)
        return;
    canvas_fill(c, row, 0, -1, ROLE_HEADER, ' ');
    canvas_text(c, row, COL_TEST, k->test, ROLE_HEADER, "TEST");
    canvas_right(c, row, COL_TEST + k->test + 1, W_NUM, ROLE_HEADER, "MOST");
    canvas_text(c, row, COL_TEST + k->test + W_NUM + 2, W_OF, ROLE_HEADER, "TO PAUSE");
    if (k->bar >= 20)
        canvas_text(c, row, k->bar_at, k->bar, ROLE_HEADER, "1 …  │ pause  ║ back");
    if (k->canary_at)
        canvas_right(c, row, k->canary_at, 11, ROLE_HEADER, "CANARIES");
    if (k->others_at)
        canvas_right(c, row, k->others_at, 13, ROLE_HEADER, "OTHERS");
    if (k->ratio_at)
        canvas_text(c, row, k->ratio_at, -1, ROLE_HEADER, "SIZE (RANGE)");
}

static void test_line(struct explain_page *p, const struct explain_view *v, const struct columns *k, size_t i)
{
    const struct evidence *e = &v->stage->v[i];
    struct canvas *c = &p->c;
    char n[FMT_MAX], m[FMT_MAX], line[2 * FMT_MAX + 8];
    int row = explain_row(p, 't', str(e->test));
    if (row < 0)
        return;
    struct look l = look_of(v, e);
    struct harm harm = harm_of_evidence(e);
    bool any = explain_speaks(e);
    enum role num = v->old ? ROLE_STALE : l.role == ROLE_GOOD ? any ? ROLE_TEXT : ROLE_DIM : l.role;
    canvas_text(c, row, 2, 1, l.role, l.glyph);
    canvas_text(c, row, COL_TEST, k->test, any ? ROLE_STRONG : ROLE_TEXT, str(e->test));
    canvas_right(c, row, COL_TEST + k->test + 1, W_NUM, num, explain_evidence(n, e->log_e, e->log_pause));
    canvas_printf(c, row, COL_TEST + k->test + W_NUM + 2, W_OF, v->old ? ROLE_STALE : ROLE_TEXT, "of %s",
                  explain_need(n, e->log_pause));
    if (k->bar_at)
        bar(c, row, k->bar_at, k->bar, e, v->old ? ROLE_STALE : l.role == ROLE_GOOD ? ROLE_CANARY : l.role);
    if (k->canary_at) {
        snprintf(line, sizeof line, "%s/%s", fmt_count(n, e->canary), fmt_count(m, e->canary_of));
        canvas_right(c, row, k->canary_at, 11, num, line);
    }
    if (k->others_at && v->stage->which[i] != TEST_INSTALL) {
        snprintf(line, sizeof line, "%s/%s", fmt_count(n, e->control), fmt_count(m, e->control_of));
        canvas_right(c, row, k->others_at, 13, num, line);
    }
    if (k->ratio_at)
        canvas_text(c, row, k->ratio_at, -1, num, harm_text(n, &harm));
}

/* The leading test in words, with what a table has no room for. */
static void leading(struct explain_page *p, const struct explain_view *v)
{
    const struct evidence *e = &v->stage->v[v->stage->leading];
    char text[EXPLAIN_TEXT], how[120], m[FMT_MAX], since[80] = "";
    explain_size(e, v->stage->which[v->stage->leading], how, sizeof how);
    if (e->crossed_at > 0)
        snprintf(since, sizeof since, "; enough for a pause since %s", fmt_hms(m, e->crossed_at));
    snprintf(text, sizeof text, "%.40s: %s (at least %d are needed)%s%s", str(e->test), how, e->min_devices, since,
             e->dismissed ? "; acknowledged: it counts again from ten times as much on" : "");
    explain_text(p, v->old ? ROLE_STALE : ROLE_TEXT, text);
}

/* The others in a few rows, by name: those that say nothing, and those that have nothing to say it of. */
static void silent_tests(struct explain_page *p, const struct explain_view *v)
{
    char text[TESTS_MAX * 48 + 80];
    bool over = v->t->ended || !v->w || v->w->wave.index != v->t->stage;
    for (int compares = 1; compares >= 0; compares--)
        if (explain_silent(v->stage, compares, over, compares ? "m shows all" : "", true, text, sizeof text) > 0)
            explain_text(p, v->old ? ROLE_STALE : ROLE_DIM, text);
}

void explain_tests(struct explain_page *p, const struct explain_view *v)
{
    char right[160], a[FMT_MAX], b[FMT_MAX], h[FMT_MAX];
    const struct stage_view *s = v->stage;
    if (!s || s->n == 0)
        return;
    snprintf(right, sizeof right, "%s canaries, %s others at risk, %s device-hours", fmt_count(a, s->canary),
             fmt_count(b, s->control), fmt_num(h, s->canary_hours));
    explain_heading(p, "evidence", s->canary > 0 ? right : NULL);
    struct columns k = columns_of(p->c.cols, s);
    bool any = v->all;
    for (size_t i = 0; i < s->n && i < TESTS_MAX; i++)
        any = any || explain_speaks(&s->v[i]);
    if (any)
        tests_header(p, &k);
    for (size_t i = 0; i < s->n && i < TESTS_MAX; i++) {
        if (v->all || explain_speaks(&s->v[i]))
            test_line(p, v, &k, i);
    }
    if (!v->all)
        silent_tests(p, v);
    if (s->leading >= 0 && (size_t)s->leading < s->n)
        leading(p, v);
}

void explain_limits(struct explain_page *p, const struct explain_view *v)
{
    char when[80], right[160];
    if (!v->w || !v->w->watched || v->w->verdict.n_limits == 0)
        return;
    plots_when(v->s, when);
    snprintf(right, sizeof right, "%s%sthey act by themselves, outside the promise", when, *when ? "; " : "");
    explain_heading(p, "limits", right);
    for (size_t i = 0; i < v->w->verdict.n_limits; i++) {
        const struct limit_view *l = &v->w->verdict.limits[i];
        int row = l->limit ? explain_row(p, 'l', str(l->limit->id)) : -1;
        if (row >= 0)
            rollout_limit(&p->c, row, l, v->now, v->old);
    }
}

/* --- devices --------------------------------------------------------------------------------------------------- */

static const struct device_row *row_of(const struct snapshot *s, const char *id)
{
    for (size_t i = 0; s->devices && i < s->n_devices; i++) {
        if (!strcmp(str(s->devices[i].id), id))
            return &s->devices[i];
    }
    return NULL;
}

/* What the leading test says of each that carries it; "" of one that compares all at once. */
static const char *carries(const struct explain_view *v, char out[DEVICE_NOTE])
{
    const struct stage_view *s = v->stage;
    const struct evidence_policy *p = &v->policy->evidence;
    out[0] = '\0';
    int test = s && s->leading >= 0 && (size_t)s->leading < s->n ? (int)s->which[s->leading] : -1;
    if (test >= 0 && test < metric_tests(p) && metric_form(metric_test(p, test)) == FORM_HAD)
        device_said(metric_test(p, test), out);
    return out;
}

#define CARRIERS 20 /* of trial_view */

/* Of the leading test; reboots where it has no figure of one device. */
static size_t leading_metric(const struct explain_view *v)
{
    uint8_t rows[METRICS_MAX];
    size_t n = column_rows(&v->policy->evidence, rows);
    const struct stage_view *g = v->stage;
    for (size_t i = 0; g && g->leading >= 0 && (size_t)g->leading < g->n && i < n; i++)
        if (rows[i] == g->v[g->leading].metric)
            return rows[i];
    return ROW_REBOOTS;
}

/* Not known comes last; equals stay in their order. */
static void worst_first(const struct explain_view *v, size_t metric, const struct device_row *const *rows, size_t n,
                        size_t *order)
{
    double harm[CARRIERS];
    for (size_t i = 0; i < n; i++) {
        double h = rows[i] ? column_harm(&v->policy->evidence, rows[i], metric) : NAN;
        size_t k = i;
        h = isnan(h) ? -INFINITY : h;
        for (; k > 0 && harm[k - 1] < h; k--) {
            harm[k] = harm[k - 1];
            order[k] = order[k - 1];
        }
        harm[k] = h;
        order[k] = i;
    }
}

void explain_carriers(struct explain_page *p, const struct explain_view *v)
{
    const struct trial_view *t = v->t;
    char one[DEVICE_NOTE];
    char title[96], n[FMT_MAX], when[80], said[160];
    plots_when(v->s, when);
    if (t->n_carriers == 0 || !t->carriers || !v->w || v->w->wave.index != t->stage)
        return;
    snprintf(title, sizeof title, "devices that carry it: %s", fmt_count(n, (int64_t)t->carriers_total));
    explain_heading(p, title, "Enter opens one");
    const struct device_row *rows[CARRIERS];
    size_t count = t->n_carriers < CARRIERS ? t->n_carriers : CARRIERS, order[CARRIERS];
    size_t metric = leading_metric(v);
    for (size_t i = 0; i < count; i++)
        rows[i] = row_of(v->s, str(t->carriers[i]));
    worst_first(v, metric, rows, count, order);
    for (size_t i = 0; i < count; i++) {
        const char *id = str(t->carriers[order[i]]);
        const struct device_row *r = rows[order[i]];
        int row = explain_row(p, 'd', id);
        if (row < 0)
            return;
        if (!r) { /* of another wave, whose list is not the one that is read: all that is known is that it carries it */
            int at = 4 + canvas_text(&p->c, row, 4, p->c.cols / 2, ROLE_STRONG, id);
            canvas_text(&p->c, row, at < 24 ? 24 : at + 2, -1, ROLE_DIM, carries(v, one));
            continue;
        }
        struct look l = state_device(r);
        canvas_text(&p->c, row, 2, 1, l.role, l.glyph);
        int x = 4 + canvas_text(&p->c, row, 4, p->c.cols / 2, ROLE_STRONG, id);
        x = x < 24 ? 24 : x + 2;
        double value = column_value(r, metric);
        if (value > 0 || (metric != ROW_REBOOTS && isfinite(value))) {
            column_said(&v->policy->evidence, metric, value, column_base(r, metric), when, said, sizeof said);
            x += canvas_printf(&p->c, row, x, -1, ROLE_TEXT, "%s %s  ", metric_title(&v->policy->evidence, metric),
                               said);
        }
        canvas_text(&p->c, row, x, p->c.cols - x - 1, ROLE_DIM, str(r->note));
    }
    if (t->carriers_total > t->n_carriers) {
        int row = explain_row(p, 0, "");
        if (row >= 0)
            canvas_printf(&p->c, row, 4, -1, ROLE_DIM, "… %zu more", t->carriers_total - t->n_carriers);
    }
}

void explain_shares(struct explain_page *p, const struct explain_view *v)
{
    const struct trial_view *t = v->t;
    if (!v->w || v->w->wave.index != t->stage || t->carriers_total == 0)
        return;
    explain_heading(p, "what they share that the rest do not", NULL);
    if (t->n_shares == 0 || !t->shares) {
        explain_text(p, ROLE_DIM, "nothing that chance does not explain: no attribute stands out among them");
        return;
    }
    for (size_t i = 0; i < t->n_shares; i++) {
        const struct share *x = &t->shares[i];
        char part[FMT_MAX], name[160];
        int row = explain_row(p, 0, "");
        if (row < 0)
            return;
        snprintf(name, sizeof name, "%.70s %.80s", str(x->key), str(x->value));
        int w = p->c.cols >= 90 ? 30 : p->c.cols >= 60 ? 22 : 14;
        canvas_text(&p->c, row, 4, w, i == 0 ? ROLE_STRONG : ROLE_TEXT, name);
        int at = 4 + w + 1;
        char bad[FMT_MAX], of[FMT_MAX], lift[FMT_MAX];
        double all = x->of_all > 0 ? (double)x->all / (double)x->of_all : NAN;
        at += canvas_printf(&p->c, row, at, -1, i == 0 ? ROLE_WARN : ROLE_TEXT, "%s of %s of them",
                            fmt_count(bad, x->bad), fmt_count(of, x->of_bad));
        canvas_printf(&p->c, row, at, -1, ROLE_TEXT, ", %s of all devices, %s as common", explain_percent(part, all),
                      fmt_ratio(lift, x->lift));
    }
}
