#include "audit/page_inner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/html.h"
#include "audit/tree.h"
#include "audit/words.h"
#include "core/fmt.h"

static void begin(struct page *p, bool in_folder)
{
    *p = (struct page){.origin = "", .in_folder = in_folder};
    arena_init(&p->arena);
    ops_init(&p->ops);
    buf_init(&p->gaps, PAGE_MAX);
    buf_init(&p->rest.rows, PAGE_MAX);
    buf_init(&p->last_known, ENTRY_MAX * 2);
}

struct page *page_new(bool in_folder)
{
    struct page *p = xmalloc(sizeof *p);
    begin(p, in_folder);
    return p;
}

static void clear(struct page *p)
{
    for (size_t i = 0; i < p->n_part; i++)
        buf_release(&p->part[i].rows);
    free(p->part);
    buf_release(&p->rest.rows);
    buf_release(&p->last_known);
    free(p->noted);
    free(p->halt);
    free(p->person);
    ops_release(&p->ops);
    buf_release(&p->gaps);
    arena_release(&p->arena);
}

void page_free(struct page *p)
{
    clear(p);
    free(p);
}

void page_head(void *ctx, struct buf *out)
{
    struct page *p = ctx;
    (void)out;
    clear(p);
    begin(p, p->in_folder);
}

/* --- what is missing -----------------------------------------------------------------------------------------------
 */

static void link_to(struct buf *out, int64_t seq)
{
    buf_printf(out, "<a href=\"#e%" PRId64 "\">entry %" PRId64 "</a>", seq, seq);
}

static void gap(struct page *p, int64_t seq, const char *what, const char *detail)
{
    buf_adds(&p->gaps, "<li class=\"gap\">");
    html_text(&p->gaps, what);
    buf_adds(&p->gaps, " (");
    link_to(&p->gaps, seq);
    buf_adds(&p->gaps, *detail ? "): " : ")");
    html_text(&p->gaps, detail);
    buf_adds(&p->gaps, "</li>\n");
    p->n_gaps++;
}

static bool is(const struct stored *s, const char *kind)
{
    return strcmp(s->kind, kind) == 0;
}

/* Not all that is out of order leaves a gap. */
static const char *degraded(const struct stored *s)
{
    const char *lost = stored_field(s, "lost");
    if (strcmp(s->result, "set-aside") == 0)
        return "In the spool was something that is no record";
    if (strcmp(s->result, "witness-forgot") == 0)
        return "A witness has lost its memory";
    if (*stored_field(s, "witness"))
        return "A witness contradicts the log";
    return strcmp(lost, "0") == 0 ? "The log could not be written for a while" : "The record has a gap";
}

/* What one entry says by itself. */
static void gaps_of(struct page *p, const struct stored *s, struct arena *a)
{
    const char *left = stored_field(s, "left"), *devices = stored_field(s, "devices");
    bool whole = strcmp(devices, stored_field(s, "verified")) == 0;
    if (is(s, "step") && strcmp(stored_field(s, "step"), "verify") == 0 && (*left || !whole))
        gap(p, s->seq, "A roll back left devices behind",
            arena_printf(a, "verified %s of %s%s%s", stored_field(s, "verified"), devices, *left ? "; left: " : "",
                         left));
    if (is(s, "ack") && !*s->reason)
        gap(p, s->seq, "A halt was acknowledged without a reason", entry_object(s, a));
    if (s->late)
        gap(p, s->seq, "Logged after the fact", entry_sentence(s, a));
    if (is(s, "degraded") || is(s, "clock-step"))
        gap(p, s->seq, is(s, "degraded") ? degraded(s) : "The clock was set", entry_sentence(s, a));
    if (*stored_field(s, "runbook.skipped"))
        gap(p, s->seq, "A step of a runbook was skipped",
            arena_printf(a, "%s: %s", stored_field(s, "runbook.step"), stored_field(s, "runbook.skipped")));
    else if (*stored_field(s, "runbook.expected") &&
             strcmp(stored_field(s, "runbook.expected"), stored_field(s, "runbook.observed")) != 0)
        gap(p, s->seq, "A step of a runbook did not show what was expected", entry_sentence(s, a));
}

