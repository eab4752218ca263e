#include "cli/plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "core/fmt.h"
#include "core/plan_state.h"
#include "core/plan_wish.h"
#include "core/text.h"
#include "engine/plans.h"

#define FIRST_IDS 5

/* ---- its waves ---- */

static void add_id(const char *raw, struct buf *out)
{
    safe_text_append(out, raw, strlen(raw));
}

void plan_waves_text(const struct wave_plan *p, struct buf *out)
{
    for (size_t w = 0; w < p->n_waves; w++) {
        const struct plan_wave *v = &p->waves[w];
        char n[FMT_MAX];
        buf_printf(out, "  W%zu  %s device%s", w, fmt_count(n, (int64_t)v->n), v->n == 1 ? "" : "s");
        if (p->stratum) {
            buf_printf(out, "  %s: ", p->strata);
            plan_strata_text(p, w, out);
        }
        buf_adds(out, "\n      ");
        plan_ids_text(p, w, FIRST_IDS, out);
        buf_addc(out, '\n');
        if (v->n > PLAN_WATCHED_MAX)
            buf_printf(out, "      %s of them, picked at random, are watched by telemetry; all are told and counted\n",
                       fmt_count(n, PLAN_WATCHED_MAX));
    }
}

void plan_waves_json(const struct wave_plan *p, bool ids, struct json_w *w)
{
    json_w_key(w, "waves");
    json_w_arr(w);
    for (size_t i = 0; i < p->n_waves; i++) {
        const struct plan_wave *v = &p->waves[i];
        json_w_obj(w);
        json_w_kint(w, "devices", (int64_t)v->n);
        json_w_kint(w, "watched", v->n < PLAN_WATCHED_MAX ? (int64_t)v->n : PLAN_WATCHED_MAX);
        for (size_t k = 0; p->stratum && k <= p->n_strata; k++) {
            if (k == 0) {
                json_w_key(w, "strata");
                json_w_obj(w);
            }
            json_w_kint(w, k < p->n_strata ? p->strata_values[k] : "", (int64_t)plan_in_stratum(p, i, k));
            if (k == p->n_strata)
                json_w_obj_end(w);
        }
        json_w_key(w, "ids");
        json_w_arr(w);
        for (size_t k = 0; k < v->n && (ids || k < FIRST_IDS); k++) {
            struct buf b;
            buf_init(&b, 8 * PLAN_RAW_MAX);
            add_id(p->raw_ids[v->first + k], &b);
            json_w_str(w, b.data);
            buf_release(&b);
        }
        json_w_arr_end(w);
        json_w_obj_end(w);
    }
    json_w_arr_end(w);
}

/* ---- one that is in the log ---- */

struct shown {
    struct arena arena;
    struct wave_plan plan;
    struct plan_state state;
    bool found;
    const char *by; /* who has made it */
};

static bool read_plan(const struct args *a, const struct session *s, struct shown *o, struct err *e)
{
    struct own_entries all = {.n = 0};
    struct audit_spec spec = s->audit_looks;
    struct audit_log *l = audit_open(&spec, e);
    if (!l)
        return false;
    bool ok = plans_read(l, NULL, 0, &o->arena, &all, e);
    audit_close(l);
    for (size_t i = 0; ok && i < all.n; i++) {
        const struct plan_entry *p = &all.v[i];
        if (strcmp(p->plan, a->pos[2]) != 0)
            continue;
        if (!o->found && p->event == PLAN_CREATED && p->blob) {
            ok = plan_read(&o->plan, p->blob, p->blob_n, &o->arena, e);
            if (ok)
                plan_state_init(&o->state, &o->plan);
            o->found = ok;
        }
        if (o->found)
            (void)plan_fold(&o->state, p);
    }
    return ok && (o->found || err_set(e, ERR_NOT_FOUND, "`andon get rollouts` lists them.", "there is no plan %.40s",
                                      plan_is_id(a->pos[2]) ? a->pos[2] : "of that id"));
}

static const char *phase_word(enum plan_phase p)
{
    static const char *const words[] = {"ready", "running", "paused", "stopped", "finished"};
    return words[p];
}

static void show_text(const struct shown *o, const struct args *a, struct buf *out, int64_t wave)
{
    const struct wave_plan *p = &o->plan;
    char n[FMT_MAX], at[FMT_MAX];
    (void)a;
    if (wave >= 0) {
        for (size_t i = 0; i < p->waves[wave].n; i++) {
            add_id(p->raw_ids[p->waves[wave].first + i], out);
            buf_addc(out, '\n');
        }
        return;
    }
    buf_printf(out, "%s  %s  %s:%s  %s\n", p->id, p->name, p->release.name, p->release.version,
               phase_word(o->state.phase));
    buf_printf(out, "  made %s for %s: %s devices in %zu waves\n", fmt_iso(at, p->created_at), p->target,
               fmt_count(n, (int64_t)p->n), p->n_waves);
    plan_waves_text(p, out);
    for (size_t w = 0; w < p->n_waves && (int)w < o->state.opened; w++)
        buf_printf(out, "  W%zu is open since %s: %zu of %zu were told, or may have been\n", w,
                   fmt_iso(at, o->state.opened_at[w]), plan_told(&o->state, w), p->waves[w].n);
    if (*o->state.reason)
        buf_printf(out, "  %s: %s\n", phase_word(o->state.phase), o->state.reason);
    buf_adds(out, plan_picked(p) ? "  picked by chance: made again from its salt, every device is where it was\n"
                                 : "  its waves were named one by one, not picked by chance\n");
}

static void show_json(const struct shown *o)
{
    const struct wave_plan *p = &o->plan;
    struct json_out j;
    json_begin(&j);
    json_w_kstr(&j.w, "id", p->id);
    json_w_kstr(&j.w, "name", p->name);
    json_w_kstr(&j.w, "release", p->release.name);
    json_w_kstr(&j.w, "version", p->release.version);
    json_w_kstr(&j.w, "state", phase_word(o->state.phase));
    json_w_kint(&j.w, "opened", o->state.opened);
    int64_t told = 0;
    for (size_t w = 0; w < p->n_waves; w++)
        told += (int64_t)plan_told(&o->state, w);
    json_w_kint(&j.w, "told", told); /* or may have been */
    json_w_ktime(&j.w, "created", p->created_at);
    json_w_kstr(&j.w, "target", p->target);
    json_w_kbool(&j.w, "picked", plan_picked(p));
    plan_waves_json(p, true, &j.w);
    json_end(&j);
}

int plan_show(const struct args *a, const struct session *s)
{
    struct shown o = {.found = false};
    struct err e = {0};
    int64_t wave = -1;
    arena_init(&o.arena);
    bool ok = args_int(a, OPT_WAVE, 0, PLAN_WAVES_MAX, -1, &wave, &e) && read_plan(a, s, &o, &e);
    if (ok && wave >= (int64_t)o.plan.n_waves)
        ok = err_set(&e, ERR_RANGE, "", "%s has the waves 0 to %zu", o.plan.id, o.plan.n_waves - 1);
    if (ok && a->json) {
        show_json(&o);
    } else if (ok) {
        struct buf b;
        buf_init(&b, (size_t)256 << 20);
        show_text(&o, a, &b, wave);
        print_out(&b);
        buf_release(&b);
    }
    plan_state_free(&o.state);
    arena_release(&o.arena);
    return ok ? EXIT_OK : print_err(a, &e);
}
