/* A witness has signed what this log does not hold: said, kept, and in force until the two agree. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/place.h"
#include "core/fmt.h"
#include "engine/notary_impl.h"

#define FILE_MAX ((size_t)32 << 10)

struct raised {
    enum notary_alarm_kind kind;
    int64_t at; /* clock */
    char text[320], path[512];
};

static bool file_of(const struct desk *d, const char *tail, char out[512])
{
    int n = snprintf(out, 512, "%s.contradicted-%s%s", d->n->audit.db_path, d->w.key.id_hex, tail);
    return n > 0 && n < 512;
}

/* What was said first stays, word for word: a log that grows is no news, nor is another witness that says the same. */
static void set_alarm(struct notary_view *v, void *ctx)
{
    const struct raised *r = ctx;
    bool same = strcmp(v->evidence, r->path) == 0;
    if (v->alarm != NOTARY_QUIET && (!same || v->alarm == r->kind))
        return;
    v->alarm = r->kind;
    v->alarm_at = r->at;
    snprintf(v->text, sizeof v->text, "%s", r->text);
    snprintf(v->evidence, sizeof v->evidence, "%s", r->path);
}

static void set_quiet(struct notary_view *v, void *ctx)
{
    const struct raised *r = ctx;
    if (strcmp(v->evidence, r->path) != 0) /* another witness's */
        return;
    v->alarm = NOTARY_QUIET;
    v->text[0] = v->evidence[0] = '\0';
}

/* Both signed heads; the first that was seen stays, until it is settled. */
static void keep(const struct desk *d, const struct raised *r, struct slice head)
{
    struct buf text, own;
    uint64_t size;
    char at[FMT_MAX];
    struct err e = {0};
    if (!*r->path || access(r->path, F_OK) == 0)
        return;
    buf_init(&text, FILE_MAX);
    buf_init(&own, NOTE_MAX);
    bool known = growth_head(d->n->log, &own, &size, &e);
    buf_printf(&text, "%s\n%s\nat %s\n\n--- what the witness has signed\n%.*s\n--- the log's own head\n%s",
               r->kind == NOTARY_ROLLED_BACK ? "rolled-back" : "rewritten", r->text,
               fmt_iso(at, clock_wall(d->n->clock)), (int)head.n, head.p, known ? own.data : "");
    if (!place_replace(r->path, text.data, text.len, 0600, &e))
        fprintf(stderr, "andon: %s\n", e.what);
    buf_release(&text);
    buf_release(&own);
}

/* In the log as well, although it is the log that is in doubt: whoever reads it learns that from here on it is another
 * one than the witness has. */
static void log_it(struct desk *d, const struct raised *r, const struct checkpoint *theirs, uint64_t own)
{
    struct entry en;
    char root[HASH_HEX];
    struct err e = {0};
    hex_encode(root, theirs->root, HASH_LEN);
    entry_init(&en, ENTRY_DEGRADED);
    en.t = clock_wall(d->n->clock);
    en.mono = clock_boot(d->n->clock);
    en.actor = d->n->actor;
    en.result = r->kind == NOTARY_ROLLED_BACK ? "rolled-back" : "rewritten";
    en.reason = r->text;
    entry_str(&en, "witness", d->w.key.name);
    entry_int(&en, "witness.size", (int64_t)theirs->size);
    entry_str(&en, "witness.root", root);
    entry_int(&en, "size", (int64_t)own);
    entry_str(&en, "evidence.file", r->path);
    if (!audit_append(d->n->log, &en, NULL, &e))
        notary_log_failed(d->n);
}

void alarm_raise(struct desk *d, enum notary_alarm_kind kind, const struct checkpoint *theirs, int64_t t,
                 struct slice head, uint64_t own)
{
    struct raised r = {.kind = kind, .at = clock_now(d->n->clock)};
    char at[FMT_MAX];
    fmt_iso(at, t * US_PER_S);
    if (kind == NOTARY_ROLLED_BACK)
        snprintf(r.text, sizeof r.text,
                 "the audit log was put back: witness %.80s signed %" PRIu64 " entries of it at %s, here were %" PRIu64,
                 d->w.key.name, theirs->size, at, own);
    else
        snprintf(r.text, sizeof r.text,
                 "the audit log was rewritten: witness %.80s signed other entries up to %" PRIu64 " at %s",
                 d->w.key.name, theirs->size, at);
    if (!file_of(d, "", r.path))
        r.path[0] = '\0';
    bool fresh = d->raised != kind; /* of two witnesses each may have its own */
    d->raised = kind;
    keep(d, &r, head);
    notary_set(d->n, set_alarm, &r);
    if (fresh)
        log_it(d, &r, theirs, own);
}

