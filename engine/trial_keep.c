/* What is kept of a trial across restarts: its own state, and which devices are in it under which number.
 *
 * All numbers little-endian. The history keeps a digest of the bytes; what is read is still taken for hostile. */
#include <stdlib.h>
#include <string.h>
#include "core/text.h"
#include "engine/keeper.h"
#include "engine/trial_run.h"

#define KEEP_US   US_PER_MIN
#define KEEP_MAX  ((int64_t)4 << 20) /* bytes in that time: a large state is kept less often, for the disk's sake */
#define KEPT_US   (30 * US_PER_DAY)  /* states of rollouts that were not looked at for so long go */
#define STOP_US   (2 * US_PER_S)
#define KEPT_HEAD "andon-run 2\n" /* 1: without what was before, which is not known then */
#define KEPT_OLD  "andon-run 1\n"
#define RAW_MAX   1024 /* longest device id */
#define KEPT_MAX  ((size_t)256 << 20)

/* ---- writing ---- */

static void put_int(struct buf *b, int64_t v)
{
    unsigned char c[8];
    for (int i = 0; i < 8; i++)
        c[i] = (unsigned char)((uint64_t)v >> (8 * i));
    buf_add(b, c, sizeof c);
}

/* What was put behind an int at `at` is so long. */
static void put_length(struct buf *b, size_t at)
{
    uint64_t n = b->len - at - 8;
    for (int i = 0; !b->over && i < 8; i++)
        b->data[at + (size_t)i] = (char)(n >> (8 * i));
}

static void put_text(struct buf *b, const char *s)
{
    size_t n = strlen(s);
    put_int(b, (int64_t)n);
    buf_add(b, s, n);
}

static void write_run(const struct run *r, struct buf *b)
{
    const struct engine *en = r->ro->en;
    struct buf trial;
    int waves = 0;
    while (waves < r->n_waves && r->wave[waves].applied)
        waves++;
    buf_adds(b, KEPT_HEAD);
    put_int(b, waves);
    for (int w = 0; w < waves; w++)
        put_int(b, r->wave[w].told_at);
    put_int(b, r->begun_at);
    put_int(b, r->ack);
    put_int(b, (int64_t)r->n_names);
    for (size_t i = 0; i < r->n_names; i++)
        put_text(b, r->names[i]);
    put_int(b, (int64_t)r->n_strata);
    for (size_t i = 0; i < r->n_strata; i++)
        put_text(b, r->strata[i]);
    put_int(b, (int64_t)r->n);
    for (size_t i = 0; i < r->n; i++) {
        const struct run_dev *d = &r->v[i];
        put_text(b, en->watch.devs[d->dev].raw_id);
        put_int(b, d->phase);
        put_int(b, d->wave);
        put_int(b, d->control | d->given << 1 | d->left << 2);
        put_int(b, d->stratum);
        for (int k = 0; k < STRATA_KEYS_MAX; k++)
            put_int(b, d->attr[k]);
        put_int(b, d->installed);
    }
    size_t at = b->len;
    put_int(b, 0);
    placebo_write(&r->placebo, &r->spec.policy, 0, &r->placebo_of[0], b);
    put_length(b, at);
    buf_init(&trial, KEPT_MAX);
    trial_save(r->trial, &trial);
    put_int(b, (int64_t)trial.len);
    buf_add(b, trial.data, trial.len);
    b->over = b->over || trial.over;
    buf_release(&trial);
}

void run_keep(struct run *r, bool now)
{
    struct engine *en = r->ro->en;
    const struct ro_ledger *g = r->ro->trials.ledger;
    if (!en->trials.keeper || !en->spec.judge || !r->trial)
        return;
    if (g && !g->known) /* on terms that may not be its own: what is kept under those would go */
        return;
    int64_t tick = trial_next_tick(r->trial);
    /* At whole minutes of the grid: the same ticks in every watcher, so that what they keep can be compared. What reads
     * many ticks at once may pass over them. */
    int64_t since = now_of(en) - r->kept_at, least = KEEP_US * r->kept_bytes / KEEP_MAX;
    bool due =
        now || (since >= least &&
                (!beat_history(en) || ((r->state == TRIAL_LIVE || r->state == TRIAL_BEHIND) && tick % KEEP_US == 0) ||
                 since >= 2 * KEEP_US));
    if (tick == r->kept_tick || !due)
        return;
    struct buf b;
    buf_init(&b, KEPT_MAX);
    write_run(r, &b);
    r->kept_tick = tick;
    r->kept_at = now_of(en);
    r->kept_bytes = (int64_t)b.len;
    if (!b.over) {
        size_t n = b.len;
        keeper_put(en->trials.keeper, &r->ro->facts.mark.who, r->digest, tick, buf_take(&b), n);
    }
    buf_release(&b);
}

