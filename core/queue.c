#include "core/queue.h"

#include <stdlib.h>
#include <string.h>
#include "core/clock.h"

enum { KINDS_OF_DEVICES = CLASSES * EXPOSURES * 2 };

/* A finding that is open: affected or doubtful. */
struct open_one {
    const struct finding *f;
    const struct vuln_facts *facts;
    const struct risk **risks; /* [KINDS_OF_DEVICES], made when asked for */
    const struct risk_accept *accepted;
    const struct queue_release *to, *halted; /* the nearest that closes it; one that does and is halted */
};

/* A release with what is known of it. */
struct rel {
    const char *name;
    const struct queue_release *r;   /* NULL: only devices name it */
    const struct finding **findings; /* by id */
    size_t n_findings;
    struct open_one *open; /* by id */
    size_t n_open, n_unknown;
    const struct fleet_cell **cells;
    size_t n_cells;
    int64_t devices;
};

struct making {
    const struct queue_input *in;
    struct arena *a;
    struct rel *rels; /* by name */
    size_t n_rels;
    const struct vuln_facts **facts; /* by id */
    const struct risk ***risks;      /* of each fact, [KINDS_OF_DEVICES]; NULL = not yet */
    struct rel **lines;              /* by line and order */
    size_t n_lines;
};

/* --- sorting what came ----------------------------------------------------------------------------------------------
 */

static int by_rel(const void *a, const void *b)
{
    return strcmp(((const struct rel *)a)->name, ((const struct rel *)b)->name);
}

static int by_line(const void *a, const void *b)
{
    const struct queue_release *x = (*(struct rel *const *)a)->r, *y = (*(struct rel *const *)b)->r;
    int o = strcmp(x->line, y->line);
    o = o ? o : (x->order > y->order) - (x->order < y->order);
    return o ? o : strcmp(x->name, y->name);
}

static int by_facts(const void *a, const void *b)
{
    return strcmp((*(const struct vuln_facts *const *)a)->id, (*(const struct vuln_facts *const *)b)->id);
}

static int by_finding(const void *a, const void *b)
{
    const struct finding *x = *(const struct finding *const *)a, *y = *(const struct finding *const *)b;
    int o = strcmp(x->id, y->id);
    return o ? o : (x > y) - (x < y);
}

static int by_open(const void *a, const void *b)
{
    return strcmp(((const struct open_one *)a)->f->id, ((const struct open_one *)b)->f->id);
}

static struct rel *rel_of(const struct making *m, const char *name)
{
    struct rel key = {.name = name};
    return bsearch(&key, m->rels, m->n_rels, sizeof key, by_rel);
}

static size_t count_names(struct rel *v, size_t n)
{
    size_t k = 0;
    qsort(v, n, sizeof *v, by_rel);
    for (size_t i = 0; i < n; i++) {
        if (k > 0 && strcmp(v[k - 1].name, v[i].name) == 0)
            v[k - 1].r = v[k - 1].r ? v[k - 1].r : v[i].r;
        else
            v[k++] = v[i];
    }
    return k;
}

/* All releases that the server, devices or findings name. */
static void name_releases(struct making *m)
{
    const struct queue_input *in = m->in;
    m->rels = ARENA_ARRAY(m->a, struct rel, in->n_releases + in->n_cells + 1);
    for (size_t i = 0; i < in->n_releases; i++)
        m->rels[m->n_rels++] = (struct rel){.name = in->releases[i].name, .r = &in->releases[i]};
    for (size_t i = 0; i < in->n_cells; i++)
        m->rels[m->n_rels++] = (struct rel){.name = in->cells[i].release};
    m->n_rels = count_names(m->rels, m->n_rels);
    m->lines = ARENA_ARRAY(m->a, struct rel *, m->n_rels + 1);
    for (size_t i = 0; i < m->n_rels; i++) {
        if (m->rels[i].r)
            m->lines[m->n_lines++] = &m->rels[i];
    }
    qsort(m->lines, m->n_lines, sizeof(struct rel *), by_line);
}

