#include "client/join.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/text.h"

#define LABELS_MAX 160  /* bytes of a series' labels in an example */
#define KEY_MAX    1024 /* bytes of a value; longer ones are of no device */

void join_init(struct join *j, const char *label, const struct join_spec *spec)
{
    *j = (struct join){.label = xstrdup(label && *label ? label : "device"),
                       .strip_port = spec->strip_port,
                       .lower = spec->lower,
                       .by_name = spec->attribute && *spec->attribute};
    if (j->lower || j->by_name)
        j->keys = watch_set_new();
}

void join_release(struct join *j)
{
    free(j->label);
    watch_set_free(j->keys);
    free(j->device);
    *j = (struct join){0};
}

/* ":9100" goes, and so do the brackets of an IPv6 address. An address without brackets has no port that could be told
 * from it. */
static struct slice without_port(struct slice s)
{
    size_t digits = 0, n = s.n;
    while (digits < n && s.p[n - 1 - digits] >= '0' && s.p[n - 1 - digits] <= '9')
        digits++;
    if (digits >= 1 && digits <= 5 && digits < n && s.p[n - 1 - digits] == ':')
        n -= digits + 1;
    if (n >= 2 && s.p[0] == '[' && s.p[n - 1] == ']')
        return (struct slice){s.p + 1, n - 2};
    return memchr(s.p, ':', n) ? s : (struct slice){s.p, n};
}

/* In `room` when it has to be changed. A value that is too long is empty. */
static struct slice lowered(struct slice s, char room[KEY_MAX])
{
    if (s.n > KEY_MAX)
        return (struct slice){room, 0};
    for (size_t i = 0; i < s.n; i++)
        room[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] + ('a' - 'A') : s.p[i]);
    return (struct slice){room, s.n};
}

static void add_key(struct join *j, struct slice key, size_t device)
{
    size_t before = watch_set_size(j->keys), k;
    if (key.n == 0)
        return;
    k = watch_set_add_n(j->keys, key.p, key.n);
    if (k < before) {
        j->device[k] = JOIN_TWO;
        return;
    }
    if (k == j->cap) {
        j->cap = j->cap ? j->cap * 2 : 256;
        j->device = xreallocarray(j->device, j->cap, sizeof *j->device);
    }
    j->device[k] = (uint32_t)device;
}

static void follow(struct join *j, const struct watch_set *w)
{
    char room[KEY_MAX];
    if (j->of != w || j->cleared != w->cleared) {
        watch_set_clear(j->keys);
        j->of = w;
        j->cleared = w->cleared;
        j->n = 0;
    }
    for (; j->n < (j->by_name ? w->n_named : w->n); j->n++) {
        const struct watch_id *id = &w->ids[j->n];
        struct slice key =
            j->by_name ? (struct slice){w->bytes + id->name_at, id->name_n} : (struct slice){w->bytes + id->at, id->n};
        add_key(j, j->lower ? lowered(key, room) : key, j->n);
    }
}

long join_find(struct join *j, const struct watch_set *w, const char *value, size_t n)
{
    char room[KEY_MAX];
    struct slice key = {value, n};
    if (j->strip_port)
        key = without_port(key);
    if (!j->keys)
        return watch_set_find(w, key.p, key.n);
    follow(j, w);
    if (j->lower)
        key = lowered(key, room);
    long k = watch_set_find(j->keys, key.p, key.n);
    return k < 0 || j->device[k] == JOIN_TWO ? -1 : (long)j->device[k];
}

/* --- probes --- */

#define WAYS 4 /* with and without strip_port and lower, bits 0 and 1 */

struct join_probe {
    struct telemetry_probe *out;
    const struct watch_set *devices;
    struct arena *arena;
    struct join way[WAYS];
    size_t own;                           /* the configured one of them */
    uint32_t *seen, *several;             /* of each device, a bit for each query */
    uint8_t *would;                       /* a bit for each way by which any series is its own */
    struct slice *first;                  /* labels of its first series of the query that is being read */
    size_t reading;                       /* that query */
    const char *example[WAYS], *of[WAYS]; /* a value of the label, and the device that it stands for */
};

struct join_probe *join_probe_new(struct telemetry_probe *p, struct join *j, const struct watch_set *devices,
                                  struct arena *a)
{
    struct join_probe *b = xcalloc(1, sizeof *b);
    *p = (struct telemetry_probe){.text = "", .one = "", .other = ""};
    b->out = p;
    b->devices = devices;
    b->arena = a;
    b->seen = xcalloc(devices->n + 1, sizeof *b->seen);
    b->would = xcalloc(devices->n + 1, 1);
    b->several = xcalloc(devices->n + 1, sizeof *b->several);
    b->first = xcalloc(devices->n + 1, sizeof *b->first);
    b->own = (j->strip_port ? 1U : 0U) | (j->lower ? 2U : 0U);
    b->reading = SIZE_MAX;
    p->label = arena_strdup(a, j->label);
    for (size_t k = 0; k < WAYS; k++) {
        join_init(&b->way[k], j->label,
                  &(struct join_spec){.strip_port = k & 1, .lower = k & 2, .attribute = j->by_name ? "x" : ""});
        b->example[k] = b->of[k] = "";
    }
    return b;
}