bool run_open_kept(struct engine *en, struct err *e)
{
    en->trials.keeper = keeper_new(en->spec.evidence_db, now_of(en) - KEPT_US, en->turn.wake_fd, e);
    return en->trials.keeper != NULL;
}

void run_close_kept(struct engine *en)
{
    (void)keeper_stop(en->trials.keeper, STOP_US);
    en->trials.keeper = NULL;
}

/* ---- reading ---- */

struct reader {
    const char *p, *end;
    bool bad;
};

static int64_t get_int(struct reader *in, int64_t least, int64_t most)
{
    uint64_t v = 0;
    if (in->bad || in->end - in->p < 8) {
        in->bad = true;
        return least;
    }
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)(unsigned char)in->p[i] << (8 * i);
    in->p += 8;
    in->bad = (int64_t)v < least || (int64_t)v > most;
    return in->bad ? least : (int64_t)v;
}

static char *get_text(struct reader *in)
{
    int64_t n = get_int(in, 0, RAW_MAX);
    if (in->bad || in->end - in->p < n || memchr(in->p, 0, (size_t)n)) {
        in->bad = true;
        return xstrdup("");
    }
    char *s = xstrndup(in->p, (size_t)n);
    in->p += n;
    return s;
}

static void read_device(struct run *r, struct reader *in)
{
    struct run_new v = {0};
    struct engine *en = r->ro->en;
    char *raw = get_text(in);
    int phase = (int)get_int(in, 0, r->n_waves - 1);
    v.wave = (int16_t)get_int(in, -1, r->n_waves - 1);
    int64_t flags = get_int(in, 0, 7);
    v.control = (flags & 1) != 0;
    v.stratum = (uint8_t)get_int(in, 0, TRIAL_STRATA - 1);
    for (int k = 0; k < STRATA_KEYS_MAX; k++)
        v.attr[k] = (int32_t)get_int(in, -1, (int64_t)r->n_names - 1);
    int64_t installed = get_int(in, 0, INT64_MAX);
    if (!in->bad && *raw) {
        v.dev = (uint32_t)watch_raw(en, raw);
        in->bad = trial_ix_known(run_index(r, v.dev));
    } else {
        in->bad = true;
    }
    free(raw);
    if (in->bad)
        return;
    run_put(r, phase, &v);
    struct run_dev *d = &r->v[r->n - 1];
    d->given = (flags & 2) != 0;
    d->left = (flags & 4) != 0;
    d->installed = installed;
    if (installed > 0 && !d->given)
        r->pending[r->n_pending++] = (uint32_t)r->n - 1;
}

static void read_before(struct run *r, struct reader *in)
{
    struct placebo_replay again;
    int64_t n = get_int(in, 0, INT64_MAX);
    if (in->bad || in->end - in->p < n || !placebo_replay(in->p, (size_t)n, &again, &r->placebo, NULL)) {
        in->bad = true;
        return;
    }
    for (size_t i = 0; i < r->placebo.n; i++)
        in->bad |= (size_t)r->placebo.v[i].row >= metric_count(&r->spec.policy);
    in->p += n;
}