static void spread_cells(struct making *m)
{
    const struct queue_input *in = m->in;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < in->n_cells; i++) {
            struct rel *r = rel_of(m, in->cells[i].release);
            if (in->cells[i].devices <= 0)
                continue;
            if (pass)
                r->cells[r->n_cells] = &in->cells[i];
            else
                r->devices += in->cells[i].devices;
            r->n_cells++;
        }
        for (size_t i = 0; i < m->n_rels && !pass; i++) {
            m->rels[i].cells = ARENA_ARRAY(m->a, const struct fleet_cell *, m->rels[i].n_cells + 1);
            m->rels[i].n_cells = 0;
        }
    }
}

static void spread_findings(struct making *m)
{
    const struct queue_input *in = m->in;
    for (int pass = 0; pass < 2; pass++) {
        struct rel *r = NULL; /* findings come release by release */
        for (size_t i = 0; i < in->n_findings; i++) {
            if (!r || strcmp(r->name, in->findings[i].release) != 0)
                r = rel_of(m, in->findings[i].release);
            if (r && pass)
                r->findings[r->n_findings] = &in->findings[i];
            if (r)
                r->n_findings++;
        }
        for (size_t i = 0; i < m->n_rels && !pass; i++) {
            m->rels[i].findings = ARENA_ARRAY(m->a, const struct finding *, m->rels[i].n_findings + 1);
            m->rels[i].n_findings = 0;
        }
    }
    for (size_t i = 0; i < m->n_rels; i++)
        qsort(m->rels[i].findings, m->rels[i].n_findings, sizeof(const struct finding *), by_finding);
}

static void sort_facts(struct making *m)
{
    const struct queue_input *in = m->in;
    m->facts = ARENA_ARRAY(m->a, const struct vuln_facts *, in->n_facts + 1);
    m->risks = ARENA_ARRAY(m->a, const struct risk **, in->n_facts + 1);
    for (size_t i = 0; i < in->n_facts; i++)
        m->facts[i] = &in->facts[i];
    qsort(m->facts, in->n_facts, sizeof(const struct vuln_facts *), by_facts);
}

/* --- what is open ------------------------------------------------------------------------------------------------- */

/* A guess by CPE, for a package that its own ecosystem's records judge, stands in no queue. */
static bool is_open(const struct finding *f)
{
    return f->status == FINDING_AFFECTED || (f->status == FINDING_DOUBTFUL && f->why != WHY_CPE_GUESS);
}

static const struct finding *finding_at(const struct rel *r, const char *id)
{
    struct finding f = {.id = id};
    size_t lo = 0, hi = r->n_findings;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int o = strcmp(r->findings[mid]->id, f.id);
        if (o == 0)
            return r->findings[mid];
        lo = o < 0 ? mid + 1 : lo;
        hi = o < 0 ? hi : mid;
    }
    return NULL;
}

/* Is the vulnerability known not to be there? */
static bool closed_in(const struct rel *r, const char *id)
{
    const struct finding *f = r->r->judged ? finding_at(r, id) : NULL;
    return r->r->judged && (!f || f->status == FINDING_FIXED || f->status == FINDING_NOT_AFFECTED);
}

static const struct risk_accept *accept_of(const struct queue_input *in, const struct finding *f)
{
    const struct risk_accept *found = NULL;
    for (size_t i = 0; i < in->n_accepts; i++) {
        const struct risk_accept *x = &in->accepts[i];
        if (x->until > in->now && strcmp(x->id, f->id) == 0 && (!*x->release || strcmp(x->release, f->release) == 0) &&
            (!found || x->until > found->until))
            found = x;
    }
    return found;
}

