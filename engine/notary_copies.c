/* Where the log's heads are noted besides: a file on another disk, a syslog server, a time stamping authority.
 *
 * A disk that hangs or a server that swallows must not hold up the witnesses: file and syslog have a thread each, which
 * gets the newest head and nothing else while it is busy. Their lines leave no entry: they are what a later
 * verification compares the log with (audit/heads.h). A time stamp is an entry of kind receipt, its token a blob. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "audit/heads.h"
#include "audit/stamp.h"
#include "client/syslog.h"
#include "core/fmt.h"
#include "engine/notary_impl.h"

#define SEND_US   (10 * US_PER_S)
#define RETRY_US  (30 * US_PER_S)
#define HUNG_US   (30 * US_PER_S)
#define STOP_US   (US_PER_S / 2)
#define STAMP_TRY (10 * US_PER_MIN) /* authorities that are free of charge ask for patience */

/* A head on its way, and what became of it. */
struct head_job {
    struct aside_job job; /* first */
    uint64_t size;
    int64_t t;
    struct err err; /* ERR_NONE: it is noted */
    size_t n;
    char note[NOTE_MAX];
};

/* --- what others see --- */

struct noted {
    size_t index;
    int64_t size, t, now;
    const struct err *e; /* NULL: it is noted */
};

static void set_noted(struct notary_view *v, void *ctx)
{
    const struct noted *s = ctx;
    struct notary_witness *w = &v->copy[s->index];
    if (s->e) {
        w->failing = w->failing ? w->failing : s->now;
        snprintf(w->problem, sizeof w->problem, "%s", s->e->what);
        snprintf(w->next, sizeof w->next, "%s", s->e->next);
        return;
    }
    w->failing = 0;
    w->problem[0] = w->next[0] = '\0';
    w->size = s->size;
    w->t = s->t;
    w->heard_at = s->now;
}

static void tell(struct notary *n, size_t index, int64_t size, int64_t t, const struct err *e)
{
    struct noted s = {.index = index, .size = size, .t = t, .now = clock_now(n->clock), .e = e};
    notary_set(n, set_noted, &s);
}

/* --- file and syslog: each on its own thread --- */

static bool to_file(void *ctx, struct aside_job *j)
{
    struct head_job *h = (struct head_job *)(void *)j;
    const struct copy *c = ctx;
    if (!heads_note(c->to.url, h->note, h->n, &h->err))
        return true;
    h->err.code = ERR_NONE;
    return true;
}

static bool to_syslog(void *ctx, struct aside_job *j)
{
    struct head_job *h = (struct head_job *)(void *)j;
    const struct copy *c = ctx;
    struct buf text, line;
    struct utsname u;
    buf_init(&text, 2 * NOTE_MAX);
    buf_init(&line, SYSLOG_MAX);
    heads_line(h->note, h->n, &text);
    syslog_line(&line, h->t, uname(&u) == 0 ? u.nodename : "", (long)getpid(), "head", text.data);
    if (syslog_send(&c->to, line.data, line.len, SEND_US, &h->err))
        h->err.code = ERR_NONE;
    buf_release(&text);
    buf_release(&line);
    return true;
}

static void drop(void *ctx, struct aside_job *j)
{
    (void)ctx;
    free(j);
}

/* Of its own: a thread that hangs outlives the configuration. */
static const char *text(const char *s)
{
    return xstrdup(s ? s : "");
}

static void copy_gone(void *ctx)
{
    struct copy *c = ctx;
    free((char *)(uintptr_t)c->to.url);
    free((char *)(uintptr_t)c->to.ca_file);
    free((char *)(uintptr_t)c->to.client_cert);
    free((char *)(uintptr_t)c->to.client_key);
    free(c);
}

static bool copy_open(struct notary *n, struct copy *c, const char *name, const struct endpoint *to,
                      bool (*work)(void *ctx, struct aside_job *j), struct err *e)
{
    struct aside_spec as = {.what = "the thread that notes the log's heads",
                            .max = 1,
                            .wake_fd = n->my_fd,
                            .poke_fd = -1,
                            .ctx = c,
                            .work = work,
                            .drop = drop,
                            .gone = copy_gone};
    c->to = (struct endpoint){.url = text(to->url),
                              .plain_http = to->plain_http,
                              .ca_file = text(to->ca_file),
                              .client_cert = text(to->client_cert),
                              .client_key = text(to->client_key)};
    c->index = n->view.n_copy;
    snprintf(n->view.copy[n->view.n_copy++].name, sizeof n->view.copy->name, "%s", name);
    c->aside = aside_new(&as, e);
    return c->aside != NULL;
}

