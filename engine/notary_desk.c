/* One witness: what it has of this log, what it is sent, what it says. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/heir.h"
#include "audit/receipts.h"
#include "core/text.h"
#include "engine/notary_impl.h"

#define ANSWER_MAX ((size_t)16 << 10)
#define RETRY_US   (2 * US_PER_S)
#define PAUSE_MAX  (60 * US_PER_S)
#define RECENT     32 /* receipts that are looked through for one that is there already */

static void later(struct desk *d, int64_t us)
{
    d->busy = false;
    d->next = clock_now(d->n->clock) + us;
}

/* --- what others see --- */

struct said {
    size_t index;
    int64_t size, t, now, own;
    const struct err *e;
};

static void set_failed(struct notary_view *v, void *ctx)
{
    const struct said *s = ctx;
    struct notary_witness *w = &v->v[s->index];
    if (w->failing == 0)
        w->failing = s->now;
    snprintf(w->problem, sizeof w->problem, "%s", s->e->what);
    snprintf(w->next, sizeof w->next, "%s", s->e->next);
}

/* Tried again, with longer pauses: it may be down for days. */
void desk_failed(struct desk *d, const struct err *e)
{
    struct said s = {.index = d->index, .now = clock_now(d->n->clock), .e = e};
    int64_t pause = RETRY_US << (d->fails < 5 ? d->fails : 5);
    d->fails++;
    d->known = false;
    notary_set(d->n, set_failed, &s);
    later(d, (pause < PAUSE_MAX ? pause : PAUSE_MAX) + (int64_t)(rng_unit(&d->n->rng) * (double)US_PER_S));
}

static void set_heard(struct notary_view *v, void *ctx)
{
    const struct said *s = ctx;
    struct notary_witness *w = &v->v[s->index];
    w->heard_at = s->now;
    if (s->size >= w->size) {
        w->size = s->size;
        w->t = s->t;
    }
}

static void set_fine(struct notary_view *v, void *ctx)
{
    struct notary_witness *w = &v->v[((const struct said *)ctx)->index];
    w->failing = 0;
    w->problem[0] = w->next[0] = '\0';
}

/* It has all that it is to have. One that shows its head and signs no new one is not fine. */
static void fine(struct desk *d)
{
    struct said s = {.index = d->index};
    d->fails = 0;
    notary_set(d->n, set_fine, &s);
}

static void heard(struct desk *d, int64_t size, int64_t t)
{
    struct said s = {.index = d->index, .size = size, .t = t * US_PER_S, .now = clock_now(d->n->clock)};
    notary_set(d->n, set_heard, &s);
}

static void set_log(struct notary_view *v, void *ctx)
{
    const struct said *s = ctx;
    bool any = false;
    for (size_t i = 0; i < v->n; i++)
        any = any || v->v[i].size >= s->size;
    v->size = s->own;
    if (s->size < 0)
        return;
    if (any)
        v->asks_since = 0;
    else if (v->asks_since == 0)
        v->asks_since = s->now;
}

/* How long the log is, and whether its newest entry that asks for it is witnessed by anybody (< 0: not looked at). */
static void tell_log(struct desk *d, int64_t own, int64_t newest_ask)
{
    struct said s = {.index = d->index, .size = newest_ask, .own = own, .now = clock_now(d->n->clock)};
    notary_set(d->n, set_log, &s);
}

/* The log cannot be read or written: that is the log's trouble, and said elsewhere. */
static void log_failed(struct desk *d, const struct err *e)
{
    notary_log_failed(d->n);
    desk_failed(d, e);
}

/* --- receipts --- */