/* Nothing is known of it but its id. */
static const struct vuln_facts *no_facts(struct making *m, const char *id)
{
    struct vuln_facts *f = ARENA_NEW(m->a, struct vuln_facts);
    *f = (struct vuln_facts){.id = id, .summary = "", .vector = "", .tenths = -1, .scored_by = ""};
    return f;
}

static void look_up(struct making *m, const struct finding *f, struct open_one *o)
{
    const struct vuln_facts key = {.id = f->id}, *k = &key, **at;
    at = m->in->n_facts ? bsearch(&k, m->facts, m->in->n_facts, sizeof(const struct vuln_facts *), by_facts) : NULL;
    *o = (struct open_one){.f = f, .facts = at ? *at : no_facts(m, f->id), .accepted = accept_of(m->in, f)};
    if (at && m->risks[at - m->facts]) {
        o->risks = m->risks[at - m->facts];
        return;
    }
    o->risks = ARENA_ARRAY(m->a, const struct risk *, KINDS_OF_DEVICES);
    if (at)
        m->risks[at - m->facts] = o->risks;
}

static void find_open(struct making *m)
{
    for (size_t i = 0; i < m->n_rels; i++) {
        struct rel *r = &m->rels[i];
        r->open = ARENA_ARRAY(m->a, struct open_one, r->n_findings + 1);
        for (size_t k = 0; k < r->n_findings; k++) {
            if (k > 0 && strcmp(r->findings[k]->id, r->findings[k - 1]->id) == 0)
                continue; /* said twice */
            r->n_unknown += r->findings[k]->status == FINDING_UNKNOWN;
            if (is_open(r->findings[k]))
                look_up(m, r->findings[k], &r->open[r->n_open++]);
        }
    }
}

/* What it asks for there: the same for all releases, so that it is decided once. */
static const struct risk *decided(const struct making *m, const struct open_one *o, const struct fleet_cell *c)
{
    size_t i = ((size_t)c->cls * EXPOSURES + (size_t)c->exposure) * 2 + c->essential;
    if (!o->risks[i]) {
        struct risk *r = ARENA_NEW(m->a, struct risk);
        risk_decide(m->in->policy, o->facts, c, m->in->now, r);
        o->risks[i] = r;
    }
    return o->risks[i];
}

static struct risk_item item_of(const struct making *m, const struct open_one *o, const struct fleet_cell *c)
{
    return (struct risk_item){.facts = o->facts, .cell = c, .devices = c->devices, .risk = decided(m, o, c)};
}

static struct making begin(const struct queue_input *in, struct arena *a)
{
    struct making m = {.in = in, .a = a};
    name_releases(&m);
    spread_cells(&m);
    spread_findings(&m);
    sort_facts(&m);
    find_open(&m);
    return m;
}

/* --- where to --------------------------------------------------------------------------------------------------- */

static bool has_exploited(const struct rel *r)
{
    bool has = false;
    for (size_t i = 0; i < r->n_open; i++)
        has = has || risk_exploited(r->open[i].facts);
    return has;
}

/* Newer ones first, the nearest of them; then older ones. One that is halted is no fix while it is, and a way back to
 * what is exploited is none at all. */
