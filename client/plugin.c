/* Calls to a plug-in: ids, order, deadlines; and the plug-in's life: greeted, given up, started again with pauses. */
#include "client/plugin_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/digest.h"
#include "core/text.h"
#include "core/trace.h"

#define PAUSE_MAX_US (60 * US_PER_S)
#define SILENT_MAX   3

static struct plugin *of_side(struct http_side *s)
{
    return (struct plugin *)(void *)((char *)s - offsetof(struct plugin, side));
}

/* ---- calls ---- */

struct pcall *pcall_new(struct plugin *p, const struct pcall_op *op, struct arena *a, void *out, backend_done done,
                        void *ctx)
{
    struct pcall *c = xcalloc(1, sizeof *c);
    c->p = p;
    c->op = op;
    c->arena = a;
    c->out = out;
    c->done = done;
    c->ctx = ctx;
    c->reply.sent_at = c->reply.answered_at = clock_now(p->clock);
    arena_init(&c->scratch);
    *p->tail = c;
    p->tail = &c->next;
    return c;
}

static void call_end(struct pcall *c)
{
    if (c->op->settle)
        c->op->settle(c);
    c->phase = PCALL_ENDED;
    c->reply.answered_at = clock_now(c->p->clock);
    c->reply.err = c->err.code != ERR_NONE ? &c->err : NULL;
    for (size_t i = 0; i < c->reply.n_requests; i++)
        if (c->reply.requests[i].answered_at == 0) {
            c->reply.requests[i].answered_at = c->reply.answered_at;
            c->reply.requests[i].error = c->err.code != ERR_NONE ? err_word(c->err.code) : "";
        }
}

void pcall_refuse(struct pcall *c, const struct err *e)
{
    c->err = *e;
    call_end(c);
}

static void call_free(struct pcall *c)
{
    arena_release(&c->scratch);
    free(c->items);
    free(c);
}

static void unlink_call(struct plugin *p, struct pcall *c)
{
    for (struct pcall **at = &p->calls; *at; at = &(*at)->next)
        if (*at == c) {
            *at = c->next;
            if (!c->next)
                p->tail = at;
            return;
        }
}

/* ---- tracing ---- */

static void trace(const struct plugin *p, const char *event, const char *line, size_t n)
{
    struct trace_line t;
    struct trace_secrets known = {{p->secret}};
    if (p->recorded || !trace_begin(&t, p->traced.trace, TRACE_WIRE, p->clock, p->traced.fleet, event))
        return;
    json_w_kstr(&t.w, "to", "plug-in");
    json_w_kstr(&t.w, "server", p->name);
    trace_text(&t, "line", line, n, &known);
    trace_end(&t);
}

/* ---- requests ---- */

/* What went out that changes something. */
static void note_request(struct pcall *c, const char *line, size_t n)
{
    struct reply *r = &c->reply;
    if (!c->op->verb || r->n_requests == REPLY_REQUESTS)
        return;
    struct request_facts *f = &r->requests[r->n_requests++];
    *f = (struct request_facts){.error = "", .sent_at = clock_now(c->p->clock)};
    snprintf(f->method, sizeof f->method, "%.7s", c->op->word);
    f->path = arena_printf(&c->scratch, "/%s", c->key);
    sha256_hex(line, n, f->body_sha256);
}

/* It knows its deadline, and gets a little time to say that it has passed. */
static int64_t patience(const struct plugin *p)
{
    return p->timeout_us + (p->timeout_us < PLUGIN_GRACE_US ? p->timeout_us : PLUGIN_GRACE_US);
}

/* Only what it has said in hello. */
static bool may_ask(const struct pcall *c, struct err *e)
{
    const struct plugin *p = c->p;
    if ((c->op->needs | (c->force ? CAP_FORCE : 0u)) & ~p->can)
        return err_set(e, ERR_UNSUPPORTED, "", "%s has no %s%s", p->name, c->force ? "forced " : "", c->op->word);
    if (c->op->verb && c->n > p->ops.tell_most && !p->recorded)
        return err_set(e, ERR_LIMIT, "", "%zu devices in one request: %s takes %zu", c->n, p->name, p->ops.tell_most);
    return true;
}

