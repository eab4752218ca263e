/* The log goes on in another file that the witness does not know: what shows it is sent, from the newest older file
 * that the witness knows. */
#include <stdio.h>
#include "audit/heir.h"
#include "core/text.h"
#include "engine/notary_impl.h"

#define ANSWER_MAX ((size_t)16 << 10)

static void bring_up(struct desk *d);

static bool cancelled(const struct http_answer *a)
{
    return a->err && a->err->code == ERR_CANCELLED;
}

static void give_up(struct desk *d, const struct http_answer *a)
{
    char words[160];
    safe_text_into(words, sizeof words, a->body.len ? a->body.data : "", a->body.len < 150 ? a->body.len : 150);
    if (a->err && a->status == 0)
        desk_failed(d, a->err);
    else
        desk_unknown(d, words);
}

static void log_failed(struct desk *d, const struct err *e)
{
    notary_log_failed(d->n);
    desk_failed(d, e);
}

static void at_file(struct desk *d, size_t k)
{
    d->handing.k = k;
    d->handing.from = 0;
    d->handing.told_size = false;
    bring_up(d);
}

static void on_shown(void *ctx, const struct http_answer *a)
{
    struct desk *d = ctx;
    struct err e = {0};
    d->busy = false;
    if (cancelled(a))
        return;
    if (a->status != 200)
        give_up(d, a);
    else if (!notary_log(d->n, &e))
        desk_failed(d, &e);
    else if (d->handing.k + 1 < heir_files(d->n->log))
        at_file(d, d->handing.k + 1);
    else
        desk_again(d);
}

/* The older file is cosigned to its end. */
static void show(struct desk *d)
{
    struct handing *g = &d->handing;
    struct err e = {0};
    char path[SHA256_HEX + 8];
    if (!heir_tell(d->n->log, g->k, &g->body, &e)) {
        log_failed(d, &e);
        return;
    }
    snprintf(path, sizeof path, "/%s/next", g->hash);
    d->busy = true;
    http_send(d->peer, "POST", path, g->body.data, ANSWER_MAX, 0, on_shown, d);
}

static void on_brought(void *ctx, const struct http_answer *a)
{
    struct desk *d = ctx;
    struct handing *g = &d->handing;
    struct slice s = {a->body.data, a->body.len};
    struct err e = {0};
    int64_t size;
    d->busy = false;
    if (cancelled(a))
        return;
    if (!notary_log(d->n, &e)) {
        desk_failed(d, &e);
    } else if (a->status == 200) {
        show(d);
    } else if (a->status == 404 && g->k > 0) {
        at_file(d, g->k - 1);
    } else if (a->status == 409 && !g->told_size && s.n > 1 && s.p[s.n - 1] == '\n' &&
               slice_int((struct slice){s.p, s.n - 1}, &size) && size > 0) {
        g->told_size = true;
        g->from = (uint64_t)size;
        bring_up(d);
    } else {
        give_up(d, a);
    }
}

static void bring_up(struct desk *d)
{
    struct handing *g = &d->handing;
    struct err e = {0};
    if (g->k >= heir_files(d->n->log) || !heir_final(d->n->log, g->k, g->from, &g->body, g->hash, &e)) {
        if (e.code == ERR_NONE)
            err_set(&e, ERR_RANGE, "", "audit log: an older file has gone");
        log_failed(d, &e);
    } else if (g->body.len == 0) {
        show(d);
    } else {
        d->busy = true;
        http_send(d->peer, "POST", "/add-checkpoint", g->body.data, ANSWER_MAX, 0, on_brought, d);
    }
}

bool desk_hand_over(struct desk *d)
{
    size_t n = heir_files(d->n->log);
    if (n == 0 || !d->spec->entries)
        return false;
    at_file(d, n - 1);
    return true;
}
