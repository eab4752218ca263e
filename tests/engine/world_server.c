/* The world behind the backend and the telemetry interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/engine/world_impl.h"

static struct world *of(struct backend *b)
{
    return (struct world *)b;
}

void w_note(struct world *w, const char *fmt, ...)
{
    va_list ap;
    if (w->n_log >= W_LOG)
        return;
    w->log[w->n_log].t = w->now;
    va_start(ap, fmt);
    vsnprintf(w->log[w->n_log++].what, sizeof w->log[0].what, fmt, ap);
    va_end(ap);
}

static void ANDON_PRINTF(2, 3) w_changes(struct world *w, const char *fmt, ...)
{
    char what[90];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    w_note(w, "%s", what);
    snprintf(w->changing, sizeof w->changing, "/%s", what);
}

static void b_free(struct backend *b)
{
    (void)b;
}

static void b_probe(struct backend *b, struct arena *a, struct backend_info *out, backend_done done, void *ctx)
{
    (void)a;
    *out = (struct backend_info){.kind = "hawkbit", .version = "1.x", .caps = of(b)->caps, .user = "tester"};
    out->says[SAY_ROLLBACK] = of(b)->says;
    w_answer(of(b), done, ctx);
}

static void fill(struct world *w, const struct w_rollout *r, struct arena *a, struct rollout *o)
{
    memset(o, 0, sizeof *o);
    o->id = arena_strdup(a, r->id);
    o->name = arena_strdup(a, r->name);
    o->description = arena_strdup(a, r->description);
    o->state = r->state;
    o->state_word = rollout_state_word(r->state);
    o->release = w->releases[r->release];
    o->filter = arena_strdup(a, r->filter);
    o->created_by = o->approval_by = o->approval_remark = "";
    o->created_at = r->created_at > 0 ? r->created_at : INT64_C(1700000000) * US_PER_S - US_PER_MIN;
    o->last_modified = r->changed_at > 0 ? r->changed_at : 0;
    o->counts.known = true;
    for (int i = 0; i < r->n_waves; i++) {
        struct counts c;
        w_counts(w, r, &r->waves[i], &c);
        o->total += r->waves[i].n;
        o->counts.finished += c.finished;
        o->counts.running += c.running;
        o->counts.error += c.error;
        o->counts.scheduled += c.scheduled;
    }
}

static void b_rollouts(struct backend *b, size_t limit, struct arena *a, struct rollout_list *out, backend_done done,
                       void *ctx)
{
    struct world *w = of(b);
    (void)limit;
    out->v = arena_array(a, (size_t)w->n_rollouts + 1, sizeof *out->v);
    for (int i = w->n_rollouts - 1; i >= 0; i--)
        if (!w->rollouts[i].deleted)
            fill(w, &w->rollouts[i], a, &out->v[out->n++]);
    out->clipped = w->more_rollouts;
    w_answer(w, done, ctx);
    w->calls[w->n_calls - 1].due += w->list_us;
}

static void missing(struct world *w, backend_done done, void *ctx)
{
    w_answer_err(w, done, ctx, ERR_NOT_FOUND, false, "it is not there");
}

static void b_rollout(struct backend *b, const char *id, struct arena *a, struct rollout *out, backend_done done,
                      void *ctx)
{
    struct world *w = of(b);
    struct w_rollout *r = world_rollout(w, id);
    if (!r) {
        missing(w, done, ctx);
        return;
    }
    fill(w, r, a, out);
    w_answer(w, done, ctx);
}

static void b_waves(struct backend *b, const char *rollout, struct arena *a, struct wave_list *out, backend_done done,
                    void *ctx)
{
    struct world *w = of(b);
    struct w_rollout *r = world_rollout(w, rollout);
    if (!r) {
        missing(w, done, ctx);
        return;
    }
    out->n = (size_t)r->n_waves;
    out->v = arena_array(a, out->n + 1, sizeof *out->v);
    for (int i = 0; i < r->n_waves; i++) {
        struct wave *v = &out->v[i];
        v->id = arena_printf(a, "%d", i + 100);
        v->name = arena_printf(a, "wave-%d", i);
        v->index = i;
        v->state = r->waves[i].state;
        v->state_word = wave_state_word(v->state);
        v->total = r->waves[i].n;
        v->success = v->failure = (struct condition){true, true, r->error_percent, "80"};
        v->success_action = "NEXTGROUP";
        v->last_modified = r->waves[i].told_at > 0 ? r->waves[i].told_at - w->told_skew : 0;
        w_counts(w, r, &r->waves[i], &v->counts);
    }
    w_answer(w, done, ctx);
}

static void add_device(const struct world *w, struct arena *a, int i, struct device_list *out)
{
    const struct w_device *d = &w->devices[i];
    struct device *o = &out->v[out->n++];
    memset(o, 0, sizeof *o);
    o->id = o->raw_id = o->name = arena_strdup(a, d->id);
    o->address = "";
    o->status = d->status;
    o->installed_at = d->installed_at;
    o->last_seen = d->offline ? 1 : w->now;
    o->overdue = d->offline;
    out->total++;
}

static void b_wave_devices(struct backend *b, const char *rollout, const char *wave, size_t limit, struct arena *a,
                           struct device_list *out, backend_done done, void *ctx)
{
    struct world *w = of(b);
    struct w_rollout *r = world_rollout(w, rollout);
    assert_non_null(r);
    if (w->devices_denied) {
        w_answer_err(w, done, ctx, ERR_FORBIDDEN, false, "may not read devices (403)");
        return;
    }
    struct w_wave *v = &r->waves[strtol(wave, NULL, 10) - 100];
    out->v = arena_array(a, (size_t)v->n + 1, sizeof *out->v);
    for (int i = 0; i < v->n; i++)
        add_device(w, a, v->members[w->lists_backwards ? v->n - 1 - i : i], out);
    if (w->stands_for && out->n > limit / w->stands_for)
        out->n = limit / w->stands_for;
    w_answer(w, done, ctx);
}

static void b_inflight(struct backend *b, const char *rollout, struct arena *a, struct inflight *out, backend_done done,
                       void *ctx)
{
    struct world *w = of(b);
    (void)a;
    out->known = true;
    for (int i = 0; i < w->n_devices; i++) {
        const struct w_device *d = &w->devices[i];
        if (d->action < 0 || strcmp(w->rollouts[d->action_rollout].id, rollout) != 0)
            continue;
        if (d->canceling)
            out->canceling++;
        else
            out->running++;
    }
    w_answer(w, done, ctx);
}

static void b_release(struct backend *b, const char *id, const char *name, const char *version, struct arena *a,
                      struct release *out, backend_done done, void *ctx)
{
    struct world *w = of(b);
    (void)a;
    if (w->releases_down) {
        w_answer_err(w, done, ctx, ERR_NETWORK, false, "releases are down");
        return;
    }
    for (int i = 0; i < w->n_releases; i++)
        if (id ? strcmp(id, w->releases[i].id) == 0
               : strcmp(name, w->releases[i].name) == 0 && strcmp(version, w->releases[i].version) == 0) {
            *out = w->releases[i];
            w_answer(w, done, ctx);
            return;
        }
    missing(w, done, ctx);
}

static void b_releases(struct backend *b, size_t limit, struct arena *a, struct release_list *out, backend_done done,
                       void *ctx)
{
    struct world *w = of(b);
    (void)limit;
    (void)a;
    *out = (struct release_list){w->releases, (size_t)w->n_releases};
    w_answer(w, done, ctx);
}

static int release_index(const struct release *r)
{
    return r ? (int)strtol(r->id, NULL, 10) - 1 : -2;
}

static void b_devices(struct backend *b, const struct device_filter *f, size_t limit, struct arena *a,
                      struct device_list *out, backend_done done, void *ctx)
{
    struct world *w = of(b);
    int installed = release_index(f->installed), assigned = release_index(f->assigned);
    if (strpbrk(f->installed->version, "*\\")) {
        w_answer_err(w, done, ctx, ERR_RANGE, false, "it can't be written into a filter so that it means only itself");
        return;
    }
    out->v = arena_array(a, (size_t)w->n_devices + 1, sizeof *out->v);
    for (int i = 0; i < w->n_devices; i++)
        if (w->devices[i].installed == installed || w->devices[i].assigned == assigned)
            add_device(w, a, i, out);
    if (w->stands_for && out->n > limit / w->stands_for) {
        out->n = limit / w->stands_for;
        out->total *= (int64_t)w->stands_for;
    }
    w_answer(w, done, ctx);
}

static int device_index(const struct world *w, const char *raw_id)
{
    for (int i = 0; i < w->n_devices; i++)
        if (strcmp(w->devices[i].id, raw_id) == 0)
            return i;
    return -1;
}

static void b_device(struct backend *b, const char *raw_id, struct arena *a, struct device_info *out, backend_done done,
                     void *ctx)
{
    struct world *w = of(b);
    int i = device_index(w, raw_id);
    static const struct release none = {.id = "", .name = "", .version = ""};
    if (i < 0) {
        missing(w, done, ctx);
        return;
    }
    struct device_list one = {.v = &out->device};
    const struct w_device *d = &w->devices[i];
    memset(out, 0, sizeof *out);
    add_device(w, a, i, &one);
    out->installed = d->installed >= 0 ? w->releases[d->installed] : none;
    out->assigned = d->assigned >= 0 ? w->releases[d->assigned] : none;
    if (d->action >= 0) {
        out->actions = ARENA_NEW(a, struct device_action);
        out->n_actions = 1;
        *out->actions =
            (struct device_action){"1", "", "running", "update", w->now, w->rollouts[d->action_rollout].id, true};
        out->actions->release = arena_printf(a, "%s:%s", w->releases[d->action].name, w->releases[d->action].version);
    }
    w_answer(w, done, ctx);
}

/* ---- verbs ---- */

