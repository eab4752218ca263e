/* The board: every rollout of every fleet, what is worst first; where its cursor stands, and its keys. */
#include <stdio.h>
#include <string.h>

#include "core/rng.h"
#include "views/app.h"

enum { SORT_SEVERITY, SORT_SERVER, SORT_FLEET, SORT_SIZE, SORT_COUNT };

struct flat {
    const struct app *a;
    const struct view_data *d;
};

const char *board_sort_word(const struct app *a)
{
    static const char *const words[SORT_COUNT] = {"severity", "newest", "fleet", "size"};
    return words[a->board_sort];
}

const struct rollout_view *board_at(const struct view_data *d, uint32_t i, const struct snapshot **s)
{
    for (size_t k = 0; k < d->n_snaps; k++) {
        if (!d->snaps[k])
            continue;
        if (i < d->snaps[k]->n_rollouts) {
            if (s)
                *s = d->snaps[k];
            return &d->snaps[k]->rollouts[i];
        }
        i -= (uint32_t)d->snaps[k]->n_rollouts;
    }
    return NULL;
}

static size_t flat_count(const struct view_data *d)
{
    size_t n = 0;
    for (size_t k = 0; k < d->n_snaps; k++)
        n += d->snaps[k] ? d->snaps[k]->n_rollouts : 0;
    return n;
}

static void row_id(char out[KEY_TEXT], const struct snapshot *s, const struct rollout_view *r)
{
    snprintf(out, KEY_TEXT, "%.150s/%.200s", s ? str(s->fleet) : "", r ? str(r->rollout.id) : "");
}

static bool match_word(const struct snapshot *s, const struct rollout_view *r, const char *word)
{
    struct look l = state_rollout(r);
    return find_in(str(r->rollout.id), word) || find_in(str(r->rollout.name), word) ||
           find_in(str(r->rollout.release.name), word) || find_in(str(r->rollout.release.version), word) ||
           find_in(str(s->fleet), word) || find_in(l.word, word);
}

static bool rollout_match(const void *ctx, uint32_t i)
{
    const struct flat *f = ctx;
    const struct snapshot *s = NULL;
    const struct rollout_view *r = board_at(f->d, i, &s);
    char words[256], *save = NULL;
    snprintf(words, sizeof words, "%s", f->a->board_filter);
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        if (!match_word(s, r, w))
            return false;
    }
    return true;
}

static int rollout_cmp(const void *ctx, uint32_t x, uint32_t y)
{
    const struct flat *f = ctx;
    const struct snapshot *sx = NULL, *sy = NULL;
    const struct rollout_view *a = board_at(f->d, x, &sx), *b = board_at(f->d, y, &sy);
    switch (f->a->board_sort) {
    case SORT_SERVER:
        return 0;
    case SORT_FLEET: {
        int c = strcmp(str(sx->fleet), str(sy->fleet));
        if (c)
            return c;
        break;
    }
    case SORT_SIZE:
        if (a->rollout.total != b->rollout.total)
            return a->rollout.total > b->rollout.total ? -1 : 1;
        break;
    default:
        break;
    }
    return state_rollout(a).severity - state_rollout(b).severity;
}

/* What a row of the order is known by. */
static void id_at(const struct app *a, const struct view_data *d, uint32_t row, char out[KEY_TEXT])
{
    const struct snapshot *s = NULL;
    size_t g;
    if (group_head(a, row, &g)) {
        snprintf(out, KEY_TEXT, "group %016llx", (unsigned long long)a->groups.v[g].key);
        return;
    }
    const struct rollout_view *r = board_at(d, row, &s);
    row_id(out, s, r);
}

static uint64_t row_hash(const void *ctx, uint32_t i)
{
    const struct flat *f = ctx;
    char id[KEY_TEXT];
    id_at(f->a, f->d, i, id);
    return hash_bytes(id, strlen(id));
}

static uint32_t group_of(const struct groups *g, uint32_t row)
{
    return row < g->rollouts ? g->of[row] : row - (uint32_t)g->rollouts;
}

