/* The Management API of hawkBit 1.x over the world: the subset that a fleet console uses, with the real server's
 * bodies, codes and traps (learned from a real 1.1.0, request by request). */
#ifndef ANDON_DRILL_API_H
#define ANDON_DRILL_API_H

#include "core/json.h"
#include "drill/rsql.h"
#include "drill/server.h"
#include "drill/world.h"

struct api_user {
    const char *name, *authorization; /* "Basic ..." */
    bool viewer;                      /* may only read targets */
};

/* Answers `in` from the world, which has been advanced to now. */
void api_answer(struct world *w, const struct api_user *users, size_t n_users, const struct http_in *in,
                struct http_out *out);

/* --- for the api*.c files */

#define API_SEGMENTS 8

struct api {
    struct world *w;
    const struct http_in *in;
    struct http_out *out;
    struct json_w j;
    char base[300];          /* "http://host:port/rest/v1" */
    char path[2048];         /* decoded, cut at the slashes */
    char *seg[API_SEGMENTS]; /* below /rest/v1 */
    size_t n_seg;
    const char *query; /* still encoded, NULL */
    int64_t id[2];     /* numbers of the path, as the route says */
};

/* A parameter of the query, decoded into buf; NULL when absent or too long. */
const char *api_param(const struct api *a, const char *name, char *buf, size_t size);
/* Starts a body: then write into a->j and leave. */
void api_ok(struct api *a, int status);
void api_error(struct api *a, int status, const char *code, const char *exception, const char *fmt, ...)
    ANDON_PRINTF(5, 6);
void api_not_found(struct api *a, const char *type, const char *id);
void api_unreadable(struct api *a);
void api_constraint(struct api *a, const char *fmt, ...) ANDON_PRINTF(2, 3);
void api_conflict(struct api *a);
void api_link(struct api *a, const char *rel, const char *name, const char *fmt, ...) ANDON_PRINTF(4, 5);
void api_ktime(struct api *a, const char *key, int64_t t); /* world time -> epoch ms */
int64_t api_ms(const struct api *a, int64_t t);
/* Body as a JSON object; NULL after answering 400 or 415. The caller frees it. */
struct json_t *api_body(struct api *a);

/* A paged list: `items` are indexes that `table` can look into; newest_first is the order without `sort`. `put` writes
 * one. Answers by itself, bad q and sort too. */
struct api_list {
    const int *items;
    size_t n;
    const struct rsql_table *table;
    const void *ctx;
    const char *const *sort_fields; /* NULL-terminated, any case; "id" is the order of items */
    bool newest_first;
    void (*put)(struct api *a, int item, bool full);
    bool always_full;
};
void api_page(struct api *a, const struct api_list *l);
/* {content, total, size} around it, for lists that are not indexes. false: answered (bad sort). */
bool api_window(struct api *a, size_t total, size_t *from, size_t *n);

/* Writers and look-ups shared between the files. */
void api_put_rollout(struct api *a, int rollout, bool full);
void api_put_ds(struct api *a, int ds, bool full);
void api_put_target(struct api *a, int dev, bool full);
extern const struct rsql_table api_targets_table;
int api_ds_index(struct api *a, int64_t id); /* W_NONE after answering 404 */
int api_dev_index(struct api *a, const char *id);
bool api_ds_usable(struct api *a, int ds); /* false after answering 400 */

void api_post_rollout(struct api *a); /* api_create.c */

typedef void (*api_handler)(struct api *a);
struct api_route {
    const char *method, *pattern; /* segments; "#" a number, "*" anything, "!VERB" a rollout verb */
    api_handler fn;
};
extern const struct api_route api_rollout_routes[], api_target_routes[], api_action_routes[], api_ds_routes[],
    api_other_routes[], api_metadata_routes[];

#endif
