/* andon audit show ENTRY: one entry in sentences; andon audit show --open: what has no end. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "audit/stream.h"
#include "audit/words.h"
#include "cli/audit_show.h"
#include "core/fmt.h"
#include "core/text.h"

#define REQUESTS_MAX ((size_t)1 << 20)

/* ---- what other entries say of it ---- */

struct beside {
    struct stored *op; /* all entries of its operation, oldest first */
    size_t n_op;
    const struct stored *ends; /* the newest of them that says how it ended, NULL */
    const struct stored *ack;  /* of a halt: the first that lifts it, NULL */
};

static bool is(const struct stored *s, const char *kind)
{
    return strcmp(s->kind, kind) == 0;
}

static bool is_end(const struct stored *s)
{
    return is(s, "outcome") || is(s, "recovered");
}

static bool find_beside(struct audit_log *l, const struct stored *s, struct arena *arena, struct beside *out,
                        struct err *e)
{
    struct audit_query q = {.corr = s->corr, .limit = 1000};
    struct stored *acks = NULL;
    size_t n = 0;

    *out = (struct beside){0};
    if (s->corr && !audit_query(l, &q, arena, &out->op, &out->n_op, e))
        return false;
    for (size_t i = 0; i < out->n_op; i++)
        if (is_end(&out->op[i]) && out->op[i].seq > s->seq)
            out->ends = &out->op[i];
    if (!is(s, "halt"))
        return true;
    q = (struct audit_query){.kind = "ack", .fleet = s->fleet, .from_seq = s->seq + 1, .limit = 100000};
    if (!audit_query(l, &q, arena, &acks, &n, e))
        return false;
    for (size_t i = n; i > 0; i--)
        if (is(&acks[i - 1], "ack") && strcmp(acks[i - 1].result, "refused") != 0 &&
            strcmp(acks[i - 1].result, "failed") != 0 && stored_ack_lifts(&acks[i - 1], s))
            out->ack = &acks[i - 1];
    return true;
}

/* ---- as text ---- */

static void row(struct buf *out, const char *key, const char *value)
{
    buf_printf(out, "  %-22s %s\n", key, value);
}

/* A value that is JSON itself comes one figure a line. */
static void flat(struct buf *out, struct arena *a, const char *key, const struct json_t *v, int depth)
{
    const char *name, *text;
    const struct json_t *each;
    void *it = NULL;
    double num;
    bool yes;
    size_t n;
    char b[FMT_MAX];

    if (json_is_obj(v) && depth < 4) {
        while (json_each(v, &it, &name, &each)) {
            const char *path = arena_printf(a, "%s.%s", key, safe_text(a, name, strlen(name), 80));

            if (json_bool(v, name, &yes))
                row(out, path, yes ? "true" : "false");
            else
                flat(out, a, path, each, depth + 1);
        }
    } else if (json_is_arr(v) && depth < 4) {
        for (size_t i = 0; i < json_len(v); i++)
            flat(out, a, arena_printf(a, "%s.%zu", key, i), json_at(v, i), depth + 1);
    } else if ((text = json_str_value(v, &n))) {
        row(out, key, entry_value(a, strrchr(key, '.') ? strrchr(key, '.') + 1 : key, safe_text(a, text, n, 4000)));
    } else if (json_num_value(v, &num)) {
        snprintf(b, sizeof b, "%.0f", num); /* the log has no other numbers than whole ones */
        row(out, key, entry_value(a, strrchr(key, '.') ? strrchr(key, '.') + 1 : key, b));
    } else {
        row(out, key, "-");
    }
}

static void fields(struct buf *out, struct arena *a, const struct stored *s)
{
    for (size_t i = 0; i < s->n_fields; i++) {
        const char *key = s->fields[i][0], *value = s->fields[i][1];
        struct json_t *doc =
            *value == '{' || *value == '[' ? json_parse(value, strlen(value), ENTRY_MAX, "field", NULL) : NULL;

        if (doc)
            flat(out, a, key, doc, 0);
        else
            row(out, key, entry_value(a, key, value));
        json_free(doc);
    }
}