void join_probe_free(struct join_probe *b)
{
    if (!b)
        return;
    for (size_t k = 0; k < WAYS; k++)
        join_release(&b->way[k]);
    free(b->seen);
    free(b->would);
    free(b->several);
    free(b->first);
    free(b);
}

void join_probe_asked(struct join_probe *b, size_t query, const char *what, bool counter, bool below)
{
    b->out->query[query] = (struct telemetry_query){.what = what,
                                                    .counter = counter,
                                                    .below = below,
                                                    .example = "",
                                                    .one = "",
                                                    .other = "",
                                                    .of = "",
                                                    .labels = "",
                                                    .value = (double)NAN};
}

/* A device's series of the query beside the first. */
static void count_more(struct join_probe *b, struct telemetry_query *q, size_t query, size_t device, struct slice text)
{
    if (!(b->several[device] & 1U << query))
        q->several++;
    b->several[device] |= 1U << query;
    if (*q->one || !text.p || !b->first[device].p)
        return;
    q->one = safe_text(b->arena, b->first[device].p, b->first[device].n, LABELS_MAX);
    q->other = safe_text(b->arena, text.p, text.n, LABELS_MAX);
}

long join_probe_count(struct join_probe *b, size_t query, struct slice label, struct slice text)
{
    struct telemetry_query *q = &b->out->query[query];
    long own = -1;
    q->series++;
    q->unlabelled += !label.p || label.n == 0;
    for (size_t k = 0; k < WAYS && label.n > 0; k++) {
        long i = join_find(&b->way[k], b->devices, label.p, label.n);
        if (k == b->own)
            own = i;
        if (i < 0)
            continue;
        b->would[i] = (uint8_t)(b->would[i] | 1U << k);
        if (!*b->example[k]) {
            const struct watch_id *id = &b->devices->ids[i];
            b->example[k] = safe_text(b->arena, label.p, label.n, NAME_MAX_BYTES);
            b->of[k] = safe_text(b->arena, b->devices->bytes + id->at, id->n, NAME_MAX_BYTES);
        }
    }
    if (own < 0) {
        if (label.n && !*q->example)
            q->example = safe_text(b->arena, label.p, label.n, NAME_MAX_BYTES);
        return -1;
    }
    q->ours++;
    if (b->reading != query)
        memset(b->first, 0, (b->devices->n + 1) * sizeof *b->first); /* those were of another answer */
    b->reading = query;
    if (b->seen[own] & 1U << query) {
        count_more(b, q, query, (size_t)own, text);
        return own;
    }
    b->first[own] = text;
    b->seen[own] |= 1U << query;
    q->devices++;
    return own;
}

void join_probe_value(struct join_probe *b, size_t query, long device, double v)
{
    struct telemetry_query *q = &b->out->query[query];
    if (device < 0 || (size_t)device >= b->devices->n)
        return;
    if (!isfinite(v) || (v < 0 && !q->below)) {
        q->unusable++;
        return;
    }
    if (*q->of)
        return;
    const struct watch_id *id = &b->devices->ids[device];
    const struct slice labels = b->first[device];
    q->of = safe_text(b->arena, b->devices->bytes + id->at, id->n, NAME_MAX_BYTES);
    q->labels = labels.p ? safe_text(b->arena, labels.p, labels.n, LABELS_MAX) : "";
    q->value = v;
}

void join_probe_uncount(struct join_probe *b, size_t query)
{
    const struct telemetry_query *q = &b->out->query[query];
    join_probe_asked(b, query, q->what, q->counter, q->below);
    b->reading = SIZE_MAX;
    for (size_t i = 0; i < b->devices->n; i++) {
        b->seen[i] &= ~(1U << query);
        b->several[i] &= ~(1U << query);
    }
}

void join_probe_end(struct join_probe *b)
{
    size_t n[WAYS] = {0}, best = b->own;
    for (size_t i = 0; i < b->devices->n; i++)
        for (size_t k = 0; k < WAYS; k++)
            n[k] += (b->would[i] & 1U << k) != 0;
    for (size_t k = 0; k < WAYS; k++)
        if (n[k] > n[best])
            best = k;
    b->out->joined = (struct telemetry_join){b->own & 1, b->own & 2, n[b->own], b->example[b->own], b->of[b->own]};
    b->out->better = (struct telemetry_join){best & 1, best & 2, n[best], b->example[best], b->of[best]};
}