static bool apply(struct world *w, struct w_rollout *r, enum backend_verb v)
{
    enum rollout_state s = r->state;
    switch (v) {
    case BV_START:
        if (s != ROLLOUT_READY)
            return false;
        w_set(w, r, ROLLOUT_STARTING);
        return true;
    case BV_PAUSE:
        if (s != ROLLOUT_RUNNING)
            return false;
        if (!w->pause_ignored)
            w_set(w, r, ROLLOUT_PAUSED);
        return true;
    case BV_RESUME:
        if (s != ROLLOUT_PAUSED)
            return false;
        w_set(w, r, ROLLOUT_RUNNING);
        return true;
    case BV_TRIGGER_NEXT:
        for (int i = 0; s == ROLLOUT_RUNNING && i < r->n_waves; i++)
            if (r->waves[i].state == WAVE_SCHEDULED) {
                w_tell(w, r, &r->waves[i]);
                return true;
            }
        return false;
    case BV_STOP:
    case BV_STOP_FORCE:
        if (rollout_state_ended(s))
            return false;
        w_set(w, r, ROLLOUT_STOPPING);
        for (int i = 0; i < w->n_devices; i++)
            if (w->devices[i].action >= 0 && &w->rollouts[w->devices[i].action_rollout] == r) {
                w->devices[i].canceling = true;
                w->devices[i].action_at = w->now;
            }
        for (int i = 0; i < r->n_waves; i++)
            if (r->waves[i].state == WAVE_RUNNING)
                r->waves[i].state = WAVE_FINISHED;
        return true;
    case BV_APPROVE:
    case BV_DENY:
        if (s != ROLLOUT_WAITING_APPROVAL)
            return false;
        w_set(w, r, v == BV_APPROVE ? ROLLOUT_READY : ROLLOUT_DENIED);
        return true;
    case BV_RETRY:
    case BV_DELETE:
        break; /* no test asks for them here */
    }
    return false;
}

