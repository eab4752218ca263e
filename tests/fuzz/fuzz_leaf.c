/* A line of the log: what the reader accepts is JSON, and written again it is the same bytes; and what is told of it,
 * in words, to other programs and on a page, can be shown. */
#include "fuzz.h"

#include <string.h>
#include "audit/leaf.h"
#include "audit/page.h"
#include "audit/stream.h"
#include "audit/words.h"
#include "core/entry.h"
#include "core/json.h"

struct pair {
    const char *key;
    const struct json_t *value;
};

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static void write_again(struct json_w *w, const struct json_t *v);

static void write_object(struct json_w *w, const struct json_t *o)
{
    struct pair *v = NULL;
    size_t n = 0;
    void *it = NULL;
    const char *key;
    const struct json_t *value;
    while (json_each(o, &it, &key, &value)) {
        v = realloc(v, (n + 1) * sizeof *v);
        v[n++] = (struct pair){key, value};
    }
    if (n)
        qsort(v, n, sizeof *v, by_key);
    json_w_obj(w);
    for (size_t i = 0; i < n; i++) {
        json_w_key(w, v[i].key);
        write_again(w, v[i].value);
    }
    json_w_obj_end(w);
    free(v);
}

static void write_again(struct json_w *w, const struct json_t *v)
{
    double number;
    const char *s = json_str_value(v, NULL);
    if (s)
        json_w_str(w, s);
    else if (json_num_value(v, &number))
        json_w_int(w, (int64_t)number);
    else
        write_object(w, v);
}

/* One line each, with nothing in it that steers a terminal; a page whose only tags are its own. */
static void tell(const struct leaf *l, const struct stored *s, struct arena *a)
{
    static const uint8_t hash[32];
    struct buf out;
    must(fuzz_shown(entry_sentence(s, a)) && fuzz_shown(entry_source(s, a)) && fuzz_shown(entry_object(s, a)));
    for (size_t i = 0; stream_format_at(i); i++) {
        buf_init(&out, 1 << 24);
        stream_format_at(i)->entry(s, &out);
        must(!out.over && out.len > 1 && out.data[out.len - 1] == '\n');
        out.len -= out.data[out.len - 2] == '\r' ? 2 : 1;
        out.data[out.len] = '\0';
        must(fuzz_shown(out.data));
        buf_release(&out);
    }
    struct page *p = page_new(true);
    buf_init(&out, 1 << 24);
    page_head(p, &out);
    page_row(p, &out, l, hash);
    page_foot(p, &out);
    must(!out.over && !strstr(out.data, "<script"));
    page_free(p);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct leaf l;
    struct stored s;
    struct arena a;
    struct buf again;
    struct json_w w;
    struct err e = {0};
    static const uint8_t hash[32];
    const char *line = (const char *)data;
    if (n > ENTRY_MAX || !leaf_scan(line, n, &l))
        return 0;
    struct json_t *doc = json_parse(line, n, ENTRY_MAX, "leaf", &e);
    must(doc);
    buf_init(&again, 2 * ENTRY_MAX);
    json_w_init(&w, &again, 0);
    write_again(&w, doc);
    must(json_w_ok(&w) && again.len == n && memcmp(again.data, line, n) == 0);
    arena_init(&a);
    must(leaf_decode(line, n, hash, &a, &s));
    must(fuzz_shown(s.kind) && fuzz_shown(s.reason) && fuzz_shown(s.actor) && s.seq == l.seq && s.t == l.t);
    for (size_t i = 0; i < s.n_fields; i++)
        must(fuzz_shown(s.fields[i][0]) && fuzz_shown(s.fields[i][1]));
    tell(&l, &s, &a);
    arena_release(&a);
    buf_release(&again);
    json_free(doc);
    return 0;
}
