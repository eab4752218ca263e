#include "cli/pointers.h"

#include <stdio.h>
#include <string.h>
#include "cli/ask.h"
#include "core/clock.h"
#include "core/text.h"

#define KEY          "andon.sbom"
#define RELEASES_MAX 10000
#define ASK_US       (60 * US_PER_S)

struct asking {
    const struct fleet_spec *fleet;
    struct http *http;
    struct backend *b;
    struct pointers *to;
    struct release_list releases;
};

static bool wait_for(struct asking *k, struct ask *q, struct err *e)
{
    if (ask_wait(k->http, q, ASK_US))
        return true;
    *e = q->err;
    return false;
}

/* "sha256:" and 64 hexadecimal digits; what follows a ';' is for people. */
static bool digest_of(const struct note *n, char out[65])
{
    static const char head[] = "sha256:";
    size_t at = sizeof head - 1;
    if (!n->whole || n->n < at + 64 || memcmp(n->value, head, at) != 0 ||
        strspn(n->value + at, "0123456789abcdef") != 64 || (n->value[at + 64] && n->value[at + 64] != ';'))
        return false;
    memcpy(out, n->value + at, 64);
    out[64] = '\0';
    return true;
}

static void take(struct asking *k, const struct release *r, const struct note *n)
{
    struct pointers *p = k->to;
    struct pointer one = {.fleet = k->fleet->name, .release = arena_printf(&p->mem, "%s:%s", r->name, r->version)};
    if (!digest_of(n, one.sha256)) {
        fprintf(stderr, "andon: %s: " KEY " of %s is no \"sha256:\" with 64 digits of 0-9a-f; it is not used\n",
                k->fleet->name, one.release);
        return;
    }
    if (p->n == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 32;
        struct pointer *v = ARENA_ARRAY(&p->mem, struct pointer, cap);
        if (p->n > 0)
            memcpy(v, p->v, p->n * sizeof *v);
        p->v = v;
        p->cap = cap;
    }
    p->v[p->n++] = one;
}

static bool read_notes(struct asking *k, size_t from, size_t n, struct err *e)
{
    const char *ids[NOTE_RELEASES_MAX];
    struct note_list list = {0};
    struct ask q = {0};
    for (size_t i = 0; i < n; i++)
        ids[i] = k->releases.v[from + i].id;
    k->b->ops->notes(k->b, ids, n, KEY, &k->to->mem, &list, ask_done, &q);
    if (!wait_for(k, &q, e))
        return false;
    for (size_t i = 0; i < list.n; i++)
        for (size_t r = 0; r < n; r++)
            if (strcmp(list.v[i].key, KEY) == 0 && strcmp(list.v[i].release_id, ids[r]) == 0)
                take(k, &k->releases.v[from + r], &list.v[i]);
    return true;
}

static bool of_fleet(struct asking *k, struct err *e)
{
    struct ask q = {0};
    k->b = backend_open(k->http, k->fleet, e);
    if (!k->b)
        return false;
    if (!k->b->ops->notes || !k->b->ops->releases)
        return err_set(e, ERR_UNSUPPORTED, "Name the files NAME_VERSION.cdx.json.",
                       "%s: this server keeps no notes at releases", k->fleet->name);
    k->b->ops->releases(k->b, RELEASES_MAX, &k->to->mem, &k->releases, ask_done, &q);
    if (!wait_for(k, &q, e))
        return false;
    for (size_t at = 0; at < k->releases.n; at += NOTE_RELEASES_MAX) {
        size_t n = k->releases.n - at < NOTE_RELEASES_MAX ? k->releases.n - at : NOTE_RELEASES_MAX;
        if (!read_notes(k, at, n, e))
            return false;
    }
    return true;
}

bool pointers_ask(const struct args *a, const struct session *s, struct pointers *out)
{
    bool all = true;
    *out = (struct pointers){0};
    arena_init(&out->mem);
    for (size_t i = 0; i < s->config.n_fleets; i++) {
        struct asking k = {.fleet = &s->config.fleets[i], .to = out};
        struct err e = {0};
        k.http = http_new(clock_real(), random_seed());
        bool ok = of_fleet(&k, &e);
        backend_free(k.b);
        http_free(k.http);
        if (!ok && e.code == ERR_UNSUPPORTED)
            fprintf(stderr, "andon: %s\n", e.what);
        else if (!ok)
            print_err(a, &e);
        all = all && (ok || e.code == ERR_UNSUPPORTED);
    }
    return all;
}

void pointers_free(struct pointers *p)
{
    arena_release(&p->mem);
}

const char *pointers_of(void *ctx, const char *sha256, size_t i)
{
    struct pointers *p = ctx;
    for (size_t k = 0; k < p->n; k++) {
        if (strcmp(p->v[k].sha256, sha256) != 0)
            continue;
        p->v[k].used = true;
        if (i-- == 0)
            return p->v[k].release;
    }
    return NULL;
}

void pointers_unused(const struct pointers *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (!p->v[i].used)
            fprintf(stderr,
                    "andon: %s says that the SBOM of %s is sha256:%s: no file in sbom/ that needs it has that digest\n",
                    p->v[i].fleet, p->v[i].release, p->v[i].sha256);
}
