#include "drill/replay.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/arena.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/text.h"
#include "core/trace.h"
#include "drill/server.h"

#define KEEP_ALIVE 1000

struct answer {
    struct answer *next;
    int status;
    const char *type;
    const char *body;
    size_t n;
};

/* All answers to one request. */
struct slot {
    const char *key; /* "0 GET /rest/v1/rollouts?limit=1" */
    struct answer *at, *last;
};

struct replay {
    struct arena arena;
    struct replay_source sources[REPLAY_SOURCES_MAX];
    size_t n_sources;
    struct slot *slots; /* by key */
    size_t n_slots;
    size_t bytes;
    int64_t lost;
    pthread_mutex_t lock;
    struct server *server;
};

/* ---- keys ---- */

/* The query without the times in it: a poll asks for its own moment, and gets the next one of the recording. */
static void add_query(struct buf *out, const char *q)
{
    static const char *const times[] = {"time=", "start=", "end="};
    while (*q) {
        size_t n = strcspn(q, "&");
        bool moment = false;
        for (size_t i = 0; i < sizeof times / sizeof *times; i++)
            moment = moment || strncmp(q, times[i], strlen(times[i])) == 0;
        if (!moment) {
            buf_add(out, q, n);
            buf_addc(out, '&');
        }
        q += n + (q[n] == '&');
    }
}

/* Masked as the recorded one was. */
static void make_key(struct buf *out, size_t source, const char *method, const char *path)
{
    struct buf masked;
    buf_init(&masked, SIZE_MAX);
    trace_mask(&masked, path, strlen(path), NULL);
    const char *q = strchr(masked.data, '?');
    buf_printf(out, "%zu %s ", source, method);
    buf_add(out, masked.data, q ? (size_t)(q - masked.data) : masked.len);
    if (q) {
        buf_addc(out, '?');
        add_query(out, q + 1);
    }
    buf_release(&masked);
}

