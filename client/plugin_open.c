/* The back end of kind "plugin", from opening to closing. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "client/plugin_impl.h"
#include "core/clock.h"
#include "core/text.h"

static void plugin_free(struct backend *b)
{
    struct plugin *p = (struct plugin *)b;
    http_side_drop(p->base.http, &p->side);
    plugin_end_calls(p);
    p->link->ops->stop(p->link, PLUGIN_GRACE_US);
    p->link->ops->free(p->link);
    secret_leave(p->job);
    if (p->secret_fd >= 0)
        close(p->secret_fd);
    secret_free(p->secret);
    arena_release(&p->arena);
    arena_release(&p->hello_arena);
    free(p);
}

struct plugin *plugin_make(struct http *h, const struct fleet_spec *f, const char *what, struct plugin_link *l)
{
    struct plugin *p = xcalloc(1, sizeof *p);
    arena_init(&p->arena);
    arena_init(&p->hello_arena);
    plugin_ops_fill(&p->ops);
    p->ops.free = plugin_free;
    p->base = (struct backend){.ops = &p->ops, .http = h};
    p->clock = http_clock(h);
    p->link = l;
    const char *name = f->plugin.name && *f->plugin.name ? f->plugin.name : f->name;
    struct buf words;
    buf_init(&words, 200);
    buf_adds(&words, what);
    safe_text_append(&words, name, strlen(name));
    safe_text_into(p->name, sizeof p->name, words.data, words.len);
    buf_release(&words);
    p->fleet = arena_strdup(&p->arena, f->name);
    p->url = arena_strdup(&p->arena, f->endpoint.url ? f->endpoint.url : "");
    p->user = arena_strdup(&p->arena, f->endpoint.user ? f->endpoint.user : "");
    p->options = arena_array(&p->arena, f->plugin.n_options + 1, sizeof *p->options);
    p->n_options = f->plugin.n_options;
    for (size_t i = 0; i < p->n_options; i++)
        for (size_t k = 0; k < 2; k++)
            p->options[i][k] = arena_strdup(&p->arena, f->plugin.options[i][k]);
    p->timeout_us = f->endpoint.timeout_us > 0 ? f->endpoint.timeout_us : 10 * US_PER_S;
    p->traced = f->endpoint.traced;
    p->tail = &p->calls;
    p->parallel = 1;
    p->ids_most = PLUGIN_PART_MAX;
    p->secret_fd = -1;
    p->side.turn = plugin_turn;
    p->side.deliver = plugin_deliver;
    http_side_add(h, &p->side);
    return p;
}

struct backend *plugin_open(struct http *h, const struct fleet_spec *spec, struct err *e)
{
    char *secret = NULL;
    if (!secret_read(&spec->endpoint.secret, SECRET_LIMIT_US, &secret, e))
        return NULL;
    struct plugin_link *l = plugin_process_new(spec, http_clock(h), e);
    if (!l) {
        secret_free(secret);
        return NULL;
    }
    plugin_process_secret(l, secret);
    struct plugin *p = plugin_make(h, spec, "plug-in ", l);
    p->secret = secret;
    p->ref = secret_copy(&spec->endpoint.secret, &p->arena);
    p->again = p->ref.again ? *p->ref.again : 0;
    return &p->base;
}

bool plugin_is(const struct backend *b)
{
    return b->ops->free == plugin_free && !((const struct plugin *)b)->recorded;
}

bool plugin_sandboxed(const struct backend *b, struct plugin_box *out)
{
    return plugin_is(b) && plugin_pid(b) > 0 && plugin_process_box(((const struct plugin *)b)->link, out);
}

void plugin_ask_unknown(struct backend *b, backend_done done, void *ctx)
{
    static const struct pcall_op unknown = {.word = "andon-check"};
    pcall_new((struct plugin *)b, &unknown, NULL, NULL, done, ctx);
}

bool plugin_end(struct backend *b)
{
    struct plugin *p = (struct plugin *)b;
    bool itself = p->link->ops->stop(p->link, PLUGIN_GRACE_US);
    p->state = PLUGIN_DOWN;
    p->start_again = TIME_NEVER;
    return itself;
}