/* Dies like a killed process: whatever comes after does not happen any more. */
static bool dies(struct world *w, const char *at, const char *what)
{
    if (!*at || strncmp(what, at, strlen(at)) != 0)
        return false;
    pthread_mutex_lock(&w->lock);
    w->dead = true;
    pthread_cond_broadcast(&w->cond);
    pthread_mutex_unlock(&w->lock);
    return true;
}

static void b_verb(struct backend *b, const char *rollout, enum backend_verb v, const char *remark, backend_done done,
                   void *ctx)
{
    struct world *w = of(b);
    struct w_rollout *r = world_rollout(w, rollout);
    char what[100];
    (void)remark;
    snprintf(what, sizeof what, "%s %s", backend_verb_word(v), rollout);
    if (w->dead)
        return;
    if (dies(w, w->die_before, what)) {
        w_answer(w, done, ctx);
        return;
    }
    w_changes(w, "%s", what);
    if (w->verbs_dropped || w->down) {
        w_answer_err(w, done, ctx, ERR_NETWORK, true, "the connection was reset");
        return;
    }
    bool ok = r && apply(w, r, v);
    (void)dies(w, w->die_at, what);
    if (w->verbs_lost)
        w_answer_err(w, done, ctx, ERR_NETWORK, true, "the connection was reset");
    else if (!r)
        missing(w, done, ctx);
    else if (!ok)
        w_answer_err(w, done, ctx, ERR_STATE, false, "the state does not allow it");
    else
        w_answer(w, done, ctx);
}

/* Filters as this server takes them, at most W_FILTER bytes: "release 2 less (ID,ID,) and (ID,)". */
#define W_FILTER 1000

