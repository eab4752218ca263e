#include "engine/approvals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/sshsig.h"
#include "engine/worker.h"

#define FRESH_US (60 * US_PER_S) /* a signature is checked again after so long, by a look that nobody waits for */
#define STOP_US  (2 * US_PER_S)

struct approval_kept {
    int64_t seq;
    char rollout[ID_MAX];
    struct approval_text text;
    struct buf bytes, sig;
    bool used;          /* what it was for has come about */
    int64_t checked_at; /* engine clock, -1 = not so far */
    bool good;
    struct sshsig_good who;
    char why[320]; /* not good */
};

/* ---- what the log says ---- */

struct found_one {
    int64_t seq;
    bool approval; /* else: what approvals were for has come about */
    enum verb verb;
    int wave; /* -1: whichever */
    const char *rollout;
    char digest[2][SHA256_HEX]; /* of an approval: text, signature */
    struct buf bytes, sig;
};
struct found {
    int64_t from, to;
    bool anew; /* the log is shorter than what was read of it */
    char log[128];
    struct found_one *v;
    size_t n, cap;
    struct arena *arena;
};

static void take_digest(char out[SHA256_HEX], const char *field)
{
    snprintf(out, SHA256_HEX, "%.64s", field);
}

/* Approvals, and what has used one up. */
static bool on_entry(void *ctx, const struct stored *s)
{
    struct found *f = ctx;
    bool approval = strcmp(s->kind, "approval") == 0 && *stored_field(s, "approval.text.blob");
    bool end = strcmp(s->kind, "outcome") == 0 || strcmp(s->kind, "recovered") == 0;
    const char *wave = stored_field(s, "target_wave");
    if (!approval &&
        (!end || actor_kind_from(s->actor_kind) == ACTOR_RULE ||
         (strcmp(s->result, "ok") != 0 && strcmp(s->result, "unknown") != 0 && strcmp(s->result, "applied") != 0)))
        return true;
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        struct found_one *v = ARENA_ARRAY(f->arena, struct found_one, cap);
        if (f->n)
            memcpy(v, f->v, f->n * sizeof *v);
        f->v = v;
        f->cap = cap;
    }
    struct found_one *x = &f->v[f->n++];
    *x = (struct found_one){.seq = s->seq,
                            .approval = approval,
                            .verb = verb_from_word(s->verb),
                            .wave = *wave ? (int)strtol(wave, NULL, 10) : -1,
                            .rollout = arena_strdup(f->arena, s->rollout)};
    take_digest(x->digest[0], stored_field(s, "approval.text.blob"));
    take_digest(x->digest[1], stored_field(s, "approval.signature.blob"));
    return true;
}

static void found_release(struct found *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].approval && f->v[i].bytes.data) {
            buf_release(&f->v[i].bytes);
            buf_release(&f->v[i].sig);
        }
    f->n = 0;
}

static bool look_up(struct job *j, struct audit_log *l)
{
    struct found *f = j->result;
    struct audit_head head;
    size_t approvals = 0;
    if (!audit_head(l, &head, &j->err))
        return false;
    f->anew = head.newest < f->from - 1;
    struct audit_query q = {.from_seq = f->anew ? 1 : f->from, .fleet = j->fleet};
    f->to = head.newest;
    snprintf(f->log, sizeof f->log, "%s", head.origin);
    if (!audit_each(l, &q, on_entry, f, &j->err))
        return false;
    for (size_t i = f->n; i > 0; i--) {
        struct found_one *x = &f->v[i - 1];
        struct err e = {0};
        if (!x->approval || ++approvals > APPROVALS_KEPT)
            continue;
        buf_init(&x->bytes, APPROVAL_TEXT_MAX);
        buf_init(&x->sig, SSHSIG_MAX);
        if (!audit_get_blob(l, x->digest[0], &x->bytes, &e) || !audit_get_blob(l, x->digest[1], &x->sig, &e))
            buf_clear(&x->bytes); /* no approval; `andon audit verify` says what is wrong with the log */
    }
    return true;
}

static void forget(struct en_approvals *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_release(&a->kept[i].bytes);
        buf_release(&a->kept[i].sig);
    }
    a->n -= n;
    if (a->n)
        memmove(a->kept, a->kept + n, a->n * sizeof *a->kept);
}

