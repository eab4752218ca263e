/* The list of devices, read as it comes and shared by the calls of a tick; the software beside it. */
#include "client/goosebit_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job *gb_job(struct backend *b, struct arena *a, void *out, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    j->state = ARENA_NEW(&j->scratch, struct gb_work);
    return j;
}

struct gb_work *gb_work(struct job *j)
{
    return j->state;
}

void gb_keep_ids(struct job *j, const char *const *ids, size_t n)
{
    gb_work(j)->ids = job_strings(j, ids, n);
    gb_work(j)->n = n;
}

void gb_keep_release(struct job *j, const struct release *r)
{
    gb_work(j)->release = job_release(j, r);
}

void gb_changed(struct gb *gb)
{
    gb->share.changes++;
}

/* --- reading it --- */

struct reading {
    struct gb *gb;
    struct gb_list *list;
    struct elements elements;
    struct err err;
};

static bool take_device(void *ctx, const char *bytes, size_t n)
{
    struct reading *r = ctx;
    return gb_list_add(r->list, bytes, n, &r->err);
}

static void begin_list(struct reading *r)
{
    gb_list_free(r->list);
    r->list = gb_list_new();
    elements_restart(&r->elements);
    err_clear(&r->err);
}

static bool take_bytes(void *ctx, const char *bytes, size_t n)
{
    struct reading *r = ctx;
    if (n == 0)
        begin_list(r);
    return elements_feed(&r->elements, bytes, n);
}

static void on_all(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct reading *r = j->out;
    struct err e = {0};
    (void)i;
    (void)doc;
    if (r->err.code != ERR_NONE || elements_end(&r->elements, "answer of GET /api/v1/devices", &e)) {
        r->list->made_at = a->server_date ? a->server_date : a->answered_at;
        return;
    }
    job_fail(j, &e);
}

static void list_read(void *ctx, const struct reply *reply)
{
    struct reading *r = ctx;
    struct gb *gb = r->gb;
    struct reply seen = *reply;
    /* Says more than that the reader had enough. */
    if (r->err.code != ERR_NONE ||
        (r->elements.stopped && !elements_end(&r->elements, "answer of GET /api/v1/devices", &r->err)))
        seen.err = &r->err;
    if (!seen.err) {
        gb_list_free(gb->list);
        gb->list = r->list;
        r->list = NULL;
    }
    job_share_end(&gb->share, &seen);
    gb_list_free(r->list);
    elements_release(&r->elements);
    free(r);
}

void gb_read_list(struct job_share *s)
{
    struct reading *r = xcalloc(1, sizeof *r);
    r->gb = (struct gb *)s->home;
    elements_init(&r->elements, "devices", ELEMENT_MAX, take_device, r);
    struct job *j = job_begin(&s->home->base, NULL, r, list_read, r);
    begin_list(r);
    job_stream(j, "/api/v1/devices", (struct http_sink){take_bytes, r}, GB_LIST_MAX, HTTP_SLOW, on_all);
}

void gb_need_list(struct job *j, int64_t age, bool before_changes)
{
    job_share_want(j, &((struct gb *)j->home)->share, age, before_changes);
}

struct gb_list *gb_list_of(const struct job *j)
{
    return ((const struct gb *)j->home)->list;
}

/* --- software --- */

static void on_software(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct gb *gb = (struct gb *)j->home;
    const struct json_t *list = json_get(doc, "software");
    struct err e = {0};
    size_t n = json_len(list);
    (void)i;
    if (!json_is_arr(list) || n > GB_SOFTWARE_MAX) {
        job_failf(j, json_is_arr(list) ? ERR_LIMIT : ERR_PROTOCOL, gb->home.wrong_server,
                  "answer of GET /api/v1/software: not a list that andon reads");
        return;
    }
    arena_release(&gb->software_arena);
    gb->software = ARENA_ARRAY(&gb->software_arena, struct gb_software, n ? n : 1);
    gb->n_software = 0;
    gb->software_at = a->sent_at;
    for (size_t k = 0; k < n; k++) {
        char where[80];
        snprintf(where, sizeof where, "answer of GET /api/v1/software: software[%zu]", k);
        if (!gb_decode_software(json_at(list, k), &gb->software_arena, &gb->software[k], where, &e)) {
            gb->software_at = 0;
            job_fail(j, &e);
            return;
        }
        gb->n_software++;
    }
}

void gb_need_software(struct job *j, bool fresh)
{
    struct gb *gb = (struct gb *)j->home;
    if (fresh || !gb->software_at || clock_now(http_clock(gb->home.base.http)) - gb->software_at > GB_SOFTWARE_US)
        job_get(j, "/api/v1/software", on_software, 0);
}

const struct gb_software *gb_software_by_id(const struct gb *gb, int64_t id)
{
    for (size_t i = 0; i < gb->n_software; i++)
        if (gb->software[i].id == id)
            return &gb->software[i];
    return NULL;
}

const struct gb_software *gb_software_of(struct job *j, const struct release *r)
{
    const struct gb *gb = (const struct gb *)j->home;
    for (size_t i = 0; i < gb->n_software; i++) {
        const struct gb_software *s = &gb->software[i];
        /* Ids are given again when the newest is deleted. */
        if (strcmp(s->release.id, r->id) == 0 && (!r->version[0] || strcmp(s->release.version, r->version) == 0))
            return s;
    }
    job_failf(j, ERR_NOT_FOUND, "see `andon get releases`", "the release %.100s:%.100s is not on the server", r->name,
              r->version);
    return NULL;
}