static bool append_receipt(struct desk *d, const struct checkpoint *c, const uint8_t raw[COSIGN_RAW], int64_t t,
                           struct err *e)
{
    struct notary *n = d->n;
    struct entry en;
    struct buf line;
    char root[HASH_HEX];
    hex_encode(root, c->root, HASH_LEN);
    buf_init(&line, VKEY_MAX);
    base64_encode(&line, raw, COSIGN_RAW);
    entry_init(&en, ENTRY_RECEIPT);
    en.t = clock_wall(n->clock);
    en.mono = clock_boot(n->clock);
    en.actor = n->actor;
    receipt_entry(&en, d->w.key.name, c->size, root, line.data, t);
    bool ok = audit_append(n->log, &en, NULL, e);
    buf_release(&line);
    if (ok)
        d->receipted = (int64_t)c->size;
    return ok;
}

/* Signed for by the witness: by us, by another process of this host, or by one that was killed before it could write
 * the receipt. Only in the last case there is none in the log. */
static bool need_receipt(struct desk *d, int64_t size, bool *need, struct err *e)
{
    struct audit_query q = {.kind = "receipt", .newest_first = true, .limit = RECENT};
    struct stored *v;
    struct arena a;
    size_t n;
    *need = d->receipted < size;
    if (!*need)
        return true;
    arena_init(&a);
    bool ok = audit_query(d->n->log, &q, &a, &v, &n, e);
    for (size_t i = 0; ok && i < n; i++)
        if (strcmp(stored_field(&v[i], "witness"), d->w.key.name) == 0 &&
            strtoll(stored_field(&v[i], "size"), NULL, 10) >= size && v[i].seq > d->n->view.base)
            *need = false;
    arena_release(&a);
    if (ok && !*need)
        d->receipted = size;
    return ok;
}

/* --- sending --- */

static void on_pushed(void *ctx, const struct http_answer *a);

static void push(struct desk *d)
{
    struct notary *n = d->n;
    struct err e = {0};
    growth_release(&d->growth);
    growth_init(&d->growth);
    if (!growth_since(n->log, &d->at, &d->growth, &e)) {
        d->known = false; /* shorter than it was: what the witness has will tell */
        log_failed(d, &e);
        return;
    }
    tell_log(d, (int64_t)d->growth.tree.size, d->growth.newest_ask);
    if (d->growth.newest_ask == 0) {
        fine(d);
        later(d, d->looked + NOTARY_LOOK_US - clock_now(n->clock));
        return;
    }
    d->busy = true;
    d->pushed = clock_now(n->clock);
    http_send(d->peer, "POST", "/add-checkpoint", d->growth.body.data, ANSWER_MAX, 0, on_pushed, d);
}

void desk_again(struct desk *d)
{
    later(d, 0);
}

static void not_known(struct desk *d, const char *words, struct err *e)
{
    err_set(e, ERR_NOT_FOUND, "Put this log's key among its logs.",
            "%.60s does not know this log; what its logs: lack is %s", http_peer_name(d->peer), d->n->log_key.vkey);
    if (*words)
        err_cause(e, "%s", words);
    err_prefix(e, "witness %s: ", d->w.key.name);
}

void desk_unknown(struct desk *d, const char *words)
{
    struct err e = {0};
    not_known(d, words, &e);
    desk_failed(d, &e);
}

static void strange(struct desk *d, const struct http_answer *a, struct err *e)
{
    const char *peer = http_peer_name(d->peer);
    char words[160];
    safe_text_into(words, sizeof words, a->body.len ? a->body.data : "", a->body.len < 150 ? a->body.len : 150);
    if (a->status == 404) {
        not_known(d, words, e);
        return;
    }
    if (a->err && a->status == 0)
        *e = *a->err;
    else if (a->status == 403)
        err_set(e, ERR_FORBIDDEN, "Compare its `logs` with the vkey that `andon audit head` prints here.",
                "%s knows this log by another key", peer);
    else
        err_set(e, ERR_PROTOCOL, "Is it a witness (C2SP tlog-witness)?", "%s answers %d to add-checkpoint", peer,
                a->status);
    if (words[0] && a->status >= 400)
        err_cause(e, "%s", words);
    err_prefix(e, "witness %s: ", d->w.key.name);
}