static bool row_match(const void *ctx, uint32_t i)
{
    const struct flat *f = ctx;
    const struct groups *g = &f->a->groups;
    if (i >= g->rollouts)
        return true;
    return rollout_match(ctx, i) && (g->of[i] == GROUP_ALONE || g->v[g->of[i]].open);
}

/* Groups, and rollouts that stand alone, by what comes first in them; in a group its line first. */
static int row_cmp(const void *ctx, uint32_t x, uint32_t y)
{
    const struct flat *f = ctx;
    const struct groups *g = &f->a->groups;
    uint32_t gx = group_of(g, x), gy = group_of(g, y);
    if (gx == gy && gx != GROUP_ALONE) {
        if (x >= g->rollouts || y >= g->rollouts)
            return x >= g->rollouts ? -1 : 1;
        return rollout_cmp(ctx, x, y);
    }
    uint32_t fx = gx == GROUP_ALONE ? x : g->v[gx].first, fy = gy == GROUP_ALONE ? y : g->v[gy].first;
    int c = rollout_cmp(ctx, fx, fy);
    return c ? c : fx < fy ? -1 : 1;
}

static void hold_cursor(struct app *a, const struct view_data *d)
{
    struct list *l = &a->stack[0].list;
    char id[KEY_TEXT];
    if (l->cursor < a->board.n) {
        id_at(a, d, a->board.v[l->cursor], id);
        if (!strcmp(id, l->sel))
            return;
    }
    for (size_t i = 0; l->sel[0] && i < a->board.n; i++) {
        id_at(a, d, a->board.v[i], id);
        if (!strcmp(id, l->sel)) {
            l->cursor = i;
            return;
        }
    }
    /* It is gone (or nothing was selected): the row that is now in its place. */
    if (l->cursor >= a->board.n)
        l->cursor = a->board.n ? a->board.n - 1 : 0;
    l->sel[0] = '\0';
    if (a->board.n)
        id_at(a, d, a->board.v[l->cursor], l->sel);
}

void board_sync(struct app *a, const struct view_data *d)
{
    struct flat f = {a, d};
    struct order_source rollouts = {&f, flat_count(d), rollout_match, NULL, rollout_cmp};
    uint64_t made = 1, asked = order_mix((uint64_t)a->board_sort, a->board_filter, strlen(a->board_filter));
    asked = order_mix(asked, &a->group_by, sizeof a->group_by);
    asked = order_mix(asked, a->groups.open, sizeof a->groups.open);
    for (size_t k = 0; k < d->n_snaps; k++) {
        const struct snapshot *s = d->snaps[k];
        uint64_t of[3] = {s ? s->generation : 0, s ? s->n_rollouts : 0, (uint64_t)(uintptr_t)s};
        made = order_mix(made, of, sizeof of);
    }
    if (!a->board.v || a->board.made_of != made || a->board.asked != asked)
        groups_make(a, d, &rollouts);
    struct order_source rows = {&f, rollouts.n + a->groups.n, row_match, row_hash, row_cmp};
    order_make(&a->board, &rows, made, asked, d->now - a->last_key < FREEZE_US);
    hold_cursor(a, d);
}

bool board_selected(struct app *a, const struct view_data *d, const struct snapshot **s, const struct rollout_view **r)
{
    struct list *l = &a->stack[0].list;
    if (l->cursor >= a->board.n)
        return false;
    *r = board_at(d, a->board.v[l->cursor], s);
    return *r != NULL;
}

void board_select(struct app *a, const struct view_data *d, const char *fleet, const char *rollout)
{
    struct list *l = &a->stack[0].list;
    const struct snapshot *s;
    const struct rollout_view *r = find_rollout(d, fleet, rollout, &s);
    char id[KEY_TEXT];
    if (!r)
        return;
    row_id(id, s, r);
    for (int k = 0; k < 3; k++) {
        memcpy(l->sel, id, sizeof id);
        board_sync(a, d);
        if (!strcmp(l->sel, id))
            return;
        if (k == 0) /* what hides the row that was asked for */
            a->board_filter[0] = '\0';
        else
            a->group_by = GROUP_NONE;
    }
}

