#include "client/hawkbit_impl.h"

#include <stdio.h>
#include <string.h>
#include "client/hawkbit_scan.h"

struct pager {
    const char *path;
    size_t limit, size, step, n;
    page_item item;
    page_end end;
    int64_t total;
    unsigned char *v; /* n elements, in the job's arena */
    size_t *got;      /* elements in each page */
    size_t pages;
    bool first; /* the first page has not been read */
};

static size_t room_of(const struct pager *g, size_t page)
{
    size_t room = g->n - page * g->step;
    return room < g->step ? room : g->step;
}

/* Decodes one page's content into its place; false after job_fail. */
static bool decode(struct job *j, struct pager *g, size_t page, const struct json_t *content)
{
    size_t len = json_len(content), want = room_of(g, page);
    if (len > want)
        len = want;
    size_t shown = strcspn(g->path, "?");
    if (shown > 70)
        shown = 70;
    for (size_t i = 0; i < len; i++) {
        char where[120];
        struct err e = {0};
        snprintf(where, sizeof where, "answer of GET %.*s: content[%zu]", (int)shown, g->path, i);
        if (!g->item(j, json_at(content, i), g->v + (page * g->step + i) * g->size, where, &e)) {
            job_fail(j, &e);
            return false;
        }
    }
    g->got[page] = len;
    return true;
}

static const struct json_t *content_of(struct job *j, const struct pager *g, const struct json_t *doc, int64_t *total)
{
    const struct json_t *content = json_get(doc, "content");
    if (!json_is_arr(content) || !json_int(doc, "total", total) || *total < 0) {
        job_failf(j, ERR_PROTOCOL, "check that the fleet's url names a hawkBit server",
                  "answer of GET %.80s: not a page of a list (content and total are expected)", g->path);
        return NULL;
    }
    return content;
}

/* Pages of a list that shrank meanwhile have gaps: closes them. */
static void all_read(struct job *j)
{
    struct pager *g = j->state;
    size_t n = 0;
    for (size_t p = 0; p < g->pages; p++) {
        if (g->got[p] && n != p * g->step)
            memmove(g->v + n * g->size, g->v + p * g->step * g->size, g->got[p] * g->size);
        n += g->got[p];
    }
    g->end(j, g->v, n, g->total);
}

static void further_page(struct job *j, size_t page, const struct http_answer *a, const struct json_t *doc);

/* The first page has `len` elements and says how many there are: makes room for all. False after job_fail. */
static bool lay_out(struct job *j, struct pager *g, size_t len)
{
    g->n = (uint64_t)g->total < g->limit ? (size_t)g->total : g->limit;
    /* A server with smaller pages than asked for says so only by what it gives. */
    if (len < g->step && len < g->n)
        g->step = len ? len : 1;
    if (len == 0)
        g->n = 0;
    g->pages = g->n ? (g->n + g->step - 1) / g->step : 1;
    if (g->pages > HB_PAGES_MAX) {
        job_failf(j, ERR_LIMIT, "", "GET %.80s: the server gives %zu entries a page of %lld in all", g->path, len,
                  (long long)g->total);
        return false;
    }
    g->v = arena_array(j->arena, g->n ? g->n : 1, g->size);
    g->got = ARENA_ARRAY(&j->scratch, size_t, g->pages);
    return true;
}

static void ask_further(struct job *j, struct pager *g)
{
    g->first = false;
    for (size_t p = 1; p < g->pages; p++)
        job_get(j, job_path(j, "%soffset=%zu&limit=%zu", g->path, p * g->step, room_of(g, p)), further_page, p);
}

static void first_page(struct job *j, size_t page, const struct http_answer *a, const struct json_t *doc)
{
    struct pager *g = j->state;
    (void)a;
    (void)page;
    const struct json_t *content = content_of(j, g, doc, &g->total);
    if (content && lay_out(j, g, json_len(content)) && decode(j, g, 0, content))
        ask_further(j, g);
}

static void further_page(struct job *j, size_t page, const struct http_answer *a, const struct json_t *doc)
{
    struct pager *g = j->state;
    int64_t total;
    (void)a;
    const struct json_t *content = content_of(j, g, doc, &total);
    if (!content)
        return;
    g->total = total;
    decode(j, g, page, content);
}

/* A page of devices that is plain; false: it is to be parsed. */
static bool scan_page(struct job *j, size_t page, const struct http_answer *a)
{
    struct pager *g = j->state;
    struct device_page got;
    struct arena rough;
    arena_init(&rough);
    bool ok = hb_scan_devices(a->body.data, a->body.len, HB_PAGE, j->arena, &rough, &got);
    if (ok) {
        g->total = got.total;
        if (!g->first || lay_out(j, g, got.n)) {
            size_t want = room_of(g, page);
            g->got[page] = got.n < want ? got.n : want;
            memcpy(g->v + page * g->step * g->size, got.v, g->got[page] * g->size);
            if (g->first)
                ask_further(j, g);
        }
    }
    arena_release(&rough);
    return ok;
}

void job_pages(struct job *j, const char *path, size_t limit, size_t size, page_item item, page_end end)
{
    struct pager *g = ARENA_NEW(&j->scratch, struct pager);
    size_t k = strlen(path);
    const char *sep = path[k - 1] == '?' ? "" : "&";
    g->path = job_path(j, "%s%s", path, sep);
    g->limit = limit ? limit : 1;
    g->step = g->limit < HB_PAGE ? g->limit : HB_PAGE;
    g->size = size;
    g->item = item;
    g->end = end;
    g->first = true;
    j->state = g;
    j->next = all_read;
    job_get(j, job_path(j, "%soffset=0&limit=%zu", g->path, g->step), first_page, 0);
}

void job_device_pages(struct job *j, const char *path, size_t limit, page_item item, page_end end)
{
    j->scan = scan_page;
    job_pages(j, path, limit, sizeof(struct device), item, end);
}