static void accepted(struct desk *d, const struct http_answer *a)
{
    struct checkpoint c;
    struct slice body, lines;
    uint8_t raw[COSIGN_RAW];
    int64_t t = 0;
    struct err e = {0};
    const char *gap = strstr(d->growth.body.data, "\n\n");
    if (!gap || !note_split(gap + 2, d->growth.body.len - (size_t)(gap + 2 - d->growth.body.data), &c, &body, &lines) ||
        !cosign_check(&d->w, body, (struct slice){a->body.data, a->body.len}, raw, &t)) {
        err_set(&e, ERR_TLS, "Compare the key in the configuration with what `andon witness key` prints there.",
                "witness %s: what it answers is not signed with the key that is configured", d->w.key.name);
        desk_failed(d, &e);
        return;
    }
    if (!append_receipt(d, &c, raw, t, &e)) {
        log_failed(d, &e); /* the next look finds that it has signed */
        return;
    }
    d->at = d->growth.tree;
    d->signed_for = (int64_t)c.size;
    d->again = false;
    heard(d, (int64_t)c.size, t);
    fine(d);
    tell_log(d, (int64_t)c.size + 1, 0);
    later(d, d->looked + NOTARY_LOOK_US - clock_now(d->n->clock));
}

static void on_pushed(void *ctx, const struct http_answer *a)
{
    struct desk *d = ctx;
    struct err e = {0};
    d->busy = false;
    if (a->err && a->err->code == ERR_CANCELLED)
        return;
    if (a->status == 200) {
        accepted(d, a);
    } else if ((a->status == 409 || a->status == 422) && !d->again) {
        d->again = true;
        d->known = false; /* what it has is looked at, and compared */
        later(d, 0);
    } else if (a->status == 404 && notary_log(d->n, &e) && desk_hand_over(d)) {
        d->again = false;
    } else {
        d->again = false;
        strange(d, a, &e);
        desk_failed(d, &e);
    }
}

/* --- looking --- */

/* It has signed for `size` entries with this root: are these ours? */
static bool compare(struct desk *d, const struct checkpoint *c, int64_t t, struct slice head, struct err *e)
{
    struct notary *n = d->n;
    struct tree tree = d->at;
    uint64_t own;
    struct buf note;
    struct err why = {0};
    uint8_t root[HASH_LEN];
    buf_init(&note, NOTE_MAX);
    bool known = growth_head(n->log, &note, &own, e);
    buf_release(&note);
    if (!known)
        return false;
    tell_log(d, (int64_t)own, -1);
    if (c->size > own) {
        alarm_raise(d, NOTARY_ROLLED_BACK, c, t, head, own);
        return true;
    }
    tree_init(&tree);
    bool ok = c->size == d->at.size ? (tree = d->at, true) : growth_tree(n->log, c->size, &tree, &why);
    tree_root(&tree, root);
    if (ok && memcmp(root, c->root, HASH_LEN) != 0) {
        if (c->size == d->at.size) { /* may be what was kept in memory: the log itself is asked */
            tree_init(&tree);
            ok = growth_tree(n->log, c->size, &tree, &why);
            tree_root(&tree, root);
        }
        if (ok && memcmp(root, c->root, HASH_LEN) != 0) {
            alarm_raise(d, NOTARY_REWRITTEN, c, t, head, own);
            return true;
        }
    }
    if (!ok) {
        if (e)
            *e = why;
        return false;
    }
    d->at = tree;
    d->known = true;
    alarm_settle(d);
    return true;
}

