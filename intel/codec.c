#include "intel/codec.h"

#include <stddef.h>
#include <string.h>
#include "core/clock.h"

#define SEEN_MAX 48                /* strings of a record that later ones are compared with */
#define MANY     ((size_t)1 << 20) /* elements of a list */

#define ELEMENT_SIZE 128 /* most of one in memory */

struct code {
    struct buf *out; /* NULL: it reads */
    struct slice in;
    struct arena *a;
    bool bad;
    const char *seen[SEEN_MAX]; /* the first ones are those of COMMON */
    size_t n_seen;
};

/* Never reordered nor shortened: what was written refers to them by number. Longer: a new version of the store. */
static const char *const COMMON[] = {
    "",          "0",         "OSV",       "PyPI",   "npm",          "Go",           "crates.io",    "Debian:11",
    "Debian:12", "Debian:13", "Debian:14", "Debian", "Alpine:v3.20", "Alpine:v3.21", "Alpine:v3.22", "Maven",
    "Packagist", "NuGet",     "RubyGems",  "Linux",  "GIT",
};
enum { N_COMMON = sizeof COMMON / sizeof COMMON[0] };
_Static_assert(N_COMMON < SEEN_MAX, "room for those of the record");

static void begin(struct code *c)
{
    memcpy(c->seen, COMMON, sizeof COMMON);
    c->n_seen = N_COMMON;
}

/* Seven bits a byte, the low ones first. */
static void c_u(struct code *c, uint64_t *v)
{
    if (c->out) {
        for (uint64_t left = *v;; left >>= 7) {
            buf_addc(c->out, (char)(left > 0x7f ? (left & 0x7f) | 0x80 : left));
            if (left <= 0x7f)
                return;
        }
    }
    *v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (!c->in.n)
            break;
        uint8_t b = (uint8_t)*c->in.p;
        c->in.p++;
        c->in.n--;
        *v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return;
    }
    c->bad = true;
    *v = 0;
}

static void c_size(struct code *c, size_t *n)
{
    uint64_t v = *n;
    c_u(c, &v);
    if (v > MANY || (!c->out && v > c->in.n)) { /* each element is a byte or more */
        c->bad = true;
        v = 0;
    }
    *n = (size_t)v;
}

static void c_time(struct code *c, int64_t *t)
{
    uint64_t v = *t > 0 ? (uint64_t)(*t / US_PER_S) : 0;
    c_u(c, &v);
    *t = v < (uint64_t)(INT64_MAX / US_PER_S) ? (int64_t)v * US_PER_S : 0;
}

static void c_bool(struct code *c, bool *v)
{
    uint64_t u = *v;
    c_u(c, &u);
    *v = u != 0;
}

/* An enum of `count` values. */
static unsigned c_enum(struct code *c, unsigned v, unsigned count)
{
    uint64_t u = v;
    c_u(c, &u);
    c->bad = c->bad || u >= count;
    return c->bad ? 0 : (unsigned)u;
}

static void c_str(struct code *c, const char **s)
{
    uint64_t v = 0;
    if (c->out) {
        const char *text = *s ? *s : "";
        size_t n = strlen(text);
        for (size_t i = c->n_seen; i-- > 0;)
            if (strcmp(c->seen[i], text) == 0) {
                v = (uint64_t)i << 1 | 1;
                c_u(c, &v);
                return;
            }
        v = (uint64_t)n << 1;
        c_u(c, &v);
        buf_add(c->out, text, n);
        if (c->n_seen < SEEN_MAX)
            c->seen[c->n_seen++] = text;
        return;
    }
    c_u(c, &v);
    *s = "";
    if (v & 1) {
        if (v >> 1 < c->n_seen)
            *s = c->seen[v >> 1];
        else
            c->bad = true;
        return;
    }
    if (v >> 1 > c->in.n) {
        c->bad = true;
        return;
    }
    size_t n = (size_t)(v >> 1);
    *s = arena_strndup(c->a, c->in.p, n);
    c->in.p += n;
    c->in.n -= n;
    if (c->n_seen < SEEN_MAX)
        c->seen[c->n_seen++] = *s;
}

