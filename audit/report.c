#include "audit/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/words.h"
#include "core/fmt.h"
#include "core/text.h"

#define VALUE_MAX ((size_t)32 << 10)
#define LISTED    20 /* entries whose numbers a count names */

struct list {
    const struct stored **v;
    size_t n, cap;
};

/* What was met of one item. */
struct met {
    struct list found, about; /* about: before or after which one is needed */
    bool applies;
    size_t n;                /* how many were found, also where not all are kept */
    int64_t numbers[LISTED]; /* of the first of them */
    struct arena one;        /* holds the one that is kept, where it is one */
};

struct report {
    const struct standard *st;
    const struct rollout_identity *who;
    struct arena arena;
    struct met *met; /* one for each item */
    struct list steps;
    struct report_result out;
    size_t cap_rows;
};

const char *report_state_word(enum report_state s)
{
    static const char *const words[] = {"MISSING", "DEVIATION", "found", "not asked"};
    return (size_t)s < sizeof words / sizeof *words ? words[s] : "MISSING";
}

struct report *report_begin(const struct standard *st, const struct rollout_identity *who)
{
    struct report *r = xcalloc(1, sizeof *r);
    r->st = st;
    r->who = who;
    arena_init(&r->arena);
    r->met = xcalloc(st->n_items, sizeof *r->met);
    for (size_t i = 0; i < st->n_items; i++)
        arena_init(&r->met[i].one);
    return r;
}

void report_end(struct report *r)
{
    for (size_t i = 0; i < r->st->n_items; i++) {
        free(r->met[i].found.v);
        free(r->met[i].about.v);
        arena_release(&r->met[i].one);
    }
    free(r->met);
    free(r->steps.v);
    free(r->out.rows);
    arena_release(&r->arena);
    free(r);
}

/* --- taking entries ------------------------------------------------------------------------------------------------
 */

static void keep(struct list *l, const struct stored *s)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 8;
        l->v = xreallocarray(l->v, l->cap, sizeof(const struct stored *));
    }
    l->v[l->n++] = s;
}

static const char *(*copy_pairs(struct arena *a, const char *(*from)[2], size_t n))[2]
{
    const char *(*to)[2] = arena_array(a, n ? n : 1, sizeof *to);
    for (size_t i = 0; i < n; i++) {
        to[i][0] = arena_strdup(a, from[i][0]);
        to[i][1] = arena_strdup(a, from[i][1]);
    }
    return to;
}

static const struct stored *copy(struct arena *a, const struct stored *s)
{
    struct stored *c = arena_memdup(a, s, sizeof *s);
    const char **texts[] = {&c->kind,   &c->actor,  &c->actor_kind, &c->fleet, &c->rollout, &c->wave,     &c->verb,
                            &c->result, &c->reason, &c->before,     &c->after, &c->host,    &c->leaf_hash};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = arena_strdup(a, *texts[i]);
    c->line = c->shown = c->open = "";
    c->fields = copy_pairs(a, s->fields, s->n_fields);
    c->committed = copy_pairs(a, s->committed, s->n_committed);
    return c;
}

static bool listed(const char *const *list, const char *word)
{
    if (!list)
        return true;
    while (*list && strcmp(*list, word) != 0)
        list++;
    return *list != NULL;
}

/* An entry of the kind approval is one whatever verb it allows, as in audit_query. */
static bool verb_fits(const char *const *verbs, const struct stored *s)
{
    return listed(verbs, s->verb) || (strcmp(s->kind, "approval") == 0 && listed(verbs, "approve"));
}

static bool matches(const struct standard_match *m, const struct stored *s)
{
    if (!m || !listed(m->kinds, s->kind) || !verb_fits(m->verbs, s) || !listed(m->results, s->result) ||
        !listed(m->actor_kinds, s->actor_kind) || (m->late >= 0 && s->late != (m->late == 1)))
        return false;
    for (size_t i = 0; i < m->n_fields; i++) {
        if (!glob_match(m->fields[i].pattern, stored_field(s, m->fields[i].key)))
            return false;
    }
    return true;
}

