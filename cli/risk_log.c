#include "cli/risk_log.h"

#include <stdlib.h>
#include <string.h>
#include "core/clock.h"
#include "core/fmt.h"
#include "core/text.h"

bool risk_log_read(const struct session *s, struct risk_log *out, struct err *e)
{
    arena_init(&out->arena);
    if (said_read(&s->audit_looks, &out->arena, &out->said, e))
        return true;
    arena_release(&out->arena);
    return false;
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
