/* A recording as a back end: a plug-in whose lines come from a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/plugin_impl.h"
#include "client/record.h"
#include "core/slice.h"
#include "core/text.h"

#define REPLAY_BYTES_MAX ((size_t)1 << 30)

/* All answers to one call, in their order. */
struct said {
    const char *ask;
    const char **answer;
    size_t n, room, at;
};

/* An answer that is due. */
struct due {
    struct due *next;
    int64_t id;
    const char *answer; /* NULL: it was never asked */
};

struct replay_link {
    struct plugin_link link; /* first */
    struct arena arena;
    struct said *v; /* by `ask` once all is read */
    size_t n, room;
    struct due *first, **tail;
};

/* ---- reading ---- */

static void keep(struct replay_link *l, const char *ask, size_t n_ask, const char *answer, size_t n_answer)
{
    size_t i = l->n;
    while (i > 0 && (strncmp(l->v[i - 1].ask, ask, n_ask) != 0 || l->v[i - 1].ask[n_ask]))
        i--;
    if (i == 0) {
        if (l->n == l->room)
            l->v = xreallocarray(l->v, l->room = l->room ? 2 * l->room : 64, sizeof *l->v);
        l->v[l->n] = (struct said){.ask = arena_strndup(&l->arena, ask, n_ask)};
        i = ++l->n;
    }
    struct said *s = &l->v[i - 1];
    if (s->n == s->room)
        s->answer = xreallocarray(s->answer, s->room = s->room ? 2 * s->room : 4, sizeof *s->answer);
    s->answer[s->n++] = arena_strndup(&l->arena, answer, n_answer);
}

/* Which fleet a line is of; "" = it is none of a call. */
static const char *fleet_of(const struct json_t *line)
{
    const char *kind = json_str(line, "kind", NULL), *fleet = json_str(line, "fleet", NULL);
    return kind && strcmp(kind, "calls") == 0 && fleet ? fleet : "";
}

static bool take_lines(struct replay_link *l, struct slice all, const char *fleet, bool *others, const char *what,
                       struct err *e)
{
    for (size_t number = 1; all.n > 0; number++) {
        const char *end = memchr(all.p, '\n', all.n);
        if (!end)
            return true; /* still being written */
        size_t n = (size_t)(end - all.p), n_ask, n_answer;
        struct json_t *line = json_parse(all.p, n, REPLAY_BYTES_MAX, what, e);
        if (!line) {
            err_prefix(e, "line %zu: ", number);
            return false;
        }
        const char *of = fleet_of(line), *ask = json_str(line, "ask", &n_ask),
                   *answer = json_str(line, "answer", &n_answer);
        *others = *others || *of;
        if (*of && strcmp(of, fleet) == 0 && ask && answer && n_answer > 1 && *answer == '{')
            keep(l, ask, n_ask, answer, n_answer);
        json_free(line);
        all.p += n + 1;
        all.n -= n + 1;
    }
    return true;
}

static bool read_all(const char *path, struct buf *out, struct err *e)
{
    char chunk[65536], shown[200];
    safe_text_into(shown, sizeof shown, path, strlen(path));
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : 1;
    while (fd >= 0 && (n = read(fd, chunk, sizeof chunk)) != 0)
        if (n > 0)
            buf_add(out, chunk, (size_t)n);
        else if (errno != EINTR)
            break;
    if (n < 0)
        err_errno(e, ERR_IO, "name a trace that was made with ANDON_TRACE=calls as `url`",
                  "the recording %s cannot be read", shown);
    else if (out->over)
        err_set(e, ERR_LIMIT, "", "the recording %s has more than %zu bytes", shown, REPLAY_BYTES_MAX);
    if (fd >= 0)
        close(fd);
    return n == 0 && !out->over;
}

/* ---- the link ---- */