/* Of a question that is answered by one entry, only that one is kept: there may be one for each entry of the log. */
static void keep_found(struct report *r, const struct standard_item *it, struct met *m, const struct stored *s,
                       const struct stored **kept)
{
    if (m->n < LISTED)
        m->numbers[m->n] = s->seq;
    m->n++;
    if (it->before || it->after || it->take == TAKE_ALL || it->take == TAKE_NONE) {
        *kept = *kept ? *kept : copy(&r->arena, s);
        keep(&m->found, *kept);
    } else if (it->take != TAKE_FIRST || m->n == 1) {
        arena_release(&m->one);
        m->found.n = 0;
        keep(&m->found, copy(&m->one, s));
    }
}

/* Is it about the rollout, is it about another of its number, or about none of these? */
static enum identity_answer about(const struct report *r, const struct stored *s, bool *same_number)
{
    struct rollout_identity id = stored_identity(s);
    *same_number = strcmp(s->rollout, r->who->id) == 0 && strcmp(s->fleet, r->who->fleet) == 0;
    return *same_number ? identity_same(&id, r->who) : IDENTITY_OTHER;
}

void report_take(struct report *r, const struct stored *s)
{
    const struct stored *kept = NULL;
    bool same_number;
    bool ours = about(r, s, &same_number) != IDENTITY_OTHER;
    r->out.entries += ours;
    r->out.others += same_number && !ours;
    for (size_t i = 0; i < r->st->n_items; i++) {
        const struct standard_item *it = &r->st->items[i];
        bool found = matches(&it->find, s), near = matches(it->before ? it->before : it->after, s);
        if (!ours && !it->whole_log)
            continue;
        r->met[i].applies = r->met[i].applies || (it->applies && matches(it->applies, s));
        if (found)
            keep_found(r, it, &r->met[i], s, &kept);
        if (near) {
            kept = kept ? kept : copy(&r->arena, s);
            keep(&r->met[i].about, kept);
        }
    }
    if (ours && *stored_field(s, "runbook.step"))
        keep(&r->steps, kept ? kept : copy(&r->arena, s));
}

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

static void add(struct report *r, const struct standard_item *it, enum report_state state, const struct stored *s,
                const char *value, const char *note)
{
    if (r->out.n == r->cap_rows) {
        r->cap_rows = r->cap_rows ? r->cap_rows * 2 : 32;
        r->out.rows = xreallocarray(r->out.rows, r->cap_rows, sizeof *r->out.rows);
    }
    r->out.rows[r->out.n++] = (struct report_row){.state = state,
                                                  .item = it,
                                                  .value = value,
                                                  .note = note,
                                                  .seq = s ? s->seq : 0,
                                                  .t = s ? s->t : 0,
                                                  .leaf = s ? s->leaf_hash : ""};
    r->out.counts[state]++;
}

/* A word of the entry by its name, or else a field. */
static const char *named(const struct stored *s, struct arena *a, const char *name)
{
    char t[FMT_MAX];
    const struct {
        const char *name, *text;
    } words[] = {{"kind", s->kind},     {"actor", s->actor},   {"actor_kind", s->actor_kind},
                 {"fleet", s->fleet},   {"wave", s->wave},     {"rollout", s->rollout},
                 {"verb", s->verb},     {"result", s->result}, {"reason", s->reason},
                 {"before", s->before}, {"after", s->after}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(name, words[i].name) == 0)
            return words[i].text;
    }
    if (strcmp(name, "t") == 0)
        return arena_strdup(a, fmt_iso(t, s->t));
    if (strcmp(name, "corr") == 0)
        return s->corr ? arena_printf(a, "%016" PRIx64, s->corr) : "";
    if (strcmp(name, "sentence") == 0)
        return entry_sentence(s, a);
    if (strcmp(name, "source") == 0)
        return *s->host ? entry_source(s, a) : "";
    return entry_value(a, name, stored_field(s, name));
}