static void find_targets(struct making *m, size_t at, struct open_one *o)
{
    const char *line = m->lines[at]->r->line;
    for (int down = 0; down < 2; down++) {
        for (size_t i = at; down ? i-- > 0 : ++i < m->n_lines;) {
            const struct queue_release *r = m->lines[i]->r;
            if (strcmp(r->line, line) != 0)
                break;
            if (!r->offered || r->barred || !closed_in(m->lines[i], o->f->id) || (down && has_exploited(m->lines[i])))
                continue;
            if (r->state == FIX_HALTED) {
                o->halted = o->halted ? o->halted : r;
                continue;
            }
            o->to = r;
            return;
        }
        if (!down && o->halted)
            break; /* a halted way ahead is shown, and not a way back in its place */
    }
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

struct rows {
    struct queue_row *v;
    size_t n;
};

static void weigh(const struct making *m, const struct rel *r, const struct open_one *o, struct queue_row *row)
{
    for (size_t i = 0; i < r->n_cells; i++) {
        struct risk_item it = item_of(m, o, r->cells[i]);
        bool first = !row->finding;
        /* what is accepted stands for a row only when all of it is */
        bool better = row->accepted && !o->accepted;
        bool worse = !row->accepted && o->accepted;
        if (first || better || (!worse && risk_order(&it, &row->worst) < 0)) {
            row->worst = it;
            row->finding = o->f;
            row->accepted = o->accepted;
        }
    }
}

static void count_devices(const struct making *m, const struct rel *r, struct queue_row *row)
{
    row->from = r->name;
    row->devices = r->devices;
    for (size_t i = 0; i < r->n_cells; i++) {
        int64_t end = r->cells[i]->end_of_life;
        row->exposed[r->cells[i]->exposure] += r->cells[i]->devices;
        if (end == 0 || end + US_PER_DAY > m->in->now)
            continue; /* the last day counts */
        row->past_life += r->cells[i]->devices;
        row->end_of_life = row->end_of_life == 0 || end < row->end_of_life ? end : row->end_of_life;
    }
}

static void closes_and_opens(const struct making *m, const struct rel *from, const struct rel *to,
                             struct queue_row *row)
{
    const char **closes = ARENA_ARRAY(m->a, const char *, from->n_open + 1);
    const char **opens = ARENA_ARRAY(m->a, const char *, to->n_open + 1);
    for (size_t i = 0; i < from->n_open; i++) {
        if (closed_in(to, from->open[i].f->id))
            closes[row->n_closes++] = from->open[i].f->id;
    }
    for (size_t i = 0; i < to->n_open; i++) {
        struct open_one key = {.f = to->open[i].f};
        if (!row->exploited_there && risk_exploited(to->open[i].facts))
            row->exploited_there = to->open[i].f->id;
        if (!bsearch(&key, from->open, from->n_open, sizeof key, by_open))
            opens[row->n_opens++] = to->open[i].f->id;
    }
    row->closes = closes;
    row->opens = opens;
}

static struct queue_row *row_of(struct rows *rows, size_t since, const struct queue_release *to)
{
    for (size_t i = since; i < rows->n; i++) {
        if (rows->v[i].to == to)
            return &rows->v[i];
    }
    rows->v[rows->n] = (struct queue_row){.kind = to ? QUEUE_STEP : QUEUE_NOFIX, .to = to, .blind = ""};
    return &rows->v[rows->n++];
}

/* The rows of a release on which devices are: one for each target, one for what has none, one for what is not known. */
static void add_rows(struct making *m, struct rel *r, size_t at, struct rows *rows)
{
    size_t since = rows->n;
    for (size_t i = 0; i < r->n_open; i++) {
        struct open_one *o = &r->open[i];
        if (r->r)
            find_targets(m, at, o);
        const struct queue_release *to = o->to ? o->to : o->halted;
        struct queue_row *row = row_of(rows, since, to);
        if (o->halted && !row->halted_fix)
            row->halted_fix = o->halted->name;
        weigh(m, r, o, row);
    }
    for (size_t i = since; i < rows->n; i++) {
        count_devices(m, r, &rows->v[i]);
        if (rows->v[i].to)
            closes_and_opens(m, r, rel_of(m, rows->v[i].to->name), &rows->v[i]);
    }
    bool judged = r->r && r->r->judged;
    if (judged && r->n_unknown == 0)
        return;
    struct queue_row *row = &rows->v[rows->n++];
    *row = (struct queue_row){.kind = QUEUE_BLIND, .n_unknown = judged ? r->n_unknown : 0};
    count_devices(m, r, row);
    row->blind = judged      ? "vulnerabilities"
                 : !*r->name ? "release not told"
                 : r->r      ? r->r->blind
                             : "not a release of the server";
}

static int by_row(const void *a, const void *b)
{
    const struct queue_row *x = a, *y = b;
    int o = (x->kind > y->kind) - (x->kind < y->kind);
    if (!o && x->kind == QUEUE_BLIND)
        o = (x->n_unknown > 0) - (y->n_unknown > 0); /* what nothing is known of before what a part is */
    if (!o && x->kind == QUEUE_BLIND)
        o = (x->devices < y->devices) - (x->devices > y->devices);
    if (!o && x->kind != QUEUE_BLIND) {
        o = (x->accepted != NULL) - (y->accepted != NULL);
        o = o ? o : risk_order(&x->worst, &y->worst);
    }
    return o ? o : strcmp(x->from, y->from);
}

/* The sums of the first line. */
static void sum_up(const struct making *m, const struct rel *r, struct queue *out)
{
    bool exploited = false;
    if (!r->r || !r->r->judged)
        out->blind_devices += r->devices;
    else
        out->n_unknown += r->n_unknown;
    for (size_t i = 0; i < r->n_open; i++) {
        out->n_accepted += r->open[i].accepted != NULL;
        if (r->open[i].accepted || !risk_exploited(r->open[i].facts))
            continue;
        exploited = true;
        for (size_t k = 0; k < r->n_cells; k++) {
            int64_t due = decided(m, &r->open[i], r->cells[k])->due;
            out->exploited_due = out->exploited_due == 0 || due < out->exploited_due ? due : out->exploited_due;
        }
    }
    out->exploited_devices += exploited ? r->devices : 0;
}

void queue_make(const struct queue_input *in, struct arena *a, struct queue *out)
{
    struct making m = begin(in, a);
    struct rows rows = {0};
    size_t most = 0, *place = ARENA_ARRAY(a, size_t, m.n_rels + 1);
    *out = (struct queue){0};
    for (size_t i = 0; i < m.n_lines; i++)
        place[m.lines[i] - m.rels] = i;
    /* a row for each target at most, of which there are no more than releases, nor than findings */
    for (size_t i = 0; i < m.n_rels; i++)
        most += (m.rels[i].n_open < m.n_lines ? m.rels[i].n_open : m.n_lines) + 2;
    rows.v = ARENA_ARRAY(a, struct queue_row, most + 1);
    for (size_t i = 0; i < m.n_rels; i++) {
        if (m.rels[i].devices == 0)
            continue;
        add_rows(&m, &m.rels[i], place[i], &rows);
        sum_up(&m, &m.rels[i], out);
    }
    qsort(rows.v, rows.n, sizeof *rows.v, by_row);
    out->rows = rows.v;
    out->n = rows.n;
}

/* --- single findings ------------------------------------------------------------------------------------------------
 */

static int by_item(const void *a, const void *b)
{
    return risk_order(&((const struct queue_item *)a)->item, &((const struct queue_item *)b)->item);
}

size_t queue_items(const struct queue_input *in, struct arena *a, const struct queue_item **out)
{
    struct making m = begin(in, a);
    size_t n = 0, most = 0;
    for (size_t i = 0; i < m.n_rels; i++)
        most += m.rels[i].n_open * m.rels[i].n_cells;
    struct queue_item *v = ARENA_ARRAY(a, struct queue_item, most + 1);
    for (size_t i = 0; i < m.n_rels; i++) {
        for (size_t k = 0; k < m.rels[i].n_open * m.rels[i].n_cells; k++) {
            const struct open_one *o = &m.rels[i].open[k / m.rels[i].n_cells];
            v[n++] = (struct queue_item){.item = item_of(&m, o, m.rels[i].cells[k % m.rels[i].n_cells]),
                                         .finding = o->f,
                                         .accepted = o->accepted};
        }
    }
    qsort(v, n, sizeof *v, by_item);
    *out = v;
    return n;
}
