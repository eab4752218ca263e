#include "engine/plans.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "audit/log.h"
#include "engine/sent.h"
#include "engine/worker.h"

/* ---- entries of the kinds plan and tell ---- */

static int64_t number(const struct stored *s, const char *key)
{
    return strtoll(stored_field(s, key), NULL, 10);
}

struct reading {
    struct arena *arena;
    struct err *err;
    struct audit_log *log;
    struct plan_entry *v;
    size_t n, cap;
};

/* A blob that cannot be had is a plan that cannot be read: nobody is told by it. */
static bool take_blobs(struct reading *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct plan_entry *e = &r->v[i];
        struct buf b;
        if (!e->blob)
            continue;
        buf_init(&b, PLAN_BYTES_MAX);
        bool ok = audit_get_blob(r->log, e->blob, &b, r->err);
        e->blob = ok ? arena_strndup(r->arena, b.data, b.len) : NULL;
        e->blob_n = b.len;
        buf_release(&b);
        if (!ok)
            return false;
    }
    return true;
}

static bool take(void *ctx, const struct stored *s)
{
    struct reading *r = ctx;
    struct arena *a = r->arena;
    enum plan_event event = plan_event_from(s->result);
    if (event == PLAN_EVENT_COUNT || plan_event_tells(event) != (strcmp(s->kind, "tell") == 0))
        return true;
    if (r->n == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->v = xreallocarray(r->v, r->cap, sizeof *r->v);
    }
    struct plan_entry *e = &r->v[r->n++];
    *e = (struct plan_entry){.event = event,
                             .seq = s->seq,
                             .t = s->t,
                             .plan = arena_strdup(a, s->rollout),
                             .by = arena_strdup(a, stored_field(s, "process")),
                             .key = arena_strdup(a, stored_field(s, "key")),
                             .reason = arena_strdup(a, s->reason),
                             .outcomes = arena_strdup(a, stored_field(s, "outcomes")),
                             .force = strcmp(stored_field(s, "stop"), strength_word(STRENGTH_FORCE)) == 0,
                             .wave = *stored_field(s, "wave.index") ? (int)number(s, "wave.index") : -1};
    int64_t first = number(s, "first"), n = number(s, "devices");
    e->first = first > 0 ? (size_t)first : 0;
    e->n = plan_event_tells(event) && n > 0 ? (size_t)n : 0;
    const char *digest = stored_field(s, event == PLAN_CREATED ? PLAN_BLOB_KEY : "undo.blob");
    e->blob = *digest ? arena_strdup(a, digest) : NULL; /* read when the entries were: take_blobs() */
    return true;
}