static void take_head(struct desk *d, const struct http_answer *a)
{
    struct notary *n = d->n;
    struct checkpoint c;
    struct slice body, lines;
    uint8_t raw[COSIGN_RAW];
    struct err e = {0};
    int64_t t = 0;
    bool need = false;
    if (!note_open(a->body.data, a->body.len, &n->log_key, n->log_verifier, &c, NULL) ||
        !note_split(a->body.data, a->body.len, &c, &body, &lines) || !cosign_check(&d->w, body, lines, raw, &t)) {
        err_set(&e, ERR_TLS, "Compare the key in the configuration with what `andon witness key` prints there.",
                "witness %s: what it shows of this log is not signed by it and by the log", d->w.key.name);
        desk_failed(d, &e);
        return;
    }
    d->known = false;
    if (!compare(d, &c, t, (struct slice){a->body.data, a->body.len}, &e)) {
        log_failed(d, &e);
        return;
    }
    d->looked = clock_now(n->clock);
    heard(d, 0, t);
    if (!d->known) { /* the alarm stands: nothing is sent, and what it has is looked at again */
        fine(d);
        later(d, NOTARY_LOOK_US);
        return;
    }
    if (!alarm_shown(d, (int64_t)c.size, &e)) {
        log_failed(d, &e);
        return;
    }
    if (!need_receipt(d, (int64_t)c.size, &need, &e) || (need && !append_receipt(d, &c, raw, t, &e))) {
        log_failed(d, &e);
        return;
    }
    heard(d, (int64_t)c.size, t); /* what waits for a witness goes out with its receipt in the log */
    push(d);
}

static void set_forgotten(struct notary_view *v, void *ctx)
{
    const struct said *s = ctx;
    v->v[s->index].size = 0;
}

static void on_head(void *ctx, const struct http_answer *a)
{
    struct desk *d = ctx;
    struct err e = {0};
    d->busy = false;
    if (a->err && a->err->code == ERR_CANCELLED)
        return;
    if (!notary_log(d->n, &e)) {
        desk_failed(d, &e);
    } else if (a->status == 200) {
        take_head(d, a);
    } else if (a->status == 404) { /* it has signed nothing of this log so far, or does not know it: a push tells */
        struct said s = {.index = d->index};
        if (!alarm_shown(d, 0, &e)) {
            log_failed(d, &e);
            return;
        }
        tree_init(&d->at);
        if (audit_recovered(d->n->log)) /* what was lost of its past stands in its first entry */
            alarm_settle(d);
        d->known = true;
        d->looked = clock_now(d->n->clock);
        notary_set(d->n, set_forgotten, &s);
        push(d);
    } else {
        strange(d, a, &e);
        desk_failed(d, &e);
    }
}

void desk_round(struct desk *d)
{
    struct notary *n = d->n;
    struct err e = {0};
    char path[100];
    if (!notary_log(n, &e)) {
        if (e.code == ERR_NOT_FOUND) /* none was made so far */
            later(d, RETRY_US);
        else
            desk_failed(d, &e);
        return;
    }
    if (!d->peer) {
        if (!(d->peer = http_peer_new(n->http, &d->spec->endpoint, 2, &e))) {
            desk_failed(d, &e);
            return;
        }
        http_peer_type(d->peer, "application/octet-stream");
    }
    if (d->known && clock_now(n->clock) - d->looked < NOTARY_LOOK_US) {
        push(d);
        return;
    }
    snprintf(path, sizeof path, "/%s/checkpoint", n->hash);
    d->busy = true;
    http_send(d->peer, "GET", path, NULL, ANSWER_MAX, HTTP_SAFE, on_head, d);
}

/* --- from start to end --- */

bool desk_open(struct desk *d, struct notary *n, size_t index, const struct witness_by *spec, struct err *e)
{
    d->n = n;
    d->index = index;
    d->signed_for = -1;
    d->spec = spec;
    growth_init(&d->growth);
    buf_init(&d->handing.body, HEIR_MAX + NOTE_MAX);
    if (cosigner_open(&d->w, spec->key, e))
        return true;
    growth_release(&d->growth);
    return false;
}

void desk_close(struct desk *d)
{
    cosigner_close(&d->w);
    growth_release(&d->growth);
    buf_release(&d->handing.body);
    free(d->mirror.missing);
}
