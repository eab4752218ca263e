/* What changes something. Sent once (see http_send); whoever calls reads the state back. */
#include "client/hawkbit_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_CHARS_MAX 128

static void send_verb(struct job *j, const char *method, const char *path, const char *body, unsigned http_flags)
{
    job_send(j, method, path, body, http_flags, PART_VERB | PART_NO_BODY, NULL, 0);
}

void hb_verb(struct backend *b, const char *rollout, enum backend_verb v, const char *remark, backend_done done,
             void *ctx)
{
    static const char *const call[] = {
        [BV_START] = "start",     [BV_PAUSE] = "pause", [BV_RESUME] = "resume", [BV_TRIGGER_NEXT] = "triggerNextGroup",
        [BV_APPROVE] = "approve", [BV_DENY] = "deny",   [BV_STOP] = "stop",     [BV_STOP_FORCE] = "stop",
        [BV_RETRY] = "retry",     [BV_DELETE] = "",
    };
    struct job *j = job_begin(b, NULL, NULL, done, ctx);
    struct err e = {0};
    if (!hb_id_ok(rollout, "rollout", &e)) {
        job_refuse(j, &e);
        return;
    }
    const char *args = "";
    if ((v == BV_APPROVE || v == BV_DENY) && remark && remark[0])
        args = job_path(j, "?remark=%s", job_escape(j, remark));
    if (v == BV_DELETE)
        send_verb(j, "DELETE", job_path(j, "/rest/v1/rollouts/%s", rollout), NULL, 0);
    else
        send_verb(j, "POST", job_path(j, "/rest/v1/rollouts/%s/%s%s", rollout, call[v], args), NULL,
                  v == BV_PAUSE || v == BV_STOP || v == BV_STOP_FORCE ? HTTP_URGENT : 0);
}

const char *backend_verb_word(enum backend_verb v)
{
    static const char *const words[] = {
        [BV_START] = "start",     [BV_PAUSE] = "pause",   [BV_RESUME] = "resume", [BV_TRIGGER_NEXT] = "trigger-next",
        [BV_APPROVE] = "approve", [BV_DENY] = "deny",     [BV_STOP] = "stop",     [BV_STOP_FORCE] = "stop-force",
        [BV_RETRY] = "retry",     [BV_DELETE] = "delete",
    };
    return (size_t)v < sizeof words / sizeof *words ? words[v] : "?";
}

/* --- create --- */

struct create {
    const struct rollout_spec *spec; /* deep copy in scratch */
    bool shares_of_whole;
};

static bool check_spec(const struct rollout_spec *s, struct err *e)
{
    double sum = 0;
    if (!hb_id_ok(s->release_id, "release", e))
        return false;
    if (!s->name || !s->name[0] || strlen(s->name) > NAME_CHARS_MAX)
        return err_set(e, ERR_RANGE, "", "a rollout's name has 1 to %d characters", NAME_CHARS_MAX);
    if (!s->filter || !s->filter[0])
        return err_set(e, ERR_RANGE, "", "a rollout needs a filter");
    if (s->n_waves < 1 || s->n_waves > 500)
        return err_set(e, ERR_RANGE, "", "a rollout has 1 to 500 waves");
    for (int i = 0; i < s->n_waves; i++) {
        if (!(s->percent[i] > 0))
            return err_set(e, ERR_RANGE, "", "a wave's share must be more than 0 %%");
        sum += s->percent[i];
    }
    if (fabs(sum - 100) > 0.01)
        return err_set(e, ERR_RANGE, "", "the shares of the waves must sum to 100 %%");
    /* 100 is accepted by the server and never fires. */
    if (!(s->error_percent >= 0 && s->error_percent < 100))
        return err_set(e, ERR_RANGE, "", "an error threshold of 100 %% or more never fires; use 0 to 99");
    if (!(s->success_percent > 0 && s->success_percent <= 100))
        return err_set(e, ERR_RANGE, "", "a success threshold lies between 1 and 100 %%");
    return true;
}

static void write_condition(struct json_w *w, const char *key, const char *inner, const char *kind, const char *expr)
{
    json_w_key(w, key);
    json_w_obj(w);
    json_w_kstr(w, inner, kind);
    json_w_kstr(w, "expression", expr);
    json_w_obj_end(w);
}