static void request(struct pcall *c)
{
    struct plugin *p = c->p;
    struct buf line;
    struct json_w w;
    struct err e = {0};
    int64_t now = clock_now(p->clock);
    if (!may_ask(c, &e)) {
        pcall_refuse(c, &e);
        return;
    }
    c->id = ++p->next_id;
    c->batch = c->n - c->at < p->ids_most ? c->n - c->at : p->ids_most;
    buf_init(&line, p->recorded ? SIZE_MAX : PLUGIN_LINE_MAX - 1);
    json_w_init(&w, &line, 0);
    json_w_obj(&w);
    if (!p->recorded)
        json_w_kint(&w, "id", c->id);
    pcall_ask(c, &w, !p->recorded);
    if (!p->recorded)
        json_w_kint(&w, "deadline_ms", p->timeout_us / US_PER_MS);
    json_w_obj_end(&w);
    if (!json_w_ok(&w)) {
        err_set(&e, ERR_LIMIT, "", "a request to %s would be longer than %zu bytes", p->name, PLUGIN_LINE_MAX);
        pcall_refuse(c, &e);
    } else {
        buf_addc(&line, '\n');
        trace(p, "sent", line.data, line.len - 1);
        note_request(c, line.data, line.len);
        p->link->ops->put(p->link, line.data, line.len, c->id, c->urgent);
        c->phase = PCALL_OPEN;
        c->deadline = now + patience(p);
        c->give_up = now + 12 * p->timeout_us;
    }
    buf_release(&line);
}

/* Words of a recording are short of an id, a deadline and a key. */
void pcall_ask(const struct pcall *c, struct json_w *w, bool with_key)
{
    json_w_kstr(w, "op", c->op->word);
    if (c->op->ask && (with_key || c->op != &pcall_hello)) /* whom it was said to is no part of it */
        c->op->ask(c, w);
    if (with_key && c->key)
        json_w_kstr(w, "key", c->key);
    if (with_key && c->urgent)
        json_w_kbool(w, "urgent", true);
}

/* ---- its life ---- */

static void fill_why(const struct plugin *p, struct err *e)
{
    *e = p->why;
    if (e->code == ERR_NONE)
        err_set(e, ERR_NETWORK, "", "it is not running");
    err_prefix(e, "%s: ", p->name);
}

/* A call that gets no answer: what it asked for, if `sent`, may have been carried out. */
static void lose(struct pcall *c, bool sent, const struct err *why)
{
    c->reply.maybe_sent = c->op->verb && (sent || c->at > 0);
    pcall_refuse(c, why);
}

/* All that is open or waits is lost with the plug-in: a line that it has not got whole was not carried out. */
static void lose_all(struct plugin *p, const struct err *why)
{
    for (struct pcall *c = p->calls; c; c = c->next)
        if (c->phase == PCALL_QUEUED || c->phase == PCALL_OPEN)
            lose(c, c->phase == PCALL_OPEN && p->link->ops->went(p->link, c->id), why);
}

/* It is at its end, by itself or for a breach: all that is open is lost, and it is started again after a pause. */
static void down(struct plugin *p, const struct err *why)
{
    struct err e;
    int64_t now = clock_now(p->clock), pause = US_PER_S;
    p->why = *why;
    fill_why(p, &e);
    trace(p, "failed", e.what, strlen(e.what));
    if (p->state == PLUGIN_UP && now - p->started_at > PAUSE_MAX_US)
        p->fails = 0;
    for (int i = 0; i < p->fails && pause < PAUSE_MAX_US; i++)
        pause *= 2;
    p->start_again = now + (pause < PAUSE_MAX_US ? pause : PAUSE_MAX_US);
    p->fails++;
    lose_all(p, &e);
    p->link->ops->stop(p->link, 0);
    p->state = PLUGIN_DOWN;
    p->hello = NULL;
    p->silent = 0;
    p->n_late = 0;
}

static void on_hello(void *ctx, const struct reply *r)
{
    (void)ctx;
    (void)r;
}

