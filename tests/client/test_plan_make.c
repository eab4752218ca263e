/* A plan that is made of words: which release, which devices, what they bear. Ids are raw bytes all the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include "client/plan_make.h"

/* Blanks, characters of query languages, of JSON and of terminals, capitals that differ, and none of the C locale. */
static const char *const IDS[] = {"a b",
                                  " lead",
                                  "trail ",
                                  "quo\"te",
                                  "star*",
                                  "back\\slash",
                                  "%41",
                                  "new\nline",
                                  "\x1b[31m",
                                  "caf\xc3\xa9",
                                  ("bad\xff"
                                   "byte"),
                                  "A B",
                                  "tab\there",
                                  "-",
                                  "..",
                                  "a/b",
                                  "a,b",
                                  "a;b"};
enum { N_IDS = sizeof IDS / sizeof *IDS };

struct world {
    struct backend backend;
    struct backend_ops ops;
    size_t n;
    int releases;
    const char *asked_name;
    const char *equals, *installed;
    bool hides_release;
};

static void w_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                      struct release *out, backend_done done, void *ctx)
{
    struct world *w = (struct world *)b;
    struct err e = {0};
    struct reply r = {.err = NULL};
    assert_null(id);
    w->releases++;
    if (w->hides_release || strcmp(name, "a:b") != 0) {
        (void)err_set(&e, ERR_NOT_FOUND, "", "none");
        r.err = &e;
    } else {
        *out = (struct release){"17", arena_strdup(a, name), arena_strdup(a, version), 0};
    }
    done(ctx, &r);
}

static void w_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                      struct device_list *out, backend_done done, void *ctx)
{
    struct world *w = (struct world *)b;
    assert_int_equal(limit, PLAN_DEVICES_MAX + 1);
    w->equals = f && f->n_equals == 1 ? arena_printf(a, "%s=%s", f->equals[0][0], f->equals[0][1]) : "";
    w->installed = f && f->installed ? f->installed->version : "";
    out->v = ARENA_ARRAY(a, struct device, w->n + 1);
    out->n = w->n;
    for (size_t i = 0; i < w->n; i++)
        out->v[i].raw_id = i < N_IDS ? arena_strdup(a, IDS[i]) : arena_printf(a, "d%zu", i);
    done(ctx, &(struct reply){.err = NULL});
}

/* Every other one is of "x", the last of nobody knows what. */
static void w_attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys,
                         size_t n_keys, size_t limit, bool exact, struct arena *a, struct attribute_table *out,
                         backend_done done, void *ctx)
{
    static const char *names[] = {"x", "y"};
    (void)b;
    (void)limit;
    (void)keys;
    assert_false(exact);
    *out = (struct attribute_table){ARENA_ARRAY(a, int32_t, n * n_keys), n, n_keys, names, 2};
    for (size_t i = 0; i < n; i++) {
        if (n <= N_IDS)
            assert_string_equal(raw_ids[i], IDS[i]);
        for (size_t k = 0; k < n_keys; k++)
            out->v[i * n_keys + k] = i + 1 == n ? -1 : (int32_t)(i % 2);
    }
    done(ctx, &(struct reply){.err = NULL});
}

static void w_tell(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n, const char *key,
                   struct arena *a, struct tell_result *out, backend_done done, void *ctx)
{
    (void)b, (void)r, (void)raw_ids, (void)n, (void)key, (void)a, (void)out, (void)done, (void)ctx;
    fail_msg("nobody is told while a plan is made");
}

static void w_standing(struct backend *b, const struct release *r, const char *const *raw_ids, size_t n,
                       struct arena *a, struct device_standing *out, backend_done done, void *ctx)
{
    (void)b, (void)r, (void)raw_ids, (void)n, (void)a, (void)out, (void)done, (void)ctx;
    fail_msg("where they stand is not asked while a plan is made");
}

static void world_init(struct world *w, size_t n)
{
    *w = (struct world){.n = n,
                        .ops = {.release = w_release,
                                .devices = w_devices,
                                .attributes = w_attributes,
                                .tell = w_tell,
                                .standing = w_standing}};
    w->backend.ops = &w->ops;
}

struct answer {
    int n;
    struct err err;
};

static void done(void *ctx, const struct reply *r)
{
    struct answer *o = ctx;
    o->n++;
    o->err = r->err ? *r->err : (struct err){0};
}