/* Where the key is, or would be. */
static size_t place_of(const struct replay *r, const char *key, bool *found)
{
    size_t lo = 0, hi = r->n_slots;
    *found = false;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(r->slots[mid].key, key);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void add_answer(struct replay *r, struct replay_source *src, const char *key, struct answer *a)
{
    bool found;
    size_t i = place_of(r, key, &found);
    src->answers++;
    if (found) {
        r->slots[i].last->next = a;
        r->slots[i].last = a;
        return;
    }
    src->keys++;
    r->slots = xreallocarray(r->slots, r->n_slots + 1, sizeof *r->slots);
    memmove(r->slots + i + 1, r->slots + i, (r->n_slots - i) * sizeof *r->slots);
    r->slots[i] = (struct slot){.key = arena_strdup(&r->arena, key), .at = a, .last = a};
    r->n_slots++;
}

/* ---- the file ---- */

static struct replay_source *source_of(struct replay *r, const char *fleet, const char *role)
{
    struct replay_source s = {0};
    safe_text_into(s.fleet, sizeof s.fleet, fleet, strlen(fleet));
    safe_text_into(s.role, sizeof s.role, role, strlen(role));
    for (size_t i = 0; i < r->n_sources; i++)
        if (strcmp(r->sources[i].fleet, s.fleet) == 0 && strcmp(r->sources[i].role, s.role) == 0)
            return &r->sources[i];
    if (r->n_sources == REPLAY_SOURCES_MAX)
        return NULL;
    r->sources[r->n_sources] = s;
    return &r->sources[r->n_sources++];
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The body, from its text or its hexadecimal. */
static bool take_body(struct replay *r, const struct json_t *o, struct answer *a)
{
    size_t n;
    const char *s = json_str(o, "body", &n), *hex = s ? NULL : json_str(o, "body_hex", &n);
    a->body = "";
    a->n = !s && !hex ? 0 : s ? n : n / 2;
    r->bytes += a->n;
    if (r->bytes > REPLAY_BYTES_MAX)
        return false;
    if (s)
        a->body = arena_memdup(&r->arena, s, n + 1);
    if (!hex)
        return true;
    char *bytes = arena_alloc(&r->arena, a->n + 1);
    for (size_t i = 0; i < a->n; i++) {
        int hi = digit(hex[2 * i]), lo = digit(hex[2 * i + 1]);
        if (hi < 0 || lo < 0)
            return false;
        bytes[i] = (char)(hi << 4 | lo);
    }
    a->body = bytes;
    return true;
}

static bool take_answer(struct replay *r, const struct json_t *o, const char *where, struct err *e)
{
    const char *fleet = json_str(o, "fleet", NULL), *role = json_str(o, "to", NULL), *path = json_str(o, "path", NULL);
    const char *method = json_str(o, "method", NULL), *type = json_str(o, "type", NULL);
    int64_t status, bytes;
    if (!path && role)
        return true; /* a hook's: its path is a secret */
    if (!fleet || !role || !method || !json_int(o, "status", &status) || status < 200 || status > 599)
        return err_set(e, ERR_SYNTAX, "Is it a trace, and whole?", "%s is not an answer of a trace", where);
    struct replay_source *src = source_of(r, fleet, role);
    if (!src)
        return err_set(e, ERR_LIMIT, "", "the trace has more than %d servers", REPLAY_SOURCES_MAX);
    if (strncmp(path, "/api/v1/", 8) == 0)
        src->prometheus = 1;
    if (json_int(o, "body_bytes", &bytes)) {
        src->clipped++;
        return true;
    }
    struct answer *a = ARENA_NEW(&r->arena, struct answer);
    struct buf key;
    a->status = (int)status;
    a->type = type && *type ? arena_strdup(&r->arena, type) : NULL;
    if (!take_body(r, o, a))
        return err_set(e, ERR_LIMIT, "Record for a shorter while.", "%s: the answers are too large, or not as written",
                       where);
    buf_init(&key, SIZE_MAX);
    make_key(&key, (size_t)(src - r->sources), method, path);
    add_answer(r, src, key.data, a);
    buf_release(&key);
    return true;
}

static bool take_line(struct replay *r, const char *line, size_t n, const char *where, struct err *e)
{
    struct json_t *o = json_parse(line, n, TRACE_LINE_MAX, where, e);
    if (!o)
        return false;
    const char *kind = json_str(o, "kind", NULL), *event = json_str(o, "event", NULL);
    int64_t v;
    bool ok = true;
    if (!kind || !event)
        ok = err_set(e, ERR_SYNTAX, "Name a file that --trace has written.", "%s is not a line of a trace", where);
    else if (strcmp(kind, "wire") == 0 && strcmp(event, "answered") == 0)
        ok = take_answer(r, o, where, e);
    else if (strcmp(kind, "trace") == 0 && strcmp(event, "lost") == 0 && json_int(o, "lines", &v) && v > 0)
        r->lost += v;
    else if (strcmp(kind, "trace") == 0 && json_int(o, "format", &v) && v != TRACE_FORMAT)
        ok = err_set(e, ERR_UNSUPPORTED, "Replay it with the andon that recorded it.",
                     "%s: this andon reads format %d of traces, not %lld", where, TRACE_FORMAT, (long long)v);
    json_free(o);
    return ok;
}

static bool load(struct replay *r, const char *path, struct err *e)
{
    char safe[200], where[260];
    safe_text_into(safe, sizeof safe, path, strlen(path));
    FILE *f = fopen(path, "re");
    if (!f)
        return err_errno(e, ERR_IO, "Name a file that --trace has written.", "%s cannot be read", safe);
    char *line = NULL;
    size_t size = 0;
    bool ok = true;
    for (long n = 1; ok; n++) {
        ssize_t got = getline(&line, &size, f);
        if (got < 0)
            break;
        /* A trace that is still being written, or was cut off by a full disk, ends in the middle of a line. */
        if (line[got - 1] != '\n')
            break;
        snprintf(where, sizeof where, "%s line %ld", safe, n);
        ok = take_line(r, line, (size_t)got, where, e);
    }
    if (ok && ferror(f))
        ok = err_errno(e, ERR_IO, "", "%s cannot be read", safe);
    free(line);
    fclose(f);
    return ok && (r->n_slots > 0 || err_set(e, ERR_NOT_FOUND, "Record the kind wire (ANDON_TRACE).",
                                            "%s has no answers of a server", safe));
}

/* ---- the server ---- */

static int64_t now(void *ctx)
{
    (void)ctx;
    return clock_wall(clock_real());
}

static int64_t at_once(void *ctx, const struct http_in *in)
{
    (void)ctx;
    (void)in;
    return 0;
}

static void not_recorded(const struct http_in *in, struct http_out *out)
{
    struct json_w w;
    struct buf text;
    buf_init(&text, 4096);
    buf_adds(&text, "not in the recording: ");
    safe_text_append(&text, in->method, strlen(in->method));
    buf_addc(&text, ' ');
    safe_text_append(&text, in->target, strlen(in->target));
    out->status = 404;
    out->type = "application/json";
    json_w_init(&w, &out->body, 0);
    json_w_obj(&w);
    json_w_kstr(&w, "message", text.data);
    json_w_obj_end(&w);
    buf_release(&text);
}

static void answer(void *ctx, const struct http_in *in, struct http_out *out)
{
    struct replay *r = ctx;
    char *end = NULL;
    unsigned long source = in->target[0] == '/' ? strtoul(in->target + 1, &end, 10) : 0;
    bool found = end && end > in->target + 1 && source < r->n_sources;
    if (found) {
        struct buf key;
        buf_init(&key, SIZE_MAX);
        make_key(&key, source, in->method, end);
        size_t i = place_of(r, key.data, &found);
        buf_release(&key);
        if (found) {
            struct slot *s = &r->slots[i];
            out->status = s->at->status;
            out->type = s->at->type;
            buf_add(&out->body, s->at->body, s->at->n);
            if (s->at->next)
                s->at = s->at->next;
            return;
        }
    }
    not_recorded(in, out);
}

struct replay *replay_start(const char *path, int port, struct err *e)
{
    struct replay *r = xcalloc(1, sizeof *r);
    arena_init(&r->arena);
    pthread_mutex_init(&r->lock, NULL);
    if (load(r, path, e)) {
        struct server_hooks hooks = {r, &r->lock, now, at_once, answer};
        r->server = server_start(&hooks, port, KEEP_ALIVE, e);
    }
    if (r->server)
        return r;
    replay_stop(r);
    return NULL;
}

void replay_stop(struct replay *r)
{
    if (!r)
        return;
    server_stop(r->server);
    pthread_mutex_destroy(&r->lock);
    free(r->slots);
    arena_release(&r->arena);
    free(r);
}

int replay_port(const struct replay *r)
{
    return server_port(r->server);
}

size_t replay_sources(const struct replay *r, const struct replay_source **out)
{
    *out = r->sources;
    return r->n_sources;
}

int64_t replay_lost(const struct replay *r)
{
    return r->lost;
}
