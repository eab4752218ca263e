/* When a wave was told, on the server's clock: the first "running" entry in the history of a device's action for the
 * rollout. Its `reportedAt` is when the server wrote it. Not its `timestamp`: for this entry the server puts there when
 * the action was made, and actions of all waves are made when the rollout starts (1.1.0 and before). */
#include "client/hawkbit_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CANDIDATES_MAX 16 /* actions whose release is looked up where actions do not name their rollout */

struct candidate {
    int64_t id, release; /* 0: not known */
};

struct told {
    const char *device; /* escaped */
    int64_t rollout;
    bool named; /* the server's actions name their rollout */
    /* where they do not (0.3): */
    int64_t release, created; /* of the rollout */
    struct candidate v[CANDIDATES_MAX];
    size_t n;
    int64_t first_running; /* id of the entry */
};

static int64_t id_in_href(const struct json_t *o, const char *link, const char *folder)
{
    const char *s = json_str(json_get(json_get(o, "_links"), link), "href", NULL);
    const char *at = s ? strstr(s, folder) : NULL;
    if (!at)
        return 0;
    int64_t id = 0;
    for (at += strlen(folder); *at >= '0' && *at <= '9' && id < INT64_MAX / 10 - 1; at++)
        id = id * 10 + (*at - '0');
    return id;
}

static void on_status(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct told *t = j->state;
    const struct json_t *content = json_get(doc, "content");
    (void)i;
    (void)a;
    for (size_t k = 0; k < json_len(content); k++) {
        const struct json_t *o = json_at(content, k);
        const char *type = json_str(o, "type", NULL);
        int64_t id, at = hb_time(o, "reportedAt");
        if (!type || strcasecmp(type, "running") != 0 || !json_int(o, "id", &id) || id <= 0 || at == 0)
            continue;
        if (t->first_running == 0 || id < t->first_running) {
            t->first_running = id;
            *(int64_t *)j->out = at;
        }
    }
}

static void ask_status(struct job *j, int64_t action)
{
    struct told *t = j->state;
    job_get(j,
            job_path(j, "/rest/v1/targets/%s/actions/%lld/status?sort=id:ASC&limit=%d", t->device, (long long)action,
                     HB_PAGE),
            on_status, 0);
}

/* --- where actions do not name their rollout --- */

static void on_candidate(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct told *t = j->state;
    int64_t rollout = id_in_href(doc, "rollout", "/rollouts/");
    (void)a;
    if (rollout == 0 || rollout == t->rollout)
        t->v[i].release = id_in_href(doc, "distributionset", "/distributionsets/");
}

/* The oldest action with the rollout's release that was made after the rollout: later ones of the same release would be
 * those of a later rollout, and must not change the answer. */
static void choose(struct job *j)
{
    struct told *t = j->state;
    int64_t best = 0;
    for (size_t i = 0; i < t->n; i++)
        if (t->v[i].release == t->release && (best == 0 || t->v[i].id < best))
            best = t->v[i].id;
    if (best)
        ask_status(j, best);
}

static void ask_candidates(struct job *j)
{
    struct told *t = j->state;
    j->next = choose;
    for (size_t i = 0; i < t->n; i++)
        job_get(j, job_path(j, "/rest/v1/targets/%s/actions/%lld", t->device, (long long)t->v[i].id), on_candidate, i);
}

static void on_actions(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct told *t = j->state;
    const struct json_t *content = json_get(doc, "content");
    int64_t id, rollout, wanted = 0;
    (void)i;
    (void)a;
    for (size_t k = 0; k < json_len(content); k++) {
        const struct json_t *o = json_at(content, k);
        if (!json_int(o, "id", &id) || id <= 0)
            continue;
        t->named = t->named || json_int(o, "rollout", &rollout);
        if (json_int(o, "rollout", &rollout) && rollout == t->rollout && (wanted == 0 || id < wanted))
            wanted = id;
        /* From the newest to the oldest: what does not fit in any more is the newest. */
        if (hb_time(o, "createdAt") < t->created)
            continue;
        if (t->n == CANDIDATES_MAX) {
            memmove(t->v, t->v + 1, (CANDIDATES_MAX - 1) * sizeof *t->v);
            t->n--;
        }
        t->v[t->n++] = (struct candidate){.id = id};
    }
    if (wanted)
        ask_status(j, wanted);
    else if (!t->named && t->release)
        j->next = ask_candidates;
}

static void on_rollout(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct told *t = j->state;
    (void)i;
    (void)a;
    t->created = hb_time(doc, "createdAt");
    if (!json_int(doc, "distributionSetId", &t->release) || t->created == 0)
        t->release = 0;
    job_get(j, job_path(j, "/rest/v1/targets/%s/actions?sort=id:DESC&limit=%d", t->device, HB_PAGE), on_actions, 0);
}

void hb_told_at(struct backend *b, const char *rollout, const char *raw_device, struct arena *a, int64_t *out,
                backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct err e = {0};
    *out = 0;
    if (!hb_id_ok(rollout, "rollout", &e) || !hb_device_ok(raw_device, &e)) {
        job_refuse(j, &e);
        return;
    }
    struct told *t = ARENA_NEW(&j->scratch, struct told);
    t->device = job_escape(j, raw_device);
    t->rollout = strtoll(rollout, NULL, 10);
    j->state = t;
    job_get(j, job_path(j, "/rest/v1/rollouts/%s", rollout), on_rollout, 0);
}
