#include "client/telemetry_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/preset.h"
#include "core/rng.h"

struct watch_set *watch_set_new(void)
{
    return xcalloc(1, sizeof(struct watch_set));
}

void watch_set_free(struct watch_set *w)
{
    if (!w)
        return;
    free(w->bytes);
    free(w->ids);
    free(w->slots);
    free(w);
}

void watch_set_clear(struct watch_set *w)
{
    w->n = w->bytes_n = w->n_named = 0;
    w->cleared++;
    if (w->slots)
        memset(w->slots, 0, w->n_slots * sizeof *w->slots);
}

size_t watch_set_size(const struct watch_set *w)
{
    return w->n;
}

const char *watch_set_id(const struct watch_set *w, size_t i, struct arena *a)
{
    return arena_strndup(a, w->bytes + w->ids[i].at, w->ids[i].n);
}

/* The slot of the id, or the free one where it would go. */
static size_t slot_of(const struct watch_set *w, const char *id, size_t n, uint32_t hash)
{
    size_t mask = w->n_slots - 1;
    for (size_t s = hash & mask;; s = (s + 1) & mask) {
        if (w->slots[s] == 0)
            return s;
        const struct watch_id *k = &w->ids[w->slots[s] - 1];
        if (k->hash == hash && k->n == n && memcmp(w->bytes + k->at, id, n) == 0)
            return s;
    }
}

static uint32_t hash_of(const char *id, size_t n)
{
    uint64_t h = hash_bytes(id, n);
    return (uint32_t)(h ^ (h >> 32));
}

long watch_set_find(const struct watch_set *w, const char *raw_id, size_t n)
{
    if (w->n == 0)
        return -1;
    return (long)w->slots[slot_of(w, raw_id, n, hash_of(raw_id, n))] - 1;
}

static void grow(struct watch_set *w)
{
    if (w->n == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 64;
        w->ids = xreallocarray(w->ids, w->cap, sizeof *w->ids);
    }
    if ((w->n + 1) * 2 <= w->n_slots)
        return;
    free(w->slots);
    w->n_slots = w->n_slots ? w->n_slots * 2 : 128;
    w->slots = xcalloc(w->n_slots, sizeof *w->slots);
    for (size_t i = 0; i < w->n; i++) {
        const struct watch_id *k = &w->ids[i];
        w->slots[slot_of(w, w->bytes + k->at, k->n, k->hash)] = (uint32_t)i + 1;
    }
}

static void put_bytes(struct watch_set *w, const char *bytes, size_t n)
{
    if (w->bytes_n + n > w->bytes_cap) {
        w->bytes_cap = (w->bytes_n + n) * 2;
        w->bytes = xrealloc(w->bytes, w->bytes_cap);
    }
    if (n)
        memcpy(w->bytes + w->bytes_n, bytes, n);
    w->bytes_n += n;
}

size_t watch_set_add_n(struct watch_set *w, const char *raw_id, size_t n)
{
    grow(w);
    uint32_t hash = hash_of(raw_id, n);
    size_t s = slot_of(w, raw_id, n, hash);
    if (w->slots[s])
        return w->slots[s] - 1;
    w->ids[w->n] = (struct watch_id){.at = w->bytes_n, .n = (uint32_t)n, .hash = hash};
    put_bytes(w, raw_id, n);
    w->slots[s] = (uint32_t)++w->n;
    return w->n - 1;
}

size_t watch_set_add(struct watch_set *w, const char *raw_id)
{
    return watch_set_add_n(w, raw_id, strlen(raw_id));
}

void watch_set_name(struct watch_set *w, const char *value, size_t n)
{
    if (w->n_named == w->n)
        return;
    struct watch_id *id = &w->ids[w->n_named++];
    id->name_at = w->bytes_n;
    id->name_n = (uint32_t)n;
    put_bytes(w, value, n);
}

size_t watch_set_named(const struct watch_set *w)
{
    return w->n_named;
}

/* The length of the name, and whether nothing but matchers follows. */
static bool selector(const char *q, size_t *n)
{
    const char *p = q;
    while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_' || *p == ':')
        p++;
    *n = (size_t)(p - q);
    p += strspn(p, " ");
    char quote = '\0';
    if (*p == '{') {
        for (p++; *p && (quote || *p != '}'); p++) {
            if (quote && quote != '`' && *p == '\\' && p[1])
                p++;
            else if (quote && *p == quote)
                quote = '\0';
            else if (!quote && (*p == '"' || *p == '\'' || *p == '`'))
                quote = *p;
        }
        if (*p++ != '}')
            return false;
    }
    p += strspn(p, " ");
    return *p == '\0' && (*n > 0 || strchr(q, '{'));
}

bool is_plain_selector(const char *query)
{
    size_t n;
    return selector(query, &n);
}

bool is_boot_time(const char *metric)
{
    static const char end[] = "boot_time_seconds";
    size_t n, k = sizeof end - 1;
    return selector(metric, &n) && n >= k && memcmp(metric + n - k, end, k) == 0;
}

char *telemetry_query(const struct telemetry_spec *spec, const char *id, const char *own, bool page)
{
    static const char placeholder[] = "$sensor";
    const char *q = own && *own ? own : preset_query(spec->preset, id, page);
    const char *at = q && q != own ? strstr(q, placeholder) : NULL;
    if (!q || (at && !*spec->sensor))
        return xstrdup("");
    if (!at)
        return xstrdup(q);
    size_t before = (size_t)(at - q), sensor = strlen(spec->sensor), n = strlen(q) + sensor + 1;
    char *out = xmalloc(n);
    snprintf(out, n, "%.*s%s%s", (int)before, q, spec->sensor, at + sizeof placeholder - 1);
    return out;
}

struct telemetry *telemetry_open(struct http *h, struct clock *clock, const struct telemetry_spec *spec, struct err *e)
{
    struct telemetry *t = NULL;
    err_clear(e);
    if (spec->kind != TELEMETRY_NONE && !preset_known(spec->preset))
        err_set(e, ERR_UNSUPPORTED, "use device or node_exporter", "there is no such preset");
    else if (spec->kind == TELEMETRY_PROMETHEUS)
        t = prometheus_open(h, clock, spec, e);
    else if (spec->kind == TELEMETRY_OPENMETRICS)
        t = openmetrics_open(h, clock, spec, e);
    else
        return NULL;
    if (!t)
        err_prefix(e, "telemetry: ");
    return t;
}
