#include "audit/said.h"

#include <string.h>
#include <unistd.h>
#include "core/slice.h"
#include "core/vex.h"

struct reading {
    struct arena *a;
    struct said *out;
    int64_t *vex_seq;
    size_t accepts_cap, vex_cap;
    bool damaged;
};

static int64_t number(const struct stored *s, const char *key)
{
    int64_t n = 0;
    return slice_int(slice_of(stored_field(s, key)), &n) ? n : 0;
}

/* Room for one more of `size` bytes behind n in *v. */
static void *room(struct arena *a, void *v, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return v;
    size_t more = *cap ? 2 * *cap : 16;
    char *bigger = arena_alloc(a, more * size);
    if (n > 0)
        memcpy(bigger, v, n * size);
    *cap = more;
    return bigger;
}

static void accept_ended(struct said *o, int64_t seq)
{
    for (size_t i = 0; i < o->n_accepts; i++) {
        if (o->accepts[i].seq == seq) {
            memmove(&o->accepts[i], &o->accepts[i + 1], (--o->n_accepts - i) * sizeof *o->accepts);
            return;
        }
    }
}

static bool on_accept(void *ctx, const struct stored *s)
{
    struct reading *r = ctx;
    struct said *o = r->out;
    if (strcmp(s->kind, "damaged") == 0)
        r->damaged = true;
    else if (strcmp(s->result, "ended") == 0)
        accept_ended(o, number(s, "ends"));
    if (strcmp(s->result, "accepted") != 0)
        return true;
    o->accepts = room(r->a, o->accepts, o->n_accepts, &r->accepts_cap, sizeof *o->accepts);
    o->accepts[o->n_accepts++] = (struct risk_accept){
        .id = arena_strdup(r->a, stored_field(s, "vulnerability")),
        .release = arena_strdup(r->a, stored_field(s, "release")),
        .until = number(s, "until"),
        .by = arena_strdup(r->a, s->actor),
        .reason = arena_strdup(r->a, s->reason),
        .control = arena_strdup(r->a, stored_field(s, "control")),
        .seq = s->seq,
    };
    return true;
}

static void vex_ended(struct reading *r, int64_t seq)
{
    struct said *o = r->out;
    for (size_t i = 0; i < o->n_vex; i++) {
        if (r->vex_seq[i] == seq) {
            o->n_vex--;
            memmove(&o->vex[i], &o->vex[i + 1], (o->n_vex - i) * sizeof *o->vex);
            memmove(&r->vex_seq[i], &r->vex_seq[i + 1], (o->n_vex - i) * sizeof *r->vex_seq);
            return;
        }
    }
}

static bool on_vex(void *ctx, const struct stored *s)
{
    struct reading *r = ctx;
    struct said *o = r->out;
    enum vex_status status = vex_status_from(stored_field(s, "status"));
    size_t cap = r->vex_cap;
    if (strcmp(s->kind, "damaged") == 0)
        r->damaged = true;
    else if (strcmp(s->result, "ended") == 0)
        vex_ended(r, number(s, "ends"));
    /* a status of a later version of andon is shown by the log, and decides nothing here */
    if (strcmp(s->result, "added") != 0 || status == VEX_STATUSES)
        return true;
    o->vex = room(r->a, o->vex, o->n_vex, &cap, sizeof *o->vex);
    r->vex_seq = room(r->a, r->vex_seq, o->n_vex, &r->vex_cap, sizeof *r->vex_seq);
    r->vex_seq[o->n_vex] = s->seq;
    o->vex[o->n_vex++] = (struct vex){.id = arena_strdup(r->a, stored_field(s, "vulnerability")),
                                      .status = status,
                                      .why = arena_strdup(r->a, stored_field(s, "justification")),
                                      .product = arena_strdup(r->a, stored_field(s, "product")),
                                      .component = arena_strdup(r->a, stored_field(s, "component")),
                                      .document = arena_printf(r->a, "log #%lld", (long long)s->seq),
                                      .at = s->t};
    return true;
}

static bool on_cra(void *ctx, const struct stored *s)
{
    struct reading *r = ctx;
    const char *by = stored_field(s, "declared.by");
    if (strcmp(s->kind, "damaged") == 0) {
        r->damaged = true;
        return true;
    }
    struct cra_said said = {.what = s->result,
                            .id = stored_field(s, "vulnerability"),
                            .by = *by ? by : s->actor,
                            .stage = stored_field(s, "stage"),
                            .reference = stored_field(s, "reference"),
                            .sha256 = stored_field(s, "sha256"),
                            .at = strcmp(s->result, "proposed") == 0 ? s->t : number(s, "at"),
                            .seq = s->seq};
    cra_take(&r->out->cra, r->a, &said);
    return true;
}

bool said_read(const struct audit_spec *spec, struct arena *a, struct said *out, struct err *e)
{
    static const struct audit_query accept = {.kind = "accept"}, vex = {.kind = "vex"}, cra = {.kind = "cra"};
    struct audit_spec looks = *spec;
    struct reading r = {.a = a, .out = out};
    *out = (struct said){0};
    looks.read_only = true;
    if (!looks.socket && access(looks.db_path, F_OK) != 0)
        return true;
    struct audit_log *l = audit_open(&looks, e);
    if (!l)
        return false;
    bool ok = audit_each(l, &accept, on_accept, &r, e) && audit_each(l, &vex, on_vex, &r, e) &&
              audit_each(l, &cra, on_cra, &r, e);
    audit_close(l);
    if (ok && r.damaged)
        ok = err_set(e, ERR_TAMPERED, "andon audit verify says more.", "the log has an entry that cannot be read");
    return ok;
}
