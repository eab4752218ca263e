#include "cli/audit_show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "audit/page.h"
#include "audit/stream.h"
#include "audit/tree.h"
#include "audit/words.h"
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"

/* "2031-03-14T12:00:00Z", or how long ago. */
static bool read_time(const struct args *a, enum opt o, const char *name, int64_t *out, struct err *e)
{
    int64_t ago;

    *out = 0;
    if (!a->val[o] || fmt_iso_parse(a->val[o], out))
        return true;
    if (!fmt_dur_parse(a->val[o], &ago))
        return err_set(e, ERR_SYNTAX, "As in 2031-03-14T12:00:00Z, or a duration ago as in 2h.",
                       "--%s: \"%.40s\" is no time", name, a->val[o]);
    *out = clock_wall(clock_real()) - ago;
    return true;
}

static bool read_corr(const char *text, uint64_t *out, struct err *e)
{
    char *end = NULL;

    errno = 0;
    *out = text ? strtoull(text, &end, 16) : 0;
    if (!text || (strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16 && *out != 0))
        return true;
    return err_set(e, ERR_SYNTAX, "The 16 hexadecimal digits that `andon audit show ENTRY` gives as its operation.",
                   "--corr: \"%.40s\" is no number of an operation", text);
}

/* A verb that andon does not have can be in no entry of its own. */
static bool known_verb(const char *word, struct err *e)
{
    return !word || verb_from_word(word) != VERB_NONE ||
           err_set(e, ERR_SYNTAX, "`andon help` lists them: advance, halt, rollback, ack and the rest.",
                   "--verb: there is no verb \"%.40s\"", word);
}

static bool known_kind(const char *word, struct err *e)
{
    return !word || entry_kind_from_word(word) != ENTRY_KIND_COUNT ||
           err_set(e, ERR_SYNTAX, "andon-audit(1) lists them.", "--kind: there is no kind of entry \"%.40s\"", word);
}

bool audit_read_query(const struct args *a, struct audit_query *q, struct err *e)
{
    int64_t limit;

    *q = (struct audit_query){.fleet = a->val[OPT_FLEET],
                              .rollout = a->val[OPT_ROLLOUT],
                              .kind = a->val[OPT_KIND],
                              .actor = a->val[OPT_ACTOR],
                              .verb = a->val[OPT_VERB],
                              .result = a->val[OPT_RESULT],
                              .device = a->val[OPT_DEVICE],
                              .late = a->val[OPT_LATE] != NULL,
                              .newest_first = true};
    if (!read_time(a, OPT_SINCE, "since", &q->after_t, e) || !read_time(a, OPT_UNTIL, "until", &q->before_t, e) ||
        !read_corr(a->val[OPT_CORR], &q->corr, e) || !known_verb(q->verb, e) || !known_kind(q->kind, e) ||
        !args_int(a, OPT_LIMIT, 1, 1000000, 1000, &limit, e))
        return false;
    q->limit = (size_t)limit;
    return true;
}

/* ---- nothing was found ---- */

static bool any(void *ctx, const struct stored *s)
{
    (void)s;
    *(bool *)ctx = true;
    return false;
}

/* Which of the words that were asked for is in no entry at all? Said on standard error: what was asked for may be
 * misspelt, and an empty table would look like good news. */
static bool say_unknown(struct audit_log *l, const struct audit_query *q, struct err *e)
{
    const struct {
        const char *option, *word;
        struct audit_query alone;
    } asked[] = {{"kind", q->kind, {.kind = q->kind}},
                 {"fleet", q->fleet, {.fleet = q->fleet}},
                 {"rollout", q->rollout, {.rollout = q->rollout}},
                 {"actor", q->actor, {.actor = q->actor}},
                 {"verb", q->verb, {.verb = q->verb}},
                 {"result", q->result, {.result = q->result}},
                 {"device", q->device, {.device = q->device}}};
    char safe[80];

    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        bool found = false;

        if (!asked[i].word || !*asked[i].word)
            continue;
        if (!audit_each(l, &asked[i].alone, any, &found, e))
            return false;
        safe_text_into(safe, sizeof safe, asked[i].word, strlen(asked[i].word));
        if (!found)
            fprintf(stderr, "andon: no entry of this log has the %s \"%s\"\n", asked[i].option, safe);
    }
    return true;
}

/* ---- streams ---- */

#define STREAM_CHUNK ((size_t)64 << 10)

struct stream {
    const struct stream_format *format;
    struct buf buf;
    bool any;
};

static bool on_stream(void *ctx, const struct stored *s)
{
    struct stream *x = ctx;

    x->any = true;
    x->format->entry(s, &x->buf);
    if (x->buf.len >= STREAM_CHUNK) {
        print_out(&x->buf);
        buf_clear(&x->buf);
    }
    return !ferror(stdout); /* nobody reads it any more, or a full disk: print_end says which */
}