static bool start(struct plugin_link *link, struct plugin *p, struct err *e)
{
    (void)link;
    (void)e;
    p->can = UINT32_MAX; /* what was never asked says so itself */
    p->parallel = p->ids_most = SIZE_MAX;
    return true;
}

static void put(struct plugin_link *link, const char *line, size_t n, int64_t id, bool first)
{
    struct replay_link *l = (struct replay_link *)link;
    struct due *d = xcalloc(1, sizeof *d);
    struct slice asked = {line, n - 1};
    (void)first;
    d->id = id;
    for (size_t i = 0; i < l->n && !d->answer; i++) {
        struct said *s = &l->v[i];
        if (!slice_is(asked, s->ask))
            continue;
        d->answer = s->answer[s->at];
        s->at += s->at + 1 < s->n;
    }
    *l->tail = d;
    l->tail = &d->next;
}

static bool pump(struct plugin_link *link, struct plugin *p, struct err *e)
{
    struct replay_link *l = (struct replay_link *)link;
    bool ok = true;
    while (l->first) {
        struct due *d = l->first;
        struct buf line;
        l->first = d->next;
        l->tail = l->first ? l->tail : &l->first;
        buf_init(&line, SIZE_MAX);
        buf_printf(&line, "{\"id\":%lld,", (long long)d->id);
        buf_adds(&line, d->answer ? d->answer + 1
                                  : "\"ok\":false,\"code\":\"not_found\",\"maybe_sent\":false,"
                                    "\"message\":\"this was never asked while it was recorded\"}");
        ok = plugin_line(p, line.data, line.len, e) && ok;
        buf_release(&line);
        free(d);
    }
    return ok;
}

static bool take_back(struct plugin_link *link, int64_t id)
{
    (void)link;
    (void)id;
    return false;
}

static bool went(const struct plugin_link *link, int64_t id)
{
    (void)link;
    (void)id;
    return true;
}

static void wait_for(const struct plugin_link *link, struct http_side *s)
{
    (void)link;
    (void)s;
}

static bool stop(struct plugin_link *link, int64_t grace_us)
{
    struct replay_link *l = (struct replay_link *)link;
    (void)grace_us;
    while (l->first) {
        struct due *d = l->first;
        l->first = d->next;
        free(d);
    }
    l->tail = &l->first;
    return true;
}

static void replay_free(struct plugin_link *link)
{
    struct replay_link *l = (struct replay_link *)link;
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i].answer);
    free(l->v);
    arena_release(&l->arena);
    free(l);
}

static const struct plugin_link_ops replay_ops = {.start = start,
                                                  .put = put,
                                                  .pump = pump,
                                                  .take_back = take_back,
                                                  .went = went,
                                                  .wait = wait_for,
                                                  .stop = stop,
                                                  .free = replay_free};

struct backend *replay_open(struct http *h, const struct fleet_spec *spec, struct err *e)
{
    struct replay_link *l = xcalloc(1, sizeof *l);
    struct buf all;
    bool others = false;
    l->link.ops = &replay_ops;
    l->tail = &l->first;
    arena_init(&l->arena);
    buf_init(&all, REPLAY_BYTES_MAX);
    const char *fleet = spec->plugin.name && *spec->plugin.name ? spec->plugin.name : spec->name;
    bool ok = read_all(spec->endpoint.url, &all, e) &&
              take_lines(l, (struct slice){all.data, all.len}, fleet, &others, "the recording", e);
    if (ok && l->n == 0)
        ok = err_set(e, ERR_NOT_FOUND,
                     others ? "give the fleet the name that it had then"
                            : "record with ANDON_TRACE=calls and --trace FILE",
                     "the recording has no calls of a fleet %s", fleet);
    buf_release(&all);
    if (!ok) {
        replay_free(&l->link);
        return NULL;
    }
    struct plugin *p = plugin_make(h, spec, "the recording of ", &l->link);
    p->recorded = true;
    p->ops.kind = "replay";
    p->ops.tell_most = PLUGIN_TELL_MOST;
    return &p->base;
}
