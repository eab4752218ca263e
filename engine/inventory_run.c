#include "engine/inventory_run.h"

#include <stdlib.h>
#include <string.h>

#define RELEASES_MAX  ((size_t)500)
#define QUESTIONS_MAX 20000
#define NAMED_ROWS    10000
#define ROW_GROUPS    300
#define WAIT_US       US_PER_S /* while a verb is on its way */

static void run_free(struct inventory_run *r)
{
    arena_release(&r->a);
    free(r);
}

void inventory_drop(struct engine *en)
{
    if (!en->inventory.run)
        return;
    inventory_unref(en->inventory.run->held);
    run_free(en->inventory.run);
    en->inventory.run = NULL;
}

size_t inventory_asked(const struct engine *en)
{
    return en->inventory.run ? en->inventory.run->asked : 0;
}

void inventory_end(struct inventory_run *r, const struct err *why)
{
    struct engine *en = r->en;
    struct inventory_held *h = r->held;
    en->inventory.run = NULL;
    run_free(r);
    inventory_ended(en, h, why);
}

void inventory_end_why(struct inventory_run *r, enum err_code code, const char *what)
{
    struct err why = {0};
    err_set(&why, code, "Divide by fewer attributes in inventory.yaml.", "%s", what);
    inventory_end(r, &why);
}

void inventory_note(struct inventory_run *r, const char *text)
{
    struct inventory_held *h = r->held;
    if (!strstr(h->note, text))
        h->note = arena_printf(&h->arena, "%s%s%s", h->note, *h->note ? "; " : "", text);
}

/* ---- questions ---- */

static void send(struct engine *en, void *arg);

static void answered(struct req *q, const struct reply *rep)
{
    struct inventory_run *r = q->en->inventory.run;
    if (!r || q->x != r)
        return;
    bool not_taken = rep->err && (rep->err->code == ERR_RANGE || rep->err->code == ERR_SYNTAX ||
                                  rep->err->code == ERR_LIMIT || rep->status == 400);
    if (rep->err && !not_taken) {
        struct err why = *rep->err;
        inventory_end(r, &why);
        return;
    }
    mark(q->en);
    if (not_taken)
        inventory_note(r, "some counts are missing: the server does not take their filters");
    r->then(r, not_taken ? -1 : q->out.devices.total, &q->out.devices);
}

/* Nothing of a person's or a rule's doing waits for a count. */
static bool verb_on_its_way(const struct engine *en)
{
    for (const struct op *op = en->verbs.ops; op; op = op->next)
        if (op->phase < OP_RUNNING)
            return true;
    return false;
}

static void send(struct engine *en, void *arg)
{
    struct inventory_run *r = en->inventory.run;
    (void)arg;
    if (!r)
        return;
    if (verb_on_its_way(en)) {
        timer_set(en, now_of(en) + WAIT_US, send, NULL);
        return;
    }
    if (r->asked++ == QUESTIONS_MAX) {
        inventory_end_why(r, ERR_LIMIT, "the inventory takes more than 20,000 counts");
        return;
    }
    struct req *q = req_new(en, answered);
    q->x = r;
    en->be->ops->find(en->be, &r->filter, r->limit, &q->arena, &q->out.devices, req_done, q);
}

/* The filter of the kind, with so much room for more. */
struct find_filter inventory_filter(struct inventory_run *r, const struct kind *k)
{
    struct find_filter f = {
        .installed = k->release, .differs = (const char *const(*)[2])k->differs, .n_differs = k->n_differs};
    const char *(*equals)[2] = arena_array(&r->a, k->n_attributes + 2, sizeof *equals);
    for (size_t i = 0; i < k->n_attributes; i++) {
        if (!*k->attribute[i].value)
            continue;
        equals[f.n_equals][0] = k->attribute[i].name;
        equals[f.n_equals++][1] = k->attribute[i].value;
    }
    f.equals = (const char *const(*)[2])equals;
    const char **has = ARENA_ARRAY(&r->a, const char *, k->n_has + 1);
    for (size_t i = 0; i < k->n_has; i++)
        has[i] = k->has[i];
    f.has = has;
    f.n_has = k->n_has;
    return f;
}

void inventory_has(struct find_filter *f, const char *name)
{
    const char **has = (const char **)(uintptr_t)f->has;
    has[f->n_has++] = name;
}