static bool stream(const struct args *a, struct audit_log *l, struct audit_query *q, struct err *e)
{
    struct stream x = {.format = stream_format_find(a->val[OPT_FORMAT])};
    char words[80] = "";
    bool ok;

    if (!x.format) {
        for (size_t i = 0; stream_format_at(i); i++)
            snprintf(words + strlen(words), sizeof words - strlen(words), "%s%s", i ? ", " : "One of ",
                     stream_format_at(i)->word);
        snprintf(words + strlen(words), sizeof words - strlen(words), ", html.");
        return err_set(e, ERR_SYNTAX, words, "--format: there is no format \"%.40s\"", a->val[OPT_FORMAT]);
    }
    q->newest_first = false;
    if (!a->val[OPT_LIMIT])
        q->limit = 0;
    buf_init(&x.buf, STREAM_CHUNK + ((size_t)1 << 20)); /* of one entry at most */
    if (x.format->head)
        x.format->head(&x.buf);
    ok = audit_each(l, q, on_stream, &x, e);
    print_out(&x.buf);
    buf_release(&x.buf);
    return ok && (x.any || say_unknown(l, q, e));
}

/* ---- a page for people ---- */

#define PAGE_BYTES ((size_t)1 << 30)

struct paper {
    struct page *page;
    struct buf buf;
    bool any;
};

static bool on_page(void *ctx, const struct stored *s)
{
    static const uint8_t none[32];
    struct paper *x = ctx;
    uint8_t hash[32];
    struct leaf l;

    x->any = true;
    if (leaf_scan(s->shown, strlen(s->shown), &l))
        page_row(x->page, &x->buf, &l, tree_hash_parse(s->leaf_hash, strlen(s->leaf_hash), hash) ? hash : none);
    else
        fprintf(stderr, "andon: entry %" PRId64 " cannot be read, and is not on the page\n", s->seq);
    return true;
}

static bool paper(const struct args *a, struct audit_log *l, struct audit_query *q, struct err *e)
{
    struct paper x = {.page = page_new(false)};
    bool ok;

    q->newest_first = false;
    if (!a->val[OPT_LIMIT])
        q->limit = 0;
    buf_init(&x.buf, PAGE_BYTES);
    page_head(x.page, &x.buf);
    ok = audit_each(l, q, on_page, &x, e);
    if (ok) {
        page_foot(x.page, &x.buf);
        ok = !x.buf.over || err_set(e, ERR_LIMIT, "Choose fewer entries.", "the page is longer than 1 GiB");
    }
    if (ok)
        print_out(&x.buf);
    buf_release(&x.buf);
    page_free(x.page);
    return ok && (x.any || say_unknown(l, q, e));
}

/* ---- the table ---- */

static void table(const struct stored *v, size_t n, struct arena *arena)
{
    static const char *const heads[] = {"ENTRY", "TIME", "WHO", "KIND", "ACTION", "OBJECT", "RESULT", "BECAUSE"};
    struct table t;
    struct buf out;
    char b[FMT_MAX];

    table_init(&t, 8, 1);
    for (size_t i = 0; i < 8; i++)
        table_add(&t, heads[i]);
    for (size_t i = n; i > 0; i--) { /* oldest first, as they happened */
        struct entry_words w;

        entry_words(&v[i - 1], arena, &w);
        table_addf(&t, "%lld", (long long)v[i - 1].seq);
        table_add(&t, fmt_iso(b, v[i - 1].t));
        table_add(&t, w.who);
        table_addf(&t, "%s%s", v[i - 1].kind, v[i - 1].late ? " (late)" : "");
        table_add(&t, w.action);
        table_add(&t, w.object);
        table_add(&t, w.result);
        table_add(&t, w.because);
    }
    buf_init(&out, (size_t)256 << 20);
    table_print(&t, &out);
    print_out(&out);
    buf_release(&out);
}

static void json(const struct stored *v, size_t n)
{
    struct json_out o;

    json_begin(&o);
    json_w_key(&o.w, "entries");
    json_w_arr(&o.w);
    for (size_t i = n; i > 0; i--)
        stream_json(&o.w, &v[i - 1]);
    json_w_arr_end(&o.w);
    json_end(&o);
}

static bool list(const struct args *a, struct audit_log *l, const struct audit_query *q, struct err *e)
{
    struct stored *v = NULL;
    struct arena arena;
    size_t n = 0;
    bool ok;

    arena_init(&arena);
    ok = audit_query(l, q, &arena, &v, &n, e);
    if (ok && a->json)
        json(v, n);
    else if (ok)
        table(v, n, &arena);
    arena_release(&arena);
    return ok && (n > 0 || say_unknown(l, q, e));
}

bool audit_show(const struct args *a, struct audit_log *l, struct err *e)
{
    struct audit_query q;

    if (a->n_pos > 2)
        return audit_show_entry(a, l, a->pos[2], e);
    if (!audit_read_query(a, &q, e))
        return false;
    if (a->val[OPT_OPEN])
        return audit_show_open(a, l, e);
    if (a->val[OPT_FORMAT] && strcmp(a->val[OPT_FORMAT], "html") == 0)
        return paper(a, l, &q, e);
    if (a->val[OPT_FORMAT])
        return stream(a, l, &q, e);
    return list(a, l, &q, e);
}
