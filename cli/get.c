/* andon get: what the console shows, as tables and JSON. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "cli/explain.h"
#include "cli/get.h"
#include "core/clock.h"
#include "core/column.h"

/* How long a list of rollouts waits for the names of releases. */
#define RELEASES_US (3 * US_PER_S)
/* And a question about health for figures that may never come. */
#define FIGURES_US (10 * US_PER_S)

/* And for evidence; `andon explain` waits for as long as it takes. */
#define EVIDENCE_US (3 * US_PER_S)

/* The figures of an engine that has just started come with its first polls: devices first, then their telemetry. */
static bool figures(const struct snapshot *s, void *id)
{
    const struct rollout_view *v = snapshot_rollout(s, id);

    if (!fleet_has_waves(s, id))
        return false;
    for (size_t i = 0; i < v->n_waves; i++)
        if (v->waves[i].health.canary.measured > 0 && v->waves[i].health.control.measured > 0)
            return true;
    return false;
}

static bool telemetry_seen(const struct snapshot *s, void *id)
{
    return s->telemetry.state == LINK_NONE || s->telemetry.state == LINK_FAILED || figures(s, id);
}

static bool devices_read(const struct snapshot *s, void *ctx)
{
    const struct focus *f = ctx;

    return s->focus.wave == f->wave && strcmp(s->focus.rollout, f->rollout) == 0 && s->devices_at > 0;
}

/* Telemetry has said something of one of the listed devices, or will not. */
static bool sampled(const struct snapshot *s, void *ctx)
{
    const struct focus *f = ctx;
    const struct rollout_view *v = snapshot_rollout(s, f->rollout);

    if (!v || rollout_state_ended(v->rollout.state) || s->telemetry.state == LINK_NONE ||
        s->telemetry.state == LINK_FAILED)
        return true;
    for (size_t i = 0; i < s->n_devices; i++)
        if (s->devices[i].last_sample > 0)
            return true;
    return s->n_devices == 0;
}

struct wanted {
    bool (*ready)(const struct snapshot *s, void *ctx);
    void *ctx;
    const char *rollout;
    bool devices; /* of a wave; else the waves */
};

static const struct err *why_not(const struct snapshot *s, const struct wanted *w)
{
    const struct rollout_view *v = snapshot_rollout(s, w->rollout);

    return w->devices ? s->devices_error : v ? v->waves_error : NULL;
}

/* Read, or refused in a way that waiting does not mend. */
static bool answered(const struct snapshot *s, void *ctx)
{
    const struct wanted *w = ctx;
    const struct err *e = why_not(s, w);

    return w->ready(s, w->ctx) || (e && (e->code == ERR_AUTH || e->code == ERR_FORBIDDEN || e->code == ERR_NOT_FOUND));
}

/* Waits for something of a rollout; false with *e: with the server's reason if it has one. */
static bool read_or_why(struct fleet_run *r, int64_t timeout, struct wanted w, struct err *e)
{
    const struct err *why;

    if (fleet_until(r, timeout, answered, &w) && w.ready(r->snap, w.ctx))
        return true;
    if ((why = why_not(r->snap, &w))) {
        *e = *why;
        return false;
    }
    return err_set(e, ERR_TIMEOUT, "`andon doctor` tests the connection.", "%s of %s could not be read in time",
                   w.devices ? "the devices of a wave" : "the waves", w.rollout);
}

/* Some servers name only the ids of the rollouts' releases in a list; their names are read after it. */
static bool releases_named(const struct snapshot *s, void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < s->n_rollouts; i++)
        if (*s->rollouts[i].rollout.release.id && !*s->rollouts[i].rollout.release.version)
            return false;
    return true;
}

static bool wave_wanted(const struct get *g, int64_t only, const struct wave_view *x)
{
    (void)g;
    return only < 0 || only == x->wave.index;
}