/* Shares mean percent of the whole since 0.5, percent of what the waves before left over until then. The last wave is
 * always asked to take all that is left: both refuse a rollout whose waves leave devices out. */
static double share(const struct create *c, int i)
{
    const struct rollout_spec *s = c->spec;
    if (i == s->n_waves - 1)
        return 100;
    double left = 100;
    for (int k = 0; !c->shares_of_whole && k < i; k++)
        left -= s->percent[k];
    double p = s->percent[i] * 100 / left;
    return p < 1 ? 1 : p > 100 ? 100 : p; /* the server takes 1 to 100 */
}

static void write_rollout(struct buf *out, const struct create *c)
{
    const struct rollout_spec *s = c->spec;
    struct json_w w;
    char expr[16];
    json_w_init(&w, out, 0);
    json_w_obj(&w);
    json_w_kstr(&w, "name", s->name);
    json_w_kstr(&w, "description", s->description);
    json_w_key(&w, "distributionSetId");
    json_w_int(&w, strtoll(s->release_id, NULL, 10));
    json_w_kstr(&w, "targetFilterQuery", s->filter);
    json_w_kstr(&w, "type", "forced");
    json_w_key(&w, "groups");
    json_w_arr(&w);
    for (int i = 0; i < s->n_waves; i++) {
        char name[32];
        snprintf(name, sizeof name, "wave %d", i + 1);
        json_w_obj(&w);
        json_w_kstr(&w, "name", name);
        json_w_kstr(&w, "description", name);
        json_w_knum(&w, "targetPercentage", share(c, i));
        snprintf(expr, sizeof expr, "%d", (int)ceil(s->success_percent));
        write_condition(&w, "successCondition", "condition", "THRESHOLD", expr);
        write_condition(&w, "successAction", "action", "NEXTGROUP", "");
        snprintf(expr, sizeof expr, "%d", (int)floor(s->error_percent));
        write_condition(&w, "errorCondition", "condition", "THRESHOLD", expr);
        write_condition(&w, "errorAction", "action", "PAUSE", "");
        json_w_obj_end(&w);
    }
    json_w_arr_end(&w);
    json_w_obj_end(&w);
}

static void on_created(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct rollout r;
    struct err e = {0};
    (void)i;
    (void)a;
    if (!hb_decode_rollout(doc, j->arena, &r, "answer of POST /rest/v1/rollouts", &e)) {
        j->reply.maybe_sent = true; /* it said yes, and not what it is */
        job_fail(j, &e);
        return;
    }
    *(const char **)j->out = r.id;
}

static void create_now(struct job *j)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    write_rollout(&body, j->state);
    job_send(j, "POST", "/rest/v1/rollouts", body.data, 0, PART_VERB | PART_CREATE, on_created, 0);
    buf_release(&body);
}

static void on_has_stop(struct job *j, size_t i, const struct http_answer *a, const struct json_t *doc)
{
    struct create *c = j->state;
    struct err e = {0};
    (void)i;
    (void)doc;
    hb_error(a, http_peer_name(j->home->peer), "POST /rest/v1/rollouts/0/stop", true, &e);
    if (e.code == ERR_AUTH || e.code == ERR_THROTTLED || a->status >= 500)
        job_fail(j, &e);
    c->shares_of_whole = e.code != ERR_UNSUPPORTED;
}

void hb_create_rollout(struct backend *b, const struct rollout_spec *spec, struct arena *a, const char **id_out,
                       backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, id_out, done, ctx);
    struct err e = {0};
    *id_out = "";
    if (!check_spec(spec, &e)) {
        job_refuse(j, &e);
        return;
    }
    struct rollout_spec *s = arena_memdup(&j->scratch, spec, sizeof *spec);
    s->name = arena_strdup(&j->scratch, spec->name);
    s->description = arena_strdup(&j->scratch, spec->description ? spec->description : "");
    s->release_id = arena_strdup(&j->scratch, spec->release_id);
    s->filter = arena_strdup(&j->scratch, spec->filter);
    s->percent = arena_memdup(&j->scratch, spec->percent, (size_t)spec->n_waves * sizeof *spec->percent);
    struct create *c = ARENA_NEW(&j->scratch, struct create);
    c->spec = s;
    j->state = c;
    /* Two waves come out alike in both styles; for more, the server's style must be known: those that stop have the
     * new one. Between them (0.5 to 0.9) later waves come out larger than asked for, and none is left out. */
    if (s->n_waves > 2) {
        j->next = create_now;
        job_send(j, "POST", "/rest/v1/rollouts/0/stop", NULL, HTTP_SAFE, PART_ANY_STATUS, on_has_stop, 0);
    } else {
        create_now(j);
    }
}