static void keep(struct en_approvals *a, struct found_one *x)
{
    struct approval_text t;
    if (!x->bytes.data || memchr(x->sig.data, '\0', x->sig.len) ||
        !approval_read(x->bytes.data, x->bytes.len, &t, NULL))
        return;
    if (a->n == APPROVALS_KEPT)
        forget(a, 1);
    a->kept = xreallocarray(a->kept, APPROVALS_KEPT, sizeof *a->kept);
    struct approval_kept *k = &a->kept[a->n++];
    *k = (struct approval_kept){.seq = x->seq, .text = t, .checked_at = -1, .bytes = x->bytes, .sig = x->sig};
    snprintf(k->rollout, sizeof k->rollout, "%s", x->rollout);
    x->bytes.data = NULL; /* taken over */
}

static void keep_all(struct en_approvals *a, struct found *f)
{
    char wave[16];
    if (f->anew)
        forget(a, a->n);
    for (size_t i = 0; i < f->n; i++) {
        struct found_one *x = &f->v[i];
        if (x->approval) {
            if (f->anew || x->seq > a->seq) /* what came while it was read may be read twice */
                keep(a, x);
            continue;
        }
        snprintf(wave, sizeof wave, "W%d", x->wave);
        for (size_t k = 0; k < a->n; k++) {
            struct approval_kept *g = &a->kept[k];
            if (g->seq < x->seq && g->text.verb == x->verb && strcmp(g->rollout, x->rollout) == 0)
                g->used = g->used || x->wave < 0 || strcmp(approval_wave(&g->text), wave) == 0;
        }
    }
    a->seq = f->n > 0 && f->v[f->n - 1].seq > f->to ? f->v[f->n - 1].seq : f->to;
    snprintf(a->log, sizeof a->log, "%s", f->log);
}

/* ---- what counts ---- */

/* Is it about this rollout as it stands, whoever has signed it? */
static bool is_about(const struct engine *en, const struct approval_kept *k, const struct ro *ro)
{
    char release[IDENTITY_RELEASE_BYTES];
    struct verb_facts f = {
        .rollout = &ro->facts.r, .waves = ro->facts.waves, .n_waves = ro->facts.waves_known ? ro->facts.n_waves : 0};
    struct rollout_identity who = identity_of(en->spec.fleet->name, &ro->facts.r, release);
    struct approval_subject s;
    return ro->facts.known && !k->used && strcmp(k->rollout, ro->id) == 0 &&
           approval_asked(ro->policy.applies, k->text.verb) &&
           approval_subject_of(&f, k->text.verb, &who, en->approvals.log, &s) && approval_fits(&k->text, &s, NULL);
}

const struct approval_state *approvals_of(struct engine *en, const struct ro *ro)
{
    struct en_approvals *a = &en->approvals;
    struct approval_state *s = &a->state;
    const struct approval_policy *p = &ro->policy.applies->approval;
    struct err why = {0};
    if (p->require <= 0)
        return NULL;
    *s = (struct approval_state){.known = a->done >= 0 && a->err.code == ERR_NONE && ro->facts.waves_known,
                                 .looked = a->done >= 0 || !diary_reads(en),
                                 .problem = a->problem};
    snprintf(a->problem, sizeof a->problem, "%s",
             s->known                  ? ""
             : !diary_reads(en)        ? "there is no audit log"
             : a->err.code != ERR_NONE ? a->err.what
             : !ro->facts.waves_known  ? "its waves were not read yet"
                                       : "the log was not read yet");
    for (size_t i = a->n, seen = 0; s->known && i > 0 && seen < APPROVALS_MAX; i--) {
        const struct approval_kept *k = &a->kept[i - 1];
        if (!is_about(en, k, ro))
            continue;
        seen++;
        bool in_time = approval_current(&k->text, clock_wall(en->clock), p->valid_us, &why);
        if (in_time && k->checked_at < 0)
            s->known = s->looked = false;
        else if (in_time && k->good)
            s->v[s->n++] = (struct approval_given){k->text.verb, k->seq, k->text.expires, k->who.people, k->who.key};
        else if (!*a->problem)
            snprintf(a->problem, sizeof a->problem, "entry %lld does not count: %.250s", (long long)k->seq,
                     in_time ? k->why : why.what);
    }
    if (!s->known && !*a->problem)
        snprintf(a->problem, sizeof a->problem, "signatures are being checked");
    return s;
}