static bool b_parts(struct backend *b, const struct device_filter *f, struct arena *a, struct filter_parts *out,
                    struct err *e)
{
    struct buf text;
    size_t i = 0;
    (void)b;
    buf_init(&text, 4 * W_FILTER);
    *out = (struct filter_parts){.v = ARENA_ARRAY(a, struct filter_part, f->n_include + 1),
                                 .unnamed = ARENA_ARRAY(a, const char *, f->n_include + 1)};
    if (!f->only_include) {
        buf_printf(&text, "release %s less (", f->installed->id);
        for (size_t k = 0; k < f->n_exclude; k++)
            buf_printf(&text, "%s,", f->exclude[k]);
        buf_addc(&text, ')');
    }
    bool ok = text.len <= W_FILTER || err_set(e, ERR_LIMIT, "", "the filter is too long");
    for (bool broad = !f->only_include; ok && (broad || i < f->n_include); broad = false) {
        struct filter_part *p = &out->v[out->n++];
        *p = (struct filter_part){.broad = broad};
        buf_adds(&text, " and (");
        for (; i < f->n_include && text.len + strlen(f->include[i]) + 2 <= W_FILTER; i++) {
            if (strchr(f->include[i], '*')) {
                out->unnamed[out->n_unnamed++] = f->include[i];
                continue;
            }
            buf_printf(&text, "%s,", f->include[i]);
            p->named++;
        }
        buf_addc(&text, ')');
        p->text = arena_strdup(a, text.data);
        buf_clear(&text);
        out->n -= !p->broad && p->named == 0;
    }
    buf_release(&text);
    return ok;
}

static bool listed(const char *filter, const char *op, const char *id)
{
    const char *p = strstr(filter, op), *end = p ? strchr(p, ')') : NULL;
    size_t n = strlen(id);
    for (p = p ? p + strlen(op) : NULL; p && p < end; p = strchr(p, ',') ? strchr(p, ',') + 1 : end)
        if (strncmp(p, id, n) == 0 && (p[n] == ',' || p[n] == ')'))
            return true;
    return false;
}

static bool matches(const struct world *w, const char *filter, int i)
{
    const struct w_device *d = &w->devices[i];
    bool broad = strstr(filter, "release 2 ") && (d->installed == 1 || d->assigned == 1);
    if (broad && listed(filter, "less (", d->id))
        broad = false;
    return broad || listed(filter, "and (", d->id);
}

/* The wave of a new rollout in which a device is, -1: none. */
static int wave_of(const struct world *w, const struct rollout_spec *spec, int i, int told)
{
    for (int k = 0; spec->members && k < spec->n_waves; k++)
        for (size_t m = 0; m < spec->members[k].n; m++)
            if (strcmp(spec->members[k].raw_ids[m], w->devices[i].id) == 0)
                return k;
    if (spec->members || !matches(w, spec->filter, i))
        return -1;
    return told == 0 || spec->n_waves == 1 ? 0 : 1;
}

static struct w_rollout *make(struct world *w, const struct rollout_spec *spec, const char *about)
{
    int waves = spec->n_waves;
    struct w_rollout *r = &w->rollouts[w->n_rollouts++];
    int told = 0;
    assert_true(w->n_rollouts < W_ROLLOUTS);
    memset(r, 0, sizeof *r);
    snprintf(r->id, sizeof r->id, "%d", 20 + w->n_rollouts);
    snprintf(r->name, sizeof r->name, "%s", spec->name);
    snprintf(r->description, sizeof r->description, "%s", about);
    snprintf(r->filter, sizeof r->filter, "%s", spec->filter ? spec->filter : "");
    r->error_percent = 90;
    r->n_waves = waves;
    for (int i = 0; i < waves; i++)
        r->waves[i].state = WAVE_SCHEDULED;
    for (int i = 0; i < w->n_devices; i++) {
        int k = wave_of(w, spec, i, told);
        if (k >= 0) {
            r->waves[k].members[r->waves[k].n++] = i;
            told++;
        }
    }
    w_set(w, r, ROLLOUT_CREATING);
    return r;
}