/* What was sent, where several requests were: their list is a blob. */
static void requests(struct audit_log *l, struct buf *out, struct arena *a, const struct stored *s)
{
    const char *digest = stored_field(s, "requests.blob");
    struct json_t *doc;
    struct err e = {0};
    struct buf blob;

    if (!*digest)
        return;
    buf_init(&blob, REQUESTS_MAX);
    buf_adds(out, "\nSent and answered, in order:\n");
    doc = audit_get_blob(l, digest, &blob, &e) ? json_parse(blob.data, blob.len, REQUESTS_MAX, "requests", &e) : NULL;
    if (doc)
        flat(out, a, "requests", doc, 0);
    else
        buf_printf(out, "  their list cannot be read: %s\n", e.what);
    json_free(doc);
    buf_release(&blob);
}

/* Does the entry that is told to have erased a value say so? */
static bool says_so(struct audit_log *l, const struct stored *by, int64_t seq, const char *path)
{
    struct buf blob, line;
    struct err e = {0};
    bool found;

    buf_init(&blob, (size_t)64 << 20);
    buf_init(&line, 200);
    buf_printf(&line, "%" PRId64 " %s\n", seq, path);
    found = strcmp(by->kind, "redact") == 0 && audit_get_blob(l, stored_field(by, "erased.blob"), &blob, &e);
    if (found) {
        const char *at = memmem(blob.data, blob.len, line.data, line.len);

        while (at && at != blob.data && at[-1] != '\n')
            at = memmem(at + 1, blob.len - (size_t)(at + 1 - blob.data), line.data, line.len);
        found = at != NULL;
    }
    buf_release(&line);
    buf_release(&blob);
    return found;
}

/* What became of a value that was erased: by whom, when and why, as the entry of it says. */
static const char *erased(struct audit_log *l, struct arena *a, const struct stored *s, const char *path,
                          const char *state)
{
    static const char word[] = "erased by entry ";
    struct audit_query q = {.limit = 1};
    struct stored *by = NULL;
    struct err e = {0};
    size_t n = 0;
    char t[FMT_MAX];

    q.from_seq = q.to_seq = strtoll(state + sizeof word - 1, NULL, 10);
    if (!audit_query(l, &q, a, &by, &n, &e) || n != 1 || !says_so(l, by, s->seq, path))
        return arena_printf(a, "said to be %s, which does not say so", state);
    return arena_printf(a, "erased at %s by %s, entry %" PRId64 ": %s", fmt_iso(t, by->t), by->actor, by->seq,
                        by->reason);
}

static void commitments(struct audit_log *l, struct buf *out, struct arena *a, const struct stored *s)
{
    if (s->n_committed > 0)
        buf_adds(out, "\nThe line that was hashed has commitments to these values, not the values:\n");
    for (size_t i = 0; i < s->n_committed; i++) {
        const char *path = s->committed[i][0], *state = s->committed[i][1];
        bool open = strcmp(state, "open") == 0, gone = strncmp(state, "erased", 6) == 0;

        row(out, path,
            open                            ? "open: its opening is what the line commits to"
            : gone                          ? erased(l, a, s, path, state)
            : strcmp(state, "another") == 0 ? "an opening is here that is not what the line commits to"
                                            : "its opening is not in this log, and no entry is told to have erased it");
    }
}

static void text_end(struct buf *out, struct arena *a, const struct stored *s, const struct beside *b)
{
    char t[FMT_MAX];

    if (is(s, "intent") || is(s, "halt")) {
        if (b->ends)
            buf_printf(out, "\nHow it ended, by entry %" PRId64 " (%s): %s\n", b->ends->seq, fmt_iso(t, b->ends->t),
                       entry_sentence(b->ends, a));
        else
            buf_adds(out, "\nHow it ended: no entry of this log says it.\n");
    }
    if (b->ack)
        buf_printf(out, "Acknowledged, by entry %" PRId64 " (%s): %s\n", b->ack->seq, fmt_iso(t, b->ack->t),
                   entry_sentence(b->ack, a));
    else if (is(s, "halt"))
        buf_adds(out, "Acknowledged: no entry of this log says it.\n");
    if (b->n_op > 1) {
        buf_printf(out, "\nEntries of the same operation, %016" PRIx64 ":", s->corr);
        for (size_t i = 0; i < b->n_op; i++)
            buf_printf(out, "%s %" PRId64 " (%s)", i ? "," : "", b->op[i].seq, b->op[i].kind);
        buf_addc(out, '\n');
    }
}