const struct approval_state *approvals_shown(struct engine *en, const struct ro *ro, struct arena *a)
{
    const struct approval_state *now = approvals_of(en, ro);
    if (!now)
        return NULL;
    struct approval_state *s = arena_memdup(a, now, sizeof *s);
    s->problem = arena_strdup(a, s->problem);
    for (size_t i = 0; i < s->n; i++) {
        s->v[i].people = arena_strdup(a, s->v[i].people);
        s->v[i].key = arena_strdup(a, s->v[i].key);
    }
    return s;
}

void approvals_tell(struct engine *en, const struct op *op, struct entry *e)
{
    struct en_approvals *a = &en->approvals;
    const struct approval_policy *p = op->ro ? &op->ro->policy.applies->approval : NULL;
    if (!p || op->in.actor.kind == ACTOR_RULE || !approval_asked(op->ro->policy.applies, op->in.verb))
        return;
    const struct approval_state *s = approvals_of(en, op->ro);
    size_t len = 0;
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].verb == op->in.verb && len < sizeof a->told[0] - 24)
            len += (size_t)snprintf(a->told[0] + len, sizeof a->told[0] - len, "%s%lld", len ? " " : "",
                                    (long long)s->v[i].seq);
    approval_people(s, op->in.verb, p->asker_out ? &op->in.actor : NULL, a->told[1]);
    if (len > 0) {
        entry_str(e, "approvals", a->told[0]);
        entry_str(e, "approvals.people", a->told[1]);
    }
}

/* ---- checking the signatures ---- */

struct check_one {
    int64_t seq;
    char *text, *sig, *signers, *revoked;
    bool good;
    struct sshsig_good who;
    struct err why;
};
struct check {
    struct aside_job aside; /* first */
    struct check_one v[APPROVALS_KEPT];
    size_t n;
};

static void check_free(void *ctx, struct aside_job *j)
{
    struct check *c = (struct check *)j;
    (void)ctx;
    for (size_t i = 0; i < c->n; i++) {
        free(c->v[i].text);
        free(c->v[i].sig);
        free(c->v[i].signers);
        free(c->v[i].revoked);
    }
    free(c);
}

static bool check_work(void *ctx, struct aside_job *j)
{
    struct check *c = (struct check *)j;
    (void)ctx;
    for (size_t i = 0; i < c->n; i++) {
        struct check_one *x = &c->v[i];
        struct sshsig_trust t;
        struct buf text = {.data = x->text, .len = strlen(x->text)}, sig = {.data = x->sig, .len = strlen(x->sig)};
        x->good = sshsig_trust_read(x->signers, x->revoked, &t, &x->why) &&
                  sshsig_check(APPROVAL_NAMESPACE, &text, &sig, &t, &x->who, &x->why);
        sshsig_trust_release(&t);
    }
    return true;
}

static void look(struct engine *en);

static void look_over(struct engine *en)
{
    struct en_approvals *a = &en->approvals;
    void (*then)(struct engine * en) = a->again ? NULL : a->then;
    a->under_way = a->anew = false;
    a->done = a->begun;
    mark(en);
    if (a->again) {
        look(en);
    } else if (then) {
        a->then = NULL;
        then(en);
    }
}

static void checked(struct engine *en, const struct check *c)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < en->approvals.n; k++) {
            struct approval_kept *g = &en->approvals.kept[k];
            const struct check_one *x = &c->v[i];
            if (g->seq != x->seq)
                continue;
            g->checked_at = now_of(en);
            g->good = x->good;
            g->who = x->who;
            snprintf(g->why, sizeof g->why, "%s", x->good ? "" : x->why.what);
        }
}

static bool to_thread(struct engine *en, struct check *c)
{
    struct en_approvals *a = &en->approvals;
    struct aside_spec as = {.what = "the thread that checks approvals",
                            .max = 2,
                            .wake_fd = en->turn.wake_fd,
                            .poke_fd = -1,
                            .work = check_work,
                            .drop = check_free};
    if (!a->thread)
        a->thread = aside_new(&as, &a->err);
    if (!a->thread || !aside_put(a->thread, &c->aside, NULL))
        return false;
    a->outstanding++;
    return true;
}

