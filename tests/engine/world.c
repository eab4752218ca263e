/* The server's own life: devices install, waves follow each other, states change. See world.h. */
#include "tests/engine/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/world_impl.h"

#define T0 (INT64_C(1700000000) * US_PER_S)

struct w_rollout *world_rollout(struct world *w, const char *id)
{
    for (int i = 0; i < w->n_rollouts; i++)
        if (strcmp(w->rollouts[i].id, id) == 0)
            return &w->rollouts[i];
    return NULL;
}

void w_set(struct world *w, struct w_rollout *r, enum rollout_state s)
{
    r->state = s;
    r->changed_at = w->now;
}

/* What one device was told by one rollout has been answered? */
static bool busy(const struct world *w, const struct w_rollout *r, int device)
{
    const struct w_device *d = &w->devices[device];
    return d->action >= 0 && &w->rollouts[d->action_rollout] == r;
}

void w_counts(const struct world *w, const struct w_rollout *r, const struct w_wave *v, struct counts *c)
{
    memset(c, 0, sizeof *c);
    c->known = true;
    for (int i = 0; i < v->n; i++) {
        const struct w_device *d = &w->devices[v->members[i]];
        if (v->state == WAVE_SCHEDULED || v->state == WAVE_READY || v->state == WAVE_CREATING)
            c->scheduled++;
        else if (busy(w, r, v->members[i]))
            c->running++;
        else if (d->status == DEVICE_ERROR)
            c->error++;
        else
            c->finished++;
    }
}

/* The world moves at least each second: in whole ones its life is the same whoever looks on. */
static int64_t whole(int64_t t)
{
    return t / US_PER_S * US_PER_S;
}

void w_tell(struct world *w, struct w_rollout *r, struct w_wave *v)
{
    v->state = WAVE_RUNNING;
    v->told_at = whole(w->now);
    for (int i = 0; i < v->n; i++) {
        struct w_device *d = &w->devices[v->members[i]];
        if (d->assigned == r->release && d->action < 0)
            continue; /* "already assigned": skipped, as hawkBit does */
        d->assigned = r->release;
        d->action = r->release;
        d->action_rollout = (int)(r - w->rollouts);
        d->action_at = whole(w->now);
        d->status = DEVICE_PENDING;
        d->canceling = false;
    }
}

static void install(struct world *w, struct w_device *d)
{
    int release = d->action;
    bool rolled_back = release == 0;
    d->action = -1;
    if (d->fails && (release == 1 || (w->fails_back && rolled_back))) {
        d->status = DEVICE_ERROR;
        d->assigned = -1;
        return;
    }
    d->installed = release;
    d->installed_at = whole(w->now);
    d->status = DEVICE_IN_SYNC;
    if (rolled_back && d->late) { /* its success for the recalled release comes in after the old one's */
        d->late = false;
        d->installed = 1;
    }
}

static void device_tick(struct world *w, struct w_device *d)
{
    if (d->offline)
        return;
    if (d->action >= 0 && d->canceling) {
        if (!d->cancel_deaf && w->now - d->action_at >= w->step_us) {
            d->action = -1;
            d->canceling = false;
            d->assigned = d->installed;
            d->status = DEVICE_IN_SYNC;
        }
    } else if (d->action >= 0 && w->now - d->action_at >= w->install_us && !d->hangs) {
        install(w, d);
    }
}

static void waves_tick(struct world *w, struct w_rollout *r)
{
    for (int i = 0; i < r->n_waves; i++) {
        struct w_wave *v = &r->waves[i];
        struct counts c;
        w_counts(w, r, v, &c);
        if (v->state == WAVE_RUNNING && c.running == 0)
            v->state = WAVE_FINISHED;
        if (v->state == WAVE_FINISHED && c.error * 100 > (int64_t)(r->error_percent * v->n) && i + 1 < r->n_waves &&
            r->waves[i + 1].state == WAVE_SCHEDULED && r->changed_at < 0) {
            w_set(w, r, ROLLOUT_PAUSED);
            return;
        }
        if (v->state == WAVE_FINISHED && i + 1 < r->n_waves && r->waves[i + 1].state == WAVE_SCHEDULED) {
            w_tell(w, r, &r->waves[i + 1]);
            return;
        }
    }
    if (r->waves[r->n_waves - 1].state == WAVE_FINISHED)
        w_set(w, r, ROLLOUT_FINISHED);
}