/* A list: its length, then its elements by `each`. Reading makes the array. */
static void c_list(struct code *c, const void **v, size_t *n, size_t size, void (*each)(struct code *c, void *element))
{
    c_size(c, n);
    if (!c->out)
        *v = arena_array(c->a, *n, size);
    for (size_t i = 0; i < *n && !c->bad; i++) {
        _Alignas(max_align_t) char one[ELEMENT_SIZE];
        memcpy(one, (const char *)*v + i * size, size);
        each(c, one);
        if (!c->out) /* the array is ours */
            memcpy((char *)(uintptr_t)*v + i * size, one, size);
    }
}
#define LIST(c, v, n, each)                                                                                            \
    do {                                                                                                               \
        _Static_assert(sizeof *(v) <= ELEMENT_SIZE, "an element of a list");                                           \
        const void *list_ = (v);                                                                                       \
        c_list((c), &list_, (n), sizeof *(v), (each));                                                                 \
        (v) = list_;                                                                                                   \
    } while (0)

static void c_string(struct code *c, void *p)
{
    c_str(c, p);
}

static void c_ref(struct code *c, void *p)
{
    struct adv_ref *v = p;
    v->kind = c_enum(c, v->kind, ADV_RELATED + 1);
    c_str(c, &v->id);
}

static void c_event(struct code *c, void *p)
{
    struct adv_event *v = p;
    v->kind = c_enum(c, v->kind, ADV_LIMIT + 1);
    c_str(c, &v->version);
}

static void c_range(struct code *c, void *p)
{
    struct adv_range *v = p;
    unsigned both = c_enum(c, (unsigned)v->scheme << 1 | v->doubtful, VERSION_SCHEMES << 1);
    v->scheme = both >> 1;
    v->doubtful = both & 1;
    LIST(c, v->events, &v->n_events, c_event);
}

static void c_affected(struct code *c, void *p)
{
    struct adv_affected *v = p;
    c_str(c, &v->ecosystem);
    c_str(c, &v->name);
    c_str(c, &v->vector);
    LIST(c, v->ranges, &v->n_ranges, c_range);
    LIST(c, v->versions, &v->n_versions, c_string);
}

static void c_cpe(struct code *c, void *p)
{
    struct adv_cpe *v = p;
    unsigned bits = c_enum(c,
                           (unsigned)v->start_excluded | (unsigned)v->end_included << 1 | (unsigned)v->vulnerable << 2 |
                               (unsigned)v->doubtful << 3 | (unsigned)v->unordered << 4,
                           32);
    v->start_excluded = bits & 1;
    v->end_included = bits >> 1 & 1;
    v->vulnerable = bits >> 2 & 1;
    v->doubtful = bits >> 3 & 1;
    v->unordered = bits >> 4 & 1;
    c_str(c, &v->criteria);
    c_str(c, &v->start);
    c_str(c, &v->end);
}

static void c_node(struct code *c, void *p)
{
    struct adv_node *v = p;
    c_bool(c, &v->all);
    c_bool(c, &v->negate);
    LIST(c, v->cpes, &v->n_cpes, c_cpe);
}

static void c_config(struct code *c, void *p)
{
    struct adv_config *v = p;
    c_bool(c, &v->all);
    c_bool(c, &v->negate);
    LIST(c, v->nodes, &v->n_nodes, c_node);
}

static void c_score(struct code *c, void *p)
{
    struct adv_score *v = p;
    unsigned bits = c_enum(c, (unsigned)v->primary | (unsigned)v->stated << 1, 4);
    v->primary = bits & 1;
    v->stated = bits >> 1 & 1;
    c_str(c, &v->vector);
    c_str(c, &v->by);
    if (v->stated)
        v->tenths = (int)c_enum(c, (unsigned)v->tenths, 101);
}

