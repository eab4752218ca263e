/* The entries and blobs, for a witness that keeps them: after the head, never in its way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/mirror.h"
#include "engine/notary_impl.h"

#define PAUSE_US   (30 * US_PER_S)
#define ANSWER_MAX ((size_t)64 << 10)

static void again(struct desk *d, int64_t us)
{
    d->mirror.busy = false;
    d->mirror.at = clock_now(d->n->clock) + us;
}

/* Whatever it was: what the mirror has is asked anew, after a while. */
static void give_up(struct desk *d)
{
    d->mirror.known = false;
    again(d, PAUSE_US);
}

static bool cancelled(const struct http_answer *a)
{
    return a->err && a->err->code == ERR_CANCELLED;
}

static void on_size(void *ctx, const struct http_answer *a)
{
    struct desk *d = ctx;
    struct mirroring *m = &d->mirror;
    struct slice s = {a->body.data, a->body.len};
    int64_t n;
    m->busy = false;
    if (cancelled(a))
        return;
    bool ok = a->status == 200 && s.n > 1 && s.p[s.n - 1] == '\n' && slice_int((struct slice){s.p, s.n - 1}, &n) &&
              n >= 0 && n <= (int64_t)d->at.size;
    tree_init(&m->tree);
    if (!ok || !notary_log(d->n, NULL) || !growth_tree(d->n->log, (uint64_t)n, &m->tree, NULL)) {
        give_up(d);
        return;
    }
    m->known = m->look = true;
    m->after_blob[0] = '\0';
    again(d, 0);
}

static void on_batch(void *ctx, const struct http_answer *a)
{
    struct desk *d = ctx;
    struct mirroring *m = &d->mirror;
    m->busy = false;
    if (cancelled(a))
        return;
    if (a->status != 200) {
        give_up(d);
        return;
    }
    m->tree = m->after;
    m->look = true;
    m->after_blob[0] = '\0';
    again(d, 0);
}

static void send_batch(struct desk *d)
{
    struct mirroring *m = &d->mirror;
    struct buf body;
    buf_init(&body, 2 * MIRROR_BATCH);
    m->busy =
        notary_log(d->n, NULL) && growth_batch(d->n->log, &m->tree, d->at.size, MIRROR_BATCH, &body, &m->after, NULL);
    if (m->busy) {
        char path[100];
        snprintf(path, sizeof path, "/%s/entries", d->n->hash);
        http_send_bytes(d->peer, "POST", path, body.data, body.len, ANSWER_MAX, 0, on_batch, d);
    } else {
        give_up(d);
    }
    buf_release(&body);
}

static void on_missing(void *ctx, const struct http_answer *a)
{
    struct desk *d = ctx;
    struct mirroring *m = &d->mirror;
    struct slice s = {a->body.data, a->body.len}, line;
    m->busy = false;
    m->n = m->next = 0;
    if (cancelled(a))
        return;
    if (a->status != 200) {
        give_up(d);
        return;
    }
    while (m->n < MIRROR_NAMES && note_next_line(&s, &line)) {
        if (line.n != SHA256_HEX - 1)
            continue;
        m->missing = xreallocarray(m->missing, m->n + 1, sizeof *m->missing);
        memcpy(m->missing[m->n], line.p, line.n);
        m->missing[m->n++][line.n] = '\0';
    }
    /* There may be more behind these, whatever becomes of them. */
    m->look = m->n == MIRROR_NAMES;
    snprintf(m->after_blob, sizeof m->after_blob, "%s", m->look ? m->missing[m->n - 1] : "");
    again(d, 0);
}

static void on_blob(void *ctx, const struct http_answer *a)
{
    struct desk *d = ctx;
    d->mirror.busy = false;
    if (cancelled(a))
        return;
    if (a->status == 200 || a->status == 413) {
        d->mirror.next++;
        again(d, 0);
        return;
    }
    d->mirror.n = 0;
    give_up(d);
}

static void send_blob(struct desk *d)
{
    struct mirroring *m = &d->mirror;
    struct buf bytes;
    char path[100];
    buf_init(&bytes, MIRROR_POST);
    if (!notary_log(d->n, NULL) || !audit_get_blob(d->n->log, m->missing[m->next], &bytes, NULL)) {
        m->next++; /* too large, or the log's own trouble: a verification says so */
        again(d, 0);
    } else {
        m->busy = true;
        snprintf(path, sizeof path, "/%s/blob", d->n->hash);
        http_send_bytes(d->peer, "POST", path, bytes.data, bytes.len, ANSWER_MAX, 0, on_blob, d);
    }
    buf_release(&bytes);
}

static void ask(struct desk *d, const char *what, http_done done)
{
    char path[160];
    snprintf(path, sizeof path, "/%s/%s", d->n->hash, what);
    d->mirror.busy = true;
    http_send(d->peer, "GET", path, NULL, ANSWER_MAX, HTTP_SAFE, done, d);
}

static void ask_missing(struct desk *d)
{
    char what[16 + SHA256_HEX];
    snprintf(what, sizeof what, "missing%s%s", *d->mirror.after_blob ? "/" : "", d->mirror.after_blob);
    ask(d, what, on_missing);
}

void desk_mirror(struct desk *d)
{
    struct mirroring *m = &d->mirror;
    if (!d->spec->mirror || !d->peer || !d->known || m->busy || clock_now(d->n->clock) < m->at)
        return;
    if (!m->known)
        ask(d, "mirror", on_size);
    else if (m->tree.size < d->at.size)
        send_batch(d);
    else if (m->next < m->n)
        send_blob(d);
    else if (m->look)
        ask_missing(d);
}