/* Waves, health and devices of one rollout. */
static bool get_of_rollout(struct get *g, const char *what, const char *id, int64_t only, int64_t timeout,
                           struct err *e)
{
    for (size_t i = 0; i < g->fleets.n; i++) {
        struct fleet_run *r = &g->fleets.v[i];
        struct focus f = {.wave = -1};
        const struct rollout_view *v;

        if (!r->snap || !snapshot_rollout(r->snap, id))
            continue;
        g->any = true;
        snprintf(f.rollout, sizeof f.rollout, "%s", id);
        engine_focus(r->en, &f);
        if (!read_or_why(r, timeout, (struct wanted){fleet_has_waves, f.rollout, id, false}, e))
            return false;
        if (strcmp(what, "health") == 0)
            fleet_until(r, timeout < FIGURES_US ? timeout : FIGURES_US, telemetry_seen, f.rollout);
        if (strcmp(what, "devices") != 0)
            fleet_until(r, timeout < EVIDENCE_US ? timeout : EVIDENCE_US, explain_settled, f.rollout);
        v = snapshot_rollout(r->snap, id);
        for (size_t k = 0; v && k < v->n_waves; k++) {
            if (!wave_wanted(g, only, &v->waves[k]))
                continue;
            if (strcmp(what, "waves") == 0) {
                get_wave(g, r, v, &v->waves[k]);
            } else if (strcmp(what, "health") == 0) {
                if (only >= 0 || v->waves[k].watched || wave_told(&v->waves[k].wave) > 0)
                    get_health(g, r, v, &v->waves[k]);
            } else {
                f.wave = v->waves[k].wave.index;
                engine_focus(r->en, &f);
                if (!read_or_why(r, timeout, (struct wanted){devices_read, &f, id, true}, e))
                    return false;
                fleet_until(r, timeout < FIGURES_US ? timeout : FIGURES_US, sampled, &f);
                for (size_t d = 0; d < r->snap->n_devices; d++)
                    get_device(g, r, id, f.wave, &r->snap->devices[d]);
                v = snapshot_rollout(r->snap, id); /* of the newest snapshot */
            }
        }
    }
    return true;
}

#define METRICS "" /* in a table's heads: those that the policies of the rollout have a figure of each device of */
static const char *const heads_fleets[] = {"FLEET", "ENV", "SERVER", "LINK", "ROLLOUTS", "CAN", NULL};
static const char *const heads_rollouts[] = {"FLEET",  "ID",      "STATE", "RELEASE", "DONE",
                                             "FAILED", "DEVICES", "NAME",  NULL};
static const char *const heads_waves[] = {"WAVE",   "STATE",      "DEVICES", "TOLD", "DONE",
                                          "FAILED", "ERROR AT %", "NAME",    NULL};
static const char *const heads_devices[] = {"WAVE", "DEVICE", "STATE", "STATUS", METRICS, "LAST SEEN", "NOTE", NULL};
static const char *const heads_health[] = {"WAVE",      "VERDICT",   "REBOOTS/DAY", "CONTROL", "RATIO",   "CPU",
                                           "CPU RATIO", "VAR RATIO", "FAILED",      "REPORT",  "BECAUSE", NULL};
static const struct {
    const char *what;
    const char *const *heads;
    uint32_t right;
    bool of_rollout;
} kinds[] = {{"fleets", heads_fleets, 1U << 4, false},
             {"rollouts", heads_rollouts, 7U << 4, false},
             {"waves", heads_waves, 15U << 2, true},
             {"devices", heads_devices, 0, true},
             {"health", heads_health, 255U << 2, true}};

static bool get_all(struct get *g, const char *what, int64_t only, int64_t timeout, struct err *e)
{
    const char *id = g->args->n_pos > 2 ? g->args->pos[2] : NULL;

    if (strcmp(what, "fleets") != 0 && strcmp(what, "rollouts") != 0) {
        if (!get_of_rollout(g, what, id, only, timeout, e))
            return false;
        return g->any || err_set(e, ERR_NOT_FOUND, "`andon get rollouts` lists them.", "there is no rollout %.60s", id);
    }
    for (size_t i = 0; i < g->fleets.n; i++) {
        struct fleet_run *r = &g->fleets.v[i];

        if (strcmp(what, "fleets") == 0) {
            get_fleet(g, r);
            continue;
        }
        if (r->snap && r->snap->rollouts_known)
            fleet_until(r, timeout < RELEASES_US ? timeout : RELEASES_US, releases_named, NULL);
        for (size_t k = 0; r->snap && k < r->snap->n_rollouts; k++)
            if (!id || strcmp(id, r->snap->rollouts[k].rollout.id) == 0)
                get_rollout(g, r, &r->snap->rollouts[k]);
    }
    return true;
}

/* A server that cannot be reached is said on standard error and in the exit code; the others are shown. */
static void say_unreachable(struct get *g)
{
    for (size_t i = 0; i < g->fleets.n; i++) {
        struct fleet_run *r = &g->fleets.v[i];
        struct err e = {0};

        if (r->snap && r->snap->rollouts_known)
            continue;
        fleet_error(r, &e);
        print_err(NULL, &e);
        g->rc = EXIT_UNREACHABLE;
    }
}