static bool target(struct app *a, const struct view_data *d, const struct frame *f, char fleet[64],
                   char rollout[ID_MAX], struct err *why)
{
    const struct snapshot *s;
    const struct rollout_view *r;
    (void)f;
    if (board_selected(a, d, &s, &r)) {
        snprintf(fleet, 64, "%s", str(s->fleet));
        snprintf(rollout, ID_MAX, "%s", str(r->rollout.id));
        return true;
    }
    size_t g;
    if (group_selected(a, &g))
        return err_set(why, ERR_CONFLICT, "", "this line is %zu rollouts: ↵ opens it, H halts them", a->groups.v[g].n);
    if (a->board_filter[0])
        return err_set(why, ERR_NOT_FOUND, "", "no rollout is highlighted: the filter hides them all (esc)");
    if (d->n_snaps == 0)
        return err_set(why, ERR_NOT_FOUND, "", "there is no fleet");
    if (d->n_snaps > 1)
        return err_set(why, ERR_CONFLICT, "",
                       "no rollout is highlighted, and there are %zu fleets: :halt FLEET/ID, or "
                       ":halt FLEET/* for all of one",
                       d->n_snaps);
    /* The only fleet there is, and its list is empty or was never read: a halt is possible all the same. */
    if (!d->snaps[0])
        return err_set(why, ERR_NOT_FOUND, "", "the fleet has not been looked at yet");
    snprintf(fleet, 64, "%s", str(d->snaps[0]->fleet));
    return true;
}

static char *filter(struct app *a)
{
    return a->board_filter;
}

static void crumb(const struct frame *f, const struct view_data *d, char *out, size_t size)
{
    (void)f;
    (void)d;
    snprintf(out, size, "board");
}

/* From its line, or from one of its rollouts: the cursor then stands on the line. */
static void close_group(struct app *a)
{
    struct list *l = &a->stack[0].list;
    uint32_t g = l->cursor < a->board.n ? group_of(&a->groups, a->board.v[l->cursor]) : GROUP_ALONE;
    if (g == GROUP_ALONE)
        return;
    group_open(&a->groups, a->groups.v[g].key, false);
    snprintf(l->sel, sizeof l->sel, "group %016llx", (unsigned long long)a->groups.v[g].key);
}

static bool on_key(struct app *a, const struct view_data *d, uint32_t key, struct action *out)
{
    struct list *l = &a->stack[0].list;
    const struct snapshot *s = NULL;
    const struct rollout_view *r = NULL;
    if (list_key(l, a->board.n, key)) {
        l->sel[0] = '\0'; /* the hand has moved: take what is there */
        if (l->cursor < a->board.n)
            id_at(a, d, a->board.v[l->cursor], l->sel);
        return true;
    }
    bool any = board_selected(a, d, &s, &r);
    size_t g;
    switch (key) {
    case KEY_ENTER_:
    case KEY_RIGHT_:
        if (group_selected(a, &g))
            group_open(&a->groups, a->groups.v[g].key, key == KEY_RIGHT_ || !a->groups.v[g].open);
        else if (any)
            app_push(a, VIEW_ROLLOUT, str(s->fleet), str(r->rollout.id), r->current, "");
        return true;
    case KEY_LEFT_:
        close_group(a);
        return true;
    case 'b':
        a->group_by = (a->group_by + 1) % GROUP_MODES;
        return true;
    case 's':
    case 'o':
        a->board_sort = (a->board_sort + 1) % SORT_COUNT;
        return true;
    case 'e':
        if (any)
            explain_open(a, str(s->fleet), r, -1);
        return true;
    case 'y':
        if (any) {
            app_copy(a, out, ACT_COPY, str(r->rollout.id), str(r->rollout.id));
            app_say(a, false, "copied %s", str(r->rollout.id));
        }
        return true;
    default:
        return false;
    }
}

static const char *const HINTS[] = {"↵", "open",  "/", "filter", ":", "cmd",  OFFERS, "e",     "why", "?",    "help",
                                    "l", "audit", "s", "sort",   "q", "quit", "b",    "group", "y",   "copy", NULL};
const struct screen board_screen = {board_draw, on_key, crumb, HINTS, filter, target, false};