static void text(struct audit_log *l, const struct stored *s, const struct beside *b, struct arena *a)
{
    struct buf out;
    char t[FMT_MAX];

    buf_init(&out, (size_t)4 << 20);
    buf_printf(&out, "Entry %" PRId64 ", %s, %s\n\n%s\n", s->seq, s->kind, fmt_iso(t, s->t), entry_sentence(s, a));
    if (s->late)
        buf_adds(&out, "It was logged late: the time is that of the event, not of the writing.\n");
    text_end(&out, a, s, b);
    buf_printf(&out, "\nWritten by: %s\n", entry_source(s, a));
    if (s->n_fields > 0)
        buf_adds(&out, "\nIn the entry:\n");
    fields(&out, a, s);
    requests(l, &out, a, s);
    commitments(l, &out, a, s);
    buf_printf(&out, "\nLeaf hash:  %s\nThe proof that it is in the log: andon audit prove %" PRId64 "\n", s->leaf_hash,
               s->seq);
    if (is(s, "halt") && *stored_field(s, "inputs.blob"))
        buf_printf(&out, "The decision computed anew: andon audit replay %" PRId64 "\n", s->seq);
    buf_printf(&out, "\nThe line that was hashed:\n%s\n", safe_text(a, s->line, strlen(s->line), ENTRY_MAX * 4));
    print_out(&out);
    buf_release(&out);
}

static void json(const struct stored *s, const struct beside *b, struct arena *a)
{
    struct json_out o;

    json_begin(&o);
    json_w_key(&o.w, "entry");
    stream_json(&o.w, s);
    json_w_kstr(&o.w, "sentence", entry_sentence(s, a));
    json_w_kstr(&o.w, "source", entry_source(s, a));
    if (b->ends)
        json_w_kint(&o.w, "ended_by", b->ends->seq);
    if (b->ack)
        json_w_kint(&o.w, "acknowledged_by", b->ack->seq);
    json_w_key(&o.w, "operation");
    json_w_arr(&o.w);
    for (size_t i = 0; i < b->n_op; i++)
        json_w_int(&o.w, b->op[i].seq);
    json_w_arr_end(&o.w);
    json_w_kstr(&o.w, "line", safe_text(a, s->line, strlen(s->line), ENTRY_MAX * 4));
    json_end(&o);
}

static bool number(const char *t, int64_t *out, struct err *e)
{
    char *end;

    *out = strtoll(t, &end, 10);
    return (*t >= '1' && *t <= '9' && !*end && strlen(t) < 19) ||
           err_set(e, ERR_SYNTAX, "Without one, `andon audit show` lists the newest.",
                   "show takes the number of an entry, not \"%.40s\"", t);
}

bool audit_show_entry(const struct args *a, struct audit_log *l, const char *seq_text, struct err *e)
{
    struct audit_query q = {.limit = 1};
    struct audit_head head;
    struct beside b;
    struct stored *s = NULL;
    struct arena arena;
    size_t n = 0;
    bool ok;

    for (int o = 0; o < OPT_COUNT; o++)
        if (a->val[o] && (OPT(o) & (AUDIT_SHOW_OPTS & ~OPT(OPT_DB))))
            return err_set(e, ERR_SYNTAX, "Leave the number out to choose by them.",
                           "options that choose entries do not go with the number of one");
    if (!number(seq_text, &q.from_seq, e))
        return false;
    q.to_seq = q.from_seq;
    arena_init(&arena);
    ok = audit_query(l, &q, &arena, &s, &n, e);
    if (ok && n == 0)
        ok =
            audit_head(l, &head, e) &&
            err_set(e, ERR_NOT_FOUND, "", "the log has no entry %" PRId64 ": it has %" PRId64, q.from_seq, head.newest);
    ok = ok && find_beside(l, &s[0], &arena, &b, e);
    if (ok && a->json)
        json(&s[0], &b, &arena);
    else if (ok)
        text(l, &s[0], &b, &arena);
    arena_release(&arena);
    return ok;
}

/* ---- what is open ---- */

struct open {
    struct arena arena;
    struct {
        const struct stored *s;
        const char *why;
    } * v;
    size_t n, cap;
    const char **fleets; /* that the log knows */
    size_t n_fleets;
    struct stored *unknown; /* outcomes that stayed so */
    size_t n_unknown;
};

static void add(struct open *o, const struct stored *s, const char *why)
{
    if (o->n == o->cap) {
        o->cap = o->cap ? o->cap * 2 : 16;
        o->v = xreallocarray(o->v, o->cap, sizeof *o->v);
    }
    o->v[o->n].s = s;
    o->v[o->n++].why = why;
}