static void copy_take(struct notary *n, struct copy *c)
{
    struct aside_job *j;
    while ((j = aside_done(c->aside)) != NULL) {
        struct head_job *h = (struct head_job *)(void *)j;
        bool ok = h->err.code == ERR_NONE;
        c->busy = c->hung = false;
        if (ok)
            c->size = h->size;
        c->next = clock_now(n->clock) + (ok ? NOTARY_COPY_US : RETRY_US);
        tell(n, c->index, (int64_t)h->size, h->t, ok ? NULL : &h->err);
        free(h);
    }
}

static void copy_round(struct notary *n, struct copy *c)
{
    struct head_job *h;
    struct buf note;
    struct err e = {0};
    uint64_t size = 0;
    c->next = clock_now(n->clock) + NOTARY_COPY_US;
    if (!notary_log(n, &e))
        return; /* the log's trouble is said elsewhere */
    buf_init(&note, NOTE_MAX);
    if (!growth_head(n->log, &note, &size, &e)) {
        notary_log_failed(n);
    } else if (size != c->size) { /* smaller too: the file is to show it */
        h = xcalloc(1, sizeof *h);
        h->size = size;
        h->t = clock_wall(n->clock);
        h->n = note.len;
        memcpy(h->note, note.data, note.len);
        c->put_at = clock_now(n->clock);
        c->busy = aside_put(c->aside, &h->job, NULL);
        if (!c->busy)
            free(h);
    }
    buf_release(&note);
}

/* --- time stamps --- */

static void stamp_failed(struct notary *n, struct err *e)
{
    struct stamps *s = &n->stamps;
    err_prefix(e, "time stamp of %s: ", n->view.copy[s->index].name);
    tell(n, s->index, 0, 0, e);
    s->next = clock_now(n->clock) + STAMP_TRY;
}

static bool keep_stamp(struct notary *n, const struct stamp *st, const struct buf *token, struct err *e)
{
    struct stamps *s = &n->stamps;
    char token_hex[SHA256_HEX], note_hex[SHA256_HEX], root[HASH_HEX];
    struct checkpoint c;
    struct slice body, lines;
    struct entry en;
    if (!note_split(s->note, s->note_n, &c, &body, &lines) ||
        !audit_put_blob(n->log, s->note, s->note_n, note_hex, e) ||
        !audit_put_blob(n->log, token->data, token->len, token_hex, e))
        return false;
    hex_encode(root, c.root, HASH_LEN);
    entry_init(&en, ENTRY_RECEIPT);
    en.t = clock_wall(n->clock);
    en.mono = clock_boot(n->clock);
    en.actor = n->actor;
    en.result = "ok";
    entry_str(&en, "stamp", st->signer);
    entry_int(&en, "stamp.t", st->t);
    if (st->accuracy_us >= 0)
        entry_int(&en, "stamp.accuracy_us", st->accuracy_us);
    entry_str(&en, "stamp.serial", st->serial);
    entry_int(&en, "size", (int64_t)c.size);
    entry_str(&en, "root", root);
    entry_str(&en, "checkpoint.blob", note_hex);
    entry_str(&en, "token.blob", token_hex);
    return audit_append(n->log, &en, NULL, e);
}

static void on_stamped(void *ctx, const struct http_answer *a)
{
    struct notary *n = ctx;
    struct stamps *s = &n->stamps;
    struct stamp st = {0};
    struct buf token;
    struct err e = {0};
    unsigned char digest[SHA256_BYTES];
    bool ok;
    s->busy = false;
    if (a->err && a->err->code == ERR_CANCELLED)
        return;
    buf_init(&token, STAMP_TOKEN_MAX);
    sha256_bytes(s->note, s->note_n, digest);
    if (a->err)
        ok = false, e = *a->err;
    else if (a->status != 200)
        ok = err_set(&e, ERR_PROTOCOL, "Is it a time stamping authority (RFC 3161 over HTTP)?", "it answers %d",
                     a->status);
    else
        ok = stamp_answer(a->body.data, a->body.len, digest, s->nonce, s->root, &token, &st, &e);
    if (ok && (!notary_log(n, &e) || !keep_stamp(n, &st, &token, &e))) {
        notary_log_failed(n);
        ok = false;
    }
    if (ok) {
        s->next = clock_now(n->clock) + s->every_us;
        s->stamped = s->size + 1; /* its own receipt asks for no stamp */
        tell(n, s->index, (int64_t)s->size, st.t, NULL);
    } else {
        stamp_failed(n, &e);
    }
    buf_release(&token);
}

