/* Drawing of the board: which columns there is room for, and a row of each rollout. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/outlook.h"
#include "core/explain.h"
#include "core/plan.h"
#include "core/text.h"
#include "views/app.h"

struct columns {
    int id, firmware, fleet, name, waves, n_waves, devices, trend, delta, next;
    int waves_at, trend_at; /* where these begin */
    int plan;               /* characters of a plan's id that are shown */
};

static int total_width(const struct columns *w)
{
    int n = 2 + 7 + w->id + w->firmware + w->fleet + w->name + w->waves + w->devices + w->trend + w->delta + w->next;
    int gaps = 1 + (w->id > 0) + (w->firmware > 0) + (w->fleet > 0) + (w->name > 0) + (w->waves > 0) +
               (w->devices > 0) + (w->trend > 0) + (w->delta > 0);
    return n + gaps;
}

static int at_most(int v, int min, int max)
{
    return v < min ? min : v > max ? max : v;
}

/* How many devices are done, of how many. */
static const char *devices_text(char *out, size_t size, const struct rollout *r)
{
    char a[FMT_MAX], b[FMT_MAX];
    const struct counts *k = &r->counts;
    if (!k->known)
        snprintf(out, size, "?/%.30s", fmt_count(b, r->total));
    else if (k->finished == r->total && r->total > 0)
        snprintf(out, size, "%.30s all", fmt_count(a, k->finished));
    else
        snprintf(out, size, "%.30s/%.30s", fmt_count(a, k->finished), fmt_count(b, r->total));
    return out;
}