static struct answer make(struct world *w, const char *target, const char *strata, const struct plan_named *named,
                          struct arena *a, struct wave_plan *out)
{
    struct plan_wish wish = {.number = 1};
    struct answer o = {0};
    snprintf(wish.word[PLAN_F_RELEASE], PLAN_WORD_BYTES, "a:b:1:2");
    snprintf(wish.word[PLAN_F_TARGET], PLAN_WORD_BYTES, "%s", target);
    snprintf(wish.word[PLAN_F_WAVES], PLAN_WORD_BYTES, "2,rest");
    snprintf(wish.word[PLAN_F_STRATA], PLAN_WORD_BYTES, "%s", strata);
    plan_make(&w->backend, &wish, named, 7, 8, a, out, done, &o);
    assert_int_equal(o.n, 1);
    return o;
}

/* Every id comes through, byte for byte, also through the plan's own text; and what is shown of it is safe. */
static void ids_are_bytes(void **state)
{
    struct world w;
    struct arena a;
    struct wave_plan p, again;
    struct buf b;
    struct err e = {0};
    (void)state;
    arena_init(&a);
    world_init(&w, N_IDS);
    assert_int_equal(make(&w, "all", "hw", NULL, &a, &p).err.code, ERR_NONE);
    assert_int_equal(w.releases, 2); /* "a:b:1" and "2" first: both may hold colons */
    assert_string_equal(p.release.name, "a:b");
    assert_string_equal(p.release.version, "1:2");
    assert_string_equal(p.name, "a:b 1:2");
    assert_int_equal(p.n, N_IDS);
    assert_int_equal(p.n_strata, 2);
    buf_init(&b, PLAN_BYTES_MAX);
    assert_true(plan_write(&p, &b, &e));
    assert_true(plan_read(&again, b.data, b.len, &a, &e));
    for (size_t i = 0; i < N_IDS; i++) {
        size_t at = 0;
        while (at < N_IDS && strcmp(again.raw_ids[at], IDS[i]) != 0)
            at++;
        assert_true(at < N_IDS);
    }
    assert_true(plan_picked(&again));
    for (size_t i = 0; i < p.n_waves; i++) {
        buf_clear(&b);
        plan_ids_text(&p, i, N_IDS, &b);
        plan_strata_text(&p, i, &b);
        assert_null(strchr(b.data, '\x1b'));
        assert_null(strchr(b.data, '\n'));
        assert_null(strchr(b.data, '\xff'));
    }
    buf_release(&b);
    arena_release(&a);
}

static void targets_are_asked_for(void **state)
{
    struct world w;
    struct arena a;
    struct wave_plan p;
    (void)state;
    arena_init(&a);
    world_init(&w, 5);
    assert_int_equal(make(&w, "site=north wing", "", NULL, &a, &p).err.code, ERR_NONE);
    assert_string_equal(w.equals, "site=north wing");
    assert_int_equal(make(&w, "release:a:b:0:9", "", NULL, &a, &p).err.code, ERR_NONE);
    assert_string_equal(w.installed, "0:9");
    assert_string_equal(p.release.version, "1:2");
    struct plan_named named = {IDS, 3};
    assert_int_equal(make(&w, "file:/x", "", &named, &a, &p).err.code, ERR_NONE);
    assert_int_equal(p.n, 3);
    assert_int_equal(make(&w, "file:/x", "", NULL, &a, &p).err.code, ERR_SYNTAX);
    arena_release(&a);
}

static void what_cannot_be_made_is_said(void **state)
{
    struct world w;
    struct arena a;
    struct wave_plan p;
    (void)state;
    arena_init(&a);
    world_init(&w, 0);
    assert_int_equal(make(&w, "all", "", NULL, &a, &p).err.code, ERR_NOT_FOUND);
    w.n = PLAN_DEVICES_MAX + 1;
    assert_int_equal(make(&w, "all", "", NULL, &a, &p).err.code, ERR_LIMIT);
    w.n = 5;
    w.hides_release = true;
    assert_int_equal(make(&w, "all", "", NULL, &a, &p).err.code, ERR_NOT_FOUND);
    w.hides_release = false;
    w.ops.attributes = NULL;
    assert_int_equal(make(&w, "all", "hw", NULL, &a, &p).err.code, ERR_UNSUPPORTED);
    assert_int_equal(make(&w, "all", "", NULL, &a, &p).err.code, ERR_NONE);
    w.ops.tell = NULL;
    assert_int_equal(make(&w, "all", "", NULL, &a, &p).err.code, ERR_UNSUPPORTED);
    struct plan_named twice = {(const char *const[]){"x y", "x y", "z"}, 3};
    w.ops.tell = w_tell;
    assert_int_equal(make(&w, "file:/x", "", &twice, &a, &p).err.code, ERR_RANGE);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ids_are_bytes), cmocka_unit_test(targets_are_asked_for),
                                       cmocka_unit_test(what_cannot_be_made_is_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