/* --- a witness that has lost its memory --- */

struct newest {
    const struct desk *d;
    int64_t seq, size;
};

static bool on_word(void *ctx, const struct stored *s)
{
    struct newest *x = ctx;
    bool gone = strcmp(s->kind, "degraded") == 0;
    if (s->seq <= x->d->n->view.base || s->seq <= x->seq)
        return false; /* of an older file, or older than what is known */
    if (strcmp(stored_field(s, "witness"), x->d->w.key.name) != 0 || (gone && strcmp(s->result, "witness-forgot") != 0))
        return true;
    x->seq = s->seq;
    x->size = strtoll(stored_field(s, gone ? "witness.size" : "size"), NULL, 10);
    return false;
}

/* What the log says that it has signed for: its newest receipt, unless it was found to have forgotten after that. */
static bool ask_log(struct desk *d, struct err *e)
{
    struct newest x = {.d = d};
    struct audit_query q = {.kind = "degraded", .newest_first = true};
    bool ok = audit_each(d->n->log, &q, on_word, &x, e);
    q.kind = "receipt";
    ok = ok && audit_each(d->n->log, &q, on_word, &x, e);
    if (ok)
        d->signed_for = x.size;
    return ok;
}

struct shown {
    size_t index;
    int64_t now, had, size;
};

static void set_forgot(struct notary_view *v, void *ctx)
{
    const struct shown *s = ctx;
    v->v[s->index].forgot = s->now;
    v->v[s->index].had = s->had;
    v->v[s->index].shows = s->size;
    v->v[s->index].size = s->size;
}

static bool log_forgot(struct desk *d, const struct shown *s, struct err *e)
{
    struct entry en;
    char text[320];
    snprintf(text, sizeof text,
             "witness %.80s has lost its memory: it had signed for %" PRId64 " entries, and shows %" PRId64,
             d->w.key.name, s->had, s->size);
    entry_init(&en, ENTRY_DEGRADED);
    en.t = clock_wall(d->n->clock);
    en.mono = clock_boot(d->n->clock);
    en.actor = d->n->actor;
    en.result = "witness-forgot";
    en.reason = text;
    entry_str(&en, "witness", d->w.key.name);
    entry_int(&en, "witness.had", s->had);
    entry_int(&en, "witness.size", s->size);
    return audit_append(d->n->log, &en, NULL, e);
}

bool alarm_shown(struct desk *d, int64_t size, struct err *e)
{
    /* Asked anew before it is said: another process of this host may have said it. */
    if ((d->signed_for < 0 || size < d->signed_for) && !ask_log(d, e))
        return false;
    struct shown s = {d->index, clock_now(d->n->clock), d->signed_for, size};
    if (size < s.had) {
        if (!log_forgot(d, &s, e))
            return false;
        d->receipted = 0;
        notary_set(d->n, set_forgot, &s);
    }
    d->signed_for = size;
    return true;
}

/* --- when they agree again --- */

void alarm_settle(struct desk *d)
{
    struct raised r = {.kind = NOTARY_QUIET};
    char settled[512], tail[64];
    if (!file_of(d, "", r.path))
        return;
    snprintf(tail, sizeof tail, "-settled-%" PRId64, clock_wall(d->n->clock) / US_PER_S);
    if (access(r.path, F_OK) == 0 && file_of(d, tail, settled) && rename(r.path, settled) != 0)
        return;         /* it stands until that works */
    alarm_recall(d->n); /* another witness's that this one's had taken the place of */
    notary_set(d->n, set_quiet, &r);
    if (d->raised != NOTARY_QUIET) {
        d->raised = NOTARY_QUIET;
        alarm_recall(d->n); /* what another witness says stands */
    }
}

void alarm_recall(struct notary *n)
{
    for (size_t i = 0; i < n->n_desks; i++) {
        struct raised r = {.kind = NOTARY_QUIET, .at = clock_now(n->clock)};
        struct buf text;
        buf_init(&text, FILE_MAX);
        if (file_of(&n->desk[i], "", r.path) && place_read(r.path, FILE_MAX, &text, NULL)) {
            char *line = strchr(text.data, '\n'), *end = line ? strchr(line + 1, '\n') : NULL;
            r.kind = strncmp(text.data, "rolled-back\n", 12) == 0 ? NOTARY_ROLLED_BACK : NOTARY_REWRITTEN;
            if (n->desk[i].raised == NOTARY_QUIET)
                n->desk[i].raised = r.kind;
            snprintf(r.text, sizeof r.text, "%.*s", end ? (int)(end - line - 1) : 0, end ? line + 1 : "");
            notary_set(n, set_alarm, &r);
        }
        buf_release(&text);
    }
}
