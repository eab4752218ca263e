/* The audit log, newest first, with the whole of the selected entry. Entries are read outside and handed in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "core/text.h"
#include "views/app.h"

enum { PAGE = 500, PAGE_MOST = 2000, DETAIL_ROWS = 8 };

static bool word_ok(const struct audit_row *r, const char *w)
{
    char seq[24];
    snprintf(seq, sizeof seq, "%lld", (long long)r->seq);
    return find_in(str(r->who), w) || find_in(str(r->kind), w) || find_in(str(r->action), w) ||
           find_in(str(r->object), w) || find_in(str(r->result), w) || find_in(str(r->because), w) ||
           !strcmp(seq, *w == '#' ? w + 1 : w);
}

/* Takes "rollout=4471 who=m.ito kind=halt" out of the filter; the words that are left are searched in the rows. */
static void parse(const char *filter, struct audit_want *want, char rest[256])
{
    char words[256], *save = NULL;
    size_t n = 0;
    *want = (struct audit_want){.limit = PAGE};
    rest[0] = '\0';
    snprintf(words, sizeof words, "%s", filter);
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        if (!strncmp(w, "rollout=", 8))
            snprintf(want->rollout, sizeof want->rollout, "%.71s", w + 8);
        else if (!strncmp(w, "who=", 4))
            snprintf(want->who, sizeof want->who, "%.63s", w + 4);
        else if (!strncmp(w, "kind=", 5))
            snprintf(want->kind, sizeof want->kind, "%.31s", w + 5);
        else if (!strncmp(w, "fleet=", 6))
            snprintf(want->fleet, sizeof want->fleet, "%.63s", w + 6);
        else
            n += (size_t)snprintf(rest + n, 256 - n, "%s%s", n ? " " : "", w);
    }
}

struct source {
    const struct audit_page *p;
    char rest[256];
};

static bool row_match(const void *ctx, uint32_t i)
{
    const struct source *f = ctx;
    char words[256], *save = NULL;
    snprintf(words, sizeof words, "%s", f->rest);
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        if (!word_ok(&f->p->v[i], w))
            return false;
    }
    return true;
}

static uint64_t row_hash(const void *ctx, uint32_t i)
{
    return (uint64_t)((const struct source *)ctx)->p->v[i].seq;
}

static int row_cmp(const void *ctx, uint32_t a, uint32_t b)
{
    const struct audit_row *v = ((const struct source *)ctx)->p->v;
    return v[a].seq > v[b].seq ? -1 : v[a].seq < v[b].seq;
}

static void hold_cursor(struct app *a, const struct audit_page *p, struct list *l)
{
    char id[32];
    for (size_t i = 0; l->sel[0] && i < a->audit.n; i++) {
        snprintf(id, sizeof id, "%lld", (long long)p->v[a->audit.v[i]].seq);
        if (!strcmp(id, l->sel)) {
            l->cursor = i;
            return;
        }
    }
    if (l->cursor >= a->audit.n)
        l->cursor = a->audit.n ? a->audit.n - 1 : 0;
}

static void take_cursor(struct app *a, const struct audit_page *p, struct list *l)
{
    l->sel[0] = '\0';
    if (l->cursor > 0 && l->cursor < a->audit.n) /* on the first row the cursor stays with what is newest */
        snprintf(l->sel, sizeof l->sel, "%lld", (long long)p->v[a->audit.v[l->cursor]].seq);
}

static void sync(struct app *a, const struct view_data *d)
{
    struct source src = {.p = d->audit};
    struct audit_want want;
    parse(a->audit_filter, &want, src.rest);
    size_t n = d->audit ? d->audit->n : 0;
    struct order_source os = {&src, n, row_match, row_hash, row_cmp};
    int64_t of[4] = {(int64_t)n, n ? d->audit->v[0].seq : 0, n ? d->audit->v[n - 1].seq : 0,
                     d->audit ? d->audit->total : 0};
    order_make(&a->audit, &os, order_mix((uint64_t)(uintptr_t)d->audit, of, sizeof of),
               order_mix(1, a->audit_filter, strlen(a->audit_filter)), false);
    if (d->audit)
        hold_cursor(a, d->audit, &app_top(a)->list);
}