void w_tick(struct world *w)
{
    for (int i = 0; i < w->n_devices; i++)
        device_tick(w, &w->devices[i]);
    w_scrape(w);
    for (int i = 0; i < w->n_rollouts; i++) {
        struct w_rollout *r = &w->rollouts[i];
        bool due = w->now - r->changed_at >= w->step_us;
        if (r->state == ROLLOUT_CREATING && due)
            w_set(w, r, ROLLOUT_READY);
        else if (r->state == ROLLOUT_STARTING && due)
            w_set(w, r, ROLLOUT_RUNNING), w_tell(w, r, &r->waves[0]);
        else if (r->state == ROLLOUT_STOPPING && due)
            w_set(w, r, ROLLOUT_STOPPED);
        else if (r->state == ROLLOUT_RUNNING)
            waves_tick(w, r);
    }
}

/* ---- the virtual clock ---- */

static int64_t clock_now_(struct clock *c)
{
    return ((struct world *)((char *)c - offsetof(struct world, clock)))->now;
}

static int64_t clock_idle_(struct clock *c, int64_t deadline, unsigned in_flight)
{
    (void)c;
    (void)deadline;
    (void)in_flight;
    return 0; /* the loop's turn is taken by w_run */
}

/* ---- making one ---- */

static const struct limit limits[] = {
    {.id = "R-REBOOT",
     .metric = "reboots",
     .basis = BASIS_ABSOLUTE,
     .value = 20,
     .for_us = 30 * US_PER_S,
     .min_devices = 2,
     .wave = -1,
     .device_class = "",
     .react = REACT_PAUSE},
};

static void make_fleet(struct world *w)
{
    w->policy = *policy_default();
    w->policy.evidence.tests = TESTS_OFF; /* test_trial.c has them on */
    w->policy.limits = limits;
    w->policy.n_limits = 1;
    w->policy.window_us = 10 * US_PER_MIN;
    w->policy.grace_us = 10 * US_PER_S;
    w->policy.drain_us = US_PER_MIN;
    w->fleet = (struct fleet_spec){
        .name = "lab", .kind = "hawkbit", .environment = "test", .poll_us = 2 * US_PER_S, .policy = &w->policy};
    w->fleet.endpoint.url = "http://127.0.0.1:1";
    w->fleet.telemetry.kind = TELEMETRY_OPENMETRICS;
    w->fleet.telemetry.endpoint.url = "http://127.0.0.1:1/metrics";
    w->fleet.telemetry.interval_us = 10 * US_PER_S;
    snprintf(w->dir, sizeof w->dir, "/tmp/andon-engine-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->db, sizeof w->db, "%s/log/audit.db", w->dir);
    snprintf(w->key, sizeof w->key, "%s/key/audit.key", w->dir);
    snprintf(w->evidence, sizeof w->evidence, "%s/evidence.db", w->dir);
    w->audit = (struct audit_spec){.db_path = w->db, .key_path = w->key, .origin = "andon/test"};
}

void world_init(struct world *w, const int *waves, int n_waves)
{
    memset(w, 0, sizeof *w);
    w->now = T0;
    w->caps = CAP_WAVES | CAP_PAUSE | CAP_TRIGGER_NEXT | CAP_STOP | CAP_RETRY | CAP_APPROVE | CAP_ACTION_LIST |
              CAP_WAVE_COUNTS | CAP_NOTES | CAP_NOTES_PUT | CAP_ROLLOUTS | CAP_DOWNGRADE | CAP_AUTO_ASSIGN |
              CAP_OFFLINE;
    w->releases[0] = (struct release){.id = "1", .name = "hearth", .version = "1.0"};
    w->releases[1] = (struct release){.id = "2", .name = "hearth", .version = "2.0"};
    w->n_releases = 2;
    w->answer_us = 5 * US_PER_MS;
    w->install_us = 20 * US_PER_S;
    w->step_us = US_PER_S;
    w->log_fail_after = -1;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->cond, NULL);
    w->clock = (struct clock){.now = clock_now_, .idle = clock_idle_, .wall = clock_now_};
    w_seam(w);
    make_fleet(w);
    struct w_rollout *r = &w->rollouts[w->n_rollouts++];
    snprintf(r->id, sizeof r->id, "10");
    snprintf(r->name, sizeof r->name, "spring");
    r->release = 1;
    r->error_percent = 80;
    r->changed_at = T0;
    r->n_waves = n_waves;
    for (int i = 0; i < n_waves; i++) {
        r->waves[i].state = WAVE_SCHEDULED;
        for (int k = 0; k < waves[i]; k++) {
            struct w_device *d = &w->devices[w->n_devices];
            snprintf(d->id, sizeof d->id, "dev-%02d", w->n_devices);
            d->assigned = d->installed = 0;
            d->action = -1;
            d->installed_at = T0 - US_PER_DAY;
            d->status = DEVICE_IN_SYNC;
            d->cpu = 0.2;
            d->variance = 1.0;
            r->waves[i].members[r->waves[i].n++] = w->n_devices++;
        }
    }
    r->state = ROLLOUT_RUNNING;
    w_scrape(w);
    w_tell(w, r, &r->waves[0]);
}

