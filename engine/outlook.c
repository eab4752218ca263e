#include "engine/outlook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "audit/said.h"
#include "audit/stays.h"
#include "engine/aside.h"
#include "engine/worker.h"
#include "intel/outlook.h"

#define FIRST_US (5 * US_PER_S) /* after the start: rollouts come first */
#define STOP_US  (2 * US_PER_S)

/* ---- on the thread ---- */

struct look {
    struct aside_job job;           /* first */
    const struct audit_spec *audit; /* these outlive the engine */
    const char *intel_db, *census_db;
    struct arena mem;
    struct outlook_ask ask;
    struct inventory_held *inventory; /* a reference */
    char seen[SHA256_HEX];            /* of what is there already; "" = it is to be computed in any case */
    bool same;
    struct outlook *out;
    struct err err;
};

static void look_free(void *ctx, struct aside_job *j)
{
    struct look *k = (struct look *)j;
    (void)ctx;
    outlook_unref(k->out);
    inventory_unref(k->inventory);
    arena_release(&k->mem);
    free(k);
}

static void note_file(struct buf *b, const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0)
        buf_printf(b, "%llu %llu %lld.%ld %lld\n", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                   (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_size);
    else
        buf_adds(b, "-\n");
}

/* All that it depends on but the time. */
static void digest_of(const struct look *k, const struct said *said, char out[SHA256_HEX])
{
    char path[600];
    struct buf b;
    buf_init(&b, (size_t)4 << 20);
    note_file(&b, k->intel_db);
    snprintf(path, sizeof path, "%s-wal", k->intel_db);
    note_file(&b, path);
    if (k->census_db)
        note_file(&b, k->census_db);
    buf_printf(&b, "%lld\n", k->inventory ? (long long)k->inventory->v.at : -1LL);
    for (size_t i = 0; i < said->n_accepts; i++)
        buf_printf(&b, "a%lld\n", (long long)said->accepts[i].seq);
    for (size_t i = 0; i < said->n_vex; i++)
        buf_printf(&b, "v%s\n", said->vex[i].document);
    for (size_t i = 0; i < k->ask.n_standings; i++)
        buf_printf(&b, "r%s %s %s %d\n", k->ask.standings[i].rollout, k->ask.standings[i].line,
                   k->ask.standings[i].version, (int)k->ask.standings[i].state);
    sha256_hex(b.data ? b.data : "", b.len, out);
    buf_release(&b);
}

/* How long patching takes, where somebody has taken censuses. Its failure is not the queue's: it is said by whoever
 * asks for a report, and here there is no figure. */
static void add_patch(const struct look *k, struct outlook *o)
{
    struct err why = {0};
    struct stay *v;
    size_t n;
    struct stays *s = k->census_db ? stays_open(k->census_db, false, &why) : NULL;
    if (s && stays_all(s, &o->mem, &v, &n, &why)) {
        o->patch = ARENA_NEW(&o->mem, struct patch_figures);
        patch_figures(o, v, n, o->in.policy->clock, 30 * US_PER_DAY, &o->mem, o->patch);
    }
    stays_close(s);
}

static bool compute(struct look *k, struct err *e)
{
    struct said said = {0};
    char now[SHA256_HEX];
    k->out = outlook_new();
    if (k->audit && !said_read(k->audit, &k->out->mem, &said, e))
        return false;
    digest_of(k, &said, now);
    k->same = strcmp(now, k->seen) == 0;
    memcpy(k->seen, now, sizeof now);
    if (k->same)
        return true;
    k->ask.accepts = said.accepts;
    k->ask.n_accepts = said.n_accepts;
    k->ask.vex = said.vex;
    k->ask.n_vex = said.n_vex;
    struct intel_store *store = intel_open(k->intel_db, false, e);
    bool ok = store && intel_outlook(store, &k->ask, k->out, e);
    intel_close(store);
    k->out->inventory = inventory_ref(k->inventory);
    if (ok)
        add_patch(k, k->out);
    return ok;
}

static bool work(void *ctx, struct aside_job *j)
{
    struct look *k = (struct look *)j;
    (void)ctx;
    if (!compute(k, &k->err) && k->err.code == ERR_NONE)
        err_set(&k->err, ERR_IO, "", "the queue cannot be computed");
    if (k->same || k->err.code != ERR_NONE) {
        outlook_unref(k->out);
        k->out = NULL;
    }
    return true;
}

/* ---- on the worker ---- */

static void turn_to(struct engine *en, void *arg);

/* When it is to be looked at again; TIME_NEVER. */
static int64_t due(const struct engine *en)
{
    const struct en_outlook *v = &en->outlook;
    if (!en->spec.intel_db || v->outstanding || !en->facts.rollouts_known || (!v->wanted && !en->spec.judge))
        return TIME_NEVER;
    if (v->again || v->looked < 0)
        return v->wanted || v->looked >= 0 ? now_of(en) : v->began + FIRST_US;
    return v->looked + (v->wanted ? OUTLOOK_LOOK_US : OUTLOOK_IDLE_US);
}

