#include "cli/audit_fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/cosign.h"
#include "audit/key.h"
#include "audit/mirror.h"
#include "audit/rebuild.h"
#include "cli/audit_witness.h"
#include "client/http.h"
#include "core/clock.h"
#include "core/fmt.h"

#define ASK_US (30 * US_PER_S)

/* One question after the other to one witness. */
struct source {
    struct http *http;
    struct http_peer *peer;
    char hash[SHA256_HEX];
    bool done;
    int status;
    struct buf body;
    struct err err;
};

static void on_answer(void *ctx, const struct http_answer *a)
{
    struct source *s = ctx;

    s->done = true;
    s->status = a->status;
    if (a->err)
        s->err = *a->err;
    buf_add(&s->body, a->body.len ? a->body.data : "", a->body.len);
}

/* False with s->err: no answer of 200. */
static bool ask(struct source *s, const char *what)
{
    int64_t until = clock_now(clock_real()) + ASK_US;
    char path[200];

    snprintf(path, sizeof path, "/%s/%s", s->hash, what);
    s->done = false;
    s->status = 0;
    buf_clear(&s->body);
    err_clear(&s->err);
    http_send(s->peer, "GET", path, NULL, 2 * MIRROR_POST, HTTP_SAFE, on_answer, s);
    while (!s->done && clock_now(clock_real()) < until)
        http_run(s->http, -1, until, 0);
    if (s->status == 200)
        return true;
    if (s->err.code == ERR_NONE)
        err_set(&s->err, s->status == 404 ? ERR_NOT_FOUND : ERR_PROTOCOL, "", "%s %s", http_peer_name(s->peer),
                s->status == 404 ? "has no entries of this log" : "does not answer as it should");
    return false;
}

/* The log's key: named, or that of the configured log's key file. */
static bool log_vkey(const struct args *a, const struct session *s, char out[VKEY_MAX], struct err *e)
{
    uint8_t pub[KEY_PUBLIC_LEN];
    char name[128];
    struct note_key k;
    struct key *key;

    if (a->val[OPT_VKEY]) {
        snprintf(out, VKEY_MAX, "%s", a->val[OPT_VKEY]);
        return note_key_parse(&k, out, e);
    }
    key = key_load(s->key, e);
    if (!key)
        return err_set(e, ERR_NOT_FOUND, "Name the log's key: --vkey, as `andon audit head` printed it.",
                       "whose log it is cannot be known: the key %.150s is not to be had", s->key);
    key_public(key, pub);
    key_free(key);
    audit_witness_name(s, name);
    if (!note_key_init(&k, name, pub, e))
        return false;
    memcpy(out, k.vkey, VKEY_MAX);
    return true;
}

static bool fill(struct source *s, struct rebuild *r, size_t *left_out)
{
    const char *name;
    char what[100];

    while (rebuild_size(r) < rebuild_whole(r)) {
        uint64_t before = rebuild_size(r);

        snprintf(what, sizeof what, "entries/%llu", (unsigned long long)before);
        if (!ask(s, what) || !rebuild_lines(r, (struct slice){s->body.data, s->body.len}, &s->err))
            return false;
        if (rebuild_size(r) == before)
            return err_set(&s->err, ERR_PROTOCOL, "", "%s gives no entries after %llu", http_peer_name(s->peer),
                           (unsigned long long)before);
    }
    for (size_t i = 0; (name = rebuild_named(r, i)); i++) {
        snprintf(what, sizeof what, "blob/%s", name);
        if (ask(s, what) ? !rebuild_blob(r, (struct slice){s->body.data, s->body.len}, &s->err) : s->status != 404)
            return false;
        *left_out += s->status == 404;
    }
    return true;
}

/* From this witness; false with *e. */
static bool from(const struct witness_by *by, const char *vkey, const char *path, size_t *left_out, struct err *e)
{
    struct source s = {.http = http_new(clock_real(), random_seed())};
    struct cosigner w = {.v = NULL};
    struct note_key k;
    struct checkpoint c;
    struct slice body, lines;
    struct rebuild *r = NULL;
    int64_t t;
    bool ok = note_key_parse(&k, vkey, &s.err) && cosigner_open(&w, by->key, &s.err) &&
              (s.peer = http_peer_new(s.http, &by->endpoint, 1, &s.err)) != NULL;

    buf_init(&s.body, 2 * MIRROR_POST);
    *left_out = 0;
    if (ok) {
        sha256_hex(k.name, strlen(k.name), s.hash);
        ok = ask(&s, "mirrored");
    }
    if (ok && (!note_split(s.body.data, s.body.len, &c, &body, &lines) || !cosign_check(&w, body, lines, NULL, &t)))
        ok = err_set(&s.err, ERR_TAMPERED, "", "%s: what it shows is not signed by the witness %.80s",
                     http_peer_name(s.peer), w.key.name);
    ok = ok && (r = rebuild_begin(path, (struct slice){s.body.data, s.body.len}, vkey, &s.err)) != NULL;
    if (ok && fill(&s, r, left_out))
        ok = rebuild_end(r, &s.err);
    else if (r)
        rebuild_drop(r), ok = false;
    if (!ok)
        *e = s.err;
    s.done = true;
    http_peer_free(s.peer);
    http_free(s.http);
    cosigner_close(&w);
    buf_release(&s.body);
    return ok;
}

int audit_fetch(const struct args *a, const struct session *s)
{
    const struct witness_conf *w = &s->config.witness;
    struct audit_report r = {0};
    struct err e = {0};
    char vkey[VKEY_MAX];
    size_t left_out = 0;
    bool ok = false;

    if (!log_vkey(a, s, vkey, &e))
        return print_err(a, &e);
    err_set(&e, ERR_NOT_FOUND, "witness: by: with mirror: true, in andon-config(5).",
            "the configuration names no witness that keeps entries");
    for (size_t i = 0; s->configured && i < w->n_by && !ok; i++)
        if (w->by[i].mirror)
            ok = from(&w->by[i], vkey, a->pos[2], &left_out, &e);
    if (!ok)
        return print_err(a, &e);
    if (!audit_verify(&(struct audit_spec){.db_path = a->pos[2], .witnesses = s->witness_keys, .n_witnesses = w->n_by},
                      vkey, &r, &e))
        return print_err(a, &e);
    if (a->json) {
        struct json_out o;

        json_begin(&o);
        json_w_kstr(&o.w, "log", a->pos[2]);
        json_w_kint(&o.w, "entries", r.entries);
        json_w_kint(&o.w, "blobs_missing", (int64_t)left_out);
        json_w_kbool(&o.w, "verified", r.ok);
        json_w_kstr(&o.w, "text", r.text);
        json_end(&o);
    } else {
        printf("fetched %lld entries to %s", (long long)r.entries, a->pos[2]);
        if (left_out > 0)
            printf("; the witness has not kept %zu blobs that they name", left_out);
        printf("\n%s\n", r.text);
    }
    return r.ok ? EXIT_OK : EXIT_FAILED;
}