/* --- devices --- */

void hb_cancel_action(struct backend *b, const char *raw_device, const char *action, bool force, backend_done done,
                      void *ctx)
{
    struct job *j = job_begin(b, NULL, NULL, done, ctx);
    struct err e = {0};
    if (!hb_device_ok(raw_device, &e) || !hb_id_ok(action, "action", &e)) {
        job_refuse(j, &e);
        return;
    }
    send_verb(
        j, "DELETE",
        job_path(j, "/rest/v1/targets/%s/actions/%s%s", job_escape(j, raw_device), action, force ? "?force=true" : ""),
        NULL, 0);
}

void hb_assign(struct backend *b, const char *raw_device, const char *release_id, bool offline, backend_done done,
               void *ctx)
{
    struct job *j = job_begin(b, NULL, NULL, done, ctx);
    struct err e = {0};
    if (!hb_device_ok(raw_device, &e) || !hb_id_ok(release_id, "release", &e)) {
        job_refuse(j, &e);
        return;
    }
    send_verb(
        j, "POST",
        job_path(j, "/rest/v1/targets/%s/assignedDS%s", job_escape(j, raw_device), offline ? "?offline=true" : ""),
        job_path(j, offline ? "{\"id\":%s}" : "{\"id\":%s,\"type\":\"forced\"}", release_id), 0);
}

/* --- auto-assignment --- */

struct filter_item {
    struct auto_assign f;
    int64_t release;
};

static bool filter_item(struct job *j, const struct json_t *o, void *element, const char *where, struct err *e)
{
    struct filter_item *f = element;
    int64_t id;
    if (!json_need_int(o, "id", &id, where, e))
        return false;
    f->f.id = arena_printf(j->arena, "%lld", (long long)id);
    f->f.name = hb_text(o, "name", j->arena, NAME_MAX_BYTES);
    f->f.filter = hb_text(o, "query", j->arena, 4096);
    json_int(o, "autoAssignDistributionSet", &f->release);
    return true;
}

static void filters_end(struct job *j, void *elements, size_t n, int64_t total)
{
    struct auto_assign_list *out = j->out;
    const struct filter_item *v = elements;
    long long wanted = strtoll(j->subject, NULL, 10);
    (void)total;
    out->v = ARENA_ARRAY(j->arena, struct auto_assign, n ? n : 1);
    for (size_t i = 0; i < n; i++)
        if (v[i].release == wanted)
            out->v[out->n++] = v[i].f;
}

void hb_auto_assigns(struct backend *b, const char *release_id, struct arena *a, struct auto_assign_list *out,
                     backend_done done, void *ctx)
{
    struct job *j = job_begin(b, a, out, done, ctx);
    struct err e = {0};
    *out = (struct auto_assign_list){0};
    if (!hb_id_ok(release_id, "release", &e)) {
        job_refuse(j, &e);
        return;
    }
    j->subject = arena_strdup(&j->scratch, release_id);
    job_pages(j, "/rest/v1/targetfilters?sort=id:ASC", 100000, sizeof(struct filter_item), filter_item, filters_end);
}

void hb_auto_assign_off(struct backend *b, const char *filter_id, backend_done done, void *ctx)
{
    struct job *j = job_begin(b, NULL, NULL, done, ctx);
    struct err e = {0};
    if (!hb_id_ok(filter_id, "target filter", &e)) {
        job_refuse(j, &e);
        return;
    }
    send_verb(j, "DELETE", job_path(j, "/rest/v1/targetfilters/%s/autoAssignDS", filter_id), NULL, 0);
}