static void b_create(struct backend *b, const struct rollout_spec *spec, struct arena *a, const char **id_out,
                     backend_done done, void *ctx)
{
    struct world *w = of(b);
    char what[100];
    snprintf(what, sizeof what, "create %s", spec->name);
    if (w->dead)
        return;
    if (dies(w, w->die_before, what)) {
        w_answer(w, done, ctx);
        return;
    }
    w_changes(w, "%s", what);
    if (w->name_taken) {
        w->name_taken = false;
        make(w, spec, "andon roll back of 10, 1");
    }
    for (int i = 0; i < w->n_rollouts; i++)
        if (strcmp(w->rollouts[i].name, spec->name) == 0) {
            w_answer_err(w, done, ctx, ERR_CONFLICT, false, "the name is taken");
            return;
        }
    struct w_rollout *r = make(w, spec, spec->description);
    r->release = (int)strtol(spec->release_id, NULL, 10) - 1;
    *id_out = arena_strdup(a, r->id);
    (void)dies(w, w->die_at, what);
    w_answer(w, done, ctx);
}

static void b_cancel(struct backend *b, const char *raw, const char *action, bool force, backend_done done, void *ctx)
{
    (void)raw;
    (void)action;
    (void)force;
    w_answer(of(b), done, ctx);
}

static void b_assign(struct backend *b, const char *raw_id, const char *release_id, bool offline, backend_done done,
                     void *ctx)
{
    struct world *w = of(b);
    int i = device_index(w, raw_id), k = (int)strtol(release_id, NULL, 10) - 1;
    char what[100];
    assert_true(i >= 0);
    struct w_device *d = &w->devices[i];
    snprintf(what, sizeof what, "assign %s %s%s", raw_id, release_id, offline ? " offline" : "");
    if (w->dead)
        return;
    w_changes(w, "%s", what);
    if (offline) {
        d->installed = d->assigned = k;
        d->status = DEVICE_IN_SYNC;
        d->action = -1;
    } else if (d->assigned != k) {
        d->assigned = d->action = k;
        d->action_rollout = 0;
        d->action_at = w->now;
        d->canceling = false;
        d->status = DEVICE_PENDING;
    }
    (void)dies(w, w->die_at, what);
    w_answer(w, done, ctx);
}

static void b_autos(struct backend *b, const char *release_id, struct arena *a, struct auto_assign_list *out,
                    backend_done done, void *ctx)
{
    struct world *w = of(b);
    if (w->auto_on && strcmp(release_id, "2") == 0) {
        out->v = ARENA_NEW(a, struct auto_assign);
        *out->v = (struct auto_assign){"5", "everyone", "name==*"};
        out->n = 1;
    }
    w_answer(w, done, ctx);
}

static void b_auto_off(struct backend *b, const char *id, backend_done done, void *ctx)
{
    struct world *w = of(b);
    if (w->dead)
        return;
    w_changes(w, "auto-off %s", id);
    w->auto_on = false;
    (void)dies(w, w->die_at, "auto-off");
    w_answer(w, done, ctx);
}

static void b_told_at(struct backend *b, const char *rollout, const char *raw_device, struct arena *a, int64_t *out,
                      backend_done done, void *ctx)
{
    struct world *w = of(b);
    const struct w_rollout *r = world_rollout(w, rollout);
    int k = device_index(w, raw_device);
    (void)a;
    *out = 0;
    for (int i = 0; r && !w->no_told && i < r->n_waves; i++)
        for (int j = 0; j < r->waves[i].n; j++)
            if (r->waves[i].members[j] == k)
                *out = r->waves[i].told_at > 0 ? r->waves[i].told_at - w->told_skew : 0;
    w_answer(w, done, ctx);
}

static void b_attributes(struct backend *b, const char *const *raw_ids, size_t n, const char *const *keys,
                         size_t n_keys, size_t limit, bool exact, struct arena *a, struct attribute_table *out,
                         backend_done done, void *ctx)
{
    static const char *names[] = {"rev-A", "rev-B"};
    struct world *w = of(b);
    (void)limit;
    (void)exact;
    out->n = n;
    out->n_keys = n_keys;
    out->names = names;
    out->n_names = 2;
    out->v = arena_array(a, n * n_keys + 1, sizeof *out->v);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_keys; k++)
            out->v[i * n_keys + k] = strcmp(keys[k], "model") == 0 ? w->devices[device_index(w, raw_ids[i])].model : -1;
    if (n_keys == 1 && strcmp(keys[0], "serial") == 0) {
        const char **serials = arena_array(a, n + 1, sizeof *serials);
        w_note(w, "serials %zu", n);
        for (size_t i = 0; i < n; i++) {
            out->v[i] = (int32_t)i;
            serials[i] = arena_printf(a, "SN%d", (int)device_index(w, raw_ids[i]));
        }
        out->names = serials;
        out->n_names = n;
    }
    w_answer_later(w, done, ctx, w->serials_us, 0);
}

