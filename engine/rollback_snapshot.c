/* Roll back, step "snapshot": every device that was told, kept in the log before anything is recalled, since no query
 * finds them all later; and the release to go back to. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/rollback_saga.h"

#define ASKED_MAX 20 /* devices whose history is read when nothing else tells what they came from */

/* ---- devices by raw id ---- */

static void rb_index(struct rollback *rb)
{
    free(rb->index);
    for (rb->n_index = 16; rb->n_index < rb->n * 2 + 2;)
        rb->n_index *= 2;
    rb->index = xcalloc(rb->n_index, sizeof *rb->index);
    for (size_t i = 0; i < rb->n; i++) {
        size_t h = hash_bytes(rb->v[i].raw_id, strlen(rb->v[i].raw_id)) & (rb->n_index - 1);
        while (rb->index[h])
            h = (h + 1) & (rb->n_index - 1);
        rb->index[h] = (uint32_t)i + 1;
    }
}

struct rb_dev *rb_find(struct rollback *rb, const char *raw_id)
{
    if (rb->n_index == 0)
        return NULL;
    size_t h = hash_bytes(raw_id, strlen(raw_id)) & (rb->n_index - 1);
    for (; rb->index[h]; h = (h + 1) & (rb->n_index - 1))
        if (strcmp(rb->v[rb->index[h] - 1].raw_id, raw_id) == 0)
            return &rb->v[rb->index[h] - 1];
    return NULL;
}

/* ---- the blob: one line a device, "WAVE STATUS ID", the id percent-encoded where it is not plain ---- */

static char *blob_make(const struct rollback *rb)
{
    struct buf b;
    buf_init(&b, (size_t)64 << 20);
    for (size_t i = 0; i < rb->n; i++) {
        buf_printf(&b, "%d %d ", rb->v[i].wave, (int)rb->v[i].status);
        for (const unsigned char *p = (const unsigned char *)rb->v[i].raw_id; *p; p++) {
            if (*p > ' ' && *p < 0x7f && *p != '%')
                buf_addc(&b, (char)*p);
            else
                buf_printf(&b, "%%%02x", *p);
        }
        buf_addc(&b, '\n');
    }
    char *text = b.over ? NULL : buf_take(&b);
    buf_release(&b);
    return text;
}

