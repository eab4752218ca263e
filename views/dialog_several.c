/* A confirmation that is about several rollouts: what it would do to each, and an intent for each of them. */
#include <stdio.h>
#include <string.h>

#include "views/app.h"

/* Of a halt of several, whose servers differ. */
static const char *ended_by(const struct dialog *g)
{
    static const char *const text[STRENGTH_COUNT] = {
        "", "; stopped for good where that can be", "; stopped for good where that can be, by force where that can be"};
    return text[g->in.strength < STRENGTH_COUNT ? g->in.strength : STRENGTH_POLICY];
}

/* A halt of the fleet: what halting each of its rollouts would do, added up. */
void dialog_fleet_preview(struct dialog *g, const struct snapshot *s, int64_t now)
{
    int64_t rollouts = 0, devices = 0, flight = 0;
    char n[FMT_MAX];
    struct preview one;
    for (size_t i = 0; i < s->n_rollouts; i++) {
        const struct rollout *r = &s->rollouts[i].rollout;
        if (rollout_state_ended(r->state) || r->deleted)
            continue;
        struct intent in = g->in;
        struct verb_facts f;
        snprintf(in.rollout, sizeof in.rollout, "%s", str(r->id));
        snapshot_facts(s, in.rollout, now, &f);
        preview_make(&in, &f, NULL, 0, now, &one);
        g->caps |= f.caps;
        rollouts++;
        devices += one.devices;
        flight += one.in_flight;
    }
    struct preview *p = &g->preview;
    p->devices = devices;
    p->in_flight = flight;
    snprintf(p->will[0].text, sizeof p->will[0].text, "in %s rollouts: no further device is told%s",
             fmt_count(n, rollouts), ended_by(g));
    p->will[0].mark = "go";
    p->will[0].devices = devices;
    p->n_will = 1;
    snprintf(p->wont[0].text, sizeof p->wont[0].text, "told and not done: they go on in spite of the halt");
    p->wont[0].mark = "note";
    p->wont[0].devices = flight;
    p->n_wont = 1;
    if (parts_left_out(s, p->wont[1].text, sizeof p->wont[1].text)) {
        p->wont[1].mark = "refuse";
        p->wont[1].devices = -1;
        p->n_wont = 2;
    }
}

/* The rollouts that have this firmware and have not ended, in all fleets; NULL behind the last. */
static const struct rollout_view *firmware_nth(const struct view_data *d, const struct firmware *f, size_t k,
                                               const struct snapshot **s)
{
    for (size_t i = 0; i < d->n_snaps; i++) {
        const struct snapshot *of = d->snaps[i];
        for (size_t j = 0; of && j < of->n_rollouts; j++) {
            const struct rollout *r = &of->rollouts[j].rollout;
            if (rollout_state_ended(r->state) || r->deleted || strcmp(str(r->release.name), f->name) != 0 ||
                strcmp(str(r->release.version), f->version) != 0)
                continue;
            if (k-- == 0) {
                *s = of;
                return &of->rollouts[j];
            }
        }
    }
    return NULL;
}

/* A line of the preview, the last one for what has no room. */
static void add_to(struct preview_line *v, size_t *n, const char *mark, int64_t devices, const char *text)
{
    if (*n == PREVIEW_LINES - 1 && v[*n].mark && v[*n].devices >= 0 && devices >= 0) {
        snprintf(v[*n].text, sizeof v[*n].text, "and others");
        v[*n].devices += devices;
        return;
    }
    size_t at = *n < PREVIEW_LINES - 1 ? (*n)++ : PREVIEW_LINES - 1;
    v[at].mark = mark;
    v[at].devices = devices;
    snprintf(v[at].text, sizeof v[at].text, "%.119s", text);
}

/* A halt of a firmware everywhere: each of its rollouts, and what is not known. */
void dialog_everywhere_preview(struct dialog *g, const struct view_data *d)
{
    struct preview *p = &g->preview, one;
    const struct rollout_view *r;
    const struct snapshot *s = NULL;
    char text[160], age[FMT_MAX];
    memset(p, 0, sizeof *p);
    p->verb = g->verb;
    p->taken_at = d->now;
    for (size_t k = 0; (r = firmware_nth(d, &g->firmware, k, &s)) != NULL; k++) {
        struct intent in = g->in;
        struct verb_facts f;
        snprintf(in.fleet, sizeof in.fleet, "%.63s", str(s->fleet));
        snprintf(in.rollout, sizeof in.rollout, "%s", str(r->rollout.id));
        snapshot_facts(s, in.rollout, d->now, &f);
        preview_make(&in, &f, NULL, 0, d->now, &one);
        g->caps |= f.caps;
        p->devices += one.devices;
        p->in_flight += one.in_flight;
        p->taken_at = s->taken_at < p->taken_at ? s->taken_at : p->taken_at;
        snprintf(text, sizeof text, "%.40s/%.20s: no further device is told%s%s%s", in.fleet, in.rollout, ended_by(g),
                 state_stale(s, d->now) ? "; its server is silent since " : "",
                 state_stale(s, d->now) ? parts_ago(age, d->now, s->link.last_ok) : "");
        add_to(p->will, &p->n_will, state_stale(s, d->now) ? "offline" : "go", one.devices, text);
    }
    snprintf(p->title, sizeof p->title, "HALT %.100s %.100s in all fleets", g->firmware.name, g->firmware.version);
    add_to(p->wont, &p->n_wont, "note", p->in_flight, "told and not done: they go on in spite of the halt");
    for (size_t i = 0; i < d->n_snaps; i++) {
        const struct snapshot *of = d->snaps[i];
        if (of && of->rollouts_known)
            continue;
        snprintf(text, sizeof text, "%.40s: its rollouts are not known, none of them is halted by this (:halt %.40s/*)",
                 of ? str(of->fleet) : "a fleet", of ? str(of->fleet) : "FLEET");
        add_to(p->wont, &p->n_wont, "refuse", -1, text);
    }
    for (size_t i = 0; i < d->n_snaps; i++)
        if (d->snaps[i] && parts_left_out(d->snaps[i], text, sizeof text))
            add_to(p->wont, &p->n_wont, "refuse", -1, text);
}

/* The intents of a halt everywhere, in the order of the fleets; those without room are said. */
void dialog_submit_everywhere(struct app *a, const struct view_data *d, struct action *out)
{
    struct dialog *g = &a->dlg;
    const struct rollout_view *r;
    const struct snapshot *s = NULL;
    char what[400];
    size_t n = 0, k = 0;
    for (; (r = firmware_nth(d, &g->firmware, k, &s)) != NULL; k++) {
        if (n == ANSWERS_MAX)
            continue;
        struct intent *in = &a->several[n++];
        *in = out->intent;
        snprintf(in->fleet, sizeof in->fleet, "%.63s", str(s->fleet));
        snprintf(in->rollout, sizeof in->rollout, "%s", str(r->rollout.id));
    }
    if (n == 0) {
        out->kind = ACT_NONE;
        return;
    }
    out->intent = a->several[0];
    out->others = a->several + 1;
    out->n_others = n - 1;
    snprintf(what, sizeof what, "halt of %.180s %.180s", g->firmware.name, g->firmware.version);
    if (k > n)
        app_say(a, true, "%zu rollouts have it: the first %zu are halted; H again for the others", k, n);
    answers_open(a, d, out, what);
}
