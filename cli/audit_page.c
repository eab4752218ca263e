#include "cli/audit_page.h"

#include <stdlib.h>
#include <string.h>
#include "audit/page.h"
#include "audit/words.h"
#include "core/text.h"

#define PAGE_MAX 2000

/* A page and what it points to live in one block. */
struct loaded {
    struct audit_page page; /* first: the console gets a pointer to it */
    struct arena arena;
};

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
                            .host = entry_host(s, a, "kernel.host"),
                            .late = s->late,
                            .refused = strcmp(s->kind, "refused") == 0 || strcmp(s->result, "refused") == 0};
}

static struct audit_page *load(void *ctx, const struct audit_want *want, struct err *e)
{
    struct audit_spec spec = *(const struct audit_spec *)ctx;
    struct loaded *p = xcalloc(1, sizeof *p);
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
    p->page.total = head.newest;
    p->page.origin = arena_strdup(&p->arena, head.origin);
    p->page.root = arena_strdup(&p->arena, head.root);
    p->page.verified_text = "";
    for (size_t i = 0; i < n; i++)
        fill_row(&p->page.v[i], &v[i], &p->arena);
    return &p->page;
}

static void free_page(void *ctx, struct audit_page *page)
{
    struct loaded *p = (struct loaded *)page;

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
    struct audit_log *l;
    struct page *page;
    bool ok;

    spec.read_only = true;
    l = audit_open(&spec, e);
    if (!l)
        return false;
    page = page_new(true);
    const struct audit_page_maker html = page_maker(page);
    const struct audit_export_spec all = {.pages = &html, .n_pages = 1};
    ok = audit_export(l, &all, path, NULL, e);
    page_free(page);
    audit_close(l);
    return ok;
}

void audit_page_loader(const struct audit_spec *spec, struct console_audit *out)
{
    *out = (struct console_audit){
        .load = load, .free_page = free_page, .verify = verify, .write_out = write_out, .ctx = (void *)(uintptr_t)spec};
}