/* The newest stamp that is in the log: another process, or this one before it was started again, has asked for it. */
static bool recall(struct notary *n, struct err *e)
{
    struct stamps *s = &n->stamps;
    struct audit_query q = {.kind = "receipt", .newest_first = true, .limit = 10000};
    struct stored *v;
    struct arena a;
    size_t count = 0;
    arena_init(&a);
    bool ok = audit_query(n->log, &q, &a, &v, &count, e);
    for (size_t i = 0; ok && i < count; i++) {
        const char *t = stored_field(&v[i], "stamp.t");
        if (!*t)
            continue;
        int64_t ago = clock_wall(n->clock) - strtoll(t, NULL, 10);
        s->stamped = strtoull(stored_field(&v[i], "size"), NULL, 10) + 1;
        if (ago >= 0 && ago < s->every_us)
            s->next = clock_now(n->clock) + s->every_us - ago;
        tell(n, s->index, strtoll(stored_field(&v[i], "size"), NULL, 10), strtoll(t, NULL, 10), NULL);
        break;
    }
    arena_release(&a);
    s->recalled = ok;
    return ok;
}

static void stamp_round(struct notary *n)
{
    struct stamps *s = &n->stamps;
    struct buf note, request;
    struct err e = {0};
    unsigned char digest[SHA256_BYTES];
    s->next = clock_now(n->clock) + RETRY_US;
    if (!notary_log(n, &e))
        return;
    if (!s->recalled) {
        if (!recall(n, &e))
            notary_log_failed(n);
        else if (s->next > clock_now(n->clock) + RETRY_US)
            return;
    }
    if (!s->peer) {
        if (!(s->peer = http_peer_new(n->http, &s->to, 1, &e))) {
            stamp_failed(n, &e);
            return;
        }
        http_peer_type(s->peer, "application/timestamp-query");
    }
    buf_init(&note, NOTE_MAX);
    buf_init(&request, STAMP_TOKEN_MAX);
    if (!n->log || !growth_head(n->log, &note, &s->size, &e)) {
        notary_log_failed(n);
    } else if (s->size > s->stamped) {
        memcpy(s->note, note.data, note.len);
        s->note_n = note.len;
        sha256_bytes(s->note, s->note_n, digest);
        if (stamp_request(digest, s->nonce, &request, &e)) {
            s->busy = true;
            http_send_bytes(s->peer, "POST", "", request.data, request.len, STAMP_TOKEN_MAX, 0, on_stamped, n);
        } else {
            stamp_failed(n, &e);
        }
    }
    buf_release(&note);
    buf_release(&request);
}

/* --- from start to end --- */

/* A disk that hangs says nothing itself. */
static void copy_hangs(struct notary *n, struct copy *c)
{
    struct err e = {0};
    c->hung = true;
    err_set(&e, ERR_TIMEOUT, "Look at what is mounted there, or at the server.", "no answer for %d s",
            (int)(HUNG_US / US_PER_S));
    tell(n, c->index, 0, 0, &e);
}

bool copies_open(struct notary *n, const struct witness_conf *w, struct err *e)
{
    struct endpoint file = {.url = w->heads};
    n->copy[0] = n->copy[1] = NULL;
    if (w->heads && *w->heads) {
        n->copy[0] = xcalloc(1, sizeof **n->copy);
        if (!copy_open(n, n->copy[0], w->heads, &file, to_file, e))
            return false;
    }
    if (w->syslog.url && *w->syslog.url) {
        n->copy[1] = xcalloc(1, sizeof **n->copy);
        if (!copy_open(n, n->copy[1], w->syslog.url, &w->syslog, to_syslog, e))
            return false;
    }
    if (w->stamps.url && *w->stamps.url) {
        n->stamps.on = true;
        n->stamps.to = w->stamps;
        n->stamps.root = w->stamps_root;
        n->stamps.every_us = w->stamps_every_us;
        n->stamps.index = n->view.n_copy;
        snprintf(n->view.copy[n->view.n_copy++].name, sizeof n->view.copy->name, "%s", w->stamps.url);
    }
    return true;
}

int64_t copies_round(struct notary *n)
{
    int64_t now = clock_now(n->clock), deadline = INT64_MAX;
    for (size_t i = 0; i < 2; i++) {
        struct copy *c = n->copy[i];
        if (!c)
            continue;
        copy_take(n, c);
        if (!c->busy && c->next <= now)
            copy_round(n, c);
        if (c->busy && !c->hung && c->put_at + HUNG_US <= now)
            copy_hangs(n, c);
        int64_t next = c->busy ? c->put_at + HUNG_US : c->next;
        if (!c->hung && next < deadline)
            deadline = next;
    }
    if (n->stamps.on && !n->stamps.busy && n->stamps.next <= now)
        stamp_round(n);
    if (n->stamps.on && !n->stamps.busy && n->stamps.next < deadline)
        deadline = n->stamps.next;
    return deadline;
}

void copies_close(struct notary *n)
{
    for (size_t i = 0; i < 2; i++) {
        struct copy *c = n->copy[i];
        if (!c)
            continue;
        n->copy[i] = NULL;
        struct aside *a = c->aside;
        if (!a)
            copy_gone(c);
        else if (aside_stop(a, STOP_US, true)) /* one that hangs is left behind, and frees itself */
            aside_free(a);
    }
    http_peer_free(n->stamps.peer);
    n->stamps.peer = NULL;
}