/* The newest that could count. */
static void check(struct engine *en)
{
    struct en_approvals *a = &en->approvals;
    struct check *c = xcalloc(1, sizeof *c);
    for (size_t i = a->n; i > 0; i--) {
        const struct approval_kept *k = &a->kept[i - 1];
        const struct ro *ro = ro_find(en, k->rollout);
        bool known = k->checked_at >= 0 && !a->anew && now_of(en) - k->checked_at < FRESH_US;
        if (known || !ro || !is_about(en, k, ro) ||
            !approval_current(&k->text, clock_wall(en->clock), APPROVAL_VALID_MAX, NULL))
            continue;
        const struct approval_policy *p = &ro->policy.applies->approval;
        c->v[c->n++] = (struct check_one){.seq = k->seq,
                                          .text = xstrdup(k->bytes.data),
                                          .sig = xstrdup(k->sig.data),
                                          .signers = xstrdup(p->signers),
                                          .revoked = xstrdup(p->revoked)};
    }
    if (c->n > 0 && to_thread(en, c))
        return;
    check_free(NULL, &c->aside);
    look_over(en);
}

static void drain(struct engine *en)
{
    struct en_approvals *a = &en->approvals;
    for (struct aside_job *j; a->thread && (j = aside_done(a->thread));) {
        a->outstanding--;
        checked(en, (struct check *)j);
        check_free(NULL, j);
        look_over(en);
    }
}

/* ---- a look ---- */

static void answered(struct engine *en, struct job *j)
{
    struct en_approvals *a = &en->approvals;
    struct found *f = j->result;
    bool none = !j->ok && j->err.code == ERR_NOT_FOUND && !en->diary.scribe; /* who only looks finds no log */
    err_clear(&a->err);
    if (!j->ok && !none)
        a->err = j->err;
    if (j->ok)
        keep_all(a, f);
    found_release(f);
    if (a->err.code == ERR_NONE)
        check(en);
    else
        look_over(en);
}

static void look(struct engine *en)
{
    struct en_approvals *a = &en->approvals;
    if (!diary_reads(en))
        return;
    struct job *j = job_new(JOB_READ);
    struct found *f = ARENA_NEW(&j->arena, struct found);
    *f = (struct found){.from = a->seq + 1, .arena = &j->arena};
    j->fleet = arena_strdup(&j->arena, en->spec.fleet->name);
    j->read = look_up;
    j->result = f;
    a->under_way = true;
    a->anew = a->again;
    a->again = false;
    a->begun = now_of(en);
    diary_read(en, j, answered, NULL);
}

bool approvals_ready(struct engine *en, const struct op *op, void (*then)(struct engine *en))
{
    struct en_approvals *a = &en->approvals;
    if (!op->ro || op->in.actor.kind == ACTOR_RULE || !approval_asked(op->ro->policy.applies, op->in.verb) ||
        !diary_reads(en) || a->done >= op->started)
        return true;
    a->then = then;
    if (a->under_way && a->begun >= op->started)
        return false;
    a->again = true;
    if (!a->under_way)
        look(en);
    return false;
}

static void listed(struct engine *en)
{
    struct en_approvals *a = &en->approvals;
    if (!a->under_way && approval_anywhere(en->spec.fleet) &&
        (a->done < 0 || now_of(en) - a->begun >= APPROVALS_EACH_US))
        look(en);
}

/* Until now nobody could say what fits it. */
static void waves(struct ro *ro)
{
    struct en_approvals *a = &ro->en->approvals;
    for (size_t i = 0; i < a->n; i++) {
        if (a->kept[i].checked_at >= 0 || !is_about(ro->en, &a->kept[i], ro))
            continue;
        if (a->under_way) /* its check may be past this one, which fitted nothing then */
            a->again = true;
        else
            look(ro->en);
        return;
    }
}

/* ---- the part ---- */

static void init(struct engine *en)
{
    en->approvals.begun = en->approvals.done = -1;
}

static void end(struct engine *en)
{
    struct en_approvals *a = &en->approvals;
    if (a->thread && aside_stop(a->thread, STOP_US, false)) {
        for (struct aside_job *j; (j = aside_done(a->thread));)
            check_free(NULL, j);
        aside_free(a->thread);
    }
    a->thread = NULL;
}

static void free_all(struct engine *en)
{
    end(en);
    forget(&en->approvals, en->approvals.n);
    free(en->approvals.kept);
    en->approvals.kept = NULL;
}

const struct part part_approvals = {
    .name = "approvals", .init = init, .drain = drain, .listed = listed, .waves = waves, .end = end, .free = free_all};