void world_release(struct world *w)
{
    char path[160];
    static const char *const files[] = {"log/audit.db", "log/audit.db-wal", "log/audit.db-shm", "key/audit.key",  "log",
                                        "key",          "evidence.db",      "evidence.db-wal",  "evidence.db-shm"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/%s", w->dir, files[i]);
        remove(path);
    }
    if (remove(w->dir) != 0) {
        snprintf(path, sizeof path, "rm -rf %s", w->dir);
        print_message("left behind: %s\n", w->dir);
    }
    free(w->samples);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->cond);
}

void world_alone(struct world *w, int64_t seconds)
{
    for (int64_t to = w->now + seconds * US_PER_S; w->now < to;) {
        w->now += US_PER_S;
        w_tick(w);
    }
}

/* ---- looking ---- */

int world_asked(const struct world *w, const char *what)
{
    int n = 0;
    for (size_t i = 0; i < w->n_log; i++)
        n += strncmp(w->log[i].what, what, strlen(what)) == 0;
    return n;
}

int64_t world_asked_at(const struct world *w, const char *what)
{
    for (size_t i = 0; i < w->n_log; i++)
        if (strncmp(w->log[i].what, what, strlen(what)) == 0)
            return w->log[i].t;
    return -1;
}

struct intent world_intent(enum verb v, const char *rollout)
{
    struct intent in = {.verb = v, .expect_devices = -1, .all_waves = true};
    snprintf(in.fleet, sizeof in.fleet, "lab");
    snprintf(in.rollout, sizeof in.rollout, "%s", rollout);
    in.actor.kind = ACTOR_PERSON;
    snprintf(in.actor.name, sizeof in.actor.name, "m.ito");
    snprintf(in.reason, sizeof in.reason, "because");
    return in;
}

const struct op_view *op_of(const struct snapshot *s, uint64_t ticket)
{
    for (size_t i = 0; i < s->n_ops; i++)
        if (s->ops[i].ticket == ticket)
            return &s->ops[i];
    return NULL;
}

bool op_over(const struct snapshot *s, uint64_t ticket)
{
    const struct op_view *o = op_of(s, ticket);
    return o && o->phase >= OP_DONE;
}

/* The entries of one kind, each as `line` writes it. */
static char *entries(struct world *w, const char *kind, const char *field,
                     void (*line)(const struct stored *v, const char *field, struct buf *out))
{
    struct err e = {0};
    struct audit_spec spec = w->audit;
    struct audit_log *l;
    struct audit_query q = {.kind = kind, .limit = 5000};
    struct arena a;
    struct stored *v;
    size_t n;
    struct buf b;
    spec.read_only = true;
    l = audit_open(&spec, &e);
    if (!l)
        print_message("%s %s\n", e.what, e.cause);
    assert_non_null(l);
    arena_init(&a);
    buf_init(&b, 1 << 20);
    if (!audit_query(l, &q, &a, &v, &n, &e))
        fail_msg("%s", e.what);
    for (size_t i = 0; i < n; i++)
        line(&v[i], field, &b);
    arena_release(&a);
    audit_close(l);
    char *text = buf_take(&b);
    buf_release(&b);
    return text;
}

static void head_line(const struct stored *v, const char *field, struct buf *out)
{
    (void)field;
    buf_printf(out, "%s %s %s %s%s\n", v->kind, *v->verb ? v->verb : "-", *v->rollout ? v->rollout : "-",
               *v->result ? v->result : "-", v->late ? " late" : "");
}

char *world_entries(struct world *w, const char *kind)
{
    return entries(w, kind, NULL, head_line);
}

static void field_line(const struct stored *v, const char *field, struct buf *out)
{
    buf_printf(out, "%s\n", strcmp(field, "reason") == 0 ? v->reason : stored_field(v, field));
}

char *world_field(struct world *w, const char *kind, const char *name)
{
    return entries(w, kind, name, field_line);
}