static void c_advisory(struct code *c, struct advisory *v)
{
    c_str(c, &v->id);
    v->source = c_enum(c, v->source, ADV_SOURCES);
    v->state = c_enum(c, v->state, ADV_REJECTED + 1);
    c_time(c, &v->published);
    c_time(c, &v->modified);
    if (v->state == ADV_WITHDRAWN)
        c_time(c, &v->withdrawn);
    unsigned tags = c_enum(
        c, (unsigned)v->disputed | (unsigned)v->unsupported << 1 | (unsigned)v->hosted << 2 | (unsigned)v->kev << 3,
        16);
    v->disputed = tags & 1;
    v->unsupported = tags >> 1 & 1;
    v->hosted = tags >> 2 & 1;
    v->kev = tags >> 3 & 1;
    unsigned said = c_enum(c, v->exploitation * 9 + v->automatable * 3 + v->total_impact, 36);
    v->exploitation = said / 9;
    v->automatable = said / 3 % 3;
    v->total_impact = said % 3;
    if (v->kev)
        c_time(c, &v->kev_added);
    c_str(c, &v->summary);
    LIST(c, v->refs, &v->n_refs, c_ref);
    LIST(c, v->affected, &v->n_affected, c_affected);
    LIST(c, v->configs, &v->n_configs, c_config);
    LIST(c, v->scores, &v->n_scores, c_score);
}

static void c_vex(struct code *c, struct vex *v)
{
    c_str(c, &v->id);
    v->status = c_enum(c, v->status, VEX_STATUSES);
    c_str(c, &v->why);
    c_str(c, &v->product);
    c_str(c, &v->component);
    c_str(c, &v->document);
    c_time(c, &v->at);
    c_bool(c, &v->draft);
}

static void c_vex_each(struct code *c, void *p)
{
    c_vex(c, p);
}

static void c_part(struct code *c, void *p)
{
    struct sbom_part *v = p;
    c_str(c, &v->name);
    c_str(c, &v->version);
    c_str(c, &v->purl);
    c_str(c, &v->cpe);
    c_str(c, &v->ref);
}

static void c_sbom(struct code *c, struct sbom *v)
{
    c_str(c, &v->release);
    c_str(c, &v->format);
    c_str(c, &v->sha256);
    c_time(c, &v->made_at);
    c_part(c, &v->self);
    LIST(c, v->parts, &v->n_parts, c_part);
    LIST(c, v->vex, &v->n_vex, c_vex_each);
}

static void c_life(struct code *c, struct intel_life *v)
{
    c_str(c, &v->product);
    c_str(c, &v->cycle);
    c_str(c, &v->source);
    c_time(c, &v->end_of_support);
    c_time(c, &v->end_of_security);
    c_bool(c, &v->ended);
    c_bool(c, &v->endless);
}

static void c_other(struct code *c, struct intel_other *v)
{
    const char **const all[] = {&v->tool, &v->release, &v->id, &v->component, &v->version, &v->fixed_in, &v->severity};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        c_str(c, all[i]);
}

/* Both ways of a value. */
#define CODEC(name, tag)                                                                                               \
    void encode_##name(struct buf *out, const struct tag *v)                                                           \
    {                                                                                                                  \
        struct code c = {.out = out};                                                                                  \
        struct tag copy = *v;                                                                                          \
        begin(&c);                                                                                                     \
        c_##name(&c, &copy);                                                                                           \
    }                                                                                                                  \
    bool decode_##name(struct slice s, struct arena *a, struct tag *out)                                               \
    {                                                                                                                  \
        struct code c = {.in = s, .a = a};                                                                             \
        *out = (struct tag){0};                                                                                        \
        begin(&c);                                                                                                     \
        c_##name(&c, out);                                                                                             \
        return !c.bad && c.in.n == 0;                                                                                  \
    }

CODEC(advisory, advisory)
CODEC(sbom, sbom)
CODEC(vex, vex)
CODEC(life, intel_life)
CODEC(other, intel_other)
