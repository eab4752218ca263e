/* What becomes of the devices of a told wave: who was reached, who has installed, who is overdue; and how many of them
 * are watched. */
#include <stdio.h>
#include <stdlib.h>
#include "core/fmt.h"
#include "engine/worker.h"

static bool own(const struct ro *ro, size_t wave, const struct dev *d)
{
    return d->canary_of == ro && d->wave == (int)wave;
}

static int64_t told_at(const struct wv *v)
{
    return v->watch.told_at > 0 ? v->watch.told_at : v->facts.told_after;
}

/* It has reported an install since its wave was told. */
static bool done(const struct wv *v, const struct dev *d)
{
    return d->installed_at > 0 && d->installed_at >= told_at(v);
}

static int64_t deadline(const struct ro *ro, size_t wave, const struct dev *d)
{
    return install_deadline(ro->policy.applies->install_us, d->contact_us, ro->wv[wave].watch.usual_us);
}

enum install_state watch_install(const struct ro *ro, size_t wave, const struct dev *d, int64_t now)
{
    bool in = done(&ro->wv[wave], d) || d->status == DEVICE_IN_SYNC;
    return install_state(in, d->status == DEVICE_ERROR, d->reached_at, deadline(ro, wave, d), now);
}

int64_t watch_install_turns(const struct ro *ro, size_t wave, const struct dev *d, int64_t now)
{
    return watch_install(ro, wave, d, now) == INSTALL_WAITS ? d->reached_at + deadline(ro, wave, d) + 1 : TIME_NEVER;
}

int64_t watch_overdue_at(const struct ro *ro, size_t wave, const struct dev *d)
{
    if (watch_install(ro, wave, d, now_of(ro->en)) != INSTALL_OVERDUE)
        return TIME_NEVER;
    return d->reached_at + deadline(ro, wave, d);
}

void watch_installs(const struct ro *ro, size_t wave, int64_t now, struct install_counts *out)
{
    const struct wv *v = &ro->wv[wave];
    *out = (struct install_counts){0};
    for (size_t i = 0; i < v->watch.n_members; i++) {
        const struct dev *d = &ro->en->watch.devs[v->watch.members[i]];
        if (own(ro, wave, d))
            install_count(out, watch_install(ro, wave, d, now));
    }
}

/* Of the waves up to this one, since its devices are no other than theirs. */
static int64_t usual(const struct ro *ro, size_t wave)
{
    size_t told = 0, n = 0;
    for (size_t w = 0; w <= wave; w++)
        told += ro->wv[w].watch.n_members;
    int64_t *took = xcalloc(told + 1, sizeof *took);
    for (size_t w = 0; w <= wave; w++) {
        const struct wv *v = &ro->wv[w];
        for (size_t i = 0; i < v->watch.n_members; i++) {
            const struct dev *d = &ro->en->watch.devs[v->watch.members[i]];
            if (own(ro, w, d) && done(v, d))
                took[n++] = d->installed_at - told_at(v);
        }
    }
    int64_t us = install_usual(took, n, (int64_t)told);
    free(took);
    return us;
}

void watch_told(struct ro *ro, size_t wave, int64_t at)
{
    if (wave >= ro->facts.n_waves || ro->wv[wave].watch.told_at == at)
        return;
    ro->wv[wave].watch.told_at = at;
    ro->en->watch.changes++; /* who is overdue */
    watch_listed(ro, wave);
}

/* ---- which of them are watched ---- */

bool watch_part(const struct ro *ro, size_t wave, char out[WATCH_TEXT])
{
    const struct wv_watch *v = &ro->wv[wave].watch;
    char n[FMT_MAX], of[FMT_MAX];
    if (!v->listed || v->of <= (int64_t)v->n_members)
        return false;
    snprintf(out, WATCH_TEXT, "W%zu: %s of its %s devices are watched, %s", wave, fmt_count(n, (int64_t)v->n_members),
             fmt_count(of, v->of),
             ro_caps(ro) & CAP_OWN_WAVES ? "picked at random" : "the first that the server lists");
    return true;
}

/* In the log once by each session that judges: what the verdict is about. */
static void say_part(struct ro *ro, size_t wave)
{
    struct engine *en = ro->en;
    char text[WATCH_TEXT], name[24];
    struct entry e;
    if (ro->wv[wave].watch.part_said || !en->spec.judge || ro_replayed(ro) || !watch_part(ro, wave, text))
        return;
    ro->wv[wave].watch.part_said = true;
    diary_entry(en, &e, ENTRY_WATCH, NULL, ro);
    snprintf(name, sizeof name, "%zu", wave);
    e.wave = name;
    e.result = "part";
    e.reason = text;
    entry_int(&e, "devices.watched", (int64_t)ro->wv[wave].watch.n_members);
    entry_int(&e, "devices", ro->wv[wave].watch.of);
    diary_write(en, &e, 0, NULL, NULL);
}

void watch_listed(struct ro *ro, size_t wave)
{
    struct wv *v = &ro->wv[wave];
    say_part(ro, wave);
    v->watch.had_release = 0;
    for (size_t i = 0; i < v->watch.n_members; i++) {
        struct dev *d = &ro->en->watch.devs[v->watch.members[i]];
        if (!own(ro, wave, d))
            continue;
        if (d->reached_at < told_at(v))
            d->reached_at = d->last_seen >= told_at(v) ? d->last_seen : 0;
        v->watch.had_release +=
            d->status == DEVICE_IN_SYNC && d->installed_at > 0 && d->installed_at <= ro->facts.r.created_at;
    }
    for (size_t w = wave; w < ro->facts.n_waves; w++)
        if (ro->wv[w].facts.told)
            ro->wv[w].watch.usual_us = usual(ro, w);
}
