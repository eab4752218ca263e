/* Roll back, step "snapshot": every device that was told, kept in the log before anything is recalled, since no query
 * finds them all later. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "engine/rollback_saga.h"

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
        rb->n++;
        p = end + 1;
    }
    rb_index(rb);
    return rb->n > 0;
}

/* ---- the step ---- */

static void logs(struct rollback *rb)
{
    struct entry e;
    char *blob = blob_make(rb);
    if (!blob) {
        rb_fail(rb, "Roll back one wave at a time.", "the list of devices is larger than the log takes");
        return;
    }
    rb_entry(rb, &e);
    entry_int(&e, "devices", (int64_t)rb->n);
    rb_entry_target(rb, &e);
    entry_str(&e, "from.id", rb->bad.id);
    rb_text(rb, "%zu devices were told; they go back to %s:%s", rb->n, rb->to.name, rb->to.version);
    rb_logged(rb, &e, blob, RB_AUTOASSIGN);
    free(blob);
    census_of_rollout(rb->ro, rb->op->corr, "rollback-begins", -1);
}

static void devices_done(struct req *q, const struct reply *r)
{
    struct rollback *rb = q->x;
    const struct device_list *l = &q->out.devices;
    rb->busy = false;
    if (!r->err && l->total > (int64_t)l->n && l->n >= FLEET_LIST_MAX) {
        rb_fail(rb, "Leave this wave out, and bring its devices back on the server.",
                "W%zu has %lld devices; of one wave a roll back reads at most %zu", rb->wave, (long long)l->total,
                FLEET_LIST_MAX);
        return;
    }
    if (r->err || l->total > (int64_t)l->n) {
        rb_text(rb, "W%zu: %s", rb->wave, r->err ? r->err->what : "the list of its devices is not whole");
        rb_again(rb, 2 * US_PER_S);
        return;
    }
    struct rb_dev *v = ARENA_ARRAY(&rb->arena, struct rb_dev, rb->n + l->n + 1);
    if (rb->n)
        memcpy(v, rb->v, rb->n * sizeof *v);
    for (size_t i = 0; i < l->n; i++) {
        v[rb->n + i].raw_id = arena_strdup(&rb->arena, l->v[i].raw_id);
        v[rb->n + i].wave = (int)rb->wave;
        v[rb->n + i].status = l->v[i].status;
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
    if (rb_next_wave(rb)) {
        rb_text(rb, "reads the devices of W%zu", rb->wave);
        struct req *q = rb_req(rb, devices_done);
        /* A plan's wave may hold more than hawkBit's groups, and all of it is needed. */
        en->be->ops->wave_devices(en->be, ro->id, arena_strdup(&q->arena, ro->facts.waves[rb->wave].id), FLEET_LIST_MAX,
                                  &q->arena, &q->out.devices, req_done, q);
        return;
    }
    if (rb->n == 0) {
        rb_fail(rb, "", "no device was told: there is nothing to roll back");
        return;
    }
    rb_index(rb);
    logs(rb);
}