void inventory_also(struct find_filter *f, const char *name, const char *value)
{
    const char *(*equals)[2] = (const char *(*)[2])(uintptr_t)f->equals;
    equals[f->n_equals][0] = name;
    equals[f->n_equals++][1] = value;
}

void inventory_ask(struct inventory_run *r, const struct find_filter *f, size_t limit,
                   void (*then)(struct inventory_run *r, int64_t devices, const struct device_list *l))
{
    r->filter = *f;
    r->limit = limit;
    r->then = then;
    timer_set(r->en, now_of(r->en), send, NULL);
}

/* ---- kinds ---- */

static struct kind *grown(struct inventory_run *r, struct kind *v, size_t n, size_t *cap)
{
    if (n < *cap)
        return v;
    *cap = *cap ? 2 * *cap : 16;
    struct kind *wide = ARENA_ARRAY(&r->a, struct kind, *cap);
    if (n)
        memcpy(wide, v, n * sizeof *wide);
    return wide;
}

void inventory_push(struct inventory_run *r, const struct kind *k)
{
    r->todo = grown(r, r->todo, r->n_todo, &r->cap_todo);
    r->todo[r->n_todo++] = *k;
}

void inventory_unfound(struct inventory_run *r, const struct kind *k)
{
    r->unfound = grown(r, r->unfound, r->n_unfound, &r->cap_unfound);
    r->unfound[r->n_unfound++] = *k;
}

struct inv_subject inventory_subject(struct inventory_run *r, const struct kind *k)
{
    const struct release *rel = k->release;
    return (struct inv_subject){.release = rel ? arena_printf(&r->a, "%s:%s", rel->name, rel->version) : "",
                                .attribute = k->attribute,
                                .n_attributes = k->n_attributes,
                                .server = true};
}

/* ---- the course ---- */

/* Who has none of the releases cannot be found by a filter: a count, and what is known of no device in particular. */
static void finish(struct inventory_run *r)
{
    struct inv_subject s = {.release = "", .server = true};
    struct inv_record k;
    int64_t left = r->total - r->of_releases;
    if (left > 0) {
        inventory_combine(r->rules, &s, &r->a, &k);
        for (int f = 0; f < INV_FIELDS; f++) /* nobody was asked about them, and nothing is known */
            k.field[f].apart = false;
        struct inv_counts c = {.devices = left};
        inventory_add(&r->held->v, &k, &c, NULL, now_of(r->en));
        inventory_note(
            r, "devices without an installed release are counted, and cannot be told apart or named by a filter");
    }
    inventory_finish(&r->held->v, now_of(r->en));
    inventory_end(r, NULL);
}

static void release_counted(struct inventory_run *r, int64_t devices, const struct device_list *l)
{
    struct kind k = {.release = &r->releases[r->at_release++], .devices = devices};
    (void)l;
    if (devices > 0) {
        r->of_releases += devices;
        inventory_push(r, &k);
    }
    inventory_next(r);
}

/* Nothing can be asked about them but how many of the release are left when all others have been counted. */
static void unfound_seen(struct inventory_run *r, int64_t devices, const struct device_list *l)
{
    int64_t left = devices > r->seen ? devices - r->seen : 0;
    (void)l;
    for (size_t i = 0; i < r->n_unfound; i++) {
        struct kind *k = &r->unfound[i];
        struct inv_subject s = inventory_subject(r, k);
        struct inv_record rec;
        const char *by;
        while (k->n_attributes < INV_DEPTH && (by = inventory_needs(r->rules, &s)) != NULL) {
            k->attribute[k->n_attributes++] = (struct inv_attribute){arena_strdup(&r->a, by), ""};
            s = inventory_subject(r, k);
        }
        inventory_combine(r->rules, &s, &r->a, &rec);
        int64_t n = left < k->devices ? left : k->devices;
        struct inv_counts c = {k->devices, n, n, 0, *rec.field[INV_SIGNATURE].source ? 0 : n};
        inventory_add(&r->held->v, &rec, &c, NULL, now_of(r->en));
        left -= n;
    }
    r->n_unfound = 0;
    inventory_note(r, "who has no value of an attribute that the rules divide by is found by no filter, and not named");
    inventory_next(r);
}