static int hex(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *decode_id(struct arena *a, const char *s, size_t n)
{
    char *out = arena_alloc(a, n + 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '%' && i + 2 < n && hex(s[i + 1]) >= 0 && hex(s[i + 2]) >= 0) {
            out[k++] = (char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
            i += 2;
        } else {
            out[k++] = s[i];
        }
    }
    out[k] = '\0';
    return out;
}

bool rb_load(struct rollback *rb, const char *blob)
{
    size_t lines = 0;
    for (const char *p = blob; *p; p++)
        lines += *p == '\n';
    rb->v = ARENA_ARRAY(&rb->arena, struct rb_dev, lines + 1);
    rb->n = 0;
    for (const char *p = blob; *p && rb->n < lines;) {
        const char *end = strchr(p, '\n');
        char *rest;
        struct rb_dev *d = &rb->v[rb->n];
        if (!end)
            break;
        d->wave = (int)strtol(p, &rest, 10);
        d->status = (enum device_status)strtol(rest, &rest, 10);
        if (*rest != ' ' || rest >= end)
            return false;
        d->raw_id = decode_id(&rb->arena, rest + 1, (size_t)(end - rest - 1));
        d->from = "";
        rb->n++;
        p = end + 1;
    }
    rb_index(rb);
    return rb->n > 0;
}

/* ---- the release to go back to ---- */

static void decided(struct rollback *rb, const struct release *to)
{
    struct entry e;
    char *blob = blob_make(rb);
    rb->to.id = arena_strdup(&rb->arena, to->id);
    rb->to.name = arena_strdup(&rb->arena, to->name);
    rb->to.version = arena_strdup(&rb->arena, to->version);
    if (!blob) {
        rb_fail(rb, "Roll back one wave at a time.", "the list of devices is larger than the log takes");
        return;
    }
    rb_entry(rb, &e);
    entry_int(&e, "devices", (int64_t)rb->n);
    entry_str(&e, "to.id", rb->to.id);
    entry_str(&e, "to.name", rb->to.name);
    entry_str(&e, "to.version", rb->to.version);
    entry_str(&e, "from.id", rb->bad.id);
    rb_text(rb, "%zu devices were told; they go back to %s:%s", rb->n, rb->to.name, rb->to.version);
    rb_logged(rb, &e, blob, RB_AUTOASSIGN);
    free(blob);
}

static bool same_release(const struct release *r, const char *name_version)
{
    size_t n = strlen(r->name);
    return strncmp(name_version, r->name, n) == 0 && name_version[n] == ':' &&
           strcmp(name_version + n + 1, r->version) == 0;
}

static void vote(struct rollback *rb, const char *from)
{
    for (size_t k = 0; from && *from && k < rb->n_releases; k++)
        if (same_release(&rb->releases[k], from) && strcmp(rb->releases[k].id, rb->bad.id) != 0)
            rb->votes[k]++;
}

static bool elect(struct rollback *rb)
{
    size_t best = 0;
    for (size_t k = 1; k < rb->n_releases; k++)
        if (rb->votes[k] > rb->votes[best])
            best = k;
    if (rb->n_releases == 0 || rb->votes[best] == 0)
        return false;
    decided(rb, &rb->releases[best]);
    return true;
}

static void ask_history(struct rollback *rb);

/* An action that is older than the rollout is of another one that had its number. */
static bool of_rollout(const struct device_action *a, const struct rollout *r)
{
    return strcmp(a->rollout, r->id) == 0 && (a->at <= 0 || r->created_at <= 0 || a->at >= r->created_at);
}

const char *origin_of(const struct device_info *d, const struct rollout *r, struct arena *a)
{
    const char *bad = r->release.id;
    for (size_t i = 0; i < d->n_actions; i++) /* newest first: what it had before this rollout */
        if (!of_rollout(&d->actions[i], r) && !d->actions[i].active && strcmp(d->actions[i].status, "finished") == 0)
            return arena_strdup(a, d->actions[i].release ? d->actions[i].release : "");
    if (*d->installed.id && strcmp(d->installed.id, bad) != 0)
        return arena_printf(a, "%s:%s", d->installed.name, d->installed.version);
    return "";
}

static void history_done(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    rb->busy = false;
    if (!r->err)
        vote(rb, origin_of(&q->out.device, &rb->ro->facts.r, &q->arena));
    rb->repair_at++;
    ask_history(rb);
}

static void ask_history(struct rollback *rb)
{
    if (rb->repair_at >= rb->n || rb->repair_at >= ASKED_MAX) {
        rb->repair_at = 0;
        if (!elect(rb))
            rb_fail(rb, "Name the release: roll back to NAME:VERSION.",
                    "it cannot be told which release the devices came from; the rollout stays paused");
        return;
    }
    struct req *q = rb_req(rb, history_done);
    rb->en->be->ops->device(rb->en->be, rb->v[rb->repair_at].raw_id, &q->arena, &q->out.device, req_done, q);
}

static void releases_done(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    const struct intent *in = &rb->op->in;
    const char *to = *in->to_release ? in->to_release : rb->ro->policy.applies->rollback_to;
    rb->busy = false;
    if (r->err) {
        rb_text(rb, "the server's releases cannot be read yet: %s", r->err->what);
        rb_again(rb, 2 * US_PER_S);
        return;
    }
    rb->n_releases = q->out.releases.n;
    rb->releases = ARENA_ARRAY(&rb->arena, struct release, rb->n_releases + 1);
    rb->votes = ARENA_ARRAY(&rb->arena, int64_t, rb->n_releases + 1);
    for (size_t k = 0; k < rb->n_releases; k++) {
        rb->releases[k].id = arena_strdup(&rb->arena, q->out.releases.v[k].id);
        rb->releases[k].name = arena_strdup(&rb->arena, q->out.releases.v[k].name);
        rb->releases[k].version = arena_strdup(&rb->arena, q->out.releases.v[k].version);
        if (strcmp(to, "previous") != 0 && same_release(&rb->releases[k], to)) {
            decided(rb, &rb->releases[k]);
            return;
        }
    }
    if (strcmp(to, "previous") != 0) {
        rb_fail(rb, "Look for its exact name and version on the server.",
                "there is no release %s on the server; the rollout stays paused", to);
        return;
    }
    for (size_t i = 0; i < rb->n; i++)
        vote(rb, rb->v[i].from);
    if (!elect(rb))
        ask_history(rb);
}

/* ---- the devices ---- */

static void devices_done(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    struct engine *en = rb->en;
    const struct device_list *l = &q->out.devices;
    rb->busy = false;
    if (r->err || l->total > (int64_t)l->n) {
        rb_text(rb, "W%zu: %s", rb->wave, r->err ? r->err->what : "the list of its devices is not whole");
        rb_again(rb, 2 * US_PER_S);
        return;
    }
    struct rb_dev *v = ARENA_ARRAY(&rb->arena, struct rb_dev, rb->n + l->n + 1);
    if (rb->n)
        memcpy(v, rb->v, rb->n * sizeof *v);
    for (size_t i = 0; i < l->n; i++) {
        long k = watch_set_find(en->watch.set, l->v[i].raw_id, strlen(l->v[i].raw_id));
        v[rb->n + i].raw_id = arena_strdup(&rb->arena, l->v[i].raw_id);
        v[rb->n + i].wave = (int)rb->wave;
        v[rb->n + i].status = l->v[i].status;
        v[rb->n + i].from = k >= 0 ? arena_strdup(&rb->arena, en->watch.devs[k].from) : "";
    }
    rb->v = v;
    rb->n += l->n;
    rb->wave++;
    rb_again(rb, 0);
}

void rb_snapshot(struct rollback *rb)
{
    struct ro *ro = rb->ro;
    struct engine *en = rb->en;
    if (!ro->facts.waves_known) {
        rb_again(rb, US_PER_S);
        return;
    }
    if (rb->wave == 0)
        rb->n = 0;
    while (rb->wave < ro->facts.n_waves &&
           (wave_told(&ro->facts.waves[rb->wave]) == 0 || !intent_has_wave(&rb->op->in, (int)rb->wave)))
        rb->wave++;
    if (rb->wave < ro->facts.n_waves) {
        rb_text(rb, "reads the devices of W%zu", rb->wave);
        struct req *q = rb_req(rb, devices_done);
        en->be->ops->wave_devices(en->be, ro->id, arena_strdup(&q->arena, ro->facts.waves[rb->wave].id),
                                  WAVE_DEVICES_MAX, &q->arena, &q->out.devices, req_done, q);
        return;
    }
    if (rb->n == 0) {
        rb_fail(rb, "", "no device was told: there is nothing to roll back");
        return;
    }
    rb_index(rb);
    rb_text(rb, "looks for the release that %zu devices came from", rb->n);
    struct req *q = rb_req(rb, releases_done);
    en->be->ops->releases(en->be, 500, &q->arena, &q->out.releases, req_done, q);
}
