#include "cli/audit_witness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/cosign.h"
#include "audit/growth.h"
#include "audit/key.h"
#include "audit/receipts.h"
#include "audit/seen.h"
#include "client/http.h"
#include "core/clock.h"
#include "core/fmt.h"

#define ASK_US     (5 * US_PER_S)
#define ANSWER_MAX ((size_t)16 << 10)

struct asked {
    bool done;
    int status;
    struct buf body;
    struct err err;
};

static void on_answer(void *ctx, const struct http_answer *a)
{
    struct asked *q = ctx;

    if (q->done) /* given up */
        return;
    q->done = true;
    q->status = a->status;
    if (a->err)
        q->err = *a->err;
    buf_add(&q->body, a->body.len ? a->body.data : "", a->body.len);
}

static void ask(const struct witness_by *by, const char *origin, struct asked *q)
{
    struct http *h = http_new(clock_real(), random_seed());
    struct http_peer *p = http_peer_new(h, &by->endpoint, 1, &q->err);
    int64_t until = clock_now(clock_real()) + ASK_US;
    char hash[SHA256_HEX], path[100];

    sha256_hex(origin, strlen(origin), hash);
    snprintf(path, sizeof path, "/%s/checkpoint", hash);
    if (p) {
        http_send(p, "GET", path, NULL, ANSWER_MAX, 0, on_answer, q);
        while (!q->done && clock_now(clock_real()) < until)
            http_run(h, -1, until, 0);
        if (!q->done)
            err_set(&q->err, ERR_TIMEOUT, "", "%s has not answered within 5 s", http_peer_name(p));
        q->done = true; /* what is cancelled below says nothing new */
    }
    http_peer_free(p);
    http_free(h);
}

static void add_note(char *note, size_t size, const char *name, const char *why)
{
    size_t n = strlen(note);

    snprintf(note + n, size - n, "%switness %.60s: %.200s", n ? "; " : "", name, why);
}

/* The root of the first n entries of the log. */
static bool root_at(const struct audit_spec *spec, uint64_t n, uint8_t root[HASH_LEN], struct err *e)
{
    struct audit_spec look = *spec;
    struct audit_log *l;
    struct tree t;
    bool ok;

    look.read_only = true;
    l = audit_open(&look, e);
    tree_init(&t);
    ok = l && growth_tree(l, n, &t, e);
    tree_root(&t, root);
    audit_close(l);
    return ok;
}

static void contradicted(struct audit_report *r, const char *name, const struct checkpoint *c, int64_t t)
{
    char hex[HASH_HEX], at[FMT_MAX];

    hex_encode(hex, c->root, HASH_LEN);
    r->ok = false;
    r->bad_seq = (int64_t)c->size > r->entries ? r->entries + 1 : 0;
    snprintf(r->text, sizeof r->text,
             "TAMPERED: %s: witness %.60s signed %" PRIu64 " entries with root %.16s... at %s; here are %" PRId64
             " with root %.16s...",
             (int64_t)c->size > r->entries ? "the log was put back to an older state" : "the log was rewritten", name,
             c->size, hex, fmt_iso(at, t * US_PER_S), r->entries, r->root);
}

static void agreed(struct audit_report *r, const char *name, const struct checkpoint *c)
{
    char words[240], rest[200] = "";
    const char *tail = strstr(r->text, "): ");

    r->unwitnessed = false;
    r->witnesses = r->witnesses ? r->witnesses : 1;
    if ((int64_t)c->size >= r->witnessed) {
        r->witnessed = (int64_t)c->size;
        r->witnessed_t = clock_wall(clock_real()); /* it says so now */
        snprintf(r->witness, sizeof r->witness, "%s", name);
    }
    if (!tail)
        return;
    snprintf(rest, sizeof rest, "%s", tail);
    receipts_words(r, clock_wall(clock_real()), words, sizeof words);
    snprintf(r->text, sizeof r->text, "OK (%s%.170s", words, rest);
}

static void judge(const struct audit_spec *spec, const struct cosigner *w, const struct asked *q,
                  struct audit_report *r, char *note, size_t size)
{
    struct checkpoint c;
    struct slice body, lines;
    struct note_key key;
    struct verifier *v = NULL;
    struct err e = {0};
    uint8_t root[HASH_LEN];
    int64_t t = 0;

    if (!note_key_parse(&key, r->vkey, &e) || !(v = verifier_new(key.pub, &e)) ||
        !note_open(q->body.data, q->body.len, &key, v, &c, &e) ||
        !note_split(q->body.data, q->body.len, &c, &body, &lines) || !cosign_check(w, body, lines, NULL, &t))
        add_note(note, size, w->key.name, "what it shows is not signed by it and by this log");
    else if ((int64_t)c.size > r->entries)
        contradicted(r, w->key.name, &c, t);
    else if (!root_at(spec, c.size, root, &e))
        add_note(note, size, w->key.name, e.what);
    else if (memcmp(root, c.root, HASH_LEN) != 0)
        contradicted(r, w->key.name, &c, t);
    else
        agreed(r, w->key.name, &c);
    verifier_free(v);
}

void audit_witness_ask(const struct session *s, const struct audit_spec *spec, struct audit_report *r, char *note,
                       size_t size)
{
    const struct witness_conf *w = &s->config.witness;

    note[0] = '\0';
    for (size_t i = 0; s->configured && r->ok && i < w->n_by; i++) {
        struct asked q = {.status = 0};
        struct cosigner c;

        if (!cosigner_open(&c, w->by[i].key, NULL))
            continue;
        buf_init(&q.body, ANSWER_MAX);
        ask(&w->by[i], r->origin, &q);
        if (q.status == 200)
            judge(spec, &c, &q, r, note, size);
        else
            add_note(note, size, c.key.name,
                     q.status == 404 ? "it has signed nothing of this log"
                     : *q.err.what   ? q.err.what
                                     : "no answer");
        buf_release(&q.body);
        cosigner_close(&c);
    }
}