static bool same_want(const struct audit_want *a, const struct audit_want *b)
{
    return !strcmp(a->rollout, b->rollout) && !strcmp(a->who, b->who) && !strcmp(a->kind, b->kind) &&
           !strcmp(a->fleet, b->fleet);
}

/* Asks for entries: at first, when the filter is another, when the cursor comes to the end of what was read (a larger
 * page), and when the log has grown. */
bool auditlog_want(struct app *a, const struct view_data *d, struct action *out)
{
    struct audit_want want;
    char rest[256];
    int64_t size = 0;
    parse(a->audit_filter, &want, rest);
    sync(a, d);
    for (size_t i = 0; i < d->n_snaps; i++)
        size = d->snaps[i] && d->snaps[i]->audit.size > size ? d->snaps[i]->audit.size : size;
    const struct list *l = &app_top(a)->list;
    const struct audit_page *p = d->audit;
    bool same = a->audit_asked && same_want(&want, &a->audit_sent);
    if (same) {
        want.limit = a->audit_sent.limit;
        if (p && p->n >= want.limit && l->cursor > 0 && l->cursor + 1 >= a->audit.n && want.limit < PAGE_MOST)
            want.limit += PAGE;
        bool grown = size != a->audit_size && d->now - a->audit_asked_at > US_PER_S;
        if (want.limit == a->audit_sent.limit && !grown)
            return false;
    }
    a->audit_asked = true;
    a->audit_asked_at = d->now;
    a->audit_size = size;
    a->audit_sent = want;
    out->kind = ACT_LOAD_AUDIT;
    out->query = want;
    snprintf(out->text, sizeof out->text, "%s", a->audit_filter);
    return true;
}

static void verified(const struct app *a, const struct view_data *d, struct canvas *c, int row)
{
    const struct audit_page *p = d->audit;
    char n[FMT_MAX], t[FMT_MAX];
    if (!p->verified_known) {
        bool end = d->n_snaps > 0;
        for (size_t i = 0; i < d->n_snaps; i++)
            end = end && d->snaps[i] && d->snaps[i]->audit.verified;
        canvas_printf(c, row, 1, -1, ROLE_DIM, "○ %s   #%s   %.60s",
                      end ? "only its end is verified, at start (v verifies all)" : "not verified yet (v verifies all)",
                      fmt_count(n, p->total), str(p->origin));
        return;
    }
    canvas_printf(c, row, 1, -1, p->verified_ok ? ROLE_GOOD : ROLE_BAD, "%s  %s  verified %s   root %.12s…  %.200s",
                  p->verified_ok ? "✓ tree intact" : "✖ BROKEN", fmt_count(n, p->total),
                  parts_time(a, d, t, p->verified_at), str(p->root), str(p->verified_text));
}

static int result_width(int cols)
{
    return cols >= 90 ? 18 : 12;
}

static void head(struct canvas *c, int row)
{
    canvas_fill(c, row, 0, -1, ROLE_HEADER, ' ');
    canvas_right(c, row, 2, 8, ROLE_HEADER, "ENTRY");
    canvas_text(c, row, 12, -1, ROLE_HEADER, "TIME");
    canvas_text(c, row, 24, -1, ROLE_HEADER, "WHO");
    canvas_text(c, row, 35, -1, ROLE_HEADER, "ACTION");
    canvas_text(c, row, 53, -1, ROLE_HEADER, "OBJECT");
    if (c->cols >= 70)
        canvas_text(c, row, c->cols - result_width(c->cols), -1, ROLE_HEADER, "RESULT");
}