void inventory_next(struct inventory_run *r)
{
    if (r->n_todo > 0) {
        r->now = r->todo[--r->n_todo];
        struct inv_subject s = inventory_subject(r, &r->now);
        const char *by = inventory_needs(r->rules, &s);
        if (by)
            inventory_divide(r, by);
        else
            inventory_ask_kind(r);
        return;
    }
    if (r->n_unfound > 0) {
        struct find_filter f = {.installed = r->unfound[0].release,
                                .seen_since = now_of(r->en) - inventory_within(r->rules, CLASS_UNKNOWN)};
        inventory_ask(r, &f, 1, unfound_seen);
        return;
    }
    r->seen = 0;
    if (r->at_release == r->n_releases) {
        finish(r);
        return;
    }
    struct find_filter f = {.installed = &r->releases[r->at_release]};
    inventory_ask(r, &f, 1, release_counted);
}

static void all_counted(struct inventory_run *r, int64_t devices, const struct device_list *l)
{
    (void)l;
    r->total = devices;
    inventory_next(r);
}

static void releases_known(struct req *q, const struct reply *rep)
{
    struct inventory_run *r = q->en->inventory.run;
    struct find_filter all = {.installed = NULL};
    if (!r || q->x != r)
        return;
    if (rep->err) {
        struct err why = *rep->err;
        inventory_end(r, &why);
        return;
    }
    r->n_releases = q->out.releases.n;
    r->releases = ARENA_ARRAY(&r->a, struct release, r->n_releases + 1);
    for (size_t i = 0; i < r->n_releases; i++) {
        const struct release *from = &q->out.releases.v[i];
        r->releases[i] = *from;
        r->releases[i].id = arena_strdup(&r->a, from->id);
        r->releases[i].name = arena_strdup(&r->a, from->name);
        r->releases[i].version = arena_strdup(&r->a, from->version);
    }
    if (r->n_releases == RELEASES_MAX)
        inventory_note(
            r, "only the newest 500 releases are looked for; devices with older ones count as without a release");
    inventory_ask(r, &all, 1, all_counted);
}

struct sorted {
    const struct inv_row *row;
};

static int by_words(const void *a, const void *b)
{
    const struct inv_row *x = ((const struct sorted *)a)->row, *y = ((const struct sorted *)b)->row;
    int c = 0;
    for (int f = 0; f < INV_FIELDS && c == 0; f++)
        c = f == INV_REPORT ? 0 : strcmp(x->field[f], y->field[f]);
    return c;
}

/* Rows that say the same are asked for together. */
static void group_rows(struct inventory_run *r)
{
    const struct inv_rows *rows = &r->rules->rows;
    if (rows->n > NAMED_ROWS) {
        inventory_note(r, "the rows are not used: a server is asked for at most 10,000 devices by name");
        return;
    }
    struct sorted *v = ARENA_ARRAY(&r->a, struct sorted, rows->n + 1);
    const char **ids = ARENA_ARRAY(&r->a, const char *, rows->n + 1);
    for (size_t i = 0; i < rows->n; i++)
        v[i].row = &rows->v[i];
    qsort(v, rows->n, sizeof *v, by_words);
    r->groups = ARENA_ARRAY(&r->a, struct row_group, ROW_GROUPS);
    for (size_t i = 0; i < rows->n; i++) {
        ids[i] = v[i].row->device;
        if (i == 0 || by_words(&v[i - 1], &v[i]) != 0) {
            if (r->n_groups == ROW_GROUPS) {
                r->n_groups = 0;
                inventory_note(r, "the rows are not used: they say more than 300 different things");
                return;
            }
            r->groups[r->n_groups++] = (struct row_group){.row = v[i].row, .ids = ids + i};
        }
        r->groups[r->n_groups - 1].n++;
    }
}

void inventory_begin(struct engine *en)
{
    static const struct inv_rules none = {.file = "", .model_attribute = "", .rows = {.file = ""}};
    struct inventory_run *r = xcalloc(1, sizeof *r);
    r->en = en;
    r->rules = en->spec.fleet->inventory ? en->spec.fleet->inventory : &none;
    r->held = inventory_new(r->rules);
    r->held->names = en->inventory.names;
    arena_init(&r->a);
    en->inventory.run = r;
    group_rows(r);
    struct req *q = req_new(en, releases_known);
    q->x = r;
    r->asked++;
    en->be->ops->releases(en->be, RELEASES_MAX, &q->arena, &q->out.releases, req_done, q);
}