/* "actor: mara; reason: it burns". The names that say nothing, of those that must, go to *lacks. */
static const char *values(const struct standard_item *it, const struct stored *s, struct arena *a, const char **lacks)
{
    struct buf b, no;
    buf_init(&b, VALUE_MAX);
    buf_init(&no, VALUE_MAX);
    for (int pass = 0; pass < 2; pass++) {
        for (const char *const *name = pass ? it->extra : it->values; name && *name; name++) {
            const char *value = named(s, a, *name);
            if (*value)
                buf_printf(&b, "%s%s: %s", b.len ? "; " : "", *name, value);
            else if (pass == 0)
                buf_printf(&no, "%s%s", no.len ? ", " : "", *name);
        }
    }
    if (b.len == 0 && no.len == 0)
        buf_adds(&b, entry_sentence(s, a));
    *lacks = arena_strdup(a, no.data);
    const char *text = arena_strdup(a, b.data);
    buf_release(&b);
    buf_release(&no);
    return text;
}

/* A row for an entry that shows it. */
static void shown(struct report *r, const struct standard_item *it, const struct stored *s, enum report_state state,
                  const char *note)
{
    const char *lacks, *value = values(it, s, &r->arena, &lacks);
    if (*lacks && state == REPORT_FOUND) {
        state = REPORT_MISSING;
        note = arena_printf(&r->arena, "%s%sthe entry does not say: %s", note, *note ? "; " : "", lacks);
    }
    add(r, it, state, s, value, note);
}

static void counted(struct report *r, const struct standard_item *it, const struct met *m)
{
    struct buf b;
    bool enough = (int64_t)m->n >= it->min;
    buf_init(&b, VALUE_MAX);
    buf_printf(&b, "%zu", m->n);
    for (size_t i = 0; i < m->n && i < LISTED; i++)
        buf_printf(&b, "%s%" PRId64, i ? ", " : m->n == 1 ? ": entry " : ": entries ", m->numbers[i]);
    if (m->n > LISTED)
        buf_adds(&b, ", ...");
    add(r, it, enough ? REPORT_FOUND : REPORT_MISSING, m->n ? m->found.v[0] : NULL, arena_strdup(&r->arena, b.data),
        enough ? "" : arena_printf(&r->arena, "wanted are at least %" PRId64, it->min));
    buf_release(&b);
}

/* By somebody else than whoever asked? Of a signed approval that is whose key it was, not who brought it. */
static bool by_other(const struct stored *f, const struct stored *x)
{
    const char *at = stored_field(f, "approval.principal");
    size_t n = strlen(x->actor);
    if (!stored_is_open(x, "actor.name")) /* erased, or not handed over: nobody can say that they are two */
        return false;
    if (!*at)
        return stored_is_open(f, "actor.name") && strcmp(f->actor, x->actor) != 0;
    for (; *at; at += strcspn(at, " "), at += strspn(at, " "))
        if (strncmp(at, x->actor, n) == 0 && (at[n] == '@' || at[n] == ' ' || !at[n]))
            return false;
    return true;
}

static bool goes_with(const struct standard_item *it, const struct stored *f, const struct stored *x)
{
    return f != x && (it->before ? f->seq < x->seq : f->seq > x->seq) && (!it->same_corr || f->corr == x->corr) &&
           (!it->same_wave || strcmp(f->wave, x->wave) == 0) && (!it->other_actor || by_other(f, x));
}

/* For one entry that needs another before or after it: the nearest that goes with it. */
static void related(struct report *r, const struct standard_item *it, const struct list *found, const struct stored *x)
{
    const struct stored *hit = NULL;
    char t[FMT_MAX];
    size_t lo = 0, hi = found->n; /* the first behind x */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (found->v[mid]->seq > x->seq)
            hi = mid;
        else
            lo = mid + 1;
    }
    if (it->after) {
        for (size_t i = lo; i < found->n && !hit; i++)
            hit = goes_with(it, found->v[i], x) ? found->v[i] : NULL;
    } else {
        for (size_t i = lo; i > 0 && !hit; i--)
            hit = goes_with(it, found->v[i - 1], x) ? found->v[i - 1] : NULL;
    }
    bool verb = *x->verb && strcmp(x->verb, "none") != 0 && strcmp(x->verb, x->kind) != 0;
    const char *note = arena_printf(&r->arena, "%s entry %" PRId64 " (%s%s%s, %s)", it->before ? "before" : "after",
                                    x->seq, x->kind, verb ? " of " : "", verb ? x->verb : "", fmt_iso(t, x->t));
    if (!hit) {
        add(r, it, REPORT_MISSING, NULL, "", arena_printf(&r->arena, "there is none %s", note));
        return;
    }
    int64_t apart = it->before ? x->t - hit->t : hit->t - x->t;
    char want[FMT_MAX];
    if (it->within_us && apart < -AUDIT_CLOCK_STEP_US) { /* numbers are the order; of the clocks only this is known */
        shown(r, it, hit, REPORT_DEVIATION,
              arena_printf(&r->arena,
                           "it stands %s, and by its time %s %s that: one of the two came late, or the clock was set; "
                           "wanted was at most %s",
                           note, fmt_dur(t, -apart), it->before ? "after" : "before", fmt_dur(want, it->within_us)));
    } else if (it->within_us && apart > it->within_us) {
        shown(r, it, hit, REPORT_DEVIATION,
              arena_printf(&r->arena, "%s %s; wanted was at most %s", fmt_dur(t, apart), note,
                           fmt_dur(want, it->within_us)));
    } else {
        shown(r, it, hit, REPORT_FOUND, note);
    }
}