static void entry(const struct app *a, const struct view_data *d, struct canvas *c, int row, const struct audit_row *r)
{
    char n[FMT_MAX], t[FMT_MAX];
    canvas_right(c, row, 2, 8, ROLE_STRONG, fmt_count(n, r->seq));
    parts_when(a, d, t, r->t);
    if (strlen(t) > 16) /* another day: month, day, hour and minute */
        canvas_text(c, row, 12, 11, ROLE_TEXT, (t[16] = '\0', t + 5));
    else
        canvas_text(c, row, 12, 11, ROLE_TEXT, t);
    canvas_text(c, row, 24, 10, ROLE_TEXT, str(r->who));
    bool both = *str(r->action) && strcmp(str(r->action), str(r->kind)) != 0;
    canvas_printf(c, row, 35, 17, ROLE_TEXT, "%s%s%s", str(r->kind), both ? " " : "", both ? r->action : "");
    int w = result_width(c->cols), end = c->cols >= 70 ? c->cols - w - 1 : c->cols;
    int x = 53 + canvas_text(c, row, 53, end - 53, ROLE_TEXT, str(r->object)) + 2;
    if (x + 8 < end) /* where there is room: why, or what a step did */
        canvas_text(c, row, x, end - x, ROLE_DIM, str(r->because));
    if (c->cols >= 70) {
        bool ok = !strcmp(str(r->result), "ok") || !strcmp(str(r->result), "applied");
        canvas_printf(c, row, c->cols - w, w - 1,
                      r->refused ? ROLE_WARN
                      : ok       ? ROLE_GOOD
                                 : ROLE_TEXT,
                      "%s%s%s",
                      r->refused ? "✖ "
                      : ok       ? "✓ "
                                 : "",
                      str(r->result), r->late ? " LATE" : "");
    }
}

static void detail_line(struct canvas *c, int row, const char *name, const char *text)
{
    canvas_text(c, row, 2, 9, ROLE_DIM, name);
    canvas_text(c, row, 12, c->cols - 13, ROLE_TEXT, *str(text) ? text : "-");
}

static void detail(struct canvas *c, int row, const struct audit_row *r)
{
    char title[80], n[FMT_MAX], t[FMT_MAX], line[200];
    snprintf(title, sizeof title, "entry %s", fmt_count(n, r->seq));
    parts_rule(c, row, title, r->late ? "logged late" : NULL);
    /* The host is a name, or the facts as the line below holds them. */
    const char *host = str(r->host)[0] == '{' ? "" : str(r->host);
    snprintf(line, sizeof line, "%s   %.60s%s%.60s   %.40s", fmt_iso(t, r->t), str(r->who), *host ? " on " : "", host,
             str(r->kind));
    detail_line(c, row + 1, "time", line);
    snprintf(line, sizeof line, "%.40s %.100s   %.40s", str(r->action), str(r->object), str(r->result));
    detail_line(c, row + 2, "what", line);
    detail_line(c, row + 3, "before", r->before);
    detail_line(c, row + 4, "after", r->after);
    detail_line(c, row + 5, "because", r->because);
    detail_line(c, row + 6, "leaf", r->hash);
    detail_line(c, row + 7, "line", r->line);
}

static void draw(struct app *a, const struct view_data *d, struct canvas *c, struct area at)
{
    struct list *l = &app_top(a)->list;
    int row = at.row, end = at.row + at.rows;
    char right[400], n[FMT_MAX], m[FMT_MAX];
    if (!d->audit) {
        canvas_text(c, row + 1, 2, -1, ROLE_DIM, "the log is being read");
        return;
    }
    sync(a, d);
    verified(a, d, c, row++);
    snprintf(right, sizeof right, "filter %s   %s of %s", a->audit_filter[0] ? a->audit_filter : "none",
             fmt_count(n, (int64_t)a->audit.n), fmt_count(m, d->audit->total));
    parts_rule(c, row++, NULL, right);
    head(c, row++);
    int foot = at.rows >= 18 ? DETAIL_ROWS : 0, page = end - foot - row;
    list_clip(l, a->audit.n, page);
    for (int i = 0; i < page && l->top + (size_t)i < a->audit.n; i++) {
        size_t k = l->top + (size_t)i;
        entry(a, d, c, row + i, &d->audit->v[a->audit.v[k]]);
        if (k == l->cursor) {
            canvas_text(c, row + i, 0, 1, ROLE_STRONG, "▸");
            canvas_select(c, row + i, 0, -1);
        }
    }
    if (a->audit.n == 0)
        canvas_text(c, row, 2, -1, ROLE_DIM, a->audit_filter[0] ? "no entry passes the filter" : "the log is empty");
    else if (foot)
        detail(c, end - foot, &d->audit->v[a->audit.v[l->cursor]]);
}