/* ---- notes ---- */

const struct w_text *world_note(const struct world *w, const char *release, const char *key)
{
    for (int i = 0; i < w->n_notes; i++)
        if (strcmp(w->notes[i].release, release) == 0 && strcmp(w->notes[i].key, key) == 0)
            return &w->notes[i];
    return NULL;
}

void world_put_note(struct world *w, const char *release, const char *key, const char *value, size_t n)
{
    struct w_text *t = (struct w_text *)(uintptr_t)world_note(w, release, key);
    assert_true(n <= NOTE_VALUE_MAX);
    while (n > 0 && (value[n - 1] == '\n' || value[n - 1] == ' ')) /* as hawkBit does */
        n--;
    if (n == 0) {
        if (t)
            *t = w->notes[--w->n_notes];
        return;
    }
    if (!t) {
        assert_true(w->n_notes < W_NOTES);
        t = &w->notes[w->n_notes++];
    }
    snprintf(t->release, sizeof t->release, "%s", release);
    snprintf(t->key, sizeof t->key, "%s", key);
    memcpy(t->value, value, n);
    t->value[n] = '\0';
    t->n = n;
}

static void b_notes(struct backend *b, const char *const *release_ids, size_t n, const char *prefix, struct arena *a,
                    struct note_list *out, backend_done done, void *ctx)
{
    struct world *w = of(b);
    *out = (struct note_list){.v = arena_array(a, W_NOTES, sizeof *out->v)};
    for (size_t k = 0; k < n; k++)
        for (int i = 0; i < w->n_notes; i++) {
            const struct w_text *t = &w->notes[i];
            if (strcmp(t->release, release_ids[k]) != 0 || strncmp(t->key, prefix, strlen(prefix)) != 0)
                continue;
            out->v[out->n++] = (struct note){arena_strdup(a, t->release), arena_strdup(a, t->key),
                                             arena_strndup(a, t->value, t->n), t->n, true};
        }
    if (w->notes_down)
        w_answer_err(w, done, ctx, ERR_PROTOCOL, false, "the server is in trouble (500)");
    else
        w_answer(w, done, ctx);
    w->calls[w->n_calls - 1].due += w->notes_us;
}

static void write_note(struct world *w, const char *release, const char *key, const char *value, size_t n,
                       backend_done done, void *ctx)
{
    if (w->dead)
        return;
    w_changes(w, "note %s %s", n ? "put" : "delete", key);
    if (w->notes_refused) {
        w_answer_err(w, done, ctx, ERR_FORBIDDEN, false, "the user of this fleet may not (403)");
        return;
    }
    if (w->at_note_put)
        w->at_note_put(w);
    if (!w->notes_dropped && !w->down)
        world_put_note(w, release, key, value, n);
    if (w->notes_dropped || w->notes_lost)
        w_answer_err(w, done, ctx, ERR_NETWORK, true, "the connection was reset");
    else
        w_answer(w, done, ctx);
    w->calls[w->n_calls - 1].due += w->notes_us;
}

static void b_note_put(struct backend *b, const char *release_id, const char *key, const char *value, size_t n,
                       backend_done done, void *ctx)
{
    assert_true(n > 0 && n <= NOTE_VALUE_MAX && strlen(value) >= n);
    write_note(of(b), release_id, key, value, n, done, ctx);
}

static void b_note_delete(struct backend *b, const char *release_id, const char *key, backend_done done, void *ctx)
{
    write_note(of(b), release_id, key, "", 0, done, ctx);
}

const struct backend_ops w_backend_ops = {.kind = "hawkbit",
                                          .free = b_free,
                                          .probe = b_probe,
                                          .rollouts = b_rollouts,
                                          .rollout = b_rollout,
                                          .waves = b_waves,
                                          .wave_devices = b_wave_devices,
                                          .inflight = b_inflight,
                                          .release = b_release,
                                          .releases = b_releases,
                                          .devices = b_devices,
                                          .filter_parts = b_parts,
                                          .device = b_device,
                                          .verb = b_verb,
                                          .create_rollout = b_create,
                                          .cancel_action = b_cancel,
                                          .assign = b_assign,
                                          .auto_assigns = b_autos,
                                          .auto_assign_off = b_auto_off,
                                          .told_at = b_told_at,
                                          .attributes = b_attributes,
                                          .notes = b_notes,
                                          .note_put = b_note_put,
                                          .note_delete = b_note_delete};