static void print_get(struct get *g, bool ok)
{
    struct buf out;

    json_w_arr_end(&g->json.w);
    buf_init(&out, (size_t)256 << 20);
    table_print(&g->table, &out);
    if (!ok) {
        buf_release(&g->json.buf);
    } else if (g->args->json) {
        json_end(&g->json);
    } else {
        print_out(&out);
        buf_release(&g->json.buf);
    }
    buf_release(&out);
}

/* The metrics of all policies that the rollout has, for it may be of several fleets. */
static void take_metrics(struct get *g, const char *id)
{
    for (size_t i = 0; i < g->fleets.n; i++) {
        const struct snapshot *s = g->fleets.v[i].snap;
        const struct rollout_view *r = s ? snapshot_rollout(s, id) : NULL;
        const struct evidence_policy *p = &snapshot_policy(s, r)->evidence;
        uint8_t rows[METRICS_MAX];
        size_t n = r ? column_rows(p, rows) : 0;

        for (size_t k = 0; k < n && g->n_metrics < GET_METRICS; k++) {
            size_t at = 0;

            while (at < g->n_metrics && strcmp(g->metric[at], metric_id(p, rows[k])) != 0)
                at++;
            if (at == g->n_metrics)
                snprintf(g->metric[g->n_metrics++], sizeof g->metric[0], "%s", metric_id(p, rows[k]));
        }
    }
}

static void heads(struct get *g, const char *const *words, uint32_t right)
{
    size_t cols = 0, at = 0;

    while (words[cols])
        cols++;
    while (at < cols && *words[at])
        at++;
    if (at < cols) {
        take_metrics(g, g->args->pos[2]);
        cols += g->n_metrics - 1;
        right |= ((UINT32_C(1) << g->n_metrics) - 1) << at;
    }
    table_init(&g->table, cols, right);
    for (; *words; words++) {
        if (**words)
            table_add(&g->table, *words);
        for (size_t i = 0; !**words && i < g->n_metrics; i++) {
            char up[METRIC_ID_MAX + 1];
            size_t n = 0;

            for (const char *c = g->metric[i]; *c; c++)
                up[n++] = (char)toupper((unsigned char)*c);
            up[n] = '\0';
            table_add(&g->table, up);
        }
    }
}

int cmd_get(const struct args *a)
{
    const char *what = a->pos[1], *words[5];
    struct get g = {.args = a};
    struct session s;
    struct err e = {0};
    int64_t timeout, only;
    size_t k = 0;
    bool ok;

    while (k < 5 && strcmp(kinds[k].what, what) != 0) {
        words[k] = kinds[k].what;
        k++;
    }
    if (k == 5) {
        const char *near = nearest(what, words, 5);

        err_set(&e, ERR_SYNTAX, "fleets, rollouts, waves ROLLOUT, devices ROLLOUT or health ROLLOUT.",
                "get does not know \"%.40s\"%s%s", what, near ? "; did you mean " : "", near ? near : "");
        return print_err(a, &e);
    }
    if (kinds[k].of_rollout && a->n_pos < 3) {
        err_set(&e, ERR_SYNTAX, "`andon get rollouts` lists them.", "get %s needs the id of a rollout", what);
        return print_err(a, &e);
    }
    if (!args_int(a, OPT_WAVE, 0, WAVES_MAX - 1, -1, &only, &e) ||
        !args_dur(a, OPT_TIMEOUT, 30 * US_PER_S, &timeout, &e))
        return print_err(a, &e);
    g.rc = session_need(a, &s);
    if (g.rc != EXIT_OK)
        return g.rc;
    g.session = &s;
    s.explain = strcmp(what, "waves") == 0 || strcmp(what, "health") == 0;
    if (!fleets_open(&s, a, false, true, &g.fleets, &e)) {
        session_close(&s);
        return print_err(a, &e);
    }
    fleets_wait(&g.fleets, timeout);
    say_unreachable(&g);
    json_begin(&g.json);
    json_w_key(&g.json.w, what);
    json_w_arr(&g.json.w);
    for (k = 0; strcmp(kinds[k].what, what) != 0; k++)
        ;
    heads(&g, kinds[k].heads, kinds[k].right);
    ok = get_all(&g, what, only, timeout, &e);
    print_get(&g, ok);
    if (!ok && g.rc == EXIT_OK)
        g.rc = e.code == ERR_NOT_FOUND ? (print_err(a, &e), EXIT_FAILED) : print_err(a, &e);
    fleets_close(&g.fleets);
    session_close(&s);
    return g.rc;
}