static int by_seq(const void *a, const void *b)
{
    const struct plan_entry *x = a, *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

bool plans_read(struct audit_log *l, const char *fleet, int64_t after, struct arena *a, struct own_entries *out,
                struct err *e)
{
    static const char *const kinds[] = {"plan", "tell"};
    struct reading r = {.arena = a, .err = e, .log = l};
    struct audit_head head;
    bool ok = audit_head(l, &head, e);
    for (size_t i = 0; ok && i < 2 && head.newest > after; i++) {
        struct audit_query q = {.fleet = fleet, .kind = kinds[i], .from_seq = after + 1, .to_seq = head.newest};
        ok = audit_each(l, &q, take, &r, e);
    }
    ok = ok && take_blobs(&r);
    if (ok) {
        if (r.n > 0)
            qsort(r.v, r.n, sizeof *r.v, by_seq);
        *out = (struct own_entries){.v = arena_memdup(a, r.v, r.n * sizeof *r.v), .n = r.n, .upto = head.newest};
    }
    free(r.v);
    return ok;
}

/* On the scribe's thread. */
static bool read_entries(struct job *j, struct audit_log *l)
{
    struct own_entries *out = ARENA_NEW(&j->arena, struct own_entries);
    j->result = out;
    return plans_read(l, j->fleet, j->seen_size, &j->arena, out, &j->err);
}

/* ---- struct own_log ---- */

struct asked {
    own_read_done read;
    own_append_done appended;
    void *arg;
};

static void read_done(struct engine *en, struct job *j)
{
    const struct asked *a = j->ctx;
    struct own_entries none = {.n = 0};
    bool no_log = !j->ok && j->err.code == ERR_NOT_FOUND; /* who only looks makes none: nobody has made a plan */
    const struct own_entries *r = j->ok ? j->result : no_log ? &none : NULL;
    if (r)
        en->plans.upto = r->upto;
    a->read(a->arg, r, r ? NULL : &j->err);
}

static void nothing_new(struct engine *en, void *arg)
{
    struct own_entries none = {.upto = en->plans.upto};
    own_read_done done = en->plans.idle;
    (void)arg;
    en->plans.idle = NULL;
    done(en->plans.idle_arg, &none, NULL);
}

static void w_read(void *ctx, int64_t after, own_read_done done, void *arg)
{
    struct engine *en = ctx;
    /* A log that is written here is looked at each second for other reasons: how far it is is known. */
    if (en->diary.scribe && after > 0 && after == en->plans.upto && en->diary.size == after) {
        en->plans.idle = done;
        en->plans.idle_arg = arg;
        timer_set(en, now_of(en), nothing_new, NULL);
        return;
    }
    struct job *j = job_new(JOB_READ);
    struct asked a = {.read = done, .arg = arg};
    j->read = read_entries;
    j->fleet = arena_strdup(&j->arena, en->spec.fleet->name);
    j->seen_size = after;
    diary_read(en, j, read_done, arena_memdup(&j->arena, &a, sizeof a));
}

static void append_done(struct engine *en, struct job *j)
{
    const struct asked *a = j->ctx;
    (void)en;
    a->appended(a->arg, j->ok ? j->receipt.seq : 0, j->ok ? NULL : &j->err);
}

static void w_append(void *ctx, const struct plan_entry *e, bool keep, const struct reply *r, own_append_done done,
                     void *arg)
{
    struct engine *en = ctx;
    struct entry n;
    struct job *j = job_new(JOB_APPEND);
    struct asked a = {.appended = done, .arg = arg};
    bool tells = plan_event_tells(e->event);
    char wave[16];
    diary_entry(en, &n, tells ? ENTRY_TELL : ENTRY_PLAN, NULL, NULL);
    n.rollout = e->plan;
    n.result = plan_event_word(e->event);
    n.reason = e->reason;
    if (e->rule)
        n.actor = (struct actor){.kind = ACTOR_RULE, .name = "plan"};
    entry_str(&n, "process", e->by);
    if (e->event == PLAN_STOPPED || e->force)
        entry_str(&n, "stop", strength_word(e->force ? STRENGTH_FORCE : STRENGTH_SOFT));
    if (e->wave >= 0) {
        snprintf(wave, sizeof wave, "%d", e->wave);
        n.wave = wave;
        entry_int(&n, "wave.index", e->wave);
    }
    if (tells) {
        entry_str(&n, "key", e->key);
        entry_int(&n, "first", (int64_t)e->first);
        entry_int(&n, "devices", (int64_t)e->n);
        if (*e->outcomes)
            entry_str(&n, "outcomes", e->outcomes);
        const char *corr = strrchr(e->key, '-');
        n.corr = corr ? strtoull(corr + 1, NULL, 16) : 0; /* ties a claim and its answer together */
    }
    job_entry(j, &n);
    if (e->blob)
        job_blob(j, e->event == PLAN_CREATED ? PLAN_BLOB_KEY : "undo.blob", e->blob, e->blob_n);
    if (r) {
        struct sent s = {.n = 0};
        sent_take(&s, r, clock_wall(en->clock), now_of(en));
        sent_tell(&s, j);
        sent_clear(&s);
    }
    diary_put(en, j, keep ? 0 : DIARY_CLOSED, append_done, arena_memdup(&j->arena, &a, sizeof a));
}

static void due(struct engine *en, void *arg)
{
    (void)arg;
    own_waves_tick(en->plans.waves);
}

static void w_wake(void *ctx, int64_t at)
{
    struct engine *en = ctx;
    timer_set(en, at, due, NULL);
}

/* A plan that is halted is told no further, also before the engine's own pause has come here; and nobody tells before
 * the log has said what is halted. */
static bool w_may(void *ctx, const char *plan, bool here, bool tell)
{
    struct engine *en = ctx;
    if (en->spec.fleet->read_only || en->spec.observe_only || !en->diary.scribe || !en->recover.recovered ||
        !(en->spec.judge || here))
        return false;
    const struct ro *ro = tell ? ro_find(en, plan) : NULL;
    return !tell || (diary_ok(en) && ro && ro->facts.known && !stop_latched(&ro->stop.m));
}

/* "PID.START.INSTANCE" */
static bool w_lives(void *ctx, const char *by)
{
    char *end;
    int64_t pid = strtoll(by, &end, 10);
    (void)ctx;
    return *end == '.' && process_lives(pid, strtoll(end + 1, NULL, 10));
}

static uint64_t w_unique(void *ctx)
{
    return corr_new(ctx);
}

void plans_entry(const struct wave_plan *p, const char *fleet, char *release, size_t size, struct entry *out)
{
    entry_init(out, ENTRY_PLAN);
    out->t = p->created_at;
    out->fleet = fleet;
    out->rollout = p->id;
    out->result = plan_event_word(PLAN_CREATED);
    snprintf(release, size, "%s:%s", p->release.name, p->release.version);
    entry_str(out, "release", release);
    entry_int(out, "devices", (int64_t)p->n);
    entry_int(out, "waves", (int64_t)p->n_waves);
}

bool plans_wraps(const struct engine *en)
{
    return en->plans.waves != NULL;
}

struct backend *plans_wrap(struct engine *en, struct backend *be)
{
    struct own_log log = {.ctx = en,
                          .read = w_read,
                          .append = w_append,
                          .wake = w_wake,
                          .may = w_may,
                          .lives = w_lives,
                          .unique = w_unique,
                          .me = en->plans.me,
                          .clock = en->clock};
    if (!be->ops->tell || !be->ops->standing || !en->spec.audit)
        return be;
    snprintf(en->plans.me, sizeof en->plans.me, "%" PRId64 ".%" PRId64 ".%016" PRIx64, (int64_t)getpid(),
             process_start((int64_t)getpid()), rng_u64(&en->rng));
    en->plans.waves = own_waves_new(be, &log);
    return en->plans.waves;
}

/* ---- the part ---- */

static void begin(struct engine *en)
{
    if (en->plans.waves && diary_reads(en))
        own_waves_look(en->plans.waves);
}

/* Somebody wants to see what is: also plans that were made meanwhile. */
static void refresh(struct engine *en)
{
    begin(en);
}

const struct part part_plans = {.name = "plans", .begin = begin, .refresh = refresh, .free = plans_draft_free};