static void ask(struct report *r, const struct standard_item *it, const struct met *m)
{
    const struct list *f = &m->found;
    if (it->applies && !m->applies) {
        add(r, it, REPORT_NOT_ASKED, NULL, "", "no entry is of the kind that this is asked about");
    } else if (it->before || it->after) {
        for (size_t i = 0; i < m->about.n; i++)
            related(r, it, f, m->about.v[i]);
        if (m->about.n == 0)
            add(r, it, REPORT_NOT_ASKED, NULL, "", "no entry is of the kind that this is asked about");
    } else if (it->take == TAKE_NONE) {
        for (size_t i = 0; i < f->n; i++)
            shown(r, it, f->v[i], REPORT_DEVIATION, "there should be none");
        if (f->n == 0)
            add(r, it, REPORT_FOUND, NULL, "none", "");
    } else if (it->take == TAKE_COUNT) {
        counted(r, it, m);
    } else if (m->n == 0 && it->min == 0) {
        add(r, it, REPORT_FOUND, NULL, "none", "no entry is like this, and none need be");
    } else if ((int64_t)m->n < it->min || m->n == 0) {
        add(r, it, REPORT_MISSING, NULL, "",
            m->n == 0 ? "no entry shows it"
                      : arena_printf(&r->arena, "%zu show it, wanted are at least %" PRId64, m->n, it->min));
    } else if (it->take == TAKE_ALL) {
        for (size_t i = 0; i < f->n; i++)
            shown(r, it, f->v[i], REPORT_FOUND, "");
    } else {
        shown(r, it, f->v[0], REPORT_FOUND, "");
    }
}

static void steps(struct report *r)
{
    struct report_step *v = ARENA_ARRAY(&r->arena, struct report_step, r->steps.n + 1);
    for (size_t i = 0; i < r->steps.n; i++) {
        const struct stored *s = r->steps.v[i];
        v[i] = (struct report_step){.seq = s->seq,
                                    .t = s->t,
                                    .who = s->actor,
                                    .leaf = s->leaf_hash,
                                    .id = stored_field(s, "runbook.step"),
                                    .expected = stored_field(s, "runbook.expected"),
                                    .observed = stored_field(s, "runbook.observed"),
                                    .skipped = stored_field(s, "runbook.skipped")};
        v[i].deviates = *v[i].skipped || (*v[i].expected && strcmp(v[i].expected, v[i].observed) != 0);
    }
    r->out.steps = v;
    r->out.n_steps = r->steps.n;
}

const struct report_result *report_result(struct report *r)
{
    for (size_t i = 0; i < r->st->n_items; i++)
        ask(r, &r->st->items[i], &r->met[i]);
    steps(r);
    /* What is missing comes first, and within a state the mapping's order stays. */
    struct report_row *sorted = xreallocarray(NULL, r->out.n + 1, sizeof *sorted);
    size_t n = 0;
    for (int state = 0; state <= REPORT_NOT_ASKED; state++) {
        for (size_t i = 0; i < r->out.n; i++) {
            if (r->out.rows[i].state == (enum report_state)state)
                sorted[n++] = r->out.rows[i];
        }
    }
    free(r->out.rows);
    r->out.rows = sorted;
    return &r->out;
}