/* How each rollout of this fleet stands, for a thread that sees nothing of the engine. */
static void stand(const struct engine *en, struct look *k)
{
    struct outlook_standing *v = ARENA_ARRAY(&k->mem, struct outlook_standing, en->facts.n_ros + 1);
    k->ask.standings = v;
    for (size_t i = 0; i < en->facts.n_ros; i++) {
        const struct ro *ro = en->facts.ros[i];
        const struct rollout *r = &ro->facts.r;
        enum fix_state state = ro->facts.gone ? FIX_NONE : outlook_standing(r->state, stop_latched(&ro->stop.m));
        if (state != FIX_NONE)
            v[k->ask.n_standings++] = (struct outlook_standing){arena_strdup(&k->mem, r->release.name),
                                                                arena_strdup(&k->mem, r->release.version), state,
                                                                arena_strdup(&k->mem, r->id)};
    }
}

static bool begin_look(struct engine *en)
{
    struct en_outlook *v = &en->outlook;
    struct aside_spec as = {.what = "the thread that says what to roll out next",
                            .max = 1,
                            .wake_fd = en->turn.wake_fd,
                            .poke_fd = -1,
                            .work = work,
                            .drop = look_free};
    if (!v->thread)
        v->thread = aside_new(&as, &v->err);
    if (!v->thread)
        return false;
    struct look *k = xcalloc(1, sizeof *k);
    arena_init(&k->mem);
    k->audit = en->spec.audit;
    k->intel_db = en->spec.intel_db;
    k->census_db = en->spec.census_db;
    k->inventory = inventory_ref(en->inventory.held);
    k->ask = (struct outlook_ask){.now = clock_wall(en->clock),
                                  .policy = en->spec.risk ? en->spec.risk : risk_policy_default(),
                                  .rules = en->spec.fleet->inventory,
                                  .of = en->spec.fleet->name};
    if (k->inventory) {
        k->ask.cells = k->inventory->v.cells;
        k->ask.n_cells = k->inventory->v.n_cells;
    }
    stand(en, k);
    if (v->held && now_of(en) - v->computed < OUTLOOK_AGAIN_US)
        memcpy(k->seen, v->seen, sizeof k->seen);
    if (aside_put(v->thread, &k->job, NULL)) {
        v->outstanding++;
        return true;
    }
    look_free(NULL, &k->job);
    return false;
}

static void turn_to(struct engine *en, void *arg)
{
    int64_t at = due(en);
    (void)arg;
    if (at == TIME_NEVER)
        return;
    if (at > now_of(en)) {
        timer_set(en, at, turn_to, NULL);
        return;
    }
    en->outlook.again = false;
    en->outlook.looked = now_of(en);
    if (!begin_look(en))
        timer_set(en, now_of(en) + OUTLOOK_LOOK_US, turn_to, NULL);
    mark(en);
}

static void drain(struct engine *en)
{
    struct en_outlook *v = &en->outlook;
    for (struct aside_job *j; v->thread && (j = aside_done(v->thread));) {
        struct look *k = (struct look *)j;
        v->outstanding--;
        v->looked = now_of(en);
        if (k->out) {
            outlook_unref(v->held);
            v->held = outlook_ref(k->out);
            v->computed = now_of(en);
            memcpy(v->seen, k->seen, sizeof v->seen);
        }
        v->err = k->err;
        look_free(NULL, j);
        turn_to(en, NULL);
        mark(en);
    }
}

void outlook_look(struct engine *en, const struct focus *f)
{
    en->outlook.wanted = f->outlook;
    turn_to(en, NULL);
}

void outlook_stir(struct engine *en)
{
    en->outlook.again = true;
    turn_to(en, NULL);
}

static void refresh(struct engine *en)
{
    if (en->outlook.wanted)
        outlook_stir(en);
}

static void listed(struct engine *en)
{
    if (en->outlook.looked < 0)
        turn_to(en, NULL);
}

static void seen(struct ro *ro, enum rollout_state was)
{
    if (was != ro->facts.r.state && ro->en->outlook.held)
        outlook_stir(ro->en);
}

void outlook_publish(struct engine *en, struct snapshot *s)
{
    const struct en_outlook *v = &en->outlook;
    s->outlook = (struct outlook_view){.held = outlook_ref(v->held),
                                       .at = v->computed,
                                       .computing = v->outstanding > 0,
                                       .looked = v->looked >= 0 && v->outstanding == 0,
                                       .error = err_shown(&s->arena, &v->err)};
}

static void init(struct engine *en)
{
    en->outlook.looked = -1;
}

static void begin(struct engine *en)
{
    en->outlook.began = now_of(en);
}

static void end(struct engine *en)
{
    struct en_outlook *v = &en->outlook;
    if (v->thread && aside_stop(v->thread, STOP_US, false)) {
        for (struct aside_job *j; (j = aside_done(v->thread));)
            look_free(NULL, j);
        aside_free(v->thread);
    }
    v->thread = NULL;
    v->outstanding = 0;
}

static void free_all(struct engine *en)
{
    end(en);
    outlook_unref(en->outlook.held);
    en->outlook.held = NULL;
}

const struct part part_outlook = {.name = "outlook",
                                  .init = init,
                                  .begin = begin,
                                  .drain = drain,
                                  .refresh = refresh,
                                  .seen = seen,
                                  .listed = listed,
                                  .end = end,
                                  .free = free_all};