/* Every fleet once, and outcomes that stay unknown until another one of the same operation says more. */
static bool on_entry(void *ctx, const struct stored *s)
{
    struct open *o = ctx;
    size_t i = 0;

    for (; i < o->n_fleets && strcmp(o->fleets[i], s->fleet) != 0; i++)
        ;
    if (i == o->n_fleets && *s->fleet) {
        o->fleets = xreallocarray(o->fleets, o->n_fleets + 1, sizeof *o->fleets);
        o->fleets[o->n_fleets++] = arena_strdup(&o->arena, s->fleet);
    }
    if (!is_end(s) || s->corr == 0)
        return true;
    for (i = 0; i < o->n_unknown; i++)
        if (o->unknown[i].corr == s->corr)
            o->unknown[i--] = o->unknown[--o->n_unknown];
    if (strcmp(s->result, "unknown") == 0) {
        o->unknown = xreallocarray(o->unknown, o->n_unknown + 1, sizeof *o->unknown);
        o->unknown[o->n_unknown++] = (struct stored){.seq = s->seq, .corr = s->corr};
    }
    return true;
}

static bool gather(struct audit_log *l, const char *fleet, struct open *o, struct err *e)
{
    struct audit_query all = {.fleet = fleet}, one;
    struct stored *v = NULL;
    size_t n = 0;

    if (!audit_each(l, &all, on_entry, o, e) || !audit_open_intents(l, fleet, &o->arena, &v, &n, e))
        return false;
    for (size_t i = 0; i < n; i++)
        add(o, &v[i], "no entry says how it ended");
    for (size_t i = 0; i < o->n_unknown; i++) {
        one = (struct audit_query){.from_seq = o->unknown[i].seq, .to_seq = o->unknown[i].seq, .limit = 1};
        if (!audit_query(l, &one, &o->arena, &v, &n, e))
            return false;
        if (n == 1)
            add(o, &v[0], "what became of it could not be told");
    }
    for (size_t f = 0; f < o->n_fleets; f++) {
        if (!audit_latched(l, o->fleets[f], &o->arena, &v, &n, e))
            return false;
        for (size_t i = 0; i < n; i++)
            add(o, &v[i], v[i].seq ? "the halt is not acknowledged" : "the halt waits in the spool, not acknowledged");
    }
    return true;
}

static void open_text(struct open *o)
{
    static const char *const heads[] = {"ENTRY", "TIME", "WHO", "ACTION", "OBJECT", "OPEN, BECAUSE"};
    struct table t;
    struct buf out;
    char b[FMT_MAX];

    if (o->n == 0) {
        printf("Nothing is open: every intent has an outcome that is known, every halt is acknowledged.\n");
        return;
    }
    table_init(&t, 6, 1);
    for (size_t i = 0; i < 6; i++)
        table_add(&t, heads[i]);
    for (size_t i = 0; i < o->n; i++) {
        struct entry_words w;

        entry_words(o->v[i].s, &o->arena, &w);
        table_addf(&t, "%" PRId64, o->v[i].s->seq);
        table_add(&t, fmt_iso(b, o->v[i].s->t));
        table_add(&t, w.who);
        table_add(&t, w.action);
        table_add(&t, w.object);
        table_add(&t, o->v[i].why);
    }
    buf_init(&out, (size_t)256 << 20);
    table_print(&t, &out);
    print_out(&out);
    buf_release(&out);
}

static void open_json(struct open *o)
{
    struct json_out out;

    json_begin(&out);
    json_w_key(&out.w, "open");
    json_w_arr(&out.w);
    for (size_t i = 0; i < o->n; i++) {
        json_w_obj(&out.w);
        json_w_kstr(&out.w, "why", o->v[i].why);
        json_w_key(&out.w, "entry");
        stream_json(&out.w, o->v[i].s);
        json_w_obj_end(&out.w);
    }
    json_w_arr_end(&out.w);
    json_end(&out);
}

bool audit_show_open(const struct args *a, struct audit_log *l, struct err *e)
{
    struct open o = {0};
    bool ok;

    arena_init(&o.arena);
    ok = gather(l, a->val[OPT_FLEET], &o, e);
    if (ok && a->json)
        open_json(&o);
    else if (ok)
        open_text(&o);
    free(o.v);
    free(o.fleets);
    free(o.unknown);
    arena_release(&o.arena);
    return ok;
}
