#include "world.h"

#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

void world_begin(struct world *w)
{
    *w = (struct world){.dir = "/tmp/andon-intel.XXXXXX", .state = "/tmp/andon-store.XXXXXX", .now = WORLD_NOW};
    assert_non_null(mkdtemp(w->dir));
    assert_non_null(mkdtemp(w->state));
    snprintf(w->db, sizeof w->db, "%s/intel.db", w->state);
    arena_init(&w->a);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void remove_all(const char *dir)
{
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void world_end(struct world *w)
{
    arena_release(&w->a);
    remove_all(w->dir);
    remove_all(w->state);
}

void world_bytes(struct world *w, const char *path, const void *bytes, size_t n)
{
    char full[300];
    snprintf(full, sizeof full, "%s/%s", w->dir, path);
    for (char *p = full + strlen(w->dir) + 1; *p; p++)
        if (*p == '/') {
            *p = '\0';
            mkdir(full, 0700);
            *p = '/';
        }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

void world_file(struct world *w, const char *path, const char *text)
{
    const char *json = world_json(w, text);
    world_bytes(w, path, json, strlen(json));
}

void world_remove(struct world *w, const char *path)
{
    char full[300];
    snprintf(full, sizeof full, "%s/%s", w->dir, path);
    assert_int_equal(unlink(full), 0);
}

static void say(void *ctx, enum intel_outcome what, const struct intel_source *s, const struct err *err)
{
    static const char *const words[] = {"imported", "unchanged", "refused", "missing", "ignored"};
    struct world *w = ctx;
    size_t n = strlen(w->said);
    snprintf(w->said + n, sizeof w->said - n, "%s %s%s%s%s%s\n", words[what], s->name, *s->note ? " " : "", s->note,
             err ? ": " : "", err ? err->what : "");
}

size_t world_import(struct world *w)
{
    struct err e = {0};
    struct intel_store *s = intel_open(w->db, true, &e);
    struct intel_import spec = {.folder = w->dir, .now = w->now, .force = w->force, .say = say, .ctx = w};
    size_t refused = 0;
    w->said[0] = '\0';
    if (!s)
        fail_msg("%s: %s", e.what, e.cause);
    if (!intel_import(s, &spec, &refused, &e))
        fail_msg("%s: %s", e.what, e.cause);
    intel_close(s);
    return refused;
}

struct intel_store *world_open(struct world *w)
{
    struct err e = {0};
    struct intel_store *s = intel_open(w->db, false, &e);
    if (!s)
        fail_msg("%s: %s", e.what, e.cause);
    return s;
}

const char *world_json(struct world *w, const char *text)
{
    char *s = arena_strdup(&w->a, text);
    for (char *p = s; *p; p++)
        if (*p == '\'')
            *p = '"';
    return s;
}