static struct stored *kept(struct arena *a, const struct stored *s)
{
    struct stored *c = arena_memdup(a, s, sizeof *s);
    const char **texts[] = {&c->fleet, &c->rollout};
    for (size_t i = 0; i < 2; i++)
        *texts[i] = arena_strdup(a, *texts[i]);
    const char *(*f)[2] = arena_array(a, s->n_fields ? s->n_fields : 1, sizeof *f);
    for (size_t i = 0; i < s->n_fields; i++) {
        f[i][0] = arena_strdup(a, s->fields[i][0]);
        f[i][1] = arena_strdup(a, s->fields[i][1]);
    }
    c->fields = f;
    return c;
}

/* Halts that stand, as audit_latched has them. */
static void latch(struct page *p, const struct stored *s)
{
    if (is(s, "halt")) {
        if (p->n_halt == p->cap_halt) {
            p->cap_halt = p->cap_halt ? p->cap_halt * 2 : 16;
            p->halt = xreallocarray(p->halt, p->cap_halt, sizeof *p->halt);
        }
        p->halt[p->n_halt++] = *kept(&p->arena, s);
    } else if (is(s, "ack") && strcmp(s->result, "refused") != 0 && strcmp(s->result, "failed") != 0) {
        size_t n = 0;
        for (size_t i = 0; i < p->n_halt; i++) {
            if (strcmp(p->halt[i].fleet, s->fleet) != 0 || !stored_ack_lifts(s, &p->halt[i]))
                p->halt[n++] = p->halt[i];
        }
        p->n_halt = n;
    }
}

static void note(struct page *p, const struct stored *s, const char *text)
{
    if (!is(s, "intent") && !is(s, "halt"))
        return;
    if (p->n_noted == p->cap_noted) {
        p->cap_noted = p->cap_noted ? p->cap_noted * 2 : 64;
        p->noted = xreallocarray(p->noted, p->cap_noted, sizeof *p->noted);
    }
    p->noted[p->n_noted++] = (struct noted){s->seq, arena_strdup(&p->arena, text)};
}

