/* Rows of the board that belong together: the rollouts of one release, wherever they run, or those of one fleet. A
 * group of two and more has a line of its own, which opens into its rollouts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "views/app.h"

static const char *const WORDS[GROUP_MODES] = {"none", "release", "fleet"};

const char *groups_word(const struct app *a)
{
    return WORDS[a->group_by];
}

static uint64_t key_of(int by, const struct snapshot *s, const struct rollout_view *r, uint32_t i)
{
    const struct release *rel = &r->rollout.release;
    uint64_t h = order_mix(1, &by, sizeof by);
    if (by == GROUP_FLEET)
        return order_mix(h, str(s->fleet), strlen(str(s->fleet)));
    if (!*str(rel->name) && !*str(rel->version))
        return order_mix(h, &i, sizeof i); /* not known: alone, never together with another unknown one */
    h = order_mix(h, str(rel->name), strlen(str(rel->name)));
    return order_mix(h, str(rel->version), strlen(str(rel->version)));
}

struct keyed {
    uint64_t key;
    uint32_t i;
};

static int by_key(const void *x, const void *y)
{
    const struct keyed *a = x, *b = y;
    return a->key < b->key ? -1 : a->key > b->key ? 1 : a->i < b->i ? -1 : 1;
}

static bool is_open(const struct groups *g, uint64_t key)
{
    for (size_t i = 0; i < GROUPS_OPEN; i++) {
        if (g->open[i] == key)
            return true;
    }
    return false;
}

void group_open(struct groups *g, uint64_t key, bool open)
{
    for (size_t i = 0; i < GROUPS_OPEN; i++) {
        if (g->open[i] == key)
            g->open[i] = 0;
    }
    if (open)
        g->open[g->next++ % GROUPS_OPEN] = key;
}

static void room(struct groups *g, size_t n)
{
    if (n <= g->cap)
        return;
    g->cap = n + 16;
    g->v = xreallocarray(g->v, g->cap, sizeof *g->v);
    g->of = xreallocarray(g->of, g->cap, sizeof *g->of);
}

void groups_release(struct groups *g)
{
    free(g->v);
    free(g->of);
    *g = (struct groups){0};
}

void groups_make(struct app *a, const struct view_data *d, const struct order_source *rollouts)
{
    struct groups *g = &a->groups;
    struct keyed *k = xreallocarray(NULL, rollouts->n + 1, sizeof *k);
    size_t n = 0;
    room(g, rollouts->n);
    g->rollouts = rollouts->n;
    g->n = g->shown = 0;
    for (uint32_t i = 0; i < rollouts->n; i++) {
        if (!rollouts->match(rollouts->ctx, i)) {
            g->of[i] = GROUP_ALONE;
            continue;
        }
        g->shown++;
        const struct snapshot *s = NULL;
        const struct rollout_view *r = board_at(d, i, &s);
        g->of[i] = GROUP_ALONE;
        if (a->group_by != GROUP_NONE)
            k[n++] = (struct keyed){key_of(a->group_by, s, r, i), i};
    }
    qsort(k, n, sizeof *k, by_key);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && k[to].key == k[from].key; to++)
            ;
        if (to - from < 2)
            continue;
        struct group *v = &g->v[g->n];
        *v = (struct group){.key = k[from].key, .first = k[from].i, .n = to - from, .open = is_open(g, k[from].key)};
        const struct snapshot *last = NULL;
        for (size_t i = from; i < to; i++) {
            const struct snapshot *s = NULL;
            board_at(d, k[i].i, &s); /* flat numbers rise, so a fleet's stand together */
            v->fleets += s != last;
            last = s;
            g->of[k[i].i] = (uint32_t)g->n;
            if (rollouts->cmp(rollouts->ctx, k[i].i, v->first) < 0)
                v->first = k[i].i;
        }
        g->n++;
    }
    free(k);
}

bool group_head(const struct app *a, uint32_t row, size_t *which)
{
    if (row < a->groups.rollouts || row - a->groups.rollouts >= a->groups.n)
        return false;
    *which = row - a->groups.rollouts;
    return true;
}

bool group_selected(struct app *a, size_t *which)
{
    size_t at = a->stack[0].list.cursor;
    return at < a->board.n && group_head(a, a->board.v[at], which);
}

const struct rollout_view *group_nth(const struct app *a, const struct view_data *d, size_t which, size_t k,
                                     const struct snapshot **s)
{
    for (uint32_t i = 0; i < a->groups.rollouts; i++) {
        if (a->groups.of[i] == which && k-- == 0)
            return board_at(d, i, s);
    }
    return NULL;
}

void group_title(const struct app *a, const struct view_data *d, size_t which, char *out, size_t size)
{
    const struct snapshot *s = NULL;
    const struct rollout_view *r = board_at(d, a->groups.v[which].first, &s);
    if (a->group_by == GROUP_FLEET)
        snprintf(out, size, "fleet %.60s", str(s->fleet));
    else
        snprintf(out, size, "%.190s %.190s", str(r->rollout.release.name), str(r->rollout.release.version));
}

/* "2 HALT, 1 RUN": its rollouts by state, what is worst first. */
void group_states(const struct app *a, const struct view_data *d, size_t which, char *out, size_t size)
{
    enum { WORDS_MAX = 16 };
    struct {
        struct look l;
        size_t n;
    } seen[WORDS_MAX];
    size_t words = 0;
    const struct rollout_view *r;
    for (size_t k = 0; (r = group_nth(a, d, which, k, NULL)) != NULL; k++) {
        struct look l = state_rollout(r);
        size_t i = 0;
        while (i < words && strcmp(seen[i].l.word, l.word) != 0)
            i++;
        if (i == WORDS_MAX)
            continue;
        if (i == words)
            seen[words].l = l, seen[words++].n = 0;
        seen[i].n++;
    }
    out[0] = '\0';
    for (size_t put = 0; put < words; put++) {
        size_t best = 0, at = strlen(out);
        for (size_t i = 1; i < words; i++) {
            if (seen[i].n > 0 && (seen[best].n == 0 || seen[i].l.severity < seen[best].l.severity))
                best = i;
        }
        snprintf(out + at, size - at, "%s%zu %s", at ? ", " : "", seen[best].n, seen[best].l.word);
        seen[best].n = 0;
    }
}