static bool read_run(struct run *r, struct reader *in)
{
    size_t head = strlen(KEPT_HEAD);
    if ((size_t)(in->end - in->p) < head)
        return false;
    bool old = memcmp(in->p, KEPT_OLD, head) == 0;
    if (!old && memcmp(in->p, KEPT_HEAD, head) != 0)
        return false;
    in->p += head;
    int waves = (int)get_int(in, 1, r->n_waves);
    for (int w = 0; w < waves && !in->bad; w++) {
        r->wave[w].told_at = get_int(in, 1, INT64_MAX);
        r->wave[w].told_known = r->wave[w].applied = true;
        r->wave[w].step = RUN_READY;
    }
    r->begun_at = get_int(in, 0, INT64_MAX);
    r->ack = get_int(in, 0, INT64_MAX);
    for (int64_t n = get_int(in, 0, RUN_NAMES); n > 0 && !in->bad; n--) {
        char *s = get_text(in);
        (void)run_name(r, s); /* the first to be named: the numbers are as they were */
        free(s);
    }
    for (int64_t n = get_int(in, 0, TRIAL_STRATA); n > 0 && !in->bad; n--)
        r->strata[r->n_strata++] = get_text(in);
    for (int64_t n = get_int(in, 0, TRIAL_DEVICES); n > 0 && !in->bad; n--)
        read_device(r, in);
    if (!old)
        read_before(r, in);
    int64_t n = get_int(in, 1, INT64_MAX);
    if (in->bad || in->end - in->p != n)
        return false;
    struct err e = {0};
    r->trial = trial_load(in->p, (size_t)n, &r->spec, &e);
    if (!r->trial)
        return false;
    run_add_shares(r);
    for (int w = 0; w < waves; w++)
        placebo_test(&r->placebo, w, &r->placebo_of[w]);
    return true;
}

/* A state that was kept while the clock was wrong would be waited for, and nothing be seen until then. */
static bool ahead(const struct run *r)
{
    return trial_next_tick(r->trial) > now_of(r->ro->en) + 2 * r->spec.step_us;
}

/* Who only looks, and goes again, cannot begin to gather what the source does not remember. */
static bool nothing_to_say(const struct run *r)
{
    return !r->ro->en->spec.judge && !ro_replayed(r->ro) && !beat_history(r->ro->en);
}

/* The answer about a kept state. */
static void take(struct run *r, const struct kept *a)
{
    struct run_wave first = r->wave[0];
    struct reader in = {a->bytes, a->bytes + a->n, false};
    r->busy = false;
    if (a->found && read_run(r, &in) && !ahead(r)) {
        r->kept_tick = trial_next_tick(r->trial);
        /* What a page's counters have come to is kept by its reader, who is another one now: of a time of boot it
         * counts from 0 again, and each canary's own install would look like a reboot. */
        if (!beat_history(r->ro->en))
            trial_counts_anew(r->trial);
        run_sort_pending(r);
    } else {
        if (a->found) {
            bool later = r->trial != NULL;
            run_clear(r);
            run_drop_kept(r);
            r->wave[0] = (struct run_wave){.told_at = first.told_at, .told_known = true};
            run_change(r, later ? "the kept evidence is of a time to come: it begins anew"
                                : "the kept evidence cannot be read: it begins anew");
        }
        r->wave[0].step = RUN_CONTROL;
        r->ro->trials.no_past = nothing_to_say(r);
    }
    struct ro *ro = r->ro;
    ANNOUNCE(ro->en, learned, ro);
    mark(ro->en);
}

void run_drain_kept(struct engine *en)
{
    for (struct kept *a; en->trials.keeper && (a = keeper_done(en->trials.keeper));) {
        en->trials.keep_err = a->err;
        mark(en);
        if (a->id > 0) {
            en->trials.outstanding--;
            for (size_t i = 0; i < en->facts.n_all; i++)
                if (en->facts.all[i]->trials.run && en->facts.all[i]->trials.run->serial == a->id)
                    take(en->facts.all[i]->trials.run, a);
        }
        kept_free(a);
    }
}

void run_ask_kept(struct run *r)
{
    struct engine *en = r->ro->en;
    if (!en->trials.keeper || r->no_kept) {
        r->wave[0].step = RUN_CONTROL;
        r->ro->trials.no_past = nothing_to_say(r);
        return;
    }
    run_say(r, "the kept evidence");
    r->busy = true;
    en->trials.outstanding++;
    keeper_get(en->trials.keeper, &r->ro->facts.mark.who, r->digest, r->serial);
}

bool engine_trial_bytes(struct engine *en, const char *rollout, struct buf *out, int64_t *tick)
{
    const struct ro *ro = ro_find(en, rollout);
    if (!ro || !ro->trials.run || !ro->trials.run->trial)
        return false;
    *tick = trial_next_tick(ro->trials.run->trial) - ro->trials.run->spec.step_us;
    trial_save(ro->trials.run->trial, out);
    return !out->over;
}
