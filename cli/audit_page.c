#include "cli/audit_page.h"

#include <stdlib.h>
#include <string.h>
#include "core/json.h"
#include "core/text.h"

#define PAGE_MAX 2000

/* A page and what it points to live in one block. */
struct page {
    struct audit_page page; /* first: the console gets a pointer to it */
    struct arena arena;
};

void entry_words(const struct stored *s, struct arena *a, struct entry_words *out)
{
    const char *text = stored_field(s, "text");

    out->who = *s->actor ? s->actor : "andon";
    out->action = *s->verb && strcmp(s->verb, "none") != 0 ? s->verb : s->kind;
    if (*s->rollout)
        out->object = *s->wave ? arena_printf(a, "%s W%s", s->rollout, s->wave) : s->rollout;
    else
        out->object = s->fleet;
    out->result = *s->result ? s->result : strcmp(s->kind, "intent") == 0 ? "asked" : "";
    /* What a step did says more than the reason of the whole, which its intent has. */
    if (strcmp(s->kind, "step") == 0 && *text)
        out->because = text;
    else
        out->because = *s->reason ? s->reason : *text ? text : stored_field(s, "why");
}

static void want_query(const struct audit_want *w, struct audit_query *q)
{
    *q = (struct audit_query){.fleet = w->fleet,
                              .rollout = w->rollout,
                              .kind = w->kind,
                              .actor = w->who,
                              .to_seq = w->before > 0 ? w->before - 1 : 0,
                              .newest_first = true,
                              .limit = w->limit > 0 && w->limit < PAGE_MAX ? w->limit : PAGE_MAX};
}

/* The host's name out of an entry's facts; "" when they do not give it. */
static const char *host_name(const char *facts, struct arena *a)
{
    size_t n = 0;
    struct json_t *doc = json_parse(facts, strlen(facts), ENTRY_MAX, "host facts", NULL);
    const struct json_t *kernel = doc ? json_get(doc, "kernel") : NULL;
    const char *name = kernel ? json_str(kernel, "host", &n) : NULL;
    const char *safe = name ? safe_text(a, name, n, 64) : "";

    json_free(doc);
    return safe;
}

static void fill_row(struct audit_row *r, const struct stored *s, struct arena *a)
{
    struct entry_words w;

    entry_words(s, a, &w);
    *r = (struct audit_row){.seq = s->seq,
                            .t = s->t,
                            .who = w.who,
                            .kind = s->kind,
                            .action = w.action,
                            .object = w.object,
                            .fleet = s->fleet,
                            .rollout = s->rollout,
                            .result = w.result,
                            .line = safe_text(a, s->line, strlen(s->line), ENTRY_MAX),
                            .hash = s->leaf_hash,
                            .before = s->before,
                            .after = s->after,
                            .because = w.because,
                            .host = host_name(s->host, a),
                            .late = s->late,
                            .refused = strcmp(s->kind, "refused") == 0 || strcmp(s->result, "refused") == 0};
}

static struct audit_page *load(void *ctx, const struct audit_want *want, struct err *e)
{
    struct audit_spec spec = *(const struct audit_spec *)ctx;
    struct page *p = xcalloc(1, sizeof *p);
    struct audit_head head = {0};
    struct audit_query q;
    struct audit_log *l;
    struct stored *v = NULL;
    size_t n = 0;

    spec.read_only = true;
    arena_init(&p->arena);
    want_query(want, &q);
    l = audit_open(&spec, e);
    if (!l || !audit_head(l, &head, e) || !audit_query(l, &q, &p->arena, &v, &n, e)) {
        if (l)
            audit_close(l);
        arena_release(&p->arena);
        free(p);
        return NULL;
    }
    audit_close(l);
    p->page.v = ARENA_ARRAY(&p->arena, struct audit_row, n ? n : 1);
    p->page.n = n;
    p->page.total = head.size;
    p->page.origin = arena_strdup(&p->arena, head.origin);
    p->page.root = arena_strdup(&p->arena, head.root);
    p->page.verified_text = "";
    for (size_t i = 0; i < n; i++)
        fill_row(&p->page.v[i], &v[i], &p->arena);
    return &p->page;
}

static void free_page(void *ctx, struct audit_page *page)
{
    struct page *p = (struct page *)page;

    (void)ctx;
    if (!p)
        return;
    arena_release(&p->arena);
    free(p);
}

static bool verify(void *ctx, bool *ok, char *text, size_t size, struct err *e)
{
    struct audit_spec spec = *(const struct audit_spec *)ctx;
    struct audit_report r;

    spec.read_only = true;
    if (!audit_verify(&spec, NULL, &r, e))
        return false;
    *ok = r.ok;
    if (size > 0) {
        size_t n = strlen(r.text) < size - 1 ? strlen(r.text) : size - 1;

        memcpy(text, r.text, n);
        text[n] = '\0';
    }
    return true;
}

static bool write_out(void *ctx, const char *path, struct err *e)
{
    struct audit_spec spec = *(const struct audit_spec *)ctx;
    struct audit_query q = {0};
    struct audit_log *l;
    bool ok;

    spec.read_only = true;
    l = audit_open(&spec, e);
    if (!l)
        return false;
    ok = audit_export(l, &q, path, e);
    audit_close(l);
    return ok;
}

void audit_page_loader(const struct audit_spec *spec, struct console_audit *out)
{
    *out = (struct console_audit){
        .load = load, .free_page = free_page, .verify = verify, .write_out = write_out, .ctx = (void *)(uintptr_t)spec};
}
