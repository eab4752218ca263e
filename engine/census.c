#include "engine/census.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/json.h"
#include "core/text.h"
#include "engine/worker.h"

#define PART_MAX                                                                                                       \
    ((size_t)2 << 20)           /* of one entry's list, some 9,000 devices: a longer one would keep the log waiting */
#define A_TURN   2000           /* devices */
#define LOOK_US  (2 * US_PER_S) /* until a wave's list is as new as its end .. */
#define LOOKS    30             /* .. or so often */
#define STATES   12
#define ID_SHOWN 512 /* bytes of an id in words; the id itself stands beside it when it is another */

static const char NOT_KNOWN[] = "not known";

struct census {
    struct census *next;
    struct ro *ro;
    uint64_t corr;
    const char *why;
    int wave; /* -1: all that were told */
    struct census_source from;
    size_t at_wave, at; /* the next device */
    struct buf list;    /* of the part that is being made */
    int64_t n;          /* devices in it */
    int part;           /* entries that were written */
    struct {
        const char *word;
        int64_t n;
    } states[STATES];
    int looks;
    char release[2 * NAME_MAX_BYTES];
};

/* ---- devices of a rollout ---- */

static const char *install_word(enum install_state s)
{
    static const char *const words[] = {[INSTALL_DONE] = "installed",
                                        [INSTALL_FAILED] = "failed",
                                        [INSTALL_OVERDUE] = "overdue",
                                        [INSTALL_WAITS] = "waiting",
                                        [INSTALL_UNREACHED] = "not-reached"};
    return words[s];
}

/* The server's list has no releases: what a device runs follows from its status. One that is in sync has what it was
 * told; one that has reported a failure may run anything; one that has reported nothing since has what it had. */
static void from_watch(const struct census *c, const struct dev *d, struct census_device *out)
{
    const struct wv *v = &c->ro->wv[c->at_wave];
    enum install_state s = watch_install(c->ro, c->at_wave, d, now_of(c->ro->en));
    *out = (struct census_device){.raw_id = d->raw_id,
                                  .status = device_status_word(d->status),
                                  .wave = (int)c->at_wave,
                                  .installed_at = d->installed_at,
                                  .last_seen = d->last_seen,
                                  .as_of = v->watch.list_as_of};
    if (*d->from)
        out->before = d->from;
    if (d->canary_of != c->ro || d->wave != (int)c->at_wave) {
        out->state = "told-by-another";
        return;
    }
    out->state = install_word(s);
    out->assigned = c->release;
    if (s == INSTALL_DONE && d->status == DEVICE_IN_SYNC)
        out->installed = c->release;
    else if (s != INSTALL_DONE && s != INSTALL_FAILED && *d->from)
        out->installed = d->from;
}

static bool in_scope(const struct census *c, size_t w)
{
    return c->ro->wv[w].facts.told && (c->wave < 0 || (size_t)c->wave == w);
}

static bool next_device(struct census *c, struct census_device *out)
{
    const struct engine *en = c->ro->en;
    if (c->from.device)
        return c->from.device(c->from.owner, c->at++, out);
    for (; c->at_wave < c->ro->facts.n_waves; c->at_wave++, c->at = 0) {
        const struct wv_watch *v = &c->ro->wv[c->at_wave].watch;
        if (!in_scope(c, c->at_wave) || c->at >= v->n_members || v->members[c->at] >= en->watch.n_devs)
            continue;
        from_watch(c, &en->watch.devs[v->members[c->at++]], out);
        return true;
    }
    return false;
}

/* ---- the list ---- */

/* The raw id where it is no plain text: what is no printable ASCII, and '%', as %xx. */
static void put_raw(struct json_w *w, const char *raw)
{
    struct buf b;
    buf_init(&b, 4096);
    for (const unsigned char *p = (const unsigned char *)raw; *p; p++)
        if (*p > ' ' && *p < 0x7f && *p != '%')
            buf_addc(&b, (char)*p);
        else
            buf_printf(&b, "%%%02x", *p);
    json_w_kstr(w, "raw_id", b.data);
    buf_release(&b);
}