/* The rollout that an entry is about, if it is on the board. */
static void go_to(struct app *a, const struct view_data *d, const struct audit_row *r)
{
    const struct rollout_view *v = find_rollout(d, str(r->fleet), str(r->rollout), NULL);
    if (v)
        app_push(a, VIEW_ROLLOUT, r->fleet, r->rollout, v->current, "");
    else
        app_say(a, false, "%.80s is not on the board", *str(r->object) ? r->object : "this entry's object");
}

static void next_refused(struct app *a, const struct audit_page *p, struct list *l, bool up)
{
    for (size_t i = l->cursor;;) {
        if (up ? i == 0 : i + 1 >= a->audit.n)
            break;
        i = up ? i - 1 : i + 1;
        if (p->v[a->audit.v[i]].refused) {
            l->cursor = i;
            take_cursor(a, p, l);
            return;
        }
    }
    app_say(a, false, "no %s refused entry here", up ? "earlier" : "further");
}

static bool on_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    struct list *l = &app_top(a)->list;
    const struct audit_page *p = d->audit;
    sync(a, d);
    const struct audit_row *r = p && l->cursor < a->audit.n ? &p->v[a->audit.v[l->cursor]] : NULL;
    if (list_key(l, a->audit.n, key)) {
        if (p)
            take_cursor(a, p, l);
        return true;
    }
    switch (key) {
    case KEY_LEFT_:
        app_pop(a);
        return true;
    case KEY_ENTER_:
    case KEY_RIGHT_:
        if (r)
            go_to(a, d, r);
        return true;
    case 'n':
    case 'N':
        if (r)
            next_refused(a, p, l, key == 'N');
        return true;
    case 'v':
        out->kind = ACT_VERIFY_AUDIT;
        app_say(a, false, "the whole log is being verified");
        return true;
    case 'w':
        command_open(a, PROMPT_EXPORT, "andon-audit");
        return true;
    case 'y':
        if (r && *str(r->line)) {
            app_copy(a, out, ACT_COPY, r->line, r->line);
            app_say(a, false, "copied entry %lld", (long long)r->seq);
        }
        return true;
    default:
        return false;
    }
}

static char *filter(struct app *a)
{
    return a->audit_filter;
}

static void crumb(const struct frame *f, const struct view_data *d, char *out, size_t size)
{
    (void)f;
    (void)d;
    snprintf(out, size, "audit");
}

/* The rollout that the highlighted entry is about. */
static bool target(struct app *a, const struct view_data *d, const struct frame *f, char fleet[64],
                   char rollout[ID_MAX], struct err *why)
{
    const struct audit_page *p = d->audit;
    const struct audit_row *r = p && f->list.cursor < a->audit.n ? &p->v[a->audit.v[f->list.cursor]] : NULL;
    if (!r || !find_rollout(d, str(r->fleet), str(r->rollout), NULL))
        return err_set(why, ERR_NOT_FOUND, "",
                       "the highlighted entry is about no rollout that is there; esc goes back "
                       "to where one is");
    snprintf(fleet, 64, "%s", r->fleet);
    snprintf(rollout, ID_MAX, "%s", r->rollout);
    return true;
}

static const char *const HINTS[] = {"esc", "back",       "↵", "go to object", "/", "filter",
                                    "v",   "verify all", "n", "next refused", "w", "export",
                                    "y",   "copy",       "?", "help",         NULL};
const struct screen auditlog_screen = {draw, on_key, crumb, HINTS, filter, target, true};