static void start(struct plugin *p)
{
    struct err e = {0};
    if (p->link->ops->start(p->link, p, &e)) {
        p->started_at = clock_now(p->clock);
        p->state = p->recorded ? PLUGIN_UP : PLUGIN_HELLO;
        p->renew = false;
        if (p->recorded)
            return;
        arena_release(&p->hello_arena);
        p->info = (struct backend_info){0};
        p->can = 0;
        p->hello = pcall_new(p, &pcall_hello, &p->hello_arena, &p->info, on_hello, p);
        p->hello->urgent = true;
        request(p->hello);
        return;
    }
    p->state = PLUGIN_DOWN;
    down(p, &e);
}

/* Something waits to be asked: start it if that may be, else say at once why not. */
static void rouse(struct plugin *p)
{
    bool wanted = false;
    for (struct pcall *c = p->calls; c; c = c->next)
        wanted = wanted || c->phase == PCALL_QUEUED;
    if (!wanted || p->state != PLUGIN_DOWN)
        return;
    int64_t now = clock_now(p->clock);
    if (now >= p->start_again) {
        start(p);
        return;
    }
    struct err e;
    fill_why(p, &e);
    for (struct pcall *c = p->calls; c; c = c->next)
        if (c->phase == PCALL_QUEUED)
            lose(c, false, &e);
}

/* ---- answers ---- */

static struct pcall *open_call(struct plugin *p, int64_t id)
{
    for (struct pcall *c = p->calls; c; c = c->next)
        if (c->phase == PCALL_OPEN && c->id == id)
            return c;
    return NULL;
}

static bool was_late(const struct plugin *p, int64_t id)
{
    size_t n = p->n_late < PLUGIN_LATE ? p->n_late : PLUGIN_LATE;
    for (size_t i = 0; i < n; i++)
        if (p->late[i] == id)
            return true;
    return false;
}

/* The last line of a request: on with the next batch, or that was all. */
static void answered(struct pcall *c, const char *line, size_t n)
{
    struct plugin *p = c->p;
    p->silent = 0;
    if (c->op->verb && c->reply.n_requests > 0) {
        struct request_facts *f = &c->reply.requests[c->reply.n_requests - 1];
        f->answered_at = clock_now(p->clock);
        f->status = c->reply.status;
        memcpy(f->request_id, c->reply.request_id, sizeof f->request_id);
        sha256_hex(line, n, f->answer_sha256);
    }
    if (c == p->hello) {
        p->hello = NULL;
        if (c->err.code == ERR_NONE)
            p->state = PLUGIN_UP;
        else
            p->why = c->err;
    }
    plugin_secret_refused(p, c);
    c->at += c->batch;
    if (c->err.code != ERR_NONE || c->at >= c->n) {
        call_end(c);
        return;
    }
    c->phase = PCALL_QUEUED;
}

bool plugin_line(struct plugin *p, const char *line, size_t n, struct err *e)
{
    int64_t id = 0;
    bool last = false;
    trace(p, "answered", line, n);
    struct json_t *doc = json_parse(line, n, p->recorded ? SIZE_MAX : PLUGIN_LINE_MAX, "its line", e);
    if (!doc) {
        if (e)
            e->code = ERR_PROTOCOL;
        return false;
    }
    bool ok = (json_is_obj(doc) && json_int(doc, "id", &id)) ||
              err_set(e, ERR_PROTOCOL, "", "its line is no answer: there is no id");
    struct pcall *c = ok ? open_call(p, id) : NULL;
    if (ok && !c && !was_late(p, id))
        ok = err_set(e, ERR_PROTOCOL, "", "it answered a request that is not open (id %lld)", (long long)id);
    if (c && pcall_take(c, doc, &last, e)) {
        c->deadline = clock_now(p->clock) + patience(p);
        if (last)
            answered(c, line, n);
    } else if (c) {
        if (c->n > 0)
            memset(c->seen, 0, c->n); /* a line that makes no sense has said nothing */
        ok = false;
    }
    json_free(doc);
    return ok;
}

/* ---- the loop ---- */