static void put_device(const struct census *c, const struct census_device *d, struct buf *out)
{
    int64_t wall = clock_wall(c->ro->en->clock) - now_of(c->ro->en);
    struct json_w w;
    char id[ID_SHOWN];
    safe_text_into(id, sizeof id, d->raw_id, strlen(d->raw_id));
    json_w_init(&w, out, 0);
    json_w_obj(&w);
    if (d->as_of > 0)
        json_w_kint(&w, "as_of", d->as_of + wall);
    json_w_kstr(&w, "assigned", d->assigned ? d->assigned : NOT_KNOWN);
    if (d->before)
        json_w_kstr(&w, "before", d->before);
    json_w_kstr(&w, "id", id);
    json_w_kstr(&w, "installed", d->installed ? d->installed : NOT_KNOWN);
    if (d->installed_at > 0)
        json_w_kint(&w, "installed_at", d->installed_at);
    if (d->last_seen > 0)
        json_w_kint(&w, "last_seen", d->last_seen);
    if (strcmp(id, d->raw_id) != 0)
        put_raw(&w, d->raw_id);
    json_w_kstr(&w, "state", d->state);
    json_w_kstr(&w, "status", d->status ? d->status : NOT_KNOWN);
    json_w_kint(&w, "wave", d->wave);
    json_w_obj_end(&w);
}

static void count(struct census *c, const char *state)
{
    for (size_t i = 0; i < STATES; i++) {
        if (!c->states[i].word)
            c->states[i].word = state;
        if (strcmp(c->states[i].word, state) == 0) {
            c->states[i].n++;
            return;
        }
    }
}

enum filled { FILLED_SOME, FILLED_PART, FILLED_ALL };

static enum filled fill(struct census *c, size_t most)
{
    struct census_device d;
    while (most-- > 0) {
        if (!next_device(c, &d))
            return FILLED_ALL;
        if (c->list.len > 1)
            buf_addc(&c->list, ',');
        put_device(c, &d, &c->list);
        c->n++;
        count(c, d.state);
        if (c->list.len > PART_MAX)
            return FILLED_PART;
    }
    return FILLED_SOME;
}

/* ---- the entry ---- */

static int64_t unlisted(const struct census *c)
{
    int64_t n = 0;
    for (size_t w = 0; !c->from.device && w < c->ro->facts.n_waves; w++)
        n += in_scope(c, w) && c->ro->wv[w].watch.n_members == 0;
    return n;
}

static void put_counts(const struct census *c, struct entry *e, char keys[STATES][40])
{
    const struct counts *k = &c->ro->facts.r.counts;
    entry_int(e, "devices", c->n);
    for (size_t i = 0; i < STATES && c->states[i].word; i++) {
        snprintf(keys[i], 40, "devices.%s", c->states[i].word);
        entry_int(e, keys[i], c->states[i].n);
    }
    if (unlisted(c) > 0)
        entry_int(e, "waves.unlisted",
                  unlisted(c)); /* told, and this session has not read their devices, or has forgotten them */
    if (!k->known || c->wave >= 0 || c->from.device)
        return;
    entry_int(e, "server.finished", k->finished); /* the server's own counts, of the whole rollout */
    entry_int(e, "server.error", k->error);
    entry_int(e, "server.running", k->running);
}

static void part_is_in(struct engine *en, struct job *j);

static void drop(struct engine *en, struct census *c)
{
    struct census **p = &en->census.list;
    while (*p && *p != c)
        p = &(*p)->next;
    if (*p)
        *p = c->next;
    buf_release(&c->list);
    free(c);
}

static void begin_list(struct census *c)
{
    buf_init(&c->list, 2 * PART_MAX);
    buf_addc(&c->list, '[');
    c->n = 0;
    memset(c->states, 0, sizeof c->states);
}

/* An entry with what is in the list by now; the next part is begun when it is in the log. */
static void tell(struct engine *en, struct census *c, bool last)
{
    struct entry e;
    char wave[16] = "", keys[STATES][40];
    struct job *j = job_new(JOB_APPEND);
    diary_entry(en, &e, ENTRY_EVIDENCE, NULL, c->ro);
    e.corr = c->corr;
    e.result = c->why;
    if (c->wave >= 0)
        snprintf(wave, sizeof wave, "%d", c->wave);
    e.wave = wave;
    e.after = c->ro->facts.known ? c->ro->facts.r.state_word : "";
    entry_str(&e, "release", c->release);
    c->part++;
    if (c->part > 1 || !last)
        entry_int(&e, "part", c->part);
    if (c->part > 1 && last)
        entry_int(&e, "parts", c->part);
    put_counts(c, &e, keys);
    job_entry(j, &e);
    if (c->list.len > 1) {
        buf_addc(&c->list, ']');
        job_blob_take(j, "devices.blob", &c->list);
    }
    struct census *more = last ? NULL : c;
    if (last) {
        drop(en, c);
    } else {
        buf_release(&c->list);
        begin_list(c);
    }
    diary_put(en, j, 0, more ? part_is_in : NULL, more);
}