static const char *noted_text(const struct page *p, int64_t seq)
{
    size_t lo = 0, hi = p->n_noted;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (p->noted[mid].seq < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < p->n_noted && p->noted[lo].seq == seq ? p->noted[lo].text : "";
}

static int by_seq(const void *a, const void *b)
{
    const struct op *x = a, *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* What only the end shows. */
static void last_gaps(struct page *p)
{
    struct op *v = xcalloc(p->ops.used + 1, sizeof *v);
    size_t n = 0;
    for (size_t i = 0; i < p->ops.cap; i++) {
        const struct op *o = &p->ops.slot[i];
        if (o->corr && o->seq && (!o->ended || o->unknown))
            v[n++] = *o;
    }
    qsort(v, n, sizeof *v, by_seq);
    for (size_t i = 0; i < n; i++)
        gap(p, v[i].seq, v[i].ended ? "What became of it could not be told" : "No entry here says how it ended",
            noted_text(p, v[i].seq));
    free(v);
    for (size_t i = 0; i < p->n_halt; i++)
        gap(p, p->halt[i].seq, "A halt that no entry here acknowledges", noted_text(p, p->halt[i].seq));
}

/* --- rows ----------------------------------------------------------------------------------------------------------
 */

static struct rollout_part *part_of(struct page *p, const struct stored *s)
{
    struct rollout_identity id = stored_identity(s);
    for (size_t i = p->n_part; i > 0; i--) { /* the newest of that number that it may be about */
        struct rollout_part *r = &p->part[i - 1];
        if (identity_same(&r->id, &id) != IDENTITY_OTHER)
            return r;
    }
    if (p->n_part == ROLLOUTS_MAX)
        return NULL;
    if (p->n_part == p->cap_part) {
        p->cap_part = p->cap_part ? p->cap_part * 2 : 8;
        p->part = xreallocarray(p->part, p->cap_part, sizeof *p->part);
    }
    struct rollout_part *r = &p->part[p->n_part++];
    *r = (struct rollout_part){.id = {"", "", 0, "", ""}};
    buf_init(&r->rows, PAGE_MAX);
    return r;
}

static void learn(struct page *p, struct rollout_part *r, const struct stored *s)
{
    struct rollout_identity id = stored_identity(s);
    if (r->n == 0) {
        r->first_t = s->t;
        r->id.fleet = arena_strdup(&p->arena, id.fleet);
        r->id.id = arena_strdup(&p->arena, id.id);
    }
    r->id.created_at = id.created_at ? id.created_at : r->id.created_at;
    if (*id.name && strcmp(id.name, r->id.name) != 0)
        r->id.name = arena_strdup(&p->arena, id.name);
    if (*id.release && strcmp(id.release, r->id.release) != 0)
        r->id.release = arena_strdup(&p->arena, id.release);
    r->n++;
    r->last_t = s->t;
}

/* Blobs lie beside the page. */
static void field(const struct page *p, struct buf *out, struct arena *a, const char *key, const char *value)
{
    size_t n = strlen(key);
    uint8_t hash[HASH_LEN];
    bool blob =
        strcmp(key, "blob") == 0 || strncmp(key, "blob.", 5) == 0 || (n > 5 && strcmp(key + n - 5, ".blob") == 0);
    html_text(out, key);
    buf_adds(out, ": ");
    if (p->in_folder && blob && strcmp(key, "event.blob") != 0 && tree_hash_parse(value, strlen(value), hash))
        buf_printf(out, "<a href=\"blobs/%s\">%.12s&hellip;</a>; ", value, value);
    else {
        html_text(out, entry_value(a, key, value));
        buf_adds(out, "; ");
    }
}

static void row(const struct page *p, struct buf *out, struct arena *a, const struct stored *s, const char *text)
{
    char t[FMT_MAX];
    buf_printf(out, "<tr id=\"e%" PRId64 "\"><td class=\"n\">%" PRId64 "</td><td class=\"n\">%s%s</td>", s->seq, s->seq,
               fmt_iso(t, s->t), s->late ? "<br>(late)" : "");
    html_element(out, "td", "", s->kind);
    buf_adds(out, "<td>");
    html_text(out, text);
    buf_adds(out, "<div class=\"hash\">");
    for (size_t i = 0; i < s->n_fields; i++) {
        if (strncmp(s->fields[i][0], "rollout.", 8) != 0 && *s->fields[i][1])
            field(p, out, a, s->fields[i][0], s->fields[i][1]);
    }
    buf_adds(out, "leaf ");
    html_text(out, s->leaf_hash);
    buf_adds(out, "</div></td></tr>\n");
}

static void person(struct page *p, const struct stored *s, struct arena *a)
{
    const char *source = entry_source(s, a), *process = strstr(source, ", process ");
    if (process) { /* one person has many of them */
        size_t n = strcspn(process + 2, ",.");
        source = arena_printf(a, "%.*s%s", (int)(process - source), source, process + 2 + n);
    }
    for (size_t i = 0; i < p->n_person; i++) {
        if (strcmp(p->person[i].who, s->actor) == 0 && strcmp(p->person[i].source, source) == 0) {
            p->person[i].n++;
            p->last_person = i + 1;
            return;
        }
    }
    if (p->n_person == 1000)
        return;
    if (p->n_person == p->cap_person) {
        p->cap_person = p->cap_person ? p->cap_person * 2 : 8;
        p->person = xreallocarray(p->person, p->cap_person, sizeof *p->person);
    }
    p->person[p->n_person++] = (struct person){arena_strdup(&p->arena, s->actor), arena_strdup(&p->arena, source), 1};
    p->last_person = p->n_person;
}

/* They may be many, and tell nothing of what was done to devices. */
static bool only_counted(const struct stored *s)
{
    return is(s, "notice") || is(s, "receipt") || is(s, "session");
}

/* Is the entry one that is only counted any more, and like the one before in whom and what it counts for? Then it need
 * not be decoded: an export of a long log is as fast as it is without the page. */
static bool like_last(const struct page *p, const struct leaf *l)
{
    static const char *const tell[] = {"genesis", "halt", "ack", "step", "degraded", "clock-step"};
    const struct rollout_part *r = p->last_part ? &p->part[p->last_part - 1] : NULL;
    const struct buf *k = &p->last_known;
    struct member m;
    int64_t created = 0;
    if (p->shown < PAGE_ROWS_ALL || !r || l->late || !leaf_is(l->rollout, r->id.id) || !leaf_is(l->fleet, r->id.fleet))
        return false;
    for (size_t i = 0; i < sizeof tell / sizeof *tell; i++) {
        if (leaf_is(l->kind, tell[i]))
            return false;
    }
    for (size_t at = 0; leaf_member(l->fields, &at, &m);) {
        if (slice_is(m.key, "rollout.created") && !slice_int(m.value, &created))
            return false;
    }
    return created == r->id.created_at && p->last_person && leaf_is(l->actor_kind, "person") &&
           k->len == l->actor.n + l->host.n && slice_same((struct slice){k->data, l->actor.n}, l->actor) &&
           slice_same((struct slice){k->data + l->actor.n, l->host.n}, l->host);
}

static void count(struct page *p, const struct leaf *l)
{
    p->part[p->last_part - 1].n++;
    p->part[p->last_part - 1].last_t = l->t;
    p->person[p->last_person - 1].n++;
}

/* The whole of an entry, with a row where there is room for one. */
static void tell(struct page *p, const struct leaf *l, const uint8_t hash[32])
{
    struct arena a;
    struct stored s;
    arena_init(&a);
    leaf_stored(l, hash, &a, &s);
    if (is(&s, "genesis"))
        p->origin = arena_strdup(&p->arena, stored_field(&s, "origin"));
    if (strcmp(s.actor_kind, "person") == 0 && !is(&s, "session")) {
        person(p, &s, &a);
        buf_clear(&p->last_known);
        buf_add(&p->last_known, l->actor.p, l->actor.n);
        buf_add(&p->last_known, l->host.p, l->host.n);
    }
    latch(p, &s);
    gaps_of(p, &s, &a);
    struct rollout_part *r = only_counted(&s) ? NULL : *s.rollout ? part_of(p, &s) : &p->rest;
    p->last_part = r && r != &p->rest ? (size_t)(r - p->part) + 1 : 0;
    if (r)
        learn(p, r, &s);
    if (r && r->shown < PAGE_ROWS && p->shown < PAGE_ROWS_ALL) {
        const char *text = entry_sentence(&s, &a);
        r->shown++;
        p->shown++;
        note(p, &s, text);
        row(p, &r->rows, &a, &s, text);
    }
    arena_release(&a);
}

void page_row(void *ctx, struct buf *out, const struct leaf *l, const uint8_t hash[32])
{
    struct page *p = ctx;
    struct arena a;
    (void)out;
    arena_init(&a);
    p->first_t = p->n++ == 0 ? l->t : p->first_t;
    p->last_t = l->t;
    p->kinds[entry_kind_from_word(leaf_text(&a, l->kind))]++;
    arena_release(&a);
    ops_see(&p->ops, l);
    if (like_last(p, l))
        count(p, l);
    else
        tell(p, l, hash);
}

void page_foot(void *ctx, struct buf *out)
{
    struct page *p = ctx;
    last_gaps(p);
    page_write(p, out);
}

struct audit_page_maker page_maker(struct page *p)
{
    return (struct audit_page_maker){
        .name = "report.html", .role = "page", .head = page_head, .row = page_row, .foot = page_foot, .ctx = p};
}
