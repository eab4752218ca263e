#include "cli/risk_log.h"

#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int64_t number(const struct stored *s, const char *key)
{
    char *end;
    const char *text = stored_field(s, key);
    int64_t n = strtoll(text, &end, 10);
    return *text && !*end ? n : 0;
}

static void take_accept(struct risk_log *r, const struct stored *s)
{
    int64_t ends = number(s, "ends");
    if (strcmp(s->result, "ended") == 0) {
        for (size_t i = 0; i < r->n_accepts; i++) {
            if (r->accepts[i].seq == ends) {
                memmove(&r->accepts[i], &r->accepts[i + 1], (--r->n_accepts - i) * sizeof *r->accepts);
                return;
            }
        }
        return;
    }
    if (strcmp(s->result, "accepted") != 0)
        return;
    if (r->n_accepts == r->room) {
        struct risk_accept *v = ARENA_ARRAY(&r->arena, struct risk_accept, r->room * 2 + 16);
        if (r->n_accepts > 0)
            memcpy(v, r->accepts, r->n_accepts * sizeof *v);
        r->accepts = v;
        r->room = r->room * 2 + 16;
    }
    r->accepts[r->n_accepts++] = (struct risk_accept){
        .id = arena_strdup(&r->arena, stored_field(s, "vulnerability")),
        .release = arena_strdup(&r->arena, stored_field(s, "release")),
        .until = number(s, "until"),
        .by = arena_strdup(&r->arena, s->actor),
        .reason = arena_strdup(&r->arena, s->reason),
        .control = arena_strdup(&r->arena, stored_field(s, "control")),
        .seq = s->seq,
    };
}

static bool on_accept(void *ctx, const struct stored *s)
{
    take_accept(ctx, s);
    return true;
}

static bool on_cra(void *ctx, const struct stored *s)
{
    struct risk_log *r = ctx;
    const char *by = stored_field(s, "declared.by");
    struct cra_said said = {.what = s->result,
                            .id = stored_field(s, "vulnerability"),
                            .by = *by ? by : s->actor,
                            .stage = stored_field(s, "stage"),
                            .reference = stored_field(s, "reference"),
                            .sha256 = stored_field(s, "sha256"),
                            .at = strcmp(s->result, "proposed") == 0 ? s->t : number(s, "at"),
                            .seq = s->seq};
    cra_take(&r->cra, &r->arena, &said);
    return true;
}

bool risk_log_read(const struct session *s, struct risk_log *out, struct err *e)
{
    struct audit_query accept = {.kind = "accept"}, cra = {.kind = "cra"};
    struct err why = {0};
    struct audit_log *l = audit_open(&s->audit_looks, &why);

    *out = (struct risk_log){0};
    arena_init(&out->arena);
    bool ok = l ? audit_each(l, &accept, on_accept, out, &why) && audit_each(l, &cra, on_cra, out, &why)
                : why.code == ERR_NOT_FOUND;
    audit_close(l);
    if (!ok) {
        arena_release(&out->arena);
        *e = why;
    }
    return ok;
}

void risk_log_free(struct risk_log *r)
{
    arena_release(&r->arena);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static bool append(const struct session *s, struct entry *en, struct receipt *out, struct err *e)
{
    en->t = clock_wall(clock_real());
    en->mono = clock_boot(clock_real());
    struct audit_log *l = audit_open(&s->audit, e);
    bool ok = l && audit_append(l, en, out, e);
    audit_close(l);
    return ok;
}

bool risk_log_rule(const struct session *s, const char *rule, struct entry *en, struct receipt *out, struct err *e)
{
    en->actor = (struct actor){.kind = ACTOR_RULE};
    snprintf(en->actor.name, sizeof en->actor.name, "%s", rule);
    return append(s, en, out, e);
}

bool risk_log_add(const struct args *a, const struct session *s, struct entry *en, struct receipt *out, struct err *e)
{
    if (a->val[OPT_READ_ONLY])
        return err_set(e, ERR_REFUSED, "", "read-only: nothing is written into the log");
    en->actor = s->actor;
    return append(s, en, out, e);
}

bool risk_id_ok(const char *id, struct err *e)
{
    char safe[80];
    size_t n = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:+");
    if (n > 0 && !id[n] && n < ADV_ID_MAX)
        return true;
    safe_text_into(safe, sizeof safe, id, strlen(id));
    return err_set(e, ERR_SYNTAX, "As in CVE-2031-20417 or GHSA-9x7c-1f2e-77aa.", "\"%s\" is no id of a vulnerability",
                   safe);
}

bool risk_moment_read(const char *text, int sign, int64_t now, int64_t *out, struct err *e)
{
    char day[40], safe[80];
    int64_t dur;
    snprintf(day, sizeof day, "%.20sT00:00:00Z", text);
    if (fmt_iso_parse(text, out) || (strlen(text) == 10 && fmt_iso_parse(day, out)))
        return true;
    if (fmt_dur_parse(text, &dur) && dur >= 0) {
        *out = now + sign * dur;
        return true;
    }
    safe_text_into(safe, sizeof safe, text, strlen(text));
    return err_set(e, ERR_SYNTAX, "As in 2031-06-30, 2031-06-30T12:00:00Z or 90d.", "\"%s\" is no time", safe);
}