/* Does the note bear the names of both? The log's key may be lost with it. */
static bool is_head(const struct session *s, const struct cosigner *w, const struct asked *q, struct seen *out)
{
    struct slice body, lines;
    struct key *key = key_load(s->key, NULL);
    struct note_key k;
    uint8_t pub[KEY_PUBLIC_LEN];
    int64_t t;
    bool ok = q->status == 200 && q->body.len <= sizeof out->note &&
              note_split(q->body.data, q->body.len, &out->head, &body, &lines) &&
              cosign_check(w, body, lines, NULL, &t);

    if (ok && key) {
        struct verifier *v;

        key_public(key, pub);
        v = note_key_init(&k, out->head.origin, pub, NULL) ? verifier_new(pub, NULL) : NULL;
        ok = v && note_open(q->body.data, q->body.len, &k, v, &out->head, NULL);
        verifier_free(v);
    }
    key_free(key);
    if (!ok)
        return false;
    memcpy(out->note, q->body.data, q->body.len);
    out->note_n = q->body.len;
    out->at = t * US_PER_S;
    snprintf(out->where, sizeof out->where, "%s", w->key.name);
    return true;
}

/* The name that the log has, or had when this host saw it last, or that it would be given. */
void audit_witness_name(const struct session *s, char out[128])
{
    struct audit_spec look = s->audit;
    struct audit_head h;
    struct audit_log *l;

    look.read_only = true;
    l = audit_open(&look, NULL);
    if ((l && audit_head(l, &h, NULL)) || audit_last_seen(&s->audit, &h))
        snprintf(out, 128, "%s", h.origin);
    else
        snprintf(out, 128, "%.127s", s->origin);
    audit_close(l);
}

/* "andon/host/2" is the second file of "andon/host", where that is what the log was named; its first is 1. */
static int file_of(const char *name, const char *origin, char base[128])
{
    size_t n = strlen(origin);
    int64_t k = 0;
    bool later = n > 0 && strncmp(name, origin, n) == 0 && name[n] == '/' && slice_int(slice_of(name + n + 1), &k) &&
                 k > 1 && k < 100000;

    snprintf(base, 128, "%.127s", later ? origin : name);
    return later ? (int)k : 1;
}

bool audit_witness_find(const struct session *s, struct seen *out)
{
    const struct witness_conf *w = &s->config.witness;
    char known[128], first[128], name[160];
    int from, file = 0; /* of the log, that *out is of */
    bool any = false;

    audit_witness_name(s, known);
    from = file_of(known, s->origin, first);
    for (size_t i = 0; s->configured && i < w->n_by; i++) {
        struct cosigner c;
        bool more = cosigner_open(&c, w->by[i].key, NULL), opened = more;

        for (int k = from; more; k++) { /* of the same log, the later file has the later entries */
            struct asked q = {.status = 0};
            struct seen one;

            snprintf(name, sizeof name, k > 1 ? "%s/%d" : "%s", first, k);
            buf_init(&q.body, ANSWER_MAX);
            ask(&w->by[i], name, &q);
            more = is_head(s, &c, &q, &one) && strcmp(one.head.origin, name) == 0;
            if (more && (!any || k > file || (k == file && one.head.size > out->head.size))) {
                *out = one;
                file = k;
                any = true;
            }
            buf_release(&q.body);
        }
        if (opened)
            cosigner_close(&c);
    }
    return any;
}

void audit_witness_missed(const struct session *s, struct err *e)
{
    struct seen told;
    char at[FMT_MAX];

    if (audit_witness_find(s, &told))
        err_set(e, ERR_TAMPERED, "put it back; where it cannot be had, `andon audit fetch` or `andon audit recover`",
                "there is no audit log at %.100s, and a log of %" PRIu64 " entries was here, says witness %.60s (%s)",
                s->db, told.head.size, told.where, fmt_iso(at, told.at));
}

void audit_witness_head(struct audit_log *l, const struct args *a, struct json_w *w)
{
    struct audit_query q = {.kind = "receipt", .newest_first = true, .limit = RECEIPTS_MAX};
    struct stored *v = NULL;
    struct arena arena;
    size_t n = 0;
    char ago[FMT_MAX];

    arena_init(&arena);
    if (!audit_query(l, &q, &arena, &v, &n, NULL))
        n = 0;
    if (a->json) {
        json_w_key(w, "receipts");
        json_w_arr(w);
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = stored_field(&v[i], "witness"), *size = stored_field(&v[i], "size");
        bool newer = false;

        for (size_t k = 0; k < i; k++)
            newer = newer || strcmp(stored_field(&v[k], "witness"), name) == 0;
        if (newer || !*name)
            continue;
        if (a->json) {
            json_w_obj(w);
            json_w_kstr(w, "witness", name);
            json_w_kint(w, "size", strtoll(size, NULL, 10));
            json_w_ktime(w, "time", v[i].t);
            json_w_kint(w, "entry", v[i].seq);
            json_w_obj_end(w);
        } else {
            printf("witnessed to entry %s by %s, %s ago (receipt: entry %lld)\n", size, name,
                   fmt_dur(ago, clock_wall(clock_real()) > v[i].t ? clock_wall(clock_real()) - v[i].t : 0),
                   (long long)v[i].seq);
        }
    }
    if (a->json)
        json_w_arr_end(w);
    else if (n == 0)
        printf("unwitnessed: a roll back of the file is not excluded\n");
    arena_release(&arena);
}
