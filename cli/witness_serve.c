#include "cli/witness_serve.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "audit/heir.h"
#include "audit/mirror.h"
#include "audit/witness.h"
#include "web/web.h"

struct witness_serve {
    struct web *web;
    struct witness *witness; /* of the server's thread, once it runs */
    witness_told *told;
    void *ctx;
    atomic_int forks;
};

static void plain(struct web_answer *out, int status, const char *text)
{
    out->status = status;
    buf_adds(&out->body, text);
}

/* `next`: of the log of this hash, what it goes on in; NULL: a checkpoint. */
static void add(struct witness_serve *w, const struct web_request *r, const char *next, struct web_answer *out)
{
    static const struct {
        const char *level, *event;
    } word[] = {[WITNESS_QUIET] = {"error", "witness"},
                [WITNESS_ANEW] = {"warning", "witness-anew"},
                [WITNESS_FOLLOWS] = {"info", "witness-follows"},
                [WITNESS_FORK] = {"error", "fork"},
                [WITNESS_FAILED] = {"error", "witness"}};
    struct witness_answer a = {.type = ""};

    buf_init(&a.body, WITNESS_BODY_MAX);
    if (next)
        witness_next(w->witness, next, r->body, &a);
    else
        witness_add(w->witness, r->body, &a);
    out->status = a.status;
    out->type = a.type;
    buf_add(&out->body, a.body.data, a.body.len);
    buf_release(&a.body);
    if (a.word == WITNESS_FORK)
        atomic_fetch_add(&w->forks, 1);
    if (*a.told && w->told)
        w->told(w->ctx, word[a.word].level, word[a.word].event, a.told);
}

/* "/HASH/what" */
static const char *split(const char *path, char hash[65])
{
    if (strlen(path) < 66 || path[65] != '/')
        return NULL;
    memcpy(hash, path + 1, 64);
    hash[64] = '\0';
    return path + 66;
}

/* What is kept of the entries (audit/mirror.h). */
static void mirrored(struct witness_serve *w, const struct web_request *r, const char *hash, const char *what,
                     struct web_answer *out)
{
    uint64_t size;
    uint8_t root[32];
    struct slice from = slice_of(what), note = {NULL, 0};
    struct mirror *m = witness_mirror(w->witness, hash, &size, root, &note);
    int64_t n;
    bool found = true;

    out->type = "application/octet-stream";
    if (slice_starts(from, "entries/"))
        from = (struct slice){from.p + 8, from.n - 8};
    if (!m)
        found = false;
    else if (r->post && strcmp(what, "entries") == 0)
        out->status = mirror_add(m, r->body, size, root, note, &out->body);
    else if (r->post && strcmp(what, "blob") == 0)
        out->status = mirror_put_blob(m, r->body);
    else if (!r->post && strcmp(what, "mirror") == 0)
        buf_printf(&out->body, "%llu\n", (unsigned long long)mirror_size(m));
    else if (!r->post && strcmp(what, "mirrored") == 0)
        found = mirror_note(m, &out->body);
    else if (!r->post && strcmp(what, "missing") == 0)
        mirror_missing(m, NULL, &out->body);
    else if (!r->post && strncmp(what, "missing/", 8) == 0)
        mirror_missing(m, what + 8, &out->body);
    else if (!r->post && from.p != what && slice_int(from, &n) && n >= 0)
        out->status = mirror_lines(m, (uint64_t)n, &out->body) ? 200 : 500;
    else if (!r->post && strncmp(what, "blob/", 5) == 0)
        found = mirror_blob(m, what + 5, &out->body);
    else
        found = false;
    if (!found)
        plain(out, 404, "nothing of such a log is mirrored here\n");
}

static void on_request(void *ctx, const struct web_request *r, struct web_answer *out)
{
    struct witness_serve *w = ctx;
    char hash[65];
    const char *what = split(r->path, hash);

    if (strcmp(r->path, "/add-checkpoint") == 0) {
        if (r->post)
            add(w, r, NULL, out);
        else
            plain(out, 405, "it is posted\n");
    } else if (!what) {
        plain(out, 404, "there are /add-checkpoint and /HASH/checkpoint\n");
    } else if (r->post && strcmp(what, "next") == 0) {
        add(w, r, hash, out);
    } else if (r->post || strcmp(what, "checkpoint") != 0) {
        mirrored(w, r, hash, what, out);
    } else if (!witness_checkpoint(w->witness, hash, &out->body)) {
        plain(out, 404, "nothing of such a log was cosigned here\n");
    }
}

/* Only what a mirrored log is sent may be long, and two entries with their proofs. */
static size_t post_of(void *ctx, const char *path)
{
    struct witness_serve *w = ctx;
    uint64_t size;
    uint8_t root[32];
    struct slice note;
    char hash[65];
    const char *what = split(path, hash);
    if (what && strcmp(what, "next") == 0)
        return HEIR_MAX;
    bool large = what && (strcmp(what, "entries") == 0 || strcmp(what, "blob") == 0);

    return large && witness_mirror(w->witness, hash, &size, root, &note) ? MIRROR_POST : WITNESS_BODY_MAX;
}

struct witness_serve *witness_serve_open(const struct session *s, witness_told *told, void *ctx, struct err *e)
{
    const struct witness_conf *c = &s->config.witness;
    struct witness_spec spec;
    struct web_spec web = {.at = c->listen,
                           .post_max = c->mirror ? MIRROR_POST : HEIR_MAX,
                           .post_of = post_of,
                           .cert_file = c->cert,
                           .key_file = c->tls_key};
    struct witness_serve *w;

    if (!*c->listen || c->n_logs == 0) {
        err_set(e, ERR_SYNTAX, "witness: {listen: ADDR:PORT, logs: [VKEY]}; `andon audit head` prints a log's VKEY.",
                "the configuration does not say %s",
                *c->listen ? "which logs are witnessed" : "where a witness listens");
        return NULL;
    }
    w = xcalloc(1, sizeof *w);
    w->told = told;
    w->ctx = ctx;
    session_witness_spec(s, &spec);
    w->witness = witness_open(&spec, e);
    if (w->witness)
        w->web = web_open(&web, on_request, w, e);
    if (w->web)
        return w;
    witness_serve_close(w);
    return NULL;
}

void witness_serve_close(struct witness_serve *w)
{
    if (!w)
        return;
    web_close(w->web);
    witness_close(w->witness);
    free(w);
}

const char *witness_serve_address(const struct witness_serve *w)
{
    return web_address(w->web);
}

const char *witness_serve_vkey(const struct witness_serve *w)
{
    return witness_vkey(w->witness);
}

int witness_serve_forks(struct witness_serve *w)
{
    return atomic_load(&w->forks);
}