/* Is the list of the wave that has ended still from before its end? Of a rollout that has ended no list is read any
 * more, but for one that is under way. */
static bool too_early(const struct census *c)
{
    const struct wv *v = c->wave >= 0 && (size_t)c->wave < c->ro->facts.n_waves ? &c->ro->wv[c->wave] : NULL;
    return v && c->at == 0 && v->watch.list_as_of < v->facts.ended_at && c->looks < LOOKS &&
           (v->watch.listing || !ro_ended(c->ro));
}

static void go_on(struct engine *en, void *arg)
{
    struct census *c = arg;
    if (too_early(c)) {
        c->looks++;
        timer_set(en, now_of(en) + LOOK_US, go_on, c);
        return;
    }
    enum filled f = fill(c, A_TURN);
    if (f == FILLED_SOME)
        timer_set(en, now_of(en), go_on, c);
    else
        tell(en, c, f == FILLED_ALL);
}

/* It may have been forgotten meanwhile. */
static void part_is_in(struct engine *en, struct job *j)
{
    struct census *c = en->census.list;
    while (c && c != j->ctx)
        c = c->next;
    if (c)
        timer_set(en, now_of(en), go_on, c);
}

static struct census *add(struct ro *ro, uint64_t corr, const char *why)
{
    struct engine *en = ro->en;
    struct census **p = &en->census.list, *c;
    const struct release *r = &ro->facts.r.release;
    if (!en->diary.scribe)
        return NULL;
    while (*p)
        p = &(*p)->next;
    c = *p = xcalloc(1, sizeof *c);
    c->ro = ro;
    c->corr = corr;
    c->why = why;
    c->wave = -1;
    begin_list(c);
    snprintf(c->release, sizeof c->release, "%s:%s", r->name, r->version);
    timer_set(en, now_of(en), go_on, c);
    return c;
}

void census_of_rollout(struct ro *ro, uint64_t corr, const char *why, int wave)
{
    struct census *c = add(ro, corr, why);
    if (c)
        c->wave = wave;
}

void census_of(struct ro *ro, uint64_t corr, const char *why, const struct census_source *from)
{
    struct census *c = add(ro, corr, why);
    if (c)
        c->from = *from;
}

void census_forget(struct engine *en, const void *owner)
{
    for (struct census *c = en->census.list, *next; c; c = next) {
        next = c->next;
        if (c->from.owner == owner) {
            timer_cancel(en, go_on, c);
            drop(en, c);
        }
    }
}

/* ---- the part ---- */

static void begin(struct engine *en)
{
    en->census.from = now_of(en);
}

/* A halt, whoever has asked for it, once an answer of the server was read after it; not one of before this session. */
static void seen(struct ro *ro, enum rollout_state was)
{
    uint64_t id = ro->stop.m.id;
    (void)was;
    if (!stop_latched(&ro->stop.m) || id == 0 || id == ro->census.halt || ro_replayed(ro))
        return;
    ro->census.halt = id;
    if (ro_stop_halt(ro)->at >= ro->en->census.from)
        census_of_rollout(ro, id, "halt", -1);
}

/* Those that judge tell of it; who only carries out a command need not. */
static void waves(struct ro *ro)
{
    for (size_t w = 0; w < ro->facts.n_waves; w++) {
        struct wv *v = &ro->wv[w];
        enum wave_state s = ro->facts.waves[w].state;
        if (v->facts.ended_at == 0 && s == WAVE_RUNNING)
            v->census.running = true;
        if (v->facts.ended_at > 0 && v->census.running) {
            v->census.running = false;
            if (ro->en->spec.judge && !ro_replayed(ro))
                census_of_rollout(ro, 0, "wave-ended", (int)w);
        }
    }
}

/* What is not told yet is told as it is known. */
static void end(struct engine *en)
{
    for (struct census *c; (c = en->census.list);) {
        enum filled f = fill(c, SIZE_MAX);
        tell(en, c, f == FILLED_ALL);
    }
}

static void free_all(struct engine *en)
{
    while (en->census.list)
        drop(en, en->census.list);
}

const struct part part_census = {
    .name = "census", .begin = begin, .seen = seen, .waves = waves, .end = end, .free = free_all};