/* What the devices of a group's rollouts come to; one of which the server does not say makes the sum unknown. */
static struct rollout group_sum(const struct app *a, const struct view_data *d, size_t g)
{
    struct rollout sum = {.counts.known = true};
    const struct rollout_view *r;
    for (size_t k = 0; (r = group_nth(a, d, g, k, NULL)) != NULL; k++) {
        sum.total += r->rollout.total;
        sum.counts.finished += r->rollout.counts.finished;
        sum.counts.known = sum.counts.known && r->rollout.counts.known;
    }
    return sum;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* So many characters of a plan's id tell the plans here apart, and are what a roll back asks to be typed; 0: there is
 * none. */
static int plan_chars(const struct app *a, const struct view_data *d)
{
    const char **ids = xcalloc(a->board.n + 1, sizeof *ids);
    size_t n = 0, most = PLAN_TYPED;
    for (size_t i = 0; i < a->board.n; i++) {
        size_t g;
        const struct rollout_view *r = group_head(a, a->board.v[i], &g) ? NULL : board_at(d, a->board.v[i], NULL);
        if (r && plan_is_id(str(r->rollout.id)))
            ids[n++] = r->rollout.id;
    }
    qsort(ids, n, sizeof *ids, by_text);
    for (size_t i = 1; i < n; i++) {
        size_t same = 0;
        while (ids[i][same] && ids[i][same] == ids[i - 1][same])
            same++;
        most = ids[i][same] && same + 1 > most ? same + 1 : most; /* one plan in two fleets is the same */
    }
    free(ids);
    return n > 0 ? (int)most : 0;
}

/* The widths that the rows ask for. */
static struct columns wanted(const struct app *a, const struct view_data *d, int cols)
{
    struct columns w = {.id = 4, .firmware = 8, .fleet = 5, .devices = 7, .trend = 8, .delta = 9, .next = 15};
    bool one = d->n_snaps == 1, says_more = false;
    size_t waves = 1;
    int name = 7;
    for (size_t i = 0; i < a->board.n; i++) {
        const struct snapshot *s = NULL;
        const struct rollout_view *r = board_at(d, a->board.v[i], &s);
        char line[400];
        size_t g;
        if (group_head(a, a->board.v[i], &g)) {
            group_title(a, d, g, line, sizeof line);
            w.firmware = at_most(text_width(line), w.firmware, 26);
            struct rollout sum = group_sum(a, d, g);
            w.devices = at_most(text_width(devices_text(line, sizeof line, &sum)), w.devices, 15);
            continue;
        }
        const struct release *rel = &r->rollout.release;
        snprintf(line, sizeof line, "%.190s %.190s", str(rel->name), str(rel->version));
        if (!plan_is_id(str(r->rollout.id)))
            w.id = at_most(text_width(str(r->rollout.id)), w.id, 12);
        w.firmware = at_most(text_width(line), w.firmware, 26);
        w.fleet = at_most(text_width(str(s->fleet)), w.fleet, 14);
        name = at_most(text_width(str(r->rollout.name)), name, 30);
        says_more = says_more || strcmp(line, str(r->rollout.name)) != 0;
        waves = r->n_waves > waves ? r->n_waves : waves;
        w.devices = at_most(text_width(devices_text(line, sizeof line, &r->rollout)), w.devices, 15);
    }
    w.plan = plan_chars(a, d);
    if (w.plan > 0)
        w.id = at_most(w.plan + 1, w.id, PLAN_ID_BYTES - 1);
    w.n_waves = at_most((int)waves, 1, cols >= 140 ? 10 : 5);
    w.waves = 3 * w.n_waves - 1;
    /* One fleet: its name stands on top. The rollout's name is shown where it says more than the firmware does. */
    w.fleet = one ? 0 : w.fleet;
    w.name = says_more && (one || cols >= 130) ? name : 0;
    return w;
}

static int shed(const struct columns *w, int cols, int from, int least)
{
    int over = total_width(w) - cols;
    return over > 0 ? at_most(from - over, from < least ? from : least, from) : from;
}

static struct columns widths(const struct app *a, const struct view_data *d, int cols)
{
    struct columns w = wanted(a, d, cols);
    w.firmware = shed(&w, cols, w.firmware, 16);
    w.name = shed(&w, cols, w.name, 8);
    w.next = shed(&w, cols, w.next, 12);
    if (total_width(&w) > cols)
        w.name = 0;
    if (total_width(&w) > cols)
        w.devices = 0;
    if (total_width(&w) > cols)
        w.trend = 0;
    w.next = shed(&w, cols, w.next, 6);
    if (total_width(&w) > cols)
        w.next = 0;
    if (total_width(&w) > cols)
        w.waves = 0;
    w.firmware = shed(&w, cols, w.firmware, 0);
    if (w.firmware < 5)
        w.firmware = 0;
    /* What is left over: what is to be done in full first, then a longer trend. */
    int over = cols - total_width(&w);
    if (over > 0 && w.next) {
        int more = at_most(over, 0, w.next < 18 ? 18 - w.next : 0);
        w.next += more, over -= more;
        more = w.trend ? at_most(over, 0, TREND_N - w.trend) : 0;
        w.trend += more, over -= more;
        w.next += over;
    }
    w.waves_at =
        2 + 8 + w.id + 1 + (w.firmware ? w.firmware + 1 : 0) + (w.name ? w.name + 1 : 0) + (w.fleet ? w.fleet + 1 : 0);
    w.trend_at = w.waves_at + (w.waves ? w.waves + 1 : 0) + (w.devices ? w.devices + 1 : 0);
    return w;
}

static void header(struct canvas *c, int row, const struct columns *w)
{
    int x = 2;
    canvas_fill(c, row, 0, -1, ROLE_HEADER, ' ');
    canvas_text(c, row, x, 7, ROLE_HEADER, "STATE");
    x += 8;
    canvas_text(c, row, x, w->id, ROLE_HEADER, "ID");
    x += w->id + 1;
    if (w->firmware)
        canvas_text(c, row, x, w->firmware, ROLE_HEADER, "FIRMWARE"), x += w->firmware + 1;
    if (w->name)
        canvas_text(c, row, x, w->name, ROLE_HEADER, "ROLLOUT"), x += w->name + 1;
    if (w->fleet)
        canvas_text(c, row, x, w->fleet, ROLE_HEADER, "FLEET"), x += w->fleet + 1;
    for (int i = 0; w->waves && i < w->n_waves; i++)
        canvas_printf(c, row, x + 3 * i, 2, ROLE_HEADER, "W%d", i);
    x += w->waves ? w->waves + 1 : 0;
    if (w->devices)
        canvas_right(c, row, x, w->devices, ROLE_HEADER, "DEVICES"), x += w->devices + 1;
    if (w->trend)
        canvas_text(c, row, x, w->trend, ROLE_HEADER, "TREND"), x += w->trend + 1;
    canvas_right(c, row, x, w->delta, ROLE_HEADER, "VS OTHERS");
    x += w->delta + 2;
    if (w->next)
        canvas_text(c, row, x, w->next - 1, ROLE_HEADER, "NEXT");
}

/* Two cells a wave: each shows half of its devices. A fill, a part, not yet. */
static void waves_cells(struct canvas *c, int row, int col, int n, const struct rollout_view *r, bool stale)
{
    bool back = r->rollback.step != RB_NONE;
    int shown = (int)r->n_waves > n ? n - 1 : (int)r->n_waves;
    for (int i = 0; i < shown; i++) {
        const struct wave *w = &r->waves[i].wave;
        const struct counts *k = &w->counts;
        int64_t done = k->known ? k->finished + k->error : r->waves[i].health.installed;
        double part = w->total > 0 ? 2.0 * (double)done / (double)w->total : 0;
        bool active = w->state == WAVE_RUNNING;
        enum role role = stale ? ROLE_STALE : w->state == WAVE_ERROR ? ROLE_BAD : active ? ROLE_RUN : ROLE_DONE;
        for (int h = 0; h < 2; h++) {
            double fill = part - h;
            uint32_t g = fill >= 1 ? 0x2588 : fill >= 0.5 ? 0x2593 : fill > 0 || (active && h == 0) ? 0x2591 : 0xB7;
            if (back && i <= r->current)
                g = 0x21B6, role = ROLE_BACK;
            else if (w->state == WAVE_ERROR && h == 1)
                g = 0x2716;
            canvas_fill(c, row, col + 3 * i + h, 1, g == 0xB7 ? ROLE_DIM : role, g);
        }
    }
    if ((int)r->n_waves > n)
        canvas_printf(c, row, col + 3 * (n - 1), 3, ROLE_DIM, "+%zu", r->n_waves - (size_t)(n - 1));
}

static const struct wave_view *wave_now(const struct rollout_view *r)
{
    return r->current >= 0 && (size_t)r->current < r->n_waves ? &r->waves[r->current] : NULL;
}

/* The bars stay as they are: reversed, what is done would look as what is not. */
static void select_row(struct canvas *c, int row, const struct columns *w)
{
    int at = 0;
    if (w->waves)
        canvas_select(c, row, at, w->waves_at), at = w->waves_at + w->waves;
    int bar = w->trend_at, end = w->trend_at + w->trend;
    while (bar < end && bar < c->cols && c->cells[(size_t)row * (size_t)c->cols + (size_t)bar].glyph == ' ')
        bar++;
    if (bar < end)
        canvas_select(c, row, at, bar - at), at = end;
    canvas_select(c, row, at, -1);
}

static void next_cell(struct canvas *c, int row, int col, int cols, enum role role, const struct snapshot *s,
                      const struct rollout_view *r)
{
    const struct queue_row *q = outlook_next(s->outlook.held, str(r->rollout.id));
    char text[EXPLAIN_TEXT];
    bool waits = !r->latched && !r->gate_waits && r->rollout.state == ROLLOUT_RUNNING;
    if (!waits || r->trial.state != TRIAL_CATCHING) {
        bool open = !r->latched && r->rollout.state != ROLLOUT_FINISHED; /* it can still close what presses */
        int used = 0;
        if (q && open && q->worst.risk->tier <= TIER_OUT_OF_CYCLE)
            used = canvas_printf(c, row, col, cols, q->worst.risk->tier == TIER_IMMEDIATE ? ROLE_BAD : ROLE_WARN, "%s ",
                                 outlook_tier(q, c->ascii));
        canvas_text(c, row, col + used, cols - used, role, state_next(r));
        return;
    }
    explain_state(&r->trial, text, sizeof text);
    canvas_text(c, row, col, cols, ROLE_SLOW, text);
}

static void draw_row(struct canvas *c, int row, const struct columns *w, const struct snapshot *s,
                     const struct rollout_view *r, int64_t now)
{
    bool stale = state_stale(s, now);
    enum role text = stale ? ROLE_STALE : ROLE_TEXT;
    struct look l = state_rollout(r);
    char line[96];
    int x = 2;
    if (r->n_warnings > 0)
        canvas_text(c, row, 1, 1, ROLE_WARN, "!");
    canvas_printf(c, row, x, 7, l.role, "%s %s", l.glyph, l.word);
    x += 8;
    const char *id = str(r->rollout.id);
    bool cut = plan_is_id(id) && w->plan + 1 < PLAN_ID_BYTES - 1;
    canvas_printf(c, row, x, w->id, ROLE_STRONG, "%.*s%s", cut ? w->plan : (int)strlen(id), id, cut ? "…" : "");
    x += w->id + 1;
    if (w->firmware) {
        if (*str(r->rollout.release.name))
            canvas_printf(c, row, x, w->firmware, ROLE_TEXT, "%.300s %.300s", r->rollout.release.name,
                          str(r->rollout.release.version));
        else
            canvas_text(c, row, x, w->firmware, ROLE_DIM, "?");
        x += w->firmware + 1;
    }
    if (w->name)
        canvas_text(c, row, x, w->name, ROLE_TEXT, str(r->rollout.name)), x += w->name + 1;
    if (w->fleet)
        canvas_text(c, row, x, w->fleet, ROLE_TEXT, str(s->fleet)), x += w->fleet + 1;
    if (w->waves && r->waves_known)
        waves_cells(c, row, x, w->n_waves, r, stale);
    else if (w->waves)
        canvas_text(c, row, x, w->waves, ROLE_DIM, "…");
    x += w->waves ? w->waves + 1 : 0;
    if (w->devices)
        canvas_right(c, row, x, w->devices, text, devices_text(line, sizeof line, &r->rollout)), x += w->devices + 1;
    const struct wave_view *v = wave_now(r);
    bool judged = v && v->watched;
    bool blind = judged && v->verdict.data_missing;
    struct worst worst = judged ? worst_of(r, v) : (struct worst){.name = ""};
    if (w->trend) {
        if (worst.known)
            plots_spark(c, row, x, w->trend, blind || stale ? ROLE_STALE : ROLE_CANARY, v, worst.metric);
        x += w->trend + 1;
    }
    char delta[WORST_TEXT] = "-";
    if (judged)
        worst_text(delta, v, &worst, blind, w->delta);
    bool bad = judged && !blind && v->verdict.react >= REACT_PAUSE;
    canvas_right(c, row, x, w->delta, stale || blind ? ROLE_STALE : bad ? ROLE_BAD : ROLE_TEXT, delta);
    x += w->delta + 2;
    if (w->next)
        next_cell(c, row, x, w->next - 1, text, s, r);
}

/* A group's line: the state of the worst of it, how many it is, and how they stand. */
static void draw_group(const struct app *a, const struct view_data *d, struct canvas *c, int row,
                       const struct columns *w, size_t g)
{
    const struct group *v = &a->groups.v[g];
    const struct rollout_view *worst = NULL, *r;
    const struct snapshot *s = NULL;
    bool stale = false;
    char line[400], states[160];
    for (size_t k = 0; (r = group_nth(a, d, g, k, &s)) != NULL; k++) {
        stale = stale || state_stale(s, d->now);
        if (!worst || state_rollout(r).severity < state_rollout(worst).severity)
            worst = r;
    }
    struct look l = state_rollout(worst);
    int x = 2;
    canvas_text(c, row, 1, 1, ROLE_STRONG, v->open ? "-" : "+");
    canvas_printf(c, row, x, 7, l.role, "%s %s", l.glyph, l.word);
    x += 8;
    canvas_printf(c, row, x, w->id, ROLE_STRONG, "×%zu", v->n);
    x += w->id + 1;
    group_title(a, d, g, line, sizeof line);
    group_states(a, d, g, states, sizeof states);
    if (w->firmware)
        canvas_text(c, row, x, w->firmware, ROLE_STRONG, line), x += w->firmware + 1;
    int to = w->waves_at + (w->waves ? w->waves + 1 : 0);
    if (a->group_by == GROUP_RELEASE)
        snprintf(line, sizeof line, "in %zu fleet%s: %s%s", v->fleets, v->fleets > 1 ? "s" : "", states,
                 stale ? "  ! old data" : "");
    else
        snprintf(line, sizeof line, "%s%s", states, stale ? "  ! old data" : "");
    struct rollout sum = group_sum(a, d, g);
    char done[96];
    if (w->devices)
        canvas_right(c, row, to, w->devices, stale ? ROLE_STALE : ROLE_TEXT, devices_text(done, sizeof done, &sum));
    if (to - x > text_width(line) + 1) {
        canvas_text(c, row, x, to - x - 1, stale ? ROLE_STALE : ROLE_TEXT, line);
        return;
    }
    x = to + (w->devices ? w->devices + 1 : 0);
    canvas_text(c, row, x, c->cols - x - 1, stale ? ROLE_STALE : ROLE_TEXT, line);
}

static void empty(const struct app *a, const struct view_data *d, struct canvas *c, int row)
{
    if (a->board_filter[0]) {
        canvas_text(c, row, 2, -1, ROLE_DIM, "no rollout passes the filter; / changes it, esc takes it away");
        return;
    }
    bool known = true;
    for (size_t i = 0; i < d->n_snaps; i++) {
        const struct snapshot *s = d->snaps[i];
        if (!s || s->rollouts_known)
            continue;
        known = false;
        canvas_printf(c, row, 2, -1, ROLE_TEXT, "%.60s: %s %.200s", str(s->fleet),
                      *str(s->link.error) ? "no answer yet:" : "asking",
                      *str(s->link.error) ? s->link.error : str(s->link.url));
        if (*str(s->link.next))
            canvas_printf(c, row + 1, 4, -1, ROLE_DIM, "%.200s", s->link.next);
        row += 2;
    }
    if (known)
        canvas_text(c, row, 2, -1, ROLE_DIM, "no rollouts");
}

static void draw_start(const struct view_data *d, struct canvas *c)
{
    canvas_text(c, 2, 2, -1, ROLE_STRONG, "No fleet is configured.");
    for (int i = 0; i < 3; i++) {
        if (d->start_help[i])
            canvas_text(c, 4 + i, 2, -1, ROLE_TEXT, d->start_help[i]);
    }
}

void board_draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct list *l = &a->stack[0].list;
    char title[64], right[400];
    int row = at.row, end = at.row + at.rows;
    if (d->n_snaps == 0) {
        draw_start(d, c);
        return;
    }
    int set, panels = panels_rows(d, at.rows - 2, a->board.n, &set);
    snprintf(title, sizeof title, "rollouts %zu", a->groups.shown);
    int at_group = snprintf(right, sizeof right, "%s%s%s", a->group_by ? "by " : "", a->group_by ? groups_word(a) : "",
                            a->group_by ? "   " : "");
    snprintf(right + at_group, sizeof right - (size_t)at_group, "filter %s   sort %s ▾",
             a->board_filter[0] ? a->board_filter : "none", board_sort_word(a));
    parts_rule(c, row++, title, right);
    struct columns w = widths(a, d, c->cols);
    header(c, row++, &w);
    int page = end - panels - row;
    list_clip(l, a->board.n, page);
    if (a->board.n == 0)
        empty(a, d, c, row);
    for (int i = 0; i < page && l->top + (size_t)i < a->board.n; i++) {
        const struct snapshot *s = NULL;
        const struct rollout_view *r = board_at(d, a->board.v[l->top + (size_t)i], &s);
        size_t g;
        if (group_head(a, a->board.v[l->top + (size_t)i], &g))
            draw_group(a, d, c, row + i, &w, g);
        else
            draw_row(c, row + i, &w, s, r, d->now);
        if (l->top + (size_t)i == l->cursor) {
            canvas_text(c, row + i, 0, 1, ROLE_STRONG, "▸");
            select_row(c, row + i, &w);
        }
    }
    panels_draw(a, d, c, end - panels, set);
}