static void give_up(struct pcall *c)
{
    struct plugin *p = c->p;
    struct err e = {0};
    char line[100];
    err_set(&e, ERR_TIMEOUT, "raise the fleet's `timeout`, or look at what it waits for", "%s: no answer to %s",
            p->name, c->op->word);
    int64_t id = c->id;
    bool sent = !p->link->ops->take_back(p->link, id);
    lose(c, sent, &e);
    if (!sent)
        return;
    p->late[p->n_late++ % PLUGIN_LATE] = id;
    p->silent++;
    int n = snprintf(line, sizeof line, "{\"id\":%lld,\"op\":\"cancel\",\"target\":%lld}\n", (long long)++p->next_id,
                     (long long)id);
    trace(p, "sent", line, (size_t)n - 1);
    p->link->ops->put(p->link, line, (size_t)n, p->next_id, true);
}

static void expire(struct plugin *p)
{
    int64_t now = clock_now(p->clock);
    struct err e = {0};
    for (struct pcall *c = p->calls; c; c = c->next)
        if (c->phase == PCALL_OPEN && (now >= c->deadline || now >= c->give_up)) {
            if (c == p->hello)
                p->silent = SILENT_MAX;
            give_up(c);
        }
    if (p->state != PLUGIN_DOWN && p->silent >= SILENT_MAX) {
        err_set(&e, ERR_TIMEOUT, "run `andon backend check` on it", "it does not answer, and was ended");
        down(p, &e);
    }
}

static void send_queued(struct plugin *p)
{
    size_t open = 0;
    for (struct pcall *c = p->calls; c; c = c->next)
        open += c->phase == PCALL_OPEN && !c->urgent;
    if (p->renew && open == 0 && p->state == PLUGIN_UP) {
        p->link->ops->stop(p->link, 0);
        p->state = PLUGIN_DOWN;
        p->start_again = 0;
        start(p);
    }
    if (p->state != PLUGIN_UP || p->renew)
        return;
    for (int urgent = 1; urgent >= 0; urgent--)
        for (struct pcall *c = p->calls; c; c = c->next) {
            if (c->phase != PCALL_QUEUED || c->urgent != (urgent == 1) || (!urgent && open >= p->parallel))
                continue;
            request(c);
            open++;
        }
}

static void wait_for(struct plugin *p)
{
    struct http_side *s = &p->side;
    s->n_fds = 0;
    s->deadline = TIME_NEVER;
    s->in_flight = p->job != NULL;
    for (struct pcall *c = p->calls; c; c = c->next) {
        s->in_flight += c->phase == PCALL_OPEN || c->phase == PCALL_QUEUED;
        if (c->phase == PCALL_OPEN && c->deadline < s->deadline)
            s->deadline = c->deadline;
    }
    if (p->state != PLUGIN_DOWN)
        p->link->ops->wait(p->link, s);
    if (p->secret_fd >= 0) {
        s->fds[s->n_fds].fd = p->secret_fd;
        s->fds[s->n_fds++].out = false;
    }
}

static void carry_on(struct plugin *p)
{
    struct err e = {0};
    if (p->state != PLUGIN_DOWN && !p->link->ops->pump(p->link, p, &e))
        down(p, &e);
    if (p->state == PLUGIN_HELLO && !p->hello) { /* it refused to work */
        e = p->why;
        down(p, &e);
    }
}

void plugin_turn(struct http_side *s)
{
    struct plugin *p = of_side(s);
    plugin_secret_turn(p);
    carry_on(p);
    expire(p);
    rouse(p);
    send_queued(p);
    carry_on(p); /* what can go out at once does */
    for (struct pcall *c = p->calls; c; c = c->next)
        if (c->phase == PCALL_ENDED)
            c->phase = PCALL_DUE;
    wait_for(p);
}

bool plugin_deliver(struct http_side *s)
{
    struct plugin *p = of_side(s);
    for (struct pcall *c = p->calls; c; c = c->next)
        if (c->phase == PCALL_DUE) {
            unlink_call(p, c);
            c->done(c->ctx, &c->reply);
            call_free(c);
            return true;
        }
    return false;
}

void plugin_end_calls(struct plugin *p)
{
    struct err e = {0};
    err_set(&e, ERR_CANCELLED, "", "the request to %s was given up", p->name);
    lose_all(p, &e);
    while (p->calls) {
        struct pcall *c = p->calls;
        unlink_call(p, c);
        c->done(c->ctx, &c->reply);
        call_free(c);
    }
}
